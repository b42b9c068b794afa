/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of the overlay: tunnels, what their links carry, who is attached. */
#include <string.h>

#include "sn-agent/config.h"
#include "sn-agent/overlay.h"
#include "sn-agent/tunnel.h"
#include "sn-agent/upstream.h"

#define AT(field)           offsetof(struct sn_conf, field), sizeof(((struct sn_conf *)0)->field)
#define AT_NEIGHBOUR(field) offsetof(struct sn_conf_neighbour, field)
#define AT_SOURCE(field)    offsetof(struct sn_conf_source, field)
#define AT_CLASS(field)     offsetof(struct sn_conf_class, field)

static const char *check_below(const void *value)
{
	return *(const char *)value ? sn_conf_check_path(value) : NULL;
}

static const char *check_block(const void *value)
{
	struct prefix p;

	return *(const char *)value && prefix_parse(&p, slice_of(value))
	               ? "a block of addresses, as \"10.77.0.0/16\""
	               : NULL;
}

const struct conf_option sn_overlay_options[] = {
	{"address", CONF_ADDR, AT(overlay.address), "", .check = sn_conf_check_host_or_none,
		.fixed = true,
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

const struct conf_option sn_attach_options[] = {
	{"anycast", CONF_ADDR, AT(attach.anycast), "", .def_port = 80,
		.check = sn_conf_check_host_or_none, .fixed = true,
		.help = "anycast address that is asked over HTTP which node to be a neighbour of "
			"(figure 9); \"\": none is"},
	{"refresh", CONF_MS, AT(attach.refresh), "1000", 100, 60000, .fixed = true,
		.help = "time between two messages to that node, which forgets this one after "
			"five"},
	{0},
};

const struct conf_option sn_attachments_options[] = {
	{"max", CONF_INT, AT(attachments.max), "0", 0, UPSTREAM_NODES,
		.help = "nodes of sources that can be attached to this one; 0: none"},
	{"registry", CONF_ADDR, AT(attachments.registry), "", .def_port = 7702,
		.check = sn_conf_check_host_or_none,
		.help = "control port of the node with the channel allocation service, which they "
			"are to tell their channels; \"\": this node itself, or none"},
	{0},
};

const struct conf_option sn_neighbour_options[] = {
	{"address", CONF_ADDR, AT_NEIGHBOUR(address), .check = sn_conf_check_host,
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

const struct conf_option sn_class_options[] = {
	{"paths", CONF_STR, AT_CLASS(paths), BUDGET_PATHS, "",
		.help = "beginnings of the paths of its channels"},
	{"share", CONF_INT, AT_CLASS(share), 0, "100", 1, 100,
		.help = "per cent of a link that it and the classes behind it may take"},
	{0},
};

const struct conf_option sn_source_options[] = {
	{"address", CONF_ADDR, AT_SOURCE(address), .check = sn_conf_check_host,
		.help = "address in the overlay of the node that the channels come from"},
	{"path", CONF_STR, AT_SOURCE(path), CAS_PATH, "", .check = check_below,
		.help = "path of a channel, or the beginning of several; \"\": all"},
	{"host", CONF_ADDR, AT_SOURCE(host), 0, "", .check = sn_conf_check_host_or_none,
		.help = "unicast address by which redirectors know the origin; \"\": none"},
	{0},
};

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

static void check_tunnels(const struct sn_conf *c, struct conf_errors *e)
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

void sn_conf_check_overlay(const struct sn_conf *c, struct conf_errors *e)
{
	check_tunnels(c, e);
	check_classes(c, e);
	check_attach(c, e);
}
