/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests whose answer wants something first (row B6): they wait without holding up anybody, and
 * never for ever. Over loopback, which stands for the anycast block: the listener is the real one,
 * the snapshots are the test's, and so is who is told of wants.
 */
#include "arn/listener.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stream.h"
#include "tests/unit/run.h"

#define PREPARE (60 * NS_MS)
#define NEWS    "DESCRIBE rtsp://127.0.0.1/news RTSP/1.0\r\nCSeq: 1\r\n\r\n"
#define NEXT    "DESCRIBE rtsp://127.0.0.1/next RTSP/1.0\r\nCSeq: 2\r\n\r\n"

static struct loop *loop;
static struct loop_timer *guard, *later;
static struct arn_listener *listener;
static struct snapshot *snap;
static uint16_t port;
static int wants;
static bool publish_at_once; /* the want is got from within */

static struct client {
	struct stream *s;
	char got[4096];
	size_t n;
	bool closed;
} client[3];
static int expected; /* answers, of all clients; then the loop stops */

static struct addr literal(const char *s)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(&a, slice_of(s), 0), 0);
	return a;
}

static void on_guard(void *arg)
{
	(void)arg;
	ck_abort_msg("nothing happened for a long time");
}

/* A snapshot with one node, which has `primed` as its port (0: nothing is known). */
static void make_snapshot(uint16_t primed)
{
	struct announce *n;

	snapshot_unref(snap);
	snap = snapshot_new(1);
	snap->prime = SERVICE_RTSP;
	snap->nodes = 1;
	n = &snap->node[0].said;
	*n = (struct announce){.role = ROLE_SN,
		.id = "sn1",
		.addr = literal("10.2.0.6"),
		.rtsp_port = 554,
		.healthy = true,
		.weight = 100,
		.control_port = 7702,
		.primes = SERVICE_RTSP};
	if (primed) {
		struct primed *p = primed_new(1);

		p->n = 1;
		strcpy(p->port[0].node, "sn1");
		p->port[0].port = primed;
		p->port[0].state = (struct prime_state){
			.service = SERVICE_RTSP, .anycast = literal("127.0.0.1")};
		primed_sort(p);
		snap->primed = p;
	}
}

static const struct snapshot *current(void *arg)
{
	(void)arg;
	return snap;
}

static void on_want(void *arg, const struct want *w, bool waits)
{
	(void)arg;
	ck_assert_int_eq(w->what, WANT_PRIME);
	if (!waits) /* a wish, of one that is answered */
		return;
	wants++;
	if (publish_at_once) {
		make_snapshot(20001);
		arn_listener_published(listener);
	}
}

static int answers(const struct client *c)
{
	int n = 0;

	for (const char *p = c->got; (p = strstr(p, "RTSP/1.0 ")); p++)
		n++;
	return n;
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct client *c = arg;
	int all = 0;

	ck_assert_uint_lt(c->n + n, sizeof(c->got));
	memcpy(c->got + c->n, p, n);
	c->n += n;
	for (int i = 0; i < 3; i++)
		all += answers(&client[i]);
	if (all >= expected)
		loop_stop(loop);
	return n;
}

static void on_close(void *arg, int err)
{
	struct client *c = arg;

	(void)err;
	c->closed = true;
	loop_stop(loop);
}

static const struct stream_ops ops = {.on_data = on_data, .on_close = on_close};

static uint16_t free_port(void)
{
	struct addr at = literal("127.0.0.1");
	int err;
	struct listener *ls = listener_new(loop, &at, 1, NULL, NULL, &err);

	ck_assert_ptr_nonnull(ls);
	at = *listener_addr(ls);
	listener_free(ls);
	return addr_port(&at);
}

static void setup(void)
{
	struct arn_listener_conf c = {.connections = 10,
		.request_timeout = 5 * NS_S,
		.idle_timeout = 5 * NS_S,
		.prepare = PREPARE};
	uint16_t failed;
	int err;

	memset(client, 0, sizeof(client));
	wants = 0;
	publish_at_once = false;
	loop = loop_new();
	guard = loop_timer_new(loop, on_guard, NULL);
	loop_timer_at(guard, clock_now() + 20 * NS_S);
	ck_assert_int_eq(prefix_parse(&c.block, SLICE("127.0.0.0/8")), 0);
	make_snapshot(0);
	port = free_port();
	c.port[TEXT_RTSP] = port;
	listener = arn_listener_new(loop, &c, current, on_want, NULL, &err, &failed);
	ck_assert_ptr_nonnull(listener);
}

static void teardown(void)
{
	for (int i = 0; i < 3; i++)
		stream_free(client[i].s);
	arn_listener_free(listener);
	loop_timer_free(later);
	later = NULL;
	loop_timer_free(guard);
	loop_free(loop);
	snapshot_unref(snap);
	snap = NULL;
}

