/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an answer lacks: said by redirect_answer() as plain data, carried by the listener to who can
 * get it. The request waits meanwhile, for a bounded time; the next snapshot may have what it wants.
 */
#ifndef ARN_WANT_H
#define ARN_WANT_H

#include "lib/prime.h"

enum want_kind {
	WANT_NOTHING,
	WANT_PRIME,   /* `node` is to have a port for `state` */
	WANT_ORIGIN,  /* where `state` (its service and address, or its host) is: arn/origin.h */
	WANT_CHANNEL, /* that of the URL of `state`, its address and channel: arn/cas_table.h */
	WANT_REGION, /* where the client of `state.anycast` is: arn/measure.h; nobody waits for it */
	WANT_PROFILE, /* that of the address of `state`: arn/profile.h; nobody waits for it */
};

struct want {
	enum want_kind what;
	char node[ANNOUNCE_ID_LEN];
	struct prime_state state;
	char expect[PRIME_PATH]; /* the client is about to ask there for this path; "": unknown */
	ns_t way;                /* to the node and back; 0: it is near, or not known */
};

uint64_t want_hash(const struct want *w); /* equal for the same want */

#endif
