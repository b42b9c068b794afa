/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's nodes: what the failover core wants done with them, and what they report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client-failover/client_impl.h"
#include "lib/log.h"
#include "lib/sbuf.h"
#include "lib/text.h"

#define RETRY_MIN (10 * NS_MS)
#define RETRY_MAX (500 * NS_MS)
/* What a handshake may take: 4 × the round trip, if that is known, but at least MIN. */
#define HANDSHAKE_FIRST (300 * NS_MS)
#define HANDSHAKE_MIN   (100 * NS_MS)
/* Beside the round trip, what a lost segment costs at least when none behind it tells of it: Linux'
 * shortest retransmission timeout is 200 ms. */
#define TCP_SILENCE (250 * NS_MS)

/* ---- peers ---- */

struct peer *client_peer(struct client *c, int id)
{
	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (id > 0 && c->peer[i].id == id)
			return &c->peer[i];
	return NULL;
}

static const char *node_name(struct client *c, int id)
{
	struct peer *p = client_peer(c, id);

	return p ? p->node : "";
}

static void on_gone(void *ctx, struct attach *a)
{
	struct client *c = ctx;

	for (int i = 0; i < c->leavings; i++)
		if (c->leaving[i] == a)
			c->leaving[i--] = c->leaving[--c->leavings];
	if (c->over && c->leavings == 0)
		loop_timer_at(c->timer, 0);
}

int client_address(const char *url, const char *host, const struct addr *anycast, struct addr *out)
{
	struct url u;

	if (url_parse(&u, slice_of(url)) < 0)
		return -EINVAL;
	if (slice_ieq(u.host, slice_of(host)))
		*out = *anycast;
	else if (addr_parse(out, u.host, 0) < 0)
		return -EADDRNOTAVAIL;
	addr_set_port(out, u.port ? u.port : url_default_port(u.scheme));
	return 0;
}

void client_transaction_end(struct client *c)
{
	attach_free(c->asking.io);
	c->asking = (struct peer){0};
}

/* The URL that the anycast address is asked for: with the token of the last redirection, if there
 * was one, so that the session keeps its identity. */
static const char *anycast_url(const struct client *c, char *mem, size_t room)
{
	struct sbuf b;

	if (!*c->token)
		return c->conf.url;
	sbuf_init(&b, mem, room);
	token_put_url(&b, slice_of(c->conf.url), c->token);
	return b.full ? c->conf.url : mem;
}

static void transact(struct client *c, int id, ns_t now)
{
	char avoid[512], url[FAILOVER_URL];
	int err;

	failover_avoid(c->fo, now, avoid, sizeof avoid);
	client_transaction_end(c);
	c->asking = (struct peer){.id = id, .began = now};
	c->asking.io = attach_ask(
		&c->io, id, &c->conf.anycast, anycast_url(c, url, sizeof(url)), avoid, &err);
	if (c->asking.io)
		return;
	log_msg(NLOG_WARN, "%s: %s", c->host, strerror(-err));
	c->asking.id = 0;
	failover_not_located(c->fo, id, -1, now);
}

static void attach_to(struct client *c, const struct failover_action *a, ns_t now)
{
	struct peer *p = NULL;
	struct addr at;
	int err;

	for (int i = 0; i < FAILOVER_ATTS && !p; i++)
		if (c->peer[i].id == 0)
			p = &c->peer[i];
	if (!p)
		return; /* cannot be: the core has as many, and releases first */
	if (a->from[0])
		report_failover(&c->report, a, now);
	*p = (struct peer){.id = a->id, .began = now};
	snprintf(p->node, sizeof p->node, "%s", a->node);
	err = client_address(a->url, c->host, &c->conf.anycast, &at);
	if (err == 0) {
		struct slice sdp = {c->sdp, c->distrust ? 0 : c->sdp_len};
		c->io.handshake = 4 * c->srtt < HANDSHAKE_MIN ? HANDSHAKE_MIN : 4 * c->srtt;
		if (!c->srtt)
			c->io.handshake = HANDSHAKE_FIRST;
		c->io.begin = c->conf.begin;
		p->io = attach_new(&c->io, a->id, &at, a->url, sdp, &err);
	}
	if (p->io)
		return;
	report_error(&c->report, a->node, 0, strerror(-err), now);
	p->id = 0;
	failover_lost(c->fo, a->id, FO_CLOSED, now);
}

static void release(struct client *c, int id)
{
	struct peer *p = client_peer(c, id);

	if (!p)
		return;
	if (c->leavings == LEAVING_MAX)
		attach_free(p->io);
	else if (!attach_release(p->io))
		c->leaving[c->leavings++] = p->io;
	*p = (struct peer){0};
}

