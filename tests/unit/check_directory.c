/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database of service nodes under virtual time. */
#include "arn/directory.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static struct directory *d;
static ns_t now;
static char changes[512]; /* "+sn806:announced -sn806:timeout " */

static void on_change(void *arg, const struct directory_change *c)
{
	size_t n = strlen(changes);

	(void)arg;
	snprintf(changes + n, sizeof(changes) - n, "%c%s:%s ", c->up ? '+' : '-', c->node->id,
		c->reason);
}

/* What changed since the last call. */
static const char *changed(void)
{
	static char last[sizeof(changes)];

	memcpy(last, changes, sizeof(last));
	changes[0] = '\0';
	return last;
}

static void setup(void)
{
	struct directory_conf c = {.misses = 3, .retry_after = 1, .reservation = 2 * NS_S};

	ck_assert_int_eq(prefix_parse(&c.block, SLICE("10.1.18.0/24")), 0);
	d = directory_new(&c, on_change, NULL);
	ck_assert_ptr_nonnull(d);
	now = 500 * NS_S;
	changes[0] = '\0';
}

static void teardown(void)
{
	directory_free(d);
}

static struct announce node(const char *id, const char *address)
{
	struct announce a = {.role = ROLE_SN,
		.addr = literal(address),
		.rtsp_port = 554,
		.healthy = true,
		.weight = 100,
		.interval_ms = 200};

	snprintf(a.id, sizeof(a.id), "%s", id);
	return a;
}

static void hear(const struct announce *a)
{
	const char *why;

	ck_assert_int_eq(directory_announce(d, a, now, &why), 0);
}

/* Somebody who watches the services: what he says, and whom he knows. */
static struct node_health verdict;
static char watched[256]; /* "+a -a " */

static struct node_health on_known(void *arg, const struct announce *said, ns_t at)
{
	size_t n = strlen(watched);

	(void)arg;
	(void)at;
	snprintf(watched + n, sizeof(watched) - n, "+%s ", said->id);
	return verdict;
}

static void on_gone(void *arg, const char *id, bool lost, ns_t at)
{
	size_t n = strlen(watched);

	(void)arg;
	(void)at;
	snprintf(watched + n, sizeof(watched) - n, "-%s%s ", id, lost ? "!" : "");
}

static int nodes(void)
{
	return directory_snapshot(d)->nodes;
}

START_TEST(test_announced_node_is_there_at_once)
{
	struct announce a = node("sn806", "10.2.0.6");

	hear(&a);
	ck_assert_str_eq(changed(), "+sn806:announced ");
	ck_assert_int_eq(nodes(), 1);
	ck_assert(addr_same_host(&directory_snapshot(d)->node[0].said.addr, &a.addr));
}
END_TEST

START_TEST(test_node_is_forgotten_after_three_of_its_own_intervals)
{
	struct announce quick = node("quick", "10.2.0.6"), slow = node("slow", "10.2.0.7");

	slow.interval_ms = 1000;
	hear(&quick);
	hear(&slow);
	changed();
	ck_assert_int_eq(directory_when(d), now + 600 * NS_MS);
	now += 600 * NS_MS - 1;
	directory_expire(d, now);
	ck_assert_int_eq(nodes(), 2);
	now += 1;
	directory_expire(d, now);
	ck_assert_str_eq(changed(), "-quick:timeout ");
	ck_assert_int_eq(nodes(), 1);
	ck_assert_int_eq(directory_when(d), now + 2400 * NS_MS);
	now += 2400 * NS_MS;
	directory_expire(d, now);
	ck_assert_str_eq(changed(), "-slow:timeout ");
	ck_assert_int_eq(nodes(), 0);
	ck_assert_int_eq(directory_when(d), NS_NEVER);
}
END_TEST

START_TEST(test_refreshed_node_stays_and_is_told_once)
{
	struct announce a = node("sn806", "10.2.0.6");

	for (int i = 0; i < 20; i++) {
		a.sessions = (uint32_t)i;
		hear(&a);
		directory_expire(d, now);
		now += 200 * NS_MS;
	}
	ck_assert_str_eq(changed(), "+sn806:announced ");
	ck_assert_uint_eq(directory_snapshot(d)->node[0].said.sessions, 19);
}
END_TEST

