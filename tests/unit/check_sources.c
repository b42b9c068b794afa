/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which node of the overlay a channel comes from; what the tunnels between nodes are called. */
#include "sn-agent/sources.h"

#include <check.h>
#include <string.h>

#include "sn-agent/tunnel.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static struct sources sources;

static void add(const char *path, const char *host, const char *address)
{
	struct source_rule *r = &sources.rule[sources.n++];

	strcpy(r->path, path);
	if (*host)
		r->host = literal(host);
	r->address = literal(address);
}

static void setup(void)
{
	memset(&sources, 0, sizeof(sources));
	sources.own = literal("10.77.0.6");
}

static const char *of_path(const char *path)
{
	static char key[CHANNEL_ORIGIN];

	sources_of_path(&sources, slice_of(path), key);
	return key;
}

START_TEST(test_the_longest_beginning_of_the_path_says_the_source)
{
	ck_assert_str_eq(of_path("/news"), "");
	add("/news", "", "10.77.0.8");
	add("", "", "10.77.0.1");
	add("/news/local", "", "10.77.0.9");
	ck_assert_str_eq(of_path("/news"), "@10.77.0.8");
	ck_assert_str_eq(of_path("/news/1"), "@10.77.0.8");
	ck_assert_str_eq(of_path("/newsroom"), "@10.77.0.1");
	ck_assert_str_eq(of_path("/news/local/a"), "@10.77.0.9");
	ck_assert_str_eq(of_path("/new"), "@10.77.0.1");
}
END_TEST

START_TEST(test_our_own_channels_have_no_key)
{
	add("", "", "10.77.0.6");
	ck_assert_str_eq(of_path("/news"), "");
}
END_TEST

START_TEST(test_an_origins_address_says_the_source)
{
	char key[CHANNEL_ORIGIN];
	struct addr at = literal("10.8.0.8"), other = literal("10.8.0.9");

	add("", "", "10.77.0.1");
	add("", "10.8.0.8", "fd00::8");
	addr_set_port(&at, 554);
	ck_assert(sources_of_host(&sources, &at, key));
	ck_assert_str_eq(key, "@fd00::8");
	ck_assert(!sources_of_host(&sources, &other, key));
	sources.n = 2;
	sources.rule[0] = sources.rule[1];
	ck_assert_str_eq(of_path("/news"), "");
}
END_TEST

START_TEST(test_an_origin_in_the_block_of_the_overlay_is_a_source_itself)
{
	char key[CHANNEL_ORIGIN];
	struct addr in = literal("10.77.0.9"), out = literal("10.78.0.9"), own = sources.own;

	ck_assert(!sources_of_host(&sources, &in, key));
	ck_assert_int_eq(prefix_parse(&sources.block, SLICE("10.77.0.0/16")), 0);
	ck_assert(sources_of_host(&sources, &in, key));
	ck_assert_str_eq(key, "@10.77.0.9");
	ck_assert(!sources_of_host(&sources, &out, key));
	ck_assert(sources_of_host(&sources, &own, key));
	ck_assert_str_eq(key, "");
	add("", "10.77.0.9", "10.77.0.1"); /* a rule goes first */
	ck_assert(sources_of_host(&sources, &in, key));
	ck_assert_str_eq(key, "@10.77.0.1");
}
END_TEST

START_TEST(test_a_key_names_its_source)
{
	struct addr a, want = literal("fd00::8");

	ck_assert(sources_parse("@fd00::8", &a));
	ck_assert_int_eq(addr_cmp(&a, &want), 0);
	ck_assert(!sources_parse("", &a));
	ck_assert(!sources_parse("cam.acme.com:554", &a));
	ck_assert(!sources_parse("@cam", &a));
}
END_TEST

static void both_ends(const char *one, const char *two, uint32_t vni)
{
	struct addr a = literal(one), b = literal(two);
	struct tunnel s, t;

	tunnel_plan(&s, &a, &b, "two", vni);
	tunnel_plan(&t, &b, &a, "one", vni);
	ck_assert_uint_eq(s.vni, t.vni);
	ck_assert_uint_ge(s.vni, 1);
	ck_assert_uint_le(s.vni, TUNNEL_VNI_MAX);
	ck_assert_int_eq(addr_cmp(&s.local, &t.remote), 0);
	ck_assert_int_eq(addr_cmp(&s.remote, &t.local), 0);
	ck_assert_int_ne(addr_cmp(&s.local, &s.remote), 0);
	ck_assert_str_eq(s.ifname, "nc-two");
}

START_TEST(test_both_ends_of_a_tunnel_find_the_same_numbers)
{
	both_ends("10.2.0.6", "10.8.0.8", 0);
	both_ends("10.8.0.8", "10.2.0.6", 7);
	both_ends("10.8.0.8", "10.2.0.6", TUNNEL_VNI_MAX);
	both_ends("2001:db8::6", "2001:db8:1::8", 0);
}
END_TEST

START_TEST(test_the_numbers_of_a_tunnel_stay_as_they_are)
{
	struct addr a = literal("10.2.0.6"), b = literal("10.8.0.8");
	struct tunnel t;
	char text[ADDR_STRLEN];

	/* Nodes of different versions have to agree: a change here is a change of the protocol. */
	tunnel_plan(&t, &a, &b, "sn808", 5);
	ck_assert_str_eq(addr_host(&t.local, text), "169.254.1.10");
	ck_assert_str_eq(addr_host(&t.remote, text), "169.254.1.11");
	ck_assert_int_eq(t.overhead, 50);
	a = literal("2001:db8::6");
	b = literal("2001:db8::8");
	tunnel_plan(&t, &b, &a, "sn806", 0xabcdef);
	ck_assert_str_eq(addr_host(&t.local, text), "fd6e:6561:7263::157:9bdf");
	ck_assert_int_eq(t.overhead, 70);
}
END_TEST

START_TEST(test_long_names_of_neighbours_make_interfaces_that_differ)
{
	struct addr a = literal("10.2.0.6"), b = literal("10.8.0.8"), c = literal("10.8.0.9");
	struct tunnel s, t;

	tunnel_plan(&s, &a, &b, "twelve-chars", 0);
	ck_assert_str_eq(s.ifname, "nc-twelve-chars");
	tunnel_plan(&s, &a, &b, "node-of-the-north", 0);
	tunnel_plan(&t, &a, &c, "node-of-the-south", 0);
	ck_assert_str_ne(s.ifname, t.ifname);
	ck_assert(!tunnel_clash(&s, &t));
	tunnel_plan(&t, &a, &c, "other", s.vni);
	ck_assert(tunnel_clash(&s, &t));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("sources");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_the_longest_beginning_of_the_path_says_the_source);
	tcase_add_test(t, test_our_own_channels_have_no_key);
	tcase_add_test(t, test_an_origins_address_says_the_source);
	tcase_add_test(t, test_an_origin_in_the_block_of_the_overlay_is_a_source_itself);
	tcase_add_test(t, test_a_key_names_its_source);
	tcase_add_test(t, test_both_ends_of_a_tunnel_find_the_same_numbers);
	tcase_add_test(t, test_the_numbers_of_a_tunnel_stay_as_they_are);
	tcase_add_test(t, test_long_names_of_neighbours_make_interfaces_that_differ);
	return run_case("sources", t);
}
