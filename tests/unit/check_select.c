/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which node a client is sent to. */
#include "arn/select.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "arn/policy.h"
#include "lib/text.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define MAX_NODES 12

static struct snapshot *snap;
static struct select_query q;

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
	const struct snapshot_node *n = select_node(snap, &q).node;

	return n ? n->said.id : "none";
}

/* How many of `clients` are sent to each node. */
static void spread(int clients, int count[MAX_NODES])
{
	memset(count, 0, MAX_NODES * sizeof(*count));
	for (int i = 0; i < clients; i++) {
		set_client((uint32_t)i);
		count[select_node(snap, &q).node - snap->node]++;
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

/* n sessions of kbps each are reserved at the node. */
static void reserve(int at, int n, uint64_t kbps)
{
	struct snapshot_node *node = &snap->node[at];
	const struct reservation all = {RESERVE_MAX_SESSIONS, RESERVE_MAX_KBPS};

	if (!node->reserved)
		node->reserved = reserve_counter_new();
	for (int i = 0; i < n; i++)
		ck_assert(reserve_take(
			node->reserved, node->over, &(struct reservation){1, kbps}, &all));
}

START_TEST(test_reservations_count_as_sessions)
{
	add_node("a", "10.0.0.1")->max_sessions = 100;
	add_node("b", "10.0.0.2")->max_sessions = 100;
	snap->node[1].said.sessions = 20;
	ck_assert_str_eq(chosen(), "a");
	reserve(0, 50, 0);
	ck_assert_str_eq(chosen(), "b");
	reserve(1, 80, 0);
	ck_assert_str_eq(chosen(), "a");
	reserve(0, 50, 0);
	ck_assert_str_eq(chosen(), "none");
	/* An announcement that has consumed them makes the same of them. */
	snap->node[0].over = 100;
	ck_assert_str_eq(chosen(), "a");
	snap->node[0].said.sessions = 100;
	ck_assert_str_eq(chosen(), "none");
	ck_assert_int_eq(select_node(snap, &q).full, 2);
}
END_TEST

START_TEST(test_reservation_is_refused_once_the_room_is_taken)
{
	struct select_choice c;
	int taken = 0;

	add_node("a", "10.0.0.1")->max_sessions = 10;
	reserve(0, 3, 0);
	c = select_node(snap, &q);
	while (reserve_take(c.node->reserved, c.node->over, &c.need, &c.room))
		taken++;
	ck_assert_int_eq(taken, 7);
}
END_TEST

START_TEST(test_bit_rate_of_a_session_is_the_channels_then_the_nodes_then_the_mean)
{
	struct announce *a = add_node("a", "10.0.0.1"), *b = add_node("b", "10.0.0.2");

	a->max_kbps = b->max_kbps = 100000;
	snap->select.session_kbps = 1500;
	q.path = SLICE("/news");
	ck_assert_uint_eq(select_node(snap, &q).need.kbps, 1500);
	b->draining = true;
	b->sessions = 4;
	b->kbps = 12000;
	ck_assert_uint_eq(select_node(snap, &q).need.kbps, 3000);
	a->sessions = 2;
	a->kbps = 8000;
	ck_assert_uint_eq(select_node(snap, &q).need.kbps, 4000);
	b->channels = 1;
	b->channel[0] = announce_channel(SLICE("/news"));
	b->channel_kbps[0] = 700;
	ck_assert_uint_eq(select_node(snap, &q).need.kbps, 700);
	q.path = SLICE("/other");
	ck_assert_uint_eq(select_node(snap, &q).need.kbps, 4000);
}
END_TEST

START_TEST(test_node_is_full_when_a_session_more_would_pass_its_bit_rate)
{
	struct announce *n = add_node("a", "10.0.0.1");

	n->max_kbps = 10000;
	n->sessions = 4;
	n->kbps = 8000;
	ck_assert_str_eq(chosen(), "a");
	reserve(0, 1, 2000);
	ck_assert_str_eq(chosen(), "none");
	n->kbps = 6000; /* and so a session takes 1500 */
	ck_assert_str_eq(chosen(), "a");
	/* HTTP attaches nowhere: it gets what there is. */
	q.service = SERVICE_HTTP;
	n->kbps = 9999;
	ck_assert_str_eq(chosen(), "a");
	n->kbps = 10000;
	ck_assert_str_eq(chosen(), "none");
}
END_TEST

START_TEST(test_idle_node_takes_one_session_whatever_it_is_said_to_need)
{
	struct select_choice c;

	add_node("a", "10.0.0.1")->max_kbps = 1000;
	snap->select.session_kbps = 2000;
	reserve(0, 0, 0);
	c = select_node(snap, &q);
	ck_assert_ptr_nonnull(c.node);
	ck_assert(reserve_take(c.node->reserved, c.node->over, &c.need, &c.room));
	ck_assert(!reserve_take(c.node->reserved, c.node->over, &c.need, &c.room));
	ck_assert_str_eq(chosen(), "none");
}
END_TEST

START_TEST(test_active_arns_share_the_room_and_leave_none)
{
	add_node("a", "10.0.0.1")->max_sessions = 20;
	snap->node[0].said.sessions = 9;
	for (unsigned arns = 1; arns <= 13; arns++) {
		uint32_t all = 0;

		for (unsigned turn = 0; turn < arns; turn++) {
			snap->select.arns = arns;
			snap->select.turn = turn;
			all += select_node(snap, &q).room.sessions;
		}
		ck_assert_uint_eq(all, 11);
	}
}
END_TEST

START_TEST(test_one_of_several_arns_counts_its_reservations_for_all)
{
	struct select_verdict v[MAX_NODES];

	add_node("a", "10.0.0.1")->max_sessions = 100;
	reserve(0, 10, 0);
	select_explain(snap, &q, v);
	ck_assert(v[0].load > 0.0999 && v[0].load < 0.1001);
	snap->select.arns = 3;
	select_explain(snap, &q, v);
	ck_assert(v[0].load > 0.2999 && v[0].load < 0.3001);
	ck_assert_uint_eq(v[0].room.sessions, 34);
}
END_TEST

START_TEST(test_explanation_puts_all_that_are_not_out_in_order)
{
	struct select_verdict v[MAX_NODES];

	add_node("ill", "10.0.0.1")->healthy = false;
	add_node("busy", "10.0.0.2")->sessions = 500;
	add_node("idle", "10.0.0.3");
	add_node("out", "10.0.0.4")->draining = true;
	select_explain(snap, &q, v);
	ck_assert_int_eq(v[0].place, 3);
	ck_assert_int_eq(v[1].place, 2);
	ck_assert_int_eq(v[2].place, 1);
	ck_assert_int_eq(v[3].place, 0);
	ck_assert_str_eq(v[2].by, "least loaded");
	ck_assert_str_eq(v[3].excluded, "draining");
}
END_TEST

START_TEST(test_policy_is_the_querys_or_else_the_services)
{
	ck_assert_str_eq(select_policy_of(snap, &q)->name, "least-loaded");
	snap->select.policy[TEXT_RTSP] = policy_find(SLICE("weighted"));
	snap->select.policy[TEXT_HTTP] = policy_find(SLICE("consistent-hash"));
	ck_assert_str_eq(select_policy_of(snap, &q)->name, "weighted");
	q.service = SERVICE_HTTP;
	ck_assert_str_eq(select_policy_of(snap, &q)->name, "consistent-hash");
	q.policy = policy_find(SLICE("two-choices"));
	ck_assert_str_eq(select_policy_of(snap, &q)->name, "two-choices");
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

/* ---- far nodes (row H1) ---- */

static struct announce *add_far(const char *id, const char *address, unsigned rtt_ms)
{
	struct announce *n = add_node(id, address);
	struct snapshot_node *far = &snap->node[snap->nodes - 1];

	far->far = true;
	far->distance = 1;
	far->rtt_us = rtt_ms * 1000;
	if (far->rtt_us && (!snap->least_rtt_us || far->rtt_us < snap->least_rtt_us))
		snap->least_rtt_us = far->rtt_us;
	return n;
}

START_TEST(test_clients_go_far_only_when_no_node_at_home_has_room)
{
	struct announce *home = add_node("home", "10.0.0.1");

	add_far("far", "10.4.0.1", 20);
	home->max_sessions = 10;
	home->sessions = 9;
	ck_assert_str_eq(chosen(), "home");
	home->sessions = 10;
	ck_assert_str_eq(chosen(), "far");
	home->sessions = 9; /* and home again */
	ck_assert_str_eq(chosen(), "home");
	home->draining = true;
	ck_assert_str_eq(chosen(), "far");
}
END_TEST

/* From the best rank to the worst: each is chosen when the better ones are gone. */
START_TEST(test_a_far_node_stands_between_one_in_doubt_and_one_that_is_avoided)
{
	add_node("home", "10.0.0.1");
	add_node("in-quarantine", "10.0.0.2");
	snap->node[1].health.of[TEXT_RTSP].verdict = HEALTH_QUARANTINED;
	add_far("far", "10.4.0.1", 20);
	add_far("far-in-doubt", "10.4.0.2", 5);
	snap->node[3].health.of[TEXT_RTSP].verdict = HEALTH_UNKNOWN;
	add_node("avoided", "10.0.0.3");
	add_far("far-avoided", "10.4.0.3", 5);
	add_node("ill", "10.0.0.4")->healthy = false;
	add_far("far-ill", "10.4.0.4", 5)->healthy = false;
	add_node("other-family", "2001:db8::1");
	q.avoid[q.avoids++] = SLICE("avoided");
	q.avoid[q.avoids++] = SLICE("far-avoided");
	for (int i = 0; i < snap->nodes; i++) {
		ck_assert_str_eq(chosen(), snap->node[i].said.id);
		snap->node[i].said.draining = true;
	}
	ck_assert_str_eq(chosen(), "none");
}
END_TEST

START_TEST(test_of_far_nodes_latency_and_load_decide)
{
	struct announce *near = add_far("near", "10.4.0.1", 10);

	add_far("farther", "10.4.0.2", 40);
	/* 30 ms more count as three tenths of the load. */
	snap->select.latency_cost = 0.1;
	ck_assert_str_eq(chosen(), "near");
	near->sessions = 200; /* of 1000 */
	ck_assert_str_eq(chosen(), "near");
	near->sessions = 400;
	ck_assert_str_eq(chosen(), "farther");
	/* A node at home is not measured by it. */
	snap->select.latency_cost = 0;
	near->sessions = 100;
	ck_assert_str_eq(chosen(), "farther");
}
END_TEST

START_TEST(test_a_far_node_keeps_room_for_its_own_clients)
{
	struct announce *far = add_far("far", "10.4.0.1", 10), *home;
	struct select_choice c;

	snap->select.far_share = 0.8;
	far->max_sessions = 100;
	far->sessions = 70;
	c = select_node(snap, &q);
	ck_assert_ptr_nonnull(c.node);
	ck_assert_uint_eq(c.room.sessions, 10);
	far->sessions = 80;
	c = select_node(snap, &q);
	ck_assert_ptr_null(c.node);
	ck_assert_int_eq(c.full, 1);
	far->sessions = 0;
	far->max_kbps = 10000;
	far->kbps = 8000;
	ck_assert_str_eq(chosen(), "none");
	/* Of a node at home all is used. */
	home = add_node("home", "10.0.0.1");
	home->max_sessions = 100;
	home->sessions = 99;
	ck_assert_str_eq(chosen(), "home");
	/* And of one of a single place that one. */
	home->draining = true;
	far->max_kbps = 0;
	far->max_sessions = 1;
	ck_assert_str_eq(chosen(), "far");
}
END_TEST

/* F4: it had no room for this channel on the way to it. */
START_TEST(test_who_refuses_the_channel_stands_behind_who_does_not)
{
	struct announce *full = add_node("full", "10.0.0.1");

	add_node("other", "10.0.0.2")->sessions = 900;
	q.path = SLICE("/sport");
	ck_assert_str_eq(chosen(), "full");
	full->refuses[full->refused++] = announce_channel(SLICE("/sport"));
	ck_assert_str_eq(chosen(), "other");
	q.path = SLICE("/news");
	ck_assert_str_eq(chosen(), "full");
	q.path = SLICE("/sport");
	snap->node[1].said.draining = true;
	ck_assert_str_eq(chosen(), "full");
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

START_TEST(test_nobody_is_sent_to_an_ill_node_while_a_healthy_one_is_only_full)
{
	struct announce *good = add_node("good", "10.0.0.1");
	struct select_verdict v[MAX_NODES];

	add_node("ill", "10.0.0.2")->healthy = false;
	good->max_sessions = good->sessions = 10;
	ck_assert_str_eq(chosen(), "none");
	ck_assert_int_eq(select_node(snap, &q).full, 1);
	select_explain(snap, &q, v);
	ck_assert_str_eq(v[1].excluded, "not healthy, and others are only full");
	/* One that drains, is ill too, or of another family, proves nothing. */
	good->draining = true;
	ck_assert_str_eq(chosen(), "ill");
	good->draining = false;
	good->healthy = false;
	ck_assert_str_eq(chosen(), "ill");
	good->healthy = true;
	good->addr = literal("2001:db8::1");
	ck_assert_str_eq(chosen(), "ill");
	/* But who is avoided is not ill. */
	good->addr = literal("10.0.0.1");
	add_node("avoided", "10.0.0.3");
	q.avoid[q.avoids++] = SLICE("avoided");
	ck_assert_str_eq(chosen(), "avoided");
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
		n = select_node(snap, &q).node;
		addr_set_port(&q.client, (uint16_t)(1000 + i));
		ck_assert_ptr_eq(select_node(snap, &q).node, n);
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
		before[i] = select_node(snap, &q).node;
	}
	snap->node[2].said.draining = true;
	for (uint32_t i = 0; i < 500; i++) {
		set_client(i);
		if (before[i] == &snap->node[2])
			ck_assert_ptr_ne(select_node(snap, &q).node, before[i]);
		else
			ck_assert_ptr_eq(select_node(snap, &q).node, before[i]);
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
		struct select_verdict v[MAX_NODES], mine = {0};

		snap->nodes = (int)(random() % (MAX_NODES + 1));
		for (int i = 0; i < snap->nodes; i++)
			scramble(&snap->node[i].said);
		set_client((uint32_t)random() % 1000);
		q.avoids = (int)(random() % 2);
		q.avoid[0] = SLICE("10.0.0.2");
		n = select_node(snap, &q).node;
		ck_assert_ptr_eq(n, select_node(snap, &q).node);
		select_explain(snap, &q, v);
		if (n) {
			mine = v[n - snap->node];
			ck_assert_ptr_null(mine.excluded);
			ck_assert_int_eq(mine.place, 1);
		}
		for (int i = 0; i < snap->nodes; i++) {
			if (v[i].excluded)
				continue;
			ck_assert_ptr_nonnull(n);
			ck_assert_int_le(mine.rank, v[i].rank);
			if (mine.rank == v[i].rank)
				ck_assert(mine.load <= v[i].load + POLICY_BAND);
		}
	}
}
END_TEST

/* ---- the group nearest to the client (row H9) ---- */

static struct announce *add_at(const char *id, const char *address, bool far, const char *place)
{
	struct announce *n = add_node(id, address);

	snap->node[snap->nodes - 1].far = far;
	snprintf(n->place, sizeof(n->place), "%s", place);
	return n;
}

static const char *chosen_for(const char *region)
{
	q.region = region;
	return chosen();
}

START_TEST(test_a_client_is_sent_to_the_group_nearest_to_it)
{
	add_at("home", "10.0.0.1", false, "sanjose.california.usa");
	add_at("orlando", "10.0.0.2", true, "orlando.florida.usa")->sessions = 500;
	add_at("seattle", "10.0.0.3", true, "seattle.washington.usa");
	add_at("rome", "10.0.0.4", true, "rome.italy");
	ck_assert_str_eq(chosen_for(NULL), "home");
	ck_assert_str_eq(chosen_for(""), "home");
	ck_assert_str_eq(chosen_for("sanjose.california.usa"), "home");
	ck_assert_str_eq(chosen_for("orlando.florida.usa"), "orlando");
	/* A place that has no node: one that is most like it. */
	ck_assert_str_eq(chosen_for("miami.florida.usa"), "orlando");
	ck_assert_str_eq(chosen_for("milan.italy"), "rome");
	/* All are equally near, or far: home goes first. */
	ck_assert_str_eq(chosen_for("austin.texas.usa"), "home");
	ck_assert_str_eq(chosen_for("tokyo.japan"), "home");
}
END_TEST

START_TEST(test_own_nodes_that_say_no_place_are_where_the_arn_is)
{
	add_at("home", "10.0.0.1", false, "");
	add_at("rome", "10.0.0.2", true, "rome.italy");
	add_at("unknown", "10.0.0.3", true, "");
	ck_assert_str_eq(chosen_for("rome.italy"), "rome");
	ck_assert_str_eq(chosen_for("sanjose.usa"), "rome"); /* it is not known where home is */
	snprintf(snap->place, sizeof(snap->place), "sanjose.usa");
	ck_assert_str_eq(chosen_for("sanjose.usa"), "home");
	/* Without any place nothing is nearer. */
	snap->nodes = 1;
	*snap->place = '\0';
	ck_assert_str_eq(chosen_for("rome.italy"), "home");
}
END_TEST

START_TEST(test_when_the_nearest_group_is_full_the_next_nearest_has_the_client)
{
	struct announce *rome, *milan;

	add_at("home", "10.0.0.1", false, "sanjose.usa");
	rome = add_at("rome", "10.0.0.2", true, "rome.italy.europe");
	milan = add_at("milan", "10.0.0.3", true, "milan.italy.europe");
	add_at("paris", "10.0.0.4", true, "paris.france.europe");
	rome->max_sessions = milan->max_sessions = 10;
	ck_assert_str_eq(chosen_for("rome.italy.europe"), "rome");
	rome->sessions = 10;
	ck_assert_str_eq(chosen_for("rome.italy.europe"), "milan");
	milan->healthy = false;
	ck_assert_str_eq(chosen_for("rome.italy.europe"), "paris");
	q.avoid[q.avoids++] = SLICE("paris");
	ck_assert_str_eq(chosen_for("rome.italy.europe"), "home");
}
END_TEST

START_TEST(test_within_a_group_the_round_trip_from_the_arn_does_not_matter)
{
	add_at("home", "10.0.0.1", false, "sanjose.usa");
	add_at("rome1", "10.0.0.2", true, "rome.italy")->sessions = 300;
	add_at("rome2", "10.0.0.3", true, "rome.italy")->sessions = 100;
	snap->node[1].rtt_us = 10000;
	snap->node[2].rtt_us = 90000;
	snap->least_rtt_us = 10000;
	snap->select.latency_cost = 0.1;
	ck_assert_str_eq(chosen_for("rome.italy"), "rome2");
}
END_TEST

START_TEST(test_what_is_explained_is_what_is_chosen_for_a_region)
{
	struct select_verdict v[MAX_NODES];

	add_at("home", "10.0.0.1", false, "sanjose.usa");
	add_at("rome", "10.0.0.2", true, "rome.italy");
	q.region = "rome.italy";
	select_explain(snap, &q, v);
	ck_assert_int_eq(v[1].place, 1);
	ck_assert(!v[1].far && v[0].far);
	ck_assert_int_eq(v[1].levels, 0);
	ck_assert_int_eq(v[0].levels, 2);
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
	tcase_add_test(t, test_reservations_count_as_sessions);
	tcase_add_test(t, test_reservation_is_refused_once_the_room_is_taken);
	tcase_add_test(t, test_bit_rate_of_a_session_is_the_channels_then_the_nodes_then_the_mean);
	tcase_add_test(t, test_node_is_full_when_a_session_more_would_pass_its_bit_rate);
	tcase_add_test(t, test_idle_node_takes_one_session_whatever_it_is_said_to_need);
	tcase_add_test(t, test_active_arns_share_the_room_and_leave_none);
	tcase_add_test(t, test_one_of_several_arns_counts_its_reservations_for_all);
	tcase_add_test(t, test_explanation_puts_all_that_are_not_out_in_order);
	tcase_add_test(t, test_policy_is_the_querys_or_else_the_services);
	tcase_add_test(t, test_ranks_fail_open_one_after_the_other);
	tcase_add_test(t, test_clients_go_far_only_when_no_node_at_home_has_room);
	tcase_add_test(t, test_a_far_node_stands_between_one_in_doubt_and_one_that_is_avoided);
	tcase_add_test(t, test_of_far_nodes_latency_and_load_decide);
	tcase_add_test(t, test_a_far_node_keeps_room_for_its_own_clients);
	tcase_add_test(t, test_who_refuses_the_channel_stands_behind_who_does_not);
	tcase_add_test(t, test_broken_quarantined_and_unknown_services_stand_behind_and_fail_open);
	tcase_add_test(t, test_service_is_judged_by_the_protocol_that_is_asked_for);
	tcase_add_test(t, test_anticipated_delay_counts_as_load_and_that_of_a_lan_does_not);
	tcase_add_test(t, test_nobody_is_sent_to_an_ill_node_while_a_healthy_one_is_only_full);
	tcase_add_test(t, test_avoid_list_takes_addresses_in_any_spelling);
	tcase_add_test(t, test_idle_nodes_share_new_clients_by_weight);
	tcase_add_test(t, test_nodes_within_the_band_are_equals);
	tcase_add_test(t, test_port_of_the_client_does_not_matter);
	tcase_add_test(t, test_node_that_goes_moves_only_its_own_clients);
	tcase_add_loop_test(t, test_no_set_of_nodes_breaks_the_rules, 0, 10);
	tcase_add_test(t, test_a_client_is_sent_to_the_group_nearest_to_it);
	tcase_add_test(t, test_own_nodes_that_say_no_place_are_where_the_arn_is);
	tcase_add_test(t, test_when_the_nearest_group_is_full_the_next_nearest_has_the_client);
	tcase_add_test(t, test_within_a_group_the_round_trip_from_the_arn_does_not_matter);
	tcase_add_test(t, test_what_is_explained_is_what_is_chosen_for_a_region);
	return run_case("select", t);
}
