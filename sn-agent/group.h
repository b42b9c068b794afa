/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Multicast to players: one copy of a channel on the node's own network, however many play it there
 * (rows E2 and I1; patent, figure 8). A channel's group has one address out of a configured range
 * and two ports a medium, RTP's and RTCP's; it is fed like any other receiver of the relay, for as
 * long as a session uses it.
 *
 * A session comes to a group in one of two ways:
 *
 *	(none) ── SETUP with multicast ──> (set up) ── PLAY ──> (plays)        any player, RFC 2326
 *	(none) ── told to join ──> (offered) ── says that it hears it ──> (hears)    nearcast clients
 *	   ^                           │ in vain                              │ silence
 *	   └───────────────────────────┴──── unicast, and not again soon <────┘
 *
 * The second kind plays over unicast as ever until it hears the group, and does so again when it
 * hears it no more: nothing depends on what the network between does with multicast. Its receiver
 * is only silenced (`quiet`), not removed, so that NACKs are still answered to it alone.
 *
 * A core: no sockets and no clock.
 */
#ifndef NEARCAST_SN_GROUP_H
#define NEARCAST_SN_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "sn-agent/relay.h"
#include "sn-agent/session.h"

#define GROUP_PATIENCE (5 * NS_S)  /* with one that was told and does not say that it hears */
#define GROUP_BAR      (60 * NS_S) /* it is not told again before */
#define GROUP_BITS     16          /* at most so many bits of the range are used */
#define GROUP_PREFIXES 16

struct groups_conf {
	char node[64];       /* its name: nodes of one LAN take different groups for one channel */
	struct prefix range; /* of the groups; family 0: no multicast */
	uint16_t port;       /* even; medium i has port + 2i */
	uint8_t ttl;
	struct prefix clients[GROUP_PREFIXES]; /* who can be reached by multicast */
	int n_clients;
	int threshold; /* players of a channel that could join: from so many on they are told to */
};

/* A channel's. */
struct group {
	struct groups *of;
	struct channel *channel;
	struct addr addr; /* with the first medium's port */
	struct receiver rx[SDP_MAX_MEDIA];
	int users;   /* sessions that point here */
	int flowing; /* those of them that it flows for: all but those that only set it up */
	void *shell; /* the owner's, for its RTCP */
	struct group *next;
};

struct group_ops {
	void (*begins)(void *arg, struct group *g); /* it flows from now on */
	void (*ends)(void *arg, struct group *g);
};

struct groups {
	struct groups_conf conf;
	struct relay *relay;
	const struct group_ops *ops;
	void *arg;
	struct group *first;
	int n;
	uint64_t offers, heard, in_vain; /* sessions, ever */
};

/* ops may be NULL. relay is borrowed. */
void groups_init(struct groups *g, const struct groups_conf *conf, struct relay *relay,
	const struct group_ops *ops, void *arg);

/* Whether who is there can be sent to by multicast. */
bool groups_reach(const struct groups *g, const struct addr *client);
/* Where the packets of a medium go to. */
struct addr group_rtp(const struct group *g, int medium);
struct addr group_rtcp(const struct group *g, int medium);
/* The channel's, if it has one now. */
struct group *groups_of(const struct groups *g, const struct channel *ch);

/* SETUP with multicast: the session's group, or NULL: all addresses of the range are taken. */
struct group *group_set_up(struct groups *g, struct session *s, ns_t now);
void group_play(struct session *s, ns_t now);
/* It does not play any more; one that asked for the group keeps it. */
void group_stop(struct session *s, ns_t now);
/* It has nothing to do with the group any more. */
void group_leave(struct session *s, ns_t now);

/* The client says that it hears the group (or no more): its unicast packets end (or go on). False:
 * it was not told of any. */
bool group_heard(struct session *s, bool hears, ns_t now);

/* What time brings: who is to be told of a group now, each once, by tell(); and who has not heard
 * it in time. To be called a few times a second. */
void groups_tick(struct groups *g, struct channels *channels, struct sessions *t, ns_t now,
	void (*tell)(void *arg, struct session *s), void *arg);

#endif
