/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "sn-agent/vod_impl.h"

#define BATCH     64
#define TURN_MAX  256          /* packets to one viewer, before others have their turn */
#define TICK      (5 * NS_MS)  /* packets that are due close together go together */
#define CROWDED   (10 * NS_MS) /* until one that took no more is tried again */
#define POLL      (20 * NS_MS) /* for what could not be asked for */
#define STUCK     (20 * NS_S)
#define AHEAD_MIN 2 /* blocks */
#define AHEAD_MAX 16

struct viewer *viewer_new(struct vod_film *f, struct receiver *to, void *session)
{
	struct viewer *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	*v = (struct viewer){.film = f,
		.next_of_film = f->viewers,
		.to = to,
		.session = session,
		.when = NS_NEVER};
	f->viewers = v;
	return v;
}

void viewer_free(struct viewer *v)
{
	struct viewer **p;

	if (!v)
		return;
	for (p = &v->film->viewers; *p != v; p = &(*p)->next_of_film)
		;
	*p = v->next_of_film;
	free(v);
}

/* ---- pace ---- */

static ns_t ns_of(int64_t ticks)
{
	return ticks / TS_HZ * NS_S + ticks % TS_HZ * NS_S / TS_HZ;
}

/* How far the media may have gone by now, and when they may have gone so far. */
static ns_t allowed(const struct viewer *v, ns_t now)
{
	ns_t since = now - v->anchor, fast = VOD_FIRST + VOD_SPEED * since, lead = VOD_LEAD + since;

	return v->anchor_media + (fast < lead ? fast : lead);
}

static ns_t allowed_at(const struct viewer *v, ns_t media)
{
	ns_t d = media - v->anchor_media, fast = (d - VOD_FIRST) / VOD_SPEED, lead = d - VOD_LEAD;

	return v->anchor + (fast > lead ? fast : lead);
}

/* Begins to count here. */
static void drop_anchor(struct viewer *v, ns_t now)
{
	v->anchor = now;
	v->anchor_media = v->media;
}

/* Media time of a packet, the one before it having been sent. Where the clock jumps it goes on with
 * what packets take in the mean. */
static ns_t media_of(const struct viewer *v, ns_t before, int64_t last, int64_t time, bool jump)
{
	const struct film *f = &v->film->film;
	int64_t step;

	if (last == INT64_MIN)
		return before;
	step = time - last;
	if (jump || step < 0 || step > TS_JUMP_MAX)
		step = (int64_t)((double)FILM_PAYLOAD * (double)f->rate_ticks /
				 (double)f->rate_bytes);
	return before + ns_of(step);
}

/* ---- what is due ---- */

/* A run of packets that may go now. */
struct run {
	struct iovec iov[BATCH];
	ns_t media[BATCH];
	int64_t time[BATCH];
	int n;
	bool lacks; /* the next one's block is not here */
	bool ends;  /* the next one is not wanted */
	ns_t when;  /* the next one is due */
};

static void gather(struct viewer *v, struct run *run, ns_t now)
{
	struct vod_film *f = v->film;
	ns_t media = v->media;
	int64_t last = v->last_time;

	*run = (struct run){.when = now};
	while (run->n < BATCH) {
		int64_t packet = v->next + run->n;
		const struct film_reel *r;
		int i = (int)(packet % FILM_BLOCK_PACKETS);

		run->ends = packet >= f->film.packets;
		if (run->ends)
			return;
		r = vod_stamped(f, packet / FILM_BLOCK_PACKETS, now);
		run->lacks = !r;
		if (!r)
			return;
		run->ends = r->time[i] >= v->end;
		if (run->ends)
			return;
		media = media_of(v, media, last, r->time[i], r->jump[i]);
		if (media > allowed(v, now)) {
			run->when = allowed_at(v, media);
			return;
		}
		last = r->time[i];
		run->iov[run->n] = film_packet(r, i);
		run->media[run->n] = media;
		run->time[run->n++] = last;
	}
}

static void look_ahead(struct viewer *v, ns_t now)
{
	struct vod_film *f = v->film;
	int64_t bytes = (int64_t)((double)f->vod->conf.ahead / NS_S * (double)film_kbps(&f->film) *
				  1000 / 8);
	int64_t n = 1 + bytes / FILM_BLOCK, b = v->next / FILM_BLOCK_PACKETS;

	n = n < AHEAD_MIN ? AHEAD_MIN : n > AHEAD_MAX ? AHEAD_MAX : n;
	for (int64_t k = b; k <= b + n && k < f->film.blocks; k++)
		vod_reel(f, k, now);
}

static void report(struct viewer *v, enum view_news news)
{
	v->news = news;
	v->film->vod->news = true;
}

