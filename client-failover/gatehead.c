/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Players are asked to take the object as it is (Accept-Encoding: identity): coded on the fly it has
 * no strong ETag, and could not be resumed. Of several ranges at once the whole is given, which a
 * server may always do (RFC 9110, 14.2), since their boundaries are each node's own.
 */
#include "client-failover/gatehead.h"

#include <inttypes.h>
#include <stdio.h>

#define TOKEN_ROOM 128 /* in a URL, behind all else */
#define VIA        "Via: 1.1 nearcast\r\nAccept-Encoding: identity\r\n"

static bool is_one_of(struct slice name, const char *const *list)
{
	while (*list && !slice_ieq(name, slice_of(*list)))
		list++;
	return *list;
}

/* RFC 9110, 7.6.1; with what RFC 9112, appendix C.2.2 has of older ones. */
static bool is_hop_by_hop(struct slice name)
{
	static const char *const list[] = {"Connection", "Keep-Alive", "Proxy-Connection",
		"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization", "TE",
		"Trailer", "Transfer-Encoding", "Upgrade", NULL};

	return is_one_of(name, list);
}

/* Named by any Connection header. */
static bool is_nominated(const struct text_msg *m, struct slice name)
{
	for (int i = 0; i < m->headers; i++) {
		struct slice options = m->header[i].value;
		if (!slice_ieq(m->header[i].name, SLICE("Connection")))
			continue;
		while (options.n)
			if (slice_ieq(slice_trim(slice_cut(&options, ',')), name))
				return true;
	}
	return false;
}

static void put_header(struct sbuf *b, const struct text_header *h)
{
	sbuf_slice(b, h->name);
	sbuf_str(b, ": ");
	sbuf_slice(b, h->value);
	sbuf_str(b, "\r\n");
}

/* ---- requests ---- */

static bool is_one_range(struct slice v)
{
	struct slice unit = slice_cut(&v, '=');

	return slice_ieq(slice_trim(unit), SLICE("bytes")) && !memchr(v.p, ',', v.n);
}

static void take_headers(
	struct gate_request *g, const struct text_msg *m, struct sbuf *all, struct sbuf *asked)
{
	static const char *const ours[] = {"Host", "Accept-Encoding", "Content-Length", "Expect",
		"Via", "Nearcast-Avoid", NULL};
	static const char *const conditions[] = {
		"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", NULL};
	bool ranged = is_one_range(text_header(m, "Range"));

	sbuf_init(all, g->headers, sizeof g->headers);
	sbuf_init(asked, g->asked, sizeof g->asked);
	for (int i = 0; i < m->headers; i++) {
		const struct text_header *h = &m->header[i];
		bool range =
			slice_ieq(h->name, SLICE("Range")) || slice_ieq(h->name, SLICE("If-Range"));
		if (is_one_of(h->name, ours) || is_hop_by_hop(h->name) || is_nominated(m, h->name))
			continue;
		if (range ? ranged : is_one_of(h->name, conditions))
			put_header(asked, h);
		else if (!range)
			put_header(all, h);
	}
	sbuf_str(all, VIA);
	g->headers_len = all->n;
	g->asked_len = asked->n;
}

/* "/path?query", or the whole URL as a proxy is asked. NULL, or what is wrong with *status. */
static const char *take_target(
	struct gate_request *g, const struct text_msg *m, const char *origin, int *status)
{
	struct url u, own;
	struct sbuf b;

	*status = 400;
	if (url_parse(&u, m->uri) < 0 || slice_eq(u.path, SLICE("*")))
		return "not a URL";
	if (u.scheme.n && url_parse(&own, slice_of(origin)) == 0) {
		uint16_t port = u.port ? u.port : 80, ours = own.port ? own.port : 80;
		*status = 421;
		if (!slice_ieq(u.scheme, own.scheme) || !slice_ieq(u.host, own.host) ||
			port != ours)
			return "another host than the one that this gateway is for";
	}
	sbuf_init(&b, g->url, sizeof g->url - TOKEN_ROOM);
	sbuf_str(&b, origin);
	sbuf_slice(&b, u.path);
	if (u.query.p) {
		sbuf_str(&b, "?");
		sbuf_slice(&b, u.query);
	}
	*status = 414;
	return b.full ? "the URL is too long" : NULL;
}

int gate_take_request(
	struct gate_request *g, const struct text_msg *m, const char *origin, const char **why)
{
	struct sbuf all, asked;
	int status, hosts = 0;

