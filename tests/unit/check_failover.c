/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The failover state machine: events in, actions out, under a clock of the test's own. */
#include "client-failover/failover.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/run.h"

#define A "rtsp://10.2.0.6/x"
#define B "rtsp://10.2.0.9/x"
#define C "rtsp://10.2.0.10/x"

static struct failover *f;
static struct failover_action got[64];
static char node[64][FAILOVER_NODE], from[64][FAILOVER_NODE], url[64][FAILOVER_URL];
static int gots;
static ns_t now;

static void collect(void)
{
	struct failover_action a;

	gots = 0;
	while (failover_next(f, &a) != FO_NONE) {
		ck_assert_int_lt(gots, 64);
		got[gots] = a;
		snprintf(node[gots], sizeof node[0], "%s", a.node ? a.node : "");
		snprintf(from[gots], sizeof from[0], "%s", a.from ? a.from : "");
		snprintf(url[gots++], sizeof url[0], "%s", a.url ? a.url : "");
	}
}

/* The place of the only action of that kind. */
static int one(enum failover_kind kind)
{
	int at = -1;

	for (int i = 0; i < gots; i++)
		if (got[i].kind == kind) {
			ck_assert_msg(at < 0, "action %d twice", kind);
			at = i;
		}
	ck_assert_msg(at >= 0, "no action %d among %d", kind, gots);
	return at;
}

static bool none(enum failover_kind kind)
{
	for (int i = 0; i < gots; i++)
		if (got[i].kind == kind)
			return false;
	return true;
}

static int id_of(enum failover_kind kind)
{
	return got[one(kind)].id;
}

/* Time passes in the steps that the core asks for, until something is to be done, or `end`. */
static void run_until(ns_t end)
{
	gots = 0;
	while (now < end && gots == 0) {
		ns_t t = failover_when(f);
		now = t < end ? (t > now ? t : now) : end;
		failover_tick(f, now);
		collect();
		ck_assert_msg(gots || failover_when(f) > now, "it would spin");
	}
}

static void run_to(enum failover_kind kind, ns_t limit)
{
	ns_t end = now + limit;

	do
		run_until(end);
	while (none(kind) && now < end);
	one(kind);
}

/* `id` gives packets every 5 ms until the time has passed; nothing else happens. */
static void play(int id, ns_t duration)
{
	for (ns_t end = now + duration; now < end;) {
		now += 5 * NS_MS;
		failover_tick(f, now);
		failover_packet(f, id, true, now);
		collect();
		ck_assert_int_eq(gots, 0);
	}
}

static int locate(int tr, const char *where)
{
	failover_located(f, tr, slice_of(where), now);
	collect();
	return id_of(FO_ATTACH);
}

/* From nothing to steady at A: the attachment's id. */
static int playing(void)
{
	now = 1000 * NS_S;
	failover_start(f, now);
	collect();
	int tr = id_of(FO_TRANSACT);
	now += 10 * NS_MS;
	int a = locate(tr, A);
	ck_assert_str_eq(url[one(FO_ATTACH)], A);
	ck_assert_str_eq(node[one(FO_ATTACH)], "10.2.0.6");
	ck_assert_str_eq(from[one(FO_ATTACH)], "");
	now += 20 * NS_MS;
	failover_attached(f, a, now);
	collect();
	ck_assert_int_eq(gots, 0);
	now += 5 * NS_MS;
	failover_packet(f, a, true, now);
	collect();
	ck_assert_int_eq(id_of(FO_CURRENT), a);
	ck_assert(failover_steady(f));
	play(a, 6 * NS_S);
	return a;
}

/* Silence at `a`: the transaction that follows. */
static int silence(int a)
{
	ns_t last = now;

	run_to(FO_SUSPECT, 2 * NS_S);
	ck_assert_int_eq(got[one(FO_SUSPECT)].id, a);
	ck_assert_int_eq(got[one(FO_SUSPECT)].reason, FO_SILENCE);
	ck_assert_int_eq(now, last + 60 * NS_MS);
	return id_of(FO_TRANSACT);
}

