/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/stream.h"
#include "lib/text.h"

#define MAX_IN     (TEXT_MAX_HEAD + TEXT_MAX_BODY + 4 + 65536)
#define MAX_OUT    (2 * 1024 * 1024)
#define MIN_OUT    (256 * 1024)
#define ALL_OUT    (256 * 1024 * 1024) /* of all connections; MIN_OUT is each one's in any case */
#define RESERVE    (64 * 1024)         /* of the output that media may not use: answers need it */
#define MAX_HELD   (128 * 1024)        /* requests behind one that waits */
#define FINISH     (1 * NS_S)
#define END_LINGER (1 * NS_S) /* between a source's BYE and the end of a player's connection */
#define FRAMES_MAX (64 * (4 + RING_MTU))

/* A port that was primed. */
struct server_door {
	struct server *sv;
	struct listener *listener;
	struct rtsp_scope scope;
	void (*count)(void *arg, bool begins);
	void *arg;
	TAILQ_ENTRY(server_door) entry;
};
TAILQ_HEAD(door_list, server_door);

struct conn {
	struct server *sv;
	struct server_door *door; /* NULL: the usual port */
	struct stream *stream;
	struct rtsp_conn rtsp;
	size_t seen;           /* bytes at the front that text_parse has had */
	struct channel *waits; /* a request waits for it, */
	bool looks;            /* or for a place in it (RTSP_LOOK) */
	char *held;            /* that request and all behind it */
	size_t n_held;
	ns_t partial_since; /* an unfinished request is there since; NS_NEVER */
	ns_t last;          /* last whole request */
	ns_t close_at;
	bool finished; /* the last answer is out: no more input */
	int busy;      /* its bytes are being worked on */
	bool dead;     /* freed meanwhile */
	TAILQ_ENTRY(conn) entry;
};
TAILQ_HEAD(conn_list, conn);

struct server {
	struct loop *loop;
	struct listener *listener;
	struct server_conf conf;
	struct rtsp *rtsp;
	struct relay *relay;
	const struct server_ops *ops;
	void *arg;
	struct door_list doors;
	struct conn_list list; /* by their last request, the oldest first */
	int conns;
	struct server_counters count;
	struct log_limit bad, full;
	char reply[RTSP_REPLY_MAX];
	uint8_t frames[FRAMES_MAX];
};

/* ---- a connection's life ---- */

static void destroy(struct conn *c)
{
	free(c->held);
	free(c);
}

static void stop_waiting(struct conn *c)
{
	if (c->waits)
		c->waits->users--;
	c->waits = NULL;
	c->looks = false;
}

static void conn_free(struct conn *c, const char *reason)
{
	struct server *sv = c->sv;

	if (c->dead)
		return;
	c->dead = true;
	while (c->rtsp.first)
		sv->ops->end(sv->arg, c->rtsp.first, reason, false);
	stop_waiting(c);
	stream_free(c->stream);
	c->stream = NULL;
	TAILQ_REMOVE(&sv->list, c, entry);
	sv->conns--;
	if (c->door)
		c->door->count(c->door->arg, false);
	c->door = NULL;
	c->rtsp.scope = NULL;
	if (c->busy == 0)
		destroy(c);
}

static void leave(struct conn *c)
{
	if (--c->busy == 0 && c->dead)
		destroy(c);
}

/* The answer that is queued goes out, then the connection ends. Its sessions end now. */
static void finish(struct conn *c, const char *reason)
{
	struct server *sv = c->sv;

	while (c->rtsp.first)
		sv->ops->end(sv->arg, c->rtsp.first, reason, false);
	c->finished = true;
	stream_finish(c->stream, FINISH);
}

static void complain(struct conn *c, const char *what)
{
	char text[ADDR_STRLEN];

	log_limited(&c->sv->bad, NLOG_REMOTE, "RTSP client %s: %s", addr_str(&c->rtsp.peer, text),
		what);
}

/* ---- requests ---- */

