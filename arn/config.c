/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/config.h"

#include "arn/site.h"

#include <stdio.h>
#include <string.h>

#include "arn/policy.h"
#include "arn/crew.h"
#include "lib/log.h"
#include "lib/text.h"

#define AT(field) offsetof(struct arn_conf, field), sizeof(((struct arn_conf *)0)->field)
#define AT_NODE(field)                                                                             \
	offsetof(struct arn_conf_node, field), sizeof(((struct arn_conf_node *)0)->field)

static const char *check_interface(const void *value)
{
	const char *s = value;

	return *s && !strchr(s, '/') && !strchr(s, '%') ? NULL : "an interface's name";
}

static const char *check_node_address(const void *value)
{
	const struct addr *a = value;

	return addr_is_any(a) || addr_is_multicast(a) ? "a host's address" : NULL;
}

static const char *check_own_address(const void *value)
{
	const struct addr *a = value;

	return a->sa.sa_family == AF_UNSPEC ? NULL : check_node_address(value);
}

static const char *check_pace(const void *value)
{
	ns_t interval = *(const ns_t *)value;

	return interval && interval < 100 * NS_MS ? "0, or 100 ms and more" : NULL;
}

static const char *check_path(const void *value)
{
	const char *s = value;

	return *s == '/' && strcspn(s, " \t\r\n") == strlen(s) ? NULL : "a path, from \"/\" on";
}

static const char *const arn_active_names[] = {"master", "all", "each", NULL};

static const struct conf_option anycast_options[] = {
	{"block", CONF_PREFIX, AT(anycast.block), .fixed = true,
		.help = "anycast addresses served here"},
	{"interface", CONF_STR, AT(anycast.interface), "anycast0", .check = check_interface,
		.fixed = true,
		.help = "TUN interface that carries the block while this node can serve"},
	{"hang-bound", CONF_MS, AT(anycast.hang_bound), "300", 50, 60000, .fixed = true,
		.help = "silence of a process after which the block is withdrawn"},
	{"hold", CONF_MS, AT(anycast.hold), "3000", 0, 3600000, .fixed = true,
		.help = "time of continuous health before the block comes (back) up"},
	{"active", CONF_ENUM, AT(anycast.active), "master", .names = arn_active_names,
		.fixed = true,
		.help = "which ARNs of the LAN have the block up: the master, or all that are "
			"ready; each: every address has a master of its own"},
	{"addresses", CONF_ADDR_LIST, AT(anycast.addresses), "", .fixed = true,
		.help = "with active = \"each\": the addresses of the block, 16 at most"},
	{"next-hop", CONF_ADDR, AT(anycast.next_hop), "", .check = check_own_address, .fixed = true,
		.help = "address of the LAN that routes to the block lead to; \"\": this node's"},
	{0},
};

static const struct conf_option announce_options[] = {
	{"interval", CONF_MS, AT(announce.interval), "200", 20, 30000, .fixed = true,
		.help = "between this node's announcements to the other ARNs"},
	{0},
};

static const struct conf_option discovery_options[] = {
	{"group", CONF_ADDR, AT(discovery.group), "239.255.77.1:7701", .def_port = 7701,
		.check = conf_check_group, .fixed = true,
		.help = "group and port of announcements"},
	{"misses", CONF_INT, AT(discovery.misses), "3", 1, 100,
		.help = "a node's own intervals without an announcement until it is gone"},
	{"skew", CONF_MS, AT(discovery.skew), "10000", 100, 3600000, .fixed = true,
		.help = "largest difference between two hosts' clocks"},
	{0},
};

static const struct conf_option rtsp_options[] = {
	{"port", CONF_INT, AT(rtsp.port), "554", 0, 65535, .fixed = true,
		.help = "TCP port, 0: off"},
	{"policy", CONF_ENUM, AT(rtsp.policy), "", .names = policy_choices,
		.help = "how nodes are chosen for RTSP; \"\": select's policy"},
	{0},
};

static const struct conf_option http_options[] = {
	{"port", CONF_INT, AT(http.port), "80", 0, 65535, .fixed = true,
		.help = "TCP port, 0: off"},
	{"policy", CONF_ENUM, AT(http.policy), "", .names = policy_choices,
		.help = "how nodes are chosen for HTTP; \"\": select's policy"},
	{0},
};

