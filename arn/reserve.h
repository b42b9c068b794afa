/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reservations: clients that were sent to a node and are not yet in what it announces.
 *
 * A client that is redirected attaches some round trips later, and an announcement later still the
 * node says so. Without a memory of the clients between, all of a flash crowd is sent to the node
 * that was the least loaded at the last announcement. So every redirection of a session reserves a
 * place and a bit rate at the node. The node's own announcements consume reservations, the oldest
 * first, as the sessions that began there (`attached`) grow in number; what nobody has come for
 * expires.
 *
 * Two halves, because many threads redirect and one hears announcements:
 *
 *	counter   all that was ever reserved at a node, which only grows: one atomic word that
 *	          every thread adds to, sessions in its low 24 bits, kbit/s in the 40 above
 *	book      how much of that is over, and when the rest will be: the control thread's alone
 *
 * A snapshot has, of each node, a reference to the counter and the book's `over` beside the very
 * announcement that consumed it. What is reserved is the difference. So announced sessions and
 * reservations that became those sessions are never counted twice nor left out, however old the
 * snapshot is that a thread still reads: an old one only overestimates.
 *
 * Taking a reservation compares and adds in one step: however many threads race for the last
 * place, one gets it.
 */
#ifndef ARN_RESERVE_H
#define ARN_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"

#define RESERVE_MAX_SESSIONS ((1u << 24) - 1)
#define RESERVE_MAX_KBPS     ((UINT64_C(1) << 40) - 1)

struct reservation {
	uint32_t sessions;
	uint64_t kbps;
};

struct reserve_counter;
/* One reference, the caller's. NULL without memory. All of these take NULL: nothing is counted. */
struct reserve_counter *reserve_counter_new(void);
struct reserve_counter *reserve_counter_ref(struct reserve_counter *c);
void reserve_counter_unref(struct reserve_counter *c);
/* What is reserved for who knows that `over` of it is over. */
struct reservation reserve_open(const struct reserve_counter *c, uint64_t over);
/* Reserves `need` if all that is reserved then is within `room`. Any thread. */
bool reserve_take(struct reserve_counter *c, uint64_t over, const struct reservation *need,
	const struct reservation *room);

/*
 * Who asks and never attaches takes places away from others for a while. So one client (an IPv4
 * address, or a network of 64 bits of IPv6) can reserve only so much in a time; past that it is
 * answered as before, but counts for nothing. The table is small and shared by all threads: clients
 * whose hashes meet share what they may.
 */
struct reserve_sources;
struct reserve_sources *reserve_sources_new(void);
struct reserve_sources *reserve_sources_ref(struct reserve_sources *s);
void reserve_sources_unref(struct reserve_sources *s);
/* One more reservation in this window of time: true if they are `limit` at most. NULL: always. */
bool reserve_allows(
	struct reserve_sources *s, const struct addr *client, uint64_t window, unsigned limit);

#define RESERVE_BATCHES 16
struct reserve_book {
	struct reserve_counter *counter;
	uint64_t over; /* in the counter's form */
	/* The rest, oldest first. What was reserved between two looks is one batch. */
	struct reserve_batch {
		ns_t began, expires;
		struct reservation left;
	} batch[RESERVE_BATCHES];
	int batches;
	struct reservation left; /* of all batches */
	uint32_t owed;           /* shares of a session that were attached and not consumed yet */
	uint64_t expired;        /* sessions, ever */
};
/* 0 or -ENOMEM. */
int reserve_book_init(struct reserve_book *b);
void reserve_book_fini(struct reserve_book *b);
/* Looks what was reserved since the last look; it expires `ttl` from now. What is due expires. True
 * when `over` has changed. Call it a few times within `ttl`. */
bool reserve_look(struct reserve_book *b, ns_t now, ns_t ttl);
/* The same, but only what was due at `until` expires: of a node that says rarely what it has, a
 * reservation counts until it has said so. */
bool reserve_look_until(struct reserve_book *b, ns_t now, ns_t ttl, ns_t until);
/* Clients attached, of whom one in `arns` is taken for ours. True when `over` has changed. */
bool reserve_consume(struct reserve_book *b, uint32_t attached, unsigned arns, ns_t now, ns_t ttl);

#endif
