/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Row H7: hierarchical names of places; nearest is who has the longest match from the right. */
#include "lib/place.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define SANJOSE "sanjose.california.pacificcoast.usa.northamerica"
#define SEATTLE "seattle.washington.pacificcoast.usa.northamerica"
#define ORLANDO "orlando.florida.atlanticcoast.usa.northamerica"

START_TEST(test_seattle_is_nearer_to_san_jose_than_orlando)
{
	ck_assert_int_eq(place_labels(SANJOSE), 5);
	ck_assert_int_eq(place_common(SANJOSE, SEATTLE), 3);
	ck_assert_int_eq(place_common(SANJOSE, ORLANDO), 2);
	ck_assert_int_lt(place_distance(SANJOSE, SEATTLE), place_distance(SANJOSE, ORLANDO));
}
END_TEST

START_TEST(test_only_whole_labels_match)
{
	static const struct {
		const char *a, *b;
		int common;
	} of[] = {
		{"a", "a", 1},
		{"a", "b", 0},
		{"aa", "a", 0},
		{"a.aa", "a.a", 0},
		{"x.b.c", "b.c", 2},
		{"b.c", "ab.c", 1},
		{"b.c", "c", 1},
		{"a.b.c", "x.b.c", 2},
		{"ab.c", "a.b.c", 1},
		{"a.b", "b.a", 0},
		{"", "a", 0},
		{"a", "", 0},
		{"", "", 0},
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		ck_assert_msg(
			place_common(of[i].a, of[i].b) == of[i].common, "%s %s", of[i].a, of[i].b);
		ck_assert_int_eq(place_common(of[i].b, of[i].a), of[i].common);
	}
}
END_TEST

START_TEST(test_distance_is_how_far_up_one_has_to_go)
{
	ck_assert_int_eq(place_distance(SANJOSE, SANJOSE), 0);
	ck_assert_int_eq(place_distance("california.usa", "sanjose.california.usa"), 0);
	ck_assert_int_eq(place_distance("sanjose.california.usa", "california.usa"), 1);
	ck_assert_int_eq(place_distance("sanjose.california.usa", "paris.france"), 3);
	ck_assert_int_eq(place_distance("", "a"), -1);
	ck_assert_int_eq(place_distance("a", ""), -1);
	ck_assert_int_eq(place_labels(""), 0);
}
END_TEST

/* Against the plain way: both names cut into labels, which are compared one by one. */
START_TEST(test_match_is_that_of_the_labels_one_by_one)
{
	srand(7);
	for (int round = 0; round < 20000; round++) {
		char name[2][32], label[2][8][4];
		int n[2], common = 0;

		for (int k = 0; k < 2; k++) {
			*name[k] = '\0';
			n[k] = 1 + rand() % 5;
			for (int i = 0; i < n[k]; i++) {
				snprintf(label[k][i], 4, rand() % 2 ? "a%c" : "%c",
					'a' + rand() % 2);
				sprintf(name[k] + strlen(name[k]), "%s%s", i ? "." : "",
					label[k][i]);
			}
		}
		while (common < n[0] && common < n[1] &&
			!strcmp(label[0][n[0] - 1 - common], label[1][n[1] - 1 - common]))
			common++;
		ck_assert_msg(place_common(name[0], name[1]) == common, "%s %s", name[0], name[1]);
		ck_assert_int_eq(place_labels(name[0]), n[0]);
	}
}
END_TEST

START_TEST(test_names_that_are_none)
{
	static const char *const good[] = {"a", "0", "a-b", SANJOSE, "a.b.c.d.e.f.g"};
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "A", "a b", "a_b", "-a",
		"a-", "a.-b", "a-.b", "caf\xc3\xa9", "a/b", "a\n"};
	char name[PLACE_LEN + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(place_ok(slice_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!place_ok(slice_of(bad[i])), "%s", bad[i]);
	memset(name, 'a', sizeof(name));
	name[63] = '.';
	ck_assert(place_ok((struct slice){name, PLACE_LEN - 1}));
	ck_assert(!place_ok((struct slice){name, PLACE_LEN}));
	name[63] = 'a';
	ck_assert(place_ok((struct slice){name, 63}));
	ck_assert(!place_ok((struct slice){name, 64}));
	ck_assert(!place_ok((struct slice){"a\0b", 3}));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("place");

	tcase_add_test(t, test_seattle_is_nearer_to_san_jose_than_orlando);
	tcase_add_test(t, test_only_whole_labels_match);
	tcase_add_test(t, test_distance_is_how_far_up_one_has_to_go);
	tcase_add_test(t, test_match_is_that_of_the_labels_one_by_one);
	tcase_add_test(t, test_names_that_are_none);
	return run_case("place", t);
}
