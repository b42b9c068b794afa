/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time. Everywhere in nearcast a moment is a ns_t: nanoseconds of CLOCK_MONOTONIC. Cores are
 * handed `now`, they never ask; only shells call clock_now().
 */
#ifndef NEARCAST_CLOCK_H
#define NEARCAST_CLOCK_H

#include <stdint.h>
#include <time.h>

typedef int64_t ns_t;

#define NS_US    1000LL
#define NS_MS    1000000LL
#define NS_S     1000000000LL
#define NS_NEVER INT64_MAX /* a deadline that never comes */

static inline ns_t clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NS_S + ts.tv_nsec;
}

/* The monotonic clock: for every interval and deadline. */
static inline ns_t clock_now(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

/* The wall clock, in ns since 1970: only for what other hosts or people read. */
static inline ns_t clock_wall(void)
{
	return clock_read(CLOCK_REALTIME);
}

#endif
