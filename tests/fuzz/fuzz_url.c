/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A URL, a header's parameters and a Transport header, out of the same bytes. What could be parsed
 * is put together again, and must then mean the same.
 */
#include "lib/text.h"
#include "tests/fuzz/must.h"

static char mem[8192];

/* With its default port written out a URL is as long as this at most. */
static void url_again(const struct url *u)
{
	struct url again;
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	if (u->scheme.n) {
		bool v6 = memchr(u->host.p, ':', u->host.n);

		sbuf_slice(&b, u->scheme);
		sbuf_printf(&b, v6 ? "://[" SLICE_FMT "]" : "://" SLICE_FMT, SLICE_ARG(u->host));
		if (u->port)
			sbuf_printf(&b, ":%u", u->port);
	}
	sbuf_slice(&b, u->path);
	if (u->query.p) {
		sbuf_append(&b, "?", 1);
		sbuf_slice(&b, u->query);
	}
	if (b.full)
		return;
	MUST(url_parse(&again, (struct slice){b.p, b.n}) == 0);
	MUST(slice_eq(u->scheme, again.scheme) && slice_eq(u->host, again.host));
	MUST(u->port == again.port && slice_eq(u->path, again.path));
	MUST(slice_eq(u->query, again.query) && !u->query.p == !again.query.p);
}

static void transport_again(const struct rtsp_transport *t)
{
	struct rtsp_transport again;
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	rtsp_transport_write(&b, t);
	if (b.full)
		return;
	MUST(rtsp_transport_parse(&again, (struct slice){b.p, b.n}) == 0);
	MUST(t->tcp == again.tcp && t->multicast == again.multicast);
	MUST(t->has_client_port == again.has_client_port && t->has_ssrc == again.has_ssrc);
	MUST(t->client_port[0] == again.client_port[0] &&
		t->client_port[1] == again.client_port[1]);
	MUST(t->server_port[0] == again.server_port[0] &&
		t->server_port[1] == again.server_port[1]);
	MUST(t->interleaved[0] == again.interleaved[0] &&
		t->interleaved[1] == again.interleaved[1]);
	MUST(t->ssrc == again.ssrc && t->record == again.record);
}

/* Quotes are taken off; what needed them cannot be written without. */
static bool plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr("\"\\;,=", s.p[i]))
			return false;
	return slice_trim(s).n == s.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice s = {(const char *)data, len}, value;
	struct rtsp_transport t;
	struct url u;

	if (url_parse(&u, s) == 0)
		url_again(&u);
	if (text_param(s, "timeout", &value))
		MUST(!value.n || (value.p >= s.p && value.p + value.n <= s.p + s.n));
	if (rtsp_transport_parse(&t, s) == 0 && plain(t.source) && plain(t.destination))
		transport_again(&t);
	return 0;
}
