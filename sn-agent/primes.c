/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/primes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/event.h"
#include "lib/log.h"
#include "lib/udp.h"

#define HOUSE   NS_S /* ports expire */
#define SENDERS 256  /* ARNs */
#define TRIES   8    /* numbers that cannot be listened at, one after the other */

struct primes {
	struct loop *loop;
	struct primes_conf conf;
	struct ports *ports;
	struct wire_sender sender;
	struct wire_receiver *receiver;
	struct loop_timer *timer;
	struct loop_fd *watch;
	int fd;
	struct primes_counters count;
	struct log_limit log;
	struct udp_msg batch[UDP_BATCH];
};

static void refuse(struct primes *p, const struct addr *from, uint64_t *counter, const char *why)
{
	char peer[ADDR_STRLEN];

	(*counter)++;
	log_limited(&p->log, NLOG_REMOTE, "%s: prime refused: %s", addr_str(from, peer), why);
}

static void answer(struct primes *p, const struct addr *to, const struct prime_answer *a)
{
	uint8_t payload[WIRE_MAX], sealed[WIRE_MAX];
	char peer[ADDR_STRLEN];
	int n = prime_answer_encode(a, payload, sizeof(payload));

	if (n > 0)
		n = wire_seal(&p->sender, WIRE_PRIMED, payload, (size_t)n, clock_wall(), sealed);
	if (n > 0)
		n = udp_send(p->fd, to, sealed, (size_t)n);
	if (n < 0)
		log_limited(&p->log, NLOG_WARN, "answer to %s at %s: %s", a->to, addr_str(to, peer),
			strerror(-n));
}

/* reason: why it was taken back; NULL: it is given. */
static void say(struct primes *p, const struct port *x, const char *reason)
{
	char text[PRIME_STATE_STRLEN];
	struct js *o;

	prime_state_str(&x->state, text);
	log_msg(NLOG_INFO, "port %u %s: %s%s%s", x->number, reason ? "taken back" : "given", text,
		reason ? ": " : "", reason ? reason : "");
	if (!event_wanted())
		return;
	o = js_object();
	js_put_int(o, "port", x->number);
	js_put_str(o, "state", text);
	if (reason)
		js_put_str(o, "reason", reason);
	event_emit(reason ? "unprimed" : "primed", loop_now(p->loop), o);
}

/* ---- ports open and close ---- */

static void shut(struct primes *p, struct port *x, const char *reason, ns_t now)
{
	if (x->open)
		p->conf.service->close(p->conf.arg, x);
	x->open = false;
	say(p, x, reason);
	ports_forget(p->ports, x, now);
}

/* It has to make room: who would still send clients there is told. */
static void give_way(struct primes *p, struct port *x, ns_t now)
{
	struct prime_answer a = {
		.generation = ports_generation(p->ports), .status = PRIME_GONE, .port = x->number};

	p->count.gone++;
	memcpy(a.from, p->conf.name, strlen(p->conf.name) + 1);
	for (int i = 0; i < PORTS_HOLDERS; i++) {
		if (!*x->holder[i].arn || now >= x->holder[i].until)
			continue;
		memcpy(a.to, x->holder[i].arn, sizeof(a.to));
		/* It is not acknowledged, and costs clients a retry when it is lost. */
		answer(p, &x->holder[i].at, &a);
		answer(p, &x->holder[i].at, &a);
	}
	shut(p, x, "gives way to another", now);
}

/* False: this number cannot be listened at. */
static bool open_port(struct primes *p, struct port *x, ns_t now)
{
	int err = p->conf.service->open(p->conf.arg, x);

	x->open = err == 0;
	if (x->open) {
		say(p, x, NULL);
		return true;
	}
	p->count.failed++;
	log_limited(&p->log, NLOG_WARN, "port %u cannot be given: %s", x->number, strerror(-err));
	ports_fail(p->ports, x, now);
	return false;
}

static void on_ask(struct primes *p, const struct prime_ask *ask, const struct addr *from)
{
	ns_t now = loop_now(p->loop);
	struct prime_answer out;
	struct port *x = NULL, *gone;

	for (int i = 0; i < TRIES; i++) {
		x = ports_ask(p->ports, ask, from, now, &out, &gone);
		if (gone)
			give_way(p, gone, now);
		if (!x)
			break;
		if (x->open) {
			p->conf.service->moved(p->conf.arg, x);
			break;
		}
		if (open_port(p, x, now))
			break;
		x = NULL;
		out.status = PRIME_NO_PORT;
		out.port = 0;
		out.lifetime_ms = 0;
	}
	if (x)
		p->count.granted++;
	else
		p->count.refused++;
	answer(p, from, &out);
	if (x && *ask->expect)
		p->conf.service->expect(p->conf.arg, x, ask->expect);
}

/* ---- the control port ---- */

