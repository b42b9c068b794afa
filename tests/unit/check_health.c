/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Row C4: what an ARN makes of probes, of clients' reports and of nodes that vanish, under virtual
 * time. */
#include "arn/health.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define INTERVAL   NS_S
#define QUARANTINE (2 * NS_S)
#define LONGEST    (15 * NS_S)

static struct health *h;
static ns_t now;
static char changes[1024]; /* "sn806/rtsp:works …" */

static void on_change(void *arg, const struct health_change *c)
{
	size_t n = strlen(changes);

	(void)arg;
	if (c->was != c->is)
		snprintf(changes + n, sizeof(changes) - n, "%s/%s:%s ", c->id,
			c->service == TEXT_RTSP ? "rtsp" : "http", health_verdict_str(c->is));
}

static const char *changed(void)
{
	static char last[sizeof(changes)];

	memcpy(last, changes, sizeof(last));
	changes[0] = '\0';
	return last;
}

static const struct health_conf conf = {.interval = INTERVAL,
	.rise = 2,
	.fall = 2,
	.quarantine = QUARANTINE,
	.quarantine_max = LONGEST,
	.concurrent = 4};

static void setup(void)
{
	h = health_new(&conf, 1, on_change, NULL);
	ck_assert_ptr_nonnull(h);
	now = 500 * NS_S;
	changes[0] = '\0';
}

static void teardown(void)
{
	health_free(h);
}

static struct announce node(const char *id)
{
	struct announce a = {.role = ROLE_SN, .rtsp_port = 554, .healthy = true};

	snprintf(a.id, sizeof(a.id), "%s", id);
	ck_assert_int_eq(addr_parse(&a.addr, SLICE("10.2.0.6"), 0), 0);
	return a;
}

static void watch(const char *id)
{
	struct announce a = node(id);

	health_watch(h, &a, now);
}

static enum health_verdict verdict(const char *id)
{
	struct health_view v;

	return health_view(h, id, TEXT_RTSP, now, &v) ? v.verdict : HEALTH_UNWATCHED;
}

static struct health_view view(const char *id)
{
	struct health_view v;

	ck_assert(health_view(h, id, TEXT_RTSP, now, &v));
	return v;
}

/* Until the next probe is due, which comes out like this. */
static void probe(enum probe_result result)
{
	struct probe_outcome o = {result, "refuses connections", NS_MS};
	struct health_probe p;
	int turns = 0;

	while (!health_take(h, now, &p)) {
		ck_assert_int_lt(turns++, 10);
		now = health_when(h);
		ck_assert(now != NS_NEVER);
		health_tick(h, now);
	}
	health_result(h, &p, &o, now);
}

static void pass(ns_t span)
{
	now += span;
	health_tick(h, now);
}

/* From unknown to broken once, and so with one strike. */
static void break_once(const char *id)
{
	watch(id);
	probe(PROBE_OK);
	probe(PROBE_FAILED);
	probe(PROBE_FAILED);
	ck_assert_int_eq(verdict(id), HEALTH_BROKEN);
}

static void accuse(const char *id, const char *client)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(&a, slice_of(client), 1234), 0);
	health_accuse(h, id, TEXT_RTSP, &a, now);
}

START_TEST(test_new_node_is_unknown_asked_at_once_and_works_with_its_first_answer)
{
	watch("a");
	ck_assert_int_eq(verdict("a"), HEALTH_UNKNOWN);
	ck_assert(health_when(h) <= now);
	probe(PROBE_OK);
	ck_assert_int_eq(verdict("a"), HEALTH_WORKS);
	ck_assert_str_eq(changed(), "a/rtsp:works ");
}
END_TEST

START_TEST(test_service_that_works_is_asked_about_every_interval)
{
	ns_t before;

	watch("a");
	for (int i = 0; i < 100; i++) {
		before = now;
		probe(PROBE_OK);
		if (i) {
			ck_assert(now - before >= INTERVAL * 9 / 10);
			ck_assert(now - before <= INTERVAL * 11 / 10);
		}
	}
}
END_TEST

