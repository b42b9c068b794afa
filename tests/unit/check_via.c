/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Joins without circles: whom a request is refused, and what is told of the way of a channel. */
#include "sn-agent/via.h"

#include <check.h>
#include <string.h>

#include "tests/unit/run.h"

static bool refuses(const char *self, const char *via, const char *path, const char *trying)
{
	return via_refuses(self, slice_of(via), path, trying);
}

START_TEST(test_lists_meet_in_a_name)
{
	ck_assert(via_meet(SLICE("a,b"), SLICE("x, B")));
	ck_assert(!via_meet(SLICE("a,b"), SLICE("x, y")));
	ck_assert(!via_meet(SLICE("a,,b"), SLICE("x,, y")));
}
END_TEST

START_TEST(test_who_is_on_our_way_to_the_source_cannot_have_it_from_us)
{
	ck_assert(!refuses("b", "", "c, s", ""));
	ck_assert(!refuses("b", "a", "c, s", ""));
	ck_assert(refuses("b", "c", "c, s", ""));
	ck_assert(refuses("b", "x, c, y", "d, c, s", ""));
}
END_TEST

START_TEST(test_a_request_that_has_come_through_us_is_refused)
{
	ck_assert(refuses("b", "b", "", ""));
	ck_assert(refuses("b", "a, B, c", "", ""));
}
END_TEST

START_TEST(test_of_two_that_ask_each_other_one_goes_on)
{
	ck_assert(refuses("a", "b", "", "b"));
	ck_assert(!refuses("b", "a", "", "a"));
}
END_TEST

START_TEST(test_lists_are_bounded)
{
	char path[VIA_NAMES], via[VIA_NAMES + 8];

	ck_assert(via_join(path, "a", ""));
	ck_assert_str_eq(path, "a");
	ck_assert(via_join(path, "", "a"));
	ck_assert_str_eq(path, "a");
	ck_assert(via_join(path, "b", "a, s"));
	ck_assert_str_eq(path, "b, a, s");
	memset(via, 'x', sizeof(via));
	via[VIA_NAMES - 1] = '\0';
	ck_assert(!refuses("b", via + 1, "", ""));
	ck_assert(via_join(path, "b", via + 4));
	ck_assert(!via_join(path, "b", via + 1));
	ck_assert_str_eq(path, "");
	via[VIA_NAMES - 1] = 'x';
	via[VIA_NAMES] = '\0';
	ck_assert(refuses("b", via, "", ""));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("via");

	tcase_add_test(t, test_lists_meet_in_a_name);
	tcase_add_test(t, test_who_is_on_our_way_to_the_source_cannot_have_it_from_us);
	tcase_add_test(t, test_a_request_that_has_come_through_us_is_refused);
	tcase_add_test(t, test_of_two_that_ask_each_other_one_goes_on);
	tcase_add_test(t, test_lists_are_bounded);
	return run_case("via", t);
}