START_TEST(test_interval_that_a_node_claims_is_bounded)
{
	struct announce a = node("sn806", "10.2.0.6");

	a.interval_ms = 0;
	hear(&a);
	ck_assert_int_eq(directory_when(d), now + 60 * NS_MS);
	a.interval_ms = UINT32_MAX;
	hear(&a);
	ck_assert_int_eq(directory_when(d), now + 90 * NS_S);
}
END_TEST

START_TEST(test_goodbye_takes_the_node_away_at_once)
{
	struct announce a = node("sn806", "10.2.0.6");

	hear(&a);
	changed();
	ck_assert(!directory_goodbye(d, "sn807", now));
	ck_assert_int_eq(nodes(), 1);
	ck_assert(directory_goodbye(d, "sn806", now));
	ck_assert_str_eq(changed(), "-sn806:goodbye ");
	ck_assert_int_eq(nodes(), 0);
	ck_assert(!directory_goodbye(d, "sn806", now));
}
END_TEST

START_TEST(test_draining_and_ill_nodes_stay_known_but_are_told_as_down)
{
	struct announce a = node("sn806", "10.2.0.6");

	hear(&a);
	changed();
	a.draining = true;
	hear(&a);
	ck_assert_str_eq(changed(), "-sn806:draining ");
	a.draining = false;
	hear(&a);
	ck_assert_str_eq(changed(), "+sn806:announced ");
	a.healthy = false;
	hear(&a);
	ck_assert_str_eq(changed(), "-sn806:unhealthy ");
	ck_assert_int_eq(nodes(), 1);
	now += NS_S;
	directory_expire(d, now);
	ck_assert_str_eq(changed(), ""); /* it was down already */
}
END_TEST

START_TEST(test_address_that_no_client_can_be_sent_to_is_refused)
{
	static const char *const bad[] = {
		"0.0.0.0", "::", "239.255.77.1", "ff02::1", "fe80::1", "10.1.18.27"};
	const char *why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct announce a = node("x", bad[i]);

		why = NULL;
		ck_assert_int_eq(directory_announce(d, &a, now, &why), -EINVAL);
		ck_assert_ptr_nonnull(why);
	}
	ck_assert_int_eq(nodes(), 0);
	ck_assert_str_eq(changed(), "");
}
END_TEST

START_TEST(test_table_is_bounded_and_those_who_are_in_it_are_unharmed)
{
	struct announce first = node("a-first", "10.2.0.6");
	const char *why;

	hear(&first);
	for (int i = 1; i < DIRECTORY_MAX; i++) {
		char id[16];
		struct announce a;

		snprintf(id, sizeof(id), "n%d", i);
		a = node(id, "10.2.0.7");
		hear(&a);
	}
	first.interval_ms = 300;
	ck_assert_int_eq(directory_announce(d, &first, now, &why), 0);
	first = node("one-more", "10.2.0.8");
	ck_assert_int_eq(directory_announce(d, &first, now, &why), -ENOSPC);
	ck_assert_int_eq(nodes(), DIRECTORY_MAX);
}
END_TEST

START_TEST(test_snapshot_is_ordered_by_name_and_never_changes)
{
	static const char *const ids[] = {"m", "z", "a", "k", "b"};
	const struct snapshot *s;
	uint64_t version;

	for (size_t i = 0; i < 5; i++) {
		struct announce a = node(ids[i], "10.2.0.6");

		hear(&a);
	}
	s = directory_snapshot(d);
	for (int i = 1; i < s->nodes; i++)
		ck_assert_int_lt(strcmp(s->node[i - 1].said.id, s->node[i].said.id), 0);
	version = s->version;
	ck_assert_ptr_eq(directory_snapshot(d), s);
	ck_assert(directory_goodbye(d, "k", now));
	snapshot_ref(s);
	ck_assert_uint_eq(directory_snapshot(d)->version, version + 1);
	ck_assert_int_eq(nodes(), 4);
	ck_assert_int_eq(s->nodes, 5); /* as it was, for who still has it */
	ck_assert_str_eq(s->node[2].said.id, "k");
	snapshot_unref(s);
}
END_TEST

