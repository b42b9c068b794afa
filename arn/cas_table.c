/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/cas_table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct cas_table *cas_table_new(int room)
{
	struct cas_table *t = calloc(1, sizeof(*t) + (size_t)room * sizeof(t->fact[0]));

	if (t)
		atomic_init(&t->refs, 1);
	return t;
}

static int by_url(const void *a, const void *b)
{
	return strcmp(((const struct cas_fact *)a)->url, ((const struct cas_fact *)b)->url);
}

void cas_table_sort(struct cas_table *t)
{
	qsort(t->fact, (size_t)t->n, sizeof(t->fact[0]), by_url);
}

static struct cas_table *own(const struct cas_table *t)
{
	return (struct cas_table *)t;
}

const struct cas_table *cas_table_ref(const struct cas_table *t)
{
	if (t)
		atomic_fetch_add_explicit(&own(t)->refs, 1, memory_order_relaxed);
	return t;
}

void cas_table_unref(const struct cas_table *t)
{
	if (t && atomic_fetch_sub_explicit(&own(t)->refs, 1, memory_order_acq_rel) == 1)
		free(own(t));
}

bool cas_table_same(const struct cas_table *a, const struct cas_table *b)
{
	if (!a || !b || a->n != b->n)
		return a == b;
	for (int i = 0; i < a->n; i++) {
		const struct cas_fact *x = &a->fact[i], *y = &b->fact[i];

		if (strcmp(x->url, y->url) != 0 || x->there != y->there || x->number != y->number ||
			(x->there && addr_cmp(&x->source, &y->source)))
			return false;
	}
	return true;
}

const struct cas_fact *cas_find(const struct cas_table *t, const char *url)
{
	int low = 0, high = t ? t->n : 0;

	while (low < high) {
		int mid = (low + high) / 2, cmp = strcmp(t->fact[mid].url, url);

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
