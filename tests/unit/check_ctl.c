/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: which command a line means, and the way there and back. */
#include "lib/ctl.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/run.h"

static enum ctl_code show(void *ctx, struct slice args, struct js *body)
{
	(void)args;
	js_put_str(body, "what", ctx);
	return CTL_OK;
}

static enum ctl_code show_nodes(void *ctx, struct slice args, struct js *body)
{
	(void)ctx;
	(void)args;
	js_put_str(body, "what", "nodes");
	return CTL_OK;
}

static enum ctl_code explain(void *ctx, struct slice args, struct js *body)
{
	(void)ctx;
	if (!args.n)
		return CTL_BAD;
	js_put_slice(body, "url", args);
	return CTL_OK;
}

static enum ctl_code drain(void *ctx, struct slice args, struct js *body)
{
	(void)ctx;
	(void)args;
	js_put_str(body, "error", "already draining");
	return CTL_CONFLICT;
}

static struct loop *loop;

static enum ctl_code big(void *ctx, struct slice args, struct js *body)
{
	struct js *list = js_array();

	(void)ctx;
	(void)args;
	for (int i = 0; i < 50000; i++)
		js_push_str(list, "0123456789012345678901234567890123456789");
	js_put(body, "list", list);
	return CTL_OK;
}

static enum ctl_code stop(void *ctx, struct slice args, struct js *body)
{
	(void)ctx;
	(void)args;
	(void)body;
	loop_stop(loop);
	return CTL_OK;
}

static const struct ctl_command commands[] = {
	{"show status", NULL, "what it does", show},
	{"show", NULL, "all", show},
	{"show nodes", NULL, "the nodes", show_nodes},
	{"explain", "URL [CLIENT]", "why this node", explain},
	{"drain", NULL, "leave", drain},
	{"big", NULL, "much", big},
	{"stop", NULL, "end", stop},
};
#define N (int)(sizeof(commands) / sizeof(commands[0]))

static void expect_n(struct slice line, const char *reply)
{
	char *r = ctl_dispatch(commands, N, "ctx", line);

	ck_assert_str_eq(r, reply);
	free(r);
}

static void expect(const char *line, const char *reply)
{
	expect_n(slice_of(line), reply);
}

START_TEST(test_longest_command_is_found_by_whole_words)
{
	expect("show status", "200 {\"what\":\"ctx\"}\n");
	expect("show nodes", "200 {\"what\":\"nodes\"}\n");
	expect("show", "200 {\"what\":\"ctx\"}\n");
	expect("  show \t nodes \r", "200 {\"what\":\"nodes\"}\n");
	expect("explain rtsp://A/x  10.0.0.1 ", "200 {\"url\":\"rtsp://A/x  10.0.0.1\"}\n");
	expect_n((struct slice){"show nodes and more", 10}, "200 {\"what\":\"nodes\"}\n");
}
END_TEST

START_TEST(test_what_is_not_understood_says_what_would_be)
{
	expect("shownodes",
		"400 {\"error\":\"no such command: \\\"shownodes\\\"; try show status, show, "
		"show nodes, explain, drain, big, stop\"}\n");
	expect("", "400 {\"error\":\"no such command: \\\"\\\"; try show status, show, show nodes, "
		   "explain, drain, big, stop\"}\n");
	expect("drain now", "400 {\"error\":\"unexpected \\\"now\\\": \\\"drain\\\" takes no "
			    "arguments\"}\n");
	expect("show node", "400 {\"error\":\"unexpected \\\"node\\\": \\\"show\\\" takes no "
			    "arguments\"}\n");
	expect_n((struct slice){"\xff\0", 2},
		"400 {\"error\":\"no such command: \\\"\\\\xff\\\"; try "
		"show status, show, show nodes, explain, drain, big, "
		"stop\"}\n");
}
END_TEST

START_TEST(test_errors_always_have_a_reason)
{
	expect("explain", "400 {\"error\":\"not understood\"}\n");
	expect("drain", "409 {\"error\":\"already draining\"}\n");
}
END_TEST

START_TEST(test_help_lists_all)
{
	char *r = ctl_dispatch(commands, N, NULL, SLICE("help"));

	ck_assert_ptr_nonnull(
		strstr(r, "200 {\"commands\":[{\"command\":\"show status\",\"arguments\":"
			  "\"\",\"help\":\"what it does\"}"));
	ck_assert_ptr_nonnull(strstr(r, "\"arguments\":\"URL [CLIENT]\""));
	free(r);
}
END_TEST

static char dir[] = "/tmp/check_ctl.XXXXXX", path[64];
static struct ctl *ctl;
static pthread_t thread;

static void *serve(void *arg)
{
	(void)arg;
	loop_run(loop);
	return NULL;
}

static void setup(void)
{
	int err;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/arn.sock", dir);
	loop = loop_new();
	ctl = ctl_new(loop, path, commands, N, "ctx", &err);
	ck_assert_ptr_nonnull(ctl);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
}

