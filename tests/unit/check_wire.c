/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sealed datagrams: the format byte by byte, every reason for which one is refused, the key file.
 */
#include "lib/wire.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/run.h"

#define WALL 1700000000000000000ll /* ns since 1970 */
#define SKEW (10 * NS_S)
#define ROOM 3

static struct wire_keys keys;
static struct wire_sender sender;
static struct wire_receiver *receiver;
static uint8_t out[WIRE_MAX];
static int out_len;
static char err[256];

static void setup(void)
{
	keys = (struct wire_keys){.n = 2};
	keys.key[0].id = 7;
	keys.key[1].id = 0x1234;
	for (int i = 0; i < WIRE_KEY_LEN; i++) {
		keys.key[0].key[i] = (uint8_t)i;
		keys.key[1].key[i] = (uint8_t)(0x80 + i);
	}
	wire_sender_init(&sender, &keys, "sn806", WALL - 5 * NS_S);
	receiver = wire_receiver_new(&keys, SKEW, ROOM);
	ck_assert_ptr_nonnull(receiver);
}

static void teardown(void)
{
	wire_receiver_free(receiver);
}

static void seal(struct wire_sender *s, const char *payload, int64_t wall)
{
	out_len = wire_seal(s, WIRE_ANNOUNCE, payload, strlen(payload), wall, out);
	ck_assert_int_eq(out_len, 72 + (int)strlen(payload));
}

/* Opens a copy in a block of exactly its size. */
static enum wire_error open_n(const uint8_t *p, size_t n, int64_t wall)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct wire_view v;
	enum wire_error e;

	memcpy(copy, p, n);
	e = wire_open(receiver, copy, n, wall, &v);
	free(copy);
	return e;
}

static enum wire_error open_at(int64_t wall)
{
	return open_n(out, (size_t)out_len, wall);
}

