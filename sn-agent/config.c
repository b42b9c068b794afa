/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/config.h"

#include <errno.h>
#include <string.h>

#include "lib/log.h"
#include "lib/text.h"
#include "sn-agent/access.h"
#include "sn-agent/overlay.h"
#include "sn-agent/ports.h"
#include "sn-agent/rtsp.h"
#include "sn-agent/tunnel.h"
#include "sn-agent/upstream.h"
#include "sn-agent/web_conf.h"

#define AT(field) offsetof(struct sn_conf, field), sizeof(((struct sn_conf *)0)->field)
#define AT_UPSTREAM(field)                                                                         \
	offsetof(struct sn_conf_upstream, field), sizeof(((struct sn_conf_upstream *)0)->field)

static const char *check_host(const void *value)
{
	const struct addr *a = value;

	if (addr_is_any(a) || addr_is_multicast(a))
		return "a host's own unicast address";
	/* Redirectors refuse it: it means something on its own link only. */
	if (a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr))
		return "an address that is not link-local";
	return NULL;
}

static const char *check_host_or_none(const void *value)
{
	return ((const struct addr *)value)->sa.sa_family ? check_host(value) : NULL;
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

static const char *check_program(const void *value)
{
	const char *s = value;

	return !*s || *s == '/' ? NULL : "an absolute path, or \"\" for none";
}

static const char *check_folder(const void *value)
{
	return web_path_ok(value) ? NULL
	                          : "an absolute path of letters, digits, '.', '_', '-' and '/'";
}

static const char *check_file(const void *value)
{
	return *(const char *)value ? check_folder(value) : NULL;
}

static const char *check_word(const void *value)
{
	return !*(const char *)value || web_name_ok(value)
	               ? NULL
	               : "a name of letters, digits, '.', '_' and '-', or \"\"";
}

static const struct conf_option web_options[] = {
	{"nginx", CONF_STR, AT(web.nginx), "", .check = check_program, .fixed = true,
		.help = "program of the web cache at http.port and at primed ports (row E1); \"\": "
			"none"},
	{"folder", CONF_STR, AT(web.folder), "/var/cache/nearcast", .check = check_folder,
		.fixed = true,
		.help = "folder of the cache and of nginx's configuration; made if need be"},
	{"user", CONF_STR, AT(web.user), "www-data", .check = check_word,
		.help = "user of nginx's workers, when the agent is root"},
	{"size", CONF_INT, AT(web.size), "1024", 1, 1048576 * 1024LL, .help = "MiB of cache"},
	{"slice", CONF_INT, AT(web.slice), "1024", 0, 1048576,
		.help = "KiB that large objects are fetched by; 0: they are fetched whole"},
	{"inactive", CONF_MS, AT(web.inactive), "86400000", 1000, 31536000000LL,
		.help = "how long an object is kept that nobody asks for"},
	{"fresh", CONF_MS, AT(web.fresh), "10000", 1000, 86400000,
		.help = "how long an object is fresh whose origin does not say"},
	{"session", CONF_MS, AT(web.session), "60000", 1000, 3600000,
		.help = "how long a client that a token let in may be silent"},
	{"origin", CONF_ADDR_LIST, AT(web.origin), "", .def_port = 80,
		.help = "where what is asked for at http.port comes from, the best first"},
	{"host", CONF_STR, AT(web.host), "", .check = check_word,
		.help = "name of web.origin; \"\": its address"},
	{"workers", CONF_INT, AT(web.workers), "0", 0, 256,
		.help = "processes of nginx; 0: one for each processor"},
	{"connections", CONF_INT, AT(web.connections), "4096", 64, 1000000,
		.help = "connections of each, to clients and to origins"},
	{"log", CONF_STR, AT(web.log), "", .check = check_file,
		.help = "file of one line for each request; \"\": none"},
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

static const char *check_path(const void *value)
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
	{"path", CONF_STR, offsetof(struct sn_conf_channel, path), CAS_PATH, .check = check_path,
		.help = "the channel's path at this node"},
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

static const char *check_library_path(const void *value)
{
	const char *s = value;

	return s[0] == '/' && s[1] && s[strlen(s) - 1] != '/' && !strpbrk(s, " ?#")
	               ? NULL
	               : "a path without a slash at the end, as \"/films\"";
}

static const char *check_origin(const void *value)
{
	return library_check_origin(value);
}

static const struct conf_option vod_options[] = {
	{"cache", CONF_STR, AT(vod.cache), "", .fixed = true,
		.help = "directory of the file that blocks of films are kept in; \"\": in memory"},
	{"cache-size", CONF_INT, AT(vod.cache_size), "256", 8, 16777216, .fixed = true,
		.help = "room for blocks of films, MiB"},
	{"ahead", CONF_MS, AT(vod.ahead), "4000", 0, 60000,
		.help = "how much of a film is fetched ahead of who plays it"},
	{"revalidate", CONF_MS, AT(vod.revalidate), "10000", 0, 86400000,
		.help = "how long a film is taken for unchanged without asking"},
	{0},
};

static const struct conf_option library_options[] = {
	{"path", CONF_STR, offsetof(struct sn_conf_library, path), LIBRARY_PATH,
		.check = check_library_path,
		.help = "paths below it are films, played on demand (row E3)"},
	{"origin", CONF_STR, offsetof(struct sn_conf_library, origin), LIBRARY_ORIGIN,
		.check = check_origin, .help = "http URL that stands for the path"},
	{"address", CONF_ADDR, offsetof(struct sn_conf_library, address), sizeof(struct addr), "",
		.check = NULL, .help = "address of the origin's host, if the URL names it"},
	{0},
};

static const char *check_below(const void *value)
{
	return *(const char *)value ? check_path(value) : NULL;
}

#define AT_NEIGHBOUR(field) offsetof(struct sn_conf_neighbour, field)
#define AT_SOURCE(field)    offsetof(struct sn_conf_source, field)
#define AT_CLASS(field)     offsetof(struct sn_conf_class, field)

static const char *check_block(const void *value)
{
	struct prefix p;

	return *(const char *)value && prefix_parse(&p, slice_of(value))
	               ? "a block of addresses, as \"10.77.0.0/16\""
	               : NULL;
}

static const struct conf_option overlay_options[] = {
	{"address", CONF_ADDR, AT(overlay.address), "", .check = check_host_or_none, .fixed = true,
		.help = "this node's address in the overlay (row F1); \"\": it is in none"},
	{"block", CONF_STR, AT(overlay.block), "", .check = check_block,
		.help = "block of addresses in the overlay: an origin in it is a node of the "
			"overlay; \"\": none is"},
	{"port", CONF_INT, AT(overlay.port), "4789", 1, 65535, .fixed = true,
		.help = "UDP port of all tunnels"},
	{"assumed-kbps", CONF_INT, AT(overlay.assumed_kbps), "2000", 1, (int64_t)ANNOUNCE_MAX_KBPS,
		.help = "what a channel is taken for on a link while nothing is known of it"},
	{"mtu", CONF_INT, AT(overlay.mtu), "0", 0, 65535, .fixed = true,
		.help = "of tunnels; 0: what the way to the neighbour leaves"},
	{0},
};

static const struct conf_option attach_options[] = {
	{"anycast", CONF_ADDR, AT(attach.anycast), "", .def_port = 80, .check = check_host_or_none,
		.fixed = true,
		.help = "anycast address that is asked over HTTP which node to be a neighbour of "
			"(figure 9); \"\": none is"},
	{"refresh", CONF_MS, AT(attach.refresh), "1000", 100, 60000, .fixed = true,
		.help = "time between two messages to that node, which forgets this one after "
			"five"},
	{0},
};

static const struct conf_option attachments_options[] = {
	{"max", CONF_INT, AT(attachments.max), "0", 0, UPSTREAM_NODES,
		.help = "nodes of sources that can be attached to this one; 0: none"},
	{"registry", CONF_ADDR, AT(attachments.registry), "", .def_port = 7702,
		.check = check_host_or_none,
		.help = "control port of the node with the channel allocation service, which they "
			"are to tell their channels; \"\": this node itself, or none"},
	{0},
};

static const struct conf_option neighbour_options[] = {
	{"address", CONF_ADDR, AT_NEIGHBOUR(address), .check = check_host,
		.help = "unicast address of a node that there is to be a tunnel to"},
	{"vni", CONF_INT, AT_NEIGHBOUR(vni), 0, "0", 0, TUNNEL_VNI_MAX,
		.help = "the tunnel's VXLAN number, at both ends; 0: it follows from the "
			"addresses"},
	{"control-port", CONF_INT, AT_NEIGHBOUR(control), 0, "0", 0, 65535,
		.help = "its prime.port, which this node tells who looks for nodes (row H6); 0: as "
			"its own"},
	{"kbps", CONF_INT, AT_NEIGHBOUR(kbps), 0, "0", 0, (int64_t)ANNOUNCE_MAX_KBPS,
		.help = "what channels may take of the link, this way; 0: no limit"},
	{0},
};

static const struct conf_option class_options[] = {
	{"paths", CONF_STR, AT_CLASS(paths), BUDGET_PATHS, "",
		.help = "beginnings of the paths of its channels"},
	{"share", CONF_INT, AT_CLASS(share), 0, "100", 1, 100,
		.help = "per cent of a link that it and the classes behind it may take"},
	{0},
};

static const struct conf_option source_options[] = {
	{"address", CONF_ADDR, AT_SOURCE(address), .check = check_host,
		.help = "address in the overlay of the node that the channels come from"},
	{"path", CONF_STR, AT_SOURCE(path), CAS_PATH, "", .check = check_below,
		.help = "path of a channel, or the beginning of several; \"\": all"},
	{"host", CONF_ADDR, AT_SOURCE(host), 0, "", .check = check_host_or_none,
		.help = "unicast address by which redirectors know the origin; \"\": none"},
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
	{"address", CONF_ADDR, AT_UPSTREAM(address), .def_port = 554, .check = check_host,
		.help = "RTSP address of a node that channels are subscribed at"},
	{0},
};

static const struct conf_option options[] = {
	{"name", CONF_STR, AT(name), .check = conf_check_name, .fixed = true,
		.help = "this node's name"},
	{"address", CONF_ADDR, AT(address), .check = check_host, .fixed = true,
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
	{"web", CONF_SECTION, .sub = web_options},
	{"prime", CONF_SECTION, .sub = prime_options},
	{"access", CONF_SECTION, .sub = access_options},
	{"accounting", CONF_SECTION, .sub = accounting_options},
	{"cas", CONF_SECTION, .sub = cas_options},
	{"multicast", CONF_SECTION, .sub = multicast_options},
	{"channel", CONF_SECTION_LIST, offsetof(struct sn_conf, channels),
		sizeof(struct sn_conf_channel), .sub = channel_options,
		.help = "a URL that means a channel of another path here"},
	{"vod", CONF_SECTION, .sub = vod_options},
	{"library", CONF_SECTION_LIST, offsetof(struct sn_conf, libraries),
		sizeof(struct sn_conf_library), .sub = library_options,
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
	{"overlay", CONF_SECTION, .sub = overlay_options},
	{"attach", CONF_SECTION, .sub = attach_options},
	{"attachments", CONF_SECTION, .sub = attachments_options},
	{"neighbour", CONF_SECTION_LIST, offsetof(struct sn_conf, neighbours),
		sizeof(struct sn_conf_neighbour), .sub = neighbour_options,
		.help = "a node at the other end of a tunnel"},
	{"source", CONF_SECTION_LIST, offsetof(struct sn_conf, sources),
		sizeof(struct sn_conf_source), .sub = source_options,
		.help = "where in the overlay channels come from"},
	{"class", CONF_SECTION_LIST, offsetof(struct sn_conf, classes),
		sizeof(struct sn_conf_class), .sub = class_options,
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

static void check_neighbour(const struct sn_conf *c, int i, struct conf_errors *e)
{
	const struct sn_conf_neighbour *n = c->neighbours.item;
	struct tunnel a, b;

	if (conf_check_name(n[i].name))
		conf_error(e, "neighbour \"%s\": expected %s", n[i].name, conf_check_name(""));
	if (addr_port(&n[i].address))
		conf_error(e, "neighbour \"%s\": address has a port, expected none", n[i].name);
	if (!strcmp(n[i].name, c->name) || addr_same_host(&n[i].address, &c->address))
		conf_error(e, "neighbour \"%s\": is this node itself", n[i].name);
	if (n[i].address.sa.sa_family != c->address.sa.sa_family) {
		conf_error(e,
			"neighbour \"%s\": expected an address of the same family as this node's",
			n[i].name);
		return;
	}
	tunnel_plan(&a, &c->address, &n[i].address, n[i].name, (uint32_t)n[i].vni);
	if (!strcmp(a.ifname, OVERLAY_ADDRESS_IF))
		conf_error(e,
			"neighbour \"%s\": its tunnel would be called %s, as is the "
			"interface of overlay.address",
			n[i].name, a.ifname);
	for (int k = 0; k < i; k++) {
		tunnel_plan(&b, &c->address, &n[k].address, n[k].name, (uint32_t)n[k].vni);
		if (!strcmp(n[i].name, n[k].name) || addr_same_host(&n[i].address, &n[k].address))
			conf_error(e, "neighbour \"%s\": there are two of this name or address",
				n[i].name);
		else if (tunnel_clash(&a, &b))
			conf_error(e,
				"neighbour \"%s\": its tunnel has the numbers of that to "
				"\"%s\": give it another vni, at both ends",
				n[i].name, n[k].name);
	}
}

static void check_overlay(const struct sn_conf *c, struct conf_errors *e)
{
	const struct sn_conf_source *s = c->sources.item;
	int family = c->overlay.address.sa.sa_family;

	if (addr_port(&c->overlay.address))
		conf_error(e, "overlay.address has a port, expected none");
	if (family && addr_same_host(&c->overlay.address, &c->address))
		conf_error(e, "overlay.address is address, expected one that only the overlay "
			      "routes");
	if (!family && (c->neighbours.n || c->sources.n))
		conf_error(e, "there is a neighbour or a source but no overlay.address");
	if (c->neighbours.n > UPSTREAM_NODES)
		conf_error(
			e, "%d neighbours, expected %d at most", c->neighbours.n, UPSTREAM_NODES);
	if (c->sources.n > SOURCES_MAX)
		conf_error(e, "%d sources, expected %d at most", c->sources.n, SOURCES_MAX);
	for (int i = 0; i < c->neighbours.n && i < UPSTREAM_NODES; i++)
		check_neighbour(c, i, e);
	for (int i = 0; i < c->sources.n; i++)
		if (s[i].address.sa.sa_family != family)
			conf_error(e,
				"source \"%s\": expected an address of the same family as "
				"overlay.address",
				s[i].name);
}

static void check_classes(const struct sn_conf *c, struct conf_errors *e)
{
	const struct sn_conf_class *k = c->classes.item;

	if (c->classes.n > BUDGET_CLASSES)
		conf_error(e, "%d classes, expected %d at most", c->classes.n, BUDGET_CLASSES);
	for (int i = 1; i < c->classes.n; i++)
		if (k[i].share > k[i - 1].share)
			conf_error(e,
				"class \"%s\": share is %lld, but that of \"%s\", before it, is "
				"%lld: "
				"expected the higher class, with the larger share, first",
				k[i].name, (long long)k[i].share, k[i - 1].name,
				(long long)k[i - 1].share);
}

static void check_attach(const struct sn_conf *c, struct conf_errors *e)
{
	const char *what = c->attach.anycast.sa.sa_family ? "attach.anycast" : "attachments.max";
	struct prefix p;

	if (*c->overlay.block && prefix_parse(&p, slice_of(c->overlay.block)) == 0 &&
		c->overlay.address.sa.sa_family && !prefix_has(&p, &c->overlay.address))
		conf_error(e, "overlay.block \"%s\": expected one with overlay.address in it",
			c->overlay.block);
	if (c->attachments.registry.sa.sa_family &&
		addr_same_host(&c->attachments.registry, &c->address))
		conf_error(e, "attachments.registry: is this node itself, expected \"\"");
	if (!c->attach.anycast.sa.sa_family && !c->attachments.max)
		return;
	if (!c->overlay.address.sa.sa_family)
		conf_error(e, "%s is given but no overlay.address", what);
	if (!*c->interface || !c->prime.port)
		conf_error(e,
			"%s is given but interface or prime.port is not: nodes could not ask "
			"each other",
			what);
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

int sn_conf_origin_addr(const struct sn_conf_library *l, struct addr *out)
{
	struct url u;

	if (url_parse(&u, slice_of(l->origin)))
		return -EINVAL;
	if (addr_parse(out, u.host, 0)) {
		if (!l->address.sa.sa_family)
			return -EINVAL;
		*out = l->address;
	}
	addr_set_port(out, u.port ? u.port : 80);
	return 0;
}

static void check_libraries(const struct sn_conf *c, struct conf_errors *e)
{
	const struct sn_conf_library *l = c->libraries.item;
	struct addr at;

	if (c->libraries.n > LIBRARY_MAX)
		conf_error(e, "%d libraries, expected %d at most", c->libraries.n, LIBRARY_MAX);
	for (int i = 0; i < c->libraries.n; i++) {
		if (sn_conf_origin_addr(&l[i], &at))
			conf_error(e,
				"library \"%s\": the origin's host is a name: expected its "
				"address as well (address = \"…\")",
				l[i].name);
		for (int k = 0; k < i; k++)
			if (!strcmp(l[i].path, l[k].path))
				conf_error(e, "library \"%s\": \"%s\" has its path", l[i].name,
					l[k].name);
	}
}

static void check_access(const struct sn_conf *c, struct conf_errors *e)
{
	if (c->access.token != ACCESS_OFF && !*c->access.key_file && !*c->key_file)
		conf_error(e,
			"access.token is %s but there is neither access.key-file nor "
			"key-file: no token could be believed",
			access_mode_names[c->access.token]);
}

static void check_web(const struct sn_conf *c, struct conf_errors *e)
{
	uint16_t first, last;

	if (!*c->web.nginx)
		return;
	if (!c->http.port)
		conf_error(e, "web.nginx is given but http.port is 0: nobody could ask");
	if (c->http.port == c->rtsp.port)
		conf_error(e, "http.port is %lld, which is rtsp.port", (long long)c->http.port);
	if (sn_conf_ports(c->prime.ports, &first, &last) && c->http.port >= first &&
		c->http.port <= last)
		conf_error(e, "prime.ports \"%s\" has http.port %lld in it, expected other ports",
			c->prime.ports, (long long)c->http.port);
	if (c->web.origin.n > PRIME_ORIGINS)
		conf_error(e, "web.origin has %d addresses, expected %d at most", c->web.origin.n,
			PRIME_ORIGINS);
	for (int i = 0; i < c->web.origin.n; i++)
		if (c->web.origin.addr[i].sa.sa_family != c->address.sa.sa_family ||
			addr_is_any(&c->web.origin.addr[i]))
			conf_error(e,
				"web.origin: expected addresses of the same family as this node's");
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
	check_overlay(c, e);
	check_classes(c, e);
	check_attach(c, e);
	check_prime(c, e);
	check_cas(c, e);
	check_libraries(c, e);
	check_access(c, e);
	check_web(c, e);
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
