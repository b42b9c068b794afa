/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/arn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arn/deadman.h"
#include "arn/reload.h"
#include "arn/scout_flood.h"
#include "lib/event.h"
#include "lib/log.h"

/* Loads change with every announcement: the nodes are published anew no more often than so. */
#define PUBLISH_GAP (5 * NS_MS)

/* ---- the guardian's line ---- */

static void tell_sites(struct arn *a);

/* A beat is as old as what the slowest of all threads has shown of itself. */
static void send_beat(struct arn *a)
{
	int who;
	ns_t now = loop_now(a->loop), vouched = crew_vouched(a->crew, &who);
	struct fate_beat b = {
		.sent = vouched < now ? vouched : now,
		.serving = true,
		.master = arn_is_master(a),
		.heir = !a->cluster || cluster_election(a->cluster)->heir,
		.draining = a->draining,
		.owned = a->cluster ? cluster_election(a->cluster)->owned : UINT64_MAX,
		.away = a->sites && sites_away(a->sites),
		.empty = directory_usable(a->directory) == 0,
		.busy = crew_busy(a->crew),
	};

	/* A guardian that does not read has its own switch to die by. */
	send(a->line, &b, sizeof(b), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_beat(void *arg)
{
	struct arn *a = arg;
	int who;
	ns_t silent = loop_now(a->loop) - crew_vouched(a->crew, &who);

	if (silent < a->conf.anycast.hang_bound)
		deadman_feed(a->deadman);
	if (silent > a->conf.anycast.hang_bound / 2)
		log_limited(&a->log_silent, NLOG_ERROR,
			"listener thread %d has not turned for %d ms", who, (int)(silent / NS_MS));
	tell_sites(a);
	send_beat(a);
	loop_timer_at(a->beat, loop_now(a->loop) + guardian_beat_interval(&a->conf));
}

static void reload_as_ordered(struct arn *a)
{
	struct conf_errors e;
	char fixed[CONF_NAME];

	if (arn_reload(a, &e, fixed) < 0) {
		arn_log_errors(&e);
		log_msg(NLOG_CONF, "configuration not reloaded: it stays as it was");
	} else if (*fixed) {
		log_msg(NLOG_CONF, "configuration reloaded; %s changes at the next start", fixed);
	} else {
		log_msg(NLOG_INFO, "configuration reloaded");
	}
}

/* Whoever is leaving says so before it is gone: the next one takes over at once. */
static void show_ability(struct arn *a)
{
	if (a->cluster)
		cluster_set_able(a->cluster, a->word.ready && !a->draining);
}

static void on_line(void *arg, int events)
{
	struct arn *a = arg;
	struct guardian_word w;

	(void)events;
	for (;;) {
		ssize_t n = recv(a->line, &w, sizeof(w), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n != sizeof(w)) {
			log_msg(NLOG_ERROR, "the guardian is gone");
			return loop_stop(a->loop);
		}
		a->word = w;
		show_ability(a);
		tell_sites(a);
		if (w.order == GUARDIAN_RELOAD)
			reload_as_ordered(a);
		if (w.order == GUARDIAN_FINISH) {
			if (a->cluster)
				cluster_goodbye(a->cluster);
			if (a->flooder)
				flooder_goodbye(a->flooder);
			return loop_stop(a->loop);
		}
	}
}

void arn_set_draining(struct arn *a, bool draining)
{
	a->draining = draining;
	show_ability(a);
	send_beat(a); /* now, not at the next beat */
}

/* ---- the other ARNs ---- */

/* Who else sends clients to the same nodes: its share of their room is not ours. */
static void share_nodes(struct arn *a)
{
	unsigned turn = 0, arns = 1;

	if (a->cluster)
		arns = election_active(cluster_election(a->cluster), &turn);
	directory_set_sharing(a->directory, arns, turn);
	if (a->flooder)
		flooder_look(a->flooder, turn == 0);
}

static void on_look(void *arg)
{
	struct arn *a = arg;

	share_nodes(a);
	directory_look(a->directory, loop_now(a->loop));
	if (a->overflow)
		overflow_look(a->overflow);
	loop_timer_at(a->look, loop_now(a->loop) + directory_look_interval(a->directory));
}

bool arn_is_master(const struct arn *a)
{
	return !a->cluster || cluster_election(a->cluster)->master;
}

static void on_election(void *arg)
{
	struct arn *a = arg;

	share_nodes(a);
	send_beat(a); /* the guardian raises or withdraws the block */
}

/* ---- other sites ---- */

static void on_turned(void *arg)
{
	struct arn *a = arg;

	event_emit(sites_away(a->sites) ? "site-away" : "site-back", loop_now(a->loop), NULL);
	send_beat(a);
}

/* What the other sites are told of this one. With a far node it need not go; but it is of no use to
 * others, who might be relying on that very node. */
static void tell_sites(struct arn *a)
{
	if (a->sites)
		sites_set(a->sites, directory_usable(a->directory) > 0,
			directory_usable_here(a->directory) > 0 && a->word.block == FATE_UP,
			&cluster_election(a->cluster)->addr);
}

/* ---- the nodes ---- */

static void on_node(void *arg, const struct directory_change *c)
{
	struct arn *a = arg;
	char address[ADDR_STRLEN];
	struct js *o;

	a->hurry = true;
	addr_host(&c->node->addr, address);
	log_msg(c->up || c->far ? NLOG_INFO : NLOG_WARN, "%snode %s (%s) %s: %s",
		c->far ? "far " : "", c->node->id, address, c->up ? "up" : "down", c->reason);
	if (!event_wanted())
		return;
	o = js_object();
	js_put_str(o, "node", c->node->id);
	js_put_str(o, "address", address);
	js_put_str(o, "reason", c->reason);
	if (c->far)
		event_emit(c->up ? "far-up" : "far-down", loop_now(a->loop), o);
	else
		event_emit(c->up ? "node-up" : "node-down", loop_now(a->loop), o);
}

/* ---- the crew ---- */

static bool is_news(struct arn *a)
{
	return directory_stale(a->directory) ||
	       directory_snapshot(a->directory)->version != a->version;
}

const struct snapshot *arn_snapshot(struct arn *a)
{
	const struct snapshot *s = directory_snapshot(a->directory);

	if (s->version != a->version) {
		crew_publish(a->crew, s);
		a->published = loop_now(a->loop);
		a->version = s->version;
		a->hurry = false;
	}
	return s;
}

static void on_later(void *arg)
{
	arn_snapshot(arg);
}

static void on_turn(void *arg)
{
	struct arn *a = arg;

	if (!is_news(a))
		return;
	if (a->hurry || loop_now(a->loop) >= a->published + PUBLISH_GAP)
		arn_snapshot(a);
	else
		loop_timer_at(a->later, a->published + PUBLISH_GAP);
}

/* What an answer lacks. Without keys there is nobody who could be primed. */
static void get(struct arn *a, const struct want *w)
{
	if (w->what == WANT_ORIGIN)
		naming_want(a->naming, w);
	if (w->what == WANT_REGION && a->measurer)
		measurer_want(a->measurer, &w->state.anycast);
	if (w->what == WANT_PROFILE)
		profiles_want(a->profiles, &w->state.anycast);
	if (w->what == WANT_CHANNEL)
		casc_want(a->casc, &w->state.anycast, w->state.channel);
	if (w->what == WANT_PRIME && a->primer)
		primer_want(a->primer, w);
}

static void on_report(void *arg, const struct report *r)
{
	struct arn *a = arg;

	if (r->kind == REPORT_WANT)
		return get(a, &r->want);
	prober_accuse(a->prober, r->accuse.node, r->accuse.service, &r->accuse.client);
	if (a->overflow)
		overflow_accuse(a->overflow, r->accuse.node);
}

static void on_origins(void *arg, const struct origins *o)
{
	struct arn *a = arg;

	directory_set_origins(a->directory, o);
	a->hurry = true;
	if (a->profiles)
		profiles_wake(a->profiles);
	if (a->casc)
		casc_wake(a->casc);
}

static void on_profiles(void *arg, const struct profile_table *t)
{
	struct arn *a = arg;

	directory_set_profiles(a->directory, t);
}

static void on_measured(void *arg, const struct region_table *t)
{
	struct arn *a = arg;

	directory_set_measured(a->directory, t);
}

static void on_channels(void *arg, const struct cas_table *t)
{
	struct arn *a = arg;

	directory_set_channels(a->directory, t);
	a->hurry = true;
}

static void on_primed(void *arg)
{
	struct arn *a = arg;

	a->hurry = true;
}

static void on_direct(void *arg, const struct direct *d)
{
	struct arn *a = arg;

	directory_set_direct(a->directory, d);
	a->hurry = true;
}

const struct direct *arn_direct(const struct arn *a)
{
	return directory_direct(a->directory);
}

/* ---- life ---- */

static struct cluster_conf cluster_conf_of(const struct arn *a)
{
	const struct arn_conf *c = &a->conf;

	return (struct cluster_conf){
		.name = c->name,
		.interface = c->interface,
		.addr = c->address,
		.election = {.block = c->anycast.block,
			.interval = c->announce.interval,
			.misses = (int)c->discovery.misses,
			.hold = c->anycast.hold,
			.all = c->anycast.active != ARN_ACTIVE_MASTER,
			.address = c->anycast.addresses.addr,
			.addresses = c->anycast.addresses.n},
		.port = (uint16_t)c->peers.port,
		.skew = c->discovery.skew,
		.keys = &a->keys,
	};
}

static int open_primer(struct arn *a)
{
	struct primer_conf pc = {.name = a->conf.name,
		.skew = a->conf.discovery.skew,
		.keys = &a->keys,
		.published = on_primed,
		.arg = a};

	a->primer = primer_new(a->loop, &pc, a->directory);
	return a->primer ? 0 : -ENOMEM;
}

static int open_keys(struct arn *a)
{
	char why[256];
	int err = arn_load_keys(&a->conf, &a->keys, &a->token_keys, why);

	if (*why) /* an error, or a warning */
		log_msg(NLOG_CONF, "%s", why);
	return err;
}

static int open_discovery(struct arn *a)
{
	struct discovery_conf dc = {.group = a->conf.discovery.group,
		.interface = a->conf.interface,
		.skew = a->conf.discovery.skew,
		.keys = &a->keys,
		.on_arn = cluster_hear,
		.on_links = cluster_look};
	struct cluster_conf cc = cluster_conf_of(a);
	int err;

	if (!*a->conf.interface)
		return 0;
	a->cluster = cluster_new(a->loop, &cc, on_election, a);
	if (!a->cluster)
		return -ENOMEM;
	dc.arg = a->cluster;
	a->discovery = discovery_new(a->loop, &dc, a->directory, &err);
	if (!a->discovery) {
		log_msg(NLOG_ERROR, "discovery: %s", strerror(-err));
		return err;
	}
	return open_primer(a);
}

int arn_open_wide(struct arn *a)
{
	struct overflow_conf oc = arn_overflow_conf(a);
	int err = 0;

	if (a->overflow || !a->keys.n)
		return 0;
	if (!a->primer)
		err = open_primer(a);
	if (!err)
		a->overflow = overflow_new(a->loop, &oc, a->directory);
	return a->overflow ? 0 : -ENOMEM;
}

static int open_directory(struct arn *a)
{
	struct directory_conf dc = arn_directory_conf(a);
	struct prober_conf pc = arn_prober_conf(&a->conf);

	a->directory = directory_new(&dc, on_node, a);
	wire_keys_wipe(&dc.tokens.keys);
	if (!a->directory)
		return -ENOMEM;
	a->prober = prober_new(a->loop, &pc, a->directory);
	if (!a->prober)
		return -ENOMEM;
	arn_configure_nodes(a);
	arn_configure_regions(a);
	return 0;
}

static int open_sites(struct arn *a)
{
	const struct arn_conf *c = &a->conf;
	const struct arn_conf_site *site = c->site.item;
	struct addr list[SITE_MAX];
	struct sites_conf sc = {.name = c->name,
		.block = c->anycast.block,
		.site = list,
		.sites = c->site.n,
		.skew = c->discovery.skew,
		.core = {.interval = c->sites.interval,
			.misses = (int)c->sites.misses,
			.hold = c->anycast.hold,
			.hold_max = c->sites.hold_max},
		.keys = &a->keys,
		.turned = on_turned,
		.arg = a};
	int err;

	if (!c->site.n)
		return 0;
	for (int i = 0; i < c->site.n; i++) {
		list[i] = site[i].address;
		if (!addr_port(&list[i]))
			addr_set_port(&list[i], (uint16_t)c->sites.port);
	}
	sc.at = addr_any(list[0].sa.sa_family, (uint16_t)c->sites.port);
	a->sites = sites_new(a->loop, &sc, &err);
	if (!a->sites)
		log_msg(NLOG_ERROR, "UDP port %u for other sites: %s", addr_port(&sc.at),
			strerror(-err));
	return err;
}

static int open_measurer(struct arn *a)
{
	struct measure_conf mc = arn_conf_measure(&a->conf);
	int err;

	if (!a->sites || !a->conf.measure.clients)
		return 0;
	a->measurer = measurer_new(a->loop, &mc, a->sites, on_measured, a, &err);
	if (!a->measurer)
		log_msg(NLOG_ERROR, "measure: raw sockets for echo requests: %s", strerror(-err));
	return err;
}

/* While far nodes are found in another way, what is flooded is told and shown, and no more. */
static struct wide *flooded_area(const struct arn *a)
{
	struct wide *w = a->overflow ? overflow_wide(a->overflow) : NULL;

	return w && wide_method(w) == &scout_flood ? w : NULL;
}

static void on_flooded(void *arg, const struct flood_news *news, ns_t now)
{
	struct arn *a = arg;
	struct wide *w = flooded_area(a);

	if (!w)
		return;
	scout_flood_node(wide_far(w), wide_scout(w), news, now);
	overflow_wake(a->overflow);
}

static void on_flooded_gone(void *arg, const char *id, const struct addr *control, ns_t now)
{
	struct arn *a = arg;
	struct wide *w = flooded_area(a);

	(void)id;
	if (!w)
		return;
	scout_flood_gone(wide_far(w), wide_scout(w), control, now);
	overflow_wake(a->overflow);
}

static int open_flooder(struct arn *a)
{
	struct flood_conf fc = arn_conf_flood(&a->conf);
	struct flood_events events = {.node = on_flooded, .gone = on_flooded_gone, .arg = a};

	if (!a->sites || !arn_conf_floods(&a->conf))
		return 0;
	a->flooder = flooder_new(a->loop, &fc, &events, a->sites, a->directory);
	return a->flooder ? 0 : -ENOMEM;
}

static int open_crew(struct arn *a)
{
	struct crew_conf cc = {.listener = arn_listener_conf_of(&a->conf),
		.beat = guardian_beat_interval(&a->conf) / 2};
	uint16_t port;
	int err;

	cc.threads = crew_size(a->conf.workers, cc.listener.connections);
	a->crew = crew_new(a->loop, &cc, on_report, a, &err, &port);
	if (!a->crew && port)
		log_msg(NLOG_ERROR, "TCP port %u: %s", port, strerror(-err));
	else if (!a->crew)
		log_msg(NLOG_ERROR, "threads that answer clients: %s", strerror(-err));
	if (err)
		return err;
	a->later = loop_timer_new(a->loop, on_later, a);
	a->turn = loop_turn_new(a->loop, on_turn, a);
	return a->later && a->turn ? 0 : -ENOMEM;
}

static int open_direct(struct arn *a)
{
	struct direct_conf dc = arn_direct_conf(&a->conf);
	int err;

	a->direct = direct_reader_new(a->loop, &dc, on_direct, a, &err);
	if (!a->direct)
		log_msg(NLOG_ERROR, "thread that reads files: %s", strerror(-err));
	return err;
}

static int open_naming(struct arn *a)
{
	struct naming_conf nc;
	int err;

	if (arn_conf_naming(&a->conf, &nc) < 0)
		return -ENOMEM;
	a->naming = naming_new(a->loop, &nc, on_origins, a, &err);
	free((void *)nc.rule);
	if (!a->naming)
		log_msg(NLOG_ERROR, "naming: %s", strerror(-err));
	return err;
}

static int open_profiles(struct arn *a)
{
	struct profiles_conf pc;

	if (arn_conf_profiles(&a->conf, &pc) < 0)
		return -ENOMEM;
	a->profiles = profiles_new(a->loop, a->naming, &pc, on_profiles, a);
	free((void *)pc.pinned);
	return a->profiles ? 0 : -ENOMEM;
}

static int open_cas(struct arn *a)
{
	struct casc_conf cc = arn_conf_cas(&a->conf);

	a->casc = casc_new(a->loop, a->naming, &cc, on_channels, a);
	return a->casc ? 0 : -ENOMEM;
}

static int open_management(struct arn *a)
{
	struct addr at;
	int err;

	a->ctl = ctl_new(a->loop, a->conf.control, arn_commands, arn_commands_n, a, &err);
	if (!a->ctl) {
		log_msg(NLOG_ERROR, "control socket %s: %s", a->conf.control, strerror(-err));
		return err;
	}
	err = arn_meter(a);
	if (err || !*a->conf.management)
		return err;
	addr_parse(&at, slice_of(a->conf.management), 0);
	err = metrics_serve(a->metrics, a->loop, &at);
	if (err)
		log_msg(NLOG_ERROR, "management address %s: %s", a->conf.management,
			strerror(-err));
	return err;
}

static int open_guardian(struct arn *a)
{
	a->line_watch = loop_fd_new(a->loop, a->line, on_line, a);
	a->beat = loop_timer_new(a->loop, on_beat, a);
	a->look = loop_timer_new(a->loop, on_look, a);
	if (!a->line_watch || !a->beat || !a->look)
		return -ENOMEM;
	loop_timer_at(a->look, loop_now(a->loop));
	return loop_fd_want(a->line_watch, LOOP_READ);
}

static void close_all(struct arn *a)
{
	metrics_free(a->metrics);
	free(a->metric);
	free(a->meter_crew);
	ctl_free(a->ctl);
	crew_free(a->crew);
	direct_reader_free(a->direct);
	loop_turn_free(a->turn);
	loop_timer_free(a->later);
	discovery_free(a->discovery);
	cluster_free(a->cluster);
	measurer_free(a->measurer);
	flooder_free(a->flooder);
	sites_free(a->sites);
	profiles_free(a->profiles);
	casc_free(a->casc);
	naming_free(a->naming);
	prober_free(a->prober);
	overflow_free(a->overflow);
	primer_free(a->primer);
	directory_free(a->directory);
	loop_timer_free(a->beat);
	loop_timer_free(a->look);
	loop_fd_free(a->line_watch);
	if (a->loop)
		loop_free(a->loop);
	close(a->line);
	wire_keys_wipe(&a->keys);
	wire_keys_wipe(&a->token_keys);
	conf_free(arn_daemon.options, &a->conf);
}

int arn_work(
	const struct arn_conf *conf, const char *conf_path, const struct guardian_charge *charge)
{
	struct arn a = {.conf_path = conf_path,
		.line = charge->line,
		.draining = charge->draining,
		.log_silent = LOG_LIMIT_INIT,
		.started = clock_now()};
	struct deadman deadman;
	int err;

	arn_load_own(&a, conf);
	log_open(a.conf.name, (enum log_level)a.conf.log_level);
	/* Later than the guardian's patience: it shall have the word on why the worker died. */
	if (deadman_init(&deadman, a.conf.anycast.hang_bound * 3 / 2) < 0)
		return EX_OSERR;
	a.deadman = &deadman;
	a.loop = loop_new();
	err = a.loop ? open_keys(&a) : -ENOMEM;
	if (!err)
		err = open_directory(&a);
	if (!err)
		err = open_discovery(&a);
	if (!err)
		err = arn_open_wide(&a);
	if (!err)
		err = open_sites(&a);
	if (!err)
		err = open_measurer(&a);
	if (!err)
		err = open_flooder(&a);
	if (!err)
		err = open_naming(&a);
	if (!err)
		err = open_direct(&a);
	if (!err)
		err = open_profiles(&a);
	if (!err)
		err = open_cas(&a);
	if (!err)
		err = open_crew(&a);
	if (!err)
		err = open_management(&a);
	if (!err)
		err = open_guardian(&a);
	if (!err) {
		if (a.cluster)
			cluster_start(a.cluster, a.discovery);
		on_beat(&a);
		loop_run(a.loop);
	}
	close_all(&a);
	return err ? EX_UNAVAILABLE : EX_OK;
}
