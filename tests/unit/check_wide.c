/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows H1, H3, H5: the wide area as a whole, with the methods that need no discovery and one that
 * only notes what it is told. */
#include "arn/wide.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define NODES 12
#define LOOK  (125 * NS_MS)
#define RTT   (10 * NS_MS)

static struct wide *w;
static struct wide_conf conf;
static ns_t now;
static struct addr control[NODES];
static struct announce says[NODES];
static bool silent[NODES], eligible[NODES];
static double home, elsewhere; /* use */
static int scope;
static double shared; /* of a far node, when its load was last asked for */

static int index_of(const char *id)
{
	return atoi(id + 2);
}

static void on_eligible(
	void *arg, const struct announce *said, const struct far_facts *facts, ns_t when)
{
	(void)arg;
	(void)when;
	ck_assert_uint_eq(facts->rtt_us, RTT / NS_US);
	eligible[index_of(said->id)] = true;
}

static void on_left(void *arg, const char *id, const char *why, ns_t when)
{
	(void)arg;
	(void)when;
	(void)why;
	eligible[index_of(id)] = false;
}

static bool is_local(void *arg, const char *id)
{
	(void)arg;
	(void)id;
	return false;
}

static struct area_load on_load(void *arg, const char *id, double share)
{
	(void)arg;
	if (id)
		shared = share;
	return (struct area_load){(id ? elsewhere * share : home) * 100, share * 100};
}

static void on_scoped(void *arg, const struct area *area, int was, ns_t when)
{
	(void)arg;
	(void)when;
	ck_assert_int_ne(was, area->scope);
	scope = area->scope;
}

static const struct wide_events events = {on_eligible, on_left, is_local, on_load, on_scoped, NULL};

static void begin(const struct scout_ops *method)
{
	now = 100 * NS_S;
	home = elsewhere = 0;
	for (int i = 0; i < NODES; i++) {
		says[i] = (struct announce){.role = ROLE_SN, .healthy = true, .rtsp_port = 554};
		snprintf(says[i].id, sizeof(says[i].id), "sn%d", i);
		says[i].addr = addr_any(AF_INET, 0);
		says[i].addr.in.sin_addr.s_addr = htonl(0x0a040001U + (unsigned)i);
		control[i] = says[i].addr;
		addr_set_port(&control[i], 7702);
		silent[i] = eligible[i] = false;
	}
	conf = (struct wide_conf){.method = method,
		.scout =
			{.seed = control, .seeds = NODES, .place = "", .directory = "", .max = 100},
		.far = {.interval = NS_S,
			.interval_max = 30 * NS_S,
			.rate = 100,
			.max = 100,
			.misses = 3},
		.area = {.warm = 1, .max = 100, .grow = 0.75, .shrink = 0.5, .hold = 5 * NS_S},
		.share = 0.8};
	w = wide_new(&conf, &events, 3, now);
	ck_assert_ptr_nonnull(w);
	scope = conf.area.warm;
}

static void teardown(void)
{
	wide_free(w);
	w = NULL;
}

/* Every question is answered at once, with RTT as what was measured. */
static void answer_all(void)
{
	struct far_question q;

	while (wide_next_question(w, now, &q))
		for (int i = 0; i < NODES; i++)
			if (!addr_cmp(&control[i], &q.to) && !silent[i])
				ck_assert(wide_answer(
					w, q.id, &control[i], RTT, &says[i], NULL, 0, 0, now));
}

static void pass(ns_t time)
{
	for (ns_t end = now + time; now < end; now += LOOK) {
		wide_tick(w, now);
		answer_all();
		wide_look(w, now);
	}
}

static int count(void)
{
	int n = 0;

	for (int i = 0; i < NODES; i++)
		n += eligible[i];
	return n;
}

START_TEST(test_wide_has_all_configured_nodes_whatever_the_load)
{
	begin(&scout_wide);
	pass(5 * NS_S);
	ck_assert_int_eq(count(), NODES);
	home = 1;
	pass(5 * NS_S);
	ck_assert_int_eq(count(), NODES);
	silent[3] = true;
	pass(20 * NS_S);
	ck_assert_int_eq(count(), NODES - 1);
	silent[3] = false;
	pass(60 * NS_S);
	ck_assert_int_eq(count(), NODES);
}
END_TEST

START_TEST(test_local_takes_its_neighbours_in_as_the_load_rises)
{
	begin(&scout_local);
	pass(5 * NS_S);
	ck_assert_int_eq(count(), 1);
	ck_assert(eligible[0]);
	ck_assert_int_eq(far_count(wide_far(w)), 2); /* the next one is known */
	home = 1;
	elsewhere = 0.2; /* of one far node: enough */
	pass(5 * NS_S);
	ck_assert_int_eq(count(), 1);
	elsewhere = 0.9;
	pass(20 * NS_S);
	ck_assert_int_eq(count(), NODES);
	home = 0.2;
	pass(60 * NS_S);
	ck_assert_int_eq(count(), 1);
	ck_assert_int_eq(scope, 1);
	ck_assert_int_eq(far_count(wide_far(w)), 2);
}
END_TEST

