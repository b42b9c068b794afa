/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a redirection carries along (rows E4, B4): tokens, sessions that keep their identity, and
 * the end of a circle. As in check_redirect.c each step is one exchange: ask() leaves where the
 * client was sent in `location`, the token there in `token`.
 */
#include "arn/pass.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/secret.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define NOW 1700000000ll

static struct snapshot *snap;
static struct redirect_response rs;
static struct redirect_request rq;
static char location[REDIRECT_MAX];
static struct token token;

static void add_node(const char *id, const char *address, uint16_t rtsp, uint16_t http)
{
	struct announce *n = &snap->node[snap->nodes++].said;

	*n = (struct announce){.role = ROLE_SN,
		.addr = literal(address),
		.rtsp_port = rtsp,
		.http_port = http,
		.healthy = true,
		.weight = 100};
	snprintf(n->id, sizeof(n->id), "%s", id);
}

static void setup(void)
{
	ck_assert_int_eq(secret_init(), 0);
	snap = snapshot_new(4);
	ck_assert_ptr_nonnull(snap);
	add_node("sn806", "10.2.0.6", 554, 80);
	rq = (struct redirect_request){.first = true,
		.client = literal("192.0.2.1:5555"),
		.local = literal("10.1.18.27"),
		.wall = NOW};
}

static void with_tokens(void)
{
	setup();
	snap->tokens = (struct token_policy){.lifetime = 60, .resume = 3600, .skew = 10};
	snap->tokens.keys = (struct wire_keys){.n = 2};
	for (int k = 0; k < 2; k++) {
		snap->tokens.keys.key[k].id = (uint16_t)(7 + k);
		memset(snap->tokens.keys.key[k].key, 3 + k, WIRE_KEY_LEN);
	}
}

static void teardown(void)
{
	snapshot_unref(snap);
}

/* Reads the token of `location` as the node does. */
static void read_token(const char *path)
{
	struct token_use use = {.path = slice_of(path), .client = rq.client, .now = rq.wall};
	struct slice value;
	struct url u;

	ck_assert_int_eq(url_parse(&u, slice_of(location)), 0);
	ck_assert_msg(url_param(u.query, "nc", &value), "%s", location);
	ck_assert_msg(
		token_read(&token, value, &snap->tokens.keys, &use) == TOKEN_OK, "%s", location);
}

static int ask_text(enum text_proto port, const char *text)
{
	struct text_msg m;

	rq.port = port;
	rq.bytes = slice_of(text);
	redirect_answer(&rq, snap, &rs);
	ck_assert_uint_eq(rs.consumed, rq.bytes.n);
	ck_assert_int_gt(text_parse(&m, rs.text, rs.len, 0), 0);
	ck_assert_int_eq(slice_copy(text_header(&m, "Location"), location, sizeof(location)), 0);
	return rs.status;
}

static int describe(const char *url, const char *headers)
{
	char text[2 * REDIRECT_MAX];

	snprintf(text, sizeof(text), "DESCRIBE %s RTSP/1.0\r\nCSeq: 1\r\n%s\r\n", url, headers);
	return ask_text(TEXT_RTSP, text);
}

static int get(const char *target, const char *host)
{
	char text[2 * REDIRECT_MAX];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host);
	return ask_text(TEXT_HTTP, text);
}

/* ---- tokens ---- */

START_TEST(test_redirection_carries_a_token_for_this_channel)
{
	char text[ADDR_STRLEN];

	ck_assert_int_eq(describe("rtsp://10.1.18.27/news", ""), 302);
	ck_assert_int_eq(strncmp(location, "rtsp://10.2.0.6/news?nc=AQAAB2VT8QAAPA", 38), 0);
	read_token("/news");
	ck_assert_uint_eq(token.issued, NOW);
	ck_assert_uint_eq(token.lifetime, 60);
	ck_assert_uint_eq(token.hops, 1);
	ck_assert_uint_eq(token.key->id, 7);
	ck_assert(!token.bound && !token.node);
	ck_assert_str_eq(addr_host(&token.service, text), "10.1.18.27");
	ck_assert_int_eq(rs.token, REDIRECT_TOKEN_NEW);
	ck_assert_int_eq(get("/a/b.ts", "10.1.18.27"), 302);
	read_token("/a/b.ts");
}
END_TEST

START_TEST(test_clients_own_query_is_kept_before_the_token)
{
	describe("rtsp://10.1.18.27/news?lang=en&hd", "");
	ck_assert_int_eq(strncmp(location, "rtsp://10.2.0.6/news?lang=en&hd&nc=", 35), 0);
	read_token("/news");
}
END_TEST

