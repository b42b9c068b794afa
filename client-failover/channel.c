/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets are opened before the node has told its ports, and connected when it has; what
 * overtakes the answer is accepted if it comes from the node's host.
 *
 * Linux tells a UDP socket of "host unreachable" only if it asks for it (IP_RECVERR), and then
 * keeps the error's packet in a queue that has to be emptied.
 */
#include "client-failover/channel.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "lib/udp.h"

/* All channels of a process take turns with one set of buffers. */
static struct udp_msg batch[UDP_BATCH];

void channel_init(
	struct channel *ch, struct loop *l, const struct channel_ops *ops, void *arg, int medium)
{
	*ch = (struct channel){.loop = l, .ops = ops, .arg = arg, .medium = medium};
	for (int i = 0; i < CHANNEL_PORTS; i++)
		ch->port[i] = (struct port){.ch = ch, .fd = -1};
}

static void port_close(struct port *p)
{
	loop_fd_free(p->watch);
	p->watch = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void channel_close(struct channel *ch)
{
	for (int i = 0; i < CHANNEL_PORTS; i++)
		port_close(&ch->port[i]);
	ch->connected = false;
}

/* ---- errors ---- */

static int error_of(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		struct sock_extended_err e;
		bool ours = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
		if (!ours)
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof e);
		if (e.ee_origin == SO_EE_ORIGIN_ICMP || e.ee_origin == SO_EE_ORIGIN_ICMP6 ||
			e.ee_origin == SO_EE_ORIGIN_LOCAL)
			return -(int)e.ee_errno;
	}
	return 0;
}

/* Takes the queue of ICMP errors empty; the last of them, or 0. */
static int errors_drain(int fd)
{
	char byte, control[512];
	struct iovec v = {&byte, 1};
	int err = 0;

	for (int i = 0; i < 64; i++) {
		struct msghdr h = {.msg_iov = &v,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof control};
		if (recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			break;
		int e = error_of(&h);
		err = e ? e : err;
	}
	return err;
}

static void complain(struct channel *ch, int err)
{
	if (err == -ECONNREFUSED || err == -EHOSTUNREACH || err == -ENETUNREACH ||
		err == -EHOSTDOWN)
		ch->ops->error(ch->arg, err);
}

/* ---- packets in ---- */

static void port_drain(struct channel *ch, enum channel_port which)
{
	struct port *p = &ch->port[which];

	for (int errors = 0; p->fd >= 0 && errors < 4;) {
		int n = udp_recv(p->fd, batch, UDP_BATCH);
		if (n < 0) {
			complain(ch, n);
			errors++;
			continue;
		}
		for (int i = 0; i < n && p->fd >= 0; i++) {
			struct udp_msg *m = &batch[i];
			if (!m->truncated && addr_same_host(&m->from, &ch->source[0]))
				ch->ops->packet(ch->arg, ch->medium, which, m->data, m->len);
		}
		if (n < UDP_BATCH)
			return;
	}
}

void channel_drain(struct channel *ch, enum channel_port port)
{
	int err = ch->port[port].fd >= 0 ? errors_drain(ch->port[port].fd) : 0;

	if (err)
		complain(ch, err);
	port_drain(ch, port);
}

static void on_port(void *arg, int events)
{
	struct port *p = arg;

	(void)events;
	p->ch->ops->ready(p->ch->arg, p->ch->medium, (enum channel_port)(p - p->ch->port));
}

/* ---- opening ---- */

static int port_open(struct port *p, int fd)
{
	int one = 1;

	p->fd = fd;
	if (p->ch->source[0].sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one);
	else
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
	p->watch = loop_fd_new(p->ch->loop, fd, on_port, p);
	return p->watch ? loop_fd_want(p->watch, LOOP_READ) : -ENOMEM;
}

int channel_open(struct channel *ch, const struct addr *local, const struct addr *node, int rcvbuf)
{
	struct addr at = *local;
	int rtp, rtcp, err, err2;

	ch->source[0] = ch->source[1] = *node;
	addr_set_port(&at, 0);
	addr_set_port(&ch->source[0], 0);
	addr_set_port(&ch->source[1], 0);
	err = udp_open_pair(&at, rcvbuf, 0, &rtp, &rtcp, &ch->number);
	if (err < 0)
		return err;
	err = port_open(&ch->port[CHANNEL_RTP], rtp);
	err2 = port_open(&ch->port[CHANNEL_RTCP], rtcp);
	return err < 0 ? err : err2;
}

int channel_join(struct channel *ch, const struct addr *group, const struct addr *local, int rcvbuf)
{
	struct addr from = ch->source[0];
	char ifname[IFNAMSIZ];
	int fd = udp_interface(local, ifname);

	channel_leave(ch);
	addr_set_port(&from, 0);
	if (fd == 0)
		fd = udp_open_source(group, &from, ifname, rcvbuf);
	return fd < 0 ? fd : port_open(&ch->port[CHANNEL_GROUP], fd);
}

void channel_leave(struct channel *ch)
{
	port_close(&ch->port[CHANNEL_GROUP]);
}

void channel_connect(struct channel *ch, uint16_t rtp, uint16_t rtcp)
{
	uint16_t told[2] = {rtp, rtcp};

	for (int k = 0; k < 2 && ch->port[k].fd >= 0; k++) {
		addr_set_port(&ch->source[k], told[k]);
		if (told[k] && connect(ch->port[k].fd, &ch->source[k].sa, addr_len(&ch->source[k])))
			complain(ch, -errno);
		else
			ch->connected = told[k] != 0;
	}
}

void channel_send(struct channel *ch, const uint8_t *p, size_t n)
{
	if (!ch->connected || ch->port[CHANNEL_RTCP].fd < 0)
		return;
	int err = udp_send(ch->port[CHANNEL_RTCP].fd, NULL, p, n);
	if (err < 0)
		complain(ch, err);
}
