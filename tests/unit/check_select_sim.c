/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flash crowds, under virtual time: the real directory, books and policies of one or more ARNs, and
 * a world of nodes and clients around them. A client asks an ARN, is sent to a node, attaches 50 to
 * 500 ms later (or, one in ten, never), stays for some seconds, and asks again a second later if it
 * was told 503. Nodes announce themselves every 200 ms; announcements take up to 20 ms, differently
 * to each ARN, and one in a hundred is lost.
 *
 * The nodes of this world refuse nobody: so if one is ever past its capacity, an ARN has sent it
 * too many. SELECT_SIM=1 in the environment prints what happened; decision 12 has the numbers.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arn/directory.h"
#include "arn/policy.h"
#include "tests/unit/run.h"

#define NODES    8
#define ARNS_MAX 3
#define CLIENTS  1000
#define STEP     NS_MS
#define RATE     2000 /* kbit/s of every session */

struct world_conf {
	const char *policy;
	int arns;
	bool skewed;  /* all clients ask the first ARN */
	bool by_rate; /* capacity is in bit rate, not in places */
	bool half;    /* of the usual capacity */
	bool reservations;
	int attach_min, attach_max; /* ms */
	int fail;                   /* per cent of clients who never attach */
	int stay;                   /* s, mean */
	int window;                 /* ms that the crowd comes in */
};

struct client {
	enum { WAITS, SENT, PLAYS, GONE } state;
	ns_t at; /* asks, attaches or leaves then */
	int node;
	bool fails, was_refused;
};

static struct {
	struct world_conf c;
	struct directory *arn[ARNS_MAX];
	struct announce node[NODES], lately[NODES][ARNS_MAX]; /* on its way */
	ns_t due[NODES], heard[NODES][ARNS_MAX];
	struct client client[CLIENTS];
	ns_t now;
	/* What happened: */
	int refusals, refused_clients, refused_with_room, played, failed;
	double worst; /* the highest load of a node, 1: full */
	ns_t all_placed;
} w;

static int capacity(int i)
{
	static const int places[NODES] = {20, 40, 60, 80, 150, 200, 250, 300}; /* 1100 */

	return w.c.half ? places[i] / 2 : places[i];
}

static void open_world(const struct world_conf *c, unsigned seed)
{
	struct directory_conf dc = {.misses = 3,
		.reservation = 2 * NS_S,
		.select = {.policy[1] = policy_find(slice_of(c->policy)),
			.bound = 0.25,
			.affinity_limit = 0.8,
			.session_kbps = RATE}};

	srandom(seed);
	memset(&w, 0, sizeof(w));
	w.c = *c;
	w.now = 1000 * NS_S;
	for (int k = 0; k < c->arns; k++) {
		w.arn[k] = directory_new(&dc, NULL, NULL);
		directory_set_sharing(w.arn[k], (unsigned)c->arns, (unsigned)k);
	}
	for (int i = 0; i < NODES; i++) {
		struct announce *n = &w.node[i];

		*n = (struct announce){.role = ROLE_SN,
			.rtsp_port = 554,
			.healthy = true,
			.weight = 100,
			.interval_ms = 200};
		n->addr = addr_any(AF_INET, 0);
		n->addr.in.sin_addr.s_addr = htonl(0x0a000001u + (uint32_t)i);
		snprintf(n->id, sizeof(n->id), "sn%d", i);
		if (c->by_rate)
			n->max_kbps = (uint64_t)capacity(i) * RATE;
		else
			n->max_sessions = (uint32_t)capacity(i);
		w.due[i] = w.now + (1 + random() % 200) * NS_MS;
		for (int k = 0; k < ARNS_MAX; k++)
			w.heard[i][k] = w.now;
		memcpy(w.lately[i], (struct announce[ARNS_MAX]){*n, *n, *n}, sizeof(w.lately[i]));
	}
	for (int i = 0; i < CLIENTS; i++)
		w.client[i].at = w.now + 500 * NS_MS + random() % c->window * NS_MS;
}

