/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node's RTSP core: requests in, answers and actions out; every method, state and refusal. */
#include "sn-agent/rtsp.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rtp.h"
#include "sn-agent/server.h"
#include "lib/wire.h"
#include "sn-agent/admission.h"
#include "tests/unit/run.h"

#define SDP1                                                                                       \
	"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\n"                                              \
	"m=video 0 RTP/AVP 33\r\na=control:streamid=0\r\n"
#define SDP2     SDP1 "m=audio 0 RTP/AVP 0\r\na=control:streamid=1\r\n"
#define UDP(a)   "Transport: RTP/AVP;unicast;client_port=" a "\r\n"
#define TCP(c)   "Transport: RTP/AVP/TCP;unicast;interleaved=" c "\r\n"
#define NEARCAST "Supported: nearcast.failover\r\n"
#define FROM(s)  NEARCAST "Nearcast-From: " s "\r\n"
#define U        "rtsp://10.0.0.1/news"

static struct channels channels;
static struct relay relay;
static struct rtsp rtsp;
static struct rtsp_conn conn, other;
static struct rtsp_reply reply;
static char text[RTSP_REPLY_MAX];
static ns_t now;
static uint64_t next_id;
static int sent;

static int udp(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	(void)arg, (void)rtcp, (void)to, (void)v;
	sent += n;
	return n;
}

static int tcp(void *arg, void *c, uint8_t channel, const struct iovec *v, int n)
{
	(void)arg, (void)c, (void)channel, (void)v;
	sent += n;
	return n;
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
	return 0xfedcba9876543210u + next_id++;
}

static void setup(void)
{
	static const struct relay_io io = {
		.udp = udp, .tcp = tcp, .missing = missing, .wake = wake};
	struct rtsp_conf conf = {
		.name = "sn1", .software = "test", .rtp_port = 7704, .session_timeout = 60 * NS_S};

	addr_parse(&conf.addr, SLICE("10.0.0.1"), 0);
	conf.n_publishers = rtsp_prefixes("10.0.0.0/8, fd00::/8", conf.publishers);
	ck_assert_int_eq(conf.n_publishers, 2);
	channels_init(&channels, 10 * NS_S, (size_t)64 * 1024 * 1024, NS_S);
	relay_init(&relay, &io, NULL);
	rtsp_init(&rtsp, &conf, &channels, &relay, ids);
	memset(&conn, 0, sizeof(conn));
	memset(&other, 0, sizeof(other));
	addr_parse(&conn.peer, SLICE("10.9.9.9:5555"), 0);
	addr_parse(&other.peer, SLICE("10.8.8.8:5555"), 0);
	next_id = 0;
	sent = 0;
	now = NS_S;
}

static void teardown(void)
{
	while (rtsp.sessions.first)
		rtsp_end(&rtsp, rtsp.sessions.first, true, now);
	relay_flush(&relay);
	channels_free(&channels);
}

/* Hands in a request; the status of the answer, 0 when there is none. */
static int ask_on(struct rtsp_conn *c, const char *request)
{
	struct text_msg m;

	sbuf_init(&reply.text, text, sizeof(text));
	ck_assert_int_eq(text_parse(&m, request, strlen(request), 0), (int)strlen(request));
	rtsp_request(&rtsp, c, &m, now, &reply);
	ck_assert(!reply.text.full);
	if (reply.text.n == 0)
		return 0;
	ck_assert_int_gt(text_parse(&m, text, reply.text.n, 0), 0);
	ck_assert(m.response);
	ck_assert_int_eq(m.status, reply.status);
	return m.status;
}

static int ask(const char *method, const char *uri, const char *headers)
{
	char request[4096];

	snprintf(request, sizeof(request), "%s %s RTSP/1.0\r\nCSeq: 7\r\n%s\r\n", method, uri,
		headers);
	return ask_on(&conn, request);
}

