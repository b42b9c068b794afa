/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which place a client's address belongs to (row H9). */
#include "arn/region.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "tests/unit/run.h"

static uint64_t dice = 1;

static unsigned draw(unsigned below)
{
	dice = dice * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(dice >> 33) % below;
}

static struct region region(const char *prefix, const char *place)
{
	struct region r = {.prefix = {.len = 0}};

	ck_assert_int_eq(prefix_parse(&r.prefix, slice_of(prefix)), 0);
	snprintf(r.place, sizeof(r.place), "%s", place);
	return r;
}

static const char *find(const struct region_table *t, const char *address)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(&a, slice_of(address), 0), 0);
	return region_find(t, &a);
}

START_TEST(test_the_longest_prefix_says_the_place)
{
	struct region list[] = {region("10.0.0.0/8", "usa"), region("10.1.0.0/16", "sanjose.usa"),
		region("10.1.18.0/24", "orlando.usa"), region("0.0.0.0/0", "earth"),
		region("255.255.255.255/32", "edge"), region("2001:db8::/32", "six"),
		region("2001:db8:1::/48", "in.six"), region("ffff::/16", "end")};
	struct region_table *t = region_table_new(list, 8);

	ck_assert_int_eq(region_table_count(t), 8);
	ck_assert_str_eq(find(t, "10.0.0.0"), "usa");
	ck_assert_str_eq(find(t, "10.1.0.0"), "sanjose.usa");
	ck_assert_str_eq(find(t, "10.1.17.255"), "sanjose.usa");
	ck_assert_str_eq(find(t, "10.1.18.0"), "orlando.usa");
	ck_assert_str_eq(find(t, "10.1.18.255"), "orlando.usa");
	ck_assert_str_eq(find(t, "10.1.19.0"), "sanjose.usa");
	ck_assert_str_eq(find(t, "10.2.0.0"), "usa");
	ck_assert_str_eq(find(t, "9.255.255.255"), "earth");
	ck_assert_str_eq(find(t, "11.0.0.0"), "earth");
	ck_assert_str_eq(find(t, "0.0.0.0"), "earth");
	ck_assert_str_eq(find(t, "255.255.255.254"), "earth");
	ck_assert_str_eq(find(t, "255.255.255.255"), "edge");
	ck_assert_str_eq(find(t, "2001:db8:0:ffff::1"), "six");
	ck_assert_str_eq(find(t, "2001:db8:1::"), "in.six");
	ck_assert_str_eq(find(t, "2001:db8:1:ffff:ffff:ffff:ffff:ffff"), "in.six");
	ck_assert_str_eq(find(t, "2001:db8:2::"), "six");
	ck_assert_ptr_null(find(t, "2001:db9::"));
	ck_assert_ptr_null(find(t, "::"));
	ck_assert_str_eq(find(t, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "end");
	region_table_unref(t);
}
END_TEST

START_TEST(test_without_prefixes_nobody_has_a_place)
{
	struct region_table *t = region_table_new(NULL, 0);
	struct region whole = region("::/0", "six"), none = region("10.0.0.0/8", "");

	ck_assert_ptr_null(find(NULL, "10.1.2.3"));
	ck_assert_ptr_null(find(t, "10.1.2.3"));
	ck_assert_ptr_null(find(t, "::1"));
	region_table_unref(t);
	region_table_unref(NULL);
	t = region_table_new(&whole, 1);
	ck_assert_str_eq(find(t, "::1"), "six");
	ck_assert_ptr_null(find(t, "10.1.2.3"));
	region_table_unref(t);
	t = region_table_new(&none, 1);
	ck_assert_str_eq(find(t, "10.1.2.3"), "");
	region_table_unref(t);
	ck_assert_ptr_null(region_table_new(&none, REGION_MAX + 1));
}
END_TEST

START_TEST(test_of_the_same_prefix_the_last_one_counts)
{
	struct region list[] = {region("10.1.0.0/16", "first"), region("10.0.0.0/8", "outer"),
		region("10.1.0.0/16", "second")};
	struct region_table *t = region_table_new(list, 3);

	ck_assert_str_eq(find(t, "10.1.2.3"), "second");
	ck_assert_str_eq(find(t, "10.2.0.0"), "outer");
	region_table_unref(t);
}
END_TEST

/* Addresses of few bits that vary, so that prefixes lie inside of each other. */
static struct addr random_address(bool six)
{
	struct addr a = addr_any(six ? AF_INET6 : AF_INET, 0);

	if (six) {
		a.in6.sin6_addr.s6_addr[0] = (uint8_t)draw(4);
		a.in6.sin6_addr.s6_addr[7] = (uint8_t)draw(256);
		a.in6.sin6_addr.s6_addr[8] = (uint8_t)draw(256);
		a.in6.sin6_addr.s6_addr[15] = (uint8_t)draw(4);
	} else {
		a.in.sin_addr.s_addr = htonl((draw(3) << 30) | draw(1 << 10) << 12 | draw(4));
	}
	return a;
}

static void mask(struct prefix *p)
{
	uint8_t *b = p->addr.sa.sa_family == AF_INET6 ? p->addr.in6.sin6_addr.s6_addr
	                                              : (uint8_t *)&p->addr.in.sin_addr;
	int bits = p->addr.sa.sa_family == AF_INET6 ? 128 : 32;

	for (int i = p->len; i < bits; i++)
		b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

START_TEST(test_a_search_finds_what_trying_all_prefixes_finds)
{
	static struct region list[200];

	for (int round = 0; round < 200; round++) {
		int n = (int)draw(200);
		struct region_table *t;

		for (int i = 0; i < n; i++) {
			bool six = draw(2);

			list[i].prefix.addr = random_address(six);
			list[i].prefix.len = (uint8_t)draw(six ? 129 : 33);
			mask(&list[i].prefix);
			snprintf(list[i].place, PLACE_LEN, "p%u", draw(20));
		}
		t = region_table_new(list, n);
		ck_assert_ptr_nonnull(t);
		for (int k = 0; k < 500; k++) {
			struct addr a = random_address(draw(2));
			const char *found = region_find(t, &a);
			int best = -1;

			for (int i = 0; i < n; i++)
				if (prefix_has(&list[i].prefix, &a) &&
					(best < 0 || list[i].prefix.len >= list[best].prefix.len))
					best = i;
			ck_assert_int_eq(found != NULL, best >= 0);
			if (found)
				ck_assert_str_eq(found, list[best].place);
		}
		region_table_unref(t);
	}
}
END_TEST

START_TEST(test_a_full_table_is_made_and_searched_fast)
{
	struct region *list = calloc(REGION_MAX, sizeof(*list));
	struct region_table *t;
	ns_t begin;
	int found = 0;

	ck_assert_ptr_nonnull(list);
	for (int i = 0; i < REGION_MAX; i++) {
		list[i].prefix = (struct prefix){.addr = addr_any(AF_INET, 0), .len = 24};
		list[i].prefix.addr.in.sin_addr.s_addr = htonl((uint32_t)i << 8 | 10u << 24);
		snprintf(list[i].place, PLACE_LEN, "p%d", i % 300);
	}
	t = region_table_new(list, REGION_MAX);
	ck_assert_ptr_nonnull(t);
	begin = clock_now();
	for (unsigned i = 0; i < 1000000; i++) {
		struct addr a = addr_any(AF_INET, 0);

		a.in.sin_addr.s_addr = htonl(draw(1u << 24) | 10u << 24);
		found += region_find(t, &a) != NULL;
	}
	printf("a search in %d prefixes takes %ld ns\n", REGION_MAX,
		(long)((clock_now() - begin) / 1000000));
	ck_assert_int_eq(found, 1000000);
	ck_assert_int_lt(clock_now() - begin, 10 * NS_S);
	region_table_unref(t);
	free(list);
}
END_TEST

static int line(const char *text, struct region *r, const char **why)
{
	*why = "";
	return region_line(slice_of(text), r, why);
}

START_TEST(test_lines_of_a_file_are_read_and_what_is_wrong_is_told)
{
	char text[ADDR_STRLEN];
	const char *why;
	struct region r;

	ck_assert_int_eq(line("10.1.0.0/16 sanjose.usa", &r, &why), 1);
	ck_assert_str_eq(prefix_str(&r.prefix, text), "10.1.0.0/16");
	ck_assert_str_eq(r.place, "sanjose.usa");
	ck_assert_int_eq(line("  2001:db8::/32 \t usa  # all of it\r", &r, &why), 1);
	ck_assert_str_eq(r.place, "usa");
	ck_assert_int_eq(line("", &r, &why), 0);
	ck_assert_int_eq(line("   # nothing", &r, &why), 0);
	ck_assert_int_eq(line("10.1.0.0/16", &r, &why), -EINVAL);
	ck_assert_str_eq(why, "PREFIX PLACE");
	ck_assert_int_eq(line("10.1.0.1/16 usa", &r, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "host bits"));
	ck_assert_int_eq(line("10.1.0.0/16 USA", &r, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "a place"));
	ck_assert_int_eq(line("10.1.0.0/16 usa earth", &r, &why), -EINVAL);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("region");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_the_longest_prefix_says_the_place);
	tcase_add_test(t, test_without_prefixes_nobody_has_a_place);
	tcase_add_test(t, test_of_the_same_prefix_the_last_one_counts);
	tcase_add_test(t, test_a_search_finds_what_trying_all_prefixes_finds);
	tcase_add_test(t, test_a_full_table_is_made_and_searched_fast);
	tcase_add_test(t, test_lines_of_a_file_are_read_and_what_is_wrong_is_told);
	return run_case("region", t);
}
