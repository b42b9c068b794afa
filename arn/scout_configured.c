/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two methods that need no discovery (row H3): the nodes are configured. "local": they are
 * neighbours in the operator's order, of whom as many are candidates as are wanted, and one more
 * for each that does not answer; "wide": they are all nodes of the network, and all are candidates
 * all the time.
 *
 * And "flood" (arn/scout_flood.h), which can have configured nodes beside those that it is told of:
 * they are all candidates, a step away, as those of an ARN that is a neighbour.
 */
#include "arn/scout.h"
#include "arn/scout_flood.h"

#include <stdlib.h>

struct seed {
	struct addr control;
	bool lost;
};

struct configured {
	int seeds;
	int wanted;
	int named; /* the first so many are candidates, … */
	int lost;  /* of whom so many do not answer */
	unsigned distance;
	struct seed seed[];
};

static void *wide_init(const struct scout_conf *c, ns_t now)
{
	struct configured *s = calloc(1, sizeof(*s) + (size_t)c->seeds * sizeof(s->seed[0]));

	(void)now;
	if (!s)
		return NULL;
	s->seeds = c->seeds < c->max ? c->seeds : c->max;
	s->wanted = s->seeds;
	for (int i = 0; i < s->seeds; i++)
		s->seed[i].control = c->seed[i];
	return s;
}

static void *local_init(const struct scout_conf *c, ns_t now)
{
	struct configured *s = wide_init(c, now);

	if (s)
		s->wanted = 0;
	return s;
}

static void *flood_init(const struct scout_conf *c, ns_t now)
{
	struct configured *s = wide_init(c, now);

	if (s)
		s->distance = 1;
	return s;
}

bool scout_flood_has(const void *scout, const struct addr *control)
{
	const struct configured *s = scout;

	for (int i = 0; s && i < s->seeds; i++)
		if (!addr_cmp(&s->seed[i].control, control))
			return true;
	return false;
}

static void configured_want(void *scout, int nodes, ns_t now)
{
	struct configured *s = scout;

	(void)now;
	s->wanted = nodes;
}

/* It stays a candidate, and so is asked now and then whether it is back. */
static void configured_lost(void *scout, const struct addr *control, ns_t now)
{
	struct configured *s = scout;

	(void)now;
	for (int i = 0; i < s->named; i++) {
		if (s->seed[i].lost || addr_cmp(&s->seed[i].control, control))
			continue;
		s->seed[i].lost = true;
		s->lost++;
	}
}

static void configured_found(void *scout, const struct addr *control, ns_t now)
{
	struct configured *s = scout;

	(void)now;
	for (int i = 0; i < s->named; i++) {
		if (!s->seed[i].lost || addr_cmp(&s->seed[i].control, control))
			continue;
		s->seed[i].lost = false;
		s->lost--;
	}
}

/* How many are to be named. */
static int target(const struct configured *s)
{
	return s->wanted + s->lost < s->seeds ? s->wanted + s->lost : s->seeds;
}

static bool configured_next(void *scout, ns_t now, struct scout_act *act)
{
	struct configured *s = scout;
	struct seed *seed;

	(void)now;
	if (s->named == target(s))
		return false;
	*act = (struct scout_act){0};
	if (s->named < target(s)) {
		act->kind = SCOUT_CANDIDATE;
		act->candidate.control = s->seed[s->named++].control;
		act->candidate.distance = s->distance;
		return true;
	}
	seed = &s->seed[--s->named];
	s->lost -= seed->lost;
	seed->lost = false;
	act->kind = SCOUT_GONE;
	act->of = seed->control;
	return true;
}

static ns_t configured_when(const void *scout)
{
	const struct configured *s = scout;

	return s->named == target(s) ? NS_NEVER : 0;
}

const struct scout_ops scout_local = {.name = "local",
	.help = "the configured nodes, as many as the load calls for",
	.varies = true,
	.init = local_init,
	.free = free,
	.want = configured_want,
	.lost = configured_lost,
	.found = configured_found,
	.next = configured_next,
	.when = configured_when};

const struct scout_ops scout_wide = {.name = "wide",
	.help = "all configured nodes",
	.init = wide_init,
	.free = free,
	.lost = configured_lost,
	.found = configured_found,
	.next = configured_next,
	.when = configured_when};

const struct scout_ops scout_flood = {.name = "flood",
	.help = "what ARNs of other sites say of their nodes, and the configured ones",
	.varies = true,
	.init = flood_init,
	.free = free,
	.lost = configured_lost,
	.found = configured_found,
	.next = configured_next,
	.when = configured_when};
