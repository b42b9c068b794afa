/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service node's RTSP core against any client: the bytes of a connection, messages and
 * interleaved frames. A channel is there to be played, and the client may publish. What the core
 * says to the shell is done as the shell does it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sn-agent/rtsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\n"
			  "m=video 0 RTP/AVP 33\r\na=control:a\r\n"
			  "m=audio 0 RTP/AVP 0\r\na=control:b\r\n";

static volatile uint8_t sink; /* so that a sanitizer sees every byte read that is sent */

static int take(const struct iovec *v, int n)
{
	for (int i = 0; i < n; i++)
		for (size_t k = 0; k < v[i].iov_len; k++)
			sink = ((const uint8_t *)v[i].iov_base)[k];
	return n;
}

static int udp(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	(void)arg, (void)rtcp, (void)to;
	return take(v, n);
}

static int tcp(void *arg, void *conn, uint8_t channel, const struct iovec *v, int n)
{
	(void)arg, (void)channel;
	if (!conn)
		abort();
	return take(v, n);
}

static void missing(void *arg, struct medium *m, int64_t seq)
{
	(void)arg, (void)m, (void)seq;
}

static void wake(void *arg, ns_t when)
{
	(void)arg, (void)when;
}

static uint64_t ids(void)
{
	static uint64_t id;

	return id++ & 0xff;
}

static struct channels channels;
static struct relay relay;
static struct rtsp rtsp;
static struct rtsp_conn conn;
static char text[RTSP_REPLY_MAX];

static const struct rtsp_scope tunnel = {.neighbour = "sn2"};

static void start(void)
{
	static const struct relay_io io = {
		.udp = udp, .tcp = tcp, .missing = missing, .wake = wake};
	struct rtsp_conf conf = {.name = "sn1",
		.software = "fuzz",
		.rtp_port = 7704,
		.session_timeout = 60 * NS_S,
		.max_sessions = 4,
		.has_upstreams = true};
	struct groups_conf groups = {.node = "sn1", .port = 7710, .ttl = 1, .threshold = 1};
	struct channel *ch;

	addr_parse(&conf.addr, SLICE("10.0.0.1"), 0);
	conf.n_publishers = rtsp_prefixes("10.0.0.0/8", conf.publishers);
	addr_parse(&conf.sources.own, SLICE("10.77.0.1"), 0);
	addr_parse(&conf.sources.rule[0].address, SLICE("10.77.0.9"), 0);
	strcpy(conf.sources.rule[0].path, "/far");
	conf.sources.n = 1;
	channels_init(&channels, 10 * NS_S, (size_t)64 * RING_MTU, NS_S);
	relay_init(&relay, &io, NULL);
	rtsp_init(&rtsp, &conf, &channels, &relay, ids);
	prefix_parse(&groups.range, SLICE("239.255.78.0/31"));
	groups.n_clients = rtsp_prefixes("10.9.0.0/16", groups.clients);
	groups_init(&rtsp.groups, &groups, &relay, NULL, NULL);
	memset(&conn, 0, sizeof(conn));
	addr_parse(&conn.peer, SLICE("10.9.9.9:5555"), 0);
	conn.shell = &conn;
	ch = channel_new(&channels, SLICE("/news"), CHANNEL_LIVE, 0);
	if (!ch || channel_describe(&channels, ch, slice_of(sdp)))
		abort();
	ch->local = true;
	channel_list(&channels, ch);
}

static void frame(uint8_t channel, struct slice p, ns_t now)
{
	int medium;
	bool rtcp;
	int64_t seq;
	struct session *s = rtsp_conn_channel(&conn, channel, &medium, &rtcp);

	if (!s)
		return;
	if (s->state == SESSION_PLAYING && rtcp)
		relay_feedback(&relay, &s->m[medium].rx, (const uint8_t *)p.p, p.n, now);
	else if (s->state == SESSION_RECORDING && medium < s->channel->media && rtcp)
		relay_origin_rtcp(&relay, &s->channel->medium[medium], (const uint8_t *)p.p, p.n);
	else if (s->state == SESSION_RECORDING && medium < s->channel->media)
		relay_rtp(
			&relay, &s->channel->medium[medium], (const uint8_t *)p.p, p.n, now, &seq);
}

/* Whether the connection goes on. */
static bool request(const struct text_msg *m, ns_t now)
{
	struct rtsp_reply r = {0};

	sbuf_init(&r.text, text, sizeof(text));
	rtsp_request(&rtsp, &conn, m, now, &r);
	if (r.text.full)
		abort();
	if (r.actions & RTSP_WAIT) {
		/* The upstream has it, or has not, by what the request's length says. */
		if (m->uri.n % 2 && channel_describe(&channels, r.channel, slice_of(sdp)) == 0) {
			channel_set_state(r.channel, CHANNEL_LIVE, now);
		} else {
			r.channel->refusal = 404;
			channel_set_state(r.channel, CHANNEL_REFUSED, now);
		}
		return request(m, now);
	}
	if (!m->response && r.text.n == 0)
		abort();
	if (r.actions & RTSP_PLAYED)
		relay_catch_up(&relay, now);
	if (r.actions & RTSP_TEARDOWN)
		rtsp_end(&rtsp, r.session, true, now);
	return !(r.actions & RTSP_CLOSE);
}

static void tell_group(void *arg, struct session *s)
{
	struct sbuf b;

	(void)arg;
	sbuf_init(&b, text, sizeof(text));
	rtsp_notify_group(&rtsp, s, &b);
	if (b.full)
		abort();
}

static void time_passes(ns_t now)
{
	struct channel *ch;
	enum channel_due due;

	relay_catch_up(&relay, now);
	groups_tick(&rtsp.groups, &channels, &rtsp.sessions, now, tell_group, NULL);
	while ((due = channels_tick(&channels, now, &ch)) != CHANNEL_NOTHING) {
		if (due == CHANNEL_END) {
			ch->grace = NS_NEVER;
			channel_set_state(ch, CHANNEL_ENDED, now);
		} else {
			channel_free(&channels, ch);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *p = (const char *)data;
	struct text_msg m;
	struct slice payload;
	uint8_t channel;
	ns_t now = NS_S;

	start();
	conn.scope = len % 2 ? &tunnel : NULL;
	while (len > 0) {
		ssize_t n;

		if (*p == '$') {
			n = (ssize_t)text_frame((const uint8_t *)p, len, &channel, &payload);
			if (n > 0)
				frame(channel, payload, now);
		} else {
			n = text_parse(&m, p, len, 0);
			if (n > 0 && !request(&m, now))
				break;
		}
		if (n <= 0)
			break;
		p += n;
		len -= (size_t)n;
		now += 300 * NS_MS;
		relay_flush(&relay);
		time_passes(now);
	}
	while (conn.first)
		rtsp_end(&rtsp, conn.first, len % 2, now);
	if (rtsp.sessions.first || rtsp.sessions.players || rtsp.sessions.publishers)
		abort();
	relay_flush(&relay);
	channels_free(&channels);
	return 0;
}
