/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP sockets: opening, multicast, RTP port pairs, batched receive and segmented send. */
#ifndef NEARCAST_UDP_H
#define NEARCAST_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/addr.h"
#include "lib/clock.h"

/* A bound, non-blocking socket, or negative errno. rcvbuf/sndbuf in bytes, 0: the system's. */
int udp_open(const struct addr *at, int rcvbuf, int sndbuf);
/* An even port and the next (RFC 3550, 11) on one address: *rtp, *rtcp are sockets, *port the even
 * port. at's port 0: any free pair. 0 or negative errno. */
int udp_open_pair(
	const struct addr *at, int rcvbuf, int sndbuf, int *rtp, int *rtcp, uint16_t *port);
/* A socket bound to the group's port that receives `group` on ifname, sends to it with TTL 1 and
 * loops back to other sockets of this host. Several may bind (SO_REUSEADDR). */
int udp_open_group(const struct addr *group, const char *ifname);
/* One that receives what `source` sends to the group (RFC 4607), whatever others send to it; rcvbuf
 * bytes. */
int udp_open_source(
	const struct addr *group, const struct addr *source, const char *ifname, int rcvbuf);
/* What a socket sends to groups leaves by this interface, with this TTL. 0 or negative errno. */
int udp_set_groups(int fd, const char *ifname, uint8_t ttl);
/* The name of the interface that has the address, into ifname[IFNAMSIZ]. 0; -ENODEV: none has. */
int udp_interface(const struct addr *at, char *ifname);

/* Datagrams that came and were lost since the socket was opened, for want of room in its buffer. */
uint32_t udp_drops(int fd);

#define UDP_BATCH 64
#define UDP_MTU   2048

struct udp_msg {
	struct addr from;
	ns_t came; /* wall time at which the kernel had it; 0: not known, or nobody asked (udp_stamp) */
	size_t len;
	bool truncated;
	uint8_t data[UDP_MTU];
};
/* Receives up to UDP_BATCH datagrams at once. Count, 0 when none, negative errno; an ICMP error
 * on a connected socket shows as -ECONNREFUSED, -EHOSTUNREACH, … */
int udp_recv(int fd, struct udp_msg *m, int max);

/* From now on, or very soon, the kernel notes when datagrams come, and, if `sent`, when those leave that
 * are sent. 0 or negative errno. */
int udp_stamp(int fd, bool sent);
/* When one left: its number, from 0 for the first that was sent after udp_stamp, and the wall time at
 * which the kernel gave it to the device. To be repeated until false; also when the socket has an
 * error, which such a note is to poll(2). Devices that do not tell: there is none. */
bool udp_sent(int fd, uint32_t *number, ns_t *at);

/* Sends the n packets to `to`, runs of equal length (and a shorter last one) each in one system
 * call with UDP_SEGMENT (up to 44 of them, 65,000 bytes), falling back to one by one where the
 * kernel refuses. to NULL: connected. Returns how many packets were handed to the kernel. */
int udp_send_batch(int fd, const struct addr *to, const struct iovec *pkt, int n);
int udp_send(int fd, const struct addr *to, const void *p, size_t n); /* 0 or negative errno */

#endif
