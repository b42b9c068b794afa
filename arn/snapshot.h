/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an answer is made from besides the request: the service nodes as they were at one moment.
 * Any ARN that has heard the same announcements has the same nodes in the same order, and so gives
 * the same answers, as far as its own redirections of the last moment (arn/reserve.h) let it.
 *
 * A snapshot belongs to whoever has a reference to it, in any thread. Its maker fills it in, and
 * from the moment that anybody else can see it, it never changes; the last reference frees it. So
 * many threads read the same one without a lock while the next one is being made. What it points
 * to and what does change are the nodes' counters of reservations.
 */
#ifndef ARN_SNAPSHOT_H
#define ARN_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "arn/cas_table.h"
#include "arn/direct.h"
#include "arn/health.h"
#include "arn/origin.h"
#include "arn/primed.h"
#include "arn/profile.h"
#include "arn/region.h"
#include "arn/reserve.h"
#include "lib/wire.h"

struct snapshot_node {
	struct announce said;      /* its last announcement, or what the configuration says of it */
	struct node_health health; /* what this ARN has found of its services */
	struct reserve_counter *reserved; /* the snapshot's reference; NULL: none are kept */
	uint64_t over;                    /* of those, what `said` has in it already */
	/* Of a node beyond the ARN's own network (arn/far.h): */
	bool far;
	unsigned distance; /* in steps */
	uint32_t rtt_us;   /* from the ARN; 0: not measured */
};

/* How nodes are chosen (arn/select.h). All zero is a usable default. */
struct select_conf {
	const struct select_policy *policy[2]; /* by enum text_proto; NULL: least loaded */
	double bound;          /* consistent hashing: how far past the mean load a node may be */
	double affinity_limit; /* channel affinity: load past which a carrier gets no more */
	uint64_t session_kbps; /* of a session, when nothing is known of any */
	unsigned per_client;   /* reservations in each of these: */
	unsigned window;       /* s */
	/* Active ARNs that share the nodes, and this one's turn among them, from 0. */
	unsigned arns, turn;
	double far_share;    /* of a far node's capacity, that clients are sent to; 0: all of it */
	double latency_cost; /* s of a far node's round trip that weigh as much as its whole load; 0:
	                      * latency does not matter */
};

/* How tokens are made (row E4). */
struct token_policy {
	uint16_t lifetime;     /* s */
	bool bind;             /* to the client's address */
	int64_t resume;        /* s after a token's end in which its session can be resumed */
	int64_t skew;          /* s */
	struct wire_keys keys; /* none: no tokens */
};

struct snapshot {
	_Atomic unsigned refs;
	uint64_t version;     /* grows by one with each that this ARN makes */
	uint32_t retry_after; /* seconds, what a client is told when there is no node for it */
	unsigned prime;       /* SERVICE_… whose clients are sent to primed ports only */
	const struct origins *origins; /* where content comes from, or NULL; its reference */
	const struct direct *direct;   /* what is answered without a node, or NULL; its reference */
	const struct primed *primed;   /* the ports that nodes have given, or NULL; its reference */
	const struct profile_table *profiles; /* of anycast addresses, or NULL; its reference */
	const struct cas_table *channels;     /* what services have said, or NULL; its reference */
	const struct region_table *regions;   /* where clients are, or NULL; its reference */
	const struct region_table
		*measured;     /* where others are, as was measured; NULL: nothing is */
	char place[PLACE_LEN]; /* of the ARN, and so of its own nodes; "": none */
	struct select_conf select;
	struct reserve_sources *sources; /* the snapshot's reference; NULL: nobody is limited */
	struct token_policy tokens;
	uint32_t least_rtt_us; /* of the usable far nodes that are measured; 0: none is */
	int nodes;
	struct snapshot_node node[]; /* ordered by id */
};

/* All zero, with room for `room` nodes and the one reference of the caller. NULL without memory. */
struct snapshot *snapshot_new(int room);
/* One more reference, one less; both give or take NULL likewise. */
const struct snapshot *snapshot_ref(const struct snapshot *s);
void snapshot_unref(const struct snapshot *s);

#endif
