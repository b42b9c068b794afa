/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The accounts' database. It is in WAL mode: who reads does not hold up the node, and what was
 * committed is there when the node or its host dies (synchronous=FULL).
 */
#include "lib/account.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_MS 1000 /* how long another's lock is waited for */
#define FORMAT  1    /* PRAGMA user_version */

struct account_db {
	sqlite3 *db;
};

/* Of the parts of a session, in the order of their beginning (`place`): `reached` is until when the ones
 * before have covered the time, `came_from` the node of the one before. */
static const char schema[] =
	"CREATE TABLE IF NOT EXISTS parts ("
	" node TEXT NOT NULL, part TEXT NOT NULL, identity TEXT NOT NULL, role TEXT NOT NULL,"
	" user TEXT, client TEXT NOT NULL, channel TEXT NOT NULL, transport TEXT,"
	" resumed INTEGER NOT NULL, begin INTEGER NOT NULL, seen INTEGER NOT NULL,"
	" packets INTEGER NOT NULL, bytes INTEGER NOT NULL, dropped INTEGER NOT NULL,"
	" repaired INTEGER NOT NULL, reason TEXT, PRIMARY KEY (node, part)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS parts_identity ON parts (identity, begin);"
	"CREATE INDEX IF NOT EXISTS parts_seen ON parts (seen);"
	"CREATE VIEW IF NOT EXISTS sessions AS "
	"WITH ordered AS ("
	" SELECT *, lag(node) OVER place AS came_from, max(seen) OVER before AS reached"
	" FROM parts WINDOW place AS (PARTITION BY identity ORDER BY begin, node, part),"
	"  before AS (PARTITION BY identity ORDER BY begin, node, part"
	"   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)), "
	"whole AS ("
	" SELECT *, first_value(client) OVER place AS first_client,"
	"  first_value(channel) OVER place AS first_channel,"
	"  group_concat(node, ' ') FILTER (WHERE node IS NOT came_from) OVER place AS all_nodes,"
	"  last_value(reason) OVER ending AS last_reason"
	" FROM ordered WINDOW"
	"  place AS (PARTITION BY identity ORDER BY begin, node, part"
	"   ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING),"
	"  ending AS (PARTITION BY identity ORDER BY seen, reason IS NULL, node, part"
	"   ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) "
	"SELECT identity, max(role) AS role, max(user) AS user, max(first_client) AS client,"
	" max(first_channel) AS channel, min(begin) AS begin, max(seen) AS end,"
	" sum(max(0, seen - max(begin, coalesce(reached, begin)))) / 1000.0 AS seconds,"
	" sum(packets) AS packets, sum(bytes) AS bytes, sum(dropped) AS dropped,"
	" sum(repaired) AS repaired, max(all_nodes) AS nodes, count(*) AS parts,"
	" max(last_reason) AS reason "
	"FROM whole GROUP BY identity;";

/* What is newer wins; of the same moment, that it has ended is newer. */
#define ON_CONFLICT                                                                                \
	" ON CONFLICT (node, part) DO UPDATE SET user = excluded.user, seen = excluded.seen,"      \
	" packets = excluded.packets, bytes = excluded.bytes, dropped = excluded.dropped,"         \
	" repaired = excluded.repaired, reason = excluded.reason"                                  \
	" WHERE excluded.seen > parts.seen"                                                        \
	" OR (excluded.seen = parts.seen AND parts.reason IS NULL)"

static int error_of(struct account_db *db, int rc, char err[ACCOUNT_ERR])
{
	snprintf(err, ACCOUNT_ERR, "%s", db->db ? sqlite3_errmsg(db->db) : sqlite3_errstr(rc));
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EAGAIN;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_NOMEM: return -ENOMEM;
	default: return -EIO;
	}
}

