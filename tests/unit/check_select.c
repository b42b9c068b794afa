/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which node a client is sent to. */
#include "arn/select.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define MAX_NODES 12

static struct snapshot *snap;
static struct select_query q;

static struct addr literal(const char *s)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(&a, slice_of(s), 0), 0);
	return a;
}

static struct announce *add_node(const char *id, const char *address)
{
	struct announce *n = &snap->node[snap->nodes++].said;

	ck_assert_int_le(snap->nodes, MAX_NODES);
	*n = (struct announce){.role = ROLE_SN,
		.addr = literal(address),
		.rtsp_port = 554,
		.http_port = 80,
		.healthy = true,
		.weight = 100};
	snprintf(n->id, sizeof(n->id), "%s", id);
	return n;
}

static void setup(void)
{
	snap = snapshot_new(MAX_NODES);
	ck_assert_ptr_nonnull(snap);
	q = (struct select_query){.service = SERVICE_RTSP, .client = literal("192.0.2.1")};
}

static void teardown(void)
{
	snapshot_unref(snap);
}

static void set_client(uint32_t i)
{
	q.client.in.sin_addr.s_addr = htonl(0xc6120000u + i); /* 198.18.0.0/15, RFC 2544 */
}

static const char *chosen(void)
{
	const struct snapshot_node *n = select_node(snap, &q);

	return n ? n->said.id : "none";
}

/* How many of `clients` are sent to each node. */
static void spread(int clients, int count[MAX_NODES])
{
	memset(count, 0, MAX_NODES * sizeof(*count));
	for (int i = 0; i < clients; i++) {
		set_client((uint32_t)i);
		count[select_node(snap, &q) - snap->node]++;
	}
}

START_TEST(test_nobody_is_chosen_from_nobody)
{
	ck_assert_str_eq(chosen(), "none");
}
END_TEST

START_TEST(test_least_loaded_node_wins)
{
	add_node("a", "10.0.0.1")->sessions = 500;
	add_node("b", "10.0.0.2")->sessions = 100;
	add_node("c", "10.0.0.3")->sessions = 900;
	ck_assert_str_eq(chosen(), "b");
}
END_TEST

START_TEST(test_load_is_relative_to_capacity)
{
	struct announce *small = add_node("small", "10.0.0.1"), *big = add_node("big", "10.0.0.2");

	small->sessions = 60;
	small->max_sessions = 100;
	big->sessions = 2000;
	big->max_sessions = 10000;
	ck_assert_str_eq(chosen(), "big");
	big->kbps = 900000;
	big->max_kbps = 1000000;
	ck_assert_str_eq(chosen(), "small");
}
END_TEST

START_TEST(test_load_is_relative_to_weight)
{
	add_node("a", "10.0.0.1")->sessions = 400;
	add_node("b", "10.0.0.2")->sessions = 600;
	ck_assert_str_eq(chosen(), "a");
	snap->node[1].said.weight = 300;
	ck_assert_str_eq(chosen(), "b");
}
END_TEST

START_TEST(test_weight_nought_is_the_last_resort)
{
	add_node("a", "10.0.0.1")->weight = 0;
	ck_assert_str_eq(chosen(), "a");
	add_node("b", "10.0.0.2")->sessions = 5000;
	ck_assert_str_eq(chosen(), "b");
}
END_TEST

START_TEST(test_full_and_draining_nodes_and_those_without_the_service_are_out)
{
	struct announce *n = add_node("a", "10.0.0.1");

	n->max_sessions = 10;
	n->sessions = 9;
	ck_assert_str_eq(chosen(), "a");
	n->sessions = 10;
	ck_assert_str_eq(chosen(), "none");
	n->sessions = 0;
	n->max_kbps = n->kbps = 1000;
	ck_assert_str_eq(chosen(), "none");
	n->kbps = 0;
	n->draining = true;
	ck_assert_str_eq(chosen(), "none");
	n->draining = false;
	n->rtsp_port = 0;
	ck_assert_str_eq(chosen(), "none");
	q.service = SERVICE_HTTP;
	ck_assert_str_eq(chosen(), "a");
}
END_TEST

