/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's one UDP port pair: all players' and publishers' RTP and RTCP. Who a packet is of is
 * told by where it comes from (session.h); a stranger's is counted, logged now and then, and
 * dropped. To groups it is sent from the same ports; their members' RTCP comes to the group. At the
 * end of each tunnel of the overlay there is another such pair: what goes to a neighbour leaves there.
 */
#ifndef NEARCAST_SN_MEDIA_H
#define NEARCAST_SN_MEDIA_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/loop.h"
#include "sn-agent/relay.h"
#include "sn-agent/rtsp.h"

struct media;
struct media_ear;

struct media_counters {
	uint64_t unknown_rtp, unknown_rtcp; /* of strangers */
	uint64_t truncated;
	uint64_t unsent; /* the kernel took it not */
};

/* Binds addr's port (even) and the next one. *err says why it returned NULL. rtsp, relay borrowed.
 * Its relay_io part is media_udp(). */
struct media *media_new(
	struct loop *l, const struct addr *at, struct rtsp *rtsp, struct relay *relay, int *err);
void media_free(struct media *m);
/* What goes to groups leaves by this interface. 0 or negative errno. */
int media_set_groups(struct media *m, const char *ifname, uint8_t ttl);
/* Listens to the RTCP that members send to a medium's group; *err says why it returned NULL. */
struct media_ear *media_listen(
	struct media *m, const struct addr *group, const char *ifname, int *err);
void media_ear_free(struct media_ear *e);
/* A pair, with the same ports, at our end of a tunnel, for what goes to `peer`'s host. NULL: *err. */
struct media_end;
struct media_end *media_end_new(
	struct media *m, const struct addr *local, const struct addr *peer, int *err);
void media_end_free(struct media_end *e); /* before its media */
int media_udp(struct media *m, bool rtcp, const struct addr *to, const struct iovec *v, int n);
/* Does the way of the media work? Each socket sends the other one something that only we can know;
 * media_echoed() says whether both have got it, through kernel and loop. */
void media_echo(struct media *md, uint64_t nonce);
bool media_echoed(const struct media *md);
const struct media_counters *media_counters(const struct media *m);

#endif
