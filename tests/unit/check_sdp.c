/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptions as ffmpeg 5.1 and GStreamer 1.22 announce them, and broken ones. */
#include "lib/sdp.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

static const char ffmpeg[] =
	"v=0\r\n"
	"o=- 0 0 IN IP4 127.0.0.1\r\n"
	"s=No Name\r\n"
	"c=IN IP4 127.0.0.1\r\n"
	"t=0 0\r\n"
	"a=tool:libavformat LIBAVFORMAT_VERSION\r\n"
	"m=video 0 RTP/AVP 96\r\n"
	"a=rtpmap:96 H264/90000\r\n"
	"a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z/QAC5GWgoR+JwEQAAADABAAAAMDIPFCqg==,"
	"aM4PGSA=; profile-level-id=F4000B\r\n"
	"a=control:streamid=0\r\n"
	"m=audio 0 RTP/AVP 97\r\n"
	"b=AS:69\r\n"
	"a=rtpmap:97 MPEG4-GENERIC/44100/1\r\n"
	"a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; "
	"config=120856E500\r\n"
	"a=control:streamid=1\r\n";

static const char gstreamer[] =
	"v=0\r\n"
	"o=- 3509388325 1 IN IP4 127.0.0.1\r\n"
	"s=Session streamed with GStreamer\r\n"
	"i=rtspclientsink\r\n"
	"t=0 0\r\n"
	"a=tool:GStreamer\r\n"
	"m=audio 0 RTP/AVP 96\r\n"
	"c=IN IP4 0.0.0.0\r\n"
	"b=AS:69\r\n"
	"a=rtpmap:96 MP4A-LATM/44100\r\n"
	"a=fmtp:96 cpresent=0;config=40002410adca00\r\n"
	"a=control:stream=1\r\n"
	"a=ts-refclk:local\r\n"
	"a=mediaclk:sender\r\n"
	"a=ssrc:266040631 cname:user3819818814@host-d4aff7e1\r\n"
	"m=video 0 RTP/AVP 99\r\n"
	"c=IN IP4 0.0.0.0\r\n"
	"b=AS:119\r\n"
	"a=rtpmap:99 H264/90000\r\n"
	"a=framerate:25\r\n"
	"a=fmtp:99 packetization-mode=1;sprop-parameter-sets=Z/QAC5GWgoR+JwEQAAADABAAAAMDIPFCqg==,"
	"aM4PGSA=\r\n"
	"a=control:stream=0\r\n"
	"a=ts-refclk:local\r\n"
	"a=mediaclk:sender\r\n"
	"a=ssrc:428818028 cname:user3819818814@host-d4aff7e1\r\n";

static const char gstreamer_ts[] = "v=0\r\n"
				   "o=- 456840459 1 IN IP4 127.0.0.1\r\n"
				   "s=Session streamed with GStreamer\r\n"
				   "i=rtspclientsink\r\n"
				   "t=0 0\r\n"
				   "a=tool:GStreamer\r\n"
				   "m=video 0 RTP/AVP 33\r\n"
				   "c=IN IP4 0.0.0.0\r\n"
				   "a=rtpmap:33 MP2T/90000\r\n"
				   "a=control:stream=0\r\n"
				   "a=ts-refclk:local\r\n"
				   "a=mediaclk:sender\r\n"
				   "a=ssrc:2225689085 cname:user2561203205@host-90f2f376\r\n";

static const char *const real[] = {ffmpeg, gstreamer, gstreamer_ts};

static struct sdp s;
static char *block;

static int parse(const char *z)
{
	size_t n = strlen(z);

	free(block);
	block = malloc(n ? n : 1);
	memcpy(block, z, n);
	return sdp_parse(&s, (struct slice){block, n});
}

static void teardown(void)
{
	free(block);
	block = NULL;
}

static char out_mem[SDP_MAX_SIZE];

static const char *rewrite(const char *z)
{
	struct sbuf b;

	sbuf_init(&b, out_mem, sizeof(out_mem));
	ck_assert_int_eq(sdp_rewrite(&b, slice_of(z)), 0);
	return out_mem;
}

static void expect_media(
	int i, const char *kind, int pt, const char *encoding, unsigned rate, const char *control)
{
	const struct sdp_media *m = &s.media[i];

	ck_assert(slice_eq(m->kind, slice_of(kind)));
	ck_assert_int_eq(m->pt, pt);
	ck_assert(slice_eq(m->encoding, slice_of(encoding)));
	ck_assert_uint_eq(m->clock_rate, rate);
	ck_assert(slice_eq(m->control, slice_of(control)));
}

