/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups: who is told to join, who is sent by unicast, and that the network gets one copy. */
#include "sn-agent/group.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "lib/rtp.h"
#include "sn-agent/rtsp.h"
#include "tests/unit/run.h"

#define SDP1                                                                                       \
	"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\n"                                              \
	"m=video 0 RTP/AVP 33\r\na=control:streamid=0\r\n"
#define SDP2  SDP1 "m=audio 0 RTP/AVP 0\r\na=control:streamid=1\r\n"
#define U     "rtsp://10.0.0.1/news"
#define JOINS "Supported: nearcast.failover, nearcast.multicast\r\n"
#define MCAST "Transport: RTP/AVP;multicast\r\n"
#define SEENS 64
#define CONNS 6

static struct channels channels;
static struct relay relay;
static struct rtsp rtsp;
static struct rtsp_conn conn[CONNS];
static struct rtsp_reply reply;
static char text[RTSP_REPLY_MAX], session_line[64];
static ns_t now;
static uint64_t next_id;
static int begun, ended, tolds;
static struct session *told[CONNS];

/* Where packets went. */
static struct addr seen[SEENS];
static int seens;

static int udp(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	(void)arg, (void)rtcp, (void)v;
	for (int i = 0; i < n; i++) {
		ck_assert_int_lt(seens, SEENS);
		seen[seens++] = *to;
	}
	return n;
}

static int tcp(void *arg, void *c, uint8_t channel, const struct iovec *v, int n)
{
	(void)arg, (void)c, (void)channel, (void)v;
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
	return 0x1000000000000000u + next_id++;
}

static void begins(void *arg, struct group *g)
{
	(void)arg, (void)g;
	begun++;
}

static void ends(void *arg, struct group *g)
{
	(void)arg, (void)g;
	ended++;
}

static void tell(void *arg, struct session *s)
{
	(void)arg;
	ck_assert_int_lt(tolds, CONNS);
	told[tolds++] = s;
}

static void configure(const char *range, const char *clients, int threshold)
{
	static const struct group_ops ops = {begins, ends};
	struct groups_conf c = {.node = "sn1", .port = 7710, .ttl = 3, .threshold = threshold};

	ck_assert_int_eq(prefix_parse(&c.range, slice_of(range)), 0);
	c.n_clients = rtsp_prefixes(clients, c.clients);
	groups_init(&rtsp.groups, &c, &relay, &ops, NULL);
}

static int ask(int c, const char *method, const char *uri, const char *headers)
{
	char request[2048];
	struct text_msg m;
	const char *at;

	snprintf(request, sizeof(request), "%s %s RTSP/1.0\r\nCSeq: 1\r\n%s\r\n", method, uri,
		headers);
	sbuf_init(&reply.text, text, sizeof(text));
	ck_assert_int_gt(text_parse(&m, request, strlen(request), 0), 0);
	rtsp_request(&rtsp, &conn[c], &m, now, &reply);
	ck_assert_int_gt(text_parse(&m, text, reply.text.n, 0), 0);
	at = strstr(text, "Session: ");
	if (at)
		snprintf(session_line, sizeof(session_line), "Session: %.16s\r\n", at + 9);
	return m.status;
}

static struct channel *publish(const char *path, const char *sdp)
{
	struct channel *ch = channel_new(&channels, slice_of(path), CHANNEL_LIVE, now);

	ck_assert_int_eq(channel_describe(&channels, ch, slice_of(sdp)), 0);
	ch->local = true;
	channel_list(&channels, ch);
	return ch;
}

/* A packet of the medium: where it was sent to is seen. */
static void push(struct channel *ch, int medium)
{
	static uint16_t seq = 1;
	uint8_t p[20] = {0x80, 33, (uint8_t)(seq >> 8), (uint8_t)seq, 0, 0, 0, 0, 1, 2, 3, 4};
	int64_t n;

	ck_assert_int_ge(relay_rtp(&relay, &ch->medium[medium], p, sizeof(p), now, &n), 0);
	seq++;
	seens = 0;
	relay_flush(&relay);
}

static bool saw(const char *to)
{
	char s[ADDR_STRLEN];

	for (int i = 0; i < seens; i++)
		if (!strcmp(addr_str(&seen[i], s), to))
			return true;
	return false;
}

static void setup(void)
{
	static const struct relay_io io = {
		.udp = udp, .tcp = tcp, .missing = missing, .wake = wake};
	struct rtsp_conf conf = {
		.name = "sn1", .software = "test", .rtp_port = 7704, .session_timeout = 60 * NS_S};

	addr_parse(&conf.addr, SLICE("10.0.0.1"), 0);
	channels_init(&channels, 10 * NS_S, (size_t)1024 * 1024, NS_S);
	relay_init(&relay, &io, NULL);
	rtsp_init(&rtsp, &conf, &channels, &relay, ids);
	configure("239.255.78.0/24", "10.9.0.0/16", 2);
	memset(conn, 0, sizeof(conn));
	for (int i = 0; i < CONNS; i++) {
		char peer[32];
		snprintf(peer, sizeof(peer), "10.9.0.%d:5000", i + 1);
		addr_parse(&conn[i].peer, slice_of(peer), 0);
	}
	begun = ended = tolds = seens = 0;
	next_id = 0;
	now = NS_S;
}