START_TEST(test_ranks_fail_open_one_after_the_other)
{
	/* From the best rank to the worst; each is chosen when the better ones are gone. */
	add_node("good", "10.0.0.1")->sessions = 999;
	add_node("avoided", "10.0.0.2");
	add_node("ill", "10.0.0.3")->healthy = false;
	add_node("avoided-and-ill", "10.0.0.4")->healthy = false;
	add_node("far", "2001:db8::1");
	add_node("far-ill", "2001:db8::2")->healthy = false;
	q.avoid[q.avoids++] = SLICE("10.0.0.2");
	q.avoid[q.avoids++] = SLICE("Avoided-And-Ill");
	for (int i = 0; i < snap->nodes; i++) {
		ck_assert_str_eq(chosen(), snap->node[i].said.id);
		snap->node[i].said.draining = true;
	}
	ck_assert_str_eq(chosen(), "none");
}
END_TEST

/* C4: what the ARN has found of the service itself. */
START_TEST(test_broken_quarantined_and_unknown_services_stand_behind_and_fail_open)
{
	static const enum health_verdict found[] = {
		HEALTH_WORKS, HEALTH_QUARANTINED, HEALTH_UNKNOWN, HEALTH_WORKS, HEALTH_BROKEN};

	add_node("a-works", "10.0.0.1")->sessions = 999;
	add_node("b-quarantined", "10.0.0.2")->sessions = 1;
	add_node("c-unknown", "10.0.0.3")->sessions = 900;
	add_node("d-avoided", "10.0.0.4");
	add_node("e-broken", "10.0.0.5");
	q.avoid[q.avoids++] = SLICE("d-avoided");
	for (int i = 0; i < snap->nodes; i++) {
		snap->node[i].health.of[TEXT_RTSP].verdict = found[i];
		snap->node[i].health.of[TEXT_HTTP].verdict = HEALTH_BROKEN;
	}
	for (int i = 0; i < snap->nodes; i++) {
		ck_assert_str_eq(chosen(), snap->node[i].said.id);
		snap->node[i].said.draining = true;
	}
}
END_TEST

START_TEST(test_service_is_judged_by_the_protocol_that_is_asked_for)
{
	add_node("a", "10.0.0.1")->http_port = 80;
	add_node("b", "10.0.0.2")->http_port = 80;
	snap->node[0].health.of[TEXT_HTTP].verdict = HEALTH_BROKEN;
	snap->node[1].health.of[TEXT_RTSP].verdict = HEALTH_BROKEN;
	ck_assert_str_eq(chosen(), "a");
	q.service = SERVICE_HTTP;
	ck_assert_str_eq(chosen(), "b");
}
END_TEST

START_TEST(test_anticipated_delay_counts_as_load_and_that_of_a_lan_does_not)
{
	int count[MAX_NODES];

	add_node("a", "10.0.0.1");
	add_node("b", "10.0.0.2");
	snap->node[0].health.of[TEXT_RTSP].delay_us = 49000;
	spread(1000, count);
	ck_assert_int_ge(count[0], 400);
	snap->node[0].health.of[TEXT_RTSP].delay_us = 350000;
	spread(1000, count);
	ck_assert_int_eq(count[0], 0);
	snap->node[1].said.sessions = 400; /* of SELECT_NOMINAL: busier than the other is slow */
	spread(1000, count);
	ck_assert_int_eq(count[1], 0);
}
END_TEST

START_TEST(test_avoid_list_takes_addresses_in_any_spelling)
{
	add_node("a", "2001:db8::1");
	add_node("b", "2001:db8::2");
	q.client = literal("2001:db8:9::9");
	q.avoids = 1;
	q.avoid[0] = SLICE("[2001:db8:0:0::1]");
	ck_assert_str_eq(chosen(), "b");
	q.avoid[0] = SLICE("2001:db8::2");
	ck_assert_str_eq(chosen(), "a");
	q.avoid[0] = SLICE("not an address");
	ck_assert_str_ne(chosen(), "none");
}
END_TEST

START_TEST(test_idle_nodes_share_new_clients_by_weight)
{
	int count[MAX_NODES];

	add_node("a", "10.0.0.1");
	add_node("b", "10.0.0.2");
	add_node("c", "10.0.0.3")->weight = 200;
	spread(4000, count);
	ck_assert_int_ge(count[0], 800);
	ck_assert_int_le(count[0], 1200);
	ck_assert_int_ge(count[1], 800);
	ck_assert_int_le(count[1], 1200);
	ck_assert_int_ge(count[2], 1700);
	ck_assert_int_le(count[2], 2300);
}
END_TEST