static void close_world(void)
{
	for (int k = 0; k < w.c.arns; k++)
		directory_free(w.arn[k]);
}

static void announce_nodes(void)
{
	const char *why;

	for (int i = 0; i < NODES; i++) {
		bool due = w.now >= w.due[i];

		if (due)
			w.due[i] += 200 * NS_MS;
		for (int k = 0; k < w.c.arns; k++) {
			if (w.now >= w.heard[i][k]) {
				w.heard[i][k] = NS_NEVER;
				ck_assert_int_eq(
					directory_announce(w.arn[k], &w.lately[i][k], w.now, &why),
					0);
			}
			if (due && random() % 100) {
				w.lately[i][k] = w.node[i];
				w.heard[i][k] = w.now + random() % 21 * NS_MS;
			}
		}
	}
}

/* Whether there is a place that nobody has and nobody was sent to. */
static bool is_room(void)
{
	int used[NODES] = {0};

	for (int i = 0; i < CLIENTS; i++)
		used[w.client[i].node] += w.client[i].state == SENT && !w.client[i].fails;
	for (int i = 0; i < NODES; i++)
		if (used[i] + (int)w.node[i].sessions < capacity(i))
			return true;
	return false;
}

static void ask(struct client *c, int i)
{
	int k = w.c.skewed ? 0 : (int)(random() % w.c.arns);
	struct select_query q = {.service = SERVICE_RTSP, .client = addr_any(AF_INET, 0)};
	const struct snapshot *s = directory_snapshot(w.arn[k]);
	struct select_choice choice;

	q.client.in.sin_addr.s_addr = htonl(0xc6120000u + (uint32_t)i);
	addr_set_port(&q.client, (uint16_t)random());
	q.path = SLICE("/news");
	choice = select_node(s, &q);
	if (!choice.node) {
		w.refusals++;
		w.refused_clients += !c->was_refused;
		w.refused_with_room += is_room();
		c->was_refused = true;
		c->at = w.now + NS_S;
		return;
	}
	if (w.c.reservations)
		ck_assert(reserve_take(
			choice.node->reserved, choice.node->over, &choice.need, &choice.room));
	c->state = SENT;
	c->node = choice.node->said.id[2] - '0';
	c->fails = random() % 100 < w.c.fail;
	c->at = w.now + (w.c.attach_min + random() % (w.c.attach_max - w.c.attach_min + 1)) * NS_MS;
	w.all_placed = w.now;
}

static void attach(struct client *c)
{
	struct announce *n = &w.node[c->node];
	double load;

	if (c->fails) {
		w.failed++;
		c->state = GONE;
		return;
	}
	n->sessions++;
	n->attached++;
	n->kbps += RATE;
	w.played++;
	load = (double)n->sessions / capacity(c->node);
	w.worst = load > w.worst ? load : w.worst;
	c->state = PLAYS;
	c->at = w.now + (ns_t)(-log((double)(1 + random() % 1000) / 1001) * w.c.stay * NS_S);
}

static void leave(struct client *c)
{
	w.node[c->node].sessions--;
	w.node[c->node].kbps -= RATE;
	c->state = GONE;
}

static void run_world(int seconds)
{
	for (ns_t end = w.now + seconds * NS_S; w.now < end; w.now += STEP) {
		announce_nodes();
		for (int k = 0; k < w.c.arns; k++)
			if (w.now % directory_look_interval(w.arn[k]) < STEP)
				directory_look(w.arn[k], w.now);
		for (int i = 0; i < CLIENTS; i++) {
			struct client *c = &w.client[i];

			if (w.now < c->at)
				continue;
			switch (c->state) {
			case WAITS: ask(c, i); break;
			case SENT: attach(c); break;
			case PLAYS: leave(c); break;
			case GONE: break;
			}
		}
	}
}

