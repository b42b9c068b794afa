/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which site is nearest to a client (row H9): the ARNs of several sites, with the round trips from each to
 * the clients, and datagrams that take their time or are lost. */
#include "arn/measure.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define ARNS     4
#define EVENTS   8192
#define LIFETIME (600 * NS_S)
#define PATIENCE NS_S
#define RATE     20
#define ENTRIES  64
#define MS(n)    ((n)*NS_MS)

static struct measure *arn[ARNS];
static const char *const name[ARNS] = {"arn0", "arn1", "arn2", "arn3"};
static const char *place[ARNS];
static ns_t rtt[ARNS]; /* to all clients; NS_NEVER: none */
static bool deaf[ARNS];
static int lost; /* so many of the next datagrams between sites are */
static ns_t now;
static int echoes, clients_echoed;

struct event {
	ns_t at;
	int to, from; /* ARNs; from -1: an echo */
	struct measure_act act;
};
static struct event event[EVENTS];
static int events;

/* A site's number as another one has it: the others in order. */
static int site_of(int here, int there)
{
	return there < here ? there : there - 1;
}

static int arn_of(int here, int site)
{
	return site < here ? site : site + 1;
}

static void begin(void)
{
	now = 1000 * NS_S;
	events = echoes = clients_echoed = lost = 0;
	for (int i = 0; i < ARNS; i++) {
		struct measure_conf c = {.name = name[i],
			.sites = ARNS - 1,
			.patience = PATIENCE,
			.lifetime = LIFETIME,
			.rate = RATE,
			.entries = ENTRIES};

		place[i] = i == 0   ? "sanjose.usa"
		           : i == 1 ? "rome.italy"
		           : i == 2 ? "paris.france"
		                    : "";
		c.place = place[i];
		ck_assert_int_eq(prefix_parse(&c.block, SLICE("10.1.18.0/24")), 0);
		rtt[i] = MS(40);
		deaf[i] = false;
		measure_free(arn[i]);
		arn[i] = measure_new(&c, (uint64_t)i + 7, now);
		ck_assert_ptr_nonnull(arn[i]);
	}
}

static void teardown(void)
{
	for (int i = 0; i < ARNS; i++) {
		measure_free(arn[i]);
		arn[i] = NULL;
	}
}

static void put(ns_t at, int to, int from, const struct measure_act *act)
{
	ck_assert_int_lt(events, EVENTS);
	event[events++] = (struct event){at, to, from, *act};
}

static void obey(int i, const struct measure_act *act)
{
	switch (act->kind) {
	case MEASURE_ECHO:
		echoes++;
		if (rtt[i] != NS_NEVER)
			put(now + rtt[i] + (echoes % 3) * MS(5), i, -1, act);
		break;
	case MEASURE_ASK:
		ck_assert_str_eq(act->ask.from, name[i]);
		for (int k = 0; k < ARNS; k++)
			if (k != i && !deaf[k] && lost-- <= 0)
				put(now + MS(10), k, i, act);
		break;
	case MEASURE_ANSWER:
		if (lost-- <= 0)
			put(now + MS(10), arn_of(i, act->site), i, act);
		break;
	}
	if (lost < 0)
		lost = 0;
}

static void deliver(const struct event *e)
{
	int site = e->from < 0 ? -1 : site_of(e->to, e->from);

	if (e->act.kind == MEASURE_ECHO)
		measure_echoed(arn[e->to], &e->act.client, e->act.cookie, now);
	else if (e->act.kind == MEASURE_ASK)
		measure_asked(arn[e->to], site, &e->act.ask, now);
	else
		measure_answered(arn[e->to], site, &e->act.answer, now);
}

static void pass(ns_t time)
{
	ns_t end = now + time;

	for (;;) {
		struct measure_act act;
		ns_t next = NS_NEVER;

		for (int i = 0; i < ARNS; i++) {
			while (measure_next(arn[i], now, &act))
				obey(i, &act);
			ck_assert(measure_when(arn[i]) > now);
			next = measure_when(arn[i]) < next ? measure_when(arn[i]) : next;
		}
		for (int i = 0; i < events; i++)
			next = event[i].at < next ? event[i].at : next;
		if (next > end)
			break;
		now = next;
		for (int i = 0; i < events; i++) {
			struct event e = event[i];

			if (e.at > now)
				continue;
			event[i--] = event[--events];
			deliver(&e);
		}
	}
	now = end;
}

