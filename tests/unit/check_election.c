/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One ARN's view of the others, step by step; check_election_sim.c has many of them on a LAN. */
#include "arn/election.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define INTERVAL (200 * NS_MS)
#define TIMEOUT  (3 * INTERVAL)
#define HOLD     (3 * NS_S)

static struct election e;
static struct election_conf conf;
static ns_t now;

static void begin(const char *own)
{
	struct addr a = literal(own);

	now = 1000 * NS_S;
	conf = (struct election_conf){.interval = INTERVAL, .misses = 3, .hold = HOLD};
	ck_assert_int_eq(prefix_parse(&conf.block, SLICE("10.1.18.0/24")), 0);
	election_init(&e, &conf, "self", now);
	election_set_addr(&e, &a);
}

static void setup(void)
{
	begin("10.2.0.5");
}

static struct announce arn(const char *id, const char *at, enum announce_standing s, bool master)
{
	struct announce a = {.role = ROLE_ARN,
		.addr = literal(at),
		.interval_ms = 200,
		.block = conf.block,
		.standing = s,
		.master = master};

	snprintf(a.id, sizeof(a.id), "%s", id);
	return a;
}

static void hear(const char *id, const char *at, enum announce_standing s, bool master)
{
	struct announce a = arn(id, at, s, master);

	ck_assert_int_eq(election_hear(&e, &a, now), 0);
	election_step(&e, now);
}

static void expect(bool master, const char *reason, const char *ruler)
{
	election_step(&e, now);
	ck_assert_int_eq(e.master, master);
	ck_assert_str_eq(e.reason, reason);
	ck_assert_str_eq(e.ruler, ruler);
}

static void be_able_alone(void)
{
	election_set_able(&e, true);
	now += TIMEOUT;
	expect(true, "alone", "self");
}

START_TEST(test_new_one_listens_for_a_timeout_before_it_elects_itself)
{
	election_set_able(&e, true);
	expect(false, "listening", "");
	ck_assert_int_eq(election_when(&e, now), now + TIMEOUT);
	now += TIMEOUT - 1;
	expect(false, "listening", "");
	now += 1;
	ck_assert(election_step(&e, now));
	expect(true, "alone", "self");
	ck_assert(!election_step(&e, now));
	ck_assert_int_eq(election_when(&e, now), NS_NEVER);
}
END_TEST

START_TEST(test_who_cannot_serve_is_no_master_though_alone)
{
	now += 10 * TIMEOUT;
	expect(false, "not ready", "");
	hear("b", "10.2.0.9", STANDING_READY, true);
	expect(false, "not ready", "b");
	election_set_able(&e, true);
	ck_assert(election_step(&e, now));
	expect(true, "lowest address", "self");
}
END_TEST

START_TEST(test_lower_address_wins_by_number_and_not_by_text)
{
	be_able_alone();
	hear("b", "10.2.0.10", STANDING_READY, false);
	expect(true, "alone", "self");
	hear("c", "9.255.255.255", STANDING_READY, false);
	expect(false, "higher address", "c");
}
END_TEST

START_TEST(test_one_address_given_twice_is_decided_by_name)
{
	be_able_alone();
	hear("a", "10.2.0.5", STANDING_READY, true);
	now += INTERVAL;
	hear("a", "10.2.0.5", STANDING_READY, true);
	expect(false, "higher address", "a");
	hear("z", "10.2.0.5", STANDING_READY, true);
	expect(false, "higher address", "a");
}
END_TEST

START_TEST(test_one_without_an_address_is_behind_all_others)
{
	struct addr none = {0};

	election_set_addr(&e, &none);
	be_able_alone();
	hear("b", "fd00::1", STANDING_READY, false);
	expect(false, "higher address", "b");
	now += TIMEOUT;
	expect(true, "master silent", "self");
}
END_TEST

START_TEST(test_silent_master_is_replaced_after_its_own_misses)
{
	struct announce a = arn("a", "10.2.0.4", STANDING_READY, true);

	election_set_able(&e, true);
	now += TIMEOUT;
	a.interval_ms = 1000;
	election_hear(&e, &a, now);
	expect(false, "higher address", "a");
	ck_assert_int_eq(election_when(&e, now), now + 3 * NS_S);
	now += 3 * NS_S - 1;
	expect(false, "higher address", "a");
	now += 1;
	expect(true, "master silent", "self");
	ck_assert_int_eq(e.n, 0);
}
END_TEST

