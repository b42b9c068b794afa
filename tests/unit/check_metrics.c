/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics: the text, and serving it over HTTP without a thread. */
#include "lib/metrics.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/stream.h"
#include "tests/unit/run.h"

static uint64_t rtsp = 7, http = UINT64_MAX, nodes = 2;

static uint64_t read_nodes(void *arg)
{
	return ++*(uint64_t *)arg;
}

static const struct metric table[] = {
	{"nearcast_requests_total", "Requests.", METRIC_COUNTER, "proto=\"rtsp\"", &rtsp, NULL,
		NULL},
	{"nearcast_nodes", "Usable nodes.", METRIC_GAUGE, NULL, NULL, read_nodes, &nodes},
};
static const struct metric more[] = {
	{"nearcast_requests_total", "Requests.", METRIC_COUNTER, "proto=\"http\"", &http, NULL,
		NULL},
};

static const char text[] = "# HELP nearcast_requests_total Requests.\n"
			   "# TYPE nearcast_requests_total counter\n"
			   "nearcast_requests_total{proto=\"rtsp\"} 7\n"
			   "nearcast_requests_total{proto=\"http\"} 18446744073709551615\n"
			   "# HELP nearcast_nodes Usable nodes.\n"
			   "# TYPE nearcast_nodes gauge\n"
			   "nearcast_nodes 3\n";

static struct metrics *make(void)
{
	struct metrics *m = metrics_new();

	metrics_add(m, table, 2);
	metrics_add(m, more, 1);
	return m;
}

START_TEST(test_text_groups_a_name_once)
{
	struct metrics *m = make();
	char mem[1024];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	metrics_write(m, &b);
	ck_assert(!b.full);
	ck_assert_str_eq(mem, text);
	metrics_free(m);
}
END_TEST

static struct loop *loop;
static char reply[1 << 20];
static size_t n_reply;
static int closed;

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	(void)arg;
	ck_assert_uint_lt(n_reply + n, sizeof(reply));
	memcpy(reply + n_reply, p, n);
	n_reply += n;
	reply[n_reply] = '\0';
	return n;
}

static void on_close(void *arg, int err)
{
	(void)arg;
	(void)err;
	closed = 1;
	loop_stop(loop);
}

static void on_guard(void *arg)
{
	(void)arg;
	ck_abort_msg("no answer");
}

/* The whole answer to one request on a connection of its own. */
static const char *ask(struct metrics *m, const char *host, const char *request)
{
	static const struct stream_ops ops = {.on_data = on_data, .on_close = on_close};
	struct loop_timer *guard = loop_timer_new(loop, on_guard, NULL);
	struct addr at;
	struct stream *s;
	int err;

	addr_parse(&at, slice_of(host), metrics_port(m));
	n_reply = 0;
	closed = 0;
	loop_timer_at(guard, clock_now() + 10 * NS_S);
	s = stream_connect(loop, &at, NULL, &ops, NULL, 65536, 65536, &err);
	ck_assert_ptr_nonnull(s);
	stream_write(s, request, strlen(request));
	loop_run(loop);
	stream_free(s);
	loop_timer_free(guard);
	ck_assert_int_eq(closed, 1);
	return reply;
}

static struct metrics *serve(const char *at)
{
	struct metrics *m = make();
	struct addr a;

	loop = loop_new();
	addr_parse(&a, slice_of(at), 0);
	ck_assert_int_eq(metrics_serve(m, loop, &a), 0);
	ck_assert_uint_ne(metrics_port(m), 0);
	return m;
}

START_TEST(test_metrics_are_served)
{
	static const char *const at[] = {"127.0.0.1", "::1"};

	for (int i = 0; i < 2; i++) {
		struct metrics *m = serve(at[i]);
		const char *r;

		nodes = 2;
		r = ask(m, at[i], "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
		ck_assert_int_eq(strncmp(r, "HTTP/1.1 200 OK\r\n", 17), 0);
		ck_assert_ptr_nonnull(strstr(r, "Content-Type: text/plain; version=0.0.4"));
		ck_assert_ptr_nonnull(strstr(r, "\r\n\r\n"));
		ck_assert_str_eq(strstr(r, "\r\n\r\n") + 4, text);
		metrics_free(m);
		loop_free(loop);
	}
}
END_TEST

START_TEST(test_other_paths_and_methods_are_refused)
{
	struct metrics *m = serve("127.0.0.1");

	ck_assert_int_eq(strncmp(ask(m, "127.0.0.1",
					 "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
				 "HTTP/1.1 404", 12),
		0);
	ck_assert_int_eq(strncmp(ask(m, "127.0.0.1",
					 "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: "
					 "close\r\nContent-Length: 3\r\n\r\nabc"),
				 "HTTP/1.1 405", 12),
		0);
	ck_assert_int_eq(strncmp(ask(m, "127.0.0.1", "nonsense\r\n\r\n"), "HTTP/1.", 7), 0);
	metrics_free(m);
	loop_free(loop);
}
END_TEST

START_TEST(test_more_metrics_than_a_page_are_all_served)
{
	struct metrics *m = serve("127.0.0.1");
	const char *at;
	int n = 0;

	for (int i = 0; i < 600; i++)
		metrics_add(m, more, 1);
	at = ask(m, "127.0.0.1", "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	while ((at = strstr(at, "{proto=\"http\"}"))) {
		n++;
		at++;
	}
	ck_assert_int_eq(n, 601);
	metrics_free(m);
	loop_free(loop);
}
END_TEST

START_TEST(test_address_in_use_is_an_error)
{
	struct metrics *m = serve("127.0.0.1"), *other = make();
	struct addr a;

	addr_parse(&a, SLICE("127.0.0.1"), metrics_port(m));
	ck_assert_int_eq(metrics_serve(other, loop, &a), -EADDRINUSE);
	metrics_free(other);
	metrics_free(m);
	loop_free(loop);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("metrics");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_text_groups_a_name_once);
	tcase_add_test(t, test_metrics_are_served);
	tcase_add_test(t, test_other_paths_and_methods_are_refused);
	tcase_add_test(t, test_more_metrics_than_a_page_are_all_served);
	tcase_add_test(t, test_address_in_use_is_an_error);
	return run_case("metrics", t);
}