START_TEST(test_ffmpeg_announces_h264_and_aac)
{
	ck_assert_int_eq(parse(ffmpeg), 0);
	ck_assert(slice_eq(s.name, SLICE("No Name")));
	ck_assert_uint_eq(s.control.n, 0);
	ck_assert_int_eq(s.medias, 2);
	expect_media(0, "video", 96, "H264", 90000, "streamid=0");
	expect_media(1, "audio", 97, "MPEG4-GENERIC", 44100, "streamid=1");
}
END_TEST

START_TEST(test_gstreamer_announces)
{
	ck_assert_int_eq(parse(gstreamer), 0);
	ck_assert_int_eq(s.medias, 2);
	expect_media(0, "audio", 96, "MP4A-LATM", 44100, "stream=1");
	expect_media(1, "video", 99, "H264", 90000, "stream=0");
	ck_assert_int_eq(parse(gstreamer_ts), 0);
	ck_assert_int_eq(s.medias, 1);
	expect_media(0, "video", 33, "MP2T", 90000, "stream=0");
}
END_TEST

START_TEST(test_description_for_clients_of_the_node)
{
	ck_assert_str_eq(rewrite(ffmpeg),
		"v=0\r\n"
		"o=- 0 0 IN IP4 127.0.0.1\r\n"
		"s=No Name\r\n"
		"c=IN IP4 0.0.0.0\r\n"
		"t=0 0\r\n"
		"a=tool:libavformat LIBAVFORMAT_VERSION\r\n"
		"a=control:*\r\n"
		"m=video 0 RTP/AVP 96\r\n"
		"a=rtpmap:96 H264/90000\r\n"
		"a=fmtp:96 packetization-mode=1; "
		"sprop-parameter-sets=Z/QAC5GWgoR+JwEQAAADABAAAAMDIPFCqg==,aM4PGSA=; "
		"profile-level-id=F4000B\r\n"
		"a=control:trackID=0\r\n"
		"m=audio 0 RTP/AVP 97\r\n"
		"b=AS:69\r\n"
		"a=rtpmap:97 MPEG4-GENERIC/44100/1\r\n"
		"a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
		"indexdeltalength=3; config=120856E500\r\n"
		"a=control:trackID=1\r\n");
}
END_TEST

