/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small HTTP server, on libmicrohttpd (httpd.c alone includes it), on the loop: for metrics, and
 * for what machines ask each other for. GET and HEAD, no bodies; each request is answered at once.
 */
#ifndef NEARCAST_HTTPD_H
#define NEARCAST_HTTPD_H

#include "lib/addr.h"
#include "lib/loop.h"
#include "lib/slice.h"

struct httpd_request {
	const char *path;
	/* Of a parameter of the query, of a header line; p NULL: there is none. */
	struct slice (*query)(const struct httpd_request *r, const char *name);
	struct slice (*header)(const struct httpd_request *r, const char *name);
	void *impl;
};

struct httpd_answer {
	int status;
	const char *type; /* constant */
	struct {
		const char *name; /* constant; NULL: none */
		char value[64];
	} header;   /* one more header line */
	char *text; /* from malloc, given away; NULL: there is no memory, the connection ends */
	size_t n;
};

typedef void httpd_cb(void *arg, const struct httpd_request *r, struct httpd_answer *a);

struct httpd;
/* NULL with *err. */
struct httpd *httpd_new(
	struct loop *l, const struct addr *at, int connections, httpd_cb *cb, void *arg, int *err);
void httpd_free(struct httpd *h);
uint16_t httpd_port(const struct httpd *h); /* really bound, when `at` had port 0 */

#endif
