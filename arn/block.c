/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/block.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/netlink.h"

/* When an interface loses its last IPv4 address, the kernel removes its routes too, also the local
 * one that a withdrawn block still needs. So it has a second address: one of the loopback net,
 * which this host owns anyway and which routing daemons do not look at. */
#define ANCHOR "127.0.0.2"

struct block {
	struct prefix prefix;
	char ifname[16];
	struct nl *nl;
	int fd; /* of the TUN interface, -1: none */
	int ifindex;
	bool bare; /* only single addresses are on it */
};

struct block *block_new(const struct prefix *p, const char *ifname, bool bare, int *err)
{
	struct block *b = calloc(1, sizeof(*b));

	*err = -ENOMEM;
	if (!b)
		return NULL;
	b->prefix = *p;
	b->bare = bare;
	strncpy(b->ifname, ifname, sizeof(b->ifname) - 1);
	b->fd = -1;
	b->nl = nl_new(err);
	if (!b->nl) {
		free(b);
		return NULL;
	}
	return b;
}

void block_free(struct block *b)
{
	if (!b)
		return;
	block_drop(b);
	nl_free(b->nl);
	free(b);
}

static bool is_v4(const struct prefix *p)
{
	return p->addr.sa.sa_family == AF_INET;
}

struct addr block_first_host(const struct prefix *p)
{
	struct addr a = p->addr;

	if (is_v4(p) && p->len < 31)
		a.in.sin_addr.s_addr |= htonl(1);
	if (!is_v4(p) && p->len < 127)
		a.in6.sin6_addr.s6_addr[15] |= 1;
	return a;
}

/* The last address of an IPv4 block: the kernel makes it a broadcast address as soon as the
 * interface has its own, unless there is a local route for it before. */
static struct prefix last_host(const struct prefix *p)
{
	struct prefix last = {.addr = p->addr, .len = 32};

	if (p->len < 32)
		last.addr.in.sin_addr.s_addr |= htonl(UINT32_MAX >> p->len);
	return last;
}

/* On a router, the first address of an IPv6 prefix means "any router of that link" (RFC
 * 4291, 2.6.1), and the kernel, which accepts no TCP connection to such an address, would take the
 * block's first one from us. Nobody else is on this link, and nothing is forwarded from it: for the
 * kernel it is a host's. */
static void be_no_router(const struct block *b)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/forwarding", b->ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		log_msg(NLOG_WARN, "%s: %s: the first address of the block may not answer", path,
			strerror(errno));
	if (fd >= 0)
		close(fd);
}

static int make_interface(struct block *b)
{
	struct prefix last = last_host(&b->prefix);
	struct addr anchor;
	int err;

	b->fd = tun_open(b->ifname);
	if (b->fd < 0)
		return b->fd;
	b->ifindex = nl_ifindex(b->nl, b->ifname);
	if (b->ifindex < 0)
		return b->ifindex;
	if (!is_v4(&b->prefix))
		be_no_router(b);
	err = nl_link_up(b->nl, b->ifindex);
	if (!err && is_v4(&b->prefix)) {
		addr_parse(&anchor, SLICE(ANCHOR), 0);
		err = nl_addr_add(b->nl, b->ifindex, &anchor, 32);
		if (!err)
			err = nl_local_route_add(b->nl, b->ifindex, &last);
	}
	if (!err)
		err = nl_local_route_add(b->nl, b->ifindex, &b->prefix);
	return err;
}

int block_raise(struct block *b)
{
	struct addr first = block_first_host(&b->prefix);
	int err = b->fd < 0 ? make_interface(b) : 0;

	if (!err && !b->bare)
		err = nl_addr_add(b->nl, b->ifindex, &first, b->prefix.len);
	if (err)
		block_drop(b);
	return err;
}

int block_withdraw(struct block *b)
{
	struct addr first = block_first_host(&b->prefix);

	if (b->fd < 0)
		return -ENODEV;
	return b->bare ? 0 : nl_addr_del(b->nl, b->ifindex, &first, b->prefix.len);
}

int block_put(struct block *b, const struct addr *a, bool add)
{
	uint8_t whole = is_v4(&b->prefix) ? 32 : 128;

	if (b->fd < 0)
		return -ENODEV;
	return add ? nl_addr_add(b->nl, b->ifindex, a, whole)
	           : nl_addr_del(b->nl, b->ifindex, a, whole);
}

void block_drop(struct block *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

int block_fd(const struct block *b)
{
	return b->fd;
}
