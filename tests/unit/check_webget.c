/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core of an HTTP fetch: nodes that die, lie and are slow, under a clock of the test's own. What
 * comes out is compared with the object, byte for byte. */
#include "client-failover/webget.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/run.h"

#define URL "http://acme.com/films/a.mp4?x=1"
#define A   "http://10.2.0.6:8000/films/a.mp4?x=1"
#define B   "http://10.2.0.10:8000/films/a.mp4?x=1"
#define OK  "HTTP/1.1 200 OK\r\n"
#define TAG "ETag: \"v1\"\r\n"

static const char object[] = "0123456789abcdefghijklmnopqrstuvwxyz";
#define SIZE ((int64_t)sizeof object - 1)

static struct webget *f;
static struct failover_action got[64];
static char url[64][FAILOVER_URL];
static int gots;
static ns_t now;
static char out[256];
static size_t outs;
static int firsts;

static void collect(void)
{
	struct failover_action a;

	gots = 0;
	while (webget_next(f, &a) != FO_NONE) {
		ck_assert_int_lt(gots, 64);
		got[gots] = a;
		snprintf(url[gots++], FAILOVER_URL, "%s", a.url ? a.url : "");
	}
}

static int find(enum failover_kind kind)
{
	for (int i = 0; i < gots; i++)
		if (got[i].kind == kind)
			return i;
	return -1;
}

static int id_of(enum failover_kind kind)
{
	int i = find(kind);

	ck_assert_msg(i >= 0, "no action %d", kind);
	return got[i].id;
}

static void run_to(enum failover_kind kind, ns_t limit)
{
	ns_t end = now + limit;

	for (;;) {
		ns_t t = webget_when(f);
		ck_assert_msg(t <= end, "action %d does not come", kind);
		now = t > now ? t : now;
		webget_tick(f, now);
		collect();
		if (find(kind) >= 0)
			return;
	}
}

static enum webget_use head(int id, const char *text, int64_t length)
{
	struct text_msg m;

	ck_assert_int_gt(text_parse_head(&m, text, strlen(text), 0), 0);
	return webget_head(f, id, &m, length, now);
}

static void keep(struct webget_bytes b)
{
	firsts += b.first;
	if (b.data.n)
		memcpy(out + outs, b.data.p, b.data.n);
	outs += b.data.n;
	out[outs] = '\0';
}

/* `id` gives the object's bytes from `at` on. */
static void give(int id, int64_t at, size_t n)
{
	keep(webget_body(f, id, (struct slice){object + at, n}, now));
	collect();
}

static void begin(const char *home, bool to_head, bool follow)
{
	struct webget_conf c = {.url = URL, .home = home, .to_head = to_head, .follow = follow};

	now = 1000 * NS_S;
	outs = 0;
	firsts = 0;
	f = webget_new(&c);
	webget_start(f, now);
	collect();
}

static void setup(void)
{
	begin("", false, false);
}

static void teardown(void)
{
	webget_free(f);
}

static int locate(const char *where)
{
	char text[512];

	if (find(FO_TRANSACT) < 0)
		run_to(FO_TRANSACT, 10 * NS_S);
	int tr = id_of(FO_TRANSACT);
	now += 5 * NS_MS;
	snprintf(text, sizeof text, "HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n", where);
	ck_assert_int_eq(head(tr, text, 0), WEBGET_DROP);
	collect();
	int id = id_of(FO_ATTACH);
	ck_assert_str_eq(url[find(FO_ATTACH)], where);
	now += 5 * NS_MS;
	return id;
}

/* So many bytes have come from the first node, A. */
static int fetching(const char *headers, int64_t length, size_t n)
{
	char text[512];
	int a = locate(A);

	snprintf(text, sizeof text, OK "%s\r\n", headers);
	ck_assert_int_eq(head(a, text, length), WEBGET_USE);
	ck_assert_ptr_null(webget_object(f));
	give(a, 0, n);
	ck_assert_int_eq(firsts, 1);
	ck_assert_int_eq(webget_current(f), a);
	return a;
}

