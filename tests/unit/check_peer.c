/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ARNs say on their connections. Row C5: nobody without a key can greet, nor play it again. */
#include "arn/peer.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define WALL 1700000000000000000ll

static const struct wire_keys keys = {{{1, "of this lan"}}, 1}, others = {{{1, "of another"}}, 1};
static const struct peer_greeting greeting = {
	.id = "arn1", .to = "arn2", .nonce = "0123456789abcde"};
static struct wire_sender sender;
static struct wire_receiver *receiver;
static uint8_t frame[PEER_FRAME_MAX];
static struct peer_greeting got;
static const char *why;

static void setup(void)
{
	wire_sender_init(&sender, &keys, "arn1", WALL);
	receiver = wire_receiver_new(&keys, NS_S, 4);
	wire_receiver_take(receiver, WIRE_BIT(WIRE_HELLO));
}

static void teardown(void)
{
	wire_receiver_free(receiver);
}

/* Opens a copy in a block of exactly its size. */
static int open_copy(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	int rc;

	memcpy(copy, p, n);
	rc = peer_open(receiver, copy, n, WALL, &got, &why);
	free(copy);
	ck_assert_int_eq(rc < 0, why != NULL);
	return rc;
}

static void expect_refused(int n, const char *reason)
{
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(open_copy(frame, (size_t)n), -EINVAL);
	ck_assert_str_eq(why, reason);
}

START_TEST(test_greeting_is_opened_when_its_last_byte_is_there)
{
	int n = peer_seal(&sender, WIRE_HELLO, &greeting, WALL, frame);

	ck_assert_int_gt(n, 0);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(open_copy(frame, (size_t)i), 0);
	frame[n] = 0xff; /* of whatever follows */
	ck_assert_int_eq(open_copy(frame, (size_t)n + 1), n);
	ck_assert_str_eq(got.id, "arn1");
	ck_assert_str_eq(got.to, "arn2");
	ck_assert_mem_eq(got.nonce, greeting.nonce, PEER_NONCE);
}
END_TEST

START_TEST(test_recording_of_a_greeting_is_refused)
{
	int n = peer_seal(&sender, WIRE_HELLO, &greeting, WALL, frame);

	ck_assert_int_eq(open_copy(frame, (size_t)n), n);
	expect_refused(n, "replayed");
}
END_TEST

START_TEST(test_greeting_of_another_key_name_or_kind_is_refused)
{
	struct peer_greeting of_another = greeting;
	struct wire_sender stranger;

	wire_sender_init(&stranger, &others, "arn1", WALL);
	expect_refused(peer_seal(&stranger, WIRE_HELLO, &greeting, WALL, frame), "forged");
	strcpy(of_another.id, "arn3");
	expect_refused(
		peer_seal(&sender, WIRE_HELLO, &of_another, WALL, frame), "sealed by another node");
	expect_refused(peer_seal(&sender, WIRE_WELCOME, &greeting, WALL, frame), "unknown type");
	expect_refused(peer_seal(&sender, WIRE_HELLO, &greeting, WALL - 2 * NS_S, frame), "stale");
}
END_TEST

START_TEST(test_length_of_more_than_a_greeting_can_have_is_refused_before_it_comes)
{
	static const uint8_t head[] = {WIRE_MAX >> 8, WIRE_MAX & 0xff}, more[] = {0xff, 0xff};

	ck_assert_int_eq(open_copy(head, 2), 0);
	ck_assert_int_eq(open_copy(more, 2), -EINVAL);
	ck_assert_str_eq(why, "too long");
}
END_TEST

/* Payloads that are sealed rightly, and wrong. */
static const struct {
	const char *bytes;
	size_t n;
	const char *why;
} wrong[] = {
	{"\xa0", 1, "a key is missing"},
	{"\xa2\x01\x64"
	 "arn1\x02\x64"
	 "arn2",
		13, "a key is missing"},
	{"\xa1\x01\x60", 3, "id"},
	{"\xa1\x01\x64"
	 "ar/1",
		7, "id"},
	{"\xa1\x02\x07", 3, "to"},
	{"\xa1\x03\x41"
	 "n",
		4, "nonce"},
};

START_TEST(test_wrong_payload_is_refused_and_named)
{
	int n = wire_seal(&sender, WIRE_HELLO, wrong[_i].bytes, wrong[_i].n, WALL, frame + 2);

	frame[0] = (uint8_t)(n >> 8);
	frame[1] = (uint8_t)n;
	expect_refused(2 + n, wrong[_i].why);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("peer");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_greeting_is_opened_when_its_last_byte_is_there);
	tcase_add_test(t, test_recording_of_a_greeting_is_refused);
	tcase_add_test(t, test_greeting_of_another_key_name_or_kind_is_refused);
	tcase_add_test(t, test_length_of_more_than_a_greeting_can_have_is_refused_before_it_comes);
	tcase_add_loop_test(t, test_wrong_payload_is_refused_and_named, 0,
		(int)(sizeof(wrong) / sizeof(wrong[0])));
	return run_case("peer", t);
}
