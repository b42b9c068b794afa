/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections report into the core and nothing else; then, in work(), its actions are carried out. So
 * no connection goes while its own bytes are being looked at. The one exception is an anycast host
 * that answers itself: its connection becomes the attachment, on the spot, rather than that the same
 * be asked for once more.
 *
 * Before the timer may judge a silence, what the kernel has is looked at: when we ourselves were not
 * running, the bytes are there.
 */
#include "client-failover/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "client-failover/client.h"
#include "client-failover/report.h"
#include "client-failover/response.h"
#include "lib/stream.h"

#define LINKS   (FAILOVER_ATTS + 1) /* and the transaction */
#define MAX_IN  65536
#define MAX_OUT 32768 /* one request */
#define PAUSE   NS_MS /* for bytes that are there already */

/* A connection: one request, one response. */
struct link {
	struct exchange *x;
	int id; /* 0: free */
	bool ask;
	struct stream *stream; /* NULL: it has ended */
	struct response response;
	bool done;    /* the rest of its bytes does not matter */
	char *head;   /* of the response, until its first byte makes it the answer */
	size_t heads; /* bytes of it */
	ns_t began;
	char url[FAILOVER_URL], node[FAILOVER_NODE];
};

struct exchange {
	struct exchange_conf conf;
	struct webget *core;
	struct report report;
	struct loop_timer *timer;
	struct link link[LINKS];
	char host[FAILOVER_NODE]; /* of the URL */
	char node[FAILOVER_NODE]; /* that gives the bytes, or did so last */
	struct link *answering;   /* the anycast host answers itself, on this connection */
	ns_t began;
	bool held, told, working, dead;
	int busy;
	char *text; /* what the configuration's strings are copied into */
};

/* ---- life ---- */

static void enter(struct exchange *x)
{
	x->busy++;
}

static void leave(struct exchange *x)
{
	if (--x->busy > 0 || !x->dead)
		return;
	webget_free(x->core);
	report_free(&x->report);
	free(x->text);
	free(x);
}

static void link_close(struct link *l)
{
	stream_free(l->stream);
	l->stream = NULL;
	free(l->head);
	l->head = NULL;
	l->id = 0;
}

void exchange_free(struct exchange *x)
{
	if (!x || x->dead)
		return;
	x->dead = true;
	for (int i = 0; i < LINKS; i++)
		link_close(&x->link[i]);
	loop_timer_free(x->timer);
	x->timer = NULL;
	enter(x);
	leave(x);
}

static struct link *link_of(struct exchange *x, int id)
{
	for (int i = 0; i < LINKS; i++)
		if (id > 0 && x->link[i].id == id)
			return &x->link[i];
	return NULL;
}

static ns_t now_of(const struct exchange *x)
{
	return loop_now(x->conf.loop);
}

/* ---- what the core wants done ---- */

static int send_request(struct link *l)
{
	char mem[MAX_OUT], avoid[512];
	struct exchange *x = l->x;
	struct slice host = slice_of(l->url);
	struct sbuf b;
	struct url u;

	if (url_parse(&u, host) < 0)
		return -EINVAL;
	host.p += sizeof "http://" - 1;
	host.n = strcspn(host.p, "/?");
	sbuf_init(&b, mem, sizeof mem);
	sbuf_str(&b, x->conf.to_head ? "HEAD " : "GET ");
	sbuf_slice(&b, u.path);
	if (u.query.p) {
		sbuf_str(&b, "?");
		sbuf_slice(&b, u.query);
	}
	sbuf_str(&b, " HTTP/1.1\r\nHost: ");
	sbuf_slice(&b, host);
	sbuf_str(&b, "\r\n");
	sbuf_slice(&b, x->conf.headers);
	if (!webget_put_range(x->core, &b))
		sbuf_slice(&b, x->conf.asked);
	webget_avoid(x->core, now_of(x), avoid, sizeof avoid);
	if (l->ask && *avoid)
		sbuf_printf(&b, "Nearcast-Avoid: %s\r\n", avoid);
	sbuf_str(&b, "Connection: close\r\n\r\n");
	return b.full ? -EMSGSIZE : stream_write(l->stream, b.p, b.n);
}

static const struct stream_ops stream_ops;

