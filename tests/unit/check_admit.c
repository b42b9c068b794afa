/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which requests reserve a place, and how often. */
#include "arn/admit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/run.h"

static struct snapshot *snap;
static struct redirect_response rs;

static struct addr literal(const char *s)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(&a, slice_of(s), 0), 0);
	return a;
}

static void setup(void)
{
	snap = snapshot_new(2);
	ck_assert_ptr_nonnull(snap);
	for (int i = 0; i < 2; i++) {
		struct snapshot_node *n = &snap->node[snap->nodes++];

		n->said = (struct announce){.role = ROLE_SN,
			.addr = literal(i ? "10.2.0.8" : "10.2.0.6"),
			.rtsp_port = 554,
			.http_port = 80,
			.healthy = true,
			.weight = 100,
			.max_sessions = 3};
		snprintf(n->said.id, sizeof(n->said.id), "sn%d", i);
		n->reserved = reserve_counter_new();
		ck_assert_ptr_nonnull(n->reserved);
	}
}

static void teardown(void)
{
	snapshot_unref(snap);
}

static uint32_t reserved(int i)
{
	return reserve_open(snap->node[i].reserved, snap->node[i].over).sessions;
}

static int ask(struct admission *a, enum text_proto port, const char *client, const char *request)
{
	struct redirect_request rq = {
		.bytes = slice_of(request), .port = port, .client = literal(client), .final = true};

	admit(a, &rq, snap, &rs);
	return rs.consumed ? rs.status : 0;
}

static int ask_rtsp(struct admission *a, const char *method)
{
	char request[128];

	snprintf(request, sizeof(request), "%s rtsp://a/news RTSP/1.0\r\nCSeq: 1\r\n\r\n", method);
	return ask(a, TEXT_RTSP, "192.0.2.1", request);
}

START_TEST(test_redirection_reserves_until_all_is_full)
{
	for (int i = 0; i < 6; i++) {
		struct admission a = {0};

		ck_assert_int_eq(ask_rtsp(&a, "DESCRIBE"), 302);
	}
	ck_assert_uint_eq(reserved(0), 3);
	ck_assert_uint_eq(reserved(1), 3);
	ck_assert_int_eq(ask_rtsp(&(struct admission){0}, "DESCRIBE"), 503);
	ck_assert_str_eq(rs.why, "all service nodes are full");
	snap->node[0].said.draining = snap->node[1].said.draining = true;
	ck_assert_int_eq(ask_rtsp(&(struct admission){0}, "DESCRIBE"), 503);
	ck_assert_str_eq(rs.why, "no service node");
}
END_TEST

START_TEST(test_connection_that_asks_twice_reserves_once)
{
	struct admission a = {0};

	ck_assert_int_eq(ask_rtsp(&a, "OPTIONS"), 302);
	snap->node[rs.node == &snap->node[0]].said.draining = true; /* the other one */
	ck_assert_int_eq(ask_rtsp(&a, "DESCRIBE"), 302);
	ck_assert_uint_eq(reserved(0) + reserved(1), 1);
	/* But what leads elsewhere takes a place there. */
	snap->node[0].said.draining = !snap->node[0].said.draining;
	snap->node[1].said.draining = !snap->node[1].said.draining;
	ck_assert_int_eq(ask_rtsp(&a, "DESCRIBE"), 302);
	ck_assert_uint_eq(reserved(0), 1);
	ck_assert_uint_eq(reserved(1), 1);
}
END_TEST

START_TEST(test_publishers_web_clients_refusals_and_parts_reserve_nothing)
{
	struct admission a = {0};

	ck_assert_int_eq(ask_rtsp(&a, "ANNOUNCE"), 302);
	ck_assert_int_eq(ask_rtsp(&a, "PLAY"), 454);
	ck_assert_int_eq(
		ask(&a, TEXT_HTTP, "192.0.2.1", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), 302);
	ck_assert_int_eq(ask(&a, TEXT_RTSP, "192.0.2.1", "DESCRIBE rtsp://a/ne"), 0);
	ck_assert_int_eq(ask(&a, TEXT_RTSP, "192.0.2.1", "DESCRIBE x y z\r\n\r\n"), 400);
	ck_assert_uint_eq(reserved(0) + reserved(1), 0);
}
END_TEST

START_TEST(test_one_client_that_never_attaches_leaves_places_to_others)
{
	snap->sources = reserve_sources_new();
	snap->select.per_client = 2;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(ask_rtsp(&(struct admission){0}, "DESCRIBE"), 302);
	ck_assert_uint_eq(reserved(0) + reserved(1), 2);
	ck_assert_int_eq(ask(&(struct admission){0}, TEXT_RTSP, "192.0.2.99",
				 "DESCRIBE rtsp://a/news RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
		302);
	ck_assert_uint_eq(reserved(0) + reserved(1), 3);
}
END_TEST

START_TEST(test_node_without_books_is_sent_everybody)
{
	reserve_counter_unref(snap->node[0].reserved);
	reserve_counter_unref(snap->node[1].reserved);
	snap->node[0].reserved = snap->node[1].reserved = NULL;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(ask_rtsp(&(struct admission){0}, "DESCRIBE"), 302);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("admit");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_redirection_reserves_until_all_is_full);
	tcase_add_test(t, test_connection_that_asks_twice_reserves_once);
	tcase_add_test(t, test_publishers_web_clients_refusals_and_parts_reserve_nothing);
	tcase_add_test(t, test_one_client_that_never_attaches_leaves_places_to_others);
	tcase_add_test(t, test_node_without_books_is_sent_everybody);
	return run_case("admit", t);
}
