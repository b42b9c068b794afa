/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wide area under virtual time: so many sites with so many nodes, and what is asked of them. Prints
 * one JSON object a line: {"kind":"second",…} for each second (with --series), {"kind":"run",…} at the
 * end. tests/sim/curves.py runs it again and again and draws the curves.
 *
 *	calm     clients come as they do; what does an ARN cost?
 *	crowd    from CROWD_AT on, for CROWD_FOR, many times as many clients come to one site
 *	region   at CROWD_AT all that is in a circle of a sixteenth of the map dies
 */
#include <getopt.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/scout_flood.h"
#include "tests/sim/world.h"

#define CROWD_AT  (30 * NS_S)
#define CROWD_FOR (60 * NS_S)
#define LOST      0.14 /* radius */

struct run {
	const char *scenario;
	double seconds, times;
	bool series;
	struct world *w;
	int sites, crowded;
	uint64_t asked_at_start, least, most; /* surveys of an ARN */
	struct world_count sum;
	double recovered; /* s after the loss, until nobody's area has a dead node; -1: not yet */
	unsigned over;
};

static size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* The site that has most others near it; as good as any. */
static int somewhere(const struct graph *g)
{
	int best = 0;
	double d = 9;

	for (int i = 0; i < g->sites; i++) {
		double dx = g->site[i].x - 0.4, dy = g->site[i].y - 0.4;

		if (dx * dx + dy * dy < d) {
			d = dx * dx + dy * dy;
			best = i;
		}
	}
	return best;
}

static void lose_region(struct run *r)
{
	const struct graph *g = world_graph(r->w);
	const struct graph_site *c = &g->site[r->crowded];

	for (int i = 0; i < g->sites; i++)
		if (hypot(g->site[i].x - c->x, g->site[i].y - c->y) < LOST)
			world_kill(r->w, i);
}

static void add(struct world_count *sum, const struct world_count *c)
{
	sum->asked += c->asked;
	sum->answered += c->answered;
	sum->lookups += c->lookups;
	sum->flooded += c->flooded;
	sum->bytes += c->bytes;
	sum->clients += c->clients;
	sum->home += c->home;
	sum->away += c->away;
	sum->refused += c->refused;
	sum->unanswered += c->unanswered;
	sum->denied += c->denied;
	sum->turned += c->turned;
	sum->away_ms += c->away_ms;
	sum->best_ms += c->best_ms;
	sum->best += c->best;
}

static void print_count(const struct world_count *c)
{
	printf("\"asked\":%lu,\"answered\":%lu,\"lookups\":%lu,\"bytes\":%lu,\"clients\":%lu,"
	       "\"home\":%lu,\"away\":%lu,\"refused\":%lu,\"unanswered\":%lu,\"denied\":%lu,"
	       "\"turned\":%lu,\"away_ms\":%.3f,\"best_ms\":%.3f",
		c->asked, c->answered, c->lookups, c->bytes, c->clients, c->home, c->away,
		c->refused, c->unanswered, c->denied, c->turned,
		c->best ? c->away_ms / (double)c->best : 0,
		c->best ? c->best_ms / (double)c->best : 0);
}

/* One second of it. */
static void second(struct run *r, ns_t at)
{
	struct world_count c;
	struct world_site v, here;
	int stale = 0, known = 0, scope = 0, alive = 0;

	world_run(r->w, at);
	c = world_take(r->w);
	add(&r->sum, &c);
	here = world_site(r->w, r->crowded);
	for (int i = 0; i < r->sites; i++) {
		v = world_site(r->w, i);
		if (v.over > r->over)
			r->over = v.over;
		if (v.dead)
			continue;
		alive++;
		stale += v.stale;
		known += v.known;
		scope += v.scope;
	}
	if (!strcmp(r->scenario, "region") && at > CROWD_AT) {
		if (stale)
			r->recovered = -1;
		else if (r->recovered < 0)
			r->recovered = (double)(at - CROWD_AT) / NS_S;
	}
	if (!r->series)
		return;
	printf("{\"kind\":\"second\",\"t\":%.0f,", (double)at / NS_S);
	print_count(&c);
	printf(",\"stale\":%d,\"known\":%.2f,\"scope\":%.2f,\"here\":{\"scope\":%d,\"eligible\":%d,"
	       "\"known\":%d,\"used\":%u,\"places\":%u}}\n",
		stale, (double)known / alive, (double)scope / alive, here.scope, here.eligible,
		here.known, here.used, here.places);
}

static void run(struct run *r)
{
	bool crowd = !strcmp(r->scenario, "crowd"), region = !strcmp(r->scenario, "region");

	for (ns_t at = NS_S; at <= (ns_t)(r->seconds * NS_S); at += NS_S) {
		second(r, at);
		if (at == CROWD_AT && crowd)
			world_crowd(r->w, r->crowded, r->times);
		if (at == CROWD_AT + CROWD_FOR && crowd)
			world_crowd(r->w, r->crowded, 1);
		if (at == CROWD_AT && region)
			lose_region(r);
	}
}