static void send_from(int i, const char *request)
{
	struct addr at = literal("127.0.0.1");
	int err;

	addr_set_port(&at, port);
	if (!client[i].s)
		client[i].s = stream_connect(loop, &at, NULL, &ops, &client[i], 4096, 4096, &err);
	ck_assert_int_eq(stream_write(client[i].s, request, strlen(request)), 0);
}

static void run_until_answers(int n)
{
	expected = n;
	loop_run(loop);
}

static void run_for(ns_t time)
{
	struct loop_timer *t = loop_timer_new(loop, (loop_timer_cb *)loop_stop, loop);

	expected = 100;
	loop_timer_at(t, clock_now() + time);
	loop_run(loop);
	loop_timer_free(t);
}

static void publish(void *arg)
{
	(void)arg;
	make_snapshot(20001);
	arn_listener_published(listener);
}

static void publish_in(ns_t time)
{
	later = loop_timer_new(loop, publish, NULL);
	loop_timer_at(later, clock_now() + time);
}

START_TEST(test_request_waits_for_what_its_answer_wants)
{
	send_from(0, NEWS);
	publish_in(10 * NS_MS);
	run_until_answers(1);
	ck_assert_ptr_nonnull(strstr(client[0].got, "Location: rtsp://10.2.0.6:20001/news"));
	ck_assert_int_eq(wants, 1);
	ck_assert_uint_eq(arn_listener_counters(listener)->prepared, 1);
	ck_assert_uint_eq(arn_listener_counters(listener)->unprepared, 0);
	ck_assert_uint_eq(arn_listener_counters(listener)->redirected[TEXT_RTSP], 1);
}
END_TEST

START_TEST(test_request_that_waits_in_vain_is_answered_in_time)
{
	ns_t begin = clock_now();

	send_from(0, NEWS);
	run_until_answers(1);
	ck_assert_ptr_nonnull(strstr(client[0].got, "Location: rtsp://10.2.0.6/news"));
	ck_assert_int_ge(clock_now() - begin, PREPARE);
	ck_assert_uint_eq(arn_listener_counters(listener)->unprepared, 1);
}
END_TEST

START_TEST(test_want_is_told_once_however_often_it_is_tried)
{
	send_from(0, NEWS);
	run_for(PREPARE / 4);
	arn_listener_published(listener); /* with nothing new in it */
	arn_listener_published(listener);
	ck_assert_int_eq(wants, 1);
	ck_assert_uint_eq(client[0].n, 0);
}
END_TEST

START_TEST(test_want_that_is_had_at_once_is_used_at_once)
{
	publish_at_once = true;
	send_from(0, NEWS);
	send_from(1, NEWS);
	run_until_answers(2);
	for (int i = 0; i < 2; i++)
		ck_assert_ptr_nonnull(strstr(client[i].got, ":20001/news"));
	ck_assert_uint_eq(arn_listener_counters(listener)->unprepared, 0);
}
END_TEST

START_TEST(test_what_comes_behind_a_request_that_waits_is_answered_after_it)
{
	char *first, *second;

	send_from(0, NEWS NEXT);
	run_for(PREPARE / 4);
	send_from(0, NEWS);
	publish_in(0);
	run_until_answers(3);
	first = strstr(client[0].got, ":20001/news");
	second = strstr(client[0].got, ":20001/next");
	ck_assert(first && second && first < second);
}
END_TEST

START_TEST(test_one_that_waits_holds_up_nobody)
{
	send_from(0, NEWS);
	run_for(PREPARE / 4);
	send_from(1, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
	run_until_answers(1);
	ck_assert_uint_gt(client[1].n, 0);
	ck_assert_uint_eq(client[0].n, 0);
}
END_TEST

START_TEST(test_client_that_leaves_while_it_waits_is_forgotten)
{
	send_from(0, NEWS);
	send_from(1, NEWS);
	run_for(PREPARE / 4);
	stream_free(client[0].s);
	client[0].s = NULL;
	publish_in(5 * NS_MS);
	run_until_answers(1);
	ck_assert_int_eq(answers(&client[1]), 1);
	ck_assert_int_eq(arn_listener_connections(listener), 1);
}
END_TEST

START_TEST(test_drain_waits_for_those_that_wait)
{
	send_from(0, NEWS);
	run_for(PREPARE / 4);
	ck_assert_uint_eq(arn_listener_busy(listener), 1);
	run_until_answers(1);
	ck_assert_uint_eq(arn_listener_busy(listener), 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("preparing");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_request_waits_for_what_its_answer_wants);
	tcase_add_test(t, test_request_that_waits_in_vain_is_answered_in_time);
	tcase_add_test(t, test_want_is_told_once_however_often_it_is_tried);
	tcase_add_test(t, test_want_that_is_had_at_once_is_used_at_once);
	tcase_add_test(t, test_what_comes_behind_a_request_that_waits_is_answered_after_it);
	tcase_add_test(t, test_one_that_waits_holds_up_nobody);
	tcase_add_test(t, test_client_that_leaves_while_it_waits_is_forgotten);
	tcase_add_test(t, test_drain_waits_for_those_that_wait);
	return run_case("listener", t);
}
