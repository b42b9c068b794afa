/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Row B6 at the ARN: what is asked of which node, and what lost, doubled, reordered and late answers
 * do. And the messages: what is encoded is decoded to the same, and nothing else is taken.
 */
#include "arn/prime.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define LIFETIME 10000 /* ms */

static struct prime *prime;
static struct snapshot *snap;
static struct prime_send sent;
static const struct primed *table;
static ns_t now;

static void setup(void)
{
	now = 100 * NS_S;
	prime = prime_new("arn1", 41);
	snap = snapshot_new(4);
	for (int i = 0; i < 2; i++) {
		struct announce *n = &snap->node[snap->nodes++].said;

		*n = (struct announce){.role = ROLE_SN,
			.addr = literal(i ? "10.2.0.7" : "10.2.0.6"),
			.rtsp_port = 554,
			.healthy = true,
			.weight = 100,
			.control_port = 7702,
			.generation = 5,
			.primes = SERVICE_RTSP};
		snprintf(n->id, sizeof(n->id), "sn%d", i);
	}
}

static void teardown(void)
{
	prime_free(prime);
	snapshot_unref(snap);
	table = NULL;
}

static struct want want_for(const char *node, int provider)
{
	struct want w = {.what = WANT_PRIME, .state = {.service = SERVICE_RTSP}};
	char text[32];

	snprintf(text, sizeof(text), "10.1.18.%d", provider);
	w.state.anycast = literal(text);
	snprintf(w.node, sizeof(w.node), "%s", node);
	return w;
}

/* How many requests are due now; the last is in `sent`. */
static int requests(void)
{
	int n = 0;

	prime_look(prime, snap, now);
	while (prime_next(prime, &sent, now))
		n++;
	return n;
}

static void want(int provider)
{
	struct want w = want_for("sn0", provider);

	prime_want(prime, &w, now);
}

static struct prime_answer answer_to(const struct prime_send *s, uint16_t port)
{
	struct prime_answer a = {.id = s->ask.id,
		.generation = s->ask.generation,
		.port = port,
		.status = port ? PRIME_GRANTED : PRIME_FULL,
		.lifetime_ms = port ? LIFETIME : 0};

	memcpy(a.from, s->ask.to, sizeof(a.from));
	memcpy(a.to, s->ask.from, sizeof(a.to));
	return a;
}

static void hear(const struct prime_answer *a)
{
	prime_hear(prime, a, now);
}

/* What clients of sn0 for the provider are told now: -1 nothing is known, 0 it refused, a port. */
static int told(int provider)
{
	struct want w = want_for("sn0", provider);
	const struct primed *t = prime_publish(prime, now);
	const struct primed_port *p;

	if (t)
		table = t;
	p = primed_find(table, &snap->node[0].said, &w.state);
	return p ? p->port : -1;
}

/* Only one node there, which has given 20001. */
static void primed(void)
{
	struct prime_answer a;

	snap->nodes = 1;
	want(27);
	ck_assert_int_eq(requests(), 1);
	a = answer_to(&sent, 20001);
	hear(&a);
	ck_assert_int_eq(told(27), 20001);
}

START_TEST(test_state_is_asked_once_of_each_node_that_can_be_primed)
{
	want(27);
	want(27);
	ck_assert_int_eq(requests(), 2);
	ck_assert_int_eq(requests(), 0);
	ck_assert_str_eq(sent.ask.from, "arn1");
	ck_assert_uint_eq(sent.ask.generation, 5);
	ck_assert_uint_eq(addr_port(&sent.to), 7702);
	snap->node[1].said.primes = 0;
	want(28);
	ck_assert_int_eq(requests(), 1);
	ck_assert_str_eq(sent.ask.to, "sn0");
}
END_TEST

START_TEST(test_state_with_a_channel_is_asked_only_where_a_client_is_sent)
{
	struct want w = want_for("sn0", 27);

	strcpy(w.state.channel, "/live/7");
	prime_want(prime, &w, now);
	ck_assert_int_eq(requests(), 1);
	ck_assert_str_eq(sent.ask.state.channel, "/live/7");
}
END_TEST

