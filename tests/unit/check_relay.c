/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The relay with a recorder in place of the sockets: who gets which packets, in what order. */
#include "sn-agent/relay.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rtp.h"
#include "sn-agent/session.h"
#include "tests/unit/run.h"

#define SSRC    0x11223344u
#define SDP     "v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:a\r\n"
#define LOG_MAX 20000

/* What went out: to which receiver (its port, or its connection), which packet. */
static struct {
	int to;
	bool rtcp;
	uint16_t seq;
	int call; /* number of the call that it was sent by */
} sent[LOG_MAX];
static int n_sent, calls, room; /* room: packets that a TCP connection takes */
static int64_t lacks[16];
static int n_lacks;
static ns_t woken;

static struct channels channels;
static struct channel *ch;
static struct medium *m;
static struct relay r;
static struct receiver rx[3];
static struct session publisher;

static void record(int to, bool rtcp, const struct iovec *v, int n)
{
	calls++;
	for (int i = 0; i < n; i++) {
		const uint8_t *p = v[i].iov_base;

		ck_assert_int_lt(n_sent, LOG_MAX);
		sent[n_sent].to = to;
		sent[n_sent].rtcp = rtcp;
		sent[n_sent].call = calls;
		sent[n_sent++].seq = (uint16_t)(p[2] << 8 | p[3]);
	}
}

static int udp(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	(void)arg;
	record(addr_port(to), rtcp, v, n);
	return n;
}

static int tcp(void *arg, void *conn, uint8_t channel, const struct iovec *v, int n)
{
	int take = n < room ? n : room;

	(void)arg;
	room -= take;
	record(*(int *)conn, channel % 2, v, take);
	return take;
}

static void missing(void *arg, struct medium *of, int64_t seq)
{
	(void)arg;
	ck_assert_ptr_eq(of, m);
	if (n_lacks < 16)
		lacks[n_lacks] = seq;
	n_lacks++;
}

static void wake(void *arg, ns_t when)
{
	(void)arg;
	woken = when;
}

static const struct relay_io io = {.udp = udp, .tcp = tcp, .missing = missing, .wake = wake};

static void setup(void)
{
	static const uint16_t port[] = {1000, 2000, 3000};

	channels_init(&channels, 10 * NS_S, (size_t)64 * 1024 * 1024, NS_S);
	ch = channel_new(&channels, SLICE("/news"), CHANNEL_LIVE, 0);
	ck_assert_int_eq(channel_describe(&channels, ch, SLICE(SDP)), 0);
	m = &ch->medium[0];
	relay_init(&r, &io, NULL);
	memset(rx, 0, sizeof(rx));
	for (int i = 0; i < 3; i++) {
		rx[i].rtp = addr_any(AF_INET, port[i]);
		rx[i].rtcp = addr_any(AF_INET, (uint16_t)(port[i] + 1));
	}
	n_sent = calls = n_lacks = 0;
	woken = NS_NEVER;
	room = 1 << 30;
}

static void teardown(void)
{
	for (int i = 0; i < 3; i++)
		relay_remove(&r, &rx[i]);
	relay_flush(&r);
	channels_free(&channels);
}

static int push_one(uint16_t seq, uint32_t ssrc, uint8_t ts, bool marker, ns_t now)
{
	uint8_t p[40] = {0x80, (uint8_t)(33 | marker << 7), (uint8_t)(seq >> 8), (uint8_t)seq, 0, 0,
		0, ts, (uint8_t)(ssrc >> 24), (uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8),
		(uint8_t)ssrc};
	int64_t number;

	return relay_rtp(&r, m, p, sizeof(p), now, &number);
}

static int push_ssrc(uint16_t seq, uint32_t ssrc, ns_t now)
{
	return push_one(seq, ssrc, 0, false, now);
}

static void push(uint16_t from, int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(push_ssrc((uint16_t)(from + i), SSRC, 0), RING_NEW);
	relay_flush(&r);
}

