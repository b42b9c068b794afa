/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/place.h"

#include <string.h>

#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */

static bool label_ok(struct slice s)
{
	if (!s.n || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return true;
}

bool place_ok(struct slice s)
{
	if (!s.n || s.n >= PLACE_LEN || s.p[s.n - 1] == '.')
		return false;
	while (s.n)
		if (!label_ok(slice_cut(&s, '.')))
			return false;
	return true;
}

int place_labels(const char *place)
{
	int n = *place != '\0';

	for (; *place; place++)
		n += *place == '.';
	return n;
}

int place_common(const char *a, const char *b)
{
	size_t i = strlen(a), k = strlen(b);
	int n = 0;

	if (!i || !k)
		return 0;
	for (; i && k && a[i - 1] == b[k - 1]; i--, k--)
		n += a[i - 1] == '.';
	/* The label at which it ended counts if it is whole at both. */
	return n + ((!i || a[i - 1] == '.') && (!k || b[k - 1] == '.'));
}

int place_distance(const char *from, const char *to)
{
	return *from && *to ? place_labels(from) - place_common(from, to) : -1;
}
