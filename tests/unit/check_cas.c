/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The channel allocation service (row D3): its answers, and the numbers that URLs have. */
#include "lib/cas.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/redirect.h"
#include "sn-agent/allot.h"
#include "tests/unit/run.h"

#define NEWS "rtsp://10.1.18.27/news"

static struct allot allot;

static void set_up(void)
{
	allot_init(&allot);
	ck_assert_int_eq(allot_set_conf(&allot, 4, 10 * NS_S, NULL, 0), 0);
}

static void tear_down(void)
{
	allot_free(&allot);
}

static bool never(void *arg, const char *path)
{
	(void)arg, (void)path;
	return false;
}

static bool is_news(void *arg, const char *path)
{
	(void)arg;
	return !strcmp(path, "/news");
}

START_TEST(test_d3_a_url_has_one_spelling)
{
	static const char *const same[] = {NEWS, "RTSP://10.1.18.27:554/news/", NEWS "//"};
	static const char *const none[] = {"", "/news", "http://10.1.18.27/news", NEWS "?a=1",
		"rtsp://acme/news", "rtsp://10.1.18.27:555/news", "rtsp://10.1.18.27/",
		"rtsp://10.1.18.27", "rtsp://10.1.18.27/ne ws"};
	char url[CAS_URL], longest[CAS_PATH + 1];
	struct slice path;
	struct addr a;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		ck_assert_int_eq(cas_url_parse(slice_of(same[i]), &a, &path), 0);
		ck_assert_int_eq(cas_url(&a, path, url), 0);
		ck_assert_str_eq(url, NEWS);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ck_assert(cas_url_parse(slice_of(none[i]), &a, &path) || cas_url(&a, path, url));
	ck_assert_int_eq(cas_url_parse(slice_of("rtsp://[2001:DB8::1]/a%20b"), &a, &path), 0);
	ck_assert_int_eq(cas_url(&a, path, url), 0);
	ck_assert_str_eq(url, "rtsp://[2001:db8::1]/a%20b");
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	ck_assert_int_eq(cas_url(&a, (struct slice){longest, CAS_PATH - 1}, url), 0);
	ck_assert_int_eq(cas_url(&a, (struct slice){longest, CAS_PATH}, url), -EINVAL);
}
END_TEST

START_TEST(test_d3_a_url_is_escaped_in_a_query)
{
	char mem[64];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	cas_put_escaped(&b, "rtsp://[::1]/a%20b&c=+");
	ck_assert_str_eq(mem, "rtsp%3A//%5B%3A%3A1%5D/a%2520b%26c%3D%2B");
}
END_TEST

START_TEST(test_d3_an_answer_is_read_as_it_was_written)
{
	struct cas_answer a = {.url = NEWS, .channel = 12, .ttl = 15}, b;
	char why[CAS_WHY], *line;

	ck_assert_int_eq(addr_parse(&a.source, SLICE("[2001:db8::8]:8554"), 0), 0);
	line = cas_write(&a);
	ck_assert_str_eq(line, "{\"url\":\"" NEWS "\",\"source\":\"[2001:db8::8]:8554\","
			       "\"channel\":12,\"ttl\":15}");
	ck_assert_int_eq(cas_read(&b, slice_of(line), NEWS, why), 0);
	ck_assert_int_eq(addr_cmp(&a.source, &b.source), 0);
	ck_assert_uint_eq(b.channel, 12);
	ck_assert_uint_eq(b.ttl, 15);
	ck_assert_int_eq(cas_read(&b, slice_of(line), NEWS "2", why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "url: "));
	free(line);
}
END_TEST

