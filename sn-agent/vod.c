/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "sn-agent/vod_impl.h"

#define RETRY_MIN (100 * NS_MS) /* after a fetch that failed; then twice that, … */
#define RETRY_MAX (2 * NS_S)
#define ATTEMPTS  3            /* to open a film */
#define POLL      (20 * NS_MS) /* for what could not be asked for yet */
#define FORGET    (600 * NS_S) /* nobody viewed it */
#define CHECK     (-1)         /* in place of a block: is it still the same? */

struct vod *vod_new(const struct vod_conf *c, const struct vod_ops *ops, void *arg, int *err)
{
	struct vod *v = calloc(1, sizeof(*v));

	*err = -ENOMEM;
	if (!v)
		return NULL;
	v->conf = *c;
	v->ops = ops;
	v->arg = arg;
	v->stock = stock_new(c->dir, c->cache, err);
	v->conf.dir = NULL;
	if (!v->stock) {
		free(v);
		return NULL;
	}
	return v;
}

void vod_set_conf(struct vod *v, const struct vod_conf *c)
{
	v->conf.ahead = c->ahead;
	v->conf.revalidate = c->revalidate;
}

/* ---- films ---- */

static void drop_blocks(struct vod_film *f)
{
	for (int64_t b = 0; f->has_film && f->block && b < f->film.blocks; b++)
		if (f->block[b].reel)
			stock_drop(f->vod->stock, f->block[b].reel);
}

static void film_end(struct vod_film *f)
{
	struct vod_film **p = &f->vod->films;

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	drop_blocks(f);
	if (f->has_film)
		film_free(&f->film);
	free(f->block);
	free(f);
}

void vod_free(struct vod *v)
{
	if (!v)
		return;
	while (v->films) {
		while (v->films->viewers)
			viewer_free(v->films->viewers);
		film_end(v->films);
	}
	stock_free(v->stock);
	free(v);
}

static struct vod_film *find(const struct vod *v, struct slice path, const char *url)
{
	for (struct vod_film *f = v->films; f; f = f->next)
		if (f->state != VOD_DEAD && !f->user && slice_eq(slice_of(f->path), path) &&
			!strcmp(f->url, url))
			return f;
	return NULL;
}

/* Those that nobody views, when they are too many: the one that was left the longest ago. */
static void make_room(struct vod *v)
{
	struct vod_film *oldest = NULL;
	int idle = 0;

	for (struct vod_film *f = v->films; f; f = f->next) {
		if (f->user || f->flying)
			continue;
		idle++;
		if (!oldest || f->idle_since < oldest->idle_since)
			oldest = f;
	}
	if (idle > VOD_FILMS)
		film_end(oldest);
}

static struct vod_film *film_new(struct vod *v, struct slice path, const char *url)
{
	struct vod_film *f = calloc(1, sizeof(*f));

	if (!f || slice_copy(path, f->path, sizeof(f->path)) ||
		slice_copy(slice_of(url), f->url, sizeof(f->url))) {
		free(f);
		return NULL;
	}
	f->vod = v;
	f->next = v->films;
	v->films = f;
	return f;
}

struct vod_film *vod_open(struct vod *v, struct slice path, const char *url, void *user, ns_t now)
{
	struct vod_film *f = find(v, path, url);

	if (!f && !(f = film_new(v, path, url)))
		return NULL;
	f->user = user;
	if (f->state == VOD_OPEN && now - f->checked < v->conf.revalidate)
		return f;
	f->state = f->state == VOD_OPEN || f->state == VOD_CHECKING ? VOD_CHECKING : VOD_OPENING;
	f->status = 0;
	f->head.failures = 0;
	f->head.retry_at = 0;
	v->ops->wake(v->arg);
	return f;
}

int vod_status(const struct vod_film *f)
{
	switch (f->state) {
	case VOD_OPENING:
	case VOD_CHECKING: return -EINPROGRESS;
	case VOD_OPEN: return 0;
	case VOD_REFUSED: return f->status;
	case VOD_DEAD: break;
	}
	return 404;
}

