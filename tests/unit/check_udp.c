/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UDP sockets in a network namespace of the test's own: pairs, groups, batches, ICMP errors. */
#include "lib/udp.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/netlink.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define LINK "lan0"

static int tun = -1;
static struct udp_msg msg[UDP_BATCH];

static struct addr bound(int fd)
{
	struct addr a = {0};
	socklen_t n = sizeof(a);

	ck_assert_int_eq(getsockname(fd, &a.sa, &n), 0);
	return a;
}

static int open_at(const char *at)
{
	struct addr a = literal(at);
	int fd = udp_open(&a, 0, 0);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Loopback, and a link that knows multicast. */
static void setup(void)
{
	struct addr a4 = literal("10.77.0.1"), a6 = literal("2001:db8:77::1");
	char name[16] = LINK;
	int err, lan;
	struct nl *nl = nl_new(&err);

	ck_assert_ptr_nonnull(nl);
	ck_assert_int_eq(nl_link_up(nl, nl_ifindex(nl, "lo")), 0);
	tun = tun_open(name);
	ck_assert_int_ge(tun, 0);
	lan = nl_ifindex(nl, name);
	ck_assert_int_eq(nl_link_up(nl, lan), 0);
	ck_assert_int_eq(nl_addr_add(nl, lan, &a4, 24), 0);
	ck_assert_int_eq(nl_addr_add(nl, lan, &a6, 64), 0);
	nl_free(nl);
}

static void teardown(void)
{
	close(tun);
}

/* Receives when something is there, within a second or so. */
static int receive(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 2000) == 1 ? udp_recv(fd, msg, UDP_BATCH) : 0;
}

static void expect_silence(int fd)
{
	ck_assert_int_eq(udp_recv(fd, msg, UDP_BATCH), 0);
}

static void expect_pair(const char *at)
{
	struct addr a = literal(at), rtp, rtcp;
	int one, two;
	uint16_t port;

	ck_assert_int_eq(udp_open_pair(&a, 0, 0, &one, &two, &port), 0);
	ck_assert_uint_eq(port % 2, 0);
	rtp = bound(one);
	rtcp = bound(two);
	ck_assert_uint_eq(addr_port(&rtp), port);
	ck_assert_uint_eq(addr_port(&rtcp), port + 1);
	/* The same again by name is in use; an odd port is no pair. */
	addr_set_port(&a, port);
	ck_assert_int_eq(udp_open_pair(&a, 0, 0, &one, &two, &port), -EADDRINUSE);
	addr_set_port(&a, port + 1);
	ck_assert_int_eq(udp_open_pair(&a, 0, 0, &one, &two, &port), -EINVAL);
	close(one);
	close(two);
}

START_TEST(test_pair_is_even_and_the_next)
{
	for (int i = 0; i < 20; i++)
		expect_pair("127.0.0.1");
	expect_pair("::1");
}
END_TEST

START_TEST(test_pair_fails_when_only_the_second_port_is_taken)
{
	struct addr a = literal("127.0.0.1");
	int one, two, taken;
	uint16_t port;

	ck_assert_int_eq(udp_open_pair(&a, 0, 0, &one, &two, &port), 0);
	close(one);
	taken = two;
	addr_set_port(&a, port);
	ck_assert_int_eq(udp_open_pair(&a, 0, 0, &one, &two, &port), -EADDRINUSE);
	close(taken);
	ck_assert_int_eq(udp_open_pair(&a, 0, 0, &one, &two, &port), 0); /* nothing was leaked */
	close(one);
	close(two);
}
END_TEST

START_TEST(test_datagrams_that_found_no_room_are_known)
{
	struct addr at = addr_any(AF_INET, 0);
	int fd, from = udp_open(&at, 0, 0);
	socklen_t len = sizeof(at);
	char big[1000] = {0};

	addr_parse(&at, SLICE("127.0.0.1:0"), 0);
	fd = udp_open(&at, 4096, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockname(fd, &at.sa, &len), 0);
	ck_assert_int_eq(udp_send(from, &at, big, sizeof(big)), 0);
	ck_assert_uint_eq(udp_drops(fd), 0);
	for (int i = 0; i < 100; i++)
		udp_send(from, &at, big, sizeof(big));
	ck_assert_uint_gt(udp_drops(fd), 0);
	ck_assert_uint_eq(udp_drops(-1), 0);
	close(fd);
	close(from);
}
END_TEST

