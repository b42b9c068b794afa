/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens (row E4): the format byte by byte, and every reason for which one is refused. The texts
 * were computed by another program (Python's hashlib) from the drawing in token.h. */
#include "lib/token.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/secret.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define NOW  1700000000ll
#define SKEW 10
#define V4   "AQAAB2VT8QAAPAEBI0VniavN763zHzNcVLw2CgESG_00pOQYLzQifP-SNuA2lM0"
#define BOUND                                                                                      \
	"AQMAB2VT8QAAPAIBI0VniavN763zHzNcVLw2RaJmK3DeUiggAQ24AAoAAAAAAAAAAAAnNy_QW1uk91VgrCm-"     \
	"2HNvDg"

static struct wire_keys keys;
static struct token_use use;
static struct token got;

static void setup(void)
{
	ck_assert_int_eq(secret_init(), 0);
	keys = (struct wire_keys){.n = 2};
	keys.key[0].id = 7;
	keys.key[1].id = 0x1234;
	for (int i = 0; i < WIRE_KEY_LEN; i++) {
		keys.key[0].key[i] = (uint8_t)i;
		keys.key[1].key[i] = (uint8_t)(0x80 + i);
	}
	use = (struct token_use){
		.path = SLICE("/news"), .client = literal("2001:db8::1"), .now = NOW, .skew = SKEW};
}

static struct token_claims claims(void)
{
	return (struct token_claims){.issued = NOW,
		.lifetime = 60,
		.hops = 1,
		.session = 0x0123456789abcdef,
		.path = SLICE("/news"),
		.service = literal("10.1.18.27")};
}

/* Read from a block of exactly its size. */
static enum token_error read_text(const char *text)
{
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);
	enum token_error e;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, n);
	e = token_read(&got, (struct slice){copy, n}, &keys, &use);
	free(copy);
	return e;
}

static const char *write_text(const struct token_claims *c, int key)
{
	static char text[TOKEN_TEXT];

	token_write(c, &keys.key[key], text);
	return text;
}

START_TEST(test_token_is_written_as_documented)
{
	struct token_claims c = claims();

	ck_assert_str_eq(write_text(&c, 0), V4);
	c.client = &use.client;
	c.service = literal("2001:db8:a::27");
	c.hops = 2;
	ck_assert_str_eq(write_text(&c, 0), BOUND);
}
END_TEST

START_TEST(test_what_is_in_a_token_is_read_back)
{
	char text[ADDR_STRLEN];

	ck_assert_int_eq(read_text(V4), TOKEN_OK);
	ck_assert_uint_eq(got.session, 0x0123456789abcdef);
	ck_assert_uint_eq(got.issued, NOW);
	ck_assert_uint_eq(got.lifetime, 60);
	ck_assert_uint_eq(got.hops, 1);
	ck_assert(!got.bound && !got.node);
	ck_assert_str_eq(addr_host(&got.service, text), "10.1.18.27");
	ck_assert_int_eq(read_text(BOUND), TOKEN_OK);
	ck_assert(got.bound);
	ck_assert_str_eq(addr_host(&got.service, text), "2001:db8:a::27");
}
END_TEST

START_TEST(test_every_character_counts)
{
	char text[] = BOUND;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		ck_assert_msg(!token_is_genuine(read_text(text)), "character %zu", i);
		text[i] = was;
	}
	ck_assert_int_eq(read_text(text), TOKEN_OK);
}
END_TEST

START_TEST(test_every_other_length_is_malformed)
{
	char text[256] = BOUND;
	size_t n = strlen(text);

	for (size_t i = 1; i < n; i++) {
		char was = text[i];

		text[i] = '\0';
		ck_assert_msg(read_text(text) == TOKEN_MALFORMED, "%zu characters", i);
		text[i] = was;
	}
	for (size_t i = n; i < 200; i++) {
		text[i] = 'A';
		ck_assert_msg(read_text(text) == TOKEN_MALFORMED, "%zu characters", i + 1);
	}
}
END_TEST

