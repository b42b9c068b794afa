/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policies: which of the nodes that are as good as each other takes the next client. Each is a pure
 * function of the candidates and the query, and has a name by which a configuration or a profile
 * chooses it.
 *
 *	least-loaded      the least loaded. Nodes within POLICY_BAND of it are equals, as what is
 *	                  known of the load is an announcement old; among equals each client has
 *	                  an order of its own. So new clients spread over the equals, every ARN
 *	                  sends the same client to the same node, and a node that comes or goes
 *	                  moves nobody else.
 *	weighted          whatever the load is (as long as there is room), clients are shared out in
 *	                  proportion to the weights; a client always goes to the same node.
 *	two-choices       two are drawn by lot, the less loaded one takes it: nearly as even as
 *	                  least-loaded, and no old news makes all clients run to one node
 *	                  (Mitzenmacher, 2001). The lot is the client's address and port.
 *	consistent-hash   for caches: the same object is asked of the same node, unless that has more
 *	                  than its share of load (1 + bound times the mean, and a band): then the
 *	                  next in the object's order is asked (Mirrokni, Thorup and Zadimoghaddam,
 *	                  2016). A node that comes or goes moves only its own objects.
 *	channel-affinity  for live channels: a node that carries the channel already costs no bit rate
 *	                  upstream, so the least loaded of these takes it, unless all are past
 *	                  `affinity_limit`. Then, or when nobody carries it, the node is found by
 *	                  consistent-hash of the channel, so that all clients that come before the
 *	                  first announcement of it, to whatever ARN, still go to one node.
 *
 * An order of one's own is weighted rendezvous hashing (Thaler and Ravishankar; logarithmic
 * method) of the client or the path with the node's name.
 */
#ifndef ARN_POLICY_H
#define ARN_POLICY_H

#include "arn/select.h"

#define POLICY_BAND 0.05 /* of the capacity */

struct policy_candidate {
	const struct snapshot_node *node;
	double load; /* see struct select_verdict */
	bool carries;
	int index; /* in the snapshot */
};

/* All of the same rank, with room; n is 1 at least. */
struct policy_field {
	const struct policy_candidate *c;
	int n;
	const struct select_conf *conf;
};

struct select_policy {
	const char *name;
	const char *help;
	bool by_path;    /* the order among equals is the path's, not the client's */
	bool by_channel; /* it asks who carries the channel */
	/* Which of them; *by says what decided. */
	int (*choose)(const struct policy_field *f, const struct select_query *q, const char **by);
};

/* Ends with one without a name. */
extern const struct select_policy policies[];
/* "", for none, and then their names in the same order; ends with NULL. */
extern const char *const policy_choices[];
#define policy_names (policy_choices + 1)
/* NULL: there is none of this name. */
const struct select_policy *policy_find(struct slice name);

/* How high the node stands in the order that the policy has for this query. */
double policy_affinity(
	const struct select_policy *p, const struct snapshot_node *n, const struct select_query *q);

#endif
