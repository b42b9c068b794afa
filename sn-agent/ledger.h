/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's ledger: what the loop notes of sessions, a thread of its own writes into the database
 * (lib/account.h). So media never wait for a disk. A database that is locked, full or not there
 * yet is tried again every second; until then parts wait in memory (unwritten.h).
 *
 * A part is written as soon as it begins, and again whenever it is put: a node that is killed loses
 * what its sessions did since the last time, never a session. When the ledger is opened for the
 * first time, what the node's last life has left open ends: "node died".
 *
 * It does not know RTSP: whatever serves something can put parts, numbered as it likes as long as no
 * number comes twice.
 */
#ifndef NEARCAST_SN_LEDGER_H
#define NEARCAST_SN_LEDGER_H

#include "lib/account.h"

#define LEDGER_WAITING 16384 /* parts in memory at most, of about 1 KB each */

struct ledger_conf {
	char database[256];
	char node[ANNOUNCE_ID_LEN];
	int64_t keep_days; /* parts that ended before are forgotten; 0: none */
};

struct ledger_state {
	int waiting;
	uint64_t written, failures, lost;
	char trouble[ACCOUNT_ERR]; /* "": it can be written */
};

struct ledger;
/* *err says why it returned NULL. That the database cannot be opened is no reason. */
struct ledger *ledger_new(const struct ledger_conf *c, int *err);
/* Other days; and the database is opened anew, as its file may have been moved away. */
void ledger_set_conf(struct ledger *l, const struct ledger_conf *c);
/* Writes what waits, if that is possible within a moment. Blocks. */
void ledger_free(struct ledger *l);

/* Notes a part, or its newer version (the same id). */
void ledger_put(struct ledger *l, const struct account_part *p);
/* Without a ledger: zeroes. */
void ledger_state(struct ledger *l, struct ledger_state *out);

#endif
