/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transport stream packets: the clock, where a decoder may begin, which stream has the clock. */
#include "sn-agent/ts.h"

#include <check.h>

#include "tests/unit/film_fixture.h"
#include "tests/unit/run.h"

START_TEST(test_a_clock_is_read_with_its_extension)
{
	uint8_t p[TS_PACKET] = {0};
	struct ts t;

	fix_video(p, (int64_t)0x1ffffffff * 300 + 299, true, true);
	ck_assert_int_eq(ts_parse(&t, p), 0);
	ck_assert_int_eq(t.pcr, TS_WRAP - 1);
	ck_assert_uint_eq(t.pid, FIX_VIDEO_PID);
	ck_assert(t.random_access && t.discontinuity && t.start);
	ck_assert_uint_eq(t.len, TS_PACKET - 12);
	fix_video(p, 0, false, false);
	ck_assert_int_eq(ts_parse(&t, p), 0);
	ck_assert_int_eq(t.pcr, 0);
	ck_assert(!t.random_access && !t.discontinuity && !t.start);
}
END_TEST

START_TEST(test_what_is_no_packet_or_damaged_is_refused)
{
	uint8_t p[TS_PACKET] = {0};
	struct ts t;

	ck_assert_int_lt(ts_parse(&t, p), 0);
	fix_video(p, -1, false, false);
	ck_assert_int_eq(ts_parse(&t, p), 0);
	ck_assert_int_eq(t.pcr, -1);
	p[1] |= 0x80;
	ck_assert_int_lt(ts_parse(&t, p), 0);
}
END_TEST

START_TEST(test_an_adaptation_field_ends_within_its_packet)
{
	uint8_t p[TS_PACKET] = {0};
	struct ts t;

	fix_video(p, 5, false, false);
	p[4] = 183; /* the packet is full of it */
	ck_assert_int_eq(ts_parse(&t, p), 0);
	ck_assert_uint_eq(t.len, 0);
	p[4] = 184;
	ck_assert_int_lt(ts_parse(&t, p), 0);
	p[4] = 6; /* too short for the clock that its flags promise */
	ck_assert_int_lt(ts_parse(&t, p), 0);
	p[4] = 0;
	ck_assert_int_eq(ts_parse(&t, p), 0);
	ck_assert_int_eq(t.pcr, -1);
}
END_TEST

static bool see(struct ts_program *g, const uint8_t *p)
{
	struct ts t;

	ck_assert_int_eq(ts_parse(&t, p), 0);
	return ts_program_see(g, &t);
}

START_TEST(test_the_tables_tell_the_clock_and_the_video)
{
	uint8_t pat[TS_PACKET], pmt[TS_PACKET];
	struct ts_program g;

	fix_pat(pat);
	fix_pmt(pmt);
	ts_program_init(&g);
	ck_assert(!see(&g, pmt)); /* nobody has named it */
	ck_assert(!see(&g, pat));
	ck_assert_uint_eq(g.pmt, FIX_PMT_PID);
	ck_assert(see(&g, pmt));
	ck_assert_uint_eq(g.pcr, FIX_VIDEO_PID);
	ck_assert_uint_eq(g.video, FIX_VIDEO_PID);
}
END_TEST

START_TEST(test_tables_that_lie_about_their_length_are_not_read_beyond_the_packet)
{
	uint8_t pat[TS_PACKET], pmt[TS_PACKET];
	struct ts_program g;

	fix_pat(pat);
	ts_program_init(&g);
	pat[4] = 182; /* the section would begin behind the packet */
	ck_assert(!see(&g, pat));
	ck_assert_uint_eq(g.pmt, TS_NO_PID);
	fix_pat(pat);
	pat[7] = 3; /* the section has no room for a program */
	ck_assert(!see(&g, pat));
	ck_assert_uint_eq(g.pmt, TS_NO_PID);
	fix_pat(pat);
	see(&g, pat);
	fix_pmt(pmt);
	pmt[5 + 10] = 0xff; /* descriptors of 4095 bytes */
	pmt[5 + 11] = 0xff;
	ck_assert(see(&g, pmt));
	ck_assert_uint_eq(g.pcr, FIX_VIDEO_PID);
	ck_assert_uint_eq(g.video, TS_NO_PID);
}
END_TEST

START_TEST(test_time_goes_on_around_the_wrap)
{
	ck_assert_int_eq(ts_since(TS_WRAP - 5, 7), 12);
	ck_assert_int_eq(ts_since(7, TS_WRAP - 5), -12);
	ck_assert_int_eq(ts_since(100, 250), 150);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("ts");

	tcase_add_test(t, test_a_clock_is_read_with_its_extension);
	tcase_add_test(t, test_what_is_no_packet_or_damaged_is_refused);
	tcase_add_test(t, test_an_adaptation_field_ends_within_its_packet);
	tcase_add_test(t, test_the_tables_tell_the_clock_and_the_video);
	tcase_add_test(t, test_tables_that_lie_about_their_length_are_not_read_beyond_the_packet);
	tcase_add_test(t, test_time_goes_on_around_the_wrap);
	return run_case("ts", t);
}
