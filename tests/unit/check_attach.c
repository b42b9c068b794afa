/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Figure 9: the messages, which are decoded to what was encoded and nothing else; and who is attached to
 * a node, with what such nodes say that they have.
 */
#include "sn-agent/attached.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static struct attached t;
static struct attach_ask ask;
static struct attach_answer out;
static struct attached_node node;
static uint8_t bytes[WIRE_MAX];
static const char *why;
static ns_t now;

static void setup(void)
{
	now = 100 * NS_S;
	memset(&t, 0, sizeof(t));
	t.conf = (struct attached_conf){.name = "SN1",
		.control = literal("10.9.1.11:7702"),
		.family = AF_INET,
		.generation = 9,
		.max = 2,
		.registers = true};
	ask = (struct attach_ask){.id = 3,
		.generation = 9,
		.from = "SN0",
		.to = literal("10.9.1.11:7702"),
		.tunnel = true,
		.address = literal("10.9.0.10"),
		.overlay = literal("10.77.0.10"),
		.lifetime_ms = 5000,
		.channel = {"/news", "/live/1"},
		.channels = 2};
}

static enum attached_what hear(void)
{
	return attached_ask(&t, &ask, false, now, &out, &node);
}

/* Another node asks. */
static void become(int number)
{
	char text[32];

	snprintf(ask.from, sizeof(ask.from), "S%d", number);
	snprintf(text, sizeof(text), "10.9.0.%d", number);
	ask.address = literal(text);
	snprintf(text, sizeof(text), "10.77.0.%d", number);
	ask.overlay = literal(text);
}

START_TEST(test_requests_and_answers_are_decoded_to_what_was_encoded)
{
	struct attach_answer a = {.id = 3, .generation = 9, .from = "SN1", .to = "SN0"}, b;
	struct attach_ask c;
	int n = attach_ask_encode(&ask, bytes, sizeof(bytes));

	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(attach_ask_decode(&c, bytes, (size_t)n, &why), 0);
	ck_assert(c.id == 3 && c.generation == 9 && c.tunnel && c.lifetime_ms == 5000);
	ck_assert_str_eq(c.from, "SN0");
	ck_assert_int_eq(addr_cmp(&c.to, &ask.to), 0);
	ck_assert(addr_same_host(&c.address, &ask.address));
	ck_assert(addr_same_host(&c.overlay, &ask.overlay));
	ck_assert_int_eq(c.channels, 2);
	ck_assert_str_eq(c.channel[1], "/live/1");
	for (int s = 0; s < ATTACH_STATUSES; s++) {
		a.status = (enum attach_status)s;
		a.draining = s % 2;
		a.registry = s % 2 ? literal("[2001:db8::1]:7702") : (struct addr){0};
		n = attach_answer_encode(&a, bytes, sizeof(bytes));
		ck_assert_int_gt(n, 0);
		ck_assert_int_eq(attach_answer_decode(&b, bytes, (size_t)n, &why), 0);
		ck_assert_int_eq(b.status, s);
		ck_assert_int_eq(b.draining, a.draining);
		ck_assert_int_eq(b.registry.sa.sa_family, a.registry.sa.sa_family);
		ck_assert_str_ne(attach_status_str(a.status), "unknown status");
	}
}
END_TEST

START_TEST(test_a_message_cut_anywhere_is_refused)
{
	struct attach_ask c;
	int n = attach_ask_encode(&ask, bytes, sizeof(bytes));

	for (int i = 0; i < n; i++)
		ck_assert_int_eq(attach_ask_decode(&c, bytes, (size_t)i, &why), -EINVAL);
}
END_TEST

