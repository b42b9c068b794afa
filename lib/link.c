/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links, addresses and routes, on libnl-route (this file alone includes it). Every call is one
 * request and its acknowledgement on one blocking socket; none keeps a cache, because what the
 * kernel said a second ago is no longer what it would say now. For "something changed" there is
 * nlwatch.c.
 */
#include "lib/netlink.h"

#include <errno.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vxlan.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdlib.h>

struct nl {
	struct nl_sock *sock;
};

/* libnl has error numbers of its own; callers here know only errno. */
static int to_errno(int nlerr)
{
	switch (nlerr < 0 ? -nlerr : nlerr) {
	case NLE_SUCCESS: return 0;
	case NLE_NOMEM: return -ENOMEM;
	case NLE_EXIST: return -EEXIST;
	case NLE_PERM: return -EPERM;
	case NLE_NOACCESS: return -EACCES;
	case NLE_NODEV:
	case NLE_OBJ_NOTFOUND: return -ENODEV;
	case NLE_NOADDR: return -EADDRNOTAVAIL;
	case NLE_BUSY: return -EBUSY;
	case NLE_AGAIN: return -EAGAIN;
	case NLE_OPNOTSUPP: return -EOPNOTSUPP;
	case NLE_AF_NOSUPPORT: return -EAFNOSUPPORT;
	case NLE_RANGE: return -ERANGE;
	case NLE_INVAL: return -EINVAL;
	default: return -EIO;
	}
}

struct nl *nl_new(int *err)
{
	struct nl *n = calloc(1, sizeof(*n));
	int rc = -NLE_NOMEM;

	if (n)
		n->sock = nl_socket_alloc();
	if (n && n->sock)
		rc = nl_connect(n->sock, NETLINK_ROUTE);
	if (rc < 0) {
		*err = to_errno(rc);
		nl_free(n);
		return NULL;
	}
	*err = 0;
	return n;
}

void nl_free(struct nl *n)
{
	if (!n)
		return;
	nl_socket_free(n->sock);
	free(n);
}

int nl_ifindex(struct nl *n, const char *ifname)
{
	struct rtnl_link *link = NULL;
	int rc = rtnl_link_get_kernel(n->sock, 0, ifname, &link);

	if (rc < 0)
		return to_errno(rc);
	rc = rtnl_link_get_ifindex(link);
	rtnl_link_put(link);
	return rc;
}

/* Changes one link by a request that carries only what `set` puts into it. */
static int link_change(
	struct nl *n, int ifindex, void (*set)(struct rtnl_link *, unsigned), unsigned v)
{
	struct rtnl_link *which = rtnl_link_alloc(), *change = rtnl_link_alloc();
	int rc = -NLE_NOMEM;

	if (which && change) {
		rtnl_link_set_ifindex(which, ifindex);
		set(change, v);
		rc = rtnl_link_change(n->sock, which, change, 0);
	}
	rtnl_link_put(which);
	rtnl_link_put(change);
	return to_errno(rc);
}

int nl_link_up(struct nl *n, int ifindex)
{
	return link_change(n, ifindex, rtnl_link_set_flags, IFF_UP);
}

int nl_link_mtu(struct nl *n, int ifindex, unsigned mtu)
{
	return link_change(n, ifindex, rtnl_link_set_mtu, mtu);
}

int nl_link_get_mtu(struct nl *n, int ifindex)
{
	struct rtnl_link *link = NULL;
	int rc = rtnl_link_get_kernel(n->sock, ifindex, NULL, &link);

	if (rc < 0)
		return to_errno(rc);
	rc = (int)rtnl_link_get_mtu(link);
	rtnl_link_put(link);
	return rc;
}

int nl_link_delete(struct nl *n, const char *ifname)
{
	struct rtnl_link *link = rtnl_link_alloc();
	int rc;

	if (!link)
		return -ENOMEM;
	rtnl_link_set_name(link, ifname);
	rc = rtnl_link_delete(n->sock, link);
	rtnl_link_put(link);
	return to_errno(rc);
}

static struct nl_addr *host_addr(const struct addr *a, uint8_t prefixlen)
{
	struct nl_addr *out;

	if (a->sa.sa_family == AF_INET6)
		out = nl_addr_build(AF_INET6, &a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
	else
		out = nl_addr_build(AF_INET, &a->in.sin_addr, sizeof(a->in.sin_addr));
	if (out)
		nl_addr_set_prefixlen(out, prefixlen);
	return out;
}

/* What is left of a tunnel of that name. 0: there is none now. */
static int remove_stale(struct nl *n, const char *ifname)
{
	struct rtnl_link *old = NULL;
	bool is_tunnel;

	if (rtnl_link_get_kernel(n->sock, 0, ifname, &old) < 0)
		return 0;
	is_tunnel = rtnl_link_is_vxlan(old);
	rtnl_link_put(old);
	return is_tunnel ? nl_link_delete(n, ifname) : -EEXIST;
}

int nl_vxlan_add(struct nl *n, const struct nl_vxlan *v)
{
	struct rtnl_link *link = rtnl_link_vxlan_alloc();
	uint8_t bits = v->remote.sa.sa_family == AF_INET6 ? 128 : 32;
	struct nl_addr *local = host_addr(&v->local, bits), *remote = host_addr(&v->remote, bits);
	int rc = -NLE_NOMEM, err = remove_stale(n, v->ifname);

	if (!err && link && local && remote) {
		rtnl_link_set_name(link, v->ifname);
		rtnl_link_vxlan_set_id(link, v->vni);
		rtnl_link_vxlan_set_local(link, local);
		rtnl_link_vxlan_set_group(link, remote);
		rtnl_link_vxlan_set_port(link, v->port);
		rtnl_link_vxlan_set_learning(link, 0);
		rc = rtnl_link_add(n->sock, link, NLM_F_CREATE | NLM_F_EXCL);
	}
	nl_addr_put(local);
	nl_addr_put(remote);
	rtnl_link_put(link);
	return err ? err : to_errno(rc);
}

static struct rtnl_addr *interface_addr(int ifindex, const struct addr *a, uint8_t prefixlen)
{
	struct rtnl_addr *ra = rtnl_addr_alloc();
	struct nl_addr *local = host_addr(a, prefixlen);

