/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration: what a good file gives, and that a bad one's errors are all told, with lines. */
#include "lib/conf.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "tests/unit/run.h"

struct upstream {
	char name[CONF_TITLE];
	struct addr address;
	int64_t weight;
};

struct conf {
	char name[16];
	struct {
		struct addr group;
		ns_t interval;
	} announce;
	struct prefix block;
	struct addr management;
	bool enabled;
	int level;
	struct conf_addr_list peers;
	struct conf_prefix_list nets;
	struct conf_list upstream;
};

static const char *const levels[] = {"debug", "info", "error", NULL};

static const char *check_lower(const void *value)
{
	for (const char *c = value; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			return "small letters";
	}
	return NULL;
}

#define AT(field) .offset = offsetof(struct conf, field)

static const struct conf_option upstream_options[] = {
	{.name = "address",
		.type = CONF_ADDR,
		.offset = offsetof(struct upstream, address),
		.def_port = 554,
		.help = "where it serves RTSP"},
	{.name = "weight",
		.type = CONF_INT,
		.offset = offsetof(struct upstream, weight),
		.def = "100",
		.min = 0,
		.max = 1000},
	{0},
};

static const struct conf_option announce_options[] = {
	{.name = "group", .type = CONF_ADDR, .def = "239.255.77.1:7701", .def_port = 7701},
	{.name = "interval",
		.type = CONF_MS,
		.offset = offsetof(struct conf, announce.interval) -
                          offsetof(struct conf, announce.group),
		.def = "200",
		.min = 10,
		.max = 60000},
	{0},
};

static const struct conf_option options[] = {
	{.name = "name", .type = CONF_STR, AT(name), .size = 16, .check = check_lower},
	{.name = "announce", .type = CONF_SECTION, AT(announce), .sub = announce_options},
	{.name = "block", .type = CONF_PREFIX, AT(block), .def = "10.1.18.0/24"},
	{.name = "management", .type = CONF_ADDR, AT(management), .def = ""},
	{.name = "enabled", .type = CONF_BOOL, AT(enabled), .def = "true"},
	{.name = "level", .type = CONF_ENUM, AT(level), .def = "info", .names = levels},
	{.name = "peers", .type = CONF_ADDR_LIST, AT(peers), .def = "", .def_port = 7702},
	{.name = "nets", .type = CONF_PREFIX_LIST, AT(nets), .def = ""},
	{.name = "upstream",
		.type = CONF_SECTION_LIST,
		AT(upstream),
		.size = sizeof(struct upstream),
		.sub = upstream_options},
	{0},
};

static struct conf conf;
static struct conf_errors errors;

static int parse(const char *text)
{
	memset(&conf, 0xa5, sizeof(conf));
	return conf_parse("t.conf", slice_of(text), options, &conf, &errors);
}

static void done(void)
{
	conf_free(options, &conf);
}

START_TEST(test_prefixes_are_given_in_a_list_or_in_several_values)
{
	char buf[ADDR_STRLEN];

	ck_assert_int_eq(parse("name = \"a\"\nnets = {\"10.1.0.0/16\", \"2001:db8::/32\"}"), 0);
	ck_assert_int_eq(conf.nets.n, 2);
	ck_assert_str_eq(prefix_str(&conf.nets.prefix[0], buf), "10.1.0.0/16");
	ck_assert_str_eq(prefix_str(&conf.nets.prefix[1], buf), "2001:db8::/32");
	done();
	ck_assert_int_eq(parse("name = \"a\"\nnets = \"10.1.0.0/16, 10.2.0.0/16\""), 0);
	ck_assert_int_eq(conf.nets.n, 2);
	done();
	ck_assert_int_eq(parse("name = \"a\""), 0);
	ck_assert_int_eq(conf.nets.n, 0);
	done();
}
END_TEST

/* The one error of that text. */
static void expect_error(const char *text, const char *error)
{
	ck_assert_msg(parse(text) == -EINVAL, "text: %s", text);
	ck_assert_msg(errors.n == 1 && strncmp(errors.text, error, strlen(error)) == 0,
		"text: %s\nexpected: %s\ngot: %s", text, error, errors.text);
	done();
}

