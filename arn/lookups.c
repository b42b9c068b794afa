/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/lookups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/conf.h"
#include "lib/log.h"

#define RECORDS     (2 * DNS_MAX_RRS)
#define NONE_TTL    60    /* s: of a denial that does not say */
#define LONGEST_TTL 86400 /* s */

/* A lookup under way; ADDR is two questions. */
struct run {
	LIST_ENTRY(run) entry;
	struct lookups *owner;
	struct scout_lookup what;
	int waits; /* for so many answers */
	bool failed;
	uint32_t ttl; /* s */
	int n;
	struct scout_record record[RECORDS];
};

/* Its question of one type. */
struct question {
	LIST_ENTRY(question) entry;
	struct run *run;
	enum dns_type type;
};

struct lookups {
	struct loop *loop;
	lookups_cb *cb;
	void *arg;
	struct dns_conf conf;
	struct addr server[CONF_MAX_ADDRS];
	struct dns *dns; /* NULL until there is a question */
	LIST_HEAD(, run) runs;
	LIST_HEAD(, question) questions;
	struct lookups_counters count;
	struct log_limit log_failure;
};

static void end_run(struct run *r)
{
	struct lookups *l = r->owner;
	struct scout_records found = {.r = r->record, .n = r->n, .ttl = (ns_t)r->ttl * NS_S};

	if (r->failed && !r->n)
		found.n = -1;
	LIST_REMOVE(r, entry);
	l->cb(l->arg, &r->what, &found);
	free(r);
}

static void take(struct run *r, enum dns_type type, const struct dns_msg *m)
{
	uint32_t none = m->has_soa ? m->negative_ttl : NONE_TTL;
	bool any = false;

	for (int i = 0; i < m->rrs && r->n < RECORDS; i++) {
		const struct dns_rr *rr = &m->rr[i];
		struct scout_record *to = &r->record[r->n];

		r->ttl = rr->ttl < r->ttl ? rr->ttl : r->ttl;
		if (rr->type != type)
			continue;
		*to = (struct scout_record){.addr = rr->addr,
			.port = rr->port,
			.priority = rr->priority,
			.weight = rr->weight};
		memcpy(to->name, rr->target, sizeof(to->name));
		r->n++;
		any = true;
	}
	if (!any && none < r->ttl)
		r->ttl = none;
}

static void on_answer(void *arg, int err, const struct dns_msg *m)
{
	struct question *q = arg;
	struct run *r = q->run;
	struct lookups *l = r->owner;

	if (!err) {
		l->count.answered++;
		take(r, q->type, m);
	} else {
		l->count.failed++;
		r->failed = true;
		log_limited(&l->log_failure, NLOG_WARN, "%s %s: %s (name servers: %s)",
			r->what.name, dns_type_str(q->type), dns_strerror(err),
			dns_servers(l->dns));
	}
	LIST_REMOVE(q, entry);
	free(q);
	if (!--r->waits)
		end_run(r);
}

static void ask(struct run *r, enum dns_type type)
{
	struct lookups *l = r->owner;
	struct question *q = malloc(sizeof(*q));

	if (!q) {
		r->failed = true;
		if (!--r->waits)
			end_run(r);
		return;
	}
	*q = (struct question){.run = r, .type = type};
	LIST_INSERT_HEAD(&l->questions, q, entry);
	l->count.asked++;
	dns_query(l->dns, r->what.name, type, on_answer, q);
}

void lookups_ask(struct lookups *l, const struct scout_lookup *what)
{
	static const struct scout_records nobody = {.n = -1};
	struct run *r = malloc(sizeof(*r));
	int err = r ? 0 : -ENOMEM;

	if (!l->dns)
		l->dns = dns_new(l->loop, &l->conf, &err);
	if (!r || !l->dns) {
		log_limited(&l->log_failure, NLOG_ERROR, "%s: %s", what->name, strerror(-err));
		free(r);
		return l->cb(l->arg, what, &nobody);
	}
	*r = (struct run){.owner = l,
		.what = *what,
		.waits = what->type == SCOUT_ADDR ? 2 : 1,
		.ttl = LONGEST_TTL};
	LIST_INSERT_HEAD(&l->runs, r, entry);
	if (what->type == SCOUT_ADDR) {
		ask(r, DNS_A);
		ask(r, DNS_AAAA); /* it waits for both: there still is a run */
	} else {
		ask(r, what->type == SCOUT_SRV ? DNS_SRV : DNS_PTR);
	}
}

/* ---- life ---- */

struct lookups *lookups_new(struct loop *loop, lookups_cb *cb, void *arg)
{
	struct lookups *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct lookups){.loop = loop, .cb = cb, .arg = arg, .log_failure = LOG_LIMIT_INIT};
	LIST_INIT(&l->runs);
	LIST_INIT(&l->questions);
	return l;
}

/* Their answers never come. */
static void drop_questions(struct lookups *l)
{
	struct question *q;

	dns_free(l->dns);
	l->dns = NULL;
	while ((q = LIST_FIRST(&l->questions))) {
		LIST_REMOVE(q, entry);
		free(q);
	}
}

static bool is_same(const struct dns_conf *a, const struct dns_conf *b)
{
	if (a->servers != b->servers || a->timeout != b->timeout || a->tries != b->tries)
		return false;
	for (int i = 0; i < a->servers; i++)
		if (addr_cmp(&a->server[i], &b->server[i]))
			return false;
	return true;
}

void lookups_set_conf(struct lookups *l, const struct dns_conf *c)
{
	struct run *r, *next;

	if (is_same(&l->conf, c))
		return;
	drop_questions(l);
	l->conf = *c;
	if (c->servers)
		memcpy(l->server, c->server, (size_t)c->servers * sizeof(*c->server));
	l->conf.server = l->server;
	/* Who is told may ask anew: that comes before them in the list, and is none of these. */
	for (r = LIST_FIRST(&l->runs); r; r = next) {
		next = LIST_NEXT(r, entry);
		r->failed = true;
		end_run(r);
	}
}

void lookups_free(struct lookups *l)
{
	struct run *r;

	if (!l)
		return;
	drop_questions(l);
	while ((r = LIST_FIRST(&l->runs))) {
		LIST_REMOVE(r, entry);
		free(r);
	}
	free(l);
}

const struct lookups_counters *lookups_counters(const struct lookups *l)
{
	return &l->count;
}
