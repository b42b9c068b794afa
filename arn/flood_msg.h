/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ARNs flood (arn/flood.h): a record, some nodes of one site as its ARN knows them, in a sealed
 * datagram (lib/wire.h) between ARNs that are neighbours. A CBOR map by the rules of lib/item.h;
 * docs/protocol/wide-area.md is written from this table.
 *
 *   WIRE_FLOOD, ARN to ARN
 *   key  name      type             range                                          when missing
 *     1  from      text             who sends the datagram, an ARN's name          error
 *     2  origin    text             whose record it is, an ARN's name              error
 *     3  sequence  unsigned         1..2^63-1                                      error
 *     4  part      unsigned         0..15: of the origin's records                 0
 *     5  left      unsigned, ms     1..86400000: what is left of its life          error
 *     6  hops      unsigned         1..255: ARNs that it passed, the sender too    error
 *     7  nodes     array of bytes   32 at most, an announcement each               none
 *
 * A node's announcement is what it would say to the group itself (lib/wire.h), without channels, and
 * healthy only if the ARN finds that its services work. The sequence is the origin's wall time in ns
 * when it made the record: so what it says after a restart is newer than what it said before.
 */
#ifndef ARN_FLOOD_MSG_H
#define ARN_FLOOD_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/slice.h"
#include "lib/wire.h"

#define FLOOD_PARTS     16       /* records of one origin */
#define FLOOD_MSG_NODES 32       /* nodes of one record */
#define FLOOD_MAX_LIFE  86400000 /* ms */
#define FLOOD_MAX_HOPS  255
/* What a message takes beside its nodes, each of which takes 3 bytes more than its announcement. */
#define FLOOD_MSG_HEAD (1 + 2 * (3 + ANNOUNCE_ID_LEN) + 10 + 2 + 6 + 3 + 3)
#define FLOOD_MSG_NODE 3

struct flood_msg {
	char from[ANNOUNCE_ID_LEN], origin[ANNOUNCE_ID_LEN];
	uint64_t seq;
	uint8_t part, hops;
	uint32_t left_ms;
	int nodes;
	struct slice node[FLOOD_MSG_NODES]; /* announcements as they were encoded; not owned */
};

/* Length; -EMSGSIZE; -EINVAL when a value is out of its range. The nodes are not looked into. */
int flood_msg_encode(const struct flood_msg *m, uint8_t *out, size_t cap);
/* 0, or -EINVAL; *why then names the field (or says what is wrong), a constant string. The nodes lie
 * in p, and each can be decoded, as an announcement of a service node. */
int flood_msg_decode(struct flood_msg *m, const uint8_t *p, size_t n, const char **why);

#endif
