/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RTP and RTCP: lengths that lie, and NACKs both ways. */
#include "lib/rtp.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

static uint8_t *block;

/* A copy in a block of exactly its size. */
static const uint8_t *exactly(const void *p, size_t n)
{
	free(block);
	block = malloc(n ? n : 1);
	return memcpy(block, p, n);
}

static void teardown(void)
{
	free(block);
	block = NULL;
}

/* 12 bytes of header, 2 CSRCs, an extension of one word, 3 bytes of payload, 2 of padding. */
static const uint8_t full[] = {0xb2, 0xe1, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 0xc1, 0, 0, 0, 0xc2,
	0, 0, 0, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 'a', 'b', 'c', 0, 2};

START_TEST(test_payload_is_what_is_between_header_and_padding)
{
	struct rtp r;

	ck_assert_int_eq(rtp_parse(&r, exactly(full, sizeof(full)), sizeof(full)), 0);
	ck_assert(r.marker);
	ck_assert_uint_eq(r.pt, 0x61);
	ck_assert_uint_eq(r.seq, 0x1234);
	ck_assert_uint_eq(r.ts, 0x01020304);
	ck_assert_uint_eq(r.ssrc, 0x05060708);
	ck_assert_uint_eq(r.payload_len, 3);
	ck_assert_mem_eq(r.payload, "abc", 3);
}
END_TEST

