/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The jitter buffer: packets of all media of one presentation go in as they come, from whatever
 * node, and come out each once, whole, in sequence and at their time. It does not know of nodes,
 * so a failover is nothing to it but packets that are late.
 *
 * One clock for all media: the first packet plays `buffer` after it came, every other one by its
 * RTP timestamp. A missing packet holds back its medium until the packet after it is due, and at
 * least `buffer` from when the gap was seen; then it is given up. When nothing is left to play
 * the presentation stalls, and the clock is set anew by the next packet: nothing is dropped for
 * being late. A new SSRC is a restart of the source: a new sequence that follows the old one.
 */
#ifndef NEARCAST_CLIENT_PLAYOUT_H
#define NEARCAST_CLIENT_PLAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"

#define PLAYOUT_MAX_MEDIA 8
#define PLAYOUT_MAX_NACK  256

struct playout;

enum playout_seen {
	PLAYOUT_LIVE,      /* continues the stream */
	PLAYOUT_RECOVERED, /* fills a gap */
	PLAYOUT_DUPLICATE, /* is there, has been played or was given up */
	PLAYOUT_BAD,       /* no RTP */
};

enum playout_kind {
	PLAYOUT_NOTHING,
	PLAYOUT_PACKET,    /* write `data` */
	PLAYOUT_GAP,       /* `count` packets from `seq` on were given up */
	PLAYOUT_RESTARTED, /* the source of `media` has begun anew (SSRC) */
	PLAYOUT_STALLED,   /* nothing is left to play */
	PLAYOUT_UNSTALLED, /* it goes on; `stall` is how long it stood */
};

struct playout_item {
	enum playout_kind kind;
	int media;
	int64_t seq; /* extended */
	int64_t count;
	ns_t at; /* when it was due: for the order and the times in a recording */
	ns_t stall;
	const uint8_t *data; /* the whole RTP packet, valid until the next call */
	size_t len;
};

struct playout_stats {
	uint64_t received, duplicates, recovered, nacked, lost, written;
	int missing;
};

/* clock_rate[medias] in Hz. NULL without memory. */
struct playout *playout_new(int medias, const uint32_t *clock_rate, ns_t buffer);
void playout_free(struct playout *p);

/* An RTP packet of a medium came. */
enum playout_seen playout_put(
	struct playout *p, int media, const uint8_t *data, size_t len, ns_t now);
/* The node said that the sequence begins with this 16-bit number (RTP-Info); used when it is a
 * little before the first packet that came. It is packet `packet` of a film's file, -1: of no film. */
void playout_begins(struct playout *p, int media, uint16_t seq, int64_t packet);
/* The sequence ends with this 16-bit number: what lacks up to it is missing. */
void playout_ends(struct playout *p, int media, uint16_t seq, ns_t now);
/* Nothing beyond what is known now is wanted any more (the user stops). */
void playout_stop(struct playout *p);
/* All ends known (ends or stop): no stall any more when it runs dry. */
void playout_finish(struct playout *p);

/* What is due at `now`. flush: all that is there, at once, gaps given up. */
enum playout_kind playout_next(struct playout *p, ns_t now, bool flush, struct playout_item *item);
/* When playout_next has something; NS_NEVER. */
ns_t playout_when(const struct playout *p);

/* NACKs: numbers (16 bit) of the medium to ask for now. Count. */
int playout_due(struct playout *p, int media, ns_t now, uint16_t seq[PLAYOUT_MAX_NACK]);
ns_t playout_due_when(const struct playout *p);
void playout_set_retry(struct playout *p, ns_t retry);
/* Another node can be asked: all that is missing is due at once. */
void playout_rearm(struct playout *p, ns_t now);
/* Round-trip time of a NACK since the last call, -1: none was measured. */
ns_t playout_rtt(struct playout *p);

/* Where a new node is to begin (16 bit), -1: nothing came yet. What lies before it and lacks is
 * better asked for singly: then *holes is true. */
int64_t playout_from(const struct playout *p, int media, bool *holes);

/* Which packet of a film's file that is; -1: it is no film. */
int64_t playout_from_packet(const struct playout *p, int media);

/* The SSRC of a medium, for NACKs. False before the first packet. */
bool playout_ssrc(const struct playout *p, int media, uint32_t *ssrc);
/* For receiver reports (RFC 3550, 6.4.1). False before the first packet. */
struct playout_report {
	uint32_t ssrc, highest, jitter, lost;
	uint8_t fraction;
};
bool playout_report(struct playout *p, int media, struct playout_report *r);

ns_t playout_level(const struct playout *p, ns_t now); /* media left to play */
ns_t playout_lowest(const struct playout *p);          /* lowest level before the end, so far */
int playout_missing(const struct playout *p);
bool playout_empty(const struct playout *p); /* nothing buffered and nothing missing */
struct playout_stats playout_stats(const struct playout *p);

#endif
