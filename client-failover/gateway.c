/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core (serve.c) says which channel is wanted and who gets its packets; here is a failover
 * session for each channel, begun for its first player and ended a little after its last one.
 *
 * Sessions and players report while they are at work. What that leads to (answers to players that
 * waited, memory that is not needed any more) is done at the end of the loop's turn.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "client-failover/gateway_impl.h"
#include "lib/event.h"
#include "lib/udp.h"

#define CHANNELS   64
#define TIMEOUT    (60 * NS_S) /* of a player's session: what RFC 2326, 12.37 has for default */
#define LINGER     (2 * NS_S)  /* of a session without players: they often try another transport */
#define SULK       (1 * NS_S)  /* a channel that was refused is not asked for again */
#define TICK       (250 * NS_MS)
#define STOP       (2 * NS_S) /* for goodbyes, in the end */
#define UDP_BUFFER (1 << 20)
#define SOFTWARE   "nearcast-gateway/" PACKAGE_VERSION

/* ---- a channel's failover session ---- */

static int on_described(void *arg, struct slice text, const struct sdp *sdp, const char **reason)
{
	struct upstream *u = arg;

	(void)sdp;
	if (!u->ch)
		return 0;
	if (serve_described(&u->g->serve, u->ch, text, loop_now(u->g->loop)) < 0) {
		*reason = "its description cannot be passed on";
		return EX_DATAERR;
	}
	u->g->settle = true;
	return 0;
}

/* Whether another node would say the same: it is the request that was refused, or the channel. */
static bool is_final(int status)
{
	return status >= 400 && status < 500 && status != 408 && status != 453 && status != 454 &&
	       status != 482;
}

static void on_refused(void *arg, int status)
{
	struct upstream *u = arg;

	/* Who is to be authorized is the gateway: no player could answer a challenge. */
	u->refused = status == 401 || status == 407 ? 403 : status;
	if (is_final(status))
		client_finish(u->client, EX_UNAVAILABLE, "refused");
}

static void on_clock(void *arg, int media, uint32_t ssrc, const struct rtcp_sr *sr)
{
	struct upstream *u = arg;

	if (u->ch)
		serve_clock(u->ch, media, ssrc, sr->ntp, sr->rtp_ts);
}

static void on_item(void *arg, const struct playout_item *it)
{
	struct upstream *u = arg;

	if (u->ch && it->kind == PLAYOUT_PACKET)
		serve_packet(&u->g->serve, u->ch, it->media, it->data, it->len, it->at,
			loop_now(u->g->loop));
}

static void on_over(void *arg, int status)
{
	struct upstream *u = arg;
	ns_t now = loop_now(u->g->loop);

	if (!u->ch)
		return;
	if (u->ch->state == SERVE_LIVE) {
		serve_ended(u->ch, now);
		players_end(u->ch, now);
		return;
	}
	serve_refused(u->ch,
		u->refused                 ? u->refused
		: status == EX_UNAVAILABLE ? 504
		: status == EX_DATAERR     ? 502
					   : 503,
		now);
	u->g->settle = true;
}

static void on_gone(void *arg)
{
	struct upstream *u = arg;

	u->gone = true;
}

static const struct client_sink sink = {.on_described = on_described,
	.on_refused = on_refused,
	.on_clock = on_clock,
	.on_item = on_item,
	.on_over = on_over,
	.on_gone = on_gone};

/* What a channel's name stands for: that path at the host that we were started for. The root is the
 * path that we were started with. 0 or -ENOSPC. */
static int url_of(const struct gateway *g, const char *name, char out[FAILOVER_URL])
{
	struct slice path = slice_of(name);
	struct sbuf b;
	struct url u;
	bool v6;

	url_parse(&u, slice_of(g->opt->url)); /* options.c has checked it */
	v6 = memchr(u.host.p, ':', u.host.n) != NULL;
	sbuf_init(&b, out, FAILOVER_URL);
	sbuf_printf(&b, v6 ? "rtsp://[" SLICE_FMT "]" : "rtsp://" SLICE_FMT, SLICE_ARG(u.host));
	if (u.port)
		sbuf_printf(&b, ":%u", u.port);
	if (strcmp(name, "/") == 0)
		path = (struct slice){u.path.p, strlen(u.path.p)};
	sbuf_slice(&b, path);
	return b.full ? -ENOSPC : 0;
}

