/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which streams fit into a link that classes of channels share, and which refusals are remembered. */
#include "sn-agent/budget.h"

#include <check.h>
#include <string.h>

#include "tests/unit/run.h"

static struct budget b;
static struct budget_use use;

static void setup(void)
{
	b = (struct budget){.of = {{"gold", "/gold/, /emergency", 100}, {"silver", "/silver/", 60},
				    {"bronze", "", 25}},
		.classes = 3,
		.assumed = 2000};
	memset(&use, 0, sizeof(use));
}

/* Lets it in if it fits. */
static bool in(int class, uint64_t kbps)
{
	bool fits = budget_fits(&b, 1000, &use, class, kbps);

	if (fits)
		use.kbps[class] += kbps;
	return fits;
}

START_TEST(test_a_class_is_found_by_the_beginning_of_the_path)
{
	ck_assert_int_eq(budget_class_of(&b, SLICE("/gold/news")), 0);
	ck_assert_int_eq(budget_class_of(&b, SLICE("/emergency")), 0);
	ck_assert_int_eq(budget_class_of(&b, SLICE("/emergency-2")), 0);
	ck_assert_int_eq(budget_class_of(&b, SLICE("/silver/")), 1);
	ck_assert_int_eq(budget_class_of(&b, SLICE("/silver")), 2);
	ck_assert_int_eq(budget_class_of(&b, SLICE("/gol")), 2);
	ck_assert_int_eq(budget_class_of(&b, SLICE("")), 2);
	ck_assert_str_eq(budget_class_name(&b, 1), "silver");
	b.classes = 0;
	ck_assert_int_eq(budget_class_of(&b, SLICE("/gold/news")), 0);
	ck_assert_str_eq(budget_class_name(&b, 0), "all");
}
END_TEST

START_TEST(test_whole_streams_are_let_in_until_the_link_is_full)
{
	b.classes = 0;
	ck_assert(in(0, 600));
	ck_assert(!in(0, 401));
	ck_assert(in(0, 400));
	ck_assert(!in(0, 1));
	ck_assert(budget_fits(&b, 0, &use, 0, 1000000));
}
END_TEST

START_TEST(test_a_lower_class_has_its_share_and_no_more)
{
	ck_assert(in(2, 250));
	ck_assert(!in(2, 1));
	ck_assert(in(1, 350)); /* 600 with what bronze has */
	ck_assert(!in(1, 1));
	ck_assert(in(0, 400));
	ck_assert(!in(0, 1));
}
END_TEST

START_TEST(test_a_higher_class_may_have_what_the_lower_ones_do_not_use)
{
	ck_assert(in(0, 900));
	ck_assert(!in(1, 101)); /* within its share, but the link is full */
	ck_assert(in(1, 100));
	ck_assert(!in(2, 1));
	ck_assert(!in(0, 1));
}
END_TEST

START_TEST(test_a_class_between_does_not_take_what_is_the_lower_ones_alone)
{
	ck_assert(in(1, 600));
	ck_assert(!in(2, 1)); /* silver's doll is full, and bronze is within it */
	ck_assert(in(0, 400));
}
END_TEST

START_TEST(test_a_channel_counts_with_what_is_known_of_it)
{
	ck_assert_uint_eq(budget_rate(&b, 900, 500), 900);
	ck_assert_uint_eq(budget_rate(&b, 400, 500), 500);
	ck_assert_uint_eq(budget_rate(&b, 0, 500), 500);
	ck_assert_uint_eq(budget_rate(&b, 0, 0), 2000);
}
END_TEST

START_TEST(test_refusals_are_remembered_for_a_while)
{
	struct refusals r = {0};
	uint32_t out[REFUSALS_MAX];

	ck_assert_int_eq(refusals_list(&r, 0, out), 0);
	refusals_note(&r, 30, 100);
	refusals_note(&r, 10, 200);
	refusals_note(&r, 20, 150);
	refusals_note(&r, 10, 210);
	ck_assert_int_eq(refusals_list(&r, 99, out), 3);
	ck_assert_uint_eq(out[0], 10);
	ck_assert_uint_eq(out[1], 20);
	ck_assert_uint_eq(out[2], 30);
	ck_assert_int_eq(refusals_list(&r, 100, out), 2);
	refusals_clear(&r, 20);
	ck_assert_int_eq(refusals_list(&r, 100, out), 1);
	ck_assert_int_eq(refusals_list(&r, 210, out), 0);
}
END_TEST

START_TEST(test_the_oldest_refusal_gives_way)
{
	struct refusals r = {0};
	uint32_t out[REFUSALS_MAX];

	for (uint32_t i = 0; i < REFUSALS_MAX + 2; i++)
		refusals_note(&r, i, 100 + i);
	ck_assert_int_eq(refusals_list(&r, 0, out), REFUSALS_MAX);
	ck_assert_uint_eq(out[0], 2);
	ck_assert_uint_eq(out[REFUSALS_MAX - 1], REFUSALS_MAX + 1);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("budget");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_a_class_is_found_by_the_beginning_of_the_path);
	tcase_add_test(t, test_whole_streams_are_let_in_until_the_link_is_full);
	tcase_add_test(t, test_a_lower_class_has_its_share_and_no_more);
	tcase_add_test(t, test_a_higher_class_may_have_what_the_lower_ones_do_not_use);
	tcase_add_test(t, test_a_class_between_does_not_take_what_is_the_lower_ones_alone);
	tcase_add_test(t, test_a_channel_counts_with_what_is_known_of_it);
	tcase_add_test(t, test_refusals_are_remembered_for_a_while);
	tcase_add_test(t, test_the_oldest_refusal_gives_way);
	return run_case("budget", t);
}
