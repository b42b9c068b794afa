/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a decoder can begin, and where in all media a player that joins late does. */
#include "sn-agent/keyframe.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sn-agent/entry.h"
#include "sn-agent/relay.h"
#include "tests/unit/run.h"

static struct keyframe k;

/* The number of the key frame that is known after a packet 10 with this payload. */
static int64_t see(enum keyframe_codec codec, const void *payload, size_t n)
{
	struct rtp p = {.ts = 90000, .payload = payload, .payload_len = n};

	keyframe_init(&k, codec);
	keyframe_see(&k, 10, &p);
	return k.at;
}

#define SEES(codec, ...)                                                                           \
	(see(codec, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})) == 10)

START_TEST(test_codecs_have_the_names_of_sdp)
{
	ck_assert_int_eq(keyframe_codec(SLICE("H264")), KEYFRAME_H264);
	ck_assert_int_eq(keyframe_codec(SLICE("h265")), KEYFRAME_H265);
	ck_assert_int_eq(keyframe_codec(SLICE("MP2T")), KEYFRAME_TS);
	ck_assert_int_eq(keyframe_codec(SLICE("MPEG4-GENERIC")), KEYFRAME_NONE);
	ck_assert_int_eq(keyframe_codec(SLICE("")), KEYFRAME_NONE);
}
END_TEST

START_TEST(test_h264_begins_with_an_idr_picture_however_it_is_packed)
{
	ck_assert(SEES(KEYFRAME_H264, 0x65, 0x88));
	ck_assert(SEES(KEYFRAME_H264, 0x05));
	ck_assert(!SEES(KEYFRAME_H264, 0x41, 0x9a));
	ck_assert(!SEES(KEYFRAME_H264, 0x67, 0x42)); /* parameters alone are none */
	/* STAP-A: SPS, PPS, IDR */
	ck_assert(SEES(KEYFRAME_H264, 0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68, 0, 2, 0x65, 0x88));
	ck_assert(!SEES(KEYFRAME_H264, 0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68));
	ck_assert(SEES(KEYFRAME_H264, 0x79, 0, 7, 0, 2, 0x65, 0x88));
	/* FU: its begin only */
	ck_assert(SEES(KEYFRAME_H264, 0x7c, 0x85, 0x88));
	ck_assert(!SEES(KEYFRAME_H264, 0x7c, 0x05, 0x88));
	ck_assert(!SEES(KEYFRAME_H264, 0x7c, 0x45, 0x88));
	ck_assert(!SEES(KEYFRAME_H264, 0x7c, 0x81, 0x88));
}
END_TEST

START_TEST(test_h264_begins_with_a_recovery_point_that_needs_no_others)
{
	ck_assert(SEES(KEYFRAME_H264, 0x06, 6, 1, 0xc4, 0x80));
	/* behind another message, whose size has two bytes */
	uint8_t p[4 + 300 + 4] = {0x06, 5, 255, 45};

	memcpy(p + 4 + 300, (const uint8_t[]){6, 1, 0x84, 0x80}, 4);
	ck_assert_int_eq(see(KEYFRAME_H264, p, sizeof(p)), 10);
	ck_assert(!SEES(KEYFRAME_H264, 0x06, 6, 1, 0x44, 0x80)); /* complete one frame later */
	ck_assert(!SEES(KEYFRAME_H264, 0x06, 5, 1, 0xc4, 0x80));
	ck_assert(!SEES(KEYFRAME_H264, 0x06, 6, 0, 0x80));
}
END_TEST

START_TEST(test_h265_begins_with_an_irap_picture_however_it_is_packed)
{
	ck_assert(SEES(KEYFRAME_H265, 19 << 1, 1, 0xaf));
	ck_assert(SEES(KEYFRAME_H265, 21 << 1, 1, 0xaf)); /* CRA */
	ck_assert(!SEES(KEYFRAME_H265, 1 << 1, 1, 0xd0));
	ck_assert(!SEES(KEYFRAME_H265, 24 << 1, 1, 0xd0));
	ck_assert(!SEES(KEYFRAME_H265, 33 << 1, 1, 1)); /* SPS */
	ck_assert(SEES(KEYFRAME_H265, 48 << 1, 1, 0, 2, 33 << 1, 1, 0, 3, 16 << 1, 1, 0xaf));
	ck_assert(SEES(KEYFRAME_H265, 49 << 1, 1, 0x80 | 20, 0xaf));
	ck_assert(!SEES(KEYFRAME_H265, 49 << 1, 1, 20, 0xaf));
}
END_TEST

