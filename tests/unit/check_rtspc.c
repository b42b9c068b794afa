/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RTSP client's core, played against scripted answers. Whatever the server says is fed twice
 * in each test: whole, and byte by byte (the loop test's index); both have to give the same.
 */
#include "lib/rtspc.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define SDP2                                                                                       \
	"v=0\r\no=- 1 1 IN IP4 10.2.0.6\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"    \
	"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n"                \
	"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000\r\na=control:trackID=1\r\n"
#define NC "Supported: foo, nearcast.failover\r\n"

static struct rtspc *c;
static struct rtspc_event ev;
static char sent[65536]; /* all RTSPC_SEND since the last expect_sent */
static struct rtspc_event seen[64];
static char text[64][512]; /* their data, which lives only until the next call */
static int seens, bytewise;

static void drain(void)
{
	while (rtspc_next(c, &ev) != RTSPC_NONE) {
		if (ev.kind == RTSPC_SEND) {
			size_t n = strlen(sent);
			ck_assert(n + ev.data.n < sizeof sent);
			memcpy(sent + n, ev.data.p, ev.data.n);
			sent[n + ev.data.n] = '\0';
			continue;
		}
		ck_assert_int_lt(seens, 64);
		seen[seens] = ev;
		snprintf(text[seens++], sizeof text[0], SLICE_FMT, SLICE_ARG(ev.data));
	}
}

/* Hands over n bytes as a stream would: what is not consumed comes again with more. */
static void feed_n(const char *p, size_t n, ns_t now)
{
	static uint8_t buf[131072];
	size_t have = 0, at = 0;

	while (at < n || have) {
		size_t add = bytewise ? (at < n ? 1 : 0) : n - at, used;
		if (add == 0 && bytewise)
			break;
		memcpy(buf + have, p + at, add);
		have += add;
		at += add;
		do {
			/* A block of its own, so that ASan sees a byte too far. */
			uint8_t *exact = malloc(have ? have : 1);
			memcpy(exact, buf, have);
			used = rtspc_input(c, exact, have, now);
			ck_assert_uint_le(used, have);
			drain();
			free(exact);
			memmove(buf, buf + used, have - used);
			have -= used;
		} while (used && have);
		if (!bytewise)
			break;
	}
	ck_assert_msg(have == 0, "%zu bytes were left", have);
}

static void feed(const char *z)
{
	feed_n(z, strlen(z), 0);
}

#define expect_sent(part)                                                                          \
	ck_assert_msg(strstr(sent, part) != NULL, "not sent: '%s', but '%s'", part, sent)
#define expect_not_sent(part)                                                                      \
	ck_assert_msg(strstr(sent, part) == NULL, "sent: '%s' in '%s'", part, sent)

static const struct rtspc_event *expect_one(enum rtspc_event_kind kind)
{
	ck_assert_int_eq(seens, 1);
	ck_assert_int_eq(seen[0].kind, kind);
	seens = 0;
	return &seen[0];
}

static void begin(const char *avoid, const char *sdp)
{
	c = rtspc_new("rtsp://10.2.0.6/live/a", avoid, "test", slice_of(sdp));
	ck_assert_ptr_nonnull(c);
	seens = 0;
	sent[0] = '\0';
	rtspc_start(c, 0);
	drain();
}

static void end(void)
{
	rtspc_free(c);
	c = NULL;
}

static void teardown(void)
{
	end();
}

static void setup2(int64_t from0, int64_t from1)
{
	const struct rtspc_media_conf m[2] = {{5000, {.seq = from0}}, {5002, {.seq = from1}}};

	sent[0] = '\0';
	ck_assert_int_eq(rtspc_setup(c, m, 2, 0), 0);
	drain();
}

static void answer(int cseq, const char *status, const char *headers, const char *body)
{
	char buf[4096];

	snprintf(buf, sizeof buf, "RTSP/1.0 %s\r\nCSeq: %d\r\n%sContent-Length: %zu\r\n\r\n%s",
		status, cseq, headers, strlen(body), body);
	feed(buf);
}

static void describe_answered(const char *headers)
{
	answer(1, "200 OK", headers, SDP2);
	expect_one(RTSPC_DESCRIBED);
}

static void setup_answered(int cseq, int pair, const char *more)
{
	char h[512];

	snprintf(h, sizeof h,
		"Session: abc;timeout=20\r\nTransport: RTP/AVP;unicast;client_port=%d-%d;"
		"server_port=7704-7705;ssrc=0000BEEF\r\n%s",
		pair, pair + 1, more);
	answer(cseq, "200 OK", h, "");
}

static void play_nearcast(void)
{
	begin(NULL, SDP2);
	setup2(-1, -1);
	setup_answered(1, 5000, NC);
	setup_answered(2, 5002, NC);
	answer(3, "200 OK", "Session: abc\r\n", "");
	expect_one(RTSPC_PLAYING);
	sent[0] = '\0';
}

START_TEST(test_bad_urls_make_no_client)
{
	static const char *const bad[] = {"", "x", "http://h/x", "rtsp://", "rtsp://h:99999/x"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_ptr_null(rtspc_new(bad[i], NULL, "t", slice_of("")));
	ck_assert_ptr_null(rtspc_new("rtsp://h/x", NULL, "t", slice_of("no sdp")));
	ck_assert_ptr_null(rtspc_new("rtsp://h/x", "a\r\nEvil: b", "t", slice_of("")));
}
END_TEST

START_TEST(test_transaction_follows_the_redirection)
{
	bytewise = _i;
	begin("10.2.0.6, 10.2.0.7", "");
	expect_sent("DESCRIBE rtsp://10.2.0.6/live/a RTSP/1.0\r\nCSeq: 1\r\n");
	expect_sent("Nearcast-Avoid: 10.2.0.6, 10.2.0.7\r\n");
	expect_sent("Supported: nearcast.failover\r\n");
	answer(1, "302 Found", "Location: rtsp://10.2.0.9:8554/live/a\r\n", "");
	expect_one(RTSPC_REDIRECT);
	ck_assert_str_eq(text[0], "rtsp://10.2.0.9:8554/live/a");
	feed("what comes after the end is swallowed");
	ck_assert_int_eq(seens, 0);
}
END_TEST

START_TEST(test_redirection_without_location_is_a_failure)
{
	begin(NULL, "");
	answer(1, "302 Found", "", "");
	expect_one(RTSPC_FAILED);
}
END_TEST

START_TEST(test_refusal_tells_status_and_retry_after)
{
	bytewise = _i;
	begin(NULL, "");
	answer(1, "503 Service Unavailable", "Retry-After: 3\r\n", "");
	const struct rtspc_event *e = expect_one(RTSPC_FAILED);
	ck_assert_int_eq(e->status, 503);
	ck_assert_int_eq(e->retry_after, 3);
	ck_assert_str_eq(text[0], "Service Unavailable");
	end();
	begin(NULL, "");
	answer(1, "404 Not Found", "", "");
	ck_assert_int_eq(expect_one(RTSPC_FAILED)->retry_after, -1);
}
END_TEST

START_TEST(test_nearcast_peer_gets_all_in_one_flight)
{
	bytewise = _i;
	begin(NULL, "");
	describe_answered("Content-Base: rtsp://10.2.0.6/live/a/\r\n" NC);
	ck_assert(rtspc_peer_is_nearcast(c));
	ck_assert_int_eq(seen[0].sdp->medias, 2);
	ck_assert(slice_eq(rtspc_sdp_text(c), SLICE(SDP2)));
	setup2(70000, 5);
	expect_sent("SETUP rtsp://10.2.0.6/live/a/trackID=0 RTSP/1.0\r\nCSeq: 2\r\n");
	expect_sent("SETUP rtsp://10.2.0.6/live/a/trackID=1 RTSP/1.0\r\nCSeq: 3\r\n");
	expect_sent("PLAY rtsp://10.2.0.6/live/a/ RTSP/1.0\r\nCSeq: 4\r\n");
	expect_sent("Transport: RTP/AVP;unicast;client_port=5000-5001\r\n");
	expect_sent("Transport: RTP/AVP;unicast;client_port=5002-5003\r\n");
	expect_sent("Nearcast-From: 4464\r\n"); /* 16 bits of it */
	expect_sent("Nearcast-From: 5\r\n");
	int pipelined = 0;
	for (const char *z = sent; (z = strstr(z, "Pipelined-Requests: 1\r\n")); z++)
		pipelined++;
	ck_assert_int_eq(pipelined, 3);
	expect_not_sent("Session:");
	setup_answered(2, 5000, "");
	setup_answered(3, 5002, "");
	answer(4, "200 OK",
		"Session: abc\r\nRTP-Info: url=rtsp://10.2.0.6/live/a/trackID=1;seq=77;rtptime=1,"
		"url=rtsp://10.2.0.6/live/a/trackID=0;seq=65535\r\n",
		"");
	const struct rtspc_event *e = expect_one(RTSPC_PLAYING);
	ck_assert_int_eq(e->medias, 2);
	ck_assert_int_eq(e->media[0].first, 65535);
	ck_assert_int_eq(e->media[1].first, 77);
	ck_assert_int_eq(addr_port(&e->media[1].rtp), 7704);
	ck_assert_int_eq(addr_port(&e->media[1].rtcp), 7705);
	char buf[ADDR_STRLEN];
	ck_assert_str_eq(addr_host(&e->media[0].rtp, buf), "10.2.0.6");
	ck_assert(e->media[0].has_ssrc);
	ck_assert_uint_eq(e->media[0].ssrc, 0xbeef);
}
END_TEST

START_TEST(test_a_film_is_asked_for_by_its_time_and_then_by_its_packet)
{
	struct rtspc_media_conf m = {.client_port = 5000, .from = {.seq = -1}};

	begin(NULL, SDP2);
	rtspc_set_begin(c, 20 * NS_S + 500 * NS_MS);
	ck_assert_int_eq(rtspc_setup(c, &m, 1, 0), 0);
	drain();
	expect_sent("Range: npt=20.500-\r\n");
	expect_not_sent("Nearcast-From");
	setup_answered(1, 5000, NC);
	answer(2, "200 OK",
		"Session: abc\r\nRTP-Info: url=x;seq=7;rtptime=1;packet=123456789012\r\n", "");
	ck_assert_int_eq(expect_one(RTSPC_PLAYING)->media[0].packet, 123456789012);
	end();
	begin(NULL, SDP2); /* what no film has is not told */
	ck_assert_int_eq(rtspc_setup(c, &m, 1, 0), 0);
	drain();
	setup_answered(1, 5000, NC);
	answer(2, "200 OK",
		"Session: abc\r\nRTP-Info: url=x;seq=7;rtptime=1;packet=9223372036854775807\r\n",
		"");
	ck_assert_int_eq(expect_one(RTSPC_PLAYING)->media[0].packet, -1);
	end();
	begin(NULL, SDP2);
	rtspc_set_begin(c, 20 * NS_S);
	m = (struct rtspc_media_conf){.client_port = 5000,
		.from = {.seq = 65537,
			.has_ssrc = true,
			.ssrc = 0xbeef,
			.has_packet = true,
			.packet = 123456789012}};
	ck_assert_int_eq(rtspc_setup(c, &m, 1, 0), 0);
	drain();
	expect_sent("Nearcast-From: 1;ssrc=0000beef;packet=123456789012\r\n");
	expect_not_sent("Range");
}
END_TEST

START_TEST(test_known_sdp_needs_no_describe)
{
	begin(NULL, SDP2);
	ck_assert_str_eq(sent, "");
	setup2(-1, 9);
	expect_not_sent("DESCRIBE");
	expect_sent("SETUP rtsp://10.2.0.6/live/a/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n");
	expect_sent("Nearcast-From: 9\r\n");
	expect_sent("PLAY rtsp://10.2.0.6/live/a RTSP/1.0\r\nCSeq: 3\r\n");
	ck_assert_ptr_null(strstr(strstr(sent, "Nearcast-From") + 1, "Nearcast-From"));
}
END_TEST

START_TEST(test_answers_may_come_in_any_order)
{
	begin(NULL, SDP2);
	setup2(-1, -1);
	setup_answered(2, 5002, NC);
	setup_answered(1, 5000, NC);
	ck_assert_int_eq(seens, 0);
	answer(77, "500 Not for us", "", "");
	ck_assert_int_eq(seens, 0);
	answer(3, "200 OK", "Session: abc\r\n", "");
	expect_one(RTSPC_PLAYING);
}
END_TEST

START_TEST(test_whole_flight_answered_in_one_piece)
{
	const char *all = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n" NC
			  "Session: s\r\nTransport: RTP/AVP;unicast;client_port=5000-5001;"
			  "server_port=2-3\r\n\r\n"
			  "RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: s\r\nTransport: RTP/AVP;unicast;"
			  "client_port=5002-5003;server_port=2-3;source=10.9.9.9\r\n\r\n"
			  "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: s\r\n\r\n"
			  "PLAY_NOTIFY rtsp://10.2.0.6/live/a RTSP/1.0\r\nCSeq: 8\r\nSession: s\r\n"
			  "Notify-Reason: end-of-stream\r\n\r\n";
	char buf[ADDR_STRLEN];

	bytewise = _i;
	begin(NULL, SDP2);
	setup2(-1, -1);
	feed(all);
	ck_assert_int_eq(seens, 2);
	ck_assert_int_eq(seen[0].kind, RTSPC_PLAYING);
	ck_assert_str_eq(addr_host(&seen[0].media[1].rtp, buf), "10.9.9.9");
	ck_assert_int_eq(seen[0].media[0].first, -1);
	ck_assert_int_eq(seen[1].kind, RTSPC_ENDED);
	ck_assert_int_eq(seen[1].media[0].last, -1);
}
END_TEST

START_TEST(test_nearcast_peer_that_refuses_a_setup_ends_it)
{
	begin(NULL, SDP2);
	setup2(-1, -1);
	setup_answered(1, 5000, NC);
	answer(2, "404 Not Found", NC, "");
	ck_assert_int_eq(expect_one(RTSPC_FAILED)->status, 404);
	answer(3, "454 Session Not Found", NC, "");
	ck_assert_int_eq(seens, 0);
}
END_TEST

START_TEST(test_redirection_of_a_setup_is_told)
{
	begin(NULL, SDP2);
	setup2(-1, -1);
	answer(1, "302 Moved", NC "Location: rtsp://10.2.0.9/live/a\r\n", "");
	expect_one(RTSPC_REDIRECT);
}
END_TEST

START_TEST(test_plain_server_is_asked_step_by_step)
{
	bytewise = _i;
	begin(NULL, "");
	describe_answered("");
	ck_assert(!rtspc_peer_is_nearcast(c));
	setup2(-1, -1);
	expect_sent("SETUP rtsp://10.2.0.6/live/a/trackID=0 ");
	expect_not_sent("trackID=1");
	expect_not_sent("Pipelined");
	sent[0] = '\0';
	setup_answered(2, 5000, "");
	expect_sent("SETUP rtsp://10.2.0.6/live/a/trackID=1 ");
	expect_sent("Session: abc\r\n");
	sent[0] = '\0';
	setup_answered(3, 5002, "");
	expect_sent("PLAY rtsp://10.2.0.6/live/a RTSP/1.0");
	answer(4, "200 OK", "Session: abc\r\n", "");
	expect_one(RTSPC_PLAYING);
}
END_TEST

START_TEST(test_plain_server_that_refuses_the_flight_plays_in_the_end)
{
	begin(NULL, SDP2);
	setup2(-1, -1);
	setup_answered(1, 5000, "");
	answer(2, "200 OK",
		"Session: other\r\nTransport: RTP/AVP;unicast;client_port=5002-5003\r\n", "");
	sent[0] = '\0';
	answer(3, "454 Session Not Found", "", "");
	ck_assert_int_eq(seens, 0);
	expect_sent("TEARDOWN rtsp://10.2.0.6/live/a/trackID=1 RTSP/1.0\r\nCSeq: 4\r\n");
	expect_sent("Session: other\r\n");
	expect_sent("SETUP rtsp://10.2.0.6/live/a/trackID=1 RTSP/1.0\r\nCSeq: 5\r\n");
	answer(4, "200 OK", "", "");
	sent[0] = '\0';
	setup_answered(5, 5002, "");
	expect_sent("PLAY rtsp://10.2.0.6/live/a RTSP/1.0\r\nCSeq: 6\r\n");
	expect_sent("Session: abc\r\n");
	answer(6, "200 OK", "Session: abc\r\n", "");
	expect_one(RTSPC_PLAYING);
}
END_TEST

START_TEST(test_server_that_gives_each_medium_a_session_is_a_failure)
{
	begin(NULL, "");
	describe_answered("");
	setup2(-1, -1);
	setup_answered(2, 5000, "");
	sent[0] = '\0';
	answer(3, "200 OK",
		"Session: other\r\nTransport: RTP/AVP;unicast;client_port=5002-5003\r\n", "");
	expect_one(RTSPC_FAILED);
	expect_not_sent("SETUP");
}
END_TEST

START_TEST(test_session_that_is_too_long_is_a_failure)
{
	char headers[600];

	begin(NULL, "");
	describe_answered("");
	setup2(-1, -1);
	sent[0] = '\0';
	snprintf(headers, sizeof headers,
		"Session: %0300d\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n", 1);
	answer(2, "200 OK", headers, "");
	expect_one(RTSPC_FAILED);
	expect_not_sent("SETUP");
}
END_TEST

START_TEST(test_transport_other_than_asked_for_is_a_failure)
{
	begin(NULL, SDP2);
	setup2(-1, -1);
	answer(1, "200 OK", NC "Session: a\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n", "");
	expect_one(RTSPC_FAILED);
	end();
	begin(NULL, SDP2);
	setup2(-1, -1);
	answer(1, "200 OK", NC "Transport: RTP/AVP;unicast;server_port=2-3\r\n", "");
	expect_one(RTSPC_FAILED);
}
END_TEST

START_TEST(test_end_of_stream_tells_the_last_numbers_and_is_answered)
{
	bytewise = _i;
	play_nearcast();
	feed("PLAY_NOTIFY rtsp://10.2.0.6/live/a RTSP/1.0\r\nCSeq: 41\r\nSession: abc\r\n"
	     "Notify-Reason: end-of-stream\r\n"
	     "RTP-Info: url=rtsp://10.2.0.6/live/a/trackID=0;seq=12, "
	     "url=rtsp://10.2.0.6/live/a/trackID=1;seq=65535\r\n\r\n");
	const struct rtspc_event *e = expect_one(RTSPC_ENDED);
	ck_assert_int_eq(e->media[0].last, 12);
	ck_assert_int_eq(e->media[1].last, 65535);
	ck_assert_int_eq(e->medias, 2);
	expect_sent("RTSP/1.0 200 OK\r\nCSeq: 41\r\n");
	expect_sent("Session: abc\r\n");
}
END_TEST

START_TEST(test_group_is_told_to_who_can_join)
{
	char buf[ADDR_STRLEN];

	play_nearcast();
	rtspc_can_join(c);
	feed("PLAY_NOTIFY rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\nNotify-Reason: nearcast-group\r\n"
	     "Nearcast-Group: 239.255.78.67;port=7710;ttl=1\r\n\r\n");
	ck_assert_str_eq(addr_str(&expect_one(RTSPC_GROUP)->group, buf), "239.255.78.67:7710");
	expect_sent("RTSP/1.0 200 OK\r\nCSeq: 1\r\n");
	sent[0] = '\0';
	rtspc_deliver(c, true);
	drain();
	expect_sent("SET_PARAMETER rtsp://10.2.0.6/live/a");
	expect_sent("Supported: nearcast.failover, nearcast.multicast\r\n");
	expect_sent("Nearcast-Delivery: multicast\r\n");
	seens = 0;
	feed("RTSP/1.0 455 Method Not Valid\r\nCSeq: 5\r\n\r\n");
	ck_assert_int_eq(seens, 0);
	sent[0] = '\0';
	rtspc_deliver(c, false);
	drain();
	expect_sent("Nearcast-Delivery: unicast\r\n");
}
END_TEST

START_TEST(test_groups_that_cannot_be_are_not_joined)
{
	static const char *const bad[] = {"10.0.0.1;port=7710", "239.1.1.1", "239.1.1.1;port=0",
		"239.1.1.1;port=65535", "239.1.1.1:5;port=7710", "x;port=7710", "",
		"[ff02::1];port=x"};

	play_nearcast();
	for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
		char request[256];
		bool last = i == sizeof bad / sizeof bad[0]; /* a good one, but we cannot join */

		snprintf(request, sizeof request,
			"PLAY_NOTIFY rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\n"
			"Notify-Reason: nearcast-group\r\nNearcast-Group: %s\r\n\r\n",
			last ? "239.1.1.1;port=7710" : bad[i]);
		if (!last) {
			rtspc_can_join(c);
		} else {
			rtspc_free(c);
			play_nearcast();
		}
		feed(request);
		ck_assert_int_eq(seens, 0);
	}
}
END_TEST

START_TEST(test_other_requests_of_the_server_are_answered)
{
	play_nearcast();
	feed("PLAY_NOTIFY rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\nNotify-Reason: scale-change\r\n\r\n");
	expect_sent("RTSP/1.0 200 OK\r\nCSeq: 1\r\n");
	sent[0] = '\0';
	feed("OPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n");
	expect_sent("Public: ");
	sent[0] = '\0';
	feed("\r\nEXPLODE * RTSP/1.0\r\nCSeq: 3\r\n\r\n");
	expect_sent("RTSP/1.0 501 Not Implemented\r\nCSeq: 3\r\n");
	ck_assert_int_eq(seens, 0);
	feed("REDIRECT rtsp://h/x RTSP/1.0\r\nCSeq: 4\r\nLocation: rtsp://10.2.0.9/x\r\n\r\n");
	expect_one(RTSPC_REDIRECT);
	ck_assert_str_eq(text[0], "rtsp://10.2.0.9/x");
}
END_TEST

START_TEST(test_interleaved_frames_come_with_the_channel_we_asked_for)
{
	const struct rtspc_media_conf m[2] = {{0, {.seq = -1}}, {0, {.seq = -1}}};
	/* The server chose channels 4-5 for the second medium; 9 is nobody's. */
	static const char frames[] = "$\0\0\3abc"
				     "$\5\0\1d"
				     "$\11\0\1x"
				     "$\4\0\0";

	bytewise = _i;
	begin(NULL, SDP2);
	sent[0] = '\0';
	ck_assert_int_eq(rtspc_setup(c, m, 2, 0), 0);
	drain();
	expect_sent("Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n");
	answer(1, "200 OK", NC "Session: a\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
		"");
	answer(2, "200 OK", NC "Session: a\r\nTransport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n",
		"");
	answer(3, "200 OK", "Session: a\r\n", "");
	ck_assert(expect_one(RTSPC_PLAYING)->media[1].tcp);
	feed_n(frames, sizeof frames - 1, 0);
	ck_assert_int_eq(seens, 3);
	ck_assert_int_eq(seen[0].kind, RTSPC_FRAME);
	ck_assert_int_eq(seen[0].channel, 0);
	ck_assert_str_eq(text[0], "abc");
	ck_assert_int_eq(seen[1].channel, 3);
	ck_assert_str_eq(text[1], "d");
	ck_assert_int_eq(seen[2].channel, 2);
	ck_assert_uint_eq(seen[2].data.n, 0);
}
END_TEST

START_TEST(test_keep_alive_before_half_the_timeout)
{
	play_nearcast();
	ns_t at = rtspc_when(c);
	ck_assert(at > 0 && at < 10 * NS_S);
	rtspc_tick(c, at - 1);
	drain();
	ck_assert_str_eq(sent, "");
	rtspc_tick(c, at);
	drain();
	expect_sent("GET_PARAMETER rtsp://10.2.0.6/live/a RTSP/1.0\r\nCSeq: 4\r\n");
	expect_sent("Session: abc\r\n");
	ck_assert(rtspc_when(c) > at && rtspc_when(c) < at + 10 * NS_S);
	sent[0] = '\0';
	rtspc_tick(c, rtspc_when(c)); /* unanswered: not another one */
	drain();
	ck_assert_str_eq(sent, "");
	rtspc_probe(c, at);
	drain();
	expect_sent("GET_PARAMETER");
	answer(4, "501 Not Implemented", "", "");
	answer(5, "501 Not Implemented", "", "");
	sent[0] = '\0';
	rtspc_tick(c, rtspc_when(c));
	drain();
	expect_sent("OPTIONS rtsp://10.2.0.6/live/a");
	ck_assert_int_eq(seens, 0);
}
END_TEST

START_TEST(test_lost_session_is_a_failure)
{
	play_nearcast();
	rtspc_tick(c, rtspc_when(c));
	drain();
	answer(4, "454 Session Not Found", "", "");
	ck_assert_int_eq(expect_one(RTSPC_FAILED)->status, 454);
	ck_assert(rtspc_when(c) == NS_NEVER);
}
END_TEST

START_TEST(test_teardown)
{
	play_nearcast();
	rtspc_teardown(c, 0);
	drain();
	expect_sent("TEARDOWN rtsp://10.2.0.6/live/a RTSP/1.0\r\nCSeq: 4\r\n");
	expect_sent("Session: abc\r\n");
	ck_assert_int_eq(seens, 0);
	answer(4, "200 OK", "", "");
	expect_one(RTSPC_CLOSED);
	end();

	/* While the flight is under way it names the pipelined session. */
	begin(NULL, SDP2);
	setup2(-1, -1);
	sent[0] = '\0';
	rtspc_teardown(c, 0);
	drain();
	expect_sent("Pipelined-Requests: 1\r\n");
	setup_answered(1, 5000, NC);
	setup_answered(2, 5002, NC);
	answer(3, "200 OK", "Session: abc\r\n", "");
	ck_assert_int_eq(seens, 0);
	answer(4, "200 OK", "", "");
	expect_one(RTSPC_CLOSED);
	end();

	/* Before there is a session it costs nothing. */
	begin(NULL, "");
	sent[0] = '\0';
	rtspc_teardown(c, 0);
	drain();
	expect_one(RTSPC_CLOSED);
	ck_assert_str_eq(sent, "");
}
END_TEST

START_TEST(test_garbage_is_a_failure_and_swallowed)
{
	static const char *const bad[] = {"HTTP/1.1 200 OK\r\nCSeq: 1\r\n\r\n", "\1\2\3\4\r\n\r\n",
		"RTSP/1.0 2x0 OK\r\n\r\n", "RTSP/1.0 200 OK\r\nbad line\r\n\r\n"};

	bytewise = _i;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		begin(NULL, "");
		feed(bad[i]);
		ck_assert_int_eq(expect_one(RTSPC_FAILED)->status, 0);
		feed("more");
		ck_assert_int_eq(seens, 0);
		end();
	}
	begin(NULL, "");
	answer(1, "200 OK", "", "this is no SDP");
	expect_one(RTSPC_FAILED);
}
END_TEST