START_TEST(test_far_node_is_asked_only_when_a_client_is_sent_there)
{
	struct want w = want_for("sn1", 27);

	snap->node[1].far = true;
	want(27);
	ck_assert_int_eq(requests(), 1);
	ck_assert_str_eq(sent.ask.to, "sn0");
	prime_want(prime, &w, now);
	ck_assert_int_eq(requests(), 1);
	ck_assert_str_eq(sent.ask.to, "sn1");
}
END_TEST

START_TEST(test_lost_request_is_repeated_with_the_same_id)
{
	uint64_t id;

	snap->nodes = 1;
	want(27);
	ck_assert_int_eq(requests(), 1);
	id = sent.ask.id;
	ck_assert_uint_ne(id, 0);
	for (int i = 1; i < PRIME_TRIES; i++) {
		ck_assert_int_eq(prime_when(prime), now + (PRIME_RETRY << (i - 1)));
		now = prime_when(prime);
		ck_assert_int_eq(requests(), 1);
		ck_assert_uint_eq(sent.ask.id, id);
	}
}
END_TEST

START_TEST(test_silent_node_is_known_for_it_and_asked_again_behind_the_clients_backs)
{
	snap->nodes = 1;
	want(27);
	for (int i = 0; i < PRIME_TRIES; i++) {
		ck_assert_int_eq(told(27), -1);
		ck_assert_int_eq(requests(), 1);
		now = prime_when(prime);
	}
	ck_assert_int_eq(requests(), 0);
	ck_assert_int_eq(told(27), 0);
	ck_assert_int_eq(prime_when(prime), now + PRIME_SULK);
	now = prime_when(prime);
	ck_assert_int_eq(requests(), 1);
	ck_assert_int_eq(told(27), 0);
	hear(&(struct prime_answer){.id = sent.ask.id,
		.generation = 5,
		.from = "sn0",
		.to = "arn1",
		.port = 20001,
		.lifetime_ms = LIFETIME});
	ck_assert_int_eq(told(27), 20001);
}
END_TEST

START_TEST(test_refusal_counts_for_longer_each_time)
{
	ns_t sulk = PRIME_SULK;

	snap->nodes = 1;
	want(27);
	for (int i = 0; i < 10; i++) {
		struct prime_answer a;

		ck_assert_int_eq(requests(), 1);
		a = answer_to(&sent, 0);
		hear(&a);
		ck_assert_int_eq(told(27), 0);
		ck_assert_int_eq(prime_when(prime), now + sulk);
		sulk = sulk * 2 > PRIME_SULK_MAX ? PRIME_SULK_MAX : sulk * 2;
		now = prime_when(prime);
		want(27); /* or it would be forgotten in the end */
	}
}
END_TEST

START_TEST(test_answer_that_is_doubled_late_or_somebody_elses_changes_nothing)
{
	struct prime_answer a;

	snap->nodes = 1;
	want(27);
	requests();
	a = answer_to(&sent, 20001);
	strcpy(a.from, "sn1");
	hear(&a);
	a = answer_to(&sent, 20001);
	strcpy(a.to, "arn2");
	hear(&a);
	a = answer_to(&sent, 20001);
	a.id++;
	hear(&a);
	ck_assert_int_eq(told(27), -1);
	a.id--;
	hear(&a);
	ck_assert_int_eq(told(27), 20001);
	a.port = 20002; /* the request is over: this is a recording, or a fault */
	hear(&a);
	a = answer_to(&sent, 0);
	hear(&a);
	ck_assert_int_eq(told(27), 20001);
	ck_assert_uint_eq(prime_counters(prime)->strays, 5);
}
END_TEST

START_TEST(test_port_is_asked_for_again_at_half_of_its_life)
{
	ns_t begin = now;

	primed();
	ck_assert_int_eq(prime_when(prime), begin + LIFETIME * NS_MS / 2);
	now = prime_when(prime);
	ck_assert_int_eq(requests(), 1);
	ck_assert_int_eq(told(27), 20001);
}
END_TEST