START_TEST(test_datagram_is_as_drawn)
{
	/* by another implementation of BLAKE2b: Python's hashlib */
	static const char want[] = "4e435354"         /* "NCST" */
				   "01010007"         /* version, type, key id */
				   "4218305593f54aa1" /* sender */
				   "17979cfd0c240e00" /* epoch */
				   "0000000000000001" /* counter */
				   "17979cfe362a0000" /* wall time */
				   "616263"           /* payload */
				   "17acb11cc5421e599ded130f0d64df3b"
				   "851b6b99d4216834e8320e74c27cb64b";
	char hex[2 * WIRE_MAX + 1] = "";

	seal(&sender, "abc", WALL);
	for (int i = 0; i < out_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", out[i]);
	ck_assert_str_eq(hex, want);
}
END_TEST

START_TEST(test_what_was_sealed_is_opened)
{
	struct wire_view v;

	out_len = wire_seal(&sender, WIRE_GOODBYE, "abc", 3, WALL, out);
	ck_assert_int_eq(wire_open(receiver, out, (size_t)out_len, WALL, &v), WIRE_OK);
	ck_assert_int_eq(v.type, WIRE_GOODBYE);
	ck_assert_uint_eq(v.sender, wire_sender_id("sn806"));
	ck_assert_uint_ne(v.sender, wire_sender_id("sn808"));
	ck_assert_uint_eq(v.len, 3);
	ck_assert_mem_eq(v.payload, "abc", 3);
	ck_assert_uint_eq(sender.counter, 1);
}
END_TEST

START_TEST(test_empty_and_longest_payload)
{
	uint8_t *big = calloc(1, WIRE_MAX);

	seal(&sender, "", WALL);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	out_len = wire_seal(&sender, WIRE_ANNOUNCE, big, WIRE_MAX - 72, WALL, out);
	ck_assert_int_eq(out_len, WIRE_MAX);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	ck_assert_int_eq(
		wire_seal(&sender, WIRE_ANNOUNCE, big, WIRE_MAX - 71, WALL, out), -EMSGSIZE);
	ck_assert_int_eq(wire_seal(&sender, WIRE_ANNOUNCE, big, SIZE_MAX, WALL, out), -EMSGSIZE);
	ck_assert_uint_eq(sender.counter, 2);
	free(big);
}
END_TEST

START_TEST(test_type_is_known_before_it_is_opened)
{
	seal(&sender, "x", WALL);
	ck_assert_int_eq(wire_type_of(out, (size_t)out_len), WIRE_ANNOUNCE);
	ck_assert_int_eq(wire_type_of(out, 71), -1);
	ck_assert_int_eq(wire_type_of(out, 0), -1);
	out[5] = 63;
	ck_assert_int_eq(wire_type_of(out, (size_t)out_len), 63);
	out[5] = 64;
	ck_assert_int_eq(wire_type_of(out, (size_t)out_len), -1);
	out[5] = WIRE_ANNOUNCE;
	out[4] = 2;
	ck_assert_int_eq(wire_type_of(out, (size_t)out_len), -1);
}
END_TEST

START_TEST(test_without_a_key_nothing_is_sealed_nor_opened)
{
	seal(&sender, "abc", WALL);
	keys.n = 0;
	ck_assert_int_eq(wire_seal(&sender, WIRE_ANNOUNCE, "", 0, WALL, out), -ENOKEY);
	ck_assert_int_eq(open_at(WALL), WIRE_UNKNOWN_KEY);
}
END_TEST

START_TEST(test_first_key_seals_and_every_key_opens)
{
	struct wire_keys other = {.n = 1};

	other.key[0] = keys.key[1];
	wire_sender_init(&sender, &other, "sn806", WALL);
	seal(&sender, "abc", WALL);
	ck_assert_mem_eq(out + 6, "\x12\x34", 2);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	other.key[0].id = 8;
	seal(&sender, "abc", WALL);
	ck_assert_int_eq(open_at(WALL), WIRE_UNKNOWN_KEY);
}
END_TEST

START_TEST(test_cut_datagram_is_never_accepted)
{
	seal(&sender, "abc", WALL);
	for (size_t n = 0; n < (size_t)out_len; n++)
		ck_assert_int_eq(open_n(out, n, WALL), n < 72 ? WIRE_MALFORMED : WIRE_FORGED);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
}
END_TEST

START_TEST(test_datagram_that_is_too_long_is_malformed)
{
	uint8_t *p = calloc(1, WIRE_MAX + 1);

	memcpy(p, "NCST\1\1\0\7", 8);
	ck_assert_int_eq(open_n(p, WIRE_MAX, WALL), WIRE_FORGED);
	ck_assert_int_eq(open_n(p, WIRE_MAX + 1, WALL), WIRE_MALFORMED);
	free(p);
}
END_TEST

/* Whichever bit is changed: it is refused, with the reason that fits the field. */
START_TEST(test_every_changed_bit_is_noticed)
{
	seal(&sender, "abc", WALL);
	for (int bit = 0; bit < 8 * out_len; bit++) {
		int byte = bit / 8;
		enum wire_error want = byte < 4                 ? WIRE_MALFORMED
		                       : byte == 4              ? WIRE_VERSION
		                       : byte == 6 || byte == 7 ? WIRE_UNKNOWN_KEY
		                                                : WIRE_FORGED;

		out[byte] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(open_at(WALL), want);
		out[byte] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
}
END_TEST

START_TEST(test_another_key_under_the_same_id_is_forged)
{
	struct wire_keys stranger = keys;

	stranger.key[0].key[31] ^= 1;
	wire_sender_init(&sender, &stranger, "sn806", WALL);
	seal(&sender, "abc", WALL);
	ck_assert_int_eq(open_at(WALL), WIRE_FORGED);
}
END_TEST

START_TEST(test_time_within_the_skew_and_past_it)
{
	static const struct {
		int64_t sent;
		enum wire_error want;
	} at[] = {
		{WALL - SKEW - 1, WIRE_STALE},
		{WALL - SKEW, WIRE_OK},
		{WALL + SKEW, WIRE_OK},
		{WALL + SKEW + 1, WIRE_STALE},
		{0, WIRE_STALE},
		{-1, WIRE_STALE},
		{INT64_MAX, WIRE_STALE},
		{INT64_MIN, WIRE_STALE},
	};

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		seal(&sender, "abc", at[i].sent);
		ck_assert_int_eq(open_at(WALL), at[i].want);
	}
	seal(&sender, "abc", WALL); /* a receiver whose clock is nonsense */
	ck_assert_int_eq(open_at(INT64_MIN), WIRE_STALE);
	ck_assert_int_eq(open_at(INT64_MAX), WIRE_STALE);
}
END_TEST

START_TEST(test_recording_is_not_accepted_again)
{
	uint8_t first[WIRE_MAX];
	int first_len;

	seal(&sender, "one", WALL);
	first_len = out_len;
	memcpy(first, out, (size_t)out_len);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	ck_assert_int_eq(open_at(WALL), WIRE_REPLAYED);
	seal(&sender, "two", WALL);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	ck_assert_int_eq(open_n(first, (size_t)first_len, WALL), WIRE_REPLAYED);
	seal(&sender, "three", WALL);
	sender.counter = 10; /* loss of some is no harm */
	seal(&sender, "four", WALL);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
}
END_TEST

START_TEST(test_restarted_sender_begins_a_new_epoch)
{
	uint8_t old[WIRE_MAX];
	int old_len;

	sender.counter = 1000;
	seal(&sender, "old", WALL);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	seal(&sender, "old, not heard", WALL);
	memcpy(old, out, (size_t)out_len);
	old_len = out_len;
	wire_sender_init(&sender, &keys, "sn806", WALL + 1);
	seal(&sender, "new", WALL + 2);
	ck_assert_int_eq(open_at(WALL + 2), WIRE_OK);
	/* what is left of the old epoch is over, although its counter is higher */
	ck_assert_int_eq(open_n(old, (size_t)old_len, WALL + 2), WIRE_REPLAYED);
}
END_TEST

START_TEST(test_senders_are_told_apart)
{
	struct wire_sender other;

	wire_sender_init(&other, &keys, "sn808", WALL);
	seal(&sender, "abc", WALL);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	seal(&other, "abc", WALL);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	ck_assert_int_eq(open_at(WALL), WIRE_REPLAYED);
}
END_TEST

/* At each moment after it was heard a recording is refused; also that of a sender whose clock runs
 * ahead by the whole skew, which is fresh for twice as long. */
START_TEST(test_recording_is_refused_at_any_later_time)
{
	seal(&sender, "abc", WALL + SKEW);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	for (int64_t wall = WALL; wall <= WALL + 4 * SKEW; wall += SKEW / 50) {
		enum wire_error want = wall <= WALL + 2 * SKEW ? WIRE_REPLAYED : WIRE_STALE;

		ck_assert_int_eq(open_at(wall), want);
	}
}
END_TEST

static enum wire_error open_from(const char *name, int64_t wall)
{
	struct wire_sender s;

	wire_sender_init(&s, &keys, name, wall);
	seal(&s, "abc", wall);
	return open_at(wall);
}

START_TEST(test_table_is_bounded_and_its_places_are_free_again)
{
	ck_assert_int_eq(open_from("a", WALL), WIRE_OK);
	ck_assert_int_eq(open_from("b", WALL + 1), WIRE_OK);
	ck_assert_int_eq(open_from("c", WALL + 2), WIRE_OK);
	ck_assert_int_eq(open_from("d", WALL + 3), WIRE_TABLE_FULL);
	ck_assert_int_eq(open_from("d", WALL + SKEW), WIRE_TABLE_FULL);
	ck_assert_int_eq(open_from("a", WALL + SKEW), WIRE_OK);     /* the known are served */
	ck_assert_int_eq(open_from("d", WALL + SKEW + 2), WIRE_OK); /* b is over, a is not */
	ck_assert_int_eq(open_from("e", WALL + SKEW + 2), WIRE_TABLE_FULL);
	ck_assert_int_eq(open_from("e", WALL + SKEW + 3), WIRE_OK);
	ck_assert_int_eq(open_from("f", WALL + SKEW + 4), WIRE_TABLE_FULL);
}
END_TEST

START_TEST(test_sender_whose_clock_was_set_back_returns_when_forgotten)
{
	seal(&sender, "abc", WALL);
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	wire_sender_init(&sender, &keys, "sn806", WALL - NS_S * 3600);
	seal(&sender, "abc", WALL + SKEW);
	ck_assert_int_eq(open_at(WALL + SKEW), WIRE_REPLAYED);
	seal(&sender, "abc", WALL + SKEW + 1);
	ck_assert_int_eq(open_at(WALL + SKEW + 1), WIRE_OK);
}
END_TEST

/* Who has no key takes no place: thousands of strangers, then still room for all. */
START_TEST(test_strangers_take_no_place_in_the_table)
{
	struct wire_keys stranger = {.n = 1};
	struct wire_sender s;
	char name[16];

	stranger.key[0].id = 7;
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "x%d", i);
		wire_sender_init(&s, &stranger, name, WALL);
		seal(&s, "abc", WALL);
		if (open_at(WALL) != WIRE_FORGED)
			ck_abort_msg("accepted %s", name);
		/* a stale recording takes none either */
		wire_sender_init(&s, &keys, name, WALL);
		seal(&s, "abc", WALL - SKEW - 1);
		if (open_at(WALL) != WIRE_STALE)
			ck_abort_msg("accepted a stale %s", name);
	}
	ck_assert_int_eq(open_from("a", WALL), WIRE_OK);
	ck_assert_int_eq(open_from("b", WALL), WIRE_OK);
	ck_assert_int_eq(open_from("c", WALL), WIRE_OK);
}
END_TEST

