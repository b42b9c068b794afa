/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process around one session: signals, and files as its sink. */
#include "client-failover/play.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client-failover/client.h"
#include "client-failover/output.h"
#include "lib/log.h"

#define OUTPUT_RETRY (5 * NS_MS)
#define READER       (5 * NS_S) /* for a slow reader, in the end */

struct play {
	const struct options *opt;
	int status; /* what play_run returns */
	struct loop *loop;
	struct loop_timer *retry; /* a reader takes nothing at the moment */
	struct loop_signal *sig[2];
	struct client *client;

	struct output *ts, *dump;
	bool is_ts[SDP_MAX_MEDIA];
	bool dump_begun;
	ns_t dump_first, dump_last;
};

/* ---- media out ---- */

static void output_failed(struct play *p, const struct output *o, int err)
{
	log_msg(NLOG_ERROR, "%s: %s", output_path(o),
		err == -ENOBUFS ? "its reader is too slow" : strerror(-err));
	client_finish(p->client, EX_IOERR, "output failed");
}

static void flush(void *arg)
{
	struct play *p = arg;
	struct output *o[2] = {p->ts, p->dump};
	ns_t again = NS_NEVER;

	for (int i = 0; i < 2; i++) {
		int r = o[i] ? output_flush(o[i]) : 0;
		if (r < 0) {
			output_failed(p, o[i], r);
			break;
		}
		if (r > 0)
			again = loop_now(p->loop) + OUTPUT_RETRY;
	}
	loop_timer_at(p->retry, again);
}

static void on_item(void *arg, const struct playout_item *it)
{
	struct play *p = arg;

	if (it->kind != PLAYOUT_PACKET)
		return;
	if (p->ts && p->is_ts[it->media])
		output_put_ts(p->ts, it->data, it->len);
	if (!p->dump)
		return;
	if (!p->dump_begun) {
		p->dump_begun = true;
		p->dump_first = p->dump_last = it->at;
		output_put_rtpdump_head(p->dump, client_source(p->client),
			clock_wall() + (it->at - loop_now(p->loop)));
	}
	if (it->at > p->dump_last) /* a recording's times do not go back */
		p->dump_last = it->at;
	output_put_rtpdump(p->dump, it->data, it->len, p->dump_last - p->dump_first);
}

static int on_described(void *arg, struct slice text, const struct sdp *sdp, const char **reason)
{
	struct play *p = arg;
	bool any = false;

	(void)text;
	for (int i = 0; i < sdp->medias; i++) {
		p->is_ts[i] = slice_ieq(sdp->media[i].encoding, SLICE("MP2T"));
		any |= p->is_ts[i];
	}
	if (!p->ts || any)
		return 0;
	log_msg(NLOG_ERROR,
		"%s: no medium is MPEG-TS (the first is " SLICE_FMT
		"), so -o has nothing to write: use --rtpdump",
		p->opt->url, SLICE_ARG(sdp->media[0].encoding));
	*reason = "no MPEG-TS";
	return EX_DATAERR;
}

/* ---- the end ---- */

static void on_over(void *arg, int status)
{
	struct play *p = arg;

	p->status = status;
	loop_timer_at(p->retry, NS_NEVER);
}

static void on_gone(void *arg)
{
	struct play *p = arg;

	loop_stop(p->loop);
}

static const struct client_sink sink = {.on_described = on_described,
	.on_item = on_item,
	.on_turn = flush,
	.on_over = on_over,
	.on_gone = on_gone};

static void on_signal(void *arg, int signo)
{
	struct play *p = arg;

	client_stop(p->client, signo == SIGINT ? "interrupted" : "terminated");
}

/* ---- the process ---- */

static int open_output(const char *path, struct output **out)
{
	char err[256];

	if (!path || (*out = output_open(path, err)))
		return EX_OK;
	log_msg(NLOG_ERROR, "%s", err);
	return EX_CANTCREAT;
}

static int init(struct play *p)
{
	struct client_conf conf = {.url = p->opt->url,
		.user = p->opt->user,
		.password = p->opt->password,
		.buffer = p->opt->buffer,
		.delivery = p->opt->delivery,
		.begin = p->opt->begin,
		.duration = p->opt->duration};
	char why[256];
	int status, err;

	status = client_resolve(conf.url, &conf.anycast, why);
	if (status != EX_OK) {
		log_msg(NLOG_ERROR, "%s", why);
		return status;
	}
	status = open_output(p->opt->ts, &p->ts);
	if (status == EX_OK)
		status = open_output(p->opt->rtpdump, &p->dump);
	if (status != EX_OK)
		return status;
	p->loop = conf.loop = loop_new();
	if (!p->loop)
		return EX_OSERR;
	p->retry = loop_timer_new(p->loop, flush, p);
	p->sig[0] = loop_signal_new(p->loop, SIGINT, on_signal, p);
	p->sig[1] = loop_signal_new(p->loop, SIGTERM, on_signal, p);
	p->client = client_new(&conf, &sink, p, &err);
	return p->retry && p->sig[0] && p->sig[1] && p->client ? EX_OK : EX_OSERR;
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

int play_run(const struct options *o)
{
	struct play p = {.opt = o};

	p.status = init(&p);
	if (p.status == EX_OK) {
		client_start(p.client);
		loop_run(p.loop);
	}
	p.status = close_output(p.ts, p.status);
	p.status = close_output(p.dump, p.status);
	client_free(p.client);
	loop_signal_free(p.sig[0]);
	loop_signal_free(p.sig[1]);
	loop_timer_free(p.retry);
	if (p.loop)
		loop_free(p.loop);
	return p.status;
}
