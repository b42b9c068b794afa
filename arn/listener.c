/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two kernel sockets, bound to no address, serve the whole block: what is addressed to any address
 * of it is this host's while the block is up (block.h). A connection to another address of this
 * host is not ours to answer: it is closed and counted.
 *
 * A transaction is short: one request, one answer. The kernel hands a connection over when its first
 * bytes are there (TCP_DEFER_ACCEPT), so nearly always the whole request can be read at once, the
 * answer fits into the socket's buffer, and is the last: then nothing is ever watched or waited for.
 * Connections that come together are served together, step by step: all are read, all requests
 * answered, all answers sent. (One after the other, the kernel's part of each would push our code out
 * of the processor's cache: the same answer then takes four times as long.)
 *
 * Only a connection that has more to come gets a stream, and stands in one of four queues, each
 * ordered by deadlines, and so nearly by time of entry:
 *
 *	waiting   a request is expected or has come in part; `request_timeout` to be whole
 *	idle      answered, may ask again (RTSP); `idle_timeout`
 *	preparing a request is there whole, but its answer wants something first (want.h):
 *	          tried again with each newer snapshot, and after `prepare` answered in any case; if
 *	          it wants something of a node, after the round trip to that more
 *	closing   answered and finished by us; LINGER for the client to read and close
 *
 * Only a whole request moves a connection on. One that drips a byte a second stands where it stood,
 * and its time runs out; it holds a descriptor and a buffer meanwhile, and nothing of anybody else.
 * When all places are taken, a new connection gets the place of the one that has been longest
 * closing, else idle, else waiting, else preparing: whoever really wants a redirection has it within
 * milliseconds, so the oldest is the one that is least likely to be harmed.
 */
#include "arn/listener.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arn/admit.h"
#include "arn/redirect.h"
#include "lib/log.h"
#include "lib/stream.h"

#define LINGER       NS_S
#define BACKLOG      1024
#define MOST_ANSWERS 32 /* on one connection: players ask two or three times */
#define MAX_IN       (TEXT_MAX_HEAD + TEXT_MAX_BODY)
#define MAX_OUT      65536
#define AT_ONCE      4096 /* bytes that are read before there is a stream */
#define BATCH        16   /* connections that are served together */

enum queue { CLOSING, IDLE, WAITING, PREPARING, QUEUES }; /* in the order of eviction */

struct conn {
	TAILQ_ENTRY(conn) entry;
	struct arn_listener *owner;
	struct stream *stream; /* NULL: not yet */
	int fd;                /* the stream's, once there is one */
	struct addr peer, local;
	enum text_proto port;
	enum queue queue;
	struct admission admission;
	int answers;     /* given on this connection */
	size_t seen;     /* bytes of a request in part that were looked at */
	bool again;      /* preparing: it is being tried again */
	bool final;      /* preparing: its time is over */
	uint64_t wanted; /* preparing: of what it wants, the hash */
	ns_t way;        /* preparing: to the farthest node that it has wanted something of */
	ns_t deadline;
	struct arrival *arrival; /* NULL: it has been served for the first time */
};
TAILQ_HEAD(conn_queue, conn);

struct door {
	struct arn_listener *owner;
	struct listener *listener;
	enum text_proto port;
};

/* A connection that is new, and its first bytes. */
struct arrival {
	struct conn *c; /* NULL: it is gone again */
	size_t n, used;
	struct redirect_response rs;
	uint8_t in[AT_ONCE];
};

struct arn_listener {
	struct loop *loop;
	struct arn_listener_conf conf;
	const struct arn_listener_ops *ops;
	void *arg;
	ns_t accusing; /* the second that `accusations` were told in began */
	int accusations;
	struct door door[2];
	struct conn_queue queue[QUEUES];
	_Atomic int connections, busy; /* written here, read by any thread, as are the counters */
	struct loop_timer *timer;
	ns_t timer_at; /* NS_NEVER: not set */
	struct loop_turn *turn;
	struct arrival *arrival; /* BATCH of them, the first `arrivals` in use */
	int arrivals;
	struct arn_listener_counters count;
	struct log_limit log_bad, log_outside, log_full;
};

/* One thread writes, so it need not be one indivisible addition: only whole values be seen. */
static void count_more(_Atomic uint64_t *c, uint64_t more)
{
	uint64_t n = atomic_load_explicit(c, memory_order_relaxed);

	atomic_store_explicit(c, n + more, memory_order_relaxed);
}

static void count(_Atomic uint64_t *c)
{
	count_more(c, 1);
}

static void add(_Atomic int *sum, int n)
{
	n += atomic_load_explicit(sum, memory_order_relaxed);
	atomic_store_explicit(sum, n, memory_order_relaxed);
}

static void arm(struct arn_listener *ls)
{
	ns_t when = NS_NEVER;

	for (int q = IDLE; q < QUEUES; q++) {
		const struct conn *c = TAILQ_FIRST(&ls->queue[q]);

		if (c && c->deadline < when)
			when = c->deadline;
	}
	ls->timer_at = when;
	loop_timer_at(ls->timer, when);
}

static ns_t patience(const struct arn_listener *ls, enum queue q)
{
	switch (q) {
	case IDLE: return ls->conf.idle_timeout;
	case PREPARING: return ls->conf.prepare;
	default: return ls->conf.request_timeout;
	}
}

static void stand(struct conn *c, enum queue q, ns_t deadline)
{
	struct arn_listener *ls = c->owner;
	struct conn *before = TAILQ_LAST(&ls->queue[q], conn_queue);

	while (before && before->deadline > deadline)
		before = TAILQ_PREV(before, conn_queue, entry);
	c->queue = q;
	c->deadline = deadline;
	if (before)
		TAILQ_INSERT_AFTER(&ls->queue[q], before, c, entry);
	else
		TAILQ_INSERT_HEAD(&ls->queue[q], c, entry);
	/* The timer may go off early, before the first deadline of all, but never late. */
	if (q != CLOSING && c->deadline < ls->timer_at)
		arm(ls);
}

static ns_t deadline_in(const struct arn_listener *ls, enum queue q)
{
	return loop_now(ls->loop) + patience(ls, q);
}

static void enter(struct conn *c)
{
	add(&c->owner->connections, 1);
	add(&c->owner->busy, 1);
	stand(c, WAITING, deadline_in(c->owner, WAITING));
}

/* In no moment is a connection that stays busy not counted as such. */
static void move(struct conn *c, enum queue q)
{
	TAILQ_REMOVE(&c->owner->queue[c->queue], c, entry);
	if ((c->queue == IDLE) != (q == IDLE))
		add(&c->owner->busy, q == IDLE ? -1 : 1);
	stand(c, q, deadline_in(c->owner, q));
}

static void conn_free(struct conn *c)
{
	struct arn_listener *ls = c->owner;

	TAILQ_REMOVE(&ls->queue[c->queue], c, entry);
	add(&ls->connections, -1);
	if (c->queue != IDLE)
		add(&ls->busy, -1);
	if (c->arrival)
		c->arrival->c = NULL;
	if (c->stream)
		stream_free(c->stream);
	else if (c->fd >= 0)
		close(c->fd);
	free(c);
}

static void count_answer(struct arn_listener *ls, const struct redirect_response *rs)
{
	int status = rs->status, p = rs->proto;

	if (rs->looped)
		count(&ls->count.loops);
	if (status == 302 || status == 307) {
		count(&ls->count.redirected[p]);
		count(&ls->count.tokens[rs->token]);
	} else if (rs->direct) {
		count(&ls->count.direct);
		count_more(&ls->count.direct_bytes, rs->body.n);
	} else if (status == 503) {
		count(&ls->count.unavailable[p]);
	} else if (status >= 400) {
		count(&ls->count.refused[p]);
	} else {
		count(&ls->count.other[p]);
	}
}

static void log_answer(struct arn_listener *ls, struct conn *c, const struct redirect_response *rs)
{
	const char *proto = rs->proto == TEXT_HTTP ? "HTTP" : "RTSP";
	char peer[ADDR_STRLEN], node[ADDR_STRLEN];

	if (rs->why)
		log_limited(&ls->log_bad, rs->status == 503 ? NLOG_WARN : NLOG_REMOTE,
			"%s: %s request answered %d: %s", addr_str(&c->peer, peer), proto,
			rs->status, rs->why);
	else if (rs->node && log_wants(NLOG_DEBUG))
		log_msg(NLOG_DEBUG, "%s: %s request answered %d: to %s (%s)",
			addr_str(&c->peer, peer), proto, rs->status, rs->node->said.id,
			addr_host(&rs->node->said.addr, node));
}

/* ---- answering ---- */

static size_t on_data(void *arg, const uint8_t *p, size_t n);
static void on_close(void *arg, int err);

/* It has one from now on. False: there is no memory, and it is gone. */
static bool has_stream(struct conn *c)
{
	static const struct stream_ops ops = {.on_data = on_data, .on_close = on_close};

	if (c->stream)
		return true;
	c->stream = stream_new(c->owner->loop, c->fd, &ops, c, MAX_IN, MAX_OUT);
	if (c->stream)
		return true;
	c->fd = -1; /* closed by it */
	conn_free(c);
	return false;
}

static void ask(struct conn *c, const uint8_t *p, size_t n, const struct snapshot *snapshot,
	struct redirect_response *rs)
{
	struct redirect_request rq = {.bytes = {(const char *)p, n},
		.seen = c->seen,
		.port = c->port,
		.first = !c->answers,
		.last = c->answers + 1 >= MOST_ANSWERS,
		.client = c->peer,
		.local = c->local,
		.wall = clock_wall() / NS_S,
		.final = c->final};

	admit(&c->admission, &rq, snapshot, rs);
}

/* What an answer wants is told once, however often it is tried meanwhile. */
static void tell_want(struct conn *c, const struct want *w, bool waits)
{
	struct arn_listener *ls = c->owner;
	uint64_t hash = want_hash(w);

	if (waits && c->wanted == hash)
		return;
	c->wanted = ls->ops->want(ls->arg, w, waits) ? hash : 0;
}

static size_t not_whole(struct conn *c, size_t n)
{
	c->seen = n;
	if (c->queue == IDLE)
		move(c, WAITING);
	return 0;
}

/* Only ever longer: so whoever walks the queue meets it again a few times at most. */
static void wait_for_way(struct conn *c, ns_t way)
{
	if (way <= c->way)
		return;
	TAILQ_REMOVE(&c->owner->queue[PREPARING], c, entry);
	stand(c, PREPARING, c->deadline + way - c->way);
	c->way = way;
}

static size_t prepare(struct conn *c, const struct want *w)
{
	if (c->queue != PREPARING) {
		count(&c->owner->count.prepared);
		c->wanted = 0;
		c->way = 0;
		move(c, PREPARING);
	}
	wait_for_way(c, w->way);
	tell_want(c, w, true);
	return 0;
}

static void tell_accusations(struct conn *c, const struct redirect_response *rs)
{
	struct arn_listener *ls = c->owner;
	ns_t now;

	if (!rs->accusations)
		return;
	now = loop_now(ls->loop);
	if (now - ls->accusing >= NS_S) {
		ls->accusing = now;
		ls->accusations = 0;
	}
	for (int i = 0; i < rs->accusations && ls->accusations < ARN_LISTENER_ACCUSATIONS; i++) {
		ls->accusations++;
		ls->ops->accuse(ls->arg, rs->accused[i]->said.id, rs->proto, &c->peer);
	}
}

/* How much of the answer the socket takes before there is a stream: nearly always all. What it is the
 * last of goes with its FIN (MSG_MORE): alone, that would be one segment more than the first ten. */
static size_t send_at_once(struct conn *c, const struct redirect_response *rs)
{
	struct iovec part[2] = {{(void *)rs->text, rs->len}, {(void *)rs->body.p, rs->body.n}};
	struct msghdr m = {.msg_iov = part, .msg_iovlen = rs->body.n ? 2 : 1};
	ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT | (rs->close ? MSG_MORE : 0));

	return n > 0 ? (size_t)n : 0; /* if it is broken, the stream will find out */
}

