/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/films.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/event.h"
#include "lib/http.h"
#include "lib/log.h"
#include "sn-agent/agent.h"

#define TIMEOUT    (5 * NS_S) /* for a block */
#define CONCURRENT 32

/* A fetch under way. */
struct flight {
	struct films *films; /* NULL: free */
	struct vod_film *film;
	int64_t block;
};

struct films {
	struct agent *agent;
	struct vod *vod;
	struct http *http;
	struct loop_timer *timer;
	ns_t armed; /* when it is due */
	struct flight flight[CONCURRENT];
	struct log_limit trouble;
};

/* ---- the master site ---- */

/* What an HTTP status means for who asks for the film; 0: asking again may help. */
static int rtsp_status(int http)
{
	switch (http) {
	case 404:
	case 410: return 404;
	case 401:
	case 403: return 403;
	case 416: return 415; /* it is empty */
	case 200: return 503; /* the master has no ranges */
	default: return http >= 400 && http < 500 && http != 408 && http != 429 ? 404 : 0;
	}
}

static void complain(struct flight *w, const char *why, int status)
{
	char code[64];

	if (!why)
		snprintf(code, sizeof(code),
			status == 200 || status == 206 ? "it does not serve ranges of bytes"
						       : "it answers %d",
			status);
	log_limited(&w->films->trouble, NLOG_WARN, "%s cannot be fetched: %s", vod_url(w->film),
		why ? why : code);
}

static void on_answer(void *arg, const char *why, const struct http_answer *a)
{
	struct flight *place = arg, w = *place;
	struct films *f = w.films;
	ns_t now = loop_now(f->agent->loop);
	struct vod_piece p;

	place->films = NULL;
	if (!a || a->status != 206 || a->total < 0) {
		complain(&w, why, a ? a->status : 0);
		vod_failed(w.film, w.block, a ? rtsp_status(a->status) : 0, now);
		return;
	}
	p = (struct vod_piece){.id = {.size = a->total},
		.first = a->first,
		.p = (const uint8_t *)a->body.p,
		.n = a->body.n};
	snprintf(p.id.tag, sizeof(p.id.tag), "%s", *a->etag ? a->etag : a->modified);
	vod_got(w.film, w.block, &p, now);
}

static const struct library *library_of(const struct films *f, const char *path)
{
	return library_find(
		f->agent->rtsp.conf.library, f->agent->rtsp.conf.libraries, slice_of(path));
}

static struct flight *free_flight(struct films *f)
{
	for (int i = 0; i < CONCURRENT; i++)
		if (!f->flight[i].films)
			return &f->flight[i];
	return NULL;
}

static int fetch(void *arg, struct vod_film *film, int64_t first, int64_t last, int64_t block)
{
	struct films *f = arg;
	const struct library *l = library_of(f, vod_path(film));
	struct flight *w = free_flight(f);
	char host[256];
	struct url u;
	int err;

	if (!w)
		return -EBUSY;
	if (!l || url_parse(&u, slice_of(vod_url(film))) || slice_copy(u.host, host, sizeof(host)))
		return -ENOENT; /* its library has been taken away */

	struct http_request r = {.url = vod_url(film),
		.host = host,
		.port = addr_port(&l->addr),
		.addr = &l->addr,
		.addrs = 1,
		.accept = "*/*",
		.ranged = true,
		.first = first,
		.last = last};

	err = http_get(f->http, &r, on_answer, w);
	if (!err)
		*w = (struct flight){.films = f, .film = film, .block = block};
	return err;
}

/* ---- what the core says ---- */

static int send_packets(void *arg, struct receiver *to, const struct iovec *v, int n)
{
	struct films *f = arg;

	return relay_offer(&f->agent->relay, to, v, n);
}

static void refuse(struct channel *ch, int status, ns_t now)
{
	ch->refusal = status;
	channel_set_state(ch, CHANNEL_REFUSED, now);
}

/* It can be played: the presentation is known. */
static int make_live(struct films *f, struct channel *ch, ns_t now)
{
	const struct film *film = vod_film(ch->film);
	char mem[1024];
	struct sbuf b;
	int err;

	sbuf_init(&b, mem, sizeof(mem));
	film_sdp(film, &b);
	err = channel_describe(&f->agent->channels, ch, (struct slice){b.p, b.n});
	if (err)
		return err;
	ch->medium[0].has_ssrc = true;
	ch->medium[0].ssrc = film->ssrc;
	ch->kbps = film_kbps(film);
	ch->idle_since = now;
	channel_set_state(ch, CHANNEL_LIVE, now);
	log_msg(NLOG_INFO, "film %s: %.1f s, %llu kbit/s, from %s", ch->path,
		film_seconds(film->duration), (unsigned long long)ch->kbps, vod_url(ch->film));
	return 0;
}

static void settle(struct films *f, struct channel *ch, int status)
{
	ns_t now = loop_now(f->agent->loop);

	if (!status && make_live(f, ch, now))
		status = 503;
	if (!status)
		return;
	refuse(ch, status, now);
	films_close(f, ch);
}

static void opened(void *arg, void *user, struct vod_film *film, int status)
{
	struct films *f = arg;
	struct channel *ch = user;

	(void)film;
	settle(f, ch, status);
	server_settled(f->agent->server, ch);
}

static void moved(void *arg, void *user, struct vod_film *film)
{
	(void)arg;
	((struct channel *)user)->film = film;
}

