/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An HTTP client for small documents, and for pieces of large ones, on libcurl (http.c alone
 * includes it): GET, on the loop.
 *
 * The server is somebody else's, so everything is bounded: the time of a request, the size of an
 * answer, and how many are under way. Redirections are not followed. Names are never looked up
 * here, since libcurl does that in threads that cannot be stopped: the caller says where the host
 * is.
 */
#ifndef NEARCAST_HTTP_H
#define NEARCAST_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/slice.h"

#define HTTP_ETAG  128 /* with the NUL; a longer one is none */
#define HTTP_DATE  64
#define HTTP_ADDRS 8

struct http_conf {
	ns_t timeout;    /* for a whole request */
	size_t body_max; /* bytes */
	int concurrent;  /* requests at one time */
	const char
		*ca_file; /* who is believed for https; "": libcurl's own, maybe nobody. Copied */
};

struct http_request {
	const char *url;  /* http or https */
	const char *host; /* of the URL, without brackets, and */
	uint16_t port;
	const struct addr *addr; /* where that is; the first that answers is asked */
	int addrs;
	const char *etag;   /* of what is there already, "" or NULL: nothing */
	const char *accept; /* media type; NULL: JSON */
	bool ranged;        /* only the bytes from `first` to `last`, both included */
	int64_t first, last;
};

struct http_answer {
	int status;
	struct slice body;    /* during the callback */
	const char *etag;     /* "": none */
	const char *type;     /* Content-Type, "": none */
	const char *modified; /* Last-Modified, "": none */
	int64_t first,
		total; /* Content-Range: where the body begins, of how many bytes; -1: not told */
};

/* why is NULL, or says why there is no answer (a is NULL then). Called once, never from within. */
typedef void http_cb(void *arg, const char *why, const struct http_answer *a);

struct http;
struct http *http_new(struct loop *l, const struct http_conf *c); /* NULL without memory */
void http_free(struct http *h); /* answers that are still to come never come */
/* 0; -EBUSY: as many as may be are under way; -EINVAL, -ENOMEM. */
int http_get(struct http *h, const struct http_request *r, http_cb *cb, void *arg);

#endif
