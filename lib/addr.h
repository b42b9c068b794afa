/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket addresses, IPv4 and IPv6 alike. */
#ifndef NEARCAST_ADDR_H
#define NEARCAST_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/slice.h"

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

/* An address block. The host's bits are zero. */
struct prefix {
	struct addr addr; /* port 0 */
	uint8_t len;      /* bits */
};

#define ADDR_STRLEN (INET6_ADDRSTRLEN + 32) /* "[v6%scope]:port" */

socklen_t addr_len(const struct addr *a);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);

/* The any-address of a family (AF_INET or AF_INET6) with a port. */
struct addr addr_any(int family, uint16_t port);

/* Parses a literal: "10.0.0.1", "10.0.0.1:80", "[::1]:80", "::1". No names. A missing port is
 * `default_port`. 0, or -EINVAL. */
int addr_parse(struct addr *a, struct slice s, uint16_t default_port);

/* Parses "10.1.18.0/24". -EINVAL also when host bits are set. */
int prefix_parse(struct prefix *p, struct slice s);

/* Total order by family, address, port; addr_same_host ignores the port. IPv4-mapped IPv6
 * addresses are to be unmapped first with addr_unmap (what accept() on a v6 socket gives). */
int addr_cmp(const struct addr *a, const struct addr *b);
bool addr_same_host(const struct addr *a, const struct addr *b);
void addr_unmap(struct addr *a);
bool addr_is_any(const struct addr *a);
bool addr_is_multicast(const struct addr *a);
/* An IP address, neither the wildcard nor a group's. */
bool addr_is_unicast(const struct addr *a);
/* A unicast address that means something beyond its own host and link: neither loopback nor
 * link-local, nor IPv4 in the clothes of IPv6. */
bool addr_is_routable(const struct addr *a);
bool prefix_has(const struct prefix *p, const struct addr *a);
bool prefix_same(const struct prefix *p, const struct prefix *q);
uint64_t addr_hash(const struct addr *a); /* address and port; not keyed */

/* "10.0.0.1:80", "[::1]:80"; addr_host without port and brackets; addr_urlhost as in a URL
 * (brackets for IPv6, no port). All return buf, which is ADDR_STRLEN bytes. */
const char *addr_str(const struct addr *a, char *buf);
const char *addr_host(const struct addr *a, char *buf);
const char *addr_urlhost(const struct addr *a, char *buf);
const char *prefix_str(const struct prefix *p, char *buf);

#endif