static void teardown(void)
{
	relay_flush(&relay);
	while (rtsp.sessions.first)
		rtsp_end(&rtsp, rtsp.sessions.first, true, now);
	ck_assert_ptr_null(rtsp.groups.first);
	ck_assert_int_eq(rtsp.groups.n, 0);
	ck_assert_int_eq(begun, ended);
	channels_free(&channels);
}

/* A player over unicast: it plays /news, both media from port 6000 on. */
static struct session *unicast(int c, const char *supported)
{
	char headers[256];

	for (int i = 0; i < 2; i++) {
		snprintf(headers, sizeof(headers),
			"%s%sTransport: RTP/AVP;unicast;client_port=%d-%d\r\n",
			i ? session_line : "", supported, 6000 + 2 * i, 6001 + 2 * i);
		ck_assert_int_eq(
			ask(c, "SETUP", i ? U "/trackID=1" : U "/trackID=0", headers), 200);
	}
	ck_assert_int_eq(ask(c, "PLAY", U, session_line), 200);
	return conn[c].first;
}

static struct session *multicast(int c)
{
	char headers[256];

	ck_assert_int_eq(ask(c, "SETUP", U "/trackID=0", MCAST), 200);
	snprintf(headers, sizeof(headers), "%s" MCAST, session_line);
	ck_assert_int_eq(ask(c, "SETUP", U "/trackID=1", headers), 200);
	ck_assert_int_eq(ask(c, "PLAY", U, session_line), 200);
	return conn[c].first;
}

static void tick(void)
{
	tolds = 0;
	groups_tick(&rtsp.groups, &channels, &rtsp.sessions, now, tell, NULL);
}

static int delivery(int c, const char *by)
{
	char headers[128];

	snprintf(headers, sizeof(headers), "Session: %s\r\nNearcast-Delivery: %s\r\n",
		conn[c].first->id_text, by);
	return ask(c, "SET_PARAMETER", U, headers);
}

START_TEST(test_who_asks_for_multicast_is_told_the_group)
{
	struct channel *ch = publish("/news", SDP2);
	char want[128], group[ADDR_STRLEN];

	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=1", MCAST), 200);
	struct group *g = groups_of(&rtsp.groups, ch);
	snprintf(want, sizeof(want),
		"Transport: RTP/AVP;multicast;destination=%s;source=10.0.0.1;port=7712-7713;ttl=3",
		addr_host(&g->addr, group));
	ck_assert_ptr_nonnull(strstr(text, want));
	ck_assert_int_eq(strncmp(group, "239.255.78.", 11), 0);
	ck_assert_int_eq(begun, 0); /* before PLAY */
}
END_TEST

START_TEST(test_media_of_a_session_come_all_the_same_way)
{
	char headers[256];

	publish("/news", SDP2);
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=0", MCAST), 200);
	snprintf(headers, sizeof(headers), "%sTransport: RTP/AVP;unicast;client_port=6000-6001\r\n",
		session_line);
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=1", headers), 461);
	ck_assert_int_eq(ask(1, "SETUP", U "/trackID=0",
				 "Transport: RTP/AVP;unicast;client_port=6000-6001\r\n"),
		200);
	snprintf(headers, sizeof(headers), "%s" MCAST, session_line);
	ck_assert_int_eq(ask(1, "SETUP", U "/trackID=1", headers), 461);
}
END_TEST

START_TEST(test_one_copy_goes_out_however_many_play)
{
	struct channel *ch = publish("/news", SDP2);
	char group[ADDR_STRLEN + 8], host[ADDR_STRLEN];

	for (int i = 0; i < 4; i++)
		multicast(i);
	ck_assert_int_eq(begun, 1);
	snprintf(group, sizeof(group), "%s:7712",
		addr_host(&groups_of(&rtsp.groups, ch)->addr, host));
	push(ch, 1);
	ck_assert_int_eq(seens, 1);
	ck_assert(saw(group));
	for (int i = 0; i < 3; i++)
		rtsp_end(&rtsp, conn[i].first, true, now);
	push(ch, 1);
	ck_assert_int_eq(seens, 1);
	rtsp_end(&rtsp, conn[3].first, true, now);
	push(ch, 1);
	ck_assert_int_eq(seens, 0);
	ck_assert_int_eq(ended, 1);
}
END_TEST

