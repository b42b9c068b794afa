/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in the overlay channels come from: the overlay address of the node that each path's source
 * is at. Rules of the configuration say it, by the beginning of the path or by the unicast address
 * of an origin that an ARN has found, which may be an address of the overlay itself; between nodes
 * it is said with each request (Nearcast-Source).
 *
 * A channel of the overlay is (source, path). Its key, which is its channel's `origin`, is the
 * source's address behind an '@', which no host name begins with; our own channels have none. Pure.
 */
#ifndef NEARCAST_SN_SOURCES_H
#define NEARCAST_SN_SOURCES_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/cas.h"
#include "lib/slice.h"
#include "sn-agent/channel.h"

#define SOURCES_MAX 64

struct source_rule {
	char path[CAS_PATH]; /* this one and all below it; "": all, or none if there is a host */
	struct addr host;    /* of an origin; family 0: none */
	struct addr address; /* in the overlay */
};

struct sources {
	struct addr own;     /* in the overlay; family 0: there is none */
	struct prefix block; /* of its addresses; family 0: only what rules say are any */
	struct source_rule rule[SOURCES_MAX];
	int n;
};

/* The key of a source: "" when it is this node. */
void sources_key(const struct sources *s, const struct addr *source, char out[CHANNEL_ORIGIN]);
/* Of a path, by the rule with the longest that it begins with; "": none says. */
void sources_of_path(const struct sources *s, struct slice path, char out[CHANNEL_ORIGIN]);
/* Of an origin: by a rule, or by itself, if it is in the block. False: it is none of the overlay. */
bool sources_of_host(const struct sources *s, const struct addr *host, char out[CHANNEL_ORIGIN]);
/* The source that a key names. False: it is none of the overlay. */
bool sources_parse(const char *key, struct addr *source);

#endif