START_TEST(test_bandwidth_is_the_sessions_or_that_of_all_media)
{
#define MEDIA(b) "m=video 0 RTP/AVP 96\r\n" b "m=audio 0 RTP/AVP 97\r\n" b
	static const struct {
		const char *text;
		uint64_t kbps;
	} t[] = {
		{"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\n" MEDIA(""), 0},
		{"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\n" MEDIA("b=AS:700\r\n"), 1400},
		{"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nb=AS:900\r\nt=0 0\r\n" MEDIA("b=AS:700\r\n"),
			900},
		{"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nb=TIAS:900\r\nb=AS:\r\nb=AS:-1\r\nb=AS\r\n"
		 "t=0 0\r\n" MEDIA("b=RR:5\r\n"),
			0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct sdp s;

		ck_assert_int_eq(sdp_parse(&s, slice_of(t[i].text)), 0);
		ck_assert_uint_eq(sdp_kbps(&s), t[i].kbps);
	}
}
END_TEST

START_TEST(test_addresses_and_ports_are_zeroed)
{
	ck_assert_str_eq(rewrite("v=0\no=- 1 1 IN IP6 ::1\ns=\nc=IN IP6 ff15::1/3\nt=0 0\n"
				 "a=control:rtsp://h/x\nm=video 5004/2 RTP/AVP 33 96\n"
				 "c=IN IP4 239.1.2.3/127\na=control:rtsp://h/x/1\na=recvonly"),
		"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=\r\nc=IN IP6 ::\r\nt=0 0\r\na=control:*\r\n"
		"m=video 0 RTP/AVP 33 96\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\n"
		"a=control:trackID=0\r\n");
}
END_TEST

/* A node's description may become an upstream's. */
START_TEST(test_rewriting_again_changes_nothing)
{
	char *once = strdup(rewrite(real[_i]));

	ck_assert_str_eq(rewrite(once), once);
	ck_assert_int_eq(parse(once), 0);
	ck_assert(slice_eq(s.control, SLICE("*")));
	for (int i = 0; i < s.medias; i++) {
		char want[20];

		snprintf(want, sizeof(want), "trackID=%d", i);
		ck_assert(slice_eq(s.media[i].control, slice_of(want)));
	}
	free(once);
}
END_TEST

/* Each line that is about neither address nor control is still there, in its order. */
START_TEST(test_all_other_lines_are_kept)
{
	const char *after = rewrite(real[_i]);
	struct slice text = slice_of(real[_i]);

	while (text.n) {
		struct slice line = slice_trim(slice_cut(&text, '\n'));
		char *z = strndup(line.p, line.n);

		if (*z != 'c' && *z != 'm' && strncmp(z, "a=control:", 10) != 0) {
			after = strstr(after, z);
			ck_assert_msg(after != NULL, "lost: %s", z);
		}
		free(z);
	}
}
END_TEST

START_TEST(test_bare_line_feeds_and_empty_lines_are_tolerated)
{
	char *lf = strdup(ffmpeg), *to = lf;

	for (const char *from = ffmpeg; *from; from++)
		if (*from != '\r')
			*to++ = *from;
	*to = '\0';
	ck_assert_int_eq(parse(lf), 0);
	ck_assert_int_eq(s.medias, 2);
	expect_media(1, "audio", 97, "MPEG4-GENERIC", 44100, "streamid=1");
	free(lf);
	ck_assert_int_eq(parse("\r\n\nv=0\r\n\r\nm=audio 0 RTP/AVP 0\r\n\r\n"), 0);
}
END_TEST

static const struct {
	const char *media;
	const char *encoding;
	unsigned rate;
} clocks[] = {
	{"m=audio 0 RTP/AVP 0", "PCMU", 8000},
	{"m=audio 0 RTP/AVP 14 96\na=rtpmap:96 X/1", "MPA", 90000},
	{"m=video 0 RTP/AVP 33", "MP2T", 90000},
	{"m=video 0 RTP/AVP 33\na=rtpmap:33 Y/1000", "Y", 1000},
	{"m=audio 0 RTP/AVP 10", "L16", 44100},
	{"m=video 0 RTP/AVP 96", "", 90000},
	{"m=video 0 RTP/AVP 127\na=rtpmap:127  Z/4294967295/2", "Z", 4294967295u},
};

START_TEST(test_encoding_and_clock_rate)
{
	char text[200];

	snprintf(text, sizeof(text), "v=0\n%s\n", clocks[_i].media);
	ck_assert_int_eq(parse(text), 0);
	ck_assert(slice_eq(s.media[0].encoding, slice_of(clocks[_i].encoding)));
	ck_assert_uint_eq(s.media[0].clock_rate, clocks[_i].rate);
}
END_TEST

static const char *const bad[] = {
	"",
	"\r\n",
	"v=0\r\n",
	"v=1\r\nm=audio 0 RTP/AVP 0\r\n",
	"m=audio 0 RTP/AVP 0\r\n",
	"s=x\r\nv=0\r\nm=audio 0 RTP/AVP 0\r\n",
	"v=0\r\nm=audio 0 RTP/AVP\r\n",
	"v=0\r\nm=audio 0 RTP/AVP \r\n",
	"v=0\r\nm=audio 0  0\r\n",
	"v=0\r\nm=audio RTP/AVP 0\r\n",
	"v=0\r\nm= 0 RTP/AVP 0\r\n",
	"v=0\r\nm=\r\n",
	"v=0\r\nm=audio x RTP/AVP 0\r\n",
	"v=0\r\nm=audio 65536 RTP/AVP 0\r\n",
	"v=0\r\nm=audio 0 RTP/AVP 128\r\n",
	"v=0\r\nm=audio 0 RTP/AVP -1\r\n",
	"v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
	"v=0\r\nm=audio 0 RTP/AVP 0\r\nx\r\n",
	"v=0\r\nm=audio 0 RTP/AVP 0\r\nx:y\r\n",
	"v=0\r\nm=audio 0 RTP/AVP 0\r\nA=y\r\n",
	"v=0\r\nm=audio 0 RTP/AVP 0\r\n =y\r\n",
	"v=0\r\nm=audio 0 RTP/AVP 0\r\na=x\ry\r\n",
	"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264\r\n",
	"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/0\r\n",
	"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/x\r\n",
	"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 /90000\r\n",
	"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96\r\n",
	"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:x H264/90000\r\n",
};

START_TEST(test_broken_description_is_refused)
{
	struct sbuf b;

	ck_assert_int_eq(parse(bad[_i]), -EINVAL);
	sbuf_init(&b, out_mem, sizeof(out_mem));
	ck_assert_int_eq(sdp_rewrite(&b, slice_of(bad[_i])), -EINVAL);
	ck_assert_uint_eq(b.n, 0);
}
END_TEST

START_TEST(test_nul_is_refused)
{
	ck_assert_int_eq(sdp_parse(&s, SLICE("v=0\nm=audio 0 RTP/AVP 0\na=x\0y\n")), -EINVAL);
}
END_TEST

START_TEST(test_most_media_and_one_more)
{
	char text[600];
	struct sbuf b;

	sbuf_init(&b, text, sizeof(text));
	sbuf_printf(&b, "v=0\r\n");
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		sbuf_printf(&b, "m=audio 0 RTP/AVP %d\r\n", i);
	ck_assert_int_eq(parse(text), 0);
	ck_assert_int_eq(s.medias, SDP_MAX_MEDIA);
	sbuf_printf(&b, "m=audio 0 RTP/AVP 0\r\n");
	ck_assert_int_eq(parse(text), -E2BIG);
}
END_TEST

START_TEST(test_longest_description_and_one_byte_more)
{
	static const char begin[] = "v=0\nm=audio 0 RTP/AVP 0\na=";
	char *p = malloc(SDP_MAX_SIZE + 1);

	memset(p, 'x', SDP_MAX_SIZE + 1);
	memcpy(p, begin, sizeof(begin) - 1);
	ck_assert_int_eq(sdp_parse(&s, (struct slice){p, SDP_MAX_SIZE}), 0);
	ck_assert_int_eq(sdp_parse(&s, (struct slice){p, SDP_MAX_SIZE + 1}), -E2BIG);
	free(p);
}
END_TEST

START_TEST(test_rewritten_description_fits_or_is_an_error)
{
	size_t need = strlen(rewrite(ffmpeg));

	for (size_t cap = 1; cap <= need + 1; cap++) {
		char *mem = malloc(cap);
		struct sbuf b;

		sbuf_init(&b, mem, cap);
		ck_assert_int_eq(sdp_rewrite(&b, slice_of(ffmpeg)), cap > need ? 0 : -ENOSPC);
		free(mem);
	}
}
END_TEST

#define VIDEO                                                                                      \
	"v=0\no=- 1 1 IN IP4 h\ns=x\nb=AS:500\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"     \
	"a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS\n"      \
	"a=control:streamid=0\n"

static const struct {
	const char *other;
	bool alike;
} pairs[] = {
	{VIDEO, true},
	/* Numbers of the session, names, where it is to be had: all that is not of the coding. */
	{"v=0\no=- 77 9 IN IP4 h\ns=again\nm=video 5000 RTP/AVP 96\na=rtpmap:96 h264/90000\n"
	 "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS\n"
	 "a=fmtp:97 x\na=ssrc:1 cname:x\na=control:trackID=0\n",
		true},
	{VIDEO "m=audio 0 RTP/AVP 0\n", false},
	{"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n", false},
	{"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=0\n",
		false},
	{"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\n"
	 "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS\n",
		false},
	{"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/48000\n"
	 "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS\n",
		false},
	{"v=0\nm=video 0 RTP/AVP 97\na=rtpmap:97 H264/90000\n"
	 "a=fmtp:97 packetization-mode=1; sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS\n",
		false},
};

START_TEST(test_alike_is_what_plays_alike)
{
	struct sdp other;

	ck_assert_int_eq(parse(VIDEO), 0);
	ck_assert_int_eq(sdp_parse(&other, slice_of(pairs[_i].other)), 0);
	ck_assert_int_eq(sdp_alike(&s, &other), pairs[_i].alike);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("sdp");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, test_ffmpeg_announces_h264_and_aac);
	tcase_add_test(t, test_gstreamer_announces);
	tcase_add_test(t, test_description_for_clients_of_the_node);
	tcase_add_test(t, test_bandwidth_is_the_sessions_or_that_of_all_media);
	tcase_add_test(t, test_addresses_and_ports_are_zeroed);
	tcase_add_loop_test(t, test_rewriting_again_changes_nothing, 0, 3);
	tcase_add_loop_test(t, test_all_other_lines_are_kept, 0, 3);
	tcase_add_test(t, test_bare_line_feeds_and_empty_lines_are_tolerated);
	tcase_add_loop_test(t, test_encoding_and_clock_rate, 0, sizeof(clocks) / sizeof(clocks[0]));
	tcase_add_loop_test(t, test_broken_description_is_refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_loop_test(t, test_alike_is_what_plays_alike, 0, sizeof(pairs) / sizeof(pairs[0]));
	tcase_add_test(t, test_nul_is_refused);
	tcase_add_test(t, test_most_media_and_one_more);
	tcase_add_test(t, test_longest_description_and_one_byte_more);
	tcase_add_test(t, test_rewritten_description_fits_or_is_an_error);
	return run_case("sdp", t);
}
