/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RTSP client's core. Requests are written into one output buffer that the shell fetches as
 * RTSPC_SEND; answers are matched to requests by CSeq, so that a whole flight (SETUP × media, then
 * PLAY) can be under way. In a flight the session is not yet known: Pipelined-Requests stands for
 * it (RFC 7826, 18.33).
 *
 * A flight is a bet that the node is nearcast: it is placed when the node said so in its answer to
 * DESCRIBE, or when the SDP is known from another node. A plain RTSP server loses the bet for us
 * (it opens a session per SETUP and refuses PLAY); then the session of the first SETUP is kept,
 * the others are torn down, and the rest goes on one request at a time.
 */
#include "lib/rtspc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sbuf.h"
#include "lib/text.h"

#define URL_MAX     1024
#define OUT_MAX     24576
#define SESSION_MAX 128
#define EXTRA_MAX   512
#define REQS_MAX    32
#define EVENTS_MAX  4
#define TIMEOUT_DEF 60 /* s, RFC 2326, 12.37 */

enum state { ST_IDLE, ST_DESCRIBING, ST_DESCRIBED, ST_SETUP, ST_PLAYING, ST_CLOSING, ST_OVER };
enum kind { REQ_NONE, REQ_DESCRIBE, REQ_SETUP, REQ_PLAY, REQ_ALIVE, REQ_TEARDOWN, REQ_STRAY };

struct req {
	enum kind kind;
	uint32_t cseq;
	int media;
};

struct pending_event {
	enum rtspc_event_kind kind;
	struct slice data;
	uint8_t channel;
	int status, retry_after;
};

struct medium {
	struct rtspc_media_conf conf;
	struct rtspc_media_info info;
	char session[SESSION_MAX]; /* as its SETUP was answered; "" before */
	uint8_t channel[2];        /* interleaved, as the server chose them */
};

struct rtspc {
	enum state state;
	char url[URL_MAX];  /* as requested */
	char base[URL_MAX]; /* Content-Base, or the URL */
	bool has_base;
	struct addr host; /* of the URL, when it is a literal; family 0 otherwise */
	char agent[64];
	char extra[EXTRA_MAX]; /* header lines for every request that opens something */

	char *sdp_text;
	size_t sdp_len;
	struct sdp sdp;
	bool foreign_sdp; /* given, not from this node */

	bool nearcast;     /* the peer said so */
	bool flight;       /* SETUPs and PLAY went out together */
	bool lost_bet;     /* the flight was refused by a plain server */
	bool no_parameter; /* GET_PARAMETER is not understood: OPTIONS keeps alive */
	uint32_t cseq;     /* of the last request */
	struct req req[REQS_MAX];

	struct medium media[SDP_MAX_MEDIA];
	int medias;
	char session[SESSION_MAX];
	int timeout; /* s */
	ns_t alive_at;

	char out_mem[OUT_MAX];
	struct sbuf out;
	bool out_taken;
	size_t seen; /* bytes of the message at the front that text_parse has already looked at */
	char text[URL_MAX + 256];
	struct pending_event ev[EVENTS_MAX];
	int evs;
};

/* ---- events and output ---- */

static void event_push(struct rtspc *c, struct pending_event e)
{
	if (c->evs < EVENTS_MAX)
		c->ev[c->evs++] = e;
}

static void fail(struct rtspc *c, int status, int retry_after, struct slice why)
{
	if (c->state == ST_OVER)
		return;
	c->state = ST_OVER;
	c->alive_at = NS_NEVER;
	size_t n = why.n < sizeof c->text ? why.n : sizeof c->text - 1;
	memcpy(c->text, why.p, n);
	event_push(c, (struct pending_event){.kind = RTSPC_FAILED,
			      .data = {c->text, n},
			      .status = status,
			      .retry_after = retry_after});
}

static void redirect(struct rtspc *c, struct slice location)
{
	if (location.n == 0 || location.n >= sizeof c->text) {
		fail(c, 0, -1, SLICE("a redirection without a usable Location"));
		return;
	}
	c->state = ST_OVER;
	c->alive_at = NS_NEVER;
	memcpy(c->text, location.p, location.n);
	event_push(
		c, (struct pending_event){.kind = RTSPC_REDIRECT, .data = {c->text, location.n}});
}

