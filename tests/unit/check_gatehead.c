/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the HTTP gateway passes on of requests and answers, and what ends there. */
#include "client-failover/gatehead.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/run.h"

#define ORIGIN "http://acme.com:8080"
#define NODE   "http://10.2.0.6:8000/a?nc=AQ"
#define HOST   "Host: 127.0.0.1:9\r\n"

static struct gate_request g;
static struct text_msg msg;
static const char *why;

static int take(const char *text)
{
	ck_assert_int_gt(text_parse(&msg, text, strlen(text), 0), 0);
	return gate_take_request(&g, &msg, ORIGIN, &why);
}

static bool has(const char *text, const char *line)
{
	return strcasestr(text, line) != NULL;
}

START_TEST(test_request_is_for_the_same_at_the_anycast_host)
{
	ck_assert_int_eq(take("GET /hls/a.ts?x=%20&y HTTP/1.1\r\n" HOST "\r\n"), 0);
	ck_assert_str_eq(g.url, ORIGIN "/hls/a.ts?x=%20&y");
	ck_assert(g.keep && !g.to_head && !g.old);
	ck_assert_int_eq(take("HEAD " ORIGIN "/a HTTP/1.1\r\n" HOST "\r\n"), 0);
	ck_assert_str_eq(g.url, ORIGIN "/a");
	ck_assert(g.to_head);
	ck_assert_int_eq(take("GET / HTTP/1.0\r\n\r\n"), 0);
	ck_assert(g.old && !g.keep);
}
END_TEST

