/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What servers of RTSP (RFC 2326) have in common: the node's and the client's gateway. Pure. */
#ifndef NEARCAST_RTSPD_H
#define NEARCAST_RTSPD_H

#include <stdbool.h>

#include "lib/slice.h"
#include "lib/text.h"

/* The words of a status line (RFC 2326, 7.1.1), "Failed" for a status that we never answer. */
const char *rtspd_reason(int status);

/* The methods that a server may be asked for (RFC 2326, 10; RFC 7826, 13.5). */
enum rtspd_method {
	RTSPD_OPTIONS,
	RTSPD_DESCRIBE,
	RTSPD_SETUP,
	RTSPD_PLAY,
	RTSPD_PAUSE,
	RTSPD_TEARDOWN,
	RTSPD_GET_PARAMETER,
	RTSPD_SET_PARAMETER,
	RTSPD_ANNOUNCE,
	RTSPD_RECORD,
	RTSPD_REDIRECT,
	RTSPD_PLAY_NOTIFY,
	RTSPD_METHODS /* another one */
};
enum rtspd_method rtspd_method(const struct text_msg *m);

/* Whether a comma-separated list has this item, in any case. */
bool rtspd_list_has(struct slice list, struct slice item);

/* Whether who asks can read SDP (RFC 2326, 12.1): he says so, or says nothing. */
bool rtspd_accepts_sdp(const struct text_msg *m);

/* The first feature of Require and Proxy-Require (RFC 2326, 12.32) but `known`, if there is one:
 * 551 is to name it. known "": none is. */
bool rtspd_requires(const struct text_msg *m, struct slice known, struct slice *feature);

#endif
