/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/claim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"

#define BATCH  32
#define PAUSE  (10 * NS_MS) /* after a whole batch */
#define REOPEN NS_S

struct claim {
	struct nexthop hop;
	const char *ifname;
	bool wanted;  /* open, or to be opened again */
	int fd;       /* of packets, -1: closed */
	int group;    /* member of V's solicited-node group, -1: none */
	ns_t read_at; /* 0: now */
	ns_t opened_at, open_at;
	struct claim_counters count;
	struct log_limit log;
};

struct claim *claim_new(const struct addr *nexthop, const char *ifname)
{
	struct claim *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct claim){.ifname = ifname, .fd = -1, .group = -1, .log = LOG_LIMIT_INIT};
	nexthop_init(&c->hop, nexthop);
	return c;
}

static void shut(struct claim *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->group >= 0)
		close(c->group);
	c->fd = c->group = -1;
}

void claim_close(struct claim *c)
{
	shut(c);
	c->wanted = false;
}

void claim_free(struct claim *c)
{
	if (!c)
		return;
	claim_close(c);
	free(c);
}

static bool is_own_address(const struct addr *a)
{
	struct ifaddrs *list, *i;
	bool own = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (i = list; i && !own; i = i->ifa_next) {
		struct addr at = {0};

		if (!i->ifa_addr || i->ifa_addr->sa_family != a->sa.sa_family)
			continue;
		memcpy(&at, i->ifa_addr, addr_len(a));
		own = addr_same_host(&at, a);
	}
	freeifaddrs(list);
	return own;
}

static int read_mac(struct claim *c)
{
	struct ifreq req = {0};

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", c->ifname);
	if (ioctl(c->fd, SIOCGIFHWADDR, &req) < 0)
		return -errno;
	if (req.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return -ENOTSUP;
	memcpy(c->hop.mac, req.ifr_hwaddr.sa_data, NEXTHOP_MAC);
	return 0;
}

/* Only what has V in its place passes. Offsets are those of the whole frame. */
static int filter(const struct claim *c)
{
	const struct addr *v = &c->hop.addr;
	struct sock_filter arp[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 38), /* target */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(v->in.sin_addr.s_addr), 2, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 28), /* sender */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(v->in.sin_addr.s_addr), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 128),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_filter icmp[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20), /* next header */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 9),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 62), /* target, its four words */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(v->in6.sin6_addr.s6_addr32[0]), 0, 7),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 66),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(v->in6.sin6_addr.s6_addr32[1]), 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 70),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(v->in6.sin6_addr.s6_addr32[2]), 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 74),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(v->in6.sin6_addr.s6_addr32[3]), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 512),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	bool v6 = v->sa.sa_family == AF_INET6;
	struct sock_fprog prog = {
		.len = (unsigned short)(v6 ? sizeof(icmp) / sizeof(icmp[0])
					   : sizeof(arp) / sizeof(arp[0])),
		.filter = v6 ? icmp : arp,
	};

	return setsockopt(c->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno
	                                                                                : 0;
}

/* Solicitations go to a group of their own, which switches may keep from who is no member. */
static int join(struct claim *c, unsigned ifindex)
{
	struct ipv6_mreq group = {.ipv6mr_interface = ifindex};
	uint8_t *a = group.ipv6mr_multiaddr.s6_addr;

	memcpy(a, "\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff", 13);
	memcpy(a + 13, c->hop.addr.in6.sin6_addr.s6_addr + 13, 3);
	c->group = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (c->group < 0 ||
		setsockopt(c->group, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group)) < 0)
		return -errno;
	return 0;
}

