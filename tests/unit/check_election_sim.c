/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any number of elections on a LAN that loses, delays and reorders, is cut in parts and in one
 * direction, while ARNs crash, boot, drain and return: the promises of arn/election.h, checked in
 * each millisecond of virtual time.
 */
#include "arn/election.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define TICK     NS_MS
#define INTERVAL (200 * NS_MS)
#define MISSES   3
#define TIMEOUT  (MISSES * INTERVAL)
#define HOLD     (3 * NS_S)
#define DELAY    20 /* ms, at most */
/* What a promise of "one timeout" may take: the LAN's delay, there and back, and ticks. */
#define BOUND (TIMEOUT + (2 * DELAY + 4) * TICK)
/* And for how long there are two when one was doubted in vain. */
#define VAIN          (INTERVAL + INTERVAL / 8 + (DELAY + 2) * TICK)
#define MAX           7
#define ADDRESSES     8
#define EVERY_ADDRESS 0xff

struct node {
	struct election e;
	bool alive, drained;
	ns_t able_at, announce_at, step_at;
	uint64_t sent;       /* counter of the seal */
	uint64_t heard[MAX]; /* a receiver takes no older one */
	int took;            /* times that it became master */
	ns_t changed;        /* boot, or last change of standing */
	enum announce_standing standing;
};

struct flight {
	struct announce a;
	bool goodbye;
	uint64_t counter;
	int from, to;
	ns_t at;
};

static struct node node[MAX];
static int nodes;
static struct addr anycast[ADDRESSES];
static bool cut[MAX][MAX];  /* from, to */
static ns_t lost[MAX][MAX]; /* when something between two was last lost, either way */
static int loss;            /* per mille */
static struct flight flight[4096];
static int flights;
static ns_t now;
static ns_t upset; /* an eligible one was lost, or changed its standing */

static void disturb(int i, int k)
{
	lost[i][k] = lost[k][i] = now;
}

static void say(int i, bool goodbye)
{
	struct node *n = &node[i];
	struct flight f = {.goodbye = goodbye, .from = i, .counter = ++n->sent};

	election_announce(&n->e, &f.a);
	for (f.to = 0; f.to < nodes; f.to++) {
		if (cut[i][f.to] || random() % 1000 < loss) {
			disturb(i, f.to);
			continue;
		}
		f.at = now + (random() % (DELAY + 1)) * TICK;
		ck_assert_int_lt(flights, 4096);
		flight[flights++] = f;
	}
	n->announce_at = now + INTERVAL;
}

static void step(int i)
{
	struct node *n = &node[i];
	bool was = n->e.master;

	election_set_able(&n->e, now >= n->able_at && !n->drained);
	if (election_step(&n->e, now))
		say(i, false);
	n->took += n->e.master && !was;
	if (n->e.standing != n->standing) {
		if (n->standing != STANDING_OUT)
			upset = now;
		n->changed = now;
	}
	n->standing = n->e.standing;
	n->step_at = election_when(&n->e, now);
}

static void boot(int i)
{
	static const struct election_conf conf = {
		.interval = INTERVAL, .misses = MISSES, .hold = HOLD};
	struct node *n = &node[i];
	struct election_conf c = conf;

	c.address = anycast;
	c.addresses = ADDRESSES;
	char text[24];
	struct addr a;

	ck_assert_int_eq(prefix_parse(&c.block, SLICE("10.1.18.0/24")), 0);
	snprintf(text, sizeof(text), "10.2.0.%d", i + 4);
	addr_parse(&a, slice_of(text), 0);
	snprintf(text, sizeof(text), "A%d", i);
	election_init(&n->e, &c, text, now);
	election_set_addr(&n->e, &a);
	n->alive = true;
	n->drained = false;
	n->able_at = now + HOLD;
	n->announce_at = n->step_at = now;
	n->changed = now;
	n->standing = STANDING_OUT;
	for (int k = 0; k < nodes; k++)
		n->heard[k] = 0;
}

