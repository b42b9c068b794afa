/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/accounts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/event.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "lib/udp.h"
#include "sn-agent/attach_door.h"
#include "sn-agent/load.h"
#include "sn-agent/rtsp_door.h"
#include "sn-agent/survey_door.h"
#include "sn-agent/web_door.h"

#define RING_BYTES (64 * 1024 * 1024) /* of one medium: 10 s of 50 Mbit/s */
#define PRIME_SKEW (10 * NS_S)        /* between an ARN's clock and ours */
#define SELFCHECK  NS_S               /* how often */
#define DAD        (5 * NS_S)         /* one or two seconds with the system's defaults */

static uint64_t unguessable(void)
{
	uint64_t v;

	while (getrandom(&v, sizeof(v), 0) != sizeof(v))
		;
	return v;
}

/* ---- drain and stop ---- */

void agent_drain(struct agent *a, bool drain)
{
	if (a->rtsp.draining == drain)
		return;
	a->rtsp.draining = drain;
	if (a->primes)
		primes_set_draining(a->primes, drain);
	log_msg(NLOG_INFO, drain ? "draining: no new sessions" : "taking sessions again");
	event_emit(drain ? "drain" : "undrain", loop_now(a->loop), NULL);
	announcer_now(a->announcer);
}

static void on_stop(void *arg, int signo)
{
	struct agent *a = arg;

	if (a->stopping) {
		loop_stop(a->loop);
		return;
	}
	log_msg(NLOG_INFO, "signal %d: stopping, %d sessions have %lld ms", signo,
		a->rtsp.sessions.players, (long long)(a->conf.drain_timeout / NS_MS));
	agent_drain(a, true);
	announcer_goodbye(a->announcer);
	a->stopping = true;
	a->stop_by = loop_now(a->loop) + a->conf.drain_timeout;
	loop_timer_at(a->house, 0);
}

static void on_reload(void *arg, int signo)
{
	struct agent *a = arg;
	struct conf_errors e = {.n = 0};

	(void)signo;
	if (agent_reload(a, &e))
		log_msg(NLOG_CONF, "not reloaded: %s", e.text);
}

/* ---- announcements ---- */

static bool healthy(const struct agent *a)
{
	return a->server && server_addr(a->server) && selfcheck_healthy(a->selfcheck);
}

void agent_announcement(void *arg, struct announce *n)
{
	const struct agent *a = arg;
	const struct sn_conf *c = &a->conf;
	ns_t now = loop_now(a->loop);

	snprintf(n->id, sizeof(n->id), "%s", c->name);
	memcpy(n->place, c->place, sizeof(n->place));
	n->addr = c->address;
	n->rtsp_port = (uint16_t)c->rtsp.port;
	n->http_port = a->web && !web_serves(a->web) ? 0 : (uint16_t)c->http.port;
	n->draining = a->rtsp.draining;
	n->healthy = healthy(a);
	n->delay_us = selfcheck_delay_us(a->selfcheck);
	n->trouble = selfcheck_trouble(a->selfcheck);
	n->sessions = (uint32_t)(a->rtsp.sessions.players + web_visitors(a->web, now));
	n->max_sessions = (uint32_t)c->capacity.sessions;
	n->kbps = load_committed(&a->rtsp.sessions, a->kbps, now) + web_kbps(a->web, now);
	n->max_kbps = (uint64_t)c->capacity.kbps;
	n->weight = (uint16_t)c->announce.weight;
	if (a->primes) {
		n->control_port = (uint16_t)c->prime.port;
		n->generation = primes_generation(a->primes);
		n->primes = primes_services(a->primes);
	}
	n->interval_ms = (uint32_t)(c->announce.interval / NS_MS);
	n->attached = a->rtsp.attached;
	n->attaches = attach_door_takes(a->attach);
	load_channels(&a->channels, n, ANNOUNCE_CHANNELS);
	n->refused = (uint16_t)refusals_list(&a->rtsp.refusals, now, n->refuses);
}