START_TEST(test_port_is_not_named_longer_than_the_node_has_it)
{
	ns_t begin = now;
	struct prime_answer a;

	snap->nodes = 1;
	want(27);
	requests();
	now += 200 * NS_MS; /* the answer takes its time; the lifetime counts from the request */
	a = answer_to(&sent, 20001);
	hear(&a);
	while (now < begin + LIFETIME * NS_MS) {
		requests();
		ck_assert_int_eq(told(27), 20001);
		now = prime_when(prime) < begin + LIFETIME * NS_MS ? prime_when(prime)
		                                                   : begin + LIFETIME * NS_MS;
	}
	requests();
	ck_assert_int_eq(told(27), -1);
}
END_TEST

START_TEST(test_port_of_a_node_that_started_anew_is_void_at_once)
{
	primed();
	snap->node[0].said.generation = 6;
	ck_assert_int_eq(told(27), -1);
	ck_assert_int_eq(requests(), 1);
	ck_assert_uint_eq(sent.ask.generation, 6);
}
END_TEST

START_TEST(test_node_may_tell_of_its_new_life_before_its_announcement_does)
{
	struct prime_answer a;

	snap->nodes = 1;
	want(27);
	requests();
	a = answer_to(&sent, 0);
	a.status = PRIME_GENERATION;
	a.generation = 6;
	hear(&a);
	ck_assert_int_eq(requests(), 1);
	ck_assert_uint_eq(sent.ask.generation, 6);
	a = answer_to(&sent, 20001);
	hear(&a);
	ck_assert_int_eq(requests(), 0);
	ck_assert_int_eq(told(27), -1);
	snap->node[0].said.generation = 6;
	ck_assert_int_eq(told(27), 20001);
}
END_TEST

START_TEST(test_port_that_gave_way_is_not_named_any_more)
{
	struct prime_answer a = {
		.generation = 5, .from = "sn0", .to = "arn1", .status = PRIME_GONE, .port = 20001};

	primed();
	a.port = 20002;
	hear(&a);
	ck_assert_int_eq(told(27), 20001);
	a.port = 20001;
	hear(&a);
	ck_assert_int_eq(told(27), -1);
	hear(&a); /* it is said twice */
	ck_assert_uint_eq(prime_counters(prime)->gone, 1);
}
END_TEST

START_TEST(test_node_that_is_gone_is_forgotten_and_a_new_one_is_asked)
{
	struct prime_view v;

	primed();
	snap->nodes = 0;
	ck_assert_int_eq(requests(), 0);
	ck_assert(!prime_view(prime, 0, &v));
	snap->nodes = 2;
	ck_assert_int_eq(requests(), 2); /* nobody had to want it there */
}
END_TEST

START_TEST(test_what_nobody_uses_is_let_go_of_and_what_is_used_is_kept)
{
	struct want w = want_for("sn0", 27);
	struct prime_view v;
	ns_t end = now + 3 * PRIME_KEEP;

	primed();
	while (now < end) {
		primed_use(primed_find(table, &snap->node[0].said, &w.state));
		while (requests()) {
			struct prime_answer a = answer_to(&sent, 20001);

			hear(&a);
		}
		ck_assert_int_eq(told(27), 20001);
		now += LIFETIME * NS_MS / 2;
	}
	now += PRIME_KEEP;
	requests();
	ck_assert(!prime_view(prime, 0, &v));
	ck_assert_int_eq(told(27), -1);
	ck_assert_int_eq(prime_when(prime), NS_NEVER);
}
END_TEST

