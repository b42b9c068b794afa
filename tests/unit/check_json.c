/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON values and events: what is written, what can be read, and that bad bytes never break it. */
#include "lib/event.h"

#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/run.h"

static void expect_dump(struct js *v, const char *text)
{
	char *dump = js_dump(v);

	ck_assert_str_eq(dump, text);
	free(dump);
	js_free(v);
}

START_TEST(test_object_is_one_line_in_the_order_put)
{
	struct js *o = js_object(), *a = js_array(), *sub = js_object();

	js_put_str(o, "z", "text \"quoted\"\n");
	js_put_int(o, "a", INT64_MIN);
	js_put_real(o, "r", 0.1);
	js_put_bool(o, "t", true);
	js_put_bool(o, "f", false);
	js_put_str(o, "null", NULL);
	js_put_slice(o, "slice", (struct slice){"abcdef", 3});
	js_push_str(a, "one");
	js_push_str(a, NULL);
	js_put_int(sub, "n", 2);
	js_push(a, sub);
	js_put(o, "list", a);
	js_put(o, "none", NULL);
	expect_dump(o, "{\"z\":\"text \\\"quoted\\\"\\n\",\"a\":-9223372036854775808,\"r\":0.1,"
		       "\"t\":true,\"f\":false,\"null\":null,\"slice\":\"abc\","
		       "\"list\":[\"one\",null,{\"n\":2}],\"none\":null}");
}
END_TEST

START_TEST(test_what_is_put_twice_is_there_once)
{
	struct js *o = js_object();

	js_put_int(o, "a", 1);
	js_put_int(o, "b", 2);
	js_put_int(o, "a", 3);
	expect_dump(o, "{\"a\":3,\"b\":2}");
}
END_TEST

START_TEST(test_numbers_that_json_has_not_are_null)
{
	struct js *o = js_object();

	js_put_real(o, "nan", NAN);
	js_put_real(o, "inf", -INFINITY);
	expect_dump(o, "{\"nan\":null,\"inf\":null}");
}
END_TEST

START_TEST(test_bytes_that_are_no_utf8_are_escaped)
{
	struct js *o = js_object();

	js_put_str(o, "good", "grün €😀");
	js_put_str(o, "latin1", "gr\xfcn");
	js_put_str(o, "cut", "x\xe2\x82");
	js_put_str(o, "surrogate", "\xed\xa0\x80");
	js_put_str(o, "overlong", "\xc0\xaf\xf0\x80\x80\x80");
	js_put_slice(o, "nul", (struct slice){"a\0b", 3});
	expect_dump(o,
		"{\"good\":\"grün €😀\",\"latin1\":\"gr\\\\xfcn\",\"cut\":\"x\\\\xe2\\\\x82\","
		"\"surrogate\":\"\\\\xed\\\\xa0\\\\x80\","
		"\"overlong\":\"\\\\xc0\\\\xaf\\\\xf0\\\\x80\\\\x80\\\\x80\","
		"\"nul\":\"a\\u0000b\"}");
}
END_TEST

START_TEST(test_any_bytes_give_valid_json)
{
	char err[160];

	for (unsigned seed = 0; seed < 2000; seed++) {
		struct js *o = js_object(), *back;
		char bytes[8], *dump;
		unsigned x = seed * 2654435761u;

		for (size_t i = 0; i < sizeof(bytes); i++, x = x * 1664525u + 1013904223u)
			bytes[i] = (char)(x >> 24);
		js_put_slice(o, "k", (struct slice){bytes, sizeof(bytes)});
		dump = js_dump(o);
		back = js_parse(slice_of(dump), err);
		ck_assert_msg(back != NULL, "%s: %s", dump, err);
		js_free(back);
		free(dump);
		js_free(o);
	}
}
END_TEST

