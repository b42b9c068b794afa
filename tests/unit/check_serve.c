/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway's RTSP core: requests in, answers and actions out; packets in, to whom they go. */
#include "client-failover/serve.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define SDP1                                                                                       \
	"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\n"                                              \
	"m=video 0 RTP/AVP 33\r\na=control:one\r\n"
#define SDP2    SDP1 "m=audio 0 RTP/AVP 0\r\na=control:two\r\n"
#define U       "rtsp://127.0.0.1:8554/news"
#define UDP(a)  "Transport: RTP/AVP;unicast;client_port=" a "\r\n"
#define TCP(c)  "Transport: RTP/AVP/TCP;unicast;interleaved=" c "\r\n"
#define SESSION "Session: fedcba9876543210\r\n"
#define PLAYERS 3

static struct serve serve;
static struct serve_conn conn[PLAYERS];
static struct serve_reply reply;
static char text[SERVE_REPLY_MAX + 1];
static ns_t now;

/* What went out, and the last of each. */
static struct {
	uint8_t report[256];
	size_t n; /* of the report */
	struct addr to;
	void *shell;
	uint8_t channel;
	int rtp, reports;
} out;
static bool stuffed[PLAYERS]; /* has no room for frames */

static void note(bool rtcp, const uint8_t *p, size_t n)
{
	out.rtp += !rtcp;
	if (!rtcp)
		return;
	ck_assert_uint_le(n, sizeof(out.report));
	memcpy(out.report, p, n);
	out.n = n;
	out.reports++;
}

static void udp(void *arg, bool rtcp, const struct addr *to, const uint8_t *p, size_t n)
{
	(void)arg;
	note(rtcp, p, n);
	out.to = *to;
}

static bool frame(void *arg, void *shell, uint8_t channel, const uint8_t *p, size_t n)
{
	const struct serve_conn *c = shell;

	(void)arg;
	if (stuffed[c - conn])
		return false;
	note(channel & 1, p, n);
	out.shell = shell;
	out.channel = channel;
	return true;
}

static uint64_t ids(void)
{
	return 0xfedcba9876543210u;
}

static void setup(void)
{
	static const struct serve_io io = {udp, frame};
	struct serve_conf conf = {.software = "test",
		.rtp_port = 6970,
		.timeout = 60 * NS_S,
		.linger = 2 * NS_S,
		.sulk = NS_S,
		.max_channels = 2};

	addr_parse(&conf.addr, SLICE("127.0.0.1:8554"), 0);
	serve_init(&serve, &conf, &io, NULL, ids);
	memset(conn, 0, sizeof(conn));
	memset(stuffed, 0, sizeof(stuffed));
	memset(&out, 0, sizeof(out));
	for (int i = 0; i < PLAYERS; i++) {
		addr_parse(&conn[i].peer, SLICE("127.0.0.9:5000"), 0);
		conn[i].shell = &conn[i];
	}
	now = 100 * NS_S;
}

static void teardown(void)
{
	struct serve_channel *ch;

	for (int i = 0; i < PLAYERS; i++)
		serve_leave(&conn[i], now);
	while ((ch = TAILQ_FIRST(&serve.channels))) {
		ck_assert_int_eq(ch->users, 0);
		serve_channel_free(&serve, ch);
	}
}

/* ---- asking ---- */

static int raw(int player, const char *message)
{
	struct text_msg m;

	sbuf_init(&reply.text, text, sizeof(text));
	ck_assert_int_gt(text_parse(&m, message, strlen(message), 0), 0);
	serve_request(&serve, &conn[player], &m, now, &reply);
	ck_assert(!reply.text.full);
	return reply.status;
}

static int ask(int player, const char *method, const char *url, const char *headers)
{
	char message[4096];

	snprintf(message, sizeof(message), "%s %s RTSP/1.0\r\nCSeq: 7\r\n%s\r\n", method, url,
		headers);
	return raw(player, message);
}

static bool says(const char *part)
{
	return strstr(text, part) != NULL;
}

/* The channel of that name has this presentation, and the player has been told. */
static struct serve_channel *live(int player, const char *url, const char *sdp)
{
	struct serve_channel *ch;

