/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Priming, the ARN's side (row B6): which node has been asked for a port for which state, what it
 * said, and what is to be asked next. A core: wants, answers and `now` in, requests and the table
 * for the snapshots out. lib/prime.h has the messages.
 *
 * A state is primed once for each node, not for each client. The first client that wants it at any
 * node makes it *in demand*: it is then asked of every node of our own that can be primed for the
 * service, so that later clients need not wait wherever they are sent, and of each new node as it
 * comes. A state with a channel of its own, and a far node, is asked only where a client is sent.
 * What clients are sent to is kept: asked again at half of its lifetime. What nobody was sent to
 * for PRIME_KEEP is let go of.
 *
 * A request is repeated until it is answered, always with the same id, and a node gives the same
 * state the same port: so nothing depends on what is lost, doubled or late. An answer counts only
 * if it is the answer to the request that is out. A node that refuses, or says nothing, is known for
 * that for a while: its clients need not wait, and it is asked again behind their backs. A port
 * counts from when it was asked for, so it is not named longer than the node has it.
 */
#ifndef ARN_PRIME_H
#define ARN_PRIME_H

#include <stdbool.h>
#include <stdint.h>

#include "arn/primed.h"
#include "arn/snapshot.h"
#include "arn/want.h"
#include "lib/clock.h"
#include "lib/prime.h"

#define PRIME_MAX      1024 /* ports, of all nodes */
#define PRIME_DEMANDS  32   /* states that are asked of all nodes */
#define PRIME_TRIES    5
#define PRIME_RETRY    (25 * NS_MS) /* then twice that, and so on */
#define PRIME_SULK     (1 * NS_S)   /* after a refusal or silence; doubled each time, up to */
#define PRIME_SULK_MAX (60 * NS_S)
#define PRIME_KEEP     (300 * NS_S) /* unused */
#define PRIME_EXPECTS  8            /* paths that are remembered as told, of each port */
#define PRIME_TOLD     (2 * NS_S)   /* for that long */

struct prime_counters {
	uint64_t asked; /* datagrams */
	uint64_t granted, refused;
	uint64_t silent; /* requests that were never answered */
	uint64_t gone;   /* ports that their node took back, or lost with its generation */
	uint64_t strays; /* answers to nothing */
	uint64_t full;   /* wants that found no room */
};

struct prime;
/* name: this ARN's. seed: an unguessable number, for the ids. NULL without memory. */
struct prime *prime_new(const char *name, uint64_t seed);
void prime_free(struct prime *p);

/* What the nodes say of themselves. To be called when it may have changed, and before what time
 * brings is asked for. */
void prime_look(struct prime *p, const struct snapshot *s, ns_t now);
/* A request wants this (WANT_PRIME); the node is in the last snapshot. */
void prime_want(struct prime *p, const struct want *w, ns_t now);
/* An authentic answer of the node that it names, to this ARN. */
void prime_hear(struct prime *p, const struct prime_answer *a, ns_t now);

/* The next request to be sent, and where; to be repeated until false. */
struct prime_send {
	struct addr to;
	struct prime_ask ask;
};
bool prime_next(struct prime *p, struct prime_send *out, ns_t now);
ns_t prime_when(const struct prime *p); /* prime_next will have something then; NS_NEVER */

/* The table for the snapshots, if it is another than the last that this gave; else NULL. It is the
 * prime's; primed_ref() to keep it. */
const struct primed *prime_publish(struct prime *p, ns_t now);

const struct prime_counters *prime_counters(const struct prime *p);
/* For an operator: entry i, or false behind the last. */
struct prime_view {
	const char *node;
	const struct prime_state *state;
	const char *status; /* "asking", "primed", or why not: a constant string */
	uint16_t port;      /* 0: none */
	ns_t until;         /* of the port */
	ns_t used_at;       /* 0: never */
};
bool prime_view(const struct prime *p, int i, struct prime_view *v);

#endif
