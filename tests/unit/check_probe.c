/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an answer says of a service, and what becomes of a probe of a real socket. */
#include "lib/probe.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/stream.h"
#include "tests/unit/run.h"

#define TIMEOUT (300 * NS_MS)

static const char *judge(enum text_proto proto, const char *s)
{
	const char *why = probe_read(proto, s, strlen(s));

	return why ? why : "works";
}

START_TEST(test_any_answer_below_500_is_one)
{
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.1 200 OK\r\n"), "works");
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n"), "works");
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.1 301\n"), "works");
	ck_assert_str_eq(judge(TEXT_RTSP, "RTSP/1.0 453 Not Enough Bandwidth\r\n"), "works");
	ck_assert_str_eq(judge(TEXT_RTSP, "RTSP/1.0 499 x\r\n"), "works");
	ck_assert_str_eq(judge(TEXT_RTSP, "RTSP/1.0 500 x\r\n"), "answers with an error");
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.1 503 Busy\r\n"), "answers with an error");
}
END_TEST

START_TEST(test_line_in_part_says_nothing_yet)
{
	const char *line = "RTSP/1.0 200 OK\r";

	for (size_t n = 0; n <= strlen(line); n++)
		ck_assert_str_eq(probe_read(TEXT_RTSP, line, n), "");
}
END_TEST

START_TEST(test_what_is_no_answer)
{
	char endless[600] = "HTTP/1.1 200 ";

	memset(endless + 13, 'a', sizeof(endless) - 14);
	ck_assert_str_eq(judge(TEXT_HTTP, "RTSP/1.0 200 OK\r\n"), "answers in another protocol");
	ck_assert_str_eq(judge(TEXT_RTSP, "S"), "answers in another protocol");
	ck_assert_str_eq(judge(TEXT_HTTP, endless), "answers nonsense");
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.1\r\n"), "answers nonsense");
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.1 20 OK\r\n"), "answers nonsense");
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.1 099 OK\r\n"), "answers nonsense");
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.1 0200 OK\r\n"), "answers nonsense");
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.1 600 OK\r\n"), "answers nonsense");
	ck_assert_str_eq(judge(TEXT_HTTP, "HTTP/1.x 200 OK\r\n"), "answers nonsense");
}
END_TEST

START_TEST(test_requests_are_whole_messages)
{
	struct text_msg m;
	struct addr at;
	char out[256];
	size_t n;

	ck_assert_int_eq(addr_parse(&at, SLICE("[2001:db8::1]:8080"), 0), 0);
	n = probe_write(TEXT_HTTP, &at, "/health?x", out, sizeof(out));
	ck_assert_int_eq(text_parse(&m, out, n, 0), (ssize_t)n);
	ck_assert(text_method_is(&m, "HEAD") && slice_eq(m.uri, SLICE("/health?x")));
	ck_assert(slice_eq(text_header(&m, "Host"), SLICE("[2001:db8::1]:8080")));
	n = probe_write(TEXT_RTSP, &at, "/", out, sizeof(out));
	ck_assert_int_eq(text_parse(&m, out, n, 0), (ssize_t)n);
	ck_assert(text_method_is(&m, "OPTIONS") && slice_eq(m.uri, SLICE("*")));
	ck_assert_uint_eq(probe_write(TEXT_RTSP, &at, "/", out, 20), 0);
}
END_TEST

/* ---- with sockets ---- */

static struct loop *loop;
static struct listener *server;
static int accepted; /* the server's end of the connection */
static const char *reply;
static bool hang_up;
static struct probe_outcome outcome;
static bool over;

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	(void)arg;
	(void)peer;
	accepted = fd;
	if (reply && write(fd, reply, strlen(reply)) < 0)
		ck_abort();
	if (hang_up) {
		close(fd);
		accepted = -1;
	}
}

static void on_outcome(void *arg, const struct probe_outcome *o)
{
	(void)arg;
	outcome = *o;
	over = true;
	loop_stop(loop);
}

