/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/nexthop.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/cursor.h"

#define ETHERNET      14
#define TYPE_ARP      0x0806
#define TYPE_IPV6     0x86dd
#define ARP_REQUEST   1
#define ARP_REPLY     2
#define IPV6          40 /* its header */
#define NEXT_ICMPV6   58
#define SOLICITATION  135
#define ADVERTISEMENT 136
#define ADVERT        32 /* the ICMPv6 message: 24 bytes, and the option of 8 */
#define SOLICITED     0x40
#define OVERRIDE      0x20
#define OPTION_TARGET 2 /* target link-layer address */

/* After a claim. */
static const ns_t pace[] = {10 * NS_MS, 40 * NS_MS, 150 * NS_MS, 800 * NS_MS, NS_S};
#define PACES ((int)(sizeof(pace) / sizeof(pace[0])))
/* Between two claims of another one that are contradicted: two that do not hear each other
 * otherwise shall not make the routers change their minds all the time. */
#define CONTEST NS_S

static const uint8_t broadcast[NEXTHOP_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t nobody[NEXTHOP_MAC];
static const uint8_t all_nodes_mac[NEXTHOP_MAC] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
static const uint8_t unspecified[16];

void nexthop_init(struct nexthop *n, const struct addr *addr)
{
	*n = (struct nexthop){.addr = *addr, .contested_at = -NS_S};
}

void nexthop_claim(struct nexthop *n, bool claimed, ns_t now)
{
	if (claimed && !n->claimed) {
		n->announced = 0;
		n->announce_at = now;
	}
	n->claimed = claimed;
}

void nexthop_set_quiet(struct nexthop *n, bool quiet)
{
	n->quiet = quiet;
}

ns_t nexthop_when(const struct nexthop *n)
{
	return n->claimed && !(n->quiet && n->announced == PACES - 1) ? n->announce_at : NS_NEVER;
}

bool nexthop_due(struct nexthop *n, ns_t now)
{
	if (now < nexthop_when(n))
		return false;
	n->announce_at = now + pace[n->announced];
	if (n->announced < PACES - 1)
		n->announced++;
	return true;
}

static enum nexthop_event contest(struct nexthop *n, ns_t now)
{
	if (n->claimed && !n->quiet && now - n->contested_at >= CONTEST) {
		n->contested_at = now;
		n->announce_at = now;
	}
	return NEXTHOP_CONTESTED;
}

static void put_ethernet(
	struct wcur *c, const uint8_t to[NEXTHOP_MAC], const struct nexthop *n, uint16_t type)
{
	wcur_put(c, to, NEXTHOP_MAC);
	wcur_put(c, n->mac, NEXTHOP_MAC);
	wcur_u16(c, type);
}

/* ---- IPv4: ARP ---- */

static size_t put_arp(const struct nexthop *n, uint16_t operation, const uint8_t to[NEXTHOP_MAC],
	const uint8_t target_mac[NEXTHOP_MAC], const uint8_t target[4], uint8_t out[NEXTHOP_FRAME])
{
	struct wcur c = wcur_init(out, NEXTHOP_FRAME);

	put_ethernet(&c, to, n, TYPE_ARP);
	wcur_u16(&c, 1); /* Ethernet */
	wcur_u16(&c, 0x0800);
	wcur_u8(&c, NEXTHOP_MAC);
	wcur_u8(&c, 4);
	wcur_u16(&c, operation);
	wcur_put(&c, n->mac, NEXTHOP_MAC);
	wcur_put(&c, &n->addr.in.sin_addr, 4);
	wcur_put(&c, target_mac, NEXTHOP_MAC);
	wcur_put(&c, target, 4);
	return wcur_len(&c);
}

static enum nexthop_event hear_arp(
	struct nexthop *n, struct rcur *c, ns_t now, uint8_t out[NEXTHOP_FRAME], size_t *len)
{
	uint16_t hardware = rcur_u16(c), protocol = rcur_u16(c), sizes = rcur_u16(c);
	uint16_t operation = rcur_u16(c);
	const uint8_t *sender_mac = rcur_take(c, NEXTHOP_MAC), *sender = rcur_take(c, 4);
	const uint8_t *target = rcur_take(c, NEXTHOP_MAC + 4);
	const void *own = &n->addr.in.sin_addr;

	if (c->bad || hardware != 1 || protocol != 0x0800 || sizes != (NEXTHOP_MAC << 8 | 4) ||
		sender_mac[0] & 1 || !memcmp(sender_mac, n->mac, NEXTHOP_MAC))
		return NEXTHOP_NOTHING;
	target += NEXTHOP_MAC;
	if (!memcmp(sender, own, 4) && (operation == ARP_REQUEST || operation == ARP_REPLY))
		return contest(n, now);
	if (operation != ARP_REQUEST || memcmp(target, own, 4))
		return NEXTHOP_NOTHING;
	if (n->claimed)
		*len = put_arp(n, ARP_REPLY, sender_mac, sender_mac, sender, out);
	return NEXTHOP_ASKED;
}

/* ---- IPv6: neighbour discovery ---- */

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (n)
		sum += (uint32_t)p[0] << 8;
	return sum;
}

