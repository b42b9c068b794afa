/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One thread, the control thread, does all that an ARN does except to answer clients. That is the
 * crew's: each of its threads has a loop, sockets for the same ports (SO_REUSEPORT: the kernel
 * spreads connections over them by a hash of both addresses) and a listener, and shares nothing
 * with the others. With the control thread it has in common:
 *
 *	the board     <-  the newest snapshot of the nodes; a loop is woken when there is one
 *	the order     <-  new limits, or to end; under the thread's lock
 *	the mailbox   ->  what happened that others must know of
 *	counters      ->  written by the thread, read by anybody
 *	turned        ->  when its loop last went round
 *
 * The last is a part of what the worker says of itself (row A2): a thread that hangs leaves those
 * clients unanswered whose connections hash to it, so it counts as much as if all hung. The beat is
 * dated back to the moment that the slowest thread last showed itself; the guardian needs not know
 * that there are threads at all.
 *
 * Reservations need no report: they are counters that all threads share (arn/reserve.h).
 *
 * A thread has its own share of limits.connections. Were it one number for all, slow clients that
 * fill the places of one thread would take them from the others, who could only turn new ones away.
 */
#include "arn/crew.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/board.h"
#include "lib/log.h"
#include "lib/mailbox.h"

#define REPORTS_ROOM 512

struct hand {
	struct crew *crew;
	pthread_t thread;
	bool running; /* the thread was started */
	struct loop *loop;
	struct arn_listener *listener;
	struct loop_wake *wake;
	struct loop_timer *beat;
	const struct snapshot *snapshot;
	uint64_t told; /* the version that requests that wait were last tried with */
	_Atomic ns_t turned;
	struct {
		pthread_mutex_t lock;
		bool end, limits;
		struct arn_listener_conf conf; /* valid with `limits` */
	} order;
};

struct crew {
	struct crew_conf conf;
	struct board *board;
	struct mailbox *reports;
	crew_report_cb *cb;
	void *arg;
	int n;
	struct hand hand[];
};

int crew_size(int64_t workers, int64_t connections)
{
	int64_t n = workers;
	cpu_set_t set;

	if (!n)
		n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	if (n > connections)
		n = connections;
	return n > CREW_MAX ? CREW_MAX : (int)n;
}

/* ---- in the crew's threads ---- */

static const struct snapshot *newest(void *arg)
{
	struct hand *h = arg;

	return board_read(h->crew->board, &h->snapshot);
}

/* Reports that do not fit are counted (mailbox_lost). */
static bool on_want(void *arg, const struct want *w, bool waits)
{
	const struct hand *h = arg;
	struct report r = {.kind = REPORT_WANT, .want = *w};

	(void)waits;
	return mailbox_post(h->crew->reports, &r);
}

static void on_accuse(
	void *arg, const char *node, enum text_proto service, const struct addr *client)
{
	const struct hand *h = arg;
	struct report r = {
		.kind = REPORT_ACCUSE, .accuse = {.service = service, .client = *client}};

	snprintf(r.accuse.node, sizeof(r.accuse.node), "%s", node);
	mailbox_post(h->crew->reports, &r);
}

static void on_beat(void *arg)
{
	struct hand *h = arg;
	ns_t now = loop_now(h->loop);

	atomic_store_explicit(&h->turned, now, memory_order_relaxed);
	loop_timer_at(h->beat, now + h->crew->conf.beat);
}

static void on_wake(void *arg)
{
	struct hand *h = arg;

	pthread_mutex_lock(&h->order.lock);
	if (h->order.end)
		loop_stop(h->loop);
	if (h->order.limits)
		arn_listener_set_limits(h->listener, &h->order.conf);
	h->order.limits = false;
	pthread_mutex_unlock(&h->order.lock);
	/* A thread without clients holds no old one either. And one that has it already, since a client
	 * asked before it was woken, has not tried with it those who wait. */
	if (newest(h)->version != h->told) {
		h->told = h->snapshot->version;
		arn_listener_published(h->listener);
	}
}

static void *run(void *arg)
{
	struct hand *h = arg;

	on_beat(h);
	loop_run(h->loop);
	return NULL;
}

/* ---- in the control thread ---- */

static struct arn_listener_conf share_of(
	const struct crew *c, const struct arn_listener_conf *all, int i)
{
	struct arn_listener_conf mine = *all;

	mine.connections = all->connections / c->n + (i < all->connections % c->n);
	if (mine.connections < 1)
		mine.connections = 1;
	return mine;
}

