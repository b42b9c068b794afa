/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection of a player has one request at a time, which is one exchange; what the player sends
 * beforehand (RFC 9112, 9.3.2) waits unread. A player that does not read makes the node wait.
 *
 * The node that served last is asked first for what follows, so that the segments of a session come
 * from one node, without a transaction for each. Where a URL names its site ("/=HOST/PATH") the node
 * has a port for each, and is asked there for more of that site only. It is forgotten after a while,
 * so that the ARN has its say, and at once when it fails: the exchange that noticed brings another
 * one. A node that demands a token for each URL is not remembered, since only the ARN gives these.
 *
 * Half an answer cannot be taken back: if an object changes under it, the player's connection ends
 * before the length, or the last chunk, that it was told.
 */
#include "client-failover/webgate.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "client-failover/client.h"
#include "client-failover/exchange.h"
#include "client-failover/gatehead.h"
#include "lib/event.h"
#include "lib/log.h"
#include "lib/stream.h"

#define PLAYERS  64
#define MAX_IN   65536
#define AHEAD    16384 /* of requests that come before their turn; then nothing is read */
#define MAX_OUT  (512 << 10)
#define HIGH     (128 << 10)  /* with so much unsent the node has to wait */
#define IDLE     (60 * NS_S)  /* between requests */
#define HEAD     (10 * NS_S)  /* for a request that has begun */
#define STALL    (300 * NS_S) /* for a player that reads nothing: people press pause */
#define LINGER   (5 * NS_S)
#define REMEMBER (60 * NS_S) /* a node */

struct gate;

struct player {
	struct gate *gate;
	struct stream *stream; /* NULL: free */
	struct loop_timer *timer;
	struct exchange *exchange; /* NULL: it may ask */
	size_t seen;               /* of a request that is not whole yet */
	struct gate_request request;
	enum gate_body body;
	bool headed, finishing;
	bool emptying; /* its answer is complete, and not yet all sent */
};

struct gate {
	const struct options *opt;
	struct loop *loop;
	struct listener *listener;
	struct loop_signal *sig[2];
	struct addr anycast;
	char origin[300]; /* "http://acme.com" */
	char home[300];   /* the same of the node that served last, "": none */
	char site[300];   /* and whose: site_of() */
	ns_t home_until, no_home_until;
	unsigned long long requests;
	struct player player[PLAYERS];
};

static void next_request(struct player *p);

/* ---- players ---- */

static void player_free(struct player *p)
{
	if (p->exchange)
		exchange_stop(p->exchange, "the player left");
	exchange_free(p->exchange);
	stream_free(p->stream);
	loop_timer_free(p->timer);
	p->exchange = NULL;
	p->stream = NULL;
	p->timer = NULL;
}

/* The player has to see that it did not get all. */
static void player_abort(struct player *p)
{
	struct linger reset = {1, 0};

	if (p->body == GATE_CLOSE) /* which nothing but a reset tells from the end */
		setsockopt(stream_fd(p->stream), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	player_free(p);
}

static void player_finish(struct player *p)
{
	p->finishing = true;
	loop_timer_at(p->timer, NS_NEVER);
	stream_hold(p->stream, false);
	stream_finish(p->stream, LINGER);
}

static void deadline(struct player *p, ns_t after)
{
	loop_timer_at(p->timer, after == NS_NEVER ? NS_NEVER : loop_now(p->gate->loop) + after);
}

/* False: the player is gone. */
static bool send_bytes(struct player *p, const void *bytes, size_t n)
{
	if (stream_write(p->stream, bytes, n) == 0)
		return true;
	player_free(p);
	return false;
}

static void refuse(struct player *p, int status, const char *why, const char *more, bool keep)
{
	char mem[512];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof mem);
	gate_put_refusal(&b, status, why, more, keep);
	if (send_bytes(p, b.p, b.n) && !keep)
		player_finish(p);
}

static void on_deadline(void *arg)
{
	struct player *p = arg;

	if (p->seen)
		refuse(p, 408, "the request does not end", "", false);
	else
		player_free(p);
}

static void on_drained(void *arg)
{
	struct player *p = arg;

	if (p->exchange) {
		deadline(p, NS_NEVER);
		exchange_hold(p->exchange, false);
	} else if (p->emptying) {
		next_request(p);
	}
}

/* ---- answers ---- */

/* "/=acme.com" of a path that names the site it is of, else "". A node has a port for each. */
static struct slice site_of(const struct gate *g, const struct player *p)
{
	const char *target = p->request.url + strlen(g->origin);

	return (struct slice){
		target, strncmp(target, "/=", 2) == 0 ? 1 + strcspn(target + 1, "/?") : 0};
}

