/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guardian's judgement under virtual time. */
#include "arn/fate.h"

#include <check.h>
#include <stdlib.h>

#include "tests/unit/run.h"

static const struct fate_conf conf = {
	.hang_bound = 300 * NS_MS,
	.start_bound = 5 * NS_S,
	.hold = 3 * NS_S,
	.settle = 1 * NS_S,
	.yield = 2 * NS_S,
	.drain_time = 5 * NS_S,
	.backoff_min = 100 * NS_MS,
	.backoff_max = 10 * NS_S,
};

static struct fate f;
static ns_t now;

static void setup(void)
{
	now = 1000 * NS_S;
	fate_init(&f, &conf, now);
}

/* The next action, and after it the two things that must hold at every step. */
static enum fate_action next(void)
{
	enum fate_block before = f.block;
	enum fate_action a = fate_next(&f, now);

	if (a == FATE_SPAWN)
		ck_assert_int_eq(before, FATE_DOWN);
	if (a == FATE_NOTHING && f.block != FATE_DOWN)
		ck_assert_int_lt(now - f.vouched, conf.hang_bound);
	if (a == FATE_NOTHING)
		ck_assert_int_gt(fate_when(&f), now);
	if (a == FATE_NOTHING && fate_claims(&f))
		ck_assert(f.conf.shared && f.heir && f.block != FATE_DOWN);
	return a;
}

static void expect(enum fate_action a)
{
	ck_assert_int_eq(next(), a);
}

static void beat(bool serving, bool draining, uint32_t busy)
{
	struct fate_beat b = {.sent = now,
		.serving = serving,
		.master = true,
		.heir = true,
		.draining = draining,
		.busy = busy};

	fate_beat(&f, &b, now);
}

static void beat_of_backup(void)
{
	struct fate_beat b = {.sent = now, .serving = true};

	fate_beat(&f, &b, now);
}

/* The worker serves, and says so every 50 ms, for `span`; nothing else is to happen. */
static void serve_quietly(ns_t span)
{
	for (ns_t end = now + span; now < end; now += 50 * NS_MS) {
		beat(true, f.draining, f.busy);
		expect(FATE_NOTHING);
	}
}

static void reach_up(void)
{
	expect(FATE_SPAWN);
	serve_quietly(conf.hold);
	beat(true, false, 0);
	expect(FATE_RAISE);
	expect(FATE_NOTHING);
	ck_assert_int_eq(f.block, FATE_UP);
}

START_TEST(test_block_comes_up_only_after_the_hold)
{
	expect(FATE_SPAWN);
	expect(FATE_NOTHING);
	beat(true, false, 0);
	expect(FATE_NOTHING);
	ck_assert_int_le(fate_when(&f), now + conf.hang_bound);
	serve_quietly(conf.hold - 50 * NS_MS);
	beat(true, false, 0);
	expect(FATE_NOTHING);
	now += 50 * NS_MS;
	beat(true, false, 0);
	expect(FATE_RAISE);
}
END_TEST

START_TEST(test_hold_starts_anew_when_the_worker_stops_serving)
{
	expect(FATE_SPAWN);
	serve_quietly(conf.hold - 50 * NS_MS);
	beat(false, false, 0);
	expect(FATE_NOTHING);
	serve_quietly(conf.hold);
	beat(true, false, 0);
	expect(FATE_RAISE);
}
END_TEST

START_TEST(test_silent_worker_loses_the_block_first_and_then_its_life)
{
	reach_up();
	ck_assert_int_eq(fate_when(&f), now + conf.hang_bound);
	now += conf.hang_bound - 1;
	expect(FATE_NOTHING);
	now += 1;
	expect(FATE_DROP);
	expect(FATE_KILL);
	expect(FATE_NOTHING);
	ck_assert_str_eq(f.reason, "worker silent");
	/* It is not dead yet: no second one beside it. */
	now += 60 * NS_S;
	expect(FATE_NOTHING);
	fate_gone(&f, now);
	expect(FATE_NOTHING);
	now += conf.backoff_min;
	expect(FATE_SPAWN);
}
END_TEST

START_TEST(test_beat_that_lay_in_the_queue_does_not_prolong_the_bound)
{
	struct fate_beat old;

	reach_up();
	old = (struct fate_beat){.sent = now, .serving = true, .master = true};
	now += 200 * NS_MS;
	fate_beat(&f, &old, now);
	expect(FATE_NOTHING);
	now += 100 * NS_MS;
	expect(FATE_DROP);
}
END_TEST

