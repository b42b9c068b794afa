/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions: who plays a channel or publishes one, found by its id (RTSP) or by the address that its
 * packets come from (all UDP clients share one port pair of ours). A session belongs to the RTSP
 * connection that made it and ends with it. Pure: what sessions do is decided in rtsp.c.
 */
#ifndef NEARCAST_SN_SESSION_H
#define NEARCAST_SN_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/account.h"
#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/rtp.h"
#include "lib/sdp.h"
#include "lib/slice.h"
#include "sn-agent/channel.h"
#include "sn-agent/relay.h"
#include "sn-agent/users.h"

#define SESSION_ID      16  /* hexadecimal digits */
#define SESSION_URL     512 /* bytes of its presentation's URL, the NUL included */
#define SESSION_BUCKETS 4096

struct rtsp_conn;
struct group;

/* An address that a session's packets come from. */
struct peer {
	struct addr addr;
	struct session *session;
	int medium;
	bool rtcp;
	bool known; /* it is in the table */
	struct peer *next;
};

struct session_medium {
	bool set_up;
	struct rtp_from from; /* Nearcast-From */
	struct receiver rx;
	struct peer peer[2]; /* UDP: RTP's, RTCP's */
};

enum session_state { SESSION_INIT, SESSION_READY, SESSION_PLAYING, SESSION_RECORDING };

/* How a session takes part in its channel's group (group.h). */
enum share { SHARE_NONE, SHARE_SET_UP, SHARE_PLAYS, SHARE_OFFERED, SHARE_HEARS };

/* What a publisher announced; its SDP's slices point into text. */
struct announced {
	struct sdp sdp;
	size_t len;
	char text[];
};

struct session {
	uint64_t id;
	char id_text[SESSION_ID + 1];
	char identity[17];     /* across nodes, as its token says (lib/token.h); else the id */
	char user[USERS_NAME]; /* as authenticated, "": nobody asked */
	enum session_state state;
	bool publisher;
	bool nearcast; /* the peer takes part in failover */
	bool told_end; /* PLAY_NOTIFY or BYE was sent */
	bool spoke;    /* has been an event */
	bool can_join; /* it may be told to join a group */
	struct group *group;
	enum share share; /* in it; SHARE_NONE: it has none */
	ns_t share_since, no_group_before;
	struct channel *channel;
	struct announced *announced; /* publisher */
	struct session_medium m[SDP_MAX_MEDIA];
	char url[SESSION_URL];        /* of the presentation, as the client calls it */
	char pipelined[24];           /* its Pipelined-Requests, "" */
	char node[64];                /* the peer is this node (Nearcast-Via), "" */
	bool by_tunnel;               /* and that is certain: it came through its tunnel */
	struct addr client;           /* of its connection */
	struct rtsp_conn *conn;       /* that it belongs to */
	struct session *of_conn;      /* next of the same connection */
	struct session *next, **prev; /* all */
	struct session *same_bucket;
	ns_t active; /* last sign of life */
	ns_t started, played;
	struct {
		int64_t wall;             /* when it began to count, ms since 1970; 0: not yet */
		ns_t until, served;       /* it was there until; for so long in all */
		ns_t gap;                 /* of the agent's, until then */
		uint64_t packets, bytes;  /* of its channel when it began (publisher) */
		struct account_sum count; /* of what it got until then */
	} account;
};

struct sessions {
	struct session *first;
	int players, publishers;
	struct session *by_id[SESSION_BUCKETS];
	struct peer *by_addr[SESSION_BUCKETS];
};

void sessions_init(struct sessions *t);
/* NULL: no memory, or the id is taken. */
struct session *session_new(struct sessions *t, uint64_t id, bool publisher, ns_t now);
/* It must have let go of its channel and connection (rtsp_end). */
void session_free(struct sessions *t, struct session *s);
struct session *sessions_find(const struct sessions *t, struct slice id_text);

/* Its packets of that medium come from these. False: another session has one of the addresses,
 * and nothing has changed. */
bool session_set_peers(
	struct sessions *t, struct session *s, int medium, struct addr rtp, struct addr rtcp);
void session_clear_peers(struct sessions *t, struct session *s, int medium);
struct peer *sessions_peer(const struct sessions *t, const struct addr *a, bool rtcp);

/* The first from `s` on (NULL: none) without a sign of life for `timeout`, or NULL. */
struct session *session_silent(struct session *s, ns_t timeout, ns_t now);

const char *session_state_str(enum session_state s);

#endif
