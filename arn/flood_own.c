/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records that an ARN makes of its own nodes. A node keeps its place in one of them as long as it is
 * there, so that what changes in one record leaves the others alone, and no node is between two.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arn/flood_impl.h"

#define ROOM (WIRE_MAX - WIRE_OVERHEAD - FLOOD_MSG_HEAD)

/* ---- what of a node is told ---- */

/* Channels make it long, and those who are far cannot do much with them. */
static void trim(struct announce *to, const struct announce *said)
{
	*to = *said;
	to->channels = 0;
	to->refused = 0;
}

/* What it takes at most, whatever its load. */
static size_t size_of(const struct announce *said)
{
	struct announce most = *said;
	uint8_t out[WIRE_MAX];
	int n;

	most.sessions = most.attached = most.delay_us = UINT32_MAX;
	most.kbps = ANNOUNCE_MAX_KBPS;
	n = announce_encode(&most, out, sizeof(out));
	return n < 0 ? SIZE_MAX / 2 : (size_t)n + FLOOD_MSG_NODE;
}

/* What it is, but for the load, which changes all the time. */
static uint64_t hash_of(const struct announce *said)
{
	struct announce still = *said;
	uint64_t h = 0xcbf29ce484222325;
	uint8_t out[WIRE_MAX];
	int n;

	still.sessions = still.attached = still.delay_us = 0;
	still.kbps = 0;
	n = announce_encode(&still, out, sizeof(out));
	for (int i = 0; i < n; i++)
		h = (h ^ out[i]) * 0x100000001b3;
	return h;
}

static double load_of(const struct announce *a)
{
	double sessions = a->max_sessions ? (double)a->sessions / a->max_sessions : 0;
	double kbps = a->max_kbps ? (double)a->kbps / (double)a->max_kbps : 0;

	return sessions > kbps ? sessions : kbps;
}

/* ---- where it is told ---- */

static void leave(struct flood *f, struct flood_own_node *o)
{
	if (o->part < 0)
		return;
	f->part[o->part].nodes--;
	f->part[o->part].size -= o->size;
	f->part[o->part].urgent = true;
	o->part = -1;
}

static void enter(struct flood *f, struct flood_own_node *o)
{
	for (int i = 0; i < FLOOD_PARTS; i++) {
		struct flood_part *p = &f->part[i];

		if (p->nodes == FLOOD_MSG_NODES || p->size + o->size > ROOM)
			continue;
		p->nodes++;
		p->size += o->size;
		o->part = i;
		return;
	}
}

