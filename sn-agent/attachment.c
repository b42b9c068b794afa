/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/attachment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/rtspc.h"
#include "lib/udp.h"

#define RCVBUF  (4 * 1024 * 1024)
#define BATCHES 4 /* of UDP_BATCH packets, before others have their turn */

struct port {
	struct attachment *a;
	int medium;
	int rtp, rtcp; /* sockets, -1 */
	uint16_t number;
	struct loop_fd *watch_rtp, *watch_rtcp;
	struct addr from_rtp, from_rtcp; /* the upstream's; port 0: it did not say */
};

struct attachment {
	const struct attachment_ops *ops;
	void *arg;
	struct loop *loop;
	struct addr node, addr;
	struct link *link;
	struct rtspc *rtspc;
	const struct sdp *sdp; /* of rtspc, once described */
	int medias;            /* of the presentation */
	bool known;            /* the SDP was given */
	bool was_open;         /* its connection was warm */
	bool open, plays, playing;
	ns_t asked, rtt;
	struct port port[SDP_MAX_MEDIA];
	int busy;  /* callbacks that run */
	bool dead; /* freed while one ran */
};

static void handle_events(struct attachment *a);

/* ---- life ---- */

static void destroy(struct attachment *a)
{
	rtspc_free(a->rtspc);
	free(a);
}

static void enter(struct attachment *a)
{
	a->busy++;
}

static void leave(struct attachment *a)
{
	if (--a->busy == 0 && a->dead)
		destroy(a);
}

static void close_ports(struct attachment *a)
{
	for (int i = 0; i < SDP_MAX_MEDIA; i++) {
		struct port *p = &a->port[i];

		loop_fd_free(p->watch_rtp);
		loop_fd_free(p->watch_rtcp);
		p->watch_rtp = p->watch_rtcp = NULL;
		if (p->rtp >= 0)
			close(p->rtp);
		if (p->rtcp >= 0)
			close(p->rtcp);
		p->rtp = p->rtcp = -1;
	}
}

static void send_text(struct attachment *a)
{
	struct rtspc_event ev;

	while (rtspc_next(a->rtspc, &ev) != RTSPC_NONE)
		if (ev.kind == RTSPC_SEND && a->link)
			link_write(a->link, ev.data.p, ev.data.n);
}

void attachment_free(struct attachment *a)
{
	if (!a || a->dead)
		return;
	if (a->open && a->plays && a->link) {
		rtspc_teardown(a->rtspc, loop_now(a->loop));
		send_text(a);
	}
	link_free(a->link);
	a->link = NULL;
	close_ports(a);
	a->dead = true;
	if (a->busy == 0)
		destroy(a);
}

static void fail(struct attachment *a, int status, const char *why)
{
	if (!a->dead)
		a->ops->failed(a->arg, a, status, why);
}

/* ---- packets ---- */

static bool is_from(const struct attachment *a, const struct addr *from, const struct addr *said)
{
	if (addr_port(said))
		return addr_cmp(from, said) == 0;
	return addr_same_host(from, &a->node);
}

static void on_packets(struct port *p, int fd, bool rtcp)
{
	static struct udp_msg msg[UDP_BATCH]; /* scratch: nothing of it outlives the call */
	struct attachment *a = p->a;
	int n, some = 0;

	enter(a);
	for (int turn = 0; turn < BATCHES && !a->dead; turn++) {
		n = udp_recv(fd, msg, UDP_BATCH);
		if (n <= 0)
			break;
		for (int i = 0; i < n && !a->dead; i++) {
			struct udp_msg *m = &msg[i];

			if (m->truncated ||
				!is_from(a, &m->from, rtcp ? &p->from_rtcp : &p->from_rtp))
				continue;
			some++;
			if (rtcp)
				a->ops->rtcp(a->arg, a, p->medium, m->data, m->len);
			else
				a->ops->rtp(a->arg, a, p->medium, m->data, m->len);
		}
		if (n < UDP_BATCH)
			break;
	}
	if (some && !a->dead)
		a->ops->batch(a->arg, a);
	leave(a);
}