START_TEST(test_one_failure_is_not_enough_and_is_looked_into_soon)
{
	ns_t before;

	watch("a");
	probe(PROBE_OK);
	probe(PROBE_FAILED);
	ck_assert_int_eq(verdict("a"), HEALTH_WORKS);
	before = now;
	probe(PROBE_OK);
	ck_assert(now - before <= INTERVAL / 4 * 11 / 10);
	probe(PROBE_FAILED);
	ck_assert_int_eq(verdict("a"), HEALTH_WORKS);
	probe(PROBE_FAILED);
	ck_assert_int_eq(verdict("a"), HEALTH_BROKEN);
	ck_assert_str_eq(view("a").why, "refuses connections");
}
END_TEST

START_TEST(test_trouble_of_the_asking_host_is_no_verdict)
{
	watch("a");
	probe(PROBE_OK);
	probe(PROBE_VOID);
	for (int i = 0; i < 50; i++) {
		ns_t before = now;

		probe(PROBE_VOID);
		ck_assert(now - before <= INTERVAL / 4 * 11 / 10);
	}
	ck_assert_int_eq(verdict("a"), HEALTH_WORKS);
	/* And does not part failures that belong together. */
	probe(PROBE_FAILED);
	probe(PROBE_VOID);
	probe(PROBE_FAILED);
	ck_assert_int_eq(verdict("a"), HEALTH_BROKEN);
}
END_TEST

START_TEST(test_broken_service_returns_after_rise_and_a_quarantine_that_ends)
{
	break_once("a");
	changed();
	probe(PROBE_OK);
	ck_assert_int_eq(verdict("a"), HEALTH_BROKEN);
	probe(PROBE_OK);
	ck_assert_int_eq(verdict("a"), HEALTH_QUARANTINED);
	ck_assert_int_eq(view("a").until - now, QUARANTINE);
	pass(QUARANTINE - 1);
	ck_assert_int_eq(verdict("a"), HEALTH_QUARANTINED);
	pass(1);
	ck_assert_int_eq(verdict("a"), HEALTH_WORKS);
	ck_assert_str_eq(changed(), "a/rtsp:quarantined a/rtsp:works ");
}
END_TEST

START_TEST(test_quarantine_grows_with_each_strike_up_to_its_bound_and_decays)
{
	ns_t expected = QUARANTINE;

	watch("a");
	probe(PROBE_OK);
	for (int i = 0; i < 8; i++) {
		probe(PROBE_FAILED);
		probe(PROBE_FAILED);
		probe(PROBE_OK);
		probe(PROBE_OK);
		ck_assert_int_eq(verdict("a"), HEALTH_QUARANTINED);
		ck_assert_int_eq(view("a").until - now, expected);
		expected = 2 * expected < LONGEST ? 2 * expected : LONGEST;
	}
	/* One strike is forgotten after each `quarantine_max`; then it is as new. */
	ck_assert_int_eq(view("a").strikes, 8);
	pass(3 * LONGEST);
	ck_assert_int_eq(view("a").strikes, 5);
	pass(5 * LONGEST);
	ck_assert_int_eq(view("a").strikes, 0);
	probe(PROBE_OK);
	probe(PROBE_FAILED);
	probe(PROBE_FAILED);
	probe(PROBE_OK);
	probe(PROBE_OK);
	ck_assert_int_eq(view("a").until - now, QUARANTINE);
}
END_TEST

START_TEST(test_long_outage_is_not_forgotten_while_it_lasts)
{
	break_once("a");
	pass(100 * LONGEST);
	probe(PROBE_OK);
	probe(PROBE_OK);
	ck_assert_int_eq(verdict("a"), HEALTH_QUARANTINED);
	ck_assert_int_eq(view("a").strikes, 1);
}
END_TEST

START_TEST(test_failure_in_quarantine_is_a_strike_more)
{
	break_once("a");
	probe(PROBE_OK);
	probe(PROBE_OK);
	probe(PROBE_FAILED);
	probe(PROBE_FAILED);
	ck_assert_int_eq(verdict("a"), HEALTH_BROKEN);
	probe(PROBE_OK);
	probe(PROBE_OK);
	ck_assert_int_eq(view("a").until - now, 2 * QUARANTINE);
}
END_TEST

START_TEST(test_service_that_comes_later_than_its_agent_is_not_punished)
{
	watch("a");
	for (int i = 0; i < 5; i++)
		probe(PROBE_FAILED);
	ck_assert_int_eq(verdict("a"), HEALTH_BROKEN);
	probe(PROBE_OK);
	probe(PROBE_OK);
	ck_assert_int_eq(verdict("a"), HEALTH_WORKS);
}
END_TEST

