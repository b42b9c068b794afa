/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads that answer clients, as the control thread sees them: they answer from what was
 * published last, share their port, their sums and their limit, and each vouches for itself (A2).
 */
#include "arn/crew.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arn/board.h"
#include "arn/policy.h"
#include "tests/unit/run.h"

#define THREADS 3
#define PORT    5554

static struct loop *loop;
static struct loop_timer *guard, *timer;
static struct crew *crew;
static struct crew_conf conf;
static uint32_t reported;

static void on_guard(void *arg)
{
	(void)arg;
	ck_abort_msg("the test did not end");
}

static void on_report(void *arg, const struct report *r)
{
	(void)arg;
	if (r->kind == REPORT_WANT)
		return;
	ck_assert_int_eq(r->kind, REPORT_ACCUSE);
	ck_assert_str_eq(r->accuse.node, "sn1");
	ck_assert_int_eq(r->accuse.service, TEXT_RTSP);
	reported++;
}

static struct snapshot *one_node(const char *address, uint64_t version)
{
	struct snapshot *s = snapshot_new(1);
	struct announce *a = &s->node[0].said;

	s->version = version;
	s->nodes = 1;
	a->role = ROLE_SN;
	strcpy(a->id, "sn1");
	addr_parse(&a->addr, slice_of(address), 0);
	a->rtsp_port = 554;
	a->healthy = true;
	a->weight = 100;
	return s;
}

static void publish(const char *address, uint64_t version)
{
	struct snapshot *s = one_node(address, version);

	crew_publish(crew, s);
	snapshot_unref(s);
}

static void start_crew(int64_t connections)
{
	uint16_t port;
	int err;

	conf.listener.connections = connections;
	crew = crew_new(loop, &conf, on_report, NULL, &err, &port);
	ck_assert_msg(crew != NULL, "%s", strerror(-err));
}

static void setup(void)
{
	loop = loop_new();
	guard = loop_timer_new(loop, on_guard, NULL);
	loop_timer_at(guard, clock_now() + 20 * NS_S);
	reported = 0;
	conf = (struct crew_conf){.threads = THREADS,
		.beat = 5 * NS_MS,
		.listener = {.port = {[TEXT_RTSP] = PORT},
			.request_timeout = 10 * NS_S,
			.idle_timeout = 10 * NS_S}};
	prefix_parse(&conf.listener.block, slice_of("127.0.0.0/8"));
	start_crew(300); /* whose shares are enough for whatever the kernel gives to one thread */
}

static void teardown(void)
{
	crew_free(crew);
	loop_timer_free(guard);
	loop_free(loop);
}

