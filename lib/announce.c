/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The announcement's payload in CBOR. The format is a table, as in wire.h: key, kind, range, and
 * where in the struct the value goes; encoder, decoder and the check of ranges all run over it.
 */
#include "lib/wire.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/item.h"
#include "lib/slice.h"

enum kind { UINT, BOOL, TEXT, ADDRESS, BLOCK, CHANNELS, REFUSED, PLACE };

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
	{17, UINT, false, "peer port", MEMBER(peer_port), 0, UINT16_MAX},
	{20, BOOL, false, "serves", MEMBER(serves), 0, 1},
	{23, CHANNELS, false, "channels", MEMBER(channels), 0, 0},
	{24, UINT, false, "attached", MEMBER(attached), 0, UINT32_MAX},
	{26, UINT, false, "delay", MEMBER(delay_us), 0, UINT32_MAX},
	{27, UINT, false, "trouble", MEMBER(trouble), 0, UINT8_MAX},
	{29, UINT, false, "control port", MEMBER(control_port), 0, UINT16_MAX},
	{30, UINT, false, "generation", MEMBER(generation), 0, UINT64_MAX},
	{31, UINT, false, "primes", MEMBER(primes), 0, SERVICE_RTSP | SERVICE_HTTP},
	{33, REFUSED, false, "refused", MEMBER(refused), 0, 0},
	{34, BOOL, false, "attaches", MEMBER(attaches), 0, 1},
	{35, PLACE, false, "place", MEMBER(place), 0, 0},
};
#define FIRST_OF_ARN 14 /* from this key on, what has its default is left out */
#define REFUSED_LEN  4  /* a hash */
#define FIELDS       (sizeof(fields) / sizeof(fields[0]))

_Static_assert(sizeof(enum announce_role) == 4, "set and got as a 32-bit number");
_Static_assert(sizeof(enum announce_standing) == 4, "the same");
_Static_assert(sizeof(enum announce_trouble) == 4, "the same");

const char *announce_trouble_str(enum announce_trouble t)
{
	switch (t) {
	case TROUBLE_NONE: return "none";
	case TROUBLE_RTSP: return "rtsp does not answer itself";
	case TROUBLE_MEDIA: return "media do not come through";
	case TROUBLE_LOOP: return "its event loop is late";
	}
	return "of a kind that is unknown here";
}

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

bool announce_id_ok(struct slice id)
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
	if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return false;
	if (a->sa.sa_family == AF_INET && a->in.sin_addr.s_addr == INADDR_BROADCAST)
		return false;
	return addr_is_unicast(a);
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

static bool ascend(const uint32_t *hash, int n, int max)
{
	if (n > max)
		return false;
	for (int i = 1; i < n; i++)
		if (hash[i] <= hash[i - 1])
			return false;
	return true;
}

static bool channels_ok(const struct announce *a)
{
	return ascend(a->channel, a->channels, ANNOUNCE_CHANNELS);
}

static bool refused_ok(const struct announce *a)
{
	return ascend(a->refuses, a->refused, ANNOUNCE_REFUSED);
}

/* Whether a field stands in the announcement at all. */
static bool is_there(const struct announce *a, const struct field *f)
{
	if (f->key < FIRST_OF_ARN)
		return true;
	switch (f->kind) {
	case UINT: return get_uint(a, f) != 0;
	case BOOL: return *(const bool *)((const char *)a + f->offset);
	case CHANNELS: return a->channels != 0;
	case REFUSED: return a->refused != 0;
	case PLACE: return *a->place != '\0';
	default: return a->block.addr.sa.sa_family != AF_UNSPEC;
	}
}

static void encode_block(const struct prefix *b, struct item_writer *w)
{
	uint8_t bytes[17] = {b->len};
	const void *p;
	size_t n;

	p = addr_bytes(&b->addr, &n);
	memcpy(bytes + 1, p, n);
	item_put_bytes(w, bytes, 1 + n);
}

static void encode_channels(const struct announce *a, struct item_writer *w)
{
	uint8_t bytes[ANNOUNCE_CHANNELS * ANNOUNCE_CHANNEL_LEN], *p = bytes;

	for (int i = 0; i < a->channels; i++, p += ANNOUNCE_CHANNEL_LEN) {
		uint32_t hash = htobe32(a->channel[i]);
		uint16_t kbps = htobe16(a->channel_kbps[i]);

		memcpy(p, &hash, 4);
		memcpy(p + 4, &kbps, 2);
	}
	item_put_bytes(w, bytes, (size_t)(p - bytes));
}

static void encode_refused(const struct announce *a, struct item_writer *w)
{
	uint32_t hash[ANNOUNCE_REFUSED];

	for (int i = 0; i < a->refused; i++)
		hash[i] = htobe32(a->refuses[i]);
	item_put_bytes(w, hash, a->refused * sizeof(hash[0]));
}

static void encode_value(const struct announce *a, const struct field *f, struct item_writer *w)
{
	const char *at = (const char *)a + f->offset;

	switch (f->kind) {
	case UINT: item_put_uint(w, get_uint(a, f)); break;
	case BOOL: item_put_bool(w, *(const bool *)at); break;
	case TEXT:
	case PLACE: item_put_text(w, at); break;
	case ADDRESS: item_put_addr(w, &a->addr, false); break;
	case BLOCK: encode_block(&a->block, w); break;
	case CHANNELS: encode_channels(a, w); break;
	case REFUSED: encode_refused(a, w); break;
	}
}

