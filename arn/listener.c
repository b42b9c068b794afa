/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two kernel sockets, bound to no address, serve the whole block: what is addressed to any address
 * of it is this host's while the block is up (block.h). A connection to another address of this
 * host is not ours to answer: it is closed and counted.
 *
 * A transaction is short: one request, one answer. So a connection stands in one of four queues,
 * each ordered by time of entry:
 *
 *	waiting   a request is expected or has come in part; `request_timeout` to be whole
 *	idle      answered, may ask again (RTSP); `idle_timeout`
 *	preparing a request is there whole, but its answer wants something first (want.h):
 *	          tried again with each newer snapshot, and after `prepare` answered in any case
 *	closing   answered and finished by us; LINGER for the client to read and close
 *
 * Only a whole request moves a connection on. One that drips a byte a second stands where it stood,
 * and its time runs out; it holds a descriptor and a buffer meanwhile, and nothing of anybody else.
 * When all places are taken, a new connection gets the place of the one that has been longest
 * closing, else idle, else waiting, else preparing: whoever really wants a redirection has it within milliseconds,
 * so the oldest is the one that is least likely to be harmed.
 */
#include "arn/listener.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "arn/admit.h"
#include "arn/redirect.h"
#include "lib/log.h"
#include "lib/stream.h"

#define LINGER  NS_S
#define BACKLOG 1024
#define MAX_IN  (TEXT_MAX_HEAD + TEXT_MAX_BODY)
#define MAX_OUT 65536

enum queue { CLOSING, IDLE, WAITING, PREPARING, QUEUES }; /* in the order of eviction */

struct conn {
	TAILQ_ENTRY(conn) entry;
	struct arn_listener *owner;
	struct stream *stream;
	enum text_proto port;
	enum queue queue;
	struct admission admission;
	bool answered;   /* something was, on this connection */
	size_t seen;     /* bytes of a request in part that were looked at */
	bool again;      /* preparing: it is being tried again */
	bool final;      /* preparing: its time is over */
	uint64_t wanted; /* preparing: of what it wants, the hash */
	ns_t deadline;
};
TAILQ_HEAD(conn_queue, conn);

struct door {
	struct arn_listener *owner;
	struct listener *listener;
	enum text_proto port;
};

struct arn_listener {
	struct loop *loop;
	struct arn_listener_conf conf;
	arn_snapshot_fn *snapshot;
	arn_want_fn *want;
	arn_accuse_fn *accuse; /* or NULL */
	void *arg;
	ns_t accusing; /* the second that `accusations` were told in began */
	int accusations;
	struct door door[2];
	struct conn_queue queue[QUEUES];
	int length[QUEUES];
	struct loop_timer *timer;
	ns_t timer_at;  /* NS_NEVER: not set */
	int busy;       /* wants are told, or requests tried again */
	bool published; /* a snapshot came meanwhile */
	struct arn_listener_counters count;
	struct log_limit log_bad, log_outside, log_full;
};

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

static void enter(struct conn *c, enum queue q)
{
	struct arn_listener *ls = c->owner;
	ns_t now = loop_now(ls->loop);

	c->queue = q;
	c->deadline = now + patience(ls, q);
	TAILQ_INSERT_TAIL(&ls->queue[q], c, entry);
	ls->length[q]++;
	/* The timer may go off early, before the first deadline of all, but never late. */
	if (q != CLOSING && c->deadline < ls->timer_at)
		arm(ls);
}

static void leave(struct conn *c)
{
	TAILQ_REMOVE(&c->owner->queue[c->queue], c, entry);
	c->owner->length[c->queue]--;
}

static void conn_free(struct conn *c)
{
	leave(c);
	stream_free(c->stream);
	free(c);
}

static void count_answer(struct arn_listener *ls, const struct redirect_response *rs)
{
	int status = rs->status, p = rs->proto;

	ls->count.loops += rs->looped;
	if (status == 302 || status == 307) {
		ls->count.redirected[p]++;
		ls->count.tokens[rs->token]++;
	} else if (status == 503) {
		ls->count.unavailable[p]++;
	} else if (status >= 400) {
		ls->count.refused[p]++;
	} else {
		ls->count.other[p]++;
	}
}

