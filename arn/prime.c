/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/prime.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lots.h"

struct entry {
	char node[ANNOUNCE_ID_LEN];
	struct addr to;
	uint64_t generation;
	struct prime_state state;
	uint64_t hash; /* of the state */
	int demand;    /* that it belongs to, or -1; set by prime_look */

	enum { UNKNOWN, PRIMED, REFUSED } known;
	uint16_t port;
	const char *why; /* REFUSED */
	ns_t until;      /* PRIMED: the port; REFUSED: the answer counts that long */
	ns_t sulk;       /* of the next refusal */

	uint64_t id;     /* of the request that is out; 0: none is */
	ns_t asked_at;   /* that request, first */
	ns_t next_at;    /* a request is to be sent */
	int tries;       /* of the request that is out */
	ns_t doubted_at; /* the node itself said that its generation is another; 0: it did not */
	ns_t used_at;    /* somebody was sent there, or wanted it */
	bool used_ever;  /* somebody was sent there */
	char expect[PRIME_PATH];
	struct {
		uint64_t hash;
		ns_t until;
	} told[PRIME_EXPECTS];
};

struct demand {
	struct prime_state state;
	uint64_t hash;
	ns_t used_at;
};

struct prime {
	char name[ANNOUNCE_ID_LEN];
	struct lots ids;
	struct entry *entry;
	int n, cap;
	struct demand demand[PRIME_DEMANDS];
	int demands;
	struct primed *table;
	bool stale; /* the table is older than the entries */
	struct prime_counters count;
};

struct prime *prime_new(const char *name, uint64_t seed)
{
	struct prime *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	snprintf(p->name, sizeof(p->name), "%s", name);
	lots_init(&p->ids, seed);
	return p;
}

void prime_free(struct prime *p)
{
	if (!p)
		return;
	primed_unref(p->table);
	free(p->entry);
	free(p);
}

/* ---- entries and demands ---- */

static struct entry *find(struct prime *p, const char *node, const struct prime_state *q)
{
	uint64_t hash = prime_state_hash(q);

	for (int i = 0; i < p->n; i++) {
		struct entry *e = &p->entry[i];

		if (e->hash == hash && !strcmp(e->node, node) && prime_state_same(&e->state, q))
			return e;
	}
	return NULL;
}

static void drop(struct prime *p, struct entry *e)
{
	p->stale |= e->known != UNKNOWN;
	*e = p->entry[--p->n];
}

/* A place for a new one: when all are taken, that of the one which was of no use for longest. */
static struct entry *make_room(struct prime *p, ns_t now)
{
	struct entry *oldest = NULL;

	if (p->n == p->cap && p->cap < PRIME_MAX) {
		int cap = p->cap ? 2 * p->cap : 16;
		struct entry *more = realloc(p->entry, (size_t)cap * sizeof(*more));

		if (more) {
			p->entry = more;
			p->cap = cap;
		}
	}
	if (p->n < p->cap)
		return &p->entry[p->n++];
	for (int i = 0; i < p->n; i++)
		if (!oldest || p->entry[i].used_at < oldest->used_at)
			oldest = &p->entry[i];
	if (!oldest || now - oldest->used_at < PRIME_SULK) {
		p->count.full++;
		return NULL;
	}
	drop(p, oldest);
	return &p->entry[p->n++];
}

static struct entry *add(
	struct prime *p, const struct announce *node, const struct prime_state *q, ns_t now)
{
	struct entry *e = make_room(p, now);

	if (!e)
		return NULL;
	memset(e, 0, sizeof(*e));
	snprintf(e->node, sizeof(e->node), "%s", node->id);
	e->to = node->addr;
	addr_set_port(&e->to, node->control_port);
	e->generation = node->generation;
	e->state = *q;
	e->hash = prime_state_hash(q);
	e->demand = -1;
	e->sulk = PRIME_SULK;
	e->next_at = e->used_at = now;
	return e;
}

static struct demand *find_demand(struct prime *p, const struct prime_state *q)
{
	uint64_t hash = prime_state_hash(q);

