/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The anycast block's TCP ports: accepts, reads requests, sends redirect.c's answers. See
 * listener.c for how many short transactions and slow or hostile clients get along.
 */
#ifndef ARN_LISTENER_H
#define ARN_LISTENER_H

#include <stdint.h>

#include "arn/snapshot.h"
#include "arn/want.h"
#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/text.h"

struct arn_listener_conf {
	uint16_t port[2]; /* by enum text_proto; 0: off */
	struct prefix block;
	int64_t connections; /* at most, of both ports */
	ns_t request_timeout, idle_timeout;
	ns_t prepare; /* how long a request may wait for what its answer wants, besides the way */
};

/* Written by the listener's thread alone, read by any. */
struct arn_listener_counters {
	_Atomic uint64_t accepted[2];      /* connections; by enum text_proto */
	_Atomic uint64_t redirected[2];    /* requests answered 302 or 307 */
	_Atomic uint64_t unavailable[2];   /* 503 */
	_Atomic uint64_t refused[2];       /* other 4xx and 5xx */
	_Atomic uint64_t other[2];         /* 200, 204 */
	_Atomic uint64_t direct;           /* HTTP requests answered with the ARN's own content */
	_Atomic uint64_t direct_bytes;     /* of that content */
	_Atomic uint64_t tokens[3];        /* of the redirected; by enum redirect_token */
	_Atomic uint64_t loops;            /* of the refused: clients that were sent in circles */
	_Atomic uint64_t outside_block;    /* connections to an address that is not in the block */
	_Atomic uint64_t evicted;          /* connections closed to make room */
	_Atomic uint64_t request_timeouts; /* connections closed: no whole request in time */
	_Atomic uint64_t idle_timeouts;
	_Atomic uint64_t prepared;   /* requests that waited for what their answer wanted */
	_Atomic uint64_t unprepared; /* of these answered without it, in the end */
	_Atomic uint64_t broken;     /* connections that ended with an error */
};

/* Whom the listener asks and tells. None of these may call it back. */
struct arn_listener_ops {
	/* The nodes as they are when a request is answered. */
	const struct snapshot *(*snapshot)(void *arg);
	/* A request wants this, and waits for it unless `waits` is false. When it is there, or cannot
	 * be had, a newer snapshot says so and arn_listener_published() is to be called. False: it
	 * could not be told; it will be again, when the request is tried again. */
	bool (*want)(void *arg, const struct want *w, bool waits);
	/* A client says that this node failed it. So many in a second at most, the rest is not told. */
	void (*accuse)(
		void *arg, const char *node, enum text_proto service, const struct addr *client);
};
#define ARN_LISTENER_ACCUSATIONS 100

struct arn_listener;
/* `first`: the listener on another loop that it shares its ports with; NULL: it is the first.
 * NULL: *err says why, and *failed which port it is about. */
struct arn_listener *arn_listener_new(struct loop *l, const struct arn_listener_conf *c,
	const struct arn_listener *first, const struct arn_listener_ops *ops, void *arg, int *err,
	uint16_t *failed);
void arn_listener_free(struct arn_listener *ls);
/* There is a newer snapshot: requests that wait are tried with it. */
void arn_listener_published(struct arn_listener *ls);
/* Limits and timeouts for what comes from now on; ports and block stay. */
void arn_listener_set_limits(struct arn_listener *ls, const struct arn_listener_conf *c);

/* These three may be called in any thread. */
const struct arn_listener_counters *arn_listener_counters(const struct arn_listener *ls);
int arn_listener_connections(const struct arn_listener *ls);
/* Connections with a request or an answer under way: what a drain waits for. */
uint32_t arn_listener_busy(const struct arn_listener *ls);

#endif
