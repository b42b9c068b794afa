/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * URLs, as far as a redirection needs them: an absolute URL of rtsp or http, an origin-form target
 * ("/path?query"), or "*". The pieces are slices of the input and are not decoded: path and query
 * go into a Location exactly as the client wrote them. What could break out of a header line or
 * means something else to others (controls, blanks, a fragment, user information) is refused.
 */
#include "lib/text.h"

#include <errno.h>
#include <string.h>

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* Letters, digits and some more: of a name, or of an IPv6 literal with its zone (RFC 6874). */
static bool made_of(struct slice s, const char *more)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && (!s.p[i] || !strchr(more, s.p[i])))
			return false;
	return s.n > 0;
}

/* "host", "host:port", "[v6]:port". */
static int parse_authority(struct url *u, struct slice s)
{
	unsigned long long port = 0;

	if (s.n && s.p[0] == '[') {
		s.p++;
		s.n--;
		if (!memchr(s.p, ']', s.n))
			return -EINVAL;
		u->host = slice_cut(&s, ']');
		if (!made_of(u->host, ":.%_~-") || !memchr(u->host.p, ':', u->host.n) ||
			(s.n && s.p[0] != ':'))
			return -EINVAL;
		if (s.n) {
			s.p++;
			s.n--;
		}
	} else {
		u->host = slice_cut(&s, ':');
		if (!made_of(u->host, "._~-"))
			return -EINVAL;
	}
	/* An empty port is none (RFC 3986, 3.2.3). */
	if (s.n && (slice_u64(s, 65535, &port) || port == 0))
		return -EINVAL;
	u->port = (uint16_t)port;
	return 0;
}

static size_t find_any(struct slice s, char a, char b)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != a && s.p[i] != b)
		i++;
	return i;
}

int url_parse(struct url *u, struct slice s)
{
	struct slice rest = s, authority;
	size_t i;

	*u = (struct url){.scheme = SLICE(""), .host = SLICE(""), .path = SLICE("/")};
	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '#')
			return -EINVAL;
	if (slice_eq(s, SLICE("*"))) {
		u->path = s;
		return 0;
	}
	if (!s.n)
		return -EINVAL;
	if (s.p[0] != '/') {
		u->scheme = slice_cut(&rest, ':');
		if (!url_default_port(u->scheme) || rest.n < 2 || memcmp(rest.p, "//", 2) != 0)
			return -EINVAL;
		rest.p += 2;
		rest.n -= 2;
		i = find_any(rest, '/', '?');
		authority = (struct slice){rest.p, i};
		if (parse_authority(u, authority))
			return -EINVAL;
		rest.p += i;
		rest.n -= i;
	}
	i = find_any(rest, '?', '?');
	if (i)
		u->path = (struct slice){rest.p, i};
	if (i < rest.n)
		u->query = (struct slice){rest.p + i + 1, rest.n - i - 1};
	return 0;
}

uint16_t url_default_port(struct slice scheme)
{
	if (slice_ieq(scheme, SLICE("rtsp")))
		return 554;
	return slice_ieq(scheme, SLICE("http")) ? 80 : 0;
}

bool url_take_track(struct slice *path, int *track)
{
	static const struct slice key = {"/trackID=", 9};
	unsigned long long n;
	size_t i = path->n;

	while (i > 0 && path->p[i - 1] != '/')
		i--;
	if (i == 0 || path->n - (i - 1) <= key.n || memcmp(path->p + i - 1, key.p, key.n) != 0)
		return false;
	if (slice_u64((struct slice){path->p + i - 1 + key.n, path->n - (i - 1) - key.n}, 99, &n))
		return false;
	*track = (int)n;
	path->n = i - 1;
	return true;
}

/* Cuts the next parameter off the front; true: it has that name. */
static bool next_param(
	struct slice *query, struct slice name, struct slice *whole, struct slice *value)
{
	*whole = *value = slice_cut(query, '&');
	return slice_eq(slice_cut(value, '='), name);
}

bool url_param(struct slice query, const char *name, struct slice *value)
{
	struct slice whole;

	while (query.n)
		if (next_param(&query, slice_of(name), &whole, value))
			return true;
	return false;
}

void url_put_query(struct sbuf *b, struct slice query, const char *without)
{
	struct slice whole, value;
	char sep = '?';

	while (query.n) {
		if (next_param(&query, slice_of(without), &whole, &value))
			continue;
		sbuf_append(b, &sep, 1);
		sbuf_slice(b, whole);
		sep = '&';
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Without its escapes, into out[cap]; `not`: characters that are not to be in there. */
static int decode(struct slice s, const char * not, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			if (i + 2 >= s.n || hex_digit(s.p[i + 1]) < 0 || hex_digit(s.p[i + 2]) < 0)
				return -EINVAL;
			c = (char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
			i += 2;
		}
		if ((unsigned char)c < ' ' || c == 0x7f || strchr(not, c) || n + 1 >= cap)
			return -EINVAL;
		out[n++] = c;
	}
	out[n] = '\0';
	return 0;
}

int url_take_user(char *url, char *user, size_t user_cap, char *password, size_t password_cap)
{
	char *from = strstr(url, "://"), *at = NULL;
	size_t len = strlen(url), cut;
	struct slice name, rest;
	int err;

	if (!from)
		return 0;
	from += 3;
	for (char *p = from; *p && !strchr("/?#", *p); p++)
		if (*p == '@')
			at = p;
	if (!at)
		return 0;
	rest = (struct slice){from, (size_t)(at - from)};
	name = slice_cut(&rest, ':');
	err = decode(name, "\":\\", user, user_cap);
	if (!err)
		err = decode(rest, "", password, password_cap);
	if (!err && !*user)
		err = -EINVAL;
	cut = (size_t)(at + 1 - from);
	memmove(from, at + 1, strlen(at + 1) + 1);
	memset(url + len - cut, 0, cut);
	return err ? err : 1;
}
