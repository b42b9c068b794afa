/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A daemon's start: the command line, the errors, the exit codes. */
#include "lib/daemon.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/run.h"

struct conf {
	char name[16];
	int64_t low, high;
	struct conf_list peer;
};

static const struct conf_option peer_options[] = {{0}};

static const struct conf_option options[] = {
	{.name = "name", .type = CONF_STR, .offset = offsetof(struct conf, name), .size = 16},
	{.name = "low", .type = CONF_INT, .offset = offsetof(struct conf, low), .def = "1"},
	{.name = "high", .type = CONF_INT, .offset = offsetof(struct conf, high), .def = "2"},
	{.name = "peer",
		.type = CONF_SECTION_LIST,
		.offset = offsetof(struct conf, peer),
		.size = CONF_TITLE,
		.sub = peer_options},
	{0},
};

static void check_range(const void *p, struct conf_errors *e)
{
	const struct conf *c = p;

	if (c->low > c->high)
		conf_error(e, "low is %d, expected at most high", (int)c->low);
}

static const struct daemon sn = {"sn-agent", "a service node", NULL, options, check_range};

static char dir[] = "/tmp/check_daemon.XXXXXX", file[64], output[64];
static struct conf conf;
static const char *path;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/sn.conf", dir);
	snprintf(output, sizeof(output), "%s/out", dir);
}

