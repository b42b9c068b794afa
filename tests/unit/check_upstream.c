/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From which upstream a channel comes: seeking, failing over, false alarms, backing off. */
#include "sn-agent/upstream.h"

#include <check.h>
#include <stdlib.h>

#include "tests/unit/run.h"

static struct upstream_nodes nodes;
static struct upstream u;
static ns_t now;

static void setup(void)
{
	nodes = (struct upstream_nodes){.n = 3, .up = {true, true, true}};
	now = 100 * NS_S;
	upstream_init(&u, &nodes, now);
}

static struct upstream_action next(enum upstream_do what)
{
	struct upstream_action a = {UPSTREAM_NOTHING, -1, -1, 0};

	upstream_next(&u, &a);
	ck_assert_int_eq(a.what, what);
	return a;
}

static void nothing_to_do(void)
{
	struct upstream_action a;

	ck_assert(!upstream_next(&u, &a));
}

/* The channel comes from node 0 by slot 0, and packets every 20 ms. */
static void go_live(void)
{
	struct upstream_action a = next(UPSTREAM_ATTACH);

	upstream_attached(&u, a.slot, false, now);
	next(UPSTREAM_PROMOTED);
	upstream_want(&u, now);
	upstream_attached(&u, a.slot, true, now);
	for (int i = 0; i < 50; i++) {
		now += 20 * NS_MS;
		upstream_packet(&u, 0, true, now);
		upstream_tick(&u, now);
	}
	nothing_to_do();
}

START_TEST(test_nodes_are_asked_in_order_until_one_has_it)
{
	struct upstream_action a = next(UPSTREAM_ATTACH);

	ck_assert_int_eq(a.node, 0);
	upstream_failed(&u, a.slot, 404, now);
	a = next(UPSTREAM_ATTACH);
	ck_assert_int_eq(a.node, 1);
	upstream_attached(&u, a.slot, false, now);
	a = next(UPSTREAM_PROMOTED);
	ck_assert_int_eq(a.node, 1);
	nothing_to_do();
	ck_assert_int_eq(upstream_when(&u), NS_NEVER);
}
END_TEST

START_TEST(test_those_that_do_not_answer_are_asked_last)
{
	nodes.up[0] = false;
	upstream_init(&u, &nodes, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 1);
	upstream_failed(&u, u.trial, 404, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 2);
	upstream_failed(&u, u.trial, 404, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 0);
}
END_TEST

static int refusal(int first, int second, int third)
{
	const int status[] = {first, second, third};

	for (int i = 0; i < 3; i++)
		upstream_failed(&u, next(UPSTREAM_ATTACH).slot, status[i], now);
	return next(UPSTREAM_REFUSED).status;
}

START_TEST(test_nobody_has_it)
{
	ck_assert_int_eq(refusal(404, 404, 404), 404);
	nothing_to_do();
	setup();
	ck_assert_int_eq(refusal(482, 404, 482), 404);
	setup();
	ck_assert_int_eq(refusal(404, 0, 404), 503);
	setup();
	ck_assert_int_eq(refusal(404, 453, 404), 453);
}
END_TEST

START_TEST(test_a_node_that_does_not_answer_is_left_after_a_time)
{
	struct upstream_action a = next(UPSTREAM_ATTACH);

	ck_assert_int_eq(upstream_when(&u), now + UPSTREAM_TRY);
	upstream_tick(&u, now + UPSTREAM_TRY - 1);
	nothing_to_do();
	upstream_tick(&u, now + UPSTREAM_TRY);
	ck_assert_int_eq(next(UPSTREAM_DROP).slot, a.slot);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 1);
}
END_TEST

START_TEST(test_seeking_is_bounded)
{
	next(UPSTREAM_ATTACH);
	upstream_tick(&u, now + UPSTREAM_TRY);
	next(UPSTREAM_DROP);
	next(UPSTREAM_ATTACH);
	upstream_tick(&u, now + 2 * UPSTREAM_TRY);
	next(UPSTREAM_DROP);
	next(UPSTREAM_ATTACH);
	ck_assert_int_eq(upstream_when(&u), now + UPSTREAM_SEEK);
	upstream_tick(&u, now + UPSTREAM_SEEK);
	next(UPSTREAM_DROP);
	ck_assert_int_eq(next(UPSTREAM_REFUSED).status, 504);
	nothing_to_do();
	ck_assert_int_eq(upstream_when(&u), NS_NEVER);
}
END_TEST

START_TEST(test_a_broken_connection_is_replaced_at_once_by_the_next_node)
{
	struct upstream_action a;

	go_live();
	upstream_failed(&u, 0, 0, now);
	a = next(UPSTREAM_ATTACH);
	ck_assert_int_eq(a.node, 1);
	upstream_attached(&u, a.slot, true, now);
	ck_assert_int_eq(next(UPSTREAM_PROMOTED).node, 1);
	nothing_to_do();
}
END_TEST