static void teardown(void)
{
	struct stat st;
	struct js *body;
	char err[160];

	ck_assert_int_eq(ctl_call(path, "stop", &body, err), 200);
	js_free(body);
	pthread_join(thread, NULL);
	ctl_free(ctl);
	loop_free(loop);
	ck_assert_int_eq(stat(path, &st), -1);
	rmdir(dir);
}

START_TEST(test_call_gives_code_and_body)
{
	struct js *body;
	char err[160];

	ck_assert_int_eq(ctl_call(path, "show nodes", &body, err), 200);
	ck_assert_str_eq(js_str(js_get(body, "what")), "nodes");
	js_free(body);
	ck_assert_int_eq(ctl_call(path, "drain", &body, err), 409);
	ck_assert_str_eq(js_str(js_get(body, "error")), "already draining");
	js_free(body);
	ck_assert_int_eq(ctl_call(path, "show\nstop", &body, err), -EINVAL);
	ck_assert_ptr_null(body);
}
END_TEST

START_TEST(test_folder_of_the_socket_is_made_but_none_above_it)
{
	char top[] = "/tmp/check_ctl.XXXXXX", folder[64], at[96];
	struct loop *l = loop_new();
	struct ctl *c;
	int err;

	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(folder, sizeof(folder), "%s/nearcast", top);
	snprintf(at, sizeof(at), "%s/run/arn.sock", folder);
	ck_assert_ptr_null(ctl_new(l, at, commands, N, "ctx", &err));
	ck_assert_int_eq(err, -ENOENT);
	snprintf(at, sizeof(at), "%s/arn.sock", folder);
	c = ctl_new(l, at, commands, N, "ctx", &err);
	ck_assert_ptr_nonnull(c);
	ctl_free(c);
	loop_free(l);
	rmdir(folder);
	rmdir(top);
}
END_TEST

START_TEST(test_big_answer_arrives_whole)
{
	struct js *body;
	char err[160];

	ck_assert_int_eq(ctl_call(path, "big", &body, err), 200);
	ck_assert_uint_eq(js_len(js_get(body, "list")), 50000);
	js_free(body);
}
END_TEST

static int dial(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(un.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

START_TEST(test_several_requests_on_one_connection)
{
	static const char in[] = "show nodes\nshow\nsh";
	static const char out[] = "200 {\"what\":\"nodes\"}\n200 {\"what\":\"ctx\"}\n200 "
				  "{\"what\":\"ctx\"}\n";
	char got[256];
	size_t n = 0;
	int fd = dial();

	ck_assert_int_eq(send(fd, in, sizeof(in) - 1, 0), sizeof(in) - 1);
	ck_assert_int_eq(send(fd, "ow\n", 3, 0), 3);
	while (n < sizeof(out) - 1) {
		ssize_t more = recv(fd, got + n, sizeof(got) - n, 0);

		ck_assert_int_gt(more, 0);
		n += (size_t)more;
	}
	ck_assert_mem_eq(got, out, sizeof(out) - 1);
	close(fd);
}
END_TEST

START_TEST(test_endless_line_is_cut_off_and_others_are_served)
{
	static char x[100000];
	struct js *body;
	char err[160], c;
	int fd = dial();

	memset(x, 'x', sizeof(x));
	send(fd, x, sizeof(x), MSG_NOSIGNAL);
	ck_assert_int_le(recv(fd, &c, 1, 0), 0);
	close(fd);
	ck_assert_int_eq(ctl_call(path, "show", &body, err), 200);
	js_free(body);
}
END_TEST

START_TEST(test_daemon_that_is_not_there_is_named)
{
	struct js *body;
	char err[160];

	ck_assert_int_eq(ctl_call("/tmp/no-such-socket", "show", &body, err), -ENOENT);
	ck_assert_ptr_null(body);
	ck_assert_str_eq(err, "/tmp/no-such-socket: No such file or directory");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ctl");
	TCase *t = tcase_create("dispatch"), *u = tcase_create("socket");

	tcase_add_test(t, test_longest_command_is_found_by_whole_words);
	tcase_add_test(t, test_what_is_not_understood_says_what_would_be);
	tcase_add_test(t, test_errors_always_have_a_reason);
	tcase_add_test(t, test_help_lists_all);
	tcase_add_test(t, test_folder_of_the_socket_is_made_but_none_above_it);
	tcase_add_checked_fixture(u, setup, teardown);
	tcase_set_timeout(u, 30);
	tcase_add_test(u, test_call_gives_code_and_body);
	tcase_add_test(u, test_big_answer_arrives_whole);
	tcase_add_test(u, test_several_requests_on_one_connection);
	tcase_add_test(u, test_endless_line_is_cut_off_and_others_are_served);
	tcase_add_test(u, test_daemon_that_is_not_there_is_named);
	suite_add_tcase(s, t);
	suite_add_tcase(s, u);
	return run_suite(s);
}
