/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows H2, H8: far nodes under virtual time: who is asked when, how far each is, which are eligible. */
#include "arn/far.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define MS(n)    ((n)*NS_MS)
#define INTERVAL NS_S
#define LONGEST  (30 * NS_S)
#define MISSES   3
#define NODES    400

/* The world: nodes that answer after their latency, or do not. */
static struct world_node {
	struct announce says;
	struct addr control;
	ns_t rtt, noise; /* noise: at most, on top */
	bool silent, eligible;
	struct far_facts facts;
	int asked, told, left, lost, found;
	ns_t first_asked, last_asked;
	ns_t answers_at; /* 0: no question is under way */
	uint64_t question;
	const char *why;
} world[NODES];
static struct far *f;
static ns_t now;
static int worst_second; /* most questions in a second */
static const char *ours; /* the name of a local node */
static const struct far_conf conf = {.interval = INTERVAL,
	.interval_max = LONGEST,
	.rate = 1000,
	.max = FAR_MAX,
	.misses = MISSES};

static struct world_node *of_id(const char *id)
{
	int i = -1;

	ck_assert_msg(sscanf(id, "sn%d", &i) == 1 && i >= 0 && i < NODES, "nobody is named %s", id);
	return &world[i];
}

static struct world_node *at(const struct addr *control)
{
	for (int i = 0; i < NODES; i++)
		if (!addr_cmp(&world[i].control, control))
			return &world[i];
	ck_abort_msg("nobody is there");
}

static void on_eligible(
	void *arg, const struct announce *said, const struct far_facts *facts, ns_t when)
{
	struct world_node *n = of_id(said->id);

	(void)arg;
	ck_assert_int_eq(when, now);
	n->told++;
	n->eligible = true;
	n->facts = *facts;
}

static void on_left(void *arg, const char *id, const char *why, ns_t when)
{
	struct world_node *n = of_id(id);

	(void)arg;
	(void)when;
	ck_assert_msg(n->eligible, "%s left and was not there", id);
	n->eligible = false;
	n->left++;
	n->why = why;
}

static void on_found(void *arg, const struct addr *control, ns_t when)
{
	(void)arg;
	(void)when;
	at(control)->found++;
}

static void on_lost(void *arg, const struct addr *control, ns_t when)
{
	(void)arg;
	(void)when;
	at(control)->lost++;
}

static bool is_local(void *arg, const char *id)
{
	(void)arg;
	return ours && !strcmp(id, ours);
}

static void begin(const struct far_conf *c)
{
	far_free(f);
	memset(world, 0, sizeof(world));
	now = 1000 * NS_S;
	worst_second = 0;
	ours = NULL;
	for (int i = 0; i < NODES; i++) {
		struct world_node *n = &world[i];

		n->says = (struct announce){.role = ROLE_SN, .healthy = true, .rtsp_port = 554};
		snprintf(n->says.id, sizeof(n->says.id), "sn%d", i);
		n->says.addr = addr_any(AF_INET, 0);
		n->says.addr.in.sin_addr.s_addr = htonl(0x0a000000U + 256U * (unsigned)i + 7);
		n->control = n->says.addr;
		addr_set_port(&n->control, 7702);
		n->rtt = MS(10);
	}
	f = far_new(c,
		&(struct far_events){on_eligible, on_left, on_lost, on_found, is_local, NULL}, 7,
		now);
	ck_assert_ptr_nonnull(f);
}

static void setup(void)
{
	begin(&conf);
}

static void teardown(void)
{
	far_free(f);
	f = NULL;
}

static void name(int i, unsigned distance)
{
	struct scout_candidate c = {.control = world[i].control, .distance = distance};

	ck_assert_int_eq(far_name(f, &c, now), 0);
}

static void answer_due(void)
{
	struct far_question q;

	for (int i = 0; i < NODES; i++) {
		struct world_node *n = &world[i];
		ns_t extra = n->noise ? (ns_t)(rand() % n->noise) : 0;

		if (!n->answers_at || now < n->answers_at)
			continue;
		n->answers_at = 0;
		ck_assert(
			far_answer(f, n->question, &n->control, n->rtt + extra, &n->says, now, &q));
		ck_assert_uint_eq(q.id, n->question);
	}
}

static void ask(void)
{
	static ns_t second;
	static int asked;
	struct far_question q;

	if (now - second >= NS_S || now < second) {
		second = now;
		asked = 0;
	}
	while (far_next(f, now, &q)) {
		struct world_node *n = at(&q.to);

		if (++asked > worst_second)
			worst_second = asked;
		if (!n->asked++)
			n->first_asked = now;
		n->last_asked = now;
		n->question = q.id;
		if (!n->silent)
			n->answers_at = now + n->rtt;
	}
}

