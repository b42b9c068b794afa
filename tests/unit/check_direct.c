/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct answers (row B3): what is served from what is there, and what is read from a directory.
 * ask() gives a request to redirect_answer(), with no node alive.
 */
#include "arn/direct_load.h"
#include "arn/redirect.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/secret.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define AT "10.1.18.27"

static struct direct *store;
static struct snapshot *snap;
static struct redirect_response rs;
static char folder[64], why[128];
static struct direct_conf conf;

static void setup(void)
{
	ck_assert_int_eq(secret_init(), 0);
	snap = snapshot_new(0);
	store = direct_new(60);
	ck_assert(snap && store);
	snap->direct = store;
	strcpy(folder, "/tmp/check_direct.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	conf = (struct direct_conf){.max_age = 60, .max_objects = 100, .max_bytes = 1 << 20};
	strcpy(conf.directory, folder);
	ck_assert_int_eq(prefix_parse(&conf.block, SLICE("10.1.18.0/24")), 0);
}

static void teardown(void)
{
	char command[128];

	snapshot_unref(snap);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void have(const char *at, const char *path, const char *body)
{
	struct addr a;

	if (at)
		a = literal(at);
	ck_assert_int_eq(
		direct_add(store, at ? &a : NULL, slice_of(path), slice_of(body), 1700000000), 0);
	direct_seal(store);
}

static int ask_at(const char *at, const char *method, const char *path, const char *headers)
{
	static char bytes[8192];
	struct redirect_request rq = {
		.port = TEXT_HTTP, .client = literal("192.0.2.1"), .local = literal(at)};
	int n = snprintf(
		bytes, sizeof(bytes), "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, headers);

	addr_set_port(&rq.local, 80);
	rq.bytes = (struct slice){bytes, (size_t)n};
	redirect_answer(&rq, snap, &rs);
	ck_assert_uint_eq(rs.consumed, (size_t)n);
	ck_assert(rs.close);
	ck_assert(rs.direct || !rs.body.n);
	return rs.status;
}

static int get(const char *path, const char *headers)
{
	return ask_at(AT, "GET", path, headers);
}

static bool says(const char *line)
{
	return strstr(rs.text, line);
}

static bool gave(const char *body)
{
	return slice_eq(rs.body, slice_of(body));
}

START_TEST(test_b3_object_is_the_whole_answer_and_needs_no_node)
{
	static const char want[] = "HTTP/1.1 200 OK\r\n"
				   "Content-Type: text/plain; charset=utf-8\r\n"
				   "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n";
	have(NULL, "/robots.txt", "User-agent: *\n");
	ck_assert_int_eq(get("/robots.txt", ""), 200);
	ck_assert_mem_eq(rs.text, want, sizeof(want) - 1);
	ck_assert(says("\r\nETag: \"") && says("\r\nCache-Control: max-age=60\r\n"));
	ck_assert(says("\r\nContent-Length: 14\r\n") && says("\r\nConnection: close\r\n\r\n"));
	ck_assert(!says("\r\nDate:") && !says("Vary"));
	ck_assert(gave("User-agent: *\n"));
	ck_assert_int_eq(get("/robots.txt?a=1", ""), 200);
	ck_assert_int_eq(get("http://elsewhere/robots.txt", ""), 200);
	ck_assert_int_eq(get("/other.txt", ""), 503);
}
END_TEST

START_TEST(test_head_has_the_length_and_no_body_and_other_methods_are_redirected)
{
	have(NULL, "/a", "12345");
	ck_assert_int_eq(ask_at(AT, "HEAD", "/a", ""), 200);
	ck_assert(says("\r\nContent-Length: 5\r\n") && !rs.body.n);
	ck_assert_int_eq(ask_at(AT, "POST", "/a", "Content-Length: 0\r\n"), 503);
	ck_assert_int_eq(ask_at(AT, "OPTIONS", "/a", ""), 503);
}
END_TEST

START_TEST(test_address_has_its_own_objects_before_those_of_all)
{
	have(NULL, "/a", "all");
	have(NULL, "/b", "all");
	have(AT, "/a", "own");
	have("2001:db8::1", "/a", "six");
	get("/a", "");
	ck_assert(gave("own"));
	get("/b", "");
	ck_assert(gave("all"));
	ask_at("10.1.18.28", "GET", "/a", "");
	ck_assert(gave("all"));
	ask_at("2001:db8::1", "GET", "/a", "");
	ck_assert(gave("six"));
}
END_TEST

START_TEST(test_path_is_decoded_once_and_leads_nowhere_else)
{
	static const char *const nowhere[] = {"/../etc/passwd", "/x/../a b", "/%2e%2e/a%20b",
		"//a%20b", "/a%20b/", "/x%2fi", "/a%20b%00", "/%00", "/a%2520b", "/a%2", "/a%zz",
		"/./a%20b", "/%2e/a%20b", "/A%20B", "/a%20b%2fx", "/..%5ca%20b", "/a%20b."};

	have(NULL, "/a b", "blank");
	have(NULL, "/x/i", "x");
	have(NULL, "/d/index.html", "index");
	have(NULL, "/index.html", "root");
	ck_assert_int_eq(get("/a%20b", ""), 200);
	ck_assert_int_eq(get("/%61%20b", ""), 200);
	ck_assert_int_eq(get("/d/", ""), 200);
	ck_assert(gave("index") && says("text/html"));
	ck_assert_int_eq(get("http://h", ""), 200);
	ck_assert(gave("root"));
	ck_assert_int_eq(get("/d", ""), 503);
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		get(nowhere[i], "");
		ck_assert_msg(!rs.direct, "%s is served", nowhere[i]);
	}
}
END_TEST

START_TEST(test_longest_path_is_served_and_longer_ones_are_not)
{
	char path[DIRECT_MAX_PATH + 8];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[DIRECT_MAX_PATH] = '\0';
	have(NULL, path, "long");
	ck_assert_int_eq(get(path, ""), 200);
	path[DIRECT_MAX_PATH] = 'a';
	path[DIRECT_MAX_PATH + 1] = '\0';
	ck_assert_int_eq(get(path, ""), 503);
}
END_TEST

START_TEST(test_condition_is_answered_304_while_the_bytes_are_the_same)
{
	char tag[24], line[96];

	have(NULL, "/a.json", "{}");
	get("/a.json", "");
	snprintf(tag, sizeof(tag), "%.18s", strstr(rs.text, "ETag: ") + 6);
	snprintf(line, sizeof(line), "If-None-Match: \"x\", W/%s\r\n", tag);
	ck_assert_int_eq(get("/a.json", line), 304);
	ck_assert(!rs.body.n && !says("Content-") && says(tag) && says("max-age"));
	ck_assert_int_eq(get("/a.json", "If-None-Match: *\r\n"), 304);
	ck_assert_int_eq(get("/a.json", "If-None-Match: \"x\"\r\n"), 200);
	ck_assert_int_eq(
		get("/a.json", "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n"), 304);
	ck_assert_int_eq(
		get("/a.json", "If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT\r\n"), 304);
	ck_assert_int_eq(get("/a.json", "If-Modified-Since: Tue Nov 14 22:13:20 2023\r\n"), 304);
	ck_assert_int_eq(
		get("/a.json", "If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n"), 200);
	ck_assert_int_eq(get("/a.json", "If-Modified-Since: yesterday\r\n"), 200);
	/* The tag has the word (RFC 9110, 13.2.2). */
	ck_assert_int_eq(get("/a.json", "If-None-Match: \"x\"\r\n"
					"If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n"),
		200);
	ck_assert_int_eq(get("/a.json", "If-Match: \"x\"\r\n"), 503);
}
END_TEST

START_TEST(test_client_gets_the_shortest_coding_that_it_takes)
{
	have(NULL, "/app.js", "0123456789");
	have(NULL, "/app.js.gz", "01234567");
	have(NULL, "/app.js.br", "0123");
	get("/app.js", "");
	ck_assert(gave("0123456789") && says("Vary: Accept-Encoding") && !says("Content-Enc"));
	get("/app.js", "Accept-Encoding: gzip, deflate\r\n");
	ck_assert(gave("01234567") && says("Content-Encoding: gzip\r\n"));
	ck_assert(says("Content-Type: text/javascript; charset=utf-8\r\n"));
	get("/app.js", "Accept-Encoding: gzip, deflate, br\r\n");
	ck_assert(gave("0123") && says("Content-Encoding: br\r\n"));
	get("/app.js", "Accept-Encoding: br;q=0, GZIP ; q=0.5\r\n");
	ck_assert(gave("01234567"));
	get("/app.js", "Accept-Encoding: br;q=0.000, *\r\n");
	ck_assert(gave("01234567"));
	get("/app.js", "Accept-Encoding: *;q=0, identity\r\n");
	ck_assert(gave("0123456789"));
	ck_assert_int_eq(get("/app.js", "Accept-Encoding: identity;q=0\r\n"), 503);
	get("/app.js.gz", "");
	ck_assert(gave("01234567") && says("application/gzip") && !says("Content-Enc"));
}
END_TEST

START_TEST(test_only_coded_object_goes_to_those_only_who_take_it)
{
	have(AT, "/m.mpd.gz", "gz");
	have(NULL, "/m.mpd", "other");
	ck_assert_int_eq(get("/m.mpd", "Accept-Encoding: gzip\r\n"), 200);
	ck_assert(gave("gz") && says("application/dash+xml"));
	ck_assert_int_eq(get("/m.mpd", ""), 503);
}
END_TEST

START_TEST(test_head_of_any_answer_fits_beside_the_longest_object)
{
	char body[DIRECT_MAX_OBJECT + 1];

	memset(body, 'a', DIRECT_MAX_OBJECT);
	body[DIRECT_MAX_OBJECT] = '\0';
	direct_unref(store);
	snap->direct = store = direct_new(UINT32_MAX);
	have(NULL, "/a.m3u8", body);
	have(NULL, "/a.m3u8.gz", "");
	get("/a.m3u8", "");
	ck_assert_uint_eq(rs.body.n, DIRECT_MAX_OBJECT);
	ck_assert_uint_le(rs.len, DIRECT_MAX_HEAD);
	get("/a.m3u8", "Accept-Encoding: gzip\r\n");
	ck_assert(gave(""));
	ck_assert_uint_le(rs.len, DIRECT_MAX_HEAD);
}
END_TEST

/* ---- the directory ---- */

static void put(const char *path, size_t n)
{
	char full[512];
	FILE *f;

	for (const char *p = path; (p = strchr(p, '/')); p++) {
		snprintf(full, sizeof(full), "%s/%.*s", folder, (int)(p - path), path);
		mkdir(full, 0755);
	}
	snprintf(full, sizeof(full), "%s/%s", folder, path);
	f = fopen(full, "w");
	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < n; i++)
		fputc('a', f);
	ck_assert_int_eq(fclose(f), 0);
}

static int load(void)
{
	uint64_t seen;
	int left_out = -1;

	direct_unref(store);
	snap->direct = store = direct_load(&conf, &seen, &left_out, why);
	return left_out;
}

START_TEST(test_folders_of_the_directory_are_the_addresses)
{
	put("default/robots.txt", 3);
	put("default/a/b/index.html", 4);
	put("10.1.18.28/robots.txt", 5);
	put("default/.secret", 1);
	put("default/.git/config", 1);
	ck_assert_int_eq(load(), 0);
	ck_assert_int_eq(direct_objects(store), 3);
	ck_assert_uint_eq(direct_bytes(store), 12);
	ck_assert_int_eq(get("/a/b/", ""), 200);
	ck_assert_int_eq(ask_at("10.1.18.28", "GET", "/robots.txt", ""), 200);
	ck_assert_uint_eq(rs.body.n, 5);
	ck_assert_int_eq(get("/.secret", ""), 503);
	ck_assert_int_eq(get("/.git/config", ""), 503);
}
END_TEST

START_TEST(test_what_cannot_be_served_is_left_out)
{
	char path[128];

	put("robots.txt", 1);          /* in no folder */
	put("10.9.9.9/robots.txt", 1); /* not of the block */
	put("10.1.18.27:80/a", 1);     /* not an address alone */
	put("images/a", 1);            /* neither */
	put("default/whole", DIRECT_MAX_OBJECT);
	put("default/long", DIRECT_MAX_OBJECT + 1);
	snprintf(path, sizeof(path), "%s/default/link", folder);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof(path), "%s/default/out", folder);
	ck_assert_int_eq(symlink("/etc", path), 0);
	snprintf(path, sizeof(path), "%s/default/pipe", folder);
	ck_assert_int_eq(mkfifo(path, 0644), 0);
	ck_assert_int_eq(load(), 8);
	ck_assert_int_eq(direct_objects(store), 1);
	ck_assert_int_eq(get("/whole", ""), 200);
	ck_assert_int_eq(get("/link", ""), 503);
	ck_assert_int_eq(get("/out/passwd", ""), 503);
}
END_TEST