static int64_t play(int i, int64_t from)
{
	int err;
	int64_t first = relay_add(&r, m, &rx[i], from, 0, &err);

	ck_assert_int_eq(err, 0);
	return first;
}

/* The packets that `to` got are exactly from..from+n-1, in order. */
static void assert_got(int to, uint16_t from, int n)
{
	int k = 0;

	for (int i = 0; i < n_sent; i++) {
		if (sent[i].to != to || sent[i].rtcp)
			continue;
		ck_assert_uint_eq(sent[i].seq, (uint16_t)(from + k));
		k++;
	}
	ck_assert_int_eq(k, n);
}

START_TEST(test_what_came_together_goes_out_together_once_for_each_receiver)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(play(i, -1), -1);
	push(65530, 20);
	ck_assert_int_eq(calls, 3);
	for (int i = 0; i < 3; i++)
		assert_got(1000 * (i + 1), 65530, 20);
	ck_assert_uint_eq(rx[0].packets, 20);
	ck_assert_uint_eq(rx[0].bytes, 20 * 40);
	ck_assert_uint_eq(r.packets_out, 60);
}
END_TEST

START_TEST(test_more_than_one_batch_in_a_turn)
{
	play(0, -1);
	push(1, 3 * MEDIUM_BATCH + 1);
	assert_got(1000, 1, 3 * MEDIUM_BATCH + 1);
	ck_assert_int_eq(calls, 4);
}
END_TEST

START_TEST(test_duplicates_and_garbage_are_not_passed_on)
{
	int64_t n;

	play(0, -1);
	push(1, 3);
	ck_assert_int_eq(push_ssrc(2, SSRC, 0), RING_DUPLICATE);
	ck_assert_int_eq(relay_rtp(&r, m, (const uint8_t *)"x", 1, 0, &n), -EINVAL);
	relay_flush(&r);
	assert_got(1000, 1, 3);
	ck_assert_uint_eq(r.duplicates, 1);
	ck_assert_uint_eq(r.malformed, 1);
}
END_TEST

START_TEST(test_who_joins_late_gets_what_is_live)
{
	push(1, 10);
	ck_assert_int_eq(play(0, -1) & 0xffff, 11);
	push(11, 5);
	assert_got(1000, 11, 5);
	ck_assert_int_eq(push_ssrc(0, SSRC, 0), RING_NEW); /* from before it came */
	relay_flush(&r);
	assert_got(1000, 11, 5);
}
END_TEST

START_TEST(test_catching_up_is_paced_and_joins_the_live_packets_without_hole_or_double)
{
	ns_t now = 0, when;
	uint16_t next = 1001;

	push(1, 1000);
	ck_assert_int_eq(play(0, 101) & 0xffff, 101);
	when = relay_catch_up(&r, now);
	assert_got(1000, 101, RELAY_FIRST);
	while (when != NS_NEVER) {
		ck_assert_int_eq(when, now + NS_MS);
		now = when;
		push(next, 2);
		next += 2;
		when = relay_catch_up(&r, now);
	}
	push(next, 3);
	assert_got(1000, 101, 900 + next - 1001 + 3);
	ck_assert_int_ge(now, (900 - RELAY_FIRST) / RELAY_PACE * NS_MS);
	ck_assert_int_le(now, 2 * (900 - RELAY_FIRST) / RELAY_PACE * NS_MS);
}
END_TEST

START_TEST(test_a_player_with_small_buffers_catches_up_more_slowly_but_faster_than_live)
{
	ns_t now = NS_MS;

	push(1, 1000);
	rx[0].player = true;
	play(0, 101);
	relay_catch_up(&r, now);
	assert_got(1000, 101, RELAY_FIRST);
	relay_catch_up(&r, now += 2 * NS_MS);
	assert_got(1000, 101, RELAY_FIRST + 2 * RELAY_PLAYER);
	ch->kbps = 50000; /* some 5 packets in a millisecond */
	relay_catch_up(&r, now += NS_MS);
	ck_assert_uint_ge(rx[0].packets, RELAY_FIRST + 2 * RELAY_PLAYER + 10);
}
END_TEST

