/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * If-Range does half of it: a node whose object has another validator answers with the whole of it
 * (200) rather than with a part (206). The other half is here, since a node may not know If-Range.
 *
 * A 200 from a node whose validators and length are the same has no ranges: what is there already is
 * skipped. A weak ETag vouches for a meaning, not for bytes; and when there is one, the date may not
 * be used in its place (RFC 9110, 13.1.5).
 */
#include "client-failover/object.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7); the obsolete forms are none. -1: no date. */
static time_t date_of(struct slice s)
{
	char text[OBJECT_DATE];
	struct tm tm = {0};
	const char *end;

	if (slice_copy(s, text, sizeof text) < 0)
		return -1;
	end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	return end && !*end ? timegm(&tm) : -1;
}

/* It was made at least a second before the answer: no other version can have the same date. */
static bool date_is_strong(const struct text_msg *m, struct slice modified)
{
	time_t made = date_of(modified), answered = date_of(text_header(m, "Date"));

	return made >= 0 && answered > made;
}

static void take_validators(struct object *o, const struct text_msg *m)
{
	struct slice tag = text_header(m, "ETag"), modified = text_header(m, "Last-Modified");

	if (tag.n >= 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"')
		slice_copy(tag, o->etag, sizeof o->etag);
	else if (!tag.p && modified.p && date_is_strong(m, modified))
		slice_copy(modified, o->modified, sizeof o->modified);
}

/* "bytes 5-9/10", "bytes 5-9/ *" (RFC 9110, 14.4). False: it is not that. */
static bool take_range(struct object *o, struct slice v, int64_t *last)
{
	unsigned long long a, b, t;
	struct slice unit = slice_cut(&v, ' ');
	struct slice range = slice_cut(&v, '/'), first = slice_cut(&range, '-');

	if (!slice_ieq(unit, SLICE("bytes")) || slice_u64(first, INT64_MAX - 1, &a) < 0 ||
		slice_u64(range, INT64_MAX - 1, &b) < 0 || b < a)
		return false;
	if (!slice_eq(v, SLICE("*"))) {
		if (slice_u64(v, INT64_MAX, &t) < 0 || b >= t)
			return false;
		o->total = (int64_t)t;
	}
	o->base = (int64_t)a;
	*last = (int64_t)b;
	return true;
}

/* "bytes * /10" of a 416: the length that the node's object has, or -1. */
static int64_t unsatisfied(struct slice v)
{
	unsigned long long t;
	struct slice unit = slice_cut(&v, ' '), star = slice_cut(&v, '/');

	if (!slice_ieq(unit, SLICE("bytes")) || !slice_eq(star, SLICE("*")) ||
		slice_u64(v, INT64_MAX, &t) < 0)
		return -1;
	return (int64_t)t;
}

const char *object_of(struct object *o, const struct text_msg *m, int64_t length)
{
	int64_t last;

	*o = (struct object){.status = m->status, .length = length, .total = -1};
	take_validators(o, m);
	switch (m->status) {
	case 200: o->total = length; break;
	case 416: o->total = unsatisfied(text_header(m, "Content-Range")); break;
	case 206:
		/* One range was asked for, so several are no answer to it. */
		if (!take_range(o, text_header(m, "Content-Range"), &last))
			return "its Content-Range cannot be understood";
		if (length >= 0 && length != last - o->base + 1)
			return "its length is not that of its range";
		o->length = last - o->base + 1;
		break;
	default: break;
	}
	return NULL;
}

const char *object_fixed(const struct object *o)
{
	if (o->status != 200 && o->status != 206)
		return "only what was answered with 200 or 206 can be resumed";
	if (!*o->etag && !*o->modified)
		return "no strong ETag or Last-Modified says what it is";
	return NULL;
}

void object_put_range(struct sbuf *b, const struct object *o, int64_t from)
{
	sbuf_printf(b, "Range: bytes=%" PRId64 "-", from);
	if (o->length >= 0)
		sbuf_printf(b, "%" PRId64, o->base + o->length - 1);
	sbuf_printf(b, "\r\nIf-Range: %s\r\n", *o->etag ? o->etag : o->modified);
}

/* Do the validators say so? A 206 that answers an If-Range need not repeat the date (RFC 9110,
 * 15.3.7), but the ETag. */
static enum object_verdict compare(const struct object *o, const struct object *r, const char **why)
{
	*why = "the node does not say which object it has";
	if (*o->etag && !*r->etag)
		return r->status == 200 ? OBJECT_CHANGED : OBJECT_REFUSED;
	if (*o->etag && strcmp(o->etag, r->etag) != 0) {
		*why = "the ETag is another";
		return OBJECT_CHANGED;
	}
	if (!*o->etag && !*r->modified && r->status == 200)
		return OBJECT_CHANGED;
	if (!*o->etag && *r->modified && strcmp(o->modified, r->modified) != 0) {
		*why = "the date of its last modification is another";
		return OBJECT_CHANGED;
	}
	if (o->total >= 0 && r->total >= 0 && o->total != r->total) {
		*why = "the length is another";
		return OBJECT_CHANGED;
	}
	return OBJECT_SAME;
}

enum object_verdict object_continues(
	const struct object *o, const struct object *r, int64_t from, const char **why)
{
	int64_t end = o->length < 0 ? -1 : o->base + o->length;

	if (r->status == 416) {
		/* Another object would have been sent whole, because of If-Range. */
		if (o->length < 0 && r->total == from &&
			(!*r->etag || strcmp(r->etag, o->etag) == 0))
			return OBJECT_WHOLE;
		*why = "the object is shorter";
		return r->total >= 0 && r->total != o->total ? OBJECT_CHANGED : OBJECT_REFUSED;
	}
	*why = "it has another answer to that";
	if (r->status != 200 && r->status != 206)
		return OBJECT_REFUSED;
	enum object_verdict v = compare(o, r, why);
	if (v != OBJECT_SAME)
		return v;
	*why = "it begins behind what was asked for";
	if (r->base > from)
		return OBJECT_REFUSED;
	*why = "it goes beyond what was asked for";
	if (r->status == 206 && end >= 0 && r->base + r->length > end)
		return OBJECT_REFUSED;
	return OBJECT_SAME;
}
