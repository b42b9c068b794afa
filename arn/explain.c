/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `nearctl explain URL [CLIENT]`: the very functions that answer a client are asked, and all that
 * they went by is shown: the policy, the nodes in the order in which they would be chosen, and what
 * decided at each place. Nothing is reserved.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arn/arn.h"
#include "arn/policy.h"
#include "arn/redirect.h"

static enum ctl_code bad(struct js *body, const char *why)
{
	js_put_str(body, "error", why);
	return CTL_BAD;
}

static struct js *describe(const struct snapshot_node *n, const struct select_verdict *v)
{
	struct js *o = js_object();
	char text[ADDR_STRLEN];

	js_put_int(o, "place", v->place);
	js_put_str(o, "node", n->said.id);
	js_put_str(o, "address", addr_host(&n->said.addr, text));
	if (v->excluded)
		js_put_str(o, "excluded", v->excluded);
	else
		js_put_str(o, "by", v->by);
	js_put_int(o, "rank", v->rank);
	js_put_bool(o, "far", v->far);
	if (n->rtt_us)
		js_put_real(o, "rtt_ms", n->rtt_us / 1000.0);
	js_put_bool(o, "avoided", v->avoided);
	js_put_bool(o, "refuses", v->refuses);
	js_put_bool(o, "unhealthy", v->unhealthy);
	js_put_str(o, "service", health_verdict_str(v->service));
	js_put_real(o, "delay_ms", v->delay * 1000);
	js_put_bool(o, "other_family", v->other_family);
	if (v->levels >= 0)
		js_put_int(o, "levels", v->levels);
	js_put_real(o, "load", v->load > 1e9 ? 1e9 : v->load);
	js_put_int(o, "sessions", n->said.sessions);
	js_put_int(o, "reserved", v->reserved.sessions);
	if (n->said.max_sessions)
		js_put_int(o, "room", v->room.sessions);
	js_put_int(o, "kbps", (int64_t)n->said.kbps);
	js_put_int(o, "reserved_kbps", (int64_t)v->reserved.kbps);
	if (n->said.max_kbps)
		js_put_int(o, "room_kbps", (int64_t)v->room.kbps);
	js_put_bool(o, "carries", v->carries);
	js_put_real(o, "affinity", v->affinity);
	return o;
}

/* In the order of their places, and then those that are out. */
static struct js *describe_all(
	const struct snapshot *snap, const struct select_verdict *v, const char **by)
{
	struct js *list = js_array();

	for (int place = 1;; place++) {
		int at = 0;

		while (at < snap->nodes && v[at].place != place)
			at++;
		if (at == snap->nodes)
			break;
		if (place == 1)
			*by = v[at].by;
		js_push(list, describe(&snap->node[at], &v[at]));
	}
	for (int i = 0; i < snap->nodes; i++)
		if (!v[i].place)
			js_push(list, describe(&snap->node[i], &v[i]));
	return list;
}

static enum ctl_code explain_choice(
	const struct snapshot *snap, const struct select_query *q, struct js *body)
{
	struct select_verdict *v = calloc((size_t)snap->nodes + 1, sizeof(*v));
	const char *by = NULL;
	struct js *list;

	if (!v)
		return bad(body, "out of memory");
	select_explain(snap, q, v);
	list = describe_all(snap, v, &by);
	js_put_str(body, "policy", select_policy_of(snap, q)->name);
	js_put_str(body, "by", by);
	js_put_slice(body, "path", q->path);
	js_put_int(body, "active_arns", snap->select.arns);
	js_put(body, "nodes", list);
	free(v);
	return CTL_OK;
}

/* Asks redirect_answer() itself, as a client with this URL would. */
static enum ctl_code explain_answer(
	const struct redirect_request *rq, const struct snapshot *snap, struct js *body)
{
	struct redirect_response rs;
	struct text_msg m;

	redirect_answer(rq, snap, &rs);
	if (!rs.consumed)
		return bad(body, "expected a URL");
	js_put_int(body, "status", rs.status);
	js_put_bool(body, "direct", rs.direct);
	js_put_str(body, "chosen", rs.node ? rs.node->said.id : NULL);
	if (rs.why)
		js_put_str(body, "why", rs.why);
	if (rs.node && text_parse(&m, rs.text, rs.len, 0) > 0)
		js_put_slice(body, "location", text_header(&m, "Location"));
	return CTL_OK;
}

/* The address of the block that the URL is at: what is served depends on it. */
static struct addr local_of(const struct arn *a, const struct url *u)
{
	struct addr at;

	if (addr_parse(&at, u->host, 0) < 0 || !prefix_has(&a->conf.anycast.block, &at))
		return a->conf.anycast.block.addr;
	return at;
}

/* Where the URL's channel is joined, if a service has said so. */
static const char *describe_channel(const struct snapshot *snap, const struct addr *local,
	struct slice path, char where[ADDR_STRLEN + 32])
{
	char url[CAS_URL], number[CAS_CHANNEL], text[ADDR_STRLEN];
	const struct cas_fact *f = redirect_channel(snap, local, path, url);

	if (!f || !f->there)
		return NULL;
	snprintf(where, ADDR_STRLEN + 32, "rtsp://%s%s", addr_str(&f->source, text),
		cas_channel_path(f->number, number));
	return where;
}

enum ctl_code arn_explain(void *ctx, struct slice args, struct js *body)
{
	struct arn *a = ctx;
	const struct snapshot *snap = arn_snapshot(a);
	struct slice rest = args, url = slice_cut(&rest, ' '), client = slice_trim(rest);
	struct addr from = addr_any(a->conf.anycast.block.addr.sa.sa_family, 0);
	char request[REDIRECT_MAX_TARGET + 128], text[ADDR_STRLEN];
	char where[ADDR_STRLEN + 32];
	enum text_proto proto;
	struct addr local;
	struct select_query q;
	enum ctl_code code;
	struct url u;
	int n;

	if (url_parse(&u, url) < 0 || !u.scheme.n)
		return bad(body, "expected an rtsp:// or http:// URL");
	if (client.n && addr_parse(&from, client, 0) < 0)
		return bad(body, "expected a client's address after the URL");
	proto = slice_ieq(u.scheme, SLICE("http")) ? TEXT_HTTP : TEXT_RTSP;
	n = snprintf(request, sizeof(request),
		proto == TEXT_HTTP ? "GET " SLICE_FMT " HTTP/1.1\r\nHost: explain\r\n\r\n"
				   : "DESCRIBE " SLICE_FMT " RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		SLICE_ARG(url));
	if (n >= (int)sizeof(request))
		return bad(body, "URL too long");
	local = local_of(a, &u);
	redirect_query(&q, proto, &from, &u);
	redirect_profile(&q, snap, &local);
	q.region = redirect_region(snap, &from);
	js_put_str(body, "client", addr_host(&from, text));
	js_put_str(body, "region", q.region && *q.region ? q.region : NULL);
	js_put_str(body, "profile", q.profile ? addr_host(&local, text) : NULL);
	js_put_str(body, "channel",
		proto == TEXT_RTSP ? describe_channel(snap, &local, u.path, where) : NULL);
	code = explain_choice(snap, &q, body);
	if (code != CTL_OK)
		return code;
	return explain_answer(&(struct redirect_request){.bytes = {request, (size_t)n},
				      .port = proto,
				      .client = from,
				      .local = local,
				      .wall = clock_wall() / NS_S,
				      .final = true},
		snap, body);
}
