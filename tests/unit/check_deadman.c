/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dead-man's switch, in processes that may die of it (row A2). */
#include "arn/deadman.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/run.h"

#define BOUND (20 * NS_MS)
#define LONG  (100 * NS_S) /* than any test lasts, on any machine */

/* How a process ends that does this with a switch of its own: as waitpid() says. */
static int end_of(void (*life)(struct deadman *))
{
	struct deadman d;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (deadman_init(&d, BOUND) == 0)
			life(&d);
		_exit(7);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void wait_for_bounds(int n)
{
	struct timespec t = {.tv_nsec = n * BOUND};

	nanosleep(&t, NULL);
}

static void never_fed(struct deadman *d)
{
	(void)d;
	wait_for_bounds(5);
}

static void fed_once(struct deadman *d)
{
	deadman_feed(d);
	pause();
}

static void fed_once_with_signals_blocked(struct deadman *d)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	deadman_feed(d);
	pause();
}

static void granted(struct deadman *d)
{
	deadman_feed(d);
	deadman_grant(d, LONG);
	wait_for_bounds(10);
}

static void granted_then_fed(struct deadman *d)
{
	deadman_grant(d, LONG);
	deadman_feed(d);
	pause();
}

START_TEST(test_one_that_was_never_fed_is_not_armed)
{
	ck_assert_int_eq(WEXITSTATUS(end_of(never_fed)), 7);
}
END_TEST

START_TEST(test_process_that_does_not_come_round_is_killed)
{
	ck_assert_int_eq(WTERMSIG(end_of(fed_once)), SIGKILL);
	ck_assert_int_eq(WTERMSIG(end_of(fed_once_with_signals_blocked)), SIGKILL);
}
END_TEST

START_TEST(test_process_that_was_granted_time_outlives_the_bound)
{
	int status = end_of(granted);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 7);
}
END_TEST

START_TEST(test_bound_holds_again_when_it_is_fed_after_a_grant)
{
	ck_assert_int_eq(WTERMSIG(end_of(granted_then_fed)), SIGKILL);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("deadman");

	tcase_add_test(t, test_one_that_was_never_fed_is_not_armed);
	tcase_add_test(t, test_process_that_does_not_come_round_is_killed);
	tcase_add_test(t, test_process_that_was_granted_time_outlives_the_bound);
	tcase_add_test(t, test_bound_holds_again_when_it_is_fed_after_a_grant);
	return run_case("deadman", t);
}