START_TEST(test_node_is_told_when_an_origin_has_moved)
{
	struct want w = want_for("sn0", 27);
	struct prime_answer a;

	snap->nodes = 1;
	strcpy(w.state.host, "cam.acme.com");
	w.state.origins = 1;
	w.state.origin[0] = literal("10.9.0.1:554");
	prime_want(prime, &w, now);
	requests();
	a = answer_to(&sent, 20001);
	hear(&a);
	w.state.origin[0] = literal("10.9.0.2:554");
	prime_want(prime, &w, now);
	ck_assert_int_eq(requests(), 1);
	ck_assert_int_eq(addr_cmp(&sent.ask.state.origin[0], &w.state.origin[0]), 0);
}
END_TEST

START_TEST(test_path_that_a_client_is_about_to_ask_for_is_told_once)
{
	struct want w = want_for("sn0", 27);

	primed();
	strcpy(w.expect, "/news");
	prime_want(prime, &w, now);
	ck_assert_int_eq(requests(), 1);
	ck_assert_str_eq(sent.ask.expect, "/news");
	hear(&(struct prime_answer){.id = sent.ask.id,
		.generation = 5,
		.from = "sn0",
		.to = "arn1",
		.port = 20001,
		.lifetime_ms = LIFETIME});
	prime_want(prime, &w, now);
	ck_assert_int_eq(requests(), 0);
}
END_TEST

START_TEST(test_flood_of_states_takes_bounded_memory)
{
	struct prime_view v;
	struct want w;
	int n = 0;

	snap->nodes = 1;
	for (int i = 0; i < 2 * PRIME_MAX; i++) {
		w = want_for("sn0", 27);
		snprintf(w.state.channel, sizeof(w.state.channel), "/%d", i);
		prime_want(prime, &w, now);
	}
	while (prime_view(prime, n, &v))
		n++;
	ck_assert_int_eq(n, PRIME_MAX);
	ck_assert_uint_eq(prime_counters(prime)->full, PRIME_MAX);
	now += PRIME_SULK;
	prime_want(prime, &w, now); /* the oldest gives way */
	ck_assert_uint_eq(prime_counters(prime)->full, PRIME_MAX);
}
END_TEST

/* ---- messages ---- */

static struct prime_ask whole_ask(void)
{
	struct prime_ask a = {.id = 1,
		.generation = UINT64_MAX,
		.from = "arn1",
		.to = "sn0",
		.state = {.service = SERVICE_RTSP, .host = "cam.acme.com", .channel = "/live/1"},
		.expect = "/news"};

	a.state.anycast = literal("10.1.18.27");
	a.state.origins = 2;
	a.state.origin[0] = literal("10.9.0.1:554");
	a.state.origin[1] = literal("[2001:db8::1]:8554");
	return a;
}

START_TEST(test_request_is_read_as_it_was_written)
{
	struct prime_ask a = whole_ask(), b;
	uint8_t text[WIRE_MAX];
	const char *why;
	int n = prime_ask_encode(&a, text, sizeof(text));

	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(prime_ask_decode(&b, text, (size_t)n, &why), 0);
	ck_assert_uint_eq(b.id, a.id);
	ck_assert_uint_eq(b.generation, a.generation);
	ck_assert(prime_state_same(&a.state, &b.state) && !prime_state_moved(&a.state, &b.state));
	ck_assert_str_eq(b.expect, a.expect);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(prime_ask_decode(&b, text, (size_t)i, &why), -EINVAL);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(prime_ask_encode(&a, text, (size_t)i), -EMSGSIZE);
}
END_TEST

START_TEST(test_largest_request_fits_into_a_datagram)
{
	struct prime_ask a = whole_ask();
	uint8_t text[WIRE_MAX];

	a.id = UINT64_MAX;
	memset(a.from, 'a', sizeof(a.from) - 1);
	memset(a.to, 'a', sizeof(a.to) - 1);
	memset(a.state.host, 'a', sizeof(a.state.host) - 1);
	memset(a.state.channel, '/', sizeof(a.state.channel) - 1);
	memset(a.expect, '/', sizeof(a.expect) - 1);
	a.state.anycast = literal("2001:db8::1");
	a.state.origins = PRIME_ORIGINS;
	for (int i = 0; i < PRIME_ORIGINS; i++)
		a.state.origin[i] = literal("[2001:db8::1]:8554");
	ck_assert_int_gt(prime_ask_encode(&a, text, WIRE_MAX - 72), 0);
}
END_TEST