START_TEST(test_goodbye_or_leaving_of_the_master_hands_over_at_once)
{
	election_set_able(&e, true);
	now += TIMEOUT;
	hear("a", "10.2.0.4", STANDING_READY, true);
	ck_assert(election_goodbye(&e, "a"));
	expect(true, "goodbye of the master", "self");
	ck_assert(!election_goodbye(&e, "a"));

	setup();
	election_set_able(&e, true);
	now += TIMEOUT;
	hear("a", "10.2.0.4", STANDING_READY, true);
	hear("a", "10.2.0.4", STANDING_OUT, false);
	expect(true, "master leaves", "self");
}
END_TEST

START_TEST(test_master_whose_connection_ends_is_replaced_unless_it_is_heard_again)
{
	election_set_able(&e, true);
	now += TIMEOUT;
	hear("first", "10.2.0.4", STANDING_READY, true);
	expect(false, "higher address", "first");
	ck_assert(!election_doubt(&e, "nobody", now));
	ck_assert(election_doubt(&e, "first", now));
	expect(true, "connection of the master closed", "self");
	now += 24 * NS_MS; /* its last word, sent before */
	hear("first", "10.2.0.4", STANDING_READY, true);
	expect(true, "connection of the master closed", "self");
	now += 2 * NS_MS; /* it lives */
	hear("first", "10.2.0.4", STANDING_READY, true);
	expect(false, "higher address", "first");
	ck_assert(!election_doubt(&e, "first", now)); /* once bitten */
	expect(false, "higher address", "first");
	for (ns_t end = now + HOLD; now < end; now += INTERVAL)
		hear("first", "10.2.0.4", STANDING_READY, true);
	ck_assert(election_doubt(&e, "first", now));
	expect(true, "connection of the master closed", "self");
}
END_TEST

START_TEST(test_two_masters_that_meet_lower_one_steps_back_for_the_hold)
{
	be_able_alone();
	hear("b", "10.2.0.9", STANDING_READY, true);
	expect(false, "held", "b");
	ck_assert_int_eq(e.standing, STANDING_HELD);
	for (ns_t end = now + HOLD; now < end; now += INTERVAL) {
		hear("b", "10.2.0.9", STANDING_READY, true);
		expect(false, "held", "b");
	}
	expect(true, "lowest address", "self");
	hear("b", "10.2.0.9", STANDING_READY, true); /* no stranger any more: nothing is held */
	expect(true, "lowest address", "self");
}
END_TEST

START_TEST(test_two_masters_that_meet_higher_one_lets_the_lower_step_back)
{
	be_able_alone();
	hear("a", "10.2.0.4", STANDING_READY, true);
	expect(true, "alone", "self");
	hear("a", "10.2.0.4", STANDING_HELD, false);
	now += INTERVAL;
	hear("a", "10.2.0.4", STANDING_HELD, false);
	expect(true, "alone", "self");
	hear("a", "10.2.0.4", STANDING_READY, true);
	expect(false, "higher address", "a");
}
END_TEST

START_TEST(test_two_masters_that_meet_higher_one_yields_to_one_that_does_not_hear_it)
{
	be_able_alone();
	hear("a", "10.2.0.4", STANDING_READY, true);
	expect(true, "alone", "self");
	now += INTERVAL;
	hear("a", "10.2.0.4", STANDING_READY, true);
	expect(false, "higher address", "a");
}
END_TEST

START_TEST(test_somebody_new_is_answered_at_once)
{
	struct announce a = arn("b", "10.2.0.9", STANDING_OUT, false);

	be_able_alone();
	election_hear(&e, &a, now);
	ck_assert(election_step(&e, now));
	election_hear(&e, &a, now);
	ck_assert(!election_step(&e, now));
}
END_TEST

