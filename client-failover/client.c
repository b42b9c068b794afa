/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell. Attachments report into the cores (failover, playout) and nothing else; then, in
 * client_work(), the cores' actions are carried out, media that are due are handed on, and what
 * lacks is asked for. One timer serves all deadlines.
 *
 * Before the timer may judge a silence, the sockets are read: when we ourselves were not running,
 * the packets are there.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include "client-failover/client_impl.h"
#include "lib/event.h"
#include "lib/text.h"

#define RR_INTERVAL    (100 * NS_MS)
#define LEVEL_INTERVAL (100 * NS_MS)
#define GOODBYE        (300 * NS_MS) /* for TEARDOWN, in the end */
#define RCVBUF         (4 << 20)

/* ---- the end ---- */

void client_finish(struct client *c, int status, const char *reason)
{
	struct playout_stats s = {0};
	ns_t now = loop_now(c->conf.loop), lowest = 0;

	if (c->over)
		return;
	c->over = true;
	if (c->po) {
		s = playout_stats(c->po);
		lowest = playout_lowest(c->po);
	}
	failover_done(c->fo, now);
	report_ended(&c->report, reason, &s, lowest, now);
	c->goodbye_at = now + GOODBYE;
	c->sink->on_over(c->arg, status);
	loop_timer_at(c->timer, now); /* its nodes are released in a turn of its own */
}

static void stop(struct client *c, const char *reason)
{
	ns_t now = loop_now(c->conf.loop);

	if (c->stopping || c->over) {
		client_finish(c, EX_OK, "interrupted"); /* twice: at once */
		return;
	}
	c->stopping = true;
	c->stop_reason = reason;
	c->stop_at = now + c->conf.buffer;
	if (c->po)
		playout_stop(c->po);
	if (failover_steady(c->fo))
		failover_ended(c->fo, failover_current(c->fo), now);
}

void client_stop(struct client *c, const char *reason)
{
	stop(c, reason);
	client_work(c);
}

/* Nothing is to be waited for any more: its owner is told once. */
static void gone(struct client *c)
{
	if (c->gone)
		return;
	c->gone = true;
	loop_timer_at(c->timer, NS_NEVER);
	c->sink->on_gone(c->arg);
}

/* ---- media out ---- */

static void play(struct client *c, ns_t now, bool all)
{
	struct playout_item it;

	while (c->po && !c->over && playout_next(c->po, now, all, &it) != PLAYOUT_NOTHING) {
		switch (it.kind) {
		case PLAYOUT_GAP: report_gap(&c->report, it.media, it.seq, it.count, now); break;
		case PLAYOUT_RESTARTED: report_restarted(&c->report, it.media, now); break;
		case PLAYOUT_STALLED: report_stalled(&c->report, now); break;
		case PLAYOUT_UNSTALLED: report_unstalled(&c->report, it.stall, now); break;
		case PLAYOUT_PACKET:
		case PLAYOUT_NOTHING: break;
		}
		c->sink->on_item(c->arg, &it);
	}
	if (c->sink->on_turn && !c->over)
		c->sink->on_turn(c->arg);
}

/* ---- what we send while playing ---- */

static void send_nacks(struct client *c, ns_t now)
{
	uint16_t seq[PLAYOUT_MAX_NACK];
	struct peer *p = client_peer(c, failover_asked(c->fo));
	uint32_t ssrc;
	int n;

	if (!c->po)
		return;
	ns_t rtt = playout_rtt(c->po);
	if (rtt >= 0)
		client_rtt_sample(c, rtt);
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
	report_level(&c->report, c->node, playout_level(c->po, now), &s, now);
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
		client_finish(c, EX_OK, c->stop_reason);
		return;
	}
	if (!c->ended)
		return;
	if (whole && !c->tail_done) {
		c->tail_done = true; /* the node is not needed any more */
		failover_done(c->fo, now);
	}
	if (!c->po || playout_empty(c->po))
		client_finish(c, EX_OK, "end of stream");
}

static ns_t sooner(ns_t a, ns_t b)
{
	return a < b ? a : b;
}

static void rearm(struct client *c)
{
	ns_t t = failover_when(c->fo);
	struct peer *asked = client_peer(c, failover_asked(c->fo));

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
		if (!c->stopping && c->conf.duration != NS_NEVER)
			t = sooner(t, c->first_at + c->conf.duration);
	}
	if (c->stopping && !c->over)
		t = sooner(t, c->stop_at);
	for (int i = 0; i < FAILOVER_ATTS && !c->over; i++)
		if (c->peer[i].id)
			t = sooner(t, attach_when(c->peer[i].io));
	loop_timer_at(c->timer, t);
}

