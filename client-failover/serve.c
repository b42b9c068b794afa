/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client-failover/serve_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rtspd.h"

#define PUBLIC   "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
#define CSEQ_MAX 0xffffffffu

void serve_init(struct serve *s, const struct serve_conf *conf, const struct serve_io *io,
	void *arg, uint64_t (*random)(void))
{
	*s = (struct serve){.conf = *conf, .io = io, .arg = arg, .random = random};
	TAILQ_INIT(&s->channels);
}

/* ---- answers ---- */

struct sbuf *serve_head(struct request *q, int status)
{
	struct sbuf *b = &q->out->text;

	q->out->status = status;
	sbuf_printf(b, "RTSP/1.0 %d %s\r\n", status, rtspd_reason(status));
	if (q->m)
		sbuf_printf(b, "CSeq: " SLICE_FMT "\r\n", SLICE_ARG(text_header(q->m, "CSeq")));
	sbuf_printf(b, "Server: %s\r\n", q->s->conf.software);
	return b;
}

void serve_done(struct request *q)
{
	sbuf_str(&q->out->text, "\r\n");
}

void serve_answer(struct request *q, int status)
{
	struct sbuf *b = serve_head(q, status);

	if (status == 503)
		sbuf_str(b, "Retry-After: 1\r\n");
	if (status == 405)
		sbuf_str(b, "Allow: " PUBLIC "\r\n");
	serve_done(q);
}

void serve_put_session(struct request *q)
{
	sbuf_printf(&q->out->text, "Session: %s;timeout=%d\r\n", q->c->id,
		(int)(q->s->conf.timeout / NS_S));
}

void serve_reject(struct serve *s, int status, struct serve_reply *out)
{
	struct request q = {.s = s, .out = out};

	sbuf_str(serve_head(&q, status), "Connection: close\r\n");
	serve_done(&q);
	out->actions = SERVE_CLOSE;
}

/* ---- what a request names ---- */

/* Path and track of the request's URI. Some players put the control after the query. */
static bool parse_uri(struct request *q)
{
	q->track = -1;
	if (url_parse(&q->url, q->m->uri))
		return false;
	q->path = q->url.path;
	if (!url_take_track(&q->path, &q->track) && q->url.query.n)
		url_take_track(&q->url.query, &q->track);
	while (q->path.n > 1 && q->path.p[q->path.n - 1] == '/')
		q->path.n--;
	return true;
}

/* "/path?query", the name of a channel. 0 or -ENOSPC. */
static int name_of(const struct request *q, char name[SERVE_NAME])
{
	struct sbuf b;

	sbuf_init(&b, name, SERVE_NAME);
	sbuf_slice(&b, q->path);
	if (q->url.query.n) {
		sbuf_str(&b, "?");
		sbuf_slice(&b, q->url.query);
	}
	return b.full ? -ENOSPC : 0;
}

/* "rtsp://host:port/path" as the player calls it, which is what controls are relative to. */
int serve_presentation_url(const struct request *q, char out[SERVE_URL])
{
	char host[ADDR_STRLEN];
	struct sbuf b;

	sbuf_init(&b, out, SERVE_URL);
	if (q->url.host.n) {
		bool v6 = memchr(q->url.host.p, ':', q->url.host.n) != NULL;

		sbuf_printf(&b, v6 ? "rtsp://[" SLICE_FMT "]" : "rtsp://" SLICE_FMT,
			SLICE_ARG(q->url.host));
	} else {
		sbuf_printf(&b, "rtsp://%s", addr_urlhost(&q->s->conf.addr, host));
	}
	if (q->url.port)
		sbuf_printf(&b, ":%u", q->url.port);
	sbuf_slice(&b, q->path);
	return b.full ? -ENOSPC : 0;
}

/* The session that the request names: this connection's, or none. */
bool serve_session(struct request *q, bool *bad)
{
	struct slice id = text_header(q->m, "Session");

	*bad = false;
	if (!id.p)
		return false;
	*bad = q->c->play == SERVE_IDLE ||
	       !slice_eq(slice_trim(slice_cut(&id, ';')), slice_of(q->c->id));
	if (!*bad)
		q->c->active = q->now;
	return !*bad;
}

bool serve_need_session(struct request *q)
{
	bool bad;

	if (serve_session(q, &bad))
		return true;
	serve_answer(q, 454);
	return false;
}

/* ---- channels ---- */

