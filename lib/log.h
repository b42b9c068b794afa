/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: one line a message, to standard error (and so to the journal). A level says whose
 * fault it is, as in BIRD: LOG_REMOTE a peer's, LOG_CONF the operator's, LOG_BUG ours.
 */
#ifndef NEARCAST_LOG_H
#define NEARCAST_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

enum log_level { NLOG_DEBUG, NLOG_INFO, NLOG_REMOTE, NLOG_WARN, NLOG_CONF, NLOG_ERROR, NLOG_BUG };

/* By level, ended by NULL: for a configuration's table and for log_level_parse. */
extern const char *const log_level_names[];

/* ident prefixes every line; lines below `least` are dropped. Before there are any threads. */
void log_open(const char *ident, enum log_level least);
void log_set_level(enum log_level least);
bool log_wants(enum log_level level); /* worth the trouble of making the text */
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "debug", "info", …; -EINVAL. */
int log_level_parse(const char *name, enum log_level *out);

/*
 * A rate limit for one place that a peer can make speak: `burst` lines at once, then one a
 * `interval`; the next line that passes says how many were held back.
 */
struct log_limit {
	ns_t interval;
	uint32_t burst;
	uint32_t tokens;
	uint32_t held;
	ns_t refilled;
	bool started;
};
#define LOG_LIMIT_INIT                                                                             \
	{                                                                                          \
		.interval = NS_S, .burst = 5                                                       \
	}
void log_limited(struct log_limit *l, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
