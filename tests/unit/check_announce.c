/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The announcement's CBOR: both ways, and every way in which it can be wrong. */
#include "lib/wire.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static struct announce a;
static uint8_t buf[WIRE_MAX];
static const char *why;

static void setup(void)
{
	a = (struct announce){.role = ROLE_SN,
		.id = "sn806",
		.addr = literal("10.2.0.6"),
		.rtsp_port = 554,
		.http_port = 8080,
		.draining = true,
		.healthy = true,
		.sessions = 12,
		.max_sessions = 4294967295u,
		.kbps = 8000,
		.max_kbps = ANNOUNCE_MAX_KBPS,
		.weight = 65535,
		.interval_ms = 200};
}

/* Decodes a copy in a block of exactly its size. */
static int decode_n(struct announce *into, const void *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	int rc;

	memcpy(copy, p, n);
	rc = announce_decode(into, copy, n, &why);
	free(copy);
	ck_assert_int_eq(rc == 0, why == NULL);
	return rc;
}

static void same(const struct announce *x, const struct announce *y)
{
	ck_assert_int_eq(x->role, y->role);
	ck_assert_str_eq(x->id, y->id);
	ck_assert_int_eq(addr_cmp(&x->addr, &y->addr), 0);
	ck_assert_uint_eq(x->rtsp_port, y->rtsp_port);
	ck_assert_uint_eq(x->http_port, y->http_port);
	ck_assert_int_eq(x->draining, y->draining);
	ck_assert_int_eq(x->healthy, y->healthy);
	ck_assert_uint_eq(x->sessions, y->sessions);
	ck_assert_uint_eq(x->max_sessions, y->max_sessions);
	ck_assert_uint_eq(x->kbps, y->kbps);
	ck_assert_uint_eq(x->max_kbps, y->max_kbps);
	ck_assert_uint_eq(x->weight, y->weight);
	ck_assert_uint_eq(x->interval_ms, y->interval_ms);
	ck_assert_int_eq(addr_cmp(&x->block.addr, &y->block.addr), 0);
	ck_assert_uint_eq(x->block.len, y->block.len);
	ck_assert_int_eq(x->standing, y->standing);
	ck_assert_int_eq(x->master, y->master);
	ck_assert_uint_eq(x->peer_port, y->peer_port);
	ck_assert(x->serves == y->serves);
	ck_assert_uint_eq(x->attached, y->attached);
	ck_assert_uint_eq(x->channels, y->channels);
	for (int i = 0; i < x->channels; i++) {
		ck_assert_uint_eq(x->channel[i], y->channel[i]);
		ck_assert_uint_eq(x->channel_kbps[i], y->channel_kbps[i]);
	}
	ck_assert_str_eq(x->place, y->place);
	ck_assert_uint_eq(x->refused, y->refused);
	for (int i = 0; i < x->refused; i++)
		ck_assert_uint_eq(x->refuses[i], y->refuses[i]);
}

START_TEST(test_what_was_encoded_is_decoded)
{
	static const char *const ids[] = {
		"a", "A-Z_a-z.0-9", "01234567890123456789012345678901234567890123456"};
	static const char *const addrs[] = {"10.2.0.6", "2001:db8::6", "127.0.0.1", "::1"};

	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 4; k++) {
			struct announce b;
			int n;

			strcpy(a.id, ids[i]);
			a.addr = literal(addrs[k]);
			a.role = k % 2 ? ROLE_ARN : ROLE_SN;
			a.healthy = i % 2;
			n = announce_encode(&a, buf, sizeof(buf));
			ck_assert_int_gt(n, 0);
			ck_assert_int_eq(decode_n(&b, buf, (size_t)n), 0);
			same(&a, &b);
		}
}
END_TEST

START_TEST(test_channels_that_a_node_refuses_are_decoded)
{
	struct announce b;
	int n;

	for (int refused = 0; refused <= ANNOUNCE_REFUSED; refused++) {
		a.refused = (uint16_t)refused;
		for (int i = 0; i < refused; i++)
			a.refuses[i] = 5 + 268435455u * (uint32_t)i;
		n = announce_encode(&a, buf, sizeof(buf));
		ck_assert_int_gt(n, 0);
		ck_assert_int_eq(decode_n(&b, buf, (size_t)n), 0);
		same(&a, &b);
	}
	for (int i = 0; i < ANNOUNCE_REFUSED; i++)
		ck_assert(announce_refuses(&b, a.refuses[i]));
	ck_assert(!announce_refuses(&b, 6));
	a.refuses[5] = a.refuses[4];
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	a.refused = ANNOUNCE_REFUSED + 1;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
}
END_TEST

