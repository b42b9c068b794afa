/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which service node a client is sent to: a pure function of the snapshot and the request.
 *
 * A node is out of the question when it does not offer the service, takes no new clients
 * (draining), or has no room. The rest stand in ranks; the lowest that has anybody counts:
 *
 *	+1  the service was not found to work yet, or is in quarantine (arn/health.h)
 *	+2  it is far: beyond the ARN's own network (arn/far.h); or, when it is known where the client
 *	    is, not in the group nearest to it (row H9)
 *	+4  the client names it as one that failed it (Nearcast-Avoid), or it has just refused this
 *	    channel for want of bandwidth on the way to it
 *	+8  it is not healthy: it says so itself, or the ARN has found the service broken
 *	+16 its address is of another family than the client's
 *
 * No rank excludes anybody: if all nodes call themselves broken at once, the judgement is more
 * likely to be wrong than all of them, and a client is better sent somewhere than nowhere. But
 * while a healthy node is there that is only full, nobody is sent to one that is not healthy: he
 * waits.
 * Within the rank a policy decides (arn/policy.h). So clients go far when no node at home has room
 * (row H1), and come home as soon as one has.
 *
 * The group nearest to a client is the nodes whose place is the most similar to the client's
 * (lib/place.h), of those that are healthy and have room for one more: so the next nearest group is
 * tried when that is full. A node of the ARN's own network that says no place is where the ARN is. If
 * own nodes are in the group, the group is these. Round trips from the ARN say nothing then.
 *
 * Room and load are of what the node has announced and of what was reserved since (arn/reserve.h).
 * Several ARNs that are active for the same nodes at the same time, k of them, do not see each
 * other's reservations. So each takes its own for those of all: for the load it counts them k
 * times, and of the room that a node has announced it gives away one k-th (of what cannot be
 * divided, the first ones in the order of their addresses get one more). And of k clients that a
 * node says have attached, each ARN takes one for its own. Then all that the ARNs believe to be
 * under way is never less than what is under way, and it fits into the room that there is; the
 * price is that with uneven traffic some room stays unused until reservations expire.
 *
 * Load is the larger of sessions and bit rate relative to capacity (an unlimited node counts as one
 * of SELECT_NOMINAL sessions), divided by the weight (100 is usual); and what the anticipated delay
 * has beyond SELECT_DELAY is added to it, a second counting as much as the whole capacity. To a far
 * node's is added what its round trip is longer than that of the nearest far node, `latency_cost`
 * counting as much as the whole capacity; and only `far_share` of its capacity is taken, so that it has
 * room for the clients of its own network.
 */
#ifndef ARN_SELECT_H
#define ARN_SELECT_H

#include <stdbool.h>

#include "arn/snapshot.h"
#include "lib/addr.h"
#include "lib/slice.h"

#define SELECT_NOMINAL   1000 /* sessions */
#define SELECT_DELAY     0.05 /* s, until a service answers: no matter */
#define SELECT_MAX_AVOID 8

struct select_query {
	unsigned service;   /* SERVICE_RTSP or SERVICE_HTTP */
	struct addr client; /* its port is the lot of who draws lots, and matters nowhere else */
	const char *region; /* the place where the client is; NULL or "": it is not known */
	struct slice path;  /* of the channel or object */
	const struct select_policy *policy;    /* NULL: the service's, of the snapshot */
	const struct profile_service *profile; /* NULL: none; else what it says goes first */
	struct slice avoid[SELECT_MAX_AVOID];  /* hosts or names of nodes */
	int avoids;
	bool attaches; /* a node of a source asks, for one that takes it for a neighbour */
};

/* What the selection thinks of one node. */
struct select_verdict {
	const char *excluded; /* NULL, or why it is out of the question: a constant string */
	bool avoided, refuses, unhealthy, other_family, far;
	int levels; /* between the client's place and the node's (place_distance); -1: not known */
	enum health_verdict service; /* as this ARN has found it */
	double delay;                /* s, anticipated */
	bool full;                   /* it is excluded because it has no room */
	int rank;
	double load;                 /* 0 idle, 1 full; by weight; HUGE_VAL for weight 0 */
	bool carries;                /* the channel that is asked for */
	struct reservation reserved; /* here, by this ARN */
	struct reservation room;     /* that reservations may take, those that are open included */
	uint64_t kbps;               /* what a session more is taken for */
	/* select_explain() only: */
	double affinity; /* the client's or channel's order among equals: the largest wins */
	int place;       /* 1: chosen; 2: if that one were not there; 0: excluded */
	const char *by;  /* what decided for it at its place: a constant string */
};

/* What one choice has come to. */
struct select_choice {
	const struct snapshot_node *node; /* NULL: all are out of the question */
	struct reservation need, room;    /* for reserve_take(), when the client attaches there */
	int full;                         /* nodes that were out for want of room */
	const char *by;                   /* what decided: a constant string */
};
struct select_choice select_node(const struct snapshot *s, const struct select_query *q);

/* The nodes that the query avoids, `max` at most; how many. */
int select_avoided(const struct snapshot *s, const struct select_query *q,
	const struct snapshot_node **found, int max);

/* Every node's verdict, in the order of the snapshot, and their places. */
void select_explain(
	const struct snapshot *s, const struct select_query *q, struct select_verdict *v);

/* The policy that decides on this query. */
const struct select_policy *select_policy_of(
	const struct snapshot *s, const struct select_query *q);

#endif