static void health_changed(void *arg, bool ok, const char *why)
{
	struct agent *a = arg;

	log_msg(ok ? NLOG_INFO : NLOG_ERROR, "the service %s: %s", ok ? "works" : "does not work",
		why);
	struct js *e = js_object();
	js_put_str(e, "reason", why);
	event_emit(ok ? "healthy" : "unhealthy", loop_now(a->loop), e);
	announcer_now(a->announcer);
}

/* ---- start and end ---- */

static int complain(const char *what, int err)
{
	log_msg(NLOG_ERROR, "%s: %s", what, strerror(-err));
	return EX_UNAVAILABLE;
}

/* An IPv6 address that an interface was just given cannot be used before the kernel has asked
 * whether another host has it (RFC 4862, 5.4). A node that starts together with its host waits for
 * that; nothing else is to be done before it. */
static void await_address(const struct addr *at)
{
	ns_t deadline = clock_now() + DAD;
	char text[ADDR_STRLEN];

	for (bool told = false; at->sa.sa_family == AF_INET6; told = true) {
		int fd = udp_open(at, 0, 0);

		if (fd >= 0)
			close(fd);
		if (fd != -EADDRNOTAVAIL || clock_now() >= deadline)
			return;
		if (!told)
			log_msg(NLOG_INFO, "%s is not usable yet: waiting", addr_host(at, text));
		poll(NULL, 0, 50);
	}
}

/* The interface that what goes to groups leaves by. */
static int open_groups(struct agent *a)
{
	struct groups_conf gc;
	char text[ADDR_STRLEN];
	int err = 0;

	agent_groups_conf(&a->conf, &gc);
	groups_init(&a->rtsp.groups, &gc, &a->relay, &agent_group_ops, a);
	if (!*a->conf.multicast.groups)
		return 0;
	snprintf(a->group_interface, sizeof(a->group_interface), "%s", a->conf.multicast.interface);
	if (!*a->group_interface)
		err = udp_interface(&a->conf.address, a->group_interface);
	if (err) {
		log_msg(NLOG_ERROR, "multicast: no interface has the address %s: %s",
			addr_host(&a->conf.address, text), strerror(-err));
		return EX_UNAVAILABLE;
	}
	err = media_set_groups(a->media, a->group_interface, gc.ttl);
	return err ? complain(a->group_interface, err) : 0;
}

static int open_overlay(struct agent *a)
{
	const struct sn_conf *c = &a->conf;
	const struct overlay_conf oc = {.unicast = c->address,
		.address = c->overlay.address,
		.vxlan = (uint16_t)c->overlay.port,
		.rtsp = (uint16_t)c->rtsp.port,
		.mtu = c->overlay.mtu,
		.media = a->media,
		.server = a->server,
		.feeds = a->feeds};
	char why[256];

	if (!c->overlay.address.sa.sa_family)
		return 0;
	a->overlay = overlay_new(a->loop, &oc, why);
	if (!a->overlay) {
		log_msg(NLOG_ERROR, "%s", why);
		return EX_UNAVAILABLE;
	}
	agent_set_neighbours(a);
	return 0;
}

