/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flooding (row H4), one ARN at a time: what it says of its nodes, what it believes and passes on, and the
 * message. Many of them are in check_flood_sim.c. */
#include "arn/flood.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define WALL     (1700000000 * NS_S)
#define INTERVAL (2 * NS_S)
#define LEAST    (500 * NS_MS)
#define LIFE     (5 * INTERVAL)

static struct flood *f;
static ns_t now;
static char
	said[32]
	    [1024]; /* what was sent: "LINK ORIGIN/PART seq+N hops H left MS: NODE=SESSIONS …" */
static int sent;
static uint64_t last_seq;
static char news[8][64]; /* "NODE=SESSIONS hops", "NODE gone" */
static int told;
static struct flood_conf conf = {.name = "me",
	.links = 3,
	.interval = INTERVAL,
	.min_interval = LEAST,
	.misses = 5,
	.hops = 4,
	.records = 4,
	.rate = 100,
	.change = 0.1,
	.skew = 5 * NS_S};

static void on_node(void *arg, const struct flood_news *n, ns_t at)
{
	(void)arg;
	(void)at;
	snprintf(news[told++ % 8], sizeof(news[0]), "%s=%u %u", n->said->id, n->said->sessions,
		n->hops);
}

static void on_gone(void *arg, const char *id, const struct addr *control, ns_t at)
{
	(void)arg;
	(void)at;
	ck_assert_int_eq(addr_port(control), 7702);
	snprintf(news[told++ % 8], sizeof(news[0]), "%s gone", id);
}

static void on_send(void *arg, int link, const uint8_t *payload, size_t n)
{
	struct flood_msg m;
	const char *why;
	char *at = said[sent++ % 32];

	(void)arg;
	ck_assert_uint_le(n, WIRE_MAX - WIRE_OVERHEAD);
	ck_assert_int_eq(flood_msg_decode(&m, payload, n, &why), 0);
	ck_assert_str_eq(m.from, "me");
	last_seq = m.seq;
	at += sprintf(
		at, "%d %s/%d hops %d left %d:", link, m.origin, m.part, m.hops, (int)m.left_ms);
	for (int i = 0; i < m.nodes; i++) {
		struct announce a;

		ck_assert_int_eq(
			announce_decode(&a, (const uint8_t *)m.node[i].p, m.node[i].n, &why), 0);
		ck_assert_int_eq(a.channels, 0);
		at += snprintf(at, 64, " %s=%u", a.id, a.sessions);
	}
}

static void run(void)
{
	sent = told = 0;
	flood_run(f, now, WALL + now, on_send, NULL);
	ck_assert_int_gt(flood_when(f), now);
}

/* Time goes by, and what is due is done when it is. */
static void pass(ns_t time)
{
	ns_t end = now + time;

	sent = told = 0;
	while (flood_when(f) <= end) {
		now = flood_when(f);
		flood_run(f, now, WALL + now, on_send, NULL);
		ck_assert_int_gt(flood_when(f), now);
	}
	now = end;
}

static void setup(void)
{
	static const struct flood_events events = {.node = on_node, .gone = on_gone};

	prefix_parse(&conf.block, SLICE("10.1.18.0/24"));
	now = 100 * NS_S;
	f = flood_new(&conf, &events, 1, now);
	ck_assert_ptr_nonnull(f);
	sent = told = 0;
}

static void teardown(void)
{
	flood_free(f);
}

static struct announce node(const char *id, uint32_t sessions)
{
	struct announce a = {.role = ROLE_SN,
		.healthy = true,
		.rtsp_port = 554,
		.control_port = 7702,
		.interval_ms = 200,
		.weight = 100,
		.sessions = sessions,
		.max_sessions = 100};

	snprintf(a.id, sizeof(a.id), "%s", id);
	addr_parse(&a.addr, SLICE("10.2.0.6"), 0);
	return a;
}

static void tell(const char *id, uint32_t sessions)
{
	struct announce a = node(id, sessions);
	const struct announce *list = &a;

	flood_tell(f, &list, 1, now);
}

