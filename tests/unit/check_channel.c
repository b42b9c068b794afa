/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Channels' life cycle: found, published, sought, lingering, ended, forgotten. */
#include "sn-agent/channel.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define SPAN   (10 * NS_S)
#define LINGER (2 * NS_S)
#define ONE    "v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\nm=video 5000 RTP/AVP 33\r\na=control:a\r\n"
#define TWO    ONE "m=audio 5002 RTP/AVP 0\r\na=control:b\r\n"

static struct channels c;

static void setup(void)
{
	channels_init(&c, SPAN, (size_t)64 * RING_MTU, LINGER);
}

static void teardown(void)
{
	channels_free(&c);
}

static struct channel *make(const char *path, enum channel_state state, const char *sdp)
{
	struct channel *ch = channel_new(&c, slice_of(path), state, 0);

	ck_assert_ptr_nonnull(ch);
	if (sdp)
		ck_assert_int_eq(channel_describe(&c, ch, slice_of(sdp)), 0);
	channel_list(&c, ch);
	return ch;
}

static enum channel_due due(ns_t now)
{
	struct channel *ch;

	return channels_tick(&c, now, &ch);
}

START_TEST(test_a_channel_is_found_by_its_whole_path)
{
	struct channel *ch = make("/news", CHANNEL_LIVE, TWO);

	ck_assert_ptr_eq(channels_find(&c, SLICE("/news")), ch);
	ck_assert_ptr_null(channels_find(&c, SLICE("/new")));
	ck_assert_ptr_null(channels_find(&c, SLICE("/newsx")));
	ck_assert_int_eq(ch->media, 2);
	ck_assert_uint_eq(ch->medium[1].clock_rate, 8000);
	ck_assert_ptr_nonnull(strstr(ch->sdp, "a=control:trackID=1"));
}
END_TEST

START_TEST(test_a_new_publication_supersedes_the_old_which_is_found_by_its_source)
{
	struct channel *old = make("/news", CHANNEL_ENDED, ONE), *ch;

	old->medium[0].has_ssrc = true;
	old->medium[0].ssrc = 7;
	ch = make("/news", CHANNEL_LIVE, ONE);
	ck_assert_ptr_eq(channels_find(&c, SLICE("/news")), ch);
	ck_assert_ptr_eq(channels_find_source(&c, "", SLICE("/news"), 0, 7), old);
	ck_assert_ptr_null(channels_find_source(&c, "", SLICE("/news"), 0, 0));
	ck_assert_ptr_null(channels_find_source(&c, "", SLICE("/news"), 1, 7));
	ck_assert_ptr_null(channels_find_source(&c, "", SLICE("/new"), 0, 7));
	ck_assert_ptr_null(channels_find_source(&c, "@10.0.0.1", SLICE("/news"), 0, 7));
	ch->local = true;
	old->users = 1;
	ck_assert_int_eq(due(100 * SPAN), CHANNEL_NOTHING);
	old->users = 0;
	ck_assert_int_eq(due(SPAN - 1), CHANNEL_NOTHING);
	ck_assert_int_eq(due(SPAN), CHANNEL_FORGOTTEN);
}
END_TEST

START_TEST(test_the_number_of_media_cannot_change)
{
	struct channel *ch = make("/news", CHANNEL_LIVE, ONE);

	ck_assert_int_eq(channel_describe(&c, ch, SLICE(TWO)), -EEXIST);
	ck_assert_int_eq(channel_describe(&c, ch, SLICE(ONE)), 0);
	ck_assert_int_eq(channel_describe(&c, ch, SLICE("nonsense")), -EINVAL);
}
END_TEST

START_TEST(test_a_published_channel_is_not_pruned)
{
	make("/news", CHANNEL_LIVE, ONE)->local = true;
	ck_assert_int_eq(due(100 * SPAN), CHANNEL_NOTHING);
}
END_TEST

START_TEST(test_a_subscription_that_nobody_plays_lingers_then_is_pruned)
{
	struct channel *ch = make("/news", CHANNEL_LIVE, ONE);

	ck_assert_int_eq(due(LINGER - 1), CHANNEL_NOTHING);
	ck_assert_int_eq(due(LINGER), CHANNEL_PRUNE);
	ch->idle_since = NS_NEVER;
	ck_assert_int_eq(due(100 * LINGER), CHANNEL_NOTHING);
	ch->idle_since = 100 * LINGER;
	ch->users = 1; /* a session that is set up or paused */
	ck_assert_int_eq(due(102 * LINGER), CHANNEL_NOTHING);
	ch->users = 0;
	ck_assert_int_eq(due(101 * LINGER), CHANNEL_PRUNE);
}
END_TEST

