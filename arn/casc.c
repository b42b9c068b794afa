/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/casc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/event.h"
#include "lib/http.h"
#include "lib/log.h"

#define LOOK  (1 * NS_S)
#define FETCH (120 * NS_S) /* after the last use: how long it is kept fresh */
#define IDLE  (600 * NS_S) /* after it: how long it is remembered */
#define BODY  4096

/* Under way. */
struct question {
	struct casc *p;
	char url[CAS_URL]; /* "": free */
	int nth;           /* of the servers, in the order of RFC 2782 */
};

struct casc {
	struct loop *loop;
	struct naming *naming;
	struct casc_conf conf;
	casc_publish_fn *publish;
	void *arg;
	struct http *http;
	struct soft *soft; /* struct cas_answer by URL */
	struct question asked[CASC_CONCURRENT];
	struct loop_timer *timer;
	ns_t window; /* wants are counted since */
	int wants;
	const struct cas_table *table; /* as published */
	struct casc_counters count;
	struct log_limit log;
};

/* ---- what is known ---- */

static struct cas_table *make_table(struct casc *p, ns_t now)
{
	struct cas_table *t = cas_table_new(soft_count(p->soft));

	for (struct soft_entry *e = soft_first(p->soft); t && e; e = soft_after(e)) {
		enum soft_state s = soft_state(e, now);
		const struct cas_answer *a = e->value;
		struct cas_fact *f = &t->fact[t->n];

		if (s == SOFT_NOTHING)
			continue;
		snprintf(f->url, sizeof(f->url), "%s", e->key);
		f->there = a && (s == SOFT_FRESH || s == SOFT_STALE);
		if (f->there) {
			f->source = a->source;
			f->number = a->channel;
		}
		t->n++;
	}
	if (t)
		cas_table_sort(t);
	return t;
}

/* What the old table was used for is noted before it goes. */
static void note_uses(struct casc *p, ns_t now)
{
	for (int i = 0; p->table && i < p->table->n; i++) {
		struct cas_fact *f = (struct cas_fact *)&p->table->fact[i];

		if (atomic_exchange_explicit(&f->used, false, memory_order_relaxed))
			soft_use(p->soft, f->url, now);
	}
}

static void publish(struct casc *p, ns_t now)
{
	struct cas_table *t = make_table(p, now);

	if (!t || cas_table_same(p->table, t)) {
		cas_table_unref(t);
		return;
	}
	note_uses(p, now);
	cas_table_unref(p->table);
	p->table = t;
	p->publish(p->arg, t);
}

/* ---- asking ---- */

static void say(struct casc *p, const char *url, const char *state, const char *why)
{
	struct js *o;

	log_limited(&p->log, why ? NLOG_WARN : NLOG_INFO, "channel of %s %s%s%s", url, state,
		why ? ": " : "", why ? why : "");
	if (!event_wanted())
		return;
	o = js_object();
	js_put_str(o, "url", url);
	js_put_str(o, "state", state);
	js_put_str(o, "reason", why);
	event_emit("allotment", loop_now(p->loop), o);
}

static void fail(struct casc *p, struct soft_entry *e, const char *why, ns_t now)
{
	bool first = !e->failures || strcmp(e->reason, why);

	p->count.failed++;
	soft_fail(p->soft, e, why, now);
	if (first)
		say(p, e->key, "not renewed", why);
}

static void deny(struct casc *p, struct soft_entry *e, const char *why, ns_t now)
{
	p->count.denied++;
	if (!e->denied)
		say(p, e->key, "is none", NULL);
	soft_deny(p->soft, e, why, p->conf.soft.negative_max, now);
}

/* The nth server that has an address: 0. Or why there is none. */
static const char *find_server(
	const struct origin_fact *f, const char *url, int nth, struct http_request *r)
{
	int order[ORIGIN_TARGETS];

	origin_order(f, cas_number(url, 0), order);
	for (int i = 0; i < f->targets; i++) {
		const struct origin_target *t = &f->target[order[i]];

		if (!t->addrs || nth-- > 0)
			continue;
		r->host = t->host;
		r->port = t->port;
		r->addr = t->addr;
		r->addrs = t->addrs;
		return NULL;
	}
	return *f->why ? f->why : "its service has no address";
}

