/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/soft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EARLY_PART 10         /* the last tenth of its time is for fetching it again, */
#define EARLY_MAX  (5 * NS_S) /* but not more than this */

struct soft {
	struct soft_conf conf;
	void (*free_value)(void *value);
	struct soft_entry *newest, *oldest;
	struct soft_entry **bucket;
	size_t buckets; /* a power of two */
	int n;
};

static uint64_t hash(const char *key)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * 0x100000001b3;
	return h ^ h >> 32;
}

struct soft *soft_new(const struct soft_conf *c, void (*free_value)(void *value))
{
	struct soft *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->conf = *c;
	s->free_value = free_value;
	s->buckets = 16;
	while (s->buckets < (size_t)c->entries)
		s->buckets *= 2;
	s->bucket = calloc(s->buckets, sizeof(*s->bucket));
	if (!s->bucket) {
		free(s);
		return NULL;
	}
	return s;
}

static struct soft_entry **slot(const struct soft *s, const char *key)
{
	struct soft_entry **at = &s->bucket[hash(key) & (s->buckets - 1)];

	while (*at && strcmp((*at)->key, key) != 0)
		at = &(*at)->chain;
	return at;
}

static void unlink_entry(struct soft *s, struct soft_entry *e)
{
	*(e->newer ? &e->newer->older : &s->newest) = e->older;
	*(e->older ? &e->older->newer : &s->oldest) = e->newer;
}

static void link_newest(struct soft *s, struct soft_entry *e)
{
	e->newer = NULL;
	e->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = e;
	s->newest = e;
}

static void drop_value(struct soft *s, struct soft_entry *e)
{
	if (e->value)
		s->free_value(e->value);
	e->value = NULL;
	e->denied = false;
}

static void forget(struct soft *s, struct soft_entry *e)
{
	struct soft_entry **at = slot(s, e->key);

	*at = e->chain;
	unlink_entry(s, e);
	drop_value(s, e);
	s->n--;
	free(e->key);
	free(e);
}

/* A fetch that is under way comes back to its entry: such a one cannot give way. */
static bool make_room(struct soft *s)
{
	struct soft_entry *e = s->oldest, *newer;

	for (; e && s->n >= s->conf.entries; e = newer) {
		newer = e->newer;
		if (!e->flying)
			forget(s, e);
	}
	return s->n < s->conf.entries;
}

void soft_set_conf(struct soft *s, const struct soft_conf *c)
{
	s->conf = *c;
	make_room(s);
}

void soft_free(struct soft *s)
{
	if (!s)
		return;
	while (s->newest)
		forget(s, s->newest);
	free(s->bucket);
	free(s);
}

struct soft_entry *soft_find(struct soft *s, const char *key)
{
	return *slot(s, key);
}

struct soft_entry *soft_use(struct soft *s, const char *key, ns_t now)
{
	struct soft_entry *e = soft_find(s, key), **at;

	if (!e) {
		if (strlen(key) >= SOFT_KEY || !make_room(s))
			return NULL;
		e = calloc(1, sizeof(*e));
		if (!e)
			return NULL;
		e->key = strdup(key);
		if (!e->key) {
			free(e);
			return NULL;
		}
		at = slot(s, key);
		*at = e;
		link_newest(s, e);
		s->n++;
	} else if (e != s->newest) {
		unlink_entry(s, e);
		link_newest(s, e);
	}
	e->used = now;
	return e;
}

enum soft_state soft_state(const struct soft_entry *e, ns_t now)
{
	if (e->denied && now < e->until)
		return SOFT_DENIED;
	if (e->value && now < e->until)
		return SOFT_FRESH;
	if (e->value && now < e->stale)
		return SOFT_STALE;
	return e->failures ? SOFT_FAILED : SOFT_NOTHING;
}

/* From when on it is fetched again: a little before its time is over. */
static ns_t early(const struct soft_entry *e)
{
	ns_t margin = (e->until - e->got) / EARLY_PART;

	return e->until - (margin < EARLY_MAX ? margin : EARLY_MAX);
}

static ns_t due_at(const struct soft_entry *e)
{
	ns_t at = 0;

	/* A denial is not prefetched: it costs the client that asks the one wait that it is for. */
	if (e->denied)
		at = e->until;
	else if (e->value)
		at = early(e);
	return at > e->retry ? at : e->retry;
}

