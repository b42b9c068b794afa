/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listening to the kernel, on libmnl (this file alone includes it). A notification is only a
 * wake-up: what it says is read for its kind and forgotten, however many there are in the queue
 * they make one call, and the caller looks at the state as it is now. That also makes an overrun
 * of the socket harmless: it means "something changed" as well.
 */
#include "lib/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

struct nlwatch {
	struct mnl_socket *sock;
	struct loop_fd *watch;
	int what;
	nlwatch_cb *cb;
	void *arg;
};

static int kind_of(uint16_t type)
{
	switch (type) {
	case RTM_NEWLINK:
	case RTM_DELLINK: return NLWATCH_LINK;
	case RTM_NEWADDR:
	case RTM_DELADDR: return NLWATCH_ADDR;
	case RTM_NEWROUTE:
	case RTM_DELROUTE: return NLWATCH_ROUTE;
	default: return 0;
	}
}

static int kinds_in(const void *buf, size_t n)
{
	const struct nlmsghdr *h = buf;
	int left = (int)n, seen = 0;

	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
		seen |= kind_of(h->nlmsg_type);
	return seen;
}

static void on_ready(void *arg, int events)
{
	struct nlwatch *w = arg;
	_Alignas(struct nlmsghdr) char buf[8192];
	int seen = 0;

	(void)events;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(w->sock, buf, sizeof(buf));

		if (n > 0) {
			seen |= kinds_in(buf, (size_t)n);
		} else if (n < 0 && (errno == ENOBUFS || errno == ENOSPC)) {
			seen |= w->what; /* some were lost: anything may have changed */
		} else if (n == 0 || errno != EINTR) {
			break;
		}
	}
	seen &= w->what;
	if (seen)
		w->cb(w->arg, seen);
}

static unsigned groups_of(int what)
{
	unsigned g = 0;

	if (what & NLWATCH_LINK)
		g |= RTMGRP_LINK;
	if (what & NLWATCH_ADDR)
		g |= RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
	if (what & NLWATCH_ROUTE)
		g |= RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
	return g;
}

struct nlwatch *nlwatch_new(struct loop *l, int what, nlwatch_cb *cb, void *arg, int *err)
{
	struct nlwatch *w = calloc(1, sizeof(*w));

	*err = -ENOMEM;
	if (!w)
		return NULL;
	w->what = what;
	w->cb = cb;
	w->arg = arg;
	w->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!w->sock || mnl_socket_bind(w->sock, groups_of(what), MNL_SOCKET_AUTOPID) < 0) {
		*err = -errno;
		nlwatch_free(w);
		return NULL;
	}
	w->watch = loop_fd_new(l, mnl_socket_get_fd(w->sock), on_ready, w);
	*err = w->watch ? loop_fd_want(w->watch, LOOP_READ) : -ENOMEM;
	if (*err) {
		nlwatch_free(w);
		return NULL;
	}
	return w;
}

void nlwatch_free(struct nlwatch *w)
{
	if (!w)
		return;
	loop_fd_free(w->watch);
	if (w->sock)
		mnl_socket_close(w->sock);
	free(w);
}

static int on_stats(const struct nlattr *attr, void *arg)
{
	struct nl_counters *out = arg;
	struct rtnl_link_stats64 s;

	if (mnl_attr_get_type(attr) != IFLA_STATS64 ||
		mnl_attr_get_payload_len(attr) < sizeof(s.rx_packets) * 4)
		return MNL_CB_OK;
	memset(&s, 0, sizeof(s));
	memcpy(&s, mnl_attr_get_payload(attr),
		mnl_attr_get_payload_len(attr) < sizeof(s) ? mnl_attr_get_payload_len(attr)
							   : sizeof(s));
	*out = (struct nl_counters){s.rx_packets, s.rx_bytes, s.tx_packets, s.tx_bytes};
	return MNL_CB_STOP;
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
	return mnl_attr_parse(h, sizeof(struct ifinfomsg), on_stats, arg) < 0 ? MNL_CB_ERROR
	                                                                      : MNL_CB_OK;
}

int nl_counters(int ifindex, struct nl_counters *out)
{
	_Alignas(struct nlmsghdr) char buf[16384];
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;
	ssize_t n;
	int err = 0;

	*out = (struct nl_counters){0};
	if (!sock)
		return -errno;
	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST;
	ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = ifindex;
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(sock, h, h->nlmsg_len) < 0 ||
		(n = mnl_socket_recvfrom(sock, buf, sizeof(buf))) < 0 ||
		mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(sock), on_link, out) < 0)
		err = -errno;
	mnl_socket_close(sock);
	return err;
}
