/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts that wait to be written: each once and in its newest version, and never too many. */
#include "sn-agent/unwritten.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define MAX 4

static struct unwritten *u;
static struct account_part got[16];

static void setup(void)
{
	u = unwritten_new(MAX);
}

static void teardown(void)
{
	unwritten_free(u);
}

static bool put(uint64_t id, int64_t seen, const char *reason)
{
	struct account_part p = {.id = id, .seen = seen};

	snprintf(p.reason, sizeof(p.reason), "%s", reason);
	return unwritten_put(u, &p);
}

/* The ids and times of what waits: "1:5 2:7!", '!' for an end. */
static const char *waiting(void)
{
	static char text[256];
	int n = unwritten_take(u, got, 16), at = 0;

	ck_assert_int_eq(n, unwritten_count(u));
	text[0] = '\0';
	for (int i = 0; i < n; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%s%d:%d%s", i ? " " : "",
			(int)got[i].id, (int)got[i].seen, got[i].reason[0] ? "!" : "");
	return text;
}

START_TEST(test_each_waits_once_in_its_newest_version_and_in_order)
{
	put(1, 5, "");
	put(2, 5, "");
	put(1, 7, "");
	put(3, 7, "");
	ck_assert_str_eq(waiting(), "1:7 2:5 3:7");
	put(2, 9, "teardown");
	ck_assert_str_eq(waiting(), "1:7 2:9! 3:7");
	ck_assert_int_eq(unwritten_take(u, got, 2), 2);
	ck_assert_uint_eq(got[1].id, 2);
}
END_TEST

START_TEST(test_what_is_written_goes_and_what_became_newer_meanwhile_stays)
{
	put(1, 5, "");
	put(2, 5, "");
	put(3, 5, "");
	ck_assert_int_eq(unwritten_take(u, got, 3), 3);
	put(2, 6, "");
	put(3, 5, "teardown"); /* in the same millisecond */
	unwritten_done(u, got, 3);
	ck_assert_str_eq(waiting(), "2:6 3:5!");
	unwritten_done(u, got, 2);
	ck_assert_str_eq(waiting(), "");
	unwritten_done(u, got, 2); /* twice, after it has come again or not */
	ck_assert_int_eq(unwritten_count(u), 0);
}
END_TEST

START_TEST(test_an_end_takes_the_place_of_what_will_come_again)
{
	put(1, 5, "teardown");
	put(2, 5, "");
	put(3, 5, "teardown");
	put(4, 5, "");
	ck_assert(!put(5, 6, ""));
	ck_assert(put(4, 6, "")); /* is there already */
	ck_assert(put(6, 6, "timeout"));
	ck_assert_str_eq(waiting(), "1:5! 3:5! 4:6 6:6!");
	ck_assert(put(7, 6, "timeout"));
	ck_assert(!put(8, 6, "timeout"));
	ck_assert_str_eq(waiting(), "1:5! 3:5! 6:6! 7:6!");
}
END_TEST

/* Ids that fall into one bucket: the last of a chain may be what makes room for the next. */
START_TEST(test_room_is_made_in_the_same_bucket)
{
	for (uint64_t i = 0; i < MAX; i++)
		put(1 + 4096 * i, 5, "");
	for (uint64_t i = 0; i < MAX; i++)
		ck_assert(put(1 + 4096 * (MAX + i), 6, "teardown"));
	ck_assert(!put(3, 7, "teardown"));
	ck_assert_str_eq(waiting(), "16385:6! 20481:6! 24577:6! 28673:6!");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("unwritten");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_each_waits_once_in_its_newest_version_and_in_order);
	tcase_add_test(t, test_what_is_written_goes_and_what_became_newer_meanwhile_stays);
	tcase_add_test(t, test_an_end_takes_the_place_of_what_will_come_again);
	tcase_add_test(t, test_room_is_made_in_the_same_bucket);
	return run_case("unwritten", t);
}
