/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gap tracking: its rules one by one, and then thousands of random packets (lost, reordered,
 * doubled, repaired, jumping, wrapping) beside a model that is too simple and too slow to be wrong.
 */
#include "lib/gap.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define REORDER (3 * NS_MS)
#define RETRY   (20 * NS_MS)

static struct gap *g;

static void make(ns_t give_up)
{
	struct gap_conf c = {REORDER, RETRY, give_up};

	gap_free(g);
	g = gap_new(&c);
	ck_assert_ptr_nonnull(g);
}

static void setup(void)
{
	make(NS_NEVER);
}

static void teardown(void)
{
	gap_free(g);
	g = NULL;
}

/* What is asked for at `now` is first..last, and no more. */
static void expect_due(ns_t now, int64_t first, int64_t last)
{
	int64_t out[64];
	int n = gap_due(g, now, out, 64);

	ck_assert_int_eq(n, last - first + 1);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(out[i], first + i);
}

static void expect_nothing_due(ns_t now)
{
	int64_t out[1];

	ck_assert_int_eq(gap_due(g, now, out, 1), 0);
}

START_TEST(test_nothing_is_known_before_the_first_packet)
{
	ck_assert_int_eq(gap_missing(g), 0);
	ck_assert_int_eq(gap_when(g), NS_NEVER);
	ck_assert_int_eq(gap_extend(g, 65535), 65535);
	ck_assert(!gap_has(g, 0));
	ck_assert_int_eq(gap_forget(g, 100), 0);
	gap_expect(g, 100, 0);
	gap_rearm(g, 0);
	gap_set_retry(g, NS_MS);
	ck_assert_int_eq(gap_missing(g), 0);
	expect_nothing_due(NS_S);
	gap_free(NULL);
}
END_TEST

START_TEST(test_first_packet_seen_is_the_first)
{
	ck_assert_int_eq(gap_see(g, 1000, 0), GAP_NEW);
	ck_assert_int_eq(gap_next(g), 1001);
	ck_assert_int_eq(gap_highest(g), 1000);
	ck_assert_int_eq(gap_missing(g), 0);
	ck_assert_int_eq(gap_see(g, 999, 0), GAP_OLD);
	ck_assert_int_eq(gap_see(g, 1000, 0), GAP_DUPLICATE);
	ck_assert(gap_has(g, 1000));
	ck_assert(!gap_has(g, 999));
	ck_assert(!gap_has(g, 1001));
}
END_TEST

START_TEST(test_reordered_packet_in_time_is_not_asked_for)
{
	gap_see(g, 10, 0);
	ck_assert_int_eq(gap_see(g, 12, NS_MS), GAP_NEW);
	ck_assert_int_eq(gap_missing(g), 1);
	ck_assert_int_eq(gap_next(g), 11);
	ck_assert_int_eq(gap_when(g), NS_MS + REORDER);
	expect_nothing_due(NS_MS + REORDER - 1);
	ck_assert_int_eq(gap_see(g, 11, 2 * NS_MS), GAP_RECOVERED);
	ck_assert_int_eq(gap_next(g), 13);
	ck_assert_int_eq(gap_missing(g), 0);
	ck_assert_int_eq(gap_when(g), NS_NEVER);
	expect_nothing_due(NS_S);
}
END_TEST

START_TEST(test_missing_packet_is_asked_for_after_reorder_then_every_retry)
{
	gap_see(g, 10, 0);
	gap_see(g, 13, 0);
	expect_nothing_due(REORDER - 1);
	expect_due(REORDER, 11, 12);
	expect_nothing_due(REORDER);
	ck_assert_int_eq(gap_when(g), REORDER + RETRY);
	expect_nothing_due(REORDER + RETRY - 1);
	ck_assert_int_eq(gap_see(g, 11, REORDER + RETRY - 1), GAP_RECOVERED);
	expect_due(REORDER + RETRY, 12, 12);
	expect_due(REORDER + 2 * RETRY, 12, 12);
	ck_assert_int_eq(gap_see(g, 12, NS_S), GAP_RECOVERED);
	expect_nothing_due(2 * NS_S);
	ck_assert_int_eq(gap_see(g, 12, NS_S), GAP_DUPLICATE);
}
END_TEST

