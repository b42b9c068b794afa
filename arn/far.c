/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arn/far_impl.h"

const char *far_state_str(enum far_state s)
{
	switch (s) {
	case FAR_NAMED: return "named";
	case FAR_LIVE: return "live";
	case FAR_DOUBTED: return "doubted";
	case FAR_LOST: return "lost";
	}
	return "?";
}

struct far *far_new(const struct far_conf *c, const struct far_events *e, uint64_t seed, ns_t now)
{
	struct far *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->on = *e;
	lots_init(&f->lots, seed);
	f->stretch = 1;
	f->allowed = now;
	f->conf = *c;
	return f;
}

static void free_node(struct far_node *n)
{
	free(n->said);
	free(n);
}

void far_free(struct far *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->n; i++)
		free_node(f->order[i]);
	free(f->order);
	free(f);
}

static int find(const struct far *f, const struct addr *control)
{
	for (int i = 0; i < f->n; i++)
		if (!addr_cmp(&f->order[i]->control, control))
			return i;
	return -1;
}

static void drop(struct far *f, int at, ns_t now)
{
	far_leave(f, f->order[at], "removed", now);
	free_node(f->order[at]);
	f->n--;
	memmove(&f->order[at], &f->order[at + 1], (size_t)(f->n - at) * sizeof(*f->order));
}

void far_set_conf(struct far *f, const struct far_conf *c, ns_t now)
{
	f->conf = *c;
	while (f->n > c->max)
		drop(f, f->n - 1, now);
	far_arrange(f, now);
}

/* ---- candidates ---- */

static bool is_host(const struct far *f, const struct addr *a)
{
	return addr_is_routable(a) && !prefix_has(&f->conf.block, a);
}

/* Who gives way to one of so many steps: who was not named since the mark, or is lost, or is farther; of
 * these the last. Or -1. */
static int who_gives_way(const struct far *f, unsigned steps)
{
	int lost = -1, last = f->n - 1;

	for (int i = last; i >= 0; i--) {
		if (f->order[i]->marked)
			return i;
		if (lost < 0 && f->order[i]->state == FAR_LOST)
			lost = i;
	}
	return lost < 0 && last >= 0 && f->order[last]->stands > steps ? last : lost;
}

static bool make_room(struct far *f, unsigned steps, ns_t now)
{
	int at;

	if (f->n < f->conf.max)
		return true;
	at = who_gives_way(f, steps);
	if (at < 0)
		return false;
	drop(f, at, now);
	return true;
}

static struct far_node *add(struct far *f, const struct scout_candidate *c)
{
	struct far_node *n;

