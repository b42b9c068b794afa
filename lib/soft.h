/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Soft state that somebody else is the authority of, and that has to be fetched: DNS records, what a
 * channel allocation service says, profiles. Each is a value under a key, with a time for which it
 * holds. Here are the rules that they have in common, without any I/O: when a value is to be
 * fetched, and what is used when that fails.
 *
 *	nothing ──fetched──> fresh ──its time is over──> stale ──for `stale` longer──> nothing
 *	   │                  ▲  └─ denied: it does not exist; for a time likewise
 *	   └── failed: nobody could be asked; again after `retry`, twice that, …
 *
 *  - Single flight: who asks for what is being fetched waits with the others.
 *  - What is used is fetched again before its time is over (`soft_due`), so that nobody waits.
 *  - When that fails, the old value is used for a bounded time (RFC 8767), and the authority is
 *    asked again after ever longer pauses (RFC 9520), 2 to the power of the failures times `retry`,
 *    at most `retry_max`.
 *  - A denial is an answer as well (RFC 2308), and takes the value's place.
 *  - There are `entries` at most: the one that was used the longest ago gives way.
 */
#ifndef NEARCAST_SOFT_H
#define NEARCAST_SOFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"

#define SOFT_KEY    640 /* with the NUL */
#define SOFT_REASON 160

struct soft_conf {
	ns_t ttl_min, ttl_max; /* of a value: what its authority says is brought within */
	ns_t negative_max;     /* of a denial, likewise; its least is ttl_min as well */
	ns_t stale;            /* how long a value is used after its time when no new one is had */
	ns_t retry, retry_max; /* pauses after a failure */
	int entries;
};

enum soft_state {
	SOFT_NOTHING, /* never had an answer, or it is too old; a fetch may be under way */
	SOFT_FRESH,
	SOFT_STALE,  /* its time is over */
	SOFT_DENIED, /* the authority says that it does not exist */
	SOFT_FAILED, /* nothing, and the last fetch failed */
};

struct soft_entry {
	struct soft_entry *newer, *older; /* by use */
	struct soft_entry *chain;
	char *key;
	void *value; /* NULL: none, or it was denied */
	bool denied;
	bool flying; /* a fetch is under way */
	ns_t got, until,
		stale;     /* of the value or denial: when it came, holds until, is used until */
	ns_t retry;        /* not to be fetched before */
	unsigned failures; /* since the last answer */
	ns_t used;         /* last time that somebody asked for it */
	uint64_t fetched;  /* answers and failures */
	char reason[SOFT_REASON]; /* of the denial, or of the last failure */
};

struct soft;
/* free_value: of a value that is replaced or forgotten. NULL without memory. */
struct soft *soft_new(const struct soft_conf *c, void (*free_value)(void *value));
void soft_set_conf(struct soft *s, const struct soft_conf *c); /* for what comes from now on */
void soft_free(struct soft *s);

/* NULL: not known. */
struct soft_entry *soft_find(struct soft *s, const char *key);
/* The same, but makes it if need be, and notes that it was used. NULL: no memory, or every entry is
 * in flight, or the key is too long. */
struct soft_entry *soft_use(struct soft *s, const char *key, ns_t now);

enum soft_state soft_state(const struct soft_entry *e, ns_t now);
/* Whether it is to be fetched now; the caller then says soft_fly(), and one of the three below
 * later (or at once). */
bool soft_due(const struct soft_entry *e, ns_t now);
void soft_fly(struct soft_entry *e);
void soft_answer(struct soft *s, struct soft_entry *e, void *value, ns_t ttl, ns_t now);
void soft_deny(struct soft *s, struct soft_entry *e, const char *reason, ns_t ttl, ns_t now);
void soft_fail(struct soft *s, struct soft_entry *e, const char *reason, ns_t now);
/* The same value holds for another ttl. Without a value it is a failure. */
void soft_renew(struct soft *s, struct soft_entry *e, ns_t ttl, ns_t now);

/* The next moment at which its state, or what soft_due says, changes of itself; NS_NEVER: none. */
ns_t soft_next(const struct soft_entry *e, ns_t now);
/* The first of these moments of all entries. */
ns_t soft_when(const struct soft *s, ns_t now);
/* Whoever fetched is gone: nothing is under way, and what is due is so again. */
void soft_ground(struct soft *s);

/* Forgets what holds nothing any more, or has not been used for `idle` and is not in flight. */
void soft_expire(struct soft *s, ns_t idle, ns_t now);
/* What is known is to be fetched again, before it is used again, and is not kept as stale. With NULL
 * all. How many there were. */
int soft_flush(struct soft *s, const char *key);

int soft_count(const struct soft *s);
/* Walks: the one that was used last first; NULL at the end. */
struct soft_entry *soft_first(const struct soft *s);
struct soft_entry *soft_after(const struct soft_entry *e);
const char *soft_state_str(enum soft_state s);

#endif