static void setup(void)
{
	struct addr at;
	int err;

	loop = loop_new();
	addr_parse(&at, SLICE("127.0.0.1:0"), 0);
	server = listener_new(loop, &at, 8, on_accept, NULL, &err);
	ck_assert_ptr_nonnull(server);
	accepted = -1;
	reply = NULL;
	hang_up = over = false;
}

static void teardown(void)
{
	listener_free(server);
	if (accepted >= 0)
		close(accepted);
	loop_free(loop);
}

static void run_probe(const struct addr *at)
{
	int err;

	ck_assert_ptr_nonnull(
		probe_start(loop, TEXT_RTSP, at, "/", TIMEOUT, on_outcome, NULL, &err));
	ck_assert(!over);
	loop_run(loop);
	ck_assert(over);
}

START_TEST(test_service_that_answers_works_and_its_delay_is_known)
{
	reply = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n";
	run_probe(listener_addr(server));
	ck_assert_int_eq(outcome.result, PROBE_OK);
	ck_assert(outcome.delay > 0);
}
END_TEST

START_TEST(test_service_that_accepts_and_says_nothing_does_not_answer)
{
	ns_t began = clock_now();

	run_probe(listener_addr(server));
	if (outcome.result == PROBE_VOID)
		ck_assert_str_eq(outcome.why, "this host was late"); /* it can be */
	else
		ck_assert_str_eq(outcome.why, "does not answer");
	ck_assert(clock_now() - began >= TIMEOUT);
}
END_TEST

START_TEST(test_service_that_hangs_up_is_told_from_one_that_refuses)
{
	struct addr at = *listener_addr(server);

	hang_up = true;
	run_probe(&at);
	ck_assert_int_eq(outcome.result, PROBE_FAILED);
	ck_assert(!strcmp(outcome.why, "closes the connection") ||
		  !strcmp(outcome.why, "breaks the connection"));
	over = false;
	listener_free(server);
	server = NULL;
	run_probe(&at);
	ck_assert_int_eq(outcome.result, PROBE_FAILED);
	ck_assert_str_eq(outcome.why, "refuses connections");
}
END_TEST

/* An interface that is away, a route that is not there: that says nothing about the service. */
START_TEST(test_what_this_host_cannot_ask_is_void)
{
	struct addr at;
	int err;

	addr_parse(&at, SLICE("[fe80::1]:554"), 0); /* on which link? */
	if (probe_start(loop, TEXT_RTSP, &at, "/", TIMEOUT, on_outcome, NULL, &err)) {
		loop_run(loop);
		ck_assert_int_eq(outcome.result, PROBE_VOID);
	}
}
END_TEST

static void stall(void *arg)
{
	(void)arg;
	usleep((useconds_t)(2 * TIMEOUT / NS_US));
}

START_TEST(test_late_loop_judges_nobody)
{
	struct loop_timer *t = loop_timer_new(loop, stall, NULL);

	loop_timer_at(t, loop_now(loop) + 10 * NS_MS);
	run_probe(listener_addr(server));
	loop_timer_free(t);
	ck_assert_int_eq(outcome.result, PROBE_VOID);
	ck_assert_str_eq(outcome.why, "this host was late");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("probe");
	TCase *pure = tcase_create("pure"), *t = tcase_create("sockets");

	tcase_add_test(pure, test_any_answer_below_500_is_one);
	tcase_add_test(pure, test_line_in_part_says_nothing_yet);
	tcase_add_test(pure, test_what_is_no_answer);
	tcase_add_test(pure, test_requests_are_whole_messages);
	suite_add_tcase(s, pure);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_service_that_answers_works_and_its_delay_is_known);
	tcase_add_test(t, test_service_that_accepts_and_says_nothing_does_not_answer);
	tcase_add_test(t, test_service_that_hangs_up_is_told_from_one_that_refuses);
	tcase_add_test(t, test_what_this_host_cannot_ask_is_void);
	tcase_add_test(t, test_late_loop_judges_nobody);
	suite_add_tcase(s, t);
	return run_suite(s);
}
