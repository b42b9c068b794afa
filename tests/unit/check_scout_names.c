/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Discovery by hierarchical names (row H7), in a directory that is answered for here: the order, its
 * bounds, and what happens while the directory changes, lies, or cannot be reached. */
#include "arn/scout.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/place.h"
#include "tests/unit/run.h"
#include "tests/unit/scout_fixture.h"

#define DIR    "dir.cbb.net"
#define NODES  4096
#define MAX    64
#define TTL    (60 * NS_S)
#define SECOND 600 /* rates are looked at for so long */

#define OWN     "sanjose.california.pacificcoast.usa.northamerica"
#define SEATTLE "seattle.washington.pacificcoast.usa.northamerica"
#define ORLANDO "orlando.florida.atlanticcoast.usa.northamerica"

static struct {
	char place[PLACE_LEN];
	bool gone; /* from the directory */
	int named; /* is a candidate; by so many acts, less those that unnamed it */
	unsigned distance;
} node[NODES];
static int nodes;

static bool dead; /* the name servers */
static int asked, changes, seconds[SECOND];
static char last_asked[DNS_NAME];
static uint64_t dice = 1;

static unsigned draw(unsigned below)
{
	dice = dice * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(dice >> 33) % below;
}

static struct addr address(int i)
{
	struct addr a = addr_any(AF_INET, 0);

	a.in.sin_addr.s_addr = htonl(0x0a070000u + (unsigned)i + 1);
	return a;
}

static int node_at(const struct addr *a)
{
	return (int)(ntohl(a->in.sin_addr.s_addr) - 0x0a070001u);
}

static void put(const char *place)
{
	ck_assert(nodes < NODES && place_ok(slice_of(place)));
	memset(&node[nodes], 0, sizeof(node[0]));
	snprintf(node[nodes++].place, PLACE_LEN, "%s", place);
}

static void begin(const char *place)
{
	struct scout_conf c = {.place = place,
		.directory = DIR,
		.max = MAX,
		.interval_max = 60 * NS_S,
		.random = draw(1000000)};

	ck_assert_int_eq(prefix_parse(&c.block, SLICE("10.1.18.0/24")), 0);
	ops = &scout_names;
	ops->free(s);
	now = 1000 * NS_S;
	dead = false;
	agenda_clear(&agenda);
	asked = changes = nodes = 0;
	memset(seconds, 0, sizeof(seconds));
	s = ops->init(&c, now);
	ck_assert_ptr_nonnull(s);
}

/* ---- the directory ---- */

static struct scout_record record[4 * NODES];
static int records;

static void say(const char *name, const struct addr *a)
{
	struct scout_record *r = &record[records++];

	ck_assert(records < 4 * NODES);
	memset(r, 0, sizeof(*r));
	for (int i = 0; i < records - 1; i++)
		if (!a && !strcmp(record[i].name, name)) {
			records--;
			return;
		}
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->port = 7702;
	if (a)
		r->addr = *a;
}

/* The place that is directly inside of the area and has this one in it; "": none. */
static void child(const char *place, const char *area, char out[DNS_NAME])
{
	int up = place_labels(place) - place_labels(area) - 1;

	*out = '\0';
	if (up < 0 || place_common(place, area) < place_labels(area))
		return;
	while (up--)
		place = strchr(place, '.') + 1;
	snprintf(out, DNS_NAME, "%.127s.%s", place, DIR);
}

static void look_up(const struct scout_lookup *q)
{
	char area[DNS_NAME] = "", name[DNS_NAME];
	const char *prefix = q->type == SCOUT_SRV ? "_nearcast._udp." : "_areas.";

	records = 0;
	ck_assert(strlen(q->name) >= strlen(DIR));
	if (q->type == SCOUT_ADDR) {
		struct addr a = address(atoi(q->name + 2));

		return say(q->name, &a);
	}
	ck_assert(!strncmp(q->name, prefix, strlen(prefix)));
	snprintf(area, sizeof(area), "%s", q->name + strlen(prefix));
	ck_assert_str_eq(area + strlen(area) - strlen(DIR), DIR);
	area[strlen(area) == strlen(DIR) ? 0 : strlen(area) - strlen(DIR) - 1] = '\0';
	for (int i = 0; i < nodes; i++) {
		if (node[i].gone)
			continue;
		snprintf(name, sizeof(name), "sn%d.%.120s.%s", i, node[i].place, DIR);
		if (q->type == SCOUT_SRV && !strcmp(node[i].place, area))
			say(name, NULL);
		child(node[i].place, area, name);
		if (q->type == SCOUT_PTR && *name)
			say(name, NULL);
	}
}

