/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: times, readiness, and freeing anything from within any callback. */
#include "lib/loop.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/run.h"

static struct loop *loop;
static struct loop_timer *timer, *other, *guard;
static struct loop_fd *watch;
static int calls, seen;
static int pair[2];

static void on_guard(void *arg)
{
	(void)arg;
	ck_abort_msg("the test did not end");
}

static void setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	guard = loop_timer_new(loop, on_guard, NULL);
	loop_timer_at(guard, clock_now() + 20 * NS_S);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	calls = seen = 0;
}

static void teardown(void)
{
	loop_timer_free(guard);
	loop_free(loop);
	close(pair[0]);
	close(pair[1]);
}

static void count_and_stop(void *arg)
{
	(void)arg;
	calls++;
	loop_stop(loop);
}

START_TEST(test_timer_is_never_early_and_fires_once)
{
	timer = loop_timer_new(loop, count_and_stop, NULL);
	/* Various fractions of a millisecond. */
	for (int i = 0; i < 20; i++) {
		ns_t when = clock_now() + 3 * NS_MS + i * 53 * NS_US;

		calls = 0;
		loop_timer_at(timer, when);
		loop_run(loop);
		ck_assert_int_eq(calls, 1);
		ck_assert_int_ge(clock_now(), when);
	}
	loop_timer_free(timer);
}
END_TEST

START_TEST(test_past_time_fires_at_once)
{
	timer = loop_timer_new(loop, count_and_stop, NULL);
	loop_timer_at(timer, 0);
	loop_run(loop);
	ck_assert_int_eq(calls, 1);
	loop_timer_free(timer);
}
END_TEST

START_TEST(test_moved_timer_fires_only_at_the_new_time)
{
	ns_t when = clock_now() + 30 * NS_MS;

	timer = loop_timer_new(loop, count_and_stop, NULL);
	loop_timer_at(timer, clock_now() + NS_MS);
	loop_timer_at(timer, when);
	loop_run(loop);
	ck_assert_int_ge(clock_now(), when);
	ck_assert_int_eq(calls, 1);
	loop_timer_free(timer);
}
END_TEST

static void count(void *arg)
{
	(void)arg;
	calls++;
}

START_TEST(test_stopped_timer_does_not_fire)
{
	timer = loop_timer_new(loop, count, NULL);
	other = loop_timer_new(loop, count_and_stop, NULL);
	loop_timer_at(timer, clock_now() + NS_MS);
	loop_timer_at(other, clock_now() + 20 * NS_MS);
	loop_timer_at(timer, NS_NEVER);
	loop_run(loop);
	ck_assert_int_eq(calls, 1);
	loop_timer_free(timer);
	loop_timer_free(other);
}
END_TEST

static void free_both(void *arg)
{
	(void)arg;
	calls++;
	loop_timer_free(timer);
	loop_timer_free(other);
	loop_stop(loop);
}

START_TEST(test_timer_may_free_itself_and_one_that_is_due_too)
{
	ns_t when = clock_now() + NS_MS;

	timer = loop_timer_new(loop, free_both, NULL);
	other = loop_timer_new(loop, free_both, NULL);
	loop_timer_at(timer, when);
	loop_timer_at(other, when);
	while (clock_now() < when + 2 * NS_MS)
		; /* both are due when the loop looks */
	loop_run(loop);
	ck_assert_int_eq(calls, 1);
}
END_TEST

static void on_fd(void *arg, int events)
{
	(void)arg;
	calls++;
	seen = events;
	loop_stop(loop);
}

START_TEST(test_readiness_is_told_as_wanted)
{
	watch = loop_fd_new(loop, pair[0], on_fd, NULL);
	ck_assert_int_eq(loop_fd_want(watch, LOOP_WRITE), 0);
	loop_run(loop);
	ck_assert_int_eq(seen, LOOP_WRITE);
	ck_assert_int_eq(loop_fd_want(watch, LOOP_READ), 0);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	loop_run(loop);
	ck_assert_int_eq(seen, LOOP_READ);
	ck_assert_int_eq(loop_fd_want(watch, LOOP_READ | LOOP_WRITE), 0);
	loop_run(loop);
	ck_assert_int_eq(seen, LOOP_READ | LOOP_WRITE);
	loop_fd_free(watch);
}
END_TEST

