/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/peers.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "arn/peer.h"
#include "lib/log.h"
#include "lib/stream.h"

#define GREETING_MAX (NS_S)        /* for connecting and being greeted */
#define RETRY_MIN    (500 * NS_MS) /* doubled up to the other after each failure */
#define RETRY_MAX    (8 * NS_S)
#define PROVEN       NS_S /* up for so long, its end means something */
#define RELISTEN     NS_S
#define PENDING_MAX  8 /* guests that have not greeted */
#define GUESTS_MAX   (ELECTION_MAX + PENDING_MAX)
#define BACKLOG      128 /* a flood of strangers shall not keep those out who ask if we live */

/* A host that vanishes says nothing: its connections are given up after about 4 s. */
#define KEEPALIVE_S      1
#define KEEPALIVE_PROBES 3
#define USER_TIMEOUT_MS  3000

enum state { IDLE, CONNECTING, GREETED, UP };

/* A connection that we make. */
struct link {
	struct peers *peers;
	enum state state;
	bool asking; /* it was up and ended: is the other one dead? */
	char id[ANNOUNCE_ID_LEN];
	struct addr addr; /* with port */
	struct stream *stream;
	struct loop_timer *timer;
	uint8_t nonce[PEER_NONCE];
	ns_t up_since, retry;
};

/* One that somebody made to us. */
struct guest {
	struct peers *peers;
	struct stream *stream;
	struct loop_timer *timer;
	char id[ANNOUNCE_ID_LEN]; /* "": has not greeted */
	uint64_t number;          /* the oldest has the lowest */
};

struct peers {
	struct loop *loop;
	struct peers_conf conf;
	struct wire_sender sender;
	struct wire_receiver *hellos, *welcomes; /* each in its own order */
	struct listener *listener;
	struct addr own; /* AF_UNSPEC: none */
	struct loop_timer *relisten;
	bool complained; /* about the listener */
	struct link *link[ELECTION_MAX];
	struct guest *guest[GUESTS_MAX];
	uint64_t guests; /* so far */
	struct peers_counters count;
	struct log_limit log;
};

static bool known(const struct peers *p, const char *id)
{
	const struct election *e = p->conf.election;

	for (int i = 0; i < e->n; i++)
		if (!strcmp(e->peer[i].said.id, id))
			return true;
	return false;
}

static bool known_host(const struct peers *p, const struct addr *host)
{
	const struct election *e = p->conf.election;

	for (int i = 0; i < e->n; i++)
		if (addr_same_host(&e->peer[i].said.addr, host))
			return true;
	return false;
}

/* A link-local address means something only together with the interface. */
static void put_scope(const struct peers *p, struct addr *a)
{
	if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr))
		a->in6.sin6_scope_id = if_nametoindex(p->conf.interface);
}

static void watch_for_life(int fd)
{
	static const struct {
		int level, name, value;
	} option[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_S},
		{IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
	};

	for (size_t i = 0; i < sizeof(option) / sizeof(option[0]); i++)
		setsockopt(fd, option[i].level, option[i].name, &option[i].value,
			sizeof(option[i].value));
}

static int greet(struct peers *p, struct stream *s, enum wire_type type, const char *to,
	const uint8_t nonce[PEER_NONCE])
{
	struct peer_greeting g;
	uint8_t frame[PEER_FRAME_MAX];
	int n;

	snprintf(g.id, sizeof(g.id), "%s", p->conf.name);
	snprintf(g.to, sizeof(g.to), "%s", to);
	memcpy(g.nonce, nonce, PEER_NONCE);
	n = peer_seal(&p->sender, type, &g, clock_wall(), frame);
	return n < 0 ? n : stream_write(s, frame, (size_t)n);
}

static void refuse(struct peers *p, const struct stream *s, const char *why)
{
	char text[ADDR_STRLEN];

	p->count.refused++;
	log_limited(&p->log, NLOG_REMOTE, "%s: greeting over TCP refused: %s",
		addr_str(stream_peer(s), text), why);
}

/* ---- connections that we make ---- */