/* What `origin` says of one node, as a neighbour passes it on. */
static int hear(int link, const char *from, const char *origin, uint64_t seq, int hops,
	const struct announce *a, const char **why)
{
	struct flood_msg m = {.seq = seq, .hops = (uint8_t)hops, .left_ms = LIFE / NS_MS};
	uint8_t buf[WIRE_MAX];

	snprintf(m.from, sizeof(m.from), "%s", from);
	snprintf(m.origin, sizeof(m.origin), "%s", origin);
	if (a) {
		int n = announce_encode(a, buf, sizeof(buf));

		ck_assert_int_gt(n, 0);
		m.node[m.nodes++] = (struct slice){(const char *)buf, (size_t)n};
	}
	return flood_hear(f, link, &m, now, WALL + now, why);
}

static int hear_node(int link, const char *origin, uint64_t seq, uint32_t sessions)
{
	struct announce a = node("far", sessions);
	const char *why;

	told = 0;
	return hear(link, "peer", origin, seq, 1, &a, &why);
}

START_TEST(test_own_nodes_are_told_to_every_neighbour_and_refreshed)
{
	run();
	ck_assert_int_eq(sent, 0);
	tell("n1", 10);
	run();
	ck_assert_int_eq(sent, 3);
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000: n1=10");
	ck_assert_str_eq(said[2], "2 me/0 hops 1 left 10000: n1=10");
	ck_assert_uint_eq(last_seq, (uint64_t)(WALL + now));
	pass(INTERVAL);
	ck_assert_int_eq(sent, 3);
	pass(10 * INTERVAL);
	ck_assert_int_ge(sent, 30);
	ck_assert_int_le(sent, 40 + 2);
}
END_TEST

START_TEST(test_what_changes_is_told_at_once_but_no_more_often_than_min_interval)
{
	tell("n1", 10);
	run();
	/* Within `change` it can wait. */
	pass(LEAST);
	tell("n1", 19);
	run();
	ck_assert_int_eq(sent, 0);
	tell("n1", 20);
	run();
	ck_assert_int_eq(sent, 3);
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000: n1=20");
	tell("n1", 90);
	run();
	ck_assert_int_eq(sent, 0);
	tell("n1", 50);
	pass(LEAST - NS_MS);
	ck_assert_int_eq(sent, 0);
	pass(NS_MS);
	ck_assert_int_eq(sent, 3);
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000: n1=50");
}
END_TEST

START_TEST(test_health_and_draining_are_told_at_once)
{
	struct announce a = node("n1", 10);
	const struct announce *list = &a;

	flood_tell(f, &list, 1, now);
	run();
	pass(LEAST);
	a.draining = true;
	flood_tell(f, &list, 1, now);
	run();
	ck_assert_int_eq(sent, 3);
	pass(LEAST);
	a.healthy = false;
	flood_tell(f, &list, 1, now);
	run();
	ck_assert_int_eq(sent, 3);
}
END_TEST

START_TEST(test_a_node_that_is_gone_is_told_until_nobody_can_think_it_is_there)
{
	tell("n1", 10);
	run();
	pass(LEAST);
	flood_tell(f, NULL, 0, now);
	run();
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000:");
	pass(LIFE);
	ck_assert_int_ge(sent, 3 * 4);
	pass(3 * LIFE);
	ck_assert_int_eq(sent, 0);
	ck_assert_int_eq(flood_when(f), NS_NEVER);
}
END_TEST

static void tell_all(const char *ids)
{
	struct announce a[8];
	const struct announce *list[8];
	int n = 0;

	for (; *ids; ids++, n++) {
		a[n] = node((const char[]){*ids, '\0'}, (uint32_t)*ids);
		a[n].channels = 1;
		a[n].channel[0] = 7;
		list[n] = &a[n];
	}
	flood_tell(f, list, n, now);
}

START_TEST(test_own_nodes_come_and_go_in_any_order)
{
	tell_all("d");
	run();
	pass(LEAST);
	tell_all("bd");
	run();
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000: b=98 d=100");
	pass(LEAST);
	tell_all("abcd");
	run();
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000: a=97 b=98 c=99 d=100");
	pass(LEAST);
	/* Who goes is told of at once, too; and that there is nobody. */
	tell_all("acd");
	run();
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000: a=97 c=99 d=100");
	pass(LEAST);
	tell_all("d");
	run();
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000: d=100");
	pass(LEAST);
	tell_all("");
	run();
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000:");
	ck_assert_uint_eq(flood_counters(f)->sent, 3 * flood_counters(f)->made);
	ck_assert_uint_ge(flood_counters(f)->made, 6);
}
END_TEST

