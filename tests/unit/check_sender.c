/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Figure 9 at the source's node: whom it asks, when it makes and removes its end of a tunnel, and what
 * it does when the node dies, drains, refuses or is only slow. next() is one thing that it wants done.
 */
#include "sn-agent/sender.h"

#include <check.h>
#include <string.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define REFRESH NS_S

static struct sender s;
static struct sender_act act;
static ns_t now;

static void setup(void)
{
	const struct sender_conf c = {.name = "SN0",
		.address = literal("10.9.0.10"),
		.overlay = literal("10.77.0.10"),
		.refresh = REFRESH};

	now = 100 * NS_S;
	sender_init(&s, &c, 5);
}

static enum sender_what next(void)
{
	return sender_next(&s, &act, now);
}

/* Runs until it wants this, doing nothing of the rest; fails after so long. */
static void until(enum sender_what what, ns_t most)
{
	for (ns_t end = now + most; now <= end; now += 10 * NS_MS)
		for (enum sender_what w; (w = next()) != SENDER_NOTHING;)
			if (w == what)
				return;
	ck_abort_msg("it does not want %d", what);
}

static void tell(const char *node, const char *control)
{
	struct addr at = literal(control);

	sender_told(&s, node, &at, now);
}

/* The node answers the last question. */
static struct attach_answer *reply(const char *node, enum attach_status status)
{
	static struct attach_answer a;

	a = (struct attach_answer){
		.id = act.ask.id, .generation = 9, .status = status, .to = "SN0"};
	strcpy(a.from, node);
	return &a;
}

static void answer(const char *node, enum attach_status status)
{
	ck_assert(sender_heard(&s, reply(node, status), now));
}

/* It asks, is told SN1, asks that, and is attached. */
static void attach(const char *node, const char *control)
{
	until(SENDER_ASK, 20 * NS_S);
	tell(node, control);
	ck_assert_int_eq(next(), SENDER_SEND);
	ck_assert_uint_eq(act.ask.generation, 0);
	answer(node, ATTACH_GENERATION);
	ck_assert_int_eq(next(), SENDER_SEND);
	ck_assert_uint_eq(act.ask.generation, 9);
	ck_assert(act.ask.tunnel && act.ask.lifetime_ms == 5000);
	answer(node, ATTACH_GRANTED);
	ck_assert_str_eq(act.ask.from, "SN0");
	ck_assert_int_eq(next(), SENDER_OPEN);
	ck_assert_str_eq(act.node, node);
	ck_assert(addr_same_host(&act.address, &act.ask.to));
	ck_assert_ptr_nonnull(sender_attached(&s));
	sender_tunnel(&s, node, true, now);
}

START_TEST(test_it_attaches_to_the_node_that_it_is_told)
{
	attach("SN1", "10.9.1.11:7702");
	ck_assert_str_eq(act.avoid, "");
	ck_assert_int_eq(addr_port(&act.address), 0);
	ck_assert_int_eq(next(), SENDER_NOTHING);
	now += REFRESH;
	ck_assert_int_eq(next(), SENDER_SEND);
	answer("SN1", ATTACH_GRANTED);
	ck_assert_int_eq(next(), SENDER_NOTHING);
}
END_TEST

START_TEST(test_a_dead_node_is_replaced_at_once_and_avoided)
{
	attach("SN1", "10.9.1.11:7702");
	now += 200 * NS_MS;
	sender_tunnel(&s, "SN1", false, now);
	until(SENDER_LOSE, NS_S);
	ck_assert_str_eq(act.why, "it does not answer");
	ck_assert_ptr_null(sender_attached(&s));
	ck_assert_int_eq(next(), SENDER_ASK);
	ck_assert_str_eq(act.avoid, "SN1");
	tell("SN2", "10.9.1.12:7702");
	ck_assert_int_eq(next(), SENDER_SEND);
	answer("SN2", ATTACH_GRANTED);
	ck_assert_int_eq(next(), SENDER_OPEN);
	sender_tunnel(&s, "SN2", true, now);
	/* The old tunnel goes when routes know of the new one. */
	ck_assert_int_eq(next(), SENDER_NOTHING);
	now += 2 * NS_S;
	while (next() == SENDER_SEND)
		answer("SN2", ATTACH_GRANTED);
	ck_assert_int_eq(act.what, SENDER_NOTHING);
	now += 2 * NS_S;
	until(SENDER_CLOSE, NS_S);
	ck_assert_str_eq(act.node, "SN1");
	ck_assert_str_eq(sender_attached(&s)->name, "SN2");
}
END_TEST

