/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A film: an MPEG-TS file that is played on demand (row E3), and what RTP makes of it. Pure.
 *
 * All that a client sees of a film is a function of the file, so that a session can go on at any
 * node (RFC 2250 for the payload: 7 TS packets, PT 33, 90 kHz):
 *
 *	packet i       the file's bytes from 1316 i on
 *	SSRC           of the film's identity: its path, its validator (ETag, else Last-Modified), its size
 *	sequence       a first number of the same identity, + i
 *	timestamp      the file's own clock (PCR) at byte 1316 i, in units of 90 kHz, + an offset of
 *	               the identity
 *
 * A file is fetched in blocks of 200 packets, and a node may begin anywhere. So the clock between
 * two PCRs must not depend on what has been read: it is interpolated by the place in the file
 * between the last PCR before and the first one behind, looked for in the packet's own block and
 * the two beside it and nowhere else. What a block is worth to its neighbours (its first and last
 * two PCRs) is remembered when its bytes are forgotten. Where the clock jumps (a concatenated file),
 * the old one runs on to the place of the jump, and the first packet of the new one is marked.
 *
 * Time in a film is in ticks of 27 MHz since its first byte.
 */
#ifndef NEARCAST_SN_FILM_H
#define NEARCAST_SN_FILM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/rtp.h"
#include "lib/sbuf.h"
#include "sn-agent/ts.h"

#define FILM_PAYLOAD       (7 * TS_PACKET)
#define FILM_PACKET        (RTP_HEADER + FILM_PAYLOAD)
#define FILM_BLOCK_PACKETS 200
#define FILM_BLOCK         (FILM_BLOCK_PACKETS * FILM_PAYLOAD) /* bytes of the file */
#define FILM_SIZE_MAX      ((int64_t)256 << 30)
#define FILM_TAG           192 /* bytes of a validator, the NUL included */
#define FILM_TAIL          3   /* blocks at the end in which the last PCR is looked for */

struct film_mark {
	int64_t at; /* place in the file of the TS packet with the clock */
	int64_t pcr;
	bool jump; /* the clock does not go on from the mark before */
};

/* What is remembered of a block. Of a single mark there are copies. */
struct film_part {
	bool known;
	int marks;
	struct film_mark first[2], last[2];
};

/* A block's bytes, as RTP packets. */
struct film_reel {
	int64_t block;
	int packets;
	size_t last;                      /* bytes of the last packet's payload */
	bool stamped;                     /* headers and times are there */
	int64_t time[FILM_BLOCK_PACKETS]; /* of each packet */
	bool jump[FILM_BLOCK_PACKETS];
	uint8_t packet[FILM_BLOCK_PACKETS][FILM_PACKET];
};

struct film_id {
	char tag[FILM_TAG];
	int64_t size;
};

struct film {
	struct film_id id;
	int64_t packets, blocks;
	uint32_t ssrc, ts0;
	int64_t seq0; /* number of packet 0 */
	struct ts_program program;
	bool measured;
	int64_t begins;                 /* the clock at byte 0 */
	int64_t duration;               /* ticks */
	int64_t rate_ticks, rate_bytes; /* in the mean */
	struct film_part *part;         /* by block */
};

/* 0; -EINVAL: it is empty; -EFBIG; -ENOMEM. */
int film_init(struct film *f, const char *path, const struct film_id *id);
void film_free(struct film *f);

static inline int64_t film_block_bytes(const struct film *f, int64_t block)
{
	int64_t left = f->id.size - block * FILM_BLOCK;

	return left < FILM_BLOCK ? left : FILM_BLOCK;
}

/* Takes in block `block`: film_block_bytes() bytes. 0; -EINVAL: it is no MPEG-TS (of block 0, which
 * therefore has to be the first). */
int film_fill(struct film *f, struct film_reel *r, int64_t block, const uint8_t *p);

/* The block that has to be known before anything of the film can be said; -1: none. */
int64_t film_lacks(const struct film *f);
/* Then: 0, or -EINVAL: there is no clock in it that could be gone by. */
int film_measure(struct film *f);

/* A block beside `block` that has to be known before its packets can be stamped; -1: none. */
int64_t film_beside(const struct film *f, int64_t block);
/* Then: writes its RTP headers. */
void film_stamp(const struct film *f, struct film_reel *r);

/* Packet i of the reel, stamped. */
static inline struct iovec film_packet(const struct film_reel *r, int i)
{
	size_t n = i == r->packets - 1 ? r->last : FILM_PAYLOAD;

	return (struct iovec){(void *)r->packet[i], RTP_HEADER + n};
}

/* The time of a clock value. */
int64_t film_time(const struct film *f, int64_t pcr);
/* The place of the last clock in the reel that is not after `time`; -1: none is. */
int64_t film_clock_before(const struct film *f, const struct film_reel *r, int64_t time);
/* The last place, not after `at`, at which a decoder may begin: the tables before a random access
 * point of the video, or that itself; -1: there is none in the reel. */
int64_t film_access_before(const struct film *f, const struct film_reel *r, int64_t at);

/* kbit/s in the mean. */
uint64_t film_kbps(const struct film *f);
/* The presentation, once it has been measured. */
void film_sdp(const struct film *f, struct sbuf *out);

static inline double film_seconds(int64_t ticks)
{
	return (double)ticks / TS_HZ;
}

#endif
