/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which packets of one medium are missing, and when to ask for them (again). A core shared by the
 * client and by a node that subscribes to another. Numbers are extended sequence numbers.
 *
 * Everything from the first number on that has not been seen is missing until it is seen or given
 * up. It is missing since the moment at which a later number was seen (or expected); it is asked
 * for once `reorder` has passed since then, then every `retry`, and given up `give_up` after that
 * moment. Since a later gap cannot have begun earlier, numbers are given up in ascending order.
 *
 * A network that lets packets overtake each other by more than `reorder` makes us ask for what is
 * only late, and comes twice then. As TCP's RACK does (RFC 8985, 6.2, step 4), what came twice makes
 * the patience grow, by another `reorder` once in each `retry`, up to half a `retry`; sixteen numbers
 * that came once make it shrink by one.
 */
#ifndef NEARCAST_GAP_H
#define NEARCAST_GAP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

#define GAP_WINDOW 32768 /* numbers tracked; a jump beyond it is a restart of the source */

struct gap;

struct gap_conf {
	ns_t reorder; /* wait for reordered packets at least, 3 ms is usual */
	ns_t retry;   /* between requests for one packet, 1 ms at least; see gap_set_retry */
	ns_t give_up; /* NS_NEVER: the caller gives up with gap_forget */
};

enum gap_seen {
	GAP_NEW,       /* above all that was seen; also when it is ahead and opens a gap */
	GAP_RECOVERED, /* it was missing: repaired, or only reordered */
	GAP_DUPLICATE, /* seen before */
	GAP_OLD,       /* given up, or from before the first */
	GAP_RESTART,   /* GAP_WINDOW or more away from the highest: nothing was noted; the caller
	                * calls gap_begin to go on */
};

/* NULL without memory. */
struct gap *gap_new(const struct gap_conf *c);
void gap_free(struct gap *g);

/* Where the sequence begins: everything from `first` on is wanted, and what was known is
 * forgotten. Without it the first packet seen is the first. */
void gap_begin(struct gap *g, int64_t first);
/* The number of a packet with this 16-bit sequence number, by what was seen last. */
int64_t gap_extend(const struct gap *g, uint16_t seq);
/* A packet came. What lacks when the window passes it is given up. */
enum gap_seen gap_see(struct gap *g, int64_t seq, ns_t now);
/* The sequence is known to reach to `last` (end of stream): what lacks up to it is missing. Without
 * effect when nothing has begun, or when `last` is a window or more ahead. */
void gap_expect(struct gap *g, int64_t last, ns_t now);

bool gap_has(const struct gap *g, int64_t seq);
int64_t gap_next(const struct gap *g);    /* lowest number neither seen nor given up */
int64_t gap_highest(const struct gap *g); /* highest seen or expected; gap_next-1 when in order */
int gap_missing(const struct gap *g);     /* how many up to gap_highest lack */

/* Gives up what has to be, then: the numbers to ask for now (ascending, at most max), marked as
 * asked for. When it returns max there may be more. */
int gap_due(struct gap *g, ns_t now, int64_t *out, int max);
/* When gap_due has something to do next; NS_NEVER. It may be early, never late. */
ns_t gap_when(const struct gap *g);
/* Numbers below `seq` that lack are given up; how many they were. Above the highest nothing lacks
 * yet. */
int gap_forget(struct gap *g, int64_t seq);
/* All that is missing is asked for at once at the next gap_due (a new node is there to ask). */
void gap_rearm(struct gap *g, ns_t now);
void gap_set_retry(struct gap *g, ns_t retry);
/* For how long a packet may be late now before it is asked for. */
ns_t gap_patience(const struct gap *g);

#endif
