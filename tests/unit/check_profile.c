/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles of services (row D5): what documents may say, and what answers make of it. */
#include "arn/profile.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/policy.h"
#include "arn/profiles.h"
#include "arn/redirect.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static struct profile p;
static char why[PROFILE_WHY];

static int read_text(const char *text)
{
	return profile_parse(&p, slice_of(text), why);
}

START_TEST(test_d5_a_profile_says_what_it_says_and_nothing_else)
{
	ck_assert_int_eq(read_text("{\"rtsp\": {\"policy\": \"channel-affinity\", "
				   "\"affinity-limit\": 70, \"prime\": true},"
				   "\"http\": {\"bound\": 0, \"session-kbps\": 3}}"),
		0);
	ck_assert_str_eq(why, "");
	ck_assert_str_eq(p.of[TEXT_RTSP].policy->name, "channel-affinity");
	ck_assert_int_eq(p.of[TEXT_RTSP].affinity_limit, 70);
	ck_assert_int_eq(p.of[TEXT_RTSP].prime, 1);
	ck_assert_int_eq(p.of[TEXT_RTSP].bound, -1);
	ck_assert_ptr_null(p.of[TEXT_HTTP].policy);
	ck_assert_int_eq(p.of[TEXT_HTTP].bound, 0);
	ck_assert_int_eq(p.of[TEXT_HTTP].session_kbps, 3);
	ck_assert_int_eq(p.of[TEXT_HTTP].prime, -1);
}
END_TEST

START_TEST(test_d5_what_is_wrong_is_named_and_nothing_is_taken)
{
	static const struct {
		const char *text, *named;
	} t[] = {
		{"", "byte 0"},
		{"{\"rtsp\": {}", "byte"},
		{"[]", "expected an object"},
		{"{\"rtsp\": 1}", "rtsp: expected an object"},
		{"{\"rtsp\": {\"policy\": \"best\"}}", "rtsp.policy: expected least-loaded"},
		{"{\"http\": {\"policy\": 1}}", "http.policy: expected"},
		{"{\"http\": {\"bound\": 1001}}", "http.bound: expected a number, 0 to 1000"},
		{"{\"http\": {\"bound\": -1}}", "http.bound"},
		{"{\"http\": {\"bound\": 1.5}}", "http.bound"},
		{"{\"http\": {\"bound\": 99999999999999999999}}", "byte"},
		{"{\"rtsp\": {\"affinity-limit\": 101}}", "rtsp.affinity-limit"},
		{"{\"rtsp\": {\"prime\": \"yes\"}}", "rtsp.prime: expected true or false"},
		{"{\"http\": {\"bound\": 1}, \"rtsp\": {\"prime\": 1}}", "rtsp.prime"},
	};
	struct profile none = profile_empty();

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ck_assert_int_eq(read_text(t[i].text), -EINVAL);
		ck_assert_msg(strstr(why, t[i].named), "%s: %s", t[i].text, why);
		ck_assert(profile_same(&p, &none));
	}
}
END_TEST

START_TEST(test_d5_members_of_later_versions_are_left_alone_and_named)
{
	ck_assert_int_eq(read_text("{\"ftp\": {}, \"rtsp\": {\"polcy\": 1, \"prime\": false}}"), 0);
	ck_assert(strstr(why, "ftp is not known") || strstr(why, "rtsp.polcy is not known"));
	ck_assert_int_eq(p.of[TEXT_RTSP].prime, 0);
}
END_TEST

START_TEST(test_d5_depth_has_an_end)
{
	char *deep = malloc(65536);

	memset(deep, '[', 65535);
	deep[65535] = '\0';
	ck_assert_int_eq(read_text(deep), -EINVAL);
	free(deep);
}
END_TEST

START_TEST(test_d5_urls_are_checked_and_lead_to_a_server)
{
	static const char *const wrong[] = {"ftp://a/%s", "http://a", "http:///%s", "http://a%s/b",
		"http://a/%s%s", "http://a/%d", "http://a/b", "http://a/ %s", "http://a:0/%s",
		"http://u@a/%s"};
	char host[DNS_NAME];
	uint16_t port;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(profiles_check_url(wrong[i], host, &port) != NULL, "%s", wrong[i]);
	ck_assert_ptr_null(profiles_check_url("", host, &port));
	ck_assert_ptr_null(profiles_check_url("https://Www.acme.com/p/%s.json", host, &port));
	ck_assert_str_eq(host, "www.acme.com");
	ck_assert_uint_eq(port, 443);
	ck_assert_ptr_null(profiles_check_url("http://[2001:db8::1]:8080/%s", host, &port));
	ck_assert_str_eq(host, "2001:db8::1");
	ck_assert_uint_eq(port, 8080);
}
END_TEST

/* ---- answers ---- */