START_TEST(test_a_tunnel_that_comes_back_was_a_false_alarm)
{
	attach("SN1", "10.9.1.11:7702");
	sender_tunnel(&s, "SN1", false, now);
	ck_assert_int_eq(next(), SENDER_SEND);
	answer("SN1", ATTACH_GRANTED);
	sender_tunnel(&s, "SN1", true, now);
	for (int i = 0; i < 10; i++, now += REFRESH)
		for (enum sender_what w; (w = next()) != SENDER_NOTHING;) {
			ck_assert_int_eq(w, SENDER_SEND);
			answer("SN1", ATTACH_GRANTED);
		}
	ck_assert_ptr_nonnull(sender_attached(&s));
}
END_TEST

START_TEST(test_a_tunnel_that_stays_dead_is_left_though_its_node_answers)
{
	ns_t died;

	attach("SN1", "10.9.1.11:7702");
	died = now;
	sender_tunnel(&s, "SN1", false, now);
	while (next() != SENDER_LOSE) {
		if (act.what == SENDER_SEND)
			answer("SN1", ATTACH_GRANTED);
		else
			now += 50 * NS_MS;
		ck_assert_int_lt(now - died, 5 * NS_S);
	}
	ck_assert_str_eq(act.why, "the tunnel is dead");
	ck_assert_int_ge(now - died, 2 * NS_S);
}
END_TEST

START_TEST(test_a_slow_node_whose_tunnel_is_up_is_given_more_time)
{
	ns_t asked;

	attach("SN1", "10.9.1.11:7702");
	until(SENDER_SEND, 2 * REFRESH);
	asked = now;
	until(SENDER_LOSE, 5 * NS_S);
	ck_assert_int_gt(now - asked, NS_S);
}
END_TEST

START_TEST(test_an_answer_to_the_first_of_repeated_questions_counts)
{
	uint64_t id;

	until(SENDER_ASK, 0);
	tell("SN1", "10.9.1.11:7702");
	ck_assert_int_eq(next(), SENDER_SEND);
	id = act.ask.id;
	until(SENDER_SEND, NS_S);
	ck_assert_uint_eq(act.ask.id, id);
	answer("SN1", ATTACH_GRANTED);
	ck_assert_int_eq(next(), SENDER_OPEN);
}
END_TEST

START_TEST(test_pauses_grow_while_nobody_can_be_had)
{
	ns_t last = 0, pause = 0;

	for (int i = 0; i < 10; i++) {
		until(SENDER_ASK, 20 * NS_S);
		if (i > 1)
			ck_assert_int_ge(now - last + 20 * NS_MS, pause);
		pause = now - last;
		last = now;
		if (i % 2) {
			tell("SN1", "10.9.1.11:7702");
			ck_assert_int_eq(next(), SENDER_SEND);
			answer("SN1", ATTACH_FULL);
		} else {
			sender_told(&s, NULL, NULL, now);
		}
		ck_assert_int_eq(next(), SENDER_NOTHING);
	}
	ck_assert_int_ge(pause, 15 * NS_S);
	ck_assert_int_le(pause, 17 * NS_S);
}
END_TEST

static void be_refused(const char *node)
{
	until(SENDER_ASK, 20 * NS_S);
	tell(node, "10.9.1.11:7702");
	ck_assert_int_eq(next(), SENDER_SEND);
	answer(node, ATTACH_FULL);
}

START_TEST(test_all_that_failed_lately_are_avoided)
{
	be_refused("SN1");
	be_refused("SN2");
	be_refused("SN1");
	until(SENDER_ASK, 20 * NS_S);
	ck_assert_str_eq(act.avoid, "SN1,SN2");
	sender_told(&s, NULL, NULL, now);
	now += 30 * NS_S;
	until(SENDER_ASK, 20 * NS_S);
	ck_assert_str_eq(act.avoid, "");
}
END_TEST

START_TEST(test_a_tunnel_that_cannot_be_made_is_nothing_to_be_removed)
{
	until(SENDER_ASK, 0);
	tell("SN1", "10.9.1.11:7702");
	ck_assert_int_eq(next(), SENDER_SEND);
	answer("SN1", ATTACH_GRANTED);
	ck_assert_int_eq(next(), SENDER_OPEN);
	sender_failed(&s, "SN1", now);
	ck_assert_ptr_null(sender_attached(&s));
	while (next() == SENDER_NOTHING)
		now += 10 * NS_MS;
	ck_assert_int_eq(act.what, SENDER_ASK);
	ck_assert_str_eq(act.avoid, "SN1");
	ck_assert_int_ge(now, 100 * NS_S + 200 * NS_MS);
}
END_TEST

