/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floating next hop: who asks for it, who is answered, when it is announced. Row C2. */
#include "arn/nexthop.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define OWN   "02aaaaaaaaaa"
#define ASKER "02bbbbbbbbbb"
/* 10.5.0.2 is V, 10.5.0.1 the router. */
#define V      "0a050002"
#define ROUTER "0a050001"
#define ARP(TO, FROM, OPERATION, SENDER_MAC, SENDER, TARGET)                                       \
	TO FROM "0806"                                                                             \
		"0001080006040" OPERATION SENDER_MAC SENDER "000000000000" TARGET
#define ALL "ffffffffffff"

static struct nexthop hop;
static ns_t now;
static uint8_t out[NEXTHOP_FRAME];
static size_t len;

static size_t unhex(const char *hex, uint8_t *to, size_t cap)
{
	size_t n = strlen(hex) / 2;
	unsigned v;

	ck_assert_uint_le(n, cap);
	ck_assert_uint_eq(strlen(hex) % 2, 0);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &v), 1);
		to[i] = (uint8_t)v;
	}
	return n;
}

static void begin(const char *address)
{
	struct addr a;

	now = 1000 * NS_S;
	ck_assert_int_eq(addr_parse(&a, slice_of(address), 0), 0);
	nexthop_init(&hop, &a);
	unhex(OWN, hop.mac, sizeof(hop.mac));
}

static void begin_v4(void)
{
	begin("10.5.0.2");
}

static enum nexthop_event hear_bytes(const uint8_t *frame, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum nexthop_event e;

	memcpy(copy, frame, n);
	e = nexthop_hear(&hop, copy, n, now, out, &len);
	free(copy);
	return e;
}

static enum nexthop_event hear(const char *hex)
{
	uint8_t frame[256];

	return hear_bytes(frame, unhex(hex, frame, sizeof(frame)));
}

static void expect_sent(const char *hex)
{
	uint8_t want[NEXTHOP_FRAME];
	size_t n = unhex(hex, want, sizeof(want));

	ck_assert_uint_eq(len, n);
	ck_assert_mem_eq(out, want, n);
}

START_TEST(test_request_is_answered_while_claimed_and_not_before_or_after)
{
	static const char request[] = ARP(ALL, ASKER, "001", ASKER, ROUTER, V);

	ck_assert_int_eq(hear(request), NEXTHOP_ASKED);
	ck_assert_uint_eq(len, 0);
	nexthop_claim(&hop, true, now);
	ck_assert_int_eq(hear(request), NEXTHOP_ASKED);
	expect_sent(ASKER OWN "0806"
			      "0001080006040002" OWN V ASKER ROUTER);
	nexthop_claim(&hop, false, now);
	ck_assert_int_eq(hear(request), NEXTHOP_ASKED);
	ck_assert_uint_eq(len, 0);
}
END_TEST

/* A router that has it in its cache asks the hardware address that it knows. */
START_TEST(test_unicast_request_and_probe_for_duplicates_are_answered_too)
{
	nexthop_claim(&hop, true, now);
	ck_assert_int_eq(hear(ARP(OWN, ASKER, "001", ASKER, ROUTER, V)), NEXTHOP_ASKED);
	ck_assert_uint_eq(len, 42);
	ck_assert_int_eq(hear(ARP(ALL, ASKER, "001", ASKER, "00000000", V)), NEXTHOP_ASKED);
	expect_sent(ASKER OWN "0806"
			      "0001080006040002" OWN V ASKER "00000000");
}
END_TEST

