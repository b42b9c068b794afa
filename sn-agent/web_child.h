/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that the agent runs beside itself, and that never outlives it: the kernel ends it when
 * the agent's process ends, however that happens. It is the leader of a process group, so what it
 * has started itself can be ended together with it, also when it was killed and could not do that.
 */
#ifndef NEARCAST_SN_WEB_CHILD_H
#define NEARCAST_SN_WEB_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/loop.h"

#define WEB_CHILD_NO_EXEC 127 /* exit status: there is no such program */

/* It has ended: status as of waitpid(). What was left of its group has been killed. */
typedef void web_child_cb(void *arg, int status);

struct web_child;
/* Runs argv[0] (a path; NULL-ended), with the agent's standard output and error. NULL with *err. cb
 * is never called from within. */
struct web_child *web_child_new(
	struct loop *l, const char *const *argv, web_child_cb *cb, void *arg, int *err);
void web_child_free(
	struct web_child *c); /* ends it at once, with SIGTERM first; NULL does nothing */
void web_child_signal(struct web_child *c, int signo); /* to the leader alone */
pid_t web_child_pid(const struct web_child *c);

#endif
