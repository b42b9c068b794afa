/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The jitter buffer, under a clock of the test's own. */
#include "client-failover/playout.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define BUFFER (1000 * NS_MS)
#define T0     (5000 * NS_S)

static struct playout *p;
static struct playout_item item;
static const uint32_t rates[2] = {90000, 48000};
static int out_media[4096];
static int64_t out_seq[4096]; /* 16 bit */
static ns_t out_time[4096];
static int outs;

static void setup(void)
{
	p = playout_new(2, rates, BUFFER);
	outs = 0;
}

static void teardown(void)
{
	playout_free(p);
}

/* One packet of 20 bytes whose payload is its number. */
static enum playout_seen put_ssrc(int media, uint32_t ssrc, int seq, int64_t ms, ns_t now)
{
	uint32_t ts = (uint32_t)(ms * (int64_t)rates[media] / 1000);
	uint8_t k[20] = {0x80, 96, (uint8_t)(seq >> 8), (uint8_t)seq, (uint8_t)(ts >> 24),
		(uint8_t)(ts >> 16), (uint8_t)(ts >> 8), (uint8_t)ts, (uint8_t)(ssrc >> 24),
		(uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8), (uint8_t)ssrc, (uint8_t)seq};
	uint8_t *exact = malloc(sizeof k);

	memcpy(exact, k, sizeof k);
	enum playout_seen s = playout_put(p, media, exact, sizeof k, now);
	free(exact);
	return s;
}

/* Packet `seq` of the stream whose packet n has the timestamp n × 10 ms. */
static enum playout_seen put(int media, int seq, ns_t now)
{
	return put_ssrc(media, 1u + (uint32_t)media, seq & 0xffff, seq * 10LL, now);
}

/* Everything that comes out until `end`, at the moments that the buffer asks for. */
static void run(ns_t end)
{
	for (;;) {
		ns_t t = playout_when(p);
		if (t > end)
			return;
		enum playout_kind k = playout_next(p, t, false, &item);
		ck_assert_msg(k != PLAYOUT_NOTHING, "it said when, and then had nothing");
		if (k != PLAYOUT_PACKET)
			return;
		out_media[outs] = item.media;
		out_seq[outs] = item.data[2] << 8 | item.data[3];
		ck_assert_uint_eq(item.len, 20);
		ck_assert_int_eq((uint16_t)item.seq, out_seq[outs]);
		out_time[outs++] = t;
	}
}

START_TEST(test_first_packet_plays_after_the_buffer_and_others_by_timestamp)
{
	put(0, 100, T0);
	put(0, 101, T0 + 2 * NS_MS); /* comes early, plays 10 ms after the first */
	put(0, 102, T0 + 500 * NS_MS);
	ck_assert_int_eq(playout_when(p), T0 + BUFFER);
	ck_assert_int_eq(playout_next(p, T0 + BUFFER - 1, false, &item), PLAYOUT_NOTHING);
	run(T0 + BUFFER + 50 * NS_MS);
	ck_assert_int_eq(outs, 3);
	ck_assert_int_eq(out_time[0], T0 + BUFFER);
	ck_assert_int_eq(out_time[1], T0 + BUFFER + 10 * NS_MS);
	ck_assert_int_eq(out_time[2], T0 + BUFFER + 20 * NS_MS);
}
END_TEST

START_TEST(test_reordered_packets_come_out_in_order_and_once)
{
	static const int order[] = {65533, 65535, 65534, 65537, 65536, 65535, 65538, 65533};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		put(0, order[i], T0 + (ns_t)i * NS_MS);
	run(T0 + 2 * BUFFER);
	ck_assert_int_eq(outs, 6);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(out_seq[i], (65533 + i) & 0xffff);
	ck_assert_uint_eq(playout_stats(p).duplicates, 2);
	ck_assert_uint_eq(playout_stats(p).received, 6);
	ck_assert_uint_eq(playout_stats(p).lost, 0);
	ck_assert_uint_eq(playout_stats(p).recovered, 0); /* nobody asked */
	ck_assert_int_eq(put(0, 65536, T0 + 2 * BUFFER), PLAYOUT_DUPLICATE);
}
END_TEST

START_TEST(test_media_are_ordered_by_their_time)
{
	for (int i = 0; i < 5; i++)
		put(0, 10 + i, T0 + i * 10 * NS_MS);
	for (int i = 0; i < 5; i++)
		put(1, 900 + i, T0 + 5 * NS_MS + i * 10 * NS_MS);
	run(T0 + 2 * BUFFER);
	ck_assert_int_eq(outs, 10);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(out_media[i], i % 2);
}
END_TEST

