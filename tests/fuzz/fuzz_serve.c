/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's RTSP core against any player: the bytes of two connections that take turns, messages
 * and interleaved frames. Channels are found or refused, packets are due and sources end. What the
 * core says to the shell is done as the shell does it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client-failover/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\n"
			  "m=video 0 RTP/AVP 33\r\na=control:a\r\n"
			  "m=audio 0 RTP/AVP 0\r\na=control:b\r\n";

static volatile uint8_t taken; /* so that a sanitizer sees every byte read that is sent */

static void take(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		taken = p[i];
}

static void udp(void *arg, bool rtcp, const struct addr *to, const uint8_t *p, size_t n)
{
	(void)arg, (void)rtcp;
	if (!addr_port(to))
		abort();
	take(p, n);
}

static bool frame(void *arg, void *shell, uint8_t channel, const uint8_t *p, size_t n)
{
	(void)arg;
	if (!shell)
		abort();
	take(p, n);
	return channel % 3 != 2; /* some players are slow */
}

static uint64_t ids(void)
{
	return 1;
}

static struct serve serve;
static struct serve_conn conn[2];
static char text[SERVE_REPLY_MAX];

static void start(void)
{
	static const struct serve_io io = {udp, frame};
	struct serve_conf conf = {.software = "fuzz",
		.rtp_port = 6970,
		.timeout = 60 * NS_S,
		.linger = NS_S,
		.sulk = NS_S,
		.max_channels = 3};

	addr_parse(&conf.addr, SLICE("[::1]:8554"), 0);
	serve_init(&serve, &conf, &io, NULL, ids);
	memset(conn, 0, sizeof(conn));
	for (int i = 0; i < 2; i++) {
		addr_parse(&conn[i].peer, SLICE("[::1]:5555"), 0);
		conn[i].shell = &conn[i];
	}
}

/* Whether the connection goes on. */
static bool request(struct serve_conn *c, const struct text_msg *m, ns_t now)
{
	struct serve_reply r = {0};

	sbuf_init(&r.text, text, sizeof(text));
	serve_request(&serve, c, m, now, &r);
	if (r.text.full)
		abort();
	if (r.actions & SERVE_WAIT) {
		/* Its session has come to something, by what the request's length says. */
		if (!c->waits || c->waits != r.channel)
			abort();
		if (m->uri.n % 4 == 0)
			serve_refused(r.channel, 404, now);
		else if (serve_described(&serve, r.channel, slice_of(sdp), now))
			abort();
		serve_settled(c, now);
		return request(c, m, now);
	}
	if (!m->response && r.text.n == 0)
		abort();
	return !(r.actions & SERVE_CLOSE);
}

static void time_passes(ns_t now)
{
	static const uint8_t packet[] = {0x80, 33, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 'x'};
	struct serve_channel *ch;

	TAILQ_FOREACH(ch, &serve.channels, entry)
	for (int i = 0; i < ch->media; i++) {
		serve_clock(ch, i, 1, (uint64_t)now, 77);
		serve_packet(&serve, ch, i, packet, sizeof(packet), now, now);
	}
	serve_rtcp_from(&serve, &conn[0].m[0].rtcp, now);
	for (int i = 0; i < 2; i++)
		if (serve_timed_out(&serve, &conn[i], now))
			serve_leave(&conn[i], now);
	while ((ch = serve_useless(&serve, now))) {
		if (ch->users || TAILQ_FIRST(&ch->conns))
			abort();
		serve_channel_free(&serve, ch);
	}
}

static void finish(ns_t now)
{
	struct serve_channel *ch;

	for (int i = 0; i < 2; i++) {
		if (conn[i].channel && conn[i].channel->state == SERVE_LIVE)
			serve_ended(conn[i].channel, now);
		serve_bye(&serve, &conn[i]);
		serve_leave(&conn[i], now);
	}
	while ((ch = TAILQ_FIRST(&serve.channels))) {
		if (ch->users)
			abort();
		serve_channel_free(&serve, ch);
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
	for (int turn = 0; len > 0; turn++) {
		struct serve_conn *c = &conn[turn / 4 % 2]; /* a session takes some requests */
		ssize_t n;

		if (*p == '$') {
			n = (ssize_t)text_frame((const uint8_t *)p, len, &channel, &payload);
			if (n > 0)
				serve_frame_from(c, channel, now);
		} else {
			n = text_parse(&m, p, len, 0);
			if (n > 0 && !request(c, &m, now))
				break;
		}
		if (n <= 0)
			break;
		p += n;
		len -= (size_t)n;
		now += 400 * NS_MS;
		time_passes(now);
	}
	finish(now);
	return 0;
}
