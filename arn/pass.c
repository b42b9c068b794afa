/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/pass.h"

#include <stdio.h>
#include <string.h>

/* The unsigned count: one digit, since it never grows beyond PASS_HOPS. Whoever writes one of his
 * own shortens or lengthens his own circle. */
#define MARK "h"

_Static_assert(PASS_HOPS < 9, "a mark has one digit");

static bool read_mark(struct slice value, int *hops)
{
	if (value.n != 2 || value.p[0] != MARK[0] || value.p[1] < '1' || value.p[1] > '9')
		return false;
	*hops = value.p[1] - '0';
	return true;
}

/* Clients are sent to the usual port, or to one that the node was primed with. */
static bool is_port_of(
	const struct snapshot *s, const struct announce *n, uint16_t port, enum text_proto proto)
{
	if (port == (proto == TEXT_HTTP ? n->http_port : n->rtsp_port))
		return true;
	for (int i = 0; s->primed && i < s->primed->n; i++)
		if (s->primed->port[i].port == port && !strcmp(s->primed->port[i].node, n->id))
			return true;
	return false;
}

/* Whether the host that the request names is a node's own, not an address of the block. */
static bool names_node(const struct snapshot *s, const struct url *u, enum text_proto proto)
{
	uint16_t port = u->port;
	struct addr host;

	if (!u->host.n || addr_parse(&host, u->host, 0) < 0)
		return false;
	if (!port)
		port = url_default_port(proto == TEXT_HTTP ? SLICE("http") : SLICE("rtsp"));
	for (int i = 0; i < s->nodes; i++) {
		const struct announce *n = &s->node[i].said;

		if (addr_same_host(&host, &n->addr) && is_port_of(s, n, port, proto))
			return true;
	}
	return false;
}

/* The session that the client had, if it brings a token of it along. */
static bool resumes(const struct redirect_request *rq, const struct snapshot *s,
	const struct url *u, struct slice value, struct token *t, int *hops)
{
	const struct token_policy *policy = &s->tokens;
	const struct token_use use = {.path = u->path,
		.client = rq->client,
		.now = rq->wall,
		.skew = policy->skew,
		.grace = policy->resume};
	enum token_error e = token_read(t, value, &policy->keys, &use);

	if (!token_is_genuine(e) || t->node)
		return false;
	if (rq->wall - (int64_t)t->issued <= PASS_WINDOW + policy->skew)
		*hops = t->hops;
	return e == TOKEN_OK;
}

void pass_issue(struct pass *p, const struct redirect_request *rq, const struct snapshot *s,
	const struct url *u, enum text_proto proto, bool avoids)
{
	const struct token_policy *policy = &s->tokens;
	struct slice value = {NULL, 0};
	struct token t;
	int hops = 0;
	bool marked, resumed = false;
	struct token_claims c;

	*p = (struct pass){.token = REDIRECT_NO_TOKEN};
	url_param(u->query, TOKEN_PARAM, &value);
	marked = read_mark(value, &hops);
	if (policy->keys.n && !marked)
		resumed = resumes(rq, s, u, value, &t, &hops);
	if (avoids)
		hops = 0;
	p->looped = hops >= PASS_HOPS;
	if (p->looped)
		return;
	if (!policy->keys.n) {
		if (marked || (rq->first && names_node(s, u, proto)))
			snprintf(p->param, sizeof(p->param), TOKEN_PARAM "=" MARK "%d", hops + 1);
		return;
	}
	p->token = resumed ? REDIRECT_TOKEN_RESUMED : REDIRECT_TOKEN_NEW;
	c = (struct token_claims){.issued = rq->wall,
		.lifetime = policy->lifetime,
		.hops = (uint8_t)(hops + 1),
		.session = resumed ? t.session
	                           : token_session(
					     &policy->keys.key[0], &rq->client, u->path, rq->wall),
		.path = u->path,
		.client = policy->bind ? &rq->client : NULL,
		.service = rq->local};
	memcpy(p->param, TOKEN_PARAM "=", 3);
	token_write(&c, &policy->keys.key[0], p->param + 3);
}