static void link_open(struct exchange *x, const struct failover_action *a, bool ask)
{
	const char *url = ask ? webget_ask_url(x->core) : a->url;
	struct link *l = NULL;
	struct addr at;
	int err;

	for (int i = 0; i < LINKS && !l; i++)
		if (!x->link[i].id)
			l = &x->link[i];
	if (!l)
		return; /* cannot be: the core has as many, and releases first */
	*l = (struct link){.x = x, .id = a->id, .ask = ask, .began = now_of(x)};
	snprintf(l->url, sizeof l->url, "%s", url);
	snprintf(l->node, sizeof l->node, "%s", ask ? x->host : a->node);
	response_init(&l->response, x->conf.to_head);
	err = client_address(url, x->host, &x->conf.anycast, &at);
	if (!err)
		l->stream = stream_connect(
			x->conf.loop, &at, NULL, &stream_ops, l, MAX_IN, MAX_OUT, &err);
	if (l->stream)
		err = send_request(l);
	if (!err)
		return;
	const char *why =
		err == -EADDRNOTAVAIL ? "a redirection to a host by its name" : strerror(-err);
	report_error(&x->report, l->node, 0, why, now_of(x));
	webget_lost(x->core, a->id, why, now_of(x));
	if (ask)
		link_close(l);
}

/* The connection that asked goes on as the attachment. */
static bool adopt(struct exchange *x, const struct failover_action *a)
{
	struct link *l = x->answering;

	if (!l || strcmp(a->url, x->conf.url) != 0)
		return false;
	x->answering = NULL;
	l->id = a->id;
	l->ask = false;
	snprintf(l->node, sizeof l->node, "%s", a->node);
	return true;
}

/* The attachment gives the bytes: its owner, and whoever reads events, learn of it. */
static void current(struct exchange *x, const struct failover_action *a, ns_t now)
{
	struct link *l = link_of(x, a->id);

	snprintf(x->node, sizeof x->node, "%s", a->node);
	if (a->kind == FO_CURRENT)
		report_object(&x->report, a->node, webget_object(x->core), now - x->began, now);
	else
		report_resumed_at(&x->report, a, webget_resumed(x->core), now);
	if (l && x->conf.ops->on_node)
		x->conf.ops->on_node(x->conf.arg, l->url);
}

static void act(struct exchange *x, const struct failover_action *a)
{
	ns_t now = now_of(x);
	struct link *l;

	switch (a->kind) {
	case FO_TRANSACT: link_open(x, a, true); return;
	case FO_ATTACH:
		if (a->from[0])
			report_failover(&x->report, a, now);
		if (!adopt(x, a))
			link_open(x, a, false);
		return;
	case FO_ABANDON:
	case FO_RELEASE:
		l = link_of(x, a->id);
		if (l)
			link_close(l);
		return;
	case FO_SUSPECT: report_suspect(&x->report, a, now); return;
	case FO_CURRENT:
	case FO_RESUMED: current(x, a, now); return;
	case FO_FALSE_ALARM: report_false_alarm(&x->report, a, now); return;
	case FO_GIVE_UP:
	case FO_NONE: return;
	}
}

static void do_actions(struct exchange *x)
{
	struct failover_action a;

	while (!x->dead && webget_next(x->core, &a) != FO_NONE)
		act(x, &a);
}

static void ended(struct exchange *x, const char *reason)
{
	x->told = true;
	loop_timer_at(x->timer, NS_NEVER);
	report_fetched(&x->report, reason, webget_why(x->core), webget_object(x->core),
		webget_delivered(x->core), now_of(x));
}

static void work(struct exchange *x)
{
	static const char *const reason[] = {[WEBGET_WHOLE] = "whole",
		[WEBGET_CHANGED] = "another object",
		[WEBGET_BROKEN] = "broken off",
		[WEBGET_NO_NODE] = "no node"};

	if (x->working || x->dead)
		return;
	x->working = true;
	do_actions(x);
	x->working = false;
	enum webget_state s = webget_state(x->core);
	if (x->dead || x->told)
		return;
	if (s == WEBGET_GOING) {
		loop_timer_at(x->timer, webget_when(x->core));
		return;
	}
	ended(x, reason[s]);
	x->conf.ops->on_over(x->conf.arg, s, webget_why(x->core));
}

