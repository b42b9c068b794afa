/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client-failover/delivery.h"

#include <check.h>

#include "tests/unit/run.h"

static struct delivery d;

static void setup(void)
{
	d = (struct delivery){.mode = DELIVERY_AUTO};
}

START_TEST(test_modes_have_names)
{
	enum delivery_mode m = DELIVERY_AUTO;

	ck_assert(delivery_parse(SLICE("tcp"), &m) && m == DELIVERY_TCP);
	ck_assert(delivery_parse(SLICE("udp"), &m) && m == DELIVERY_UDP);
	ck_assert(delivery_parse(SLICE("auto"), &m) && m == DELIVERY_AUTO);
	ck_assert(!delivery_parse(SLICE("TCP"), &m) && !delivery_parse(SLICE(""), &m));
}
END_TEST

START_TEST(test_udp_is_doubted_when_it_has_brought_nothing)
{
	ck_assert(!delivery_tcp(&d));
	ck_assert_int_eq(delivery_doubt_at(&d, NS_S), NS_S + DELIVERY_PATIENCE);
	delivery_in_vain(&d);
	ck_assert(delivery_tcp(&d));
}
END_TEST

START_TEST(test_udp_that_got_through_a_moment_ago_is_not_doubted)
{
	delivery_heard(&d, 10 * NS_S);
	ck_assert_int_eq(delivery_doubt_at(&d, 11 * NS_S), 10 * NS_S + DELIVERY_TRUST);
	ck_assert_int_eq(delivery_doubt_at(&d, 60 * NS_S), 60 * NS_S + DELIVERY_PATIENCE);
}
END_TEST

START_TEST(test_udp_that_gets_through_after_all_is_taken_again)
{
	delivery_in_vain(&d);
	delivery_heard(&d, NS_S);
	ck_assert(!delivery_tcp(&d));
}
END_TEST

START_TEST(test_only_auto_changes)
{
	ck_assert(delivery_refused(&d, 461) && !delivery_refused(&d, 453));
	for (int m = DELIVERY_UDP; m <= DELIVERY_TCP; m++) {
		d.mode = (enum delivery_mode)m;
		ck_assert_int_eq(delivery_doubt_at(&d, NS_S), NS_NEVER);
		ck_assert(!delivery_refused(&d, 461));
		delivery_in_vain(&d);
		ck_assert_int_eq(delivery_tcp(&d), m == DELIVERY_TCP);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("delivery");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_modes_have_names);
	tcase_add_test(tc, test_udp_is_doubted_when_it_has_brought_nothing);
	tcase_add_test(tc, test_udp_that_got_through_a_moment_ago_is_not_doubted);
	tcase_add_test(tc, test_udp_that_gets_through_after_all_is_taken_again);
	tcase_add_test(tc, test_only_auto_changes);
	return run_case("delivery", tc);
}
