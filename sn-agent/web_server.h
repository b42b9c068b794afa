/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's web server as a process: an nginx of the agent's own, with its own folder, which knows
 * nothing of one that the system runs.
 *
 *	a port, another origin or configuration ──> text (web_conf.h) ──> nginx -t ──> SIGHUP
 *	       what comes meanwhile waits for the next round               │           │
 *	       the new ports are refused, what runs goes on as before <────┘ no        │
 *	       the new ports are there when somebody can connect <─────────────────────┘
 *
 * A round takes some 15 ms, for one port or for many; nginx, which sleeps for 100 ms after it has
 * taken something over, takes the next one after that. It keeps its connections through it. When it
 * ends, it is started again, after ever longer pauses, with all that it had.
 */
#ifndef NEARCAST_SN_WEB_SERVER_H
#define NEARCAST_SN_WEB_SERVER_H

#include "lib/loop.h"
#include "sn-agent/ports.h"
#include "sn-agent/web_conf.h"

struct web_server_counters {
	uint64_t starts;
	uint64_t reloads;
	uint64_t rejected; /* configurations that nginx refused */
};

struct web_server_ops {
	/* A port of web_server_open() is there, or, with negative errno, is not and will not be. */
	void (*opened)(void *arg, struct port *p, int err);
	void (*ended)(void *arg); /* all that nginx had is gone; it will be started again */
};

struct web_server;
/* nginx: path of the program. NULL with *err: the folder cannot be used (-EBUSY: by another agent). */
struct web_server *web_server_new(struct loop *l, const char *nginx, const char *folder,
	const struct web_server_ops *ops, void *arg, int *err);
void web_server_free(struct web_server *s); /* its nginx ends at once */
/* Starts it, or has it take over another configuration. The folder stays the same. */
void web_server_set_conf(
	struct web_server *s, const struct web_conf *c, const struct web_inside *in);

/* Is to listen at a port; opened() says when. 0, or negative errno: it cannot. p->door is ours. */
int web_server_open(struct web_server *s, struct port *p);
void web_server_moved(struct web_server *s, struct port *p); /* maybe: its state is looked at */
void web_server_close(struct web_server *s, struct port *p); /* opened() is not called any more */

void web_server_restart(struct web_server *s); /* it does not answer: kills it, to begin anew */
void web_server_quit(struct web_server *s);    /* for good: what is under way is finished first */
bool web_server_runs(const struct web_server *s);
int web_server_pid(const struct web_server *s); /* 0: it does not run */
const struct web_server_counters *web_server_counters(const struct web_server *s);

#endif