START_TEST(test_frames_that_are_not_in_display_order_stay_in_sequence)
{
	static const int ms[] = {0, 120, 40, 80, 240, 160, 200};

	for (int i = 0; i < 7; i++)
		put_ssrc(0, 1, 10 + i, ms[i], T0 + i * 40 * NS_MS);
	run(T0 + 2 * BUFFER);
	ck_assert_int_eq(outs, 7);
	for (int i = 0; i < 7; i++)
		ck_assert_int_eq(out_seq[i], 10 + i);
}
END_TEST

START_TEST(test_missing_packet_is_asked_for_and_holds_back_its_medium)
{
	uint16_t due[PLAYOUT_MAX_NACK];

	put(0, 10, T0);
	put(0, 12, T0 + 20 * NS_MS);
	put(1, 10, T0 + 19 * NS_MS);
	put(1, 11, T0 + 30 * NS_MS);
	ck_assert_int_eq(playout_missing(p), 1);
	ck_assert_int_eq(playout_due(p, 0, T0 + 20 * NS_MS, due), 0); /* only reordered? */
	ns_t when = playout_due_when(p);
	ck_assert_int_le(when, T0 + 25 * NS_MS);
	ck_assert_int_eq(playout_due(p, 0, when, due), 1);
	ck_assert_int_eq(due[0], 11);
	ck_assert_int_eq(playout_due(p, 1, when, due), 0);
	run(T0 + 20 * NS_MS + BUFFER - 1);
	ck_assert_int_eq(outs, 2);
	ck_assert_int_eq(out_media[1], 1); /* the other medium goes on */
	ck_assert_int_eq(put(0, 11, T0 + 40 * NS_MS), PLAYOUT_RECOVERED);
	ck_assert_uint_eq(playout_stats(p).nacked, 1);
	ck_assert_uint_eq(playout_stats(p).recovered, 1);
	ck_assert_int_eq(playout_rtt(p), T0 + 40 * NS_MS - when);
	ck_assert_int_eq(playout_rtt(p), -1);
	outs = 0;
	run(T0 + 2 * BUFFER);
	ck_assert_int_eq(outs, 3);
	ck_assert_int_eq(out_seq[0], 11);
}
END_TEST

START_TEST(test_round_trip_is_not_measured_when_asked_twice)
{
	uint16_t due[PLAYOUT_MAX_NACK];

	put(0, 10, T0);
	put(0, 12, T0);
	playout_set_retry(p, 20 * NS_MS);
	ck_assert_int_eq(playout_due(p, 0, T0 + 5 * NS_MS, due), 1);
	ck_assert_int_eq(playout_due(p, 0, T0 + 24 * NS_MS, due), 0);
	ck_assert_int_eq(playout_due(p, 0, T0 + 25 * NS_MS, due), 1);
	put(0, 11, T0 + 30 * NS_MS);
	ck_assert_int_eq(playout_rtt(p), -1);
	ck_assert_uint_eq(playout_stats(p).nacked, 1); /* packets, not requests */
}
END_TEST

START_TEST(test_missing_packet_is_given_up_when_the_next_is_due_and_after_a_buffer)
{
	put(0, 10, T0);
	put(0, 11, T0 + 10 * NS_MS);
	/* The gap is seen late: the packet after it is due in 500 ms, but a buffer is granted. */
	put(0, 15, T0 + 550 * NS_MS);
	put(0, 16, T0 + 551 * NS_MS);
	run(T0 + BUFFER + 100 * NS_MS);
	ck_assert_int_eq(outs, 2);
	ck_assert_int_eq(playout_when(p), T0 + 550 * NS_MS + BUFFER);
	ck_assert_int_eq(playout_next(p, T0 + 550 * NS_MS + BUFFER, false, &item), PLAYOUT_GAP);
	ck_assert_int_eq((uint16_t)item.seq, 12);
	ck_assert_int_eq(item.count, 3);
	run(T0 + 550 * NS_MS + BUFFER);
	ck_assert_int_eq(outs, 4);
	ck_assert_int_eq(out_seq[2], 15);
	ck_assert_uint_eq(playout_stats(p).lost, 3);
	ck_assert_int_eq(playout_missing(p), 0);
	ck_assert_int_eq(put(0, 13, T0 + 2 * BUFFER), PLAYOUT_DUPLICATE); /* too late */
}
END_TEST