START_TEST(test_values_out_of_their_ranges_are_never_sent)
{
	struct attach_ask good = ask;

	ask.id = 0;
	ck_assert_int_eq(attach_ask_encode(&ask, bytes, sizeof(bytes)), -EINVAL);
	ask = good;
	ask.overlay = ask.address;
	ck_assert_int_eq(attach_ask_encode(&ask, bytes, sizeof(bytes)), -EINVAL);
	ask = good;
	ask.address = literal("239.0.0.1");
	ck_assert_int_eq(attach_ask_encode(&ask, bytes, sizeof(bytes)), -EINVAL);
	ask = good;
	strcpy(ask.channel[0], "news");
	ck_assert_int_eq(attach_ask_encode(&ask, bytes, sizeof(bytes)), -EINVAL);
	ask = good;
	addr_set_port(&ask.to, 0);
	ck_assert_int_eq(attach_ask_encode(&ask, bytes, sizeof(bytes)), -EINVAL);
	ask = good;
	ask.channels = ATTACH_CHANNELS;
	for (int i = 0; i < ATTACH_CHANNELS; i++)
		snprintf(ask.channel[i], PRIME_PATH, "/%0*d", PRIME_PATH - 2, i);
	ck_assert_int_eq(attach_ask_encode(&ask, bytes, 1328), -EMSGSIZE);
}
END_TEST

/* As many channels as there may be, and one more: it would have no place. */
START_TEST(test_seventeen_channels_are_refused)
{
	enum { EACH = 3, LIST = ATTACH_CHANNELS * EACH };
	struct attach_ask c;
	int n;

	ask.channels = ATTACH_CHANNELS;
	for (int i = 0; i < ATTACH_CHANNELS; i++)
		snprintf(ask.channel[i], PRIME_PATH, "/%c", 'a' + i);
	n = attach_ask_encode(&ask, bytes, sizeof(bytes));
	ck_assert_int_gt(n, LIST);
	ck_assert_int_eq(attach_ask_decode(&c, bytes, (size_t)n, &why), 0);
	ck_assert_int_eq(c.channels, ATTACH_CHANNELS);
	ck_assert_str_eq(c.channel[15], "/p");
	ck_assert_int_eq(bytes[n - LIST - 1], 0x80 | ATTACH_CHANNELS); /* a short array's head */
	bytes[n - LIST - 1]++;
	memcpy(bytes + n, "\x62/q", EACH);
	ck_assert_int_eq(attach_ask_decode(&c, bytes, (size_t)n + EACH, &why), -EINVAL);
	ck_assert_str_eq(why, "channels");
}
END_TEST

#define ID   "01 01 "
#define FROM "02 61 61 "
#define TO   "03 46 0a09010b 1e16 "
#define AT   "06 44 0a09000a 07 44 0a4d000a "
#define WHOM "03 61 62 "
#define GEN  "04 09 "

static const struct {
	bool asks;
	const char *hex, *why; /* NULL: nothing is wrong */
} of[] = {
	{true, "a5" ID FROM TO AT, NULL},
	{true, "a6" ID FROM TO AT "1818 f6", NULL}, /* a newer one */
	{true, "a4" FROM TO AT, "id"},
	{true, "a4" ID TO AT, "from"},
	{true, "a5" ID "02 61 20" TO AT, "from"},
	{true, "a4" ID FROM AT, "to"},
	{true, "a5" ID FROM "03 44 0a09010b" AT, "to"},
	{true, "a6" ID FROM TO AT "05 01", "tunnel"},
	{true, "a4" ID FROM TO "06 44 0a09000a", "overlay"},
	{true, "a4" ID FROM TO "07 44 0a4d000a", "address"},
	{true, "a5" ID FROM TO "06 44 0a09000a 07 44 0a09000a", "overlay"},
	{true, "a5" ID FROM TO "06 44 ef000001 07 44 0a4d000a", "address"},
	{true, "a6" ID FROM TO AT "08 1a 000927c0", NULL},
	{true, "a6" ID FROM TO AT "08 1a 000927c1", "lifetime"},
	{true, "a6" ID FROM TO AT "09 81 62 2f61", NULL},
	{true, "a6" ID FROM TO AT "09 80", "channels"},
	{true, "a6" ID FROM TO AT "09 62 2f61", "channels"},
	{true, "a6" ID FROM TO AT "09 81 62 6161", "channels"},
	{true, "a6" ID FROM TO AT "09 81 01", "channels"},
	{true, "a6" ID FROM TO AT "09 9b ffffffffffffffff", "channels"},
	{false, "a4" ID FROM WHOM GEN, NULL},
	{false, "a3" FROM WHOM GEN, "id"},
	{false, "a3" ID WHOM GEN, "from"},
	{false, "a3" ID FROM GEN, "to"},
	{false, "a3" ID FROM WHOM, "generation"},
	{false, "a5" ID FROM WHOM GEN "05 07", NULL},
	{false, "a5" ID FROM WHOM GEN "05 08", "status"},
	{false, "a5" ID FROM WHOM GEN "06 01", "draining"},
	{false, "a5" ID FROM WHOM GEN "07 46 0a09010b 0000", "registry"},
	{false, "a5" ID FROM WHOM GEN "07 44 0a09010b", "registry"},
};

