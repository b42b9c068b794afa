/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A URL as a client asks for it: its query is taken apart, the token in it is read, and the query is
 * put together again without it. With a first byte of 1 the rest is a token's bytes before its MAC,
 * which is put right, so that the fuzzer comes past it: what is genuine is then read, whatever it
 * says, and written again it must be the same.
 */
#include "lib/secret.h"
#include "lib/text.h"
#include "lib/token.h"
#include "tests/fuzz/must.h"

static struct wire_keys keys = {.n = 1, .key = {{.id = 7, .key = {1, 2, 3}}}};
static const struct token_use use = {.path = {"/news", 5},
	.client = {.in = {.sin_family = AF_INET}},
	.now = 1700000000,
	.skew = 10};

static void query(struct slice s)
{
	struct slice value = {NULL, 0}, again;
	struct token t = {0};
	static char mem[8192];
	enum token_error e;
	struct sbuf b;

	if (s.n > 4096)
		return;
	url_param(s, TOKEN_PARAM, &value);
	e = token_read(&t, value, &keys, &use);
	MUST((unsigned)e < TOKEN_ERRORS && (e == TOKEN_MISSING) == !value.n);
	MUST(!token_is_genuine(e) || t.key == &keys.key[0]);
	sbuf_init(&b, mem, sizeof(mem));
	url_put_query(&b, s, TOKEN_PARAM);
	MUST(!b.full && b.n <= s.n + 1);
	MUST(!b.n || b.p[0] == '?');
	again = (struct slice){b.p + !!b.n, b.n - !!b.n};
	MUST(!url_param(again, TOKEN_PARAM, &value));
}

/* What token.c writes for what it has read; the path and the client are known as digests only. */
static void genuine(const uint8_t *p, size_t n)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t bytes[128] = {0};
	char text[256];
	struct token t = {0};
	enum token_error e;
	size_t k = 0;

	if (n > 64)
		return;
	memcpy(bytes, p, n);
	secret_hash(keys.key[0].key, "nearcast-token", bytes, n, bytes + n, 16);
	n += 16;
	for (size_t bit = 0; bit < 8 * n; bit += 6) {
		unsigned two = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

		text[k++] = digit[two >> (10 - bit % 8) & 63];
	}
	e = token_read(&t, (struct slice){text, k}, &keys, &use);
	MUST(e != TOKEN_MISSING && e != TOKEN_FORGED);
	if (!token_is_genuine(e))
		return;
	MUST(t.bound == (bytes[1] & 1) && t.node == !!(bytes[1] & 4));
	MUST(t.service.sa.sa_family == (bytes[1] & 2 ? AF_INET6 : AF_INET));
	MUST(n == 27 + (t.bound ? 8u : 0u) + (bytes[1] & 2 ? 16u : 4u) + 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (secret_init() < 0 || len < 1)
		return 0;
	if (data[0] == 1)
		genuine(data + 1, len - 1);
	else
		query((struct slice){(const char *)data, len});
	return 0;
}