START_TEST(test_nodes_within_the_band_are_equals)
{
	int count[MAX_NODES];

	add_node("a", "10.0.0.1")->sessions = 100;
	add_node("b", "10.0.0.2")->sessions = 149;
	spread(1000, count);
	ck_assert_int_ge(count[1], 350);
	snap->node[1].said.sessions = 151;
	spread(1000, count);
	ck_assert_int_eq(count[1], 0);
}
END_TEST

START_TEST(test_port_of_the_client_does_not_matter)
{
	add_node("a", "10.0.0.1");
	add_node("b", "10.0.0.2");
	for (uint32_t i = 0; i < 100; i++) {
		const struct snapshot_node *n;

		set_client(i);
		n = select_node(snap, &q);
		addr_set_port(&q.client, (uint16_t)(1000 + i));
		ck_assert_ptr_eq(select_node(snap, &q), n);
	}
}
END_TEST

START_TEST(test_node_that_goes_moves_only_its_own_clients)
{
	const struct snapshot_node *before[500];

	for (int i = 0; i < 5; i++) {
		char id[8], address[16];

		snprintf(id, sizeof(id), "n%d", i);
		snprintf(address, sizeof(address), "10.0.0.%d", i + 1);
		add_node(id, address);
	}
	for (uint32_t i = 0; i < 500; i++) {
		set_client(i);
		before[i] = select_node(snap, &q);
	}
	snap->node[2].said.draining = true;
	for (uint32_t i = 0; i < 500; i++) {
		set_client(i);
		if (before[i] == &snap->node[2])
			ck_assert_ptr_ne(select_node(snap, &q), before[i]);
		else
			ck_assert_ptr_eq(select_node(snap, &q), before[i]);
	}
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
}

/* Over random sets of nodes (the loop's index is the seed): the chosen node is never one that is
 * out, never of a worse rank or past the band of another, and somebody is chosen if anybody can. */
START_TEST(test_no_set_of_nodes_breaks_the_rules)
{
	srandom((unsigned)_i);
	for (int i = 0; i < MAX_NODES; i++) {
		char id[8], address[24];

		snprintf(id, sizeof(id), "n%d", i);
		snprintf(address, sizeof(address), i % 5 ? "10.0.0.%d" : "2001:db8::%d", i + 1);
		add_node(id, address);
	}
	for (int round = 0; round < 500; round++) {
		const struct snapshot_node *n;
		struct select_verdict mine, other;

		snap->nodes = (int)(random() % (MAX_NODES + 1));
		for (int i = 0; i < snap->nodes; i++)
			scramble(&snap->node[i].said);
		set_client((uint32_t)random() % 1000);
		q.avoids = (int)(random() % 2);
		q.avoid[0] = SLICE("10.0.0.2");
		n = select_node(snap, &q);
		ck_assert_ptr_eq(n, select_node(snap, &q));
		if (n) {
			select_judge(n, &q, &mine);
			ck_assert_ptr_null(mine.excluded);
		}
		for (int i = 0; i < snap->nodes; i++) {
			select_judge(&snap->node[i], &q, &other);
			if (other.excluded)
				continue;
			ck_assert_ptr_nonnull(n);
			ck_assert_int_le(mine.rank, other.rank);
			if (mine.rank == other.rank)
				ck_assert(mine.load <= other.load + SELECT_BAND);
		}
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("select");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_nobody_is_chosen_from_nobody);
	tcase_add_test(t, test_least_loaded_node_wins);
	tcase_add_test(t, test_load_is_relative_to_capacity);
	tcase_add_test(t, test_load_is_relative_to_weight);
	tcase_add_test(t, test_weight_nought_is_the_last_resort);
	tcase_add_test(t, test_full_and_draining_nodes_and_those_without_the_service_are_out);
	tcase_add_test(t, test_ranks_fail_open_one_after_the_other);
	tcase_add_test(t, test_broken_quarantined_and_unknown_services_stand_behind_and_fail_open);
	tcase_add_test(t, test_service_is_judged_by_the_protocol_that_is_asked_for);
	tcase_add_test(t, test_anticipated_delay_counts_as_load_and_that_of_a_lan_does_not);
	tcase_add_test(t, test_avoid_list_takes_addresses_in_any_spelling);
	tcase_add_test(t, test_idle_nodes_share_new_clients_by_weight);
	tcase_add_test(t, test_nodes_within_the_band_are_equals);
	tcase_add_test(t, test_port_of_the_client_does_not_matter);
	tcase_add_test(t, test_node_that_goes_moves_only_its_own_clients);
	tcase_add_loop_test(t, test_no_set_of_nodes_breaks_the_rules, 0, 10);
	return run_case("select", t);
}
