/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is to happen in a simulation: events of any kind, in the order of their times, and those of one time
 * in the order in which they were put. Copies go in and out; a pointer in an event is the user's to free.
 */
#ifndef NEARCAST_TESTS_AGENDA_H
#define NEARCAST_TESTS_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"

struct agenda_entry {
	ns_t at;
	uint64_t order;
	size_t slot; /* of `events` */
};

struct agenda {
	size_t size;               /* of an event; the rest is 0 at first */
	struct agenda_entry *heap; /* beyond n: entries whose slots are free */
	char *events;
	size_t n, room;
	uint64_t order;
};

void agenda_put(struct agenda *a, ns_t at, const void *event);
/* The next one, if it is not after `until`. False: nothing is due by then. */
bool agenda_take(struct agenda *a, ns_t until, void *event);
/* Forgets all that is to happen. */
void agenda_clear(struct agenda *a);

#endif