static void link_free(struct link *l)
{
	if (!l)
		return;
	stream_free(l->stream);
	loop_timer_free(l->timer);
	free(l);
}

static void link_drop(struct link *l)
{
	stream_free(l->stream);
	l->stream = NULL;
	l->state = IDLE;
}

/* Tries again, not at once. */
static void link_rest(struct link *l)
{
	link_drop(l);
	l->asking = false;
	loop_timer_at(l->timer, loop_now(l->peers->loop) + l->retry);
	l->retry = 2 * l->retry < RETRY_MAX ? 2 * l->retry : RETRY_MAX;
}

static void on_link_open(void *arg)
{
	struct link *l = arg;
	struct peers *p = l->peers;

	l->state = GREETED;
	if (getrandom(l->nonce, sizeof(l->nonce), 0) != sizeof(l->nonce) ||
		greet(p, l->stream, WIRE_HELLO, l->id, l->nonce) < 0)
		link_rest(l);
}

static void link_is_up(struct link *l)
{
	struct peers *p = l->peers;

	if (l->asking)
		p->count.resets++;
	log_msg(l->asking ? NLOG_WARN : NLOG_INFO, "connected to %s%s", l->id,
		l->asking ? " again: something closed the connection, not its end" : "");
	p->count.connected++;
	l->asking = false;
	l->state = UP;
	l->up_since = loop_now(p->loop);
	watch_for_life(stream_fd(l->stream));
	loop_timer_at(l->timer, NS_NEVER);
}

static size_t on_link_data(void *arg, const uint8_t *data, size_t n)
{
	struct link *l = arg;
	struct peers *p = l->peers;
	struct peer_greeting g;
	const char *why;
	int used;

	if (l->state == UP) /* of a newer version, perhaps */
		return n;
	used = peer_open(p->welcomes, data, n, clock_wall(), &g, &why);
	if (used > 0 && (strcmp(g.id, l->id) || strcmp(g.to, p->conf.name) ||
				memcmp(g.nonce, l->nonce, PEER_NONCE)))
		why = "of another connection";
	if (why) {
		refuse(p, l->stream, why);
		link_rest(l);
		return 0;
	}
	if (used > 0)
		link_is_up(l);
	return (size_t)used;
}

static void link_start(struct link *l);

/* Whether a connection ended as those of a dead process do. */
static bool is_an_end(int err)
{
	return err == 0 || err == -ECONNRESET || err == -ECONNREFUSED || err == -EPIPE;
}

static void on_link_close(void *arg, int err)
{
	struct link *l = arg;
	struct peers *p = l->peers;
	ns_t now = loop_now(p->loop);

	if (l->state == UP && is_an_end(err) && now - l->up_since >= PROVEN) {
		link_drop(l);
		l->asking = true;
		l->retry = RETRY_MIN;
		return link_start(l);
	}
	if (l->asking && is_an_end(err)) {
		p->count.lost++;
		log_msg(NLOG_WARN, "%s is dead: its host closed our connection and refuses another",
			l->id);
		link_rest(l);
		return p->conf.lost(p->conf.arg, l->id);
	}
	link_rest(l);
}

static void link_start(struct link *l)
{
	static const struct stream_ops ops = {on_link_open, on_link_data, on_link_close};
	struct peers *p = l->peers;
	struct addr source = p->own;
	int err;

	addr_set_port(&source, 0);
	l->state = CONNECTING;
	loop_timer_at(l->timer, loop_now(p->loop) + GREETING_MAX);
	l->stream = stream_connect(
		p->loop, &l->addr, &source, &ops, l, 2 * PEER_FRAME_MAX, 2 * PEER_FRAME_MAX, &err);
	if (!l->stream)
		link_rest(l);
}

static void on_link_timer(void *arg)
{
	struct link *l = arg;
	struct peers *p = l->peers;

	if (l->state != IDLE)
		return link_rest(l);
	if (known(p, l->id) && p->own.sa.sa_family == l->addr.sa.sa_family)
		return link_start(l);
	for (int i = 0; i < ELECTION_MAX; i++)
		if (p->link[i] == l)
			p->link[i] = NULL;
	link_free(l);
}

