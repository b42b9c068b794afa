/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each policy has its properties, and all have some in common. Clients are addresses of
 * 198.18.0.0/15 (RFC 2544), objects are paths.
 */
#include "arn/policy.h"

#include <arpa/inet.h>
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define MAX_NODES 16

static struct snapshot *snap;
static struct select_query q;
static char path[32];

static struct announce *add_node(void)
{
	struct announce *n = &snap->node[snap->nodes++].said;
	char address[24];

	ck_assert_int_le(snap->nodes, MAX_NODES);
	snprintf(address, sizeof(address), "10.0.0.%d", snap->nodes);
	*n = (struct announce){.role = ROLE_SN,
		.addr = literal(address),
		.rtsp_port = 554,
		.http_port = 80,
		.healthy = true,
		.weight = 100};
	snprintf(n->id, sizeof(n->id), "n%d", snap->nodes - 1);
	return n;
}

static void setup(void)
{
	snap = snapshot_new(MAX_NODES);
	ck_assert_ptr_nonnull(snap);
	snap->select.bound = 0.25;
	snap->select.affinity_limit = 0.8;
	q = (struct select_query){.service = SERVICE_RTSP, .client = literal("192.0.2.1")};
}

static void teardown(void)
{
	snapshot_unref(snap);
}

static void use(const char *policy)
{
	q.policy = policy_find(slice_of(policy));
	ck_assert_ptr_nonnull(q.policy);
}

static void set_client(uint32_t i)
{
	q.client.in.sin_addr.s_addr = htonl(0xc6120000u + i);
}

static void set_path(int i)
{
	snprintf(path, sizeof(path), "/object/%d", i);
	q.path = slice_of(path);
}

/* The index of the chosen node, -1: none. */
static int chosen(void)
{
	const struct snapshot_node *n = select_node(snap, &q).node;

	return n ? (int)(n - snap->node) : -1;
}

START_TEST(test_policies_have_names_and_are_found_by_them)
{
	int n = 0;

	for (; policy_names[n]; n++) {
		ck_assert_ptr_eq(policy_find(slice_of(policy_names[n])), &policies[n]);
		ck_assert_ptr_nonnull(policies[n].help);
	}
	ck_assert_ptr_null(policies[n].name);
	ck_assert_int_eq(n, 5);
	ck_assert_ptr_null(policy_find(SLICE("least")));
	ck_assert_ptr_null(policy_find(SLICE("")));
}
END_TEST

static void scramble(struct announce *n)
{
	n->healthy = random() % 4;
	n->draining = random() % 6 == 0;
	n->rtsp_port = random() % 8 ? 554 : 0;
	n->max_sessions = random() % 3 ? (uint32_t)(random() % 200) : 0;
	n->sessions = (uint32_t)(random() % 250);
	n->max_kbps = random() % 3 ? (uint64_t)(random() % 1000) : 0;
	n->kbps = (uint64_t)(random() % 1100);
	n->weight = (uint16_t)(random() % 5 ? random() % 300 : 0);
	n->channels = (uint16_t)(random() % 2);
	n->channel[0] = announce_channel(SLICE("/object/1"));
}

/* Of policy _i: whoever is chosen is not out, and of the best rank that there is; the choice is the
 * same when asked again; and nobody is chosen only when everybody is out. */
START_TEST(test_no_policy_breaks_the_common_rules)
{
	use(policy_names[_i]);
	srandom((unsigned)_i);
	for (int i = 0; i < MAX_NODES; i++)
		add_node();
	for (int round = 0; round < 2000; round++) {
		struct select_verdict v[MAX_NODES];
		int at;

		snap->nodes = (int)(random() % (MAX_NODES + 1));
		for (int i = 0; i < snap->nodes; i++)
			scramble(&snap->node[i].said);
		set_client((uint32_t)random() % 1000);
		set_path((int)(random() % 3));
		addr_set_port(&q.client, (uint16_t)random());
		at = chosen();
		ck_assert_int_eq(at, chosen());
		select_explain(snap, &q, v);
		ck_assert(at < 0 || (!v[at].excluded && v[at].place == 1 && v[at].by));
		for (int i = 0; i < snap->nodes; i++) {
			ck_assert_int_eq(v[i].place == 0, v[i].excluded != NULL);
			if (!v[i].excluded) {
				ck_assert_int_ge(at, 0);
				ck_assert_int_le(v[at].rank, v[i].rank);
			}
		}
	}
}
END_TEST

