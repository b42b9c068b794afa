/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What other ARNs flood makes their nodes eligible, in the order of the ARNs between (rows H4 and H1). */
#include "arn/scout_flood.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define WALL (1700000000 * NS_S)

static struct far *far;
static struct flood *f;
static void *scout; /* NULL: no node is configured */
static ns_t now;
static char eligible[256]; /* "NODE=SESSIONS@DISTANCE " of each that was told, "-NODE " who left */

static void on_eligible(
	void *arg, const struct announce *said, const struct far_facts *facts, ns_t at)
{
	size_t n = strlen(eligible);

	(void)arg;
	(void)at;
	snprintf(eligible + n, sizeof(eligible) - n, "%s=%u@%u ", said->id, said->sessions,
		facts->distance);
}

static void on_left(void *arg, const char *id, const char *why, ns_t at)
{
	size_t n = strlen(eligible);

	(void)arg;
	(void)why;
	(void)at;
	snprintf(eligible + n, sizeof(eligible) - n, "-%s ", id);
}

static void on_lost(void *arg, const struct addr *control, ns_t at)
{
	(void)arg;
	(void)control;
	(void)at;
}

static void on_node(void *arg, const struct flood_news *news, ns_t at)
{
	(void)arg;
	scout_flood_node(far, scout, news, at);
}

static void on_gone(void *arg, const char *id, const struct addr *control, ns_t at)
{
	(void)arg;
	(void)id;
	scout_flood_gone(far, scout, control, at);
}

static void on_send(void *arg, int link, const uint8_t *payload, size_t n)
{
	(void)arg;
	(void)link;
	(void)payload;
	(void)n;
}

static void setup(void)
{
	static const struct far_events fe = {
		.eligible = on_eligible, .left = on_left, .lost = on_lost};
	static const struct flood_events events = {.node = on_node, .gone = on_gone};
	struct far_conf fc = {
		.interval = NS_S, .interval_max = 30 * NS_S, .rate = 50, .max = 2, .misses = 3};
	struct flood_conf c = {.name = "me",
		.links = 1,
		.interval = 2 * NS_S,
		.min_interval = NS_S / 2,
		.misses = 5,
		.hops = 32,
		.records = 16,
		.rate = 100,
		.change = 0.1,
		.skew = 5 * NS_S};

	prefix_parse(&fc.block, SLICE("10.1.18.0/24"));
	c.block = fc.block;
	now = NS_S;
	far = far_new(&fc, &fe, 1, now);
	f = flood_new(&c, &events, 1, now);
	ck_assert(far && f);
	far_set_area(far, 1, 2, now);
	*eligible = '\0';
}

static void teardown(void)
{
	scout_flood.free(scout);
	scout = NULL;
	flood_free(f);
	far_free(far);
}

/* Node `id` of the ARN that is so far away. */
static void hear(const char *id, int host, uint32_t sessions, uint8_t hops)
{
	static uint64_t seq;
	struct flood_msg m = {.seq = ++seq, .hops = hops, .left_ms = 10000, .from = "peer"};
	struct announce a = {.role = ROLE_SN,
		.healthy = true,
		.rtsp_port = 554,
		.control_port = 7702,
		.interval_ms = 200,
		.sessions = sessions,
		.max_sessions = 100,
		.weight = 100};
	uint8_t buf[256];
	const char *why;
	int n;

	*eligible = '\0';
	snprintf(m.origin, sizeof(m.origin), "arn-%s", id);
	snprintf(a.id, sizeof(a.id), "%s", id);
	a.addr = addr_any(AF_INET, 0);
	a.addr.in.sin_addr.s_addr = htonl(0x0a020000 + (unsigned)host);
	n = announce_encode(&a, buf, sizeof(buf));
	m.node[0] = (struct slice){(const char *)buf, (size_t)n};
	m.nodes = sessions != UINT32_MAX;
	ck_assert_int_eq(flood_hear(f, 0, &m, now, WALL + now, &why), 0);
}

START_TEST(test_flooded_nodes_are_eligible_the_nearest_first)
{
	hear("c", 3, 30, 3);
	ck_assert_str_eq(eligible, "c=30@3 ");
	hear("b", 2, 20, 1);
	ck_assert_ptr_nonnull(strstr(eligible, "b=20@1 "));
	ck_assert_ptr_nonnull(strstr(eligible, "-c "));
	/* There is room for two: who is farther than these is not one of them. */
	hear("d", 4, 40, 5);
	ck_assert_str_eq(eligible, "");
	ck_assert_int_eq(far_count(far), 2);
	/* Its load, without a question to it. */
	hear("b", 2, 90, 1);
	ck_assert_str_eq(eligible, "b=90@1 ");
}
END_TEST

START_TEST(test_who_is_told_no_more_is_left)
{
	hear("c", 3, 30, 3);
	hear("b", 2, 20, 1);
	hear("b", 2, UINT32_MAX, 1);
	ck_assert_ptr_nonnull(strstr(eligible, "-b "));
	ck_assert_ptr_nonnull(strstr(eligible, "c=30@3 "));
	*eligible = '\0';
	now += 10 * NS_S;
	flood_run(f, now, WALL + now, on_send, NULL);
	ck_assert_str_eq(eligible, "-c ");
	ck_assert_int_eq(far_count(far), 0);
}
END_TEST

START_TEST(test_configured_node_is_a_step_away_whatever_is_told_of_it)
{
	struct addr seed = {0};
	struct scout_conf c = {.seed = &seed, .seeds = 1, .max = 2};
	struct scout_act act;

	ck_assert_int_eq(addr_parse(&seed, SLICE("10.2.0.3:7702"), 0), 0);
	scout = scout_flood.init(&c, now);
	ck_assert(scout && scout_flood.next(scout, now, &act));
	ck_assert_int_eq(act.kind, SCOUT_CANDIDATE);
	ck_assert_uint_eq(act.candidate.distance, 1);
	ck_assert_int_eq(addr_cmp(&act.candidate.control, &seed), 0);
	ck_assert(!scout_flood.next(scout, now, &act));
	ck_assert_int_eq(far_name(far, &act.candidate, now), 0);
	hear("b", 2, 20, 2);
	hear("c", 3, 30, 3);
	ck_assert_ptr_nonnull(strstr(eligible, "c=30@1 "));
	ck_assert_ptr_nonnull(strstr(eligible, "-b "));
	/* Those who told of it are gone: it is there as long as it answers. */
	hear("c", 3, UINT32_MAX, 3);
	ck_assert_str_eq(eligible, "");
	ck_assert_int_eq(far_count(far), 2);
	hear("b", 2, UINT32_MAX, 2);
	ck_assert_int_eq(far_count(far), 1);
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("scout_flood");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, test_flooded_nodes_are_eligible_the_nearest_first);
	tcase_add_test(c, test_who_is_told_no_more_is_left);
	tcase_add_test(c, test_configured_node_is_a_step_away_whatever_is_told_of_it);
	return run_case("scout_flood", c);
}