static const char *range(void)
{
	static char mem[256];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof mem);
	ck_assert(webget_put_range(f, &b));
	return mem;
}

static const char *rest(int64_t from, const char *tag, int64_t total)
{
	static char text[256];

	snprintf(text, sizeof text,
		"HTTP/1.1 206 Partial Content\r\nETag: %s\r\n"
		"Content-Range: bytes %lld-%lld/%lld\r\n\r\n",
		tag, (long long)from, (long long)total - 1, (long long)total);
	return text;
}

static void whole(void)
{
	ck_assert_int_eq(webget_state(f), WEBGET_WHOLE);
	ck_assert_str_eq(out, object);
	ck_assert_int_eq(firsts, 1);
	ck_assert_int_eq(webget_delivered(f), SIZE);
	ck_assert_int_eq(webget_when(f), NS_NEVER);
}

START_TEST(test_object_is_fetched_from_the_node_that_the_arn_names)
{
	char mem[64];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof mem);
	ck_assert_str_eq(webget_ask_url(f), URL);
	ck_assert(!webget_put_range(f, &b));
	int a = fetching(TAG, SIZE, 10);
	ck_assert_int_eq(webget_state(f), WEBGET_GOING);
	give(a, 10, (size_t)SIZE - 10);
	whole();
	ck_assert_int_eq(id_of(FO_RELEASE), a);
}
END_TEST

START_TEST(test_node_that_dies_is_gone_on_from_at_the_byte)
{
	char avoid[80];
	int a = fetching(TAG, SIZE, 10);

	webget_lost(f, a, "it closed the connection", now);
	collect();
	ck_assert_int_eq(got[find(FO_SUSPECT)].reason, FO_CLOSED);
	webget_avoid(f, now, avoid, sizeof avoid);
	ck_assert_str_eq(avoid, "10.2.0.6");
	ck_assert_str_eq(range(), "Range: bytes=10-35\r\nIf-Range: \"v1\"\r\n");
	int b = locate(B);
	ck_assert_int_eq(head(b, rest(10, "\"v1\"", SIZE), SIZE - 10), WEBGET_USE);
	give(b, 10, 5);
	ck_assert_int_eq(id_of(FO_RESUMED), b);
	ck_assert_int_eq(webget_resumed(f), 10);
	give(b, 15, (size_t)SIZE - 15);
	whole();
}
END_TEST

START_TEST(test_node_that_ends_its_body_early_is_gone_on_from)
{
	int a = fetching(TAG "Transfer-Encoding: chunked\r\n", -1, 10);

	webget_lost(f, a, "it closed the connection", now);
	collect();
	ck_assert_str_eq(range(), "Range: bytes=10-\r\nIf-Range: \"v1\"\r\n");
	int b = locate(B);
	ck_assert_int_eq(head(b, rest(10, "\"v1\"", SIZE), SIZE - 10), WEBGET_USE);
	give(b, 10, 5); /* the length is known now */
	keep(webget_end(f, b, now));
	collect();
	ck_assert_int_eq(webget_state(f), WEBGET_GOING);
	b = locate(A);
	ck_assert_str_eq(range(), "Range: bytes=15-35\r\nIf-Range: \"v1\"\r\n");
	head(b, rest(15, "\"v1\"", SIZE), SIZE - 15);
	give(b, 15, (size_t)SIZE - 15);
	whole();
}
END_TEST

/* Of unknown length, and only its end mark lacked. */
START_TEST(test_object_that_ends_where_we_are_is_whole)
{
	int a = fetching(TAG "Transfer-Encoding: chunked\r\n", -1, (size_t)SIZE);

	webget_lost(f, a, "it closed the connection", now);
	collect();
	int b = locate(B);
	ck_assert_int_eq(
		head(b, "HTTP/1.1 416 No\r\nContent-Range: bytes */36\r\n\r\n", 0), WEBGET_DROP);
	collect();
	whole();
	ck_assert_int_eq(webget_object(f)->length, SIZE);
}
END_TEST

