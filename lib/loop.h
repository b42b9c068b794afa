/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop, on libuv (loop.c alone includes it). Watchers and timers are freed with their
 * *_free, also from within any callback; the memory lives until the loop can let go of it. A
 * freed object's callback is never called again. *_free(NULL) does nothing. A loop and all that is
 * on it belong to one thread; from other threads come only loop_wake() and, on top of it,
 * lib/mailbox.h.
 */
#ifndef NEARCAST_LOOP_H
#define NEARCAST_LOOP_H

#include <stdbool.h>

#include "lib/clock.h"

struct loop;
struct loop_timer;
struct loop_fd;
struct loop_signal;
struct loop_wake;
struct loop_turn;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop *loop_new(void);    /* NULL without memory */
void loop_free(struct loop *l); /* runs pending closes; all objects must have been freed */
void loop_run(struct loop *l);  /* until loop_stop */
void loop_stop(struct loop *l);
ns_t loop_now(struct loop *l); /* a fresh clock_now(), for timers' sake in one place */

typedef void loop_timer_cb(void *arg);
struct loop_timer *loop_timer_new(struct loop *l, loop_timer_cb *cb, void *arg);
/* One shot at the absolute time `when` (NS_NEVER: stop). Never early; up to 1 ms late. */
void loop_timer_at(struct loop_timer *t, ns_t when);
void loop_timer_free(struct loop_timer *t);

/* events: LOOP_READ|LOOP_WRITE that are ready; errors and hang-ups show as both. */
typedef void loop_fd_cb(void *arg, int events);
/* Watches fd (non-blocking, the caller's; free the watcher before you close it). */
struct loop_fd *loop_fd_new(struct loop *l, int fd, loop_fd_cb *cb, void *arg);
int loop_fd_want(struct loop_fd *w, int events); /* 0: nothing for now; negative errno */
void loop_fd_free(struct loop_fd *w);

typedef void loop_signal_cb(void *arg, int signo);
struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_signal_cb *cb, void *arg);
void loop_signal_free(struct loop_signal *s);

typedef void loop_wake_cb(void *arg);
/* Calls cb from the loop some time after loop_wake(), once for all calls until then. */
struct loop_wake *loop_wake_new(struct loop *l, loop_wake_cb *cb, void *arg);
void loop_wake(struct loop_wake *w); /* the one function here that any thread may call */
void loop_wake_free(struct loop_wake *w);

typedef void loop_turn_cb(void *arg);
/* Calls cb at the end of every turn, before the loop waits for what is next. */
struct loop_turn *loop_turn_new(struct loop *l, loop_turn_cb *cb, void *arg);
void loop_turn_free(struct loop_turn *t);

#endif
