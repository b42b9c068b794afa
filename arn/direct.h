/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct answers (row B3): short content that the ARN has and serves itself, instead of sending the
 * client on. An object is as small as TCP's first window, ten segments (RFC 6928): so the whole
 * answer is with the client one round trip after its request, and the connection ends. What needs
 * longer than that does not belong at an anycast address, whose route may move at any time.
 *
 * The objects are files, each at one address of the block or at every one. A folder's name, "10.1.18.27"
 * or "default", says which (direct_load.h reads them). An address's own come first. A request is
 * looked up by its whole decoded path, among those that were loaded, so it cannot lead out of
 * anywhere; the query is of no account. "/a/" is "/a/index.html". What is not there, is asked for by
 * another method than GET and HEAD, or depends on If-Match and the like, is redirected as ever.
 *
 * "app.js.gz" and "app.js.br" are also app.js in that coding: a client gets the shortest that it
 * accepts. The answer depends on bytes, time of change and name only: ARNs that have the same files
 * with the same times give the same answers, validators included. So there is no Date in it.
 *
 * A struct direct is filled by one thread, sealed, and then never changes: whoever has a reference
 * reads it, in any thread. Snapshots do.
 */
#ifndef ARN_DIRECT_H
#define ARN_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/sbuf.h"
#include "lib/slice.h"
#include "lib/text.h"

#define DIRECT_MAX_OBJECT 13800 /* bytes; with the head, ten segments of 1428: IPv6, timestamps */
#define DIRECT_MAX_HEAD   480
#define DIRECT_MAX_PATH   1024 /* bytes, decoded */

struct direct_object {
	struct addr at; /* AF_UNSPEC: at every address */
	struct slice path, body;
	const char *type;
	int64_t changed; /* seconds since 1970 */
	char etag[19];   /* of the bytes, with its quotes */
};

struct direct;
/* max_age: seconds that others may keep an object for without asking. NULL without memory. */
struct direct *direct_new(uint32_t max_age);
/* Copies one object into it; at: an address without a port, NULL: every one; path: decoded, from "/"
 * on. 0, or -ENOMEM. */
int direct_add(struct direct *d, const struct addr *at, struct slice path, struct slice body,
	int64_t changed);
/* All is added; of two objects of one path and address one is left. */
void direct_seal(struct direct *d);
const struct direct *direct_ref(const struct direct *d); /* also of NULL, like the next */
void direct_unref(const struct direct *d);

int direct_objects(const struct direct *d); /* of NULL: 0, like the next */
size_t direct_bytes(const struct direct *d);
/* The memory that an object takes. */
size_t direct_cost(struct slice path, size_t body);

struct direct_hit {
	const struct direct_object *object;
	int status;         /* 200, or 304: the client has it */
	bool varies;        /* by Accept-Encoding */
	const char *coding; /* of the object's bytes, or NULL */
	uint32_t max_age;
};
/* The answer to a request to this address of the block; false: it is to be redirected. d: may be
 * NULL. */
bool direct_find(const struct direct *d, const struct addr *at, const struct text_msg *m,
	const struct url *u, struct direct_hit *hit);
/* The headers that are its own, Content-Length included. */
void direct_put_headers(struct sbuf *b, const struct direct_hit *hit);

#endif