static void on_rtp_ready(void *arg, int events)
{
	struct port *p = arg;

	(void)events;
	on_packets(p, p->rtp, false);
}

static void on_rtcp_ready(void *arg, int events)
{
	struct port *p = arg;

	(void)events;
	on_packets(p, p->rtcp, true);
}

static int open_port(struct attachment *a, int i)
{
	struct port *p = &a->port[i];
	int err = udp_open_pair(&a->addr, RCVBUF, 0, &p->rtp, &p->rtcp, &p->number);

	if (err) {
		p->rtp = p->rtcp = -1;
		return err;
	}
	p->a = a;
	p->medium = i;
	p->watch_rtp = loop_fd_new(a->loop, p->rtp, on_rtp_ready, p);
	p->watch_rtcp = loop_fd_new(a->loop, p->rtcp, on_rtcp_ready, p);
	if (!p->watch_rtp || !p->watch_rtcp)
		return -1;
	loop_fd_want(p->watch_rtp, LOOP_READ);
	loop_fd_want(p->watch_rtcp, LOOP_READ);
	return 0;
}

void attachment_rtcp(struct attachment *a, int medium, const uint8_t *p, size_t n)
{
	const struct port *port = &a->port[medium];

	if (a->playing && port->rtcp >= 0 && addr_port(&port->from_rtcp))
		udp_send(port->rtcp, &port->from_rtcp, p, n);
}

/* ---- RTSP ---- */

/* Opens the ports and asks for all media. 0 or -1. */
static int set_up(struct attachment *a)
{
	struct rtspc_media_conf conf[SDP_MAX_MEDIA];

	for (int i = 0; i < a->medias; i++) {
		if (open_port(a, i))
			return -1;
		conf[i].client_port = a->port[i].number;
		conf[i].from = a->ops->from(a->arg, i);
	}
	a->plays = true;
	a->asked = loop_now(a->loop);
	return rtspc_setup(a->rtspc, conf, a->medias, a->asked);
}

void attachment_play(struct attachment *a)
{
	if (a->plays || a->dead)
		return;
	enter(a);
	if (set_up(a))
		fail(a, 0, "no UDP ports for its media");
	else
		handle_events(a);
	leave(a);
}

static void note_ports(struct attachment *a, const struct rtspc_event *ev)
{
	for (int i = 0; i < ev->medias && i < a->medias; i++) {
		a->port[i].from_rtp = ev->media[i].rtp;
		a->port[i].from_rtcp = ev->media[i].rtcp;
	}
	a->playing = true;
	a->rtt = loop_now(a->loop) - a->asked;
}

static void tell_end(struct attachment *a, const struct rtspc_event *ev)
{
	int64_t last[SDP_MAX_MEDIA];

	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		last[i] = i < ev->medias ? ev->media[i].last : -1;
	a->ops->ended(a->arg, a, last);
}

static void handle_event(struct attachment *a, const struct rtspc_event *ev)
{
	char why[160];

	switch (ev->kind) {
	case RTSPC_SEND:
		if (a->link && link_write(a->link, ev->data.p, ev->data.n))
			fail(a, 0, "its connection takes no more");
		break;
	case RTSPC_DESCRIBED:
		a->medias = ev->sdp->medias;
		a->ops->described(a->arg, a, rtspc_sdp_text(a->rtspc));
		break;
	case RTSPC_PLAYING:
		note_ports(a, ev);
		a->ops->playing(a->arg, a);
		break;
	case RTSPC_ENDED: tell_end(a, ev); break;
	case RTSPC_FAILED:
		snprintf(why, sizeof(why), "%d " SLICE_FMT, ev->status, SLICE_ARG(ev->data));
		fail(a, ev->status, why);
		break;
	case RTSPC_REDIRECT: fail(a, 503, "it redirects, an upstream should not"); break;
	case RTSPC_CLOSED: fail(a, 0, "closed"); break;
	case RTSPC_PATH: a->ops->path(a->arg, a, ev->data); break;
	case RTSPC_FRAME:
	case RTSPC_GROUP: /* between nodes it goes by unicast */
	case RTSPC_NONE: break;
	}
}

