/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/naming.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/resolve.h"
#include "lib/dns.h"
#include "lib/event.h"
#include "lib/log.h"

#define SETTLE (2 * NS_MS)  /* answers that come together are published together */
#define LOOK   (1 * NS_S)   /* for times that are over, and marks of use */
#define FETCH  (120 * NS_S) /* after the last use: how long it is kept fresh */
#define IDLE   (600 * NS_S) /* after it: how long it is remembered */

/* Something that requests wanted to know. */
struct item {
	struct prime_state about;
	ns_t used;
	bool pinned;              /* of a service that is configured: known ahead of demand */
	struct origin_fact *fact; /* what is published of it, or NULL: nothing yet */
};

struct naming {
	struct loop *loop;
	struct naming_conf conf; /* its rules are `rule` */
	struct origin_rule *rule;
	naming_publish_fn *publish;
	void *arg;
	struct dns *dns;
	struct resolver *resolver;
	struct loop_timer *timer;
	struct item *item; /* conf.soft.entries at most */
	int items;
	struct naming_counters count;
	struct log_limit log_failure;
};

/* ---- the DNS ---- */

struct question {
	struct naming *n;
	enum dns_type type;
	char name[DNS_NAME];
};

static void soon(struct naming *n)
{
	loop_timer_at(n->timer, loop_now(n->loop) + SETTLE);
}

static void on_answer(void *arg, int err, const struct dns_msg *m)
{
	struct question *q = arg;
	struct naming *n = q->n;
	ns_t now = loop_now(n->loop);
	char why[SOFT_REASON];

	if (!err) {
		n->count.answers++;
		n->count.denials += m->rcode == DNS_NXDOMAIN || !m->rrs;
		resolver_answer(n->resolver, q->name, q->type, m, now);
	} else {
		n->count.failures++;
		snprintf(why, sizeof(why), "%s (name servers: %.100s)", dns_strerror(err),
			dns_servers(n->dns));
		log_limited(&n->log_failure, NLOG_WARN, "%s %s: %s", q->name, dns_type_str(q->type),
			why);
		resolver_failure(n->resolver, q->name, q->type, why, now);
	}
	free(q);
	soon(n);
}

static void ask(void *arg, const char *name, enum dns_type type)
{
	struct naming *n = arg;
	struct question *q = malloc(sizeof(*q));

	if (!q)
		return resolver_failure(
			n->resolver, name, type, "out of memory", loop_now(n->loop));
	*q = (struct question){.n = n, .type = type};
	snprintf(q->name, sizeof(q->name), "%s", name);
	n->count.queries++;
	dns_query(n->dns, q->name, type, on_answer, q);
}

/* ---- what is known ---- */

static int names_of(
	const struct naming *n, const struct prime_state *about, char names[2][DNS_NAME])
{
	const char *service = origin_service_str(about->service);
	int count = 0;

	if (n->conf.form != ORIGIN_FORM_PATENT)
		count += origin_name(
			ORIGIN_FORM_RFC2782, &about->anycast, service, n->conf.zone, names[count]);
	if (n->conf.form != ORIGIN_FORM_RFC2782)
		count += origin_name(
			ORIGIN_FORM_PATENT, &about->anycast, service, n->conf.zone, names[count]);
	return count;
}

static void find_out(struct naming *n, const struct prime_state *about, bool fetch, ns_t now,
	struct resolved *out)
{
	char names[2][DNS_NAME];

	if (*about->host)
		resolve_host(
			n->resolver, about->host, addr_port(&about->origin[0]), fetch, now, out);
	else
		resolve_service(n->resolver, (const char(*)[DNS_NAME])names,
			names_of(n, about, names), fetch, now, out);
}

/* NULL: nothing can be said yet (or there is no memory). */
static struct origin_fact *make_fact(const struct prime_state *about, const struct resolved *r)
{
	struct origin_fact *f;

	if (r->state == RESOLVE_PENDING)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	atomic_init(&f->refs, 1);
	origin_key(about, f->key);
	f->state = r->state == RESOLVE_DENIED   ? ORIGIN_DENIED
	           : r->state == RESOLVE_FAILED ? ORIGIN_FAILED
	           : r->asking                  ? ORIGIN_OLD
	                                        : ORIGIN_READY;
	memcpy(f->why, r->why, sizeof(f->why));
	f->targets = r->targets;
	memcpy(f->target, r->target, (size_t)r->targets * sizeof(r->target[0]));
	return f;
}

