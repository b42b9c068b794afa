/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/config.h"

#include <string.h>

#include "lib/log.h"
#include "sn-agent/access.h"
#include "sn-agent/ports.h"
#include "sn-agent/rtsp.h"
#include "sn-agent/upstream.h"

#define AT(field) offsetof(struct sn_conf, field), sizeof(((struct sn_conf *)0)->field)
#define AT_UPSTREAM(field)                                                                         \
	offsetof(struct sn_conf_upstream, field), sizeof(((struct sn_conf_upstream *)0)->field)

const char *sn_conf_check_host(const void *value)
{
	const struct addr *a = value;

	if (addr_is_any(a) || addr_is_multicast(a))
		return "a host's own unicast address";
	/* Redirectors refuse it: it means something on its own link only. */
	if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr))
		return "an address that is not link-local";
	return NULL;
}

const char *sn_conf_check_host_or_none(const void *value)
{
	return ((const struct addr *)value)->sa.sa_family ? sn_conf_check_host(value) : NULL;
}

static const char *check_prefixes(const void *value)
{
	struct prefix p[RTSP_PREFIXES_MAX];

	return rtsp_prefixes(value, p) < 0 ? "address blocks, separated by commas, 16 at most"
	                                   : NULL;
}

static const char *check_even(const void *value)
{
	return *(const int64_t *)value % 2 ? "an even port (RTCP has the next one)" : NULL;
}

static const struct conf_option announce_options[] = {
	{"group", CONF_ADDR, AT(announce.group), "239.255.77.1:7701", .def_port = 7701,
		.check = conf_check_group, .fixed = true,
		.help = "group and port of announcements"},
	{"interval", CONF_MS, AT(announce.interval), "200", ANNOUNCE_MIN_INTERVAL, 60000,
		.help = "time between two announcements"},
	{"weight", CONF_INT, AT(announce.weight), "100", 0, 65535,
		.help = "share of the clients; 100 is usual, 0: last resort"},
	{0},
};

static const char *const start_names[] = {"keyframe", "live", NULL};

static const struct conf_option rtsp_options[] = {
	{"port", CONF_INT, AT(rtsp.port), "554", 1, 65535, .fixed = true,
		.help = "TCP port of the RTSP server"},
	{"session-timeout", CONF_MS, AT(rtsp.session_timeout), "60000", 1000, 3600000,
		.help = "a session without RTSP, RTCP or a publisher's RTP ends after it"},
	{"publishers", CONF_STR, AT(rtsp.publishers), "", .check = check_prefixes,
		.help = "address blocks of who may publish (ANNOUNCE); \"\": nobody"},
	{"start", CONF_ENUM, AT(rtsp.start), "keyframe", .names = start_names,
		.help = "whether a player that joins late begins with the newest key frame or "
			"with what is live"},
	{0},
};

static const struct conf_option rtp_options[] = {
	{"port", CONF_INT, AT(rtp.port), "7704", 2, 65534, .check = check_even, .fixed = true,
		.help = "UDP port of all RTP; RTCP has the next one"},
	{0},
};

static const struct conf_option relay_options[] = {
	{"delay", CONF_MS, AT(relay.delay), "20", 0, 1000,
		.help = "how long packets that come one by one may wait for each other; 0: not at "
			"all"},
	{0},
};

static const char *check_realm(const void *value)
{
	const char *s = value;

	for (const char *c = s; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f || strchr("\"\\:", *c))
			return "a text without quotes, backslashes and colons";
	return *s ? NULL : "a text";
}

