/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The outputs, on real files and pipes. */
#include "client-failover/output.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/run.h"

static char dir[] = "/tmp/check_output.XXXXXX", path[64], err[256];

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/out", dir);
	signal(SIGPIPE, SIG_IGN);
}

static void teardown(void)
{
	unlink(path);
	rmdir(dir);
}

static size_t content(uint8_t *buf, size_t cap)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, cap);

	close(fd);
	ck_assert_int_ge(n, 0);
	return (size_t)n;
}

static const uint8_t rtp[] = {0xb0, 0xa1, 0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 2,
	/* extension of one word */ 0, 1, 0, 1, 9, 9, 9, 9,
	/* payload */ 'G', 'a', 'b', 'c', /* padding */ 0, 2};

START_TEST(test_ts_is_the_payload_alone)
{
	uint8_t buf[64];
	struct output *o = output_open(path, err);

	output_put_ts(o, rtp, sizeof rtp);
	output_put_ts(o, rtp, sizeof rtp);
	output_put_ts(o, rtp, 7); /* not a packet */
	ck_assert_int_eq(output_flush(o), 0);
	ck_assert_int_eq(output_close(o, NS_S), 0);
	ck_assert_uint_eq(content(buf, sizeof buf), 8);
	ck_assert_mem_eq(buf, "GabcGabc", 8);
}
END_TEST

START_TEST(test_rtpdump_is_as_the_rtptools_write_it)
{
	static const uint8_t want[] = "#!rtpplay1.0 10.2.0.6/7704\n"
				      "\x60\x00\x00\x01\x00\x00\x00\x05\x0a\x02\x00\x06\x1e\x18\0\0"
				      "\x00\x22\x00\x1a\x00\x00\x00\x00";
	uint8_t buf[256];
	struct addr a;
	struct output *o = output_open(path, err);
	size_t head = sizeof want - 1;

	addr_parse(&a, SLICE("10.2.0.6:7704"), 0);
	output_put_rtpdump_head(o, &a, 0x60000001 * NS_S + 5 * NS_US);
	output_put_rtpdump(o, rtp, sizeof rtp, 0);
	output_put_rtpdump(o, rtp, sizeof rtp, 70000 * NS_MS);
	ck_assert_int_eq(output_close(o, NS_S), 0);
	ck_assert_uint_eq(content(buf, sizeof buf), head + 2 * sizeof rtp + 8);
	ck_assert_mem_eq(buf, want, head);
	ck_assert_mem_eq(buf + head, rtp, sizeof rtp);
	ck_assert_mem_eq(buf + head + sizeof rtp, "\x00\x22\x00\x1a\x00\x01\x11\x70", 8);
}
END_TEST

START_TEST(test_path_that_cannot_be_opened_is_told)
{
	ck_assert_ptr_null(output_open("/nonexistent/x", err));
	ck_assert_str_eq(err, "/nonexistent/x: No such file or directory");
}
END_TEST

START_TEST(test_full_disk_is_told)
{
	struct output *o = output_open("/dev/full", err);

	ck_assert_ptr_nonnull(o);
	output_put(o, "x", 1);
	ck_assert_int_eq(output_flush(o), -ENOSPC);
	output_put(o, "y", 1);
	ck_assert_int_eq(output_flush(o), -ENOSPC);
	ck_assert_int_eq(output_close(o, NS_S), -ENOSPC);
}
END_TEST

static struct output *open_pipe(int *reader)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	*reader = open(path, O_RDONLY | O_NONBLOCK);
	struct output *o = output_open(path, err);
	ck_assert_ptr_nonnull(o);
	return o;
}

START_TEST(test_closed_pipe_is_told)
{
	int reader;
	struct output *o = open_pipe(&reader);

	output_put(o, "x", 1);
	ck_assert_int_eq(output_flush(o), 0);
	close(reader);
	output_put(o, "x", 1);
	ck_assert_int_eq(output_flush(o), -EPIPE);
	output_close(o, NS_S);
}
END_TEST

START_TEST(test_slow_reader_does_not_stop_us_and_loses_nothing)
{
	static uint8_t data[1000000], back[1000000];
	int reader;
	struct output *o = open_pipe(&reader);
	size_t have = 0;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	for (size_t i = 0; i < sizeof data; i += 1000) {
		output_put(o, data + i, 1000);
		ck_assert_int_ge(output_flush(o), 0);
	}
	ck_assert_int_eq(output_flush(o), 1);
	while (have < sizeof back) {
		ssize_t n = read(reader, back + have, 7777);
		if (n > 0)
			have += (size_t)n;
		ck_assert_int_ge(output_flush(o), 0);
	}
	ck_assert_int_eq(output_flush(o), 0);
	ck_assert_mem_eq(data, back, sizeof data);
	ck_assert_int_eq(output_close(o, NS_S), 0);
	close(reader);
}
END_TEST

START_TEST(test_reader_that_never_reads_is_given_up)
{
	static uint8_t data[1 << 20];
	int reader, r = 0;
	struct output *o = open_pipe(&reader);

	for (int i = 0; i < 70 && r >= 0; i++) {
		output_put(o, data, sizeof data);
		r = output_flush(o);
	}
	ck_assert_int_eq(r, -ENOBUFS);
	output_close(o, 0);
	close(reader);
}
END_TEST

START_TEST(test_close_waits_for_the_reader_but_not_for_ever)
{
	static uint8_t data[200000];
	int reader;
	struct output *o = open_pipe(&reader);

	output_put(o, data, sizeof data);
	ck_assert_int_eq(output_close(o, 20 * NS_MS), -ETIMEDOUT);
	close(reader);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_ts_is_the_payload_alone);
	tcase_add_test(t, test_rtpdump_is_as_the_rtptools_write_it);
	tcase_add_test(t, test_path_that_cannot_be_opened_is_told);
	tcase_add_test(t, test_full_disk_is_told);
	tcase_add_test(t, test_closed_pipe_is_told);
	tcase_add_test(t, test_slow_reader_does_not_stop_us_and_loses_nothing);
	tcase_add_test(t, test_reader_that_never_reads_is_given_up);
	tcase_add_test(t, test_close_waits_for_the_reader_but_not_for_ever);
	return run_case("output", t);
}