static void act(struct conn *c, const struct rtsp_reply *r)
{
	struct server *sv = c->sv;

	if (r->actions & RTSP_SEEK)
		sv->ops->seek(sv->arg, r->channel);
	if (r->actions & RTSP_PLAYED)
		sv->ops->played(sv->arg, r->session);
	if (r->actions & RTSP_PAUSED)
		sv->ops->paused(sv->arg, r->session);
	if (r->actions & RTSP_RECORDED)
		sv->ops->recorded(sv->arg, r->session);
	if (r->actions & RTSP_TEARDOWN)
		sv->ops->end(sv->arg, r->session, "teardown", true);
	if (r->actions & RTSP_CLOSE && !c->dead)
		finish(c, "bad request");
}

static bool send_reply(struct conn *c, const struct rtsp_reply *r)
{
	if (r->text.n == 0)
		return true;
	/* A connection that is broken is told so by on_close; one that takes nothing is not. */
	if (r->text.full || stream_write(c->stream, r->text.p, r->text.n) == -ENOBUFS) {
		c->sv->count.overflows++;
		complain(c, "takes no answers; closed");
		conn_free(c, "stuck");
		return false;
	}
	return true;
}

/* False: the connection is gone, or its request has to wait. */
static bool request(struct conn *c, const struct text_msg *m, ns_t now)
{
	struct server *sv = c->sv;
	struct rtsp_reply r = {0};

	sbuf_init(&r.text, sv->reply, sizeof(sv->reply));
	sv->rtsp->wall = clock_wall() / NS_S;
	rtsp_request(sv->rtsp, &c->rtsp, m, now, &r);
	if (r.actions & RTSP_WAIT) {
		c->waits = r.channel;
		c->waits->users++;
		c->looks = r.actions & RTSP_LOOK;
		act(c, &r);
		if (c->waits->state == CHANNEL_SEEKING || c->looks)
			return false;
		stop_waiting(c); /* it could not even be sought */
		return request(c, m, now);
	}
	c->last = now;
	TAILQ_REMOVE(&sv->list, c, entry);
	TAILQ_INSERT_TAIL(&sv->list, c, entry);
	if (!send_reply(c, &r))
		return false;
	act(c, &r);
	return !c->dead && !c->finished;
}

static void reject(struct conn *c, int status, const char *why)
{
	struct rtsp_reply r = {0};

	c->sv->count.bad++;
	complain(c, why);
	sbuf_init(&r.text, c->sv->reply, sizeof(c->sv->reply));
	rtsp_reject(c->sv->rtsp, status, &r);
	if (send_reply(c, &r))
		finish(c, "bad request");
}

static void frame(struct conn *c, uint8_t channel, struct slice payload, ns_t now)
{
	struct server *sv = c->sv;
	const uint8_t *p = (const uint8_t *)payload.p;
	struct session *s;
	int medium;
	int64_t seq;
	bool rtcp;

	s = rtsp_conn_channel(&c->rtsp, channel, &medium, &rtcp);
	if (!s)
		return;
	s->active = now;
	if (s->state == SESSION_PLAYING && rtcp) {
		relay_feedback(sv->relay, &s->m[medium].rx, p, payload.n, now);
	} else if (s->state == SESSION_RECORDING && medium < s->channel->media) {
		struct medium *m = &s->channel->medium[medium];

		if (rtcp)
			relay_origin_rtcp(sv->relay, m, p, payload.n);
		else
			relay_rtp(sv->relay, m, p, payload.n, now, &seq);
	}
}

/* Works off what is whole at the front of p[n]; how much that was. */
static size_t consume(struct conn *c, const char *p, size_t n, ns_t now)
{
	struct text_msg m;
	struct slice payload;
	uint8_t channel;
	size_t used = 0;
	ssize_t len;

	while (used < n && !c->dead && !c->finished) {
		const char *at = p + used;

		/* Blank lines between messages are harmless (RFC 9112, 2.2). */
		if (*at == '\r' || *at == '\n') {
			used++;
			continue;
		}
		if (*at == '$') {
			size_t f = text_frame((const uint8_t *)at, n - used, &channel, &payload);

			if (f == 0)
				break;
			frame(c, channel, payload, now);
			used += f;
			continue;
		}
		len = text_parse(&m, at, n - used, c->seen);
		if (len == 0) {
			c->seen = n - used;
			break;
		}
		c->seen = 0;
		if (len < 0) {
			reject(c, len == TEXT_TOO_LONG ? 413 : 400,
				text_error_str((enum text_error)len));
			return n;
		}
		if (!request(c, &m, now) && c->waits)
			break; /* it stays at the front */
		used += (size_t)len;
	}
	return used;
}