START_TEST(test_as_many_neighbours_as_can_be_are_all_told)
{
	teardown();
	conf.links = FLOOD_LINKS;
	setup();
	conf.links = 3;
	tell("n1", 1);
	run();
	ck_assert_int_eq(sent, FLOOD_LINKS);
	hear_node(FLOOD_LINKS - 1, "o", 5, 1);
	run();
	ck_assert_int_eq(sent, FLOOD_LINKS - 1);
}
END_TEST

START_TEST(test_goodbye_does_not_wait)
{
	tell("n1", 10);
	run();
	now += NS_MS;
	flood_goodbye(f, now);
	run();
	ck_assert_int_eq(sent, 3);
	ck_assert_str_eq(said[0], "0 me/0 hops 1 left 10000:");
}
END_TEST

START_TEST(test_what_is_heard_is_passed_on_once_and_not_back)
{
	ck_assert_int_eq(hear_node(1, "other", 5, 30), 0);
	ck_assert_str_eq(news[0], "far=30 1");
	ck_assert_int_eq(flood_nodes(f), 1);
	run();
	ck_assert_int_eq(sent, 2);
	ck_assert_str_eq(said[0], "0 other/0 hops 2 left 9999: far=30");
	ck_assert_str_eq(said[1], "2 other/0 hops 2 left 9999: far=30");
	/* The same by another way, or older. */
	ck_assert_int_eq(hear_node(2, "other", 5, 30), 0);
	ck_assert_int_eq(hear_node(0, "other", 4, 99), 0);
	ck_assert_int_eq(told, 0);
	run();
	ck_assert_int_eq(sent, 0);
	ck_assert_uint_eq(flood_counters(f)->doubles, 2);
}
END_TEST

START_TEST(test_a_neighbour_that_has_it_already_is_not_sent_it)
{
	hear_node(1, "other", 5, 30);
	hear_node(2, "other", 5, 30);
	run();
	ck_assert_int_eq(sent, 1);
	ck_assert_int_eq(said[0][0], '0');
	/* A stranger who has the key: who it came from cannot be told. */
	now += LEAST;
	hear_node(-1, "other", 6, 30);
	run();
	ck_assert_int_eq(sent, 3);
}
END_TEST

START_TEST(test_of_an_origin_that_talks_too_much_the_newest_is_passed_on)
{
	hear_node(1, "other", 5, 30);
	run();
	for (uint32_t i = 6; i < 40; i++) {
		now += NS_MS;
		hear_node(1, "other", i, i);
		ck_assert_int_eq(told, 1); /* here it is known at once */
		run();
		ck_assert_int_eq(sent, 0);
	}
	pass(LEAST);
	ck_assert_int_eq(sent, 2);
	ck_assert_str_eq(strchr(said[0], ':'), ": far=39");
}
END_TEST

START_TEST(test_a_life_is_counted_down_on_the_way_and_ends)
{
	char *left;

	hear_node(1, "other", 5, 30);
	run();
	now += 100 * NS_MS;
	hear_node(1, "other", 6, 31);
	pass(LEAST); /* it has to wait 400 ms */
	left = strstr(said[0], "left ");
	ck_assert_int_eq(atoi(left + 5), 9599);
	pass(LIFE - LEAST - NS_MS);
	ck_assert_int_eq(told, 0);
	ck_assert_int_eq(flood_nodes(f), 1);
	pass(NS_MS);
	ck_assert_int_eq(told, 1);
	ck_assert_str_eq(news[0], "far gone");
	ck_assert_int_eq(flood_nodes(f), 0);
	/* A late copy revives nothing. */
	hear_node(2, "other", 6, 31);
	ck_assert_int_eq(flood_nodes(f), 0);
	pass(FLOOD_LINGER);
	ck_assert_int_eq(flood_when(f), NS_NEVER);
}
END_TEST

