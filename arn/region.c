/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/region.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* An address as a number, of 128 bits; IPv4's upper ones are 0. */
struct number {
	uint64_t high, low;
};

/* From here up to the next one it is this place. */
struct range {
	struct number from;
	uint32_t place; /* index, or NO_PLACE */
};
#define NO_PLACE UINT32_MAX

struct ranges {
	struct range *r; /* in order; the first one is from 0 on */
	int n;
};

struct region_table {
	_Atomic unsigned refs;
	int prefixes;
	struct ranges of[2]; /* IPv4, IPv6 */
	char (*place)[PLACE_LEN];
};

static int family(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6;
}

static struct number number_of(const struct addr *a)
{
	struct number v = {0, 0};

	if (a->sa.sa_family == AF_INET) {
		v.low = ntohl(a->in.sin_addr.s_addr);
		return v;
	}
	for (int i = 0; i < 8; i++) {
		v.high = v.high << 8 | a->in6.sin6_addr.s6_addr[i];
		v.low = v.low << 8 | a->in6.sin6_addr.s6_addr[8 + i];
	}
	return v;
}

static int compare(struct number a, struct number b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	return a.low < b.low ? -1 : a.low > b.low;
}

/* The first number behind the prefix. False: there is none, it reaches to the end of all. */
static bool behind(const struct prefix *p, struct number *out)
{
	int bits = p->addr.sa.sa_family == AF_INET ? 32 : 128, left = bits - p->len;
	struct number v = number_of(&p->addr), step = {0, 0};

	if (left >= 128)
		return false;
	if (left >= 64)
		step.high = UINT64_C(1) << (left - 64);
	else
		step.low = UINT64_C(1) << left;
	v.low += step.low;
	v.high += step.high + (v.low < step.low);
	*out = v;
	if (bits == 32)
		return v.low <= UINT32_MAX;
	return v.high || v.low; /* else it went round */
}

/* ---- making one ---- */

struct entry {
	struct prefix prefix;
	uint32_t place;
};

/* By family, where they begin, the wider one first; of the same prefix the later one last. */
static int by_prefix(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int fa = family(&a->prefix.addr), fb = family(&b->prefix.addr), c;

	if (fa != fb)
		return fa - fb;
	c = compare(number_of(&a->prefix.addr), number_of(&b->prefix.addr));
	if (c)
		return c;
	if (a->prefix.len != b->prefix.len)
		return a->prefix.len - b->prefix.len;
	return a->place < b->place ? -1 : 1;
}

static void add_range(struct ranges *to, struct number from, uint32_t place)
{
	/* What would be empty, or goes on like the one before it, is none. */
	if (to->n && !compare(to->r[to->n - 1].from, from))
		to->n--;
	if (!to->n || to->r[to->n - 1].place != place)
		to->r[to->n++] = (struct range){from, place};
}

/* Those that are open, one inside of the other: the innermost on top. */
struct open {
	const struct entry *e[130];
	int n;
};

static void close_one(struct ranges *to, struct open *o)
{
	struct number end;
	bool more = behind(&o->e[--o->n]->prefix, &end);

	if (more)
		add_range(to, end, o->n ? o->e[o->n - 1]->place : NO_PLACE);
}

static bool is_inside(const struct entry *inner, const struct entry *outer)
{
	return prefix_has(&outer->prefix, &inner->prefix.addr);
}

static void fill(struct ranges *to, const struct entry *e, int n)
{
	struct open o = {.n = 0};

	add_range(to, (struct number){0, 0}, NO_PLACE);
	for (int i = 0; i < n; i++) {
		while (o.n && !is_inside(&e[i], o.e[o.n - 1]))
			close_one(to, &o);
		if (o.n && prefix_same(&o.e[o.n - 1]->prefix, &e[i].prefix))
			o.n--;
		add_range(to, number_of(&e[i].prefix.addr), e[i].place);
		o.e[o.n++] = &e[i];
	}
	while (o.n)
		close_one(to, &o);
}

static void table_free(struct region_table *t)
{
	free(t->of[0].r);
	free(t->of[1].r);
	free(t->place);
	free(t);
}

struct region_table *region_table_new(const struct region *list, int n)
{
	struct region_table *t = n >= 0 && n <= REGION_MAX ? calloc(1, sizeof(*t)) : NULL;
	struct entry *e;
	int of_v4 = 0;

	if (!t)
		return NULL;
	atomic_init(&t->refs, 1);
	t->prefixes = n;
	e = calloc((size_t)n + 1, sizeof(*e));
	t->place = calloc((size_t)n + 1, sizeof(*t->place));
	for (int i = 0; i < 2; i++)
		t->of[i].r = calloc(2 * (size_t)n + 1, sizeof(*t->of[i].r));
	if (!e || !t->place || !t->of[0].r || !t->of[1].r) {
		free(e);
		table_free(t);
		return NULL;
	}
	for (int i = 0; i < n; i++) {
		memcpy(t->place[i], list[i].place, PLACE_LEN);
		e[i] = (struct entry){list[i].prefix, (uint32_t)i};
		of_v4 += !family(&list[i].prefix.addr);
	}
	qsort(e, (size_t)n, sizeof(*e), by_prefix);
	fill(&t->of[0], e, of_v4);
	fill(&t->of[1], e + of_v4, n - of_v4);
	free(e);
	return t;
}

static struct region_table *own(const struct region_table *t)
{
	return (struct region_table *)t;
}

const struct region_table *region_table_ref(const struct region_table *t)
{
	if (t)
		atomic_fetch_add_explicit(&own(t)->refs, 1, memory_order_relaxed);
	return t;
}

void region_table_unref(const struct region_table *t)
{
	if (t && atomic_fetch_sub_explicit(&own(t)->refs, 1, memory_order_acq_rel) == 1)
		table_free(own(t));
}

int region_table_count(const struct region_table *t)
{
	return t ? t->prefixes : 0;
}

/* ---- using one ---- */

const char *region_find(const struct region_table *t, const struct addr *client)
{
	const struct ranges *of;
	struct number v;
	int low = 0, high;

	if (!t || (client->sa.sa_family != AF_INET && client->sa.sa_family != AF_INET6))
		return NULL;
	of = &t->of[family(client)];
	v = number_of(client);
	high = of->n; /* the range is in [low, high) */
	while (high - low > 1) {
		int mid = low + (high - low) / 2;

		if (compare(of->r[mid].from, v) <= 0)
			low = mid;
		else
			high = mid;
	}
	return of->r[low].place == NO_PLACE ? NULL : t->place[of->r[low].place];
}

/* ---- the file ---- */

int region_line(struct slice line, struct region *r, const char **why)
{
	struct slice text = slice_trim(slice_cut(&line, '#')), prefix, place;
	size_t n = 0;

	if (!text.n)
		return 0;
	while (n < text.n && text.p[n] != ' ' && text.p[n] != '\t')
		n++;
	prefix = (struct slice){text.p, n};
	place = slice_trim((struct slice){text.p + n, text.n - n});
	*why = "PREFIX PLACE";
	if (!place.n)
		return -EINVAL;
	*why = "a prefix without host bits, \"10.1.0.0/16\"";
	if (prefix_parse(&r->prefix, prefix) < 0)
		return -EINVAL;
	*why = "a place, labels of a-z, 0-9 and '-' with dots between";
	if (!place_ok(place) || slice_copy(place, r->place, sizeof(r->place)) < 0)
		return -EINVAL;
	return 1;
}