START_TEST(test_a_pause_of_the_last_stops_the_flow_but_keeps_the_group)
{
	struct channel *ch = publish("/news", SDP2);
	struct session *s = multicast(0);

	ck_assert_int_eq(ask(0, "PAUSE", U, session_line), 200);
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(s->share, SHARE_SET_UP);
	push(ch, 0);
	ck_assert_int_eq(seens, 0);
	ck_assert_int_eq(ask(0, "PLAY", U, session_line), 200);
	push(ch, 0);
	ck_assert_int_eq(seens, 1);
}
END_TEST

START_TEST(test_group_is_only_for_who_can_be_reached)
{
	publish("/news", SDP2);
	addr_parse(&conn[0].peer, SLICE("10.7.0.1:5000"), 0);
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=0", MCAST), 461);
	ck_assert_ptr_null(conn[0].first);
	ck_assert_int_eq(ask(0, "OPTIONS", U, JOINS), 200);
	ck_assert_ptr_null(strstr(text, "nearcast.multicast"));
	ck_assert_int_eq(ask(1, "OPTIONS", U, JOINS), 200);
	ck_assert_ptr_nonnull(strstr(text, "nearcast.multicast"));
	addr_parse(&conn[0].peer, SLICE("[fd00::1]:5000"), 0);
	ck_assert_int_eq(ask(0, "SETUP", U "/trackID=0", MCAST), 461);
}
END_TEST

START_TEST(test_address_is_the_channels_own_and_stays_the_same)
{
	struct channel *a = publish("/a", SDP1), *b = publish("/b", SDP1);
	struct addr of_a, of_b;

	configure("239.255.78.4/31", "10.9.0.0/16", 2); /* room for two */
	publish("/c", SDP1);
	ck_assert_int_eq(ask(0, "SETUP", "rtsp://h/a", MCAST), 200);
	of_a = groups_of(&rtsp.groups, a)->addr;
	ck_assert_int_eq(ask(1, "SETUP", "rtsp://h/b", MCAST), 200);
	of_b = groups_of(&rtsp.groups, b)->addr;
	ck_assert(!addr_same_host(&of_a, &of_b));
	ck_assert_int_eq(ask(2, "SETUP", "rtsp://h/c", MCAST), 461);
	rtsp_end(&rtsp, conn[0].first, true, now);
	ck_assert_ptr_null(groups_of(&rtsp.groups, a));
	ck_assert_int_eq(ask(0, "SETUP", "rtsp://h/a", MCAST), 200);
	ck_assert(addr_same_host(&groups_of(&rtsp.groups, a)->addr, &of_a));
}
END_TEST

START_TEST(test_repairs_go_to_who_asked_alone)
{
	struct channel *ch = publish("/news", SDP2);
	uint8_t nack[64];
	size_t n = 0;

	multicast(0);
	multicast(1);
	push(ch, 0);
	uint16_t seq = (uint16_t)(ring_newest(ch->medium[0].ring) & 0xffff);
	rtcp_put_rr(nack, sizeof(nack), &n, 7);
	rtcp_put_nack(nack, sizeof(nack), &n, 7, 0x01020304, &seq, 1);
	seens = 0;
	struct addr from = conn[1].peer;
	addr_set_port(&from, 7711);
	struct peer *p = sessions_peer(&rtsp.sessions, &from, true);
	ck_assert_ptr_eq(p->session, conn[1].first);
	ck_assert_int_eq(relay_feedback(&relay, &p->session->m[0].rx, nack, n, now), 0);
	ck_assert_int_eq(seens, 1);
	ck_assert(saw("10.9.0.2:7710"));
}
END_TEST

START_TEST(test_clients_are_told_to_join_from_the_threshold_on)
{
	struct channel *ch = publish("/news", SDP2);

	unicast(0, JOINS);
	unicast(1, "Supported: nearcast.failover\r\n"); /* it cannot join */
	tick();
	ck_assert_int_eq(tolds, 0);
	unicast(2, JOINS);
	tick();
	ck_assert_int_eq(tolds, 2);
	ck_assert_int_eq(begun, 1);
	push(ch, 0); /* as before, and the group */
	ck_assert_int_eq(seens, 4);
	ck_assert(saw("10.9.0.1:6000") && saw("10.9.0.2:6000") && saw("10.9.0.3:6000"));
	tick();
	ck_assert_int_eq(tolds, 0); /* once */
	unicast(3, JOINS);
	tick();
	ck_assert_int_eq(tolds, 1);
	ck_assert_ptr_eq(told[0], conn[3].first);
}
END_TEST

