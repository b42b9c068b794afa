/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring: the recent packets of one medium, by sequence number. Every node keeps one, and since
 * no node renumbers, a NACK means the same to any of them: that makes a failover exact.
 *
 * Numbers are extended (64 bit), see rtp_seq_extend(). A slot is found by its number's low bits, so
 * a look-up costs one comparison. What is older than `span` goes when something newer comes: while
 * a source is silent, or has ended, nothing expires. Memory is bounded by bytes and by RING_SLOTS.
 * A packet keeps its address until it is evicted, so that it can be sent from where it lies.
 *
 * All of it is of one source: whoever comes after that one gets a ring of its own, ring_next().
 */
#ifndef NEARCAST_SN_RING_H
#define NEARCAST_SN_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/clock.h"

#define RING_SLOTS 32768 /* half of the 16-bit numbers: nearest is unambiguous */
#define RING_JUMP  16384 /* a larger step is another numbering, or an error */
#define RING_MTU   2048  /* no packet is longer */

struct ring;

enum ring_put {
	RING_NEW,
	RING_DUPLICATE,
	RING_OLD, /* not kept: there is no room for it below the rest, or it is too long */
	RING_FAR, /* not kept: RING_JUMP from the newest */
};

/* span: how long a packet is kept; max_bytes: payload bound, at least 64 * RING_MTU. */
struct ring *ring_new(ns_t span, size_t max_bytes);
void ring_free(struct ring *r);
/* An empty one that is kept like r; all its numbers are above those of r. NULL without memory. */
struct ring *ring_next(const struct ring *r);
void ring_set_span(struct ring *r, ns_t span);

/* The number nearest to the newest one with these low bits. Never negative. */
int64_t ring_extend(const struct ring *r, uint16_t seq);
/* While it is empty: numbers shall be taken as near to `seq`. */
void ring_hint(struct ring *r, int64_t seq);

/* Copies the packet in; *seq gets its number for RING_NEW and RING_DUPLICATE. */
enum ring_put ring_put(
	struct ring *r, uint16_t seq16, const void *p, size_t n, ns_t now, int64_t *seq);

bool ring_empty(const struct ring *r);
int64_t ring_oldest(const struct ring *r); /* lowest number held; only when not empty */
int64_t ring_newest(const struct ring *r); /* highest; only when not empty */
size_t ring_bytes(const struct ring *r);
int ring_count(const struct ring *r);

/* True and *out = the packet in place (valid until the next ring_put). */
bool ring_get(const struct ring *r, int64_t seq, struct iovec *out);
/* When this packet came; 0: it is not held. */
ns_t ring_came(const struct ring *r, int64_t seq);

/* The packets from *seq on and below `end`, ascending, at most max; *seq becomes the number to go on
 * with, which is `end`, or ring_newest() + 1 if that is less, when there are no more. */
int ring_collect(const struct ring *r, int64_t *seq, int64_t end, struct iovec *out, int max);

#endif