	ck_assert_int_eq(ask(player, "DESCRIBE", url, ""), 0);
	ck_assert_uint_eq(reply.actions, SERVE_SEEK | SERVE_WAIT);
	ch = reply.channel;
	ck_assert_int_eq(serve_described(&serve, ch, slice_of(sdp), now), 0);
	ck_assert_int_eq(ask(player, "DESCRIBE", url, ""), 200);
	return ch;
}

static void join(int player, const char *transport)
{
	if (!conn[player].channel)
		ck_assert_int_eq(ask(player, "DESCRIBE", U, ""), 200);
	ck_assert_int_eq(ask(player, "SETUP", U "/trackID=0", transport), 200);
}

static void begin(int player, const char *transport)
{
	join(player, transport);
	ck_assert_int_eq(ask(player, "PLAY", U, SESSION), 200);
	ck_assert_uint_eq(reply.actions, SERVE_PLAYED);
}

static void packet(struct serve_channel *ch, int medium, uint16_t seq, uint32_t ts, uint32_t ssrc)
{
	uint8_t p[] = {0x80, 33, (uint8_t)(seq >> 8), (uint8_t)seq, (uint8_t)(ts >> 24),
		(uint8_t)(ts >> 16), (uint8_t)(ts >> 8), (uint8_t)ts, (uint8_t)(ssrc >> 24),
		(uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8), (uint8_t)ssrc, 'm', 'e', 'd', 'i'};

	serve_packet(&serve, ch, medium, p, sizeof(p), now, now);
}

/* ---- channels ---- */

START_TEST(test_all_who_ask_for_a_channel_wait_for_one_session)
{
	struct serve_channel *ch;

	ask(0, "DESCRIBE", U, "");
	ck_assert_uint_eq(reply.actions, SERVE_SEEK | SERVE_WAIT);
	ck_assert_uint_eq(reply.text.n, 0);
	ch = reply.channel;
	ck_assert_str_eq(ch->name, "/news");
	ask(1, "DESCRIBE", U "/", "");
	ck_assert_uint_eq(reply.actions, SERVE_WAIT);
	ck_assert_ptr_eq(reply.channel, ch);
	serve_described(&serve, ch, SLICE(SDP2), now);
	for (int i = 0; i < 2; i++) {
		serve_settled(&conn[i], now);
		ck_assert_int_eq(ask(i, "DESCRIBE", U, ""), 200);
		ck_assert_uint_eq(reply.actions, 0);
		ck_assert(says("CSeq: 7\r\n") && says("Content-Base: " U "/\r\n"));
		ck_assert(says("a=control:trackID=1\r\n") && !says("a=control:one"));
	}
	ck_assert_int_eq(ch->users, 2);
}
END_TEST

START_TEST(test_refusal_is_passed_on_and_forgotten)
{
	struct serve_channel *ch;

	ask(0, "DESCRIBE", U, "");
	ch = reply.channel;
	serve_refused(ch, 404, now);
	ck_assert_int_eq(ask(0, "DESCRIBE", U, ""), 404);
	ck_assert_ptr_null(serve_useless(&serve, now + NS_S - 1));
	ck_assert_ptr_eq(serve_useless(&serve, now + NS_S), ch);
	serve_channel_free(&serve, ch);
	ask(0, "DESCRIBE", U, "");
	ck_assert_uint_eq(reply.actions, SERVE_SEEK | SERVE_WAIT);
}
END_TEST

START_TEST(test_query_is_part_of_the_name_and_not_of_controls)
{
	live(0, U "?lang=de", SDP1);
	ck_assert(says("Content-Base: " U "/\r\n"));
	live(1, U, SDP1);
	ck_assert_str_eq(conn[0].channel->name, "/news?lang=de");
	ck_assert_str_eq(conn[1].channel->name, "/news");
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=0", UDP("4000-4001")), 200);
	ck_assert_str_eq(conn[0].channel->name, "/news?lang=de");
	ck_assert_int_eq(ask(1, "SETUP", U "/trackID=0", UDP("4002-4003")), 200);
	ck_assert_str_eq(conn[1].channel->name, "/news");
}
END_TEST