static void answer(const struct scout_act *act)
{
	const struct scout_lookup *q = &act->what;
	struct scout_records r = {.r = record, .n = -1, .ttl = TTL};

	if (!dead) {
		look_up(q);
		r.n = records < 128 ? records : 128;
	}
	ops->looked_up(s, q, &r, now);
}

/* ---- time ---- */

static void obey(const struct scout_act *act)
{
	int i;

	switch (act->kind) {
	case SCOUT_CANDIDATE:
		i = node_at(&act->candidate.control);
		ck_assert_int_eq(addr_port(&act->candidate.control), 7702);
		ck_assert(i >= 0 && i < nodes);
		changes += !node[i].named;
		node[i].named = 1;
		node[i].distance = act->candidate.distance;
		break;
	case SCOUT_GONE:
		i = node_at(&act->of);
		ck_assert_int_eq(node[i].named, 1);
		node[i].named = 0;
		changes++;
		break;
	case SCOUT_LOOKUP:
		answer_at(now + DELAY, act);
		asked++;
		snprintf(last_asked, sizeof(last_asked), "%s", act->what.name);
		if ((now / NS_S - 1000) < SECOND)
			seconds[now / NS_S - 1000]++;
		break;
	case SCOUT_NEIGHBOURS: ck_abort_msg("asked for neighbours");
	}
}

static int named(void)
{
	int n = 0;

	for (int i = 0; i < nodes; i++)
		n += node[i].named;
	return n;
}

static void want(int n)
{
	ops->want(s, n, now);
}

/* The `wanted` that brute force finds nearest, or as near ones. */
static void check_nearest(const char *place, int wanted)
{
	int count[130] = {0}, left, total = 0;

	for (int i = 0; i < nodes; i++) {
		if (!node[i].gone) {
			count[place_distance(place, node[i].place) + 1]++;
			total++;
		}
	}
	left = wanted < total ? wanted : total;
	ck_assert_int_eq(named(), left);
	for (int d = 1; d < 130; d++) {
		int here = 0, due = count[d] < left ? count[d] : left;

		for (int i = 0; i < nodes; i++) {
			if (!node[i].named || node[i].distance != (unsigned)d)
				continue;
			ck_assert_int_eq(place_distance(place, node[i].place) + 1, d);
			here++;
		}
		ck_assert_int_eq(here, due);
		left -= due;
	}
}

/* ---- the order ---- */

START_TEST(test_the_patents_arn_finds_seattle_nearer_than_orlando)
{
	begin(OWN);
	put(ORLANDO);
	put(SEATTLE);
	want(1);
	pass(5 * NS_S);
	ck_assert_int_eq(node[1].named, 1);
	ck_assert_int_eq(node[0].named, 0);
	ck_assert_uint_eq(node[1].distance, 3);
	ck_assert_ptr_null(strstr(last_asked, "atlantic"));
	want(2);
	pass(5 * NS_S);
	check_nearest(OWN, 2);
	ck_assert_uint_eq(node[0].distance, 4);
}
END_TEST

/* A name of so many random labels. */
static const char *random_place(char out[PLACE_LEN])
{
	int labels = 1 + (int)draw(5), n = 0;

	for (int i = 0; i < labels; i++)
		n += snprintf(out + n, PLACE_LEN - (size_t)n, "%sa%u", i ? "." : "", draw(3));
	return out;
}