START_TEST(test_answer_without_cseq_is_the_oldest_requests)
{
	begin(NULL, "");
	feed("RTSP/1.0 302 Found\r\nLocation: rtsp://10.2.0.9/x\r\n\r\n");
	expect_one(RTSPC_REDIRECT);
}
END_TEST

START_TEST(test_continue_leaves_the_request_open)
{
	begin(NULL, "");
	feed("RTSP/1.0 100 Continue\r\nCSeq: 1\r\n\r\n");
	ck_assert_int_eq(seens, 0);
	describe_answered(NC);
}
END_TEST

START_TEST(test_control_urls)
{
	static const struct {
		const char *url, *base, *session, *media, *setup, *play;
	} t[] = {
		{"rtsp://h/x", "", "*", "trackID=0", "SETUP rtsp://h/x/trackID=0 ",
			"PLAY rtsp://h/x "},
		{"rtsp://h/x?t=1", "", "*", "trackID=0", "SETUP rtsp://h/x/trackID=0?t=1 ",
			"PLAY rtsp://h/x?t=1 "},
		{"rtsp://h/x", "Content-Base: rtsp://h:99/y/\r\n", "*", "s0",
			"SETUP rtsp://h:99/y/s0 ", "PLAY rtsp://h:99/y/ "},
		{"rtsp://h/x", "", "rtsp://k/all", "rtsp://k/one", "SETUP rtsp://k/one ",
			"PLAY rtsp://k/all "},
		{"rtsp://h", "", "*", "a", "SETUP rtsp://h/a ", "PLAY rtsp://h "},
		{"rtsp://h/x", "Content-Base: nonsense\r\n", "*", "a", "SETUP rtsp://h/x/a ",
			"PLAY rtsp://h/x "},
	};
	const struct rtspc_media_conf m = {5000, {.seq = -1}};
	char sdp[512], h[256];

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		snprintf(sdp, sizeof sdp,
			"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\na=control:%s\r\n"
			"m=video 0 RTP/AVP 33\r\na=control:%s\r\n",
			t[i].session, t[i].media);
		c = rtspc_new(t[i].url, NULL, "test", slice_of(""));
		seens = 0;
		rtspc_start(c, 0);
		drain();
		snprintf(h, sizeof h, "%s" NC, t[i].base);
		answer(1, "200 OK", h, sdp);
		expect_one(RTSPC_DESCRIBED);
		sent[0] = '\0';
		ck_assert_int_eq(rtspc_setup(c, &m, 1, 0), 0);
		drain();
		expect_sent(t[i].setup);
		expect_sent(t[i].play);
		end();
	}
}
END_TEST