START_TEST(test_value_out_of_its_range_is_neither_written_nor_read)
{
	uint8_t text[WIRE_MAX];
	struct prime_ask a;
	struct prime_answer r = {.id = 1,
		.generation = 5,
		.from = "sn0",
		.to = "arn1",
		.status = PRIME_GRANTED,
		.port = 20001,
		.lifetime_ms = 1};

#define WRONG(change)                                                                              \
	a = whole_ask();                                                                           \
	change;                                                                                    \
	ck_assert_int_eq(prime_ask_encode(&a, text, sizeof(text)), -EINVAL)
	WRONG(a.id = 0);
	WRONG(a.from[0] = '\0');
	WRONG(strcpy(a.to, "a b"));
	WRONG(a.state.service = 3);
	WRONG(a.state.anycast = literal("239.1.1.1"));
	WRONG(strcpy(a.state.host, "a/b"));
	WRONG(addr_set_port(&a.state.origin[1], 0));
	WRONG(strcpy(a.state.channel, "live"));
	WRONG(strcpy(a.expect, "/a b"));
	WRONG(strcpy(a.expect, "/a\r\nb"));
	ck_assert_int_gt(prime_answer_encode(&r, text, sizeof(text)), 0);
	r.port = 0;
	ck_assert_int_eq(prime_answer_encode(&r, text, sizeof(text)), -EINVAL);
	r.status = PRIME_FULL;
	ck_assert_int_eq(prime_answer_encode(&r, text, sizeof(text)), -EINVAL);
	r.lifetime_ms = 0;
	ck_assert_int_gt(prime_answer_encode(&r, text, sizeof(text)), 0);
	r.status = PRIME_GONE;
	ck_assert_int_eq(prime_answer_encode(&r, text, sizeof(text)), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("prime");
	TCase *t = tcase_create("core");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_state_is_asked_once_of_each_node_that_can_be_primed);
	tcase_add_test(t, test_state_with_a_channel_is_asked_only_where_a_client_is_sent);
	tcase_add_test(t, test_far_node_is_asked_only_when_a_client_is_sent_there);
	tcase_add_test(t, test_lost_request_is_repeated_with_the_same_id);
	tcase_add_test(
		t, test_silent_node_is_known_for_it_and_asked_again_behind_the_clients_backs);
	tcase_add_test(t, test_refusal_counts_for_longer_each_time);
	tcase_add_test(t, test_answer_that_is_doubled_late_or_somebody_elses_changes_nothing);
	tcase_add_test(t, test_port_is_asked_for_again_at_half_of_its_life);
	tcase_add_test(t, test_port_is_not_named_longer_than_the_node_has_it);
	tcase_add_test(t, test_port_of_a_node_that_started_anew_is_void_at_once);
	tcase_add_test(t, test_node_may_tell_of_its_new_life_before_its_announcement_does);
	tcase_add_test(t, test_port_that_gave_way_is_not_named_any_more);
	tcase_add_test(t, test_node_that_is_gone_is_forgotten_and_a_new_one_is_asked);
	tcase_add_test(t, test_what_nobody_uses_is_let_go_of_and_what_is_used_is_kept);
	tcase_add_test(t, test_node_is_told_when_an_origin_has_moved);
	tcase_add_test(t, test_path_that_a_client_is_about_to_ask_for_is_told_once);
	tcase_add_test(t, test_flood_of_states_takes_bounded_memory);
	suite_add_tcase(s, t);
	t = tcase_create("messages");
	tcase_add_test(t, test_request_is_read_as_it_was_written);
	tcase_add_test(t, test_largest_request_fits_into_a_datagram);
	tcase_add_test(t, test_value_out_of_its_range_is_neither_written_nor_read);
	suite_add_tcase(s, t);
	return run_suite(s);
}