	if (f->n == f->cap) {
		int cap = f->cap ? 2 * f->cap : 8;
		struct far_node **more = realloc(f->order, (size_t)cap * sizeof(struct far_node *));

		if (!more)
			return NULL;
		f->order = more;
		f->cap = cap;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	*n = (struct far_node){.control = c->control,
		.steps = c->distance,
		.distance = 1,
		.last = NS_NEVER,
		.heard_at = NS_NEVER,
		.jitter = 1};
	f->order[f->n++] = n;
	return n;
}

int far_name(struct far *f, const struct scout_candidate *c, ns_t now)
{
	int at = find(f, &c->control);
	struct far_node *n = at >= 0 ? f->order[at] : NULL;

	if (!is_host(f, &c->control) || !addr_port(&c->control))
		return -EINVAL;
	if (n)
		n->marked = false;
	if (n && n->steps == c->distance && (!*c->id || !strcmp(n->id, c->id)))
		return 0;
	if (!n) {
		n = make_room(f, c->distance, now) ? add(f, c) : NULL;
		if (!n) {
			f->count.crowded++;
			return -ENOSPC;
		}
	}
	n->steps = c->distance;
	if (!n->said) /* once it has answered it is who it says */
		memcpy(n->id, c->id, sizeof(n->id));
	far_arrange(f, now);
	return 0;
}

void far_unname(struct far *f, const struct addr *control, ns_t now)
{
	int at = find(f, control);

	if (at < 0)
		return;
	drop(f, at, now);
	far_arrange(f, now);
}

void far_mark(struct far *f)
{
	for (int i = 0; i < f->n; i++)
		f->order[i]->marked = true;
}

void far_sweep(struct far *f, ns_t now)
{
	for (int i = f->n - 1; i >= 0; i--) {
		if (!f->order[i]->marked)
			continue;
		drop(f, i, now);
	}
	far_arrange(f, now);
}

bool far_ask_neighbours(struct far *f, const struct addr *of, unsigned skip, ns_t now)
{
	int at = find(f, of);

	(void)now;
	if (at < 0)
		return false;
	f->order[at]->hurry = f->order[at]->neighbours = true;
	f->order[at]->skip = skip;
	return true;
}

bool far_accuse(struct far *f, const char *id, ns_t now)
{
	bool known = false;

	(void)now;
	for (int i = 0; i < f->n; i++) {
		if (strcmp(f->order[i]->id, id))
			continue;
		f->order[i]->hurry = true;
		known = true;
	}
	return known;
}

/* ---- what they say ---- */

/* False: it cannot be so, or there is no memory. A name that is another is another node's: then what
 * was known of it is not this one's. */
static bool believe(struct far *f, struct far_node *n, const struct announce *said, ns_t now)
{
	if (said->role != ROLE_SN || !is_host(f, &said->addr))
		return false;
	if (!n->said)
		n->said = malloc(sizeof(*n->said));
	if (!n->said)
		return false;
	if (n->eligible && strcmp(n->id, said->id))
		far_leave(f, n, "removed", now);
	*n->said = *said;
	memcpy(n->id, said->id, sizeof(n->id));
	n->heard_at = now;
	return true;
}

bool far_report(struct far *f, const struct addr *control, const struct announce *said,
	ns_t lifetime, ns_t now)
{
	int at = find(f, control);
	struct far_node *n = at >= 0 ? f->order[at] : NULL;

	if (!n || !believe(f, n, said, now))
		return false;
	n->report_ends = now + lifetime;
	if (n->eligible)
		far_tell(f, n, now);
	if (!n->eligible || n->local != far_is_local(f, n))
		far_arrange(f, now);
	return true;
}

static void measure(struct far_node *n, ns_t rtt)
{
	uint32_t least = UINT32_MAX;

	if (rtt < 0)
		return;
	n->newest = n->samples ? (n->newest + 1) % FAR_SAMPLES : 0;
	n->sample[n->newest] = rtt < NS_US       ? 1
	                       : rtt > 60 * NS_S ? 60000000
	                                         : (uint32_t)(rtt / NS_US);
	if (n->samples < FAR_SAMPLES)
		n->samples++;
	for (int i = 0; i < n->samples; i++)
		if (n->sample[i] < least)
			least = n->sample[i];
	n->rtt_us = least;
}

static void revive(struct far_node *n)
{
	n->missed = 0;
	n->rises++;
	if (n->state == FAR_LOST)
		n->state = FAR_DOUBTED;
	else if (n->state == FAR_NAMED || n->rises >= FAR_RISE)
		n->state = FAR_LIVE;
}

static struct far_node *find_question(const struct far *f, uint64_t id)
{
	for (int i = 0; i < f->n; i++)
		if (f->order[i]->out && f->order[i]->question == id)
			return f->order[i];
	return NULL;
}

bool far_answer(struct far *f, uint64_t id, const struct addr *from, ns_t rtt,
	const struct announce *said, ns_t now, struct far_question *q)
{
	struct far_node *n = find_question(f, id);
	enum far_state state;
	uint32_t rtt_us;
	bool was;

	if (!n || addr_cmp(&n->control, from) || !believe(f, n, said, now)) {
		f->count.strays++;
		return false;
	}
	*q = (struct far_question){id, n->control, n->neighbours, n->skip};
	f->count.answered++;
	n->answered++;
	n->out = n->hurry = n->neighbours = false;
	was = n->eligible;
	state = n->state;
	rtt_us = n->rtt_us;
	revive(n);
	if (state == FAR_LOST)
		f->on.found(f->on.arg, &n->control, now);
	measure(n, rtt);
	if (was)
		far_tell(f, n, now);
	if (!was || n->state != state || n->rtt_us != rtt_us || n->local != far_is_local(f, n))
		far_arrange(f, now);
	return true;
}

static void lose(struct far *f, struct far_node *n, ns_t now)
{
	bool news = n->state != FAR_LOST;

	f->count.lost += news;
	if (news || n->neighbours)
		f->on.lost(f->on.arg, &n->control, now);
	n->losses = news ? 0 : n->losses + (n->losses < 20);
	n->state = FAR_LOST;
	n->rises = 0;
	n->samples = 0; /* when it returns, its path may be another */
	n->hurry = n->neighbours = false;
}

void far_tick(struct far *f, ns_t now)
{
	bool changed = false;

	for (int i = 0; i < f->n; i++) {
		struct far_node *n = f->order[i];

		if (n->report_ends && now >= n->report_ends) {
			changed = true;
			n->report_ends = 0;
		}
		if (!n->out || now < n->last + far_timeout(n))
			continue;
		n->out = false;
		f->count.missed++;
		if (++n->missed < f->conf.misses && n->state != FAR_LOST && n->state != FAR_DOUBTED)
			continue;
		lose(f, n, now);
		changed = true;
	}
	if (changed)
		far_arrange(f, now);
}

/* ---- for others ---- */

bool far_view(const struct far *f, int i, struct far_view *v)
{
	const struct far_node *n;

	if (i < 0 || i >= f->n)
		return false;
	n = f->order[i];
	*v = (struct far_view){.control = n->control,
		.said = n->said,
		.state = n->state,
		.eligible = n->eligible,
		.watched = n->watched,
		.twin = n->twin,
		.local = n->local,
		.distance = n->distance,
		.rtt_us = n->rtt_us,
		.pause = far_pause(f, n),
		.heard_at = n->heard_at,
		.asked = n->asked,
		.answered = n->answered};
	return true;
}

int far_count(const struct far *f)
{
	return f->n;
}

int far_eligible(const struct far *f)
{
	int n = 0;

	for (int i = 0; i < f->n; i++)
		n += f->order[i]->eligible;
	return n;
}

const struct far_counters *far_counters(const struct far *f)
{
	return &f->count;
}
