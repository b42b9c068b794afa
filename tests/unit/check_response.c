/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Responses of web servers: where a body begins and ends, and what it is the body of. */
#include "client-failover/response.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "client-failover/object.h"
#include "tests/unit/run.h"

#define OK "HTTP/1.1 200 OK\r\n"

static struct response r;
static struct text_msg msg;
static char body[4096];
static size_t bodies;
static int heads;

/* Feeds it `piece` bytes at a time; the last kind, MORE when the input was used up. */
static enum response_kind feed(const char *in, size_t piece)
{
	enum response_kind k = RESPONSE_MORE;
	size_t n = strlen(in), at = 0, have, used;

	bodies = 0;
	heads = 0;
	for (have = piece < n ? piece : n;; have = have + piece < n ? have + piece : n) {
		struct slice s;
		for (;;) {
			k = response_take(&r, (struct slice){in + at, have - at}, &used, &msg, &s);
			at += used;
			if (k == RESPONSE_BODY) {
				memcpy(body + bodies, s.p, s.n);
				bodies += s.n;
			} else if (k == RESPONSE_HEAD) {
				heads++;
			} else {
				break;
			}
		}
		if (k != RESPONSE_MORE || have == n)
			break;
	}
	body[bodies] = '\0';
	return k;
}

static void whole(const char *in, const char *want)
{
	static const size_t pieces[] = {1, 2, 3, 7, 64, 4096};

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		response_init(&r, false);
		ck_assert_int_eq(feed(in, pieces[i]), RESPONSE_END);
		ck_assert_int_eq(heads, 1);
		ck_assert_str_eq(body, want);
		ck_assert(response_closed(&r));
	}
}

static void bad(const char *in)
{
	response_init(&r, false);
	ck_assert_int_eq(feed(in, 4096), RESPONSE_BAD);
	ck_assert_str_ne(response_why(&r), "");
	response_init(&r, false);
	ck_assert_int_eq(feed(in, 1), RESPONSE_BAD);
}

