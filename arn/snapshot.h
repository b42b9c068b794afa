/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an answer is made from besides the request: the service nodes as they were at one moment.
 * Any ARN that has heard the same announcements has the same nodes in the same order, and so gives
 * the same answers.
 *
 * A snapshot belongs to whoever has a reference to it, in any thread. Its maker fills it in, and
 * from the moment that anybody else can see it, it never changes; the last reference frees it. So
 * many threads read the same one without a lock while the next one is being made.
 */
#ifndef ARN_SNAPSHOT_H
#define ARN_SNAPSHOT_H

#include <stdint.h>

#include "arn/health.h"
#include "arn/primed.h"
#include "lib/wire.h"

struct snapshot_node {
	struct announce said;      /* its last announcement, or what the configuration says of it */
	struct node_health health; /* what this ARN has found of its services */
};

struct snapshot {
	_Atomic unsigned refs;
	uint64_t version;     /* grows by one with each that this ARN makes */
	uint32_t retry_after; /* seconds, what a client is told when there is no node for it */
	unsigned prime;       /* SERVICE_… whose clients are sent to primed ports only */
	const struct primed *primed; /* the ports that nodes have given, or NULL; its reference */
	int nodes;
	struct snapshot_node node[]; /* ordered by id */
};

/* All zero, with room for `room` nodes and the one reference of the caller. NULL without memory. */
struct snapshot *snapshot_new(int room);
/* One more reference, one less; both give or take NULL likewise. */
const struct snapshot *snapshot_ref(const struct snapshot *s);
void snapshot_unref(const struct snapshot *s);

#endif