static const struct conf_option access_options[] = {
	{"token", CONF_ENUM, AT(access.token), "off", .names = access_mode_names,
		.help = "whether clients have to show an ARN's token to have a channel (row E4)"},
	{"key-file", CONF_STR, AT(access.key_file), "",
		.help = "keys of tokens; \"\": those of announcements"},
	{"trusted", CONF_STR, AT(access.trusted), "", .check = check_prefixes,
		.help = "address blocks of who needs no token and need not be a user: nodes that "
			"get channels here"},
	{"users", CONF_STR, AT(access.users), "",
		.help = "file of users and their hashes, as of htdigest; \"\": nobody is asked"},
	{"realm", CONF_STR, AT(access.realm), "nearcast", .check = check_realm,
		.help = "what users are asked for"},
	{"authenticate", CONF_ENUM, AT(access.authenticate), "all", .names = access_asked_names,
		.help = "who has to be a user, if there are users"},
	{"publishers", CONF_STR, AT(access.publishers), "",
		.help = "users who may publish, separated by commas; \"\": all"},
	{"nonce-lifetime", CONF_MS, AT(access.nonce_lifetime), "300000", 1000, 86400000,
		.help = "how long a user's proof may be used again by the same client"},
	{0},
};

static const struct conf_option accounting_options[] = {
	{"database", CONF_STR, AT(accounting.database), "", .fixed = true,
		.help = "SQLite file that sessions are accounted for in (row E4); \"\": none"},
	{"interval", CONF_MS, AT(accounting.interval), "5000", 100, 3600000,
		.help = "time between two updates of a session's account"},
	{"keep-days", CONF_INT, AT(accounting.keep_days), "0", 0, 36500,
		.help = "accounts are forgotten so long after the session's end; 0: never"},
	{0},
};

static const struct conf_option http_options[] = {
	{"port", CONF_INT, AT(http.port), "0", 0, 65535,
		.help = "port of this host's web server, which is announced; 0: none"},
	{0},
};

bool sn_conf_ports(const char *text, uint16_t *first, uint16_t *last)
{
	struct slice high = slice_of(text), low = slice_cut(&high, '-');
	unsigned long long a, b;

	if (slice_u64(slice_trim(low), 65535, &a) || slice_u64(slice_trim(high), 65535, &b) ||
		a < 1024 || b < a || b - a >= PORTS_MAX)
		return false;
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return true;
}

static const char *check_ports(const void *value)
{
	uint16_t first, last;

	return sn_conf_ports(value, &first, &last)
	               ? NULL
	               : "a range of TCP ports, from 1024 on and 4096 at most, as \"20000-20999\"";
}

static const struct conf_option prime_options[] = {
	{"port", CONF_INT, AT(prime.port), "7702", 0, 65535, .fixed = true,
		.help = "UDP port at which ARNs ask for ports (row B6); 0: none is given"},
	{"ports", CONF_STR, AT(prime.ports), "20000-20999", .check = check_ports, .fixed = true,
		.help = "TCP ports that are given"},
	{"max", CONF_INT, AT(prime.max), "256", 1, 4096, .help = "ports given at one time"},
	{"lifetime", CONF_MS, AT(prime.lifetime), "60000", 1000, 86400000,
		.help = "how long a port is given for, unless it is asked for again or in use"},
	{0},
};

/* As it is to be written: what is configured and what is asked for are compared as text. */
static const char *check_url(const void *value)
{
	struct addr anycast;
	struct slice path;
	char url[CAS_URL];

	return cas_url_parse(slice_of(value), &anycast, &path) || cas_url(&anycast, path, url) ||
	                       strcmp(url, value) != 0
	               ? "rtsp://ADDRESS/PATH, without a port or a slash at the end"
	               : NULL;
}

const char *sn_conf_check_path(const void *value)
{
	const char *s = value;

	return s[0] == '/' && s[1] && s[strlen(s) - 1] != '/' && !strpbrk(s, " ?#")
	               ? NULL
	               : "a path, as \"/news\"";
}

static const struct conf_option cas_options[] = {
	{"listen", CONF_STR, AT(cas.listen), "", .check = conf_check_management, .fixed = true,
		.help = "ADDRESS:PORT at which ARNs ask for channels over HTTP (row D3); \"\": "
			"none"},
	{"anycast", CONF_STR, AT(cas.anycast), "", .check = check_prefixes,
		.help = "address blocks whose URLs mean the channel of their path here"},
	{"ttl", CONF_MS, AT(cas.ttl), "15000", 1000, CAS_TTL * 1000,
		.help = "how long an ARN may go by an answer"},
	{"max", CONF_INT, AT(cas.max), "256", 1, 4096, .help = "channels allotted at one time"},
	{"lifetime", CONF_MS, AT(cas.lifetime), "600000", 1000, 86400000,
		.help = "how long one is kept that nobody asks for or uses"},
	{0},
};