static void avoids(const char *want)
{
	char buf[256];

	failover_avoid(f, now, buf, sizeof buf);
	ck_assert_str_eq(buf, want);
}

static void setup(void)
{
	f = failover_new(&failover_defaults);
}

static void teardown(void)
{
	failover_free(f);
}

/* As from a server that has no RTCP port: each report is answered with an error, media go on. */
START_TEST(test_errors_that_were_false_alarms_are_believed_ever_less)
{
	int a = playing(), alarms = 0;

	for (ns_t end = now + 60 * NS_S; now < end;) {
		now += 100 * NS_MS;
		failover_tick(f, now);
		failover_lost(f, a, FO_ICMP, now);
		collect();
		alarms += !none(FO_SUSPECT);
		failover_packet(f, a, true, now);
		collect();
		ck_assert(failover_steady(f));
		play(a, 5 * NS_MS);
	}
	ck_assert_int_ge(alarms, 2);
	ck_assert_int_le(alarms, 7);
	play(a, 31 * NS_S);
	failover_lost(f, a, FO_ICMP, now);
	collect();
	ck_assert_int_eq(got[one(FO_SUSPECT)].reason, FO_ICMP);
}
END_TEST

START_TEST(test_closed_connection_is_suspected_at_once)
{
	int a = playing();

	now += 3 * NS_MS;
	failover_lost(f, a, FO_CLOSED, now);
	collect();
	ck_assert_int_eq(got[one(FO_SUSPECT)].reason, FO_CLOSED);
	ck_assert_int_eq(got[one(FO_SUSPECT)].silence, 3 * NS_MS);
	ck_assert(none(FO_RELEASE));
	int tr = id_of(FO_TRANSACT);
	avoids("10.2.0.6");
	now += 10 * NS_MS;
	int b = locate(tr, B);
	ck_assert_str_eq(from[one(FO_ATTACH)], "10.2.0.6");
	now += 20 * NS_MS;
	failover_attached(f, b, now);
	ck_assert_int_eq(failover_asked(f), b);
	now += 2 * NS_MS;
	failover_packet(f, b, true, now);
	collect();
	int i = one(FO_RESUMED);
	ck_assert_int_eq(got[i].id, b);
	ck_assert_str_eq(node[i], "10.2.0.9");
	ck_assert_str_eq(from[i], "10.2.0.6");
	ck_assert_int_eq(got[i].times.detection, 3 * NS_MS);
	ck_assert_int_eq(got[i].times.transaction, 10 * NS_MS);
	ck_assert_int_eq(got[i].times.attach, 20 * NS_MS);
	ck_assert_int_eq(got[i].times.interruption, 35 * NS_MS);
	ck_assert_int_eq(id_of(FO_RELEASE), a);
	ck_assert_int_eq(failover_current(f), b);
	play(b, 3 * NS_S);
}
END_TEST

START_TEST(test_least_silence_can_be_another_while_media_come_another_way)
{
	int a = playing();
	ns_t last = now;

	failover_set_least_silence(f, 250 * NS_MS);
	run_to(FO_SUSPECT, 2 * NS_S);
	ck_assert_int_eq(now, last + 250 * NS_MS);
	failover_packet(f, a, true, now);
	collect();
	one(FO_FALSE_ALARM);
	play(a, 5 * NS_S);
	failover_set_least_silence(f, 0);
	silence(a);
}
END_TEST

START_TEST(test_silence_keeps_the_old_attachment)
{
	int a = playing(), tr = silence(a);

	ck_assert(none(FO_RELEASE));
	ck_assert_int_eq(failover_current(f), a);
	int b = locate(tr, B);
	ck_assert(none(FO_RELEASE));
	failover_attached(f, b, now);
	failover_packet(f, b, true, now);
	collect();
	ck_assert_int_eq(id_of(FO_RELEASE), a);
}
END_TEST

