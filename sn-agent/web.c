/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/http.h"
#include "lib/httpd.h"
#include "lib/log.h"
#include "lib/udp.h"

#define ASKERS   256               /* connections of nginx that ask for admission */
#define REPORTS  (4 * 1024 * 1024) /* bytes of the socket's buffer */
#define CHECK    NS_S              /* from one check to the next */
#define STARTING (50 * NS_MS)      /* likewise, until it serves for the first time */
#define FALL     2                 /* failures in a row until it does not serve */
#define HUNG     5                 /* likewise, until it is killed */

struct web {
	struct loop *loop;
	const struct web_ops *ops;
	void *arg;
	struct web_conf conf;
	const struct rtsp_access *access;
	struct web_inside inside;
	struct web_server *server;
	struct visitors *visitors;
	struct httpd *admission;
	int reports; /* socket */
	struct loop_fd *watch;
	struct http *http;
	struct loop_timer *check;
	bool serves, asked;
	int failures;
	struct web_status status; /* the last that it told */
	struct web_rate rate;
	struct web_counters count;
	struct log_limit refusals;
	struct udp_msg batch[UDP_BATCH];
};

/* ---- who may have something ---- */

static void deny(struct web *w, struct httpd_answer *a, const struct visit *x, enum token_error e)
{
	char text[ADDR_STRLEN];

	w->count.refused++;
	log_limited(&w->refusals, NLOG_REMOTE, "%s: refused over HTTP, its token is %s",
		addr_host(&x->client, text), token_error_str(e));
	a->status = 403;
	a->header.name = "Nearcast-Token";
	snprintf(a->header.value, sizeof(a->header.value), "%s", token_error_str(e));
}

static void on_admission(void *arg, const struct httpd_request *r, struct httpd_answer *a)
{
	struct web *w = arg;
	struct visit x = {.uri = r->header(r, "Nearcast-Uri"),
		.now = loop_now(w->loop),
		.wall = clock_wall() / NS_S};
	unsigned long long port;
	const struct visitor *who;
	enum token_error e;

	a->text = calloc(1, 1);
	if (strcmp(r->path, "/admit") != 0 || !x.uri.n ||
		addr_parse(&x.client, r->header(r, "Nearcast-Client"), 0) ||
		slice_u64(r->header(r, "Nearcast-Port"), 65535, &port)) {
		a->status = 400;
		return;
	}
	x.port = (uint16_t)port;
	e = visitors_admit(w->visitors, w->access, &x, &who);
	if (e != TOKEN_OK)
		return deny(w, a, &x, e);
	a->status = 204;
	if (who && *who->session) {
		a->header.name = "Nearcast-Session";
		snprintf(a->header.value, sizeof(a->header.value), "%s", who->session);
	}
}

static void on_visitor(void *arg, uint16_t port, bool comes)
{
	struct web *w = arg;

	w->ops->visitor(w->arg, port, comes);
}

/* ---- what was sent ---- */

static void take_report(struct web *w, const struct web_report *r, ns_t now)
{
	w->count.requests++;
	w->count.bytes += r->bytes;
	w->count.cache[r->cache]++;
	w->count.failed += r->status >= 500;
	web_rate_add(&w->rate, r->bytes, r->took, now);
	if (r->status < 400)
		visitors_note(w->visitors, &r->client, r->port, now);
	w->ops->reported(w->arg, r);
}

static void on_reports(void *arg, int events)
{
	struct web *w = arg;
	int n = udp_recv(w->reports, w->batch, UDP_BATCH);
	ns_t now = loop_now(w->loop);
	struct web_report r;

	(void)events;
	for (int i = 0; i < n; i++) {
		struct slice text = {(const char *)w->batch[i].data, w->batch[i].len};

		if (web_report_parse(&r, text, w->inside.log_key))
			take_report(w, &r, now);
		else
			w->count.bad_reports++;
	}
}

/* ---- whether it answers ---- */

