/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the node's web server says of its work: a datagram for each request that is over, and
 * counters when it is asked. No sockets and no clock.
 *
 *	<190>Nov 26 15:00:00 n: KEY 20001 10.3.0.2 206 1048904 0.031 HIT 91d0…
 *	                        key port  client   status bytes seconds cache session
 *
 * The datagrams are nginx's for syslog (RFC 3164), with a line of ours (web_conf.c); the key is a
 * secret of this life of the agent, so nobody else on the host can speak in nginx's name. They are a
 * report, not an account: one that is lost is lost.
 */
#ifndef NEARCAST_SN_WEB_REPORT_H
#define NEARCAST_SN_WEB_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/slice.h"

#define WEB_RATE_SECONDS 10
#define WEB_SESSION      17 /* of a token's session, with the NUL */

enum web_cache {
	WEB_CACHE_NONE, /* the cache had no part in it: a refusal */
	WEB_CACHE_HIT,
	WEB_CACHE_REVALIDATED, /* the origin said that it is the same */
	WEB_CACHE_STALE,       /* out of date, but the origin is not there, or is being asked */
	WEB_CACHE_MISS,        /* fetched */
	WEB_CACHES
};

struct web_report {
	uint16_t port;
	struct addr client; /* port 0 */
	int status;
	uint64_t bytes; /* sent */
	ns_t took;
	enum web_cache cache;
	char session[WEB_SESSION]; /* "": no token said one */
};

/* False: it is none, or has not this key. */
bool web_report_parse(struct web_report *r, struct slice datagram, const char *key);

/* nginx's stub_status. False: it is none. */
struct web_status {
	uint64_t active;  /* connections */
	uint64_t sending; /* of these with an answer under way */
	uint64_t accepted, requests;
};
bool web_status_parse(struct web_status *s, struct slice text);

/*
 * The bit rate, over the last WEB_RATE_SECONDS: what a request has sent is reported when it is over, and
 * a segment that goes out in a moment every few seconds is a load and not a spike.
 */
struct web_rate {
	uint64_t bytes[WEB_RATE_SECONDS];
	int64_t second[WEB_RATE_SECONDS]; /* that the bytes are of */
};
/* A request that took so long and ends now: what it sent before the last seconds does not count. */
void web_rate_add(struct web_rate *r, uint64_t bytes, ns_t took, ns_t now);
uint64_t web_rate_kbps(const struct web_rate *r, ns_t now); /* over the last seconds */

#endif