START_TEST(test_channels_are_bounded)
{
	live(0, U, SDP1);
	live(1, "rtsp://127.0.0.1/two", SDP1);
	ck_assert_int_eq(ask(2, "DESCRIBE", "rtsp://127.0.0.1/three", ""), 503);
	ck_assert(says("Retry-After: "));
	ck_assert_int_eq(ask(2, "DESCRIBE", U, ""), 200);
}
END_TEST

START_TEST(test_channel_is_of_use_while_somebody_has_it_or_waits_for_it)
{
	struct serve_channel *ch;

	ask(0, "DESCRIBE", U, "");
	ch = reply.channel;
	ck_assert_ptr_null(serve_useless(&serve, now + 100 * NS_S));
	serve_described(&serve, ch, SLICE(SDP1), now);
	serve_settled(&conn[0], now);
	begin(0, UDP("4000-4001"));
	ck_assert_ptr_null(serve_useless(&serve, now + 100 * NS_S));
	ck_assert_int_eq(ask(0, "TEARDOWN", U, SESSION), 200);
	ck_assert_uint_eq(reply.actions, SERVE_TORNDOWN);
	ck_assert_ptr_null(serve_useless(&serve, now + 2 * NS_S - 1));
	ck_assert_ptr_eq(serve_useless(&serve, now + 2 * NS_S), ch);
	begin(0, UDP("4000-4001"));
	ck_assert_ptr_null(serve_useless(&serve, now + 100 * NS_S));
}
END_TEST

START_TEST(test_description_that_is_none_is_refused)
{
	ask(0, "DESCRIBE", U, "");
	ck_assert_int_lt(serve_described(&serve, reply.channel, SLICE("v=1\r\n"), now), 0);
	ck_assert_int_eq(reply.channel->state, SERVE_SEEKING);
}
END_TEST

START_TEST(test_end_is_told_and_the_name_is_free)
{
	struct serve_channel *ch = live(0, U, SDP1);

	begin(0, UDP("4000-4001"));
	packet(ch, 0, 1, 0, 0xabcd);
	serve_ended(ch, now);
	serve_bye(&serve, &conn[1]); /* who has no session is not told */
	ck_assert_int_eq(out.reports, 0);
	serve_bye(&serve, &conn[0]);
	ck_assert_int_eq(out.reports, 1);
	/* RR, SDES, BYE with the source's SSRC. */
	ck_assert_mem_eq(out.report + out.n - 8, "\x81\xcb\0\1\0\0\xab\xcd", 8);
	ck_assert_uint_eq(addr_port(&out.to), 4001);
	ck_assert_int_eq(ask(0, "PLAY", U, SESSION), 404);
	ask(1, "DESCRIBE", U, "");
	ck_assert_uint_eq(reply.actions, SERVE_SEEK | SERVE_WAIT);
	ck_assert_ptr_ne(reply.channel, ch);
	ck_assert_ptr_null(serve_useless(&serve, now));
	serve_leave(&conn[0], now);
	ck_assert_ptr_eq(serve_useless(&serve, now), ch);
}
END_TEST

/* ---- SETUP ---- */

START_TEST(test_media_go_to_the_host_that_asks)
{
	live(0, U, SDP1);
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=0",
				 "Transport: "
				 "RTP/AVP;unicast;destination=10.1.1.1;client_port=4000-4001\r\n"),
		200);
	ck_assert(says("client_port=4000-4001;server_port=6970-6971"));
	ck_assert(!says("destination") && says("Session: fedcba9876543210;timeout=60\r\n"));
	ck_assert(addr_same_host(&conn[0].m[0].rtp, &conn[0].peer));
	ck_assert_uint_eq(addr_port(&conn[0].m[0].rtp), 4000);
	ck_assert_uint_eq(addr_port(&conn[0].m[0].rtcp), 4001);
}
END_TEST

static const struct {
	const char *transport;
	int status;
} transports[] = {
	{"", 400},
	{"Transport: RTP/AVP;unicast;client_port=x\r\n", 400},
	{"Transport: RTP/AVP;unicast\r\n", 461},
	{"Transport: RTP/AVP;multicast;client_port=4000-4001\r\n", 461},
	{"Transport: RTP/AVP;unicast;client_port=4000-4001;mode=record\r\n", 461},
	{"Transport: RAW/RAW/UDP;unicast;client_port=4000-4001\r\n", 461},
	{"Transport: RTP/AVP/TCP;interleaved=4-4\r\n", 461},
};

