/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses: what is a literal and what is not, order, prefixes, text. */
#include "lib/addr.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static struct prefix block(const char *s)
{
	struct prefix p;

	ck_assert_msg(prefix_parse(&p, slice_of(s)) == 0, "%s", s);
	return p;
}

START_TEST(test_literals_round_trip)
{
	static const struct {
		const char *in, *str, *host, *urlhost;
	} t[] = {
		{"10.0.0.1", "10.0.0.1:9", "10.0.0.1", "10.0.0.1"},
		{"10.0.0.1:80", "10.0.0.1:80", "10.0.0.1", "10.0.0.1"},
		{"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", "0.0.0.0"},
		{"255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255",
			"255.255.255.255"},
		{"::", "[::]:9", "::", "[::]"},
		{"::1", "[::1]:9", "::1", "[::1]"},
		{"[::1]", "[::1]:9", "::1", "[::1]"},
		{"[2001:DB8::1]:554", "[2001:db8::1]:554", "2001:db8::1", "[2001:db8::1]"},
		{"fe80::1%lo", "[fe80::1%lo]:9", "fe80::1%lo", "[fe80::1%lo]"},
		{"[fe80::1%1]:5", "[fe80::1%lo]:5", "fe80::1%lo", "[fe80::1%lo]"},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char buf[ADDR_STRLEN];
		struct addr a;

		ck_assert_msg(addr_parse(&a, slice_of(t[i].in), 9) == 0, "%s", t[i].in);
		ck_assert_str_eq(addr_str(&a, buf), t[i].str);
		ck_assert_str_eq(addr_host(&a, buf), t[i].host);
		ck_assert_str_eq(addr_urlhost(&a, buf), t[i].urlhost);
	}
}
END_TEST

START_TEST(test_what_is_no_literal_is_refused)
{
	static const char *const t[] = {"", " ", "10.0.0", "10.0.0.1.2", "10.0.0.256",
		"10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:80 ", " 10.0.0.1",
		"localhost", "[::1", "[::1]x", "[::1]:", "[::1]:99999", "[]", "[10.0.0.1]",
		"::1::", ":::", "fe80::1%", "fe80::1%no-such-link", "1:2:3:4:5:6:7:8:9",
		"[::1]]:80", "1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111:2222"};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct addr a;

		ck_assert_msg(addr_parse(&a, slice_of(t[i]), 0) == -EINVAL, "\"%s\"", t[i]);
	}
	ck_assert_int_eq(
		addr_parse(&(struct addr){0}, (struct slice){"10.0.0.1\0", 9}, 0), -EINVAL);
}
END_TEST

START_TEST(test_literal_ends_with_its_slice)
{
	struct addr a;
	char buf[ADDR_STRLEN];

	ck_assert_int_eq(addr_parse(&a, (struct slice){"10.0.0.123", 8}, 5), 0);
	ck_assert_str_eq(addr_str(&a, buf), "10.0.0.1:5");
}
END_TEST

START_TEST(test_order_is_family_address_port)
{
	static const char *const in_order[] = {"1.2.3.4:80", "1.2.3.5:1", "1.2.3.5:2",
		"200.0.0.1:1", "[::1]:1", "[::1]:2", "[fe80::1%1]:1", "[fe80::1%2]:1"};
	const size_t n = sizeof(in_order) / sizeof(in_order[0]);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			struct addr a = literal(in_order[i]), b = literal(in_order[k]);
			int c = addr_cmp(&a, &b);

			ck_assert_int_eq((c > 0) - (c < 0), (i > k) - (i < k));
		}
	}
}
END_TEST

START_TEST(test_same_host_ignores_port_and_unknown_scope)
{
	struct addr a = literal("1.2.3.4:80"), b = literal("1.2.3.4:81"), c = literal("1.2.3.5:80");
	struct addr d = literal("fe80::1%1"), e = literal("fe80::1"), f = literal("fe80::1%2");

	ck_assert(addr_same_host(&a, &b));
	ck_assert(!addr_same_host(&a, &c));
	ck_assert(!addr_same_host(&a, &e));
	ck_assert(addr_same_host(&d, &e));
	ck_assert(!addr_same_host(&d, &f));
}
END_TEST

