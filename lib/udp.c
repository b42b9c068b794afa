/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP sockets. What makes a relay fast is one system call for all packets that arrived together
 * and go to one receiver: UDP_SEGMENT passes up to 44 packets of equal length through the stack as
 * one (three to four times the packets a second; sendmmsg(2) alone gains nothing). The kernel
 * refuses it where a device cannot segment or a packet is longer than the path's MTU; then the same
 * packets go one by one.
 *
 * A group's socket is bound to the group's address, not to the any-address, so that the kernel
 * itself keeps unicast datagrams and other groups' away from it.
 */
#include "lib/udp.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GROUP_BUFFER   (1024 * 1024) /* a flood of strangers shall not drown who belongs here */
#define SEGMENTS_MAX   44
#define SEGMENTS_BYTES 65000

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Buffers beyond the system's limits need CAP_NET_ADMIN; without it we take what we are given. */
static void set_buffers(int fd, int rcvbuf, int sndbuf)
{
	if (rcvbuf && set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, rcvbuf) < 0)
		set_int(fd, SOL_SOCKET, SO_RCVBUF, rcvbuf);
	if (sndbuf && set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, sndbuf) < 0)
		set_int(fd, SOL_SOCKET, SO_SNDBUF, sndbuf);
}

int udp_open(const struct addr *at, int rcvbuf, int sndbuf)
{
	int fd = socket(at->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (at->sa.sa_family == AF_INET6 && addr_is_any(at))
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	set_buffers(fd, rcvbuf, sndbuf);
	if (bind(fd, &at->sa, addr_len(at)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int bound_port(int fd, uint16_t *port)
{
	struct addr a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.sa, &len) < 0)
		return -errno;
	*port = addr_port(&a);
	return 0;
}

int udp_open_pair(
	const struct addr *at, int rcvbuf, int sndbuf, int *rtp, int *rtcp, uint16_t *port)
{
	struct addr a = *at;
	uint16_t want = addr_port(at), got = 0;
	int one = -1, two, err = -EADDRINUSE;

	if (want % 2)
		return -EINVAL;
	/* A free port is what the system gives; its neighbour may be taken, so try some. */
	for (int i = 0; i < (want ? 1 : 100); i++) {
		addr_set_port(&a, want);
		one = udp_open(&a, rcvbuf, sndbuf);
		if (one < 0)
			return one;
		err = bound_port(one, &got);
		if (err < 0)
			break;
		addr_set_port(&a, got ^ 1);
		two = udp_open(&a, rcvbuf, sndbuf);
		if (two >= 0) {
			*rtp = got % 2 ? two : one;
			*rtcp = got % 2 ? one : two;
			*port = got & ~1;
			return 0;
		}
		err = two;
		close(one);
		one = -1;
	}
	if (one >= 0)
		close(one);
	return err;
}

/* Leaves by the interface, with the TTL, also to other sockets of this host. */
static int set_groups(int fd, int family, int ifindex, uint8_t ttl)
{
	struct ip_mreqn m = {.imr_ifindex = ifindex};
	int err;

	if (family == AF_INET6) {
		err = set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, ifindex);
		err = err ? err : set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl);
		return err ? err : set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1);
	}
	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)) < 0)
		return -errno;
	err = set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, ttl);
	return err ? err : set_int(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
}

/* From the source, NULL: from all; and only what this socket joined, not what others on the host did
 * (ip(7)). The options are the same for both families (RFC 3678). */
static int join(int fd, const struct addr *group, const struct addr *source, int ifindex)
{
	bool v6 = group->sa.sa_family == AF_INET6;
	struct group_source_req gs = {.gsr_interface = (uint32_t)ifindex};
	struct group_req g = {.gr_interface = (uint32_t)ifindex};
	int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, got;

	memcpy(&g.gr_group, group, addr_len(group));
	memcpy(&gs.gsr_group, group, addr_len(group));
	if (source)
		memcpy(&gs.gsr_source, source, addr_len(source));
	got = source ? setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &gs, sizeof(gs))
	             : setsockopt(fd, level, MCAST_JOIN_GROUP, &g, sizeof(g));
	if (got < 0)
		return -errno;
	return set_int(fd, level, v6 ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL, 0);
}