START_TEST(test_channels_that_a_node_carries_are_decoded)
{
	struct announce b;
	int n;

	for (int channels = 0; channels <= ANNOUNCE_CHANNELS; channels += 64) {
		a.channels = (uint16_t)channels;
		a.attached = channels ? UINT32_MAX : 0;
		for (int i = 0; i < channels; i++) {
			a.channel[i] = 7 + 33554431u * (uint32_t)i;
			a.channel_kbps[i] = (uint16_t)(511 * i);
		}
		n = announce_encode(&a, buf, sizeof(buf));
		ck_assert_int_gt(n, 0);
		ck_assert_int_eq(decode_n(&b, buf, (size_t)n), 0);
		same(&a, &b);
	}
	for (int i = 0; i < ANNOUNCE_CHANNELS; i++)
		ck_assert_int_eq(announce_find_channel(&b, a.channel[i]), i);
	ck_assert_int_eq(announce_find_channel(&b, 6), -1);
	ck_assert_int_eq(announce_find_channel(&b, 8), -1);
	ck_assert_int_eq(announce_find_channel(&b, UINT32_MAX), -1);
	a.channel[5] = a.channel[4];
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	a.channels = ANNOUNCE_CHANNELS + 1;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
}
END_TEST

START_TEST(test_place_is_decoded)
{
	static const char *const places[] = {
		"", "a", "sanjose.california.pacificcoast.usa.northamerica"};
	struct announce b;
	int n;

	for (size_t i = 0; i < 3; i++) {
		strcpy(a.place, places[i]);
		n = announce_encode(&a, buf, sizeof(buf));
		ck_assert_int_gt(n, 0);
		ck_assert_int_eq(decode_n(&b, buf, (size_t)n), 0);
		same(&a, &b);
	}
	strcpy(a.place, "San Jose");
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	memset(a.place, 'a', sizeof(a.place)); /* no end */
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
}
END_TEST

/* The longest of each, and nothing is left out. */
START_TEST(test_largest_announcement_fits_into_a_datagram)
{
	a.role = ROLE_ARN;
	memset(a.id, 'a', sizeof(a.id) - 1);
	a.addr = literal("2001:db8::6");
	a.rtsp_port = a.http_port = a.peer_port = a.control_port = a.weight = UINT16_MAX;
	a.draining = a.healthy = a.master = a.serves = a.attaches = true;
	a.sessions = a.max_sessions = a.attached = a.delay_us = UINT32_MAX;
	a.kbps = a.max_kbps = ANNOUNCE_MAX_KBPS;
	a.interval_ms = ANNOUNCE_MAX_INTERVAL;
	ck_assert_int_eq(prefix_parse(&a.block, SLICE("fd18:27::/64")), 0);
	a.standing = STANDING_READY;
	a.trouble = (enum announce_trouble)UINT8_MAX;
	a.generation = UINT64_MAX;
	a.primes = SERVICE_RTSP | SERVICE_HTTP;
	for (a.channels = 0; a.channels < ANNOUNCE_CHANNELS; a.channels++)
		a.channel[a.channels] = a.channels;
	for (a.refused = 0; a.refused < ANNOUNCE_REFUSED; a.refused++)
		a.refuses[a.refused] = a.refused;
	memset(a.place, 'a', sizeof(a.place) - 1);
	a.place[63] = '.';
	ck_assert_int_gt(announce_encode(&a, buf, WIRE_MAX - WIRE_OVERHEAD), 0);
}
END_TEST

START_TEST(test_hash_of_a_channel_is_what_the_protocol_says)
{
	/* FNV-1a of 64 bits: of nothing cbf29ce484222325, of "a" af63dc4c8601ec8c. */
	ck_assert_uint_eq(announce_channel(SLICE("")), 0xcbf29ce4 ^ 0x84222325);
	ck_assert_uint_eq(announce_channel(SLICE("a")), 0xaf63dc4c ^ 0x8601ec8c);
}
END_TEST

