/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/flood.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arn/flood_impl.h"

static void wake(struct flood *f, ns_t at)
{
	if (at < f->when)
		f->when = at;
}

/* ---- passing on ---- */

void flood_unqueue(struct flood *f, struct flood_record *r)
{
	if (r->queue)
		TAILQ_REMOVE(&f->queue, r, queued);
	r->queue = false;
	r->pending = 0;
}

/* One that waits already keeps its place. */
void flood_queue(struct flood *f, struct flood_record *r, uint64_t links, ns_t at)
{
	r->pending = links;
	r->relay_at = at;
	if (links && !r->queue)
		TAILQ_INSERT_TAIL(&f->queue, r, queued);
	if (!links && r->queue)
		TAILQ_REMOVE(&f->queue, r, queued);
	r->queue = links != 0;
	if (links)
		wake(f, at);
}

static uint64_t all_but(const struct flood *f, int link)
{
	uint64_t all = f->conf.links == 64 ? UINT64_MAX : (UINT64_C(1) << f->conf.links) - 1;

	return link < 0 ? all : all & ~(UINT64_C(1) << link);
}

/* The neighbour has it. */
static void settle(struct flood *f, struct flood_record *r, int link)
{
	if (link < 0 || !r->queue)
		return;
	r->pending &= ~(UINT64_C(1) << link);
	if (!r->pending)
		flood_unqueue(f, r);
}

/* ---- hearing ---- */

static const char *wrong(const struct flood *f, const struct flood_msg *m, ns_t wall)
{
	struct announce said;
	const char *why;

	if (!strcmp(m->from, f->conf.name))
		return "sent by one of this ARN's own name";
	if (wall > 0 && m->seq > (uint64_t)(wall + f->conf.skew))
		return "from the future: are the clocks right?";
	for (int i = 0; i < m->nodes; i++) {
		if (announce_decode(&said, (const uint8_t *)m->node[i].p, m->node[i].n, &why) < 0)
			return why;
		if (prefix_has(&f->conf.block, &said.addr))
			return "a node's address is inside the anycast block";
	}
	return NULL;
}

/* What it says of this ARN's own nodes can only be what this one has said. */
static int hear_own(struct flood *f, int link, const struct flood_msg *m, ns_t now)
{
	struct flood_record *r = flood_find(f, f->conf.name, m->part);

	if (m->seq > f->part[m->part].seq) {
		flood_supersede(f, m, now);
		wake(f, flood_make_when(f));
		return 0;
	}
	f->count.doubles++;
	if (r && m->seq == r->seq)
		settle(f, r, link);
	return 0;
}

/* It was heard before, or something newer. An origin that says itself what is old has started anew, with a
 * clock that was set back: it is told what it said, so that it can say something newer. */
static int hear_again(
	struct flood *f, struct flood_record *r, int link, const struct flood_msg *m, ns_t now)
{
	f->count.doubles++;
	if (m->seq < r->seq) {
		ns_t at = r->relayed + f->conf.min_interval;

		if (link >= 0 && !r->dead && !strcmp(m->origin, m->from))
			flood_queue(f, r, r->pending | UINT64_C(1) << link, at > now ? at : now);
		return 0;
	}
	settle(f, r, link);
	if (m->hops < r->hops)
		r->hops = m->hops;
	return 0;
}

static int take(
	struct flood *f, struct flood_record *r, int link, const struct flood_msg *m, ns_t now)
{
	ns_t at = r->relayed + f->conf.min_interval;

	if (flood_fill(r, m, now) < 0)
		return -ENOMEM;
	f->live += r->dead;
	r->dead = false;
	r->hops = m->hops;
	f->count.heard++;
	if (r->expires < f->expire_at)
		f->expire_at = r->expires;
	wake(f, f->expire_at);
	flood_queue(f, r, m->hops < f->conf.hops ? all_but(f, link) : 0, at > now ? at : now);
	flood_news(f, r, now);
	return 0;
}

int flood_hear(
	struct flood *f, int link, const struct flood_msg *m, ns_t now, ns_t wall, const char **why)
{
	struct flood_record *r;
	bool full = false;
	int err;

	if (!strcmp(m->origin, f->conf.name) && strcmp(m->from, f->conf.name) != 0 &&
		m->seq <= f->part[m->part].seq)
		return hear_own(f, link, m, now);
	r = flood_find(f, m->origin, m->part);
	if (r && m->seq <= r->seq)
		return hear_again(f, r, link, m, now);
	*why = wrong(f, m, wall);
	if (*why) {
		f->count.refused++;
		return -EINVAL;
	}
	if (!strcmp(m->origin, f->conf.name))
		return hear_own(f, link, m, now);
	if (!r)
		r = flood_add(f, m->origin, m->part, &full);
	if (full) {
		f->count.crowded++;
		return -ENOSPC;
	}
	err = r ? take(f, r, link, m, now) : -ENOMEM;
	if (r && err && !r->seq)
		flood_drop(f, r);
	return err;
}

/* ---- sending ---- */

/* What is left of its life, for who gets it: 0 or less, nothing. */
static ns_t left(const struct flood_record *r, ns_t now)
{
	ns_t ms = (r->expires - now) / NS_MS;

	return r->hops ? ms - 1 : ms;
}