uint32_t udp_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0 ? 0 : info[SK_MEMINFO_DROPS];
}

static int open_group(
	const struct addr *group, const struct addr *source, const char *ifname, int rcvbuf)
{
	struct addr at = *group;
	int ifindex = (int)if_nametoindex(ifname), fd, err;

	if (ifindex == 0)
		return -ENODEV;
	if (!addr_is_multicast(group) || (source && source->sa.sa_family != at.sa.sa_family))
		return -EINVAL;
	fd = socket(at.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (at.sa.sa_family == AF_INET6)
		at.in6.sin6_scope_id = (uint32_t)ifindex;
	set_buffers(fd, rcvbuf, 0);
	err = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!err && bind(fd, &at.sa, addr_len(&at)) < 0)
		err = -errno;
	if (!err)
		err = join(fd, group, source, ifindex);
	if (!err)
		err = set_groups(fd, at.sa.sa_family, ifindex, 1);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int udp_open_group(const struct addr *group, const char *ifname)
{
	return open_group(group, NULL, ifname, GROUP_BUFFER);
}

int udp_open_source(
	const struct addr *group, const struct addr *source, const char *ifname, int rcvbuf)
{
	return open_group(group, source, ifname, rcvbuf);
}

int udp_set_groups(int fd, const char *ifname, uint8_t ttl)
{
	int ifindex = (int)if_nametoindex(ifname), family;
	socklen_t len = sizeof(family);

	if (ifindex == 0)
		return -ENODEV;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
		return -errno;
	return set_groups(fd, family, ifindex, ttl);
}

int udp_interface(const struct addr *at, char *ifname)
{
	struct ifaddrs *list, *i;
	int err = -ENODEV;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (i = list; i && err; i = i->ifa_next) {
		struct addr a;

		if (!i->ifa_addr || i->ifa_addr->sa_family != at->sa.sa_family)
			continue;
		memcpy(&a, i->ifa_addr,
			at->sa.sa_family == AF_INET6 ? sizeof(a.in6) : sizeof(a.in));
		if (!addr_same_host(&a, at))
			continue;
		snprintf(ifname, IFNAMSIZ, "%s", i->ifa_name);
		err = 0;
	}
	freeifaddrs(list);
	return err;
}

/* ---- the kernel's times ---- */

#define STAMP_ROOM (CMSG_SPACE(sizeof(struct scm_timestamping)) + 128) /* and what came with it */

union stamp_room {
	char room[STAMP_ROOM];
	struct cmsghdr align;
};

int udp_stamp(int fd, bool sent)
{
	int how = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;

	if (sent)
		how |= SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
		       SOF_TIMESTAMPING_OPT_TSONLY;
	return set_int(fd, SOL_SOCKET, SO_TIMESTAMPING, how);
}

/* 0: there is none. */
static ns_t stamp_of(struct msghdr *h)
{
	struct scm_timestamping t;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPING)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof(t));
		return t.ts[0].tv_sec * NS_S + t.ts[0].tv_nsec;
	}
	return 0;
}

/* The number of the datagram whose note it is. */
static bool number_of(struct msghdr *h, uint32_t *number)
{
	struct sock_extended_err e;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
			!(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		*number = e.ee_data;
		return e.ee_origin == SO_EE_ORIGIN_TIMESTAMPING;
	}
	return false;
}

bool udp_sent(int fd, uint32_t *number, ns_t *at)
{
	union stamp_room control;
	struct msghdr h;

	for (;;) {
		h = (struct msghdr){
			.msg_control = control.room, .msg_controllen = sizeof(control.room)};
		if (recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
			if (errno == EINTR)
				continue;
			return false;
		}
		*at = stamp_of(&h);
		if (*at && number_of(&h, number))
			return true;
	}
}

