/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parameters of RTSP headers, and the Transport header above all (RFC 2326, 12.39). Players differ
 * in case, quotes, blanks and order, so reading is tolerant of these and of unknown parameters, but
 * a number that is not one, or a port of 0, is an error: media sent to a guessed port helps nobody.
 *
 * RFC 2326 makes multicast the default when neither is said; no player means that, so multicast is
 * only what says so.
 */
#include "lib/text.h"

#include <errno.h>

/* Cuts at the first `sep` that is not inside quotes. */
static struct slice cut_unquoted(struct slice *s, char sep)
{
	struct slice head = *s;
	bool quoted = false;

	for (size_t i = 0; i < s->n; i++) {
		char c = s->p[i];

		if (c == '"')
			quoted = !quoted;
		else if (quoted && c == '\\')
			i++; /* quoted-pair, RFC 9110, 5.6.4 */
		else if (!quoted && c == sep) {
			head.n = i;
			s->p += i + 1;
			s->n -= i + 1;
			return head;
		}
	}
	s->p += s->n;
	s->n = 0;
	return head;
}

/* "name = "value"" → name, value. */
static struct slice split_param(struct slice part, struct slice *value)
{
	struct slice name = slice_cut(&part, '=');

	part = slice_trim(part);
	if (part.n >= 2 && part.p[0] == '"' && part.p[part.n - 1] == '"')
		part = (struct slice){part.p + 1, part.n - 2};
	*value = part;
	return slice_trim(name);
}

bool text_param(struct slice s, const char *name, struct slice *value)
{
	struct slice want = slice_of(name), v;

	while (s.n) {
		struct slice part = cut_unquoted(&s, ';');

		if (slice_ieq(split_param(part, &v), want)) {
			*value = v;
			return true;
		}
	}
	return false;
}

/* "a-b", or "a" which means a and the next. */
static int parse_range(struct slice s, unsigned min, unsigned max, unsigned long long out[2])
{
	bool both = s.n && memchr(s.p, '-', s.n);
	struct slice first = slice_cut(&s, '-');

	if (slice_u64(first, max, &out[0]))
		return -EINVAL;
	if (!both)
		out[1] = out[0] + 1;
	else if (slice_u64(s, max, &out[1]))
		return -EINVAL;
	return out[0] < min || out[1] > max || out[1] < out[0] ? -EINVAL : 0;
}

static int parse_ports(struct slice s, bool *has, uint16_t port[2])
{
	unsigned long long v[2];

	if (parse_range(s, 1, 65535, v))
		return -EINVAL;
	*has = true;
	port[0] = (uint16_t)v[0];
	port[1] = (uint16_t)v[1];
	return 0;
}

static int parse_interleaved(struct rtsp_transport *t, struct slice s)
{
	unsigned long long v[2];

	if (parse_range(s, 0, 255, v))
		return -EINVAL;
	t->has_interleaved = true;
	t->interleaved[0] = (uint8_t)v[0];
	t->interleaved[1] = (uint8_t)v[1];
	return 0;
}

static int parse_ssrc(struct rtsp_transport *t, struct slice s)
{
	if (slice_hex32(s, &t->ssrc))
		return -EINVAL;
	t->has_ssrc = true;
	return 0;
}

static int parse_ttl(struct rtsp_transport *t, struct slice s)
{
	unsigned long long v;

	if (slice_u64(s, 255, &v) || v == 0)
		return -EINVAL;
	t->ttl = (uint8_t)v;
	return 0;
}

/* mode=record, mode="RECORD", and "receive" of old players; perhaps one of a list. */
static bool mode_records(struct slice s)
{
	while (s.n) {
		struct slice mode = slice_trim(slice_cut(&s, ','));

		if (slice_ieq(mode, SLICE("record")) || slice_ieq(mode, SLICE("receive")))
			return true;
	}
	return false;
}

static int parse_one_param(struct rtsp_transport *t, struct slice name, struct slice v)
{
	if (slice_ieq(name, SLICE("multicast")))
		t->multicast = true;
	else if (slice_ieq(name, SLICE("unicast")))
		t->multicast = false;
	else if (slice_ieq(name, SLICE("interleaved")))
		return parse_interleaved(t, v);
	else if (slice_ieq(name, SLICE("client_port")))
		return parse_ports(v, &t->has_client_port, t->client_port);
	else if (slice_ieq(name, SLICE("server_port")))
		return parse_ports(v, &t->has_server_port, t->server_port);
	else if (slice_ieq(name, SLICE("port")))
		return parse_ports(v, &t->has_port, t->port);
	else if (slice_ieq(name, SLICE("ttl")))
		return parse_ttl(t, v);
	else if (slice_ieq(name, SLICE("ssrc")))
		return parse_ssrc(t, v);
	else if (slice_ieq(name, SLICE("source")))
		t->source = v;
	else if (slice_ieq(name, SLICE("destination")))
		t->destination = v;
	else if (slice_ieq(name, SLICE("mode")))
		t->record = mode_records(v);
	return 0;
}

/* "RTP/AVP", "RTP/AVPF", each with "/UDP" or "/TCP" or nothing. */
static bool spec_known(struct slice s, bool *tcp)
{
	struct slice protocol = slice_cut(&s, '/');
	struct slice profile = slice_cut(&s, '/');

	*tcp = slice_ieq(s, SLICE("TCP"));
	return slice_ieq(protocol, SLICE("RTP")) &&
	       (slice_ieq(profile, SLICE("AVP")) || slice_ieq(profile, SLICE("AVPF"))) &&
	       (!s.n || *tcp || slice_ieq(s, SLICE("UDP")));
}

int rtsp_transport_parse(struct rtsp_transport *t, struct slice header)
{
	*t = (struct rtsp_transport){0};
	while (header.n) {
		struct slice one = cut_unquoted(&header, ',');
		struct slice spec = slice_trim(cut_unquoted(&one, ';'));

		*t = (struct rtsp_transport){0};
		if (!spec_known(spec, &t->tcp))
			continue;
		while (one.n) {
			struct slice v, name = split_param(cut_unquoted(&one, ';'), &v);

			if (parse_one_param(t, name, v))
				return -EINVAL;
		}
		return 0;
	}
	return -EPROTONOSUPPORT;
}

void rtsp_transport_write(struct sbuf *b, const struct rtsp_transport *t)
{
	sbuf_printf(
		b, "RTP/AVP%s;%s", t->tcp ? "/TCP" : "", t->multicast ? "multicast" : "unicast");
	if (t->destination.n)
		sbuf_printf(b, ";destination=" SLICE_FMT, SLICE_ARG(t->destination));
	if (t->source.n)
		sbuf_printf(b, ";source=" SLICE_FMT, SLICE_ARG(t->source));
	if (t->has_interleaved)
		sbuf_printf(b, ";interleaved=%u-%u", t->interleaved[0], t->interleaved[1]);
	if (t->has_port)
		sbuf_printf(b, ";port=%u-%u", t->port[0], t->port[1]);
	if (t->ttl)
		sbuf_printf(b, ";ttl=%u", t->ttl);
	if (t->has_client_port)
		sbuf_printf(b, ";client_port=%u-%u", t->client_port[0], t->client_port[1]);
	if (t->has_server_port)
		sbuf_printf(b, ";server_port=%u-%u", t->server_port[0], t->server_port[1]);
	if (t->has_ssrc)
		sbuf_printf(b, ";ssrc=%08X", t->ssrc);
	/* Unquoted and in lower case: ffmpeg knows no other spelling. */
	if (t->record)
		sbuf_printf(b, ";mode=record");
}