static const struct conf_option select_options[] = {
	{"policy", CONF_ENUM, AT(select.policy), "least-loaded", .names = policy_names,
		.help = "how nodes are chosen"},
	{"bound", CONF_INT, AT(select.bound), "25", 0, 1000,
		.help = "consistent-hash: per cent past the mean load that a node may be"},
	{"affinity-limit", CONF_INT, AT(select.affinity_limit), "80", 0, 100,
		.help = "channel-affinity: per cent of load past which a carrier gets no more"},
	{"reservation", CONF_MS, AT(select.reservation), "2000", 100, 60000,
		.help = "time that a redirected client has to attach"},
	{"per-client", CONF_INT, AT(select.per_client), "64", 0, 65535,
		.help = "reservations that one client can have at a time"},
	{"session-kbps", CONF_INT, AT(select.session_kbps), "2000", 0, 10000000,
		.help = "bit rate of a session while nothing is known of any"},
	{0},
};

static const struct conf_option probe_options[] = {
	{"interval", CONF_MS, AT(probe.interval), "1000", 0, 3600000, .check = check_pace,
		.help = "between two probes of a service that works; 0: no probes"},
	{"timeout", CONF_MS, AT(probe.timeout), "1000", 10, 60000,
		.help = "time for a service to answer"},
	{"rise", CONF_INT, AT(probe.rise), "2", 1, 100,
		.help = "answers in a row until a broken service counts as working"},
	{"fall", CONF_INT, AT(probe.fall), "2", 1, 100,
		.help = "failures in a row until a service counts as broken"},
	{"quarantine", CONF_MS, AT(probe.quarantine), "2000", 0, 3600000,
		.help = "how long a service that was broken stands behind the others; doubles "
			"each time"},
	{"quarantine-max", CONF_MS, AT(probe.quarantine_max), "60000", 0, 3600000,
		.help = "longest quarantine; a failure is forgotten after as long"},
	{"path", CONF_STR, AT(probe.path), "/", .check = check_path,
		.help = "that HTTP services are asked for (HEAD)"},
	{"concurrent", CONF_INT, AT(probe.concurrent), "64", 1, 1024,
		.help = "probes at the same time"},
	{0},
};

static const struct conf_option peers_options[] = {
	{"port", CONF_INT, AT(peers.port), "7702", 0, 65535, .fixed = true,
		.help = "TCP port of the connections between ARNs, 0: none"},
	{0},
};

static const struct conf_option limits_options[] = {
	{"connections", CONF_INT, AT(limits.connections), "4096", 1, 1000000,
		.help = "connections at once; past it the oldest are closed"},
	{"request-timeout", CONF_MS, AT(limits.request_timeout), "5000", 10, 3600000,
		.help = "time for a request to come whole, and for a drain at most"},
	{"idle-timeout", CONF_MS, AT(limits.idle_timeout), "10000", 10, 3600000,
		.help = "time without a request on an RTSP connection"},
	{0},
};

static const struct conf_option token_options[] = {
	{"issue", CONF_BOOL, AT(token.issue), "no",
		.help = "every redirection carries a signed token"},
	{"lifetime", CONF_MS, AT(token.lifetime), "60000", 1000, 65535000,
		.help = "how long a token is good for"},
	{"bind-client", CONF_BOOL, AT(token.bind_client), "no",
		.help = "a token is good for the client's own address only"},
	{"resume", CONF_MS, AT(token.resume), "86400000", 0, 2592000000,
		.help = "how long after a token's end its session can be resumed with it"},
	{"key-file", CONF_STR, AT(token.key_file), "",
		.help = "keys of tokens; \"\": those of announcements"},
	{0},
};

static const struct conf_option sites_options[] = {
	{"port", CONF_INT, AT(sites.port), "7702", 1, 65535,
		.help = "UDP port at which ARNs of other sites are heard"},
	{"interval", CONF_MS, AT(sites.interval), "200", 10, 10000,
		.help = "between two words to them"},
	{"misses", CONF_INT, AT(sites.misses), "3", 2, 100,
		.help = "of an ARN's own intervals, after which it counts as not serving"},
	{"hold-max", CONF_MS, AT(sites.hold_max), "60000", 0, 3600000,
		.help = "longest hold of one that goes and comes again and again"},
	{0},
};

#define AT_SITE(m) offsetof(struct arn_conf_site, m), sizeof(((struct arn_conf_site *)0)->m)

static const struct conf_option site_options[] = {
	{"address", CONF_ADDR, AT_SITE(address), .check = check_node_address,
		.help = "unicast address of an ARN there"},
	{0},
};

