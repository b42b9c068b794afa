/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/sbuf.h"

const char *const origin_method_names[] = {"none", "srv", "url", NULL};

/* ---- what is known ---- */

static int by_key(const void *a, const void *b)
{
	return strcmp(
		(*(struct origin_fact *const *)a)->key, (*(struct origin_fact *const *)b)->key);
}

struct origins *origins_new(
	const struct origin_rule *rule, int rules, struct origin_fact *const *fact, int facts)
{
	size_t at_rules = sizeof(struct origins) + (size_t)facts * sizeof(*fact);
	struct origins *o = calloc(1, at_rules + (size_t)rules * sizeof(*rule) + 1);

	if (!o)
		return NULL;
	atomic_init(&o->refs, 1);
	o->fact = (struct origin_fact **)(o + 1);
	o->rule = (struct origin_rule *)((char *)o + at_rules);
	if (rules)
		memcpy((char *)o + at_rules, rule, (size_t)rules * sizeof(*rule));
	o->rules = rules;
	for (int i = 0; i < facts; i++)
		o->fact[i] = origin_fact_ref(fact[i]);
	o->facts = facts;
	qsort(o->fact, (size_t)facts, sizeof(*o->fact), by_key);
	return o;
}

static struct origins *own(const struct origins *o)
{
	return (struct origins *)o;
}

const struct origins *origins_ref(const struct origins *o)
{
	if (o)
		atomic_fetch_add_explicit(&own(o)->refs, 1, memory_order_relaxed);
	return o;
}

