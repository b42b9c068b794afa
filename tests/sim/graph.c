/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/graph.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POPS     8    /* of a network of tier 1 */
#define ROUTER   0.3  /* ms, at each crossing from one network to another */
#define LAST     2.0  /* ms, at most, that an access network adds */
#define LINKS    64   /* of one point */
#define EXCHANGE 0.12 /* networks of tier 2 within that distance may be peers */

enum relation { INSIDE, UP, ACROSS, DOWN };

struct point {
	double x, y;
	int network;
	int links;
	struct {
		int to;
		enum relation relation;
		float ms;
	} link[LINKS];
};

uint64_t graph_random(struct graph_rng *r, uint64_t below)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return (r->state >> 11) % below;
}

double graph_uniform(struct graph_rng *r)
{
	return (double)(graph_random(r, UINT64_C(1) << 52) + 1) / (double)(UINT64_C(1) << 52);
}

static double apart(double x1, double y1, double x2, double y2)
{
	return hypot(x1 - x2, y1 - y2);
}

static float flight(double distance)
{
	return (float)(distance * (double)GRAPH_ACROSS / NS_MS);
}

static void join(struct point *p, int a, int b, enum relation r)
{
	static const enum relation back[] = {INSIDE, DOWN, ACROSS, UP};
	float ms =
		flight(apart(p[a].x, p[a].y, p[b].x, p[b].y)) + (r == INSIDE ? 0 : (float)ROUTER);

	if (p[a].links == LINKS || p[b].links == LINKS)
		return;
	p[a].link[p[a].links].to = b;
	p[a].link[p[a].links].relation = r;
	p[a].link[p[a].links++].ms = ms;
	p[b].link[p[b].links].to = a;
	p[b].link[p[b].links].relation = back[r];
	p[b].link[p[b].links++].ms = ms;
}

/* The one of a network's points (of any of tier 1, if network is -1) that is nearest; `but` is not it. */
static int nearest_point(
	const struct point *p, int n, double x, double y, int network, int but_network)
{
	double best = DBL_MAX, d;
	int found = -1;

	for (int i = 0; i < n; i++) {
		if ((network >= 0 && p[i].network != network) || p[i].network == but_network)
			continue;
		d = apart(p[i].x, p[i].y, x, y);
		if (d < best) {
			best = d;
			found = i;
		}
	}
	return found;
}

static void tier_one(struct point *p, int networks, struct graph_rng *r)
{
	int n = networks * POPS;

	for (int i = 0; i < n; i++)
		p[i] = (struct point){
			.x = graph_uniform(r), .y = graph_uniform(r), .network = i / POPS};
	for (int a = 0; a < n; a++)
		for (int b = a + 1; b < n && b / POPS == a / POPS; b++)
			join(p, a, b, INSIDE);
	/* Two networks meet where their points are nearest, at three places of the map. */
	for (int a = 0; a < networks; a++)
		for (int b = a + 1; b < networks; b++)
			for (int k = 0; k < 3; k++) {
				int one = a * POPS + (int)graph_random(r, POPS);

				join(p, one, nearest_point(p, n, p[one].x, p[one].y, b, -1),
					ACROSS);
			}
}

static void tier_two(struct point *p, int first, int n, struct graph_rng *r)
{
	for (int i = first; i < first + n; i++) {
		int one, two;

		p[i] = (struct point){.x = graph_uniform(r),
			.y = graph_uniform(r),
			.network = first / POPS + i - first};
		one = nearest_point(p, first, p[i].x, p[i].y, -1, -1);
		two = nearest_point(p, first, p[i].x, p[i].y, -1, p[one].network);
		join(p, i, one, UP);
		join(p, i, two, UP);
		for (int k = first; k < i; k++)
			if (apart(p[i].x, p[i].y, p[k].x, p[k].y) < EXCHANGE && graph_random(r, 2))
				join(p, i, k, ACROSS);
	}
}

/* Whether one may go on by a link: what it comes to (climbing or not), or -1. */
static int valley(int climbing, enum relation r)
{
	if (r == INSIDE)
		return climbing;
	if (r == DOWN)
		return 0;
	return climbing ? r == UP : -1;
}

