/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arn.conf: the wide area. */
#include <string.h>

#include "arn/config.h"
#include "arn/scout_flood.h"

#define AT(field) offsetof(struct arn_conf, field), sizeof(((struct arn_conf *)0)->field)

/* In the order of their names. */
static const struct scout_ops *const methods[] = {
	NULL, &scout_local, &scout_wide, &scout_crawl, &scout_names, &scout_flood};
static const char *const method_names[] = {
	"none", "local", "wide", "crawl", "names", "flood", NULL};

static const char *check_directory(const void *value)
{
	const char *s = value;

	return !*s || (dns_name_ok(s) && strlen(s) < 120)
	               ? NULL
	               : "a domain's name as dir.cbb.net, of 119 bytes at most";
}

const struct conf_option arn_wide_options[] = {
	{"method", CONF_ENUM, AT(wide.method), "none", .names = method_names,
		.help = "how nodes beyond the own network are found"},
	{"nodes", CONF_ADDR_LIST, AT(wide.nodes), "", 0, CONF_MAX_ADDRS, .def_port = 7702,
		.help = "control ports of nodes elsewhere; may be repeated"},
	{"directory", CONF_STR, AT(wide.directory), "", .check = check_directory,
		.help = "domain of the directory of nodes, for the method \"names\""},
	{"interval", CONF_MS, AT(wide.interval), "1000", 50, 3600000,
		.help = "between two questions to the nearest nodes; to others it is as many "
			"times longer as they are farther"},
	{"interval-max", CONF_MS, AT(wide.interval_max), "30000", 50, 3600000,
		.help = "and this at most"},
	{"misses", CONF_INT, AT(wide.misses), "3", 1, 100,
		.help = "questions in a row without an answer until a node is gone"},
	{"rate", CONF_INT, AT(wide.rate), "50", 1, 10000,
		.help = "questions a second to all of them, at most"},
	{"max", CONF_INT, AT(wide.max), "256", 1, FAR_MAX,
		.help = "nodes elsewhere that are known, at most"},
	{"warm", CONF_INT, AT(wide.warm), "2", 0, FAR_MAX,
		.help = "nodes that are eligible while there is room at home, too"},
	{"grow", CONF_INT, AT(wide.grow), "75", 1, 100,
		.help = "per cent of use, at home and of the eligible nodes, at which their "
			"number is doubled"},
	{"shrink", CONF_INT, AT(wide.shrink), "50", 0, 99,
		.help = "per cent of use, with half of them, below which it is halved"},
	{"hold", CONF_MS, AT(wide.hold), "10000", 100, 3600000,
		.help = "time below it until that is done"},
	{"share", CONF_INT, AT(wide.share), "80", 1, 100,
		.help = "per cent of a far node's capacity that clients are sent to"},
	{"latency-cost", CONF_MS, AT(wide.latency_cost), "100", 0, 60000,
		.help = "round trip that weighs as much as a full load; 0: none does"},
	{0},
};

static bool needs_nodes(int method)
{
	const char *name = method_names[method];

	return !strcmp(name, "local") || !strcmp(name, "wide") || !strcmp(name, "crawl");
}

void arn_conf_check_wide(const struct arn_conf *c, struct conf_errors *e)
{
	const struct conf_addr_list *l = &c->wide.nodes;
	char text[ADDR_STRLEN];

	for (int i = 0; i < l->n; i++) {
		addr_str(&l->addr[i], text);
		if (!addr_is_routable(&l->addr[i]) || prefix_has(&c->anycast.block, &l->addr[i]))
			conf_error(e,
				"wide: nodes: %s is not a node's address, expected a unicast "
				"one outside the block",
				text);
		for (int k = 0; k < i; k++)
			if (!addr_cmp(&l->addr[i], &l->addr[k]))
				conf_error(e, "wide: nodes: %s is there twice", text);
	}
	if (!c->wide.method)
		return;
	if (!*c->key_file)
		conf_error(e,
			"wide: method is \"%s\" but there is no key-file: what nodes "
			"elsewhere say could not be trusted",
			method_names[c->wide.method]);
	if (needs_nodes(c->wide.method) && !l->n)
		conf_error(e, "wide: method is \"%s\" but no nodes are given",
			method_names[c->wide.method]);
	if (methods[c->wide.method] == &scout_names && (!*c->wide.directory || !*c->place))
		conf_error(e,
			"wide: method is \"names\" but %s is not given: nobody could say "
			"which nodes are near",
			*c->place ? "wide.directory" : "place");
	if (c->wide.interval > c->wide.interval_max)
		conf_error(e, "wide: interval is longer than interval-max");
	if (c->wide.shrink >= c->wide.grow)
		conf_error(e,
			"wide: shrink is %lld and grow %lld, expected less to shrink than "
			"to grow",
			(long long)c->wide.shrink, (long long)c->wide.grow);
	if (c->wide.warm > c->wide.max)
		conf_error(e, "wide: warm is more than max");
}

struct wide_conf arn_conf_wide(const struct arn_conf *c)
{
	struct wide_conf w = {.method = methods[c->wide.method],
		.scout = {.seed = c->wide.nodes.addr,
			.seeds = c->wide.nodes.n,
			.place = c->place,
			.directory = c->wide.directory,
			.block = c->anycast.block,
			.max = (int)c->wide.max,
			.interval_max = c->wide.interval_max},
		.far = {.interval = c->wide.interval,
			.interval_max = c->wide.interval_max,
			.rate = (int)c->wide.rate,
			.max = (int)c->wide.max,
			.misses = (int)c->wide.misses,
			.block = c->anycast.block},
		.area = {.warm = (int)c->wide.warm,
			.max = (int)c->wide.max,
			.grow = (double)c->wide.grow / 100,
			.shrink = (double)c->wide.shrink / 100,
			.hold = c->wide.hold},
		.share = (double)c->wide.share / 100};

	memcpy(w.far.place, c->place, sizeof(w.far.place));
	return w;
}

const char *arn_conf_method(const struct arn_conf *c)
{
	return method_names[c->wide.method];
}

bool arn_conf_wide_again(const struct arn_conf *was, const struct arn_conf *now)
{
	const struct conf_addr_list *a = &was->wide.nodes, *b = &now->wide.nodes;

	if (was->wide.method != now->wide.method || a->n != b->n ||
		strcmp(was->wide.directory, now->wide.directory) ||
		strcmp(was->place, now->place) ||
		was->wide.interval_max != now->wide.interval_max || was->wide.max != now->wide.max)
		return true;
	for (int i = 0; i < a->n; i++)
		if (addr_cmp(&a->addr[i], &b->addr[i]))
			return true;
	return false;
}