static void handle_events(struct attachment *a)
{
	struct rtspc_event ev;

	while (!a->dead && rtspc_next(a->rtspc, &ev) != RTSPC_NONE)
		handle_event(a, &ev);
}

static void begin(struct attachment *a)
{
	ns_t now = loop_now(a->loop);

	a->open = true;
	a->asked = now;
	if (a->known) {
		if (set_up(a)) {
			fail(a, 0, "no UDP ports for its media");
			return;
		}
	} else {
		rtspc_start(a->rtspc, now);
	}
	handle_events(a);
}

static void on_open(void *arg)
{
	struct attachment *a = arg;

	enter(a);
	begin(a);
	leave(a);
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct attachment *a = arg;
	size_t used = 0, step;

	enter(a);
	while (!a->dead && used < n) {
		step = rtspc_input(a->rtspc, p + used, n - used, loop_now(a->loop));
		handle_events(a);
		if (step == 0)
			break;
		used += step;
	}
	leave(a);
	return used;
}

static void on_close(void *arg, int err)
{
	struct attachment *a = arg;
	char why[160];

	enter(a);
	link_free(a->link);
	a->link = NULL;
	snprintf(why, sizeof(why), "connection %s", err ? strerror(-err) : "closed");
	fail(a, 0, why);
	leave(a);
}

static const struct link_ops link_ops = {on_open, on_data, on_close};

struct attachment *attachment_new(
	const struct attachment_conf *conf, const struct attachment_ops *ops, void *arg)
{
	struct attachment *a = calloc(1, sizeof(*a));
	char url[512], host[ADDR_STRLEN];
	bool open;
	int err;

	if (!a)
		return NULL;
	*a = (struct attachment){.ops = ops,
		.arg = arg,
		.loop = conf->loop,
		.node = conf->node,
		.addr = conf->addr,
		.known = conf->sdp.n > 0};
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		a->port[i].rtp = a->port[i].rtcp = -1;
	snprintf(url, sizeof(url), "rtsp://%s:%u%s", addr_urlhost(&conf->node, host),
		addr_port(&conf->node), conf->path);
	a->rtspc = rtspc_new(url, NULL, conf->software, conf->sdp);
	if (a->rtspc && a->known) {
		struct sdp sdp;

		a->medias = sdp_parse(&sdp, conf->sdp) == 0 ? sdp.medias : 0;
	}
	if (!a->rtspc || rtspc_add_header(a->rtspc, "Nearcast-Via", conf->via) ||
		(*conf->source && rtspc_add_header(a->rtspc, "Nearcast-Source", conf->source)) ||
		!(a->link = warm_take(conf->warm, &link_ops, a, &open, &err))) {
		attachment_free(a);
		return NULL;
	}
	a->was_open = open;
	return a;
}

void attachment_start(struct attachment *a)
{
	if (a->was_open)
		on_open(a);
}

bool attachment_plays(const struct attachment *a)
{
	return a->plays;
}

ns_t attachment_rtt(const struct attachment *a)
{
	return a->rtt;
}

void attachment_tick(struct attachment *a, ns_t now)
{
	enter(a);
	if (a->open && !a->dead && rtspc_when(a->rtspc) <= now) {
		rtspc_tick(a->rtspc, now);
		handle_events(a);
	}
	leave(a);
}

ns_t attachment_when(const struct attachment *a)
{
	return a->open ? rtspc_when(a->rtspc) : NS_NEVER;
}
