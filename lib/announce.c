/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The announcement's payload in CBOR. This file alone includes libcbor, and of it only the
 * streaming half: items are decoded one by one out of the datagram, so that no length in it makes
 * anybody allocate or recurse. The format is a table, as in wire.h: key, kind, range, and where in
 * the struct the value goes; encoder, decoder and the check of ranges all run over it.
 */
#include "lib/wire.h"

#include <cbor.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/slice.h"

enum kind { UINT, BOOL, TEXT, ADDRESS, BLOCK };

struct field {
	uint8_t key;
	enum kind kind;
	bool required;
	const char *name;
	size_t offset, size; /* of the member */
	uint64_t min, max;   /* UINT */
};

#define MEMBER(m) offsetof(struct announce, m), sizeof(((struct announce *)0)->m)

static const struct field fields[] = {
	{1, UINT, true, "role", MEMBER(role), ROLE_SN, ROLE_ARN},
	{2, TEXT, true, "id", MEMBER(id), 1, ANNOUNCE_ID_LEN - 1},
	{3, ADDRESS, true, "address", MEMBER(addr), 0, 0},
	{4, UINT, false, "rtsp port", MEMBER(rtsp_port), 0, UINT16_MAX},
	{5, UINT, false, "http port", MEMBER(http_port), 0, UINT16_MAX},
	{6, BOOL, false, "draining", MEMBER(draining), 0, 1},
	{7, BOOL, false, "healthy", MEMBER(healthy), 0, 1},
	{8, UINT, false, "sessions", MEMBER(sessions), 0, UINT32_MAX},
	{9, UINT, false, "max sessions", MEMBER(max_sessions), 0, UINT32_MAX},
	{10, UINT, false, "kbps", MEMBER(kbps), 0, ANNOUNCE_MAX_KBPS},
	{11, UINT, false, "max kbps", MEMBER(max_kbps), 0, ANNOUNCE_MAX_KBPS},
	{12, UINT, false, "weight", MEMBER(weight), 0, UINT16_MAX},
	{13, UINT, true, "interval", MEMBER(interval_ms), ANNOUNCE_MIN_INTERVAL,
		ANNOUNCE_MAX_INTERVAL},
	{14, BLOCK, false, "block", MEMBER(block), 0, 0},
	{15, UINT, false, "standing", MEMBER(standing), STANDING_OUT, STANDING_READY},
	{16, BOOL, false, "master", MEMBER(master), 0, 1},
};
#define FIRST_OF_ARN 14 /* from this key on, what has its default is left out */
#define FIELDS       (sizeof(fields) / sizeof(fields[0]))

_Static_assert(sizeof(enum announce_role) == 4, "set and got as a 32-bit number");
_Static_assert(sizeof(enum announce_standing) == 4, "the same");

static uint64_t get_uint(const struct announce *a, const struct field *f)
{
	const void *at = (const char *)a + f->offset;
	uint64_t v = 0;

	switch (f->size) {
	case 2: v = *(const uint16_t *)at; break;
	case 4: v = *(const uint32_t *)at; break;
	case 8: v = *(const uint64_t *)at; break;
	}
	return v;
}

static void set_uint(struct announce *a, const struct field *f, uint64_t v)
{
	void *at = (char *)a + f->offset;

	switch (f->size) {
	case 2: *(uint16_t *)at = (uint16_t)v; break;
	case 4: *(uint32_t *)at = (uint32_t)v; break;
	case 8: *(uint64_t *)at = v; break;
	}
}

static bool id_ok(struct slice id)
{
	if (!id.n || id.n >= ANNOUNCE_ID_LEN)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		          (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';

		if (!ok)
			return false;
	}
	return true;
}

/* An address that a client can be sent to. */
static bool addr_ok(const struct addr *a)
{
	if (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6)
		return false;
	if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return false;
	if (a->sa.sa_family == AF_INET && a->in.sin_addr.s_addr == INADDR_BROADCAST)
		return false;
	return !addr_is_any(a) && !addr_is_multicast(a);
}

/* The bytes of an address; *n of them. */
static const void *addr_bytes(const struct addr *a, size_t *n)
{
	*n = a->sa.sa_family == AF_INET ? 4 : 16;
	return a->sa.sa_family == AF_INET ? (const void *)&a->in.sin_addr
	                                  : (const void *)&a->in6.sin6_addr;
}

static bool block_ok(const struct prefix *b)
{
	int family = b->addr.sa.sa_family;
	const uint8_t *p;
	size_t n;

	if (family != AF_INET && family != AF_INET6)
		return false;
	p = addr_bytes(&b->addr, &n);
	if (b->len > 8 * n)
		return false;
	for (size_t i = b->len; i < 8 * n; i++)
		if (p[i / 8] & 0x80 >> i % 8)
			return false;
	return true;
}

