/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Active session failover (patent, figure 6): which node the session is attached to, when it is
 * suspected, and what is done then. A pure state machine: what happened and `now` go in, actions
 * come out of failover_next. It has no sockets, no clock and no media.
 *
 *	          start                    location
 *	(seek) ─────────> transaction ───────────────> attachment ── first new packet ──> (steady)
 *	   ^                 ^   │ failed, silent          │ failed, silent                   │
 *	   │                 └───┴──── after a delay <─────┘                                  │
 *	   └───────── suspicion: silence, connection closed, ICMP error, refusal ─────────────┘
 *
 * While a node is suspected its attachment is kept, beside the transaction and the attachment to
 * another node; whichever attachment gives a new packet first is the session's from then on, the
 * others are released. So a false alarm costs one attachment (row G3), and several nodes that do
 * not answer cost their timeouts only.
 */
#ifndef NEARCAST_CLIENT_FAILOVER_H
#define NEARCAST_CLIENT_FAILOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "client-failover/detect.h"
#include "lib/clock.h"
#include "lib/slice.h"

#define FAILOVER_NODE 80   /* a node's host as in its URL, with the port if not the default */
#define FAILOVER_URL  4608 /* path and query as long as an ARN takes them, and a token */
#define FAILOVER_ATTS 3    /* attachments at one time */

struct failover_conf {
	const char *scheme; /* of the nodes' URLs */
	struct detect_conf detect;
	ns_t transaction; /* the first one's timeout; later: 4 × the last one's time */
	ns_t attach;      /* likewise for an attachment until PLAY is answered */
	ns_t least;       /* no timeout is shorter */
	ns_t least_ask;   /* but a transaction's: a lost SYN costs 1 s, asking anew little */
	ns_t most;        /* nor longer, nor a delay between rounds */
	ns_t settle;      /* playing for so long, a node is trusted again */
	ns_t avoid;       /* a node that failed is named in Nearcast-Avoid for so long */
	ns_t give_up[2];  /* no node for so long: the end; before the first packet, and later */
};
extern const struct failover_conf failover_defaults;

enum failover_reason {
	FO_SILENCE, /* media stopped */
	FO_CLOSED,  /* the control connection ended */
	FO_ICMP,    /* the network said: unreachable */
	FO_REFUSED, /* an RTSP error: the session is gone */
	FO_REASONS
};
const char *failover_reason_str(enum failover_reason r);

enum failover_kind {
	FO_NONE,
	FO_TRANSACT,    /* ask the anycast address; report under `id` */
	FO_ABANDON,     /* drop the transaction `id` */
	FO_ATTACH,      /* attach to `url`; report under `id`; `from`: the suspected node, or "" */
	FO_RELEASE,     /* TEARDOWN if the connection is open, and close; `id` */
	FO_SUSPECT,     /* `node`, `reason`, `silence`; its attachment is kept */
	FO_CURRENT,     /* `id` gives the media: the first node of the session */
	FO_RESUMED,     /* `id` gives the media now; `from`, `times` tell the story */
	FO_FALSE_ALARM, /* `node` was only slow for `silence`; the session stays there */
	FO_GIVE_UP,     /* no node can be had */
};

struct failover_times {
	ns_t detection;    /* silence when the old node was suspected */
	ns_t transaction;  /* suspicion until the redirection to the node that won */
	ns_t attach;       /* redirection until its PLAY was answered */
	ns_t interruption; /* last packet of the old node until the first of the new one */
};

struct failover_action {
	enum failover_kind kind;
	int id;
	const char *node, *from, *url; /* valid until the next call */
	enum failover_reason reason;
	ns_t silence;
	struct failover_times times;
};

struct failover;
struct failover *failover_new(const struct failover_conf *c); /* NULL without memory */
void failover_free(struct failover *f);

/* Begins: the first transaction. */
void failover_start(struct failover *f, ns_t now);
/* Begins without one, at a node that is known. */
void failover_start_at(struct failover *f, struct slice url, ns_t now);

/* What happened. Unknown ids (released, abandoned) are ignored, so reports may come late. */
void failover_located(struct failover *f, int id, struct slice url, ns_t now);
/* The transaction failed; retry_after: seconds, or -1. */
void failover_not_located(struct failover *f, int id, int retry_after, ns_t now);
void failover_redirected(struct failover *f, int id, struct slice url, ns_t now); /* by a node */
void failover_attached(struct failover *f, int id, ns_t now); /* PLAY answered */
/* A packet that was not there before; live: it continues the stream (no retransmission). */
void failover_packet(struct failover *f, int id, bool live, ns_t now);
/* The attachment works, but gives nothing new yet: as if it had just been attached. */
void failover_progress(struct failover *f, int id, ns_t now);
/* While it is held the current node's silence is our own doing. */
void failover_held(struct failover *f, bool held, ns_t now);
/* The attachment is over (FO_CLOSED, FO_REFUSED) or the network complains (FO_ICMP). */
void failover_lost(struct failover *f, int id, enum failover_reason r, ns_t now);
/* No silence shorter than this is suspicious, as media now come; 0: than what was configured. */
void failover_set_least_silence(struct failover *f, ns_t least);
/* The source ended. Until failover_done something of it is still missing, so that a node which is
 * lost or does not answer is replaced as before. */
void failover_ended(struct failover *f, int id, ns_t now);
void failover_done(struct failover *f, ns_t now); /* all packets are there: release everything */

/* Time passes: to be called at failover_when(), earlier does no harm. */
void failover_tick(struct failover *f, ns_t now);
ns_t failover_when(const struct failover *f);
enum failover_kind failover_next(struct failover *f, struct failover_action *a);

/* Where NACKs go: the newest attachment that can answer; -1: none. */
int failover_asked(const struct failover *f);
int failover_current(const struct failover *f); /* id, or -1 */
bool failover_steady(const struct failover *f);
/* Hosts for Nearcast-Avoid, "" when there are none. */
void failover_avoid(const struct failover *f, ns_t now, char *buf, size_t cap);

#endif