static void remember(struct gate *g, const struct player *p, const char *node)
{
	ns_t now = loop_now(g->loop);
	struct slice at = gate_origin(node), site = site_of(g, p);

	if (now < g->no_home_until || slice_ieq(at, slice_of(g->origin)))
		return;
	if (now < g->home_until && slice_eq(at, slice_of(g->home)) &&
		slice_eq(site, slice_of(g->site)))
		return; /* until the time is over */
	if (slice_copy(site, g->site, sizeof g->site) || slice_copy(at, g->home, sizeof g->home))
		*g->home = '\0';
	g->home_until = now + REMEMBER;
}

static void on_node(void *arg, const char *node)
{
	struct player *p = arg;

	remember(p->gate, p, node);
}

static void on_head(void *arg, const struct text_msg *m, const struct object *o, const char *node)
{
	struct player *p = arg;
	char mem[TEXT_MAX_HEAD + 512];
	struct sbuf b;

	p->headed = true;
	p->body = gate_body(&p->request, o);
	sbuf_init(&b, mem, sizeof mem);
	gate_put_head(&b, &p->request, m, o, p->gate->origin, node);
	send_bytes(p, b.p, b.n);
}

static void on_body(void *arg, struct slice data)
{
	struct player *p = arg;
	char size[24];

	if (p->body == GATE_NONE)
		return;
	snprintf(size, sizeof size, "%zx\r\n", data.n);
	if (p->body == GATE_CHUNKED && !send_bytes(p, size, strlen(size)))
		return;
	if (!send_bytes(p, data.p, data.n) ||
		(p->body == GATE_CHUNKED && !send_bytes(p, "\r\n", 2)))
		return;
	if (stream_unsent(p->stream) >= HIGH) {
		deadline(p, STALL);
		exchange_hold(p->exchange, true);
	}
}

static void on_over(void *arg, enum webget_state s, const char *why)
{
	struct player *p = arg;
	struct gate *g = p->gate;
	char text[200];

	if (s != WEBGET_WHOLE || exchange_home_refused(p->exchange))
		*g->home = '\0';
	if (exchange_home_refused(p->exchange))
		g->no_home_until = loop_now(g->loop) + REMEMBER;
	exchange_free(p->exchange);
	p->exchange = NULL;
	if (s != WEBGET_WHOLE && p->headed) {
		player_abort(p);
		return;
	}
	if (s != WEBGET_WHOLE) {
		snprintf(text, sizeof text, "no node can be had%s%.150s", *why ? ": " : "", why);
		refuse(p, 503, text, "Retry-After: 1\r\n", p->request.keep);
	} else if (p->body == GATE_CHUNKED && !send_bytes(p, "0\r\n\r\n", 5)) {
		return;
	}
	if (p->stream && !p->finishing)
		next_request(p);
}

static const struct exchange_ops exchange_ops = {
	.on_head = on_head, .on_body = on_body, .on_over = on_over, .on_node = on_node};

/* ---- requests ---- */

static void begin(struct player *p)
{
	struct gate *g = p->gate;
	const char *target = p->request.url + strlen(g->origin);
	char home[FAILOVER_URL] = "", name[128];
	struct exchange_conf c = {.loop = g->loop,
		.ops = &exchange_ops,
		.arg = p,
		.url = p->request.url,
		.anycast = g->anycast,
		.home = home,
		.name = name,
		.to_head = p->request.to_head,
		.headers = {p->request.headers, p->request.headers_len},
		.asked = {p->request.asked, p->request.asked_len}};

	snprintf(name, sizeof name, "%llu %.100s", ++g->requests, target);
	if (*g->home && loop_now(g->loop) < g->home_until &&
		slice_eq(site_of(g, p), slice_of(g->site))) {
		int n = snprintf(home, sizeof home, "%s%s", g->home, target);
		if (n < 0 || (size_t)n >= sizeof home)
			*home = '\0';
	}
	p->headed = false;
	p->body = GATE_NONE;
	p->exchange = exchange_new(&c);
	deadline(p, NS_NEVER);
	if (p->exchange)
		exchange_start(p->exchange);
	else
		refuse(p, 503, "no memory", "", false);
}

static size_t on_data(void *arg, const uint8_t *bytes, size_t n)
{
	struct player *p = arg;
	const char *why;
	struct text_msg m;

	if (p->exchange || p->emptying) {
		if (n >= AHEAD)
			stream_hold(p->stream, true);
		return 0;
	}
	if (!p->seen)
		deadline(p, HEAD);
	ssize_t used = text_parse(&m, (const char *)bytes, n, p->seen);
	p->seen = n;
	if (used == 0)
		return 0;
	p->seen = 0;
	if (used < 0) {
		refuse(p, used == TEXT_TOO_LONG ? 431 : 400, text_error_str((enum text_error)used),
			"", false);
		return n;
	}
	int status = gate_take_request(&p->request, &m, p->gate->origin, &why);
	if (status)
		refuse(p, status, why, "", false);
	else
		begin(p);
	return (size_t)used;
}