START_TEST(test_node_that_vanished_is_quarantined_and_one_that_left_is_not)
{
	watch("a");
	probe(PROBE_OK);
	health_leave(h, "a", true, now);
	ck_assert_int_eq(verdict("a"), HEALTH_UNWATCHED);
	pass(NS_S);
	watch("a");
	ck_assert_int_eq(verdict("a"), HEALTH_UNKNOWN);
	probe(PROBE_OK);
	probe(PROBE_OK);
	ck_assert_int_eq(verdict("a"), HEALTH_QUARANTINED);

	watch("b");
	probe(PROBE_OK);
	health_leave(h, "b", false, now);
	watch("b");
	probe(PROBE_OK);
	ck_assert_int_eq(verdict("b"), HEALTH_WORKS);
}
END_TEST

START_TEST(test_what_is_held_against_a_node_that_is_gone_is_forgotten_in_the_end)
{
	watch("a");
	probe(PROBE_OK);
	health_leave(h, "a", true, now);
	ck_assert_int_eq(health_when(h), now + LONGEST);
	pass(LONGEST);
	ck_assert_int_eq(health_when(h), NS_NEVER);
	watch("a");
	probe(PROBE_OK);
	ck_assert_int_eq(verdict("a"), HEALTH_WORKS);
}
END_TEST

START_TEST(test_outcome_that_comes_too_late_is_of_no_interest)
{
	struct probe_outcome o = {.result = PROBE_OK, .delay = NS_MS};
	struct announce a = node("a");
	struct health_probe p, old;

	health_watch(h, &a, now);
	ck_assert(health_take(h, now, &p));
	/* The node is somewhere else now. */
	addr_parse(&a.addr, SLICE("10.2.0.7"), 0);
	health_watch(h, &a, now);
	health_result(h, &p, &o, now);
	ck_assert_int_eq(verdict("a"), HEALTH_UNKNOWN);
	old = p;
	ck_assert(health_take(h, now, &p));
	ck_assert(addr_same_host(&p.at, &a.addr));
	health_result(h, &old, &o, now);
	ck_assert_int_eq(verdict("a"), HEALTH_UNKNOWN);
	health_leave(h, "a", false, now);
	health_result(h, &p, &o, now);
	health_tick(h, now);
	ck_assert_int_eq(health_when(h), NS_NEVER);
}
END_TEST

START_TEST(test_services_of_a_node_are_judged_each_for_itself)
{
	struct probe_outcome bad = {.result = PROBE_FAILED, .why = "x"}, ok = {.delay = NS_MS};
	struct announce a = node("a");
	struct health_probe p;
	struct node_health seen;

	a.http_port = 80;
	health_watch(h, &a, now);
	for (int i = 0; i < 8; i++) {
		now = health_when(h);
		while (health_take(h, now, &p)) {
			ck_assert_int_eq(addr_port(&p.at), p.service == TEXT_HTTP ? 80 : 554);
			health_result(h, &p, p.service == TEXT_HTTP ? &bad : &ok, now);
		}
	}
	seen = health_watch(h, &a, now);
	ck_assert_int_eq(seen.of[TEXT_HTTP].verdict, HEALTH_BROKEN);
	ck_assert_int_eq(seen.of[TEXT_RTSP].verdict, HEALTH_WORKS);
	/* A service that is not offered any more is none of our business. */
	a.http_port = 0;
	seen = health_watch(h, &a, now);
	ck_assert_int_eq(seen.of[TEXT_HTTP].verdict, HEALTH_UNWATCHED);
	ck_assert_int_eq(seen.of[TEXT_RTSP].verdict, HEALTH_WORKS);
}
END_TEST

