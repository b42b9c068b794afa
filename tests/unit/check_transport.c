/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters of headers, and the Transport header as players really write it. */
#include "lib/text.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/run.h"

static const struct {
	const char *text, *name;
	const char *value; /* NULL: not there */
} params[] = {
	{"12345678;timeout=60", "timeout", "60"},
	{"12345678 ; Timeout = 60 ;x", "timeout", "60"},
	{"12345678;timeout=60", "12345678", ""},
	{"12345678;timeout=60", "time", NULL},
	{"a=\"x;b=1\";b=2", "b", "2"},
	{"a=\"x\\\";b=1\";b=2", "b", "2"},
	{"a=\"x;b=1", "b", NULL},
	{"a=\"x;b=1", "a", "\"x;b=1"},
	{"a=\"\"", "a", ""},
	{"a=\"", "a", "\""},
	{"a=b=c", "a", "b=c"},
	{"url=rtsp://h/t=0;seq=7;rtptime=9", "url", "rtsp://h/t=0"},
	{"url=rtsp://h/t=0;seq=7;rtptime=9", "seq", "7"},
	{"a;a=2", "a", ""},
	{";;a=2;", "a", "2"},
	{"", "a", NULL},
	{"a=\"x\\", "b", NULL},
};

START_TEST(test_parameter_is_found_by_its_name)
{
	struct slice v = SLICE("untouched");
	bool found = text_param(slice_of(params[_i].text), params[_i].name, &v);

	ck_assert_int_eq(found, params[_i].value != NULL);
	ck_assert(slice_eq(v, slice_of(found ? params[_i].value : "untouched")));
}
END_TEST

START_TEST(test_ffmpeg_asks_for_udp)
{
	struct rtsp_transport t;

	ck_assert_int_eq(
		rtsp_transport_parse(&t, SLICE("RTP/AVP/UDP;unicast;client_port=17910-17911")), 0);
	ck_assert(!t.tcp && !t.multicast && !t.record);
	ck_assert(t.has_client_port && !t.has_server_port && !t.has_interleaved && !t.has_ssrc);
	ck_assert_uint_eq(t.client_port[0], 17910);
	ck_assert_uint_eq(t.client_port[1], 17911);
	ck_assert_uint_eq(t.source.n + t.destination.n, 0);
}
END_TEST

START_TEST(test_ffmpeg_records_over_tcp)
{
	struct rtsp_transport t;

	ck_assert_int_eq(
		rtsp_transport_parse(&t, SLICE("RTP/AVP/TCP;unicast;interleaved=0-1;mode=record")),
		0);
	ck_assert(t.tcp && t.record && t.has_interleaved);
	ck_assert_uint_eq(t.interleaved[0], 0);
	ck_assert_uint_eq(t.interleaved[1], 1);
}
END_TEST

START_TEST(test_gstreamer_offers_alternatives)
{
	struct rtsp_transport t;

	ck_assert_int_eq(rtsp_transport_parse(
				 &t, SLICE("RTP/SAVP;unicast;client_port=1-2, RTP/AVPF;unicast;"
					   "client_port=50000-50001,RTP/AVP/TCP;interleaved=0-1")),
		0);
	ck_assert(!t.tcp);
	ck_assert_uint_eq(t.client_port[0], 50000);
}
END_TEST

START_TEST(test_answer_of_a_server)
{
	struct rtsp_transport t;

	ck_assert_int_eq(
		rtsp_transport_parse(
			&t, SLICE("rtp/avp; UNICAST ;Source=10.0.0.9;destination=\"::1\";"
				  "client_port=5000-5001;server_port=7704-7705;ssrc=00C0ffEE;x=y;"
				  "mode=\"PLAY\"")),
		0);
	ck_assert(!t.record && t.has_ssrc);
	ck_assert_uint_eq(t.ssrc, 0xc0ffee);
	ck_assert_uint_eq(t.server_port[0], 7704);
	ck_assert_uint_eq(t.server_port[1], 7705);
	ck_assert(slice_eq(t.source, SLICE("10.0.0.9")));
	ck_assert(slice_eq(t.destination, SLICE("::1")));
}
END_TEST