START_TEST(test_silence_begins_a_trial_beside_the_silent_one)
{
	struct upstream_action a;

	go_live();
	ck_assert_int_eq(upstream_patience(&u), 80 * NS_MS);
	ck_assert_int_eq(upstream_when(&u), now + 80 * NS_MS);
	upstream_tick(&u, now + 80 * NS_MS - 1);
	nothing_to_do();
	now += 80 * NS_MS;
	upstream_tick(&u, now);
	a = next(UPSTREAM_ATTACH);
	ck_assert_int_eq(a.node, 1);
	ck_assert_int_ne(a.slot, 0);
	upstream_attached(&u, a.slot, true, now);
	nothing_to_do();
	upstream_packet(&u, a.slot, false, now);
	nothing_to_do(); /* what we had already proves nothing */
	upstream_packet(&u, a.slot, true, now);
	ck_assert_int_eq(next(UPSTREAM_DROP).slot, 0);
	ck_assert_int_eq(next(UPSTREAM_PROMOTED).node, 1);
	ck_assert_uint_eq(u.switches, 2);
}
END_TEST

START_TEST(test_who_was_only_slow_is_kept)
{
	struct upstream_action a;

	go_live();
	now += 80 * NS_MS;
	upstream_tick(&u, now);
	a = next(UPSTREAM_ATTACH);
	upstream_packet(&u, 0, true, now);
	ck_assert_int_eq(next(UPSTREAM_DROP).slot, a.slot);
	nothing_to_do();
	ck_assert_uint_eq(u.false_alarms, 1);
	ck_assert_int_eq(u.node[u.active], 0);
	ck_assert_int_eq(upstream_patience(&u), 320 * NS_MS);
}
END_TEST

START_TEST(test_while_the_source_is_silent_suspicion_backs_off)
{
	int attached = 0;
	ns_t end = now + 300 * NS_S;

	go_live();
	while (now < end) {
		struct upstream_action a;
		ns_t when = upstream_when(&u);

		ck_assert_int_gt(when, now - NS_S);
		now = when > now ? when : now;
		upstream_tick(&u, now);
		while (upstream_next(&u, &a))
			if (a.what == UPSTREAM_ATTACH) {
				attached++;
				upstream_attached(&u, a.slot, true, now);
			}
	}
	ck_assert_int_ge(attached, 6);
	ck_assert_int_le(attached, 60);
	ck_assert_int_eq(u.active, 0);
}
END_TEST

START_TEST(test_patience_is_four_times_the_largest_recent_gap_within_bounds)
{
	go_live();
	for (int i = 0; i < 1000; i++) {
		now += NS_MS;
		upstream_packet(&u, 0, true, now);
	}
	ck_assert_int_eq(upstream_patience(&u), 80 * NS_MS);
	for (int i = 0; i < 11000; i++) {
		now += NS_MS;
		upstream_packet(&u, 0, true, now);
	}
	ck_assert_int_eq(upstream_patience(&u), UPSTREAM_FLOOR);
	now += 400 * NS_MS;
	upstream_packet(&u, 0, true, now);
	ck_assert_int_eq(upstream_patience(&u), UPSTREAM_CEILING);
}
END_TEST

START_TEST(test_a_lost_channel_that_nobody_plays_is_not_replaced)
{
	struct upstream_action a = next(UPSTREAM_ATTACH);

	upstream_attached(&u, a.slot, false, now);
	next(UPSTREAM_PROMOTED);
	upstream_failed(&u, a.slot, 0, now);
	nothing_to_do();
	ck_assert_int_eq(upstream_when(&u), NS_NEVER);
	upstream_want(&u, now + NS_S);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 0);
}
END_TEST

/* Runs until it is over, with every attempt refused in that way; how many there were. */
static int refuse_all(int status, ns_t *took)
{
	ns_t began = now;
	int n = 0;

	upstream_failed(&u, 0, 0, now);
	for (;;) {
		struct upstream_action a;

		while (upstream_next(&u, &a)) {
			if (a.what == UPSTREAM_OVER) {
				*took = now - began;
				return n;
			}
			ck_assert_int_eq(a.what, UPSTREAM_ATTACH);
			n++;
			upstream_failed(&u, a.slot, status, now);
		}
		ck_assert_int_ne(upstream_when(&u), NS_NEVER);
		now = upstream_when(&u);
		upstream_tick(&u, now);
	}
}

START_TEST(test_it_is_over_when_all_say_that_it_is_gone)
{
	ns_t took;
	int n;

	go_live();
	n = refuse_all(404, &took);
	ck_assert_int_ge(took, UPSTREAM_GONE);
	ck_assert_int_le(took, 3 * UPSTREAM_GONE);
	ck_assert_int_le(n, 40);
}
END_TEST