START_TEST(test_last_words_of_a_doomed_worker_do_not_save_it)
{
	reach_up();
	now += conf.hang_bound;
	expect(FATE_DROP);
	beat(true, false, 0);
	expect(FATE_KILL);
	serve_quietly(2 * conf.hold);
	ck_assert_int_eq(f.block, FATE_DOWN);
}
END_TEST

START_TEST(test_dead_worker_loses_the_block_at_once)
{
	reach_up();
	fate_gone(&f, now);
	expect(FATE_DROP);
	expect(FATE_NOTHING);
	ck_assert_str_eq(f.reason, "worker ended");
}
END_TEST

START_TEST(test_closed_line_counts_as_death_before_the_worker_is_reaped)
{
	reach_up();
	fate_closed(&f, now);
	expect(FATE_DROP);
	expect(FATE_KILL);
	fate_gone(&f, now);
	now += conf.backoff_min;
	expect(FATE_SPAWN);
}
END_TEST

START_TEST(test_worker_that_does_not_serve_keeps_its_life_but_not_the_block)
{
	reach_up();
	beat(false, false, 0);
	expect(FATE_DROP);
	expect(FATE_NOTHING);
	ck_assert_str_eq(f.reason, "not serving");
	ck_assert_int_eq(f.worker, FATE_ALIVE);
	serve_quietly(conf.hold);
	beat(true, false, 0);
	expect(FATE_RAISE);
}
END_TEST

START_TEST(test_worker_that_never_speaks_is_replaced)
{
	expect(FATE_SPAWN);
	now += conf.start_bound - 1;
	expect(FATE_NOTHING);
	now += 1;
	expect(FATE_KILL);
	ck_assert_str_eq(f.reason, "worker did not start");
	fate_gone(&f, now);
	now += conf.backoff_min;
	expect(FATE_SPAWN);
}
END_TEST

START_TEST(test_backoff_doubles_to_its_bound_and_recovers)
{
	ns_t want = conf.backoff_min;

	expect(FATE_SPAWN);
	for (int i = 0; i < 12; i++) {
		fate_gone(&f, now);
		expect(FATE_NOTHING);
		ck_assert_int_eq(fate_when(&f), now + want);
		now += want;
		expect(FATE_SPAWN);
		want = 2 * want < conf.backoff_max ? 2 * want : conf.backoff_max;
	}
	serve_quietly(conf.hold);
	expect(FATE_RAISE);
	serve_quietly(60 * NS_S);
	fate_gone(&f, now);
	expect(FATE_DROP);
	ck_assert_int_eq(fate_when(&f), now + conf.backoff_min);
}
END_TEST

START_TEST(test_drain_withdraws_then_settles_then_lets_go)
{
	reach_up();
	beat(true, true, 0);
	expect(FATE_WITHDRAW);
	serve_quietly(conf.settle);
	beat(true, true, 0);
	expect(FATE_DROP);
	ck_assert_str_eq(f.reason, "drained");
	serve_quietly(100 * NS_S);
}
END_TEST

/* Row A3: another site serves in its place, and ceases to. */
START_TEST(test_who_has_no_node_leaves_in_order_and_returns_without_a_second_hold)
{
	struct fate_beat b = {.serving = true, .master = true, .heir = true, .away = true};

	reach_up();
	b.sent = now;
	fate_beat(&f, &b, now);
	expect(FATE_WITHDRAW);
	ck_assert_str_eq(f.reason, "no service node");
	for (ns_t end = now + conf.settle; now < end; now += conf.hang_bound / 6) {
		b.sent = now;
		fate_beat(&f, &b, now);
		expect(FATE_NOTHING);
		ck_assert(!f.ready);
	}
	b.sent = now;
	fate_beat(&f, &b, now);
	expect(FATE_DROP);
	b.away = false;
	fate_beat(&f, &b, now);
	expect(FATE_RAISE);
	/* What it was does not outlive the worker. */
	b.away = true;
	fate_beat(&f, &b, now);
	fate_gone(&f, now);
	ck_assert(!f.away);
}
END_TEST