START_TEST(test_body_has_the_length_that_its_head_says)
{
	whole(OK "Content-Length: 5\r\n\r\nhello", "hello");
	whole(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello");
	whole(OK "Content-Length: 0\r\n\r\n", "");
	ck_assert_int_eq(r.length, 0);
	response_init(&r, false);
	ck_assert_int_eq(feed(OK "Content-Length: 5\r\n\r\nhell", 4096), RESPONSE_MORE);
	ck_assert(!response_closed(&r));
	response_init(&r, false);
	ck_assert_int_eq(feed(OK "Content-Length: 5\r\n\r\nhello!", 4096), RESPONSE_END);
	ck_assert_str_eq(body, "hello");
}
END_TEST

START_TEST(test_chunks_are_put_together)
{
	whole(OK "Transfer-Encoding: "
		 "chunked\r\n\r\n5\r\nhello\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
		"hello0123456789");
	ck_assert_int_eq(r.length, -1);
	whole(OK "transfer-encoding: Chunked\r\n\r\n1\r\nx\r\n00\r\nSum: 1\r\nB: 2\r\n\r\n", "x");
	response_init(&r, false);
	feed(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 4096);
	ck_assert(!response_closed(&r)); /* the last chunk is missing */
}
END_TEST

START_TEST(test_what_has_no_length_ends_with_its_connection)
{
	response_init(&r, false);
	ck_assert_int_eq(feed("HTTP/1.0 200 OK\r\n\r\nto the end", 3), RESPONSE_MORE);
	ck_assert_str_eq(body, "to the end");
	ck_assert_int_eq(r.length, -1);
	ck_assert(response_closed(&r));
}
END_TEST

START_TEST(test_some_responses_have_no_body_whatever_they_say)
{
	whole("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "");
	whole("HTTP/1.1 204 No Content\r\n\r\n", "");
	response_init(&r, true);
	ck_assert_int_eq(feed(OK "Content-Length: 5\r\n\r\n", 4096), RESPONSE_END);
	ck_assert_int_eq(heads, 1);
}
END_TEST

START_TEST(test_interim_responses_are_skipped)
{
	char many[1024] = "";

	whole("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK
	      "Content-Length: 1\r\n\r\nx",
		"x");
	bad("HTTP/1.1 101 Switching Protocols\r\n\r\n");
	for (int i = 0; i < 9; i++)
		strcat(many, "HTTP/1.1 100 Continue\r\n\r\n");
	bad(many);
}
END_TEST

START_TEST(test_what_could_be_read_in_two_ways_is_refused)
{
	bad(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello");
	bad(OK "Content-Length: +5\r\n\r\nhello");
	bad(OK "Content-Length: 5, 5\r\n\r\nhello");
	bad(OK "Content-Length: 9223372036854775808\r\n\r\nhello");
	bad(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	bad(OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
	bad(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n");
	bad(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	bad("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	bad("GET / HTTP/1.1\r\n\r\n");
	bad("RTSP/1.0 200 OK\r\n\r\n");
	bad("SSH-2.0-OpenSSH\r\n");
}
END_TEST

START_TEST(test_chunks_that_are_none_are_refused)
{
	char line[600];

	bad(OK "Transfer-Encoding: chunked\r\n\r\nx\r\n");
	bad(OK "Transfer-Encoding: chunked\r\n\r\n\r\n");
	bad(OK "Transfer-Encoding: chunked\r\n\r\n-1\r\n");
	bad(OK "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n");
	bad(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!0\r\n\r\n");
	bad(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!!0\r\n\r\n");
	bad(OK "Transfer-Encoding: chunked\r\n\r\n1000000000000000\r\n");
	snprintf(line, sizeof line, OK "Transfer-Encoding: chunked\r\n\r\n5;%0540d", 0);
	bad(line);
}
END_TEST

/* ---- what it is the body of ---- */

static struct object object(const char *head, int64_t length)
{
	struct object o;
	const char *why;

	ck_assert_int_gt(text_parse_head(&msg, head, strlen(head), 0), 0);
	why = object_of(&o, &msg, length);
	ck_assert_msg(!why, "%s", why);
	return o;
}

static const char *refusal(const char *head, int64_t length)
{
	struct object o;

	ck_assert_int_gt(text_parse_head(&msg, head, strlen(head), 0), 0);
	return object_of(&o, &msg, length);
}

#define PART    "HTTP/1.1 206 Partial Content\r\n"
#define TAG     "ETag: \"v1\"\r\n"
#define DATE    "Date: Thu, 26 Nov 2026 15:00:00 GMT\r\n"
#define MADE(s) "Last-Modified: Thu, 26 Nov 2026 14:59:" s " GMT\r\n"

START_TEST(test_object_is_known_by_a_strong_validator)
{
	struct object o = object(OK TAG DATE MADE("00") "\r\n", 10);

	ck_assert_str_eq(o.etag, "\"v1\"");
	ck_assert_str_eq(o.modified, ""); /* the ETag says it better */
	ck_assert_int_eq(o.total, 10);
	ck_assert_ptr_null(object_fixed(&o));
	o = object(OK DATE MADE("59") "\r\n", 10);
	ck_assert_str_eq(o.modified, "Thu, 26 Nov 2026 14:59:59 GMT");
	ck_assert_ptr_null(object_fixed(&o));
}
END_TEST

START_TEST(test_object_without_a_strong_validator_cannot_be_resumed)
{
	static const char *const weak[] = {OK "\r\n", OK "ETag: W/\"v1\"\r\n\r\n",
		OK "ETag: W/\"v1\"\r\n" DATE MADE("00") "\r\n", OK MADE("00") "\r\n",
		OK "ETag: v1\r\n\r\n",
		OK "Date: Thu, 26 Nov 2026 14:59:00 GMT\r\n" MADE("00") "\r\n",
		OK DATE "Last-Modified: yesterday\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\n" TAG "\r\n"};

	for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
		struct object o = object(weak[i], 10);
		ck_assert_ptr_nonnull(object_fixed(&o));
	}
}
END_TEST

START_TEST(test_part_is_where_its_range_says)
{
	struct object o = object(PART TAG "Content-Range: bytes 5-9/20\r\n\r\n", 5);

	ck_assert_int_eq(o.base, 5);
	ck_assert_int_eq(o.length, 5);
	ck_assert_int_eq(o.total, 20);
	o = object(PART "Content-Range: bytes 5-9/*\r\n\r\n", -1);
	ck_assert_int_eq(o.length, 5);
	ck_assert_int_eq(o.total, -1);
	ck_assert_ptr_nonnull(refusal(PART "\r\n", 5));
	ck_assert_ptr_nonnull(refusal(PART "Content-Range: bytes 5-9/20\r\n\r\n", 6));
	ck_assert_ptr_nonnull(refusal(PART "Content-Range: bytes 9-5/20\r\n\r\n", -1));
	ck_assert_ptr_nonnull(refusal(PART "Content-Range: bytes 5-20/20\r\n\r\n", -1));
	ck_assert_ptr_nonnull(refusal(PART "Content-Range: lines 5-9/20\r\n\r\n", 5));
	ck_assert_ptr_nonnull(refusal(PART "Content-Type: multipart/byteranges\r\n\r\n", 5));
}
END_TEST

START_TEST(test_rest_is_asked_for_if_it_is_of_the_same)
{
	char mem[512];
	struct sbuf b;
	struct object o = object(OK TAG "\r\n", 20);

	sbuf_init(&b, mem, sizeof mem);
	object_put_range(&b, &o, 7);
	ck_assert_str_eq(mem, "Range: bytes=7-19\r\nIf-Range: \"v1\"\r\n");
	o = object(OK DATE MADE("00") "\r\n", -1);
	sbuf_init(&b, mem, sizeof mem);
	object_put_range(&b, &o, 7);
	ck_assert_str_eq(mem, "Range: bytes=7-\r\nIf-Range: Thu, 26 Nov 2026 14:59:00 GMT\r\n");
	o = object(PART TAG "Content-Range: bytes 5-9/20\r\n\r\n", 5);
	sbuf_init(&b, mem, sizeof mem);
	object_put_range(&b, &o, 7);
	ck_assert_str_eq(mem, "Range: bytes=7-9\r\nIf-Range: \"v1\"\r\n");
}
END_TEST

static void continues(
	const char *first, int64_t length, const char *then, int64_t rest, enum object_verdict want)
{
	struct object o = object(first, length), n = object(then, rest);
	const char *why = NULL;
	enum object_verdict v = object_continues(&o, &n, 7, &why);

	ck_assert_msg(v == want, "%s: %d, not %d (%s)", then, v, want, why);
}

START_TEST(test_only_the_rest_of_the_same_object_continues_it)
{
	const char *first = OK TAG "\r\n";

	continues(first, 20, PART TAG "Content-Range: bytes 7-19/20\r\n\r\n", 13, OBJECT_SAME);
	continues(first, 20, PART TAG "Content-Range: bytes 7-9/20\r\n\r\n", 3, OBJECT_SAME);
	continues(first, 20, PART TAG "Content-Range: bytes 7-19/*\r\n\r\n", 13, OBJECT_SAME);
	continues(first, -1, PART TAG "Content-Range: bytes 7-19/20\r\n\r\n", 13, OBJECT_SAME);
	continues(first, 20, OK TAG "\r\n", 20, OBJECT_SAME); /* it has no ranges */
	continues(first, 20, PART "ETag: \"v2\"\r\nContent-Range: bytes 7-19/20\r\n\r\n", 13,
		OBJECT_CHANGED);
	continues(first, 20, PART TAG "Content-Range: bytes 7-19/21\r\n\r\n", 13, OBJECT_CHANGED);
	continues(first, 20, OK "ETag: \"v2\"\r\n\r\n", 20, OBJECT_CHANGED);
	continues(first, 20, OK "\r\n", 20, OBJECT_CHANGED);
	continues(first, 20, OK TAG "\r\n", 21, OBJECT_CHANGED);
	continues(first, 20, "HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\n\r\n", 0,
		OBJECT_CHANGED);
	continues(first, 20, "HTTP/1.1 416 No\r\n\r\n", 0, OBJECT_REFUSED);
	continues(first, 20, PART TAG "Content-Range: bytes 8-19/20\r\n\r\n", 12, OBJECT_REFUSED);
	continues(first, 20, PART "Content-Range: bytes 7-19/20\r\n\r\n", 13, OBJECT_REFUSED);
	continues(first, 20, "HTTP/1.1 404 Not Found\r\n" TAG "\r\n", 20, OBJECT_REFUSED);
	continues(first, 20, "HTTP/1.1 503 Busy\r\n\r\n", 0, OBJECT_REFUSED);
}
END_TEST

START_TEST(test_date_decides_where_there_is_no_etag)
{
	const char *first = OK DATE MADE("00") "\r\n";

	continues(first, 20, PART DATE MADE("00") "Content-Range: bytes 7-19/20\r\n\r\n", 13,
		OBJECT_SAME);
	continues(first, 20, PART "Content-Range: bytes 7-19/20\r\n\r\n", 13, OBJECT_SAME);
	continues(first, 20, PART DATE MADE("01") "Content-Range: bytes 7-19/20\r\n\r\n", 13,
		OBJECT_CHANGED);
	continues(first, 20, OK DATE MADE("00") "\r\n", 20, OBJECT_SAME);
	continues(first, 20, OK DATE MADE("01") "\r\n", 20, OBJECT_CHANGED);
	continues(first, 20, OK "\r\n", 20, OBJECT_CHANGED);
}
END_TEST

START_TEST(test_part_of_a_part_stays_within_it)
{
	const char *first = PART TAG "Content-Range: bytes 5-9/20\r\n\r\n";

	continues(first, 5, PART TAG "Content-Range: bytes 7-9/20\r\n\r\n", 3, OBJECT_SAME);
	continues(first, 5, PART TAG "Content-Range: bytes 7-10/20\r\n\r\n", 4, OBJECT_REFUSED);
	continues(first, 5, OK TAG "\r\n", 20, OBJECT_SAME); /* the whole: what we need is in it */
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("response");

	tcase_add_test(t, test_body_has_the_length_that_its_head_says);
	tcase_add_test(t, test_chunks_are_put_together);
	tcase_add_test(t, test_what_has_no_length_ends_with_its_connection);
	tcase_add_test(t, test_some_responses_have_no_body_whatever_they_say);
	tcase_add_test(t, test_interim_responses_are_skipped);
	tcase_add_test(t, test_what_could_be_read_in_two_ways_is_refused);
	tcase_add_test(t, test_chunks_that_are_none_are_refused);
	tcase_add_test(t, test_object_is_known_by_a_strong_validator);
	tcase_add_test(t, test_object_without_a_strong_validator_cannot_be_resumed);
	tcase_add_test(t, test_part_is_where_its_range_says);
	tcase_add_test(t, test_rest_is_asked_for_if_it_is_of_the_same);
	tcase_add_test(t, test_only_the_rest_of_the_same_object_continues_it);
	tcase_add_test(t, test_date_decides_where_there_is_no_etag);
	tcase_add_test(t, test_part_of_a_part_stays_within_it);
	return run_case("response", t);
}