void client_act(struct client *c, const struct failover_action *a, ns_t now)
{
	struct peer *p;

	if (a->kind == FO_CURRENT || a->kind == FO_RESUMED)
		snprintf(c->node, sizeof c->node, "%s", a->node);
	switch (a->kind) {
	case FO_TRANSACT: transact(c, a->id, now); return;
	case FO_ABANDON: client_transaction_end(c); return;
	case FO_ATTACH: attach_to(c, a, now); return;
	case FO_RELEASE: release(c, a->id); return;
	case FO_SUSPECT:
		report_suspect(&c->report, a, now);
		p = client_peer(c, a->id);
		if (p && a->reason != FO_CLOSED)
			attach_probe(p->io, now);
		return;
	case FO_CURRENT: report_playing(&c->report, a->node, now - c->began, now); return;
	case FO_RESUMED:
		report_resumed(&c->report, a,
			(int64_t)c->fresh + (c->po ? playout_missing(c->po) : 0), now);
		return;
	case FO_FALSE_ALARM: report_false_alarm(&c->report, a, now); return;
	case FO_GIVE_UP:
		log_msg(NLOG_ERROR, "%s: no node can be had", c->conf.url);
		client_finish(c, EX_UNAVAILABLE, "no node");
		return;
	case FO_NONE: return;
	}
}

/* ---- what attachments report ---- */

static struct rtp_from on_from(void *ctx, int media)
{
	struct client *c = ctx;
	struct rtp_from from = {.seq = -1};
	bool holes = false;

	if (c->po) {
		from.seq = playout_from(c->po, media, &holes);
		from.has_ssrc = playout_ssrc(c->po, media, &from.ssrc);
		from.packet = playout_from_packet(c->po, media);
		from.has_packet = from.packet >= 0;
	}
	c->holes |= holes;
	return from;
}

static void located(struct client *c, struct slice url, ns_t now)
{
	char server[ADDR_STRLEN];

	token_take_url(url, c->token);
	report_transaction(
		&c->report, addr_str(&c->conf.anycast, server), now - c->asking.began, url, now);
	failover_located(c->fo, c->asking.id, url, now);
	c->asking.id = 0; /* client_work() frees it */
}

static void on_redirect(void *ctx, int id, struct slice location)
{
	struct client *c = ctx;
	ns_t now = loop_now(c->conf.loop);

	if (id == c->asking.id)
		located(c, location, now);
	else
		failover_redirected(c->fo, id, location, now);
}

/* The first node's SDP makes the buffer. 0, or -EINVAL: it is not for our owner. */
static int prepare(struct client *c, struct slice text, const struct sdp *sdp)
{
	uint32_t rate[SDP_MAX_MEDIA];
	const char *reason = "the output cannot take it";
	int status;

	for (int i = 0; i < sdp->medias; i++)
		rate[i] = sdp->media[i].clock_rate;
	status = c->sink->on_described(c->arg, text, sdp, &reason);
	if (status) {
		client_finish(c, status, reason);
		return -EINVAL;
	}
	c->medias = sdp->medias;
	c->po = playout_new(c->medias, rate, c->conf.buffer);
	if (!c->po) {
		client_finish(c, EX_OSERR, "no memory");
		return -EINVAL;
	}
	return 0;
}

static bool on_described(void *ctx, int id, struct slice text, const struct sdp *sdp)
{
	struct client *c = ctx;

	if (c->over)
		return false;
	if (id == c->asking.id) { /* no redirection: the host serves the stream itself */
		located(c, slice_of(c->conf.url), loop_now(c->conf.loop));
		return false;
	}
	if (!c->po && prepare(c, text, sdp) < 0)
		return false;
	if (sdp->medias != c->medias) {
		report_error(&c->report, node_name(c, id), 0, "it has another presentation",
			loop_now(c->conf.loop));
		failover_lost(c->fo, id, FO_REFUSED, loop_now(c->conf.loop));
		return false;
	}
	free(c->sdp);
	c->sdp = strndup(text.p, text.n);
	c->sdp_len = c->sdp ? text.n : 0;
	c->distrust = false;
	return true;
}

void client_rtt_sample(struct client *c, ns_t t)
{
	ns_t d = t - c->srtt;

	if (c->srtt == 0) {
		c->srtt = t;
		c->rttvar = t / 2;
	} else { /* RFC 6298 */
		c->rttvar += ((d < 0 ? -d : d) - c->rttvar) / 4;
		c->srtt += d / 8;
	}
	ns_t retry = c->srtt + 4 * c->rttvar + 2 * NS_MS;
	if (c->po)
		playout_set_retry(c->po, retry < RETRY_MIN   ? RETRY_MIN
					 : retry > RETRY_MAX ? RETRY_MAX
							     : retry);
}

