/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Socket addresses, IPv4 and IPv6 alike: literals to bytes and back, comparison, prefixes. No
 * names are ever looked up here: that would block.
 */
#include "lib/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>

#define LINK_LOCAL_NET 0xa9fe /* 169.254.0.0/16, RFC 3927 */

/* The address's bytes, and how many. */
static const uint8_t *addr_bytes(const struct addr *a, size_t *n)
{
	if (a->sa.sa_family == AF_INET) {
		*n = 4;
		return (const uint8_t *)&a->in.sin_addr;
	}
	if (a->sa.sa_family == AF_INET6) {
		*n = 16;
		return (const uint8_t *)&a->in6.sin6_addr;
	}
	*n = 0;
	return NULL;
}

socklen_t addr_len(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
}

uint16_t addr_port(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return ntohs(a->in6.sin6_port);
	return a->sa.sa_family == AF_INET ? ntohs(a->in.sin_port) : 0;
}

void addr_set_port(struct addr *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET6)
		a->in6.sin6_port = htons(port);
	else if (a->sa.sa_family == AF_INET)
		a->in.sin_port = htons(port);
}

struct addr addr_any(int family, uint16_t port)
{
	struct addr a;

	memset(&a, 0, sizeof(a));
	a.sa.sa_family = (sa_family_t)family;
	addr_set_port(&a, port);
	return a;
}

static int parse_port(struct slice s, uint16_t *port)
{
	unsigned long long v;

	if (slice_u64(s, 65535, &v) < 0)
		return -EINVAL;
	*port = (uint16_t)v;
	return 0;
}

static int parse_v4(struct addr *a, struct slice host)
{
	char text[INET_ADDRSTRLEN];

	a->sa.sa_family = AF_INET;
	if (slice_copy(host, text, sizeof(text)) < 0)
		return -EINVAL;
	return inet_pton(AF_INET, text, &a->in.sin_addr) == 1 ? 0 : -EINVAL;
}

/* The scope is an interface's name or its number (RFC 4007, 11.2). */
static int parse_scope(struct slice s, uint32_t *id)
{
	char name[IF_NAMESIZE];
	unsigned long long v;

	if (s.n == 0)
		return -EINVAL;
	if (slice_u64(s, UINT32_MAX, &v) == 0) {
		*id = (uint32_t)v;
		return 0;
	}
	if (slice_copy(s, name, sizeof(name)) < 0)
		return -EINVAL;
	*id = if_nametoindex(name);
	return *id ? 0 : -EINVAL;
}

static int parse_v6(struct addr *a, struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	struct slice scope = host;
	struct slice bare = slice_cut(&scope, '%');

	a->sa.sa_family = AF_INET6;
	if (bare.n < host.n && parse_scope(scope, &a->in6.sin6_scope_id) < 0)
		return -EINVAL;
	if (slice_copy(bare, text, sizeof(text)) < 0)
		return -EINVAL;
	return inet_pton(AF_INET6, text, &a->in6.sin6_addr) == 1 ? 0 : -EINVAL;
}

int addr_parse(struct addr *a, struct slice s, uint16_t default_port)
{
	struct slice host = s;
	uint16_t port = default_port;
	const char *colon;
	int err;

	memset(a, 0, sizeof(*a));
	if (s.n == 0 || memchr(s.p, '\0', s.n))
		return -EINVAL;
	if (s.p[0] == '[') {
		struct slice rest = {s.p + 1, s.n - 1};
		const char *end = memchr(rest.p, ']', rest.n);

		if (!end)
			return -EINVAL;
		host = (struct slice){rest.p, (size_t)(end - rest.p)};
		rest = (struct slice){end + 1, rest.n - host.n - 1};
		if (rest.n &&
			(rest.p[0] != ':' ||
				parse_port((struct slice){rest.p + 1, rest.n - 1}, &port) < 0))
			return -EINVAL;
		err = parse_v6(a, host);
	} else {
		colon = memchr(s.p, ':', s.n);
		if (colon && memchr(colon + 1, ':', s.n - (size_t)(colon + 1 - s.p))) {
			err = parse_v6(a, host); /* two colons: an address without a port */
		} else {
			if (colon) {
				host.n = (size_t)(colon - s.p);
				if (parse_port((struct slice){colon + 1, s.n - host.n - 1}, &port) <
					0)
					return -EINVAL;
			}
			err = parse_v4(a, host);
		}
	}
	if (err < 0)
		return err;
	addr_set_port(a, port);
	return 0;
}

/* Whether the bits after the first `len` are all zero. */
static bool host_bits_zero(const uint8_t *p, size_t n, uint8_t len)
{
	for (size_t i = len / 8; i < n; i++) {
		uint8_t mask = i == len / 8 ? (uint8_t)(0xff >> (len % 8)) : 0xff;

		if (p[i] & mask)
			return false;
	}
	return true;
}

int prefix_parse(struct prefix *p, struct slice s)
{
	struct slice rest = s, host = slice_cut(&rest, '/');
	unsigned long long len;
	const uint8_t *bytes;
	size_t n;

	memset(p, 0, sizeof(*p));
	if (host.n == s.n || (host.n && host.p[0] == '['))
		return -EINVAL;
	if (memchr(host.p, ':', host.n) ? parse_v6(&p->addr, host) : parse_v4(&p->addr, host))
		return -EINVAL;
	bytes = addr_bytes(&p->addr, &n);
	if (slice_u64(rest, n * 8, &len) < 0)
		return -EINVAL;
	p->len = (uint8_t)len;
	return host_bits_zero(bytes, n, p->len) ? 0 : -EINVAL;
}