START_TEST(test_it_is_over_when_nobody_can_be_reached_for_long)
{
	ns_t took;
	int n;

	go_live();
	n = refuse_all(0, &took);
	ck_assert_int_ge(took, UPSTREAM_LOST);
	ck_assert_int_le(took, 2 * UPSTREAM_LOST);
	ck_assert_int_le(n, 60);
}
END_TEST

START_TEST(test_the_only_node_is_tried_again)
{
	nodes.n = 1;
	upstream_init(&u, &nodes, now);
	go_live();
	upstream_failed(&u, 0, 0, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 0);
	upstream_failed(&u, u.trial, 0, now);
	nothing_to_do();
	now = upstream_when(&u);
	upstream_tick(&u, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 0);
}
END_TEST

/* A reload took them out of the configuration. */
START_TEST(test_when_all_nodes_have_gone_it_is_over_after_a_time)
{
	ns_t took;

	go_live();
	nodes.n = 0;
	ck_assert_int_eq(refuse_all(0, &took), 0);
	ck_assert_int_ge(took, UPSTREAM_LOST);
	ck_assert_int_le(took, 2 * UPSTREAM_LOST);
}
END_TEST

/* ---- in an overlay ---- */

/* The route leads to neighbour 1, and the channel comes by it, packets every 20 ms. */
static void go_routed(void)
{
	upstream_init_routed(&u, &nodes, 1, true, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 1);
	upstream_want(&u, now);
	upstream_attached(&u, u.trial, true, now);
	next(UPSTREAM_PROMOTED);
	for (int i = 0; i < 50; i++) {
		now += 20 * NS_MS;
		upstream_packet(&u, u.active, true, now);
		upstream_tick(&u, now);
	}
	nothing_to_do();
}

START_TEST(test_the_routes_neighbour_is_asked_first_and_its_no_is_final)
{
	upstream_init_routed(&u, &nodes, 2, true, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 2);
	upstream_failed(&u, u.trial, 404, now);
	ck_assert_int_eq(next(UPSTREAM_REFUSED).status, 404);
	nothing_to_do();
}
END_TEST

START_TEST(test_detours_are_for_when_the_routes_neighbour_does_not_answer)
{
	nodes.up[1] = false;
	upstream_init_routed(&u, &nodes, 2, true, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 2);
	upstream_failed(&u, u.trial, 0, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 0);
	upstream_failed(&u, u.trial, 482, now);
	/* Neighbour 1 does not answer; a circle passes. */
	ck_assert_int_eq(next(UPSTREAM_REFUSED).status, 503);
}
END_TEST

START_TEST(test_who_asks_for_another_node_follows_the_route_only)
{
	upstream_init_routed(&u, &nodes, 2, false, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 2);
	upstream_failed(&u, u.trial, 0, now);
	ck_assert_int_eq(next(UPSTREAM_REFUSED).status, 503);
	upstream_init_routed(&u, &nodes, -1, false, now);
	ck_assert_int_eq(next(UPSTREAM_REFUSED).status, 503);
	nothing_to_do();
}
END_TEST

START_TEST(test_a_channel_moves_after_its_route_when_the_new_way_is_level)
{
	struct upstream_action a;

	go_routed();
	upstream_route(&u, 2, now);
	ck_assert_int_le(upstream_when(&u), now);
	upstream_tick(&u, now);
	a = next(UPSTREAM_ATTACH);
	ck_assert_int_eq(a.node, 2);
	upstream_attached(&u, a.slot, true, now);
	/* What both bring decides nothing, nor what the old one brings first. */
	upstream_packet(&u, a.slot, false, now);
	upstream_packet(&u, u.active, true, now);
	upstream_packet(&u, a.slot, true, now);
	nothing_to_do();
	upstream_level(&u, u.active, now);
	nothing_to_do();
	upstream_level(&u, a.slot, now);
	ck_assert_int_ne(next(UPSTREAM_DROP).slot, a.slot);
	ck_assert_int_eq(next(UPSTREAM_PROMOTED).node, 2);
	nothing_to_do();
}
END_TEST

START_TEST(test_a_move_that_is_refused_is_tried_again_later_and_costs_nothing)
{
	go_routed();
	upstream_route(&u, 2, now);
	upstream_tick(&u, now);
	next(UPSTREAM_ATTACH);
	upstream_failed(&u, u.trial, 482, now);
	nothing_to_do();
	upstream_packet(&u, u.active, true, now);
	now += UPSTREAM_MOVE;
	upstream_packet(&u, u.active, true, now);
	upstream_tick(&u, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 2);
	upstream_failed(&u, u.trial, 482, now);
	/* Where the route leads back, there is nothing to move to. */
	upstream_route(&u, 1, now);
	for (int i = 0; i < 500; i++) {
		now += 20 * NS_MS;
		upstream_packet(&u, u.active, true, now);
		upstream_tick(&u, now);
	}
	nothing_to_do();
}
END_TEST

