/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nearctl can ask of an ARN. docs describe each answer; members may be added, never change. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arn/arn.h"

static struct js *describe_block(const struct arn *a, ns_t now)
{
	struct js *o = js_object();
	char text[ADDR_STRLEN];

	js_put_str(o, "prefix", prefix_str(&a->conf.anycast.block, text));
	js_put_str(o, "interface", a->conf.anycast.interface);
	js_put_str(o, "state", fate_block_str(a->word.block));
	if (a->word.block != FATE_UP)
		js_put_str(o, "reason", a->word.reason);
	if (a->word.since)
		js_put_real(o, "since_s", (double)(now - a->word.since) / NS_S);
	js_put_int(o, "raised", a->word.raised);
	if (a->conf.anycast.next_hop.sa.sa_family != AF_UNSPEC) {
		js_put_str(o, "next_hop", addr_host(&a->conf.anycast.next_hop, text));
		js_put_bool(o, "claimed", a->word.claims);
	}
	return o;
}

static struct js *describe_cluster(const struct election *e)
{
	struct js *o = js_object();
	char text[ADDR_STRLEN];

	js_put_str(o, "state", e->master ? "master" : "backup");
	js_put_str(o, "reason", e->reason);
	js_put_str(o, "standing", election_standing_str(e->standing));
	js_put_str(o, "master", *e->ruler ? e->ruler : NULL);
	js_put_str(
		o, "address", e->addr.sa.sa_family == AF_UNSPEC ? NULL : addr_host(&e->addr, text));
	js_put_int(o, "peers", e->n);
	return o;
}

static struct js *describe_direct(const struct arn *a)
{
	const struct direct *d = arn_direct(a);
	struct js *o = js_object();
	char why[128];

	js_put_str(o, "directory", *a->conf.direct.directory ? a->conf.direct.directory : NULL);
	js_put_int(o, "objects", direct_objects(d));
	js_put_int(o, "bytes", (int64_t)direct_bytes(d));
	js_put_int(o, "left_out", direct_reader_trouble(a->direct, why));
	if (*why)
		js_put_str(o, "trouble", why);
	return o;
}

/* Whose each address is, and which of them are on the interface: one that was ours a moment ago
 * still is. */
static struct js *describe_addresses(const struct arn *a)
{
	const struct conf_addr_list *l = &a->conf.anycast.addresses;
	struct js *list = js_array();
	char text[ADDR_STRLEN];

	for (int i = 0; i < l->n; i++) {
		struct js *o = js_object();
		const char *owner =
			a->cluster ? election_owner(cluster_election(a->cluster), &l->addr[i])
				   : a->conf.name;

		js_put_str(o, "address", addr_host(&l->addr[i], text));
		js_put_str(o, "master", *owner ? owner : NULL);
		js_put_bool(o, "here", a->word.holds >> i & 1);
		js_push(list, o);
	}
	return list;
}

static enum ctl_code show_status(void *ctx, struct slice args, struct js *body)
{
	struct arn *a = ctx;
	ns_t now = loop_now(a->loop);
	struct js *o;

	(void)args;
	js_put_str(body, "name", a->conf.name);
	js_put_str(body, "role", "arn");
	js_put_str(body, "version", PACKAGE_VERSION);
	js_put(body, "block", describe_block(a, now));
	if (a->conf.anycast.active == ARN_ACTIVE_EACH)
		js_put(body, "addresses", describe_addresses(a));
	js_put_bool(body, "draining", a->draining);
	o = js_object();
	js_put_int(o, "pid", a->word.guardian);
	js_put_int(o, "workers_started", a->word.spawned);
	js_put(body, "guardian", o);
	o = js_object();
	js_put_int(o, "pid", getpid());
	js_put_int(o, "threads", crew_threads(a->crew));
	js_put_real(o, "uptime_s", (double)(now - a->started) / NS_S);
	js_put(body, "worker", o);
	o = js_object();
	js_put_str(o, "interface", a->conf.interface);
	js_put_bool(o, "joined", a->discovery && discovery_joined(a->discovery));
	js_put(body, "discovery", o);
	if (a->cluster)
		js_put(body, "cluster", describe_cluster(cluster_election(a->cluster)));
	o = js_object();
	js_put_int(o, "known", directory_count(a->directory));
	js_put_int(o, "usable", directory_usable(a->directory));
	js_put_int(o, "far", directory_usable(a->directory) - directory_usable_here(a->directory));
	js_put(body, "nodes", o);
	js_put(body, "direct", describe_direct(a));
	js_put_int(body, "connections", crew_connections(a->crew));
	js_put_int(body, "snapshot", (int64_t)arn_snapshot(a)->version);
	return CTL_OK;
}