static int find(const struct flood *f, const char *id, bool *found)
{
	int lo = 0, hi = f->owns;

	while (lo < hi) {
		int mid = (lo + hi) / 2, c = strcmp(f->own[mid].said.id, id);

		if (!c) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = false;
	return lo;
}

/* Its place in the order of ids, made if need be. NULL without memory. */
static struct flood_own_node *own_of(struct flood *f, const char *id)
{
	bool found;
	int i = find(f, id, &found);

	if (found)
		return &f->own[i];
	if (f->owns == f->own_room) {
		int room = f->own_room ? 2 * f->own_room : 4;
		void *more = realloc(f->own, (size_t)room * sizeof(*f->own));

		if (!more)
			return NULL;
		f->own = more;
		f->own_room = room;
	}
	memmove(&f->own[i + 1], &f->own[i], (size_t)(f->owns - i) * sizeof(*f->own));
	f->owns++;
	f->own[i] = (struct flood_own_node){.part = -1};
	return &f->own[i];
}

static void tell(struct flood *f, const struct announce *said)
{
	struct flood_own_node *o = own_of(f, said->id);
	size_t size;
	double moved;

	if (!o)
		return;
	o->seen = true;
	trim(&o->said, said);
	size = size_of(&o->said);
	if (size != o->size) {
		leave(f, o);
		o->size = size;
	}
	if (o->part < 0)
		enter(f, o);
	if (o->part < 0) {
		f->count.left_out++;
		return;
	}
	moved = load_of(&o->said) - o->load;
	if (hash_of(&o->said) != o->told || moved >= f->conf.change || -moved >= f->conf.change)
		f->part[o->part].urgent = true;
}

static void forget_unseen(struct flood *f)
{
	int kept = 0;

	for (int i = 0; i < f->owns; i++) {
		if (!f->own[i].seen) {
			leave(f, &f->own[i]);
			continue;
		}
		f->own[i].seen = false;
		if (kept != i)
			f->own[kept] = f->own[i];
		kept++;
	}
	f->owns = kept;
}

void flood_tell(struct flood *f, const struct announce *const *node, int n, ns_t now)
{
	ns_t when;

	f->count.left_out = 0;
	for (int i = 0; i < n; i++)
		tell(f, node[i]);
	forget_unseen(f);
	when = flood_make_when(f);
	if (when < f->when)
		f->when = when > now ? when : now;
}

void flood_goodbye(struct flood *f, ns_t now)
{
	f->closing = true;
	flood_tell(f, NULL, 0, now);
	f->when = now;
}

/* ---- when it is told ---- */

/* So many records that their refreshes would be more than half of the rate are refreshed less often. */
static ns_t interval_of(const struct flood *f)
{
	ns_t least = 2 * NS_S * (f->live + 1) / f->conf.rate;

	return f->conf.interval > least ? f->conf.interval : least;
}

static uint32_t life_of(const struct flood *f)
{
	ns_t ms = interval_of(f) * f->conf.misses / NS_MS;

	return ms > FLOOD_MAX_LIFE ? FLOOD_MAX_LIFE : (uint32_t)ms;
}

/* A part is told while there is something in it, and as long as others may still think so. */
static ns_t due(const struct flood *f, const struct flood_part *p)
{
	ns_t soonest;

	if (!p->ever)
		return p->urgent ? 0 : NS_NEVER;
	soonest = f->closing ? p->made : p->made + f->conf.min_interval;
	if (p->urgent)
		return soonest;
	return p->nodes || p->refresh_at < p->filled ? p->refresh_at : NS_NEVER;
}

ns_t flood_make_when(const struct flood *f)
{
	ns_t when = NS_NEVER;

	for (int i = 0; i < FLOOD_PARTS; i++) {
		ns_t at = due(f, &f->part[i]);

		if (at < when)
			when = at;
	}
	return when;
}

/* The own nodes of this part, encoded into buf. */
static void encode_nodes(struct flood *f, int part, struct flood_msg *m, uint8_t *buf, size_t cap)
{
	for (int i = 0; i < f->owns; i++) {
		struct flood_own_node *o = &f->own[i];
		int n;

		if (o->part != part)
			continue;
		o->load = load_of(&o->said);
		o->told = hash_of(&o->said);
		n = announce_encode(&o->said, buf, cap);
		if (n < 0)
			continue;
		m->node[m->nodes++] = (struct slice){(const char *)buf, (size_t)n};
		buf += n;
		cap -= (size_t)n;
	}
}

/* Above the last one; unless nobody can have believed that, as it is from the future for all: then this
 * clock was wrong, and is no more. */
static uint64_t next_seq(const struct flood *f, const struct flood_part *p, ns_t wall)
{
	if (wall <= 0)
		return p->seq + 1;
	if (p->seq >= (uint64_t)wall && p->seq <= (uint64_t)(wall + 2 * f->conf.skew))
		return p->seq + 1;
	return (uint64_t)wall;
}

static void make(struct flood *f, int part, ns_t now, ns_t wall)
{
	struct flood_part *p = &f->part[part];
	struct flood_record *r = flood_find(f, f->conf.name, (unsigned)part);
	ns_t interval = interval_of(f);
	struct flood_msg m = {.part = (uint8_t)part, .left_ms = life_of(f)};
	uint8_t buf[WIRE_MAX];
	bool full;

	p->urgent = false;
	p->made = now;
	p->ever = true;
	p->refresh_at = now + interval - (ns_t)(lots_draw(&f->lots) % (uint64_t)(interval / 4 + 1));
	m.seq = p->seq = next_seq(f, p, wall);
	encode_nodes(f, part, &m, buf, sizeof(buf));
	if (m.nodes)
		p->filled = now + m.left_ms * NS_MS;
	if (!r)
		r = flood_add(f, f->conf.name, (unsigned)part, &full);
	if (!r || flood_fill(r, &m, now) < 0)
		return; /* no memory: the next refresh may have some */
	r->dead = false;
	if (r->expires < f->expire_at)
		f->expire_at = r->expires;
	f->count.made++;
	flood_queue(
		f, r, f->conf.links == 64 ? UINT64_MAX : (UINT64_C(1) << f->conf.links) - 1, now);
}

void flood_make(struct flood *f, ns_t now, ns_t wall)
{
	for (int i = 0; i < FLOOD_PARTS; i++)
		if (now >= due(f, &f->part[i]))
			make(f, i, now, wall);
}

void flood_supersede(struct flood *f, const struct flood_msg *m, ns_t now)
{
	struct flood_part *p = &f->part[m->part];
	ns_t until = now + m->left_ms * NS_MS;

	if (m->nodes && until > p->filled)
		p->filled = until;
	p->seq = m->seq;
	p->urgent = true;
	f->count.own++;
}
