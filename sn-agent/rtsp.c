/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/rtsp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/rtspd.h"
#include "sn-agent/access.h"
#include "sn-agent/admission.h"
#include "sn-agent/rtsp_request.h"
#include "sn-agent/via.h"
#include "sn-agent/vod.h"

#define PUBLIC                                                                                     \
	"OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER, "          \
	"ANNOUNCE, RECORD"
#define CSEQ_MAX 0xffffffffu

void rtsp_init(struct rtsp *r, const struct rtsp_conf *conf, struct channels *channels,
	struct relay *relay, uint64_t (*random)(void))
{
	memset(r, 0, sizeof(*r));
	r->conf = *conf;
	r->channels = channels;
	r->relay = relay;
	r->random = random;
	sessions_init(&r->sessions);
}

/* ---- answers ---- */

struct sbuf *rtsp_head(struct request *q, int status)
{
	struct sbuf *b = &q->out->text;

	q->out->status = status;
	q->r->errors_4xx += status >= 400 && status < 500;
	q->r->errors_5xx += status >= 500;
	q->r->refused_capacity += status == 453;
	q->r->refused_loop += status == 482;
	sbuf_printf(b, "RTSP/1.0 %d %s\r\n", status, rtspd_reason(status));
	if (q->m)
		sbuf_printf(b, "CSeq: " SLICE_FMT "\r\n", SLICE_ARG(text_header(q->m, "CSeq")));
	sbuf_printf(b, "Server: %s\r\n", q->r->conf.software);
	if (q->m && text_header(q->m, "Supported").p)
		sbuf_printf(b, "Supported: %s%s\r\n", RTSP_FEATURE,
			groups_reach(&q->r->groups, &q->c->peer) ? ", " RTSP_GROUPS : "");
	if (status == 200 && q->nearcast)
		access_put_nonce(q);
	return b;
}

void rtsp_done(struct request *q)
{
	sbuf_printf(&q->out->text, "\r\n");
}

void rtsp_answer(struct request *q, int status)
{
	struct sbuf *b = rtsp_head(q, status);

	if (status == 503)
		sbuf_printf(b, "Retry-After: 1\r\n");
	if (status == 405)
		sbuf_printf(b, "Allow: %s\r\n", PUBLIC);
	rtsp_done(q);
}

void rtsp_put_session(struct request *q, const struct session *s)
{
	sbuf_printf(&q->out->text, "Session: %s;timeout=%d\r\n", s->id_text,
		(int)(q->r->conf.session_timeout / NS_S));
}

void rtsp_reject(struct rtsp *r, int status, struct rtsp_reply *out)
{
	struct request q = {.r = r, .out = out};

	rtsp_head(&q, status);
	sbuf_printf(&out->text, "Connection: close\r\n");
	rtsp_done(&q);
	out->actions = RTSP_CLOSE;
}

/* ---- what a request names ---- */

/* Which origin the channel is of: of the port that the request came to; of the source that a
 * neighbour names; or of the overlay's node that the configuration names for the path. */
static void find_origin(struct request *q)
{
	const struct rtsp_scope *scope = q->c->scope;
	const struct sources *sources = &q->r->conf.sources;
	struct slice named = text_header(q->m, "Nearcast-Source");
	struct addr source;

	*q->origin = '\0';
	if (scope && *scope->origin)
		snprintf(q->origin, sizeof(q->origin), "%s", scope->origin);
	else if (!sources->own.sa.sa_family || rtsp_is_film(q))
		return;
	else if (scope && *scope->neighbour && named.n && addr_parse(&source, named, 0) == 0)
		sources_key(sources, &source, q->origin);
	else
		sources_of_path(sources, q->name, q->origin);
}

/* Path and track of the request's URI. Some players put the control after the query. */
static bool parse_uri(struct request *q)
{
	q->track = -1;
	if (url_parse(&q->url, q->m->uri))
		return false;
	q->path = q->url.path;
	if (!url_take_track(&q->path, &q->track) && q->url.query.n)
		url_take_track(&q->url.query, &q->track);
	while (q->path.n > 0 && q->path.p[q->path.n - 1] == '/')
		q->path.n--;
	q->name = q->path;
	if (q->c->scope && *q->c->scope->channel)
		q->name = slice_of(q->c->scope->channel);
	find_origin(q);
	if (!*q->origin) /* a channel of ours may be asked for by its number (row D3) */
		q->name = allot_path(q->r->allot, q->name, q->now);
	return true;
}

