/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell. Attachments report into the cores (failover, playout) and nothing else; then, in
 * work(), the cores' actions are carried out, media that are due are written, and what lacks is
 * asked for. One timer serves all deadlines.
 *
 * Before the timer may judge a silence, the sockets are read: when we ourselves were not running,
 * the packets are there.
 */
#include "client-failover/client.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include "client-failover/attach.h"
#include "client-failover/failover.h"
#include "client-failover/output.h"
#include "client-failover/playout.h"
#include "client-failover/report.h"
#include "lib/event.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/sdp.h"
#include "lib/text.h"

#define RR_INTERVAL    (100 * NS_MS)
#define LEVEL_INTERVAL (100 * NS_MS)
#define OUTPUT_RETRY   (5 * NS_MS)
#define RETRY_MIN      (10 * NS_MS)
#define RETRY_MAX      (500 * NS_MS)
#define GOODBYE        (300 * NS_MS) /* for TEARDOWN, in the end */
#define READER         (5 * NS_S)    /* for a slow reader, in the end */
#define RCVBUF         (4 << 20)
#define LEAVING_MAX    16

/* An attachment of the failover core's, or its transaction. */
struct peer {
	int id; /* 0: free */
	struct attach *io;
	char node[FAILOVER_NODE];
	ns_t began;
};

struct client {
	const struct options *opt;
	int status; /* what client_run returns */
	struct loop *loop;
	struct loop_timer *timer;
	struct loop_signal *sig[2];
	struct failover *fo;
	struct playout *po;
	struct report report;
	struct output *ts, *dump;

	char host[256];      /* of the URL */
	struct addr anycast; /* its address */
	struct attach_conf io;
	char cname[80];

	struct peer peer[FAILOVER_ATTS];
	struct peer asking;                  /* the transaction */
	struct attach *leaving[LEAVING_MAX]; /* they say goodbye */
	int leavings;

	char *sdp;
	size_t sdp_len;
	bool distrust; /* the SDP may be out of date: DESCRIBE again */
	int medias;
	bool is_ts[SDP_MAX_MEDIA];

	ns_t srtt, rttvar;
	bool holes; /* packets before Nearcast-From are to be asked for singly */
	ns_t began, first_at, rr_at, level_at, stop_at, goodbye_at, output_at;
	uint64_t fresh; /* new packets of the attachment that takes over, this turn */

	bool ended, tail_done, stopping, over, working;
	const char *stop_reason;
	bool dump_begun;
	ns_t dump_first, dump_last;
	struct addr dump_source;
};

static void work(struct client *c);

/* ---- the end ---- */

static void finish(struct client *c, int status, const char *reason)
{
	struct playout_stats s = {0};
	ns_t now = loop_now(c->loop), lowest = 0;

	if (c->over)
		return;
	c->over = true;
	c->status = status;
	if (c->po) {
		s = playout_stats(c->po);
		lowest = playout_lowest(c->po);
	}
	failover_done(c->fo, now);
	report_ended(&c->report, reason, &s, lowest, now);
	c->goodbye_at = now + GOODBYE;
	c->output_at = NS_NEVER;
}

static void output_failed(struct client *c, const struct output *o, int err)
{
	log_msg(NLOG_ERROR, "%s: %s", output_path(o),
		err == -ENOBUFS ? "its reader is too slow" : strerror(-err));
	finish(c, EX_IOERR, "output failed");
}

/* The user wants it to end: what is missing until now is still fetched, then all is written. */
static void stop(struct client *c, const char *reason)
{
	ns_t now = loop_now(c->loop);

	if (c->stopping || c->over) {
		finish(c, c->status, "interrupted"); /* twice: at once */
		return;
	}
	c->stopping = true;
	c->stop_reason = reason;
	c->stop_at = now + c->opt->buffer;
	if (c->po)
		playout_stop(c->po);
	if (failover_steady(c->fo))
		failover_ended(c->fo, failover_current(c->fo), now);
}

static void on_signal(void *arg, int signo)
{
	struct client *c = arg;

	stop(c, signo == SIGINT ? "interrupted" : "terminated");
	work(c);
}

/* ---- peers ---- */

static struct peer *peer_find(struct client *c, int id)
{
	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (id > 0 && c->peer[i].id == id)
			return &c->peer[i];
	return NULL;
}

static const char *node_name(struct client *c, int id)
{
	struct peer *p = peer_find(c, id);

	return p ? p->node : "";
}