static void leave_channel(struct serve_conn *c, ns_t now)
{
	struct serve_channel *ch = c->channel;

	if (!ch)
		return;
	TAILQ_REMOVE(&ch->conns, c, of_channel);
	c->channel = NULL;
	if (--ch->users == 0)
		ch->since = now;
}

static void wait_for(struct serve_conn *c, struct serve_channel *ch)
{
	c->waits = ch;
	ch->users++;
}

static void wait_no_more(struct serve_conn *c, ns_t now)
{
	if (c->waits && --c->waits->users == 0)
		c->waits->since = now;
	c->waits = NULL;
}

void serve_join(struct serve_conn *c, struct serve_channel *ch, ns_t now)
{
	if (c->channel == ch)
		return;
	leave_channel(c, now);
	c->channel = ch;
	ch->users++;
	TAILQ_INSERT_TAIL(&ch->conns, c, of_channel);
}

static struct serve_channel *find(struct serve *s, const char *name)
{
	struct serve_channel *ch;

	TAILQ_FOREACH(ch, &s->channels, entry)
	if (ch->state != SERVE_ENDED && strcmp(ch->name, name) == 0)
		return ch;
	return NULL;
}

static void seek(struct request *q, const char *name)
{
	struct serve *s = q->s;
	struct serve_channel *ch;

	if (s->n_channels >= s->conf.max_channels || !(ch = calloc(1, sizeof(*ch)))) {
		serve_answer(q, 503);
		return;
	}
	snprintf(ch->name, sizeof(ch->name), "%s", name);
	ch->since = q->now;
	TAILQ_INIT(&ch->conns);
	TAILQ_INSERT_TAIL(&s->channels, ch, entry);
	s->n_channels++;
	wait_for(q->c, ch);
	q->out->channel = ch;
	q->out->actions = SERVE_SEEK | SERVE_WAIT;
}

/* The channel of DESCRIBE and SETUP. NULL: it is answered, or to be waited for. A control URL is
 * the presentation's without its query, so what the player has described goes before. */
struct serve_channel *serve_channel_of(struct request *q)
{
	struct serve_channel *ch = q->c->channel;
	char name[SERVE_NAME];

	if (ch && ch->state == SERVE_LIVE && !q->url.query.n &&
		strncmp(ch->name, q->path.p, q->path.n) == 0 &&
		(ch->name[q->path.n] == '\0' || ch->name[q->path.n] == '?'))
		return ch;
	if (name_of(q, name)) {
		serve_answer(q, 414);
		return NULL;
	}
	ch = find(q->s, name);
	if (!ch) {
		seek(q, name);
		return NULL;
	}
	switch (ch->state) {
	case SERVE_LIVE: return ch;
	case SERVE_SEEKING:
		wait_for(q->c, ch);
		q->out->channel = ch;
		q->out->actions = SERVE_WAIT;
		return NULL;
	case SERVE_REFUSED: serve_answer(q, ch->status); return NULL;
	case SERVE_ENDED: break; /* find() does not find it */
	}
	serve_answer(q, 404);
	return NULL;
}

int serve_described(struct serve *s, struct serve_channel *ch, struct slice sdp, ns_t now)
{
	char mem[SDP_MAX_SIZE];
	struct sbuf b;
	struct sdp parsed;
	int err;

	(void)s;
	err = sdp_parse(&parsed, sdp);
	if (err)
		return err;
	sbuf_init(&b, mem, sizeof(mem));
	err = sdp_rewrite(&b, sdp);
	if (err)
		return err;
	ch->sdp = strndup(b.p, b.n);
	if (!ch->sdp)
		return -ENOMEM;
	ch->sdp_len = b.n;
	ch->media = parsed.medias;
	for (int i = 0; i < ch->media; i++)
		ch->source[i].clock_rate = parsed.media[i].clock_rate;
	ch->state = SERVE_LIVE;
	ch->since = now;
	return 0;
}

void serve_refused(struct serve_channel *ch, int status, ns_t now)
{
	ch->state = SERVE_REFUSED;
	ch->status = status;
	ch->since = now;
}

void serve_ended(struct serve_channel *ch, ns_t now)
{
	ch->state = SERVE_ENDED;
	ch->since = now;
}

struct serve_channel *serve_useless(struct serve *s, ns_t now)
{
	struct serve_channel *ch;