/* One number that comes late, and again since it was asked for. */
static ns_t late(int64_t seq, ns_t now, bool again)
{
	gap_see(g, seq + 1, now);
	expect_nothing_due(now + gap_patience(g) - 1);
	expect_due(now + gap_patience(g), seq, seq);
	now += gap_patience(g) + NS_MS;
	ck_assert_int_eq(gap_see(g, seq, now), GAP_RECOVERED);
	if (again)
		ck_assert_int_eq(gap_see(g, seq, now + NS_MS), GAP_DUPLICATE);
	return now + RETRY + NS_MS;
}

START_TEST(test_patience_grows_with_what_was_only_late_and_shrinks_again)
{
	ns_t now = NS_S;
	int64_t seq = 10;

	gap_see(g, seq++, 0);
	for (int i = 1; i <= 2; i++, seq += 2) {
		now = late(seq, now, true);
		ck_assert_int_eq(gap_patience(g), (1 + i) * REORDER);
	}
	/* Not above half a retry, so that who asks has still time to get it. */
	now = late(seq, now, true);
	seq += 2;
	ck_assert_int_eq(gap_patience(g), 3 * REORDER);
	for (int i = 0; i < 31; i++, seq += 2)
		now = late(seq, now, false);
	ck_assert_int_eq(gap_patience(g), 2 * REORDER);
	now = late(seq, now, false);
	seq += 2;
	ck_assert_int_eq(gap_patience(g), REORDER);
	late(seq, now, false);
}
END_TEST

START_TEST(test_patience_grows_once_a_retry_and_only_by_what_was_asked_for)
{
	gap_see(g, 10, 0);
	gap_see(g, 14, 0);
	expect_due(REORDER, 11, 13);
	for (int64_t seq = 11; seq <= 14; seq++)
		gap_see(g, seq, REORDER + RETRY);
	for (int64_t seq = 10; seq <= 14; seq++)
		ck_assert_int_eq(gap_see(g, seq, 2 * RETRY), GAP_DUPLICATE);
	ck_assert_int_eq(gap_patience(g), 2 * REORDER);
	gap_see(g, 14, NS_S);
	ck_assert_int_eq(gap_patience(g), 2 * REORDER);
}
END_TEST

START_TEST(test_gaps_of_different_age_are_given_up_in_turn)
{
	int64_t out[8];

	make(100 * NS_MS);
	gap_see(g, 10, 0);
	gap_see(g, 12, 0);
	gap_see(g, 14, 50 * NS_MS);
	ck_assert_int_eq(gap_due(g, 60 * NS_MS, out, 8), 2);
	ck_assert_int_eq(gap_due(g, 99 * NS_MS, out, 8), 2); /* both again */
	ck_assert_int_eq(gap_when(g), 100 * NS_MS);
	ck_assert_int_eq(gap_due(g, 100 * NS_MS, out, 8), 0);
	ck_assert_int_eq(gap_next(g), 13);
	ck_assert_int_eq(gap_missing(g), 1);
	ck_assert_int_eq(gap_see(g, 11, 100 * NS_MS), GAP_OLD);
	ck_assert(!gap_has(g, 11));
	ck_assert_int_eq(gap_due(g, 150 * NS_MS, out, 8), 0);
	ck_assert_int_eq(gap_next(g), 15);
	ck_assert_int_eq(gap_missing(g), 0);
	ck_assert_int_eq(gap_when(g), NS_NEVER);
}
END_TEST

START_TEST(test_beginning_in_the_past_asks_from_there_on)
{
	gap_begin(g, 65530);
	ck_assert_int_eq(gap_missing(g), 0);
	ck_assert_int_eq(gap_when(g), NS_NEVER);
	ck_assert_int_eq(gap_extend(g, 3), 65539);
	ck_assert_int_eq(gap_see(g, 65539, 0), GAP_NEW);
	ck_assert_int_eq(gap_missing(g), 9);
	ck_assert_int_eq(gap_next(g), 65530);
	expect_due(REORDER, 65530, 65538);
	ck_assert_int_eq(gap_see(g, gap_extend(g, 65530), 0), GAP_RECOVERED);
	ck_assert_int_eq(gap_next(g), 65531);
	ck_assert_int_eq(gap_see(g, 65529, 0), GAP_OLD);
}
END_TEST

