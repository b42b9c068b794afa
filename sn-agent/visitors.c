/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/visitors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/text.h"
#include "sn-agent/access.h"

#define BUCKETS 4096

struct visitors {
	ns_t idle;
	visitors_cb *cb;
	void *arg;
	int n;
	struct visitor *newest, *oldest;
	struct visitor *bucket[BUCKETS];
};

struct visitors *visitors_new(ns_t idle, visitors_cb *cb, void *arg)
{
	struct visitors *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->idle = idle;
	v->cb = cb;
	v->arg = arg;
	return v;
}

void visitors_free(struct visitors *v)
{
	struct visitor *next;

	if (!v)
		return;
	for (struct visitor *x = v->newest; x; x = next) {
		next = x->older;
		free(x);
	}
	free(v);
}

void visitors_set_idle(struct visitors *v, ns_t idle)
{
	v->idle = idle;
}

static struct visitor **bucket_of(struct visitors *v, const struct addr *client, uint16_t port)
{
	struct addr key = *client;

	addr_set_port(&key, port);
	return &v->bucket[addr_hash(&key) % BUCKETS];
}

static struct visitor *find(struct visitors *v, const struct addr *client, uint16_t port)
{
	struct visitor *x = *bucket_of(v, client, port);

	while (x && (x->port != port || !addr_same_host(&x->client, client)))
		x = x->chain;
	return x;
}

/* ---- the order of time ---- */

static void unlink_visitor(struct visitors *v, struct visitor *x)
{
	*(x->newer ? &x->newer->older : &v->newest) = x->older;
	*(x->older ? &x->older->newer : &v->oldest) = x->newer;
}

static void link_newest(struct visitors *v, struct visitor *x)
{
	x->newer = NULL;
	x->older = v->newest;
	*(v->newest ? &v->newest->newer : &v->oldest) = x;
	v->newest = x;
}

static void forget(struct visitors *v, struct visitor *x)
{
	struct visitor **at = bucket_of(v, &x->client, x->port);

	while (*at != x)
		at = &(*at)->chain;
	*at = x->chain;
	unlink_visitor(v, x);
	v->n--;
	free(x);
}

static void end_visit(struct visitors *v, struct visitor *x)
{
	uint16_t port = x->port;

	forget(v, x);
	v->cb(v->arg, port, false);
}

static struct visitor *add(struct visitors *v, const struct addr *client, uint16_t port)
{
	struct visitor **at = bucket_of(v, client, port), *x;

	if (v->n == VISITORS_MAX)
		end_visit(v, v->oldest);
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->client = *client;
	addr_set_port(&x->client, 0);
	x->port = port;
	x->chain = *at;
	*at = x;
	link_newest(v, x);
	v->n++;
	v->cb(v->arg, port, true);
	return x;
}

struct visitor *visitors_note(
	struct visitors *v, const struct addr *client, uint16_t port, ns_t now)
{
	struct visitor *x = find(v, client, port);

	if (!x)
		x = add(v, client, port);
	if (!x)
		return NULL;
	x->seen = now;
	unlink_visitor(v, x);
	link_newest(v, x);
	return x;
}

void visitors_drop(struct visitors *v, uint16_t port)
{
	struct visitor *older;

	for (struct visitor *x = v->newest; x; x = older) {
		older = x->older;
		if (x->port == port)
			forget(v, x);
	}
}

void visitors_expire(struct visitors *v, ns_t now)
{
	while (v->oldest && now - v->oldest->seen >= v->idle)
		end_visit(v, v->oldest);
}

int visitors_count(const struct visitors *v)
{
	return v->n;
}

int visitors_active(const struct visitors *v, ns_t now)
{
	int n = 0;

	for (const struct visitor *x = v->newest; x && now - x->seen < VISITORS_ACTIVE;
		x = x->older)
		n++;
	return n;
}

/* ---- tokens ---- */

static bool is_trusted(const struct rtsp_access *a, const struct addr *client)
{
	for (int i = 0; i < a->n_trusted; i++)
		if (prefix_has(&a->trusted[i], client))
			return true;
	return false;
}

/* What a player may well send that was let in before: nothing, what has become old, or, for it
 * hands on the query of the playlist, the token of another URL. */
static bool is_honest(enum token_error e)
{
	return e == TOKEN_MISSING || e == TOKEN_EXPIRED || e == TOKEN_OTHER_CHANNEL;
}

enum token_error visitors_admit(struct visitors *v, const struct rtsp_access *a,
	const struct visit *x, const struct visitor **who)
{
	struct token_use use = {.client = x->client, .now = x->wall, .skew = ACCESS_SKEW};
	struct slice value = {NULL, 0};
	struct visitor *known = find(v, &x->client, x->port);
	enum token_error e;
	struct token t;
	struct url u;

	*who = NULL;
	if (a->mode == ACCESS_OFF)
		return TOKEN_OK;
	if (url_parse(&u, x->uri))
		return TOKEN_MALFORMED;
	url_param(u.query, TOKEN_PARAM, &value);
	if (!value.n && (is_trusted(a, &x->client) || a->mode == ACCESS_OPTIONAL))
		return TOKEN_OK;
	use.path = u.path;
	e = token_read(&t, value, a->keys, &use);
	if (e != TOKEN_OK && !(is_honest(e) && known && known->admitted))
		return e;
	known = visitors_note(v, &x->client, x->port, x->now);
	if (known && e == TOKEN_OK) {
		known->admitted = true;
		snprintf(known->session, sizeof(known->session), "%016" PRIx64, t.session);
	}
	*who = known;
	return TOKEN_OK;
}