static int announce(struct rtsp_conn *c, const char *uri, const char *sdp)
{
	char request[4096];

	snprintf(request, sizeof(request),
		"ANNOUNCE %s RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		uri, strlen(sdp), sdp);
	return ask_on(c, request);
}

static bool says(const char *what)
{
	return strstr(text, what) != NULL;
}

/* "Session: ID\r\n" of the last answer. */
static const char *session(void)
{
	static char line[64];
	const char *at = strstr(text, "Session: ");

	ck_assert_ptr_nonnull(at);
	snprintf(line, sizeof(line), "Session: %.16s\r\n", at + 9);
	return line;
}

/* A live channel /news, published over `other`. */
static struct channel *publish(const char *sdp, const char *path)
{
	char line[256], request[512];

	snprintf(line, sizeof(line), "rtsp://10.0.0.1%s", path);
	ck_assert_int_eq(announce(&other, line, sdp), 200);
	snprintf(request, sizeof(request),
		"SETUP %s/streamid=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP\r\n\r\n", line);
	ck_assert_int_eq(ask_on(&other, request), 200);
	snprintf(request, sizeof(request), "RECORD %s RTSP/1.0\r\nCSeq: 3\r\n%s\r\n", line,
		session());
	ck_assert_int_eq(ask_on(&other, request), 200);
	ck_assert_uint_eq(reply.actions, RTSP_RECORDED);
	return reply.session->channel;
}

static void push(struct channel *ch, uint16_t seq, uint32_t ts)
{
	uint8_t p[20] = {0x80, 33, (uint8_t)(seq >> 8), (uint8_t)seq, (uint8_t)(ts >> 24),
		(uint8_t)(ts >> 16), (uint8_t)(ts >> 8), (uint8_t)ts, 0xca, 0xfe, 0xba, 0xbe};
	int64_t n;

	ck_assert_int_eq(relay_rtp(&relay, &ch->medium[0], p, sizeof(p), now, &n), RING_NEW);
	relay_flush(&relay);
}

START_TEST(test_options_tells_methods_and_feature)
{
	ck_assert_int_eq(ask("OPTIONS", "*", ""), 200);
	ck_assert(says("CSeq: 7\r\n"));
	ck_assert(says("Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN"));
	ck_assert(!says("Supported"));
	ck_assert_int_eq(ask("OPTIONS", U, "Supported: x, y\r\n"), 200);
	ck_assert(says("Supported: nearcast.failover\r\n"));
	ck_assert_int_eq(ask("OPTIONS", "*", "Session: 0000000000000000\r\n"), 454);
}
END_TEST

START_TEST(test_what_is_no_request_of_ours_is_refused)
{
	ck_assert_int_eq(ask_on(&conn, "OPTIONS * RTSP/1.0\r\n\r\n"), 400);
	ck_assert_uint_eq(reply.actions, RTSP_CLOSE);
	ck_assert_int_eq(ask_on(&conn, "OPTIONS * RTSP/1.0\r\nCSeq: 99999999999\r\n\r\n"), 400);
	ck_assert_int_eq(ask_on(&conn, "GET / HTTP/1.1\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_int_eq(ask("OPTIONS", "http://h:0/", ""), 400);
	ck_assert_int_eq(ask("DESCRIBE", "rtsp://h/#x", ""), 400);
	ck_assert_int_eq(ask("DANCE", U, ""), 501);
	ck_assert_int_eq(ask("REDIRECT", U, ""), 405);
	ck_assert(says("Allow: "));
	ck_assert_int_eq(ask("OPTIONS", "*", "Require: a.b\r\n"), 551);
	ck_assert(says("Unsupported: a.b\r\n"));
	ck_assert_int_eq(ask("OPTIONS", "*", "Proxy-Require: c\r\n"), 551);
	ck_assert_int_eq(ask("OPTIONS", "*", "Require: nearcast.failover\r\n"), 200);
	ck_assert_int_eq(ask_on(&conn, "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"), 0);
	ck_assert_uint_eq(reply.actions, 0);
}
END_TEST

START_TEST(test_describe_gives_the_rewritten_sdp)
{
	publish(SDP2, "/news");
	ck_assert_int_eq(ask("DESCRIBE", U, "Accept: application/sdp\r\n"), 200);
	ck_assert(says("Content-Base: rtsp://10.0.0.1/news/\r\n"));
	ck_assert(says("a=control:trackID=0\r\n"));
	ck_assert(says("a=control:trackID=1\r\n"));
	ck_assert(!says("streamid"));
	ck_assert_int_eq(ask("DESCRIBE", U "/?a=b", "Accept: text/*, */*;q=0.1\r\n"), 200);
	ck_assert_int_eq(ask("DESCRIBE", "rtsp://[fd00::1]:8554/news", ""), 200);
	ck_assert(says("Content-Base: rtsp://[fd00::1]:8554/news/\r\n"));
	ck_assert_int_eq(ask("DESCRIBE", "/news", ""), 200);
	ck_assert(says("Content-Base: rtsp://10.0.0.1/news/\r\n"));
	ck_assert_int_eq(ask("DESCRIBE", U, "Accept: text/html\r\n"), 406);
	ck_assert_int_eq(ask("DESCRIBE", U "2", ""), 404);
	ck_assert_int_eq(ask("DESCRIBE", "rtsp://10.0.0.1/", ""), 404);
}
END_TEST

START_TEST(test_a_path_that_is_too_long_is_refused)
{
	char uri[600] = "rtsp://10.0.0.1/";

	memset(uri + strlen(uri), 'x', 300);
	ck_assert_int_eq(ask("DESCRIBE", uri, ""), 414);
	ck_assert_int_eq(announce(&conn, uri, SDP1), 414);
}
END_TEST

START_TEST(test_setup_over_udp)
{
	struct session *s;
	struct addr a;

	publish(SDP2, "/news");
	ck_assert_int_eq(ask("SETUP", U "/trackID=1", UDP("5000-5001")), 200);
	ck_assert(says(";client_port=5000-5001;server_port=7704-7705"));
	ck_assert(says(";source=10.0.0.1"));
	ck_assert(says("Session: fedcba9876543211;timeout=60\r\n"));
	s = conn.first;
	ck_assert(s->m[1].set_up && !s->m[0].set_up);
	addr_parse(&a, SLICE("10.9.9.9:5001"), 0);
	ck_assert_ptr_eq(sessions_peer(&rtsp.sessions, &a, true)->session, s);
	ck_assert_ptr_null(sessions_peer(&rtsp.sessions, &a, false));
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", UDP("5000-5001")), 461); /* taken */
	ck_assert_int_eq(rtsp.sessions.players, 1);
}
END_TEST

START_TEST(test_setup_over_tcp_picks_free_channels)
{
	const char *id;

	publish(SDP2, "/news");
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", "Transport: RTP/AVP/TCP;unicast\r\n"), 200);
	ck_assert(says("interleaved=0-1"));
	id = session();
	char headers[256];
	snprintf(headers, sizeof(headers), "Transport: RTP/AVP/TCP\r\n%s", id);
	ck_assert_int_eq(ask("SETUP", U "/trackID=1", headers), 200);
	ck_assert(says("interleaved=2-3"));
	ck_assert_int_eq(ask("SETUP", U "/trackID=1", TCP("2-3")), 461);
	ck_assert_int_eq(ask("SETUP", U "/trackID=1", TCP("9-9")), 461);
}
END_TEST

START_TEST(test_setups_that_cannot_be)
{
	publish(SDP2, "/news");
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 459);
	ck_assert_int_eq(ask("SETUP", U "/trackID=2", UDP("5000-5001")), 404);
	ck_assert_int_eq(ask("SETUP", U "/trackID=x", UDP("5000-5001")), 404);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", ""), 400);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", UDP("0-1")), 400);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", "Transport: RTP/SAVP;unicast\r\n"), 461);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", "Transport: RTP/AVP;multicast\r\n"), 461);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", "Transport: RTP/AVP;unicast\r\n"), 461);
	ck_assert_int_eq(
		ask("SETUP", U "/trackID=0", UDP("5000-5001") "Nearcast-From: 65536\r\n"), 400);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", UDP("5000-5001") "Session: 12\r\n"), 454);
	ck_assert_int_eq(rtsp.sessions.players, 0);
	ck_assert_ptr_null(conn.first);
}
END_TEST

START_TEST(test_the_only_medium_needs_no_track_and_a_control_may_follow_the_query)
{
	publish(SDP1, "/news");
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	ck_assert_int_eq(ask("SETUP", U "?a=b/trackID=0", UDP("5002-5003")), 200);
	ck_assert_int_eq(rtsp.sessions.players, 2);
}
END_TEST

START_TEST(test_play_pause_play_teardown)
{
	struct channel *ch = publish(SDP1, "/news");
	char id[64];

	ck_assert_int_eq(ask("SETUP", U "/trackID=0", UDP("5000-5001")), 200);
	snprintf(id, sizeof(id), "%s", session());
	ck_assert_int_eq(ask("PAUSE", U, id), 455);
	ck_assert_int_eq(ask("RECORD", U, id), 455);
	ck_assert_int_eq(ask("PLAY", U, id), 200);
	ck_assert_uint_eq(reply.actions, RTSP_PLAYED);
	ck_assert(!says("RTP-Info"));
	ck_assert_int_eq(ch->playing, 1);
	push(ch, 100, 9000);
	ck_assert_int_eq(sent, 1);
	ck_assert_int_eq(ask("PLAY", U, id), 200);
	ck_assert_uint_eq(reply.actions, 0);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", id), 455);
	ck_assert_int_eq(ask("PAUSE", U, id), 200);
	ck_assert_uint_eq(reply.actions, RTSP_PAUSED);
	ck_assert_int_eq(ch->playing, 0);
	push(ch, 101, 9000);
	ck_assert_int_eq(sent, 1);
	now += NS_S / 10;
	ck_assert_int_eq(ask("PLAY", U, id), 200);
	ck_assert(says("RTP-Info: url=" U "/trackID=0;seq=102;rtptime=18000\r\n"));
	push(ch, 102, 9000);
	ck_assert_int_eq(sent, 2);
	ck_assert_int_eq(ask("TEARDOWN", U, id), 200);
	ck_assert_uint_eq(reply.actions, RTSP_TEARDOWN);
	ck_assert_ptr_null(rtsp_end(&rtsp, reply.session, true, now));
	ck_assert_int_eq(ask("TEARDOWN", U, id), 454);
	push(ch, 103, 9000);
	ck_assert_int_eq(sent, 2);
	ck_assert_int_eq(ch->users, 1);
}
END_TEST

