/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/ledger.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "sn-agent/unwritten.h"

#define BATCH   256           /* parts of one transaction */
#define RETRY   NS_S          /* after a failure */
#define PRUNE   (3600 * NS_S) /* between two looks for old parts */
#define GOODBYE (2 * NS_S)    /* for what still waits at the end */
#define DAY_MS  86400000ll

struct ledger {
	pthread_t thread;
	bool running; /* it was started */
	pthread_mutex_t lock;
	pthread_cond_t poked;
	/* Between the threads, under the lock: */
	bool end, reopen;
	ns_t end_by;
	struct ledger_conf conf;
	struct unwritten *unwritten;
	struct ledger_state state; /* `waiting` apart */
	/* The thread's own: */
	struct account_db *db;
	bool opened; /* once, ever */
	ns_t prune_at;
	struct account_part batch[BATCH];
};

/* ---- the thread ---- */

static void close_db(struct ledger *l)
{
	account_db_close(l->db);
	l->db = NULL;
}

/* Opens the database unless it is open. What a life before left open ends, once: what is open later
 * is ours. */
static int open_db(struct ledger *l, const struct ledger_conf *c, char err[ACCOUNT_ERR])
{
	int r;

	if (l->db)
		return 0;
	l->db = account_db_open(c->database, true, err);
	if (!l->db)
		return -EIO;
	if (l->opened)
		return 0;
	r = account_db_died(l->db, c->node, err);
	if (r)
		close_db(l);
	else
		l->opened = true;
	return r;
}

static int prune(struct ledger *l, const struct ledger_conf *c, char err[ACCOUNT_ERR])
{
	ns_t now = clock_now();
	int r = 0;

	if (!c->keep_days || now < l->prune_at)
		return 0;
	r = account_db_prune(l->db, clock_wall() / NS_MS - c->keep_days * DAY_MS, err);
	if (!r)
		l->prune_at = now + PRUNE;
	return r;
}

static int write_batch(struct ledger *l, const struct ledger_conf *c, int n, char err[ACCOUNT_ERR])
{
	int r = open_db(l, c, err);

	if (!r && n)
		r = account_db_put(l->db, c->node, l->batch, n, err);
	if (!r)
		r = prune(l, c, err);
	/* Who is not locked out only may have lost the file under his feet. */
	if (r && r != -EAGAIN)
		close_db(l);
	return r;
}

/* Each trouble is logged once, and so is its end. Under the lock. */
static void note_trouble(struct ledger *l, const char *why)
{
	if (*why && strcmp(l->state.trouble, why))
		log_msg(NLOG_ERROR, "accounting: %s: %s; it is tried again, sessions go on",
			l->conf.database, why);
	if (!*why && *l->state.trouble)
		log_msg(NLOG_INFO, "accounting: %s can be written again", l->conf.database);
	snprintf(l->state.trouble, sizeof(l->state.trouble), "%s", why);
}

/* Waits to be poked, until the moment at most. Under the lock. False: the time is over. */
static bool wait_until(struct ledger *l, ns_t when)
{
	struct timespec until = {.tv_sec = when / NS_S, .tv_nsec = when % NS_S};

	return pthread_cond_timedwait(&l->poked, &l->lock, &until) != ETIMEDOUT;
}

/* A transaction. Under the lock, which is let go of meanwhile. */
static void work(struct ledger *l)
{
	int n = unwritten_take(l->unwritten, l->batch, BATCH), r;
	struct ledger_conf c = l->conf;
	char err[ACCOUNT_ERR] = "";
	bool reopen = l->reopen;
	ns_t again;

	l->reopen = false;
	pthread_mutex_unlock(&l->lock);
	if (reopen)
		close_db(l);
	r = write_batch(l, &c, n, err);
	pthread_mutex_lock(&l->lock);
	note_trouble(l, r ? err : "");
	if (!r) {
		unwritten_done(l->unwritten, l->batch, n);
		l->state.written += (uint64_t)n;
		return;
	}
	l->state.failures++;
	again = clock_now() + RETRY;
	if (l->end && again > l->end_by)
		again = l->end_by;
	while (!l->reopen && wait_until(l, again) && !l->end)
		;
}

static void *run(void *arg)
{
	struct ledger *l = arg;

	pthread_mutex_lock(&l->lock);
	work(l); /* opens it */
	while (!l->end || (unwritten_count(l->unwritten) && clock_now() < l->end_by)) {
		if (unwritten_count(l->unwritten) || l->reopen ||
			!wait_until(l, clock_now() + PRUNE))
			work(l);
	}
	pthread_mutex_unlock(&l->lock);
	close_db(l);
	return NULL;
}

/* ---- the loop's side ---- */

static int start(struct ledger *l)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&l->thread, NULL, run, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	l->running = !err;
	if (!err)
		pthread_setname_np(l->thread, "sn-ledger");
	return err;
}

struct ledger *ledger_new(const struct ledger_conf *c, int *err)
{
	struct ledger *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;

	*err = -ENOMEM;
	if (!l)
		return NULL;
	l->conf = *c;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->poked, &attr);
	pthread_condattr_destroy(&attr);
	l->unwritten = unwritten_new(LEDGER_WAITING);
	if (l->unwritten)
		*err = start(l);
	if (*err) {
		ledger_free(l);
		return NULL;
	}
	return l;
}

void ledger_set_conf(struct ledger *l, const struct ledger_conf *c)
{
	pthread_mutex_lock(&l->lock);
	l->conf = *c;
	l->reopen = true;
	pthread_cond_signal(&l->poked);
	pthread_mutex_unlock(&l->lock);
}

void ledger_put(struct ledger *l, const struct account_part *p)
{
	static struct log_limit limit = LOG_LIMIT_INIT;
	bool lost;

	pthread_mutex_lock(&l->lock);
	/* A part that goes on comes again. */
	lost = !unwritten_put(l->unwritten, p) && p->reason[0];
	l->state.lost += lost;
	pthread_cond_signal(&l->poked);
	pthread_mutex_unlock(&l->lock);
	if (lost)
		log_limited(&limit, NLOG_ERROR, "accounting: no room for session %s: it is lost",
			p->identity);
}

void ledger_state(struct ledger *l, struct ledger_state *out)
{
	memset(out, 0, sizeof(*out));
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	*out = l->state;
	out->waiting = unwritten_count(l->unwritten);
	pthread_mutex_unlock(&l->lock);
}

void ledger_free(struct ledger *l)
{
	int left;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->end = true;
	l->end_by = clock_now() + GOODBYE;
	pthread_cond_signal(&l->poked);
	pthread_mutex_unlock(&l->lock);
	if (l->running)
		pthread_join(l->thread, NULL);
	left = l->unwritten ? unwritten_count(l->unwritten) : 0;
	if (left)
		log_msg(NLOG_ERROR, "accounting: %d parts of sessions could not be written", left);
	unwritten_free(l->unwritten);
	pthread_cond_destroy(&l->poked);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
