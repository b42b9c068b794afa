/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a client may have a channel (row E4): it was sent here by an ARN, and its token
 * (lib/token.h), in the query of the URL, says so.
 *
 * A token is looked at when a channel is asked for, by DESCRIBE or SETUP. What it lets in is
 * remembered for the connection: players put the query of a URL into DESCRIBE, but not all of them
 * into the SETUPs that follow. A session that is up is not asked again, so none is cut when its
 * token expires. Who is trusted by address needs no token: nodes that get channels from this one.
 */
#ifndef NEARCAST_SN_ACCESS_H
#define NEARCAST_SN_ACCESS_H

#include "sn-agent/rtsp_request.h"

#define ACCESS_SKEW 10 /* s, between an ARN's clock and ours */

extern const char *const access_mode_names[]; /* by enum access_mode */

/* False: 403 has been answered, with the reason. */
bool access_admits(struct request *q);

#endif
