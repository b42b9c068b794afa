/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/profiles.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/policy.h"
#include "lib/event.h"
#include "lib/http.h"
#include "lib/log.h"

#define LOOK       (1 * NS_S)
#define FETCH      (120 * NS_S) /* after the last use: how long it is kept fresh */
#define IDLE       (600 * NS_S) /* after it: how long it is remembered */
#define BODY       (64 << 10)
#define CONCURRENT 4

/* A value in the table of soft state. */
struct stored {
	struct profile profile;
	char etag[HTTP_ETAG];
};

struct profiles;

/* Under way. */
struct question {
	struct profiles *p;
	char key[ADDR_STRLEN]; /* "": free */
};

struct profiles {
	struct loop *loop;
	struct naming *naming;
	struct profiles_conf conf;
	char host[DNS_NAME]; /* of conf.url */
	uint16_t port;
	struct addr *pinned;
	profiles_publish_fn *publish;
	void *arg;
	struct http *http;
	struct soft *soft; /* keys are addresses */
	struct question asked[CONCURRENT];
	struct loop_timer *timer;
	int wants;                         /* since the timer */
	const struct profile_table *table; /* as published */
	struct profiles_counters count;
	struct log_limit log;
};

const char *profiles_check_url(const char *url, char host[DNS_NAME], uint16_t *port)
{
	static const char expected[] = "http:// or https://, a host, and a path with one %s in it";
	const char *s = strstr(url, "%s"), *slash;
	bool tls = !strncmp(url, "https://", 8);

	*host = '\0';
	*port = 0;
	if (!*url)
		return NULL;
	if (!tls && strncmp(url, "http://", 7) != 0)
		return expected;
	url += tls ? 8 : 7;
	slash = strchr(url, '/');
	if (!slash || !s || s < slash || strchr(s + 2, '%') || strchr(url, '%') != s)
		return expected;
	for (const char *z = url; *z; z++)
		if ((unsigned char)*z <= ' ' || (unsigned char)*z > '~')
			return expected;
	if (origin_split((struct slice){url, (size_t)(slash - url)}, host, port) < 0)
		return expected;
	if (!*port)
		*port = tls ? 443 : 80;
	return NULL;
}

static const char *url_of(const struct profiles *p, const char *key, char *buf, size_t cap)
{
	const char *s = strstr(p->conf.url, "%s");

	snprintf(buf, cap, "%.*s%s%s", (int)(s - p->conf.url), p->conf.url, key, s + 2);
	return buf;
}

/* ---- what is known ---- */

static struct profile_table *make_table(struct profiles *p, ns_t now)
{
	struct profile_table *t = profile_table_new(soft_count(p->soft));

	for (struct soft_entry *e = soft_first(p->soft); t && e; e = soft_after(e)) {
		enum soft_state s = soft_state(e, now);
		struct profile_fact *f = &t->fact[t->n];
		const struct stored *v = e->value;

		if (s == SOFT_NOTHING || addr_parse(&f->anycast, slice_of(e->key), 0) < 0)
			continue;
		f->there = s == SOFT_FRESH || s == SOFT_STALE;
		f->profile = f->there ? v->profile : profile_empty();
		t->n++;
	}
	if (t)
		profile_table_sort(t);
	return t;
}

static void publish(struct profiles *p, ns_t now)
{
	struct profile_table *t = make_table(p, now);

	if (!t || profile_table_same(p->table, t)) {
		profile_table_unref(t);
		return;
	}
	profile_table_unref(p->table);
	p->table = t;
	p->publish(p->arg, t);
}

/* ---- fetching ---- */

static void say(struct profiles *p, const char *key, const char *state, const char *why)
{
	char url[PROFILES_URL + ADDR_STRLEN];
	struct js *o;

	log_limited(&p->log, why ? NLOG_WARN : NLOG_INFO, "profile %s %s%s%s",
		url_of(p, key, url, sizeof(url)), state, why ? ": " : "", why ? why : "");
	if (!event_wanted())
		return;
	o = js_object();
	js_put_str(o, "address", key);
	js_put_str(o, "state", state);
	js_put_str(o, "reason", why);
	event_emit("profile", loop_now(p->loop), o);
}

static void fail(struct profiles *p, struct soft_entry *e, const char *why, ns_t now)
{
	bool first = !e->failures || strcmp(e->reason, why);

	soft_fail(p->soft, e, why, now);
	if (first)
		say(p, e->key, "not renewed", why);
}

