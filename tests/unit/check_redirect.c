/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the anycast address answers, word for word. Each test is one exchange: ask() gives a request
 * to redirect_answer() and leaves the answer in `rs`; told() is the value of one of its headers.
 */
#include "arn/redirect.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define MAX_NODES 4

static struct snapshot *snap;
static struct redirect_response rs;
static bool final;            /* the requests have waited for what they want */
static struct text_msg reply; /* `rs` read back by the same grammar */

static struct announce *add_node(const char *id, const char *address)
{
	struct announce *n = &snap->node[snap->nodes++].said;

	ck_assert_int_le(snap->nodes, MAX_NODES);
	*n = (struct announce){.role = ROLE_SN,
		.addr = literal(address),
		.rtsp_port = 554,
		.http_port = 80,
		.healthy = true,
		.weight = 100};
	snprintf(n->id, sizeof(n->id), "%s", id);
	return n;
}

static void setup(void)
{
	snap = snapshot_new(MAX_NODES);
	ck_assert_ptr_nonnull(snap);
	snap->retry_after = 7;
	final = false;
}

static void teardown(void)
{
	snapshot_unref(snap);
}

static int ask_bytes(enum text_proto port, const char *client, struct slice bytes)
{
	struct redirect_request rq = {.bytes = bytes,
		.port = port,
		.client = literal(client),
		.local = literal("10.1.18.27"),
		.final = final};

	redirect_answer(&rq, snap, &rs);
	if (!rs.consumed || !rs.status)
		return 0;
	/* Every answer is one whole message, and nothing comes after it. */
	ck_assert_int_eq(text_parse(&reply, rs.text, rs.len, 0), (ssize_t)rs.len);
	ck_assert(reply.response);
	ck_assert_int_eq(reply.status, rs.status);
	ck_assert_int_eq(reply.proto, rs.proto);
	return rs.status;
}

static int ask(enum text_proto port, const char *request)
{
	return ask_bytes(port, "192.0.2.1", slice_of(request));
}

static const char *told(const char *name)
{
	static char value[8192];

	return slice_copy(text_header(&reply, name), value, sizeof(value)) < 0 ? "?" : value;
}

/* ---- sender attachment (figure 9) ---- */

#define ATTACH_TO(query) "GET /.nearcast/attach" query " HTTP/1.1\r\nHost: 10.1.18.27\r\n\r\n"

static struct announce *add_neighbour(const char *id, const char *address, unsigned sessions)
{
	struct announce *n = add_node(id, address);

	n->control_port = 7702;
	n->attaches = true;
	n->sessions = sessions;
	n->max_sessions = 1000;
	return n;
}

static bool named(const char *node)
{
	char body[128];

	snprintf(body, sizeof(body), "\"node\": \"%s\"", node);
	return rs.node && memmem(reply.body.p, reply.body.n, body, strlen(body));
}

START_TEST(test_a_sources_node_is_told_the_most_available_one)
{
	struct announce *n;

	add_neighbour("sn806", "10.2.0.6", 500);
	n = add_neighbour("sn810", "10.2.0.10", 100);
	add_node("sn812", "10.2.0.12"); /* takes no attachments, though it has nothing to do */
	ck_assert_int_eq(ask(TEXT_HTTP, ATTACH_TO("")), 200);
	ck_assert(named("sn810") && rs.close);
	ck_assert_str_eq(told("Content-Type"), "application/json");
	ck_assert_str_eq(told("Cache-Control"), "no-store");
	ck_assert(slice_eq(
		reply.body, SLICE("{\"node\": \"sn810\", \"control\": \"10.2.0.10:7702\"}\n")));
	ck_assert_uint_eq(rs.need.sessions, 0);
	n->draining = true;
	ck_assert_int_eq(ask(TEXT_HTTP, ATTACH_TO("")), 200);
	ck_assert(named("sn806"));
}
END_TEST

START_TEST(test_a_sources_node_is_told_another_one_than_it_avoids_if_there_is_one)
{
	add_neighbour("sn806", "10.2.0.6", 500);
	add_neighbour("sn810", "10.2.0.10", 100);
	ck_assert_int_eq(ask(TEXT_HTTP, ATTACH_TO("?avoid=sn810")), 200);
	ck_assert(named("sn806"));
	ck_assert_int_eq(ask(TEXT_HTTP, ATTACH_TO("?avoid=sn806,10.2.0.10")), 200);
	ck_assert(named("sn810"));
}
END_TEST

