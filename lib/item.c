/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/item.h"

#include <cbor.h>
#include <errno.h>
#include <string.h>

/* ---- reading ---- */

static void on_uint8(void *ctx, uint8_t v)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_UINT, .v = v};
}
static void on_uint16(void *ctx, uint16_t v)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_UINT, .v = v};
}
static void on_uint32(void *ctx, uint32_t v)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_UINT, .v = v};
}
static void on_uint64(void *ctx, uint64_t v)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_UINT, .v = v};
}
static void on_bool(void *ctx, bool v)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_BOOL, .v = v};
}
static void on_text(void *ctx, cbor_data p, size_t n)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_TEXT, .s = {(const char *)p, n}};
}
static void on_bytes(void *ctx, cbor_data p, size_t n)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_BYTES, .s = {(const char *)p, n}};
}
static void on_array(void *ctx, size_t n)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_ARRAY, .v = n};
}
static void on_map(void *ctx, size_t n)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_MAP, .v = n};
}
static void on_tag(void *ctx, uint64_t v)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_TAG, .v = v};
}
static void on_indefinite(void *ctx)
{
	*(struct item *)ctx = (struct item){.kind = ITEM_INDEFINITE};
}

/* What is of no use to us (floats, null, negative numbers) leaves the item as it is: ITEM_OTHER. */
static const struct cbor_callbacks callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint64 = cbor_null_negint64_callback,
	.negint32 = cbor_null_negint32_callback,
	.negint16 = cbor_null_negint16_callback,
	.negint8 = cbor_null_negint8_callback,
	.byte_string_start = on_indefinite,
	.byte_string = on_bytes,
	.string = on_text,
	.string_start = on_indefinite,
	.indef_array_start = on_indefinite,
	.array_start = on_array,
	.indef_map_start = on_indefinite,
	.map_start = on_map,
	.tag = on_tag,
	.float2 = cbor_null_float2_callback,
	.float4 = cbor_null_float4_callback,
	.float8 = cbor_null_float8_callback,
	.undefined = cbor_null_undefined_callback,
	.null = cbor_null_null_callback,
	.boolean = on_bool,
	.indef_break = on_indefinite,
};

bool item_read(struct item_reader *r, struct item *item)
{
	struct cbor_decoder_result res;

	if (!r->n)
		return false;
	*item = (struct item){.kind = ITEM_OTHER};
	res = cbor_stream_decode(r->p, r->n, &callbacks, item);
	if (res.status != CBOR_DECODER_FINISHED || item->kind == ITEM_INDEFINITE)
		return false;
	r->p += res.read;
	r->n -= res.read;
	return true;
}

/* `pending` counts items still to come, each of which takes a byte at least. */
bool item_skip(struct item_reader *r, struct item item)
{
	uint64_t pending = 1;

	for (;;) {
		uint64_t inside = item.kind == ITEM_ARRAY || item.kind == ITEM_MAP ? item.v : 0;

		if (inside > r->n)
			return false;
		if (item.kind == ITEM_MAP)
			inside *= 2;
		if (item.kind == ITEM_TAG)
			inside = 1;
		pending += inside - 1;
		if (pending > r->n)
			return false;
		if (!pending)
			return true;
		if (!item_read(r, &item))
			return false;
	}
}

/* NULL, or what is wrong. */
static const char *read_pair(struct item_reader *r, item_pair_cb *cb, void *arg, uint64_t *seen)
{
	struct item key, value;
	const char *wrong;
	uint64_t bit;

	if (!item_read(r, &key))
		return "key";
	if (key.kind != ITEM_UINT)
		return "key is not a number";
	if (!item_read(r, &value))
		return "value";
	bit = key.v < 64 ? UINT64_C(1) << key.v : 0;
	if (*seen & bit)
		return "key given twice";
	wrong = cb(arg, key.v, &value, r);
	if (wrong == ITEM_UNKNOWN)
		return item_skip(r, value) ? NULL : "value of an unknown key";
	*seen |= bit;
	return wrong;
}

const char *item_read_map(const uint8_t *p, size_t n, item_pair_cb *cb, void *arg, uint64_t *seen)
{
	struct item_reader r = {p, n};
	struct item map;
	const char *wrong;

	*seen = 0;
	if (!item_read(&r, &map) || map.kind != ITEM_MAP)
		return "not a map of definite length";
	for (uint64_t i = 0; i < map.v; i++) {
		wrong = read_pair(&r, cb, arg, seen);
		if (wrong)
			return wrong;
	}
	return r.n ? "bytes after the map" : NULL;
}

/* ---- values ---- */

bool item_get_uint(const struct item *v, uint64_t max, uint64_t *out)
{
	*out = v->v;
	return v->kind == ITEM_UINT && v->v <= max;
}

