/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client-failover/detect.h"

#include <check.h>

#include "tests/unit/run.h"

static const struct detect_conf conf = DETECT_DEFAULTS;
static struct detect d;

/* Packets every `gap` until `end`. The time of the last. */
static ns_t stream(ns_t from, ns_t end, ns_t gap)
{
	ns_t t = from;

	for (; t <= end; t += gap)
		detect_packet(&d, t);
	return t - gap;
}

static void setup(void)
{
	detect_init(&d, &conf);
}

START_TEST(test_nothing_is_suspicious_before_the_first_packet)
{
	ck_assert(detect_when(&d) == NS_NEVER);
}
END_TEST

START_TEST(test_a_new_stream_is_given_the_most)
{
	detect_packet(&d, NS_S);
	ck_assert_int_eq(detect_when(&d), 2 * NS_S);
	ns_t last = stream(NS_S + 5 * NS_MS, NS_S + 495 * NS_MS, 5 * NS_MS);
	ck_assert_int_eq(detect_when(&d), last + NS_S);
	last = stream(NS_S + 500 * NS_MS, NS_S + 510 * NS_MS, 5 * NS_MS);
	ck_assert_int_eq(detect_when(&d), last + 60 * NS_MS);
}
END_TEST

START_TEST(test_bound_is_four_times_the_largest_recent_gap)
{
	ns_t last = stream(0, 2 * NS_S, 5 * NS_MS);
	ck_assert_int_eq(detect_bound(&d), 60 * NS_MS); /* 20 ms would be less than the least */
	detect_packet(&d, last + 40 * NS_MS);
	ck_assert_int_eq(detect_bound(&d), 160 * NS_MS);
	stream(last + 45 * NS_MS, last + NS_S, 5 * NS_MS);
	ck_assert_int_eq(detect_bound(&d), 160 * NS_MS);
	detect_packet(&d, last + NS_S + 400 * NS_MS);
	ck_assert_int_eq(detect_bound(&d), NS_S);
}
END_TEST

START_TEST(test_a_gap_is_forgotten_after_a_while)
{
	ns_t last = stream(0, 2 * NS_S, 5 * NS_MS);
	last = stream(last + 200 * NS_MS, last + 3 * NS_S, 5 * NS_MS);
	ck_assert_int_eq(detect_bound(&d), 800 * NS_MS);
	stream(last + 5 * NS_MS, last + 3 * NS_S, 5 * NS_MS);
	ck_assert_int_eq(detect_bound(&d), 60 * NS_MS);
}
END_TEST

START_TEST(test_a_long_silence_leaves_no_old_gaps)
{
	stream(0, 2 * NS_S, 20 * NS_MS);
	stream(60 * NS_S, 61 * NS_S, 5 * NS_MS); /* the silence itself is the largest gap */
	ck_assert_int_eq(detect_bound(&d), NS_S);
	stream(61 * NS_S, 66 * NS_S, 5 * NS_MS);
	ck_assert_int_eq(detect_bound(&d), 60 * NS_MS);
}
END_TEST

START_TEST(test_the_gap_of_a_change_of_nodes_is_not_the_streams)
{
	ns_t last = stream(0, 2 * NS_S, 5 * NS_MS);
	detect_pause(&d);
	detect_packet(&d, last + 300 * NS_MS);
	ck_assert_int_eq(detect_bound(&d), 60 * NS_MS);
	ck_assert_int_eq(detect_when(&d), last + 360 * NS_MS);
	detect_packet(&d, last + 350 * NS_MS);
	ck_assert_int_eq(detect_bound(&d), 200 * NS_MS);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_nothing_is_suspicious_before_the_first_packet);
	tcase_add_test(t, test_a_new_stream_is_given_the_most);
	tcase_add_test(t, test_bound_is_four_times_the_largest_recent_gap);
	tcase_add_test(t, test_a_gap_is_forgotten_after_a_while);
	tcase_add_test(t, test_a_long_silence_leaves_no_old_gaps);
	tcase_add_test(t, test_the_gap_of_a_change_of_nodes_is_not_the_streams);
	return run_case("detect", t);
}
