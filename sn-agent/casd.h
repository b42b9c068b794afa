/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel allocation service of a source's site (row D3): answers ARNs over HTTP (lib/cas.h)
 * with the numbers of sn-agent/allot.h. A URL that the configuration does not name has a number
 * only if its anycast address is among those that the configuration does name, and a channel of
 * its path is live here: so nobody can fill the table with URLs of nothing.
 */
#ifndef NEARCAST_SN_CASD_H
#define NEARCAST_SN_CASD_H

#include "lib/json.h"
#include "lib/loop.h"
#include "sn-agent/allot.h"
#include "sn-agent/rtsp.h"

struct casd_conf {
	struct addr source; /* where nodes join, with the port */
	struct prefix anycast[RTSP_PREFIXES_MAX];
	int n_anycast;
	ns_t ttl, lifetime;
	int max;
	/* Where in the overlay the channel of a path is that another node has; NULL: nowhere. */
	const struct addr *(*elsewhere)(void *arg, struct slice path);
	void *arg;
	const struct allotment *fixed; /* url and path; borrowed during the call only */
	int n_fixed;
};

struct casd_counters {
	uint64_t allotted, unknown, bad, full; /* answered 200, 404, 400, 503 */
	uint64_t elsewhere;                    /* 200, with the node that has it */
};

struct casd;
/* NULL with *err. The channels are borrowed. */
struct casd *casd_new(struct loop *l, const struct addr *at, const struct casd_conf *c,
	const struct channels *channels, int *err);
void casd_free(struct casd *d);                               /* NULL: nothing */
int casd_set_conf(struct casd *d, const struct casd_conf *c); /* 0, or -ENOMEM: as before */
struct allot *casd_allot(struct casd *d);
void casd_house_keeping(struct casd *d, ns_t now);
struct js *casd_show(const struct casd *d, ns_t now); /* an array; of NULL an empty one */
const struct casd_counters *casd_counters(const struct casd *d); /* of NULL all zero */

#endif
