/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket. A request is a line ("show nodes"); the reply is one line: a numeric code,
 * a blank, a JSON body: "200 {…}". Codes: 200 done; 400 not understood; 404 no such thing;
 * 409 not in this state; 500 failed. A daemon gives a table of commands. The body of an error has
 * a member "error" that says in words what is wrong; ctl puts a general one when the command did
 * not.
 */
#ifndef NEARCAST_CTL_H
#define NEARCAST_CTL_H

#include "lib/json.h"
#include "lib/loop.h"
#include "lib/slice.h"

enum ctl_code {
	CTL_OK = 200,
	CTL_BAD = 400,
	CTL_NOT_FOUND = 404,
	CTL_CONFLICT = 409,
	CTL_FAILED = 500
};

struct ctl_command {
	const char *words; /* "show nodes", "explain" */
	const char *args;  /* "URL [CLIENT]", for help; NULL: none taken */
	const char *help;
	/* args: what follows the words, trimmed. Puts its answer into `body` (an object). */
	enum ctl_code (*run)(void *ctx, struct slice args, struct js *body);
};

struct ctl;
/* Commands are borrowed; "help" is built in. The socket's folder is made if it is missing, but none
 * above it. *err says why it is NULL. */
struct ctl *ctl_new(struct loop *l, const char *path, const struct ctl_command *cmd, int n,
	void *ctx, int *err);
void ctl_free(struct ctl *c); /* removes the socket */

/* What ctl does with one request line, without a socket: for tests. The reply line (free() it). */
char *ctl_dispatch(const struct ctl_command *cmd, int n, void *ctx, struct slice line);

/* The client's side, blocking, for nearctl: the code, *body parsed, or negative errno. */
int ctl_call(const char *path, const char *line, struct js **body, char err[160]);

#endif
