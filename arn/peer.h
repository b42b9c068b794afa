/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two ARNs say on the connection that one keeps to the other (peers.h): each one sealed
 * greeting (lib/wire.h), with its length before it, and then nothing any more. All that matters of
 * such a connection is its end.
 *
 *	connects, WIRE_HELLO    I am `id`, you are `to`, here is a nonce
 *	accepts, WIRE_WELCOME   I am `id`, you are `to`, your nonce was this
 *
 * Who connects wants to know that it watches the very ARN it means: hence the nonce. Who accepts
 * wants no strangers in its table: the seal is enough for that, since `to` keeps a recording from
 * being played to another, and the seal's counter from being played again.
 *
 *   offset  size
 *        0     2   length of the rest
 *        2     n   the sealed greeting
 *
 * Its payload is a map as in wire.h:
 *
 *   key  name    type    range
 *     1  id      text    1..47 of [A-Za-z0-9._-]
 *     2  to      text    the same
 *     3  nonce   bytes   16
 */
#ifndef ARN_PEER_H
#define ARN_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/wire.h"

#define PEER_NONCE     16
#define PEER_FRAME_MAX (2 + WIRE_MAX)

struct peer_greeting {
	char id[ANNOUNCE_ID_LEN], to[ANNOUNCE_ID_LEN];
	uint8_t nonce[PEER_NONCE];
};

/* A frame. Its length or negative errno, as wire_seal(). */
int peer_seal(struct wire_sender *s, enum wire_type type, const struct peer_greeting *g,
	int64_t wall, uint8_t out[PEER_FRAME_MAX]);
/* Reads a frame. 0: it is not there whole; its length; or -EINVAL, and *why is a constant string.
 * The receiver takes the type that is expected and no other. */
int peer_open(struct wire_receiver *r, const uint8_t *p, size_t n, int64_t wall,
	struct peer_greeting *g, const char **why);

#endif
