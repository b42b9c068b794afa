/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One attachment's I/O: the control connection, and the media beside it (channel.h) or within it.
 *
 * An attachment over UDP that brings nothing, or is refused for being UDP, begins anew over TCP, if
 * delivery.h says so: on another connection, and without that its owner has to care.
 */
#include "client-failover/attach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client-failover/channel.h"
#include "lib/log.h"
#include "lib/rtp.h"
#include "lib/stream.h"

#define MAX_OUT        65536
#define LINGER         (500 * NS_MS) /* for TEARDOWN to be taken */
#define AGENT          "nearcast-client"
#define RTCP_MAX       1200
#define GROUP_PATIENCE (4 * NS_S) /* with a group that is not heard */

struct attach {
	struct attach_conf conf;
	int id;
	bool ask, dead, playing, leaving, failed, ended;
	bool tcp;      /* media come within the connection */
	bool heard;    /* some have come */
	bool draining; /* on_done has to wait */
	int busy;
	struct rtspc *core;
	struct stream *stream;
	ns_t began, rtt; /* of the handshake; rtt 0: it is not over */
	ns_t patience;   /* with this handshake; 0: without end */
	ns_t since;      /* PLAY was answered */
	struct addr at;
	struct slice sdp; /* given */
	char *sdp_copy, *url;
	int medias;
	struct medium {
		struct channel udp;
		bool bye;
		bool alone, shared; /* since it joined, a packet came by unicast, by the group */
	} m[SDP_MAX_MEDIA];
	struct addr group;
	ns_t joined;  /* it listens to the group since then; 0: it does not */
	bool grouped; /* and hears it, and the node knows */
};

static void ports_close(struct attach *a)
{
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		channel_close(&a->m[i].udp);
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
	free(a->url);
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

	a->m[media].bye = true;
	for (int i = 0; i < a->medias; i++)
		if (!a->m[i].bye)
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
	struct rtcp_sr sr;
	struct rtcp r;
	size_t at = 0;

	while (!a->dead && rtcp_next(&r, p, n, &at) > 0)
		if (r.type == RTCP_BYE && !rtspc_peer_is_nearcast(a->core))
			bye(a, media);
		else if (r.type == RTCP_SR && rtcp_sr_parse(&sr, &r) == 0)
			a->conf.ops->on_clock(a->conf.ctx, a->id, media, r.ssrc, &sr);
}

static void media_in(struct attach *a, int media, bool rtcp, const uint8_t *p, size_t n)
{
	if (rtp_is_rtcp(p, n)) {
		rtcp_in(a, media, p, n);
	} else if (!rtcp) {
		ns_t now = loop_now(a->conf.loop);
		a->heard = true;
		if (!a->tcp)
			delivery_heard(a->conf.delivery, now);
		a->conf.ops->on_rtp(a->conf.ctx, a->id, media, p, n, now);
	}
}

/* The group is heard when each medium that still comes by unicast has come by it. */
static bool group_heard(const struct attach *a)
{
	bool any = false;

	for (int i = 0; i < a->medias; i++) {
		if (a->m[i].alone && !a->m[i].shared)
			return false;
		any |= a->m[i].shared;
	}
	return any;
}

static void on_packet(void *arg, int media, enum channel_port port, const uint8_t *p, size_t n)
{
	struct attach *a = arg;

	a->m[media].alone |= port == CHANNEL_RTP;
	a->m[media].shared |= port == CHANNEL_GROUP;
	media_in(a, media, port == CHANNEL_RTCP, p, n);
}

static void pump(struct attach *a);

static void go_by_group(struct attach *a)
{
	char text[ADDR_STRLEN];

	a->grouped = true;
	rtspc_deliver(a->core, true);
	a->conf.ops->on_delivery(a->conf.ctx, a->id, "multicast", addr_host(&a->group, text),
		"the node said so, and the group is heard");
	pump(a);
}

static void group_leave(struct attach *a)
{
	a->joined = 0;
	a->grouped = false;
	for (int i = 0; i < a->medias; i++)
		channel_leave(&a->m[i].udp);
}

/* The node says that the media are to be had by a group. If it cannot be joined, all stays as it
 * is. */
