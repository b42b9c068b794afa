/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flooding (row H4; WO 01/18641: "the ARNs may exchange load information using a flooding algorithm",
 * figure 7, 954): each ARN says what load its own nodes have, and its neighbours, the ARNs of its
 * `site` sections, pass it on, so that all know of all. A core: own nodes, records of neighbours and
 * `now` in; records to send and news of nodes out. arn/flood_msg.h has the message.
 *
 * An origin's nodes are in one to FLOOD_PARTS records, each by itself with sequence number and age,
 * like the link state of OSPF (RFC 2328, 13) and the fragments of IS-IS:
 *
 *  - Of two records the one with the higher sequence holds. It begins with the wall clock, so that a
 *    restart supersedes; one from further in the future than `skew` is refused. An ARN whose clock was set
 *    back is told by its neighbours what it said in its earlier life, and says something newer still.
 *  - Each passes a link once in each direction at most, and none that it came by (split horizon), or by
 *    which the neighbour has shown that it has it. Nothing is acknowledged: what is lost comes with the
 *    next refresh, or by another way.
 *  - Its life is counted down wherever it is, on the way too. When it is over the nodes are forgotten;
 *    the sequence is remembered FLOOD_LINGER longer, so that no late copy revives it. `hops` is a second
 *    bound.
 *  - An origin makes a record anew every `interval`, and at once when a node comes, goes, or changes by
 *    more than `change` of its capacity, but no more often than `min_interval`; and nobody passes on
 *    more than that of it, whatever it does: then the newest is passed on.
 *  - No neighbour is sent more than `rate` records a second; what waits is overtaken by what is newer.
 *    The refreshes of all records together take half of that at most: with the number of records the
 *    interval grows, and their life likewise.
 *
 * All ARNs that have the key trust each other: whoever has it can say anything of any node, as it can on
 * the LAN. What it can cost is bounded: so many records, and so many a second.
 */
#ifndef ARN_FLOOD_H
#define ARN_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include "arn/flood_msg.h"
#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/wire.h"

#define FLOOD_LINKS  64 /* neighbours */
#define FLOOD_BURST  64 /* records to a neighbour at once, of those that `rate` allows */
#define FLOOD_LINGER (10 * NS_S)

struct flood_conf {
	const char *name;    /* this ARN's; borrowed */
	struct prefix block; /* the anycast block: no node can be inside it */
	int links;           /* neighbours, FLOOD_LINKS at most */
	ns_t interval, min_interval;
	int misses;    /* of an interval: a record's life */
	int hops;      /* FLOOD_MAX_HOPS at most */
	int records;   /* at most, of others */
	int rate;      /* records a second to each neighbour, from 1 */
	double change; /* share of a node's capacity, 0 … 1 */
	ns_t skew;     /* of wall clocks */
};

/* What others say of a node. */
struct flood_news {
	const struct announce *said;
	const char *origin;
	unsigned hops; /* to the origin, from 1 */
	ns_t expires;
};

struct flood_events {
	/* Said anew; and not said any more by whom it was last said of, or too long ago. */
	void (*node)(void *arg, const struct flood_news *news, ns_t now);
	void (*gone)(void *arg, const char *id, const struct addr *control, ns_t now);
	void *arg;
};

struct flood;
/* The events are called from within the functions below and must not call back. NULL without memory. */
struct flood *flood_new(
	const struct flood_conf *c, const struct flood_events *e, uint64_t seed, ns_t now);
void flood_free(struct flood *f);

/* The own nodes as they are now, by the order of their ids. To be called when they may have changed,
 * and every so often. */
void flood_tell(struct flood *f, const struct announce *const *node, int n, ns_t now);
/* No more of them: all are told so with the next flood_run(), whatever min_interval says. */
void flood_goodbye(struct flood *f, ns_t now);

/* An authentic message of the neighbour of this link; -1: of another ARN that has the key. 0, also if it
 * is nothing new; -EINVAL with the reason in *why: it cannot be; -ENOSPC: the table is full; -ENOMEM. */
int flood_hear(struct flood *f, int link, const struct flood_msg *m, ns_t now, ns_t wall,
	const char **why);

/* Whoever has the news has forgotten them: tells of all nodes again. */
void flood_retell(struct flood *f, ns_t now);

typedef void flood_send_cb(void *arg, int link, const uint8_t *payload, size_t n);
/* Does what time brings, and sends what is to be sent. */
void flood_run(struct flood *f, ns_t now, ns_t wall, flood_send_cb *send, void *arg);
ns_t flood_when(const struct flood *f); /* flood_run has something to do then; NS_NEVER */

struct flood_counters {
	uint64_t made;    /* own records */
	uint64_t sent;    /* to a neighbour, each */
	uint64_t heard;   /* news */
	uint64_t doubles; /* that were known, or older than what is known */
	uint64_t own;     /* of this ARN itself, from an earlier life */
	uint64_t refused; /* that cannot be */
	uint64_t crowded; /* there was no room for them */
	uint64_t limited; /* times that one was passed over since its neighbours were sent enough */
	uint64_t expired; /* records whose life was over */
	uint64_t left_out; /* own nodes that find no room in the own records, at present */
};
const struct flood_counters *flood_counters(const struct flood *f);
int flood_records(const struct flood *f); /* that hold, of others */
int flood_nodes(const struct flood *f);   /* in them, each once */

/* For an operator: all records, the own ones too. */
struct flood_view {
	const char *origin;
	unsigned part, hops; /* hops 0: an own one */
	int nodes;
	uint64_t seq;
	ns_t heard_at, expires;
	const uint8_t *body; /* the nodes' announcements, one after the other, */
	const uint16_t *len; /* of these lengths */
};
typedef void flood_view_cb(void *arg, const struct flood_view *v);
void flood_each(const struct flood *f, flood_view_cb *cb, void *arg);

#endif