START_TEST(test_a_prefix_with_host_bits_is_refused_in_a_list)
{
	expect_error("name = \"a\"\nnets = {\"10.1.0.0/16\", \"10.1.0.1/16\"}",
		"t.conf:2: nets = \"10.1.0.1/16\", expected up to 64 prefixes as 10.1.0.0/16, "
		"their host bits zero");
}
END_TEST

START_TEST(test_defaults_are_filled_in)
{
	char buf[ADDR_STRLEN];

	ck_assert_int_eq(parse("name = \"arn804\""), 0);
	ck_assert_str_eq(conf.name, "arn804");
	ck_assert_str_eq(addr_str(&conf.announce.group, buf), "239.255.77.1:7701");
	ck_assert_int_eq(conf.announce.interval, 200 * NS_MS);
	ck_assert_str_eq(prefix_str(&conf.block, buf), "10.1.18.0/24");
	ck_assert_int_eq(conf.management.sa.sa_family, AF_UNSPEC);
	ck_assert(conf.enabled);
	ck_assert_int_eq(conf.level, 1);
	ck_assert_int_eq(conf.peers.n, 0);
	ck_assert_int_eq(conf.upstream.n, 0);
	done();
}
END_TEST

START_TEST(test_values_are_read)
{
	char buf[ADDR_STRLEN];
	const struct upstream *u;

	ck_assert_int_eq(
		parse("# comment with name = and { \"\n"
		      "#\n"
		      "name = sn806 // another\n"
		      "/* and\n one more */ announce { group = \"[ff02::7701]:99\"\n"
		      "\tinterval = 50 }\n"
		      "block = \"2001:db8::/32\"  management = \"127.0.0.1:7780\"\n"
		      "enabled = off\r\n"
		      "level = error\n"
		      "peers = \"10.0.0.1, [::1]:5\"\n"
		      "upstream \"sn808\" { address = 10.8.0.8 }\n"
		      "upstream \"sn810\" { address = \"10.10.0.10:8554\"  weight = 0 }\n"),
		0);
	ck_assert_str_eq(conf.name, "sn806");
	ck_assert_str_eq(addr_str(&conf.announce.group, buf), "[ff02::7701]:99");
	ck_assert_int_eq(conf.announce.interval, 50 * NS_MS);
	ck_assert_str_eq(prefix_str(&conf.block, buf), "2001:db8::/32");
	ck_assert_str_eq(addr_str(&conf.management, buf), "127.0.0.1:7780");
	ck_assert(!conf.enabled);
	ck_assert_int_eq(conf.level, 2);
	ck_assert_int_eq(conf.peers.n, 2);
	ck_assert_str_eq(addr_str(&conf.peers.addr[0], buf), "10.0.0.1:7702");
	ck_assert_str_eq(addr_str(&conf.peers.addr[1], buf), "[::1]:5");
	ck_assert_int_eq(conf.upstream.n, 2);
	u = conf.upstream.item;
	ck_assert_str_eq(u[0].name, "sn808");
	ck_assert_str_eq(addr_str(&u[0].address, buf), "10.8.0.8:554");
	ck_assert_int_eq(u[0].weight, 100);
	ck_assert_str_eq(u[1].name, "sn810");
	ck_assert_str_eq(addr_str(&u[1].address, buf), "10.10.0.10:8554");
	ck_assert_int_eq(u[1].weight, 0);
	done();
}
END_TEST

START_TEST(test_list_may_be_in_braces)
{
	ck_assert_int_eq(parse("name = a peers = {\"10.0.0.1\", \"10.0.0.2, 10.0.0.3\"}"), 0);
	ck_assert_int_eq(conf.peers.n, 3);
	done();
}
END_TEST