	for (int i = 0; i < p->demands; i++)
		if (p->demand[i].hash == hash && prime_state_same(&p->demand[i].state, q))
			return &p->demand[i];
	return NULL;
}

/* The state is asked of all nodes from now on, in place of the one that is longest unused. */
static void demand(struct prime *p, const struct prime_state *q, ns_t now)
{
	struct demand *d = find_demand(p, q);

	if (*q->channel)
		return;
	if (!d && p->demands < PRIME_DEMANDS)
		d = &p->demand[p->demands++];
	for (int i = 0; !d && i < p->demands; i++)
		if (i == 0 || p->demand[i].used_at < d->used_at)
			d = &p->demand[i];
	*d = (struct demand){.state = *q, .hash = prime_state_hash(q), .used_at = now};
}

/* ---- asking ---- */

static void ask(struct entry *e, ns_t now)
{
	e->id = 0;
	e->tries = 0;
	e->next_at = now;
}

static void refused(struct prime *p, struct entry *e, const char *why, ns_t now)
{
	e->id = 0;
	e->tries = 0;
	e->why = why;
	e->next_at = now + e->sulk;
	e->sulk = e->sulk * 2 > PRIME_SULK_MAX ? PRIME_SULK_MAX : e->sulk * 2;
	/* A port that it has given is good for as long as it said. */
	if (e->known == PRIMED && now < e->until)
		return;
	e->known = REFUSED;
	e->until = NS_NEVER; /* until it says something else */
	p->stale = true;
}

/* The port is no more: what was said before counts for nothing. */
static void lost(struct prime *p, struct entry *e, ns_t now)
{
	p->count.gone += e->known == PRIMED;
	p->stale |= e->known != UNKNOWN;
	e->known = UNKNOWN;
	e->sulk = PRIME_SULK;
	e->doubted_at = 0;
	ask(e, now);
}

/* The origin is somewhere else now: the port stays, and the node is told. */
static void move(struct prime *p, struct entry *e, const struct prime_state *q, ns_t now)
{
	e->state = *q;
	p->stale = true;
	ask(e, now);
}

bool prime_next(struct prime *p, struct prime_send *out, ns_t now)
{
	for (int i = 0; i < p->n; i++) {
		struct entry *e = &p->entry[i];

		if (now < e->next_at)
			continue;
		if (e->tries == PRIME_TRIES) {
			p->count.silent++;
			refused(p, e, "does not answer", now);
			continue;
		}
		if (!e->id) {
			e->id = lots_draw(&p->ids);
			e->asked_at = now;
		}
		e->next_at = now + (PRIME_RETRY << e->tries);
		e->tries++;
		p->count.asked++;
		*out = (struct prime_send){.to = e->to,
			.ask = {.id = e->id, .generation = e->generation, .state = e->state}};
		memcpy(out->ask.from, p->name, sizeof(out->ask.from));
		memcpy(out->ask.to, e->node, sizeof(out->ask.to));
		memcpy(out->ask.expect, e->expect, sizeof(out->ask.expect));
		return true;
	}
	return false;
}

ns_t prime_when(const struct prime *p)
{
	ns_t when = NS_NEVER;

	for (int i = 0; i < p->n; i++)
		if (p->entry[i].next_at < when)
			when = p->entry[i].next_at;
	return when;
}

/* ---- what the nodes say of themselves ---- */