/* Of policy _i: a node of weight 0 is chosen only where nobody else is. */
START_TEST(test_weight_nought_is_the_last_resort_of_every_policy)
{
	use(policy_names[_i]);
	add_node()->weight = 0;
	add_node()->weight = 0;
	ck_assert_int_ge(chosen(), 0);
	if (!strcmp(policy_names[_i], "two-choices"))
		snap->nodes = 1; /* of two that are drawn, one is to be another */
	add_node()->sessions = 700;
	for (uint32_t i = 0; i < 100; i++) {
		set_client(i);
		set_path((int)i);
		addr_set_port(&q.client, (uint16_t)(1000 + i));
		ck_assert_int_eq(chosen(), snap->nodes - 1);
	}
}
END_TEST

START_TEST(test_weighted_shares_clients_out_by_weight_whatever_the_load)
{
	static const uint16_t weight[] = {50, 100, 150, 200};
	int count[4] = {0};

	use("weighted");
	for (int i = 0; i < 4; i++) {
		struct announce *n = add_node();

		n->weight = weight[i];
		n->sessions = (uint32_t)(900 - 200 * i);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		set_client(i);
		count[chosen()]++;
	}
	for (int i = 0; i < 4; i++) {
		double share = (double)count[i] / 20000, due = weight[i] / 500.0;

		ck_assert(fabs(share - due) < 0.015); /* 4 standard deviations */
	}
}
END_TEST

/* Which keys of _i (0: clients by weight, 1: objects) go where, before and after. */
static void map_keys(int what, int n, int to[])
{
	use(what ? "consistent-hash" : "weighted");
	for (int i = 0; i < n; i++) {
		if (what)
			set_path(i);
		else
			set_client((uint32_t)i);
		to[i] = chosen();
	}
}

START_TEST(test_node_that_comes_or_goes_moves_only_its_share)
{
	static int before[10000], after[10000];
	int moved = 0;

	for (int i = 0; i < 8; i++)
		add_node();
	map_keys(_i, 10000, before);
	add_node();
	map_keys(_i, 10000, after);
	for (int i = 0; i < 10000; i++) {
		if (after[i] == before[i])
			continue;
		ck_assert_int_eq(after[i], 8);
		moved++;
	}
	ck_assert_int_ge(moved, 1111 - 130); /* a ninth, and 4 standard deviations */
	ck_assert_int_le(moved, 1111 + 130);
	/* It goes again, as drained: everything is as it was. */
	snap->node[8].said.draining = true;
	map_keys(_i, 10000, after);
	ck_assert_mem_eq(before, after, sizeof(before));
	snap->node[3].said.draining = true;
	map_keys(_i, 10000, after);
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(after[i] == before[i], before[i] != 3);
}
END_TEST

/* Sessions are given out one by one, each to the node that its object leads to. */
START_TEST(test_consistent_hashing_keeps_every_node_within_the_bound)
{
	use("consistent-hash");
	for (int i = 0; i < 8; i++)
		add_node()->max_sessions = 200;
	snap->select.bound = 0.1 + 0.2 * _i;
	srandom((unsigned)_i);
	for (int i = 0; i < 1200; i++) {
		double most = 0, sum = 0;
		int at;

		/* As Zipf has it: some objects are wanted by half of the world. */
		set_path((int)pow(300.0, (double)(random() % 1000) / 1000));
		at = chosen();
		ck_assert_int_ge(at, 0);
		snap->node[at].said.sessions++;
		for (int k = 0; k < 8; k++) {
			double load = snap->node[k].said.sessions / 200.0;

			sum += load / 8;
			most = load > most ? load : most;
		}
		/* One session is 1/200. */
		ck_assert(most <= sum * (1 + snap->select.bound) + POLICY_BAND + 1 / 200.0);
	}
}
END_TEST