START_TEST(test_from_older_than_the_ring_begins_with_what_there_is)
{
	push(500, 10);
	play(0, 400);
	relay_catch_up(&r, 0);
	assert_got(1000, 500, 10);
	/* what a repair brings later from before is passed on to it, and only to it */
	play(1, -1);
	ck_assert_int_eq(push_ssrc(450, SSRC, 0), RING_NEW);
	ck_assert_int_eq(push_ssrc(399, SSRC, 0), RING_NEW);
	relay_flush(&r);
	ck_assert_int_eq(n_sent, 11);
	ck_assert_uint_eq(sent[10].seq, 450);
	ck_assert_int_eq(sent[10].to, 1000);
}
END_TEST

START_TEST(test_from_ahead_of_the_ring_waits_for_it_but_not_for_ever)
{
	push(500, 10);
	play(0, 512);
	ck_assert_int_eq(play(1, 510 + 20000) & 0xffff, 510);
	push(510, 5);
	assert_got(1000, 512, 3);
	assert_got(2000, 510, 5);
}
END_TEST

START_TEST(test_from_before_the_first_packet_has_come)
{
	ck_assert_int_eq(play(0, 65000) & 0xffff, 65000);
	push(64999, 1);
	push(65000, 600);
	assert_got(1000, 65000, 600);
}
END_TEST

START_TEST(test_a_full_tcp_receiver_loses_whole_packets_and_the_others_none)
{
	int conn = 77;

	rx[0].tcp = true;
	rx[0].conn = &conn;
	rx[0].channel[1] = 1;
	play(0, -1);
	play(1, -1);
	room = 7;
	push(1, 20);
	assert_got(77, 1, 7);
	assert_got(2000, 1, 20);
	ck_assert_uint_eq(rx[0].dropped, 13);
	ck_assert_uint_eq(r.dropped, 13);
}
END_TEST

START_TEST(test_a_full_tcp_receiver_that_catches_up_waits)
{
	int conn = 77;

	rx[0].tcp = true;
	rx[0].conn = &conn;
	push(1, 100);
	play(0, 1);
	room = 30;
	relay_catch_up(&r, 0);
	assert_got(77, 1, 30);
	room = 1000;
	for (ns_t now = NS_MS; relay_catch_up(&r, now) != NS_NEVER; now += NS_MS)
		;
	assert_got(77, 1, 100);
	ck_assert_uint_eq(rx[0].dropped, 0);
}
END_TEST

/* A compound of an empty RR and a NACK. */
static void nack(int i, const uint16_t *seq, int n)
{
	uint8_t buf[4096];
	size_t len = 0;

	ck_assert_int_eq(rtcp_put_rr(buf, sizeof(buf), &len, 1), 0);
	ck_assert_int_eq(rtcp_put_nack(buf, sizeof(buf), &len, 1, SSRC, seq, n), n);
	ck_assert_int_eq(relay_feedback(&r, &rx[i], buf, len, 0), 0);
}

START_TEST(test_nacks_are_answered_from_the_ring_to_who_asked)
{
	static const uint16_t seq[] = {3, 4, 9};

	play(0, -1);
	play(1, -1);
	push(1, 10);
	n_sent = 0;
	nack(1, seq, 3);
	ck_assert_int_eq(n_sent, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(sent[i].to, 2000);
		ck_assert_uint_eq(sent[i].seq, seq[i]);
	}
	ck_assert_uint_eq(rx[1].repaired, 3);
}
END_TEST

START_TEST(test_what_the_ring_lacks_is_asked_for_and_passed_on_when_it_comes)
{
	static const uint16_t seq[] = {90, 105};

	push(100, 5);
	push(106, 5);
	play(0, -1);
	nack(0, seq, 2);
	ck_assert_int_eq(n_lacks, 2);
	ck_assert_int_eq(lacks[0] & 0xffff, 90);
	ck_assert_int_eq(lacks[1] & 0xffff, 105);
	ck_assert_int_eq(push_ssrc(90, SSRC, 0), RING_NEW);
	relay_flush(&r);
	assert_got(1000, 90, 1);
}
END_TEST

