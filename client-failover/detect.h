/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a stream is suspiciously silent. What is normal is learnt from the stream itself: the
 * bound is `factor` times the largest gap between packets of the last seconds, within `least` and
 * `most`. A core: no clock of its own.
 */
#ifndef NEARCAST_DETECT_H
#define NEARCAST_DETECT_H

#include <stdbool.h>

#include "lib/clock.h"

#define DETECT_BUCKETS 8

struct detect_conf {
	int factor;        /* 4 */
	ns_t least, most;  /* 60 ms, 1 s */
	ns_t memory;       /* how long a gap is remembered: 4 s */
	ns_t acquaintance; /* for so long a new stream is given `most`: 500 ms */
};
#define DETECT_DEFAULTS                                                                            \
	{                                                                                          \
		.factor = 4, .least = 60 * NS_MS, .most = NS_S, .memory = 4 * NS_S,                \
		.acquaintance = 500 * NS_MS                                                        \
	}

struct detect {
	struct detect_conf conf;
	bool started, listening;
	ns_t since;               /* first packet */
	ns_t last;                /* latest packet */
	ns_t gap[DETECT_BUCKETS]; /* largest of each of the latest slices of `memory` */
	int64_t slice;            /* number of the newest */
};

void detect_init(struct detect *d, const struct detect_conf *c);
/* A packet that continues the stream (no retransmission) has come. */
void detect_packet(struct detect *d, ns_t now);
/* The time until the next packet says nothing about the stream (another node takes over). */
void detect_pause(struct detect *d);
/* What went before says nothing either: the silence begins now. */
void detect_resume(struct detect *d, ns_t now);
/* How much silence is allowed, by what was known when the last packet came. */
ns_t detect_bound(const struct detect *d);
/* When the silence becomes suspicious; NS_NEVER before the first packet. */
ns_t detect_when(const struct detect *d);

#endif
