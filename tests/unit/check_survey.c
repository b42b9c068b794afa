/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows H2 and H8 on the wire: what is encoded is decoded to the same, and nothing else is taken. */
#include "lib/survey.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static uint8_t buf[2 * WIRE_MAX];
static const char *why;

static struct survey_ask question(void)
{
	struct survey_ask a = {.id = UINT64_MAX, .from = "arn1", .neighbours = true, .skip = 300};

	a.to = literal("10.7.4.12:7702");
	return a;
}

static struct survey_answer answer(void)
{
	struct survey_answer a = {
		.id = 1, .to = "arn1", .held = 12345, .total = 40, .neighbours = 2};

	a.said = (struct announce){.role = ROLE_SN,
		.id = "sn942",
		.addr = literal("10.7.4.12"),
		.rtsp_port = 554,
		.healthy = true,
		.sessions = 3,
		.max_sessions = 4,
		.weight = 100,
		.interval_ms = 200,
		.place = "paris.france"};
	a.neighbour[0] = (struct survey_neighbour){"sn944", literal("10.7.4.14:7702")};
	a.neighbour[1] = (struct survey_neighbour){"sn6", literal("[2001:db8::6]:9")};
	return a;
}

START_TEST(test_question_is_read_as_it_was_written)
{
	struct survey_ask a = question(), b;

	for (int i = 0; i < 4; i++) {
		int n;

		a.to = literal(i % 2 ? "10.7.4.12:7702" : "[2001:db8::1]:1");
		a.neighbours = i / 2;
		a.skip = (uint16_t)(i * 300);
		n = survey_ask_encode(&a, buf, sizeof(buf));
		ck_assert_int_gt(n, 0);
		ck_assert_int_eq(survey_ask_decode(&b, buf, (size_t)n, &why), 0);
		ck_assert_uint_eq(b.id, a.id);
		ck_assert_str_eq(b.from, a.from);
		ck_assert_int_eq(addr_cmp(&b.to, &a.to), 0);
		ck_assert_int_eq(b.neighbours, a.neighbours);
		ck_assert_uint_eq(b.skip, a.skip);
		for (int k = 0; k < n; k++) {
			ck_assert_int_eq(survey_ask_decode(&b, buf, (size_t)k, &why), -EINVAL);
			ck_assert_int_eq(
				survey_ask_encode(&a, buf + WIRE_MAX, (size_t)k), -EMSGSIZE);
		}
	}
}
END_TEST

START_TEST(test_answer_is_read_as_it_was_written)
{
	struct survey_answer a = answer(), b;
	int n = survey_answer_encode(&a, buf, sizeof(buf));

	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(survey_answer_decode(&b, buf, (size_t)n, &why), 0);
	ck_assert_uint_eq(b.id, 1);
	ck_assert_str_eq(b.to, "arn1");
	ck_assert_int_eq(b.held, 12345);
	ck_assert_str_eq(b.said.id, "sn942");
	ck_assert_str_eq(b.said.place, "paris.france");
	ck_assert_uint_eq(b.said.max_sessions, 4);
	ck_assert_uint_eq(b.total, 40);
	ck_assert_int_eq(b.neighbours, 2);
	ck_assert_str_eq(b.neighbour[1].id, "sn6");
	ck_assert_int_eq(addr_cmp(&b.neighbour[0].control, &a.neighbour[0].control), 0);
	ck_assert_int_eq(addr_cmp(&b.neighbour[1].control, &a.neighbour[1].control), 0);
	for (int k = 0; k < n; k++) {
		ck_assert_int_eq(survey_answer_decode(&b, buf, (size_t)k, &why), -EINVAL);
		ck_assert_int_eq(survey_answer_encode(&a, buf + WIRE_MAX, (size_t)k), -EMSGSIZE);
	}
	a.held = 0; /* it is there, though it is 0 */
	a.total = 0;
	a.neighbours = 0;
	n = survey_answer_encode(&a, buf, sizeof(buf));
	ck_assert_int_eq(survey_answer_decode(&b, buf, (size_t)n, &why), 0);
	ck_assert_int_eq(b.held + b.total + b.neighbours, 0);
}
END_TEST

/* Row C5: who can make a node answer to somebody else (a recording that it has not heard, with another
 * source address) gets three times what he sends, whatever the question is. */
START_TEST(test_answer_is_no_longer_than_three_questions)
{
	struct survey_ask a = question();
	int n;

	for (size_t len = 0; len <= 4 * WIRE_MAX; len++)
		ck_assert(survey_answer_max(len) == 0 ||
			  survey_answer_max(len) + WIRE_OVERHEAD <= SURVEY_FACTOR * len);
	ck_assert_uint_eq(survey_answer_max(0), 0);
	ck_assert_uint_eq(survey_answer_max(SURVEY_LEN), WIRE_MAX - WIRE_OVERHEAD);
	ck_assert_uint_eq(survey_answer_max(SIZE_MAX), WIRE_MAX - WIRE_OVERHEAD);
	/* And questions are long enough for the longest answer, but not by much. */
	for (int i = 0; i < 2; i++) {
		n = survey_ask_encode(&a, buf, sizeof(buf));
		ck_assert_uint_eq(
			survey_answer_max((size_t)n + WIRE_OVERHEAD), WIRE_MAX - WIRE_OVERHEAD);
		ck_assert_int_le(n + WIRE_OVERHEAD, SURVEY_LEN + 2);
		a = (struct survey_ask){.id = 1, .from = "a", .to = a.to};
	}
}
END_TEST