START_TEST(test_what_is_not_about_the_next_hop_or_not_arp_is_left_alone)
{
	nexthop_claim(&hop, true, now);
	ck_assert_int_eq(hear(ARP(ALL, ASKER, "001", ASKER, ROUTER, "0a050003")), NEXTHOP_NOTHING);
	ck_assert_int_eq(hear(ARP(OWN, ASKER, "002", ASKER, ROUTER, V)), NEXTHOP_NOTHING);
	ck_assert_int_eq(hear(ARP(ALL, OWN, "001", OWN, V, V)), NEXTHOP_NOTHING); /* ours */
	ck_assert_int_eq(hear(ARP(ALL, ASKER, "001", ALL, ROUTER, V)), NEXTHOP_NOTHING);
	ck_assert_int_eq(hear(ALL ASKER "0800"
					"0001080006040001" ASKER ROUTER "000000000000" V),
		NEXTHOP_NOTHING);
	ck_assert_int_eq(hear(ALL ASKER "0806"
					"0006080006040001" ASKER ROUTER "000000000000" V),
		NEXTHOP_NOTHING);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(test_frame_that_is_cut_is_left_alone)
{
	uint8_t frame[64];
	size_t n = unhex(ARP(ALL, ASKER, "001", ASKER, ROUTER, V), frame, sizeof(frame));

	nexthop_claim(&hop, true, now);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(hear_bytes(frame, i), NEXTHOP_NOTHING);
	ck_assert_int_eq(hear_bytes(frame, n), NEXTHOP_ASKED);
}
END_TEST

START_TEST(test_claim_is_announced_at_once_again_soon_and_every_second)
{
	ns_t first = now, last = now;

	ck_assert(!nexthop_due(&hop, now));
	ck_assert_int_eq(nexthop_when(&hop), NS_NEVER);
	nexthop_claim(&hop, true, now);
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(nexthop_when(&hop), now);
		ck_assert(nexthop_due(&hop, now));
		ck_assert(!nexthop_due(&hop, now));
		last = now;
		now = nexthop_when(&hop);
		ck_assert_int_le(now - last, NS_S);
		if (i == 2)
			ck_assert_int_eq(now - first, 200 * NS_MS);
	}
	ck_assert_int_eq(now - last, NS_S);
	nexthop_claim(&hop, true, now); /* nothing new */
	ck_assert(nexthop_due(&hop, now));
	ck_assert_int_eq(nexthop_when(&hop), now + NS_S);
	nexthop_claim(&hop, false, now);
	ck_assert_int_eq(nexthop_when(&hop), NS_NEVER);
	len = nexthop_announce(&hop, out);
	expect_sent(ALL OWN "0806"
			    "0001080006040001" OWN V "000000000000" V);
}
END_TEST

START_TEST(test_claim_of_another_is_contradicted_but_not_without_end)
{
	static const char theirs[] = ARP(ALL, ASKER, "001", ASKER, V, V);
	int said = 0;

	ck_assert_int_eq(hear(theirs), NEXTHOP_CONTESTED);
	ck_assert_int_eq(nexthop_when(&hop), NS_NEVER);
	nexthop_claim(&hop, true, now);
	while (nexthop_when(&hop) < now + 500 * NS_MS)
		now = nexthop_when(&hop), nexthop_due(&hop, now);
	ck_assert_int_gt(nexthop_when(&hop), now);
	ck_assert_int_eq(hear(theirs), NEXTHOP_CONTESTED);
	ck_assert_int_eq(nexthop_when(&hop), now);
	for (ns_t end = now + NS_S; now < end; now += NS_MS) {
		hear(ARP(OWN, ASKER, "002", ASKER, V, ROUTER));
		said += nexthop_due(&hop, now);
	}
	ck_assert_int_le(said, 3);
}
END_TEST