START_TEST(test_old_token_is_replaced_not_doubled)
{
	char url[REDIRECT_MAX + 32];
	struct slice rest, value;

	describe("rtsp://10.1.18.27/news?a=1", "");
	snprintf(url, sizeof(url), "rtsp://10.1.18.27/news?%s&z", strchr(location, '?') + 1);
	describe(url, "");
	ck_assert_int_eq(strncmp(location, "rtsp://10.2.0.6/news?a=1&z&nc=", 30), 0);
	rest = slice_of(strstr(location, "nc=") + 3);
	ck_assert(!url_param(rest, "nc", &value));
}
END_TEST

START_TEST(test_longest_target_with_a_token_fits)
{
	static char url[REDIRECT_MAX_TARGET + 128], text[REDIRECT_MAX_TARGET + 256];
	size_t n;

	snap->tokens.bind = true;
	snap->node[0].said.addr = literal("2001:db8:1111:2222:3333:4444:5555:6666");
	snap->node[0].said.rtsp_port = 54321;
	rq.local = literal("2001:db8:a:a:a:a:a:27");
	n = (size_t)snprintf(url, sizeof(url), "rtsp://10.1.18.27/");
	memset(url + n, 'x', REDIRECT_MAX_TARGET - 2);
	snprintf(text, sizeof(text), "DESCRIBE %s RTSP/1.0\r\nCSeq: 4294967295\r\n\r\n", url);
	ck_assert_int_eq(ask_text(TEXT_RTSP, text), 302);
	read_token(url + n - 1);
	ck_assert(token.bound);
}
END_TEST

START_TEST(test_session_keeps_its_identity_when_its_client_asks_again)
{
	uint64_t session;

	describe("rtsp://10.1.18.27/news", "");
	read_token("/news");
	session = token.session;
	/* Half an hour later, from another port, and by another key in the meantime. */
	rq.wall += 1800;
	rq.client = literal("192.0.2.1:6666");
	snap->tokens.keys.key[0] = snap->tokens.keys.key[1];
	memset(snap->tokens.keys.key[1].key, 3, WIRE_KEY_LEN);
	snap->tokens.keys.key[1].id = 7;
	describe(location, "Nearcast-Avoid: 10.2.0.6\r\n");
	read_token("/news");
	ck_assert_uint_eq(token.session, session);
	ck_assert_uint_eq(token.key->id, 8);
	ck_assert_uint_eq(token.issued, NOW + 1800);
	ck_assert_int_eq(rs.token, REDIRECT_TOKEN_RESUMED);
}
END_TEST

static uint64_t asked_with(const char *query)
{
	char url[REDIRECT_MAX + 32];

	snprintf(url, sizeof(url), "rtsp://10.1.18.27/news?%s", query);
	ck_assert_int_eq(describe(url, ""), 302);
	read_token("/news");
	ck_assert_int_eq(rs.token, REDIRECT_TOKEN_NEW);
	return token.session;
}

START_TEST(test_session_is_not_resumed_with_what_is_no_token_of_it)
{
	char good[TOKEN_TEXT + 8], bad[TOKEN_TEXT + 8];
	uint64_t session;

	describe("rtsp://10.1.18.27/news", "");
	read_token("/news");
	session = token.session;
	snprintf(good, sizeof(good), "%s", strchr(location, '?') + 1);
	rq.client = literal("192.0.2.1:6666");
	memcpy(bad, good, sizeof(bad));
	bad[20] = bad[20] == 'A' ? 'B' : 'A';
	ck_assert_uint_ne(asked_with(bad), session);
	ck_assert_uint_ne(asked_with("nc="), session);
	ck_assert_uint_ne(asked_with("nc"), session);
	rq.wall += 60 + 10 + 3600 + 1;
	ck_assert_uint_ne(asked_with(good), session);
	/* Another channel's. */
	rq.wall = NOW;
	describe("rtsp://10.1.18.27/sports", "");
	snprintf(good, sizeof(good), "%s", strchr(location, '?') + 1);
	read_token("/sports");
	session = token.session;
	ck_assert_uint_ne(asked_with(good), session);
}
END_TEST

START_TEST(test_bound_token_resumes_for_its_own_client_only)
{
	char query[TOKEN_TEXT + 8];
	uint64_t session;

	snap->tokens.bind = true;
	describe("rtsp://10.1.18.27/news", "");
	read_token("/news");
	ck_assert(token.bound);
	session = token.session;
	snprintf(query, sizeof(query), "%s", strchr(location, '?') + 1);
	rq.client = literal("192.0.2.2:5555");
	ck_assert_uint_ne(asked_with(query), session);
	rq.client = literal("192.0.2.1:7777");
	describe(location, "");
	read_token("/news");
}
END_TEST