/* The most of everything but channels; those are left out as far as they do not fit. */
START_TEST(test_answer_without_channels_fits_into_a_datagram)
{
	struct survey_answer a = answer();
	struct announce *s = &a.said;

	a.id = UINT64_MAX;
	a.held = SURVEY_MAX_HELD;
	a.total = UINT16_MAX;
	a.neighbours = 8;
	memset(a.to, 'a', sizeof(a.to) - 1);
	memset(s->id, 'a', sizeof(s->id) - 1);
	memset(s->place, 'a', 63);
	s->addr = literal("2001:db8::6");
	s->http_port = s->control_port = s->weight = UINT16_MAX;
	s->max_sessions = s->attached = s->delay_us = s->sessions = UINT32_MAX;
	s->kbps = s->max_kbps = ANNOUNCE_MAX_KBPS;
	s->interval_ms = ANNOUNCE_MAX_INTERVAL;
	s->generation = UINT64_MAX;
	for (s->refused = 0; s->refused < ANNOUNCE_REFUSED; s->refused++)
		s->refuses[s->refused] = s->refused;
	for (int i = 0; i < a.neighbours; i++) {
		a.neighbour[i].control = literal("[2001:db8::1]:8554");
		memset(a.neighbour[i].id, 'a', ANNOUNCE_ID_LEN - 1);
	}
	ck_assert_int_gt(survey_answer_encode(&a, buf, WIRE_MAX - WIRE_OVERHEAD), 0);
}
END_TEST

START_TEST(test_value_out_of_its_range_is_not_written)
{
	struct survey_answer r;
	struct survey_ask a;

#define WRONG_ASK(change)                                                                          \
	a = question();                                                                            \
	change;                                                                                    \
	ck_assert_int_eq(survey_ask_encode(&a, buf, sizeof(buf)), -EINVAL)
#define WRONG(change)                                                                              \
	r = answer();                                                                              \
	change;                                                                                    \
	ck_assert_int_eq(survey_answer_encode(&r, buf, sizeof(buf)), -EINVAL)
	WRONG_ASK(a.id = 0);
	WRONG_ASK(*a.from = '\0');
	WRONG_ASK(addr_set_port(&a.to, 0));
	WRONG_ASK(a.to = literal("239.1.1.1:7702"));
	WRONG_ASK(a.to = literal("0.0.0.0:7702"));
	WRONG(r.id = 0);
	WRONG(strcpy(r.to, "a b"));
	WRONG(r.held = -1);
	WRONG(r.held = SURVEY_MAX_HELD + 1);
	WRONG(r.said.role = ROLE_ARN);
	WRONG(r.said.interval_ms = 0);
	WRONG(r.total = 1);
	WRONG(r.neighbours = -1);
	WRONG(r.neighbours = SURVEY_NEIGHBOURS + 1);
	WRONG(*r.neighbour[1].id = '\0');
	WRONG(addr_set_port(&r.neighbour[0].control, 0));
	WRONG(r.neighbour[0].control = literal("[ff02::1]:7702"));
}
END_TEST

/* Of as many neighbours as there may be, and of one more: it would have no place. */
START_TEST(test_seventeen_neighbours_are_refused)
{
	enum { EACH = 7 + 4, LIST = SURVEY_NEIGHBOURS * EACH };
	static struct survey_answer r;
	int n;

	r = answer();
	r.said.channels = 0;
	r.total = r.neighbours = SURVEY_NEIGHBOURS;
	for (int i = 0; i < SURVEY_NEIGHBOURS; i++) {
		r.neighbour[i].control = literal("10.7.4.12:7702");
		snprintf(r.neighbour[i].id, sizeof(r.neighbour[i].id), "n%02d", i);
	}
	n = survey_answer_encode(&r, buf, sizeof(buf) - EACH);
	ck_assert_int_gt(n, LIST);
	ck_assert_int_eq(survey_answer_decode(&r, buf, (size_t)n, &why), 0);
	ck_assert_int_eq(r.neighbours, SURVEY_NEIGHBOURS);
	ck_assert_str_eq(r.neighbour[15].id, "n15");
	ck_assert_int_eq(buf[n - LIST - 1], 2 * SURVEY_NEIGHBOURS); /* items */
	buf[n - LIST - 1] += 2;
	memcpy(buf + n, buf + n - EACH, EACH);
	ck_assert_int_eq(survey_answer_decode(&r, buf, (size_t)n + EACH, &why), -EINVAL);
	ck_assert_str_eq(why, "neighbours");
}
END_TEST

#define ID   "01 01 "
#define FROM "02 61 61 "
#define TO   "03 46 0a070412 1e16 "
#define HELD "03 00 "
#define SAID "04 4f a4 0101 026161 03440a070412 0d18c8 "