/* What is left of the answer behind the first `sent` bytes. */
static int send_rest(struct conn *c, const struct redirect_response *rs, size_t sent)
{
	size_t of_text = sent < rs->len ? sent : rs->len, of_body = sent - of_text;
	int err = 0;

	if (of_text < rs->len)
		err = stream_write(c->stream, rs->text + of_text, rs->len - of_text);
	if (!err && of_body < rs->body.n)
		err = stream_write(c->stream, rs->body.p + of_body, rs->body.n - of_body);
	return err;
}

static void note_answer(struct conn *c, const struct redirect_response *rs)
{
	if (c->final)
		count(&c->owner->count.unprepared);
	c->seen = 0;
	c->answers++;
	c->final = false;
	count_answer(c->owner, rs);
	log_answer(c->owner, c, rs);
	primed_use(rs->primed);
	tell_accusations(c, rs);
}

static size_t answered(struct conn *c, const struct redirect_response *rs, size_t n)
{
	/* All was read, so that the kernel ends the connection in order, without a reset. */
	bool last = rs->close && rs->consumed == n && n < AT_ONCE;
	size_t sent = 0;

	note_answer(c, rs);
	if (!c->stream)
		sent = send_at_once(c, rs);
	if (!c->stream && last && sent == rs->len + rs->body.n) {
		conn_free(c);
		return 0;
	}
	if (!has_stream(c))
		return 0;
	if (send_rest(c, rs, sent) < 0) {
		count(&c->owner->count.broken); /* it asks on and on and reads nothing */
		conn_free(c);
		return 0;
	}
	move(c, rs->close ? CLOSING : IDLE);
	if (rs->close)
		stream_finish(c->stream, LINGER);
	return rs->consumed;
}