static void crash(int i)
{
	if (node[i].standing != STANDING_OUT)
		upset = now;
	node[i].alive = false;
	node[i].e.master = false;
}

static void leave(int i) /* with a goodbye */
{
	say(i, true);
	crash(i);
}

static void deliver(const struct flight *f)
{
	struct node *n = &node[f->to];

	if (!n->alive || f->counter <= n->heard[f->from])
		return;
	n->heard[f->from] = f->counter;
	if (f->goodbye)
		election_goodbye(&n->e, f->a.id);
	else
		election_hear(&n->e, &f->a, now);
	step(f->to);
}

/* A connection ends: i takes k for dead, rightly or not. */
static void doubt(int i, int k)
{
	if (i == k || !node[i].alive)
		return;
	if (election_doubt(&node[i].e, node[k].e.id, now) && node[k].alive)
		disturb(i, k);
	step(i);
}

/* Its kernel closes all its connections. */
static void crash_with_connections(int k)
{
	crash(k);
	for (int i = 0; i < nodes; i++)
		doubt(i, k);
}

/* Since when the two have heard each other with nothing to change their minds. */
static ns_t at_peace(int i, int k)
{
	ns_t since = lost[i][k];

	if (node[i].changed > since)
		since = node[i].changed;
	return node[k].changed > since ? node[k].changed : since;
}

static void check_pair(int i, int k)
{
	if (node[k].alive && node[k].e.master)
		ck_assert_msg(now - at_peace(i, k) <= BOUND,
			"%s and %s are masters %lld ms after the last disturbance", node[i].e.id,
			node[k].e.id, (long long)((now - at_peace(i, k)) / NS_MS));
}

/* Some eligible one takes each address for its own. */
static bool all_owned(void)
{
	uint64_t owned = 0;

	for (int i = 0; i < nodes; i++)
		if (node[i].alive)
			owned |= node[i].e.owned;
	return owned == EVERY_ADDRESS;
}

static void check_promises(void)
{
	bool eligible = false, ruled = false;

	for (int i = 0; i < nodes; i++) {
		const struct node *n = &node[i];

		if (!n->alive)
			continue;
		eligible = eligible || (n->e.standing != STANDING_OUT && now >= n->e.listen_until);
		ruled = ruled || n->e.master;
		for (int k = 0; k < i && n->e.master; k++)
			check_pair(i, k);
	}
	if (eligible && !all_owned())
		ck_assert_msg(now - upset <= BOUND, "an address without an owner for %lld ms",
			(long long)((now - upset) / NS_MS));
	if (eligible && !ruled)
		ck_assert_msg(now - upset <= BOUND, "no master for %lld ms",
			(long long)((now - upset) / NS_MS));
}

static void tick(void)
{
	now += TICK;
	for (int i = 0; i < flights;) {
		struct flight f = flight[i];

		if (f.at > now) {
			i++;
			continue;
		}
		flight[i] = flight[--flights];
		deliver(&f);
	}
	for (int i = 0; i < nodes; i++) {
		struct node *n = &node[i];

		if (!n->alive)
			continue;
		if (now >= n->step_at || now == n->able_at)
			step(i);
		if (now >= n->announce_at)
			say(i, false);
	}
	check_promises();
}

static void run(ns_t span)
{
	for (ns_t end = now + span; now < end;)
		tick();
}

static void start(int n)
{
	char text[24];

	for (int i = 0; i < ADDRESSES; i++) {
		snprintf(text, sizeof(text), "10.1.18.%d", 27 + i);
		addr_parse(&anycast[i], slice_of(text), 0);
	}
	nodes = n;
	flights = loss = 0;
	now = 1000 * NS_S;
	upset = now;
	for (int i = 0; i < MAX; i++) {
		node[i] = (struct node){0};
		for (int k = 0; k < MAX; k++) {
			cut[i][k] = i == k;
			lost[i][k] = now;
		}
	}
}

