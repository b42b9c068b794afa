/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/health.h"

#include <stdlib.h>
#include <string.h>

#include "lib/lots.h"

#define SPEEDUP     4 /* how much more often one is asked that is in doubt */
#define DELAY_SHARE 4 /* the newest delay counts for one in so many */
#define STRIKES_MAX 16
#define RECORDS_MAX 2048 /* nodes, and those that have gone and left strikes */

struct service {
	uint16_t port; /* 0: not offered */
	enum health_verdict verdict;
	const char *why;
	ns_t since, until;
	uint32_t delay_us;
	int good, bad; /* outcomes in a row */
	int strikes;   /* at `struck` */
	ns_t struck;
	bool asked;     /* a probe is under way */
	ns_t last, due; /* the last one began, the next one is to begin */
	uint64_t probes, failures;
};

/* A node, or what is remembered of one that has gone. */
struct record {
	char id[ANNOUNCE_ID_LEN];
	struct addr addr;
	bool present;
	uint32_t generation;
	struct service service[HEALTH_SERVICES];
	struct {
		uint64_t client;
		ns_t at;
	} accuser[HEALTH_REMEMBERS];
	int accusers;
	uint64_t reports;
};

struct health {
	struct health_conf conf;
	health_cb *cb;
	void *arg;
	struct lots lots;
	struct record **record; /* ordered by id */
	int n, cap;
	int64_t asked; /* probes under way */
	uint32_t generation;
	struct health_counters count;
};

const char *health_verdict_str(enum health_verdict v)
{
	switch (v) {
	case HEALTH_UNWATCHED: return "unwatched";
	case HEALTH_UNKNOWN: return "unknown";
	case HEALTH_WORKS: return "works";
	case HEALTH_QUARANTINED: return "quarantined";
	case HEALTH_BROKEN: return "broken";
	}
	return "?";
}

struct health *health_new(const struct health_conf *c, uint64_t seed, health_cb *cb, void *arg)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->conf = *c;
	h->cb = cb;
	h->arg = arg;
	lots_init(&h->lots, seed);
	return h;
}

void health_free(struct health *h)
{
	if (!h)
		return;
	for (int i = 0; i < h->n; i++)
		free(h->record[i]);
	free(h->record);
	free(h);
}

/* ---- strikes ---- */

/* Those that are not forgotten. Nothing is forgotten while it is broken. */
static int strikes_at(const struct health *h, const struct service *s, ns_t now)
{
	ns_t age;

	if (s->verdict == HEALTH_BROKEN)
		return s->strikes;
	age = h->conf.quarantine_max ? (now - s->struck) / h->conf.quarantine_max : STRIKES_MAX;
	return age < s->strikes ? s->strikes - (int)age : 0;
}

static void strike(struct health *h, struct service *s, ns_t now)
{
	int strikes = strikes_at(h, s, now);

	s->strikes = strikes < STRIKES_MAX ? strikes + 1 : STRIKES_MAX;
	s->struck = now;
}

static ns_t quarantine_of(const struct health *h, int strikes)
{
	ns_t length = strikes ? h->conf.quarantine : 0;

	for (int i = 1; i < strikes && length < h->conf.quarantine_max; i++)
		length *= 2;
	return length < h->conf.quarantine_max ? length : h->conf.quarantine_max;
}

/* When the last of a service's strikes is forgotten. */
static ns_t innocent_at(const struct health *h, const struct service *s)
{
	return s->strikes ? s->struck + s->strikes * h->conf.quarantine_max : s->struck;
}

static ns_t record_innocent_at(const struct health *h, const struct record *r)
{
	ns_t when = 0;

	for (int i = 0; i < HEALTH_SERVICES; i++)
		if (innocent_at(h, &r->service[i]) > when)
			when = innocent_at(h, &r->service[i]);
	return when;
}

/* ---- the table ---- */

