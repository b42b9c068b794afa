/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SDP (RFC 8866), as much of it as RTSP needs; what we do not know is kept and passed on. */
#ifndef NEARCAST_SDP_H
#define NEARCAST_SDP_H

#include <stdint.h>

#include "lib/sbuf.h"
#include "lib/slice.h"

#define SDP_MAX_MEDIA 8
#define SDP_MAX_SIZE  16384

struct sdp_media {
	struct slice kind;    /* "video", "audio", … */
	struct slice control; /* a=control of the media; "" when missing */
	struct slice
		encoding;    /* "H264", "MP2T", "MPEG4-GENERIC"; from rtpmap or the static table */
	struct slice fmtp;   /* of that format (RFC 8866, 6.15): its parameters; "" */
	uint8_t pt;          /* the first format */
	uint32_t clock_rate; /* Hz; 90000 when unknown */
};

struct sdp {
	struct slice name;    /* s= */
	struct slice control; /* a=control of the session; "" when missing */
	struct sdp_media media[SDP_MAX_MEDIA];
	int medias;
	/* b=AS (5.8), kbit/s: of the session, and of all media together; 0: it does not say. */
	uint64_t session_kbps, media_kbps;
};
/* What the whole takes by its own account, kbit/s; 0: not known. */
static inline uint64_t sdp_kbps(const struct sdp *s)
{
	return s->session_kbps ? s->session_kbps : s->media_kbps;
}

/* Slices point into `text`. 0; -EINVAL malformed or no media; -E2BIG too many media or bytes. */
int sdp_parse(struct sdp *s, struct slice text);

/* Both describe the same media in the same coding: what can play the one can play the other. */
bool sdp_alike(const struct sdp *a, const struct sdp *b);

/*
 * Rewrites a publisher's (or upstream's) SDP into what this node tells its clients: connection
 * address and ports zeroed, a=control:* for the session, a=control:trackID=N for media N,
 * bandwidth, rtpmap, fmtp and everything else untouched. 0 or -EINVAL, -ENOSPC.
 */
int sdp_rewrite(struct sbuf *out, struct slice text);

#endif