/* What is to be done for a request that was looked at: how many bytes were used up. */
static size_t act(struct conn *c, const struct redirect_response *rs, size_t n)
{
	if (!rs->consumed)
		return not_whole(c, n);
	if (!rs->status) {
		assert(!c->final);
		return prepare(c, &rs->want);
	}
	if (rs->want.what != WANT_NOTHING)
		tell_want(c, &rs->want, false);
	return answered(c, rs, n);
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct conn *c = arg;
	struct arn_listener *ls = c->owner;
	struct redirect_response rs;

	if (c->queue == PREPARING && !c->again)
		return 0; /* what comes behind it waits too */
	c->again = false;
	ask(c, p, n, ls->ops->snapshot(ls->arg), &rs);
	return act(c, &rs, n);
}

/* ---- preparing ---- */

static void try_again(struct conn *c)
{
	c->again = true;
	stream_again(c->stream);
}

/* Out of the queue first: a connection that is broken, which will be told soon, stays unanswered. */
static void answer_finally(struct conn *c)
{
	c->final = true;
	move(c, WAITING);
	stream_again(c->stream);
}

void arn_listener_published(struct arn_listener *ls)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&ls->queue[PREPARING]); c; c = next) {
		next = TAILQ_NEXT(c, entry); /* only c may go away meanwhile */
		try_again(c);
	}
}