START_TEST(test_snapshot_outlives_the_directory_for_who_holds_it)
{
	struct announce a = node("sn806", "10.2.0.6");
	const struct snapshot *s;

	hear(&a);
	s = snapshot_ref(directory_snapshot(d));
	directory_free(d);
	d = NULL;
	ck_assert_str_eq(s->node[0].said.id, "sn806");
	snapshot_unref(s);
}
END_TEST

START_TEST(test_configured_node_is_there_without_announcing_itself)
{
	struct announce fixed = node("sn9", "10.2.0.9");

	directory_configure(d, &fixed, 1, now);
	ck_assert_str_eq(changed(), "+sn9:configured ");
	now += 3600 * NS_S;
	directory_expire(d, now);
	ck_assert_int_eq(nodes(), 1);
	ck_assert(directory_snapshot(d)->node[0].said.healthy);
}
END_TEST

START_TEST(test_configured_node_that_falls_silent_is_kept_as_broken)
{
	struct announce fixed = node("sn9", "10.2.0.9"), says = fixed;

	directory_configure(d, &fixed, 1, now);
	says.sessions = 17;
	hear(&says);
	ck_assert_uint_eq(directory_snapshot(d)->node[0].said.sessions, 17);
	changed();
	now += NS_S;
	directory_expire(d, now);
	ck_assert_str_eq(changed(), "-sn9:timeout ");
	ck_assert_int_eq(nodes(), 1);
	ck_assert(!directory_snapshot(d)->node[0].said.healthy);
	/* Reading the same configuration again is no news of its health. */
	directory_configure(d, &fixed, 1, now);
	ck_assert(!directory_snapshot(d)->node[0].said.healthy);
	hear(&says);
	ck_assert_str_eq(changed(), "+sn9:announced ");
}
END_TEST

START_TEST(test_reload_replaces_configured_nodes_and_leaves_heard_ones)
{
	struct announce list[2] = {node("sn1", "10.2.0.1"), node("sn2", "10.2.0.2")};
	struct announce heard = node("sn3", "10.2.0.3");

	directory_configure(d, list, 2, now);
	hear(&heard);
	hear(&list[1]);
	changed();
	directory_configure(d, NULL, 0, now);
	ck_assert_str_eq(changed(), "-sn1:removed ");
	ck_assert_int_eq(nodes(), 2);
	now += NS_S;
	directory_expire(d, now);
	ck_assert_int_eq(nodes(), 0);
}
END_TEST

/* C4 */
START_TEST(test_node_is_up_when_its_service_was_found_to_work)
{
	struct announce a = node("a", "10.2.0.6");
	struct node_health found = {0};
	uint64_t version;

	verdict.of[TEXT_RTSP].verdict = HEALTH_UNKNOWN;
	watched[0] = '\0';
	directory_watch(d, &(struct directory_watcher){on_known, on_gone, NULL});
	hear(&a);
	ck_assert_str_eq(changed(), "");
	ck_assert_int_eq(directory_usable(d), 0);
	ck_assert_int_eq(
		directory_snapshot(d)->node[0].health.of[TEXT_RTSP].verdict, HEALTH_UNKNOWN);
	found.of[TEXT_RTSP].verdict = HEALTH_WORKS;
	directory_judge(d, "a", &found);
	ck_assert_str_eq(changed(), "+a:service works ");
	/* In quarantine it is usable, and told apart in the snapshot only. */
	found.of[TEXT_RTSP].verdict = HEALTH_QUARANTINED;
	directory_judge(d, "a", &found);
	ck_assert_str_eq(changed(), "");
	ck_assert_int_eq(directory_usable(d), 1);
	found.of[TEXT_RTSP].verdict = HEALTH_BROKEN;
	directory_judge(d, "a", &found);
	ck_assert_str_eq(changed(), "-a:service broken ");
	ck_assert_int_eq(directory_usable(d), 0);
	directory_judge(d, "b", &found);
	ck_assert_int_eq(directory_count(d), 1);
	/* What nobody can notice makes no new snapshot. */
	version = directory_snapshot(d)->version;
	found.of[TEXT_RTSP].delay_us = 4000;
	directory_judge(d, "a", &found);
	ck_assert_uint_eq(directory_snapshot(d)->version, version);
	found.of[TEXT_RTSP].delay_us = 9000;
	directory_judge(d, "a", &found);
	ck_assert_uint_eq(directory_snapshot(d)->version, version + 1);
	ck_assert_str_eq(watched, "+a ");
	now += NS_S;
	directory_expire(d, now);
	ck_assert_str_eq(watched, "+a -a! ");
	hear(&a);
	directory_goodbye(d, "a", now);
	ck_assert_str_eq(watched, "+a -a! +a -a ");
}
END_TEST