static void group_join(struct attach *a, const struct addr *group)
{
	int err = 0;

	if (!a->playing || a->tcp || a->joined || !a->stream ||
		group->sa.sa_family != a->at.sa.sa_family)
		return;
	a->group = *group;
	a->joined = loop_now(a->conf.loop);
	for (int i = 0; i < a->medias && !err; i++) {
		struct addr at = *group;

		addr_set_port(&at, (uint16_t)(addr_port(group) + 2 * i));
		a->m[i].alone = a->m[i].shared = false;
		err = channel_join(&a->m[i].udp, &at, stream_local(a->stream), a->conf.rcvbuf);
	}
	if (err) {
		char text[ADDR_STRLEN];

		log_msg(NLOG_WARN, "group %s cannot be joined: %s", addr_host(group, text),
			strerror(-err));
		group_leave(a);
	}
}

static void icmp(void *arg, int err)
{
	struct attach *a = arg;

	if (a->playing && !a->leaving)
		a->conf.ops->on_icmp(a->conf.ctx, a->id, err);
}

static void on_ready(void *arg, int media, enum channel_port port)
{
	struct attach *a = arg;

	enter(a);
	channel_drain(&a->m[media].udp, port);
	if (port == CHANNEL_GROUP && !a->dead && !a->leaving && !a->grouped && group_heard(a))
		go_by_group(a);
	a->conf.ops->on_done(a->conf.ctx);
	leave(a);
}

static const struct channel_ops channel_ops = {on_ready, on_packet, icmp};

void attach_drain(struct attach *a)
{
	enter(a);
	for (int i = 0; i < a->medias; i++)
		for (int k = 0; k < CHANNEL_PORTS && !a->dead && !a->leaving; k++)
			channel_drain(&a->m[i].udp, (enum channel_port)k);
	if (a->tcp && a->stream && !a->dead && !a->leaving) {
		a->draining = true;
		stream_read(a->stream);
		a->draining = false;
	}
	leave(a);
}

/* ---- the control connection ---- */

static const struct stream_ops stream_ops;

static int dial(struct attach *a)
{
	int err = 0;

	a->began = loop_now(a->conf.loop);
	a->stream = stream_connect(
		a->conf.loop, &a->at, NULL, &stream_ops, a, RTSPC_MAX_IN, MAX_OUT, &err);
	return a->stream ? 0 : err;
}

/* What there is is left, and the same is asked for on another connection. */
static void over_tcp(struct attach *a, const char *why)
{
	struct rtspc *core = rtspc_new(a->url, NULL, AGENT, a->sdp);
	struct rtspc_event ev;
	int err = -ENOMEM;

	a->conf.ops->on_delivery(a->conf.ctx, a->id, "tcp", NULL, why);
	a->tcp = true;
	a->playing = false;
	a->patience = a->conf.handshake;
	a->rtt = 0;
	ports_close(a);
	rtspc_teardown(a->core, loop_now(a->conf.loop));
	while (rtspc_next(a->core, &ev) != RTSPC_NONE)
		if (ev.kind == RTSPC_SEND && a->stream)
			stream_write(a->stream, ev.data.p, ev.data.n);
	stream_free(a->stream);
	a->stream = NULL;
	if (core) {
		rtspc_set_who(core, a->conf.who);
		rtspc_free(a->core);
		a->core = core;
		err = dial(a);
	}
	if (err)
		fail(a, 0, -1, strerror(-err));
}

static void setup(struct attach *a, int medias)
{
	struct rtspc_media_conf conf[SDP_MAX_MEDIA];

	a->medias = medias;
	for (int i = 0; i < medias; i++) {
		struct channel *ch = &a->m[i].udp;
		int err =
			a->tcp ? 0
			       : channel_open(ch, stream_local(a->stream), &a->at, a->conf.rcvbuf);
		if (err < 0) {
			fail(a, 0, -1, strerror(-err));
			return;
		}
		conf[i] = (struct rtspc_media_conf){.client_port = a->tcp ? 0 : ch->number,
			.from = a->conf.ops->from(a->conf.ctx, i)};
	}
	rtspc_set_begin(a->core, a->conf.begin);
	rtspc_setup(a->core, conf, medias, loop_now(a->conf.loop));
}

static void playing(struct attach *a, const struct rtspc_event *ev)
{
	a->playing = true;
	a->since = loop_now(a->conf.loop);
	for (int i = 0; i < ev->medias; i++) /* in.sin_port: of either family, or none */
		channel_connect(&a->m[i].udp, ntohs(ev->media[i].rtp.in.sin_port),
			ntohs(ev->media[i].rtcp.in.sin_port));
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
		if (!a->tcp && delivery_refused(a->conf.delivery, ev->status)) {
			over_tcp(a, "the node serves no UDP");
			return;
		}
		snprintf(why, sizeof why, SLICE_FMT, SLICE_ARG(ev->data));
		fail(a, ev->status, ev->retry_after, why);
		return;
	case RTSPC_FRAME:
		media_in(a, ev->channel / 2, ev->channel % 2, (const uint8_t *)ev->data.p,
			ev->data.n);
		return;
	case RTSPC_GROUP: group_join(a, &ev->group); return;
	case RTSPC_CLOSED:
	case RTSPC_PATH:
	case RTSPC_NONE: return;
	}
}