START_TEST(test_transport_that_cannot_be_is_refused)
{
	live(0, U, SDP1);
	ck_assert_int_eq(
		ask(0, "SETUP", U "/trackID=0", transports[_i].transport), transports[_i].status);
	ck_assert_int_eq(conn[0].play, SERVE_IDLE);
	ck_assert(!conn[0].m[0].set_up);
}
END_TEST

START_TEST(test_interleaved_channels_are_told_apart)
{
	live(0, U, SDP2);
	join(0, TCP("0-1"));
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=1", SESSION TCP("1-2")), 461);
	ck_assert_int_eq(
		ask(0, "SETUP", U "/trackID=1", SESSION "Transport: RTP/AVP/TCP;unicast\r\n"), 200);
	ck_assert(says("interleaved=2-3"));
	/* A medium may be set up anew, with its own. */
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=0", SESSION TCP("0-1")), 200);
}
END_TEST

START_TEST(test_setup_names_a_medium_of_the_session_s_channel)
{
	live(0, U, SDP2);
	live(1, "rtsp://127.0.0.1/two", SDP1);
	ck_assert_int_eq(ask(0, "SETUP", U, UDP("4000-4001")), 459);
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=2", UDP("4000-4001")), 404);
	ck_assert_int_eq(ask(1, "SETUP", "rtsp://127.0.0.1/two", UDP("4000-4001")), 200);
	join(0, UDP("4000-4001"));
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=1", UDP("4002-4003")), 455);
	ck_assert_int_eq(
		ask(0, "SETUP", "rtsp://127.0.0.1/two/trackID=0", SESSION UDP("4002-4003")), 455);
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=1", "Session: 1\r\n" UDP("4002-4003")), 454);
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=1", SESSION UDP("4002-4003")), 200);
	ck_assert_int_eq(ask(0, "PLAY", U, SESSION), 200);
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=1", SESSION UDP("4002-4003")), 455);
}
END_TEST

/* ---- PLAY and PAUSE ---- */

START_TEST(test_play_says_which_packet_and_which_moment_come_next)
{
	struct serve_channel *ch = live(0, U, SDP2);

	begin(0, UDP("4000-4001"));
	ck_assert(!says("RTP-Info") && says("Range: npt=now-\r\n"));
	packet(ch, 0, 65535, 1000, 1);
	packet(ch, 1, 7, 500, 2); /* of a medium that nobody has set up */
	now += 10 * NS_MS;
	begin(1, UDP("4002-4003"));
	ck_assert(says("RTP-Info: url=" U "/trackID=0;seq=0;rtptime=1900\r\n"));
	ck_assert_int_eq(ask(1, "PLAY", U, SESSION), 200); /* again: nothing changes */
	ck_assert_uint_eq(reply.actions, 0);
}
END_TEST

START_TEST(test_only_who_plays_gets_packets)
{
	struct serve_channel *ch = live(0, U, SDP2);

	begin(0, UDP("4000-4001"));
	join(1, TCP("0-1"));
	packet(ch, 0, 1, 0, 1);
	packet(ch, 1, 1, 0, 2); /* set up by nobody */
	ck_assert_int_eq(out.rtp, 1);
	ck_assert_uint_eq(addr_port(&out.to), 4000);
	ck_assert_int_eq(ask(1, "PLAY", U, SESSION), 200);
	packet(ch, 0, 2, 0, 1);
	ck_assert_int_eq(out.rtp, 3);
	ck_assert_ptr_eq(out.shell, &conn[1]);
	ck_assert_uint_eq(out.channel, 0);
	ck_assert_int_eq(ask(0, "PAUSE", U, SESSION), 200);
	ck_assert_uint_eq(reply.actions, SERVE_PAUSED);
	packet(ch, 0, 3, 0, 1);
	ck_assert_int_eq(out.rtp, 4);
	ck_assert_int_eq(ask(0, "PAUSE", U, SESSION), 455);
	ck_assert_int_eq(ask(0, "PLAY", U, SESSION), 200);
	packet(ch, 0, 4, 0, 1);
	ck_assert_int_eq(out.rtp, 6);
}
END_TEST

