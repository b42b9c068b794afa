/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When which node is asked: by its distance, and all of them within the rate (row H8). */
#include "arn/far_impl.h"

#define BURST         (100 * NS_MS) /* of questions, that may go out at once */
#define PATIENCE      (250 * NS_MS) /* for an answer, beyond four times the latency */
#define ACCUSED_SHARE 4             /* of an interval, after which who is accused is asked again */

/* Nobody is asked for what others report, unless it may be wanted; that it can be reached again, they
 * do not say. */
static bool asks(const struct far_node *n)
{
	return n->watched || n->hurry || n->state == FAR_LOST || !n->report_ends;
}

/* Between two questions while nothing is in doubt, before it is stretched. */
static ns_t usual_pause(const struct far *f, const struct far_node *n)
{
	ns_t max = f->conf.interval_max;
	unsigned doublings = n->state == FAR_LOST ? n->losses : 0;

	if (!n->watched && n->state != FAR_LOST)
		return max;
	if ((max / f->conf.interval) >> doublings < n->distance)
		return max;
	return (f->conf.interval * n->distance) << doublings;
}

ns_t far_pause(const struct far *f, const struct far_node *n)
{
	ns_t pause = usual_pause(f, n), sooner = f->conf.interval;

	if (n->hurry)
		sooner /= ACCUSED_SHARE;
	if (pause > sooner &&
		(n->hurry || (n->missed && n->state != FAR_LOST) || n->state == FAR_DOUBTED))
		pause = sooner;
	return (ns_t)((double)pause * f->stretch);
}

void far_stretch(struct far *f)
{
	double per_second = 0;

	for (int i = 0; i < f->n; i++)
		if (asks(f->order[i]))
			per_second += (double)NS_S / (double)usual_pause(f, f->order[i]);
	f->stretch = per_second > f->conf.rate ? per_second / f->conf.rate : 1;
}

static ns_t due_at(const struct far *f, const struct far_node *n, ns_t now)
{
	if (n->out || !asks(n))
		return NS_NEVER;
	if (n->last == NS_NEVER)
		return now;
	return n->last + (ns_t)((double)far_pause(f, n) * n->jitter);
}

ns_t far_timeout(const struct far_node *n)
{
	ns_t t = n->samples ? PATIENCE + 4 * n->rtt_us * NS_US : FAR_TIMEOUT;

	return t < FAR_TIMEOUT ? t : FAR_TIMEOUT;
}

/* Of those that are due, who has waited the longest in its own pauses. */
bool far_next(struct far *f, ns_t now, struct far_question *q)
{
	struct far_node *next = NULL;
	double most = 0;

	if (f->allowed > now + BURST)
		return false;
	for (int i = 0; i < f->n; i++) {
		struct far_node *n = f->order[i];
		ns_t due = due_at(f, n, now);
		double late = (double)(now - due) / (double)far_pause(f, n);

		if (due > now || (next && late <= most))
			continue;
		next = n;
		most = late;
	}
	if (!next)
		return false;
	f->allowed = (f->allowed > now ? f->allowed : now) + NS_S / f->conf.rate;
	next->out = true;
	next->last = now;
	next->question = lots_draw(&f->lots);
	next->jitter = 0.9 + (double)(lots_draw(&f->lots) % 1000) / 5000;
	next->asked++;
	f->count.asked++;
	*q = (struct far_question){next->question, next->control, next->neighbours, next->skip};
	return true;
}

ns_t far_when(const struct far *f)
{
	ns_t ask = NS_NEVER, tick = NS_NEVER;

	for (int i = 0; i < f->n; i++) {
		const struct far_node *n = f->order[i];
		ns_t due = due_at(f, n, 0), ends = n->out ? n->last + far_timeout(n) : NS_NEVER;

		if (n->report_ends && n->report_ends < ends)
			ends = n->report_ends;
		ask = due < ask ? due : ask;
		tick = ends < tick ? ends : tick;
	}
	if (ask != NS_NEVER && ask < f->allowed - BURST)
		ask = f->allowed - BURST;
	return ask < tick ? ask : tick;
}