static void log_answer(struct arn_listener *ls, struct conn *c, const struct redirect_response *rs)
{
	const char *proto = rs->proto == TEXT_HTTP ? "HTTP" : "RTSP";
	char peer[ADDR_STRLEN], node[ADDR_STRLEN];

	if (rs->why)
		log_limited(&ls->log_bad, rs->status == 503 ? NLOG_WARN : NLOG_REMOTE,
			"%s: %s request answered %d: %s", addr_str(stream_peer(c->stream), peer),
			proto, rs->status, rs->why);
	else if (rs->node)
		log_msg(NLOG_DEBUG, "%s: %s request answered %d: to %s (%s)",
			addr_str(stream_peer(c->stream), peer), proto, rs->status,
			rs->node->said.id, addr_host(&rs->node->said.addr, node));
}

/* ---- answering ---- */

static void ask(struct conn *c, const uint8_t *p, size_t n, struct redirect_response *rs)
{
	struct arn_listener *ls = c->owner;
	struct redirect_request rq = {.bytes = {(const char *)p, n},
		.seen = c->seen,
		.port = c->port,
		.first = !c->answered,
		.client = *stream_peer(c->stream),
		.local = *stream_local(c->stream),
		.wall = clock_wall() / NS_S,
		.final = c->final};

	admit(&c->admission, &rq, ls->snapshot(ls->arg), rs);
}

/* What an answer wants is told once, however often it is tried meanwhile. */
static void tell_want(struct conn *c, const struct want *w, bool waits)
{
	struct arn_listener *ls = c->owner;
	uint64_t hash = want_hash(w);

	if (waits && c->wanted == hash)
		return;
	c->wanted = hash;
	ls->busy++;
	ls->want(ls->arg, w, waits);
	ls->busy--;
}

static size_t not_whole(struct conn *c, size_t n)
{
	c->seen = n;
	if (c->queue == IDLE) {
		leave(c);
		enter(c, WAITING);
	}
	return 0;
}

/* The want comes last: what it leads to may end connections. */
static size_t prepare(struct conn *c, const struct want *w)
{
	if (c->queue != PREPARING) {
		c->owner->count.prepared++;
		c->wanted = 0;
		leave(c);
		enter(c, PREPARING);
	}
	tell_want(c, w, true);
	return 0;
}

static void tell_accusations(struct conn *c, const struct redirect_response *rs)
{
	struct arn_listener *ls = c->owner;
	ns_t now;

	if (!rs->accusations || !ls->accuse)
		return;
	now = loop_now(ls->loop);
	if (now - ls->accusing >= NS_S) {
		ls->accusing = now;
		ls->accusations = 0;
	}
	for (int i = 0; i < rs->accusations && ls->accusations < ARN_LISTENER_ACCUSATIONS; i++) {
		ls->accusations++;
		ls->accuse(ls->arg, rs->accused[i]->said.id, rs->proto, stream_peer(c->stream));
	}
}

static size_t answered(struct conn *c, const struct redirect_response *rs)
{
	struct arn_listener *ls = c->owner;

	ls->count.unprepared += c->final;
	c->seen = 0;
	c->answered = true;
	c->final = false;
	count_answer(ls, rs);
	log_answer(ls, c, rs);
	primed_use(rs->primed);
	tell_accusations(c, rs);
	if (stream_write(c->stream, rs->text, rs->len) < 0) {
		ls->count.broken++; /* it asks on and on and reads nothing */
		conn_free(c);
		return 0;
	}
	leave(c);
	enter(c, rs->close ? CLOSING : IDLE);
	if (rs->close)
		stream_finish(c->stream, LINGER);
	return rs->consumed;
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct conn *c = arg;
	struct redirect_response rs;

	if (c->queue == PREPARING && !c->again)
		return 0; /* what comes behind it waits too */
	c->again = false;
	ask(c, p, n, &rs);
	if (!rs.consumed)
		return not_whole(c, n);
	if (!rs.status) {
		assert(!c->final);
		return prepare(c, &rs.want);
	}
	if (rs.want.what != WANT_NOTHING)
		tell_want(c, &rs.want, false);
	return answered(c, &rs);
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
	leave(c);
	enter(c, WAITING);
	stream_again(c->stream);
}

/* Only the one that is tried may go away meanwhile: what comes from within is done later. */
void arn_listener_published(struct arn_listener *ls)
{
	struct conn *c, *next;

	ls->published = ls->busy > 0;
	if (ls->busy) {
		ls->timer_at = loop_now(ls->loop);
		return loop_timer_at(ls->timer, ls->timer_at);
	}
	ls->busy++;
	for (c = TAILQ_FIRST(&ls->queue[PREPARING]); c; c = next) {
		next = TAILQ_NEXT(c, entry);
		try_again(c);
	}
	ls->busy--;
}