static int open_hand(struct crew *c, int i, uint16_t *failed)
{
	static const struct arn_listener_ops ops = {newest, on_want, on_accuse};
	struct hand *h = &c->hand[i];
	struct arn_listener_conf conf = share_of(c, &c->conf.listener, i);
	int err;

	h->crew = c;
	pthread_mutex_init(&h->order.lock, NULL);
	h->loop = loop_new();
	if (!h->loop)
		return -ENOMEM;
	h->wake = loop_wake_new(h->loop, on_wake, h);
	h->beat = loop_timer_new(h->loop, on_beat, h);
	if (!h->wake || !h->beat)
		return -ENOMEM;
	h->turned = loop_now(h->loop);
	h->listener = arn_listener_new(
		h->loop, &conf, i ? c->hand[0].listener : NULL, &ops, h, &err, failed);
	return err;
}

/* Signals are the control thread's. */
static int start_hands(struct crew *c)
{
	sigset_t all, before;
	char name[32];
	int err = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (int i = 0; i < c->n && !err; i++) {
		err = -pthread_create(&c->hand[i].thread, NULL, run, &c->hand[i]);
		c->hand[i].running = !err;
		snprintf(name, sizeof(name), "arn-crew-%d", i);
		if (!err)
			pthread_setname_np(c->hand[i].thread, name);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static void on_report(void *arg, const void *message)
{
	struct crew *c = arg;

	c->cb(c->arg, message);
}

struct crew *crew_new(struct loop *l, const struct crew_conf *conf, crew_report_cb *cb, void *arg,
	int *err, uint16_t *failed)
{
	struct crew *c = calloc(1, sizeof(*c) + (size_t)conf->threads * sizeof(c->hand[0]));

	*err = -ENOMEM;
	*failed = 0;
	if (!c)
		return NULL;
	c->conf = *conf;
	c->cb = cb;
	c->arg = arg;
	c->board = board_new();
	c->reports = mailbox_new(l, sizeof(struct report), REPORTS_ROOM, on_report, c);
	if (c->board && c->reports)
		*err = 0;
	c->n = *err ? 0 : conf->threads;
	for (int i = 0; i < c->n && !*err; i++)
		*err = open_hand(c, i, failed);
	if (!*err)
		*err = start_hands(c);
	if (!*err)
		return c;
	crew_free(c);
	return NULL;
}

static void order(struct hand *h, const struct arn_listener_conf *limits)
{
	pthread_mutex_lock(&h->order.lock);
	if (limits) {
		h->order.limits = true;
		h->order.conf = *limits;
	} else {
		h->order.end = true;
	}
	pthread_mutex_unlock(&h->order.lock);
	loop_wake(h->wake);
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	for (int i = 0; i < c->n; i++)
		if (c->hand[i].running)
			order(&c->hand[i], NULL);
	for (int i = 0; i < c->n; i++) {
		struct hand *h = &c->hand[i];

		if (h->running)
			pthread_join(h->thread, NULL);
		arn_listener_free(h->listener);
		loop_wake_free(h->wake);
		loop_timer_free(h->beat);
		loop_free(h->loop);
		snapshot_unref(h->snapshot);
		if (h->crew)
			pthread_mutex_destroy(&h->order.lock);
	}
	mailbox_free(c->reports);
	board_free(c->board);
	free(c);
}

void crew_publish(struct crew *c, const struct snapshot *s)
{
	board_post(c->board, s);
	for (int i = 0; i < c->n; i++)
		loop_wake(c->hand[i].wake);
}

void crew_set_limits(struct crew *c, const struct arn_listener_conf *all)
{
	for (int i = 0; i < c->n; i++) {
		struct arn_listener_conf conf = share_of(c, all, i);

		order(&c->hand[i], &conf);
	}
}

int crew_threads(const struct crew *c)
{
	return c->n;
}

ns_t crew_vouched(const struct crew *c, int *who)
{
	ns_t earliest = NS_NEVER;

	for (int i = 0; i < c->n; i++) {
		ns_t turned = atomic_load_explicit(&c->hand[i].turned, memory_order_relaxed);

		if (turned < earliest) {
			earliest = turned;
			*who = i;
		}
	}
	return earliest;
}

uint64_t crew_count(const struct crew *c, size_t offset)
{
	uint64_t sum = 0;

	for (int i = 0; i < c->n; i++) {
		const char *base = (const char *)arn_listener_counters(c->hand[i].listener);
		const _Atomic uint64_t *counter = (const _Atomic uint64_t *)(base + offset);

		sum += atomic_load_explicit(counter, memory_order_relaxed);
	}
	return sum;
}

int crew_connections(const struct crew *c)
{
	int sum = 0;

	for (int i = 0; i < c->n; i++)
		sum += arn_listener_connections(c->hand[i].listener);
	return sum;
}

uint32_t crew_busy(const struct crew *c)
{
	uint32_t sum = 0;

	for (int i = 0; i < c->n; i++)
		sum += arn_listener_busy(c->hand[i].listener);
	return sum;
}

uint64_t crew_reports_lost(const struct crew *c)
{
	return mailbox_lost(c->reports);
}
