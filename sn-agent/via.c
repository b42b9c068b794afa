/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/via.h"

#include <stdio.h>
#include <string.h>

#include "lib/rtspd.h"

bool via_meet(struct slice a, struct slice b)
{
	while (a.n) {
		struct slice name = slice_trim(slice_cut(&a, ','));

		if (name.n && rtspd_list_has(b, name))
			return true;
	}
	return false;
}

bool via_refuses(const char *self, struct slice via, const char *path, const char *trying)
{
	if (via.n >= VIA_NAMES || rtspd_list_has(via, slice_of(self)) ||
		via_meet(via, slice_of(path)))
		return true;
	return *trying && rtspd_list_has(via, slice_of(trying)) && strcmp(self, trying) < 0;
}

bool via_join(char out[VIA_NAMES], const char *a, const char *b)
{
	int n = snprintf(out, VIA_NAMES, "%s%s%s", a, *a && *b ? ", " : "", b);

	if (n >= 0 && n < VIA_NAMES)
		return true;
	*out = '\0';
	return false;
}
