/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MPEG transport streams (ISO/IEC 13818-1), as much of them as pacing and seeking need: packets of
 * 188 bytes, the clock that they carry (PCR), where a decoder may begin, and which of the streams
 * in it has the clock. Pure.
 */
#ifndef NEARCAST_SN_TS_H
#define NEARCAST_SN_TS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TS_PACKET   188
#define TS_HZ       27000000LL           /* of the clock */
#define TS_WRAP     ((int64_t)300 << 33) /* it begins anew after 26.5 hours */
#define TS_NO_PID   0x1fff               /* null packets' */
#define TS_PAT_PID  0
#define TS_JUMP_MAX TS_HZ /* PCRs are 100 ms apart at most (2.7.2); a longer step is a jump */

struct ts {
	uint16_t pid;
	bool start;         /* a PES packet or a section begins in it */
	bool discontinuity; /* the clock is set anew by this PCR (2.4.3.5) */
	bool random_access; /* a decoder may begin here */
	int64_t pcr;        /* 0 to TS_WRAP - 1; -1: none */
	const uint8_t *payload;
	size_t len; /* of the payload, 0: none */
};
/* 0; -EINVAL: no packet, or one that a receiver marked as damaged. */
int ts_parse(struct ts *t, const uint8_t p[TS_PACKET]);

/* What the tables say of the first program. PIDs, or TS_NO_PID. */
struct ts_program {
	uint16_t pmt, pcr, video;
};
void ts_program_init(struct ts_program *g);
/* Takes in a packet: a PAT, or the PMT that it named. Of a table only what is in its first packet is
 * read: there the clock's PID is. True when all is known. */
bool ts_program_see(struct ts_program *g, const struct ts *t);

/* The way from one clock value to a later one, around the wrap: -TS_WRAP/2 to TS_WRAP/2. */
static inline int64_t ts_since(int64_t then, int64_t now)
{
	int64_t d = (now - then) % TS_WRAP;

	d += d < 0 ? TS_WRAP : 0;
	return d >= TS_WRAP / 2 ? d - TS_WRAP : d;
}

#endif