START_TEST(test_plain_packet_may_be_empty)
{
	static const uint8_t plain[] = {0x80, 33, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
	struct rtp r;

	ck_assert_int_eq(rtp_parse(&r, exactly(plain, 12), 12), 0);
	ck_assert(!r.marker);
	ck_assert_uint_eq(r.pt, 33);
	ck_assert_uint_eq(r.payload_len, 0);
}
END_TEST

/* Cut anywhere in header, CSRCs and extension it is refused; later the padding decides: its last
 * byte is then one of "abc", far more than there is. */
START_TEST(test_truncated_packet_is_refused)
{
	struct rtp r;

	for (size_t n = 0; n < sizeof(full) - 2; n++)
		ck_assert_int_eq(rtp_parse(&r, exactly(full, n), n), -EINVAL);
}
END_TEST

START_TEST(test_padding_at_and_past_the_payload)
{
	uint8_t p[16] = {0xa0, 96};
	struct rtp r;

	p[15] = 4;
	ck_assert_int_eq(rtp_parse(&r, p, 16), 0);
	ck_assert_uint_eq(r.payload_len, 0);
	p[15] = 5;
	ck_assert_int_eq(rtp_parse(&r, p, 16), -EINVAL);
	p[15] = 0;
	ck_assert_int_eq(rtp_parse(&r, p, 16), -EINVAL);
	ck_assert_int_eq(rtp_parse(&r, p, 12), -EINVAL);
}
END_TEST

START_TEST(test_other_versions_are_refused)
{
	uint8_t p[12] = {0};
	struct rtp r;

	for (unsigned version = 0; version < 4; version++) {
		p[0] = (uint8_t)(version << 6);
		ck_assert_int_eq(rtp_parse(&r, p, 12), version == 2 ? 0 : -EINVAL);
	}
}
END_TEST

START_TEST(test_rtcp_is_told_from_rtp_on_one_port)
{
	uint8_t p[2] = {0x80, 0};

	for (unsigned type = 0; type < 256; type++) {
		p[1] = (uint8_t)type;
		ck_assert_int_eq(rtp_is_rtcp(p, 2), type >= 192 && type <= 223);
	}
	p[1] = 200;
	ck_assert(!rtp_is_rtcp(p, 1));
	p[0] = 0x40;
	ck_assert(!rtp_is_rtcp(p, 2));
}
END_TEST

START_TEST(test_extended_numbers_are_the_nearest)
{
	ck_assert_int_eq(rtp_seq_extend(65535, 0), 65536);
	ck_assert_int_eq(rtp_seq_extend(65536, 65535), 65535);
	ck_assert_int_eq(rtp_seq_extend(0, 65535), -1);
	ck_assert_int_eq(rtp_seq_extend(100000, 34464), 100000);
	ck_assert_int_eq(rtp_seq_extend(0, 32767), 32767);
	ck_assert_int_eq(rtp_seq_extend(0, 32768), -32768);
	ck_assert_int_eq(rtp_ts_extend(0xffffffffll, 0), 0x100000000ll);
	ck_assert_int_eq(rtp_ts_extend(0x100000000ll, 0xffffffff), 0xffffffffll);
	for (int64_t ref = -70000; ref < 140000; ref += 777)
		for (int64_t d = -32768; d < 32768; d += 1111)
			ck_assert_int_eq(rtp_seq_extend(ref, (uint16_t)(ref + d)), ref + d);
}
END_TEST

/* A compound as ffmpeg and GStreamer send it: SR, SDES, BYE. */
static const uint8_t compound[] = {0x80, 200, 0, 6, 1, 2, 3, 4, 0xe0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0,
	9, 0, 0, 0, 10, 0, 0, 0, 11, 0x81, 202, 0, 2, 1, 2, 3, 4, 1, 1, 'x', 0, 0x81, 203, 0, 1, 1,
	2, 3, 4};

static int walk(const uint8_t *p, size_t n, int *packets)
{
	struct rtcp r;
	size_t at = 0;
	int rc;

	*packets = 0;
	while ((rc = rtcp_next(&r, p, n, &at)) == 1)
		++*packets;
	return rc;
}

START_TEST(test_compound_is_walked_to_its_end)
{
	const uint8_t *p = exactly(compound, sizeof(compound));
	struct rtcp r;
	struct rtcp_sr sr;
	size_t at = 0;

	ck_assert_int_eq(rtcp_next(&r, p, sizeof(compound), &at), 1);
	ck_assert_uint_eq(r.type, RTCP_SR);
	ck_assert_uint_eq(r.count, 0);
	ck_assert_uint_eq(r.ssrc, 0x01020304);
	ck_assert_uint_eq(r.len, 24);
	ck_assert_int_eq(rtcp_sr_parse(&sr, &r), 0);
	ck_assert_uint_eq(sr.ntp, 0xe001020304050607ull);
	ck_assert_uint_eq(sr.rtp_ts, 9);
	ck_assert_uint_eq(sr.packets, 10);
	ck_assert_uint_eq(sr.octets, 11);
	ck_assert_int_eq(rtcp_next(&r, p, sizeof(compound), &at), 1);
	ck_assert_uint_eq(r.type, RTCP_SDES);
	ck_assert_int_eq(rtcp_sr_parse(&sr, &r), -EINVAL);
	ck_assert_int_eq(rtcp_next(&r, p, sizeof(compound), &at), 1);
	ck_assert_uint_eq(r.type, RTCP_BYE);
	ck_assert_uint_eq(r.ssrc, 0x01020304);
	ck_assert_int_eq(rtcp_next(&r, p, sizeof(compound), &at), 0);
	ck_assert_int_eq(rtcp_next(&r, p, sizeof(compound), &at), 0);
}
END_TEST

START_TEST(test_sender_information_is_of_a_whole_sender_report)
{
	static const uint8_t body[28] = {0};
	struct rtcp r = {.type = RTCP_RR, .body = body, .len = 28};
	struct rtcp_sr sr;

	ck_assert_int_eq(rtcp_sr_parse(&sr, &r), -EINVAL);
	r.type = RTCP_SR;
	ck_assert_int_eq(rtcp_sr_parse(&sr, &r), 0);
	r.len = 23;
	ck_assert_int_eq(rtcp_sr_parse(&sr, &r), -EINVAL);
}
END_TEST

START_TEST(test_compound_cut_inside_a_packet_is_refused)
{
	int packets;

	for (size_t n = 0; n <= sizeof(compound); n++) {
		bool whole = n == 0 || n == 28 || n == 40 || n == 48;

		ck_assert_int_eq(walk(exactly(compound, n), n, &packets), whole ? 0 : -EINVAL);
	}
}
END_TEST

START_TEST(test_length_that_passes_the_datagram_is_refused)
{
	uint8_t p[8] = {0x80, 201, 0, 1};
	int packets;

	ck_assert_int_eq(walk(exactly(p, 8), 8, &packets), 0);
	ck_assert_int_eq(packets, 1);
	p[3] = 2;
	ck_assert_int_eq(walk(exactly(p, 8), 8, &packets), -EINVAL);
	p[2] = p[3] = 0xff;
	ck_assert_int_eq(walk(exactly(p, 8), 8, &packets), -EINVAL);
}
END_TEST

/* type, count → bytes of body at least. */
static const struct {
	uint8_t type, count, least;
} bodies[] = {
	{RTCP_SR, 0, 24},
	{RTCP_SR, 2, 72},
	{RTCP_RR, 0, 4},
	{RTCP_RR, 1, 28},
	{RTCP_SDES, 0, 0},
	{RTCP_SDES, 1, 4},
	{RTCP_BYE, 0, 0},
	{RTCP_BYE, 3, 12},
	{RTCP_APP, 31, 8},
	{RTCP_RTPFB, 1, 8},
	{RTCP_PSFB, 1, 8},
	{207, 5, 0},
};

START_TEST(test_packet_shorter_than_its_count_says_is_refused)
{
	uint8_t p[4 + 72] = {0x80};
	struct rtcp r;

	p[0] |= bodies[_i].count;
	p[1] = bodies[_i].type;
	for (uint8_t words = 0; words <= 18; words++) {
		size_t n = 4 + 4 * (size_t)words, at = 0;
		bool enough = n - 4 >= bodies[_i].least;

		p[3] = words;
		ck_assert_int_eq(rtcp_next(&r, exactly(p, n), n, &at), enough ? 1 : -EINVAL);
		ck_assert_uint_eq(at, enough ? n : 0);
	}
}
END_TEST

START_TEST(test_padding_of_rtcp)
{
	uint8_t p[12] = {0xa0, 201, 0, 2, 1, 2, 3, 4, 0, 0, 0, 4};
	struct rtcp r;
	size_t at = 0;

	ck_assert_int_eq(rtcp_next(&r, p, 12, &at), 1);
	ck_assert_uint_eq(r.len, 4);
	for (unsigned pad = 0; pad < 256; pad++) {
		at = 0;
		p[11] = (uint8_t)pad;
		ck_assert_int_eq(rtcp_next(&r, p, 12, &at), pad == 4 ? 1 : -EINVAL);
	}
	at = 0;
	ck_assert_int_eq(rtcp_next(&r, (const uint8_t *)"\xa0\xcb\0\0", 4, &at), -EINVAL);
	ck_assert_int_eq(rtcp_next(&r, (const uint8_t *)"\xa0\xcf\0\1\0\0\0\4", 8, &at), 1);
	ck_assert_uint_eq(r.len, 0); /* all of it is padding */
}
END_TEST

struct numbers {
	uint16_t seq[2000];
	int n;
};

static void note(void *arg, uint16_t seq)
{
	struct numbers *got = arg;

	ck_assert_int_lt(got->n, 2000);
	got->seq[got->n++] = seq;
}

/* Reads all NACKs of buf, checks that the walk ends well. */
static void read_nacks(const uint8_t *buf, size_t n, struct numbers *got)
{
	struct rtcp r;
	size_t at = 0;
	int rc;

	got->n = 0;
	while ((rc = rtcp_next(&r, buf, n, &at)) == 1) {
		uint32_t media = 0;
		int before = got->n;

		ck_assert_uint_eq(r.ssrc, 0x11111111);
		ck_assert_int_eq(rtcp_nack_parse(&r, &media, note, got), got->n - before);
		ck_assert_uint_eq(media, 0x22222222);
	}
	ck_assert_int_eq(rc, 0);
}

static uint32_t state;

static uint32_t rnd(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)state * below >> 32);
}