static void on_close(void *arg, int err)
{
	struct conn *c = arg;

	if (err && c->queue != CLOSING)
		count(&c->owner->count.broken);
	conn_free(c);
}

/* ---- a new connection ---- */

static bool is_for_block(struct arn_listener *ls, const struct addr *peer, const struct addr *local)
{
	char to[ADDR_STRLEN], from[ADDR_STRLEN];

	if (prefix_has(&ls->conf.block, local))
		return true;
	count(&ls->count.outside_block);
	log_limited(&ls->log_outside, NLOG_REMOTE,
		"%s: connection to %s refused: not an address of the block", addr_str(peer, from),
		addr_str(local, to));
	return false;
}

static bool name_locally(int fd, struct addr *local)
{
	socklen_t len = sizeof(*local);

	*local = (struct addr){0};
	if (getsockname(fd, &local->sa, &len) < 0)
		return false;
	addr_unmap(local);
	return true;
}

/* What has come already. */
static void read_first(struct arrival *a)
{
	struct conn *c = a->c;
	ssize_t n = recv(c->fd, a->in, sizeof(a->in), MSG_DONTWAIT);

	a->n = n > 0 ? (size_t)n : 0;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)))
		return;
	if (n < 0)
		count(&c->owner->count.broken);
	conn_free(c);
}

