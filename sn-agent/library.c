/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/library.h"

#include <errno.h>
#include <string.h>

#include "lib/sbuf.h"
#include "lib/text.h"

const char *library_check_origin(const char *origin)
{
	size_t n = strlen(origin);
	struct url u;

	if (url_parse(&u, slice_of(origin)) || !slice_ieq(u.scheme, SLICE("http")) || !u.host.n ||
		u.query.p || origin[n - 1] == '/')
		return "an http URL without a query and without a slash at the end, as "
		       "\"http://10.8.0.3/films\"";
	return NULL;
}

/* Segments that mean the folder above, in any spelling, and empty ones, are nobody's names. */
static bool stays(struct slice rest)
{
	while (rest.n) {
		struct slice segment = slice_cut(&rest, '/');
		size_t dots = 0, i = 0;

		while (i < segment.n) {
			struct slice at = {segment.p + i, segment.n - i};
			bool coded = at.n >= 3 && strncasecmp(at.p, "%2e", 3) == 0;

			if (!coded && at.p[0] != '.')
				break;
			dots++;
			i += coded ? 3 : 1;
		}
		if (i == segment.n && dots <= 2)
			return false;
		for (i = 0; i + 2 < segment.n; i++)
			if (strncasecmp(segment.p + i, "%2f", 3) == 0 ||
				strncasecmp(segment.p + i, "%00", 3) == 0)
				return false;
	}
	return true;
}

static bool is_below(const struct library *l, struct slice path)
{
	size_t n = strlen(l->path);

	return path.n > n + 1 && memcmp(path.p, l->path, n) == 0 && path.p[n] == '/';
}

const struct library *library_find(const struct library *l, int n, struct slice path)
{
	const struct library *best = NULL;

	for (int i = 0; i < n; i++)
		if (is_below(&l[i], path) && (!best || strlen(l[i].path) > strlen(best->path)))
			best = &l[i];
	if (!best)
		return NULL;
	size_t skip = strlen(best->path) + 1;

	return stays((struct slice){path.p + skip, path.n - skip}) ? best : NULL;
}

int library_url(const struct library *l, struct slice path, char *out, size_t cap)
{
	size_t skip = strlen(l->path);
	struct sbuf b;

	sbuf_init(&b, out, cap);
	sbuf_str(&b, l->origin);
	sbuf_append(&b, path.p + skip, path.n - skip);
	return b.full ? -ENOSPC : 0;
}
