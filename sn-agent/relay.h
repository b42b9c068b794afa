/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The relay: from what arrived to all who receive it.
 *
 * Packets that arrive are put into the ring and noted; what has been noted goes to each receiver
 * together, from where it lies in the ring, with one call per receiver (UDP_SEGMENT: several times
 * the packets a second). Nothing is renumbered or rewritten.
 *
 * How long to note? A coded video's frame comes in a burst whose last packet has the marker: that
 * one sends it, without delay. A stream that is paced evenly, as MPEG-TS is, brings one packet at a
 * time: with many receivers they wait for each other, `delay` at most after the first of them came.
 * With few receivers, after a pause, and for what a repair brought, nothing waits.
 *
 * A group of the network is a receiver like others. Those that hear it are receivers, too, but quiet
 * ones.
 *
 * A receiver that asked for packets from a number on catches up first: it is sent the ring's
 * content at a bounded pace and joins the live ones when it has reached them. One over TCP has a
 * bounded queue; what does not fit is dropped by whole packets and counted, so that a slow receiver
 * delays nobody. The sockets are behind `struct relay_io`; tests put a recorder there.
 */
#ifndef NEARCAST_SN_RELAY_H
#define NEARCAST_SN_RELAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "sn-agent/channel.h"

#define RELAY_FIRST  64   /* packets of a catch-up that go at once */
#define RELAY_PACE   16   /* and then in each millisecond; */
#define RELAY_PLAYER 4    /* to a player, whose buffers are small: and twice what is live */
#define RELAY_REPAIR 8192 /* retransmissions a second to one receiver */
#define RELAY_LACKS  2048 /* numbers a second that are asked of the upstream for one receiver */
#define RELAY_FEW    64   /* receivers, of all media, from which on waiting is worth it */

struct relay_io {
	/* Sends n packets to `to` from the RTP or RTCP port; how many were handed over. */
	int (*udp)(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n);
	/* Sends n packets as frames of `channel` over the connection; how many it had room for. */
	int (*tcp)(void *arg, void *conn, uint8_t channel, const struct iovec *v, int n);
	/* A receiver asked for a number that the ring lacks. */
	void (*missing)(void *arg, struct medium *m, int64_t seq);
	/* Something waits: relay_turn() is to be called then, if not before. */
	void (*wake)(void *arg, ns_t when);
	/* A viewer of a film asked for a packet with these low bits: *out, valid until it is sent.
	 * False: it is not at hand. */
	bool (*stored)(void *arg, struct receiver *v, uint16_t seq, struct iovec *out, ns_t now);
};

struct relay {
	const struct relay_io *io;
	void *arg;
	ns_t delay;           /* packets wait that long for each other at most; 0: not at all */
	int few;              /* with fewer receivers than that nothing waits: RELAY_FEW */
	int receivers;        /* of all media */
	struct medium *dirty; /* those with packets that are to be sent */
	struct receiver *catching;
	uint64_t packets_in, bytes_in;   /* RTP that was new */
	uint64_t duplicates, malformed;  /* RTP that was not passed on */
	uint64_t restarts;               /* sources that came after another, or numbered anew */
	uint64_t packets_out, bytes_out; /* RTP handed to the kernel or queued */
	uint64_t dropped;                /* RTP that a receiver had no room for */
	uint64_t nacks, repaired, unrepaired, repairs_refused;
	uint64_t rtcp_malformed;
};

#define RECEIVER_LIVE INT64_MAX /* as cursor: does not catch up */
#define RECEIVER_NEXT 0         /* as start: nothing has come yet, and it has no wish */

/* One medium of one session that plays. */
struct receiver {
	struct medium *medium; /* NULL: does not play */
	int slot;              /* in medium->receiver */
	bool tcp;
	bool quiet;            /* a group brings it what is live: only what it asks for is sent */
	struct addr rtp, rtcp; /* UDP */
	uint8_t channel[2];    /* TCP: RTP's, RTCP's */
	void *conn;            /* TCP */
	struct viewer *viewer; /* of a film: it is sent to by that, not by the ring */
	bool has_source;       /* `from` is of this one's numbers: */
	uint32_t source;
	int64_t start;  /* lowest number it wants */
	bool at_key;    /* it begins with a key frame if there is one (entry.h) */
	bool player;    /* it is no node: its buffers are small */
	int64_t cursor; /* catching up: the next number; RECEIVER_LIVE */
	ns_t paced;     /* catching up: last step */
	struct receiver *next_catching;
	ns_t refilled;  /* budgets of retransmissions */
	double budget;  /* RELAY_REPAIR at most */
	double lacking; /* RELAY_LACKS at most: of numbers that the ring has not */
	uint64_t packets, bytes, dropped, repaired;
	uint8_t fraction_lost; /* of its last receiver report */
};

void relay_init(struct relay *r, const struct relay_io *io, void *arg); /* delay: 0 */

/* An RTP packet of the medium came (from whom has been checked). What it was for us:
 * RING_NEW (it will be sent by relay_turn; all that the ring has is new when m->ssrc, or the
 * numbering, is), RING_DUPLICATE, RING_OLD, RING_FAR (kept aside, see successor.h), or -EINVAL. *seq its
 * number, when it is the first two. */
int relay_rtp(
	struct relay *r, struct medium *m, const uint8_t *p, size_t n, ns_t now, int64_t *seq);
/* Somebody publishes the medium anew, perhaps another source: what is in the ring is for nobody who does
 * not have it from this one already, until the first packet tells. */
void relay_doubt(struct medium *m);
/* All that is there for now has been handed in: sends what need not wait. Before the loop turns, and
 * when io->wake() said. */
void relay_turn(struct relay *r, ns_t now);
/* Sends all that relay_rtp noted. Before a channel ends or is freed. */
void relay_flush(struct relay *r);
/* An RTCP compound from the origin's side: kept (sender report) and passed on untouched. 0 or
 * -EINVAL. */
int relay_origin_rtcp(struct relay *r, struct medium *m, const uint8_t *p, size_t n);
/* Sends the origin's last sender report (for lip sync from the start), or BYE for it. */
void relay_send_report(struct relay *r, struct receiver *v);
void relay_send_bye(struct relay *r, struct receiver *v);

/* It plays from now on: from the number nearest to `from` (16 bits), or, from < 0, what comes next. A
 * number of another source (v->source) means all that there is of this one, if it is sure that this one
 * came later: it is published here, or has followed that one here. Else it is no number.
 * Returns the first number that it will get if nothing is lost, or -1 when nothing is known yet.
 * -ENOMEM as *err. The addresses, tcp and conn are set before. */
int64_t relay_add(
	struct relay *r, struct medium *m, struct receiver *v, int64_t from, ns_t now, int *err);
void relay_remove(struct relay *r, struct receiver *v);
/* A step for all who catch up; when the next is due, NS_NEVER: nobody. */
ns_t relay_catch_up(struct relay *r, ns_t now);

/* Sends a viewer packets of a film; how many were taken. What is left is to be offered again. */
int relay_offer(struct relay *r, struct receiver *v, const struct iovec *iov, int n);

/* An RTCP compound from a receiver: reports noted, NACKs answered from the ring. 0 or -EINVAL. */
int relay_feedback(struct relay *r, struct receiver *v, const uint8_t *p, size_t n, ns_t now);

#endif
