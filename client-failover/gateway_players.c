/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Players' connections: requests in and answers out in order, interleaved frames, and the limits
 * that keep one player from harming others: a bounded number of connections, bounded buffers, a
 * time for a request to be whole, a time for a connection to be of use.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client-failover/gateway_impl.h"
#include "lib/event.h"
#include "lib/text.h"

#define PLAYERS 64
#define MAX_IN  (TEXT_MAX_HEAD + TEXT_MAX_BODY + 4 + UINT16_MAX)
#define MAX_OUT (2 * 1024 * 1024)
#define RESERVE (64 * 1024) /* of the output that media may not use: answers need it */
#define REQUEST (10 * NS_S) /* from a request's first byte to its last */
#define IDLE    (30 * NS_S) /* a connection without session and without request */
/* Between the last packet and BYE, which comes to another socket of the player: one that reads it
 * first would be done before it has read the packet. */
#define BYE_DELAY  (200 * NS_MS)
#define END_LINGER (1 * NS_S)    /* then, until the end of the connection */
#define FINISH     (5 * NS_S)    /* for what is queued to be taken */
#define FINISH_NOW (500 * NS_MS) /* likewise when the process ends */

struct player {
	struct gateway *g;
	struct stream *stream;
	struct serve_conn conn;
	size_t seen;        /* bytes at the front that text_parse has had */
	ns_t partial_since; /* an unfinished request is there since; NS_NEVER */
	ns_t last;          /* last whole request */
	ns_t bye_at, close_at;
	bool bye;      /* it has been told the end */
	bool told;     /* that it plays */
	bool finished; /* the last answer is out: no more input */
	bool dead;
	TAILQ_ENTRY(player) entry;
};

/* ---- what is told of them ---- */

static void emit_player(
	struct player *p, const char *event, const char *channel, const char *reason)
{
	struct js *o = js_object();
	char at[ADDR_STRLEN];

	addr_str(&p->conn.peer, at);
	js_put_str(o, "player", at);
	if (channel)
		js_put_str(o, "channel", channel);
	if (reason) {
		js_put_str(o, "reason", reason);
		js_put_int(o, "packets", (int64_t)p->conn.packets);
		js_put_int(o, "dropped", (int64_t)p->conn.dropped);
	}
	event_emit(event, loop_now(p->g->loop), o);
	if (event_wanted())
		return;
	if (reason)
		log_msg(NLOG_INFO, "player %s left: %s; %llu packets sent, %llu dropped", at,
			reason, (unsigned long long)p->conn.packets,
			(unsigned long long)p->conn.dropped);
	else
		log_msg(NLOG_INFO, "player %s plays %s", at, channel);
}

static void tell_left(struct player *p, const char *reason)
{
	if (p->told)
		emit_player(p, "player_left", NULL, reason);
	p->told = false;
}

/* ---- a connection's life ---- */

static void retire(struct player *p, const char *reason)
{
	if (p->dead)
		return;
	p->dead = true;
	tell_left(p, reason);
	serve_leave(&p->conn, loop_now(p->g->loop));
	stream_free(p->stream);
	p->stream = NULL;
	TAILQ_REMOVE(&p->g->players, p, entry);
	TAILQ_INSERT_TAIL(&p->g->dead, p, entry);
	p->g->n_players--;
}

static void say_bye(struct player *p)
{
	if (!p->bye)
		serve_bye(&p->g->serve, &p->conn);
	p->bye = true;
}

/* What is queued goes out, then the connection ends. Its session ends now. */
static void finish(struct player *p, ns_t linger, const char *reason)
{
	if (p->finished || p->dead)
		return;
	p->finished = true;
	say_bye(p);
	tell_left(p, reason);
	serve_leave(&p->conn, loop_now(p->g->loop));
	stream_finish(p->stream, linger);
}

static void complain(struct player *p, const char *what)
{
	char text[ADDR_STRLEN];

	log_limited(&p->g->bad, NLOG_REMOTE, "player %s: %s", addr_str(&p->conn.peer, text), what);
}

/* ---- requests ---- */

