/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nginx says of its work, as it says it. */
#include "sn-agent/web_report.h"

#include <stdlib.h>

#include "tests/unit/run.h"

#define KEY "00112233445566778899aabbccddeeff"

static struct web_report got;

/* Read from a block of exactly its size. */
static bool read_report(const char *text)
{
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);
	bool ok;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, n);
	ok = web_report_parse(&got, (struct slice){copy, n}, KEY);
	free(copy);
	return ok;
}

#define LINE(rest) "<190>Nov 26 15:00:00 n: " KEY " " rest

START_TEST(test_report_of_a_request_is_read)
{
	char text[ADDR_STRLEN];

	ck_assert(read_report(LINE("20001 10.9.0.2 206 1048904 12.031 HIT 91d0a1b2c3d4e5f6")));
	ck_assert_uint_eq(got.port, 20001);
	ck_assert_str_eq(addr_host(&got.client, text), "10.9.0.2");
	ck_assert_int_eq(got.status, 206);
	ck_assert_uint_eq(got.bytes, 1048904);
	ck_assert_int_eq(got.took, 12 * NS_S + 31 * NS_MS);
	ck_assert_int_eq(got.cache, WEB_CACHE_HIT);
	ck_assert_str_eq(got.session, "91d0a1b2c3d4e5f6");
	ck_assert(read_report(LINE("8080 2001:db8::2 200 0 0.000 UPDATING ")));
	ck_assert_int_eq(got.cache, WEB_CACHE_STALE);
	ck_assert_str_eq(got.session, "");
	ck_assert(read_report(LINE("8080 10.9.0.2 404 150 0.000 - -")));
	ck_assert_int_eq(got.cache, WEB_CACHE_NONE);
	ck_assert_str_eq(got.session, "");
}
END_TEST

START_TEST(test_what_is_no_report_of_ours_is_none)
{
	static const char *const bad[] = {"", "n: ", KEY " 8080 10.9.0.2 200 1 0.000 HIT -",
		"<190>Nov 26 15:00:00 n: 00112233445566778899aabbccddeefe 8080 10.9.0.2 200 1 "
		"0.000 HIT -",
		"<190>Nov 26 15:00:00 n:  8080 10.9.0.2 200 1 0.000 HIT -", LINE(""), LINE("8080"),
		LINE("65536 10.9.0.2 200 1 0.000 HIT -"), LINE("8080 somebody 200 1 0.000 HIT -"),
		LINE("8080 10.9.0.2:1 200 1 0.000 HIT -"), LINE("8080 10.9.0.2 1000 1 0.000 HIT -"),
		LINE("8080 10.9.0.2 200 -1 0.000 HIT -"), LINE("8080 10.9.0.2 200 1 0 HIT -"),
		LINE("8080 10.9.0.2 200 1 0.0 HIT -"),
		LINE("8080 10.9.0.2 200 1 0.000 HIT 0123456789abcdef0")};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!read_report(bad[i]), "%s", bad[i]);
	/* Before there is a key, nobody has it. */
	ck_assert(!web_report_parse(&got, SLICE("<1> n:  8080 10.9.0.2 200 1 0.000 HIT -"), ""));
}
END_TEST

START_TEST(test_status_of_nginx_is_read)
{
	struct web_status s;

	ck_assert(web_status_parse(&s, SLICE("Active connections: 291 \n"
					     "server accepts handled requests\n"
					     " 16630948 16630947 31070465 \n"
					     "Reading: 6 Writing: 179 Waiting: 106 \n")));
	ck_assert_uint_eq(s.active, 291);
	ck_assert_uint_eq(s.sending, 179);
	ck_assert_uint_eq(s.accepted, 16630948);
	ck_assert_uint_eq(s.requests, 31070465);
	ck_assert(!web_status_parse(&s, SLICE("")));
	ck_assert(!web_status_parse(&s, SLICE("<html>")));
	ck_assert(!web_status_parse(&s, SLICE("Active connections: many\n\n 1 2 3\n")));
	ck_assert(!web_status_parse(&s, SLICE("Active connections: 1\nserver\n 1 2\n")));
	ck_assert(!web_status_parse(&s, SLICE("Active connections: 1\nserver\n 1 2 3\n")));
}
END_TEST

START_TEST(test_rate_is_over_the_last_ten_seconds)
{
	struct web_rate r = {0};
	ns_t now = 100 * NS_S;

	ck_assert_uint_eq(web_rate_kbps(&r, now), 0);
	web_rate_add(&r, 1000000, NS_S, now);
	web_rate_add(&r, 250000, NS_S, now);
	ck_assert_uint_eq(web_rate_kbps(&r, now), 1000);
	web_rate_add(&r, 1250000, NS_S, now + 9 * NS_S);
	ck_assert_uint_eq(web_rate_kbps(&r, now + 9 * NS_S), 2000);
	ck_assert_uint_eq(web_rate_kbps(&r, now + 10 * NS_S), 1000);
	web_rate_add(&r, 1250000, NS_S, now + 10 * NS_S);
	ck_assert_uint_eq(web_rate_kbps(&r, now + 10 * NS_S), 2000);
	ck_assert_uint_eq(web_rate_kbps(&r, now + 60 * NS_S), 0);
	/* Of 100 seconds' download the last ten. */
	web_rate_add(&r, 12500000, 100 * NS_S, now + 60 * NS_S);
	ck_assert_uint_eq(web_rate_kbps(&r, now + 60 * NS_S), 1000);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("web_report");

	tcase_add_test(t, test_report_of_a_request_is_read);
	tcase_add_test(t, test_what_is_no_report_of_ours_is_none);
	tcase_add_test(t, test_status_of_nginx_is_read);
	tcase_add_test(t, test_rate_is_over_the_last_ten_seconds);
	return run_case("web_report", t);
}