START_TEST(test_bad_values_name_line_and_expectation)
{
	expect_error("name = a\nannounce {\n interval = 5\n}\n",
		"t.conf:3: interval = \"5\" in announce, expected milliseconds from 10 to 60000\n");
	expect_error("name = a announce { interval = 60001 }",
		"t.conf:1: interval = \"60001\" in announce, expected milliseconds from 10 to");
	expect_error("name = a announce { interval = soon }",
		"t.conf:1: interval = \"soon\" in announce, expected milliseconds from 10 to");
	expect_error("name = a\nblock = \"10.1.18.1/24\"",
		"t.conf:2: block = \"10.1.18.1/24\", expected an address block");
	expect_error("name = a\nmanagement = \"localhost:80\"",
		"t.conf:2: management = \"localhost:80\", expected an IPv4 or IPv6 address");
	expect_error("name = a\nlevel = loud",
		"t.conf:2: level = \"loud\", expected \"debug\", \"info\" or \"error\"\n");
	expect_error("name = a\nenabled = 1", "t.conf:2: enabled = \"1\", expected true or false");
	expect_error("name = \"0123456789abcdef\"",
		"t.conf:1: name = \"0123456789abcdef\", expected at most 15 bytes of text");
	expect_error("name = \"ARN\"", "t.conf:1: name = \"ARN\", expected small letters");
	expect_error("name = a peers = \"10.0.0.1 10.0.0.2\"",
		"t.conf:1: peers = \"10.0.0.1 10.0.0.2\", expected up to 16 addresses");
}
END_TEST

START_TEST(test_longest_text_fits)
{
	ck_assert_int_eq(parse("name = \"0123456789abcde\""), 0);
	ck_assert_str_eq(conf.name, "0123456789abcde");
	done();
}
END_TEST

START_TEST(test_missing_options_are_told_with_their_section)
{
	expect_error(
		"", "t.conf:1: \"name\" is missing, expected name = at most 15 bytes of text\n");
	expect_error("name = a\nupstream \"x\" {\n weight = 1\n}\n",
		"t.conf:4: \"address\" is missing in upstream \"x\", expected address = an IPv4 or "
		"IPv6 address, with or without a port (where it serves RTSP)\n");
}
END_TEST

START_TEST(test_unknown_option_names_the_nearest)
{
	expect_error("name = a\nannounce { intreval = 100\n group = \"239.1.1.1\" }",
		"t.conf:2: unknown option \"intreval\" in announce, expected \"interval\"?\n");
	expect_error("name = a\nupstrem \"x\" {\n address = 1\n nonsense = { 1, 2 }\n}\n",
		"t.conf:2: unknown option \"upstrem\", expected \"upstream\"?\n");
	expect_error("name = a\nannounce { zzz += \"}\" }",
		"t.conf:2: unknown option \"zzz\" in announce, expected one of \"group\", "
		"\"interval\"\n");
}
END_TEST

START_TEST(test_duplicates_are_told)
{
	expect_error("name = a\nname = b\n",
		"t.conf:2: \"name\" given again, expected it once (see line 1)\n");
	expect_error("name = a\nupstream \"u\" { address = \"10.0.0.1\" }\n"
		     "upstream \"u\" { address = \"10.0.0.2\" }\n",
		"t.conf:3: a second section titled \"u\", expected another title\n");
}
END_TEST

START_TEST(test_empty_title_is_refused)
{
	expect_error("name = a upstream \"\" { address = \"10.0.0.1\" }",
		"t.conf:1: upstream \"\", expected a title of 1 to 63 bytes\n");
}
END_TEST

START_TEST(test_syntax_errors_are_told_where_they_are)
{
	expect_error("name \"a\"\nlevel = info",
		"t.conf:1: nothing assigned to \"name\", expected name = VALUE\n");
	expect_error(
		"name = \"a\nlevel = info\n", "t.conf:1: a string that does not end on its line");
	expect_error("name =\nlevel = info\n", "t.conf:1: nothing after \"=\", expected a value\n");
	expect_error("name = a\nannounce { interval =\n}\n",
		"t.conf:2: nothing after \"=\", expected a value\n");
	expect_error("name = a\n}\nlevel = info\n", "t.conf:2: a closing brace, but no section is");
	expect_error("name = a\nannounce {\n interval = 50\n",
		"t.conf:2: the file ends within what begins here, expected a");
	expect_error("name = a\nupstream { }\n", "t.conf:2: section \"upstream\" has no title");
	expect_error("name = a\nlevel = = info\n", "t.conf:2: unexpected token '='");
	expect_error("name = \"a;\"\nannounce { interval = 50; }\n",
		"t.conf:2: \";\", expected none: a value needs no end\n");
	expect_error("name = a\n/* never", "t.conf:2: a comment that never ends");
	expect_error("name = a\nlevel = in\x02"
		     "fo\n",
		"t.conf:2: a control character");
}
END_TEST

