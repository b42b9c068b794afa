/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nonces of Digest authentication (RFC 7616, 3.3). A nonce needs no memory: it says itself when it was
 * made, and who has the key can tell that it is genuine. Nodes that share a key take each
 * other's, so a client that fails over is not asked again.
 *
 *	offset  size
 *	     0     2  key id
 *	     2     4  issued, seconds since 1970
 *	     6     4  salt: clients behind one address do not get the same
 *	    10    16  MAC: BLAKE2b-128, keyed, over the bytes before it and the client's address
 *
 * in hexadecimal. Bound to the client's address, it is of no use to who has overheard it elsewhere.
 * What needs memory is only that a request is not repeated (its nc): a bounded table, which may
 * forget. Pure.
 */
#ifndef NEARCAST_SN_NONCES_H
#define NEARCAST_SN_NONCES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/slice.h"
#include "lib/wire.h"

#define NONCE_TEXT    53 /* the NUL included */
#define NONCES_COUNTS 4096

/* A nonce's counts that were used: `high`, and of the 64 up to it those whose bit is set. */
struct nonce_count {
	uint64_t id; /* 0: free */
	uint32_t high;
	uint64_t seen;
	int64_t until;
};

struct nonces {
	struct nonce_count count[NONCES_COUNTS];
};

void nonce_make(const struct wire_key *key, const struct addr *client, int64_t now, uint32_t salt,
	char out[NONCE_TEXT]);

/* Whether it is one of ours, for this client, and not older than `lifetime` seconds. Clocks of nodes may
 * differ by `skew`. */
bool nonce_is_fresh(const struct wire_keys *keys, struct slice nonce, const struct addr *client,
	int64_t now, int64_t lifetime, int64_t skew);

/* Notes a use of a fresh nonce, with its nc of eight hexadecimal digits. False: it was used before, or
 * is no number. `until`: when the nonce ends. */
bool nonces_use(struct nonces *n, struct slice nonce, struct slice nc, int64_t now, int64_t until);

#endif
