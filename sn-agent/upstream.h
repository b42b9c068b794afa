/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From which upstream node a channel comes: a core. One upstream is asked after the other until
 * one has the channel. When that one falls silent or its connection breaks, the next is tried
 * beside it: a "trial". Whichever gives a new packet first wins (make before break, and a node that
 * was only slow is kept). While the source itself is silent both are, so suspicion backs off.
 *
 * In an overlay the nodes are neighbours, and the route to the channel's source leads to one of them:
 * that one is asked first. When the route changes, the channel moves after it: the new neighbour is
 * attached beside the old one, which is let go when the new one is level with it. Other neighbours
 * are detours, for when the route's does not answer: who re-joins, or seeks for a client of its own,
 * may take them; who seeks for another node only follows its route, so that one question never
 * floods the overlay (compare the loop-free alternates of RFC 5286). Circles are via.h's.
 *
 * Two slots hold attachments; the shell makes and drops them as the actions say.
 */
#ifndef NEARCAST_SN_UPSTREAM_H
#define NEARCAST_SN_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

#define UPSTREAM_NODES 16

#define UPSTREAM_TRY     (1000 * NS_MS) /* for one node to answer */
#define UPSTREAM_SEEK    (2500 * NS_MS) /* for any to have the channel */
#define UPSTREAM_PROVE   (2000 * NS_MS) /* for a trial to give a packet that the other did not */
#define UPSTREAM_FLOOR   (60 * NS_MS)   /* silence that is suspicious: 4 × the largest recent */
#define UPSTREAM_CEILING (1000 * NS_MS) /* gap, within these */
#define UPSTREAM_WINDOW  (5 * NS_S)     /* "recent": one to two of these */
#define UPSTREAM_GONE    (3 * NS_S)     /* all say 404 for that long: the source has ended */
#define UPSTREAM_LOST    (30 * NS_S)    /* nobody answers for that long: likewise */
#define UPSTREAM_MOVE    (200 * NS_MS)  /* to move again after the route's neighbour refused, */
#define UPSTREAM_MOVES   (3 * NS_S)     /* twice that, …, at most */

/* What is known of the nodes beside the channel: shared by all channels. */
struct upstream_nodes {
	int n;                   /* of an overlay: of places, some of which may be empty */
	bool up[UPSTREAM_NODES]; /* its warm connection answers */
};

enum upstream_do {
	UPSTREAM_NOTHING,
	UPSTREAM_ATTACH,   /* attach `slot` to `node` */
	UPSTREAM_DROP,     /* let go of `slot`; nothing more is to be told of it */
	UPSTREAM_PROMOTED, /* `slot` is what the channel comes by now */
	UPSTREAM_REFUSED,  /* nobody has the channel: `status` for who asked */
	UPSTREAM_OVER,     /* it was had and cannot be had again */
};

struct upstream_action {
	enum upstream_do what;
	int slot, node, status;
};

struct upstream {
	const struct upstream_nodes *nodes;
	int node[2];       /* of each slot */
	int active, trial; /* slots, or -1 */
	bool established;  /* was had once */
	bool playing;      /* packets are to be expected from the active one */
	bool wanted;       /* somebody plays: a lost one is replaced */
	bool over;
	uint32_t tried; /* nodes of this round, a bit each */
	int first;      /* where the round begins */
	int status;     /* best excuse of the round */
	ns_t trial_until, seek_until, retry_at, lost_since, not_before;
	ns_t backoff, doubt; /* between rounds; between suspicions */
	ns_t last_packet, gap[2], gap_window;
	bool any_packet;
	bool routed;         /* the nodes are neighbours in an overlay, and */
	int route;           /* this one is on the way to the source; -1: none is */
	bool detours;        /* others may be asked before it was had once */
	int avoid;           /* has just failed: asked last in this round; -1 */
	bool moving;         /* the trial takes the active one's place when it is level */
	bool trial_attached; /* it has the channel */
	bool compared;       /* one of this round had it, beside the active one */
	ns_t move_at, moving_since, move_backoff;
	struct upstream_action queue[8];
	int queued;
	uint64_t suspicions, false_alarms, switches; /* of this channel */
};

/* nodes->n >= 1. The first action is due at once. */
void upstream_init(struct upstream *u, const struct upstream_nodes *nodes, ns_t now);
/* The same in an overlay. route: -1 when there is none; detours: somebody here asks, no other node. */
void upstream_init_routed(
	struct upstream *u, const struct upstream_nodes *nodes, int route, bool detours, ns_t now);
/* The route to the source leads to this node now, -1: nowhere. */
void upstream_route(struct upstream *u, int route, ns_t now);
/* Somebody plays the channel: it is kept from now on. */
void upstream_want(struct upstream *u, ns_t now);
/* The slot's node has the channel; playing: packets are under way, else it was only described. */
void upstream_attached(struct upstream *u, int slot, bool playing, ns_t now);
/* It refused (status), or 0: it cannot be reached or is gone. The shell has let go of the slot. */
void upstream_failed(struct upstream *u, int slot, int status, ns_t now);
/* A packet came by the slot; fresh: one that nobody had brought before. */
void upstream_packet(struct upstream *u, int slot, bool fresh, ns_t now);
/* The slot has brought all up to what there was when it was asked: it has caught up. */
void upstream_level(struct upstream *u, int slot, ns_t now);
void upstream_tick(struct upstream *u, ns_t now);
ns_t upstream_when(const struct upstream *u);
/* The next thing to do; false: none. */
bool upstream_next(struct upstream *u, struct upstream_action *out);
/* Silence after which the active node is suspected. */
ns_t upstream_patience(const struct upstream *u);

#endif