START_TEST(test_a_neighbour_that_is_lost_is_replaced_by_the_next)
{
	begin(&scout_local);
	silent[0] = silent[1] = true;
	pass(10 * NS_S);
	ck_assert_int_eq(count(), 1);
	ck_assert(eligible[2]);
	ck_assert_int_eq(far_count(wide_far(w)), 4);
	silent[0] = false;
	pass(60 * NS_S);
	ck_assert_int_eq(count(), 1);
	ck_assert_int_eq(far_count(wide_far(w)), 3);
}
END_TEST

START_TEST(test_another_list_keeps_those_that_are_in_both)
{
	begin(&scout_wide);
	pass(5 * NS_S);
	conf.scout.seeds = 5;
	ck_assert_int_eq(wide_set_conf(w, &conf, true, now), 0);
	ck_assert_int_eq(count(), NODES); /* not yet */
	pass(WIDE_SWEEP + NS_S);
	ck_assert_int_eq(count(), 5);
	ck_assert_int_eq(far_count(wide_far(w)), 5);
	/* None at all. */
	conf.method = NULL;
	ck_assert_int_eq(wide_set_conf(w, &conf, true, now), 0);
	pass(LOOK);
	ck_assert_int_eq(count(), 0);
	ck_assert_int_eq(wide_when(w), NS_NEVER);
}
END_TEST

START_TEST(test_what_is_configured_anew_holds_at_once)
{
	begin(&scout_local);
	pass(5 * NS_S);
	ck_assert_int_eq(count(), 1);
	ck_assert(shared == 0.8);
	conf.area.warm = 4;
	conf.far.interval = conf.far.interval_max = 60 * NS_S;
	conf.share = 0.5;
	ck_assert_int_eq(wide_set_conf(w, &conf, false, now), 0);
	ck_assert_int_eq(far_count(wide_far(w)), 8);
	pass(NS_S);
	ck_assert_int_eq(count(), 4);
	ck_assert(shared == 0.5);
	silent[0] = true;
	pass(50 * NS_S);
	ck_assert(eligible[0]); /* it is not even asked */
	conf.far.interval = NS_S;
	conf.area.warm = 0;
	conf.area.max = 2;
	ck_assert_int_eq(wide_set_conf(w, &conf, false, now), 0);
	ck_assert_int_eq(count(), 2);
	pass(4 * NS_S);
	ck_assert(!eligible[0]);
	pass(3 * conf.area.hold);
	ck_assert_int_eq(count(), 0);
}
END_TEST

/* ---- a scout that notes what it is told, and does what it is told ---- */

static struct {
	int wanted, heard, lost, answers, records, freed;
	bool fails;
	struct scout_act act[40];
	int acts;
} note;

static void *note_init(const struct scout_conf *c, ns_t when)
{
	(void)c;
	(void)when;
	return note.fails ? NULL : &note;
}

static void note_free(void *scout)
{
	(void)scout;
	note.freed++;
}

static void note_want(void *scout, int nodes, ns_t when)
{
	(void)scout;
	(void)when;
	note.wanted = nodes;
}

static void note_neighbours(void *scout, const struct addr *of, const struct survey_neighbour *list,
	int n, int total, ns_t when)
{
	(void)scout;
	(void)list;
	(void)when;
	ck_assert(!addr_cmp(of, &control[0]));
	note.heard += n;
	note.answers += total;
}

static void note_looked_up(
	void *scout, const struct scout_lookup *what, const struct scout_records *r, ns_t when)
{
	(void)scout;
	(void)when;
	ck_assert_str_eq(what->name, "x.example");
	note.records += r->n;
}

static void note_lost(void *scout, const struct addr *of, ns_t when)
{
	(void)scout;
	(void)of;
	(void)when;
	note.lost++;
}

static bool note_next(void *scout, ns_t when, struct scout_act *act)
{
	(void)scout;
	(void)when;
	if (!note.acts)
		return false;
	*act = note.act[--note.acts];
	return true;
}

static ns_t note_when(const void *scout)
{
	(void)scout;
	return note.acts ? 0 : NS_NEVER;
}

static const struct scout_ops scout_note = {"note", "", true, note_init, note_free, note_want,
	note_neighbours, note_looked_up, note_lost, NULL, note_next, note_when};

