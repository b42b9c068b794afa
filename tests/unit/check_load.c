/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node says of its load: the rates of channels, what young sessions will add, who carries
 * what. */
#include "sn-agent/load.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

#define ONE "v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\nm=video 5000 RTP/AVP 33\r\na=control:a\r\n"

static struct channels c;
static struct sessions sessions;
static struct announce said;
static ns_t now;

static void setup(void)
{
	now = 1000 * NS_S;
	channels_init(&c, NS_S, (size_t)64 * RING_MTU, NS_S);
	sessions_init(&sessions);
}

static void teardown(void)
{
	while (sessions.first)
		session_free(&sessions, sessions.first);
	channels_free(&c);
}

static struct channel *make(const char *path)
{
	struct channel *ch = channel_new(&c, slice_of(path), CHANNEL_LIVE, now);

	ck_assert_ptr_nonnull(ch);
	ck_assert_int_eq(channel_describe(&c, ch, SLICE(ONE)), 0);
	channel_list(&c, ch);
	return ch;
}

static struct session *join(struct channel *ch, enum session_state state)
{
	static uint64_t id;
	struct session *s = session_new(&sessions, ++id, false, now);

	ck_assert_ptr_nonnull(s);
	s->channel = ch;
	s->state = state;
	s->played = now;
	return s;
}

/* The channel brings so many kbit/s for so long. */
static void run_channel(struct channel *ch, uint64_t kbps, int ms)
{
	for (; ms > 0; ms -= 100) {
		ch->medium[0].bytes += kbps * 100 / 8;
		now += 100 * NS_MS;
		load_rate(&c, now);
	}
}

START_TEST(test_rate_of_a_channel_is_known_soon_and_follows_it)
{
	struct channel *ch = make("/news");

	load_rate(&c, now);
	ck_assert_uint_eq(ch->kbps, 0);
	run_channel(ch, 2000, 300);
	ck_assert_uint_eq(ch->kbps, 2000);
	run_channel(ch, 500, 2000);
	ck_assert_uint_eq(ch->kbps, 500);
	run_channel(ch, 0, 200); /* packets come in bursts */
	ck_assert_uint_eq(ch->kbps, 500);
	run_channel(ch, 0, 2000);
	ck_assert_uint_eq(ch->kbps, 0);
}
END_TEST

START_TEST(test_young_session_counts_with_what_it_will_take)
{
	struct channel *ch = make("/news");

	load_rate(&c, now);
	run_channel(ch, 2000, 1000);
	ck_assert_uint_eq(load_committed(&sessions, 700, now), 700);
	join(ch, SESSION_PLAYING);
	ck_assert_uint_eq(load_committed(&sessions, 700, now), 2700);
	now += NS_S / 4; /* a quarter of it is measured by now */
	ck_assert_uint_eq(load_committed(&sessions, 1200, now), 2700);
	now += NS_S;
	ck_assert_uint_eq(load_committed(&sessions, 2700, now), 2700);
}
END_TEST

START_TEST(test_session_that_is_about_to_play_counts_and_one_that_never_does_not)
{
	struct channel *ch = make("/news");

	load_rate(&c, now);
	run_channel(ch, 2000, 1000);
	join(ch, SESSION_READY);
	ck_assert_uint_eq(load_committed(&sessions, 0, now), 2000);
	now += LOAD_WAIT;
	ck_assert_uint_eq(load_committed(&sessions, 0, now), 0);
	join(ch, SESSION_READY)->spoke = true; /* it has paused */
	join(ch, SESSION_RECORDING)->publisher = true;
	join(NULL, SESSION_INIT);
	ck_assert_uint_eq(load_committed(&sessions, 0, now), 0);
}
END_TEST

START_TEST(test_live_channels_are_announced_in_order_of_their_hashes)
{
	struct channel *sport = make("/sport");

	make("/news")->kbps = 800;
	sport->kbps = 100000;
	strcpy(sport->origin, "@10.77.0.1"); /* of the overlay: that is a way to have it */
	make("/sought")->state = CHANNEL_SEEKING;
	make("/old")->listed = false;
	strcpy(make("/primed")->origin, "10.2.0.9:554"); /* another channel than the usual port's */
	load_channels(&c, &said, ANNOUNCE_CHANNELS);
	ck_assert_int_eq(said.channels, 2);
	ck_assert_uint_lt(said.channel[0], said.channel[1]);
	for (int i = 0; i < 2; i++) {
		bool news = said.channel[i] == announce_channel(SLICE("/news"));

		ck_assert_uint_eq(said.channel_kbps[i], news ? 800 : 65535);
	}
	ck_assert_int_ge(announce_find_channel(&said, announce_channel(SLICE("/sport"))), 0);
	ck_assert_int_lt(announce_find_channel(&said, announce_channel(SLICE("/sought"))), 0);
}
END_TEST

