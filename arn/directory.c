/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a node may say of its own interval, so that a wrong one neither makes it flap with every
 * breath of the network nor keeps it for a day after it died. */
#define INTERVAL_MIN_MS 20
#define INTERVAL_MAX_MS 30000

#define DELAY_STEP_US 5000

struct entry {
	struct announce now;   /* as the snapshot shows it */
	struct announce fixed; /* as the configuration has it, when `configured` */
	struct node_health health;
	bool configured, heard, heard_ever;
	bool far;
	struct far_facts facts;
	ns_t heard_at, expires; /* expires: NS_NEVER unless heard */
	ns_t patience;          /* from one to the other */
	uint64_t announcements;
	struct reserve_book book;
};

struct directory {
	struct directory_conf conf;
	directory_cb *cb;
	void *arg;
	struct directory_watcher watcher; /* its functions may be NULL */
	struct entry *entry;              /* ordered by id */
	int n, cap;
	bool stale; /* the snapshot is older than the entries */
	unsigned arns, turn;
	struct reserve_sources *sources;
	uint64_t expired; /* reservations, of nodes that are gone */
	uint64_t version;
	struct snapshot *snapshot;
	const struct primed *primed;
	const struct origins *origins;
	const struct direct *direct;
	const struct profile_table *profiles;
	const struct cas_table *channels;
	const struct region_table *regions, *measured;
};

struct directory *directory_new(const struct directory_conf *c, directory_cb *cb, void *arg)
{
	struct directory *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->snapshot = snapshot_new(0);
	d->sources = reserve_sources_new();
	if (!d->snapshot || !d->sources) {
		directory_free(d);
		return NULL;
	}
	d->cb = cb;
	d->arg = arg;
	d->arns = 1;
	directory_set_conf(d, c);
	return d;
}

void directory_free(struct directory *d)
{
	if (!d)
		return;
	for (int i = 0; i < d->n; i++)
		reserve_book_fini(&d->entry[i].book);
	free(d->entry);
	snapshot_unref(d->snapshot);
	primed_unref(d->primed);
	origins_unref(d->origins);
	direct_unref(d->direct);
	profile_table_unref(d->profiles);
	cas_table_unref(d->channels);
	region_table_unref(d->regions);
	region_table_unref(d->measured);
	reserve_sources_unref(d->sources);
	wire_keys_wipe(&d->conf.tokens.keys);
	free(d);
}

void directory_set_conf(struct directory *d, const struct directory_conf *c)
{
	d->conf = *c;
	d->stale = true;
}

void directory_set_sharing(struct directory *d, unsigned arns, unsigned turn)
{
	d->stale |= d->arns != arns || d->turn != turn;
	d->arns = arns;
	d->turn = turn;
}

