/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <stdlib.h>

#include "tests/sim/world_impl.h"

static bool before(const struct event *a, const struct event *b)
{
	return a->at < b->at || (a->at == b->at && a->serial < b->serial);
}

void *queue_grown(void *p, size_t n)
{
	p = realloc(p, n);
	if (!p)
		abort();
	return p;
}

void queue_put(struct world *w, struct event e)
{
	size_t i = w->n++;

	if (w->n > w->room) {
		w->room = w->room ? 2 * w->room : 4096;
		w->heap = queue_grown(w->heap, w->room * sizeof(*w->heap));
	}
	e.serial = w->serial++;
	for (; i > 0 && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

struct event queue_take(struct world *w)
{
	struct event top = w->heap[0], last = w->heap[--w->n];
	size_t i = 0, k;

	while ((k = 2 * i + 1) < w->n) {
		if (k + 1 < w->n && before(&w->heap[k + 1], &w->heap[k]))
			k++;
		if (!before(&w->heap[k], &last))
			break;
		w->heap[i] = w->heap[k];
		i = k;
	}
	w->heap[i] = last;
	return top;
}

ns_t queue_some_time(struct world *w, ns_t mean)
{
	return (ns_t)(-log(graph_uniform(&w->rng)) * (double)mean) + 1;
}