START_TEST(test_a_sources_node_waits_when_nobody_takes_attachments)
{
	add_node("sn812", "10.2.0.12");
	ck_assert_int_eq(ask(TEXT_HTTP, ATTACH_TO("")), 503);
	ck_assert_str_eq(told("Retry-After"), "7");
	add_neighbour("sn806", "10.2.0.6", 0)->sessions = 1000;
	ck_assert_int_eq(ask(TEXT_HTTP, ATTACH_TO("")), 503);
	ck_assert_int_eq(ask(TEXT_HTTP, "POST /.nearcast/attach HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
}
END_TEST

/* ---- RTSP ---- */

START_TEST(test_describe_is_sent_to_a_node_with_path_and_query_kept)
{
	static const char want[] = "RTSP/1.0 302 Moved Temporarily\r\n"
				   "CSeq: 2\r\n"
				   "Location: rtsp://10.2.0.6/news/today?lang=en&hd\r\n"
				   "Content-Length: 0\r\n"
				   "\r\n";

	add_node("sn806", "10.2.0.6");
	ask(TEXT_RTSP, "DESCRIBE rtsp://10.1.18.27/news/today?lang=en&hd RTSP/1.0\r\n"
		       "CSeq: 2\r\nAccept: application/sdp\r\nUser-Agent: Lavf59\r\n\r\n");
	ck_assert_uint_eq(rs.len, sizeof(want) - 1);
	ck_assert_mem_eq(rs.text, want, rs.len);
	ck_assert(!rs.close);
	ck_assert_str_eq(rs.node->said.id, "sn806");
}
END_TEST

START_TEST(test_options_setup_and_announce_are_redirected_too)
{
	static const char *const methods[] = {"OPTIONS", "DESCRIBE", "SETUP", "ANNOUNCE"};

	add_node("sn806", "10.2.0.6");
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		char rq[128];

		snprintf(rq, sizeof(rq), "%s rtsp://10.1.18.27:554/a RTSP/1.0\r\nCSeq: 1\r\n\r\n",
			methods[i]);
		ck_assert_int_eq(ask(TEXT_RTSP, rq), 302);
		ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6/a");
		ck_assert(!rs.close);
	}
}
END_TEST

START_TEST(test_host_that_is_named_is_irrelevant)
{
	/* GStreamer asks for the new URL on the old connection. */
	add_node("sn806", "10.2.0.6");
	ck_assert_int_eq(
		ask(TEXT_RTSP, "DESCRIBE rtsp://10.2.0.6/a RTSP/1.0\r\nCSeq: 3\r\n\r\n"), 302);
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6/a");
	ck_assert_str_eq(told("CSeq"), "3");
}
END_TEST

START_TEST(test_url_without_a_path_gets_the_root)
{
	add_node("sn806", "10.2.0.6");
	ask(TEXT_RTSP, "DESCRIBE rtsp://10.1.18.27 RTSP/1.0\r\nCSeq: 1\r\n\r\n");
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6/");
	ask(TEXT_RTSP, "DESCRIBE rtsp://10.1.18.27?x RTSP/1.0\r\nCSeq: 1\r\n\r\n");
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6/?x");
}
END_TEST

START_TEST(test_port_is_named_when_it_is_not_the_usual_one)
{
	struct announce *n = add_node("sn806", "10.2.0.6");

	n->rtsp_port = 8554;
	n->http_port = 8080;
	ask(TEXT_RTSP, "DESCRIBE rtsp://10.1.18.27/a RTSP/1.0\r\nCSeq: 1\r\n\r\n");
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6:8554/a");
	ask(TEXT_HTTP, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_str_eq(told("Location"), "http://10.2.0.6:8080/a");
}
END_TEST

START_TEST(test_ipv6_node_is_written_in_brackets)
{
	add_node("sn6", "2001:db8::6");
	ask_bytes(TEXT_RTSP, "2001:db8:ffff::1",
		SLICE("DESCRIBE rtsp://[2001:db8:18::27]/a RTSP/1.0\r\nCSeq: 1\r\n\r\n"));
	ck_assert_str_eq(told("Location"), "rtsp://[2001:db8::6]/a");
}
END_TEST

START_TEST(test_options_of_the_server_itself_is_answered_here)
{
	add_node("sn806", "10.2.0.6");
	ck_assert_int_eq(ask(TEXT_RTSP, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 200);
	ck_assert_str_eq(told("Public"), "OPTIONS, DESCRIBE, ANNOUNCE, SETUP");
	ck_assert_int_eq(ask(TEXT_RTSP, "DESCRIBE * RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 400);
	ck_assert_int_eq(ask(TEXT_HTTP, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 204);
	ck_assert_int_eq(ask(TEXT_HTTP, "GET * HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}
END_TEST

START_TEST(test_requests_of_a_session_find_none)
{
	add_node("sn806", "10.2.0.6");
	ck_assert_int_eq(ask(TEXT_RTSP, "PLAY rtsp://10.1.18.27/a RTSP/1.0\r\n"
					"CSeq: 4\r\nSession: 1\r\n\r\n"),
		454);
	ck_assert_str_eq(told("CSeq"), "4");
	ck_assert(!rs.close);
}
END_TEST

START_TEST(test_unknown_rtsp_method_is_refused_with_what_is_allowed)
{
	add_node("sn806", "10.2.0.6");
	ck_assert_int_eq(ask(TEXT_RTSP, "REDIRECT rtsp://a/ RTSP/1.0\r\nCSeq: 4\r\n\r\n"), 405);
	ck_assert_str_eq(told("Allow"), "OPTIONS, DESCRIBE, ANNOUNCE, SETUP");
	ck_assert_int_eq(ask(TEXT_RTSP, "describe rtsp://a/ RTSP/1.0\r\nCSeq: 4\r\n\r\n"), 405);
}
END_TEST

START_TEST(test_rtsp_request_without_a_number_is_refused)
{
	static const char *const bad[] = {"", "CSeq: \r\n", "CSeq: -1\r\n", "CSeq: 1 2\r\n",
		"CSeq: 99999999999\r\n", "CSeq: x\r\n"};

	add_node("sn806", "10.2.0.6");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char rq[128];

		snprintf(rq, sizeof(rq), "DESCRIBE rtsp://a/ RTSP/1.0\r\n%s\r\n", bad[i]);
		ck_assert_int_eq(ask(TEXT_RTSP, rq), 400);
		ck_assert_ptr_null(text_header(&reply, "CSeq").p);
	}
}
END_TEST

START_TEST(test_rtsp_connection_closes_when_the_client_wants_it)
{
	add_node("sn806", "10.2.0.6");
	ask(TEXT_RTSP, "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\nConnection: close\r\n\r\n");
	ck_assert(rs.close);
	ck_assert_str_eq(told("Connection"), "close");
}
END_TEST

/* ---- HTTP ---- */

START_TEST(test_get_is_sent_to_a_node_and_the_connection_ends)
{
	static const char want[] = "HTTP/1.1 302 Found\r\n"
				   "Location: http://10.2.0.6/a/b.ts?t=1\r\n"
				   "Cache-Control: no-store\r\n"
				   "Content-Length: 0\r\n"
				   "Connection: close\r\n"
				   "\r\n";

	add_node("sn806", "10.2.0.6");
	ask(TEXT_HTTP, "GET /a/b.ts?t=1 HTTP/1.1\r\nHost: 10.1.18.27\r\n\r\n");
	ck_assert_uint_eq(rs.len, sizeof(want) - 1);
	ck_assert_mem_eq(rs.text, want, rs.len);
	ck_assert(rs.close);
}
END_TEST

START_TEST(test_only_get_and_head_may_change_their_method)
{
	static const struct {
		const char *method;
		int status;
	} table[] = {{"GET", 302}, {"HEAD", 302}, {"POST", 307}, {"PUT", 307}, {"DELETE", 307},
		{"PATCH", 307}, {"OPTIONS", 307}, {"PROPFIND", 307}, {"TRACE", 405},
		{"CONNECT", 405}};

	add_node("sn806", "10.2.0.6");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char rq[128];

		snprintf(rq, sizeof(rq), "%s /x HTTP/1.1\r\nHost: h\r\n\r\n", table[i].method);
		ck_assert_int_eq(ask(TEXT_HTTP, rq), table[i].status);
	}
}
END_TEST

START_TEST(test_absolute_url_counts_as_its_path)
{
	add_node("sn806", "10.2.0.6");
	ck_assert_int_eq(ask(TEXT_HTTP, "GET http://any.example:81/x?y HTTP/1.1\r\n"
					"Host: any.example\r\n\r\n"),
		302);
	ck_assert_str_eq(told("Location"), "http://10.2.0.6/x?y");
}
END_TEST

START_TEST(test_http_needs_one_host_header_except_in_version_1_0)
{
	add_node("sn806", "10.2.0.6");
	ck_assert_int_eq(ask(TEXT_HTTP, "GET / HTTP/1.1\r\n\r\n"), 400);
	ck_assert_int_eq(ask(TEXT_HTTP, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
	ck_assert_int_eq(ask(TEXT_HTTP, "GET / HTTP/1.0\r\n\r\n"), 302);
}
END_TEST

/* ---- which node ---- */

START_TEST(test_node_that_failed_the_client_is_avoided_by_address_or_name)
{
	add_node("sn806", "10.2.0.6");
	add_node("sn810", "10.2.0.10");
	ask(TEXT_RTSP,
		"DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\nNearcast-Avoid: 10.2.0.6\r\n\r\n");
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.10/b");
	ask(TEXT_RTSP, "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\nNearcast-Avoid: sn810\r\n\r\n");
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6/b");
}
END_TEST

/* C4: what is said of the nodes that are known goes to the health of the nodes, and nothing else. */
START_TEST(test_accused_nodes_are_reported_whatever_the_answer_is)
{
	add_node("sn806", "10.2.0.6");
	add_node("sn810", "10.2.0.10");
	ask(TEXT_RTSP, "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n");
	ck_assert_int_eq(rs.accusations, 0);
	ask(TEXT_RTSP, "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n"
		       "Nearcast-Avoid: 10.2.0.99, 10.2.0.10, sn810, nobody\r\n\r\n");
	ck_assert_int_eq(rs.accusations, 1);
	ck_assert_str_eq(rs.accused[0]->said.id, "sn810");
	add_node("sn806", "10.2.0.6")->rtsp_port = 0;
	ask(TEXT_RTSP, "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n"
		       "Nearcast-Avoid: sn806, sn810\r\n\r\n");
	ck_assert_int_ge(rs.accusations, 2);
	ask(TEXT_RTSP, "PLAY rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\nNearcast-Avoid: sn806\r\n\r\n");
	ck_assert_int_eq(rs.accusations, 0);
}
END_TEST

START_TEST(test_avoided_node_is_used_when_nothing_else_is_left)
{
	add_node("sn806", "10.2.0.6");
	add_node("sn810", "10.2.0.10")->draining = true;
	ck_assert_int_eq(ask(TEXT_RTSP, "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n"
					"Nearcast-Avoid: x, 10.2.0.6 ,\r\n\r\n"),
		302);
	ck_assert_str_eq(rs.node->said.id, "sn806");
}
END_TEST

START_TEST(test_no_node_means_come_back_later)
{
	ck_assert_int_eq(ask(TEXT_HTTP, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 503);
	ck_assert_str_eq(told("Retry-After"), "7");
	ck_assert_int_eq(ask(TEXT_RTSP, "DESCRIBE rtsp://a/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 503);
	ck_assert_str_eq(told("Retry-After"), "7");
	ck_assert_str_eq(told("CSeq"), "1");
	ck_assert(!rs.close);
}
END_TEST

START_TEST(test_node_without_the_service_is_not_named)
{
	add_node("sn806", "10.2.0.6")->http_port = 0;
	ck_assert_int_eq(ask(TEXT_HTTP, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 503);
	ck_assert_int_eq(ask(TEXT_RTSP, "DESCRIBE rtsp://a/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 302);
}
END_TEST

/* ---- bad input ---- */

START_TEST(test_no_request_can_put_a_line_into_an_answer)
{
	static const char *const attempts[] = {
		"DESCRIBE rtsp://a/x\rSet-Cookie:y RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"DESCRIBE rtsp://a/x\nSet-Cookie:y RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"DESCRIBE rtsp://a/x%0d%0aSet-Cookie:y RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"DESCRIBE rtsp://a/x\r\n\tSet-Cookie:y RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"DESCRIBE rtsp://a/ RTSP/1.0\r\nCSeq: 1\rSet-Cookie: y\r\n\r\n",
		"DESCRIBE rtsp://a/ RTSP/1.0\r\nCSeq: 1\nSet-Cookie: y\r\n\r\n",
	};

	add_node("sn806", "10.2.0.6");
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		ck_assert_int_ge(ask(TEXT_RTSP, attempts[i]), 302);
		ck_assert_ptr_null(text_header(&reply, "Set-Cookie").p);
		ck_assert_int_le(reply.headers, 4);
	}
}
END_TEST

START_TEST(test_what_is_no_url_for_this_port_is_refused)
{
	static const char *const bad[] = {"rtsp://", "rtsp:///x", "http://a/x", "a/x",
		"rtsp://a/#f", "rtsp://u:p@a/", "rtsp://a:99999/", "rtsps://a/x"};

	add_node("sn806", "10.2.0.6");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char rq[128];

		snprintf(rq, sizeof(rq), "DESCRIBE %s RTSP/1.0\r\nCSeq: 1\r\n\r\n", bad[i]);
		ck_assert_msg(ask(TEXT_RTSP, rq) == 400, "%s: %d", bad[i], rs.status);
		ck_assert_ptr_null(rs.node);
	}
}
END_TEST

static int ask_long(enum text_proto port, const char *before, size_t n, const char *after)
{
	static char rq[TEXT_MAX_HEAD + 4096];
	size_t len = strlen(before);

	ck_assert_uint_lt(len + n + strlen(after), sizeof(rq));
	memcpy(rq, before, len);
	memset(rq + len, 'a', n);
	strcpy(rq + len + n, after);
	return ask(port, rq);
}

START_TEST(test_url_is_kept_up_to_its_bound_and_refused_past_it)
{
	static const char tail[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
	size_t most = REDIRECT_MAX_TARGET - 2; /* and the slash: one below the bound */

	add_node("sn-with-a-long-name", "10.2.0.6")->http_port = 65535;
	ck_assert_int_eq(ask_long(TEXT_HTTP, "GET /", most, tail), 302);
	ck_assert_uint_eq(strlen(told("Location")), strlen("http://10.2.0.6:65535/") + most);
	ck_assert_int_eq(ask_long(TEXT_HTTP, "GET /", most + 1, tail), 414);
	/* Longer than any head: it never ends. */
	ck_assert_int_eq(ask_long(TEXT_HTTP, "GET /", TEXT_MAX_HEAD, ""), 414);
	ck_assert(rs.close);
}
END_TEST

START_TEST(test_longest_answer_fits)
{
	add_node("n", "1111:2222:3333:4444:5555:6666:7777:8888")->rtsp_port = 65535;
	ck_assert_int_eq(ask_long(TEXT_RTSP, "DESCRIBE rtsp://a/", REDIRECT_MAX_TARGET - 2,
				 " RTSP/1.0\r\nCSeq: 4294967295\r\nConnection: close\r\n\r\n"),
		302);
}
END_TEST

START_TEST(test_what_cannot_be_read_is_refused_and_the_connection_ends)
{
	static const struct {
		enum text_proto port;
		const char *bytes;
		int status;
	} table[] = {
		{TEXT_HTTP, "\x16\x03\x01\x02", 400}, /* TLS */
		{TEXT_HTTP, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
		{TEXT_HTTP, "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
		{TEXT_HTTP, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411},
		{TEXT_HTTP, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413},
		{TEXT_HTTP, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400},
		{TEXT_HTTP, "OPTIONS rtsp://a/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", 400},
		{TEXT_RTSP, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{TEXT_RTSP, "DESCRIBE rtsp://a/ RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505},
		{TEXT_RTSP, "$\x01\x00\x04pack", 400},
		{TEXT_RTSP, "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", 400},
	};

	add_node("sn806", "10.2.0.6");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		ck_assert_msg(ask(table[i].port, table[i].bytes) == table[i].status, "%s: %d",
			table[i].bytes, rs.status);
		ck_assert(rs.close);
		ck_assert_ptr_null(rs.node);
		ck_assert_ptr_nonnull(rs.why);
	}
}
END_TEST

START_TEST(test_too_many_headers_are_refused)
{
	static char rq[TEXT_MAX_HEAD];
	int n = snprintf(rq, sizeof(rq), "GET / HTTP/1.1\r\nHost: a\r\n");

	add_node("sn806", "10.2.0.6");
	for (int i = 0; i < TEXT_MAX_HEADERS; i++)
		n += snprintf(rq + n, sizeof(rq) - (size_t)n, "X: %d\r\n", i);
	ck_assert_int_eq(ask(TEXT_HTTP, rq), 431);
}
END_TEST

START_TEST(test_request_in_pieces_is_answered_when_it_is_whole)
{
	static const char rq[] = "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 9\r\n\r\n";
	struct redirect_request r = {.port = TEXT_RTSP, .client = literal("192.0.2.1")};

	add_node("sn806", "10.2.0.6");
	for (size_t n = 1; n < sizeof(rq) - 1; n++) {
		r.bytes = (struct slice){rq, n};
		redirect_answer(&r, snap, &rs);
		ck_assert_uint_eq(rs.consumed, 0);
		r.seen = n;
	}
	r.bytes = (struct slice){rq, sizeof(rq) - 1};
	redirect_answer(&r, snap, &rs);
	ck_assert_uint_eq(rs.consumed, sizeof(rq) - 1);
	ck_assert_int_eq(rs.status, 302);
}
END_TEST

START_TEST(test_pipelined_requests_are_answered_one_by_one)
{
	static const char first[] = "OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n";
	static const char both[] = "OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n"
				   "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 2\r\n\r\n";

	add_node("sn806", "10.2.0.6");
	ck_assert_int_eq(ask(TEXT_RTSP, both), 302);
	ck_assert_str_eq(told("CSeq"), "1");
	ck_assert_uint_eq(rs.consumed, sizeof(first) - 1);
	ck_assert_int_eq(ask(TEXT_RTSP, both + rs.consumed), 302);
	ck_assert_str_eq(told("CSeq"), "2");
}
END_TEST

START_TEST(test_same_request_gets_the_same_bytes_whatever_came_before)
{
	static const char rq[] = "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 9\r\n\r\n";
	char before[REDIRECT_MAX];
	size_t len;

	add_node("sn806", "10.2.0.6");
	add_node("sn810", "10.2.0.10");
	ask(TEXT_RTSP, rq);
	len = rs.len;
	memcpy(before, rs.text, len);
	ask(TEXT_HTTP, "GET / HTTP/3.0\r\n\r\n");
	ask(TEXT_RTSP, "PLAY rtsp://a/b RTSP/1.0\r\nCSeq: 77\r\n\r\n");
	ask(TEXT_RTSP, rq);
	ck_assert_uint_eq(rs.len, len);
	ck_assert_mem_eq(rs.text, before, len);
}
END_TEST

/* ---- priming (row B6) ---- */

#define NEWS "DESCRIBE rtsp://10.1.18.27/news?hd RTSP/1.0\r\nCSeq: 2\r\n\r\n"

static struct announce *add_primed_node(const char *id, const char *address)
{
	struct announce *n = add_node(id, address);

	n->control_port = 7702;
	n->primes = SERVICE_RTSP;
	n->generation = 5;
	snap->prime = SERVICE_RTSP;
	return n;
}

/* The ARN has learnt that this node has that port (0: that it refuses) for RTSP at 10.1.18.27. */
static void prime(const char *node, uint64_t generation, uint16_t port)
{
	struct primed *p = primed_new(1);

	ck_assert_ptr_nonnull(p);
	p->n = 1;
	snprintf(p->port[0].node, sizeof(p->port[0].node), "%s", node);
	p->port[0].generation = generation;
	p->port[0].port = port;
	p->port[0].state =
		(struct prime_state){.service = SERVICE_RTSP, .anycast = literal("10.1.18.27")};
	primed_sort(p);
	primed_unref(snap->primed);
	snap->primed = p;
}

START_TEST(test_node_has_to_be_primed_before_a_client_is_sent_there)
{
	struct addr asked = literal("10.1.18.27");

	add_primed_node("sn806", "10.2.0.6");
	ask(TEXT_RTSP, NEWS);
	ck_assert_int_eq(rs.status, 0);
	ck_assert_uint_eq(rs.consumed, strlen(NEWS));
	ck_assert_int_eq(rs.want.what, WANT_PRIME);
	ck_assert_str_eq(rs.want.node, "sn806");
	ck_assert_uint_eq(rs.want.state.service, SERVICE_RTSP);
	ck_assert(addr_same_host(&rs.want.state.anycast, &asked));
	ck_assert_str_eq(rs.want.expect, "/news");
	ck_assert_int_eq(rs.want.way, 0);
	/* Of a node elsewhere the answer takes as long as the way. */
	snap->node[0].far = true;
	snap->node[0].rtt_us = 200000;
	ask(TEXT_RTSP, NEWS);
	ck_assert_int_eq(rs.status, 0);
	ck_assert_int_eq(rs.want.way, 200 * NS_MS);
}
END_TEST

START_TEST(test_client_is_sent_to_the_port_that_was_primed)
{
	add_primed_node("sn806", "10.2.0.6");
	prime("sn806", 5, 20007);
	ck_assert_int_eq(ask(TEXT_RTSP, NEWS), 302);
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6:20007/news?hd");
	ck_assert_ptr_eq(rs.primed, &snap->primed->port[0]);
}
END_TEST

START_TEST(test_node_is_told_what_a_client_is_about_to_ask_it_for)
{
	struct announce *n = add_primed_node("sn806", "10.2.0.6");

	prime("sn806", 5, 20007);
	ck_assert_int_eq(ask(TEXT_RTSP, NEWS), 302);
	ck_assert_int_eq(rs.want.what, WANT_PRIME);
	ck_assert_str_eq(rs.want.expect, "/news");
	/* It has the channel already. */
	n->channel[0] = announce_channel(SLICE("/news"));
	n->channels = 1;
	ck_assert_int_eq(ask(TEXT_RTSP, NEWS), 302);
	ck_assert_int_eq(rs.want.what, WANT_NOTHING);
}
END_TEST

START_TEST(test_request_that_waited_in_vain_is_sent_to_the_usual_port)
{
	add_primed_node("sn806", "10.2.0.6");
	final = true;
	ck_assert_int_eq(ask(TEXT_RTSP, NEWS), 302);
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6/news?hd");
	ck_assert_ptr_null(rs.primed);
}
END_TEST

START_TEST(test_node_that_refuses_to_be_primed_is_not_waited_for)
{
	add_primed_node("sn806", "10.2.0.6");
	prime("sn806", 5, 0);
	ck_assert_int_eq(ask(TEXT_RTSP, NEWS), 302);
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6/news?hd");
}
END_TEST

START_TEST(test_port_of_a_nodes_earlier_life_is_void)
{
	add_primed_node("sn806", "10.2.0.6");
	prime("sn806", 4, 20007);
	ask(TEXT_RTSP, NEWS);
	ck_assert_int_eq(rs.status, 0);
	ck_assert_int_eq(rs.want.what, WANT_PRIME);
}
END_TEST

START_TEST(test_who_need_not_be_primed_is_sent_on_at_once)
{
	struct announce *n = add_primed_node("sn806", "10.2.0.6");

	/* A publisher brings what no origin has. */
	ck_assert_int_eq(
		ask(TEXT_RTSP, "ANNOUNCE rtsp://10.1.18.27/a RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 302);
	/* The other service is not primed. */
	ck_assert_int_eq(ask(TEXT_HTTP, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 302);
	/* The node knows nothing of priming, or not for this service. */
	n->control_port = 0;
	ck_assert_int_eq(ask(TEXT_RTSP, NEWS), 302);
	n->control_port = 7702;
	n->primes = SERVICE_HTTP;
	ck_assert_int_eq(ask(TEXT_RTSP, NEWS), 302);
	ck_assert_str_eq(told("Location"), "rtsp://10.2.0.6/news?hd");
}
END_TEST

START_TEST(test_ports_are_each_anycast_addresss_own)
{
	struct redirect_request rq = {.bytes = slice_of(NEWS),
		.port = TEXT_RTSP,
		.client = literal("192.0.2.1"),
		.local = literal("10.1.18.28")};

	add_primed_node("sn806", "10.2.0.6");
	prime("sn806", 5, 20007);
	redirect_answer(&rq, snap, &rs);
	ck_assert_int_eq(rs.status, 0);
	ck_assert_int_eq(rs.want.what, WANT_PRIME);
}
END_TEST

/* ---- where the client is (row H9) ---- */

static struct region in_region(const char *prefix, const char *place)
{
	struct region r = {.prefix = {.len = 0}};

	ck_assert_int_eq(prefix_parse(&r.prefix, slice_of(prefix)), 0);
	snprintf(r.place, sizeof(r.place), "%s", place);
	return r;
}

#define GET_A "GET /a HTTP/1.1\r\nHost: 10.1.18.27\r\n\r\n"

START_TEST(test_a_client_is_redirected_to_the_nodes_of_its_region)
{
	struct region configured = in_region("198.51.100.0/24", "rome.italy"),
		      measured[] = {in_region("203.0.113.0/24", "rome.italy"),
			      in_region("198.51.100.0/24", "usa"), in_region("192.0.2.0/24", "")};
	struct slice get = slice_of(GET_A);
	struct addr client = literal("192.88.99.1");

	snprintf(add_node("home", "10.0.0.1")->place, PLACE_LEN, "sanjose.usa");
	snprintf(add_node("rome", "10.0.0.2")->place, PLACE_LEN, "rome.italy");
	snap->node[1].far = true;
	snap->regions = region_table_new(&configured, 1);
	ck_assert_int_eq(ask_bytes(TEXT_HTTP, "192.0.2.1", get), 302);
	ck_assert_str_eq(told("Location"), "http://10.0.0.1/a");
	ck_assert_int_eq(rs.want.what, WANT_NOTHING);
	ck_assert_int_eq(ask_bytes(TEXT_HTTP, "198.51.100.7", get), 302);
	ck_assert_str_eq(told("Location"), "http://10.0.0.2/a");
	/* What is measured is for those of whom nothing is configured. */
	snap->measured = region_table_new(measured, 3);
	ck_assert_int_eq(ask_bytes(TEXT_HTTP, "198.51.100.7", get), 302);
	ck_assert_str_eq(told("Location"), "http://10.0.0.2/a");
	ck_assert_int_eq(ask_bytes(TEXT_HTTP, "203.0.113.9", get), 302);
	ck_assert_str_eq(told("Location"), "http://10.0.0.2/a");
	ck_assert_int_eq(rs.want.what, WANT_NOTHING);
	/* It was tried, and nobody knows. */
	ck_assert_int_eq(ask_bytes(TEXT_HTTP, "192.0.2.1", get), 302);
	ck_assert_str_eq(told("Location"), "http://10.0.0.1/a");
	ck_assert_int_eq(rs.want.what, WANT_NOTHING);
	/* The first one of its network does not wait. */
	ck_assert_int_eq(ask_bytes(TEXT_HTTP, "192.88.99.1", get), 302);
	ck_assert_str_eq(told("Location"), "http://10.0.0.1/a");
	ck_assert_int_eq(rs.want.what, WANT_REGION);
	ck_assert(addr_same_host(&rs.want.state.anycast, &client));
}
END_TEST

static TCase *with(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	return t;
}

static Suite *redirect_suite(void)
{
	Suite *s = suite_create("redirect");
	TCase *t = with(s, "rtsp");

	tcase_add_test(t, test_describe_is_sent_to_a_node_with_path_and_query_kept);
	tcase_add_test(t, test_options_setup_and_announce_are_redirected_too);
	tcase_add_test(t, test_host_that_is_named_is_irrelevant);
	tcase_add_test(t, test_url_without_a_path_gets_the_root);
	tcase_add_test(t, test_port_is_named_when_it_is_not_the_usual_one);
	tcase_add_test(t, test_ipv6_node_is_written_in_brackets);
	tcase_add_test(t, test_options_of_the_server_itself_is_answered_here);
	tcase_add_test(t, test_requests_of_a_session_find_none);
	tcase_add_test(t, test_unknown_rtsp_method_is_refused_with_what_is_allowed);
	tcase_add_test(t, test_rtsp_request_without_a_number_is_refused);
	tcase_add_test(t, test_rtsp_connection_closes_when_the_client_wants_it);
	t = with(s, "http");
	tcase_add_test(t, test_get_is_sent_to_a_node_and_the_connection_ends);
	tcase_add_test(t, test_only_get_and_head_may_change_their_method);
	tcase_add_test(t, test_absolute_url_counts_as_its_path);
	tcase_add_test(t, test_http_needs_one_host_header_except_in_version_1_0);
	t = with(s, "node");
	tcase_add_test(t, test_node_that_failed_the_client_is_avoided_by_address_or_name);
	tcase_add_test(t, test_accused_nodes_are_reported_whatever_the_answer_is);
	tcase_add_test(t, test_avoided_node_is_used_when_nothing_else_is_left);
	tcase_add_test(t, test_no_node_means_come_back_later);
	tcase_add_test(t, test_node_without_the_service_is_not_named);
	tcase_add_test(t, test_a_client_is_redirected_to_the_nodes_of_its_region);
	t = with(s, "priming");
	tcase_add_test(t, test_node_has_to_be_primed_before_a_client_is_sent_there);
	tcase_add_test(t, test_client_is_sent_to_the_port_that_was_primed);
	tcase_add_test(t, test_node_is_told_what_a_client_is_about_to_ask_it_for);
	tcase_add_test(t, test_request_that_waited_in_vain_is_sent_to_the_usual_port);
	tcase_add_test(t, test_node_that_refuses_to_be_primed_is_not_waited_for);
	tcase_add_test(t, test_port_of_a_nodes_earlier_life_is_void);
	tcase_add_test(t, test_who_need_not_be_primed_is_sent_on_at_once);
	tcase_add_test(t, test_ports_are_each_anycast_addresss_own);
	t = with(s, "bad input");
	tcase_add_test(t, test_no_request_can_put_a_line_into_an_answer);
	tcase_add_test(t, test_what_is_no_url_for_this_port_is_refused);
	tcase_add_test(t, test_url_is_kept_up_to_its_bound_and_refused_past_it);
	tcase_add_test(t, test_longest_answer_fits);
	tcase_add_test(t, test_what_cannot_be_read_is_refused_and_the_connection_ends);
	tcase_add_test(t, test_a_sources_node_is_told_the_most_available_one);
	tcase_add_test(t, test_a_sources_node_is_told_another_one_than_it_avoids_if_there_is_one);
	tcase_add_test(t, test_a_sources_node_waits_when_nobody_takes_attachments);
	tcase_add_test(t, test_too_many_headers_are_refused);
	tcase_add_test(t, test_request_in_pieces_is_answered_when_it_is_whole);
	tcase_add_test(t, test_pipelined_requests_are_answered_one_by_one);
	tcase_add_test(t, test_same_request_gets_the_same_bytes_whatever_came_before);
	return s;
}

int main(void)
{
	return run_suite(redirect_suite());
}