	if (!ra || !local) {
		rtnl_addr_put(ra);
		nl_addr_put(local);
		return NULL;
	}
	rtnl_addr_set_ifindex(ra, ifindex);
	rtnl_addr_set_local(ra, local);
	/* Our addresses lie on tunnels of our own: nobody there could hold them already, and an
	 * address that is still being probed for duplicates cannot be used for some seconds. */
	if (a->sa.sa_family == AF_INET6)
		rtnl_addr_set_flags(ra, IFA_F_NODAD);
	nl_addr_put(local);
	return ra;
}

int nl_addr_add(struct nl *n, int ifindex, const struct addr *a, uint8_t prefixlen)
{
	struct rtnl_addr *ra = interface_addr(ifindex, a, prefixlen);
	int rc = ra ? rtnl_addr_add(n->sock, ra, 0) : -NLE_NOMEM;

	rtnl_addr_put(ra);
	return to_errno(rc);
}

int nl_addr_del(struct nl *n, int ifindex, const struct addr *a, uint8_t prefixlen)
{
	struct rtnl_addr *ra = interface_addr(ifindex, a, prefixlen);
	int rc = ra ? rtnl_addr_delete(n->sock, ra, 0) : -NLE_NOMEM;

	rtnl_addr_put(ra);
	return to_errno(rc);
}

int nl_local_route_add(struct nl *n, int ifindex, const struct prefix *p)
{
	struct rtnl_route *route = rtnl_route_alloc();
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	struct nl_addr *dst = host_addr(&p->addr, p->len);
	int rc = -NLE_NOMEM;

	if (route && hop && dst) {
		rtnl_route_set_family(route, p->addr.sa.sa_family);
		rtnl_route_set_type(route, RTN_LOCAL);
		rtnl_route_set_table(route, RT_TABLE_LOCAL);
		rtnl_route_set_scope(route, RT_SCOPE_HOST);
		rtnl_route_set_protocol(route, RTPROT_STATIC);
		rtnl_route_set_dst(route, dst);
		rtnl_route_nh_set_ifindex(hop, ifindex);
		rtnl_route_add_nexthop(route, hop);
		hop = NULL; /* the route's now */
		rc = rtnl_route_add(n->sock, route, NLM_F_REPLACE);
	}
	if (hop)
		rtnl_route_nh_free(hop);
	nl_addr_put(dst);
	rtnl_route_put(route);
	return to_errno(rc);
}

static struct addr from_nl_addr(const struct nl_addr *a, int family)
{
	struct addr out = addr_any(family, 0);

	if (!a || nl_addr_get_family(a) != family)
		return out;
	if (family == AF_INET6 && nl_addr_get_len(a) == sizeof(out.in6.sin6_addr))
		memcpy(&out.in6.sin6_addr, nl_addr_get_binary_addr(a), sizeof(out.in6.sin6_addr));
	else if (family == AF_INET && nl_addr_get_len(a) == sizeof(out.in.sin_addr))
		memcpy(&out.in.sin_addr, nl_addr_get_binary_addr(a), sizeof(out.in.sin_addr));
	return out;
}

struct route_answer {
	struct nl_route *out;
	int family;
	int rc;
	bool acked;
};

static int on_route(struct nl_msg *msg, void *arg)
{
	struct route_answer *ans = arg;
	struct rtnl_route *route = NULL;
	struct rtnl_nexthop *hop;

	if (rtnl_route_parse(nlmsg_hdr(msg), &route) < 0)
		return NL_OK;
	hop = rtnl_route_nexthop_n(route, 0);
	if (hop) {
		ans->out->gateway = from_nl_addr(rtnl_route_nh_get_gateway(hop), ans->family);
		ans->out->source = from_nl_addr(rtnl_route_get_pref_src(route), ans->family);
		ans->out->ifindex = rtnl_route_nh_get_ifindex(hop);
		ans->rc = 0;
	}
	rtnl_route_put(route);
	return NL_OK;
}

static int on_route_ack(struct nl_msg *msg, void *arg)
{
	(void)msg;
	((struct route_answer *)arg)->acked = true;
	return NL_STOP;
}

int nl_route_get(struct nl *n, const struct addr *dst, struct nl_route *out)
{
	int family = dst->sa.sa_family;
	uint8_t bits = family == AF_INET6 ? 128 : 32;
	struct rtmsg rtm = {.rtm_family = (unsigned char)family, .rtm_dst_len = bits};
	struct route_answer ans = {.out = out, .family = family, .rc = -ENETUNREACH};
	struct nl_addr *to = host_addr(dst, bits);
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);

	if (!to || !msg || !cb || nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO) < 0 ||
		nla_put_addr(msg, RTA_DST, to) < 0) {
		ans.rc = -ENOMEM;
	} else {
		nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_route, &ans);
		nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_route_ack, &ans);
		/* The answer and its acknowledgement; a refusal ("no route") ends it as an error.
		 */
		if (nl_send_auto(n->sock, msg) >= 0)
			while (!ans.acked && nl_recvmsgs(n->sock, cb) >= 0)
				;
	}
	nl_cb_put(cb);
	nlmsg_free(msg);
	nl_addr_put(to);
	return ans.rc;
}