void gateway_seek(struct gateway *g, struct serve_channel *ch)
{
	struct client_conf conf = {.loop = g->loop,
		.anycast = g->anycast,
		.user = g->opt->user,
		.password = g->opt->password,
		.buffer = g->opt->buffer,
		.delivery = g->opt->delivery,
		.duration = NS_NEVER,
		.named = true};
	struct upstream *u = calloc(1, sizeof(*u));
	int err;

	if (!u) {
		serve_refused(ch, 503, loop_now(g->loop));
		return;
	}
	*u = (struct upstream){.g = g, .ch = ch};
	if (url_of(g, ch->name, u->url) < 0) {
		free(u);
		serve_refused(ch, 414, loop_now(g->loop));
		return;
	}
	conf.url = u->url;
	u->client = client_new(&conf, &sink, u, &err);
	if (!u->client) {
		log_msg(NLOG_WARN, "%s: %s", u->url, strerror(-err));
		free(u);
		serve_refused(ch, 503, loop_now(g->loop));
		return;
	}
	ch->shell = u;
	TAILQ_INSERT_TAIL(&g->upstreams, u, entry);
	client_start(u->client);
	gateway_rearm(g);
}

static void upstream_free(struct upstream *u)
{
	if (u->ch)
		u->ch->shell = NULL;
	TAILQ_REMOVE(&u->g->upstreams, u, entry);
	client_free(u->client);
	free(u);
}

static void channel_drop(struct gateway *g, struct serve_channel *ch, const char *reason)
{
	struct upstream *u = ch->shell;

	if (u) {
		u->ch = NULL;
		client_finish(u->client, EX_OK, reason);
	}
	serve_channel_free(&g->serve, ch);
}

/* ---- UDP ---- */

static void send_udp(void *arg, bool rtcp, const struct addr *to, const uint8_t *p, size_t n)
{
	struct gateway *g = arg;

	udp_send(
		g->fd[rtcp], to, p, n); /* what the system has no room for is lost, as on any way */
}

static void receive(struct gateway *g, bool rtcp)
{
	static struct udp_msg msg[UDP_BATCH]; /* scratch: nothing of it outlives the call */
	ns_t now = loop_now(g->loop);
	int n = udp_recv(g->fd[rtcp], msg, UDP_BATCH);

	for (int i = 0; i < n && rtcp; i++)
		if (rtp_is_rtcp(msg[i].data, msg[i].len))
			serve_rtcp_from(&g->serve, &msg[i].from, now);
}

static void on_rtp(void *arg, int events)
{
	(void)events;
	receive(arg, false);
}

static void on_rtcp(void *arg, int events)
{
	(void)events;
	receive(arg, true);
}

static int open_udp(struct gateway *g)
{
	struct addr at = *listener_addr(g->listener);
	loop_fd_cb *const cb[2] = {on_rtp, on_rtcp};
	int err;

	addr_set_port(&at, 0);
	err = udp_open_pair(&at, 0, UDP_BUFFER, &g->fd[0], &g->fd[1], &g->serve.conf.rtp_port);
	if (err < 0) {
		g->fd[0] = g->fd[1] = -1;
		return err;
	}
	for (int i = 0; i < 2; i++) {
		g->watch[i] = loop_fd_new(g->loop, g->fd[i], cb[i], g);
		if (!g->watch[i])
			return -ENOMEM;
		loop_fd_want(g->watch[i], LOOP_READ);
	}
	return 0;
}

/* ---- time ---- */

void gateway_rearm(struct gateway *g)
{
	bool any = g->n_players || !TAILQ_EMPTY(&g->serve.channels) || g->stopping;

	if (any && !g->ticking)
		loop_timer_at(g->timer, loop_now(g->loop) + TICK);
	g->ticking |= any;
}

static void on_timer(void *arg)
{
	struct gateway *g = arg;
	ns_t now = loop_now(g->loop);
	struct serve_channel *ch;

	g->ticking = false;
	players_tick(g, now);
	while ((ch = serve_useless(&g->serve, now)))
		channel_drop(g, ch, "no player");
	if (g->stopping && now >= g->stop_at)
		loop_stop(g->loop);
	gateway_rearm(g);
}

static void on_turn(void *arg)
{
	struct gateway *g = arg;
	struct upstream *u, *next;

	while (g->settle) {
		g->settle = false;
		players_settle(g);
	}
	players_reap(g);
	for (u = TAILQ_FIRST(&g->upstreams); u; u = next) {
		next = TAILQ_NEXT(u, entry);
		if (u->gone)
			upstream_free(u);
	}
	if (g->stopping && !g->n_players && TAILQ_EMPTY(&g->upstreams))
		loop_stop(g->loop);
}