START_TEST(test_mapped_address_is_unmapped)
{
	struct addr a = literal("[::ffff:10.1.2.3]:80"), b = literal("10.1.2.3:80");

	ck_assert_int_ne(addr_cmp(&a, &b), 0);
	addr_unmap(&a);
	ck_assert_int_eq(addr_cmp(&a, &b), 0);
	ck_assert_uint_eq(addr_len(&a), sizeof(struct sockaddr_in));
	a = literal("[::1]:80");
	addr_unmap(&a);
	ck_assert_int_eq(a.sa.sa_family, AF_INET6);
}
END_TEST

START_TEST(test_kinds_of_addresses)
{
	struct addr any4 = addr_any(AF_INET, 7), any6 = addr_any(AF_INET6, 7), one = literal("::1");
	struct addr g4 = literal("239.255.77.1"), g6 = literal("ff02::7701");

	ck_assert(addr_is_any(&any4) && addr_is_any(&any6) && !addr_is_any(&one));
	ck_assert_uint_eq(addr_port(&any4), 7);
	ck_assert_uint_eq(addr_port(&any6), 7);
	ck_assert(addr_is_multicast(&g4) && addr_is_multicast(&g6));
	ck_assert(!addr_is_multicast(&one) && !addr_is_multicast(&any4));
}
END_TEST

START_TEST(test_hash_sees_address_and_port)
{
	struct addr a = literal("10.0.0.1:80"), same = literal("10.0.0.1:80");
	struct addr port = literal("10.0.0.1:81"), host = literal("10.0.0.2:80");
	struct addr six = literal("[::1]:80"), other = literal("[::2]:80");

	ck_assert(addr_hash(&a) == addr_hash(&same));
	ck_assert(addr_hash(&a) != addr_hash(&port));
	ck_assert(addr_hash(&a) != addr_hash(&host));
	ck_assert(addr_hash(&six) != addr_hash(&other));
}
END_TEST

START_TEST(test_prefix_has_what_its_bits_say)
{
	struct prefix p = block("10.1.18.0/24"), all = block("0.0.0.0/0"),
		      odd = block("10.1.16.0/21");
	struct prefix six = block("2001:db8::/33"), host = block("10.1.18.27/32");
	struct addr a = literal("10.1.18.27"), b = literal("10.1.19.0"), c = literal("10.1.24.0");
	struct addr d = literal("2001:db8:7fff::1"), e = literal("2001:db8:8000::1");
	char buf[ADDR_STRLEN];

	ck_assert(prefix_has(&p, &a) && !prefix_has(&p, &b));
	ck_assert(prefix_has(&all, &a) && prefix_has(&all, &c) && !prefix_has(&all, &d));
	ck_assert(prefix_has(&odd, &a) && prefix_has(&odd, &b) && !prefix_has(&odd, &c));
	ck_assert(prefix_has(&six, &d) && !prefix_has(&six, &e));
	ck_assert(prefix_has(&host, &a) && !prefix_has(&host, &b));
	ck_assert_str_eq(prefix_str(&p, buf), "10.1.18.0/24");
	ck_assert_str_eq(prefix_str(&six, buf), "2001:db8::/33");
}
END_TEST

START_TEST(test_bad_prefixes_are_refused)
{
	static const char *const t[] = {"", "/", "/24", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33",
		"10.0.0.0/-1", "10.0.0.1/24", "10.0.0.128/24", "10.0.2.0/22", "10.0.0.0/8 ",
		"::/129", "::1/127", "[::]/0", "10.0.0.0:80/8", "10.0.0.0/8/8"};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct prefix p;

		ck_assert_msg(prefix_parse(&p, slice_of(t[i])) == -EINVAL, "\"%s\"", t[i]);
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("addr");

	tcase_add_test(t, test_literals_round_trip);
	tcase_add_test(t, test_what_is_no_literal_is_refused);
	tcase_add_test(t, test_literal_ends_with_its_slice);
	tcase_add_test(t, test_order_is_family_address_port);
	tcase_add_test(t, test_same_host_ignores_port_and_unknown_scope);
	tcase_add_test(t, test_mapped_address_is_unmapped);
	tcase_add_test(t, test_kinds_of_addresses);
	tcase_add_test(t, test_hash_sees_address_and_port);
	tcase_add_test(t, test_prefix_has_what_its_bits_say);
	tcase_add_test(t, test_bad_prefixes_are_refused);
	return run_case("addr", t);
}
