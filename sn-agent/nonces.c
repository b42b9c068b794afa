/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/nonces.h"

#include <stdio.h>
#include <string.h>

#include "lib/cursor.h"
#include "lib/secret.h"

#define SAID_LEN 10
#define MAC_LEN  16
#define WAYS     4 /* places that a nonce may have in the table */
#define WINDOW   64

static void put_mac(const struct wire_key *key, const uint8_t said[SAID_LEN],
	const struct addr *client, uint8_t mac[MAC_LEN])
{
	uint8_t bytes[SAID_LEN + 16];
	struct wcur c = wcur_init(bytes, sizeof(bytes));

	wcur_put(&c, said, SAID_LEN);
	if (client->sa.sa_family == AF_INET6)
		wcur_put(&c, &client->in6.sin6_addr, sizeof(client->in6.sin6_addr));
	else
		wcur_put(&c, &client->in.sin_addr, sizeof(client->in.sin_addr));
	secret_hash(key->key, "nearcast-nonce", bytes, wcur_len(&c), mac, MAC_LEN);
}

void nonce_make(const struct wire_key *key, const struct addr *client, int64_t now, uint32_t salt,
	char out[NONCE_TEXT])
{
	uint8_t bytes[SAID_LEN + MAC_LEN];
	struct wcur c = wcur_init(bytes, sizeof(bytes));

	wcur_u16(&c, key->id);
	wcur_u32(&c, (uint32_t)now);
	wcur_u32(&c, salt);
	put_mac(key, bytes, client, bytes + SAID_LEN);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

bool nonce_is_fresh(const struct wire_keys *keys, struct slice nonce, const struct addr *client,
	int64_t now, int64_t lifetime, int64_t skew)
{
	uint8_t bytes[SAID_LEN + MAC_LEN], mac[MAC_LEN];
	struct rcur c = rcur_init(bytes, sizeof(bytes));
	const struct wire_key *key;
	int64_t issued;

	if (secret_unhex(nonce, bytes, sizeof(bytes)))
		return false;
	key = wire_keys_find(keys, rcur_u16(&c));
	issued = rcur_u32(&c);
	if (!key)
		return false;
	put_mac(key, bytes, client, mac);
	return secret_equal(mac, bytes + SAID_LEN, MAC_LEN) && issued <= now + skew &&
	       now <= issued + lifetime + skew;
}

/* ---- uses ---- */

/* Eight digits; 0: it is no count. */
static uint32_t parse_count(struct slice nc)
{
	uint8_t b[4];

	if (secret_unhex(nc, b, sizeof(b)))
		return 0;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The nonce's entry, or the one that gives way to it: what is free or over, else what ends first. */
static struct nonce_count *place(struct nonces *n, uint64_t id, int64_t now)
{
	struct nonce_count *set = &n->count[id % (NONCES_COUNTS / WAYS) * WAYS], *best = set;

	for (int i = 0; i < WAYS; i++) {
		struct nonce_count *c = &set[i];

		if (c->id == id)
			return c;
		if (c->id && c->until < now)
			c->id = 0;
		if (best->id && (!c->id || c->until < best->until))
			best = c;
	}
	memset(best, 0, sizeof(*best));
	return best;
}

bool nonces_use(struct nonces *n, struct slice nonce, struct slice nc, int64_t now, int64_t until)
{
	uint8_t bytes[SAID_LEN + MAC_LEN];
	struct rcur cur = rcur_init(bytes + SAID_LEN, MAC_LEN);
	uint32_t count = parse_count(nc);
	struct nonce_count *c;
	uint64_t id;

	if (!count || secret_unhex(nonce, bytes, sizeof(bytes)))
		return false;
	id = rcur_u64(&cur) | 1; /* its MAC is as good as any hash */
	c = place(n, id, now);
	if (count > c->high) {
		uint32_t ahead = c->id ? count - c->high : WINDOW;

		c->seen = ahead < WINDOW ? c->seen << ahead : 0;
		c->high = count;
	} else if (c->high - count >= WINDOW || c->seen >> (c->high - count) & 1) {
		return false;
	}
	c->seen |= (uint64_t)1 << (c->high - count);
	c->id = id;
	c->until = until;
	return true;
}
