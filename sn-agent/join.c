/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/join.h"

#include <stdio.h>
#include <string.h>

bool join_has(struct slice list, struct slice name)
{
	while (list.n)
		if (slice_ieq(slice_trim(slice_cut(&list, ',')), name))
			return true;
	return false;
}

bool join_meet(struct slice a, struct slice b)
{
	while (a.n) {
		struct slice name = slice_trim(slice_cut(&a, ','));

		if (name.n && join_has(b, name))
			return true;
	}
	return false;
}

bool join_refuses(const char *self, struct slice via, const char *path, const char *trying)
{
	if (via.n >= JOIN_NAMES || join_has(via, slice_of(self)) || join_meet(via, slice_of(path)))
		return true;
	return *trying && join_has(via, slice_of(trying)) && strcmp(self, trying) < 0;
}

bool join_lists(char out[JOIN_NAMES], const char *a, const char *b)
{
	int n = snprintf(out, JOIN_NAMES, "%s%s%s", a, *a && *b ? ", " : "", b);

	if (n >= 0 && n < JOIN_NAMES)
		return true;
	*out = '\0';
	return false;
}