START_TEST(test_hops_are_bounded)
{
	struct announce a = node("far", 1);
	const char *why;

	ck_assert_int_eq(hear(1, "peer", "other", 5, 3, &a, &why), 0);
	run();
	ck_assert_int_eq(sent, 2);
	ck_assert_int_eq(hear(1, "peer", "third", 5, 4, &a, &why), 0);
	run();
	ck_assert_int_eq(sent, 0);
	ck_assert_int_eq(flood_records(f), 2);
}
END_TEST

START_TEST(test_what_cannot_be_is_refused_and_not_passed_on)
{
	struct announce a = node("far", 1), inside = a;
	uint64_t future = (uint64_t)(WALL + now + conf.skew);
	const char *why;

	addr_parse(&inside.addr, SLICE("10.1.18.27"), 0);
	ck_assert_int_eq(hear(1, "peer", "other", 5, 1, &inside, &why), -EINVAL);
	ck_assert_str_eq(why, "a node's address is inside the anycast block");
	ck_assert_int_eq(hear(1, "peer", "other", future + 1, 1, &a, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "future"));
	ck_assert_int_eq(hear(1, "me", "other", 5, 1, &a, &why), -EINVAL);
	ck_assert_int_eq(hear(1, "peer", "me", future + 1, 1, &a, &why), -EINVAL);
	ck_assert_uint_eq(flood_counters(f)->refused, 4);
	run();
	ck_assert_int_eq(sent + told, 0);
	ck_assert_int_eq(flood_records(f), 0);
	ck_assert_int_eq(hear(1, "peer", "other", future, 1, &a, &why), 0);
}
END_TEST

START_TEST(test_the_table_is_bounded_and_who_died_makes_room)
{
	char name[8];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "o%d", i);
		ck_assert_int_eq(hear_node(1, name, 5, 30), 0);
	}
	ck_assert_int_eq(hear_node(1, "o4", 5, 30), -ENOSPC);
	ck_assert_uint_eq(flood_counters(f)->crowded, 1);
	/* The own ones have room of their own. */
	tell("n1", 1);
	run();
	ck_assert_int_eq(sent, 3 + 4 * 2);
	pass(LIFE);
	ck_assert_int_eq(flood_records(f), 0);
	ck_assert_int_eq(hear_node(1, "o4", 5, 30), 0);
	/* One of those who died is not remembered for it, and the others are: what they said is old. */
	for (int i = 1; i < 4; i++)
		ck_assert_int_eq(hear_node(1, i < 3 ? "o5" : "o6", 5 + (uint64_t)i, 30), 0);
	ck_assert_int_eq(flood_records(f), 3);
	ck_assert_uint_eq(flood_counters(f)->doubles, 0);
	ck_assert_int_eq(flood_nodes(f), 1);
	ck_assert_int_eq(hear_node(1, "o3", 5, 30), 0);
	ck_assert_uint_eq(flood_counters(f)->doubles, 1);
	ck_assert_int_eq(hear_node(1, "o3", 6, 30), 0); /* it lives again */
	ck_assert_int_eq(flood_records(f), 4);
	ck_assert_int_eq(hear_node(1, "o7", 5, 30), -ENOSPC);
}
END_TEST

START_TEST(test_an_earlier_life_is_superseded)
{
	struct announce a = node("n9", 10);
	uint64_t before = (uint64_t)(WALL + now + NS_S);
	const char *why;

	tell("n1", 10);
	run();
	ck_assert_int_eq(hear(1, "peer", "me", before, 2, &a, &why), 0);
	ck_assert_uint_eq(flood_counters(f)->own, 1);
	ck_assert_int_eq(told, 0); /* no news of its own nodes */
	pass(LEAST);
	ck_assert_int_eq(sent, 3);
	ck_assert_uint_eq(last_seq, before + 1);
	/* And who says what is older than what is known of it is told. */
	hear_node(1, "peer", 50, 1);
	run();
	ck_assert_int_eq(sent, 2);
	pass(LEAST);
	hear_node(1, "peer", 40, 1);
	run();
	ck_assert_int_eq(sent, 1);
	ck_assert_uint_eq(last_seq, 50);
}
END_TEST

