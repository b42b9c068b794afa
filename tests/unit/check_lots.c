/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lots (lib/lots.h): the same from the same seed, and one says nothing of the next. */
#include "lib/lots.h"

#include <check.h>

#include "tests/unit/run.h"

#define DRAWS 10000

START_TEST(test_same_seed_gives_the_same_lots)
{
	struct lots a, b;

	lots_init(&a, 7);
	lots_init(&b, 7);
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(lots_draw(&a), lots_draw(&b));
}
END_TEST

START_TEST(test_another_seed_gives_others)
{
	struct lots a, b;

	lots_init(&a, 7);
	lots_init(&b, UINT64_C(7) | UINT64_C(1) << 63);
	ck_assert_uint_ne(lots_draw(&a), lots_draw(&b));
}
END_TEST

/* Of neighbours, and of lots of neighbouring seeds, half of the bits differ; so it is not from the
 * difference of two that a third could be had. */
START_TEST(test_each_bit_of_the_next_lot_is_open)
{
	int differs[64] = {0};

	for (uint64_t i = 0; i < DRAWS; i++) {
		struct lots l;
		uint64_t d;

		lots_init(&l, i);
		d = lots_draw(&l) ^ lots_draw(&l);
		for (int bit = 0; bit < 64; bit++)
			differs[bit] += d >> bit & 1;
	}
	/* Six standard deviations of 50 each. */
	for (int bit = 0; bit < 64; bit++)
		ck_assert_msg(differs[bit] > DRAWS / 2 - 300 && differs[bit] < DRAWS / 2 + 300,
			"bit %d: %d of %d", bit, differs[bit], DRAWS);
}
END_TEST

START_TEST(test_kernel_gives_another_seed_each_time)
{
	ck_assert_uint_ne(lots_seed(), lots_seed());
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("lots");

	tcase_add_test(t, test_same_seed_gives_the_same_lots);
	tcase_add_test(t, test_another_seed_gives_others);
	tcase_add_test(t, test_each_bit_of_the_next_lot_is_open);
	tcase_add_test(t, test_kernel_gives_another_seed_each_time);
	return run_case("lots", t);
}