START_TEST(test_d3_what_is_wrong_is_named)
{
	static const struct {
		const char *rest, *named;
	} t[] = {
		{"\"source\": \"10.8.0.8\", \"channel\": -1, \"ttl\": 1}", "channel: "},
		{"\"source\": \"10.8.0.8\", \"channel\": 2147483648, \"ttl\": 1}", "channel: "},
		{"\"source\": \"10.8.0.8\", \"channel\": 1.5, \"ttl\": 1}", "channel: "},
		{"\"source\": \"10.8.0.8\", \"channel\": \"1\", \"ttl\": 1}", "channel: "},
		{"\"source\": \"10.8.0.8\", \"channel\": 1}", "ttl: "},
		{"\"source\": \"10.8.0.8\", \"channel\": 1, \"ttl\": 86401}", "ttl: "},
		{"\"source\": \"239.1.2.3\", \"channel\": 1, \"ttl\": 1}", "source: "},
		{"\"source\": \"0.0.0.0\", \"channel\": 1, \"ttl\": 1}", "source: "},
		{"\"source\": \"acme\", \"channel\": 1, \"ttl\": 1}", "source: "},
		{"\"source\": 1, \"channel\": 1, \"ttl\": 1}", "source: "},
		{"\"channel\": 1, \"ttl\": 1}", "source: "},
		{"\"channel\": 1", "byte"},
	};
	char text[256], why[CAS_WHY];
	struct cas_answer a;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(text, sizeof(text), "{\"url\": \"" NEWS "\", %s", t[i].rest);
		ck_assert_int_eq(cas_read(&a, slice_of(text), NEWS, why), -EINVAL);
		ck_assert_msg(strstr(why, t[i].named), "%s: %s", text, why);
	}
	ck_assert_int_eq(cas_read(&a, SLICE("[]"), NEWS, why), -EINVAL);
	ck_assert_int_eq(cas_read(&a, SLICE(""), NEWS, why), -EINVAL);
}
END_TEST

START_TEST(test_i2_a_channel_without_a_number_is_its_own_path_at_the_source)
{
	char why[CAS_WHY];
	struct cas_answer a;

	ck_assert_int_eq(cas_read(&a,
				 SLICE("{\"url\": \"" NEWS "\", \"source\": \"10.77.0.9:554\", "
				       "\"channel\": 0, \"ttl\": 1}"),
				 NEWS, why),
		0);
	ck_assert_uint_eq(a.channel, CAS_NO_NUMBER);
}
END_TEST

START_TEST(test_d3_a_number_is_a_path)
{
	static const char *const none[] = {
		"", "/=", "/=0", "/=01", "/=x", "/=1/", "/=2147483648", "/1", "/=-1"};
	char text[CAS_CHANNEL];
	uint32_t n;

	ck_assert(cas_channel_parse(slice_of(cas_channel_path(CAS_NUMBERS, text)), &n));
	ck_assert_uint_eq(n, CAS_NUMBERS);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ck_assert(!cas_channel_parse(slice_of(none[i]), &n));
}
END_TEST

START_TEST(test_d3_the_number_of_a_url_is_its_own_and_survives_a_restart)
{
	struct allotment *t = allot_add(&allot, NEWS, SLICE("/news"), NS_S);
	uint32_t n = t->number;

	ck_assert_uint_eq(n, cas_number(NEWS, 0));
	ck_assert_ptr_eq(allot_find(&allot, NEWS), t);
	ck_assert_ptr_eq(allot_number(&allot, n, NS_S), t);
	ck_assert_str_eq(t->path, "/news");
	tear_down();
	set_up();
	ck_assert_ptr_null(allot_number(&allot, n, NS_S));
	ck_assert_uint_eq(allot_add(&allot, NEWS, SLICE("/news"), NS_S)->number, n);
}
END_TEST

START_TEST(test_d3_no_two_urls_share_a_number)
{
	struct allotment *first = allot_add(&allot, "rtsp://10.1.18.27/other", SLICE("/o"), NS_S);
	uint32_t n;

	first->number = cas_number(NEWS, 0); /* as if they had the same */
	n = allot_add(&allot, NEWS, SLICE("/news"), NS_S)->number;
	ck_assert_uint_eq(n, cas_number(NEWS, 1));
	ck_assert_str_eq(allot_number(&allot, cas_number(NEWS, 0), NS_S)->path, "/o");
	/* It keeps that one when the other has gone. */
	allot_expire(&allot, is_news, NULL, 20 * NS_S);
	ck_assert_int_eq(allot.n, 1);
	ck_assert_uint_eq(allot_find(&allot, NEWS)->number, n);
	ck_assert_int_eq(allot_set_conf(&allot, 4, NS_S, NULL, 0), 0);
	ck_assert_uint_eq(allot_find(&allot, NEWS)->number, n);
}
END_TEST