START_TEST(test_play_that_cannot_be)
{
	char id[64], headers[128];

	publish(SDP2, "/news");
	ck_assert_int_eq(ask("PLAY", U, ""), 454);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", UDP("5000-5001")), 200);
	snprintf(id, sizeof(id), "%s", session());
	ck_assert_int_eq(ask("PLAY", U "/trackID=0", id), 460);
	ck_assert_int_eq(ask("TEARDOWN", U "/trackID=0", id), 460);
	snprintf(headers, sizeof(headers), "%sRange: npt=5-\r\n", id);
	ck_assert_int_eq(ask("PLAY", U, headers), 457);
	snprintf(headers, sizeof(headers), "%sRange: npt=now-\r\n", id);
	ck_assert_int_eq(ask("PLAY", U, headers), 200);
}
END_TEST

START_TEST(test_a_session_is_only_its_hosts)
{
	char request[256];

	publish(SDP1, "/news");
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	snprintf(request, sizeof(request), "TEARDOWN " U " RTSP/1.0\r\nCSeq: 1\r\n%s\r\n",
		session());
	ck_assert_int_eq(ask_on(&other, request), 454);
	ck_assert_int_eq(ask_on(&conn, request), 200);
}
END_TEST

/* "SETUP U" of the session `id` over a connection, with a transport. */
static int set_up_on(struct rtsp_conn *c, const char *id, const char *transport)
{
	char request[512];

	snprintf(request, sizeof(request), "SETUP " U " RTSP/1.0\r\nCSeq: 1\r\n%s%s\r\n", id,
		transport);
	return ask_on(c, request);
}

/* Its frames would go to that connection after it is gone. */
START_TEST(test_a_session_is_not_moved_to_another_connection)
{
	struct rtsp_conn second = {.shell = &second};
	char id[64];

	publish(SDP1, "/news");
	second.peer = conn.peer;
	addr_set_port(&second.peer, 6666);
	conn.shell = &conn;
	ck_assert_int_eq(ask("SETUP", U, TCP("0-1")), 200);
	snprintf(id, sizeof(id), "%s", session());
	ck_assert_int_eq(set_up_on(&second, id, TCP("0-1")), 461);
	ck_assert_ptr_eq(conn.first->m[0].rx.conn, &conn);
	ck_assert_ptr_null(second.first);
	ck_assert_int_eq(set_up_on(&second, id, UDP("5000-5001")), 200);
}
END_TEST

START_TEST(test_a_setup_that_is_refused_leaves_the_receiver_as_it_was)
{
	static struct rtsp_conn second; /* its session outlives this function */
	char id[64];

	publish(SDP1, "/news");
	second.peer = conn.peer;
	ck_assert_int_eq(set_up_on(&second, "", UDP("6000-6001")), 200);
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	snprintf(id, sizeof(id), "%s", session());
	ck_assert_int_eq(set_up_on(&conn, id, UDP("6000-6001")), 461);
	ck_assert_int_eq(set_up_on(&conn, id, UDP("5000-6001")), 461);
	ck_assert_int_eq(addr_port(&conn.first->m[0].rx.rtp), 5000);
	ck_assert_int_eq(addr_port(&conn.first->m[0].rx.rtcp), 5001);
	ck_assert_ptr_eq(sessions_peer(&rtsp.sessions, &conn.first->m[0].rx.rtp, false)->session,
		conn.first);
	ck_assert_int_eq(set_up_on(&conn, id, UDP("5000-5003")), 200);
}
END_TEST

START_TEST(test_a_session_stays_with_its_presentation)
{
	char headers[256];

	publish(SDP1, "/news");
	other.publish = NULL;
	publish(SDP1, "/sport");
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	snprintf(headers, sizeof(headers), UDP("5002-5003") "%s", session());
	ck_assert_int_eq(ask("SETUP", "rtsp://10.0.0.1/sport", headers), 455);
}
END_TEST

START_TEST(test_one_flight_without_a_session_id)
{
	publish(SDP2, "/news");
	ck_assert_int_eq(ask("SETUP", U "/trackID=0",
				 UDP("5000-5001") "Pipelined-Requests: 1\r\n" NEARCAST
						  "Nearcast-From: 65000\r\n"),
		200);
	ck_assert(says("Pipelined-Requests: 1\r\n"));
	ck_assert(says("Supported: nearcast.failover\r\n"));
	ck_assert_int_eq(
		ask("SETUP", U "/trackID=1", UDP("5002-5003") "Pipelined-Requests: 1\r\n" NEARCAST),
		200);
	ck_assert_int_eq(rtsp.sessions.players, 1);
	ck_assert_int_eq(ask("PLAY", U, "Pipelined-Requests: 2\r\n"), 454);
	ck_assert_int_eq(ask("PLAY", U, "Pipelined-Requests: 1\r\n"), 200);
	ck_assert(conn.first->nearcast);
	ck_assert_int_eq(conn.first->m[0].from.seq, 65000);
	ck_assert_int_eq(conn.first->m[1].from.seq, -1);
	ck_assert(says("seq=65000"));
	ck_assert_int_eq(ask("SETUP", U "/trackID=0",
				 UDP("5004-5005") "Pipelined-Requests: "
						  "1234567890123456789012345\r\n"),
		400);
}
END_TEST

START_TEST(test_play_from_a_number_tells_where_it_begins)
{
	struct channel *ch = publish(SDP1, "/news");

	for (uint16_t i = 0; i < 10; i++)
		push(ch, (uint16_t)(65530 + i), 1000u * i);
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001") "Nearcast-From: 65534\r\n"), 200);
	ck_assert(says(";ssrc=CAFEBABE"));
	ck_assert_int_eq(ask("PLAY", U, session()), 200);
	ck_assert(says("seq=65534;rtptime=4000\r\n"));
	relay_catch_up(&relay, now);
	ck_assert_int_eq(sent, 6);
	ck_assert_int_eq(ask("SETUP", U, UDP("5002-5003") "Nearcast-From: 65000\r\n"), 200);
	ck_assert_int_eq(ask("PLAY", U, session()), 200);
	ck_assert(says("seq=65530;rtptime=0\r\n"));
}
END_TEST

