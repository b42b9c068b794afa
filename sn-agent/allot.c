/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/allot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void allot_init(struct allot *a)
{
	*a = (struct allot){.item = NULL};
}

void allot_free(struct allot *a)
{
	free(a->item);
	allot_init(a);
}

static struct allotment *with_number(struct allot *a, uint32_t number)
{
	for (int i = 0; i < a->n; i++)
		if (a->item[i].number == number)
			return &a->item[i];
	return NULL;
}

struct allotment *allot_find(struct allot *a, const char *url)
{
	for (int i = 0; i < a->n; i++)
		if (!strcmp(a->item[i].url, url))
			return &a->item[i];
	return NULL;
}

struct allotment *allot_add(struct allot *a, const char *url, struct slice path, ns_t now)
{
	struct allotment *t;
	unsigned nth = 0;

	if (a->n >= a->max || path.n >= CHANNEL_PATH)
		return NULL;
	while (with_number(a, cas_number(url, nth)))
		nth++;
	t = &a->item[a->n++];
	*t = (struct allotment){.number = cas_number(url, nth), .asked = now};
	snprintf(t->url, sizeof(t->url), "%s", url);
	slice_copy(path, t->path, sizeof(t->path));
	return t;
}

int allot_set_conf(struct allot *a, int max, ns_t lifetime, const struct allotment *fixed, int n)
{
	struct allotment *item = calloc((size_t)max + 1, sizeof(*item));
	struct allot old = *a;

	if (!item)
		return -ENOMEM;
	*a = (struct allot){.item = item, .max = max, .lifetime = lifetime};
	for (int i = 0; i < n; i++) {
		struct allotment *t = allot_add(a, fixed[i].url, slice_of(fixed[i].path), 0);

		if (t)
			t->fixed = true;
	}
	/* A number that is in use stays, whatever it would be today. */
	for (int i = 0; i < old.n && a->n < max; i++) {
		const struct allotment *t = &old.item[i];

		if (!t->fixed && !allot_find(a, t->url) && !with_number(a, t->number))
			a->item[a->n++] = *t;
	}
	free(old.item);
	return 0;
}

struct allotment *allot_number(struct allot *a, uint32_t number, ns_t now)
{
	struct allotment *t = with_number(a, number);

	if (t)
		t->asked = now;
	return t;
}

struct slice allot_path(struct allot *a, struct slice path, ns_t now)
{
	const struct allotment *t = NULL;
	uint32_t number;

	if (a && cas_channel_parse(path, &number))
		t = allot_number(a, number, now);
	return t ? slice_of(t->path) : path;
}

void allot_expire(struct allot *a, bool (*in_use)(void *arg, const char *path), void *arg, ns_t now)
{
	for (int i = a->n - 1; i >= 0; i--) {
		struct allotment *t = &a->item[i];

		if (t->fixed || now - t->asked < a->lifetime)
			continue;
		if (in_use(arg, t->path))
			t->asked = now;
		else
			*t = a->item[--a->n];
	}
}
