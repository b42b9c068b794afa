/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bounded cursors: at, at-end, past-end, and the error that sticks. */
#include "lib/cursor.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

static const uint8_t bytes[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

START_TEST(test_fields_are_big_endian_and_end_where_the_message_ends)
{
	uint8_t *p = malloc(15);
	struct rcur c = rcur_init(memcpy(p, bytes, 15), 15);

	ck_assert_uint_eq(rcur_u8(&c), 0x01);
	ck_assert_uint_eq(rcur_u16(&c), 0x0203);
	ck_assert_uint_eq(rcur_u32(&c), 0x04050607);
	ck_assert_uint_eq(rcur_left(&c), 8);
	ck_assert_uint_eq(rcur_u64(&c), 0x08090a0b0c0d0e0full);
	ck_assert(!c.bad);
	ck_assert_uint_eq(rcur_left(&c), 0);
	ck_assert_uint_eq(rcur_u8(&c), 0);
	ck_assert(c.bad);
	free(p);
}
END_TEST

/* Every width, with every number of bytes from none to one less than it needs. */
START_TEST(test_short_field_is_zero_and_reads_nothing)
{
	for (size_t have = 0; have < 8; have++) {
		uint8_t *p = malloc(have ? have : 1);
		struct rcur whole = rcur_init(memcpy(p, bytes, have), have), c;

		c = whole;
		ck_assert_uint_eq(rcur_u64(&c), 0);
		ck_assert(c.bad);
		if (have < 4) {
			c = whole;
			ck_assert_uint_eq(rcur_u32(&c), 0);
			ck_assert(c.bad);
		}
		if (have < 2) {
			c = whole;
			ck_assert_uint_eq(rcur_u16(&c), 0);
			ck_assert(c.bad);
		}
		free(p);
	}
}
END_TEST

START_TEST(test_read_error_sticks)
{
	struct rcur c = rcur_init(bytes, 3);

	ck_assert_uint_eq(rcur_u32(&c), 0);
	ck_assert_uint_eq(rcur_u8(&c), 0); /* although there are bytes */
	ck_assert_ptr_null(rcur_take(&c, 0));
	ck_assert_uint_eq(rcur_left(&c), 0);
	ck_assert(c.bad);
}
END_TEST

START_TEST(test_take_is_in_place)
{
	struct rcur c = rcur_init(bytes, 4);

	ck_assert_ptr_eq(rcur_take(&c, 0), bytes);
	ck_assert_ptr_eq(rcur_take(&c, 3), bytes);
	ck_assert_ptr_eq(rcur_take(&c, 1), bytes + 3);
	ck_assert_ptr_eq(rcur_take(&c, 0), bytes + 4);
	ck_assert(!c.bad);
	ck_assert_ptr_null(rcur_take(&c, SIZE_MAX));
	ck_assert(c.bad);
}
END_TEST

START_TEST(test_what_is_written_is_read_back)
{
	uint8_t *p = malloc(18);
	struct wcur w = wcur_init(p, 18);
	struct rcur c;

	wcur_u8(&w, 0xf1);
	wcur_u16(&w, 0xf2f3);
	wcur_u32(&w, 0xf4f5f6f7);
	wcur_u64(&w, 0xf8f9fafbfcfdfeffull);
	wcur_put(&w, "abc", 3);
	ck_assert(!w.bad);
	ck_assert_uint_eq(wcur_len(&w), 18);
	c = rcur_init(p, 18);
	ck_assert_uint_eq(rcur_u8(&c), 0xf1);
	ck_assert_uint_eq(rcur_u16(&c), 0xf2f3);
	ck_assert_uint_eq(rcur_u32(&c), 0xf4f5f6f7);
	ck_assert_uint_eq(rcur_u64(&c), 0xf8f9fafbfcfdfeffull);
	ck_assert_mem_eq(rcur_take(&c, 3), "abc", 3);
	ck_assert(!c.bad);
	wcur_put(&w, NULL, 0);
	ck_assert(!w.bad);
	wcur_u8(&w, 0);
	ck_assert(w.bad);
	ck_assert_uint_eq(wcur_len(&w), 18);
	free(p);
}
END_TEST

START_TEST(test_write_error_sticks)
{
	uint8_t *p = calloc(1, 3);
	struct wcur w = wcur_init(p, 3);

	wcur_u8(&w, 7);
	wcur_u32(&w, 0xffffffff);
	wcur_u8(&w, 8);
	wcur_put(&w, "x", 1);
	ck_assert_ptr_null(wcur_reserve(&w, 0));
	ck_assert(w.bad);
	ck_assert_uint_eq(wcur_len(&w), 1);
	ck_assert_mem_eq(p, "\7\0\0", 3);
	free(p);
}
END_TEST

START_TEST(test_reserved_bytes_are_filled_in_later)
{
	uint8_t p[4] = {0};
	struct wcur w = wcur_init(p, 4);
	uint8_t *at = wcur_reserve(&w, 2);

	wcur_u16(&w, 0x0304);
	at[0] = 1;
	at[1] = 2;
	ck_assert_mem_eq(p, bytes, 4);
	ck_assert_ptr_null(wcur_reserve(&w, 1));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("cursor");

	tcase_add_test(t, test_fields_are_big_endian_and_end_where_the_message_ends);
	tcase_add_test(t, test_short_field_is_zero_and_reads_nothing);
	tcase_add_test(t, test_read_error_sticks);
	tcase_add_test(t, test_take_is_in_place);
	tcase_add_test(t, test_what_is_written_is_read_back);
	tcase_add_test(t, test_write_error_sticks);
	tcase_add_test(t, test_reserved_bytes_are_filled_in_later);
	return run_case("cursor", t);
}
