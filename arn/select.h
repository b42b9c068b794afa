/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which service node a client is sent to: a pure function of the snapshot and the client.
 *
 * A node is out of the question when it does not offer the service, takes no new clients
 * (draining), or is full. The rest stand in ranks; the lowest that has anybody counts:
 *
 *	+1  the service was not found to work yet, or is in quarantine (arn/health.h)
 *	+2  the client names it as one that failed it (Nearcast-Avoid)
 *	+4  it is not healthy: it says so itself, or the ARN has found the service broken
 *	+8  its address is of another family than the client's
 *
 * No rank excludes anybody: if all nodes call themselves broken at once, the judgement is more
 * likely to be wrong than all of them, and a client is better sent somewhere than nowhere.
 *
 * Within the rank the least loaded wins, where load is the larger of sessions and bit rate relative
 * to capacity (an unlimited node counts as one of SELECT_NOMINAL sessions), divided by the weight
 * (100 is usual); and what the anticipated delay has beyond SELECT_DELAY is added to it, a second
 * counting as much as the whole capacity. Nodes within SELECT_BAND of the least loaded are equals, as what is known of the
 * load is an announcement old; among equals each client has an order of its own (weighted
 * rendezvous hashing of its address and the node's name). So new clients spread over the equals,
 * every ARN sends the same client to the same node, and a node that comes or goes moves nobody
 * else.
 */
#ifndef ARN_SELECT_H
#define ARN_SELECT_H

#include <stdbool.h>

#include "arn/snapshot.h"
#include "lib/addr.h"
#include "lib/slice.h"

#define SELECT_NOMINAL   1000 /* sessions */
#define SELECT_BAND      0.05 /* of the capacity */
#define SELECT_DELAY     0.05 /* s, until a service answers: no matter */
#define SELECT_MAX_AVOID 8

struct select_query {
	unsigned service;                     /* SERVICE_RTSP or SERVICE_HTTP */
	struct addr client;                   /* its port does not matter */
	struct slice avoid[SELECT_MAX_AVOID]; /* hosts or names of nodes */
	int avoids;
};

/* What the selection thinks of one node. */
struct select_verdict {
	const char *excluded; /* NULL, or why it is out of the question: a constant string */
	bool avoided, unhealthy, other_family;
	enum health_verdict service; /* as this ARN has found it */
	double delay;                /* s, anticipated */
	int rank;
	double load;     /* 0 idle, 1 full; by weight */
	double affinity; /* among equals the largest wins */
};
void select_judge(
	const struct snapshot_node *node, const struct select_query *q, struct select_verdict *v);

/* The node, or NULL when all are out of the question. */
const struct snapshot_node *select_node(const struct snapshot *s, const struct select_query *q);

#endif