int rtsp_presentation_url(const struct request *q, char *out)
{
	char host[ADDR_STRLEN];
	struct sbuf b;

	sbuf_init(&b, out, SESSION_URL);
	if (q->url.host.n) {
		bool v6 = memchr(q->url.host.p, ':', q->url.host.n);

		sbuf_printf(&b, v6 ? "rtsp://[" SLICE_FMT "]" : "rtsp://" SLICE_FMT,
			SLICE_ARG(q->url.host));
	} else {
		sbuf_printf(&b, "rtsp://%s", addr_urlhost(&q->r->conf.addr, host));
	}
	if (q->url.port)
		sbuf_printf(&b, ":%u", q->url.port);
	sbuf_slice(&b, q->path);
	return b.full ? -ENOSPC : 0;
}

void rtsp_put_path(struct request *q, const struct channel *ch)
{
	char names[VIA_NAMES];

	if (text_header(q->m, "Nearcast-Via").n && via_join(names, q->r->conf.name, ch->path_via))
		sbuf_printf(&q->out->text, "Nearcast-Path: %s\r\n", names);
}

struct session *rtsp_session(struct request *q, bool *bad)
{
	struct slice id = text_header(q->m, "Session");
	struct slice pipe = text_header(q->m, "Pipelined-Requests");
	struct session *s = NULL;

	*bad = false;
	if (id.p) {
		s = sessions_find(&q->r->sessions, slice_trim(slice_cut(&id, ';')));
		*bad = !s || !addr_same_host(&s->client, &q->c->peer);
		if (*bad)
			return NULL;
	} else if (pipe.p) {
		for (s = q->c->first; s; s = s->of_conn)
			if (s->pipelined[0] && slice_eq(slice_of(s->pipelined), pipe))
				break;
	}
	if (s)
		s->active = q->now;
	return s;
}

struct session *rtsp_need_session(struct request *q)
{
	bool bad;
	struct session *s = rtsp_session(q, &bad);

	if (!s)
		rtsp_answer(q, 454);
	return s;
}

/* ---- channels ---- */

/* Refuses a request that has come through this node, or through the node that we have (or are
 * asking for) the channel from: it would only get its own packets back. */
static bool loops(const struct request *q, const struct channel *ch)
{
	struct slice via = text_header(q->m, "Nearcast-Via");

	if (via_refuses(q->r->conf.name, via, ch ? ch->path_via : "", ch ? ch->trying : ""))
		return true;
	return ch && ch->state == CHANNEL_SEEKING && ch->from_node[0] &&
	       rtspd_list_has(via, slice_of(ch->from_node));
}

static struct channel *seek(struct request *q)
{
	struct channel *ch;

	if (!q->r->conf.has_upstreams && !*q->origin && !rtsp_is_film(q)) {
		rtsp_answer(q, 404);
		return NULL;
	}
	ch = channel_new(q->r->channels, q->name, CHANNEL_SEEKING, q->now);
	if (!ch) {
		rtsp_answer(q, 503);
		return NULL;
	}
	snprintf(ch->origin, sizeof(ch->origin), "%s", q->origin);
	slice_copy(text_header(q->m, "Nearcast-Via"), ch->via, sizeof(ch->via));
	channel_list(q->r->channels, ch);
	q->out->channel = ch;
	q->out->actions = RTSP_SEEK | RTSP_WAIT;
	return NULL;
}

/* Whether the refusal may be due to the way that who was first to ask had come, or said he had. */
static bool came_another_way(const struct request *q, const struct channel *ch)
{
	return ch->via[0] && !slice_eq(slice_of(ch->via), text_header(q->m, "Nearcast-Via"));
}

static int medium_of(const struct request *q)
{
	return q->track < 0 ? 0 : q->track;
}

/* Whose numbers the request names is the one that it means, also if the name is another's by now. */
static struct channel *find(const struct request *q)
{
	struct channel *ch = NULL;

	if (q->from.has_ssrc)
		ch = channels_find_source(
			q->r->channels, q->origin, q->name, medium_of(q), q->from.ssrc);
	return ch ? ch : channels_find_at(q->r->channels, q->origin, q->name);
}

