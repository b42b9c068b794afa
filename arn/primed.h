/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which port a node has for which state (row B6), as snapshots show it: a table that is made once,
 * never changes, and belongs to whoever has a reference, in any thread (as arn/snapshot.h). Use is
 * the exception: a reader marks that it sent somebody there, so that the maker keeps the port. A
 * mark that comes when the next table is already out is lost, which the next client mends.
 */
#ifndef ARN_PRIMED_H
#define ARN_PRIMED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/prime.h"

struct primed_port {
	uint64_t hash;              /* of node and state; the table is ordered by it */
	char node[ANNOUNCE_ID_LEN]; /* whose */
	uint64_t generation;        /* of the node: with another one this is void */
	uint16_t port;              /* 0: the node refused, or does not answer */
	_Atomic bool used;          /* somebody was sent there since the maker looked */
	struct prime_state state;
};

struct primed {
	_Atomic unsigned refs;
	int n;
	struct primed_port port[];
};

struct primed *primed_new(int room); /* n 0, with the caller's reference; NULL: no memory */
void primed_sort(struct primed *p);  /* when it is filled in; sets the hashes */
const struct primed *primed_ref(const struct primed *p); /* NULL: NULL */
void primed_unref(const struct primed *p);

/* What is known for this state at this node, or NULL: nothing. p may be NULL. */
const struct primed_port *primed_find(
	const struct primed *p, const struct announce *node, const struct prime_state *q);
/* Somebody was sent there. NULL: nothing to mark. */
void primed_use(const struct primed_port *port);

#endif
