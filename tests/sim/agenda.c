/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/agenda.h"

#include <stdlib.h>
#include <string.h>

static bool before(const struct agenda_entry *a, const struct agenda_entry *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void grow(struct agenda *a)
{
	size_t was = a->room;

	a->room = was ? 2 * was : 1024;
	a->heap = realloc(a->heap, a->room * sizeof(*a->heap));
	a->events = realloc(a->events, a->room * a->size);
	if (!a->heap || !a->events)
		abort();
	for (size_t i = was; i < a->room; i++)
		a->heap[i].slot = i;
}

void agenda_put(struct agenda *a, ns_t at, const void *event)
{
	struct agenda_entry e;
	size_t i;

	if (a->n == a->room)
		grow(a);
	i = a->n++;
	e = (struct agenda_entry){at, a->order++, a->heap[i].slot};
	memcpy(a->events + e.slot * a->size, event, a->size);
	for (; i > 0 && before(&e, &a->heap[(i - 1) / 2]); i = (i - 1) / 2)
		a->heap[i] = a->heap[(i - 1) / 2];
	a->heap[i] = e;
}

bool agenda_take(struct agenda *a, ns_t until, void *event)
{
	struct agenda_entry top, last;
	size_t i = 0, k;

	if (!a->n || a->heap[0].at > until)
		return false;
	top = a->heap[0];
	last = a->heap[--a->n];
	while ((k = 2 * i + 1) < a->n) {
		if (k + 1 < a->n && before(&a->heap[k + 1], &a->heap[k]))
			k++;
		if (!before(&a->heap[k], &last))
			break;
		a->heap[i] = a->heap[k];
		i = k;
	}
	a->heap[i] = last;
	a->heap[a->n].slot = top.slot;
	memcpy(event, a->events + top.slot * a->size, a->size);
	return true;
}

void agenda_clear(struct agenda *a)
{
	free(a->heap);
	free(a->events);
	*a = (struct agenda){.size = a->size};
}