START_TEST(test_drain_waits_for_transactions_but_not_for_ever)
{
	reach_up();
	beat(true, true, 2);
	expect(FATE_WITHDRAW);
	serve_quietly(2 * conf.settle);
	beat(true, true, 0);
	expect(FATE_DROP);

	beat(true, false, 0);
	expect(FATE_RAISE);
	beat(true, true, 1);
	expect(FATE_WITHDRAW);
	serve_quietly(conf.drain_time);
	beat(true, true, 1);
	expect(FATE_DROP);
}
END_TEST

START_TEST(test_undrain_of_a_healthy_worker_needs_no_second_hold)
{
	reach_up();
	beat(true, true, 0);
	expect(FATE_WITHDRAW);
	beat(true, false, 0);
	expect(FATE_RAISE);
	expect(FATE_NOTHING);
}
END_TEST

START_TEST(test_drain_outlives_the_worker)
{
	reach_up();
	beat(true, true, 0);
	expect(FATE_WITHDRAW);
	fate_gone(&f, now);
	expect(FATE_DROP);
	now += conf.backoff_min;
	expect(FATE_SPAWN);
	ck_assert(f.draining);
}
END_TEST

START_TEST(test_stop_takes_the_route_first_and_ends_the_worker_last)
{
	reach_up();
	fate_stop(&f, now);
	expect(FATE_WITHDRAW);
	serve_quietly(conf.settle);
	beat(true, false, 0);
	expect(FATE_DROP);
	expect(FATE_FINISH);
	expect(FATE_NOTHING);
	fate_gone(&f, now);
	expect(FATE_EXIT);
}
END_TEST

START_TEST(test_stop_does_not_wait_for_a_worker_that_will_not_end)
{
	reach_up();
	fate_stop(&f, now);
	expect(FATE_WITHDRAW);
	serve_quietly(conf.settle);
	beat(true, false, 0);
	expect(FATE_DROP);
	expect(FATE_FINISH);
	now += conf.drain_time - 1;
	expect(FATE_NOTHING);
	now += 1;
	expect(FATE_KILL);
	expect(FATE_NOTHING);
	fate_gone(&f, now);
	expect(FATE_EXIT);
}
END_TEST

START_TEST(test_worker_that_ends_as_told_is_not_killed_for_its_silence)
{
	expect(FATE_SPAWN);
	beat(true, false, 0);
	fate_stop(&f, now);
	expect(FATE_FINISH);
	fate_closed(&f, now);
	expect(FATE_NOTHING);
	now += 2 * conf.hang_bound;
	expect(FATE_NOTHING);
	fate_gone(&f, now);
	expect(FATE_EXIT);
}
END_TEST

START_TEST(test_stop_during_backoff_exits_at_once)
{
	expect(FATE_SPAWN);
	fate_gone(&f, now);
	expect(FATE_NOTHING);
	fate_stop(&f, now);
	expect(FATE_EXIT);
}
END_TEST

START_TEST(test_worker_that_hangs_while_stopping_loses_the_block_within_the_bound)
{
	reach_up();
	fate_stop(&f, now);
	expect(FATE_WITHDRAW);
	now += conf.hang_bound;
	expect(FATE_DROP);
	expect(FATE_KILL);
	fate_gone(&f, now);
	expect(FATE_EXIT);
}
END_TEST

START_TEST(test_interface_that_cannot_be_made_is_tried_again_later)
{
	reach_up();
	fate_raise_failed(&f, now);
	expect(FATE_NOTHING);
	serve_quietly(NS_S);
	beat(true, false, 0);
	expect(FATE_RAISE);
}
END_TEST

START_TEST(test_interface_removed_by_someone_is_made_again_after_the_hold)
{
	reach_up();
	fate_block_lost(&f, now);
	ck_assert_int_eq(f.block, FATE_DOWN);
	serve_quietly(conf.hold);
	beat(true, false, 0);
	expect(FATE_RAISE);
}
END_TEST

START_TEST(test_backup_is_ready_after_the_hold_and_up_at_once_when_it_becomes_master)
{
	expect(FATE_SPAWN);
	for (ns_t end = now + conf.hold; now < end; now += 50 * NS_MS) {
		beat_of_backup();
		expect(FATE_NOTHING);
		ck_assert(!f.ready);
		ck_assert_int_le(fate_when(&f), f.serving_since + conf.hold);
	}
	beat_of_backup();
	expect(FATE_NOTHING);
	ck_assert(f.ready);
	ck_assert_str_eq(f.reason, "backup");
	now += 50 * NS_MS;
	beat(true, false, 0);
	expect(FATE_RAISE);
	expect(FATE_NOTHING);
	ck_assert(f.ready);
}
END_TEST

