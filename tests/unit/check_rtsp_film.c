/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node's RTSP of films: Range, Scale, PAUSE, and going on where another node was. */
#include "sn-agent/rtsp.h"

#include "lib/rtp.h"
#include "tests/unit/run.h"
#include "tests/unit/vod_fixture.h"

#define U        "rtsp://10.0.0.1/films/a"
#define UDP      "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n"
#define NEARCAST "Supported: nearcast.failover\r\n"
#define TICKS    40000

static const struct fix film = {.packets = 20 * FILM_BLOCK / TS_PACKET,
	.pcr_every = 30,
	.access_every = 700,
	.ticks = TICKS};
static const struct library library = {.path = "/films", .origin = "http://m"};

static struct channels channels;
static struct relay relay;
static struct rtsp rtsp;
static struct rtsp_conn conn, other;
static struct rtsp_reply reply;
static char text[RTSP_REPLY_MAX];
static uint16_t repaired[64];
static int n_repaired;

static int udp(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	(void)arg, (void)rtcp, (void)to;
	for (int i = 0; i < n && n_repaired < 64; i++) {
		const uint8_t *p = v[i].iov_base;

		repaired[n_repaired++] = (uint16_t)(p[2] << 8 | p[3]);
	}
	return n;
}

static bool stored(void *arg, struct receiver *v, uint16_t seq, struct iovec *out, ns_t at)
{
	(void)arg;
	return viewer_repair(v->viewer, seq, out, at);
}

static uint64_t ids(void)
{
	static uint64_t next;

	return 0xfedcba9876543210u + next++;
}

static void setup(void)
{
	static const struct relay_io io = {.udp = udp, .stored = stored};
	struct rtsp_conf conf = {.name = "sn1",
		.software = "test",
		.rtp_port = 7704,
		.session_timeout = 60 * NS_S,
		.library = &library,
		.libraries = 1};

	vod_setup(&film, (int64_t)64 << 20);
	addr_parse(&conf.addr, SLICE("10.0.0.1"), 0);
	conf.n_publishers = rtsp_prefixes("0.0.0.0/0", conf.publishers);
	channels_init(&channels, 10 * NS_S, (size_t)64 * 1024 * 1024, NS_S);
	relay_init(&relay, &io, NULL);
	rtsp_init(&rtsp, &conf, &channels, &relay, ids);
	memset(&conn, 0, sizeof(conn));
	memset(&other, 0, sizeof(other));
	addr_parse(&conn.peer, SLICE("10.9.9.9:5555"), 0);
	addr_parse(&other.peer, SLICE("10.9.9.9:5556"), 0);
	n_repaired = 0;
}

static void teardown(void)
{
	while (rtsp.sessions.first)
		rtsp_end(&rtsp, rtsp.sessions.first, true, now);
	channels_free(&channels);
	vod_teardown();
}

/* What the shell does for a channel that is sought. */
static void seek(struct channel *ch)
{
	char mem[1024];
	struct sbuf b;

	ch->film = vod_open(vod, slice_of(ch->path), "http://m/a", ch, now);
	passes(now + 50 * NS_MS);
	ck_assert_int_eq(vod_status(ch->film), 0);
	sbuf_init(&b, mem, sizeof(mem));
	film_sdp(vod_film(ch->film), &b);
	ck_assert_int_eq(channel_describe(&channels, ch, (struct slice){b.p, b.n}), 0);
	ch->medium[0].has_ssrc = true;
	ch->medium[0].ssrc = vod_film(ch->film)->ssrc;
	channel_set_state(ch, CHANNEL_LIVE, now);
}

/* Hands in a request, again when what it waits for is there; the status of the answer. */
static int ask_on(struct rtsp_conn *c, const char *method, const char *uri, const char *headers)
{
	char request[4096];
	struct text_msg m;

	snprintf(request, sizeof(request), "%s %s RTSP/1.0\r\nCSeq: 7\r\n%s\r\n", method, uri,
		headers);
	ck_assert_int_gt(text_parse(&m, request, strlen(request), 0), 0);
	for (int turn = 0; turn < 3; turn++) {
		sbuf_init(&reply.text, text, sizeof(text));
		rtsp_request(&rtsp, c, &m, now, &reply);
		if (!(reply.actions & RTSP_WAIT))
			break;
		ck_assert_uint_eq(reply.text.n, 0);
		if (reply.actions & RTSP_SEEK)
			seek(reply.channel);
		else
			passes(now + 100 * NS_MS);
	}
	return reply.status;
}