/* It said so before anybody could believe it. */
START_TEST(test_a_clock_that_was_ahead_does_not_make_it_mute)
{
	ns_t day = 86400 * NS_S;

	tell("n1", 10);
	flood_run(f, now, WALL + now + day, on_send, NULL);
	ck_assert_uint_eq(last_seq, (uint64_t)(WALL + now + day));
	now = flood_when(f);
	flood_run(f, now, WALL + now, on_send, NULL);
	ck_assert_uint_eq(last_seq, (uint64_t)(WALL + now));
	/* A little ahead may have been believed: what comes next is newer. */
	now = flood_when(f);
	flood_run(f, now, WALL + now + conf.skew, on_send, NULL);
	now = flood_when(f);
	flood_run(f, now, WALL + now - 3 * NS_S, on_send, NULL);
	ck_assert_uint_gt(last_seq, (uint64_t)(WALL + now - 3 * NS_S));
}
END_TEST

START_TEST(test_all_that_is_known_is_told_again_when_it_is_asked_for)
{
	struct announce other = node("second", 7);
	const char *why;

	ck_assert_int_eq(hear_node(0, "a", (uint64_t)WALL, 10), 0);
	ck_assert_int_eq(hear(1, "peer", "b", (uint64_t)WALL, 2, &other, &why), 0);
	tell("mine", 1);
	run();
	ck_assert_int_eq(told, 0);
	flood_retell(f, now);
	ck_assert_int_eq(told, 2);
	ck_assert_str_eq(news[0], "far=10 1");
	ck_assert_str_eq(news[1], "second=7 2");
	/* Whoever spoke last of a node has the word; who is gone is not told of. */
	ck_assert_int_eq(hear_node(1, "b", (uint64_t)WALL + 1, 20), 0);
	told = 0;
	flood_retell(f, now);
	ck_assert_int_eq(told, 1);
	ck_assert_str_eq(news[0], "far=20 1");
	pass(LIFE);
	told = 0;
	flood_retell(f, now);
	ck_assert_int_eq(told, 0);
}
END_TEST

START_TEST(test_a_neighbour_is_sent_no_more_than_the_rate)
{
	int in_all = 0;

	teardown();
	conf.records = 1024;
	setup();
	conf.records = 4;
	for (int i = 0; i < 300; i++) {
		char name[8];

		snprintf(name, sizeof(name), "o%d", i);
		hear_node(1, name, 5, 30);
	}
	run();
	ck_assert_int_eq(sent, 2 * FLOOD_BURST);
	for (int i = 0; i < 10; i++) {
		pass(100 * NS_MS);
		ck_assert_int_le(sent, 2 * 11);
		in_all += sent;
	}
	ck_assert_int_ge(in_all, 2 * 99);
	pass(2 * NS_S);
	ck_assert_int_eq(in_all + sent + 2 * FLOOD_BURST, 600);
}
END_TEST

/* Whoever spoke last of a node has the word; it is gone when that one says so. */
START_TEST(test_a_node_that_two_speak_of_is_gone_when_nobody_does)
{
	const char *why;

	hear_node(1, "one", 5, 10);
	hear_node(1, "two", 5, 20);
	ck_assert_int_eq(flood_nodes(f), 1);
	told = 0;
	hear(1, "peer", "one", 6, 1, NULL, &why);
	ck_assert_int_eq(told, 0);
	hear(1, "peer", "two", 6, 1, NULL, &why);
	ck_assert_int_eq(told, 1);
	ck_assert_str_eq(news[0], "far gone");
}
END_TEST

START_TEST(test_who_is_gone_is_told_before_who_has_his_address_now)
{
	struct announce a = node("young", 1);
	const char *why;

	hear_node(1, "other", 5, 10);
	told = 0;
	ck_assert_int_eq(hear(1, "peer", "other", 6, 1, &a, &why), 0);
	ck_assert_int_eq(told, 2);
	ck_assert_str_eq(news[0], "far gone");
	ck_assert_str_eq(news[1], "young=1 1");
	ck_assert_int_eq(flood_nodes(f), 1);
}
END_TEST