START_TEST(test_other_cluster_and_own_voice_are_ignored)
{
	struct announce a = arn("a", "10.2.0.4", STANDING_READY, true);

	be_able_alone();
	a.block.len = 25;
	ck_assert_int_eq(election_hear(&e, &a, now), -ENOENT);
	a.block = (struct prefix){0};
	ck_assert_int_eq(election_hear(&e, &a, now), -ENOENT);
	a = arn("self", "10.2.0.4", STANDING_READY, true);
	ck_assert_int_eq(election_hear(&e, &a, now), -ENOENT);
	expect(true, "alone", "self");
	ck_assert_int_eq(e.n, 0);
}
END_TEST

START_TEST(test_one_that_goes_to_another_block_is_not_waited_for)
{
	struct announce a = arn("a", "10.2.0.4", STANDING_READY, true);

	election_set_able(&e, true);
	now += TIMEOUT;
	hear("a", "10.2.0.4", STANDING_READY, true);
	expect(false, "higher address", "a");
	a.block.len = 25;
	ck_assert_int_eq(election_hear(&e, &a, now), -ENOENT);
	expect(true, "master left", "self");
}
END_TEST

START_TEST(test_more_peers_than_there_is_room_for_are_refused_until_one_goes)
{
	struct announce a;
	char id[16];

	be_able_alone();
	for (int i = 0; i < ELECTION_MAX; i++) {
		snprintf(id, sizeof(id), "p%d", i);
		hear(id, "10.2.0.9", STANDING_READY, false);
	}
	a = arn("more", "10.2.0.4", STANDING_READY, true);
	ck_assert_int_eq(election_hear(&e, &a, now), -ENOSPC);
	expect(true, "alone", "self");
	election_goodbye(&e, "p7");
	ck_assert_int_eq(election_hear(&e, &a, now), 0);
}
END_TEST

START_TEST(test_active_arns_are_counted_and_have_their_turns_by_address)
{
	unsigned turn;

	ck_assert_uint_eq(election_active(&e, &turn), 1);
	ck_assert_uint_eq(turn, 0);
	hear("backup", "10.2.0.3", STANDING_READY, false);
	ck_assert_uint_eq(election_active(&e, &turn), 1);
	hear("lower", "10.2.0.4", STANDING_READY, true);
	hear("higher", "10.2.0.6", STANDING_READY, true);
	ck_assert_uint_eq(election_active(&e, &turn), 3);
	ck_assert_uint_eq(turn, 1);
	/* Row A8: all that could have the block do have it. */
	hear("leaving", "10.2.0.2", STANDING_OUT, false);
	e.conf.all = true;
	ck_assert_uint_eq(election_active(&e, &turn), 4);
	ck_assert_uint_eq(turn, 2);
}
END_TEST

static struct addr anycast[8];

static void share_addresses(void)
{
	char text[24];

	for (int i = 0; i < 8; i++) {
		snprintf(text, sizeof(text), "10.1.18.%d", 27 + i);
		anycast[i] = literal(text);
	}
	conf.address = anycast;
	conf.addresses = 8;
	election_set_conf(&e, &conf);
}

START_TEST(test_one_that_listens_or_cannot_serve_owns_no_address)
{
	share_addresses();
	election_set_able(&e, true);
	election_step(&e, now);
	ck_assert_int_eq(e.owned, 0);
	ck_assert_str_eq(election_owner(&e, &anycast[0]), "");
	now += TIMEOUT;
	election_step(&e, now);
	ck_assert_int_eq(e.owned, 0xff);
	election_set_able(&e, false);
	election_step(&e, now);
	ck_assert_int_eq(e.owned, 0);
}
END_TEST

START_TEST(test_addresses_are_shared_and_only_those_of_one_that_goes_move)
{
	const char *before[8];
	uint64_t owned;
	int moved = 0;

	share_addresses();
	be_able_alone();
	hear("two", "10.2.0.6", STANDING_READY, false);
	hear("three", "10.2.0.7", STANDING_READY, false);
	owned = e.owned;
	ck_assert(owned && owned != 0xff);
	for (int i = 0; i < 8; i++) {
		before[i] = election_owner(&e, &anycast[i]);
		before[i] = !strcmp(before[i], "three") ? NULL
		            : !strcmp(before[i], "two") ? "two"
		                                        : "self";
	}
	ck_assert(election_goodbye(&e, "three"));
	election_step(&e, now);
	for (int i = 0; i < 8; i++) {
		if (before[i])
			ck_assert_str_eq(election_owner(&e, &anycast[i]), before[i]);
		else
			ck_assert_str_ne(election_owner(&e, &anycast[i]), "three");
		moved += !before[i];
	}
	ck_assert_int_gt(moved, 0);
	hear("three", "10.2.0.7", STANDING_READY, false);
	ck_assert_int_eq(e.owned, owned);
}
END_TEST