/* Where the first ARN has a client: NULL if it is not known yet. */
static const char *where(const char *client)
{
	static char found[PLACE_LEN];
	struct region_table *t = measure_table(arn[0]);
	struct addr a = literal(client);
	const char *p;

	ck_assert_ptr_nonnull(t);
	p = region_find(t, &a);
	snprintf(found, sizeof(found), "%s", p ? p : "");
	region_table_unref(t);
	return p ? found : NULL;
}

static void want(const char *client)
{
	struct addr a = literal(client);

	measure_want(arn[0], &a, now);
}

START_TEST(test_a_network_is_at_the_site_with_the_least_round_trip)
{
	begin();
	rtt[1] = MS(5);
	rtt[2] = MS(20);
	want("192.0.2.7");
	ck_assert_ptr_null(where("192.0.2.7"));
	pass(MS(50));
	ck_assert_ptr_null(where("192.0.2.7"));
	pass(2 * NS_S);
	ck_assert_str_eq(where("192.0.2.7"), "rome.italy");
	ck_assert_str_eq(where("192.0.2.99"), "rome.italy");
	ck_assert_ptr_null(where("192.0.3.7"));
	rtt[1] = MS(50);
	want("2001:db8:1:2::3");
	pass(2 * NS_S);
	ck_assert_str_eq(where("2001:db8:1:9::1"), "paris.france");
	ck_assert_ptr_null(where("2001:db8:2::1"));
}
END_TEST

START_TEST(test_it_is_known_soon_when_all_answer)
{
	begin();
	rtt[0] = MS(10);
	want("192.0.2.7");
	pass(2 * MEASURE_PAUSE + MS(100));
	ck_assert_str_eq(where("192.0.2.7"), "sanjose.usa");
	ck_assert_int_eq(echoes, 3 * ARNS);
}
END_TEST

/* The sites are asked again meanwhile, and do not begin again for it. */
START_TEST(test_a_client_that_is_far_from_all_is_waited_for)
{
	begin();
	for (int i = 0; i < ARNS; i++)
		rtt[i] = PATIENCE - MS(40);
	rtt[1] = PATIENCE - MS(90);
	want("192.0.2.7");
	pass(3 * NS_S);
	ck_assert_str_eq(where("192.0.2.7"), "rome.italy");
	ck_assert_uint_eq(measure_counters(arn[0])->asked, 2);
	ck_assert_int_eq(echoes, 3 * ARNS);
	ck_assert_uint_eq(measure_counters(arn[0])->replies, 3);
}
END_TEST

START_TEST(test_a_network_is_measured_once_however_many_ask)
{
	begin();
	for (int i = 0; i < 100; i++) {
		want("192.0.2.7");
		want("192.0.2.8");
		pass(MS(10));
	}
	pass(2 * NS_S);
	want("192.0.2.9");
	pass(2 * NS_S);
	ck_assert_int_eq(echoes, 3 * ARNS);
	ck_assert_uint_eq(measure_counters(arn[0])->wanted, 1);
}
END_TEST

START_TEST(test_a_site_that_does_not_answer_holds_nobody_up)
{
	begin();
	rtt[2] = MS(1);
	deaf[2] = true;
	rtt[1] = MS(10);
	want("192.0.2.7");
	pass(3 * NS_S);
	ck_assert_str_eq(where("192.0.2.7"), "rome.italy");
}
END_TEST

START_TEST(test_a_question_that_is_lost_is_asked_again)
{
	begin();
	rtt[1] = MS(5);
	lost = 3;
	want("192.0.2.7");
	pass(3 * NS_S);
	ck_assert_str_eq(where("192.0.2.7"), "rome.italy");
	ck_assert_uint_eq(measure_counters(arn[0])->asked, 2);
}
END_TEST

START_TEST(test_a_site_without_a_place_is_nobodys)
{
	begin();
	rtt[3] = MS(1);
	rtt[2] = MS(30);
	want("192.0.2.7");
	pass(3 * NS_S);
	ck_assert_str_eq(where("192.0.2.7"), "paris.france");
}
END_TEST