void origins_unref(const struct origins *o)
{
	if (!o || atomic_fetch_sub_explicit(&own(o)->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int i = 0; i < o->facts; i++)
		origin_fact_unref(o->fact[i]);
	free(own(o));
}

struct origin_fact *origin_fact_ref(struct origin_fact *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void origin_fact_unref(struct origin_fact *f)
{
	if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		free(f);
}

const char *origin_service_str(unsigned service)
{
	return service == SERVICE_HTTP ? "http" : service == ORIGIN_CAS ? "cas" : "rtsp";
}

const char *origin_key(const struct prime_state *about, char *buf)
{
	char text[ADDR_STRLEN];

	if (*about->host)
		snprintf(buf, ORIGIN_KEY, "host %s:%u", about->host, addr_port(&about->origin[0]));
	else
		snprintf(buf, ORIGIN_KEY, "srv %s %s", origin_service_str(about->service),
			addr_host(&about->anycast, text));
	return buf;
}

static struct origin_fact *find_fact(const struct origins *o, const struct prime_state *about)
{
	int low = 0, high = o->facts;
	char key[ORIGIN_KEY];

	origin_key(about, key);
	while (low < high) {
		int mid = (low + high) / 2, cmp = strcmp(o->fact[mid]->key, key);

		if (!cmp)
			return o->fact[mid];
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static const struct origin_rule *find_rule(const struct origins *o, const struct addr *anycast)
{
	for (int i = 0; o && i < o->rules; i++)
		if (addr_same_host(&o->rule[i].anycast, anycast))
			return &o->rule[i];
	return NULL;
}

bool origin_by_srv(const struct origins *o, const struct addr *anycast)
{
	const struct origin_rule *r = find_rule(o, anycast);

	return r && r->method == ORIGIN_SRV;
}

/* ---- the name of an address ---- */

static void dashed(const struct addr *a, struct sbuf *b)
{
	if (a->sa.sa_family == AF_INET) {
		const uint8_t *p = (const uint8_t *)&a->in.sin_addr;

		sbuf_printf(b, "anycast-%u-%u-%u-%u", p[0], p[1], p[2], p[3]);
	} else {
		const uint8_t *p = a->in6.sin6_addr.s6_addr;

		sbuf_printf(b, "anycast");
		for (int i = 0; i < 16; i += 2)
			sbuf_printf(b, "-%x", p[i] << 8 | p[i + 1]);
	}
}

bool origin_name(enum origin_form form, const struct addr *anycast, const char *service,
	const char *zone, char out[DNS_NAME])
{
	struct sbuf b;

	sbuf_init(&b, out, DNS_NAME);
	if (form == ORIGIN_FORM_RFC2782)
		sbuf_printf(&b, "_%s._tcp.", service);
	dashed(anycast, &b);
	if (form != ORIGIN_FORM_RFC2782)
		sbuf_printf(&b, ".%s.tcp", service);
	sbuf_printf(&b, ".%s", zone);
	return !b.full;
}

/* ---- the origin in a URL ---- */

static bool host_ok(const char *host)
{
	struct addr a;

	return dns_name_ok(host) || addr_parse(&a, slice_of(host), 0) == 0;
}

int origin_split(struct slice s, char host[DNS_NAME], uint16_t *port)
{
	unsigned long long n = 0;
	struct slice name;

	*port = 0;
	if (s.n && s.p[0] == '[') {
		s.p++, s.n--;
		if (!memchr(s.p, ']', s.n))
			return -EINVAL;
		name = slice_cut(&s, ']');
		if (s.n && s.p[0] != ':')
			return -EINVAL;
		if (s.n)
			s.p++, s.n--;
		else
			s.p = NULL;
	} else {
		bool has_port = memchr(s.p, ':', s.n);

		name = slice_cut(&s, ':');
		if (!has_port)
			s.p = NULL;
	}
	if (s.p && (slice_u64(s, 65535, &n) < 0 || n == 0))
		return -EINVAL;
	if (slice_copy(name, host, DNS_NAME) < 0)
		return -EINVAL;
	for (char *z = host; *z; z++)
		if (*z >= 'A' && *z <= 'Z')
			*z |= 32;
	*port = (uint16_t)n;
	return host_ok(host) ? 0 : -EINVAL;
}

int origin_in_path(struct slice path, char host[DNS_NAME], uint16_t *port, struct slice *rest)
{
	const char *slash;

	if (path.n < 3 || memcmp(path.p, "/=", 2) != 0)
		return -EINVAL;
	path.p += 2, path.n -= 2;
	slash = memchr(path.p, '/', path.n);
	if (!slash)
		return -EINVAL;
	*rest = (struct slice){slash, path.n - (size_t)(slash - path.p)};
	return origin_split((struct slice){path.p, (size_t)(slash - path.p)}, host, port);
}

/* One entry of the list, its port taken off. */
static bool split_entry(struct slice s, struct slice *what, uint16_t *port)
{
	unsigned long long n = 0;
	const char *colon = memrchr(s.p, ':', s.n);

	*what = s;
	*port = 0;
	if (s.n && s.p[0] == '[') {
		const char *close = memchr(s.p, ']', s.n);

		if (!close)
			return false;
		*what = (struct slice){s.p + 1, (size_t)(close - s.p) - 1};
		if (close + 1 == s.p + s.n)
			return true;
		if (close[1] != ':')
			return false;
		colon = close + 1;
	} else if (colon && memchr(s.p, ':', (size_t)(colon - s.p))) {
		return true; /* an IPv6 literal or prefix without brackets has no port */
	} else if (colon) {
		what->n = (size_t)(colon - s.p);
	} else {
		return true;
	}
	s.n -= (size_t)(colon + 1 - s.p);
	s.p = colon + 1;
	if (slice_u64(s, 65535, &n) < 0 || n == 0)
		return false;
	*port = (uint16_t)n;
	return true;
}

static bool entry_has(struct slice what, const char *host)
{
	struct slice h = slice_of(host);
	struct prefix p;
	struct addr a, b;

	if (what.n > 2 && what.p[0] == '*' && what.p[1] == '.')
		return h.n > what.n - 1 &&
		       slice_ieq((struct slice){what.p + 1, what.n - 1},
			       (struct slice){h.p + h.n - (what.n - 1), what.n - 1});
	if (addr_parse(&a, h, 0) == 0) {
		addr_unmap(&a);
		if (prefix_parse(&p, what) == 0)
			return prefix_has(&p, &a);
		return addr_parse(&b, what, 0) == 0 && addr_same_host(&a, &b);
	}
	return slice_ieq(what, h);
}

bool origin_allowed(const char *allow, const char *host, uint16_t port, uint16_t usual)
{
	struct slice rest = slice_of(allow), what;
	uint16_t only;

	while (rest.n) {
		struct slice entry = slice_trim(slice_cut(&rest, ','));

		if (entry.n && split_entry(entry, &what, &only) && (only ? only : usual) == port &&
			entry_has(what, host))
			return true;
	}
	return false;
}

const char *origin_check_allow(const char *allow)
{
	static const char expected[] =
		"hosts, *.domains, addresses or address blocks, each with or "
		"without :port, separated by commas";
	struct slice rest = slice_of(allow), what;
	char text[DNS_NAME];
	struct prefix p;
	struct addr a;
	uint16_t port;

	while (rest.n) {
		struct slice entry = slice_trim(slice_cut(&rest, ','));

		if (!split_entry(entry, &what, &port) || slice_copy(what, text, sizeof(text)) < 0)
			return expected;
		if (!prefix_parse(&p, what) || !addr_parse(&a, what, 0))
			continue;
		if (!dns_name_ok(!strncmp(text, "*.", 2) ? text + 2 : text))
			return expected;
	}
	return NULL;
}

/* ---- the choice among the targets ---- */

static uint64_t mix(uint64_t h)
{
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
	h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
	return h ^ (h >> 31);
}

void origin_order(const struct origin_fact *f, uint64_t lot, int *order)
{
	int n = f->targets;

	for (int i = 0; i < n; i++)
		order[i] = i;
	for (int i = 0; i < n; i++) {
		uint32_t least = UINT32_MAX, draw;
		uint64_t sum = 0;
		int pick = -1;

		for (int k = i; k < n; k++)
			if (f->target[order[k]].priority < least)
				least = f->target[order[k]].priority;
		for (int k = i; k < n; k++)
			if (f->target[order[k]].priority == least)
				sum += f->target[order[k]].weight;
		lot = mix(lot + 0x9e3779b97f4a7c15);
		draw = (uint32_t)(sum ? lot % sum : 0);
		/* Weight 0 is drawn only where all are 0, then the first one. */
		for (int k = i; k < n && pick < 0; k++) {
			const struct origin_target *t = &f->target[order[k]];

			if (t->priority != least)
				continue;
			if (!sum || draw < t->weight)
				pick = k;
			else
				draw -= t->weight;
		}
		int chosen = order[pick];

		memmove(&order[i + 1], &order[i], (size_t)(pick - i) * sizeof(*order));
		order[i] = chosen;
	}
}

/* The best targets that have an address: the first one names the state, so that every ARN, which
 * draws the same lot for the same path, has the same port at the node. */
static bool fill_state(const struct origin_fact *f, struct slice path, struct prime_state *q)
{
	uint64_t lot = 0xcbf29ce484222325;
	int order[ORIGIN_TARGETS];

	for (size_t i = 0; i < path.n; i++)
		lot = (lot ^ (uint8_t)path.p[i]) * 0x100000001b3;
	origin_order(f, lot, order);
	q->origins = 0;
	q->host[0] = '\0';
	for (int i = 0; i < f->targets; i++) {
		const struct origin_target *t = &f->target[order[i]];

		if (t->addrs && !q->host[0])
			snprintf(q->host, sizeof(q->host), "%s", t->host);
		for (int k = 0; k < t->addrs && q->origins < PRIME_ORIGINS; k++)
			q->origin[q->origins++] = t->addr[k];
	}
	return q->origins > 0;
}

/* ---- one request ---- */

/* What is known of `about`, into *q. GO, WAIT, or REFUSE: nothing is known, or will be in time. */
static enum origin_verdict consult(const struct origins *o, const struct prime_state *about,
	struct slice path, bool final, struct prime_state *q, struct want *want, int *status,
	const char **why)
{
	struct origin_fact *f = find_fact(o, about);
	bool ask = !f || f->state == ORIGIN_OLD;

	if (f)
		atomic_store_explicit(&f->used, true, memory_order_relaxed);
	if (ask && !final) {
		*want = (struct want){.what = WANT_ORIGIN, .state = *about};
		return ORIGIN_WAIT;
	}
	*status = f && f->state == ORIGIN_DENIED ? 502 : 504;
	*why = !f                          ? "the origin is not known in time"
	       : f->state == ORIGIN_DENIED ? "the origin does not exist"
	                                   : "the origin cannot be found";
	return f && f->state <= ORIGIN_OLD && fill_state(f, path, q) ? ORIGIN_GO : ORIGIN_REFUSE;
}

static void about_host(
	const struct prime_state *q, const char *host, uint16_t port, struct prime_state *about)
{
	*about = (struct prime_state){.service = q->service, .anycast = q->anycast, .origins = 1};
	snprintf(about->host, sizeof(about->host), "%s", host);
	about->origin[0] = addr_any(AF_INET, port);
}

static enum origin_verdict by_url(const struct origins *o, const struct origin_rule *r,
	const struct url *u, bool final, struct prime_state *q, struct want *want, int *status,
	const char **why)
{
	uint16_t usual = q->service == SERVICE_HTTP ? 80 : 554, port;
	struct prime_state about;
	char host[DNS_NAME];
	struct slice rest;

	*status = 404;
	*why = "no origin in the URL";
	if (origin_in_path(u->path, host, &port, &rest) < 0)
		return ORIGIN_REFUSE;
	*status = 403;
	*why = "the origin in the URL is not allowed";
	if (!origin_allowed(r->allow, host, port ? port : usual, usual))
		return ORIGIN_REFUSE;
	*status = 414;
	*why = "path at the origin too long";
	/* The objects of a web site are many: the node finds each one's path in its URL again. */
	if (q->service == SERVICE_RTSP && slice_copy(rest, q->channel, sizeof(q->channel)) < 0)
		return ORIGIN_REFUSE;
	about_host(q, host, port ? port : usual, &about);
	return consult(o, &about, rest, final, q, want, status, why);
}

enum origin_verdict origin_of(const struct origins *o, const struct url *u, bool final,
	struct prime_state *q, struct want *want, int *status, const char **why)
{
	const struct origin_rule *r = find_rule(o, &q->anycast);
	enum origin_verdict v;
	struct prime_state about;

	if (!r || r->method == ORIGIN_NONE)
		return ORIGIN_GO;
	if (r->method == ORIGIN_URL)
		return by_url(o, r, u, final, q, want, status, why);
	about = (struct prime_state){.service = q->service, .anycast = q->anycast};
	v = consult(o, &about, u->path, final, q, want, status, why);
	if (v == ORIGIN_REFUSE && *r->fallback_host) {
		uint16_t usual = q->service == SERVICE_HTTP ? 80 : 554;

		about_host(
			q, r->fallback_host, r->fallback_port ? r->fallback_port : usual, &about);
		v = consult(o, &about, u->path, final, q, want, status, why);
	}
	return v;
}