START_TEST(test_receive_says_who_and_how_much)
{
	int a = open_at("127.0.0.1"), b = open_at("127.0.0.1");
	struct addr to = bound(b), from = bound(a);
	uint8_t big[UDP_MTU + 1] = {7};

	expect_silence(b);
	ck_assert_int_eq(udp_send(a, &to, "hello", 5), 0);
	ck_assert_int_eq(udp_send(a, &to, big, UDP_MTU), 0);
	ck_assert_int_eq(udp_send(a, &to, big, UDP_MTU + 1), 0);
	ck_assert_int_eq(udp_send(a, &to, "", 0), 0);
	ck_assert_int_eq(receive(b), 4);
	ck_assert_uint_eq(msg[0].len, 5);
	ck_assert_mem_eq(msg[0].data, "hello", 5);
	ck_assert_int_eq(addr_cmp(&msg[0].from, &from), 0);
	ck_assert(!msg[0].truncated && !msg[1].truncated && msg[2].truncated);
	ck_assert_uint_eq(msg[1].len, UDP_MTU);
	ck_assert_uint_eq(msg[2].len, UDP_MTU);
	ck_assert_uint_eq(msg[3].len, 0);
	close(a);
	close(b);
}
END_TEST

/* Sends n packets of these sizes and expects them one by one, in order. */
static void expect_batch(const char *at, bool connected, const size_t *size, int n)
{
	static uint8_t data[128][9000];
	struct iovec v[128];
	int a = open_at(at), b = open_at(at), got = 0;
	struct addr to = bound(b);

	for (int i = 0; i < n; i++) {
		memset(data[i], i, size[i]);
		v[i] = (struct iovec){data[i], size[i]};
	}
	if (connected)
		ck_assert_int_eq(connect(a, &to.sa, addr_len(&to)), 0);
	ck_assert_int_eq(udp_send_batch(a, connected ? NULL : &to, v, n), n);
	while (got < n) {
		int more = receive(b);

		ck_assert_int_gt(more, 0);
		for (int i = 0; i < more; i++, got++) {
			ck_assert_uint_eq(msg[i].len, size[got] > UDP_MTU ? UDP_MTU : size[got]);
			if (msg[i].len) {
				ck_assert_uint_eq(msg[i].data[0], got);
				ck_assert_uint_eq(msg[i].data[msg[i].len - 1], got);
			}
		}
	}
	expect_silence(b);
	close(a);
	close(b);
}

START_TEST(test_batch_arrives_as_the_packets_it_was)
{
	static const size_t equal[64] = {[0 ... 63] = 1316}, tail[] = {1316, 1316, 1316, 188},
			    mixed[] = {100, 1316, 1316, 200, 200, 1, 0, 0, 5, 5, 6};

	expect_batch("127.0.0.1", false, equal, 64);
	expect_batch("127.0.0.1", true, equal, 45);
	expect_batch("127.0.0.1", false, tail, 4);
	expect_batch("127.0.0.1", true, mixed, sizeof(mixed) / sizeof(mixed[0]));
	expect_batch("127.0.0.1", false, equal, 1);
	expect_batch("::1", false, equal, 64);
	expect_batch("::1", true, mixed, sizeof(mixed) / sizeof(mixed[0]));
}
END_TEST

/* Longer than any MTU: the kernel cannot segment these, they go one by one in fragments. */
START_TEST(test_batch_falls_back_when_the_kernel_refuses_segments)
{
	static const size_t size[] = {9000, 9000, 9000};
	int a = open_at("127.0.0.1"), b = open_at("127.0.0.1"), off = 1;
	struct addr to = bound(b);
	static uint8_t data[1000];
	struct iovec v[3] = {{data, 1000}, {data, 1000}, {data, 1000}};

	expect_batch("127.0.0.1", false, size, 3);
	/* A socket that sends no checksums is refused segmentation. */
	ck_assert_int_eq(setsockopt(a, SOL_SOCKET, SO_NO_CHECK, &off, sizeof(off)), 0);
	ck_assert_int_eq(udp_send_batch(a, &to, v, 3), 3);
	for (int got = 0; got < 3;) {
		int more = receive(b);

		ck_assert_int_gt(more, 0);
		got += more;
	}
	close(a);
	close(b);
}
END_TEST

