/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of recent packets: numbers, order, expiry, bounds. */
#include "sn-agent/ring.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define SPAN (10 * NS_S)
#define MANY ((size_t)64 * 1024 * 1024)

static struct ring *r;

static void setup(void)
{
	r = ring_new(SPAN, MANY);
	ck_assert_ptr_nonnull(r);
}

static void teardown(void)
{
	ring_free(r);
}

/* Puts a packet whose content is its number. */
static enum ring_put put(uint16_t seq, ns_t now, int64_t *number)
{
	return ring_put(r, seq, &seq, sizeof(seq), now, number);
}

static void put_new(uint16_t seq, ns_t now, int64_t *number)
{
	ck_assert_int_eq(put(seq, now, number), RING_NEW);
}

static void assert_held(int64_t number)
{
	struct iovec v;
	uint16_t seq;

	ck_assert(ring_get(r, number, &v));
	ck_assert_uint_eq(v.iov_len, sizeof(seq));
	memcpy(&seq, v.iov_base, sizeof(seq));
	ck_assert_uint_eq(seq, (uint16_t)number);
}

START_TEST(test_numbers_go_on_over_the_wrap)
{
	int64_t first, n;

	put_new(65535, 0, &first);
	put_new(0, 0, &n);
	ck_assert_int_eq(n, first + 1);
	put_new(65534, 0, &n);
	ck_assert_int_eq(n, first - 1);
	ck_assert_int_eq(ring_oldest(r), first - 1);
	ck_assert_int_eq(ring_newest(r), first + 1);
	for (int64_t i = first - 1; i <= first + 1; i++)
		assert_held(i);
}
END_TEST

START_TEST(test_a_duplicate_is_told_and_not_kept_twice)
{
	int64_t a, b;

	put_new(7, 0, &a);
	ck_assert_int_eq(put(7, 1, &b), RING_DUPLICATE);
	ck_assert_int_eq(a, b);
	ck_assert_int_eq(ring_count(r), 1);
	ck_assert_uint_eq(ring_bytes(r), sizeof(uint16_t));
}
END_TEST

START_TEST(test_what_is_older_than_the_span_goes_when_something_newer_comes)
{
	int64_t first, n;
	struct iovec v;

	put_new(1, 0, &first);
	put_new(2, NS_S, &n);
	put_new(3, SPAN, &n);
	ck_assert_int_eq(ring_oldest(r), first);
	put_new(4, SPAN + 1, &n);
	ck_assert(!ring_get(r, first, &v));
	ck_assert_int_eq(ring_oldest(r), first + 1);
	put_new(5, 100 * SPAN, &n);
	ck_assert_int_eq(ring_count(r), 1);
	assert_held(n);
}
END_TEST

START_TEST(test_bytes_are_bounded_and_the_oldest_go_first)
{
	uint8_t big[RING_MTU] = {0};
	int64_t first = 0, n;

	ring_free(r);
	r = ring_new(SPAN, (size_t)64 * RING_MTU);
	for (uint16_t i = 0; i < 100; i++) {
		ck_assert_int_eq(ring_put(r, i, big, sizeof(big), 0, &n), RING_NEW);
		if (i == 0)
			first = n;
	}
	ck_assert_int_eq(ring_count(r), 64);
	ck_assert_int_eq(ring_oldest(r), first + 36);
	ck_assert_uint_eq(ring_bytes(r), sizeof(big) * 64);
}
END_TEST

START_TEST(test_slots_are_bounded)
{
	int64_t first, n;

	put_new(0, 0, &first);
	for (int i = 1; i < 3 * RING_SLOTS; i++)
		put_new((uint16_t)i, 0, &n);
	ck_assert_int_eq(ring_count(r), RING_SLOTS);
	ck_assert_int_eq(ring_oldest(r), first + 2 * RING_SLOTS);
	assert_held(ring_oldest(r));
	assert_held(ring_newest(r));
}
END_TEST

START_TEST(test_an_old_packet_that_was_fetched_lies_before_the_rest)
{
	int64_t first, n;

	put_new(5000, 0, &first);
	put_new(2000, SPAN, &n);
	ck_assert_int_eq(n, first - 3000);
	ck_assert_int_eq(ring_oldest(r), n);
	assert_held(n);
	put_new(5001, SPAN + NS_S, &n);
	assert_held(first - 3000);
}
END_TEST

START_TEST(test_what_is_far_away_is_not_kept)
{
	int64_t n, m;

	put_new(100, 0, &n);
	ck_assert_int_eq(put(101 + RING_JUMP, 0, &m), RING_FAR);
	put_new(101, 0, &m);
	ck_assert_int_eq(put(40000, 0, &m), RING_FAR);
	ck_assert_int_eq(put(40001, 0, &m), RING_FAR);
	ck_assert_int_eq(ring_newest(r), n + 1);
	ck_assert_int_eq(ring_count(r), 2);
}
END_TEST

START_TEST(test_a_jump_at_the_bound_is_a_loss)
{
	int64_t first, n;

	put_new(100, 0, &first);
	put_new(100 + RING_JUMP, 0, &n);
	ck_assert_int_eq(n, first + RING_JUMP);
	assert_held(first);
	ck_assert_int_eq(put(99, 0, &n), RING_FAR);
}
END_TEST

