/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sites without service (row A3): when one goes, when it returns, and that never all go. */
#include "arn/site.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define MS(n)   ((n)*NS_MS)
#define TIMEOUT MS(600)
#define FALL    (2 * TIMEOUT)

static struct site s;
static ns_t now;
static const struct site_conf conf = {
	.interval = MS(200), .misses = 3, .hold = MS(3000), .hold_max = MS(12000)};

static void setup(void)
{
	now = NS_S;
	site_init(&s, &conf, now);
	site_set_usable(&s, true, now);
}

/* Time goes by; the other site says the same at its interval. */
static void pass(ns_t time, bool heard, bool serves)
{
	for (ns_t end = now + time; now < end; now += MS(100)) {
		if (heard && now % MS(200) == 0)
			ck_assert_int_eq(site_hear(&s, "other", serves, 200, now), 0);
		site_step(&s, now);
	}
}

static void lose(void)
{
	site_set_usable(&s, false, now);
}

START_TEST(test_goes_when_it_has_no_node_and_another_site_serves)
{
	pass(MS(1000), true, true);
	lose();
	pass(FALL - MS(100), true, true);
	ck_assert(!s.away);
	pass(MS(300), true, true);
	ck_assert(s.away);
	ck_assert_uint_eq(s.went, 1);
}
END_TEST

START_TEST(test_stays_when_it_knows_of_nobody_who_serves)
{
	lose();
	pass(MS(20000), false, false);
	ck_assert(!s.away);
	pass(MS(5000), true, false);
	ck_assert(!s.away);
	/* One that served, and fell silent. */
	setup();
	pass(MS(1000), true, true);
	lose();
	pass(MS(10000), false, false);
	ck_assert(!s.away);
}
END_TEST

START_TEST(test_a_moment_without_a_node_is_nothing)
{
	for (int i = 0; i < 20; i++) {
		lose();
		pass(FALL - MS(100), true, true);
		site_set_usable(&s, true, now);
		pass(MS(100), true, true);
		ck_assert(!s.away);
	}
}
END_TEST

/* All nodes of all sites come back, one a moment before the other. */
START_TEST(test_who_serves_only_since_a_moment_makes_nobody_go)
{
	lose();
	pass(MS(20000), true, false);
	pass(FALL - MS(200), true, true);
	ck_assert(!s.away);
	site_set_usable(&s, true, now);
	pass(MS(5000), true, true);
	ck_assert(!s.away);
}
END_TEST

START_TEST(test_returns_after_a_node_was_there_for_the_hold)
{
	lose();
	pass(FALL + MS(300), true, true);
	site_set_usable(&s, true, now);
	pass(MS(2900), true, true);
	ck_assert(s.away);
	pass(MS(300), true, true);
	ck_assert(!s.away);
}
END_TEST

START_TEST(test_returns_at_once_when_the_other_site_ceases)
{
	lose();
	pass(FALL + MS(300), true, true);
	ck_assert(s.away);
	ck_assert_int_eq(site_hear(&s, "other", false, 200, now), 0);
	ck_assert(site_step(&s, now));
	ck_assert(!s.away);
	/* Or is silent for its timeout. */
	pass(FALL + MS(300), true, true);
	ck_assert(s.away);
	pass(TIMEOUT + MS(100), false, false);
	ck_assert(!s.away);
}
END_TEST

START_TEST(test_who_goes_again_and_again_holds_longer_up_to_a_bound)
{
	static const ns_t holds[] = {MS(3000), MS(6000), MS(12000), MS(12000)};

	for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
		lose();
		pass(FALL + MS(300), true, true);
		ck_assert(s.away);
		site_set_usable(&s, true, now);
		pass(holds[i] - MS(100), true, true);
		ck_assert_msg(s.away, "%zu", i);
		pass(MS(300), true, true);
		ck_assert_msg(!s.away, "%zu", i);
	}
	/* It is forgotten, a strike after the other. */
	pass(8 * MS(12000) * 4, true, true);
	ck_assert_int_eq(s.strikes, 0);
}
END_TEST

START_TEST(test_when_says_when_something_is_due)
{
	ck_assert_int_eq(site_when(&s, now), NS_NEVER);
	site_hear(&s, "other", true, 200, now);
	ck_assert_int_eq(site_when(&s, now), now + TIMEOUT);
	lose();
	site_hear(&s, "other", true, 1000, now);
	ck_assert_int_eq(site_when(&s, now), now + MS(3000));
	site_step(&s, now);
	site_hear(&s, "other", true, 500, now += MS(500));
	ck_assert_int_eq(site_when(&s, now), now + MS(1500));
	for (int i = 0; i < 5; i++)
		site_hear(&s, "other", true, 500, now += MS(500));
	ck_assert_int_eq(site_when(&s, now), now + MS(200));
	ck_assert(site_step(&s, now) && s.away);
	ck_assert_int_gt(site_when(&s, now), now);
}
END_TEST

