/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is attached to this node (figure 9: SN1), and which channels such nodes have said that they have:
 * the channel database's part that comes and goes by itself. All of it is soft state, that ends unless
 * it is said again. Nodes that are attached get no other rights than a configured neighbour has; there
 * are `max` of them at most. Of two nodes that claim one path, the one that was first has it for as long
 * as it says so. Pure.
 */
#ifndef NEARCAST_SN_ATTACHED_H
#define NEARCAST_SN_ATTACHED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/attach.h"
#include "lib/clock.h"
#include "lib/slice.h"

#define ATTACHED_MAX 32

struct attached_node {
	char name[ANNOUNCE_ID_LEN];
	struct addr address, overlay;
	bool tunnel;
	ns_t until;
	int channels;
	char channel[ATTACH_CHANNELS][PRIME_PATH];
};

struct attached_conf {
	char name[ANNOUNCE_ID_LEN];
	struct addr control; /* where it is asked, with the port */
	int family;          /* of its address in the overlay; 0: it is in none */
	uint64_t generation;
	int max;        /* tunnels */
	bool registers; /* channels, of nodes without a tunnel too */
	bool draining;
	struct addr registry; /* that nodes are told to tell their channels; family 0: none */
};

struct attached {
	struct attached_conf conf;
	int n;
	struct attached_node node[ATTACHED_MAX]; /* in the order in which they came */
};

enum attached_what {
	ATTACHED_ANSWER, /* the answer, and nothing else */
	ATTACHED_OPEN,   /* this end of the tunnel, and the answer */
	ATTACHED_KEEP,   /* it is there, though maybe to another address; and the answer */
	ATTACHED_CLOSE,  /* it, and the answer */
};

/* What a request comes to; *node is a copy. `taken`: name or address is a configured neighbour's. */
enum attached_what attached_ask(struct attached *t, const struct attach_ask *ask, bool taken,
	ns_t now, struct attach_answer *answer, struct attached_node *node);
/* The tunnel could not be made: it is forgotten. */
void attached_undo(struct attached *t, const char *name);
/* Takes out one whose time is over. False: there is none. */
bool attached_expire(struct attached *t, ns_t now, struct attached_node *node);
int attached_tunnels(const struct attached *t);
bool attached_room(const struct attached *t); /* for one more tunnel */
/* Where in the overlay the channel of a path is; NULL: nobody has said. */
const struct addr *attached_source(const struct attached *t, struct slice path, ns_t now);

#endif
