/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tunnel between two neighbours of the overlay is called and which numbers it has. Both ends
 * find the same from the two unicast addresses, so that nothing need be agreed or configured: the
 * VXLAN network identifier is a hash of them, and the addresses of the ends are a pair of the
 * link-local block 169.254.0.0/16, or of fd6e:6561:7263::/64 when the hosts have IPv6, that follows
 * from the identifier; the host with the lower address has the lower one. They mean something on the
 * tunnel only. Where two tunnels of a node would have the same numbers (one chance in 300 among
 * sixteen neighbours), one is given an identifier at both ends. Pure.
 */
#ifndef NEARCAST_SN_TUNNEL_H
#define NEARCAST_SN_TUNNEL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"

#define TUNNEL_VNI_MAX 0xffffff

struct tunnel {
	char ifname[IFNAMSIZ];
	uint32_t vni;
	struct addr local, remote; /* of its ends, port 0 */
	uint8_t prefix;            /* bits that both ends have in common */
	int overhead;              /* bytes that it takes from each packet of the underlay */
};

/* own, peer: unicast addresses of one family. name: the neighbour's. vni 0: as the addresses say. */
void tunnel_plan(struct tunnel *t, const struct addr *own, const struct addr *peer,
	const char *name, uint32_t vni);
/* Whether both cannot be at one node. */
bool tunnel_clash(const struct tunnel *a, const struct tunnel *b);

#endif