/* Input behind a request that waits is kept here, in order. */
static bool hold(struct conn *c, const char *p, size_t n)
{
	char *more;

	if (n == 0)
		return true;
	if (c->n_held + n > MAX_HELD || !(more = realloc(c->held, c->n_held + n))) {
		complain(c, "too much input behind a request that waits; closed");
		conn_free(c, "overflow");
		return false;
	}
	memcpy(more + c->n_held, p, n);
	c->held = more;
	c->n_held += n;
	return true;
}

static void work_off_held(struct conn *c)
{
	size_t used = consume(c, c->held, c->n_held, loop_now(c->sv->loop));

	if (c->dead)
		return;
	c->n_held -= used;
	memmove(c->held, c->held + used, c->n_held);
}

/* What its request waited for is there, or does not come any more. */
static void resume(struct conn *c)
{
	stop_waiting(c);
	c->busy++;
	work_off_held(c);
	leave(c);
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct conn *c = arg;
	ns_t now = loop_now(c->sv->loop);
	size_t used = n;

	c->busy++;
	if (c->finished) {
		/* Nothing more is answered. */
	} else if (c->n_held) {
		if (hold(c, (const char *)p, n) && !c->waits)
			work_off_held(c);
	} else {
		used = consume(c, (const char *)p, n, now);
		if (!c->dead && c->waits && hold(c, (const char *)p + used, n - used))
			used = n;
	}
	relay_turn(c->sv->relay, now);
	c->partial_since = c->dead || used == n                   ? NS_NEVER
	                   : c->partial_since == NS_NEVER || used ? now
	                                                          : c->partial_since;
	leave(c);
	return used;
}

static void on_close(void *arg, int err)
{
	struct conn *c = arg;

	if (err == -EMSGSIZE)
		c->sv->count.overflows++;
	conn_free(c, err ? "connection broke" : "connection closed");
}

static const struct stream_ops stream_ops = {NULL, on_data, on_close};

/* When all places are taken, a new connection gets the place of the one that has been of no use
 * for longest: it has no session, and its last request is the oldest. False: all are of use. */
static bool make_room(struct server *sv)
{
	struct conn *c;

	if (sv->conns < sv->conf.connections)
		return true;
	log_limited(&sv->full, NLOG_WARN, "all %d connections are taken", sv->conns);
	TAILQ_FOREACH(c, &sv->list, entry)
	{
		if (c->rtsp.first || c->waits)
			continue;
		sv->count.evicted++;
		conn_free(c, "evicted");
		return true;
	}
	return false;
}

static void take_in(struct server *sv, struct server_door *door, int fd, const struct addr *peer)
{
	struct conn *c;

	if (!make_room(sv) || !(c = calloc(1, sizeof(*c)))) {
		sv->count.refused++;
		close(fd);
		return;
	}
	c->sv = sv;
	c->rtsp.peer = *peer;
	addr_unmap(&c->rtsp.peer);
	c->rtsp.shell = c;
	c->last = loop_now(sv->loop);
	c->partial_since = c->close_at = NS_NEVER;
	c->stream = stream_new(sv->loop, fd, &stream_ops, c, MAX_IN, MAX_OUT);
	if (!c->stream) {
		free(c);
		return;
	}
	sv->count.accepted++;
	sv->conns++;
	TAILQ_INSERT_TAIL(&sv->list, c, entry);
	if (!door)
		return;
	c->door = door;
	c->rtsp.scope = &door->scope;
	door->count(door->arg, true);
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	take_in(arg, NULL, fd, peer);
}