static const struct conf_option channel_options[] = {
	{"url", CONF_STR, offsetof(struct sn_conf_channel, url), CAS_URL, .check = check_url,
		.help = "rtsp://ADDRESS/PATH that players ask for"},
	{"path", CONF_STR, offsetof(struct sn_conf_channel, path), CAS_PATH,
		.check = sn_conf_check_path, .help = "the channel's path at this node"},
	{0},
};

static const char *check_groups(const void *value)
{
	struct prefix p;

	return *(const char *)value &&
	                       (prefix_parse(&p, slice_of(value)) || !addr_is_multicast(&p.addr))
	               ? "a block of multicast addresses, as \"239.255.78.0/24\""
	               : NULL;
}

static const struct conf_option multicast_options[] = {
	{"groups", CONF_STR, AT(multicast.groups), "", .check = check_groups, .fixed = true,
		.help = "block that channels get their groups from; \"\": no multicast"},
	{"port", CONF_INT, AT(multicast.port), "7710", 2, 65500, .check = check_even, .fixed = true,
		.help = "UDP port of a group's first medium; each has two"},
	{"ttl", CONF_INT, AT(multicast.ttl), "1", 1, 255, .fixed = true,
		.help = "routers that it may pass, and one more"},
	{"interface", CONF_STR, AT(multicast.interface), "", .fixed = true,
		.help = "interface that it leaves by; \"\": the one that has the address"},
	{"clients", CONF_STR, AT(multicast.clients), "", .check = check_prefixes,
		.help = "address blocks of who can be reached by multicast"},
	{"threshold", CONF_INT, AT(multicast.threshold), "2", 1, 1000000,
		.help = "players of a channel, from which on those that can are told to join"},
	{0},
};

static const struct conf_option limits_options[] = {
	{"connections", CONF_INT, AT(limits.connections), "8192", 1, 1000000,
		.help = "RTSP connections at one time"},
	{"request-timeout", CONF_MS, AT(limits.request_timeout), "5000", 10, 3600000,
		.help = "time for a request to come whole"},
	{"idle-timeout", CONF_MS, AT(limits.idle_timeout), "10000", 10, 3600000,
		.help = "time that a connection without a session may be without a request"},
	{0},
};

static const struct conf_option capacity_options[] = {
	{"sessions", CONF_INT, AT(capacity.sessions), "0", 0, 4294967295,
		.help = "players at one time; 0: unlimited"},
	{"kbps", CONF_INT, AT(capacity.kbps), "0", 0, (int64_t)ANNOUNCE_MAX_KBPS,
		.help = "kbit/s sent, above which no player is taken; 0: unlimited"},
	{0},
};

static const struct conf_option upstream_options[] = {
	{"address", CONF_ADDR, AT_UPSTREAM(address), .def_port = 554, .check = sn_conf_check_host,
		.help = "RTSP address of a node that channels are subscribed at"},
	{0},
};

