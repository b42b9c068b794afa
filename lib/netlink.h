/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's links, addresses and routes. link.c does it with libnl-route; nlwatch.c listens
 * with libmnl.
 */
#ifndef NEARCAST_NETLINK_H
#define NEARCAST_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/loop.h"

/* All return 0 (or an index) or negative errno; blocking, short, meant for start-up and rare
 * changes.
 */
struct nl;
struct nl *nl_new(int *err);
void nl_free(struct nl *n);
int nl_ifindex(struct nl *n, const char *ifname);
int nl_link_up(struct nl *n, int ifindex);
int nl_link_mtu(struct nl *n, int ifindex, unsigned mtu);
int nl_link_get_mtu(struct nl *n, int ifindex); /* bytes */
int nl_link_delete(struct nl *n, const char *ifname);
int nl_addr_add(struct nl *n, int ifindex, const struct addr *a, uint8_t prefixlen);
int nl_addr_del(struct nl *n, int ifindex, const struct addr *a, uint8_t prefixlen);
/* "local PREFIX dev IF table local": the whole block is this host's (RTN_LOCAL). */
int nl_local_route_add(struct nl *n, int ifindex, const struct prefix *p);
/* The route the kernel would use to dst (RTM_GETROUTE): gateway (any-address when on-link),
 * interface, preferred source. */
struct nl_route {
	struct addr gateway, source;
	int ifindex;
};
int nl_route_get(struct nl *n, const struct addr *dst, struct nl_route *out);

/* A VXLAN tunnel (RFC 7348) between two hosts: everything goes to `remote`, nothing is learnt. It is
 * made down. One of that name is taken away first if it is a tunnel as well, which a process that was
 * killed has left; another kind of interface is -EEXIST, as is the vni in use. */
struct nl_vxlan {
	const char *ifname;
	uint32_t vni; /* 24 bits */
	uint16_t port;
	struct addr local, remote;
};
int nl_vxlan_add(struct nl *n, const struct nl_vxlan *v);

/* A TUN interface that lives while the returned descriptor (close-on-exec) is open. ifname is a
 * name or a pattern with %d, replaced by the real one. */
int tun_open(char ifname[16]);

/* Link and route changes, coalesced: cb is only a wake-up ("something changed: look again"). */
enum { NLWATCH_LINK = 1, NLWATCH_ADDR = 2, NLWATCH_ROUTE = 4 };
struct nlwatch;
typedef void nlwatch_cb(void *arg, int what);
struct nlwatch *nlwatch_new(struct loop *l, int what, nlwatch_cb *cb, void *arg, int *err);
void nlwatch_free(struct nlwatch *w);

/* Counters of one interface, as of now. */
struct nl_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};
int nl_counters(int ifindex, struct nl_counters *out);

#endif