START_TEST(test_object_stays_where_it_is_while_the_load_allows)
{
	int home;

	use("consistent-hash");
	for (int i = 0; i < 5; i++)
		add_node()->max_sessions = 1000;
	set_path(1);
	home = chosen();
	for (uint32_t i = 0; i < 50; i++) {
		set_client(i); /* whoever asks */
		ck_assert_int_eq(chosen(), home);
		snap->node[home].said.sessions++;
	}
	snap->node[home].said.sessions = 400;
	ck_assert_int_ne(chosen(), home);
	for (int i = 0; i < 5; i++)
		snap->node[i].said.sessions = 400;
	ck_assert_int_eq(chosen(), home);
}
END_TEST

START_TEST(test_two_choices_draws_the_client_and_its_port)
{
	int count[MAX_NODES] = {0}, first;

	use("two-choices");
	for (int i = 0; i < 8; i++)
		add_node();
	for (int i = 0; i < 8000; i++) {
		addr_set_port(&q.client, (uint16_t)(1024 + i));
		count[chosen()]++;
	}
	for (int i = 0; i < 8; i++) {
		ck_assert_int_ge(count[i], 850);
		ck_assert_int_le(count[i], 1150);
	}
	first = chosen();
	q.path = SLICE("/another");
	ck_assert_int_eq(chosen(), first); /* as any ARN has it: nothing else is in the lot */
}
END_TEST

START_TEST(test_two_choices_are_two)
{
	use("two-choices");
	add_node();
	add_node();
	for (int busy = 0; busy < 2; busy++) {
		snap->node[busy].said.sessions = 500;
		snap->node[!busy].said.sessions = 0;
		for (int i = 0; i < 100; i++) {
			addr_set_port(&q.client, (uint16_t)(1024 + i));
			ck_assert_int_eq(chosen(), !busy);
		}
	}
}
END_TEST

/* The load is known exactly, or only as it was `old` clients ago. Returns the largest excess of a
 * node over the mean, in sessions. */
static int excess(const char *policy, int old, int clients)
{
	int real[8] = {0}, most = 0;

	for (int i = 0; i < 8; i++)
		snap->node[i].said.sessions = 0;
	for (int i = 0; i < clients; i++) {
		int at;

		if (i % old == 0)
			for (int k = 0; k < 8; k++)
				snap->node[k].said.sessions = (uint32_t)real[k];
		set_client((uint32_t)random());
		addr_set_port(&q.client, (uint16_t)random());
		if (policy) {
			use(policy);
			at = chosen();
		} else {
			at = (int)(random() % 8);
		}
		real[at]++;
	}
	for (int i = 0; i < 8; i++)
		most = real[i] > most ? real[i] : most;
	return most - clients / 8;
}

START_TEST(test_two_choices_are_far_more_even_than_one)
{
	srandom((unsigned)_i);
	for (int i = 0; i < 8; i++)
		add_node()->max_sessions = 100000;
	ck_assert_int_le(excess("two-choices", 1, 8000), 8);
	ck_assert_int_ge(excess(NULL, 1, 8000), 20);
}
END_TEST

