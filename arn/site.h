/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No service (row A3): an ARN that knows no usable node takes itself away, so that the network sends
 * its clients to another site, if it knows that another site serves; else it stays, and says 503.
 *
 * A site serves while its block is up and it has a usable node of its own. It says so to the sites
 * that it is configured with, at intervals and at each change; who was not heard for `misses`
 * intervals counts as not serving. "fall" is twice that, and how long this one has to be without a
 * node, and another site has to serve, before it goes. It returns when it has had one for the hold,
 * or at once when no other site serves any more. Who goes and comes and goes has to hold ever
 * longer.
 *
 * What holds, while a message takes less than a timeout, whatever is lost: the sites never all go
 * because of each other. Of those that are away let X be the one whose nodes were lost last. When it
 * went, a fall later, it had heard within a timeout that some Y served, after the loss of its own
 * nodes; so Y, if it is away, lost its nodes after X. (tests/unit/check_site.c)
 *
 * A core: what others say, whether there is a node, and `now` in; "away" out.
 */
#ifndef ARN_SITE_H
#define ARN_SITE_H

#include <stdbool.h>

#include "lib/clock.h"
#include "lib/wire.h"

#define SITE_MAX          64          /* ARNs of other sites */
#define SITE_MAX_INTERVAL (10 * NS_S) /* longer ones count as that */

struct site_conf {
	ns_t interval; /* between own words */
	int misses;    /* of an ARN's own intervals, until it counts as not serving */
	ns_t hold, hold_max;
};

struct site_peer {
	char id[ANNOUNCE_ID_LEN];
	bool serves;
	ns_t interval, heard_at, expires;
};

struct site {
	struct site_conf conf;
	struct site_peer peer[SITE_MAX];
	int n;
	bool usable;   /* there is a node */
	ns_t since;    /* of that */
	ns_t others;   /* since when another site serves; NS_NEVER: none does */
	bool away;     /* the outcome */
	ns_t turned;   /* when that last changed */
	int strikes;   /* times that it went, of late */
	uint64_t went; /* ever */
};

void site_init(struct site *s, const struct site_conf *c, ns_t now);
void site_set_usable(struct site *s, bool usable, ns_t now);
/* An authentic word of another site's ARN. 0; -ENOSPC: more than SITE_MAX of them. */
int site_hear(struct site *s, const char *id, bool serves, uint32_t interval_ms, ns_t now);
/* To be called after any of these and at site_when(). True: `away` has changed. */
bool site_step(struct site *s, ns_t now);
ns_t site_when(const struct site *s, ns_t now);
/* How many ARNs of other sites serve. */
int site_serving(const struct site *s, ns_t now);

#endif