static const struct conf_option options[] = {
	{"name", CONF_STR, AT(name), .check = conf_check_name, .fixed = true,
		.help = "this node's name"},
	{"address", CONF_ADDR, AT(address), .check = sn_conf_check_host, .fixed = true,
		.help = "unicast address that clients are sent to and media leave from"},
	{"interface", CONF_STR, AT(interface), "", .fixed = true,
		.help = "interface of the LAN that it announces itself on; \"\": nowhere"},
	{"key-file", CONF_STR, AT(key_file), "", .help = "keys of announcements"},
	{"place", CONF_STR, AT(place), "", .check = conf_check_place,
		.help = "hierarchical name of where the node is (row H7); \"\": not said"},
	{"control", CONF_STR, AT(control), "/run/nearcast/sn.sock", .fixed = true,
		.help = "socket of nearctl"},
	{"management", CONF_STR, AT(management), "", .check = conf_check_management, .fixed = true,
		.help = "ADDRESS:PORT of the metrics; \"\": none"},
	{"log-level", CONF_ENUM, AT(log_level), "info", .names = log_level_names,
		.help = "least severity that is logged"},
	{"events", CONF_STR, AT(events), "", .fixed = true,
		.help = "file that events are appended to"},
	{"announce", CONF_SECTION, .sub = announce_options},
	{"rtsp", CONF_SECTION, .sub = rtsp_options},
	{"rtp", CONF_SECTION, .sub = rtp_options},
	{"relay", CONF_SECTION, .sub = relay_options},
	{"http", CONF_SECTION, .sub = http_options},
	{"web", CONF_SECTION, .sub = sn_web_options},
	{"prime", CONF_SECTION, .sub = prime_options},
	{"access", CONF_SECTION, .sub = access_options},
	{"accounting", CONF_SECTION, .sub = accounting_options},
	{"cas", CONF_SECTION, .sub = cas_options},
	{"multicast", CONF_SECTION, .sub = multicast_options},
	{"channel", CONF_SECTION_LIST, offsetof(struct sn_conf, channels),
		sizeof(struct sn_conf_channel), .sub = channel_options,
		.help = "a URL that means a channel of another path here"},
	{"vod", CONF_SECTION, .sub = sn_vod_options},
	{"library", CONF_SECTION_LIST, offsetof(struct sn_conf, libraries),
		sizeof(struct sn_conf_library), .sub = sn_library_options,
		.help = "paths whose films are played on demand"},
	{"limits", CONF_SECTION, .sub = limits_options},
	{"capacity", CONF_SECTION, .sub = capacity_options},
	{"ring", CONF_MS, AT(ring), "10000", 100, 600000,
		.help = "how long packets are kept for repair and failover"},
	{"linger", CONF_MS, AT(linger), "2000", 0, 3600000,
		.help = "how long a subscription that nobody uses is kept"},
	{"drain-timeout", CONF_MS, AT(drain_timeout), "10000", 0, 3600000,
		.help = "after SIGTERM: how long sessions under way may go on"},
	{"upstream", CONF_SECTION_LIST, offsetof(struct sn_conf, upstreams),
		sizeof(struct sn_conf_upstream), .sub = upstream_options,
		.help = "a node that channels are subscribed at, in this order"},
	{"overlay", CONF_SECTION, .sub = sn_overlay_options},
	{"attach", CONF_SECTION, .sub = sn_attach_options},
	{"attachments", CONF_SECTION, .sub = sn_attachments_options},
	{"neighbour", CONF_SECTION_LIST, offsetof(struct sn_conf, neighbours),
		sizeof(struct sn_conf_neighbour), .sub = sn_neighbour_options,
		.help = "a node at the other end of a tunnel"},
	{"source", CONF_SECTION_LIST, offsetof(struct sn_conf, sources),
		sizeof(struct sn_conf_source), .sub = sn_source_options,
		.help = "where in the overlay channels come from"},
	{"class", CONF_SECTION_LIST, offsetof(struct sn_conf, classes),
		sizeof(struct sn_conf_class), .sub = sn_class_options,
		.help = "channels that share the links to neighbours, the highest class first"},
	{0},
};

static void check_upstreams(const struct sn_conf *c, struct conf_errors *e)
{
	const struct sn_conf_upstream *u = c->upstreams.item;

	if (c->upstreams.n > UPSTREAM_NODES)
		conf_error(e, "%d upstreams, expected %d at most", c->upstreams.n, UPSTREAM_NODES);
	for (int i = 0; i < c->upstreams.n; i++) {
		if (conf_check_name(u[i].name))
			conf_error(
				e, "upstream \"%s\": expected %s", u[i].name, conf_check_name(""));
		if (!strcmp(u[i].name, c->name) ||
			(addr_same_host(&u[i].address, &c->address) &&
				addr_port(&u[i].address) == c->rtsp.port))
			conf_error(e, "upstream \"%s\": is this node itself", u[i].name);
		if (u[i].address.sa.sa_family != c->address.sa.sa_family)
			conf_error(e,
				"upstream \"%s\": expected an address of the same family as "
				"this node's",
				u[i].name);
		for (int k = 0; k < i; k++)
			if (!strcmp(u[i].name, u[k].name))
				conf_error(e, "upstream \"%s\": there are two of this name",
					u[i].name);
	}
}