START_TEST(test_a_number_of_another_source_means_all_there_is_of_this_one)
{
	struct channel *ch = publish(SDP1, "/news");

	for (uint16_t i = 0; i < 10; i++)
		push(ch, (uint16_t)(65530 + i), 1000u * i);
	ck_assert_int_eq(
		ask("SETUP", U, UDP("5000-5001") "Nearcast-From: 65534;ssrc=CAFEBABE\r\n"), 200);
	ck_assert_int_eq(ask("PLAY", U, session()), 200);
	ck_assert(says("seq=65534;"));
	ck_assert_int_eq(
		ask("SETUP", U, UDP("5002-5003") "Nearcast-From: 2 ; ssrc=1234ABCD\r\n"), 200);
	ck_assert_int_eq(ask("PLAY", U, session()), 200);
	ck_assert(says("seq=65530;"));
	/* What is not known is ignored; what is wrong is not. */
	ck_assert_int_eq(ask("SETUP", U, UDP("5004-5005") "Nearcast-From: 2;colour=red\r\n"), 200);
	ck_assert_int_eq(ask("SETUP", U, UDP("5006-5007") "Nearcast-From: 2;ssrc=\r\n"), 400);
	ck_assert_int_eq(ask("SETUP", U, UDP("5006-5007") "Nearcast-From: 2;ssrc=red\r\n"), 400);
	ck_assert_int_eq(
		ask("SETUP", U, UDP("5006-5007") "Nearcast-From: 2;ssrc=1CAFEBABE\r\n"), 400);
	ck_assert_int_eq(ask("SETUP", U, UDP("5006-5007") "Nearcast-From: ;ssrc=1\r\n"), 400);
}
END_TEST

/* ---- with what a player begins ---- */

#define H264 "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n"

static void push_nal(struct channel *ch, uint16_t seq, uint8_t nal)
{
	uint8_t p[14] = {
		0x80, 96, 0, (uint8_t)seq, 0, 0, 0, (uint8_t)seq, 0xca, 0xfe, 0xba, 0xbe, nal};
	int64_t n;

	ck_assert_int_eq(relay_rtp(&relay, &ch->medium[0], p, sizeof(p), now, &n), RING_NEW);
	relay_flush(&relay);
}

/* A key frame is packet 12 of 10 to 19. */
static struct channel *publish_gop(void)
{
	struct channel *ch = publish(H264, "/news");

	rtsp.conf.start_at_key = true;
	for (uint16_t i = 10; i < 20; i++)
		push_nal(ch, i, i == 12 ? 0x65 : 0x41);
	return ch;
}

static bool plays_from(const char *port, const char *headers, const char *where)
{
	char setup[256];

	snprintf(setup, sizeof(setup), UDP("%s") "%s", port, headers);
	ck_assert_int_eq(ask("SETUP", U, setup), 200);
	ck_assert_int_eq(ask("PLAY", U, session()), 200);
	return says(where);
}

START_TEST(test_a_player_that_joins_late_begins_with_a_key_frame)
{
	struct channel *ch = publish_gop();

	ck_assert(plays_from("5000-5001", "", "seq=12;rtptime=12\r\n"));
	relay_catch_up(&relay, now);
	ck_assert_int_eq(sent, 8);
	push_nal(ch, 20, 0x41);
	ck_assert_int_eq(sent, 9);
}
END_TEST

START_TEST(test_a_player_begins_with_what_is_live_if_that_is_configured)
{
	publish_gop();
	rtsp.conf.start_at_key = false;
	ck_assert(plays_from("5000-5001", "", "seq=20;"));
}
END_TEST

START_TEST(test_who_fails_over_begins_with_a_key_frame_only_if_it_asks_for_one)
{
	publish_gop();
	ck_assert(plays_from("5000-5001", NEARCAST, "seq=20;"));
	ck_assert(plays_from("5002-5003", NEARCAST "Nearcast-From: 15\r\n", "seq=15;"));
	ck_assert(plays_from("5004-5005", NEARCAST "Nearcast-Start: keyframe\r\n", "seq=12;"));
	ck_assert(plays_from("5006-5007",
		NEARCAST "Nearcast-From: 15\r\nNearcast-Start: keyframe\r\n", "seq=15;"));
	ck_assert(plays_from("5008-5009", NEARCAST "Nearcast-Start: later\r\n", "seq=20;"));
}
END_TEST

START_TEST(test_a_player_that_has_paused_goes_on_with_what_is_live)
{
	char id[64];

	publish_gop();
	ck_assert(plays_from("5000-5001", "", "seq=12;"));
	snprintf(id, sizeof(id), "%s", session());
	ck_assert_int_eq(ask("PAUSE", U, id), 200);
	ck_assert_int_eq(ask("PLAY", U, id), 200);
	ck_assert(says("seq=20;"));
}
END_TEST

/* A source that has been silent for long, with the fastest clock that an SDP can name. */
START_TEST(test_play_tells_the_timestamp_whatever_the_clock_rate)
{
	struct channel *ch = publish("v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 X/4294967295\r\n"
				     "a=control:streamid=0\r\n",
		"/news");

	push(ch, 100, 0);
	now += 100LL * 24 * 3600 * NS_S;
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	ck_assert_int_eq(ask("PLAY", U, session()), 200);
	ck_assert(says("seq=101;rtptime=4286327296\r\n")); /* 2^32 - 8640000 */
}
END_TEST

START_TEST(test_many_connections_have_less_room_each)
{
	ck_assert_uint_eq(server_room(0), 2 << 20);
	ck_assert_uint_eq(server_room(100), 2 << 20);
	ck_assert_uint_le(server_room(1000) * 1000, 256 << 20);
	ck_assert_uint_ge(server_room(1000), 256 << 10);
	ck_assert_uint_eq(server_room(100000), 256 << 10);
}
END_TEST

START_TEST(test_keep_alive)
{
	char id[64], request[256];

	publish(SDP1, "/news");
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	snprintf(id, sizeof(id), "%s", session());
	now += 30 * NS_S;
	ck_assert_int_eq(ask("GET_PARAMETER", U, id), 200);
	ck_assert_int_eq(conn.first->active, now);
	snprintf(request, sizeof(request),
		"GET_PARAMETER " U " RTSP/1.0\r\nCSeq: 1\r\n%sContent-Length: 4\r\n\r\nabcd", id);
	ck_assert_int_eq(ask_on(&conn, request), 451);
	ck_assert_int_eq(ask("SET_PARAMETER", U, id), 200);
	ck_assert_int_eq(ask("GET_PARAMETER", U, ""), 200);
	ck_assert_int_eq(ask("GET_PARAMETER", U, "Session: nonsense\r\n"), 454);
	ck_assert_ptr_nonnull(session_silent(rtsp.sessions.first, 60 * NS_S, now + 60 * NS_S));
	ck_assert_ptr_eq(
		session_silent(rtsp.sessions.first, 60 * NS_S, now + 59 * NS_S), other.first);
	ck_assert_ptr_null(session_silent(other.first->next, 60 * NS_S, now + 59 * NS_S));
}
END_TEST

