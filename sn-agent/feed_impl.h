/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two halves of feed.h share: feed_nodes.c knows the nodes that can be asked, feed.c has the
 * subscriptions. */
#ifndef NEARCAST_SN_FEED_IMPL_H
#define NEARCAST_SN_FEED_IMPL_H

#include "lib/log.h"
#include "sn-agent/attachment.h"
#include "sn-agent/feed.h"
#include "sn-agent/via.h"
#include "sn-agent/warm.h"

struct node {
	char name[64];
	struct addr addr, local; /* its RTSP server; ours toward it, port 0 */
	struct warm *warm;
	struct source *source;
	int index;
};

/* Where channels are subscribed at: the configured upstream nodes, the places of one origin, or the
 * neighbours of the overlay. */
struct source {
	struct feeds *fs;
	char key[CHANNEL_ORIGIN]; /* "": the configured ones */
	int refs;                 /* of an origin: ports bound to it, and feeds */
	struct node node[UPSTREAM_NODES];
	struct upstream_nodes nodes;
	struct source *next;
};

struct feeds {
	struct loop *loop;
	const char *name, *software;
	struct addr addr;
	struct channels *channels;
	struct relay *relay;
	const struct feed_ops *ops;
	void *arg;
	struct source own, overlay;
	struct source *origins;
	struct feed *first;
	struct feed_counters count;
	struct log_limit failures;
};

struct feed {
	struct feeds *fs;
	struct source *source;
	struct channel *ch;
	struct upstream core;
	struct attachment *at[2];
	struct rtp_from
		counted[SDP_MAX_MEDIA]; /* by whose numbers each medium's gaps are counted */
	struct loop_timer *timer;
	uint32_t ssrc; /* ours, in feedback */
	bool routed;   /* by the overlay, toward */
	struct addr toward;
	char toward_text[ADDR_STRLEN];
	char through[2][VIA_NAMES];     /* what the node of each slot has it through */
	int64_t mark[2][SDP_MAX_MEDIA]; /* the newest when it was asked */
	bool ended;                     /* the source has: nothing is to be replaced any more */
	bool told;                      /* and that has been said */
	bool running;                   /* actions of the core are being done */
	ns_t end_by, nacked_at, retry, sought;
	struct feed *next;
};

static inline ns_t feed_now(const struct feed *f)
{
	return loop_now(f->fs->loop);
}

/* feed_nodes.c: a feed lets go of where it subscribed; of an origin that nobody needs nothing stays. */
void feed_source_unref(struct source *so);
/* Where the channels of an origin are subscribed at; NULL. */
struct source *feed_source_find(struct feeds *fs, const char *key);

/* feed.c: subscriptions at the neighbour `index`, which is no more, look for another. */
void feed_forsake(struct feeds *fs, int index);

#endif