START_TEST(test_who_answers_no_echo_is_known_to_be_nowhere_for_as_long)
{
	begin();
	for (int i = 0; i < ARNS; i++)
		rtt[i] = NS_NEVER;
	want("192.0.2.7");
	pass(3 * NS_S);
	ck_assert_str_eq(where("192.0.2.7"), "");
	ck_assert_uint_eq(measure_counters(arn[0])->unknown, 1);
	echoes = 0;
	want("192.0.2.7");
	pass(3 * NS_S);
	ck_assert_int_eq(echoes, 0);
}
END_TEST

START_TEST(test_what_is_known_expires)
{
	begin();
	rtt[0] = MS(5);
	want("192.0.2.7");
	pass(3 * NS_S);
	ck_assert_str_eq(where("192.0.2.7"), "sanjose.usa");
	ck_assert(!measure_news(arn[0]));
	pass(LIFETIME);
	ck_assert(measure_news(arn[0]));
	ck_assert_ptr_null(where("192.0.2.7"));
	rtt[1] = MS(1);
	want("192.0.2.7");
	pass(3 * NS_S);
	ck_assert_str_eq(where("192.0.2.7"), "rome.italy");
}
END_TEST

START_TEST(test_clients_of_a_network_that_is_known_leave_the_rate_to_others)
{
	begin();
	want("192.0.2.7");
	for (int i = 0; i < 5000; i++)
		want("192.0.2.8");
	for (int i = 0; i < RATE - 1; i++) {
		char client[32];

		snprintf(client, sizeof(client), "198.51.%d.1", i);
		want(client);
	}
	ck_assert_uint_eq(measure_counters(arn[0])->limited, 0);
	ck_assert_uint_eq(measure_counters(arn[0])->wanted, RATE);
}
END_TEST

START_TEST(test_a_flash_crowd_costs_no_more_than_the_rate)
{
	struct measure_view v;
	int n = 0;

	begin();
	for (int second = 0; second < 20; second++) {
		for (int i = 0; i < 500; i++) {
			char client[32];

			snprintf(client, sizeof(client), "192.%d.%d.1", second + 1, i % 256);
			want(client);
		}
		pass(NS_S);
	}
	pass(5 * NS_S);
	ck_assert_int_le(echoes, 3 * ARNS * RATE * 21);
	ck_assert_int_ge(echoes, 3 * ARNS * RATE * 10);
	ck_assert_uint_gt(measure_counters(arn[0])->limited, 1000);
	while (measure_view(arn[0], n, &v))
		n++;
	ck_assert_int_le(n, ENTRIES);
}
END_TEST

START_TEST(test_what_others_ask_for_is_within_the_rate_too)
{
	struct measure_ask a = {.id = 1, .from = "arn1"};

	begin();
	for (int i = 0; i < 5000; i++) {
		a.id++;
		a.client = addr_any(AF_INET, 0);
		a.client.in.sin_addr.s_addr = htonl(0xc0000000u + (unsigned)i * 256 + 1);
		measure_asked(arn[0], 0, &a, now);
		if (i % 100 == 0)
			pass(MS(200));
	}
	pass(5 * NS_S);
	ck_assert_int_le(echoes, 3 * RATE * 12);
	ck_assert_int_ge(echoes, 3 * RATE * 5);
}
END_TEST

