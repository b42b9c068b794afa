/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Row H5: the area grows with local load and shrinks again, and settles while the load stays. */
#include "arn/area.h"

#include <check.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define STEP (125 * NS_MS)
#define HOLD (10 * NS_S)
#define FARS 64

static struct area a;
static ns_t now;
static const struct area_conf conf = {
	.warm = 1, .max = FARS, .grow = 0.75, .shrink = 0.5, .hold = HOLD};

static void setup(void)
{
	area_init(&a, &conf);
	now = 100 * NS_S;
}

/* One look at `fars` equal far nodes, all of the scope known. */
static bool look(double local, double far)
{
	struct area_load home = {local * 100, 100}, list[FARS];

	for (int i = 0; i < FARS; i++)
		list[i] = (struct area_load){far * 80, 80};
	now += STEP;
	return area_step(&a, &home, list, a.scope, now);
}

static void looks(ns_t time, double local, double far)
{
	for (ns_t end = now + time; now < end;)
		look(local, far);
}

START_TEST(test_it_is_warm_while_there_is_room_at_home)
{
	looks(100 * NS_S, 0.7, 1.0);
	ck_assert_int_eq(a.scope, 1);
	ck_assert_uint_eq(a.grown, 0);
}
END_TEST

START_TEST(test_it_grows_at_once_by_doubling_and_no_further_than_needed)
{
	ck_assert(look(1.0, 0.9));
	ck_assert_int_eq(a.scope, 2);
	ck_assert(look(1.0, 0.9));
	ck_assert(look(1.0, 0.9));
	ck_assert_int_eq(a.scope, 8);
	/* There is room now. */
	looks(100 * NS_S, 1.0, 0.6);
	ck_assert_int_eq(a.scope, 8);
	looks(10 * NS_S, 1.0, 1.0);
	ck_assert_int_eq(a.scope, FARS);
}
END_TEST

START_TEST(test_it_waits_for_those_that_have_come)
{
	struct area_load home = {100, 100};

	/* A scope of 2, and nobody is known there yet. */
	ck_assert(area_step(&a, &home, NULL, 0, now));
	ck_assert_int_eq(a.scope, 2);
	for (ns_t end = now + AREA_SETTLE - STEP; now < end; now += STEP)
		ck_assert(!area_step(&a, &home, NULL, 0, now));
	now += STEP;
	ck_assert(area_step(&a, &home, NULL, 0, now));
	ck_assert_int_eq(a.scope, 4);
}
END_TEST

START_TEST(test_without_local_nodes_the_area_is_all_there_is)
{
	struct area_load none = {0, 0}, far[FARS];

	for (int i = 0; i < FARS; i++)
		far[i] = (struct area_load){60, 80};
	ck_assert_int_eq((int)area_use(&none), 1);
	for (int i = 0; i < 100; i++, now += STEP)
		area_step(&a, &none, far, a.scope, now);
	ck_assert_int_eq(a.scope, 1); /* which is enough */
	for (int i = 0; i < FARS; i++)
		far[i].used = 70;
	for (int i = 0; i < 100; i++, now += STEP)
		area_step(&a, &none, far, a.scope, now);
	ck_assert_int_eq(a.scope, FARS);
}
END_TEST

START_TEST(test_it_shrinks_by_halves_when_home_has_had_room_for_the_hold)
{
	looks(10 * NS_S, 1.0, 1.0);
	ck_assert_int_eq(a.scope, FARS);
	looks(HOLD, 0.4, 1.0);
	ck_assert_int_eq(a.scope, FARS);
	looks(2 * STEP, 0.4, 1.0);
	ck_assert_int_eq(a.scope, FARS / 2);
	/* A moment of load begins the hold anew. */
	looks(HOLD - NS_S, 0.4, 1.0);
	look(0.6, 1.0);
	looks(HOLD - NS_S, 0.4, 1.0);
	ck_assert_int_eq(a.scope, FARS / 2);
	looks(7 * HOLD, 0.4, 1.0);
	ck_assert_int_eq(a.scope, conf.warm);
}
END_TEST

START_TEST(test_it_shrinks_when_the_nearer_half_would_do)
{
	looks(10 * NS_S, 1.0, 1.0);
	looks(3 * HOLD, 1.0, 0.3);
	ck_assert_int_eq(a.scope, FARS); /* 0.3 of all is 0.6 of half of them */
	looks(HOLD + NS_S, 1.0, 0.2);
	ck_assert_int_eq(a.scope, FARS / 2);
}
END_TEST

START_TEST(test_who_is_full_broken_or_leaving_brings_no_room)
{
	struct announce n = {.healthy = true, .max_sessions = 100, .sessions = 90};
	struct reservation r = {5, 0};
	struct area_load l = area_load_of(&n, &r, 0.8);

	ck_assert(l.capacity == 80 && l.used == 80);
	n.sessions = 40;
	l = area_load_of(&n, &r, 1);
	ck_assert(l.capacity == 100 && l.used == 45);
	n.kbps = 9000; /* the bit rate is the tighter limit */
	n.max_kbps = 10000;
	l = area_load_of(&n, &r, 1);
	ck_assert(l.used == 90);
	n.draining = true;
	l = area_load_of(&n, &r, 1);
	ck_assert(l.capacity == 0 && area_use(&l) == 1);
	n.draining = n.healthy = false;
	l = area_load_of(&n, &r, 1);
	ck_assert(l.capacity == 0);
	n = (struct announce){.healthy = true, .sessions = 10}; /* without limits */
	l = area_load_of(&n, &r, 1);
	ck_assert(l.capacity == 1000 && l.used == 15);
}
END_TEST