/* The best that any of its services is. */
static enum health_verdict service_of(const struct directory_view *v)
{
	static const enum health_verdict order[] = {
		HEALTH_WORKS, HEALTH_QUARANTINED, HEALTH_UNKNOWN, HEALTH_BROKEN};

	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++)
		for (int i = 0; i < HEALTH_SERVICES; i++)
			if (v->health->of[i].verdict == order[k])
				return order[k];
	return HEALTH_UNWATCHED;
}

static const char *state_of(const struct directory_view *v)
{
	enum health_verdict service = service_of(v);

	if (!v->node->healthy)
		return v->configured && !v->heard ? "silent" : "unhealthy";
	if (v->node->draining)
		return "draining";
	return service == HEALTH_UNWATCHED || service == HEALTH_WORKS ? "up"
	                                                              : health_verdict_str(service);
}

/* What the ARN has found of the node's services. */
static void describe_services(const struct arn *a, const struct announce *n, ns_t now, struct js *o)
{
	static const char *const name[] = {[TEXT_HTTP] = "http", [TEXT_RTSP] = "rtsp"};
	char trouble[128] = "";
	struct sbuf b;
	struct health_view v;
	uint64_t reports = 0;
	ns_t until = 0;

	sbuf_init(&b, trouble, sizeof(trouble));
	if (n->trouble)
		sbuf_printf(&b, "%s", announce_trouble_str(n->trouble));
	for (int i = HEALTH_SERVICES - 1; i >= 0; i--) {
		char key[16];

		if (!health_view(prober_health(a->prober), n->id, (enum text_proto)i, now, &v))
			return;
		js_put_str(o, name[i], health_verdict_str(v.verdict));
		snprintf(key, sizeof(key), "%s_ms", name[i]);
		if (v.delay_us)
			js_put_real(o, key, v.delay_us / 1000.0);
		if (v.verdict == HEALTH_BROKEN)
			sbuf_printf(&b, "%s%s %s", b.n ? "; " : "", name[i], v.why);
		if (v.verdict == HEALTH_QUARANTINED && v.until > until)
			until = v.until;
		reports = v.reports;
	}
	if (*trouble)
		js_put_str(o, "trouble", trouble);
	if (until > now)
		js_put_real(o, "quarantine_s", (double)(until - now) / NS_S);
	js_put_int(o, "reports", (int64_t)reports);
}

static struct js *describe_node(const struct arn *a, const struct directory_view *v, ns_t now)
{
	const struct announce *n = v->node;
	struct js *o = js_object();
	char text[ADDR_STRLEN];

	js_put_str(o, "node", n->id);
	js_put_str(o, "address", addr_host(&n->addr, text));
	js_put_str(o, "state", state_of(v));
	js_put_int(o, "rtsp_port", n->rtsp_port);
	js_put_int(o, "http_port", n->http_port);
	js_put_int(o, "sessions", n->sessions);
	js_put_int(o, "max_sessions", n->max_sessions);
	js_put_int(o, "kbps", (int64_t)n->kbps);
	js_put_int(o, "max_kbps", (int64_t)n->max_kbps);
	js_put_int(o, "weight", n->weight);
	js_put_int(o, "reserved", v->reserved.sessions);
	js_put_int(o, "reserved_kbps", (int64_t)v->reserved.kbps);
	js_put_int(o, "channels", n->channels);
	js_put_bool(o, "configured", v->configured);
	js_put_bool(o, "far", v->far != NULL);
	if (v->far && v->far->rtt_us)
		js_put_real(o, "rtt_ms", v->far->rtt_us / 1000.0);
	js_put_int(o, "announcements", (int64_t)v->announcements);
	if (v->heard_ever || v->far)
		js_put_real(o, "heard_s_ago", (double)(now - v->heard_at) / NS_S);
	describe_services(a, n, now, o);
	return o;
}

static enum ctl_code show_nodes(void *ctx, struct slice args, struct js *body)
{
	const struct arn *a = ctx;
	struct js *list = js_array();
	struct directory_view v;

