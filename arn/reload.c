/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/event.h"
#include "lib/log.h"

#define DESCRIPTORS 96 /* besides those of connections */

/* ---- what a module is to be told ---- */

struct direct_conf arn_direct_conf(const struct arn_conf *c)
{
	struct direct_conf d = {.max_age = (uint32_t)c->direct.max_age,
		.max_objects = (int)c->direct.max_objects,
		.max_bytes = (size_t)c->direct.max_bytes,
		.block = c->anycast.block};

	memcpy(d.directory, c->direct.directory, sizeof(d.directory));
	return d;
}

struct directory_conf arn_directory_conf(const struct arn *a)
{
	const struct arn_conf *c = &a->conf;

	struct directory_conf d = {.misses = (int)c->discovery.misses,
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

	memcpy(d.place, c->place, sizeof(d.place));
	return d;
}

void arn_configure_regions(struct arn *a)
{
	struct conf_errors e = {.n = 0};
	struct region_table *t = arn_conf_regions(&a->conf, &e);

	if (e.n) /* the file has changed since it was checked: what is there stays */
		return arn_log_errors(&e);
	directory_set_regions(a->directory, t);
	region_table_unref(t);
}

struct overflow_conf arn_overflow_conf(const struct arn *a)
{
	const struct arn_conf *c = &a->conf;

	return (struct overflow_conf){.name = c->name,
		.skew = c->discovery.skew,
		.keys = &a->keys,
		.wide = arn_conf_wide(c),
		.dns = {.server = c->naming.servers.addr,
			.servers = c->naming.servers.n,
			.timeout = c->naming.timeout,
			.tries = (int)c->naming.tries}};
}

struct prober_conf arn_prober_conf(const struct arn_conf *c)
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

void arn_configure_nodes(struct arn *a)
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

struct arn_listener_conf arn_listener_conf_of(const struct arn_conf *c)
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

/* ---- taking it over ---- */

void arn_log_errors(const struct conf_errors *e)
{
	struct slice rest = slice_of(e->text);

	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');

		log_msg(NLOG_CONF, SLICE_FMT, SLICE_ARG(line));
	}
}

/* Moves what can change while we run from `next`; the rest stays as it is. */
static void adopt(struct arn_conf *conf, struct arn_conf *next)
{
	struct conf_list nodes = conf->nodes, services = conf->services, region = conf->region;

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
	conf->regions = next->regions;
	conf->region = next->region;
	next->region = region;
	memcpy(conf->place, next->place, sizeof(conf->place));
	/* Whether it floods at all changes at the next start; why it does may be another reason now. */
	if (arn_conf_floods(conf) == arn_conf_floods(next))
		conf->flood.share = next->flood.share;
	conf->wide = next->wide;
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

static void set_wide(struct arn *a, bool again)
{
	struct overflow_conf oc = arn_overflow_conf(a);
	int err = a->overflow ? overflow_set_conf(a->overflow, &oc, again) : arn_open_wide(a);

	if (err)
		log_msg(NLOG_ERROR, "the wide area stays as it was: %s", strerror(-err));
	/* A method that begins anew does not wait until others refresh what they have said. */
	if (a->flooder)
		flooder_retell(a->flooder);
}

static void apply(struct arn *a, bool wide_again)
{
	struct directory_conf dc = arn_directory_conf(a);
	struct arn_listener_conf lc = arn_listener_conf_of(&a->conf);
	struct prober_conf pc = arn_prober_conf(&a->conf);
	struct direct_conf direct = arn_direct_conf(&a->conf);

	log_set_level((enum log_level)a->conf.log_level);
	directory_set_conf(a->directory, &dc);
	prober_set_conf(a->prober, &pc);
	wire_keys_wipe(&dc.tokens.keys);
	if (a->cluster)
		cluster_set_misses(a->cluster, (int)a->conf.discovery.misses);
	arn_configure_nodes(a);
	arn_configure_regions(a);
	direct_reader_set_conf(a->direct, &direct);
	crew_set_limits(a->crew, &lc);
	set_naming(a);
	set_profiles(a);
	set_cas(a);
	set_wide(a, wide_again);
}

int arn_load_keys(
	const struct arn_conf *c, struct wire_keys *group, struct wire_keys *tokens, char why[256])
{
	int err = 0;

	*group = *tokens = (struct wire_keys){0};
	*why = '\0';
	if (*c->interface || c->wide.method)
		err = wire_keys_load(group, c->key_file, why);
	if (!err && c->token.issue)
		err = wire_keys_load(tokens, arn_conf_token_keys(c), why);
	if (err)
		wire_keys_wipe(group);
	return err;
}

int arn_reload(struct arn *a, struct conf_errors *why, char fixed[CONF_NAME])
{
	struct wire_keys group, tokens;
	struct arn_conf next;
	char text[256];
	bool wide_again;
	int err = daemon_load(&arn_daemon, a->conf_path, &next, why);

	*fixed = '\0';
	if (err)
		return err;
	err = arn_load_keys(&next, &group, &tokens, text);
	if (err) {
		conf_error(why, "%s", text);
		conf_free(arn_daemon.options, &next);
		return err;
	}
	/* In place: whoever was heard stays known, so nothing can be played again. */
	if (group.n)
		a->keys = group;
	a->token_keys = tokens;
	wire_keys_wipe(&group);
	wire_keys_wipe(&tokens);
	arn_conf_fixed_change(&a->conf, &next, fixed);
	wide_again = arn_conf_wide_again(&a->conf, &next);
	adopt(&a->conf, &next);
	apply(a, wide_again);
	conf_free(arn_daemon.options, &next);
	event_emit("reload", loop_now(a->loop), NULL);
	return 0;
}

void arn_load_own(struct arn *a, const struct arn_conf *inherited)
{
	struct arn_conf next;
	struct conf_errors e;
	char fixed[CONF_NAME];

	a->conf = *inherited;
	if (daemon_load(&arn_daemon, a->conf_path, &next, &e) < 0) {
		arn_log_errors(&e);
		log_msg(NLOG_CONF, "starting with the configuration of before");
		return;
	}
	if (arn_conf_fixed_change(inherited, &next, fixed))
		log_msg(NLOG_CONF, "%s changes at the next start of the guardian", fixed);
	adopt(&a->conf, &next);
	conf_free(arn_daemon.options, &next);
}
