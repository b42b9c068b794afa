/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded cursors. Every access to a binary message of a peer goes through here, so the bounds are
 * checked in one place. The idea of the sticky error is that a parser reads like the drawing of
 * its format: field after field, with a single check at the end; a short message gives zeros, never
 * a read beyond the end.
 */
#include "lib/cursor.h"

#include <string.h>

const uint8_t *rcur_take(struct rcur *c, size_t n)
{
	const uint8_t *at = c->p;

	if (c->bad || n > (size_t)(c->end - c->p)) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return at;
}

static uint64_t get(struct rcur *c, size_t n)
{
	const uint8_t *p = rcur_take(c, n);
	uint64_t v = 0;

	if (!p)
		return 0;
	while (n--)
		v = v << 8 | *p++;
	return v;
}

uint8_t rcur_u8(struct rcur *c)
{
	return (uint8_t)get(c, 1);
}

uint16_t rcur_u16(struct rcur *c)
{
	return (uint16_t)get(c, 2);
}

uint32_t rcur_u32(struct rcur *c)
{
	return (uint32_t)get(c, 4);
}

uint64_t rcur_u64(struct rcur *c)
{
	return get(c, 8);
}

uint8_t *wcur_reserve(struct wcur *c, size_t n)
{
	uint8_t *at = c->p;

	if (c->bad || n > (size_t)(c->end - c->p)) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return at;
}

static void put(struct wcur *c, uint64_t v, size_t n)
{
	uint8_t *p = wcur_reserve(c, n);

	if (!p)
		return;
	while (n--)
		*p++ = (uint8_t)(v >> (8 * n));
}

void wcur_u8(struct wcur *c, uint8_t v)
{
	put(c, v, 1);
}

void wcur_u16(struct wcur *c, uint16_t v)
{
	put(c, v, 2);
}

void wcur_u32(struct wcur *c, uint32_t v)
{
	put(c, v, 4);
}

void wcur_u64(struct wcur *c, uint64_t v)
{
	put(c, v, 8);
}

void wcur_put(struct wcur *c, const void *p, size_t n)
{
	uint8_t *at = wcur_reserve(c, n);

	if (at && n)
		memcpy(at, p, n);
}
