/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Discovery by hierarchical names (row H7; WO 01/18641: "each ARN and each service node is assigned a
 * multi-part name from a hierarchical name space … nearest using a longest pattern match … The
 * directory may be implemented using DNS"). Each place of the name space has, below the directory's
 * domain DIR, who is directly there and which places are inside of it:
 *
 *	_nearcast._udp.sanjose.california.DIR   SRV  0 0 7702 sn1.sanjose.california.DIR
 *	_areas.california.DIR                   PTR  sanjose.california.DIR
 *
 * The directory is walked outwards: the ARN's own place and all that is inside of it, then what else is
 * inside of the place around that, and so on up to DIR itself. So nodes come in the order of the
 * longest match from the right, and the walk ends as soon as there are as many as are wanted: of a
 * directory of the whole world, only the neighbourhood is ever asked for.
 *
 * It is a walk over the records that are known (lib/soft.h), and is repeated when one of them has come
 * or is over; those that lack on the way are asked for. A wider circle is not begun while something in
 * a narrower one is not known yet; what nobody could say is left out. Places of one circle are equally
 * near, and are gone through in an order that is drawn by lot, an own one for each ARN: so that not all
 * of them overflow to the same place.
 */
#include "arn/scout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/place.h"
#include "lib/soft.h"

#define AREAS  256  /* places that one walk looks at, at most */
#define FLIGHT 16   /* questions under way */
#define RATE   10   /* questions a second, and at once */
#define BURST  NS_S /* of them */

#define TTL_MIN   (5 * NS_S)
#define TTL_MAX   (86400 * NS_S)
#define DENY_MAX  (3600 * NS_S)
#define STALE     (86400 * NS_S) /* RFC 8767, 5 */
#define RETRY     (5 * NS_S)
#define RETRY_MAX (300 * NS_S)
#define IDLE      (3600 * NS_S) /* until what no walk needs is forgotten */

struct list {
	int n;
	struct scout_record r[];
};

struct named {
	struct addr control;
	unsigned distance;
	bool said, lost, gone;
	bool met; /* by this walk */
};

struct names {
	char place[PLACE_LEN];
	char directory[DNS_NAME];
	struct prefix block;
	int max, wanted;
	uint64_t random;
	struct soft *records;
	struct scout_lookup ask[FLIGHT];
	int asks, flying;
	ns_t allowed;            /* the next question's time, by the rate */
	bool dirty;              /* a walk may find something new */
	ns_t wake;               /* as well as then */
	char (*area)[PLACE_LEN]; /* of the circle that is walked; "": all */
	struct named *named;
	int n;
};

struct walk {
	struct names *s;
	ns_t now;
	unsigned distance; /* of the circle */
	int areas;         /* looked at, or to be looked at, in all circles */
	int found;         /* candidates that are not lost */
	int expected;      /* that questions under way may bring: one each */
	bool crowded;      /* there was no room for one */
};

/* ---- life ---- */

static void names_free(void *scout)
{
	struct names *s = scout;

	if (!s)
		return;
	soft_free(s->records);
	free(s->area);
	free(s->named);
	free(s);
}

static void *names_init(const struct scout_conf *c, ns_t now)
{
	struct names *s = calloc(1, sizeof(*s));
	struct soft_conf soft = {.ttl_min = TTL_MIN,
		.ttl_max = TTL_MAX,
		.negative_max = DENY_MAX,
		.stale = STALE,
		.retry = RETRY,
		.retry_max = RETRY_MAX,
		.entries = 2 * AREAS + 2 * c->max};

	if (!s)
		return NULL;
	s->block = c->block;
	s->max = c->max;
	s->random = c->random;
	s->allowed = now;
	s->wake = NS_NEVER;
	snprintf(s->place, sizeof(s->place), "%s", c->place);
	snprintf(s->directory, sizeof(s->directory), "%s", c->directory);
	s->records = soft_new(&soft, free);
	s->area = calloc(AREAS, sizeof(*s->area));
	s->named = calloc((size_t)c->max + 1, sizeof(*s->named));
	if (!s->records || !s->area || !s->named) {
		names_free(s);
		return NULL;
	}
	return s;
}

/* ---- records ---- */

static const char *key_of(const char *name, enum scout_type type, char key[DNS_NAME + 8])
{
	static const char *const types[] = {
		[SCOUT_PTR] = "PTR", [SCOUT_SRV] = "SRV", [SCOUT_ADDR] = "ADDR"};

	snprintf(key, DNS_NAME + 8, "%s %s", types[type], name);
	return key;
}

static bool may_ask(const struct names *s, ns_t now)
{
	return s->flying < FLIGHT && s->allowed <= now + BURST - NS_S / RATE;
}

static void ask(
	struct names *s, struct soft_entry *e, const char *name, enum scout_type type, ns_t now)
{
	struct scout_lookup *l = &s->ask[s->asks++];

	l->type = type;
	snprintf(l->name, sizeof(l->name), "%s", name);
	soft_fly(e);
	s->flying++;
	s->allowed = (s->allowed > now ? s->allowed : now) + NS_S / RATE;
}

/* The walk is to be repeated then, at the latest. */
static void wake_at(struct names *s, ns_t when)
{
	if (when < s->wake)
		s->wake = when;
}

/* NULL: there is nothing, or it is not known yet. */
static const struct list *look(struct walk *w, const char *name, enum scout_type type)
{
	struct names *s = w->s;
	char key[DNS_NAME + 8];
	struct soft_entry *e = soft_use(s->records, key_of(name, type, key), w->now);
	enum soft_state state;

	if (!e)
		return NULL;
	if (soft_due(e, w->now)) {
		if (may_ask(s, w->now))
			ask(s, e, name, type, w->now);
		else if (s->flying < FLIGHT) /* else an answer has to come first */
			wake_at(s, s->allowed - BURST + NS_S / RATE);
	}
	wake_at(s, soft_next(e, w->now));
	state = soft_state(e, w->now);
	w->expected += state == SOFT_NOTHING;
	return state == SOFT_FRESH || state == SOFT_STALE ? e->value : NULL;
}

static uint64_t lot(const struct names *s, const char *name)
{
	uint64_t h = 0xcbf29ce484222325 ^ s->random;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	return (h ^ h >> 32) * 0x9e3779b97f4a7c15;
}

/* In the order in which they are gone through. */
static void order(const struct names *s, struct list *l)
{
	for (int i = 1; i < l->n; i++) {
		struct scout_record r = l->r[i];
		uint64_t mine = lot(s, r.name);
		int k = i;

		for (; k > 0; k--) {
			const struct scout_record *o = &l->r[k - 1];

			if (o->priority < r.priority ||
				(o->priority == r.priority && lot(s, o->name) <= mine))
				break;
			l->r[k] = *o;
		}
		l->r[k] = r;
	}
}

static struct list *list_of(const struct names *s, const struct scout_records *r)
{
	struct list *l = malloc(sizeof(*l) + (size_t)r->n * sizeof(l->r[0]));

	if (!l)
		return NULL;
	l->n = r->n;
	memcpy(l->r, r->r, (size_t)r->n * sizeof(l->r[0]));
	order(s, l);
	return l;
}

static void names_looked_up(
	void *scout, const struct scout_lookup *what, const struct scout_records *r, ns_t now)
{
	struct names *s = scout;
	char key[DNS_NAME + 8];
	struct soft_entry *e = soft_find(s->records, key_of(what->name, what->type, key));
	struct list *l;

	if (!e || !e->flying)
		return;
	s->flying--;
	s->dirty = true;
	if (r->n == 0)
		return soft_deny(s->records, e, "there is nothing of the kind", r->ttl, now);
	l = r->n > 0 ? list_of(s, r) : NULL;
	if (l)
		soft_answer(s->records, e, l, r->ttl, now);
	else
		soft_fail(s->records, e, r->n < 0 ? "nobody could say" : "out of memory", now);
}

/* ---- the walk ---- */

static bool enough(const struct walk *w)
{
	return w->found + w->expected >= w->s->wanted;
}

/* One address of each node, of the block's family if it has one. */
static const struct addr *address_of(const struct names *s, const struct list *l)
{
	const struct addr *other = NULL;

	for (int i = 0; i < l->n; i++) {
		const struct addr *a = &l->r[i].addr;

		if (!addr_is_routable(a) || prefix_has(&s->block, a))
			continue;
		if (a->sa.sa_family == s->block.addr.sa.sa_family)
			return a;
		if (!other)
			other = a;
	}
	return other;
}

static struct named *find(const struct names *s, const struct addr *control)
{
	for (int i = 0; i < s->n; i++)
		if (!addr_cmp(&s->named[i].control, control))
			return &s->named[i];
	return NULL;
}

static void meet(struct walk *w, const struct addr *at, uint16_t port)
{
	struct names *s = w->s;
	struct addr control = *at;
	struct named *n;

	addr_set_port(&control, port);
	n = find(s, &control);
	if (!n && s->n == s->max) { /* it counts, so that another one is not needed and goes */
		w->crowded = true;
		w->found++;
		return;
	}
	if (!n) {
		n = &s->named[s->n++];
		*n = (struct named){.control = control, .distance = w->distance};
	}
	if (n->met)
		return; /* by another name, not farther */
	n->met = true;
	n->gone = false;
	n->said = n->said && n->distance == w->distance;
	n->distance = w->distance;
	w->found += !n->lost;
}

/* "PREFIX.AREA.DIR"; false: longer than a name can be. */
static bool name_of(const struct names *s, const char *prefix, const char *area, char out[DNS_NAME])
{
	int n = snprintf(out, DNS_NAME, "%s.%s%s%s", prefix, area, *area ? "." : "", s->directory);

	return n < DNS_NAME;
}

/* Who is directly there. */
static void meet_nodes(struct walk *w, const char *area)
{
	char name[DNS_NAME];
	const struct list *nodes;

	nodes = name_of(w->s, "_nearcast._udp", area, name) ? look(w, name, SCOUT_SRV) : NULL;
	for (int i = 0; nodes && i < nodes->n && !enough(w); i++) {
		const struct list *at = look(w, nodes->r[i].name, SCOUT_ADDR);
		const struct addr *a = at ? address_of(w->s, at) : NULL;

		if (a && nodes->r[i].port)
			meet(w, a, nodes->r[i].port);
	}
}

/* The place that a name of the directory is of, if that is directly inside of the area. */
static bool child_of(const struct names *s, const char *area, const char *name, char out[PLACE_LEN])
{
	size_t label = strcspn(name, ".");
	char whole[DNS_NAME];
	int n;

	if (!place_ok((struct slice){name, label}) || !name_of(s, "", area, whole) ||
		strcmp(name + label, whole) != 0)
		return false;
	n = snprintf(out, PLACE_LEN, "%.*s%s%s", (int)label, name, *area ? "." : "", area);
	return n < PLACE_LEN;
}

/* The places inside of it, but for the one that the last circle was, join the circle's. */
static void find_areas(struct walk *w, const char *area, const char *but, int *areas)
{
	char name[DNS_NAME];
	const struct list *l =
		name_of(w->s, "_areas", area, name) ? look(w, name, SCOUT_PTR) : NULL;

	for (int i = 0; l && i < l->n && w->areas < AREAS; i++) {
		char *child = w->s->area[*areas];

		if (!child_of(w->s, area, l->r[i].name, child) || !strcmp(child, but))
			continue;
		(*areas)++;
		w->areas++;
	}
}

/* All that is inside of the place, but for one: the places that are directly there first. */
static void walk_circle(struct walk *w, const char *area, const char *but)
{
	struct names *s = w->s;
	int areas = 1;

	if (w->areas++ == AREAS)
		return;
	snprintf(s->area[0], PLACE_LEN, "%s", area);
	for (int i = 0; i < areas && !enough(w); i++) {
		int before = w->expected;

		meet_nodes(w, s->area[i]);
		/* Places inside are not asked for until it is known who is here. */
		if (!enough(w) && w->expected == before)
			find_areas(w, s->area[i], i ? "" : but, &areas);
	}
}

/* Who is not needed any more goes; then there is room for who is nearer. */
static void sweep(struct walk *w)
{
	struct names *s = w->s;

	for (int i = 0; i < s->n; i++) {
		s->named[i].gone |= !s->named[i].met;
		s->dirty |= w->crowded && s->named[i].gone;
	}
}

static void walk(struct names *s, ns_t now)
{
	struct walk w = {.s = s, .now = now};
	const char *area = s->place, *but = "";

	s->dirty = false;
	s->wake = NS_NEVER;
	for (int i = 0; i < s->n; i++)
		s->named[i].met = false;
	/* Without a place of its own the ARN is equally near to all. */
	for (w.distance = *s->place != '\0'; !enough(&w); w.distance++) {
		walk_circle(&w, area, but);
		if (w.expected || !*area)
			break;
		but = area;
		area += strcspn(area, ".");
		area += *area == '.';
	}
	if (!w.expected)
		sweep(&w);
	soft_expire(s->records, IDLE, now);
}

/* ---- the method ---- */

static void names_want(void *scout, int nodes, ns_t now)
{
	struct names *s = scout;

	(void)now;
	s->wanted = nodes < s->max ? nodes : s->max;
	s->dirty = true;
}

static void names_lost(void *scout, const struct addr *control, ns_t now)
{
	struct names *s = scout;
	struct named *n = find(s, control);

	(void)now;
	if (n)
		s->dirty = n->lost = true;
}

static void names_found(void *scout, const struct addr *control, ns_t now)
{
	struct names *s = scout;
	struct named *n = find(s, control);

	(void)now;
	if (!n)
		return;
	n->lost = false;
	s->dirty = true;
}

static bool names_next(void *scout, ns_t now, struct scout_act *act)
{
	struct names *s = scout;

	if (s->dirty || now >= s->wake)
		walk(s, now);
	*act = (struct scout_act){0};
	if (s->asks) {
		act->kind = SCOUT_LOOKUP;
		act->what = s->ask[--s->asks];
		return true;
	}
	for (int i = 0; i < s->n; i++) {
		if (!s->named[i].gone)
			continue;
		act->kind = SCOUT_GONE;
		act->of = s->named[i].control;
		s->named[i] = s->named[--s->n];
		return true;
	}
	for (int i = 0; i < s->n; i++) {
		if (s->named[i].said)
			continue;
		s->named[i].said = true;
		act->kind = SCOUT_CANDIDATE;
		act->candidate.control = s->named[i].control;
		act->candidate.distance = s->named[i].distance;
		return true;
	}
	return false;
}

static ns_t names_when(const void *scout)
{
	const struct names *s = scout;

	if (s->dirty || s->asks)
		return 0;
	for (int i = 0; i < s->n; i++)
		if (s->named[i].gone || !s->named[i].said)
			return 0;
	return s->wake;
}

const struct scout_ops scout_names = {.name = "names",
	.help = "a directory in the DNS, as many as the load calls for, the most similar place "
		"first",
	.varies = true,
	.init = names_init,
	.free = names_free,
	.want = names_want,
	.looked_up = names_looked_up,
	.lost = names_lost,
	.found = names_found,
	.next = names_next,
	.when = names_when};