START_TEST(test_icmp_error_is_suspected_and_may_be_a_false_alarm)
{
	int a = playing();

	failover_lost(f, a, FO_ICMP, now);
	collect();
	ck_assert_int_eq(got[one(FO_SUSPECT)].reason, FO_ICMP);
	int tr = id_of(FO_TRANSACT);
	failover_lost(f, a, FO_ICMP, now); /* more of them say nothing new */
	collect();
	ck_assert_int_eq(gots, 0);
	failover_packet(f, a, true, now);
	collect();
	one(FO_FALSE_ALARM);
	ck_assert_int_eq(id_of(FO_ABANDON), tr);
	play(a, NS_S);
}
END_TEST

START_TEST(test_false_alarm_during_the_transaction)
{
	int a = playing(), tr = silence(a);

	now += 5 * NS_MS;
	failover_packet(f, a, true, now);
	collect();
	int i = one(FO_FALSE_ALARM);
	ck_assert_str_eq(node[i], "10.2.0.6");
	ck_assert_int_eq(got[i].silence, 65 * NS_MS);
	ck_assert_int_eq(id_of(FO_ABANDON), tr);
	ck_assert(none(FO_RESUMED));
	avoids("");
	failover_located(f, tr, slice_of(B), now); /* its answer comes late */
	collect();
	ck_assert_int_eq(gots, 0);
	play(a, NS_S);
}
END_TEST

START_TEST(test_false_alarm_during_the_attachment_releases_the_new_one)
{
	int a = playing(), b = locate(silence(a), B);

	for (int attached = 0; attached < _i; attached++) {
		failover_attached(f, b, now);
		collect();
		ck_assert_int_eq(gots, 0);
	}
	now += NS_MS;
	failover_packet(f, a, true, now);
	collect();
	one(FO_FALSE_ALARM);
	ck_assert_int_eq(id_of(FO_RELEASE), b);
	failover_packet(f, b, true, now); /* too late */
	failover_lost(f, b, FO_CLOSED, now);
	collect();
	ck_assert_int_eq(gots, 0);
	ck_assert_int_eq(failover_current(f), a);
}
END_TEST

START_TEST(test_a_retransmission_of_the_old_node_is_no_sign_of_its_stream)
{
	int a = playing();

	silence(a);
	failover_packet(f, a, false, now);
	collect();
	ck_assert_int_eq(gots, 0);
	ck_assert(!failover_steady(f));
}
END_TEST

START_TEST(test_packets_after_the_connections_end_are_no_sign_of_life)
{
	int a = playing();

	failover_lost(f, a, FO_CLOSED, now);
	collect();
	int tr = id_of(FO_TRANSACT);
	now += NS_MS;
	failover_packet(f, a, true, now);
	collect();
	ck_assert_int_eq(gots, 0);
	int b = locate(tr, B);
	now += 9 * NS_MS;
	failover_packet(f, b, true, now); /* overtook the answer to PLAY */
	collect();
	int i = one(FO_RESUMED);
	ck_assert_int_eq(got[i].times.interruption, 9 * NS_MS); /* since the last one */
	ck_assert_int_eq(got[i].times.attach, 9 * NS_MS);
}
END_TEST

START_TEST(test_silent_arn_is_asked_again_over_a_new_connection)
{
	int a = playing(), tr = silence(a);
	ns_t start = now, last = 0;

	for (int i = 0; i < 4; i++) {
		run_to(FO_TRANSACT, 10 * NS_S);
		ck_assert_int_eq(id_of(FO_ABANDON), tr);
		ck_assert_int_ne(id_of(FO_TRANSACT), tr);
		tr = id_of(FO_TRANSACT);
		ck_assert_int_ge(now - start, last); /* more and more patient */
		last = now - start;
		start = now;
	}
	ck_assert_int_le(last, failover_defaults.most);
	int b = locate(tr, B);
	failover_packet(f, b, true, now);
	collect();
	one(FO_RESUMED);
}
END_TEST