/* ---- what connections tell ---- */

/* A head that led elsewhere, or nowhere; or said that all is there. */
static void tell_head(struct link *l, const struct text_msg *m)
{
	struct exchange *x = l->x;
	struct slice location = text_header(m, "Location");
	ns_t now = now_of(x);

	if (webget_state(x->core) == WEBGET_WHOLE)
		return;
	if (m->status < 400 && location.p)
		report_transaction(&x->report, l->node, now - l->began, location, now);
	else
		report_error(&x->report, l->node, m->status, webget_why(x->core), now);
}

static void keep_head(struct link *l, struct slice bytes)
{
	if (webget_object(l->x->core))
		return; /* it has been handed on: this one is of the rest */
	l->head = malloc(bytes.n);
	if (l->head)
		memcpy(l->head, bytes.p, bytes.n);
	l->heads = l->head ? bytes.n : 0;
}

static void on_response_head(struct link *l, const struct text_msg *m, struct slice bytes)
{
	struct exchange *x = l->x;
	int id = l->id;
	enum webget_use use = webget_head(x->core, id, m, l->response.length, now_of(x));

	if (use == WEBGET_ADOPT) {
		x->answering = l;
		do_actions(x);
		x->answering = NULL;
		if (l->id && l->id != id)
			use = webget_head(x->core, l->id, m, l->response.length, now_of(x));
	}
	if (use == WEBGET_USE) {
		keep_head(l, bytes);
		report_attached(&x->report, l->node, now_of(x) - l->began, now_of(x));
	} else {
		l->done = true;
		tell_head(l, m);
	}
}

static void deliver(struct link *l, struct webget_bytes b)
{
	struct exchange *x = l->x;
	struct text_msg m;

	if (b.first) {
		if (text_parse_head(&m, l->head, l->heads, 0) <= 0)
			m = (struct text_msg){.response = true}; /* there was no memory for it */
		x->conf.ops->on_head(x->conf.arg, &m, webget_object(x->core), l->url);
	}
	if (b.data.n && !x->dead)
		x->conf.ops->on_body(x->conf.arg, b.data);
}

static void fail(struct link *l, const char *why)
{
	struct exchange *x = l->x;

	if (l->done)
		return;
	l->done = true;
	if (webget_state(x->core) == WEBGET_GOING)
		report_error(&x->report, l->node, 0, why, now_of(x));
	webget_lost(x->core, l->id, why, now_of(x));
}

/* The owner is busy, and these would be for it. Another node's first bytes still go through, or the
 * core would take that node for a silent one. */
static bool blocked(const struct link *l)
{
	return l->x->held && l->id == webget_current(l->x->core);
}

/* One step of a response. False: that was all for now. */
static bool step(struct link *l, struct slice in, size_t *used)
{
	struct exchange *x = l->x;
	struct slice piece;
	struct text_msg m;

	switch (response_take(&l->response, in, used, &m, &piece)) {
	case RESPONSE_MORE: return false;
	case RESPONSE_HEAD: on_response_head(l, &m, piece); return true;
	case RESPONSE_BODY: deliver(l, webget_body(x->core, l->id, piece, now_of(x))); return true;
	case RESPONSE_END:
		l->done = true;
		deliver(l, webget_end(x->core, l->id, now_of(x)));
		return false;
	case RESPONSE_BAD: fail(l, response_why(&l->response)); return false;
	}
	return false;
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct link *l = arg;
	struct exchange *x = l->x;
	size_t at = 0, used = 0;
	bool more = true;

	enter(x);
	while (more && !x->dead && !l->done && l->id && !blocked(l)) {
		more = step(l, (struct slice){(const char *)p + at, n - at}, &used);
		at += used;
	}
	if (!x->dead && l->done)
		at = n;
	if (!x->dead && l->done && l->ask)
		link_close(l); /* whether or not the host does so, too */
	if (!x->dead && l->stream && blocked(l))
		stream_hold(l->stream, true);
	work(x);
	leave(x);
	return at;
}