START_TEST(test_what_is_cut_short_or_of_no_codec_is_no_key_frame)
{
	ck_assert_int_eq(see(KEYFRAME_H264, "", 0), -1);
	ck_assert(!SEES(KEYFRAME_H264, 0x7c));
	ck_assert(!SEES(KEYFRAME_H264, 0x79, 0));
	ck_assert(!SEES(KEYFRAME_H264, 0x78, 0, 3, 0x65, 0x88));
	ck_assert(!SEES(KEYFRAME_H264, 0x78, 0, 0, 0));
	ck_assert(!SEES(KEYFRAME_H264, 0x06, 6, 200, 0xc4));
	ck_assert(!SEES(KEYFRAME_H264, 0x06, 255, 255, 255));
	ck_assert_int_eq(see(KEYFRAME_H265, "", 0), -1);
	ck_assert(!SEES(KEYFRAME_H265, 19 << 1));
	ck_assert(!SEES(KEYFRAME_H265, 49 << 1, 1));
	ck_assert(!SEES(KEYFRAME_NONE, 0x65, 0x88));
}
END_TEST

/* ---- MPEG-TS ---- */

/* A packet of TS at p: of this PID, beginning a unit; with random_access_indicator, of this stream. */
static void put_ts(uint8_t *p, unsigned pid, bool random, uint8_t stream)
{
	memset(p, 0xff, 188);
	p[0] = 0x47;
	p[1] = (uint8_t)(0x40 | pid >> 8);
	p[2] = (uint8_t)pid;
	p[3] = random ? 0x30 : 0x10;
	if (!random)
		return;
	p[4] = 7;
	p[5] = 0x50;
	memcpy(p + 12, (const uint8_t[]){0, 0, 1, stream}, 4);
}

static void see_ts(int64_t seq, const uint8_t *p, size_t n)
{
	struct rtp r = {.ts = (uint32_t)seq * 100, .payload = p, .payload_len = n};

	keyframe_see(&k, seq, &r);
}

START_TEST(test_mpeg_ts_begins_with_the_tables_before_a_key_frame)
{
	uint8_t plain[188], pat[2 * 188], key[3 * 188], audio[188];

	put_ts(plain, 256, false, 0);
	put_ts(pat, 256, false, 0);
	put_ts(pat + 188, 0, false, 0);
	put_ts(key, 257, false, 0);
	put_ts(key + 188, 257, false, 0);
	put_ts(key + 2 * 188, 256, true, 0xe0);
	put_ts(audio, 257, true, 0xc0);
	keyframe_init(&k, KEYFRAME_TS);
	see_ts(1, key, sizeof(key));
	ck_assert_int_eq(k.at, -1); /* what it is of nobody could know */
	see_ts(2, pat, sizeof(pat));
	see_ts(3, plain, sizeof(plain));
	see_ts(4, audio, sizeof(audio));
	ck_assert_int_eq(k.at, -1);
	see_ts(5, key, sizeof(key));
	ck_assert_int_eq(k.at, 2);
	ck_assert_uint_eq(k.ts, 500);
	see_ts(6, pat, sizeof(pat));
	ck_assert_int_eq(k.at, 2);
	see_ts(7, key, sizeof(key) - 1); /* cut short */
	ck_assert_int_eq(k.at, 2);
	key[188] = 0; /* out of step */
	see_ts(8, key, sizeof(key));
	ck_assert_int_eq(k.at, 2);
}
END_TEST

START_TEST(test_mpeg_ts_fields_that_fill_their_packet_are_no_key_frame)
{
	uint8_t p[2 * 188];

	keyframe_init(&k, KEYFRAME_TS);
	put_ts(p, 0, false, 0);
	for (int len = 183; len < 256; len++) {
		put_ts(p + 188, 256, true, 0xe0);
		p[188 + 4] = (uint8_t)len;
		see_ts(len, p, sizeof(p));
	}
	put_ts(p + 188, 256, true, 0xe0);
	p[188 + 4] = 0;
	see_ts(300, p, sizeof(p));
	ck_assert_int_eq(k.at, -1);
}
END_TEST

START_TEST(test_the_newest_counts_and_what_comes_late_does_not)
{
	struct rtp idr = {.ts = 1, .payload = (const uint8_t[]){0x65}, .payload_len = 1};

	keyframe_init(&k, KEYFRAME_H264);
	keyframe_see(&k, 10, &idr);
	keyframe_see(&k, 20, &idr);
	keyframe_see(&k, 15, &idr);
	ck_assert_int_eq(k.at, 20);
}
END_TEST

