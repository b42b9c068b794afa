/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sites with their ARNs, nodes and clients, under virtual time. Each site's ARN is the very cores of
 * arn/: wide.h (scout, far nodes, area), directory.h, select.h and the reservations. The model is what
 * is around them: messages take the graph's latencies, clients come as they please and stay for a
 * while, nodes take so many and refuse the next one.
 *
 * An ARN knows the nodes of its own site as they are (the real one is 200 ms behind). A client that
 * attaches to a node which is dead asks its ARN again after WORLD_SILENCE, one that is refused at
 * once; both name the node (Nearcast-Avoid).
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "arn/wide.h"
#include "tests/sim/graph.h"

#define WORLD_LOOK    (NS_S / 2) /* how often an ARN looks at its loads */
#define WORLD_SILENCE NS_S       /* until a client gives a node up that does not answer */
#define WORLD_TRIES   4          /* of one client */
#define WORLD_NODES   32         /* of a site, at most */

struct world_conf {
	int sites, nodes_per_site;
	unsigned places; /* of each node */
	double use;      /* of the places, that clients take on average */
	ns_t stay;       /* of a client, on average */
	uint64_t seed;
	const struct scout_ops *method;
	struct far_conf far; /* place and block are filled in */
	struct area_conf area;
	double share, latency_cost; /* arn/select.h */
	int seeds;                  /* sites that an ARN is configured with, the nearest; 0: all */
};

/* What happened since world_take(). */
struct world_count {
	uint64_t asked, answered; /* surveys */
	uint64_t lookups;         /* of the DNS */
	uint64_t flooded;         /* records that an ARN sent to another */
	uint64_t bytes;           /* of all these, roughly */
	uint64_t clients;         /* that began to ask */
	uint64_t home, away;      /* attached at a node of the site that they asked, or elsewhere */
	uint64_t refused, unanswered; /* attempts: at a node that was full, or dead */
	uint64_t denied;              /* clients that got nothing */
	uint64_t turned;              /* times that an area grew or shrank */
	/* Of those that attached elsewhere: how far they are, and the nearest place that was free. */
	double away_ms, best_ms;
	uint64_t best; /* times that there was one */
};

struct world;
struct world *world_new(const struct world_conf *c);
void world_free(struct world *w);
void world_run(struct world *w, ns_t until);
struct world_count world_take(struct world *w);

const struct graph *world_graph(const struct world *w);
/* So many times as many clients come to a site as usual, from now on. */
void world_crowd(struct world *w, int site, double times);
/* A site and all its nodes die; its clients ask at the nearest site that lives. */
void world_kill(struct world *w, int site);

struct world_site {
	bool dead;
	int scope, eligible, known; /* far nodes */
	int stale;                  /* of those that are eligible, who is dead */
	uint64_t asked;             /* surveys, ever */
	unsigned used, places;      /* of its nodes */
	unsigned over; /* places of its nodes that are taken beyond those that they have */
};
struct world_site world_site(const struct world *w, int site);

#endif
