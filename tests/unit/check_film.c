/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What RTP makes of a file: the same at every node, whatever it has read before. */
#include "sn-agent/film.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "lib/secret.h"
#include "tests/unit/film_fixture.h"
#include "tests/unit/run.h"

#define PACKETS (9 * FILM_BLOCK / TS_PACKET + 500)

static const struct fix plain = {.packets = PACKETS,
	.pcr_every = 30,
	.access_every = 700,
	.ticks = 40000,
	.pcr0 = 123456789};

static uint8_t *file;
static int64_t size;

/* A node's: only the blocks that it has read. */
struct node {
	struct film film;
	struct film_reel *reel; /* one at a time */
};

static void open_film(struct node *n, const char *path, const char *tag)
{
	struct film_id id = {.size = size};

	snprintf(id.tag, sizeof(id.tag), "%s", tag);
	ck_assert_int_eq(film_init(&n->film, path, &id), 0);
	n->reel = calloc(1, sizeof(*n->reel));
}

static void close_film(struct node *n)
{
	film_free(&n->film);
	free(n->reel);
}

static void reads(struct node *n, int64_t block)
{
	ck_assert_int_eq(film_fill(&n->film, n->reel, block, file + block * FILM_BLOCK), 0);
}

/* Reads what a node has to before it can say anything. */
static void measured(struct node *n)
{
	int64_t b;

	while ((b = film_lacks(&n->film)) >= 0)
		reads(n, b);
	ck_assert_int_eq(film_measure(&n->film), 0);
}

/* Has the reel hold that block, stamped. */
static void stamped(struct node *n, int64_t block)
{
	int64_t b;

	while ((b = film_beside(&n->film, block)) >= 0)
		reads(n, b);
	reads(n, block);
	film_stamp(&n->film, n->reel);
	ck_assert(n->reel->stamped);
}

static void make(const struct fix *x)
{
	free(file);
	file = fix_make(x, &size);
}

static void setup(void)
{
	ck_assert_int_eq(secret_init(), 0);
	make(&plain);
}

static void teardown(void)
{
	free(file);
	file = NULL;
}

static uint32_t stamp_of(const struct film_reel *r, int i)
{
	struct rtp rtp;
	struct iovec v = film_packet(r, i);

	ck_assert_int_eq(rtp_parse(&rtp, v.iov_base, v.iov_len), 0);
	return rtp.ts;
}

START_TEST(test_packets_carry_the_files_bytes_in_order)
{
	struct fix x = plain;
	int64_t at = 0, number = 0;
	struct node n;

	x.extra = 77; /* a file need not end with a whole packet */
	make(&x);
	open_film(&n, "/a", "t");
	measured(&n);
	for (int64_t b = 0; b < n.film.blocks; b++) {
		stamped(&n, b);
		for (int i = 0; i < n.reel->packets; i++, number++) {
			struct iovec v = film_packet(n.reel, i);
			struct rtp r;

			ck_assert_int_eq(rtp_parse(&r, v.iov_base, v.iov_len), 0);
			ck_assert_uint_eq(r.pt, 33);
			ck_assert_uint_eq(r.ssrc, n.film.ssrc);
			ck_assert_uint_eq(r.seq, (uint16_t)(n.film.seq0 + number));
			ck_assert_mem_eq(r.payload, file + at, r.payload_len);
			at += (int64_t)r.payload_len;
		}
	}
	ck_assert_int_eq(at, size);
	ck_assert_int_eq(number, n.film.packets);
	close_film(&n);
}
END_TEST

/* One node reads all from the beginning, the other one only what it must, in the middle. */
static void same_from_any_node(void)
{
	struct node a, b;

	open_film(&a, "/a", "t");
	open_film(&b, "/a", "t");
	measured(&a);
	for (int64_t k = 0; k < a.film.blocks; k++)
		reads(&a, k);
	for (int64_t k = a.film.blocks - 1; k >= 0; k--) {
		film_free(&b.film);
		free(b.reel);
		open_film(&b, "/a", "t");
		measured(&b);
		stamped(&a, k);
		stamped(&b, k);
		for (int i = 0; i < a.reel->packets; i++) {
			struct iovec v = film_packet(a.reel, i), w = film_packet(b.reel, i);

			ck_assert_uint_eq(v.iov_len, w.iov_len);
			ck_assert_mem_eq(v.iov_base, w.iov_base, v.iov_len);
		}
		ck_assert_mem_eq(a.reel->time, b.reel->time,
			(size_t)a.reel->packets * sizeof(a.reel->time[0]));
	}
	close_film(&a);
	close_film(&b);
}