/* C5: a flood drowns announcements; what was not heard then proves nothing, for a while. */
START_TEST(test_silence_while_datagrams_are_lost_is_doubted_but_not_for_ever)
{
	struct announce a = node("a", "10.2.0.6");
	ns_t heard = now, next;

	hear(&a);
	changed();
	now = directory_when(d);
	directory_doubt(d, now);
	directory_expire(d, now);
	ck_assert_int_eq(directory_count(d), 1);
	ck_assert_int_eq(directory_when(d), now + 600 * NS_MS);
	while (directory_count(d)) {
		next = directory_when(d);
		ck_assert(next > now);
		now = next;
		directory_doubt(d, now);
		directory_expire(d, now);
	}
	ck_assert_int_eq(now, heard + DIRECTORY_DOUBTS * 600 * NS_MS);
	ck_assert_str_eq(changed(), "-a:timeout ");
	/* Who is not due is not touched. */
	hear(&a);
	next = directory_when(d);
	directory_doubt(d, now);
	ck_assert_int_eq(directory_when(d), next);
}
END_TEST

START_TEST(test_node_with_one_service_that_works_is_up)
{
	struct announce a = node("a", "10.2.0.6");

	a.http_port = 80;
	verdict.of[TEXT_RTSP].verdict = HEALTH_BROKEN;
	verdict.of[TEXT_HTTP].verdict = HEALTH_WORKS;
	directory_watch(d, &(struct directory_watcher){on_known, on_gone, NULL});
	hear(&a);
	ck_assert_str_eq(changed(), "+a:announced ");
	/* What is not offered does not count. */
	a.http_port = 0;
	hear(&a);
	ck_assert_int_eq(directory_usable(d), 0);
}
END_TEST

START_TEST(test_configured_node_is_watched_where_the_configuration_says)
{
	struct announce a = node("a", "10.2.0.6"), fixed = node("a", "10.2.0.7");

	verdict.of[TEXT_RTSP].verdict = HEALTH_WORKS;
	watched[0] = '\0';
	directory_watch(d, &(struct directory_watcher){on_known, on_gone, NULL});
	directory_configure(d, &fixed, 1, now);
	hear(&a);
	now += NS_S;
	directory_expire(d, now);
	ck_assert_str_eq(watched, "+a +a -a! +a ");
	directory_configure(d, NULL, 0, now);
	ck_assert_str_eq(watched, "+a +a -a! +a -a ");
}
END_TEST

/* n clients are sent to node 0. */
static void reserve(int n)
{
	const struct snapshot_node *to = &directory_snapshot(d)->node[0];
	const struct reservation all = {RESERVE_MAX_SESSIONS, RESERVE_MAX_KBPS};

	for (int i = 0; i < n; i++)
		ck_assert(
			reserve_take(to->reserved, to->over, &(struct reservation){1, 100}, &all));
}

/* Sessions that are announced, and reserved, in one and the same snapshot. */
static void expect_load(uint32_t announced, uint32_t reserved)
{
	const struct snapshot_node *n = &directory_snapshot(d)->node[0];

	ck_assert_uint_eq(n->said.sessions, announced);
	ck_assert_uint_eq(reserve_open(n->reserved, n->over).sessions, reserved);
	ck_assert_uint_eq(reserve_open(n->reserved, n->over).kbps, 100 * reserved);
}