START_TEST(test_dry_buffer_stalls_and_nothing_late_is_dropped)
{
	for (int i = 0; i < 10; i++)
		put(0, 10 + i, T0 + i * 10 * NS_MS);
	run(T0 + 10 * NS_S);
	ck_assert_int_eq(outs, 10);
	ck_assert_int_eq(item.kind, PLAYOUT_STALLED);
	ns_t dry = T0 + 90 * NS_MS + BUFFER;
	ck_assert_int_eq(out_time[9], dry);
	ck_assert(playout_when(p) == NS_NEVER); /* told once */
	ck_assert_int_eq(playout_level(p, dry + NS_S), 0);
	/* What was missed comes two seconds late, all at once. */
	ns_t back = dry + 2 * NS_S;
	for (int i = 10; i < 20; i++)
		ck_assert_int_eq(put(0, 10 + i, back), PLAYOUT_LIVE);
	ck_assert_int_eq(playout_next(p, back, false, &item), PLAYOUT_UNSTALLED);
	ck_assert_int_eq(item.stall, 2 * NS_S);
	ck_assert_int_eq(playout_when(p), back + BUFFER); /* buffered anew */
	run(back + BUFFER + 90 * NS_MS);
	ck_assert_int_eq(outs, 20);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(out_seq[i], 10 + i);
	ck_assert_uint_eq(playout_stats(p).lost, 0);
	ck_assert_int_eq(playout_lowest(p), 0);
}
END_TEST

START_TEST(test_late_media_share_the_clock_that_was_set_anew)
{
	put(0, 10, T0);
	put(1, 10, T0);
	run(T0 + 3 * BUFFER); /* dry */
	ns_t back = T0 + 4 * BUFFER;
	put(0, 11, back);
	put(1, 11, back + 20 * NS_MS); /* same timestamp as its companion */
	ck_assert_int_eq(playout_next(p, back + 20 * NS_MS, false, &item), PLAYOUT_UNSTALLED);
	outs = 0;
	run(back + 2 * BUFFER);
	ck_assert_int_eq(outs, 2);
	ck_assert_int_eq(out_time[0], back + BUFFER);
	ck_assert_int_eq(out_time[1], back + BUFFER);
}
END_TEST

START_TEST(test_level_is_what_is_left_to_play)
{
	ck_assert_int_eq(playout_level(p, T0), 0);
	put(0, 10, T0);
	ck_assert_int_eq(playout_level(p, T0), BUFFER);
	ck_assert_int_eq(playout_level(p, T0 + 400 * NS_MS), 600 * NS_MS);
	put(0, 50, T0 + 400 * NS_MS);
	ck_assert_int_eq(playout_level(p, T0 + 400 * NS_MS), BUFFER);
	ck_assert_int_eq(playout_lowest(p), 600 * NS_MS);
}
END_TEST

START_TEST(test_timestamps_may_wrap_and_jump)
{
	/* 10 ms before the wrap of 32 bits at 90 kHz. */
	int64_t ms = (int64_t)UINT32_MAX / 90;

	put_ssrc(0, 1, 10, ms - 10, T0);
	put_ssrc(0, 1, 11, ms + 10, T0 + 20 * NS_MS);
	run(T0 + BUFFER + 25 * NS_MS);
	ck_assert_int_eq(outs, 2);
	ck_assert_int_ge(out_time[1], T0 + BUFFER + 19 * NS_MS);
	teardown();
	setup();
	/* A timestamp an hour ahead says nothing of when its packet plays. */
	put_ssrc(0, 1, 10, 0, T0);
	put_ssrc(0, 1, 11, 3600000, T0 + 10 * NS_MS);
	put_ssrc(0, 1, 12, 3600010, T0 + 20 * NS_MS);
	run(T0 + 2 * BUFFER);
	ck_assert_int_eq(outs, 3);
	ck_assert_int_eq(out_time[1], T0 + BUFFER + 10 * NS_MS);
	ck_assert_int_eq(out_time[2], T0 + BUFFER + 20 * NS_MS);
}
END_TEST

START_TEST(test_timestamps_go_on_after_more_than_half_their_range)
{
	static const int64_t step = 6 * 3600 * 1000; /* ms; 90 kHz have 2^31 in 6.6 h */

	put_ssrc(0, 1, 10, 0, T0);
	put_ssrc(0, 1, 11, step, T0 + step * NS_MS);
	put_ssrc(0, 1, 12, 2 * step, T0 + 2 * step * NS_MS + 50 * NS_MS); /* a little late */
	while (playout_next(p, T0 + 2 * step * NS_MS + 50 * NS_MS, false, &item))
		;
	ck_assert_int_eq(playout_when(p), T0 + 2 * step * NS_MS + BUFFER);
}
END_TEST

