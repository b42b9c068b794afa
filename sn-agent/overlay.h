/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The overlay's shell (rows F1, F2, F3): a tunnel to each neighbour, this node's address in the
 * overlay, and where the kernel's routes lead.
 *
 * A tunnel is a VXLAN interface with an address at each end (tunnel.h), and at our end an RTSP port
 * and a pair of RTP ports: who comes there is that neighbour, and what it has from us goes through
 * the tunnel. The routing daemon speaks with its like through the tunnels, and carries the overlay
 * addresses. Ours is on a TUN interface that lives as long as this process: when the agent dies, for
 * whatever reason, the kernel takes it away and its routes with it. Tunnels do not end by themselves:
 * they are removed at the end, or replaced by the next start.
 *
 * Nothing here forwards packets: a channel is passed on from node to node (feed.h), each asking the
 * neighbour that its own route to the channel's source leads to. Neighbours may come and go while the
 * agent runs.
 */
#ifndef NEARCAST_SN_OVERLAY_H
#define NEARCAST_SN_OVERLAY_H

#include <stdint.h>

#include "lib/addr.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "sn-agent/feed.h"
#include "sn-agent/media.h"
#include "sn-agent/server.h"

#define OVERLAY_ADDRESS_IF "nc-overlay"

struct overlay;

struct overlay_conf {
	struct addr unicast;  /* this node's, which tunnels begin at */
	struct addr address;  /* in the overlay */
	uint16_t vxlan, rtsp; /* ports: UDP, of all tunnels; TCP, of nodes' RTSP servers */
	int64_t mtu;          /* of tunnels; 0: what the way to the neighbour leaves */
	struct media *media;  /* these are borrowed */
	struct server *server;
	struct feeds *feeds;
};

/* NULL: why says what could not be made. */
struct overlay *overlay_new(struct loop *l, const struct overlay_conf *c, char why[256]);
void overlay_free(struct overlay *o); /* with its tunnels */

/* Makes the tunnel to a neighbour, whose RTSP server is asked through it; one that is there already
 * with this address and number stays as it is. vni 0: as the addresses say. 0; -EEXIST: its numbers
 * are those of another; -ENOSPC: there are UPSTREAM_NODES; or what the kernel said. It is logged. */
int overlay_add(struct overlay *o, const char *name, const struct addr *address, uint32_t vni);
/* Channels that come from there look for another neighbour. -ENOENT: there is none. */
int overlay_remove(struct overlay *o, const char *name);
/* Those that are not among the n names are removed. */
void overlay_keep(struct overlay *o, const char *const *name, int n);

/* That neighbour's own address in the overlay, if it has said it. */
void overlay_set_end(struct overlay *o, const char *name, const struct addr *address);

/* The neighbour (its place in feed.h's) that the kernel's route to `source` leads to; or, as long as
 * that is none or a dead one, the neighbour that is the source itself: routes take seconds to follow a
 * node that has just been attached. -1: none. o may be NULL. */
int overlay_route(const struct overlay *o, const struct addr *source);

bool overlay_up(const struct overlay *o, const char *name); /* whether this one answers */
/* The i-th of those that answer, and its unicast address (port 0). NULL: there are not so many. */
const char *overlay_neighbour(const struct overlay *o, int i, struct addr *address);
int overlay_neighbours(const struct overlay *o, bool up); /* all, or those that answer */
/* Tunnels and joins; NULL makes an empty array. */
struct js *overlay_show(const struct overlay *o);

#endif