START_TEST(test_capacity_and_drain)
{
	publish(SDP1, "/news");
	rtsp.conf.max_sessions = 1;
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	ck_assert_int_eq(ask("SETUP", U, UDP("5002-5003")), 453);
	rtsp.conf.max_sessions = 0;
	rtsp.conf.max_kbps = 1000;
	rtsp.kbps = 999;
	rtsp.sessions.first->channel->kbps = 1;
	ck_assert_int_eq(ask("SETUP", U, UDP("5002-5003")), 200);
	ck_assert_uint_eq(rtsp.kbps, 1000); /* before it is measured */
	ck_assert_int_eq(ask("SETUP", U, UDP("5004-5005")), 453);
	ck_assert_uint_eq(rtsp.refused_capacity, 2);
	ck_assert_uint_eq(rtsp.attached, 2);
	rtsp.conf.max_kbps = 0;
	rtsp.draining = true;
	ck_assert_int_eq(ask("SETUP", U, UDP("5004-5005")), 503);
	ck_assert(says("Retry-After: 1\r\n"));
	ck_assert_int_eq(announce(&conn, "rtsp://10.0.0.1/b", SDP1), 503);
}
END_TEST

/* F4: what goes to a neighbour has the budget of the link to it, and each channel takes it once. */
START_TEST(test_a_link_takes_whole_channels_until_its_budget_is_used)
{
	static struct rtsp_conn third;
	struct channel *news = publish(SDP1, "/news");
	const struct rtsp_scope sn8 = {.neighbour = "sn8"}, sn9 = {.neighbour = "sn9"};
	struct budget_use use;

	third.peer = other.peer;
	news->kbps = 600;
	rtsp.conf.links = 1;
	snprintf(rtsp.conf.link[0].node, sizeof(rtsp.conf.link[0].node), "sn9");
	rtsp.conf.link[0].kbps = 1000;
	rtsp.conf.budget.assumed = 500;
	/* Anybody can say that he is a node: what counts is whose tunnel he comes through. */
	ck_assert_int_eq(ask("SETUP", U, UDP("5010-5011") "Nearcast-Via: sn7, sn9\r\n"), 200);
	admission_link(&rtsp, "sn9", &use);
	ck_assert_uint_eq(use.kbps[0], 0);
	conn.scope = &sn9;
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001") "Nearcast-Via: sn7, sn9\r\n"), 200);
	ck_assert_uint_eq(admission_link(&rtsp, "sn9", &use), 1000);
	ck_assert_uint_eq(use.kbps[0], 600);
	/* Again the same channel, over another path: it is there already. */
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: sn9\r\n"), 200);
	ck_assert_int_eq(ask("SETUP", U, UDP("5002-5003") "Nearcast-Via: sn9\r\n"), 200);
	ck_assert_uint_eq(admission_link(&rtsp, "sn9", &use), 1000);
	ck_assert_uint_eq(use.kbps[0], 600);

	rtsp_end(&rtsp, other.publish, true, now);
	memset(&other, 0, sizeof(other));
	other.peer = third.peer;
	publish(SDP1, "/sport"); /* of which nothing is known */
	ck_assert_int_eq(ask("DESCRIBE", "rtsp://10.0.0.1/sport", "Nearcast-Via: sn9\r\n"), 453);
	ck_assert_int_eq(
		ask("SETUP", "rtsp://10.0.0.1/sport", UDP("5004-5005") "Nearcast-Via: sn9\r\n"),
		453);
	ck_assert_uint_eq(rtsp.refused_budget, 2);
	/* Others have links of their own, and clients none. */
	conn.scope = &sn8;
	ck_assert_int_eq(ask("DESCRIBE", "rtsp://10.0.0.1/sport", "Nearcast-Via: sn8\r\n"), 200);
	conn.scope = NULL;
	ck_assert_int_eq(ask("SETUP", "rtsp://10.0.0.1/sport", UDP("5004-5005")), 200);
	/* A higher class has what a lower one may not have. */
	rtsp.conf.link[0].kbps = 1200;
	rtsp.conf.budget.classes = 2;
	snprintf(rtsp.conf.budget.of[0].paths, BUDGET_PATHS, "/sport");
	rtsp.conf.budget.of[0].share = 100;
	rtsp.conf.budget.of[1].share = 40;
	conn.scope = &sn9;
	ck_assert_int_eq(
		ask("SETUP", "rtsp://10.0.0.1/sport", UDP("5006-5007") "Nearcast-Via: sn9\r\n"),
		200);
}
END_TEST

START_TEST(test_a_refusal_for_want_of_bandwidth_is_remembered)
{
	struct channel *ch;
	uint32_t refused[REFUSALS_MAX];

	rtsp.conf.has_upstreams = true;
	ask("DESCRIBE", U, "");
	ck_assert_uint_eq(reply.actions, RTSP_SEEK | RTSP_WAIT);
	ch = reply.channel;
	channel_set_state(ch, CHANNEL_REFUSED, now);
	ch->refusal = 404;
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 404);
	ck_assert_int_eq(refusals_list(&rtsp.refusals, now, refused), 0);
	ch->refusal = 453;
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: sn9\r\n"), 453);
	ck_assert_int_eq(refusals_list(&rtsp.refusals, now, refused), 0);
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 453);
	ck_assert_int_eq(refusals_list(&rtsp.refusals, now, refused), 1);
	ck_assert_uint_eq(refused[0], announce_channel(SLICE("/news")));
	ck_assert_int_eq(refusals_list(&rtsp.refusals, now + RTSP_REFUSALS, refused), 0);
}
END_TEST

START_TEST(test_full_node_has_some_room_left_for_other_nodes)
{
	static struct rtsp_conn many[RTSP_NODE_PLACES + 2];
	int got = 0;

	publish(SDP1, "/news");
	rtsp.conf.max_sessions = 1;
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	ck_assert_int_eq(ask("SETUP", U, UDP("5002-5003")), 453);
	rtsp.conf.max_kbps = 800;
	rtsp.kbps = 899;
	ck_assert_int_eq(ask("SETUP", U, UDP("5002-5003") "Nearcast-Via: sn2\r\n"), 200);
	rtsp.kbps = 900;
	ck_assert_int_eq(ask("SETUP", U, UDP("5004-5005") "Nearcast-Via: sn2\r\n"), 453);
	rtsp.conf.max_kbps = 0;
	for (int i = 0; i < RTSP_NODE_PLACES + 2; i++) {
		char request[256];

		memset(&many[i], 0, sizeof(many[i]));
		many[i].peer = conn.peer;
		snprintf(request, sizeof(request),
			"SETUP " U
			" RTSP/1.0\r\nCSeq: 1\r\n" UDP("%d-%d") "Nearcast-Via: sn2\r\n\r\n",
			6000 + 2 * i, 6001 + 2 * i);
		got += ask_on(&many[i], request) == 200;
	}
	ck_assert_int_eq(got, RTSP_NODE_PLACES - 1);
	ck_assert_int_eq(rtsp.sessions.players, 1 + RTSP_NODE_PLACES);
}
END_TEST

