/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/overflow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/event.h"
#include "lib/log.h"
#include "lib/lots.h"

struct overflow {
	struct loop *loop;
	struct directory *directory;
	struct wide *wide;
	struct surveyor *surveyor;
	struct lookups *lookups;
	struct loop_timer *timer;
	bool pumping; /* answers may come from within */
	struct log_limit log_refused;
};

/* ---- what is due ---- */

static void pump(struct overflow *o)
{
	ns_t now = loop_now(o->loop);
	struct far_question q;
	struct scout_lookup what;

	if (o->pumping)
		return;
	o->pumping = true;
	wide_tick(o->wide, now);
	while (wide_next_question(o->wide, now, &q))
		surveyor_ask(o->surveyor, &q); /* if it could not be sent, it is not answered */
	while (wide_next_lookup(o->wide, now, &what))
		lookups_ask(o->lookups, &what);
	o->pumping = false;
	loop_timer_at(o->timer, wide_when(o->wide));
}

static void on_timer(void *arg)
{
	pump(arg);
}

static void on_answer(void *arg, const struct addr *from, const struct survey_answer *a, ns_t rtt)
{
	struct overflow *o = arg;

	wide_answer(o->wide, a->id, from, rtt, &a->said, a->neighbour, a->neighbours, a->total,
		loop_now(o->loop));
	pump(o);
}

static void on_records(void *arg, const struct scout_lookup *what, const struct scout_records *r)
{
	struct overflow *o = arg;

	wide_looked_up(o->wide, what, r, loop_now(o->loop));
	pump(o);
}

/* ---- what the core says ---- */

static void on_eligible(
	void *arg, const struct announce *said, const struct far_facts *facts, ns_t now)
{
	struct overflow *o = arg;
	const char *why;
	int err = directory_far(o->directory, said, facts, now, &why);

	if (err && err != -EEXIST)
		log_limited(&o->log_refused, NLOG_REMOTE, "far node %s refused: %s", said->id, why);
}

static void on_left(void *arg, const char *id, const char *why, ns_t now)
{
	struct overflow *o = arg;

	directory_far_left(o->directory, id, why, now);
}

static bool on_is_local(void *arg, const char *id)
{
	struct overflow *o = arg;

	return directory_is_local(o->directory, id);
}

static struct area_load on_load(void *arg, const char *id, double share)
{
	struct overflow *o = arg;

	return directory_load(o->directory, id, share);
}

static void on_scoped(void *arg, const struct area *area, int was, ns_t now)
{
	struct js *o;

	(void)arg;
	log_msg(NLOG_INFO, "area of %d far nodes, was %d: use %.0f %% at home, %.0f %% in all",
		area->scope, was, 100 * area->local, 100 * area->all);
	if (!event_wanted())
		return;
	o = js_object();
	js_put_int(o, "scope", area->scope);
	js_put_int(o, "was", was);
	js_put_real(o, "use_home", area->local);
	js_put_real(o, "use_all", area->all);
	event_emit("area", now, o);
}

/* ---- for others ---- */

void overflow_look(struct overflow *o)
{
	wide_look(o->wide, loop_now(o->loop));
	pump(o);
}

void overflow_accuse(struct overflow *o, const char *id)
{
	if (wide_accuse(o->wide, id, loop_now(o->loop)))
		pump(o);
}

void overflow_wake(struct overflow *o)
{
	pump(o);
}

struct wide *overflow_wide(struct overflow *o)
{
	return o->wide;
}

const struct surveyor *overflow_surveyor(const struct overflow *o)
{
	return o->surveyor;
}

const struct lookups *overflow_lookups(const struct overflow *o)
{
	return o->lookups;
}

/* ---- life ---- */

struct overflow *overflow_new(struct loop *l, const struct overflow_conf *c, struct directory *d)
{
	struct overflow *o = calloc(1, sizeof(*o));
	struct surveyor_conf sc = {c->name, c->skew, c->keys, on_answer, o};
	struct wide_events we = {on_eligible, on_left, on_is_local, on_load, on_scoped, o};
	struct wide_conf wc = c->wide;

	if (!o)
		return NULL;
	*o = (struct overflow){.loop = l, .directory = d, .log_refused = LOG_LIMIT_INIT};
	wc.scout.random = lots_seed();
	o->surveyor = surveyor_new(l, &sc);
	o->lookups = lookups_new(l, on_records, o);
	o->timer = loop_timer_new(l, on_timer, o);
	o->wide = wide_new(&wc, &we, lots_seed(), loop_now(l));
	if (!o->surveyor || !o->lookups || !o->timer || !o->wide) {
		overflow_free(o);
		return NULL;
	}
	lookups_set_conf(o->lookups, &c->dns);
	loop_timer_at(o->timer, loop_now(l));
	return o;
}

void overflow_free(struct overflow *o)
{
	if (!o)
		return;
	loop_timer_free(o->timer);
	lookups_free(o->lookups);
	surveyor_free(o->surveyor);
	wide_free(o->wide);
	free(o);
}

int overflow_set_conf(struct overflow *o, const struct overflow_conf *c, bool again)
{
	struct wide_conf wc = c->wide;
	int err;

	wc.scout.random = lots_seed();
	/* Before: what fails with it are questions of the method that was. */
	lookups_set_conf(o->lookups, &c->dns);
	err = wide_set_conf(o->wide, &wc, again, loop_now(o->loop));
	pump(o);
	return err;
}