START_TEST(test_who_knows_no_node_says_so_at_first_and_when_asked_and_contradicts_nobody)
{
	static const char theirs[] = ARP(ALL, ASKER, "001", ASKER, V, V);
	int said = 0;

	nexthop_set_quiet(&hop, true);
	nexthop_claim(&hop, true, now);
	for (ns_t end = now + 5 * NS_S; now < end; now += NS_MS)
		said += nexthop_due(&hop, now);
	ck_assert_int_eq(said, 4);
	ck_assert_int_eq(nexthop_when(&hop), NS_NEVER);
	ck_assert_int_eq(hear(theirs), NEXTHOP_CONTESTED);
	ck_assert_int_eq(nexthop_when(&hop), NS_NEVER);
	ck_assert(!nexthop_due(&hop, now));
	ck_assert_int_eq(hear(ARP(ALL, ASKER, "001", ASKER, ROUTER, V)), NEXTHOP_ASKED);
	ck_assert_uint_gt(len, 0);
	/* A node is back. */
	nexthop_set_quiet(&hop, false);
	ck_assert(nexthop_due(&hop, now));
	ck_assert_int_eq(nexthop_when(&hop), now + NS_S);
	ck_assert_int_eq(hear(theirs), NEXTHOP_CONTESTED);
	ck_assert_int_eq(nexthop_when(&hop), now);
}
END_TEST

/* ---- IPv6: V is fd05::2, the router fd05::1 ---- */

#define V6        "fd050000000000000000000000000002"
#define ROUTER6   "fd050000000000000000000000000001"
#define GROUP6    "ff0200000000000000000001ff000002"
#define GROUP_MAC "3333ff000002"
#define NOBODY6   "00000000000000000000000000000000"

static void begin_v6(void)
{
	begin("fd05::2");
}

/* A neighbour's message, its checksum made right. */
static size_t message(
	uint8_t frame[256], const char *from, const char *to, const char *icmp, uint8_t hops)
{
	char hex[512];
	uint32_t sum = 0;
	size_t n;

	snprintf(hex, sizeof(hex),
		GROUP_MAC ASKER "86dd"
				"60000000%04x3a%02x%s%s%s",
		(unsigned)strlen(icmp) / 2, hops, from, to, icmp);
	n = unhex(hex, frame, 256);
	for (size_t i = 22; i < n; i += 2)
		sum += (uint32_t)frame[i] << 8 | (i + 1 < n ? frame[i + 1] : 0);
	sum += (uint32_t)strlen(icmp) / 2 + 58;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	frame[56] = (uint8_t)(sum >> 8);
	frame[57] = (uint8_t)sum;
	return n;
}

static enum nexthop_event hear_message(
	const char *from, const char *to, const char *icmp, uint8_t hops)
{
	uint8_t frame[256];

	return hear_bytes(frame, message(frame, from, to, icmp, hops));
}

#define SOLICITATION                                                                               \
	"87000000"                                                                                 \
	"00000000" V6 "0101" ASKER

static void expect_advertisement(const char *to_mac, const char *to, uint8_t flags)
{
	uint8_t want[256];
	char hex[512];
	uint32_t sum = 0;

	ck_assert_uint_eq(len, NEXTHOP_FRAME);
	snprintf(hex, sizeof(hex),
		"%s" OWN "86dd"
		"6000000000203aff" V6 "%s"
		"88000000%02x000000" V6 "0201" OWN,
		to_mac, to, flags);
	unhex(hex, want, sizeof(want));
	for (size_t i = 22; i < len; i += 2) /* all of it and its checksum: nothing is left */
		sum += (uint32_t)out[i] << 8 | out[i + 1];
	sum += 32 + 58;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	ck_assert_uint_eq(sum, 0xffff);
	out[56] = out[57] = 0;
	ck_assert_mem_eq(out, want, len);
}

START_TEST(test_solicitation_is_answered_while_claimed)
{
	ck_assert_int_eq(hear_message(ROUTER6, GROUP6, SOLICITATION, 255), NEXTHOP_ASKED);
	ck_assert_uint_eq(len, 0);
	nexthop_claim(&hop, true, now);
	ck_assert_int_eq(hear_message(ROUTER6, GROUP6, SOLICITATION, 255), NEXTHOP_ASKED);
	expect_advertisement(ASKER, ROUTER6, 0x60);
	ck_assert_int_eq(hear_message(ROUTER6, V6, SOLICITATION, 255), NEXTHOP_ASKED);
	expect_advertisement(ASKER, ROUTER6, 0x60);
}
END_TEST

