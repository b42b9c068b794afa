/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * It is strict where a lenient reader would take the wrong bytes for the object: both
 * Transfer-Encoding and Content-Length, two lengths that differ, a coding other than chunked, a chunk
 * that does not end where it says. Interim responses are skipped, a few at most.
 */
#include "client-failover/response.h"

#include <string.h>

#define INTERIMS_MAX 8
#define LINE_MAX     512 /* of a chunk's size with its extensions, or of a trailer */
#define LENGTH_MAX   INT64_MAX

void response_init(struct response *r, bool to_head)
{
	*r = (struct response){.state = RS_HEAD, .to_head = to_head, .length = -1};
}

static enum response_kind bad(struct response *r, const char *why)
{
	r->state = RS_BAD;
	r->why = why;
	return RESPONSE_BAD;
}

/* Content-Length: -1 there is none, -2 it is wrong. */
static int64_t content_length(const struct text_msg *m)
{
	int64_t length = -1;
	unsigned long long v;

	for (int i = 0; i < m->headers; i++) {
		const struct text_header *h = &m->header[i];
		if (!slice_ieq(h->name, SLICE("Content-Length")))
			continue;
		if (slice_u64(h->value, LENGTH_MAX, &v) < 0 ||
			(length >= 0 && length != (int64_t)v))
			return -2;
		length = (int64_t)v;
	}
	return length;
}

/* NULL: there is none. Two headers are one list (RFC 9110, 5.3), which is never "chunked" alone. */
static struct slice transfer_coding(const struct text_msg *m)
{
	struct slice coding = {NULL, 0};

	for (int i = 0; i < m->headers; i++)
		if (slice_ieq(m->header[i].name, SLICE("Transfer-Encoding")))
			coding = coding.p ? SLICE("several") : m->header[i].value;
	return coding;
}

/* How the body ends (RFC 9112, 6.3). NULL, or what is wrong. */
static const char *frame(struct response *r, const struct text_msg *m)
{
	struct slice coding = transfer_coding(m);
	int64_t length = content_length(m);

	if (length == -2)
		return "its Content-Length is wrong";
	r->length = -1;
	if (r->to_head || m->status == 204 || m->status == 304) {
		r->state = RS_END;
		r->length = 0;
	} else if (coding.p) {
		if (m->minor == 0 || length >= 0 || !slice_ieq(coding, SLICE("chunked")))
			return "its Transfer-Encoding is not chunked alone";
		r->state = RS_CHUNK;
	} else if (length >= 0) {
		r->state = RS_LENGTH;
		r->length = length;
		r->left = (uint64_t)length;
	} else {
		r->state = RS_CLOSE;
	}
	return NULL;
}

static enum response_kind take_head(
	struct response *r, struct slice in, size_t *used, struct text_msg *m, struct slice *piece)
{
	ssize_t n = text_parse_head(m, in.p, in.n, r->seen);

	if (n == 0) {
		r->seen = in.n;
		return RESPONSE_MORE;
	}
	if (n < 0)
		return bad(r, text_error_str((enum text_error)n));
	if (!m->response || m->proto != TEXT_HTTP)
		return bad(r, "not an HTTP response");
	*used = (size_t)n;
	*piece = (struct slice){in.p, (size_t)n};
	r->seen = 0;
	if (m->status < 200) {
		if (m->status == 101 || ++r->interims > INTERIMS_MAX)
			return bad(r, "an interim response that nobody asked for");
		return RESPONSE_MORE;
	}
	const char *why = frame(r, m);
	return why ? bad(r, why) : RESPONSE_HEAD;
}

