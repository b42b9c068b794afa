/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two halves of the gateway's shell share: gateway.c has the process, the channels' failover
 * sessions and UDP, gateway_players.c the players' connections. */
#ifndef NEARCAST_CLIENT_GATEWAY_IMPL_H
#define NEARCAST_CLIENT_GATEWAY_IMPL_H

#include <sys/queue.h>

#include "client-failover/client.h"
#include "client-failover/failover.h"
#include "client-failover/gateway.h"
#include "client-failover/serve.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/stream.h"

/* The failover session of a channel. */
struct upstream {
	struct gateway *g;
	struct serve_channel *ch; /* NULL: nobody needs it any more */
	struct client *client;
	int refused; /* the last status that a node refused it with, or 0 */
	bool gone;   /* to be freed at the end of the turn */
	char url[FAILOVER_URL];
	TAILQ_ENTRY(upstream) entry;
};

struct player;
TAILQ_HEAD(player_list, player);

struct gateway {
	const struct options *opt;
	struct loop *loop;
	struct loop_signal *sig[2];
	struct loop_timer *timer;
	struct loop_turn *turn;
	struct listener *listener;
	struct addr anycast;
	int fd[2]; /* media over UDP: RTP, RTCP */
	struct loop_fd *watch[2];
	struct serve serve;
	TAILQ_HEAD(, upstream) upstreams;
	struct player_list players, dead; /* dead: to be freed at the end of the turn */
	int n_players;
	bool settle; /* a channel has changed: who waits for it is to be answered */
	bool ticking;
	bool stopping;
	ns_t stop_at;
	struct log_limit bad, full;
	char reply[SERVE_REPLY_MAX];
	uint8_t frame[4 + UINT16_MAX];
};

/* gateway.c */
/* A failover session for a channel that is new. */
void gateway_seek(struct gateway *g, struct serve_channel *ch);
void gateway_rearm(struct gateway *g); /* there may be something to be watched over */

/* gateway_players.c */
void players_accept(void *arg, int fd, const struct addr *peer); /* arg: the gateway */
/* serve_io's part. */
bool players_frame(void *arg, void *shell, uint8_t channel, const uint8_t *p, size_t n);
/* The channel's source has ended: its players' connections end a little later. */
void players_end(struct serve_channel *ch, ns_t now);
void players_settle(struct gateway *g);
void players_tick(struct gateway *g, ns_t now);
void players_stop(struct gateway *g); /* the process ends */
void players_reap(struct gateway *g); /* frees those that are dead */
void players_free(struct gateway *g); /* all */

#endif
