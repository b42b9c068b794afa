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
#include "lib/event.h"
#include "lib/log.h"

#define DESCRIPTORS 96 /* besides those of connections */
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

static void log_errors(const struct conf_errors *e)
{
	struct slice rest = slice_of(e->text);

	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');

		log_msg(NLOG_CONF, SLICE_FMT, SLICE_ARG(line));
	}
}

static void reload_as_ordered(struct arn *a)
{
	struct conf_errors e;
	const char *fixed;

	if (arn_reload(a, &e, &fixed) < 0) {
		log_errors(&e);
		log_msg(NLOG_CONF, "configuration not reloaded: it stays as it was");
	} else if (fixed) {
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
}

static void on_look(void *arg)
{
	struct arn *a = arg;

	share_nodes(a);
	directory_look(a->directory, loop_now(a->loop));
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

/* What the other sites are told of this one. */
static void tell_sites(struct arn *a)
{
	if (a->sites)
		sites_set(a->sites, directory_usable(a->directory) > 0, a->word.block == FATE_UP,
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
	log_msg(c->up ? NLOG_INFO : NLOG_WARN, "node %s (%s) %s: %s", c->node->id, address,
		c->up ? "up" : "down", c->reason);
	if (!event_wanted())
		return;
	o = js_object();
	js_put_str(o, "node", c->node->id);
	js_put_str(o, "address", address);
	js_put_str(o, "reason", c->reason);
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
		get(a, &r->want);
	else
		prober_accuse(a->prober, r->accuse.node, r->accuse.service, &r->accuse.client);
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

static struct direct_conf direct_conf_of(const struct arn_conf *c)
{
	struct direct_conf d = {.max_age = (uint32_t)c->direct.max_age,
		.max_objects = (int)c->direct.max_objects,
		.max_bytes = (size_t)c->direct.max_bytes,
		.block = c->anycast.block};

	memcpy(d.directory, c->direct.directory, sizeof(d.directory));
	return d;
}

static struct directory_conf directory_conf_of(const struct arn *a)
{
	const struct arn_conf *c = &a->conf;

	return (struct directory_conf){.misses = (int)c->discovery.misses,
		.retry_after = (uint32_t)c->retry_after,
		.block = c->anycast.block,
		.prime = (c->prime.rtsp ? SERVICE_RTSP : 0) | (c->prime.http ? SERVICE_HTTP : 0),
		.reservation = c->select.reservation,
		.select = arn_conf_select(c),
		.tokens = {.lifetime = (uint16_t)(c->token.lifetime / NS_S),
			.bind = c->token.bind_client,
			.resume = c->token.resume / NS_S,
			.skew = c->discovery.skew / NS_S,
			.keys = a->token_keys}};
}

static struct prober_conf prober_conf_of(const struct arn_conf *c)
{
	struct prober_conf p = {.timeout = c->probe.timeout,
		.health = {.interval = c->probe.interval,
			.rise = c->probe.rise,
			.fall = c->probe.fall,
			.quarantine = c->probe.quarantine,
			.quarantine_max = c->probe.quarantine_max,
			.concurrent = c->probe.concurrent}};

	memcpy(p.path, c->probe.path, sizeof(p.path));
	return p;
}

static void configure_nodes(struct arn *a)
{
	const struct arn_conf_node *n = a->conf.nodes.item;
	struct announce *list = calloc((size_t)a->conf.nodes.n + 1, sizeof(*list));

	if (!list)
		return;
	for (int i = 0; i < a->conf.nodes.n; i++)
		list[i] = arn_conf_announce(&n[i]);
	directory_configure(a->directory, list, a->conf.nodes.n, loop_now(a->loop));
	free(list);
}

/* ---- configuration ---- */

static struct arn_listener_conf listener_conf_of(const struct arn_conf *c)
{
	int64_t most = c->limits.connections, own = DESCRIPTORS + c->probe.concurrent;

	return (struct arn_listener_conf){
		.port = {[TEXT_HTTP] = (uint16_t)c->http.port,
			[TEXT_RTSP] = (uint16_t)c->rtsp.port},
		.block = c->anycast.block,
		.connections = daemon_connections(
			most, own + CREW_DESCRIPTORS * crew_size(c->workers, most)),
		.request_timeout = c->limits.request_timeout,
		.idle_timeout = c->limits.idle_timeout,
		.prepare = c->prime.wait,
	};
}

/* Moves what can change while we run from `next`; the rest stays as it is. */
static void adopt(struct arn_conf *conf, struct arn_conf *next)
{
	struct conf_list nodes = conf->nodes, services = conf->services;

	conf->log_level = next->log_level;
	conf->limits = next->limits;
	conf->probe = next->probe;
	conf->retry_after = next->retry_after;
	conf->prime = next->prime;
	conf->select = next->select;
	conf->rtsp.policy = next->rtsp.policy;
	conf->http.policy = next->http.policy;
	conf->discovery.misses = next->discovery.misses;
	conf->token = next->token;
	conf->direct = next->direct;
	memcpy(conf->key_file, next->key_file, sizeof(conf->key_file));
	conf->nodes = next->nodes;
	next->nodes = nodes; /* freed with it */
	conf->naming = next->naming;
	conf->profiles = next->profiles;
	conf->cas = next->cas;
	conf->services = next->services;
	next->services = services;
}

static void set_naming(struct arn *a)
{
	struct naming_conf nc;
	int err = arn_conf_naming(&a->conf, &nc);

	if (!err) {
		err = naming_set_conf(a->naming, &nc);
		free((void *)nc.rule);
	}
	if (err)
		log_msg(NLOG_ERROR, "naming stays as it was: %s", strerror(ENOMEM));
}

static void set_profiles(struct arn *a)
{
	struct profiles_conf pc;
	int err = arn_conf_profiles(&a->conf, &pc);

	if (!err) {
		err = profiles_set_conf(a->profiles, &pc);
		free((void *)pc.pinned);
	}
	if (err)
		log_msg(NLOG_ERROR, "profiles stay as they were: %s", strerror(ENOMEM));
}

static void set_cas(struct arn *a)
{
	struct casc_conf cc = arn_conf_cas(&a->conf);

	if (casc_set_conf(a->casc, &cc))
		log_msg(NLOG_ERROR, "channels stay as they were: %s", strerror(ENOMEM));
}

static void apply(struct arn *a)
{
	struct directory_conf dc = directory_conf_of(a);
	struct arn_listener_conf lc = listener_conf_of(&a->conf);
	struct prober_conf pc = prober_conf_of(&a->conf);
	struct direct_conf direct = direct_conf_of(&a->conf);

	log_set_level((enum log_level)a->conf.log_level);
	directory_set_conf(a->directory, &dc);
	prober_set_conf(a->prober, &pc);
	wire_keys_wipe(&dc.tokens.keys);
	if (a->cluster)
		cluster_set_misses(a->cluster, (int)a->conf.discovery.misses);
	configure_nodes(a);
	direct_reader_set_conf(a->direct, &direct);
	crew_set_limits(a->crew, &lc);
	set_naming(a);
	set_profiles(a);
	set_cas(a);
}

/* The keys that the configuration names: for the group, and for tokens; none where none are needed.
 * Both or nothing: negative errno, and `why` says what is wrong. With 0, it is "" or a warning. */
static int load_keys(
	const struct arn_conf *c, struct wire_keys *group, struct wire_keys *tokens, char why[256])
{
	int err = 0;

	*group = *tokens = (struct wire_keys){0};
	*why = '\0';
	if (*c->interface)
		err = wire_keys_load(group, c->key_file, why);
	if (!err && c->token.issue)
		err = wire_keys_load(tokens, arn_conf_token_keys(c), why);
	if (err)
		wire_keys_wipe(group);
	return err;
}

int arn_reload(struct arn *a, struct conf_errors *why, const char **fixed)
{
	struct wire_keys group, tokens;
	struct arn_conf next;
	char text[256];
	int err = daemon_load(&arn_daemon, a->conf_path, &next, why);

	*fixed = NULL;
	if (err)
		return err;
	err = load_keys(&next, &group, &tokens, text);
	if (err) {
		conf_error(why, "%s", text);
		conf_free(arn_daemon.options, &next);
		return err;
	}
	/* In place: whoever was heard stays known, so nothing can be played again. */
	if (a->discovery)
		a->keys = group;
	a->token_keys = tokens;
	wire_keys_wipe(&group);
	wire_keys_wipe(&tokens);
	*fixed = arn_conf_fixed_change(&a->conf, &next);
	adopt(&a->conf, &next);
	apply(a);
	conf_free(arn_daemon.options, &next);
	event_emit("reload", loop_now(a->loop), NULL);
	return 0;
}

/* A worker that replaces another starts with the file as it is now, as far as what the guardian
 * holds to allows; if the file is not right, with what the guardian has. */
static void load_own(struct arn *a, const struct arn_conf *inherited)
{
	struct arn_conf next;
	struct conf_errors e;
	const char *fixed;

	a->conf = *inherited;
	if (daemon_load(&arn_daemon, a->conf_path, &next, &e) < 0) {
		log_errors(&e);
		log_msg(NLOG_CONF, "starting with the configuration of before");
		return;
	}
	fixed = arn_conf_fixed_change(inherited, &next);
	if (fixed)
		log_msg(NLOG_CONF, "%s changes at the next start of the guardian", fixed);
	adopt(&a->conf, &next);
	conf_free(arn_daemon.options, &next);
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
	int err = load_keys(&a->conf, &a->keys, &a->token_keys, why);

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

static int open_directory(struct arn *a)
{
	struct directory_conf dc = directory_conf_of(a);
	struct prober_conf pc = prober_conf_of(&a->conf);

	a->directory = directory_new(&dc, on_node, a);
	wire_keys_wipe(&dc.tokens.keys);
	if (!a->directory)
		return -ENOMEM;
	a->prober = prober_new(a->loop, &pc, a->directory);
	if (!a->prober)
		return -ENOMEM;
	configure_nodes(a);
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

static int open_crew(struct arn *a)
{
	struct crew_conf cc = {.listener = listener_conf_of(&a->conf),
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
	struct direct_conf dc = direct_conf_of(&a->conf);
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
	sites_free(a->sites);
	profiles_free(a->profiles);
	casc_free(a->casc);
	naming_free(a->naming);
	prober_free(a->prober);
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

	load_own(&a, conf);
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
		err = open_sites(&a);
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