START_TEST(test_repairs_have_a_budget)
{
	uint16_t seq[100];

	play(0, -1);
	push(1, 100);
	for (int i = 0; i < 100; i++)
		seq[i] = (uint16_t)(i + 1);
	for (int i = 0; i < RELAY_REPAIR / 100 + 2; i++)
		nack(0, seq, 100);
	ck_assert_uint_eq(r.repaired, RELAY_REPAIR);
	ck_assert_uint_eq(r.repairs_refused, (RELAY_REPAIR / 100 + 2) * 100 - RELAY_REPAIR);
}
END_TEST

/* Asked of the upstream they cost all who receive from there. */
START_TEST(test_what_the_ring_lacks_has_a_budget_of_its_own)
{
	uint16_t old[100], seq[] = {30000, 30001};

	play(0, -1);
	push(30000, 100);
	for (int i = 0; i < 100; i++)
		old[i] = (uint16_t)(20000 + i);
	for (int i = 0; i < 2 * RELAY_LACKS / 100; i++)
		nack(0, old, 100);
	ck_assert_int_eq(n_lacks, RELAY_LACKS);
	ck_assert_uint_eq(r.repairs_refused, 2 * RELAY_LACKS / 100 * 100 - RELAY_LACKS);
	nack(0, seq, 2);
	ck_assert_uint_eq(r.repaired, 2);
}
END_TEST

START_TEST(test_a_source_that_numbers_anew_goes_on_for_all)
{
	play(0, -1);
	push(60000, 10);
	ck_assert_int_eq(push_ssrc(5, SSRC + 1, NS_S), RING_FAR);
	ck_assert_int_eq(push_ssrc(6, SSRC + 1, NS_S), RING_NEW);
	relay_flush(&r);
	ck_assert_int_eq(n_sent, 12);
	ck_assert_uint_eq(sent[10].seq, 5);
	ck_assert_uint_eq(sent[11].seq, 6);
	ck_assert_uint_eq(r.restarts, 1);
	ck_assert_int_eq(ring_count(m->ring), 2);
	ck_assert_int_eq(push_ssrc(40000, SSRC + 1, 2 * NS_S), RING_FAR);
	ck_assert_int_eq(push_ssrc(40001, SSRC + 1, 2 * NS_S), RING_NEW);
	relay_flush(&r);
	ck_assert_uint_eq(sent[12].seq, 40000);
	ck_assert_uint_eq(sent[13].seq, 40001);
}
END_TEST

START_TEST(test_stray_packets_empty_no_ring)
{
	play(0, -1);
	push(1, 10);
	for (uint16_t i = 0; i < 10; i++) {
		ck_assert_int_eq(push_ssrc(i, SSRC + 1, NS_S + i), RING_FAR);
		ck_assert_int_eq(push_ssrc((uint16_t)(11 + i), SSRC, NS_S + i), RING_NEW);
		ck_assert_int_eq(push_ssrc((uint16_t)(30000 + i), SSRC, NS_S + i), RING_FAR);
		ck_assert_int_eq(push_ssrc((uint16_t)(30001 + i), SSRC, NS_S + i), RING_FAR);
	}
	relay_flush(&r);
	assert_got(1000, 1, 20);
	ck_assert_int_eq(ring_count(m->ring), 20);
	ck_assert_uint_eq(r.restarts, 0);
}
END_TEST

/* The publisher had vanished and is back: what is in the ring may be of another. */
START_TEST(test_what_is_in_doubt_is_for_nobody_new)
{
	uint16_t lost = 9;

	play(0, -1);
	push(1, 10);
	relay_doubt(m);
	rx[1].has_source = true;
	rx[1].source = SSRC + 1;
	ck_assert_int_eq(play(1, 5), -1);
	ck_assert_int_eq(play(2, -1), -1);
	relay_catch_up(&r, 0);
	/* Who has had it so far can repair it, until it is known to be over. */
	nack(0, &lost, 1);
	ck_assert_uint_eq(r.repaired, 1);
	ck_assert_int_eq(n_sent, 11);
	ck_assert_int_eq(push_ssrc(7, SSRC + 1, 0), RING_NEW);
	relay_flush(&r);
	nack(0, &lost, 1);
	ck_assert_uint_eq(r.repaired, 1);
	ck_assert_int_eq(n_sent, 14);
	for (int i = 11; i < 14; i++)
		ck_assert_uint_eq(sent[i].seq, 7);
}
END_TEST

