/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/echo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <unistd.h>

#include "lib/cursor.h"
#include "lib/udp.h"

#define V4_REQUEST 8
#define V4_REPLY   0
#define V6_REQUEST 128
#define V6_REPLY   129
#define HEAD       8 /* type, code, checksum, identifier, sequence */
#define MAGIC      "nearcast"
#define MAGIC_LEN  8
#define LEN        (HEAD + MAGIC_LEN + 8)

/* RFC 1071. */
static uint16_t checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

size_t echo_request(int family, uint64_t cookie, uint8_t out[ECHO_LEN])
{
	struct wcur w = wcur_init(out, ECHO_LEN);

	wcur_u8(&w, family == AF_INET6 ? V6_REQUEST : V4_REQUEST);
	wcur_u8(&w, 0);
	wcur_u16(&w, 0);
	wcur_u16(&w, (uint16_t)(cookie >> 16));
	wcur_u16(&w, (uint16_t)cookie);
	wcur_put(&w, MAGIC, MAGIC_LEN);
	wcur_u64(&w, cookie);
	if (family == AF_INET) {
		uint16_t sum = checksum(out, LEN);

		out[2] = (uint8_t)(sum >> 8);
		out[3] = (uint8_t)sum;
	}
	return LEN;
}

bool echo_parse(int family, const uint8_t *p, size_t n, uint64_t *cookie)
{
	struct rcur c = rcur_init(p, n);
	const uint8_t *magic;
	uint8_t type;

	if (family == AF_INET) {
		size_t header = n ? (size_t)(p[0] & 15) * 4 : 0;

		if (header < 20 || p[0] >> 4 != 4)
			return false;
		rcur_take(&c, header);
	}
	type = rcur_u8(&c);
	if (type != (family == AF_INET6 ? V6_REPLY : V4_REPLY) || rcur_u8(&c) != 0)
		return false;
	rcur_take(&c, HEAD - 2);
	magic = rcur_take(&c, MAGIC_LEN);
	*cookie = rcur_u64(&c);
	return !c.bad && !rcur_left(&c) && !memcmp(magic, MAGIC, MAGIC_LEN);
}

static int filter(int fd, int family)
{
	struct icmp_filter v4 = {~(1u << V4_REPLY)};
	struct icmp6_filter v6;

	ICMP6_FILTER_SETBLOCKALL(&v6);
	ICMP6_FILTER_SETPASS(V6_REPLY, &v6);
	if (family == AF_INET)
		return setsockopt(fd, SOL_RAW, ICMP_FILTER, &v4, sizeof(v4));
	return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof(v6));
}

int echo_open(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (fd < 0)
		return -errno;
	if (filter(fd, family) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int echo_send(int fd, const struct addr *to, uint64_t cookie)
{
	uint8_t out[ECHO_LEN];
	struct addr at = *to;

	addr_set_port(&at, 0);
	return udp_send(fd, &at, out, echo_request(at.sa.sa_family, cookie, out));
}