START_TEST(test_what_is_not_base64url_is_malformed)
{
	ck_assert_int_eq(read_text(V4 "="), TOKEN_MALFORMED);
	ck_assert_int_eq(
		read_text("AQAAB2VT8QAAPAEBI0VniavN763zHzNcVLw2CgESG/00pOQYLzQifP+SNuA2lM0"),
		TOKEN_MALFORMED);
	/* The last character holds four bits of a token's last byte; the rest has to be zero. */
	ck_assert_int_eq(
		read_text("AQAAB2VT8QAAPAEBI0VniavN763zHzNcVLw2CgESG_00pOQYLzQifP-SNuA2lM1"),
		TOKEN_MALFORMED);
}
END_TEST

START_TEST(test_no_text_is_a_missing_token)
{
	ck_assert_int_eq(read_text(""), TOKEN_MISSING);
	ck_assert_int_eq(token_read(&got, (struct slice){NULL, 0}, &keys, &use), TOKEN_MISSING);
}
END_TEST

START_TEST(test_each_reason_is_told_apart)
{
	struct token_claims c = claims();
	const struct addr other = literal("192.0.2.9");
	struct wire_keys one = {.n = 1, .key = {keys.key[0]}};
	struct token_use now = use;

	ck_assert_int_eq(
		token_read(&got, slice_of(write_text(&c, 1)), &one, &use), TOKEN_UNKNOWN_KEY);
	one.key[0].id = keys.key[1].id; /* the id of another key */
	ck_assert_int_eq(token_read(&got, slice_of(write_text(&c, 1)), &one, &use), TOKEN_FORGED);
	c.client = &other;
	ck_assert_int_eq(read_text(write_text(&c, 0)), TOKEN_OTHER_CLIENT);
	use.path = SLICE("/sports");
	ck_assert_int_eq(read_text(V4), TOKEN_OTHER_CHANNEL);
	use = now;
	use.now = NOW - SKEW - 1;
	ck_assert_int_eq(read_text(V4), TOKEN_EARLY);
	use.now = NOW + 60 + SKEW + 1;
	ck_assert_int_eq(read_text(V4), TOKEN_EXPIRED);
	for (int e = 0; e < TOKEN_ERRORS; e++)
		for (int k = 0; k < e; k++)
			ck_assert_str_ne(token_error_str((enum token_error)e),
				token_error_str((enum token_error)k));
}
END_TEST

START_TEST(test_clocks_may_differ_by_the_skew)
{
	use.now = NOW - SKEW;
	ck_assert_int_eq(read_text(V4), TOKEN_OK);
	use.now = NOW + 60 + SKEW;
	ck_assert_int_eq(read_text(V4), TOKEN_OK);
}
END_TEST

START_TEST(test_grace_lengthens_the_end_only)
{
	use.grace = 3600;
	use.now = NOW + 60 + SKEW + 3600;
	ck_assert_int_eq(read_text(V4), TOKEN_OK);
	use.now++;
	ck_assert_int_eq(read_text(V4), TOKEN_EXPIRED);
	use.now = NOW - SKEW - 1;
	ck_assert_int_eq(read_text(V4), TOKEN_EARLY);
}
END_TEST

/* Whoever refuses an expired token can still say whose session it was. */
START_TEST(test_genuine_token_is_read_whatever_else_is_wrong)
{
	use.now = NOW + 100000;
	got.session = 0;
	ck_assert_int_eq(read_text(V4), TOKEN_EXPIRED);
	ck_assert_uint_eq(got.session, 0x0123456789abcdef);
}
END_TEST

