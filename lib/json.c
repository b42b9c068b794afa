/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values, on jansson. A struct js is a json_t under another name; who holds the root owns all
 * below it. Text that peers sent may not be UTF-8, which JSON cannot carry: its bad bytes are
 * written as the four characters \xNN, so that a reply is always valid and nothing is hidden.
 */
#include "lib/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *j(const struct js *v)
{
	return (json_t *)v;
}

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

struct js *js_object(void)
{
	return need(json_object());
}

struct js *js_array(void)
{
	return need(json_array());
}

void js_free(struct js *v)
{
	json_decref(j(v));
}

static void put(struct js *o, const char *key, json_t *v)
{
	if (json_object_set_new_nocheck(j(o), key, v) < 0)
		abort();
}

/* The length of the UTF-8 character at p (RFC 3629), 0: it is none. */
static size_t utf8_char(const unsigned char *p, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c;

	if (len == 1)
		return 1;
	if (len == 0 || p[0] > 0xf4 || len > n)
		return 0;
	c = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

static json_t *string_of(struct slice s)
{
	json_t *v = json_stringn(s.n ? s.p : "", s.n);
	char *text;
	size_t at = 0;

	if (v)
		return v;
	text = need(malloc(s.n * 4 + 1));
	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_char((const unsigned char *)s.p + i, s.n - i);

		if (len) {
			memcpy(text + at, s.p + i, len);
			at += len;
			i += len;
		} else {
			at += (size_t)sprintf(text + at, "\\x%02x", (unsigned char)s.p[i++]);
		}
	}
	v = need(json_stringn_nocheck(text, at));
	free(text);
	return v;
}

void js_put_str(struct js *o, const char *key, const char *v)
{
	put(o, key, v ? string_of(slice_of(v)) : json_null());
}

void js_put_slice(struct js *o, const char *key, struct slice v)
{
	put(o, key, v.p ? string_of(v) : json_null());
}

void js_put_int(struct js *o, const char *key, int64_t v)
{
	put(o, key, need(json_integer(v)));
}

void js_put_real(struct js *o, const char *key, double v)
{
	put(o, key, isfinite(v) ? need(json_real(v)) : json_null());
}

void js_put_bool(struct js *o, const char *key, bool v)
{
	put(o, key, json_boolean(v));
}

void js_put(struct js *o, const char *key, struct js *v)
{
	put(o, key, v ? j(v) : json_null());
}

void js_merge(struct js *o, struct js *from)
{
	if (!from)
		return;
	if (json_object_update(j(o), j(from)) < 0)
		abort();
	js_free(from);
}

void js_push(struct js *array, struct js *v)
{
	if (json_array_append_new(j(array), v ? j(v) : json_null()) < 0)
		abort();
}

void js_push_str(struct js *array, const char *v)
{
	js_push(array, (struct js *)(v ? string_of(slice_of(v)) : json_null()));
}

char *js_dump(const struct js *v)
{
	return need(json_dumps(j(v), JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)));
}

struct js *js_parse(struct slice text, char err[160])
{
	json_error_t e;
	json_t *v = json_loadb(text.n ? text.p : "", text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);

	if (!v)
		snprintf(err, 160, "byte %d: %.120s", e.position, e.text);
	return (struct js *)v;
}

const struct js *js_get(const struct js *o, const char *key)
{
	return (const struct js *)json_object_get(j(o), key);
}

const char *js_str(const struct js *v)
{
	return json_string_value(j(v));
}

int64_t js_int(const struct js *v)
{
	if (json_is_real(j(v))) {
		double d = json_real_value(j(v));

		return d >= -9e18 && d <= 9e18 ? (int64_t)d : 0;
	}
	return json_integer_value(j(v));
}

double js_real(const struct js *v)
{
	return json_number_value(j(v));
}

bool js_bool(const struct js *v)
{
	return json_is_true(j(v));
}

bool js_is_array(const struct js *v)
{
	return json_is_array(j(v));
}

bool js_is_int(const struct js *v)
{
	return json_is_integer(j(v));
}

bool js_is_bool(const struct js *v)
{
	return json_is_boolean(j(v));
}

bool js_is_object(const struct js *v)
{
	return json_is_object(j(v));
}

size_t js_len(const struct js *array)
{
	return json_array_size(j(array));
}

const struct js *js_at(const struct js *array, size_t i)
{
	return (const struct js *)json_array_get(j(array), i);
}

const char *js_each(const struct js *o, void **it, const struct js **v)
{
	*it = *it ? json_object_iter_next(j(o), *it) : json_object_iter(j(o));
	if (!*it)
		return NULL;
	*v = (const struct js *)json_object_iter_value(*it);
	return json_object_iter_key(*it);
}

/* Four digits say enough; but a large number keeps all before the point. */
static void text_of_real(double d, char *buf, size_t cap)
{
	bool large = fabs(d) >= 1000 && fabs(d) < 1e15;

	snprintf(buf, cap, large ? "%.0f" : "%.4g", d);
}

const char *js_text(const struct js *v, char *buf, size_t cap)
{
	char *dump;

	switch (v ? json_typeof(j(v)) : JSON_NULL) {
	case JSON_NULL: snprintf(buf, cap, "-"); break;
	case JSON_TRUE: snprintf(buf, cap, "yes"); break;
	case JSON_FALSE: snprintf(buf, cap, "no"); break;
	case JSON_STRING: snprintf(buf, cap, "%s", js_str(v)); break;
	case JSON_INTEGER: snprintf(buf, cap, "%" PRId64, js_int(v)); break;
	case JSON_REAL: text_of_real(js_real(v), buf, cap); break;
	default:
		dump = js_dump(v);
		snprintf(buf, cap, "%s", dump);
		free(dump);
	}
	return buf;
}