START_TEST(test_what_an_arn_says_is_decoded)
{
	static const char *const blocks[] = {"10.1.18.0/24", "0.0.0.0/0", "10.1.18.27/32",
		"10.1.16.0/20", "fd18:27::/64", "::/0", "fd18::27/128"};

	for (size_t i = 0; i < 7; i++)
		for (int k = 0; k < 6; k++) {
			struct announce b;
			int n;

			a.role = ROLE_ARN;
			ck_assert_int_eq(prefix_parse(&a.block, slice_of(blocks[i])), 0);
			a.standing = (enum announce_standing)(k % 3);
			a.master = k >= 3;
			a.serves = k % 2;
			a.peer_port = (uint16_t)(k * 13107);
			n = announce_encode(&a, buf, sizeof(buf));
			ck_assert_int_gt(n, 0);
			ck_assert_int_eq(decode_n(&b, buf, (size_t)n), 0);
			same(&a, &b);
		}
	a.block.addr = literal("10.1.18.1");
	a.block.len = 24;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	a.block.len = 33;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	a.block = (struct prefix){0};
	a.standing = (enum announce_standing)3;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
}
END_TEST

/* Older nodes know 13 keys: those of a service node are these and no more. */
START_TEST(test_service_node_says_nothing_of_blocks)
{
	ck_assert_int_gt(announce_encode(&a, buf, sizeof(buf)), 0);
	ck_assert_uint_eq(buf[0], 0xa0 + 13);
}
END_TEST

START_TEST(test_numbers_of_every_width)
{
	for (unsigned shift = 0; shift < 40; shift++)
		for (int less = 0; less < 2; less++) {
			uint64_t v = (1ull << shift) - (unsigned)less;
			struct announce b;
			int n;

			a.kbps = a.max_kbps = v < ANNOUNCE_MAX_KBPS ? v : ANNOUNCE_MAX_KBPS;
			a.sessions = (uint32_t)v;
			a.weight = (uint16_t)v;
			n = announce_encode(&a, buf, sizeof(buf));
			ck_assert_int_eq(decode_n(&b, buf, (size_t)n), 0);
			same(&a, &b);
		}
}
END_TEST

START_TEST(test_encoder_fits_or_is_an_error)
{
	int need = announce_encode(&a, buf, sizeof(buf));

	for (int cap = 0; cap <= need; cap++) {
		uint8_t *p = malloc(cap ? (size_t)cap : 1);

		ck_assert_int_eq(
			announce_encode(&a, p, (size_t)cap), cap == need ? need : -EMSGSIZE);
		free(p);
	}
}
END_TEST

START_TEST(test_encoder_refuses_what_the_decoder_would)
{
	struct announce good = a;
	static const char *const ids[] = {"", "a b", "a/b", "\xc3\xa4"};
	static const char *const addrs[] = {
		"0.0.0.0", "::", "239.1.1.1", "ff02::1", "255.255.255.255", "::ffff:10.0.0.1"};

	for (size_t i = 0; i < 4; i++) {
		strcpy(a.id, ids[i]);
		ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	}
	memset(a.id, 'x', sizeof(a.id)); /* no end */
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	for (size_t i = 0; i < 6; i++) {
		a = good;
		a.addr = literal(addrs[i]);
		ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	}
	a = good;
	a.addr.sa.sa_family = AF_UNSPEC;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	a = good;
	a.role = (enum announce_role)3;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	a = good;
	a.interval_ms = ANNOUNCE_MIN_INTERVAL - 1;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	a.interval_ms = ANNOUNCE_MAX_INTERVAL + 1;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
	a = good;
	a.kbps = ANNOUNCE_MAX_KBPS + 1;
	ck_assert_int_eq(announce_encode(&a, buf, sizeof(buf)), -EINVAL);
}
END_TEST

START_TEST(test_cut_announcement_is_refused)
{
	int n = announce_encode(&a, buf, sizeof(buf));

	for (int i = 0; i < n; i++)
		ck_assert_int_eq(decode_n(&a, buf, (size_t)i), -EINVAL);
}
END_TEST

/* Bytes in hexadecimal; blanks between them. The four required pairs can be written short. */
#define ROLE     "01 01 "
#define ID       "02 61 61 "
#define ADDR     "03 44 0a020006 "
#define INTERVAL "0d 18c8 "

static int decode_hex(struct announce *into, const char *hex)
{
	uint8_t p[256];
	size_t n = 0;

	for (; *hex; hex++) {
		unsigned byte;

		if (*hex == ' ')
			continue;
		ck_assert_int_eq(sscanf(hex, "%2x", &byte), 1);
		p[n++] = (uint8_t)byte;
		hex++;
	}
	return decode_n(into, p, n);
}