static void send_reply(struct player *p, const struct serve_reply *r)
{
	if (r->text.n == 0)
		return;
	/* A connection that is broken is told so by on_close; one that takes nothing is not. */
	if (r->text.full || stream_write(p->stream, r->text.p, r->text.n) == -ENOBUFS) {
		complain(p, "takes no answers; closed");
		retire(p, "stuck");
	}
}

static void request(struct player *p, const struct text_msg *m, ns_t now)
{
	struct gateway *g = p->g;
	struct serve_reply r = {0};

	sbuf_init(&r.text, g->reply, sizeof(g->reply));
	serve_request(&g->serve, &p->conn, m, now, &r);
	if (r.actions & SERVE_SEEK)
		gateway_seek(g, r.channel);
	if (r.actions & SERVE_WAIT) {
		g->settle |= r.channel->state != SERVE_SEEKING; /* refused at once */
		return;
	}
	p->last = now;
	send_reply(p, &r);
	if (p->dead)
		return;
	if (r.actions & SERVE_PLAYED && !p->told) {
		p->told = true;
		emit_player(p, "player_joined", r.channel->name, NULL);
	}
	if (r.actions & SERVE_TORNDOWN)
		tell_left(p, "teardown");
	if (r.actions & SERVE_CLOSE)
		finish(p, FINISH, "bad request");
}

static void reject(struct player *p, int status, const char *why)
{
	struct serve_reply r = {0};

	complain(p, why);
	sbuf_init(&r.text, p->g->reply, sizeof(p->g->reply));
	serve_reject(&p->g->serve, status, &r);
	send_reply(p, &r);
	finish(p, FINISH, "bad request");
}

/* Works off what is whole at the front of p[n]; how much that was. */
static size_t consume(struct player *p, const char *in, size_t n, ns_t now)
{
	struct text_msg m;
	struct slice payload;
	uint8_t channel;
	size_t used = 0, f;

	while (used < n && !p->dead && !p->finished && !p->conn.waits) {
		const char *at = in + used;

		/* Blank lines between messages are harmless (RFC 9112, 2.2). */
		if (*at == '\r' || *at == '\n') {
			used++;
			continue;
		}
		if (*at == '$') {
			f = text_frame((const uint8_t *)at, n - used, &channel, &payload);
			if (f == 0)
				break;
			serve_frame_from(&p->conn, channel, now);
			used += f;
			continue;
		}
		ssize_t len = text_parse(&m, at, n - used, p->seen);
		p->seen = len ? 0 : n - used;
		if (len == 0)
			break;
		if (len < 0) {
			reject(p, len == TEXT_TOO_LONG ? 413 : 400,
				text_error_str((enum text_error)len));
			return n;
		}
		request(p, &m, now);
		if (!p->conn.waits) /* else it stays at the front, to be handed in again */
			used += (size_t)len;
	}
	return p->dead || p->finished ? n : used;
}

static size_t on_data(void *arg, const uint8_t *in, size_t n)
{
	struct player *p = arg;
	ns_t now = loop_now(p->g->loop);
	size_t used = p->finished ? n : consume(p, (const char *)in, n, now);

	if (used == n || p->conn.waits)
		p->partial_since = NS_NEVER;
	else if (used || p->partial_since == NS_NEVER)
		p->partial_since = now;
	return used;
}

static void on_close(void *arg, int err)
{
	struct player *p = arg;

	retire(p, err ? "connection broke" : "connection closed");
}

static const struct stream_ops stream_ops = {NULL, on_data, on_close};

/* When all places are taken, a new connection gets the place of the one that has been of no use for
 * longest. False: all are of use. */
static bool make_room(struct gateway *g)
{
	struct player *p, *idle = NULL;

	if (g->n_players < PLAYERS)
		return true;
	log_limited(&g->full, NLOG_WARN, "all %d connections of players are taken", g->n_players);
	TAILQ_FOREACH(p, &g->players, entry)
	if (p->conn.play == SERVE_IDLE && !p->conn.waits && (!idle || p->last < idle->last))
		idle = p;
	if (idle)
		retire(idle, "evicted");
	return idle != NULL;
}