START_TEST(test_publisher_that_goes_on_where_it_was_has_lost_nothing)
{
	push(1, 10);
	relay_doubt(m);
	push(11, 10);
	ck_assert(!m->in_doubt);
	ck_assert_int_eq(ring_count(m->ring), 20);
	ck_assert_uint_eq(r.restarts, 0);
}
END_TEST

/* The same numbers, of the source that was here, of the one that is, and of another still. */
START_TEST(test_a_nack_is_for_its_source)
{
	uint8_t buf[100];
	const uint16_t seq[] = {3, 4};
	const uint32_t of[] = {SSRC, SSRC + 1, SSRC + 2};

	play(0, -1);
	push(1, 10);
	for (uint16_t i = 1; i < 10; i++)
		push_ssrc(i, SSRC + 1, NS_S);
	relay_flush(&r);
	n_sent = 0;
	for (int i = 0; i < 3; i++) {
		size_t len = 0;

		rtcp_put_rr(buf, sizeof(buf), &len, 1);
		ck_assert_int_eq(rtcp_put_nack(buf, sizeof(buf), &len, 1, of[i], seq, 2), 2);
		ck_assert_int_eq(relay_feedback(&r, &rx[0], buf, len, NS_S), 0);
		ck_assert_int_eq(n_sent, i < 1 ? 0 : 2);
	}
	ck_assert_int_eq(n_lacks, 0);
}
END_TEST

/* A client fails over to a node that a new source of the channel is attached to: its old source's
 * number says nothing here, wherever the new ones lie. */
START_TEST(test_a_number_of_another_source_waits_for_nothing)
{
	for (int i = 0; i < 3; i++)
		rx[i].has_source = true;
	rx[0].source = rx[1].source = SSRC + 1;
	rx[2].source = SSRC;
	ch->publisher = &publisher;
	play(0, 3218);
	push(100, 5);
	assert_got(1000, 100, 5);
	ck_assert_int_eq(play(1, 3218) & 0xffff, 100);
	ck_assert_int_eq(play(2, 103) & 0xffff, 103);
	relay_catch_up(&r, 0);
	assert_got(2000, 100, 5);
	assert_got(3000, 103, 2);
}
END_TEST

/* Nothing says which of two sources that a node has not both seen came later. */
START_TEST(test_a_number_of_an_unknown_source_begins_with_what_is_live)
{
	for (int i = 0; i < 3; i++)
		rx[i].has_source = true;
	rx[0].source = SSRC + 1;
	rx[1].source = SSRC + 7;
	rx[2].source = SSRC;
	push(1, 10);
	ck_assert_int_eq(play(0, 5) & 0xffff, 11);
	for (uint16_t i = 21; i < 25; i++)
		push_ssrc(i, SSRC + 1, NS_S);
	relay_flush(&r);
	assert_got(1000, 21, 4);
	/* The one has been followed here, the other is not known. */
	ck_assert_int_eq(play(2, 5) & 0xffff, 21);
	ck_assert_int_eq(play(1, 5) & 0xffff, 25);
	relay_catch_up(&r, NS_S);
	assert_got(3000, 21, 4);
	ck_assert_int_eq(push_ssrc(25, SSRC + 1, NS_S), RING_NEW);
	relay_flush(&r);
	assert_got(2000, 25, 1);
}
END_TEST