static void looked(void *arg, struct viewer *v)
{
	struct films *f = arg;
	struct session *s = viewer_session(v);

	server_looked(f->agent->server, s->conn);
}

static void ended(void *arg, struct viewer *v)
{
	struct films *f = arg;

	server_tell_end(f->agent->server, viewer_session(v));
}

static void stuck(void *arg, struct viewer *v)
{
	struct session *s = viewer_session(v);

	(void)arg;
	log_msg(NLOG_WARN, "session %s: %s cannot be fetched for too long, ended", s->id_text,
		s->channel->path);
	server_close(s);
}

/* Who plays what is not there any more ends; who comes from now on gets what is there now. */
static void changed(void *arg, void *user, struct vod_film *film)
{
	struct films *f = arg;
	struct channel *ch = user;

	(void)film;
	ch->listed = false;
	channel_set_state(ch, CHANNEL_ENDED, loop_now(f->agent->loop));
	for (struct session *s = f->agent->rtsp.sessions.first; s; s = s->next)
		if (s->channel == ch)
			server_close(s);
}

static void wake(void *arg)
{
	struct films *f = arg;

	f->armed = loop_now(f->agent->loop);
	loop_timer_at(f->timer, f->armed);
}

static void on_timer(void *arg)
{
	struct films *f = arg;
	ns_t when;

	f->armed = NS_NEVER;
	when = vod_tick(f->vod, loop_now(f->agent->loop));
	if (when >= f->armed) /* it has asked to be woken meanwhile */
		return;
	f->armed = when;
	loop_timer_at(f->timer, when);
}

static const struct vod_ops ops = {.fetch = fetch,
	.send = send_packets,
	.opened = opened,
	.moved = moved,
	.looked = looked,
	.ended = ended,
	.stuck = stuck,
	.changed = changed,
	.wake = wake};

/* ---- life ---- */

static struct vod_conf conf_of(const struct agent *a)
{
	return (struct vod_conf){.dir = a->conf.vod.cache,
		.cache = a->conf.vod.cache_size * 1024 * 1024,
		.ahead = a->conf.vod.ahead,
		.revalidate = a->conf.vod.revalidate};
}

struct films *films_new(struct agent *a, int *err)
{
	struct http_conf hc = {.timeout = TIMEOUT,
		.body_max = FILM_BLOCK,
		.concurrent = CONCURRENT,
		.ca_file = ""};
	struct vod_conf vc = conf_of(a);
	struct films *f = calloc(1, sizeof(*f));

	*err = -ENOMEM;
	if (!f)
		return NULL;
	f->agent = a;
	f->armed = NS_NEVER;
	f->trouble = (struct log_limit)LOG_LIMIT_INIT;
	f->timer = loop_timer_new(a->loop, on_timer, f);
	f->http = http_new(a->loop, &hc);
	f->vod = f->timer && f->http ? vod_new(&vc, &ops, f, err) : NULL;
	if (f->vod)
		return f;
	films_free(f);
	return NULL;
}

void films_free(struct films *f)
{
	if (!f)
		return;
	vod_free(f->vod);
	http_free(f->http);
	loop_timer_free(f->timer);
	free(f);
}

void films_set_conf(struct films *f)
{
	struct vod_conf vc = conf_of(f->agent);

	vod_set_conf(f->vod, &vc);
}

/* ---- channels ---- */

bool films_seek(struct films *f, struct channel *ch)
{
	const struct library *l = f && !*ch->origin ? library_of(f, ch->path) : NULL;
	ns_t now = l ? loop_now(f->agent->loop) : 0;
	char url[VOD_URL];
	int status;

	if (!l)
		return false;
	if (!library_url(l, slice_of(ch->path), url, sizeof(url)))
		ch->film = vod_open(f->vod, slice_of(ch->path), url, ch, now);
	status = ch->film ? vod_status(ch->film) : 503;
	if (status != -EINPROGRESS)
		settle(f, ch, status);
	return true;
}

void films_close(struct films *f, struct channel *ch)
{
	if (ch->film)
		vod_close(ch->film, loop_now(f->agent->loop));
	ch->film = NULL;
}

bool films_stored(struct films *f, struct receiver *v, uint16_t seq, struct iovec *out, ns_t now)
{
	(void)f;
	return viewer_repair(v->viewer, seq, out, now);
}

/* ---- for operators ---- */

const struct vod_counters *films_counters(struct films *f)
{
	static const struct vod_counters none;

	return f ? vod_counters(f->vod) : &none;
}

struct vod_figures films_figures(const struct films *f)
{
	return f ? vod_figures(f->vod) : (struct vod_figures){0};
}

static void show(void *arg, const struct vod_film *film, int viewers, int64_t cached)
{
	struct js *o = js_object();
	const struct film *m = vod_film(film);

	js_put_str(o, "path", vod_path(film));
	js_put_str(o, "url", vod_url(film));
	js_put_str(o, "state", vod_state_str(film));
	js_put_int(o, "bytes", m->id.size);
	js_put_real(o, "seconds", film_seconds(m->duration));
	js_put_int(o, "kbps", (int64_t)film_kbps(m));
	js_put_int(o, "viewers", viewers);
	js_put_int(o, "cached_bytes", cached);
	js_push(arg, o);
}

struct js *films_show(const struct films *f)
{
	struct js *list = js_array();

	if (f)
		vod_each(f->vod, show, list);
	return list;
}