static void on_gone(void *ctx, struct attach *a)
{
	struct client *c = ctx;

	for (int i = 0; i < c->leavings; i++)
		if (c->leaving[i] == a)
			c->leaving[i--] = c->leaving[--c->leavings];
	if (c->over && c->leavings == 0)
		loop_stop(c->loop);
}

/* The address that a URL's host stands for: a literal, or the host that we were started with. */
static int address_of(const struct client *c, const char *url, struct addr *out)
{
	struct url u;

	if (url_parse(&u, slice_of(url)) < 0)
		return -EINVAL;
	if (slice_ieq(u.host, slice_of(c->host)))
		*out = c->anycast;
	else if (addr_parse(out, u.host, 0) < 0)
		return -EADDRNOTAVAIL;
	addr_set_port(out, u.port ? u.port : 554);
	return 0;
}

static void transaction_end(struct client *c)
{
	attach_free(c->asking.io);
	c->asking = (struct peer){0};
}

static void transact(struct client *c, int id, ns_t now)
{
	char avoid[512];
	int err;

	failover_avoid(c->fo, now, avoid, sizeof avoid);
	transaction_end(c);
	c->asking = (struct peer){.id = id, .began = now};
	c->asking.io = attach_ask(&c->io, id, &c->anycast, c->opt->url, avoid, &err);
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
		report_failover(a, now);
	*p = (struct peer){.id = a->id, .began = now};
	snprintf(p->node, sizeof p->node, "%s", a->node);
	err = address_of(c, a->url, &at);
	if (err == 0) {
		struct slice sdp = {c->sdp, c->distrust ? 0 : c->sdp_len};
		p->io = attach_new(&c->io, a->id, &at, a->url, sdp, &err);
	}
	if (p->io)
		return;
	report_error(a->node, 0, strerror(-err), now);
	p->id = 0;
	failover_lost(c->fo, a->id, FO_CLOSED, now);
}

static void release(struct client *c, int id)
{
	struct peer *p = peer_find(c, id);

	if (!p)
		return;
	if (c->leavings == LEAVING_MAX)
		attach_free(p->io);
	else if (!attach_release(p->io))
		c->leaving[c->leavings++] = p->io;
	*p = (struct peer){0};
}

static void act(struct client *c, const struct failover_action *a, ns_t now)
{
	struct peer *p;

	switch (a->kind) {
	case FO_TRANSACT: transact(c, a->id, now); return;
	case FO_ABANDON: transaction_end(c); return;
	case FO_ATTACH: attach_to(c, a, now); return;
	case FO_RELEASE: release(c, a->id); return;
	case FO_SUSPECT:
		report_suspect(a, now);
		p = peer_find(c, a->id);
		if (p && a->reason != FO_CLOSED)
			attach_probe(p->io, now);
		return;
	case FO_CURRENT: report_playing(a->node, now - c->began, now); return;
	case FO_RESUMED:
		report_resumed(&c->report, a,
			(int64_t)c->fresh + (c->po ? playout_missing(c->po) : 0), now);
		return;
	case FO_FALSE_ALARM: report_false_alarm(&c->report, a, now); return;
	case FO_GIVE_UP:
		log_msg(NLOG_ERROR, "%s: no node can be had", c->opt->url);
		finish(c, EX_UNAVAILABLE, "no node");
		return;
	case FO_NONE: return;
	}
}

/* ---- what attachments report ---- */

static int64_t on_from(void *ctx, int media)
{
	struct client *c = ctx;
	bool holes = false;
	int64_t from = c->po ? playout_from(c->po, media, &holes) : -1;

	c->holes |= holes;
	return from;
}

static void located(struct client *c, struct slice url, ns_t now)
{
	char server[ADDR_STRLEN];

	report_transaction(addr_str(&c->anycast, server), now - c->asking.began, url, now);
	failover_located(c->fo, c->asking.id, url, now);
	c->asking.id = 0; /* work() frees it */
}

static void on_redirect(void *ctx, int id, struct slice location)
{
	struct client *c = ctx;
	ns_t now = loop_now(c->loop);

	if (id == c->asking.id)
		located(c, location, now);
	else
		failover_redirected(c->fo, id, location, now);
}