static void on_close(void *arg, int err)
{
	struct conn *c = arg;

	if (err && c->queue != CLOSING)
		c->owner->count.broken++;
	conn_free(c);
}

static const struct stream_ops conn_ops = {.on_data = on_data, .on_close = on_close};

static void make_room(struct arn_listener *ls)
{
	int total = arn_listener_connections(ls);

	for (int q = CLOSING; q < QUEUES && total >= ls->conf.connections; q++) {
		struct conn *c = TAILQ_FIRST(&ls->queue[q]);

		if (c) {
			ls->count.evicted++;
			total--;
			conn_free(c);
			log_limited(&ls->log_full, NLOG_WARN,
				"all %d connections are taken: the oldest gave way to a new one",
				(int)ls->conf.connections);
		}
	}
}

static bool is_for_block(struct arn_listener *ls, int fd, const struct addr *peer)
{
	char to[ADDR_STRLEN], from[ADDR_STRLEN];
	struct addr local;
	socklen_t len = sizeof(local);

	if (getsockname(fd, &local.sa, &len) < 0)
		return false;
	addr_unmap(&local);
	if (prefix_has(&ls->conf.block, &local))
		return true;
	ls->count.outside_block++;
	log_limited(&ls->log_outside, NLOG_REMOTE,
		"%s: connection to %s refused: not an address of the block", addr_str(peer, from),
		addr_str(&local, to));
	return false;
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct door *d = arg;
	struct arn_listener *ls = d->owner;
	struct conn *c;

	if (!is_for_block(ls, fd, peer)) {
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
	c->port = d->port;
	c->stream = stream_new(ls->loop, fd, &conn_ops, c, MAX_IN, MAX_OUT);
	if (!c->stream) {
		free(c);
		return;
	}
	ls->count.accepted[d->port]++;
	enter(c, WAITING);
}

static void on_timer(void *arg)
{
	struct arn_listener *ls = arg;
	ns_t now = loop_now(ls->loop);

	if (ls->published)
		arn_listener_published(ls);
	for (int q = IDLE; q < QUEUES; q++) {
		struct conn *c;

		while ((c = TAILQ_FIRST(&ls->queue[q])) && c->deadline <= now) {
			if (q == PREPARING) {
				answer_finally(c);
				continue;
			}
			if (q == IDLE)
				ls->count.idle_timeouts++;
			else
				ls->count.request_timeouts++;
			conn_free(c);
		}
	}
	arm(ls);
}

struct arn_listener *arn_listener_new(struct loop *l, const struct arn_listener_conf *c,
	arn_snapshot_fn *snapshot, arn_want_fn *want, void *arg, int *err, uint16_t *failed)
{
	struct arn_listener *ls = calloc(1, sizeof(*ls));

	*err = -ENOMEM;
	*failed = 0;
	if (!ls)
		return NULL;
	ls->loop = l;
	ls->conf = *c;
	ls->snapshot = snapshot;
	ls->want = want;
	ls->arg = arg;
	ls->timer_at = NS_NEVER;
	ls->log_bad = ls->log_outside = ls->log_full = (struct log_limit)LOG_LIMIT_INIT;
	for (int q = 0; q < QUEUES; q++)
		TAILQ_INIT(&ls->queue[q]);
	ls->timer = loop_timer_new(l, on_timer, ls);
	for (int p = 0; p < 2 && ls->timer; p++) {
		struct addr at = addr_any(c->block.addr.sa.sa_family, c->port[p]);

		ls->door[p] = (struct door){.owner = ls, .port = (enum text_proto)p};
		if (!c->port[p])
			continue;
		ls->door[p].listener = listener_new(l, &at, BACKLOG, on_accept, &ls->door[p], err);
		if (!ls->door[p].listener) {
			*failed = c->port[p];
			arn_listener_free(ls);
			return NULL;
		}
	}
	if (!ls->timer) {
		arn_listener_free(ls);
		return NULL;
	}
	*err = 0;
	return ls;
}

void arn_listener_on_accusation(struct arn_listener *ls, arn_accuse_fn *accuse)
{
	ls->accuse = accuse;
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
	int n = 0;

	for (int q = CLOSING; q < QUEUES; q++)
		n += ls->length[q];
	return n;
}

uint32_t arn_listener_busy(const struct arn_listener *ls)
{
	return (uint32_t)(arn_listener_connections(ls) - ls->length[IDLE]);
}