START_TEST(test_probe_for_duplicates_is_answered_to_all)
{
	nexthop_claim(&hop, true, now);
	ck_assert_int_eq(hear_message(NOBODY6, GROUP6, "8700000000000000" V6, 255), NEXTHOP_ASKED);
	expect_advertisement("333300000001", "ff020000000000000000000000000001", 0x20);
}
END_TEST

START_TEST(test_solicitation_that_is_not_right_is_left_alone)
{
	uint8_t frame[256];
	size_t n;

	nexthop_claim(&hop, true, now);
	ck_assert_int_eq(hear_message(ROUTER6, GROUP6, SOLICITATION, 64), NEXTHOP_NOTHING);
	ck_assert_int_eq(
		hear_message(ROUTER6, GROUP6, "8700000000000000" ROUTER6, 255), NEXTHOP_NOTHING);
	ck_assert_int_eq(
		hear_message(ROUTER6, GROUP6, "8701000000000000" V6, 255), NEXTHOP_NOTHING);
	ck_assert_int_eq(
		hear_message(ROUTER6, GROUP6, "8000000000000000" V6, 255), NEXTHOP_NOTHING);
	n = message(frame, ROUTER6, GROUP6, SOLICITATION, 255);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(hear_bytes(frame, i), NEXTHOP_NOTHING);
	for (size_t i = 22; i < n; i++) { /* what the checksum covers */
		frame[i] ^= 1;
		ck_assert_int_eq(hear_bytes(frame, n), NEXTHOP_NOTHING);
		frame[i] ^= 1;
	}
	ck_assert_int_eq(hear_bytes(frame, n), NEXTHOP_ASKED);
}
END_TEST

START_TEST(test_advertisement_of_another_is_contradicted_and_ours_is_whole)
{
	nexthop_claim(&hop, true, now);
	ck_assert(nexthop_due(&hop, now));
	ck_assert_int_eq(hear_message(V6, "ff020000000000000000000000000001",
				 "8800000020000000" V6 "0201" ASKER, 255),
		NEXTHOP_CONTESTED);
	ck_assert(nexthop_due(&hop, now));
	len = nexthop_announce(&hop, out);
	expect_advertisement("333300000001", "ff020000000000000000000000000001", 0x20);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nexthop");
	TCase *v4 = tcase_create("arp"), *v6 = tcase_create("neighbour discovery");

	tcase_add_checked_fixture(v4, begin_v4, NULL);
	tcase_add_test(v4, test_request_is_answered_while_claimed_and_not_before_or_after);
	tcase_add_test(v4, test_unicast_request_and_probe_for_duplicates_are_answered_too);
	tcase_add_test(v4, test_what_is_not_about_the_next_hop_or_not_arp_is_left_alone);
	tcase_add_test(v4, test_frame_that_is_cut_is_left_alone);
	tcase_add_test(v4, test_claim_is_announced_at_once_again_soon_and_every_second);
	tcase_add_test(v4, test_claim_of_another_is_contradicted_but_not_without_end);
	tcase_add_test(
		v4, test_who_knows_no_node_says_so_at_first_and_when_asked_and_contradicts_nobody);
	tcase_add_checked_fixture(v6, begin_v6, NULL);
	tcase_add_test(v6, test_solicitation_is_answered_while_claimed);
	tcase_add_test(v6, test_probe_for_duplicates_is_answered_to_all);
	tcase_add_test(v6, test_solicitation_that_is_not_right_is_left_alone);
	tcase_add_test(v6, test_advertisement_of_another_is_contradicted_and_ours_is_whole);
	suite_add_tcase(s, v4);
	suite_add_tcase(s, v6);
	return run_suite(s);
}
