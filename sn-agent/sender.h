/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node of a new source, of figure 9: SN0. Nothing says whose neighbour it is to be. It asks the
 * anycast address, asks the node that it is told there for a tunnel, makes its own end when that is
 * granted, and says again and again that it is there.
 *
 *	nobody ──ask the anycast address──> a node is told ──ask it──> granted: tunnel, refreshes
 *	  ^                                                │                │
 *	  └── pause, longer with each failure <── refused, silent           │
 *	  └───────────── at once, avoiding it <── silent, or the tunnel is ─┘
 *
 * The connection through the tunnel tells of a death first: then the node is asked at once whether it
 * is there. If it is, it was a false alarm, unless the tunnel stays dead. A node that drains is left when
 * another one's tunnel has settled; so nothing is missing meanwhile. The tunnel to a dead one goes no
 * sooner either: a router says what its links are every five seconds at most (OSPF's MinLSInterval, RFC
 * 2328, B), and is to say first that there is a new one.
 *
 * A node may name a registry, which then hears which channels are here, whatever becomes of the
 * node. Pure: who does what it says is attach_door.c.
 */
#ifndef NEARCAST_SN_SENDER_H
#define NEARCAST_SN_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/attach.h"
#include "lib/clock.h"

#define SENDER_AVOID 8
#define SENDER_LIST  (SENDER_AVOID * ANNOUNCE_ID_LEN) /* of names and commas */

enum sender_role {
	SENDER_NODE,     /* the one that it is attached to, or asks */
	SENDER_LEFT,     /* the one before, which drains or is dead */
	SENDER_REGISTRY, /* no tunnel leads there */
	SENDER_ROLES
};

struct sender_hold {
	bool used;
	char name[ANNOUNCE_ID_LEN]; /* "" of a registry that has not answered yet */
	struct addr control;
	uint64_t generation, id; /* of the last question */
	int tries;               /* questions without an answer */
	ns_t next;               /* question */
	bool granted, draining;
	bool open, up;    /* its tunnel is made; and answers */
	ns_t since;       /* it is up, or is not */
	ns_t heard;       /* the last answer that granted */
	const char *over; /* it is lost, for this reason */
	bool said;        /* and that was said */
	bool farewell;    /* it is to be told */
	ns_t until;       /* its tunnel stays at most */
};

struct sender_conf {
	char name[ANNOUNCE_ID_LEN];
	struct addr address, overlay; /* this node's, port 0 */
	ns_t refresh;
};

struct sender {
	struct sender_conf conf;
	struct sender_hold hold[SENDER_ROLES];
	struct sender_hold gone; /* the last one that was closed, which an act names */
	uint64_t id;
	bool asking, stopping;
	ns_t ask_at;
	unsigned failures; /* since something was granted */
	struct {
		char name[ANNOUNCE_ID_LEN];
		ns_t until;
	} avoid[SENDER_AVOID];
};

enum sender_what {
	SENDER_NOTHING,
	SENDER_ASK,   /* the anycast address; sender_told() then says what came of it */
	SENDER_SEND,  /* `ask` to ask.to; the channels are the shell's to put in */
	SENDER_OPEN,  /* this end of the tunnel to the node: it is attached */
	SENDER_LOSE,  /* it is no more, for the reason why; its tunnel stays for a while */
	SENDER_CLOSE, /* this end of the tunnel */
};

struct sender_act {
	enum sender_what what;
	char avoid[SENDER_LIST]; /* names with commas */
	struct attach_ask ask;
	const char *node, *why;
	struct addr address; /* of the node, port 0 */
};

void sender_init(struct sender *s, const struct sender_conf *c, uint64_t seed);
/* What is to be done now, one after the other until there is nothing; node and why hold until the next
 * call. */
enum sender_what sender_next(struct sender *s, struct sender_act *a, ns_t now);

/* What the anycast address said: a node and its control port; node NULL: nothing. */
void sender_told(struct sender *s, const char *node, const struct addr *control, ns_t now);
/* False: it is no answer to a question of ours. */
bool sender_heard(struct sender *s, const struct attach_answer *a, ns_t now);
void sender_tunnel(struct sender *s, const char *node, bool up, ns_t now);
/* SENDER_OPEN could not be done. */
void sender_failed(struct sender *s, const char *node, ns_t now);
void sender_publishes(struct sender *s, ns_t now); /* other channels than before */
void sender_stop(struct sender *s);                /* says goodbye to all */

/* The node that it is attached to; NULL: none. */
const struct sender_hold *sender_attached(const struct sender *s);

#endif