static void judge(struct web *w, const char *wrong)
{
	bool was = w->serves;

	w->failures = wrong ? w->failures + 1 : 0;
	if (!wrong)
		w->serves = true;
	else if (w->failures >= FALL || !web_server_runs(w->server))
		w->serves = false;
	if (w->failures >= HUNG && web_server_runs(w->server)) {
		log_msg(NLOG_ERROR, "nginx does not answer (%s): it is killed", wrong);
		w->failures = 0;
		web_server_restart(w->server);
	}
	if (w->serves != was)
		w->ops->changed(w->arg, w->serves, wrong ? wrong : "it answers");
}

static void on_status(void *arg, const char *why, const struct http_answer *a)
{
	struct web *w = arg;

	w->asked = false;
	if (!why && a->status != 200)
		why = "an error is the answer";
	if (!why && !web_status_parse(&w->status, a->body))
		why = "nonsense is the answer";
	judge(w, why);
}

static void on_check(void *arg)
{
	struct web *w = arg;
	struct addr at = w->conf.address;
	char host[ADDR_STRLEN], plain[ADDR_STRLEN], url[2 * ADDR_STRLEN];
	struct http_request r = {
		.url = url, .port = w->conf.port, .addr = &at, .addrs = 1, .etag = ""};

	addr_set_port(&at, w->conf.port);
	snprintf(url, sizeof(url), "http://%s:%u" WEB_STATUS, addr_urlhost(&at, host), r.port);
	r.host = addr_host(&at, plain);
	if (!w->asked && web_server_runs(w->server) && !http_get(w->http, &r, on_status, w))
		w->asked = true;
	loop_timer_at(w->check,
		loop_now(w->loop) + (w->serves || w->failures >= FALL ? CHECK : STARTING));
}

/* ---- nginx ---- */

static void on_opened(void *arg, struct port *p, int err)
{
	struct web *w = arg;

	w->ops->opened(w->arg, p, err);
}

static void on_ended(void *arg)
{
	struct web *w = arg;

	w->status = (struct web_status){0};
	judge(w, "nginx has ended");
	w->failures = 0;
}

static const struct web_server_ops server_ops = {on_opened, on_ended};

int web_open(struct web *w, struct port *p)
{
	int err = web_server_open(w->server, p);

	return err ? err : PRIMES_LATER;
}

void web_moved(struct web *w, struct port *p)
{
	web_server_moved(w->server, p);
}

void web_close(struct web *w, struct port *p)
{
	web_server_close(w->server, p);
	visitors_drop(w->visitors, p->number);
}

/* ---- life ---- */

static void tell_nginx(struct web *w)
{
	struct web_inside in = w->inside;

	if (w->access->mode == ACCESS_OFF)
		addr_set_port(&in.admission, 0);
	web_server_set_conf(w->server, &w->conf, &in);
}

void web_set(struct web *w, const struct web_settings *c)
{
	w->conf = c->conf;
	w->access = c->access;
	visitors_set_idle(w->visitors, c->session);
	tell_nginx(w);
}

