/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is at the web cache, and whom a token has let in (rows E1, E4). */
#include "sn-agent/visitors.h"

#include <stdio.h>

#include "lib/secret.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define IDLE (60 * NS_S)
#define WALL 1700000000ll
#define PORT 20001

static struct visitors *visitors;
static struct wire_keys keys;
static struct rtsp_access access_conf;
static ns_t now;
static int there[65536];
static const struct visitor *who;

static void moves(void *arg, uint16_t port, bool comes)
{
	(void)arg;
	there[port] += comes ? 1 : -1;
}

static void setup(void)
{
	ck_assert_int_eq(secret_init(), 0);
	visitors = visitors_new(IDLE, moves, NULL);
	ck_assert_ptr_nonnull(visitors);
	keys = (struct wire_keys){.n = 1};
	keys.key[0].id = 7;
	access_conf = (struct rtsp_access){.mode = ACCESS_REQUIRED, .keys = &keys};
	now = 1000 * NS_S;
}

static void teardown(void)
{
	visitors_free(visitors);
}

static void note(const char *client, uint16_t port)
{
	struct addr a = literal(client);

	ck_assert_ptr_nonnull(visitors_note(visitors, &a, port, now));
}

/* With "nc=" at its end, the URI gets a token: of the path, issued then. */
static enum token_error admit_at(
	const char *client, uint16_t port, const char *uri, const char *path, int64_t issued)
{
	struct token_claims c = {.issued = issued,
		.lifetime = 60,
		.hops = 1,
		.session = 0x0123456789abcdef,
		.path = slice_of(path),
		.service = literal("10.1.18.27")};
	char token[TOKEN_TEXT], text[256];
	struct visit x = {.client = literal(client), .port = port, .now = now, .wall = WALL};

	token_write(&c, &keys.key[0], token);
	snprintf(text, sizeof(text), "%s%s", uri, uri[strlen(uri) - 1] == '=' ? token : "");
	x.uri = slice_of(text);
	return visitors_admit(visitors, &access_conf, &x, &who);
}

static enum token_error admit(const char *client, const char *uri)
{
	return admit_at(client, PORT, uri, "/live.m3u8", WALL);
}

START_TEST(test_visitor_is_there_until_it_is_silent)
{
	note("10.9.0.2", PORT);
	note("10.9.0.2", PORT);
	note("10.9.0.2", PORT + 1);
	note("2001:db8::2", PORT);
	ck_assert_int_eq(visitors_count(visitors), 3);
	ck_assert_int_eq(there[PORT], 2);
	now += VISITORS_ACTIVE;
	note("10.9.0.2", PORT);
	ck_assert_int_eq(visitors_active(visitors, now), 1);
	now += IDLE - VISITORS_ACTIVE;
	visitors_expire(visitors, now);
	ck_assert_int_eq(visitors_count(visitors), 1);
	ck_assert_int_eq(there[PORT], 1);
	ck_assert_int_eq(there[PORT + 1], 0);
	now += IDLE;
	visitors_expire(visitors, now);
	ck_assert_int_eq(visitors_count(visitors), 0);
	ck_assert_int_eq(there[PORT], 0);
}
END_TEST

START_TEST(test_who_was_silent_for_longest_gives_way)
{
	char text[32];

	for (int i = 0; i < VISITORS_MAX; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.1", i / 256, i % 256);
		note(text, PORT);
	}
	note("10.0.0.1", PORT);
	note("10.255.0.1", PORT);
	ck_assert_int_eq(visitors_count(visitors), VISITORS_MAX);
	ck_assert_int_eq(there[PORT], VISITORS_MAX);
	note("10.0.0.1", PORT);
	ck_assert_int_eq(there[PORT], VISITORS_MAX);
	note("10.0.1.1", PORT); /* it was the one */
	ck_assert_int_eq(visitors_count(visitors), VISITORS_MAX);
}
END_TEST

