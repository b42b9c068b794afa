/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/overlay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/event.h"
#include "lib/log.h"
#include "lib/netlink.h"
#include "sn-agent/tunnel.h"

#define SETTLE  (20 * NS_MS) /* of a burst of changes of routes, the last is looked at */
#define MTU_MIN 1280         /* RFC 8200, 5: IPv6 needs that */
#define MTU_DEF 1500         /* of a way that nothing is known of */

struct neighbour {
	struct overlay *overlay;
	char name[64]; /* "": the place is free */
	struct addr address;
	struct addr end; /* its address in the overlay; family 0: not known */
	struct tunnel tunnel;
	int ifindex, mtu;
	struct server_door *door;
	struct media_end *media;
};

struct overlay {
	struct loop *loop;
	struct overlay_conf conf;
	struct nl *nl;
	struct nlwatch *watch;
	struct loop_timer *settle;
	int tun; /* -1 */
	struct neighbour neighbour[UPSTREAM_NODES];
};

static void on_settled(void *arg)
{
	struct overlay *o = arg;

	feeds_reroute(o->conf.feeds);
}

static void on_change(void *arg, int what)
{
	struct overlay *o = arg;

	(void)what;
	loop_timer_at(o->settle, loop_now(o->loop) + SETTLE);
}

/* ---- our address ---- */

static int raise_address(struct overlay *o)
{
	char ifname[16] = OVERLAY_ADDRESS_IF;
	uint8_t bits = o->conf.address.sa.sa_family == AF_INET6 ? 128 : 32;
	int index, err;

	o->tun = tun_open(ifname);
	if (o->tun < 0)
		return o->tun;
	index = nl_ifindex(o->nl, ifname);
	if (index < 0)
		return index;
	err = nl_link_up(o->nl, index);
	return err ? err : nl_addr_add(o->nl, index, &o->conf.address, bits);
}

struct overlay *overlay_new(struct loop *l, const struct overlay_conf *c, char why[256])
{
	struct overlay *o = calloc(1, sizeof(*o));
	char text[ADDR_STRLEN];
	int err = -ENOMEM;

	if (!o) {
		snprintf(why, 256, "overlay: out of memory");
		return NULL;
	}
	o->loop = l;
	o->conf = *c;
	o->tun = -1;
	o->settle = loop_timer_new(l, on_settled, o);
	if (o->settle)
		o->nl = nl_new(&err);
	if (o->nl)
		err = raise_address(o);
	if (!err)
		o->watch = nlwatch_new(l, NLWATCH_ROUTE | NLWATCH_LINK, on_change, o, &err);
	if (err) {
		snprintf(why, 256, "overlay address %s on interface %s: %s%s",
			addr_host(&c->address, text), OVERLAY_ADDRESS_IF, strerror(-err),
			err == -EPERM ? " (CAP_NET_ADMIN is needed)" : "");
		overlay_free(o);
		return NULL;
	}
	return o;
}

/* ---- neighbours ---- */

static struct neighbour *find(const struct overlay *o, const char *name)
{
	for (int i = 0; i < UPSTREAM_NODES; i++)
		if (!strcmp(o->neighbour[i].name, name))
			return (struct neighbour *)&o->neighbour[i];
	return NULL;
}

static void say(const struct neighbour *n, bool up)
{
	struct js *e = js_object();

	js_put_str(e, "neighbour", n->name);
	js_put_str(e, "interface", n->tunnel.ifname);
	js_put_int(e, "vni", n->tunnel.vni);
	event_emit(up ? "tunnel_up" : "tunnel_down", loop_now(n->overlay->loop), e);
}

static void close_tunnel(struct neighbour *n)
{
	struct overlay *o = n->overlay;

	feeds_set_neighbour(o->conf.feeds, (int)(n - o->neighbour), NULL, NULL);
	server_door_free(n->door);
	media_end_free(n->media);
	if (n->ifindex > 0)
		nl_link_delete(o->nl, n->tunnel.ifname);
	*n = (struct neighbour){.overlay = o};
}