/* Row B4: it matters to no client which ARN its packets reach. */
START_TEST(test_two_arns_give_the_same_token)
{
	char first[REDIRECT_MAX];

	describe("rtsp://10.1.18.27/news", "");
	memcpy(first, location, sizeof(first));
	describe("rtsp://10.1.18.27/news", "");
	ck_assert_str_eq(location, first);
	rq.wall++;
	describe("rtsp://10.1.18.27/news", "");
	ck_assert_str_ne(location, first);
	ck_assert_uint_eq(strlen(location), strlen(first));
}
END_TEST

/* ---- circles ---- */

/* Follows what it is told, always to an ARN; how often, until it is refused; 0: for ever. */
static int rounds(enum text_proto port, const char *start, bool to_node)
{
	char url[REDIRECT_MAX];

	snprintf(url, sizeof(url), "%s", start);
	for (int n = 1; n < 50; n++) {
		int status;

		rq.client.in.sin_port++;
		if (port == TEXT_RTSP) {
			status = describe(url, "");
		} else {
			struct url u;
			char host[128];

			ck_assert_int_eq(url_parse(&u, slice_of(url)), 0);
			snprintf(host, sizeof(host), SLICE_FMT, SLICE_ARG(u.host));
			status = get(u.path.p, host);
		}
		if (status >= 400) {
			ck_assert_int_eq(status, port == TEXT_RTSP ? 482 : 508);
			ck_assert(rs.looped && !rs.node);
			return n;
		}
		if (to_node)
			snprintf(url, sizeof(url), "%s", location);
		else
			snprintf(url, sizeof(url), "%s://10.1.18.27/news%s",
				port == TEXT_RTSP ? "rtsp" : "http", strchr(location, '?'));
	}
	return 0;
}

START_TEST(test_circle_through_a_node_that_sends_back_ends)
{
	ck_assert_int_eq(rounds(TEXT_RTSP, "rtsp://10.1.18.27/news", false), PASS_HOPS + 1);
	ck_assert_int_eq(rounds(TEXT_HTTP, "http://10.1.18.27/news", false), PASS_HOPS + 1);
}
END_TEST

START_TEST(test_circle_of_packets_for_a_node_that_end_here_ends)
{
	ck_assert_int_ge(rounds(TEXT_RTSP, "rtsp://10.1.18.27/news", true), 2);
	ck_assert_int_ge(rounds(TEXT_HTTP, "http://10.1.18.27/news", true), 2);
	/* As many as the client's own patience allows: 10 is the least that is known. */
	ck_assert_int_le(rounds(TEXT_RTSP, "rtsp://10.1.18.27/news", true), 9);
	ck_assert_int_le(rounds(TEXT_HTTP, "http://10.1.18.27/news", true), 9);
}
END_TEST

START_TEST(test_ordinary_request_carries_nothing_without_tokens)
{
	describe("rtsp://10.1.18.27/news?a", "");
	ck_assert_str_eq(location, "rtsp://10.2.0.6/news?a");
	describe("rtsp://live.example.net/news", "");
	ck_assert_str_eq(location, "rtsp://10.2.0.6/news");
	get("/news?", "10.1.18.27");
	ck_assert_str_eq(location, "http://10.2.0.6/news?");
	/* A query of the client's own that only looks like ours. */
	get("/news?nc=123&b", "10.1.18.27");
	ck_assert_str_eq(location, "http://10.2.0.6/news?nc=123&b");
}
END_TEST

START_TEST(test_request_that_names_a_node_and_comes_first_is_marked)
{
	describe("rtsp://10.2.0.6/news?a", "");
	ck_assert_str_eq(location, "rtsp://10.2.0.6/news?a&nc=h1");
	describe("rtsp://10.2.0.6:554/news?a&nc=h1", "");
	ck_assert_str_eq(location, "rtsp://10.2.0.6/news?a&nc=h2");
	get("/x", "10.2.0.6:80");
	ck_assert_str_eq(location, "http://10.2.0.6/x?nc=h1");
	get("http://10.2.0.6/x", "10.1.18.27"); /* RFC 9112, 3.2.2: the URL counts */
	ck_assert_str_eq(location, "http://10.2.0.6/x?nc=h1");
	get("http://10.1.18.27/x", "10.2.0.6");
	ck_assert_str_eq(location, "http://10.2.0.6/x");
	add_node("sn6", "2001:db8::6", 554, 8080);
	get("/x", "[2001:db8:0::6]:8080");
	ck_assert_ptr_nonnull(strstr(location, "?nc=h1"));
}
END_TEST

