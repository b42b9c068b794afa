/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop, on libuv. Each object wraps one uv handle and is its own memory: *_free marks it
 * dead and asks libuv to close it; the memory goes in libuv's close callback, which runs after the
 * callbacks of this turn. So an object may be freed in any callback, its own included.
 */
#include "lib/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <uv.h>

struct loop {
	uv_loop_t uv;
};

struct loop_timer {
	uv_timer_t uv;
	loop_timer_cb *cb;
	void *arg;
	ns_t when;
	bool dead;
};

struct loop_fd {
	uv_poll_t uv;
	loop_fd_cb *cb;
	void *arg;
	int want;
	bool dead;
};

struct loop_signal {
	uv_signal_t uv;
	loop_signal_cb *cb;
	void *arg;
	bool dead;
};

struct loop_wake {
	uv_async_t uv;
	loop_wake_cb *cb;
	void *arg;
	bool dead;
};

struct loop_turn {
	uv_prepare_t uv;
	loop_turn_cb *cb;
	void *arg;
	bool dead;
};

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l && uv_loop_init(&l->uv) < 0) {
		free(l);
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	/* Closing takes one turn for most handles, two for signals. */
	for (int i = 0; i < 4; i++)
		uv_run(&l->uv, UV_RUN_NOWAIT);
	if (uv_loop_close(&l->uv) < 0)
		assert(!"loop_free: an object of the loop was not freed");
	free(l);
}

void loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

ns_t loop_now(struct loop *l)
{
	(void)l;
	return clock_now();
}

static void free_handle(uv_handle_t *h)
{
	free(h->data);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_cb *cb, void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	uv_timer_init(&l->uv, &t->uv);
	t->uv.data = t;
	t->cb = cb;
	t->arg = arg;
	t->when = NS_NEVER;
	return t;
}

static void on_timer(uv_timer_t *h)
{
	struct loop_timer *t = h->data;
	ns_t when = t->when;

	if (t->dead)
		return;
	if (clock_now() < when) { /* libuv's clock is coarse; we promise never to be early */
		loop_timer_at(t, when);
		return;
	}
	t->when = NS_NEVER;
	t->cb(t->arg);
}

void loop_timer_at(struct loop_timer *t, ns_t when)
{
	uint64_t due, base;

	t->when = when;
	if (when == NS_NEVER) {
		uv_timer_stop(&t->uv);
		return;
	}
	/* libuv counts in whole milliseconds of the same clock, rounded down, and remembers the
	 * time of the turn's begin: so aim at an absolute time, rounded up. */
	uv_update_time(t->uv.loop);
	base = uv_now(t->uv.loop);
	due = when <= 0 ? 0 : (uint64_t)when / NS_MS + (when % NS_MS != 0);
	uv_timer_start(&t->uv, on_timer, due > base ? due - base : 0, 0);
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	t->dead = true;
	uv_close((uv_handle_t *)&t->uv, free_handle);
}

static int to_uv(int events)
{
	return (events & LOOP_READ ? UV_READABLE : 0) | (events & LOOP_WRITE ? UV_WRITABLE : 0);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct loop_fd *w = h->data;
	int ready =
		(events & UV_READABLE ? LOOP_READ : 0) | (events & UV_WRITABLE ? LOOP_WRITE : 0);

	if (w->dead)
		return;
	if (status < 0) {
		/* An error on the descriptor (an ICMP error on a UDP socket, a reset): libuv has
		 * stopped watching. The owner shall find it by reading, and goes on if it likes. */
		ready = LOOP_READ | LOOP_WRITE;
		uv_poll_start(h, to_uv(w->want), on_poll);
	}
	w->cb(w->arg, ready);
}

struct loop_fd *loop_fd_new(struct loop *l, int fd, loop_fd_cb *cb, void *arg)
{
	struct loop_fd *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	if (uv_poll_init(&l->uv, &w->uv, fd) < 0) {
		free(w);
		return NULL;
	}
	w->uv.data = w;
	w->cb = cb;
	w->arg = arg;
	return w;
}

int loop_fd_want(struct loop_fd *w, int events)
{
	if (w->dead)
		return -EINVAL;
	if (w->want == events)
		return 0;
	w->want = events;
	return events ? uv_poll_start(&w->uv, to_uv(events), on_poll) : uv_poll_stop(&w->uv);
}

void loop_fd_free(struct loop_fd *w)
{
	if (!w)
		return;
	w->dead = true;
	uv_close((uv_handle_t *)&w->uv, free_handle);
}

static void on_signal(uv_signal_t *h, int signo)
{
	struct loop_signal *s = h->data;

	if (!s->dead)
		s->cb(s->arg, signo);
}

struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_signal_cb *cb, void *arg)
{
	struct loop_signal *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (uv_signal_init(&l->uv, &s->uv) < 0) {
		free(s);
		return NULL;
	}
	s->uv.data = s;
	s->cb = cb;
	s->arg = arg;
	if (uv_signal_start(&s->uv, on_signal, signo) < 0) {
		loop_signal_free(s);
		return NULL;
	}
	return s;
}

void loop_signal_free(struct loop_signal *s)
{
	if (!s)
		return;
	s->dead = true;
	uv_close((uv_handle_t *)&s->uv, free_handle);
}

static void on_async(uv_async_t *h)
{
	struct loop_wake *w = h->data;

	if (!w->dead)
		w->cb(w->arg);
}

struct loop_wake *loop_wake_new(struct loop *l, loop_wake_cb *cb, void *arg)
{
	struct loop_wake *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	if (uv_async_init(&l->uv, &w->uv, on_async) < 0) {
		free(w);
		return NULL;
	}
	w->uv.data = w;
	w->cb = cb;
	w->arg = arg;
	return w;
}

void loop_wake(struct loop_wake *w)
{
	uv_async_send(&w->uv);
}

void loop_wake_free(struct loop_wake *w)
{
	if (!w)
		return;
	w->dead = true;
	uv_close((uv_handle_t *)&w->uv, free_handle);
}

static void on_prepare(uv_prepare_t *h)
{
	struct loop_turn *t = h->data;

	if (!t->dead)
		t->cb(t->arg);
}

struct loop_turn *loop_turn_new(struct loop *l, loop_turn_cb *cb, void *arg)
{
	struct loop_turn *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	uv_prepare_init(&l->uv, &t->uv);
	t->uv.data = t;
	t->cb = cb;
	t->arg = arg;
	uv_prepare_start(&t->uv, on_prepare);
	return t;
}

void loop_turn_free(struct loop_turn *t)
{
	if (!t)
		return;
	t->dead = true;
	uv_close((uv_handle_t *)&t->uv, free_handle);
}