START_TEST(test_type_of_a_newer_node_is_told)
{
	out_len = wire_seal(&sender, (enum wire_type)99, "", 0, WALL, out);
	ck_assert_int_eq(open_at(WALL), WIRE_UNKNOWN_TYPE);
	ck_assert_int_eq(open_at(WALL), WIRE_UNKNOWN_TYPE);
}
END_TEST

/* The same name may seal datagrams for two ports, each counted by itself: what is recorded at one
 * and played to the other must not be remembered there (row C5). */
START_TEST(test_type_that_is_not_taken_leaves_no_trace)
{
	struct wire_sender elsewhere;
	uint8_t own[WIRE_MAX];
	int n;

	wire_receiver_take(receiver, WIRE_BIT(7));
	n = wire_seal(&sender, (enum wire_type)7, "", 0, WALL, own);
	wire_sender_init(&elsewhere, &keys, "a", WALL + NS_S);
	out_len = wire_seal(&elsewhere, WIRE_ANNOUNCE, "", 0, WALL, out);
	ck_assert_int_eq(open_at(WALL), WIRE_UNKNOWN_TYPE);
	memcpy(out, own, (size_t)n);
	out_len = n;
	ck_assert_int_eq(open_at(WALL), WIRE_OK);
	ck_assert_int_eq(open_at(WALL), WIRE_REPLAYED);
}
END_TEST