int udp_recv(int fd, struct udp_msg *m, int max)
{
	union stamp_room control[UDP_BATCH]; /* written where udp_stamp was called for */
	struct mmsghdr h[UDP_BATCH];
	struct iovec v[UDP_BATCH];
	int n;

	if (max > UDP_BATCH)
		max = UDP_BATCH;
	for (int i = 0; i < max; i++) {
		v[i] = (struct iovec){m[i].data, sizeof(m[i].data)};
		h[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &m[i].from,
						.msg_namelen = sizeof(m[i].from),
						.msg_iov = &v[i],
						.msg_iovlen = 1,
						.msg_control = control[i].room,
						.msg_controllen = sizeof(control[i].room)}};
	}
	do {
		n = recvmmsg(fd, h, (unsigned)max, MSG_DONTWAIT, NULL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		m[i].len = h[i].msg_len;
		m[i].truncated = (h[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
		m[i].came = stamp_of(&h[i].msg_hdr);
		addr_unmap(&m[i].from);
	}
	return n;
}

/* sendmsg; once more when the error was not this packet's but an earlier one's (an ICMP error is
 * told to the next call on a connected socket, which then sends nothing). */
static int send_once_more(int fd, const struct msghdr *h)
{
	for (int tries = 0;; tries++) {
		if (sendmsg(fd, h, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EINTR || (errno == ECONNREFUSED && tries == 0))
			continue;
		return -errno;
	}
}

/* How many packets from the front of pkt[n] form one segmented send: all of the first one's
 * length but the last, which may be shorter. */
static int run_length(const struct iovec *pkt, int n)
{
	size_t size = pkt[0].iov_len, bytes = size;
	int i = 1;

	if (size == 0)
		return 1;
	while (i < n && i < SEGMENTS_MAX && pkt[i].iov_len && pkt[i].iov_len <= size &&
		bytes + pkt[i].iov_len <= SEGMENTS_BYTES) {
		bytes += pkt[i].iov_len;
		if (pkt[i++].iov_len < size)
			break;
	}
	return i;
}

static void set_dest(struct msghdr *h, const struct addr *to)
{
	if (to) {
		h->msg_name = (void *)&to->sa;
		h->msg_namelen = addr_len(to);
	}
}

static int send_segmented(int fd, const struct addr *to, const struct iovec *pkt, int n)
{
	union {
		char room[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr h = {.msg_iov = (struct iovec *)pkt,
		.msg_iovlen = (size_t)n,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	uint16_t size = (uint16_t)pkt[0].iov_len;

	set_dest(&h, to);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
	return send_once_more(fd, &h);
}

static int send_one(int fd, const struct addr *to, const struct iovec *pkt)
{
	struct msghdr h = {.msg_iov = (struct iovec *)pkt, .msg_iovlen = 1};

	set_dest(&h, to);
	return send_once_more(fd, &h);
}

/* Errors that mean "not segmented", as against "not at all". */
static bool is_refusal(int err)
{
	return err == -EINVAL || err == -EIO || err == -EMSGSIZE || err == -EOPNOTSUPP ||
	       err == -ENOPROTOOPT;
}

int udp_send_batch(int fd, const struct addr *to, const struct iovec *pkt, int n)
{
	bool segment = true;
	int done = 0;

	while (done < n) {
		int run = segment ? run_length(pkt + done, n - done) : 1, err;

		if (run > 1) {
			err = send_segmented(fd, to, pkt + done, run);
			if (is_refusal(err)) {
				segment = false;
				continue;
			}
		} else {
			err = send_one(fd, to, pkt + done);
		}
		if (err < 0)
			break;
		done += run;
	}
	return done;
}

int udp_send(int fd, const struct addr *to, const void *p, size_t n)
{
	struct iovec v = {(void *)p, n};
	struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};

	set_dest(&h, to);
	while (sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}