START_TEST(test_first_repetition_of_a_transaction_is_after_four_times_the_usual)
{
	int a = playing();

	silence(a);
	ns_t start = now;
	run_to(FO_TRANSACT, NS_S);
	ck_assert_int_eq(now - start, failover_defaults.least_ask); /* 4 × 10 ms is less */
}
END_TEST

START_TEST(test_refused_connection_to_the_arn_is_repeated_with_backoff)
{
	int a = playing(), tr = silence(a), tries = 0;
	ns_t start = now, gap = 0, before;

	while (now < start + 20 * NS_S) {
		before = now;
		failover_not_located(f, tr, -1, now);
		collect();
		if (none(FO_TRANSACT))
			run_to(FO_TRANSACT, 10 * NS_S);
		tr = id_of(FO_TRANSACT);
		ck_assert_int_ge(now - before, gap);
		gap = now - before;
		tries++;
	}
	ck_assert_int_le(gap, failover_defaults.most);
	ck_assert_int_ge(tries, 8);
	ck_assert_int_le(tries, 14);
}
END_TEST

START_TEST(test_retry_after_is_obeyed_within_reason)
{
	int a = playing(), tr = silence(a);
	ns_t start = now;

	failover_not_located(f, tr, 2, now);
	collect();
	run_to(FO_TRANSACT, 10 * NS_S);
	ck_assert_int_eq(now - start, 2 * NS_S);
	start = now;
	failover_not_located(f, id_of(FO_TRANSACT), 3600, now);
	run_to(FO_TRANSACT, 10 * NS_S);
	ck_assert_int_eq(now - start, failover_defaults.most);
}
END_TEST

START_TEST(test_old_node_that_comes_back_during_retry_after_is_kept)
{
	int a = playing(), tr = silence(a);

	failover_not_located(f, tr, 2, now);
	now += NS_S;
	failover_packet(f, a, true, now);
	collect();
	one(FO_FALSE_ALARM);
	play(a, NS_S);
}
END_TEST

START_TEST(test_node_that_dies_while_we_attach_is_avoided_too)
{
	int a = playing(), b = locate(silence(a), B);

	failover_lost(f, b, FO_CLOSED, now);
	collect();
	ck_assert_int_eq(id_of(FO_RELEASE), b);
	if (none(FO_TRANSACT))
		run_to(FO_TRANSACT, 100 * NS_MS);
	avoids("10.2.0.6, 10.2.0.9");
	int c = locate(id_of(FO_TRANSACT), C);
	failover_packet(f, c, true, now);
	collect();
	ck_assert_str_eq(node[one(FO_RESUMED)], "10.2.0.10");
	ck_assert_str_eq(from[one(FO_RESUMED)], "10.2.0.6");
	ck_assert_int_eq(id_of(FO_RELEASE), a);
}
END_TEST

START_TEST(test_node_that_hangs_while_we_attach_stays_in_the_race)
{
	int a = playing(), b = locate(silence(a), B);
	ns_t start = now;

	run_to(FO_TRANSACT, NS_S);
	ck_assert(none(FO_RELEASE));
	ck_assert_int_eq(now - start, failover_defaults.least);
	avoids("10.2.0.6, 10.2.0.9");
	int c = locate(id_of(FO_TRANSACT), C);
	ck_assert(none(FO_RELEASE));
	/* Whichever of the three gives a packet first has the session. */
	int winner = _i == 0 ? b : _i == 1 ? c : a;
	failover_packet(f, winner, true, now);
	collect();
	ck_assert_int_eq(failover_current(f), winner);
	int released = 0;
	for (int i = 0; i < gots; i++)
		if (got[i].kind == FO_RELEASE) {
			ck_assert_int_ne(got[i].id, winner);
			released++;
		}
	ck_assert_int_eq(released, 2);
	one(winner == a ? FO_FALSE_ALARM : FO_RESUMED);
}
END_TEST

