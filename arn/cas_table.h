/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What channel allocation services have said (row D3; lib/cas.h), as snapshots show it: made once,
 * never changed (as arn/profile.h), but for the mark of use. Pure; who asks is arn/casc.c.
 */
#ifndef ARN_CAS_TABLE_H
#define ARN_CAS_TABLE_H

#include <stdbool.h>

#include "lib/cas.h"

struct cas_fact {
	char url[CAS_URL];
	bool there;         /* false: it has no channel, or nobody could say */
	_Atomic bool used;  /* by a request, since the maker looked */
	struct addr source; /* with a port */
	uint32_t number;
};

struct cas_table {
	_Atomic unsigned refs;
	int n;
	struct cas_fact fact[]; /* ordered by URL */
};

struct cas_table *cas_table_new(int room); /* n 0, with the caller's reference, or NULL */
void cas_table_sort(struct cas_table *t);  /* when it is filled in */
const struct cas_table *cas_table_ref(const struct cas_table *t); /* NULL: NULL */
void cas_table_unref(const struct cas_table *t);
bool cas_table_same(const struct cas_table *a, const struct cas_table *b);
/* Marks it as used. NULL: nothing is known of it yet. */
const struct cas_fact *cas_find(const struct cas_table *t, const char *url);

#endif
