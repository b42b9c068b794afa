/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A web server's response: in whatever pieces it comes, the body is the same, and what lies in the
 * slices is of the input. Its head is then read as that of a node that a fetch goes on at. The first
 * byte says in which pieces, and whether it answers HEAD.
 */
#include <stdlib.h>
#include <string.h>

#include "client-failover/object.h"
#include "client-failover/response.h"
#include "tests/fuzz/must.h"

struct outcome {
	enum response_kind last;
	int status;
	size_t body;
	uint32_t sum;
	bool whole;
};

static void judge(const struct text_msg *m, int64_t length)
{
	static const struct object known = {
		.status = 200, .length = 10, .total = 10, .etag = "\"a\""};
	const char *why = NULL;
	char mem[512];
	struct object o;
	struct sbuf b;

	if (object_of(&o, m, length))
		return;
	MUST(o.base >= 0);
	if (o.status == 200 || o.status == 206) /* else the body is a page about an error */
		MUST(o.total < 0 || o.length < 0 || o.base + o.length <= o.total);
	enum object_verdict v = object_continues(&known, &o, 5, &why);
	MUST(why && (v != OBJECT_SAME || o.base <= 5));
	if (!object_fixed(&o)) {
		sbuf_init(&b, mem, sizeof mem);
		object_put_range(&b, &o, o.base);
		MUST(!b.full);
	}
}

static void take(struct outcome *o, struct response *r, struct slice in, size_t *used)
{
	struct text_msg m;
	struct slice piece = {0};
	size_t n;

	*used = 0;
	for (;;) {
		struct slice rest = {in.p + *used, in.n - *used};
		o->last = response_take(r, rest, &n, &m, &piece);
		MUST(n <= rest.n);
		*used += n;
		if (o->last == RESPONSE_HEAD) {
			o->status = m.status;
			judge(&m, r->length);
		} else if (o->last == RESPONSE_BODY) {
			MUST(piece.n && piece.p >= rest.p && piece.p + piece.n <= rest.p + rest.n);
			o->body += piece.n;
			for (size_t i = 0; i < piece.n; i++)
				o->sum = o->sum * 31 + (uint8_t)piece.p[i];
		} else {
			break;
		}
	}
	o->whole = response_closed(r);
}

static struct outcome run(const uint8_t *data, size_t len, size_t piece, bool to_head)
{
	struct outcome o = {.last = RESPONSE_MORE};
	struct response r;
	size_t have = 0, at = 0, used;
	char *buf = malloc(len + 1);

	response_init(&r, to_head);
	while (at < len && o.last == RESPONSE_MORE) {
		size_t n = piece < len - at ? piece : len - at;
		memcpy(buf + have, data + at, n);
		have += n;
		at += n;
		take(&o, &r, (struct slice){buf, have}, &used);
		memmove(buf, buf + used, have - used);
		have -= used;
	}
	MUST(o.last != RESPONSE_BAD || *response_why(&r));
	free(buf);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	bool to_head = data[0] & 0x80;
	size_t piece = 1 + (data[0] & 0x7f) + len / 512;
	struct outcome a = run(data + 1, len - 1, len, to_head);
	struct outcome b = run(data + 1, len - 1, piece, to_head);

	MUST(a.last == b.last && a.status == b.status);
	/* A wrong byte is found as early as it comes: what is before it is the same in any case. */
	MUST(a.body == b.body && a.sum == b.sum);
	MUST(a.last == RESPONSE_BAD || a.whole == b.whole);
	MUST(a.last != RESPONSE_END || a.whole);
	return 0;
}