START_TEST(test_least_announcement_has_defaults)
{
	ck_assert_int_eq(decode_hex(&a, "a4" ROLE ID ADDR INTERVAL), 0);
	ck_assert_int_eq(a.role, ROLE_SN);
	ck_assert_str_eq(a.id, "a");
	ck_assert_uint_eq(addr_port(&a.addr), 0);
	ck_assert_uint_eq(a.rtsp_port + a.http_port, 0);
	ck_assert(!a.draining && !a.healthy);
	ck_assert_uint_eq(a.sessions + a.max_sessions + a.kbps + a.max_kbps, 0);
	ck_assert_uint_eq(a.weight, 100);
	ck_assert_uint_eq(a.interval_ms, 200);
	ck_assert_int_eq(a.block.addr.sa.sa_family, AF_UNSPEC);
	ck_assert_int_eq(a.standing, STANDING_OUT);
	ck_assert(!a.master);
}
END_TEST

/* In any order, and numbers in more bytes than they need. */
START_TEST(test_order_and_width_do_not_matter)
{
	ck_assert_int_eq(decode_hex(&a, "a5" INTERVAL "04 1b000000000000022a" ADDR
					"1b0000000000000002 61 61 190001 1a00000002"),
		0);
	ck_assert_int_eq(a.role, ROLE_ARN);
	ck_assert_uint_eq(a.rtsp_port, 554);
}
END_TEST

static const char *const unknown[] = {
	"18ff 00",                      /* number */
	"1bffffffffffffffff 20",        /* greatest key, negative number */
	"1819 63 616263",               /* text */
	"1819 43 616263",               /* bytes */
	"1819 f6",                      /* null */
	"1819 f7",                      /* undefined */
	"1819 f97e00",                  /* floats */
	"1819 fb7ff8000000000000",      /* */
	"1819 80",                      /* empty array */
	"1819 a0",                      /* empty map */
	"1819 83 01 82 02 03 a1 04 05", /* nested */
	"1819 a2 01 02 61 61 f5",       /* map with keys that we know elsewhere */
	"1819 c1 c2 1a514b67b0",        /* tags */
	"1819 81 81 81 81 81 81 81 81 81 81 81 81 81 81 81 80",
};

START_TEST(test_unknown_key_is_skipped_whatever_its_value)
{
	char hex[200];

	snprintf(hex, sizeof(hex), "a5" ROLE "%s " ID ADDR INTERVAL, unknown[_i]);
	ck_assert_msg(decode_hex(&a, hex) == 0, "%s: %s", unknown[_i], why);
	ck_assert_str_eq(a.id, "a");
	ck_assert_uint_eq(a.interval_ms, 200);
}
END_TEST