static const struct conf_option node_options[] = {
	{"address", CONF_ADDR, AT_NODE(address), .check = check_node_address,
		.help = "unicast address that clients are sent to"},
	{"rtsp-port", CONF_INT, AT_NODE(rtsp_port), "554", 0, 65535, .help = "0: no RTSP"},
	{"http-port", CONF_INT, AT_NODE(http_port), "0", 0, 65535, .help = "0: no HTTP"},
	{"weight", CONF_INT, AT_NODE(weight), "100", 0, 65535,
		.help = "share of the clients; 100 is usual, 0: last resort"},
	{0},
};

static const struct conf_option prime_options[] = {
	{"rtsp", CONF_BOOL, AT(prime.rtsp), "no",
		.help = "RTSP clients are sent to ports that nodes open for their anycast address"},
	{"http", CONF_BOOL, AT(prime.http), "no", .help = "HTTP clients likewise"},
	{"wait", CONF_MS, AT(prime.wait), "150", 0, 10000,
		.help = "how long a request may wait for what its answer needs first, and for "
			"the way to a far node more"},
	{0},
};

static const char *check_directory(const void *value)
{
	const char *s = value;

	return !*s || *s == '/' ? NULL : "a path from \"/\" on, or \"\"";
}

static const struct conf_option direct_options[] = {
	{"directory", CONF_STR, AT(direct.directory), "", .check = check_directory,
		.help = "short content that is served without a node; \"\": none"},
	{"max-age", CONF_INT, AT(direct.max_age), "60", 0, 31536000,
		.help = "seconds that others may keep it for without asking"},
	{"max-objects", CONF_INT, AT(direct.max_objects), "1000", 1, 50000,
		.help = "files that are served; past it they are left out"},
	{"max-bytes", CONF_INT, AT(direct.max_bytes), "16777216", 1, 1073741824,
		.help = "memory that they take; past it they are left out"},
	{0},
};

static const struct conf_option options[] = {
	{"name", CONF_STR, AT(name), .check = conf_check_name, .fixed = true,
		.help = "this node's name"},
	{"interface", CONF_STR, AT(interface), "", .fixed = true,
		.help = "interface of the service nodes' LAN; \"\": configured nodes only"},
	{"address", CONF_ADDR, AT(address), "", .check = check_own_address, .fixed = true,
		.help = "this node's address in the election; \"\": the interface's"},
	{"key-file", CONF_STR, AT(key_file), "", .help = "keys of announcements"},
	{"control", CONF_STR, AT(control), "/run/nearcast/arn.sock", .fixed = true,
		.help = "socket of nearctl"},
	{"management", CONF_STR, AT(management), "", .check = conf_check_management, .fixed = true,
		.help = "ADDRESS:PORT of the metrics; \"\": none"},
	{"log-level", CONF_ENUM, AT(log_level), "info", .names = log_level_names,
		.help = "least severity that is logged"},
	{"events", CONF_STR, AT(events), "", .fixed = true,
		.help = "file that events are appended to"},
	{"workers", CONF_INT, AT(workers), "0", 0, CREW_MAX, .fixed = true,
		.help = "threads that answer clients; 0: one for each processor"},
	{"anycast", CONF_SECTION, .sub = anycast_options},
	{"announce", CONF_SECTION, .sub = announce_options},
	{"discovery", CONF_SECTION, .sub = discovery_options},
	{"rtsp", CONF_SECTION, .sub = rtsp_options},
	{"http", CONF_SECTION, .sub = http_options},
	{"peers", CONF_SECTION, .sub = peers_options},
	{"probe", CONF_SECTION, .sub = probe_options},
	{"select", CONF_SECTION, .sub = select_options},
	{"limits", CONF_SECTION, .sub = limits_options},
	{"prime", CONF_SECTION, .sub = prime_options},
	{"token", CONF_SECTION, .sub = token_options},
	{"direct", CONF_SECTION, .sub = direct_options},
	{"retry-after", CONF_INT, AT(retry_after), "1", 0, 86400,
		.help = "seconds that a client is told to wait when there is no node"},
	{"place", CONF_STR, AT(place), "", .check = conf_check_place,
		.help = "where this ARN is, from the narrowest name to the widest; \"\": not "
			"known"},
	{"wide", CONF_SECTION, .sub = arn_wide_options},
	{"naming", CONF_SECTION, .sub = arn_naming_options},
	{"service", CONF_SECTION_LIST, offsetof(struct arn_conf, services),
		sizeof(struct arn_conf_service), .sub = arn_service_options,
		.help = "an address of the block whose content has an origin"},
	{"profiles", CONF_SECTION, .sub = arn_profiles_options},
	{"cas", CONF_SECTION, .sub = arn_cas_options},
	{"sites", CONF_SECTION, .sub = sites_options, .fixed = true},
	{"site", CONF_SECTION_LIST, offsetof(struct arn_conf, site), sizeof(struct arn_conf_site),
		.sub = site_options, .fixed = true, .help = "an ARN of another site"},
	{"flood", CONF_SECTION, .sub = arn_flood_options},
	{"regions", CONF_SECTION, .sub = arn_regions_options},
	{"measure", CONF_SECTION, .sub = arn_measure_options, .fixed = true},
	{"region", CONF_SECTION_LIST, offsetof(struct arn_conf, region),
		sizeof(struct arn_conf_region), .sub = arn_region_options,
		.help = "clients that are sent to the nodes nearest to a place"},
	{"node", CONF_SECTION_LIST, offsetof(struct arn_conf, nodes), sizeof(struct arn_conf_node),
		.sub = node_options, .help = "a service node, announced or not"},
	{0},
};