START_TEST(test_announcement_of_who_attached_consumes_reservations)
{
	struct announce a = node("sn806", "10.2.0.6");
	const struct snapshot *old;

	a.sessions = 7;
	a.attached = 1000; /* its past is nothing that we have reserved */
	hear(&a);
	reserve(10);
	expect_load(7, 10);
	ck_assert_uint_eq(directory_reserved(d), 10);
	old = snapshot_ref(directory_snapshot(d));
	a.sessions = 8; /* four came and three went */
	a.attached = 1004;
	hear(&a);
	expect_load(8, 6);
	/* Who still reads the old one counts neither too few. */
	ck_assert_uint_eq(reserve_open(old->node[0].reserved, old->node[0].over).sessions, 10);
	snapshot_unref(old);
	hear(&a);
	expect_load(8, 6);
}
END_TEST

START_TEST(test_first_announcement_of_a_configured_node_consumes_nothing)
{
	struct announce fixed = node("sn9", "10.2.0.9"), says = fixed;

	directory_configure(d, &fixed, 1, now);
	reserve(5);
	says.attached = 50000;
	says.sessions = 3;
	hear(&says);
	expect_load(3, 5);
}
END_TEST

START_TEST(test_node_that_was_restarted_counts_from_the_start)
{
	struct announce a = node("sn806", "10.2.0.6");

	a.attached = 1000;
	hear(&a);
	reserve(10);
	a.attached = a.sessions = 2;
	hear(&a);
	expect_load(2, 8);
}
END_TEST

START_TEST(test_node_that_counts_nobody_tells_it_by_its_sessions)
{
	struct announce a = node("sn806", "10.2.0.6");

	a.sessions = 5;
	hear(&a);
	reserve(10);
	a.sessions = 8;
	hear(&a);
	expect_load(8, 7);
	a.sessions = 6;
	hear(&a);
	expect_load(6, 7);
}
END_TEST

START_TEST(test_reservation_expires_and_makes_a_new_snapshot)
{
	struct announce a = node("sn806", "10.2.0.6");
	uint64_t version;

	hear(&a);
	reserve(3);
	directory_look(d, now);
	expect_load(0, 3);
	version = directory_snapshot(d)->version;
	now += 2 * NS_S;
	ck_assert(directory_look(d, now));
	expect_load(0, 0);
	ck_assert_uint_eq(directory_snapshot(d)->version, version + 1);
	ck_assert_uint_eq(directory_expired(d), 3);
	ck_assert(directory_goodbye(d, "sn806", now));
	ck_assert_uint_eq(directory_expired(d), 3);
}
END_TEST

START_TEST(test_of_several_active_arns_each_consumes_its_share)
{
	struct announce a = node("sn806", "10.2.0.6");

	directory_set_sharing(d, 2, 1);
	hear(&a);
	ck_assert_uint_eq(directory_snapshot(d)->select.arns, 2);
	ck_assert_uint_eq(directory_snapshot(d)->select.turn, 1);
	reserve(10);
	a.attached = a.sessions = 5;
	hear(&a);
	expect_load(5, 8);
	a.attached = a.sessions = 6;
	hear(&a);
	expect_load(6, 7);
}
END_TEST

/* ---- far nodes (rows H1, A3) ---- */

static const struct far_facts measured = {.rtt_us = 20000, .distance = 2, .asked = true};

static void far_says(const struct announce *a, const struct far_facts *facts)
{
	const char *why;

	ck_assert_int_eq(directory_far(d, a, facts, now, &why), 0);
}

