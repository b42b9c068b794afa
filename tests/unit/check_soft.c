/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When soft state is fetched, and what is used when that fails (rows D1, D3, D5). */
#include "lib/soft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define S NS_S

static struct soft *s;
static int freed;

static void free_value(void *v)
{
	freed++;
	free(v);
}

static const struct soft_conf conf = {.ttl_min = 1 * S,
	.ttl_max = 3600 * S,
	.negative_max = 60 * S,
	.stale = 600 * S,
	.retry = 5 * S,
	.retry_max = 30 * S,
	.entries = 4};

static void setup(void)
{
	freed = 0;
	s = soft_new(&conf, free_value);
	ck_assert_ptr_nonnull(s);
}

static void teardown(void)
{
	soft_free(s);
}

static struct soft_entry *fetched(const char *key, ns_t ttl, ns_t now)
{
	struct soft_entry *e = soft_use(s, key, now);

	ck_assert(soft_due(e, now));
	soft_fly(e);
	soft_answer(s, e, strdup(key), ttl, now);
	return e;
}

START_TEST(test_what_is_being_fetched_is_not_fetched_twice)
{
	struct soft_entry *e = soft_use(s, "a", 0);

	ck_assert(soft_due(e, 0));
	soft_fly(e);
	ck_assert(!soft_due(soft_use(s, "a", 1), 1));
	ck_assert_int_eq(soft_count(s), 1);
	soft_answer(s, e, strdup("1"), 10 * S, 1 * S);
	ck_assert(!soft_due(e, 2 * S));
}
END_TEST

START_TEST(test_what_nobody_fetches_any_more_is_due_again)
{
	struct soft_entry *a = soft_use(s, "a", 0), *b = fetched("b", 20 * S, 0);

	soft_fly(a);
	ck_assert_int_eq(soft_when(s, 0), soft_next(b, 0));
	soft_ground(s);
	ck_assert(soft_due(a, 0));
	ck_assert(!soft_due(b, 0));
}
END_TEST

START_TEST(test_a_value_is_fresh_for_its_time_and_stale_after_it)
{
	struct soft_entry *e = fetched("a", 100 * S, 0);

	ck_assert_int_eq(soft_state(e, 100 * S - 1), SOFT_FRESH);
	ck_assert_int_eq(soft_state(e, 100 * S), SOFT_STALE);
	ck_assert_int_eq(soft_state(e, 700 * S - 1), SOFT_STALE);
	ck_assert_int_eq(soft_state(e, 700 * S), SOFT_NOTHING);
}
END_TEST

START_TEST(test_a_value_in_use_is_fetched_again_before_its_time_is_over)
{
	struct soft_entry *e = fetched("a", 20 * S, 0);

	ck_assert(!soft_due(e, 18 * S - 1));
	ck_assert(soft_due(e, 18 * S));
	ck_assert_int_eq(soft_next(e, 0), 18 * S);
	/* Of a long time only the last seconds. */
	e = fetched("b", 3600 * S, 0);
	ck_assert(!soft_due(e, 3595 * S - 1));
	ck_assert(soft_due(e, 3595 * S));
}
END_TEST

START_TEST(test_times_are_brought_within_bounds)
{
	ck_assert_int_eq(fetched("a", 0, 0)->until, 1 * S);
	ck_assert_int_eq(fetched("b", 100000000LL * S, 0)->until, 3600 * S);
	struct soft_entry *e = soft_use(s, "c", 0);
	soft_fly(e);
	soft_deny(s, e, "no such name", 86400 * S, 0);
	ck_assert_int_eq(e->until, 60 * S);
}
END_TEST

START_TEST(test_after_a_failure_the_stale_value_is_used_and_pauses_grow)
{
	struct soft_entry *e = fetched("a", 10 * S, 0);
	static const int pauses[] = {5, 10, 20, 30, 30};
	ns_t now = 10 * S;

	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		ck_assert(soft_due(e, now));
		soft_fly(e);
		soft_fail(s, e, "no answer", now);
		ck_assert_int_eq(soft_state(e, now), SOFT_STALE);
		ck_assert_str_eq(e->value, "a");
		ck_assert(!soft_due(e, now + pauses[i] * S - 1));
		now += pauses[i] * S;
	}
	soft_fly(e);
	soft_answer(s, e, strdup("again"), 10 * S, now);
	ck_assert_int_eq(soft_state(e, now), SOFT_FRESH);
	ck_assert_uint_eq(e->failures, 0);
}
END_TEST

START_TEST(test_without_a_value_a_failure_is_one)
{
	struct soft_entry *e = soft_use(s, "a", 0);

	soft_fly(e);
	soft_fail(s, e, "no answer from 10.8.0.53", 0);
	ck_assert_int_eq(soft_state(e, 1), SOFT_FAILED);
	ck_assert_str_eq(e->reason, "no answer from 10.8.0.53");
	ck_assert(!soft_due(e, 5 * S - 1));
	ck_assert(soft_due(e, 5 * S));
}
END_TEST

