/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/ring.h"

#include <stdlib.h>
#include <string.h>

#include "lib/rtp.h"

#define FIRST_SLOTS 256

struct slot {
	int64_t seq;
	ns_t at;
	uint8_t *p; /* NULL: empty */
	size_t n;
};

struct ring {
	struct slot *slot;
	size_t slots;   /* a power of two */
	int64_t first;  /* nothing below is held */
	int64_t newest; /* highest held */
	int64_t ref;    /* while empty: what numbers are extended by */
	bool any;
	ns_t span;
	size_t bytes, max_bytes;
	int count;
};

static struct slot *slot_of(const struct ring *r, int64_t seq)
{
	return &r->slot[(size_t)seq & (r->slots - 1)];
}

static bool held(const struct ring *r, int64_t seq)
{
	const struct slot *s = slot_of(r, seq);

	return s->p && s->seq == seq;
}

struct ring *ring_new(ns_t span, size_t max_bytes)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->slot = calloc(FIRST_SLOTS, sizeof(*r->slot));
	if (!r->slot) {
		free(r);
		return NULL;
	}
	r->slots = FIRST_SLOTS;
	r->ref = 2 << 16;
	r->span = span;
	r->max_bytes = max_bytes;
	return r;
}

struct ring *ring_next(const struct ring *r)
{
	struct ring *next = ring_new(r->span, r->max_bytes);

	if (next)
		next->ref = (r->any ? r->newest : r->ref) + (2 << 16);
	return next;
}

static void drop(struct ring *r, struct slot *s)
{
	if (!s->p)
		return;
	r->bytes -= s->n;
	r->count--;
	free(s->p);
	s->p = NULL;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->slots; i++)
		free(r->slot[i].p);
	free(r->slot);
	free(r);
}

void ring_set_span(struct ring *r, ns_t span)
{
	r->span = span;
}

int64_t ring_extend(const struct ring *r, uint16_t seq)
{
	return rtp_seq_extend(r->any ? r->newest : r->ref, seq);
}

void ring_hint(struct ring *r, int64_t seq)
{
	if (!r->any)
		r->ref = seq;
}

/* Lets go of the lowest number, and of the holes after it. */
static void evict(struct ring *r)
{
	if (held(r, r->first))
		drop(r, slot_of(r, r->first));
	do {
		r->first++;
	} while (r->first < r->newest && !held(r, r->first));
}

static void expire(struct ring *r, ns_t now)
{
	while (r->first < r->newest && now - slot_of(r, r->first)->at > r->span)
		evict(r);
}

static bool grow(struct ring *r)
{
	size_t slots = r->slots * 2;
	struct slot *old = r->slot, *slot;
	size_t n = r->slots;

	if (slots > RING_SLOTS || !(slot = calloc(slots, sizeof(*slot))))
		return false;
	for (size_t i = 0; i < n; i++)
		if (old[i].p)
			slot[(size_t)old[i].seq & (slots - 1)] = old[i];
	free(old);
	r->slot = slot;
	r->slots = slots;
	return true;
}

/* Makes sure that first..newest, seq included, fit into the slots. False: seq is too old. */
static bool make_room(struct ring *r, int64_t seq)
{
	if (seq > r->newest) {
		while (seq - r->first >= (int64_t)r->slots) {
			if (grow(r))
				continue;
			if (r->first == r->newest) {
				drop(r, slot_of(r, r->first));
				r->first = r->newest = seq;
				return true;
			}
			evict(r);
		}
		r->newest = seq;
		return true;
	}
	while (r->newest - seq >= (int64_t)r->slots)
		if (!grow(r))
			return false;
	if (seq < r->first)
		r->first = seq;
	return true;
}

enum ring_put ring_put(
	struct ring *r, uint16_t seq16, const void *p, size_t n, ns_t now, int64_t *seq)
{
	struct slot *s;
	int64_t ahead;
	uint8_t *copy;

	*seq = ring_extend(r, seq16);
	if (n > RING_MTU || n == 0)
		return RING_OLD;
	if (!r->any) {
		r->first = r->newest = *seq;
		r->any = true;
	} else {
		ahead = *seq - r->newest;
		if (ahead > RING_JUMP || ahead < -RING_JUMP)
			return RING_FAR;
		if (held(r, *seq))
			return RING_DUPLICATE;
	}
	copy = malloc(n);
	if (!copy)
		return RING_OLD;
	if (!make_room(r, *seq)) {
		free(copy);
		return RING_OLD;
	}
	memcpy(copy, p, n);
	s = slot_of(r, *seq);
	drop(r, s);
	*s = (struct slot){*seq, now, copy, n};
	r->bytes += n;
	r->count++;
	while (r->first < r->newest && (r->bytes > r->max_bytes || !held(r, r->first)))
		evict(r);
	expire(r, now);
	return RING_NEW;
}

bool ring_empty(const struct ring *r)
{
	return r->count == 0;
}

int64_t ring_oldest(const struct ring *r)
{
	return r->first;
}

int64_t ring_newest(const struct ring *r)
{
	return r->newest;
}

size_t ring_bytes(const struct ring *r)
{
	return r->bytes;
}

int ring_count(const struct ring *r)
{
	return r->count;
}

bool ring_get(const struct ring *r, int64_t seq, struct iovec *out)
{
	const struct slot *s;

	if (!r->any || seq < r->first || seq > r->newest || !held(r, seq))
		return false;
	s = slot_of(r, seq);
	*out = (struct iovec){s->p, s->n};
	return true;
}

ns_t ring_came(const struct ring *r, int64_t seq)
{
	struct iovec v;

	return ring_get(r, seq, &v) ? slot_of(r, seq)->at : 0;
}

int ring_collect(const struct ring *r, int64_t *seq, int64_t end, struct iovec *out, int max)
{
	int n = 0;

	if (!r->any)
		return 0;
	if (*seq < r->first)
		*seq = r->first;
	for (; *seq <= r->newest && *seq < end && n < max; (*seq)++)
		n += ring_get(r, *seq, &out[n]);
	return n;
}