START_TEST(test_what_is_wrong_is_refused_and_the_field_is_named)
{
	struct attach_answer a;
	struct attach_ask c;
	size_t n = 0;
	int rc;

	memset(&a, 0xa5, sizeof(a)); /* what is missing has its default, whatever was there */
	memset(&c, 0xa5, sizeof(c));
	for (const char *h = of[_i].hex; *h; h++) {
		unsigned byte;

		if (*h == ' ')
			continue;
		ck_assert_int_eq(sscanf(h++, "%2x", &byte), 1);
		bytes[n++] = (uint8_t)byte;
	}
	rc = of[_i].asks ? attach_ask_decode(&c, bytes, n, &why)
	                 : attach_answer_decode(&a, bytes, n, &why);
	ck_assert_msg(rc == (of[_i].why ? -EINVAL : 0), "%s: %s", of[_i].hex, why);
	ck_assert_msg(!rc || !strcmp(why, of[_i].why), "%s: '%s'", of[_i].hex, why);
	if (rc)
		return;
	if (of[_i].asks)
		ck_assert(!c.tunnel && !c.generation && c.channels <= 1);
	else
		ck_assert(!a.draining && !a.registry.sa.sa_family);
}
END_TEST

static int read_node(const char *text)
{
	char name[ANNOUNCE_ID_LEN], wrong[160];
	struct addr at;
	int err = attach_node_read(slice_of(text), name, &at, wrong);

	ck_assert(!err || *wrong);
	ck_assert(err || (!strcmp(name, "SN1") && addr_port(&at) == 7702));
	return err;
}

START_TEST(test_what_redirectors_answer_is_read)
{
	ck_assert_int_eq(read_node("{\"node\": \"SN1\", \"control\": \"10.9.1.11:7702\"}"), 0);
	ck_assert_int_eq(read_node("{\"node\": \"SN1\", \"control\": \"[2001:db8::1]:7702\"}"), 0);
	ck_assert_int_eq(read_node("{\"node\": \"SN1\", \"control\": \"10.9.1.11\"}"), -EINVAL);
	ck_assert_int_eq(
		read_node("{\"node\": \"S/N\", \"control\": \"10.9.1.11:7702\"}"), -EINVAL);
	ck_assert_int_eq(read_node("{\"node\": 5, \"control\": \"10.9.1.11:7702\"}"), -EINVAL);
	ck_assert_int_eq(read_node("{\"node\": \"SN1\"}"), -EINVAL);
	ck_assert_int_eq(read_node("[]"), -EINVAL);
	ck_assert_int_eq(read_node("no JSON"), -EINVAL);
}
END_TEST

