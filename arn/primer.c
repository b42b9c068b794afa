/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/primer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/lots.h"
#include "lib/udp.h"

#define LOOK (100 * NS_MS) /* nodes come and go; ports expire */

struct primer {
	struct loop *loop;
	struct primer_conf conf;
	struct directory *directory;
	struct prime *core;
	struct wire_sender sender;
	struct wire_receiver *receiver;
	struct loop_timer *timer;
	struct socket {
		struct primer *owner;
		int fd; /* -1: not opened yet */
		struct loop_fd *watch;
	} v4, v6;
	struct primer_counters count;
	struct log_limit log_in, log_out;
	struct udp_msg batch[UDP_BATCH];
};

static void work(struct primer *p);

/* ---- answers ---- */

static void refuse(struct primer *p, const struct addr *from, uint64_t *counter, const char *why)
{
	char peer[ADDR_STRLEN];

	(*counter)++;
	log_limited(&p->log_in, NLOG_REMOTE, "%s: answer to a prime refused: %s",
		addr_str(from, peer), why);
}

static void on_datagram(struct primer *p, const struct udp_msg *m)
{
	enum wire_error e = WIRE_MALFORMED;
	struct prime_answer a;
	struct wire_view v;
	const char *why;

	if (!m->truncated)
		e = wire_open(p->receiver, m->data, m->len, clock_wall(), &v);
	if (e != WIRE_OK)
		return refuse(p, &m->from, &p->count.refused[e], wire_error_str(e));
	if (prime_answer_decode(&a, v.payload, v.len, &why) < 0)
		return refuse(p, &m->from, &p->count.bad_payload, why);
	/* Who has the key speaks for itself only. */
	if (wire_sender_id(a.from) != v.sender)
		return refuse(p, &m->from, &p->count.bad_payload, "sealed by another node");
	log_msg(NLOG_DEBUG, "node %s says of prime %llx: %s, port %u", a.from,
		(unsigned long long)a.id, prime_status_str(a.status), a.port);
	prime_hear(p->core, &a, loop_now(p->loop));
}

static void on_readable(void *arg, int events)
{
	struct socket *s = arg;
	struct primer *p = s->owner;
	int n = udp_recv(s->fd, p->batch, UDP_BATCH);

	(void)events;
	for (int i = 0; i < n; i++)
		on_datagram(p, &p->batch[i]);
	if (n > 0)
		work(p);
}

/* ---- requests ---- */

static void close_socket(struct socket *s)
{
	loop_fd_free(s->watch);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct socket){.owner = s->owner, .fd = -1};
}

/* Bound to no address: what the kernel takes is one of this host's that leads to the node, and the
 * answer comes back there. */
static int socket_for(struct primer *p, int family)
{
	struct socket *s = family == AF_INET ? &p->v4 : &p->v6;
	struct addr any = addr_any(family, 0);
	int err;

	if (s->fd >= 0)
		return s->fd;
	s->fd = udp_open(&any, 0, 0);
	if (s->fd < 0)
		return s->fd;
	s->watch = loop_fd_new(p->loop, s->fd, on_readable, s);
	err = s->watch ? loop_fd_want(s->watch, LOOP_READ) : -ENOMEM;
	if (err) {
		close_socket(s);
		return err;
	}
	return s->fd;
}

static void send_one(struct primer *p, const struct prime_send *x)
{
	uint8_t payload[WIRE_MAX], sealed[WIRE_MAX];
	char node[ADDR_STRLEN];
	int n = prime_ask_encode(&x->ask, payload, sizeof(payload)), fd;

	if (n > 0)
		n = wire_seal(&p->sender, WIRE_PRIME, payload, (size_t)n, clock_wall(), sealed);
	fd = n > 0 ? socket_for(p, x->to.sa.sa_family) : n;
	if (fd >= 0)
		fd = udp_send(fd, &x->to, sealed, (size_t)n);
	if (fd < 0) {
		p->count.unsent++;
		log_limited(&p->log_out, NLOG_WARN, "node %s at %s cannot be primed: %s", x->ask.to,
			addr_str(&x->to, node), strerror(-fd));
	}
}

/* ---- all that is due ---- */

static void publish(struct primer *p, ns_t now)
{
	const struct primed *t = prime_publish(p->core, now);

	if (!t)
		return;
	directory_set_primed(p->directory, t);
	p->conf.published(p->conf.arg);
}

static void work(struct primer *p)
{
	ns_t now = loop_now(p->loop), when;
	struct prime_send x;
	struct prime_view v;

	prime_look(p->core, directory_snapshot(p->directory), now);
	while (prime_next(p->core, &x, now))
		send_one(p, &x);
	publish(p, now);
	when = prime_when(p->core);
	if (prime_view(p->core, 0, &v) && now + LOOK < when)
		when = now + LOOK;
	loop_timer_at(p->timer, when);
}

static void on_timer(void *arg)
{
	work(arg);
}

void primer_want(struct primer *p, const struct want *w)
{
	prime_want(p->core, w, loop_now(p->loop));
	work(p);
}

/* ---- life ---- */

struct primer *primer_new(struct loop *l, const struct primer_conf *c, struct directory *d)
{
	struct primer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct primer){.loop = l,
		.conf = *c,
		.directory = d,
		.v4 = {.owner = p, .fd = -1},
		.v6 = {.owner = p, .fd = -1},
		.log_in = LOG_LIMIT_INIT,
		.log_out = LOG_LIMIT_INIT};
	wire_sender_init(&p->sender, c->keys, c->name, clock_wall());
	p->core = prime_new(c->name, lots_seed());
	p->receiver = wire_receiver_new(c->keys, c->skew, DIRECTORY_MAX);
	p->timer = loop_timer_new(l, on_timer, p);
	if (!p->core || !p->receiver || !p->timer) {
		primer_free(p);
		return NULL;
	}
	wire_receiver_take(p->receiver, WIRE_BIT(WIRE_PRIMED));
	return p;
}

void primer_free(struct primer *p)
{
	if (!p)
		return;
	close_socket(&p->v4);
	close_socket(&p->v6);
	loop_timer_free(p->timer);
	wire_receiver_free(p->receiver);
	prime_free(p->core);
	free(p);
}

const struct prime *primer_core(const struct primer *p)
{
	return p->core;
}

const struct primer_counters *primer_counters(const struct primer *p)
{
	return &p->count;
}