static void back_up_quietly(ns_t span)
{
	for (ns_t end = now + span; now < end; now += 50 * NS_MS) {
		beat_of_backup();
		expect(FATE_NOTHING);
		ck_assert(f.ready);
	}
	beat_of_backup();
}

START_TEST(test_master_that_yields_keeps_the_block_until_routers_know_the_other)
{
	reach_up();
	back_up_quietly(conf.yield);
	expect(FATE_WITHDRAW);
	ck_assert_str_eq(f.reason, "backup");
	back_up_quietly(conf.settle);
	expect(FATE_DROP);
	beat(true, false, 0);
	expect(FATE_RAISE);
}
END_TEST

START_TEST(test_master_that_yields_and_is_elected_again_has_not_moved)
{
	reach_up();
	back_up_quietly(conf.yield - 50 * NS_MS);
	expect(FATE_NOTHING);
	serve_quietly(2 * conf.yield);
	ck_assert_int_eq(f.block, FATE_UP);
}
END_TEST

START_TEST(test_drain_of_one_that_yields_does_not_wait)
{
	struct fate_beat b = {.serving = true, .draining = true};

	reach_up();
	back_up_quietly(100 * NS_MS);
	b.sent = now;
	fate_beat(&f, &b, now);
	expect(FATE_WITHDRAW);
	ck_assert_str_eq(f.reason, "drained");
}
END_TEST

START_TEST(test_drained_stopping_or_restarted_worker_is_not_ready)
{
	reach_up();
	ck_assert(f.ready);
	beat(true, true, 0);
	expect(FATE_WITHDRAW);
	expect(FATE_NOTHING);
	ck_assert(!f.ready);
	beat(true, false, 0);
	expect(FATE_RAISE);
	expect(FATE_NOTHING);
	ck_assert(f.ready);
	fate_stop(&f, now);
	expect(FATE_WITHDRAW);
	expect(FATE_NOTHING);
	ck_assert(!f.ready);

	setup();
	reach_up();
	fate_gone(&f, now);
	expect(FATE_DROP);
	expect(FATE_NOTHING);
	ck_assert(!f.ready);
}
END_TEST

static void share(void)
{
	f.conf.shared = true;
}

static void reach_shared(void)
{
	share();
	expect(FATE_SPAWN);
	for (ns_t end = now + conf.hold; now < end; now += 50 * NS_MS) {
		beat_of_backup();
		expect(FATE_NOTHING);
		ck_assert(!fate_claims(&f));
	}
	beat_of_backup();
	expect(FATE_RAISE);
	expect(FATE_NOTHING);
	ck_assert(!fate_claims(&f));
}

START_TEST(test_shared_block_is_up_at_a_backup_that_is_ready_and_stays_when_mastership_goes)
{
	reach_shared();
	ck_assert_str_eq(f.reason, "");
	beat(true, false, 0);
	expect(FATE_NOTHING);
	back_up_quietly(10 * conf.yield);
	expect(FATE_NOTHING);
	ck_assert_int_eq(f.block, FATE_UP);
}
END_TEST

START_TEST(test_next_hop_is_claimed_with_mastership_and_given_up_with_it)
{
	reach_shared();
	beat(true, false, 0);
	ck_assert(fate_claims(&f));
	beat_of_backup();
	ck_assert(!fate_claims(&f));
}
END_TEST

START_TEST(test_next_hop_is_given_up_with_the_worker)
{
	reach_shared();
	beat(true, false, 0);
	fate_gone(&f, now);
	ck_assert(!fate_claims(&f));
	expect(FATE_DROP);
	setup();
	reach_shared();
	beat(true, false, 0);
	now += conf.hang_bound;
	expect(FATE_DROP);
	ck_assert(!fate_claims(&f));
}
END_TEST

/* Packets of routers that do not know yet still come, and may ask. */
START_TEST(test_last_one_that_leaves_claims_the_next_hop_until_it_lets_go)
{
	reach_shared();
	beat(true, true, 0);
	expect(FATE_WITHDRAW);
	ck_assert(fate_claims(&f));
	serve_quietly(conf.settle);
	ck_assert(fate_claims(&f));
	beat(true, true, 0);
	expect(FATE_DROP);
	ck_assert(!fate_claims(&f));
}
END_TEST

START_TEST(test_block_that_is_not_shared_has_no_next_hop_to_claim)
{
	reach_up();
	ck_assert(!fate_claims(&f));
}
END_TEST