/* The undefined-behaviour sanitizer is what would tell of an overflow. */
START_TEST(test_any_clock_rate_and_any_timestamps_can_be_counted_with)
{
	static const uint32_t extreme[2] = {1, UINT32_MAX};
	const ns_t year = 365LL * 24 * 3600 * NS_S;
	ns_t now = 10 * year;

	for (int m = 0; m < 2; m++) {
		playout_free(p);
		p = playout_new(1, &extreme[m], BUFFER);
		for (int i = 0; i < 100; i++, now += NS_MS) {
			uint32_t ts = (uint32_t)i * 0x7fffffffu;
			uint8_t k[20] = {0x80, 96, 0, (uint8_t)i, (uint8_t)(ts >> 24),
				(uint8_t)(ts >> 16), (uint8_t)(ts >> 8), (uint8_t)ts};

			ck_assert_int_eq(playout_put(p, 0, k, sizeof(k), now), PLAYOUT_LIVE);
		}
		outs = 0;
		run(now + 20 * NS_S);
		ck_assert_int_eq(outs, 100);
	}
}
END_TEST

START_TEST(test_restart_of_the_source_follows_what_was_there)
{
	put(0, 10, T0);
	put(0, 12, T0 + 20 * NS_MS);
	/* One stray packet does nothing. */
	ck_assert_int_eq(put_ssrc(0, 99, 7000, 0, T0 + 30 * NS_MS), PLAYOUT_DUPLICATE);
	put(0, 13, T0 + 30 * NS_MS);
	/* Two of one kind in a row are a new source. */
	put_ssrc(0, 77, 40000, 500000, T0 + 100 * NS_MS);
	ck_assert_int_eq(put_ssrc(0, 77, 40001, 500010, T0 + 110 * NS_MS), PLAYOUT_LIVE);
	uint32_t ssrc;
	ck_assert(playout_ssrc(p, 0, &ssrc));
	ck_assert_uint_eq(ssrc, 77);
	run(T0 + 3 * BUFFER);
	ck_assert_int_eq(item.kind, PLAYOUT_RESTARTED);
	ck_assert_int_eq(outs, 3);
	ck_assert_int_eq(out_seq[2], 13);
	ck_assert_uint_eq(playout_stats(p).lost, 1);
	run(T0 + 3 * BUFFER);
	ck_assert_int_eq(outs, 5);
	ck_assert_int_eq(out_seq[3], 40000);
	ck_assert_int_eq(out_seq[4], 40001);
	ck_assert_int_eq(put(0, 14, T0 + 4 * BUFFER), PLAYOUT_DUPLICATE); /* the old one is over */
}
END_TEST

START_TEST(test_end_is_known_and_its_tail_is_missing)
{
	uint16_t due[PLAYOUT_MAX_NACK];

	put(0, 65534, T0);
	playout_ends(p, 0, 1, T0 + 10 * NS_MS);
	playout_ends(p, 1, 77, T0 + 10 * NS_MS); /* of a medium that never came */
	playout_finish(p);
	ck_assert_int_eq(playout_missing(p), 3);
	ck_assert_int_eq(playout_due(p, 0, T0 + 20 * NS_MS, due), 3);
	ck_assert_int_eq(due[0], 65535);
	ck_assert_int_eq(due[2], 1);
	put(0, 65535, T0 + 30 * NS_MS);
	put(0, 65537, T0 + 30 * NS_MS);
	ck_assert_int_eq(playout_missing(p), 1);
	ck_assert(!playout_empty(p));
	run(T0 + 2 * BUFFER);
	ck_assert_int_eq(item.kind, PLAYOUT_GAP);
	ck_assert_int_eq(item.count, 1);
	run(T0 + 2 * BUFFER);
	ck_assert_int_eq(outs, 3);
	ck_assert(playout_empty(p));
	ck_assert_int_eq(playout_next(p, T0 + 9 * BUFFER, false, &item), PLAYOUT_NOTHING);
	ck_assert_uint_eq(playout_stats(p).lost, 1);
}
END_TEST

