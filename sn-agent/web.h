/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's web service (row E1): a cache between clients and the sites that content comes from.
 * nginx does the work (web_server.h), with the configuration that web_conf.h writes. Here is what
 * the agent does about it: it says who may have something (visitors.h), hears what was sent
 * (web_report.h), and asks once a second whether nginx still answers. When it does not, the node
 * offers no HTTP until it does; RTSP goes on.
 */
#ifndef NEARCAST_SN_WEB_H
#define NEARCAST_SN_WEB_H

#include "lib/json.h"
#include "lib/loop.h"
#include "sn-agent/primes.h"
#include "sn-agent/rtsp.h"
#include "sn-agent/visitors.h"
#include "sn-agent/web_conf.h"
#include "sn-agent/web_server.h"

struct web_ops {
	void (*opened)(void *arg, struct port *p, int err);       /* as of web_server.h */
	void (*visitor)(void *arg, uint16_t port, bool comes);    /* as of visitors.h */
	void (*changed)(void *arg, bool serves, const char *why); /* whether it answers */
	void (*reported)(void *arg, const struct web_report *r);  /* a request is over */
};

struct web_settings {
	const char *nginx; /* path of the program */
	struct web_conf conf;
	const struct rtsp_access *access; /* borrowed; may be changed in place */
	ns_t session;                     /* a visitor that is silent for so long is gone */
};

struct web_counters {
	uint64_t requests, bytes;
	uint64_t cache[WEB_CACHES]; /* requests, by what the cache did */
	uint64_t failed;            /* answered by 500 and above */
	uint64_t refused;           /* by their tokens */
	uint64_t bad_reports;       /* datagrams that are none of nginx's */
};

struct web;
/* Begins to start it; changed() says when it serves. NULL with *err, and what it is about in why. */
struct web *web_new(struct loop *l, const struct web_settings *c, const struct web_ops *ops,
	void *arg, char why[128], int *err);
void web_free(struct web *w);
void web_set(struct web *w, const struct web_settings *c); /* nginx and folder stay */

/* Primed ports: as of struct primes_service. */
int web_open(struct web *w, struct port *p);
void web_moved(struct web *w, struct port *p);
void web_close(struct web *w, struct port *p);

void web_tick(struct web *w, ns_t now); /* a few times a second */
/* No more: nginx finishes what is under way, and ends. web_ended(): it has, or did not run. */
void web_quit(struct web *w);
bool web_ended(const struct web *w);

/* All of these may be asked with NULL, no web service. */
bool web_serves(const struct web *w);
int web_visitors(const struct web *w, ns_t now); /* who got something a moment ago, or gets it */
uint64_t web_kbps(const struct web *w, ns_t now);
const struct web_counters *web_counters(const struct web *w);
struct js *web_show(const struct web *w, ns_t now);

#endif