START_TEST(test_probes_under_way_are_bounded_and_the_longest_due_goes_first)
{
	struct health_probe p[8];
	struct probe_outcome ok = {.delay = NS_MS};
	char id[8];
	int n = 0;

	for (int i = 0; i < 6; i++) {
		snprintf(id, sizeof(id), "n%d", i);
		watch(id);
		now++;
	}
	while (health_take(h, now, &p[n]))
		n++;
	ck_assert_int_eq(n, 4);
	ck_assert_str_eq(p[0].id, "n0");
	ck_assert_str_eq(p[3].id, "n3");
	ck_assert_int_eq(health_when(h), NS_NEVER);
	health_result(h, &p[1], &ok, now);
	ck_assert(health_take(h, now, &p[4]));
	ck_assert_str_eq(p[4].id, "n4");
	ck_assert(!health_take(h, now, &p[5]));
	/* Nodes that go give their places back. */
	health_leave(h, "n0", false, now);
	health_leave(h, "n2", false, now);
	ck_assert(health_take(h, now, &p[5]));
	ck_assert_str_eq(p[5].id, "n5");
}
END_TEST

START_TEST(test_delay_is_smoothed_and_told)
{
	struct probe_outcome o = {.delay = 10 * NS_MS};
	struct health_probe p;

	watch("a");
	for (int i = 0; i < 30; i++) {
		now = health_when(h);
		ck_assert(health_take(h, now, &p));
		if (i == 1)
			ck_assert_uint_eq(view("a").delay_us, 10000);
		o.delay = i ? 200 * NS_MS : 10 * NS_MS;
		health_result(h, &p, &o, now);
		if (i == 1)
			ck_assert_uint_lt(view("a").delay_us, 60000);
	}
	ck_assert_uint_gt(view("a").delay_us, 190000);
	ck_assert_uint_le(view("a").delay_us, 200000);
}
END_TEST

START_TEST(test_report_of_a_client_moves_a_probe_and_nothing_else)
{
	ns_t before;

	watch("a");
	probe(PROBE_OK);
	before = now;
	now += INTERVAL / 2;
	accuse("a", "10.9.0.2");
	ck_assert_int_eq(health_when(h), now);
	probe(PROBE_OK);
	ck_assert_int_eq(now, before + INTERVAL / 2);
	ck_assert_int_eq(verdict("a"), HEALTH_WORKS);
	ck_assert_int_eq(view("a").reports, 1);
}
END_TEST

/* C5: whoever can send a request can report. */
START_TEST(test_storm_of_reports_removes_nobody_and_makes_few_probes)
{
	uint64_t before;
	char client[32];
	ns_t end;

	watch("a");
	probe(PROBE_OK);
	changed();
	before = view("a").probes;
	end = now + 10 * NS_S;
	for (int i = 0; now < end; i++) {
		struct probe_outcome ok = {.delay = NS_MS};
		struct health_probe p;

		now += NS_MS;
		snprintf(client, sizeof(client), "10.9.%d.%d", i / 250 % 250, i % 250);
		accuse("a", client);
		if (health_take(h, now, &p))
			health_result(h, &p, &ok, now);
	}
	ck_assert_str_eq(changed(), "");
	ck_assert_uint_le(view("a").probes - before, 4 * 10 + 1);
	ck_assert_uint_eq(view("a").reports, 10000);
}
END_TEST

START_TEST(test_reports_of_different_clients_make_one_failure_enough)
{
	watch("a");
	probe(PROBE_OK);
	/* The same host again and again, and one network of IPv6, count once each. */
	for (int i = 0; i < 10; i++)
		accuse("a", "10.9.0.2");
	accuse("a", "2001:db8::1");
	accuse("a", "2001:db8::2");
	probe(PROBE_FAILED);
	ck_assert_int_eq(verdict("a"), HEALTH_WORKS);
	probe(PROBE_OK);
	accuse("a", "10.9.0.3");
	probe(PROBE_FAILED);
	ck_assert_int_eq(verdict("a"), HEALTH_BROKEN);

	watch("b");
	while (verdict("b") == HEALTH_UNKNOWN)
		probe(PROBE_OK);
	accuse("b", "10.9.0.1");
	accuse("b", "10.9.0.2");
	accuse("b", "10.9.0.3");
	health_leave(h, "a", false, now);
	pass(HEALTH_WINDOW);
	probe(PROBE_FAILED);
	ck_assert_int_eq(verdict("b"), HEALTH_WORKS);
}
END_TEST