/* What a packet to the neighbour may have, less what the tunnel adds. */
static int mtu_of(const struct overlay *o, const struct neighbour *n)
{
	struct nl_route way;
	int mtu = MTU_DEF;

	if (o->conf.mtu)
		return (int)o->conf.mtu;
	if (nl_route_get(o->nl, &n->address, &way) == 0) {
		mtu = nl_link_get_mtu(o->nl, way.ifindex);
		if (mtu <= 0 || mtu > 65535)
			mtu = MTU_DEF;
	}
	mtu -= n->tunnel.overhead;
	return mtu < MTU_MIN ? MTU_MIN : mtu;
}

static int make_interface(struct overlay *o, struct neighbour *n)
{
	const struct tunnel *t = &n->tunnel;
	const struct nl_vxlan v = {t->ifname, t->vni, o->conf.vxlan, o->conf.unicast, n->address};
	int err = nl_vxlan_add(o->nl, &v);

	if (err)
		return err;
	n->ifindex = nl_ifindex(o->nl, t->ifname);
	if (n->ifindex < 0)
		return n->ifindex;
	n->mtu = mtu_of(o, n);
	err = nl_link_mtu(o->nl, n->ifindex, (unsigned)n->mtu);
	if (!err)
		err = nl_addr_add(o->nl, n->ifindex, &t->local, t->prefix);
	return err ? err : nl_link_up(o->nl, n->ifindex);
}

static void count_nothing(void *arg, bool begins)
{
	(void)arg;
	(void)begins;
}

static int open_tunnel(struct overlay *o, struct neighbour *n)
{
	struct rtsp_scope scope = {.addr = n->tunnel.local, .peer = n->tunnel.remote};
	struct addr at = n->tunnel.local;
	struct feed_node node;
	int err = make_interface(o, n);

	if (err)
		return err;
	addr_set_port(&at, o->conf.rtsp);
	snprintf(scope.neighbour, sizeof(scope.neighbour), "%s", n->name);
	n->media = media_end_new(o->conf.media, &n->tunnel.local, &n->tunnel.remote, &err);
	if (!n->media)
		return err;
	n->door = server_door_new(o->conf.server, &at, &scope, count_nothing, n, &err);
	if (!n->door)
		return err;
	snprintf(node.name, sizeof(node.name), "%s", n->name);
	node.addr = n->tunnel.remote;
	addr_set_port(&node.addr, o->conf.rtsp);
	return feeds_set_neighbour(o->conf.feeds, (int)(n - o->neighbour), &node, &n->tunnel.local);
}

/* A place for it. NULL, *err: none, or its numbers are another's. */
static struct neighbour *place_for(struct overlay *o, const struct tunnel *t, int *err)
{
	struct neighbour *free_one = NULL;

	*err = -ENOSPC;
	for (int i = UPSTREAM_NODES - 1; i >= 0; i--) {
		struct neighbour *n = &o->neighbour[i];

		if (!*n->name) {
			free_one = n;
		} else if (tunnel_clash(&n->tunnel, t)) {
			*err = -EEXIST;
			return NULL;
		}
	}
	return free_one;
}

int overlay_add(struct overlay *o, const char *name, const struct addr *address, uint32_t vni)
{
	struct neighbour *n = find(o, name);
	struct tunnel t;
	int err;

	tunnel_plan(&t, &o->conf.unicast, address, name, vni);
	if (n && addr_same_host(&n->address, address) && n->tunnel.vni == t.vni)
		return 0;
	if (n)
		overlay_remove(o, name);
	n = place_for(o, &t, &err);
	if (n) {
		*n = (struct neighbour){.overlay = o, .address = *address, .tunnel = t};
		addr_set_port(&n->address, 0);
		snprintf(n->name, sizeof(n->name), "%s", name);
		err = open_tunnel(o, n);
	}
	if (err) {
		log_msg(NLOG_ERROR, "tunnel %s (VXLAN %u) to neighbour %s: %s%s", t.ifname, t.vni,
			name, strerror(-err),
			err == -EEXIST ? ": give one of them another vni, at both ends" : "");
		if (n)
			close_tunnel(n);
		return err;
	}
	log_msg(NLOG_INFO, "tunnel %s (VXLAN %u, MTU %d) to neighbour %s", t.ifname, t.vni, n->mtu,
		name);
	say(n, true);
	return 0;
}

