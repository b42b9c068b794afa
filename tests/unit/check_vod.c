/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On demand as a core: fetching, looking, pacing, and what happens when the master fails or changes. */
#include "sn-agent/stock.h"
#include "tests/unit/vod_fixture.h"

#include "tests/unit/run.h"

#define PACKETS (20 * FILM_BLOCK / TS_PACKET - 33)
#define TICKS   40000 /* a TS packet: 1 Mbit/s */
#define CACHE   ((int64_t)64 << 20)

static const struct fix film = {
	.packets = PACKETS, .pcr_every = 30, .access_every = 700, .ticks = TICKS, .pcr0 = 5555};

static void setup(void)
{
	vod_setup(&film, CACHE);
}

static void setup_tight(void)
{
	vod_setup(&film, 0); /* the least: 16 blocks */
}

/* The packets sent from number k on are the file's from packet `first` on, each once, in order. */
static void same_as_file(const struct vod_film *f, int k, int64_t first)
{
	const struct film *m = vod_film(f);

	for (; k < n_sent; k++, first++) {
		int64_t at = first * FILM_PAYLOAD, n = master.size - at;

		ck_assert_uint_eq(sent[k].seq, (uint16_t)(m->seq0 + first));
		ck_assert_uint_eq(sent[k].sum,
			sum_of(master.file + at, (size_t)(n < FILM_PAYLOAD ? n : FILM_PAYLOAD)));
	}
}

START_TEST(test_a_film_is_opened_by_its_head_and_its_tail)
{
	struct vod_film *f = vod_open(vod, SLICE("/films/a"), "http://m/a", &now, now);

	ck_assert_int_eq(vod_status(f), -EINPROGRESS);
	passes(now + 50 * NS_MS);
	ck_assert_int_eq(opened, 1);
	ck_assert_int_eq(opened_status, 0);
	ck_assert_int_eq(vod_status(f), 0);
	ck_assert_int_eq(master.fetches, 2);
	ck_assert_int_le(llabs(vod_film(f)->duration - (int64_t)PACKETS * TICKS), TS_HZ / 10);
}
END_TEST

START_TEST(test_the_whole_film_is_sent_at_its_own_pace)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);
	ns_t begin, length = (ns_t)(film_seconds(vod_film(f)->duration) * NS_S);

	look_now(v, 0, 0);
	begin = now;
	vod_play(v, INT64_MAX, now);
	vod_tick(vod, now);
	/* At once no more than 100 ms of it; a second of lead after a while, and no more ever. */
	ck_assert_int_le(n_sent, (int)(vod_film(f)->packets * NS_S / length / 8));
	passes(begin + 2 * length);
	ck_assert_int_eq(ended, 1);
	ck_assert(viewer_ended(v));
	ck_assert_int_eq(n_sent, vod_film(f)->packets);
	same_as_file(f, 0, 0);
	for (int i = 0; i < n_sent; i++) {
		ns_t due = begin + length * i / n_sent;

		ck_assert_int_le(sent[i].at, due + 50 * NS_MS);
		ck_assert_int_ge(sent[i].at, due - VOD_LEAD - 50 * NS_MS);
	}
	ck_assert_int_eq(vod_counters(vod)->stalls, 0);
}
END_TEST

START_TEST(test_many_viewers_cost_one_fetch_of_each_block)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx[30];

	for (int i = 0; i < 30; i++) {
		struct viewer *v = viewer_new(f, &rx[i], NULL);

		look_now(v, 0, 0);
		vod_play(v, 5 * TS_HZ, now);
		passes(now + 200 * NS_MS);
	}
	passes(now + 10 * NS_S);
	ck_assert_int_eq(ended, 30);
	for (int i = 0; i < 30; i++) {
		int n = 0;

		for (int k = 0; k < n_sent; k++)
			n += sent[k].to == &rx[i];
		ck_assert_int_ge(n, 400);
	}
	/* 5 s of it are three blocks; look-ahead, head and tail. */
	ck_assert_int_le(master.fetches, 8);
}
END_TEST