static int run(struct account_db *db, const char *sql, char err[ACCOUNT_ERR])
{
	int rc = sqlite3_exec(db->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : error_of(db, rc, err);
}

/* Runs a statement of the caller's, which is let go of. `rc`: of what was done with it so far. */
static int finish(struct account_db *db, sqlite3_stmt *st, int rc, char err[ACCOUNT_ERR])
{
	int result;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	result = rc == SQLITE_DONE || rc == SQLITE_OK ? 0 : error_of(db, rc, err);
	sqlite3_finalize(st);
	return result;
}

static int format_of(struct account_db *db)
{
	sqlite3_stmt *st = NULL;
	int v = -1;

	if (sqlite3_prepare_v2(db->db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
		sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return v;
}

static int set_up(struct account_db *db, bool make, char err[ACCOUNT_ERR])
{
	int format, rc;

	sqlite3_busy_timeout(db->db, BUSY_MS);
	sqlite3_extended_result_codes(db->db, 0);
	format = format_of(db);
	if (format > FORMAT) {
		snprintf(err, ACCOUNT_ERR, "is of format %d, made by a newer version", format);
		return -EINVAL;
	}
	if (!make && format != FORMAT) {
		snprintf(err, ACCOUNT_ERR, "%s",
			format < 0 ? sqlite3_errmsg(db->db) : "has no accounts in it");
		return -EINVAL;
	}
	if (!make)
		return 0;
	rc = run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", err);
	if (rc || format == FORMAT)
		return rc;
	rc = run(db, "BEGIN IMMEDIATE", err);
	if (!rc)
		rc = run(db, schema, err);
	if (!rc)
		rc = run(db, "PRAGMA user_version = 1; COMMIT", err);
	return rc;
}

struct account_db *account_db_open(const char *path, bool make, char err[ACCOUNT_ERR])
{
	int flags = make ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY, rc;
	struct account_db *db = calloc(1, sizeof(*db));

	if (!db) {
		snprintf(err, ACCOUNT_ERR, "no memory");
		return NULL;
	}
	if (make && strcmp(path, ":memory:") != 0) {
		/* Who had what is nobody else's business; SQLite would go by the umask alone. */
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

		if (fd >= 0)
			close(fd);
	}
	rc = sqlite3_open_v2(path, &db->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK ? !set_up(db, make, err) : !error_of(db, rc, err))
		return db;
	account_db_close(db);
	return NULL;
}

void account_db_close(struct account_db *db)
{
	if (!db)
		return;
	sqlite3_close(db->db);
	free(db);
}

/* ---- writing ---- */

static int bind_text(sqlite3_stmt *st, int at, const char *text)
{
	return *text ? sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC)
	             : sqlite3_bind_null(st, at);
}

static int bind_part(
	sqlite3_stmt *st, const char *node, const char *id, const struct account_part *p)
{
	/* What is never missing is text even when it is empty. */
	const char *text[] = {node, id, p->identity, p->role, NULL, p->client, p->channel};
	const int64_t number[] = {p->resumed, p->begin, p->seen, (int64_t)p->count.packets,
		(int64_t)p->count.bytes, (int64_t)p->count.dropped, (int64_t)p->count.repaired};
	int rc = SQLITE_OK;

	for (int i = 0; i < 7; i++)
		if (text[i])
			rc |= sqlite3_bind_text(st, i + 1, text[i], -1, SQLITE_STATIC);
	rc |= bind_text(st, 5, p->user) | bind_text(st, 8, p->transport);
	for (int i = 0; i < 7; i++)
		rc |= sqlite3_bind_int64(st, i + 9, number[i]);
	return rc | bind_text(st, 16, p->reason);
}

static int put_all(struct account_db *db, sqlite3_stmt *st, const char *node,
	const struct account_part *p, int n)
{
	char id[ACCOUNT_ID];
	int rc = SQLITE_DONE;

	for (int i = 0; i < n && rc == SQLITE_DONE; i++) {
		snprintf(id, sizeof(id), "%016" PRIx64, p[i].id);
		rc = bind_part(st, node, id, &p[i]);
		if (rc == SQLITE_OK)
			rc = sqlite3_step(st);
		sqlite3_reset(st);
	}
	(void)db;
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int account_db_put(struct account_db *db, const char *node, const struct account_part *p, int n,
	char err[ACCOUNT_ERR])
{
	static const char sql[] =
		"INSERT INTO parts VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)" ON_CONFLICT;
	sqlite3_stmt *st = NULL;
	int rc, result = run(db, "BEGIN IMMEDIATE", err);

	if (result)
		return result;
	rc = sqlite3_prepare_v2(db->db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = put_all(db, st, node, p, n);
	if (rc != SQLITE_OK)
		result = error_of(db, rc, err);
	sqlite3_finalize(st);
	if (!result)
		result = run(db, "COMMIT", err);
	if (result)
		sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
	return result;
}

int account_db_died(struct account_db *db, const char *node, char err[ACCOUNT_ERR])
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->db,
		"UPDATE parts SET reason = '" ACCOUNT_DIED "' WHERE node = ? AND reason IS NULL",
		-1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(st, 1, node, -1, SQLITE_STATIC);
	return finish(db, st, rc, err);
}

int account_db_prune(struct account_db *db, int64_t before, char err[ACCOUNT_ERR])
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(
		db->db, "DELETE FROM parts WHERE seen < ? AND reason IS NOT NULL", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(st, 1, before);
	return finish(db, st, rc, err);
}

int account_db_merge(struct account_db *db, const char *from, char err[ACCOUNT_ERR])
{
	/* "WHERE true": without it "ON CONFLICT" would be taken for a join's. */
	static const char sql[] =
		"INSERT INTO parts SELECT * FROM other.parts WHERE true" ON_CONFLICT;
	struct account_db *other = account_db_open(from, false, err); /* is it one? */
	sqlite3_stmt *st = NULL;
	int rc, result;

	if (!other)
		return -EINVAL;
	account_db_close(other);
	rc = sqlite3_prepare_v2(db->db, "ATTACH ? AS other", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(st, 1, from, -1, SQLITE_STATIC);
	result = finish(db, st, rc, err);
	if (result)
		return result;
	result = run(db, sql, err);
	sqlite3_exec(db->db, "DETACH other", NULL, NULL, NULL);
	return result;
}

/* ---- reading ---- */

static const char *text_of(sqlite3_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st, column);
}

int account_db_sessions(
	struct account_db *db, account_session_cb *cb, void *arg, char err[ACCOUNT_ERR])
{
	static const char sql[] =
		"SELECT identity, role, user, client, channel, nodes, reason, begin,"
		" end, seconds, packets, bytes, dropped, repaired, parts"
		" FROM sessions ORDER BY begin, identity";
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->db, sql, -1, &st, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct account_session s = {.identity = text_of(st, 0),
			.role = text_of(st, 1),
			.user = text_of(st, 2),
			.client = text_of(st, 3),
			.channel = text_of(st, 4),
			.nodes = text_of(st, 5),
			.reason = text_of(st, 6),
			.begin = sqlite3_column_int64(st, 7),
			.end = sqlite3_column_int64(st, 8),
			.seconds = sqlite3_column_double(st, 9),
			.packets = sqlite3_column_int64(st, 10),
			.bytes = sqlite3_column_int64(st, 11),
			.dropped = sqlite3_column_int64(st, 12),
			.repaired = sqlite3_column_int64(st, 13),
			.parts = sqlite3_column_int64(st, 14)};

		cb(arg, &s);
		rc = SQLITE_OK;
	}
	if (rc == SQLITE_DONE)
		rc = SQLITE_OK;
	if (rc != SQLITE_OK)
		rc = error_of(db, rc, err);
	sqlite3_finalize(st);
	return rc;
}
