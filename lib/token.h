/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The token: what an ARN writes into a redirection, and the node there reads (row E4). It says that
 * an ARN of this network sent a client for this channel, when, and as which session. It is one
 * parameter of the URL's query, "nc", so that any player carries it along, and it needs no memory
 * anywhere: who has the key can make one and check one.
 *
 * All numbers are big-endian; docs/protocol/access.md is written from this drawing.
 *
 *   offset  size
 *        0     1   version, 1
 *        1     1   flags: 1 bound to a client's address; 2 the service's address is IPv6; 4 made by
 *                  a node, for itself; the rest is 0
 *        2     2   key id
 *        4     4   issued, seconds since 1970
 *        8     2   lifetime, seconds
 *       10     1   hops: the redirections in a row, this one included
 *       11     8   session
 *       19     8   channel: of BLAKE2b-128 of the URL's path, keyed, the first 8 bytes
 *       27  0, 8   client, if bound: likewise of the 4 or 16 bytes of its address
 *     27+n  4, 16  the service's anycast address (of a node's own token: that node's)
 *        …    16   MAC: BLAKE2b-128, keyed, over all bytes before it
 *
 * It is written in base64url without padding (RFC 4648, 5): 63 characters over IPv4, 79 over IPv6,
 * 11 more when it is bound. The three hashes have purposes (lib/secret.h) of their own, so
 * the keys may be those of the announcements. The path is without slashes at its end and
 * without "/trackID=N": a presentation and its media are one channel.
 */
#ifndef NEARCAST_TOKEN_H
#define NEARCAST_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/sbuf.h"
#include "lib/slice.h"
#include "lib/wire.h"

#define TOKEN_PARAM "nc" /* of the query */
#define TOKEN_TEXT  92   /* bytes of the longest one as text, the NUL included */

/* What is put into a token. */
struct token_claims {
	bool node;         /* the node's own */
	int64_t issued;    /* seconds since 1970 */
	uint16_t lifetime; /* s */
	uint8_t hops;
	uint64_t session;
	struct slice path;         /* of the URL, without the query */
	const struct addr *client; /* NULL: anybody may use it */
	struct addr service;
};

/* Writes one, signed with the key. */
void token_write(const struct token_claims *c, const struct wire_key *key, char out[TOKEN_TEXT]);

enum token_error {
	TOKEN_OK,
	TOKEN_MISSING,
	TOKEN_MALFORMED,   /* not base64url, not of this length, another version */
	TOKEN_UNKNOWN_KEY, /* a key id that we have no key of */
	TOKEN_FORGED,      /* the MAC is wrong */
	/* From here on it is genuine. */
	TOKEN_OTHER_CHANNEL,
	TOKEN_OTHER_CLIENT, /* bound to another address */
	TOKEN_EARLY,        /* issued in the future: a clock is wrong */
	TOKEN_EXPIRED,
	TOKEN_ERRORS
};
const char *token_error_str(enum token_error e); /* one word, as in metrics and answers */
/* Whether what token_read() gave may be believed. */
static inline bool token_is_genuine(enum token_error e)
{
	return e == TOKEN_OK || e >= TOKEN_OTHER_CHANNEL;
}

struct token {
	bool bound, node;
	uint8_t hops;
	uint16_t lifetime;
	uint32_t issued;
	uint64_t session;
	uint64_t channel, client; /* digests */
	struct addr service;
	const struct wire_key *key; /* that it was signed with */
};

/* What it has to be good for. */
struct token_use {
	struct slice path;
	struct addr client; /* its port does not matter */
	int64_t now;        /* seconds since 1970 */
	int64_t skew;       /* s, between the clocks of who made it and who reads it */
	int64_t grace;      /* s after its end, beside the skew */
};

/* Reads a token and checks it. *t is set if the token is genuine, whatever else is wrong. Keys are
 * borrowed. The text may be empty: TOKEN_MISSING. */
enum token_error token_read(struct token *t, struct slice text, const struct wire_keys *keys,
	const struct token_use *use);

/* A client asks again with the token of its last redirection, and so keeps its session. Finds it in
 * the URL that it was sent to; `out` is left as it was when there is none. */
void token_take_url(struct slice url, char out[TOKEN_TEXT]);
/* Writes `url` with that token in place of any other. */
void token_put_url(struct sbuf *b, struct slice url, const char *token);

/*
 * The identity of a session that begins: a keyed hash of the client's address and port, the path
 * and the second. It needs no random number and no memory: whichever ARN a client's packets reach,
 * it gives the session the same identity.
 */
uint64_t token_session(
	const struct wire_key *key, const struct addr *client, struct slice path, int64_t now);

#endif
