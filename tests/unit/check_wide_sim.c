/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wide area (rows H1, H5 to H8) with hundreds of ARNs and thousands of nodes under virtual time:
 * what tests/sim has, small enough for every day. docs/simulation.md has the large ones.
 */
#include <check.h>

#include "tests/sim/world.h"
#include "tests/unit/run.h"

#define NODES 10

static const struct scout_ops *const method[] = {&scout_names, &scout_crawl};
#define METHODS (int)(sizeof(method) / sizeof(method[0]))

static struct world *new_world(const struct scout_ops *m, int sites, uint64_t seed)
{
	struct world_conf c = {.sites = sites,
		.nodes_per_site = NODES,
		.places = 10,
		.use = 0.5,
		.stay = 20 * NS_S,
		.seed = seed,
		.method = m,
		.far = {.interval = NS_S,
			.interval_max = 60 * NS_S,
			.rate = 50,
			.max = 64,
			.misses = 3},
		.area = {.warm = 2, .max = 64, .grow = 0.8, .shrink = 0.6, .hold = 5 * NS_S},
		.share = 0.8,
		.latency_cost = 0.1,
		.seeds = 3};
	struct world *w = world_new(&c);

	ck_assert(w != NULL);
	return w;
}

static void run_for(struct world *w, ns_t *now, ns_t time)
{
	*now += time;
	world_run(w, *now);
}

/* Of one of `sites` in `minutes` networks of that size, a minute each; the most that one of them
 * asks. */
static double cost_of_an_arn(const struct scout_ops *m, int sites, int minutes, uint64_t *most)
{
	uint64_t sum = 0;

	*most = 0;
	for (int seed = 1; seed <= minutes; seed++) {
		struct world *w = new_world(m, sites, (uint64_t)seed);
		struct world_count c;
		ns_t now = 0;

		run_for(w, &now, 60 * NS_S);
		c = world_take(w);
		sum += c.asked + c.lookups;
		for (int i = 0; i < sites; i++)
			if (world_site(w, i).asked > *most)
				*most = world_site(w, i).asked;
		world_free(w);
	}
	return (double)sum / sites / minutes;
}

START_TEST(what_an_arn_asks_does_not_grow_with_the_network)
{
	/* How near the nearest nodes are is a matter of the network, so there are several. */
	uint64_t most_small, most_large;
	double small = cost_of_an_arn(method[_i], 60, 4, &most_small);
	double large = cost_of_an_arn(method[_i], 180, 4, &most_large);

	ck_assert_msg(large < 1.4 * small, "%f at 60 sites, %f at 180", small, large);
	/* Four nodes at most are watched, each once a second at most: and the setting out. */
	ck_assert_uint_lt(most_small, 60 * 4 + 80);
	ck_assert_uint_lt(most_large, 60 * 4 + 80);
}
END_TEST

START_TEST(a_crowd_at_one_site_is_spread_over_its_neighbours_and_comes_home)
{
	struct world *w = new_world(method[_i], 120, 7);
	struct world_count c;
	int warm, changes = 0, was;
	ns_t now = 0;

	run_for(w, &now, 20 * NS_S);
	c = world_take(w);
	warm = world_site(w, 3).scope;
	ck_assert_uint_eq(c.away + c.denied, 0);
	world_crowd(w, 3, 4);
	run_for(w, &now, 15 * NS_S); /* as it comes, it is found that there is a crowd */
	world_take(w);
	was = world_site(w, 3).scope;
	for (int i = 0; i < 60; i++) {
		run_for(w, &now, NS_S);
		changes += world_site(w, 3).scope != was;
		was = world_site(w, 3).scope;
	}
	c = world_take(w);
	ck_assert_int_gt(was, warm);
	ck_assert_msg(changes <= 4, "the area changed %d times", changes);
	ck_assert_uint_gt(c.away, 200);
	ck_assert_msg(c.denied * 50 < c.away, "%lu denied, %lu sent away", c.denied, c.away);
	ck_assert_msg(c.away_ms < 2 * c.best_ms, "%f, and the best was %f",
		c.away_ms / (double)c.best, c.best_ms / (double)c.best);
	world_crowd(w, 3, 1);
	/* How soon is a matter of chance: half of the places are used on average, and as long as it is
	 * more than six of ten now and then, it does not shrink. */
	for (int i = 0; i < 30 && world_site(w, 3).scope != warm; i++)
		run_for(w, &now, 10 * NS_S);
	ck_assert_int_eq(world_site(w, 3).scope, warm);
	world_take(w);
	run_for(w, &now, 10 * NS_S);
	c = world_take(w);
	ck_assert_uint_eq(c.away + c.denied, 0);
	world_free(w);
}
END_TEST

START_TEST(no_node_is_sent_more_than_it_has_room_for_when_all_overflow)
{
	struct world *w = new_world(method[_i], 40, 7);
	struct world_count c;
	ns_t now = 0;

	run_for(w, &now, 10 * NS_S);
	for (int i = 0; i < 40; i += 2)
		world_crowd(w, i, 2.2);
	for (int i = 0; i < 90; i++) {
		run_for(w, &now, NS_S);
		for (int k = 0; k < 40; k++)
			ck_assert_uint_eq(world_site(w, k).over, 0);
	}
	c = world_take(w);
	ck_assert_uint_gt(c.away, 100);
	/* Old news: who is refused asks again. */
	ck_assert_msg(c.refused * 5 < c.away, "%lu refused, %lu sent away", c.refused, c.away);
	world_free(w);
}
END_TEST

START_TEST(nodes_that_die_leave_all_areas_within_their_misses)
{
	struct world *w = new_world(method[_i], 120, 7);
	const struct graph *g = world_graph(w);
	int stale = 0, killed = 0;
	ns_t now = 0;

	for (int i = 0; i < 120; i += 7)
		world_crowd(w, i, 3);
	run_for(w, &now, 40 * NS_S);
	for (int i = 0; i < 120; i++)
		if (g->site[i].x > 0.6 && g->site[i].y > 0.4) {
			world_kill(w, i);
			killed++;
		}
	for (int i = 0; i < 120; i++)
		stale += world_site(w, i).dead ? 0 : world_site(w, i).stale;
	ck_assert_int_gt(killed, 8);
	ck_assert_int_gt(stale, 0); /* or this would show nothing */
	/* A distant node is asked rarely, up to once in 60 s; but who sends clients there hears of it. */
	run_for(w, &now, 90 * NS_S);
	for (int i = 0; i < 120; i++)
		if (!world_site(w, i).dead)
			ck_assert_int_eq(world_site(w, i).stale, 0);
	world_take(w);
	run_for(w, &now, 10 * NS_S);
	ck_assert_uint_eq(world_take(w).unanswered, 0);
	world_free(w);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("wide area");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, what_an_arn_asks_does_not_grow_with_the_network, 0, METHODS);
	tcase_add_loop_test(
		t, a_crowd_at_one_site_is_spread_over_its_neighbours_and_comes_home, 0, METHODS);
	tcase_add_loop_test(
		t, no_node_is_sent_more_than_it_has_room_for_when_all_overflow, 0, METHODS);
	tcase_add_loop_test(t, nodes_that_die_leave_all_areas_within_their_misses, 0, METHODS);
	return run_case("wide_sim", t);
}