static void join_all(void)
{
	for (int i = 0; i < nodes; i++)
		for (int k = 0; k < nodes; k++)
			cut[i][k] = i == k;
}

/* A node's link goes down or up: nothing of it is heard, and it hears nothing. */
static void set_link(int i, bool up)
{
	for (int k = 0; k < nodes; k++)
		if (k != i)
			cut[i][k] = cut[k][i] = !up;
}

static int masters(void)
{
	int n = 0;

	for (int i = 0; i < nodes; i++)
		n += node[i].alive && node[i].e.master;
	return n;
}

static void expect_alone(int i)
{
	ck_assert_int_eq(masters(), 1);
	ck_assert(node[i].alive && node[i].e.master);
	for (int k = 0; k < nodes; k++)
		if (node[k].alive)
			ck_assert_str_eq(node[k].e.ruler, node[i].e.id);
}

static void boot_all(int n)
{
	start(n);
	for (int i = 0; i < n; i++)
		boot(i);
	run(HOLD + TIMEOUT + NS_S);
	expect_alone(0);
	for (int i = 0; i < n; i++) {
		/* Those that were ready a moment before the lowest one may have been master for it.
		 */
		ck_assert_int_le(node[i].took, 1);
		node[i].took = 0;
	}
}

START_TEST(test_all_boot_at_once_and_the_lowest_is_master)
{
	boot_all(_i);
	run(10 * HOLD);
	for (int i = 0; i < nodes; i++)
		ck_assert_int_eq(node[i].took, 0);
}
END_TEST

START_TEST(test_crashed_master_is_replaced_within_one_timeout)
{
	boot_all(4);
	crash(0);
	run(BOUND);
	expect_alone(1);
	crash(1);
	run(BOUND);
	expect_alone(2);
}
END_TEST

START_TEST(test_goodbye_and_drain_hand_over_within_the_delay_of_the_lan)
{
	boot_all(3);
	leave(0);
	run((DELAY + 1) * TICK);
	expect_alone(1);
	node[1].drained = true;
	step(1);
	run((DELAY + 1) * TICK);
	expect_alone(2);
	node[1].drained = false; /* it has served all the time: back at once, without a hold */
	step(1);
	run((DELAY + 1) * TICK);
	expect_alone(1);
}
END_TEST

START_TEST(test_returning_master_preempts_only_after_its_hold)
{
	boot_all(3);
	crash(0);
	run(5 * NS_S);
	expect_alone(1);
	boot(0);
	run(HOLD - (DELAY + 2) * TICK);
	expect_alone(1);
	run(2 * (DELAY + 2) * TICK);
	expect_alone(0);
	ck_assert_int_eq(node[1].took, 1);
}
END_TEST

START_TEST(test_block_does_not_follow_a_master_that_is_restarted_again_and_again)
{
	boot_all(3);
	for (int i = 0; i < 50; i++) {
		crash(0);
		run((i ? 0 : BOUND) + random() % (2 * NS_S) / TICK * TICK + TICK);
		boot(0);
		run(random() % (HOLD - 100 * NS_MS) / TICK * TICK + TICK);
		ck_assert(masters() == 1 && node[1].e.master);
	}
	ck_assert_int_eq(node[1].took, 1);
	ck_assert_int_eq(node[2].took, 0);
	run(HOLD + NS_S);
	expect_alone(0);
}
END_TEST

/* The link of the lowest one flaps: it is master for itself alone while it is cut off, that cannot
 * be helped; but the others' block stays where it is, until the link has held for the hold. */
START_TEST(test_block_does_not_follow_a_master_whose_link_flaps)
{
	boot_all(3);
	for (int i = 0; i < 50; i++) {
		set_link(0, false);
		run(TIMEOUT + 100 * NS_MS + random() % 1000 * TICK);
		set_link(0, true);
		run(random() % (HOLD - 100 * NS_MS) / TICK * TICK + TICK);
		ck_assert(node[1].e.master);
	}
	ck_assert_int_eq(node[1].took, 1);
	run(HOLD + TIMEOUT + NS_S);
	expect_alone(0);
	ck_assert_int_eq(node[1].took, 1);
}
END_TEST

