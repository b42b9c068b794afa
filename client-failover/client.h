/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A failover session: it plays one channel from whichever node there is, and hands what is due to
 * its owner's sink, each packet once, in order and at its time. The sockets and timers around the
 * cores are its own; the loop, the process and where the packets go are its owner's: the command
 * (play.c) has one session and files, the gateway has a session for each channel and players.
 *
 *	client_new ── client_start ── on_described ── on_item … ── on_over ── on_gone ── client_free
 *
 * A sink's functions are called from within the session, which is not to be freed in there: what
 * is over is freed later, at the end of the loop's turn or after the loop.
 */
#ifndef NEARCAST_CLIENT_CLIENT_H
#define NEARCAST_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "client-failover/delivery.h"
#include "client-failover/playout.h"
#include "lib/addr.h"
#include "lib/loop.h"
#include "lib/rtp.h"
#include "lib/sdp.h"

struct client;

struct client_sink {
	/* The first node has told what the presentation is. 0, or the exit status (sysexits.h) with
	 * which the session is over, since its owner cannot use that; then *reason says why. */
	int (*on_described)(
		void *arg, struct slice text, const struct sdp *sdp, const char **reason);
	/* A node, or who redirects to one, has refused with this status of RTSP, and nothing has been
	 * described yet. The session goes on to look for one that does not. May be NULL. */
	void (*on_refused)(void *arg, int status);
	/* The source says what its time is (RFC 3550, 6.4.1), ahead of the packets that are due. May
	 * be NULL. */
	void (*on_clock)(void *arg, int media, uint32_t ssrc, const struct rtcp_sr *sr);
	/* A packet is due, or something is to be known of those that are. */
	void (*on_item)(void *arg, const struct playout_item *it);
	/* That was all that is due now. May be NULL. */
	void (*on_turn)(void *arg);
	/* It has ended with this exit status: EX_OK, EX_UNAVAILABLE (no node can be had), EX_OSERR,
	 * or what the owner gave. Nodes are still told goodbye. */
	void (*on_over)(void *arg, int status);
	/* Nothing is to be waited for any more. */
	void (*on_gone)(void *arg);
};

struct client_conf {
	struct loop *loop;
	const char *url;             /* borrowed */
	const char *user, *password; /* borrowed; user NULL or "": none */
	struct addr anycast;         /* of the URL's host, with the port */
	ns_t buffer;
	enum delivery_mode delivery;
	ns_t begin;    /* of what is on demand: play from this time on; 0: from its beginning */
	ns_t duration; /* of media, from the first packet; NS_NEVER: to the end */
	bool named;    /* events and messages say which URL they are about */
};

/* *err says why it returned NULL. */
struct client *client_new(
	const struct client_conf *conf, const struct client_sink *sink, void *arg, int *err);
void client_start(struct client *c);
/* The user wants it to end: what is missing until now is still fetched, then all is played at once.
 * The second time, it ends at once. */
void client_stop(struct client *c, const char *reason);
/* Ends it at once with this status. */
void client_finish(struct client *c, int status, const char *reason);
void client_free(struct client *c); /* attachments that are left end without goodbye */

/* The address that a URL's host stands for, with its port (or that of its scheme): a literal or a
 * name, which is looked up, and waited for. 0, or EX_NOHOST with why in err. */
int client_resolve(const char *url, struct addr *out, char err[256]);
/* Likewise without looking anything up, for a URL that we were sent to: a literal, or `host`, whose
 * address is known. 0, -EINVAL, or -EADDRNOTAVAIL: another name. */
int client_address(const char *url, const char *host, const struct addr *anycast, struct addr *out);

/* Where the first medium's packets came from at first (family 0: nowhere yet). */
const struct addr *client_source(const struct client *c);

#endif
