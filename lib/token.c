/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/token.h"

#include "lib/secret.h"
#include "lib/text.h"
#include "lib/cursor.h"
#include "lib/text.h"

#define VERSION   1
#define MAC_LEN   16
#define MAX_BYTES (27 + 8 + 16 + MAC_LEN)

enum { BOUND = 1, IPV6 = 2, NODE = 4, KNOWN_FLAGS = 7 };

_Static_assert(TOKEN_TEXT > (MAX_BYTES * 4 + 2) / 3, "room for the longest one");

/* ---- base64url ---- */

static void put_base64(const uint8_t *p, size_t n, char *out)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-_";
	uint32_t bits = 0;
	int have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | p[i];
		for (have += 8; have >= 6; have -= 6)
			*out++ = digit[bits >> (have - 6) & 63];
	}
	if (have)
		*out++ = digit[bits << (6 - have) & 63];
	*out = '\0';
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* How many bytes, 0: it is none. One text for the same bytes: the bits that are left over are 0. */
static size_t take_base64(struct slice s, uint8_t out[MAX_BYTES])
{
	uint32_t bits = 0;
	size_t n = 0;
	int have = 0;

	if (s.n >= TOKEN_TEXT)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		int v = value_of(s.p[i]);

		if (v < 0)
			return 0;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == MAX_BYTES)
			return 0;
		out[n++] = (uint8_t)(bits >> have);
	}
	return have >= 6 || (bits & ((1u << have) - 1)) ? 0 : n;
}

/* ---- digests ---- */

static uint64_t digest(const struct wire_key *key, const char *purpose, const void *p, size_t n)
{
	uint8_t hash[16];
	struct rcur c = rcur_init(hash, sizeof(hash));

	secret_hash(key->key, purpose, p, n, hash, sizeof(hash));
	return rcur_u64(&c);
}

static uint64_t channel_of(const struct wire_key *key, struct slice path)
{
	int track;

	do {
		while (path.n && path.p[path.n - 1] == '/')
			path.n--;
	} while (url_take_track(&path, &track));
	return digest(key, "nearcast-channel", path.p, path.n);
}

