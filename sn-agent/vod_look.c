/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where to begin. For a time: the last block whose first clock is not after it is searched for, by
 * guesses from the mean rate and halving in turn, each of which costs a block that is not known; in
 * it the last clock that is not after it; from there back the last place at which a decoder may begin,
 * LOOK_BACK blocks at most. So the place depends on the file alone, not on what is here.
 */
#include "sn-agent/vod_impl.h"

#define LOOK_TIME (4 * NS_S)
#define LOOK_BACK 8 /* blocks */

/* A block between lo and hi to try. */
static int64_t guess(struct look *k)
{
	int64_t blocks = k->hi - k->lo, step = blocks / 2;
	int64_t span = k->hi_time - k->lo_time;

	if (!k->halve && span > 0 && k->time > k->lo_time)
		step = (int64_t)((double)(k->time - k->lo_time) / (double)span * (double)blocks);
	k->halve = !k->halve;
	return k->lo + (step < 1 ? 1 : step > blocks - 1 ? blocks - 1 : step);
}

static enum vod_look search(struct vod_film *f, struct look *k, ns_t now)
{
	while (k->hi - k->lo > 1) {
		int64_t b = k->block >= 0 ? k->block : guess(k);
		const struct film_part *p = &f->film.part[b];

		k->block = b; /* until it is known */
		if (!vod_known(f, b, now))
			return LOOK_PENDING;
		if (p->marks == 0 && b + 1 < k->hi) {
			k->block = b + 1; /* nothing told: the next one may */
			continue;
		}
		k->block = -1;
		int64_t t = p->marks ? film_time(&f->film, p->first[0].pcr) : INT64_MAX;

		if (t <= k->time) {
			k->lo = b;
			k->lo_time = t;
		} else {
			k->hi = b;
			k->hi_time = t == INT64_MAX ? k->hi_time : t;
		}
	}
	k->block = k->lo;
	k->phase = NEAR;
	return LOOK_FOUND;
}

static enum vod_look near(struct vod_film *f, struct look *k, ns_t now)
{
	const struct film_reel *r = vod_reel(f, k->block, now);

	if (!r)
		return LOOK_PENDING;
	k->at = film_clock_before(&f->film, r, k->time);
	if (k->at < 0)
		k->at = k->block * FILM_BLOCK;
	k->phase = BACK;
	return LOOK_FOUND;
}

static enum vod_look back(struct vod_film *f, struct look *k, ns_t now)
{
	for (; k->block >= 0 && k->block > k->lo - LOOK_BACK; k->block--) {
		const struct film_reel *r = vod_reel(f, k->block, now);
		int64_t at;

		if (!r)
			return LOOK_PENDING;
		at = film_access_before(&f->film, r, k->at);
		if (at >= 0) {
			k->at = at;
			break;
		}
	}
	k->packet = k->block < 0 ? 0 : k->at / FILM_PAYLOAD;
	k->phase = READY;
	return LOOK_FOUND;
}

static enum vod_look ready(struct vod_film *f, struct look *k, ns_t now)
{
	if (k->packet >= f->film.packets)
		return LOOK_FOUND; /* the end: there is nothing to be at hand */
	return vod_stamped(f, k->packet / FILM_BLOCK_PACKETS, now) ? LOOK_FOUND : LOOK_PENDING;
}

enum vod_look look_step(struct viewer *v, ns_t now)
{
	static enum vod_look (*const step[])(struct vod_film *, struct look *, ns_t) = {
		[SEARCH] = search, [NEAR] = near, [BACK] = back, [READY] = ready};
	struct look *k = &v->look;

	for (;;) {
		enum look_phase was = k->phase;
		enum vod_look r = step[was](v->film, k, now);

		if (r == LOOK_PENDING)
			return now < k->deadline ? LOOK_PENDING : LOOK_FAILED;
		if (was == READY)
			return LOOK_FOUND;
	}
}

enum vod_look vod_look(struct viewer *v, int64_t packet, int64_t time, ns_t now)
{
	const struct film *f = &v->film->film;

	v->look = (struct look){.phase = SEARCH,
		.deadline = now + LOOK_TIME,
		.time = time,
		.hi = f->blocks,
		.hi_time = f->duration,
		.block = -1,
		.packet = packet};
	if (packet < 0 && time <= 0)
		v->look.packet = 0;
	if (v->look.packet >= 0)
		v->look.phase = READY;
	v->stalled = 0;
	v->state = VIEW_LOOKING;
	viewer_run(v, now);
	v->news = NEWS_NONE;
	if (v->state == VIEW_LOOKING)
		v->film->vod->ops->wake(v->film->vod->arg);
	return vod_looked(v);
}

enum vod_look vod_looked(struct viewer *v)
{
	switch (v->state) {
	case VIEW_LOOKING: return LOOK_PENDING;
	case VIEW_FOUND: v->state = VIEW_IDLE; return LOOK_FOUND;
	case VIEW_FAILED: v->state = VIEW_IDLE; return LOOK_FAILED;
	case VIEW_IDLE:
	case VIEW_PLAYING:
	case VIEW_ENDED: break;
	}
	return LOOK_FAILED;
}
