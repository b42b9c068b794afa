/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Crawling the overlay (row H6): the order, its bounds, and what happens while nodes come and go, lie,
 * or say nothing. The overlay is a graph here, and its nodes answer a little later. */
#include "arn/scout.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/survey.h"
#include "tests/unit/run.h"
#include "tests/unit/scout_fixture.h"

#define NODES   400
#define LINKS   200
#define MAX     64
#define REVISIT (60 * NS_S)

static struct {
	int out[LINKS], outs;
	bool dead, mute; /* does not answer; and nobody notices */
	int claims;      /* it says that it has so many, if that is more */
	bool named;
	unsigned distance;
	ns_t slow; /* it answers so much later */
	int asked;
} node[NODES];
static int nodes;

static int asked, named;
static uint64_t dice = 1;

static unsigned draw(unsigned below)
{
	dice = dice * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(dice >> 33) % below;
}

static struct addr address(int i)
{
	struct addr a = addr_any(AF_INET, 7702);

	a.in.sin_addr.s_addr = htonl(0x0a070000u + (unsigned)i + 1);
	return a;
}

static int node_at(const struct addr *a)
{
	int i = (int)(ntohl(a->in.sin_addr.s_addr) - 0x0a070001u);

	ck_assert(i >= 0 && i < nodes && addr_port(a) == 7702);
	return i;
}

/* So many nodes without links, of which the first `seeds` are configured. */
static void begin(int count, int seeds)
{
	struct addr seed[16];
	struct scout_conf c = {.seed = seed,
		.seeds = seeds,
		.place = "",
		.directory = "",
		.max = MAX,
		.interval_max = REVISIT,
		.random = draw(1000000)};

	ck_assert(count <= NODES && seeds <= 16);
	ck_assert_int_eq(prefix_parse(&c.block, SLICE("10.1.18.0/24")), 0);
	ops = &scout_crawl;
	ops->free(s);
	memset(node, 0, sizeof(node));
	nodes = count;
	for (int i = 0; i < seeds; i++)
		seed[i] = address(i);
	now = 1000 * NS_S;
	agenda_clear(&agenda);
	asked = named = 0;
	s = ops->init(&c, now);
	ck_assert_ptr_nonnull(s);
}

static void link_to(int a, int b)
{
	for (int i = 0; i < node[a].outs; i++)
		if (node[a].out[i] == b)
			return;
	ck_assert_int_lt(node[a].outs, LINKS);
	node[a].out[node[a].outs++] = b;
}

static void link_both(int a, int b)
{
	link_to(a, b);
	link_to(b, a);
}

static void cut(int a, int b)
{
	for (int i = 0; i < node[a].outs; i++)
		if (node[a].out[i] == b)
			node[a].out[i--] = node[a].out[--node[a].outs];
	if (a < b)
		cut(b, a);
}

/* ---- time ---- */

static void answer(const struct scout_act *act)
{
	struct survey_neighbour list[SURVEY_NEIGHBOURS] = {0};
	int of = node_at(&act->of), n = 0;
	int total = node[of].outs > node[of].claims ? node[of].outs : node[of].claims;
	struct addr control = address(of);

	if (node[of].mute)
		return;
	if (node[of].dead)
		return ops->lost(s, &control, now);
	for (int i = (int)act->skip; i < node[of].outs && n < SURVEY_NEIGHBOURS; i++)
		list[n++].control = address(node[of].out[i]);
	ops->neighbours(s, &control, list, n, total, now);
}

static void obey(const struct scout_act *act)
{
	int i;

	switch (act->kind) {
	case SCOUT_CANDIDATE:
		i = node_at(&act->candidate.control);
		named += !node[i].named;
		node[i].named = true;
		node[i].distance = act->candidate.distance;
		ck_assert_int_le(named, MAX);
		break;
	case SCOUT_GONE:
		i = node_at(&act->of);
		ck_assert(node[i].named);
		node[i].named = false;
		named--;
		break;
	case SCOUT_NEIGHBOURS:
		i = node_at(&act->of);
		ck_assert(node[i].named);
		answer_at(now + DELAY + node[i].slow, act);
		asked++;
		node[i].asked++;
		break;
	case SCOUT_LOOKUP: ck_abort_msg("asked the DNS");
	}
}

static void want(int n)
{
	ops->want(s, n, now);
}

