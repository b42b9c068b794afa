/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asks the node's web server for something: a client at a port, which is to say at a provider's
 * content. HTTP has no sessions, but a viewer of HLS or DASH is one all the same: a visitor is there
 * until nothing has been heard of it for a while. A core: requests and `now` in, answers out.
 *
 * It is what tokens (row E4) need, too. A player carries the token of a redirection to the
 * playlist, but the segments are other URLs, which the playlist names without it; and no player is
 * to be changed. So a token admits a visitor: this client, at this port. It stays admitted while it
 * asks for something, as a session of RTSP is not cut either when its token has expired. Clients
 * behind one address count as one.
 */
#ifndef NEARCAST_SN_VISITORS_H
#define NEARCAST_SN_VISITORS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/slice.h"
#include "lib/token.h"
#include "sn-agent/rtsp.h"
#include "sn-agent/web_report.h"

#define VISITORS_MAX    16384
#define VISITORS_ACTIVE (10 * NS_S) /* who asked within that counts as load */

struct visitor {
	struct visitor *chain, *newer, *older;
	struct addr client; /* port 0 */
	uint16_t port;      /* of ours */
	ns_t seen;          /* the last request */
	bool admitted;      /* by a token */
	char session[WEB_SESSION];
};

/* A visitor came to a port, or is gone. */
typedef void visitors_cb(void *arg, uint16_t port, bool comes);

struct visitors;
struct visitors *visitors_new(ns_t idle, visitors_cb *cb, void *arg); /* NULL without memory */
void visitors_free(struct visitors *v);                               /* tells nothing */
void visitors_set_idle(struct visitors *v, ns_t idle); /* one is forgotten after it */

/* It asked for something. When all places are taken, that of who was silent for longest. NULL without
 * memory. */
struct visitor *visitors_note(
	struct visitors *v, const struct addr *client, uint16_t port, ns_t now);
void visitors_drop(struct visitors *v, uint16_t port); /* the port is no more; nobody is told */
void visitors_expire(struct visitors *v, ns_t now);
int visitors_count(const struct visitors *v);
int visitors_active(const struct visitors *v, ns_t now); /* within VISITORS_ACTIVE */

/* A request for a URL (path and query). TOKEN_OK: it may go on, as of the visitor in *who (NULL: it
 * needs no token). Else the reason for a refusal. */
struct visit {
	struct addr client;
	uint16_t port;
	struct slice uri;
	ns_t now;
	int64_t wall; /* seconds since 1970 */
};
enum token_error visitors_admit(struct visitors *v, const struct rtsp_access *a,
	const struct visit *x, const struct visitor **who);

#endif