START_TEST(test_a_tunnel_that_never_comes_up_is_left)
{
	until(SENDER_ASK, 0);
	tell("SN1", "10.9.1.11:7702");
	for (; next() != SENDER_LOSE; now += 50 * NS_MS) {
		if (act.what == SENDER_SEND)
			answer("SN1", ATTACH_GRANTED);
		ck_assert_int_lt(now, 112 * NS_S);
	}
	ck_assert_str_eq(act.why, "the tunnel is dead");
	ck_assert_int_ge(now, 109 * NS_S);
}
END_TEST

START_TEST(test_an_anycast_address_without_an_answer_is_asked_again)
{
	ns_t asked;

	until(SENDER_ASK, 0);
	asked = now;
	until(SENDER_ASK, 10 * NS_S);
	ck_assert_int_ge(now - asked, 5 * NS_S);
	tell("SN0", "10.9.0.10:7702"); /* this node itself: no answer either */
	ck_assert_int_eq(next(), SENDER_NOTHING);
	until(SENDER_ASK, 10 * NS_S);
}
END_TEST

START_TEST(test_pauses_are_short_again_after_a_grant)
{
	for (int i = 0; i < 6; i++)
		be_refused("SN2");
	attach("SN1", "10.9.1.11:7702");
	sender_tunnel(&s, "SN1", false, now);
	until(SENDER_ASK, 2 * NS_S);
	sender_told(&s, NULL, NULL, now);
	until(SENDER_ASK, 300 * NS_MS);
}
END_TEST

START_TEST(test_a_node_that_drains_is_left_when_the_next_one_has_settled)
{
	bool told = false;

	attach("SN1", "10.9.1.11:7702");
	until(SENDER_SEND, 2 * REFRESH);
	struct attach_answer *a = reply("SN1", ATTACH_GRANTED);
	a->draining = true;
	ck_assert(sender_heard(&s, a, now));
	ck_assert_int_eq(next(), SENDER_ASK);
	ck_assert_str_eq(act.avoid, "SN1");
	tell("SN2", "10.9.1.12:7702");
	for (enum sender_what w = next(); w != SENDER_OPEN; w = next())
		answer("SN2", ATTACH_GRANTED);
	sender_tunnel(&s, "SN2", true, now);
	for (ns_t from = now; next() != SENDER_LOSE; now += 10 * NS_MS) {
		ck_assert_int_lt(now - from, 10 * NS_S);
		if (act.what == SENDER_SEND) /* both are told that it is there */
			answer(addr_cmp(&act.ask.to, &s.hold[SENDER_LEFT].control) ? "SN2" : "SN1",
				ATTACH_GRANTED);
	}
	ck_assert_str_eq(act.node, "SN1");
	while (next() != SENDER_CLOSE) {
		ck_assert_int_eq(act.what, SENDER_SEND);
		told |= act.ask.lifetime_ms == 0;
	}
	ck_assert(told);
	ck_assert_str_eq(sender_attached(&s)->name, "SN2");
}
END_TEST

/* It is attached to SN1, and asks SN3, the registry. */
static void attach_with_registry(void)
{
	struct attach_answer *a;

	attach("SN1", "10.9.1.11:7702");
	until(SENDER_SEND, 2 * REFRESH);
	a = reply("SN1", ATTACH_GRANTED);
	a->registry = literal("10.9.3.13:7702");
	ck_assert(sender_heard(&s, a, now));
	ck_assert_int_eq(next(), SENDER_SEND);
	ck_assert(!act.ask.tunnel);
}

START_TEST(test_new_channels_are_told_at_once_to_all_who_know_this_node)
{
	attach_with_registry();
	answer("SN3", ATTACH_GRANTED);
	ck_assert_int_eq(next(), SENDER_NOTHING);
	sender_publishes(&s, now);
	ck_assert_int_eq(next(), SENDER_SEND);
	ck_assert(act.ask.tunnel);
	ck_assert_int_eq(next(), SENDER_SEND);
	ck_assert(!act.ask.tunnel);
	/* Each question that is out is repeated soon anyhow. */
	sender_publishes(&s, now);
	ck_assert_int_eq(next(), SENDER_NOTHING);
}
END_TEST

/* How often the registry is asked in the time, while the node answers. */
static int asked_registry(ns_t time, bool answers)
{
	int n = 0;

	for (ns_t end = now + time; now < end; now += 10 * NS_MS)
		for (enum sender_what w; (w = next()) != SENDER_NOTHING;) {
			ck_assert_int_eq(w, SENDER_SEND);
			if (act.ask.tunnel)
				answer("SN1", ATTACH_GRANTED);
			else if (answers)
				answer("SN3", ATTACH_REFUSED);
			n += !act.ask.tunnel;
		}
	return n;
}

