/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file is opened when there is something to write into it: a URL that leads nowhere leaves what
 * was there. A slow reader of a pipe makes the node wait, rather than the bytes in our memory.
 */
#include "client-failover/download.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "client-failover/client.h"
#include "client-failover/exchange.h"
#include "client-failover/output.h"
#include "lib/event.h"
#include "lib/log.h"

#define RETRY    (5 * NS_MS)
#define PROGRESS (200 * NS_MS)
#define READER   (5 * NS_S) /* for a slow reader, in the end */
#define HEADERS                                                                                    \
	"User-Agent: nearcast-client/" PACKAGE_VERSION "\r\nAccept: */*\r\n"                       \
	"Accept-Encoding: identity\r\n"

struct download {
	const struct options *opt;
	int status;
	struct loop *loop;
	struct loop_timer *retry, *progress;
	struct loop_signal *sig[2];
	struct exchange *exchange;
	struct output *out;
};

static void finish(struct download *d, int status)
{
	d->status = status;
	loop_stop(d->loop);
}

static void stop(struct download *d, int status, const char *reason)
{
	exchange_stop(d->exchange, reason);
	finish(d, status);
}

/* ---- bytes out ---- */

static void flush(void *arg)
{
	struct download *d = arg;
	int r = output_flush(d->out);

	if (r < 0) {
		log_msg(NLOG_ERROR, "%s: %s", output_path(d->out), strerror(-r));
		stop(d, EX_IOERR, "output failed");
		return;
	}
	loop_timer_at(d->retry, r > 0 ? loop_now(d->loop) + RETRY : NS_NEVER);
	exchange_hold(d->exchange, r > 0);
}

static void on_head(void *arg, const struct text_msg *m, const struct object *o, const char *node)
{
	struct download *d = arg;
	char err[256];

	(void)m;
	(void)node;
	if (o->status != 200 || d->out)
		return; /* its body says why, to people */
	d->out = output_open(d->opt->ts, err);
	if (d->out)
		return;
	log_msg(NLOG_ERROR, "%s", err);
	stop(d, EX_CANTCREAT, "output failed");
}

static void on_body(void *arg, struct slice data)
{
	struct download *d = arg;

	if (!d->out || d->status != EX_OK)
		return;
	output_put(d->out, data.p, data.n);
	flush(d);
}

static void on_over(void *arg, enum webget_state s, const char *why)
{
	static const int status[] = {[WEBGET_WHOLE] = EX_OK,
		[WEBGET_CHANGED] = EX_DATAERR,
		[WEBGET_BROKEN] = EX_DATAERR,
		[WEBGET_NO_NODE] = EX_UNAVAILABLE};
	struct download *d = arg;
	const char *url = d->opt->url;

	if (d->status != EX_OK)
		return;
	switch (s) {
	case WEBGET_CHANGED:
		log_msg(NLOG_ERROR,
			"%s: it is another object now (%s): the first %lld bytes are there", url,
			why, (long long)exchange_delivered(d->exchange));
		break;
	case WEBGET_BROKEN:
		log_msg(NLOG_ERROR, "%s: it broke off after %lld bytes, and cannot be resumed: %s",
			url, (long long)exchange_delivered(d->exchange), why);
		break;
	case WEBGET_NO_NODE:
		log_msg(NLOG_ERROR, "%s: no node can be had%s%s", url, *why ? ": " : "", why);
		break;
	case WEBGET_WHOLE:
		if (d->out)
			break;
		log_msg(NLOG_ERROR, "%s: there is no such object", url);
		finish(d, EX_NOINPUT);
		return;
	case WEBGET_GOING: break;
	}
	finish(d, status[s]);
}

static const struct exchange_ops ops = {.on_head = on_head, .on_body = on_body, .on_over = on_over};

/* ---- the process ---- */

static void on_progress(void *arg)
{
	struct download *d = arg;

	exchange_progress(d->exchange);
	loop_timer_at(d->progress, loop_now(d->loop) + PROGRESS);
}

static void on_signal(void *arg, int signo)
{
	stop(arg, EX_TEMPFAIL, signo == SIGINT ? "interrupted" : "terminated");
}

static int init(struct download *d)
{
	struct exchange_conf c = {.ops = &ops,
		.arg = d,
		.url = d->opt->url,
		.home = "",
		.follow = true,
		.headers = SLICE(HEADERS)};
	char why[256];
	int status = client_resolve(c.url, &c.anycast, why);

	if (status != EX_OK) {
		log_msg(NLOG_ERROR, "%s", why);
		return status;
	}
	d->loop = c.loop = loop_new();
	if (!d->loop)
		return EX_OSERR;
	d->retry = loop_timer_new(d->loop, flush, d);
	d->progress = loop_timer_new(d->loop, on_progress, d);
	d->sig[0] = loop_signal_new(d->loop, SIGINT, on_signal, d);
	d->sig[1] = loop_signal_new(d->loop, SIGTERM, on_signal, d);
	d->exchange = exchange_new(&c);
	return d->retry && d->progress && d->sig[0] && d->sig[1] && d->exchange ? EX_OK : EX_OSERR;
}

int download_run(const struct options *o)
{
	struct download d = {.opt = o};
	int err;

	d.status = init(&d);
	if (d.status == EX_OK) {
		if (event_wanted())
			loop_timer_at(d.progress, loop_now(d.loop) + PROGRESS);
		exchange_start(d.exchange);
		loop_run(d.loop);
	}
	err = output_close(d.out, READER);
	if (err < 0 && d.status == EX_OK) {
		log_msg(NLOG_ERROR, "%s: %s", o->ts, strerror(-err));
		d.status = EX_IOERR;
	}
	exchange_free(d.exchange);
	loop_signal_free(d.sig[0]);
	loop_signal_free(d.sig[1]);
	loop_timer_free(d.progress);
	loop_timer_free(d.retry);
	if (d.loop)
		loop_free(d.loop);
	return d.status;
}
