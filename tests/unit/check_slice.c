/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Borrowed bytes. */
#include "lib/slice.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "tests/unit/run.h"

static void expect(struct slice s, const char *want)
{
	ck_assert_msg(slice_eq(s, slice_of(want)), "'" SLICE_FMT "', not '%s'", SLICE_ARG(s), want);
}

START_TEST(test_cut_gives_what_is_before_and_leaves_what_is_after)
{
	struct slice s = SLICE("a,b,,c");

	expect(slice_cut(&s, ','), "a");
	expect(slice_cut(&s, ','), "b");
	expect(slice_cut(&s, ','), "");
	expect(slice_cut(&s, ','), "c");
	ck_assert_uint_eq(s.n, 0);
	expect(slice_cut(&s, ','), "");
}
END_TEST

START_TEST(test_cut_at_the_ends)
{
	struct slice s = SLICE(",x,");

	expect(slice_cut(&s, ','), "");
	expect(slice_cut(&s, ','), "x");
	ck_assert_uint_eq(s.n, 0);
	s = (struct slice){NULL, 0};
	ck_assert_uint_eq(slice_cut(&s, ',').n, 0);
	ck_assert_ptr_null(s.p);
}
END_TEST

START_TEST(test_trim_takes_blanks_off_both_ends_only)
{
	expect(slice_trim(SLICE(" \t\r\n a b\t \r\n")), "a b");
	expect(slice_trim(SLICE(" \t\r\n")), "");
	expect(slice_trim(SLICE("")), "");
	expect(slice_trim(SLICE("\vx\f")), "\vx\f");
	ck_assert_uint_eq(slice_trim((struct slice){NULL, 0}).n, 0);
}
END_TEST

START_TEST(test_equality_and_case)
{
	ck_assert(slice_eq(SLICE("ab"), SLICE("ab")));
	ck_assert(!slice_eq(SLICE("ab"), SLICE("aB")));
	ck_assert(!slice_eq(SLICE("ab"), SLICE("abc")));
	ck_assert(slice_ieq(SLICE("aB"), SLICE("Ab")));
	ck_assert(!slice_ieq(SLICE("a"), SLICE("b")));
	ck_assert(slice_eq((struct slice){NULL, 0}, SLICE("")));
	ck_assert_uint_eq(slice_of(NULL).n, 0);
}
END_TEST

static const struct {
	const char *text;
	unsigned long long max;
	int rc;
	unsigned long long value;
} numbers[] = {
	{"0", 0, 0, 0},
	{"1", 0, -EINVAL, 0},
	{"5", 5, 0, 5},
	{"6", 5, -EINVAL, 0},
	{"7", 5, -EINVAL, 0},
	{"9", 8, -EINVAL, 0},
	{"00007", 7, 0, 7},
	{"65535", 65535, 0, 65535},
	{"65536", 65535, -EINVAL, 0},
	{"655350", 65535, -EINVAL, 0},
	{"18446744073709551615", ULLONG_MAX, 0, ULLONG_MAX},
	{"18446744073709551616", ULLONG_MAX, -EINVAL, 0},
	{"99999999999999999999999", ULLONG_MAX, -EINVAL, 0},
	{"", 9, -EINVAL, 0},
	{"-1", 9, -EINVAL, 0},
	{"+1", 9, -EINVAL, 0},
	{" 1", 9, -EINVAL, 0},
	{"1 ", 9, -EINVAL, 0},
	{"1a", 9, -EINVAL, 0},
	{"\xb2", 9, -EINVAL, 0},
};

START_TEST(test_number_is_whole_and_within_its_maximum)
{
	unsigned long long v = 0;

	ck_assert_int_eq(
		slice_u64(slice_of(numbers[_i].text), numbers[_i].max, &v), numbers[_i].rc);
	ck_assert_uint_eq(v, numbers[_i].value);
}
END_TEST

START_TEST(test_copy_fits_with_its_nul_or_not_at_all)
{
	char *dst = malloc(4);

	ck_assert_int_eq(slice_copy(SLICE("abc"), dst, 4), 0);
	ck_assert_str_eq(dst, "abc");
	ck_assert_int_eq(slice_copy(SLICE("abcd"), dst, 4), -ENOSPC);
	ck_assert_str_eq(dst, "");
	ck_assert_int_eq(slice_copy((struct slice){NULL, 0}, dst, 1), 0);
	ck_assert_str_eq(dst, "");
	ck_assert_int_eq(slice_copy(SLICE(""), dst, 0), -ENOSPC);
	free(dst);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("slice");

	tcase_add_test(t, test_cut_gives_what_is_before_and_leaves_what_is_after);
	tcase_add_test(t, test_cut_at_the_ends);
	tcase_add_test(t, test_trim_takes_blanks_off_both_ends_only);
	tcase_add_test(t, test_equality_and_case);
	tcase_add_loop_test(t, test_number_is_whole_and_within_its_maximum, 0,
		sizeof(numbers) / sizeof(numbers[0]));
	tcase_add_test(t, test_copy_fits_with_its_nul_or_not_at_all);
	return run_case("slice", t);
}