/* All that it has of the channel, which comes from an upstream, is a description, and that may be out of
 * date: only who plays is told of an end. */
static bool is_hearsay(const struct request *q, const struct channel *ch)
{
	return !ch->local && !ch->film && ch->playing == 0 && !ch->medium[0].has_ssrc &&
	       q->now - ch->state_since >= CHANNEL_SULK;
}

struct channel *rtsp_channel(struct request *q)
{
	struct channel *ch;

	if (q->name.n < 2 || q->name.n >= CHANNEL_PATH) {
		rtsp_answer(q, q->name.n < 2 ? 404 : 414);
		return NULL;
	}
	if (!access_admits(q))
		return NULL;
	/* A film is nothing to subscribe to: each node has its own from the master site. */
	if (text_header(q->m, "Nearcast-Via").n && rtsp_is_film(q)) {
		rtsp_answer(q, 404);
		return NULL;
	}
	ch = find(q);
	if (loops(q, ch)) {
		rtsp_answer(q, 482);
		return NULL;
	}
	if (!ch)
		return seek(q);
	switch (ch->state) {
	case CHANNEL_SEEKING:
		q->out->channel = ch;
		q->out->actions = RTSP_WAIT;
		return NULL;
	case CHANNEL_REFUSED:
		if (came_another_way(q, ch))
			return seek(q);
		if (ch->refusal == 453)
			admission_refused(q);
		rtsp_answer(q, ch->refusal);
		return NULL;
	case CHANNEL_ENDED:
		/* Only who has played it has a use for what is left in the rings. For all others the
		 * name is free: upstream it may be another publication's already. */
		if (q->nearcast && q->from.seq >= 0 &&
			(!q->from.has_ssrc || channel_is_of(ch, medium_of(q), q->from.ssrc)))
			return ch;
		if (!ch->local)
			return seek(q);
		rtsp_answer(q, 404);
		return NULL;
	case CHANNEL_LIVE:
		if (text_method_is(q->m, "DESCRIBE") && is_hearsay(q, ch))
			return seek(q);
		/* A node is told at once, and tells who has asked it. */
		if (!text_method_is(q->m, "DESCRIBE") || admission_fits_link(q, ch))
			return ch;
		rtsp_answer(q, 453);
		return NULL;
	case CHANNEL_ANNOUNCED: break;
	}
	rtsp_answer(q, 404);
	return NULL;
}

void rtsp_join(struct session *s, struct channel *ch)
{
	s->channel = ch;
	ch->users++;
}

void rtsp_leave(struct session *s)
{
	if (s->channel)
		s->channel->users--;
	s->channel = NULL;
}

/* ---- methods ---- */

static void options(struct request *q)
{
	bool bad;
	struct session *s = rtsp_session(q, &bad);

	if (bad) {
		rtsp_answer(q, 454);
		return;
	}
	sbuf_printf(rtsp_head(q, 200), "Public: %s\r\n", PUBLIC);
	if (s)
		rtsp_put_session(q, s);
	rtsp_done(q);
}

static void describe(struct request *q)
{
	char base[SESSION_URL];
	struct channel *ch;

	if (!rtspd_accepts_sdp(q->m)) {
		rtsp_answer(q, 406);
		return;
	}
	ch = rtsp_channel(q);
	if (!ch)
		return;
	if (rtsp_presentation_url(q, base)) {
		rtsp_answer(q, 414);
		return;
	}
	sbuf_printf(rtsp_head(q, 200),
		"Content-Base: %s/\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n",
		base, ch->sdp_len);
	rtsp_put_path(q, ch);
	rtsp_done(q);
	sbuf_append(&q->out->text, ch->sdp, ch->sdp_len);
}

static void setup(struct request *q)
{
	bool bad;
	struct session *s = rtsp_session(q, &bad);

	if (bad)
		rtsp_answer(q, 454);
	else if (q->c->publish && (!s || s == q->c->publish))
		rtsp_setup_record(q, q->c->publish);
	else if (s && s->publisher)
		rtsp_answer(q, 455);
	else
		rtsp_setup_play(q, s);
}