static const struct {
	const char *hex, *why;
} wrong[] = {
	/* not one map */
	{"", "map"},
	{"00", "map"},
	{"84" ROLE ID, "map"},
	{"f6", "map"},
	{"bf" ROLE ID ADDR INTERVAL "ff", "map"}, /* of indefinite length */
	{"c1 a4" ROLE ID ADDR INTERVAL, "map"},   /* tagged */
	{"ff", "map"},
	{"1c", "map"}, /* reserved */
	{"a4" ROLE ID ADDR INTERVAL "00", "after"},
	{"a5" ROLE ID ADDR INTERVAL, "key"},
	{"bbffffffffffffffff" ROLE ID ADDR INTERVAL, "key"},
	{"a5" ROLE ID ADDR INTERVAL "04", "value"},
	{"a5" ROLE ID ADDR INTERVAL "61 61 00", "number"},
	{"a5" ROLE ID ADDR INTERVAL "20 00", "number"},
	{"a5" ROLE ID ADDR INTERVAL ROLE, "twice"},
	/* missing */
	{"a3" ID ADDR INTERVAL, "role"},
	{"a3" ROLE ADDR INTERVAL, "id"},
	{"a3" ROLE ID INTERVAL, "address"},
	{"a3" ROLE ID ADDR, "interval"},
	{"a0", "role"},
	/* kind and range of each */
	{"a4 01 00" ID ADDR INTERVAL, "role"},
	{"a4 01 03" ID ADDR INTERVAL, "role"},
	{"a4 01 20" ID ADDR INTERVAL, "role"},
	{"a4 01 f5" ID ADDR INTERVAL, "role"},
	{"a4 01 1b0000000100000001" ID ADDR INTERVAL, "role"},
	{"a4 02 60" ROLE ADDR INTERVAL, "id"},
	{"a4 02 41 61" ROLE ADDR INTERVAL, "id"},
	{"a4 02 7f 61 61 ff" ROLE ADDR INTERVAL, "value"},
	{"a4 02 62 61 00" ROLE ADDR INTERVAL, "id"},
	{"a4 02 62 61 2f" ROLE ADDR INTERVAL, "id"},
	{"a4 02 62 c3 a4" ROLE ADDR INTERVAL, "id"},
	{"a4 02 7bffffffffffffffff 61" ROLE ADDR INTERVAL, "value"},
	{"a4 02 78 30 616161616161616161616161 616161616161616161616161 616161616161616161616161 "
	 "616161616161616161616161" ROLE ADDR INTERVAL,
		"id"},
	{"a4 03 43 0a0200" ROLE ID INTERVAL, "address"},
	{"a4 03 45 0a02000600" ROLE ID INTERVAL, "address"},
	{"a4 03 40" ROLE ID INTERVAL, "address"},
	{"a4 03 64 31313131" ROLE ID INTERVAL, "address"},
	{"a4 03 1a 0a020006" ROLE ID INTERVAL, "address"},
	{"a4 03 44 00000000" ROLE ID INTERVAL, "address"},
	{"a4 03 44 ef010101" ROLE ID INTERVAL, "address"},
	{"a4 03 44 ffffffff" ROLE ID INTERVAL, "address"},
	{"a4 03 50 00000000000000000000000000000000" ROLE ID INTERVAL, "address"},
	{"a4 03 50 ff020000000000000000000000000001" ROLE ID INTERVAL, "address"},
	{"a4 03 50 00000000000000000000ffff0a020006" ROLE ID INTERVAL, "address"},
	{"a5 04 1a00010000" ROLE ID ADDR INTERVAL, "rtsp port"},
	{"a5 04 61 35" ROLE ID ADDR INTERVAL, "rtsp port"},
	{"a5 05 1a00010000" ROLE ID ADDR INTERVAL, "http port"},
	{"a5 06 01" ROLE ID ADDR INTERVAL, "draining"},
	{"a5 07 f6" ROLE ID ADDR INTERVAL, "healthy"},
	{"a5 08 1b0000000100000000" ROLE ID ADDR INTERVAL, "sessions"},
	{"a5 09 1b0000000100000000" ROLE ID ADDR INTERVAL, "max sessions"},
	{"a5 0a 1b000000e8d4a51001" ROLE ID ADDR INTERVAL, "kbps"},
	{"a5 0b 1bffffffffffffffff" ROLE ID ADDR INTERVAL, "max kbps"},
	{"a5 0c 1a00010000" ROLE ID ADDR INTERVAL, "weight"},
	{"a4 0d 09" ROLE ID ADDR, "interval"},
	{"a4 0d 1a0036ee81" ROLE ID ADDR, "interval"},
	{"a4 0d fa43480000" ROLE ID ADDR, "interval"},
	{"a5 0e 40" ROLE ID ADDR INTERVAL, "block"},
	{"a5 0e 41 18" ROLE ID ADDR INTERVAL, "block"},
	{"a5 0e 45 210a011200" ROLE ID ADDR INTERVAL, "block"},
	{"a5 0e 45 180a011201" ROLE ID ADDR INTERVAL, "block"},
	{"a5 0e 45 00 80000000" ROLE ID ADDR INTERVAL, "block"},
	{"a5 0e 46 180a01120000" ROLE ID ADDR INTERVAL, "block"},
	{"a5 0e 51 81 00000000000000000000000000000000" ROLE ID ADDR INTERVAL, "block"},
	{"a5 0e 18 18" ROLE ID ADDR INTERVAL, "block"},
	{"a5 0f 03" ROLE ID ADDR INTERVAL, "standing"},
	{"a5 0f f5" ROLE ID ADDR INTERVAL, "standing"},
	{"a5 10 01" ROLE ID ADDR INTERVAL, "master"},
	/* what is to be skipped, but cannot be */
	{"a5" ROLE ID ADDR INTERVAL "1819 81", "unknown key"},
	{"a5" ROLE ID ADDR INTERVAL "1819 9bffffffffffffffff", "unknown key"},
	{"a5" ROLE ID ADDR INTERVAL "1819 bbffffffffffffffff", "unknown key"},
	{"a5" ROLE ID ADDR INTERVAL "1819 bb7fffffffffffffff 00", "unknown key"},
	{"a5" ROLE ID ADDR INTERVAL "1819 82 00 9f ff", "unknown key"},
	{"a5" ROLE ID ADDR INTERVAL "1819 5bffffffffffffffff", "value"},
	{"a5" ROLE ID ADDR INTERVAL "1819 9f ff", "value"},
	{"a5" ROLE ID ADDR INTERVAL "1819 c1", "unknown key"},
	{"a5" ROLE ID ADDR INTERVAL "17 45 0000000107", "channels"},
	{"a5" ROLE ID ADDR INTERVAL "17 4c 000000020007 000000010007", "channels"},
	{"a5" ROLE ID ADDR INTERVAL "17 4c 000000020007 000000020008", "channels"},
	{"a5" ROLE ID ADDR INTERVAL "17 06", "channels"},
	{"a5" ROLE ID ADDR INTERVAL "1821 43 000001", "refused"},
	{"a5" ROLE ID ADDR INTERVAL "1821 48 0000000200000001", "refused"},
	{"a5" ROLE ID ADDR INTERVAL "1821 48 0000000200000002", "refused"},
	{"a5" ROLE ID ADDR INTERVAL "1821 06", "refused"},
	{"a5" ROLE ID ADDR INTERVAL "1818 1b0000000100000000", "attached"},
	{"a5" ROLE ID ADDR INTERVAL "1823 60", "place"},
	{"a5" ROLE ID ADDR INTERVAL "1823 61 41", "place"},
	{"a5" ROLE ID ADDR INTERVAL "1823 62 61 2e", "place"},
	{"a5" ROLE ID ADDR INTERVAL "1823 63 61 00 62", "place"},
	{"a5" ROLE ID ADDR INTERVAL "1823 41 61", "place"},
};