START_TEST(test_beginning_again_forgets)
{
	gap_see(g, 10, 0);
	gap_see(g, 20, 0);
	gap_begin(g, 5);
	ck_assert_int_eq(gap_missing(g), 0);
	ck_assert_int_eq(gap_next(g), 5);
	ck_assert_int_eq(gap_highest(g), 4);
	ck_assert(!gap_has(g, 10));
	expect_nothing_due(NS_S);
	ck_assert_int_eq(gap_see(g, 5, 0), GAP_NEW);
}
END_TEST

START_TEST(test_expected_end_is_missing_until_it_comes)
{
	gap_see(g, 10, 0);
	gap_expect(g, 12, NS_MS);
	ck_assert_int_eq(gap_highest(g), 12);
	ck_assert_int_eq(gap_missing(g), 2);
	expect_due(NS_MS + REORDER, 11, 12);
	gap_expect(g, 12, 0);
	gap_expect(g, 5, 0);
	ck_assert_int_eq(gap_missing(g), 2);
	ck_assert_int_eq(gap_see(g, 12, 0), GAP_RECOVERED);
	ck_assert_int_eq(gap_see(g, 11, 0), GAP_RECOVERED);
	ck_assert_int_eq(gap_next(g), 13);
	gap_expect(g, 12 + GAP_WINDOW, 0);
	ck_assert_int_eq(gap_missing(g), 0);
	gap_expect(g, 12 + GAP_WINDOW - 1, 0);
	ck_assert_int_eq(gap_missing(g), GAP_WINDOW - 1);
}
END_TEST

START_TEST(test_jump_at_and_past_the_window)
{
	gap_see(g, 100, 0);
	ck_assert_int_eq(gap_see(g, 100 + GAP_WINDOW, 0), GAP_RESTART);
	ck_assert_int_eq(gap_see(g, 100 - GAP_WINDOW, 0), GAP_RESTART);
	ck_assert_int_eq(gap_missing(g), 0);
	ck_assert_int_eq(gap_highest(g), 100);
	ck_assert_int_eq(gap_see(g, 101 - GAP_WINDOW, 0), GAP_OLD);
	ck_assert_int_eq(gap_see(g, 99 + GAP_WINDOW, 0), GAP_NEW);
	ck_assert_int_eq(gap_missing(g), GAP_WINDOW - 2);
	ck_assert(gap_has(g, 100));
	gap_begin(g, 500000);
	ck_assert_int_eq(gap_see(g, 500000, 0), GAP_NEW);
	ck_assert_int_eq(gap_missing(g), 0);
}
END_TEST

/* What the window passes is given up, and the numbers that take its bits are not taken for it. */
START_TEST(test_window_passes_what_lacks)
{
	gap_see(g, 0, 0);
	gap_see(g, 2, 0);
	for (int64_t seq = 3; seq < 1 + GAP_WINDOW; seq++)
		ck_assert_int_eq(gap_see(g, seq, 0), GAP_NEW);
	ck_assert_int_eq(gap_next(g), 1);
	ck_assert_int_eq(gap_missing(g), 1);
	ck_assert_int_eq(gap_see(g, 1 + GAP_WINDOW, 0), GAP_NEW);
	ck_assert_int_eq(gap_missing(g), 0);
	ck_assert_int_eq(gap_next(g), 2 + GAP_WINDOW);
	ck_assert(!gap_has(g, 1));
	ck_assert(gap_has(g, 2));
	gap_see(g, 3 + GAP_WINDOW, 0);
	ck_assert(!gap_has(g, 2 + GAP_WINDOW));
	ck_assert(!gap_has(g, 2));
	expect_due(REORDER, 2 + GAP_WINDOW, 2 + GAP_WINDOW);
}
END_TEST

START_TEST(test_forgetting_counts_what_lacked)
{
	gap_see(g, 10, 0);
	gap_see(g, 13, 0);
	gap_see(g, 16, 0);
	ck_assert_int_eq(gap_forget(g, 11), 0);
	ck_assert_int_eq(gap_forget(g, 15), 3);
	ck_assert_int_eq(gap_next(g), 15);
	ck_assert_int_eq(gap_missing(g), 1);
	expect_due(NS_S, 15, 15);
	ck_assert_int_eq(gap_forget(g, 1000), 1);
	ck_assert_int_eq(gap_next(g), 17);
	ck_assert_int_eq(gap_see(g, 12, 0), GAP_OLD);
	ck_assert_int_eq(gap_see(g, 13, 0), GAP_DUPLICATE);
	ck_assert_int_eq(gap_when(g), NS_NEVER);
}
END_TEST