/* The first answer is given, or not yet; who is still there goes on with a stream. */
static void go_on(struct arrival *a)
{
	struct conn *c = a->c;
	struct arn_listener *ls = c->owner;

	c->arrival = NULL;
	if (!has_stream(c) || a->n == a->used)
		return;
	if (stream_feed(c->stream, a->in + a->used, a->n - a->used) < 0) {
		count(&ls->count.broken); /* no memory, and what follows is half a request */
		conn_free(c);
	}
}

/* One snapshot for all: what an answer refers to is in it, until it is sent. Any of them may go away in
 * any step. */
static void serve_arrivals(struct arn_listener *ls)
{
	const struct snapshot *snapshot = ls->ops->snapshot(ls->arg);
	struct arrival *end = ls->arrival + ls->arrivals;

	for (struct arrival *a = ls->arrival; a < end; a++)
		if (a->c)
			read_first(a);
	for (struct arrival *a = ls->arrival; a < end; a++)
		if (a->c && a->n)
			ask(a->c, a->in, a->n, snapshot, &a->rs);
	for (struct arrival *a = ls->arrival; a < end; a++)
		if (a->c)
			a->used = a->n ? act(a->c, &a->rs, a->n) : 0;
	for (struct arrival *a = ls->arrival; a < end; a++)
		if (a->c)
			go_on(a);
	ls->arrivals = 0;
}

static void on_turn(void *arg)
{
	struct arn_listener *ls = arg;

	if (ls->arrivals)
		serve_arrivals(ls);
}

/* In whose place a new connection is least likely to do harm. */
static struct conn *most_dispensable(struct arn_listener *ls)
{
	struct conn *c = NULL;

	for (int q = CLOSING; q < QUEUES && !c; q++)
		c = TAILQ_FIRST(&ls->queue[q]);
	return c;
}

/* Those that came in the same moment are served first: nearly always they make room, and nobody has to
 * go, least of all one of them that was not even looked at. */
static void make_room(struct arn_listener *ls)
{
	struct conn *c;

	if (ls->arrivals && arn_listener_connections(ls) >= ls->conf.connections)
		serve_arrivals(ls);
	while (arn_listener_connections(ls) >= ls->conf.connections && (c = most_dispensable(ls))) {
		count(&ls->count.evicted);
		conn_free(c);
		log_limited(&ls->log_full, NLOG_WARN,
			"all %d connections are taken: the oldest gave way to a new one",
			(int)ls->conf.connections);
	}
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct door *d = arg;
	struct arn_listener *ls = d->owner;
	struct addr local;
	struct conn *c;

	if (!name_locally(fd, &local) || !is_for_block(ls, peer, &local)) {
		close(fd);
		return;
	}
	make_room(ls);
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	c->owner = ls;
	c->fd = fd;
	c->peer = *peer;
	c->local = local;
	c->port = d->port;
	count(&ls->count.accepted[d->port]);
	enter(c);
	c->arrival = &ls->arrival[ls->arrivals++];
	c->arrival->c = c;
	if (ls->arrivals == BATCH)
		serve_arrivals(ls);
}