START_TEST(test_bye_counts_only_for_the_source_itself)
{
	uint8_t buf[64];
	size_t n = 0;

	play(0, -1);
	push(1, 1);
	rtcp_put_rr(buf, sizeof(buf), &n, SSRC + 9);
	rtcp_put_bye(buf, sizeof(buf), &n, SSRC + 9);
	ck_assert_int_eq(relay_origin_rtcp(&r, m, buf, n), 0);
	ck_assert(!m->bye);
	relay_send_bye(&r, &rx[0]);
	ck_assert_int_eq(n_sent, 3);
	n = 0;
	rtcp_put_rr(buf, sizeof(buf), &n, SSRC);
	rtcp_put_bye(buf, sizeof(buf), &n, SSRC);
	ck_assert_int_eq(relay_origin_rtcp(&r, m, buf, n), 0);
	ck_assert(m->bye);
	relay_send_bye(&r, &rx[0]);
	ck_assert_int_eq(n_sent, 4);
	for (int i = 1; i < 4; i++)
		ck_assert_int_eq(sent[i].to, 1001);
}
END_TEST

START_TEST(test_malformed_rtcp_is_refused)
{
	static const uint8_t bad[][8] = {{0}, {0x80, 201, 0, 9}, {0x40, 201, 0, 1}};

	play(0, -1);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(relay_origin_rtcp(&r, m, bad[i], 8), -EINVAL);
		ck_assert_int_eq(relay_feedback(&r, &rx[0], bad[i], 8, 0), -EINVAL);
	}
	ck_assert_int_eq(relay_feedback(&r, &rx[0], bad[0], 0, 0), -EINVAL);
	ck_assert_uint_eq(r.rtcp_malformed, 7);
	ck_assert_int_eq(n_sent, 0);
}
END_TEST

START_TEST(test_receivers_come_and_go)
{
	for (int i = 0; i < 3; i++)
		play(i, -1);
	relay_remove(&r, &rx[0]);
	relay_remove(&r, &rx[0]);
	push(1, 4);
	assert_got(1000, 1, 0);
	assert_got(2000, 1, 4);
	assert_got(3000, 1, 4);
	play(0, 2);
	relay_remove(&r, &rx[0]);
	ck_assert_int_eq(relay_catch_up(&r, 0), NS_NEVER);
}
END_TEST

/* ---- waiting for each other ---- */

#define DELAY (20 * NS_MS)
#define EVEN  (5 * NS_MS)

/* A stream that is paced evenly, and two receivers that are not few. */
static void begin_even(void)
{
	r.few = 2;
	r.delay = DELAY;
	play(0, -1);
	play(1, -1);
	push_ssrc(1, SSRC, NS_S);
	relay_turn(&r, NS_S); /* after a pause: at once */
	ck_assert_int_eq(calls, 2);
	ck_assert(woken == NS_NEVER);
}

START_TEST(test_packets_that_come_one_by_one_wait_for_each_other_as_long_as_they_may)
{
	ns_t now = NS_S, first = 0;
	uint16_t next = 2;

	begin_even();
	for (int batch = 0; batch < 3; batch++) {
		int before = calls, n;

		for (n = 0; n == 0 || now + EVEN < first + DELAY; n++) {
			now += EVEN;
			first = n ? first : now;
			push_ssrc(next++, SSRC, now);
			relay_turn(&r, now);
			ck_assert_int_eq(calls, before);
			ck_assert(woken == first + DELAY);
		}
		ck_assert_int_eq(n, 4);
		now = first + DELAY;
		relay_turn(&r, now);
		ck_assert_int_eq(calls, before + 2);
		assert_got(1000, 1, next - 1);
		assert_got(2000, 1, next - 1);
		now -= EVEN;
	}
}
END_TEST

START_TEST(test_nothing_waits_with_few_receivers_or_when_it_is_not_to)
{
	begin_even();
	relay_remove(&r, &rx[1]);
	push_ssrc(2, SSRC, NS_S + EVEN);
	relay_turn(&r, NS_S + EVEN);
	assert_got(1000, 1, 2);
	play(1, -1);
	r.delay = 0;
	push_ssrc(3, SSRC, NS_S + 2 * EVEN);
	relay_turn(&r, NS_S + 2 * EVEN);
	assert_got(1000, 1, 3);
	ck_assert(woken == NS_NEVER);
}
END_TEST

