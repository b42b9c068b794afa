/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libmicrohttpd works without a thread: it keeps its connections in an epoll set of its own, whose
 * descriptor our loop watches like any other, and tells how long it may be left alone.
 */
#include "lib/httpd.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_SECONDS 10

struct httpd {
	httpd_cb *cb;
	void *arg;
	struct MHD_Daemon *mhd;
	struct loop_fd *watch;
	struct loop_timer *timer;
	uint16_t port;
};

static struct slice look_up(
	const struct httpd_request *r, enum MHD_ValueKind kind, const char *name)
{
	const char *value = NULL;
	size_t n = 0;

	if (MHD_lookup_connection_value_n(r->impl, kind, name, strlen(name), &value, &n) !=
			MHD_YES ||
		!value)
		return (struct slice){NULL, 0};
	return (struct slice){value, n};
}

static struct slice query(const struct httpd_request *r, const char *name)
{
	return look_up(r, MHD_GET_ARGUMENT_KIND, name);
}

static struct slice header(const struct httpd_request *r, const char *name)
{
	return look_up(r, MHD_HEADER_KIND, name);
}

static enum MHD_Result answer(struct MHD_Connection *c, const struct httpd_answer *a)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(a->n, a->text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result ok;

	if (!r) {
		free(a->text);
		return MHD_NO;
	}
	MHD_add_response_header(r, "Content-Type", a->type);
	if (a->header.name)
		MHD_add_response_header(r, a->header.name, a->header.value);
	ok = MHD_queue_response(c, (unsigned)a->status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result refuse_method(struct MHD_Connection *c)
{
	static char text[] = "GET or HEAD\n";
	struct MHD_Response *r =
		MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result ok;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", "text/plain");
	MHD_add_response_header(r, "Allow", "GET, HEAD");
	ok = MHD_queue_response(c, MHD_HTTP_METHOD_NOT_ALLOWED, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *body, size_t *body_len, void **state)
{
	const struct httpd_request r = {.path = url, .query = query, .header = header, .impl = c};
	struct httpd_answer a = {.status = MHD_HTTP_OK, .type = "text/plain"};
	struct httpd *h = arg;

	(void)version, (void)body, (void)state;
	*body_len = 0;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse_method(c);
	h->cb(h->arg, &r, &a);
	return a.text ? answer(c, &a) : MHD_NO;
}

/* Lets libmicrohttpd work, and notes when it wants to be called again. */
static void run(struct httpd *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(h->mhd);
	loop_timer_at(h->timer, MHD_get_timeout(h->mhd, &ms) == MHD_YES
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
static int open_listener(const struct addr *at, int backlog, uint16_t *port)
{
	int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct addr bound;
	socklen_t len = sizeof(bound);
	int one = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &at->sa, addr_len(at)) < 0 || listen(fd, backlog) < 0 ||
		getsockname(fd, &bound.sa, &len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*port = addr_port(&bound);
	return fd;
}

static int start(struct httpd *h, struct loop *l, const struct addr *at, int connections)
{
	int fd = open_listener(at, connections, &h->port);
	const union MHD_DaemonInfo *info;

	if (fd < 0)
		return fd;
	h->mhd = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, h,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)connections,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
	if (!h->mhd) {
		close(fd);
		return -ENOMEM;
	}
	info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	h->timer = loop_timer_new(l, on_timer, h);
	h->watch = info ? loop_fd_new(l, info->epoll_fd, on_ready, h) : NULL;
	if (!h->timer || !h->watch)
		return -ENOMEM;
	return loop_fd_want(h->watch, LOOP_READ);
}

struct httpd *httpd_new(
	struct loop *l, const struct addr *at, int connections, httpd_cb *cb, void *arg, int *err)
{
	struct httpd *h = calloc(1, sizeof(*h));

	*err = -ENOMEM;
	if (!h)
		return NULL;
	*h = (struct httpd){.cb = cb, .arg = arg};
	*err = start(h, l, at, connections);
	if (*err) {
		httpd_free(h);
		return NULL;
	}
	return h;
}

void httpd_free(struct httpd *h)
{
	if (!h)
		return;
	loop_fd_free(h->watch);
	loop_timer_free(h->timer);
	if (h->mhd)
		MHD_stop_daemon(h->mhd);
	free(h);
}

uint16_t httpd_port(const struct httpd *h)
{
	return h->port;
}
