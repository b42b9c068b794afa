/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/primed.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct primed *primed_new(int room)
{
	struct primed *p = calloc(1, sizeof(*p) + (size_t)room * sizeof(p->port[0]));

	if (p)
		atomic_init(&p->refs, 1);
	return p;
}

/* To its readers a table is const; the count of them and their marks are what is not. */
static struct primed *own(const struct primed *p)
{
	return (struct primed *)p;
}

const struct primed *primed_ref(const struct primed *p)
{
	if (p)
		atomic_fetch_add_explicit(&own(p)->refs, 1, memory_order_relaxed);
	return p;
}

void primed_unref(const struct primed *p)
{
	if (p && atomic_fetch_sub_explicit(&own(p)->refs, 1, memory_order_acq_rel) == 1)
		free(own(p));
}

static uint64_t hash_of(const char *node, const struct prime_state *q)
{
	uint64_t h = prime_state_hash(q);

	while (*node)
		h = (h ^ (uint8_t)*node++) * UINT64_C(0x100000001b3);
	return h;
}

static int by_hash(const void *a, const void *b)
{
	uint64_t x = ((const struct primed_port *)a)->hash;
	uint64_t y = ((const struct primed_port *)b)->hash;

	return (x > y) - (x < y);
}

void primed_sort(struct primed *p)
{
	for (int i = 0; i < p->n; i++)
		p->port[i].hash = hash_of(p->port[i].node, &p->port[i].state);
	qsort(p->port, (size_t)p->n, sizeof(p->port[0]), by_hash);
}

const struct primed_port *primed_find(
	const struct primed *p, const struct announce *node, const struct prime_state *q)
{
	uint64_t h;
	int lo = 0, hi = p ? p->n : 0;

	if (!hi)
		return NULL;
	h = hash_of(node->id, q);
	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (p->port[mid].hash < h)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < p->n && p->port[lo].hash == h; lo++) {
		const struct primed_port *x = &p->port[lo];

		if (!strcmp(x->node, node->id) && prime_state_same(&x->state, q))
			return x->generation == node->generation ? x : NULL;
	}
	return NULL;
}

void primed_use(const struct primed_port *port)
{
	if (port)
		atomic_store_explicit(
			&((struct primed_port *)port)->used, true, memory_order_relaxed);
}
