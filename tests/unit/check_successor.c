/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who comes after a source: what is believed, and when, and what is kept until then. */
#include "sn-agent/successor.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define HEARD (5 * NS_S) /* the present source, last */
#define LATER (HEARD + SUCCESSOR_SILENCE)

static struct ring *present;
static struct successor s;
static int64_t newest; /* of the present source */

static void setup(void)
{
	present = ring_new(10 * NS_S, (size_t)1 << 20);
	ck_assert_int_eq(ring_put(present, 100, "x", 1, HEARD, &newest), RING_NEW);
	s = (struct successor){0};
}

static void teardown(void)
{
	successor_forget(&s);
	ring_free(present);
}

static bool put(uint32_t ssrc, uint16_t seq, bool expected, ns_t now)
{
	const struct rtp rtp = {.ssrc = ssrc, .seq = seq};

	return successor_put(
		&s, present, &rtp, (const uint8_t *)&seq, sizeof(seq), HEARD, expected, now);
}

START_TEST(test_two_packets_are_believed_when_the_present_source_is_silent)
{
	struct iovec v;

	ck_assert(!put(7, 5000, false, LATER));
	ck_assert(put(7, 5001, false, LATER));
	ck_assert_uint_eq(s.ssrc, 7);
	ck_assert_int_eq(ring_count(s.ring), 2);
	ck_assert_int_gt(ring_oldest(s.ring), newest);
	ck_assert_uint_eq((uint16_t)ring_oldest(s.ring), 5000);
	ck_assert(ring_get(s.ring, ring_oldest(s.ring), &v));
	ck_assert_uint_eq(*(uint16_t *)v.iov_base, 5000);
}
END_TEST

START_TEST(test_no_number_is_believed_while_the_present_source_is_heard)
{
	for (uint16_t i = 0; i < 100; i++)
		ck_assert(!put(7, i, false, LATER - 1));
	/* All of it is there when it is. */
	ck_assert(put(7, 100, false, LATER));
	ck_assert_int_eq(ring_count(s.ring), 101);
}
END_TEST

START_TEST(test_one_packet_twice_is_one)
{
	ck_assert(!put(7, 5000, false, LATER));
	ck_assert(!put(7, 5000, false, LATER));
}
END_TEST

START_TEST(test_packets_that_do_not_go_with_each_other_are_not_believed)
{
	for (uint32_t i = 0; i < 20; i++) {
		ck_assert(!put(i, 5000, false, LATER));
		ck_assert(!put(i, (uint16_t)(5001 + RING_JUMP), false, LATER));
		ck_assert_int_eq(ring_count(s.ring), 1);
	}
}
END_TEST

START_TEST(test_who_is_forgotten_begins_from_nothing)
{
	ck_assert(!put(7, 5000, false, LATER));
	successor_forget(&s);
	ck_assert(!put(7, 5001, false, LATER));
	ck_assert(put(7, 5002, false, LATER));
	ck_assert_int_eq(ring_count(s.ring), 2);
}
END_TEST

START_TEST(test_who_is_expected_is_believed_at_once)
{
	ck_assert(put(7, 5000, true, HEARD));
	ck_assert_int_eq(ring_count(s.ring), 1);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("successor");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_two_packets_are_believed_when_the_present_source_is_silent);
	tcase_add_test(t, test_no_number_is_believed_while_the_present_source_is_heard);
	tcase_add_test(t, test_one_packet_twice_is_one);
	tcase_add_test(t, test_packets_that_do_not_go_with_each_other_are_not_believed);
	tcase_add_test(t, test_who_is_forgotten_begins_from_nothing);
	tcase_add_test(t, test_who_is_expected_is_believed_at_once);
	return run_case("successor", t);
}
