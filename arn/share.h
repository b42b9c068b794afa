/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the anycast addresses this ARN has on its interface, when each has a master of its own
 * (row C3; arn/election.h says whose it is). A core: what is to be had, and `now` in; one address
 * after the other to be added or removed out.
 *
 * What becomes another's stays for as long as routers need to learn of it there, as a block does
 * (arn/fate.h): they see two routes for a moment, but never none.
 */
#ifndef ARN_SHARE_H
#define ARN_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

#define SHARE_MAX 64 /* addresses */

struct share {
	int n;
	ns_t yield;           /* what has become another's is kept so long */
	uint64_t wanted;      /* bit i: address i is to be here */
	uint64_t held;        /* it is */
	ns_t lost[SHARE_MAX]; /* of held and not wanted: since when */
};

void share_init(struct share *s, int n, ns_t yield);
void share_want(struct share *s, uint64_t wanted, ns_t now);
/* The interface is gone, and all that was on it. */
void share_drop(struct share *s);
/* The next address to be added (*add) or removed; it counts as done. up: the block is up; else all
 * are to be removed. -1: none. */
int share_next(struct share *s, bool up, bool *add, ns_t now);
ns_t share_when(const struct share *s);

#endif