START_TEST(test_numbers_of_the_next_ring_are_above_all_of_this_one)
{
	int64_t before, after;

	for (uint32_t seq = 0; seq < 65536; seq += 5000) {
		struct ring *next, *last;

		put_new((uint16_t)seq, 0, &before);
		next = ring_next(r);
		ck_assert(ring_empty(next));
		ring_free(r);
		r = next;
		last = ring_next(r); /* of one that has never had any */
		put_new((uint16_t)(seq - 1), 0, &after);
		ck_assert_int_gt(after, before);
		ring_free(r);
		r = last;
		put_new((uint16_t)(seq + 1), 0, &before);
		ck_assert_int_gt(before, after);
		next = ring_next(r);
		ring_free(r);
		r = next;
	}
}
END_TEST

START_TEST(test_a_hint_says_where_an_empty_ring_begins)
{
	int64_t want = ring_extend(r, 60000), n;

	ring_hint(r, want);
	put_new(100, 0, &n);
	ck_assert_int_eq(n, want + 5636);
}
END_TEST

START_TEST(test_collect_walks_over_holes_in_portions)
{
	struct iovec v[4];
	int64_t first, n, at = 0;

	put_new(10, 0, &first);
	put_new(12, 0, &n);
	put_new(13, 0, &n);
	put_new(20, 0, &n);
	ck_assert_int_eq(ring_collect(r, &at, INT64_MAX, v, 3), 3);
	ck_assert_int_eq(at, first + 4);
	ck_assert_int_eq(ring_collect(r, &at, INT64_MAX, v, 3), 1);
	ck_assert_int_eq(at, ring_newest(r) + 1);
	ck_assert_int_eq(ring_collect(r, &at, INT64_MAX, v, 3), 0);
	at = first;
	ck_assert_int_eq(ring_collect(r, &at, first + 2, v, 3), 1);
	ck_assert_int_eq(at, first + 2);
}
END_TEST

START_TEST(test_what_is_too_long_or_empty_is_refused)
{
	static const uint8_t big[RING_MTU + 1];
	int64_t n;

	ck_assert_int_eq(ring_put(r, 1, big, sizeof(big), 0, &n), RING_OLD);
	ck_assert_int_eq(ring_put(r, 1, big, 0, 0, &n), RING_OLD);
	ck_assert(ring_empty(r));
	ck_assert_int_eq(ring_put(r, 1, big, RING_MTU, 0, &n), RING_NEW);
}
END_TEST

START_TEST(test_a_silent_source_keeps_its_packets)
{
	int64_t first, n;

	put_new(1, 0, &first);
	put_new(2, 1, &n);
	ck_assert_int_eq(put(2, 100 * SPAN, &n), RING_DUPLICATE);
	assert_held(first);
}
END_TEST

/* Beside a model that keeps everything: after random packets the ring holds what it should. */
START_TEST(test_random_packets_are_as_the_model_says)
{
	enum { N = 200000 };
	static ns_t came[N];
	int64_t base = -1, n, newest = 0;
	ns_t now = 1;

	srandom((unsigned)_i);
	memset(came, 0, sizeof(came));
	for (int i = 0; i < 50000; i++) {
		int64_t seq = newest + random() % 5 - (random() % 10 == 0 ? random() % 2000 : 1);

		if (seq < 0 || seq >= N)
			continue;
		now += random() % NS_MS;
		enum ring_put got = put((uint16_t)seq, now, &n);
		if (base < 0)
			base = n - seq;
		ck_assert_int_eq(n - base, seq);
		if (got == RING_NEW)
			came[seq] = now;
		if (seq > newest)
			newest = seq;
	}
	for (int64_t seq = ring_oldest(r) - base < 0 ? 0 : ring_oldest(r) - base; seq <= newest;
		seq++) {
		struct iovec v;

		ck_assert_int_eq(ring_get(r, seq + base, &v), came[seq] != 0);
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("ring");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_numbers_go_on_over_the_wrap);
	tcase_add_test(t, test_a_duplicate_is_told_and_not_kept_twice);
	tcase_add_test(t, test_what_is_older_than_the_span_goes_when_something_newer_comes);
	tcase_add_test(t, test_bytes_are_bounded_and_the_oldest_go_first);
	tcase_add_test(t, test_slots_are_bounded);
	tcase_add_test(t, test_an_old_packet_that_was_fetched_lies_before_the_rest);
	tcase_add_test(t, test_what_is_far_away_is_not_kept);
	tcase_add_test(t, test_a_jump_at_the_bound_is_a_loss);
	tcase_add_test(t, test_numbers_of_the_next_ring_are_above_all_of_this_one);
	tcase_add_test(t, test_a_hint_says_where_an_empty_ring_begins);
	tcase_add_test(t, test_collect_walks_over_holes_in_portions);
	tcase_add_test(t, test_what_is_too_long_or_empty_is_refused);
	tcase_add_test(t, test_a_silent_source_keeps_its_packets);
	tcase_add_loop_test(t, test_random_packets_are_as_the_model_says, 0, 5);
	return run_case("ring", t);
}