START_TEST(test_patience_with_new_nodes_grows_within_one_search_only)
{
	int a = playing();

	silence(a); /* a false alarm before it changes nothing */
	failover_packet(f, a, true, now);
	collect();
	play(a, NS_S);
	run_to(FO_SUSPECT, 2 * NS_S);
	if (none(FO_TRANSACT))
		run_to(FO_TRANSACT, NS_S);
	int tr = id_of(FO_TRANSACT);
	for (int i = 0; i < 3; i++) {
		failover_located(f, tr, slice_of(i ? i == 1 ? C : "rtsp://10.2.0.11/x" : B), now);
		ns_t start = now;
		run_to(FO_TRANSACT, 10 * NS_S);
		ck_assert_int_eq(now - start, failover_defaults.least << i);
		tr = id_of(FO_TRANSACT);
	}
}
END_TEST

START_TEST(test_after_the_end_a_retransmission_is_a_sign_of_life)
{
	int a = playing();

	failover_ended(f, a, now);
	collect();
	run_to(FO_SUSPECT, NS_S);
	failover_packet(f, a, false, now);
	collect();
	one(FO_FALSE_ALARM);
	ck_assert(failover_steady(f));
}
END_TEST

START_TEST(test_at_most_three_attachments_at_one_time)
{
	static const char *const urls[] = {B, C, "rtsp://10.2.0.11/x", "rtsp://10.2.0.12/x"};
	int a = playing(), tr = silence(a), id[4];

	for (int i = 0; i < 4; i++) {
		failover_located(f, tr, slice_of(urls[i]), now);
		collect();
		id[i] = id_of(FO_ATTACH);
		if (i >= 2)
			ck_assert_int_eq(id_of(FO_RELEASE), id[i - 2]);
		else
			ck_assert(none(FO_RELEASE));
		run_to(FO_TRANSACT, 10 * NS_S);
		tr = id_of(FO_TRANSACT);
	}
	ck_assert_int_eq(failover_current(f), a);
}
END_TEST

START_TEST(test_redirection_to_the_suspected_node_is_ignored_at_first)
{
	int a = playing(), tr = silence(a);

	failover_located(f, tr, slice_of(A), now);
	collect();
	ck_assert(none(FO_ATTACH));
	if (none(FO_TRANSACT))
		run_to(FO_TRANSACT, NS_S);
	/* But a connection can be dead without a word: then it is tried anew. */
	failover_located(f, id_of(FO_TRANSACT), slice_of("rtsp://10.2.0.6:554/x"), now);
	collect();
	int again = id_of(FO_ATTACH);
	ck_assert(none(FO_RELEASE));
	failover_packet(f, again, true, now);
	collect();
	ck_assert_int_eq(id_of(FO_RELEASE), a);
	ck_assert_str_eq(node[one(FO_RESUMED)], "10.2.0.6");
}
END_TEST

START_TEST(test_redirection_to_the_same_node_after_its_connection_closed_is_followed)
{
	int a = playing();

	failover_lost(f, a, FO_CLOSED, now);
	collect();
	int again = locate(id_of(FO_TRANSACT), A);
	failover_packet(f, again, true, now);
	collect();
	one(FO_RESUMED);
}
END_TEST

START_TEST(test_another_port_is_another_node)
{
	int a = playing(), b = locate(silence(a), "rtsp://10.2.0.6:8554/x");

	ck_assert_str_eq(node[one(FO_ATTACH)], "10.2.0.6:8554");
	failover_packet(f, b, true, now);
	collect();
	failover_lost(f, b, FO_CLOSED, now);
	run_to(FO_TRANSACT, NS_S);
	locate(id_of(FO_TRANSACT), "rtsp://[2001:db8::1]:8554/x");
	ck_assert_str_eq(node[one(FO_ATTACH)], "[2001:db8::1]:8554");
}
END_TEST

START_TEST(test_unusable_locations_are_failed_transactions)
{
	static const char *const bad[] = {"", "/x", "http://10.2.0.9/x", "rtsp://", "x y"};
	int a = playing(), tr = silence(a);

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		failover_located(f, tr, slice_of(bad[i]), now);
		collect();
		ck_assert(none(FO_ATTACH));
		if (none(FO_TRANSACT))
			run_to(FO_TRANSACT, 10 * NS_S);
		tr = id_of(FO_TRANSACT);
	}
}
END_TEST