static void run(const struct world_conf *c, unsigned seed, int seconds)
{
	open_world(c, seed);
	run_world(seconds);
	if (getenv("SELECT_SIM"))
		printf("%-16s arns %d%s%s%s seed %u: worst %.3f, played %d, failed %d, told 503 "
		       "%d (%d clients; %d with room), last sent after %.2f s\n",
			c->policy, c->arns, c->skewed ? " skewed" : "",
			c->by_rate ? " by rate" : "", c->reservations ? "" : " NO RESERVATIONS",
			seed, w.worst, w.played, w.failed, w.refusals, w.refused_clients,
			w.refused_with_room, (double)(w.all_placed - 1000 * NS_S) / NS_S - 0.5);
	close_world();
}

static const struct world_conf usual = {.policy = "least-loaded",
	.arns = 1,
	.reservations = true,
	.attach_min = 50,
	.attach_max = 500,
	.fail = 10,
	.stay = 600,
	.window = 1000};

/* Of policy _i / 2, capacity in places or in bit rate. */
START_TEST(test_crowd_of_1000_in_a_second_takes_no_node_past_its_capacity)
{
	struct world_conf c = usual;

	c.policy = policy_names[_i / 2];
	c.by_rate = _i % 2;
	for (unsigned seed = 0; seed < 5; seed++) {
		run(&c, seed, 8);
		ck_assert(w.worst <= 1);
		ck_assert_int_eq(w.played + w.failed, CLIENTS); /* 1100 places: all find one */
		if (_i / 2 == 0)                                /* and at once */
			ck_assert_int_eq(w.refusals, 0);
	}
}
END_TEST

START_TEST(test_without_reservations_the_same_crowd_herds)
{
	struct world_conf c = usual;

	c.reservations = false;
	run(&c, (unsigned)_i, 8);
	ck_assert(w.worst > 1);
}
END_TEST

START_TEST(test_crowd_without_room_is_told_so_and_placed_as_sessions_end)
{
	struct world_conf c = usual;

	c.half = true; /* 550 */
	c.stay = 4;
	c.by_rate = _i % 2;
	c.attach_max = 1500;
	c.fail = _i % 3 * 15;
	run(&c, (unsigned)_i, 40);
	ck_assert(w.worst <= 1);
	ck_assert_int_gt(w.refusals, 0);
	ck_assert_int_eq(w.played + w.failed, CLIENTS);
}
END_TEST

/* _i: seed; two or three ARNs, evenly asked. */
START_TEST(test_several_arns_together_take_no_node_past_its_capacity)
{
	struct world_conf c = usual;

	c.arns = 2 + _i % 2;
	c.fail = _i % 3 * 10;
	c.by_rate = _i % 5 == 4;
	run(&c, (unsigned)_i, 12);
	ck_assert(w.worst <= 1);
	ck_assert_int_eq(w.played + w.failed, CLIENTS);
}
END_TEST

/* All clients come to one of two: it takes its share, and more as announcements follow. */
START_TEST(test_arn_that_alone_is_asked_stays_within_its_share_and_serves_all)
{
	struct world_conf c = usual;

	c.arns = 2;
	c.skewed = true;
	run(&c, (unsigned)_i, 30);
	ck_assert(w.worst <= 1);
	ck_assert_int_ge(w.played + w.failed, CLIENTS - 8); /* a last place a node is the other's */
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("select_sim");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(
		t, test_crowd_of_1000_in_a_second_takes_no_node_past_its_capacity, 0, 10);
	tcase_add_loop_test(t, test_without_reservations_the_same_crowd_herds, 0, 5);
	tcase_add_loop_test(t, test_crowd_without_room_is_told_so_and_placed_as_sessions_end, 0, 6);
	tcase_add_loop_test(t, test_several_arns_together_take_no_node_past_its_capacity, 0, 10);
	tcase_add_loop_test(
		t, test_arn_that_alone_is_asked_stays_within_its_share_and_serves_all, 0, 5);
	return run_case("select_sim", t);
}
