/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/election.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What a peer may say of its own interval, as in directory.c. */
#define INTERVAL_MIN_MS 20
#define INTERVAL_MAX_MS 30000

static ns_t own_timeout(const struct election *e)
{
	return e->conf.misses * e->conf.interval;
}

void election_init(struct election *e, const struct election_conf *c, const char *id, ns_t now)
{
	*e = (struct election){.conf = *c, .reason = "listening"};
	e->listen_until = now + own_timeout(e);
	snprintf(e->id, sizeof(e->id), "%s", id);
}

void election_set_conf(struct election *e, const struct election_conf *c)
{
	e->conf = *c;
}

void election_set_addr(struct election *e, const struct addr *addr)
{
	e->addr = *addr;
	if (addr->sa.sa_family == AF_UNSPEC)
		return;
	addr_set_port(&e->addr, 0);
	if (addr->sa.sa_family == AF_INET6) /* means something on this host only */
		e->addr.in6.sin6_scope_id = 0;
}

void election_set_able(struct election *e, bool able)
{
	e->able = able;
}

/* Below 0: x before y. No address comes last. The id decides between two of one address, which is
 * somebody's mistake, but no reason for two masters. */
static int order(const struct addr *x, const char *x_id, const struct addr *y, const char *y_id)
{
	bool no_x = x->sa.sa_family == AF_UNSPEC, no_y = y->sa.sa_family == AF_UNSPEC;
	int c = no_x != no_y ? no_x - no_y : no_x ? 0 : addr_cmp(x, y);

	return c ? c : strcmp(x_id, y_id);
}

static bool lower(const struct election *e, const struct announce *a)
{
	return order(&a->addr, a->id, &e->addr, e->id) < 0;
}

static enum announce_standing standing_now(const struct election *e, ns_t now)
{
	if (!e->able)
		return STANDING_OUT;
	return now < e->held_until ? STANDING_HELD : STANDING_READY;
}

static struct election_peer *find(struct election *e, const char *id)
{
	for (int i = 0; i < e->n; i++)
		if (!strcmp(e->peer[i].said.id, id))
			return &e->peer[i];
	return NULL;
}

static void forget(struct election *e, struct election_peer *p, const char *why)
{
	if (!strcmp(p->said.id, e->ruler))
		e->loss = why;
	*p = e->peer[--e->n];
}

static void expire(struct election *e, ns_t now)
{
	for (int i = 0; i < e->n;)
		if (now >= e->peer[i].expires)
			forget(e, &e->peer[i], "master silent");
		else
			i++;
}

/* Two masters meet that have not heard each other: the lower one steps back, the other gives it an
 * interval or two for that. Both would do nothing of the kind for one that was there all the time.
 */
static void meet(struct election *e, struct election_peer *p, ns_t now)
{
	bool involved =
		e->master || e->standing == STANDING_HELD; /* HELD: gave way to another already */

	if (!involved || !p->said.master || p->said.standing == STANDING_OUT)
		return;
	if (!lower(e, &p->said))
		e->held_until = now + e->conf.hold;
	else if (e->master && e->conf.misses > 2)
		p->heed_at = now + (e->conf.misses - 2) * e->conf.interval;
}

int election_hear(struct election *e, const struct announce *a, ns_t now)
{
	struct election_peer *p;
	uint32_t ms = a->interval_ms;
	bool new = false;

	if (!strcmp(a->id, e->id))
		return -ENOENT;
	expire(e, now);
	p = find(e, a->id);
	if (!prefix_same(&a->block, &e->conf.block)) {
		if (p) /* it has changed sides */
			forget(e, p, "master left");
		return -ENOENT;
	}
	if (!p) {
		if (e->n == ELECTION_MAX)
			return -ENOSPC;
		p = &e->peer[e->n++];
		*p = (struct election_peer){0};
		new = e->greet = true;
	}
	if (!strcmp(a->id, e->ruler) && a->standing == STANDING_OUT)
		e->loss = "master leaves";
	ms = ms < INTERVAL_MIN_MS ? INTERVAL_MIN_MS : ms > INTERVAL_MAX_MS ? INTERVAL_MAX_MS : ms;
	p->said = *a;
	p->heard_at = now;
	p->expires = now + e->conf.misses * (ns_t)ms * NS_MS;
	p->announcements++;
	if (new)
		meet(e, p, now);
	return 0;
}

bool election_goodbye(struct election *e, const char *id)
{
	struct election_peer *p = find(e, id);

	if (p)
		forget(e, p, "goodbye of the master");
	return p != NULL;
}

bool election_doubt(struct election *e, const char *id, ns_t now)
{
	struct election_peer *p = find(e, id);

	if (!p || now < p->sure_until)
		return false;
	p->sure_until = now + e->conf.hold;
	if (p->heed_at < now + e->conf.interval / 8)
		p->heed_at = now + e->conf.interval / 8;
	if (!strcmp(id, e->ruler))
		e->loss = "connection of the master closed";
	return true;
}

