/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/surveyor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/udp.h"

#define SENDERS (2 * FAR_MAX) /* nodes; also those that were asked a moment ago */
#define STEP    NS_MS         /* more than a clock is slewed by while an answer is awaited */

struct out {
	uint64_t id; /* 0: free */
	struct addr to;
	uint32_t number; /* of the datagram, by which the kernel tells of it */
	ns_t began, wall;
	ns_t left; /* wall time at which the kernel sent it; 0: not told (yet) */
};

struct surveyor {
	struct loop *loop;
	struct surveyor_conf conf;
	struct wire_sender sender;
	struct wire_receiver *receiver;
	struct socket {
		struct surveyor *owner;
		int fd; /* -1: not opened yet */
		struct loop_fd *watch;
		uint32_t next; /* number of the next datagram */
		struct out out[SURVEYOR_OUT];
	} v4, v6;
	struct surveyor_counters count;
	struct log_limit log_in, log_out;
	struct udp_msg batch[UDP_BATCH];
};

/* ---- answers ---- */

static void refuse(struct surveyor *s, const struct addr *from, uint64_t *counter, const char *why)
{
	char peer[ADDR_STRLEN];

	(*counter)++;
	log_limited(&s->log_in, NLOG_REMOTE, "%s: answer to a survey refused: %s",
		addr_str(from, peer), why);
}

static struct out *find(struct socket *x, uint64_t id, const struct addr *from)
{
	for (int i = 0; i < SURVEYOR_OUT; i++)
		if (x->out[i].id == id && !addr_cmp(&x->out[i].to, from))
			return &x->out[i];
	return NULL;
}

/* What the kernel has told of questions that were sent. */
static void note_sent(struct socket *x)
{
	uint32_t number;
	ns_t at;

	while (udp_sent(x->fd, &number, &at)) {
		struct out *o = &x->out[number % SURVEYOR_OUT];

		/* Not of a datagram that had the number before (see resync). */
		if (o->id && o->number == number && at >= o->wall)
			o->left = at;
	}
}

/* < 0: it could not be measured. */
static ns_t rtt_of(struct surveyor *s, const struct out *o, ns_t came, ns_t held)
{
	ns_t now = clock_now(), wall = clock_wall(), rtt;

	if (!o->left)
		s->count.unstamped++;
	if (llabs((wall - o->wall) - (now - o->began)) > STEP)
		rtt = now - o->began - held;
	else
		rtt = (came ? came : wall) - (o->left ? o->left : o->wall) - held;
	if (rtt < 0)
		s->count.unmeasured++;
	return rtt;
}

static void on_datagram(struct socket *x, const struct udp_msg *m)
{
	struct surveyor *s = x->owner;
	enum wire_error e = WIRE_MALFORMED;
	struct survey_answer a;
	struct wire_view v;
	const char *why;
	struct out *o;
	ns_t rtt;

	if (!m->truncated)
		e = wire_open(s->receiver, m->data, m->len, clock_wall(), &v);
	if (e != WIRE_OK)
		return refuse(s, &m->from, &s->count.refused[e], wire_error_str(e));
	if (survey_answer_decode(&a, v.payload, v.len, &why) < 0)
		return refuse(s, &m->from, &s->count.bad_payload, why);
	/* Who has the key speaks for itself only, and to whom it names. */
	if (wire_sender_id(a.said.id) != v.sender)
		return refuse(s, &m->from, &s->count.bad_payload, "sealed by another node");
	if (strcmp(a.to, s->conf.name))
		return refuse(s, &m->from, &s->count.bad_payload, "meant for another ARN");
	o = find(x, a.id, &m->from);
	if (!o)
		return refuse(s, &m->from, &s->count.strays, "to no question that it was asked");
	s->count.answered++;
	rtt = rtt_of(s, o, m->came, a.held);
	log_msg(NLOG_DEBUG, "node %s answers after %lld us, of which it held %lld", a.said.id,
		(long long)((rtt + a.held) / NS_US), (long long)(a.held / NS_US));
	o->id = 0;
	s->conf.answered(s->conf.arg, &m->from, &a, rtt);
}

static void on_readable(void *arg, int events)
{
	struct socket *x = arg;
	struct surveyor *s = x->owner;
	int n;

	(void)events;
	note_sent(x);
	n = udp_recv(x->fd, s->batch, UDP_BATCH);
	for (int i = 0; i < n; i++)
		on_datagram(x, &s->batch[i]);
}