	(void)args;
	for (int i = 0; directory_view(a->directory, i, &v); i++)
		js_push(list, describe_node(a, &v, loop_now(a->loop)));
	js_put(body, "nodes", list);
	return CTL_OK;
}

/* The addresses that another ARN owns, with spaces between. */
static void put_owned(const struct arn *a, const char *id, struct js *o)
{
	const struct conf_addr_list *l = &a->conf.anycast.addresses;
	char text[ADDR_STRLEN], all[CONF_MAX_ADDRS * ADDR_STRLEN];
	struct sbuf b;

	sbuf_init(&b, all, sizeof(all));
	for (int i = 0; i < l->n; i++)
		if (!strcmp(election_owner(cluster_election(a->cluster), &l->addr[i]), id))
			sbuf_printf(&b, "%s%s", b.n ? " " : "", addr_host(&l->addr[i], text));
	js_put_str(o, "addresses", b.n ? all : "");
}

static enum ctl_code show_peers(void *ctx, struct slice args, struct js *body)
{
	const struct arn *a = ctx;
	const struct election *e = a->cluster ? cluster_election(a->cluster) : NULL;
	struct js *list = js_array();
	char text[ADDR_STRLEN];

	(void)args;
	for (int i = 0; e && i < e->n; i++) {
		const struct election_peer *p = &e->peer[i];
		struct js *o = js_object();

		js_put_str(o, "arn", p->said.id);
		js_put_str(o, "address", addr_host(&p->said.addr, text));
		js_put_str(o, "state", p->said.master ? "master" : "backup");
		js_put_str(o, "standing", election_standing_str(p->said.standing));
		if (a->conf.anycast.active == ARN_ACTIVE_EACH)
			put_owned(a, p->said.id, o);
		js_put_bool(o, "connected", peers_up(cluster_peers(a->cluster), p->said.id));
		js_put_int(o, "announcements", (int64_t)p->announcements);
		js_put_real(o, "heard_s_ago", (double)(loop_now(a->loop) - p->heard_at) / NS_S);
		js_push(list, o);
	}
	js_put(body, "peers", list);
	return CTL_OK;
}

static enum ctl_code show_sites(void *ctx, struct slice args, struct js *body)
{
	const struct arn *a = ctx;

	(void)args;
	js_put_bool(body, "away", a->sites && sites_away(a->sites));
	js_put_int(body, "configured", a->conf.site.n);
	js_put(body, "sites", a->sites ? sites_show(a->sites) : js_array());
	return CTL_OK;
}

static enum ctl_code show_flood(void *ctx, struct slice args, struct js *body)
{
	const struct arn *a = ctx;

	(void)args;
	js_put_bool(body, "shares", a->flooder != NULL);
	js_put_int(body, "nodes", a->flooder ? flood_nodes(flooder_core(a->flooder)) : 0);
	js_put(body, "records", a->flooder ? flooder_show(a->flooder) : js_array());
	return CTL_OK;
}

static enum ctl_code show_regions(void *ctx, struct slice args, struct js *body)
{
	struct arn *a = ctx;

	(void)args;
	js_put_int(body, "configured", region_table_count(arn_snapshot(a)->regions));
	js_put(body, "measured", a->measurer ? measurer_show(a->measurer) : js_array());
	return CTL_OK;
}

static enum ctl_code show_primes(void *ctx, struct slice args, struct js *body)
{
	const struct arn *a = ctx;
	const struct prime *core = a->primer ? primer_core(a->primer) : NULL;
	struct js *list = js_array();
	char text[PRIME_STATE_STRLEN];
	ns_t now = loop_now(a->loop);
	struct prime_view v;

	(void)args;
	for (int i = 0; core && prime_view(core, i, &v); i++) {
		struct js *o = js_object();

		js_put_str(o, "node", v.node);
		js_put_str(o, "state", prime_state_str(v.state, text));
		js_put_str(o, "status", v.status);
		if (v.port) {
			js_put_int(o, "port", v.port);
			js_put_real(o, "left_s", (double)(v.until - now) / NS_S);
		}
		if (v.used_at)
			js_put_real(o, "used_s_ago", (double)(now - v.used_at) / NS_S);
		js_push(list, o);
	}
	js_put(body, "primes", list);
	return CTL_OK;
}

/* The metrics table is the one list of counters there is. */
static enum ctl_code show_counters(void *ctx, struct slice args, struct js *body)
{
	const struct arn *a = ctx;