static bool same_fact(const struct origin_fact *a, const struct origin_fact *b)
{
	if (!a || !b)
		return a == b;
	return a->state == b->state && !strcmp(a->why, b->why) && a->targets == b->targets &&
	       !memcmp(a->target, b->target, (size_t)a->targets * sizeof(a->target[0]));
}

static void tell(struct naming *n, const struct origin_fact *was, const struct origin_fact *f)
{
	bool usable = f->state <= ORIGIN_OLD;
	struct js *o;

	if (was && (was->state <= ORIGIN_OLD) == usable && !strcmp(was->why, f->why))
		return;
	if (!usable)
		log_limited(&n->log_failure, NLOG_WARN, "origin of %s: %s", f->key, f->why);
	o = js_object();
	js_put_str(o, "origin", f->key);
	js_put_str(o, "state", !usable ? "lost" : *f->why ? "stale" : "known");
	js_put_str(o, "reason", *f->why ? f->why : NULL);
	event_emit("origin", loop_now(n->loop), o);
}

/* Walks for one item. True when what is published of it has changed. */
static bool renew(struct naming *n, struct item *i, ns_t now)
{
	struct resolved r;
	struct origin_fact *f;

	find_out(n, &i->about, i->pinned || now - i->used < FETCH, now, &r);
	/* A value that is too old, or was flushed, and is being asked for anew: until then nothing. */
	f = make_fact(&i->about, &r);
	if (same_fact(i->fact, f)) {
		origin_fact_unref(f);
		return false;
	}
	if (f)
		tell(n, i->fact, f);
	origin_fact_unref(i->fact);
	i->fact = f;
	return true;
}

static void publish(struct naming *n)
{
	struct origin_fact **fact = calloc((size_t)n->items + 1, sizeof(*fact));
	struct origins *o;
	int facts = 0;

	if (!fact)
		return;
	for (int i = 0; i < n->items; i++)
		if (n->item[i].fact)
			fact[facts++] = n->item[i].fact;
	o = origins_new(n->rule, n->conf.rules, fact, facts);
	free(fact);
	if (!o)
		return;
	n->publish(n->arg, o);
	origins_unref(o);
}

static void forget(struct naming *n, int i)
{
	origin_fact_unref(n->item[i].fact);
	n->item[i] = n->item[--n->items];
}

static void look(void *arg)
{
	struct naming *n = arg;
	ns_t now = loop_now(n->loop);
	bool changed = false;

	for (int i = n->items - 1; i >= 0; i--) {
		struct item *it = &n->item[i];

		if (it->fact &&
			atomic_exchange_explicit(&it->fact->used, false, memory_order_relaxed))
			it->used = now;
		if (!it->pinned && now - it->used >= IDLE) {
			changed |= it->fact != NULL;
			forget(n, i);
		} else {
			changed |= renew(n, it, now);
		}
	}
	soft_expire(resolver_records(n->resolver), IDLE + n->conf.soft.stale, now);
	if (changed)
		publish(n);
	loop_timer_at(n->timer, n->items ? loop_now(n->loop) + LOOK : NS_NEVER);
}

/* ---- what is wanted ---- */

static struct item *find_item(struct naming *n, const struct prime_state *about)
{
	char key[ORIGIN_KEY], other[ORIGIN_KEY];

	origin_key(about, key);
	for (int i = 0; i < n->items; i++)
		if (!strcmp(origin_key(&n->item[i].about, other), key))
			return &n->item[i];
	return NULL;
}

/* The one that was used the longest ago gives way. */
static struct item *new_item(struct naming *n)
{
	int oldest = -1;

	if (n->items == n->conf.soft.entries) {
		for (int i = 0; i < n->items; i++)
			if (!n->item[i].pinned &&
				(oldest < 0 || n->item[i].used < n->item[oldest].used))
				oldest = i;
		if (oldest < 0)
			return NULL;
		forget(n, oldest);
	}
	n->item[n->items] = (struct item){.used = 0};
	return &n->item[n->items++];
}

