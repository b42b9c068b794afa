/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RTSP client's core: who it is. Credentials for requests, and what answers say about them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/rtspc_impl.h"

#define CHALLENGES_MAX 3 /* in a row: a server that asks for ever is left */

bool rtspc_put_proof(struct rtspc *c, struct sbuf *b, const char *method, const char *url)
{
	struct rtspc_who *w = c->who;
	char response[DIGEST_HEX], nc[9], cnonce[17];
	struct digest d;

	if (!w || !w->user || !w->known)
		return false;
	snprintf(nc, sizeof(nc), "%08x", ++w->nc);
	snprintf(cnonce, sizeof(cnonce), "%016" PRIx64, w->cnonce);
	d = (struct digest){.algorithm = w->algorithm,
		.nonce = slice_of(w->nonce),
		.uri = slice_of(url),
		.nc = slice_of(nc),
		.cnonce = slice_of(cnonce),
		.auth = w->auth};
	if (digest_response(&d, w->ha1, slice_of(method), response))
		return false;
	sbuf_printf(b,
		"Authorization: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", "
		"algorithm=%s, response=\"%s\"",
		w->user, w->realm, w->nonce, url, digest_algorithm_str(w->algorithm), response);
	if (w->auth)
		sbuf_printf(b, ", qop=auth, nc=%s, cnonce=\"%s\"", nc, cnonce);
	if (*w->opaque)
		sbuf_printf(b, ", opaque=\"%s\"", w->opaque);
	sbuf_printf(b, "\r\n");
	return true;
}

void rtspc_put_sealed(struct rtspc *c, struct sbuf *b)
{
	if (c->who && *c->who->sealed)
		sbuf_printf(b, "Nearcast-Session: %s\r\n", c->who->sealed);
}

/* The strongest challenge that we can answer. False: there is none. */
static bool best_challenge(const struct text_msg *m, struct digest *best)
{
	bool any = false;

	for (int i = 0; i < m->headers; i++) {
		struct digest d;

		if (!slice_ieq(m->header[i].name, SLICE("WWW-Authenticate")) ||
			digest_parse_challenge(&d, m->header[i].value))
			continue;
		if (!any || d.algorithm > best->algorithm)
			*best = d;
		any = true;
	}
	return any;
}

bool rtspc_take_challenge(struct rtspc *c, const struct req *r, const struct text_msg *m)
{
	struct rtspc_who *w = c->who;
	struct digest d = {.algorithm = DIGEST_MD5};

	if (!w || !w->user || !best_challenge(m, &d))
		return false;
	if ((r->proved && !d.stale) || c->challenges >= CHALLENGES_MAX)
		return false; /* it is another password that is wanted */
	w->known = !slice_copy(d.realm, w->realm, sizeof(w->realm)) &&
	           !slice_copy(d.nonce, w->nonce, sizeof(w->nonce)) &&
	           !slice_copy(d.opaque, w->opaque, sizeof(w->opaque));
	if (!w->known)
		return false;
	c->challenges++;
	w->algorithm = d.algorithm;
	w->auth = d.auth;
	w->nc = 0;
	digest_ha1(d.algorithm, slice_of(w->user), d.realm, slice_of(w->password), w->ha1);
	return true;
}

/* The value of `name="…"` in Authentication-Info. */
static struct slice info(const struct text_msg *m, const char *name)
{
	struct slice list = text_header(m, "Authentication-Info"), value = {NULL, 0};

	while (list.n)
		if (text_param(slice_trim(slice_cut(&list, ',')), name, &value))
			break;
	return value;
}

void rtspc_learn_who(struct rtspc *c, const struct text_msg *m)
{
	struct rtspc_who *w = c->who;
	struct slice next, sealed = text_header(m, "Nearcast-Session");

	if (!w || !m->response)
		return;
	if (m->status < 300)
		c->challenges = 0;
	next = info(m, "nextnonce");
	if (w->known && next.n && next.n < sizeof(w->nonce)) {
		slice_copy(next, w->nonce, sizeof(w->nonce));
		w->nc = 0;
	}
	if (sealed.n && sealed.n < sizeof(w->sealed))
		slice_copy(sealed, w->sealed, sizeof(w->sealed));
}