/* Whether a field stands in the announcement at all. */
static bool is_there(const struct announce *a, const struct field *f)
{
	if (f->key < FIRST_OF_ARN)
		return true;
	switch (f->kind) {
	case UINT: return get_uint(a, f) != 0;
	case BOOL: return *(const bool *)((const char *)a + f->offset);
	default: return a->block.addr.sa.sa_family != AF_UNSPEC;
	}
}

/* The encoder: into what is left of out, at most `left` bytes; 0 when there is no room. */
static size_t encode_bytes(const void *p, size_t n, bool text, uint8_t *out, size_t left)
{
	size_t head = text ? cbor_encode_string_start(n, out, left)
	                   : cbor_encode_bytestring_start(n, out, left);

	if (!head || left - head < n)
		return 0;
	memcpy(out + head, p, n);
	return head + n;
}

static size_t encode_block(const struct prefix *b, uint8_t *out, size_t left)
{
	uint8_t bytes[17] = {b->len};
	const void *p;
	size_t n;

	p = addr_bytes(&b->addr, &n);
	memcpy(bytes + 1, p, n);
	return encode_bytes(bytes, 1 + n, false, out, left);
}

static size_t encode_value(
	const struct announce *a, const struct field *f, uint8_t *out, size_t left)
{
	const char *at = (const char *)a + f->offset;
	size_t n;

	switch (f->kind) {
	case UINT: return cbor_encode_uint(get_uint(a, f), out, left);
	case BOOL: return cbor_encode_bool(*(const bool *)at, out, left);
	case TEXT: return encode_bytes(at, strlen(at), true, out, left);
	case ADDRESS: at = addr_bytes(&a->addr, &n); return encode_bytes(at, n, false, out, left);
	case BLOCK: return encode_block(&a->block, out, left);
	}
	return 0;
}

static bool value_ok(const struct announce *a, const struct field *f)
{
	switch (f->kind) {
	case UINT: return get_uint(a, f) >= f->min && get_uint(a, f) <= f->max;
	case BOOL: return true;
	case TEXT: return id_ok((struct slice){a->id, strnlen(a->id, sizeof(a->id))});
	case ADDRESS: return addr_ok(&a->addr);
	case BLOCK: return block_ok(&a->block);
	}
	return false;
}

int announce_encode(const struct announce *a, uint8_t *out, size_t cap)
{
	size_t count = 0, n, value;

	for (size_t i = 0; i < FIELDS; i++)
		count += is_there(a, &fields[i]);
	n = cbor_encode_map_start(count, out, cap);
	if (!n)
		return -EMSGSIZE;
	for (size_t i = 0; i < FIELDS; i++) {
		size_t key;

		if (!is_there(a, &fields[i]))
			continue;
		if (!value_ok(a, &fields[i]))
			return -EINVAL;
		key = cbor_encode_uint(fields[i].key, out + n, cap - n);
		value = key ? encode_value(a, &fields[i], out + n + key, cap - n - key) : 0;
		if (!value)
			return -EMSGSIZE;
		n += key + value;
	}
	return (int)n;
}

/* One item, as the stream decoder's callbacks note it. */
struct item {
	enum { I_OTHER, I_UINT, I_BOOL, I_TEXT, I_BYTES, I_ARRAY, I_MAP, I_TAG, I_INDEFINITE } kind;
	uint64_t v;     /* number, or count of an array or map */
	struct slice s; /* I_TEXT, I_BYTES */
};

static void on_uint8(void *ctx, uint8_t v)
{
	*(struct item *)ctx = (struct item){.kind = I_UINT, .v = v};
}
static void on_uint16(void *ctx, uint16_t v)
{
	*(struct item *)ctx = (struct item){.kind = I_UINT, .v = v};
}
static void on_uint32(void *ctx, uint32_t v)
{
	*(struct item *)ctx = (struct item){.kind = I_UINT, .v = v};
}
static void on_uint64(void *ctx, uint64_t v)
{
	*(struct item *)ctx = (struct item){.kind = I_UINT, .v = v};
}
static void on_bool(void *ctx, bool v)
{
	*(struct item *)ctx = (struct item){.kind = I_BOOL, .v = v};
}
static void on_text(void *ctx, cbor_data p, size_t n)
{
	*(struct item *)ctx = (struct item){.kind = I_TEXT, .s = {(const char *)p, n}};
}
static void on_bytes(void *ctx, cbor_data p, size_t n)
{
	*(struct item *)ctx = (struct item){.kind = I_BYTES, .s = {(const char *)p, n}};
}
static void on_array(void *ctx, size_t n)
{
	*(struct item *)ctx = (struct item){.kind = I_ARRAY, .v = n};
}
static void on_map(void *ctx, size_t n)
{
	*(struct item *)ctx = (struct item){.kind = I_MAP, .v = n};
}
static void on_tag(void *ctx, uint64_t v)
{
	*(struct item *)ctx = (struct item){.kind = I_TAG, .v = v};
}
static void on_indefinite(void *ctx)
{
	*(struct item *)ctx = (struct item){.kind = I_INDEFINITE};
}

struct reader {
	const uint8_t *p;
	size_t n;
	struct cbor_callbacks on;
};

