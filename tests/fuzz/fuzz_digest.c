/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both headers of Digest authentication, from a block of exactly their size. What is understood
 * lies within it, and written again from its parts it is understood as the same; its response is right
 * once it is put in, and wrong with one digit changed.
 */
#include <stdio.h>

#include "lib/digest.h"
#include "lib/sbuf.h"
#include "lib/secret.h"
#include "tests/fuzz/must.h"

static void within(struct slice s, struct slice all)
{
	MUST(!s.p || (s.p >= all.p && s.p + s.n <= all.p + all.n));
	MUST(!s.n || !memchr(s.p, '"', s.n));
}

static void put(struct sbuf *b, const char *name, struct slice v)
{
	if (v.p)
		sbuf_printf(b, "%s=\"" SLICE_FMT "\", ", name, SLICE_ARG(v));
}

static void again(const struct digest *d, const char *response)
{
	static char mem[65536];
	struct digest copy;
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	sbuf_str(&b, "Digest ");
	put(&b, "username", d->username);
	put(&b, "realm", d->realm);
	put(&b, "nonce", d->nonce);
	put(&b, "uri", d->uri);
	put(&b, "response", slice_of(response));
	put(&b, "cnonce", d->cnonce);
	put(&b, "nc", d->nc);
	if (d->auth)
		sbuf_str(&b, "qop=auth, ");
	sbuf_printf(&b, "algorithm=%s", digest_algorithm_str(d->algorithm));
	MUST(!b.full && !digest_parse_credentials(&copy, (struct slice){b.p, b.n}));
	MUST(slice_eq(copy.username, d->username) && slice_eq(copy.uri, d->uri));
	MUST(digest_is_right(&copy, "ha1", SLICE("SETUP")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice s = {(const char *)data, len};
	char response[DIGEST_HEX], given[DIGEST_HEX];
	struct digest d;

	if (secret_init() < 0 || len > 8192)
		return 0;
	if (!digest_parse_challenge(&d, s)) {
		within(d.realm, s);
		within(d.nonce, s);
		within(d.opaque, s);
	}
	if (digest_parse_credentials(&d, s))
		return 0;
	within(d.username, s);
	within(d.uri, s);
	within(d.response, s);
	within(d.cnonce, s);
	within(d.nc, s);
	if (digest_response(&d, "ha1", SLICE("SETUP"), response))
		return 0;
	again(&d, response);
	snprintf(given, sizeof(given), "%s", response);
	given[0] = given[0] == '0' ? '1' : '0';
	d.response = slice_of(given);
	MUST(!digest_is_right(&d, "ha1", SLICE("SETUP")));
	return 0;
}
