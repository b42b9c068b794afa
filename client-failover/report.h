/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the client tells its user: JSON events (docs: client-failover(1)) or, without --json, a few
 * lines of log. Times are ns_t here and milliseconds in the events.
 */
#ifndef NEARCAST_CLIENT_REPORT_H
#define NEARCAST_CLIENT_REPORT_H

#include "client-failover/failover.h"
#include "client-failover/object.h"
#include "client-failover/playout.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/slice.h"

struct report {
	const char *name;     /* which session it is about, when there are several; else NULL */
	struct js *failovers; /* what `ended` repeats */
	int failover_count, false_alarms;
};

/* name is borrowed. */
void report_init(struct report *r, const char *name);
void report_free(struct report *r);

void report_start(const struct report *r, const char *url, ns_t now);
void report_transaction(
	const struct report *r, const char *server, ns_t took, struct slice location, ns_t now);
void report_error(const struct report *r, const char *who, int status, const char *why, ns_t now);
void report_attached(const struct report *r, const char *node, ns_t took, ns_t now);
/* By what the node's media come from now on: "tcp", "udp", "multicast" (`group` then says which). */
void report_delivery(const struct report *r, const char *node, const char *by, const char *group,
	const char *why, ns_t now);
void report_playing(const struct report *r, const char *node, ns_t took, ns_t now);
void report_suspect(const struct report *r, const struct failover_action *a, ns_t now);
void report_failover(const struct report *r, const struct failover_action *a, ns_t now);
void report_resumed(struct report *r, const struct failover_action *a, int64_t missing, ns_t now);
void report_false_alarm(struct report *r, const struct failover_action *a, ns_t now);
void report_stalled(const struct report *r, ns_t now);
void report_unstalled(const struct report *r, ns_t stood, ns_t now);
void report_gap(const struct report *r, int media, int64_t first, int64_t count, ns_t now);
void report_restarted(const struct report *r, int media, ns_t now);
void report_level(const struct report *r, const char *node, ns_t level,
	const struct playout_stats *s, ns_t now);
void report_ended(
	struct report *r, const char *reason, const struct playout_stats *s, ns_t lowest, ns_t now);

/* Of a fetch over HTTP. offset: in the body, where the new node went on. */
void report_resumed_at(struct report *r, const struct failover_action *a, int64_t offset, ns_t now);
void report_object(
	const struct report *r, const char *node, const struct object *obj, ns_t took, ns_t now);
void report_progress(const struct report *r, const char *node, int64_t bytes, ns_t now);
/* obj NULL: nothing has come. */
void report_fetched(struct report *r, const char *reason, const char *why, const struct object *obj,
	int64_t bytes, ns_t now);

#endif