START_TEST(test_they_come_in_the_order_of_the_longest_match)
{
	for (int round = 0; round < 60; round++) {
		char own[PLACE_LEN], other[PLACE_LEN];
		int count = (int)draw(120), wanted;

		begin(random_place(own));
		for (int i = 0; i < count; i++)
			put(random_place(other));
		for (int i = 0; i < 6; i++) {
			wanted = (int)draw(MAX);
			want(wanted);
			pass(60 * NS_S);
			check_nearest(own, wanted);
		}
	}
}
END_TEST

START_TEST(test_without_a_place_all_are_equally_near)
{
	begin("");
	put(SEATTLE);
	put(ORLANDO);
	want(5);
	pass(10 * NS_S);
	ck_assert_int_eq(named(), 2);
	ck_assert_uint_eq(node[0].distance, 0);
	ck_assert_uint_eq(node[1].distance, 0);
}
END_TEST

START_TEST(test_arns_do_not_all_begin_at_the_same_place)
{
	int first[8] = {0};

	for (int arn = 0; arn < 200; arn++) {
		begin("own.x");
		for (int i = 0; i < 8; i++) {
			char place[PLACE_LEN];

			snprintf(place, sizeof(place), "p%d.x", i);
			put(place);
		}
		want(1);
		pass(5 * NS_S);
		for (int i = 0; i < 8; i++)
			first[i] += node[i].named;
	}
	for (int i = 0; i < 8; i++)
		ck_assert_int_gt(first[i], 5);
}
END_TEST

/* ---- bounds ---- */

static void put_many(int count)
{
	for (int i = 0; i < count; i++) {
		char place[PLACE_LEN];

		snprintf(place, sizeof(place), "p%d.r%d.c%d", i % 1000, i % 100, i % 10);
		put(place);
	}
}

START_TEST(test_a_large_directory_costs_no_more_than_a_small_one)
{
	int small;

	begin("p7.r7.c7");
	put_many(400);
	want(3);
	pass(20 * NS_S);
	check_nearest("p7.r7.c7", 3);
	small = asked;
	begin("p7.r7.c7");
	put_many(4000);
	want(3);
	pass(20 * NS_S);
	check_nearest("p7.r7.c7", 3);
	ck_assert_int_le(asked, small + 3);
	ck_assert_int_lt(asked, 30);
}
END_TEST

START_TEST(test_questions_a_second_are_bounded)
{
	begin("p7.r7.c7");
	put_many(4000);
	want(MAX);
	pass(300 * NS_S);
	check_nearest("p7.r7.c7", MAX);
	for (int i = 0; i < 300; i++)
		ck_assert_int_le(seconds[i], 20);
	for (int i = 10; i < 300; i++) /* on end, there are no more than ten a second */
		ck_assert_int_le(seconds[i - 1] + seconds[i], 30);
}
END_TEST

START_TEST(test_who_wants_nothing_asks_nothing)
{
	begin(OWN);
	put(SEATTLE);
	pass(NS_S);
	ck_assert_int_eq(asked, 0);
	want(1);
	pass(10 * NS_S);
	ck_assert_int_eq(named(), 1);
	want(0);
	pass(NS_S);
	ck_assert_int_eq(named(), 0);
	asked = 0;
	pass(3600 * NS_S);
	ck_assert_int_eq(asked, 0);
}
END_TEST

/* ---- what changes ---- */

START_TEST(test_what_holds_is_not_asked_again)
{
	int before;

	begin(OWN);
	put(OWN);
	put(SEATTLE);
	want(2);
	pass(20 * NS_S);
	before = asked;
	pass(TTL / 2);
	ck_assert_int_eq(asked, before);
	pass(10 * TTL);
	/* Each record once within a TTL, or a little sooner. */
	ck_assert_int_le(asked, before + 12 * before);
	ck_assert_int_ge(asked, before + 9 * before);
	ck_assert_int_eq(changes, 2);
}
END_TEST