bool soft_due(const struct soft_entry *e, ns_t now)
{
	return !e->flying && now >= due_at(e);
}

void soft_fly(struct soft_entry *e)
{
	e->flying = true;
}

static ns_t within(ns_t v, ns_t min, ns_t max)
{
	return v < min ? min : v > max ? max : v;
}

static void settle(struct soft_entry *e, ns_t ttl, ns_t stale, ns_t now)
{
	e->flying = false;
	e->failures = 0;
	e->retry = 0;
	e->fetched++;
	e->got = now;
	e->until = now + ttl;
	e->stale = e->until + stale;
}

void soft_answer(struct soft *s, struct soft_entry *e, void *value, ns_t ttl, ns_t now)
{
	drop_value(s, e);
	e->value = value;
	e->reason[0] = '\0';
	settle(e, within(ttl, s->conf.ttl_min, s->conf.ttl_max), s->conf.stale, now);
}

void soft_deny(struct soft *s, struct soft_entry *e, const char *reason, ns_t ttl, ns_t now)
{
	drop_value(s, e);
	e->denied = true;
	snprintf(e->reason, sizeof(e->reason), "%s", reason);
	settle(e, within(ttl, s->conf.ttl_min, s->conf.negative_max), 0, now);
}

void soft_renew(struct soft *s, struct soft_entry *e, ns_t ttl, ns_t now)
{
	if (!e->value) {
		soft_fail(s, e, "\"as before\", but there is nothing", now);
		return;
	}
	settle(e, within(ttl, s->conf.ttl_min, s->conf.ttl_max), s->conf.stale, now);
}

void soft_fail(struct soft *s, struct soft_entry *e, const char *reason, ns_t now)
{
	ns_t pause = s->conf.retry;

	for (unsigned i = 0; i < e->failures && pause < s->conf.retry_max; i++)
		pause *= 2;
	e->flying = false;
	if (e->failures < 64)
		e->failures++;
	e->fetched++;
	e->retry = now + (pause < s->conf.retry_max ? pause : s->conf.retry_max);
	snprintf(e->reason, sizeof(e->reason), "%s", reason);
}

static void sooner(ns_t *next, ns_t t, ns_t now)
{
	if (t > now && t < *next)
		*next = t;
}

ns_t soft_next(const struct soft_entry *e, ns_t now)
{
	ns_t next = NS_NEVER;

	if (e->value || e->denied)
		sooner(&next, e->until, now);
	if (e->value)
		sooner(&next, e->stale, now);
	if (!e->flying)
		sooner(&next, due_at(e), now);
	return next;
}

ns_t soft_when(const struct soft *s, ns_t now)
{
	ns_t when = NS_NEVER;

	for (const struct soft_entry *e = soft_first(s); e; e = soft_after(e))
		if (soft_next(e, now) < when)
			when = soft_next(e, now);
	return when;
}

void soft_ground(struct soft *s)
{
	for (struct soft_entry *e = soft_first(s); e; e = soft_after(e))
		e->flying = false;
}

void soft_expire(struct soft *s, ns_t idle, ns_t now)
{
	struct soft_entry *e = s->oldest, *newer;

	for (; e; e = newer) {
		newer = e->newer;
		if (e->flying)
			continue;
		if (now - e->used >= idle ||
			(soft_state(e, now) == SOFT_NOTHING && now - e->used >= s->conf.retry))
			forget(s, e);
	}
}

static void invalidate(struct soft *s, struct soft_entry *e)
{
	drop_value(s, e);
	e->failures = 0;
	e->retry = 0;
	e->until = e->stale = 0;
	e->reason[0] = '\0';
}

int soft_flush(struct soft *s, const char *key)
{
	int n = 0;

	for (struct soft_entry *e = s->newest; e; e = e->older) {
		if (key && strcmp(e->key, key) != 0)
			continue;
		invalidate(s, e);
		n++;
	}
	return n;
}

int soft_count(const struct soft *s)
{
	return s->n;
}

struct soft_entry *soft_first(const struct soft *s)
{
	return s->newest;
}

struct soft_entry *soft_after(const struct soft_entry *e)
{
	return e->older;
}

const char *soft_state_str(enum soft_state s)
{
	static const char *const names[] = {"unknown", "fresh", "stale", "denied", "failed"};

	return names[s];
}
