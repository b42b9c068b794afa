/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/access.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/log.h"
#include "lib/token.h"

const char *const access_mode_names[] = {"off", "optional", "required", NULL};

static bool is_trusted(const struct request *q)
{
	const struct rtsp_access *a = &q->r->conf.access;

	for (int i = 0; i < a->n_trusted; i++)
		if (prefix_has(&a->trusted[i], &q->c->peer))
			return true;
	return false;
}

static void refuse(struct request *q, enum token_error e)
{
	static struct log_limit limit = LOG_LIMIT_INIT;
	char peer[ADDR_STRLEN];

	log_limited(&limit, NLOG_REMOTE, "%s: refused a channel, its token is %s",
		addr_str(&q->c->peer, peer), token_error_str(e));
	sbuf_printf(rtsp_head(q, 403), "Nearcast-Token: %s\r\n", token_error_str(e));
	rtsp_done(q);
}

bool access_admits(struct request *q)
{
	const struct rtsp_access *a = &q->r->conf.access;
	struct rtsp_admission *had = &q->c->admitted;
	struct token_use use = {
		.path = q->path, .client = q->c->peer, .now = q->r->wall, .skew = ACCESS_SKEW};
	struct slice value = {NULL, 0};
	enum token_error e;
	struct token t;

	if (a->mode == ACCESS_OFF || slice_eq(slice_of(had->path), q->path))
		return true;
	url_param(q->url.query, TOKEN_PARAM, &value);
	if (is_trusted(q) && !value.n)
		return true;
	e = token_read(&t, value, a->keys, &use);
	q->r->tokens[e]++;
	if (e == TOKEN_OK) {
		slice_copy(q->path, had->path, sizeof(had->path));
		snprintf(had->session, sizeof(had->session), "%016" PRIx64, t.session);
		return true;
	}
	if (e == TOKEN_MISSING && a->mode == ACCESS_OPTIONAL)
		return true;
	refuse(q, e);
	return false;
}
