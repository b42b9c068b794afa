/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Row C4, the node's half: the node is its own client, over real sockets of the loopback. */
#include "sn-agent/selfcheck.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/stream.h"
#include "tests/unit/run.h"

#define EVERY    (200 * NS_MS)
#define PATIENCE (20 * NS_S)

static struct loop *loop;
static struct listener *server;
static struct media *media;
static struct selfcheck *check;
static struct loop_timer *limit, *stalling;
static struct channels channels;
static struct relay relay;
static struct rtsp rtsp;
static const char *reply;
static int verdicts;
static bool healthy;
static char reason[128];

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	(void)arg;
	(void)peer;
	if (reply && write(fd, reply, strlen(reply)) < 0)
		ck_abort();
	if (reply)
		close(fd); /* without: it hangs, until the test ends */
}

static void on_verdict(void *arg, bool ok, const char *why)
{
	(void)arg;
	verdicts++;
	healthy = ok;
	snprintf(reason, sizeof(reason), "%s", why);
	loop_stop(loop);
}

static void on_limit(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static uint64_t unguessable(void)
{
	return (uint64_t)random() << 32 | (uint64_t)random();
}

static int send_udp(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	(void)arg, (void)rtcp, (void)to, (void)v;
	return n;
}

static const struct relay_io io = {.udp = send_udp};

static void setup(void)
{
	struct rtsp_conf rc = {0};
	struct addr at;
	int err;

	loop = loop_new();
	addr_parse(&at, SLICE("127.0.0.1:0"), 0);
	server = listener_new(loop, &at, 8, on_accept, NULL, &err);
	ck_assert_ptr_nonnull(server);
	channels_init(&channels, NS_S, 1000000, NS_S);
	relay_init(&relay, &io, NULL);
	rtsp_init(&rtsp, &rc, &channels, &relay, unguessable);
	media = media_new(loop, &at, &rtsp, &relay, &err);
	ck_assert_ptr_nonnull(media);
	check = selfcheck_new(
		loop, listener_addr(server), media, unguessable, EVERY, on_verdict, NULL);
	limit = loop_timer_new(loop, on_limit, NULL);
	stalling = NULL;
	reply = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n";
	verdicts = 0;
	healthy = true;
}

static void teardown(void)
{
	selfcheck_free(check);
	media_free(media);
	listener_free(server);
	loop_timer_free(limit);
	loop_timer_free(stalling);
	channels_free(&channels);
	loop_free(loop);
}

/* Until the verdict changes, or the time is over. */
static void run_for(ns_t span)
{
	loop_timer_at(limit, loop_now(loop) + span);
	loop_run(loop);
}

/* The media's sockets: bound to UDP ports of the loopback, the even one first. */
static int find_socket(bool rtcp)
{
	for (int fd = 3; fd < 64; fd++) {
		struct addr at;
		socklen_t len = sizeof(at);
		int type = 0;
		socklen_t n = sizeof(type);

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_DGRAM)
			continue;
		if (getsockname(fd, &at.sa, &len) < 0 || at.sa.sa_family != AF_INET)
			continue;
		if (addr_port(&at) && addr_port(&at) % 2 == rtcp)
			return fd;
	}
	ck_abort_msg("no socket of the media");
	return -1;
}

START_TEST(test_node_that_serves_is_healthy_and_knows_its_delay)
{
	run_for(5 * EVERY / 2);
	ck_assert_int_eq(verdicts, 0);
	ck_assert(selfcheck_healthy(check));
	ck_assert_uint_gt(selfcheck_answer_us(check), 0);
	ck_assert_uint_gt(selfcheck_delay_us(check), 0);
	ck_assert_int_eq(selfcheck_trouble(check), TROUBLE_NONE);
}
END_TEST