START_TEST(test_tail_that_nobody_has_is_given_up_after_a_buffer)
{
	put(0, 10, T0);
	run(T0 + BUFFER);
	playout_ends(p, 0, 15, T0 + BUFFER + NS_MS);
	playout_finish(p);
	ck_assert_int_eq(playout_when(p), T0 + 2 * BUFFER + NS_MS);
	run(T0 + 2 * BUFFER + NS_MS);
	ck_assert_int_eq(item.kind, PLAYOUT_GAP);
	ck_assert_int_eq(item.count, 5);
	ck_assert(playout_empty(p));
}
END_TEST

START_TEST(test_stop_takes_nothing_new_and_flush_gives_all)
{
	put(0, 10, T0);
	put(0, 13, T0);
	put(1, 10, T0);
	playout_stop(p);
	ck_assert_int_eq(put(0, 14, T0), PLAYOUT_DUPLICATE);
	ck_assert_int_eq(put(0, 11, T0), PLAYOUT_RECOVERED);
	int packets = 0, gaps = 0;
	while (playout_next(p, T0, true, &item) != PLAYOUT_NOTHING) {
		packets += item.kind == PLAYOUT_PACKET;
		gaps += item.kind == PLAYOUT_GAP;
	}
	ck_assert_int_eq(packets, 4);
	ck_assert_int_eq(gaps, 1);
	ck_assert_int_eq(playout_missing(p), 0);
}
END_TEST

START_TEST(test_where_a_new_node_is_to_begin)
{
	bool holes;

	ck_assert_int_eq(playout_from(p, 0, &holes), -1);
	put(0, 65535, T0);
	ck_assert_int_eq(playout_from(p, 0, &holes), 0);
	ck_assert(!holes);
	for (int i = 65537; i < 65550; i++)
		put(0, i, T0);
	/* Few packets after the gap: cheaper to have them twice than to wait. */
	ck_assert_int_eq(playout_from(p, 0, &holes), 0);
	ck_assert(!holes);
	for (int i = 65550; i < 65700; i++)
		put(0, i, T0);
	ck_assert_int_eq(playout_from(p, 0, &holes), 65700 & 0xffff);
	ck_assert(holes);
}
END_TEST

START_TEST(test_rearm_asks_for_all_at_once)
{
	uint16_t due[PLAYOUT_MAX_NACK];

	put(0, 10, T0);
	put(0, 13, T0);
	playout_set_retry(p, 500 * NS_MS);
	ck_assert_int_eq(playout_due(p, 0, T0 + 5 * NS_MS, due), 2);
	ck_assert_int_eq(playout_due(p, 0, T0 + 6 * NS_MS, due), 0);
	playout_rearm(p, T0 + 6 * NS_MS);
	ck_assert_int_le(playout_due_when(p), T0 + 6 * NS_MS);
	ck_assert_int_eq(playout_due(p, 0, T0 + 6 * NS_MS, due), 2);
}
END_TEST

START_TEST(test_first_number_told_by_the_node)
{
	playout_begins(p, 0, 65535, -1);
	put(0, 65537, T0); /* two are lost already */
	ck_assert_int_eq(playout_missing(p), 2);
	put(0, 65536, T0);
	put(0, 65535, T0);
	run(T0 + 2 * BUFFER);
	ck_assert_int_eq(outs, 3);
	ck_assert_int_eq(out_seq[0], 65535);
	/* A number far off is not believed, nor one after the first packet. */
	playout_begins(p, 1, 100, -1);
	put(1, 300, T0);
	ck_assert_int_eq(playout_missing(p), 0);
	teardown();
	setup();
	playout_begins(p, 0, 12, -1);
	put(0, 10, T0);
	put(0, 11, T0);
	ck_assert_int_eq(playout_missing(p), 0);
	run(T0 + 2 * BUFFER);
	ck_assert_int_eq(outs, 2);
}
END_TEST

START_TEST(test_the_packet_of_a_film_that_lacks_is_known_by_its_place_in_the_file)
{
	bool holes;

	ck_assert_int_eq(playout_from_packet(p, 0), -1);
	playout_begins(p, 0, 65530, 1000000);
	for (int i = 0; i < 80; i++)
		if (i != 60)
			put(0, 65530 + i, T0 + i * NS_MS);
	ck_assert_int_eq(playout_from(p, 0, &holes), (65530 + 60) & 0xffff);
	ck_assert(holes == false);
	ck_assert_int_eq(playout_from_packet(p, 0), 1000060);
	put(0, 65590, T0 + 200 * NS_MS);
	ck_assert_int_eq(playout_from_packet(p, 0), 1000080);
	put(1, 5, T0); /* nothing was told of it */
	ck_assert_int_eq(playout_from_packet(p, 1), -1);
}
END_TEST