static int ask(const char *method, const char *uri, const char *headers)
{
	return ask_on(&conn, method, uri, headers);
}

static bool says(const char *what)
{
	return strstr(text, what) != NULL;
}

static long long number_of(const char *name)
{
	const char *at = strstr(text, name);

	ck_assert_msg(at != NULL, "no %s in %s", name, text);
	return atoll(at + strlen(name));
}

static struct session *set_up(const char *headers)
{
	char all[512];

	snprintf(all, sizeof(all), UDP "%s", headers);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", all), 200);
	return conn.first;
}

/* A request in the session. */
static int in(const struct session *s, const char *method, const char *headers)
{
	char all[512];

	snprintf(all, sizeof(all), "Session: %s\r\n%s", s->id_text, headers);
	return ask(method, U, all);
}

START_TEST(test_a_film_is_described_with_its_length)
{
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 200);
	ck_assert(says("a=range:npt=0-41."));
	ck_assert(says("a=control:trackID=0"));
	ck_assert(says("MP2T/90000"));
	ck_assert_int_eq(ask("DESCRIBE", "rtsp://10.0.0.1/news", ""), 404);
}
END_TEST

START_TEST(test_play_says_where_it_begins)
{
	struct session *s = set_up("");
	const struct film *m = vod_film(s->channel->film);

	ck_assert(says(";ssrc="));
	ck_assert_int_eq(in(s, "PLAY", "Range: npt=20.5-\r\n"), 200);
	ck_assert_uint_eq(reply.actions, RTSP_PLAYED);
	double begin = strtod(strstr(text, "Range: npt=") + 11, NULL);

	ck_assert(begin <= 20.5 && begin > 19);
	ck_assert(says("rtptime="));
	ck_assert(!says("packet=")); /* nobody asked for more than RFC 2326 */
	ck_assert_int_eq(number_of(";seq="), (m->seq0 + viewer_next(s->m[0].rx.viewer)) & 0xffff);
	ck_assert_int_eq(in(s, "PLAY", "Range: npt=0:00:30-31\r\n"), 200);
	ck_assert(says("-31.000\r\n"));
	ck_assert_int_eq(in(s, "PLAY", "Range: npt=-\r\n"), 200);
}
END_TEST

START_TEST(test_a_range_that_there_is_not_is_refused)
{
	struct session *s = set_up("");

	ck_assert_int_eq(in(s, "PLAY", "Range: npt=42-\r\n"), 457);
	ck_assert_int_eq(in(s, "PLAY", "Range: npt=5-4\r\n"), 457);
	ck_assert_int_eq(in(s, "PLAY", "Range: smpte=0:10:20-\r\n"), 501);
	ck_assert_int_eq(in(s, "PLAY", "Range: npt=x-\r\n"), 400);
	ck_assert_int_eq(in(s, "PLAY", "Range: npt=1:2-\r\n"), 400);
	ck_assert_int_eq(in(s, "PLAY", "Range: npt=1.2.3-\r\n"), 400);
	ck_assert_int_eq(in(s, "PLAY", "Range: npt=5\r\n"), 400);
	ck_assert_int_eq(in(s, "PLAY", "Range: npt=99999999999999999999-\r\n"), 400);
	ck_assert_int_eq(s->state, SESSION_READY);
}
END_TEST

START_TEST(test_any_scale_is_answered_with_one)
{
	struct session *s = set_up("");

	ck_assert_int_eq(in(s, "PLAY", "Scale: 2.5\r\n"), 200);
	ck_assert(says("Scale: 1\r\n"));
	ck_assert_int_eq(in(s, "PLAY", "Scale: -1\r\nRange: npt=5-\r\n"), 200);
	ck_assert(says("Scale: 1\r\n"));
	ck_assert_int_eq(in(s, "PLAY", "Scale: fast\r\nRange: npt=5-\r\n"), 400);
}
END_TEST

START_TEST(test_pause_says_where_and_play_goes_on_there)
{
	struct session *s = set_up("");

	ck_assert_int_eq(in(s, "PLAY", ""), 200);
	passes(now + 3 * NS_S);
	ck_assert_int_eq(in(s, "PAUSE", ""), 200);
	ck_assert(says("Range: npt=4.0"));
	int64_t next = viewer_next(s->m[0].rx.viewer);

	ck_assert_int_eq(in(s, "PLAY", NEARCAST), 200);
	ck_assert_int_eq(number_of(";packet="), next);
	passes(now + NS_S);
	for (int i = 1; i < n_sent; i++)
		ck_assert_uint_eq(sent[i].seq, (uint16_t)(sent[0].seq + i));
}
END_TEST