START_TEST(test_nodes_come_and_go_with_the_directory)
{
	begin(OWN);
	put(SEATTLE);
	put(SEATTLE);
	put(ORLANDO);
	want(2);
	pass(20 * NS_S);
	check_nearest(OWN, 2);
	node[0].gone = true;
	pass(TTL + 10 * NS_S);
	check_nearest(OWN, 2);
	ck_assert_int_eq(node[2].named, 1);
	put(OWN);
	pass(TTL + 10 * NS_S);
	check_nearest(OWN, 2);
	ck_assert_int_eq(node[3].named, 1);
	ck_assert_int_eq(node[2].named, 0);
	for (int round = 0; round < 40; round++) {
		char place[PLACE_LEN];
		int i = (int)draw((unsigned)nodes);

		node[i].gone = !node[i].gone;
		if (draw(2))
			put(random_place(place));
		pass(TTL + 60 * NS_S);
		check_nearest(OWN, 2);
	}
}
END_TEST

START_TEST(test_when_there_is_no_room_the_nearer_ones_have_it)
{
	begin(OWN);
	for (int i = 0; i < MAX + 10; i++)
		put(ORLANDO);
	want(2 * MAX);
	pass(60 * NS_S);
	check_nearest(OWN, MAX);
	put(OWN);
	put(SEATTLE);
	pass(TTL + 10 * NS_S);
	check_nearest(OWN, MAX);
}
END_TEST

START_TEST(test_while_no_name_server_answers_what_is_known_is_used)
{
	int before;

	begin(OWN);
	put(SEATTLE);
	put(ORLANDO);
	want(2);
	pass(20 * NS_S);
	dead = true;
	before = asked;
	pass(12 * 3600 * NS_S);
	ck_assert_int_eq(named(), 2);
	/* Five minutes between two questions for the same, after a while. */
	ck_assert_int_lt(asked - before, before * 12 * 14);
	pass(13 * 3600 * NS_S);
	ck_assert_int_eq(named(), 0);
	dead = false;
	pass(600 * NS_S);
	ck_assert_int_eq(named(), 2);
}
END_TEST

START_TEST(test_a_part_of_the_directory_that_is_broken_hides_no_other)
{
	struct scout_records none = {.n = -1};
	struct scout_act act;

	begin(OWN);
	put(OWN);
	put(SEATTLE);
	put(ORLANDO);
	want(3);
	for (int i = 0; i < 4000; i++, now += NS_MS) {
		while (ops->next(s, now, &act)) {
			if (act.kind == SCOUT_LOOKUP && strstr(act.what.name, "washington"))
				ops->looked_up(s, &act.what, &none, now);
			else if (act.kind == SCOUT_LOOKUP)
				answer(&act);
			else
				obey(&act);
		}
	}
	ck_assert_int_eq(node[0].named + node[2].named, 2);
	ck_assert_int_eq(node[1].named, 0);
	pass(30 * NS_S);
	check_nearest(OWN, 3);
}
END_TEST

START_TEST(test_for_who_is_lost_another_one_is_named)
{
	struct addr control = address(0);

	addr_set_port(&control, 7702);
	begin(OWN);
	put(OWN);
	put(SEATTLE);
	put(ORLANDO);
	want(1);
	pass(20 * NS_S);
	check_nearest(OWN, 1);
	ops->lost(s, &control, now);
	pass(20 * NS_S);
	ck_assert_int_eq(node[0].named, 1); /* it is asked now and then whether it is back */
	ck_assert_int_eq(node[1].named, 1);
	ck_assert_int_eq(node[2].named, 0);
	ops->found(s, &control, now);
	pass(20 * NS_S);
	check_nearest(OWN, 1);
}
END_TEST

/* ---- a directory that lies ---- */

static int give(const char *name, enum scout_type type, const struct scout_record *r, int n)
{
	struct scout_records all = {.r = r, .n = n, .ttl = TTL};
	struct scout_act act;
	int lookups = 0;

	while (ops->next(s, now, &act)) {
		lookups += act.kind == SCOUT_LOOKUP;
		if (act.kind != SCOUT_LOOKUP)
			obey(&act);
		else if (act.what.type == type && !strcmp(act.what.name, name))
			ops->looked_up(s, &act.what, &all, now);
		else
			answer(&act);
	}
	return lookups;
}

