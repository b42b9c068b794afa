/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/direct_reader.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"

#define PACE_S 1

struct direct_reader {
	direct_reader_cb *cb;
	void *arg;
	struct loop_wake *wake;
	pthread_t thread;
	bool running; /* it was started */
	pthread_mutex_t lock;
	pthread_cond_t poked;
	/* Between the threads, under the lock: */
	bool end, changed; /* changed: `conf` is new */
	struct direct_conf conf;
	bool news; /* `fresh` waits for the loop to take it */
	const struct direct *fresh;
	int left_out;
	char why[128]; /* "": the directory can be read */
	/* The thread's own: */
	bool loaded;
	uint64_t fingerprint; /* of what was loaded */
};

/* ---- the thread ---- */

static void hand_over(struct direct_reader *r, const struct direct *d, int left_out)
{
	pthread_mutex_lock(&r->lock);
	direct_unref(r->fresh);
	r->fresh = d;
	r->news = true;
	r->left_out = left_out;
	r->why[0] = '\0';
	pthread_mutex_unlock(&r->lock);
	loop_wake(r->wake);
}

/* Each trouble is logged once, and so is its end. */
static void complain(struct direct_reader *r, const struct direct_conf *c, const char *why)
{
	if (*why && strcmp(r->why, why))
		log_msg(NLOG_CONF, "direct: %s: %s; the objects stay as they were", c->directory,
			why);
	if (!*why && *r->why)
		log_msg(NLOG_INFO, "direct: %s can be read again", c->directory);
	pthread_mutex_lock(&r->lock);
	snprintf(r->why, sizeof(r->why), "%s", why);
	pthread_mutex_unlock(&r->lock);
}

static void load(struct direct_reader *r, const struct direct_conf *c)
{
	uint64_t during, after;
	struct direct *d;
	char why[128] = "";
	int left_out;

	d = direct_load(c, &during, &left_out, why);
	if (!d || direct_look(c, &after, why) < 0)
		complain(r, c, why);
	else if (during != after)
		r->loaded = false; /* it is being written to: at the next turn, perhaps not */
	else {
		r->loaded = true;
		r->fingerprint = during;
		log_msg(NLOG_INFO, "direct: %d objects, %zu bytes, from %s", direct_objects(d),
			direct_bytes(d), c->directory);
		hand_over(r, d, left_out);
		return;
	}
	direct_unref(d);
}

static void look(struct direct_reader *r, const struct direct_conf *c)
{
	char why[128] = "";
	uint64_t now;

	if (!*c->directory) {
		if (!r->loaded)
			hand_over(r, NULL, 0);
		r->loaded = true;
		return;
	}
	if (direct_look(c, &now, why) < 0) {
		complain(r, c, why);
		return;
	}
	complain(r, c, "");
	if (!r->loaded || now != r->fingerprint)
		load(r, c);
}

static void *run(void *arg)
{
	struct direct_reader *r = arg;
	struct direct_conf c;

	pthread_mutex_lock(&r->lock);
	while (!r->end) {
		struct timespec until;

		if (r->changed)
			r->loaded = false;
		r->changed = false;
		c = r->conf;
		pthread_mutex_unlock(&r->lock);
		look(r, &c);
		pthread_mutex_lock(&r->lock);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += PACE_S;
		while (!r->end && !r->changed)
			if ((*r->conf.directory
					    ? pthread_cond_timedwait(&r->poked, &r->lock, &until)
					    : pthread_cond_wait(&r->poked, &r->lock)) == ETIMEDOUT)
				break;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- the loop's side ---- */

static void on_wake(void *arg)
{
	struct direct_reader *r = arg;
	const struct direct *d;
	bool news;

	pthread_mutex_lock(&r->lock);
	d = r->fresh;
	news = r->news;
	r->fresh = NULL;
	r->news = false;
	pthread_mutex_unlock(&r->lock);
	if (news)
		r->cb(r->arg, d);
	direct_unref(d);
}

static int start(struct direct_reader *r)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	r->running = !err;
	if (!err)
		pthread_setname_np(r->thread, "arn-direct");
	return err;
}

struct direct_reader *direct_reader_new(
	struct loop *l, const struct direct_conf *c, direct_reader_cb *cb, void *arg, int *err)
{
	struct direct_reader *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	*err = -ENOMEM;
	if (!r)
		return NULL;
	r->cb = cb;
	r->arg = arg;
	r->conf = *c;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->poked, &attr);
	pthread_condattr_destroy(&attr);
	r->wake = loop_wake_new(l, on_wake, r);
	if (r->wake)
		*err = start(r);
	if (*err) {
		direct_reader_free(r);
		return NULL;
	}
	return r;
}

static void poke(struct direct_reader *r, const struct direct_conf *c)
{
	pthread_mutex_lock(&r->lock);
	if (c) {
		r->conf = *c;
		r->changed = true;
	} else {
		r->end = true;
	}
	pthread_cond_signal(&r->poked);
	pthread_mutex_unlock(&r->lock);
}

void direct_reader_set_conf(struct direct_reader *r, const struct direct_conf *c)
{
	poke(r, c);
}

int direct_reader_trouble(struct direct_reader *r, char why[128])
{
	int n;

	pthread_mutex_lock(&r->lock);
	memcpy(why, r->why, sizeof(r->why));
	n = r->left_out;
	pthread_mutex_unlock(&r->lock);
	return n;
}

void direct_reader_free(struct direct_reader *r)
{
	if (!r)
		return;
	poke(r, NULL);
	if (r->running)
		pthread_join(r->thread, NULL);
	loop_wake_free(r->wake);
	direct_unref(r->fresh);
	pthread_cond_destroy(&r->poked);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
