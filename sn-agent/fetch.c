/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/fetch.h"

#include <stdlib.h>

struct want {
	int64_t seq; /* -1: free */
	ns_t next, until;
};

struct fetch {
	struct want *want; /* FETCH_MAX, by the number's low bits; NULL until the first is wanted */
	int count;
	int64_t lowest; /* nothing below is wanted */
	int64_t highest;
	ns_t when; /* no entry is due earlier */
	ns_t retry, give_up;
};

struct fetch *fetch_new(ns_t retry, ns_t give_up)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (f) {
		f->retry = retry;
		f->give_up = give_up;
		f->when = NS_NEVER;
	}
	return f;
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	free(f->want);
	free(f);
}

void fetch_set_retry(struct fetch *f, ns_t retry)
{
	f->retry = retry;
}

static struct want *at(const struct fetch *f, int64_t seq)
{
	return &f->want[seq & (FETCH_MAX - 1)];
}

bool fetch_want(struct fetch *f, int64_t seq, ns_t now)
{
	int64_t lowest, highest;
	struct want *w;

	if (!f->want) {
		f->want = malloc(FETCH_MAX * sizeof(*f->want));
		if (!f->want)
			return false;
		fetch_clear(f);
	}
	w = at(f, seq);
	if (w->seq >= seq)
		return w->seq == seq;
	if (f->count == 0)
		f->lowest = f->highest = seq;
	lowest = seq < f->lowest ? seq : f->lowest;
	highest = seq > f->highest ? seq : f->highest;
	/* The span is walked in order, so it is kept within what the table can hold. */
	if (highest - lowest >= 4 * FETCH_MAX)
		return false;
	f->lowest = lowest;
	f->highest = highest;
	f->count += w->seq < 0;
	*w = (struct want){seq, now, now + f->give_up};
	f->when = now;
	return true;
}

bool fetch_got(struct fetch *f, int64_t seq)
{
	struct want *w;

	if (f->count == 0 || seq < 0)
		return false;
	w = at(f, seq);
	if (w->seq != seq)
		return false;
	w->seq = -1;
	f->count--;
	return true;
}

int fetch_due(struct fetch *f, ns_t now, int64_t *out, int max)
{
	ns_t when = NS_NEVER;
	int64_t lowest = INT64_MAX, highest = 0;
	int n = 0;

	if (f->count == 0) {
		f->when = NS_NEVER;
		return 0;
	}
	for (int64_t seq = f->lowest; seq <= f->highest; seq++) {
		struct want *w = at(f, seq);

		if (w->seq != seq)
			continue;
		if (now >= w->until) {
			w->seq = -1;
			f->count--;
			continue;
		}
		if (w->next <= now && n < max) {
			out[n++] = seq;
			w->next = now + f->retry;
		}
		if (w->next < when)
			when = w->next;
		if (w->until < when)
			when = w->until;
		if (seq < lowest)
			lowest = seq;
		highest = seq;
	}
	f->lowest = lowest;
	f->highest = highest;
	f->when = when;
	return n;
}

ns_t fetch_when(const struct fetch *f)
{
	return f->count ? f->when : NS_NEVER;
}

void fetch_rearm(struct fetch *f, ns_t now)
{
	if (f->count == 0)
		return;
	for (int i = 0; i < FETCH_MAX; i++)
		f->want[i].next = now;
	f->when = now;
}

void fetch_clear(struct fetch *f)
{
	for (int i = 0; f->want && i < FETCH_MAX; i++)
		f->want[i].seq = -1;
	f->count = 0;
}

int fetch_count(const struct fetch *f)
{
	return f->count;
}
