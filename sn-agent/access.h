/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a client may have a channel, or publish one (row E4). Up to two things are asked for:
 *
 *  - a token: it was sent here by an ARN, and its token (lib/token.h), in the query of the URL,
 *    says so;
 *  - a user: it knows a password (Digest, lib/digest.h).
 *
 * That is asked when a channel is asked for, by DESCRIBE, SETUP or ANNOUNCE. What lets it in is
 * remembered for the connection: players put the query of a URL into DESCRIBE, but not all of them
 * into the SETUPs that follow. A session that is up is not asked again, so none is cut when its
 * token expires. Who is trusted by address needs neither: nodes that get channels from this one.
 *
 * And who it is, across nodes: a session that begins keeps the identity that its token gives it, or,
 * without one, a client's that fails over the identity that it had at the node before. That node
 * has sealed it (Nearcast-Session) for this client, user and channel, so that nobody can claim
 * another's.
 */
#ifndef NEARCAST_SN_ACCESS_H
#define NEARCAST_SN_ACCESS_H

#include "sn-agent/rtsp_request.h"

#define ACCESS_SKEW 10 /* s, between clocks of ARNs and nodes and ours */

extern const char *const access_mode_names[];  /* by enum access_mode */
extern const char *const access_asked_names[]; /* by enum access_asked */

/* False: 401 or 403 has been answered, with the reason. */
bool access_admits(struct request *q);
/* The same for ANNOUNCE. */
bool access_admits_publisher(struct request *q);

/* A session begins: who it is of. */
void access_identify(const struct request *q, struct session *s);
/* Headers of answers to peers that fail over: what they are to bring to the next node. */
void access_put_nonce(struct request *q);
void access_put_identity(struct request *q, const struct session *s);

/* One word, as in metrics. */
const char *access_login_str(enum access_login l);

#endif