START_TEST(test_a_vanished_publisher_has_a_grace)
{
	struct channel *ch = make("/news", CHANNEL_LIVE, ONE);

	ch->local = true;
	ch->users = 1;
	ch->grace = CHANNEL_GRACE;
	ck_assert_int_eq(due(CHANNEL_GRACE - 1), CHANNEL_NOTHING);
	ck_assert_int_eq(due(CHANNEL_GRACE), CHANNEL_END);
	channel_set_state(ch, CHANNEL_ENDED, CHANNEL_GRACE);
	ck_assert_int_eq(due(CHANNEL_GRACE), CHANNEL_NOTHING);
}
END_TEST

START_TEST(test_an_ended_channel_is_kept_for_the_ring_and_for_its_sessions)
{
	struct channel *ch = make("/news", CHANNEL_ENDED, ONE);

	ck_assert_int_eq(due(SPAN - 1), CHANNEL_NOTHING);
	ch->users = 1;
	ck_assert_int_eq(due(SPAN), CHANNEL_NOTHING);
	ch->users = 0;
	ck_assert_int_eq(due(SPAN), CHANNEL_FORGOTTEN);
}
END_TEST

START_TEST(test_a_refusal_is_remembered_for_a_moment)
{
	make("/none", CHANNEL_REFUSED, NULL);
	ck_assert_int_eq(due(CHANNEL_SULK - 1), CHANNEL_NOTHING);
	ck_assert_int_eq(due(CHANNEL_SULK), CHANNEL_FORGOTTEN);
}
END_TEST

START_TEST(test_channels_and_paths_are_bounded)
{
	char path[CHANNEL_PATH + 1];

	memset(path, 'x', sizeof(path));
	ck_assert_ptr_null(channel_new(&c, (struct slice){path, CHANNEL_PATH}, CHANNEL_SEEKING, 0));
	ck_assert_ptr_nonnull(
		channel_new(&c, (struct slice){path, CHANNEL_PATH - 1}, CHANNEL_SEEKING, 0));
	for (int i = 1; i < CHANNEL_MAX; i++)
		ck_assert_ptr_nonnull(channel_new(&c, SLICE("/a"), CHANNEL_SEEKING, 0));
	ck_assert_ptr_null(channel_new(&c, SLICE("/a"), CHANNEL_SEEKING, 0));
}
END_TEST

/* Who asks for many channels that are not there, or publishes many, one after the other. */
START_TEST(test_what_is_only_remembered_keeps_nobody_out)
{
	struct channel *ch, *live = make("/news", CHANNEL_LIVE, ONE), *waited;
	char path[32];

	live->local = true;
	waited = make("/waited", CHANNEL_REFUSED, NULL);
	waited->users = 1;
	for (int i = 2; i < CHANNEL_MAX; i++) {
		snprintf(path, sizeof(path), "/none%d", i);
		channel_set_state(make(path, CHANNEL_REFUSED, NULL),
			i % 2 ? CHANNEL_REFUSED : CHANNEL_ENDED, i);
	}
	make("/chess", CHANNEL_SEEKING, NULL);
	ch = make("/sport", CHANNEL_SEEKING, NULL);
	ck_assert_int_eq(c.n, CHANNEL_MAX);
	ck_assert_ptr_null(channels_find(&c, SLICE("/none2")));
	ck_assert_ptr_null(channels_find(&c, SLICE("/none3")));
	ck_assert_ptr_nonnull(channels_find(&c, SLICE("/none4")));
	ck_assert_ptr_eq(channels_find(&c, SLICE("/news")), live);
	ck_assert_ptr_eq(channels_find(&c, SLICE("/waited")), waited);
	ck_assert_ptr_eq(channels_find(&c, SLICE("/sport")), ch);
	waited->users = 0;
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("channel");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_a_channel_is_found_by_its_whole_path);
	tcase_add_test(t, test_a_new_publication_supersedes_the_old_which_is_found_by_its_source);
	tcase_add_test(t, test_the_number_of_media_cannot_change);
	tcase_add_test(t, test_a_published_channel_is_not_pruned);
	tcase_add_test(t, test_a_subscription_that_nobody_plays_lingers_then_is_pruned);
	tcase_add_test(t, test_a_vanished_publisher_has_a_grace);
	tcase_add_test(t, test_an_ended_channel_is_kept_for_the_ring_and_for_its_sessions);
	tcase_add_test(t, test_a_refusal_is_remembered_for_a_moment);
	tcase_add_test(t, test_channels_and_paths_are_bounded);
	tcase_add_test(t, test_what_is_only_remembered_keeps_nobody_out);
	return run_case("channel", t);
}