START_TEST(test_a_place_is_a_random_access_point_not_after_the_time)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);

	for (int s = 1; s < 38; s++) {
		int64_t time, wanted = s * TS_HZ;
		uint32_t ts;

		look_now(v, -1, wanted);
		ck_assert(viewer_place(v, &time, &ts));
		ck_assert_int_le(time, wanted);
		ck_assert_int_gt(time, wanted - 700 * TICKS - TS_HZ / 10);
		/* Its tables are in it. */
		ck_assert_int_le((700 - viewer_next(v) * 7 % 700) % 700, 6);
	}
	ck_assert_int_le(master.fetches, 20);
}
END_TEST

START_TEST(test_a_place_does_not_depend_on_what_is_here)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);
	int64_t place[38];

	for (int s = 37; s > 0; s--) {
		look_now(v, -1, s * TS_HZ);
		place[s] = viewer_next(v);
	}
	for (int s = 1; s < 38; s++) { /* another node, each time */
		vod_teardown();
		vod_setup(&film, CACHE);
		f = open_now(&now);
		v = viewer_new(f, &rx, NULL);
		look_now(v, -1, s * TS_HZ);
		ck_assert_int_eq(viewer_next(v), place[s]);
		ck_assert_int_le(master.fetches, 10);
	}
}
END_TEST

START_TEST(test_a_paused_viewer_goes_on_with_the_very_next_packet)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);

	look_now(v, 0, 0);
	for (int i = 0; i < 10; i++) {
		vod_play(v, INT64_MAX, now);
		passes(now + 300 * NS_MS);
		vod_pause(v);
		int n = n_sent;

		passes(now + 700 * NS_MS);
		ck_assert_int_eq(n_sent, n);
		look_now(v, viewer_next(v), 0);
	}
	ck_assert_int_gt(n_sent, 300);
	same_as_file(f, 0, 0);
}
END_TEST

START_TEST(test_a_range_ends_where_it_says)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);
	int64_t time;
	uint32_t ts;

	look_now(v, -1, 10 * TS_HZ);
	vod_play(v, 12 * TS_HZ, now);
	passes(now + 5 * NS_S);
	ck_assert_int_eq(ended, 1);
	ck_assert(viewer_place(v, &time, &ts));
	ck_assert_int_ge(time, 12 * TS_HZ);
	ck_assert_int_lt(time, 12 * TS_HZ + TS_HZ / 20);
	/* And can be played on. */
	look_now(v, viewer_next(v), 0);
	vod_play(v, 13 * TS_HZ, now);
	passes(now + 5 * NS_S);
	ck_assert_int_eq(ended, 2);
}
END_TEST

START_TEST(test_what_is_not_taken_is_sent_again)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);

	look_now(v, 0, 0);
	room = 3;
	vod_play(v, INT64_MAX, now);
	passes(now + NS_S);
	ck_assert_int_eq(n_sent, 3);
	room = 1000000;
	passes(now + 2 * NS_S);
	ck_assert_int_gt(n_sent, 100);
	same_as_file(f, 0, 0);
}
END_TEST

START_TEST(test_a_master_that_is_away_for_a_while_is_waited_for)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);

	look_now(v, 0, 0);
	vod_play(v, INT64_MAX, now);
	passes(now + NS_S);
	master.down = true;
	passes(now + 14 * NS_S);
	ck_assert_int_eq(stuck, 0);
	int n = n_sent, fetches = master.fetches;

	passes(now + 2 * NS_S);
	ck_assert_int_eq(n_sent, n);
	ck_assert_int_le(master.fetches - fetches, 16); /* ever more slowly */
	master.down = false;
	passes(now + 50 * NS_S);
	ck_assert_int_eq(ended, 1);
	ck_assert_int_eq(n_sent, vod_film(f)->packets);
	same_as_file(f, 0, 0);
	ck_assert_int_eq(vod_counters(vod)->stalls, 1);
}
END_TEST

