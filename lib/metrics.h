/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters and gauges in Prometheus text, served over HTTP (httpd.h) on the management
 * address. A daemon lists its metrics in one static table; values are plain uint64_t that the
 * owner increments, or a callback.
 */
#ifndef NEARCAST_METRICS_H
#define NEARCAST_METRICS_H

#include <stdint.h>

#include "lib/addr.h"
#include "lib/loop.h"
#include "lib/sbuf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
	const char *name; /* nearcast_arn_requests_total */
	const char *help;
	enum metric_kind kind;
	const char *labels;    /* proto="rtsp", or NULL */
	const uint64_t *value; /* or NULL and: */
	uint64_t (*read)(void *arg);
	void *arg;
};

struct metrics;
struct metrics *metrics_new(void);
void metrics_add(struct metrics *m, const struct metric *table, int n); /* table is borrowed */
void metrics_write(const struct metrics *m, struct sbuf *out);
/* Serves GET /metrics. 0 or negative errno (then still to be freed, before the loop). */
int metrics_serve(struct metrics *m, struct loop *l, const struct addr *at);
uint16_t metrics_port(const struct metrics *m); /* really bound, when `at` had port 0 */
void metrics_free(struct metrics *m);

#endif
