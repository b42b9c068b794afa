/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts are told of the configuration, when they are opened and whenever it is read anew. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/event.h"
#include "lib/log.h"
#include "sn-agent/accounts.h"
#include "sn-agent/attach_door.h"
#include "sn-agent/web_door.h"

#define SOCKETS 1024 /* besides those of clients: upstreams', one for each port */

/* Which node of the overlay each path comes from. */
static void set_sources(const struct sn_conf *c, struct sources *s)
{
	const struct sn_conf_source *r = c->sources.item;

	*s = (struct sources){.own = c->overlay.address, .n = c->sources.n};
	if (*c->overlay.block)
		prefix_parse(&s->block, slice_of(c->overlay.block));
	for (int i = 0; i < c->sources.n; i++) {
		snprintf(s->rule[i].path, sizeof(s->rule[i].path), "%s", r[i].path);
		s->rule[i].host = r[i].host;
		s->rule[i].address = r[i].address;
	}
}

static void set_budget(const struct sn_conf *c, struct rtsp_conf *r)
{
	const struct sn_conf_neighbour *n = c->neighbours.item;
	const struct sn_conf_class *k = c->classes.item;

	r->budget.assumed = (uint64_t)c->overlay.assumed_kbps;
	for (r->budget.classes = 0; r->budget.classes < c->classes.n; r->budget.classes++) {
		struct budget_class *b = &r->budget.of[r->budget.classes];

		snprintf(b->name, sizeof(b->name), "%s", k[r->budget.classes].name);
		snprintf(b->paths, sizeof(b->paths), "%s", k[r->budget.classes].paths);
		b->share = (unsigned)k[r->budget.classes].share;
	}
	for (r->links = 0; r->links < c->neighbours.n; r->links++) {
		snprintf(r->link[r->links].node, sizeof(r->link[0].node), "%s", n[r->links].name);
		r->link[r->links].kbps = (uint64_t)n[r->links].kbps;
	}
}

struct rtsp_conf agent_rtsp_conf(const struct agent *a)
{
	const struct sn_conf *c = &a->conf;
	struct rtsp_conf r = {.addr = c->address,
		.rtp_port = (uint16_t)c->rtp.port,
		.session_timeout = c->rtsp.session_timeout,
		.max_sessions = c->capacity.sessions,
		.max_kbps = c->capacity.kbps,
		.has_upstreams = c->upstreams.n > 0,
		.library = a->library,
		.libraries = a->library ? c->libraries.n : 0,
		.start_at_key = c->rtsp.start == START_KEYFRAME};

	snprintf(r.name, sizeof(r.name), "%s", c->name);
	snprintf(r.software, sizeof(r.software), "%s", a->software);
	set_sources(c, &r.sources);
	set_budget(c, &r);
	r.n_publishers = rtsp_prefixes(c->rtsp.publishers, r.publishers);
	r.access.mode = (enum access_mode)c->access.token;
	r.access.keys = &a->token_keys;
	r.access.n_trusted = rtsp_prefixes(c->access.trusted, r.access.trusted);
	r.access.source = a->users.list ? &users_file : NULL;
	r.access.users = a->users.list;
	r.access.asked = (enum access_asked)c->access.authenticate;
	snprintf(r.access.realm, sizeof(r.access.realm), "%s", c->access.realm);
	snprintf(r.access.publishers, sizeof(r.access.publishers), "%s", c->access.publishers);
	r.access.nonce_keys = a->token_keys.n ? &a->token_keys : &a->own_keys;
	r.access.nonce_lifetime = c->access.nonce_lifetime / NS_S;
	return r;
}

void agent_groups_conf(const struct sn_conf *c, struct groups_conf *g)
{
	*g = (struct groups_conf){.port = (uint16_t)c->multicast.port,
		.ttl = (uint8_t)c->multicast.ttl,
		.threshold = (int)c->multicast.threshold};
	snprintf(g->node, sizeof(g->node), "%s", c->name);
	if (*c->multicast.groups)
		prefix_parse(&g->range, slice_of(c->multicast.groups));
	g->n_clients = rtsp_prefixes(c->multicast.clients, g->clients);
}

