/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One attachment of this node to one upstream, for one channel: an RTSP connection with rtspc.h's
 * core on it, and a UDP port pair for each medium. Which upstream, and when, is upstream.h's; what
 * is done with the packets is feed.c's.
 */
#ifndef NEARCAST_SN_ATTACHMENT_H
#define NEARCAST_SN_ATTACHMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/rtp.h"
#include "lib/slice.h"
#include "sn-agent/warm.h"

struct attachment;

/* The attachment may be freed from any of these. */
struct attachment_ops {
	void (*described)(void *arg, struct attachment *a, struct slice sdp);
	void (*playing)(void *arg, struct attachment *a);
	void (*rtp)(void *arg, struct attachment *a, int medium, const uint8_t *p, size_t n);
	void (*rtcp)(void *arg, struct attachment *a, int medium, const uint8_t *p, size_t n);
	void (*batch)(void *arg, struct attachment *a); /* after some of the two */
	/* The upstream has the channel by way of these (via.h). */
	void (*path)(void *arg, struct attachment *a, struct slice names);
	void (*ended)(void *arg, struct attachment *a, const int64_t *last);
	/* It is over: status as the upstream refused, or 0. */
	void (*failed)(void *arg, struct attachment *a, int status, const char *why);
	/* The number to play a medium from. */
	struct rtp_from (*from)(void *arg, int medium);
};

struct attachment_conf {
	struct loop *loop;
	struct addr node, addr; /* the upstream's RTSP; ours, port 0 */
	struct warm *warm;
	const char *path, *via, *software;
	const char *source; /* of the channel, in the overlay; "": it has none */
	struct slice sdp;   /* known from before: not asked for again, plays at once; or n 0 */
};

/* The strings are borrowed for the call. NULL: it cannot be begun. */
struct attachment *attachment_new(
	const struct attachment_conf *conf, const struct attachment_ops *ops, void *arg);
/* To be called once the maker knows it: from here on callbacks come. */
void attachment_start(struct attachment *a);
/* With TEARDOWN when it plays. */
void attachment_free(struct attachment *a);
/* It was described: play. failed() may come from within. */
void attachment_play(struct attachment *a);
bool attachment_plays(const struct attachment *a); /* asked for it, or does */
ns_t attachment_rtt(const struct attachment *a);   /* of PLAY's flight */
void attachment_rtcp(struct attachment *a, int medium, const uint8_t *p, size_t n);
void attachment_tick(struct attachment *a, ns_t now);
ns_t attachment_when(const struct attachment *a);

#endif