static void on_playing(void *ctx, int id, const struct rtspc_event *ev, bool nearcast)
{
	struct client *c = ctx;
	ns_t now = loop_now(c->conf.loop);
	struct peer *p = client_peer(c, id);

	if (!p || !c->po)
		return;
	report_attached(&c->report, p->node, now - p->began, now);
	client_rtt_sample(c, attach_rtt(p->io));
	for (int i = 0; i < ev->medias && nearcast; i++)
		if (ev->media[i].first >= 0)
			playout_begins(c->po, i, (uint16_t)ev->media[i].first, ev->media[i].packet);
	if (!c->source.sa.sa_family)
		c->source = *attach_source(p->io, 0);
	if (c->holes || !nearcast)
		playout_rearm(c->po, now);
	c->holes = false;
	failover_set_least_silence(c->fo, attach_tcp(p->io) ? TCP_SILENCE + c->srtt : 0);
	failover_attached(c->fo, id, now);
}

static void on_rtp(void *ctx, int id, int media, const uint8_t *p, size_t n, ns_t now)
{
	struct client *c = ctx;

	if (!c->po || media >= c->medias)
		return;
	enum playout_seen seen = playout_put(c->po, media, p, n, now);
	if (seen != PLAYOUT_LIVE && seen != PLAYOUT_RECOVERED)
		return;
	if (!c->first_at)
		c->first_at = now;
	if (id != failover_current(c->fo) || c->fresh)
		c->fresh++;
	failover_packet(c->fo, id, seen == PLAYOUT_LIVE, now);
}

static void on_clock(void *ctx, int id, int media, uint32_t ssrc, const struct rtcp_sr *sr)
{
	struct client *c = ctx;

	(void)id;
	if (c->po && media < c->medias && c->sink->on_clock && !c->over)
		c->sink->on_clock(c->arg, media, ssrc, sr);
}

static void on_ended(void *ctx, int id, const struct rtspc_event *ev)
{
	struct client *c = ctx;
	ns_t now = loop_now(c->conf.loop);

	if (!client_peer(c, id))
		return;
	failover_ended(c->fo, id, now);
	c->ended = true;
	bool told = false;
	for (int i = 0; i < ev->medias && i < c->medias && c->po; i++)
		if (ev->media[i].last >= 0) {
			playout_ends(c->po, i, (uint16_t)ev->media[i].last, now);
			told = true;
		}
	if (c->po)
		playout_finish(c->po);
	if (!told) { /* a plain server, which has nothing more for us */
		c->tail_done = true;
		failover_done(c->fo, now);
	}
}

static void on_failed(void *ctx, int id, int status, int retry_after, const char *why)
{
	struct client *c = ctx;
	ns_t now = loop_now(c->conf.loop);
	struct peer *p = client_peer(c, id);

	if (id == c->asking.id && status == 401 && c->who.user) {
		located(c, slice_of(c->conf.url), now); /* no ARN, but a node that wants proof */
		return;
	}
	if (status && !c->po && !c->over && c->sink->on_refused && (p || id == c->asking.id))
		c->sink->on_refused(c->arg, status);
	if (id == c->asking.id) {
		report_error(&c->report, c->host, status, why, now);
		failover_not_located(c->fo, id, retry_after, now);
		c->asking.id = 0;
	} else if (p) {
		report_error(&c->report, p->node, status, why, now);
		if (status == 401 && !c->first_at) {
			client_finish(c, EX_NOPERM, "not authorized");
			return;
		}
		c->distrust |= status != 0;
		if (status == 412 || (status == 457 && c->conf.begin)) {
			log_msg(NLOG_ERROR, "%s: %s", c->conf.url,
				status == 412 ? "the film is not the one any more that was played"
					      : "it cannot be played from that time on");
			client_finish(c, EX_DATAERR, why);
			return;
		}
		failover_lost(c->fo, id, status ? FO_REFUSED : FO_CLOSED, now);
	}
}

static void on_icmp(void *ctx, int id, int err)
{
	struct client *c = ctx;

	log_msg(NLOG_DEBUG, "%s: %s", node_name(c, id), strerror(-err));
	failover_lost(c->fo, id, FO_ICMP, loop_now(c->conf.loop));
}

static void on_delivery(void *ctx, int id, const char *by, const char *group, const char *why)
{
	struct client *c = ctx;

	report_delivery(&c->report, node_name(c, id), by, group, why, loop_now(c->conf.loop));
}

static void on_done(void *ctx)
{
	client_work(ctx);
}

const struct attach_ops client_attach_ops = {.from = on_from,
	.on_redirect = on_redirect,
	.on_described = on_described,
	.on_playing = on_playing,
	.on_rtp = on_rtp,
	.on_clock = on_clock,
	.on_ended = on_ended,
	.on_failed = on_failed,
	.on_icmp = on_icmp,
	.on_delivery = on_delivery,
	.on_done = on_done,
	.on_gone = on_gone};
