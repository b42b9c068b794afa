/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which path is a film, and where it lies. */
#include "sn-agent/library.h"

#include <check.h>
#include <errno.h>

#include "tests/unit/run.h"

static const struct library l[] = {
	{.path = "/films", .origin = "http://10.8.0.3/films"},
	{.path = "/films/new", .origin = "http://10.8.0.4:8080/n"},
};

static const char *url_of(const char *path)
{
	static char url[64];
	const struct library *of = library_find(l, 2, slice_of(path));

	if (!of)
		return NULL;
	ck_assert_int_eq(library_url(of, slice_of(path), url, sizeof(url)), 0);
	return url;
}

START_TEST(test_a_path_below_a_librarys_is_a_film)
{
	ck_assert_str_eq(url_of("/films/a.ts"), "http://10.8.0.3/films/a.ts");
	ck_assert_str_eq(url_of("/films/b/c%20d.ts"), "http://10.8.0.3/films/b/c%20d.ts");
	ck_assert_str_eq(url_of("/films/.hidden/...x"), "http://10.8.0.3/films/.hidden/...x");
	ck_assert_ptr_null(url_of("/films"));
	ck_assert_ptr_null(url_of("/films/"));
	ck_assert_ptr_null(url_of("/filmsx/a.ts"));
	ck_assert_ptr_null(url_of("/news"));
}
END_TEST

START_TEST(test_the_longest_path_decides)
{
	ck_assert_str_eq(url_of("/films/new/a.ts"), "http://10.8.0.4:8080/n/a.ts");
	ck_assert_str_eq(url_of("/films/newer/a.ts"), "http://10.8.0.3/films/newer/a.ts");
}
END_TEST

START_TEST(test_no_path_leads_out_of_its_library)
{
	static const char *const bad[] = {"/films/../a", "/films/a/..", "/films/%2e%2E/a",
		"/films/.%2e/a", "/films//a", "/films/./a", "/films/a%2Fb", "/films/a%00",
		"/films/new/..%2f"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!url_of(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(test_a_url_that_is_too_long_is_not_cut)
{
	char out[24];

	ck_assert_int_eq(library_url(&l[0], SLICE("/films/abcdef.ts"), out, sizeof(out)), -ENOSPC);
}
END_TEST

START_TEST(test_an_origin_is_an_http_url)
{
	ck_assert_ptr_null(library_check_origin("http://10.8.0.3"));
	ck_assert_ptr_null(library_check_origin("http://[fd00::3]:8080/a/b"));
	ck_assert_ptr_nonnull(library_check_origin("http://10.8.0.3/films/"));
	ck_assert_ptr_nonnull(library_check_origin("http://10.8.0.3/films?a=b"));
	ck_assert_ptr_nonnull(library_check_origin("https://10.8.0.3/films"));
	ck_assert_ptr_nonnull(library_check_origin("rtsp://10.8.0.3/films"));
	ck_assert_ptr_nonnull(library_check_origin("/films"));
	ck_assert_ptr_nonnull(library_check_origin("x"));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("library");

	tcase_add_test(t, test_a_path_below_a_librarys_is_a_film);
	tcase_add_test(t, test_the_longest_path_decides);
	tcase_add_test(t, test_no_path_leads_out_of_its_library);
	tcase_add_test(t, test_a_url_that_is_too_long_is_not_cut);
	tcase_add_test(t, test_an_origin_is_an_http_url);
	return run_case("library", t);
}