START_TEST(test_who_knows_the_generation_is_attached_and_told_of_the_registry)
{
	ask.generation = 0;
	ck_assert_int_eq(hear(), ATTACHED_ANSWER);
	ck_assert_int_eq(out.status, ATTACH_GENERATION);
	ck_assert_uint_eq(out.generation, 9);
	ck_assert_int_eq(t.n, 0);
	ask.generation = 9;
	t.conf.registry = literal("10.9.3.13:7702");
	ck_assert_int_eq(hear(), ATTACHED_OPEN);
	ck_assert_int_eq(out.status, ATTACH_GRANTED);
	ck_assert_uint_eq(out.id, 3);
	ck_assert_str_eq(out.from, "SN1");
	ck_assert_str_eq(out.to, "SN0");
	ck_assert_int_eq(addr_port(&out.registry), 7702);
	ck_assert_int_eq(attached_tunnels(&t), 1);
	ask.generation = 0;
	ask.lifetime_ms = 0;
	hear(); /* nobody is detached by a recording of an earlier life */
	ck_assert_int_eq(attached_tunnels(&t), 1);
}
END_TEST

START_TEST(test_who_is_silent_or_says_goodbye_is_forgotten)
{
	hear();
	now += 4 * NS_S;
	ck_assert(!attached_expire(&t, now, &node));
	hear();
	now += 4 * NS_S;
	ck_assert(!attached_expire(&t, now, &node));
	now += NS_S;
	ck_assert_ptr_null(attached_source(&t, SLICE("/news"), now));
	ck_assert(attached_expire(&t, now, &node));
	ck_assert_str_eq(node.name, "SN0");
	ck_assert(!attached_expire(&t, now, &node));
	hear();
	ask.lifetime_ms = 0;
	t.conf.max = 0; /* who may not come may go */
	ck_assert_int_eq(hear(), ATTACHED_CLOSE);
	ck_assert_int_eq(out.status, ATTACH_GRANTED);
	ck_assert_int_eq(t.n, 0);
	ck_assert_int_eq(hear(), ATTACHED_ANSWER);
}
END_TEST

START_TEST(test_who_has_moved_gets_its_tunnel_there)
{
	hear();
	ask.address = literal("10.9.0.99");
	ask.overlay = literal("10.77.0.99");
	ck_assert_int_eq(hear(), ATTACHED_KEEP);
	ck_assert(addr_same_host(&node.address, &ask.address));
	ck_assert(addr_same_host(&node.overlay, &ask.overlay));
	ck_assert_int_eq(t.n, 1);
}
END_TEST

START_TEST(test_who_told_its_channels_first_is_attached_all_the_same)
{
	ask.tunnel = false;
	ck_assert_int_eq(hear(), ATTACHED_ANSWER);
	ask.tunnel = true;
	ck_assert_int_eq(hear(), ATTACHED_OPEN);
	ck_assert_int_eq(hear(), ATTACHED_KEEP);
	ask.tunnel = false; /* its channels, told to the registry that this node is as well */
	ck_assert_int_eq(hear(), ATTACHED_ANSWER);
	ask.tunnel = true;
	ck_assert_int_eq(hear(), ATTACHED_KEEP);
}
END_TEST

START_TEST(test_there_are_no_more_than_the_configuration_lets_in)
{
	for (int i = 20; i < 22; i++) {
		become(i);
		ck_assert_int_eq(hear(), ATTACHED_OPEN);
	}
	ck_assert(!attached_room(&t));
	become(23);
	ck_assert_int_eq(hear(), ATTACHED_ANSWER);
	ck_assert_int_eq(out.status, ATTACH_FULL);
	become(21);
	ck_assert_int_eq(hear(), ATTACHED_KEEP);
	ask.tunnel = false;
	for (int i = 30; i < 30 + ATTACHED_MAX; i++) {
		become(i);
		hear();
	}
	ck_assert_int_eq(out.status, ATTACH_FULL);
	ck_assert_int_eq(t.n, ATTACHED_MAX);
	t.conf.max = ATTACHED_MAX;
	ck_assert(!attached_room(&t));
}
END_TEST

