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
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rtspc_impl.h"

/* ---- events and output ---- */

void rtspc_event_push(struct rtspc *c, struct pending_event e)
{
	if (c->evs < EVENTS_MAX)
		c->ev[c->evs++] = e;
}

void rtspc_fail(struct rtspc *c, int status, int retry_after, struct slice why)
{
	if (c->state == ST_OVER)
		return;
	c->state = ST_OVER;
	c->alive_at = NS_NEVER;
	size_t n = why.n < sizeof c->text ? why.n : sizeof c->text - 1;
	memcpy(c->text, why.p, n);
	rtspc_event_push(c, (struct pending_event){.kind = RTSPC_FAILED,
				    .data = {c->text, n},
				    .status = status,
				    .retry_after = retry_after});
}

void rtspc_redirect(struct rtspc *c, struct slice location)
{
	if (location.n == 0 || location.n >= sizeof c->text) {
		rtspc_fail(c, 0, -1, SLICE("a redirection without a usable Location"));
		return;
	}
	c->state = ST_OVER;
	c->alive_at = NS_NEVER;
	memcpy(c->text, location.p, location.n);
	rtspc_event_push(
		c, (struct pending_event){.kind = RTSPC_REDIRECT, .data = {c->text, location.n}});
}

/* What was fetched with RTSPC_SEND is let go of before something new is written. */
struct sbuf *rtspc_output(struct rtspc *c)
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
	struct sbuf *b = rtspc_output(c);
	struct req *r = NULL;
	bool proved;

	c->cseq++;
	for (int i = 0; i < REQS_MAX; i++)
		if (c->req[i].kind == REQ_NONE) {
			c->req[i] = (struct req){kind, c->cseq, media, false};
			r = &c->req[i];
			break;
		}
	sbuf_printf(b, "%s %s RTSP/1.0\r\nCSeq: %u\r\nUser-Agent: %s\r\nSupported: %s%s\r\n",
		method, url, c->cseq, c->agent, RTSPC_FEATURE,
		c->can_join ? ", " RTSPC_GROUPS : "");
	if (session[0])
		sbuf_printf(b, "Session: %s\r\n", session);
	proved = rtspc_put_proof(c, b, method, url);
	if (r)
		r->proved = proved;
	return b;
}

void rtspc_output_end(struct rtspc *c)
{
	sbuf_printf(&c->out, "\r\n");
	if (c->out.full)
		rtspc_fail(c, 0, -1, SLICE("requests too long to send"));
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

int rtspc_sdp_take(struct rtspc *c, struct slice text)
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
		if (rtspc_sdp_take(c, sdp) < 0)
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

void rtspc_set_who(struct rtspc *c, struct rtspc_who *who)
{
	c->who = who;
}

static void send_describe(struct rtspc *c)
{
	struct sbuf *b = request(c, REQ_DESCRIBE, "DESCRIBE", c->url, "", -1);

	sbuf_printf(b, "Accept: application/sdp\r\n%s", c->extra);
	rtspc_output_end(c);
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
	send_describe(c);
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
	if (m->from.seq >= 0) {
		sbuf_printf(b, "Nearcast-From: %u", (unsigned)(m->from.seq & 0xffff));
		if (m->from.has_ssrc)
			sbuf_printf(b, ";ssrc=%08" PRIx32, m->from.ssrc);
		if (m->from.has_packet)
			sbuf_printf(b, ";packet=%" PRId64, m->from.packet);
		sbuf_printf(b, "\r\n");
	} else if (m->from.at_key) {
		sbuf_printf(b, "Nearcast-Start: keyframe\r\n");
	}
	rtspc_put_sealed(c, b);
	sbuf_append(b, c->extra, strlen(c->extra));
	rtspc_output_end(c);
}

void rtspc_set_begin(struct rtspc *c, ns_t begin)
{
	c->begin = begin;
}

static bool goes_on(const struct rtspc *c)
{
	for (int i = 0; i < c->medias; i++)
		if (c->media[i].conf.from.seq >= 0)
			return true;
	return false;
}

static void send_play(struct rtspc *c)
{
	char url[URL_MAX];

	aggregate_url(c, url);
	struct sbuf *b = request(c, REQ_PLAY, "PLAY", url, c->session, -1);
	if (c->flight && !c->session[0])
		sbuf_printf(b, "Pipelined-Requests: 1\r\n");
	if (c->begin > 0 && !goes_on(c))
		sbuf_printf(b, "Range: npt=%.3f-\r\n", (double)c->begin / NS_S);
	rtspc_output_end(c);
}

/* One request at a time: the next SETUP that lacks, or PLAY. */
void rtspc_step(struct rtspc *c)
{
	for (int i = 0; i < c->medias; i++)
		if (!c->media[i].session[0] || strcmp(c->media[i].session, c->session) != 0) {
			send_setup(c, i);
			return;
		}
	send_play(c);
}

static void send_flight(struct rtspc *c)
{
	for (int i = 0; i < c->medias; i++)
		send_setup(c, i);
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
			.info = {.tcp = m[i].client_port == 0,
				.first = -1,
				.last = -1,
				.packet = -1},
			.channel = {(uint8_t)(2 * i), (uint8_t)(2 * i + 1)}};
	}
	c->flight = c->nearcast || c->foreign_sdp;
	if (c->flight)
		send_flight(c);
	else
		rtspc_step(c);
	return 0;
}

