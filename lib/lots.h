/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lots: numbers that nobody can guess, whatever others of the same seed he has seen (keyed BLAKE2b of a
 * counter). For ids of questions, cookies of echo requests, and what shall not happen everywhere at once.
 * A core is given the seed; so a test has the same lots every time.
 */
#ifndef NEARCAST_LOTS_H
#define NEARCAST_LOTS_H

#include <stdint.h>

struct lots {
	uint64_t seed, drawn;
};

/* A seed, from the kernel; waits until that has one to give, which is in the first second of a boot. */
uint64_t lots_seed(void);
void lots_init(struct lots *l, uint64_t seed);
uint64_t lots_draw(struct lots *l); /* never 0 */

#endif