START_TEST(test_expected_end_can_be_forgotten)
{
	gap_see(g, 10, 0);
	gap_expect(g, 12, 0);
	ck_assert_int_eq(gap_forget(g, 12), 1);
	ck_assert_int_eq(gap_forget(g, 13), 1);
	ck_assert_int_eq(gap_next(g), 13);
	ck_assert_int_eq(gap_missing(g), 0);
}
END_TEST

START_TEST(test_rearmed_packets_are_asked_for_at_once)
{
	int64_t out[8];

	gap_see(g, 10, 0);
	gap_see(g, 13, 0);
	expect_due(REORDER, 11, 12);
	gap_see(g, 15, REORDER);
	gap_rearm(g, REORDER + 1);
	ck_assert_int_eq(gap_when(g), REORDER + 1);
	ck_assert_int_eq(gap_due(g, REORDER + 1, out, 8), 3);
	ck_assert_int_eq(out[0], 11);
	ck_assert_int_eq(out[1], 12);
	ck_assert_int_eq(out[2], 14); /* although it was not missing for long */
	expect_nothing_due(REORDER + RETRY);
	ck_assert_int_eq(gap_due(g, REORDER + 1 + RETRY, out, 8), 3);
}
END_TEST

START_TEST(test_retry_that_shrinks_counts_from_the_last_request)
{
	gap_see(g, 10, 0);
	gap_see(g, 12, 0);
	expect_due(REORDER, 11, 11);
	gap_set_retry(g, 5 * NS_MS);
	ck_assert_int_le(gap_when(g), REORDER + 5 * NS_MS);
	expect_nothing_due(REORDER + 5 * NS_MS - 1);
	expect_due(REORDER + 5 * NS_MS, 11, 11);
	gap_set_retry(g, 0); /* is 1 ms */
	expect_nothing_due(REORDER + 6 * NS_MS - 1);
	expect_due(REORDER + 6 * NS_MS, 11, 11);
	gap_set_retry(g, NS_S);
	expect_nothing_due(REORDER + 6 * NS_MS + NS_S - 1);
	expect_due(REORDER + 6 * NS_MS + NS_S, 11, 11);
}
END_TEST

/* Little room: in ascending portions, each once, and nothing is late. */
START_TEST(test_requests_come_in_portions)
{
	int64_t out[7], want = 1;
	int n;

	gap_see(g, 0, 0);
	gap_see(g, 10001, 0);
	while ((n = gap_due(g, REORDER, out, 7)) > 0) {
		for (int i = 0; i < n; i++)
			ck_assert_int_eq(out[i], want++);
		if (want > 5000 && gap_highest(g) == 10001) /* one gap more opens */
			gap_see(g, 10003, REORDER);
		if (want < 9000)
			ck_assert_int_le(gap_when(g), REORDER);
	}
	ck_assert_int_eq(want, 10001);
	ck_assert_int_gt(gap_when(g), REORDER);
	ck_assert_int_le(gap_when(g), 2 * REORDER);
}
END_TEST

/* The model. Numbers count from BASE; every operation looks at all of them. */
#define BASE    (65536 * 3 - 500) /* a wrap comes soon */
#define NUMBERS 200000

enum state { UNKNOWN, SEEN, MISSING, GIVEN_UP };

static struct {
	enum state state[NUMBERS];
	ns_t since[NUMBERS], asked[NUMBERS]; /* -1: not yet, -2: at once */
	int next, highest, missing;
	ns_t retry, give_up;
} model;

static void model_give_up(int i)
{
	model.state[i] = GIVEN_UP;
	model.missing--;
}

static void model_settle(void)
{
	while (model.next <= model.highest && model.state[model.next] != MISSING)
		model.next++;
}

static void model_reach(int i, ns_t now)
{
	while (model.highest < i) {
		model.highest++;
		model.state[model.highest] = MISSING;
		model.since[model.highest] = now;
		model.asked[model.highest] = -1;
		model.missing++;
	}
	for (int k = model.next; k <= i - GAP_WINDOW; k++)
		if (model.state[k] == MISSING)
			model_give_up(k);
}

static enum gap_seen model_see(int i, ns_t now)
{
	enum gap_seen result = GAP_NEW;