START_TEST(test_reading_gives_what_is_there)
{
	char err[160], buf[64];
	struct js *o =
		js_parse(SLICE("{\"s\": \"x\", \"i\": 42, \"r\": 1.5, \"b\": true, \"n\": null,"
			       " \"a\": [1, 2], \"o\": {}}"),
			err);
	const struct js *v;
	const char *key, *keys[7];
	void *it = NULL;
	int n = 0;

	ck_assert_ptr_nonnull(o);
	ck_assert_str_eq(js_str(js_get(o, "s")), "x");
	ck_assert_ptr_null(js_str(js_get(o, "i")));
	ck_assert_int_eq(js_int(js_get(o, "i")), 42);
	ck_assert_int_eq(js_int(js_get(o, "r")), 1);
	ck_assert_int_eq(js_int(js_get(o, "s")), 0);
	ck_assert_double_eq(js_real(js_get(o, "r")), 1.5);
	ck_assert_double_eq(js_real(js_get(o, "i")), 42);
	ck_assert(js_bool(js_get(o, "b")) && !js_bool(js_get(o, "i")));
	ck_assert_ptr_null(js_get(o, "absent"));
	ck_assert_ptr_null(js_str(js_get(o, "absent")));
	ck_assert_int_eq(js_int(NULL), 0);
	ck_assert(js_is_array(js_get(o, "a")) && js_is_object(js_get(o, "o")) && js_is_object(o));
	ck_assert_uint_eq(js_len(js_get(o, "a")), 2);
	ck_assert_int_eq(js_int(js_at(js_get(o, "a"), 1)), 2);
	ck_assert_ptr_null(js_at(js_get(o, "a"), 2));
	while ((key = js_each(o, &it, &v)))
		keys[n++] = key;
	ck_assert_int_eq(n, 7);
	ck_assert_str_eq(keys[0], "s");
	ck_assert_str_eq(keys[6], "o");
	ck_assert_str_eq(js_text(js_get(o, "s"), buf, sizeof(buf)), "x");
	ck_assert_str_eq(js_text(js_get(o, "i"), buf, sizeof(buf)), "42");
	ck_assert_str_eq(js_text(js_get(o, "r"), buf, sizeof(buf)), "1.5");
	ck_assert_str_eq(js_text(js_get(o, "b"), buf, sizeof(buf)), "yes");
	ck_assert_str_eq(js_text(js_get(o, "n"), buf, sizeof(buf)), "-");
	ck_assert_str_eq(js_text(NULL, buf, sizeof(buf)), "-");
	ck_assert_str_eq(js_text(js_get(o, "a"), buf, sizeof(buf)), "[1,2]");
	ck_assert_str_eq(js_text(js_get(o, "a"), buf, 3), "[1");
	js_free(o);
}
END_TEST

START_TEST(test_real_numbers_are_shown_short)
{
	static const struct {
		const char *json, *text;
	} t[] = {{"1.033565613", "1.034"}, {"0.045273339", "0.04527"}, {"-502.292621", "-502.3"},
		{"1790000000.123", "1790000000"}, {"999.9", "999.9"}, {"2.0", "2"},
		{"1e300", "1e+300"}};
	char err[160], buf[64];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct js *v = js_parse(slice_of(t[i].json), err);

		ck_assert_str_eq(js_text(v, buf, sizeof(buf)), t[i].text);
		js_free(v);
	}
}
END_TEST

START_TEST(test_what_is_no_json_says_where)
{
	char err[160] = "";

	ck_assert_ptr_null(js_parse(SLICE("{\"a\": }"), err));
	ck_assert_int_eq(strncmp(err, "byte 7: ", 8), 0);
	ck_assert_ptr_null(js_parse(SLICE(""), err));
	ck_assert_ptr_null(js_parse(SLICE("{} {}"), err));
}
END_TEST

static struct js *read_event(int fd)
{
	static char line[4096];
	char err[160];
	ssize_t n = read(fd, line, sizeof(line));
	struct js *o;

	ck_assert_int_gt(n, 1);
	ck_assert_int_eq(line[n - 1], '\n');
	o = js_parse((struct slice){line, (size_t)n}, err);
	ck_assert_msg(o != NULL, "%s", err);
	return o;
}

