/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/primes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/event.h"
#include "lib/log.h"

#define HOUSE   NS_S /* ports expire */
#define SENDERS 1024 /* ARNs, also those that are far away */
#define TRIES   8    /* numbers that cannot be listened at, one after the other */
#define WAITING 64   /* requests for ports that are opening; who finds no room asks again */

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
	unsigned services;                      /* offered */
	struct listener {                       /* to what is no prime */
		struct wire_receiver *receiver; /* NULL: free */
		uint64_t types;
		primes_other_cb *cb;
		void *arg;
	} listener[PRIMES_LISTENERS];
	struct waiting {
		const struct port *port; /* NULL: free */
		struct addr from;
		struct prime_answer answer; /* if all goes well */
	} waiting[WAITING];
	struct udp_msg batch[UDP_BATCH];
};

static void refuse(struct primes *p, const struct addr *from, uint64_t *counter, const char *why)
{
	char peer[ADDR_STRLEN];

	(*counter)++;
	log_limited(&p->log, NLOG_REMOTE, "%s: datagram to the control port refused: %s",
		addr_str(from, peer), why);
}

static void answer(struct primes *p, const struct addr *to, const struct prime_answer *a)
{
	uint8_t payload[WIRE_MAX];
	char peer[ADDR_STRLEN];
	int n = prime_answer_encode(a, payload, sizeof(payload));

	if (n > 0)
		n = primes_send(p, WIRE_PRIMED, payload, (size_t)n, to);
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

/* Who serves at it. */
static const struct primes_service *service_of(const struct primes *p, const struct port *x)
{
	for (int i = 0; i < PRIMES_SERVICES && p->conf.service[i]; i++)
		if (p->conf.service[i]->service == x->state.service)
			return p->conf.service[i];
	return NULL;
}

static void await_opening(struct primes *p, const struct port *x, const struct addr *from,
	const struct prime_answer *a)
{
	struct waiting *slot = NULL;

	for (int i = 0; i < WAITING; i++) {
		struct waiting *w = &p->waiting[i];

		/* It is the same request, repeated. */
		if (w->port == x && w->answer.id == a->id && addr_cmp(&w->from, from) == 0)
			return;
		if (!w->port && !slot)
			slot = w;
	}
	if (slot)
		*slot = (struct waiting){x, *from, *a};
}

/* Answers all who wait for the port, as they were promised or, with a status, otherwise. */
static void settle(struct primes *p, const struct port *x, enum prime_status status)
{
	for (int i = 0; i < WAITING; i++) {
		struct waiting *w = &p->waiting[i];

		if (w->port != x)
			continue;
		if (status != PRIME_GRANTED) {
			w->answer.status = status;
			w->answer.port = 0;
			w->answer.lifetime_ms = 0;
			p->count.refused++;
		} else {
			p->count.granted++;
		}
		answer(p, &w->from, &w->answer);
		w->port = NULL;
	}
}

static void close_port(struct primes *p, struct port *x)
{
	if (x->open || x->opening)
		service_of(p, x)->close(p->conf.arg, x);
	x->open = x->opening = false;
}

static void shut(struct primes *p, struct port *x, const char *reason, ns_t now)
{
	close_port(p, x);
	settle(p, x, PRIME_NO_PORT);
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

static void failed(struct primes *p, struct port *x, int err)
{
	p->count.failed++;
	log_limited(&p->log, NLOG_WARN, "port %u cannot be given: %s", x->number, strerror(-err));
	ports_fail(p->ports, x, loop_now(p->loop));
}

/* False: this number cannot be listened at. */
static bool open_port(struct primes *p, struct port *x)
{
	int err = service_of(p, x)->open(p->conf.arg, x);

	if (err < 0) {
		failed(p, x, err);
		return false;
	}
	x->opening = err == PRIMES_LATER;
	x->open = !x->opening;
	if (x->open)
		say(p, x, NULL);
	return true;
}

void primes_opened(struct primes *p, struct port *x, int err)
{
	x->opening = false;
	if (err) {
		settle(p, x, PRIME_NO_PORT);
		failed(p, x, err);
		return;
	}
	x->open = true;
	say(p, x, NULL);
	settle(p, x, PRIME_GRANTED);
}

/* The port that is to be answered, in *out; NULL: it is refused, and *out says why. */
static struct port *give(struct primes *p, const struct prime_ask *ask, const struct addr *from,
	struct prime_answer *out)
{
	ns_t now = loop_now(p->loop);
	struct port *gone, *x;

	for (int i = 0; i < TRIES; i++) {
		x = ports_ask(p->ports, ask, from, now, out, &gone);
		if (gone)
			give_way(p, gone, now);
		if (!x)
			return NULL;
		if (x->open || x->opening)
			service_of(p, x)->moved(p->conf.arg, x);
		else if (!open_port(p, x))
			continue;
		return x;
	}
	out->status = PRIME_NO_PORT;
	out->port = 0;
	out->lifetime_ms = 0;
	return NULL;
}

static void on_ask(struct primes *p, const struct prime_ask *ask, const struct addr *from)
{
	struct prime_answer out;
	struct port *x = give(p, ask, from, &out);

	if (x && x->opening)
		return await_opening(p, x, from, &out);
	if (x)
		p->count.granted++;
	else
		p->count.refused++;
	answer(p, from, &out);
	if (x && *ask->expect && service_of(p, x)->expect)
		service_of(p, x)->expect(p->conf.arg, x, ask->expect);
}

/* ---- the control port ---- */

/* Whose type it says it is; the seal will tell whether that is so. NULL: a prime's, or nobody's. */
static const struct listener *listener_of(const struct primes *p, const struct udp_msg *m)
{
	int type = wire_type_of(m->data, m->len);

	for (int i = 0; i < PRIMES_LISTENERS; i++)
		if (type >= 0 && p->listener[i].types & WIRE_BIT(type))
			return &p->listener[i];
	return NULL;
}

static void on_datagram(struct primes *p, const struct udp_msg *m)
{
	const struct listener *other = listener_of(p, m);
	enum wire_error e = WIRE_MALFORMED;
	struct prime_ask ask;
	struct wire_view v;
	const char *why;

	p->count.received++;
	if (!m->truncated)
		e = wire_open(
			other ? other->receiver : p->receiver, m->data, m->len, clock_wall(), &v);
	if (e != WIRE_OK)
		return refuse(p, &m->from, &p->count.unopened, wire_error_str(e));
	if (other)
		return other->cb(other->arg, &v, m);
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
	for (int i = 0; i < PRIMES_SERVICES && c->service[i]; i++)
		p->services |= c->service[i]->service;
	pc.services = p->services;
	p->ports = ports_new(&pc, c->name, generation);
	wire_sender_init(&p->sender, c->keys, c->name, clock_wall());
	p->receiver = wire_receiver_new(c->keys, c->skew, SENDERS);
	p->timer = loop_timer_new(l, on_timer, p);
	p->fd = udp_open(&c->control, 0, 0);
	if (p->fd < 0)
		*err = p->fd;
	else
		p->watch = loop_fd_new(l, p->fd, on_readable, p);
	/* Without the kernel's times surveys take those of the loop. */
	if (p->fd >= 0)
		udp_stamp(p->fd, false);
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
		close_port(p, x);
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

int primes_listen(struct primes *p, uint64_t types, int senders, primes_other_cb *cb, void *arg)
{
	for (int i = 0; i < PRIMES_LISTENERS; i++) {
		struct listener *l = &p->listener[i];

		if (l->receiver)
			continue;
		*l = (struct listener){
			wire_receiver_new(p->conf.keys, p->conf.skew, senders), types, cb, arg};
		if (!l->receiver) {
			*l = (struct listener){0};
			return -ENOMEM;
		}
		wire_receiver_take(l->receiver, types);
		return 0;
	}
	return -ENOSPC;
}

void primes_unlisten(struct primes *p, const void *arg)
{
	for (int i = 0; i < PRIMES_LISTENERS; i++) {
		if (!p->listener[i].receiver || p->listener[i].arg != arg)
			continue;
		wire_receiver_free(p->listener[i].receiver);
		p->listener[i] = (struct listener){0};
	}
}

int primes_send(
	struct primes *p, enum wire_type type, const void *payload, size_t n, const struct addr *to)
{
	uint8_t sealed[WIRE_MAX];
	int len = wire_seal(&p->sender, type, payload, n, clock_wall(), sealed);

	return len < 0 ? len : udp_send(p->fd, to, sealed, (size_t)len);
}

void primes_set_conf(struct primes *p, const struct ports_conf *c)
{
	ports_set_conf(p->ports, c);
}

void primes_offer(struct primes *p, unsigned service, bool offered)
{
	if (offered)
		p->services |= service;
	else
		p->services &= ~service;
	ports_set_services(p->ports, p->services);
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
	return p->services;
}

struct port *primes_port(struct primes *p, uint16_t number)
{
	return p ? ports_find(p->ports, number) : NULL;
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