START_TEST(test_who_is_another_or_of_another_kind_is_refused)
{
	ck_assert_int_eq(attached_ask(&t, &ask, true, now, &out, &node), ATTACHED_ANSWER);
	ck_assert_int_eq(out.status, ATTACH_KNOWN);
	hear();
	strcpy(ask.from, "rogue"); /* with SN0's addresses */
	hear();
	ck_assert_int_eq(out.status, ATTACH_KNOWN);
	become(20); /* with one of them */
	ask.address = t.node[0].address;
	hear();
	ck_assert_int_eq(out.status, ATTACH_KNOWN);
	become(20);
	ask.overlay = t.node[0].overlay;
	hear();
	ck_assert_int_eq(out.status, ATTACH_KNOWN);
	become(20);
	ask.overlay = literal("2001:db8::20");
	hear();
	ck_assert_int_eq(out.status, ATTACH_FAMILY);
	become(20);
	t.conf.max = 0;
	hear();
	ck_assert_int_eq(out.status, ATTACH_REFUSED);
	ask.tunnel = t.conf.registers = false;
	hear();
	ck_assert_int_eq(out.status, ATTACH_REFUSED);
}
END_TEST

START_TEST(test_a_node_that_drains_keeps_who_is_there_and_says_so)
{
	hear();
	t.conf.draining = true;
	ck_assert(!attached_room(&t));
	ck_assert_int_eq(hear(), ATTACHED_KEEP);
	ck_assert(out.draining);
	become(20);
	ck_assert_int_eq(hear(), ATTACHED_ANSWER);
	ck_assert_int_eq(out.status, ATTACH_DRAINING);
}
END_TEST

START_TEST(test_a_path_is_whose_it_was_first)
{
	struct addr first = ask.overlay;

	hear();
	become(20);
	strcpy(ask.channel[1], "/live/2");
	hear();
	ck_assert(addr_same_host(attached_source(&t, SLICE("/news"), now), &first));
	ck_assert(addr_same_host(attached_source(&t, SLICE("/live/2"), now), &ask.overlay));
	ck_assert_ptr_null(attached_source(&t, SLICE("/new"), now));
	attached_undo(&t, "SN0");
	ck_assert(addr_same_host(attached_source(&t, SLICE("/news"), now), &ask.overlay));
	t.conf.registers = false;
	ck_assert_ptr_null(attached_source(&t, SLICE("/news"), now));
}
END_TEST

int main(void)
{
	TCase *c = tcase_create("attach");

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, test_requests_and_answers_are_decoded_to_what_was_encoded);
	tcase_add_test(c, test_a_message_cut_anywhere_is_refused);
	tcase_add_test(c, test_values_out_of_their_ranges_are_never_sent);
	tcase_add_test(c, test_seventeen_channels_are_refused);
	tcase_add_loop_test(c, test_what_is_wrong_is_refused_and_the_field_is_named, 0,
		sizeof(of) / sizeof(of[0]));
	tcase_add_test(c, test_what_redirectors_answer_is_read);
	tcase_add_test(c, test_who_knows_the_generation_is_attached_and_told_of_the_registry);
	tcase_add_test(c, test_who_is_silent_or_says_goodbye_is_forgotten);
	tcase_add_test(c, test_who_has_moved_gets_its_tunnel_there);
	tcase_add_test(c, test_who_told_its_channels_first_is_attached_all_the_same);
	tcase_add_test(c, test_there_are_no_more_than_the_configuration_lets_in);
	tcase_add_test(c, test_who_is_another_or_of_another_kind_is_refused);
	tcase_add_test(c, test_a_node_that_drains_keeps_who_is_there_and_says_so);
	tcase_add_test(c, test_a_path_is_whose_it_was_first);
	return run_case("attach", c);
}