START_TEST(test_a_viewer_without_blocks_is_given_up_in_the_end)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);

	look_now(v, 0, 0);
	vod_play(v, INT64_MAX, now);
	passes(now + NS_S);
	master.down = true;
	passes(now + 40 * NS_S);
	ck_assert_int_eq(stuck, 1);
}
END_TEST

START_TEST(test_looking_has_an_end_when_nobody_answers)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);

	master.down = true;
	ck_assert_int_eq(vod_look(v, -1, 20 * TS_HZ, now), LOOK_PENDING);
	passes(now + 3 * NS_S);
	ck_assert_int_eq(looked, 0);
	passes(now + 2 * NS_S);
	ck_assert_int_eq(looked, 1);
	ck_assert_int_eq(vod_looked(v), LOOK_FAILED);
}
END_TEST

START_TEST(test_a_file_that_changes_is_never_mixed)
{
	struct fix other = film;
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);
	uint8_t *old;

	look_now(v, 0, 0);
	vod_play(v, INT64_MAX, now);
	passes(now + 2 * NS_S);
	old = malloc((size_t)master.size);
	memcpy(old, master.file, (size_t)master.size);
	other.salt = 99;
	master_has(&other, "two");
	passes(now + 10 * NS_S);
	ck_assert_int_eq(changed, 1);
	memcpy(master.file, old, (size_t)master.size);
	same_as_file(f, 0, 0); /* nothing of the new one has been sent */
	free(old);
	ck_assert_int_eq(vod_figures(vod).cached, 0);
	viewer_free(v);
	vod_close(f, now);
	ck_assert_int_eq(vod_figures(vod).films, 0);
}
END_TEST

START_TEST(test_a_film_is_checked_when_it_is_played_again_later)
{
	struct fix other = film;
	struct vod_film *f = open_now(&now);
	int fetches = master.fetches;

	vod_close(f, now);
	f = open_now(&now);
	ck_assert_int_eq(vod_counters(vod)->checked, 0); /* it was only just opened */
	vod_close(f, now);
	now += 11 * NS_S;
	f = open_now(&now);
	ck_assert_int_eq(vod_counters(vod)->checked, 1);
	ck_assert_int_eq(master.fetches, fetches); /* unchanged: nothing is fetched again */
	vod_close(f, now);
	now += 11 * NS_S;
	other.salt = 99;
	master_has(&other, "two");
	uint32_t ssrc = vod_film(f)->ssrc;

	f = open_now(&now);
	ck_assert_int_eq(vod_status(f), 0);
	ck_assert_uint_ne(vod_film(f)->ssrc, ssrc);
	ck_assert_int_eq(changed, 0); /* nobody played it */
	ck_assert_int_eq(vod_counters(vod)->changed, 1);
}
END_TEST

START_TEST(test_what_is_here_is_believed_when_the_master_cannot_be_asked)
{
	struct vod_film *f = open_now(&now);

	vod_close(f, now);
	now += 60 * NS_S;
	master.down = true;
	f = open_now(&now);
	ck_assert_int_eq(vod_status(f), 0);
	vod_close(f, now);
	now += 60 * NS_S;
	master.status = 404; /* but not when it says that there is no such file */
	f = vod_open(vod, SLICE("/films/a"), "http://m/a", &now, now);
	passes(now + 50 * NS_MS);
	ck_assert_int_eq(opened_status, 404);
}
END_TEST

START_TEST(test_what_cannot_be_opened_is_refused_with_the_reason)
{
	master.status = 404;
	vod_open(vod, SLICE("/films/a"), "http://m/a", &now, now);
	passes(now + 50 * NS_MS);
	ck_assert_int_eq(opened_status, 404);
	master.status = 0;
	master.down = true;
	vod_open(vod, SLICE("/films/b"), "http://m/b", &now, now);
	passes(now + 2 * NS_S);
	ck_assert_int_eq(opened, 2);
	ck_assert_int_eq(opened_status, 503);
	master.down = false;
	memset(master.file, 0, (size_t)master.size);
	vod_open(vod, SLICE("/films/c"), "http://m/c", &now, now);
	passes(now + 50 * NS_MS);
	ck_assert_int_eq(opened_status, 415);
}
END_TEST