START_TEST(test_player_without_room_loses_packets_and_no_one_else_does)
{
	struct serve_channel *ch = live(0, U, SDP1);

	for (int i = 0; i < PLAYERS; i++)
		begin(i, TCP("0-1"));
	stuffed[1] = true;
	for (int i = 0; i < 10; i++)
		packet(ch, 0, (uint16_t)i, 0, 1);
	ck_assert_uint_eq(conn[0].packets, 10);
	ck_assert_uint_eq(conn[1].packets, 0);
	ck_assert_uint_eq(conn[1].dropped, 10);
	ck_assert_uint_eq(conn[2].packets, 10);
	stuffed[1] = false;
	packet(ch, 0, 10, 0, 1);
	ck_assert_uint_eq(conn[1].packets, 1);
}
END_TEST

START_TEST(test_range_is_of_what_is_live)
{
	live(0, U, SDP1);
	join(0, UDP("4000-4001"));
	ck_assert_int_eq(ask(0, "PLAY", U, SESSION "Range: clock=20261126T120000Z-\r\n"), 457);
	ck_assert_int_eq(ask(0, "PLAY", U, SESSION "Range: npt=0.000-\r\n"), 200);
}
END_TEST

START_TEST(test_presentation_is_played_as_a_whole)
{
	live(0, U, SDP2);
	join(0, UDP("4000-4001"));
	ck_assert_int_eq(ask(0, "PLAY", U "/trackID=0", SESSION), 460);
	ck_assert_int_eq(ask(0, "TEARDOWN", U "/trackID=0", SESSION), 460);
	ck_assert_int_eq(ask(0, "PLAY", U, ""), 454);
	ck_assert_int_eq(ask(0, "PAUSE", U, SESSION), 455);
	ck_assert_int_eq(ask(1, "PLAY", U, SESSION), 454); /* another connection's */
	ck_assert_int_eq(ask(0, "TEARDOWN", U, SESSION), 200);
	ck_assert_int_eq(ask(0, "TEARDOWN", U, SESSION), 454);
}
END_TEST

/* ---- reports ---- */

#define NOON (0xe0000000ull << 32) /* NTP: seconds, and parts of 2^32 */

/* The last report is of that moment. */
static void check_report(uint64_t ntp, uint32_t ts, uint32_t packets)
{
	struct rtcp r;
	struct rtcp_sr sr;
	size_t at = 0;

	ck_assert_int_eq(rtcp_next(&r, out.report, out.n, &at), 1);
	ck_assert_int_eq(rtcp_sr_parse(&sr, &r), 0);
	ck_assert_uint_eq(r.ssrc, 1);
	ck_assert_uint_eq(sr.rtp_ts, ts);
	ck_assert_uint_eq(sr.packets, packets);
	ck_assert_uint_eq(sr.octets, 4 * packets);
	ck_assert_uint_le(ntp - sr.ntp + 4, 8); /* some parts of 2^32 of a second */
	ck_assert_int_eq(rtcp_next(&r, out.report, out.n, &at), 1);
	ck_assert_uint_eq(r.type, RTCP_SDES);
	ck_assert_int_eq(rtcp_next(&r, out.report, out.n, &at), 0);
}

START_TEST(test_report_is_of_the_packet_that_goes_out)
{
	struct serve_channel *ch = live(0, U, SDP1);

	begin(0, UDP("4000-4001"));
	packet(ch, 0, 1, 900000, 1);
	ck_assert_int_eq(out.reports, 0);    /* nobody knows what time it was */
	serve_clock(ch, 0, 1, NOON, 990000); /* a second ahead of what plays */
	packet(ch, 0, 2, 945000, 1);
	ck_assert_int_eq(out.reports, 1);
	ck_assert_uint_eq(addr_port(&out.to), 4000); /* the packet went after it */
	check_report(NOON - (1ull << 31), 945000, 1);
	now += 5 * NS_S - 1;
	packet(ch, 0, 3, 990000, 1);
	ck_assert_int_eq(out.reports, 1);
	now++;
	packet(ch, 0, 4, 1035000, 1);
	ck_assert_int_eq(out.reports, 2);
	check_report(NOON + (1ull << 31), 1035000, 3);
}
END_TEST

