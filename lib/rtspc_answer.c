/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RTSP client's core, the half that listens: answers, the server's own requests, frames. */
#include <errno.h>
#include <string.h>

#include "lib/rtspc_impl.h"

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

/* Too long a path is none: who told it is too far away. */
static void learn_path(struct rtspc *c, const struct text_msg *m)
{
	struct slice path = text_header(m, "Nearcast-Path");

	if (!path.n || path.n >= NAMES_MAX || slice_eq(path, slice_of(c->path)) ||
		c->state == ST_CLOSING || c->state == ST_OVER)
		return;
	slice_copy(path, c->path, sizeof c->path);
	rtspc_event_push(c, (struct pending_event){.kind = RTSPC_PATH, .data = slice_of(c->path)});
}

static bool is_redirection(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void described(struct rtspc *c, const struct text_msg *m)
{
	struct slice base = text_header(m, "Content-Base");
	struct url u;

	if (rtspc_sdp_take(c, m->body) < 0) {
		rtspc_fail(
			c, 0, -1, SLICE("DESCRIBE was answered with an SDP that cannot be used"));
		return;
	}
	if (base.n == 0)
		base = text_header(m, "Content-Location");
	if (base.n && base.n < URL_MAX - 64 && url_parse(&u, base) == 0 && u.host.n)
		slice_copy(base, c->base, sizeof c->base);
	c->state = ST_DESCRIBED;
	rtspc_event_push(c, (struct pending_event){.kind = RTSPC_DESCRIBED});
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
		rtspc_fail(c, 0, -1, SLICE("SETUP was answered without a Session"));
		return;
	}
	if (rtsp_transport_parse(&t, text_header(m, "Transport")) < 0 ||
		t.tcp != (c->media[i].conf.client_port == 0)) {
		rtspc_fail(c, 0, -1,
			SLICE("SETUP was answered with another Transport than asked for"));
		return;
	}
	session_learn(c, i, session);
	/* We have named the session: asked again, it would answer the same for ever. */
	if (!c->flight && (!c->session[0] || strcmp(c->media[i].session, c->session) != 0)) {
		rtspc_fail(c, 0, -1, SLICE("SETUP was answered with another Session"));
		return;
	}
	transport_learn(c, &c->media[i], &t);
	if (!c->flight)
		rtspc_step(c);
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
		if (!last && text_param(entry, "packet", &v) && !slice_u64(v, RTP_PACKET_MAX, &seq))
			c->media[i].info.packet = (int64_t)seq;
	}
}

static void play_answered(struct rtspc *c, const struct text_msg *m, ns_t now)
{
	rtp_info(c, m, false);
	c->state = ST_PLAYING;
	c->alive_at = rtspc_alive_next(c, now);
	rtspc_event_push(c, (struct pending_event){.kind = RTSPC_PLAYING});
}

/* An answer other than 200 to something that opens the attachment. */
static void refused(struct rtspc *c, const struct req *r, const struct text_msg *m)
{
	bool opens = r->kind == REQ_SETUP || r->kind == REQ_PLAY;

	if (c->challenged)
		return; /* the rest of a flight that is sent again */
	if (m->status == 401 && rtspc_take_challenge(c, r, m)) {
		c->challenged = true;
	} else if (is_redirection(m->status)) {
		rtspc_redirect(c, text_header(m, "Location"));
	} else if (c->flight && opens && !c->nearcast && m->status < 500 &&
		   (r->kind == REQ_PLAY || r->media > 0)) {
		c->lost_bet = true;
	} else {
		rtspc_fail(c, m->status, retry_after(m), m->reason);
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
		if (c->challenged && c->state != ST_OVER)
			rtspc_ask_again(c);
		else if (c->lost_bet && c->flight && c->state == ST_SETUP)
			rtspc_settle_lost_bet(c);
		return;
	case REQ_ALIVE:
		if (m->status == 401 && rtspc_take_challenge(c, r, m))
			return; /* the next one proves it */
		if (m->status == 454)
			rtspc_fail(c, 454, -1, m->reason);
		else if (!ok)
			c->no_parameter = true;
		return;
	case REQ_DELIVER: /* refused, it is as it was */
		if (m->status == 454)
			rtspc_fail(c, 454, -1, m->reason);
		return;
	case REQ_TEARDOWN:
		c->state = ST_OVER;
		rtspc_event_push(c, (struct pending_event){.kind = RTSPC_CLOSED});
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
	struct sbuf *b = rtspc_output(c);

	sbuf_printf(b, "RTSP/1.0 %s\r\nCSeq: " SLICE_FMT "\r\nUser-Agent: %s\r\n", status,
		SLICE_ARG(cseq), c->agent);
	if (session.n && session.n < SESSION_MAX)
		sbuf_printf(b, "Session: " SLICE_FMT "\r\n", SLICE_ARG(session));
	if (text_method_is(m, "OPTIONS"))
		sbuf_printf(b, "Public: OPTIONS, GET_PARAMETER, PLAY_NOTIFY, REDIRECT\r\n");
	rtspc_output_end(c);
}

/* "239.255.78.67;port=7710;ttl=1": what cannot be understood is not joined. */
static void group_told(struct rtspc *c, struct slice rest)
{
	struct pending_event e = {.kind = RTSPC_GROUP};
	struct slice host = slice_trim(slice_cut(&rest, ';')), v;
	unsigned long long port;

	if (!c->can_join || !text_param(rest, "port", &v) ||
		slice_u64(v, 65535 - 2 * SDP_MAX_MEDIA, &port) || port == 0 ||
		addr_parse(&e.group, host, 0) || addr_port(&e.group) ||
		!addr_is_multicast(&e.group))
		return;
	addr_set_port(&e.group, (uint16_t)port);
	rtspc_event_push(c, e);
}

static void notified(struct rtspc *c, const struct text_msg *m)
{
	struct slice why = text_header(m, "Notify-Reason"),
		     reason = slice_trim(slice_cut(&why, ';'));

	if (c->state != ST_PLAYING && c->state != ST_SETUP)
		return;
	if (slice_ieq(reason, SLICE("end-of-stream"))) {
		rtp_info(c, m, true);
		rtspc_event_push(c, (struct pending_event){.kind = RTSPC_ENDED});
	} else if (slice_ieq(reason, SLICE("nearcast-group"))) {
		group_told(c, text_header(m, "Nearcast-Group"));
	}
}

static void request_in(struct rtspc *c, const struct text_msg *m)
{
	if (text_method_is(m, "PLAY_NOTIFY")) {
		reply(c, m, "200 OK");
		notified(c, m);
	} else if (text_method_is(m, "REDIRECT")) {
		reply(c, m, "200 OK");
		if (c->state != ST_CLOSING && c->state != ST_OVER)
			rtspc_redirect(c, text_header(m, "Location"));
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
				rtspc_event_push(c, (struct pending_event){.kind = RTSPC_FRAME,
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
		rtspc_fail(c, 0, -1,
			slice_of(len < 0 ? text_error_str((enum text_error)len)
					 : "the answer is not RTSP"));
		return n;
	}
	learn_peer(c, &m);
	rtspc_learn_who(c, &m);
	learn_path(c, &m);
	if (!m.response)
		request_in(c, &m);
	else if (request_find(c, &m, &r))
		answer(c, &r, &m, now);
	return (size_t)len;
}