START_TEST(test_port_that_is_gone_takes_its_visitors_along)
{
	note("10.9.0.2", PORT);
	note("10.9.0.3", PORT + 1);
	note("10.9.0.4", PORT);
	visitors_drop(visitors, PORT);
	ck_assert_int_eq(visitors_count(visitors), 1);
	note("10.9.0.2", PORT);
	ck_assert_int_eq(visitors_count(visitors), 2);
}
END_TEST

START_TEST(test_token_of_the_playlist_lets_in_to_what_it_names)
{
	ck_assert_int_eq(admit("10.9.0.2", "/seg/1.ts"), TOKEN_MISSING);
	ck_assert_int_eq(admit("10.9.0.2", "/live.m3u8?x=1&nc="), TOKEN_OK);
	ck_assert_str_eq(who->session, "0123456789abcdef");
	ck_assert_int_eq(admit("10.9.0.2", "/seg/1.ts"), TOKEN_OK);
	ck_assert_str_eq(who->session, "0123456789abcdef");
	/* Some players hand the query on. */
	ck_assert_int_eq(admit("10.9.0.2", "/seg/2.ts?nc="), TOKEN_OK);
	/* Neither another client nor another port. */
	ck_assert_int_eq(admit("10.9.0.3", "/seg/1.ts"), TOKEN_MISSING);
	ck_assert_int_eq(admit("10.9.0.3", "/seg/1.ts?nc="), TOKEN_OTHER_CHANNEL);
	ck_assert_int_eq(
		admit_at("10.9.0.2", PORT + 1, "/seg/1.ts", "/live.m3u8", WALL), TOKEN_MISSING);
	/* Nor what is no honest mistake. */
	ck_assert_int_eq(admit("10.9.0.2", "/seg/1.ts?nc=AAAA"), TOKEN_MALFORMED);
}
END_TEST

START_TEST(test_client_that_was_let_in_stays_while_it_asks)
{
	const char *uri = "/live.m3u8?nc=";

	ck_assert_int_eq(admit("10.9.0.2", uri), TOKEN_OK);
	for (int i = 0; i < 10; i++) {
		now += IDLE / 2;
		visitors_expire(visitors, now);
		ck_assert_int_eq(
			admit_at("10.9.0.2", PORT, uri, "/live.m3u8", WALL - 1000), TOKEN_OK);
	}
	now += IDLE;
	visitors_expire(visitors, now);
	ck_assert_int_eq(admit_at("10.9.0.2", PORT, uri, "/live.m3u8", WALL - 1000), TOKEN_EXPIRED);
	/* Being there is not being let in. */
	note("10.9.0.2", PORT);
	ck_assert_int_eq(admit("10.9.0.2", "/seg/1.ts"), TOKEN_MISSING);
}
END_TEST

START_TEST(test_modes_and_trust)
{
	access_conf.mode = ACCESS_OFF;
	ck_assert_int_eq(admit("10.9.0.2", "/a?nc=AAAA"), TOKEN_OK);
	access_conf.mode = ACCESS_OPTIONAL;
	ck_assert_int_eq(admit("10.9.0.2", "/a"), TOKEN_OK);
	ck_assert_int_eq(admit("10.9.0.2", "/a?nc=AAAA"), TOKEN_MALFORMED);
	access_conf.mode = ACCESS_REQUIRED;
	ck_assert_int_eq(prefix_parse(&access_conf.trusted[0], SLICE("10.2.0.0/24")), 0);
	access_conf.n_trusted = 1;
	ck_assert_int_eq(admit("10.2.0.8", "/a"), TOKEN_OK);
	ck_assert_int_eq(admit("10.2.1.8", "/a"), TOKEN_MISSING);
	ck_assert_int_eq(admit("10.2.1.8", "no path"), TOKEN_MALFORMED);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("visitors");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_visitor_is_there_until_it_is_silent);
	tcase_add_test(t, test_who_was_silent_for_longest_gives_way);
	tcase_add_test(t, test_port_that_is_gone_takes_its_visitors_along);
	tcase_add_test(t, test_token_of_the_playlist_lets_in_to_what_it_names);
	tcase_add_test(t, test_client_that_was_let_in_stays_while_it_asks);
	tcase_add_test(t, test_modes_and_trust);
	return run_case("visitors", t);
}
