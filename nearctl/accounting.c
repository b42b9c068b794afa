/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nearctl/accounting.h"

#include <stdio.h>
#include <time.h>

/* ms since 1970 as "2026-11-26T15:00:00.250Z". */
static void put_time(struct js *o, const char *key, int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	char day[32], text[48];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03dZ", day, (int)(ms % 1000));
	js_put_str(o, key, text);
}

static void take(void *arg, const struct account_session *s)
{
	struct js *o = js_object(), *nodes = js_array();
	struct slice rest = slice_of(s->nodes);

	while (rest.n) {
		struct slice one = slice_cut(&rest, ' ');
		char name[ANNOUNCE_ID_LEN];

		slice_copy(one, name, sizeof(name));
		js_push_str(nodes, name);
	}
	js_put_str(o, "identity", s->identity);
	js_put_str(o, "role", s->role);
	js_put_str(o, "user", s->user);
	js_put_str(o, "client", s->client);
	js_put_str(o, "channel", s->channel);
	put_time(o, "begin", s->begin);
	put_time(o, "end", s->end);
	js_put_real(o, "seconds", s->seconds);
	js_put_int(o, "bytes", s->bytes);
	js_put_int(o, "packets", s->packets);
	js_put_int(o, "dropped", s->dropped);
	js_put_int(o, "repaired", s->repaired);
	js_put(o, "nodes", nodes);
	js_put_int(o, "parts", s->parts);
	js_put_str(o, "reason", s->reason);
	js_push(arg, o);
}

static int merge_all(struct account_db *db, char **database, int n, char err[512])
{
	char why[ACCOUNT_ERR];

	for (int i = 0; i < n; i++)
		if (account_db_merge(db, database[i], why)) {
			snprintf(err, 512, "%.200s: %s", database[i], why);
			return -1;
		}
	return 0;
}

struct js *accounting_sessions(const char *into, char **database, int n, char err[512])
{
	const char *target = into ? into : ":memory:";
	struct js *list = js_array(), *body = NULL;
	char why[ACCOUNT_ERR];
	struct account_db *db = account_db_open(target, true, why);
	int failed;

	if (!db) {
		snprintf(err, 512, "%.200s: %s", target, why);
	} else if (!merge_all(db, database, n, err)) {
		failed = account_db_sessions(db, take, list, why);
		if (failed)
			snprintf(err, 512, "%.200s: %s", target, why);
		else
			body = js_object();
	}
	account_db_close(db);
	if (!body) {
		js_free(list);
		return NULL;
	}
	js_put(body, "sessions", list);
	return body;
}
