/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations: taken by many, consumed and expired by one. */
#include "arn/reserve.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define TTL (2 * NS_S)

static const struct reservation all = {RESERVE_MAX_SESSIONS, RESERVE_MAX_KBPS};
static struct reserve_book book;
static ns_t now;

static void setup(void)
{
	now = 1000 * NS_S;
	ck_assert_int_eq(reserve_book_init(&book), 0);
}

static void teardown(void)
{
	reserve_book_fini(&book);
}

static void take(int n, uint64_t kbps)
{
	for (int i = 0; i < n; i++)
		ck_assert(reserve_take(
			book.counter, book.over, &(struct reservation){1, kbps}, &all));
}

static uint32_t sessions(void)
{
	return reserve_open(book.counter, book.over).sessions;
}

static uint64_t kbps(void)
{
	return reserve_open(book.counter, book.over).kbps;
}

START_TEST(test_reservation_counts_at_once_and_until_it_expires)
{
	take(3, 1000);
	ck_assert_uint_eq(sessions(), 3);
	ck_assert_uint_eq(kbps(), 3000);
	ck_assert(!reserve_look(&book, now, TTL));
	now += TTL - 1;
	ck_assert(!reserve_look(&book, now, TTL));
	ck_assert_uint_eq(sessions(), 3);
	now += 1;
	ck_assert(reserve_look(&book, now, TTL));
	ck_assert_uint_eq(sessions(), 0);
	ck_assert_uint_eq(kbps(), 0);
	ck_assert_uint_eq(book.expired, 3);
}
END_TEST

START_TEST(test_who_attaches_consumes_the_oldest_reservation_with_its_bit_rate)
{
	take(2, 1000);
	reserve_look(&book, now, TTL);
	now += TTL / 2;
	take(2, 5000);
	ck_assert(reserve_consume(&book, 3, 1, now, TTL));
	ck_assert_uint_eq(sessions(), 1);
	ck_assert_uint_eq(kbps(), 5000);
	now += TTL / 2;
	reserve_look(&book, now, TTL);
	ck_assert_uint_eq(sessions(), 1); /* the younger one */
	ck_assert_uint_eq(book.expired, 0);
}
END_TEST

START_TEST(test_who_was_not_sent_consumes_nothing_later)
{
	ck_assert(!reserve_consume(&book, 50, 1, now, TTL));
	take(1, 0);
	ck_assert_uint_eq(sessions(), 1);
}
END_TEST

START_TEST(test_one_of_several_arns_consumes_its_share_and_no_part_is_lost)
{
	take(100, 10);
	for (int i = 0; i < 99; i++)
		reserve_consume(&book, 1, 3, now, TTL);
	ck_assert_uint_eq(sessions(), 67);
	ck_assert_uint_eq(kbps(), 670);
}
END_TEST

START_TEST(test_nothing_is_taken_past_the_room)
{
	const struct reservation one = {1, 1000}, room = {5, 3500};

	for (int i = 0; i < 3; i++)
		ck_assert(reserve_take(book.counter, book.over, &one, &room));
	ck_assert(!reserve_take(book.counter, book.over, &one, &room)); /* the bit rate */
	ck_assert(reserve_take(book.counter, book.over, &(struct reservation){1, 0}, &room));
	ck_assert(reserve_take(book.counter, book.over, &(struct reservation){1, 0}, &room));
	ck_assert(!reserve_take(book.counter, book.over, &(struct reservation){1, 0}, &room));
}
END_TEST

START_TEST(test_counter_that_wraps_loses_nothing)
{
	const struct reservation big = {RESERVE_MAX_SESSIONS / 2, RESERVE_MAX_KBPS / 2};

	for (int i = 0; i < 50; i++) {
		ck_assert(reserve_take(book.counter, book.over, &big, &all));
		ck_assert(reserve_take(book.counter, book.over, &big, &all));
		ck_assert(!reserve_take(book.counter, book.over, &big, &all));
		reserve_look(&book, now, TTL);
		ck_assert_uint_eq(book.left.sessions, RESERVE_MAX_SESSIONS - 1);
		now += TTL;
		reserve_look(&book, now, TTL);
		ck_assert_uint_eq(sessions(), 0);
		ck_assert_uint_eq(kbps(), 0);
	}
}
END_TEST

START_TEST(test_snapshot_of_before_only_overestimates)
{
	uint64_t old = book.over;

	take(10, 7);
	reserve_consume(&book, 4, 1, now, TTL);
	ck_assert_uint_eq(sessions(), 6);
	ck_assert_uint_eq(reserve_open(book.counter, old).sessions, 10);
	ck_assert_uint_eq(reserve_open(book.counter, old).kbps, 70);
}
END_TEST

/* Whatever comes in whatever order: never less is open than was taken within the last TTL and not
 * consumed, and nothing that is older than that and one look. */