static struct link *link_new(struct peers *p, const char *id)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->peers = p;
	l->retry = RETRY_MIN;
	snprintf(l->id, sizeof(l->id), "%s", id);
	l->timer = loop_timer_new(p->loop, on_link_timer, l);
	if (!l->timer) {
		free(l);
		return NULL;
	}
	return l;
}

/* The place of this ARN's link: its own, a free one, or that of one which is not there any more. */
static struct link **link_place(struct peers *p, const char *id)
{
	struct link **place = NULL;

	for (int i = 0; i < ELECTION_MAX; i++)
		if (p->link[i] && !strcmp(p->link[i]->id, id))
			return &p->link[i];
	for (int i = 0; i < ELECTION_MAX && !place; i++)
		if (!p->link[i] || !known(p, p->link[i]->id))
			place = &p->link[i];
	if (place) {
		link_free(*place);
		*place = NULL;
	}
	return place;
}

void peers_heard(struct peers *p, const struct announce *a)
{
	struct addr at = a->addr;
	struct link **place;

	if (!p->conf.port || !a->peer_port || a->addr.sa.sa_family != p->own.sa.sa_family ||
		!known(p, a->id))
		return;
	addr_set_port(&at, a->peer_port);
	put_scope(p, &at);
	place = link_place(p, a->id);
	if (!place)
		return;
	if (*place && addr_cmp(&(*place)->addr, &at) == 0)
		return;
	link_free(*place);
	*place = link_new(p, a->id);
	if (*place) {
		(*place)->addr = at;
		link_start(*place);
	}
}

/* ---- connections that others make ---- */

static void guest_free(struct guest *g)
{
	struct peers *p;

	if (!g)
		return;
	p = g->peers;
	for (int i = 0; i < GUESTS_MAX; i++)
		if (p->guest[i] == g)
			p->guest[i] = NULL;
	stream_free(g->stream);
	loop_timer_free(g->timer);
	free(g);
}

static struct guest *guest_of(const struct peers *p, const char *id)
{
	for (int i = 0; i < GUESTS_MAX; i++)
		if (p->guest[i] && !strcmp(p->guest[i]->id, id))
			return p->guest[i];
	return NULL;
}

static size_t on_guest_data(void *arg, const uint8_t *data, size_t n)
{
	struct guest *guest = arg;
	struct peers *p = guest->peers;
	struct peer_greeting g;
	const char *why;
	int used;

	if (*guest->id)
		return n;
	used = peer_open(p->hellos, data, n, clock_wall(), &g, &why);
	if (used > 0 && strcmp(g.to, p->conf.name))
		why = "to another node";
	if (used > 0 && !why && !known(p, g.id))
		why = "of a node that does not announce itself";
	if (why) {
		refuse(p, guest->stream, why);
		guest_free(guest);
		return 0;
	}
	if (used > 0) {
		guest_free(guest_of(p, g.id)); /* it has lost that one, or will in a moment */
		memcpy(guest->id, g.id, sizeof(guest->id));
		loop_timer_at(guest->timer, NS_NEVER);
		watch_for_life(stream_fd(guest->stream));
		if (greet(p, guest->stream, WIRE_WELCOME, g.id, g.nonce) < 0)
			guest_free(guest);
	}
	return (size_t)used;
}

static void on_guest_close(void *arg, int err)
{
	(void)err;
	guest_free(arg);
}

static void on_guest_timer(void *arg)
{
	struct guest *g = arg;

	refuse(g->peers, g->stream, "none came");
	guest_free(g);
}

/* Room for one more that has not greeted, at the oldest such one's cost; NULL: there is none. */
static struct guest **guest_place(struct peers *p)
{
	struct guest **free_one = NULL, *oldest = NULL;
	int pending = 0;

	for (int i = 0; i < GUESTS_MAX; i++) {
		struct guest *g = p->guest[i];

		if (!g)
			free_one = &p->guest[i];
		else if (!*g->id && ++pending && (!oldest || g->number < oldest->number))
			oldest = g;
	}
	if (pending >= PENDING_MAX) {
		p->count.strangers++;
		guest_free(oldest);
		return guest_place(p);
	}
	return free_one;
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	static const struct stream_ops ops = {NULL, on_guest_data, on_guest_close};
	struct peers *p = arg;
	struct guest **place = known_host(p, peer) ? guest_place(p) : NULL;
	struct guest *g = place ? calloc(1, sizeof(*g)) : NULL;