static void take(struct profiles *p, struct soft_entry *e, const struct http_answer *a, ns_t now)
{
	const struct stored *was = e->value;
	struct stored *v = calloc(1, sizeof(*v));
	char why[PROFILE_WHY] = "out of memory", text[PROFILE_WHY + 16];

	if (!v || profile_parse(&v->profile, a->body, why) < 0) {
		p->count.bad++;
		free(v);
		snprintf(text, sizeof(text), "cannot be read: %s", why);
		return fail(p, e, text, now);
	}
	p->count.fetched++;
	snprintf(v->etag, sizeof(v->etag), "%s", a->etag);
	if (!was || !profile_same(&was->profile, &v->profile))
		say(p, e->key, "in force", *why ? why : NULL);
	soft_answer(p->soft, e, v, p->conf.soft.ttl_max, now);
}

static void on_answer(void *arg, const char *why, const struct http_answer *a)
{
	struct question *q = arg;
	struct profiles *p = q->p;
	struct soft_entry *e = soft_find(p->soft, q->key);
	ns_t now = loop_now(p->loop);
	char text[48];

	*q->key = '\0';
	if (!e)
		return;
	if (!why && a->status == 200) {
		take(p, e, a, now);
	} else if (!why && a->status == 304 && e->value) {
		p->count.unchanged++;
		soft_renew(p->soft, e, p->conf.soft.ttl_max, now);
	} else if (!why && (a->status == 404 || a->status == 410)) {
		p->count.denied++;
		if (!e->denied)
			say(p, e->key, "is not there: the configuration decides", NULL);
		soft_deny(p->soft, e, "the server has none", p->conf.soft.negative_max, now);
	} else {
		p->count.failed++;
		if (!why)
			snprintf(text, sizeof(text), "the server answers %d", a->status);
		fail(p, e, why ? why : text, now);
	}
	publish(p, now);
	profiles_wake(p);
}

/* All addresses of the server, if it has been found. False: not yet. */
static bool find_server(struct profiles *p, struct addr addr[HTTP_ADDRS], int *addrs, char *why)
{
	const struct origin_fact *f = naming_host(p->naming, p->host, p->port);

	*addrs = 0;
	if (!f)
		return false;
	for (int i = 0; i < f->targets; i++)
		for (int k = 0; k < f->target[i].addrs && *addrs < HTTP_ADDRS; k++)
			addr[(*addrs)++] = f->target[i].addr[k];
	snprintf(why, SOFT_REASON, "%.80s: %.70s", p->host, *f->why ? f->why : "has no address");
	return true;
}

/* False: it is not the time for more. */
static bool fetch(struct profiles *p, struct soft_entry *e, ns_t now)
{
	const struct stored *v = e->value;
	char url[PROFILES_URL + ADDR_STRLEN], why[SOFT_REASON];
	struct addr addr[HTTP_ADDRS];
	struct http_request r = {.url = url_of(p, e->key, url, sizeof(url)),
		.host = p->host,
		.port = p->port,
		.addr = addr,
		.etag = v ? v->etag : ""};
	struct question *q = p->asked;

	if (!find_server(p, addr, &r.addrs, why))
		return false;
	if (!r.addrs) {
		p->count.failed++;
		fail(p, e, why, now);
		return true;
	}
	while (q < p->asked + CONCURRENT && *q->key)
		q++;
	if (q == p->asked + CONCURRENT || http_get(p->http, &r, on_answer, q))
		return false;
	q->p = p;
	snprintf(q->key, sizeof(q->key), "%s", e->key);
	soft_fly(e);
	return true;
}

static void use(struct profiles *p, const struct addr *anycast, ns_t now)
{
	char key[ADDR_STRLEN];

	soft_use(p->soft, addr_host(anycast, key), now);
}

static void look(void *arg)
{
	struct profiles *p = arg;
	ns_t now = loop_now(p->loop), when;

	p->wants = 0;
	if (!*p->conf.url)
		return;
	for (int i = 0; p->table && i < p->table->n; i++) {
		struct profile_fact *f = (struct profile_fact *)&p->table->fact[i];

		if (atomic_exchange_explicit(&f->used, false, memory_order_relaxed))
			use(p, &f->anycast, now);
	}
	for (int i = 0; i < p->conf.pinned_n; i++)
		use(p, &p->pinned[i], now);
	for (struct soft_entry *e = soft_first(p->soft); e; e = soft_after(e))
		if (now - e->used < FETCH && soft_due(e, now) && !fetch(p, e, now))
			break;
	soft_expire(p->soft, IDLE, now);
	publish(p, now);
	when = soft_when(p->soft, now);
	loop_timer_at(p->timer, when < now + LOOK ? when : now + LOOK);
}

void profiles_wake(struct profiles *p)
{
	if (*p->conf.url)
		loop_timer_at(p->timer, loop_now(p->loop));
}