struct server_conf agent_server_conf(const struct sn_conf *c)
{
	return (struct server_conf){
		.connections = daemon_connections(c->limits.connections, SOCKETS),
		.request_timeout = c->limits.request_timeout,
		.idle_timeout = c->limits.idle_timeout};
}

struct ports_conf agent_ports_conf(const struct sn_conf *c)
{
	struct ports_conf p = {.max = (int)c->prime.max,
		.lifetime = c->prime.lifetime,
		.family = c->address.sa.sa_family};

	sn_conf_ports(c->prime.ports, &p.first, &p.last);
	return p;
}

/* The tunnels as they are configured: those that stay as they were are not touched. */
void agent_set_neighbours(struct agent *a)
{
	const struct sn_conf_neighbour *n = a->conf.neighbours.item;
	const char *name[UPSTREAM_NODES];
	int count = 0;

	if (!a->overlay)
		return;
	for (; count < a->conf.neighbours.n; count++)
		name[count] = n[count].name;
	count += attach_door_neighbours(a->attach, name + count, UPSTREAM_NODES - count);
	overlay_keep(a->overlay, name, count);
	for (int i = 0; i < a->conf.neighbours.n; i++)
		overlay_add(a->overlay, n[i].name, &n[i].address, (uint32_t)n[i].vni);
}

int agent_set_upstreams(struct agent *a)
{
	const struct sn_conf_upstream *u = a->conf.upstreams.item;
	struct feed_node node[UPSTREAM_NODES];

	for (int i = 0; i < a->conf.upstreams.n; i++) {
		snprintf(node[i].name, sizeof(node[i].name), "%s", u[i].name);
		node[i].addr = u[i].address;
	}
	return feeds_set_nodes(a->feeds, node, a->conf.upstreams.n);
}

/* Takes over the libraries of the configuration. Before agent_rtsp_conf(). 0 or negative errno, and the
 * old ones are gone. */
int agent_set_libraries(struct agent *a)
{
	const struct sn_conf_library *c = a->conf.libraries.item;
	int err = 0;

	free(a->library);
	a->library = NULL;
	if (!a->conf.libraries.n)
		return 0;
	a->library = calloc((size_t)a->conf.libraries.n, sizeof(*a->library));
	if (!a->library)
		return -ENOMEM;
	for (int i = 0; i < a->conf.libraries.n; i++) {
		struct library *l = &a->library[i];

		snprintf(l->path, sizeof(l->path), "%s", c[i].path);
		snprintf(l->origin, sizeof(l->origin), "%s", c[i].origin);
		sn_conf_origin_addr(&c[i], &l->addr);
	}
	if (a->films)
		films_set_conf(a->films);
	else
		a->films = films_new(a, &err);
	return err;
}

/* How channels are allotted; fixed has room for those of the configuration. */
static void casd_conf_of(struct agent *a, struct allotment *fixed, struct casd_conf *c)
{
	const struct sn_conf_channel *ch = a->conf.channels.item;

	*c = (struct casd_conf){.source = a->conf.address,
		.ttl = a->conf.cas.ttl,
		.lifetime = a->conf.cas.lifetime,
		.max = (int)a->conf.cas.max,
		.fixed = fixed,
		.n_fixed = a->conf.channels.n,
		.elsewhere = attach_door_source,
		.arg = a};
	addr_set_port(&c->source, (uint16_t)a->conf.rtsp.port);
	c->n_anycast = rtsp_prefixes(a->conf.cas.anycast, c->anycast);
	for (int i = 0; i < a->conf.channels.n; i++) {
		snprintf(fixed[i].url, sizeof(fixed[i].url), "%s", ch[i].url);
		snprintf(fixed[i].path, sizeof(fixed[i].path), "%s", ch[i].path);
	}
}

