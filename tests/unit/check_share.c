/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the anycast addresses are on the interface, row C3. */
#include "arn/share.h"

#include <check.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define YIELD (7 * NS_S)

static struct share s;
static ns_t now;

static void setup(void)
{
	now = 1000 * NS_S;
	share_init(&s, 4, YIELD);
}

static void expect(bool up, int address, bool add)
{
	bool added;

	ck_assert_int_eq(share_next(&s, up, &added, now), address);
	if (address >= 0)
		ck_assert_int_eq(added, add);
}

static void expect_nothing(bool up)
{
	expect(up, -1, false);
}

START_TEST(test_owned_addresses_come_up_with_the_block_and_not_before)
{
	share_want(&s, 0x5, now);
	expect_nothing(false);
	expect(true, 0, true);
	expect(true, 2, true);
	expect_nothing(true);
	ck_assert_int_eq(s.held, 0x5);
	ck_assert_int_eq(share_when(&s), NS_NEVER);
}
END_TEST

START_TEST(test_address_of_another_stays_until_routers_know_of_it_there)
{
	share_want(&s, 0x3, now);
	expect(true, 0, true);
	expect(true, 1, true);
	share_want(&s, 0x2, now);
	ck_assert_int_eq(share_when(&s), now + YIELD);
	now += YIELD - 1;
	share_want(&s, 0x2, now); /* said again: counts from the first time */
	expect_nothing(true);
	now += 1;
	expect(true, 0, false);
	expect_nothing(true);
	ck_assert_int_eq(s.held, 0x2);
}
END_TEST

START_TEST(test_address_that_comes_back_while_it_is_kept_is_not_touched)
{
	share_want(&s, 0x1, now);
	expect(true, 0, true);
	share_want(&s, 0, now);
	now += YIELD / 2;
	share_want(&s, 0x1, now);
	now += YIELD;
	expect_nothing(true);
	ck_assert_int_eq(share_when(&s), NS_NEVER);
}
END_TEST

START_TEST(test_all_are_removed_at_once_when_the_block_is_withdrawn)
{
	share_want(&s, 0x9, now);
	expect(true, 0, true);
	expect(true, 3, true);
	share_want(&s, 0x1, now); /* one is kept */
	expect(false, 0, false);
	expect(false, 3, false);
	expect_nothing(false);
	expect(true, 0, true); /* the drain was taken back */
	expect_nothing(true);
}
END_TEST

START_TEST(test_nothing_is_held_when_the_interface_is_gone)
{
	share_want(&s, 0xf, now);
	for (int i = 0; i < 4; i++)
		expect(true, i, true);
	share_drop(&s);
	expect_nothing(false);
	expect(true, 0, true);
}
END_TEST

START_TEST(test_bits_past_the_number_of_addresses_mean_nothing)
{
	share_want(&s, UINT64_MAX, now);
	for (int i = 0; i < 4; i++)
		expect(true, i, true);
	expect_nothing(true);
	share_init(&s, SHARE_MAX, YIELD);
	share_want(&s, UINT64_MAX, now);
	for (int i = 0; i < SHARE_MAX; i++)
		expect(true, i, true);
	expect_nothing(true);
	share_init(&s, 0, YIELD);
	share_want(&s, UINT64_MAX, now);
	expect_nothing(true);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("share");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_owned_addresses_come_up_with_the_block_and_not_before);
	tcase_add_test(t, test_address_of_another_stays_until_routers_know_of_it_there);
	tcase_add_test(t, test_address_that_comes_back_while_it_is_kept_is_not_touched);
	tcase_add_test(t, test_all_are_removed_at_once_when_the_block_is_withdrawn);
	tcase_add_test(t, test_nothing_is_held_when_the_interface_is_gone);
	tcase_add_test(t, test_bits_past_the_number_of_addresses_mean_nothing);
	return run_case("share", t);
}