static int open_service(struct agent *a)
{
	struct addr rtp = a->conf.address, at = a->conf.address;
	struct server_conf sc = agent_server_conf(&a->conf);
	struct rtsp_conf rc;
	char what[128], text[ADDR_STRLEN];
	int err;

	err = agent_set_libraries(a);
	if (err) {
		snprintf(what, sizeof(what), "room for films in %.100s",
			*a->conf.vod.cache ? a->conf.vod.cache : "memory");
		return complain(what, err);
	}
	rc = agent_rtsp_conf(a);
	channels_init(&a->channels, a->conf.ring, RING_BYTES, a->conf.linger);
	relay_init(&a->relay, &agent_relay_io, a);
	a->relay.delay = a->conf.relay.delay;
	rtsp_init(&a->rtsp, &rc, &a->channels, &a->relay, unguessable);
	await_address(&a->conf.address);
	addr_set_port(&rtp, (uint16_t)a->conf.rtp.port);
	a->media = media_new(a->loop, &rtp, &a->rtsp, &a->relay, &err);
	if (!a->media) {
		snprintf(what, sizeof(what), "RTP on UDP %s", addr_str(&rtp, text));
		return complain(what, err);
	}
	err = open_groups(a);
	if (err)
		return err;
	addr_set_port(&at, (uint16_t)a->conf.rtsp.port);
	a->server = server_new(a->loop, &at, &sc, &a->rtsp, &a->relay, &agent_server_ops, a, &err);
	if (!a->server) {
		snprintf(what, sizeof(what), "RTSP on TCP %s", addr_str(&at, text));
		return complain(what, err);
	}
	a->feeds = feeds_new(a->loop, a->conf.name, a->software, &a->conf.address, &a->channels,
		&a->relay, &agent_feed_ops, a);
	if (!a->feeds || agent_set_upstreams(a))
		return complain("upstreams", -ENOMEM);
	err = open_overlay(a);
	if (err)
		return err;
	a->selfcheck =
		selfcheck_new(a->loop, &at, a->media, unguessable, SELFCHECK, health_changed, a);
	return a->selfcheck ? 0 : complain("self check", -ENOMEM);
}

/* Who has keys can be primed by ARNs that have them too. */
static int open_primes(struct agent *a)
{
	struct primes_conf pc = {.name = a->conf.name,
		.control = a->conf.address,
		.skew = PRIME_SKEW,
		.keys = &a->keys,
		.ports = agent_ports_conf(&a->conf),
		.service = {&rtsp_door_service, a->web ? &web_door_service : NULL},
		.arg = a};
	char what[128], text[ADDR_STRLEN];
	int err;

	if (!a->conf.interface[0] || !a->conf.prime.port)
		return 0;
	addr_set_port(&pc.control, (uint16_t)a->conf.prime.port);
	a->primes = primes_new(a->loop, &pc, &err);
	if (a->primes) {
		primes_offer(a->primes, SERVICE_HTTP, web_serves(a->web));
		return 0;
	}
	snprintf(what, sizeof(what), "primes on UDP %s", addr_str(&pc.control, text));
	return complain(what, err);
}

/* What is needed to tell who may have something: before anybody can ask. */
static int open_secrets(struct agent *a)
{
	char why[256] = "";

	a->own_keys.n = 1;
	for (int i = 0; i < WIRE_KEY_LEN; i += 8) {
		uint64_t v = unguessable();

		memcpy(a->own_keys.key[0].key + i, &v, 8);
	}
	if (secret_init() || agent_load_secrets(a, &a->conf, why)) {
		log_msg(NLOG_ERROR, "%s", *why ? why : "no source of random numbers");
		return EX_UNAVAILABLE;
	}
	return 0;
}

/* When all is there that counts. */
static int open_metrics(struct agent *a)
{
	char what[ADDR_STRLEN + 16];
	struct addr at;
	int err;

	a->metrics = metrics_new();
	if (!a->metrics)
		return complain("metrics", -ENOMEM);
	metrics_add(a->metrics, a->metric, agent_fill_metrics(a));
	if (!*a->conf.management)
		return 0;
	addr_parse(&at, slice_of(a->conf.management), 0);
	err = metrics_serve(a->metrics, a->loop, &at);
	snprintf(what, sizeof(what), "management %s", a->conf.management);
	return err ? complain(what, err) : 0;
}

static int open_management(struct agent *a)
{
	const struct sn_conf *c = &a->conf;
	char why[256];
	int err;

	a->ctl = ctl_new(a->loop, c->control, agent_commands, agent_n_commands, a, &err);
	if (!a->ctl)
		return complain(c->control, err);
	err = agent_set_cas(a);
	if (err)
		return complain(c->cas.listen, err);
	err = accounts_open(a);
	if (err)
		return complain("accounting", err);
	err = web_door_open(a);
	if (!err)
		err = open_primes(a);
	if (!err)
		err = attach_door_open(a);
	if (!err)
		err = survey_door_open(a);
	if (!err)
		err = open_metrics(a);
	if (err)
		return err;
	if (c->interface[0]) {
		a->announcer = announcer_new(a->loop, c->name, &c->announce.group, c->interface,
			&a->keys, agent_announcement, a, why);
		if (!a->announcer) {
			log_msg(NLOG_ERROR, "%s", why);
			return EX_UNAVAILABLE;
		}
	}
	return 0;
}

