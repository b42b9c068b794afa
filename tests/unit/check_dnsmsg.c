/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of name servers, and what is none (row D1). Messages are put together by hand. */
#include "lib/dnsmsg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cursor.h"
#include "tests/unit/run.h"

static uint8_t mem[4096];
static struct wcur w;
static struct dns_msg m;

static void put_name(const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		wcur_u8(&w, (uint8_t)n);
		wcur_put(&w, name, n);
		name += n + (name[n] == '.');
	}
	wcur_u8(&w, 0);
}

static void begin(const char *name, uint16_t type, uint16_t flags, unsigned an, unsigned ns)
{
	w = wcur_init(mem, sizeof(mem));
	wcur_u16(&w, 1);
	wcur_u16(&w, flags);
	wcur_u16(&w, 1);
	wcur_u16(&w, (uint16_t)an);
	wcur_u16(&w, (uint16_t)ns);
	wcur_u16(&w, 0);
	put_name(name);
	wcur_u16(&w, type);
	wcur_u16(&w, 1);
}

/* The head of a record for the question's name (a pointer to offset 12). */
static void put_rr(uint16_t type, uint32_t ttl, uint16_t len)
{
	wcur_u16(&w, 0xc00c);
	wcur_u16(&w, type);
	wcur_u16(&w, 1);
	wcur_u32(&w, ttl);
	wcur_u16(&w, len);
}

static int parse(void)
{
	ck_assert(!w.bad);
	return dns_parse(&m, mem, wcur_len(&w));
}

#define SRV_NAME "anycast-10-1-18-27.http.tcp.cbb.net"

START_TEST(test_the_patents_srv_answer_is_read)
{
	begin(SRV_NAME, DNS_SRV, 0x8180, 1, 0);
	put_rr(DNS_SRV, 3600, 6 + 14);
	wcur_u16(&w, 10);
	wcur_u16(&w, 5);
	wcur_u16(&w, 80);
	put_name("WWW.acme.com");
	ck_assert_int_eq(parse(), 0);
	ck_assert_str_eq(m.name, SRV_NAME);
	ck_assert_int_eq(m.type, DNS_SRV);
	ck_assert_int_eq(m.rrs, 1);
	ck_assert_int_eq(m.rr[0].ttl, 3600);
	ck_assert_int_eq(m.rr[0].priority, 10);
	ck_assert_int_eq(m.rr[0].weight, 5);
	ck_assert_int_eq(m.rr[0].port, 80);
	ck_assert_str_eq(m.rr[0].target, "www.acme.com");
	ck_assert_str_eq(m.rr[0].owner, SRV_NAME);
}
END_TEST

START_TEST(test_addresses_of_both_families_and_aliases_are_read)
{
	char text[ADDR_STRLEN];

	/* A name that is shorter than the record says. */
	begin("www.acme.com", DNS_AAAA, 0x8180, 1, 0);
	put_rr(DNS_CNAME, 60, 13);
	put_name("cbb9.net");
	wcur_put(&w, "abc", 3);
	ck_assert_int_eq(parse(), -EINVAL);

	begin("www.acme.com", DNS_AAAA, 0x8180, 4, 0);
	put_rr(DNS_CNAME, 60, 10);
	put_name("cbb9.net");
	put_rr(DNS_A, 60, 4);
	wcur_u32(&w, 0x0a080008);
	put_rr(DNS_AAAA, 0x80000001, 16);
	wcur_u64(&w, 0x20010db800000000);
	wcur_u64(&w, 8);
	put_rr(99, 60, 3); /* SPF: of no interest */
	wcur_put(&w, "abc", 3);
	ck_assert_int_eq(parse(), 0);
	ck_assert_int_eq(m.rrs, 3);
	ck_assert_str_eq(m.rr[0].target, "cbb9.net");
	ck_assert_str_eq(addr_host(&m.rr[1].addr, text), "10.8.0.8");
	ck_assert_str_eq(addr_host(&m.rr[2].addr, text), "2001:db8::8");
	ck_assert_int_eq(m.rr[2].ttl, 0);
}
END_TEST

START_TEST(test_what_a_name_points_to_is_read)
{
	begin("_areas.California.dir", DNS_PTR, 0x8180, 2, 0);
	put_rr(DNS_PTR, 60, 10);
	wcur_u8(&w, 7);
	wcur_put(&w, "SanJose", 7);
	wcur_u16(&w, 0xc00c + 7); /* behind "_areas" */
	put_rr(DNS_PTR, 60, 5);
	put_name("a.b");
	ck_assert_int_eq(parse(), 0);
	ck_assert_int_eq(m.rrs, 2);
	ck_assert_int_eq(m.rr[0].type, DNS_PTR);
	ck_assert_str_eq(m.rr[0].target, "sanjose.california.dir");
	ck_assert_str_eq(m.rr[1].target, "a.b");
}
END_TEST