static void waits(struct viewer *v, ns_t now)
{
	v->when = now + POLL;
	if (!v->stalled) {
		v->stalled = now;
		v->film->vod->count.stalls++;
	} else if (now - v->stalled >= STUCK) {
		v->state = VIEW_IDLE;
		v->when = NS_NEVER;
		report(v, NEWS_STUCK);
	}
}

static void advance(struct viewer *v, const struct run *run, int sent)
{
	if (sent <= 0)
		return;
	v->next += sent;
	v->media = run->media[sent - 1];
	v->last_time = run->time[sent - 1];
}

static void play_step(struct viewer *v, ns_t now)
{
	const struct vod *vod = v->film->vod;
	struct run run;

	look_ahead(v, now);
	for (int total = 0; total < TURN_MAX; total += run.n) {
		gather(v, &run, now);
		if (run.n && v->stalled) {
			v->stalled = 0;
			drop_anchor(v, now);
			gather(v, &run, now);
		}
		int sent = run.n ? vod->ops->send(vod->arg, v->to, run.iov, run.n) : 0;

		advance(v, &run, sent);
		if (sent < run.n) {
			v->when = now + CROWDED;
			return;
		}
		if (run.lacks) {
			waits(v, now);
			return;
		}
		if (run.ends) {
			v->state = VIEW_ENDED;
			v->when = NS_NEVER;
			report(v, NEWS_ENDED);
			return;
		}
		if (run.when > now) {
			v->when = run.when > now + TICK ? run.when : now + TICK;
			return;
		}
	}
	v->when = now + NS_MS;
}

void viewer_run(struct viewer *v, ns_t now)
{
	enum vod_look found;

	v->when = NS_NEVER;
	switch (v->state) {
	case VIEW_PLAYING: play_step(v, now); return;
	case VIEW_LOOKING:
		found = look_step(v, now);
		if (found == LOOK_PENDING) {
			v->when = now + POLL;
			return;
		}
		v->state = found == LOOK_FOUND ? VIEW_FOUND : VIEW_FAILED;
		if (found == LOOK_FOUND) {
			v->next = v->look.packet;
			v->begun = true;
		}
		report(v, NEWS_LOOKED);
		return;
	case VIEW_IDLE:
	case VIEW_FOUND:
	case VIEW_FAILED:
	case VIEW_ENDED: return;
	}
}

void vod_play(struct viewer *v, int64_t end, ns_t now)
{
	v->state = VIEW_PLAYING;
	v->end = end;
	v->media = 0;
	v->last_time = INT64_MIN;
	v->stalled = 0;
	drop_anchor(v, now);
	v->when = now;
	v->film->vod->ops->wake(v->film->vod->arg);
}

void vod_pause(struct viewer *v)
{
	v->state = VIEW_IDLE;
	v->news = NEWS_NONE;
	v->when = NS_NEVER;
	v->stalled = 0;
}

/* ---- what it is ---- */

void *viewer_session(const struct viewer *v)
{
	return v->session;
}

bool viewer_is_looking(const struct viewer *v)
{
	return v->state == VIEW_LOOKING || v->state == VIEW_FOUND || v->state == VIEW_FAILED;
}

int64_t viewer_next(const struct viewer *v)
{
	return v->next;
}

bool viewer_begun(const struct viewer *v)
{
	return v->begun;
}

bool viewer_ended(const struct viewer *v)
{
	return v->state == VIEW_ENDED;
}

bool viewer_place(const struct viewer *v, int64_t *time, uint32_t *ts)
{
	const struct vod_film *f = v->film;
	int64_t b = v->next / FILM_BLOCK_PACKETS;
	int i = (int)(v->next % FILM_BLOCK_PACKETS);
	struct rtp rtp;

	if (v->next >= f->film.packets || !f->block[b].reel || !f->block[b].reel->stamped)
		return false;
	rtp_parse(&rtp, f->block[b].reel->packet[i], FILM_PACKET);
	*time = f->block[b].reel->time[i];
	*ts = rtp.ts;
	return true;
}

bool viewer_repair(struct viewer *v, uint16_t seq, struct iovec *out, ns_t now)
{
	const struct film *f = &v->film->film;
	int64_t packet = rtp_seq_extend(f->seq0 + v->next, seq) - f->seq0;
	const struct film_reel *r;

	if (packet < 0 || packet >= v->next)
		return false;
	r = vod_stamped(v->film, packet / FILM_BLOCK_PACKETS, now);
	if (!r)
		return false;
	*out = film_packet(r, (int)(packet % FILM_BLOCK_PACKETS));
	return true;
}