START_TEST(test_no_other_host_can_be_reached_and_nothing_be_changed)
{
	static const struct {
		const char *text;
		int status;
	} no[] = {{"GET http://evil.com:8080/ HTTP/1.1\r\n" HOST "\r\n", 421},
		{"GET http://acme.com/ HTTP/1.1\r\n" HOST "\r\n", 421}, /* another port */
		{"GET rtsp://acme.com:8080/ HTTP/1.1\r\n" HOST "\r\n", 421},
		{"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
		{"GET acme.com:443 HTTP/1.1\r\n" HOST "\r\n", 400},
		{"CONNECT acme.com:443 HTTP/1.1\r\n" HOST "\r\n", 405},
		{"POST / HTTP/1.1\r\n" HOST "\r\n", 405}, {"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
		{"OPTIONS rtsp://h/ RTSP/1.0\r\n\r\n", 400}};

	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
		ck_assert_int_eq(take(no[i].text), no[i].status);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

START_TEST(test_url_that_leaves_no_room_for_a_token_is_refused)
{
	static char text[7000];

	snprintf(text, sizeof text, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", FAILOVER_URL - 100, 0);
	ck_assert_int_eq(take(text), 414);
}
END_TEST

START_TEST(test_what_is_about_the_connection_ends_here)
{
	ck_assert_int_eq(
		take("GET / HTTP/1.1\r\n" HOST "Connection: close, X-Mine\r\nX-Mine: 1\r\n"
		     "Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Connection: x\r\n"
		     "Accept-Encoding: gzip\r\nNearcast-Avoid: 10.2.0.6\r\nExpect: 100-continue\r\n"
		     "Cookie: a=b\r\nAccept: video/*\r\n\r\n"),
		0);
	ck_assert(!g.keep);
	ck_assert_str_eq(g.headers, "Cookie: a=b\r\nAccept: video/*\r\nVia: 1.1 "
				    "nearcast\r\nAccept-Encoding: identity\r\n");
	ck_assert_uint_eq(g.headers_len, strlen(g.headers));
	ck_assert_str_eq(g.asked, "");
}
END_TEST

START_TEST(test_conditions_and_a_range_are_of_the_first_request_only)
{
	ck_assert_int_eq(
		take("GET / HTTP/1.1\r\n" HOST "Range: bytes=5-9\r\nIf-Range: \"v1\"\r\n\r\n"), 0);
	ck_assert_str_eq(g.asked, "Range: bytes=5-9\r\nIf-Range: \"v1\"\r\n");
	ck_assert(!has(g.headers, "Range"));
	take("GET / HTTP/1.1\r\n" HOST "If-None-Match: \"v1\"\r\n\r\n");
	ck_assert_str_eq(g.asked, "If-None-Match: \"v1\"\r\n");
	/* Of several ranges at once the whole is given. */
	take("GET / HTTP/1.1\r\n" HOST "Range: bytes=0-1,5-9\r\nIf-Range: \"v1\"\r\n\r\n");
	ck_assert_str_eq(g.asked, "");
	take("GET / HTTP/1.1\r\n" HOST "Range: lines=0-1\r\n\r\n");
	ck_assert_str_eq(g.asked, "");
}
END_TEST

static const char *answer(const char *head, int64_t length)
{
	static char mem[2048];
	struct object o;
	struct sbuf b;

	ck_assert_int_gt(text_parse_head(&msg, head, strlen(head), 0), 0);
	ck_assert_ptr_null(object_of(&o, &msg, length));
	sbuf_init(&b, mem, sizeof mem);
	gate_put_head(&b, &g, &msg, &o, ORIGIN, NODE);
	ck_assert(!b.full);
	return mem;
}

START_TEST(test_answer_is_framed_for_the_player)
{
	take("GET / HTTP/1.1\r\n" HOST "\r\n");
	ck_assert_str_eq(answer("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 5\r\n"
				"Connection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n\r\n",
				 5),
		"HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 5\r\n\r\n");
	ck_assert(has(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -1),
		"OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
	/* The length is known by its range, though the node sends chunks. */
	const char *part = answer("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/20\r\n"
				  "Transfer-Encoding: chunked\r\n\r\n",
		-1);
	ck_assert(has(part, "Content-Length: 5\r\n") && !has(part, "chunked"));
	take("GET / HTTP/1.0\r\n\r\n");
	part = answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -1);
	ck_assert(has(part, "Connection: close\r\n") && !has(part, "chunked"));
	take("HEAD / HTTP/1.1\r\n" HOST "\r\n");
	ck_assert(has(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0),
		"Content-Length: 5\r\n"));
}
END_TEST

START_TEST(test_redirection_within_the_host_leads_through_the_gateway_again)
{
	static const char *const cases[][2] = {{ORIGIN "/b?x", "/b?x"},
		{"http://10.2.0.6:8000/b", "/b"}, {"http://10.2.0.6:8000", "/"},
		{"http://10.2.0.6:8000?x", "/?x"}, {"/b", "/b"},
		{"http://10.2.0.6:80001/b", "http://10.2.0.6:80001/b"},
		{"http://other.com/b", "http://other.com/b"}};
	char head[256], want[256];

	take("GET / HTTP/1.1\r\n" HOST "\r\n");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(head, sizeof head, "HTTP/1.1 301 Moved\r\nLocation: %s\r\n\r\n",
			cases[i][0]);
		snprintf(want, sizeof want, "\r\nLocation: %s\r\n", cases[i][1]);
		ck_assert_msg(has(answer(head, 0), want), "%s", cases[i][0]);
	}
}
END_TEST

START_TEST(test_refusal_says_why)
{
	char mem[512];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof mem);
	gate_put_refusal(&b, 405, "only GET and HEAD", "", false);
	ck_assert(has(mem, "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n"));
	ck_assert(has(mem, "Content-Length: 18\r\nConnection: close\r\n\r\nonly GET and HEAD\n"));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("gatehead");

	tcase_add_test(t, test_request_is_for_the_same_at_the_anycast_host);
	tcase_add_test(t, test_no_other_host_can_be_reached_and_nothing_be_changed);
	tcase_add_test(t, test_url_that_leaves_no_room_for_a_token_is_refused);
	tcase_add_test(t, test_what_is_about_the_connection_ends_here);
	tcase_add_test(t, test_conditions_and_a_range_are_of_the_first_request_only);
	tcase_add_test(t, test_answer_is_framed_for_the_player);
	tcase_add_test(t, test_redirection_within_the_host_leads_through_the_gateway_again);
	tcase_add_test(t, test_refusal_says_why);
	return run_case("gatehead", t);
}