START_TEST(test_all_errors_of_a_file_are_told_in_order)
{
	static const char *const starts[] = {
		"t.conf:1: name = \"ARN\", expected small letters",
		"t.conf:2: unknown option \"contrl\"",
		"t.conf:3: unexpected token '='",
		"t.conf:5: interval = \"1\" in announce",
		"t.conf:6: unknown option \"grop\" in announce, expected \"group\"?",
		"t.conf:8: a string that does not end on its line",
		"t.conf:9: a second section titled \"u\"",
		"t.conf:9: address = \"nowhere\" in upstream \"u\"",
		"t.conf:10: \"address\" is missing in upstream \"v\"",
		"t.conf:11: \"name\" given again",
	};
	char *line = errors.text;

	ck_assert_int_eq(parse("name = \"ARN\"\n"
			       "contrl = 5\n"
			       "enabled = = true\n"
			       "announce {\n"
			       "  interval = 1\n"
			       "  grop = \"x\"\n"
			       "}\n"
			       "upstream \"u\" { address = \"10.0.0.1 }\n"
			       "upstream \"u\" { address = \"nowhere\" }\n"
			       "upstream \"v\" { }\n"
			       "name = b\n"),
		-EINVAL);
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		ck_assert_msg(strncmp(line, starts[i], strlen(starts[i])) == 0,
			"expected: %s\ngot: %s", starts[i], line);
		line = strchr(line, '\n') + 1;
	}
	ck_assert_str_eq(line, "");
	ck_assert_uint_eq((unsigned)errors.n, sizeof(starts) / sizeof(starts[0]));
	done();
}
END_TEST

START_TEST(test_too_many_errors_end_with_an_ellipsis)
{
	char text[20000] = "name = a\n";

	for (int i = 0; i < 400; i++)
		strcat(text, "level = wrongwrongwrong\n");
	ck_assert_int_eq(parse(text), -EINVAL);
	ck_assert_int_eq(errors.n, 400);
	ck_assert_str_eq(errors.text + strlen(errors.text) - strlen("…\n"), "…\n");
	done();
}
END_TEST

START_TEST(test_file_is_loaded_or_said_why_not)
{
	char path[] = "/tmp/check_conf.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "name = a\n", 9), 9);
	close(fd);
	ck_assert_int_eq(conf_load(path, options, &conf, &errors), 0);
	ck_assert_str_eq(conf.name, "a");
	done();
	unlink(path);
	ck_assert_int_eq(conf_load(path, options, &conf, &errors), -ENOENT);
	ck_assert_ptr_nonnull(strstr(errors.text, "cannot be read: No such file"));
	done();
}
END_TEST

/* ---- what cannot change while a daemon runs ---- */

static const char *const before[] = {/* in the order of `options` */
	"name = \"a\"", "announce { interval = 300 }", "block = \"10.1.0.0/16\"",
	"management = \"10.0.0.1:80\"", "enabled = true", "level = \"info\"",
	"peers = \"10.0.0.2,10.0.0.3\"", "nets = \"10.1.0.0/16,10.2.0.0/16\"",
	"upstream \"u\" { address = \"10.0.0.4\" }"};
#define OPTIONS (int)(sizeof(before) / sizeof(before[0]))