/* Time goes by, from event to event. */
static void pass(ns_t time)
{
	ns_t end = now + time;

	for (;;) {
		ns_t next = far_when(f);

		for (int i = 0; i < NODES; i++)
			if (world[i].answers_at && world[i].answers_at < next)
				next = world[i].answers_at;
		if (next > end)
			break;
		now = next > now ? next : now;
		answer_due();
		far_tick(f, now);
		ask();
	}
	now = end;
}

static struct far_view view(int i)
{
	struct far_view v;

	for (int k = 0; far_view(f, k, &v); k++)
		if (!addr_cmp(&v.control, &world[i].control))
			return v;
	ck_abort_msg("%d is not known", i);
}

static void forget_counts(void)
{
	for (int i = 0; i < NODES; i++)
		world[i].asked = world[i].told = world[i].left = 0;
}

/* ---- what is eligible ---- */

START_TEST(test_the_nearest_that_answer_are_the_area)
{
	for (int i = 0; i < 10; i++) {
		name(i, 1);
		world[i].rtt = MS(100 - 9 * i); /* the last is the nearest */
	}
	world[9].silent = true;
	far_set_area(f, 3, 10, now);
	pass(10 * NS_S);
	for (int i = 0; i < 10; i++)
		ck_assert_msg(world[i].eligible == (i >= 6 && i <= 8), "%d", i);
	ck_assert_uint_eq(world[8].facts.rtt_us, 28000);
	ck_assert_int_eq(far_eligible(f), 3);
	far_unname(f, &world[0].control, now);
	ck_assert_int_eq(far_count(f), 9);
}
END_TEST

START_TEST(test_a_step_nearer_comes_before_any_latency)
{
	name(0, 2);
	name(1, 1);
	world[0].rtt = MS(1);
	world[1].rtt = MS(200);
	far_set_area(f, 1, 2, now);
	pass(5 * NS_S);
	ck_assert(world[1].eligible && !world[0].eligible);
	ck_assert_uint_eq(world[1].facts.distance, 1);
}
END_TEST

START_TEST(test_the_area_grows_and_shrinks_as_it_is_told)
{
	for (int i = 0; i < 8; i++) {
		name(i, (unsigned)i + 1);
		world[i].rtt = MS(5);
	}
	far_set_area(f, 1, 8, now);
	pass(10 * NS_S);
	ck_assert_int_eq(far_eligible(f), 1);
	far_set_area(f, 4, 8, now);
	ck_assert_int_eq(far_eligible(f), 4); /* at once: they are known */
	far_set_area(f, 2, 2, now);
	ck_assert_int_eq(far_eligible(f), 2);
	ck_assert(world[0].eligible && world[1].eligible);
	ck_assert_str_eq(world[3].why, "not in the area");
}
END_TEST

START_TEST(test_latencies_that_waver_do_not_turn_the_area_over)
{
	srand(1);
	for (int i = 0; i < 20; i++) {
		name(i, 1);
		world[i].rtt = MS(20) + i * 10 * NS_US;
		world[i].noise = MS(2);
	}
	far_set_area(f, 10, 20, now);
	pass(20 * NS_S);
	forget_counts();
	pass(600 * NS_S);
	for (int i = 0; i < 20; i++)
		ck_assert_msg(world[i].left == 0, "%d left %d times", i, world[i].left);
	/* Who is clearly nearer does take a place. */
	for (int i = 0; i < 20; i++)
		if (!world[i].eligible)
			world[i].rtt = MS(5), world[i].noise = 0;
	pass(20 * NS_S);
	for (int i = 0; i < 20; i++)
		ck_assert(world[i].eligible == (world[i].rtt == MS(5)));
}
END_TEST

START_TEST(test_a_node_with_two_addresses_counts_once)
{
	name(0, 1);
	name(1, 2);
	name(2, 3);
	world[1].says = world[0].says;
	far_set_area(f, 2, 3, now);
	pass(5 * NS_S);
	ck_assert(world[0].eligible && world[2].eligible && !world[1].eligible);
	ck_assert_int_eq(far_eligible(f), 2);
	/* Its first address falls silent: there is still the other. */
	world[0].silent = true;
	pass(20 * NS_S);
	ck_assert(world[0].eligible);
	ck_assert_uint_eq(world[0].facts.distance, 2);
}
END_TEST