	g->old = m->minor == 0;
	g->keep = !g->old && !is_nominated(m, SLICE("close"));
	g->to_head = text_method_is(m, "HEAD");
	for (int i = 0; i < m->headers; i++)
		hosts += slice_ieq(m->header[i].name, SLICE("Host"));
	*why = "not an HTTP request";
	if (m->response || m->proto != TEXT_HTTP)
		return 400;
	*why = "not one Host header"; /* RFC 9112, 3.2 */
	if (hosts > 1 || (hosts == 0 && !g->old))
		return 400;
	*why = "only GET and HEAD";
	if (!g->to_head && !text_method_is(m, "GET"))
		return 405;
	*why = take_target(g, m, origin, &status);
	if (*why)
		return status;
	take_headers(g, m, &all, &asked);
	*why = "the headers are too long";
	return all.full || asked.full ? 431 : 0;
}

/* ---- answers ---- */

enum gate_body gate_body(const struct gate_request *g, const struct object *o)
{
	if (g->to_head || o->status == 204 || o->status == 304)
		return GATE_NONE;
	if (o->length >= 0)
		return GATE_LENGTH;
	return g->old ? GATE_CLOSE : GATE_CHUNKED;
}

struct slice gate_origin(const char *url)
{
	size_t scheme = strcspn(url, ":");

	if (strncmp(url + scheme, "://", 3) != 0)
		return (struct slice){url, 0};
	return (struct slice){url, scheme + 3 + strcspn(url + scheme + 3, "/?")};
}

static bool begins_with(struct slice s, struct slice with)
{
	return with.n && s.n >= with.n && strncasecmp(s.p, with.p, with.n) == 0 &&
	       (s.n == with.n || s.p[with.n] == '/' || s.p[with.n] == '?');
}

/* A redirection to the host, or to the node that gives it, is one to the gateway. */
static void put_location(struct sbuf *b, struct slice v, const char *origin, const char *node)
{
	struct slice own = slice_of(origin), theirs = gate_origin(node);
	size_t n = begins_with(v, own) ? own.n : begins_with(v, theirs) ? theirs.n : 0;

	v.p += n;
	v.n -= n;
	sbuf_str(b, "Location: ");
	if (n && (!v.n || v.p[0] != '/'))
		sbuf_str(b, "/");
	sbuf_slice(b, v);
	sbuf_str(b, "\r\n");
}

void gate_put_head(struct sbuf *b, const struct gate_request *g, const struct text_msg *m,
	const struct object *o, const char *origin, const char *node)
{
	enum gate_body body = gate_body(g, o);

	sbuf_printf(b, "HTTP/1.1 %d " SLICE_FMT "\r\n", m->status, SLICE_ARG(m->reason));
	for (int i = 0; i < m->headers; i++) {
		const struct text_header *h = &m->header[i];
		bool length = slice_ieq(h->name, SLICE("Content-Length"));
		if (is_hop_by_hop(h->name) || is_nominated(m, h->name) ||
			(length && body != GATE_NONE))
			continue;
		if (slice_ieq(h->name, SLICE("Location")))
			put_location(b, h->value, origin, node);
		else
			put_header(b, h);
	}
	if (body == GATE_LENGTH)
		sbuf_printf(b, "Content-Length: %" PRId64 "\r\n", o->length);
	else if (body == GATE_CHUNKED)
		sbuf_str(b, "Transfer-Encoding: chunked\r\n");
	if (!g->keep || body == GATE_CLOSE)
		sbuf_str(b, "Connection: close\r\n");
	sbuf_str(b, "\r\n");
}

static const char *reason_of(int status)
{
	switch (status) {
	case 400: return "Bad Request";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 414: return "URI Too Long";
	case 421: return "Misdirected Request";
	case 431: return "Request Header Fields Too Large";
	case 503: return "Service Unavailable";
	}
	return "Error";
}

void gate_put_refusal(struct sbuf *b, int status, const char *why, const char *more, bool keep)
{
	sbuf_printf(b, "HTTP/1.1 %d %s\r\n%s", status, reason_of(status), more);
	if (status == 405)
		sbuf_str(b, "Allow: GET, HEAD\r\n");
	sbuf_printf(b,
		"Cache-Control: no-store\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n",
		strlen(why) + 1);
	sbuf_printf(b, "%s\r\n%s\n", keep ? "" : "Connection: close\r\n", why);
}
