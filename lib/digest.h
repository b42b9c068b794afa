/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Digest authentication (RFC 7616; RFC 2617 and RFC 2069 as players speak them): both headers, and
 * the response that proves that a client knows a password without telling it.
 *
 *	H(user:realm:password)       = HA1, which is as good as the password: what a server keeps
 *	H(method:uri)                = HA2
 *	H(HA1:nonce:nc:cnonce:auth:HA2), or H(HA1:nonce:HA2) without qop
 *
 * MD5 and SHA-256; qop "auth". Without qop, as GStreamer and live555 (VLC) answer whatever is
 * offered, a request can be replayed as long as its nonce lives. Pure.
 */
#ifndef NEARCAST_DIGEST_H
#define NEARCAST_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/slice.h"

#define DIGEST_HEX 65 /* of a hash as text, the NUL included */

enum digest_algorithm { DIGEST_MD5, DIGEST_SHA256, DIGEST_ALGORITHMS };
const char *digest_algorithm_str(enum digest_algorithm a);

/* What a header says; slices are of it, without quotes. */
struct digest {
	enum digest_algorithm algorithm;
	struct slice realm, nonce, opaque;
	struct slice username, uri, response, cnonce, nc; /* of credentials */
	bool auth;                                        /* qop "auth" is offered, or used */
	bool stale; /* of a challenge: only the nonce is too old */
};

/*
 * Authorization, and one challenge of WWW-Authenticate. 0; -EPROTONOSUPPORT: another scheme,
 * algorithm or qop; -EINVAL: not the grammar, a parameter twice, one that is missing, or a backslash
 * in a quoted text, which implementations do not agree on.
 */
int digest_parse_credentials(struct digest *d, struct slice header);
int digest_parse_challenge(struct digest *d, struct slice header);

void digest_ha1(enum digest_algorithm a, struct slice user, struct slice realm,
	struct slice password, char out[DIGEST_HEX]);
/* The response to d (its realm, nonce, uri and, with auth, nc and cnonce) for a method; ha1 in lower
 * case. 0, or -ENOSPC: something is too long for a header. */
int digest_response(
	const struct digest *d, const char *ha1, struct slice method, char out[DIGEST_HEX]);
/* Whether it is d's own response, in a time that does not depend on it. */
bool digest_is_right(const struct digest *d, const char *ha1, struct slice method);

#endif
