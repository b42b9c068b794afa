/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The message parser: whatever the bytes, at once and in pieces they are the same message or both
 * are refused, and all slices lie within them. Then interleaved frames.
 */
#include "lib/text.h"
#include "tests/fuzz/must.h"

static void must_lie_in(struct slice s, const char *p, size_t n)
{
	MUST(!s.n || (s.p >= p && s.p + s.n <= p + n));
}

static void check_message(const struct text_msg *m, const char *p, size_t n)
{
	MUST(m->headers >= 0 && m->headers <= TEXT_MAX_HEADERS);
	MUST(n <= TEXT_MAX_HEAD + TEXT_MAX_BODY && m->body.n <= TEXT_MAX_BODY);
	MUST(m->response ? m->status >= 100 && m->status <= 599 : m->method.n && m->uri.n);
	must_lie_in(m->method, p, n);
	must_lie_in(m->uri, p, n);
	must_lie_in(m->reason, p, n);
	must_lie_in(m->body, p, n);
	for (int i = 0; i < m->headers; i++) {
		MUST(m->header[i].name.n);
		must_lie_in(m->header[i].name, p, n);
		must_lie_in(m->header[i].value, p, n);
		MUST(!m->header[i].value.n ||
			!memchr(m->header[i].value.p, '\n', m->header[i].value.n));
	}
}

static void drip(const char *p, size_t n, ssize_t at_once, size_t piece)
{
	struct text_msg m;
	size_t last = 0;
	ssize_t rc = 0;

	for (size_t i = piece; !rc && last < n; i += piece) {
		size_t now = i < n ? i : n;

		rc = text_parse(&m, p, now, last);
		MUST(rc <= 0 || (size_t)rc > last);
		last = now;
	}
	MUST(at_once < 0 ? rc < 0 : rc == at_once);
	if (rc > 0)
		check_message(&m, p, (size_t)rc);
}

/* The head of a message is all of it but the body; what is no head is no message. */
static void check_head(const char *p, size_t n, ssize_t whole)
{
	struct text_msg m;
	ssize_t rc = text_parse_head(&m, p, n, 0);

	MUST(rc <= (ssize_t)n && !m.body.n);
	MUST(whole <= 0 || (rc > 0 && rc <= whole));
	MUST(rc > 0 || whole == rc);
	if (rc > 0)
		check_message(&m, p, (size_t)rc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *p = (const char *)data;
	struct text_msg m;
	struct slice payload;
	uint8_t channel;
	size_t frame;
	ssize_t rc;

	rc = text_parse(&m, p, len, 0);
	MUST(rc <= (ssize_t)len);
	if (rc > 0)
		check_message(&m, p, (size_t)rc);
	check_head(p, len, rc);
	drip(p, len, rc, 1 + len / 512);
	drip(p, len, rc, 7 + len / 64);
	frame = text_frame(data, len, &channel, &payload);
	MUST(frame <= len && (!frame || frame == payload.n + 4));
	return 0;
}