START_TEST(test_node_may_redirect_but_not_for_ever)
{
	char where[64];
	int a = playing(), b = locate(silence(a), B), hops = 0;

	for (int i = 20;; i++) {
		snprintf(where, sizeof where, "rtsp://10.2.0.%d/x", i);
		failover_redirected(f, b, slice_of(where), now);
		collect();
		ck_assert_int_eq(id_of(FO_RELEASE), b);
		if (none(FO_ATTACH))
			break;
		b = id_of(FO_ATTACH);
		ck_assert_str_eq(url[one(FO_ATTACH)], where);
		hops++;
	}
	ck_assert_int_eq(hops, 5);
	if (none(FO_TRANSACT))
		run_to(FO_TRANSACT, NS_S);
}
END_TEST

START_TEST(test_current_node_that_sends_us_away_is_left)
{
	int a = playing();

	failover_redirected(f, a, slice_of(B), now);
	collect();
	ck_assert_int_eq(got[one(FO_SUSPECT)].reason, FO_REFUSED);
	one(FO_TRANSACT);
	failover_packet(f, a, true, now); /* the session there is gone */
	collect();
	ck_assert_int_eq(gots, 0);
}
END_TEST

START_TEST(test_silent_source_makes_no_storm)
{
	int a = playing(), tr = silence(a), transactions = 0, attachments = 0;
	static const char *const urls[] = {B, C, A};
	ns_t end = now + 300 * NS_S;

	/* Every node answers, none has anything to give. */
	while (now < end) {
		failover_located(f, tr, slice_of(urls[transactions % 3]), now);
		transactions++;
		collect();
		if (!none(FO_ATTACH)) {
			attachments++;
			failover_attached(f, id_of(FO_ATTACH), now);
			collect();
		}
		if (none(FO_TRANSACT))
			run_to(FO_TRANSACT, 10 * NS_S);
		ck_assert(none(FO_GIVE_UP));
		tr = id_of(FO_TRANSACT);
	}
	ck_assert_int_le(transactions, 300 / 5 + 12);
	ck_assert_int_ge(attachments, 10);
	failover_packet(f, a, true, now);
	collect();
	one(FO_FALSE_ALARM);
	ck_assert_int_eq(failover_current(f), a);
}
END_TEST

START_TEST(test_flapping_node_makes_no_storm)
{
	int a = playing(), transactions = 0;
	ns_t end = now + 60 * NS_S;

	/* Each attachment gives one packet, then its connection closes. */
	failover_lost(f, a, FO_CLOSED, now);
	collect();
	while (now < end) {
		if (none(FO_TRANSACT))
			run_to(FO_TRANSACT, 10 * NS_S);
		transactions++;
		int id = locate(id_of(FO_TRANSACT), transactions % 2 ? B : C);
		failover_packet(f, id, true, now);
		failover_lost(f, id, FO_CLOSED, now);
		collect();
	}
	ck_assert_int_le(transactions, 60 / 5 + 12);
}
END_TEST

START_TEST(test_trust_returns_after_a_stable_while)
{
	int a = playing();

	for (int i = 0; i < 5; i++) {
		failover_lost(f, a, FO_CLOSED, now);
		collect();
		a = locate(id_of(FO_TRANSACT), i % 2 ? A : B); /* at once, each time */
		failover_packet(f, a, true, now);
		collect();
		play(a, 6 * NS_S);
	}
}
END_TEST

START_TEST(test_no_node_from_the_start_is_given_up)
{
	now = NS_S;
	failover_start(f, now);
	collect();
	for (;;) {
		if (!none(FO_TRANSACT)) {
			failover_not_located(f, id_of(FO_TRANSACT), -1, now);
			collect();
			if (!none(FO_TRANSACT))
				continue;
		}
		run_until(NS_S + 60 * NS_S);
		if (!none(FO_GIVE_UP))
			break;
	}
	ck_assert_int_eq(now, NS_S + failover_defaults.give_up[0]);
	ck_assert(failover_when(f) == NS_NEVER);
}
END_TEST