START_TEST(test_a_denial_holds_for_the_smaller_of_ttl_and_minimum)
{
	begin("no.acme.com", DNS_A, 0x8183, 0, 1);
	put_rr(DNS_SOA, 900, 2 + 2 + 20);
	wcur_u16(&w, 0xc00c);
	wcur_u16(&w, 0xc00c);
	for (int i = 0; i < 4; i++)
		wcur_u32(&w, 1);
	wcur_u32(&w, 300);
	ck_assert_int_eq(parse(), 0);
	ck_assert_int_eq(m.rcode, DNS_NXDOMAIN);
	ck_assert(m.has_soa);
	ck_assert_int_eq(m.negative_ttl, 300);
}
END_TEST

START_TEST(test_pointers_that_do_not_go_back_are_refused)
{
	begin("a.b", DNS_CNAME, 0x8180, 1, 0);
	put_rr(DNS_CNAME, 60, 2);
	wcur_u16(&w, (uint16_t)(0xc000 | wcur_len(&w))); /* to itself */
	ck_assert_int_eq(parse(), -EINVAL);
	begin("a.b", DNS_CNAME, 0x8180, 1, 0);
	put_rr(DNS_CNAME, 60, 2);
	wcur_u16(&w, 0xffff); /* past the end */
	ck_assert_int_eq(parse(), -EINVAL);
}
END_TEST

START_TEST(test_names_that_no_host_has_are_refused)
{
	begin("a.b", DNS_CNAME, 0x8180, 1, 0);
	put_rr(DNS_CNAME, 60, 5);
	put_name("a\rb");
	ck_assert_int_eq(parse(), -EINVAL);
	ck_assert(dns_name_ok("_http._tcp.anycast-10-1-18-27.cbb.net"));
	ck_assert(!dns_name_ok(""));
	ck_assert(!dns_name_ok("a..b"));
	ck_assert(!dns_name_ok("a.b."));
	ck_assert(!dns_name_ok("a b"));
	ck_assert(!dns_name_ok("a/b"));
}
END_TEST

START_TEST(test_a_name_may_have_253_octets_and_no_more)
{
	char name[512] = "";

	for (int i = 0; i < 4; i++) {
		memset(name + strlen(name), 'x', 63);
		if (i < 3)
			name[strlen(name)] = '.';
	}
	ck_assert_uint_eq(strlen(name), 255);
	begin(name + 2, DNS_A, 0x8180, 0, 0);
	ck_assert_int_eq(parse(), 0);
	ck_assert(dns_name_ok(name + 2));
	begin(name + 1, DNS_A, 0x8180, 0, 0);
	ck_assert_int_eq(parse(), -EINVAL);
	ck_assert(!dns_name_ok(name + 1));
}
END_TEST

START_TEST(test_every_cut_of_a_message_is_refused)
{
	begin(SRV_NAME, DNS_SRV, 0x8180, 1, 0);
	put_rr(DNS_SRV, 3600, 6 + 14);
	wcur_u32(&w, 1);
	wcur_u16(&w, 80);
	put_name("www.acme.com");
	for (size_t n = 0; n < wcur_len(&w); n++)
		ck_assert_int_eq(dns_parse(&m, mem, n), -EINVAL);
}
END_TEST

START_TEST(test_more_records_than_there_is_room_for_are_left_out)
{
	begin("a.b", DNS_A, 0x8180, DNS_MAX_RRS + 5, 0);
	for (int i = 0; i < DNS_MAX_RRS + 5; i++) {
		put_rr(DNS_A, 60, 4);
		wcur_u32(&w, (uint32_t)i);
	}
	ck_assert_int_eq(parse(), 0);
	ck_assert_int_eq(m.rrs, DNS_MAX_RRS);
}
END_TEST

START_TEST(test_what_is_no_response_is_refused)
{
	begin("a.b", DNS_A, 0x0100, 0, 0);
	ck_assert_int_eq(parse(), -EINVAL);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("dnsmsg");

	tcase_add_test(t, test_the_patents_srv_answer_is_read);
	tcase_add_test(t, test_addresses_of_both_families_and_aliases_are_read);
	tcase_add_test(t, test_what_a_name_points_to_is_read);
	tcase_add_test(t, test_a_denial_holds_for_the_smaller_of_ttl_and_minimum);
	tcase_add_test(t, test_pointers_that_do_not_go_back_are_refused);
	tcase_add_test(t, test_names_that_no_host_has_are_refused);
	tcase_add_test(t, test_a_name_may_have_253_octets_and_no_more);
	tcase_add_test(t, test_every_cut_of_a_message_is_refused);
	tcase_add_test(t, test_more_records_than_there_is_room_for_are_left_out);
	tcase_add_test(t, test_what_is_no_response_is_refused);
	return run_case("dnsmsg", t);
}
