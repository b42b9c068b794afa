/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Overlay network crawling (row H6; WO 01/18641: "the ARN is provisioned with the IP addresses of some
 * number of adjacent service nodes. To identify incrementally distant service nodes, the ARN simply
 * queries these service nodes for a list of neighboring service nodes"). Nodes are asked breadth first,
 * the configured ones first, and only while fewer are known than are wanted; a node's distance is the
 * number of hops.
 *
 * What is kept is the graph: of each node its neighbours, as it said itself, until LIFE revisits later.
 * Hops follow from it, and are counted anew whenever it changes: so neither a circle nor a node that is
 * gone leaves a wrong distance, and who is not reachable from a configured node is forgotten. Nodes are
 * visited again at a slow rate, but only as far out as is needed for what is wanted: what is beyond
 * that expires. While no configured node answers at all, those that do are where the crawl begins.
 *
 * A node is not believed more than NEIGHBOURS others, whatever number it names; those that do not
 * answer are not counted, and give way to others.
 */
#include "arn/scout.h"

#include <stdlib.h>
#include <string.h>

#include "lib/lots.h"
#include "lib/survey.h"

#define NEIGHBOURS 32 /* of one node */
#define HOPS       32 /* the farthest */
#define FLIGHT     4  /* nodes that are being asked */
#define PATIENCE   (20 * NS_S)
#define LIFE       5 / 2 /* of a list, in revisits */

struct node {
	bool used, seed;
	bool lost; /* it does not answer */
	bool told; /* as a candidate, with these hops: */
	unsigned told_hops;
	unsigned hops; /* from 1; 0: not reached */
	struct addr control;
	int out[NEIGHBOURS]; /* its neighbours, as indexes */
	int outs;
	bool partial;       /* there were more, and they were not needed */
	ns_t ends;          /* the list's time */
	ns_t due;           /* it is to be asked (again) then */
	struct addr *fresh; /* not NULL: it is being asked; what it has said so far */
	int freshes;
	bool sent; /* the question is, at: */
	ns_t asked;
};

struct crawl {
	struct prefix block;
	int max, wanted;
	ns_t revisit;
	struct lots lots;
	struct node *node; /* `max` of them */
	struct addr *gone; /* to be said */
	int gones;
	int flying;
	bool dirty; /* hops are to be counted anew */
	ns_t ends;  /* the first list's end */
};

/* ---- life ---- */

static void crawl_free(void *scout)
{
	struct crawl *s = scout;

	if (!s)
		return;
	for (int i = 0; s->node && i < s->max; i++)
		free(s->node[i].fresh);
	free(s->node);
	free(s->gone);
	free(s);
}

static void *crawl_init(const struct scout_conf *c, ns_t now)
{
	struct crawl *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->block = c->block;
	s->max = c->max;
	s->revisit = c->interval_max;
	lots_init(&s->lots, c->random);
	s->node = calloc((size_t)c->max + 1, sizeof(*s->node));
	s->gone = calloc((size_t)c->max + 1, sizeof(*s->gone));
	if (!s->node || !s->gone) {
		crawl_free(s);
		return NULL;
	}
	for (int i = 0; i < c->seeds && i < c->max; i++)
		s->node[i] = (struct node){
			.used = true, .seed = true, .control = c->seed[i], .due = now};
	s->dirty = true;
	return s;
}

/* ---- the graph ---- */

static int find(const struct crawl *s, const struct addr *control)
{
	for (int i = 0; i < s->max; i++)
		if (s->node[i].used && !addr_cmp(&s->node[i].control, control))
			return i;
	return -1;
}

static bool is_live(const struct node *n)
{
	return n->used && n->hops && !n->lost;
}

static void land(struct crawl *s, struct node *n)
{
	s->flying -= n->fresh != NULL;
	free(n->fresh);
	n->fresh = NULL;
	n->freshes = 0;
	n->sent = false;
}

static void drop(struct crawl *s, int at)
{
	for (int i = 0; i < s->max; i++) {
		struct node *n = &s->node[i];

		for (int k = 0; n->used && k < n->outs; k++)
			if (n->out[k] == at)
				n->out[k--] = n->out[--n->outs];
	}
	land(s, &s->node[at]);
	if (s->node[at].told)
		s->gone[s->gones++] = s->node[at].control;
	s->node[at] = (struct node){.used = false};
	s->dirty = true;
}

/* Who gives way to one of so many hops: who is lost, or else who is farther; the farthest. Or -1. */
static int who_gives_way(const struct crawl *s, unsigned hops)
{
	int at = -1;

	for (int i = 0; i < s->max; i++) {
		const struct node *n = &s->node[i], *b = at < 0 ? NULL : &s->node[at];

		if (n->seed || (!n->lost && n->hops <= hops) || n->fresh)
			continue;
		if (!b || n->lost > b->lost || (n->lost == b->lost && n->hops > b->hops))
			at = i;
	}
	return at;
}

static bool is_host(const struct crawl *s, const struct addr *a)
{
	return addr_is_routable(a) && addr_port(a) && !prefix_has(&s->block, a);
}

/* Makes a place for it, if there is one. */
static void learn(struct crawl *s, const struct addr *control, unsigned hops, ns_t now)
{
	int at = find(s, control);

	if (at >= 0) {
		if (!s->node[at].hops || s->node[at].hops > hops)
			s->node[at].hops = hops;
		return;
	}
	for (int i = 0; at < 0 && i < s->max; i++)
		if (!s->node[i].used)
			at = i;
	if (at < 0 && s->gones < s->max) {
		at = who_gives_way(s, hops);
		if (at >= 0)
			drop(s, at);
	}
	if (at >= 0)
		s->node[at] =
			(struct node){.used = true, .control = *control, .hops = hops, .due = now};
}

/* What it has said becomes its list. */
static void take_list(struct crawl *s, int of, ns_t now)
{
	struct node *n = &s->node[of];

	n->outs = 0;
	for (int i = 0; i < n->freshes && n->hops < HOPS; i++)
		learn(s, &n->fresh[i], n->hops + 1, now);
	for (int i = 0; i < n->freshes; i++) {
		int at = find(s, &n->fresh[i]);

		if (at >= 0 && at != of)
			n->out[n->outs++] = at;
	}
	n->ends = now + s->revisit * LIFE;
	n->due = now + s->revisit - (ns_t)(lots_draw(&s->lots) % 1000) * s->revisit / 5000;
	land(s, n);
	s->dirty = true;
}

/* ---- the view ---- */

static bool any_seed_answers(const struct crawl *s)
{
	for (int i = 0; i < s->max; i++)
		if (s->node[i].used && s->node[i].seed && !s->node[i].lost)
			return true;
	return false;
}

static void set_roots(struct crawl *s)
{
	bool seeds = any_seed_answers(s);

	for (int i = 0; i < s->max; i++) {
		struct node *n = &s->node[i];

		if (n->seed)
			n->hops = 1;
		else if (seeds || n->lost)
			n->hops = 0;
	}
}

static void spread(struct crawl *s)
{
	for (unsigned h = 1; h < HOPS; h++) {
		for (int i = 0; i < s->max; i++) {
			const struct node *n = &s->node[i];

			for (int k = 0; n->used && n->hops == h && k < n->outs; k++) {
				struct node *to = &s->node[n->out[k]];

				if (!to->hops || to->hops > h + 1)
					to->hops = h + 1;
			}
		}
	}
}

static void view(struct crawl *s, ns_t now)
{
	s->dirty = false;
	s->ends = NS_NEVER;
	for (int i = 0; i < s->max; i++) {
		struct node *n = &s->node[i];

		if (n->used && n->outs && now >= n->ends)
			n->outs = 0;
		if (n->used && n->outs && n->ends < s->ends)
			s->ends = n->ends;
	}
	set_roots(s);
	spread(s);
	for (int i = 0; i < s->max; i++)
		if (s->node[i].used && !s->node[i].hops && s->gones < s->max)
			drop(s, i);
	s->dirty = s->gones == s->max; /* for the rest there was no room */
}

/* ---- whom to ask ---- */

/* within[h]: how many answer, of h hops at most. */
static void count_live(const struct crawl *s, int within[HOPS + 1])
{
	memset(within, 0, (HOPS + 1) * sizeof(*within));
	for (int i = 0; i < s->max; i++)
		if (is_live(&s->node[i]))
			within[s->node[i].hops]++;
	for (int h = 1; h <= HOPS; h++)
		within[h] += within[h - 1];
}

/* What it says is needed: there are not enough as near as it is itself, so that its neighbours are.
 * Who has no list, or not all of it, is asked only if there are not enough as near as those would
 * be, either. */
static bool is_needed(const struct crawl *s, const struct node *n, const int *within)
{
	if (n->hops >= HOPS)
		return false;
	return within[n->outs && !n->partial ? n->hops : n->hops + 1] < s->wanted;
}

/* The nearest one that is due; one that is farther than who is being asked waits. *when: the next one
 * is due then. */
static struct node *next_to_ask(const struct crawl *s, ns_t now, ns_t *when)
{
	struct node *best = NULL;
	unsigned asking = HOPS;
	int within[HOPS + 1];

	count_live(s, within);
	for (int i = 0; i < s->max; i++)
		if (s->node[i].fresh && s->node[i].hops < asking)
			asking = s->node[i].hops;
	for (int i = 0; i < s->max; i++) {
		struct node *n = &s->node[i];

		if (!n->used || !n->hops || n->fresh || n->hops > asking ||
			!is_needed(s, n, within))
			continue;
		if (n->due > now)
			*when = n->due < *when ? n->due : *when;
		else if (!best || n->hops < best->hops ||
			 (n->hops == best->hops && n->due < best->due))
			best = n;
	}
	return best;
}

/* A node that said neither yes nor no. */
static void give_up(struct crawl *s, struct node *n, ns_t now)
{
	land(s, n);
	n->due = now + s->revisit;
}

static bool ask(struct crawl *s, ns_t now, struct scout_act *act)
{
	struct node *n = NULL;
	ns_t when = NS_NEVER;

	for (int i = 0; i < s->max; i++) {
		if (s->node[i].fresh && s->node[i].sent && now >= s->node[i].asked + PATIENCE)
			give_up(s, &s->node[i], now);
		if (s->node[i].fresh && !s->node[i].sent)
			n = &s->node[i];
	}
	if (!n && s->flying < FLIGHT)
		n = next_to_ask(s, now, &when);
	if (!n)
		return false;
	if (!n->fresh) {
		n->fresh = calloc(NEIGHBOURS, sizeof(*n->fresh));
		if (!n->fresh) {
			n->due = now + s->revisit;
			return false;
		}
		s->flying++;
	}
	n->sent = true;
	n->asked = now;
	act->kind = SCOUT_NEIGHBOURS;
	act->of = n->control;
	act->skip = (unsigned)n->freshes;
	return true;
}

/* ---- the method ---- */

static void crawl_want(void *scout, int nodes, ns_t now)
{
	struct crawl *s = scout;

	for (int i = 0; i < s->max && nodes > s->wanted; i++)
		if (s->node[i].partial)
			s->node[i].due = now;
	s->wanted = nodes < s->max ? nodes : s->max;
}

/* Whether what it has said so far is not all that it says, and the rest is of use. */
static bool is_wanted_further(const struct crawl *s, struct node *n, int total)
{
	int within[HOPS + 1], news = 0;

	if (n->freshes >= total || n->freshes == NEIGHBOURS)
		return false;
	count_live(s, within);
	for (int i = 0; i < n->freshes; i++)
		news += find(s, &n->fresh[i]) < 0;
	n->partial = n->freshes >= n->outs && within[HOPS] + news >= s->wanted;
	return !n->partial;
}

static void crawl_neighbours(void *scout, const struct addr *of,
	const struct survey_neighbour *list, int n, int total, ns_t now)
{
	struct crawl *s = scout;
	int at = find(s, of), was;
	struct node *node = at < 0 ? NULL : &s->node[at];

	if (!node || !node->fresh || !node->sent)
		return;
	node->lost = false;
	node->sent = false;
	was = node->freshes;
	for (int i = 0; i < n && node->freshes < NEIGHBOURS; i++)
		node->fresh[node->freshes++] = list[i].control;
	node->partial = false;
	if (node->freshes > was && is_wanted_further(s, node, total))
		return;
	for (int i = 0; i < node->freshes; i++)
		if (!is_host(s, &node->fresh[i]))
			node->fresh[i--] = node->fresh[--node->freshes];
	take_list(s, at, now);
}

static void crawl_lost(void *scout, const struct addr *control, ns_t now)
{
	struct crawl *s = scout;
	int at = find(s, control);

	if (at < 0)
		return;
	s->node[at].lost = s->dirty = true;
	give_up(s, &s->node[at], now);
}

static void crawl_found(void *scout, const struct addr *control, ns_t now)
{
	struct crawl *s = scout;
	int at = find(s, control);

	if (at < 0)
		return;
	s->node[at].lost = false;
	if (!s->node[at].outs)
		s->node[at].due = now;
	s->dirty = true;
}

/* What is new about a candidate. */
static bool tell(struct crawl *s, struct scout_act *act)
{
	for (int i = 0; i < s->max; i++) {
		struct node *n = &s->node[i];

		if (!n->used || !n->hops || (n->told && n->told_hops == n->hops))
			continue;
		n->told = true;
		n->told_hops = n->hops;
		act->kind = SCOUT_CANDIDATE;
		act->candidate.control = n->control;
		act->candidate.distance = n->hops;
		return true;
	}
	return false;
}

static bool crawl_next(void *scout, ns_t now, struct scout_act *act)
{
	struct crawl *s = scout;

	if (s->dirty || now >= s->ends)
		view(s, now);
	*act = (struct scout_act){0};
	if (s->gones) {
		act->kind = SCOUT_GONE;
		act->of = s->gone[--s->gones];
		return true;
	}
	/* A node is a candidate before it is asked. */
	return tell(s, act) || ask(s, now, act);
}

static ns_t crawl_when(const void *scout)
{
	const struct crawl *s = scout;
	ns_t when = s->ends;

	if (s->dirty || s->gones)
		return 0;
	for (int i = 0; i < s->max; i++) {
		const struct node *n = &s->node[i];

		if (n->used && n->hops && (!n->told || n->told_hops != n->hops))
			return 0;
		if (n->fresh && !n->sent)
			return 0;
		if (n->fresh && n->asked + PATIENCE < when)
			when = n->asked + PATIENCE;
	}
	if (s->flying < FLIGHT)
		next_to_ask(s, 0, &when); /* nobody is due at 0 */
	return when;
}

const struct scout_ops scout_crawl = {.name = "crawl",
	.help = "neighbours in the overlay, from the configured nodes on, as many as the load "
		"calls for",
	.varies = true,
	.init = crawl_init,
	.free = crawl_free,
	.want = crawl_want,
	.neighbours = crawl_neighbours,
	.lost = crawl_lost,
	.found = crawl_found,
	.next = crawl_next,
	.when = crawl_when};