START_TEST(test_object_that_ends_elsewhere_has_changed)
{
	static const char *const other[] = {"HTTP/1.1 416 No\r\nContent-Range: bytes */35\r\n\r\n",
		"HTTP/1.1 416 No\r\nETag: \"v2\"\r\nContent-Range: bytes */36\r\n\r\n"};

	for (int i = 0; i < 2; i++) {
		int a = fetching(TAG "Transfer-Encoding: chunked\r\n", -1, (size_t)SIZE);
		webget_lost(f, a, "it closed the connection", now);
		collect();
		head(locate(B), other[i], 0);
		ck_assert_int_eq(webget_state(f), WEBGET_CHANGED);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(test_silent_node_races_with_the_next_and_the_first_byte_wins)
{
	int a = fetching(TAG, SIZE, 10);

	run_to(FO_SUSPECT, 3 * NS_S);
	ck_assert_int_eq(got[find(FO_SUSPECT)].reason, FO_SILENCE);
	ck_assert_int_eq(find(FO_RELEASE), -1); /* it is kept */
	int b = locate(B);
	head(b, rest(10, "\"v1\"", SIZE), SIZE - 10);
	collect();
	ck_assert_int_eq(find(FO_RELEASE), -1);
	give(b, 10, 1);
	ck_assert_int_eq(id_of(FO_RESUMED), b);
	ck_assert_int_eq(id_of(FO_RELEASE), a);
	give(a, 10, 5); /* too late */
	give(b, 11, (size_t)SIZE - 11);
	whole();
}
END_TEST

START_TEST(test_node_that_was_only_slow_is_kept)
{
	int a = fetching(TAG, SIZE, 10);

	run_to(FO_SUSPECT, 3 * NS_S);
	int b = locate(B);
	head(b, rest(10, "\"v1\"", SIZE), SIZE - 10);
	give(a, 10, 5);
	ck_assert_int_eq(id_of(FO_FALSE_ALARM), a);
	ck_assert_int_eq(id_of(FO_RELEASE), b);
	give(b, 10, 5);
	give(a, 15, (size_t)SIZE - 15);
	whole();
}
END_TEST

START_TEST(test_silence_of_ours_is_not_the_nodes)
{
	int a = fetching(TAG, SIZE, 10);

	webget_held(f, true, now);
	ck_assert_int_eq(webget_when(f), NS_NEVER);
	now += 300 * NS_S;
	webget_held(f, false, now);
	webget_tick(f, now);
	collect();
	ck_assert_int_eq(find(FO_SUSPECT), -1);
	give(a, 10, 1);
	run_to(FO_SUSPECT, 3 * NS_S);
}
END_TEST

START_TEST(test_another_object_ends_it_and_gives_no_byte)
{
	static const char *const other[] = {"\"v2\"", "\"v1\""};
	static const int64_t total[] = {36, 37};

	for (int i = 0; i < 2; i++) {
		if (i) {
			teardown();
			setup();
		}
		webget_lost(f, fetching(TAG, SIZE, 10), "gone", now);
		collect();
		int b = locate(B);
		ck_assert_int_eq(head(b, rest(10, other[i], total[i]), total[i] - 10), WEBGET_DROP);
		collect();
		ck_assert_int_ge(find(FO_RELEASE), 0);
		give(b, 10, 20);
		ck_assert_int_eq(webget_state(f), WEBGET_CHANGED);
		ck_assert_str_ne(webget_why(f), "");
		ck_assert_uint_eq(outs, 10);
	}
}
END_TEST

START_TEST(test_whole_object_in_answer_to_if_range_says_that_it_changed)
{
	webget_lost(f, fetching(TAG, SIZE, 10), "gone", now);
	collect();
	head(locate(B), OK "ETag: \"v2\"\r\n\r\n", SIZE);
	ck_assert_int_eq(webget_state(f), WEBGET_CHANGED);
}
END_TEST

START_TEST(test_node_without_ranges_gives_it_all_and_what_is_there_is_skipped)
{
	webget_lost(f, fetching(TAG, SIZE, 10), "gone", now);
	collect();
	int b = locate(B);
	ck_assert_int_eq(head(b, OK TAG "\r\n", SIZE), WEBGET_USE);
	for (int64_t at = 0; at < 9; at++) {
		now += 900 * NS_MS; /* it takes its time, but it works: nobody else is asked */
		webget_tick(f, now);
		give(b, at, 1);
		ck_assert_int_eq(gots, 0);
	}
	give(b, 9, 3);
	ck_assert_int_eq(id_of(FO_RESUMED), b);
	give(b, 12, (size_t)SIZE - 12);
	whole();
}
END_TEST

START_TEST(test_other_answers_to_the_rest_send_us_elsewhere)
{
	static const char *const no[] = {"HTTP/1.1 404 Not Found\r\n\r\n",
		"HTTP/1.1 503 Busy\r\n\r\n", "HTTP/1.1 500 Oops\r\n\r\n",
		"HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\n\r\n",
		"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-35/36\r\n\r\n"};

	webget_lost(f, fetching(TAG, SIZE, 10), "gone", now);
	collect();
	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
		ck_assert_int_eq(head(locate(B), no[i], SIZE - 10), WEBGET_DROP);
		ck_assert_int_eq(webget_state(f), WEBGET_GOING);
		collect();
	}
	int b = locate(A);
	head(b, rest(10, "\"v1\"", SIZE), SIZE - 10);
	give(b, 10, (size_t)SIZE - 10);
	whole();
}
END_TEST

START_TEST(test_what_cannot_be_identified_is_not_resumed)
{
	int a = fetching("", SIZE, 10);

	run_to(FO_RELEASE, 61 * NS_S); /* no other node is asked: it could not help */
	ck_assert_int_eq(find(FO_TRANSACT), -1);
	ck_assert_int_eq(webget_state(f), WEBGET_BROKEN);
	teardown();
	setup();
	a = fetching("ETag: W/\"v1\"\r\n", SIZE, 10);
	webget_lost(f, a, "gone", now);
	ck_assert_int_eq(webget_state(f), WEBGET_BROKEN);
	ck_assert_uint_eq(outs, 10);
}
END_TEST

START_TEST(test_node_that_fails_before_its_first_byte_costs_the_head_nothing)
{
	int a = locate(A);

	head(a, OK "ETag: \"old\"\r\n\r\n", 99); /* nothing of it was handed on */
	webget_lost(f, a, "gone", now);
	collect();
	int b = locate(B);
	head(b, OK TAG "\r\n", SIZE);
	give(b, 0, (size_t)SIZE);
	whole();
	ck_assert_str_eq(webget_object(f)->etag, "\"v1\"");
}
END_TEST

START_TEST(test_error_of_a_node_is_asked_elsewhere_and_then_believed)
{
	ck_assert_int_eq(head(locate(A), "HTTP/1.1 503 Busy\r\n\r\n", 0), WEBGET_DROP);
	collect();
	int b = locate(B);
	ck_assert_int_eq(head(b, "HTTP/1.1 500 Oops\r\n\r\n", 0), WEBGET_USE);
	keep(webget_end(f, b, now));
	ck_assert_int_eq(firsts, 1);
	ck_assert_int_eq(webget_state(f), WEBGET_WHOLE);
	ck_assert_int_eq(webget_object(f)->status, 500);
}
END_TEST

START_TEST(test_errors_of_the_content_are_the_answer)
{
	int a = locate(A);

	ck_assert_int_eq(head(a, "HTTP/1.1 404 Not Found\r\n\r\n", 4), WEBGET_USE);
	give(a, 0, 4);
	ck_assert_int_eq(webget_state(f), WEBGET_WHOLE);
	ck_assert_int_eq(webget_object(f)->status, 404);
}
END_TEST

START_TEST(test_arn_without_a_node_is_asked_again_when_it_says)
{
	int tr = id_of(FO_TRANSACT);
	ns_t asked = now;

	head(tr, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\r\n", 0);
	collect();
	run_to(FO_TRANSACT, 3 * NS_S);
	ck_assert_int_ge(now - asked, 2 * NS_S);
	run_to(FO_GIVE_UP, 20 * NS_S);
	ck_assert_int_eq(webget_state(f), WEBGET_NO_NODE);
	ck_assert_str_ne(webget_why(f), "");
}
END_TEST

START_TEST(test_object_of_the_arn_itself_is_taken_from_it)
{
	int tr = id_of(FO_TRANSACT);

	ck_assert_int_eq(head(tr, OK TAG "\r\n", SIZE), WEBGET_ADOPT);
	collect();
	int id = id_of(FO_ATTACH);
	ck_assert_str_eq(url[find(FO_ATTACH)], URL);
	ck_assert_int_eq(head(id, OK TAG "\r\n", SIZE), WEBGET_USE);
	give(id, 0, (size_t)SIZE);
	whole();
}
END_TEST

START_TEST(test_answer_without_a_body_is_whole_with_its_head)
{
	static const char *const heads[] = {"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n", OK "Content-Length: 0\r\n\r\n"};

	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		teardown();
		setup();
		int a = locate(A);
		ck_assert_int_eq(head(a, heads[i], 0), WEBGET_USE);
		keep(webget_end(f, a, now));
		ck_assert_int_eq(firsts, 1);
		ck_assert_int_eq(webget_state(f), WEBGET_WHOLE);
	}
	teardown();
	begin("", true, false);
	int a = locate(A);
	head(a, rest(10, "\"v1\"", SIZE), 0); /* to HEAD, whatever it says */
	keep(webget_end(f, a, now));
	ck_assert_int_eq(webget_state(f), WEBGET_WHOLE);
}
END_TEST

START_TEST(test_known_node_is_asked_without_a_transaction)
{
	teardown();
	begin(A, false, false);
	ck_assert_int_eq(find(FO_TRANSACT), -1);
	int a = id_of(FO_ATTACH);
	head(a, OK TAG "\r\n", SIZE);
	give(a, 0, (size_t)SIZE);
	whole();
}
END_TEST

START_TEST(test_known_node_that_is_dead_costs_a_transaction)
{
	char avoid[80];

	teardown();
	begin(A, false, false);
	webget_lost(f, id_of(FO_ATTACH), "refused", now);
	collect();
	run_to(FO_TRANSACT, NS_S);
	webget_avoid(f, now, avoid, sizeof avoid);
	ck_assert_str_eq(avoid, "10.2.0.6");
	int b = locate(B);
	head(b, OK TAG "\r\n", SIZE);
	give(b, 0, (size_t)SIZE);
	whole();
}
END_TEST

START_TEST(test_known_node_that_wants_a_token_sends_us_to_the_arn)
{
	char avoid[80];

	teardown();
	begin(A, false, false);
	ck_assert_int_eq(head(id_of(FO_ATTACH), "HTTP/1.1 403 Forbidden\r\n\r\n", 0), WEBGET_DROP);
	collect();
	ck_assert(webget_home_refused(f));
	ck_assert_str_eq(url[find(FO_ATTACH)], URL);
	head(id_of(FO_ATTACH), "HTTP/1.1 302 Found\r\nLocation: " A "&nc=T\r\n\r\n", 0);
	collect();
	int a = id_of(FO_ATTACH);
	ck_assert_str_eq(url[find(FO_ATTACH)], A "&nc=T");
	webget_avoid(f, now, avoid, sizeof avoid);
	ck_assert_str_eq(avoid, ""); /* it has not failed */
	ck_assert_str_eq(webget_ask_url(f), URL "&nc=T");
	head(a, OK TAG "\r\n", SIZE);
	give(a, 0, (size_t)SIZE);
	whole();
}
END_TEST

START_TEST(test_token_goes_along_to_the_next_transaction)
{
	int a = locate(A "&nc=AQ");

	head(a, OK TAG "\r\n", SIZE);
	give(a, 0, 10);
	webget_lost(f, a, "gone", now);
	collect();
	ck_assert_str_eq(webget_ask_url(f), URL "&nc=AQ");
}
END_TEST

START_TEST(test_redirection_of_a_node_is_an_answer_or_is_followed)
{
	int a = locate(A);

	ck_assert_int_eq(head(a, "HTTP/1.1 301 Moved\r\nLocation: /b\r\n\r\n", 0), WEBGET_USE);
	keep(webget_end(f, a, now));
	ck_assert_int_eq(webget_state(f), WEBGET_WHOLE);
	teardown();
	begin("", false, true);
	a = locate(A);
	ck_assert_int_eq(head(a, "HTTP/1.1 301 Moved\r\nLocation: /b\r\n\r\n", 0), WEBGET_DROP);
	collect();
	ck_assert_str_eq(url[find(FO_ATTACH)], "http://10.2.0.6:8000/b");
}
END_TEST

START_TEST(test_locations_are_resolved)
{
	static const char *const cases[][2] = {{"http://10.2.0.6/x", "http://10.2.0.6/x"},
		{"//10.2.0.6/x#top", "http://10.2.0.6/x"},
		{"/x?y=http://z/", "http://h:8/x?y=http://z/"}, {"x", "http://h:8/a/x"},
		{"?q", "http://h:8/a/b?q"}, {"", "http://h:8/a/b?p"}};
	char text[64];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert_int_eq(webget_resolve(SLICE("http://h:8/a/b?p"), slice_of(cases[i][0]),
					 text, sizeof text),
			0);
		ck_assert_str_eq(text, cases[i][1]);
	}
	ck_assert_int_lt(webget_resolve(SLICE("http://h/"), SLICE("https://x/"), text, 64), 0);
	ck_assert_int_lt(webget_resolve(SLICE("http://h/"), SLICE("mailto:x"), text, 8), 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("webget");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_object_is_fetched_from_the_node_that_the_arn_names);
	tcase_add_test(t, test_node_that_dies_is_gone_on_from_at_the_byte);
	tcase_add_test(t, test_node_that_ends_its_body_early_is_gone_on_from);
	tcase_add_test(t, test_object_that_ends_where_we_are_is_whole);
	tcase_add_test(t, test_object_that_ends_elsewhere_has_changed);
	tcase_add_test(t, test_silent_node_races_with_the_next_and_the_first_byte_wins);
	tcase_add_test(t, test_node_that_was_only_slow_is_kept);
	tcase_add_test(t, test_silence_of_ours_is_not_the_nodes);
	tcase_add_test(t, test_another_object_ends_it_and_gives_no_byte);
	tcase_add_test(t, test_whole_object_in_answer_to_if_range_says_that_it_changed);
	tcase_add_test(t, test_node_without_ranges_gives_it_all_and_what_is_there_is_skipped);
	tcase_add_test(t, test_other_answers_to_the_rest_send_us_elsewhere);
	tcase_add_test(t, test_what_cannot_be_identified_is_not_resumed);
	tcase_add_test(t, test_node_that_fails_before_its_first_byte_costs_the_head_nothing);
	tcase_add_test(t, test_error_of_a_node_is_asked_elsewhere_and_then_believed);
	tcase_add_test(t, test_errors_of_the_content_are_the_answer);
	tcase_add_test(t, test_arn_without_a_node_is_asked_again_when_it_says);
	tcase_add_test(t, test_object_of_the_arn_itself_is_taken_from_it);
	tcase_add_test(t, test_answer_without_a_body_is_whole_with_its_head);
	tcase_add_test(t, test_known_node_is_asked_without_a_transaction);
	tcase_add_test(t, test_known_node_that_is_dead_costs_a_transaction);
	tcase_add_test(t, test_known_node_that_wants_a_token_sends_us_to_the_arn);
	tcase_add_test(t, test_token_goes_along_to_the_next_transaction);
	tcase_add_test(t, test_redirection_of_a_node_is_an_answer_or_is_followed);
	tcase_add_test(t, test_locations_are_resolved);
	return run_case("webget", t);
}