/* The best of the others that counts now; NULL: nobody is eligible. */
static const struct election_peer *best_peer(const struct election *e)
{
	const struct election_peer *best = NULL;

	for (int i = 0; i < e->n; i++) {
		const struct election_peer *p = &e->peer[i];
		const struct announce *a = &p->said;

		if (a->standing == STANDING_OUT || p->heard_at < p->heed_at)
			continue;
		if (!best || a->standing > best->said.standing ||
			(a->standing == best->said.standing &&
				order(&a->addr, a->id, &best->said.addr, best->said.id) < 0))
			best = p;
	}
	return best;
}

/* FNV-1a and a finalizer: not keyed, but evenly spread also for names that differ in a digit. */
static uint64_t weight(const char *address, const char *id)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (const char *s = address; *s; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(1099511628211);
	for (const char *s = id; *s; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(1099511628211);
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

struct candidate {
	const char *id;
	enum announce_standing standing;
	uint64_t weight;
};

static bool precedes(const struct candidate *x, const struct candidate *y)
{
	if (!y->id || x->standing != y->standing)
		return !y->id || x->standing > y->standing;
	return x->weight != y->weight ? x->weight > y->weight : strcmp(x->id, y->id) < 0;
}

const char *election_owner(const struct election *e, const struct addr *address)
{
	struct candidate best = {0};
	char text[ADDR_STRLEN];

	addr_host(address, text);
	if (e->standing != STANDING_OUT && !e->listening)
		best = (struct candidate){e->id, e->standing, weight(text, e->id)};
	for (int i = 0; i < e->n; i++) {
		const struct election_peer *p = &e->peer[i];
		struct candidate c = {p->said.id, p->said.standing, weight(text, p->said.id)};

		if (c.standing != STANDING_OUT && p->heard_at >= p->heed_at && precedes(&c, &best))
			best = c;
	}
	return best.id ? best.id : "";
}

static uint64_t owned_now(const struct election *e)
{
	uint64_t owned = 0;

	for (int i = 0; i < e->conf.addresses; i++)
		if (!strcmp(election_owner(e, &e->conf.address[i]), e->id))
			owned |= UINT64_C(1) << i;
	return owned;
}

static const char *why_backup(const struct election *e, const struct election_peer *best, ns_t now)
{
	if (e->standing == STANDING_OUT)
		return "not ready";
	if (now < e->listen_until)
		return "listening";
	return best->said.standing > e->standing ? "held" : "higher address";
}

static const char *why_master(const struct election *e)
{
	if (e->loss)
		return e->loss;
	return e->n ? "lowest address" : "alone";
}

bool election_step(struct election *e, ns_t now)
{
	const struct election_peer *best;
	enum announce_standing before = e->standing;
	bool was = e->master, greet = e->greet, better;

	expire(e, now);
	best = best_peer(e);
	e->standing = standing_now(e, now);
	better = best && (best->said.standing > e->standing ||
				 (best->said.standing == e->standing && lower(e, &best->said)));
	e->listening = now < e->listen_until;
	e->heir = !e->listening && !better;
	e->master = e->standing != STANDING_OUT && e->heir;
	if (!e->master)
		e->reason = why_backup(e, best, now);
	else if (!was)
		e->reason = why_master(e);
	snprintf(e->ruler, sizeof(e->ruler), "%s", e->master ? e->id : best ? best->said.id : "");
	if (best || e->master)
		e->loss = NULL;
	e->greet = false;
	e->owned = owned_now(e);
	return e->master != was || e->standing != before || greet;
}

ns_t election_when(const struct election *e, ns_t now)
{
	ns_t when = NS_NEVER;

	if (now < e->listen_until)
		when = e->listen_until;
	if (now < e->held_until && e->held_until < when)
		when = e->held_until;
	for (int i = 0; i < e->n; i++) {
		if (e->peer[i].expires < when)
			when = e->peer[i].expires;
	}
	return when;
}

void election_announce(const struct election *e, struct announce *a)
{
	*a = (struct announce){.role = ROLE_ARN,
		.addr = e->addr,
		.healthy = e->standing != STANDING_OUT,
		.interval_ms = (uint32_t)(e->conf.interval / NS_MS),
		.block = e->conf.block,
		.standing = e->standing,
		.master = e->master};
	memcpy(a->id, e->id, sizeof(a->id));
}

const char *election_standing_str(enum announce_standing s)
{
	switch (s) {
	case STANDING_OUT: return "out";
	case STANDING_HELD: return "held";
	case STANDING_READY: return "ready";
	}
	return "?";
}

unsigned election_active(const struct election *e, unsigned *turn)
{
	unsigned n = 1;

	*turn = 0;
	for (int i = 0; i < e->n; i++) {
		const struct announce *said = &e->peer[i].said;

		if (e->conf.all ? said->standing == STANDING_OUT : !said->master)
			continue;
		n++;
		*turn += e->addr.sa.sa_family == AF_UNSPEC || addr_cmp(&said->addr, &e->addr) < 0;
	}
	return n;
}
