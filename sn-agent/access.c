/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/access.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/digest.h"
#include "lib/log.h"
#include "lib/token.h"

#define WRONG_MAX  5    /* passwords that a connection may try */
#define IDENTITY_S 3600 /* how long a sealed identity holds; keep-alives bring a new one */

const char *const access_mode_names[] = {"off", "optional", "required", NULL};
const char *const access_asked_names[] = {"all", "players", "publishers", NULL};

static bool is_trusted(const struct request *q)
{
	const struct rtsp_access *a = &q->r->conf.access;

	if (q->c->scope && *q->c->scope->neighbour)
		return true; /* nobody else is at the other end of a tunnel */
	for (int i = 0; i < a->n_trusted; i++)
		if (prefix_has(&a->trusted[i], &q->c->peer))
			return true;
	return false;
}

/* ---- tokens ---- */

static void refuse(struct request *q, enum token_error e)
{
	static struct log_limit limit = LOG_LIMIT_INIT;
	char peer[ADDR_STRLEN];

	log_limited(&limit, NLOG_REMOTE, "%s: refused a channel, its token is %s",
		addr_str(&q->c->peer, peer), token_error_str(e));
	sbuf_printf(rtsp_head(q, 403), "Nearcast-Token: %s\r\n", token_error_str(e));
	rtsp_done(q);
}

static bool has_token(struct request *q)
{
	const struct rtsp_access *a = &q->r->conf.access;
	struct rtsp_admission *had = &q->c->admitted;
	struct token_use use = {
		.path = q->path, .client = q->c->peer, .now = q->r->wall, .skew = ACCESS_SKEW};
	struct slice value = {NULL, 0};
	enum token_error e;
	struct token t;

	if (a->mode == ACCESS_OFF || slice_eq(slice_of(had->path), q->path))
		return true;
	url_param(q->url.query, TOKEN_PARAM, &value);
	if (is_trusted(q) && !value.n)
		return true;
	e = token_read(&t, value, a->keys, &use);
	q->r->tokens[e]++;
	if (e == TOKEN_OK) {
		slice_copy(q->path, had->path, sizeof(had->path));
		snprintf(had->session, sizeof(had->session), "%016" PRIx64, t.session);
		return true;
	}
	if (e == TOKEN_MISSING && a->mode == ACCESS_OPTIONAL)
		return true;
	refuse(q, e);
	return false;
}

/* ---- users ---- */

const char *access_login_str(enum access_login l)
{
	static const char *const text[LOGIN_STATES] = {
		[LOGIN_OK] = "ok",
		[LOGIN_MISSING] = "missing",
		[LOGIN_MALFORMED] = "malformed",
		[LOGIN_WRONG] = "wrong",
		[LOGIN_STALE] = "stale",
		[LOGIN_REPLAYED] = "replayed",
	};

	return text[l];
}

static void put_nonce(struct request *q, char out[NONCE_TEXT])
{
	nonce_make(&q->r->conf.access.nonce_keys->key[0], &q->c->peer, q->r->wall,
		(uint32_t)q->r->random(), out);
}

/* The strongest algorithm first (RFC 7616, 3.7); realm and nonce are where live555 looks for them. */
static void challenge(struct request *q, bool stale)
{
	const struct rtsp_access *a = &q->r->conf.access;
	unsigned offered = a->source->algorithms(a->users);
	struct sbuf *b = rtsp_head(q, 401);
	char nonce[NONCE_TEXT];

	put_nonce(q, nonce);
	if (!offered)
		offered = USERS_BIT(DIGEST_MD5); /* there is nobody: as good as another */
	for (int i = DIGEST_ALGORITHMS - 1; i >= 0; i--)
		if (offered & USERS_BIT(i))
			sbuf_printf(b,
				"WWW-Authenticate: Digest realm=\"%s\", nonce=\"%s\", "
				"qop=\"auth\", "
				"algorithm=%s%s\r\n",
				a->realm, nonce, digest_algorithm_str((enum digest_algorithm)i),
				stale ? ", stale=true" : "");
	rtsp_done(q);
}

/* Whether credentials are for what is asked for. Players differ in what they call it. */
static bool is_for(const struct request *q, struct slice uri)
{
	struct url u;
	int track;

	if (slice_eq(uri, q->m->uri))
		return true;
	if (url_parse(&u, uri))
		return false;
	url_take_track(&u.path, &track);
	while (u.path.n && u.path.p[u.path.n - 1] == '/')
		u.path.n--;
	return slice_eq(u.path, q->path);
}

/* An unknown user takes as long as a known one with another password. */
static bool knows_password(const struct request *q, const struct digest *d)
{
	const struct rtsp_access *a = &q->r->conf.access;
	char ha1[DIGEST_HEX] = "00000000000000000000000000000000";
	bool known = a->source->find(a->users, d->username, d->realm, d->algorithm, ha1);

	return (digest_is_right(d, ha1, q->m->method) & known) == 1;
}

static enum access_login check_login(struct request *q, struct slice header, struct digest *d)
{
	const struct rtsp_access *a = &q->r->conf.access;
	struct rtsp *r = q->r;