START_TEST(test_ssrc_of_every_digit)
{
	struct rtsp_transport t;

	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP;ssrc=01234567")), 0);
	ck_assert_uint_eq(t.ssrc, 0x01234567);
	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP;ssrc=89abcdef")), 0);
	ck_assert_uint_eq(t.ssrc, 0x89abcdef);
	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP;ssrc=9aFfA0")), 0);
	ck_assert_uint_eq(t.ssrc, 0x9affa0);
	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP;ssrc=`")), -EINVAL);
	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP;ssrc=:")), -EINVAL);
}
END_TEST

START_TEST(test_one_port_stands_for_it_and_the_next)
{
	struct rtsp_transport t;

	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP;client_port=65534")), 0);
	ck_assert_uint_eq(t.client_port[1], 65535);
	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP/TCP;interleaved=254")), 0);
	ck_assert_uint_eq(t.interleaved[1], 255);
	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP;client_port=7-7")), 0);
	ck_assert_uint_eq(t.client_port[1], 7);
}
END_TEST

START_TEST(test_mode_is_one_of_a_list_in_quotes)
{
	struct rtsp_transport t;

	ck_assert_int_eq(
		rtsp_transport_parse(&t, SLICE("RTP/AVP;mode=\"PLAY,RECORD\";multicast")), 0);
	ck_assert(t.record && t.multicast);
	ck_assert(!t.has_port && !t.ttl);
	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP;mode=Receive")), 0);
	ck_assert(t.record);
	ck_assert_int_eq(rtsp_transport_parse(&t, SLICE("RTP/AVP;mode=recorder")), 0);
	ck_assert(!t.record);
}
END_TEST

static const struct {
	const char *text;
	int rc;
} bad[] = {
	{"", -EPROTONOSUPPORT},
	{",", -EPROTONOSUPPORT},
	{";", -EPROTONOSUPPORT},
	{"RTP", -EPROTONOSUPPORT},
	{"RTP/SAVP;unicast", -EPROTONOSUPPORT},
	{"RTP/AVP/SCTP;unicast", -EPROTONOSUPPORT},
	{"RTP/AVP/UDP/X;unicast", -EPROTONOSUPPORT},
	{"RAW/RAW/UDP;unicast;client_port=1-2", -EPROTONOSUPPORT},
	{"\"RTP/AVP\"", -EPROTONOSUPPORT},
	{"RTP/AVP;client_port=0-1", -EINVAL},
	{"RTP/AVP;client_port=65535", -EINVAL},
	{"RTP/AVP;client_port=65535-65536", -EINVAL},
	{"RTP/AVP;client_port=5-4", -EINVAL},
	{"RTP/AVP;client_port=5-", -EINVAL},
	{"RTP/AVP;client_port=-5", -EINVAL},
	{"RTP/AVP;client_port=", -EINVAL},
	{"RTP/AVP;client_port", -EINVAL},
	{"RTP/AVP;client_port=5-6-7", -EINVAL},
	{"RTP/AVP;server_port=a-b", -EINVAL},
	{"RTP/AVP/TCP;interleaved=0-256", -EINVAL},
	{"RTP/AVP/TCP;interleaved=255", -EINVAL},
	{"RTP/AVP/TCP;interleaved=1-0", -EINVAL},
	{"RTP/AVP;ssrc=", -EINVAL},
	{"RTP/AVP;ssrc=123456789", -EINVAL},
	{"RTP/AVP;ssrc=12G4", -EINVAL},
	{"RTP/AVP;multicast;port=0-1", -EINVAL},
	{"RTP/AVP;multicast;ttl=0", -EINVAL},
	{"RTP/AVP;multicast;ttl=256", -EINVAL},
	{"RTP/AVP;client_port=0-1,RTP/AVP/TCP;interleaved=0-1", -EINVAL},
};

START_TEST(test_unknown_and_malformed_transports_are_told_apart)
{
	struct rtsp_transport t;

	ck_assert_int_eq(rtsp_transport_parse(&t, slice_of(bad[_i].text)), bad[_i].rc);
}
END_TEST

START_TEST(test_what_is_written_is_read_back)
{
	struct rtsp_transport t = {.multicast = true,
		.record = true,
		.has_client_port = true,
		.has_server_port = true,
		.has_port = true,
		.has_ssrc = true,
		.port = {7710, 7711},
		.ttl = 16,
		.client_port = {1, 65535},
		.server_port = {7704, 7705},
		.ssrc = 0xdeadbeef,
		.source = SLICE("10.0.0.1"),
		.destination = SLICE("239.0.0.1")};
	struct rtsp_transport back;
	char mem[200];
	struct sbuf b;

	sbuf_init(&b, mem, sizeof(mem));
	rtsp_transport_write(&b, &t);
	ck_assert_str_eq(mem, "RTP/"
			      "AVP;multicast;destination=239.0.0.1;source=10.0.0.1;port=7710-7711;"
			      "ttl=16;client_port=1-65535;"
			      "server_port=7704-7705;ssrc=DEADBEEF;mode=record");
	ck_assert_int_eq(rtsp_transport_parse(&back, (struct slice){b.p, b.n}), 0);
	ck_assert(back.multicast && back.record && !back.tcp && !back.has_interleaved);
	ck_assert_uint_eq(back.client_port[1], 65535);
	ck_assert(back.has_port && back.port[0] == 7710 && back.ttl == 16);
	ck_assert_uint_eq(back.ssrc, 0xdeadbeef);
	ck_assert(slice_eq(back.source, t.source) && slice_eq(back.destination, t.destination));

	t = (struct rtsp_transport){.tcp = true, .has_interleaved = true, .interleaved = {2, 3}};
	sbuf_init(&b, mem, sizeof(mem));
	rtsp_transport_write(&b, &t);
	ck_assert_str_eq(mem, "RTP/AVP/TCP;unicast;interleaved=2-3");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("transport");

	tcase_add_loop_test(
		t, test_parameter_is_found_by_its_name, 0, sizeof(params) / sizeof(params[0]));
	tcase_add_test(t, test_ffmpeg_asks_for_udp);
	tcase_add_test(t, test_ffmpeg_records_over_tcp);
	tcase_add_test(t, test_gstreamer_offers_alternatives);
	tcase_add_test(t, test_answer_of_a_server);
	tcase_add_test(t, test_ssrc_of_every_digit);
	tcase_add_test(t, test_one_port_stands_for_it_and_the_next);
	tcase_add_test(t, test_mode_is_one_of_a_list_in_quotes);
	tcase_add_loop_test(t, test_unknown_and_malformed_transports_are_told_apart, 0,
		sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(t, test_what_is_written_is_read_back);
	return run_case("transport", t);
}