START_TEST(test_a_scout_gets_what_it_asked_for)
{
	struct far_question q;

	memset(&note, 0, sizeof(note));
	begin(&scout_note);
	ck_assert_int_eq(note.wanted, 2);
	note.act[note.acts++] =
		(struct scout_act){.kind = SCOUT_NEIGHBOURS, .of = control[0], .skip = 16};
	note.act[note.acts++] = (struct scout_act){
		.kind = SCOUT_CANDIDATE, .candidate = {.control = control[0], .distance = 1}};
	wide_tick(w, now);
	ck_assert(wide_next_question(w, now, &q));
	ck_assert(q.neighbours && q.skip == 16);
	ck_assert(wide_answer(w, q.id, &control[0], RTT, &says[0], NULL, 3, 19, now));
	ck_assert_int_eq(note.heard, 3);
	ck_assert_int_eq(note.answers, 19);
	ck_assert(!wide_answer(w, q.id, &control[0], RTT, &says[0], NULL, 3, 19, now));
	ck_assert_int_eq(note.heard, 3);
	/* Of one that is no candidate it is told at once. */
	note.act[note.acts++] = (struct scout_act){.kind = SCOUT_NEIGHBOURS, .of = control[1]};
	wide_tick(w, now);
	ck_assert_int_eq(note.lost, 1);
	silent[0] = true;
	pass(20 * NS_S);
	ck_assert_int_eq(note.lost, 2);
	note.act[note.acts++] = (struct scout_act){.kind = SCOUT_GONE, .of = control[0]};
	wide_tick(w, now);
	ck_assert_int_eq(far_count(wide_far(w)), 0);
	home = elsewhere = 1;
	pass(NS_S);
	ck_assert_int_eq(note.wanted, 4);
}
END_TEST

START_TEST(test_lookups_under_way_are_bounded_and_none_is_lost)
{
	struct scout_records r = {.n = 1};
	struct scout_lookup what;
	int flying = 0, all = 0;

	memset(&note, 0, sizeof(note));
	begin(&scout_note);
	while (note.acts < 40) {
		struct scout_act *a = &note.act[note.acts++];

		a->kind = SCOUT_LOOKUP;
		strcpy(a->what.name, "x.example");
	}
	while (wide_next_lookup(w, now, &what))
		flying++;
	ck_assert_int_eq(flying, WIDE_LOOKUPS);
	ck_assert_int_gt(wide_when(w), now); /* until one is answered */
	for (; flying; all++) {
		wide_looked_up(w, &what, &r, now);
		flying--;
		while (wide_next_lookup(w, now, &what))
			flying++;
		ck_assert_int_le(flying, WIDE_LOOKUPS);
	}
	ck_assert_int_eq(all, 40);
	ck_assert_int_eq(note.records, 40);
}
END_TEST

static void want_lookups(int n)
{
	for (note.acts = 0; note.acts < n; note.acts++) {
		note.act[note.acts] = (struct scout_act){.kind = SCOUT_LOOKUP};
		strcpy(note.act[note.acts].what.name, "x.example");
	}
}

START_TEST(test_a_method_that_begins_anew_has_nothing_under_way)
{
	struct scout_lookup what;
	int flying = 0;

	memset(&note, 0, sizeof(note));
	begin(&scout_note);
	want_lookups(20);
	ck_assert(wide_next_lookup(w, now, &what));
	/* Without memory all is as it was. */
	note.fails = true;
	note.wanted = 0;
	ck_assert_int_eq(wide_set_conf(w, &conf, true, now), -ENOMEM);
	ck_assert_int_eq(note.freed, 0);
	ck_assert(wide_next_lookup(w, now, &what));
	note.fails = false;
	note.acts = 0;
	ck_assert_int_eq(wide_set_conf(w, &conf, true, now), 0);
	ck_assert_int_eq(note.freed, 1);
	ck_assert_int_eq(note.wanted, 2);
	ck_assert(!wide_next_lookup(w, now, &what));
	want_lookups(20);
	while (wide_next_lookup(w, now, &what))
		flying++;
	ck_assert_int_eq(flying, WIDE_LOOKUPS);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("wide");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, test_wide_has_all_configured_nodes_whatever_the_load);
	tcase_add_test(t, test_local_takes_its_neighbours_in_as_the_load_rises);
	tcase_add_test(t, test_a_neighbour_that_is_lost_is_replaced_by_the_next);
	tcase_add_test(t, test_another_list_keeps_those_that_are_in_both);
	tcase_add_test(t, test_what_is_configured_anew_holds_at_once);
	tcase_add_test(t, test_a_scout_gets_what_it_asked_for);
	tcase_add_test(t, test_a_method_that_begins_anew_has_nothing_under_way);
	tcase_add_test(t, test_lookups_under_way_are_bounded_and_none_is_lost);
	return run_case("wide", t);
}