/* The first node's SDP makes the buffer. 0, or -EINVAL: it is not for us. */
static int prepare(struct client *c, const struct sdp *sdp)
{
	uint32_t rate[SDP_MAX_MEDIA];
	bool any = false;

	for (int i = 0; i < sdp->medias; i++) {
		rate[i] = sdp->media[i].clock_rate;
		c->is_ts[i] = slice_ieq(sdp->media[i].encoding, SLICE("MP2T"));
		any |= c->is_ts[i];
	}
	if (c->ts && !any) {
		log_msg(NLOG_ERROR,
			"%s: no medium is MPEG-TS (the first is " SLICE_FMT
			"), so -o has nothing to write: use --rtpdump",
			c->opt->url, SLICE_ARG(sdp->media[0].encoding));
		finish(c, EX_DATAERR, "no MPEG-TS");
		return -EINVAL;
	}
	c->medias = sdp->medias;
	c->po = playout_new(c->medias, rate, c->opt->buffer);
	if (!c->po) {
		finish(c, EX_OSERR, "no memory");
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
		located(c, slice_of(c->opt->url), loop_now(c->loop));
		return false;
	}
	if (!c->po && prepare(c, sdp) < 0)
		return false;
	if (sdp->medias != c->medias) {
		report_error(node_name(c, id), 0, "it has another presentation", loop_now(c->loop));
		failover_lost(c->fo, id, FO_REFUSED, loop_now(c->loop));
		return false;
	}
	free(c->sdp);
	c->sdp = strndup(text.p, text.n);
	c->sdp_len = c->sdp ? text.n : 0;
	c->distrust = false;
	return true;
}

static void rtt_sample(struct client *c, ns_t t)
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
	ns_t now = loop_now(c->loop);
	struct peer *p = peer_find(c, id);

	if (!p || !c->po)
		return;
	report_attached(p->node, now - p->began, now);
	rtt_sample(c, attach_rtt(p->io));
	for (int i = 0; i < ev->medias && nearcast; i++)
		if (ev->media[i].first >= 0)
			playout_begins(c->po, i, (uint16_t)ev->media[i].first);
	if (!c->dump_source.sa.sa_family)
		c->dump_source = *attach_source(p->io, 0);
	if (c->holes || !nearcast)
		playout_rearm(c->po, now);
	c->holes = false;
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

static void on_ended(void *ctx, int id, const struct rtspc_event *ev)
{
	struct client *c = ctx;
	ns_t now = loop_now(c->loop);

	if (!peer_find(c, id))
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
	ns_t now = loop_now(c->loop);
	struct peer *p = peer_find(c, id);

	if (id == c->asking.id) {
		report_error(c->host, status, why, now);
		failover_not_located(c->fo, id, retry_after, now);
		c->asking.id = 0;
	} else if (p) {
		report_error(p->node, status, why, now);
		c->distrust |= status != 0;
		failover_lost(c->fo, id, status ? FO_REFUSED : FO_CLOSED, now);
	}
}

static void on_icmp(void *ctx, int id, int err)
{
	struct client *c = ctx;

	log_msg(NLOG_DEBUG, "%s: %s", node_name(c, id), strerror(-err));
	failover_lost(c->fo, id, FO_ICMP, loop_now(c->loop));
}

static void on_done(void *ctx)
{
	work(ctx);
}

static const struct attach_ops attach_ops = {.from = on_from,
	.on_redirect = on_redirect,
	.on_described = on_described,
	.on_playing = on_playing,
	.on_rtp = on_rtp,
	.on_ended = on_ended,
	.on_failed = on_failed,
	.on_icmp = on_icmp,
	.on_done = on_done,
	.on_gone = on_gone};

/* ---- media out ---- */

static void write_packet(struct client *c, const struct playout_item *it)
{
	if (c->ts && c->is_ts[it->media])
		output_put_ts(c->ts, it->data, it->len);
	if (!c->dump)
		return;
	if (!c->dump_begun) {
		c->dump_begun = true;
		c->dump_first = c->dump_last = it->at;
		output_put_rtpdump_head(
			c->dump, &c->dump_source, clock_wall() + (it->at - loop_now(c->loop)));
	}
	if (it->at > c->dump_last) /* a recording's times do not go back */
		c->dump_last = it->at;
	output_put_rtpdump(c->dump, it->data, it->len, c->dump_last - c->dump_first);
}

static void flush(struct client *c, ns_t now)
{
	struct output *o[2] = {c->ts, c->dump};

	c->output_at = NS_NEVER;
	for (int i = 0; i < 2 && !c->over; i++) {
		int r = o[i] ? output_flush(o[i]) : 0;
		if (r < 0)
			output_failed(c, o[i], r);
		else if (r > 0)
			c->output_at = now + OUTPUT_RETRY;
	}
}