/* Nobody needs it any more, and nothing of it is to come. */
static bool is_over(const struct vod_film *f)
{
	return !f->user && !f->flying && f->state != VOD_OPEN;
}

void vod_close(struct vod_film *f, ns_t now)
{
	struct vod *v = f->vod;

	f->user = NULL;
	f->idle_since = now;
	if (is_over(f))
		film_end(f);
	else
		make_room(v);
}

const struct film *vod_film(const struct vod_film *f)
{
	return &f->film;
}

const char *vod_url(const struct vod_film *f)
{
	return f->url;
}

const char *vod_path(const struct vod_film *f)
{
	return f->path;
}

const char *vod_state_str(const struct vod_film *f)
{
	static const char *const name[] = {"opening", "checking", "open", "refused", "changed"};

	return name[f->state];
}

static void settle(struct vod_film *f, int status, ns_t now)
{
	f->state = status ? VOD_REFUSED : VOD_OPEN;
	f->status = status;
	f->checked = now;
	f->idle_since = now;
	f->vod->count.opened += !status;
	f->news = f->vod->news = true;
}

/* ---- blocks ---- */

static void back_off(struct vod_block *b, ns_t now)
{
	ns_t pause = RETRY_MIN << (b->failures < 5 ? b->failures : 5);

	b->failures += b->failures < UINT8_MAX;
	b->retry_at = now + (pause > RETRY_MAX ? RETRY_MAX : pause);
}

static void ask(struct vod_film *f, struct vod_block *b, int64_t first, int64_t last, int64_t block,
	ns_t now)
{
	struct vod *v = f->vod;
	int err;

	if (b->flying || now < b->retry_at || f->state == VOD_DEAD)
		return;
	err = v->ops->fetch(v->arg, f, first, last, block);
	if (err && err != -EBUSY)
		back_off(b, now);
	if (err)
		return; /* it is asked for again when it is looked for again */
	v->count.fetches++;
	b->flying = true;
	f->flying++;
}

static void want(struct vod_film *f, int64_t block, ns_t now)
{
	ask(f, &f->block[block], block * FILM_BLOCK,
		block * FILM_BLOCK + film_block_bytes(&f->film, block) - 1, block, now);
}

struct film_reel *vod_reel(struct vod_film *f, int64_t block, ns_t now)
{
	struct film_reel *r = f->block[block].reel;

	if (r)
		stock_touch(f->vod->stock, r, now);
	else
		want(f, block, now);
	return r;
}

bool vod_known(struct vod_film *f, int64_t block, ns_t now)
{
	if (!f->film.part[block].known)
		want(f, block, now);
	return f->film.part[block].known;
}

struct film_reel *vod_stamped(struct vod_film *f, int64_t block, ns_t now)
{
	struct film_reel *r = vod_reel(f, block, now);
	bool known = true;

	if (r && r->stamped)
		return r;
	if (block > 0)
		known &= vod_known(f, block - 1, now);
	if (block + 1 < f->film.blocks)
		known &= vod_known(f, block + 1, now);
	if (!r || !known)
		return NULL;
	film_stamp(&f->film, r);
	return r;
}

/* ---- what the master says ---- */

/* The file is another one: this film is over. */
static void film_changed(struct vod_film *f, ns_t now)
{
	struct vod *v = f->vod;
	struct vod_film *anew = NULL;

	v->count.changed++;
	log_msg(NLOG_WARN, "%s has changed: what was kept of it is dropped, and who plays it ends",
		f->url);
	drop_blocks(f);
	f->idle_since = now;
	if (f->state == VOD_OPEN || !f->user) {
		f->state = VOD_DEAD;
		f->news = v->news = true;
		return;
	}
	/* Nobody plays it yet: who opened it gets the new one, unless it changes all the time. */
	if (f->restarts < ATTEMPTS)
		anew = film_new(v, slice_of(f->path), f->url);
	if (!anew) {
		settle(f, 503, now);
		return;
	}
	anew->restarts = f->restarts + 1;
	anew->user = f->user;
	f->user = NULL;
	f->state = VOD_DEAD;
	v->ops->moved(v->arg, anew->user, anew);
	v->ops->wake(v->arg);
}

