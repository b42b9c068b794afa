/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An internet for the simulator (figures 1 and 2 of WO 01/18641): sites on a map, in access networks
 * that are customers of one to three transit networks near them.
 *
 * Transit networks are of two tiers. Those of tier 1 have points of presence all over the map and are
 * peers of each other; those of tier 2 are in one place, customers of two of tier 1, and peers of their
 * neighbours at exchange points. Paths are free of valleys: up to providers, at most once across to a
 * peer, down to customers (Gao and Rexford, 2001). Among these the quickest is taken, which real BGP
 * often misses; latencies here are therefore a little too good, to all methods alike.
 *
 * The map is 1 by 1, across which light in fibre takes GRAPH_ACROSS one way. Places' names
 * (lib/place.h) are its quarters, and theirs, to GRAPH_LEVELS levels. Every site has so many nodes, in a
 * ring, the first of which has tunnels to those of the nearest sites: the overlay.
 */
#ifndef SIM_GRAPH_H
#define SIM_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/place.h"

#define GRAPH_ACROSS    (40 * NS_MS)
#define GRAPH_LEVELS    6
#define GRAPH_PROVIDERS 3
#define GRAPH_TUNNELS   4

struct graph_site {
	double x, y;
	uint16_t cell; /* of the map's finest division */
	int providers;
	int provider[GRAPH_PROVIDERS];          /* points of presence */
	float access[GRAPH_PROVIDERS];          /* ms one way */
	int tunnels, tunnel[4 * GRAPH_TUNNELS]; /* sites whose first nodes are neighbours of ours */
};

struct graph {
	int sites, nodes_per_site;
	struct graph_site *site;
	int points;     /* of presence */
	float *between; /* points x points, ms one way */
};

/* The same seed makes the same graph. NULL without memory. */
struct graph *graph_new(int sites, int nodes_per_site, uint64_t seed);
void graph_free(struct graph *g);

/* One way between two sites. Within a site it is GRAPH_LAN. */
#define GRAPH_LAN (100 * NS_US)
ns_t graph_latency(const struct graph *g, int a, int b);
/* A site's place, `levels` of it: the whole is GRAPH_LEVELS. */
void graph_place(const struct graph *g, int site, int levels, char out[PLACE_LEN]);
/* Neighbours of a node in the overlay, `max` at most, from `skip` on; *total: of all. */
int graph_neighbours(const struct graph *g, int node, int skip, int max, int *out, int *total);
/* All sites but this, the nearest first: sites - 1 of them. The caller's to free; NULL without memory. */
int *graph_nearest(const struct graph *g, int site);

struct graph_rng {
	uint64_t state; /* not 0 */
};
uint64_t graph_random(struct graph_rng *r, uint64_t below);
double graph_uniform(struct graph_rng *r); /* (0, 1] */

#endif
