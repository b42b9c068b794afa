/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arn.conf: what ARNs flood to each other. */
#include <string.h>

#include "arn/config.h"
#include "arn/scout_flood.h"

#define AT(field) offsetof(struct arn_conf, field), sizeof(((struct arn_conf *)0)->field)

const struct conf_option arn_flood_options[] = {
	{"share", CONF_BOOL, AT(flood.share), "no",
		.help = "tell the ARNs of the sites what load the nodes here have, and pass on "
			"what they tell"},
	{"interval", CONF_MS, AT(flood.interval), "2000", 100, 3600000,
		.help = "after which it is told again; longer if there is much to tell"},
	{"min-interval", CONF_MS, AT(flood.min_interval), "500", 10, 3600000,
		.help = "between two tellings when something changes, of an ARN's own and of "
			"others' nodes"},
	{"misses", CONF_INT, AT(flood.misses), "5", 2, 20,
		.help = "intervals until what is not told again is forgotten"},
	{"change", CONF_INT, AT(flood.change), "10", 1, 100,
		.help = "per cent of a node's capacity by which its load has to change to be "
			"told at once"},
	{"hops", CONF_INT, AT(flood.hops), "32", 1, FLOOD_MAX_HOPS,
		.help = "ARNs that what is told can pass"},
	{"rate", CONF_INT, AT(flood.rate), "200", 1, 100000,
		.help = "records a second to each site, at most"},
	{"records", CONF_INT, AT(flood.records), "4096", 16, 65536,
		.help = "records of other ARNs that are kept, at most"},
	{0},
};

bool arn_conf_floods(const struct arn_conf *c)
{
	return c->flood.share || !strcmp(arn_conf_method(c), scout_flood.name);
}

void arn_conf_check_flood(const struct arn_conf *c, struct conf_errors *e)
{
	if (arn_conf_floods(c) && !c->site.n)
		conf_error(e, "%s but no site: there is nobody to flood to, or to hear",
			c->flood.share ? "flood: share is given" : "wide: method is \"flood\"");
	if (c->flood.min_interval > c->flood.interval)
		conf_error(e, "flood: min-interval is longer than interval");
}

struct flood_conf arn_conf_flood(const struct arn_conf *c)
{
	return (struct flood_conf){.name = c->name,
		.block = c->anycast.block,
		.links = c->site.n,
		.interval = c->flood.interval,
		.min_interval = c->flood.min_interval,
		.misses = (int)c->flood.misses,
		.hops = (int)c->flood.hops,
		.records = (int)c->flood.records,
		.rate = (int)c->flood.rate,
		.change = (double)c->flood.change / 100,
		.skew = c->discovery.skew};
}

bool arn_conf_flood_same(const struct arn_conf *a, const struct arn_conf *b)
{
	return arn_conf_floods(a) == arn_conf_floods(b) && a->flood.interval == b->flood.interval &&
	       a->flood.min_interval == b->flood.min_interval &&
	       a->flood.misses == b->flood.misses && a->flood.change == b->flood.change &&
	       a->flood.hops == b->flood.hops && a->flood.rate == b->flood.rate &&
	       a->flood.records == b->flood.records;
}