bool item_get_u32(const struct item *v, uint32_t max, uint32_t *out)
{
	*out = (uint32_t)v->v;
	return v->kind == ITEM_UINT && v->v <= max;
}

bool item_get_u16(const struct item *v, uint16_t max, uint16_t *out)
{
	*out = (uint16_t)v->v;
	return v->kind == ITEM_UINT && v->v <= max;
}

bool item_get_u8(const struct item *v, uint8_t max, uint8_t *out)
{
	*out = (uint8_t)v->v;
	return v->kind == ITEM_UINT && v->v <= max;
}

bool item_get_bool(const struct item *v, bool *out)
{
	*out = v->v != 0;
	return v->kind == ITEM_BOOL;
}

bool item_get_text(const struct item *v, char *dst, size_t cap)
{
	return v->kind == ITEM_TEXT && v->s.n && !memchr(v->s.p, 0, v->s.n) &&
	       slice_copy(v->s, dst, cap) == 0;
}

bool item_get_addr(const struct item *v, struct addr *out, bool with_port)
{
	size_t n = v->s.n - (with_port ? 2 : 0);

	if (v->kind != ITEM_BYTES || v->s.n < 4 || (n != 4 && n != 16))
		return false;
	*out = addr_any(n == 4 ? AF_INET : AF_INET6, 0);
	if (n == 4)
		memcpy(&out->in.sin_addr, v->s.p, 4);
	else
		memcpy(&out->in6.sin6_addr, v->s.p, 16);
	if (with_port)
		addr_set_port(out, (uint16_t)((uint8_t)v->s.p[n] << 8 | (uint8_t)v->s.p[n + 1]));
	return true;
}

/* ---- writing ---- */

/* libcbor's encoders say 0 when there is no room. */
static void advance(struct item_writer *w, size_t written)
{
	w->full |= !written;
	w->n += w->full ? 0 : written;
}

static void put_run(struct item_writer *w, const void *p, size_t n)
{
	if (w->full || n > w->cap - w->n) {
		w->full = true;
		return;
	}
	if (n)
		memcpy(w->p + w->n, p, n);
	w->n += n;
}

int item_end(struct item_writer *w)
{
	uint8_t head[9];
	size_t n = cbor_encode_map_start(w->pairs, head, sizeof(head));

	if (w->full || n > w->cap - w->n)
		return -EMSGSIZE;
	memmove(w->p + n, w->p, w->n);
	memcpy(w->p, head, n);
	w->n += n;
	return (int)w->n;
}

void item_key(struct item_writer *w, unsigned key)
{
	w->pairs++;
	item_put_uint(w, key);
}

void item_put_array(struct item_writer *w, size_t items)
{
	advance(w, cbor_encode_array_start(items, w->p + w->n, w->cap - w->n));
}

void item_put_uint(struct item_writer *w, uint64_t v)
{
	advance(w, cbor_encode_uint(v, w->p + w->n, w->cap - w->n));
}

void item_put_bool(struct item_writer *w, bool v)
{
	advance(w, cbor_encode_bool(v, w->p + w->n, w->cap - w->n));
}

void item_put_text(struct item_writer *w, const char *z)
{
	size_t n = strlen(z);

	advance(w, cbor_encode_string_start(n, w->p + w->n, w->cap - w->n));
	put_run(w, z, n);
}

void item_put_bytes(struct item_writer *w, const void *p, size_t n)
{
	advance(w, cbor_encode_bytestring_start(n, w->p + w->n, w->cap - w->n));
	put_run(w, p, n);
}

void item_put_addr(struct item_writer *w, const struct addr *a, bool with_port)
{
	bool v4 = a->sa.sa_family == AF_INET;
	size_t n = v4 ? 4 : 16;
	uint16_t port = addr_port(a);
	uint8_t bytes[18];

	memcpy(bytes, v4 ? (const void *)&a->in.sin_addr : (const void *)&a->in6.sin6_addr, n);
	bytes[n] = (uint8_t)(port >> 8);
	bytes[n + 1] = (uint8_t)port;
	item_put_bytes(w, bytes, with_port ? n + 2 : n);
}

void item_pair_uint(struct item_writer *w, unsigned key, uint64_t v)
{
	if (!v)
		return;
	item_key(w, key);
	item_put_uint(w, v);
}

void item_pair_text(struct item_writer *w, unsigned key, const char *z)
{
	if (!*z)
		return;
	item_key(w, key);
	item_put_text(w, z);
}

void item_pair_bool(struct item_writer *w, unsigned key, bool v)
{
	if (!v)
		return;
	item_key(w, key);
	item_put_bool(w, v);
}

void item_pair_addr(struct item_writer *w, unsigned key, const struct addr *a, bool with_port)
{
	if (!a->sa.sa_family)
		return;
	item_key(w, key);
	item_put_addr(w, a, with_port);
}