/* Lets the control loop go round for a while. */
static void on_end(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void turn_for(ns_t time)
{
	timer = loop_timer_new(loop, on_end, NULL);
	loop_timer_at(timer, clock_now() + time);
	loop_run(loop);
	loop_timer_free(timer);
}

static int dial(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void ask(int fd, const char *expected)
{
	static const char request[] =
		"DESCRIBE rtsp://a/x RTSP/1.0\r\nCSeq: 1\r\nNearcast-Avoid: sn1\r\n\r\n";
	char answer[512];
	ssize_t n;

	ck_assert_int_eq(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
	n = read(fd, answer, sizeof(answer) - 1);
	ck_assert_int_gt(n, 0);
	answer[n] = '\0';
	ck_assert_msg(strstr(answer, expected) != NULL, "%s", answer);
}

START_TEST(test_every_thread_answers_from_what_was_published_last)
{
	static const char *const address[] = {"10.2.0.6", "10.2.0.7", "10.2.0.8"};
	int fd[40];

	for (int i = 0; i < 20; i++)
		fd[i] = dial();
	ask(fd[0], "503"); /* before there is anything */
	for (uint64_t v = 0; v < 3; v++) {
		char location[64];

		snprintf(location, sizeof(location), "Location: rtsp://%s/x", address[v]);
		publish(address[v], v + 1);
		for (int i = 0; i < 20; i++)
			ask(fd[i], location);
	}
	while (reported < 60)
		turn_for(NS_MS);
	ck_assert_uint_eq(reported, 60);
	ck_assert_uint_eq(crew_reports_lost(crew), 0);
	for (int i = 0; i < 20; i++)
		close(fd[i]);
}
END_TEST

START_TEST(test_counters_and_connections_are_those_of_all_threads)
{
	int fd[20];

	for (int i = 0; i < 20; i++) {
		fd[i] = dial();
		ask(fd[i], "503");
	}
	ck_assert_uint_eq(
		crew_count(crew, offsetof(struct arn_listener_counters, accepted[TEXT_RTSP])), 20);
	ck_assert_uint_eq(
		crew_count(crew, offsetof(struct arn_listener_counters, unavailable[TEXT_RTSP])),
		20);
	ck_assert_int_eq(crew_connections(crew), 20);
	while (crew_busy(crew)) /* the last answer may be on its way while its sender goes on */
		turn_for(NS_MS);
	for (int i = 0; i < 20; i++)
		close(fd[i]);
	while (crew_connections(crew))
		turn_for(NS_MS);
}
END_TEST

START_TEST(test_limit_of_connections_is_one_of_all_threads_together)
{
	struct arn_listener_conf fewer = conf.listener;
	int fd[100];

	crew_free(crew);
	start_crew(30);
	for (int i = 0; i < 100; i++) {
		fd[i] = dial();
		ck_assert_int_eq(write(fd[i], "DESC", 4), 4);
	}
	while (crew_count(crew, offsetof(struct arn_listener_counters, evicted)) < 70)
		turn_for(NS_MS);
	ck_assert_int_le(crew_connections(crew), 30);
	fewer.connections = 4;
	crew_set_limits(crew, &fewer);
	for (int i = 0; crew_connections(crew) > 4; i++) {
		close(fd[i % 100]);
		fd[i % 100] = dial();
		turn_for(NS_MS);
	}
	for (int i = 0; i < 100; i++)
		close(fd[i]);
}
END_TEST

static sem_t held, go;

static int hold(const struct policy_field *f, const struct select_query *q, const char **by)
{
	(void)f;
	*by = "test";
	if (slice_eq(q->path, SLICE("/hold"))) {
		sem_post(&held);
		sem_wait(&go);
	}
	return 0;
}

/* Whoever comes to RTSP is sent to a port of its own, which the node has given from version 2 on. */
static void publish_primed(uint64_t version)
{
	static const struct select_policy policy = {.name = "hold", .choose = hold};
	struct snapshot *s = one_node("10.2.0.6", version);
	struct primed *p = primed_new(1);

	s->prime = s->node[0].said.primes = SERVICE_RTSP;
	s->node[0].said.control_port = 7702;
	s->select.policy[TEXT_RTSP] = &policy;
	if (version > 1) {
		p->n = 1;
		strcpy(p->port[0].node, "sn1");
		p->port[0].port = 20001;
		p->port[0].state.service = SERVICE_RTSP;
		addr_parse(&p->port[0].state.anycast, SLICE("127.0.0.1"), 0);
	}
	primed_sort(p);
	s->primed = p;
	crew_publish(crew, s);
	snapshot_unref(s);
}

static void say(int fd, const char *request)
{
	ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
}

static void hear(int fd, const char *expected)
{
	struct timeval patience = {.tv_sec = 3};
	char answer[512];
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = read(fd, answer, sizeof(answer) - 1);
	ck_assert_msg(n > 0, "no answer: %s", strerror(errno));
	answer[n] = '\0';
	ck_assert_msg(strstr(answer, expected) != NULL, "%s", answer);
}

/* The thread finds a client's request and that there is a newer snapshot in one turn, in this order. */
START_TEST(test_who_waits_is_answered_also_when_another_client_found_the_snapshot_first)
{
	static const char options[] = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
	int idle, waiting, holding;

	crew_free(crew);
	conf.threads = 1;
	conf.listener.prepare = 8 * NS_S;
	start_crew(10);
	sem_init(&held, 0, 0);
	sem_init(&go, 0, 0);
	publish_primed(1);
	idle = dial();
	say(idle, options);
	hear(idle, "200 OK");
	waiting = dial();
	say(waiting, "DESCRIBE rtsp://a/x RTSP/1.0\r\nCSeq: 1\r\n\r\n");
	while (!crew_count(crew, offsetof(struct arn_listener_counters, prepared)))
		turn_for(NS_MS);
	holding = dial();
	say(holding, "ANNOUNCE rtsp://a/hold RTSP/1.0\r\nCSeq: 1\r\n\r\n");
	sem_wait(&held);
	say(idle, options);
	publish_primed(2);
	sem_post(&go);
	hear(waiting, "Location: rtsp://10.2.0.6:20001/x");
	close(idle);
	close(waiting);
	close(holding);
}
END_TEST

START_TEST(test_crew_vouches_as_long_as_all_turn)
{
	int who = -1;
	ns_t began = clock_now();

	ck_assert_int_eq(crew_threads(crew), THREADS);
	while (crew_vouched(crew, &who) < began + 50 * NS_MS)
		turn_for(NS_MS);
	ck_assert(who >= 0 && who < THREADS);
}
END_TEST

START_TEST(test_port_that_somebody_else_has_is_not_shared)
{
	uint16_t failed;
	int err, fd, one = 1;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	ck_assert_ptr_null(crew_new(loop, &conf, on_report, NULL, &err, &failed));
	ck_assert_int_eq(err, -EADDRINUSE);
	ck_assert_uint_eq(failed, PORT);
	/* Nor does one share it that is asked to: an ARN has to have the whole of it. */
	crew_free(crew);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	crew = crew_new(loop, &conf, on_report, NULL, &err, &failed);
	ck_assert_ptr_null(crew);
	ck_assert_int_eq(err, -EADDRINUSE);
	close(fd);
}
END_TEST

START_TEST(test_crew_is_as_many_as_configured_but_no_more_than_there_are_places)
{
	cpu_set_t one;

	ck_assert_int_eq(crew_size(3, 100), 3);
	ck_assert_int_eq(crew_size(3, 2), 2);
	ck_assert_int_eq(crew_size(1000, 100000), CREW_MAX);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert_int_eq(crew_size(0, 100), 1);
}
END_TEST

/* The board alone: readers in other threads never see a snapshot that is half made, or gone. */
static struct board *board;
static _Atomic bool done;

static void *read_board(void *arg)
{
	const struct snapshot *held = NULL;
	uint64_t last = 0;

	(void)arg;
	while (!done) {
		const struct snapshot *s = board_read(board, &held);

		ck_assert_uint_ge(s->version, last);
		ck_assert_int_eq(s->nodes ? s->node[0].said.rtsp_port : 554, 554);
		last = s->version;
	}
	snapshot_unref(held);
	return NULL;
}

START_TEST(test_board_gives_every_reader_the_newest_whole)
{
	const struct snapshot *held = NULL;
	pthread_t reader[3];

	board = board_new();
	done = false;
	ck_assert_int_eq(board_read(board, &held)->nodes, 0);
	ck_assert(board_is_newest(board, held));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&reader[i], NULL, read_board, NULL), 0);
	for (uint64_t v = 1; v <= 20000; v++) {
		struct snapshot *s = one_node("10.2.0.6", v);

		board_post(board, s);
		snapshot_unref(s);
	}
	ck_assert(!board_is_newest(board, held));
	ck_assert_uint_eq(board_read(board, &held)->version, 20000);
	done = true;
	for (int i = 0; i < 3; i++)
		pthread_join(reader[i], NULL);
	snapshot_unref(held);
	board_free(board);
}
END_TEST

static int lo_up(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err = ioctl(fd, SIOCSIFFLAGS, &lo);

	close(fd);
	return err;
}

int main(void)
{
	TCase *t = tcase_create("crew");
	int skip = own_network();

	if (skip)
		return skip;
	if (lo_up() < 0)
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_every_thread_answers_from_what_was_published_last);
	tcase_add_test(t, test_counters_and_connections_are_those_of_all_threads);
	tcase_add_test(t, test_limit_of_connections_is_one_of_all_threads_together);
	tcase_add_test(
		t, test_who_waits_is_answered_also_when_another_client_found_the_snapshot_first);
	tcase_add_test(t, test_crew_vouches_as_long_as_all_turn);
	tcase_add_test(t, test_port_that_somebody_else_has_is_not_shared);
	tcase_add_test(t, test_crew_is_as_many_as_configured_but_no_more_than_there_are_places);
	tcase_add_test(t, test_board_gives_every_reader_the_newest_whole);
	return run_case("crew", t);
}