static const struct {
	int option;
	const char *now;
} change[] = {
	{0, "name = \"b\""},
	{1, "announce { interval = 400 }"},
	{1, "announce { interval = 300 group = \"239.255.77.2\" }"},
	{2, "block = \"10.1.0.0/17\""},
	{2, "block = \"10.2.0.0/16\""},
	{3, "management = \"10.0.0.1:81\""},
	{3, "management = \"\""},
	{4, "enabled = false"},
	{5, "level = \"error\""},
	{6, "peers = \"10.0.0.2\""},
	{6, "peers = \"10.0.0.2,10.0.0.4\""},
	{7, "nets = \"10.1.0.0/16\""},
	{7, "nets = \"10.1.0.0/16,10.2.0.0/17\""},
	{8, ""},
	{8, "upstream \"v\" { address = \"10.0.0.4\" }"},
	{8, "upstream \"u\" { address = \"10.0.0.5\" }"},
};

/* Each option as before, but for one. */
static void parse_with(int option, const char *now)
{
	char text[1024] = "";

	for (int i = 0; i < OPTIONS; i++) {
		strcat(text, i == option ? now : before[i]);
		strcat(text, "\n");
	}
	ck_assert_msg(parse(text) == 0, "%s%s", text, errors.text);
}

START_TEST(test_fixed_option_that_changes_is_named_and_no_other)
{
	int changed = change[_i].option;
	struct conf_option table[OPTIONS + 1];
	char name[CONF_NAME];
	struct conf was;

	parse_with(-1, NULL);
	was = conf;
	parse_with(changed, change[_i].now);
	for (int fixed = 0; fixed < 2; fixed++) {
		memcpy(table, options, sizeof(table));
		for (int i = 0; i < OPTIONS; i++)
			table[i].fixed = fixed == (i == changed);
		ck_assert_int_eq(conf_fixed_change(table, &was, &conf, name), fixed);
		ck_assert_str_eq(name, fixed ? table[changed].name : "");
	}
	conf_free(options, &was);
	done();
}
END_TEST

START_TEST(test_fixed_option_of_a_section_is_named_with_it)
{
	struct conf_option table[OPTIONS + 1];
	struct conf_option sub[sizeof(announce_options) / sizeof(announce_options[0])];
	char name[CONF_NAME];
	struct conf was;

	memcpy(table, options, sizeof(options));
	memcpy(sub, announce_options, sizeof(sub));
	table[1].sub = sub;
	sub[1].fixed = true;
	parse_with(-1, NULL);
	was = conf;
	parse("name = \"a\" announce { group = \"239.1.1.1\" interval = 300 }");
	ck_assert(!conf_fixed_change(table, &was, &conf, name));
	parse("name = \"a\" announce { interval = 301 }");
	ck_assert(conf_fixed_change(table, &was, &conf, name));
	ck_assert_str_eq(name, "announce.interval");
	conf_free(options, &was);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("conf");

	tcase_add_test(t, test_defaults_are_filled_in);
	tcase_add_test(t, test_prefixes_are_given_in_a_list_or_in_several_values);
	tcase_add_test(t, test_a_prefix_with_host_bits_is_refused_in_a_list);
	tcase_add_test(t, test_values_are_read);
	tcase_add_test(t, test_list_may_be_in_braces);
	tcase_add_test(t, test_bad_values_name_line_and_expectation);
	tcase_add_test(t, test_longest_text_fits);
	tcase_add_test(t, test_missing_options_are_told_with_their_section);
	tcase_add_test(t, test_unknown_option_names_the_nearest);
	tcase_add_test(t, test_duplicates_are_told);
	tcase_add_test(t, test_empty_title_is_refused);
	tcase_add_test(t, test_syntax_errors_are_told_where_they_are);
	tcase_add_test(t, test_all_errors_of_a_file_are_told_in_order);
	tcase_add_test(t, test_too_many_errors_end_with_an_ellipsis);
	tcase_add_test(t, test_file_is_loaded_or_said_why_not);
	tcase_add_loop_test(t, test_fixed_option_that_changes_is_named_and_no_other, 0,
		sizeof(change) / sizeof(change[0]));
	tcase_add_test(t, test_fixed_option_of_a_section_is_named_with_it);
	return run_case("conf", t);
}