START_TEST(test_player_that_begins_is_told_the_time_at_once)
{
	struct serve_channel *ch = live(0, U, SDP1);

	begin(0, UDP("4000-4001"));
	serve_clock(ch, 0, 1, NOON, 0);
	packet(ch, 0, 1, 0, 1);
	ck_assert_int_eq(out.reports, 1);
	begin(1, TCP("0-1"));
	packet(ch, 0, 2, 0, 1);
	ck_assert_int_eq(out.reports, 2);
	check_report(NOON, 0, 0);
	ck_assert_int_eq(ask(0, "PAUSE", U, SESSION), 200);
	ck_assert_int_eq(ask(0, "PLAY", U, SESSION), 200);
	packet(ch, 0, 3, 0, 1);
	ck_assert_int_eq(out.reports, 3);
}
END_TEST

static const struct {
	uint32_t ts;
	int64_t seconds; /* after what the source has said of 990000 */
} moments[] = {{990000, 0}, {990000 + 90000 * 100, 100}, {990000u - 90000u * 30, -30},
	{990000u + 0x7fffff00u / 90000 * 90000, 0x7fffff00 / 90000}};

START_TEST(test_report_is_exact_before_and_after_the_source_s)
{
	struct serve_channel *ch = live(0, U, SDP1);

	begin(0, UDP("4000-4001"));
	serve_clock(ch, 0, 1, NOON, 990000);
	packet(ch, 0, 1, moments[_i].ts, 1);
	check_report(NOON + (uint64_t)moments[_i].seconds * (1ull << 32), moments[_i].ts, 0);
}
END_TEST

START_TEST(test_clock_of_a_source_that_was_restarted_is_not_the_old_one_s)
{
	struct serve_channel *ch = live(0, U, SDP1);

	begin(0, UDP("4000-4001"));
	serve_clock(ch, 0, 2, 1ull << 40, 0);
	packet(ch, 0, 1, 0, 1);
	ck_assert_int_eq(out.reports, 0);
	packet(ch, 0, 1, 0, 2);
	ck_assert_int_eq(out.reports, 1);
}
END_TEST

/* ---- what keeps a session alive, and the rest ---- */

START_TEST(test_session_lives_by_requests_and_reports)
{
	struct addr rtcp, other;

	live(0, U, SDP1);
	begin(0, UDP("4000-4001"));
	live(1, "rtsp://127.0.0.1/two", SDP1);
	ck_assert_int_eq(ask(1, "SETUP", "rtsp://127.0.0.1/two", TCP("6-7")), 200);
	now += 60 * NS_S - 1;
	ck_assert(!serve_timed_out(&serve, &conn[0], now));
	ck_assert(serve_timed_out(&serve, &conn[0], now + 1));
	addr_parse(&rtcp, SLICE("127.0.0.9:4001"), 0);
	addr_parse(&other, SLICE("127.0.0.8:4001"), 0);
	serve_rtcp_from(&serve, &other, now);
	serve_frame_from(&conn[1], 1, now);
	ck_assert(serve_timed_out(&serve, &conn[0], now + 1));
	ck_assert(serve_timed_out(&serve, &conn[1], now + 1));
	serve_rtcp_from(&serve, &rtcp, now);
	serve_frame_from(&conn[1], 7, now);
	now += 60 * NS_S - 1;
	ck_assert(!serve_timed_out(&serve, &conn[0], now));
	ck_assert(!serve_timed_out(&serve, &conn[1], now));
	ck_assert_int_eq(ask(0, "GET_PARAMETER", U, SESSION), 200);
	ck_assert(says("Session: fedcba9876543210;timeout=60\r\n"));
	ck_assert_int_eq(ask(1, "OPTIONS", "*", SESSION), 200);
	ck_assert(says("Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE"));
	now += 60 * NS_S - 1;
	ck_assert(!serve_timed_out(&serve, &conn[0], now));
	ck_assert(!serve_timed_out(&serve, &conn[1], now));
	ck_assert(!serve_timed_out(&serve, &conn[2], now)); /* it has none */
}
END_TEST

