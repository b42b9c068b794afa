/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SRV_OF "_nearcast._udp."
#define PTR_OF "_areas."

/* The place in `name`, which is `what` and PLACE.ZONE: how many levels it has, and its part of the map in
 * *cell. -1: it is no such name. */
static int place_in(const char *name, const char *what, unsigned *cell)
{
	size_t n = strlen(what), end = strlen(name), zone = strlen(ZONE);
	int levels = 0;

	if (strncmp(name, what, n) != 0 || end < n + zone || strcmp(name + end - zone, ZONE) != 0)
		return -1;
	*cell = 0;
	end -= zone;
	/* Labels are "a0.", the outermost last. */
	for (; end > n; end -= 3, levels++) {
		if (end < n + 3 || levels == GRAPH_LEVELS || name[end - 2] != '0' + levels)
			return -1;
		*cell = *cell << 2 | (unsigned)(name[end - 3] - 'a');
	}
	return levels;
}

static unsigned part(const struct graph *g, int site, int levels)
{
	return (unsigned)g->site[site].cell >> 2 * (GRAPH_LEVELS - levels);
}

static int nodes_at(const struct graph *g, const char *name, struct scout_record *r)
{
	char place[PLACE_LEN];
	unsigned cell;
	int n = 0;

	if (place_in(name, SRV_OF, &cell) != GRAPH_LEVELS)
		return 0;
	for (int i = 0; i < g->sites; i++) {
		if (g->site[i].cell != cell)
			continue;
		graph_place(g, i, GRAPH_LEVELS, place);
		for (int k = 0; k < g->nodes_per_site && n < ZONE_RECORDS; k++, n++) {
			r[n] = (struct scout_record){0};
			snprintf(r[n].name, sizeof(r[n].name), "n%d.%s.%s",
				i * g->nodes_per_site + k, place, ZONE);
		}
	}
	return n;
}

static int areas_in(const struct graph *g, const char *name, struct scout_record *r)
{
	char place[PLACE_LEN];
	bool met[4] = {false};
	unsigned cell;
	int levels = place_in(name, PTR_OF, &cell), n = 0;

	if (levels < 0 || levels == GRAPH_LEVELS)
		return 0;
	for (int i = 0; i < g->sites && n < 4; i++) {
		unsigned inner = part(g, i, levels + 1);

		if (inner >> 2 != cell || met[inner & 3])
			continue;
		met[inner & 3] = true;
		graph_place(g, i, levels + 1, place);
		r[n] = (struct scout_record){0};
		snprintf(r[n++].name, sizeof(r[n].name), "%s.%s", place, ZONE);
	}
	return n;
}

int zone_lookup(const struct graph *g, const struct scout_lookup *what, struct scout_record *r)
{
	switch (what->type) {
	case SCOUT_SRV: return nodes_at(g, what->name, r);
	case SCOUT_PTR: return areas_in(g, what->name, r);
	default:
		if (what->name[0] != 'n')
			return 0;
		r[0] = (struct scout_record){0};
		return atoi(what->name + 1) < g->sites * g->nodes_per_site;
	}
}