START_TEST(test_most_wanted_channels_are_announced_when_there_are_too_many)
{
	uint8_t out[WIRE_MAX];
	char path[16];

	for (int i = 0; i < 2 * ANNOUNCE_CHANNELS; i++) {
		snprintf(path, sizeof(path), "/c%d", i);
		make(path)->playing = i % 2;
	}
	load_channels(&c, &said, ANNOUNCE_CHANNELS);
	ck_assert_int_eq(said.channels, ANNOUNCE_CHANNELS);
	ck_assert_int_ge(announce_find_channel(&said, announce_channel(SLICE("/c1"))), 0);
	ck_assert_int_lt(announce_find_channel(&said, announce_channel(SLICE("/c2"))), 0);
	/* And with the longest of everything else it fits into a datagram. */
	said.role = ROLE_SN;
	memset(said.id, 'x', sizeof(said.id) - 1);
	said.addr = addr_any(AF_INET6, 0);
	said.addr.in6.sin6_addr.s6_addr[0] = 0x20;
	said.rtsp_port = said.http_port = said.weight = said.control_port = UINT16_MAX;
	said.sessions = said.max_sessions = said.attached = UINT32_MAX;
	said.kbps = said.max_kbps = ANNOUNCE_MAX_KBPS;
	said.interval_ms = ANNOUNCE_MAX_INTERVAL;
	said.delay_us = UINT32_MAX;
	said.generation = UINT64_MAX;
	ck_assert_int_gt(announce_encode(&said, out, WIRE_MAX - 72), 0);
}
END_TEST

static struct survey_answer answer(void)
{
	struct survey_answer a = {.id = 1,
		.to = "arn908",
		.held = SURVEY_MAX_HELD,
		.total = 40,
		.neighbours = SURVEY_NEIGHBOURS};

	a.said = (struct announce){.role = ROLE_SN, .id = "sn942", .interval_ms = 200};
	addr_parse(&a.said.addr, SLICE("10.7.4.12"), 0);
	for (int i = 0; i < SURVEY_NEIGHBOURS; i++) {
		snprintf(a.neighbour[i].id, sizeof(a.neighbour[i].id), "a-neighbour-of-it-%d", i);
		addr_parse(&a.neighbour[i].control, SLICE("10.7.4.14:7702"), 0);
	}
	return a;
}

START_TEST(test_answer_to_a_survey_is_as_long_as_it_may_be_and_keeps_what_matters)
{
	int channels = 0, neighbours = 0;
	uint8_t out[WIRE_MAX];
	struct survey_answer a, b;
	const char *why;
	char path[16];

	for (int i = 0; i < ANNOUNCE_CHANNELS; i++) {
		snprintf(path, sizeof(path), "/c%d", i);
		make(path)->playing = i;
	}
	for (size_t cap = 0; cap <= WIRE_MAX; cap++) {
		int n;

		a = answer();
		load_channels(&c, &a.said, ANNOUNCE_CHANNELS); /* as it is announced */
		n = load_survey(&c, &a, out, cap);
		if (n == -EMSGSIZE) {
			ck_assert_uint_lt(cap, 100);
			continue;
		}
		ck_assert_int_gt(n, 0);
		ck_assert_uint_le((size_t)n, cap);
		ck_assert_int_eq(survey_answer_decode(&b, out, (size_t)n, &why), 0);
		ck_assert_int_eq(b.total, 40);
		ck_assert_str_eq(b.said.id, "sn942");
		/* What there is room for is there: neighbours first, then the most wanted channels. */
		ck_assert_int_ge(b.neighbours, neighbours);
		neighbours = b.neighbours;
		ck_assert(!b.said.channels || cap - (size_t)n < 2 * ANNOUNCE_CHANNEL_LEN ||
			  b.said.channels == ANNOUNCE_CHANNELS);
		for (int i = 0; i < b.said.channels; i++) {
			snprintf(path, sizeof(path), "/c%d", ANNOUNCE_CHANNELS - 1 - i);
			ck_assert_int_ge(
				announce_find_channel(&b.said, announce_channel(slice_of(path))),
				0);
		}
		if (b.said.channels > channels)
			channels = b.said.channels;
	}
	ck_assert_int_eq(neighbours, SURVEY_NEIGHBOURS);
	ck_assert_int_gt(channels, 100);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("load");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_rate_of_a_channel_is_known_soon_and_follows_it);
	tcase_add_test(t, test_young_session_counts_with_what_it_will_take);
	tcase_add_test(t, test_session_that_is_about_to_play_counts_and_one_that_never_does_not);
	tcase_add_test(t, test_live_channels_are_announced_in_order_of_their_hashes);
	tcase_add_test(t, test_most_wanted_channels_are_announced_when_there_are_too_many);
	tcase_add_test(t, test_answer_to_a_survey_is_as_long_as_it_may_be_and_keeps_what_matters);
	return run_case("load", t);
}