/* By what the session's client wants what is live. False: answered with an error. */
static bool set_delivery(struct request *q, struct session *s, struct slice by)
{
	bool multicast = slice_ieq(by, SLICE("multicast"));

	if (!multicast && !slice_ieq(by, SLICE("unicast"))) {
		rtsp_answer(q, 400);
		return false;
	}
	/* Who was told of no group, or has it no more, has unicast in any case. */
	if (group_heard(s, multicast, q->now) || !multicast)
		return true;
	rtsp_answer(q, 455);
	return false;
}

/* GET_PARAMETER and SET_PARAMETER: without a body they keep the session alive (RFC 2326, 10.8). */
static void parameter(struct request *q)
{
	struct slice by = text_header(q->m, "Nearcast-Delivery");
	bool bad;
	struct session *s = rtsp_session(q, &bad);

	if (bad || (by.p && !s)) {
		rtsp_answer(q, 454);
		return;
	}
	if (slice_trim(q->m->body).n) {
		rtsp_answer(q, 451);
		return;
	}
	if (by.p && !set_delivery(q, s, by))
		return;
	rtsp_head(q, 200);
	if (s) {
		rtsp_put_session(q, s);
		access_put_identity(q, s);
	}
	rtsp_done(q);
}

/* What is not here is not allowed. */
static void (*const methods[RTSPD_METHODS])(struct request *q) = {
	[RTSPD_OPTIONS] = options,
	[RTSPD_DESCRIBE] = describe,
	[RTSPD_SETUP] = setup,
	[RTSPD_PLAY] = rtsp_play,
	[RTSPD_PAUSE] = rtsp_pause,
	[RTSPD_TEARDOWN] = rtsp_teardown,
	[RTSPD_GET_PARAMETER] = parameter,
	[RTSPD_SET_PARAMETER] = parameter,
	[RTSPD_ANNOUNCE] = rtsp_announce,
	[RTSPD_RECORD] = rtsp_record,
};

/* Require and Proxy-Require: a feature that we do not have (RFC 2326, 12.32). */
static bool requires_more(struct request *q)
{
	struct slice feature;

	if (!rtspd_requires(q->m, SLICE(RTSP_FEATURE), &feature))
		return false;
	sbuf_printf(rtsp_head(q, 551), "Unsupported: " SLICE_FMT "\r\n", SLICE_ARG(feature));
	rtsp_done(q);
	return true;
}

void rtsp_request(struct rtsp *r, struct rtsp_conn *c, const struct text_msg *m, ns_t now,
	struct rtsp_reply *out)
{
	struct request q = {.r = r, .c = c, .m = m, .now = now, .out = out, .from = {.seq = -1}};
	enum rtspd_method method = rtspd_method(m);
	unsigned long long cseq;

	out->actions = 0;
	out->status = 0;
	out->session = NULL;
	out->channel = NULL;
	if (m->response)
		return;
	r->requests++;
	if (m->proto != TEXT_RTSP || slice_u64(text_header(m, "CSeq"), CSEQ_MAX, &cseq)) {
		rtsp_reject(r, 400, out);
		return;
	}
	q.nearcast = rtspd_list_has(text_header(m, "Supported"), SLICE(RTSP_FEATURE));
	q.can_join = rtspd_list_has(text_header(m, "Supported"), SLICE(RTSP_GROUPS));
	if (m->major != 1 || m->minor != 0)
		rtsp_answer(&q, 505);
	else if (!parse_uri(&q))
		rtsp_answer(&q, 400);
	else if (requires_more(&q))
		return;
	else if (method == RTSPD_METHODS)
		rtsp_answer(&q, 501);
	else if (!methods[method])
		rtsp_answer(&q, 405);
	else
		methods[method](&q);
}

/* ---- the ends of sessions ---- */

void rtsp_stop(struct rtsp *r, struct session *s, ns_t now)
{
	if (s->state != SESSION_PLAYING)
		return;
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		relay_remove(r->relay, &s->m[i].rx);
	group_stop(s, now);
	if (s->m[0].rx.viewer)
		vod_pause(s->m[0].rx.viewer);
	s->state = SESSION_READY;
	if (--s->channel->playing == 0)
		s->channel->idle_since = now;
}

struct channel *rtsp_end(struct rtsp *r, struct session *s, bool torn_down, ns_t now)
{
	struct channel *ch = s->channel, *ended = NULL;
	struct session **p;