START_TEST(test_what_comes_seldom_and_a_burst_after_a_pause_do_not_wait)
{
	begin_even();
	push_ssrc(2, SSRC, NS_S + DELAY);
	relay_turn(&r, NS_S + DELAY);
	assert_got(2000, 1, 2);
	for (uint16_t i = 3; i < 10; i++)
		push_ssrc(i, SSRC, NS_S + 3 * DELAY);
	relay_turn(&r, NS_S + 3 * DELAY);
	assert_got(2000, 1, 9);
	ck_assert(woken == NS_NEVER);
}
END_TEST

/* The loop was busy for 8 ms: they came some time in it. */
START_TEST(test_what_has_waited_to_be_read_waits_less)
{
	begin_even();
	push_ssrc(2, SSRC, NS_S + 8 * NS_MS);
	push_ssrc(3, SSRC, NS_S + 8 * NS_MS);
	relay_turn(&r, NS_S + 8 * NS_MS);
	ck_assert(woken == NS_S + DELAY);
	relay_turn(&r, NS_S + DELAY);
	assert_got(1000, 1, 3);
}
END_TEST

/* Packets 2 and 3 show that frames end with a marker; 4 to 6 are a frame that comes in three
 * turns. */
START_TEST(test_a_frame_goes_when_it_is_whole_whatever_turns_it_came_in)
{
	ns_t now = NS_S;

	begin_even();
	push_one(2, SSRC, 1, false, now);
	push_one(3, SSRC, 1, true, now);
	relay_turn(&r, now);
	assert_got(1000, 1, 3);
	now += 2 * DELAY;
	for (uint16_t i = 4; i < 6; i++) {
		push_one(i, SSRC, 2, false, ++now);
		relay_turn(&r, now);
	}
	assert_got(1000, 1, 3);
	push_one(6, SSRC, 2, true, ++now);
	relay_turn(&r, now);
	assert_got(1000, 1, 6);
	ck_assert_int_eq(calls, 6);
	/* the marker of the next one is lost */
	push_one(7, SSRC, 3, false, now);
	relay_turn(&r, now);
	assert_got(1000, 1, 6);
	ck_assert(woken == now + DELAY);
	relay_turn(&r, woken);
	assert_got(1000, 1, 7);
}
END_TEST

/* As of audio: a packet is a frame. */
START_TEST(test_markers_on_single_packets_make_none_wait)
{
	begin_even();
	for (uint16_t i = 2; i < 6; i++) {
		push_one(i, SSRC, (uint8_t)i, true, NS_S + i);
		relay_turn(&r, NS_S + i);
		assert_got(1000, 1, i);
	}
	push_one(6, SSRC, 6, false, NS_S + DELAY);
	relay_turn(&r, NS_S + DELAY);
	assert_got(1000, 1, 6);
}
END_TEST

START_TEST(test_what_a_repair_brings_does_not_wait)
{
	begin_even();
	push_ssrc(3, SSRC, NS_S + EVEN);
	relay_turn(&r, NS_S + EVEN);
	ck_assert_int_eq(calls, 2);
	push_ssrc(2, SSRC, NS_S + EVEN);
	relay_turn(&r, NS_S + EVEN);
	ck_assert_int_eq(calls, 4);
	ck_assert_uint_eq(rx[0].packets, 3);
}
END_TEST

START_TEST(test_who_catches_up_while_packets_wait_gets_them_once)
{
	ns_t now = NS_S;

	begin_even();
	for (uint16_t i = 2; i < 4; i++) {
		push_ssrc(i, SSRC, now += EVEN);
		relay_turn(&r, now);
	}
	play(2, 1);
	ck_assert(relay_catch_up(&r, now) == NS_NEVER);
	assert_got(3000, 1, 1);
	assert_got(1000, 1, 1);
	relay_turn(&r, now + DELAY);
	assert_got(3000, 1, 3);
	assert_got(1000, 1, 3);
}
END_TEST

