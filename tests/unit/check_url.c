/* SPDX-License-Identifier: GPL-2.0-or-later */
/* URLs and request targets. */
#include "lib/text.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define NO_QUERY NULL

static const struct {
	const char *text, *scheme, *host;
	int port;
	const char *path, *query;
} good[] = {
	{"rtsp://10.1.18.27/live/x", "rtsp", "10.1.18.27", 0, "/live/x", NO_QUERY},
	{"rtsp://10.1.18.27:8554/live/x?a=1&b=2", "rtsp", "10.1.18.27", 8554, "/live/x", "a=1&b=2"},
	{"RTSP://HOST/", "RTSP", "HOST", 0, "/", NO_QUERY},
	{"http://acme.com", "http", "acme.com", 0, "/", NO_QUERY},
	{"http://acme.com?x", "http", "acme.com", 0, "/", "x"},
	{"http://acme.com?x/y:z", "http", "acme.com", 0, "/", "x/y:z"},
	{"http://az09AZ/", "http", "az09AZ", 0, "/", NO_QUERY},
	{"http://acme.com:", "http", "acme.com", 0, "/", NO_QUERY},
	{"http://acme.com:1/", "http", "acme.com", 1, "/", NO_QUERY},
	{"http://acme.com:65535/", "http", "acme.com", 65535, "/", NO_QUERY},
	{"http://a_b-c~d.e/", "http", "a_b-c~d.e", 0, "/", NO_QUERY},
	{"rtsp://[::1]/x", "rtsp", "::1", 0, "/x", NO_QUERY},
	{"rtsp://[2001:db8::7]:554/x", "rtsp", "2001:db8::7", 554, "/x", NO_QUERY},
	{"rtsp://[fe80::1%25eth0]:554", "rtsp", "fe80::1%25eth0", 554, "/", NO_QUERY},
	{"rtsp://[::ffff:10.0.0.1]:/", "rtsp", "::ffff:10.0.0.1", 0, "/", NO_QUERY},
	{"/", "", "", 0, "/", NO_QUERY},
	{"/a/b?", "", "", 0, "/a/b", ""},
	{"/a?b?c", "", "", 0, "/a", "b?c"},
	{"//a", "", "", 0, "//a", NO_QUERY},
	{"/a:b@c", "", "", 0, "/a:b@c", NO_QUERY},
	{"/\xc3\xa4", "", "", 0, "/\xc3\xa4", NO_QUERY},
	{"*", "", "", 0, "*", NO_QUERY},
};

START_TEST(test_url_is_taken_apart)
{
	struct url u;

	ck_assert_int_eq(url_parse(&u, slice_of(good[_i].text)), 0);
	ck_assert(slice_eq(u.scheme, slice_of(good[_i].scheme)));
	ck_assert(slice_eq(u.host, slice_of(good[_i].host)));
	ck_assert_int_eq(u.port, good[_i].port);
	ck_assert(slice_eq(u.path, slice_of(good[_i].path)));
	ck_assert(slice_eq(u.query, slice_of(good[_i].query)));
	ck_assert_int_eq(u.query.p == NULL, good[_i].query == NULL);
}
END_TEST

static const char *const bad[] = {
	"",
	"a",
	"**",
	"*x",
	"#",
	"/a#b",
	"/a b",
	"/a\tb",
	"/a\r\nX: y",
	"/a\x7f",
	"/a\x01",
	" /a",
	"rtsp:",
	"rtsp:/x",
	"rtsp:x",
	"rtsp://",
	"rtsp:///x",
	"rtsp://:554/x",
	"rtsp://?q",
	"rtsp://host:0/",
	"rtsp://host:65536/",
	"rtsp://host:5a/",
	"rtsp://host:-5/",
	"rtsp://host:5:5/",
	"rtsp://user@host/",
	"rtsp://user:pw@host/",
	"rtsp://ho%73t/",
	"rtsp://h\xc3\xb6st/",
	"rtsp://ho\"st/",
	"rtsp://[::1/x",
	"rtsp://[]/x",
	"rtsp://[host]/x",
	"rtsp://[::1]x/",
	"rtsp://[::1]x:5/",
	"rtsp://[::1]5/",
	"rtsp://[::1@]/",
	"rtsp://::1/",
	"rtsp://host[::1]/",
	"rtsp://`/",
	"rtsp://{/",
	"rtsp:/",
	"rtsp:?/",
	"rtsp:/?",
	"rtsps://host/",
	"https://host/",
	"ftp://host/",
	"://host/",
	"host:554",
	"host/path",
};

START_TEST(test_url_that_could_mislead_is_refused)
{
	struct url u;

	ck_assert_int_eq(url_parse(&u, slice_of(bad[_i])), -EINVAL);
}
END_TEST

START_TEST(test_nul_in_a_url_is_refused)
{
	struct url u;

	ck_assert_int_eq(url_parse(&u, SLICE("/a\0b")), -EINVAL);
	ck_assert_int_eq(url_parse(&u, SLICE("rtsp://a\0b/")), -EINVAL);
}
END_TEST

START_TEST(test_every_beginning_of_a_url_is_read_within_its_bounds)
{
	struct slice s = slice_of(good[_i].text);

	for (size_t n = 0; n <= s.n; n++) {
		char *p = malloc(n ? n : 1);
		struct url u;

		memcpy(p, s.p, n);
		if (!url_parse(&u, (struct slice){p, n}) && u.host.n)
			ck_assert(u.host.p >= p && u.host.p + u.host.n <= p + n);
		free(p);
	}
}
END_TEST

