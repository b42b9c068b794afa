/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"

#define SET_MAX 8

/* The records of one name and type, or the name that it is an alias of. */
struct rrset {
	char alias[DNS_NAME]; /* "": none */
	int n;
	struct {
		uint16_t priority, weight, port;
		char target[DNS_NAME];
		struct addr addr;
	} rr[SET_MAX];
};

struct resolver {
	struct soft *records;
	resolve_query_fn *query;
	void *arg;
};

struct resolver *resolver_new(const struct soft_conf *c, resolve_query_fn *query, void *arg)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->records = soft_new(c, free);
	if (!r->records) {
		free(r);
		return NULL;
	}
	r->query = query;
	r->arg = arg;
	return r;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	soft_free(r->records);
	free(r);
}

void resolver_set_conf(struct resolver *r, const struct soft_conf *c)
{
	soft_set_conf(r->records, c);
}

struct soft *resolver_records(struct resolver *r)
{
	return r->records;
}

#define KEY_LEN (DNS_NAME + 8)

static const char *key_of(const char *name, enum dns_type type, char key[KEY_LEN])
{
	snprintf(key, KEY_LEN, "%s %s", dns_type_str(type), name);
	return key;
}

/* ---- what an answer means ---- */

static const struct dns_rr *alias_of(const struct dns_msg *m, const char *name)
{
	for (int i = 0; i < m->rrs; i++)
		if (m->rr[i].type == DNS_CNAME && strcmp(m->rr[i].owner, name) == 0)
			return &m->rr[i];
	return NULL;
}

/* Follows the aliases inside of the answer: the last name, the smallest TTL. False: in circles. */
static bool follow(const struct dns_msg *m, const char **name, uint32_t *ttl)
{
	const struct dns_rr *rr;

	for (int hops = 0; (rr = alias_of(m, *name)) != NULL; hops++) {
		if (hops == RESOLVE_ALIASES)
			return false;
		*name = rr->target;
		if (rr->ttl < *ttl)
			*ttl = rr->ttl;
	}
	return true;
}

static void collect(const struct dns_msg *m, const char *name, struct rrset *set, uint32_t *ttl)
{
	for (int i = 0; i < m->rrs && set->n < SET_MAX; i++) {
		const struct dns_rr *rr = &m->rr[i];

		if (rr->type != m->type || strcmp(rr->owner, name) != 0)
			continue;
		if (rr->ttl < *ttl)
			*ttl = rr->ttl;
		if (rr->type == DNS_SRV && !*rr->target)
			continue; /* ".": decidedly not available */
		set->rr[set->n].priority = rr->priority;
		set->rr[set->n].weight = rr->weight;
		set->rr[set->n].port = rr->port;
		set->rr[set->n].addr = rr->addr;
		memcpy(set->rr[set->n].target, rr->target, sizeof(rr->target));
		set->n++;
	}
}

void resolver_answer(
	struct resolver *r, const char *name, enum dns_type type, const struct dns_msg *m, ns_t now)
{
	char key[KEY_LEN];
	struct soft_entry *e = soft_find(r->records, key_of(name, type, key));
	uint32_t ttl = UINT32_MAX;
	const char *last = m->name;
	struct rrset *set;

	if (!e || !e->flying)
		return;
	if (strcmp(m->name, name) != 0 || m->type != type)
		return soft_fail(r->records, e, "an answer to another question", now);
	if (!follow(m, &last, &ttl))
		return soft_fail(r->records, e, "aliases (CNAME) in circles", now);
	set = calloc(1, sizeof(*set));
	if (!set)
		return soft_fail(r->records, e, "out of memory", now);
	collect(m, last, set, &ttl);
	if (!set->n && last != m->name && m->rcode == DNS_NOERROR && !m->has_soa)
		memcpy(set->alias, last, DNS_NAME);
	if (set->n || *set->alias)
		return soft_answer(r->records, e, set, (ns_t)ttl * NS_S, now);
	free(set);
	soft_deny(r->records, e,
		m->rcode == DNS_NXDOMAIN ? "there is no such name" : "the name has no such record",
		(ns_t)(m->has_soa ? m->negative_ttl : 0) * NS_S, now);
}

void resolver_failure(
	struct resolver *r, const char *name, enum dns_type type, const char *why, ns_t now)
{
	char key[KEY_LEN];
	struct soft_entry *e = soft_find(r->records, key_of(name, type, key));

	if (e && e->flying)
		soft_fail(r->records, e, why, now);
}

void resolver_abandon(struct resolver *r)
{
	soft_ground(r->records);
}

/* ---- the walk ---- */

struct walk {
	struct resolver *r;
	bool ask;
	ns_t now;
	struct resolved *out;
};

static void explain(struct walk *w, enum dns_type type, const char *name, const char *why)
{
	snprintf(w->out->why, sizeof(w->out->why), "%s %s: %s", name, dns_type_str(type), why);
}

/* The records of a name, aliases followed. *set is the records', until the next answer. */
static enum resolve_state look(
	struct walk *w, const char *name, enum dns_type type, const struct rrset **set)
{
	enum resolve_state worst = RESOLVE_FRESH;
	char at[DNS_NAME], key[KEY_LEN];

