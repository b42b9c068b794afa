/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's RTSP (RFC 2326), as a core: a parsed request and `now` in, the answer's text out, and
 * what the shell is to do beside writing it. Sessions, channels and receivers are changed here;
 * sockets are not touched.
 *
 * A request for a channel that the node has not got cannot be answered before an upstream node has
 * been asked: the core then answers RTSP_WAIT and nothing has changed but that the channel is being
 * sought. The shell hands in the same request again when the channel's state has changed; requests
 * behind it on the connection wait with it, since answers go out in order.
 *
 * Toward peers that say "Supported: nearcast.failover" there are, beyond RFC 2326:
 *	Pipelined-Requests: N  (RFC 7826, 18.33) in place of a Session not yet known
 *	Nearcast-From: SEQ;ssrc=SSRC  in SETUP: play this medium from that number of that source on
 *	                       (";packet=N" too: of a film, whose numbers mean a place in it)
 *	Nearcast-Start: keyframe  in SETUP: play from the newest key frame on, as others do anyway
 *	Nearcast-Via: A, B     nodes that the request has come through; a loop is refused with 482
 *	Nearcast-Source: ADDR  from a neighbour of the overlay: where the channel's source is
 *	Nearcast-Path: A, B    in answers to nodes, and when it changes: what the channel comes through
 *	Nearcast-Session: T    from us, and back at the next node: the session's identity
 *	Authentication-Info    (RFC 7616, 3.5) from us: the nonce for the next node
 *	PLAY_NOTIFY            (RFC 7826, 13.5.1) from us: the source's end, with its numbers;
 *	                       to one that says "nearcast.multicast" also: a group to join
 *	Nearcast-Delivery: X   in SET_PARAMETER: it hears the group (multicast), or no more (unicast)
 */
#ifndef NEARCAST_SN_RTSP_H
#define NEARCAST_SN_RTSP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/sbuf.h"
#include "lib/text.h"
#include "sn-agent/allot.h"
#include "sn-agent/budget.h"
#include "sn-agent/channel.h"
#include "sn-agent/group.h"
#include "sn-agent/library.h"
#include "sn-agent/relay.h"
#include "lib/token.h"
#include "sn-agent/nonces.h"
#include "sn-agent/session.h"
#include "sn-agent/sources.h"
#include "sn-agent/upstream.h"
#include "sn-agent/users.h"

#define RTSP_FEATURE      "nearcast.failover"
#define RTSP_GROUPS       "nearcast.multicast"  /* feature: can be told to join a group */
#define RTSP_REPLY_MAX    (SDP_MAX_SIZE + 4096) /* room that an answer needs */
#define RTSP_CONN_MAX     8                     /* sessions of one connection */
#define RTSP_PREFIXES_MAX 16

#define RTSP_NODE_PLACES 16 /* past the capacity, for other nodes */
#define RTSP_NODE_PART   8  /* and this part of the bit rate */

#define RTSP_REFUSALS (10 * NS_S) /* ARNs hear of a refusal for that long */

/* Who may have a channel (access.h). */
enum access_mode { ACCESS_OFF, ACCESS_OPTIONAL, ACCESS_REQUIRED };
/* Who has to be a user. */
enum access_asked { ASKED_ALL, ASKED_PLAYERS, ASKED_PUBLISHERS };
/* What came of a request that had to be a user's. */
enum access_login {
	LOGIN_OK,
	LOGIN_MISSING,   /* it said nothing: it was challenged */
	LOGIN_MALFORMED, /* no credentials, or of a scheme or algorithm that we do not offer */
	LOGIN_WRONG,     /* no such user, or another password */
	LOGIN_STALE,     /* the password is right, the nonce too old or not ours */
	LOGIN_REPLAYED,  /* likewise, and it has been used so before */
	LOGIN_STATES
};
struct rtsp_access {
	enum access_mode mode;
	const struct wire_keys *keys;             /* of tokens; borrowed */
	struct prefix trusted[RTSP_PREFIXES_MAX]; /* who needs none */
	int n_trusted;

	const struct users_source *source; /* NULL: nobody has to be a user */
	const void *users;                 /* its list; borrowed */
	enum access_asked asked;
	char realm[64];
	char publishers[512];               /* users who may publish; "": all of them */
	const struct wire_keys *nonce_keys; /* borrowed; the first makes nonces */
	int64_t nonce_lifetime;             /* s */
};

struct rtsp_conf {
	char name[64];     /* this node's, as in Nearcast-Via */
	char software[64]; /* Server: */
	struct addr addr;  /* media leave from it */
	uint16_t rtp_port; /* even; RTCP is the next */
	ns_t session_timeout;
	struct prefix publishers[RTSP_PREFIXES_MAX]; /* who may ANNOUNCE */
	int n_publishers;
	struct rtsp_access access;
	int64_t max_sessions, max_kbps; /* 0: unlimited; nodes may go beyond */
	bool has_upstreams;             /* an unknown channel is worth asking for */
	const struct library *library;  /* which paths are films; borrowed */
	int libraries;
	bool start_at_key;      /* who does not fail over begins with a key frame (entry.h) */
	struct sources sources; /* where in the overlay channels come from */
	struct budget budget;
	struct {
		char node[64];
		uint64_t kbps;  /* 0: unlimited */
	} link[UPSTREAM_NODES]; /* to neighbours */
	int links;
};