static void kill_node(int i)
{
	struct addr control = address(i);

	node[i].dead = true;
	if (node[i].named)
		ops->lost(s, &control, now);
}

static void revive(int i)
{
	struct addr control = address(i);

	node[i].dead = false;
	if (node[i].named)
		ops->found(s, &control, now);
}

/* ---- the truth ---- */

static unsigned hops[NODES]; /* from the first `seeds`; 0: none */

static int count_hops(int seeds)
{
	int reached = 0;

	memset(hops, 0, sizeof(hops));
	for (int i = 0; i < seeds; i++)
		hops[i] = 1;
	for (unsigned h = 1; h < NODES; h++)
		for (int i = 0; i < nodes; i++)
			for (int k = 0; hops[i] == h && k < node[i].outs; k++)
				if (!hops[node[i].out[k]])
					hops[node[i].out[k]] = h + 1;
	for (int i = 0; i < nodes; i++)
		reached += hops[i] > 0;
	return reached;
}

/* As many as are wanted, and none that is farther than one that is not named. */
static void check_nearest(int seeds, int wanted)
{
	int reached = count_hops(seeds);
	unsigned farthest = 0;

	ck_assert_int_ge(named, wanted < reached ? wanted : reached);
	for (int i = 0; i < nodes; i++) {
		if (!node[i].named)
			continue;
		ck_assert_uint_eq(node[i].distance, hops[i]);
		farthest = hops[i] > farthest ? hops[i] : farthest;
	}
	for (int i = 0; i < nodes; i++)
		ck_assert(node[i].named || !hops[i] || hops[i] >= farthest);
}

static void put_line(int count, int seeds)
{
	begin(count, seeds);
	for (int i = 1; i < count; i++)
		link_both(i - 1, i);
}

/* ---- the order ---- */

START_TEST(test_neighbours_of_neighbours_are_found_hop_by_hop)
{
	put_line(20, 1);
	for (int wanted = 1; wanted <= 20; wanted++) {
		want(wanted);
		pass(5 * NS_S);
		check_nearest(1, wanted);
		ck_assert_int_eq(named, wanted);
	}
}
END_TEST

START_TEST(test_nearer_nodes_come_before_farther_ones)
{
	for (int round = 0; round < 60; round++) {
		int count = 2 + (int)draw(60), seeds = 1 + (int)draw(count > 3 ? 3 : 1);

		begin(count, seeds);
		for (int i = 0; i < 2 * count; i++)
			link_both((int)draw((unsigned)count), (int)draw((unsigned)count));
		for (int i = 0; i < 4; i++) {
			int wanted = (int)draw(MAX);

			want(wanted);
			pass(4 * REVISIT);
			check_nearest(seeds, wanted);
		}
	}
}
END_TEST

START_TEST(test_farther_ones_wait_for_the_answers_of_nearer_ones)
{
	begin(20, 2);
	node[0].slow = 2 * NS_S;
	for (int i = 10; i < 20; i++)
		link_both(0, i);
	link_both(1, 2);
	for (int i = 3; i < 10; i++)
		link_both(i - 1, i);
	want(6);
	pass(NS_S);
	ck_assert_int_eq(named, 3);
	pass(5 * NS_S);
	check_nearest(2, 6);
	ck_assert_int_eq(named, 13);
}
END_TEST

START_TEST(test_a_long_list_is_asked_for_page_by_page_as_far_as_it_is_wanted)
{
	begin(60, 1);
	for (int i = 1; i < 30; i++)
		link_both(0, i);
	want(10);
	pass(REVISIT / 2);
	ck_assert_int_eq(node[0].asked, 1);
	want(30);
	pass(2 * REVISIT);
	check_nearest(1, 30);
	/* The same of those that are known, even if fewer are wanted. */
	want(2);
	pass(10 * REVISIT);
	check_nearest(1, 30);
}
END_TEST

START_TEST(test_no_more_is_asked_than_is_wanted)
{
	put_line(300, 1);
	want(5);
	pass(10 * NS_S);
	ck_assert_int_eq(named, 5);
	ck_assert_int_eq(asked, 4);
	/* And again only at the slow rate. */
	asked = 0;
	pass(20 * REVISIT);
	ck_assert_int_eq(named, 5);
	ck_assert_int_le(asked, 4 * 26);
	ck_assert_int_ge(asked, 4 * 19);
	for (int i = 5; i < 300; i++)
		ck_assert_int_eq(node[i].asked, 0);
}
END_TEST

