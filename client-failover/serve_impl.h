/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request under way: what serve.c and serve_play.c share. */
#ifndef NEARCAST_CLIENT_SERVE_IMPL_H
#define NEARCAST_CLIENT_SERVE_IMPL_H

#include "client-failover/serve.h"

struct request {
	struct serve *s;
	struct serve_conn *c;
	const struct text_msg *m;
	ns_t now;
	struct serve_reply *out;
	struct url url;
	struct slice path; /* of the presentation, without trackID and trailing slashes */
	int track;         /* trackID, or -1 */
};

/* Writes status line, CSeq and Server; the caller adds headers and calls serve_done(). */
struct sbuf *serve_head(struct request *q, int status);
void serve_done(struct request *q);
/* A whole answer without further headers (but Retry-After with 503, Allow with 405). */
void serve_answer(struct request *q, int status);
void serve_put_session(struct request *q);

/* "rtsp://host:port/path" as the player calls it, which is what controls are relative to, into
 * out[SERVE_URL]. 0 or -ENOSPC. */
int serve_presentation_url(const struct request *q, char out[SERVE_URL]);
/* Whether the request names this connection's session, whose life it then refreshes; *bad: it names
 * another one. */
bool serve_session(struct request *q, bool *bad);
/* Likewise for methods that need one: false when 454 has been answered. */
bool serve_need_session(struct request *q);
/* The channel of DESCRIBE and SETUP. NULL: it is answered, or to be waited for. */
struct serve_channel *serve_channel_of(struct request *q);
void serve_join(struct serve_conn *c, struct serve_channel *ch, ns_t now);

void serve_setup(struct request *q);
void serve_play(struct request *q);
void serve_hold(struct request *q); /* PAUSE */
void serve_teardown(struct request *q);

#endif