START_TEST(test_event_has_times_and_name_before_its_fields)
{
	struct js *o = js_object();
	const struct js *v;
	void *it = NULL;
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	event_open(p[1]);
	ck_assert(event_wanted());
	js_put_str(o, "node", "sn9");
	event_emit("playing", 12 * NS_S + 500 * NS_MS, o);
	o = read_event(p[0]);
	ck_assert_str_eq(js_each(o, &it, &v), "t");
	ck_assert_double_eq(js_real(v), 12.5);
	ck_assert_str_eq(js_each(o, &it, &v), "wall");
	ck_assert_double_eq_tol(js_real(v), (double)clock_wall() / NS_S, 60);
	ck_assert_str_eq(js_each(o, &it, &v), "event");
	ck_assert_str_eq(js_str(v), "playing");
	ck_assert_str_eq(js_each(o, &it, &v), "node");
	ck_assert_str_eq(js_str(v), "sn9");
	ck_assert_ptr_null(js_each(o, &it, &v));
	js_free(o);
	event_emit("ended", 0, NULL);
	o = read_event(p[0]);
	ck_assert_str_eq(js_str(js_get(o, "event")), "ended");
	js_free(o);
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(test_event_that_nobody_wants_costs_nothing)
{
	struct js *o = js_object();

	ck_assert(!event_wanted());
	event_emit("x", 0, o); /* freed: the leak checker would tell */
	event_open(-1);
	ck_assert(!event_wanted());
}
END_TEST

START_TEST(test_full_pipe_does_not_block_the_daemon)
{
	int p[2];

	/* As a shell gives it: one that would block. */
	ck_assert_int_eq(pipe(p), 0);
	event_open(p[1]);
	for (int i = 0; i < 10000; i++)
		event_emit("level", i, NULL);
	close(p[0]);
	close(p[1]);
}
END_TEST

/* Reads a pipe empty. */
static void drain(int fd)
{
	char mem[65536];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (read(fd, mem, sizeof(mem)) > 0)
		;
	fcntl(fd, F_SETFL, 0);
}

START_TEST(test_event_after_one_that_was_cut_short_is_whole)
{
	static char longish[3 * 4096];
	struct js *o = js_object();
	char byte;
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_ge(fcntl(p[1], F_SETPIPE_SZ, 8192), 8192);
	event_open(p[1]);
	memset(longish, 'x', sizeof(longish) - 1);
	js_put_str(o, "text", longish);
	event_emit("long", 0, o);
	drain(p[0]);
	event_emit("next", 0, NULL);
	ck_assert_int_eq(read(p[0], &byte, 1), 1);
	ck_assert_int_eq(byte, '\n');
	o = read_event(p[0]);
	ck_assert_str_eq(js_str(js_get(o, "event")), "next");
	js_free(o);
	event_emit("last", 0, NULL);
	o = read_event(p[0]);
	ck_assert_str_eq(js_str(js_get(o, "event")), "last");
	js_free(o);
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(test_full_disk_is_told_and_survived)
{
	int fd = open("/dev/full", O_WRONLY);

	ck_assert_int_ge(fd, 0);
	event_open(fd);
	for (int i = 0; i < 100; i++)
		event_emit("level", i, NULL);
	close(fd);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("json");

	tcase_add_test(t, test_object_is_one_line_in_the_order_put);
	tcase_add_test(t, test_what_is_put_twice_is_there_once);
	tcase_add_test(t, test_numbers_that_json_has_not_are_null);
	tcase_add_test(t, test_bytes_that_are_no_utf8_are_escaped);
	tcase_add_test(t, test_any_bytes_give_valid_json);
	tcase_add_test(t, test_reading_gives_what_is_there);
	tcase_add_test(t, test_real_numbers_are_shown_short);
	tcase_add_test(t, test_what_is_no_json_says_where);
	tcase_add_test(t, test_event_has_times_and_name_before_its_fields);
	tcase_add_test(t, test_event_that_nobody_wants_costs_nothing);
	tcase_add_test(t, test_full_pipe_does_not_block_the_daemon);
	tcase_add_test(t, test_event_after_one_that_was_cut_short_is_whole);
	tcase_add_test(t, test_full_disk_is_told_and_survived);
	return run_case("json", t);
}