START_TEST(test_another_nodes_absolute_controls_become_this_nodes)
{
	const struct rtspc_media_conf m = {5000, {.seq = -1}};

	begin(NULL, "v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\na=control:rtsp://old/live/a\r\n"
		    "m=video 0 RTP/AVP 33\r\na=control:rtsp://old/live/a/t1?q=2\r\n");
	ck_assert_int_eq(rtspc_setup(c, &m, 1, 0), 0);
	drain();
	expect_sent("SETUP rtsp://10.2.0.6/live/a/t1?q=2 ");
	expect_sent("PLAY rtsp://10.2.0.6/live/a ");
	expect_not_sent("old");
}
END_TEST

START_TEST(test_extra_headers)
{
	char longer[1100];

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	c = rtspc_new("rtsp://h/x", NULL, "t", slice_of(""));
	ck_assert_int_eq(rtspc_add_header(c, "Nearcast-Via", "sn806, sn808"), 0);
	ck_assert_int_lt(rtspc_add_header(c, "A", "b\nc"), 0);
	ck_assert_int_lt(rtspc_add_header(c, "A", longer), 0);
	sent[0] = '\0';
	seens = 0;
	rtspc_start(c, 0);
	drain();
	expect_sent("Nearcast-Via: sn806, sn808\r\n\r\n");
	expect_not_sent("xxx");
}
END_TEST

