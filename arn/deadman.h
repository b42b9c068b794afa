/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dead-man's switch in the kernel: a POSIX timer that sends this process SIGKILL unless it is
 * fed. It needs nothing of the process to go off: SIGKILL ends a process that is stopped, that
 * spins, or that waits for a lock that never comes, and with the process goes all it held.
 */
#ifndef ARN_DEADMAN_H
#define ARN_DEADMAN_H

#include <time.h>

#include "lib/clock.h"

struct deadman {
	timer_t timer;
	ns_t bound;
};

/* 0 or negative errno. Not yet armed: the first deadman_feed() does that. A child has none. */
int deadman_init(struct deadman *d, ns_t bound);
/* To be called in every turn of the loop, at least every third of the bound. */
void deadman_feed(struct deadman *d);
/* Feeds it once for `time`, until the next deadman_feed(): for a call into the kernel that may wait
 * for others, and while nothing can go wrong that the bound is there for. */
void deadman_grant(struct deadman *d, ns_t time);

#endif