/* ---- questions ---- */

static void close_socket(struct socket *x)
{
	loop_fd_free(x->watch);
	if (x->fd >= 0)
		close(x->fd);
	x->watch = NULL;
	x->fd = -1;
}

/* Bound to no address: what the kernel takes is one of this host's that leads to the node, and the
 * answer comes back there. */
static int open_socket(struct socket *x, int family)
{
	struct surveyor *s = x->owner;
	struct addr any = addr_any(family, 0);
	int err;

	if (x->fd >= 0)
		return 0;
	x->fd = udp_open(&any, 0, 0);
	if (x->fd < 0)
		return x->fd;
	x->next = 0;
	err = udp_stamp(x->fd, true);
	if (err)
		log_msg(NLOG_WARN, "the kernel gives no times of datagrams: %s", strerror(-err));
	x->watch = loop_fd_new(s->loop, x->fd, on_readable, x);
	err = x->watch ? loop_fd_want(x->watch, LOOP_READ) : -ENOMEM;
	if (err)
		close_socket(x);
	return err;
}

/* Of a datagram that was not sent nobody knows whether the kernel has given it a number. */
static void resync(struct socket *x)
{
	udp_stamp(x->fd, false);
	udp_stamp(x->fd, true);
	x->next = 0;
}

static int seal(struct surveyor *s, const struct far_question *q, uint8_t sealed[WIRE_MAX])
{
	struct survey_ask ask = {
		.id = q->id, .to = q->to, .neighbours = q->neighbours, .skip = (uint16_t)q->skip};
	uint8_t payload[WIRE_MAX];
	int n;

	memcpy(ask.from, s->conf.name, strlen(s->conf.name) + 1);
	n = survey_ask_encode(&ask, payload, sizeof(payload));
	return n < 0 ? n
	             : wire_seal(&s->sender, WIRE_SURVEY, payload, (size_t)n, clock_wall(), sealed);
}

static int send_question(struct surveyor *s, const struct far_question *q)
{
	struct socket *x = q->to.sa.sa_family == AF_INET ? &s->v4 : &s->v6;
	uint8_t sealed[WIRE_MAX];
	int err = open_socket(x, q->to.sa.sa_family), n;
	struct out *o;

	if (err)
		return err;
	n = seal(s, q, sealed);
	if (n < 0)
		return n;
	o = &x->out[x->next % SURVEYOR_OUT];
	*o = (struct out){.id = q->id,
		.to = q->to,
		.number = x->next,
		.began = clock_now(),
		.wall = clock_wall()};
	err = udp_send(x->fd, &q->to, sealed, (size_t)n);
	if (err) {
		o->id = 0;
		resync(x);
		return err;
	}
	x->next++;
	note_sent(x); /* most devices have told it already */
	return 0;
}

int surveyor_ask(struct surveyor *s, const struct far_question *q)
{
	int err = send_question(s, q);
	char node[ADDR_STRLEN];

	if (!err) {
		s->count.sent++;
		return 0;
	}
	s->count.unsent++;
	log_limited(&s->log_out, NLOG_WARN, "node at %s cannot be asked: %s",
		addr_str(&q->to, node), strerror(-err));
	return err;
}

/* ---- life ---- */

struct surveyor *surveyor_new(struct loop *l, const struct surveyor_conf *c)
{
	struct surveyor *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = l;
	s->conf = *c;
	s->v4.owner = s->v6.owner = s;
	s->v4.fd = s->v6.fd = -1;
	s->log_in = s->log_out = (struct log_limit)LOG_LIMIT_INIT;
	wire_sender_init(&s->sender, c->keys, c->name, clock_wall());
	s->receiver = wire_receiver_new(c->keys, c->skew, SENDERS);
	if (!s->receiver) {
		surveyor_free(s);
		return NULL;
	}
	wire_receiver_take(s->receiver, WIRE_BIT(WIRE_SURVEYED));
	return s;
}

void surveyor_free(struct surveyor *s)
{
	if (!s)
		return;
	close_socket(&s->v4);
	close_socket(&s->v6);
	wire_receiver_free(s->receiver);
	free(s);
}

const struct surveyor_counters *surveyor_counters(const struct surveyor *s)
{
	static const struct surveyor_counters none;

	return s ? &s->count : &none;
}