static const struct announce *node_of(const struct snapshot *s, const char *id, int *at)
{
	int lo = 0, hi = s->nodes;

	while (lo < hi) {
		int mid = (lo + hi) / 2, c = strcmp(s->node[mid].said.id, id);

		*at = mid;
		if (c == 0)
			return &s->node[mid].said;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool can_be_primed(const struct announce *n, unsigned service)
{
	return n->control_port && (n->primes & service);
}

/* What clients were told since the last look. */
static void harvest(struct prime *p, ns_t now)
{
	for (int i = 0; p->table && i < p->table->n; i++) {
		struct primed_port *port = &p->table->port[i];
		struct entry *e;
		struct demand *d;

		if (!atomic_exchange_explicit(&port->used, false, memory_order_relaxed))
			continue;
		e = find(p, port->node, &port->state);
		d = find_demand(p, &port->state);
		if (e) {
			e->used_at = now;
			e->used_ever = true;
		}
		if (d)
			d->used_at = now;
	}
}

/* Brings an entry up to what its node says. False: there is no use for it any more. */
static bool look_at(struct prime *p, struct entry *e, const struct announce *n, ns_t now)
{
	struct addr to;

	if (!n || !can_be_primed(n, e->state.service))
		return false;
	if (now - e->used_at >= PRIME_KEEP && e->demand < 0)
		return false;
	to = n->addr;
	addr_set_port(&to, n->control_port);
	if (n->generation == e->generation)
		e->doubted_at = 0;
	/* The node may have told us of its new generation before its announcement did: then that
	 * announcement is what is late, but not for long. */
	if (addr_cmp(&to, &e->to) ||
		(n->generation != e->generation &&
			(!e->doubted_at || now - e->doubted_at >= PRIME_SULK))) {
		e->to = to;
		e->generation = n->generation;
		lost(p, e, now);
	}
	if (e->known == PRIMED && now >= e->until)
		lost(p, e, now);
	return true;
}

/* The states in demand, at the nodes that have not been asked yet. */
static void ask_all(struct prime *p, const struct snapshot *s, const uint32_t *has, ns_t now)
{
	for (int i = 0; i < s->nodes; i++) {
		const struct announce *n = &s->node[i].said;

		for (int d = 0; d < p->demands; d++) {
			if (has[i] & 1u << d || !n->healthy || n->draining || s->node[i].far ||
				!can_be_primed(n, p->demand[d].state.service))
				continue;
			if (p->n == PRIME_MAX || !add(p, n, &p->demand[d].state, now))
				return;
		}
	}
}

void prime_look(struct prime *p, const struct snapshot *s, ns_t now)
{
	uint32_t *has;

	if (!p->n && !p->demands)
		return;
	_Static_assert(PRIME_DEMANDS <= 32, "a bit for each");
	has = calloc((size_t)s->nodes + 1, sizeof(*has));
	harvest(p, now);
	for (int i = 0; i < p->demands;)
		if (now - p->demand[i].used_at >= PRIME_KEEP)
			p->demand[i] = p->demand[--p->demands];
		else
			i++;
	for (int i = 0; i < p->n;) {
		struct entry *e = &p->entry[i];
		const struct demand *d = find_demand(p, &e->state);
		int at = 0;
		const struct announce *n = node_of(s, e->node, &at);

		e->demand = d ? (int)(d - p->demand) : -1;
		if (d && prime_state_moved(&e->state, &d->state))
			move(p, e, &d->state, now);
		if (!look_at(p, e, n, now)) {
			drop(p, e);
			continue;
		}
		if (has && d)
			has[at] |= 1u << e->demand;
		i++;
	}
	if (has)
		ask_all(p, s, has, now);
	free(has);
}

/* ---- wants and answers ---- */

/* A path that the node has been told of lately needs no telling. */
static bool is_news(struct entry *e, const char *path, ns_t now)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	int oldest = 0;

	if (!*path)
		return false;
	for (const char *z = path; *z; z++)
		h = (h ^ (uint8_t)*z) * UINT64_C(0x100000001b3);
	for (int i = 0; i < PRIME_EXPECTS; i++) {
		if (e->told[i].hash == h && now < e->told[i].until)
			return false;
		if (e->told[i].until < e->told[oldest].until)
			oldest = i;
	}
	e->told[oldest].hash = h;
	e->told[oldest].until = now + PRIME_TOLD;
	return true;
}

void prime_want(struct prime *p, const struct want *w, ns_t now)
{
	struct entry *e = find(p, w->node, &w->state);

	if (w->what != WANT_PRIME)
		return;
	demand(p, &w->state, now);
	if (!e) {
		struct announce n = {0};

		/* Where it is will be known at the next look, which comes before it is asked. */
		snprintf(n.id, sizeof(n.id), "%s", w->node);
		e = add(p, &n, &w->state, now);
		if (!e)
			return;
	}
	e->used_at = now;
	if (prime_state_moved(&e->state, &w->state))
		move(p, e, &w->state, now);
	if (is_news(e, w->expect, now)) {
		memcpy(e->expect, w->expect, sizeof(e->expect));
		ask(e, now);
	}
}

static void granted(struct prime *p, struct entry *e, const struct prime_answer *a)
{
	ns_t lifetime = a->lifetime_ms * NS_MS;

	p->count.granted++;
	p->stale |= e->known != PRIMED || e->port != a->port || e->generation != a->generation;
	e->known = PRIMED;
	e->port = a->port;
	e->generation = a->generation;
	e->until = e->asked_at + lifetime;
	e->sulk = PRIME_SULK;
	e->id = 0;
	e->tries = 0;
	e->next_at = e->asked_at + lifetime / 2;
	*e->expect = '\0';
}

static struct entry *asked(struct prime *p, const struct prime_answer *a)
{
	for (int i = 0; i < p->n; i++)
		if (p->entry[i].id == a->id && !strcmp(p->entry[i].node, a->from))
			return &p->entry[i];
	return NULL;
}

static void hear_gone(struct prime *p, const struct prime_answer *a, ns_t now)
{
	for (int i = 0; i < p->n; i++) {
		struct entry *e = &p->entry[i];

		if (e->known == PRIMED && e->port == a->port && e->generation == a->generation &&
			!strcmp(e->node, a->from)) {
			lost(p, e, now);
			/* It had no room: it is not asked at once for what nobody needs now. */
			if (now - e->used_at >= PRIME_SULK)
				e->next_at = now + PRIME_SULK;
			return;
		}
	}
	p->count.strays++;
}

void prime_hear(struct prime *p, const struct prime_answer *a, ns_t now)
{
	struct entry *e;

	if (strcmp(a->to, p->name))
		p->count.strays++;
	else if (a->status == PRIME_GONE)
		hear_gone(p, a, now);
	else if (!(e = asked(p, a)))
		p->count.strays++;
	else if (a->status == PRIME_GRANTED && a->generation == e->generation)
		granted(p, e, a);
	else if (a->generation != e->generation && !e->doubted_at) {
		/* It started anew, and its announcement has not come yet. */
		e->generation = a->generation;
		lost(p, e, now);
		e->doubted_at = now;
	} else {
		p->count.refused++;
		refused(p, e, prime_status_str(a->status), now);
	}
}

/* ---- what is told ---- */

const struct primed *prime_publish(struct prime *p, ns_t now)
{
	struct primed *t;

	if (!p->stale)
		return NULL;
	harvest(p, now);
	t = primed_new(p->n);
	if (!t)
		return NULL; /* at the next opportunity */
	for (int i = 0; i < p->n; i++) {
		const struct entry *e = &p->entry[i];
		struct primed_port *port = &t->port[t->n];

		if (e->known == UNKNOWN)
			continue;
		t->n++;
		memcpy(port->node, e->node, sizeof(port->node));
		port->generation = e->generation;
		port->port = e->known == PRIMED ? e->port : 0;
		port->state = e->state;
	}
	primed_sort(t);
	primed_unref(p->table);
	p->table = t;
	p->stale = false;
	return t;
}

const struct prime_counters *prime_counters(const struct prime *p)
{
	return &p->count;
}

bool prime_view(const struct prime *p, int i, struct prime_view *v)
{
	const struct entry *e;

	if (i < 0 || i >= p->n)
		return false;
	e = &p->entry[i];
	*v = (struct prime_view){.node = e->node,
		.state = &e->state,
		.status = e->known == PRIMED    ? "primed"
	                  : e->known == REFUSED ? e->why
	                                        : "asking",
		.port = e->known == PRIMED ? e->port : 0,
		.until = e->until,
		.used_at = e->used_ever ? e->used_at : 0};
	return true;
}