START_TEST(test_dead_network_is_given_up_in_the_end)
{
	int a = playing();
	ns_t last = now;

	silence(a);
	while (none(FO_GIVE_UP)) /* nothing answers */
		run_until(last + 60 * NS_S);
	ck_assert_int_eq(now, last + failover_defaults.give_up[1]);
	ck_assert_int_eq(id_of(FO_RELEASE), a);
}
END_TEST

START_TEST(test_after_the_end_the_node_is_watched_until_all_is_there)
{
	int a = playing();

	now += 30 * NS_MS;
	failover_ended(f, a, now);
	collect();
	ck_assert_int_eq(gots, 0);
	for (int i = 0; i < 5; i++) { /* what we asked for comes */
		now += 200 * NS_MS;
		failover_tick(f, now);
		failover_packet(f, a, false, now);
		collect();
		ck_assert_int_eq(gots, 0);
	}
	ns_t last = now;
	run_to(FO_SUSPECT, NS_S);
	ck_assert_int_eq(now - last, failover_defaults.least);
	int b = locate(id_of(FO_TRANSACT), B);
	failover_packet(f, b, false, now);
	collect();
	one(FO_RESUMED);
	failover_done(f, now);
	collect();
	ck_assert_int_eq(id_of(FO_RELEASE), b);
	ck_assert_int_eq(gots, 1);
	failover_lost(f, b, FO_CLOSED, now);
	run_until(now + 60 * NS_S);
	ck_assert_int_eq(gots, 0);
}
END_TEST

START_TEST(test_node_lost_after_the_end_is_replaced_to_fetch_the_tail)
{
	int a = playing();

	failover_ended(f, a, now);
	failover_lost(f, a, FO_CLOSED, now);
	collect();
	int b = locate(id_of(FO_TRANSACT), B);
	failover_attached(f, b, now); /* no packet need come by itself */
	collect();
	one(FO_RESUMED);
	ck_assert_int_eq(failover_asked(f), b);
	ck_assert_int_eq(id_of(FO_RELEASE), a);
}
END_TEST

START_TEST(test_end_told_by_the_new_node_settles_the_failover)
{
	int a = playing(), b = locate(silence(a), B);

	failover_attached(f, b, now);
	failover_ended(f, b, now);
	collect();
	one(FO_RESUMED);
	ck_assert_int_eq(id_of(FO_RELEASE), a);
	ck_assert(failover_steady(f));
}
END_TEST

START_TEST(test_nacks_go_to_the_newest_attachment_that_can_answer)
{
	int a = playing();

	ck_assert_int_eq(failover_asked(f), a);
	int tr = silence(a);
	ck_assert_int_eq(failover_asked(f), a);
	int b = locate(tr, B);
	ck_assert_int_eq(failover_asked(f), a);
	failover_attached(f, b, now);
	ck_assert_int_eq(failover_asked(f), b);
	failover_lost(f, b, FO_CLOSED, now);
	ck_assert_int_eq(failover_asked(f), a);
}
END_TEST

START_TEST(test_unknown_ids_are_ignored)
{
	int a = playing();

	failover_located(f, 77, slice_of(B), now);
	failover_not_located(f, 0, -1, now);
	failover_redirected(f, 77, slice_of(B), now);
	failover_attached(f, 77, now);
	failover_packet(f, 77, true, now);
	failover_packet(f, 0, true, now);
	failover_lost(f, 77, FO_CLOSED, now);
	failover_ended(f, 77, now);
	collect();
	ck_assert_int_eq(gots, 0);
	ck_assert_int_eq(failover_current(f), a);
}
END_TEST