/* Its library has been taken out of the configuration since it was asked for. */
START_TEST(test_a_film_whose_master_cannot_be_asked_is_given_up)
{
	struct vod_film *f;

	master.nowhere = -ENOENT;
	vod_open(vod, SLICE("/films/a"), "http://m/a", &now, now);
	passes(now + 2 * NS_S);
	ck_assert_int_eq(opened, 1);
	ck_assert_int_eq(opened_status, 503);
	/* Who has no room for it now is asked as long as it takes. */
	master.nowhere = -EBUSY;
	f = vod_open(vod, SLICE("/films/b"), "http://m/b", &now, now);
	passes(now + 10 * NS_S);
	ck_assert_int_eq(opened, 1);
	master.nowhere = 0;
	passes(now + 50 * NS_MS);
	ck_assert_int_eq(opened_status, 0);
	/* And what is here is believed. */
	vod_close(f, now);
	now += 60 * NS_S;
	master.nowhere = -ENOENT;
	opened_status = -1;
	vod_open(vod, SLICE("/films/b"), "http://m/b", &now, now);
	passes(now + 2 * NS_S);
	ck_assert_int_eq(opened_status, 0);
}
END_TEST

START_TEST(test_a_file_of_ever_new_validators_is_given_up)
{
	vod_open(vod, SLICE("/films/a"), "http://m/a", &now, now);
	for (int i = 0; i < 40 && !opened; i++) {
		snprintf(master.tag, sizeof(master.tag), "tag %d", i);
		vod_tick(vod, now);
		master_answers();
		now += 20 * NS_MS;
	}
	ck_assert_int_eq(opened, 1);
	ck_assert_int_eq(opened_status, 503);
}
END_TEST

START_TEST(test_any_packet_that_was_sent_can_be_had_again)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx;
	struct viewer *v = viewer_new(f, &rx, NULL);
	const struct film *m = vod_film(f);
	struct iovec out;

	look_now(v, 3000, 0);
	vod_play(v, INT64_MAX, now);
	passes(now + 2 * NS_S);
	ck_assert(viewer_repair(v, (uint16_t)(m->seq0 + 3001), &out, now));
	ck_assert_mem_eq((uint8_t *)out.iov_base + RTP_HEADER, master.file + 3001 * FILM_PAYLOAD,
		FILM_PAYLOAD);
	/* Also one that this node has never had: it is fetched. */
	ck_assert(!viewer_repair(v, (uint16_t)(m->seq0 + 1000), &out, now));
	passes(now + 50 * NS_MS);
	ck_assert(viewer_repair(v, (uint16_t)(m->seq0 + 1000), &out, now));
	ck_assert_mem_eq((uint8_t *)out.iov_base + RTP_HEADER, master.file + 1000 * FILM_PAYLOAD,
		FILM_PAYLOAD);
	/* But none that is still to come. */
	ck_assert(!viewer_repair(v, (uint16_t)(m->seq0 + viewer_next(v)), &out, now));
}
END_TEST

START_TEST(test_a_tight_cache_costs_fetches_and_no_packets)
{
	struct vod_film *f = open_now(&now);
	struct receiver rx[3];

	for (int i = 0; i < 3; i++) {
		struct viewer *v = viewer_new(f, &rx[i], NULL);

		look_now(v, i * 1200, 0);
		vod_play(v, INT64_MAX, now);
	}
	passes(now + 60 * NS_S);
	ck_assert_int_eq(ended, 3);
	for (int i = 0; i < 3; i++) {
		int64_t next = i * 1200;

		for (int k = 0; k < n_sent; k++) {
			if (sent[k].to != &rx[i])
				continue;
			ck_assert_uint_eq(sent[k].seq, (uint16_t)(vod_film(f)->seq0 + next));
			next++;
		}
		ck_assert_int_eq(next, vod_film(f)->packets);
	}
	ck_assert_int_le(vod_figures(vod).cached, 16 * FILM_BLOCK);
}
END_TEST