START_TEST(test_wrong_announcement_is_refused_and_the_field_is_named)
{
	ck_assert_int_eq(decode_hex(&a, wrong[_i].hex), -EINVAL);
	ck_assert_msg(strstr(why, wrong[_i].why) != NULL, "'%s', not '%s'", why, wrong[_i].why);
}
END_TEST

/* Arrays in arrays as deep as a datagram is long: skipped in a loop, nothing recurses. */
START_TEST(test_deep_nesting_costs_nothing)
{
	uint8_t p[WIRE_MAX];
	size_t n = 0;

	memcpy(p, "\xa5\x01\x01\x02\x61\x61\x03\x44\x0a\x02\x00\x06\x0d\x18\xc8\x00", 16);
	n = 16;
	while (n < sizeof(p) - 1)
		p[n++] = 0x81;
	p[n++] = 0x00;
	ck_assert_int_eq(decode_n(&a, p, n), 0);
	ck_assert_int_eq(decode_n(&a, p, n - 1), -EINVAL);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("announce");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_what_was_encoded_is_decoded);
	tcase_add_test(t, test_channels_that_a_node_carries_are_decoded);
	tcase_add_test(t, test_channels_that_a_node_refuses_are_decoded);
	tcase_add_test(t, test_place_is_decoded);
	tcase_add_test(t, test_largest_announcement_fits_into_a_datagram);
	tcase_add_test(t, test_hash_of_a_channel_is_what_the_protocol_says);
	tcase_add_test(t, test_what_an_arn_says_is_decoded);
	tcase_add_test(t, test_service_node_says_nothing_of_blocks);
	tcase_add_test(t, test_numbers_of_every_width);
	tcase_add_test(t, test_encoder_fits_or_is_an_error);
	tcase_add_test(t, test_encoder_refuses_what_the_decoder_would);
	tcase_add_test(t, test_cut_announcement_is_refused);
	tcase_add_test(t, test_least_announcement_has_defaults);
	tcase_add_test(t, test_order_and_width_do_not_matter);
	tcase_add_loop_test(t, test_unknown_key_is_skipped_whatever_its_value, 0,
		sizeof(unknown) / sizeof(unknown[0]));
	tcase_add_loop_test(t, test_wrong_announcement_is_refused_and_the_field_is_named, 0,
		sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, test_deep_nesting_costs_nothing);
	return run_case("announce", t);
}