/* Random ascending numbers, dense and sparse, across the wrap: read back they are the same. */
START_TEST(test_nack_built_is_the_nack_parsed)
{
	state = (uint32_t)_i;
	for (int round = 0; round < 200; round++) {
		uint16_t seq[300];
		int n = 1 + (int)rnd(300);
		uint32_t step = 1 + rnd(round % 3 ? 40 : 3);
		uint8_t buf[2000];
		size_t len = 0;
		struct numbers got;

		seq[0] = (uint16_t)(65500 + rnd(100));
		for (int i = 1; i < n; i++)
			seq[i] = (uint16_t)(seq[i - 1] + 1 + rnd(step));
		ck_assert_int_eq(
			rtcp_put_nack(buf, sizeof(buf), &len, 0x11111111, 0x22222222, seq, n), n);
		read_nacks(exactly(buf, len), len, &got);
		ck_assert_int_eq(got.n, n);
		ck_assert_mem_eq(got.seq, seq, (size_t)n * sizeof(seq[0]));
	}
}
END_TEST

/* Little room: what went in is the front, and going on from there gives the rest. */
START_TEST(test_nacks_that_do_not_fit_go_into_the_next)
{
	uint16_t seq[1000];
	struct numbers got;
	int done = 0;

	state = (uint32_t)_i;
	seq[0] = 65000;
	for (int i = 1; i < 1000; i++)
		seq[i] = (uint16_t)(seq[i - 1] + 1 + rnd(8));
	while (done < 1000) {
		size_t cap = 16 + rnd(60), len = 0;
		uint8_t *buf = malloc(cap);
		int took = rtcp_put_nack(
			buf, cap, &len, 0x11111111, 0x22222222, seq + done, 1000 - done);

		ck_assert_int_gt(took, 0);
		ck_assert_uint_le(len, cap);
		read_nacks(buf, len, &got);
		ck_assert_int_eq(got.n, took);
		ck_assert_mem_eq(got.seq, seq + done, (size_t)took * sizeof(seq[0]));
		done += took;
		free(buf);
	}
}
END_TEST

