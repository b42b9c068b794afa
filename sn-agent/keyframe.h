/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key frames: from which packets of a medium on a decoder can show pictures. Pure: each packet is
 * looked at once, when it comes, and the newest place is remembered, so that it costs a player
 * that joins nothing to find it.
 *
 *	H.264 (RFC 6184)    an IDR picture, or a recovery point that needs no others (D.1.8 of
 *	                    H.264), alone, in a STAP or at the begin of a FU
 *	H.265 (RFC 7798)    an IRAP picture: likewise, in an AP or FU
 *	MPEG-TS (RFC 2250)  the begin of a video PES with random_access_indicator, from the last
 *	                    PAT before it on
 *
 * What belongs to it before it (parameter sets, delimiters) has the same RTP timestamp: entry.h goes
 * back to there.
 */
#ifndef NEARCAST_SN_KEYFRAME_H
#define NEARCAST_SN_KEYFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/rtp.h"
#include "lib/slice.h"

enum keyframe_codec { KEYFRAME_NONE, KEYFRAME_H264, KEYFRAME_H265, KEYFRAME_TS };

struct keyframe {
	enum keyframe_codec codec; /* NONE: any packet is as good as the other, or we cannot tell */
	int64_t seen;              /* highest number; -1 */
	int64_t tables;            /* MPEG-TS: of the last PAT; -1 */
	int64_t at;                /* the newest key frame: number of its packet; -1: none yet */
	uint32_t ts;               /* that packet's RTP timestamp */
};

/* The codec by its name in SDP ("H264", "MP2T"), of any case. */
enum keyframe_codec keyframe_codec(struct slice encoding);
/* Forgets what was. */
void keyframe_init(struct keyframe *k, enum keyframe_codec codec);
/* The packet with this (extended) number is new. What comes out of order changes nothing. */
void keyframe_see(struct keyframe *k, int64_t seq, const struct rtp *p);

#endif
