/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/direct.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/secret.h"

#define INDEX "index.html"

struct direct {
	_Atomic unsigned refs;
	uint32_t max_age;
	struct direct_object **object; /* by address and path, once it is sealed */
	int n, room;
	size_t bytes;
};

/* The codings that files can be in beside their plain form. */
static const struct coding { /* suffixes of three characters */
	const char *suffix, *name;
} codings[] = {{".gz", "gzip"}, {".br", "br"}};
enum { CODINGS = sizeof(codings) / sizeof(codings[0]) };

static const char *type_of(struct slice path)
{
	static const struct {
		const char *suffix, *type;
	} known[] = {
		{".html", "text/html; charset=utf-8"},
		{".htm", "text/html; charset=utf-8"},
		{".txt", "text/plain; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".mjs", "text/javascript; charset=utf-8"},
		{".csv", "text/csv; charset=utf-8"},
		{".vtt", "text/vtt; charset=utf-8"},
		{".json", "application/json"},
		{".xml", "application/xml"},
		{".mpd", "application/dash+xml"},
		{".m3u8", "application/vnd.apple.mpegurl"},
		{".sdp", "application/sdp"},
		{".pdf", "application/pdf"},
		{".wasm", "application/wasm"},
		{".gz", "application/gzip"},
		{".svg", "image/svg+xml"},
		{".png", "image/png"},
		{".jpg", "image/jpeg"},
		{".jpeg", "image/jpeg"},
		{".gif", "image/gif"},
		{".webp", "image/webp"},
		{".avif", "image/avif"},
		{".ico", "image/vnd.microsoft.icon"},
		{".woff2", "font/woff2"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct slice end = slice_of(known[i].suffix);

		if (path.n > end.n &&
			slice_ieq((struct slice){path.p + path.n - end.n, end.n}, end))
			return known[i].type;
	}
	return "application/octet-stream";
}

/* ---- the store ---- */

struct direct *direct_new(uint32_t max_age)
{
	struct direct *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	atomic_init(&d->refs, 1);
	d->max_age = max_age;
	return d;
}

static bool make_room(struct direct *d)
{
	int room = d->room ? 2 * d->room : 64;
	struct direct_object **more;

	if (d->n < d->room)
		return true;
	more = realloc(d->object, (size_t)room * sizeof(*more));
	if (!more)
		return false;
	d->object = more;
	d->room = room;
	return true;
}

static void put_etag(char out[19], struct slice body)
{
	static const char digit[] = "0123456789abcdef";
	uint8_t hash[16];

	secret_hash(NULL, "nearcast-etag", body.p, body.n, hash, sizeof(hash));
	*out++ = '"';
	for (int i = 0; i < 8; i++) {
		*out++ = digit[hash[i] >> 4];
		*out++ = digit[hash[i] & 15];
	}
	*out++ = '"';
	*out = '\0';
}

size_t direct_cost(struct slice path, size_t body)
{
	return sizeof(struct direct_object) + sizeof(struct direct_object *) + path.n + body;
}

int direct_add(struct direct *d, const struct addr *at, struct slice path, struct slice body,
	int64_t changed)
{
	struct direct_object *o;
	char *mem;

	if (!make_room(d))
		return -ENOMEM;
	o = calloc(1, sizeof(*o) + path.n + body.n);
	if (!o)
		return -ENOMEM;
	mem = (char *)(o + 1);
	memcpy(mem, path.p, path.n);
	if (body.n)
		memcpy(mem + path.n, body.p, body.n);
	if (at)
		o->at = *at;
	o->path = (struct slice){mem, path.n};
	o->body = (struct slice){mem + path.n, body.n};
	o->type = type_of(o->path);
	o->changed = changed;
	put_etag(o->etag, o->body);
	d->object[d->n++] = o;
	d->bytes += body.n;
	return 0;
}

static int compare(const struct direct_object *a, const struct direct_object *b)
{
	int c = addr_cmp(&a->at, &b->at);

	if (c)
		return c;
	if (a->path.n != b->path.n)
		return a->path.n < b->path.n ? -1 : 1;
	return memcmp(a->path.p, b->path.p, a->path.n);
}

static int by_place(const void *a, const void *b)
{
	return compare(*(struct direct_object *const *)a, *(struct direct_object *const *)b);
}

void direct_seal(struct direct *d)
{
	int n = 0;

	if (!d->n)
		return;
	qsort(d->object, (size_t)d->n, sizeof(d->object[0]), by_place);
	for (int i = 0; i < d->n; i++) {
		if (n && !compare(d->object[n - 1], d->object[i])) {
			d->bytes -= d->object[i]->body.n;
			free(d->object[i]);
			continue;
		}
		d->object[n++] = d->object[i];
	}
	d->n = n;
}

static struct direct *own(const struct direct *d)
{
	return (struct direct *)d;
}

const struct direct *direct_ref(const struct direct *d)
{
	if (d)
		atomic_fetch_add_explicit(&own(d)->refs, 1, memory_order_relaxed);
	return d;
}

void direct_unref(const struct direct *d)
{
	if (!d || atomic_fetch_sub_explicit(&own(d)->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int i = 0; i < d->n; i++)
		free(d->object[i]);
	free(d->object);
	free(own(d));
}

int direct_objects(const struct direct *d)
{
	return d ? d->n : 0;
}

size_t direct_bytes(const struct direct *d)
{
	return d ? d->bytes : 0;
}

static const struct direct_object *look_up(
	const struct direct *d, const struct addr *at, struct slice path)
{
	struct direct_object key = {.at = *at, .path = path}, *k = &key;
	struct direct_object **found;

	found = bsearch(&k, d->object, (size_t)d->n, sizeof(d->object[0]), by_place);
	return found ? *found : NULL;
}

/* ---- what is asked for ---- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path of a file: without escapes (RFC 3986, 2.1), and what a folder shows. False: no file has
 * it. An escaped slash is part of a name, and no file's name has one. */
static bool decode(struct slice path, struct sbuf *b)
{
	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];

		if (c == '%') {
			int high = i + 2 < path.n ? digit_of(path.p[i + 1]) : -1;
			int low = i + 2 < path.n ? digit_of(path.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			if (!c || c == '/')
				return false;
			i += 2;
		}
		sbuf_append(b, &c, 1);
	}
	if (b->n && b->p[b->n - 1] == '/')
		sbuf_printf(b, INDEX);
	return !b->full;
}

/* "q=0", "q=0.000" (RFC 9110, 12.4.2). */
static bool is_zero(struct slice weight)
{
	for (size_t i = 0; i < weight.n; i++)
		if (weight.p[i] != '0' && weight.p[i] != '.')
			return false;
	return weight.n > 0;
}

/* RFC 9110, 12.5.3; unnamed: whether a client takes a coding that it says nothing of. */
static bool accepts(struct slice header, const char *coding, bool unnamed)
{

	while (header.n) {
		struct slice rest = slice_cut(&header, ','), q;
		struct slice name = slice_trim(slice_cut(&rest, ';'));
		bool wanted = !text_param(rest, "q", &q) || !is_zero(slice_trim(q));

		if (slice_ieq(name, slice_of(coding)))
			return wanted;
		if (slice_eq(name, SLICE("*")))
			unnamed = wanted;
	}
	return unnamed;
}

/* The shortest form of what is at this path that the client takes. False: there is none at all;
 * true with no object: none that it takes. */
static bool choose(const struct direct *d, const struct addr *at, struct slice path,
	const struct text_msg *m, struct direct_hit *hit)
{
	struct slice accepted = text_header(m, "Accept-Encoding");
	char mem[DIRECT_MAX_PATH + 8];

	bool plain;

	hit->object = look_up(d, at, path);
	plain = hit->object;
	if (plain && !accepts(accepted, "identity", true))
		hit->object = NULL;
	hit->coding = NULL;
	hit->varies = false;
	for (int i = 0; i < CODINGS; i++) {
		const struct direct_object *o;
		struct sbuf b;

		sbuf_init(&b, mem, sizeof(mem));
		sbuf_slice(&b, path);
		sbuf_printf(&b, "%s", codings[i].suffix);
		o = look_up(d, at, (struct slice){b.p, b.n});
		if (!o)
			continue;
		hit->varies = true;
		if (!accepts(accepted, codings[i].name, false) ||
			(hit->object && hit->object->body.n <= o->body.n))
			continue;
		hit->object = o;
		hit->coding = codings[i].name;
	}
	return plain || hit->varies;
}

/* ---- conditions (RFC 9110, 13) ---- */

static bool names_etag(struct slice list, const char *etag)
{
	while (list.n) {
		struct slice one = slice_trim(slice_cut(&list, ','));

		if (slice_eq(one, SLICE("*")))
			return true;
		if (one.n > 2 && one.p[0] == 'W' && one.p[1] == '/') {
			one.p += 2;
			one.n -= 2;
		}
		if (slice_eq(one, slice_of(etag)))
			return true;
	}
	return false;
}

/* All three forms of RFC 9110, 5.6.7; no daemon here sets a locale. False: none of them. */
static bool read_date(struct slice s, int64_t *out)
{
	static const char *const form[] = {
		"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};
	char text[64];

	if (slice_copy(s, text, sizeof(text)) < 0 || !*text)
		return false;
	for (size_t i = 0; i < sizeof(form) / sizeof(form[0]); i++) {
		struct tm tm = {0};
		const char *end = strptime(text, form[i], &tm);

		if (!end || *end)
			continue;
		*out = timegm(&tm);
		return true;
	}
	return false;
}

static bool has_it(const struct text_msg *m, const struct direct_object *o)
{
	int64_t since;
	bool asked = false;

	for (int i = 0; i < m->headers; i++) {
		if (!slice_ieq(m->header[i].name, SLICE("If-None-Match")))
			continue;
		asked = true;
		if (names_etag(m->header[i].value, o->etag))
			return true;
	}
	return !asked && read_date(text_header(m, "If-Modified-Since"), &since) &&
	       o->changed <= since;
}

bool direct_find(const struct direct *d, const struct addr *at, const struct text_msg *m,
	const struct url *u, struct direct_hit *hit)
{
	static const struct addr every;
	char mem[DIRECT_MAX_PATH + 1];
	struct addr own_only = *at;
	struct slice path;
	struct sbuf b;

	if (!direct_objects(d) || (!text_method_is(m, "GET") && !text_method_is(m, "HEAD")))
		return false;
	if (text_header(m, "If-Match").p || text_header(m, "If-Unmodified-Since").p)
		return false;
	sbuf_init(&b, mem, sizeof(mem));
	if (!decode(u->path, &b))
		return false;
	path = (struct slice){b.p, b.n};
	addr_set_port(&own_only, 0);
	if (!choose(d, &own_only, path, m, hit))
		choose(d, &every, path, m, hit);
	if (!hit->object)
		return false;
	hit->status = has_it(m, hit->object) ? 304 : 200;
	hit->max_age = d->max_age;
	return true;
}

void direct_put_headers(struct sbuf *b, const struct direct_hit *hit)
{
	const struct direct_object *o = hit->object;
	time_t changed = (time_t)o->changed;
	char date[40];
	struct tm tm;

	/* A type as in "app.js", also of app.js.gz if that is only the coding. */
	if (hit->status == 200) {
		struct slice name = o->path;

		if (hit->coding)
			name.n -= 3;
		sbuf_printf(b, "Content-Type: %s\r\n", hit->coding ? type_of(name) : o->type);
		if (hit->coding)
			sbuf_printf(b, "Content-Encoding: %s\r\n", hit->coding);
	}
	if (gmtime_r(&changed, &tm) &&
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm))
		sbuf_printf(b, "Last-Modified: %s\r\n", date);
	sbuf_printf(b, "ETag: %s\r\n", o->etag);
	if (hit->varies)
		sbuf_printf(b, "Vary: Accept-Encoding\r\n");
	if (hit->max_age)
		sbuf_printf(b, "Cache-Control: max-age=%u\r\n", hit->max_age);
	else
		sbuf_printf(b, "Cache-Control: no-cache\r\n");
	if (hit->status == 200)
		sbuf_printf(b, "Content-Length: %zu\r\n", o->body.n);
}
