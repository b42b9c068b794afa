/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/digest.h"

#include <errno.h>
#include <stdio.h>

#include "lib/md5.h"
#include "lib/sbuf.h"
#include "lib/secret.h"
#include "lib/text.h"

static const struct {
	const char *name;
	size_t len; /* of the hash */
} algorithms[DIGEST_ALGORITHMS] = {
	[DIGEST_MD5] = {"MD5", MD5_LEN}, [DIGEST_SHA256] = {"SHA-256", 32}};

const char *digest_algorithm_str(enum digest_algorithm a)
{
	return algorithms[a].name;
}

/* ---- the headers ---- */

static bool is_token_char(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c < 0x7f &&
	       !strchr("()<>@,;:\\\"/[]?={}", c);
}

static void skip(struct slice *s, const char *what)
{
	while (s->n && s->p[0] && strchr(what, s->p[0])) {
		s->p++;
		s->n--;
	}
}

static struct slice take_token(struct slice *s)
{
	struct slice t = {s->p, 0};

	while (t.n < s->n && is_token_char(s->p[t.n]))
		t.n++;
	s->p += t.n;
	s->n -= t.n;
	return t;
}

/* The inside of a quoted text that *s begins with. Neither escapes nor control characters are
 * taken: no name or number here has any. */
static int take_quoted(struct slice *s, struct slice *value)
{
	struct slice rest = {s->p + 1, s->n - 1};
	const char *end = memchr(rest.p, '"', rest.n);

	if (!end)
		return -EINVAL;
	*value = slice_cut(&rest, '"');
	for (size_t i = 0; i < value->n; i++)
		if (value->p[i] == '\\' || value->p[i] == 0x7f || (uint8_t)value->p[i] < ' ')
			return -EINVAL;
	*s = rest;
	return 0;
}

/* The next "name=value" of a list: 1; 0 at its end; -EINVAL. */
static int take_param(struct slice *s, struct slice *name, struct slice *value)
{
	skip(s, " \t,");
	if (!s->n)
		return 0;
	*name = take_token(s);
	skip(s, " \t");
	if (!name->n || !s->n || s->p[0] != '=')
		return -EINVAL;
	s->p++;
	s->n--;
	skip(s, " \t");
	if (s->n && s->p[0] == '"') {
		if (take_quoted(s, value))
			return -EINVAL;
	} else {
		*value = take_token(s);
		if (!value->n)
			return -EINVAL;
	}
	skip(s, " \t");
	return !s->n || s->p[0] == ',' ? 1 : -EINVAL;
}

/* A list of words has this one. */
static bool has_word(struct slice list, const char *word)
{
	while (list.n)
		if (slice_ieq(slice_trim(slice_cut(&list, ',')), slice_of(word)))
			return true;
	return false;
}

static int find_algorithm(struct slice s, enum digest_algorithm *out)
{
	if (!s.p)
		return 0; /* MD5 */
	for (int i = 0; i < DIGEST_ALGORITHMS; i++)
		if (slice_ieq(s, slice_of(algorithms[i].name))) {
			*out = (enum digest_algorithm)i;
			return 0;
		}
	return -EPROTONOSUPPORT;
}

/* What both headers have in common; *qop p NULL: none. */
static int parse(struct digest *d, struct slice s, struct slice *qop)
{
	struct slice algorithm = {NULL, 0}, stale = {NULL, 0}, name, value;
	struct {
		const char *name;
		struct slice *to;
	} known[] = {{"realm", &d->realm}, {"nonce", &d->nonce}, {"opaque", &d->opaque},
		{"username", &d->username}, {"uri", &d->uri}, {"response", &d->response},
		{"cnonce", &d->cnonce}, {"nc", &d->nc}, {"algorithm", &algorithm}, {"qop", qop},
		{"stale", &stale}};
	int r;

	*d = (struct digest){.algorithm = DIGEST_MD5};
	*qop = (struct slice){NULL, 0};
	s = slice_trim(s);
	if (!slice_ieq(take_token(&s), SLICE("Digest")))
		return -EPROTONOSUPPORT;
	while ((r = take_param(&s, &name, &value)) > 0)
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (!slice_ieq(name, slice_of(known[i].name)))
				continue;
			if (known[i].to->p)
				return -EINVAL;
			*known[i].to = value;
		}
	if (r < 0 || !d->realm.p || !d->nonce.n)
		return -EINVAL;
	d->stale = slice_ieq(stale, SLICE("true"));
	return find_algorithm(algorithm, &d->algorithm);
}

