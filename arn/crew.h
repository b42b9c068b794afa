/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The crew: the threads that answer clients. See crew.c.
 */
#ifndef ARN_CREW_H
#define ARN_CREW_H

#include <stddef.h>

#include "arn/listener.h"
#include "arn/report.h"

#define CREW_MAX         64
#define CREW_DESCRIPTORS 8 /* that each thread has open, besides connections */

struct crew_conf {
	struct arn_listener_conf listener; /* `connections` of all threads together */
	int threads;
	ns_t beat; /* a thread whose loop turns shows it so often */
};

/* How many threads there are to be for `workers` of the configuration, where 0 means one for each
 * processor that this process may run on. */
int crew_size(int64_t workers, int64_t connections);

typedef void crew_report_cb(void *arg, const struct report *r);

struct crew;
/* Opens all ports and starts the threads. cb is called in l, the control loop, for what they
 * report. NULL: *err says why, and *failed which port it is about, if any. */
struct crew *crew_new(struct loop *l, const struct crew_conf *c, crew_report_cb *cb, void *arg,
	int *err, uint16_t *failed);
void crew_free(struct crew *c); /* when they have ended */

/* From now on answers are made from this; the crew has a reference of its own. */
void crew_publish(struct crew *c, const struct snapshot *s);
void crew_set_limits(struct crew *c, const struct arn_listener_conf *lc);

int crew_threads(const struct crew *c);
/* Since when it is not known that all of them turn: the moment when the one that showed it longest
 * ago (*who, from 0) last did. */
ns_t crew_vouched(const struct crew *c, int *who);

/* Sums. The counter is named by its place in struct arn_listener_counters. */
uint64_t crew_count(const struct crew *c, size_t offset);
int crew_connections(const struct crew *c);
uint32_t crew_busy(const struct crew *c);
uint64_t crew_reports_lost(const struct crew *c);

#endif
