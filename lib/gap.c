/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window is a ring of bits, one for each of the last GAP_WINDOW numbers: was it seen? With two
 * bounds that says all:
 *
 *	          next                 highest
 *	   ........|#.##.......####.##.#|
 *	   settled |  '#' seen           | not known yet
 *	           |  '.' missing        |
 *
 * Below `next` all is settled: a bit tells what was seen from what was given up. Numbers are given
 * up from below only (see gap.h), so that no third state is needed.
 *
 * When to ask needs a time for each missing number, and most numbers are never missing: so these
 * are entries of a list, in ascending order because gaps only open at the top. A number that comes
 * costs nothing here, its entry is then dead (the ring says so) and swept out later. The list has
 * room for twice the window, so that a sweep of a full one frees half of it: constant time per
 * number, in the mean. Memory that was never needed is never touched.
 */
#include "lib/gap.h"

#include <stdlib.h>
#include <string.h>

#include "lib/rtp.h"

#define RING_WORDS  (GAP_WINDOW / 64)
#define MAX_ENTRIES (2 * GAP_WINDOW)
#define MIN_RETRY   NS_MS
#define SLACK       64 /* dead entries not worth a sweep */
#define ASKED       64 /* of the numbers asked for, so many are remembered */
#define CALM        16 /* numbers that came once, when asked for: patience was not too short */

/* In place of a moment at which a number was asked for. */
#define NOT_ASKED (-1)
#define AT_ONCE   (-2)

struct entry {
	int64_t seq;
	ns_t since; /* missing since then */
	ns_t asked; /* last, or NOT_ASKED, AT_ONCE */
};

struct gap {
	struct gap_conf conf;
	bool begun;
	int64_t next;    /* all below is settled */
	int64_t highest; /* all above is not known */
	int missing;
	uint64_t seen[RING_WORDS];

	ns_t when;       /* no entry has to be asked for before */
	int head, count; /* entries: those before head are dead */
	int resume;      /* where a gap_due that was full goes on, 0: it was not */
	ns_t scanned;    /* earliest time among those that it has passed */
	struct entry *entry;

	ns_t patience;        /* reorder, and more */
	ns_t grown;           /* when it last grew */
	int calm;             /* numbers that came once since then, or since it shrank */
	int64_t asked[ASKED]; /* for the first time, lately; -1: none */
	int last_asked;
};

struct gap *gap_new(const struct gap_conf *c)
{
	struct gap *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->entry = malloc(MAX_ENTRIES * sizeof(*g->entry));
	if (!g->entry) {
		free(g);
		return NULL;
	}
	g->conf = *c;
	if (g->conf.retry < MIN_RETRY)
		g->conf.retry = MIN_RETRY;
	g->when = g->scanned = NS_NEVER;
	g->highest = -1;
	g->patience = g->conf.reorder;
	for (int i = 0; i < ASKED; i++)
		g->asked[i] = -1;
	return g;
}

void gap_free(struct gap *g)
{
	if (!g)
		return;
	free(g->entry);
	free(g);
}

void gap_begin(struct gap *g, int64_t first)
{
	g->begun = true;
	g->next = first;
	g->highest = first - 1;
	g->missing = 0;
	g->when = NS_NEVER;
	g->head = g->count = g->resume = 0;
	memset(g->seen, 0, sizeof(g->seen));
}

int64_t gap_extend(const struct gap *g, uint16_t seq)
{
	return g->begun ? rtp_seq_extend(g->highest, seq) : seq;
}

static uint64_t *word_of(struct gap *g, int64_t seq)
{
	return &g->seen[((uint64_t)seq % GAP_WINDOW) / 64];
}

static uint64_t bit_of(int64_t seq)
{
	return 1ull << ((uint64_t)seq % 64);
}

/* Of a number within the window. */
static bool is_seen(const struct gap *g, int64_t seq)
{
	return g->seen[((uint64_t)seq % GAP_WINDOW) / 64] & bit_of(seq);
}

static bool is_missing(const struct gap *g, int64_t seq)
{
	return seq >= g->next && seq <= g->highest && !is_seen(g, seq);
}

static void skip_seen(struct gap *g)
{
	while (g->next <= g->highest && is_seen(g, g->next))
		g->next++;
}

/* Settles what is below `seq`; how many of them lacked. */
static int settle_below(struct gap *g, int64_t seq)
{
	int n = 0;

	for (; g->next < seq && g->next <= g->highest; g->next++)
		n += !is_seen(g, g->next);
	g->missing -= n;
	skip_seen(g);
	return n;
}

static ns_t due_at(const struct gap *g, const struct entry *e)
{
	if (e->asked == AT_ONCE)
		return 0;
	return e->asked == NOT_ASKED ? e->since + g->patience : e->asked + g->conf.retry;
}

static void sweep(struct gap *g)
{
	int n = 0;

	for (int i = g->head; i < g->count; i++)
		if (is_missing(g, g->entry[i].seq))
			g->entry[n++] = g->entry[i];
	g->head = g->resume = 0;
	g->count = n;
}

/* All from highest + 1 to `last` is missing from now on. The window has room for them. */
static void open_gap(struct gap *g, int64_t last, ns_t now)
{
	if (last <= g->highest)
		return;
	if (!g->missing) { /* nothing but dead entries */
		g->head = g->count = g->resume = 0;
		g->when = NS_NEVER;
	}
	if (now + g->patience < g->when)
		g->when = now + g->patience;
	while (g->highest < last) {
		int64_t seq = ++g->highest;

		*word_of(g, seq) &= ~bit_of(seq);
		if (g->count == MAX_ENTRIES)
			sweep(g);
		g->entry[g->count++] = (struct entry){seq, now, NOT_ASKED};
		g->missing++;
	}
}

