/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floating next hop: an address V of the LAN that the routes to the block lead to, from whichever
 * ARN they come, and that only the master answers for. A takeover is then a matter of the LAN alone:
 * the routers' routes stay as they are, and who becomes master says "V is at my hardware address"
 * (one broadcast), which no routing protocol is as quick as.
 *
 * V is on no interface of anybody: a routing daemon takes no address of its own host for a next hop,
 * and a kernel would go on answering for one after its daemon was gone. So this core answers, frame
 * by frame: ARP requests (RFC 826) and neighbour solicitations (RFC 4861) for V. What asks for
 * duplicates (RFC 5227, RFC 4862) is answered likewise: V is taken.
 *
 * Who claims V announces it at once, again a few times soon, since frames get lost, and every second
 * from then on: so a router that was told otherwise, by a master of before or by one from the other
 * half of a LAN that fell apart, is wrong for a second at most. And when another one is heard to claim
 * V, at once: of two that claim it, the one that yields falls silent, and the last word is that of
 * the other.
 *
 * A master that knows no node may be the one that was cut off, and has nothing to give but a 503. It
 * announces V as it becomes master, answers who asks, and is quiet otherwise: it does not take the
 * routers from another one that it has not heard of yet.
 *
 * A core: frames and `now` in, frames out.
 */
#ifndef ARN_NEXTHOP_H
#define ARN_NEXTHOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"

#define NEXTHOP_MAC   6
#define NEXTHOP_FRAME 86 /* the longest that is sent: Ethernet, IPv6, advertisement with option */

struct nexthop {
	struct addr addr; /* V; port 0 */
	uint8_t mac[NEXTHOP_MAC];
	bool claimed, quiet;
	int announced;     /* since it was claimed; stays at the last step of the pace */
	ns_t announce_at;  /* of `claimed` */
	ns_t contested_at; /* when another one's claim was last answered */
};

enum nexthop_event {
	NEXTHOP_NOTHING,
	NEXTHOP_ASKED,     /* somebody asks for V */
	NEXTHOP_CONTESTED, /* another one says that V is at it */
};

void nexthop_init(struct nexthop *n, const struct addr *addr);
/* From now on this one answers for V, or does not. */
void nexthop_claim(struct nexthop *n, bool claimed, ns_t now);
/* From now on this one says so only in the first moments of a claim, and when it is asked; or as
 * ever. */
void nexthop_set_quiet(struct nexthop *n, bool quiet);

/* A frame of the LAN, from its Ethernet header on. While V is claimed, ASKED comes with the answer
 * in `out` (its length in *len, else 0), and CONTESTED makes an announcement due unless it is quiet. */
enum nexthop_event nexthop_hear(struct nexthop *n, const uint8_t *frame, size_t size, ns_t now,
	uint8_t out[NEXTHOP_FRAME], size_t *len);

/* Whether an announcement is due now; it counts as made. */
bool nexthop_due(struct nexthop *n, ns_t now);
ns_t nexthop_when(const struct nexthop *n);
/* "V is at my hardware address", to all: an ARP announcement (RFC 5227, 2.3) or an unsolicited
 * neighbour advertisement (RFC 4861, 7.2.6). Its length. */
size_t nexthop_announce(const struct nexthop *n, uint8_t out[NEXTHOP_FRAME]);

#endif
