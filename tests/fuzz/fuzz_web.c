/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The web cache: whatever an origin's name and path are made of, the configuration of nginx has the
 * statements that it would have with plain ones, or there is none; what nginx is said to report is
 * read within its ranges. */
#include <stdlib.h>
#include <string.h>

#include "sn-agent/web_conf.h"
#include "sn-agent/web_report.h"
#include "tests/unit/nginx_text.h"
#include "tests/fuzz/must.h"

static int statements_of(const struct prime_state *q)
{
	struct web_conf c = {.name = "sn1", .folder = "/f", .port = 8080, .connections = 64};
	struct web_inside in = {.log_key = "k"};
	struct web_site site = {20001, q};
	char *text;
	int n, err;

	addr_parse(&c.address, SLICE("10.2.0.6"), 0);
	text = web_conf_write(&c, &in, &site, 1, &err);
	if (!text)
		return 0;
	n = nginx_statements(text);
	free(text);
	return n;
}

/* host LF path */
static void configure(struct slice text)
{
	struct prime_state plain = {.origins = 1, .host = "h", .channel = "/c"}, q = plain;
	struct slice host = slice_cut(&text, '\n');
	int n;

	addr_parse(&plain.origin[0], SLICE("10.8.0.8:80"), 0);
	q.origin[0] = plain.origin[0];
	if (slice_copy(host, q.host, sizeof(q.host)) || !*q.host ||
		slice_copy(text, q.channel, sizeof(q.channel)) || !*q.channel)
		return;
	n = statements_of(&q);
	MUST(n == 0 || n == statements_of(&plain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = {(const char *)data, len};
	struct web_report r;
	struct web_status s;

	if (web_report_parse(&r, text, "k"))
		MUST(r.status <= 999 && r.took >= 0 && r.cache < WEB_CACHES &&
			memchr(r.session, 0, sizeof(r.session)));
	web_status_parse(&s, text);
	configure(text);
	return 0;
}