START_TEST(test_all_nodes_of_a_record_are_told_and_one_that_moves_is_gone_first)
{
	struct announce a[3] = {node("x", 1), node("y", 2), node("z", 3)};
	struct flood_msg m = {
		.from = "peer", .origin = "other", .seq = 5, .hops = 2, .left_ms = 9000};
	uint8_t buf[3][WIRE_MAX];
	const char *why;

	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < 3; i++) {
			int n = announce_encode(&a[i], buf[i], sizeof(buf[i]));

			m.node[i] = (struct slice){(const char *)buf[i], (size_t)n};
		}
		m.nodes = 3;
		told = 0;
		ck_assert_int_eq(flood_hear(f, 1, &m, now, WALL + now, &why), 0);
		ck_assert_int_eq(told, 3 + k);
		ck_assert_int_eq(flood_nodes(f), 3);
		m.seq++;
		addr_parse(&a[1].addr, SLICE("10.2.0.99"), 0);
	}
	ck_assert_str_eq(news[0], "x=1 2");
	ck_assert_str_eq(news[1], "y gone");
	ck_assert_str_eq(news[2], "y=2 2");
	ck_assert_str_eq(news[3], "z=3 2");
}
END_TEST

/* Many nodes take several records, and what becomes of one node leaves the other records alone. */
START_TEST(test_many_nodes_are_in_several_records)
{
	struct announce a[300];
	const struct announce *list[300];
	int parts, nodes = 0;

	for (int i = 0; i < 300; i++) {
		char id[16];

		snprintf(id, sizeof(id), "node-%03d", i);
		a[i] = node(id, 10);
		a[i].generation = UINT64_MAX - (unsigned)i;
		list[i] = &a[i];
	}
	flood_tell(f, list, 60, now);
	run();
	parts = sent / 3;
	ck_assert_int_gt(parts, 1);
	for (int i = 0; i < sent; i += 3)
		for (const char *p = said[i]; (p = strchr(p, '=')); p++)
			nodes++;
	ck_assert_int_eq(nodes, 60);
	pass(LEAST);
	a[30].sessions = 90;
	flood_tell(f, list, 60, now);
	run();
	ck_assert_int_eq(sent, 3);
	ck_assert_ptr_nonnull(strstr(said[0], "node-030=90"));
	/* More than there is room for. */
	flood_tell(f, list, 300, now);
	ck_assert_uint_gt(flood_counters(f)->left_out, 0);
	flood_tell(f, list, 60, now);
	ck_assert_uint_eq(flood_counters(f)->left_out, 0);
}
END_TEST

/* ---- the message ---- */

static struct flood_msg message(void)
{
	static uint8_t buf[256];
	struct announce a = node("n1", 7);
	int n = announce_encode(&a, buf, sizeof(buf));

	return (struct flood_msg){.from = "peer",
		.origin = "other",
		.seq = INT64_MAX,
		.part = FLOOD_PARTS - 1,
		.hops = FLOOD_MAX_HOPS,
		.left_ms = FLOOD_MAX_LIFE,
		.nodes = 1,
		.node = {{(const char *)buf, (size_t)n}}};
}

START_TEST(test_a_message_is_decoded_to_what_was_encoded)
{
	struct flood_msg m = message(), back;
	uint8_t out[WIRE_MAX];
	const char *why;
	int n = flood_msg_encode(&m, out, sizeof(out));

	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(flood_msg_decode(&back, out, (size_t)n, &why), 0);
	ck_assert_str_eq(back.from, "peer");
	ck_assert_str_eq(back.origin, "other");
	ck_assert_uint_eq(back.seq, INT64_MAX);
	ck_assert_int_eq(back.part, FLOOD_PARTS - 1);
	ck_assert_int_eq(back.hops, FLOOD_MAX_HOPS);
	ck_assert_uint_eq(back.left_ms, FLOOD_MAX_LIFE);
	ck_assert_int_eq(back.nodes, 1);
	ck_assert(slice_eq(back.node[0], m.node[0]));
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(flood_msg_decode(&back, out, (size_t)i, &why), -EINVAL);
	for (size_t cap = 0; cap < (size_t)n; cap++)
		ck_assert_int_eq(flood_msg_encode(&m, out, cap), -EMSGSIZE);
	/* Its head is no longer than is left room for. */
	memset(m.from, 'x', ANNOUNCE_ID_LEN - 1);
	memset(m.origin, 'y', ANNOUNCE_ID_LEN - 1);
	n = flood_msg_encode(&m, out, sizeof(out));
	ck_assert_int_le(n, (int)(FLOOD_MSG_HEAD + FLOOD_MSG_NODE + m.node[0].n));
}
END_TEST