/* The end of an answer is as good as its beginning: who reads slowly has as long for it. */
static void next_request(struct player *p)
{
	p->emptying = stream_unsent(p->stream) > 0;
	if (p->emptying) {
		deadline(p, STALL);
		return;
	}
	if (!p->request.keep || p->body == GATE_CLOSE) {
		player_finish(p);
		return;
	}
	deadline(p, IDLE);
	stream_hold(p->stream, false);
	stream_again(p->stream);
}

static void on_close(void *arg, int err)
{
	(void)err;
	player_free(arg);
}

static const struct stream_ops stream_ops = {.on_data = on_data, .on_close = on_close};

/* Room for one more: a player that asks for nothing at the moment goes, if need be. */
static struct player *slot(struct gate *g)
{
	struct player *idle = NULL;

	for (int i = 0; i < PLAYERS; i++) {
		struct player *p = &g->player[i];
		if (!p->stream)
			return p;
		if (!p->exchange && !p->emptying && !idle)
			idle = p;
	}
	if (idle)
		player_free(idle);
	return idle;
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	static struct log_limit limit = LOG_LIMIT_INIT;
	struct gate *g = arg;
	struct player *p = slot(g);
	char at[ADDR_STRLEN];

	if (!p) {
		log_limited(&limit, NLOG_WARN, "%s: %d players are served already",
			addr_str(peer, at), PLAYERS);
		close(fd);
		return;
	}
	memset(p, 0, sizeof *p);
	p->gate = g;
	p->stream = stream_new(g->loop, fd, &stream_ops, p, MAX_IN, MAX_OUT);
	p->timer = p->stream ? loop_timer_new(g->loop, on_deadline, p) : NULL;
	if (!p->timer) {
		player_free(p);
		return;
	}
	stream_on_drained(p->stream, on_drained);
	deadline(p, IDLE);
}

/* ---- the process ---- */

static void on_signal(void *arg, int signo)
{
	struct gate *g = arg;

	(void)signo;
	loop_stop(g->loop);
}

static void tell(const struct gate *g)
{
	struct js *o = js_object();
	char at[ADDR_STRLEN];

	addr_str(listener_addr(g->listener), at);
	if (!event_wanted())
		log_msg(NLOG_INFO, "serving %s to players at http://%s/", g->origin, at);
	js_put_str(o, "address", at);
	js_put_str(o, "url", g->opt->url);
	event_emit("listening", loop_now(g->loop), o);
}

static int init(struct gate *g)
{
	char why[256], at[ADDR_STRLEN];
	int err, status = client_resolve(g->opt->url, &g->anycast, why);

	if (status == EX_OK && slice_copy(gate_origin(g->opt->url), g->origin, sizeof g->origin)) {
		snprintf(why, sizeof why, "the host's name is too long");
		status = EX_NOHOST;
	}
	if (status != EX_OK) {
		log_msg(NLOG_ERROR, "%s", why);
		return status;
	}
	g->loop = loop_new();
	if (!g->loop)
		return EX_OSERR;
	g->sig[0] = loop_signal_new(g->loop, SIGINT, on_signal, g);
	g->sig[1] = loop_signal_new(g->loop, SIGTERM, on_signal, g);
	if (!g->sig[0] || !g->sig[1])
		return EX_OSERR;
	g->listener = listener_new(g->loop, &g->opt->gateway_at, PLAYERS, on_accept, g, &err);
	if (!g->listener) {
		log_msg(NLOG_ERROR, "--gateway %s: %s", addr_str(&g->opt->gateway_at, at),
			strerror(-err));
		return EX_UNAVAILABLE;
	}
	tell(g);
	return EX_OK;
}

int webgate_run(const struct options *o)
{
	struct gate *g = calloc(1, sizeof *g);
	int status;

	if (!g)
		return EX_OSERR;
	g->opt = o;
	status = init(g);
	if (status == EX_OK)
		loop_run(g->loop);
	for (int i = 0; i < PLAYERS; i++)
		player_free(&g->player[i]);
	listener_free(g->listener);
	loop_signal_free(g->sig[0]);
	loop_signal_free(g->sig[1]);
	if (g->loop)
		loop_free(g->loop);
	free(g);
	return status;
}