static struct redirect_response rs;

static void ask(struct snapshot *s, const char *local)
{
	static const char rq[] = "DESCRIBE rtsp://x/news RTSP/1.0\r\nCSeq: 1\r\n\r\n";

	redirect_answer(&(struct redirect_request){.bytes = {rq, sizeof(rq) - 1},
				.port = TEXT_RTSP,
				.client = literal("192.0.2.1"),
				.local = literal(local)},
		s, &rs);
}

static struct snapshot *make_snapshot(const char *text, bool there)
{
	struct snapshot *s = snapshot_new(2);
	struct profile_table *t = profile_table_new(1);

	for (int i = 0; i < 2; i++) {
		struct announce *n = &s->node[s->nodes++].said;

		*n = (struct announce){.role = ROLE_SN,
			.addr = literal(i ? "10.2.0.7" : "10.2.0.6"),
			.rtsp_port = 554,
			.healthy = true,
			.weight = 100,
			.sessions = i ? 500 : 0,
			.control_port = 7702,
			.primes = SERVICE_RTSP,
			.generation = 1};
		snprintf(n->id, sizeof(n->id), "sn%d", i);
	}
	/* The loaded one carries the channel. */
	s->node[1].said.channel[0] = announce_channel(SLICE("/news"));
	s->node[1].said.channels = 1;
	t->fact[0] = (struct profile_fact){.anycast = literal("10.1.18.27"), .there = there};
	ck_assert_int_eq(read_text(text), 0);
	t->fact[0].profile = p;
	t->n = 1;
	profile_table_sort(t);
	s->profiles = t;
	return s;
}

START_TEST(test_d5_the_profile_of_the_address_chooses_the_policy)
{
	struct snapshot *s = make_snapshot(
		"{\"rtsp\": {\"policy\": \"channel-affinity\", \"affinity-limit\": 90}}", true);

	ask(s, "10.1.18.27");
	ck_assert_int_eq(rs.status, 302);
	ck_assert_str_eq(rs.node->said.id, "sn1");
	ck_assert_int_eq(rs.want.what, WANT_NOTHING);
	ck_assert(s->profiles->fact[0].used);
	ask(s, "10.1.18.28");
	ck_assert_str_eq(rs.node->said.id, "sn0");
	ck_assert_int_eq(rs.want.what, WANT_PROFILE);
	snapshot_unref(s);
	/* A parameter of the policy. */
	s = make_snapshot(
		"{\"rtsp\": {\"policy\": \"channel-affinity\", \"affinity-limit\": 10}}", true);
	for (int i = 0; i < 2; i++)
		s->node[i].said.weight = i ? 1 : 100;
	ask(s, "10.1.18.27");
	ck_assert_str_eq(rs.node->said.id, "sn0");
	snapshot_unref(s);
}
END_TEST

START_TEST(test_d5_without_a_profile_the_configuration_decides_and_nobody_asks_again)
{
	struct snapshot *s = make_snapshot("{\"rtsp\": {\"policy\": \"channel-affinity\"}}", false);

	ask(s, "10.1.18.27");
	ck_assert_int_eq(rs.status, 302);
	ck_assert_str_eq(rs.node->said.id, "sn0");
	ck_assert_int_eq(rs.want.what, WANT_NOTHING);
	snapshot_unref(s);
}
END_TEST

START_TEST(test_d5_the_profile_says_whether_nodes_are_primed)
{
	struct snapshot *s = make_snapshot("{\"rtsp\": {\"prime\": true}}", true);

	ask(s, "10.1.18.27");
	ck_assert_int_eq(rs.status, 0);
	ck_assert_int_eq(rs.want.what, WANT_PRIME);
	snapshot_unref(s);
	s = make_snapshot("{\"rtsp\": {\"prime\": false}}", true);
	s->prime = SERVICE_RTSP;
	ask(s, "10.1.18.27");
	ck_assert_int_eq(rs.status, 302);
	snapshot_unref(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("profile");
	TCase *t = tcase_create("profile");

	tcase_add_test(t, test_d5_a_profile_says_what_it_says_and_nothing_else);
	tcase_add_test(t, test_d5_what_is_wrong_is_named_and_nothing_is_taken);
	tcase_add_test(t, test_d5_members_of_later_versions_are_left_alone_and_named);
	tcase_add_test(t, test_d5_depth_has_an_end);
	tcase_add_test(t, test_d5_urls_are_checked_and_lead_to_a_server);
	tcase_add_test(t, test_d5_the_profile_of_the_address_chooses_the_policy);
	tcase_add_test(
		t, test_d5_without_a_profile_the_configuration_decides_and_nobody_asks_again);
	tcase_add_test(t, test_d5_the_profile_says_whether_nodes_are_primed);
	suite_add_tcase(s, t);
	return run_suite(s);
}