static int cmp_u32(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	const uint8_t *pa, *pb;
	size_t n;
	int c = cmp_u32(a->sa.sa_family, b->sa.sa_family);

	if (c)
		return c;
	pa = addr_bytes(a, &n);
	pb = addr_bytes(b, &n);
	c = n ? memcmp(pa, pb, n) : 0;
	if (!c && a->sa.sa_family == AF_INET6)
		c = cmp_u32(a->in6.sin6_scope_id, b->in6.sin6_scope_id);
	return c ? c : cmp_u32(addr_port(a), addr_port(b));
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
	const uint8_t *pa, *pb;
	size_t n;

	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	pa = addr_bytes(a, &n);
	pb = addr_bytes(b, &n);
	if (n && memcmp(pa, pb, n) != 0)
		return false;
	/* A scope that is not known matches any. */
	return a->sa.sa_family != AF_INET6 || !a->in6.sin6_scope_id || !b->in6.sin6_scope_id ||
	       a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

void addr_unmap(struct addr *a)
{
	struct addr v4;

	if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return;
	v4 = addr_any(AF_INET, addr_port(a));
	memcpy(&v4.in.sin_addr, a->in6.sin6_addr.s6_addr + 12, 4);
	*a = v4;
}

bool addr_is_any(const struct addr *a)
{
	size_t n;
	const uint8_t *p = addr_bytes(a, &n);

	return n && host_bits_zero(p, n, 0);
}

bool addr_is_multicast(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return IN_MULTICAST(ntohl(a->in.sin_addr.s_addr));
	return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
}

bool addr_is_unicast(const struct addr *a)
{
	return (a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6) && !addr_is_any(a) &&
	       !addr_is_multicast(a);
}

bool addr_is_routable(const struct addr *a)
{
	const struct in6_addr *v6 = &a->in6.sin6_addr;
	uint32_t v4;

	if (!addr_is_unicast(a))
		return false;
	if (a->sa.sa_family == AF_INET6)
		return !IN6_IS_ADDR_LOOPBACK(v6) && !IN6_IS_ADDR_LINKLOCAL(v6) &&
		       !IN6_IS_ADDR_V4MAPPED(v6);
	v4 = ntohl(a->in.sin_addr.s_addr);
	return v4 >> 24 != IN_LOOPBACKNET && v4 >> 16 != LINK_LOCAL_NET && v4 != INADDR_BROADCAST;
}

bool prefix_has(const struct prefix *p, const struct addr *a)
{
	size_t n, whole = p->len / 8;
	const uint8_t *pp, *pa;

	if (p->addr.sa.sa_family != a->sa.sa_family)
		return false;
	pp = addr_bytes(&p->addr, &n);
	pa = addr_bytes(a, &n);
	if (n == 0 || memcmp(pp, pa, whole) != 0)
		return false;
	return p->len % 8 == 0 || (pp[whole] ^ pa[whole]) >> (8 - p->len % 8) == 0;
}

bool prefix_same(const struct prefix *p, const struct prefix *q)
{
	return p->len == q->len && p->addr.sa.sa_family == q->addr.sa.sa_family &&
	       addr_same_host(&p->addr, &q->addr);
}

/* FNV-1a, 64 bit. */
uint64_t addr_hash(const struct addr *a)
{
	uint64_t h = 0xcbf29ce484222325u;
	uint16_t port = addr_port(a);
	size_t n;
	const uint8_t *p = addr_bytes(a, &n);

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	h = (h ^ (port & 0xff)) * 0x100000001b3u;
	return (h ^ (port >> 8)) * 0x100000001b3u;
}

/* inet_ntop() does the same with printf, and an ARN does it for every client. */
static void write_v4(const uint8_t *p, char *buf)
{
	for (int i = 0; i < 4; i++) {
		if (p[i] >= 100)
			*buf++ = (char)('0' + p[i] / 100);
		if (p[i] >= 10)
			*buf++ = (char)('0' + p[i] / 10 % 10);
		*buf++ = (char)('0' + p[i] % 10);
		*buf++ = i < 3 ? '.' : '\0';
	}
}

const char *addr_host(const struct addr *a, char *buf)
{
	size_t n;
	const uint8_t *p = addr_bytes(a, &n);
	char name[IF_NAMESIZE];

	if (!p) {
		snprintf(buf, ADDR_STRLEN, "?");
		return buf;
	}
	if (a->sa.sa_family == AF_INET) {
		write_v4(p, buf);
		return buf;
	}
	inet_ntop(AF_INET6, p, buf, ADDR_STRLEN);
	if (a->in6.sin6_scope_id) {
		size_t used = strlen(buf);

		/* At most 39 bytes of a link-local address, '%' and the name: they fit. */
		if (if_indextoname(a->in6.sin6_scope_id, name))
			snprintf(buf + used, ADDR_STRLEN - used, "%%%s", name);
		else
			snprintf(buf + used, ADDR_STRLEN - used, "%%%u", a->in6.sin6_scope_id);
	}
	return buf;
}

const char *addr_urlhost(const struct addr *a, char *buf)
{
	char host[ADDR_STRLEN];

	if (a->sa.sa_family != AF_INET6)
		return addr_host(a, buf);
	addr_host(a, host);
	snprintf(buf, ADDR_STRLEN, "[%.*s]", ADDR_STRLEN - 3, host);
	return buf;
}

const char *addr_str(const struct addr *a, char *buf)
{
	char host[ADDR_STRLEN];

	addr_urlhost(a, host);
	snprintf(buf, ADDR_STRLEN, "%.*s:%u", ADDR_STRLEN - 7, host, addr_port(a));
	return buf;
}

const char *prefix_str(const struct prefix *p, char *buf)
{
	char host[ADDR_STRLEN];

	addr_host(&p->addr, host);
	snprintf(buf, ADDR_STRLEN, "%.*s/%u", ADDR_STRLEN - 5, host, p->len);
	return buf;
}