static void on_answer(void *arg, const char *why, const struct http_answer *a);

/* 0; -EAGAIN: it is not the time; -ENOENT with why: there is no such server. */
static int send_question(struct casc *p, struct question *q, const char **why)
{
	struct http_request r = {.etag = ""};
	char mem[DNS_NAME + 3 * CAS_URL + 64];
	const struct origin_fact *f;
	struct addr anycast;
	struct slice path;
	struct sbuf b;

	if (cas_url_parse(slice_of(q->url), &anycast, &path))
		return -EAGAIN; /* cas_url() wrote it */
	f = naming_cas(p->naming, &anycast);
	if (!f)
		return -EAGAIN;
	*why = find_server(f, q->url, q->nth, &r);
	if (*why)
		return f->state == ORIGIN_DENIED ? -ENODATA : -ENOENT;
	sbuf_init(&b, mem, sizeof(mem));
	sbuf_printf(&b,
		strchr(r.host, ':') ? "http://[%s]:%u/channel?url=" : "http://%s:%u/channel?url=",
		r.host, r.port);
	cas_put_escaped(&b, q->url);
	r.url = mem;
	return http_get(p->http, &r, on_answer, q) ? -EAGAIN : 0;
}

/* What this server says; NULL: it is settled, else why another is to be asked. */
static const char *take(struct casc *p, struct soft_entry *e, const struct http_answer *a,
	char why[CAS_WHY + 32], ns_t now)
{
	struct cas_answer *v;
	char wrong[CAS_WHY];

	if (a->status == 404) {
		deny(p, e, "the service knows no such channel", now);
		return NULL;
	}
	if (a->status != 200) {
		snprintf(why, CAS_WHY + 32, "the service answers %d", a->status);
		return why;
	}
	if (strncasecmp(a->type, "application/json", 16) != 0) {
		p->count.bad++;
		return "the answer is not of type application/json";
	}
	v = calloc(1, sizeof(*v));
	if (!v)
		return "out of memory";
	if (cas_read(v, a->body, e->key, wrong) < 0) {
		free(v);
		p->count.bad++;
		snprintf(why, CAS_WHY + 32, "the answer cannot be read: %s", wrong);
		return why;
	}
	p->count.taken++;
	if (!e->value)
		say(p, e->key, "known", NULL);
	soft_answer(p->soft, e, v, (ns_t)v->ttl * NS_S, now);
	return NULL;
}

static void on_answer(void *arg, const char *why, const struct http_answer *a)
{
	struct question *q = arg;
	struct casc *p = q->p;
	struct soft_entry *e = soft_find(p->soft, q->url);
	ns_t now = loop_now(p->loop);
	char text[CAS_WHY + 32];
	const char *none;

	if (e && !why)
		why = take(p, e, a, text, now);
	if (e && why) {
		q->nth++;
		if (!send_question(p, q, &none))
			return;
		fail(p, e, why, now);
	}
	*q->url = '\0';
	publish(p, now);
	casc_wake(p);
}

/* False: there is no room for more questions now. */
static bool ask(struct casc *p, struct soft_entry *e, ns_t now)
{
	struct question *q = p->asked;
	const char *why;
	int err;

	while (q < p->asked + CASC_CONCURRENT && *q->url)
		q++;
	if (q == p->asked + CASC_CONCURRENT)
		return false;
	*q = (struct question){.p = p};
	snprintf(q->url, sizeof(q->url), "%s", e->key);
	err = send_question(p, q, &why);
	if (!err) {
		soft_fly(e);
		return true;
	}
	*q->url = '\0';
	if (err == -ENODATA)
		deny(p, e, "its address has no such service", now);
	if (err == -ENOENT)
		fail(p, e, why, now);
	return true;
}

static void look(void *arg)
{
	struct casc *p = arg;
	ns_t now = loop_now(p->loop), when;

	if (!p->conf.ask)
		return;
	note_uses(p, now);
	for (struct soft_entry *e = soft_first(p->soft); e; e = soft_after(e))
		if (now - e->used < FETCH && soft_due(e, now) && !ask(p, e, now))
			break;
	soft_expire(p->soft, IDLE, now);
	publish(p, now);
	when = soft_when(p->soft, now);
	loop_timer_at(p->timer, when < now + LOOK ? when : now + LOOK);
}