void players_accept(void *arg, int fd, const struct addr *peer)
{
	struct gateway *g = arg;
	struct player *p;

	if (!make_room(g) || !(p = calloc(1, sizeof(*p)))) {
		close(fd);
		return;
	}
	p->g = g;
	p->conn.peer = *peer;
	p->conn.shell = p;
	p->last = loop_now(g->loop);
	p->partial_since = p->bye_at = p->close_at = NS_NEVER;
	p->stream = stream_new(g->loop, fd, &stream_ops, p, MAX_IN, MAX_OUT);
	if (!p->stream) {
		free(p);
		return;
	}
	TAILQ_INSERT_TAIL(&g->players, p, entry);
	g->n_players++;
	gateway_rearm(g);
}

/* ---- media ---- */

bool players_frame(void *arg, void *shell, uint8_t channel, const uint8_t *data, size_t n)
{
	struct gateway *g = arg;
	struct player *p = shell;

	if (n > UINT16_MAX || stream_unsent(p->stream) + 4 + n > MAX_OUT - RESERVE)
		return false;
	g->frame[0] = '$';
	g->frame[1] = channel;
	g->frame[2] = (uint8_t)(n >> 8);
	g->frame[3] = (uint8_t)n;
	memcpy(g->frame + 4, data, n);
	return stream_write(p->stream, g->frame, 4 + n) == 0;
}

void players_end(struct serve_channel *ch, ns_t now)
{
	struct serve_conn *c;

	TAILQ_FOREACH(c, &ch->conns, of_channel)
	{
		struct player *p = c->shell;

		p->bye_at = now + BYE_DELAY;
		p->close_at = p->bye_at + END_LINGER;
	}
}

/* ---- the end of a turn, and time ---- */

void players_settle(struct gateway *g)
{
	struct player *p;
	bool again = true;

	while (again) { /* what is answered may end connections: the walk begins anew after each */
		again = false;
		TAILQ_FOREACH(p, &g->players, entry)
		{
			if (!p->conn.waits || p->conn.waits->state == SERVE_SEEKING)
				continue;
			serve_settled(&p->conn, loop_now(g->loop));
			stream_again(p->stream);
			again = true;
			break;
		}
	}
}

static void tick(struct player *p, ns_t now)
{
	const struct serve_channel *ch = p->conn.channel;

	if (p->finished)
		return; /* the stream's linger ends it */
	if (!ch || ch->state != SERVE_ENDED) {
		p->bye_at = p->close_at = NS_NEVER; /* it has left the channel that ended */
		p->bye = false;
	}
	if (now >= p->bye_at)
		say_bye(p);
	if (now >= p->close_at)
		finish(p, FINISH, "end of stream");
	else if (p->partial_since != NS_NEVER && now - p->partial_since >= REQUEST)
		reject(p, 408, "a request is not whole in time");
	else if (serve_timed_out(&p->g->serve, &p->conn, now))
		retire(p, "timeout");
	else if (p->conn.play == SERVE_IDLE && !p->conn.waits && now - p->last >= IDLE)
		retire(p, "idle");
}

void players_tick(struct gateway *g, ns_t now)
{
	struct player *p, *next;

	for (p = TAILQ_FIRST(&g->players); p; p = next) {
		next = TAILQ_NEXT(p, entry);
		tick(p, now);
	}
}

void players_stop(struct gateway *g)
{
	struct player *p, *next;

	for (p = TAILQ_FIRST(&g->players); p; p = next) {
		next = TAILQ_NEXT(p, entry);
		finish(p, FINISH_NOW, "terminated");
	}
}

void players_reap(struct gateway *g)
{
	struct player *p;

	while ((p = TAILQ_FIRST(&g->dead))) {
		TAILQ_REMOVE(&g->dead, p, entry);
		free(p);
	}
}

void players_free(struct gateway *g)
{
	while (!TAILQ_EMPTY(&g->players))
		retire(TAILQ_FIRST(&g->players), "terminated");
	players_reap(g);
}
