/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a player that joins late begins, so that it has a picture at once: with the newest key
 * frame that the ring still has (keyframe.h), and in the other media with what belongs to its time.
 *
 * Which time a packet is of, media tell each other by the origin's sender reports (RFC 3550, 6.4.1:
 * NTP and RTP timestamps of one instant). Before the first reports, when they came has to do.
 */
#ifndef NEARCAST_SN_ENTRY_H
#define NEARCAST_SN_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "sn-agent/channel.h"

/* media: which are played, a bit each. first[i]: the number that medium i is to begin with, or -1:
 * with what is live. False: that is so for all of them, since no key frame is known or the ring has
 * it no more. */
bool entry_at_key(const struct channel *ch, unsigned media, int64_t first[SDP_MAX_MEDIA]);

#endif
