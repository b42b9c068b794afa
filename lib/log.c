/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log. A line is built whole and written with one write(2), so that the lines of several
 * processes on one terminal or file do not mix. Under systemd (JOURNAL_STREAM is set) a line
 * carries its priority as "<N>", as sd-daemon(3) says, and no time, which the journal adds; else it
 * begins with the UTC time. What peers sent may be in a message, so control characters become '?':
 * nobody forges a line.
 */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	char ident[64];
	_Atomic enum log_level least; /* threads log while one of them sets it */
	bool journal;
} state = {.least = NLOG_INFO};

const char *const log_level_names[] = {
	[NLOG_DEBUG] = "debug",
	[NLOG_INFO] = "info",
	[NLOG_REMOTE] = "remote",
	[NLOG_WARN] = "warning",
	[NLOG_CONF] = "config",
	[NLOG_ERROR] = "error",
	[NLOG_BUG] = "bug",
	[NLOG_BUG + 1] = NULL,
};

/* syslog's */
static const int priorities[] = {
	[NLOG_DEBUG] = 7,
	[NLOG_INFO] = 6,
	[NLOG_REMOTE] = 5,
	[NLOG_WARN] = 4,
	[NLOG_CONF] = 3,
	[NLOG_ERROR] = 3,
	[NLOG_BUG] = 2,
};

void log_open(const char *ident, enum log_level least)
{
	snprintf(state.ident, sizeof(state.ident), "%s", ident ? ident : "");
	state.least = least;
	state.journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level least)
{
	state.least = least;
}

int log_level_parse(const char *name, enum log_level *out)
{
	for (size_t i = 0; log_level_names[i]; i++) {
		if (strcmp(log_level_names[i], name) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* What stands before the message; returns its length. */
static size_t write_head(char *buf, size_t cap, enum log_level level)
{
	char when[40] = "";
	int n;

	if (state.journal) {
		n = snprintf(buf, cap, "<%d>%s%s", priorities[level], state.ident,
			state.ident[0] ? ": " : "");
	} else {
		ns_t now = clock_wall();
		time_t s = (time_t)(now / NS_S);
		struct tm tm;

		gmtime_r(&s, &tm);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
		n = snprintf(buf, cap, "%s.%03dZ %s%s%s: ", when, (int)(now % NS_S / NS_MS),
			state.ident, state.ident[0] ? ": " : "", log_level_names[level]);
	}
	return (size_t)n;
}

static void write_line(enum log_level level, const char *prefix, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void write_line(enum log_level level, const char *prefix, const char *fmt, va_list ap)
{
	char line[2048];
	size_t n = write_head(line, sizeof(line) - 1, level), head = n;
	int saved = errno, more;

	more = snprintf(line + n, sizeof(line) - 1 - n, "%s", prefix);
	n += (size_t)more;
	more = vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);
	if (more > 0)
		n += (size_t)more;
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2; /* cut short: 2 KB say enough */
	for (size_t i = head; i < n; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c < 0x20 || c == 0x7f)
			line[i] = '?';
	}
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0) {
		/* There is nowhere left to say so. */
	}
	errno = saved;
}

bool log_wants(enum log_level level)
{
	return level >= state.least;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level < state.least)
		return;
	va_start(ap, fmt);
	write_line(level, "", fmt, ap);
	va_end(ap);
}

static void refill(struct log_limit *l, ns_t now)
{
	if (!l->started) {
		l->started = true;
		l->tokens = l->burst;
		l->refilled = now;
		return;
	}
	if (l->interval > 0) {
		int64_t due = (now - l->refilled) / l->interval;

		if (due > 0) {
			l->refilled += due * l->interval;
			l->tokens =
				due >= l->burst - l->tokens ? l->burst : l->tokens + (uint32_t)due;
		}
	}
}

void log_limited(struct log_limit *l, enum log_level level, const char *fmt, ...)
{
	char held[64] = "";
	va_list ap;

	if (level < state.least)
		return;
	refill(l, clock_now());
	if (l->tokens == 0) {
		l->held++;
		return;
	}
	l->tokens--;
	if (l->held)
		snprintf(held, sizeof(held), "(%u held back) ", l->held);
	l->held = 0;
	va_start(ap, fmt);
	write_line(level, held, fmt, ap);
	va_end(ap);
}
