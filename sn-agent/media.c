/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/media.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/rtp.h"
#include "lib/udp.h"

#define BUFFER  (4 * 1024 * 1024)
#define BATCHES 4  /* of UDP_BATCH packets, before others have their turn */
#define ECHOES  3  /* sent each way, in case that a flood leaves no room for one */
#define MANY    32 /* calls in one turn of the loop, from which on it is not watched meanwhile */

/* A pair of sockets at one address of ours. */
struct media_end {
	struct media *media;
	int rtp, rtcp;
	struct loop_fd *watch_rtp, *watch_rtcp;
	struct addr peer; /* of a tunnel: the only host that is there */
	struct media_end *next;
};

struct media {
	struct loop *loop;
	struct rtsp *rtsp;
	struct relay *relay;
	struct media_end own;    /* at the node's address */
	struct media_end *first; /* of tunnels */
	struct loop_turn *turn;
	int calls; /* of media_udp() for RTP by our own end in this turn */
	struct media_counters count;
	struct log_limit strangers;
	struct addr at[2]; /* RTP, RTCP */
	/* What the sockets say to each other for media_echo(). The first byte cannot be that of
	 * RTP or RTCP, whose version is 2. */
	struct {
		uint8_t zero[8];
		uint64_t nonce;
	} echo;
	bool echoed[2]; /* it came, at RTP, at RTCP */
};

static void stranger(struct media *md, const struct udp_msg *m, bool rtcp)
{
	char text[ADDR_STRLEN];

	*(rtcp ? &md->count.unknown_rtcp : &md->count.unknown_rtp) += 1;
	log_limited(&md->strangers, NLOG_REMOTE, "%s from %s, which has no session here: dropped",
		rtcp ? "RTCP" : "RTP", addr_str(&m->from, text));
}

static void on_rtp(struct media *md, const struct udp_msg *m, ns_t now)
{
	const struct peer *p = sessions_peer(&md->rtsp->sessions, &m->from, false);
	struct session *s;
	int64_t seq;

	if (!p) {
		stranger(md, m, false);
		return;
	}
	s = p->session;
	if (s->state != SESSION_RECORDING)
		return; /* a player that opens its firewall, or a publisher that is early */
	s->active = now;
	if (p->medium < s->channel->media)
		relay_rtp(md->relay, &s->channel->medium[p->medium], m->data, m->len, now, &seq);
}

static void on_rtcp(struct media *md, const struct udp_msg *m, ns_t now)
{
	const struct peer *p = sessions_peer(&md->rtsp->sessions, &m->from, true);
	struct session *s;

	if (!p) {
		stranger(md, m, true);
		return;
	}
	s = p->session;
	if (s->state == SESSION_RECORDING && p->medium < s->channel->media) {
		s->active = now;
		relay_origin_rtcp(md->relay, &s->channel->medium[p->medium], m->data, m->len);
	} else if (s->state == SESSION_PLAYING) {
		if (relay_feedback(md->relay, &s->m[p->medium].rx, m->data, m->len, now) == 0)
			s->active = now;
	}
}

static bool is_echo(struct media *md, const struct udp_msg *m, bool rtcp)
{
	if (m->len != sizeof(md->echo) || memcmp(m->data, &md->echo, sizeof(md->echo)) != 0 ||
		addr_cmp(&m->from, &md->at[!rtcp]) != 0)
		return false;
	md->echoed[rtcp] = true;
	return true;
}

/* What we send to a group comes back to those on this host, us too. */
static bool is_own(const struct media *md, const struct udp_msg *m)
{
	return addr_cmp(&m->from, &md->at[1]) == 0;
}

static void receive(struct media *md, int fd, bool rtcp)
{
	static struct udp_msg msg[UDP_BATCH]; /* scratch: nothing of it outlives the call */
	ns_t now = loop_now(md->loop);

	for (int turn = 0; turn < BATCHES; turn++) {
		int n = udp_recv(fd, msg, UDP_BATCH);

		for (int i = 0; i < n; i++) {
			if (msg[i].truncated)
				md->count.truncated++;
			else if (is_echo(md, &msg[i], rtcp) || is_own(md, &msg[i]))
				continue;
			else if (rtcp)
				on_rtcp(md, &msg[i], now);
			else
				on_rtp(md, &msg[i], now);
		}
		if (n < UDP_BATCH)
			break;
	}
	relay_turn(md->relay, now);
}

static void on_rtp_ready(void *arg, int events)
{
	struct media_end *e = arg;

	(void)events;
	receive(e->media, e->rtp, false);
}

static void on_rtcp_ready(void *arg, int events)
{
	struct media_end *e = arg;

	(void)events;
	receive(e->media, e->rtcp, true);
}

static void close_end(struct media_end *e)
{
	loop_fd_free(e->watch_rtp);
	loop_fd_free(e->watch_rtcp);
	if (e->rtp >= 0)
		close(e->rtp);
	if (e->rtcp >= 0)
		close(e->rtcp);
}