	TAILQ_FOREACH(ch, &s->channels, entry)
	{
		ns_t keep = ch->state == SERVE_ENDED     ? 0
		            : ch->state == SERVE_REFUSED ? s->conf.sulk
		                                         : s->conf.linger;

		if (ch->users == 0 && now - ch->since >= keep)
			return ch;
	}
	return NULL;
}

void serve_channel_free(struct serve *s, struct serve_channel *ch)
{
	TAILQ_REMOVE(&s->channels, ch, entry);
	s->n_channels--;
	free(ch->sdp);
	free(ch);
}

/* ---- methods ---- */

static void options(struct request *q)
{
	bool bad, any = serve_session(q, &bad);

	if (bad) {
		serve_answer(q, 454);
		return;
	}
	sbuf_str(serve_head(q, 200), "Public: " PUBLIC "\r\n");
	if (any)
		serve_put_session(q);
	serve_done(q);
}

static void describe(struct request *q)
{
	struct serve_channel *ch;
	char base[SERVE_URL];

	if (!rtspd_accepts_sdp(q->m)) {
		serve_answer(q, 406);
		return;
	}
	if (serve_presentation_url(q, base)) {
		serve_answer(q, 414);
		return;
	}
	ch = serve_channel_of(q);
	if (!ch)
		return;
	if (q->c->play == SERVE_IDLE)
		serve_join(q->c, ch, q->now);
	sbuf_printf(serve_head(q, 200),
		"Content-Base: %s/\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n",
		base, ch->sdp_len);
	serve_done(q);
	sbuf_append(&q->out->text, ch->sdp, ch->sdp_len);
}

/* Without a body they keep the session alive (RFC 2326, 10.8). */
static void parameter(struct request *q)
{
	bool bad, any = serve_session(q, &bad);

	if (bad || slice_trim(q->m->body).n) {
		serve_answer(q, bad ? 454 : 451);
		return;
	}
	serve_head(q, 200);
	if (any)
		serve_put_session(q);
	serve_done(q);
}

/* What is not here is not allowed. */
static void (*const methods[RTSPD_METHODS])(struct request *q) = {
	[RTSPD_OPTIONS] = options,
	[RTSPD_DESCRIBE] = describe,
	[RTSPD_SETUP] = serve_setup,
	[RTSPD_PLAY] = serve_play,
	[RTSPD_PAUSE] = serve_hold,
	[RTSPD_TEARDOWN] = serve_teardown,
	[RTSPD_GET_PARAMETER] = parameter,
	[RTSPD_SET_PARAMETER] = parameter,
};

static void run(struct request *q)
{
	enum rtspd_method method;
	struct slice feature;

	if (q->m->major != 1 || q->m->minor != 0) {
		serve_answer(q, 505);
		return;
	}
	if (!parse_uri(q)) {
		serve_answer(q, 400);
		return;
	}
	if (rtspd_requires(q->m, SLICE(""), &feature)) {
		sbuf_printf(
			serve_head(q, 551), "Unsupported: " SLICE_FMT "\r\n", SLICE_ARG(feature));
		serve_done(q);
		return;
	}
	method = rtspd_method(q->m);
	if (method == RTSPD_METHODS)
		serve_answer(q, 501);
	else if (!methods[method])
		serve_answer(q, 405);
	else
		methods[method](q);
}

void serve_request(struct serve *s, struct serve_conn *c, const struct text_msg *m, ns_t now,
	struct serve_reply *out)
{
	struct request q = {.s = s, .c = c, .m = m, .now = now, .out = out};
	unsigned long long cseq;

	out->actions = 0;
	out->status = 0;
	out->channel = NULL;
	wait_no_more(c, now);
	if (m->response)
		return;
	if (m->proto != TEXT_RTSP || slice_u64(text_header(m, "CSeq"), CSEQ_MAX, &cseq))
		serve_reject(s, 400, out);
	else
		run(&q);
}

/* ---- the ends of sessions ---- */

void serve_settled(struct serve_conn *c, ns_t now)
{
	wait_no_more(c, now);
}

void serve_leave(struct serve_conn *c, ns_t now)
{
	wait_no_more(c, now);
	leave_channel(c, now);
	c->play = SERVE_IDLE;
	memset(c->m, 0, sizeof(c->m));
}

bool serve_timed_out(const struct serve *s, const struct serve_conn *c, ns_t now)
{
	return c->play != SERVE_IDLE && now - c->active >= s->conf.timeout;
}
