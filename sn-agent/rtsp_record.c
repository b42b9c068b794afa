/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ANNOUNCE, SETUP and RECORD of who publishes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "sn-agent/access.h"
#include "sn-agent/rtsp_request.h"

static bool may_publish(const struct request *q)
{
	static struct log_limit limit = LOG_LIMIT_INIT;
	char text[ADDR_STRLEN];

	for (int i = 0; i < q->r->conf.n_publishers; i++)
		if (prefix_has(&q->r->conf.publishers[i], &q->c->peer))
			return true;
	log_limited(&limit, NLOG_REMOTE, "%s: may not publish, rtsp.publishers does not have it",
		addr_host(&q->c->peer, text));
	return false;
}

/* What is there is another origin's, or a film, and nobody else's. */
static bool is_of_others(const struct request *q)
{
	return *q->origin || rtsp_is_film(q);
}

/* Somebody publishes it, or it comes from an upstream: a second source of the same name would mix
 * two streams. */
static bool path_taken(const struct request *q)
{
	const struct channel *ch = channels_find(q->r->channels, q->path);

	return ch && ((ch->state == CHANNEL_LIVE && (ch->publisher || !ch->local)) ||
			     ch->state == CHANNEL_SEEKING);
}

static int check_announce(const struct request *q)
{
	struct slice type = text_header(q->m, "Content-Type");

	if (!may_publish(q))
		return 403;
	if (!slice_ieq(slice_trim(slice_cut(&type, ';')), SLICE("application/sdp")))
		return 415;
	if (q->path.n < 2 || q->path.n >= CHANNEL_PATH)
		return q->path.n < 2 ? 400 : 414;
	if (is_of_others(q))
		return 403;
	if (q->r->draining)
		return 503;
	if (q->c->publish || q->track >= 0)
		return 455;
	return path_taken(q) ? 403 : 0;
}

static struct announced *keep_sdp(struct slice text)
{
	struct announced *a = malloc(sizeof(*a) + text.n + 1);

	if (!a)
		return NULL;
	memcpy(a->text, text.p, text.n);
	a->text[text.n] = '\0';
	a->len = text.n;
	if (sdp_parse(&a->sdp, (struct slice){a->text, a->len})) {
		free(a);
		return NULL;
	}
	return a;
}

void rtsp_announce(struct request *q)
{
	int status = check_announce(q);
	struct announced *a;
	struct session *s;

	if (status) {
		rtsp_answer(q, status);
		return;
	}
	if (!access_admits_publisher(q))
		return;
	a = keep_sdp(q->m->body);
	if (!a) {
		rtsp_answer(q, 400);
		return;
	}
	s = session_new(&q->r->sessions, q->r->random(), true, q->now);
	if (!s || rtsp_presentation_url(q, s->url)) {
		session_free(&q->r->sessions, s);
		free(a);
		rtsp_answer(q, 503);
		return;
	}
	s->announced = a;
	s->client = q->c->peer;
	access_identify(q, s);
	s->conn = q->c;
	s->of_conn = q->c->first;
	q->c->first = s;
	q->c->publish = s;
	rtsp_answer(q, 200);
}

/* Which of the announced media a SETUP's URI means: its a=control, which may be a whole URL or
 * relative to the presentation's. */
static int find_medium(const struct announced *a, struct slice uri)
{
	for (int i = 0; i < a->sdp.medias; i++) {
		struct slice c = a->sdp.media[i].control;

		if (c.n == 0 || c.n > uri.n || memcmp(uri.p + uri.n - c.n, c.p, c.n) != 0)
			continue;
		if (c.n == uri.n || c.p[0] == '/' || uri.p[uri.n - c.n - 1] == '/')
			return i;
	}
	return a->sdp.medias == 1 ? 0 : -1;
}

void rtsp_setup_record(struct request *q, struct session *s)
{
	struct rtsp_transport t;
	int i = find_medium(s->announced, q->m->uri), status;
	char host[ADDR_STRLEN];
	struct sbuf *b;

	if (i < 0 || s->state == SESSION_RECORDING) {
		rtsp_answer(q, i < 0 ? 404 : 455);
		return;
	}
	s->active = q->now;
	status = rtsp_set_transport(q, s, i, &t);
	if (status) {
		rtsp_answer(q, status);
		return;
	}
	s->state = SESSION_READY;
	if (!t.tcp)
		t.source = slice_of(addr_host(rtsp_media_addr(q), host));
	t.record = true;
	b = rtsp_head(q, 200);
	sbuf_printf(b, "Transport: ");
	rtsp_transport_write(b, &t);
	sbuf_printf(b, "\r\n");
	rtsp_put_session(q, s);
	rtsp_done(q);
}

/* The channel that this publication feeds: the one whose publisher had vanished, if who plays that can
 * play this, else a new one. NULL with the status to refuse it with. */
static struct channel *take_channel(struct request *q, struct session *s, int *status)
{
	struct slice path = q->path, sdp = {s->announced->text, s->announced->len};
	struct channel *ch = channels_find(q->r->channels, path);

	*status = 403;
	if (is_of_others(q) || path_taken(q))
		return NULL;
	if (ch && ch->state == CHANNEL_LIVE && channel_is_like(ch, &s->announced->sdp) &&
		channel_describe(q->r->channels, ch, sdp) == 0) {
		ch->grace = NS_NEVER;
		for (int i = 0; i < ch->media; i++)
			relay_doubt(&ch->medium[i]);
		return ch;
	}
	*status = 503;
	ch = channel_new(q->r->channels, path, CHANNEL_ANNOUNCED, q->now);
	if (!ch)
		return NULL;
	if (channel_describe(q->r->channels, ch, sdp)) {
		channel_free(q->r->channels, ch);
		*status = 400;
		return NULL;
	}
	return ch;
}

void rtsp_record(struct request *q)
{
	struct session *s = rtsp_need_session(q);
	struct channel *ch, *old;
	int status;

	if (!s)
		return;
	if (!s->publisher || s->state == SESSION_INIT) {
		rtsp_answer(q, 455);
		return;
	}
	if (!s->channel) {
		/* It is what names the channel, whatever ANNOUNCE named. */
		if (q->path.n < 2 || q->path.n >= CHANNEL_PATH) {
			rtsp_answer(q, q->path.n < 2 ? 400 : 414);
			return;
		}
		old = channels_find(q->r->channels, q->path);
		if (old && old->state != CHANNEL_LIVE)
			old = NULL; /* a refusal may be freed for the new one */
		ch = take_channel(q, s, &status);
		if (!ch) {
			rtsp_answer(q, status);
			return;
		}
		if (old && old != ch)
			old->grace = q->now; /* superseded: it ends at the next tick */
		rtsp_join(s, ch);
		ch->publisher = s;
		ch->local = true;
		channel_set_state(ch, CHANNEL_LIVE, q->now);
		channel_list(q->r->channels, ch);
	}
	s->state = SESSION_RECORDING;
	s->played = q->now;
	rtsp_head(q, 200);
	rtsp_put_session(q, s);
	rtsp_done(q);
	q->out->actions = RTSP_RECORDED;
	q->out->session = s;
}
