/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request under way: what rtsp.c, rtsp_play.c and rtsp_record.c share. */
#ifndef NEARCAST_SN_RTSP_REQUEST_H
#define NEARCAST_SN_RTSP_REQUEST_H

#include "sn-agent/rtsp.h"

struct request {
	struct rtsp *r;
	struct rtsp_conn *c;
	const struct text_msg *m;
	ns_t now;
	struct rtsp_reply *out;
	struct url url;
	struct slice path;           /* of the presentation, without trackID and trailing slashes */
	struct slice name;           /* of the channel: the path, unless the port says another */
	char origin[CHANNEL_ORIGIN]; /* that the channel is of: of the port, or its source in the
	                              * overlay (sources.h); "": it is one of this node's */
	int track;                   /* trackID, or -1 */
	struct rtp_from from;        /* of SETUP: Nearcast-From */
	bool nearcast;               /* the peer says that it takes part in failover */
	bool can_join;               /* and that it can be told to join a group */
};

/* Writes status line, CSeq, Server, Supported; the caller adds headers and calls rtsp_done(). */
struct sbuf *rtsp_head(struct request *q, int status);
void rtsp_done(struct request *q);
/* A whole answer without further headers (but Retry-After with 503). */
void rtsp_answer(struct request *q, int status);
void rtsp_put_session(struct request *q, const struct session *s);

/* The session that the request names (Session, else Pipelined-Requests), its life refreshed.
 * NULL: none is named, or *bad is true: it does not exist or is not this client's. */
struct session *rtsp_session(struct request *q, bool *bad);
/* Likewise for methods that need one: NULL when 454 has been answered. */
struct session *rtsp_need_session(struct request *q);

/* Where media leave from toward this client. */
static inline const struct addr *rtsp_media_addr(const struct request *q)
{
	const struct rtsp_scope *s = q->c->scope;

	return s && s->addr.sa.sa_family ? &s->addr : &q->r->conf.addr;
}
/* Nearcast-Path, for an answer to a node. */
void rtsp_put_path(struct request *q, const struct channel *ch);

/* The channel of the path, for DESCRIBE and SETUP. NULL: answered, or to wait for. */
struct channel *rtsp_channel(struct request *q);
/* "rtsp://host:port/path" as the client calls it, into out[SESSION_URL]. 0 or -ENOSPC. */
int rtsp_presentation_url(const struct request *q, char *out);

/* A session joins a channel or leaves it. */
void rtsp_join(struct session *s, struct channel *ch);
void rtsp_leave(struct session *s);

/* The Transport header of a SETUP for medium i of s: filled into s->m[i] and answered into *t.
 * 0, or the status to refuse it with. */
int rtsp_set_transport(struct request *q, struct session *s, int i, struct rtsp_transport *t);

/* Whether the path is in a library: played on demand (rtsp_film.c). */
bool rtsp_is_film(const struct request *q);
void rtsp_play_film(struct request *q, struct session *s);
/* Where a film was paused. */
void rtsp_put_pause(struct request *q, const struct session *s);

void rtsp_setup_play(struct request *q, struct session *s);
void rtsp_setup_record(struct request *q, struct session *s);
void rtsp_play(struct request *q);
void rtsp_pause(struct request *q);
void rtsp_teardown(struct request *q);
void rtsp_announce(struct request *q);
void rtsp_record(struct request *q);

#endif