START_TEST(test_icmp_error_shows_on_receive_and_does_not_eat_a_packet)
{
	int nobody = open_at("127.0.0.1"), a = open_at("127.0.0.1"), b;
	struct addr to = bound(nobody);
	struct iovec v[2] = {{"x", 1}, {"y", 1}};

	ck_assert_int_eq(connect(a, &to.sa, addr_len(&to)), 0);
	close(nobody);
	ck_assert_int_eq(udp_send(a, NULL, "x", 1), 0);
	ck_assert_int_eq(receive(a), -ECONNREFUSED);
	ck_assert_int_eq(udp_recv(a, msg, 1), 0);
	/* The port is served again; the error of the packet before must not cost the next ones. */
	ck_assert_int_eq(udp_send(a, NULL, "x", 1), 0);
	b = udp_open(&to, 0, 0);
	ck_assert_int_ge(b, 0);
	ck_assert_int_eq(udp_send_batch(a, NULL, v, 2), 2);
	ck_assert_int_eq(receive(b), 2);
	close(a);
	close(b);
}
END_TEST

START_TEST(test_dual_stack_socket_gives_plain_ipv4_addresses)
{
	int a = open_at("127.0.0.1"), b = open_at("::");
	struct addr from = bound(a), to = bound(b), at = literal("127.0.0.1");

	addr_set_port(&at, addr_port(&to));
	ck_assert_int_eq(udp_send(a, &at, "x", 1), 0);
	ck_assert_int_eq(receive(b), 1);
	ck_assert_int_eq(addr_cmp(&msg[0].from, &from), 0);
	/* And one can answer there. */
	ck_assert_int_eq(udp_send(b, &msg[0].from, "y", 1), 0);
	ck_assert_int_eq(receive(a), 1);
	close(a);
	close(b);
}
END_TEST

/* Between just before it is sent and just after it is read, in the order of things. */
static void expect_stamps(const char *at)
{
	int a = open_at(at), b = open_at(at);
	struct addr to = bound(b);
	uint32_t number;
	ns_t began, left;

	ck_assert_int_eq(udp_send(a, &to, "x", 1), 0);
	ck_assert_int_eq(receive(b), 1);
	ck_assert_int_eq(msg[0].came, 0); /* nobody asked */
	ck_assert(!udp_sent(a, &number, &left));
	ck_assert_int_eq(udp_stamp(a, true), 0);
	ck_assert_int_eq(udp_stamp(b, false), 0);
	do { /* the first socket that wants them may not have them at once */
		ck_assert_int_eq(udp_send(b, &to, "x", 1), 0);
		ck_assert_int_eq(receive(b), 1);
	} while (!msg[0].came);
	for (uint32_t i = 0; i < 3; i++) {
		began = clock_wall();
		ck_assert_int_eq(udp_send(a, &to, "x", 1), 0);
		ck_assert_int_eq(receive(b), 1);
		ck_assert(udp_sent(a, &number, &left));
		ck_assert_uint_eq(number, i);
		ck_assert_int_le(began, left);
		ck_assert_int_le(left, msg[0].came);
		ck_assert_int_le(msg[0].came, clock_wall());
		ck_assert(!udp_sent(a, &number, &left));
	}
	close(a);
	close(b);
}

START_TEST(test_kernel_says_when_datagrams_came_and_left)
{
	expect_stamps("127.0.0.1");
	expect_stamps("::1");
}
END_TEST

static void expect_group(const char *group, const char *other_group, const char *unicast)
{
	struct addr g = literal(group), o = literal(other_group), u = literal(unicast);
	int one = udp_open_group(&g, LINK), two = udp_open_group(&g, LINK), other;

	ck_assert_int_ge(one, 0);
	ck_assert_int_ge(two, 0);
	other = udp_open_group(&o, LINK);
	ck_assert_int_ge(other, 0);
	ck_assert_int_eq(udp_send(one, &g, "hello", 5), 0);
	ck_assert_int_eq(receive(two), 1);
	ck_assert_uint_eq(msg[0].len, 5);
	ck_assert_int_eq(receive(one), 1); /* looped back to the sender too */
	expect_silence(other);
	/* Unicast to the port does not get in. */
	addr_set_port(&u, addr_port(&g));
	udp_send(other, &u, "x", 1);
	ck_assert_int_eq(udp_send(other, &g, "end", 3), 0);
	ck_assert_int_eq(receive(one), 1);
	ck_assert_uint_eq(msg[0].len, 3);
	close(one);
	close(two);
	close(other);
}

