/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/prober.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/event.h"
#include "lib/log.h"
#include "lib/lots.h"

/* A probe under way. */
struct run {
	LIST_ENTRY(run) entry;
	struct prober *owner;
	struct health_probe what;
	struct probe *probe;
};

struct prober {
	struct loop *loop;
	struct prober_conf conf;
	struct directory *directory;
	struct health *health;
	struct loop_timer *timer;
	LIST_HEAD(, run) runs;
	int64_t running; /* also those whose outcome nobody wants any more */
	struct log_limit log_void;
};

static const char *const service_name[] = {[TEXT_HTTP] = "http", [TEXT_RTSP] = "rtsp"};

/* ---- what has changed ---- */

static void emit_change(const char *event, const struct health_change *c, ns_t now)
{
	char at[ADDR_STRLEN];
	struct js *o;

	if (!event_wanted())
		return;
	o = js_object();
	js_put_str(o, "node", c->id);
	js_put_str(o, "service", service_name[c->service]);
	js_put_str(o, "address", addr_str(&c->addr, at));
	if (c->is == HEALTH_BROKEN)
		js_put_str(o, "reason", c->why);
	else
		js_put_real(o, "delay_ms", c->now.of[c->service].delay_us / 1000.0);
	if (c->is == HEALTH_QUARANTINED) {
		js_put_real(o, "seconds", (double)c->quarantine / NS_S);
		js_put_int(o, "strikes", c->strikes);
	}
	event_emit(event, now, o);
}

static void tell_change(const struct health_change *c, ns_t now)
{
	char at[ADDR_STRLEN];
	const char *service = service_name[c->service];

	addr_str(&c->addr, at);
	if (c->is == HEALTH_BROKEN) {
		log_msg(NLOG_WARN, "node %s: %s at %s %s", c->id, service, at, c->why);
		emit_change("service-down", c, now);
	} else if (c->is == HEALTH_QUARANTINED) {
		log_msg(NLOG_INFO,
			"node %s: %s at %s answers; in quarantine for %lld ms (strike %d)", c->id,
			service, at, (long long)(c->quarantine / NS_MS), c->strikes);
		emit_change("service-quarantined", c, now);
	} else if (c->is == HEALTH_WORKS) {
		log_msg(NLOG_INFO, "node %s: %s at %s works", c->id, service, at);
		emit_change("service-up", c, now);
	}
}

static void on_change(void *arg, const struct health_change *c)
{
	struct prober *p = arg;

	if (c->is != c->was)
		tell_change(c, loop_now(p->loop));
	directory_judge(p->directory, c->id, &c->now);
}

/* ---- probes ---- */

static void end_run(struct run *r, const struct probe_outcome *o)
{
	struct prober *p = r->owner;
	char at[ADDR_STRLEN];

	if (o->result == PROBE_VOID)
		log_limited(&p->log_void, NLOG_WARN, "cannot ask %s at %s whether it works: %s",
			r->what.id, addr_str(&r->what.at, at), o->why);
	LIST_REMOVE(r, entry);
	p->running--;
	health_result(p->health, &r->what, o, loop_now(p->loop));
	free(r);
}

static void arm(struct prober *p)
{
	ns_t when = health_when(p->health);

	/* Until there is room again: then on_outcome() comes here. */
	if (p->running >= p->conf.health.concurrent && when <= loop_now(p->loop))
		when = NS_NEVER;
	loop_timer_at(p->timer, when);
}

static void on_outcome(void *arg, const struct probe_outcome *o)
{
	struct run *r = arg;
	struct prober *p = r->owner;

	end_run(r, o);
	arm(p);
}

static void begin_run(struct prober *p, const struct health_probe *what)
{
	struct probe_outcome none = {.result = PROBE_VOID};
	struct run *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (r) {
		*r = (struct run){.owner = p, .what = *what};
		LIST_INSERT_HEAD(&p->runs, r, entry);
		p->running++;
		r->probe = probe_start(p->loop, what->service, &what->at, p->conf.path,
			p->conf.timeout, on_outcome, r, &err);
		if (r->probe)
			return;
	}
	none.why = strerror(-err);
	if (r)
		end_run(r, &none);
	else
		health_result(p->health, what, &none, loop_now(p->loop));
}

static void on_timer(void *arg)
{
	struct prober *p = arg;
	ns_t now = loop_now(p->loop);
	struct health_probe what;

	health_tick(p->health, now);
	while (p->running < p->conf.health.concurrent && health_take(p->health, now, &what))
		begin_run(p, &what);
	arm(p);
}

/* ---- the nodes ---- */

static struct node_health on_known(void *arg, const struct announce *said, ns_t now)
{
	struct prober *p = arg;
	struct node_health health = health_watch(p->health, said, now);

	/* It may be due at once. Not from here: the directory is in the middle of it. */
	for (int i = 0; i < HEALTH_SERVICES; i++)
		if (health.of[i].verdict == HEALTH_UNKNOWN)
			arm(p);
	return health;
}

static void on_gone(void *arg, const char *id, bool lost, ns_t now)
{
	struct prober *p = arg;

	health_leave(p->health, id, lost, now);
	arm(p);
}

void prober_accuse(
	struct prober *p, const char *id, enum text_proto service, const struct addr *client)
{
	if (health_accuse(p->health, id, service, client, loop_now(p->loop)))
		arm(p);
}

/* ---- life ---- */

struct prober *prober_new(struct loop *l, const struct prober_conf *c, struct directory *d)
{
	struct prober *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct prober){.loop = l, .conf = *c, .directory = d, .log_void = LOG_LIMIT_INIT};
	LIST_INIT(&p->runs);
	p->health = health_new(&c->health, lots_seed(), on_change, p);
	p->timer = loop_timer_new(l, on_timer, p);
	if (!p->health || !p->timer) {
		prober_free(p);
		return NULL;
	}
	directory_watch(d, &(struct directory_watcher){on_known, on_gone, p});
	return p;
}

void prober_free(struct prober *p)
{
	struct run *r;

	if (!p)
		return;
	while ((r = LIST_FIRST(&p->runs))) {
		LIST_REMOVE(r, entry);
		probe_free(r->probe);
		free(r);
	}
	loop_timer_free(p->timer);
	health_free(p->health);
	free(p);
}

void prober_set_conf(struct prober *p, const struct prober_conf *c)
{
	p->conf = *c;
	health_set_conf(p->health, &c->health, loop_now(p->loop));
	arm(p);
}

const struct health *prober_health(const struct prober *p)
{
	return p->health;
}
