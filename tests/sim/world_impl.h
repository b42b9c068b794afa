/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the simulator's world share: events, nodes, sites. Only they include this. */
#ifndef SIM_WORLD_IMPL_H
#define SIM_WORLD_IMPL_H

#include "arn/directory.h"
#include "arn/flood.h"
#include "tests/sim/agenda.h"
#include "tests/sim/world.h"

enum kind { ARRIVAL, ATTACH, END, QUESTION, ANSWER, RESOLVED, FLOODED, WAKE, LOOK };

struct event {
	ns_t at;
	enum kind kind;
	int site, node;
	union {
		struct {
			uint64_t id;
			ns_t sent;
			unsigned skip, sessions, attached;
			bool neighbours;
		} survey;
		struct {
			uint32_t who;
			int tries, avoid[WORLD_TRIES];
		} client;
		int lookup; /* index into the table of those under way */
		struct {
			uint8_t *payload; /* the event's own */
			size_t len;
			int link; /* that it comes by */
		} flood;
	};
};

struct node {
	unsigned sessions, attached;
	unsigned said_sessions; /* as its own ARN has heard */
	ns_t said_at;
	bool dead;
};

struct site {
	struct wide *wide;
	struct flood *flood; /* NULL unless that is the method */
	char name[16];
	struct directory *directory;
	bool dead;
	double times;      /* as many clients as usual */
	uint32_t arrivals; /* of which generation the next arrival is */
	ns_t wake;         /* when a WAKE is due; NS_NEVER */
	uint64_t asked;
	int heir;     /* of its clients when it is dead */
	int *nearest; /* made when it is needed */
	struct world *world;
};

struct world {
	struct world_conf conf;
	struct graph *graph;
	struct site *site;
	struct node *node;
	struct agenda agenda;
	ns_t now;
	struct graph_rng rng;
	struct world_count count;
	struct scout_lookup *lookup; /* under way */
	int lookups, lookup_room;
};

/* clients.c */
void clients_next(struct world *w, int site); /* the site's next one will come */
void clients_arrive(struct world *w, struct event *e);
void clients_ask(struct world *w, struct event *e); /* the ARN that is nearest */
void clients_attach(struct world *w, struct event *e);

/* world.c */
void world_plan(struct world *w, struct event e);
ns_t world_some_time(struct world *w, ns_t mean); /* exponentially distributed */
struct addr world_address(int node);
int world_node_at(const struct world *w, const struct addr *a); /* -1: none */
int world_site_of(const struct world *w, int node);
void world_hear(struct world *w, int site);  /* the site's ARN hears of its own nodes */
void world_serve(struct world *w, int site); /* does what its cores want done now */

#endif