/* An address of a tunnel is the host's, and the kernel lets in whoever sends to it, by whichever
 * interface. The answers to the neighbour's own address go into the tunnel: he who has a connection
 * from there is the neighbour. */
static bool may_enter(const struct server_door *d, const struct addr *peer)
{
	static struct log_limit limit = LOG_LIMIT_INIT;
	char text[ADDR_STRLEN];

	if (!d->scope.peer.sa.sa_family || addr_same_host(peer, &d->scope.peer))
		return true;
	log_limited(&limit, NLOG_REMOTE, "%s connects to the tunnel of neighbour %s: refused",
		addr_str(peer, text), d->scope.neighbour);
	return false;
}

static void on_accept_at_door(void *arg, int fd, const struct addr *peer)
{
	struct server_door *d = arg;

	if (may_enter(d, peer)) {
		take_in(d->sv, d, fd, peer);
		return;
	}
	d->sv->count.refused++;
	close(fd);
}

/* ---- the server ---- */

struct server *server_new(struct loop *l, const struct addr *at, const struct server_conf *conf,
	struct rtsp *rtsp, struct relay *relay, const struct server_ops *ops, void *arg, int *err)
{
	struct server *sv = calloc(1, sizeof(*sv));

	if (!sv) {
		*err = -ENOMEM;
		return NULL;
	}
	sv->loop = l;
	sv->conf = *conf;
	sv->rtsp = rtsp;
	sv->relay = relay;
	sv->ops = ops;
	sv->arg = arg;
	sv->bad = sv->full = (struct log_limit)LOG_LIMIT_INIT;
	TAILQ_INIT(&sv->list);
	TAILQ_INIT(&sv->doors);
	sv->listener = listener_new(l, at, 1024, on_accept, sv, err);
	if (!sv->listener) {
		free(sv);
		return NULL;
	}
	return sv;
}

void server_free(struct server *sv)
{
	if (!sv)
		return;
	server_stop_listening(sv);
	while (TAILQ_FIRST(&sv->list))
		conn_free(TAILQ_FIRST(&sv->list), "shutdown");
	while (TAILQ_FIRST(&sv->doors))
		server_door_free(TAILQ_FIRST(&sv->doors));
	free(sv);
}

void server_set_conf(struct server *sv, const struct server_conf *conf)
{
	sv->conf = *conf;
}

void server_stop_listening(struct server *sv)
{
	struct server_door *d;

	listener_free(sv->listener);
	sv->listener = NULL;
	TAILQ_FOREACH(d, &sv->doors, entry)
	{
		listener_free(d->listener);
		d->listener = NULL;
	}
}

struct server_door *server_door_new(struct server *sv, const struct addr *at,
	const struct rtsp_scope *scope, void (*count)(void *arg, bool begins), void *arg, int *err)
{
	struct server_door *d = calloc(1, sizeof(*d));

	*err = -ENOMEM;
	if (!d)
		return NULL;
	*d = (struct server_door){.sv = sv, .scope = *scope, .count = count, .arg = arg};
	d->listener = listener_new(sv->loop, at, 1024, on_accept_at_door, d, err);
	if (!d->listener) {
		free(d);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&sv->doors, d, entry);
	return d;
}

const struct rtsp_scope *server_door_scope(const struct server_door *d)
{
	return &d->scope;
}

void server_door_free(struct server_door *d)
{
	struct conn *c;

	if (!d)
		return;
	TAILQ_FOREACH(c, &d->sv->list, entry)
	{
		if (c->door != d)
			continue;
		c->door = NULL;
		c->rtsp.scope = NULL;
		c->close_at = 0; /* nobody knows any more what it is for */
	}
	listener_free(d->listener);
	TAILQ_REMOVE(&d->sv->doors, d, entry);
	free(d);
}

const struct addr *server_addr(const struct server *sv)
{
	return sv->listener ? listener_addr(sv->listener) : NULL;
}

int server_connections(const struct server *sv)
{
	return sv->conns;
}