/* Row H8: its first address is gone, and nearer ones fill the area: it is watched as who it is. */
START_TEST(test_who_was_a_twin_is_none_when_the_other_is_gone)
{
	name(0, 2);
	name(1, 3);
	name(2, 4);
	world[1].says = world[0].says;
	far_set_area(f, 2, 4, now);
	pass(5 * NS_S);
	ck_assert(view(1).twin);
	name(3, 1);
	name(4, 1);
	pass(5 * NS_S);
	far_unname(f, &world[0].control, now);
	ck_assert(world[3].eligible && world[4].eligible);
	ck_assert(!view(1).twin && view(1).watched);
}
END_TEST

START_TEST(test_a_node_that_becomes_another_leaves_first)
{
	name(0, 1);
	name(1, 2);
	far_set_area(f, 2, 2, now);
	pass(5 * NS_S);
	/* Where sn0 was is sn7 now. */
	world[0].says = world[7].says;
	pass(2 * NS_S);
	ck_assert(!world[0].eligible && world[7].eligible);
	ck_assert_str_eq(world[0].why, "removed");
	ck_assert_int_eq(far_eligible(f), 2);
	/* And then it is one that is known already, at a place that is farther. */
	world[0].says = world[1].says;
	pass(2 * NS_S);
	ck_assert(!world[7].eligible && world[1].eligible);
	ck_assert_uint_eq(world[1].facts.distance, 1);
	ck_assert_int_eq(far_eligible(f), 1);
}
END_TEST

START_TEST(test_a_distance_that_is_said_anew_counts)
{
	name(0, 1);
	name(1, 2);
	far_set_area(f, 1, 2, now);
	pass(5 * NS_S);
	ck_assert(world[0].eligible);
	name(0, 3);
	ck_assert(world[1].eligible && !world[0].eligible);
	ck_assert_uint_eq(view(0).distance, 3);
	ck_assert_uint_eq(view(0).asked, (uint64_t)world[0].asked);
	ck_assert_uint_eq(view(0).answered, view(0).asked);
}
END_TEST

START_TEST(test_a_node_of_our_own_network_is_not_far)
{
	name(0, 1);
	name(1, 1);
	ours = "sn0";
	far_set_area(f, 2, 2, now);
	pass(5 * NS_S);
	ck_assert(!world[0].eligible && world[1].eligible);
	ours = "sn1";
	pass(5 * NS_S);
	ck_assert(world[0].eligible && !world[1].eligible);
	ck_assert_str_eq(world[1].why, "one of ours");
	/* The name alone tells it, before anybody has asked; and so does what others say of it. */
	ours = "sn2";
	ck_assert_int_eq(
		far_name(f, &(struct scout_candidate){world[2].control, "sn2", 1}, now), 0);
	ck_assert(view(2).local && !view(2).watched);
	ours = "sn0";
	ck_assert(far_report(f, &world[0].control, &world[0].says, 5 * NS_S, now));
	ck_assert(!world[0].eligible && world[1].eligible);
}
END_TEST

/* ---- who is lost ---- */

START_TEST(test_who_does_not_answer_is_gone_within_its_misses)
{
	ns_t died;

	name(0, 1);
	far_set_area(f, 1, 1, now);
	pass(10 * NS_S);
	ck_assert(world[0].eligible);
	world[0].silent = true;
	died = now;
	while (world[0].eligible)
		pass(MS(10));
	ck_assert_str_eq(world[0].why, "does not answer");
	ck_assert_int_eq(world[0].lost, 1);
	ck_assert_int_ge(now - died, (MISSES - 1) * INTERVAL * 9 / 10);
	ck_assert_int_le(now - died, MISSES * INTERVAL * 11 / 10 + FAR_TIMEOUT);
}
END_TEST

START_TEST(test_one_lost_question_is_nothing)
{
	name(0, 10);
	far_set_area(f, 1, 1, now);
	pass(5 * NS_S);
	for (int i = 0; i < 50; i++) {
		int asked = world[0].asked;

		world[0].silent = true;
		while (world[0].asked == asked)
			pass(MS(100));
		world[0].silent = false;
		/* It is asked again soon, though it is far. */
		pass(INTERVAL + FAR_TIMEOUT);
		ck_assert_int_ge(world[0].asked, asked + 2);
	}
	ck_assert_int_eq(world[0].left, 0);
	ck_assert_uint_eq(far_counters(f)->lost, 0);
	ck_assert_uint_ge(far_counters(f)->missed, 50);
}
END_TEST

