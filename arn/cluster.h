/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This ARN among the others of its LAN: announces it, hands their announcements and the ends of
 * their connections (peers.h) to the election (election.h), and tells the worker when it became
 * master or backup.
 */
#ifndef ARN_CLUSTER_H
#define ARN_CLUSTER_H

#include "arn/discovery.h"
#include "arn/election.h"
#include "arn/peers.h"

struct cluster_conf {
	const char *name, *interface; /* borrowed */
	struct addr addr;             /* AF_UNSPEC: the interface's first of the block's family */
	struct election_conf election;
	uint16_t port;                /* of connections to and from other ARNs, 0: none */
	ns_t skew;                    /* of clocks, for their greetings */
	const struct wire_keys *keys; /* borrowed; may be changed in place */
};

struct cluster_counters {
	uint64_t sent; /* announcements of this ARN */
	uint64_t elected;
};

struct cluster;
/* cb: the outcome has changed, mastership or what is owned; see cluster_election(). NULL without memory. */
struct cluster *cluster_new(
	struct loop *l, const struct cluster_conf *c, void (*cb)(void *arg), void *arg);
void cluster_free(struct cluster *c);
/* Begins to announce; d is borrowed until cluster_free(). */
void cluster_start(struct cluster *c, struct discovery *d);
void cluster_set_able(struct cluster *c, bool able); /* election_set_able() */
void cluster_set_misses(struct cluster *c, int misses);
void cluster_goodbye(struct cluster *c); /* the last word; silent from now on */

/* For discovery_conf: what ARNs announce, and "the interface may have another address". */
int cluster_hear(void *cluster, const struct announce *a, enum wire_type type);
void cluster_look(void *cluster);

const struct election *cluster_election(const struct cluster *c);
const struct peers *cluster_peers(const struct cluster *c);
const struct cluster_counters *cluster_counters(const struct cluster *c);

#endif
