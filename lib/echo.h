/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP echo (RFC 792, RFC 4443): requests with a cookie, and what the replies are. The cookie is
 * what a reply is known by, since identifiers are of 16 bits, and raw sockets see those of all
 * programs of the host.
 */
#ifndef NEARCAST_ECHO_H
#define NEARCAST_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

#define ECHO_LEN 64 /* of a request, at least */

/* A raw socket that sees echo replies only, non-blocking; or negative errno (-EPERM: it takes
 * CAP_NET_RAW). */
int echo_open(int family);
/* 0 or negative errno. */
int echo_send(int fd, const struct addr *to, uint64_t cookie);

/* A request, as it is sent: its length. For IPv6 the kernel puts the checksum in. */
size_t echo_request(int family, uint64_t cookie, uint8_t out[ECHO_LEN]);
/* What a raw socket of the family has received (of IPv4 with the IP header). False: no echo reply
 * of ours. */
bool echo_parse(int family, const uint8_t *p, size_t n, uint64_t *cookie);

#endif
