/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/tunnel.h"

#include <stdio.h>
#include <string.h>

#define PREFIX   "nc-"
#define NAME_MAX (IFNAMSIZ - sizeof(PREFIX)) /* of a neighbour whose name fits */

#define ETHERNET 14
#define VXLAN    8 /* RFC 7348, 5 */
#define UDP      8

/* FNV-1a, folded to 24 bits. 0 is no identifier of ours. */
static uint32_t hash24(const void *p, size_t n, uint32_t h)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 16777619u;
	return h;
}

static uint32_t fold(uint32_t h)
{
	h = (h >> 24) ^ (h & TUNNEL_VNI_MAX);
	return h ? h : 1;
}

static uint32_t hash_addr(const struct addr *a, uint32_t h)
{
	return a->sa.sa_family == AF_INET6 ? hash24(&a->in6.sin6_addr, sizeof(a->in6.sin6_addr), h)
	                                   : hash24(&a->in.sin_addr, sizeof(a->in.sin_addr), h);
}

static struct addr host_only(const struct addr *a)
{
	struct addr out = *a;

	addr_set_port(&out, 0);
	return out;
}

static void name_interface(struct tunnel *t, const char *name)
{
	uint32_t h = hash24(name, strlen(name), 2166136261u);

	if (strlen(name) <= NAME_MAX)
		snprintf(t->ifname, sizeof(t->ifname), PREFIX "%.12s", name);
	else
		snprintf(t->ifname, sizeof(t->ifname), PREFIX "%.7s-%04x", name, h & 0xffff);
}

static struct addr end_of(int family, uint32_t vni, bool high)
{
	struct addr a = addr_any(family, 0);

	if (family == AF_INET6) {
		const uint8_t net[8] = {0xfd, 0x6e, 0x65, 0x61, 0x72, 0x63, 0, 0};
		uint32_t id = vni << 1 | high;

		memcpy(a.in6.sin6_addr.s6_addr, net, sizeof(net));
		for (int i = 0; i < 4; i++)
			a.in6.sin6_addr.s6_addr[12 + i] = (uint8_t)(id >> (24 - 8 * i));
	} else {
		/* The first and the last 256 addresses of the block are reserved (RFC 3927, 2.1). */
		uint32_t pair = 128 + vni % (32768 - 256);

		a.in.sin_addr.s_addr = htonl(0xa9fe0000u | pair << 1 | high);
	}
	return a;
}

void tunnel_plan(struct tunnel *t, const struct addr *own, const struct addr *peer,
	const char *name, uint32_t vni)
{
	struct addr a = host_only(own), b = host_only(peer);
	bool high = addr_cmp(&a, &b) > 0;
	int family = a.sa.sa_family;

	*t = (struct tunnel){.vni = vni,
		.prefix = family == AF_INET6 ? 127 : 31,
		.overhead = ETHERNET + VXLAN + UDP + (family == AF_INET6 ? 40 : 20)};
	if (!vni)
		t->vni = fold(hash_addr(high ? &a : &b, hash_addr(high ? &b : &a, 2166136261u)));
	name_interface(t, name);
	t->local = end_of(family, t->vni, high);
	t->remote = end_of(family, t->vni, !high);
}

bool tunnel_clash(const struct tunnel *a, const struct tunnel *b)
{
	return a->vni == b->vni || !strcmp(a->ifname, b->ifname) ||
	       addr_same_host(&a->local, &b->local) || addr_same_host(&a->local, &b->remote);
}
