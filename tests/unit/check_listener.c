/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections: answered at once when the request is there, and ended in order. Requests whose answer
 * wants something first (row B6): they wait without holding up anybody, and never for ever. Over
 * loopback, which stands for the anycast block: the listener is the real one, the snapshots are the
 * test's, and so is who is told of wants.
 */
#include "arn/listener.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/stream.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define PREPARE (60 * NS_MS)
#define NEWS    "DESCRIBE rtsp://127.0.0.1/news RTSP/1.0\r\nCSeq: 1\r\n\r\n"
#define NEXT    "DESCRIBE rtsp://127.0.0.1/next RTSP/1.0\r\nCSeq: 2\r\n\r\n"

static struct loop *loop;
static struct loop_timer *guard, *later;
static struct arn_listener *listener;
static struct snapshot *snap;
static uint16_t port, http_port;
static int wants, accusations;
static bool deaf;            /* to the next want */
static bool publish_at_once; /* as soon as something is wanted */

static struct client {
	struct stream *s;
	char got[16384];
	size_t n;
	bool closed;
	int err;
} client[3];
static int expected; /* answers, of all clients; then the loop stops */

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

static bool on_want(void *arg, const struct want *w, bool waits)
{
	(void)arg;
	ck_assert_int_eq(w->what, WANT_PRIME);
	if (!waits) /* a wish, of one that is answered */
		return true;
	if (deaf) {
		deaf = false;
		return false;
	}
	wants++;
	if (publish_at_once && !later)
		publish_in(0);
	return true;
}

static void on_accuse(void *arg, const char *node, enum text_proto service, const struct addr *peer)
{
	(void)arg;
	(void)peer;
	ck_assert_str_eq(node, "sn1");
	ck_assert_int_eq(service, TEXT_RTSP);
	accusations++;
}