static bool was_asked(const struct gap *g, int64_t seq)
{
	for (int i = 0; i < ASKED; i++)
		if (g->asked[i] == seq)
			return true;
	return false;
}

/* It came again. If we had asked for it, that was too soon. */
static void note_twice(struct gap *g, int64_t seq, ns_t now)
{
	if (!was_asked(g, seq) || now - g->grown < g->conf.retry)
		return;
	g->calm = 0;
	if (g->patience + g->conf.reorder > g->conf.retry / 2)
		return;
	g->grown = now;
	g->patience += g->conf.reorder;
}

/* What lacked has come. Entries keep their times: whoever looks too early looks again. */
static void note_once(struct gap *g, int64_t seq)
{
	if (g->patience == g->conf.reorder || !was_asked(g, seq) || ++g->calm < CALM)
		return;
	g->calm = 0;
	g->patience -= g->conf.reorder;
	if (g->when != NS_NEVER)
		g->when -= g->conf.reorder;
	if (g->scanned != NS_NEVER)
		g->scanned -= g->conf.reorder;
}

enum gap_seen gap_see(struct gap *g, int64_t seq, ns_t now)
{
	if (!g->begun)
		gap_begin(g, seq);
	if (seq - g->highest >= GAP_WINDOW || g->highest - seq >= GAP_WINDOW)
		return GAP_RESTART;
	if (seq > g->highest) {
		settle_below(g, seq - GAP_WINDOW + 1);
		open_gap(g, seq - 1, now);
		g->highest = seq;
		*word_of(g, seq) |= bit_of(seq);
		skip_seen(g);
		return GAP_NEW;
	}
	if (is_seen(g, seq)) {
		note_twice(g, seq, now);
		return GAP_DUPLICATE;
	}
	if (seq < g->next)
		return GAP_OLD;
	*word_of(g, seq) |= bit_of(seq);
	g->missing--;
	skip_seen(g);
	note_once(g, seq);
	return GAP_RECOVERED;
}

void gap_expect(struct gap *g, int64_t last, ns_t now)
{
	if (!g->begun || last <= g->highest || last - g->highest >= GAP_WINDOW)
		return;
	settle_below(g, last - GAP_WINDOW + 1);
	open_gap(g, last, now);
}

bool gap_has(const struct gap *g, int64_t seq)
{
	return g->begun && seq <= g->highest && g->highest - seq < GAP_WINDOW && is_seen(g, seq);
}

int64_t gap_next(const struct gap *g)
{
	return g->next;
}

int64_t gap_highest(const struct gap *g)
{
	return g->highest;
}

int gap_missing(const struct gap *g)
{
	return g->missing;
}

/* Passes dead entries at the front, and gives up those whose time is over. */
static void expire(struct gap *g, ns_t now)
{
	for (; g->head < g->count; g->head++) {
		const struct entry *e = &g->entry[g->head];

		if (!is_missing(g, e->seq))
			continue;
		if (g->conf.give_up == NS_NEVER || now - e->since < g->conf.give_up)
			return;
		settle_below(g, e->seq + 1);
	}
}

int gap_due(struct gap *g, ns_t now, int64_t *out, int max)
{
	int n = 0;

	expire(g, now);
	if (now < g->when)
		return 0;
	if (!g->resume) {
		g->scanned = NS_NEVER;
		if (g->count > 2 * g->missing + SLACK)
			sweep(g);
	}
	for (int i = g->resume > g->head ? g->resume : g->head; i < g->count; i++) {
		struct entry *e = &g->entry[i];

		if (!is_missing(g, e->seq))
			continue;
		if (due_at(g, e) <= now) {
			if (n == max) {
				g->resume = i;
				return n;
			}
			out[n++] = e->seq;
			if (e->asked == NOT_ASKED)
				g->asked[g->last_asked++ % ASKED] = e->seq;
			e->asked = now;
		}
		if (due_at(g, e) < g->scanned)
			g->scanned = due_at(g, e);
	}
	g->resume = 0;
	g->when = g->scanned;
	return n;
}

ns_t gap_when(const struct gap *g)
{
	ns_t when = g->when;

	if (!g->missing)
		return NS_NEVER;
	if (g->conf.give_up != NS_NEVER && g->head < g->count &&
		g->entry[g->head].since + g->conf.give_up < when)
		when = g->entry[g->head].since + g->conf.give_up;
	return when;
}

ns_t gap_patience(const struct gap *g)
{
	return g->patience;
}

int gap_forget(struct gap *g, int64_t seq)
{
	return settle_below(g, seq);
}

void gap_rearm(struct gap *g, ns_t now)
{
	for (int i = g->head; i < g->count; i++)
		g->entry[i].asked = AT_ONCE;
	g->resume = 0;
	if (g->missing && now < g->when)
		g->when = now;
}

void gap_set_retry(struct gap *g, ns_t retry)
{
	ns_t sooner;

	if (retry < MIN_RETRY)
		retry = MIN_RETRY;
	/* No entry is due sooner than this: it is never late, and asking again makes it exact. */
	sooner = g->conf.retry - retry;
	if (sooner > 0 && g->when != NS_NEVER)
		g->when -= sooner;
	if (sooner > 0 && g->scanned != NS_NEVER)
		g->scanned -= sooner;
	g->conf.retry = retry;
}