START_TEST(test_sessions_of_a_connection_are_bounded)
{
	char headers[128];

	publish(SDP1, "/news");
	for (int i = 0; i <= RTSP_CONN_MAX; i++) {
		snprintf(headers, sizeof(headers),
			"Transport: RTP/AVP;unicast;client_port=%d-%d\r\n", 5000 + 2 * i,
			5001 + 2 * i);
		ck_assert_int_eq(ask("SETUP", U, headers), i < RTSP_CONN_MAX ? 200 : 453);
	}
}
END_TEST

START_TEST(test_publishing)
{
	struct channel *ch;
	struct session *s;
	char id[64];

	ck_assert_int_eq(announce(&conn, U, SDP2), 200);
	ck_assert_int_eq(announce(&conn, U, SDP2), 455);
	ck_assert_int_eq(ask("SETUP", U "/streamid=7", UDP("5000-5001")), 404);
	ck_assert_int_eq(ask("SETUP", U "/streamid=0", UDP("5000-5001")), 200);
	ck_assert(says(";mode=record"));
	snprintf(id, sizeof(id), "%s", session());
	ck_assert_ptr_null(channels_find(&channels, SLICE("/news")));
	ck_assert_int_eq(ask("PLAY", U, id), 455);
	ck_assert_int_eq(ask("RECORD", U, id), 200);
	ck_assert_uint_eq(reply.actions, RTSP_RECORDED);
	s = reply.session;
	ch = channels_find(&channels, SLICE("/news"));
	ck_assert_ptr_eq(ch, s->channel);
	ck_assert_int_eq(ch->state, CHANNEL_LIVE);
	ck_assert_int_eq(ch->media, 2);
	ck_assert_int_eq(ask("PAUSE", U, id), 200);
	ck_assert_int_eq(ask("RECORD", U, id), 200);
	ck_assert_int_eq(ask("TEARDOWN", U, id), 200);
	ck_assert_ptr_eq(rtsp_end(&rtsp, reply.session, true, now), ch);
	ck_assert_int_eq(ch->state, CHANNEL_ENDED);
	ck_assert_ptr_null(conn.publish);
}
END_TEST

START_TEST(test_publications_that_cannot_be)
{
	ck_assert_int_eq(announce(&conn, U, "nonsense"), 400);
	ck_assert_int_eq(announce(&conn, "rtsp://10.0.0.1/", SDP1), 400);
	ck_assert_int_eq(ask("ANNOUNCE", U, "Content-Type: text/plain\r\n"), 415);
	ck_assert_int_eq(ask("RECORD", U, ""), 454);
	addr_parse(&conn.peer, SLICE("11.0.0.1:5555"), 0);
	ck_assert_int_eq(announce(&conn, U, SDP1), 403);
	addr_parse(&conn.peer, SLICE("[fd00::5]:5555"), 0);
	ck_assert_int_eq(announce(&conn, U, SDP1), 200);
}
END_TEST

START_TEST(test_a_channel_is_recorded_under_a_path_that_can_be_asked_for)
{
	char request[512];

	ck_assert_int_eq(announce(&conn, U, SDP1), 200);
	ck_assert_int_eq(ask("SETUP", U "/streamid=0", TCP("0-1")), 200);
	snprintf(request, sizeof(request), "%s", session());
	ck_assert_int_eq(ask("RECORD", "rtsp://10.0.0.1/", request), 400);
	ck_assert_int_eq(ask("RECORD", "rtsp://10.0.0.1", request), 400);
	ck_assert_ptr_null(channels.first);
	ck_assert_int_eq(ask("RECORD", U, request), 200);
}
END_TEST

START_TEST(test_a_path_has_one_source)
{
	struct channel *ch = publish(SDP1, "/news");

	ck_assert_int_eq(announce(&conn, U, SDP1), 403);
	ch->local = false; /* as if it came from an upstream */
	ch->publisher = NULL;
	ck_assert_int_eq(announce(&conn, U, SDP1), 403);
	ch->local = true;
	ck_assert_int_eq(announce(&conn, U, SDP1), 200);
}
END_TEST

/* Two announce at once; who records first has it. */
START_TEST(test_the_second_to_record_is_refused)
{
	char id[64];

	ck_assert_int_eq(announce(&conn, U, SDP1), 200);
	ck_assert_int_eq(ask("SETUP", U "/streamid=0", UDP("5000-5001")), 200);
	snprintf(id, sizeof(id), "%s", session());
	publish(SDP1, "/news");
	ck_assert_int_eq(ask("RECORD", U, id), 403);
}
END_TEST

START_TEST(test_a_publisher_comes_back_within_the_grace)
{
	struct channel *ch = publish(SDP1, "/news");

	ck_assert_ptr_null(rtsp_end(&rtsp, other.first, false, now));
	ck_assert_int_eq(ch->grace, now + CHANNEL_GRACE);
	ck_assert_ptr_eq(publish(SDP1, "/news"), ch);
	push(ch, 100, 1000);
	ck_assert_ptr_null(rtsp_end(&rtsp, other.first, false, now));
	ck_assert_ptr_eq(publish(SDP1, "/news"), ch);
	ck_assert_int_eq(ch->grace, NS_NEVER);
	/* whose packets are there is not known: no player begins with them */
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	ck_assert(!says("ssrc="));
	ck_assert_int_eq(ask("PLAY", U, session()), 200);
	ck_assert(!says("RTP-Info"));
	ck_assert_int_eq(sent, 0);
	push(ch, 101, 1000);
	ck_assert_int_eq(sent, 1);
	ck_assert_ptr_null(rtsp_end(&rtsp, other.first, false, now));
	/* made differently it is another channel, and the old one ends */
	ck_assert_ptr_ne(publish(SDP2, "/news"), ch);
	ck_assert_int_eq(ch->grace, now);
	ck_assert(!ch->listed);
}
END_TEST

START_TEST(test_an_unknown_channel_is_sought_and_the_request_waits)
{
	struct channel *ch;

	ck_assert_int_eq(ask("DESCRIBE", U, ""), 404);
	rtsp.conf.has_upstreams = true;
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: a, b\r\n"), 0);
	ck_assert_uint_eq(reply.actions, RTSP_SEEK | RTSP_WAIT);
	ch = reply.channel;
	ck_assert_str_eq(ch->via, "a, b");
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", UDP("5000-5001")), 0);
	ck_assert_uint_eq(reply.actions, RTSP_WAIT);
	ck_assert_ptr_eq(reply.channel, ch);
	ck_assert_int_eq(rtsp.sessions.players, 0);
	ck_assert_int_eq(announce(&conn, U, SDP1), 403);
	ch->refusal = 504;
	channel_set_state(ch, CHANNEL_REFUSED, now);
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: a, b\r\n"), 504);
	ck_assert_int_eq(channel_describe(&channels, ch, SLICE(SDP1)), 0);
	channel_set_state(ch, CHANNEL_LIVE, now);
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 200);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", UDP("5000-5001")), 200);
}
END_TEST

