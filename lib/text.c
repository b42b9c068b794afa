/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The message parser of HTTP/1.x and RTSP/1.0. It is a function of bytes: whole, partial or bad,
 * and nothing else; it copies nothing, allocates nothing and keeps no state between calls.
 *
 * Two scans. The first hops from line end to line end until the empty line (memchr, so it runs at
 * the speed of memory). If the head is whole, the second reads it line by line into the message.
 * If it is not, only the lines that came since the call before are judged, by the same code, and of
 * the line that has not ended yet only its new bytes: a byte that can occur nowhere is refused when
 * it comes, a line that is wrong when it ends. So a peer that drips its message costs no more than
 * one that sends it at once, plus one hop scan of at most 8 KiB and 50 lines for every call.
 *
 * It is strict where two parsers that disagree would be a hole (RFC 9112, 11.2): a CR that is not
 * followed by LF, NUL and other controls, folded lines, a blank before the colon, more than one
 * blank in the start line, a Content-Length that is a list, signed or said twice differently, any
 * Transfer-Encoding. A bare LF ends a line (RFC 9112, 2.2, and RFC 2326, 4 allow it), and up to
 * MAX_BLANK bytes of empty lines before the start line are skipped.
 */
#include "lib/text.h"

#include <errno.h>
#include <string.h>

#define MAX_BLANK 8
#define MAX_LINES (1 + TEXT_MAX_HEADERS)

enum { TOKEN = 1, TARGET = 2, VALUE = 4 };

/* What a byte may be part of: RFC 9110, 5.6.2 token; 0x21..0x7e and 0x80.. in a request target
 * (players send UTF-8 as it is); field-content, RFC 9110, 5.5. */
static const uint8_t class_of[256] = {
	['\t'] = VALUE,
	[' '] = VALUE,
	['!'] = 7,
	['"'] = 6,
	['#' ... '\''] = 7,
	['(' ... ')'] = 6,
	['*' ... '+'] = 7,
	[','] = 6,
	['-' ... '.'] = 7,
	['/'] = 6,
	['0' ... '9'] = 7,
	[':' ... '@'] = 6,
	['A' ... 'Z'] = 7,
	['[' ... ']'] = 6,
	['^' ... 'z'] = 7,
	['{'] = 6,
	['|'] = 7,
	['}'] = 6,
	['~'] = 7,
	[0x80 ... 0xff] = 6,
};

static bool all_of(struct slice s, uint8_t class)
{
	uint8_t and = 0xff;

	for (size_t i = 0; i < s.n; i++)
		and &= class_of[(uint8_t)s.p[i]];
	return and&class;
}

static bool starts_with(struct slice s, const char *literal, size_t n)
{
	return s.n >= n && !memcmp(s.p, literal, n);
}

/* "HTTP/1.1" or "RTSP/1.0". */
static int parse_version(struct text_msg *m, struct slice s)
{
	if (s.n != 8 || s.p[6] != '.' || s.p[5] < '0' || s.p[5] > '9' || s.p[7] < '0' ||
		s.p[7] > '9')
		return TEXT_BAD;
	if (starts_with(s, "HTTP/", 5))
		m->proto = TEXT_HTTP;
	else if (starts_with(s, "RTSP/", 5))
		m->proto = TEXT_RTSP;
	else
		return TEXT_BAD;
	m->major = (uint8_t)(s.p[5] - '0');
	m->minor = (uint8_t)(s.p[7] - '0');
	if (m->major != 1 || m->minor > (m->proto == TEXT_HTTP ? 1 : 0))
		return TEXT_UNSUPPORTED;
	return 0;
}

/* "RTSP/1.0 302 Found"; the reason, and the blank before it, may be missing. */
static int parse_status_line(struct text_msg *m, struct slice line)
{
	struct slice version = slice_cut(&line, ' ');
	struct slice code = slice_cut(&line, ' ');
	unsigned long long v;
	int err = parse_version(m, version);

	if (err)
		return err;
	if (code.n != 3 || slice_u64(code, 599, &v) || v < 100 || !all_of(line, VALUE))
		return TEXT_BAD;
	m->response = true;
	m->status = (int)v;
	m->reason = line;
	return 0;
}

static int parse_start_line(struct text_msg *m, struct slice line)
{
	struct slice rest = line;

	if (starts_with(line, "HTTP/", 5) || starts_with(line, "RTSP/", 5))
		return parse_status_line(m, line);
	m->method = slice_cut(&rest, ' ');
	m->uri = slice_cut(&rest, ' ');
	/* '$' begins an interleaved frame: no method does. */
	if (!m->method.n || m->method.p[0] == '$' || !all_of(m->method, TOKEN) || !m->uri.n ||
		!all_of(m->uri, TARGET))
		return TEXT_BAD;
	return parse_version(m, rest);
}

static int parse_header_line(struct text_header *h, struct slice line)
{
	h->value = line;
	h->name = slice_cut(&h->value, ':');
	/* Without a colon the name is the line; a folded line begins with what no token has. */
	if (h->name.n == line.n || !h->name.n || !all_of(h->name, TOKEN) ||
		!all_of(h->value, VALUE))
		return TEXT_BAD;
	h->value = slice_trim(h->value);
	return 0;
}

/* Line number i of the head: 0 is the start line. */
static int parse_line(struct text_msg *m, int i, struct slice line)
{
	if (i == 0)
		return parse_start_line(m, line);
	if (i > TEXT_MAX_HEADERS)
		return TEXT_TOO_LONG;
	return parse_header_line(&m->header[i - 1], line);
}

struct lines {
	struct slice line[MAX_LINES + 1]; /* without their ends; one more than may be */
	int n;
	size_t end;    /* after the last of them, or after the empty line */
	bool complete; /* the empty line was seen */
};

