/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded cursors over binary messages, with a sticky error: read or write all fields, check
 * `bad` once at the end. After an error reads give 0 and writes do nothing. Big-endian.
 */
#ifndef NEARCAST_CURSOR_H
#define NEARCAST_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rcur {
	const uint8_t *p, *end;
	bool bad;
};

struct wcur {
	uint8_t *start, *p, *end;
	bool bad;
};

static inline struct rcur rcur_init(const void *p, size_t n)
{
	return (struct rcur){p, (const uint8_t *)p + n, false};
}
static inline size_t rcur_left(const struct rcur *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->p);
}
uint8_t rcur_u8(struct rcur *c);
uint16_t rcur_u16(struct rcur *c);
uint32_t rcur_u32(struct rcur *c);
uint64_t rcur_u64(struct rcur *c);
/* n bytes in place, or NULL. */
const uint8_t *rcur_take(struct rcur *c, size_t n);

static inline struct wcur wcur_init(void *p, size_t n)
{
	return (struct wcur){p, p, (uint8_t *)p + n, false};
}
static inline size_t wcur_len(const struct wcur *c)
{
	return (size_t)(c->p - c->start);
}
void wcur_u8(struct wcur *c, uint8_t v);
void wcur_u16(struct wcur *c, uint16_t v);
void wcur_u32(struct wcur *c, uint32_t v);
void wcur_u64(struct wcur *c, uint64_t v);
void wcur_put(struct wcur *c, const void *p, size_t n);
/* Reserves n bytes, returns where, or NULL. */
uint8_t *wcur_reserve(struct wcur *c, size_t n);

#endif
