/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is being fetched, and whether another node has the same: bytes of two nodes may be put
 * together only if both vouch that they are of one object (RFC 9110, 13.1.5 and 14.2). Who vouches is
 * a strong ETag; where there is no ETag at all, a Last-Modified that is old enough to be strong. The
 * length has to agree as well.
 */
#ifndef NEARCAST_CLIENT_OBJECT_H
#define NEARCAST_CLIENT_OBJECT_H

#include <stdint.h>

#include "lib/sbuf.h"
#include "lib/text.h"

#define OBJECT_TAG  256 /* an ETag with its quotes and a NUL; a longer one is none */
#define OBJECT_DATE 32

struct object {
	int status;
	int64_t base;          /* where in the object the response's body begins: not 0 in a 206 */
	int64_t length;        /* of that body; -1: unknown */
	int64_t total;         /* of the object; -1: unknown */
	char etag[OBJECT_TAG]; /* strong, with its quotes; "": none */
	char modified[OBJECT_DATE]; /* Last-Modified, if it is all there is and strong; "": none */
};

/* What a response's head says; length: of its body, as it is framed. NULL, or what is wrong: the
 * response cannot be used. */
const char *object_of(struct object *o, const struct text_msg *m, int64_t length);

/* Whether a fetch of it can go on at another node. NULL, or why not. */
const char *object_fixed(const struct object *o);
/* The headers that ask for the rest: from byte `from` of the object on. */
void object_put_range(struct sbuf *b, const struct object *o, int64_t from);

enum object_verdict {
	OBJECT_SAME,
	OBJECT_WHOLE,   /* nothing lacks: it ends at `from` */
	OBJECT_CHANGED, /* the node has another object under this name */
	OBJECT_REFUSED, /* the node does not say, or has no answer to this request */
};
/* Whether `r`, the answer to that, is of the same object and begins at `from` or before. *why tells
 * about the other verdicts. */
enum object_verdict object_continues(
	const struct object *o, const struct object *r, int64_t from, const char **why);

#endif