static int open_loop(struct agent *a)
{
	a->loop = loop_new();
	if (!a->loop)
		return complain("event loop", -ENOMEM);
	a->house = loop_timer_new(a->loop, agent_house_keeping, a);
	a->catch_up = loop_timer_new(a->loop, agent_catch_up, a);
	a->turn = loop_timer_new(a->loop, agent_turn, a);
	a->sigterm = loop_signal_new(a->loop, SIGTERM, on_stop, a);
	a->sigint = loop_signal_new(a->loop, SIGINT, on_stop, a);
	a->sighup = loop_signal_new(a->loop, SIGHUP, on_reload, a);
	if (!a->house || !a->catch_up || !a->turn || !a->sigterm || !a->sigint || !a->sighup)
		return complain("event loop", -ENOMEM);
	a->started = loop_now(a->loop);
	return 0;
}

static int open_events(struct agent *a)
{
	int err = event_open_file(a->conf.events);

	return err ? complain(a->conf.events, err) : 0;
}

static void close_all(struct agent *a)
{
	announcer_goodbye(a->announcer);
	announcer_free(a->announcer);
	ctl_free(a->ctl);
	metrics_free(a->metrics);
	selfcheck_free(a->selfcheck);
	web_quit(a->web);
	survey_door_free(a->survey);
	attach_door_free(a->attach);
	primes_free(a->primes);
	web_free(a->web);
	casd_free(a->casd);
	overlay_free(a->overlay);
	server_free(a->server);
	ledger_free(a->ledger);
	feeds_free(a->feeds);
	channels_free(&a->channels);
	films_free(a->films);
	free(a->library);
	media_free(a->media);
	loop_timer_free(a->house);
	loop_timer_free(a->catch_up);
	loop_timer_free(a->turn);
	loop_signal_free(a->sigterm);
	loop_signal_free(a->sigint);
	loop_signal_free(a->sighup);
	if (a->loop)
		event_emit("stopped", loop_now(a->loop), NULL);
	loop_free(a->loop);
	event_close();
	wire_keys_wipe(&a->keys);
	wire_keys_wipe(&a->token_keys);
	wire_keys_wipe(&a->own_keys);
	userlist_free(&a->users);
	conf_free(sn_daemon.options, &a->conf);
}

static void say_ready(struct agent *a)
{
	char text[ADDR_STRLEN];
	struct js *e = js_object();

	log_msg(NLOG_INFO, "%s serves RTSP at %s", a->conf.name,
		addr_str(server_addr(a->server), text));
	js_put_str(e, "name", a->conf.name);
	js_put_str(e, "rtsp", text);
	event_emit("started", a->started, e);
}

int agent_run(struct sn_conf *conf, const char *conf_path)
{
	struct agent *a = calloc(1, sizeof(*a));
	int code;

	if (!a)
		return EX_OSERR;
	a->conf = *conf;
	a->silent = a->refused = (struct log_limit)LOG_LIMIT_INIT;
	a->conf_path = conf_path;
	snprintf(a->software, sizeof(a->software), "nearcast-sn/%s", PACKAGE_VERSION);
	log_open("sn-agent", (enum log_level)a->conf.log_level);
	code = open_events(a);
	if (!code)
		code = open_loop(a);
	if (!code)
		code = open_secrets(a);
	if (!code)
		code = open_service(a);
	if (!code)
		code = open_management(a);
	if (!code) {
		loop_timer_at(a->house, a->started);
		say_ready(a);
		loop_run(a->loop);
		log_msg(NLOG_INFO, "stopped");
	}
	close_all(a);
	free(a);
	return code;
}