/* 0 with the even port in *port; or negative errno, and nothing is open. */
static int open_end(struct media_end *e, struct media *md, const struct addr *at, uint16_t *port)
{
	int err;

	*e = (struct media_end){.media = md, .rtp = -1, .rtcp = -1};
	err = udp_open_pair(at, BUFFER, BUFFER, &e->rtp, &e->rtcp, port);
	if (err) {
		e->rtp = e->rtcp = -1;
		return err;
	}
	e->watch_rtp = loop_fd_new(md->loop, e->rtp, on_rtp_ready, e);
	e->watch_rtcp = loop_fd_new(md->loop, e->rtcp, on_rtcp_ready, e);
	if (!e->watch_rtp || !e->watch_rtcp) {
		close_end(e);
		e->rtp = e->rtcp = -1;
		e->watch_rtp = e->watch_rtcp = NULL;
		return -ENOMEM;
	}
	loop_fd_want(e->watch_rtp, LOOP_READ);
	loop_fd_want(e->watch_rtcp, LOOP_READ);
	return 0;
}

/* While a socket is watched, the kernel tells its watchers of each packet that leaves it, which costs
 * a node with thousands of clients a tenth of its time. So it is not watched while it sends to
 * many. */
static void on_turn(void *arg)
{
	struct media *md = arg;

	if (md->calls > MANY)
		loop_fd_want(md->own.watch_rtp, LOOP_READ);
	md->calls = 0;
}

struct media *media_new(
	struct loop *l, const struct addr *at, struct rtsp *rtsp, struct relay *relay, int *err)
{
	struct media *md = calloc(1, sizeof(*md));
	uint16_t port; /* `at` has named it */

	if (!md) {
		*err = -ENOMEM;
		return NULL;
	}
	*md = (struct media){.loop = l, .rtsp = rtsp, .relay = relay, .strangers = LOG_LIMIT_INIT};
	*err = open_end(&md->own, md, at, &port);
	if (*err) {
		free(md);
		return NULL;
	}
	md->at[0] = md->at[1] = *at;
	addr_set_port(&md->at[0], port);
	addr_set_port(&md->at[1], port + 1);
	md->turn = loop_turn_new(l, on_turn, md);
	if (!md->turn) {
		*err = -ENOMEM;
		media_free(md);
		return NULL;
	}
	return md;
}

void media_free(struct media *md)
{
	if (!md)
		return;
	while (md->first)
		media_end_free(md->first);
	loop_turn_free(md->turn);
	close_end(&md->own);
	free(md);
}

/* ---- groups ---- */

int media_set_groups(struct media *md, const char *ifname, uint8_t ttl)
{
	int err = udp_set_groups(md->own.rtp, ifname, ttl);

	return err ? err : udp_set_groups(md->own.rtcp, ifname, ttl);
}

/* A group's RTCP port. */
struct media_ear {
	struct media *md;
	int fd;
	struct loop_fd *watch;
};

static void on_ear(void *arg, int events)
{
	struct media_ear *e = arg;

	(void)events;
	receive(e->md, e->fd, true);
}

struct media_ear *media_listen(
	struct media *md, const struct addr *group, const char *ifname, int *err)
{
	struct media_ear *e = calloc(1, sizeof(*e));

	*err = -ENOMEM;
	if (!e)
		return NULL;
	*e = (struct media_ear){.md = md, .fd = udp_open_group(group, ifname)};
	if (e->fd >= 0)
		e->watch = loop_fd_new(md->loop, e->fd, on_ear, e);
	if (!e->watch) {
		*err = e->fd < 0 ? e->fd : -ENOMEM;
		media_ear_free(e);
		return NULL;
	}
	loop_fd_want(e->watch, LOOP_READ);
	return e;
}

void media_ear_free(struct media_ear *e)
{
	if (!e)
		return;
	loop_fd_free(e->watch);
	if (e->fd >= 0)
		close(e->fd);
	free(e);
}

/* ---- tunnels ---- */

struct media_end *media_end_new(
	struct media *md, const struct addr *local, const struct addr *peer, int *err)
{
	struct media_end *e = malloc(sizeof(*e));
	struct addr at = *local;
	uint16_t port;

	*err = -ENOMEM;
	if (!e)
		return NULL;
	addr_set_port(&at, addr_port(&md->at[0]));
	*err = open_end(e, md, &at, &port);
	if (*err) {
		free(e);
		return NULL;
	}
	e->peer = *peer;
	e->next = md->first;
	md->first = e;
	return e;
}

void media_end_free(struct media_end *e)
{
	struct media_end **p;

	if (!e)
		return;
	for (p = &e->media->first; *p != e; p = &(*p)->next)
		;
	*p = e->next;
	close_end(e);
	free(e);
}

static const struct media_end *end_toward(const struct media *md, const struct addr *to)
{
	for (const struct media_end *e = md->first; e; e = e->next)
		if (addr_same_host(&e->peer, to))
			return e;
	return &md->own;
}

int media_udp(struct media *md, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	const struct media_end *e = end_toward(md, to);
	int sent;

	if (!rtcp && e == &md->own && md->calls++ == MANY)
		loop_fd_want(md->own.watch_rtp, 0);
	sent = udp_send_batch(rtcp ? e->rtcp : e->rtp, to, v, n);
	if (sent < n)
		md->count.unsent += (uint64_t)(n - (sent > 0 ? sent : 0));
	return sent;
}

void media_echo(struct media *md, uint64_t nonce)
{
	md->echo.nonce = nonce;
	md->echoed[0] = md->echoed[1] = false;
	for (int i = 0; i < ECHOES; i++) {
		udp_send(md->own.rtp, &md->at[1], &md->echo, sizeof(md->echo));
		udp_send(md->own.rtcp, &md->at[0], &md->echo, sizeof(md->echo));
	}
}

bool media_echoed(const struct media *md)
{
	return md->echoed[0] && md->echoed[1];
}

const struct media_counters *media_counters(const struct media *md)
{
	return &md->count;
}
