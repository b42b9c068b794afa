/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded text builder over the caller's memory, with a sticky error: write all, check once.
 */
#ifndef NEARCAST_SBUF_H
#define NEARCAST_SBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/slice.h"

struct sbuf {
	char *p;    /* the caller's memory, always NUL-terminated */
	size_t cap; /* its size, the NUL included; at least 1 */
	size_t n;   /* bytes written */
	bool full;  /* something did not fit: the content is not to be used */
};

void sbuf_init(struct sbuf *b, char *mem, size_t cap);
void sbuf_printf(struct sbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sbuf_append(struct sbuf *b, const void *p, size_t n);
void sbuf_uint(struct sbuf *b, unsigned long long v); /* in decimal */
static inline void sbuf_str(struct sbuf *b, const char *s)
{
	sbuf_append(b, s, strlen(s)); /* which a compiler knows of a literal */
}
static inline void sbuf_slice(struct sbuf *b, struct slice s)
{
	sbuf_append(b, s.p, s.n);
}

#endif
