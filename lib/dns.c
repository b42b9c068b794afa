/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * c-ares opens and closes its sockets as it likes, and tells us so: each has a watcher here while
 * it wants one. After everything that may have moved it we ask when it wants to be called next.
 */
#include "lib/dns.h"

#include <ares.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sbuf.h"

#define CLASS_IN    1
#define UDP_SIZE    1232 /* no fragments: what DNS software agreed on in 2020 */
#define MAX_SERVERS 16

struct watch {
	struct watch *next;
	struct dns *owner;
	ares_socket_t fd;
	struct loop_fd *fd_watch;
};

struct dns {
	struct loop *loop;
	ares_channel channel;
	struct loop_timer *timer;
	struct watch *watches;
	bool dying;
	char servers[512];
};

struct question {
	struct dns *dns;
	dns_cb *cb;
	void *arg;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int library_err;

static void open_library(void)
{
	library_err = ares_library_init(ARES_LIB_INIT_ALL);
}

static void arm(struct dns *d)
{
	struct timeval tv, *next = ares_timeout(d->channel, NULL, &tv);

	loop_timer_at(d->timer,
		next ? loop_now(d->loop) + next->tv_sec * NS_S + next->tv_usec * NS_US : NS_NEVER);
}

static void on_timer(void *arg)
{
	struct dns *d = arg;

	ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(d);
}

static void on_ready(void *arg, int events)
{
	struct watch *w = arg;
	struct dns *d = w->owner;
	ares_socket_t fd = w->fd;

	ares_process_fd(d->channel, events & LOOP_READ ? fd : ARES_SOCKET_BAD,
		events & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
	arm(d);
}

static void watch_free(struct watch *w)
{
	loop_fd_free(w->fd_watch);
	free(w);
}

static struct watch **find_watch(struct dns *d, ares_socket_t fd)
{
	struct watch **w = &d->watches;

	while (*w && (*w)->fd != fd)
		w = &(*w)->next;
	return w;
}

/* Without memory for a watcher the question times out, which is what its asker expects anyway. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns *d = arg;
	struct watch **at = find_watch(d, fd), *w = *at;

	if (!readable && !writable) {
		if (w) {
			*at = w->next;
			watch_free(w);
		}
		return;
	}
	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return;
		w->owner = d;
		w->fd = fd;
		w->fd_watch = loop_fd_new(d->loop, fd, on_ready, w);
		if (!w->fd_watch) {
			free(w);
			return;
		}
		w->next = d->watches;
		d->watches = w;
	}
	loop_fd_want(w->fd_watch, (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0));
}

static int to_errno(int status)
{
	switch (status) {
	case ARES_SUCCESS:
	case ARES_ENODATA:
	case ARES_ENOTFOUND: return 0;
	case ARES_ETIMEOUT: return -ETIMEDOUT;
	case ARES_ECONNREFUSED: return -ECONNREFUSED;
	case ARES_ESERVFAIL:
	case ARES_ENOTIMP:
	case ARES_EREFUSED: return -EREMOTEIO;
	case ARES_ENOMEM: return -ENOMEM;
	case ARES_EBADNAME: return -EINVAL;
	}
	return -EPROTO;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *p, int n)
{
	struct question *q = arg;
	struct dns_msg m;
	int err = to_errno(status);

	(void)timeouts;
	if (!err && (!p || n <= 0 || dns_parse(&m, p, (size_t)n) < 0))
		err = -EPROTO;
	if (!err && m.rcode != DNS_NOERROR && m.rcode != DNS_NXDOMAIN)
		err = -EREMOTEIO;
	if (!q->dns->dying)
		q->cb(q->arg, err, err ? NULL : &m);
	free(q);
}

void dns_query(struct dns *d, const char *name, enum dns_type type, dns_cb *cb, void *arg)
{
	struct question *q = malloc(sizeof(*q));

	if (!q) {
		cb(arg, -ENOMEM, NULL);
		return;
	}
	*q = (struct question){d, cb, arg};
	ares_query(d->channel, name, CLASS_IN, (int)type, on_answer, q);
	arm(d);
}

static int set_servers(struct dns *d, const struct dns_conf *c)
{
	struct ares_addr_port_node node[MAX_SERVERS];
	int n = c->servers < MAX_SERVERS ? c->servers : MAX_SERVERS;

	for (int i = 0; i < n; i++) {
		const struct addr *a = &c->server[i];

		node[i] = (struct ares_addr_port_node){.next = i + 1 < n ? &node[i + 1] : NULL,
			.family = a->sa.sa_family,
			.udp_port = addr_port(a),
			.tcp_port = addr_port(a)};
		if (a->sa.sa_family == AF_INET)
			node[i].addr.addr4 = a->in.sin_addr;
		else
			memcpy(&node[i].addr.addr6, &a->in6.sin6_addr, 16);
	}
	return n ? ares_set_servers_ports(d->channel, node) : ARES_SUCCESS;
}

static void name_servers(struct dns *d)
{
	struct ares_addr_port_node *list, *s;
	struct sbuf b;

	sbuf_init(&b, d->servers, sizeof(d->servers));
	if (ares_get_servers_ports(d->channel, &list) != ARES_SUCCESS)
		return;
	for (s = list; s; s = s->next) {
		char text[INET6_ADDRSTRLEN];

		ares_inet_ntop(s->family, &s->addr, text, sizeof(text));
		sbuf_printf(&b, "%s%s", s == list ? "" : ", ", text);
		if (s->udp_port && s->udp_port != 53)
			sbuf_printf(&b, " port %d", s->udp_port);
	}
	ares_free_data(list);
}

struct dns *dns_new(struct loop *l, const struct dns_conf *c, int *err)
{
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_EDNS,
		.timeout = (int)(c->timeout / NS_MS),
		.tries = c->tries,
		.sock_state_cb = on_socket,
		.ednspsz = UDP_SIZE,
	};
	struct dns *d = calloc(1, sizeof(*d));

	*err = -ENOMEM;
	pthread_once(&once, open_library);
	if (!d || library_err) {
		free(d);
		return NULL;
	}
	d->loop = l;
	d->timer = loop_timer_new(l, on_timer, d);
	o.sock_state_cb_data = d;
	if (!d->timer ||
		ares_init_options(&d->channel, &o,
			ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				ARES_OPT_SOCK_STATE_CB | ARES_OPT_EDNSPSZ) != ARES_SUCCESS) {
		loop_timer_free(d->timer);
		free(d);
		return NULL;
	}
	if (set_servers(d, c) != ARES_SUCCESS) {
		dns_free(d);
		return NULL;
	}
	name_servers(d);
	*err = 0;
	return d;
}

void dns_free(struct dns *d)
{
	if (!d)
		return;
	d->dying = true;
	ares_destroy(d->channel);
	while (d->watches) {
		struct watch *w = d->watches;

		d->watches = w->next;
		watch_free(w);
	}
	loop_timer_free(d->timer);
	free(d);
}

const char *dns_servers(const struct dns *d)
{
	return d->servers;
}

const char *dns_strerror(int err)
{
	switch (err) {
	case -ETIMEDOUT: return "no answer";
	case -ECONNREFUSED: return "no name server there";
	case -EREMOTEIO: return "the name server failed or refused";
	case -EINVAL: return "not a name that can be asked for";
	case -ENOMEM: return "out of memory";
	}
	return "an answer that is none";
}
