/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a session more is let in: by the node's own capacity, and, when it is a neighbour's, by the
 * budget of the link to it (budget.h, row F4). Pure.
 */
#ifndef NEARCAST_SN_ADMISSION_H
#define NEARCAST_SN_ADMISSION_H

#include "sn-agent/rtsp_request.h"

/* 0, or the status to refuse it with: 453 (not enough bandwidth) or 503. */
int admission_check(struct request *q, const struct channel *ch);
/* False: a neighbour asks through its tunnel, and the link to it has no room for the channel. */
bool admission_fits_link(struct request *q, const struct channel *ch);
/* Who asks, if it is a node: whose tunnel the connection came through (true, it is certain), or else
 * the last name of Nearcast-Via, where a node writes itself last. "": it is no node. */
bool admission_node(const struct request *q, char name[64]);
/* The channel that a client asks for could not be had for want of bandwidth: ARNs are to hear of it. */
void admission_refused(struct request *q);

/* What channels take that a neighbour has through its tunnel; kbit/s of the link, 0: unlimited. */
uint64_t admission_link(struct rtsp *r, const char *node, struct budget_use *use);

#endif