static int open_sockets(struct claim *c)
{
	bool v6 = c->hop.addr.sa.sa_family == AF_INET6;
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
		.sll_protocol = htons(v6 ? ETHERTYPE_IPV6 : ETHERTYPE_ARP),
		.sll_ifindex = (int)if_nametoindex(c->ifname)};
	int err;

	if (!at.sll_ifindex)
		return -ENODEV;
	if (is_own_address(&c->hop.addr))
		return -EADDRINUSE;
	/* Of no protocol until it is bound: nothing can come before the filter is there. */
	c->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	err = read_mac(c);
	if (!err)
		err = filter(c);
	if (!err && bind(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		err = -errno;
	if (!err && v6)
		err = join(c, (unsigned)at.sll_ifindex);
	return err;
}

int claim_open(struct claim *c)
{
	int err = c->fd < 0 ? open_sockets(c) : 0;

	c->wanted = !err;
	if (err)
		shut(c);
	return err;
}

bool claim_set(struct claim *c, bool claimed, bool quiet, ns_t now)
{
	bool was = c->hop.claimed;

	nexthop_set_quiet(&c->hop, quiet);
	nexthop_claim(&c->hop, claimed && c->wanted, now);
	return was != c->hop.claimed;
}

bool claim_held(const struct claim *c)
{
	return c->hop.claimed;
}

/* The interface is another one, or gone: looks for it again, now, or a while after the last time. */
static void lose(struct claim *c, int err, ns_t now)
{
	log_limited(
		&c->log, NLOG_WARN, "next hop on %s: %s; trying again", c->ifname, strerror(-err));
	shut(c);
	c->open_at = now < c->opened_at + REOPEN ? c->opened_at + REOPEN : now;
}

static void put(struct claim *c, const uint8_t *frame, size_t n, ns_t now)
{
	int err = send(c->fd, frame, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;

	/* Down, or full, for now: the next announcement will do. */
	if (err && err != -ENETDOWN && err != -EAGAIN && err != -ENOBUFS && err != -EINTR)
		lose(c, err, now);
}

static void tell_contest(struct claim *c, const uint8_t *frame)
{
	const uint8_t *m = frame + NEXTHOP_MAC;
	char text[ADDR_STRLEN];

	c->count.contested++;
	log_limited(&c->log, NLOG_REMOTE,
		"%02x:%02x:%02x:%02x:%02x:%02x on %s: claims the next hop %s, which is here", m[0],
		m[1], m[2], m[3], m[4], m[5], c->ifname, addr_host(&c->hop.addr, text));
}

static void hear(struct claim *c, ns_t now)
{
	uint8_t frame[512], out[NEXTHOP_FRAME];
	size_t len;
	int i;

	for (i = 0; i < BATCH && c->fd >= 0; i++) {
		ssize_t n = recv(c->fd, frame, sizeof(frame), MSG_DONTWAIT);
		enum nexthop_event e;

		if (n < 0)
			break;
		e = nexthop_hear(&c->hop, frame, (size_t)n, now, out, &len);
		if (e == NEXTHOP_CONTESTED && c->hop.claimed)
			tell_contest(c, frame);
		if (!len)
			continue;
		c->count.answered++;
		put(c, out, len, now);
	}
	c->read_at = i == BATCH ? now + PAUSE : 0;
}

void claim_turn(struct claim *c, ns_t now)
{
	uint8_t out[NEXTHOP_FRAME];
	int err = 0;

	if (c->wanted && c->fd < 0 && now >= c->open_at) {
		c->opened_at = now;
		err = open_sockets(c);
		if (err)
			lose(c, err, now);
	}
	if (c->fd >= 0 && now >= c->read_at)
		hear(c, now);
	if (c->fd < 0 || !nexthop_due(&c->hop, now))
		return;
	err = read_mac(c);
	if (err)
		lose(c, err, now);
	else
		put(c, out, nexthop_announce(&c->hop, out), now);
}

int claim_fd(const struct claim *c, ns_t now)
{
	return now >= c->read_at ? c->fd : -1;
}

ns_t claim_when(const struct claim *c)
{
	ns_t when;

	if (!c->wanted)
		return NS_NEVER;
	if (c->fd < 0)
		return c->open_at;
	when = nexthop_when(&c->hop);
	return c->read_at && c->read_at < when ? c->read_at : when;
}

const struct claim_counters *claim_counters(const struct claim *c)
{
	return &c->count;
}
