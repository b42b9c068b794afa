/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/profile.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/policy.h"
#include "lib/json.h"

struct profile profile_empty(void)
{
	const struct profile_service none = {NULL, -1, -1, -1, -1};

	return (struct profile){{none, none}};
}

/* ---- reading ---- */

static const struct member {
	const char *name;
	size_t at; /* of an int in struct profile_service */
	int most;
} numbers[] = {
	{"bound", offsetof(struct profile_service, bound), 1000},
	{"affinity-limit", offsetof(struct profile_service, affinity_limit), 100},
	{"session-kbps", offsetof(struct profile_service, session_kbps), 10000000},
};

static int wrong(char *why, const char *service, const char *name, const char *expected)
{
	snprintf(why, PROFILE_WHY, "%s.%.40s: expected %s", service, name, expected);
	return -EINVAL;
}

static int read_policy(
	struct profile_service *s, const char *service, const struct js *v, char *why)
{
	const char *name = js_str(v);
	char expected[100] = "";
	struct sbuf b;

	s->policy = name ? policy_find(slice_of(name)) : NULL;
	if (s->policy)
		return 0;
	sbuf_init(&b, expected, sizeof(expected));
	for (int i = 0; policy_names[i]; i++)
		sbuf_printf(&b, "%s%s", i ? ", " : "", policy_names[i]);
	return wrong(why, service, "policy", expected);
}

static int read_member(struct profile_service *s, const char *service, const char *name,
	const struct js *v, char *why)
{
	char expected[48];

	if (!strcmp(name, "policy"))
		return read_policy(s, service, v, why);
	if (!strcmp(name, "prime")) {
		s->prime = js_bool(v);
		return js_is_bool(v) ? 0 : wrong(why, service, name, "true or false");
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(name, numbers[i].name))
			continue;
		if (!js_is_int(v) || js_int(v) < 0 || js_int(v) > numbers[i].most) {
			snprintf(expected, sizeof(expected), "a number, 0 to %d", numbers[i].most);
			return wrong(why, service, name, expected);
		}
		*(int *)((char *)s + numbers[i].at) = (int)js_int(v);
		return 0;
	}
	if (!*why)
		snprintf(why, PROFILE_WHY, "%s.%.40s is not known, and left alone", service, name);
	return 0;
}

static int read_service(
	struct profile_service *s, const char *service, const struct js *o, char *why)
{
	const struct js *v;
	const char *name;
	void *it = NULL;

	if (!js_is_object(o)) {
		snprintf(why, PROFILE_WHY, "%s: expected an object", service);
		return -EINVAL;
	}
	while ((name = js_each(o, &it, &v)))
		if (read_member(s, service, name, v, why))
			return -EINVAL;
	return 0;
}

int profile_parse(struct profile *p, struct slice text, char why[PROFILE_WHY])
{
	struct js *o = js_parse(text, why);
	const struct js *v;
	const char *name;
	void *it = NULL;
	int err = 0;

	*p = profile_empty();
	if (!o)
		return -EINVAL;
	*why = '\0';
	if (!js_is_object(o)) {
		snprintf(why, PROFILE_WHY, "expected an object");
		err = -EINVAL;
	}
	while (!err && (name = js_each(o, &it, &v))) {
		if (!strcmp(name, "rtsp"))
			err = read_service(&p->of[TEXT_RTSP], "rtsp", v, why);
		else if (!strcmp(name, "http"))
			err = read_service(&p->of[TEXT_HTTP], "http", v, why);
		else if (!*why)
			snprintf(why, PROFILE_WHY, "%.40s is not known, and left alone", name);
	}
	js_free(o);
	if (err)
		*p = profile_empty();
	return err;
}

bool profile_same(const struct profile *a, const struct profile *b)
{
	for (int i = 0; i < 2; i++) {
		const struct profile_service *x = &a->of[i], *y = &b->of[i];

		if (x->policy != y->policy || x->bound != y->bound || x->prime != y->prime ||
			x->affinity_limit != y->affinity_limit ||
			x->session_kbps != y->session_kbps)
			return false;
	}
	return true;
}

/* ---- the table ---- */

struct profile_table *profile_table_new(int room)
{
	struct profile_table *t = calloc(1, sizeof(*t) + (size_t)room * sizeof(t->fact[0]));

	if (t)
		atomic_init(&t->refs, 1);
	return t;
}

/* To its readers a table is const; the count of them and their marks are what is not. */
static struct profile_table *own(const struct profile_table *t)
{
	return (struct profile_table *)t;
}

const struct profile_table *profile_table_ref(const struct profile_table *t)
{
	if (t)
		atomic_fetch_add_explicit(&own(t)->refs, 1, memory_order_relaxed);
	return t;
}

void profile_table_unref(const struct profile_table *t)
{
	if (t && atomic_fetch_sub_explicit(&own(t)->refs, 1, memory_order_acq_rel) == 1)
		free(own(t));
}

static int by_address(const void *a, const void *b)
{
	const struct profile_fact *x = a, *y = b;

	return addr_cmp(&x->anycast, &y->anycast);
}

void profile_table_sort(struct profile_table *t)
{
	qsort(t->fact, (size_t)t->n, sizeof(t->fact[0]), by_address);
}

bool profile_table_same(const struct profile_table *a, const struct profile_table *b)
{
	if (!a || !b || a->n != b->n)
		return a == b;
	for (int i = 0; i < a->n; i++)
		if (addr_cmp(&a->fact[i].anycast, &b->fact[i].anycast) ||
			a->fact[i].there != b->fact[i].there ||
			!profile_same(&a->fact[i].profile, &b->fact[i].profile))
			return false;
	return true;
}

const struct profile_fact *profile_find(const struct profile_table *t, const struct addr *anycast)
{
	int low = 0, high = t ? t->n : 0;
	struct addr key = *anycast;

	addr_set_port(&key, 0);
	while (low < high) {
		int mid = (low + high) / 2, cmp = addr_cmp(&t->fact[mid].anycast, &key);

		if (!cmp) {
			atomic_store_explicit(&own(t)->fact[mid].used, true, memory_order_relaxed);
			return &t->fact[mid];
		}
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