static void check_prime(const struct sn_conf *c, struct conf_errors *e)
{
	uint16_t first, last;

	if (!sn_conf_ports(c->prime.ports, &first, &last))
		return;
	if (c->prime.max > last - first + 1)
		conf_error(e, "prime.max is %lld, but prime.ports \"%s\" has %d ports only",
			(long long)c->prime.max, c->prime.ports, last - first + 1);
	if (c->rtsp.port >= first && c->rtsp.port <= last)
		conf_error(e, "prime.ports \"%s\" has rtsp.port %lld in it, expected other ports",
			c->prime.ports, (long long)c->rtsp.port);
}

static void check_cas(const struct sn_conf *c, struct conf_errors *e)
{
	const struct sn_conf_channel *ch = c->channels.item;

	if (c->channels.n > c->cas.max)
		conf_error(e, "%d channels, expected cas.max, %lld, at most", c->channels.n,
			(long long)c->cas.max);
	if (c->cas.lifetime <= c->cas.ttl)
		conf_error(e, "cas.lifetime is not longer than cas.ttl: numbers would end in use");
	for (int i = 0; i < c->channels.n; i++)
		for (int k = 0; k < i; k++)
			if (!strcmp(ch[i].url, ch[k].url))
				conf_error(e, "channel \"%s\": \"%s\" has its url", ch[i].name,
					ch[k].name);
}

static void check_multicast(const struct sn_conf *c, struct conf_errors *e)
{
	struct prefix p;

	if (!*c->multicast.groups || prefix_parse(&p, slice_of(c->multicast.groups)))
		return;
	if (p.addr.sa.sa_family != c->address.sa.sa_family)
		conf_error(e,
			"multicast.groups \"%s\": expected a block of the same family as "
			"this node's address",
			c->multicast.groups);
	if (!*c->multicast.clients)
		conf_error(e, "multicast.groups is given but no multicast.clients: nobody could "
			      "be reached by multicast");
}

static void check_access(const struct sn_conf *c, struct conf_errors *e)
{
	if (c->access.token != ACCESS_OFF && !*c->access.key_file && !*c->key_file)
		conf_error(e,
			"access.token is %s but there is neither access.key-file nor "
			"key-file: no token could be believed",
			access_mode_names[c->access.token]);
}

static void check_all(const void *conf, struct conf_errors *e)
{
	const struct sn_conf *c = conf;

	if (*c->interface && !*c->key_file)
		conf_error(e,
			"interface \"%s\" is given but no key-file: nobody would believe "
			"the announcements",
			c->interface);
	if (addr_port(&c->address))
		conf_error(e, "address has a port, expected none: rtsp.port is the server's");
	check_upstreams(c, e);
	sn_conf_check_overlay(c, e);
	check_prime(c, e);
	check_cas(c, e);
	sn_conf_check_libraries(c, e);
	check_access(c, e);
	sn_conf_check_web(c, e);
	check_multicast(c, e);
}

const struct daemon sn_daemon = {
	.name = "sn-agent",
	.summary = "service node: takes live channels from publishers or other nodes and serves "
		   "them to players",
	.options = options,
	.check = check_all,
};

bool sn_conf_fixed_change(
	const struct sn_conf *was, const struct sn_conf *now, char name[CONF_NAME])
{
	if (conf_fixed_change(options, was, now, name))
		return true;
	/* The web cache has it; another one's is only announced. */
	if (!*was->web.nginx || was->http.port == now->http.port)
		return false;
	strcpy(name, "http.port");
	return true;
}