/* An upstream may have refused since the request had come through it, or was said to have. */
START_TEST(test_a_refusal_is_of_those_who_came_the_same_way)
{
	struct channel *ch;

	rtsp.conf.has_upstreams = true;
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: up\r\n"), 0);
	ch = reply.channel;
	ch->refusal = 404;
	channel_set_state(ch, CHANNEL_REFUSED, now);
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: up\r\n"), 404);
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 0);
	ck_assert_uint_eq(reply.actions, RTSP_SEEK | RTSP_WAIT);
	ck_assert_ptr_ne(reply.channel, ch);
	ck_assert_str_eq(reply.channel->via, "");
	ck_assert(!ch->listed);
	/* What is refused whichever way one came is so for all. */
	reply.channel->refusal = 404;
	channel_set_state(reply.channel, CHANNEL_REFUSED, now);
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 404);
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: up\r\n"), 404);
}
END_TEST

START_TEST(test_what_ended_upstream_is_sought_again_for_a_new_player)
{
	struct channel *ch;

	rtsp.conf.has_upstreams = true;
	ck_assert_int_eq(ask("DESCRIBE", U, NEARCAST), 0);
	ch = reply.channel;
	ck_assert_int_eq(channel_describe(&channels, ch, SLICE(SDP1)), 0);
	channel_set_state(ch, CHANNEL_LIVE, now);
	push(ch, 65535, 1);
	channel_set_state(ch, CHANNEL_ENDED, now);
	/* who has played it still gets what is left, */
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001") FROM("65535;ssrc=CAFEBABE")), 200);
	ck_assert_int_eq(ask("DESCRIBE", U, NEARCAST), 0);
	ck_assert_uint_eq(reply.actions, RTSP_SEEK | RTSP_WAIT);
	ck_assert_ptr_ne(reply.channel, ch);
	ck_assert(!ch->listed);
	ck_assert_ptr_eq(conn.first->channel, ch);
	/* also when the name is another's, or is to be */
	ck_assert_int_eq(ask("SETUP", U, UDP("5002-5003") FROM("65535;ssrc=CAFEBABE")), 200);
	ck_assert_ptr_eq(conn.first->channel, ch);
	/* and nobody else does, though he comes from elsewhere, too */
	ck_assert_int_eq(ask("SETUP", U, UDP("5004-5005") FROM("65535;ssrc=CAFEBABF")), 0);
	ck_assert_uint_eq(reply.actions, RTSP_WAIT);
	channel_set_state(reply.channel, CHANNEL_ENDED, now);
	ck_assert_int_eq(ask("SETUP", U, UDP("5004-5005") FROM("65535;ssrc=CAFEBABF")), 0);
	ck_assert_uint_eq(reply.actions, RTSP_SEEK | RTSP_WAIT);
	channel_set_state(reply.channel, CHANNEL_ENDED, now);
	ck_assert_int_eq(ask("SETUP", U, UDP("5004-5005") NEARCAST), 0);
	ck_assert_uint_eq(reply.actions, RTSP_SEEK | RTSP_WAIT);
}
END_TEST

START_TEST(test_a_description_from_upstream_is_believed_for_a_moment)
{
	struct channel *ch;

	rtsp.conf.has_upstreams = true;
	ask("DESCRIBE", U, "");
	ch = reply.channel;
	ck_assert_int_eq(channel_describe(&channels, ch, SLICE(SDP1)), 0);
	channel_set_state(ch, CHANNEL_LIVE, now);
	now += CHANNEL_SULK - 1;
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 200);
	now += 1;
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001")), 200);
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 0);
	ck_assert_uint_eq(reply.actions, RTSP_SEEK | RTSP_WAIT);
	ck_assert(!ch->listed);
	/* of what comes from there an end would be told */
	ch = reply.channel;
	ck_assert_int_eq(channel_describe(&channels, ch, SLICE(SDP1)), 0);
	channel_set_state(ch, CHANNEL_LIVE, now);
	push(ch, 1, 1);
	now += CHANNEL_SULK;
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 200);
}
END_TEST

START_TEST(test_loops_are_refused)
{
	struct channel *ch = publish(SDP1, "/news");

	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: x, SN1\r\n"), 482);
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: sn11, xsn1\r\n"), 200);
	snprintf(ch->path_via, sizeof(ch->path_via), "sn2, sn9");
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001") "Nearcast-Via: sn3, sn2\r\n"), 482);
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001") "Nearcast-Via: sn3, sn9\r\n"), 482);
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001") "Nearcast-Via: sn3\r\n"), 200);
	ck_assert(says("Nearcast-Path: sn1, sn2, sn9\r\n"));
	ck_assert_uint_eq(rtsp.attached, 0); /* no client, and nobody that an ARN has sent */
	ck_assert_str_eq(conn.first->node, "sn3");
	ck_assert_uint_eq(rtsp.refused_loop, 3);
	rtsp.conf.has_upstreams = true;
	ck_assert_int_eq(ask("DESCRIBE", U "x", "Nearcast-Via: sn1\r\n"), 482);
}
END_TEST

START_TEST(test_a_neighbour_names_the_source_and_others_cannot)
{
	struct rtsp_scope end = {.neighbour = "sn2"};
	struct sources *all = &rtsp.conf.sources;

	publish(SDP1, "/news");
	addr_parse(&all->own, SLICE("10.77.0.1"), 0);
	addr_parse(&all->rule[0].address, SLICE("10.77.0.9"), 0);
	strcpy(all->rule[0].path, "/far");
	all->n = 1;
	addr_parse(&end.addr, SLICE("169.254.1.10"), 0);
	conn.scope = &end;
	/* Our own channel, by our own address; the same path of another source is another channel. */
	ck_assert_int_eq(ask("SETUP", U,
				 UDP("5000-5001") "Nearcast-Via: sn2\r\n"
						  "Nearcast-Source: 10.77.0.1\r\n"),
		200);
	ck_assert(says("source=169.254.1.10"));
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Source: 10.77.0.8\r\n"), 0);
	ck_assert_uint_eq(reply.actions, RTSP_SEEK | RTSP_WAIT);
	ck_assert_str_eq(reply.channel->origin, "@10.77.0.8");
	ck_assert_str_eq(reply.channel->path, "/news");
	/* Who is no neighbour is served by the rules. */
	conn.scope = NULL;
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Source: 10.77.0.8\r\n"), 200);
	ck_assert_int_eq(ask("DESCRIBE", "rtsp://10.0.0.1/far", ""), 0);
	ck_assert_str_eq(reply.channel->origin, "@10.77.0.9");
	/* What comes from elsewhere cannot be published here. */
	ck_assert_int_eq(announce(&other, "rtsp://10.0.0.1/far", SDP1), 403);
}
END_TEST

START_TEST(test_a_node_is_told_of_another_path)
{
	struct channel *ch = publish(SDP1, "/news");
	struct sbuf b;

	ck_assert_int_eq(ask("SETUP", U,
				 UDP("5000-5001") "Supported: nearcast.failover\r\n"
						  "Nearcast-Via: sn3\r\n"),
		200);
	ck_assert(rtsp_is_nodes(conn.first));
	snprintf(ch->path_via, sizeof(ch->path_via), "sn4, sn9");
	sbuf_init(&b, text, sizeof(text));
	rtsp_notify_path(&rtsp, conn.first, &b);
	ck_assert(says("PLAY_NOTIFY "));
	ck_assert(says("Notify-Reason: path-change\r\nNearcast-Path: sn1, sn4, sn9\r\n\r\n"));
}
END_TEST