static int make_key(char key[WEB_LOG_KEY])
{
	uint8_t bytes[(WEB_LOG_KEY - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(key + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* What nginx speaks to, on this host only. */
static int open_inside(struct web *w)
{
	struct addr *in = &w->inside.admission, *log = &w->inside.log;
	socklen_t len = sizeof(*log);
	int err;

	addr_parse(in, SLICE("127.0.0.1"), 0);
	*log = *in;
	w->admission = httpd_new(w->loop, in, ASKERS, on_admission, w, &err);
	if (!w->admission)
		return err;
	addr_set_port(in, httpd_port(w->admission));
	w->reports = udp_open(log, REPORTS, 0);
	if (w->reports < 0)
		return w->reports;
	if (getsockname(w->reports, &log->sa, &len) < 0)
		return -errno;
	w->watch = loop_fd_new(w->loop, w->reports, on_reports, w);
	err = w->watch ? loop_fd_want(w->watch, LOOP_READ) : -ENOMEM;
	return err ? err : make_key(w->inside.log_key);
}

static int start(struct web *w, const struct web_settings *c, char why[128])
{
	struct http_conf hc = {
		.timeout = CHECK - NS_S / 10, .body_max = 1024, .concurrent = 1, .ca_file = ""};
	int err = 0;

	snprintf(why, 128, "web service");
	w->visitors = visitors_new(c->session, on_visitor, w);
	w->http = http_new(w->loop, &hc);
	w->check = loop_timer_new(w->loop, on_check, w);
	if (!w->visitors || !w->http || !w->check)
		return -ENOMEM;
	err = open_inside(w);
	if (err)
		return err;
	snprintf(why, 128, "web.folder %.100s", c->conf.folder);
	w->server = web_server_new(w->loop, c->nginx, c->conf.folder, &server_ops, w, &err);
	if (!w->server)
		return err;
	tell_nginx(w);
	loop_timer_at(w->check, loop_now(w->loop) + STARTING);
	return 0;
}

struct web *web_new(struct loop *l, const struct web_settings *c, const struct web_ops *ops,
	void *arg, char why[128], int *err)
{
	struct web *w = calloc(1, sizeof(*w));

	*err = -ENOMEM;
	if (!w)
		return NULL;
	w->loop = l;
	w->ops = ops;
	w->arg = arg;
	w->conf = c->conf;
	w->access = c->access;
	w->reports = -1;
	w->refusals = (struct log_limit)LOG_LIMIT_INIT;
	*err = start(w, c, why);
	if (*err) {
		web_free(w);
		return NULL;
	}
	return w;
}

void web_free(struct web *w)
{
	if (!w)
		return;
	web_server_free(w->server);
	http_free(w->http);
	httpd_free(w->admission);
	loop_fd_free(w->watch);
	if (w->reports >= 0)
		close(w->reports);
	loop_timer_free(w->check);
	visitors_free(w->visitors);
	free(w);
}

void web_tick(struct web *w, ns_t now)
{
	if (w)
		visitors_expire(w->visitors, now);
}

void web_quit(struct web *w)
{
	if (w)
		web_server_quit(w->server);
}

bool web_ended(const struct web *w)
{
	return !w || !web_server_runs(w->server);
}

/* ---- what it says of itself ---- */

bool web_serves(const struct web *w)
{
	return w && w->serves;
}

int web_visitors(const struct web *w, ns_t now)
{
	int sending, active;

	if (!w)
		return 0;
	/* A long download is reported when it is over. One answer is the agent's own. */
	sending = w->status.sending ? (int)w->status.sending - 1 : 0;
	active = visitors_active(w->visitors, now);
	return sending > active ? sending : active;
}

uint64_t web_kbps(const struct web *w, ns_t now)
{
	return w ? web_rate_kbps(&w->rate, now) : 0;
}

const struct web_counters *web_counters(const struct web *w)
{
	static const struct web_counters none;

	return w ? &w->count : &none;
}

struct js *web_show(const struct web *w, ns_t now)
{
	static const char *const word[WEB_CACHES] = {[WEB_CACHE_NONE] = "none",
		[WEB_CACHE_HIT] = "hit",
		[WEB_CACHE_REVALIDATED] = "revalidated",
		[WEB_CACHE_STALE] = "stale",
		[WEB_CACHE_MISS] = "miss"};
	const struct web_server_counters *s;
	struct js *o = js_object(), *cache = js_object();

	js_put_bool(o, "serves", web_serves(w));
	for (int i = 0; i < WEB_CACHES; i++)
		js_put_int(cache, word[i], (int64_t)web_counters(w)->cache[i]);
	js_put(o, "cache", cache);
	js_put_int(o, "requests", (int64_t)web_counters(w)->requests);
	js_put_int(o, "bytes", (int64_t)web_counters(w)->bytes);
	js_put_int(o, "failed", (int64_t)web_counters(w)->failed);
	js_put_int(o, "refused", (int64_t)web_counters(w)->refused);
	js_put_int(o, "visitors", web_visitors(w, now));
	js_put_int(o, "kbps", (int64_t)web_kbps(w, now));
	if (!w)
		return o;
	s = web_server_counters(w->server);
	js_put_int(o, "pid", web_server_pid(w->server));
	js_put_int(o, "connections", (int64_t)w->status.active);
	js_put_int(o, "starts", (int64_t)s->starts);
	js_put_int(o, "reloads", (int64_t)s->reloads);
	js_put_int(o, "rejected", (int64_t)s->rejected);
	return o;
}