void casc_wake(struct casc *p)
{
	if (p->conf.ask)
		loop_timer_at(p->timer, loop_now(p->loop));
}

void casc_want(struct casc *p, const struct addr *anycast, const char *path)
{
	ns_t now = loop_now(p->loop);
	char url[CAS_URL];

	if (!p->conf.ask || cas_url(anycast, slice_of(path), url))
		return;
	if (now - p->window >= NS_S) {
		p->window = now;
		p->wants = 0;
	}
	if (!soft_find(p->soft, url) && ++p->wants > CASC_WANTS)
		return;
	soft_use(p->soft, url, now);
	casc_wake(p);
}

/* ---- configuration, life ---- */

int casc_set_conf(struct casc *p, const struct casc_conf *c)
{
	/* One more than there are questions: who is asked after another is asked from within. */
	struct http_conf hc = {.timeout = c->timeout,
		.body_max = BODY,
		.concurrent = CASC_CONCURRENT + 1,
		.ca_file = ""};
	struct soft *soft = p->soft ? p->soft : soft_new(&c->soft, free);
	struct http *http = c->ask ? http_new(p->loop, &hc) : NULL;

	if (!soft || (c->ask && !http)) {
		if (soft != p->soft)
			soft_free(soft);
		http_free(http);
		return -ENOMEM;
	}
	/* What is under way goes with the old client, and is asked anew. */
	http_free(p->http);
	p->http = http;
	memset(p->asked, 0, sizeof(p->asked));
	p->soft = soft;
	soft_set_conf(p->soft, &c->soft);
	soft_ground(p->soft);
	p->conf = *c;
	if (c->ask) {
		publish(p, loop_now(p->loop));
		casc_wake(p);
	} else {
		cas_table_unref(p->table);
		p->table = NULL;
		p->publish(p->arg, NULL);
		loop_timer_at(p->timer, NS_NEVER);
	}
	return 0;
}

struct casc *casc_new(
	struct loop *l, struct naming *n, const struct casc_conf *c, casc_publish_fn *fn, void *arg)
{
	struct casc *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct casc){
		.loop = l, .naming = n, .publish = fn, .arg = arg, .log = LOG_LIMIT_INIT};
	p->timer = loop_timer_new(l, look, p);
	if (!p->timer || casc_set_conf(p, c) < 0) {
		casc_free(p);
		return NULL;
	}
	return p;
}

void casc_free(struct casc *p)
{
	if (!p)
		return;
	http_free(p->http);
	soft_free(p->soft);
	cas_table_unref(p->table);
	loop_timer_free(p->timer);
	free(p);
}

/* ---- for operators ---- */

struct js *casc_show(const struct casc *p)
{
	struct js *list = js_array();
	ns_t now = loop_now(p->loop);
	char text[ADDR_STRLEN];

	if (!p->conf.ask)
		return list;
	for (struct soft_entry *e = soft_first(p->soft); e; e = soft_after(e)) {
		enum soft_state state = soft_state(e, now);
		const struct cas_answer *a = e->value;
		struct js *o = js_object();

		js_put_str(o, "url", e->key);
		js_put_str(o, "state", soft_state_str(state));
		js_put_str(o, "reason", *e->reason ? e->reason : NULL);
		js_put_real(o, "for_s", e->until > now ? (double)(e->until - now) / NS_S : 0);
		js_put_real(o, "used_s_ago", (double)(now - e->used) / NS_S);
		if (a && (state == SOFT_FRESH || state == SOFT_STALE)) {
			js_put_str(o, "source", addr_str(&a->source, text));
			js_put_int(o, "number", a->channel);
		}
		js_push(list, o);
	}
	return list;
}

const struct casc_counters *casc_counters(const struct casc *p)
{
	return &p->count;
}

int casc_known(const struct casc *p)
{
	int n = 0;

	for (int i = 0; p->table && i < p->table->n; i++)
		n += p->table->fact[i].there;
	return n;
}