START_TEST(test_switching_probes_off_and_on)
{
	struct health_conf off = conf;

	break_once("a");
	off.interval = 0;
	changed();
	health_set_conf(h, &off, now);
	ck_assert_str_eq(changed(), "a/rtsp:unwatched ");
	ck_assert_int_eq(health_when(h), NS_NEVER);
	accuse("a", "10.9.0.1");
	ck_assert_int_eq(health_when(h), NS_NEVER);
	health_set_conf(h, &conf, now);
	ck_assert_str_eq(changed(), "a/rtsp:unknown ");
	probe(PROBE_OK);
}
END_TEST

/* Whatever happens, in any order: quarantines and intervals are within their bounds, the number of
 * probes under way is what was taken and not given back, and in the end nothing is left. */
START_TEST(test_any_order_of_events_keeps_the_bounds)
{
	struct health_probe p[4];
	int taken = 0;

	srand((unsigned)_i);
	for (int i = 0; i < 3000; i++) {
		struct probe_outcome o = {(enum probe_result)(rand() % 3), "x", rand() % (int)NS_S};
		char id[4] = {(char)('a' + rand() % 6)};

		switch (rand() % 8) {
		case 0: health_leave(h, id, rand() % 2, now); break;
		case 1: accuse(id, rand() % 2 ? "10.0.0.1" : "10.0.0.2"); break;
		case 2: pass(rand() % (int)NS_S); break;
		case 3:
		case 4:
			if (taken)
				health_result(h, &p[--taken], &o, now);
			break;
		case 5:
			if (taken < 4 && health_take(h, now, &p[taken]))
				taken++;
			break;
		default: watch(id);
		}
		for (char c = 'a'; c < 'g'; c++) {
			struct health_view v;

			if (!health_view(h, (char[]){c, 0}, TEXT_RTSP, now, &v))
				continue;
			ck_assert_int_le(v.strikes, 16);
			if (v.verdict == HEALTH_QUARANTINED)
				ck_assert(v.until - now <= LONGEST);
			if (v.verdict == HEALTH_BROKEN)
				ck_assert_ptr_nonnull(v.why);
		}
	}
	for (char c = 'a'; c < 'g'; c++)
		health_leave(h, (char[]){c, 0}, false, now);
	pass(20 * LONGEST);
	ck_assert_int_eq(health_when(h), NS_NEVER);
	ck_assert(!health_take(h, now, &p[0]));
	for (int i = 0; i < 5; i++) {
		watch((char[]){(char)('a' + i), 0});
		ck_assert_int_eq(health_take(h, now, &p[0]), i < 4);
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("health");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_new_node_is_unknown_asked_at_once_and_works_with_its_first_answer);
	tcase_add_test(t, test_service_that_works_is_asked_about_every_interval);
	tcase_add_test(t, test_one_failure_is_not_enough_and_is_looked_into_soon);
	tcase_add_test(t, test_trouble_of_the_asking_host_is_no_verdict);
	tcase_add_test(t, test_broken_service_returns_after_rise_and_a_quarantine_that_ends);
	tcase_add_test(t, test_quarantine_grows_with_each_strike_up_to_its_bound_and_decays);
	tcase_add_test(t, test_long_outage_is_not_forgotten_while_it_lasts);
	tcase_add_test(t, test_failure_in_quarantine_is_a_strike_more);
	tcase_add_test(t, test_service_that_comes_later_than_its_agent_is_not_punished);
	tcase_add_test(t, test_node_that_vanished_is_quarantined_and_one_that_left_is_not);
	tcase_add_test(t, test_what_is_held_against_a_node_that_is_gone_is_forgotten_in_the_end);
	tcase_add_test(t, test_outcome_that_comes_too_late_is_of_no_interest);
	tcase_add_test(t, test_services_of_a_node_are_judged_each_for_itself);
	tcase_add_test(t, test_probes_under_way_are_bounded_and_the_longest_due_goes_first);
	tcase_add_test(t, test_delay_is_smoothed_and_told);
	tcase_add_test(t, test_report_of_a_client_moves_a_probe_and_nothing_else);
	tcase_add_test(t, test_storm_of_reports_removes_nobody_and_makes_few_probes);
	tcase_add_test(t, test_reports_of_different_clients_make_one_failure_enough);
	tcase_add_test(t, test_switching_probes_off_and_on);
	tcase_add_loop_test(t, test_any_order_of_events_keeps_the_bounds, 0, 20);
	return run_case("health", t);
}