/* Opens it, or takes over another configuration. 0 or negative errno. */
int agent_set_cas(struct agent *a)
{
	struct allotment *fixed;
	struct casd_conf c;
	struct addr at;
	int err = 0;

	if (!*a->conf.cas.listen)
		return 0;
	fixed = calloc((size_t)a->conf.channels.n + 1, sizeof(*fixed));
	if (!fixed)
		return -ENOMEM;
	casd_conf_of(a, fixed, &c);
	if (a->casd) {
		err = casd_set_conf(a->casd, &c);
	} else {
		addr_parse(&at, slice_of(a->conf.cas.listen), 0);
		a->casd = casd_new(a->loop, &at, &c, &a->channels, &err);
		a->rtsp.allot = a->casd ? casd_allot(a->casd) : NULL;
	}
	free(fixed);
	return err;
}

/* In place: who borrows them has the new ones. 0; or negative errno with the reason in why, and the
 * old ones stay. */
static int load_keys(struct agent *a, const struct sn_conf *c, char why[256])
{
	const char *of_tokens = *c->access.key_file ? c->access.key_file : c->key_file;
	struct wire_keys keys = {0}, tokens = {0};
	int err = 0;

	*why = '\0';
	if (c->interface[0])
		err = wire_keys_load(&keys, c->key_file, why);
	if (!err && *why)
		log_msg(NLOG_CONF, "%s", why);
	if (!err && *of_tokens &&
		(c->access.token != ACCESS_OFF || *c->access.users || *c->accounting.database))
		err = wire_keys_load(&tokens, of_tokens, why);
	if (!err) {
		a->keys = keys;
		a->token_keys = tokens;
	}
	wire_keys_wipe(&keys);
	wire_keys_wipe(&tokens);
	return err;
}

int agent_load_secrets(struct agent *a, const struct sn_conf *c, char why[256])
{
	int err = load_keys(a, c, why);

	return err ? err : userlist_load(&a->users, c->access.users, why);
}

void agent_users_tick(struct agent *a, ns_t now)
{
	if (userlist_tick(&a->users, a->conf.access.users, now))
		a->rtsp.conf = agent_rtsp_conf(a);
}

int agent_reload(struct agent *a, struct conf_errors *err)
{
	struct sn_conf now;
	char why[256], fixed[CONF_NAME];

	if (daemon_load(&sn_daemon, a->conf_path, &now, err))
		return -EINVAL;
	if (sn_conf_fixed_change(&a->conf, &now, fixed)) {
		err->n = 0;
		err->text[0] = '\0';
		conf_error(err, "%s: %s has changed: that needs a restart", a->conf_path, fixed);
		conf_free(sn_daemon.options, &now);
		return -EINVAL;
	}
	if (agent_load_secrets(a, &now, why)) {
		a->rtsp.conf = agent_rtsp_conf(a); /* keys may be new though users are not */
		conf_error(err, "%s", why);
		conf_free(sn_daemon.options, &now);
		return -EINVAL;
	}
	conf_free(sn_daemon.options, &a->conf);
	a->conf = now;
	log_open("sn-agent", (enum log_level)a->conf.log_level);
	if (agent_set_libraries(a))
		log_msg(NLOG_ERROR, "libraries: there is no room for films");
	a->rtsp.conf = agent_rtsp_conf(a);
	agent_groups_conf(&a->conf, &a->rtsp.groups.conf);
	struct server_conf sc = agent_server_conf(&a->conf);
	server_set_conf(a->server, &sc);
	channels_set_span(&a->channels, a->conf.ring);
	a->relay.delay = a->conf.relay.delay;
	a->channels.linger = a->conf.linger;
	if (agent_set_upstreams(a))
		log_msg(NLOG_ERROR, "upstreams: out of memory");
	agent_set_neighbours(a);
	struct ports_conf pc = agent_ports_conf(&a->conf);
	if (a->primes)
		primes_set_conf(a->primes, &pc);
	web_door_reload(a);
	if (agent_set_cas(a))
		log_msg(NLOG_ERROR, "channels stay allotted as before: out of memory");
	attach_door_set_conf(a);
	if (accounts_open(a))
		log_msg(NLOG_ERROR, "accounting: out of memory");
	announcer_now(a->announcer);
	event_emit("reload", loop_now(a->loop), NULL);
	log_msg(NLOG_INFO, "configuration reloaded");
	return 0;
}
