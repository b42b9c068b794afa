/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell. Attachments report into the cores (failover, playout) and nothing else; then, in
 * client_work(), the cores' actions are carried out, media that are due are written, and what lacks
 * is asked for. One timer serves all deadlines.
 *
 * Before the timer may judge a silence, the sockets are read: when we ourselves were not running,
 * the packets are there.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include "client-failover/client_impl.h"
#include "lib/event.h"
#include "lib/log.h"
#include "lib/text.h"

#define RR_INTERVAL    (100 * NS_MS)
#define LEVEL_INTERVAL (100 * NS_MS)
#define OUTPUT_RETRY   (5 * NS_MS)
#define GOODBYE        (300 * NS_MS) /* for TEARDOWN, in the end */
#define READER         (5 * NS_S)    /* for a slow reader, in the end */
#define RCVBUF         (4 << 20)

/* ---- the end ---- */

void client_finish(struct client *c, int status, const char *reason)
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
	client_finish(c, EX_IOERR, "output failed");
}

/* The user wants it to end: what is missing until now is still fetched, then all is written. */
static void stop(struct client *c, const char *reason)
{
	ns_t now = loop_now(c->loop);

	if (c->stopping || c->over) {
		client_finish(c, c->status, "interrupted"); /* twice: at once */
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
	client_work(c);
}

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
	report_level(c->node, playout_level(c->po, now), &s, now);
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

void client_work(struct client *c)
{
	struct failover_action a;

	if (c->working)
		return;
	c->working = true;
	for (int turn = 0; turn < 2; turn++) { /* the end gives actions, too */
		ns_t now = loop_now(c->loop);
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
	client_work(c);
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
		.ops = &client_attach_ops,
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
		client_work(c);
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
