/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HTTP and RTSP message parser. Every input is handed over in a block of exactly its size, so
 * that under AddressSanitizer one byte too far ends the test.
 */
#include "lib/text.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

static struct text_msg m;
static char *block; /* what m points into */

static ssize_t parse_n(const char *p, size_t n, size_t last)
{
	free(block);
	block = malloc(n ? n : 1);
	memcpy(block, p, n);
	return text_parse(&m, block, n, last);
}

static ssize_t parse(const char *z)
{
	return parse_n(z, strlen(z), 0);
}

static void teardown(void)
{
	free(block);
	block = NULL;
}

#define expect_slice(s, want)                                                                      \
	ck_assert_msg(                                                                             \
		slice_eq((s), slice_of(want)), "'" SLICE_FMT "', not '%s'", SLICE_ARG(s), want)

/* Valid messages, each whole; what of them is checked one by one below is only that which differs;
 * the properties hold for all. */
static const char *const valid[] = {
	"GET / HTTP/1.0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: acme.com\r\n\r\n",
	"GET http://acme.com/a?b=c HTTP/1.1\r\nHost: acme.com\r\nAccept: */*\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\n\r\n",
	"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
	"DESCRIBE rtsp://10.1.18.27/x?t=1 RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n",
	"ANNOUNCE rtsp://h/x RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 5\r\n\r\nv=0\r\n",
	"POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
	"POST /x HTTP/1.1\r\ncontent-length:\t3 \r\nX-Empty:\r\nContent-Length: 3\r\n\r\n\0\r\n",
	"\r\nGET / HTTP/1.1\r\n\r\n",
	"\n\r\n\nGET / HTTP/1.1\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"GET / HTTP/1.1\r\nHost: a\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\n",
	"HTTP/1.1 302 Found\r\nLocation: http://10.2.0.6/a\r\nContent-Length: 2\r\n\r\nhi",
	"RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 9999999\r\n\r\n",
	"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n",
	"RTSP/1.0 100 Continue\r\nContent-Length: 7\r\n\r\n",
	"RTSP/1.0 200\r\nCSeq: 1\r\n\r\n",
	"RTSP/1.0 599 \r\n\r\n",
	"RTSP/1.0 482 Loop Detected \xc3\xa4\tb\r\n\r\n",
	"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: !\x80\xff~ \t x\r\n\r\n",
	"GET /\xc3\xa4\"<>\\^`{|} HTTP/1.1\r\n\r\n",
	"A B RTSP/1.0\r\nC:D\r\n\r\n",
};
#define VALID ((int)(sizeof(valid) / sizeof(valid[0])))

/* The one valid message with a NUL in its body. */
static size_t valid_len(int i)
{
	return i == 8 ? strlen(valid[i]) + 3 : strlen(valid[i]);
}

static bool same_slice(struct slice a, const char *a0, struct slice b, const char *b0)
{
	return a.n == b.n && (a.p ? a.p - a0 == b.p - b0 : b.p == NULL);
}

static bool same(const struct text_msg *a, const char *a0, const struct text_msg *b, const char *b0)
{
	bool eq = a->response == b->response && a->proto == b->proto && a->major == b->major &&
	          a->minor == b->minor && a->status == b->status && a->headers == b->headers &&
	          same_slice(a->method, a0, b->method, b0) && same_slice(a->uri, a0, b->uri, b0) &&
	          same_slice(a->reason, a0, b->reason, b0) && same_slice(a->body, a0, b->body, b0);

	for (int i = 0; eq && i < a->headers; i++)
		eq = same_slice(a->header[i].name, a0, b->header[i].name, b0) &&
		     same_slice(a->header[i].value, a0, b->header[i].value, b0);
	return eq;
}

