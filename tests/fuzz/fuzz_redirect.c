/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes at the anycast address: the first byte of the input chooses the port, the policy and
 * more (data[1] & 4: whether there is something to be answered directly), the second the rest of
 * that and how the rest is cut in two. Whatever comes, the answer is one whole, well-formed message
 * that goes to a node's address with no header but ours, and it is the same in pieces as at once.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/policy.h"
#include "arn/redirect.h"
#include "lib/secret.h"
#include "lib/token.h"

static struct snapshot *nodes;
static struct direct *direct; /* in the snapshot if the input says so */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

static void make_nodes(void)
{
	static const char *const address[] = {"10.2.0.6", "10.2.0.10", "2001:db8::6"};

	nodes = snapshot_new(3);
	must(nodes, "memory");
	nodes->nodes = 3;
	nodes->retry_after = 1;
	must(secret_init() == 0, "libsodium");
	nodes->tokens = (struct token_policy){.lifetime = 60, .bind = true, .resume = 3600};
	for (int i = 0; i < 3; i++) {
		struct announce *n = &nodes->node[i].said;

		n->role = ROLE_SN;
		n->rtsp_port = i ? 8554 : 554;
		n->http_port = i ? 8080 : 80;
		n->healthy = true;
		n->weight = 100;
		n->control_port = 7702;
		n->primes = i ? SERVICE_RTSP : SERVICE_HTTP;
		snprintf(n->id, sizeof(n->id), "sn%d", i);
		must(addr_parse(&n->addr, slice_of(address[i]), 0) == 0, "address");
	}
}

static void make_direct(void)
{
	static const char *const path[] = {
		"/", "/a", "/a.gz", "/a b", "/index.html", "/b.js.br", "/a/index.html"};

	direct = direct_new(60);
	must(direct, "memory");
	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++)
		must(direct_add(direct, NULL, slice_of(path[i]), slice_of(path[i]), 1700000000) ==
				0,
			"memory");
	direct_seal(direct);
}

/* Only what was put there is ever served, with headers that fit. */
static void check_direct(const struct redirect_response *rs)
{
	must(rs->proto == TEXT_HTTP && (rs->status == 200 || rs->status == 304), "status");
	must(rs->len <= DIRECT_MAX_HEAD && rs->close && !rs->node && !rs->why, "direct answer");
	must(rs->len > 4 && !memcmp(rs->text + rs->len - 4, "\r\n\r\n", 4), "end of the head");
	must(!rs->body.n || (rs->status == 200 && rs->body.p[0] == '/'), "an object");
	must(!memmem(rs->text, rs->len, "Location", 8), "no redirection");
}

static void check_answer(const struct redirect_response *rs)
{
	static const char *const ours[] = {"CSeq", "Location", "Retry-After", "Allow", "Public",
		"Cache-Control", "Content-Length", "Connection"};
	struct text_msg m;
	struct url u;

	if (rs->direct) {
		check_direct(rs);
		return;
	}
	must(!rs->body.n, "no body");
	must(rs->len < sizeof(rs->text), "length");
	must(text_parse(&m, rs->text, rs->len, 0) == (ssize_t)rs->len, "one whole message");
	must(m.response && m.status == rs->status && m.proto == rs->proto, "its status");
	for (int i = 0; i < m.headers; i++) {
		size_t k = 0;

		while (k < sizeof(ours) / sizeof(ours[0]) &&
			!slice_eq(m.header[i].name, slice_of(ours[k])))
			k++;
		must(k < sizeof(ours) / sizeof(ours[0]), "header is one of ours");
	}
	must((rs->node != NULL) == (text_header(&m, "Location").p != NULL), "node and Location");
	must((rs->why != NULL) == (rs->status >= 400), "reason of a refusal");
	must(rs->looped == (rs->status == 482 || rs->status == 508), "a circle's status");
	if (rs->node) {
		struct slice token = {NULL, 0};
		struct addr a;

		must(url_parse(&u, text_header(&m, "Location")) == 0, "Location is a URL");
		must(addr_parse(&a, u.host, 0) == 0 && addr_same_host(&a, &rs->node->said.addr),
			"Location names the node");
		url_param(u.query, TOKEN_PARAM, &token);
		must(!nodes->tokens.keys.n || token.n > 60, "Location carries a token");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct redirect_response rs, again;
	struct redirect_request rq = {.port = TEXT_HTTP};
	size_t cut;

	if (size < 2)
		return 0;
	if (!nodes)
		make_nodes();
	if (!direct)
		make_direct();
	nodes->direct = data[1] & 4 ? direct : NULL;
	if (data[0] & 1)
		rq.port = TEXT_RTSP;
	must(addr_parse(&rq.client, slice_of(data[0] & 2 ? "2001:db8::1" : "192.0.2.1"), 0) == 0,
		"client");
	must(addr_parse(&rq.local, SLICE("10.1.18.27"), 0) == 0, "local");
	nodes->prime = data[0] & 4 ? SERVICE_RTSP | SERVICE_HTTP : 0;
	rq.final = data[0] & 8;
	nodes->select.policy[TEXT_HTTP] = nodes->select.policy[TEXT_RTSP] =
		&policies[(data[0] >> 4) % 5];
	nodes->tokens.keys = (struct wire_keys){.n = data[1] & 1, .key = {{7, {1, 2, 3}}}};
	rq.first = data[1] & 2;
	rq.wall = 1700000000;
	rq.bytes = (struct slice){(const char *)data + 2, size - 2};
	redirect_answer(&rq, nodes, &rs);
	if (rs.consumed) {
		must(rs.consumed <= rq.bytes.n, "consumed what is there");
		must(rs.status || (rs.want.what != WANT_NOTHING && nodes->prime && !rq.final),
			"an answer, or what it lacks");
		if (rs.status)
			check_answer(&rs);
	}

	cut = (size_t)data[1] * rq.bytes.n / 256;
	rq.bytes.n = cut;
	redirect_answer(&rq, nodes, &again);
	if (again.consumed) {
		if (again.status)
			check_answer(&again);
		return 0;
	}
	rq.bytes.n = size - 2;
	rq.seen = cut;
	redirect_answer(&rq, nodes, &again);
	must(again.consumed == rs.consumed, "in pieces as at once");
	must(!rs.consumed || again.status == rs.status, "same answer");
	if (rs.consumed && rs.status)
		must(again.len == rs.len && !memcmp(again.text, rs.text, rs.len) &&
				again.body.p == rs.body.p,
			"same bytes");
	return 0;
}