static int encode(const struct flood *f, const struct flood_record *r, ns_t now, uint8_t *out)
{
	struct flood_msg m = {.seq = r->seq,
		.part = r->part,
		.hops = (uint8_t)(r->hops + 1),
		.left_ms = (uint32_t)left(r, now),
		.nodes = r->nodes};
	const uint8_t *p = r->body;

	memcpy(m.from, f->conf.name, strnlen(f->conf.name, sizeof(m.from) - 1));
	memcpy(m.origin, r->origin, sizeof(m.origin));
	for (int i = 0; i < r->nodes; p += r->len[i++])
		m.node[i] = (struct slice){(const char *)p, r->len[i]};
	return flood_msg_encode(&m, out, WIRE_MAX - WIRE_OVERHEAD);
}

static ns_t gap(const struct flood *f)
{
	return NS_S / f->conf.rate;
}

static ns_t burst(const struct flood *f)
{
	return (f->conf.rate < FLOOD_BURST ? f->conf.rate : FLOOD_BURST) * gap(f);
}

/* The links that may be sent something now, and when the first of the others may. */
static uint64_t open_links(const struct flood *f, ns_t now, ns_t *when)
{
	uint64_t open = 0;

	*when = NS_NEVER;
	for (int i = 0; i < f->conf.links; i++) {
		ns_t at = f->free_at[i] - burst(f) + gap(f);

		if (at <= now)
			open |= UINT64_C(1) << i;
		else if (at < *when)
			*when = at;
	}
	return open;
}

/* Sends it to those of its links that are open, and shuts those whose bucket is empty then. */
static void send_record(struct flood *f, struct flood_record *r, ns_t now, uint64_t *open,
	flood_send_cb *send, void *arg)
{
	uint8_t out[WIRE_MAX];
	uint64_t to = r->pending & *open;
	int n = to ? encode(f, r, now, out) : 0;

	if (n < 0) {
		flood_unqueue(f, r);
		return;
	}
	if (to)
		r->relayed = now;
	r->pending &= ~to;
	for (int i = 0; to; i++, to >>= 1) {
		if (!(to & 1))
			continue;
		if (f->free_at[i] < now)
			f->free_at[i] = now;
		f->free_at[i] += gap(f);
		if (f->free_at[i] - burst(f) + gap(f) > now)
			*open &= ~(UINT64_C(1) << i);
		f->count.sent++;
		send(arg, i, out, (size_t)n);
	}
	f->count.limited += r->pending != 0;
	if (!r->pending)
		flood_unqueue(f, r);
}

static ns_t send_all(struct flood *f, ns_t now, flood_send_cb *send, void *arg)
{
	struct flood_record *r, *next;
	ns_t when = NS_NEVER, shut;
	uint64_t open = open_links(f, now, &shut);
	bool waits = false;

	for (r = TAILQ_FIRST(&f->queue); r; r = next) {
		next = TAILQ_NEXT(r, queued);
		if (r->relay_at > now) {
			when = r->relay_at < when ? r->relay_at : when;
			continue;
		}
		if (left(r, now) <= 0)
			flood_unqueue(f, r);
		else
			send_record(f, r, now, &open, send, arg);
		waits |= r->queue;
	}
	if (waits) {
		open_links(f, now, &shut);
		when = shut < when ? shut : when;
	}
	return when;
}

void flood_run(struct flood *f, ns_t now, ns_t wall, flood_send_cb *send, void *arg)
{
	ns_t when, at;

	flood_expire(f, now);
	flood_make(f, now, wall);
	when = send_all(f, now, send, arg);
	at = flood_make_when(f);
	when = at < when ? at : when;
	f->when = f->expire_at < when ? f->expire_at : when;
}

ns_t flood_when(const struct flood *f)
{
	return f->when;
}

/* ---- life ---- */

struct flood *flood_new(
	const struct flood_conf *c, const struct flood_events *e, uint64_t seed, ns_t now)
{
	struct flood *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->conf = *c;
	f->events = *e;
	lots_init(&f->lots, seed);
	f->when = f->expire_at = NS_NEVER;
	TAILQ_INIT(&f->all);
	TAILQ_INIT(&f->queue);
	for (int i = 0; i < FLOOD_LINKS; i++)
		f->free_at[i] = now;
	for (f->buckets = 16; f->buckets < (size_t)c->records; f->buckets *= 2)
		;
	f->record = calloc(f->buckets, sizeof(*f->record));
	f->node = calloc(f->buckets, sizeof(*f->node));
	if (!f->record || !f->node) {
		flood_free(f);
		return NULL;
	}
	return f;
}

void flood_free(struct flood *f)
{
	if (!f)
		return;
	while (!TAILQ_EMPTY(&f->all))
		flood_drop(f, TAILQ_FIRST(&f->all));
	free(f->record);
	free(f->node);
	free(f->own);
	free(f);
}

const struct flood_counters *flood_counters(const struct flood *f)
{
	return &f->count;
}

int flood_records(const struct flood *f)
{
	return f->live;
}

int flood_nodes(const struct flood *f)
{
	return f->nodes;
}

void flood_each(const struct flood *f, flood_view_cb *cb, void *arg)
{
	struct flood_record *r;

	TAILQ_FOREACH(r, &f->all, all)
	{
		struct flood_view v = {.origin = r->origin,
			.part = r->part,
			.hops = r->hops,
			.nodes = r->nodes,
			.seq = r->seq,
			.heard_at = r->heard_at,
			.expires = r->expires,
			.body = r->body,
			.len = r->len};

		if (!r->dead)
			cb(arg, &v);
	}
}