/* Any sequence of events keeps what next() asserts: the seed is the loop's index. */
START_TEST(test_no_sequence_of_events_breaks_the_two_promises)
{
	srandom((unsigned)_i);
	f.conf.shared = _i % 2;
	for (int step = 0; step < 5000; step++) {
		enum fate_action a;

		now += random() % (120 * NS_MS);
		switch (random() % 400) {
		case 0: fate_gone(&f, now); break;
		case 1: fate_closed(&f, now); break;
		case 2: fate_block_lost(&f, now); break;
		case 3: beat(false, false, 0); break;
		case 4: now += random() % (8 * NS_S); break;
		case 6: beat_of_backup(); break;
		case 5: beat(true, true, (uint32_t)random() % 2); break;
		default: beat(true, random() % 50 == 0, (uint32_t)random() % 3); break;
		}
		for (int n = 0; (a = next()) != FATE_NOTHING; n++) {
			ck_assert_int_lt(n, 5);
			if (a == FATE_RAISE && random() % 10 == 0)
				fate_raise_failed(&f, now);
			if (a == FATE_KILL && random() % 2)
				fate_gone(&f, now);
		}
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("fate");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_block_comes_up_only_after_the_hold);
	tcase_add_test(t, test_hold_starts_anew_when_the_worker_stops_serving);
	tcase_add_test(t, test_silent_worker_loses_the_block_first_and_then_its_life);
	tcase_add_test(t, test_beat_that_lay_in_the_queue_does_not_prolong_the_bound);
	tcase_add_test(t, test_last_words_of_a_doomed_worker_do_not_save_it);
	tcase_add_test(t, test_dead_worker_loses_the_block_at_once);
	tcase_add_test(t, test_closed_line_counts_as_death_before_the_worker_is_reaped);
	tcase_add_test(t, test_worker_that_does_not_serve_keeps_its_life_but_not_the_block);
	tcase_add_test(t, test_worker_that_never_speaks_is_replaced);
	tcase_add_test(t, test_backoff_doubles_to_its_bound_and_recovers);
	tcase_add_test(t, test_drain_withdraws_then_settles_then_lets_go);
	tcase_add_test(t, test_who_has_no_node_leaves_in_order_and_returns_without_a_second_hold);
	tcase_add_test(t, test_drain_waits_for_transactions_but_not_for_ever);
	tcase_add_test(t, test_undrain_of_a_healthy_worker_needs_no_second_hold);
	tcase_add_test(t, test_drain_outlives_the_worker);
	tcase_add_test(t, test_stop_takes_the_route_first_and_ends_the_worker_last);
	tcase_add_test(t, test_stop_does_not_wait_for_a_worker_that_will_not_end);
	tcase_add_test(t, test_worker_that_ends_as_told_is_not_killed_for_its_silence);
	tcase_add_test(t, test_stop_during_backoff_exits_at_once);
	tcase_add_test(t, test_worker_that_hangs_while_stopping_loses_the_block_within_the_bound);
	tcase_add_test(t, test_interface_that_cannot_be_made_is_tried_again_later);
	tcase_add_test(t, test_interface_removed_by_someone_is_made_again_after_the_hold);
	tcase_add_test(
		t, test_backup_is_ready_after_the_hold_and_up_at_once_when_it_becomes_master);
	tcase_add_test(t, test_master_that_yields_keeps_the_block_until_routers_know_the_other);
	tcase_add_test(t, test_master_that_yields_and_is_elected_again_has_not_moved);
	tcase_add_test(t, test_drain_of_one_that_yields_does_not_wait);
	tcase_add_test(t, test_drained_stopping_or_restarted_worker_is_not_ready);
	tcase_add_test(t,
		test_shared_block_is_up_at_a_backup_that_is_ready_and_stays_when_mastership_goes);
	tcase_add_test(t, test_next_hop_is_claimed_with_mastership_and_given_up_with_it);
	tcase_add_test(t, test_next_hop_is_given_up_with_the_worker);
	tcase_add_test(t, test_last_one_that_leaves_claims_the_next_hop_until_it_lets_go);
	tcase_add_test(t, test_block_that_is_not_shared_has_no_next_hop_to_claim);
	tcase_add_loop_test(t, test_no_sequence_of_events_breaks_the_two_promises, 0, 40);
	return run_case("fate", t);
}
