/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bounded text builder: at, at-end and past-end. */
#include "lib/sbuf.h"

#include <check.h>
#include <stdlib.h>

#include <stdint.h>

#include "tests/unit/run.h"

static char *mem;
static struct sbuf b;

static void setup(void)
{
	mem = malloc(8);
	sbuf_init(&b, mem, 8);
}

static void teardown(void)
{
	free(mem);
}

START_TEST(test_empty_is_a_string)
{
	ck_assert_str_eq(b.p, "");
	ck_assert_uint_eq(b.n, 0);
	ck_assert(!b.full);
}
END_TEST

START_TEST(test_pieces_follow_each_other)
{
	sbuf_printf(&b, "%d-", 12);
	sbuf_append(&b, "ab", 2);
	sbuf_slice(&b, (struct slice){NULL, 0});
	sbuf_slice(&b, SLICE("cd"));
	ck_assert_str_eq(b.p, "12-abcd");
	ck_assert_uint_eq(b.n, 7);
	ck_assert(!b.full);
}
END_TEST

START_TEST(test_numbers_are_decimal)
{
	char mem[64];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	sbuf_uint(&b, 0);
	sbuf_str(&b, " ");
	sbuf_uint(&b, 1009);
	sbuf_str(&b, " ");
	sbuf_uint(&b, UINT64_MAX);
	ck_assert_str_eq(b.p, "0 1009 18446744073709551615");
	sbuf_init(&b, mem, 4);
	sbuf_uint(&b, 1234);
	ck_assert(b.full);
	ck_assert_str_eq(b.p, "");
}
END_TEST

START_TEST(test_last_byte_is_for_the_nul)
{
	sbuf_append(&b, "1234567", 7);
	ck_assert(!b.full);
	sbuf_append(&b, "8", 1);
	ck_assert(b.full);
	ck_assert_str_eq(b.p, "1234567");
}
END_TEST

START_TEST(test_printf_that_does_not_fit_leaves_nothing_of_itself)
{
	sbuf_append(&b, "12345", 5);
	sbuf_printf(&b, "%s", "678");
	ck_assert(b.full);
	ck_assert_str_eq(b.p, "12345");
	ck_assert_uint_eq(b.n, 5);
}
END_TEST

START_TEST(test_error_sticks)
{
	sbuf_append(&b, "12345678", 8);
	ck_assert(b.full);
	sbuf_append(&b, "x", 1);
	sbuf_printf(&b, "y");
	ck_assert(b.full);
	ck_assert_str_eq(b.p, "");
}
END_TEST

START_TEST(test_binary_pieces_are_kept_whole)
{
	sbuf_append(&b, "a\0b", 3);
	ck_assert_uint_eq(b.n, 3);
	ck_assert_mem_eq(b.p, "a\0b", 4);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("sbuf");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_empty_is_a_string);
	tcase_add_test(t, test_pieces_follow_each_other);
	tcase_add_test(t, test_numbers_are_decimal);
	tcase_add_test(t, test_last_byte_is_for_the_nul);
	tcase_add_test(t, test_printf_that_does_not_fit_leaves_nothing_of_itself);
	tcase_add_test(t, test_error_sticks);
	tcase_add_test(t, test_binary_pieces_are_kept_whole);
	return run_case("sbuf", t);
}