/* Whole at once; then one byte more at every call; then with a message behind it. */
START_TEST(test_message_in_pieces_is_the_message_at_once)
{
	size_t n = valid_len(_i);
	struct text_msg whole;
	char more[600];
	char *first;

	ck_assert_int_eq(parse_n(valid[_i], n, 0), (ssize_t)n);
	whole = m;
	first = block;
	block = NULL;
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(parse_n(valid[_i], i, i ? i - 1 : 0), 0);
		ck_assert_int_eq(parse_n(valid[_i], i, i), 0); /* nothing new */
		ck_assert_int_eq(parse_n(valid[_i], i, 0), 0);
	}
	ck_assert_int_eq(parse_n(valid[_i], n, n - 1), (ssize_t)n);
	ck_assert(same(&m, block, &whole, first));
	memcpy(more, valid[_i], n);
	memcpy(more + n, "GET\0\r\n\r\n", 8);
	ck_assert_int_eq(parse_n(more, n + 8, 0), (ssize_t)n);
	ck_assert(same(&m, block, &whole, first));
	free(first);
}
END_TEST

/* In two pieces, cut anywhere. */
START_TEST(test_message_in_two_pieces)
{
	size_t n = valid_len(_i);

	for (size_t cut = 0; cut < n; cut++) {
		ck_assert_int_eq(parse_n(valid[_i], cut, 0), 0);
		ck_assert_int_eq(parse_n(valid[_i], n, cut), (ssize_t)n);
	}
}
END_TEST

START_TEST(test_request_is_taken_apart)
{
	ck_assert_int_gt(parse("DESCRIBE rtsp://10.1.18.27/live RTSP/1.0\r\nCSeq: 2\r\n"
			       "User-Agent:\t Lavf 59 \t\r\nX:\r\n\r\n"),
		0);
	ck_assert(!m.response);
	ck_assert_int_eq(m.proto, TEXT_RTSP);
	ck_assert_int_eq(m.major, 1);
	ck_assert_int_eq(m.minor, 0);
	expect_slice(m.method, "DESCRIBE");
	expect_slice(m.uri, "rtsp://10.1.18.27/live");
	ck_assert_int_eq(m.headers, 3);
	expect_slice(text_header(&m, "cseq"), "2");
	expect_slice(text_header(&m, "USER-agent"), "Lavf 59");
	expect_slice(text_header(&m, "X"), "");
	ck_assert_ptr_nonnull(text_header(&m, "X").p);
	ck_assert_ptr_null(text_header(&m, "CSe").p);
	ck_assert_uint_eq(m.body.n, 0);
	ck_assert(text_method_is(&m, "DESCRIBE"));
	ck_assert(!text_method_is(&m, "describe"));
	ck_assert(!text_method_is(&m, "DESCRIB"));
}
END_TEST

START_TEST(test_response_is_taken_apart)
{
	ck_assert_int_gt(parse("RTSP/1.0 302 Moved Temporarily\r\nCSeq: 2\r\nCSeq: 3\r\n"
			       "Content-Length: 4\r\n\r\nbodyRTSP"),
		0);
	ck_assert(m.response);
	ck_assert_int_eq(m.status, 302);
	expect_slice(m.reason, "Moved Temporarily");
	expect_slice(text_header(&m, "CSeq"), "2"); /* the first */
	expect_slice(m.body, "body");
	ck_assert(!text_method_is(&m, ""));
	ck_assert_ptr_null(m.method.p);
	ck_assert_int_gt(parse("HTTP/1.0 100\r\n\r\n"), 0);
	ck_assert_int_eq(m.status, 100);
	ck_assert_int_eq(m.proto, TEXT_HTTP);
	ck_assert_int_eq(m.minor, 0);
	expect_slice(m.reason, "");
}
END_TEST