static const struct {
	bool ask;
	const char *hex, *why; /* NULL: nothing is wrong */
} of[] = {
	{true, "a3" ID FROM TO, NULL},
	{true, "a4" ID FROM TO "1818 83 00 61 61 f6", NULL}, /* a newer one */
	{true, "a2" FROM TO, "id"},
	{true, "a3 01 00" FROM TO, "id"},
	{true, "a2" ID TO, "from"},
	{true, "a2" ID FROM, "to"},
	{true, "a3" ID FROM "03 44 0a070412", "to"},
	{true, "a3" ID FROM "03 46 0a070412 0000", "to"},
	{true, "a3" ID FROM "03 46 ef010101 1e16", "to"},
	{true, "a3" ID FROM "03 00", "to"},
	{true, "a4" ID FROM TO "04 01", "neighbours"},
	{true, "a4" ID FROM TO "05 1a 00010000", "skip"},
	{true, "a4" ID FROM TO "05 f5", "skip"},
	{true, "a4" ID FROM TO ID, "twice"},
	{true, "a3" ID FROM TO "00", "after"},
	{false, "a4" ID FROM HELD SAID, NULL},
	{false, "a5" ID FROM HELD SAID "05 01", NULL},
	{false, "a6" ID FROM HELD SAID "05 01 06 82 46 0a070412 1e16 61 62", NULL},
	{false, "a3" FROM HELD SAID, "id"},
	{false, "a3" ID HELD SAID, "to"},
	{false, "a3" ID FROM SAID, "held"},
	{false, "a4" ID FROM "03 1b 0000000df8475801" SAID, "held"},
	{false, "a4" ID FROM "03 20" SAID, "held"},
	{false, "a3" ID FROM HELD, "said"},
	{false, "a4" ID FROM HELD "04 40", "map"},
	{false, "a4" ID FROM HELD "04 60", "said"},
	{false, "a4" ID FROM HELD "04 4f a4 0102 026161 03440a070412 0d18c8", "role"},
	{false, "a4" ID FROM HELD "04 4c a3 0101 026161 03440a070412", "interval"},
	{false, "a4" ID FROM HELD "04 4d a3 0101 026161 03440a070412 00", "after"},
	{false, "a5" ID FROM HELD SAID "06 82 46 0a070412 1e16 61 62", "neighbours"}, /* of 0 */
	{false, "a6" ID FROM HELD SAID "05 01 06 81 46 0a070412 1e16", "neighbours"},
	{false, "a6" ID FROM HELD SAID "05 01 06 82 46 0a070412 0000 61 62", "neighbours"},
	{false, "a6" ID FROM HELD SAID "05 01 06 82 46 0a070412 1e16 60", "neighbours"},
	{false, "a6" ID FROM HELD SAID "05 01 06 82 46 0a070412 1e16 41 62", "neighbours"},
	{false, "a6" ID FROM HELD SAID "05 01 06 82 61 62 46 0a070412 1e16", "neighbours"},
	{false, "a6" ID FROM HELD SAID "05 01 06 9b ffffffffffffffff", "neighbours"},
	{false, "a6" ID FROM HELD SAID "05 01 06 98 22", "neighbours"}, /* 17 */
	{false, "a6" ID FROM HELD SAID "05 01 06 40", "neighbours"},
	{false, "a5" ID FROM HELD SAID "05 1a 00010000", "total"},
};

START_TEST(test_what_is_wrong_is_refused_and_the_field_is_named)
{
	static struct survey_answer r;
	struct survey_ask a;
	uint8_t *copy;
	size_t n = 0;
	int rc;

	for (const char *h = of[_i].hex; *h; h++) {
		unsigned byte;

		if (*h == ' ')
			continue;
		ck_assert_int_eq(sscanf(h++, "%2x", &byte), 1);
		buf[n++] = (uint8_t)byte;
	}
	copy = malloc(n); /* of exactly its size */
	memcpy(copy, buf, n);
	rc = of[_i].ask ? survey_ask_decode(&a, copy, n, &why)
	                : survey_answer_decode(&r, copy, n, &why);
	free(copy);
	ck_assert_msg(rc == (of[_i].why ? -EINVAL : 0), "%s: %s", of[_i].hex, why);
	ck_assert_msg(!rc || strstr(why, of[_i].why), "%s: '%s'", of[_i].hex, why);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("survey");

	tcase_add_test(t, test_question_is_read_as_it_was_written);
	tcase_add_test(t, test_answer_is_read_as_it_was_written);
	tcase_add_test(t, test_answer_is_no_longer_than_three_questions);
	tcase_add_test(t, test_answer_without_channels_fits_into_a_datagram);
	tcase_add_test(t, test_value_out_of_its_range_is_not_written);
	tcase_add_test(t, test_seventeen_neighbours_are_refused);
	tcase_add_loop_test(t, test_what_is_wrong_is_refused_and_the_field_is_named, 0,
		sizeof(of) / sizeof(of[0]));
	return run_case("survey", t);
}
