/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two halves of the session's shell share: client.c has the turn of the loop and the media,
 * client_peers.c the nodes. */
#ifndef NEARCAST_CLIENT_CLIENT_IMPL_H
#define NEARCAST_CLIENT_CLIENT_IMPL_H

#include "client-failover/attach.h"
#include "client-failover/client.h"
#include "client-failover/failover.h"
#include "client-failover/playout.h"
#include "client-failover/report.h"
#include "client-failover/delivery.h"
#include "lib/loop.h"
#include "lib/sdp.h"
#include "lib/token.h"

#define LEAVING_MAX 16

/* An attachment of the failover core's, or its transaction. */
struct peer {
	int id; /* 0: free */
	struct attach *io;
	char node[FAILOVER_NODE];
	ns_t began;
};

struct client {
	struct client_conf conf;
	const struct client_sink *sink;
	void *arg;
	struct loop_timer *timer;
	struct failover *fo;
	struct playout *po;
	struct report report;

	char host[256];         /* of the URL */
	char token[TOKEN_TEXT]; /* of the last redirection, "": none */
	struct rtspc_who who;   /* goes from node to node */
	struct attach_conf io;
	struct delivery delivery;
	char cname[80];

	struct peer peer[FAILOVER_ATTS];
	char node[FAILOVER_NODE];            /* that gives the media, or did so last */
	struct peer asking;                  /* the transaction */
	struct attach *leaving[LEAVING_MAX]; /* they say goodbye */
	int leavings;

	char *sdp;
	size_t sdp_len;
	bool distrust; /* the SDP may be out of date: DESCRIBE again */
	int medias;

	ns_t srtt, rttvar;
	bool holes; /* packets before Nearcast-From are to be asked for singly */
	ns_t began, first_at, rr_at, level_at, stop_at, goodbye_at;
	uint64_t fresh; /* new packets of the attachment that takes over, this turn */

	bool ended, tail_done, stopping, over, gone, working;
	const char *stop_reason;
	struct addr source;
};

/* client.c */
void client_work(struct client *c); /* after anything has happened */

/* client_peers.c */
extern const struct attach_ops client_attach_ops;
void client_act(struct client *c, const struct failover_action *a, ns_t now);
struct peer *client_peer(struct client *c, int id); /* NULL: not there (any more) */
void client_transaction_end(struct client *c);
void client_rtt_sample(struct client *c, ns_t t);

#endif