START_TEST(test_every_error_has_a_name_of_its_own)
{
	for (int i = 0; i < WIRE_ERRORS; i++)
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(wire_error_str((enum wire_error)i),
				wire_error_str((enum wire_error)k));
	ck_assert_str_eq(wire_error_str(WIRE_ERRORS), "unknown error");
}
END_TEST

/* Key files. */

static char path[] = "/tmp/check_wire.XXXXXX";

static void write_keys(const char *text)
{
	FILE *f;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	f = fdopen(mkstemp(path), "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static int load(const char *text)
{
	int rc;

	write_keys(text);
	rc = wire_keys_load(&keys, path, err);
	unlink(path);
	return rc;
}

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

START_TEST(test_key_file_is_loaded)
{
	ck_assert_int_eq(load("# the lab's keys\n\n 7 " HEX "\n65535\t" HEX " # old\r\n"), 0);
	ck_assert_str_eq(err, "");
	ck_assert_int_eq(keys.n, 2);
	ck_assert_int_eq(keys.key[0].id, 7);
	ck_assert_int_eq(keys.key[1].id, 65535);
	for (int i = 0; i < WIRE_KEY_LEN; i++)
		ck_assert_int_eq(keys.key[1].key[i], i);
	ck_assert_int_eq(load("0 " HEX), 0); /* no line feed at the end */
	ck_assert_int_eq(keys.n, 1);
}
END_TEST

static const struct {
	const char *text;
	int line; /* 0: of the file as a whole */
	const char *says;
} broken[] = {
	{"", 0, "no key"},
	{"# none\n", 0, "no key"},
	{"x " HEX "\n", 1, "id"},
	{"-1 " HEX "\n", 1, "id"},
	{"65536 " HEX "\n", 1, "id"},
	{"# comment\n1 " HEX "\n1 " HEX "\n", 3, "before"},
	{"1\n", 1, "64 hex"},
	{"1 00\n", 1, "64 hex"},
	{"1 " HEX "0\n", 1, "64 hex"},
	{"1 " HEX "00\n", 1, "64 hex"},
	{"1 " HEX " x\n", 1, "64 hex"},
	{"1 g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 1, "64 hex"},
	{"1 :00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 1, "64 hex"},
	{"1" HEX "\n", 1, "id"},
	{HEX "\n", 1, "id"},
	{"1 " HEX "\n2 " HEX "\n3 " HEX "\n4 " HEX "\n5 " HEX "\n6 " HEX "\n7 " HEX "\n8 " HEX
	 "\n9 " HEX "\n",
		9, "at most 8"},
	{"1 " HEX "\n#" HEX HEX HEX HEX HEX HEX HEX HEX HEX "\n", 2, "too long"},
};

START_TEST(test_broken_key_file_is_refused_with_its_line)
{
	char where[64];

	ck_assert_int_eq(load(broken[_i].text), -EINVAL);
	if (broken[_i].line)
		snprintf(where, sizeof(where), "%s:%d: ", path, broken[_i].line);
	else
		snprintf(where, sizeof(where), "%s: ", path);
	ck_assert_msg(!strncmp(err, where, strlen(where)), "'%s'", err);
	ck_assert_msg(strstr(err, broken[_i].says) != NULL, "'%s'", err);
	ck_assert_int_eq(keys.n, 0);
	for (size_t i = 0; i < sizeof(keys); i++)
		ck_assert_int_eq(((const uint8_t *)&keys)[i], 0); /* wiped */
}
END_TEST

START_TEST(test_missing_key_file_is_named)
{
	ck_assert_int_eq(wire_keys_load(&keys, "/nonexistent/keys", err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err, "/nonexistent/keys: "));
	ck_assert_int_eq(wire_keys_load(&keys, "/", err), -EIO);
	ck_assert_ptr_nonnull(strstr(err, "cannot be read"));
}
END_TEST

START_TEST(test_key_file_that_others_may_read_gives_a_warning)
{
	write_keys("1 " HEX "\n");
	chmod(path, 0640);
	ck_assert_int_eq(wire_keys_load(&keys, path, err), 0);
	ck_assert_str_eq(err, "");
	chmod(path, 0644);
	ck_assert_int_eq(wire_keys_load(&keys, path, err), 0);
	ck_assert_ptr_nonnull(strstr(err, "0644"));
	ck_assert_int_eq(keys.n, 1);
	unlink(path);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, test_datagram_is_as_drawn);
	tcase_add_test(t, test_what_was_sealed_is_opened);
	tcase_add_test(t, test_empty_and_longest_payload);
	tcase_add_test(t, test_type_is_known_before_it_is_opened);
	tcase_add_test(t, test_without_a_key_nothing_is_sealed_nor_opened);
	tcase_add_test(t, test_first_key_seals_and_every_key_opens);
	tcase_add_test(t, test_cut_datagram_is_never_accepted);
	tcase_add_test(t, test_datagram_that_is_too_long_is_malformed);
	tcase_add_test(t, test_every_changed_bit_is_noticed);
	tcase_add_test(t, test_another_key_under_the_same_id_is_forged);
	tcase_add_test(t, test_time_within_the_skew_and_past_it);
	tcase_add_test(t, test_recording_is_not_accepted_again);
	tcase_add_test(t, test_restarted_sender_begins_a_new_epoch);
	tcase_add_test(t, test_senders_are_told_apart);
	tcase_add_test(t, test_recording_is_refused_at_any_later_time);
	tcase_add_test(t, test_table_is_bounded_and_its_places_are_free_again);
	tcase_add_test(t, test_sender_whose_clock_was_set_back_returns_when_forgotten);
	tcase_add_test(t, test_strangers_take_no_place_in_the_table);
	tcase_add_test(t, test_type_of_a_newer_node_is_told);
	tcase_add_test(t, test_type_that_is_not_taken_leaves_no_trace);
	tcase_add_test(t, test_every_error_has_a_name_of_its_own);
	tcase_add_test(t, test_key_file_is_loaded);
	tcase_add_loop_test(t, test_broken_key_file_is_refused_with_its_line, 0,
		sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(t, test_missing_key_file_is_named);
	tcase_add_test(t, test_key_file_that_others_may_read_gives_a_warning);
}

int main(void)
{
	TCase *t = tcase_create("wire");

	tcase_add_checked_fixture(t, setup, teardown);
	add_tests(t);
	return run_case("wire", t);
}
