/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bounded text builder. Messages are composed from many small pieces; checking each one for
 * space would hide what is being said. So the error sticks, and one look at `full` at the end
 * decides. A piece that does not fit is left out whole, and so is all that follows: what is in
 * the buffer is always a true beginning of what was meant, and NUL-terminated.
 */
#include "lib/sbuf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void sbuf_init(struct sbuf *b, char *mem, size_t cap)
{
	assert(cap > 0);
	*b = (struct sbuf){mem, cap, 0, false};
	mem[0] = '\0';
}

void sbuf_printf(struct sbuf *b, const char *fmt, ...)
{
	size_t room = b->cap - b->n;
	va_list ap;
	int n;

	if (b->full)
		return;
	va_start(ap, fmt);
	n = vsnprintf(b->p + b->n, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room) {
		b->p[b->n] = '\0';
		b->full = true;
		return;
	}
	b->n += (size_t)n;
}

void sbuf_append(struct sbuf *b, const void *p, size_t n)
{
	if (b->full)
		return;
	if (n >= b->cap - b->n) {
		b->full = true;
		return;
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void sbuf_uint(struct sbuf *b, unsigned long long v)
{
	char digit[20];
	size_t i = sizeof(digit);

	do {
		digit[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	sbuf_append(b, digit + i, sizeof(digit) - i);
}
