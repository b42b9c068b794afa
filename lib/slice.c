/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Borrowed runs of bytes. The few operations here are those that would otherwise be written by
 * hand, slightly wrong, in every parser. Nothing here allocates, and no input is ever assumed to
 * end with a NUL.
 */
#include "lib/slice.h"

#include <errno.h>

struct slice slice_cut(struct slice *s, char sep)
{
	const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;
	struct slice head = *s;

	if (!at) {
		/* Nothing follows: what is left is empty, but still points to the end. */
		*s = (struct slice){s->n ? s->p + s->n : s->p, 0};
		return head;
	}
	head.n = (size_t)(at - s->p);
	s->p = at + 1;
	s->n -= head.n + 1;
	return head;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	return s;
}

int slice_u64(struct slice s, unsigned long long max, unsigned long long *out)
{
	unsigned long long v = 0;

	if (!s.n)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

		if (d > 9 || d > max || v > (max - d) / 10)
			return -EINVAL;
		v = v * 10 + d;
	}
	*out = v;
	return 0;
}

int slice_hex32(struct slice s, uint32_t *out)
{
	uint32_t v = 0;

	if (!s.n || s.n > 8)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], low = (char)(c | 32);

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (uint32_t)(low - 'a' + 10);
		else
			return -EINVAL;
	}
	*out = v;
	return 0;
}

int slice_copy(struct slice s, char *dst, size_t cap)
{
	if (s.n >= cap) {
		if (cap)
			dst[0] = '\0';
		return -ENOSPC;
	}
	if (s.n)
		memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return 0;
}