/* The hop scan from `at` on. */
static void find_lines(struct lines *l, const char *p, size_t n, size_t at)
{
	l->n = 0;
	l->complete = false;
	while (l->n <= MAX_LINES) {
		const char *lf = at < n ? memchr(p + at, '\n', n - at) : NULL;
		struct slice line;

		l->end = at;
		if (!lf)
			return;
		line = (struct slice){p + at, (size_t)(lf - p) - at};
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		at = (size_t)(lf - p) + 1;
		l->end = at;
		if (!line.n) {
			l->complete = true;
			return;
		}
		l->line[l->n++] = line;
	}
}

/* The bytes of a line that has not ended, from `from` on: is there one that cannot be? */
static bool tail_is_bad(const char *p, size_t begin, size_t n, size_t from)
{
	if (begin < n && (p[begin] == ' ' || p[begin] == '\t'))
		return true; /* folded, or blank before the start line */
	if (from < begin)
		from = begin;
	/* A CR that was the last byte at the call before had to wait for what follows it. */
	if (n > from && from > begin && p[from - 1] == '\r')
		return true;
	if (n > from && p[n - 1] == '\r')
		n--;
	return !all_of((struct slice){p + from, n - from}, VALUE);
}

static int parse_partial(
	struct text_msg *m, const struct lines *l, const char *p, size_t n, size_t last)
{
	for (int i = 0; i < l->n; i++) {
		struct slice s = l->line[i];
		int err;

		/* Seen whole at the call before? Its LF is at one of the next two bytes. */
		if ((size_t)(s.p - p) + s.n + (s.p[s.n] == '\r') < last)
			continue;
		err = parse_line(m, i, s);
		if (err)
			return err;
	}
	if (last > n)
		last = n;
	return tail_is_bad(p, l->end, n, last) ? TEXT_BAD : 0;
}

/* RFC 9112, 6.3: the length of the body, or an enum text_error. */
static ssize_t body_length(const struct text_msg *m)
{
	unsigned long long length = 0, v;
	bool given = false;

	for (int i = 0; i < m->headers; i++) {
		const struct text_header *h = &m->header[i];

		if (slice_ieq(h->name, SLICE("Transfer-Encoding")))
			return TEXT_UNSUPPORTED;
		if (!slice_ieq(h->name, SLICE("Content-Length")))
			continue;
		if (!h->value.n)
			return TEXT_BAD;
		for (size_t k = 0; k < h->value.n; k++)
			if (h->value.p[k] < '0' || h->value.p[k] > '9')
				return TEXT_BAD;
		if (slice_u64(h->value, TEXT_MAX_BODY, &v))
			v = TEXT_MAX_BODY + 1;
		if (given && v != length)
			return TEXT_BAD;
		given = true;
		length = v;
	}
	if (m->response && (m->status < 200 || m->status == 204 || m->status == 304))
		return 0;
	return length > TEXT_MAX_BODY ? TEXT_TOO_LONG : (ssize_t)length;
}

/* Empty lines before the start line: how many bytes. (Their CR needs no look here: one that no LF
 * follows is not skipped, and no start line begins with it.) */
static size_t skip_blank(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && i <= MAX_BLANK) {
		if (p[i] == '\n')
			i++;
		else if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')
			i += 2;
		else
			break;
	}
	return i;
}

ssize_t text_parse_head(struct text_msg *m, const char *p, size_t n, size_t last)
{
	size_t bound = n < TEXT_MAX_HEAD ? n : TEXT_MAX_HEAD;
	size_t blank = skip_blank(p, bound);
	struct lines l;
	int err;

	m->response = false;
	m->proto = TEXT_HTTP;
	m->status = 0;
	m->headers = 0;
	m->body = m->method = m->uri = m->reason = (struct slice){NULL, 0};
	if (blank > MAX_BLANK)
		return TEXT_BAD;
	find_lines(&l, p, bound, blank);
	if (!l.complete) {
		err = parse_partial(m, &l, p, bound, last);
		return err ? err : n >= TEXT_MAX_HEAD ? TEXT_TOO_LONG : 0;
	}
	for (int i = 0; i < l.n; i++) {
		err = parse_line(m, i, l.line[i]);
		if (err)
			return err;
	}
	m->headers = l.n - 1;
	return (ssize_t)l.end;
}

ssize_t text_parse(struct text_msg *m, const char *p, size_t n, size_t last)
{
	ssize_t head = text_parse_head(m, p, n, last), body;

	if (head <= 0)
		return head;
	body = body_length(m);
	if (body < 0)
		return body;
	m->body = (struct slice){p + head, (size_t)body};
	return n - (size_t)head < (size_t)body ? 0 : head + body;
}

struct slice text_header(const struct text_msg *m, const char *name)
{
	struct slice want = slice_of(name);

	for (int i = 0; i < m->headers; i++)
		if (slice_ieq(m->header[i].name, want))
			return m->header[i].value;
	return (struct slice){NULL, 0};
}

bool text_method_is(const struct text_msg *m, const char *method)
{
	return !m->response && slice_eq(m->method, slice_of(method));
}

const char *text_error_str(enum text_error e)
{
	switch (e) {
	case TEXT_BAD: return "malformed message";
	case TEXT_TOO_LONG: return "message too long";
	case TEXT_UNSUPPORTED: return "unsupported version or transfer coding";
	}
	return "unknown error";
}

size_t text_frame(const uint8_t *p, size_t n, uint8_t *channel, struct slice *payload)
{
	size_t len;

	if (n < 4 || p[0] != '$')
		return 0;
	len = (size_t)p[2] << 8 | p[3];
	if (n - 4 < len)
		return 0;
	*channel = p[1];
	*payload = (struct slice){(const char *)p + 4, len};
	return 4 + len;
}