static void play(struct client *c, ns_t now, bool all)
{
	struct playout_item it;

	while (c->po && playout_next(c->po, now, all, &it) != PLAYOUT_NOTHING) {
		switch (it.kind) {
		case PLAYOUT_PACKET: write_packet(c, &it); break;
		case PLAYOUT_GAP: report_gap(it.media, it.seq, it.count, now); break;
		case PLAYOUT_RESTARTED: report_restarted(it.media, now); break;
		case PLAYOUT_STALLED: report_stalled(now); break;
		case PLAYOUT_UNSTALLED: report_unstalled(it.stall, now); break;
		case PLAYOUT_NOTHING: break;
		}
	}
	flush(c, now);
}

/* ---- what we send while playing ---- */

static void send_nacks(struct client *c, ns_t now)
{
	uint16_t seq[PLAYOUT_MAX_NACK];
	struct peer *p = peer_find(c, failover_asked(c->fo));
	uint32_t ssrc;
	int n;

	if (!c->po)
		return;
	ns_t rtt = playout_rtt(c->po);
	if (rtt >= 0)
		rtt_sample(c, rtt);
	if (!p || !attach_playing(p->io))
		return;
	for (int i = 0; i < c->medias; i++)
		while (playout_ssrc(c->po, i, &ssrc) && (n = playout_due(c->po, i, now, seq)) > 0)
			attach_send_nack(p->io, i, ssrc, seq, n);
}

static void send_reports(struct client *c, ns_t now)
{
	struct playout_report r;

	if (now < c->rr_at)
		return;
	c->rr_at = now + RR_INTERVAL;
	for (int m = 0; m < c->medias && c->po; m++) {
		bool any = playout_report(c->po, m, &r);
		for (int i = 0; i < FAILOVER_ATTS; i++)
			if (c->peer[i].id)
				attach_send_rr(c->peer[i].io, m, any ? &r : NULL);
	}
}

static void send_level(struct client *c, ns_t now)
{
	if (!c->first_at || now < c->level_at || !event_wanted() || c->over)
		return;
	c->level_at = now + LEVEL_INTERVAL;
	struct playout_stats s = playout_stats(c->po);
	report_level(node_name(c, failover_current(c->fo)), playout_level(c->po, now), &s, now);
}

/* ---- the turn ---- */

/* Is it over? */
static void check_end(struct client *c, ns_t now)
{
	bool whole = !c->po || playout_missing(c->po) == 0;

	if (c->over)
		return;
	if (c->stopping && (whole || now >= c->stop_at)) {
		play(c, now, true);
		finish(c, EX_OK, c->stop_reason);
		return;
	}
	if (!c->ended)
		return;
	if (whole && !c->tail_done) {
		c->tail_done = true; /* the node is not needed any more */
		failover_done(c->fo, now);
	}
	if (!c->po || playout_empty(c->po))
		finish(c, EX_OK, "end of stream");
}

static ns_t sooner(ns_t a, ns_t b)
{
	return a < b ? a : b;
}

static void rearm(struct client *c)
{
	ns_t t = failover_when(c->fo);
	struct peer *asked = peer_find(c, failover_asked(c->fo));

	if (c->over)
		t = c->goodbye_at;
	else if (c->po) {
		t = sooner(t, playout_when(c->po));
		if (asked && attach_playing(asked->io))
			t = sooner(t, playout_due_when(c->po));
		t = sooner(t, c->rr_at);
	}
	if (c->first_at && !c->over) {
		if (event_wanted())
			t = sooner(t, c->level_at);
		if (!c->stopping && c->opt->duration != NS_NEVER)
			t = sooner(t, c->first_at + c->opt->duration);
	}
	if (c->stopping && !c->over)
		t = sooner(t, c->stop_at);
	t = sooner(t, c->output_at);
	for (int i = 0; i < FAILOVER_ATTS && !c->over; i++)
		if (c->peer[i].id)
			t = sooner(t, attach_when(c->peer[i].io));
	loop_timer_at(c->timer, t);
}

static void work(struct client *c)
{
	struct failover_action a;

	if (c->working)
		return;
	c->working = true;
	for (int turn = 0; turn < 2; turn++) { /* the end gives actions, too */
		ns_t now = loop_now(c->loop);
		while (failover_next(c->fo, &a) != FO_NONE)
			act(c, &a, now);
		c->fresh = 0;
		if (!c->asking.id && c->asking.io)
			transaction_end(c);
		if (turn || c->over)
			continue;
		play(c, now, false);
		send_nacks(c, now);
		check_end(c, now);
	}
	if (c->over && c->leavings == 0)
		loop_stop(c->loop);
	rearm(c);
	c->working = false;
}