/* Dijkstra, over (point, climbing); n is some hundreds. */
static void paths_from(const struct point *p, int n, int from, float *out)
{
	float *best = malloc((size_t)n * 2 * sizeof(*best));
	bool *done = calloc((size_t)n * 2, sizeof(*done));

	if (!best || !done)
		abort();
	for (int i = 0; i < 2 * n; i++)
		best[i] = FLT_MAX;
	best[2 * from + 1] = 0;
	for (;;) {
		int at = -1;

		for (int i = 0; i < 2 * n; i++)
			if (!done[i] && best[i] < FLT_MAX && (at < 0 || best[i] < best[at]))
				at = i;
		if (at < 0)
			break;
		done[at] = true;
		for (int k = 0; k < p[at / 2].links; k++) {
			int climbing = valley(at % 2, p[at / 2].link[k].relation), to;

			if (climbing < 0)
				continue;
			to = 2 * p[at / 2].link[k].to + climbing;
			if (best[at] + p[at / 2].link[k].ms < best[to])
				best[to] = best[at] + p[at / 2].link[k].ms;
		}
	}
	for (int i = 0; i < n; i++)
		out[i] = fminf(best[2 * i], best[2 * i + 1]);
	free(best);
	free(done);
}

static uint16_t cell_of(double x, double y)
{
	uint16_t cell = 0;

	for (int level = 0; level < GRAPH_LEVELS; level++) {
		int right = x >= 0.5, low = y >= 0.5;

		cell = (uint16_t)(cell << 2 | right << 1 | low);
		x = x * 2 - right;
		y = y * 2 - low;
	}
	return cell;
}

/* Sites are where people are: half of them near one of some towns. */
static void settle(struct graph *g, const struct point *p, struct graph_rng *r)
{
	int towns = g->sites / 20 + 1;

	for (int i = 0; i < g->sites; i++) {
		struct graph_site *s = &g->site[i];
		bool used[1 << 12] = {false};

		s->x = graph_uniform(r);
		s->y = graph_uniform(r);
		if (i >= towns && graph_random(r, 2)) {
			const struct graph_site *town = &g->site[graph_random(r, (uint64_t)towns)];

			s->x = fmin(fmax(town->x + (s->x - 0.5) * 0.05, 0), 0.999999);
			s->y = fmin(fmax(town->y + (s->y - 0.5) * 0.05, 0), 0.999999);
		}
		s->cell = cell_of(s->x, s->y);
		s->providers = 1 + (int)graph_random(r, GRAPH_PROVIDERS);
		for (int k = 0; k < s->providers; k++) {
			int found = -1;

			for (int j = 0; j < g->points; j++)
				if (!used[j] && (found < 0 || apart(p[j].x, p[j].y, s->x, s->y) <
								      apart(p[found].x, p[found].y,
									      s->x, s->y)))
					found = j;
			used[found] = true;
			s->provider[k] = found;
			s->access[k] = flight(apart(p[found].x, p[found].y, s->x, s->y)) +
			               (float)(ROUTER + LAST * graph_uniform(r));
		}
	}
}

static bool has_tunnel(const struct graph_site *s, int to)
{
	for (int i = 0; i < s->tunnels; i++)
		if (s->tunnel[i] == to)
			return true;
	return false;
}

struct ranked {
	ns_t latency;
	int site;
};

/* The sites that are nearest, in order; how many. */
static int nearest_few(const struct graph *g, int site, struct ranked *r, int max)
{
	int n = 0;

	for (int i = 0; i < g->sites; i++) {
		struct ranked x = {graph_latency(g, site, i), i};
		int k;

		if (i == site || (n == max && x.latency >= r[n - 1].latency))
			continue;
		if (n < max)
			n++;
		for (k = n - 1; k > 0 && r[k - 1].latency > x.latency; k--)
			r[k] = r[k - 1];
		r[k] = x;
	}
	return n;
}

/* Each site to the nearest ones; a site that many are nearest to has four times as many at most. */
static void dig(struct graph *g)
{
	struct ranked near[6 * GRAPH_TUNNELS];

	for (int i = 0; i < g->sites; i++) {
		struct graph_site *s = &g->site[i];
		int n = nearest_few(g, i, near, 6 * GRAPH_TUNNELS);

		for (int k = 0, made = 0; k < n && made < GRAPH_TUNNELS; k++) {
			struct graph_site *o = &g->site[near[k].site];

			if (has_tunnel(s, near[k].site)) {
				made++;
				continue;
			}
			if (s->tunnels == 4 * GRAPH_TUNNELS || o->tunnels == 4 * GRAPH_TUNNELS)
				continue;
			s->tunnel[s->tunnels++] = near[k].site;
			o->tunnel[o->tunnels++] = i;
			made++;
		}
	}
}

