/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A borrowed run of bytes: what a parser returns instead of copies. It owns nothing. */
#ifndef NEARCAST_SLICE_H
#define NEARCAST_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_FMT      "%.*s"
#define SLICE_ARG(s)   (int)(s).n, (s).p

static inline struct slice slice_of(const char *z)
{
	return (struct slice){z, z ? strlen(z) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_ieq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

/* Cuts `s` at the first `sep`: returns what is before it and leaves in *s what is after it. */
struct slice slice_cut(struct slice *s, char sep);

/* Without the blanks (space, tab, CR, LF) at both ends. */
struct slice slice_trim(struct slice s);

/* Parses the whole of `s` as an unsigned decimal up to `max`. 0, or -EINVAL. */
int slice_u64(struct slice s, unsigned long long max, unsigned long long *out);

/* Parses the whole of `s` as 1 to 8 hexadecimal digits. 0, or -EINVAL. */
int slice_hex32(struct slice s, uint32_t *out);

/* Copies into dst[cap] with a final NUL. 0, or -ENOSPC when it does not fit (dst is then ""). */
int slice_copy(struct slice s, char *dst, size_t cap);

#endif
