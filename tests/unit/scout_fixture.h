/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scout under virtual time: what it says is done at once, and what it asks is answered a little later. */
#ifndef NEARCAST_TESTS_SCOUT_FIXTURE_H
#define NEARCAST_TESTS_SCOUT_FIXTURE_H

#include <check.h>

#include "arn/scout.h"
#include "tests/sim/agenda.h"

#define DELAY (5 * NS_MS)

static const struct scout_ops *ops;
static void *s;
static ns_t now;
struct question {
	ns_t at; /* it is answered */
	struct scout_act act;
};
static struct agenda agenda = {.size = sizeof(struct question)};

/* The test's own: for each act; and for one whose answer is due. */
static void obey(const struct scout_act *act);
static void answer(const struct scout_act *act);

static void answer_at(ns_t at, const struct scout_act *act)
{
	agenda_put(&agenda, at, &(struct question){at, *act});
}

static void pass(ns_t time)
{
	ns_t end = now + time;
	struct scout_act act;
	struct question q;

	for (;;) {
		ns_t next;
		int acts = 0;

		while (ops->next(s, now, &act)) {
			obey(&act);
			ck_assert_int_lt(++acts, 10000);
		}
		next = ops->when(s);
		ck_assert(next > now);
		if (agenda_take(&agenda, next < end ? next : end, &q)) {
			now = q.at;
			answer(&q.act);
			continue;
		}
		now = next < end ? next : end;
		if (next > end)
			return;
	}
}

#endif
