/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/scout_flood.h"

#include <stdlib.h>
#include <string.h>

void scout_flood_node(struct far *far, const struct flood_news *news, ns_t now)
{
	struct scout_candidate c = {.control = news->said->addr, .distance = news->hops};

	if (!news->said->control_port)
		return; /* nobody could measure the way to it */
	addr_set_port(&c.control, news->said->control_port);
	memcpy(c.id, news->said->id, sizeof(c.id));
	if (far_name(far, &c, now) == 0)
		far_report(far, &c.control, news->said, news->expires - now, now);
}

void scout_flood_gone(struct far *far, const struct addr *control, ns_t now)
{
	far_unname(far, control, now);
}

/* ---- what wide.h asks of a method ---- */

static void *flood_init(const struct scout_conf *c, ns_t now)
{
	(void)c;
	(void)now;
	return calloc(1, 1);
}

static void flood_want(void *scout, int nodes, ns_t now)
{
	(void)scout;
	(void)nodes;
	(void)now;
}

static void flood_lost(void *scout, const struct addr *control, ns_t now)
{
	(void)scout;
	(void)control;
	(void)now;
}

static bool flood_next(void *scout, ns_t now, struct scout_act *act)
{
	(void)scout;
	(void)now;
	(void)act;
	return false;
}

static ns_t flood_nothing(const void *scout)
{
	(void)scout;
	return NS_NEVER;
}

const struct scout_ops scout_flood = {.name = "flood",
	.help = "what ARNs of other sites say of their nodes",
	.varies = true,
	.init = flood_init,
	.free = free,
	.want = flood_want,
	.lost = flood_lost,
	.next = flood_next,
	.when = flood_nothing};
