/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A made-up film: MPEG-TS of one video stream with tables, clocks and random access points where a test
 * wants them. What is between them is a pattern in which no two packets are alike.
 */
#ifndef NEARCAST_TESTS_FILM_FIXTURE_H
#define NEARCAST_TESTS_FILM_FIXTURE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sn-agent/film.h"

#define FIX_PMT_PID   0x100
#define FIX_VIDEO_PID 0x101

struct fix {
	int packets;        /* of 188 bytes */
	int pcr_every;      /* packets between clocks; 0: none */
	int access_every;   /* packets between random access points (tables before each); 0: one */
	int64_t ticks;      /* that a packet takes, */
	int64_t slow_ticks; /* and in the second half, if it is not 0 */
	int64_t bend;       /* and by so many millionths of a tick more, from one to the next */
	int64_t pcr0;       /* the clock at the beginning */
	int jump_at;        /* the packet from which on the clock is set anew; 0: none */
	int64_t jump;       /* by so much */
	int extra;          /* bytes behind the last packet */
	uint8_t salt;       /* two films of different salts have different bytes */
};

static inline int64_t fix_time(const struct fix *x, int i)
{
	int half = x->packets / 2;
	int64_t bent = x->bend * i * i / 1000000;

	if (!x->slow_ticks || i <= half)
		return bent + i * x->ticks;
	return bent + half * x->ticks + (i - half) * x->slow_ticks;
}

static inline int64_t fix_pcr(const struct fix *x, int i)
{
	int64_t t = x->pcr0 + fix_time(x, i) + (x->jump_at && i >= x->jump_at ? x->jump : 0);

	return (t % TS_WRAP + TS_WRAP) % TS_WRAP;
}

static inline void fix_head(uint8_t *p, uint16_t pid, bool start)
{
	p[0] = 0x47;
	p[1] = (uint8_t)((start ? 0x40 : 0) | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = 0x10;
}

/* A section at the beginning of a packet. */
static inline void fix_section(uint8_t *p, const uint8_t *s, size_t n)
{
	p[4] = 0;
	memset(p + 5, 0xff, TS_PACKET - 5);
	memcpy(p + 5, s, n);
}

static inline void fix_pat(uint8_t *p)
{
	static const uint8_t s[] = {0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | FIX_PMT_PID >> 8,
		FIX_PMT_PID & 0xff, 0, 0, 0, 0};

	fix_head(p, TS_PAT_PID, true);
	fix_section(p, s, sizeof(s));
}

static inline void fix_pmt(uint8_t *p)
{
	static const uint8_t s[] = {2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe0 | FIX_VIDEO_PID >> 8,
		FIX_VIDEO_PID & 0xff, 0xf0, 0, 0x0f, 0xe1, 2, 0xf0, 0, 0x1b,
		0xe0 | FIX_VIDEO_PID >> 8, FIX_VIDEO_PID & 0xff, 0xf0, 0, 0, 0, 0, 0};

	fix_head(p, FIX_PMT_PID, true);
	fix_section(p, s, sizeof(s));
}

static inline void fix_video(uint8_t *p, int64_t pcr, bool access, bool discontinuity)
{
	fix_head(p, FIX_VIDEO_PID, access);
	if (pcr < 0 && !access)
		return;
	p[3] = 0x30;
	p[4] = 7;
	p[5] = (uint8_t)((access ? 0x40 : 0) | (discontinuity ? 0x80 : 0) | (pcr >= 0 ? 0x10 : 0));
	memset(p + 6, 0xff, 6);
	if (pcr < 0)
		return;
	int64_t base = pcr / 300, extension = pcr % 300;

	for (int i = 0; i < 4; i++)
		p[6 + i] = (uint8_t)(base >> (25 - 8 * i));
	p[10] = (uint8_t)((base & 1) << 7 | 0x7e | extension >> 8);
	p[11] = (uint8_t)extension;
}

/* *size bytes, the caller's to free. */
static inline uint8_t *fix_make(const struct fix *x, int64_t *size)
{
	int access = x->access_every ? x->access_every : x->packets;
	uint8_t *all = malloc((size_t)x->packets * TS_PACKET + (size_t)x->extra);

	*size = (int64_t)x->packets * TS_PACKET + x->extra;
	for (int i = 0; i < x->packets; i++) {
		uint8_t *p = all + (size_t)i * TS_PACKET;
		bool clock = x->pcr_every && i % x->pcr_every == 2;

		for (int k = 0; k < TS_PACKET; k++)
			p[k] = (uint8_t)(i >> (8 * (k % 4)) ^ k ^ x->salt);
		if (i % access == 0)
			fix_pat(p);
		else if (i % access == 1)
			fix_pmt(p);
		else
			fix_video(p, clock ? fix_pcr(x, i) : -1, i % access == 2, false);
	}
	for (int k = 0; k < x->extra; k++)
		all[(size_t)x->packets * TS_PACKET + (size_t)k] = (uint8_t)k;
	return all;
}

#endif