START_TEST(test_group_is_received_by_all_who_joined_and_only_they)
{
	expect_group("239.255.77.91:47711", "239.255.77.92:47711", "10.77.0.1");
	expect_group("[ff02::7791]:47711", "[ff02::7792]:47711", "2001:db8:77::1");
}
END_TEST

START_TEST(test_group_needs_an_interface_and_a_multicast_address)
{
	struct addr g = literal("239.255.77.91:47711"), u = literal("127.0.0.1:47711");

	ck_assert_int_eq(udp_open_group(&g, "no-such-link"), -ENODEV);
	ck_assert_int_eq(udp_open_group(&u, LINK), -EINVAL);
}
END_TEST

START_TEST(test_group_leaves_with_one_hop)
{
	struct addr g = literal("239.255.77.91:47711"), g6 = literal("[ff02::7791]:47711");
	int fd = udp_open_group(&g, LINK), fd6 = udp_open_group(&g6, LINK), v = 0;
	socklen_t n = sizeof(v);

	ck_assert_int_eq(getsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &v, &n), 0);
	ck_assert_int_eq(v, 1);
	ck_assert_int_eq(getsockopt(fd6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &v, &n), 0);
	ck_assert_int_eq(v, 1);
	close(fd);
	close(fd6);
}
END_TEST

/* Two that joined a group, each for what another host sends: only one hears `source`. */
static void expect_source(const char *group, const char *source, const char *other)
{
	struct addr g = literal(group), from = literal(source), o = literal(other);
	int out = open_at(source), in, deaf;
	char name[16];

	ck_assert_int_eq(udp_interface(&from, name), 0);
	ck_assert_str_eq(name, LINK);
	in = udp_open_source(&g, &from, LINK, 65536);
	deaf = udp_open_source(&g, &o, LINK, 65536);
	ck_assert_int_ge(in, 0);
	ck_assert_int_ge(deaf, 0);
	ck_assert_int_eq(udp_set_groups(out, LINK, 4), 0);
	ck_assert_int_eq(udp_send(out, &g, "hello", 5), 0);
	ck_assert_int_eq(receive(in), 1);
	ck_assert_uint_eq(msg[0].len, 5);
	expect_silence(deaf);
	close(in);
	close(deaf);
	close(out);
}

START_TEST(test_group_can_be_received_from_one_source_alone)
{
	expect_source("239.255.77.91:47711", "10.77.0.1", "10.77.0.9");
	expect_source("[ff12::7791]:47711", "2001:db8:77::1", "2001:db8:77::9");
}
END_TEST

START_TEST(test_source_is_of_the_groups_family)
{
	struct addr g = literal("239.255.77.91:47711"), s = literal("::1"),
		    nobody = literal("10.77.9.9");
	char name[16];

	ck_assert_int_eq(udp_open_source(&g, &s, LINK, 0), -EINVAL);
	ck_assert_int_eq(udp_interface(&nobody, name), -ENODEV);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("udp");

	if (own_network())
		return SKIPPED;
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_pair_is_even_and_the_next);
	tcase_add_test(t, test_pair_fails_when_only_the_second_port_is_taken);
	tcase_add_test(t, test_receive_says_who_and_how_much);
	tcase_add_test(t, test_datagrams_that_found_no_room_are_known);
	tcase_add_test(t, test_batch_arrives_as_the_packets_it_was);
	tcase_add_test(t, test_batch_falls_back_when_the_kernel_refuses_segments);
	tcase_add_test(t, test_icmp_error_shows_on_receive_and_does_not_eat_a_packet);
	tcase_add_test(t, test_dual_stack_socket_gives_plain_ipv4_addresses);
	tcase_add_test(t, test_kernel_says_when_datagrams_came_and_left);
	tcase_add_test(t, test_group_is_received_by_all_who_joined_and_only_they);
	tcase_add_test(t, test_group_needs_an_interface_and_a_multicast_address);
	tcase_add_test(t, test_group_leaves_with_one_hop);
	tcase_add_test(t, test_group_can_be_received_from_one_source_alone);
	tcase_add_test(t, test_source_is_of_the_groups_family);
	return run_case("udp", t);
}
