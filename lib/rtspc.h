/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RTSP client's core (RFC 2326; Pipelined-Requests, PLAY_NOTIFY and feature tags as in
 * RFC 7826): attaches to a channel at a service node or follows a redirection. Used by
 * client-failover and by sn-agent toward its upstream. Bytes in, bytes and events out: the shell
 * owns the TCP connection and the UDP sockets.
 *
 * One instance is one attachment at one node. Toward a nearcast node (known SDP, or one that
 * answered "Supported: nearcast.failover") SETUP of all media and PLAY go out in one flight, so
 * that attaching costs connect + 1 RTT (connect + 2 RTT when DESCRIBE is needed).
 */
#ifndef NEARCAST_RTSPC_H
#define NEARCAST_RTSPC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/rtp.h"
#include "lib/sdp.h"
#include "lib/text.h"

/* What the connection's input buffer has to hold: the longest message or interleaved frame. */
#define RTSPC_MAX_IN (TEXT_MAX_HEAD + TEXT_MAX_BODY)

#define RTSPC_FEATURE "nearcast.failover"
#define RTSPC_GROUPS  "nearcast.multicast" /* can be told to join a group */
#define RTSPC_NONCE   256                  /* of servers of others, too */
#define RTSPC_SEALED  128

struct rtspc;

struct rtspc_media_conf {
	uint16_t client_port; /* even RTP port; 0: interleaved TCP, channels 2i and 2i+1 */
	struct rtp_from from; /* first sequence number wanted */
};

enum rtspc_event_kind {
	RTSPC_NONE,
	RTSPC_SEND,      /* write ev.data to the connection */
	RTSPC_REDIRECT,  /* ev.data: the Location; the attachment is over */
	RTSPC_DESCRIBED, /* ev.sdp parsed (valid until rtspc_free); the shell opens its ports and
	                  * calls rtspc_setup */
	RTSPC_PLAYING,   /* ev.media[i]: server ports, SSRC, first sequence number where told */
	RTSPC_FRAME,     /* interleaved: ev.channel, ev.data */
	RTSPC_ENDED,  /* the source ended: ev.media[i].last is each medium's final number or -1 */
	RTSPC_FAILED, /* ev.status (RTSP status, or 0: protocol error), ev.data says why,
	               * ev.retry_after: seconds, or -1 */
	RTSPC_CLOSED, /* our TEARDOWN was answered */
	RTSPC_PATH,   /* ev.data: the nodes that the channel comes through (Nearcast-Path), when the
	               * node tells it or tells another than before */
	RTSPC_GROUP,  /* ev.group: what may be joined, with the first medium's RTP port; each medium
	               * has two ports */
};

struct rtspc_media_info {
	bool tcp;
	struct addr rtp, rtcp; /* where the node sends from; port 0 when it did not say; family 0
	                        * when the URL has a name and no source= was told: then it is the
	                        * connection's peer, the port is in in.sin_port */
	bool has_ssrc;
	uint32_t ssrc;
	int64_t first;  /* RTP-Info seq, or -1 */
	int64_t packet; /* of a film: which of its file's packets that is; -1 */
	int64_t last;   /* PLAY_NOTIFY end-of-stream seq, or -1 */
};

/*
 * Who a client is, at whichever node. It is the owner's, who sets user and password (NULL: it has none)
 * and cnonce, a random number; the rest is zero at first, is what nodes have told, and goes from
 * attachment to attachment: with a nonce that is known each request proves the password by itself
 * (lib/digest.h), so that a failover takes no round trip for it, and with the sealed identity the
 * session stays the same (Nearcast-Session).
 */
struct rtspc_who {
	const char *user, *password;
	uint64_t cnonce;
	bool known; /* a challenge */
	bool auth;
	enum digest_algorithm algorithm;
	char realm[128], nonce[RTSPC_NONCE], opaque[RTSPC_NONCE];
	char ha1[DIGEST_HEX];
	uint32_t nc; /* requests that the nonce was used for */
	char sealed[RTSPC_SEALED];
};

struct rtspc_event {
	enum rtspc_event_kind kind;
	struct slice data; /* valid until the next call */
	const struct sdp *sdp;
	struct rtspc_media_info media[SDP_MAX_MEDIA];
	int medias;
	uint8_t channel;
	int status, retry_after;
	struct addr group;
};

/*
 * url: "rtsp://host[:port]/path". avoid: a node's host to name in Nearcast-Avoid (a client's report
 * to the ARN that this node failed it), or NULL. user_agent: product token.
 * sdp: when the presentation is known from another node, its SDP text (copied): DESCRIBE is then
 * skipped. NULL without memory or with a bad URL.
 */
struct rtspc *rtspc_new(
	const char *url, const char *avoid, const char *user_agent, struct slice sdp);
void rtspc_free(struct rtspc *c);

/* A header line for DESCRIBE and SETUP (Nearcast-Via). Before rtspc_start. 0, -EINVAL, -ENOSPC. */
int rtspc_add_header(struct rtspc *c, const char *name, const char *value);

/* Who asks; NULL is nobody. Before rtspc_start; outlives c. A node of which it is not known that it may
 * be told (an anycast address) is to be asked without. */
void rtspc_set_who(struct rtspc *c, struct rtspc_who *who);

/* The node may say RTSPC_GROUP. Before rtspc_start. */
void rtspc_can_join(struct rtspc *c);
/* Tells the node that what is live comes by the group from now on, or is to come by unicast. */
void rtspc_deliver(struct rtspc *c, bool multicast);

/* Only ask: the first request is DESCRIBE and any answer ends it (the anycast transaction). */
/* Only of what is on demand: PLAY from this time on, unless a medium's first number is wanted. Before
 * rtspc_setup. */
void rtspc_set_begin(struct rtspc *c, ns_t begin);
void rtspc_start(struct rtspc *c, ns_t now); /* connected: the first request is due */
/* After RTSPC_DESCRIBED (or at once when the SDP was given): set up and play these media, the
 * first `medias` of the SDP. 0, or -EINVAL: not the time for it, or too many media. */
int rtspc_setup(struct rtspc *c, const struct rtspc_media_conf *m, int medias, ns_t now);
/*
 * Bytes from the connection: returns how many were consumed, one message or frame at most; events
 * then wait in rtspc_next and are to be fetched, all, before the next call (a frame's data points
 * into p). Call again while it consumes something and bytes are left. After the attachment's end
 * it swallows everything.
 */
size_t rtspc_input(struct rtspc *c, const uint8_t *p, size_t n, ns_t now);
/* The next event, until RTSPC_NONE. */
enum rtspc_event_kind rtspc_next(struct rtspc *c, struct rtspc_event *ev);
/* When rtspc_tick has something to do: keep-alive (GET_PARAMETER, else OPTIONS), before half the
 * session's timeout. */
ns_t rtspc_when(const struct rtspc *c);
void rtspc_tick(struct rtspc *c, ns_t now);
/* A keep-alive at once, even if one is unanswered: on a connection whose other end has been
 * restarted it is answered with a reset. */
void rtspc_probe(struct rtspc *c, ns_t now);
void rtspc_teardown(struct rtspc *c, ns_t now);
struct slice rtspc_sdp_text(const struct rtspc *c); /* what DESCRIBE gave, for the next node */
bool rtspc_peer_is_nearcast(const struct rtspc *c);

#endif