START_TEST(test_avoid_list_is_bounded_and_forgets)
{
	char buf[256];
	int a = playing();

	failover_lost(f, a, FO_CLOSED, now);
	collect();
	for (int i = 20; i < 30; i++) {
		char where[64];
		snprintf(where, sizeof where, "rtsp://10.2.0.%d/x", i);
		if (none(FO_TRANSACT))
			run_to(FO_TRANSACT, 10 * NS_S);
		int id = locate(id_of(FO_TRANSACT), where);
		failover_lost(f, id, FO_CLOSED, now);
		collect();
	}
	failover_avoid(f, now, buf, sizeof buf);
	ck_assert_ptr_nonnull(strstr(buf, "10.2.0.29"));
	ck_assert_ptr_null(strstr(buf, "10.2.0.20"));
	failover_avoid(f, now, buf, 12); /* what does not fit is left out whole */
	ck_assert_uint_le(strlen(buf), 11);
	ck_assert(buf[0] == '\0' || strchr(buf, ',') == NULL);
	failover_avoid(f, now + 20 * NS_S, buf, sizeof buf);
	ck_assert_str_eq(buf, "");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_errors_that_were_false_alarms_are_believed_ever_less);
	tcase_add_test(t, test_closed_connection_is_suspected_at_once);
	tcase_add_test(t, test_least_silence_can_be_another_while_media_come_another_way);
	tcase_add_test(t, test_silence_keeps_the_old_attachment);
	tcase_add_test(t, test_icmp_error_is_suspected_and_may_be_a_false_alarm);
	tcase_add_test(t, test_false_alarm_during_the_transaction);
	tcase_add_loop_test(t, test_false_alarm_during_the_attachment_releases_the_new_one, 0, 2);
	tcase_add_test(t, test_a_retransmission_of_the_old_node_is_no_sign_of_its_stream);
	tcase_add_test(t, test_packets_after_the_connections_end_are_no_sign_of_life);
	tcase_add_test(t, test_silent_arn_is_asked_again_over_a_new_connection);
	tcase_add_test(t, test_first_repetition_of_a_transaction_is_after_four_times_the_usual);
	tcase_add_test(t, test_refused_connection_to_the_arn_is_repeated_with_backoff);
	tcase_add_test(t, test_retry_after_is_obeyed_within_reason);
	tcase_add_test(t, test_old_node_that_comes_back_during_retry_after_is_kept);
	tcase_add_test(t, test_node_that_dies_while_we_attach_is_avoided_too);
	tcase_add_loop_test(t, test_node_that_hangs_while_we_attach_stays_in_the_race, 0, 3);
	tcase_add_test(t, test_patience_with_new_nodes_grows_within_one_search_only);
	tcase_add_test(t, test_after_the_end_a_retransmission_is_a_sign_of_life);
	tcase_add_test(t, test_at_most_three_attachments_at_one_time);
	tcase_add_test(t, test_redirection_to_the_suspected_node_is_ignored_at_first);
	tcase_add_test(
		t, test_redirection_to_the_same_node_after_its_connection_closed_is_followed);
	tcase_add_test(t, test_another_port_is_another_node);
	tcase_add_test(t, test_unusable_locations_are_failed_transactions);
	tcase_add_test(t, test_node_may_redirect_but_not_for_ever);
	tcase_add_test(t, test_current_node_that_sends_us_away_is_left);
	tcase_add_test(t, test_silent_source_makes_no_storm);
	tcase_add_test(t, test_flapping_node_makes_no_storm);
	tcase_add_test(t, test_trust_returns_after_a_stable_while);
	tcase_add_test(t, test_no_node_from_the_start_is_given_up);
	tcase_add_test(t, test_dead_network_is_given_up_in_the_end);
	tcase_add_test(t, test_after_the_end_the_node_is_watched_until_all_is_there);
	tcase_add_test(t, test_node_lost_after_the_end_is_replaced_to_fetch_the_tail);
	tcase_add_test(t, test_end_told_by_the_new_node_settles_the_failover);
	tcase_add_test(t, test_nacks_go_to_the_newest_attachment_that_can_answer);
	tcase_add_test(t, test_unknown_ids_are_ignored);
	tcase_add_test(t, test_avoid_list_is_bounded_and_forgets);
	return run_case("failover", t);
}