START_TEST(test_a_denial_takes_the_place_of_the_value_and_is_asked_again)
{
	struct soft_entry *e = fetched("a", 10 * S, 0);

	soft_fly(e);
	soft_deny(s, e, "NXDOMAIN", 20 * S, 10 * S);
	ck_assert_int_eq(freed, 1);
	ck_assert_ptr_null(e->value);
	ck_assert_int_eq(soft_state(e, 30 * S - 1), SOFT_DENIED);
	ck_assert(!soft_due(e, 30 * S - 1));
	ck_assert_int_eq(soft_state(e, 30 * S), SOFT_NOTHING);
	ck_assert(soft_due(e, 30 * S));
}
END_TEST

START_TEST(test_a_failure_keeps_a_denial_for_its_time)
{
	struct soft_entry *e = soft_use(s, "a", 0);

	soft_fly(e);
	soft_deny(s, e, "NXDOMAIN", 20 * S, 0);
	soft_fly(e);
	soft_fail(s, e, "no answer", 19 * S);
	ck_assert_int_eq(soft_state(e, 19 * S), SOFT_DENIED);
	ck_assert_int_eq(soft_state(e, 20 * S), SOFT_FAILED);
}
END_TEST

START_TEST(test_the_one_used_longest_ago_gives_way_but_not_in_flight)
{
	char key[8];

	for (int i = 0; i < 4; i++) {
		snprintf(key, sizeof(key), "%d", i);
		soft_use(s, key, i);
	}
	soft_fly(soft_find(s, "0"));
	soft_use(s, "1", 10);
	ck_assert_ptr_nonnull(soft_use(s, "new", 11));
	ck_assert_ptr_nonnull(soft_find(s, "0"));
	ck_assert_ptr_nonnull(soft_find(s, "1"));
	ck_assert_ptr_null(soft_find(s, "2"));
	ck_assert_int_eq(soft_count(s), 4);
}
END_TEST

START_TEST(test_when_all_are_in_flight_there_is_no_room)
{
	char key[8];

	for (int i = 0; i < 4; i++) {
		snprintf(key, sizeof(key), "%d", i);
		soft_fly(soft_use(s, key, i));
	}
	ck_assert_ptr_null(soft_use(s, "new", 11));
}
END_TEST

START_TEST(test_what_nobody_uses_is_forgotten)
{
	fetched("a", 100 * S, 0);
	fetched("b", 100 * S, 50 * S);
	soft_expire(s, 60 * S, 60 * S);
	ck_assert_ptr_null(soft_find(s, "a"));
	ck_assert_ptr_nonnull(soft_find(s, "b"));
	ck_assert_int_eq(freed, 1);
}
END_TEST

START_TEST(test_a_flush_has_all_fetched_again)
{
	struct soft_entry *a = fetched("a", 100 * S, 0), *b = fetched("b", 100 * S, 0);

	ck_assert_int_eq(soft_flush(s, "a"), 1);
	ck_assert(soft_due(a, 1));
	ck_assert(!soft_due(b, 1));
	ck_assert_int_eq(soft_flush(s, NULL), 2);
	ck_assert(soft_due(b, 1));
	ck_assert_int_eq(soft_state(b, 1), SOFT_NOTHING);
}
END_TEST

START_TEST(test_an_answer_of_as_before_renews_the_value)
{
	struct soft_entry *e = fetched("a", 10 * S, 0), *b = soft_use(s, "b", 0);

	soft_fly(e);
	soft_renew(s, e, 10 * S, 10 * S);
	ck_assert_int_eq(soft_state(e, 19 * S), SOFT_FRESH);
	ck_assert_str_eq(e->value, "a");
	soft_fly(b);
	soft_renew(s, b, 10 * S, 10 * S);
	ck_assert_int_eq(soft_state(b, 10 * S), SOFT_FAILED);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("soft");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_what_is_being_fetched_is_not_fetched_twice);
	tcase_add_test(t, test_what_nobody_fetches_any_more_is_due_again);
	tcase_add_test(t, test_a_value_is_fresh_for_its_time_and_stale_after_it);
	tcase_add_test(t, test_a_value_in_use_is_fetched_again_before_its_time_is_over);
	tcase_add_test(t, test_times_are_brought_within_bounds);
	tcase_add_test(t, test_after_a_failure_the_stale_value_is_used_and_pauses_grow);
	tcase_add_test(t, test_without_a_value_a_failure_is_one);
	tcase_add_test(t, test_a_denial_takes_the_place_of_the_value_and_is_asked_again);
	tcase_add_test(t, test_a_failure_keeps_a_denial_for_its_time);
	tcase_add_test(t, test_the_one_used_longest_ago_gives_way_but_not_in_flight);
	tcase_add_test(t, test_when_all_are_in_flight_there_is_no_room);
	tcase_add_test(t, test_what_nobody_uses_is_forgotten);
	tcase_add_test(t, test_a_flush_has_all_fetched_again);
	tcase_add_test(t, test_an_answer_of_as_before_renews_the_value);
	return run_case("soft", t);
}