START_TEST(test_way_of_the_media_is_checked_over_ipv6_alike)
{
	struct media *other;
	struct addr at;
	int err;

	addr_parse(&at, SLICE("[::1]:0"), 0);
	other = media_new(loop, &at, &rtsp, &relay, &err);
	ck_assert_ptr_nonnull(other);
	media_echo(other, 7);
	ck_assert(!media_echoed(other));
	run_for(100 * NS_MS);
	ck_assert(media_echoed(other));
	media_free(other);
}
END_TEST

START_TEST(test_rtsp_that_never_answers_is_trouble_until_it_does)
{
	reply = NULL;
	run_for(PATIENCE);
	ck_assert_int_eq(verdicts, 1);
	ck_assert(!healthy);
	ck_assert_int_eq(selfcheck_trouble(check), TROUBLE_RTSP);
	reply = "RTSP/1.0 200 OK\r\n\r\n";
	run_for(PATIENCE);
	ck_assert_int_eq(verdicts, 2);
	ck_assert(healthy);
}
END_TEST

START_TEST(test_listener_that_is_gone_is_trouble)
{
	listener_free(server);
	server = NULL;
	run_for(PATIENCE);
	ck_assert_int_eq(verdicts, 1);
	ck_assert_str_eq(reason, "refuses connections");
}
END_TEST

/* _i: RTP, RTCP. A socket that takes in nothing: it is connected to somebody who does not send. */
START_TEST(test_socket_of_the_media_that_is_deaf_is_trouble_though_rtsp_answers)
{
	struct addr nobody;
	int fd = find_socket(_i);

	addr_parse(&nobody, SLICE("127.0.0.9:9"), 0);
	ck_assert_int_eq(connect(fd, &nobody.sa, addr_len(&nobody)), 0);
	run_for(PATIENCE);
	ck_assert_int_eq(verdicts, 1);
	ck_assert_int_eq(selfcheck_trouble(check), TROUBLE_MEDIA);
}
END_TEST

static void stall(void *arg)
{
	(void)arg;
	usleep(150000);
	loop_timer_at(stalling, loop_now(loop) + 50 * NS_MS);
}

START_TEST(test_loop_that_is_late_again_and_again_is_trouble)
{
	stalling = loop_timer_new(loop, stall, NULL);
	loop_timer_at(stalling, loop_now(loop) + 10 * NS_MS);
	run_for(PATIENCE);
	ck_assert_int_eq(verdicts, 1);
	ck_assert(!healthy);
	ck_assert_uint_gt(selfcheck_lag_us(check), 100000);
}
END_TEST

START_TEST(test_echo_cannot_be_made_by_a_stranger)
{
	struct addr to;
	socklen_t len = sizeof(to);
	uint8_t guess[16] = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	/* Deaf to itself, so only the stranger's could come. */
	ck_assert_int_eq(getsockname(find_socket(true), &to.sa, &len), 0);
	media_echo(media, 0);
	media_echo(media, 1);
	guess[8] = 1;
	sendto(fd, guess, sizeof(guess), 0, &to.sa, len);
	ck_assert(!media_echoed(media));
	selfcheck_free(check);
	check = NULL;
	/* Both ways have come, and what the stranger sent was taken for what it is. */
	run_for(200 * NS_MS);
	ck_assert(media_echoed(media));
	ck_assert_uint_eq(media_counters(media)->unknown_rtcp, 1 + 3);
	close(fd);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("selfcheck");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_node_that_serves_is_healthy_and_knows_its_delay);
	tcase_add_test(t, test_way_of_the_media_is_checked_over_ipv6_alike);
	tcase_add_test(t, test_rtsp_that_never_answers_is_trouble_until_it_does);
	tcase_add_test(t, test_listener_that_is_gone_is_trouble);
	tcase_add_loop_test(
		t, test_socket_of_the_media_that_is_deaf_is_trouble_though_rtsp_answers, 0, 2);
	tcase_add_test(t, test_loop_that_is_late_again_and_again_is_trouble);
	tcase_add_test(t, test_echo_cannot_be_made_by_a_stranger);
	return run_case("selfcheck", t);
}