START_TEST(test_presentation_and_its_media_are_one_channel)
{
	static const char *const same[] = {"/news", "/news/", "/news/trackID=0", "/news/trackID=11",
		"/news//", "/news/trackID=0/"};
	static const char *const others[] = {
		"", "/", "/new", "/news2", "/news/x", "/news/trackID=", "/News"};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		use.path = slice_of(same[i]);
		ck_assert_msg(read_text(V4) == TOKEN_OK, "%s", same[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		use.path = slice_of(others[i]);
		ck_assert_msg(read_text(V4) == TOKEN_OTHER_CHANNEL, "%s", others[i]);
	}
}
END_TEST

/* Rotation: any key of the file opens. */
START_TEST(test_every_key_of_the_file_opens)
{
	struct token_claims c = claims();

	ck_assert_int_eq(read_text(write_text(&c, 0)), TOKEN_OK);
	ck_assert_int_eq(read_text(write_text(&c, 1)), TOKEN_OK);
	ck_assert_uint_eq(got.key->id, 0x1234);
}
END_TEST

/* Announcements and tokens may have the same keys. */
START_TEST(test_mac_made_for_another_purpose_is_forged)
{
	ck_assert_int_eq(
		read_text("AQAAB2VT8QAAPAEBI0VniavN763zHzNcVLw2CgESG-G-xZEqHi8GEzepDqVo0G8"),
		TOKEN_FORGED);
}
END_TEST

START_TEST(test_session_has_one_identity_at_every_arn)
{
	struct addr client = literal("192.0.2.1");
	struct slice path = SLICE("/news");
	uint64_t id;

	addr_set_port(&client, 5555);
	id = token_session(&keys.key[0], &client, path, NOW);
	ck_assert_uint_eq(id, 0xd61ab78315f9d499);
	ck_assert_uint_ne(token_session(&keys.key[1], &client, path, NOW), id);
	ck_assert_uint_ne(token_session(&keys.key[0], &client, path, NOW + 1), id);
	ck_assert_uint_ne(token_session(&keys.key[0], &client, SLICE("/new"), NOW), id);
	addr_set_port(&client, 5556);
	ck_assert_uint_ne(token_session(&keys.key[0], &client, path, NOW), id);
}
END_TEST

START_TEST(test_client_finds_its_token_in_the_url_that_it_was_sent_to)
{
	char mine[TOKEN_TEXT] = "before", longer[TOKEN_TEXT + 64] = "http://10.2.0.6/a?nc=";

	token_take_url(SLICE("http://10.2.0.6/a?x=1"), mine);
	token_take_url(SLICE("no url"), mine);
	memset(longer + strlen(longer), 'x', TOKEN_TEXT);
	token_take_url(slice_of(longer), mine);
	ck_assert_str_eq(mine, "before");
	token_take_url(SLICE("http://10.2.0.6:8000/a?x=1&nc=AQ&y"), mine);
	ck_assert_str_eq(mine, "AQ");
}
END_TEST

START_TEST(test_client_asks_again_with_its_token_in_place_of_any_other)
{
	static const char *const urls[][2] = {{"http://acme.com/a", "http://acme.com/a?nc=T"},
		{"http://acme.com/a?x=1", "http://acme.com/a?x=1&nc=T"},
		{"http://acme.com/a?nc=old&x=1", "http://acme.com/a?x=1&nc=T"},
		{"http://acme.com/a?nc=old", "http://acme.com/a?nc=T"}};
	char mem[64];
	struct sbuf b;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		sbuf_init(&b, mem, sizeof(mem));
		token_put_url(&b, slice_of(urls[i][0]), "T");
		ck_assert_str_eq(mem, urls[i][1]);
	}
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("token");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_token_is_written_as_documented);
	tcase_add_test(t, test_what_is_in_a_token_is_read_back);
	tcase_add_test(t, test_every_character_counts);
	tcase_add_test(t, test_every_other_length_is_malformed);
	tcase_add_test(t, test_what_is_not_base64url_is_malformed);
	tcase_add_test(t, test_no_text_is_a_missing_token);
	tcase_add_test(t, test_each_reason_is_told_apart);
	tcase_add_test(t, test_clocks_may_differ_by_the_skew);
	tcase_add_test(t, test_grace_lengthens_the_end_only);
	tcase_add_test(t, test_genuine_token_is_read_whatever_else_is_wrong);
	tcase_add_test(t, test_presentation_and_its_media_are_one_channel);
	tcase_add_test(t, test_every_key_of_the_file_opens);
	tcase_add_test(t, test_mac_made_for_another_purpose_is_forged);
	tcase_add_test(t, test_session_has_one_identity_at_every_arn);
	tcase_add_test(t, test_client_finds_its_token_in_the_url_that_it_was_sent_to);
	tcase_add_test(t, test_client_asks_again_with_its_token_in_place_of_any_other);
	return run_case("token", t);
}
