/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP echo: what is ours, and that the kernel answers what is sent. */
#include "lib/echo.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "lib/netlink.h"
#include "lib/udp.h"
#include "tests/unit/run.h"

static struct udp_msg got[UDP_BATCH];

static void check_loopback(const char *at, int family)
{
	int fd = echo_open(family), n = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t cookie = 0;
	struct addr a;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(addr_parse(&a, slice_of(at), 0), 0);
	ck_assert_int_eq(echo_send(fd, &a, UINT64_C(0x1122334455667788)), 0);
	ck_assert_int_eq(poll(&p, 1, 5000), 1);
	n = udp_recv(fd, got, UDP_BATCH);
	ck_assert_int_eq(n, 1); /* the request itself is filtered out */
	ck_assert(echo_parse(family, got[0].data, got[0].len, &cookie));
	ck_assert(cookie == UINT64_C(0x1122334455667788));
	ck_assert(addr_same_host(&got[0].from, &a));
	/* Nothing shorter or longer, and nobody else's. */
	for (size_t cut = 0; cut < got[0].len; cut++)
		ck_assert(!echo_parse(family, got[0].data, cut, &cookie));
	ck_assert(!echo_parse(family, got[0].data, got[0].len + 1, &cookie));
	got[0].data[got[0].len - 9] ^= 1;
	ck_assert(!echo_parse(family, got[0].data, got[0].len, &cookie));
	close(fd);
}

START_TEST(test_the_kernel_answers_with_the_cookie)
{
	check_loopback("127.0.0.1", AF_INET);
	check_loopback("::1", AF_INET6);
}
END_TEST

START_TEST(test_what_is_no_reply_of_ours_is_not_taken)
{
	uint8_t p[20 + ECHO_LEN] = {0x45};
	uint64_t cookie;
	size_t n = echo_request(AF_INET, 7, p + 20);

	ck_assert(!echo_parse(AF_INET, p, 20 + n, &cookie)); /* a request */
	p[20] = 0;
	ck_assert(echo_parse(AF_INET, p, 20 + n, &cookie) && cookie == 7);
	p[0] = 0x4f; /* a header that is longer than all of it */
	ck_assert(!echo_parse(AF_INET, p, 20 + n, &cookie));
	p[0] = 0x44;
	ck_assert(!echo_parse(AF_INET, p, 20 + n, &cookie));
	p[0] = 0x65;
	ck_assert(!echo_parse(AF_INET, p, 20 + n, &cookie));
	ck_assert(!echo_parse(AF_INET, p, 0, &cookie));
	ck_assert(!echo_parse(AF_INET6, p, 0, &cookie));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("echo");
	struct nl *nl;
	int err = own_network();

	if (err)
		return err;
	nl = nl_new(&err);
	if (!nl || nl_link_up(nl, nl_ifindex(nl, "lo")))
		return EXIT_FAILURE;
	nl_free(nl);
	tcase_add_test(t, test_the_kernel_answers_with_the_cookie);
	tcase_add_test(t, test_what_is_no_reply_of_ours_is_not_taken);
	return run_case("echo", t);
}