START_TEST(test_far_node_is_usable_while_it_is_eligible)
{
	struct announce a = node("sn942", "10.4.0.2");
	const struct snapshot *s;

	far_says(&a, &measured);
	ck_assert_str_eq(changed(), "+sn942:eligible ");
	s = directory_snapshot(d);
	ck_assert_int_eq(s->nodes, 1);
	ck_assert(s->node[0].far);
	ck_assert_uint_eq(s->node[0].rtt_us, 20000);
	ck_assert_uint_eq(s->node[0].distance, 2);
	ck_assert_uint_eq(s->least_rtt_us, 20000);
	ck_assert_int_eq(s->node[0].health.of[TEXT_RTSP].verdict, HEALTH_WORKS);
	ck_assert_int_eq(directory_usable(d), 1);
	ck_assert_int_eq(directory_usable_here(d), 0);
	ck_assert(!directory_is_local(d, "sn942"));
	ck_assert(directory_far_left(d, "sn942", "does not answer", now));
	ck_assert_str_eq(changed(), "-sn942:does not answer ");
	ck_assert_int_eq(nodes(), 0);
	ck_assert(!directory_far_left(d, "sn942", "does not answer", now));
}
END_TEST

/* However rarely it is asked: whoever asks it says when it is lost. */
START_TEST(test_far_node_is_there_until_it_is_left)
{
	struct announce a = node("sn942", "10.4.0.2");

	far_says(&a, &measured);
	ck_assert_int_eq(directory_when(d), NS_NEVER);
	now += 3600 * NS_S;
	directory_expire(d, now);
	ck_assert_int_eq(directory_usable(d), 1);
	ck_assert_str_eq(changed(), "+sn942:eligible ");
}
END_TEST

START_TEST(test_far_node_in_doubt_is_shown_as_such)
{
	struct announce a = node("sn942", "10.4.0.2");
	struct far_facts f = measured;

	f.doubted = true;
	far_says(&a, &f);
	ck_assert_int_eq(
		directory_snapshot(d)->node[0].health.of[TEXT_RTSP].verdict, HEALTH_QUARANTINED);
	f.asked = f.doubted = false;
	far_says(&a, &f);
	ck_assert_int_eq(
		directory_snapshot(d)->node[0].health.of[TEXT_RTSP].verdict, HEALTH_UNKNOWN);
}
END_TEST

START_TEST(test_node_of_our_own_is_not_far_whoever_says_so)
{
	struct announce a = node("sn806", "10.2.0.6"), c = node("sn810", "10.2.0.10");
	const char *why;

	far_says(&a, &measured);
	changed();
	hear(&a); /* it is here after all */
	ck_assert_str_eq(changed(), "-sn806:one of ours +sn806:announced ");
	ck_assert(!directory_snapshot(d)->node[0].far);
	ck_assert(directory_is_local(d, "sn806"));
	ck_assert_int_eq(directory_far(d, &a, &measured, now, &why), -EEXIST);
	ck_assert(!directory_far_left(d, "sn806", "does not answer", now));
	ck_assert_int_eq(nodes(), 1);
	far_says(&c, &measured);
	directory_configure(d, &c, 1, now);
	ck_assert(directory_is_local(d, "sn810"));
	now += 100 * NS_S;
	directory_expire(d, now);
	ck_assert_int_eq(nodes(), 1); /* configured, and never gone */
}
END_TEST

START_TEST(test_far_node_survives_a_reload_and_nobody_asks_its_services)
{
	struct announce a = node("sn942", "10.4.0.2");

	directory_watch(d, &(struct directory_watcher){on_known, on_gone, NULL});
	watched[0] = '\0';
	far_says(&a, &measured);
	directory_configure(d, NULL, 0, now);
	ck_assert_int_eq(nodes(), 1);
	directory_far_left(d, "sn942", "removed", now);
	ck_assert_str_eq(watched, "");
}
END_TEST

START_TEST(test_far_node_inside_the_block_is_refused)
{
	struct announce a = node("sn942", "10.1.18.7");
	const char *why;

	ck_assert_int_eq(directory_far(d, &a, &measured, now, &why), -EINVAL);
	ck_assert_int_eq(nodes(), 0);
}
END_TEST

