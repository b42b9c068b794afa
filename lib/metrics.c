/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics in Prometheus' text format 0.0.4. Whoever counts does it in its own plain variable; the
 * tables only point there, so a count costs one increment and nothing is kept twice.
 *
 * libmicrohttpd serves them without a thread: it keeps its connections in an epoll set of its own,
 * whose descriptor our loop watches like any other, and tells how long it may be left alone.
 */
#include "lib/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16
#define IDLE_SECONDS    10
#define TEXT_FIRST      (16 << 10)
#define TEXT_MAX        (16 << 20)

struct metrics {
	const struct metric **metric;
	size_t n;
	struct MHD_Daemon *http;
	struct loop_fd *watch;
	struct loop_timer *timer;
	uint16_t port;
};

struct metrics *metrics_new(void)
{
	return calloc(1, sizeof(struct metrics));
}

void metrics_add(struct metrics *m, const struct metric *table, int n)
{
	m->metric = reallocarray(m->metric, m->n + (size_t)n, sizeof(*m->metric));
	if (!m->metric)
		abort(); /* at start-up only */
	for (int i = 0; i < n; i++)
		m->metric[m->n++] = &table[i];
}

static void write_value(const struct metric *m, struct sbuf *out)
{
	uint64_t v = m->value ? *m->value : m->read(m->arg);

	if (m->labels && *m->labels)
		sbuf_printf(out, "%s{%s} %" PRIu64 "\n", m->name, m->labels, v);
	else
		sbuf_printf(out, "%s %" PRIu64 "\n", m->name, v);
}

/* Whether one of that name stands before the i-th. */
static bool seen_before(const struct metrics *m, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (strcmp(m->metric[k]->name, m->metric[i]->name) == 0)
			return true;
	}
	return false;
}

void metrics_write(const struct metrics *m, struct sbuf *out)
{
	/* The format wants all lines of one name together. */
	for (size_t i = 0; i < m->n; i++) {
		const struct metric *first = m->metric[i];

		if (seen_before(m, i))
			continue;
		sbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", first->name, first->help,
			first->name, first->kind == METRIC_COUNTER ? "counter" : "gauge");
		for (size_t k = i; k < m->n; k++) {
			if (strcmp(m->metric[k]->name, first->name) == 0)
				write_value(m->metric[k], out);
		}
	}
}

/* All of it in memory that is to be freed; NULL without memory. */
static char *write_text(const struct metrics *m, size_t *n)
{
	for (size_t cap = TEXT_FIRST; cap <= TEXT_MAX; cap *= 2) {
		char *text = malloc(cap);
		struct sbuf b;

		if (!text)
			return NULL;
		sbuf_init(&b, text, cap);
		metrics_write(m, &b);
		if (!b.full) {
			*n = b.n;
			return text;
		}
		free(text);
	}
	return NULL;
}

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, char *text, size_t n,
	enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(n, text, mode);
	enum MHD_Result ok;

	if (!r) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, "Content-Type",
		status == MHD_HTTP_OK ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, "Allow", "GET, HEAD");
	ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *body, size_t *body_len, void **state)
{
	static char not_found[] = "Metrics are at /metrics\n", no_method[] = "GET or HEAD\n";
	const struct metrics *m = arg;
	size_t n = 0;
	char *text;

	(void)version, (void)body, (void)state;
	*body_len = 0;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, no_method, sizeof(no_method) - 1,
			MHD_RESPMEM_PERSISTENT);
	if (strcmp(url, "/metrics") != 0)
		return answer(c, MHD_HTTP_NOT_FOUND, not_found, sizeof(not_found) - 1,
			MHD_RESPMEM_PERSISTENT);
	text = write_text(m, &n);
	return text ? answer(c, MHD_HTTP_OK, text, n, MHD_RESPMEM_MUST_FREE) : MHD_NO;
}

/* Lets libmicrohttpd work, and notes when it wants to be called again. */
static void run(struct metrics *m)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(m->http);
	loop_timer_at(m->timer, MHD_get_timeout(m->http, &ms) == MHD_YES
					? clock_now() + (ns_t)ms * NS_MS
					: NS_NEVER);
}

static void on_ready(void *arg, int events)
{
	(void)events;
	run(arg);
}

static void on_timer(void *arg)
{
	run(arg);
}

/* A listening socket, or negative errno. */
static int open_listener(const struct addr *at, uint16_t *port)
{
	int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct addr bound;
	socklen_t len = sizeof(bound);
	int one = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &at->sa, addr_len(at)) < 0 || listen(fd, CONNECTIONS_MAX) < 0 ||
		getsockname(fd, &bound.sa, &len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*port = addr_port(&bound);
	return fd;
}

int metrics_serve(struct metrics *m, struct loop *l, const struct addr *at)
{
	int fd = open_listener(at, &m->port);
	const union MHD_DaemonInfo *info;

	if (fd < 0)
		return fd;
	m->http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, m,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_END);
	if (!m->http) {
		close(fd);
		return -ENOMEM;
	}
	info = MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_EPOLL_FD);
	m->timer = loop_timer_new(l, on_timer, m);
	m->watch = info ? loop_fd_new(l, info->epoll_fd, on_ready, m) : NULL;
	if (!m->timer || !m->watch)
		return -ENOMEM; /* metrics_free cleans up */
	return loop_fd_want(m->watch, LOOP_READ);
}

uint16_t metrics_port(const struct metrics *m)
{
	return m->port;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	loop_fd_free(m->watch);
	loop_timer_free(m->timer);
	if (m->http)
		MHD_stop_daemon(m->http);
	free(m->metric);
	free(m);
}