	if (i - model.highest >= GAP_WINDOW || model.highest - i >= GAP_WINDOW)
		return GAP_RESTART;
	if (i > model.highest)
		model_reach(i, now);
	else if (i < 0 || model.state[i] == GIVEN_UP || model.state[i] == UNKNOWN)
		return GAP_OLD;
	else if (model.state[i] == SEEN)
		return GAP_DUPLICATE;
	else
		result = GAP_RECOVERED;
	model.state[i] = SEEN;
	model.missing--;
	model_settle();
	return result;
}

static ns_t model_due_at(int i)
{
	if (model.asked[i] == -2)
		return 0;
	return model.asked[i] == -1 ? model.since[i] + gap_patience(g)
	                            : model.asked[i] + model.retry;
}

static int model_due(ns_t now, int64_t *out, int max)
{
	int n = 0;

	for (int i = model.next; i <= model.highest; i++)
		if (model.state[i] == MISSING && model.give_up != NS_NEVER &&
			now - model.since[i] >= model.give_up)
			model_give_up(i);
	model_settle();
	for (int i = model.next; i <= model.highest && n < max; i++)
		if (model.state[i] == MISSING && model_due_at(i) <= now) {
			out[n++] = BASE + i;
			model.asked[i] = now;
		}
	return n;
}

/* The earliest moment at which model_due has something to do. */
static ns_t model_when(void)
{
	ns_t when = NS_NEVER;

	for (int i = model.next; i <= model.highest; i++) {
		if (model.state[i] != MISSING)
			continue;
		if (model_due_at(i) < when)
			when = model_due_at(i);
		if (model.give_up != NS_NEVER && model.since[i] + model.give_up < when)
			when = model.since[i] + model.give_up;
	}
	return when;
}

static int model_forget(int below)
{
	int n = 0;

	for (int i = model.next; i < below && i <= model.highest; i++)
		if (model.state[i] == MISSING) {
			model_give_up(i);
			n++;
		}
	model_settle();
	return n;
}

static void model_rearm(void)
{
	for (int i = model.next; i <= model.highest; i++)
		model.asked[i] = -2;
}

/* (One assertion, since each costs a system call.) */
static void same_as_model(void)
{
	bool same = gap_next(g) == BASE + model.next && gap_highest(g) == BASE + model.highest &&
	            gap_missing(g) == model.missing && gap_when(g) <= model_when();

	if (!same)
		ck_abort_msg("next %d, highest %d, missing %d, expected %d, %d, %d; or late",
			(int)(gap_next(g) - BASE), (int)(gap_highest(g) - BASE), gap_missing(g),
			model.next, model.highest, model.missing);
}

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((seed >> 32) * below >> 32);
}

static int64_t asked_for[4096]; /* what may be answered */
static int asked_count;

static void see_both(int64_t seq, ns_t now)
{
	/* as it comes from the wire: 16 bits of it */
	int64_t extended = gap_extend(g, (uint16_t)seq);
	enum gap_seen want = model_see((int)(extended - BASE), now);

	if (gap_see(g, extended, now) != want ||
		gap_has(g, extended) != (want != GAP_OLD && want != GAP_RESTART))
		ck_abort_msg("number %d is not %d", (int)(extended - BASE), (int)want);
}

static void due_both(ns_t now)
{
	static int64_t got[GAP_WINDOW], want[GAP_WINDOW];
	int n = gap_due(g, now, got, GAP_WINDOW);

	ck_assert_int_eq(n, model_due(now, want, GAP_WINDOW));
	ck_assert_mem_eq(got, want, (size_t)n * sizeof(got[0]));
	ck_assert_int_gt(gap_when(g), now); /* whoever waits for it does not spin */
	for (int i = 0; i < n; i++)
		asked_for[asked_count++ % 4096] = got[i];
}

