/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Channels that come from upstream nodes: the shell around upstream.h, rtspc.h, gap.h and fetch.h.
 *
 * A channel that is asked for is first only described by an upstream; SETUP and PLAY follow on the
 * same connection when somebody plays it, from the lowest number that was asked for on. RTP comes
 * over UDP, to a port pair for each medium of each attachment (a node sends all from one port, so
 * only our port tells them apart). What is lost is asked for by NACK; what receivers want from
 * before our subscription too.
 */
#ifndef NEARCAST_SN_FEED_H
#define NEARCAST_SN_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "sn-agent/channel.h"
#include "sn-agent/relay.h"
#include "sn-agent/session.h"
#include "sn-agent/upstream.h"

struct feeds;

struct feed_ops {
	/* Its state is not SEEKING any more: requests that wait can be answered. */
	void (*settled)(void *arg, struct channel *ch);
	/* The source has ended: everything that there is has come. */
	void (*ended)(void *arg, struct channel *ch);
	/* It comes through other nodes now (path_via): nodes that have it from here are to know. */
	void (*rerouted)(void *arg, struct channel *ch);
	/* The neighbour that the overlay's route to a source leads to, -1: none. */
	int (*route)(void *arg, const struct addr *source);
};

struct feed_node {
	char name[64];
	struct addr addr;
};

struct feed_counters {
	uint64_t subscribed, failed, switches, suspicions, false_alarms;
	uint64_t nacked, recovered;
	uint64_t moves, circles; /* after routes; found and left */
};

/* name: ours, for Nearcast-Via. addr: ours, media come there. The rest is borrowed. */
struct feeds *feeds_new(struct loop *l, const char *name, const char *software,
	const struct addr *addr, struct channels *channels, struct relay *relay,
	const struct feed_ops *ops, void *arg);
void feeds_free(struct feeds *fs); /* with all feeds */
/* The upstream nodes, in order; at a reload too (feeds go on with what they have). 0 or -ENOMEM. */
int feeds_set_nodes(struct feeds *fs, const struct feed_node *node, int n);

/* An origin, by its name, and where it is (those of our family): made, or changed. With `hold` it
 * stays until feeds_drop_origin(). 0 or -ENOMEM. */
int feeds_set_origin(struct feeds *fs, const char *key, const struct addr *at, int n, bool hold);
void feeds_drop_origin(struct feeds *fs, const char *key);

/* The neighbours of the overlay, 0 to UPSTREAM_NODES - 1: `node` is the RTSP server at the other end of
 * the tunnel, `local` our end. 0 or -ENOMEM. Without a node: it is no neighbour any more, and channels
 * that come from it look for another. */
int feeds_set_neighbour(
	struct feeds *fs, int index, const struct feed_node *node, const struct addr *local);
bool feeds_neighbour_up(const struct feeds *fs, int index);
int feeds_neighbour_channels(const struct feeds *fs, int index); /* that come from it */
/* Routes have changed: channels follow. */
void feeds_reroute(struct feeds *fs);

/* The channel is SEEKING: ask for it, at its origin if it has one. ops.settled follows, never from
 * within. 0 or -ENOMEM: its state is then REFUSED. */
int feed_seek(struct feeds *fs, struct channel *ch);
/* The session plays its channel now: subscribe if that is not done, and see to its wish for packets
 * from before. */
void feed_play(struct session *s);
/* Somebody is about to play the channel, which is LIVE: subscribe now. */
void feed_expect(struct feed *f);
/* A receiver lacks this packet and so does the ring. */
void feed_missing(struct medium *m, int64_t seq);
/* Unsubscribes; the channel has no feed any more. */
void feed_free(struct feed *f);

const struct feed_counters *feeds_counters(struct feeds *fs);
struct js *feeds_show(struct feeds *fs); /* the upstream nodes: an array */
void feed_show(const struct feed *f, struct js *o);

#endif