	if (!g) {
		p->count.strangers++;
		close(fd);
		return;
	}
	*g = (struct guest){.peers = p, .number = ++p->guests};
	g->timer = loop_timer_new(p->loop, on_guest_timer, g);
	g->stream = stream_new(p->loop, fd, &ops, g, 2 * PEER_FRAME_MAX, 2 * PEER_FRAME_MAX);
	if (!g->timer || !g->stream)
		return guest_free(g);
	*place = g;
	loop_timer_at(g->timer, loop_now(p->loop) + GREETING_MAX);
}

/* ---- life ---- */

static void listen_again(void *arg)
{
	struct peers *p = arg;
	struct addr at = p->own;
	char text[ADDR_STRLEN];
	int err;

	addr_set_port(&at, p->conf.port);
	p->listener = listener_new(p->loop, &at, BACKLOG, on_accept, p, &err);
	if (p->listener) {
		p->complained = false;
		return;
	}
	if (!p->complained)
		log_msg(NLOG_WARN,
			"cannot listen to the other ARNs at %s: %s; they will know of the end of "
			"this one by its silence only",
			addr_str(&at, text), strerror(-err));
	p->complained = true;
	loop_timer_at(p->relisten, loop_now(p->loop) + RELISTEN);
}

void peers_listen(struct peers *p, const struct addr *own)
{
	struct addr at = *own;

	put_scope(p, &at);
	if (!p->conf.port || addr_cmp(&at, &p->own) == 0)
		return;
	p->own = at;
	listener_free(p->listener);
	p->listener = NULL;
	loop_timer_at(p->relisten, NS_NEVER);
	for (int i = 0; i < ELECTION_MAX; i++) { /* they are bound to the old address */
		link_free(p->link[i]);
		p->link[i] = NULL;
	}
	if (own->sa.sa_family != AF_UNSPEC)
		listen_again(p);
}

uint16_t peers_port(const struct peers *p)
{
	return p->listener ? p->conf.port : 0;
}

struct peers *peers_new(struct loop *l, const struct peers_conf *c)
{
	struct peers *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct peers){.loop = l, .conf = *c, .log = LOG_LIMIT_INIT};
	wire_sender_init(&p->sender, c->keys, c->name, clock_wall());
	p->hellos = wire_receiver_new(c->keys, c->skew, 2 * ELECTION_MAX);
	p->welcomes = wire_receiver_new(c->keys, c->skew, 2 * ELECTION_MAX);
	p->relisten = loop_timer_new(l, listen_again, p);
	if (!p->hellos || !p->welcomes || !p->relisten) {
		peers_free(p);
		return NULL;
	}
	wire_receiver_take(p->hellos, WIRE_BIT(WIRE_HELLO));
	wire_receiver_take(p->welcomes, WIRE_BIT(WIRE_WELCOME));
	return p;
}

void peers_free(struct peers *p)
{
	if (!p)
		return;
	for (int i = 0; i < ELECTION_MAX; i++)
		link_free(p->link[i]);
	for (int i = 0; i < GUESTS_MAX; i++)
		guest_free(p->guest[i]);
	listener_free(p->listener);
	loop_timer_free(p->relisten);
	wire_receiver_free(p->hellos);
	wire_receiver_free(p->welcomes);
	free(p);
}

bool peers_up(const struct peers *p, const char *id)
{
	for (int i = 0; i < ELECTION_MAX; i++)
		if (p->link[i] && !strcmp(p->link[i]->id, id))
			return p->link[i]->state == UP;
	return false;
}

int peers_count(const struct peers *p)
{
	int n = 0;

	for (int i = 0; i < ELECTION_MAX; i++)
		n += p->link[i] && p->link[i]->state == UP;
	return n;
}

const struct peers_counters *peers_counters(const struct peers *p)
{
	return &p->count;
}