	rtsp_stop(r, s, now);
	group_leave(s, now);
	viewer_free(s->m[0].rx.viewer);
	s->m[0].rx.viewer = NULL;
	if (ch && ch->publisher == s) {
		ch->publisher = NULL;
		if (torn_down && ch->state == CHANNEL_LIVE) {
			channel_set_state(ch, CHANNEL_ENDED, now);
			ended = ch;
		} else if (ch->state == CHANNEL_LIVE) {
			ch->grace = now + CHANNEL_GRACE;
		}
	}
	rtsp_leave(s);
	if (s->conn) {
		for (p = &s->conn->first; *p && *p != s; p = &(*p)->of_conn)
			;
		if (*p)
			*p = s->of_conn;
		if (s->conn->publish == s)
			s->conn->publish = NULL;
	}
	session_free(&r->sessions, s);
	return ended;
}

void rtsp_notify_group(struct rtsp *r, struct session *s, struct sbuf *out)
{
	struct addr at = group_rtp(s->group, 0);
	char host[ADDR_STRLEN];

	sbuf_printf(out,
		"PLAY_NOTIFY %s RTSP/1.0\r\nCSeq: %u\r\nSession: %s\r\nServer: %s\r\n"
		"Notify-Reason: nearcast-group\r\nNearcast-Group: %s;port=%u;ttl=%u\r\n\r\n",
		s->url, ++s->conn->cseq, s->id_text, r->conf.software, addr_host(&at, host),
		addr_port(&at), r->groups.conf.ttl);
}

void rtsp_notify_end(struct rtsp *r, struct session *s, struct sbuf *out)
{
	const char *sep = "RTP-Info: ";

	sbuf_printf(out,
		"PLAY_NOTIFY %s RTSP/1.0\r\nCSeq: %u\r\nSession: %s\r\nServer: %s\r\n"
		"Notify-Reason: end-of-stream\r\n",
		s->url, ++s->conn->cseq, s->id_text, r->conf.software);
	for (int i = 0; i < s->channel->media; i++) {
		int64_t last = s->channel->medium[i].last;

		if (s->m[i].rx.viewer)
			last = vod_film(s->channel->film)->seq0 + viewer_next(s->m[i].rx.viewer) -
			       1;
		if (last < 0)
			continue;
		sbuf_printf(out, "%surl=%s/trackID=%d;seq=%u", sep, s->url, i, (uint16_t)last);
		sep = ", ";
	}
	sbuf_printf(out, "%s\r\n", sep[0] == ',' ? "\r\n" : "");
}

bool rtsp_is_nodes(const struct session *s)
{
	return s->nearcast && s->node[0] && s->conn;
}

void rtsp_notify_path(struct rtsp *r, struct session *s, struct sbuf *out)
{
	char names[VIA_NAMES];

	if (!via_join(names, r->conf.name, s->channel->path_via))
		return;
	sbuf_printf(out,
		"PLAY_NOTIFY %s RTSP/1.0\r\nCSeq: %u\r\nSession: %s\r\nServer: %s\r\n"
		"Notify-Reason: path-change\r\nNearcast-Path: %s\r\n\r\n",
		s->url, ++s->conn->cseq, s->id_text, r->conf.software, names);
}

struct session *rtsp_conn_channel(
	const struct rtsp_conn *c, uint8_t channel, int *medium, bool *rtcp)
{
	for (struct session *s = c->first; s; s = s->of_conn)
		for (int i = 0; i < SDP_MAX_MEDIA; i++) {
			const struct receiver *v = &s->m[i].rx;

			if (!s->m[i].set_up || !v->tcp)
				continue;
			if (v->channel[0] != channel && v->channel[1] != channel)
				continue;
			*medium = i;
			*rtcp = v->channel[1] == channel;
			return s;
		}
	return NULL;
}

int rtsp_prefixes(const char *text, struct prefix *out)
{
	struct slice list = slice_of(text);
	int n = 0;

	while (list.n) {
		struct slice one = slice_trim(slice_cut(&list, ','));

		if (n == RTSP_PREFIXES_MAX)
			return -E2BIG;
		if (prefix_parse(&out[n], one))
			return -EINVAL;
		n++;
	}
	return n;
}
