/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/wide.h"

#include <errno.h>
#include <stdlib.h>

struct wide {
	struct wide_conf conf;
	struct wide_events on;
	void *scout;
	struct far *far;
	struct area area;
	int wanted;                               /* of the scout; -1: it has not been told */
	struct scout_lookup lookup[WIDE_LOOKUPS]; /* that are to be asked */
	int lookups, flying;                      /* how many, and how many are */
	ns_t sweep;                               /* NS_NEVER: nothing is to be swept */
};

/* ---- far.h's events ---- */

static void on_eligible(
	void *arg, const struct announce *said, const struct far_facts *facts, ns_t now)
{
	struct wide *w = arg;

	w->on.eligible(w->on.arg, said, facts, now);
}

static void on_left(void *arg, const char *id, const char *why, ns_t now)
{
	struct wide *w = arg;

	w->on.left(w->on.arg, id, why, now);
}

static void on_lost(void *arg, const struct addr *control, ns_t now)
{
	struct wide *w = arg;

	if (w->scout)
		w->conf.method->lost(w->scout, control, now);
}

static void on_found(void *arg, const struct addr *control, ns_t now)
{
	struct wide *w = arg;

	if (w->scout && w->conf.method->found)
		w->conf.method->found(w->scout, control, now);
}

static bool on_is_local(void *arg, const char *id)
{
	struct wide *w = arg;

	return w->on.is_local(w->on.arg, id);
}

/* ---- the scout ---- */

static void obey(struct wide *w, const struct scout_act *act, ns_t now)
{
	switch (act->kind) {
	case SCOUT_CANDIDATE: far_name(w->far, &act->candidate, now); break;
	case SCOUT_GONE: far_unname(w->far, &act->of, now); break;
	case SCOUT_NEIGHBOURS:
		if (!far_ask_neighbours(w->far, &act->of, act->skip, now))
			w->conf.method->lost(w->scout, &act->of, now);
		break;
	case SCOUT_LOOKUP: w->lookup[w->lookups++] = act->what; break;
	}
}

/* While there is room for a lookup more: whatever it says can be taken. */
static void pump(struct wide *w, ns_t now)
{
	struct scout_act act;

	while (w->scout && w->lookups + w->flying < WIDE_LOOKUPS &&
		w->conf.method->next(w->scout, now, &act))
		obey(w, &act, now);
}

bool wide_varies(const struct wide *w)
{
	return w->scout && w->conf.method->varies;
}

static void set_scope(struct wide *w, ns_t now)
{
	int scope = w->area.scope, watch;

	if (!wide_varies(w))
		scope = w->conf.far.max;
	watch = 2 * scope < w->conf.far.max ? 2 * scope : w->conf.far.max;
	far_set_area(w->far, scope, watch, now);
	if (wide_varies(w) && watch != w->wanted) {
		w->wanted = watch;
		if (w->conf.method->want)
			w->conf.method->want(w->scout, watch, now);
	}
}

static int begin_scout(struct wide *w, const struct wide_conf *c, ns_t now)
{
	void *scout = c->method ? c->method->init(&c->scout, now) : NULL;

	if (c->method && !scout)
		return -ENOMEM;
	if (w->scout)
		w->conf.method->free(w->scout);
	w->scout = scout;
	w->wanted = -1;
	w->lookups = w->flying = 0;
	return 0;
}

/* ---- life ---- */

struct wide *wide_new(
	const struct wide_conf *c, const struct wide_events *e, uint64_t seed, ns_t now)
{
	struct wide *w = calloc(1, sizeof(*w));
	struct far_events fe = {on_eligible, on_left, on_lost, on_found, on_is_local, w};

	if (!w)
		return NULL;
	*w = (struct wide){.conf = *c, .on = *e, .wanted = -1, .sweep = NS_NEVER};
	area_init(&w->area, &c->area);
	w->far = far_new(&c->far, &fe, seed, now);
	if (!w->far || begin_scout(w, c, now) < 0) {
		wide_free(w);
		return NULL;
	}
	set_scope(w, now);
	pump(w, now);
	return w;
}

void wide_free(struct wide *w)
{
	if (!w)
		return;
	if (w->scout)
		w->conf.method->free(w->scout);
	far_free(w->far);
	free(w);
}

int wide_set_conf(struct wide *w, const struct wide_conf *c, bool again, ns_t now)
{
	int err = again ? begin_scout(w, c, now) : 0;

	if (err)
		return err;
	w->conf = *c;
	far_set_conf(w->far, &c->far, now);
	area_set_conf(&w->area, &c->area);
	if (again) {
		far_mark(w->far);
		w->sweep = c->method ? now + WIDE_SWEEP : now;
	}
	set_scope(w, now);
	pump(w, now);
	return 0;
}

/* ---- what is heard ---- */

void wide_look(struct wide *w, ns_t now)
{
	struct area_load local = w->on.load(w->on.arg, NULL, 1), far[FAR_MAX];
	struct far_view v;
	int n = 0, was = w->area.scope;

	for (int i = 0; far_view(w->far, i, &v); i++)
		if (v.eligible)
			far[n++] = w->on.load(w->on.arg, v.said->id, w->conf.share);
	if (!area_step(&w->area, &local, far, n, now) || !wide_varies(w))
		return;
	w->on.scoped(w->on.arg, &w->area, was, now);
	set_scope(w, now);
	pump(w, now);
}

bool wide_answer(struct wide *w, uint64_t id, const struct addr *from, ns_t rtt,
	const struct announce *said, const struct survey_neighbour *list, int n, int total,
	ns_t now)
{
	struct far_question q;

	if (!far_answer(w->far, id, from, rtt, said, now, &q))
		return false;
	if (q.neighbours && w->scout && w->conf.method->neighbours)
		w->conf.method->neighbours(w->scout, &q.to, list, n, total, now);
	pump(w, now);
	return true;
}

void wide_looked_up(
	struct wide *w, const struct scout_lookup *what, const struct scout_records *r, ns_t now)
{
	if (w->flying)
		w->flying--;
	if (w->scout && w->conf.method->looked_up)
		w->conf.method->looked_up(w->scout, what, r, now);
	pump(w, now);
}

bool wide_accuse(struct wide *w, const char *id, ns_t now)
{
	return far_accuse(w->far, id, now);
}

/* ---- what is to be done ---- */

bool wide_next_question(struct wide *w, ns_t now, struct far_question *q)
{
	return far_next(w->far, now, q);
}

bool wide_next_lookup(struct wide *w, ns_t now, struct scout_lookup *what)
{
	pump(w, now);
	if (!w->lookups)
		return false;
	*what = w->lookup[--w->lookups];
	w->flying++;
	return true;
}

void wide_tick(struct wide *w, ns_t now)
{
	if (now >= w->sweep) {
		w->sweep = NS_NEVER;
		far_sweep(w->far, now);
	}
	far_tick(w->far, now);
	pump(w, now);
}

ns_t wide_when(const struct wide *w)
{
	ns_t when = far_when(w->far), scout = NS_NEVER;

	if (w->scout && w->lookups + w->flying < WIDE_LOOKUPS)
		scout = w->conf.method->when(w->scout);
	when = scout < when ? scout : when;
	return w->sweep < when ? w->sweep : when;
}

struct far *wide_far(struct wide *w)
{
	return w->far;
}

void *wide_scout(struct wide *w)
{
	return w->scout;
}

const struct area *wide_area(const struct wide *w)
{
	return &w->area;
}

const struct scout_ops *wide_method(const struct wide *w)
{
	return w->conf.method;
}
