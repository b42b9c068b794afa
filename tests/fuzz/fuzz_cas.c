/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The channel allocation service: what is taken of an answer is within its ranges and can be said
 * again; any URL that can be read has one spelling, and comes back from it.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/cas.h"
#include "tests/fuzz/must.h"

static void read_answer(struct slice text, const char *url)
{
	struct cas_answer a, again;
	char why[CAS_WHY], *line;

	if (cas_read(&a, text, url, why)) {
		MUST(*why && memchr(why, 0, sizeof(why)) && !a.channel);
		return;
	}
	MUST(a.channel <= CAS_NUMBERS && a.ttl >= 1 &&
		a.ttl <= CAS_TTL); /* 0: the URL's own path */
	MUST(addr_port(&a.source) && !addr_is_any(&a.source) && !strcmp(a.url, url));
	line = cas_write(&a);
	MUST(line && !cas_read(&again, (struct slice){line, strlen(line)}, url, why));
	MUST(again.channel == a.channel && again.ttl == a.ttl &&
		!addr_cmp(&again.source, &a.source));
	free(line);
}

static void read_url(struct slice text)
{
	char url[CAS_URL], again[CAS_URL], number[CAS_CHANNEL];
	struct addr a, b;
	struct slice path;
	uint32_t n;

	if (cas_channel_parse(text, &n)) {
		cas_channel_path(n, number);
		MUST(strlen(number) == text.n && !memcmp(number, text.p, text.n));
	}
	if (cas_url_parse(text, &a, &path) || cas_url(&a, path, url))
		return;
	MUST(!cas_url_parse((struct slice){url, strlen(url)}, &b, &path));
	MUST(addr_same_host(&a, &b) && !cas_url(&b, path, again) && !strcmp(url, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = {(const char *)data, len};

	read_answer(text, "rtsp://10.1.18.27/news");
	read_url(text);
	return 0;
}
