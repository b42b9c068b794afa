/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/udp.h"

#define RCVBUF (1 << 20) /* for records of many sites at once (arn/flood.h) */

struct sites {
	struct loop *loop;
	struct sites_conf conf;
	struct addr site[SITE_MAX];
	struct site core;
	struct announce word; /* what is said */
	struct wire_sender sender;
	struct wire_receiver *receiver;
	struct loop_timer *timer;
	struct loop_fd *watch;
	int fd;
	ns_t say_at;
	struct sites_counters count;
	struct log_limit log_in, log_out;
	sites_flood_cb *flood;
	void *flood_arg;
	sites_measure_cb *measure;
	void *measure_arg;
	struct udp_msg batch[UDP_BATCH];
};

static void send_to(struct sites *s, int i, enum wire_type type, const uint8_t *payload, size_t n)
{
	uint8_t sealed[WIRE_MAX];
	char text[ADDR_STRLEN];
	int len = wire_seal(&s->sender, type, payload, n, clock_wall(), sealed);
	int err = len < 0 ? len : udp_send(s->fd, &s->site[i], sealed, (size_t)len);

	if (err)
		log_limited(&s->log_out, NLOG_WARN, "site %s: %s", addr_str(&s->site[i], text),
			strerror(-err));
	else
		s->count.sent++;
}

static void say(struct sites *s, ns_t now)
{
	uint8_t payload[WIRE_MAX];
	int n;

	s->say_at = now + s->conf.core.interval;
	if (s->word.addr.sa.sa_family == AF_UNSPEC)
		return; /* it knows no address of its own yet, and has no block up */
	n = announce_encode(&s->word, payload, sizeof(payload));
	for (int i = 0; i < s->conf.sites && n > 0; i++)
		send_to(s, i, WIRE_SITE, payload, (size_t)n);
}

static void work(struct sites *s)
{
	ns_t now = loop_now(s->loop), when;

	if (site_step(&s->core, now)) {
		log_msg(s->core.away ? NLOG_WARN : NLOG_INFO, "%s",
			s->core.away ? "no usable node here, and another site serves: withdrawing"
				     : "back: there is a usable node, or no other site serves");
		s->conf.turned(s->conf.arg);
	}
	if (now >= s->say_at)
		say(s, now);
	when = site_when(&s->core, now);
	loop_timer_at(s->timer, when < s->say_at ? when : s->say_at);
}

static void refuse(struct sites *s, const struct addr *from, const char *why)
{
	char peer[ADDR_STRLEN];

	s->count.refused++;
	log_limited(&s->log_in, NLOG_REMOTE, "%s: word of a site refused: %s", addr_str(from, peer),
		why);
}

static int site_at(const struct sites *s, const struct addr *from)
{
	for (int i = 0; i < s->conf.sites; i++)
		if (addr_same_host(&s->site[i], from))
			return i;
	return -1;
}

static void on_flood(struct sites *s, const struct addr *from, const struct wire_view *v)
{
	const char *why = NULL;

	if (s->flood)
		why = s->flood(s->flood_arg, site_at(s, from), v->sender, v->payload, v->len);
	if (why)
		refuse(s, from, why);
}

static void on_measure(struct sites *s, const struct addr *from, const struct wire_view *v)
{
	const char *why = NULL;

	if (s->measure)
		why = s->measure(
			s->measure_arg, site_at(s, from), v->type, v->sender, v->payload, v->len);
	if (why)
		refuse(s, from, why);
}

static void on_datagram(struct sites *s, const struct udp_msg *m)
{
	enum wire_error e = WIRE_MALFORMED;
	struct announce a;
	struct wire_view v;
	const char *why;

	if (!m->truncated)
		e = wire_open(s->receiver, m->data, m->len, clock_wall(), &v);
	if (e != WIRE_OK)
		return refuse(s, &m->from, wire_error_str(e));
	if (v.type == WIRE_FLOOD)
		return on_flood(s, &m->from, &v);
	if (v.type == WIRE_MEASURE || v.type == WIRE_MEASURED)
		return on_measure(s, &m->from, &v);
	if (announce_decode(&a, v.payload, v.len, &why) < 0)
		return refuse(s, &m->from, why);
	if (wire_sender_id(a.id) != v.sender)
		return refuse(s, &m->from, "sealed by another than it names");
	if (a.role != ROLE_ARN || !strcmp(a.id, s->conf.name) ||
		!prefix_same(&a.block, &s->conf.block))
		return refuse(s, &m->from, "not another ARN of this block");
	if (site_hear(&s->core, a.id, a.serves, a.interval_ms, loop_now(s->loop)) < 0)
		return refuse(s, &m->from, "more ARNs of other sites than there is room for");
	s->count.heard++;
}