START_TEST(test_stamps_do_not_depend_on_what_was_read)
{
	static const struct fix kinds[] = {
		{.packets = PACKETS, .pcr_every = 30, .ticks = 40000},
		{.packets = PACKETS, .pcr_every = 30, .ticks = 40000, .pcr0 = TS_WRAP - 27000000},
		{.packets = PACKETS, .pcr_every = 1399, .ticks = 9000, .slow_ticks = 3000},
		{.packets = PACKETS, .pcr_every = 2800, .ticks = 9000},
		{.packets = PACKETS, .pcr_every = 5000, .ticks = 2000},
		{.packets = PACKETS,
			.pcr_every = 50,
			.ticks = 9000,
			.jump_at = 5600,
			.jump = -50000000},
		{.packets = PACKETS, .pcr_every = 50, .ticks = 9000, .jump_at = 4321, .jump = 1e12},
		{.packets = 40, .pcr_every = 10, .ticks = 40000},
		{.packets = PACKETS, .pcr_every = 333, .ticks = 9000, .bend = 900000},
	};

	make(&kinds[_i]);
	same_from_any_node();
}
END_TEST

START_TEST(test_time_is_the_files_clock_between_its_marks)
{
	struct fix x = plain;
	struct node n;
	int64_t before = -1;

	x.slow_ticks = 90000;
	x.pcr0 = TS_WRAP - 20 * TS_HZ; /* the clock wraps on the way */
	make(&x);
	open_film(&n, "/a", "t");
	measured(&n);
	ck_assert_int_le(llabs(n.film.duration - fix_time(&x, x.packets)), TS_HZ / 10);
	for (int64_t b = 0; b < n.film.blocks; b++) {
		stamped(&n, b);
		for (int i = 0; i < n.reel->packets; i++) {
			int ts = (int)(b * FILM_BLOCK_PACKETS + i) * 7;

			ck_assert_int_le(llabs(n.reel->time[i] - fix_time(&x, ts)), TS_HZ / 10);
			ck_assert_int_ge(n.reel->time[i], before);
			ck_assert(!n.reel->jump[i]);
			before = n.reel->time[i];
		}
	}
	close_film(&n);
}
END_TEST

START_TEST(test_timestamps_are_the_clock_in_90_khz)
{
	struct node n;

	open_film(&n, "/a", "t");
	measured(&n);
	stamped(&n, 3);
	for (int i = 1; i < n.reel->packets; i++) {
		int64_t step = (int32_t)(stamp_of(n.reel, i) - stamp_of(n.reel, i - 1));
		int64_t ticks = n.reel->time[i] - n.reel->time[i - 1];

		ck_assert_int_le(llabs(step - ticks / 300), 1);
	}
	close_film(&n);
}
END_TEST

START_TEST(test_a_jump_of_the_clock_is_marked_and_loses_nothing)
{
	struct fix x = plain;
	int jumps = 0, at = -1;
	struct node n;

	x.jump_at = 6000;
	x.jump = -30 * TS_HZ;
	make(&x);
	open_film(&n, "/a", "t");
	measured(&n);
	for (int64_t b = 0; b < n.film.blocks; b++) {
		stamped(&n, b);
		for (int i = 0; i < n.reel->packets; i++) {
			struct rtp r;

			rtp_parse(&r, n.reel->packet[i], FILM_PACKET);
			ck_assert(r.marker == n.reel->jump[i]);
			if (!n.reel->jump[i])
				continue;
			jumps++;
			at = (int)(b * FILM_BLOCK_PACKETS + i) * 7;
		}
	}
	ck_assert_int_eq(jumps, 1);
	ck_assert_int_le(abs(at - x.jump_at), x.pcr_every + 7);
	close_film(&n);
}
END_TEST