START_TEST(test_a_path_is_told_when_it_is_another)
{
	begin(NULL, "");
	answer(1, "200 OK", NC "Nearcast-Path: sn6, sn8\r\n", SDP2);
	ck_assert_int_eq(seens, 2);
	ck_assert_int_eq(seen[0].kind, RTSPC_PATH);
	ck_assert_str_eq(text[0], "sn6, sn8");
	ck_assert_int_eq(seen[1].kind, RTSPC_DESCRIBED);
	seens = 0;
	feed("PLAY_NOTIFY rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\nNotify-Reason: path-change\r\n"
	     "Nearcast-Path: sn6, sn8\r\n\r\n");
	ck_assert_int_eq(seens, 0);
	feed("PLAY_NOTIFY rtsp://h/x RTSP/1.0\r\nCSeq: 2\r\nNotify-Reason: path-change\r\n"
	     "Nearcast-Path: sn6, sn7, sn8\r\n\r\n");
	expect_one(RTSPC_PATH);
	ck_assert_str_eq(text[0], "sn6, sn7, sn8");
	expect_sent("RTSP/1.0 200 OK\r\nCSeq: 2\r\n");
}
END_TEST

START_TEST(test_setup_is_refused_when_it_is_not_its_time)
{
	const struct rtspc_media_conf m[3] = {
		{5000, {.seq = -1}}, {5002, {.seq = -1}}, {5004, {.seq = -1}}};

	begin(NULL, "");
	ck_assert_int_lt(rtspc_setup(c, m, 1, 0), 0);
	describe_answered(NC);
	ck_assert_int_lt(rtspc_setup(c, m, 3, 0), 0);
	ck_assert_int_lt(rtspc_setup(c, m, 0, 0), 0);
	ck_assert_int_eq(rtspc_setup(c, m, 2, 0), 0);
	ck_assert_int_lt(rtspc_setup(c, m, 2, 0), 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, test_bad_urls_make_no_client);
	tcase_add_loop_test(t, test_transaction_follows_the_redirection, 0, 2);
	tcase_add_test(t, test_redirection_without_location_is_a_failure);
	tcase_add_loop_test(t, test_refusal_tells_status_and_retry_after, 0, 2);
	tcase_add_loop_test(t, test_nearcast_peer_gets_all_in_one_flight, 0, 2);
	tcase_add_test(t, test_known_sdp_needs_no_describe);
	tcase_add_test(t, test_answers_may_come_in_any_order);
	tcase_add_loop_test(t, test_whole_flight_answered_in_one_piece, 0, 2);
	tcase_add_test(t, test_nearcast_peer_that_refuses_a_setup_ends_it);
	tcase_add_test(t, test_redirection_of_a_setup_is_told);
	tcase_add_loop_test(t, test_plain_server_is_asked_step_by_step, 0, 2);
	tcase_add_test(t, test_plain_server_that_refuses_the_flight_plays_in_the_end);
	tcase_add_test(t, test_server_that_gives_each_medium_a_session_is_a_failure);
	tcase_add_test(t, test_session_that_is_too_long_is_a_failure);
	tcase_add_test(t, test_transport_other_than_asked_for_is_a_failure);
	tcase_add_loop_test(t, test_end_of_stream_tells_the_last_numbers_and_is_answered, 0, 2);
	tcase_add_test(t, test_other_requests_of_the_server_are_answered);
	tcase_add_test(t, test_group_is_told_to_who_can_join);
	tcase_add_test(t, test_groups_that_cannot_be_are_not_joined);
	tcase_add_loop_test(t, test_interleaved_frames_come_with_the_channel_we_asked_for, 0, 2);
	tcase_add_test(t, test_keep_alive_before_half_the_timeout);
	tcase_add_test(t, test_lost_session_is_a_failure);
	tcase_add_test(t, test_teardown);
	tcase_add_loop_test(t, test_garbage_is_a_failure_and_swallowed, 0, 2);
	tcase_add_test(t, test_answer_without_cseq_is_the_oldest_requests);
	tcase_add_test(t, test_continue_leaves_the_request_open);
	tcase_add_test(t, test_control_urls);
	tcase_add_test(t, test_another_nodes_absolute_controls_become_this_nodes);
	tcase_add_test(t, test_extra_headers);
	tcase_add_test(t, test_a_film_is_asked_for_by_its_time_and_then_by_its_packet);
	tcase_add_test(t, test_a_path_is_told_when_it_is_another);
	tcase_add_test(t, test_setup_is_refused_when_it_is_not_its_time);
	return run_case("rtspc", t);
}