START_TEST(test_carrier_of_the_channel_takes_the_client_though_others_are_idle)
{
	use("channel-affinity");
	for (int i = 0; i < 4; i++)
		add_node()->max_sessions = 100;
	set_path(7);
	for (int i = 1; i < 3; i++) {
		struct announce *n = &snap->node[i].said;

		n->channels = 1;
		n->channel[0] = announce_channel(q.path);
	}
	snap->node[1].said.sessions = 50;
	snap->node[2].said.sessions = 70;
	ck_assert_int_eq(chosen(), 1);
	snap->node[1].said.sessions = 78;
	ck_assert_int_eq(chosen(), 2);
	/* Past the limit both: an idle one begins to carry it. */
	snap->node[1].said.sessions = 81;
	snap->node[2].said.sessions = 87;
	ck_assert(chosen() == 0 || chosen() == 3);
	snap->node[0].said.sessions = snap->node[3].said.sessions = 90;
	ck_assert_int_eq(chosen(), 1); /* the least loaded of all */
}
END_TEST

START_TEST(test_new_carrier_is_none_that_is_past_the_limit)
{
	use("channel-affinity");
	for (int i = 0; i < 8; i++)
		add_node()->max_sessions = 100;
	for (int i = 0; i < 7; i++)
		snap->node[i].said.sessions = 85; /* the bound is above that */
	for (int channel = 0; channel < 50; channel++) {
		set_path(channel);
		ck_assert_int_eq(chosen(), 7);
	}
}
END_TEST

START_TEST(test_clients_of_ipv6_have_their_orders_too)
{
	int count[4] = {0};

	use("weighted");
	for (int i = 0; i < 4; i++)
		add_node();
	q.client = literal("2001:db8::1");
	for (int i = 0; i < 1000; i++) {
		q.client.in6.sin6_addr.s6_addr[14] = (uint8_t)(i >> 8);
		q.client.in6.sin6_addr.s6_addr[15] = (uint8_t)i;
		count[chosen()]++;
	}
	for (int i = 0; i < 4; i++) {
		ck_assert_int_ge(count[i], 190);
		ck_assert_int_le(count[i], 310);
	}
}
END_TEST

START_TEST(test_clients_of_a_channel_that_nobody_carries_go_to_one_node)
{
	int used[MAX_NODES] = {0}, nodes = 0;

	use("channel-affinity");
	for (int i = 0; i < 8; i++)
		add_node()->max_sessions = 1000;
	for (int channel = 0; channel < 100; channel++) {
		int at;

		set_path(channel);
		at = chosen();
		for (uint32_t i = 0; i < 20; i++) {
			set_client(i);
			ck_assert_int_eq(chosen(), at);
		}
		nodes += !used[at]++;
	}
	ck_assert_int_eq(nodes, 8); /* the channels spread */
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("policy");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_policies_have_names_and_are_found_by_them);
	tcase_add_loop_test(t, test_no_policy_breaks_the_common_rules, 0, 5);
	tcase_add_loop_test(t, test_weight_nought_is_the_last_resort_of_every_policy, 0, 5);
	tcase_add_test(t, test_weighted_shares_clients_out_by_weight_whatever_the_load);
	tcase_add_loop_test(t, test_node_that_comes_or_goes_moves_only_its_share, 0, 2);
	tcase_add_loop_test(t, test_consistent_hashing_keeps_every_node_within_the_bound, 0, 4);
	tcase_add_test(t, test_object_stays_where_it_is_while_the_load_allows);
	tcase_add_test(t, test_two_choices_draws_the_client_and_its_port);
	tcase_add_test(t, test_two_choices_are_two);
	tcase_add_test(t, test_new_carrier_is_none_that_is_past_the_limit);
	tcase_add_test(t, test_clients_of_ipv6_have_their_orders_too);
	tcase_add_loop_test(t, test_two_choices_are_far_more_even_than_one, 0, 5);
	tcase_add_test(t, test_carrier_of_the_channel_takes_the_client_though_others_are_idle);
	tcase_add_test(t, test_clients_of_a_channel_that_nobody_carries_go_to_one_node);
	return run_case("policy", t);
}