START_TEST(test_who_was_lost_is_asked_rarely_and_doubted_when_it_answers)
{
	name(0, 1);
	far_set_area(f, 1, 1, now);
	pass(10 * NS_S);
	world[0].silent = true;
	pass(20 * NS_S);
	forget_counts();
	pass(20 * LONGEST);
	ck_assert_int_le(world[0].asked, 23);
	ck_assert_int_ge(world[0].asked, 17);
	world[0].silent = false;
	world[0].rtt = MS(80); /* another path: the old one's latency is no sample of it */
	ck_assert_int_eq(world[0].found, 0);
	while (!world[0].eligible)
		pass(MS(10));
	ck_assert_int_eq(world[0].found, 1);
	ck_assert(world[0].facts.doubted);
	ck_assert_uint_eq(world[0].facts.rtt_us, 80000);
	pass(INTERVAL * 12 / 10);
	ck_assert(!world[0].facts.doubted);
	/* Doubted, one miss is enough. */
	world[0].silent = true;
	pass(20 * NS_S);
	world[0].silent = false;
	while (!world[0].eligible)
		pass(MS(10));
	world[0].silent = true;
	pass(INTERVAL * 11 / 10 + FAR_TIMEOUT);
	ck_assert(!world[0].eligible);
}
END_TEST

START_TEST(test_who_cannot_be_reached_at_first_is_not_waited_for_long)
{
	int asked[6] = {0};

	name(0, 1);
	world[0].silent = true;
	far_set_area(f, 1, 1, now);
	for (int i = 0; i < 6; i++) {
		int before = world[0].asked;

		pass(10 * NS_S);
		asked[i] = world[0].asked - before;
	}
	ck_assert_int_ge(asked[0], MISSES + 2); /* of 10 s, with a second's wait for each answer */
	ck_assert_int_le(asked[1] + asked[2], 3);
	world[0].silent = false;
	pass(LONGEST * 11 / 10);
	ck_assert(world[0].eligible);
	/* Lost again, it begins anew. */
	pass(10 * NS_S);
	world[0].silent = true;
	while (world[0].eligible)
		pass(MS(10));
	pass(MS(100));
	world[0].silent = false;
	pass(INTERVAL * 11 / 10);
	ck_assert(world[0].eligible);
}
END_TEST

START_TEST(test_an_accused_node_is_asked_at_once_but_not_over_and_over)
{
	name(0, 20);
	far_set_area(f, 1, 1, now);
	pass(10 * NS_S);
	ck_assert(!far_accuse(f, "nobody", now));
	forget_counts();
	ck_assert(far_accuse(f, "sn0", now));
	pass(MS(20));
	ck_assert_int_eq(world[0].asked, 1);
	for (int i = 0; i < 1000; i++) {
		far_accuse(f, "sn0", now);
		pass(MS(10));
	}
	ck_assert_int_le(world[0].asked, 1 + 10 * 4 * 10 / 9 + 1);
	ck_assert_int_ge(world[0].asked, 30);
	/* One that is lost is asked once more. */
	world[0].silent = true;
	pass(10 * LONGEST);
	ck_assert_int_eq(world[0].lost, 1);
	forget_counts();
	far_accuse(f, "sn0", now);
	pass(10 * LONGEST);
	ck_assert_int_le(world[0].asked, 13);
}
END_TEST

/* ---- latency ---- */

START_TEST(test_latency_is_the_least_and_a_longer_path_is_noticed)
{
	srand(3);
	name(0, 1);
	world[0].rtt = MS(20);
	world[0].noise = MS(40);
	far_set_area(f, 1, 1, now);
	pass(60 * NS_S);
	/* The least of eight of 0 … 40 ms: below 25 ms with all but one in 2,000. */
	ck_assert_uint_lt(world[0].facts.rtt_us, 45000);
	ck_assert_uint_ge(world[0].facts.rtt_us, 20000);
	world[0].noise = 0;
	pass(2 * NS_S);
	ck_assert_uint_eq(world[0].facts.rtt_us, 20000);
	world[0].rtt = MS(90);
	pass(FAR_SAMPLES / 2 * INTERVAL);
	ck_assert_uint_eq(world[0].facts.rtt_us, 20000); /* may be a queue yet */
	pass(FAR_SAMPLES * INTERVAL);
	ck_assert_uint_eq(world[0].facts.rtt_us, 90000);
	world[0].rtt = MS(30);
	pass(2 * INTERVAL);
	ck_assert_uint_eq(world[0].facts.rtt_us, 30000);
}
END_TEST

/* ---- pace ---- */