/* RFC 4443, 2.3. Of a message with its checksum in place: 0. */
static uint16_t checksum(
	const uint8_t from[16], const uint8_t to[16], const uint8_t *message, size_t n)
{
	uint32_t sum = sum16(sum16(0, from, 16), to, 16) + (uint32_t)n + NEXT_ICMPV6;

	sum = sum16(sum, message, n);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t put_advertisement(const struct nexthop *n, uint8_t flags,
	const uint8_t to_mac[NEXTHOP_MAC], const uint8_t to[16], uint8_t out[NEXTHOP_FRAME])
{
	struct wcur c = wcur_init(out, NEXTHOP_FRAME), sum;
	const uint8_t *own = n->addr.in6.sin6_addr.s6_addr;
	uint8_t *message;

	put_ethernet(&c, to_mac, n, TYPE_IPV6);
	wcur_u32(&c, 6u << 28);
	wcur_u16(&c, ADVERT);
	wcur_u8(&c, NEXT_ICMPV6);
	wcur_u8(&c, 255);
	wcur_put(&c, own, 16);
	wcur_put(&c, to, 16);
	message = c.p;
	wcur_u8(&c, ADVERTISEMENT);
	wcur_u8(&c, 0);
	wcur_u16(&c, 0); /* the checksum's place */
	wcur_u32(&c, (uint32_t)flags << 24);
	wcur_put(&c, own, 16);
	wcur_u8(&c, OPTION_TARGET);
	wcur_u8(&c, 1);
	wcur_put(&c, n->mac, NEXTHOP_MAC);
	sum = wcur_init(message + 2, 2);
	wcur_u16(&sum, checksum(own, to, message, ADVERT));
	return wcur_len(&c);
}

/* `mac`: whom the frame came from. */
static enum nexthop_event hear_ipv6(struct nexthop *n, const uint8_t mac[NEXTHOP_MAC],
	struct rcur *c, ns_t now, uint8_t out[NEXTHOP_FRAME], size_t *len)
{
	uint32_t version = rcur_u32(c) >> 28;
	uint16_t size = rcur_u16(c);
	uint8_t next = rcur_u8(c), hops = rcur_u8(c);
	const uint8_t *from = rcur_take(c, 16), *to = rcur_take(c, 16);
	const uint8_t *message = rcur_take(c, size);
	const void *own = &n->addr.in6.sin6_addr;

	if (c->bad || version != 6 || next != NEXT_ICMPV6 || hops != 255 || size < 24 ||
		message[1] != 0 || memcmp(message + 8, own, 16) ||
		checksum(from, to, message, size) != 0)
		return NEXTHOP_NOTHING;
	if (message[0] == ADVERTISEMENT)
		return contest(n, now);
	if (message[0] != SOLICITATION)
		return NEXTHOP_NOTHING;
	if (n->claimed && !memcmp(from, unspecified, 16))
		*len = put_advertisement(n, OVERRIDE, all_nodes_mac, all_nodes, out);
	else if (n->claimed)
		*len = put_advertisement(n, SOLICITED | OVERRIDE, mac, from, out);
	return NEXTHOP_ASKED;
}

enum nexthop_event nexthop_hear(struct nexthop *n, const uint8_t *frame, size_t size, ns_t now,
	uint8_t out[NEXTHOP_FRAME], size_t *len)
{
	struct rcur c = rcur_init(frame, size);
	const uint8_t *macs = rcur_take(&c, 2 * NEXTHOP_MAC);
	uint16_t type = rcur_u16(&c);
	bool v6 = n->addr.sa.sa_family == AF_INET6;

	*len = 0;
	if (c.bad || macs[NEXTHOP_MAC] & 1 || !memcmp(macs + NEXTHOP_MAC, n->mac, NEXTHOP_MAC))
		return NEXTHOP_NOTHING; /* of nobody, or our own */
	if (type == TYPE_ARP && !v6)
		return hear_arp(n, &c, now, out, len);
	if (type == TYPE_IPV6 && v6)
		return hear_ipv6(n, macs + NEXTHOP_MAC, &c, now, out, len);
	return NEXTHOP_NOTHING;
}

size_t nexthop_announce(const struct nexthop *n, uint8_t out[NEXTHOP_FRAME])
{
	if (n->addr.sa.sa_family == AF_INET6)
		return put_advertisement(n, OVERRIDE, all_nodes_mac, all_nodes, out);
	return put_arp(
		n, ARP_REQUEST, broadcast, nobody, (const uint8_t *)&n->addr.in.sin_addr, out);
}