static void check_nodes(const struct arn_conf *c, struct conf_errors *e)
{
	const struct arn_conf_node *n = c->nodes.item;
	char text[ADDR_STRLEN];

	for (int i = 0; i < c->nodes.n; i++) {
		if (conf_check_name(n[i].id) || strlen(n[i].id) >= ANNOUNCE_ID_LEN)
			conf_error(e, "node \"%s\": expected %s, %d at most", n[i].id,
				conf_check_name(""), ANNOUNCE_ID_LEN - 1);
		if (prefix_has(&c->anycast.block, &n[i].address))
			conf_error(e,
				"node \"%s\": %s is inside the anycast block, expected a unicast "
				"address",
				n[i].id, addr_host(&n[i].address, text));
		for (int k = 0; k < i; k++)
			if (!strcmp(n[i].id, n[k].id))
				conf_error(e, "node \"%s\": there are two of this name", n[i].id);
	}
}

static void check_next_hop(const struct arn_conf *c, struct conf_errors *e)
{
	const struct addr *v = &c->anycast.next_hop;
	int family = v->sa.sa_family;

	if (family == AF_UNSPEC)
		return;
	if (!*c->interface)
		conf_error(e, "anycast: next-hop is given but no interface, on whose LAN it is");
	if (family != c->anycast.block.addr.sa.sa_family)
		conf_error(e, "anycast: next-hop and block are not of one family");
	if (prefix_has(&c->anycast.block, v))
		conf_error(e, "anycast: next-hop is inside the block, expected an address of the "
			      "LAN");
	if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&v->in6.sin6_addr))
		conf_error(e, "anycast: next-hop is link-local, expected one that OSPF can "
			      "carry as a forwarding address");
	if (c->anycast.active != ARN_ACTIVE_MASTER)
		conf_error(e, "anycast: next-hop leads to the master only, but active is %s",
			arn_active_names[c->anycast.active]);
	if (addr_same_host(v, &c->address))
		conf_error(e, "anycast: next-hop is this node's address, expected one that no "
			      "host has");
}

static void check_addresses(const struct arn_conf *c, struct conf_errors *e)
{
	const struct conf_addr_list *l = &c->anycast.addresses;
	bool each = c->anycast.active == ARN_ACTIVE_EACH;
	char text[ADDR_STRLEN];

	if (each && !l->n)
		conf_error(e, "anycast: active is each but no addresses are given");
	if (!each && l->n)
		conf_error(e, "anycast: addresses are given but active is %s, expected each",
			arn_active_names[c->anycast.active]);
	for (int i = 0; i < l->n; i++) {
		addr_host(&l->addr[i], text);
		if (!prefix_has(&c->anycast.block, &l->addr[i]))
			conf_error(e, "anycast: addresses: %s is not inside the block", text);
		if (addr_port(&l->addr[i]))
			conf_error(e, "anycast: addresses: %s has a port, expected none", text);
		for (int k = 0; k < i; k++)
			if (addr_same_host(&l->addr[i], &l->addr[k]))
				conf_error(e, "anycast: addresses: %s is there twice", text);
	}
}