static int place(const struct health *h, const char *id, bool *found)
{
	int lo = 0, hi = h->n;

	*found = false;
	while (lo < hi) {
		int mid = (lo + hi) / 2, c = strcmp(h->record[mid]->id, id);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct record *find(const struct health *h, const char *id)
{
	bool found;
	int at = place(h, id, &found);

	return found ? h->record[at] : NULL;
}

static void forget(struct health *h, int at)
{
	free(h->record[at]);
	h->n--;
	memmove(&h->record[at], &h->record[at + 1], (size_t)(h->n - at) * sizeof(*h->record));
}

/* Room for one more: of those that have gone, who has least held against it is forgotten early. */
static bool make_room(struct health *h)
{
	int least = -1;
	ns_t when = NS_NEVER;

	for (int k = 0; k < h->n; k++) {
		if (!h->record[k]->present && record_innocent_at(h, h->record[k]) < when) {
			when = record_innocent_at(h, h->record[k]);
			least = k;
		}
	}
	if (least >= 0)
		forget(h, least);
	return least >= 0;
}

static struct record *obtain(struct health *h, const char *id)
{
	struct record *r = find(h, id);
	bool found;
	int at;

	if (r)
		return r;
	if (h->n == RECORDS_MAX && !make_room(h))
		return NULL;
	if (h->n == h->cap) {
		int cap = h->cap ? 2 * h->cap : 16;
		struct record **more = realloc(h->record, (size_t)cap * sizeof(*more));

		if (!more)
			return NULL;
		h->record = more;
		h->cap = cap;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	strcpy(r->id, id);
	at = place(h, id, &found);
	memmove(&h->record[at + 1], &h->record[at], (size_t)(h->n - at) * sizeof(*h->record));
	h->record[at] = r;
	h->n++;
	return r;
}

/* ---- verdicts ---- */

static struct node_health health_of(const struct record *r)
{
	struct node_health now;

	for (int i = 0; i < HEALTH_SERVICES; i++) {
		now.of[i].verdict = r->service[i].verdict;
		now.of[i].delay_us = r->service[i].delay_us;
	}
	return now;
}

static void tell(struct health *h, struct record *r, int i, enum health_verdict was, ns_t now)
{
	const struct service *s = &r->service[i];
	struct health_change c = {.id = r->id,
		.addr = r->addr,
		.service = (enum text_proto)i,
		.was = was,
		.is = s->verdict,
		.why = s->why,
		.strikes = strikes_at(h, s, now),
		.now = health_of(r)};

	addr_set_port(&c.addr, s->port);
	if (s->verdict == HEALTH_QUARANTINED)
		c.quarantine = s->until - now;
	if (h->cb)
		h->cb(h->arg, &c);
}

static void judge(struct health *h, struct record *r, int i, enum health_verdict is,
	const char *why, ns_t now)
{
	struct service *s = &r->service[i];
	enum health_verdict was = s->verdict;

	s->verdict = is;
	s->why = why;
	s->since = now;
	h->count.broken += is == HEALTH_BROKEN;
	h->count.quarantined += is == HEALTH_QUARANTINED;
	tell(h, r, i, was, now);
}

/* A service as if it was never seen before, but for its strikes. */
static void begin(struct health *h, struct service *s, uint16_t port, ns_t now)
{
	bool watched = port && h->conf.interval;

	*s = (struct service){.port = port,
		.verdict = watched ? HEALTH_UNKNOWN : HEALTH_UNWATCHED,
		.since = now,
		.due = watched ? now : NS_NEVER,
		.strikes = s->strikes,
		.struck = s->struck};
}

/* Probes under way are of no interest any more. */
static void renew(struct health *h, struct record *r)
{
	for (int i = 0; i < HEALTH_SERVICES; i++)
		h->asked -= r->service[i].asked;
	r->generation = ++h->generation;
}

struct node_health health_watch(struct health *h, const struct announce *said, ns_t now)
{
	uint16_t port[HEALTH_SERVICES] = {
		[TEXT_HTTP] = said->http_port, [TEXT_RTSP] = said->rtsp_port};
	struct record *r = obtain(h, said->id);

	if (!r)
		return (struct node_health){0}; /* no memory: it is used as if nobody watched */
	if (!r->present || addr_cmp(&r->addr, &said->addr)) {
		renew(h, r);
		r->present = true;
		r->addr = said->addr;
		for (int i = 0; i < HEALTH_SERVICES; i++)
			begin(h, &r->service[i], port[i], now);
	}
	for (int i = 0; i < HEALTH_SERVICES; i++) {
		if (r->service[i].port == port[i])
			continue;
		/* The node's other service is not concerned, but for a probe under way. */
		renew(h, r);
		for (int k = 0; k < HEALTH_SERVICES; k++)
			r->service[k].asked = false;
		begin(h, &r->service[i], port[i], now);
	}
	return health_of(r);
}

void health_leave(struct health *h, const char *id, bool lost, ns_t now)
{
	struct record *r = find(h, id);

	if (!r || !r->present)
		return;
	renew(h, r);
	r->present = false;
	for (int i = 0; i < HEALTH_SERVICES; i++) {
		struct service *s = &r->service[i];

		if (lost && (s->verdict == HEALTH_WORKS || s->verdict == HEALTH_QUARANTINED))
			strike(h, s, now);
		begin(h, s, s->port, now);
	}
}

void health_set_conf(struct health *h, const struct health_conf *c, ns_t now)
{
	bool was = h->conf.interval != 0;

	h->conf = *c;
	if (was == (c->interval != 0))
		return;
	for (int k = 0; k < h->n; k++) {
		struct record *r = h->record[k];

		renew(h, r);
		for (int i = 0; i < HEALTH_SERVICES; i++) {
			enum health_verdict before = r->service[i].verdict;

			begin(h, &r->service[i], r->service[i].port, now);
			if (r->present && r->service[i].verdict != before)
				tell(h, r, i, before, now);
		}
	}
}

/* ---- probes ---- */

/* Next to `pace`, so that probes of many nodes, and of many ARNs, do not come in step. */
static ns_t jittered(struct health *h, ns_t pace)
{
	return pace - pace / 10 + (ns_t)(lots_draw(&h->lots) % (uint64_t)(pace / 5 + 1));
}

static bool is_accused(const struct record *r, ns_t now)
{
	int n = 0;

	for (int i = 0; i < r->accusers; i++)
		n += now - r->accuser[i].at < HEALTH_WINDOW;
	return n >= HEALTH_ACCUSERS;
}

bool health_take(struct health *h, ns_t now, struct health_probe *p)
{
	struct service *next = NULL;

	if (h->asked >= h->conf.concurrent)
		return false;
	for (int k = 0; k < h->n; k++) {
		struct record *r = h->record[k];

		for (int i = 0; i < HEALTH_SERVICES && r->present; i++) {
			struct service *s = &r->service[i];

			if (s->asked || s->due > now || (next && s->due >= next->due))
				continue;
			next = s;
			memcpy(p->id, r->id, sizeof(p->id));
			p->at = r->addr;
			addr_set_port(&p->at, s->port);
			p->service = (enum text_proto)i;
			p->generation = r->generation;
		}
	}
	if (!next)
		return false;
	p->started = next->last = now;
	next->asked = true;
	next->probes++;
	h->asked++;
	return true;
}

static void has_answered(struct health *h, struct record *r, int i, ns_t delay, ns_t now)
{
	struct service *s = &r->service[i];
	uint32_t us = (uint32_t)(delay / NS_US > UINT32_MAX ? UINT32_MAX : delay / NS_US);
	int strikes = strikes_at(h, s, now);
	bool first = s->verdict == HEALTH_UNKNOWN && !strikes;

	if (!us)
		us = 1;
	s->delay_us = s->delay_us ? s->delay_us - s->delay_us / DELAY_SHARE + us / DELAY_SHARE : us;
	if (!s->delay_us)
		s->delay_us = 1;
	s->bad = 0;
	s->good++;
	if (s->verdict == HEALTH_WORKS || s->verdict == HEALTH_QUARANTINED ||
		(!first && s->good < h->conf.rise)) {
		tell(h, r, i, s->verdict, now);
		return;
	}
	s->strikes = strikes;
	s->struck = now;
	s->until = now + quarantine_of(h, strikes);
	judge(h, r, i, s->until > now ? HEALTH_QUARANTINED : HEALTH_WORKS, NULL, now);
}

static void has_failed(struct health *h, struct record *r, int i, const char *why, ns_t now)
{
	struct service *s = &r->service[i];
	int64_t fall = is_accused(r, now) ? 1 : h->conf.fall;

	s->failures++;
	s->good = 0;
	s->bad++;
	if (s->verdict == HEALTH_BROKEN) {
		s->why = why;
		return;
	}
	if (s->bad < fall)
		return;
	/* What never worked has not stopped working: a service may come later than its agent. */
	if (s->verdict != HEALTH_UNKNOWN)
		strike(h, s, now);
	judge(h, r, i, HEALTH_BROKEN, why, now);
}

/* It has begun to change its mind. */
static bool in_doubt(const struct service *s)
{
	return s->verdict == HEALTH_BROKEN ? s->good > 0
	                                   : s->bad > 0 || s->verdict == HEALTH_UNKNOWN;
}

void health_result(
	struct health *h, const struct health_probe *p, const struct probe_outcome *o, ns_t now)
{
	struct record *r = find(h, p->id);
	struct service *s;
	int i = p->service;

	h->count.answered += o->result == PROBE_OK;
	h->count.failed += o->result == PROBE_FAILED;
	h->count.void_ += o->result == PROBE_VOID;
	if (!r || r->generation != p->generation || !r->service[i].asked)
		return;
	s = &r->service[i];
	s->asked = false;
	h->asked--;
	if (o->result == PROBE_OK)
		has_answered(h, r, i, o->delay, now);
	else if (o->result == PROBE_FAILED)
		has_failed(h, r, i, o->why, now);
	s->due = p->started + jittered(h, in_doubt(s) || o->result == PROBE_VOID
						  ? h->conf.interval / SPEEDUP
						  : h->conf.interval);
}

/* ---- clients' reports ---- */

/* Who it is: an IPv6 host has as many addresses as it wants, of one network. */
static uint64_t identity(const struct addr *client)
{
	struct addr a = *client;

	addr_set_port(&a, 0);
	if (a.sa.sa_family == AF_INET6) {
		memset(&a.in6.sin6_addr.s6_addr[8], 0, 8);
		a.in6.sin6_scope_id = 0;
	}
	return addr_hash(&a);
}

static void remember(struct record *r, uint64_t client, ns_t now)
{
	int at = 0;

	for (int i = 0; i < r->accusers; i++) {
		if (r->accuser[i].client == client) {
			r->accuser[i].at = now;
			return;
		}
		if (r->accuser[i].at < r->accuser[at].at)
			at = i;
	}
	if (r->accusers < HEALTH_REMEMBERS)
		at = r->accusers++;
	r->accuser[at].client = client;
	r->accuser[at].at = now;
}

bool health_accuse(struct health *h, const char *id, enum text_proto service,
	const struct addr *client, ns_t now)
{
	struct record *r = find(h, id);
	struct service *s;
	ns_t soonest;

	if (!r || !r->present)
		return false;
	r->reports++;
	h->count.reports++;
	remember(r, identity(client), now);
	s = &r->service[service];
	if (s->asked || s->verdict == HEALTH_UNWATCHED)
		return false;
	soonest = s->last + h->conf.interval / SPEEDUP;
	if (soonest < now)
		soonest = now;
	if (s->due <= soonest)
		return false;
	s->due = soonest;
	return true;
}

/* ---- time ---- */

void health_tick(struct health *h, ns_t now)
{
	for (int k = 0; k < h->n;) {
		struct record *r = h->record[k];

		for (int i = 0; i < HEALTH_SERVICES; i++) {
			struct service *s = &r->service[i];

			if (s->verdict == HEALTH_QUARANTINED && now >= s->until)
				judge(h, r, i, HEALTH_WORKS, NULL, now);
		}
		if (!r->present && now >= record_innocent_at(h, r))
			forget(h, k);
		else
			k++;
	}
}

static ns_t record_when(const struct health *h, const struct record *r)
{
	bool room = h->asked < h->conf.concurrent;
	ns_t when = NS_NEVER;

	if (!r->present)
		return record_innocent_at(h, r);
	for (int i = 0; i < HEALTH_SERVICES; i++) {
		const struct service *s = &r->service[i];

		if (s->verdict == HEALTH_QUARANTINED && s->until < when)
			when = s->until;
		if (room && !s->asked && s->due < when)
			when = s->due;
	}
	return when;
}

ns_t health_when(const struct health *h)
{
	ns_t when = NS_NEVER;

	for (int k = 0; k < h->n; k++) {
		ns_t due = record_when(h, h->record[k]);

		if (due < when)
			when = due;
	}
	return when;
}

bool health_view(const struct health *h, const char *id, enum text_proto service, ns_t now,
	struct health_view *v)
{
	const struct record *r = find(h, id);
	const struct service *s;

	if (!r || !r->present)
		return false;
	s = &r->service[service];
	*v = (struct health_view){.verdict = s->verdict,
		.why = s->why,
		.since = s->since,
		.until = s->until,
		.delay_us = s->delay_us,
		.strikes = strikes_at(h, s, now),
		.probes = s->probes,
		.failures = s->failures,
		.reports = r->reports};
	return true;
}

const struct health_counters *health_counters(const struct health *h)
{
	return &h->count;
}