START_TEST(test_unwanted_readiness_is_not_told)
{
	watch = loop_fd_new(loop, pair[0], on_fd, NULL);
	timer = loop_timer_new(loop, count_and_stop, NULL);
	ck_assert_int_eq(loop_fd_want(watch, LOOP_READ), 0);
	ck_assert_int_eq(loop_fd_want(watch, 0), 0);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	loop_timer_at(timer, clock_now() + 20 * NS_MS);
	loop_run(loop);
	ck_assert_int_eq(seen, 0);
	loop_fd_free(watch);
	loop_timer_free(timer);
}
END_TEST

START_TEST(test_hang_up_is_told)
{
	watch = loop_fd_new(loop, pair[0], on_fd, NULL);
	ck_assert_int_eq(loop_fd_want(watch, LOOP_READ), 0);
	shutdown(pair[1], SHUT_RDWR);
	loop_run(loop);
	ck_assert(seen & LOOP_READ);
	loop_fd_free(watch);
}
END_TEST

/* A connected UDP socket to a port that nobody has: its error is told, and the watch goes on. */
START_TEST(test_socket_error_is_told_and_watching_goes_on)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int nobody = socket(AF_INET, SOCK_DGRAM, 0), fd = socket(AF_INET, SOCK_DGRAM, 0);
	char c;

	ck_assert_int_eq(bind(nobody, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(nobody, (struct sockaddr *)&a, &n), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(nobody);
	watch = loop_fd_new(loop, fd, on_fd, NULL);
	ck_assert_int_eq(loop_fd_want(watch, LOOP_READ), 0);
	for (int i = 0; i < 3; i++) {
		seen = 0;
		ck_assert_int_eq(send(fd, "x", 1, 0), 1);
		loop_run(loop);
		ck_assert(seen & LOOP_READ);
		ck_assert_int_eq(recv(fd, &c, 1, MSG_DONTWAIT), -1);
		ck_assert_int_eq(errno, ECONNREFUSED);
	}
	loop_fd_free(watch);
	close(fd);
}
END_TEST

static void free_and_reopen(void *arg, int events)
{
	(void)arg;
	(void)events;
	calls++;
	loop_fd_free(watch);
	if (calls == 1) {
		/* The same number for another file, at once. */
		int fd = dup(pair[1]);

		dup2(fd, pair[0]);
		close(fd);
		watch = loop_fd_new(loop, pair[0], free_and_reopen, NULL);
		ck_assert_ptr_nonnull(watch);
		ck_assert_int_eq(loop_fd_want(watch, LOOP_WRITE), 0);
	} else {
		loop_stop(loop);
	}
}

START_TEST(test_descriptor_may_be_reused_at_once)
{
	watch = loop_fd_new(loop, pair[0], free_and_reopen, NULL);
	ck_assert_int_eq(loop_fd_want(watch, LOOP_WRITE), 0);
	loop_run(loop);
	ck_assert_int_eq(calls, 2);
}
END_TEST

static void on_signal(void *arg, int signo)
{
	loop_signal_free(*(struct loop_signal **)arg);
	seen = signo;
	loop_stop(loop);
}

START_TEST(test_signal_is_told)
{
	struct loop_signal *s = loop_signal_new(loop, SIGUSR1, on_signal, &s);

	ck_assert_ptr_nonnull(s);
	raise(SIGUSR1);
	loop_run(loop);
	ck_assert_int_eq(seen, SIGUSR1);
}
END_TEST

START_TEST(test_freeing_nothing_is_harmless)
{
	loop_timer_free(NULL);
	loop_fd_free(NULL);
	loop_signal_free(NULL);
	loop_free(NULL);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("loop");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_timer_is_never_early_and_fires_once);
	tcase_add_test(t, test_past_time_fires_at_once);
	tcase_add_test(t, test_moved_timer_fires_only_at_the_new_time);
	tcase_add_test(t, test_stopped_timer_does_not_fire);
	tcase_add_test(t, test_timer_may_free_itself_and_one_that_is_due_too);
	tcase_add_test(t, test_readiness_is_told_as_wanted);
	tcase_add_test(t, test_unwanted_readiness_is_not_told);
	tcase_add_test(t, test_hang_up_is_told);
	tcase_add_test(t, test_socket_error_is_told_and_watching_goes_on);
	tcase_add_test(t, test_descriptor_may_be_reused_at_once);
	tcase_add_test(t, test_signal_is_told);
	tcase_add_test(t, test_freeing_nothing_is_harmless);
	return run_case("loop", t);
}
