/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell around site.h: tells the ARNs of other sites, by sealed datagrams to their addresses,
 * whether this one serves, hears them, and tells the worker when it is to go or may return.
 */
#ifndef ARN_SITES_H
#define ARN_SITES_H

#include "arn/site.h"
#include "lib/json.h"
#include "lib/loop.h"

struct sites_conf {
	const char *name; /* of this ARN, borrowed */
	struct prefix block;
	struct addr at;          /* where it listens, any address, with the port */
	const struct addr *site; /* the others; borrowed during sites_new() only */
	int sites;
	ns_t skew;
	struct site_conf core;
	const struct wire_keys *keys; /* borrowed; may be changed in place */
	void (*turned)(void *arg);    /* sites_away() has changed */
	void *arg;
};

struct sites_counters {
	uint64_t sent, heard;
	uint64_t refused; /* datagrams that are not to be believed, or of no use */
};

struct sites;
/* What the port is used for besides (arn/flooder.h): a message of type WIRE_FLOOD, authentic, from the
 * site of this index, -1: from another address. NULL, or why it is refused. */
typedef const char *sites_flood_cb(
	void *arg, int site, uint64_t sender, const uint8_t *payload, size_t n);

/* The same of WIRE_MEASURE and WIRE_MEASURED (arn/measurer.h). */
typedef const char *sites_measure_cb(void *arg, int site, enum wire_type type, uint64_t sender,
	const uint8_t *payload, size_t n);

/* *err says why it returned NULL. */
struct sites *sites_new(struct loop *l, const struct sites_conf *c, int *err);
void sites_free(struct sites *s);

/* Whether there is a usable node, and what the others are told: that it serves, by a node of its own
 * network and with its block up. addr:
 * its own address, as the other ARNs of its LAN know it. */
void sites_set(struct sites *s, bool usable, bool serves, const struct addr *addr);
void sites_on_flood(struct sites *s, sites_flood_cb *cb, void *arg); /* NULL: they are ignored */
void sites_flood(struct sites *s, int site, const uint8_t *payload, size_t n);
void sites_on_measure(struct sites *s, sites_measure_cb *cb, void *arg);
/* To this site, or to all: -1. */
void sites_measure(
	struct sites *s, int site, enum wire_type type, const uint8_t *payload, size_t n);
bool sites_away(const struct sites *s);

int sites_serving(const struct sites *s);
const struct site *sites_core(const struct sites *s);
const struct sites_counters *sites_counters(const struct sites *s);
struct js *sites_show(const struct sites *s); /* an array */

#endif