START_TEST(test_receiver_report)
{
	struct playout_report r;

	ck_assert(!playout_report(p, 0, &r));
	for (int i = 0; i < 8; i++)
		if (i != 3 && i != 4)
			put(0, 65534 + i, T0 + i * 10 * NS_MS);
	ck_assert(playout_report(p, 0, &r));
	ck_assert_uint_eq(r.ssrc, 1);
	ck_assert_uint_eq(r.highest, 65534 + 7); /* one cycle */
	ck_assert_uint_eq(r.lost, 2);
	ck_assert_uint_eq(r.fraction, 64);
	ck_assert_uint_eq(r.jitter, 0);
	put(0, 65542, T0 + 180 * NS_MS); /* 100 ms late */
	ck_assert(playout_report(p, 0, &r));
	ck_assert_uint_eq(r.fraction, 0);
	ck_assert_uint_eq(r.jitter, 9000 / 16);
}
END_TEST

START_TEST(test_what_is_no_rtp_is_refused)
{
	static const uint8_t rtcp[] = {0x80, 200, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};

	ck_assert_int_eq(playout_put(p, 0, rtcp, sizeof rtcp, T0), PLAYOUT_BAD);
	ck_assert_int_eq(playout_put(p, 0, rtcp, 5, T0), PLAYOUT_BAD);
	ck_assert_int_eq(playout_put(p, 0, rtcp, 0, T0), PLAYOUT_BAD);
	ck_assert_uint_eq(playout_stats(p).received, 0);
}
END_TEST

START_TEST(test_more_than_the_window_is_asked_for_later)
{
	uint16_t due[PLAYOUT_MAX_NACK];
	int asked = 0, n;

	/* Nobody plays: the ring is full at 32768 packets, and none is overwritten. */
	for (int i = 0; i < 32768 + 100; i++)
		put(0, i, T0 + i * NS_US);
	ck_assert_uint_eq(playout_stats(p).received, 32768);
	while (playout_next(p, T0 + 3 * NS_S, false, &item) == PLAYOUT_PACKET)
		;
	put(0, 32768 + 100, T0 + 3 * NS_S);
	while ((n = playout_due(p, 0, T0 + 4 * NS_S, due)) > 0)
		asked += n;
	ck_assert_int_eq(asked, 100);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_first_packet_plays_after_the_buffer_and_others_by_timestamp);
	tcase_add_test(t, test_reordered_packets_come_out_in_order_and_once);
	tcase_add_test(t, test_media_are_ordered_by_their_time);
	tcase_add_test(t, test_frames_that_are_not_in_display_order_stay_in_sequence);
	tcase_add_test(t, test_missing_packet_is_asked_for_and_holds_back_its_medium);
	tcase_add_test(t, test_round_trip_is_not_measured_when_asked_twice);
	tcase_add_test(t, test_missing_packet_is_given_up_when_the_next_is_due_and_after_a_buffer);
	tcase_add_test(t, test_dry_buffer_stalls_and_nothing_late_is_dropped);
	tcase_add_test(t, test_late_media_share_the_clock_that_was_set_anew);
	tcase_add_test(t, test_level_is_what_is_left_to_play);
	tcase_add_test(t, test_timestamps_may_wrap_and_jump);
	tcase_add_test(t, test_any_clock_rate_and_any_timestamps_can_be_counted_with);
	tcase_add_test(t, test_timestamps_go_on_after_more_than_half_their_range);
	tcase_add_test(t, test_restart_of_the_source_follows_what_was_there);
	tcase_add_test(t, test_end_is_known_and_its_tail_is_missing);
	tcase_add_test(t, test_tail_that_nobody_has_is_given_up_after_a_buffer);
	tcase_add_test(t, test_stop_takes_nothing_new_and_flush_gives_all);
	tcase_add_test(t, test_where_a_new_node_is_to_begin);
	tcase_add_test(t, test_rearm_asks_for_all_at_once);
	tcase_add_test(t, test_first_number_told_by_the_node);
	tcase_add_test(t, test_the_packet_of_a_film_that_lacks_is_known_by_its_place_in_the_file);
	tcase_add_test(t, test_receiver_report);
	tcase_add_test(t, test_what_is_no_rtp_is_refused);
	tcase_add_test(t, test_more_than_the_window_is_asked_for_later);
	return run_case("playout", t);
}
