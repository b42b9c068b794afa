/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Joins without circles: whom a request is refused, and what is told of the way of a channel. */
#include "sn-agent/join.h"

#include <check.h>
#include <string.h>

#include "tests/unit/run.h"

static bool refuses(const char *self, const char *via, const char *path, const char *trying)
{
	return join_refuses(self, slice_of(via), path, trying);
}

START_TEST(test_a_name_is_found_whole_and_whatever_its_case)
{
	ck_assert(join_has(SLICE("a, bb ,c"), SLICE("BB")));
	ck_assert(!join_has(SLICE("a, bb ,c"), SLICE("b")));
	ck_assert(!join_has(SLICE(""), SLICE("b")));
	ck_assert(join_meet(SLICE("a,b"), SLICE("x, b")));
	ck_assert(!join_meet(SLICE("a,b"), SLICE("x, y")));
	ck_assert(!join_meet(SLICE("a,,b"), SLICE("x,, y")));
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
	char path[JOIN_NAMES], via[JOIN_NAMES + 8];

	ck_assert(join_lists(path, "a", ""));
	ck_assert_str_eq(path, "a");
	ck_assert(join_lists(path, "", "a"));
	ck_assert_str_eq(path, "a");
	ck_assert(join_lists(path, "b", "a, s"));
	ck_assert_str_eq(path, "b, a, s");
	memset(via, 'x', sizeof(via));
	via[JOIN_NAMES - 1] = '\0';
	ck_assert(!refuses("b", via + 1, "", ""));
	ck_assert(join_lists(path, "b", via + 4));
	ck_assert(!join_lists(path, "b", via + 1));
	ck_assert_str_eq(path, "");
	via[JOIN_NAMES - 1] = 'x';
	via[JOIN_NAMES] = '\0';
	ck_assert(refuses("b", via, "", ""));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("join");

	tcase_add_test(t, test_a_name_is_found_whole_and_whatever_its_case);
	tcase_add_test(t, test_who_is_on_our_way_to_the_source_cannot_have_it_from_us);
	tcase_add_test(t, test_a_request_that_has_come_through_us_is_refused);
	tcase_add_test(t, test_of_two_that_ask_each_other_one_goes_on);
	tcase_add_test(t, test_lists_are_bounded);
	return run_case("join", t);
}