START_TEST(test_d3_there_is_an_end_of_room_and_none_gives_way_in_use)
{
	char url[CAS_URL];

	for (int i = 0; i < 4; i++) {
		snprintf(url, sizeof(url), NEWS "%d", i);
		ck_assert_ptr_nonnull(allot_add(&allot, url, SLICE("/news"), NS_S));
	}
	ck_assert_ptr_null(allot_add(&allot, NEWS, SLICE("/news"), NS_S));
	allot_expire(&allot, is_news, NULL, 100 * NS_S); /* used all the time */
	ck_assert_int_eq(allot.n, 4);
	allot_expire(&allot, never, NULL, 109 * NS_S); /* its lifetime is not over */
	ck_assert_int_eq(allot.n, 4);
	allot_expire(&allot, never, NULL, 110 * NS_S);
	ck_assert_int_eq(allot.n, 0);
}
END_TEST

START_TEST(test_d3_what_is_configured_comes_first_and_stays)
{
	struct allotment fixed = {.url = NEWS, .path = "/acme/1"};
	uint32_t n;

	n = allot_add(&allot, NEWS, SLICE("/news"), NS_S)->number;
	ck_assert_int_eq(allot_set_conf(&allot, 1, 10 * NS_S, &fixed, 1), 0);
	ck_assert_int_eq(allot.n, 1);
	ck_assert_uint_eq(allot_find(&allot, NEWS)->number, n);
	ck_assert_str_eq(allot_number(&allot, n, NS_S)->path, "/acme/1");
	ck_assert(slice_eq(allot_path(NULL, SLICE("/=1"), 0), SLICE("/=1")));
	ck_assert(slice_eq(allot_path(&allot, SLICE("/news"), 0), SLICE("/news")));
	allot_expire(&allot, never, NULL, 1000 * NS_S);
	ck_assert_int_eq(allot.n, 1);
	ck_assert_int_eq(allot_set_conf(&allot, 4, 10 * NS_S, NULL, 0), 0);
	ck_assert_int_eq(allot.n, 0);
}
END_TEST

/* ---- what ARNs make of it ---- */

static struct redirect_response rs;

static void ask(const struct snapshot *s, const char *path, bool final)
{
	char text[256];
	struct redirect_request rq = {.port = TEXT_RTSP, .final = final};
	int n = snprintf(text, sizeof(text),
		"DESCRIBE rtsp://10.1.18.27%s RTSP/1.0\r\nCSeq: 1\r\n\r\n", path);

	rq.bytes = (struct slice){text, (size_t)n};
	ck_assert_int_eq(addr_parse(&rq.local, SLICE("10.1.18.27:554"), 0), 0);
	ck_assert_int_eq(addr_parse(&rq.client, SLICE("10.9.0.1:4000"), 0), 0);
	redirect_answer(&rq, s, &rs);
}

/* An ARN that knows one channel and one URL that has none; no records of origins. */
static struct snapshot *make_snapshot(enum origin_method method)
{
	struct origin_rule rule = {.method = method};
	struct snapshot *s = snapshot_new(1);
	struct cas_table *t = cas_table_new(2);
	struct announce *n = &s->node[s->nodes++].said;