	snprintf(at, sizeof(at), "%s", name);
	for (int hops = 0; hops <= RESOLVE_ALIASES; hops++) {
		struct soft *s = w->r->records;
		struct soft_entry *e;

		key_of(at, type, key);
		e = w->ask ? soft_use(s, key, w->now) : soft_find(s, key);
		if (!e) {
			explain(w, type, at, w->ask ? "too many names at once" : "not asked for");
			return RESOLVE_FAILED;
		}
		if (w->ask && soft_due(e, w->now)) {
			soft_fly(e);
			w->r->query(w->r->arg, at, type);
		}
		switch (soft_state(e, w->now)) {
		case SOFT_NOTHING: return RESOLVE_PENDING;
		case SOFT_DENIED: explain(w, type, at, e->reason); return RESOLVE_DENIED;
		case SOFT_FAILED: explain(w, type, at, e->reason); return RESOLVE_FAILED;
		case SOFT_STALE:
			worst = RESOLVE_STALE;
			if (e->failures)
				explain(w, type, at, e->reason);
			else
				w->out->asking = true;
			break;
		case SOFT_FRESH: break;
		}
		*set = e->value;
		if (!*(*set)->alias)
			return worst;
		memcpy(at, (*set)->alias, sizeof(at));
	}
	explain(w, type, name, "too long a chain of aliases (CNAME)");
	return RESOLVE_FAILED;
}

/* The addresses of one host. FRESH or STALE: there are some. */
static enum resolve_state addresses(struct walk *w, struct origin_target *t)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA};
	enum resolve_state all = RESOLVE_DENIED;
	char before[ORIGIN_WHY], stale[ORIGIN_WHY] = "";
	const struct rrset *set;
	struct addr literal;

	t->addrs = 0;
	if (addr_parse(&literal, slice_of(t->host), t->port) == 0) {
		t->addr[t->addrs++] = literal;
		return RESOLVE_FRESH;
	}
	memcpy(before, w->out->why, sizeof(before));
	for (int i = 0; i < 2; i++) {
		enum resolve_state s = look(w, t->host, types[i], &set);

		if (s == RESOLVE_FRESH || s == RESOLVE_STALE) {
			/* Room for the other family, too. */
			int room = i == 0 ? ORIGIN_ADDRS / 2 : ORIGIN_ADDRS;

			for (int k = 0; k < set->n && t->addrs < room; k++) {
				t->addr[t->addrs] = set->rr[k].addr;
				addr_set_port(&t->addr[t->addrs++], t->port);
			}
			if (s == RESOLVE_STALE) {
				w->out->state = RESOLVE_STALE;
				memcpy(stale, w->out->why, sizeof(stale));
			}
		} else if (!t->addrs && all != RESOLVE_PENDING) {
			all = s == RESOLVE_DENIED ? all : s;
		}
	}
	if (!t->addrs)
		return all;
	/* That a host lacks the other family is no trouble to tell of. */
	memcpy(w->out->why, *stale ? stale : before, sizeof(before));
	return RESOLVE_FRESH;
}

static void begin(struct walk *w, struct resolved *out)
{
	out->state = RESOLVE_FRESH;
	out->asking = false;
	out->targets = 0;
	out->why[0] = '\0';
	w->out = out;
}

void resolve_host(struct resolver *r, const char *host, uint16_t port, bool ask, ns_t now,
	struct resolved *out)
{
	struct walk w = {.r = r, .ask = ask, .now = now};
	struct origin_target *t = &out->target[0];
	enum resolve_state s;

	begin(&w, out);
	*t = (struct origin_target){.port = port};
	snprintf(t->host, sizeof(t->host), "%s", host);
	s = addresses(&w, t);
	if (s == RESOLVE_FRESH)
		out->targets = 1;
	else
		out->state = s;
}

static void take_targets(struct walk *w, const struct rrset *set)
{
	struct resolved *out = w->out;
	enum resolve_state none = RESOLVE_DENIED;

	for (int i = 0; i < set->n && out->targets < ORIGIN_TARGETS; i++) {
		struct origin_target *t = &out->target[out->targets];
		enum resolve_state s;

		*t = (struct origin_target){.priority = set->rr[i].priority,
			.weight = set->rr[i].weight,
			.port = set->rr[i].port};
		memcpy(t->host, set->rr[i].target, sizeof(t->host));
		s = addresses(w, t);
		if (s == RESOLVE_FRESH)
			out->targets++;
		else if (none == RESOLVE_DENIED || s == RESOLVE_PENDING)
			none = s;
	}
	if (!out->targets)
		out->state = none;
	else if (out->state == RESOLVE_FRESH)
		out->why[0] = '\0';
}

void resolve_service(struct resolver *r, const char (*names)[DNS_NAME], int n, bool ask, ns_t now,
	struct resolved *out)
{
	struct walk w = {.r = r, .ask = ask, .now = now};
	const struct rrset *found;
	struct rrset set;
	enum resolve_state s = RESOLVE_DENIED;

	begin(&w, out);
	for (int i = 0; i < n && s == RESOLVE_DENIED; i++)
		s = look(&w, names[i], DNS_SRV, &found);
	out->state = s;
	if (s != RESOLVE_FRESH && s != RESOLVE_STALE)
		return;
	out->why[0] = s == RESOLVE_STALE ? out->why[0] : '\0';
	set = *found; /* a question for an address may be answered from within */
	take_targets(&w, &set);
}

/* ---- for operators ---- */

void resolver_describe(const struct soft_entry *e, struct js *o)
{
	const struct rrset *set = e->value;
	struct js *list = js_array();
	char text[ADDR_STRLEN + DNS_NAME + 32];

	for (int i = 0; set && i < set->n; i++) {
		if (set->rr[i].addr.sa.sa_family != AF_UNSPEC)
			addr_host(&set->rr[i].addr, text);
		else
			snprintf(text, sizeof(text), "%u %u %u %s", set->rr[i].priority,
				set->rr[i].weight, set->rr[i].port, set->rr[i].target);
		js_push_str(list, text);
	}
	if (set && *set->alias) {
		snprintf(text, sizeof(text), "CNAME %s", set->alias);
		js_push_str(list, text);
	}
	js_put(o, "records", list);
}
