/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One medium of an attachment over UDP: a pair of sockets for RTP and RTCP, connected to the node
 * as soon as its ports are known, so that the kernel tells us of ICMP errors and keeps strangers
 * out; and a third one for the group that the node may send the medium to.
 */
#ifndef NEARCAST_CLIENT_CHANNEL_H
#define NEARCAST_CLIENT_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/loop.h"

enum channel_port { CHANNEL_RTP, CHANNEL_RTCP, CHANNEL_GROUP, CHANNEL_PORTS };

struct channel;

struct channel_ops {
	/* Something may be there to channel_drain(). From the loop. */
	void (*ready)(void *arg, int medium, enum channel_port port);
	/* A packet of the node's host, RTP or RTCP whatever the port. From channel_drain(), which
	 * may be stopped by channel_close(). */
	void (*packet)(void *arg, int medium, enum channel_port port, const uint8_t *p, size_t n);
	/* What the network, or the kernel, says of the node: -ECONNREFUSED, -EHOSTUNREACH, … */
	void (*error)(void *arg, int err);
};

struct channel {
	const struct channel_ops *ops;
	void *arg;
	int medium;
	struct port {
		struct channel *ch;
		int fd; /* -1: closed */
		struct loop_fd *watch;
	} port[CHANNEL_PORTS];
	struct loop *loop;
	uint16_t number;       /* of our RTP port */
	struct addr source[2]; /* where RTP and RTCP come from; port 0: not told yet */
	bool connected;
};

/* Nothing is open: to be called before all others, which do nothing then. */
void channel_init(
	struct channel *ch, struct loop *l, const struct channel_ops *ops, void *arg, int medium);
/* A pair of ports on the address `local`, toward the host of `node`; rcvbuf bytes. 0 or negative
 * errno (channel_close() is due in any case). */
int channel_open(struct channel *ch, const struct addr *local, const struct addr *node, int rcvbuf);
/* The node's ports are told, 0: not. Only ports are taken from what it says: `source` could be
 * anybody, who would then get our reports and NACKs. */
void channel_connect(struct channel *ch, uint16_t rtp, uint16_t rtcp);
/* Listens also to what the node's host sends to the group, at the interface that has the address
 * `local`. 0 or negative errno. */
int channel_join(
	struct channel *ch, const struct addr *group, const struct addr *local, int rcvbuf);
void channel_leave(struct channel *ch);
/* Empties a socket. */
void channel_drain(struct channel *ch, enum channel_port port);
/* An RTCP compound, to the node. */
void channel_send(struct channel *ch, const uint8_t *p, size_t n);
void channel_close(struct channel *ch);

#endif
