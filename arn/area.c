/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/area.h"

#include "arn/select.h"

static double ratio(uint64_t used, uint64_t capacity)
{
	return capacity ? (double)used / (double)capacity : 0;
}

struct area_load area_load_of(
	const struct announce *said, const struct reservation *reserved, double share)
{
	uint64_t places = said->max_sessions ? said->max_sessions : SELECT_NOMINAL;
	double sessions = ratio(said->sessions + (uint64_t)reserved->sessions, places);
	double rate = ratio(said->kbps + reserved->kbps, said->max_kbps);
	double used = sessions > rate ? sessions : rate;

	if (said->draining || !said->healthy)
		return (struct area_load){0};
	return (struct area_load){
		(double)places * (used < share ? used : share), (double)places * share};
}

double area_use(const struct area_load *l)
{
	return l->capacity > 0 ? l->used / l->capacity : 1;
}

void area_init(struct area *a, const struct area_conf *c)
{
	*a = (struct area){
		.conf = *c, .scope = c->warm, .grown_at = -AREA_SETTLE, .calm = NS_NEVER};
}

void area_set_conf(struct area *a, const struct area_conf *c)
{
	a->conf = *c;
	if (a->scope < c->warm)
		a->scope = c->warm;
	if (a->scope > c->max)
		a->scope = c->max;
}

static bool grow(struct area *a, int eligible, ns_t now)
{
	int next = a->scope ? 2 * a->scope : 1;

	if (a->scope >= a->conf.max)
		return false;
	/* Those of the last time first: their room may be enough. */
	if (eligible < a->scope && now < a->grown_at + AREA_SETTLE)
		return false;
	a->scope = next < a->conf.max ? next : a->conf.max;
	a->grown_at = now;
	a->grown++;
	return true;
}

static bool shrink(struct area *a, int next, ns_t now)
{
	if (a->calm == NS_NEVER)
		a->calm = now;
	if (now < a->calm + a->conf.hold)
		return false;
	a->scope = next;
	a->calm = now;
	a->shrunk++;
	return true;
}

bool area_step(
	struct area *a, const struct area_load *local, const struct area_load *far, int n, ns_t now)
{
	struct area_load all = *local, rest = *local;
	int next = a->scope / 2 > a->conf.warm ? a->scope / 2 : a->conf.warm;

	for (int i = 0; i < n; i++) {
		all.used += far[i].used;
		all.capacity += far[i].capacity;
		rest.capacity += i < next ? far[i].capacity : 0;
	}
	rest.used = all.used;
	a->local = area_use(local);
	a->all = area_use(&all);
	if (a->scope > next && (a->local < a->conf.shrink || area_use(&rest) < a->conf.shrink))
		return shrink(a, next, now);
	a->calm = NS_NEVER;
	if (a->local > a->conf.grow && a->all > a->conf.grow)
		return grow(a, n, now);
	return false;
}