START_TEST(test_the_rate_of_questions_falls_with_distance)
{
	static const unsigned step[] = {1, 2, 4, 8, 16, 60};

	for (int i = 0; i < 6; i++)
		name(i, step[i]);
	far_set_area(f, 6, 6, now);
	pass(NS_S);
	forget_counts();
	pass(600 * NS_S);
	for (int i = 0; i < 6; i++) {
		ns_t pause = step[i] * INTERVAL < LONGEST ? step[i] * INTERVAL : LONGEST;
		double wanted = 600.0 * NS_S / (double)pause;

		ck_assert_msg(world[i].asked > 0.9 * wanted && world[i].asked < 1.1 * wanted + 1,
			"at distance %u: %d questions, %.0f wanted", step[i], world[i].asked,
			wanted);
	}
}
END_TEST

START_TEST(test_latency_is_the_distance_where_the_scout_has_none)
{
	name(0, 0);
	name(1, 0);
	world[0].rtt = MS(5);
	world[1].rtt = MS(95);
	far_set_area(f, 2, 2, now);
	pass(NS_S);
	forget_counts();
	pass(300 * NS_S);
	ck_assert_int_ge(world[0].asked, 270);
	ck_assert_int_le(world[1].asked, 34);
	ck_assert_int_ge(world[1].asked, 27);
}
END_TEST

START_TEST(test_places_are_the_distance_where_they_are_known)
{
	static const char *const place[] = {"orlando.florida.atlanticcoast.usa", "",
		"seattle.washington.pacificcoast.usa", "sanjose.california.pacificcoast.usa"};
	struct far_conf c = conf;
	struct far_view v;

	strcpy(c.place, place[3]);
	begin(&c);
	for (int i = 0; i < 4; i++) {
		name(i, 0);
		strcpy(world[i].says.place, place[i]);
		world[i].rtt = MS(20 + 20 * i);
	}
	far_set_area(f, 4, 4, now);
	pass(3 * NS_S);
	for (int i = 0; i < 4; i++) {
		static const int order[] = {3, 2, 0, 1};
		static const unsigned distance[] = {1, 3, 4, 5};

		ck_assert(far_view(f, i, &v));
		ck_assert_str_eq(v.said->id, world[order[i]].says.id);
		ck_assert_uint_eq(v.distance, distance[i]);
	}
}
END_TEST

START_TEST(test_who_is_late_is_so_by_its_own_pause)
{
	struct far_question q;

	name(0, 1);
	name(1, 30);
	far_set_area(f, 2, 2, now);
	pass(5 * NS_S);
	now += 40 * NS_S;
	answer_due();
	/* It is late by 39 pauses, the far one by half of one. */
	ck_assert(far_next(f, now, &q));
	ck_assert_int_eq(addr_cmp(&q.to, &world[0].control), 0);
	ck_assert(far_answer(f, q.id, &q.to, MS(10), &world[0].says, now, &q));
	/* Now that is more than the near one is late by. */
	now += INTERVAL * 115 / 100;
	ck_assert(far_next(f, now, &q));
	ck_assert_int_eq(addr_cmp(&q.to, &world[1].control), 0);
}
END_TEST

START_TEST(test_nodes_that_were_named_at_once_are_not_asked_at_once_for_ever)
{
	int together = 0;

	for (int i = 0; i < 20; i++)
		name(i, 1);
	far_set_area(f, 20, 20, now);
	pass(60 * NS_S);
	for (int i = 1; i < 20; i++)
		together += world[i].last_asked == world[i - 1].last_asked;
	ck_assert_int_le(together, 2);
	ck_assert_uint_eq(far_counters(f)->asked, far_counters(f)->answered);
	ck_assert_uint_ge(far_counters(f)->asked, 20 * 54);
}
END_TEST

START_TEST(test_an_answer_is_waited_for_as_long_as_the_path_is)
{
	uint64_t missed = far_counters(f)->missed;

	name(0, 1);
	far_set_area(f, 1, 1, now);
	pass(10 * NS_S);
	world[0].silent = true;
	while (far_counters(f)->missed == missed)
		pass(MS(1));
	ck_assert_int_ge(now - world[0].last_asked, MS(250 + 4 * 10));
	ck_assert_int_le(now - world[0].last_asked, MS(250 + 4 * 10 + 1));
}
END_TEST

/* The claim of row H8: the nodes at a distance of N grow with N, the questions do not grow with the
 * nodes but with the distance of the farthest. */
START_TEST(test_the_cost_grows_with_the_distance_not_with_the_nodes)
{
	int node = 0, asked = 0;

	for (unsigned ring = 1; ring <= 20; ring++)
		for (unsigned k = 0; k < ring && node < NODES; k++)
			name(node++, ring);
	ck_assert_int_eq(node, 210);
	far_set_area(f, FAR_MAX, FAR_MAX, now);
	pass(NS_S);
	forget_counts();
	pass(300 * NS_S);
	for (int i = 0; i < NODES; i++)
		asked += world[i].asked;
	/* Of each ring one question a second: 20 of them, for 210 nodes. */
	ck_assert_int_ge(asked, 270 * 20);
	ck_assert_int_le(asked, 330 * 20);
}
END_TEST