START_TEST(test_what_is_not_asked_for_counts_for_nothing)
{
	static const char *const bad[] = {"10.1.18.27", "224.0.0.1", "0.0.0.0", "ff02::1", "::"};
	struct measure_ask ask = {.id = 5, .from = "arn1", .client = literal("192.0.2.7")};
	struct measure_answer answer = {.id = 99, .from = "arn1", .rtt_us = 1};
	struct measure_act act;
	struct addr other = literal("192.0.2.8");
	uint64_t id = 0, cookie = 0;

	begin();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		want(bad[i]);
		ask.client = literal(bad[i]);
		measure_asked(arn[0], 0, &ask, now);
	}
	ask.client = literal("192.0.2.7");
	measure_asked(arn[0], -1, &ask, now);
	measure_asked(arn[0], ARNS - 1, &ask, now);
	ck_assert(!measure_next(arn[0], now, &act));

	want("192.0.2.7");
	while (measure_next(arn[0], now, &act)) {
		if (act.kind == MEASURE_ECHO)
			cookie = act.cookie;
		else
			id = act.ask.id;
	}
	ck_assert(id && cookie);
	snprintf(answer.place, sizeof(answer.place), "liar");
	measure_answered(arn[0], 0, &answer, now); /* to no question */
	answer.id = id;
	measure_answered(arn[0], -1, &answer, now); /* from no site */
	measure_answered(arn[0], ARNS - 1, &answer, now);
	ck_assert(!measure_echoed(arn[0], &other, cookie, now));
	ck_assert(!measure_echoed(arn[0], &ask.client, cookie + 1, now));
	ck_assert(measure_echoed(arn[0], &ask.client, cookie, now + MS(9)));
	ck_assert(!measure_echoed(arn[0], &ask.client, cookie, now + MS(9)));
	/* The first word of a site counts, however often it is said. */
	answer.rtt_us = 50000;
	snprintf(answer.place, sizeof(answer.place), "rome.italy");
	for (int i = 0; i < 5; i++)
		measure_answered(arn[0], 0, &answer, now);
	rtt[0] = MS(60);
	pass(3 * NS_S);
	ck_assert_str_eq(where("192.0.2.7"), "sanjose.usa");
}
END_TEST

START_TEST(test_messages_are_read_as_they_were_written)
{
	struct measure_ask a = {.id = 7, .from = "arn0"}, b;
	struct measure_answer x = {.id = UINT64_MAX, .from = "arn1", .rtt_us = 60000000}, y;
	uint8_t out[WIRE_MAX];
	const char *why;
	int n;

	a.client = literal("2001:db8::7");
	n = measure_ask_encode(&a, out, sizeof(out));
	ck_assert_int_gt(n, 0);
	for (int cut = 0; cut < n; cut++)
		ck_assert_int_eq(measure_ask_decode(&b, out, (size_t)cut, &why), -EINVAL);
	ck_assert_int_eq(measure_ask_decode(&b, out, (size_t)n, &why), 0);
	ck_assert(b.id == 7 && !strcmp(b.from, "arn0") && !addr_cmp(&a.client, &b.client));
	a.client = literal("224.0.0.1");
	ck_assert_int_eq(measure_ask_encode(&a, out, sizeof(out)), -EINVAL);

	snprintf(x.place, sizeof(x.place), "rome.italy");
	n = measure_answer_encode(&x, out, sizeof(out));
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(measure_answer_decode(&y, out, (size_t)n, &why), 0);
	ck_assert(y.id == x.id && y.rtt_us == x.rtt_us && !strcmp(y.place, "rome.italy"));
	x.rtt_us++;
	ck_assert_int_eq(measure_answer_encode(&x, out, sizeof(out)), -EINVAL);
	x.rtt_us = 0;
	snprintf(x.place, sizeof(x.place), "Rome");
	ck_assert_int_eq(measure_answer_encode(&x, out, sizeof(out)), -EINVAL);
	*x.place = '\0';
	n = measure_answer_encode(&x, out, sizeof(out));
	ck_assert_int_eq(measure_answer_decode(&y, out, (size_t)n, &why), 0);
	ck_assert(!y.rtt_us && !*y.place);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("measure");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, test_a_network_is_at_the_site_with_the_least_round_trip);
	tcase_add_test(t, test_it_is_known_soon_when_all_answer);
	tcase_add_test(t, test_a_client_that_is_far_from_all_is_waited_for);
	tcase_add_test(t, test_a_network_is_measured_once_however_many_ask);
	tcase_add_test(t, test_a_site_that_does_not_answer_holds_nobody_up);
	tcase_add_test(t, test_a_question_that_is_lost_is_asked_again);
	tcase_add_test(t, test_a_site_without_a_place_is_nobodys);
	tcase_add_test(t, test_who_answers_no_echo_is_known_to_be_nowhere_for_as_long);
	tcase_add_test(t, test_what_is_known_expires);
	tcase_add_test(t, test_clients_of_a_network_that_is_known_leave_the_rate_to_others);
	tcase_add_test(t, test_a_flash_crowd_costs_no_more_than_the_rate);
	tcase_add_test(t, test_what_others_ask_for_is_within_the_rate_too);
	tcase_add_test(t, test_what_is_not_asked_for_counts_for_nothing);
	tcase_add_test(t, test_messages_are_read_as_they_were_written);
	return run_case("measure", t);
}
