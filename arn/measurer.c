/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/measurer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/echo.h"
#include "lib/log.h"
#include "lib/lots.h"
#include "lib/udp.h"

#define PUBLISH_GAP (100 * NS_MS)

struct measurer {
	struct loop *loop;
	struct sites *sites;
	struct measure *core;
	measurer_publish_fn *publish;
	void *arg;
	struct loop_timer *timer;
	int fd[2]; /* IPv4, IPv6; -1: the host has none */
	struct loop_fd *watch[2];
	ns_t published;
	struct log_limit log_out;
	struct udp_msg batch[UDP_BATCH];
};

static void send_echo(struct measurer *m, const struct measure_act *act)
{
	int fd = m->fd[act->client.sa.sa_family == AF_INET6];
	int err = fd < 0 ? -EAFNOSUPPORT : echo_send(fd, &act->client, act->cookie);
	char text[ADDR_STRLEN];

	if (err)
		log_limited(&m->log_out, NLOG_DEBUG, "echo request to %s: %s",
			addr_host(&act->client, text), strerror(-err));
}

static void obey(struct measurer *m, const struct measure_act *act)
{
	uint8_t payload[WIRE_MAX];
	int n;

	switch (act->kind) {
	case MEASURE_ECHO: send_echo(m, act); break;
	case MEASURE_ASK:
		n = measure_ask_encode(&act->ask, payload, sizeof(payload));
		if (n > 0)
			sites_measure(m->sites, -1, WIRE_MEASURE, payload, (size_t)n);
		break;
	case MEASURE_ANSWER:
		n = measure_answer_encode(&act->answer, payload, sizeof(payload));
		if (n > 0)
			sites_measure(m->sites, act->site, WIRE_MEASURED, payload, (size_t)n);
		break;
	}
}

static void publish(struct measurer *m, ns_t now)
{
	struct region_table *t = measure_table(m->core);

	if (!t)
		return;
	m->published = now;
	m->publish(m->arg, t);
	region_table_unref(t);
}

static void work(struct measurer *m)
{
	ns_t now = loop_now(m->loop), when;
	struct measure_act act;

	while (measure_next(m->core, now, &act))
		obey(m, &act);
	when = measure_when(m->core);
	if (measure_news(m->core) && now >= m->published + PUBLISH_GAP)
		publish(m, now);
	if (measure_news(m->core) && m->published + PUBLISH_GAP < when)
		when = m->published + PUBLISH_GAP;
	loop_timer_at(m->timer, when);
}

static void on_timer(void *arg)
{
	work(arg);
}

static void on_echoes(struct measurer *m, int family)
{
	int n = udp_recv(m->fd[family == AF_INET6], m->batch, UDP_BATCH);
	ns_t now = loop_now(m->loop);
	uint64_t cookie;

	for (int i = 0; i < n; i++)
		if (echo_parse(family, m->batch[i].data, m->batch[i].len, &cookie))
			measure_echoed(m->core, &m->batch[i].from, cookie, now);
	work(m);
}

static void on_v4(void *arg, int events)
{
	(void)events;
	on_echoes(arg, AF_INET);
}

static void on_v6(void *arg, int events)
{
	(void)events;
	on_echoes(arg, AF_INET6);
}

static const char *on_message(
	void *arg, int site, enum wire_type type, uint64_t sender, const uint8_t *payload, size_t n)
{
	struct measurer *m = arg;
	ns_t now = loop_now(m->loop);
	struct measure_answer answer;
	struct measure_ask ask;
	const char *why;

	if (site < 0)
		return "not from the address of a site";
	if (type == WIRE_MEASURE) {
		if (measure_ask_decode(&ask, payload, n, &why) < 0)
			return why;
		if (wire_sender_id(ask.from) != sender)
			return "sealed by another than it names";
		measure_asked(m->core, site, &ask, now);
	} else {
		if (measure_answer_decode(&answer, payload, n, &why) < 0)
			return why;
		if (wire_sender_id(answer.from) != sender)
			return "sealed by another than it names";
		measure_answered(m->core, site, &answer, now);
	}
	work(m);
	return NULL;
}

void measurer_want(struct measurer *m, const struct addr *client)
{
	measure_want(m->core, client, loop_now(m->loop));
	work(m);
}

/* ---- life ---- */

/* A host without IPv6 measures clients of IPv4. */
static int open_socket(struct measurer *m, int family)
{
	int i = family == AF_INET6, fd = echo_open(family);

	m->fd[i] = fd;
	if (fd == -EAFNOSUPPORT)
		return 0;
	if (fd < 0)
		return fd;
	m->watch[i] = loop_fd_new(m->loop, fd, family == AF_INET6 ? on_v6 : on_v4, m);
	return m->watch[i] ? loop_fd_want(m->watch[i], LOOP_READ) : -ENOMEM;
}

struct measurer *measurer_new(struct loop *l, const struct measure_conf *c, struct sites *s,
	measurer_publish_fn *publish_fn, void *arg, int *err)
{
	struct measurer *m = calloc(1, sizeof(*m));

	*err = -ENOMEM;
	if (!m)
		return NULL;
	*m = (struct measurer){.loop = l,
		.sites = s,
		.publish = publish_fn,
		.arg = arg,
		.fd = {-1, -1},
		.published = -NS_S,
		.log_out = LOG_LIMIT_INIT};
	m->core = measure_new(c, lots_seed(), loop_now(l));
	m->timer = loop_timer_new(l, on_timer, m);
	if (m->core && m->timer)
		*err = open_socket(m, AF_INET);
	if (!*err)
		*err = open_socket(m, AF_INET6);
	if (*err) {
		measurer_free(m);
		return NULL;
	}
	sites_on_measure(s, on_message, m);
	work(m);
	return m;
}

void measurer_free(struct measurer *m)
{
	if (!m)
		return;
	sites_on_measure(m->sites, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		loop_fd_free(m->watch[i]);
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	}
	loop_timer_free(m->timer);
	measure_free(m->core);
	free(m);
}

const struct measure *measurer_core(const struct measurer *m)
{
	return m->core;
}

struct js *measurer_show(const struct measurer *m)
{
	struct js *list = js_array();
	ns_t now = loop_now(m->loop);
	char text[ADDR_STRLEN];
	struct measure_view v;

	for (int i = 0; measure_view(m->core, i, &v); i++) {
		struct js *o = js_object();

		js_put_str(o, "prefix", prefix_str(v.net, text));
		js_put_str(o, "client", addr_host(v.client, text));
		js_put_str(o, "state", v.asking ? "asking" : *v.place ? "known" : "unknown");
		js_put_str(o, "region", *v.place && !v.asking ? v.place : NULL);
		if (v.rtt_us)
			js_put_real(o, "rtt_ms", v.rtt_us / 1000.0);
		js_put_real(o, "left_s", v.until > now ? (double)(v.until - now) / NS_S : 0);
		js_push(list, o);
	}
	return list;
}