static void on_timer(void *arg)
{
	struct client *c = arg;
	ns_t now;

	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (c->peer[i].id)
			attach_drain(c->peer[i].io);
	now = loop_now(c->loop);
	if (c->over && now >= c->goodbye_at) {
		loop_stop(c->loop);
		return;
	}
	failover_tick(c->fo, now);
	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (c->peer[i].id)
			attach_tick(c->peer[i].io, now);
	if (c->first_at && c->opt->duration != NS_NEVER && !c->stopping && !c->ended &&
		now >= c->first_at + c->opt->duration)
		stop(c, "duration");
	send_reports(c, now);
	send_level(c, now);
	work(c);
}

/* ---- the beginning ---- */

static int resolve(struct client *c)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	struct url u;
	int err;

	url_parse(&u, slice_of(c->opt->url)); /* options.c has checked it */
	if (slice_copy(u.host, c->host, sizeof c->host) < 0)
		return EX_NOHOST;
	if (addr_parse(&c->anycast, u.host, 0) < 0) {
		err = getaddrinfo(c->host, NULL, &hints, &list);
		if (err || list->ai_addrlen > sizeof c->anycast) {
			log_msg(NLOG_ERROR, "%s: %s", c->host, gai_strerror(err));
			return EX_NOHOST;
		}
		memcpy(&c->anycast, list->ai_addr, list->ai_addrlen);
		freeaddrinfo(list);
	}
	addr_set_port(&c->anycast, u.port ? u.port : 554);
	return EX_OK;
}

static int open_outputs(struct client *c)
{
	char err[256];

	if (c->opt->ts && !(c->ts = output_open(c->opt->ts, err))) {
		log_msg(NLOG_ERROR, "%s", err);
		return EX_CANTCREAT;
	}
	if (c->opt->rtpdump && !(c->dump = output_open(c->opt->rtpdump, err))) {
		log_msg(NLOG_ERROR, "%s", err);
		return EX_CANTCREAT;
	}
	return EX_OK;
}

static int init(struct client *c)
{
	uint32_t id[2];
	int status;

	report_init(&c->report);
	status = resolve(c);
	if (status == EX_OK)
		status = open_outputs(c);
	if (status != EX_OK)
		return status;
	if (getrandom(id, sizeof id, 0) != sizeof id)
		return EX_OSERR;
	snprintf(c->cname, sizeof c->cname, "nearcast-client-%08x", id[1]);
	c->loop = loop_new();
	c->fo = failover_new(&failover_defaults);
	if (!c->loop || !c->fo)
		return EX_OSERR;
	c->timer = loop_timer_new(c->loop, on_timer, c);
	c->sig[0] = loop_signal_new(c->loop, SIGINT, on_signal, c);
	c->sig[1] = loop_signal_new(c->loop, SIGTERM, on_signal, c);
	if (!c->timer || !c->sig[0] || !c->sig[1])
		return EX_OSERR;
	c->io = (struct attach_conf){.loop = c->loop,
		.ops = &attach_ops,
		.ctx = c,
		.ssrc = id[0],
		.cname = c->cname,
		.rcvbuf = RCVBUF};
	c->output_at = NS_NEVER;
	return EX_OK;
}

static int close_output(struct output *o, int status)
{
	char path[256];

	if (!o)
		return status;
	snprintf(path, sizeof path, "%s", output_path(o));
	int err = output_close(o, READER);
	if (err < 0 && status == EX_OK) {
		log_msg(NLOG_ERROR, "%s: %s", path, strerror(-err));
		return EX_IOERR;
	}
	return status;
}

int client_run(const struct options *o)
{
	struct client *c = calloc(1, sizeof *c);

	if (!c)
		return EX_OSERR;
	c->opt = o;
	c->status = init(c);
	if (c->status == EX_OK) {
		c->began = loop_now(c->loop);
		report_start(o->url, c->began);
		failover_start(c->fo, c->began);
		work(c);
		loop_run(c->loop);
	}
	c->status = close_output(c->ts, c->status);
	c->status = close_output(c->dump, c->status);
	attach_free(c->asking.io);
	for (int i = 0; i < FAILOVER_ATTS; i++)
		attach_free(c->peer[i].io);
	while (c->leavings)
		attach_free(c->leaving[--c->leavings]);
	loop_signal_free(c->sig[0]);
	loop_signal_free(c->sig[1]);
	loop_timer_free(c->timer);
	if (c->loop)
		loop_free(c->loop);
	playout_free(c->po);
	failover_free(c->fo);
	report_free(&c->report);
	free(c->sdp);
	int status = c->status;
	free(c);
	return status;
}
