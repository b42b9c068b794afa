/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/web_door.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/event.h"
#include "lib/log.h"

/* ---- what the parts call ---- */

static void opened(void *arg, struct port *p, int err)
{
	struct agent *a = arg;

	primes_opened(a->primes, p, err);
}

static void visitor(void *arg, uint16_t number, bool comes)
{
	struct agent *a = arg;
	struct port *p = primes_port(a->primes, number);

	if (p && comes)
		ports_enter(p, loop_now(a->loop));
	else if (p && p->users)
		ports_leave(p, loop_now(a->loop));
}

static void changed(void *arg, bool serves, const char *why)
{
	struct agent *a = arg;
	struct js *e = js_object();

	log_msg(serves ? NLOG_INFO : NLOG_ERROR, "the web service %s: %s",
		serves ? "works" : "does not work", why);
	js_put_str(e, "reason", why);
	event_emit(serves ? "web_up" : "web_down", loop_now(a->loop), e);
	if (a->primes)
		primes_offer(a->primes, SERVICE_HTTP, serves);
	announcer_now(a->announcer);
}

/* Whoever accounts for what was sent finds it here. */
static void reported(void *arg, const struct web_report *r)
{
	(void)arg, (void)r;
}

static const struct web_ops ops = {opened, visitor, changed, reported};

/* ---- configuration ---- */

static void settings_of(const struct agent *a, struct web_settings *s)
{
	const struct sn_conf *c = &a->conf;
	struct web_conf *w = &s->conf;

	*s = (struct web_settings){
		.nginx = c->web.nginx, .access = &a->rtsp.conf.access, .session = c->web.session};
	snprintf(w->name, sizeof(w->name), "%s", c->name);
	snprintf(w->folder, sizeof(w->folder), "%s", c->web.folder);
	if (geteuid() == 0)
		snprintf(w->user, sizeof(w->user), "%s", c->web.user);
	w->address = c->address;
	w->port = (uint16_t)c->http.port;
	w->size = c->web.size;
	w->slice = c->web.slice;
	w->workers = c->web.workers;
	w->connections = c->web.connections;
	w->inactive = c->web.inactive;
	w->fresh = c->web.fresh;
	snprintf(w->log, sizeof(w->log), "%s", c->web.log);
	snprintf(w->origin.host, sizeof(w->origin.host), "%s", c->web.host);
	for (int i = 0; i < c->web.origin.n && i < PRIME_ORIGINS; i++)
		w->origin.origin[w->origin.origins++] = c->web.origin.addr[i];
}

int web_door_open(struct agent *a)
{
	struct web_settings s;
	char why[128];
	int err;

	if (!*a->conf.web.nginx)
		return 0;
	if (*a->conf.access.users)
		log_msg(NLOG_CONF, "access.users is for RTSP: the web cache asks for tokens only");
	settings_of(a, &s);
	a->web = web_new(a->loop, &s, &ops, a, why, &err);
	if (a->web)
		return 0;
	log_msg(NLOG_ERROR, "%s: %s", why, err == -EBUSY ? "another agent has it" : strerror(-err));
	return EX_UNAVAILABLE;
}

void web_door_reload(struct agent *a)
{
	struct web_settings s;

	if (!a->web)
		return;
	settings_of(a, &s);
	web_set(a->web, &s);
}

/* ---- primed ports ---- */

static int open_door(void *arg, struct port *p)
{
	return web_open(((struct agent *)arg)->web, p);
}

static void move_door(void *arg, struct port *p)
{
	web_moved(((struct agent *)arg)->web, p);
}

static void close_door(void *arg, struct port *p)
{
	web_close(((struct agent *)arg)->web, p);
}

const struct primes_service web_door_service = {
	SERVICE_HTTP, open_door, move_door, close_door, NULL};