START_TEST(test_end_of_a_partition_leaves_one_master_at_once)
{
	boot_all(2);
	set_link(0, false);
	run(10 * NS_S);
	ck_assert_int_eq(masters(), 2);
	set_link(0, true);
	run(INTERVAL + (2 * DELAY + 2) * TICK);
	expect_alone(1);
	run(HOLD + INTERVAL);
	expect_alone(0);
}
END_TEST

START_TEST(test_one_who_stood_in_may_die_before_the_hold_is_over)
{
	boot_all(2);
	set_link(0, false);
	run(10 * NS_S);
	set_link(0, true);
	run(NS_S);
	expect_alone(1);
	crash(1);
	run(BOUND);
	expect_alone(0);
}
END_TEST

/* Nothing of the lowest one arrives, while it hears all: there are two masters, but always one. */
START_TEST(test_one_way_loss_makes_two_masters_and_its_end_one)
{
	boot_all(3);
	cut[0][1] = cut[0][2] = true;
	run(BOUND);
	ck_assert_int_eq(masters(), 2);
	run(3 * HOLD);
	ck_assert_int_eq(masters(), 2);
	ck_assert_int_eq(node[0].took, 0);
	ck_assert_int_eq(node[1].took, 1);
	join_all();
	run(BOUND);
	expect_alone(0);
	cut[1][0] = cut[2][0] = true; /* it hears nothing: it is master anyway */
	run(3 * HOLD);
	expect_alone(0);
	ck_assert_int_eq(node[0].took, 0);
}
END_TEST

START_TEST(test_crashed_master_whose_connections_end_is_replaced_at_once)
{
	boot_all(4);
	crash_with_connections(0);
	expect_alone(1);
	crash_with_connections(1);
	expect_alone(2);
	run(10 * HOLD);
	expect_alone(2);
	ck_assert_int_eq(node[2].took + node[3].took, 1);
}
END_TEST

START_TEST(test_master_doubted_in_vain_keeps_the_block_and_is_heard_within_an_interval)
{
	boot_all(3);
	for (int i = 0; i < 20; i++) {
		int vain = node[1].took;

		run(HOLD + random() % 1000 * TICK);
		doubt(1, 0);
		ck_assert_int_eq(node[1].took, vain + 1); /* or this tests nothing */
		run(VAIN);
		expect_alone(0);
	}
	ck_assert_int_eq(node[0].took + node[2].took, 0);
}
END_TEST

START_TEST(test_nobody_is_doubted_twice_within_a_hold)
{
	ns_t both = 0, end;

	boot_all(2);
	for (end = now + 10 * HOLD; now < end; tick()) {
		doubt(1, 0);
		both += node[1].e.master ? TICK : 0;
		ck_assert(node[0].e.master);
	}
	ck_assert_int_le(node[1].took, 11);
	ck_assert_int_le(both, 11 * VAIN);
}
END_TEST

START_TEST(test_doubts_of_others_change_nothing_while_a_better_backup_is_there)
{
	boot_all(4);
	doubt(3, 0);
	doubt(3, 1);
	doubt(2, 0);
	doubt(0, 1);
	run(VAIN);
	expect_alone(0);
	ck_assert_int_eq(node[1].took + node[2].took + node[3].took, 0);
}
END_TEST

/* Each address has one owner. */
static void expect_one_owner_each(void)
{
	uint64_t seen = 0;

	for (int i = 0; i < nodes; i++) {
		if (!node[i].alive)
			continue;
		ck_assert_int_eq(seen & node[i].e.owned, 0);
		seen |= node[i].e.owned;
	}
	ck_assert_int_eq(seen, EVERY_ADDRESS);
}