/* Tells what is new, one by one: whoever is told may end films and viewers. */
static bool tell_next(struct vod *v)
{
	for (struct vod_film *f = v->films; f; f = f->next) {
		if (f->news) {
			f->news = false;
			if (f->user && f->state == VOD_DEAD)
				v->ops->changed(v->arg, f->user, f);
			else if (f->user)
				v->ops->opened(v->arg, f->user, f, f->status);
			return true;
		}
		for (struct viewer *w = f->viewers; w; w = w->next_of_film) {
			enum view_news news = w->news;

			if (!news)
				continue;
			w->news = NEWS_NONE;
			if (news == NEWS_LOOKED)
				v->ops->looked(v->arg, w);
			else if (news == NEWS_ENDED)
				v->ops->ended(v->arg, w);
			else
				v->ops->stuck(v->arg, w);
			return true;
		}
	}
	return false;
}

static void tell(struct vod *v)
{
	while (v->news)
		v->news = tell_next(v);
}

/* What it is becomes known by its first block. False: it was refused. */
static bool begin(struct vod_film *f, const struct film_id *id, ns_t now)
{
	int err = film_init(&f->film, f->path, id);

	f->has_film = !err;
	if (!err && !(f->block = calloc((size_t)f->film.blocks, sizeof(*f->block))))
		err = -ENOMEM;
	if (!err)
		return true;
	log_msg(NLOG_WARN, "%s: %s", f->url,
		err == -EFBIG    ? "larger than 256 GiB"
		: err == -EINVAL ? "empty"
				 : "out of memory");
	settle(f, err == -ENOMEM ? 503 : 415, now);
	return false;
}

/* Goes on with opening: 0 or the status to refuse it with; -EINPROGRESS. */
static int opening(struct vod_film *f, ns_t now)
{
	int64_t lacks;

	if (!f->has_film) {
		ask(f, &f->head, 0, FILM_BLOCK - 1, 0, now);
		return f->head.failures < ATTEMPTS ? -EINPROGRESS : 503;
	}
	lacks = film_lacks(&f->film);
	if (lacks >= 0) {
		want(f, lacks, now);
		return f->block[lacks].failures < ATTEMPTS ? -EINPROGRESS : 503;
	}
	if (film_measure(&f->film)) {
		log_msg(NLOG_WARN, "%s: there is no clock (PCR) in it to go by", f->url);
		return 415;
	}
	return 0;
}

static void go_on_opening(struct vod_film *f, ns_t now)
{
	int status = opening(f, now);

	if (status != -EINPROGRESS)
		settle(f, status, now);
}

static void fill(struct vod_film *f, int64_t block, const struct vod_piece *p, ns_t now)
{
	struct vod_block *b = &f->block[block];
	struct film_reel *r = b->reel ? b->reel : stock_take(f->vod->stock, &b->reel, now);

	if (!r) {
		f->vod->count.full++;
		back_off(b, now);
		return;
	}
	if (film_fill(&f->film, r, block, p->p)) {
		log_msg(NLOG_WARN, "%s: no MPEG-TS, no PAT and PMT in its first %d bytes", f->url,
			FILM_BLOCK);
		settle(f, 415, now);
		return;
	}
	b->failures = 0;
}

/* All that wait for blocks of the film may go on. */
static void go_on(struct vod_film *f, ns_t now)
{
	if (f->state == VOD_OPENING && f->user)
		go_on_opening(f, now);
	for (struct viewer *w = f->viewers; w; w = w->next_of_film)
		if (w->state == VIEW_LOOKING || w->stalled)
			viewer_run(w, now);
}

static void landed(struct vod_film *f, int64_t block)
{
	f->flying--;
	if (block >= 0 && f->block)
		f->block[block].flying = false;
	if (block <= 0)
		f->head.flying = false;
}

/* A fetch had no result. */
static void lost(struct vod_film *f, int64_t block, int status, ns_t now)
{
	f->vod->count.failures++;
	back_off(block >= 0 && f->block ? &f->block[block] : &f->head, now);
	if (f->state == VOD_DEAD || f->state == VOD_REFUSED || !f->user)
		return;
	if (block == CHECK)
		settle(f, status, now); /* who cannot be asked is believed to say the same */
	else if (f->state == VOD_OPENING && status)
		settle(f, status, now);
	else if (f->state == VOD_OPENING)
		go_on_opening(f, now);
	else if (status)
		film_changed(f, now); /* it was there, and is not any more */
}