START_TEST(test_values_out_of_range_are_named)
{
	static const char *const fields[] = {
		"from", "origin", "sequence", "sequence", "part", "left", "left", "hops", "nodes"};
	uint8_t out[WIRE_MAX];

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct flood_msg m = message();

		switch (i) {
		case 0: m.from[0] = '\0'; break;
		case 1: strcpy(m.origin, "a b"); break;
		case 2: m.seq = 0; break;
		case 3: m.seq = UINT64_C(1) << 63; break;
		case 4: m.part = FLOOD_PARTS; break;
		case 5: m.left_ms = 0; break;
		case 6: m.left_ms = FLOOD_MAX_LIFE + 1; break;
		case 7: m.hops = 0; break;
		case 8: m.nodes = FLOOD_MSG_NODES + 1; break;
		}
		ck_assert_msg(flood_msg_encode(&m, out, sizeof(out)) == -EINVAL, "%s", fields[i]);
	}
}
END_TEST

START_TEST(test_a_message_with_what_is_no_node_is_refused)
{
	struct flood_msg m = message(), back;
	struct announce arn = {.role = ROLE_ARN, .id = "x", .interval_ms = 200};
	uint8_t out[WIRE_MAX], buf[256];
	const char *why;
	int n;

	m.node[0] = SLICE("nonsense");
	n = flood_msg_encode(&m, out, sizeof(out));
	ck_assert_int_eq(flood_msg_decode(&back, out, (size_t)n, &why), -EINVAL);
	addr_parse(&arn.addr, SLICE("10.2.0.4"), 0);
	n = announce_encode(&arn, buf, sizeof(buf));
	ck_assert_int_gt(n, 0);
	m.node[0] = (struct slice){(const char *)buf, (size_t)n};
	n = flood_msg_encode(&m, out, sizeof(out));
	ck_assert_int_eq(flood_msg_decode(&back, out, (size_t)n, &why), -EINVAL);
	ck_assert_str_eq(why, "nodes: not a service node");
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("flood");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, test_own_nodes_are_told_to_every_neighbour_and_refreshed);
	tcase_add_test(c, test_what_changes_is_told_at_once_but_no_more_often_than_min_interval);
	tcase_add_test(c, test_health_and_draining_are_told_at_once);
	tcase_add_test(c, test_a_node_that_is_gone_is_told_until_nobody_can_think_it_is_there);
	tcase_add_test(c, test_own_nodes_come_and_go_in_any_order);
	tcase_add_test(c, test_as_many_neighbours_as_can_be_are_all_told);
	tcase_add_test(c, test_goodbye_does_not_wait);
	tcase_add_test(c, test_what_is_heard_is_passed_on_once_and_not_back);
	tcase_add_test(c, test_a_neighbour_that_has_it_already_is_not_sent_it);
	tcase_add_test(c, test_of_an_origin_that_talks_too_much_the_newest_is_passed_on);
	tcase_add_test(c, test_a_life_is_counted_down_on_the_way_and_ends);
	tcase_add_test(c, test_hops_are_bounded);
	tcase_add_test(c, test_what_cannot_be_is_refused_and_not_passed_on);
	tcase_add_test(c, test_the_table_is_bounded_and_who_died_makes_room);
	tcase_add_test(c, test_an_earlier_life_is_superseded);
	tcase_add_test(c, test_a_clock_that_was_ahead_does_not_make_it_mute);
	tcase_add_test(c, test_all_that_is_known_is_told_again_when_it_is_asked_for);
	tcase_add_test(c, test_a_neighbour_is_sent_no_more_than_the_rate);
	tcase_add_test(c, test_a_node_that_two_speak_of_is_gone_when_nobody_does);
	tcase_add_test(c, test_who_is_gone_is_told_before_who_has_his_address_now);
	tcase_add_test(c, test_all_nodes_of_a_record_are_told_and_one_that_moves_is_gone_first);
	tcase_add_test(c, test_many_nodes_are_in_several_records);
	tcase_add_test(c, test_a_message_is_decoded_to_what_was_encoded);
	tcase_add_test(c, test_values_out_of_range_are_named);
	tcase_add_test(c, test_a_message_with_what_is_no_node_is_refused);
	return run_case("flood", c);
}