struct graph *graph_new(int sites, int nodes_per_site, uint64_t seed)
{
	struct graph *g = calloc(1, sizeof(*g));
	struct graph_rng r = {seed * 0x9e3779b97f4a7c15ull | 1};
	int ones = 4 + (int)sqrt(sites) / 25, twos = 12 + 3 * (int)sqrt(sites);
	struct point *p;

	if (!g)
		return NULL;
	*g = (struct graph){.sites = sites, .nodes_per_site = nodes_per_site};
	g->points = ones * POPS + twos;
	p = calloc((size_t)g->points, sizeof(*p));
	g->site = calloc((size_t)sites, sizeof(*g->site));
	g->between = calloc((size_t)g->points * (size_t)g->points, sizeof(*g->between));
	if (p && g->site && g->between) {
		tier_one(p, ones, &r);
		tier_two(p, ones * POPS, twos, &r);
		for (int i = 0; i < g->points; i++)
			paths_from(p, g->points, i, g->between + (size_t)i * (size_t)g->points);
		settle(g, p, &r);
		free(p);
		dig(g);
		return g;
	}
	free(p);
	graph_free(g);
	return NULL;
}

void graph_free(struct graph *g)
{
	if (!g)
		return;
	free(g->site);
	free(g->between);
	free(g);
}

ns_t graph_latency(const struct graph *g, int a, int b)
{
	const struct graph_site *s = &g->site[a], *o = &g->site[b];
	float best = FLT_MAX;

	if (a == b)
		return GRAPH_LAN;
	for (int i = 0; i < s->providers; i++)
		for (int k = 0; k < o->providers; k++) {
			size_t at =
				(size_t)s->provider[i] * (size_t)g->points + (size_t)o->provider[k];

			best = fminf(best, s->access[i] + g->between[at] + o->access[k]);
		}
	return (ns_t)((double)best * NS_MS);
}

void graph_place(const struct graph *g, int site, int levels, char out[PLACE_LEN])
{
	size_t n = 0;

	out[0] = 0;
	for (int i = levels - 1; i >= 0; i--) {
		int quarter = g->site[site].cell >> 2 * (GRAPH_LEVELS - 1 - i) & 3;

		n += (size_t)snprintf(
			out + n, PLACE_LEN - n, "%s%c%d", n ? "." : "", 'a' + quarter, i);
	}
}

int graph_neighbours(const struct graph *g, int node, int skip, int max, int *out, int *total)
{
	int per = g->nodes_per_site, site = node / per, first = site * per, n = 0, all = 0;
	int ring[2] = {first + (node - first + 1) % per, first + (node - first + per - 1) % per};

	for (int i = 0; i < 2; i++) {
		if (ring[i] == node || (i && ring[1] == ring[0]))
			continue;
		if (all++ >= skip && n < max)
			out[n++] = ring[i];
	}
	for (int i = 0; node == first && i < g->site[site].tunnels; i++)
		if (all++ >= skip && n < max)
			out[n++] = g->site[site].tunnel[i] * per;
	*total = all;
	return n;
}

static int nearer(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return x->latency != y->latency ? (x->latency > y->latency) - (x->latency < y->latency)
	                                : x->site - y->site;
}

int *graph_nearest(const struct graph *g, int site)
{
	size_t others = (size_t)g->sites - 1;
	struct ranked *r = malloc((others + 1) * sizeof(*r));
	int *out = malloc((others + 1) * sizeof(*out)), n = 0;

	if (!r || !out) {
		free(r);
		free(out);
		return NULL;
	}
	for (int i = 0; i < g->sites; i++)
		if (i != site)
			r[n++] = (struct ranked){graph_latency(g, site, i), i};
	qsort(r, others, sizeof(*r), nearer);
	for (int i = 0; i < n; i++)
		out[i] = r[i].site;
	free(r);
	return out;
}
