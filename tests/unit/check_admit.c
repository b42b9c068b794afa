/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which requests reserve a place, and how often. */
#include "arn/admit.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "arn/directory.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static struct snapshot *snap;
static struct redirect_response rs;

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

#define PLACES  5000
#define THREADS 3

static struct {
	pthread_mutex_t lock;
	const struct snapshot *newest;
} published = {PTHREAD_MUTEX_INITIALIZER, NULL};

/* Sends clients for as long as there is room, by whatever snapshot was the newest a while ago. */
static void *redirect_all(void *arg)
{
	int *sent = arg;
	struct redirect_response *answer = malloc(sizeof(*answer));
	struct redirect_request rq = {
		.bytes = SLICE("DESCRIBE rtsp://a/news RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
		.port = TEXT_RTSP,
		.client = literal("192.0.2.1"),
		.final = true};
	bool room = true;

	while (room) {
		const struct snapshot *s;

		pthread_mutex_lock(&published.lock);
		s = snapshot_ref(published.newest);
		pthread_mutex_unlock(&published.lock);
		for (int i = 0; i < 50 && room; i++) {
			admit(&(struct admission){0}, &rq, s, answer);
			room = answer->status == 302;
			*sent += room;
		}
		snapshot_unref(s);
	}
	free(answer);
	return NULL;
}

/* Reservations become announced sessions all the time, while threads still read older snapshots:
 * each place is given away once. */
START_TEST(test_threads_that_read_old_snapshots_give_each_place_away_once)
{
	struct directory_conf conf = {.misses = 3,
		.reservation = 3600 * NS_S,
		.select = {.per_client = UINT16_MAX, .window = 3600}};
	struct directory *d = directory_new(&conf, NULL, NULL);
	struct announce node = snap->node[0].said;
	int sent[THREADS] = {0}, sum = 0;
	pthread_t t[THREADS];
	const char *why;

	node.max_sessions = PLACES;
	node.interval_ms = 200;
	ck_assert_int_eq(directory_announce(d, &node, 1, &why), 0);
	published.newest = snapshot_ref(directory_snapshot(d));
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, redirect_all, &sent[i]), 0);
	while (node.sessions < PLACES) {
		const struct snapshot *old = published.newest;
		const struct snapshot_node *n = &old->node[0];
		uint32_t came = reserve_open(n->reserved, n->over).sessions;

		/* Some of those who were sent have come. */
		node.sessions += came - came / 3;
		node.attached += came - came / 3;
		ck_assert_uint_le(node.sessions, PLACES);
		ck_assert_int_eq(directory_announce(d, &node, 2, &why), 0);
		pthread_mutex_lock(&published.lock);
		published.newest = snapshot_ref(directory_snapshot(d));
		pthread_mutex_unlock(&published.lock);
		snapshot_unref(old);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		sum += sent[i];
	}
	ck_assert_int_eq(sum, PLACES);
	snapshot_unref(published.newest);
	directory_free(d);
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
	tcase_add_test(t, test_threads_that_read_old_snapshots_give_each_place_away_once);
	return run_case("admit", t);
}
