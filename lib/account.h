/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accounting (rows E4, G4): who had what, from when, for how long, how much, from which nodes.
 *
 * A session may move between nodes, and a node may die at any moment. So no node writes a session's
 * record. Each writes what it knows for itself, a *part*: one stay of a session at this node, from
 * its beginning on, brought up to date every few seconds. Parts of one session have its identity
 * in common, which the session has by its token (lib/token.h). The record is a view of the parts:
 *
 *	parts of sn806:  9f3c… 12:00:00–12:03:10  node died ┐
 *	parts of sn810:  9f3c… 12:03:10–12:30:00  teardown  ┴─> 9f3c…  1800 s  sn806 sn810  teardown
 *
 * A part is known by its node and number, and only grows. Of two versions the one that was seen
 * later is the truth, so databases can be put together in any order, any number of times: each
 * session is in the result once. Where two nodes served it at the same time (a false alarm), the
 * time counts once.
 *
 * The database is SQLite's: parts are a table, sessions are a view, and both are for everybody to
 * query. docs/protocol/access.md lists the columns. account_db.c alone includes sqlite3.h.
 */
#ifndef NEARCAST_ACCOUNT_H
#define NEARCAST_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/wire.h"

#define ACCOUNT_ID      17 /* 16 hexadecimal digits and the NUL */
#define ACCOUNT_USER    64
#define ACCOUNT_CHANNEL 528 /* origin and path */
#define ACCOUNT_WORD    32
#define ACCOUNT_ERR     256

#define ACCOUNT_DIED "node died" /* the reason of parts that a node finds open when it starts */

struct account_sum {
	uint64_t packets, bytes, dropped, repaired;
};

struct account_part {
	uint64_t id;               /* of this stay, never used again at this node */
	char identity[ACCOUNT_ID]; /* of the session, across nodes */
	char role[ACCOUNT_WORD];   /* "player", "publisher", "node" */
	char user[ACCOUNT_USER];   /* as authenticated, "" */
	char client[ADDR_STRLEN];  /* its address */
	char channel[ACCOUNT_CHANNEL];
	char transport[ACCOUNT_WORD];
	bool resumed;        /* it asked for what another node owed it */
	int64_t begin, seen; /* ms since 1970; seen: when the numbers below were so */
	struct account_sum count;
	char reason[ACCOUNT_WORD]; /* of its end; "": it goes on */
};

/* All parts of a session. */
struct account_session {
	const char *identity, *role, *user, *client, *channel, *nodes,
		*reason;    /* reason NULL: it goes on */
	int64_t begin, end; /* ms since 1970; end: as far as is known */
	double seconds;
	int64_t packets, bytes, dropped, repaired, parts;
};

struct account_db;
/* Opens it; `make` makes it if it is not there, and lets it be written to. ":memory:" is one of our
 * own that nobody else sees. NULL with the reason in err. */
struct account_db *account_db_open(const char *path, bool make, char err[ACCOUNT_ERR]);
void account_db_close(struct account_db *db);

/* All of them return 0, or -EAGAIN (somebody holds it locked), -ENOSPC or -EIO with the reason in err;
 * nothing has changed then. They block. */

/* Writes parts of a node, all or none. An older version of a part changes nothing. */
int account_db_put(struct account_db *db, const char *node, const struct account_part *p, int n,
	char err[ACCOUNT_ERR]);
/* The parts of a node that go on end, since that node has just started: ACCOUNT_DIED. */
int account_db_died(struct account_db *db, const char *node, char err[ACCOUNT_ERR]);
/* Forgets parts that ended before that moment (ms since 1970). */
int account_db_prune(struct account_db *db, int64_t before, char err[ACCOUNT_ERR]);
/* Takes over what another one has. */
int account_db_merge(struct account_db *db, const char *from, char err[ACCOUNT_ERR]);

/* Each session once, by its beginning; what s points to holds during the call. */
typedef void account_session_cb(void *arg, const struct account_session *s);
int account_db_sessions(
	struct account_db *db, account_session_cb *cb, void *arg, char err[ACCOUNT_ERR]);

#endif