static int answers(const struct client *c)
{
	int n = 0;

	for (const char *p = c->got; (p = strstr(p, "CSeq: ")); p++)
		n++;
	for (const char *p = c->got; (p = strstr(p, "HTTP/1.1 ")); p++)
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

	c->closed = true;
	c->err = err;
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
	static const struct arn_listener_ops listener_ops = {current, on_want, on_accuse};
	struct arn_listener_conf c = {.connections = 10,
		.request_timeout = 5 * NS_S,
		.idle_timeout = 5 * NS_S,
		.prepare = PREPARE};
	uint16_t failed;
	int err;

	memset(client, 0, sizeof(client));
	wants = accusations = 0;
	deaf = false;
	publish_at_once = false;
	loop = loop_new();
	guard = loop_timer_new(loop, on_guard, NULL);
	loop_timer_at(guard, clock_now() + 20 * NS_S);
	ck_assert_int_eq(prefix_parse(&c.block, SLICE("127.0.0.0/8")), 0);
	make_snapshot(0);
	port = free_port();
	http_port = free_port();
	c.port[TEXT_RTSP] = port;
	c.port[TEXT_HTTP] = http_port;
	listener = arn_listener_new(loop, &c, NULL, &listener_ops, NULL, &err, &failed);
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

static void send_to(int i, uint16_t to, const char *request)
{
	struct addr at = literal("127.0.0.1");
	int err;

	addr_set_port(&at, to);
	if (!client[i].s)
		client[i].s = stream_connect(loop, &at, NULL, &ops, &client[i], 4096, 4096, &err);
	ck_assert_int_eq(stream_write(client[i].s, request, strlen(request)), 0);
}

static void send_from(int i, const char *request)
{
	send_to(i, port, request);
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

static void move_node_away(void)
{
	snap->node[0].far = true;
	snap->node[0].rtt_us = 60000000;
}

/* Without that the answer of a node beyond `prepare` would always come too late. */
START_TEST(test_request_waits_for_the_way_to_a_far_node_as_well)
{
	move_node_away();
	send_from(0, NEWS);
	publish_in(2 * PREPARE);
	run_until_answers(1);
	ck_assert_ptr_nonnull(strstr(client[0].got, "Location: rtsp://10.2.0.6:20001/news"));
	ck_assert_uint_eq(arn_listener_counters(listener)->unprepared, 0);
}
END_TEST

START_TEST(test_one_that_waits_for_a_far_node_holds_up_nobody_who_does_not)
{
	make_snapshot(0);
	move_node_away();
	send_from(0, NEWS);
	run_for(PREPARE / 4);
	make_snapshot(0);
	send_from(1, NEWS);
	run_until_answers(1);
	ck_assert_ptr_nonnull(strstr(client[1].got, "Location: rtsp://10.2.0.6/news"));
	ck_assert_uint_eq(client[0].n, 0);
	/* Nor does it lose its own time when it is tried again. */
	arn_listener_published(listener);
	run_for(PREPARE / 4);
	ck_assert_uint_eq(client[0].n, 0);
}
END_TEST

START_TEST(test_want_that_could_not_be_told_is_told_when_it_is_tried_again)
{
	deaf = true;
	send_from(0, NEWS);
	run_for(PREPARE / 4);
	ck_assert_int_eq(wants, 0);
	arn_listener_published(listener);
	arn_listener_published(listener);
	ck_assert_int_eq(wants, 1);
	ck_assert_uint_eq(client[0].n, 0);
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

#define GET "GET /a HTTP/1.1\r\nHost: a.example\r\n"

/* Also with bytes behind the request: the client is not hit by a reset that takes the answer away. */
START_TEST(test_last_answer_ends_the_connection_in_order)
{
	static const char *const request[] = {
		GET "\r\n", GET "\r\n" GET "\r\n", GET "Content-Length: 5\r\n\r\nhello and more"};

	for (int i = 0; i < 3; i++) {
		send_to(i, http_port, request[i]);
		while (!client[i].closed)
			loop_run(loop);
		ck_assert_int_eq(client[i].err, 0);
		ck_assert_ptr_nonnull(strstr(client[i].got, "HTTP/1.1 503 "));
	}
	ck_assert_uint_eq(arn_listener_counters(listener)->accepted[TEXT_HTTP], 3);
	ck_assert_uint_eq(arn_listener_counters(listener)->unavailable[TEXT_HTTP], 3);
	ck_assert_uint_eq(arn_listener_counters(listener)->broken, 0);
}
END_TEST

START_TEST(test_request_in_pieces_is_one_request)
{
	send_from(0, "OPTIONS * RTSP/1.0\r\nCS");
	run_for(PREPARE / 4);
	ck_assert_uint_eq(client[0].n, 0);
	ck_assert_int_eq(arn_listener_connections(listener), 1);
	send_from(0, "eq: 1\r\n\r\nOPTIONS * RTSP/1.0\r\n");
	run_until_answers(1);
	send_from(0, "CSeq: 2\r\n\r\n");
	run_until_answers(2);
	ck_assert_uint_eq(arn_listener_counters(listener)->other[TEXT_RTSP], 2);
	ck_assert_uint_eq(arn_listener_busy(listener), 0);
}
END_TEST

static void send_options(int i, int n)
{
	char all[64 * 60] = "";

	for (int k = 0; k < n; k++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all),
			"OPTIONS * RTSP/1.0\r\nCSeq: %d\r\n\r\n", k);
	send_from(i, all);
}

START_TEST(test_many_requests_at_once_are_all_answered)
{
	send_options(0, 31);
	run_until_answers(31);
	ck_assert_int_eq(arn_listener_connections(listener), 1);
}
END_TEST

/* Row B5: nothing long-lived runs over the anycast address, however often it is asked. */
START_TEST(test_connection_ends_in_order_after_many_answers)
{
	send_options(0, 31);
	run_until_answers(31);
	ck_assert_ptr_null(strstr(client[0].got, "Connection: close"));
	send_options(0, 9);
	while (!client[0].closed)
		loop_run(loop);
	ck_assert_int_eq(client[0].err, 0);
	ck_assert_int_eq(answers(&client[0]), 32);
	ck_assert_ptr_nonnull(strstr(client[0].got, "Connection: close"));
}
END_TEST

/* ---- many that come in one moment: the loop stands still until all have ---- */

#define CROWD 40
static int crowd[CROWD];

/* The i-th, with the first n bytes of a request. */
static void arrive(int i, uint16_t to, const char *request, size_t n)
{
	struct addr at = literal("127.0.0.1");

	addr_set_port(&at, to);
	crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(crowd[i], &at.sa, addr_len(&at)), 0);
	ck_assert_int_eq(send(crowd[i], request, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void reset(int i)
{
	struct linger l = {.l_onoff = 1};

	setsockopt(crowd[i], SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(crowd[i]);
}

static void limit_to(int connections)
{
	struct arn_listener_conf c = {.connections = connections,
		.request_timeout = 5 * NS_S,
		.idle_timeout = 5 * NS_S,
		.prepare = PREPARE};

	arn_listener_set_limits(listener, &c);
}

static void run_until_accepted(enum text_proto p, uint64_t n)
{
	while (arn_listener_counters(listener)->accepted[p] < n)
		run_for(NS_MS);
	run_for(NS_MS);
}

/* The whole answer is there, and then the connection's end, in order. */
static void ck_answered(int i, const char *start)
{
	char got[8192];
	size_t n = 0;
	ssize_t more;

	while ((more = recv(crowd[i], got + n, sizeof(got) - 1 - n, MSG_DONTWAIT)) > 0)
		n += (size_t)more;
	got[n] = '\0';
	ck_assert_msg(!strncmp(got, start, strlen(start)), "%d: '%s'", i, got);
	ck_assert_int_eq(more, 0);
	close(crowd[i]);
}

START_TEST(test_crowd_that_is_larger_than_the_limit_is_served_whole)
{
	limit_to(4);
	for (int i = 0; i < CROWD; i++)
		arrive(i, http_port, GET "\r\n", strlen(GET) + 2);
	run_until_accepted(TEXT_HTTP, CROWD);
	for (int i = 0; i < CROWD; i++)
		ck_answered(i, "HTTP/1.1 503 ");
	ck_assert_uint_eq(arn_listener_counters(listener)->evicted, 0);
	ck_assert_int_eq(arn_listener_connections(listener), 0);
	ck_assert_uint_eq(arn_listener_busy(listener), 0);
}
END_TEST

/* Four that never end their request hold all places: the first one's is enough for all others. */
START_TEST(test_crowd_takes_no_more_places_than_it_needs)
{
	limit_to(4);
	for (int i = 0; i < 4; i++)
		arrive(i, http_port, GET, strlen(GET));
	run_until_accepted(TEXT_HTTP, 4);
	for (int i = 4; i < CROWD; i++)
		arrive(i, http_port, GET "\r\n", strlen(GET) + 2);
	run_until_accepted(TEXT_HTTP, CROWD);
	for (int i = 4; i < CROWD; i++)
		ck_answered(i, "HTTP/1.1 503 ");
	ck_assert_uint_eq(arn_listener_counters(listener)->evicted, 1);
	ck_assert_int_eq(arn_listener_connections(listener), 3);
	for (int i = 0; i < 4; i++)
		close(crowd[i]);
}
END_TEST

/* More that stay than there are places: each gives way in its turn, also within one batch. */
START_TEST(test_crowd_of_those_that_stay_gives_way_to_itself)
{
	make_snapshot(0);
	limit_to(4);
	for (int i = 0; i < CROWD; i++)
		arrive(i, port, NEWS, i % 3 == 0 ? 10 : strlen(NEWS));
	run_until_accepted(TEXT_RTSP, CROWD);
	ck_assert_uint_eq(arn_listener_counters(listener)->evicted, CROWD - 4);
	ck_assert_int_eq(arn_listener_connections(listener), 4);
	publish_in(0);
	run_for(10 * NS_MS);
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
}
END_TEST

START_TEST(test_clients_that_reset_take_nobody_along)
{
	make_snapshot(20001);
	limit_to(100);
	for (int i = 0; i < CROWD; i++) {
		arrive(i, i % 2 ? http_port : port, i % 2 ? GET "\r\n" : NEWS,
			i % 5 == 1 ? 20 : strlen(i % 2 ? GET "\r\n" : NEWS));
		if (i % 3 == 0)
			reset(i);
	}
	run_until_accepted(TEXT_HTTP, CROWD / 2);
	for (int i = 0; i < CROWD; i++) {
		if (i % 3 == 0)
			continue;
		if (i % 5 == 1)
			reset(i);
		else if (i % 2)
			ck_answered(i, "HTTP/1.1 503 ");
		else
			close(crowd[i]);
	}
	while (arn_listener_connections(listener))
		run_for(NS_MS);
	ck_assert_uint_eq(arn_listener_busy(listener), 0);
}
END_TEST

START_TEST(test_crowd_whose_requests_come_in_pieces_is_served)
{
	static const char whole[] = GET "\r\n";

	limit_to(100);
	for (int i = 0; i < CROWD; i++)
		arrive(i, http_port, whole, (size_t)i % strlen(whole) + 1);
	run_until_accepted(TEXT_HTTP, CROWD);
	for (int i = 0; i < CROWD; i++) {
		const char *rest = &whole[i % strlen(whole) + 1];

		send(crowd[i], rest, strlen(rest), MSG_NOSIGNAL);
	}
	while (arn_listener_counters(listener)->unavailable[TEXT_HTTP] < CROWD)
		run_for(NS_MS);
	for (int i = 0; i < CROWD; i++)
		if ((size_t)i % strlen(GET "\r\n") + 1 < strlen(GET "\r\n"))
			shutdown(crowd[i], SHUT_WR);
	while (arn_listener_connections(listener))
		run_for(NS_MS);
	for (int i = 0; i < CROWD; i++)
		ck_answered(i, "HTTP/1.1 503 ");
	ck_assert_uint_eq(arn_listener_counters(listener)->broken, 0);
}
END_TEST

/* As many bytes as are read at once are a whole request, and more are behind it, not read. */
START_TEST(test_answer_to_a_long_request_is_not_lost_with_what_is_behind_it)
{
	enum { AT_ONCE = 4096 };
	char request[AT_ONCE + 100];
	size_t n = strlen(GET "X: ");

	memset(request, 'x', sizeof(request));
	memcpy(request, GET "X: ", n);
	memcpy(request + AT_ONCE - 4, "\r\n\r\n", 4);
	arrive(0, http_port, request, sizeof(request));
	run_until_accepted(TEXT_HTTP, 1);
	ck_answered(0, "HTTP/1.1 503 ");
	while (arn_listener_connections(listener))
		run_for(NS_MS);
	ck_assert_uint_eq(arn_listener_counters(listener)->broken, 0);
}
END_TEST

/* The loop is stopped in the turn in which they came: they were accepted, and are not served. */
START_TEST(test_listener_ends_with_connections_that_were_not_looked_at)
{
	struct loop_wake *stop = loop_wake_new(loop, (loop_wake_cb *)loop_stop, loop);

	run_for(NS_MS);
	for (int i = 0; i < 5; i++)
		arrive(i, http_port, GET "\r\n", strlen(GET "\r\n"));
	loop_wake(stop);
	loop_run(loop);
	ck_assert_uint_eq(arn_listener_counters(listener)->accepted[TEXT_HTTP], 5);
	ck_assert_uint_eq(arn_listener_busy(listener), 5); /* a drain waits for them */
	arn_listener_free(listener);
	listener = NULL;
	loop_wake_free(stop);
	for (int i = 0; i < 5; i++)
		close(crowd[i]);
}
END_TEST

START_TEST(test_accusations_are_told)
{
	make_snapshot(20001);
	send_from(0, "DESCRIBE rtsp://a/news RTSP/1.0\r\nCSeq: 1\r\nNearcast-Avoid: sn1\r\n\r\n");
	run_until_answers(1);
	ck_assert_int_eq(accusations, 1);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("listener");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_request_waits_for_the_way_to_a_far_node_as_well);
	tcase_add_test(t, test_one_that_waits_for_a_far_node_holds_up_nobody_who_does_not);
	tcase_add_test(t, test_last_answer_ends_the_connection_in_order);
	tcase_add_test(t, test_request_in_pieces_is_one_request);
	tcase_add_test(t, test_many_requests_at_once_are_all_answered);
	tcase_add_test(t, test_connection_ends_in_order_after_many_answers);
	tcase_add_test(t, test_crowd_that_is_larger_than_the_limit_is_served_whole);
	tcase_add_test(t, test_crowd_takes_no_more_places_than_it_needs);
	tcase_add_test(t, test_crowd_of_those_that_stay_gives_way_to_itself);
	tcase_add_test(t, test_clients_that_reset_take_nobody_along);
	tcase_add_test(t, test_crowd_whose_requests_come_in_pieces_is_served);
	tcase_add_test(t, test_answer_to_a_long_request_is_not_lost_with_what_is_behind_it);
	tcase_add_test(t, test_listener_ends_with_connections_that_were_not_looked_at);
	tcase_add_test(t, test_accusations_are_told);
	tcase_add_test(t, test_request_waits_for_what_its_answer_wants);
	tcase_add_test(t, test_request_that_waits_in_vain_is_answered_in_time);
	tcase_add_test(t, test_want_is_told_once_however_often_it_is_tried);
	tcase_add_test(t, test_want_that_could_not_be_told_is_told_when_it_is_tried_again);
	tcase_add_test(t, test_want_that_is_had_at_once_is_used_at_once);
	tcase_add_test(t, test_what_comes_behind_a_request_that_waits_is_answered_after_it);
	tcase_add_test(t, test_one_that_waits_holds_up_nobody);
	tcase_add_test(t, test_client_that_leaves_while_it_waits_is_forgotten);
	tcase_add_test(t, test_drain_waits_for_those_that_wait);
	return run_case("listener", t);
}