void rtspc_ask_again(struct rtspc *c)
{
	if (request_open(c, REQ_SETUP) || request_open(c, REQ_PLAY))
		return;
	c->challenged = false;
	if (c->state == ST_DESCRIBING) {
		send_describe(c);
	} else if (c->flight && !c->session[0]) {
		send_flight(c);
	} else {
		c->flight = false; /* part of it is there */
		rtspc_step(c);
	}
}

/*
 * A plain server refused part of the flight: once all of it is answered, sessions other than the
 * first SETUP's are torn down and the rest is asked for step by step.
 */
void rtspc_settle_lost_bet(struct rtspc *c)
{
	char url[URL_MAX];

	if (request_open(c, REQ_SETUP) || request_open(c, REQ_PLAY))
		return;
	if (!c->session[0]) {
		rtspc_fail(c, 0, -1, SLICE("SETUP gave no session"));
		return;
	}
	c->flight = false;
	for (int i = 0; i < c->medias; i++) {
		struct medium *m = &c->media[i];
		if (!m->session[0] || strcmp(m->session, c->session) == 0)
			continue;
		control_url(c, i, url);
		request(c, REQ_STRAY, "TEARDOWN", url, m->session, i);
		rtspc_output_end(c);
		m->session[0] = '\0';
	}
	rtspc_step(c);
}

/* ---- what the shell asks for ---- */

static void media_copy(const struct rtspc *c, struct rtspc_event *ev)
{
	ev->medias = c->medias;
	for (int i = 0; i < c->medias; i++)
		ev->media[i] = c->media[i].info;
}

enum rtspc_event_kind rtspc_next(struct rtspc *c, struct rtspc_event *ev)
{
	if (c->out_taken)
		rtspc_output(c);
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
	ev->group = e.group;
	ev->sdp = &c->sdp;
	if (e.kind == RTSPC_PLAYING || e.kind == RTSPC_ENDED)
		media_copy(c, ev);
	return e.kind;
}

ns_t rtspc_when(const struct rtspc *c)
{
	return c->alive_at;
}

ns_t rtspc_alive_next(const struct rtspc *c, ns_t now)
{
	return now + c->timeout * NS_S * 2 / 5;
}

static void send_alive(struct rtspc *c)
{
	char url[URL_MAX];

	aggregate_url(c, url);
	request(c, REQ_ALIVE, c->no_parameter ? "OPTIONS" : "GET_PARAMETER", url, c->session, -1);
	rtspc_output_end(c);
}

void rtspc_tick(struct rtspc *c, ns_t now)
{
	if (c->state != ST_PLAYING || now < c->alive_at)
		return;
	c->alive_at = rtspc_alive_next(c, now);
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

void rtspc_can_join(struct rtspc *c)
{
	c->can_join = true;
}

void rtspc_deliver(struct rtspc *c, bool multicast)
{
	char url[URL_MAX];

	if (c->state != ST_PLAYING)
		return;
	aggregate_url(c, url);
	struct sbuf *b = request(c, REQ_DELIVER, "SET_PARAMETER", url, c->session, -1);
	sbuf_printf(b, "Nearcast-Delivery: %s\r\n", multicast ? "multicast" : "unicast");
	rtspc_output_end(c);
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
		rtspc_event_push(c, (struct pending_event){.kind = RTSPC_CLOSED});
		return;
	}
	c->state = ST_CLOSING;
	aggregate_url(c, url);
	struct sbuf *b = request(c, REQ_TEARDOWN, "TEARDOWN", url, c->session, -1);
	if (c->flight && !c->session[0])
		sbuf_printf(b, "Pipelined-Requests: 1\r\n");
	rtspc_output_end(c);
}

struct slice rtspc_sdp_text(const struct rtspc *c)
{
	return (struct slice){c->sdp_text, c->sdp_len};
}

bool rtspc_peer_is_nearcast(const struct rtspc *c)
{
	return c->nearcast;
}