/* The place of this id: of its entry if *found, else where it belongs. */
static int place(const struct directory *d, const char *id, bool *found)
{
	int lo = 0, hi = d->n;

	*found = false;
	while (lo < hi) {
		int mid = (lo + hi) / 2, c = strcmp(d->entry[mid].now.id, id);

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

/* The entry of this id, a new one if need be. NULL: the table is full. */
static struct entry *obtain(struct directory *d, const char *id)
{
	struct reserve_book book;
	bool found;
	int at = place(d, id, &found);

	if (found)
		return &d->entry[at];
	if (d->n == DIRECTORY_MAX)
		return NULL;
	if (d->n == d->cap) {
		int cap = d->cap ? 2 * d->cap : 16;
		struct entry *more = realloc(d->entry, (size_t)cap * sizeof(*more));

		if (!more)
			return NULL;
		d->entry = more;
		d->cap = cap;
	}
	if (reserve_book_init(&book) < 0)
		return NULL;
	memmove(&d->entry[at + 1], &d->entry[at], (size_t)(d->n - at) * sizeof(*d->entry));
	d->n++;
	memset(&d->entry[at], 0, sizeof(*d->entry));
	d->entry[at].expires = NS_NEVER;
	d->entry[at].book = book;
	return &d->entry[at];
}

static void forget(struct directory *d, struct entry *e)
{
	int at = (int)(e - d->entry);

	d->expired += e->book.expired;
	reserve_book_fini(&e->book);
	d->n--;
	memmove(e, e + 1, (size_t)(d->n - at) * sizeof(*d->entry));
}

/* One of its services works, as far as anybody has looked. */
static bool serves(const struct entry *e)
{
	const uint16_t port[HEALTH_SERVICES] = {
		[TEXT_HTTP] = e->now.http_port, [TEXT_RTSP] = e->now.rtsp_port};
	bool offers = false;

	for (int i = 0; i < HEALTH_SERVICES; i++) {
		enum health_verdict v = e->health.of[i].verdict;

		offers |= port[i] != 0;
		if (port[i] && v != HEALTH_BROKEN && v != HEALTH_UNKNOWN)
			return true;
	}
	return !offers;
}

static bool usable(const struct entry *e)
{
	return e->now.healthy && !e->now.draining && serves(e);
}

/* What this ARN's questions to a far node have found, in the words of those who ask services. */
static struct node_health health_of(const struct far_facts *f)
{
	struct node_health h = {0};

	for (int i = 0; i < HEALTH_SERVICES; i++)
		h.of[i].verdict = !f->asked    ? HEALTH_UNKNOWN
		                  : f->doubted ? HEALTH_QUARANTINED
		                               : HEALTH_WORKS;
	return h;
}

static void watch(struct directory *d, struct entry *e, ns_t now)
{
	if (d->watcher.known)
		e->health = d->watcher.known(d->watcher.arg, &e->now, now);
}

static void unwatch(struct directory *d, struct entry *e, bool lost, ns_t now)
{
	if (d->watcher.gone)
		d->watcher.gone(d->watcher.arg, e->now.id, lost, now);
}

static void tell(struct directory *d, const struct entry *e, bool was_usable, const char *reason)
{
	struct directory_change c = {&e->now, usable(e), e->far, reason};

	d->stale = true;
	if (c.up != was_usable && d->cb)
		d->cb(d->arg, &c);
}

static const char *refused(const struct directory *d, const struct announce *a)
{
	if (addr_is_any(&a->addr) || addr_is_multicast(&a->addr))
		return "address is not a host's";
	if (a->addr.sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->addr.in6.sin6_addr))
		return "address means something on its own link only";
	/* A client sent there would only be sent on, for ever. */
	if (prefix_has(&d->conf.block, &a->addr))
		return "address is inside the anycast block";
	return NULL;
}

/* Clients who attached between two announcements. A node that does not count them tells it by its
 * sessions, as long as none end; one that counts from the start again was restarted. */
static uint32_t attached_since(const struct announce *was, const struct announce *is)
{
	if (!was->attached && !is->attached)
		return is->sessions > was->sessions ? is->sessions - was->sessions : 0;
	return is->attached >= was->attached ? is->attached - was->attached : is->attached;
}

/* A node turns out to be one of our own. True: as such it was usable before. */
static bool come_home(struct directory *d, struct entry *e)
{
	struct directory_change c = {&e->now, false, true, "one of ours"};
	bool was = usable(e);

	if (!e->far)
		return was;
	if (was && d->cb)
		d->cb(d->arg, &c);
	e->far = false;
	return false;
}

int directory_announce(struct directory *d, const struct announce *a, ns_t now, const char **why)
{
	uint32_t ms = a->interval_ms;
	struct entry *e;
	bool was;

	*why = refused(d, a);
	if (*why)
		return -EINVAL;
	e = obtain(d, a->id);
	if (!e) {
		*why = "table is full";
		return -ENOSPC;
	}
	if (ms < INTERVAL_MIN_MS)
		ms = INTERVAL_MIN_MS;
	if (ms > INTERVAL_MAX_MS)
		ms = INTERVAL_MAX_MS;
	was = come_home(d, e);
	if (e->heard)
		reserve_consume(
			&e->book, attached_since(&e->now, a), d->arns, now, d->conf.reservation);
	e->now = *a;
	e->heard = e->heard_ever = true;
	e->heard_at = now;
	e->patience = d->conf.misses * (ns_t)ms * NS_MS;
	e->expires = now + e->patience;
	e->announcements++;
	watch(d, e, now);
	tell(d, e, was, !a->healthy ? "unhealthy" : a->draining ? "draining" : "announced");
	return 0;
}

/* A node is not there any more: its entry goes, or falls back to what the configuration says. True
 * when it went (the next entry is now at its place). */
static bool lose(struct directory *d, struct entry *e, const char *reason, bool lost, ns_t now)
{
	bool was = usable(e);

	e->heard = false;
	e->expires = NS_NEVER;
	if (!e->far)
		unwatch(d, e, lost, now);
	if (e->configured) {
		e->now = e->fixed;
		watch(d, e, now);
	}
	e->now.healthy = false;
	tell(d, e, was, reason);
	if (e->configured)
		return false;
	forget(d, e);
	return true;
}

bool directory_goodbye(struct directory *d, const char *id, ns_t now)
{
	bool found;
	int at = place(d, id, &found);

	if (!found || !d->entry[at].heard)
		return false;
	lose(d, &d->entry[at], "goodbye", false, now);
	return true;
}

int directory_far(struct directory *d, const struct announce *a, const struct far_facts *f,
	ns_t now, const char **why)
{
	struct entry *e;
	bool was;

	*why = refused(d, a);
	if (*why)
		return -EINVAL;
	e = obtain(d, a->id);
	if (!e) {
		*why = "table is full";
		return -ENOSPC;
	}
	if (e->heard || e->configured) {
		*why = "is one of our own";
		return -EEXIST;
	}
	was = usable(e);
	/* Who attached before the node spoke is in what it says, whoever sent him there. */
	reserve_look_until(&e->book, now, d->conf.reservation, now);
	e->far = true;
	e->now = *a;
	e->facts = *f;
	e->health = health_of(f);
	e->heard_at = now;
	e->announcements++;
	tell(d, e, was, !a->healthy ? "unhealthy" : a->draining ? "draining" : "eligible");
	return 0;
}

bool directory_far_left(struct directory *d, const char *id, const char *why, ns_t now)
{
	bool found;
	int at = place(d, id, &found);

	if (!found || !d->entry[at].far)
		return false;
	lose(d, &d->entry[at], why, false, now);
	return true;
}

bool directory_is_local(const struct directory *d, const char *id)
{
	bool found;
	int at = place(d, id, &found);

	return found && !d->entry[at].far;
}

static struct area_load load_of(const struct entry *e, double share)
{
	struct reservation open = reserve_open(e->book.counter, e->book.over);

	return usable(e) ? area_load_of(&e->now, &open, share) : (struct area_load){0};
}

struct area_load directory_load(const struct directory *d, const char *id, double share)
{
	struct area_load sum = {0}, l;
	bool found;
	int at;

	if (id) {
		at = place(d, id, &found);
		return found && d->entry[at].far ? load_of(&d->entry[at], share) : sum;
	}
	for (int i = 0; i < d->n; i++) {
		if (d->entry[i].far)
			continue;
		l = load_of(&d->entry[i], 1);
		sum.used += l.used;
		sum.capacity += l.capacity;
	}
	return sum;
}

void directory_configure(struct directory *d, const struct announce *list, int n, ns_t now)
{
	for (int i = 0; i < d->n; i++)
		d->entry[i].configured = false;
	for (int i = 0; i < n; i++) {
		struct entry *e = obtain(d, list[i].id);
		bool was;

		if (!e)
			break; /* more than DIRECTORY_MAX */
		was = come_home(d, e);
		e->configured = true;
		e->fixed = list[i];
		if (!e->heard)
			e->expires = NS_NEVER;
		if (!e->heard) {
			e->now = list[i];
			e->now.healthy = !e->heard_ever;
			watch(d, e, now);
		}
		tell(d, e, was, "configured");
	}
	for (int i = 0; i < d->n;)
		if (d->entry[i].configured || d->entry[i].heard || d->entry[i].far ||
			!lose(d, &d->entry[i], "removed", false, now))
			i++;
}

void directory_doubt(struct directory *d, ns_t now)
{
	for (int i = 0; i < d->n; i++) {
		struct entry *e = &d->entry[i];

		if (now >= e->expires && now < e->heard_at + DIRECTORY_DOUBTS * e->patience)
			e->expires = now + e->patience;
	}
}

void directory_expire(struct directory *d, ns_t now)
{
	for (int i = 0; i < d->n;)
		if (now < d->entry[i].expires || !lose(d, &d->entry[i], "timeout", true, now))
			i++;
}

void directory_watch(struct directory *d, const struct directory_watcher *w)
{
	d->watcher = *w;
}

/* Whether clients could notice: a delay that wavers by microseconds is no reason for a snapshot. */
static bool health_differs(const struct node_health *a, const struct node_health *b)
{
	for (int i = 0; i < HEALTH_SERVICES; i++) {
		int64_t slower = (int64_t)a->of[i].delay_us - b->of[i].delay_us;

		if (a->of[i].verdict != b->of[i].verdict || slower > DELAY_STEP_US ||
			slower < -DELAY_STEP_US)
			return true;
	}
	return false;
}

void directory_judge(struct directory *d, const char *id, const struct node_health *health)
{
	bool found, was;
	int at = place(d, id, &found);
	struct entry *e = &d->entry[at];

	if (!found || !health_differs(&e->health, health))
		return;
	was = usable(e);
	e->health = *health;
	tell(d, e, was, usable(e) ? "service works" : "service broken");
}

ns_t directory_when(const struct directory *d)
{
	ns_t when = NS_NEVER;

	for (int i = 0; i < d->n; i++)
		if (d->entry[i].expires < when)
			when = d->entry[i].expires;
	return when;
}

bool directory_look(struct directory *d, ns_t now)
{
	for (int i = 0; i < d->n; i++) {
		struct entry *e = &d->entry[i];

		d->stale |= reserve_look_until(
			&e->book, now, d->conf.reservation, e->far ? e->heard_at : now);
	}
	return d->stale;
}

ns_t directory_look_interval(const struct directory *d)
{
	return d->conf.reservation / RESERVE_BATCHES;
}

static void add_facts(struct snapshot *s, struct snapshot_node *n, const struct entry *e)
{
	n->far = true;
	n->distance = e->facts.distance;
	n->rtt_us = e->facts.rtt_us;
	if (n->rtt_us && usable(e) && (!s->least_rtt_us || n->rtt_us < s->least_rtt_us))
		s->least_rtt_us = n->rtt_us;
}

const struct snapshot *directory_snapshot(struct directory *d)
{
	struct snapshot *s;

	if (!d->stale)
		return d->snapshot;
	s = snapshot_new(d->n);
	if (!s)
		return d->snapshot; /* the last one is the best that can be had */
	s->version = ++d->version;
	s->retry_after = d->conf.retry_after;
	s->prime = d->conf.prime;
	s->primed = primed_ref(d->primed);
	s->origins = origins_ref(d->origins);
	s->direct = direct_ref(d->direct);
	s->profiles = profile_table_ref(d->profiles);
	s->channels = cas_table_ref(d->channels);
	s->regions = region_table_ref(d->regions);
	s->measured = region_table_ref(d->measured);
	memcpy(s->place, d->conf.place, sizeof(s->place));
	s->select = d->conf.select;
	s->sources = reserve_sources_ref(d->sources);
	s->select.arns = d->arns;
	s->select.turn = d->turn;
	s->tokens = d->conf.tokens;
	s->nodes = d->n;
	for (int i = 0; i < d->n; i++)
		s->node[i] = (struct snapshot_node){.said = d->entry[i].now,
			.health = d->entry[i].health,
			.reserved = reserve_counter_ref(d->entry[i].book.counter),
			.over = d->entry[i].book.over};
	for (int i = 0; i < d->n; i++)
		if (d->entry[i].far)
			add_facts(s, &s->node[i], &d->entry[i]);
	snapshot_unref(d->snapshot);
	d->snapshot = s;
	d->stale = false;
	return s;
}

bool directory_stale(const struct directory *d)
{
	return d->stale;
}

/* What snapshots have beside the nodes. */
#define DEFINE_SET(FUNCTION, FIELD, TYPE)                                                          \
	void FUNCTION(struct directory *d, const struct TYPE *t)                                   \
	{                                                                                          \
		TYPE##_ref(t);                                                                     \
		TYPE##_unref(d->FIELD);                                                            \
		d->FIELD = t;                                                                      \
		d->stale = true;                                                                   \
	}

DEFINE_SET(directory_set_primed, primed, primed)
DEFINE_SET(directory_set_direct, direct, direct)
DEFINE_SET(directory_set_origins, origins, origins)
DEFINE_SET(directory_set_profiles, profiles, profile_table)
DEFINE_SET(directory_set_channels, channels, cas_table)
DEFINE_SET(directory_set_regions, regions, region_table)
DEFINE_SET(directory_set_measured, measured, region_table)

const struct direct *directory_direct(const struct directory *d)
{
	return d->direct;
}

int directory_count(const struct directory *d)
{
	return d->n;
}

int directory_usable(const struct directory *d)
{
	int n = 0;

	for (int i = 0; i < d->n; i++)
		n += usable(&d->entry[i]);
	return n;
}

int directory_usable_here(const struct directory *d)
{
	int n = 0;

	for (int i = 0; i < d->n; i++)
		n += !d->entry[i].far && usable(&d->entry[i]);
	return n;
}

uint64_t directory_reserved(const struct directory *d)
{
	uint64_t n = 0;

	for (int i = 0; i < d->n; i++)
		n += reserve_open(d->entry[i].book.counter, d->entry[i].book.over).sessions;
	return n;
}

uint64_t directory_expired(const struct directory *d)
{
	uint64_t n = d->expired;

	for (int i = 0; i < d->n; i++)
		n += d->entry[i].book.expired;
	return n;
}

bool directory_view(const struct directory *d, int i, struct directory_view *v)
{
	const struct entry *e;

	if (i < 0 || i >= d->n)
		return false;
	e = &d->entry[i];
	*v = (struct directory_view){.node = &e->now,
		.health = &e->health,
		.configured = e->configured,
		.heard = e->heard,
		.far = e->far ? &e->facts : NULL,
		.heard_at = e->heard_at,
		.heard_ever = e->heard_ever,
		.announcements = e->announcements,
		.reserved = reserve_open(e->book.counter, e->book.over),
		.expired = e->book.expired};
	return true;
}
