/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Old packets wanted from the upstream: when they are asked for, again, and no more. */
#include "sn-agent/fetch.h"

#include <check.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define RETRY   (20 * NS_MS)
#define GIVE_UP (100 * NS_MS)

static struct fetch *f;
static int64_t due[16];

static void setup(void)
{
	f = fetch_new(RETRY, GIVE_UP);
	ck_assert_ptr_nonnull(f);
}

static void teardown(void)
{
	fetch_free(f);
}

START_TEST(test_nothing_is_due_when_nothing_is_wanted)
{
	ck_assert_int_eq(fetch_due(f, 0, due, 16), 0);
	ck_assert_int_eq(fetch_when(f), NS_NEVER);
	ck_assert(!fetch_got(f, 5));
}
END_TEST

START_TEST(test_what_is_wanted_is_due_at_once_in_order_and_then_every_retry)
{
	ck_assert(fetch_want(f, 102, 0));
	ck_assert(fetch_want(f, 100, 0));
	ck_assert(fetch_want(f, 101, 0));
	ck_assert_int_eq(fetch_when(f), 0);
	ck_assert_int_eq(fetch_due(f, 0, due, 16), 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(due[i], 100 + i);
	ck_assert_int_eq(fetch_due(f, RETRY - 1, due, 16), 0);
	ck_assert_int_eq(fetch_when(f), RETRY);
	ck_assert_int_eq(fetch_due(f, RETRY, due, 16), 3);
}
END_TEST

START_TEST(test_what_came_is_not_asked_for_again)
{
	fetch_want(f, 100, 0);
	fetch_want(f, 101, 0);
	fetch_due(f, 0, due, 16);
	ck_assert(fetch_got(f, 100));
	ck_assert(!fetch_got(f, 100));
	ck_assert_int_eq(fetch_due(f, RETRY, due, 16), 1);
	ck_assert_int_eq(due[0], 101);
	ck_assert_int_eq(fetch_count(f), 1);
}
END_TEST

START_TEST(test_it_is_given_up_in_the_end)
{
	fetch_want(f, 100, 0);
	ck_assert_int_eq(fetch_due(f, GIVE_UP - 1, due, 16), 1);
	ck_assert_int_eq(fetch_when(f), GIVE_UP);
	ck_assert_int_eq(fetch_due(f, GIVE_UP, due, 16), 0);
	ck_assert_int_eq(fetch_count(f), 0);
	ck_assert_int_eq(fetch_when(f), NS_NEVER);
}
END_TEST

START_TEST(test_wanting_again_does_not_begin_anew)
{
	fetch_want(f, 100, 0);
	fetch_due(f, 0, due, 16);
	ck_assert(fetch_want(f, 100, RETRY / 2));
	ck_assert_int_eq(fetch_count(f), 1);
	ck_assert_int_eq(fetch_due(f, RETRY / 2, due, 16), 0);
}
END_TEST

START_TEST(test_portions_leave_the_rest_due)
{
	for (int i = 0; i < 40; i++)
		fetch_want(f, 1000 + i, 0);
	ck_assert_int_eq(fetch_due(f, 0, due, 16), 16);
	ck_assert_int_eq(fetch_when(f), 0);
	ck_assert_int_eq(fetch_due(f, 0, due, 16), 16);
	ck_assert_int_eq(due[0], 1016);
	ck_assert_int_eq(fetch_due(f, 0, due, 16), 8);
	ck_assert_int_eq(fetch_due(f, 0, due, 16), 0);
}
END_TEST

START_TEST(test_the_set_is_bounded)
{
	for (int i = 10; i < 10 + FETCH_MAX; i++)
		ck_assert(fetch_want(f, i, 0));
	ck_assert(!fetch_want(f, 9, 0));
	ck_assert(fetch_want(f, 10 + FETCH_MAX, 0));
	ck_assert(!fetch_want(f, 10, 0));
	ck_assert_int_eq(fetch_count(f), FETCH_MAX);
}
END_TEST

START_TEST(test_what_is_refused_leaves_room_for_others)
{
	ck_assert(fetch_want(f, 100000, 0));
	ck_assert(!fetch_want(f, 100001 - 4 * FETCH_MAX - 2, 0));
	ck_assert(fetch_want(f, 100001, 0));
	ck_assert_int_eq(fetch_due(f, 0, due, 16), 2);
}
END_TEST

START_TEST(test_a_later_number_takes_the_place_of_an_earlier_one)
{
	ck_assert(fetch_want(f, 100000, 0));
	ck_assert(fetch_want(f, 100000 + FETCH_MAX, 0));
	ck_assert(!fetch_want(f, 100000, 0));
	ck_assert_int_eq(fetch_count(f), 1);
	ck_assert_int_eq(fetch_due(f, 0, due, 16), 1);
	ck_assert_int_eq(due[0], 100000 + FETCH_MAX);
	ck_assert(!fetch_got(f, 100000));
	ck_assert(fetch_got(f, 100000 + FETCH_MAX));
}
END_TEST

START_TEST(test_a_new_node_is_asked_at_once)
{
	fetch_want(f, 100, 0);
	fetch_due(f, 0, due, 16);
	fetch_rearm(f, 1);
	ck_assert_int_eq(fetch_due(f, 1, due, 16), 1);
}
END_TEST

START_TEST(test_when_all_is_cleared_nothing_is_wanted)
{
	fetch_clear(f);
	fetch_want(f, 100, 0);
	fetch_want(f, 50000, 0);
	fetch_clear(f);
	ck_assert_int_eq(fetch_count(f), 0);
	ck_assert(!fetch_got(f, 100));
	ck_assert(fetch_want(f, 200, 0));
	ck_assert_int_eq(fetch_due(f, 0, due, 16), 1);
	ck_assert_int_eq(due[0], 200);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("fetch");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_nothing_is_due_when_nothing_is_wanted);
	tcase_add_test(t, test_what_is_wanted_is_due_at_once_in_order_and_then_every_retry);
	tcase_add_test(t, test_what_came_is_not_asked_for_again);
	tcase_add_test(t, test_it_is_given_up_in_the_end);
	tcase_add_test(t, test_wanting_again_does_not_begin_anew);
	tcase_add_test(t, test_portions_leave_the_rest_due);
	tcase_add_test(t, test_the_set_is_bounded);
	tcase_add_test(t, test_a_new_node_is_asked_at_once);
	tcase_add_test(t, test_what_is_refused_leaves_room_for_others);
	tcase_add_test(t, test_when_all_is_cleared_nothing_is_wanted);
	tcase_add_test(t, test_a_later_number_takes_the_place_of_an_earlier_one);
	return run_case("fetch", t);
}
