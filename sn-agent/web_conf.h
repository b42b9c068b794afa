/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the node's web server is told (row E1): from the agent's state to the text of nginx.conf. A
 * core: it reads and writes no file.
 *
 * There is one `server`, which listens at the usual port and at every primed one. Which origin a
 * request is for follows, through maps, from the port that it came to and from what its URL names:
 *
 *	port primed for an origin       that origin, by the client's path; "/=HOST/PATH" of just this
 *	                                origin is PATH there (row D4); a path that is bound to the
 *	                                port comes before the client's
 *	the usual port, or one without  the origin in "/=HOST/PATH", if it is one that a port is primed
 *	an origin                       for: so no client can have this node fetch from anywhere;
 *	                                else the configured origin. Without one 404, and 503 for a
 *	                                URL that names an origin, which may be known in a moment
 *
 * An object is cached under its origin's name and its path there. So it is fetched once, whichever
 * port it is asked at. The token (lib/token.h) is taken out of the URL before that.
 *
 * The text is a program for nginx, and some of what goes into it came over the network. So every value
 * is checked or written in an alphabet that cannot leave its place: host names and addresses by
 * their own grammar, paths by escaping all that is not plain in a URL. If one is wrong nonetheless,
 * there is no text at all.
 */
#ifndef NEARCAST_SN_WEB_CONF_H
#define NEARCAST_SN_WEB_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/prime.h"

#define WEB_STATUS  "/.nearcast/status" /* counters, for the agent itself */
#define WEB_HEALTH  "/.nearcast/health" /* that it answers, for ARNs: no origin is asked */
#define WEB_LOG_KEY 33                  /* with the NUL */

struct web_conf {
	char name[ANNOUNCE_ID_LEN]; /* this node's, as it is in Via */
	char folder[256];           /* absolute: cache, configuration, pid */
	char user[32];              /* of the workers; "": the agent's own */
	struct addr address;        /* where it listens */
	uint16_t port;              /* the usual one */
	int64_t size;               /* MiB of cache */
	int64_t slice;              /* KiB; 0: objects are fetched whole */
	int64_t workers;            /* 0: as many as processors */
	int64_t connections;        /* of each worker */
	ns_t inactive;              /* how long an object is kept that nobody asks for */
	ns_t fresh;                 /* how long one is fresh whose origin does not say */
	char log[256];              /* file of one line for each request; "": none */
	/* The origin of what is asked at the usual port; origins 0: none. Service and anycast do not
	 * matter. */
	struct prime_state origin;
};

/* What only the running agent knows. */
struct web_inside {
	struct addr admission;     /* where it is asked whether a client may; port 0: all may */
	struct addr log;           /* UDP, where requests are reported; port 0: nowhere */
	char log_key[WEB_LOG_KEY]; /* that the reports begin with: hexadecimal digits */
};

/* A primed port. */
struct web_site {
	uint16_t port;
	const struct prime_state *state;
};

/* Whether a value may stand in the file: for checks of the configuration. */
bool web_path_ok(const char *path); /* of a file: absolute, of A-Z a-z 0-9 . _ - / */
bool web_name_ok(const char *name); /* of a host, node or user: A-Z a-z 0-9 . _ - */

/* The text, from malloc, or NULL with *err: -EINVAL for a value that must not stand in it, -ENOMEM.
 * Origins of another address family than the node's are left out. */
char *web_conf_write(const struct web_conf *c, const struct web_inside *in,
	const struct web_site *site, int sites, int *err);

#endif