static const struct {
	const char *method, *headers;
	int status;
} refusals[] = {
	{"ANNOUNCE", "", 405},
	{"RECORD", "", 405},
	{"FLY", "", 501},
	{"DESCRIBE", "Accept: text/html\r\n", 406},
	{"DESCRIBE", "Require: magic\r\n", 551},
	{"GET_PARAMETER", "Content-Length: 4\r\n\r\nping", 451},
	{"OPTIONS", "Session: 1\r\n", 454},
};

START_TEST(test_request_that_cannot_be_met_is_refused)
{
	char message[512];

	snprintf(message, sizeof(message), "%s " U " RTSP/1.0\r\nCSeq: 7\r\n%s%s",
		refusals[_i].method, refusals[_i].headers,
		strstr(refusals[_i].headers, "\r\n\r\n") ? "" : "\r\n");
	ck_assert_int_eq(raw(0, message), refusals[_i].status);
	ck_assert_uint_eq(reply.actions, 0);
	ck_assert_int_eq(serve.n_channels, 0);
}
END_TEST

START_TEST(test_message_that_is_none_ends_the_connection)
{
	ck_assert_int_eq(raw(0, "DESCRIBE " U " RTSP/1.0\r\n\r\n"), 400);
	ck_assert_uint_eq(reply.actions, SERVE_CLOSE);
	ck_assert_int_eq(raw(0, "GET / HTTP/1.1\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_uint_eq(reply.actions, SERVE_CLOSE);
	ck_assert(says("Connection: close\r\n"));
	raw(0, "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"); /* a response: nobody asked */
	ck_assert_uint_eq(reply.text.n, 0);
	ck_assert_uint_eq(reply.actions, 0);
}
END_TEST

START_TEST(test_name_that_is_too_long_is_refused)
{
	char url[1200];

	memset(url, 'a', sizeof(url));
	memcpy(url, "rtsp://h/", 9);
	url[9 + SERVE_NAME - 1] = '\0'; /* "/" and as many more bytes as do not fit with the NUL */
	ck_assert_int_eq(ask(0, "DESCRIBE", url, ""), 414);
	url[9 + SERVE_NAME - 2] = '\0';
	ck_assert_int_eq(ask(0, "DESCRIBE", url, ""), 0);
	ck_assert_uint_eq(reply.actions, SERVE_SEEK | SERVE_WAIT);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("serve");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_all_who_ask_for_a_channel_wait_for_one_session);
	tcase_add_test(t, test_refusal_is_passed_on_and_forgotten);
	tcase_add_test(t, test_query_is_part_of_the_name_and_not_of_controls);
	tcase_add_test(t, test_channels_are_bounded);
	tcase_add_test(t, test_channel_is_of_use_while_somebody_has_it_or_waits_for_it);
	tcase_add_test(t, test_description_that_is_none_is_refused);
	tcase_add_test(t, test_end_is_told_and_the_name_is_free);
	tcase_add_test(t, test_media_go_to_the_host_that_asks);
	tcase_add_loop_test(t, test_transport_that_cannot_be_is_refused, 0,
		sizeof(transports) / sizeof(transports[0]));
	tcase_add_test(t, test_interleaved_channels_are_told_apart);
	tcase_add_test(t, test_setup_names_a_medium_of_the_session_s_channel);
	tcase_add_test(t, test_play_says_which_packet_and_which_moment_come_next);
	tcase_add_test(t, test_only_who_plays_gets_packets);
	tcase_add_test(t, test_player_without_room_loses_packets_and_no_one_else_does);
	tcase_add_test(t, test_range_is_of_what_is_live);
	tcase_add_test(t, test_presentation_is_played_as_a_whole);
	tcase_add_test(t, test_report_is_of_the_packet_that_goes_out);
	tcase_add_test(t, test_player_that_begins_is_told_the_time_at_once);
	tcase_add_loop_test(t, test_report_is_exact_before_and_after_the_source_s, 0,
		sizeof(moments) / sizeof(moments[0]));
	tcase_add_test(t, test_clock_of_a_source_that_was_restarted_is_not_the_old_one_s);
	tcase_add_test(t, test_session_lives_by_requests_and_reports);
	tcase_add_loop_test(t, test_request_that_cannot_be_met_is_refused, 0,
		sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(t, test_message_that_is_none_ends_the_connection);
	tcase_add_test(t, test_name_that_is_too_long_is_refused);
	return run_case("serve", t);
}