START_TEST(test_an_ended_channel_is_only_for_who_fails_over)
{
	struct channel *ch = publish(SDP1, "/news");

	push(ch, 65535, 1);
	ck_assert_ptr_eq(rtsp_end(&rtsp, other.first, true, now), ch);
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 404);
	ck_assert_int_eq(ask("DESCRIBE", U, NEARCAST), 404);
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001") NEARCAST), 404);
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001") FROM("65535;ssrc=CAFEBABF")), 404);
	ck_assert_int_eq(ask("SETUP", U, UDP("5000-5001") FROM("65535;ssrc=CAFEBABE")), 200);
	ck_assert_int_eq(ask("PLAY", U, session()), 200);
	sbuf_init(&reply.text, text, sizeof(text));
	rtsp_notify_end(&rtsp, conn.first, &reply.text);
	ck_assert(says("PLAY_NOTIFY " U " RTSP/1.0\r\nCSeq: 1\r\nSession: "));
	ck_assert(says("Notify-Reason: end-of-stream\r\n"));
	ck_assert(says("RTP-Info: url=" U "/trackID=0;seq=65535\r\n\r\n"));
	/* and a new publication may take the name */
	ck_assert_ptr_ne(publish(SDP1, "/news"), ch);
	ck_assert_int_eq(ask("SETUP", U, UDP("5002-5003") FROM("65535;ssrc=CAFEBABE")), 200);
	ck_assert_ptr_eq(conn.first->channel, ch);
}
END_TEST

START_TEST(test_interleaved_channels_belong_to_media)
{
	int medium;
	bool rtcp;

	publish(SDP2, "/news");
	ck_assert_int_eq(ask("SETUP", U "/trackID=1", TCP("6-9")), 200);
	ck_assert_ptr_eq(rtsp_conn_channel(&conn, 6, &medium, &rtcp), conn.first);
	ck_assert_int_eq(medium, 1);
	ck_assert(!rtcp);
	ck_assert_ptr_nonnull(rtsp_conn_channel(&conn, 9, &medium, &rtcp));
	ck_assert(rtcp);
	ck_assert_ptr_null(rtsp_conn_channel(&conn, 0, &medium, &rtcp));
}
END_TEST

START_TEST(test_prefix_lists)
{
	struct prefix p[RTSP_PREFIXES_MAX];
	char many[512] = "10.0.0.0/8";

	ck_assert_int_eq(rtsp_prefixes("", p), 0);
	ck_assert_int_eq(rtsp_prefixes(" 10.0.0.0/8 ,::/0", p), 2);
	ck_assert_int_lt(rtsp_prefixes("10.0.0.1/8", p), 0);
	ck_assert_int_lt(rtsp_prefixes("10.0.0.0/8,,::/0", p), 0);
	for (int i = 1; i < RTSP_PREFIXES_MAX; i++)
		strcat(many, ",10.0.0.0/8");
	ck_assert_int_eq(rtsp_prefixes(many, p), RTSP_PREFIXES_MAX);
	strcat(many, ",::/0");
	ck_assert_int_lt(rtsp_prefixes(many, p), 0);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, test_options_tells_methods_and_feature);
	tcase_add_test(t, test_what_is_no_request_of_ours_is_refused);
	tcase_add_test(t, test_describe_gives_the_rewritten_sdp);
	tcase_add_test(t, test_a_path_that_is_too_long_is_refused);
	tcase_add_test(t, test_setup_over_udp);
	tcase_add_test(t, test_setup_over_tcp_picks_free_channels);
	tcase_add_test(t, test_setups_that_cannot_be);
	tcase_add_test(t, test_the_only_medium_needs_no_track_and_a_control_may_follow_the_query);
	tcase_add_test(t, test_play_pause_play_teardown);
	tcase_add_test(t, test_play_that_cannot_be);
	tcase_add_test(t, test_a_session_is_only_its_hosts);
	tcase_add_test(t, test_a_session_is_not_moved_to_another_connection);
	tcase_add_test(t, test_a_setup_that_is_refused_leaves_the_receiver_as_it_was);
	tcase_add_test(t, test_a_session_stays_with_its_presentation);
	tcase_add_test(t, test_one_flight_without_a_session_id);
	tcase_add_test(t, test_play_from_a_number_tells_where_it_begins);
	tcase_add_test(t, test_a_number_of_another_source_means_all_there_is_of_this_one);
	tcase_add_test(t, test_a_player_that_joins_late_begins_with_a_key_frame);
	tcase_add_test(t, test_a_player_begins_with_what_is_live_if_that_is_configured);
	tcase_add_test(t, test_who_fails_over_begins_with_a_key_frame_only_if_it_asks_for_one);
	tcase_add_test(t, test_a_player_that_has_paused_goes_on_with_what_is_live);
	tcase_add_test(t, test_play_tells_the_timestamp_whatever_the_clock_rate);
	tcase_add_test(t, test_many_connections_have_less_room_each);
	tcase_add_test(t, test_keep_alive);
	tcase_add_test(t, test_capacity_and_drain);
	tcase_add_test(t, test_a_link_takes_whole_channels_until_its_budget_is_used);
	tcase_add_test(t, test_a_refusal_for_want_of_bandwidth_is_remembered);
	tcase_add_test(t, test_full_node_has_some_room_left_for_other_nodes);
	tcase_add_test(t, test_sessions_of_a_connection_are_bounded);
	tcase_add_test(t, test_publishing);
	tcase_add_test(t, test_publications_that_cannot_be);
	tcase_add_test(t, test_a_channel_is_recorded_under_a_path_that_can_be_asked_for);
	tcase_add_test(t, test_a_path_has_one_source);
	tcase_add_test(t, test_the_second_to_record_is_refused);
	tcase_add_test(t, test_a_publisher_comes_back_within_the_grace);
	tcase_add_test(t, test_an_unknown_channel_is_sought_and_the_request_waits);
	tcase_add_test(t, test_loops_are_refused);
	tcase_add_test(t, test_a_neighbour_names_the_source_and_others_cannot);
	tcase_add_test(t, test_a_node_is_told_of_another_path);
	tcase_add_test(t, test_an_ended_channel_is_only_for_who_fails_over);
	tcase_add_test(t, test_a_refusal_is_of_those_who_came_the_same_way);
	tcase_add_test(t, test_what_ended_upstream_is_sought_again_for_a_new_player);
	tcase_add_test(t, test_a_description_from_upstream_is_believed_for_a_moment);
	tcase_add_test(t, test_interleaved_channels_belong_to_media);
	tcase_add_test(t, test_prefix_lists);
}

int main(void)
{
	TCase *t = tcase_create("rtsp");

	tcase_add_checked_fixture(t, setup, teardown);
	add_tests(t);
	return run_case("rtsp", t);
}