START_TEST(test_what_is_wanted_no_more_is_forgotten)
{
	put_line(40, 1);
	want(30);
	pass(10 * NS_S);
	ck_assert_int_eq(named, 30);
	want(2);
	pass(3 * REVISIT);
	ck_assert_int_eq(named, 2);
	asked = 0;
	pass(10 * REVISIT);
	ck_assert_int_le(asked, 13);
}
END_TEST

START_TEST(test_of_many_the_nearest_are_kept)
{
	begin(300, 2);
	for (int i = 2; i < 300; i++)
		link_both(i, (i - 2) / 3);
	want(300);
	pass(10 * NS_S);
	ck_assert_int_eq(named, MAX);
	check_nearest(2, MAX);
	/* A node that was far comes near. */
	ck_assert(!node[299].named);
	link_both(0, 299);
	pass(3 * REVISIT);
	ck_assert(node[299].named);
	ck_assert_int_eq(named, MAX);
	check_nearest(2, MAX);
}
END_TEST

/* ---- what changes ---- */

START_TEST(test_for_who_does_not_answer_another_one_is_found)
{
	put_line(20, 1);
	link_both(0, 2); /* a way around 1 */
	want(3);
	pass(10 * NS_S);
	ck_assert_int_eq(named, 3);
	kill_node(1);
	pass(10 * NS_S);
	ck_assert(node[3].named);
	ck_assert(node[1].named); /* its neighbours still name it */
	cut(0, 1);
	cut(1, 2);
	pass(3 * REVISIT);
	ck_assert(!node[1].named);
	revive(1);
	link_both(0, 1);
	pass(3 * REVISIT);
	ck_assert(node[1].named);
}
END_TEST

START_TEST(test_distances_follow_the_overlay)
{
	/* A circle that is cut: what was near is at its end. */
	put_line(16, 1);
	link_both(15, 0);
	want(16);
	pass(10 * NS_S);
	check_nearest(1, 16);
	ck_assert_uint_eq(node[15].distance, 2);
	cut(0, 15);
	pass(4 * REVISIT);
	check_nearest(1, 16);
	ck_assert_uint_eq(node[15].distance, 16);
}
END_TEST

START_TEST(test_a_part_that_is_cut_off_does_not_keep_itself_known)
{
	put_line(12, 1);
	want(12);
	pass(10 * NS_S);
	ck_assert_int_eq(named, 12);
	cut(5, 6);
	pass(4 * REVISIT);
	ck_assert_int_eq(named, 6);
}
END_TEST

START_TEST(test_it_goes_on_when_no_configured_node_answers)
{
	put_line(12, 2);
	link_both(0, 2);
	want(6);
	pass(10 * NS_S);
	check_nearest(2, 6);
	kill_node(0);
	kill_node(1);
	pass(20 * REVISIT);
	for (int i = 2; i < 7; i++)
		ck_assert_msg(node[i].named, "node %d is not", i);
	revive(0);
	revive(1);
	pass(5 * REVISIT);
	check_nearest(2, 6);
}
END_TEST

START_TEST(test_it_keeps_up_with_a_changing_overlay)
{
	begin(60, 3);
	for (int i = 1; i < 60; i++)
		link_both(i, (int)draw((unsigned)i));
	for (int round = 0; round < 100; round++) {
		int a = (int)draw(60), b = (int)draw(60), wanted = (int)draw(50);

		if (draw(2))
			link_both(a, b);
		else
			cut(a, b);
		want(wanted);
		pass(6 * REVISIT);
		check_nearest(3, wanted);
	}
}
END_TEST

/* ---- what is not to be believed ---- */

START_TEST(test_a_node_that_names_a_million_is_believed_few)
{
	begin(NODES, 2);
	for (int i = 0; i < LINKS; i++)
		link_to(0, 100 + i);
	node[0].claims = 1000000;
	link_to(1, 2);
	link_to(1, 3);
	/* None of them is there. */
	for (int i = 100; i < NODES; i++)
		node[i].dead = true;
	want(4);
	pass(10 * NS_S);
	ck_assert_int_le(node[0].asked, 2);
	ck_assert_int_le(named, 4 + 32);
	ck_assert(node[2].named && node[3].named);
	/* However often it names others. */
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < node[0].outs; i++)
			node[0].out[i] = 100 + (int)draw(300);
		pass(REVISIT);
		ck_assert_int_le(named, 4 + 4 * 32);
		ck_assert(node[2].named && node[3].named);
	}
	ck_assert_int_le(node[0].asked, 2 * 70);
}
END_TEST