START_TEST(test_a_peer_that_fails_over_begins_with_the_packet_that_it_lacks)
{
	struct session *s = set_up(NEARCAST "Nearcast-From: 17;packet=2777\r\n");

	ck_assert_int_eq(in(s, "PLAY", NEARCAST), 200);
	ck_assert_int_eq(number_of(";packet="), 2777);
	passes(now + NS_S);
	ck_assert_uint_eq(sent[0].sum, sum_of(master.file + 2777 * FILM_PAYLOAD, FILM_PAYLOAD));
	/* The end is a place, too; what no film has is none. */
	ck_assert_int_eq(ask("SETUP", U "/trackID=0",
				 UDP NEARCAST "Nearcast-From: 17;packet=281474976710657\r\n"),
		400);
	ck_assert_int_eq(in(s, "TEARDOWN", ""), 200);
	rtsp_end(&rtsp, s, true, now);
	s = set_up(NEARCAST "Nearcast-From: 17;packet=999999\r\n");
	ck_assert_int_eq(in(s, "PLAY", NEARCAST), 200);
	ck_assert_int_eq(number_of(";packet="), vod_film(s->channel->film)->packets);
	passes(now + 100 * NS_MS);
	ck_assert_int_eq(ended, 1);
}
END_TEST

START_TEST(test_who_fails_over_from_another_film_is_told_so)
{
	char headers[256];

	ck_assert_int_eq(ask("SETUP", U "/trackID=0",
				 UDP NEARCAST "Nearcast-From: 17;packet=2777;ssrc=1\r\n"),
		412);
	ck_assert_int_eq(
		ask("SETUP", U "/trackID=0", UDP NEARCAST "Nearcast-From: 17;packet=x\r\n"), 400);
	ck_assert_ptr_null(conn.first);
	snprintf(headers, sizeof(headers),
		UDP NEARCAST "Nearcast-From: 17;packet=2777;ssrc=%08x\r\n",
		channels.first->medium[0].ssrc);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", headers), 200);
}
END_TEST

START_TEST(test_the_end_is_told_with_the_last_number)
{
	struct session *s = set_up(NEARCAST);
	char mem[1024];
	struct sbuf b;

	ck_assert_int_eq(in(s, "PLAY", "Range: npt=38-\r\n"), 200);
	passes(now + 10 * NS_S);
	ck_assert_int_eq(ended, 1);
	sbuf_init(&b, mem, sizeof(mem));
	rtsp_notify_end(&rtsp, s, &b);
	snprintf(text, sizeof(text), "%s", mem);
	ck_assert_int_eq(number_of(";seq="),
		(vod_film(s->channel->film)->seq0 + vod_film(s->channel->film)->packets - 1) &
			0xffff);
	/* And it can be played again, from the beginning. */
	ck_assert_int_eq(in(s, "PLAY", NEARCAST), 200);
	ck_assert_int_eq(number_of(";packet="), 0);
}
END_TEST

static void nack(struct session *s, const uint16_t *seq, int n)
{
	uint8_t buf[256];
	size_t len = 0;

	rtcp_put_rr(buf, sizeof(buf), &len, 1);
	ck_assert_int_eq(rtcp_put_nack(buf, sizeof(buf), &len, 1, 2, seq, n), n);
	ck_assert_int_eq(relay_feedback(&relay, &s->m[0].rx, buf, len, now), 0);
}

START_TEST(test_nacks_are_answered_from_the_file)
{
	struct session *s = set_up("");

	ck_assert_int_eq(in(s, "PLAY", ""), 200);
	passes(now + 8 * NS_S);
	uint16_t first = sent[0].seq, ahead = (uint16_t)(first + 5000);

	nack(s, (uint16_t[]){first, (uint16_t)(first + 1), (uint16_t)(first + 700)}, 3);
	ck_assert_int_eq(n_repaired, 3);
	ck_assert_uint_eq(repaired[2], (uint16_t)(first + 700));
	nack(s, &ahead, 1);
	ck_assert_int_eq(n_repaired, 3);
	ck_assert_uint_eq(s->m[0].rx.repaired, 3);
}
END_TEST

static int announce(const char *uri)
{
	static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\n"
				  "m=video 0 RTP/AVP 33\r\na=control:streamid=0\r\n";
	char headers[512];

	snprintf(headers, sizeof(headers),
		"Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s", strlen(sdp), sdp);
	return ask("ANNOUNCE", uri, headers);
}

