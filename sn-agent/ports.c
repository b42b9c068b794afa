/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILED (60 * NS_S) /* a number that could not be listened at rests that long */

/* A number of the range: bound to a state, or at rest. */
struct slot {
	struct port *port;  /* NULL: free, or at rest */
	uint64_t rests_for; /* the state that had it, which may have it back */
	ns_t rests_until;
};

struct ports {
	struct ports_conf conf;
	char name[ANNOUNCE_ID_LEN];
	uint64_t generation;
	bool draining;
	int slots, bound;
	struct slot slot[];
};

struct ports *ports_new(const struct ports_conf *c, const char *name, uint64_t generation)
{
	int n = c->first ? c->last - c->first + 1 : 0;
	struct ports *t = calloc(1, sizeof(*t) + (size_t)n * sizeof(t->slot[0]));

	if (!t)
		return NULL;
	t->conf = *c;
	t->slots = n;
	t->generation = generation;
	snprintf(t->name, sizeof(t->name), "%s", name);
	return t;
}

void ports_free(struct ports *t)
{
	if (!t)
		return;
	for (int i = 0; i < t->slots; i++)
		free(t->slot[i].port);
	free(t);
}

void ports_set_conf(struct ports *t, const struct ports_conf *c)
{
	t->conf.max = c->max;
	t->conf.lifetime = c->lifetime;
}

void ports_set_services(struct ports *t, unsigned services)
{
	t->conf.services = services;
}

uint64_t ports_generation(const struct ports *t)
{
	return t->generation;
}

void ports_set_draining(struct ports *t, bool draining)
{
	t->draining = draining;
}

static struct slot *slot_of(struct ports *t, const struct port *p)
{
	return &t->slot[p->number - t->conf.first];
}

static struct port *find(struct ports *t, const struct prime_state *q, uint64_t hash)
{
	for (int i = 0; i < t->slots; i++) {
		struct port *p = t->slot[i].port;

		if (p && p->hash == hash && prime_state_same(&p->state, q))
			return p;
	}
	return NULL;
}

/* Who was idle for longest, and not only since just now. */
static struct port *find_idle(struct ports *t, ns_t now)
{
	struct port *idle = NULL;

	for (int i = 0; i < t->slots; i++) {
		struct port *p = t->slot[i].port;

		if (p && !p->users && now - p->used_at >= PORTS_SETTLED &&
			(!idle || p->used_at < idle->used_at))
			idle = p;
	}
	return idle;
}

/* The first that is free, from the place on that the state has of its own. */
static struct slot *find_free(struct ports *t, uint64_t hash, ns_t now)
{
	int start = t->slots ? (int)(hash % (uint64_t)t->slots) : 0;

	for (int i = 0; i < t->slots; i++) {
		struct slot *s = &t->slot[(start + i) % t->slots];

		if (!s->port && (now >= s->rests_until || s->rests_for == hash))
			return s;
	}
	return NULL;
}

static struct port *bind_state(
	struct ports *t, const struct prime_state *q, uint64_t hash, ns_t now, struct port **gone)
{
	struct slot *s = find_free(t, hash, now);
	struct port *p;

	if (s && t->bound >= t->conf.max) {
		*gone = find_idle(t, now);
		if (!*gone)
			return NULL;
	}
	p = s ? calloc(1, sizeof(*p)) : NULL;
	if (!p) {
		*gone = NULL;
		return NULL;
	}
	p->number = (uint16_t)(t->conf.first + (s - t->slot));
	p->state = *q;
	p->hash = hash;
	p->used_at = now;
	*s = (struct slot){.port = p};
	t->bound++;
	return p;
}

static bool reachable(const struct ports *t, const struct prime_state *q)
{
	for (int i = 0; i < q->origins; i++)
		if (q->origin[i].sa.sa_family == t->conf.family)
			return true;
	return q->origins == 0;
}

static enum prime_status refusal(const struct ports *t, const struct prime_ask *a)
{
	if (a->generation != t->generation)
		return PRIME_GENERATION;
	if (!(t->conf.services & a->state.service))
		return PRIME_NO_SERVICE;
	if (t->draining)
		return PRIME_DRAINING;
	return reachable(t, &a->state) ? PRIME_GRANTED : PRIME_UNREACHABLE;
}

static void note_holder(struct port *p, const char *arn, const struct addr *from, ns_t until)
{
	int at = 0;

	for (int i = 0; i < PORTS_HOLDERS; i++) {
		if (!strcmp(p->holder[i].arn, arn)) {
			at = i;
			break;
		}
		if (p->holder[i].until < p->holder[at].until)
			at = i;
	}
	snprintf(p->holder[at].arn, sizeof(p->holder[at].arn), "%s", arn);
	p->holder[at].at = *from;
	p->holder[at].until = until;
}

struct port *ports_ask(struct ports *t, const struct prime_ask *a, const struct addr *from,
	ns_t now, struct prime_answer *out, struct port **gone)
{
	uint64_t hash = prime_state_hash(&a->state);
	struct port *p = NULL;

	*gone = NULL;
	*out = (struct prime_answer){
		.id = a->id, .generation = t->generation, .status = refusal(t, a)};
	memcpy(out->from, t->name, sizeof(out->from));
	memcpy(out->to, a->from, sizeof(out->to));
	if (out->status != PRIME_GRANTED)
		return NULL;
	p = find(t, &a->state, hash);
	if (!p)
		p = bind_state(t, &a->state, hash, now, gone);
	if (!p) {
		out->status = PRIME_FULL;
		return NULL;
	}
	p->state = a->state; /* where the origin is may be new */
	p->used_at = now;
	p->grants++;
	if (now + t->conf.lifetime > p->until)
		p->until = now + t->conf.lifetime;
	note_holder(p, a->from, from, now + t->conf.lifetime);
	out->port = p->number;
	out->lifetime_ms = (uint32_t)(t->conf.lifetime / NS_MS);
	return p;
}

static void unbind(struct ports *t, struct port *p, ns_t rests_until, uint64_t rests_for)
{
	*slot_of(t, p) = (struct slot){.rests_for = rests_for, .rests_until = rests_until};
	t->bound--;
	free(p);
}

void ports_fail(struct ports *t, struct port *p, ns_t now)
{
	unbind(t, p, now + FAILED, 0);
}

void ports_forget(struct ports *t, struct port *p, ns_t now)
{
	(void)now;
	unbind(t, p, p->until, p->hash);
}

void ports_enter(struct port *p, ns_t now)
{
	p->users++;
	p->connections++;
	p->used_at = now;
}

void ports_leave(struct port *p, ns_t now)
{
	p->users--;
	p->used_at = now;
}

struct port *ports_expired(struct ports *t, ns_t now)
{
	for (int i = 0; i < t->slots; i++) {
		struct port *p = t->slot[i].port;

		if (p && !p->users && now >= p->until + PORTS_GRACE)
			return p;
	}
	return NULL;
}

struct port *ports_find(const struct ports *t, uint16_t number)
{
	int i = number - t->conf.first;

	return i >= 0 && i < t->slots ? t->slot[i].port : NULL;
}

struct port *ports_at(const struct ports *t, int i)
{
	for (int k = 0; k < t->slots; k++)
		if (t->slot[k].port && i-- == 0)
			return t->slot[k].port;
	return NULL;
}

int ports_bound(const struct ports *t)
{
	return t->bound;
}