static void on_readable(void *arg, int events)
{
	struct sites *s = arg;
	int n = udp_recv(s->fd, s->batch, UDP_BATCH);

	(void)events;
	for (int i = 0; i < n; i++)
		on_datagram(s, &s->batch[i]);
	work(s);
}

static void on_timer(void *arg)
{
	work(arg);
}

void sites_set(struct sites *s, bool usable, bool serves, const struct addr *addr)
{
	ns_t now = loop_now(s->loop);

	site_set_usable(&s->core, usable, now);
	s->word.addr = *addr;
	addr_set_port(&s->word.addr, 0);
	if (serves != s->word.serves)
		s->say_at = now; /* the others wait for it */
	s->word.serves = serves;
	work(s);
}

/* ---- life ---- */

struct sites *sites_new(struct loop *l, const struct sites_conf *c, int *err)
{
	struct sites *s = calloc(1, sizeof(*s));

	*err = -ENOMEM;
	if (!s)
		return NULL;
	*s = (struct sites){.loop = l,
		.conf = *c,
		.fd = -1,
		.log_in = LOG_LIMIT_INIT,
		.log_out = LOG_LIMIT_INIT,
		.word = {.role = ROLE_ARN,
			.block = c->block,
			.weight = 100,
			.interval_ms = (uint32_t)(c->core.interval / NS_MS)}};
	memcpy(s->word.id, c->name, strnlen(c->name, sizeof(s->word.id) - 1));
	memcpy(s->site, c->site, (size_t)c->sites * sizeof(*c->site));
	site_init(&s->core, &c->core, loop_now(l));
	wire_sender_init(&s->sender, c->keys, c->name, clock_wall());
	s->receiver = wire_receiver_new(c->keys, c->skew, 4 * SITE_MAX);
	s->timer = loop_timer_new(l, on_timer, s);
	if (s->receiver && s->timer) {
		wire_receiver_take(s->receiver, WIRE_BIT(WIRE_SITE) | WIRE_BIT(WIRE_FLOOD) |
							WIRE_BIT(WIRE_MEASURE) |
							WIRE_BIT(WIRE_MEASURED));
		s->fd = udp_open(&c->at, RCVBUF, 0);
		*err = s->fd < 0 ? s->fd : 0;
	}
	if (!*err) {
		s->watch = loop_fd_new(l, s->fd, on_readable, s);
		*err = s->watch ? loop_fd_want(s->watch, LOOP_READ) : -ENOMEM;
	}
	if (*err) {
		sites_free(s);
		return NULL;
	}
	work(s);
	return s;
}

void sites_free(struct sites *s)
{
	if (!s)
		return;
	loop_timer_free(s->timer);
	loop_fd_free(s->watch);
	if (s->fd >= 0)
		close(s->fd);
	wire_receiver_free(s->receiver);
	free(s);
}

void sites_on_flood(struct sites *s, sites_flood_cb *cb, void *arg)
{
	s->flood = cb;
	s->flood_arg = arg;
}

void sites_flood(struct sites *s, int site, const uint8_t *payload, size_t n)
{
	send_to(s, site, WIRE_FLOOD, payload, n);
}

void sites_on_measure(struct sites *s, sites_measure_cb *cb, void *arg)
{
	s->measure = cb;
	s->measure_arg = arg;
}

void sites_measure(struct sites *s, int site, enum wire_type type, const uint8_t *payload, size_t n)
{
	for (int i = 0; i < s->conf.sites; i++)
		if (site < 0 || site == i)
			send_to(s, i, type, payload, n);
}

bool sites_away(const struct sites *s)
{
	return s->core.away;
}

int sites_serving(const struct sites *s)
{
	return site_serving(&s->core, loop_now(s->loop));
}

const struct site *sites_core(const struct sites *s)
{
	return &s->core;
}

const struct sites_counters *sites_counters(const struct sites *s)
{
	return &s->count;
}

struct js *sites_show(const struct sites *s)
{
	struct js *list = js_array();
	ns_t now = loop_now(s->loop);

	for (int i = 0; i < s->core.n; i++) {
		const struct site_peer *p = &s->core.peer[i];
		struct js *o = js_object();

		js_put_str(o, "arn", p->id);
		js_put_str(o, "state", now >= p->expires ? "silent" : p->serves ? "serves" : "no");
		js_put_real(o, "heard_s_ago", (double)(now - p->heard_at) / NS_S);
		js_push(list, o);
	}
	return list;
}