START_TEST(test_notification_names_the_group)
{
	char mem[1024], want[128], host[ADDR_STRLEN];
	struct sbuf b;

	publish("/news", SDP2);
	unicast(0, JOINS);
	unicast(1, JOINS);
	tick();
	sbuf_init(&b, mem, sizeof(mem));
	rtsp_notify_group(&rtsp, told[0], &b);
	snprintf(want, sizeof(want), "\r\nNearcast-Group: %s;port=7710;ttl=3\r\n",
		addr_host(&told[0]->group->addr, host));
	ck_assert_ptr_nonnull(strstr(mem, want));
	ck_assert_ptr_nonnull(strstr(mem, "Notify-Reason: nearcast-group\r\n"));
}
END_TEST

START_TEST(test_unicast_ends_when_the_group_is_heard_and_goes_on_when_it_is_not)
{
	struct channel *ch = publish("/news", SDP2);

	unicast(0, JOINS);
	unicast(1, JOINS);
	tick();
	ck_assert_int_eq(delivery(0, "multicast"), 200);
	push(ch, 0);
	ck_assert_int_eq(seens, 2);
	ck_assert(!saw("10.9.0.1:6000") && saw("10.9.0.2:6000"));
	ck_assert_int_eq(delivery(1, "multicast"), 200);
	push(ch, 0);
	ck_assert_int_eq(seens, 1);
	ck_assert_int_eq(delivery(0, "unicast"), 200);
	push(ch, 0);
	ck_assert_int_eq(seens, 2);
	ck_assert(saw("10.9.0.1:6000"));
	/* It is not told again before long, though the group still flows. */
	tick();
	ck_assert_int_eq(tolds, 0);
	now += GROUP_BAR;
	tick();
	ck_assert_int_eq(tolds, 1);
}
END_TEST

START_TEST(test_group_that_nobody_hears_ends)
{
	struct channel *ch = publish("/news", SDP2);

	unicast(0, JOINS);
	unicast(1, JOINS);
	tick();
	now += GROUP_PATIENCE - 1;
	tick();
	ck_assert_int_eq(ended, 0);
	now++;
	tick();
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(rtsp.groups.in_vain, 2);
	ck_assert_int_eq(tolds, 0);
	push(ch, 0);
	ck_assert_int_eq(seens, 2);
	ck_assert_int_eq(delivery(0, "multicast"), 455); /* too late */
	ck_assert_int_eq(delivery(0, "unicast"), 200);
}
END_TEST

START_TEST(test_delivery_that_cannot_be)
{
	publish("/news", SDP2);
	unicast(0, JOINS);
	ck_assert_int_eq(delivery(0, "pigeon"), 400);
	ck_assert_int_eq(delivery(0, "multicast"), 455);
	ck_assert_int_eq(ask(0, "SET_PARAMETER", U, "Nearcast-Delivery: multicast\r\n"), 454);
	multicast(1);
	ck_assert_int_eq(delivery(1, "unicast"), 200); /* it has no other way, and keeps it */
	ck_assert_int_eq(conn[1].first->share, SHARE_PLAYS);
}
END_TEST

START_TEST(test_who_pauses_leaves_and_is_told_anew)
{
	publish("/news", SDP2);
	unicast(0, JOINS);
	unicast(1, JOINS);
	tick();
	ck_assert_int_eq(delivery(0, "multicast"), 200);
	ck_assert_int_eq(delivery(1, "multicast"), 200);
	char line[64];
	snprintf(line, sizeof(line), "Session: %s\r\n", conn[0].first->id_text);
	ck_assert_int_eq(ask(0, "PAUSE", U, line), 200);
	ck_assert_int_eq(conn[0].first->share, SHARE_NONE);
	ck_assert_int_eq(ask(0, "PLAY", U, line), 200);
	tick();
	ck_assert_int_eq(tolds, 1);
	ck_assert_ptr_eq(told[0], conn[0].first);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("group");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_who_asks_for_multicast_is_told_the_group);
	tcase_add_test(t, test_media_of_a_session_come_all_the_same_way);
	tcase_add_test(t, test_one_copy_goes_out_however_many_play);
	tcase_add_test(t, test_a_pause_of_the_last_stops_the_flow_but_keeps_the_group);
	tcase_add_test(t, test_group_is_only_for_who_can_be_reached);
	tcase_add_test(t, test_address_is_the_channels_own_and_stays_the_same);
	tcase_add_test(t, test_repairs_go_to_who_asked_alone);
	tcase_add_test(t, test_clients_are_told_to_join_from_the_threshold_on);
	tcase_add_test(t, test_notification_names_the_group);
	tcase_add_test(t, test_unicast_ends_when_the_group_is_heard_and_goes_on_when_it_is_not);
	tcase_add_test(t, test_group_that_nobody_hears_ends);
	tcase_add_test(t, test_delivery_that_cannot_be);
	tcase_add_test(t, test_who_pauses_leaves_and_is_told_anew);
	return run_case("group", t);
}
