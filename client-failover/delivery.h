/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How media come: over UDP, or within the RTSP connection (RFC 2326, 10.12). A core without sockets
 * and clock.
 *
 * UDP is better for a live stream, since a lost packet delays none of those behind it. But there
 * are networks that it does not get through, and they say so by nothing at all: PLAY is answered,
 * and no packet comes. `auto` takes UDP, and TCP once a node has played over UDP in vain; that is
 * doubted a little sooner than the node is. What got through a moment ago gets through, so a node
 * that falls silent later is not mistaken for such a network.
 */
#ifndef NEARCAST_CLIENT_DELIVERY_H
#define NEARCAST_CLIENT_DELIVERY_H

#include <stdbool.h>

#include "lib/clock.h"
#include "lib/slice.h"

#define DELIVERY_PATIENCE (800 * NS_MS) /* with UDP, from the answer to PLAY on */
#define DELIVERY_TRUST    (5 * NS_S)    /* in UDP, after a packet of it */

enum delivery_mode { DELIVERY_AUTO, DELIVERY_UDP, DELIVERY_TCP };

struct delivery {
	enum delivery_mode mode;
	bool blocked;  /* UDP was tried in vain */
	bool heard;    /* it has brought something, */
	ns_t heard_at; /* then for the last time */
};

/* "auto", "udp", "tcp". False: none of them. */
bool delivery_parse(struct slice s, enum delivery_mode *mode);

/* Whether a group may bring the media if the node says so. */
static inline bool delivery_joins(const struct delivery *d)
{
	return d->mode == DELIVERY_AUTO;
}
/* Whether the next attachment asks for TCP at once. */
bool delivery_tcp(const struct delivery *t);
/* A packet has come over UDP. */
void delivery_heard(struct delivery *t, ns_t now);
/* When an attachment that has played over UDP since then, and has brought nothing, is to try TCP;
 * NS_NEVER: it is not. */
ns_t delivery_doubt_at(const struct delivery *t, ns_t playing_since);
/* That has come. */
void delivery_in_vain(struct delivery *t);
/* Whether an attachment over UDP that was answered with this RTSP status is to try TCP. It is the
 * node's own matter, and says nothing of others. */
bool delivery_refused(const struct delivery *t, int status);

#endif