START_TEST(test_however_many_the_rate_is_kept_and_shared)
{
	struct far_conf c = conf;
	int asked = 0;

	c.rate = 10;
	begin(&c);
	for (int i = 0; i < NODES; i++)
		name(i, i < NODES / 2 ? 1 : 4);
	far_set_area(f, FAR_MAX, FAR_MAX, now);
	pass(60 * NS_S);
	ck_assert_int_le(worst_second, 10 + 2); /* a burst of 100 ms */
	forget_counts();
	pass(1000 * NS_S);
	for (int i = 0; i < NODES; i++) {
		/* 200 near and 200 far nodes share 10 questions a second 4 : 1. */
		int wanted = i < NODES / 2 ? 40 : 10;

		asked += world[i].asked;
		ck_assert_msg(
			world[i].asked >= wanted * 7 / 10 && world[i].asked <= wanted * 13 / 10,
			"%d: %d", i, world[i].asked);
	}
	ck_assert_int_ge(asked, 9000);
	ck_assert_int_le(asked, 10100);
	ck_assert_uint_eq(far_counters(f)->lost, 0);
}
END_TEST

START_TEST(test_only_those_that_may_be_wanted_are_watched)
{
	for (int i = 0; i < 100; i++)
		name(i, 1 + (unsigned)i / 10);
	far_set_area(f, 2, 4, now);
	pass(60 * NS_S);
	forget_counts();
	pass(300 * NS_S);
	for (int i = 0; i < 100; i++)
		ck_assert_msg(i < 4 ? world[i].asked > 250 : world[i].asked < 12, "%d: %d", i,
			world[i].asked);
}
END_TEST

/* ---- hearsay ---- */

START_TEST(test_reports_make_questions_for_load_unnecessary)
{
	for (int i = 0; i < 10; i++)
		name(i, 1 + (unsigned)i);
	far_set_area(f, 2, 3, now);
	for (int s = 0; s < 60; s++) {
		for (int i = 0; i < 10; i++) {
			world[i].says.sessions = (uint32_t)s;
			ck_assert(far_report(f, &world[i].control, &world[i].says, 5 * NS_S, now));
		}
		pass(NS_S);
	}
	for (int i = 3; i < 10; i++)
		ck_assert_int_eq(world[i].asked, 0);
	ck_assert(world[0].eligible && world[1].eligible && !world[2].eligible);
	ck_assert(world[0].facts.asked);
	ck_assert_uint_eq(world[1].facts.rtt_us, 10000);
	/* Reports end, and it still answers. Another one's end, and it is not eligible any more. */
	pass(10 * NS_S);
	ck_assert(world[0].eligible);
	ck_assert(!far_report(f, &world[20].control, &world[20].says, NS_S, now));
}
END_TEST

START_TEST(test_hearsay_is_eligible_until_it_is_asked_or_over)
{
	name(0, 1);
	far_set_area(f, 1, 1, now);
	ck_assert(far_report(f, &world[0].control, &world[0].says, 5 * NS_S, now));
	ck_assert(world[0].eligible);
	ck_assert(!world[0].facts.asked);
	ck_assert_uint_eq(world[0].facts.rtt_us, 0);
	pass(MS(100));
	ck_assert(world[0].facts.asked);
	/* What others say of it is nothing to one that cannot reach it. */
	world[0].silent = true;
	for (int s = 0; s < 10; s++) {
		far_report(f, &world[0].control, &world[0].says, 5 * NS_S, now);
		pass(NS_S);
	}
	ck_assert(!world[0].eligible);
	/* It can be reached again, and they go on. */
	world[0].silent = false;
	for (int s = 0; s < 31; s++) {
		far_report(f, &world[0].control, &world[0].says, 5 * NS_S, now);
		pass(NS_S);
	}
	ck_assert(world[0].eligible);
	pass(10 * NS_S);
	/* Never asked, and the reports are over. */
	far_set_area(f, 2, 2, now);
	far_set_area(f, 2, 0, now);
	name(1, 1);
	world[1].silent = true;
	far_report(f, &world[1].control, &world[1].says, MS(200), now);
	ck_assert(world[1].eligible);
	pass(MS(300));
	ck_assert(!world[1].eligible);
}
END_TEST

/* ---- bounds and strangers ---- */

