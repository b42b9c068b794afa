/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What audience.c and audience.bpf.c share. */
#ifndef NEARCAST_BENCH_AUDIENCE_H
#define NEARCAST_BENCH_AUDIENCE_H

#define AUDIENCE_FIRST 10000 /* client i has the ports FIRST + 2 i (RTP) and the next */
#define AUDIENCE_MAX   20000
#define AUDIENCE_BINS  4096 /* of delay, a quarter of a millisecond each; the last: longer */
#define AUDIENCE_BIN   250000

enum { AUDIENCE_PACKETS, AUDIENCE_LOST, AUDIENCE_LATE, AUDIENCE_COUNTS };

/* What a client has seen. */
struct audience_client {
	unsigned int next; /* the number that it waits for */
	unsigned int any;
};

#endif
