/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One HTTP/1.x response as its bytes come: its head, then its body, freed of what frames it (RFC
 * 9112, 6 and 7). Pure: bytes in, pieces out, nothing is copied or kept.
 *
 * A body ends by its length, by its last chunk, or with the connection. The last is no news that can
 * be trusted, since a killed server's kernel says the same: whoever needs to know compares with the
 * length that he expects (webget.h).
 */
#ifndef NEARCAST_CLIENT_RESPONSE_H
#define NEARCAST_CLIENT_RESPONSE_H

#include <stdint.h>

#include "lib/slice.h"
#include "lib/text.h"

enum response_kind {
	RESPONSE_MORE, /* nothing whole yet: again, with more bytes behind those that are left */
	RESPONSE_HEAD, /* *m, whose bytes are *piece */
	RESPONSE_BODY, /* *piece, not empty */
	RESPONSE_END,  /* the body is whole; what follows is not of this response */
	RESPONSE_BAD,  /* response_why() */
};

struct response {
	enum {
		RS_HEAD,
		RS_LENGTH,
		RS_CLOSE,
		RS_CHUNK,
		RS_DATA,
		RS_DATA_END,
		RS_TRAILER,
		RS_END,
		RS_BAD
	} state;
	bool to_head;    /* it answers HEAD: there is no body, whatever it says */
	size_t seen;     /* of a head that is not whole yet */
	uint64_t left;   /* of the body, or of the chunk */
	size_t trailers; /* bytes of them so far */
	int interims;    /* 1xx so far */
	int64_t length;  /* of the body, once there is a head; -1: it does not say */
	const char *why;
};

void response_init(struct response *r, bool to_head);

/* Takes what it can from the front of `in`; *used: how much, which is not to be given again. The
 * slices of *m and *piece are of `in`. After END and BAD there is nothing but these. */
enum response_kind response_take(
	struct response *r, struct slice in, size_t *used, struct text_msg *m, struct slice *piece);

/* The connection has ended: whether that was the end of the response. */
bool response_closed(const struct response *r);
const char *response_why(const struct response *r);

#endif