/* One step of a stream: mostly the next packet, at times lost, late, or something rarer. */
static void step(int64_t *sent, ns_t now, uint32_t loss)
{
	uint32_t what = rnd(1000);

	if (what < 900) {
		++*sent;
		if (rnd(1000) >= loss)
			see_both(*sent, now);
	} else if (what < 940 && asked_count) {
		int n = asked_count < 4096 ? asked_count : 4096;

		see_both(asked_for[rnd((uint32_t)n)], now); /* a repair, perhaps the second */
	} else if (what < 980) {
		see_both(*sent - rnd(50), now); /* reordered or doubled */
	} else if (what < 985) {
		*sent += rnd(300);
	} else if (what < 987) {
		see_both(*sent - rnd(30000), now);
	} else if (what < 990) {
		*sent += rnd(5);
		gap_expect(g, *sent, now);
		if (*sent > BASE + model.highest)
			model_reach((int)(*sent - BASE), now);
		model_settle();
	} else if (what < 993) {
		int below = model.next + (int)rnd(30);

		ck_assert_int_eq(gap_forget(g, BASE + below), model_forget(below));
	} else if (what < 996) {
		gap_rearm(g, now);
		model_rearm();
	} else {
		model.retry = (ns_t)(1 + rnd(40)) * NS_MS;
		gap_set_retry(g, model.retry);
	}
}

/* _i: seed, and with it loss and whether anything is given up. */
START_TEST(test_random_streams_are_as_the_model_says)
{
	int64_t sent = BASE - 1 + rnd(3);
	ns_t now = NS_S;

	memset(&model, 0, sizeof(model));
	model.highest = -1;
	model.retry = RETRY;
	model.give_up = _i % 2 ? 300 * NS_MS : NS_NEVER;
	seed = (uint64_t)_i * 977 + 1;
	asked_count = 0;
	make(model.give_up);
	gap_begin(g, BASE);
	for (int i = 0; i < 10000; i++) {
		now += rnd(2 * NS_MS);
		step(&sent, now, _i % 3 ? 10 : 300);
		/* a shell that wakes up when it was told to, and at times for other reasons */
		if (now >= gap_when(g) || rnd(100) == 0)
			due_both(now);
		same_as_model();
	}
	if (model.give_up == NS_NEVER)
		ck_assert_int_lt(gap_missing(g), GAP_WINDOW);
}
END_TEST

/* Jumps of up to the whole window, thousands missing at a time. */
START_TEST(test_wild_jumps_are_as_the_model_says)
{
	int64_t top = BASE;
	ns_t now = NS_S;

	memset(&model, 0, sizeof(model));
	model.highest = -1;
	model.retry = RETRY;
	model.give_up = _i % 2 ? 50 * NS_MS : NS_NEVER;
	seed = (uint64_t)_i * 31 + 7;
	asked_count = 0;
	make(model.give_up);
	gap_begin(g, BASE);
	while (top < BASE + NUMBERS - GAP_WINDOW) {
		now += rnd(5 * NS_MS);
		if (rnd(20) == 0)
			top = BASE + model.highest + 1 + rnd(rnd(2) ? GAP_WINDOW - 1 : 100);
		else
			top = BASE + model.highest + 2 - rnd(200);
		see_both(top, now);
		if (now >= gap_when(g))
			due_both(now);
		same_as_model();
	}
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, test_nothing_is_known_before_the_first_packet);
	tcase_add_test(t, test_first_packet_seen_is_the_first);
	tcase_add_test(t, test_reordered_packet_in_time_is_not_asked_for);
	tcase_add_test(t, test_missing_packet_is_asked_for_after_reorder_then_every_retry);
	tcase_add_test(t, test_patience_grows_with_what_was_only_late_and_shrinks_again);
	tcase_add_test(t, test_patience_grows_once_a_retry_and_only_by_what_was_asked_for);
	tcase_add_test(t, test_gaps_of_different_age_are_given_up_in_turn);
	tcase_add_test(t, test_beginning_in_the_past_asks_from_there_on);
	tcase_add_test(t, test_beginning_again_forgets);
	tcase_add_test(t, test_expected_end_is_missing_until_it_comes);
	tcase_add_test(t, test_jump_at_and_past_the_window);
	tcase_add_test(t, test_window_passes_what_lacks);
	tcase_add_test(t, test_forgetting_counts_what_lacked);
	tcase_add_test(t, test_expected_end_can_be_forgotten);
	tcase_add_test(t, test_rearmed_packets_are_asked_for_at_once);
	tcase_add_test(t, test_retry_that_shrinks_counts_from_the_last_request);
	tcase_add_test(t, test_requests_come_in_portions);
	tcase_add_loop_test(t, test_random_streams_are_as_the_model_says, 0, 12);
	tcase_add_loop_test(t, test_wild_jumps_are_as_the_model_says, 0, 4);
}

int main(void)
{
	TCase *t = tcase_create("gap");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	add_tests(t);
	return run_case("gap", t);
}