/* What is reserved there is in its news, or is not, when these are younger than the reservation. */
START_TEST(test_reservation_at_a_far_node_lasts_until_there_is_news)
{
	struct announce a = node("sn942", "10.4.0.2");

	far_says(&a, &measured);
	reserve(4);
	directory_look(d, now);
	now += 5 * NS_S; /* past its time, and nothing new is known */
	directory_look(d, now);
	expect_load(0, 4);
	a.sessions = 4;
	far_says(&a, &measured);
	expect_load(4, 0);
	/* News that are older than it may not have it yet. */
	reserve(3);
	directory_look(d, now);
	now += NS_S;
	a.sessions = 5; /* may be anybody */
	a.attached = 500;
	far_says(&a, &measured);
	expect_load(5, 3);
}
END_TEST

START_TEST(test_load_of_home_is_of_all_usable_nodes_there)
{
	struct announce a = node("a", "10.2.0.6"), b = node("b", "10.2.0.7"),
			f = node("f", "10.4.0.2");
	struct area_load l = directory_load(d, NULL, 1);

	ck_assert(l.capacity == 0);
	a.max_sessions = b.max_sessions = f.max_sessions = 100;
	a.sessions = 60;
	b.sessions = 20;
	f.sessions = 50;
	hear(&a);
	hear(&b);
	far_says(&f, &measured);
	l = directory_load(d, NULL, 0.8);
	ck_assert(l.capacity == 200 && l.used == 80);
	l = directory_load(d, "f", 0.8);
	ck_assert(l.capacity == 80 && l.used == 50);
	b.draining = true;
	hear(&b);
	l = directory_load(d, NULL, 1);
	ck_assert(l.capacity == 100 && l.used == 60);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("directory");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_announced_node_is_there_at_once);
	tcase_add_test(t, test_node_is_forgotten_after_three_of_its_own_intervals);
	tcase_add_test(t, test_refreshed_node_stays_and_is_told_once);
	tcase_add_test(t, test_interval_that_a_node_claims_is_bounded);
	tcase_add_test(t, test_goodbye_takes_the_node_away_at_once);
	tcase_add_test(t, test_draining_and_ill_nodes_stay_known_but_are_told_as_down);
	tcase_add_test(t, test_address_that_no_client_can_be_sent_to_is_refused);
	tcase_add_test(t, test_table_is_bounded_and_those_who_are_in_it_are_unharmed);
	tcase_add_test(t, test_snapshot_is_ordered_by_name_and_never_changes);
	tcase_add_test(t, test_snapshot_outlives_the_directory_for_who_holds_it);
	tcase_add_test(t, test_configured_node_is_there_without_announcing_itself);
	tcase_add_test(t, test_configured_node_that_falls_silent_is_kept_as_broken);
	tcase_add_test(t, test_reload_replaces_configured_nodes_and_leaves_heard_ones);
	tcase_add_test(t, test_node_is_up_when_its_service_was_found_to_work);
	tcase_add_test(t, test_silence_while_datagrams_are_lost_is_doubted_but_not_for_ever);
	tcase_add_test(t, test_node_with_one_service_that_works_is_up);
	tcase_add_test(t, test_configured_node_is_watched_where_the_configuration_says);
	tcase_add_test(t, test_announcement_of_who_attached_consumes_reservations);
	tcase_add_test(t, test_first_announcement_of_a_configured_node_consumes_nothing);
	tcase_add_test(t, test_node_that_was_restarted_counts_from_the_start);
	tcase_add_test(t, test_node_that_counts_nobody_tells_it_by_its_sessions);
	tcase_add_test(t, test_reservation_expires_and_makes_a_new_snapshot);
	tcase_add_test(t, test_of_several_active_arns_each_consumes_its_share);
	tcase_add_test(t, test_far_node_is_usable_while_it_is_eligible);
	tcase_add_test(t, test_far_node_is_there_until_it_is_left);
	tcase_add_test(t, test_far_node_in_doubt_is_shown_as_such);
	tcase_add_test(t, test_node_of_our_own_is_not_far_whoever_says_so);
	tcase_add_test(t, test_far_node_survives_a_reload_and_nobody_asks_its_services);
	tcase_add_test(t, test_far_node_inside_the_block_is_refused);
	tcase_add_test(t, test_reservation_at_a_far_node_lasts_until_there_is_news);
	tcase_add_test(t, test_load_of_home_is_of_all_usable_nodes_there);
	return run_case("directory", t);
}