struct rtsp {
	struct rtsp_conf conf;
	struct channels *channels;
	struct relay *relay;
	struct sessions sessions;
	struct groups groups;
	uint64_t (*random)(void);      /* 64 unguessable bits */
	struct allot *allot;           /* channels that have a number; NULL: none */
	bool draining;                 /* no new sessions */
	uint64_t kbps;                 /* sent now, and what sessions that have begun will add */
	uint32_t attached;             /* sessions of clients that have begun, ever */
	int64_t wall;                  /* seconds since 1970, set before each request */
	uint64_t tokens[TOKEN_ERRORS]; /* looked at, by what they were */
	uint64_t logins[LOGIN_STATES]; /* requests that had to be a user's, likewise */
	struct nonces nonces;
	struct refusals
		refusals; /* of channels, to clients, for want of bandwidth on the way here */
	uint64_t counted; /* stamps channels while they are counted, each once */
	uint64_t requests, refused_capacity, refused_budget, refused_loop, errors_4xx, errors_5xx;
};

/* What the port that a connection came to is bound to (row B6): paths are this origin's, and all
 * of them mean `channel` if there is one. Or the end of a tunnel, where only that neighbour is. */
struct rtsp_scope {
	char origin[CHANNEL_ORIGIN];
	char channel[CHANNEL_PATH]; /* "": the client's own path */
	char neighbour[64];         /* "": anybody */
	struct addr addr; /* of the tunnel's end, which media leave from; family 0: the usual */
	struct addr peer; /* of its other end, the only one served; family 0: everybody is */
};

/* What a connection has been let have, and who it is. */
struct rtsp_admission {
	char path[CHANNEL_PATH]; /* by a token; "": nothing */
	char session[17];        /* the identity that the token gives it, hexadecimal */
	char user[USERS_NAME];   /* "": not known */
	int wrong;               /* passwords, so far */
};

/* A client's connection. Zeroed, then peer and shell are set. */
struct rtsp_conn {
	struct addr peer;
	void *shell;                    /* the shell's object: receivers' conn over TCP */
	const struct rtsp_scope *scope; /* NULL: it came to the usual port */
	struct session *first;          /* its sessions, by of_conn */
	struct session *publish;        /* announced over it */
	struct rtsp_admission admitted;
	uint32_t cseq; /* of our own requests (PLAY_NOTIFY) */
};

enum rtsp_action {
	RTSP_SEEK = 1,      /* `channel` is new: ask the upstreams for it */
	RTSP_WAIT = 2,      /* no answer yet: ask again when `channel` has changed */
	RTSP_PLAYED = 4,    /* `session` plays now */
	RTSP_PAUSED = 8,    /* `session` does not play any more */
	RTSP_RECORDED = 16, /* `session` publishes now */
	RTSP_TEARDOWN = 32, /* `session` is to be ended with rtsp_end */
	RTSP_CLOSE = 64,    /* the connection is to be closed after the answer */
	RTSP_LOOK = 128,    /* with RTSP_WAIT: until the place that `session` looks for is found */
};

struct rtsp_reply {
	struct sbuf text; /* the caller's memory, RTSP_REPLY_MAX; nothing in it: no answer is due */
	unsigned actions;
	int status;
	struct session *session;
	struct channel *channel;
};

void rtsp_init(struct rtsp *r, const struct rtsp_conf *conf, struct channels *channels,
	struct relay *relay, uint64_t (*random)(void));

/* Handles one message of a connection; responses of the peer are ignored. */
void rtsp_request(struct rtsp *r, struct rtsp_conn *c, const struct text_msg *m, ns_t now,
	struct rtsp_reply *out);
/* What came is no message at all: an answer with `status` (400, 408, 413) that closes. */
void rtsp_reject(struct rtsp *r, int status, struct rtsp_reply *out);

/* Ends a session: it is freed. A publisher's channel ends if `torn_down`, else after the grace.
 * Returns the channel if it has ended with that, or NULL. */
struct channel *rtsp_end(struct rtsp *r, struct session *s, bool torn_down, ns_t now);
/* Whether a session of the connection looks for the place that its PLAY waits for (RTSP_LOOK). It does
 * not any more when another connection has ended or paused it. */
bool rtsp_looks(const struct rtsp_conn *c);
/* Stops playing, as PAUSE does. */
void rtsp_stop(struct rtsp *r, struct session *s, ns_t now);

/* PLAY_NOTIFY that tells the session's client to join its group. */
void rtsp_notify_group(struct rtsp *r, struct session *s, struct sbuf *out);
/* PLAY_NOTIFY end-of-stream for a nearcast session. */
void rtsp_notify_end(struct rtsp *r, struct session *s, struct sbuf *out);
/* PLAY_NOTIFY path-change for a node's: what the channel comes through has changed. */
void rtsp_notify_path(struct rtsp *r, struct session *s, struct sbuf *out);
/* Whether it is a node's that wants to be told. */
bool rtsp_is_nodes(const struct session *s);

/* Which session and medium an interleaved channel number of the connection is; rtcp: the odd one.
 * NULL: none. */
struct session *rtsp_conn_channel(
	const struct rtsp_conn *c, uint8_t channel, int *medium, bool *rtcp);

/* Parses "10.0.0.0/8, ::/0" into out[RTSP_PREFIXES_MAX]: count, or -EINVAL, -E2BIG. "" is 0. */
int rtsp_prefixes(const char *text, struct prefix *out);

#endif