static void check_sites(const struct arn_conf *c, struct conf_errors *e)
{
	const struct arn_conf_site *s = c->site.item;

	if (c->site.n && !*c->interface)
		conf_error(e, "site is given but no interface: without nodes that announce "
			      "themselves this one would never go");
	if (c->site.n > SITE_MAX)
		conf_error(e, "%d sites, expected %d at most", c->site.n, SITE_MAX);
	for (int i = 1; i < c->site.n; i++)
		if (s[i].address.sa.sa_family != s[0].address.sa.sa_family)
			conf_error(e,
				"site \"%s\": address is of another family than that of "
				"\"%s\"",
				s[i].name, s[0].name);
	for (int i = 0; i < c->site.n; i++)
		if (prefix_has(&c->anycast.block, &s[i].address))
			conf_error(e,
				"site \"%s\": address is inside the block, expected an "
				"ARN's own",
				s[i].name);
}

static void check_all(const void *conf, struct conf_errors *e)
{
	const struct arn_conf *c = conf;

	check_nodes(c, e);
	arn_conf_check_naming(c, e);
	check_next_hop(c, e);
	check_addresses(c, e);
	check_sites(c, e);
	arn_conf_check_flood(c, e);
	arn_conf_check_regions(c, e);
	arn_conf_check_wide(c, e);
	if (*c->interface && !*c->key_file)
		conf_error(e,
			"interface \"%s\" is given but no key-file: announcements there "
			"could not be trusted",
			c->interface);
	if (*c->direct.directory && !c->http.port)
		conf_error(e, "direct.directory is given but http.port is 0: nobody could ask "
			      "for what is there");
	if (c->token.issue && !*arn_conf_token_keys(c))
		conf_error(e, "token.issue is yes but there is neither token.key-file nor "
			      "key-file: nobody would believe the tokens");
	if (!*c->interface && !c->nodes.n && !c->wide.method)
		conf_error(e, "neither interface, node nor wide.method is given: no service node "
			      "could ever be known");
	if (c->probe.quarantine > c->probe.quarantine_max)
		conf_error(e, "probe: quarantine is longer than quarantine-max");
	if (prefix_has(&c->anycast.block, &c->address))
		conf_error(e, "address is inside the anycast block, expected this node's own");
	if (!c->rtsp.port && !c->http.port)
		conf_error(e, "both rtsp and http are off, expected a port for one of them");
	if (c->peers.port && (c->peers.port == c->rtsp.port || c->peers.port == c->http.port))
		conf_error(
			e, "peers has port %lld, which rtsp or http has", (long long)c->peers.port);
	if (c->workers > c->limits.connections)
		conf_error(e, "limits.connections is %lld, expected one for each of %lld workers",
			(long long)c->limits.connections, (long long)c->workers);
	if (c->rtsp.port && c->rtsp.port == c->http.port)
		conf_error(e, "rtsp and http have the same port %lld", (long long)c->rtsp.port);
}

const char *arn_conf_token_keys(const struct arn_conf *c)
{
	return *c->token.key_file ? c->token.key_file : c->key_file;
}

const struct daemon arn_daemon = {
	.name = "arn",
	.summary = "anycast referral node: answers at an anycast block, sends clients to "
		   "service nodes",
	.options = options,
	.check = check_all,
};

struct select_conf arn_conf_select(const struct arn_conf *c)
{
	const struct select_policy *usual = &policies[c->select.policy];

	return (struct select_conf){
		.policy = {[TEXT_HTTP] = c->http.policy ? &policies[c->http.policy - 1] : usual,
			[TEXT_RTSP] = c->rtsp.policy ? &policies[c->rtsp.policy - 1] : usual},
		.bound = (double)c->select.bound / 100,
		.affinity_limit = (double)c->select.affinity_limit / 100,
		.session_kbps = (uint64_t)c->select.session_kbps,
		.per_client = (unsigned)c->select.per_client,
		.window = (unsigned)((c->select.reservation + NS_S - 1) / NS_S),
		.far_share = (double)c->wide.share / 100,
		.latency_cost = (double)c->wide.latency_cost / NS_S,
	};
}

struct announce arn_conf_announce(const struct arn_conf_node *n)
{
	struct announce a = {
		.role = ROLE_SN,
		.addr = n->address,
		.rtsp_port = (uint16_t)n->rtsp_port,
		.http_port = (uint16_t)n->http_port,
		.healthy = true,
		.weight = (uint16_t)n->weight,
	};

	addr_set_port(&a.addr, 0);
	snprintf(a.id, sizeof(a.id), "%.*s", ANNOUNCE_ID_LEN - 1, n->id);
	return a;
}

bool arn_conf_fixed_change(
	const struct arn_conf *was, const struct arn_conf *now, char name[CONF_NAME])
{
	if (conf_fixed_change(options, was, now, name))
		return true;
	if (arn_conf_flood_same(was, now))
		return false;
	strcpy(name, "flood");
	return true;
}
