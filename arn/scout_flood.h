/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scout that need not look (row H4): ARNs of other sites say where their nodes are, and what load they
 * have (arn/flood.h), so both come to far.h from there, a distance of one step for each ARN between. All
 * are named as they come, again with each refresh; far.h keeps the nearest, and has only those asked that
 * are in the area, for the latency of the path.
 *
 * Configured nodes are candidates beside these, as they may be of sites whose ARNs tell nothing; what is
 * told of one of them is its load, and no more.
 */
#ifndef ARN_SCOUT_FLOOD_H
#define ARN_SCOUT_FLOOD_H

#include "arn/far.h"
#include "arn/flood.h"
#include "arn/scout.h"

extern const struct scout_ops scout_flood;

/* scout: of this method; NULL: no node is configured. */
void scout_flood_node(struct far *far, const void *scout, const struct flood_news *news, ns_t now);
void scout_flood_gone(struct far *far, const void *scout, const struct addr *control, ns_t now);
bool scout_flood_has(const void *scout, const struct addr *control); /* it is configured */

#endif