START_TEST(test_seventeen_numbers_take_one_fci)
{
	uint16_t seq[18];
	uint8_t buf[64];
	size_t len = 0;

	for (int i = 0; i < 18; i++)
		seq[i] = (uint16_t)(65530 + i);
	ck_assert_int_eq(rtcp_put_nack(buf, 16, &len, 1, 2, seq, 18), 17);
	ck_assert_uint_eq(len, 16);
	len = 0;
	ck_assert_int_eq(rtcp_put_nack(buf, 20, &len, 1, 2, seq, 18), 18);
	ck_assert_uint_eq(len, 20);
	len = 0;
	ck_assert_int_eq(rtcp_put_nack(buf, 15, &len, 1, 2, seq, 18), -ENOSPC);
	ck_assert_int_eq(rtcp_put_nack(buf, 64, &len, 1, 2, seq, 0), 0);
	ck_assert_uint_eq(len, 0);
}
END_TEST

/* So many that the length takes both of its bytes. */
START_TEST(test_nack_of_more_than_256_words)
{
	static uint8_t buf[4096];
	uint16_t seq[600];
	struct numbers got;
	size_t len = 0;

	for (int i = 0; i < 600; i++)
		seq[i] = (uint16_t)(60000 + 20 * i);
	ck_assert_int_eq(
		rtcp_put_nack(buf, sizeof(buf), &len, 0x11111111, 0x22222222, seq, 600), 600);
	ck_assert_uint_eq(len, 12 + 4 * 600);
	read_nacks(buf, len, &got);
	ck_assert_int_eq(got.n, 600);
	ck_assert_mem_eq(got.seq, seq, sizeof(seq));
	/* one FCI less fits exactly where the high byte changes */
	len = 0;
	ck_assert_int_eq(rtcp_put_nack(buf, 4 * 257, &len, 0x11111111, 0x22222222, seq, 600), 254);
	read_nacks(buf, len, &got);
	ck_assert_int_eq(got.n, 254);
}
END_TEST

START_TEST(test_number_said_twice_is_asked_for_once)
{
	static const uint16_t seq[] = {5, 5, 6, 6, 5 + 17};
	uint8_t buf[64];
	struct numbers got;
	size_t len = 0;

	ck_assert_int_eq(rtcp_put_nack(buf, 64, &len, 0x11111111, 0x22222222, seq, 5), 5);
	read_nacks(buf, len, &got);
	ck_assert_int_eq(got.n, 3);
	ck_assert_uint_eq(got.seq[1], 6);
	ck_assert_uint_eq(got.seq[2], 22);
}
END_TEST

START_TEST(test_feedback_that_is_no_nack_is_refused)
{
	static const uint8_t body[12] = {0};
	struct rtcp r = {.count = 1, .type = RTCP_RTPFB, .body = body, .len = 12};
	struct numbers got = {.n = 0};
	uint32_t media;

	ck_assert_int_eq(rtcp_nack_parse(&r, &media, note, &got), 1);
	r.len = 8;
	ck_assert_int_eq(rtcp_nack_parse(&r, &media, note, &got), -EINVAL);
	r.len = 10;
	ck_assert_int_eq(rtcp_nack_parse(&r, &media, note, &got), -EINVAL);
	r.len = 12;
	r.count = 15;
	ck_assert_int_eq(rtcp_nack_parse(&r, &media, note, &got), -EINVAL);
	r.count = 1;
	r.type = RTCP_PSFB;
	ck_assert_int_eq(rtcp_nack_parse(&r, &media, note, &got), -EINVAL);
	ck_assert_int_eq(got.n, 1);
}
END_TEST

/* Receiver's compound: reports, name, leaving. Read back; and with one byte too few each builder
 * leaves the buffer as it was. */