/* The owner may act, unless it is who reads the connection. */
static void done(struct attach *a)
{
	if (!a->leaving && !a->draining)
		a->conf.ops->on_done(a->conf.ctx);
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
	const struct stream *stream = a->stream;
	size_t used = 0;

	enter(a);
	/* All that is whole, before the owner acts: media come by many frames at a time. */
	while (used < n && !a->dead && !a->leaving && a->stream == stream) {
		size_t k = rtspc_input(a->core, p + used, n - used, loop_now(a->conf.loop));
		used += k;
		pump(a);
		if (k == 0)
			break;
	}
	if (a->leaving)
		used = n;
	done(a);
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
			byes |= a->m[i].bye;
		for (int i = 0; i < a->medias && byes && !a->dead; i++)
			bye(a, i); /* one medium said goodbye and then all was over */
		fail(a, 0, -1, err ? strerror(-err) : "the node closed the connection");
		done(a);
	}
	leave(a);
}

static const struct stream_ops stream_ops = {
	.on_open = on_open, .on_data = on_data, .on_close = on_close};

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
		channel_init(&a->m[i].udp, c->loop, &channel_ops, a, i);
	a->tcp = !ask && delivery_tcp(c->delivery);
	a->patience = ask ? 0 : c->handshake;
	a->url = strdup(url);
	if (!a->url)
		goto bad;
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
	if (!ask)
		rtspc_set_who(a->core, c->who);
	if (!ask && delivery_joins(c->delivery))
		rtspc_can_join(a->core);
	*err = dial(a);
	if (*err == 0)
		return a;
bad:
	rtspc_free(a->core);
	free(a->sdp_copy);
	free(a->url);
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
	uint8_t frame[4 + RTCP_MAX] = {
		'$', (uint8_t)(2 * media + 1), (uint8_t)(n >> 8), (uint8_t)n};

	if (!a->tcp) {
		channel_send(&a->m[media].udp, p, n);
		return;
	}
	memcpy(frame + 4, p, n);
	if (a->stream) /* no room: the node has not read for long, and will not need this one */
		stream_write(a->stream, frame, 4 + n);
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
	if (a->grouped) {
		rtspc_deliver(a->core, false);
		a->conf.ops->on_delivery(
			a->conf.ctx, a->id, "udp", NULL, "the group has fallen silent");
		group_leave(a);
	} else {
		rtspc_probe(a->core, now);
	}
	pump(a);
	leave(a);
}

/* When it is to be doubted that UDP gets through. */
static ns_t doubt_at(const struct attach *a)
{
	return a->playing && !a->tcp && !a->heard && !a->ended && !a->failed
	               ? delivery_doubt_at(a->conf.delivery, a->since)
	               : NS_NEVER;
}

ns_t attach_when(const struct attach *a)
{
	ns_t t = rtspc_when(a->core), dial = redial_at(a), doubt = doubt_at(a);

	t = dial < t ? dial : t;
	t = doubt < t ? doubt : t;
	if (a->joined && !a->grouped && a->joined + GROUP_PATIENCE < t)
		t = a->joined + GROUP_PATIENCE;
	return a->leaving ? NS_NEVER : t;
}

void attach_tick(struct attach *a, ns_t now)
{
	enter(a);
	if (!a->leaving) {
		rtspc_tick(a->core, now);
		pump(a);
	}
	if (a->joined && !a->grouped && now >= a->joined + GROUP_PATIENCE)
		group_leave(a); /* nothing was lost: unicast goes on */
	if (!a->dead && !a->leaving && now >= redial_at(a))
		redial(a);
	if (!a->dead && !a->leaving && now >= doubt_at(a)) {
		delivery_in_vain(a->conf.delivery);
		over_tcp(a, "no packet came over UDP");
	}
	leave(a);
}

/* ---- what it is ---- */

bool attach_playing(const struct attach *a)
{
	return a->playing && !a->leaving;
}

bool attach_tcp(const struct attach *a)
{
	return a->tcp;
}

ns_t attach_rtt(const struct attach *a)
{
	return a->rtt;
}

const struct addr *attach_source(const struct attach *a, int media)
{
	return a->tcp ? &a->at : &a->m[media].udp.source[0];
}
