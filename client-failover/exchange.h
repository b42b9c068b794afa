/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The I/O around one HTTP fetch (webget.h): a connection for the transaction and one for each
 * attachment, each with one request and one response, and one timer. The command has one exchange
 * (download.h), the gateway has one for each player's request (webgate.h).
 *
 * The owner's functions are called from within, and may free it.
 */
#ifndef NEARCAST_CLIENT_EXCHANGE_H
#define NEARCAST_CLIENT_EXCHANGE_H

#include "client-failover/webget.h"
#include "lib/addr.h"
#include "lib/loop.h"

struct exchange;

struct exchange_ops {
	/* The response's head: what it is of, and its fields (valid in the call); `node` is its URL. */
	void (*on_head)(
		void *arg, const struct text_msg *m, const struct object *o, const char *node);
	void (*on_body)(void *arg, struct slice data);
	/* That was all. Not called when the owner frees it before. */
	void (*on_over)(void *arg, enum webget_state s, const char *why);
	/* Another node gives the bytes now, or gave the first; `node` is its URL. May be NULL. */
	void (*on_node)(void *arg, const char *node);
};

struct exchange_conf {
	struct loop *loop;
	const struct exchange_ops *ops;
	void *arg;
	const char *url;     /* at the anycast host */
	struct addr anycast; /* of that host */
	const char *home;    /* the same at a node that is tried first; "": none */
	const char *name;    /* in events and messages; NULL: there is only one */
	bool to_head, follow;
	struct slice headers; /* of every request: lines with their CRLF */
	struct slice asked;   /* of requests for the beginning: Range and conditions */
};

/* All strings are copied. NULL without memory. */
struct exchange *exchange_new(const struct exchange_conf *c);
void exchange_start(struct exchange *x);
/* Back-pressure: no more is read until it is let go. */
void exchange_hold(struct exchange *x, bool hold);
/* Its owner ends it: the event `ended` says why. To be freed then. */
void exchange_stop(struct exchange *x, const char *reason);
void exchange_free(struct exchange *x);

int64_t exchange_delivered(const struct exchange *x); /* bytes of the body */
void exchange_progress(const struct exchange *x);     /* the event */
/* The node that was tried first demanded a token that only the anycast host gives. */
bool exchange_home_refused(const struct exchange *x);

#endif