START_TEST(test_reports_are_built_within_their_bounds)
{
	uint8_t buf[200];
	size_t len = 0, at = 0;
	struct rtcp r;

	ck_assert_int_eq(rtcp_put_rr(buf, 8, &len, 7), 0);
	ck_assert_uint_eq(len, 8);
	ck_assert_int_eq(rtcp_put_rr_block(buf, 8 + 31, &len, 7, 8, 1, 2, 3, 4), -ENOSPC);
	ck_assert_uint_eq(len, 8);
	ck_assert_int_eq(
		rtcp_put_rr_block(buf, 8 + 32, &len, 7, 8, 0xfe, 0xffffffff, 0x10203, 4), 0);
	ck_assert_int_eq(rtcp_put_bye(buf, 40 + 7, &len, 7), -ENOSPC);
	ck_assert_int_eq(rtcp_put_bye(buf, 40 + 8, &len, 7), 0);
	ck_assert_uint_eq(len, 48);
	ck_assert_int_eq(rtcp_next(&r, buf, len, &at), 1);
	ck_assert_uint_eq(r.ssrc, 7);
	ck_assert_int_eq(rtcp_next(&r, buf, len, &at), 1);
	ck_assert_uint_eq(r.count, 1);
	ck_assert_mem_eq(r.body, "\0\0\0\7\0\0\0\10\xfe\x7f\xff\xff\0\1\2\3\0\0\0\4", 20);
	ck_assert_int_eq(rtcp_next(&r, buf, len, &at), 1);
	ck_assert_uint_eq(r.type, RTCP_BYE);
	ck_assert_int_eq(rtcp_next(&r, buf, len, &at), 0);
	len = 4;
	ck_assert_int_eq(rtcp_put_rr(buf, 11, &len, 7), -ENOSPC);
	ck_assert_uint_eq(len, 4);
}
END_TEST

/* Names of all lengths: the list ends with at least one zero, on a word. */
START_TEST(test_cname_of_every_length)
{
	char name[257];

	memset(name, 'n', sizeof(name));
	for (size_t n = 0; n <= 256; n++) {
		uint8_t buf[300];
		size_t len = 0, at = 0;
		struct rtcp r;

		name[n] = '\0';
		if (n == 256) {
			ck_assert_int_eq(rtcp_put_sdes_cname(buf, 300, &len, 1, name), -ENOSPC);
			break;
		}
		ck_assert_int_eq(rtcp_put_sdes_cname(buf, 300, &len, 1, name), 0);
		ck_assert_int_eq(rtcp_next(&r, buf, len, &at), 1);
		ck_assert_uint_eq(at, len);
		ck_assert_uint_eq(r.len % 4, 0);
		ck_assert_uint_ge(r.len, 4 + 2 + n + 1);
		ck_assert_uint_le(r.len, 4 + 2 + n + 4);
		ck_assert_uint_eq(r.body[4], 1);
		ck_assert_uint_eq(r.body[5], n);
		ck_assert_mem_eq(r.body + 6, name, n);
		for (size_t i = 6 + n; i < r.len; i++)
			ck_assert_uint_eq(r.body[i], 0);
		name[n] = 'n';
	}
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, test_payload_is_what_is_between_header_and_padding);
	tcase_add_test(t, test_plain_packet_may_be_empty);
	tcase_add_test(t, test_truncated_packet_is_refused);
	tcase_add_test(t, test_padding_at_and_past_the_payload);
	tcase_add_test(t, test_other_versions_are_refused);
	tcase_add_test(t, test_rtcp_is_told_from_rtp_on_one_port);
	tcase_add_test(t, test_extended_numbers_are_the_nearest);
	tcase_add_test(t, test_compound_is_walked_to_its_end);
	tcase_add_test(t, test_sender_information_is_of_a_whole_sender_report);
	tcase_add_test(t, test_compound_cut_inside_a_packet_is_refused);
	tcase_add_test(t, test_length_that_passes_the_datagram_is_refused);
	tcase_add_loop_test(t, test_packet_shorter_than_its_count_says_is_refused, 0,
		sizeof(bodies) / sizeof(bodies[0]));
	tcase_add_test(t, test_padding_of_rtcp);
	tcase_add_loop_test(t, test_nack_built_is_the_nack_parsed, 0, 5);
	tcase_add_loop_test(t, test_nacks_that_do_not_fit_go_into_the_next, 0, 5);
	tcase_add_test(t, test_seventeen_numbers_take_one_fci);
	tcase_add_test(t, test_nack_of_more_than_256_words);
	tcase_add_test(t, test_number_said_twice_is_asked_for_once);
	tcase_add_test(t, test_feedback_that_is_no_nack_is_refused);
	tcase_add_test(t, test_reports_are_built_within_their_bounds);
	tcase_add_test(t, test_cname_of_every_length);
}

int main(void)
{
	TCase *t = tcase_create("rtp");

	tcase_add_checked_fixture(t, NULL, teardown);
	add_tests(t);
	return run_case("rtp", t);
}