static bool value_ok(const struct announce *a, const struct field *f)
{
	switch (f->kind) {
	case UINT: return get_uint(a, f) >= f->min && get_uint(a, f) <= f->max;
	case BOOL: return true;
	case TEXT: return announce_id_ok((struct slice){a->id, strnlen(a->id, sizeof(a->id))});
	case ADDRESS: return addr_ok(&a->addr);
	case BLOCK: return block_ok(&a->block);
	case CHANNELS: return channels_ok(a);
	case REFUSED: return refused_ok(a);
	case PLACE: return place_ok((struct slice){a->place, strnlen(a->place, PLACE_LEN)});
	}
	return false;
}

int announce_encode(const struct announce *a, uint8_t *out, size_t cap)
{
	struct item_writer w = {.p = out, .cap = cap};

	for (size_t i = 0; i < FIELDS && !w.full; i++) {
		if (!is_there(a, &fields[i]))
			continue;
		if (!value_ok(a, &fields[i]))
			return -EINVAL;
		item_key(&w, fields[i].key);
		encode_value(a, &fields[i], &w);
	}
	return item_end(&w);
}

static bool decode_block(struct prefix *b, struct slice s)
{
	struct item addr = {.kind = ITEM_BYTES};

	if (!s.n)
		return false;
	b->len = (uint8_t)s.p[0];
	addr.s = (struct slice){s.p + 1, s.n - 1};
	return item_get_addr(&addr, &b->addr, false) && block_ok(b);
}

static bool decode_channels(struct announce *a, struct slice s)
{
	if (s.n % ANNOUNCE_CHANNEL_LEN || s.n / ANNOUNCE_CHANNEL_LEN > ANNOUNCE_CHANNELS)
		return false;
	a->channels = (uint16_t)(s.n / ANNOUNCE_CHANNEL_LEN);
	for (int i = 0; i < a->channels; i++, s.p += ANNOUNCE_CHANNEL_LEN) {
		uint32_t hash;
		uint16_t kbps;

		memcpy(&hash, s.p, 4);
		memcpy(&kbps, s.p + 4, 2);
		a->channel[i] = be32toh(hash);
		a->channel_kbps[i] = be16toh(kbps);
	}
	return channels_ok(a);
}

static bool decode_refused(struct announce *a, struct slice s)
{
	if (s.n % REFUSED_LEN || s.n / REFUSED_LEN > ANNOUNCE_REFUSED)
		return false;
	a->refused = (uint16_t)(s.n / REFUSED_LEN);
	for (int i = 0; i < a->refused; i++, s.p += REFUSED_LEN) {
		uint32_t hash;

		memcpy(&hash, s.p, 4);
		a->refuses[i] = be32toh(hash);
	}
	return refused_ok(a);
}

static bool decode_value(struct announce *a, const struct field *f, const struct item *item)
{
	switch (f->kind) {
	case UINT:
		if (item->kind != ITEM_UINT || item->v < f->min || item->v > f->max)
			return false;
		set_uint(a, f, item->v);
		return true;
	case BOOL: return item_get_bool(item, (bool *)((char *)a + f->offset));
	case TEXT:
		return item->kind == ITEM_TEXT && announce_id_ok(item->s) &&
		       slice_copy(item->s, a->id, sizeof(a->id)) == 0;
	case ADDRESS: return item_get_addr(item, &a->addr, false) && addr_ok(&a->addr);
	case BLOCK: return item->kind == ITEM_BYTES && decode_block(&a->block, item->s);
	case CHANNELS: return item->kind == ITEM_BYTES && decode_channels(a, item->s);
	case REFUSED: return item->kind == ITEM_BYTES && decode_refused(a, item->s);
	case PLACE:
		return item->kind == ITEM_TEXT && place_ok(item->s) &&
		       slice_copy(item->s, a->place, sizeof(a->place)) == 0;
	}
	return false;
}

static const char *on_pair(void *arg, uint64_t key, const struct item *value, struct item_reader *r)
{
	(void)r;
	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].key == key)
			return decode_value(arg, &fields[i], value) ? NULL : fields[i].name;
	return ITEM_UNKNOWN;
}

int announce_decode(struct announce *a, const uint8_t *p, size_t n, const char **why)
{
	uint64_t seen;

	*a = (struct announce){.weight = 100};
	*why = item_read_map(p, n, on_pair, a, &seen);
	for (size_t i = 0; i < FIELDS && !*why; i++)
		if (fields[i].required && !(seen & UINT64_C(1) << fields[i].key))
			*why = fields[i].name;
	return *why ? -EINVAL : 0;
}

uint32_t announce_channel(struct slice path)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < path.n; i++)
		h = (h ^ (uint8_t)path.p[i]) * 0x100000001b3;
	return (uint32_t)(h ^ h >> 32);
}

static int find(const uint32_t *hash, int n, uint32_t wanted)
{
	int lo = 0, hi = n;

	while (lo < hi) {
		int mid = (lo + hi) / 2;

		if (hash[mid] == wanted)
			return mid;
		if (hash[mid] < wanted)
			lo = mid + 1;
		else
			hi = mid;
	}
	return -1;
}

int announce_find_channel(const struct announce *a, uint32_t channel)
{
	return find(a->channel, a->channels, channel);
}

bool announce_refuses(const struct announce *a, uint32_t channel)
{
	return find(a->refuses, a->refused, channel) >= 0;
}