static void reader_init(struct reader *r, const uint8_t *p, size_t n)
{
	*r = (struct reader){p, n, cbor_empty_callbacks};
	r->on.uint8 = on_uint8;
	r->on.uint16 = on_uint16;
	r->on.uint32 = on_uint32;
	r->on.uint64 = on_uint64;
	r->on.boolean = on_bool;
	r->on.string = on_text;
	r->on.byte_string = on_bytes;
	r->on.array_start = on_array;
	r->on.map_start = on_map;
	r->on.tag = on_tag;
	r->on.indef_array_start = on_indefinite;
	r->on.indef_map_start = on_indefinite;
	r->on.string_start = on_indefinite;
	r->on.byte_string_start = on_indefinite;
	r->on.indef_break = on_indefinite;
}

/* The next item's head (and its bytes, of a string). False: truncated, malformed, or of indefinite
 * length, which we do not take. */
static bool read_item(struct reader *r, struct item *item)
{
	struct cbor_decoder_result res;

	if (!r->n)
		return false;
	*item = (struct item){.kind = I_OTHER};
	res = cbor_stream_decode(r->p, r->n, &r->on, item);
	if (res.status != CBOR_DECODER_FINISHED || item->kind == I_INDEFINITE)
		return false;
	r->p += res.read;
	r->n -= res.read;
	return true;
}

/* Skips what is inside of an item that was read: `pending` counts items still to come, each of
 * which takes a byte at least. */
static bool skip_rest(struct reader *r, struct item item)
{
	uint64_t pending = 1;

	for (;;) {
		uint64_t inside = item.kind == I_ARRAY || item.kind == I_MAP ? item.v : 0;

		if (inside > r->n)
			return false;
		if (item.kind == I_MAP)
			inside *= 2;
		if (item.kind == I_TAG)
			inside = 1;
		pending += inside - 1;
		if (pending > r->n)
			return false;
		if (!pending)
			return true;
		if (!read_item(r, &item))
			return false;
	}
}

static bool decode_addr(struct addr *a, struct slice s)
{
	*a = addr_any(s.n == 4 ? AF_INET : AF_INET6, 0);
	if (s.n == 4)
		memcpy(&a->in.sin_addr, s.p, 4);
	else if (s.n == 16)
		memcpy(&a->in6.sin6_addr, s.p, 16);
	else
		return false;
	return true;
}

static bool decode_block(struct prefix *b, struct slice s)
{
	if (!s.n)
		return false;
	b->len = (uint8_t)s.p[0];
	return decode_addr(&b->addr, (struct slice){s.p + 1, s.n - 1}) && block_ok(b);
}

static bool decode_value(struct announce *a, const struct field *f, const struct item *item)
{
	switch (f->kind) {
	case UINT:
		if (item->kind != I_UINT || item->v < f->min || item->v > f->max)
			return false;
		set_uint(a, f, item->v);
		return true;
	case BOOL: *(bool *)((char *)a + f->offset) = item->v != 0; return item->kind == I_BOOL;
	case TEXT:
		return item->kind == I_TEXT && id_ok(item->s) &&
		       slice_copy(item->s, a->id, sizeof(a->id)) == 0;
	case ADDRESS:
		return item->kind == I_BYTES && decode_addr(&a->addr, item->s) && addr_ok(&a->addr);
	case BLOCK: return item->kind == I_BYTES && decode_block(&a->block, item->s);
	}
	return false;
}

/* One pair of the map. NULL, or what is wrong; *seen has a bit for each field that came. */
static const char *decode_pair(struct announce *a, struct reader *r, uint32_t *seen)
{
	struct item key, value;

	if (!read_item(r, &key))
		return "key";
	if (key.kind != I_UINT)
		return "key is not a number";
	if (!read_item(r, &value))
		return "value";
	for (size_t i = 0; i < FIELDS; i++) {
		if (fields[i].key != key.v)
			continue;
		if (*seen & 1u << i)
			return "key given twice";
		*seen |= 1u << i;
		return decode_value(a, &fields[i], &value) ? NULL : fields[i].name;
	}
	return skip_rest(r, value) ? NULL : "value of an unknown key";
}

int announce_decode(struct announce *a, const uint8_t *p, size_t n, const char **why)
{
	struct reader r;
	struct item map;
	uint32_t seen = 0;

	*a = (struct announce){.weight = 100};
	reader_init(&r, p, n);
	*why = "not a map of definite length";
	if (!read_item(&r, &map) || map.kind != I_MAP)
		return -EINVAL;
	for (uint64_t i = 0; i < map.v; i++) {
		*why = decode_pair(a, &r, &seen);
		if (*why)
			return -EINVAL;
	}
	*why = "bytes after the map";
	if (r.n)
		return -EINVAL;
	for (size_t i = 0; i < FIELDS; i++) {
		*why = fields[i].name;
		if (fields[i].required && !(seen & 1u << i))
			return -EINVAL;
	}
	*why = NULL;
	return 0;
}
