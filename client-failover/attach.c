/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets of one attachment. They are opened before the node has told its ports, and connected
 * when it has; what overtakes the answer is accepted if it comes from the node's host.
 *
 * Linux tells a UDP socket of "host unreachable" only if it asks for it (IP_RECVERR), and then
 * keeps the error's packet in a queue that has to be emptied.
 */
#include "client-failover/attach.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/rtp.h"
#include "lib/stream.h"
#include "lib/udp.h"

#define MAX_OUT  65536
#define LINGER   (500 * NS_MS) /* for TEARDOWN to be taken */
#define AGENT    "nearcast-client"
#define RTCP_MAX 1200

struct channel {
	struct attach *a;
	struct port {
		struct channel *ch;
		int fd;
		struct loop_fd *watch;
	} rtp, rtcp;
	uint16_t port;
	struct addr source, source_rtcp;
	bool connected, bye;
};

struct attach {
	struct attach_conf conf;
	int id;
	bool ask, dead, playing, leaving, failed, ended;
	int busy;
	struct rtspc *core;
	struct stream *stream;
	ns_t began, rtt; /* of the handshake; rtt 0: it is not over */
	ns_t patience;   /* with this handshake; 0: without end */
	struct addr at;
	struct slice sdp; /* given */
	char *sdp_copy;
	int medias;
	struct channel ch[SDP_MAX_MEDIA];
};

/* All attachments of a process take turns with one set of buffers. */
static struct udp_msg batch[UDP_BATCH];

static void port_close(struct port *p)
{
	loop_fd_free(p->watch);
	p->watch = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void ports_close(struct attach *a)
{
	for (int i = 0; i < SDP_MAX_MEDIA; i++) {
		port_close(&a->ch[i].rtp);
		port_close(&a->ch[i].rtcp);
	}
}

static void enter(struct attach *a)
{
	a->busy++;
}

static void leave(struct attach *a)
{
	if (--a->busy > 0 || !a->dead)
		return;
	rtspc_free(a->core);
	free(a->sdp_copy);
	free(a);
}

/* Ends all it does; its memory goes with the last leave(). */
static void retire(struct attach *a)
{
	if (a->dead)
		return;
	a->dead = true;
	ports_close(a);
	stream_free(a->stream);
	a->stream = NULL;
}

void attach_free(struct attach *a)
{
	if (!a || a->dead)
		return;
	enter(a);
	retire(a);
	leave(a);
}

static void fail(struct attach *a, int status, int retry_after, const char *why)
{
	if (a->dead || a->leaving || a->failed)
		return;
	a->failed = true;
	a->conf.ops->on_failed(a->conf.ctx, a->id, status, retry_after, why);
}

/* ---- media ---- */

static void bye(struct attach *a, int media)
{
	struct rtspc_event ev = {.medias = a->medias};

	a->ch[media].bye = true;
	for (int i = 0; i < a->medias; i++)
		if (!a->ch[i].bye)
			return;
	for (int i = 0; i < a->medias; i++)
		ev.media[i].last = -1;
	if (a->ended)
		return;
	a->ended = true;
	a->conf.ops->on_ended(a->conf.ctx, a->id, &ev);
}

/* A plain server ends with BYE; a nearcast node says it on the control connection. */
static void rtcp_in(struct attach *a, int media, const uint8_t *p, size_t n)
{
	struct rtcp r;
	size_t at = 0;

	while (!a->dead && rtcp_next(&r, p, n, &at) > 0)
		if (r.type == RTCP_BYE && !rtspc_peer_is_nearcast(a->core))
			bye(a, media);
}

static int error_of(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		struct sock_extended_err e;
		bool ours = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
		if (!ours)
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof e);
		if (e.ee_origin == SO_EE_ORIGIN_ICMP || e.ee_origin == SO_EE_ORIGIN_ICMP6 ||
			e.ee_origin == SO_EE_ORIGIN_LOCAL)
			return -(int)e.ee_errno;
	}
	return 0;
}