	ck_assert_int_eq(addr_parse(&rule.anycast, SLICE("10.1.18.27"), 0), 0);
	s->origins = origins_new(&rule, 1, NULL, 0);
	*n = (struct announce){.role = ROLE_SN,
		.rtsp_port = 554,
		.healthy = true,
		.weight = 100,
		.control_port = 7702,
		.primes = SERVICE_RTSP,
		.generation = 1};
	snprintf(n->id, sizeof(n->id), "sn1");
	ck_assert_int_eq(addr_parse(&n->addr, SLICE("10.2.0.6"), 0), 0);
	t->n = 2;
	snprintf(t->fact[0].url, sizeof(t->fact[0].url), NEWS "2");
	snprintf(t->fact[1].url, sizeof(t->fact[1].url), NEWS);
	t->fact[1].there = true;
	t->fact[1].number = 77;
	ck_assert_int_eq(addr_parse(&t->fact[1].source, SLICE("10.8.0.8:554"), 0), 0);
	cas_table_sort(t);
	s->channels = t;
	return s;
}

START_TEST(test_d3_the_node_is_told_the_channel_of_the_url)
{
	struct snapshot *s = make_snapshot(ORIGIN_SRV);
	static const char *const same[] = {"/news", "/news/", "/news?a=1", "/news/trackID=1"};
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		ask(s, same[i], false);
		ck_assert_int_eq(rs.want.what, WANT_PRIME);
		ck_assert_str_eq(rs.want.state.channel, "/=77");
		ck_assert_str_eq(rs.want.state.host, "");
		ck_assert_int_eq(rs.want.state.origins, 1);
		ck_assert_str_eq(addr_str(&rs.want.state.origin[0], text), "10.8.0.8:554");
	}
	ck_assert(s->channels->fact[0].used && !s->channels->fact[1].used);
	snapshot_unref(s);
}
END_TEST

START_TEST(test_d3_what_is_not_known_is_wanted_and_in_time_done_without)
{
	struct snapshot *s = make_snapshot(ORIGIN_SRV);

	ask(s, "/other/", false);
	ck_assert_int_eq(rs.want.what, WANT_CHANNEL);
	ck_assert_str_eq(rs.want.state.channel, "/other");
	ask(s, "/other", true);
	ck_assert_int_eq(rs.want.what, WANT_NOTHING);
	ck_assert_int_eq(rs.status, 504); /* nor is the origin known */
	ask(s, "/news2", false);          /* it has no channel: the origin is asked for at once */
	ck_assert_int_eq(rs.want.what, WANT_ORIGIN);
	snapshot_unref(s);
}
END_TEST

START_TEST(test_d3_without_a_service_nothing_is_wanted)
{
	struct snapshot *s = make_snapshot(ORIGIN_NONE);

	ask(s, "/other", false);
	ck_assert_int_eq(rs.want.what, WANT_NOTHING);
	ck_assert_int_eq(rs.status, 302);
	snapshot_unref(s);
	s = make_snapshot(ORIGIN_SRV);
	cas_table_unref(s->channels);
	s->channels = NULL;
	ask(s, "/news", false);
	ck_assert_int_eq(rs.want.what, WANT_ORIGIN);
	snapshot_unref(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cas");
	TCase *t = tcase_create("cas");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, test_d3_a_url_has_one_spelling);
	tcase_add_test(t, test_d3_a_url_is_escaped_in_a_query);
	tcase_add_test(t, test_d3_an_answer_is_read_as_it_was_written);
	tcase_add_test(t, test_d3_what_is_wrong_is_named);
	tcase_add_test(t, test_i2_a_channel_without_a_number_is_its_own_path_at_the_source);
	tcase_add_test(t, test_d3_a_number_is_a_path);
	tcase_add_test(t, test_d3_the_number_of_a_url_is_its_own_and_survives_a_restart);
	tcase_add_test(t, test_d3_no_two_urls_share_a_number);
	tcase_add_test(t, test_d3_there_is_an_end_of_room_and_none_gives_way_in_use);
	tcase_add_test(t, test_d3_what_is_configured_comes_first_and_stays);
	tcase_add_test(t, test_d3_the_node_is_told_the_channel_of_the_url);
	tcase_add_test(t, test_d3_what_is_not_known_is_wanted_and_in_time_done_without);
	tcase_add_test(t, test_d3_without_a_service_nothing_is_wanted);
	suite_add_tcase(s, t);
	return run_suite(s);
}
