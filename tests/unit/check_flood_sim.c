/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flooding among many ARNs (row H4), over rings, trees and meshes that lose, are cut and mend: the promises
 * of arn/flood.h. Every message is held against "once each way over a link", "not to whom it came from".
 */
#include "tests/unit/flood_net.h"
#include "tests/unit/run.h"

#define INTERVAL (2 * NS_S)
#define MISSES   5
#define LEAST    (500 * NS_MS)
#define RATE     400
#define DELAY    (10 * NS_MS)

static struct net t;

static void begin(int n, uint64_t seed)
{
	struct flood_conf c = {.interval = INTERVAL,
		.min_interval = LEAST,
		.misses = MISSES,
		.hops = FLOOD_MAX_HOPS,
		.records = 1024,
		.rate = RATE,
		.change = 0.1,
		.skew = 5 * NS_S};

	prefix_parse(&c.block, SLICE("10.1.18.0/24"));
	net_init(&t, n, &c, seed);
}

static void start_all(int every)
{
	for (int i = 0; i < t.n; i++)
		net_start(&t, i);
	for (int i = 0; i < t.n; i += every)
		net_tell(&t, i, 10);
}

/* All of `from` … `to` know so many nodes of others. */
static void assert_known(int from, int to, int nodes, const char *when)
{
	for (int i = from; i < to; i++)
		ck_assert_msg(flood_nodes(t.arn[i].f) == nodes, "%s: a%d knows %d nodes of %d",
			when, i, flood_nodes(t.arn[i].f), nodes);
}

static void no_losses(void)
{
	for (int i = 0; i < t.n; i++)
		ck_assert_msg(!t.arn[i].gone, "a%d has lost nodes", i);
}

static void converge(const char *what)
{
	ns_t bound = (net_diameter(&t) + 1) * DELAY + INTERVAL / 10;

	start_all(1);
	net_pass(&t, bound);
	assert_known(0, t.n, t.n - 1, what);
	net_pass(&t, (MISSES + 1) * INTERVAL);
	assert_known(0, t.n, t.n - 1, what);
	no_losses();
	net_free(&t);
}

START_TEST(test_all_know_all_within_the_diameter)
{
	begin(60, 1);
	net_ring(&t);
	converge("ring");
	for (uint64_t seed = 1; seed < 3; seed++) {
		begin(100, seed);
		net_tree(&t);
		converge("tree");
		begin(100, seed);
		net_mesh(&t, 100);
		converge("mesh");
	}
}
END_TEST

START_TEST(test_a_thousand_arns_know_all_nodes)
{
	begin(1000, 7);
	net_mesh(&t, 1000);
	start_all(20);
	net_pass(&t, (net_diameter(&t) + 1) * DELAY);
	for (int i = 0; i < t.n; i++)
		ck_assert_int_eq(flood_nodes(t.arn[i].f), i % 20 ? 50 : 49);
	/* A change is known as soon. */
	net_pass(&t, LEAST);
	net_tell(&t, 500, 90);
	net_pass(&t, (net_diameter(&t) + 1) * DELAY);
	for (int i = 0; i < t.n; i++)
		ck_assert(i == 500 || t.arn[i].sessions == 90);
	net_free(&t);
}
END_TEST

/* What has been lost comes by another way, or with the next refresh; nothing is forgotten meanwhile. */
START_TEST(test_losses_and_failing_links_lose_no_nodes)
{
	for (uint64_t seed = 1; seed < 3; seed++) {
		begin(60, seed);
		net_mesh(&t, 90);
		t.loss = 50;
		start_all(1);
		net_pass(&t, 3 * INTERVAL);
		assert_known(0, t.n, t.n - 1, "with losses");
		for (int round = 0; round < 20; round++) {
			int a = (int)(net_draw(&t) % (uint64_t)t.n);
			int b = t.arn[a].link[0].peer;

			net_cut(&t, a, b, true);
			if (net_reach(&t, 0) < 0) /* it was a bridge */
				net_cut(&t, a, b, false);
			net_pass(&t, INTERVAL);
			if (round % 5 == 4)
				net_cut(&t, a, b, false);
		}
		assert_known(0, t.n, t.n - 1, "with links that failed");
		no_losses();
		net_free(&t);
	}
}
END_TEST

/* Two rings with one link between them. */
static void two_rings(void)
{
	begin(40, 3);
	for (int i = 0; i < 20; i++) {
		net_link(&t, i, (i + 1) % 20);
		net_link(&t, 20 + i, 20 + (i + 1) % 20);
	}
	net_link(&t, 0, 20);
	start_all(1);
	net_pass(&t, 2 * INTERVAL);
	assert_known(0, 40, 39, "at first");
}

START_TEST(test_old_records_die_in_a_partition_and_return_with_the_link)
{
	two_rings();
	net_cut(&t, 0, 20, true);
	net_pass(&t, (MISSES - 1) * INTERVAL - INTERVAL / 2);
	assert_known(0, 40, 39, "before their life is over");
	net_pass(&t, 2 * INTERVAL);
	assert_known(0, 40, 19, "after it");
	net_pass(&t, 10 * MISSES * INTERVAL);
	assert_known(0, 40, 19, "long after it");
	net_cut(&t, 0, 20, false);
	net_pass(&t, INTERVAL + net_diameter(&t) * DELAY);
	assert_known(0, 40, 39, "in one piece again");
	net_free(&t);
}
END_TEST

static void view_a7(void *arg, const struct flood_view *v)
{
	if (!strcmp(v->origin, "a7") && v->hops)
		*(uint64_t *)arg = v->seq;
}

static uint64_t seq_of_a7(int at)
{
	uint64_t seq = 0;

	flood_each(t.arn[at].f, view_a7, &seq);
	return seq;
}