static void on_close(void *arg, int err)
{
	struct link *l = arg;
	struct exchange *x = l->x;

	enter(x);
	stream_free(l->stream);
	l->stream = NULL;
	if (!l->done && !err && response_closed(&l->response)) {
		l->done = true;
		deliver(l, webget_end(x->core, l->id, now_of(x)));
	} else {
		fail(l, err ? strerror(-err) : "it closed the connection");
	}
	if (!x->dead && l->ask)
		link_close(l);
	work(x);
	leave(x);
}

static const struct stream_ops stream_ops = {.on_data = on_data, .on_close = on_close};

/* ---- time ---- */

/* Something has come that we have not looked at yet. */
static bool bytes_wait(const struct exchange *x)
{
	int n = 0;

	for (int i = 0; i < LINKS; i++)
		if (x->link[i].id && x->link[i].stream && !x->held &&
			ioctl(stream_fd(x->link[i].stream), FIONREAD, &n) == 0 && n > 0)
			return true;
	return false;
}

static void on_timer(void *arg)
{
	struct exchange *x = arg;

	if (bytes_wait(x)) {
		loop_timer_at(x->timer, now_of(x) + PAUSE);
		return;
	}
	enter(x);
	webget_tick(x->core, now_of(x));
	work(x);
	leave(x);
}

/* ---- its owner ---- */

static char *copy(char **at, const char *p, size_t n)
{
	char *to = *at;

	memcpy(to, p, n);
	to[n] = '\0';
	*at += n + 1;
	return to;
}

/* One piece of memory for all strings. */
static int copy_conf(struct exchange *x, const struct exchange_conf *c)
{
	size_t url = strlen(c->url), home = strlen(c->home), name = c->name ? strlen(c->name) : 0;
	char *at = malloc(url + home + name + c->headers.n + c->asked.n + 5);

	if (!at)
		return -ENOMEM;
	x->text = at;
	x->conf = *c;
	x->conf.url = copy(&at, c->url, url);
	x->conf.home = copy(&at, c->home, home);
	if (c->name)
		x->conf.name = copy(&at, c->name, name);
	x->conf.headers.p = copy(&at, c->headers.p ? c->headers.p : "", c->headers.n);
	x->conf.asked.p = copy(&at, c->asked.p ? c->asked.p : "", c->asked.n);
	return 0;
}

struct exchange *exchange_new(const struct exchange_conf *c)
{
	struct exchange *x = calloc(1, sizeof *x);
	struct url u;

	if (!x)
		return NULL;
	if (copy_conf(x, c) == 0) {
		struct webget_conf w = {.url = x->conf.url,
			.home = x->conf.home,
			.to_head = c->to_head,
			.follow = c->follow};
		x->core = webget_new(&w);
		x->timer = loop_timer_new(c->loop, on_timer, x);
	}
	if (!x->core || !x->timer || url_parse(&u, slice_of(x->conf.url)) < 0 ||
		slice_copy(u.host, x->host, sizeof x->host) < 0) {
		loop_timer_free(x->timer);
		webget_free(x->core);
		free(x->text);
		free(x);
		return NULL;
	}
	report_init(&x->report, x->conf.name);
	return x;
}

void exchange_start(struct exchange *x)
{
	enter(x);
	x->began = now_of(x);
	report_start(&x->report, x->conf.url, x->began);
	webget_start(x->core, x->began);
	work(x);
	leave(x);
}

void exchange_hold(struct exchange *x, bool hold)
{
	if (x->dead || x->told || x->held == hold)
		return;
	enter(x);
	x->held = hold;
	webget_held(x->core, hold, now_of(x));
	for (int i = 0; i < LINKS && !x->dead && !hold; i++) {
		struct link *l = &x->link[i];
		if (!l->id || !l->stream)
			continue;
		stream_hold(l->stream, false);
		stream_again(l->stream);
	}
	if (x->busy == 1) /* else whoever called us does so in the end */
		work(x);
	leave(x);
}

void exchange_stop(struct exchange *x, const char *reason)
{
	if (!x->dead && !x->told)
		ended(x, reason);
}

int64_t exchange_delivered(const struct exchange *x)
{
	return webget_delivered(x->core);
}

void exchange_progress(const struct exchange *x)
{
	report_progress(&x->report, x->node, webget_delivered(x->core), now_of(x));
}

bool exchange_home_refused(const struct exchange *x)
{
	return webget_home_refused(x->core);
}