/* What reaches an anycast address: the origin form, the absolute form, and "*". */
START_TEST(test_request_targets_of_the_anycast_address)
{
	static const struct {
		const char *text, *host, *path;
	} target[] = {
		{"GET /a?b HTTP/1.1\r\n\r\n", "", "/a"},
		{"GET http://acme.com/a?b HTTP/1.1\r\n\r\n", "acme.com", "/a"},
		{"DESCRIBE rtsp://10.1.18.27:554/a RTSP/1.0\r\n\r\n", "10.1.18.27", "/a"},
		{"OPTIONS * RTSP/1.0\r\n\r\n", "", "*"},
		{"OPTIONS rtsp://[2001:db8::1] RTSP/1.0\r\n\r\n", "2001:db8::1", "/"},
	};

	for (size_t i = 0; i < sizeof(target) / sizeof(target[0]); i++) {
		struct url u;

		ck_assert_int_gt(parse(target[i].text), 0);
		ck_assert_int_eq(url_parse(&u, m.uri), 0);
		expect_slice(u.host, target[i].host);
		expect_slice(u.path, target[i].path);
	}
}
END_TEST

static const struct {
	const char *text;
	int error;
} wrong[] = {
	/* the start line */
	{"GET /\r\n\r\n", TEXT_BAD},
	{"GET\r\n\r\n", TEXT_BAD},
	{"GET  / HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"GET /  HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1 \r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1 x\r\n\r\n", TEXT_BAD},
	{" GET / HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/11\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.x\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/x.1\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.11\r\n\r\n", TEXT_BAD},
	{"GET / http/1.1\r\n\r\n", TEXT_BAD},
	{"GET / HTTPS/1.1\r\n\r\n", TEXT_BAD},
	{"GET / SIP/2.0\r\n\r\n", TEXT_BAD},
	{"G(T / HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"G\xc3T / HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"GET /a\tb HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"$ET / HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/2.0\r\n\r\n", TEXT_UNSUPPORTED},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", TEXT_UNSUPPORTED},
	{"GET / HTTP/1.2\r\n\r\n", TEXT_UNSUPPORTED},
	{"GET / HTTP/0.9\r\n\r\n", TEXT_UNSUPPORTED},
	{"GET / HTTP/9.0\r\n\r\n", TEXT_UNSUPPORTED},
	{"GET / HTTP/1.9\r\n\r\n", TEXT_UNSUPPORTED},
	{"GET / HTTP/:.1\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1./\r\n\r\n", TEXT_BAD},
	{"PLAY * RTSP/1.1\r\n\r\n", TEXT_UNSUPPORTED},
	{"PLAY * RTSP/2.0\r\n\r\n", TEXT_UNSUPPORTED},
	{"RTSP/2.0 200 OK\r\n\r\n", TEXT_UNSUPPORTED},
	{"RTSP/1.0 20 OK\r\n\r\n", TEXT_BAD},
	{"RTSP/1.0 2000 OK\r\n\r\n", TEXT_BAD},
	{"RTSP/1.0 2x0 OK\r\n\r\n", TEXT_BAD},
	{"RTSP/1.0 099 OK\r\n\r\n", TEXT_BAD},
	{"RTSP/1.0 600 OK\r\n\r\n", TEXT_BAD},
	{"RTSP/1.0  200 OK\r\n\r\n", TEXT_BAD},
	{"RTSP/1.0\r\n\r\n", TEXT_BAD},
	{"RTSP/1.0 200 O\x01K\r\n\r\n", TEXT_BAD},
	/* where one parser's message is another's two */
	{"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA: b\r\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA: b\r\n\r\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\r\n\r\n", TEXT_BAD},
	{"GET /\r HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"\rGET / HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"\r\r\nGET / HTTP/1.1\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA: b\r\n\tc: d\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\n A: b\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA : b\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA\t: b\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\n: b\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA B: c\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\n\xc3: c\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", TEXT_BAD},
	{"GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 01x\r\n\r\nab", TEXT_BAD},
	{"GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na", TEXT_BAD},
	{"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", TEXT_BAD},
	{"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\na", TEXT_BAD},
	{"GET / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\na", TEXT_BAD},
	{"GET / HTTP/1.1\r\nContent-Length: 1 1\r\n\r\na", TEXT_BAD},
	{"GET / HTTP/1.1\r\nContent-Length:\r\n\r\na", TEXT_BAD},
	{"HTTP/1.1 204 No\r\nContent-Length: x\r\n\r\n", TEXT_BAD},
	{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", TEXT_UNSUPPORTED},
	{"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-ENCODING: x\r\n\r\n0", TEXT_UNSUPPORTED},
	{"GET / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", TEXT_UNSUPPORTED},
	/* bounds */
	{"GET / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", TEXT_TOO_LONG},
	{"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n", TEXT_TOO_LONG},
	{"\n\n\n\n\n\n\n\n\nGET / HTTP/1.1\r\n\r\n", TEXT_BAD},
	/* other protocols */
	{"\x16\x03\x01\x02", TEXT_BAD},
	{"$\0\0\4abcd\r\n\r\n", TEXT_BAD},
	{"\x7f", TEXT_BAD},
};

/* The same error whether it comes at once or byte by byte; then it is there at the end of the head
 * at the latest. */
START_TEST(test_wrong_message_is_refused)
{
	const char *z = wrong[_i].text;
	size_t n = z[0] == '$' && !z[1] ? 12 : strlen(z);
	ssize_t rc = 0;

	ck_assert_int_eq(parse_n(z, n, 0), wrong[_i].error);
	for (size_t i = 1; i <= n && !rc; i++)
		rc = parse_n(z, i, i - 1);
	ck_assert_int_eq(rc, wrong[_i].error);
}
END_TEST

START_TEST(test_nul_is_refused_wherever_it_is_in_a_head)
{
	static const char head[] = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
	char copy[sizeof(head)];

	for (size_t i = 0; i < sizeof(head) - 1; i++) {
		memcpy(copy, head, sizeof(head));
		copy[i] = '\0';
		ck_assert_int_eq(parse_n(copy, sizeof(head) - 1, 0), TEXT_BAD);
	}
}
END_TEST

/* A wrong byte is seen when it comes, not when its line ends; a wrong line when it ends. */
START_TEST(test_errors_are_found_early)
{
	ck_assert_int_eq(parse("GET / HTTP/1.1\r\nA: b\x01"), TEXT_BAD);
	ck_assert_int_eq(parse("GET / HTTP/1.1\r\nA: b\rc"), TEXT_BAD);
	ck_assert_int_eq(parse("GET / HTTP/1.1\r\nA: b\r\n "), TEXT_BAD);
	ck_assert_int_eq(parse("\x80\x80\r\n"), TEXT_BAD);
	ck_assert_int_eq(parse("GET / HTTP/3.0\r\n"), TEXT_UNSUPPORTED);
	ck_assert_int_eq(parse("GET / HTTP/1.1\r\nbroken\r\n"), TEXT_BAD);
	ck_assert_int_eq(parse("GET / HTTP/1.1\r\nbroken"), 0);
	/* the CR was seen at the call before */
	ck_assert_int_eq(parse_n("GET / HTTP/1.1\r\nA: b\rc", 22, 21), TEXT_BAD);
	ck_assert_int_eq(parse_n("GET / HTTP/1.1\r\nA: b\r\n", 22, 21), 0);
}
END_TEST

/* So that a message in many pieces costs linear time: lines that ended before `last` are not read
 * again until the head is whole. */
START_TEST(test_what_was_judged_is_not_judged_again)
{
	static const char text[] = "GET / HTTP/1.1\r\nbroken\r\nA: b";

	ck_assert_int_eq(parse_n(text, 28, 0), TEXT_BAD);
	ck_assert_int_eq(parse_n(text, 28, 23), TEXT_BAD);
	ck_assert_int_eq(parse_n(text, 28, 24), 0);
	ck_assert_int_eq(parse_n("GET / HTTP/1.1\r\nbroken\r\n\r\n", 26, 24), TEXT_BAD);
}
END_TEST

START_TEST(test_request_of_a_refused_version_can_be_answered)
{
	ck_assert_int_eq(parse("SETUP rtsp://h/x RTSP/2.0\r\n"), TEXT_UNSUPPORTED);
	ck_assert_int_eq(m.proto, TEXT_RTSP);
	expect_slice(m.method, "SETUP");
	ck_assert_int_eq(m.headers, 0);
	ck_assert_int_eq(parse("\x01"), TEXT_BAD);
	ck_assert_int_eq(m.headers, 0);
	ck_assert_ptr_null(m.method.p);
}
END_TEST

/* A head of exactly n bytes, without a body, in memory of the test's. */
static char *head_of(size_t n)
{
	static const char begin[] = "GET / HTTP/1.1\r\nX: ";
	char *p = malloc(n);

	memset(p, 'x', n);
	memcpy(p, begin, sizeof(begin) - 1);
	memcpy(p + n - 4, "\r\n\r\n", 4);
	return p;
}

static ssize_t byte_by_byte(const char *p, size_t n)
{
	ssize_t rc = 0;

	for (size_t i = 1; i <= n && !rc; i++)
		rc = text_parse(&m, p, i, i - 1);
	return rc;
}

START_TEST(test_longest_head_and_one_byte_more)
{
	char *p = head_of(TEXT_MAX_HEAD);

	ck_assert_int_eq(text_parse(&m, p, TEXT_MAX_HEAD - 1, 0), 0);
	ck_assert_int_eq(text_parse(&m, p, TEXT_MAX_HEAD, 0), TEXT_MAX_HEAD);
	ck_assert_int_eq(byte_by_byte(p, TEXT_MAX_HEAD), TEXT_MAX_HEAD);
	free(p);
	p = head_of(TEXT_MAX_HEAD + 1);
	ck_assert_int_eq(text_parse(&m, p, TEXT_MAX_HEAD - 1, 0), 0);
	ck_assert_int_eq(text_parse(&m, p, TEXT_MAX_HEAD, 0), TEXT_TOO_LONG);
	ck_assert_int_eq(text_parse(&m, p, TEXT_MAX_HEAD + 1, 0), TEXT_TOO_LONG);
	ck_assert_int_eq(byte_by_byte(p, TEXT_MAX_HEAD + 1), TEXT_TOO_LONG);
	free(p);
}
END_TEST

/* n headers: the message's length, or its error. */
static ssize_t parse_headers(int n, bool dripped)
{
	char text[20 + 5 * (TEXT_MAX_HEADERS + 2)];
	struct sbuf b;

	sbuf_init(&b, text, sizeof(text));
	sbuf_printf(&b, "GET / HTTP/1.1\r\n");
	for (int i = 0; i < n; i++)
		sbuf_printf(&b, "A:b\r\n");
	sbuf_printf(&b, "\r\n");
	ck_assert(!b.full);
	return dripped ? byte_by_byte(text, b.n) : parse_n(text, b.n, 0);
}

START_TEST(test_most_headers_and_one_more)
{
	ck_assert_int_eq(parse_headers(TEXT_MAX_HEADERS, _i), 16 + 5 * TEXT_MAX_HEADERS + 2);
	ck_assert_int_eq(m.headers, TEXT_MAX_HEADERS);
	ck_assert_int_eq(parse_headers(TEXT_MAX_HEADERS + 1, _i), TEXT_TOO_LONG);
	ck_assert_int_eq(parse_headers(TEXT_MAX_HEADERS + 2, _i), TEXT_TOO_LONG);
}
END_TEST

START_TEST(test_longest_body)
{
	char head[100];
	int h = snprintf(
		head, sizeof(head), "POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n", TEXT_MAX_BODY);
	size_t n = (size_t)h + TEXT_MAX_BODY;
	char *p = malloc(n);

	memset(p, '\0', n); /* a body may be anything */
	memcpy(p, head, (size_t)h);
	ck_assert_int_eq(text_parse(&m, p, (size_t)h, 0), 0);
	ck_assert_int_eq(text_parse(&m, p, n - 1, (size_t)h), 0);
	ck_assert_int_eq(text_parse(&m, p, n, n - 1), (ssize_t)n);
	ck_assert_uint_eq(m.body.n, TEXT_MAX_BODY);
	ck_assert_ptr_eq(m.body.p, p + h);
	free(p);
}
END_TEST

START_TEST(test_empty_lines_before_a_message_are_skipped_up_to_a_bound)
{
	ck_assert_int_eq(parse("\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n"), 26);
	ck_assert_int_eq(parse("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n"), TEXT_BAD);
	ck_assert_int_eq(parse("\r\n\r\n\r\n\r\n"), 0);
	ck_assert_int_eq(parse("\r\n\r\n\r\n\r\n\r\n"), TEXT_BAD);
	ck_assert_int_eq(parse(""), 0);
}
END_TEST

START_TEST(test_interleaved_frame_at_and_past_its_end)
{
	static const uint8_t frame[] = {'$', 7, 0, 3, 'a', 'b', 'c', '$'};
	struct slice payload = SLICE("untouched");
	uint8_t channel = 99;

	for (size_t n = 0; n < 7; n++) {
		uint8_t *p = malloc(n ? n : 1);

		memcpy(p, frame, n);
		ck_assert_uint_eq(text_frame(p, n, &channel, &payload), 0);
		free(p);
	}
	ck_assert_uint_eq(channel, 99);
	ck_assert_uint_eq(text_frame(frame, 7, &channel, &payload), 7);
	ck_assert_uint_eq(channel, 7);
	expect_slice(payload, "abc");
	ck_assert_uint_eq(text_frame(frame, 8, &channel, &payload), 7);
	ck_assert_uint_eq(text_frame((const uint8_t *)"$\0\0\0", 4, &channel, &payload), 4);
	ck_assert_uint_eq(payload.n, 0);
	ck_assert_uint_eq(text_frame((const uint8_t *)"x\0\0\0", 4, &channel, &payload), 0);
}
END_TEST

START_TEST(test_longest_interleaved_frame)
{
	uint8_t *p = calloc(1, 4 + 65535);
	struct slice payload;
	uint8_t channel;

	memcpy(p, "$\1\xff\xff", 4);
	ck_assert_uint_eq(text_frame(p, 4 + 65534, &channel, &payload), 0);
	ck_assert_uint_eq(text_frame(p, 4 + 65535, &channel, &payload), 4 + 65535);
	ck_assert_uint_eq(payload.n, 65535);
	free(p);
}
END_TEST

START_TEST(test_errors_have_names)
{
	ck_assert_str_ne(text_error_str(TEXT_BAD), text_error_str(TEXT_TOO_LONG));
	ck_assert_str_ne(text_error_str(TEXT_BAD), text_error_str(TEXT_UNSUPPORTED));
	ck_assert_str_eq(text_error_str((enum text_error) - 99), "unknown error");
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_loop_test(t, test_message_in_pieces_is_the_message_at_once, 0, VALID);
	tcase_add_loop_test(t, test_message_in_two_pieces, 0, VALID);
	tcase_add_test(t, test_request_is_taken_apart);
	tcase_add_test(t, test_response_is_taken_apart);
	tcase_add_test(t, test_request_targets_of_the_anycast_address);
	tcase_add_loop_test(t, test_wrong_message_is_refused, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, test_nul_is_refused_wherever_it_is_in_a_head);
	tcase_add_test(t, test_errors_are_found_early);
	tcase_add_test(t, test_what_was_judged_is_not_judged_again);
	tcase_add_test(t, test_request_of_a_refused_version_can_be_answered);
	tcase_add_test(t, test_longest_head_and_one_byte_more);
	tcase_add_loop_test(t, test_most_headers_and_one_more, 0, 2);
	tcase_add_test(t, test_longest_body);
	tcase_add_test(t, test_empty_lines_before_a_message_are_skipped_up_to_a_bound);
	tcase_add_test(t, test_interleaved_frame_at_and_past_its_end);
	tcase_add_test(t, test_longest_interleaved_frame);
	tcase_add_test(t, test_errors_have_names);
}

int main(void)
{
	TCase *t = tcase_create("text");

	tcase_add_checked_fixture(t, NULL, teardown);
	add_tests(t);
	return run_case("text", t);
}