START_TEST(test_bounds_leave_out_the_last_by_name)
{
	put("default/c", 100);
	put("default/a", 100);
	put("default/b", 100);
	conf.max_objects = 2;
	ck_assert_int_eq(load(), 1);
	ck_assert_int_eq(get("/b", ""), 200);
	ck_assert_int_eq(get("/c", ""), 503);
	conf.max_objects = 100;
	conf.max_bytes = 2 * direct_cost(SLICE("/a"), 100) - 1;
	ck_assert_int_eq(load(), 2);
	ck_assert_int_eq(get("/a", ""), 200);
	ck_assert_int_eq(get("/b", ""), 503);
}
END_TEST

START_TEST(test_too_deep_a_tree_ends)
{
	put("default/1/2/3/4/5/6/7/8/9/10/11/12/13/14/a", 1);
	put("default/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/b", 1);
	put("default/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/c", 1);
	ck_assert_int_eq(load(), 1);
	ck_assert_int_eq(direct_objects(store), 2);
}
END_TEST

START_TEST(test_look_sees_what_changes_and_missing_directory_says_so)
{
	uint64_t a, b, c;

	put("default/a", 1);
	ck_assert_int_eq(direct_look(&conf, &a, why), 0);
	ck_assert_int_eq(direct_look(&conf, &b, why), 0);
	ck_assert(a == b);
	put("default/a", 2);
	ck_assert_int_eq(direct_look(&conf, &b, why), 0);
	put("default/b", 0);
	ck_assert_int_eq(direct_look(&conf, &c, why), 0);
	ck_assert(a != b && b != c && a != c);
	strcat(conf.directory, "/none");
	ck_assert_int_lt(direct_look(&conf, &a, why), 0);
	ck_assert_str_eq(why, "No such file or directory");
	load();
	ck_assert_ptr_null(store);
	ck_assert_int_eq(get("/a", ""), 503);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("direct");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_b3_object_is_the_whole_answer_and_needs_no_node);
	tcase_add_test(t, test_head_has_the_length_and_no_body_and_other_methods_are_redirected);
	tcase_add_test(t, test_address_has_its_own_objects_before_those_of_all);
	tcase_add_test(t, test_path_is_decoded_once_and_leads_nowhere_else);
	tcase_add_test(t, test_longest_path_is_served_and_longer_ones_are_not);
	tcase_add_test(t, test_condition_is_answered_304_while_the_bytes_are_the_same);
	tcase_add_test(t, test_client_gets_the_shortest_coding_that_it_takes);
	tcase_add_test(t, test_only_coded_object_goes_to_those_only_who_take_it);
	tcase_add_test(t, test_head_of_any_answer_fits_beside_the_longest_object);
	tcase_add_test(t, test_folders_of_the_directory_are_the_addresses);
	tcase_add_test(t, test_what_cannot_be_served_is_left_out);
	tcase_add_test(t, test_bounds_leave_out_the_last_by_name);
	tcase_add_test(t, test_too_deep_a_tree_ends);
	tcase_add_test(t, test_look_sees_what_changes_and_missing_directory_says_so);
	return run_case("direct", t);
}