START_TEST(test_a_film_is_neither_relayed_nor_published)
{
	ck_assert_int_eq(ask("DESCRIBE", U, "Nearcast-Via: sn2\r\n"), 404);
	ck_assert_int_eq(ask("ANNOUNCE", U, "Content-Type: application/sdp\r\n"), 403);
	/* Nor is it by a RECORD, which names the channel, after another's ANNOUNCE. */
	ck_assert_int_eq(announce("rtsp://10.0.0.1/news"), 200);
	ck_assert_int_eq(
		ask("SETUP", "rtsp://10.0.0.1/news",
			"Transport: RTP/AVP;unicast;client_port=5000-5001;mode=record\r\n"),
		200);
	ck_assert_int_eq(in(conn.first, "RECORD", ""), 403);
}
END_TEST

START_TEST(test_a_place_is_waited_for_on_the_sessions_own_connection)
{
	struct session *s = set_up("");
	char headers[128];

	snprintf(headers, sizeof(headers), "Session: %s\r\n", s->id_text);
	ck_assert_int_eq(ask_on(&other, "PLAY", U, headers), 455);
	ck_assert_int_eq(in(s, "PLAY", ""), 200);
}
END_TEST

/* A PLAY whose place the master does not bring. */
static void look_for(const struct session *s)
{
	char request[512];
	struct text_msg m;

	master.down = true;
	snprintf(request, sizeof(request),
		"PLAY " U " RTSP/1.0\r\nCSeq: 1\r\nSession: %s\r\nRange: npt=20-\r\n\r\n",
		s->id_text);
	text_parse(&m, request, strlen(request), 0);
	sbuf_init(&reply.text, text, sizeof(text));
	rtsp_request(&rtsp, &conn, &m, now, &reply);
}

START_TEST(test_no_place_in_time_is_a_timeout)
{
	struct session *s = set_up("");

	look_for(s);
	ck_assert_uint_eq(reply.actions, RTSP_WAIT | RTSP_LOOK);
	passes(now + 5 * NS_S);
	ck_assert_int_eq(looked, 1);
	look_for(s);
	ck_assert_int_eq(reply.status, 504);
	ck_assert_int_eq(s->state, SESSION_READY);
}
END_TEST

/* Another connection of the same host ends or pauses it: who waits is not to wait for ever. */
START_TEST(test_a_place_is_not_looked_for_any_more_when_the_session_is_paused_or_ended)
{
	struct session *s = set_up("");
	char headers[128];

	snprintf(headers, sizeof(headers), "Session: %s\r\n", s->id_text);
	ck_assert_int_eq(in(s, "PLAY", ""), 200);
	ck_assert(!rtsp_looks(&conn));
	look_for(s);
	ck_assert_uint_eq(reply.actions, RTSP_WAIT | RTSP_LOOK);
	ck_assert(rtsp_looks(&conn));
	ck_assert_int_eq(ask_on(&other, "PAUSE", U, headers), 200);
	ck_assert(!rtsp_looks(&conn));
	look_for(s);
	ck_assert(rtsp_looks(&conn));
	ck_assert_int_eq(ask_on(&other, "TEARDOWN", U, headers), 200);
	rtsp_end(&rtsp, s, true, now);
	ck_assert(!rtsp_looks(&conn));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("film");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_a_film_is_described_with_its_length);
	tcase_add_test(t, test_play_says_where_it_begins);
	tcase_add_test(t, test_a_range_that_there_is_not_is_refused);
	tcase_add_test(t, test_any_scale_is_answered_with_one);
	tcase_add_test(t, test_pause_says_where_and_play_goes_on_there);
	tcase_add_test(t, test_a_peer_that_fails_over_begins_with_the_packet_that_it_lacks);
	tcase_add_test(t, test_who_fails_over_from_another_film_is_told_so);
	tcase_add_test(t, test_the_end_is_told_with_the_last_number);
	tcase_add_test(t, test_nacks_are_answered_from_the_file);
	tcase_add_test(t, test_a_film_is_neither_relayed_nor_published);
	tcase_add_test(t, test_a_place_is_waited_for_on_the_sessions_own_connection);
	tcase_add_test(t, test_no_place_in_time_is_a_timeout);
	tcase_add_test(
		t, test_a_place_is_not_looked_for_any_more_when_the_session_is_paused_or_ended);
	return run_case("rtsp_film", t);
}
