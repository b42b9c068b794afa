/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows H2 and C5: an ARN's questions to a node, over loopback; the node is the test. What the latency is
 * when one of the two is busy, and which answers are believed.
 */
#include "arn/surveyor.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/udp.h"
#include "tests/unit/run.h"

#define BUSY (100 * NS_MS) /* far longer than loopback takes, also on a machine with much to do */
#define SKEW (10 * NS_S)

static struct loop *loop;
static struct loop_timer *guard;
static struct surveyor *surveyor;
static struct wire_keys keys;
static struct wire_sender node; /* as it seals */
static struct addr at;          /* where it is */
static int fd;
static struct udp_msg msg[UDP_BATCH];
static struct survey_ask asked;

static struct survey_answer heard;
static int answers;
static ns_t rtt;

static void on_guard(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void on_answer(void *arg, const struct addr *from, const struct survey_answer *a, ns_t t)
{
	(void)arg;
	ck_assert_int_eq(addr_cmp(from, &at), 0);
	heard = *a;
	rtt = t;
	answers++;
	loop_stop(loop);
}

static void open_node(const char *where)
{
	socklen_t len = sizeof(at);

	ck_assert_int_eq(addr_parse(&at, slice_of(where), 0), 0);
	fd = udp_open(&at, 0, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(udp_stamp(fd, false), 0);
	ck_assert_int_eq(getsockname(fd, &at.sa, &len), 0);
	/* The first socket that wants the kernel's times may not have them at once. */
	do {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		ck_assert_int_eq(udp_send(fd, &at, "x", 1), 0);
		ck_assert_int_eq(poll(&p, 1, 5000), 1);
		ck_assert_int_eq(udp_recv(fd, msg, 1), 1);
	} while (!msg[0].came);
}

static void setup(const char *where)
{
	struct surveyor_conf c = {
		.name = "arn908", .skew = SKEW, .keys = &keys, .answered = on_answer};

	log_open("test", NLOG_BUG);
	keys = (struct wire_keys){.n = 1, .key[0] = {.id = 1, .key = "a key of everybody's"}};
	wire_sender_init(&node, &keys, "sn942", clock_wall());
	loop = loop_new();
	guard = loop_timer_new(loop, on_guard, NULL);
	surveyor = surveyor_new(loop, &c);
	ck_assert_ptr_nonnull(surveyor);
	open_node(where);
	answers = 0;
}

static void setup_v4(void)
{
	setup("127.0.0.1:0");
}

static void setup_v6(void)
{
	setup("[::1]:0");
}

static void teardown(void)
{
	surveyor_free(surveyor);
	loop_timer_free(guard);
	loop_free(loop);
	close(fd);
}

/* The ARN asks; the question is at the node. */
static ns_t ask(uint64_t id)
{
	struct far_question q = {.id = id, .to = at, .neighbours = true, .skip = 2};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct wire_receiver *r = wire_receiver_new(&keys, SKEW, 1);
	struct wire_view v;
	const char *why;

	wire_receiver_take(r, WIRE_BIT(WIRE_SURVEY));
	ck_assert_int_eq(surveyor_ask(surveyor, &q), 0);
	ck_assert_int_eq(poll(&p, 1, 5000), 1);
	ck_assert_int_eq(udp_recv(fd, msg, 1), 1);
	ck_assert_int_eq(wire_open(r, msg[0].data, msg[0].len, clock_wall(), &v), WIRE_OK);
	ck_assert_int_eq(survey_ask_decode(&asked, v.payload, v.len, &why), 0);
	ck_assert_uint_eq(v.sender, wire_sender_id("arn908"));
	wire_receiver_free(r);
	ck_assert_int_ne(msg[0].came, 0);
	return msg[0].came;
}

static struct survey_answer right(void)
{
	struct survey_answer a = {.id = asked.id, .total = 3, .neighbours = 1};

	strcpy(a.to, asked.from);
	a.said = (struct announce){
		.role = ROLE_SN, .id = "sn942", .addr = at, .rtsp_port = 554, .interval_ms = 200};
	addr_set_port(&a.said.addr, 0);
	a.neighbour[0] = (struct survey_neighbour){"sn944", at};
	return a;
}

static void send_sealed(
	int from, struct wire_sender *s, enum wire_type type, const struct survey_answer *a)
{
	uint8_t payload[WIRE_MAX], sealed[WIRE_MAX];
	int n = survey_answer_encode(a, payload, sizeof(payload));

	ck_assert_int_gt(n, 0);
	n = wire_seal(s, type, payload, (size_t)n, clock_wall(), sealed);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(udp_send(from, &msg[0].from, sealed, (size_t)n), 0);
}

/* Until an answer is believed, or for so long. */
static void run(ns_t longest)
{
	loop_timer_at(guard, clock_now() + longest);
	loop_run(loop);
}

static void busy(void)
{
	poll(NULL, 0, BUSY / NS_MS);
}

START_TEST(test_question_says_what_is_asked_and_the_answer_comes_back_whole)
{
	struct survey_answer a;

	ask(77);
	ck_assert_uint_eq(asked.id, 77);
	ck_assert_str_eq(asked.from, "arn908");
	ck_assert_int_eq(addr_cmp(&asked.to, &at), 0);
	ck_assert(asked.neighbours && asked.skip == 2);
	ck_assert_uint_ge(msg[0].len, SURVEY_LEN);
	a = right();
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	run(5 * NS_S);
	ck_assert_int_eq(answers, 1);
	ck_assert_str_eq(heard.said.id, "sn942");
	ck_assert(heard.neighbours == 1 && heard.total == 3);
	ck_assert_uint_eq(surveyor_counters(surveyor)->unstamped, 0);
}
END_TEST

START_TEST(test_node_that_is_busy_is_not_farther_away)
{
	struct survey_answer a;
	ns_t came = ask(1);

	busy();
	a = right();
	a.held = clock_wall() - came;
	ck_assert_int_ge(a.held, BUSY - NS_MS);
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	run(5 * NS_S);
	ck_assert_int_eq(answers, 1);
	ck_assert_msg(rtt >= 0 && rtt < BUSY / 2, "%lld ns", (long long)rtt);
}
END_TEST

START_TEST(test_arn_that_is_busy_is_not_farther_away)
{
	struct survey_answer a;

	ask(1);
	a = right();
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	busy();
	run(5 * NS_S);
	ck_assert_int_eq(answers, 1);
	ck_assert_msg(rtt >= 0 && rtt < BUSY / 2, "%lld ns", (long long)rtt);
}
END_TEST

START_TEST(test_time_on_the_path_is_what_is_measured)
{
	struct survey_answer a;

	ask(1);
	busy(); /* it is on its way for so long: nobody says that he held it */
	a = right();
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	run(5 * NS_S);
	ck_assert_int_eq(answers, 1);
	ck_assert_msg(rtt >= BUSY - NS_MS && rtt < 5 * NS_S, "%lld ns", (long long)rtt);
}
END_TEST

START_TEST(test_node_that_says_that_it_held_longer_than_it_took_is_not_measured)
{
	struct survey_answer a;

	ask(1);
	a = right();
	a.held = 10 * NS_S;
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	run(5 * NS_S);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_lt(rtt, 0);
	ck_assert_uint_eq(surveyor_counters(surveyor)->unmeasured, 1);
}
END_TEST

/* Row C5: each of them would have made the ARN believe something of a node that did not say it. */
START_TEST(test_stranger_and_recording_are_not_believed)
{
	struct wire_keys others = {.n = 1, .key[0] = {.id = 1, .key = "a key of a stranger's"}};
	struct wire_sender stranger, another;
	const struct surveyor_counters *n = surveyor_counters(surveyor);
	struct addr any = addr_any(at.sa.sa_family, 0);
	int elsewhere = udp_open(&any, 0, 0);
	struct survey_answer a;

	wire_sender_init(&stranger, &others, "sn942", clock_wall());
	wire_sender_init(&another, &keys, "sn944", clock_wall());
	ask(1234567);
	a = right();
	send_sealed(fd, &stranger, WIRE_SURVEYED, &a);
	send_sealed(fd, &another, WIRE_SURVEYED, &a);
	send_sealed(fd, &node, WIRE_PRIMED, &a);
	send_sealed(elsewhere, &node, WIRE_SURVEYED, &a);
	a.id++;
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	a.id--;
	strcpy(a.to, "arn930");
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	udp_send(fd, &msg[0].from, "NCST", 4);
	while (n->refused[WIRE_MALFORMED] == 0 && n->strays < 9)
		run(20 * NS_MS);
	ck_assert_int_eq(answers, 0);
	ck_assert_uint_eq(n->refused[WIRE_FORGED], 1);
	ck_assert_uint_eq(n->refused[WIRE_UNKNOWN_TYPE], 1);
	ck_assert_uint_eq(n->bad_payload, 2);
	ck_assert_uint_eq(n->strays, 2);
	/* All that has not spoilt the right one, which counts once. */
	a = right();
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	run(5 * NS_S);
	ck_assert_int_eq(answers, 1);
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	while (n->strays < 3)
		run(20 * NS_MS);
	ck_assert_int_eq(answers, 1);
	close(elsewhere);
}
END_TEST

/* More questions than are remembered, and none is answered: the last ones can still be. */
START_TEST(test_questions_without_answers_take_bounded_memory)
{
	struct far_question q = {.to = at};
	struct survey_answer a;

	for (q.id = 1; q.id <= 2 * SURVEYOR_OUT; q.id++)
		surveyor_ask(surveyor, &q);
	while (udp_recv(fd, msg, UDP_BATCH) > 0)
		;
	ask(5000);
	a = right();
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	run(5 * NS_S);
	ck_assert_int_eq(answers, 1);
	ck_assert_int_ge(rtt, 0);
	ck_assert_uint_eq(surveyor_counters(surveyor)->unstamped, 0);
	ask(5001);
	a = right();
	a.id = 1; /* forgotten */
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	while (surveyor_counters(surveyor)->strays < 1)
		run(20 * NS_MS);
	ck_assert_int_eq(answers, 1);
}
END_TEST

START_TEST(test_node_that_cannot_be_reached_is_told_and_the_next_is_measured)
{
	struct far_question q = {.id = 9};
	struct survey_answer a;

	/* No port, no datagram. */
	q.to = at;
	addr_set_port(&q.to, 0);
	ask(1);
	surveyor_ask(surveyor, &q);
	ask(2);
	a = right();
	send_sealed(fd, &node, WIRE_SURVEYED, &a);
	run(5 * NS_S);
	ck_assert_int_eq(answers, 1);
	ck_assert_uint_eq(heard.id, 2);
	ck_assert_uint_eq(surveyor_counters(surveyor)->unstamped, 0);
	ck_assert_uint_eq(surveyor_counters(surveyor)->unsent, 1);
}
END_TEST

static TCase *tests(const char *name, SFun setup_family)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, setup_family, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_question_says_what_is_asked_and_the_answer_comes_back_whole);
	tcase_add_test(t, test_node_that_is_busy_is_not_farther_away);
	tcase_add_test(t, test_arn_that_is_busy_is_not_farther_away);
	tcase_add_test(t, test_time_on_the_path_is_what_is_measured);
	tcase_add_test(t, test_node_that_says_that_it_held_longer_than_it_took_is_not_measured);
	tcase_add_test(t, test_stranger_and_recording_are_not_believed);
	tcase_add_test(t, test_questions_without_answers_take_bounded_memory);
	tcase_add_test(t, test_node_that_cannot_be_reached_is_told_and_the_next_is_measured);
	return t;
}

int main(void)
{
	Suite *s = suite_create("surveyor");

	suite_add_tcase(s, tests("IPv4", setup_v4));
	suite_add_tcase(s, tests("IPv6", setup_v6));
	return run_suite(s);
}