static bool same(const struct film_id *a, const struct film_id *b)
{
	return a->size == b->size && !strcmp(a->tag, b->tag);
}

static void take(struct vod_film *f, int64_t block, const struct vod_piece *p, ns_t now)
{
	if (f->state == VOD_DEAD || f->state == VOD_REFUSED)
		return;
	if (f->has_film && !same(&f->film.id, &p->id)) {
		film_changed(f, now);
		return;
	}
	if (block == CHECK) {
		f->vod->count.checked++;
		settle(f, 0, now);
		return;
	}
	if (!f->has_film && !begin(f, &p->id, now))
		return;
	if (p->first != block * FILM_BLOCK || (int64_t)p->n != film_block_bytes(&f->film, block)) {
		lost(f, block, 0, now);
		return;
	}
	fill(f, block, p, now);
	if (f->state != VOD_REFUSED)
		go_on(f, now);
}

static void settled(struct vod_film *f)
{
	struct vod *v = f->vod;

	if (is_over(f))
		film_end(f);
	v->ops->wake(v->arg);
	tell(v);
}

void vod_got(struct vod_film *f, int64_t block, const struct vod_piece *p, ns_t now)
{
	landed(f, block);
	f->vod->count.bytes += p->n;
	take(f, block, p, now);
	settled(f);
}

void vod_failed(struct vod_film *f, int64_t block, int status, ns_t now)
{
	landed(f, block);
	lost(f, block, status, now);
	settled(f);
}

/* ---- time ---- */

/* Who cannot be asked is believed to say the same. */
static void check(struct vod_film *f, ns_t now)
{
	ask(f, &f->head, 0, 0, CHECK, now);
	if (f->head.failures >= ATTEMPTS)
		settle(f, 0, now);
}

ns_t vod_tick(struct vod *v, ns_t now)
{
	ns_t when = NS_NEVER;
	struct vod_film *next;

	for (struct vod_film *f = v->films; f; f = next) {
		struct viewer *w;

		next = f->next;
		if (!f->user && !f->flying && now - f->idle_since >= FORGET) {
			film_end(f);
			continue;
		}
		if (f->state == VOD_OPENING && f->user)
			go_on_opening(f, now);
		else if (f->state == VOD_CHECKING && f->user)
			check(f, now);
		if (f->state == VOD_OPENING || f->state == VOD_CHECKING)
			when = now + POLL < when ? now + POLL : when;
		for (w = f->viewers; w; w = w->next_of_film)
			if (w->when <= now)
				viewer_run(w, now);
		for (w = f->viewers; w; w = w->next_of_film)
			when = w->when < when ? w->when : when;
	}
	tell(v);
	return when;
}

/* ---- for operators ---- */

static int64_t cached(const struct vod_film *f)
{
	int64_t n = 0;

	for (int64_t b = 0; f->block && b < f->film.blocks; b++)
		if (f->block[b].reel)
			n += film_block_bytes(&f->film, b);
	return n;
}

struct vod_figures vod_figures(const struct vod *v)
{
	struct vod_figures g = {.cached = (int64_t)stock_used(v->stock) * FILM_BLOCK};

	for (const struct vod_film *f = v->films; f; f = f->next) {
		g.films++;
		for (const struct viewer *w = f->viewers; w; w = w->next_of_film)
			g.viewers++;
	}
	return g;
}

struct vod_counters *vod_counters(struct vod *v)
{
	return &v->count;
}

void vod_each(const struct vod *v,
	void (*fn)(void *arg, const struct vod_film *f, int viewers, int64_t cached), void *arg)
{
	for (const struct vod_film *f = v->films; f; f = f->next) {
		int viewers = 0;

		for (const struct viewer *w = f->viewers; w; w = w->next_of_film)
			viewers++;
		fn(arg, f, viewers, cached(f));
	}
}
