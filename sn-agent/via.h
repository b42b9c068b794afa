/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins without circles. A node that asks for a channel names the nodes that its request has come
 * through (Nearcast-Via); a node that has the channel names those that it comes through (Nearcast-Path:
 * itself first, the source last), and says so again whenever that changes. Where the two meet, the
 * channel would flow in a circle, cut off from its source: the request is refused.
 *
 * Two nodes may each be about to join below the other, in the moment before either path says so. Of
 * direct neighbours the one with the lower name goes on, and refuses the other. A longer circle that
 * closes in such a moment is seen as soon as the paths have gone round it, since a node finds itself
 * in the path that it is told: it leaves. Packets never go round: what a ring has is not passed on.
 *
 * Lists are as in the headers: names, with commas between. Pure.
 */
#ifndef NEARCAST_SN_VIA_H
#define NEARCAST_SN_VIA_H

#include <stdbool.h>

#include "lib/slice.h"

#define VIA_NAMES 512 /* bytes of a list, the NUL included */

/* Whether the lists have a name in common. */
bool via_meet(struct slice a, struct slice b);
/* Whether a request that came through `via` is to be refused by `self`, which has (or seeks) the
 * channel by `path` ("": it is the source, or has none) and is asking `trying` ("": nobody). */
bool via_refuses(const char *self, struct slice via, const char *path, const char *trying);
/* One list behind the other, as a request is passed on (via, then self) or a path told (self, then
 * path); either may be "". False: too long, and out is "". */
bool via_join(char out[VIA_NAMES], const char *a, const char *b);

#endif
