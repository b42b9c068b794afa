/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/flooder.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/lots.h"

struct flooder {
	struct loop *loop;
	struct sites *sites;
	const struct directory *directory;
	struct flood *core;
	struct loop_timer *timer;
	struct announce *node; /* the own nodes, as they are told */
	const struct announce **list;
	int room;
	bool told; /* that there are any */
	struct log_limit log_full;
};

static void on_send(void *arg, int link, const uint8_t *payload, size_t n)
{
	struct flooder *f = arg;

	sites_flood(f->sites, link, payload, n);
}

static void work(struct flooder *f)
{
	ns_t now = loop_now(f->loop);

	if (flood_when(f->core) <= now)
		flood_run(f->core, now, clock_wall(), on_send, f);
	loop_timer_at(f->timer, flood_when(f->core));
}

static void on_timer(void *arg)
{
	work(arg);
}

static const char *on_message(
	void *arg, int site, uint64_t sender, const uint8_t *payload, size_t n)
{
	struct flooder *f = arg;
	struct flood_msg m;
	const char *why;
	int err;

	if (flood_msg_decode(&m, payload, n, &why) < 0)
		return why;
	if (wire_sender_id(m.from) != sender)
		return "sealed by another than it names";
	why = NULL;
	err = flood_hear(f->core, site, &m, loop_now(f->loop), clock_wall(), &why);
	if (err == -ENOSPC)
		log_limited(&f->log_full, NLOG_WARN,
			"flood: there is no room for the record of ARN %s; see flood.records",
			m.origin);
	work(f);
	return err == -EINVAL ? why : NULL;
}

/* ---- the own nodes ---- */

static bool make_room(struct flooder *f, int n)
{
	void *p;

	if (n <= f->room)
		return true;
	p = realloc(f->node, (size_t)n * sizeof(*f->node));
	if (p)
		f->node = p;
	if (p)
		p = realloc(f->list, (size_t)n * sizeof(*f->list));
	if (!p)
		return false;
	f->list = p;
	f->room = n;
	return true;
}

/* As a far ARN is to see it: with the health that is found here. */
static bool as_told(const struct directory_view *v, struct announce *a)
{
	const enum health_verdict rtsp = v->health->of[TEXT_RTSP].verdict;
	const enum health_verdict http = v->health->of[TEXT_HTTP].verdict;

	if (v->far || !v->heard || !v->node->control_port)
		return false; /* another site tells of it; or nobody could measure the way to it */
	*a = *v->node;
	if ((a->rtsp_port && rtsp == HEALTH_BROKEN) || (a->http_port && http == HEALTH_BROKEN))
		a->healthy = false;
	return true;
}

static int gather(struct flooder *f)
{
	int count = directory_count(f->directory), n = 0;
	struct directory_view v;

	if (!make_room(f, count))
		return 0;
	for (int i = 0; i < count && directory_view(f->directory, i, &v); i++) {
		f->list[n] = &f->node[n];
		n += as_told(&v, &f->node[n]);
	}
	return n;
}

void flooder_look(struct flooder *f, bool tells)
{
	int n = tells ? gather(f) : 0;

	if (n || f->told)
		flood_tell(f->core, f->list, n, loop_now(f->loop));
	f->told = n > 0;
	work(f);
}

void flooder_retell(struct flooder *f)
{
	flood_retell(f->core, loop_now(f->loop));
}

void flooder_goodbye(struct flooder *f)
{
	flood_goodbye(f->core, loop_now(f->loop));
	work(f);
}

/* ---- life ---- */

struct flooder *flooder_new(struct loop *l, const struct flood_conf *c,
	const struct flood_events *e, struct sites *s, const struct directory *d)
{
	struct flooder *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct flooder){.loop = l, .sites = s, .directory = d, .log_full = LOG_LIMIT_INIT};
	f->core = flood_new(c, e, lots_seed(), loop_now(l));
	f->timer = loop_timer_new(l, on_timer, f);
	if (!f->core || !f->timer) {
		flooder_free(f);
		return NULL;
	}
	sites_on_flood(s, on_message, f);
	return f;
}

void flooder_free(struct flooder *f)
{
	if (!f)
		return;
	sites_on_flood(f->sites, NULL, NULL);
	loop_timer_free(f->timer);
	flood_free(f->core);
	free(f->node);
	free(f->list);
	free(f);
}

const struct flood *flooder_core(const struct flooder *f)
{
	return f->core;
}

struct show {
	struct js *list;
	ns_t now;
};

static struct js *show_nodes(const struct flood_view *v)
{
	struct js *list = js_array();
	const uint8_t *p = v->body;
	char text[ADDR_STRLEN];

	for (int i = 0; i < v->nodes; p += v->len[i++]) {
		struct announce a;
		const char *why;
		struct js *o;

		if (announce_decode(&a, p, v->len[i], &why) < 0)
			continue;
		o = js_object();
		js_put_str(o, "node", a.id);
		js_put_str(o, "address", addr_host(&a.addr, text));
		js_put_bool(o, "healthy", a.healthy);
		js_put_bool(o, "draining", a.draining);
		js_put_int(o, "sessions", a.sessions);
		js_put_int(o, "max_sessions", a.max_sessions);
		js_put_int(o, "kbps", (int64_t)a.kbps);
		js_put_int(o, "max_kbps", (int64_t)a.max_kbps);
		js_push(list, o);
	}
	return list;
}

static void show_record(void *arg, const struct flood_view *v)
{
	const struct show *s = arg;
	struct js *o = js_object();

	js_put_str(o, "arn", v->origin);
	js_put_int(o, "part", v->part);
	js_put_int(o, "hops", v->hops);
	js_put_real(o, "heard_s_ago", (double)(s->now - v->heard_at) / NS_S);
	js_put_real(o, "left_s", (double)(v->expires - s->now) / NS_S);
	js_put(o, "nodes", show_nodes(v));
	js_push(s->list, o);
}

struct js *flooder_show(const struct flooder *f)
{
	struct show s = {.list = js_array(), .now = loop_now(f->loop)};

	flood_each(f->core, show_record, &s);
	return s.list;
}