void server_settled(struct server *sv, struct channel *ch)
{
	bool again = true;

	ch->users++; /* what is asked for next could otherwise take its place */
	/* What is answered may free connections: the walk begins anew after each. */
	while (again) {
		again = false;
		struct conn *c;

		TAILQ_FOREACH(c, &sv->list, entry)
		{
			if (c->waits != ch || c->looks)
				continue;
			resume(c);
			again = true;
			break;
		}
	}
	ch->users--;
	relay_turn(sv->relay, loop_now(sv->loop));
}

void server_looked(struct server *sv, struct rtsp_conn *conn)
{
	struct conn *c = conn->shell;

	if (c->dead || !c->looks)
		return;
	resume(c);
	relay_flush(sv->relay);
}

void server_tell_end(struct server *sv, struct session *s)
{
	struct conn *c = s->conn->shell;
	char mem[SESSION_URL * (SDP_MAX_MEDIA + 2)];
	struct sbuf b;

	s->told_end = true;
	if (s->nearcast) {
		sbuf_init(&b, mem, sizeof(mem));
		rtsp_notify_end(sv->rtsp, s, &b);
		if (!b.full)
			stream_write(c->stream, b.p, b.n);
		return;
	}
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		relay_send_bye(sv->relay, s->group ? &s->group->rx[i] : &s->m[i].rx);
	if (s->channel->film)
		return; /* it can be played again */
	c->close_at = loop_now(sv->loop) + END_LINGER;
}

void server_tell_group(struct server *sv, struct session *s)
{
	struct conn *c = s->conn->shell;
	char mem[SESSION_URL + 512];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	rtsp_notify_group(sv->rtsp, s, &b);
	if (!b.full)
		stream_write(c->stream, b.p, b.n);
}

void server_tell_path(struct server *sv, struct session *s)
{
	struct conn *c = s->conn->shell;
	char mem[SESSION_URL + CHANNEL_VIA + 512];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	rtsp_notify_path(sv->rtsp, s, &b);
	if (!b.full)
		stream_write(c->stream, b.p, b.n);
}

void server_close(struct session *s)
{
	struct conn *c = s->conn->shell;

	c->close_at = 0;
}

size_t server_room(int connections)
{
	size_t each = ALL_OUT / (size_t)(connections > 0 ? connections : 1);

	return each < MIN_OUT ? MIN_OUT : each > MAX_OUT ? MAX_OUT : each;
}

int server_frames(void *conn, uint8_t channel, const struct iovec *v, int n)
{
	struct conn *c = conn;
	uint8_t *buf = c->sv->frames;
	size_t used = stream_unsent(c->stream), room = server_room(c->sv->conns) - RESERVE, len = 0;
	int i;

	for (i = 0; i < n; i++) {
		size_t size = v[i].iov_len;

		if (used + len + 4 + size > room || len + 4 + size > FRAMES_MAX)
			break;
		buf[len] = '$';
		buf[len + 1] = channel;
		buf[len + 2] = (uint8_t)(size >> 8);
		buf[len + 3] = (uint8_t)size;
		memcpy(buf + len + 4, v[i].iov_base, size);
		len += 4 + size;
	}
	if (len && stream_write(c->stream, buf, len))
		return 0;
	return i;
}

static bool tick_conn(struct conn *c, ns_t now)
{
	const struct server_conf *conf = &c->sv->conf;

	if (c->finished)
		return false; /* the stream's linger ends it */
	if (now >= c->close_at) {
		finish(c, "end of stream");
		return true;
	}
	if (c->looks && !rtsp_looks(&c->rtsp)) {
		resume(c);
		return true;
	}
	if (c->partial_since != NS_NEVER && now - c->partial_since >= conf->request_timeout) {
		c->sv->count.timeouts++;
		reject(c, 408, "a request is not whole in time");
		return true;
	}
	if (!c->rtsp.first && !c->waits && now - c->last >= conf->idle_timeout) {
		c->sv->count.timeouts++;
		conn_free(c, "idle");
		return true;
	}
	return false;
}

void server_tick(struct server *sv, ns_t now)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&sv->list); c; c = next) {
		next = TAILQ_NEXT(c, entry);
		tick_conn(c, now);
	}
}

const struct server_counters *server_counters(const struct server *sv)
{
	return &sv->count;
}