START_TEST(test_another_configuration_holds_at_once)
{
	struct area_conf c = conf;

	looks(10 * NS_S, 1.0, 1.0);
	c.max = 16;
	area_set_conf(&a, &c);
	ck_assert_int_eq(a.scope, 16);
	looks(20 * HOLD, 0.1, 0.1);
	c.warm = 3;
	area_set_conf(&a, &c);
	ck_assert_int_eq(a.scope, 3);
}
END_TEST

/* ---- the loop is closed: clients go where the area lets them ---- */

/* Sessions come at a rate and end after a while; they go home while there is room there, else to the
 * least loaded far node of the area. Others use the far nodes, too. */
static struct {
	double home, home_cap;
	double far[FARS], others[FARS];
} site;

static double uniform(void)
{
	return rand() / (RAND_MAX + 1.0);
}

static void arrive(void)
{
	int least = -1;

	if (site.home + 1 <= site.home_cap) {
		site.home++;
		return;
	}
	for (int i = 0; i < a.scope; i++)
		if (site.far[i] + site.others[i] < 80 &&
			(least < 0 || site.far[i] + site.others[i] <
					      site.far[least] + site.others[least]))
			least = i;
	if (least >= 0)
		site.far[least]++;
}

static int ends(double sessions, double chance)
{
	int n = 0;

	for (int i = 0; i < (int)sessions; i++)
		n += uniform() < chance;
	return n;
}

/* A step with so many sessions wanted on average, each lasting 20 s. */
static bool live(double wanted)
{
	double chance = (double)STEP / (20.0 * NS_S), come = wanted * chance;
	struct area_load home, list[FARS];

	site.home -= ends(site.home, chance);
	for (int i = 0; i < FARS; i++)
		site.far[i] -= ends(site.far[i], chance);
	for (int k = (int)(2 * come * uniform() + uniform()); k > 0; k--)
		arrive();
	home = (struct area_load){site.home, site.home_cap};
	for (int i = 0; i < FARS; i++) {
		double used = site.far[i] + site.others[i];

		list[i] = (struct area_load){used < 80 ? used : 80, 80};
	}
	now += STEP;
	return area_step(&a, &home, list, a.scope, now);
}

START_TEST(test_while_the_load_stays_the_area_settles)
{
	int worst = 0;

	for (int run = 0; run < 60; run++) {
		double wanted = 50 + 950 * uniform();
		int turns = 0, last, direction = 0;

		setup();
		site.home = 0;
		site.home_cap = 100;
		for (int i = 0; i < FARS; i++) {
			site.far[i] = 0;
			site.others[i] = 60 * uniform();
		}
		for (int i = 0; i < 480; i++) /* a minute to come up */
			live(wanted);
		last = a.scope;
		for (int i = 0; i < 4800; i++) { /* ten minutes */
			if (!live(wanted))
				continue;
			turns += direction && (a.scope > last) != (direction > 0);
			direction = a.scope > last ? 1 : -1;
			last = a.scope;
		}
		worst = turns > worst ? turns : worst;
	}
	ck_assert_msg(worst <= 1, "the area turned %d times", worst);
}
END_TEST

START_TEST(test_a_load_that_rises_and_falls_is_followed)
{
	int peak = 0;

	setup();
	site.home = 0;
	site.home_cap = 100;
	for (int i = 0; i < FARS; i++)
		site.far[i] = site.others[i] = 0;
	for (int i = 0; i < 4800; i++) {
		live(1000.0 * i / 4800);
		peak = a.scope > peak ? a.scope : peak;
	}
	ck_assert_int_ge(peak, 12); /* 900 sessions elsewhere, at 80 each */
	ck_assert_int_le(peak, 32);
	for (int i = 4800; i > 0; i--)
		live(1000.0 * i / 4800);
	for (int i = 0; i < 800; i++)
		live(20);
	ck_assert_int_eq(a.scope, conf.warm);
	ck_assert_uint_le(a.grown, 6);
	ck_assert_uint_le(a.shrunk, 6);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("area");

	srand(11);
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_it_is_warm_while_there_is_room_at_home);
	tcase_add_test(t, test_it_grows_at_once_by_doubling_and_no_further_than_needed);
	tcase_add_test(t, test_it_waits_for_those_that_have_come);
	tcase_add_test(t, test_without_local_nodes_the_area_is_all_there_is);
	tcase_add_test(t, test_it_shrinks_by_halves_when_home_has_had_room_for_the_hold);
	tcase_add_test(t, test_it_shrinks_when_the_nearer_half_would_do);
	tcase_add_test(t, test_who_is_full_broken_or_leaving_brings_no_room);
	tcase_add_test(t, test_another_configuration_holds_at_once);
	tcase_add_test(t, test_while_the_load_stays_the_area_settles);
	tcase_add_test(t, test_a_load_that_rises_and_falls_is_followed);
	return run_case("area", t);
}
