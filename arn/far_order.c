/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which nodes are the nearest, and of these, which are eligible. */
#include <string.h>

#include "arn/far_impl.h"

#define CLEARLY_US    1000 /* nearer than who is in the area, to take its place; */
#define CLEARLY_SHARE 8    /* or one in so many of the latency, if that is more */

static unsigned steps_of(const struct far *f, const struct far_node *n)
{
	int levels;

	if (n->steps || !*f->conf.place || !n->said)
		return n->steps;
	levels = place_distance(f->conf.place, n->said->place);
	/* A place that is not known is as far as can be. */
	return 1 + (unsigned)(levels >= 0 ? levels : place_labels(f->conf.place));
}

static unsigned distance_of(const struct far_node *n)
{
	return n->stands ? n->stands : 1 + (unsigned)(n->rtt_us * NS_US / FAR_STEP);
}

/* As latency counts in the order: an eligible node's somewhat less. */
static int64_t latency_key(const struct far_node *n)
{
	int64_t bonus = n->rtt_us / CLEARLY_SHARE;

	if (!n->eligible)
		return n->rtt_us;
	return n->rtt_us - (bonus > CLEARLY_US ? bonus : CLEARLY_US);
}

/* Who was not measured stands first of its distance: so it is asked, and then known. */
static bool is_before(const struct far_node *a, const struct far_node *b)
{
	if (a->stands != b->stands)
		return a->stands < b->stands;
	if (latency_key(a) != latency_key(b))
		return latency_key(a) < latency_key(b);
	return addr_cmp(&a->control, &b->control) < 0;
}

static void sort(struct far *f)
{
	/* It is nearly in order: at most a few have changed since the last time. */
	for (int i = 1; i < f->n; i++) {
		struct far_node *n = f->order[i];
		int k = i;

		for (; k > 0 && is_before(n, f->order[k - 1]); k--)
			f->order[k] = f->order[k - 1];
		f->order[k] = n;
	}
}

bool far_is_local(const struct far *f, const struct far_node *n)
{
	return *n->id && f->on.is_local && f->on.is_local(f->on.arg, n->id);
}

static bool can_serve(const struct far_node *n, ns_t now)
{
	if (!n->said || n->local || n->state == FAR_LOST)
		return false;
	return n->state != FAR_NAMED || now < n->report_ends;
}

void far_tell(const struct far *f, const struct far_node *n, ns_t now)
{
	struct far_facts facts = {.rtt_us = n->rtt_us,
		.distance = n->distance,
		.doubted = n->state == FAR_DOUBTED,
		.asked = n->state != FAR_NAMED};

	f->on.eligible(f->on.arg, n->said, &facts, now);
}

void far_leave(struct far *f, struct far_node *n, const char *why, ns_t now)
{
	if (n->eligible)
		f->on.left(f->on.arg, n->id, why, now);
	n->eligible = false;
}

/* Whether one that is chosen already is the same node. */
static bool is_chosen(struct far_node *const *chosen, int count, const struct far_node *n)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(chosen[i]->id, n->id))
			return true;
	return false;
}

/* The first `scope` that can serve: those that have answered first, then hearsay. */
static int choose(const struct far *f, struct far_node *chosen[FAR_MAX], ns_t now)
{
	int count = 0;

	for (int hearsay = 0; hearsay <= 1; hearsay++) {
		for (int i = 0; i < f->n && count < f->scope; i++) {
			struct far_node *n = f->order[i];

			if (!can_serve(n, now) || hearsay != (n->state == FAR_NAMED))
				continue;
			n->twin = is_chosen(chosen, count, n);
			if (!n->twin)
				chosen[count++] = n;
		}
	}
	return count;
}

static const char *why_left(const struct far_node *n)
{
	return n->local               ? "one of ours"
	       : n->state == FAR_LOST ? "does not answer"
	                              : "not in the area";
}

static void watch_first(struct far *f)
{
	int left = f->watch;

	for (int i = 0; i < f->n; i++) {
		struct far_node *n = f->order[i];
		bool first = left > 0 && n->state != FAR_LOST && !n->local && !n->twin;

		left -= first;
		n->watched = first || n->eligible;
	}
	far_stretch(f);
}

/* Whose place in the area has changed is told of it. */
void far_arrange(struct far *f, ns_t now)
{
	struct far_node *chosen[FAR_MAX], *n;
	int count;

	for (int i = 0; i < f->n; i++) {
		n = f->order[i];
		n->twin = false; /* of whom it was may be gone */
		n->stands = steps_of(f, n);
		n->distance = distance_of(n);
		n->local = far_is_local(f, n);
	}
	sort(f);
	count = choose(f, chosen, now);
	for (int i = 0; i < f->n; i++) {
		int k = 0;

		while (k < count && chosen[k] != f->order[i])
			k++;
		if (k == count)
			far_leave(f, f->order[i], why_left(f->order[i]), now);
	}
	for (int k = 0; k < count; k++) {
		bool was = chosen[k]->eligible;

		chosen[k]->eligible = true;
		if (!was)
			far_tell(f, chosen[k], now);
	}
	watch_first(f);
}

void far_set_area(struct far *f, int scope, int watch, ns_t now)
{
	if (scope == f->scope && watch == f->watch)
		return;
	f->scope = scope;
	f->watch = watch;
	far_arrange(f, now);
}