	(void)args;
	for (int i = 0; a->metric[i].name; i++) {
		const struct metric *m = &a->metric[i];
		char key[160];

		snprintf(key, sizeof(key), m->labels ? "%s{%s}" : "%s%s", m->name,
			m->labels ? m->labels : "");
		js_put_int(body, key, (int64_t)(m->value ? *m->value : m->read(m->arg)));
	}
	return CTL_OK;
}

static enum ctl_code fail(struct js *body, enum ctl_code code, const char *why)
{
	js_put_str(body, "error", why);
	return code;
}

static enum ctl_code set_draining(struct arn *a, bool draining, struct js *body)
{
	if (a->draining == draining)
		return fail(body, CTL_CONFLICT, draining ? "drained already" : "not drained");
	arn_set_draining(a, draining);
	js_put_bool(body, "draining", draining);
	return CTL_OK;
}

static enum ctl_code drain(void *ctx, struct slice args, struct js *body)
{
	(void)args;
	return set_draining(ctx, true, body);
}

static enum ctl_code undrain(void *ctx, struct slice args, struct js *body)
{
	(void)args;
	return set_draining(ctx, false, body);
}

static enum ctl_code reload(void *ctx, struct slice args, struct js *body)
{
	struct arn *a = ctx;
	struct conf_errors e;
	char fixed[CONF_NAME];

	(void)args;
	if (arn_reload(a, &e, fixed) < 0)
		return fail(body, CTL_FAILED, e.text);
	js_put_bool(body, "reloaded", true);
	if (*fixed)
		js_put_str(body, "needs_restart", fixed);
	return CTL_OK;
}

static enum ctl_code show_names(void *ctx, struct slice args, struct js *body)
{
	const struct arn *a = ctx;

	(void)args;
	naming_describe(a->naming, body);
	return CTL_OK;
}

static enum ctl_code show_profiles(void *ctx, struct slice args, struct js *body)
{
	const struct arn *a = ctx;

	(void)args;
	js_put(body, "profiles", profiles_show(a->profiles));
	return CTL_OK;
}

static enum ctl_code show_allotments(void *ctx, struct slice args, struct js *body)
{
	const struct arn *a = ctx;

	(void)args;
	js_put(body, "allotments", casc_show(a->casc));
	return CTL_OK;
}

static enum ctl_code flush_names(void *ctx, struct slice args, struct js *body)
{
	struct arn *a = ctx;
	char name[DNS_NAME];
	int n;

	if (slice_copy(args, name, sizeof(name)) < 0) {
		js_put_str(body, "error", "expected the name of a DNS record, or nothing");
		return CTL_BAD;
	}
	n = naming_flush(a->naming, *name ? name : NULL);
	js_put_int(body, "flushed", n);
	if (n || !*name)
		return CTL_OK;
	js_put_str(body, "error", "no record of that name is known; try show names");
	return CTL_NOT_FOUND;
}

const struct ctl_command arn_commands[] = {
	{"show status", NULL, "the block, the two processes, how many nodes", show_status},
	{"show nodes", NULL, "the service nodes that are known", show_nodes},
	{"show peers", NULL, "the other ARNs of the block on this LAN", show_peers},
	{"show sites", NULL, "the ARNs of other sites, and whether they serve", show_sites},
	{"show flood", NULL, "what ARNs of all sites say of the load of their nodes", show_flood},
	{"show far", NULL, "nodes beyond the own network: how far, how loaded", arn_show_far},
	{"show area", NULL, "how many of them are eligible, and why so many", arn_show_area},
	{"show regions", NULL, "where clients are: prefixes, and what was measured", show_regions},
	{"show primes", NULL, "ports that nodes have been asked for, and have given", show_primes},
	{"show counters", NULL, "all counters, by the names of the metrics", show_counters},
	{"show names", NULL, "origins, and the DNS records that lead to them", show_names},
	{"show profiles", NULL, "how services want their nodes chosen and set up", show_profiles},
	{"show allotments", NULL, "channels that services have for URLs", show_allotments},
	{"flush names", "[NAME]", "ask for DNS records again, all or those of a name", flush_names},
	{"explain", "URL [CLIENT]", "which node a client is sent to, and why", arn_explain},
	{"drain", NULL, "withdraw the block; answer what still comes", drain},
	{"undrain", NULL, "take a drain back", undrain},
	{"reload", NULL, "read the configuration again", reload},
};
const int arn_commands_n = sizeof(arn_commands) / sizeof(arn_commands[0]);