START_TEST(test_when_there_is_no_room_the_nearest_are_kept)
{
	struct far_conf c = conf;
	struct scout_candidate more = {.distance = 9};

	c.max = 10;
	begin(&c);
	for (int i = 0; i < 10; i++)
		name(i, 5);
	more.control = world[50].control;
	ck_assert_int_eq(far_name(f, &more, now), -ENOSPC);
	ck_assert_uint_eq(far_counters(f)->crowded, 1);
	more.distance = 1;
	ck_assert_int_eq(far_name(f, &more, now), 0);
	ck_assert_int_eq(far_count(f), 10);
	ck_assert_uint_eq(far_counters(f)->crowded, 1);
	/* Or one that is lost gives way. */
	far_set_area(f, 10, 10, now);
	for (int i = 0; i < 10; i++)
		world[i].silent = i == 3;
	pass(10 * NS_S);
	more.control = world[51].control;
	more.distance = 9;
	ck_assert_int_eq(far_name(f, &more, now), 0);
	ck_assert_int_eq(far_count(f), 10);
	/* A smaller maximum holds at once. */
	c.max = 4;
	far_set_conf(f, &c, now);
	ck_assert_int_eq(far_count(f), 4);
	ck_assert(world[50].eligible);
	ck_assert_int_le(far_eligible(f), 4);
}
END_TEST

/* A method that begins anew names whom it knows; those of before are there until the sweep. */
START_TEST(test_who_is_not_named_again_gives_way_first)
{
	struct far_conf c = conf;

	c.max = 10;
	begin(&c);
	for (int i = 0; i < 10; i++)
		name(i, 0);
	far_set_area(f, 2, 10, now);
	pass(5 * NS_S);
	far_mark(f);
	name(3, 0);
	for (int i = 10; i < 18; i++)
		name(i, 0);
	pass(5 * NS_S);
	ck_assert_int_eq(far_count(f), 10);
	ck_assert_uint_eq(far_counters(f)->crowded, 0);
	far_sweep(f, now);
	ck_assert_int_eq(far_count(f), 9);
	ck_assert_int_eq(far_eligible(f), 2);
	for (int i = 0; i < 18; i++)
		ck_assert_msg(!world[i].eligible || i == 3 || i >= 10, "%d", i);
	ck_assert(world[0].told == 0 || !strcmp(world[0].why, "removed"));
	/* They are no longer to go. */
	ck_assert_int_eq(
		far_name(f, &(struct scout_candidate){.control = world[20].control}, now), 0);
	ck_assert_int_eq(
		far_name(f, &(struct scout_candidate){.control = world[21].control}, now), -ENOSPC);
}
END_TEST

START_TEST(test_a_pace_that_is_configured_anew_holds_at_once)
{
	struct far_conf c = conf;

	name(0, 1);
	far_set_area(f, 1, 1, now);
	pass(5 * NS_S);
	c.interval = MS(100);
	far_set_conf(f, &c, now);
	forget_counts();
	pass(10 * NS_S);
	ck_assert_int_ge(world[0].asked, 90);
	c.interval = 10 * NS_S;
	c.rate = 1;
	far_set_conf(f, &c, now);
	forget_counts();
	pass(100 * NS_S);
	ck_assert_int_le(world[0].asked, 12);
}
END_TEST

START_TEST(test_nobody_can_be_where_no_host_is)
{
	static const char *const bad[] = {"0.0.0.0:7702", "239.1.1.1:7702", "10.9.0.7:7702",
		"[fe80::1]:7702", "[ff02::1]:7702", "10.1.1.1:0", "127.0.0.1:7702"};
	struct far_conf c = conf;

	ck_assert_int_eq(prefix_parse(&c.block, SLICE("10.9.0.0/24")), 0);
	begin(&c);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct scout_candidate x = {.distance = 1};

		ck_assert_int_eq(addr_parse(&x.control, slice_of(bad[i]), 0), 0);
		ck_assert_msg(far_name(f, &x, now) == -EINVAL, "%s", bad[i]);
	}
	ck_assert_int_eq(far_count(f), 0);
}
END_TEST

START_TEST(test_only_the_answer_to_the_question_that_is_out_counts)
{
	struct far_question q, a;
	struct announce lies;

	name(0, 1);
	far_set_area(f, 1, 1, now);
	ck_assert(far_next(f, now, &q));
	ck_assert(!far_answer(f, q.id + 1, &world[0].control, MS(1), &world[0].says, now, &a));
	ck_assert(!far_answer(f, q.id, &world[1].control, MS(1), &world[0].says, now, &a));
	lies = world[0].says;
	lies.role = ROLE_ARN;
	ck_assert(!far_answer(f, q.id, &world[0].control, MS(1), &lies, now, &a));
	lies = world[0].says;
	lies.addr = addr_any(AF_INET, 0);
	ck_assert(!far_answer(f, q.id, &world[0].control, MS(1), &lies, now, &a));
	ck_assert_int_eq(far_eligible(f), 0);
	ck_assert(far_answer(f, q.id, &world[0].control, MS(1), &world[0].says, now, &a));
	ck_assert(!far_answer(f, q.id, &world[0].control, MS(1), &world[0].says, now, &a));
	ck_assert_uint_eq(far_counters(f)->strays, 5);
	ck_assert_int_eq(far_eligible(f), 1);
}
END_TEST