START_TEST(test_what_is_in_use_does_not_give_way)
{
	struct film_reel *home[17] = {0};
	struct stock *s;
	int err;

	s = stock_new("", 0, &err);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(stock_room(s), 16);
	for (int i = 0; i < 16; i++)
		ck_assert_ptr_nonnull(stock_take(s, &home[i], now + i));
	ck_assert_ptr_null(stock_take(s, &home[16], now + STOCK_HELD - 1));
	stock_touch(s, home[0], now + 100);
	ck_assert_ptr_nonnull(stock_take(s, &home[16], now + STOCK_HELD + 50));
	ck_assert_ptr_null(home[1]); /* the one that was not used for longest, and it knows */
	ck_assert_ptr_nonnull(home[0]);
	stock_drop(s, home[5]);
	ck_assert_ptr_null(home[5]);
	ck_assert_int_eq(stock_used(s), 15);
	stock_free(s);
}
END_TEST

START_TEST(test_a_cache_on_a_disk_needs_a_directory)
{
	struct stock *s;
	int err;

	s = stock_new("/nonexistent", 0, &err);
	ck_assert_ptr_null(s);
	ck_assert_int_eq(err, -ENOENT);
	s = stock_new("/tmp", 0, &err);
	ck_assert_ptr_nonnull(s);
	stock_free(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vod");
	TCase *t = tcase_create("core"), *tight = tcase_create("tight");

	tcase_add_checked_fixture(t, setup, vod_teardown);
	tcase_add_test(t, test_a_film_is_opened_by_its_head_and_its_tail);
	tcase_add_test(t, test_the_whole_film_is_sent_at_its_own_pace);
	tcase_add_test(t, test_many_viewers_cost_one_fetch_of_each_block);
	tcase_add_test(t, test_a_place_is_a_random_access_point_not_after_the_time);
	tcase_add_test(t, test_a_place_does_not_depend_on_what_is_here);
	tcase_add_test(t, test_a_paused_viewer_goes_on_with_the_very_next_packet);
	tcase_add_test(t, test_a_range_ends_where_it_says);
	tcase_add_test(t, test_what_is_not_taken_is_sent_again);
	tcase_add_test(t, test_a_master_that_is_away_for_a_while_is_waited_for);
	tcase_add_test(t, test_a_viewer_without_blocks_is_given_up_in_the_end);
	tcase_add_test(t, test_looking_has_an_end_when_nobody_answers);
	tcase_add_test(t, test_a_file_that_changes_is_never_mixed);
	tcase_add_test(t, test_a_film_is_checked_when_it_is_played_again_later);
	tcase_add_test(t, test_what_is_here_is_believed_when_the_master_cannot_be_asked);
	tcase_add_test(t, test_what_cannot_be_opened_is_refused_with_the_reason);
	tcase_add_test(t, test_a_film_whose_master_cannot_be_asked_is_given_up);
	tcase_add_test(t, test_a_file_of_ever_new_validators_is_given_up);
	tcase_add_test(t, test_any_packet_that_was_sent_can_be_had_again);
	tcase_add_checked_fixture(tight, setup_tight, vod_teardown);
	tcase_add_test(tight, test_a_tight_cache_costs_fetches_and_no_packets);
	tcase_add_test(tight, test_what_is_in_use_does_not_give_way);
	tcase_add_test(tight, test_a_cache_on_a_disk_needs_a_directory);
	suite_add_tcase(s, t);
	suite_add_tcase(s, tight);
	return run_suite(s);
}
