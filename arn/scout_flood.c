/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/scout_flood.h"

#include <string.h>

void scout_flood_node(struct far *far, const void *scout, const struct flood_news *news, ns_t now)
{
	struct scout_candidate c = {.control = news->said->addr, .distance = news->hops};

	if (!news->said->control_port)
		return; /* nobody could measure the way to it */
	addr_set_port(&c.control, news->said->control_port);
	memcpy(c.id, news->said->id, sizeof(c.id));
	if (scout_flood_has(scout, &c.control))
		c.distance = 1;
	if (far_name(far, &c, now) == 0)
		far_report(far, &c.control, news->said, news->expires - now, now);
}

void scout_flood_gone(struct far *far, const void *scout, const struct addr *control, ns_t now)
{
	if (!scout_flood_has(scout, control))
		far_unname(far, control, now);
}
