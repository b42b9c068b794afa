/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buffered byte streams (TCP and Unix) over the loop, and listeners that accept them. One owner;
 * stream_free() may be called from its own callbacks.
 */
#ifndef NEARCAST_STREAM_H
#define NEARCAST_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/addr.h"
#include "lib/loop.h"

struct stream;
struct listener;

struct stream_ops {
	/* Connected (outgoing only). May be NULL. */
	void (*on_open)(void *arg);
	/* All bytes not yet consumed. Returns how many it consumed (the rest comes again with
	 * more). Called again at once while it consumes something and bytes are left. If the
	 * callback frees the stream its return value is ignored. */
	size_t (*on_data)(void *arg, const uint8_t *p, size_t n);
	/* The peer closed (err 0) or it broke (err negative errno: -ECONNREFUSED, -ECONNRESET,
	 * -EMSGSIZE: input buffer full with nothing consumed, …). Only stream_free is left to do.
	 */
	void (*on_close)(void *arg, int err);
};

/* Takes over fd (connected, non-blocking is set here). max_in bounds unconsumed input, max_out
 * unsent output. NULL without memory (fd is then closed). */
struct stream *stream_new(struct loop *l, int fd, const struct stream_ops *ops, void *arg,
	size_t max_in, size_t max_out);

/* Starts to connect; on_open or on_close follows, never from within (also when connect(2) fails at
 * once). src may be NULL. *err says why it returned NULL: no socket, no such source, no memory. */
struct stream *stream_connect(struct loop *l, const struct addr *dst, const struct addr *src,
	const struct stream_ops *ops, void *arg, size_t max_in, size_t max_out, int *err);

/* Queues (or sends at once) a copy. 0; -ENOBUFS when max_out would be passed (nothing queued);
 * -EPIPE after an error. */
int stream_write(struct stream *s, const void *p, size_t n);
/* These bytes were read from its descriptor before: they come first. To be called at once. 0; -ENOMEM
 * (nothing was taken). */
int stream_feed(struct stream *s, const void *p, size_t n);
/* Offers the input that was not consumed to on_data once more, from within. */
void stream_again(struct stream *s);
/* Reads what has come already, as the loop would at its next turn: on_data and on_close are called
 * from within. For who has to know it before a timer of his judges a silence. */
void stream_read(struct stream *s);
size_t stream_unsent(const struct stream *s);
/* Whom to tell, from the loop, when all that waited to be sent has gone. */
void stream_on_drained(struct stream *s, void (*cb)(void *arg));
/* Back-pressure: while it is held nothing is read and on_data is not called, so that the peer has to
 * wait; and its end is not noticed, unless something is sent. What is in the buffer when it is let go
 * is offered by the next read, or by stream_again(). */
void stream_hold(struct stream *s, bool hold);
/* Sends what is queued, then FIN; on_close comes when the peer closes too (0), or after `linger`
 * (-ETIMEDOUT). Input is thrown away from now on. */
void stream_finish(struct stream *s, ns_t linger);
const struct addr *stream_peer(const struct stream *s);
const struct addr *stream_local(const struct stream *s);
int stream_fd(const struct stream *s);
void stream_free(struct stream *s); /* closes at once */

typedef void listener_cb(void *arg, int fd, const struct addr *peer);
/* Listens with SO_REUSEADDR, TCP_NODELAY on what it accepts; [::] is IPv6 only. The callback owns
 * fd. Out of descriptors: it pauses 100 ms rather than spin. *err says why it returned NULL. */
struct listener *listener_new(
	struct loop *l, const struct addr *at, int backlog, listener_cb *cb, void *arg, int *err);
/* One of several that share an address, each with a loop of its own: the kernel spreads connections
 * over them. It hands one over when its first bytes are there (TCP_DEFER_ACCEPT), or after a second or
 * two without any. `first` is the first of them (`at` does not matter then), or NULL for itself, which
 * fails when anybody else listens there. */
struct listener *listener_new_shared(struct loop *l, const struct addr *at, int backlog,
	const struct listener *first, listener_cb *cb, void *arg, int *err);
struct listener *listener_new_unix(struct loop *l, const char *path, listener_cb *cb, void *arg,
	int *err); /* removes a stale socket that nobody answers at; mode 0660 */
const struct addr *listener_addr(const struct listener *ls); /* with the port really bound */
void listener_free(struct listener *ls);

#endif