/* ---- joining ---- */

#define SDP                                                                                        \
	"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 97\r\n"                      \
	"a=rtpmap:97 MPEG4-GENERIC/48000/2\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
#define VIDEO_TS 4294900000u /* at the begin; it overflows in between */
#define AUDIO_TS 77u

enum { AUDIO, VIDEO };

static struct channels channels;
static struct channel *ch;
static struct relay relay;
static uint16_t next[2];

static int udp(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	(void)arg, (void)rtcp, (void)to, (void)v;
	return n;
}

static const struct relay_io io = {.udp = udp};

static void setup(void)
{
	channels_init(&channels, 10 * NS_S, (size_t)64 * 1024 * 1024, NS_S);
	ch = channel_new(&channels, SLICE("/news"), CHANNEL_LIVE, 0);
	ck_assert_int_eq(channel_describe(&channels, ch, SLICE(SDP)), 0);
	relay_init(&relay, &io, NULL);
	next[AUDIO] = 100;
	next[VIDEO] = 65500;
}

static void teardown(void)
{
	relay_flush(&relay);
	channels_free(&channels);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void push(int medium, uint32_t ts, uint8_t nal, ns_t now)
{
	uint8_t p[14] = {0x80, 96, (uint8_t)(next[medium] >> 8), (uint8_t)next[medium]};
	int64_t seq;

	next[medium]++;
	put32(p + 4, ts);
	put32(p + 8, (uint32_t)medium + 1);
	p[12] = nal;
	ck_assert_int_eq(relay_rtp(&relay, &ch->medium[medium], p, sizeof(p), now, &seq), RING_NEW);
	relay_flush(&relay);
}

/* A sender report: this timestamp is of that many milliseconds after 1970-01-01. */
static void report(int medium, uint64_t ms, uint32_t ts)
{
	uint8_t p[28] = {0x80, 200, 0, 6};

	put32(p + 4, (uint32_t)medium + 1);
	put32(p + 8, (uint32_t)(2208988800u + ms / 1000));
	put32(p + 12, (uint32_t)((ms % 1000 << 32) / 1000));
	put32(p + 16, ts);
	ck_assert_int_eq(relay_origin_rtcp(&relay, &ch->medium[medium], p, sizeof(p)), 0);
}

/* Four seconds of video, 25 frames of three packets a second, a key frame (SPS, PPS, IDR) at each
 * multiple of `gop` frames; and of audio, a packet each 20 ms, that is sent `late`. */
static void stream(int gop, ns_t late)
{
	for (int i = 0; i < 100; i++) {
		ns_t now = i * 40 * NS_MS;
		uint32_t ts = VIDEO_TS + (uint32_t)i * 3600;
		bool key = i % gop == 0;

		push(VIDEO, ts, key ? 0x67 : 0x41, now);
		push(VIDEO, ts, key ? 0x68 : 0x41, now);
		push(VIDEO, ts, key ? 0x65 : 0x41, now);
		for (int a = 0; a < 2; a++) {
			ns_t at = now + a * 20 * NS_MS - late;

			if (at >= 0)
				push(AUDIO, AUDIO_TS + (uint32_t)(at / (20 * NS_MS)) * 960, 0, now);
		}
	}
}

/* The packet of the medium that it is the n-th of, from 0. */
static uint16_t nth(int medium, int n)
{
	return (uint16_t)((medium == AUDIO ? 100 : 65500) + n);
}

START_TEST(test_a_player_begins_with_the_parameters_of_the_newest_key_frame)
{
	int64_t first[SDP_MAX_MEDIA];

	stream(60, 0);
	ck_assert(entry_at_key(ch, 3, first));
	ck_assert_uint_eq((uint16_t)first[VIDEO], nth(VIDEO, 180));
	ck_assert_uint_eq((uint16_t)first[AUDIO], nth(AUDIO, 120));
}
END_TEST

/* The audio comes half a second later than its pictures, and its clock is another. */
START_TEST(test_sender_reports_say_which_sound_belongs_to_the_picture)
{
	int64_t first[SDP_MAX_MEDIA];

	stream(60, 500 * NS_MS);
	ck_assert(entry_at_key(ch, 3, first));
	ck_assert_uint_eq((uint16_t)first[AUDIO], nth(AUDIO, 95)); /* by when it came */
	report(VIDEO, 1800000005000, VIDEO_TS);
	ck_assert(entry_at_key(ch, 3, first));
	ck_assert_uint_eq((uint16_t)first[AUDIO], nth(AUDIO, 95)); /* one says nothing */
	report(AUDIO, 1800000006500, AUDIO_TS + 48000 * 3 / 2);
	ck_assert(entry_at_key(ch, 3, first));
	ck_assert_uint_eq((uint16_t)first[VIDEO], nth(VIDEO, 180));
	ck_assert_uint_eq((uint16_t)first[AUDIO], nth(AUDIO, 120)); /* of 2.4 s */
}
END_TEST

START_TEST(test_reports_that_are_hours_apart_are_not_believed)
{
	int64_t first[SDP_MAX_MEDIA];

	stream(60, 0);
	report(VIDEO, 1800000005000, VIDEO_TS);
	report(AUDIO, 1800007206500, AUDIO_TS + 48000 * 3 / 2);
	ck_assert(entry_at_key(ch, 3, first));
	ck_assert_uint_eq((uint16_t)first[AUDIO], nth(AUDIO, 120));
}
END_TEST

START_TEST(test_who_plays_only_sound_begins_with_what_is_live)
{
	int64_t first[SDP_MAX_MEDIA];

	stream(60, 0);
	ck_assert(!entry_at_key(ch, 1u << AUDIO, first));
	ck_assert_int_eq(first[AUDIO], -1);
	ck_assert(entry_at_key(ch, 1u << VIDEO, first));
	ck_assert_int_eq(first[AUDIO], -1);
}
END_TEST

START_TEST(test_a_key_frame_that_the_ring_has_no_more_is_none)
{
	int64_t first[SDP_MAX_MEDIA];

	ck_assert(!entry_at_key(ch, 3, first));
	channels_set_span(&channels, NS_S);
	stream(60, 0);
	ck_assert(!entry_at_key(ch, 3, first));
	ck_assert_int_eq(first[VIDEO], -1);
}
END_TEST

START_TEST(test_a_source_that_numbers_anew_has_no_key_frame_yet)
{
	int64_t first[SDP_MAX_MEDIA];

	stream(60, 0);
	next[VIDEO] = 30000;
	for (int i = 0; i < 2; i++) {
		uint8_t p[13] = {0x80, 96, 0x75, (uint8_t)(0x30 + i), 0, 0, 0, 0, 0, 0, 0, 2, 0x41};
		int64_t seq;

		relay_rtp(&relay, &ch->medium[VIDEO], p, sizeof(p), 5 * NS_S, &seq);
	}
	ck_assert_uint_eq(relay.restarts, 1);
	ck_assert(!entry_at_key(ch, 3, first));
}
END_TEST

START_TEST(test_sound_that_is_behind_is_waited_for)
{
	int64_t first[SDP_MAX_MEDIA];

	stream(99, 500 * NS_MS);
	report(VIDEO, 1800000005000, VIDEO_TS);
	report(AUDIO, 1800000005000, AUDIO_TS);
	ck_assert(entry_at_key(ch, 3, first));
	ck_assert_uint_eq((uint16_t)first[VIDEO], nth(VIDEO, 297));
	ck_assert_int_eq(first[AUDIO], -1);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("keyframe");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_codecs_have_the_names_of_sdp);
	tcase_add_test(t, test_h264_begins_with_an_idr_picture_however_it_is_packed);
	tcase_add_test(t, test_h264_begins_with_a_recovery_point_that_needs_no_others);
	tcase_add_test(t, test_h265_begins_with_an_irap_picture_however_it_is_packed);
	tcase_add_test(t, test_what_is_cut_short_or_of_no_codec_is_no_key_frame);
	tcase_add_test(t, test_mpeg_ts_begins_with_the_tables_before_a_key_frame);
	tcase_add_test(t, test_mpeg_ts_fields_that_fill_their_packet_are_no_key_frame);
	tcase_add_test(t, test_the_newest_counts_and_what_comes_late_does_not);
	tcase_add_test(t, test_a_player_begins_with_the_parameters_of_the_newest_key_frame);
	tcase_add_test(t, test_sender_reports_say_which_sound_belongs_to_the_picture);
	tcase_add_test(t, test_reports_that_are_hours_apart_are_not_believed);
	tcase_add_test(t, test_who_plays_only_sound_begins_with_what_is_live);
	tcase_add_test(t, test_a_key_frame_that_the_ring_has_no_more_is_none);
	tcase_add_test(t, test_a_source_that_numbers_anew_has_no_key_frame_yet);
	tcase_add_test(t, test_sound_that_is_behind_is_waited_for);
	return run_case("keyframe", t);
}
