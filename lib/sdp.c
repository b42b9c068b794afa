/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Session descriptions (RFC 8866). Of a publisher's description a node needs little: how many media
 * there are, how each is addressed (a=control) and clocked. All the rest is between publisher and
 * player and goes through untouched, the codecs' parameters (fmtp) above all.
 *
 * Lines may end with CRLF or LF; the rewritten text has CRLF. Attributes come last in each section
 * (RFC 8866, 5), so a rewritten control attribute is put at the section's end.
 */
#include "lib/sdp.h"

#include <errno.h>

static const struct {
	uint8_t pt;
	const char *encoding;
	uint32_t clock_rate;
} static_types[] = {
	/* RFC 3551, tables 4 and 5 */
	{0, "PCMU", 8000},
	{3, "GSM", 8000},
	{4, "G723", 8000},
	{5, "DVI4", 8000},
	{6, "DVI4", 16000},
	{7, "LPC", 8000},
	{8, "PCMA", 8000},
	{9, "G722", 8000},
	{10, "L16", 44100},
	{11, "L16", 44100},
	{12, "QCELP", 8000},
	{13, "CN", 8000},
	{14, "MPA", 90000},
	{15, "G728", 8000},
	{16, "DVI4", 11025},
	{17, "DVI4", 22050},
	{18, "G729", 8000},
	{25, "CelB", 90000},
	{26, "JPEG", 90000},
	{28, "nv", 90000},
	{31, "H261", 90000},
	{32, "MPV", 90000},
	{33, "MP2T", 90000},
	{34, "H263", 90000},
};

/* The next line that is not empty, without its end; false at the end of the text. */
static bool next_line(struct slice *text, struct slice *line)
{
	while (text->n) {
		*line = slice_cut(text, '\n');
		if (line->n && line->p[line->n - 1] == '\r')
			line->n--;
		if (line->n)
			return true;
	}
	return false;
}

/* If the line is the attribute "a=NAME:value": its value. */
static bool attribute(struct slice line, struct slice name, struct slice *value)
{
	if (line.n < 2 + name.n + 1 || line.p[0] != 'a' || line.p[2 + name.n] != ':' ||
		!slice_eq((struct slice){line.p + 2, name.n}, name))
		return false;
	*value = slice_trim((struct slice){line.p + 3 + name.n, line.n - 3 - name.n});
	return true;
}

static void apply_static_type(struct sdp_media *m)
{
	m->encoding = SLICE("");
	m->clock_rate = 90000;
	for (size_t i = 0; i < sizeof(static_types) / sizeof(static_types[0]); i++)
		if (static_types[i].pt == m->pt) {
			m->encoding = slice_of(static_types[i].encoding);
			m->clock_rate = static_types[i].clock_rate;
		}
}

/* "m=video 0 RTP/AVP 96 97": *kind, *port and *rest ("RTP/AVP 96 97"). */
static bool split_media(
	struct slice line, struct slice *kind, struct slice *port, struct slice *rest)
{
	*rest = (struct slice){line.p + 2, line.n - 2};
	*kind = slice_cut(rest, ' ');
	*port = slice_cut(rest, ' ');
	return kind->n && port->n && rest->n;
}

static int parse_media(struct sdp_media *m, struct slice line)
{
	struct slice port, rest, proto, fmt;
	unsigned long long v;

	if (!split_media(line, &m->kind, &port, &rest))
		return -EINVAL;
	proto = slice_cut(&rest, ' ');
	fmt = slice_cut(&rest, ' ');
	if (slice_u64(slice_cut(&port, '/'), 65535, &v) || !proto.n || slice_u64(fmt, 127, &v))
		return -EINVAL;
	m->pt = (uint8_t)v;
	m->control = m->fmtp = SLICE("");
	apply_static_type(m);
	return 0;
}

/* "96 H264/90000" or "97 MPEG4-GENERIC/44100/2". */
static int parse_rtpmap(struct sdp_media *m, struct slice value)
{
	unsigned long long pt, rate;
	struct slice encoding;

	if (slice_u64(slice_cut(&value, ' '), 127, &pt))
		return -EINVAL;
	if (pt != m->pt)
		return 0;
	value = slice_trim(value);
	encoding = slice_cut(&value, '/');
	if (!encoding.n || slice_u64(slice_cut(&value, '/'), UINT32_MAX, &rate) || !rate)
		return -EINVAL;
	m->encoding = encoding;
	m->clock_rate = (uint32_t)rate;
	return 0;
}