/* What was fetched with RTSPC_SEND is let go of before something new is written. */
static struct sbuf *output(struct rtspc *c)
{
	if (c->out_taken) {
		sbuf_init(&c->out, c->out_mem, sizeof c->out_mem);
		c->out_taken = false;
	}
	return &c->out;
}

static bool request_open(const struct rtspc *c, enum kind kind)
{
	for (int i = 0; i < REQS_MAX; i++)
		if (c->req[i].kind == kind)
			return true;
	return false;
}

static int requests_open(const struct rtspc *c)
{
	int n = 0;

	for (int i = 0; i < REQS_MAX; i++)
		n += c->req[i].kind != REQ_NONE;
	return n;
}

/* Start line and the headers that all requests share; `session` may be "". */
static struct sbuf *request(struct rtspc *c, enum kind kind, const char *method, const char *url,
	const char *session, int media)
{
	struct sbuf *b = output(c);

	c->cseq++;
	for (int i = 0; i < REQS_MAX; i++)
		if (c->req[i].kind == REQ_NONE) {
			c->req[i] = (struct req){kind, c->cseq, media};
			break;
		}
	sbuf_printf(b, "%s %s RTSP/1.0\r\nCSeq: %u\r\nUser-Agent: %s\r\nSupported: %s\r\n", method,
		url, c->cseq, c->agent, RTSPC_FEATURE);
	if (session[0])
		sbuf_printf(b, "Session: %s\r\n", session);
	return b;
}

static void request_end(struct rtspc *c)
{
	sbuf_printf(&c->out, "\r\n");
	if (c->out.full)
		fail(c, 0, -1, SLICE("requests too long to send"));
}

/* ---- URLs ---- */

/* The aggregate's URL: what PLAY, TEARDOWN and keep-alives name. */
static void aggregate_url(const struct rtspc *c, char out[URL_MAX])
{
	struct slice s = c->sdp.control;

	if (!c->foreign_sdp && s.n > 7 && strncasecmp(s.p, "rtsp://", 7) == 0 &&
		slice_copy(s, out, URL_MAX) == 0)
		return;
	snprintf(out, URL_MAX, "%s", c->base);
}

/*
 * A medium's URL from its a=control (RFC 2326, C.1.1). Relative ones are appended to the path as
 * all players do; the query stays at the end. An absolute one in another node's SDP keeps its
 * path, on this node.
 */
static void control_url(const struct rtspc *c, int i, char out[URL_MAX])
{
	struct slice s = c->sdp.media[i].control;
	struct url u, own;
	bool absolute = s.n > 7 && strncasecmp(s.p, "rtsp://", 7) == 0;
	struct sbuf b;

	sbuf_init(&b, out, URL_MAX);
	if (absolute && !c->foreign_sdp) {
		sbuf_slice(&b, s);
		return;
	}
	if (url_parse(&own, slice_of(c->base)) < 0)
		return; /* cannot be: rtspc_new and described() have checked it */
	size_t authority = (size_t)(own.path.p - c->base);
	if (own.path.p < c->base || own.path.p > c->base + strlen(c->base))
		authority = strlen(c->base); /* the path was missing: it is not within the text */
	if (absolute && url_parse(&u, s) == 0) {
		sbuf_append(&b, c->base, authority);
		sbuf_slice(&b, u.path);
		if (u.query.p)
			sbuf_printf(&b, "?" SLICE_FMT, SLICE_ARG(u.query));
		return;
	}
	sbuf_append(&b, c->base, authority);
	sbuf_slice(&b, own.path);
	if (s.n && !slice_eq(s, SLICE("*"))) {
		if (b.n && b.p[b.n - 1] != '/')
			sbuf_append(&b, "/", 1);
		sbuf_slice(&b, s);
	}
	if (own.query.p)
		sbuf_printf(&b, "?" SLICE_FMT, SLICE_ARG(own.query));
}

/* ---- life ---- */

