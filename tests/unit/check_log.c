/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log: what a line looks like, what is dropped, and the rate limit. */
#include "lib/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/run.h"

static int out = -1, saved = -1;

/* Standard error goes to a pipe. */
static void setup(void)
{
	int p[2];

	ck_assert_int_eq(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	saved = dup(2);
	dup2(p[1], 2);
	close(p[1]);
	out = p[0];
	unsetenv("JOURNAL_STREAM");
	log_open("arn804", NLOG_INFO);
}

static void teardown(void)
{
	dup2(saved, 2);
	close(saved);
	close(out);
}

/* What was written since the last call. */
static const char *written(void)
{
	static char buf[65536];
	ssize_t n = read(out, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

START_TEST(test_line_has_time_ident_level_and_text)
{
	const char *line;

	log_msg(NLOG_WARN, "node %s lost after %d ms", "sn9", 600);
	line = written();
	ck_assert_uint_eq(strspn(line, "0123456789-T:.Z"), strlen("2026-11-22T09:48:01.123Z"));
	ck_assert_str_eq(strchr(line, ' '), " arn804: warning: node sn9 lost after 600 ms\n");
}
END_TEST

START_TEST(test_journal_gets_a_priority_and_no_time)
{
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_open("arn804", NLOG_DEBUG);
	log_msg(NLOG_ERROR, "x");
	log_msg(NLOG_DEBUG, "y");
	ck_assert_str_eq(written(), "<3>arn804: x\n<7>arn804: y\n");
}
END_TEST

START_TEST(test_lines_below_the_level_are_dropped)
{
	log_open("a", NLOG_WARN);
	log_msg(NLOG_REMOTE, "quiet");
	ck_assert_str_eq(written(), "");
	log_msg(NLOG_WARN, "loud");
	ck_assert_ptr_nonnull(strstr(written(), "loud"));
}
END_TEST

START_TEST(test_a_peer_cannot_forge_a_line)
{
	log_msg(NLOG_REMOTE, "from %s", "peer\nforged\x1b[2J");
	ck_assert_ptr_nonnull(strstr(written(), "remote: from peer?forged?[2J\n"));
}
END_TEST

START_TEST(test_long_message_is_cut_and_still_a_line)
{
	char text[8192];
	const char *line;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_msg(NLOG_INFO, "%s", text);
	line = written();
	ck_assert_uint_lt(strlen(line), 2049);
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(test_errno_survives_a_message)
{
	int full = open("/dev/full", O_WRONLY); /* writing there fails */

	dup2(full, 2);
	close(full);
	errno = ENOENT;
	log_msg(NLOG_INFO, "x");
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(test_levels_by_name)
{
	enum log_level l;

	ck_assert_int_eq(log_level_parse("debug", &l), 0);
	ck_assert_int_eq(l, NLOG_DEBUG);
	ck_assert_int_eq(log_level_parse("warning", &l), 0);
	ck_assert_int_eq(l, NLOG_WARN);
	ck_assert_int_eq(log_level_parse("loud", &l), -EINVAL);
}
END_TEST

static int count_lines(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

START_TEST(test_limit_passes_a_burst_and_counts_the_rest)
{
	struct log_limit l = {.interval = 3600 * NS_S, .burst = 3};

	for (int i = 0; i < 10; i++)
		log_limited(&l, NLOG_REMOTE, "bad packet");
	ck_assert_int_eq(count_lines(written()), 3);
	ck_assert_uint_eq(l.held, 7);
	l.refilled -= 2 * l.interval; /* as if two intervals had passed */
	log_limited(&l, NLOG_REMOTE, "bad packet");
	ck_assert_ptr_nonnull(strstr(written(), "(7 held back) bad packet\n"));
	log_limited(&l, NLOG_REMOTE, "bad packet");
	ck_assert_ptr_nonnull(strstr(written(), "remote: bad packet\n"));
	log_limited(&l, NLOG_REMOTE, "bad packet");
	ck_assert_str_eq(written(), "");
}
END_TEST

START_TEST(test_limit_never_holds_more_than_the_burst)
{
	struct log_limit l = {.interval = NS_S, .burst = 2};

	log_limited(&l, NLOG_INFO, "x");
	l.refilled -= 1000 * NS_S;
	for (int i = 0; i < 10; i++)
		log_limited(&l, NLOG_INFO, "x");
	ck_assert_int_eq(count_lines(written()), 3);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("log");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_line_has_time_ident_level_and_text);
	tcase_add_test(t, test_journal_gets_a_priority_and_no_time);
	tcase_add_test(t, test_lines_below_the_level_are_dropped);
	tcase_add_test(t, test_a_peer_cannot_forge_a_line);
	tcase_add_test(t, test_long_message_is_cut_and_still_a_line);
	tcase_add_test(t, test_errno_survives_a_message);
	tcase_add_test(t, test_levels_by_name);
	tcase_add_test(t, test_limit_passes_a_burst_and_counts_the_rest);
	tcase_add_test(t, test_limit_never_holds_more_than_the_burst);
	return run_case("log", t);
}