static void teardown(void)
{
	unlink(file);
	unlink(output);
	rmdir(dir);
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* Runs it with these arguments; what it printed, on either stream, is in *said. */
static int start(const struct daemon *d, const char *const *args, const char **said)
{
	static char text[8192];
	char *argv[8] = {"sn-agent"};
	int argc = 1, out = open(output, O_RDWR | O_CREAT | O_TRUNC, 0600), code;
	int saved[2] = {dup(1), dup(2)};
	ssize_t n;

	while (args[argc - 1]) {
		argv[argc] = (char *)args[argc - 1];
		argc++;
	}
	fflush(stdout);
	dup2(out, 1);
	dup2(out, 2);
	optind = 1;
	code = daemon_start(d, argc, argv, &conf, &path);
	fflush(stdout);
	dup2(saved[0], 1);
	dup2(saved[1], 2);
	n = pread(out, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	*said = text;
	close(out);
	close(saved[0]);
	close(saved[1]);
	return code;
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(test_good_file_starts)
{
	const char *said;

	write_file("name = sn806\nlow = 2\n");
	signal(SIGPIPE, SIG_DFL);
	ck_assert_int_eq(start(&sn, ARGS("-c", file), &said), -1);
	ck_assert_str_eq(said, "");
	ck_assert_str_eq(conf.name, "sn806");
	ck_assert_int_eq(conf.low, 2);
	ck_assert_str_eq(path, file);
	ck_assert(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
	conf_free(options, &conf);
}
END_TEST

START_TEST(test_check_says_good_and_ends)
{
	const char *said;

	write_file("name = sn806\n");
	ck_assert_int_eq(start(&sn, ARGS("--check", "-c", file), &said), EX_OK);
	ck_assert_ptr_nonnull(strstr(said, "sn.conf: no errors\n"));
}
END_TEST

START_TEST(test_all_errors_are_told_whether_checking_or_starting)
{
	const char *said;

	write_file("nmae = sn806\nlow = x\n");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(
			start(&sn, i ? ARGS("-c", file) : ARGS("-c", file, "--check"), &said),
			EX_CONFIG);
		ck_assert_ptr_nonnull(strstr(said, "sn.conf:1: unknown option \"nmae\""));
		ck_assert_ptr_nonnull(strstr(said, "sn.conf:2: low = \"x\""));
		ck_assert_ptr_nonnull(strstr(said, "\"name\" is missing"));
	}
}
END_TEST

START_TEST(test_check_across_options_is_an_error_too)
{
	char expected[128];
	const char *said;

	write_file("name = a\nlow = 5\n");
	ck_assert_int_eq(start(&sn, ARGS("-c", file), &said), EX_CONFIG);
	snprintf(expected, sizeof(expected), "%s: low is 5, expected at most high\n", file);
	ck_assert_str_eq(said, expected);
}
END_TEST

START_TEST(test_file_that_is_not_there)
{
	const char *said;

	ck_assert_int_eq(start(&sn, ARGS("-c", file), &said), EX_NOINPUT);
	ck_assert_ptr_nonnull(strstr(said, "sn.conf: cannot be read: No such file"));
}
END_TEST

START_TEST(test_bad_usage)
{
	const char *said;

	ck_assert_int_eq(start(&sn, ARGS("--chekc"), &said), EX_USAGE);
	ck_assert_int_eq(start(&sn, ARGS("--check"), &said), EX_USAGE);
	ck_assert_ptr_nonnull(strstr(said, "no configuration file"));
	ck_assert_int_eq(start(&sn, ARGS("-c", file, "more"), &said), EX_USAGE);
	ck_assert_ptr_nonnull(strstr(said, "unexpected argument \"more\""));
	ck_assert_ptr_nonnull(strstr(said, "usage: sn-agent -c FILE"));
}
END_TEST

START_TEST(test_help_and_version)
{
	const char *said;

	ck_assert_int_eq(start(&sn, ARGS("--help"), &said), EX_OK);
	ck_assert_ptr_nonnull(strstr(said, "usage: sn-agent -c FILE"));
	ck_assert_int_eq(start(&sn, ARGS("--version"), &said), EX_OK);
	ck_assert_int_eq(strncmp(said, "sn-agent (nearcast) ", 20), 0);
}
END_TEST

START_TEST(test_default_path_needs_no_option)
{
	struct daemon d = sn;
	const char *said;

	d.def_path = file;
	write_file("name = a\n");
	ck_assert_int_eq(start(&d, ARGS(NULL), &said), -1);
	ck_assert_str_eq(path, file);
	conf_free(options, &conf);
}
END_TEST

START_TEST(test_reload_that_fails_leaves_nothing_to_free)
{
	struct conf_errors e;

	write_file("name = a\nlow = 9\npeer \"p\" { }\n");
	ck_assert_int_eq(daemon_load(&sn, file, &conf, &e), -EINVAL);
	ck_assert_int_eq(e.n, 1);
	ck_assert_int_eq(conf.peer.n, 0);
	write_file("name = b\n");
	ck_assert_int_eq(daemon_load(&sn, file, &conf, &e), 0);
	ck_assert_str_eq(conf.name, "b");
	conf_free(options, &conf);
}
END_TEST

START_TEST(test_limit_of_descriptors_is_raised_for_connections)
{
	struct rlimit r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	r.rlim_cur = 40;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert_int_eq(daemon_connections(60, 20), 60);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert_uint_eq(r.rlim_cur, 80);
}
END_TEST

/* More than fs.nr_open, which not even root may have. */
START_TEST(test_no_more_connections_than_descriptors)
{
	const int64_t many = INT64_C(1) << 40;
	struct rlimit r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert_int_eq(daemon_connections(many, 20), (int64_t)r.rlim_max - 20);
	ck_assert_int_eq(daemon_connections(many, many), (int64_t)(r.rlim_max + 1) / 2);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert_uint_eq(r.rlim_cur, r.rlim_max);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("daemon");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_good_file_starts);
	tcase_add_test(t, test_check_says_good_and_ends);
	tcase_add_test(t, test_all_errors_are_told_whether_checking_or_starting);
	tcase_add_test(t, test_check_across_options_is_an_error_too);
	tcase_add_test(t, test_file_that_is_not_there);
	tcase_add_test(t, test_bad_usage);
	tcase_add_test(t, test_help_and_version);
	tcase_add_test(t, test_default_path_needs_no_option);
	tcase_add_test(t, test_reload_that_fails_leaves_nothing_to_free);
	tcase_add_test(t, test_limit_of_descriptors_is_raised_for_connections);
	tcase_add_test(t, test_no_more_connections_than_descriptors);
	return run_case("daemon", t);
}