START_TEST(test_no_node_is_where_none_can_be)
{
	static const char *const bad[] = {"10.1.18.27:7702", "224.0.0.1:7702", "0.0.0.0:7702",
		"127.0.0.1:7702", "10.7.0.9:0", "[fe80::1]:7702", "[::1]:7702", "[ff02::1]:7702",
		"[::]:7702"};
	enum { BAD = sizeof(bad) / sizeof(bad[0]) };
	struct survey_neighbour list[BAD + 1] = {0};
	struct scout_act act;
	struct addr seed = address(0);

	begin(1, 1);
	want(10);
	for (int i = 0; i < BAD; i++)
		ck_assert_int_eq(addr_parse(&list[i].control, slice_of(bad[i]), 0), 0);
	list[BAD].control = seed; /* itself */
	while (ops->next(s, now, &act))
		if (act.kind != SCOUT_NEIGHBOURS)
			obey(&act);
	ck_assert_int_eq(named, 1);
	ops->neighbours(s, &seed, list, BAD + 1, BAD + 1, now);
	pass(REVISIT / 2);
	ck_assert_int_eq(named, 1);
	/* What nobody asked for is not heard. */
	list[0].control = address(0);
	list[0].control.in.sin_addr.s_addr = htonl(0x0a070009);
	ops->neighbours(s, &seed, list, 1, 1, now);
	ops->neighbours(s, &list[0].control, list, 1, 1, now);
	pass(NS_S);
	ck_assert_int_eq(named, 1);
}
END_TEST

START_TEST(test_who_never_answers_holds_nobody_up)
{
	begin(20, 8);
	for (int i = 0; i < 7; i++)
		node[i].mute = true;
	for (int i = 8; i < 20; i++)
		link_both(i, 7);
	want(20);
	pass(REVISIT);
	ck_assert_int_eq(named, 20);
}
END_TEST

/* While no configured node answers, who does is where it begins; not a moment longer. */
START_TEST(test_a_configured_node_that_answers_again_is_where_it_begins)
{
	begin(3, 1);
	link_both(0, 1);
	link_both(1, 2);
	want(5);
	pass(5 * NS_S);
	ck_assert_int_eq(named, 3);
	kill_node(0);
	cut(1, 2);
	pass(REVISIT - 2 * NS_S);
	ck_assert(node[1].named && node[2].named); /* there might be a way */
	revive(0);
	pass(NS_S / 2);
	ck_assert(node[0].named && node[1].named && !node[2].named);
}
END_TEST

static void teardown(void)
{
	ops->free(s);
	s = NULL;
}

int main(void)
{
	TCase *t = tcase_create("crawl");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_a_configured_node_that_answers_again_is_where_it_begins);
	tcase_add_test(t, test_neighbours_of_neighbours_are_found_hop_by_hop);
	tcase_add_test(t, test_nearer_nodes_come_before_farther_ones);
	tcase_add_test(t, test_farther_ones_wait_for_the_answers_of_nearer_ones);
	tcase_add_test(t, test_a_long_list_is_asked_for_page_by_page_as_far_as_it_is_wanted);
	tcase_add_test(t, test_no_more_is_asked_than_is_wanted);
	tcase_add_test(t, test_what_is_wanted_no_more_is_forgotten);
	tcase_add_test(t, test_of_many_the_nearest_are_kept);
	tcase_add_test(t, test_for_who_does_not_answer_another_one_is_found);
	tcase_add_test(t, test_distances_follow_the_overlay);
	tcase_add_test(t, test_a_part_that_is_cut_off_does_not_keep_itself_known);
	tcase_add_test(t, test_it_goes_on_when_no_configured_node_answers);
	tcase_add_test(t, test_it_keeps_up_with_a_changing_overlay);
	tcase_add_test(t, test_a_node_that_names_a_million_is_believed_few);
	tcase_add_test(t, test_no_node_is_where_none_can_be);
	tcase_add_test(t, test_who_never_answers_holds_nobody_up);
	return run_case("scout_crawl", t);
}