int digest_parse_credentials(struct digest *d, struct slice header)
{
	struct slice qop;
	int err = parse(d, header, &qop);

	if (err)
		return err;
	d->auth = qop.p != NULL;
	if (d->auth && !slice_ieq(qop, SLICE("auth")))
		return -EPROTONOSUPPORT;
	if (!d->username.n || !d->uri.n || (d->auth && (d->nc.n != 8 || !d->cnonce.n)))
		return -EINVAL;
	return d->response.n == 2 * algorithms[d->algorithm].len ? 0 : -EINVAL;
}

int digest_parse_challenge(struct digest *d, struct slice header)
{
	struct slice qop;
	int err = parse(d, header, &qop);

	if (err)
		return err;
	d->auth = has_word(qop, "auth");
	return qop.n && !d->auth ? -EPROTONOSUPPORT : 0;
}

/* ---- the hashes ---- */

static void hash(enum digest_algorithm a, const struct sbuf *b, char out[DIGEST_HEX])
{
	uint8_t bytes[32];

	if (a == DIGEST_MD5)
		md5(b->p, b->n, bytes);
	else
		secret_sha256(b->p, b->n, bytes);
	for (size_t i = 0; i < algorithms[a].len; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

void digest_ha1(enum digest_algorithm a, struct slice user, struct slice realm,
	struct slice password, char out[DIGEST_HEX])
{
	char mem[1024];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	sbuf_printf(&b, SLICE_FMT ":" SLICE_FMT ":" SLICE_FMT, SLICE_ARG(user), SLICE_ARG(realm),
		SLICE_ARG(password));
	hash(a, &b, out);
	secret_wipe(mem, sizeof(mem));
}

int digest_response(
	const struct digest *d, const char *ha1, struct slice method, char out[DIGEST_HEX])
{
	char mem[TEXT_MAX_HEAD + 512], ha2[DIGEST_HEX];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	sbuf_slice(&b, method);
	sbuf_str(&b, ":");
	sbuf_slice(&b, d->uri);
	hash(d->algorithm, &b, ha2);
	if (b.full)
		return -ENOSPC;
	sbuf_init(&b, mem, sizeof(mem));
	sbuf_str(&b, ha1);
	sbuf_str(&b, ":");
	sbuf_slice(&b, d->nonce);
	if (d->auth) {
		sbuf_str(&b, ":");
		sbuf_slice(&b, d->nc);
		sbuf_str(&b, ":");
		sbuf_slice(&b, d->cnonce);
		sbuf_str(&b, ":auth");
	}
	sbuf_str(&b, ":");
	sbuf_str(&b, ha2);
	hash(d->algorithm, &b, out);
	return b.full ? -ENOSPC : 0;
}

bool digest_is_right(const struct digest *d, const char *ha1, struct slice method)
{
	char own[DIGEST_HEX], given[DIGEST_HEX];
	size_t n = 2 * algorithms[d->algorithm].len;

	if (d->response.n != n || digest_response(d, ha1, method, own))
		return false;
	/* Hexadecimal digits may be of either case. */
	for (size_t i = 0; i < n; i++)
		given[i] = (char)(d->response.p[i] | (d->response.p[i] >= 'A' ? 0x20 : 0));
	return secret_equal(own, given, n);
}