static struct item *want(struct naming *n, const struct prime_state *about)
{
	struct item *i = find_item(n, about);

	if (!i) {
		i = new_item(n);
		if (!i)
			return NULL;
		i->about = *about;
	}
	i->used = loop_now(n->loop);
	return i;
}

void naming_want(struct naming *n, const struct want *w)
{
	struct item *i;

	if (!n->dns)
		return;
	i = want(n, &w->state);
	if (i && renew(n, i, i->used))
		publish(n);
	if (n->items == 1 || (i && !i->fact))
		soon(n);
}

static void about_host(const char *host, uint16_t port, struct prime_state *about)
{
	*about = (struct prime_state){.service = SERVICE_HTTP, .origins = 1};
	snprintf(about->host, sizeof(about->host), "%s", host);
	about->origin[0] = addr_any(AF_INET, port);
}

const struct origin_fact *naming_host(struct naming *n, const char *host, uint16_t port)
{
	struct prime_state about;
	const struct item *i;

	about_host(host, port, &about);
	i = find_item(n, &about);
	return i ? i->fact : NULL;
}

const struct origin_fact *naming_cas(struct naming *n, const struct addr *anycast)
{
	const struct prime_state about = {.service = ORIGIN_CAS, .anycast = *anycast};
	const struct item *i = find_item(n, &about);

	return i ? i->fact : NULL;
}

static void pin_host(struct naming *n)
{
	struct prime_state about;
	struct item *i;

	if (!*n->conf.host)
		return;
	about_host(n->conf.host, n->conf.port, &about);
	i = want(n, &about);
	if (i)
		i->pinned = true;
}

static void pin(struct naming *n, unsigned service, const struct addr *anycast)
{
	const struct prime_state about = {.service = service, .anycast = *anycast};
	struct item *i = want(n, &about);

	if (i)
		i->pinned = true;
}

static void pin_services(struct naming *n)
{
	for (int i = 0; i < n->items; i++)
		n->item[i].pinned = false;
	for (int r = 0; r < n->conf.rules; r++) {
		if (n->rule[r].method != ORIGIN_SRV)
			continue;
		if (n->conf.serves[TEXT_HTTP])
			pin(n, SERVICE_HTTP, &n->rule[r].anycast);
		if (n->conf.serves[TEXT_RTSP])
			pin(n, SERVICE_RTSP, &n->rule[r].anycast);
		if (n->conf.serves[TEXT_RTSP] && n->conf.cas)
			pin(n, ORIGIN_CAS, &n->rule[r].anycast);
	}
}

/* ---- configuration, life ---- */

static struct dns *open_dns(struct naming *n, const struct naming_conf *c, int *err)
{
	struct dns_conf d = {.server = c->servers.addr,
		.servers = c->servers.n,
		.timeout = c->timeout,
		.tries = c->tries};

	return dns_new(n->loop, &d, err);
}

int naming_set_conf(struct naming *n, const struct naming_conf *c)
{
	struct origin_rule *rule = calloc((size_t)c->rules + 1, sizeof(*rule));
	struct item *item = calloc((size_t)c->soft.entries, sizeof(*item));
	bool asks = c->rules || *c->host;
	struct dns *dns = NULL;
	int err = -ENOMEM;

	if (rule && item && asks)
		dns = open_dns(n, c, &err);
	if (!rule || !item || (asks && !dns)) {
		free(rule);
		free(item);
		return err;
	}
	if (c->rules)
		memcpy(rule, c->rule, (size_t)c->rules * sizeof(*rule));
	/* Questions under way end with the old one's sockets: they are asked anew. */
	dns_free(n->dns);
	n->dns = dns;
	resolver_abandon(n->resolver);
	while (n->items > c->soft.entries)
		forget(n, n->items - 1);
	if (n->items)
		memcpy(item, n->item, (size_t)n->items * sizeof(*item));
	free(n->item);
	free(n->rule);
	n->item = item;
	n->rule = rule;
	n->conf = *c;
	n->conf.rule = NULL;
	resolver_set_conf(n->resolver, &c->soft);
	if (dns) {
		pin_services(n);
		pin_host(n);
	}
	while (!dns && n->items)
		forget(n, 0);
	publish(n);
	soon(n);
	return 0;
}