void client_work(struct client *c)
{
	struct failover_action a;

	if (c->working)
		return;
	c->working = true;
	for (int turn = 0; turn < 2; turn++) { /* the end gives actions, too */
		ns_t now = loop_now(c->conf.loop);
		while (failover_next(c->fo, &a) != FO_NONE)
			client_act(c, &a, now);
		c->fresh = 0;
		if (!c->asking.id && c->asking.io)
			client_transaction_end(c);
		if (turn || c->over)
			continue;
		play(c, now, false);
		send_nacks(c, now);
		check_end(c, now);
	}
	c->working = false;
	rearm(c);
	if (c->over && c->leavings == 0)
		gone(c);
}

static void on_timer(void *arg)
{
	struct client *c = arg;
	ns_t now;

	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (c->peer[i].id)
			attach_drain(c->peer[i].io);
	now = loop_now(c->conf.loop);
	if (c->over && now >= c->goodbye_at) {
		gone(c);
		return;
	}
	failover_tick(c->fo, now);
	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (c->peer[i].id)
			attach_tick(c->peer[i].io, now);
	if (c->first_at && c->conf.duration != NS_NEVER && !c->stopping && !c->ended &&
		now >= c->first_at + c->conf.duration)
		stop(c, "duration");
	send_reports(c, now);
	send_level(c, now);
	client_work(c);
}

/* ---- the beginning and the end ---- */

int client_resolve(const char *url, struct addr *out, char err[256])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	char host[256];
	struct url u;
	int gai;

	if (url_parse(&u, slice_of(url)) < 0 || slice_copy(u.host, host, sizeof host) < 0) {
		snprintf(err, 256, "%.200s: no host that could be looked up", url);
		return EX_NOHOST;
	}
	if (addr_parse(out, u.host, 0) < 0) {
		gai = getaddrinfo(host, NULL, &hints, &list);
		if (gai || list->ai_addrlen > sizeof *out) {
			snprintf(err, 256, "%.150s: %.100s", host, gai_strerror(gai));
			return EX_NOHOST;
		}
		memcpy(out, list->ai_addr, list->ai_addrlen);
		freeaddrinfo(list);
	}
	addr_set_port(out, u.port ? u.port : url_default_port(u.scheme));
	return 0;
}

struct client *client_new(
	const struct client_conf *conf, const struct client_sink *sink, void *arg, int *err)
{
	struct client *c = calloc(1, sizeof *c);
	uint32_t id[4];
	struct url u;

	*err = -ENOMEM;
	if (!c)
		return NULL;
	*c = (struct client){.conf = *conf, .sink = sink, .arg = arg};
	report_init(&c->report, conf->named ? conf->url : NULL);
	if (url_parse(&u, slice_of(conf->url)) < 0 ||
		slice_copy(u.host, c->host, sizeof c->host) < 0 ||
		getrandom(id, sizeof id, 0) != sizeof id) {
		*err = -EINVAL;
		goto bad;
	}
	snprintf(c->cname, sizeof c->cname, "nearcast-client-%08x", id[1]);
	c->fo = failover_new(&failover_defaults);
	c->timer = loop_timer_new(conf->loop, on_timer, c);
	if (!c->fo || !c->timer)
		goto bad;
	c->io = (struct attach_conf){.loop = conf->loop,
		.ops = &client_attach_ops,
		.ctx = c,
		.ssrc = id[0],
		.cname = c->cname,
		.rcvbuf = RCVBUF,
		.delivery = &c->delivery,
		.who = &c->who};
	if (conf->user && *conf->user)
		c->who = (struct rtspc_who){.user = conf->user, .password = conf->password};
	memcpy(&c->who.cnonce, &id[2], sizeof c->who.cnonce);
	c->delivery.mode = conf->delivery;
	return c;
bad:
	client_free(c);
	return NULL;
}

void client_start(struct client *c)
{
	c->began = loop_now(c->conf.loop);
	report_start(&c->report, c->conf.url, c->began);
	failover_start(c->fo, c->began);
	client_work(c);
}

void client_free(struct client *c)
{
	if (!c)
		return;
	attach_free(c->asking.io);
	for (int i = 0; i < FAILOVER_ATTS; i++)
		attach_free(c->peer[i].io);
	while (c->leavings)
		attach_free(c->leaving[--c->leavings]);
	loop_timer_free(c->timer);
	playout_free(c->po);
	failover_free(c->fo);
	report_free(&c->report);
	free(c->sdp);
	free(c);
}

const struct addr *client_source(const struct client *c)
{
	return &c->source;
}