/* Also when its clock was set back meanwhile: then it learns what it has said, and says something newer. */
START_TEST(test_a_restart_supersedes_what_was_said_before)
{
	ns_t behind[] = {0, -60 * NS_S};

	for (int i = 0; i < 2; i++) {
		uint64_t before;

		begin(30, 5);
		net_ring(&t);
		start_all(1);
		net_pass(&t, 2 * INTERVAL);
		before = seq_of_a7(22);
		net_stop(&t, 7);
		t.arn[7].clock = behind[i];
		t.conf.skew = 120 * NS_S;
		net_start(&t, 7);
		net_tell(&t, 7, 77);
		net_pass(&t, i ? 2 * LEAST + 40 * DELAY : 40 * DELAY);
		ck_assert_uint_gt(seq_of_a7(22), before);
		ck_assert_int_eq(flood_nodes(t.arn[22].f), 29);
		net_free(&t);
	}
}
END_TEST

START_TEST(test_goodbye_is_known_at_once)
{
	begin(30, 5);
	net_ring(&t);
	start_all(1);
	net_pass(&t, INTERVAL);
	flood_goodbye(t.arn[7].f, t.now);
	net_run_arn(&t, 7);
	net_pass(&t, DELAY);
	net_stop(&t, 7);
	net_pass(&t, LEAST + 20 * DELAY);
	for (int i = 0; i < 30; i++)
		if (i != 7)
			ck_assert_int_eq(flood_nodes(t.arn[i].f), 28);
	net_free(&t);
}
END_TEST

static uint64_t most_messages(void)
{
	uint64_t most = 0;

	for (int i = 0; i < t.n; i++)
		for (int k = 0; k < t.arn[i].links; k++) {
			if (t.arn[i].link[k].messages > most)
				most = t.arn[i].link[k].messages;
			t.arn[i].link[k].messages = 0;
		}
	return most;
}

/* All change all the time: each passes a link no more often than min_interval. */
START_TEST(test_nodes_that_change_all_the_time_cost_a_bounded_rate)
{
	begin(40, 9);
	net_mesh(&t, 60);
	start_all(1);
	net_pass(&t, INTERVAL);
	most_messages();
	for (int ms = 0; ms < 5000; ms += 20) {
		for (int i = 0; i < 40; i++)
			net_tell(&t, i, ms % 40 ? 10 : 90);
		net_pass(&t, 20 * NS_MS);
	}
	ck_assert_uint_le(most_messages(), 40 * (5 * NS_S / LEAST + 1));
	assert_known(0, 40, 39, "in the storm");
	net_free(&t);
}
END_TEST

/* One ARN keeps no rule: new sequences of its own, and of thousands that do not exist, each ms. */
START_TEST(test_an_arn_that_keeps_no_rule_costs_a_bounded_rate)
{
	struct flood_msg m = {.from = "a0", .left_ms = 10000, .hops = 1};
	const char *why;

	begin(20, 11);
	net_mesh(&t, 20);
	start_all(1);
	net_pass(&t, INTERVAL);
	most_messages();
	t.checks = false;
	for (int ms = 0; ms < 4000; ms++) {
		for (int k = 0; k < 4; k++) {
			int peer = t.arn[0].link[0].peer;

			if (k)
				snprintf(m.origin, sizeof(m.origin), "x%d", (4 * ms + k) % 9000);
			else
				snprintf(m.origin, sizeof(m.origin), "a0");
			m.seq = (uint64_t)(NET_WALL + t.now) + (uint64_t)k;
			flood_hear(t.arn[peer].f, t.arn[0].link[0].back, &m, t.now,
				NET_WALL + t.now, &why);
			net_run_arn(&t, peer);
		}
		net_pass(&t, NS_MS);
	}
	ck_assert_uint_le(most_messages(), 4 * RATE + FLOOD_BURST);
	for (int i = 0; i < t.n; i++)
		ck_assert_int_le(flood_records(t.arn[i].f), t.conf.records);
	/* It is over: nothing of it stays, and the others are as they were. */
	net_pass(&t, 60 * NS_S);
	assert_known(0, 20, 19, "after the storm");
	for (int i = 0; i < t.n; i++)
		ck_assert_int_eq(flood_records(t.arn[i].f), 19);
	net_free(&t);
}
END_TEST

/* The more there are, the less often each says the same again: half of the rate is enough for all. */
START_TEST(test_refreshes_of_many_take_half_of_the_rate_at_most)
{
	begin(200, 13);
	t.conf.rate = 40;
	net_ring(&t);
	start_all(1);
	net_pass(&t, 25 * NS_S);
	assert_known(0, 200, 199, "of many");
	most_messages();
	net_pass(&t, 20 * NS_S);
	ck_assert_uint_le(most_messages(), 20 * 40 / 2 * 4 / 3 + 1);
	assert_known(0, 200, 199, "of many, later");
	no_losses();
	net_free(&t);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("sim");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, test_all_know_all_within_the_diameter);
	tcase_add_test(c, test_a_thousand_arns_know_all_nodes);
	tcase_add_test(c, test_losses_and_failing_links_lose_no_nodes);
	tcase_add_test(c, test_old_records_die_in_a_partition_and_return_with_the_link);
	tcase_add_test(c, test_a_restart_supersedes_what_was_said_before);
	tcase_add_test(c, test_goodbye_is_known_at_once);
	tcase_add_test(c, test_nodes_that_change_all_the_time_cost_a_bounded_rate);
	tcase_add_test(c, test_an_arn_that_keeps_no_rule_costs_a_bounded_rate);
	tcase_add_test(c, test_refreshes_of_many_take_half_of_the_rate_at_most);
	return run_case("flood_sim", c);
}
