/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink against the real kernel, in a network namespace of the test's own. */
#include "lib/netlink.h"

#include <check.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static struct nl *nl;

static struct prefix block(const char *s)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(&p, slice_of(s)), 0);
	return p;
}

static void setup(void)
{
	int err;

	nl = nl_new(&err);
	ck_assert_ptr_nonnull(nl);
	ck_assert_int_eq(nl_link_up(nl, nl_ifindex(nl, "lo")), 0);
}

static void teardown(void)
{
	nl_free(nl);
}

/* True when a connection to it reaches a listener of this host that is bound to no address. (No
 * bind() to the address itself: IPv6 allows that for interface addresses only.) */
static bool is_ours(const char *host)
{
	struct addr to = literal(host), any = addr_any(to.sa.sa_family, 0);
	socklen_t n = sizeof(any);
	int ls = socket(any.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(any.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	ck_assert_int_eq(bind(ls, &any.sa, addr_len(&any)), 0);
	ck_assert_int_eq(listen(ls, 1), 0);
	ck_assert_int_eq(getsockname(ls, &any.sa, &n), 0);
	addr_set_port(&to, addr_port(&any));
	ok = connect(fd, &to.sa, addr_len(&to)) == 0;
	close(fd);
	close(ls);
	return ok;
}

START_TEST(test_interface_lives_as_long_as_its_descriptor)
{
	char name[16] = "any%d";
	int fd = tun_open(name);

	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(name, "any0");
	ck_assert_int_gt(nl_ifindex(nl, name), 0);
	close(fd);
	ck_assert_int_eq(nl_ifindex(nl, name), -ENODEV);
}
END_TEST

START_TEST(test_interface_name_that_exists_is_refused)
{
	char name[16] = "any0", same[16] = "any0";
	int fd = tun_open(name);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(tun_open(same), -EBUSY);
	close(fd);
}
END_TEST

START_TEST(test_local_route_makes_a_whole_block_this_hosts_until_the_interface_goes)
{
	static const char *const blocks[][4] = {
		{"10.1.18.0/24", "10.1.18.1", "10.1.18.200", "10.1.19.1"},
		{"2001:db8:18::/64", "2001:db8:18::1", "2001:db8:18::abcd", "2001:db8:19::1"},
	};

	for (size_t i = 0; i < 2; i++) {
		struct prefix p = block(blocks[i][0]);
		struct addr first = literal(blocks[i][1]);
		char name[16] = "any0";
		int fd = tun_open(name), index = nl_ifindex(nl, name);

		ck_assert(!is_ours(blocks[i][2]));
		ck_assert_int_eq(nl_addr_add(nl, index, &first, p.len), 0);
		ck_assert_int_eq(nl_addr_add(nl, index, &first, p.len), -EEXIST);
		ck_assert_int_eq(nl_link_up(nl, index), 0);
		ck_assert_int_eq(nl_local_route_add(nl, index, &p), 0);
		ck_assert(is_ours(blocks[i][1]));
		ck_assert(is_ours(blocks[i][2]));
		ck_assert(!is_ours(blocks[i][3]));
		close(fd);
		ck_assert(!is_ours(blocks[i][1]));
		ck_assert(!is_ours(blocks[i][2]));
	}
}
END_TEST

START_TEST(test_address_that_is_removed_is_gone)
{
	struct addr a = literal("10.9.0.1");
	int lo = nl_ifindex(nl, "lo");

	ck_assert_int_eq(nl_addr_add(nl, lo, &a, 32), 0);
	ck_assert(is_ours("10.9.0.1"));
	ck_assert_int_eq(nl_addr_del(nl, lo, &a, 32), 0);
	ck_assert(!is_ours("10.9.0.1"));
	ck_assert_int_eq(nl_addr_del(nl, lo, &a, 32), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(test_route_names_interface_and_source)
{
	struct addr a = literal("10.9.0.1"), to = literal("10.9.0.77"), far = literal("192.0.2.1");
	char name[16] = "any0";
	int fd = tun_open(name), index = nl_ifindex(nl, name);
	struct nl_route r;

	ck_assert_int_eq(nl_addr_add(nl, index, &a, 24), 0);
	ck_assert_int_eq(nl_link_up(nl, index), 0);
	ck_assert_int_eq(nl_route_get(nl, &to, &r), 0);
	ck_assert_int_eq(r.ifindex, index);
	ck_assert(addr_is_any(&r.gateway));
	ck_assert(addr_same_host(&r.source, &a));
	ck_assert_int_eq(nl_route_get(nl, &far, &r), -ENETUNREACH);
	/* The socket is fit for the next question after a refusal. */
	ck_assert_int_eq(nl_route_get(nl, &to, &r), 0);
	close(fd);
}
END_TEST

START_TEST(test_mtu_is_set_and_unknown_links_are_refused)
{
	char name[16] = "any0";
	int fd = tun_open(name), index = nl_ifindex(nl, name);

	ck_assert_int_eq(nl_link_mtu(nl, index, 1300), 0);
	ck_assert_int_eq(nl_link_delete(nl, name), 0);
	ck_assert_int_eq(nl_ifindex(nl, name), -ENODEV);
	ck_assert_int_lt(nl_link_up(nl, index), 0);
	close(fd);
}
END_TEST

START_TEST(test_counters_count_packets)
{
	struct addr to = literal("127.0.0.1");
	int lo = nl_ifindex(nl, "lo");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct nl_counters before, after;

	addr_set_port(&to, 9);
	ck_assert_int_eq(nl_counters(lo, &before), 0);
	ck_assert_int_eq(sendto(fd, "four", 4, 0, &to.sa, addr_len(&to)), 4);
	ck_assert_int_eq(nl_counters(lo, &after), 0);
	ck_assert_uint_gt(after.tx_packets, before.tx_packets);
	ck_assert_uint_ge(after.tx_bytes, before.tx_bytes + 32);
	ck_assert_int_lt(nl_counters(4242, &after), 0);
	close(fd);
}
END_TEST

struct woken {
	struct loop *loop;
	int what, calls;
};

static void on_change(void *arg, int what)
{
	struct woken *w = arg;

	w->what |= what;
	w->calls++;
	loop_stop(w->loop);
}

static void on_deadline(void *arg)
{
	loop_stop(arg);
}

START_TEST(test_many_changes_wake_once)
{
	struct loop *l = loop_new();
	struct woken w = {.loop = l};
	struct loop_timer *t = loop_timer_new(l, on_deadline, l);
	int err;
	struct nlwatch *watch = nlwatch_new(l, NLWATCH_LINK, on_change, &w, &err);
	char name[16] = "any0", other[16] = "any1";
	int fd, fd2;

	ck_assert_ptr_nonnull(watch);
	fd = tun_open(name);
	fd2 = tun_open(other);
	loop_timer_at(t, loop_now(l) + 5 * NS_S);
	loop_run(l);
	ck_assert_int_eq(w.calls, 1);
	ck_assert_int_eq(w.what, NLWATCH_LINK);
	close(fd);
	close(fd2);
	nlwatch_free(watch);
	loop_timer_free(t);
	loop_free(l);
}
END_TEST

START_TEST(test_tunnel_is_made_with_its_numbers_and_takes_a_stale_ones_place)
{
	struct nl_vxlan v = {.ifname = "nc-peer",
		.vni = 0xabcdef,
		.port = 4789,
		.local = literal("127.0.0.1"),
		.remote = literal("127.0.0.2")};
	struct addr end = literal("169.254.1.10"), there = literal("169.254.1.11");
	struct nl_route r;
	int first, second;

	ck_assert_int_eq(nl_vxlan_add(nl, &v), 0);
	first = nl_ifindex(nl, "nc-peer");
	ck_assert_int_gt(first, 0);
	ck_assert_int_eq(nl_link_mtu(nl, first, 1430), 0);
	ck_assert_int_eq(nl_link_get_mtu(nl, first), 1430);
	ck_assert_int_eq(nl_addr_add(nl, first, &end, 31), 0);
	ck_assert_int_eq(nl_link_up(nl, first), 0);
	ck_assert_int_eq(nl_route_get(nl, &there, &r), 0);
	ck_assert_int_eq(r.ifindex, first);

	ck_assert_int_eq(nl_vxlan_add(nl, &v), 0);
	second = nl_ifindex(nl, "nc-peer");
	ck_assert_int_ne(first, second);
	v.ifname = "nc-other";
	ck_assert_int_eq(nl_vxlan_add(nl, &v), -EEXIST);
	v.ifname = "lo";
	ck_assert_int_eq(nl_vxlan_add(nl, &v), -EEXIST);
	ck_assert_int_gt(nl_ifindex(nl, "lo"), 0);
	ck_assert_int_eq(nl_link_delete(nl, "nc-peer"), 0);

	v = (struct nl_vxlan){"nc-six", 6, 4789, literal("::1"), literal("::2")};
	ck_assert_int_eq(nl_vxlan_add(nl, &v), 0);
	ck_assert_int_eq(nl_link_delete(nl, "nc-six"), 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("kernel");

	if (own_network())
		return SKIPPED;
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_interface_lives_as_long_as_its_descriptor);
	tcase_add_test(t, test_interface_name_that_exists_is_refused);
	tcase_add_test(t, test_local_route_makes_a_whole_block_this_hosts_until_the_interface_goes);
	tcase_add_test(t, test_address_that_is_removed_is_gone);
	tcase_add_test(t, test_route_names_interface_and_source);
	tcase_add_test(t, test_mtu_is_set_and_unknown_links_are_refused);
	tcase_add_test(t, test_tunnel_is_made_with_its_numbers_and_takes_a_stale_ones_place);
	tcase_add_test(t, test_counters_count_packets);
	tcase_add_test(t, test_many_changes_wake_once);
	return run_case("netlink", t);
}