void profiles_want(struct profiles *p, const struct addr *anycast)
{
	if (!*p->conf.url || p->wants >= PROFILES_WANTS)
		return;
	p->wants++;
	use(p, anycast, loop_now(p->loop));
	profiles_wake(p);
}

/* ---- configuration, life ---- */

int profiles_set_conf(struct profiles *p, const struct profiles_conf *c)
{
	struct http_conf hc = {.timeout = c->timeout,
		.body_max = BODY,
		.concurrent = CONCURRENT,
		.ca_file = c->ca_file};
	struct addr *pinned = calloc((size_t)c->pinned_n + 1, sizeof(*pinned));
	struct soft *soft = soft_new(&c->soft, free);
	struct http *http = *c->url ? http_new(p->loop, &hc) : NULL;

	if (!pinned || !soft || (*c->url && !http)) {
		free(pinned);
		soft_free(soft);
		http_free(http);
		return -ENOMEM;
	}
	/* What is under way goes with the old client: its entries are taken over as not in flight. */
	http_free(p->http);
	p->http = http;
	memset(p->asked, 0, sizeof(p->asked));
	if (p->soft && !strcmp(p->conf.url, c->url)) {
		soft_free(soft);
		soft_set_conf(p->soft, &c->soft);
		soft_ground(p->soft);
	} else {
		soft_free(p->soft);
		p->soft = soft;
	}
	if (c->pinned_n)
		memcpy(pinned, c->pinned, (size_t)c->pinned_n * sizeof(*pinned));
	free(p->pinned);
	p->pinned = pinned;
	p->conf = *c;
	p->conf.pinned = NULL;
	profiles_check_url(c->url, p->host, &p->port);
	if (*c->url) {
		publish(p, loop_now(p->loop));
		profiles_wake(p);
	} else {
		profile_table_unref(p->table);
		p->table = NULL;
		p->publish(p->arg, NULL);
		loop_timer_at(p->timer, NS_NEVER);
	}
	return 0;
}

struct profiles *profiles_new(struct loop *l, struct naming *n, const struct profiles_conf *c,
	profiles_publish_fn *fn, void *arg)
{
	struct profiles *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct profiles){
		.loop = l, .naming = n, .publish = fn, .arg = arg, .log = LOG_LIMIT_INIT};
	p->timer = loop_timer_new(l, look, p);
	if (!p->timer || profiles_set_conf(p, c) < 0) {
		profiles_free(p);
		return NULL;
	}
	return p;
}

void profiles_free(struct profiles *p)
{
	if (!p)
		return;
	http_free(p->http);
	soft_free(p->soft);
	profile_table_unref(p->table);
	loop_timer_free(p->timer);
	free(p->pinned);
	free(p);
}

/* ---- for operators ---- */

static struct js *describe(const struct profile_service *s)
{
	struct js *o = js_object();

	if (s->policy)
		js_put_str(o, "policy", s->policy->name);
	if (s->bound >= 0)
		js_put_int(o, "bound", s->bound);
	if (s->affinity_limit >= 0)
		js_put_int(o, "affinity-limit", s->affinity_limit);
	if (s->session_kbps >= 0)
		js_put_int(o, "session-kbps", s->session_kbps);
	if (s->prime >= 0)
		js_put_bool(o, "prime", s->prime);
	return o;
}

struct js *profiles_show(const struct profiles *p)
{
	struct js *list = js_array();
	ns_t now = loop_now(p->loop);
	char url[PROFILES_URL + ADDR_STRLEN];

	if (!*p->conf.url)
		return list;
	for (struct soft_entry *e = soft_first(p->soft); e; e = soft_after(e)) {
		enum soft_state state = soft_state(e, now);
		const struct stored *v = e->value;
		struct js *o = js_object();

		js_put_str(o, "address", e->key);
		js_put_str(o, "url", url_of(p, e->key, url, sizeof(url)));
		js_put_str(o, "state", soft_state_str(state));
		js_put_str(o, "reason", *e->reason ? e->reason : NULL);
		js_put_real(o, "for_s", e->until > now ? (double)(e->until - now) / NS_S : 0);
		js_put_real(o, "used_s_ago", (double)(now - e->used) / NS_S);
		if (v && (state == SOFT_FRESH || state == SOFT_STALE)) {
			js_put(o, "rtsp", describe(&v->profile.of[TEXT_RTSP]));
			js_put(o, "http", describe(&v->profile.of[TEXT_HTTP]));
		}
		js_push(list, o);
	}
	return list;
}

const struct profiles_counters *profiles_counters(const struct profiles *p)
{
	return &p->count;
}

int profiles_known(const struct profiles *p)
{
	int n = 0;

	for (int i = 0; p->table && i < p->table->n; i++)
		n += p->table->fact[i].there;
	return n;
}