START_TEST(test_books_are_right_under_any_order_of_events)
{
	struct {
		ns_t at;
		int left;
	} taken[4000];
	int n = 0, first = 0;

	srandom((unsigned)_i);
	for (int step = 0; step < 4000; step++) {
		int some = (int)(random() % 4), left = 0, fresh = 0;

		now += random() % (TTL / 100);
		taken[n].at = now;
		taken[n++].left = some;
		take(some, 100);
		if (random() % 3 == 0) {
			int come = (int)(random() % 8);

			reserve_consume(&book, (uint32_t)come, 1, now, TTL);
			for (; first < n && come; first += !taken[first].left) {
				int k = taken[first].left < come ? taken[first].left : come;

				taken[first].left -= k;
				come -= k;
			}
		}
		reserve_look(&book, now, TTL);
		for (int i = 0; i < n; i++) {
			left += taken[i].at > now - TTL ? taken[i].left : 0;
			fresh += taken[i].at > now - TTL - TTL / 8 ? taken[i].left : 0;
			if (taken[i].at <= now - TTL - TTL / 8)
				taken[i].left = 0;
		}
		ck_assert_int_ge((int)sessions(), left);
		ck_assert_int_le((int)sessions(), fresh);
		ck_assert_uint_eq(kbps(), 100 * (uint64_t)sessions());
		if ((int)sessions() != fresh) /* what expired is gone for the model too */
			for (int i = 0, gone = fresh - (int)sessions(); i < n && gone; i++) {
				int k = taken[i].left < gone ? taken[i].left : gone;

				taken[i].left -= k;
				gone -= k;
			}
	}
}
END_TEST

START_TEST(test_one_client_reserves_only_so_much_in_a_time)
{
	struct reserve_sources *s = reserve_sources_new();
	struct addr a, b;
	int n = 0;

	ck_assert_int_eq(addr_parse(&a, SLICE("192.0.2.1"), 0), 0);
	ck_assert_int_eq(addr_parse(&b, SLICE("192.0.2.2"), 0), 0);
	while (n < 100 && reserve_allows(s, &a, 7, 10))
		n++;
	ck_assert_int_eq(n, 10);
	ck_assert(reserve_allows(s, &b, 7, 10));
	addr_set_port(&a, 1234);
	ck_assert(!reserve_allows(s, &a, 7, 10));
	ck_assert(reserve_allows(s, &a, 8, 10));
	ck_assert(!reserve_allows(s, &b, 7, 0));
	ck_assert(reserve_allows(NULL, &b, 7, 0));
	/* All of an IPv6 network are one, and another network is another. */
	ck_assert_int_eq(addr_parse(&a, SLICE("2001:db8:0:1::1"), 0), 0);
	ck_assert_int_eq(addr_parse(&b, SLICE("2001:db8:0:1:ffff::2"), 0), 0);
	ck_assert(reserve_allows(s, &a, 9, 1));
	ck_assert(!reserve_allows(s, &b, 9, 1));
	ck_assert_int_eq(addr_parse(&b, SLICE("2001:db8:0:2::1"), 0), 0);
	ck_assert(reserve_allows(s, &b, 9, 1));
	reserve_sources_unref(s);
}
END_TEST

#define THREADS 4
static const struct reservation race_room = {10007, RESERVE_MAX_KBPS};

static void *race(void *arg)
{
	int *n = arg;

	while (reserve_take(book.counter, 0, &(struct reservation){1, 3}, &race_room))
		(*n)++;
	return NULL;
}

START_TEST(test_threads_that_race_for_the_last_places_get_each_one_once)
{
	pthread_t t[THREADS];
	int n[THREADS] = {0}, sum = 0;

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, race, &n[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		sum += n[i];
	}
	ck_assert_int_eq(sum, 10007);
	ck_assert_uint_eq(sessions(), 10007);
	ck_assert_uint_eq(kbps(), 3 * 10007);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("reserve");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_reservation_counts_at_once_and_until_it_expires);
	tcase_add_test(t, test_who_attaches_consumes_the_oldest_reservation_with_its_bit_rate);
	tcase_add_test(t, test_who_was_not_sent_consumes_nothing_later);
	tcase_add_test(t, test_one_of_several_arns_consumes_its_share_and_no_part_is_lost);
	tcase_add_test(t, test_nothing_is_taken_past_the_room);
	tcase_add_test(t, test_counter_that_wraps_loses_nothing);
	tcase_add_test(t, test_snapshot_of_before_only_overestimates);
	tcase_add_loop_test(t, test_books_are_right_under_any_order_of_events, 0, 10);
	tcase_add_test(t, test_one_client_reserves_only_so_much_in_a_time);
	tcase_add_test(t, test_threads_that_race_for_the_last_places_get_each_one_once);
	return run_case("reserve", t);
}