START_TEST(test_held_one_owns_addresses_only_while_nobody_is_ready)
{
	share_addresses();
	be_able_alone();
	hear("two", "10.2.0.6", STANDING_HELD, false);
	ck_assert_int_eq(e.owned, 0xff);
	election_set_able(&e, false);
	election_step(&e, now);
	for (int i = 0; i < 8; i++)
		ck_assert_str_eq(election_owner(&e, &anycast[i]), "two");
}
END_TEST

START_TEST(test_addresses_of_one_whose_connection_ended_move_at_once)
{
	share_addresses();
	be_able_alone();
	hear("two", "10.2.0.6", STANDING_READY, false);
	ck_assert_int_ne(e.owned, 0xff);
	now += NS_MS;
	ck_assert(election_doubt(&e, "two", now));
	election_step(&e, now);
	ck_assert_int_eq(e.owned, 0xff);
}
END_TEST

START_TEST(test_announcement_says_what_it_is_and_can_be_sent)
{
	uint8_t out[512];
	struct announce a, b;
	const char *why;
	int n;

	be_able_alone();
	election_announce(&e, &a);
	n = announce_encode(&a, out, sizeof(out));
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(announce_decode(&b, out, (size_t)n, &why), 0);
	ck_assert_int_eq(b.role, ROLE_ARN);
	ck_assert_str_eq(b.id, "self");
	ck_assert(b.master && b.healthy);
	ck_assert_int_eq(b.standing, STANDING_READY);
	ck_assert_uint_eq(b.interval_ms, 200);
	ck_assert_int_eq(b.block.len, 24);
	ck_assert_int_eq(addr_cmp(&b.addr, &e.addr), 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("election");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_new_one_listens_for_a_timeout_before_it_elects_itself);
	tcase_add_test(t, test_who_cannot_serve_is_no_master_though_alone);
	tcase_add_test(t, test_lower_address_wins_by_number_and_not_by_text);
	tcase_add_test(t, test_one_address_given_twice_is_decided_by_name);
	tcase_add_test(t, test_one_without_an_address_is_behind_all_others);
	tcase_add_test(t, test_silent_master_is_replaced_after_its_own_misses);
	tcase_add_test(t, test_goodbye_or_leaving_of_the_master_hands_over_at_once);
	tcase_add_test(t, test_master_whose_connection_ends_is_replaced_unless_it_is_heard_again);
	tcase_add_test(t, test_two_masters_that_meet_lower_one_steps_back_for_the_hold);
	tcase_add_test(t, test_two_masters_that_meet_higher_one_lets_the_lower_step_back);
	tcase_add_test(
		t, test_two_masters_that_meet_higher_one_yields_to_one_that_does_not_hear_it);
	tcase_add_test(t, test_somebody_new_is_answered_at_once);
	tcase_add_test(t, test_other_cluster_and_own_voice_are_ignored);
	tcase_add_test(t, test_one_that_goes_to_another_block_is_not_waited_for);
	tcase_add_test(t, test_more_peers_than_there_is_room_for_are_refused_until_one_goes);
	tcase_add_test(t, test_active_arns_are_counted_and_have_their_turns_by_address);
	tcase_add_test(t, test_one_that_listens_or_cannot_serve_owns_no_address);
	tcase_add_test(t, test_addresses_are_shared_and_only_those_of_one_that_goes_move);
	tcase_add_test(t, test_held_one_owns_addresses_only_while_nobody_is_ready);
	tcase_add_test(t, test_addresses_of_one_whose_connection_ended_move_at_once);
	tcase_add_test(t, test_announcement_says_what_it_is_and_can_be_sent);
	return run_case("election", t);
}