START_TEST(test_a_node_is_asked_for_its_neighbours_at_once)
{
	struct far_question q, a;

	name(0, 30);
	far_set_area(f, 1, 1, now);
	pass(10 * NS_S);
	ck_assert(!far_ask_neighbours(f, &world[1].control, 0, now));
	ck_assert(far_ask_neighbours(f, &world[0].control, 16, now));
	ck_assert(far_next(f, now, &q));
	ck_assert(q.neighbours);
	ck_assert_uint_eq(q.skip, 16);
	ck_assert(far_answer(f, q.id, &world[0].control, MS(1), &world[0].says, now, &a));
	ck_assert(a.neighbours && a.skip == 16);
	/* Once. */
	far_accuse(f, "sn0", now);
	now += INTERVAL;
	ck_assert(far_next(f, now, &q));
	ck_assert(!q.neighbours);
	/* Who has none to give for he is lost: that is told for each time they were wanted. */
	pass(NS_S);
	world[0].silent = true;
	pass(2 * LONGEST);
	ck_assert_int_eq(world[0].lost, 1);
	ck_assert(far_ask_neighbours(f, &world[0].control, 0, now));
	pass(10 * LONGEST);
	ck_assert_int_eq(world[0].lost, 2);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("far");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_the_nearest_that_answer_are_the_area);
	tcase_add_test(t, test_a_step_nearer_comes_before_any_latency);
	tcase_add_test(t, test_the_area_grows_and_shrinks_as_it_is_told);
	tcase_add_test(t, test_latencies_that_waver_do_not_turn_the_area_over);
	tcase_add_test(t, test_a_node_with_two_addresses_counts_once);
	tcase_add_test(t, test_who_was_a_twin_is_none_when_the_other_is_gone);
	tcase_add_test(t, test_a_node_that_becomes_another_leaves_first);
	tcase_add_test(t, test_a_distance_that_is_said_anew_counts);
	tcase_add_test(t, test_a_node_of_our_own_network_is_not_far);
	tcase_add_test(t, test_who_does_not_answer_is_gone_within_its_misses);
	tcase_add_test(t, test_one_lost_question_is_nothing);
	tcase_add_test(t, test_who_was_lost_is_asked_rarely_and_doubted_when_it_answers);
	tcase_add_test(t, test_who_cannot_be_reached_at_first_is_not_waited_for_long);
	tcase_add_test(t, test_an_accused_node_is_asked_at_once_but_not_over_and_over);
	tcase_add_test(t, test_latency_is_the_least_and_a_longer_path_is_noticed);
	tcase_add_test(t, test_the_rate_of_questions_falls_with_distance);
	tcase_add_test(t, test_latency_is_the_distance_where_the_scout_has_none);
	tcase_add_test(t, test_places_are_the_distance_where_they_are_known);
	tcase_add_test(t, test_who_is_late_is_so_by_its_own_pause);
	tcase_add_test(t, test_nodes_that_were_named_at_once_are_not_asked_at_once_for_ever);
	tcase_add_test(t, test_an_answer_is_waited_for_as_long_as_the_path_is);
	tcase_add_test(t, test_the_cost_grows_with_the_distance_not_with_the_nodes);
	tcase_add_test(t, test_however_many_the_rate_is_kept_and_shared);
	tcase_add_test(t, test_only_those_that_may_be_wanted_are_watched);
	tcase_add_test(t, test_reports_make_questions_for_load_unnecessary);
	tcase_add_test(t, test_hearsay_is_eligible_until_it_is_asked_or_over);
	tcase_add_test(t, test_when_there_is_no_room_the_nearest_are_kept);
	tcase_add_test(t, test_who_is_not_named_again_gives_way_first);
	tcase_add_test(t, test_a_pace_that_is_configured_anew_holds_at_once);
	tcase_add_test(t, test_nobody_can_be_where_no_host_is);
	tcase_add_test(t, test_only_the_answer_to_the_question_that_is_out_counts);
	tcase_add_test(t, test_a_node_is_asked_for_its_neighbours_at_once);
	return run_case("far", t);
}
