/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/unwritten.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 4096

struct entry {
	struct account_part part;
	struct entry *same_bucket;
	TAILQ_ENTRY(entry) at;
};
TAILQ_HEAD(entry_list, entry);

struct unwritten {
	struct entry_list list;
	struct entry *bucket[BUCKETS];
	int n, max;
};

struct unwritten *unwritten_new(int max)
{
	struct unwritten *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->max = max;
	TAILQ_INIT(&u->list);
	return u;
}

/* Where the pointer to the part's entry is, or to be put. */
static struct entry **find(struct unwritten *u, uint64_t id)
{
	struct entry **p = &u->bucket[id % BUCKETS];

	while (*p && (*p)->part.id != id)
		p = &(*p)->same_bucket;
	return p;
}

static void drop(struct unwritten *u, struct entry **p)
{
	struct entry *e = *p;

	*p = e->same_bucket;
	TAILQ_REMOVE(&u->list, e, at);
	u->n--;
	free(e);
}

void unwritten_free(struct unwritten *u)
{
	if (!u)
		return;
	while (TAILQ_FIRST(&u->list))
		drop(u, find(u, TAILQ_FIRST(&u->list)->part.id));
	free(u);
}

/* Takes out a part that goes on: it will come again. */
static bool make_room(struct unwritten *u)
{
	struct entry *e;

	TAILQ_FOREACH(e, &u->list, at)
	{
		if (e->part.reason[0])
			continue;
		drop(u, find(u, e->part.id));
		return true;
	}
	return false;
}

bool unwritten_put(struct unwritten *u, const struct account_part *p)
{
	struct entry **at = find(u, p->id), *e = *at;

	if (e) {
		e->part = *p;
		return true;
	}
	if (u->n >= u->max && (!p->reason[0] || !make_room(u)))
		return false;
	e = calloc(1, sizeof(*e));
	if (!e)
		return false;
	at = find(u, p->id); /* what made room may have been before it */
	e->part = *p;
	*at = e;
	TAILQ_INSERT_TAIL(&u->list, e, at);
	u->n++;
	return true;
}

int unwritten_take(const struct unwritten *u, struct account_part *out, int max)
{
	const struct entry *e;
	int n = 0;

	TAILQ_FOREACH(e, &u->list, at)
	{
		if (n == max)
			break;
		out[n++] = e->part;
	}
	return n;
}

void unwritten_done(struct unwritten *u, const struct account_part *p, int n)
{
	for (int i = 0; i < n; i++) {
		struct entry **at = find(u, p[i].id), *e = *at;

		if (e && e->part.seen == p[i].seen && !e->part.reason[0] == !p[i].reason[0])
			drop(u, at);
	}
}

int unwritten_count(const struct unwritten *u)
{
	return u->n;
}