	if (!header.p)
		return LOGIN_MISSING;
	if (digest_parse_credentials(d, header) || d->username.n >= USERS_NAME ||
		!slice_eq(d->realm, slice_of(a->realm)) || !is_for(q, d->uri))
		return LOGIN_MALFORMED;
	if (!knows_password(q, d))
		return LOGIN_WRONG;
	if (!nonce_is_fresh(
		    a->nonce_keys, d->nonce, &q->c->peer, r->wall, a->nonce_lifetime, ACCESS_SKEW))
		return LOGIN_STALE;
	if (d->auth && !nonces_use(&r->nonces, d->nonce, d->nc, r->wall,
			       r->wall + a->nonce_lifetime + 2 * ACCESS_SKEW))
		return LOGIN_REPLAYED;
	return LOGIN_OK;
}

static void refuse_login(struct request *q, enum access_login l)
{
	static struct log_limit limit = LOG_LIMIT_INIT;
	char peer[ADDR_STRLEN];

	if (l == LOGIN_WRONG || l == LOGIN_MALFORMED)
		log_limited(&limit, NLOG_REMOTE, "%s: refused, its credentials are %s",
			addr_str(&q->c->peer, peer), access_login_str(l));
	challenge(q, l == LOGIN_STALE || l == LOGIN_REPLAYED);
	if (l == LOGIN_WRONG && ++q->c->admitted.wrong >= WRONG_MAX)
		q->out->actions |= RTSP_CLOSE;
}

/* Who is trusted need not be a user, but may. */
static bool is_user(struct request *q)
{
	struct slice header = text_header(q->m, "Authorization");
	struct rtsp_admission *had = &q->c->admitted;
	enum access_login l;
	struct digest d;

	if (had->user[0] || (!header.p && is_trusted(q)))
		return true;
	l = check_login(q, header, &d);
	q->r->logins[l]++;
	if (l != LOGIN_OK) {
		refuse_login(q, l);
		return false;
	}
	slice_copy(d.username, had->user, sizeof(had->user));
	return true;
}

/* ---- what is asked for ---- */

bool access_admits(struct request *q)
{
	const struct rtsp_access *a = &q->r->conf.access;

	return has_token(q) && (!a->source || a->asked == ASKED_PUBLISHERS || is_user(q));
}

bool access_admits_publisher(struct request *q)
{
	const struct rtsp_access *a = &q->r->conf.access;

	if (!a->source || a->asked == ASKED_PLAYERS)
		return true;
	if (!is_user(q))
		return false;
	if (!*a->publishers || users_named(a->publishers, q->c->admitted.user))
		return true;
	rtsp_answer(q, 403);
	return false;
}

/* ---- who it is ---- */

/* What an identity is sealed for: no channel's path is such, so it is no token for one. */
static struct slice sealed_for(const struct request *q, char *mem, size_t cap)
{
	struct sbuf b;

	sbuf_init(&b, mem, cap);
	sbuf_printf(&b, "session:%s:" SLICE_FMT, q->c->admitted.user, SLICE_ARG(q->path));
	return (struct slice){b.p, b.n};
}

void access_identify(const struct request *q, struct session *s)
{
	struct slice value = text_header(q->m, "Nearcast-Session");
	const struct wire_keys *keys = q->r->conf.access.keys;
	char mem[USERS_NAME + CHANNEL_PATH + 16];
	struct token_use use = {.path = sealed_for(q, mem, sizeof(mem)),
		.client = q->c->peer,
		.now = q->r->wall,
		.skew = ACCESS_SKEW};
	struct token t;

	memcpy(s->user, q->c->admitted.user, sizeof(s->user));
	if (*q->c->admitted.session)
		memcpy(s->identity, q->c->admitted.session, sizeof(s->identity));
	else if (value.n && keys && token_read(&t, value, keys, &use) == TOKEN_OK && t.node &&
		 t.bound)
		snprintf(s->identity, sizeof(s->identity), "%016" PRIx64, t.session);
}

void access_put_identity(struct request *q, const struct session *s)
{
	const struct wire_keys *keys = q->r->conf.access.keys;
	char mem[USERS_NAME + CHANNEL_PATH + 16], text[TOKEN_TEXT];
	struct token_claims claims = {.node = true,
		.issued = q->r->wall,
		.lifetime = IDENTITY_S,
		.session = strtoull(s->identity, NULL, 16),
		.path = sealed_for(q, mem, sizeof(mem)),
		.client = &s->client,
		.service = q->r->conf.addr};

	if (!q->nearcast || !keys || !keys->n || s->publisher || *q->c->admitted.session)
		return;
	token_write(&claims, &keys->key[0], text);
	sbuf_printf(&q->out->text, "Nearcast-Session: %s\r\n", text);
}

void access_put_nonce(struct request *q)
{
	char nonce[NONCE_TEXT];

	if (!q->c || !q->c->admitted.user[0])
		return;
	put_nonce(q, nonce);
	sbuf_printf(&q->out->text, "Authentication-Info: nextnonce=\"%s\"\r\n", nonce);
}
