/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/reserve.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define KBPS_SHIFT 24

struct reserve_counter {
	_Alignas(64) _Atomic uint64_t taken; /* alone in its cache line: many threads write it */
	_Atomic unsigned refs;
};

static uint64_t pack(const struct reservation *r)
{
	return r->kbps << KBPS_SHIFT | r->sessions;
}

/* Of a difference of two packed sums. Both may have wrapped: their difference has not, as long as
 * what is open at one time is within the limits, which reserve_take() sees to. */
static struct reservation unpack(uint64_t v)
{
	return (struct reservation){(uint32_t)(v & RESERVE_MAX_SESSIONS), v >> KBPS_SHIFT};
}

struct reserve_counter *reserve_counter_new(void)
{
	struct reserve_counter *c = aligned_alloc(64, sizeof(*c));

	if (!c)
		return NULL;
	atomic_init(&c->taken, 0);
	atomic_init(&c->refs, 1);
	return c;
}

struct reserve_counter *reserve_counter_ref(struct reserve_counter *c)
{
	if (c)
		atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void reserve_counter_unref(struct reserve_counter *c)
{
	if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		free(c);
}

struct reservation reserve_open(const struct reserve_counter *c, uint64_t over)
{
	if (!c)
		return (struct reservation){0};
	return unpack(atomic_load_explicit(&c->taken, memory_order_relaxed) - over);
}

bool reserve_take(struct reserve_counter *c, uint64_t over, const struct reservation *need,
	const struct reservation *room)
{
	uint64_t was;

	if (!c)
		return true;
	was = atomic_load_explicit(&c->taken, memory_order_relaxed);
	do {
		struct reservation open = unpack(was - over);

		if (need->sessions > RESERVE_MAX_SESSIONS - open.sessions ||
			open.sessions + need->sessions > room->sessions)
			return false;
		if (need->kbps > RESERVE_MAX_KBPS - open.kbps ||
			open.kbps + need->kbps > room->kbps)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&c->taken, &was, was + pack(need), memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* ---- clients ---- */

#define SOURCES 4096

/* The window's low half above, the count below. */
struct reserve_sources {
	_Atomic unsigned refs;
	_Atomic uint32_t slot[SOURCES];
};

struct reserve_sources *reserve_sources_new(void)
{
	struct reserve_sources *s = calloc(1, sizeof(*s));

	if (s)
		atomic_init(&s->refs, 1);
	return s;
}

struct reserve_sources *reserve_sources_ref(struct reserve_sources *s)
{
	if (s)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void reserve_sources_unref(struct reserve_sources *s)
{
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		free(s);
}

static unsigned slot_of(const struct addr *a)
{
	uint64_t v = a->in.sin_addr.s_addr;

	if (a->sa.sa_family == AF_INET6)
		memcpy(&v, &a->in6.sin6_addr, sizeof(v));
	v = (v ^ v >> 32) * 0xd6e8feb86659fd93;
	return (unsigned)(v >> 32) % SOURCES;
}

bool reserve_allows(
	struct reserve_sources *s, const struct addr *client, uint64_t window, unsigned limit)
{
	uint32_t was, next, now = (uint32_t)(window & UINT16_MAX) << 16;
	_Atomic uint32_t *slot;

	if (!s)
		return true;
	slot = &s->slot[slot_of(client)];
	was = atomic_load_explicit(slot, memory_order_relaxed);
	do {
		unsigned n = (was & ~(uint32_t)UINT16_MAX) == now ? was & UINT16_MAX : 0;

		if (n >= limit || n == UINT16_MAX)
			return false;
		next = now | (n + 1);
	} while (!atomic_compare_exchange_weak_explicit(
		slot, &was, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* ---- books ---- */

int reserve_book_init(struct reserve_book *b)
{
	*b = (struct reserve_book){.counter = reserve_counter_new()};
	return b->counter ? 0 : -ENOMEM;
}

void reserve_book_fini(struct reserve_book *b)
{
	reserve_counter_unref(b->counter);
	b->counter = NULL;
}

/* The oldest batch loses `r` of what it has, and its place when that was all. */
static void give_back(struct reserve_book *b, struct reservation r)
{
	struct reserve_batch *first = &b->batch[0];

	first->left.sessions -= r.sessions;
	first->left.kbps -= r.kbps;
	b->left.sessions -= r.sessions;
	b->left.kbps -= r.kbps;
	b->over += pack(&r);
	if (first->left.sessions || first->left.kbps)
		return;
	b->batches--;
	memmove(first, first + 1, (size_t)b->batches * sizeof(*first));
}

static void note_new(struct reserve_book *b, ns_t now, ns_t ttl)
{
	struct reservation open = reserve_open(b->counter, b->over);
	struct reservation more = {open.sessions - b->left.sessions, open.kbps - b->left.kbps};
	struct reserve_batch *last;

	if (!more.sessions && !more.kbps)
		return;
	/* A batch takes in what comes within a part of the time, and all of it shares the time of
	 * the last. There is room for a whole time's batches. */
	last = b->batches ? &b->batch[b->batches - 1] : NULL;
	if (!last || (b->batches < RESERVE_BATCHES &&
			     now - last->began >= ttl / (RESERVE_BATCHES - 1))) {
		last = &b->batch[b->batches++];
		*last = (struct reserve_batch){.began = now};
	}
	last->expires = now + ttl;
	last->left.sessions += more.sessions;
	last->left.kbps += more.kbps;
	b->left = open;
}

bool reserve_look_until(struct reserve_book *b, ns_t now, ns_t ttl, ns_t until)
{
	uint64_t was = b->over;

	note_new(b, now, ttl);
	while (b->batches && b->batch[0].expires <= until) {
		b->expired += b->batch[0].left.sessions;
		give_back(b, b->batch[0].left);
	}
	return b->over != was;
}

bool reserve_look(struct reserve_book *b, ns_t now, ns_t ttl)
{
	return reserve_look_until(b, now, ttl, now);
}

bool reserve_consume(struct reserve_book *b, uint32_t attached, unsigned arns, ns_t now, ns_t ttl)
{
	uint64_t was = b->over, shares = (uint64_t)b->owed + attached, ours = shares / arns;

	note_new(b, now, ttl);
	b->owed = (uint32_t)(shares % arns);
	while (ours && b->batches) {
		struct reserve_batch *first = &b->batch[0];
		struct reservation r = first->left;

		if (r.sessions > ours) {
			r.kbps = r.kbps / r.sessions * ours;
			r.sessions = (uint32_t)ours;
		}
		ours -= r.sessions;
		give_back(b, r);
	}
	return b->over != was;
}
