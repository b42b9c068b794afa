/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of all origins, and an index of the nodes in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arn/flood_impl.h"

static size_t bucket(const struct flood *f, const char *id, unsigned part)
{
	uint64_t h = 0xcbf29ce484222325 ^ part;

	for (; *id; id++)
		h = (h ^ (uint8_t)*id) * 0x100000001b3;
	return (h ^ h >> 29) & (f->buckets - 1);
}

/* ---- records ---- */

static struct flood_record **slot(const struct flood *f, const char *origin, unsigned part)
{
	struct flood_record **at = &f->record[bucket(f, origin, part)];

	while (*at && ((*at)->part != part || strcmp((*at)->origin, origin) != 0))
		at = &(*at)->chain;
	return at;
}

struct flood_record *flood_find(const struct flood *f, const char *origin, unsigned part)
{
	return *slot(f, origin, part);
}

/* Of those whose life is over, one makes room. */
static bool make_room(struct flood *f)
{
	struct flood_record *r;

	if (f->records < f->conf.records)
		return true;
	if (f->live == f->records)
		return false;
	TAILQ_FOREACH(r, &f->all, all)
	if (r->dead) {
		flood_drop(f, r);
		return true;
	}
	return false;
}

struct flood_record *flood_add(struct flood *f, const char *origin, unsigned part, bool *full)
{
	bool own = !strcmp(origin, f->conf.name);
	struct flood_record *r, **at;

	*full = !own && !make_room(f);
	if (*full)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	memcpy(r->origin, origin, strnlen(origin, sizeof(r->origin) - 1));
	r->part = (uint8_t)part;
	r->relayed = INT64_MIN / 2;
	LIST_INIT(&r->known);
	at = slot(f, origin, part);
	*at = r;
	TAILQ_INSERT_TAIL(&f->all, r, all);
	f->records += !own;
	f->live += !own;
	return r;
}

int flood_fill(struct flood_record *r, const struct flood_msg *m, ns_t now)
{
	size_t n = 0;
	uint8_t *body = NULL;

	for (int i = 0; i < m->nodes; i++)
		n += m->node[i].n;
	if (n) {
		body = malloc(n);
		if (!body)
			return -ENOMEM;
	}
	free(r->body);
	r->body = body;
	r->nodes = m->nodes;
	for (int i = 0; i < m->nodes; i++) {
		memcpy(body, m->node[i].p, m->node[i].n);
		body += m->node[i].n;
		r->len[i] = (uint16_t)m->node[i].n;
	}
	r->seq = m->seq;
	r->heard_at = now;
	r->expires = now + m->left_ms * NS_MS;
	return 0;
}

/* ---- nodes ---- */

static struct flood_node **node_slot(const struct flood *f, const char *id)
{
	struct flood_node **at = &f->node[bucket(f, id, 0)];

	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->chain;
	return at;
}

static void drop_node(struct flood *f, struct flood_node *n)
{
	*node_slot(f, n->id) = n->chain;
	LIST_REMOVE(n, of_record);
	f->nodes--;
	free(n);
}

static void lose_node(struct flood *f, struct flood_node *n, ns_t now)
{
	if (f->events.gone)
		f->events.gone(f->events.arg, n->id, &n->control, now);
	drop_node(f, n);
}

/* Whoever spoke last of a node has the word. */
static void claim(struct flood *f, struct flood_record *r, const struct announce *a, ns_t now)
{
	struct flood_node **at = node_slot(f, a->id), *n = *at;

	(void)now;
	if (n) {
		LIST_REMOVE(n, of_record);
	} else {
		n = calloc(1, sizeof(*n));
		if (!n)
			return;
		memcpy(n->id, a->id, sizeof(n->id));
		*at = n;
		f->nodes++;
	}
	LIST_INSERT_HEAD(&r->known, n, of_record);
	n->record = r;
	n->seq = r->seq;
}

static void tell_node(struct flood *f, struct flood_record *r, const struct announce *a, ns_t now)
{
	struct flood_news news = {
		.said = a, .origin = r->origin, .hops = r->hops, .expires = r->expires};
	struct flood_node *n = *node_slot(f, a->id);
	struct addr control = a->addr;

	if (!n || n->record != r)
		return; /* no memory: it is not known until it is said again */
	addr_set_port(&control, a->control_port);
	if (n->control.sa.sa_family != AF_UNSPEC && addr_cmp(&n->control, &control) &&
		f->events.gone)
		f->events.gone(f->events.arg, n->id, &n->control, now);
	n->control = control;
	if (f->events.node)
		f->events.node(f->events.arg, &news, now);
}

typedef void each_cb(struct flood *f, struct flood_record *r, const struct announce *a, ns_t now);

static void each(struct flood *f, struct flood_record *r, each_cb *cb, ns_t now)
{
	const uint8_t *p = r->body;
	struct announce said;
	const char *why;

	for (int i = 0; i < r->nodes; p += r->len[i++])
		if (announce_decode(&said, p, r->len[i], &why) == 0)
			cb(f, r, &said, now);
}

/* Who is there no more goes first: another node may have the same address now. */
void flood_news(struct flood *f, struct flood_record *r, ns_t now)
{
	struct flood_node *n, *next;

	each(f, r, claim, now);
	for (n = LIST_FIRST(&r->known); n; n = next) {
		next = LIST_NEXT(n, of_record);
		if (n->seq != r->seq)
			lose_node(f, n, now);
	}
	each(f, r, tell_node, now);
}

void flood_retell(struct flood *f, ns_t now)
{
	struct flood_record *r;

	TAILQ_FOREACH(r, &f->all, all)
	if (r->hops)
		each(f, r, tell_node, now);
}

/* ---- the end ---- */

void flood_drop(struct flood *f, struct flood_record *r)
{
	bool own = !strcmp(r->origin, f->conf.name);

	flood_unqueue(f, r);
	while (!LIST_EMPTY(&r->known))
		drop_node(f, LIST_FIRST(&r->known));
	*slot(f, r->origin, r->part) = r->chain;
	TAILQ_REMOVE(&f->all, r, all);
	f->records -= !own;
	f->live -= !own && !r->dead;
	free(r->body);
	free(r);
}

static void end(struct flood *f, struct flood_record *r, ns_t now)
{
	bool own = !strcmp(r->origin, f->conf.name);

	flood_unqueue(f, r);
	while (!LIST_EMPTY(&r->known))
		lose_node(f, LIST_FIRST(&r->known), now);
	free(r->body);
	r->body = NULL;
	r->nodes = 0;
	r->dead = true;
	f->live -= !own;
	f->count.expired += !own;
}

void flood_expire(struct flood *f, ns_t now)
{
	struct flood_record *r, *next;
	ns_t when = NS_NEVER;

	if (now < f->expire_at)
		return;
	for (r = TAILQ_FIRST(&f->all); r; r = next) {
		ns_t at;

		next = TAILQ_NEXT(r, all);
		if (!r->dead && now >= r->expires)
			end(f, r, now);
		at = r->dead ? r->expires + FLOOD_LINGER : r->expires;
		if (r->dead && now >= at)
			flood_drop(f, r);
		else if (at < when)
			when = at;
	}
	f->expire_at = when;
}