struct naming *naming_new(struct loop *l, const struct naming_conf *c, naming_publish_fn *publish,
	void *arg, int *err)
{
	struct naming *n = calloc(1, sizeof(*n));

	*err = -ENOMEM;
	if (!n)
		return NULL;
	n->loop = l;
	n->publish = publish;
	n->arg = arg;
	n->log_failure = (struct log_limit)LOG_LIMIT_INIT;
	n->timer = loop_timer_new(l, look, n);
	n->resolver = resolver_new(&c->soft, ask, n);
	if (n->timer && n->resolver)
		*err = naming_set_conf(n, c);
	if (*err) {
		naming_free(n);
		return NULL;
	}
	return n;
}

void naming_free(struct naming *n)
{
	if (!n)
		return;
	dns_free(n->dns);
	loop_timer_free(n->timer);
	while (n->items)
		forget(n, 0);
	resolver_free(n->resolver);
	free(n->item);
	free(n->rule);
	free(n);
}

/* ---- for operators ---- */

int naming_flush(struct naming *n, const char *name)
{
	static const enum dns_type types[] = {DNS_SRV, DNS_A, DNS_AAAA};
	struct soft *s = resolver_records(n->resolver);
	int flushed = 0;

	if (!name)
		flushed = soft_flush(s, NULL);
	for (int i = 0; name && i < 3; i++) {
		char key[DNS_NAME + 8];

		snprintf(key, sizeof(key), "%s %.*s", dns_type_str(types[i]), DNS_NAME - 1, name);
		flushed += soft_flush(s, key);
	}
	soon(n);
	return flushed;
}

static struct js *describe_origin(const struct item *i, ns_t now)
{
	static const char *const states[] = {"known", "asking", "denied", "failed"};
	char key[ORIGIN_KEY], text[ADDR_STRLEN];
	struct js *o = js_object(), *list = js_array();

	js_put_str(o, "origin", origin_key(&i->about, key));
	js_put_str(o, "state",
		!i->fact                                          ? "asking"
		: i->fact->state == ORIGIN_READY && *i->fact->why ? "stale"
								  : states[i->fact->state]);
	js_put_str(o, "reason", i->fact && *i->fact->why ? i->fact->why : NULL);
	for (int k = 0; i->fact && k < i->fact->targets; k++) {
		const struct origin_target *t = &i->fact->target[k];
		struct js *to = js_object(), *addrs = js_array();

		js_put_str(to, "host", t->host);
		js_put_int(to, "port", t->port);
		js_put_int(to, "priority", t->priority);
		js_put_int(to, "weight", t->weight);
		for (int a = 0; a < t->addrs; a++)
			js_push_str(addrs, addr_host(&t->addr[a], text));
		js_put(to, "addresses", addrs);
		js_push(list, to);
	}
	js_put(o, "targets", list);
	js_put_real(o, "used_s_ago", (double)(now - i->used) / NS_S);
	return o;
}

void naming_describe(const struct naming *n, struct js *o)
{
	struct js *origins = js_array(), *records = js_array();
	ns_t now = loop_now(n->loop);

	for (int i = 0; i < n->items; i++)
		js_push(origins, describe_origin(&n->item[i], now));
	for (struct soft_entry *e = soft_first(resolver_records(n->resolver)); e;
		e = soft_after(e)) {
		struct js *r = js_object();

		js_put_str(r, "record", e->key);
		js_put_str(r, "state", soft_state_str(soft_state(e, now)));
		js_put_real(r, "for_s", e->until > now ? (double)(e->until - now) / NS_S : 0);
		js_put_str(r, "reason", *e->reason ? e->reason : NULL);
		resolver_describe(e, r);
		js_push(records, r);
	}
	js_put_str(o, "servers", n->dns ? dns_servers(n->dns) : NULL);
	js_put(o, "origins", origins);
	js_put(o, "records", records);
}

const struct naming_counters *naming_counters(const struct naming *n)
{
	return &n->count;
}

int naming_origins(const struct naming *n)
{
	return n->items;
}