static void put_addr(struct wcur *c, const struct addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		wcur_put(c, &a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
	else
		wcur_put(c, &a->in.sin_addr, sizeof(a->in.sin_addr));
}

static uint64_t client_of(const struct wire_key *key, const struct addr *client)
{
	uint8_t bytes[16];
	struct wcur c = wcur_init(bytes, sizeof(bytes));

	put_addr(&c, client);
	return digest(key, "nearcast-client", bytes, wcur_len(&c));
}

uint64_t token_session(
	const struct wire_key *key, const struct addr *client, struct slice path, int64_t now)
{
	uint8_t bytes[16 + 2 + 8 + 8];
	struct wcur c = wcur_init(bytes, sizeof(bytes));

	put_addr(&c, client);
	wcur_u16(&c, addr_port(client));
	wcur_u64(&c, channel_of(key, path));
	wcur_u64(&c, (uint64_t)now);
	return digest(key, "nearcast-session", bytes, wcur_len(&c));
}

static void put_mac(uint8_t mac[MAC_LEN], const struct wire_key *key, const void *p, size_t n)
{
	secret_hash(key->key, "nearcast-token", p, n, mac, MAC_LEN);
}

/* ---- tokens ---- */

void token_write(const struct token_claims *t, const struct wire_key *key, char out[TOKEN_TEXT])
{
	uint8_t bytes[MAX_BYTES], mac[MAC_LEN];
	struct wcur c = wcur_init(bytes, sizeof(bytes));

	wcur_u8(&c, VERSION);
	wcur_u8(&c, (uint8_t)((t->client ? BOUND : 0) | (t->node ? NODE : 0) |
			      (t->service.sa.sa_family == AF_INET6 ? IPV6 : 0)));
	wcur_u16(&c, key->id);
	wcur_u32(&c, (uint32_t)t->issued);
	wcur_u16(&c, t->lifetime);
	wcur_u8(&c, t->hops);
	wcur_u64(&c, t->session);
	wcur_u64(&c, channel_of(key, t->path));
	if (t->client)
		wcur_u64(&c, client_of(key, t->client));
	put_addr(&c, &t->service);
	put_mac(mac, key, bytes, wcur_len(&c));
	wcur_put(&c, mac, sizeof(mac));
	put_base64(bytes, wcur_len(&c), out);
}

static void take_addr(struct rcur *c, bool ipv6, struct addr *a)
{
	size_t n = ipv6 ? sizeof(a->in6.sin6_addr) : sizeof(a->in.sin_addr);
	const uint8_t *p = rcur_take(c, n);

	*a = addr_any(ipv6 ? AF_INET6 : AF_INET, 0);
	if (p)
		memcpy(ipv6 ? (void *)&a->in6.sin6_addr : (void *)&a->in.sin_addr, p, n);
}

/* Of a token that is genuine: is it good for that? */
static enum token_error check_use(const struct token *t, const struct token_use *use)
{
	int64_t end = (int64_t)t->issued + t->lifetime;

	if (t->channel != channel_of(t->key, use->path))
		return TOKEN_OTHER_CHANNEL;
	if (t->bound && t->client != client_of(t->key, &use->client))
		return TOKEN_OTHER_CLIENT;
	if ((int64_t)t->issued > use->now + use->skew)
		return TOKEN_EARLY;
	return use->now > end + use->skew + use->grace ? TOKEN_EXPIRED : TOKEN_OK;
}

enum token_error token_read(struct token *t, struct slice text, const struct wire_keys *keys,
	const struct token_use *use)
{
	uint8_t bytes[MAX_BYTES], mac[MAC_LEN], flags, version;
	const struct wire_key *key;
	struct rcur c;
	size_t n;

	if (!text.n)
		return TOKEN_MISSING;
	n = take_base64(text, bytes);
	c = rcur_init(bytes, n);
	version = rcur_u8(&c);
	flags = rcur_u8(&c);
	key = wire_keys_find(keys, rcur_u16(&c));
	*t = (struct token){.key = key, .bound = flags & BOUND, .node = flags & NODE};
	t->issued = rcur_u32(&c);
	t->lifetime = rcur_u16(&c);
	t->hops = rcur_u8(&c);
	t->session = rcur_u64(&c);
	t->channel = rcur_u64(&c);
	if (t->bound)
		t->client = rcur_u64(&c);
	take_addr(&c, flags & IPV6, &t->service);
	if (c.bad || rcur_left(&c) != MAC_LEN || version != VERSION || flags & ~KNOWN_FLAGS)
		return TOKEN_MALFORMED;
	if (!key)
		return TOKEN_UNKNOWN_KEY;
	put_mac(mac, key, bytes, n - MAC_LEN);
	if (!secret_equal(mac, bytes + n - MAC_LEN, MAC_LEN))
		return TOKEN_FORGED;
	return check_use(t, use);
}

void token_take_url(struct slice url, char out[TOKEN_TEXT])
{
	struct slice value;
	struct url u;

	if (url_parse(&u, url) == 0 && url_param(u.query, TOKEN_PARAM, &value) &&
		value.n < TOKEN_TEXT)
		slice_copy(value, out, TOKEN_TEXT);
}

void token_put_url(struct sbuf *b, struct slice url, const char *token)
{
	struct slice query = url, path = slice_cut(&query, '?');
	size_t before;

	sbuf_slice(b, path);
	before = b->n;
	url_put_query(b, query, TOKEN_PARAM);
	sbuf_printf(b, "%c" TOKEN_PARAM "=%s", b->n == before ? '?' : '&', token);
}

const char *token_error_str(enum token_error e)
{
	static const char *const text[TOKEN_ERRORS] = {
		[TOKEN_OK] = "ok",
		[TOKEN_MISSING] = "missing",
		[TOKEN_MALFORMED] = "malformed",
		[TOKEN_UNKNOWN_KEY] = "unknown_key",
		[TOKEN_FORGED] = "forged",
		[TOKEN_OTHER_CHANNEL] = "other_channel",
		[TOKEN_OTHER_CLIENT] = "other_client",
		[TOKEN_EARLY] = "early",
		[TOKEN_EXPIRED] = "expired",
	};

	return (unsigned)e < TOKEN_ERRORS ? text[e] : "unknown";
}
