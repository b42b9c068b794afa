/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One object fetched over HTTP, from whichever nodes it takes (row G6). A pure core: heads, bytes and
 * ends of responses and `now` go in; out come the actions of the failover core (failover.h), which it
 * drives, and those bytes that are new, each once and in order.
 *
 *	                  transaction            attachment
 *	GET at the anycast address ── 302 ──> GET at a node ── head, body ──> … whole
 *	          ^                                │ closed, silent, 5xx
 *	          └── Nearcast-Avoid: that node <──┘ then: Range from the first missing byte, If-Range
 *
 * What the fetch is of is decided by the first byte that comes: the head of its response, which is
 * handed on with it. From then on nothing is taken but the rest of that very object (object.h); a
 * node that has another one ends the fetch. A slow node stays in the race with the one that is asked
 * in its place, and the first new byte decides.
 */
#ifndef NEARCAST_CLIENT_WEBGET_H
#define NEARCAST_CLIENT_WEBGET_H

#include "client-failover/failover.h"
#include "client-failover/object.h"

struct webget_conf {
	const char *url;  /* at the anycast host; borrowed */
	const char *home; /* URL of the same at a node that is tried first; "": none. Copied */
	bool to_head;     /* HEAD: the head is all of it */
	bool follow; /* a node's redirections are followed; else they are answers like others */
};

enum webget_state {
	WEBGET_GOING,
	WEBGET_WHOLE,   /* all of it has come */
	WEBGET_CHANGED, /* a node has another object now */
	WEBGET_BROKEN,  /* it broke off, and cannot be resumed */
	WEBGET_NO_NODE,
};

enum webget_use {
	WEBGET_USE,   /* its body is wanted */
	WEBGET_ADOPT, /* the anycast host answers itself: FO_ATTACH may follow, for this connection */
	WEBGET_DROP, /* the connection has done its duty */
};

struct webget_bytes {
	bool first;        /* these are the first: the head of their response goes before them */
	struct slice data; /* what is new of the bytes that came */
};

struct webget;
struct webget *webget_new(const struct webget_conf *c); /* NULL without memory */
void webget_free(struct webget *f);
void webget_start(struct webget *f, ns_t now);

/* FO_TRANSACT: the URL to be asked for, with the token of the redirection before, if any. */
const char *webget_ask_url(struct webget *f);
/* Both kinds of requests, when they are sent: the headers that ask for the rest. False, and nothing
 * is written, while there is nothing to resume: the request is as its author made it. */
bool webget_put_range(const struct webget *f, struct sbuf *b);

/* What connections tell, by the ids of transactions and attachments; unknown ones are ignored.
 * length: of the body, as it is framed, -1 unknown. */
enum webget_use webget_head(
	struct webget *f, int id, const struct text_msg *m, int64_t length, ns_t now);
struct webget_bytes webget_body(struct webget *f, int id, struct slice piece, ns_t now);
struct webget_bytes webget_end(
	struct webget *f, int id, ns_t now); /* the body is whole, as framed */
void webget_lost(struct webget *f, int id, const char *why, ns_t now);
/* While the bytes' taker is busy, nothing is read: silence means nothing. */
void webget_held(struct webget *f, bool held, ns_t now);

void webget_tick(struct webget *f, ns_t now);
ns_t webget_when(const struct webget *f);
enum failover_kind webget_next(struct webget *f, struct failover_action *a);

enum webget_state webget_state(const struct webget *f);
const char *webget_why(const struct webget *f); /* the last thing that was wrong; "" */
/* What is fetched, NULL before the first byte; its length shows when it is known. */
const struct object *webget_object(const struct webget *f);
int64_t webget_delivered(const struct webget *f); /* bytes of the body */
int64_t webget_resumed(const struct webget *f);   /* where in the body the last failover was */
int webget_current(const struct webget *f);       /* the attachment that gives the bytes, or -1 */
bool webget_home_refused(const struct webget *f); /* the node tried first wanted us to ask before */
void webget_avoid(const struct webget *f, ns_t now, char *buf, size_t cap);

/* What Location means at the page `base` (RFC 3986, 5.2, without its fragment) into out[cap]. 0, or
 * -EINVAL: it is no URL, or too long. */
int webget_resolve(struct slice base, struct slice location, char *out, size_t cap);

#endif
