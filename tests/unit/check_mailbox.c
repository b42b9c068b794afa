/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages between threads: none lost, none twice, in order, and a bound on what waits. */
#include "lib/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define POSTERS  4
#define MESSAGES 20000

struct message {
	int poster, number;
	char weight[40];
};

static struct loop *loop;
static struct loop_timer *guard;
static struct mailbox *box;
static int seen[POSTERS], total, stop_at;
static bool again;

static void on_guard(void *arg)
{
	(void)arg;
	ck_abort_msg("the test did not end");
}

static void setup(void)
{
	loop = loop_new();
	guard = loop_timer_new(loop, on_guard, NULL);
	loop_timer_at(guard, clock_now() + 20 * NS_S);
	total = 0;
	again = false;
	for (int i = 0; i < POSTERS; i++)
		seen[i] = 0;
}

static void teardown(void)
{
	mailbox_free(box);
	loop_timer_free(guard);
	loop_free(loop);
}

static void on_message(void *arg, const void *p)
{
	const struct message *m = p;

	ck_assert_ptr_eq(arg, &total);
	ck_assert_int_eq(m->number, seen[m->poster]);
	seen[m->poster]++;
	if (again && m->number < 3)
		mailbox_post(box, &(struct message){.number = m->number + 1});
	if (++total == stop_at)
		loop_stop(loop);
}

static void *post_many(void *arg)
{
	struct message m = {.poster = *(int *)arg};

	for (m.number = 0; m.number < MESSAGES; m.number++)
		while (!mailbox_post(box, &m))
			sched_yield();
	return NULL;
}

START_TEST(test_messages_of_many_threads_all_arrive_each_threads_in_order)
{
	pthread_t thread[POSTERS];
	int number[POSTERS];

	box = mailbox_new(loop, sizeof(struct message), 16, on_message, &total);
	stop_at = POSTERS * MESSAGES;
	for (int i = 0; i < POSTERS; i++) {
		number[i] = i;
		ck_assert_int_eq(pthread_create(&thread[i], NULL, post_many, &number[i]), 0);
	}
	loop_run(loop);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(thread[i], NULL);
		ck_assert_int_eq(seen[i], MESSAGES);
	}
}
END_TEST

START_TEST(test_full_mailbox_refuses_and_counts_and_takes_more_when_it_was_read)
{
	box = mailbox_new(loop, sizeof(struct message), 3, on_message, &total);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(mailbox_post(box, &(struct message){.number = i}), i < 3);
	ck_assert_uint_eq(mailbox_lost(box), 2);
	stop_at = 3;
	loop_run(loop);
	ck_assert(mailbox_post(box, &(struct message){.number = 3}));
	stop_at = 4;
	loop_run(loop);
	ck_assert_uint_eq(mailbox_lost(box), 2);
}
END_TEST

START_TEST(test_reader_may_post)
{
	box = mailbox_new(loop, sizeof(struct message), 1, on_message, &total);
	again = true;
	stop_at = 4;
	ck_assert(mailbox_post(box, &(struct message){.number = 0}));
	loop_run(loop);
	ck_assert_int_eq(total, 4);
}
END_TEST

START_TEST(test_what_nobody_read_is_gone_with_the_mailbox)
{
	box = mailbox_new(loop, sizeof(struct message), 8, on_message, &total);
	mailbox_post(box, &(struct message){0});
	mailbox_free(box);
	box = NULL;
	ck_assert_int_eq(total, 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("mailbox");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_messages_of_many_threads_all_arrive_each_threads_in_order);
	tcase_add_test(t, test_full_mailbox_refuses_and_counts_and_takes_more_when_it_was_read);
	tcase_add_test(t, test_reader_may_post);
	tcase_add_test(t, test_what_nobody_read_is_gone_with_the_mailbox);
	return run_case("mailbox", t);
}