START_TEST(test_default_ports)
{
	ck_assert_uint_eq(url_default_port(SLICE("rtsp")), 554);
	ck_assert_uint_eq(url_default_port(SLICE("RtSp")), 554);
	ck_assert_uint_eq(url_default_port(SLICE("http")), 80);
	ck_assert_uint_eq(url_default_port(SLICE("https")), 0);
	ck_assert_uint_eq(url_default_port(SLICE("")), 0);
}
END_TEST

static const char *query_without(const char *query, const char *name)
{
	static char mem[256];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	url_put_query(&b, slice_of(query), name);
	ck_assert(!b.full);
	return mem;
}

START_TEST(test_parameter_is_found_by_its_whole_name)
{
	struct slice v;

	ck_assert(url_param(SLICE("a=1&nc=xyz&b"), "nc", &v));
	ck_assert(slice_eq(v, SLICE("xyz")));
	ck_assert(url_param(SLICE("nc=x=y&nc=second"), "nc", &v));
	ck_assert(slice_eq(v, SLICE("x=y")));
	ck_assert(url_param(SLICE("a&nc"), "nc", &v));
	ck_assert_uint_eq(v.n, 0);
	ck_assert(!url_param(SLICE("ncc=1&anc=2&a=nc=3"), "nc", &v));
	ck_assert(!url_param((struct slice){NULL, 0}, "nc", &v));
}
END_TEST

START_TEST(test_query_is_kept_but_for_one_parameter)
{
	ck_assert_str_eq(query_without("a=1&nc=x&b", "nc"), "?a=1&b");
	ck_assert_str_eq(query_without("nc=x&b=%20;c", "nc"), "?b=%20;c");
	ck_assert_str_eq(query_without("nc=x&nc=y&nc", "nc"), "");
	ck_assert_str_eq(query_without("a&&b=nc=1", "nc"), "?a&&b=nc=1");
	ck_assert_str_eq(query_without("", "nc"), "");
}
END_TEST

START_TEST(test_track_is_taken_off_the_end)
{
	struct slice s = SLICE("/news/trackID=12"), none = SLICE("/news/trackID=1x");
	int track = -1;

	ck_assert(url_take_track(&s, &track));
	ck_assert(slice_eq(s, SLICE("/news")));
	ck_assert_int_eq(track, 12);
	ck_assert(!url_take_track(&none, &track));
	ck_assert(!url_take_track(&s, &track));
}
END_TEST

/* What is left of a URL, its user and its password; "!" for what is refused. */
static const char *without_user(const char *text)
{
	static char out[512];
	char url[256], user[8], password[12], was[256];
	int r;

	snprintf(url, sizeof(url), "%s", text);
	memcpy(was, url, sizeof(was));
	r = url_take_user(url, user, sizeof(user), password, sizeof(password));
	if (r < 0)
		return "!";
	for (size_t i = strlen(url); r && i < strlen(text); i++)
		ck_assert_int_eq(url[i], 0); /* nothing of the password stays */
	if (!r)
		ck_assert_str_eq(url, was);
	snprintf(out, sizeof(out), r ? "%s %s %s" : "%s", url, user, password);
	return out;
}

START_TEST(test_user_and_password_are_taken_out)
{
	ck_assert_str_eq(without_user("rtsp://al:s3@h:554/n?a=b"), "rtsp://h:554/n?a=b al s3");
	ck_assert_str_eq(without_user("rtsp://al@h"), "rtsp://h al ");
	ck_assert_str_eq(without_user("rtsp://a%20l:%3a%40:@@[::1]/"), "rtsp://[::1]/ a l :@:@");
	ck_assert_str_eq(without_user("rtsp://h/a@b?c@d"), "rtsp://h/a@b?c@d");
	ck_assert_str_eq(without_user("rtsp://h?c@d"), "rtsp://h?c@d");
	ck_assert_str_eq(without_user("/a@b"), "/a@b");
	ck_assert_str_eq(without_user("rtsp://12345678:p@h/"), "!");
	ck_assert_str_eq(
		without_user("rtsp://1234567:12345678901@h/"), "rtsp://h/ 1234567 12345678901");
	ck_assert_str_eq(without_user("rtsp://a:123456789012@h/"), "!");
	ck_assert_str_eq(without_user("rtsp://:p@h/"), "!");
	ck_assert_str_eq(without_user("rtsp://a%3ab:p@h/"), "!");
	ck_assert_str_eq(without_user("rtsp://a%22:p@h/"), "!");
	ck_assert_str_eq(without_user("rtsp://a:%0a@h/"), "!");
	ck_assert_str_eq(without_user("rtsp://a:%00@h/"), "!");
	ck_assert_str_eq(without_user("rtsp://a:%4@h/"), "!");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("url");

	tcase_add_loop_test(t, test_url_is_taken_apart, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(
		t, test_url_that_could_mislead_is_refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(t, test_nul_in_a_url_is_refused);
	tcase_add_loop_test(t, test_every_beginning_of_a_url_is_read_within_its_bounds, 0,
		sizeof(good) / sizeof(good[0]));
	tcase_add_test(t, test_default_ports);
	tcase_add_test(t, test_parameter_is_found_by_its_whole_name);
	tcase_add_test(t, test_query_is_kept_but_for_one_parameter);
	tcase_add_test(t, test_track_is_taken_off_the_end);
	tcase_add_test(t, test_user_and_password_are_taken_out);
	return run_case("url", t);
}