/* "96 packetization-mode=1; profile-level-id=42c00d". */
static void parse_fmtp(struct sdp_media *m, struct slice value)
{
	unsigned long long pt;

	if (slice_u64(slice_cut(&value, ' '), 127, &pt) == 0 && pt == m->pt)
		m->fmtp = slice_trim(value);
}

/* "b=AS:1000". What is no number is not ours to judge. */
static bool bandwidth(struct slice line, unsigned long long *kbps)
{
	struct slice rest = {line.p + 2, line.n - 2};

	return line.p[0] == 'b' && slice_eq(slice_cut(&rest, ':'), SLICE("AS")) &&
	       slice_u64(slice_trim(rest), UINT32_MAX, kbps) == 0;
}

/* One line after the first; m is the medium it is in, NULL in the session's part. */
static int parse_line(struct sdp *s, struct sdp_media *m, struct slice line)
{
	unsigned long long kbps;
	struct slice value;

	if (!m && line.p[0] == 's')
		s->name = (struct slice){line.p + 2, line.n - 2};
	else if (bandwidth(line, &kbps))
		*(m ? &s->media_kbps : &s->session_kbps) += kbps;
	else if (attribute(line, SLICE("control"), &value))
		*(m ? &m->control : &s->control) = value;
	else if (m && attribute(line, SLICE("rtpmap"), &value))
		return parse_rtpmap(m, value);
	else if (m && attribute(line, SLICE("fmtp"), &value))
		parse_fmtp(m, value);
	return 0;
}

static bool line_ok(struct slice line)
{
	return line.n >= 2 && line.p[0] >= 'a' && line.p[0] <= 'z' && line.p[1] == '=' &&
	       !memchr(line.p, '\0', line.n) && !memchr(line.p, '\r', line.n);
}

int sdp_parse(struct sdp *s, struct slice text)
{
	struct sdp_media *m = NULL;
	struct slice line;

	*s = (struct sdp){.name = SLICE(""), .control = SLICE("")};
	if (text.n > SDP_MAX_SIZE)
		return -E2BIG;
	if (!next_line(&text, &line) || !slice_eq(line, SLICE("v=0")))
		return -EINVAL;
	while (next_line(&text, &line)) {
		if (!line_ok(line))
			return -EINVAL;
		if (line.p[0] == 'm') {
			if (s->medias == SDP_MAX_MEDIA)
				return -E2BIG;
			m = &s->media[s->medias++];
			if (parse_media(m, line))
				return -EINVAL;
		} else if (parse_line(s, m, line)) {
			return -EINVAL;
		}
	}
	return s->medias ? 0 : -EINVAL;
}

bool sdp_alike(const struct sdp *a, const struct sdp *b)
{
	if (a->medias != b->medias)
		return false;
	for (int i = 0; i < a->medias; i++) {
		const struct sdp_media *x = &a->media[i], *y = &b->media[i];

		if (x->pt != y->pt || x->clock_rate != y->clock_rate ||
			!slice_ieq(x->encoding, y->encoding) || !slice_eq(x->fmtp, y->fmtp))
			return false;
	}
	return true;
}

/* "c=IN IP6 ff02::1/127/3" → "c=IN IP6 ::". */
static void rewrite_connection(struct sbuf *out, struct slice line)
{
	bool v6 = memmem(line.p, line.n, " IP6", 4) != NULL;

	sbuf_printf(out, "c=IN %s\r\n", v6 ? "IP6 ::" : "IP4 0.0.0.0");
}

static void rewrite_media(struct sbuf *out, struct slice line, int index)
{
	struct slice kind, port, rest;

	/* What is before a medium ends here. */
	if (index == 0)
		sbuf_printf(out, "a=control:*\r\n");
	else
		sbuf_printf(out, "a=control:trackID=%d\r\n", index - 1);
	split_media(line, &kind, &port, &rest);
	sbuf_printf(out, "m=" SLICE_FMT " 0 " SLICE_FMT "\r\n", SLICE_ARG(kind), SLICE_ARG(rest));
}

int sdp_rewrite(struct sbuf *out, struct slice text)
{
	struct slice line, value;
	struct sdp s;
	int medias = 0;

	if (sdp_parse(&s, text))
		return -EINVAL;
	while (next_line(&text, &line)) {
		if (line.p[0] == 'm') {
			rewrite_media(out, line, medias++);
		} else if (line.p[0] == 'c') {
			rewrite_connection(out, line);
		} else if (!attribute(line, SLICE("control"), &value)) {
			sbuf_slice(out, line);
			sbuf_append(out, "\r\n", 2);
		}
	}
	sbuf_printf(out, "a=control:trackID=%d\r\n", medias - 1);
	return out->full ? -ENOSPC : 0;
}