static int usage(FILE *to)
{
	fprintf(to, "usage: wide [OPTION...]\n"
		    "  --sites N      2 or more (100)\n"
		    "  --nodes N      of each site (10)\n"
		    "  --method M     local, wide, flood, crawl or names (crawl)\n"
		    "  --scenario S   calm, crowd (at one site) or region (that dies) (calm)\n"
		    "  --seconds S    of virtual time (60)\n"
		    "  --use U        of all places, as a fraction (0.5)\n"
		    "  --times T      as many clients in a crowd (4)\n"
		    "  --max N        wide.max (64)\n"
		    "  --seed S       (1)\n"
		    "  --series       what happened in each second, too\n");
	return to == stdout ? 0 : 64;
}

static bool scenario_known(const char *name)
{
	return !strcmp(name, "calm") || !strcmp(name, "crowd") || !strcmp(name, "region");
}

static const struct scout_ops *method_of(const char *name)
{
	const struct scout_ops *const all[] = {
		&scout_local, &scout_wide, &scout_flood, &scout_crawl, &scout_names};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"sites", 1, 0, 'n'}, {"nodes", 1, 0, 'k'},
		{"method", 1, 0, 'm'}, {"scenario", 1, 0, 's'}, {"seconds", 1, 0, 't'},
		{"use", 1, 0, 'u'}, {"times", 1, 0, 'x'}, {"seed", 1, 0, 'r'}, {"max", 1, 0, 'a'},
		{"series", 0, 0, 'v'}, {"help", 0, 0, 'h'}, {0}};
	struct run r = {.scenario = "calm", .seconds = 60, .times = 4, .recovered = -1};
	struct world_conf c = {.sites = 100,
		.nodes_per_site = 10,
		.places = 20,
		.use = 0.5,
		.stay = 40 * NS_S,
		.seed = 1,
		.method = &scout_crawl,
		.far = {.interval = NS_S,
			.interval_max = 60 * NS_S,
			.rate = 50,
			.max = 64,
			.misses = 3},
		.area = {.warm = 2, .max = 64, .grow = 0.8, .shrink = 0.6, .hold = 10 * NS_S},
		.share = 0.8,
		.latency_cost = 0.1,
		.seeds = 3};
	size_t before;

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 'n': c.sites = atoi(optarg); break;
		case 'k': c.nodes_per_site = atoi(optarg); break;
		case 'm':
			c.method = method_of(optarg);
			if (!c.method)
				return usage(stderr);
			break;
		case 's': r.scenario = optarg; break;
		case 't': r.seconds = atof(optarg); break;
		case 'u': c.use = atof(optarg); break;
		case 'x': r.times = atof(optarg); break;
		case 'r': c.seed = (uint64_t)atoll(optarg); break;
		case 'a': c.far.max = c.area.max = atoi(optarg); break;
		case 'v': r.series = true; break;
		case 'h': return usage(stdout);
		default: return usage(stderr);
		}
	if (c.sites < 2 || c.nodes_per_site < 1 || c.nodes_per_site > WORLD_NODES ||
		c.far.max < 1 || c.far.max > FAR_MAX || r.seconds <= 0 ||
		!scenario_known(r.scenario))
		return usage(stderr);
	if (!strcmp(c.method->name, "wide")) {
		c.seeds = 0;
		c.far.max = FAR_MAX;
	}
	r.sites = c.sites;
	before = allocated();
	r.w = world_new(&c);
	if (!r.w)
		return 71;
	r.crowded = somewhere(world_graph(r.w));
	run(&r);
	for (int i = 0; i < r.sites; i++) {
		uint64_t n = world_site(r.w, i).asked;

		r.least = !i || n < r.least ? n : r.least;
		r.most = n > r.most ? n : r.most;
	}
	printf("{\"kind\":\"run\",\"method\":\"%s\",\"scenario\":\"%s\",\"sites\":%d,\"nodes\":%d,"
	       "\"seconds\":%.0f,\"seed\":%lu,",
		c.method->name, r.scenario, c.sites, c.sites * c.nodes_per_site, r.seconds, c.seed);
	print_count(&r.sum);
	printf(",\"arn\":{\"asked_s\":%.3f,\"asked_s_least\":%.3f,\"asked_s_most\":%.3f,"
	       "\"messages_s\":%.3f,\"bytes_s\":%.1f,\"lookups_s\":%.4f,\"memory\":%.0f},\"over\":%"
	       "u,\"recovered_s\":%."
	       "0f}\n",
		(double)r.sum.asked / r.sites / r.seconds, (double)r.least / r.seconds,
		(double)r.most / r.seconds,
		(double)(r.sum.asked + r.sum.answered + 2 * r.sum.lookups + 2 * r.sum.flooded) /
			r.sites / r.seconds,
		(double)r.sum.bytes / r.sites / r.seconds,
		(double)r.sum.lookups / r.sites / r.seconds,
		(double)(allocated() - before) / r.sites, r.over, r.recovered);
	world_free(r.w);
	return 0;
}