START_TEST(test_reports_do_not_overtake_what_waits)
{
	uint8_t buf[64];
	size_t n = 0;

	begin_even();
	push_ssrc(2, SSRC, NS_S + EVEN);
	relay_turn(&r, NS_S + EVEN);
	rtcp_put_rr(buf, sizeof(buf), &n, SSRC);
	ck_assert_int_eq(relay_origin_rtcp(&r, m, buf, n), 0);
	assert_got(1000, 1, 2);
	ck_assert(sent[n_sent - 1].rtcp);
}
END_TEST

static void add_waiting_tests(TCase *t)
{
	tcase_add_test(
		t, test_packets_that_come_one_by_one_wait_for_each_other_as_long_as_they_may);
	tcase_add_test(t, test_nothing_waits_with_few_receivers_or_when_it_is_not_to);
	tcase_add_test(t, test_what_comes_seldom_and_a_burst_after_a_pause_do_not_wait);
	tcase_add_test(t, test_what_has_waited_to_be_read_waits_less);
	tcase_add_test(t, test_a_frame_goes_when_it_is_whole_whatever_turns_it_came_in);
	tcase_add_test(t, test_markers_on_single_packets_make_none_wait);
	tcase_add_test(t, test_what_a_repair_brings_does_not_wait);
	tcase_add_test(t, test_who_catches_up_while_packets_wait_gets_them_once);
	tcase_add_test(t, test_reports_do_not_overtake_what_waits);
}

static void add_tests(TCase *t)
{
	tcase_add_test(t, test_what_came_together_goes_out_together_once_for_each_receiver);
	tcase_add_test(t, test_more_than_one_batch_in_a_turn);
	tcase_add_test(t, test_duplicates_and_garbage_are_not_passed_on);
	tcase_add_test(t, test_who_joins_late_gets_what_is_live);
	tcase_add_test(
		t, test_catching_up_is_paced_and_joins_the_live_packets_without_hole_or_double);
	tcase_add_test(
		t, test_a_player_with_small_buffers_catches_up_more_slowly_but_faster_than_live);
	tcase_add_test(t, test_from_older_than_the_ring_begins_with_what_there_is);
	tcase_add_test(t, test_from_ahead_of_the_ring_waits_for_it_but_not_for_ever);
	tcase_add_test(t, test_from_before_the_first_packet_has_come);
	tcase_add_test(t, test_a_full_tcp_receiver_loses_whole_packets_and_the_others_none);
	tcase_add_test(t, test_a_full_tcp_receiver_that_catches_up_waits);
	tcase_add_test(t, test_nacks_are_answered_from_the_ring_to_who_asked);
	tcase_add_test(t, test_what_the_ring_lacks_is_asked_for_and_passed_on_when_it_comes);
	tcase_add_test(t, test_repairs_have_a_budget);
	tcase_add_test(t, test_what_the_ring_lacks_has_a_budget_of_its_own);
	tcase_add_test(t, test_a_source_that_numbers_anew_goes_on_for_all);
	tcase_add_test(t, test_stray_packets_empty_no_ring);
	tcase_add_test(t, test_what_is_in_doubt_is_for_nobody_new);
	tcase_add_test(t, test_publisher_that_goes_on_where_it_was_has_lost_nothing);
	tcase_add_test(t, test_a_nack_is_for_its_source);
	tcase_add_test(t, test_a_number_of_another_source_waits_for_nothing);
	tcase_add_test(t, test_a_number_of_an_unknown_source_begins_with_what_is_live);
	tcase_add_test(t, test_bye_counts_only_for_the_source_itself);
	tcase_add_test(t, test_malformed_rtcp_is_refused);
	tcase_add_test(t, test_receivers_come_and_go);
}

int main(void)
{
	TCase *t = tcase_create("relay");

	tcase_add_checked_fixture(t, setup, teardown);
	add_tests(t);
	add_waiting_tests(t);
	return run_case("relay", t);
}