START_TEST(test_the_old_way_that_breaks_during_a_move_leaves_the_new_one)
{
	int slot;

	go_routed();
	upstream_route(&u, 2, now);
	upstream_tick(&u, now);
	slot = next(UPSTREAM_ATTACH).slot;
	upstream_attached(&u, slot, true, now);
	upstream_failed(&u, u.active, 0, now);
	ck_assert_int_eq(next(UPSTREAM_PROMOTED).slot, slot);
	nothing_to_do();
}
END_TEST

START_TEST(test_a_move_while_the_source_is_silent_is_made_all_the_same)
{
	go_routed();
	upstream_route(&u, 2, now);
	upstream_tick(&u, now);
	upstream_attached(&u, next(UPSTREAM_ATTACH).slot, true, now);
	upstream_tick(&u, now + UPSTREAM_PROVE);
	next(UPSTREAM_DROP);
	ck_assert_int_eq(next(UPSTREAM_PROMOTED).node, 2);
}
END_TEST

START_TEST(test_a_dead_neighbour_is_left_at_once_before_the_routes_know)
{
	go_routed();
	upstream_failed(&u, u.active, 0, now);
	ck_assert_int_ne(next(UPSTREAM_ATTACH).node, 1);
	upstream_failed(&u, u.trial, 482, now);
	ck_assert_int_ne(next(UPSTREAM_ATTACH).node, 1);
	upstream_failed(&u, u.trial, 482, now);
	/* Itself last: perhaps it was only started anew. */
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 1);
	upstream_failed(&u, u.trial, 0, now);
	nothing_to_do();
	/* All are below us: they are asked again soon, and at once when there is another route. */
	ck_assert_int_le(upstream_when(&u), now + 100 * NS_MS);
	upstream_route(&u, 2, now);
	ck_assert_int_le(upstream_when(&u), now);
	upstream_tick(&u, now);
	ck_assert_int_eq(next(UPSTREAM_ATTACH).node, 2);
}
END_TEST

START_TEST(test_refusals_of_those_below_do_not_make_silence_less_suspicious)
{
	go_routed();
	for (int round = 0; round < 5; round++) {
		now = upstream_when(&u);
		upstream_tick(&u, now);
		for (int i = 0; i < 3; i++) {
			next(UPSTREAM_ATTACH);
			upstream_failed(&u, u.trial, 482, now);
		}
		nothing_to_do();
		ck_assert_int_le(upstream_when(&u), now + NS_S);
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("upstream");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_nodes_are_asked_in_order_until_one_has_it);
	tcase_add_test(t, test_those_that_do_not_answer_are_asked_last);
	tcase_add_test(t, test_nobody_has_it);
	tcase_add_test(t, test_a_node_that_does_not_answer_is_left_after_a_time);
	tcase_add_test(t, test_seeking_is_bounded);
	tcase_add_test(t, test_a_broken_connection_is_replaced_at_once_by_the_next_node);
	tcase_add_test(t, test_silence_begins_a_trial_beside_the_silent_one);
	tcase_add_test(t, test_who_was_only_slow_is_kept);
	tcase_add_test(t, test_while_the_source_is_silent_suspicion_backs_off);
	tcase_add_test(t, test_patience_is_four_times_the_largest_recent_gap_within_bounds);
	tcase_add_test(t, test_a_lost_channel_that_nobody_plays_is_not_replaced);
	tcase_add_test(t, test_it_is_over_when_all_say_that_it_is_gone);
	tcase_add_test(t, test_it_is_over_when_nobody_can_be_reached_for_long);
	tcase_add_test(t, test_the_only_node_is_tried_again);
	tcase_add_test(t, test_when_all_nodes_have_gone_it_is_over_after_a_time);
	tcase_add_test(t, test_the_routes_neighbour_is_asked_first_and_its_no_is_final);
	tcase_add_test(t, test_detours_are_for_when_the_routes_neighbour_does_not_answer);
	tcase_add_test(t, test_who_asks_for_another_node_follows_the_route_only);
	tcase_add_test(t, test_a_channel_moves_after_its_route_when_the_new_way_is_level);
	tcase_add_test(t, test_a_move_that_is_refused_is_tried_again_later_and_costs_nothing);
	tcase_add_test(t, test_the_old_way_that_breaks_during_a_move_leaves_the_new_one);
	tcase_add_test(t, test_a_move_while_the_source_is_silent_is_made_all_the_same);
	tcase_add_test(t, test_a_dead_neighbour_is_left_at_once_before_the_routes_know);
	tcase_add_test(t, test_refusals_of_those_below_do_not_make_silence_less_suspicious);
	return run_case("upstream", t);
}
