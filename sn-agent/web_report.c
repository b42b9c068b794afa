/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/web_report.h"

#include <string.h>

#include "lib/secret.h"

/* "12.034" in seconds. */
static bool parse_seconds(struct slice s, ns_t *out)
{
	unsigned long long whole, milli;
	struct slice fraction = s, head = slice_cut(&fraction, '.');

	if (slice_u64(head, 1000000000, &whole) || fraction.n != 3 ||
		slice_u64(fraction, 999, &milli))
		return false;
	*out = (ns_t)whole * NS_S + (ns_t)milli * NS_MS;
	return true;
}

static enum web_cache parse_cache(struct slice s)
{
	static const struct {
		const char *word;
		enum web_cache cache;
	} known[] = {
		{"HIT", WEB_CACHE_HIT},
		{"REVALIDATED", WEB_CACHE_REVALIDATED},
		{"STALE", WEB_CACHE_STALE},
		{"UPDATING", WEB_CACHE_STALE},
		{"MISS", WEB_CACHE_MISS},
		{"EXPIRED", WEB_CACHE_MISS},
		{"BYPASS", WEB_CACHE_MISS},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq(s, slice_of(known[i].word)))
			return known[i].cache;
	return WEB_CACHE_NONE;
}

/* Behind syslog's head, which ends with the tag. */
static struct slice line_of(struct slice datagram)
{
	static const char tag[] = " n: ";
	const char *at = memmem(datagram.p, datagram.n, tag, sizeof(tag) - 1);
	size_t head;

	if (!at)
		return (struct slice){NULL, 0};
	head = (size_t)(at - datagram.p) + sizeof(tag) - 1;
	return slice_trim((struct slice){datagram.p + head, datagram.n - head});
}

bool web_report_parse(struct web_report *r, struct slice datagram, const char *key)
{
	struct slice line = line_of(datagram), said = slice_cut(&line, ' ');
	unsigned long long port, status, bytes;

	memset(r, 0, sizeof(*r));
	if (!*key || said.n != strlen(key) || !secret_equal(said.p, key, said.n))
		return false;
	if (slice_u64(slice_cut(&line, ' '), 65535, &port) ||
		addr_parse(&r->client, slice_cut(&line, ' '), 0) || addr_port(&r->client) ||
		slice_u64(slice_cut(&line, ' '), 999, &status) ||
		slice_u64(slice_cut(&line, ' '), INT64_MAX, &bytes) ||
		!parse_seconds(slice_cut(&line, ' '), &r->took))
		return false;
	r->port = (uint16_t)port;
	r->status = (int)status;
	r->bytes = bytes;
	r->cache = parse_cache(slice_cut(&line, ' '));
	if (!slice_eq(line, SLICE("-")) && slice_copy(line, r->session, sizeof(r->session)))
		return false;
	return true;
}

bool web_status_parse(struct web_status *s, struct slice text)
{
	static const struct slice first = {"Active connections:", 19};
	struct slice line = slice_cut(&text, '\n');
	unsigned long long active, accepted, handled, requests, sending;

	if (line.n < first.n || memcmp(line.p, first.p, first.n) != 0)
		return false;
	line.p += first.n;
	line.n -= first.n;
	slice_cut(&text, '\n'); /* "server accepts handled requests" */
	if (slice_u64(slice_trim(line), UINT32_MAX, &active))
		return false;
	line = slice_cut(&text, '\n');
	line = slice_trim(line);
	if (slice_u64(slice_cut(&line, ' '), UINT64_MAX, &accepted) ||
		slice_u64(slice_cut(&line, ' '), UINT64_MAX, &handled) ||
		slice_u64(line, UINT64_MAX, &requests))
		return false;
	line = slice_trim(text); /* "Reading: 6 Writing: 179 Waiting: 106" */
	for (int i = 0; i < 3; i++)
		slice_cut(&line, ' ');
	if (slice_u64(slice_cut(&line, ' '), UINT32_MAX, &sending))
		return false;
	*s = (struct web_status){active, sending, accepted, requests};
	return true;
}

void web_rate_add(struct web_rate *r, uint64_t bytes, ns_t took, ns_t now)
{
	int64_t second = now / NS_S;
	int at = (int)(second % WEB_RATE_SECONDS);

	if (r->second[at] != second)
		r->bytes[at] = 0;
	r->second[at] = second;
	if (took > WEB_RATE_SECONDS * NS_S)
		bytes = (uint64_t)((double)bytes * WEB_RATE_SECONDS * NS_S / (double)took);
	r->bytes[at] += bytes;
}

uint64_t web_rate_kbps(const struct web_rate *r, ns_t now)
{
	int64_t second = now / NS_S;
	uint64_t sum = 0;

	for (int i = 0; i < WEB_RATE_SECONDS; i++)
		if (second - r->second[i] < WEB_RATE_SECONDS)
			sum += r->bytes[i];
	return sum * 8 / 1000 / WEB_RATE_SECONDS;
}