START_TEST(test_a_registry_that_refuses_or_is_silent_is_asked_now_and_then)
{
	attach_with_registry();
	answer("SN3", ATTACH_REFUSED);
	ck_assert_int_eq(asked_registry(19 * REFRESH, true), 3);
	/* Four questions, one after the other, then a pause. */
	ck_assert_int_eq(asked_registry(16 * REFRESH, false), 4 * 10);
	sender_publishes(&s, now); /* who has not said that it wants to hear is not told */
	ck_assert_int_eq(next(), SENDER_SEND);
	ck_assert(act.ask.tunnel);
	answer("SN1", ATTACH_GRANTED);
	ck_assert_int_eq(next(), SENDER_NOTHING);
	ck_assert_str_eq(sender_attached(&s)->name, "SN1");
}
END_TEST

START_TEST(test_the_registry_that_a_node_names_is_told_whatever_becomes_of_the_node)
{
	struct attach_answer *a;
	bool registered = false;

	until(SENDER_ASK, 0);
	tell("SN1", "10.9.1.11:7702");
	ck_assert_int_eq(next(), SENDER_SEND);
	a = reply("SN1", ATTACH_GRANTED);
	ck_assert_int_eq(addr_parse(&a->registry, SLICE("10.9.3.13:7702"), 0), 0);
	ck_assert(sender_heard(&s, a, now));
	ck_assert_int_eq(next(), SENDER_OPEN);
	ck_assert_int_eq(next(), SENDER_SEND);
	ck_assert(!act.ask.tunnel && addr_port(&act.ask.to) == 7702);
	answer("SN3", ATTACH_GRANTED);
	until(SENDER_LOSE, 20 * NS_S);
	for (int i = 0; i < 300 && !registered; i++, now += 10 * NS_MS)
		registered = next() == SENDER_SEND && !act.ask.tunnel;
	ck_assert(registered);
}
END_TEST

START_TEST(test_who_stops_says_goodbye_and_closes)
{
	attach("SN1", "10.9.1.11:7702");
	sender_stop(&s);
	ck_assert_int_eq(next(), SENDER_LOSE);
	ck_assert_int_eq(next(), SENDER_SEND);
	ck_assert_uint_eq(act.ask.lifetime_ms, 0);
	ck_assert_int_eq(next(), SENDER_CLOSE);
	ck_assert_int_eq(next(), SENDER_NOTHING);
}
END_TEST

START_TEST(test_answers_of_others_and_to_others_are_none)
{
	until(SENDER_ASK, 0);
	tell("SN1", "10.9.1.11:7702");
	ck_assert_int_eq(next(), SENDER_SEND);
	ck_assert(!sender_heard(&s, reply("SN2", ATTACH_GRANTED), now));
	struct attach_answer a = *reply("SN1", ATTACH_GRANTED);
	strcpy(a.to, "SN7");
	ck_assert(!sender_heard(&s, &a, now));
	strcpy(a.to, "SN0");
	a.id++;
	ck_assert(!sender_heard(&s, &a, now));
	ck_assert_int_eq(next(), SENDER_NOTHING);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("sender");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_it_attaches_to_the_node_that_it_is_told);
	tcase_add_test(t, test_a_dead_node_is_replaced_at_once_and_avoided);
	tcase_add_test(t, test_a_tunnel_that_comes_back_was_a_false_alarm);
	tcase_add_test(t, test_a_tunnel_that_stays_dead_is_left_though_its_node_answers);
	tcase_add_test(t, test_a_slow_node_whose_tunnel_is_up_is_given_more_time);
	tcase_add_test(t, test_an_answer_to_the_first_of_repeated_questions_counts);
	tcase_add_test(t, test_pauses_grow_while_nobody_can_be_had);
	tcase_add_test(t, test_all_that_failed_lately_are_avoided);
	tcase_add_test(t, test_a_tunnel_that_cannot_be_made_is_nothing_to_be_removed);
	tcase_add_test(t, test_a_tunnel_that_never_comes_up_is_left);
	tcase_add_test(t, test_an_anycast_address_without_an_answer_is_asked_again);
	tcase_add_test(t, test_pauses_are_short_again_after_a_grant);
	tcase_add_test(t, test_new_channels_are_told_at_once_to_all_who_know_this_node);
	tcase_add_test(t, test_a_registry_that_refuses_or_is_silent_is_asked_now_and_then);
	tcase_add_test(t, test_a_node_that_drains_is_left_when_the_next_one_has_settled);
	tcase_add_test(t, test_the_registry_that_a_node_names_is_told_whatever_becomes_of_the_node);
	tcase_add_test(t, test_who_stops_says_goodbye_and_closes);
	tcase_add_test(t, test_answers_of_others_and_to_others_are_none);
	return run_case("sender", t);
}