/* Takes the queue of ICMP errors empty; the last of them, or 0. */
static int errors_drain(int fd)
{
	char byte, control[512];
	struct iovec v = {&byte, 1};
	int err = 0;

	for (int i = 0; i < 64; i++) {
		struct msghdr h = {.msg_iov = &v,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof control};
		if (recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			break;
		int e = error_of(&h);
		err = e ? e : err;
	}
	return err;
}

static void icmp(struct attach *a, int err)
{
	if (a->playing && !a->leaving &&
		(err == -ECONNREFUSED || err == -EHOSTUNREACH || err == -ENETUNREACH ||
			err == -EHOSTDOWN))
		a->conf.ops->on_icmp(a->conf.ctx, a->id, err);
}

static void port_drain(struct attach *a, int media, bool rtcp)
{
	struct channel *ch = &a->ch[media];
	struct port *p = rtcp ? &ch->rtcp : &ch->rtp;

	for (int errors = 0; !a->dead && p->fd >= 0 && errors < 4;) {
		int n = udp_recv(p->fd, batch, UDP_BATCH);
		if (n < 0) {
			icmp(a, n);
			errors++;
			continue;
		}
		ns_t now = loop_now(a->conf.loop);
		for (int i = 0; i < n && !a->dead; i++) {
			struct udp_msg *m = &batch[i];
			if (m->truncated || !addr_same_host(&m->from, &ch->source))
				continue;
			if (rtp_is_rtcp(m->data, m->len))
				rtcp_in(a, media, m->data, m->len);
			else if (!rtcp)
				a->conf.ops->on_rtp(
					a->conf.ctx, a->id, media, m->data, m->len, now);
		}
		if (n < UDP_BATCH)
			return;
	}
}

void attach_drain(struct attach *a)
{
	enter(a);
	for (int i = 0; i < a->medias && !a->dead && !a->leaving; i++) {
		port_drain(a, i, false);
		if (!a->dead)
			port_drain(a, i, true);
	}
	leave(a);
}

static void on_port(void *arg, int events)
{
	struct port *p = arg;
	struct attach *a = p->ch->a;

	(void)events;
	enter(a);
	int err = errors_drain(p->fd);
	if (err)
		icmp(a, err);
	port_drain(a, (int)(p->ch - a->ch), p == &p->ch->rtcp);
	a->conf.ops->on_done(a->conf.ctx);
	leave(a);
}

static int port_open(struct attach *a, struct channel *ch, struct port *p, int fd)
{
	int one = 1;

	p->ch = ch;
	p->fd = fd;
	if (a->at.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one);
	else
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
	p->watch = loop_fd_new(a->conf.loop, fd, on_port, p);
	return p->watch ? loop_fd_want(p->watch, LOOP_READ) : -ENOMEM;
}

/* A pair of ports on the address that the control connection leaves from. */
static int channel_open(struct attach *a, int i)
{
	struct channel *ch = &a->ch[i];
	struct addr local = *stream_local(a->stream);
	int rtp, rtcp, err, err2;

	ch->a = a;
	ch->source = ch->source_rtcp = a->at;
	addr_set_port(&local, 0);
	addr_set_port(&ch->source, 0);
	addr_set_port(&ch->source_rtcp, 0);
	err = udp_open_pair(&local, a->conf.rcvbuf, 0, &rtp, &rtcp, &ch->port);
	if (err < 0)
		return err;
	err = port_open(a, ch, &ch->rtp, rtp);
	err2 = port_open(a, ch, &ch->rtcp, rtcp);
	return err < 0 ? err : err2;
}

/* Where the node sends from is known: from now on the kernel keeps others out. Only the ports are
 * taken from what it says: `source` could be anybody, who would then get our reports and NACKs. */
static void channel_connect(struct attach *a, int i, const struct rtspc_media_info *m)
{
	struct channel *ch = &a->ch[i];
	const struct addr *told[2] = {&m->rtp, &m->rtcp};
	struct addr *to[2] = {&ch->source, &ch->source_rtcp};
	int fd[2] = {ch->rtp.fd, ch->rtcp.fd};

	for (int k = 0; k < 2; k++) {
		*to[k] = a->at;
		addr_set_port(to[k], ntohs(told[k]->in.sin_port)); /* of either family, or none */
		if (addr_port(to[k]) && connect(fd[k], &to[k]->sa, addr_len(to[k])) < 0)
			icmp(a, -errno);
		else
			ch->connected = addr_port(to[k]) != 0;
	}
}

/* ---- the control connection ---- */

static void setup(struct attach *a, int medias)
{
	struct rtspc_media_conf conf[SDP_MAX_MEDIA];

	a->medias = medias;
	for (int i = 0; i < medias; i++) {
		int err = channel_open(a, i);
		if (err < 0) {
			fail(a, 0, -1, strerror(-err));
			return;
		}
		conf[i] = (struct rtspc_media_conf){
			.client_port = a->ch[i].port, .from = a->conf.ops->from(a->conf.ctx, i)};
	}
	rtspc_setup(a->core, conf, medias, loop_now(a->conf.loop));
}

static void playing(struct attach *a, const struct rtspc_event *ev)
{
	a->playing = true;
	for (int i = 0; i < ev->medias; i++)
		channel_connect(a, i, &ev->media[i]);
	if (!a->dead)
		a->conf.ops->on_playing(a->conf.ctx, a->id, ev, rtspc_peer_is_nearcast(a->core));
}

static void described(struct attach *a, const struct rtspc_event *ev)
{
	if (a->conf.ops->on_described(a->conf.ctx, a->id, rtspc_sdp_text(a->core), ev->sdp) &&
		!a->dead && !a->ask)
		setup(a, ev->sdp->medias);
}

static void handle(struct attach *a, const struct rtspc_event *ev)
{
	char why[256];

	switch (ev->kind) {
	case RTSPC_SEND:
		if (a->stream)
			stream_write(a->stream, ev->data.p, ev->data.n);
		return;
	case RTSPC_REDIRECT: a->conf.ops->on_redirect(a->conf.ctx, a->id, ev->data); return;
	case RTSPC_DESCRIBED: described(a, ev); return;
	case RTSPC_PLAYING: playing(a, ev); return;
	case RTSPC_ENDED:
		a->ended = true;
		a->conf.ops->on_ended(a->conf.ctx, a->id, ev);
		return;
	case RTSPC_FAILED:
		snprintf(why, sizeof why, SLICE_FMT, SLICE_ARG(ev->data));
		fail(a, ev->status, ev->retry_after, why);
		return;
	case RTSPC_FRAME: /* we never ask for interleaved media */
	case RTSPC_CLOSED:
	case RTSPC_NONE: return;
	}
}

static void pump(struct attach *a)
{
	struct rtspc_event ev;

	while (!a->dead && !a->leaving && rtspc_next(a->core, &ev) != RTSPC_NONE)
		handle(a, &ev);
}

static void on_open(void *arg)
{
	struct attach *a = arg;

	enter(a);
	a->rtt = loop_now(a->conf.loop) - a->began;
	rtspc_start(a->core, loop_now(a->conf.loop));
	if (!a->ask && a->sdp.n) {
		struct sdp s;
		if (sdp_parse(&s, a->sdp) == 0)
			setup(a, s.medias);
	}
	pump(a);
	a->conf.ops->on_done(a->conf.ctx);
	leave(a);
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct attach *a = arg;
	size_t used;

	enter(a);
	used = a->leaving ? n : rtspc_input(a->core, p, n, loop_now(a->conf.loop));
	pump(a);
	if (!a->leaving)
		a->conf.ops->on_done(a->conf.ctx);
	leave(a);
	return used;
}

static void on_close(void *arg, int err)
{
	struct attach *a = arg;
	bool byes = false;

	enter(a);
	stream_free(a->stream);
	a->stream = NULL;
	if (a->leaving) {
		a->conf.ops->on_gone(a->conf.ctx, a);
		retire(a);
	} else {
		for (int i = 0; i < a->medias; i++)
			byes |= a->ch[i].bye;
		for (int i = 0; i < a->medias && byes && !a->dead; i++)
			bye(a, i); /* one medium said goodbye and then all was over */
		fail(a, 0, -1, err ? strerror(-err) : "the node closed the connection");
		a->conf.ops->on_done(a->conf.ctx);
	}
	leave(a);
}

static const struct stream_ops stream_ops = {
	.on_open = on_open, .on_data = on_data, .on_close = on_close};

static int dial(struct attach *a)
{
	int err = 0;

	a->began = loop_now(a->conf.loop);
	a->stream = stream_connect(
		a->conf.loop, &a->at, NULL, &stream_ops, a, RTSPC_MAX_IN, MAX_OUT, &err);
	return a->stream ? 0 : err;
}

static ns_t redial_at(const struct attach *a)
{
	return a->stream && !a->rtt && a->patience ? a->began + a->patience : NS_NEVER;
}

static void redial(struct attach *a)
{
	int err;

	a->patience *= 2;
	stream_free(a->stream);
	err = dial(a);
	if (err)
		fail(a, 0, -1, strerror(-err));
}

static struct attach *start(const struct attach_conf *c, int id, const struct addr *at,
	const char *url, const char *avoid, struct slice sdp, bool ask, int *err)
{
	struct attach *a = calloc(1, sizeof *a);

	*err = -ENOMEM;
	if (!a)
		return NULL;
	*a = (struct attach){.conf = *c, .id = id, .ask = ask, .at = *at};
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		a->ch[i].rtp.fd = a->ch[i].rtcp.fd = -1;
	a->patience = ask ? 0 : c->handshake;
	if (sdp.n) {
		a->sdp_copy = strndup(sdp.p, sdp.n);
		if (!a->sdp_copy)
			goto bad;
		a->sdp = (struct slice){a->sdp_copy, sdp.n};
	}
	a->core = rtspc_new(url, avoid, AGENT, a->sdp);
	if (!a->core) {
		*err = -EINVAL;
		goto bad;
	}
	*err = dial(a);
	if (*err == 0)
		return a;
bad:
	rtspc_free(a->core);
	free(a->sdp_copy);
	free(a);
	return NULL;
}

struct attach *attach_ask(const struct attach_conf *c, int id, const struct addr *at,
	const char *url, const char *avoid, int *err)
{
	return start(c, id, at, url, avoid, (struct slice){0}, true, err);
}

struct attach *attach_new(const struct attach_conf *c, int id, const struct addr *at,
	const char *url, struct slice sdp, int *err)
{
	return start(c, id, at, url, NULL, sdp, false, err);
}

bool attach_release(struct attach *a)
{
	struct rtspc_event ev;

	if (!a->stream || a->ask || !a->rtt) {
		attach_free(a);
		return true;
	}
	enter(a);
	a->leaving = true;
	ports_close(a);
	rtspc_teardown(a->core, loop_now(a->conf.loop));
	while (rtspc_next(a->core, &ev) != RTSPC_NONE)
		if (ev.kind == RTSPC_SEND)
			stream_write(a->stream, ev.data.p, ev.data.n);
	stream_finish(a->stream, LINGER);
	leave(a);
	return false;
}

/* ---- what we send ---- */

static void rtcp_send(struct attach *a, int media, const uint8_t *p, size_t n)
{
	struct channel *ch = &a->ch[media];

	if (!ch->connected || ch->rtcp.fd < 0)
		return;
	int err = udp_send(ch->rtcp.fd, NULL, p, n);
	if (err < 0 && err != -EAGAIN)
		icmp(a, err);
}

void attach_send_rr(struct attach *a, int media, const struct playout_report *r)
{
	uint8_t buf[RTCP_MAX];
	size_t len = 0;

	if (!a->playing || a->leaving || media >= a->medias)
		return;
	enter(a);
	if (r)
		rtcp_put_rr_block(buf, sizeof buf, &len, a->conf.ssrc, r->ssrc, r->fraction,
			r->lost, r->highest, r->jitter);
	else
		rtcp_put_rr(buf, sizeof buf, &len, a->conf.ssrc);
	rtcp_put_sdes_cname(buf, sizeof buf, &len, a->conf.ssrc, a->conf.cname);
	rtcp_send(a, media, buf, len);
	leave(a);
}

void attach_send_nack(struct attach *a, int media, uint32_t media_ssrc, const uint16_t *seq, int n)
{
	uint8_t buf[RTCP_MAX];

	if (!a->playing || a->leaving || media >= a->medias)
		return;
	enter(a);
	while (n > 0 && !a->dead) {
		size_t len = 0;
		rtcp_put_rr(buf, sizeof buf, &len, a->conf.ssrc);
		rtcp_put_sdes_cname(buf, sizeof buf, &len, a->conf.ssrc, a->conf.cname);
		int k = rtcp_put_nack(buf, sizeof buf, &len, a->conf.ssrc, media_ssrc, seq, n);
		if (k <= 0)
			break;
		rtcp_send(a, media, buf, len);
		seq += k;
		n -= k;
	}
	leave(a);
}

void attach_probe(struct attach *a, ns_t now)
{
	enter(a);
	rtspc_probe(a->core, now);
	pump(a);
	leave(a);
}

ns_t attach_when(const struct attach *a)
{
	ns_t alive = rtspc_when(a->core), dial = redial_at(a);

	return a->leaving ? NS_NEVER : alive < dial ? alive : dial;
}

void attach_tick(struct attach *a, ns_t now)
{
	enter(a);
	if (!a->leaving) {
		rtspc_tick(a->core, now);
		pump(a);
	}
	if (!a->dead && !a->leaving && now >= redial_at(a))
		redial(a);
	leave(a);
}

/* ---- what it is ---- */

bool attach_playing(const struct attach *a)
{
	return a->playing && !a->leaving;
}

ns_t attach_rtt(const struct attach *a)
{
	return a->rtt;
}

const struct addr *attach_source(const struct attach *a, int media)
{
	return &a->ch[media].source;
}