static void on_timer(void *arg)
{
	struct arn_listener *ls = arg;
	ns_t now = loop_now(ls->loop);

	for (int q = IDLE; q < QUEUES; q++) {
		struct conn *c;

		while ((c = TAILQ_FIRST(&ls->queue[q])) && c->deadline <= now) {
			if (q == PREPARING) {
				answer_finally(c);
				continue;
			}
			if (q == IDLE)
				count(&ls->count.idle_timeouts);
			else
				count(&ls->count.request_timeouts);
			conn_free(c);
		}
	}
	arm(ls);
}

struct arn_listener *arn_listener_new(struct loop *l, const struct arn_listener_conf *c,
	const struct arn_listener *first, const struct arn_listener_ops *ops, void *arg, int *err,
	uint16_t *failed)
{
	struct arn_listener *ls = calloc(1, sizeof(*ls));

	*err = -ENOMEM;
	*failed = 0;
	if (!ls)
		return NULL;
	ls->loop = l;
	ls->conf = *c;
	ls->ops = ops;
	ls->arg = arg;
	ls->timer_at = NS_NEVER;
	ls->log_bad = ls->log_outside = ls->log_full = (struct log_limit)LOG_LIMIT_INIT;
	for (int q = 0; q < QUEUES; q++)
		TAILQ_INIT(&ls->queue[q]);
	ls->timer = loop_timer_new(l, on_timer, ls);
	ls->turn = loop_turn_new(l, on_turn, ls);
	ls->arrival = calloc(BATCH, sizeof(*ls->arrival));
	if (!ls->timer || !ls->turn || !ls->arrival) {
		arn_listener_free(ls);
		return NULL;
	}
	for (int p = 0; p < 2; p++) {
		struct addr at = addr_any(c->block.addr.sa.sa_family, c->port[p]);

		ls->door[p] = (struct door){.owner = ls, .port = (enum text_proto)p};
		if (!c->port[p])
			continue;
		ls->door[p].listener = listener_new_shared(l, &at, BACKLOG,
			first ? first->door[p].listener : NULL, on_accept, &ls->door[p], err);
		if (!ls->door[p].listener) {
			*failed = c->port[p];
			arn_listener_free(ls);
			return NULL;
		}
	}
	*err = 0;
	return ls;
}

void arn_listener_free(struct arn_listener *ls)
{
	if (!ls)
		return;
	for (int p = 0; p < 2; p++)
		listener_free(ls->door[p].listener);
	for (int q = 0; q < QUEUES; q++)
		while (TAILQ_FIRST(&ls->queue[q]))
			conn_free(TAILQ_FIRST(&ls->queue[q]));
	loop_timer_free(ls->timer);
	loop_turn_free(ls->turn);
	free(ls->arrival);
	free(ls);
}

void arn_listener_set_limits(struct arn_listener *ls, const struct arn_listener_conf *c)
{
	ls->conf.connections = c->connections;
	ls->conf.request_timeout = c->request_timeout;
	ls->conf.idle_timeout = c->idle_timeout;
	ls->conf.prepare = c->prepare;
}

const struct arn_listener_counters *arn_listener_counters(const struct arn_listener *ls)
{
	return &ls->count;
}

int arn_listener_connections(const struct arn_listener *ls)
{
	return atomic_load_explicit(&ls->connections, memory_order_relaxed);
}

uint32_t arn_listener_busy(const struct arn_listener *ls)
{
	return (uint32_t)atomic_load_explicit(&ls->busy, memory_order_relaxed);
}