START_TEST(test_only_addresses_of_the_one_that_fails_and_returns_change_their_owner)
{
	uint64_t before[MAX];

	boot_all(_i);
	expect_one_owner_each();
	for (int k = 0; k < nodes; k++) {
		for (int i = 0; i < nodes; i++)
			before[i] = node[i].e.owned;
		crash(k);
		for (ns_t end = now + BOUND + HOLD; now < end; tick())
			for (int i = 0; i < nodes; i++)
				if (i != k) /* they lose none, whatever they get */
					ck_assert_int_eq(before[i] & ~node[i].e.owned, 0);
		node[k].e.owned = 0;
		expect_one_owner_each();
		boot(k);
		run(HOLD - (DELAY + 2) * TICK);
		ck_assert_int_eq(node[k].e.owned, 0);
		run(TIMEOUT);
		for (int i = 0; i < nodes; i++)
			ck_assert_int_eq(node[i].e.owned, before[i]);
	}
}
END_TEST

static void misfortune(void)
{
	int i = (int)(random() % nodes), k = (int)(random() % nodes);

	switch (random() % 14) {
	case 0: crash(i); break;
	case 1: crash_with_connections(i); break;
	case 2: leave(i); break;
	case 3:
	case 4:
		if (!node[i].alive)
			boot(i);
		break;
	case 5: node[i].drained = !node[i].drained; break;
	case 6: set_link(i, false); break;
	case 7: cut[i][k] = true; break;
	case 8: loss = (int)(random() % 150); break;
	case 9: loss = 0; break;
	case 10:
	case 11: doubt(i, k); break;
	default: join_all(); break;
	}
	if (node[i].alive)
		step(i);
}

START_TEST(test_no_night_of_failures_breaks_a_promise)
{
	srandom((unsigned)_i);
	start(2 + _i % (MAX - 1));
	for (int i = 0; i < nodes; i++)
		boot(i);
	for (int n = 0; n < 60; n++) {
		run((1 + random() % 3000) * TICK);
		misfortune();
	}
	loss = 0;
	join_all();
	for (int i = 0; i < nodes; i++)
		if (!node[i].alive)
			boot(i);
	for (int i = 0; i < nodes; i++) {
		node[i].drained = false;
		step(i);
	}
	run(2 * HOLD + 2 * NS_S);
	expect_alone(0);
	expect_one_owner_each();
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("election");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_all_boot_at_once_and_the_lowest_is_master, 1, MAX + 1);
	tcase_add_test(t, test_crashed_master_is_replaced_within_one_timeout);
	tcase_add_test(t, test_goodbye_and_drain_hand_over_within_the_delay_of_the_lan);
	tcase_add_test(t, test_returning_master_preempts_only_after_its_hold);
	tcase_add_test(t, test_block_does_not_follow_a_master_that_is_restarted_again_and_again);
	tcase_add_test(t, test_block_does_not_follow_a_master_whose_link_flaps);
	tcase_add_test(t, test_end_of_a_partition_leaves_one_master_at_once);
	tcase_add_test(t, test_one_who_stood_in_may_die_before_the_hold_is_over);
	tcase_add_test(t, test_one_way_loss_makes_two_masters_and_its_end_one);
	tcase_add_test(t, test_crashed_master_whose_connections_end_is_replaced_at_once);
	tcase_add_test(
		t, test_master_doubted_in_vain_keeps_the_block_and_is_heard_within_an_interval);
	tcase_add_test(t, test_nobody_is_doubted_twice_within_a_hold);
	tcase_add_test(t, test_doubts_of_others_change_nothing_while_a_better_backup_is_there);
	tcase_add_loop_test(t,
		test_only_addresses_of_the_one_that_fails_and_returns_change_their_owner, 2,
		MAX + 1);
	tcase_add_loop_test(t, test_no_night_of_failures_breaks_a_promise, 0, 60);
	return run_case("election simulation", t);
}