START_TEST(test_there_is_room_for_those_that_speak_now)
{
	char id[ANNOUNCE_ID_LEN];

	for (int i = 0; i < SITE_MAX; i++) {
		snprintf(id, sizeof(id), "arn%d", i);
		ck_assert_int_eq(site_hear(&s, id, true, 200, now), 0);
	}
	ck_assert_int_eq(site_hear(&s, "more", true, 200, now), -ENOSPC);
	ck_assert_int_eq(site_hear(&s, "arn7", false, 200, now), 0);
	ck_assert_int_eq(site_serving(&s, now), SITE_MAX - 1);
	now += TIMEOUT;
	ck_assert_int_eq(site_hear(&s, "more", true, 200, now), 0);
	/* A long interval counts as ten seconds. */
	ck_assert_int_eq(site_hear(&s, "slow", true, 3600000, now), 0);
	now += MS(30000);
	ck_assert_int_eq(site_serving(&s, now), 0);
}
END_TEST

/* ---- worlds: several sites, whose nodes come and go, and whose words get lost and late ---- */

#define SITES 4
#define LATE  12 /* words under way, of each pair */

struct word {
	ns_t at; /* 0: none */
	bool serves;
};

static struct {
	struct site site[SITES];
	ns_t said[SITES], flip[SITES];
	bool told[SITES];
	struct word way[SITES][SITES][LATE];
} w;

static bool serves(int i)
{
	return !w.site[i].away && w.site[i].usable;
}

static void say(int i, int n, int loss)
{
	w.said[i] = now;
	w.told[i] = serves(i);
	for (int k = 0; k < n; k++)
		for (int x = 0; x < LATE && k != i; x++)
			if (!w.way[i][k][x].at) {
				if (rand() % 100 >= loss)
					w.way[i][k][x] =
						(struct word){now + rand() % MS(500), w.told[i]};
				break;
			}
}

static void hear(int k, int n)
{
	char id[8];

	for (int i = 0; i < n; i++)
		for (int x = 0; x < LATE; x++) {
			struct word *word = &w.way[i][k][x];

			if (!word->at || now < word->at)
				continue;
			snprintf(id, sizeof(id), "s%d", i);
			site_hear(&w.site[k], id, word->serves, 200, now);
			word->at = 0;
		}
}

START_TEST(test_never_do_all_sites_go_because_of_each_other)
{
	int n = 2 + _i % (SITES - 1), loss = _i % 5 * 20, gone = 0;

	srand((unsigned)_i + 1);
	memset(&w, 0, sizeof(w));
	now = NS_S;
	for (int i = 0; i < n; i++)
		site_init(&w.site[i], &conf, now);
	for (; now < 600 * NS_S; now += MS(10)) {
		int away = 0;

		for (int i = 0; i < n; i++) {
			if (now >= w.flip[i]) {
				/* Now and then for all at one moment. */
				bool all = rand() % 4 == 0, up = rand() % 2;

				for (int k = all ? 0 : i; k < (all ? n : i + 1); k++) {
					site_set_usable(&w.site[k], up, now);
					w.flip[k] = now + rand() % (8 * NS_S);
				}
			}
			hear(i, n);
			site_step(&w.site[i], now);
			if (now - w.said[i] >= MS(200) || serves(i) != w.told[i])
				say(i, n, loss);
			away += w.site[i].away;
		}
		ck_assert_msg(away < n, "at %lld ms all %d are away", (long long)(now / NS_MS), n);
		gone += away > 0;
	}
	if (loss < 80)
		ck_assert_int_gt(gone, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("site");
	TCase *t = tcase_create("one");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_goes_when_it_has_no_node_and_another_site_serves);
	tcase_add_test(t, test_stays_when_it_knows_of_nobody_who_serves);
	tcase_add_test(t, test_a_moment_without_a_node_is_nothing);
	tcase_add_test(t, test_who_serves_only_since_a_moment_makes_nobody_go);
	tcase_add_test(t, test_returns_after_a_node_was_there_for_the_hold);
	tcase_add_test(t, test_returns_at_once_when_the_other_site_ceases);
	tcase_add_test(t, test_who_goes_again_and_again_holds_longer_up_to_a_bound);
	tcase_add_test(t, test_when_says_when_something_is_due);
	tcase_add_test(t, test_there_is_room_for_those_that_speak_now);
	suite_add_tcase(suite, t);
	t = tcase_create("worlds");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_never_do_all_sites_go_because_of_each_other, 0, 30);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