static int sdp_take(struct rtspc *c, struct slice text)
{
	char *copy = malloc(text.n + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	free(c->sdp_text);
	c->sdp_text = copy;
	c->sdp_len = text.n;
	return sdp_parse(&c->sdp, (struct slice){copy, text.n});
}

struct rtspc *rtspc_new(
	const char *url, const char *avoid, const char *user_agent, struct slice sdp)
{
	struct url u;
	struct rtspc *c;

	if (strlen(url) >= URL_MAX - 64 || url_parse(&u, slice_of(url)) < 0 ||
		!slice_ieq(u.scheme, SLICE("rtsp")))
		return NULL;
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	snprintf(c->url, sizeof c->url, "%s", url);
	snprintf(c->base, sizeof c->base, "%s", url);
	snprintf(c->agent, sizeof c->agent, "%s", user_agent);
	if (addr_parse(&c->host, u.host, 0) < 0)
		memset(&c->host, 0, sizeof c->host);
	c->timeout = TIMEOUT_DEF;
	c->alive_at = NS_NEVER;
	sbuf_init(&c->out, c->out_mem, sizeof c->out_mem);
	if (avoid && *avoid && rtspc_add_header(c, "Nearcast-Avoid", avoid) < 0)
		goto bad;
	if (sdp.n) {
		if (sdp_take(c, sdp) < 0)
			goto bad;
		c->foreign_sdp = true;
	}
	return c;
bad:
	rtspc_free(c);
	return NULL;
}

void rtspc_free(struct rtspc *c)
{
	if (!c)
		return;
	free(c->sdp_text);
	free(c);
}

int rtspc_add_header(struct rtspc *c, const char *name, const char *value)
{
	size_t n = strlen(c->extra);

	if (strpbrk(name, "\r\n: ") || strpbrk(value, "\r\n"))
		return -EINVAL;
	int k = snprintf(c->extra + n, sizeof c->extra - n, "%s: %s\r\n", name, value);
	if (k < 0 || (size_t)k >= sizeof c->extra - n) {
		c->extra[n] = '\0';
		return -ENOSPC;
	}
	return 0;
}

void rtspc_start(struct rtspc *c, ns_t now)
{
	(void)now;
	if (c->state != ST_IDLE)
		return;
	if (c->foreign_sdp) {
		c->state = ST_DESCRIBED;
		return;
	}
	c->state = ST_DESCRIBING;
	struct sbuf *b = request(c, REQ_DESCRIBE, "DESCRIBE", c->url, "", -1);
	sbuf_printf(b, "Accept: application/sdp\r\n%s", c->extra);
	request_end(c);
}

/* ---- SETUP and PLAY ---- */

static void send_setup(struct rtspc *c, int i)
{
	char url[URL_MAX];
	const struct rtspc_media_conf *m = &c->media[i].conf;

	control_url(c, i, url);
	struct sbuf *b = request(c, REQ_SETUP, "SETUP", url, c->session, i);
	if (c->flight && !c->session[0])
		sbuf_printf(b, "Pipelined-Requests: 1\r\n");
	if (m->client_port)
		sbuf_printf(b, "Transport: RTP/AVP;unicast;client_port=%u-%u\r\n", m->client_port,
			m->client_port + 1u);
	else
		sbuf_printf(b, "Transport: RTP/AVP/TCP;unicast;interleaved=%d-%d\r\n", 2 * i,
			2 * i + 1);
	if (m->from >= 0)
		sbuf_printf(b, "Nearcast-From: %u\r\n", (unsigned)(m->from & 0xffff));
	sbuf_append(b, c->extra, strlen(c->extra));
	request_end(c);
}

static void send_play(struct rtspc *c)
{
	char url[URL_MAX];

	aggregate_url(c, url);
	struct sbuf *b = request(c, REQ_PLAY, "PLAY", url, c->session, -1);
	if (c->flight && !c->session[0])
		sbuf_printf(b, "Pipelined-Requests: 1\r\n");
	request_end(c);
}

/* One request at a time: the next SETUP that lacks, or PLAY. */
static void step(struct rtspc *c)
{
	for (int i = 0; i < c->medias; i++)
		if (!c->media[i].session[0] || strcmp(c->media[i].session, c->session) != 0) {
			send_setup(c, i);
			return;
		}
	send_play(c);
}

int rtspc_setup(struct rtspc *c, const struct rtspc_media_conf *m, int medias, ns_t now)
{
	(void)now;
	if (c->state == ST_IDLE && c->foreign_sdp)
		c->state = ST_DESCRIBED;
	if (c->state != ST_DESCRIBED || medias < 1 || medias > c->sdp.medias)
		return -EINVAL;
	c->state = ST_SETUP;
	c->medias = medias;
	for (int i = 0; i < medias; i++) {
		c->media[i] = (struct medium){.conf = m[i],
			.info = {.tcp = m[i].client_port == 0, .first = -1, .last = -1},
			.channel = {(uint8_t)(2 * i), (uint8_t)(2 * i + 1)}};
	}
	c->flight = c->nearcast || c->foreign_sdp;
	if (!c->flight) {
		step(c);
		return 0;
	}
	for (int i = 0; i < medias; i++)
		send_setup(c, i);
	send_play(c);
	return 0;
}

/*
 * A plain server refused part of the flight: once all of it is answered, sessions other than the
 * first SETUP's are torn down and the rest is asked for step by step.
 */
static void settle_lost_bet(struct rtspc *c)
{
	char url[URL_MAX];

	if (request_open(c, REQ_SETUP) || request_open(c, REQ_PLAY))
		return;
	if (!c->session[0]) {
		fail(c, 0, -1, SLICE("SETUP gave no session"));
		return;
	}
	c->flight = false;
	for (int i = 0; i < c->medias; i++) {
		struct medium *m = &c->media[i];
		if (!m->session[0] || strcmp(m->session, c->session) == 0)
			continue;
		control_url(c, i, url);
		request(c, REQ_STRAY, "TEARDOWN", url, m->session, i);
		request_end(c);
		m->session[0] = '\0';
	}
	step(c);
}

/* ---- answers ---- */

static int retry_after(const struct text_msg *m)
{
	unsigned long long v;

	if (slice_u64(text_header(m, "Retry-After"), 86400, &v) < 0)
		return -1;
	return (int)v;
}

static void learn_peer(struct rtspc *c, const struct text_msg *m)
{
	struct slice list = text_header(m, "Supported");

	while (list.n)
		if (slice_ieq(slice_trim(slice_cut(&list, ',')), SLICE(RTSPC_FEATURE)))
			c->nearcast = true;
}

static bool is_redirection(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void described(struct rtspc *c, const struct text_msg *m)
{
	struct slice base = text_header(m, "Content-Base");
	struct url u;

	if (sdp_take(c, m->body) < 0) {
		fail(c, 0, -1, SLICE("DESCRIBE was answered with an SDP that cannot be used"));
		return;
	}
	if (base.n == 0)
		base = text_header(m, "Content-Location");
	if (base.n && base.n < URL_MAX - 64 && url_parse(&u, base) == 0 && u.host.n)
		slice_copy(base, c->base, sizeof c->base);
	c->state = ST_DESCRIBED;
	event_push(c, (struct pending_event){.kind = RTSPC_DESCRIBED});
}

static void transport_learn(struct rtspc *c, struct medium *md, const struct rtsp_transport *t)
{
	struct rtspc_media_info *in = &md->info;
	struct addr from = c->host;

	in->tcp = t->tcp;
	if (t->tcp) {
		if (t->has_interleaved)
			memcpy(md->channel, t->interleaved, sizeof md->channel);
	} else {
		struct addr a;
		if (t->source.n && addr_parse(&a, t->source, 0) == 0)
			from = a;
		in->rtp = in->rtcp = from;
		if (from.sa.sa_family) {
			addr_set_port(&in->rtp, t->has_server_port ? t->server_port[0] : 0);
			addr_set_port(&in->rtcp, t->has_server_port ? t->server_port[1] : 0);
		} else if (t->has_server_port) { /* the shell puts the peer's address in */
			in->rtp.in.sin_port = htons(t->server_port[0]);
			in->rtcp.in.sin_port = htons(t->server_port[1]);
		}
	}
	if (t->has_ssrc) {
		in->has_ssrc = true;
		in->ssrc = t->ssrc;
	}
}

static void session_learn(struct rtspc *c, int i, struct slice v)
{
	struct slice rest = v, id = slice_trim(slice_cut(&rest, ';')), t;
	unsigned long long s;
	struct medium *m = &c->media[i];

	if (slice_copy(id, m->session, sizeof m->session) < 0)
		m->session[0] = '\0';
	if (!c->session[0])
		memcpy(c->session, m->session, sizeof c->session);
	if (text_param(rest, "timeout", &t) && slice_u64(t, 86400, &s) == 0 && s > 0)
		c->timeout = (int)s;
}

static void setup_answered(struct rtspc *c, int i, const struct text_msg *m)
{
	struct rtsp_transport t;
	struct slice session = text_header(m, "Session");

	if (session.n == 0) {
		fail(c, 0, -1, SLICE("SETUP was answered without a Session"));
		return;
	}
	if (rtsp_transport_parse(&t, text_header(m, "Transport")) < 0 ||
		t.tcp != (c->media[i].conf.client_port == 0)) {
		fail(c, 0, -1, SLICE("SETUP was answered with another Transport than asked for"));
		return;
	}
	session_learn(c, i, session);
	transport_learn(c, &c->media[i], &t);
	if (!c->flight)
		step(c);
}

/* Whose RTP-Info entry this is: by its URL, else by its place. */
static int rtp_info_media(const struct rtspc *c, struct slice url, int place)
{
	for (int i = 0; i < c->medias; i++) {
		struct slice s = c->sdp.media[i].control;
		if (s.n && url.n >= s.n && memcmp(url.p + url.n - s.n, s.p, s.n) == 0 &&
			(url.n == s.n || url.p[url.n - s.n - 1] == '/'))
			return i;
	}
	return place < c->medias ? place : -1;
}

static void rtp_info(struct rtspc *c, const struct text_msg *m, bool last)
{
	struct slice list = text_header(m, "RTP-Info"), v;
	unsigned long long seq;

	for (int place = 0; list.n; place++) {
		struct slice entry = slice_trim(slice_cut(&list, ','));
		struct slice url = {NULL, 0};
		text_param(entry, "url", &url);
		int i = rtp_info_media(c, url, place);
		if (i < 0 || !text_param(entry, "seq", &v) || slice_u64(v, 65535, &seq) < 0)
			continue;
		if (last)
			c->media[i].info.last = (int64_t)seq;
		else
			c->media[i].info.first = (int64_t)seq;
	}
}

static ns_t alive_next(const struct rtspc *c, ns_t now)
{
	return now + c->timeout * NS_S * 2 / 5;
}

static void play_answered(struct rtspc *c, const struct text_msg *m, ns_t now)
{
	rtp_info(c, m, false);
	c->state = ST_PLAYING;
	c->alive_at = alive_next(c, now);
	event_push(c, (struct pending_event){.kind = RTSPC_PLAYING});
}

/* An answer other than 200 to something that opens the attachment. */
static void refused(struct rtspc *c, const struct req *r, const struct text_msg *m)
{
	bool opens = r->kind == REQ_SETUP || r->kind == REQ_PLAY;

	if (is_redirection(m->status)) {
		redirect(c, text_header(m, "Location"));
	} else if (c->flight && opens && !c->nearcast && m->status < 500 &&
		   (r->kind == REQ_PLAY || r->media > 0)) {
		c->lost_bet = true;
	} else {
		fail(c, m->status, retry_after(m), m->reason);
	}
}

static void answer(struct rtspc *c, const struct req *r, const struct text_msg *m, ns_t now)
{
	bool ok = m->status >= 200 && m->status < 300;

	switch (r->kind) {
	case REQ_DESCRIBE:
	case REQ_SETUP:
	case REQ_PLAY:
		if (c->state == ST_CLOSING)
			return;
		if (!ok)
			refused(c, r, m);
		else if (r->kind == REQ_DESCRIBE)
			described(c, m);
		else if (r->kind == REQ_SETUP)
			setup_answered(c, r->media, m);
		else
			play_answered(c, m, now);
		if (c->lost_bet && c->flight && c->state == ST_SETUP)
			settle_lost_bet(c);
		return;
	case REQ_ALIVE:
		if (m->status == 454)
			fail(c, 454, -1, m->reason);
		else if (!ok)
			c->no_parameter = true;
		return;
	case REQ_TEARDOWN:
		c->state = ST_OVER;
		event_push(c, (struct pending_event){.kind = RTSPC_CLOSED});
		return;
	case REQ_STRAY:
	case REQ_NONE: return;
	}
}

/* The request that an answer belongs to: by CSeq; one without CSeq answers the oldest. */
static bool request_find(struct rtspc *c, const struct text_msg *m, struct req *out)
{
	struct slice s = text_header(m, "CSeq");
	unsigned long long cseq = 0;
	struct req *best = NULL;

	if (s.n && slice_u64(s, UINT32_MAX, &cseq) < 0)
		return false;
	for (int i = 0; i < REQS_MAX; i++) {
		struct req *r = &c->req[i];
		if (r->kind == REQ_NONE || (s.n && r->cseq != cseq))
			continue;
		if (!best || r->cseq < best->cseq)
			best = r;
	}
	if (!best)
		return false;
	*out = *best;
	if (m->status >= 200) /* 100 Continue leaves it open */
		best->kind = REQ_NONE;
	return m->status >= 200;
}

/* ---- requests from the server ---- */

static void reply(struct rtspc *c, const struct text_msg *m, const char *status)
{
	struct slice cseq = text_header(m, "CSeq"), session = text_header(m, "Session");
	struct sbuf *b = output(c);

	sbuf_printf(b, "RTSP/1.0 %s\r\nCSeq: " SLICE_FMT "\r\nUser-Agent: %s\r\n", status,
		SLICE_ARG(cseq), c->agent);
	if (session.n && session.n < SESSION_MAX)
		sbuf_printf(b, "Session: " SLICE_FMT "\r\n", SLICE_ARG(session));
	if (text_method_is(m, "OPTIONS"))
		sbuf_printf(b, "Public: OPTIONS, GET_PARAMETER, PLAY_NOTIFY, REDIRECT\r\n");
	request_end(c);
}

static void request_in(struct rtspc *c, const struct text_msg *m)
{
	if (text_method_is(m, "PLAY_NOTIFY")) {
		reply(c, m, "200 OK");
		struct slice why = text_header(m, "Notify-Reason");
		if (!slice_ieq(slice_trim(slice_cut(&why, ';')), SLICE("end-of-stream")) ||
			(c->state != ST_PLAYING && c->state != ST_SETUP))
			return;
		rtp_info(c, m, true);
		event_push(c, (struct pending_event){.kind = RTSPC_ENDED});
	} else if (text_method_is(m, "REDIRECT")) {
		reply(c, m, "200 OK");
		if (c->state != ST_CLOSING && c->state != ST_OVER)
			redirect(c, text_header(m, "Location"));
	} else if (text_method_is(m, "OPTIONS") || text_method_is(m, "GET_PARAMETER")) {
		reply(c, m, "200 OK");
	} else {
		reply(c, m, "501 Not Implemented");
	}
}

/* ---- input ---- */

static size_t frame_in(struct rtspc *c, const uint8_t *p, size_t n)
{
	uint8_t channel;
	struct slice payload;
	size_t len = text_frame(p, n, &channel, &payload);

	if (len == 0)
		return 0;
	for (int i = 0; i < c->medias; i++)
		for (int k = 0; k < 2; k++)
			if (c->media[i].info.tcp && c->media[i].channel[k] == channel) {
				event_push(c, (struct pending_event){.kind = RTSPC_FRAME,
						      .data = payload,
						      .channel = (uint8_t)(2 * i + k)});
				return len;
			}
	return len; /* a channel that we did not set up */
}

size_t rtspc_input(struct rtspc *c, const uint8_t *p, size_t n, ns_t now)
{
	struct text_msg m;
	struct req r;

	if (c->state == ST_OVER)
		return n;
	if (n == 0)
		return 0;
	if (p[0] == '$')
		return frame_in(c, p, n);
	if (p[0] == '\r' || p[0] == '\n') /* RFC 2326, 4.1: blank lines before a message */
		return 1;
	ssize_t len = text_parse(&m, (const char *)p, n, c->seen);
	if (len == 0) {
		c->seen = n;
		return 0;
	}
	c->seen = 0;
	if (len < 0 || m.proto != TEXT_RTSP) {
		fail(c, 0, -1,
			slice_of(len < 0 ? text_error_str((enum text_error)len)
					 : "the answer is not RTSP"));
		return n;
	}
	learn_peer(c, &m);
	if (!m.response)
		request_in(c, &m);
	else if (request_find(c, &m, &r))
		answer(c, &r, &m, now);
	return (size_t)len;
}

static void media_copy(const struct rtspc *c, struct rtspc_event *ev)
{
	ev->medias = c->medias;
	for (int i = 0; i < c->medias; i++)
		ev->media[i] = c->media[i].info;
}

enum rtspc_event_kind rtspc_next(struct rtspc *c, struct rtspc_event *ev)
{
	if (c->out_taken)
		output(c);
	if (c->out.n && !c->out.full) {
		ev->kind = RTSPC_SEND;
		ev->data = (struct slice){c->out.p, c->out.n};
		c->out_taken = true;
		return RTSPC_SEND;
	}
	if (c->evs == 0)
		return ev->kind = RTSPC_NONE;
	struct pending_event e = c->ev[0];
	memmove(c->ev, c->ev + 1, (size_t)--c->evs * sizeof c->ev[0]);
	ev->kind = e.kind;
	ev->data = e.data;
	ev->channel = e.channel;
	ev->status = e.status;
	ev->retry_after = e.retry_after;
	ev->sdp = &c->sdp;
	if (e.kind == RTSPC_PLAYING || e.kind == RTSPC_ENDED)
		media_copy(c, ev);
	return e.kind;
}

ns_t rtspc_when(const struct rtspc *c)
{
	return c->alive_at;
}

static void send_alive(struct rtspc *c)
{
	char url[URL_MAX];

	aggregate_url(c, url);
	request(c, REQ_ALIVE, c->no_parameter ? "OPTIONS" : "GET_PARAMETER", url, c->session, -1);
	request_end(c);
}

void rtspc_tick(struct rtspc *c, ns_t now)
{
	if (c->state != ST_PLAYING || now < c->alive_at)
		return;
	c->alive_at = alive_next(c, now);
	/* One unanswered is enough; the media tell whether the node lives. */
	if (!request_open(c, REQ_ALIVE))
		send_alive(c);
}

void rtspc_probe(struct rtspc *c, ns_t now)
{
	(void)now;
	if (c->state == ST_PLAYING && requests_open(c) < REQS_MAX / 2)
		send_alive(c);
}

void rtspc_teardown(struct rtspc *c, ns_t now)
{
	char url[URL_MAX];

	(void)now;
	if (c->state == ST_CLOSING || c->state == ST_OVER)
		return;
	c->alive_at = NS_NEVER;
	if (c->state != ST_SETUP && c->state != ST_PLAYING) {
		c->state = ST_OVER;
		event_push(c, (struct pending_event){.kind = RTSPC_CLOSED});
		return;
	}
	c->state = ST_CLOSING;
	aggregate_url(c, url);
	struct sbuf *b = request(c, REQ_TEARDOWN, "TEARDOWN", url, c->session, -1);
	if (c->flight && !c->session[0])
		sbuf_printf(b, "Pipelined-Requests: 1\r\n");
	request_end(c);
}

struct slice rtspc_sdp_text(const struct rtspc *c)
{
	return (struct slice){c->sdp_text, c->sdp_len};
}

bool rtspc_peer_is_nearcast(const struct rtspc *c)
{
	return c->nearcast;
}