START_TEST(test_no_node_is_where_none_can_be)
{
	static const char *const bad[] = {
		"10.1.18.27", "224.0.0.1", "0.0.0.0", "fe80::1", "127.0.0.1", "::ffff:10.1.18.27"};
	struct scout_record r = {.port = 7702};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(OWN);
		put(OWN);
		want(1);
		ck_assert_int_eq(addr_parse(&r.addr, slice_of(bad[i]), 0), 0);
		give("sn0." OWN "." DIR, SCOUT_ADDR, &r, 1);
		ck_assert_int_eq(named(), 0);
	}
	r = (struct scout_record){.port = 0};
	snprintf(r.name, sizeof(r.name), "sn0." OWN "." DIR);
	begin(OWN);
	put(OWN);
	want(1);
	give("_nearcast._udp." OWN "." DIR, SCOUT_SRV, &r, 1);
	ck_assert_int_eq(named(), 0);
}
END_TEST

START_TEST(test_places_outside_of_their_area_are_not_believed)
{
	static const char *const bad[] = {"own." DIR, "x.y.own." DIR, "x.own.other.net", DIR,
		"_x.own." DIR, "x.own." DIR ".net", ".own." DIR, ""};
	struct scout_record r[8] = {0};

	for (int i = 0; i < 8; i++)
		snprintf(r[i].name, sizeof(r[i].name), "%s", bad[i]);
	begin("own");
	want(1);
	/* Nodes and places, of its own place and of all. */
	ck_assert_int_eq(give("_areas.own." DIR, SCOUT_PTR, r, 8), 4);
	ck_assert_int_eq(ops->when(s) == NS_NEVER || ops->when(s) > now, 1);
}
END_TEST

START_TEST(test_a_directory_without_end_is_not_walked_to_its_end)
{
	struct scout_record *r = calloc(128, sizeof(*r));
	struct scout_records all = {.r = r, .n = 128, .ttl = 3600 * NS_S};
	struct scout_act act;
	int lookups = 0;

	ck_assert_ptr_nonnull(r);
	begin("own");
	want(MAX);
	for (ns_t end = now + 600 * NS_S; now < end; now += 100 * NS_MS) {
		while (ops->next(s, now, &act)) {
			ck_assert_int_eq(act.kind, SCOUT_LOOKUP);
			lookups++;
			all.n = act.what.type == SCOUT_PTR ? 128 : 0;
			for (int i = 0; i < all.n; i++)
				snprintf(r[i].name, sizeof(r[i].name), "l%d.%.240s", i,
					act.what.name + strlen("_areas."));
			ops->looked_up(s, &act.what, &all, now);
		}
	}
	ck_assert_int_ge(lookups, 300);
	ck_assert_int_le(lookups, 2 * 256);
	free(r);
}
END_TEST

static void teardown(void)
{
	ops->free(s);
	s = NULL;
}

int main(void)
{
	TCase *t = tcase_create("names");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_the_patents_arn_finds_seattle_nearer_than_orlando);
	tcase_add_test(t, test_they_come_in_the_order_of_the_longest_match);
	tcase_add_test(t, test_without_a_place_all_are_equally_near);
	tcase_add_test(t, test_arns_do_not_all_begin_at_the_same_place);
	tcase_add_test(t, test_a_large_directory_costs_no_more_than_a_small_one);
	tcase_add_test(t, test_questions_a_second_are_bounded);
	tcase_add_test(t, test_who_wants_nothing_asks_nothing);
	tcase_add_test(t, test_what_holds_is_not_asked_again);
	tcase_add_test(t, test_nodes_come_and_go_with_the_directory);
	tcase_add_test(t, test_when_there_is_no_room_the_nearer_ones_have_it);
	tcase_add_test(t, test_while_no_name_server_answers_what_is_known_is_used);
	tcase_add_test(t, test_a_part_of_the_directory_that_is_broken_hides_no_other);
	tcase_add_test(t, test_for_who_is_lost_another_one_is_named);
	tcase_add_test(t, test_no_node_is_where_none_can_be);
	tcase_add_test(t, test_places_outside_of_their_area_are_not_believed);
	tcase_add_test(t, test_a_directory_without_end_is_not_walked_to_its_end);
	return run_case("scout_names", t);
}