static void on_datagram(struct primes *p, const struct udp_msg *m)
{
	enum wire_error e = WIRE_MALFORMED;
	struct prime_ask ask;
	struct wire_view v;
	const char *why;

	p->count.received++;
	if (!m->truncated)
		e = wire_open(p->receiver, m->data, m->len, clock_wall(), &v);
	if (e != WIRE_OK)
		return refuse(p, &m->from, &p->count.unopened, wire_error_str(e));
	if (prime_ask_decode(&ask, v.payload, v.len, &why) < 0)
		return refuse(p, &m->from, &p->count.bad_payload, why);
	if (wire_sender_id(ask.from) != v.sender)
		return refuse(p, &m->from, &p->count.bad_payload, "sealed by another");
	/* The key is everybody's: what was said to another node is nothing here. */
	if (strcmp(ask.to, p->conf.name))
		return refuse(p, &m->from, &p->count.bad_payload, "meant for another node");
	on_ask(p, &ask, &m->from);
}

static void on_readable(void *arg, int events)
{
	struct primes *p = arg;
	int n = udp_recv(p->fd, p->batch, UDP_BATCH);

	(void)events;
	for (int i = 0; i < n; i++)
		on_datagram(p, &p->batch[i]);
}

static void on_timer(void *arg)
{
	struct primes *p = arg;
	ns_t now = loop_now(p->loop);
	struct port *x;

	while ((x = ports_expired(p->ports, now)))
		shut(p, x, "unused", now);
	loop_timer_at(p->timer, now + HOUSE);
}

/* ---- life ---- */

struct primes *primes_new(struct loop *l, const struct primes_conf *c, int *err)
{
	struct primes *p = calloc(1, sizeof(*p));
	struct ports_conf pc = c->ports;
	uint64_t generation = 0;

	*err = -ENOMEM;
	if (!p)
		return NULL;
	*p = (struct primes){.loop = l, .conf = *c, .fd = -1, .log = LOG_LIMIT_INIT};
	while (!generation)
		if (getrandom(&generation, sizeof(generation), 0) != sizeof(generation))
			generation = (uint64_t)clock_wall();
	pc.services = c->service->service;
	p->ports = ports_new(&pc, c->name, generation);
	wire_sender_init(&p->sender, c->keys, c->name, clock_wall());
	p->receiver = wire_receiver_new(c->keys, c->skew, SENDERS);
	p->timer = loop_timer_new(l, on_timer, p);
	p->fd = udp_open(&c->control, 0, 0);
	if (p->fd < 0)
		*err = p->fd;
	else
		p->watch = loop_fd_new(l, p->fd, on_readable, p);
	if (!p->ports || !p->receiver || !p->timer || !p->watch ||
		(*err = loop_fd_want(p->watch, LOOP_READ))) {
		primes_free(p);
		return NULL;
	}
	wire_receiver_take(p->receiver, WIRE_BIT(WIRE_PRIME));
	loop_timer_at(p->timer, loop_now(l) + HOUSE);
	return p;
}

void primes_free(struct primes *p)
{
	struct port *x;

	if (!p)
		return;
	while (p->ports && (x = ports_at(p->ports, 0))) {
		if (x->open)
			p->conf.service->close(p->conf.arg, x);
		ports_forget(p->ports, x, 0);
	}
	ports_free(p->ports);
	wire_receiver_free(p->receiver);
	loop_timer_free(p->timer);
	loop_fd_free(p->watch);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

void primes_set_conf(struct primes *p, const struct ports_conf *c)
{
	struct ports_conf pc = *c;

	pc.services = p->conf.service->service;
	ports_set_conf(p->ports, &pc);
}

void primes_set_draining(struct primes *p, bool draining)
{
	ports_set_draining(p->ports, draining);
}

uint64_t primes_generation(const struct primes *p)
{
	return ports_generation(p->ports);
}

unsigned primes_services(const struct primes *p)
{
	return p->conf.service->service;
}

int primes_bound(const struct primes *p)
{
	return p ? ports_bound(p->ports) : 0;
}

const struct primes_counters *primes_counters(const struct primes *p)
{
	static const struct primes_counters none;

	return p ? &p->count : &none;
}

struct js *primes_show(const struct primes *p)
{
	struct js *list = js_array();
	char text[PRIME_STATE_STRLEN];
	const struct port *x;

	for (int i = 0; p && (x = ports_at(p->ports, i)); i++) {
		struct js *o = js_object(), *arns = js_array();
		ns_t now = loop_now(p->loop);

		js_put_int(o, "port", x->number);
		js_put_str(o, "state", prime_state_str(&x->state, text));
		js_put_int(o, "connections", x->users);
		js_put_int(o, "connections_total", (int64_t)x->connections);
		js_put_int(o, "grants", (int64_t)x->grants);
		js_put_real(o, "left_s", (double)(x->until - now) / NS_S);
		for (int k = 0; k < PORTS_HOLDERS; k++)
			if (*x->holder[k].arn && now < x->holder[k].until)
				js_push_str(arns, x->holder[k].arn);
		js_put(o, "arns", arns);
		js_push(list, o);
	}
	return list;
}