int overlay_remove(struct overlay *o, const char *name)
{
	struct neighbour *n = find(o, name);

	if (!n || !*name)
		return -ENOENT;
	say(n, false);
	close_tunnel(n);
	return 0;
}

void overlay_keep(struct overlay *o, const char *const *name, int n)
{
	for (int i = 0; i < UPSTREAM_NODES; i++) {
		char *has = o->neighbour[i].name;
		bool keep = !*has;

		for (int k = 0; k < n; k++)
			keep |= !strcmp(has, name[k]);
		if (!keep)
			overlay_remove(o, has);
	}
}

void overlay_free(struct overlay *o)
{
	if (!o)
		return;
	overlay_keep(o, NULL, 0);
	nlwatch_free(o->watch);
	loop_timer_free(o->settle);
	nl_free(o->nl);
	if (o->tun >= 0)
		close(o->tun);
	free(o);
}

/* ---- what it knows ---- */

static int routed(const struct overlay *o, const struct addr *source)
{
	struct nl_route r;

	if (nl_route_get(o->nl, source, &r))
		return -1;
	for (int i = 0; i < UPSTREAM_NODES; i++)
		if (*o->neighbour[i].name && o->neighbour[i].ifindex == r.ifindex)
			return i;
	return -1;
}

int overlay_route(const struct overlay *o, const struct addr *source)
{
	int way = o ? routed(o, source) : -1;

	if (!o || (way >= 0 && feeds_neighbour_up(o->conf.feeds, way)))
		return way;
	for (int i = 0; i < UPSTREAM_NODES; i++)
		if (*o->neighbour[i].name && o->neighbour[i].end.sa.sa_family &&
			addr_same_host(&o->neighbour[i].end, source))
			return i;
	return way;
}

void overlay_set_end(struct overlay *o, const char *name, const struct addr *address)
{
	struct neighbour *n = find(o, name);

	if (n)
		n->end = *address;
}

bool overlay_up(const struct overlay *o, const char *name)
{
	const struct neighbour *n = find(o, name);

	return n && feeds_neighbour_up(o->conf.feeds, (int)(n - o->neighbour));
}

const char *overlay_neighbour(const struct overlay *o, int i, struct addr *address)
{
	for (int k = 0; o && k < UPSTREAM_NODES; k++) {
		const struct neighbour *n = &o->neighbour[k];

		if (!*n->name || !feeds_neighbour_up(o->conf.feeds, k) || i-- > 0)
			continue;
		*address = n->address;
		return n->name;
	}
	return NULL;
}

int overlay_neighbours(const struct overlay *o, bool up)
{
	int count = 0;

	for (int i = 0; o && i < UPSTREAM_NODES; i++)
		count += *o->neighbour[i].name && (!up || feeds_neighbour_up(o->conf.feeds, i));
	return count;
}

struct js *overlay_show(const struct overlay *o)
{
	struct js *list = js_array();
	char text[ADDR_STRLEN];

	for (int i = 0; o && i < UPSTREAM_NODES; i++) {
		const struct neighbour *n = &o->neighbour[i];
		struct nl_counters c;
		struct js *e;

		if (!*n->name)
			continue;
		e = js_object();
		js_put_str(e, "name", n->name);
		js_put_str(e, "address", addr_host(&n->address, text));
		js_put_str(e, "interface", n->tunnel.ifname);
		js_put_int(e, "vni", n->tunnel.vni);
		js_put_int(e, "mtu", n->mtu);
		js_put_str(e, "local", addr_host(&n->tunnel.local, text));
		js_put_str(e, "remote", addr_host(&n->tunnel.remote, text));
		js_put_bool(e, "up", feeds_neighbour_up(o->conf.feeds, i));
		js_put_int(e, "channels", feeds_neighbour_channels(o->conf.feeds, i));
		if (nl_counters(n->ifindex, &c) == 0) {
			js_put_int(e, "rx_packets", (int64_t)c.rx_packets);
			js_put_int(e, "tx_packets", (int64_t)c.tx_packets);
		}
		js_push(list, e);
	}
	return list;
}