/* A line with its CRLF. 0: not whole yet; -1: there is none, or it is too long. */
static int take_line(struct slice in, struct slice *line)
{
	const char *lf = memchr(in.p, '\n', in.n < LINE_MAX ? in.n : LINE_MAX);

	if (!lf)
		return in.n < LINE_MAX ? 0 : -1;
	if (lf == in.p || lf[-1] != '\r')
		return -1;
	*line = (struct slice){in.p, (size_t)(lf - in.p) - 1};
	return 1;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1f4;name=value": the size, or -1. */
static int64_t chunk_size(struct slice line)
{
	struct slice digits = slice_trim(slice_cut(&line, ';'));
	int64_t v = 0;

	if (!digits.n || digits.n > 15)
		return -1;
	for (size_t i = 0; i < digits.n; i++) {
		int d = hex(digits.p[i]);
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static enum response_kind take_chunk(struct response *r, struct slice in, size_t *used)
{
	struct slice line;
	int there = take_line(in, &line);

	if (there <= 0)
		return there ? bad(r, "a chunk has no size") : RESPONSE_MORE;
	int64_t size = chunk_size(line);
	if (size < 0)
		return bad(r, "a chunk has no size");
	*used = line.n + 2;
	r->left = (uint64_t)size;
	r->state = size ? RS_DATA : RS_TRAILER;
	return RESPONSE_MORE;
}

static enum response_kind take_data_end(struct response *r, struct slice in, size_t *used)
{
	if (in.n < 2)
		return RESPONSE_MORE;
	if (memcmp(in.p, "\r\n", 2) != 0)
		return bad(r, "a chunk does not end where it should");
	*used = 2;
	r->state = RS_CHUNK;
	return RESPONSE_MORE;
}

static enum response_kind take_trailer(struct response *r, struct slice in, size_t *used)
{
	struct slice line;
	int there = take_line(in, &line);

	if (there <= 0)
		return there ? bad(r, "a trailer is wrong") : RESPONSE_MORE;
	*used = line.n + 2;
	r->trailers += *used;
	if (!line.n)
		r->state = RS_END;
	else if (r->trailers > TEXT_MAX_HEAD)
		return bad(r, "its trailers are too long");
	return RESPONSE_MORE;
}

static enum response_kind take_body(
	struct response *r, struct slice in, size_t *used, struct slice *piece)
{
	bool bounded = r->state != RS_CLOSE;

	if (bounded && r->left == 0) {
		r->state = r->state == RS_DATA ? RS_DATA_END : RS_END;
		return RESPONSE_MORE;
	}
	if (!in.n)
		return RESPONSE_MORE;
	*piece = in;
	if (bounded && piece->n > r->left)
		piece->n = (size_t)r->left;
	*used = piece->n;
	if (bounded)
		r->left -= piece->n;
	return RESPONSE_BODY;
}

static enum response_kind step(
	struct response *r, struct slice in, size_t *used, struct text_msg *m, struct slice *piece)
{
	switch (r->state) {
	case RS_HEAD: return take_head(r, in, used, m, piece);
	case RS_LENGTH:
	case RS_CLOSE:
	case RS_DATA: return take_body(r, in, used, piece);
	case RS_CHUNK: return take_chunk(r, in, used);
	case RS_DATA_END: return take_data_end(r, in, used);
	case RS_TRAILER: return take_trailer(r, in, used);
	case RS_END: return RESPONSE_END;
	case RS_BAD: return RESPONSE_BAD;
	}
	return RESPONSE_BAD;
}

enum response_kind response_take(
	struct response *r, struct slice in, size_t *used, struct text_msg *m, struct slice *piece)
{
	size_t taken;

	*used = 0;
	for (;;) {
		int state = (int)r->state;
		taken = 0;
		enum response_kind k = step(r, in, &taken, m, piece);
		*used += taken;
		in.p += taken;
		in.n -= taken;
		if (k != RESPONSE_MORE || (!taken && state == (int)r->state))
			return k;
	}
}

bool response_closed(const struct response *r)
{
	return r->state == RS_CLOSE || r->state == RS_END || (r->state == RS_LENGTH && !r->left);
}

const char *response_why(const struct response *r)
{
	return r->why ? r->why : "";
}