static void on_signal(void *arg, int signo)
{
	struct gateway *g = arg;
	struct upstream *u;

	(void)signo;
	if (g->stopping) { /* twice: at once */
		loop_stop(g->loop);
		return;
	}
	g->stopping = true;
	g->stop_at = loop_now(g->loop) + STOP;
	listener_free(g->listener);
	g->listener = NULL;
	TAILQ_FOREACH(u, &g->upstreams, entry) client_finish(u->client, EX_OK, "terminated");
	players_stop(g);
	gateway_rearm(g);
}

/* ---- the process ---- */

static uint64_t random64(void)
{
	uint64_t v = 0;

	if (getrandom(&v, sizeof(v), 0) != sizeof(v))
		log_msg(NLOG_BUG, "getrandom: %s", strerror(errno));
	return v;
}

static void announce(const struct gateway *g)
{
	char at[ADDR_STRLEN];
	struct js *o = js_object();

	addr_str(listener_addr(g->listener), at);
	if (!event_wanted())
		log_msg(NLOG_INFO, "serving %s to players at rtsp://%s/", g->opt->url, at);
	js_put_str(o, "url", g->opt->url);
	js_put_str(o, "address", at);
	event_emit("listening", loop_now(g->loop), o);
}

static int init(struct gateway *g)
{
	static const struct serve_io io = {.udp = send_udp, .frame = players_frame};
	struct serve_conf conf = {.software = SOFTWARE,
		.timeout = TIMEOUT,
		.linger = LINGER,
		.sulk = SULK,
		.max_channels = CHANNELS};
	char why[256], at[ADDR_STRLEN];
	int err = client_resolve(g->opt->url, &g->anycast, why);

	if (err) {
		log_msg(NLOG_ERROR, "%s", why);
		return err;
	}
	g->loop = loop_new();
	if (!g->loop)
		return EX_OSERR;
	g->timer = loop_timer_new(g->loop, on_timer, g);
	g->turn = loop_turn_new(g->loop, on_turn, g);
	g->sig[0] = loop_signal_new(g->loop, SIGINT, on_signal, g);
	g->sig[1] = loop_signal_new(g->loop, SIGTERM, on_signal, g);
	if (!g->timer || !g->turn || !g->sig[0] || !g->sig[1])
		return EX_OSERR;
	g->listener = listener_new(g->loop, &g->opt->gateway_at, 64, players_accept, g, &err);
	if (g->listener) {
		conf.addr = *listener_addr(g->listener);
		serve_init(&g->serve, &conf, &io, g, random64);
		err = open_udp(g);
	}
	if (err < 0) {
		log_msg(NLOG_ERROR, "--gateway %s: %s", addr_str(&g->opt->gateway_at, at),
			strerror(-err));
		return EX_UNAVAILABLE;
	}
	announce(g);
	return EX_OK;
}

static void fini(struct gateway *g)
{
	struct serve_channel *ch;

	players_free(g);
	while (!TAILQ_EMPTY(&g->upstreams))
		upstream_free(TAILQ_FIRST(&g->upstreams));
	while ((ch = TAILQ_FIRST(&g->serve.channels)))
		serve_channel_free(&g->serve, ch);
	listener_free(g->listener);
	for (int i = 0; i < 2; i++) {
		loop_fd_free(g->watch[i]);
		if (g->fd[i] >= 0)
			close(g->fd[i]);
		loop_signal_free(g->sig[i]);
	}
	loop_turn_free(g->turn);
	loop_timer_free(g->timer);
	if (g->loop)
		loop_free(g->loop);
}

int gateway_run(const struct options *o)
{
	struct gateway *g = calloc(1, sizeof(*g));
	int status;

	if (!g)
		return EX_OSERR;
	*g = (struct gateway){
		.opt = o, .fd = {-1, -1}, .bad = LOG_LIMIT_INIT, .full = LOG_LIMIT_INIT};
	TAILQ_INIT(&g->upstreams);
	TAILQ_INIT(&g->players);
	TAILQ_INIT(&g->dead);
	TAILQ_INIT(&g->serve.channels);
	status = init(g);
	if (status == EX_OK)
		loop_run(g->loop);
	fini(g);
	free(g);
	return status;
}