START_TEST(test_another_file_has_another_identity)
{
	struct node n[3];

	open_film(&n[0], "/a", "t");
	open_film(&n[1], "/a", "u");
	open_film(&n[2], "/b", "t");
	ck_assert_uint_ne(n[0].film.ssrc, n[1].film.ssrc);
	ck_assert_uint_ne(n[0].film.ssrc, n[2].film.ssrc);
	size -= TS_PACKET;
	uint32_t ssrc = n[0].film.ssrc;

	close_film(&n[0]);
	open_film(&n[0], "/a", "t");
	ck_assert_uint_ne(n[0].film.ssrc, ssrc);
	for (int i = 0; i < 3; i++)
		close_film(&n[i]);
}
END_TEST

START_TEST(test_what_cannot_be_played_is_refused)
{
	struct film_id id = {.size = 0};
	struct fix x = plain;
	struct node n;

	ck_assert_int_eq(film_init(&n.film, "/a", &id), -EINVAL);
	id.size = FILM_SIZE_MAX + 1;
	ck_assert_int_eq(film_init(&n.film, "/a", &id), -EFBIG);
	x.pcr_every = 0;
	make(&x);
	open_film(&n, "/a", "t");
	for (int64_t b; (b = film_lacks(&n.film)) >= 0;)
		reads(&n, b);
	ck_assert_int_eq(film_measure(&n.film), -EINVAL);
	memset(file, 'x', (size_t)size);
	close_film(&n);
	open_film(&n, "/a", "t");
	ck_assert_int_eq(film_fill(&n.film, n.reel, 0, file), -EINVAL);
	close_film(&n);
}
END_TEST

START_TEST(test_a_decoder_begins_with_the_tables_before_a_random_access_point)
{
	struct node n;

	open_film(&n, "/a", "t");
	measured(&n);
	reads(&n, 1); /* TS packets 1400 to 2799; points at 1402, 2102 */
	ck_assert_int_eq(film_access_before(&n.film, n.reel, 2799 * TS_PACKET), 2100 * TS_PACKET);
	ck_assert_int_eq(film_access_before(&n.film, n.reel, 2102 * TS_PACKET), 2100 * TS_PACKET);
	ck_assert_int_eq(film_access_before(&n.film, n.reel, 2101 * TS_PACKET), 1400 * TS_PACKET);
	ck_assert_int_eq(film_access_before(&n.film, n.reel, 1401 * TS_PACKET), -1);
	close_film(&n);
}
END_TEST

START_TEST(test_the_description_says_how_long_it_is)
{
	char mem[1024];
	struct sbuf b;
	struct node n;

	open_film(&n, "/a", "t");
	measured(&n);
	sbuf_init(&b, mem, sizeof(mem));
	film_sdp(&n.film, &b);
	ck_assert(!b.full);
	snprintf(mem + 600, 200, "a=range:npt=0-%.3f\r\n", film_seconds(n.film.duration));
	ck_assert_ptr_nonnull(strstr(mem, mem + 600));
	ck_assert_ptr_nonnull(strstr(mem, "m=video 0 RTP/AVP 33\r\n"));
	close_film(&n);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("film");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_packets_carry_the_files_bytes_in_order);
	tcase_add_loop_test(t, test_stamps_do_not_depend_on_what_was_read, 0, 9);
	tcase_add_test(t, test_time_is_the_files_clock_between_its_marks);
	tcase_add_test(t, test_timestamps_are_the_clock_in_90_khz);
	tcase_add_test(t, test_a_jump_of_the_clock_is_marked_and_loses_nothing);
	tcase_add_test(t, test_another_file_has_another_identity);
	tcase_add_test(t, test_what_cannot_be_played_is_refused);
	tcase_add_test(t, test_a_decoder_begins_with_the_tables_before_a_random_access_point);
	tcase_add_test(t, test_the_description_says_how_long_it_is);
	return run_case("film", t);
}
