/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell around prime.h: a UDP socket for each address family, from which nodes' control ports
 * are asked, the seal (lib/wire.h) and the timer. What nodes have given goes into the directory's
 * snapshots.
 */
#ifndef ARN_PRIMER_H
#define ARN_PRIMER_H

#include "arn/directory.h"
#include "arn/prime.h"
#include "lib/loop.h"
#include "lib/wire.h"

struct primer_conf {
	const char *name; /* of this ARN, borrowed */
	ns_t skew;
	const struct wire_keys *keys; /* borrowed; may be changed in place */
	/* What nodes have given is another: there is a newer snapshot to be had. */
	void (*published)(void *arg);
	void *arg;
};

struct primer_counters {
	uint64_t refused[WIRE_ERRORS]; /* datagrams, by enum wire_error */
	uint64_t bad_payload;          /* sealed rightly, but no answer, or another's */
	uint64_t unsent;
};

struct primer;
/* d is borrowed. NULL without memory. */
struct primer *primer_new(struct loop *l, const struct primer_conf *c, struct directory *d);
void primer_free(struct primer *p);
/* A request wants it (WANT_PRIME). */
void primer_want(struct primer *p, const struct want *w);

const struct prime *primer_core(const struct primer *p);
const struct primer_counters *primer_counters(const struct primer *p);

#endif