/* What GStreamer does after a redirection of OPTIONS. */
START_TEST(test_request_for_the_node_over_the_old_connection_is_no_circle)
{
	rq.first = false;
	for (int i = 0; i < 20; i++) {
		describe("rtsp://10.2.0.6/news", "");
		ck_assert_str_eq(location, "rtsp://10.2.0.6/news");
	}
}
END_TEST

START_TEST(test_no_false_alarm)
{
	static const char *const hosts[] = {"10.2.0.6:8080", /* another service of that host */
		"10.2.0.66", "sn806", "10.1.18.27:80", "[2001:db8::6]", "", "a:b:c", "10.2.0.6:0"};
	char url[128];

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		for (int k = 0; k < 20; k++) {
			ck_assert_msg(get("/x", hosts[i]) == 302, "%s", hosts[i]);
			ck_assert_msg(!strchr(location, '?'), "%s", hosts[i]);
		}
	/* Failing over, again and again, in a moment. */
	snprintf(url, sizeof(url), "rtsp://10.1.18.27/news");
	for (int k = 0; k < 20; k++)
		ck_assert_int_eq(describe(url, "Nearcast-Avoid: 10.2.0.6\r\n"), 302);
}
END_TEST

START_TEST(test_no_false_alarm_with_tokens)
{
	char url[REDIRECT_MAX];

	/* It fails over, again and again, with the token that it has. */
	describe("rtsp://10.1.18.27/news", "");
	for (int k = 0; k < 20; k++) {
		snprintf(url, sizeof(url), "%s", location);
		ck_assert_int_eq(describe(url, "Nearcast-Avoid: 10.2.0.6\r\n"), 302);
		read_token("/news");
		ck_assert_uint_eq(token.hops, 1);
	}
	/* It asks again now and then, without naming anybody. */
	for (int k = 0; k < 20; k++) {
		rq.wall += PASS_WINDOW + 10 + 1;
		snprintf(url, sizeof(url), "%s", location);
		ck_assert_int_eq(describe(url, ""), 302);
		read_token("/news");
		ck_assert_uint_eq(token.hops, 1);
	}
	/* Redirections in a row through a few ARNs are in order. */
	for (int k = 1; k < PASS_HOPS; k++) {
		snprintf(url, sizeof(url), "%s", location);
		ck_assert_int_eq(describe(url, ""), 302);
	}
	read_token("/news");
	ck_assert_uint_eq(token.hops, PASS_HOPS);
}
END_TEST

START_TEST(test_hops_count_whatever_path_the_circle_takes)
{
	char url[REDIRECT_MAX];
	int status = 0;

	describe("rtsp://10.1.18.27/news", "");
	for (int k = 0; k < PASS_HOPS; k++) {
		snprintf(url, sizeof(url), "rtsp://10.1.18.27/news/%d%s", k, strchr(location, '?'));
		status = describe(url, "");
	}
	ck_assert_int_eq(status, 482);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pass");
	TCase *t = tcase_create("tokens");

	tcase_add_checked_fixture(t, with_tokens, teardown);
	tcase_add_test(t, test_redirection_carries_a_token_for_this_channel);
	tcase_add_test(t, test_clients_own_query_is_kept_before_the_token);
	tcase_add_test(t, test_old_token_is_replaced_not_doubled);
	tcase_add_test(t, test_longest_target_with_a_token_fits);
	tcase_add_test(t, test_session_keeps_its_identity_when_its_client_asks_again);
	tcase_add_test(t, test_session_is_not_resumed_with_what_is_no_token_of_it);
	tcase_add_test(t, test_bound_token_resumes_for_its_own_client_only);
	tcase_add_test(t, test_two_arns_give_the_same_token);
	tcase_add_test(t, test_circle_through_a_node_that_sends_back_ends);
	tcase_add_test(t, test_circle_of_packets_for_a_node_that_end_here_ends);
	tcase_add_test(t, test_no_false_alarm_with_tokens);
	tcase_add_test(t, test_hops_count_whatever_path_the_circle_takes);
	suite_add_tcase(s, t);
	t = tcase_create("without tokens");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_ordinary_request_carries_nothing_without_tokens);
	tcase_add_test(t, test_request_that_names_a_node_and_comes_first_is_marked);
	tcase_add_test(t, test_request_for_the_node_over_the_old_connection_is_no_circle);
	tcase_add_test(t, test_circle_of_packets_for_a_node_that_end_here_ends);
	tcase_add_test(t, test_no_false_alarm);
	suite_add_tcase(s, t);
	return run_suite(s);
}
