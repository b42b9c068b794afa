/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/cas.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/text.h"

int cas_url(const struct addr *anycast, struct slice path, char url[CAS_URL])
{
	char host[ADDR_STRLEN];
	struct sbuf b;

	while (path.n && path.p[path.n - 1] == '/')
		path.n--;
	if (path.n < 2 || path.p[0] != '/' || path.n >= CAS_PATH)
		return -EINVAL;
	sbuf_init(&b, url, CAS_URL);
	sbuf_printf(&b, "rtsp://%s", addr_urlhost(anycast, host));
	sbuf_slice(&b, path);
	return b.full ? -EINVAL : 0;
}

int cas_url_parse(struct slice text, struct addr *anycast, struct slice *path)
{
	struct url u;

	if (url_parse(&u, text) < 0 || !slice_ieq(u.scheme, SLICE("rtsp")) || u.query.p ||
		(u.port && u.port != 554) || addr_parse(anycast, u.host, 0) < 0)
		return -EINVAL;
	*path = u.path;
	return 0;
}

void cas_put_escaped(struct sbuf *b, const char *url)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~/";

	for (; *url; url++) {
		if (strchr(plain, *url))
			sbuf_append(b, url, 1);
		else
			sbuf_printf(b, "%%%02X", (unsigned char)*url);
	}
}

/* ---- answers ---- */

char *cas_write(const struct cas_answer *a)
{
	struct js *o = js_object();
	char text[ADDR_STRLEN], *line;

	js_put_str(o, "url", a->url);
	js_put_str(o, "source", addr_str(&a->source, text));
	js_put_int(o, "channel", a->channel);
	js_put_int(o, "ttl", a->ttl);
	line = js_dump(o);
	js_free(o);
	return line;
}

static int wrong(char *why, const char *what)
{
	snprintf(why, CAS_WHY, "%s", what);
	return -EINVAL;
}

static bool in_range(const struct js *v, int64_t least, int64_t most)
{
	return v && js_is_int(v) && js_int(v) >= least && js_int(v) <= most;
}

static int read_members(struct cas_answer *a, const struct js *o, const char *url, char *why)
{
	const struct js *channel = js_get(o, "channel"), *ttl = js_get(o, "ttl");
	const struct js *u = js_get(o, "url"), *source = js_get(o, "source");
	const char *said = u ? js_str(u) : NULL, *at = source ? js_str(source) : NULL;

	if (!said || strcmp(said, url) != 0)
		return wrong(why, "url: expected the one that was asked for");
	if (!at || addr_parse(&a->source, slice_of(at), 554) < 0 || addr_is_any(&a->source) ||
		addr_is_multicast(&a->source) || !addr_port(&a->source))
		return wrong(why, "source: expected a unicast address");
	if (!in_range(channel, CAS_NO_NUMBER, CAS_NUMBERS))
		return wrong(why, "channel: expected a number, 0 to 2147483647");
	if (!in_range(ttl, 1, CAS_TTL))
		return wrong(why, "ttl: expected seconds, 1 to 86400");
	snprintf(a->url, sizeof(a->url), "%s", url);
	a->channel = (uint32_t)js_int(channel);
	a->ttl = (unsigned)js_int(ttl);
	return 0;
}

int cas_read(struct cas_answer *a, struct slice text, const char *url, char why[CAS_WHY])
{
	struct js *o = js_parse(text, why);
	int err;

	memset(a, 0, sizeof(*a));
	if (!o)
		return -EINVAL;
	*why = '\0';
	err = js_is_object(o) ? read_members(a, o, url, why) : wrong(why, "expected an object");
	js_free(o);
	if (err)
		memset(a, 0, sizeof(*a));
	return err;
}

/* ---- numbers ---- */

uint32_t cas_number(const char *url, unsigned n)
{
	uint64_t h = 0xcbf29ce484222325 + n;

	for (; *url; url++)
		h = (h ^ (uint8_t)*url) * 0x100000001b3;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
	h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
	h ^= h >> 31;
	return (uint32_t)(h % CAS_NUMBERS) + 1;
}

const char *cas_channel_path(uint32_t number, char buf[CAS_CHANNEL])
{
	snprintf(buf, CAS_CHANNEL, "/=%u", number);
	return buf;
}

bool cas_channel_parse(struct slice path, uint32_t *number)
{
	unsigned long long n;

	if (path.n < 3 || memcmp(path.p, "/=", 2) != 0 || path.p[2] == '0')
		return false;
	if (slice_u64((struct slice){path.p + 2, path.n - 2}, CAS_NUMBERS, &n) < 0)
		return false;
	*number = (uint32_t)n;
	return true;
}
