/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's cores in a network made up at random, under virtual time: nodes that are killed,
 * hang, are only slow, and return; a redirector that is late to learn of it, or silent; loss and
 * delay on every path and in both directions. Whatever happens, what comes out has to be what the
 * source sent, each packet once and in order, as long as there is a node to be had.
 *
 *	SIM_SEED=N  only this world      SIM_RUNS=N  so many worlds (default 200)
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client-failover/failover.h"
#include "client-failover/playout.h"
#include "tests/sim/agenda.h"
#include "tests/unit/run.h"

#define NODES     4
#define MEDIA     2
#define ATTS      512
#define BUFFER    (3 * NS_S)
#define LENGTH    (8 * NS_S)
#define RECENT    (600 * NS_MS) /* the redirector learns of a fault so late */
#define LAST_CALL (90 * NS_S)

enum kind {
	EV_PUMP,
	EV_DATA,
	EV_NACK,
	EV_ARN,
	EV_CONNECTED,
	EV_FLIGHT,
	EV_PLAYED,
	EV_CLOSED,
	EV_NOTIFY,
	EV_NOTIFIED,
	EV_FAULT,
	EV_HEAL
};
enum health { RUNNING, HUNG, DEAD };

struct event {
	ns_t at;
	enum kind kind;
	int a, b;
	int64_t c;
};

struct node {
	enum health health;
	ns_t since;    /* that it is so */
	ns_t upstream; /* its packets are so late */
	ns_t delay;    /* to the client */
	double loss;
	int boots; /* sessions of an earlier life are gone */
};

/* An attachment, at both of its ends. */
struct att {
	int id, node, boots;
	bool open, session, released;
	int64_t from[MEDIA], next[MEDIA];
};

static struct world {
	uint64_t random;
	ns_t now;
	struct agenda agenda;
	struct node node[NODES];
	struct att att[ATTS];
	int atts;
	int transaction;
	ns_t arn_silent_until;
	struct failover *fo;
	struct playout *po;
	bool ended, holes;
	int64_t out[MEDIA]; /* the next number that has to come out; -1: nothing yet */
	int64_t written;
	int failovers, false_alarms;
} w;

static uint64_t rnd(uint64_t below)
{
	w.random ^= w.random << 13;
	w.random ^= w.random >> 7;
	w.random ^= w.random << 17;
	return (w.random >> 11) % below;
}

static bool chance(double p)
{
	return (double)rnd(1000000) < p * 1e6;
}

static void at(ns_t t, enum kind kind, int a, int b, int64_t c)
{
	struct event e = {t, kind, a, b, c};

	agenda_put(&w.agenda, t, &e);
}

/* ---- the source: video in bursts of a frame each, audio evenly ---- */

static const uint32_t rates[MEDIA] = {90000, 48000};
static const int burst[MEDIA] = {5, 1};
static const ns_t period[MEDIA] = {40 * NS_MS, 21 * NS_MS};
static const int seq0[MEDIA] = {65400, 7};

static int64_t total(int m)
{
	return LENGTH / period[m] * burst[m];
}

/* How many packets of the medium exist at t. */
static int64_t made(int m, ns_t t)
{
	int64_t n = t < 0 ? 0 : (t / period[m] + 1) * burst[m];

	return n < total(m) ? n : total(m);
}

static size_t packet(int m, int64_t n, uint8_t k[16])
{
	uint16_t seq = (uint16_t)(seq0[m] + n);
	uint32_t ts = (uint32_t)(n / burst[m] * period[m] / NS_US * (rates[m] / 1000) / 1000);
	uint8_t p[16] = {0x80, 96, (uint8_t)(seq >> 8), (uint8_t)seq, (uint8_t)(ts >> 24),
		(uint8_t)(ts >> 16), (uint8_t)(ts >> 8), (uint8_t)ts, 0, 0, 0, (uint8_t)(m + 1),
		(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	memcpy(k, p, sizeof p);
	return sizeof p;
}

static int64_t number(const uint8_t *k)
{
	return (int64_t)k[12] << 24 | k[13] << 16 | k[14] << 8 | k[15];
}

/* The number near the newest whose low 16 bits are these. */
static int64_t of_seq(int m, uint16_t seq, int64_t newest)
{
	return newest + (int16_t)(uint16_t)(seq - (uint16_t)(seq0[m] + newest));
}

/* ---- nodes ---- */

static ns_t path(const struct node *n)
{
	return n->delay + (ns_t)rnd((uint64_t)n->delay / 5 + 1);
}

static struct att *att(int id)
{
	for (int i = 0; i < w.atts; i++)
		if (w.att[i].id == id)
			return &w.att[i];
	ck_abort_msg("no attachment %d", id);
}

static struct node *alive(struct att *a)
{
	struct node *n = &w.node[a->node];

	return n->boots == a->boots && n->health == RUNNING ? n : NULL;
}

static void send_packet(struct att *a, int m, int64_t n)
{
	if (!chance(w.node[a->node].loss))
		at(w.now + path(&w.node[a->node]), EV_DATA, a->id, m, n);
}

/* All that a running node has goes to its sessions. */
static void pump(int i)
{
	for (int k = 0; k < w.atts; k++) {
		struct att *a = &w.att[k];
		if (a->node != i || !a->session || a->released || !alive(a))
			continue;
		for (int m = 0; m < MEDIA; m++)
			while (a->next[m] < made(m, w.now - w.node[i].upstream))
				send_packet(a, m, a->next[m]++);
	}
}

static void play(struct att *a)
{
	a->session = true;
	for (int m = 0; m < MEDIA; m++) {
		int64_t have = made(m, w.now - w.node[a->node].upstream);
		a->next[m] = a->from[m] < 0 ? have : of_seq(m, (uint16_t)a->from[m], have);
		if (a->next[m] < 0)
			a->next[m] = 0;
	}
}

static void kill_node(int i)
{
	struct node *n = &w.node[i];

	n->health = DEAD;
	n->since = w.now;
	n->boots++;
	for (int k = 0; k < w.atts; k++)
		if (w.att[k].node == i && w.att[k].open)
			at(w.now + path(n), EV_CLOSED, w.att[k].id, 0, 0);
}

/* The redirector's choice: by what it knew a moment ago, not among those to avoid if it can. */
static int choose(const char *avoid)
{
	int best = -1, rank = 99, start = (int)rnd(NODES);

	for (int k = 0; k < NODES; k++) {
		int i = (start + k) % NODES;
		const struct node *n = &w.node[i];
		char host[32];
		snprintf(host, sizeof host, "10.0.0.%d", i + 1);
		bool known_bad = n->health != RUNNING && w.now - n->since > RECENT;
		int r = (strstr(avoid, host) != NULL) + 2 * known_bad;
		if (r < rank) {
			rank = r;
			best = i;
		}
	}
	return best;
}

/* ---- the client's shell, in short ---- */

static void act(const struct failover_action *f)
{
	struct att *a;
	char avoid[256];

	switch (f->kind) {
	case FO_TRANSACT:
		w.transaction = f->id;
		failover_avoid(w.fo, w.now, avoid, sizeof avoid);
		if (w.now >= w.arn_silent_until && !chance(0.02))
			at(w.now + 20 * NS_MS + (ns_t)rnd(30 * NS_MS), EV_ARN, f->id, choose(avoid),
				0);
		return;
	case FO_ABANDON: w.transaction = 0; return;
	case FO_ATTACH:
		ck_assert_int_lt(w.atts, ATTS);
		a = &w.att[w.atts++];
		*a = (struct att){.id = f->id, .node = atoi(strrchr(f->node, '.') + 1) - 1};
		a->boots = w.node[a->node].boots;
		at(w.now + 2 * path(&w.node[a->node]), EV_CONNECTED, a->id, 0, 0);
		return;
	case FO_RELEASE: att(f->id)->released = true; return;
	case FO_RESUMED: w.failovers++; return;
	case FO_FALSE_ALARM: w.false_alarms++; return;
	case FO_GIVE_UP: ck_abort_msg("it gave up though a node was there");
	default: return;
	}
}

static void media_out(void)
{
	struct playout_item it;

	while (playout_next(w.po, w.now, false, &it) != PLAYOUT_NOTHING) {
		ck_assert_msg(it.kind != PLAYOUT_GAP, "%lld packets of medium %d lost from %lld on",
			(long long)it.count, it.media, (long long)it.seq);
		ck_assert_int_ne(it.kind, PLAYOUT_RESTARTED);
		if (it.kind != PLAYOUT_PACKET)
			continue;
		int64_t n = number(it.data);
		if (w.out[it.media] >= 0)
			ck_assert_int_eq(n, w.out[it.media]);
		w.out[it.media] = n + 1;
		w.written++;
	}
}

static void nacks(void)
{
	uint16_t seq[PLAYOUT_MAX_NACK];
	int id = failover_asked(w.fo), n;

	if (id < 0 || !att(id)->session)
		return;
	struct node *to = &w.node[att(id)->node];
	for (int m = 0; m < MEDIA; m++)
		while ((n = playout_due(w.po, m, w.now, seq)) > 0) {
			/* At most 16 in a packet, which is lost as a whole. */
			for (int i = 0; i < n; i += 16)
				for (int k = i, lost = chance(to->loss);
					!lost && k < n && k < i + 16; k++)
					at(w.now + path(to), EV_NACK, id, m, seq[k]);
		}
}

static void work(void)
{
	struct failover_action a;

	media_out();
	nacks();
	if (w.ended && playout_missing(w.po) == 0)
		failover_done(w.fo, w.now);
	while (failover_next(w.fo, &a) != FO_NONE)
		act(&a);
}

static void on_data(const struct event *e)
{
	uint8_t k[16];
	struct att *a = att(e->a);

	if (a->released)
		return;
	enum playout_seen s = playout_put(w.po, e->b, k, packet(e->b, e->c, k), w.now);
	if (s == PLAYOUT_LIVE || s == PLAYOUT_RECOVERED)
		failover_packet(w.fo, a->id, s == PLAYOUT_LIVE, w.now);
}

static void on_played(struct att *a)
{
	playout_set_retry(w.po, 3 * w.node[a->node].delay + 20 * NS_MS);
	if (w.holes)
		playout_rearm(w.po, w.now);
	w.holes = false;
	failover_attached(w.fo, a->id, w.now);
}

static void on_notified(struct att *a)
{
	if (a->released)
		return;
	failover_ended(w.fo, a->id, w.now);
	w.ended = true;
	for (int m = 0; m < MEDIA; m++)
		playout_ends(w.po, m, (uint16_t)(seq0[m] + total(m) - 1), w.now);
	playout_finish(w.po);
}

/* ---- what happens ---- */

static void on_connected(const struct event *e)
{
	struct att *a = att(e->a);
	struct node *n = &w.node[a->node];

	if (a->released)
		return;
	if (n->health == DEAD) {
		failover_lost(w.fo, a->id, FO_CLOSED, w.now);
		return;
	}
	if (n->health == HUNG) /* the kernel answers, nobody else does */
		return;
	a->boots = n->boots;
	a->open = true;
	for (int m = 0; m < MEDIA; m++) {
		bool holes;
		a->from[m] = playout_from(w.po, m, &holes);
		w.holes |= holes;
	}
	at(w.now + path(n), EV_FLIGHT, a->id, 0, 0);
}

static void on_flight(const struct event *e)
{
	struct att *a = att(e->a);

	if (!alive(a))
		return;
	play(a);
	at(w.now + path(&w.node[a->node]), EV_PLAYED, a->id, 0, 0);
	pump(a->node);
	if (w.now > LENGTH + w.node[a->node].upstream)
		at(w.now + path(&w.node[a->node]), EV_NOTIFIED, a->id, 0, 0);
}

static void on_fault(int i)
{
	struct node *n = &w.node[i];

	if (n->health != RUNNING)
		return;
	switch (rnd(4)) {
	case 0:
		kill_node(i);
		at(w.now + (ns_t)rnd(4 * NS_S), EV_HEAL, i, 0, 0);
		break;
	case 1: /* hangs for long, or is cut off */
		n->health = HUNG;
		n->since = w.now;
		at(w.now + NS_S + (ns_t)rnd(4 * NS_S), EV_HEAL, i, 0, 0);
		break;
	default: /* is only slow */
		n->health = HUNG;
		n->since = w.now;
		at(w.now + (ns_t)rnd(300 * NS_MS), EV_HEAL, i, 0, 0);
	}
}

static void notify(int i)
{
	for (int k = 0; k < w.atts; k++)
		if (w.att[k].node == i && w.att[k].session && !w.att[k].released &&
			alive(&w.att[k]))
			at(w.now + path(&w.node[i]), EV_NOTIFIED, w.att[k].id, 0, 0);
}

static void handle(const struct event *e)
{
	char url[64];
	struct att *a;

	switch (e->kind) {
	case EV_PUMP: pump(e->a); return;
	case EV_DATA: on_data(e); return;
	case EV_NACK:
		a = att(e->a);
		int64_t newest = made(e->b, w.now - w.node[a->node].upstream) - 1;
		int64_t n = of_seq(e->b, (uint16_t)e->c, newest);
		if (alive(a) && a->session && n >= 0 && n <= newest)
			send_packet(a, e->b, n);
		return;
	case EV_ARN:
		snprintf(url, sizeof url, "rtsp://10.0.0.%d/x", e->b + 1);
		failover_located(w.fo, e->a, slice_of(url), w.now);
		return;
	case EV_CONNECTED: on_connected(e); return;
	case EV_FLIGHT: on_flight(e); return;
	case EV_PLAYED:
		if (!att(e->a)->released)
			on_played(att(e->a));
		return;
	case EV_CLOSED: failover_lost(w.fo, e->a, FO_CLOSED, w.now); return;
	case EV_NOTIFY:
		if (w.node[e->a].health == RUNNING)
			notify(e->a);
		return;
	case EV_NOTIFIED: on_notified(att(e->a)); return;
	case EV_FAULT: on_fault(e->a); return;
	case EV_HEAL:
		w.node[e->a].health = RUNNING;
		w.node[e->a].since = w.now;
		pump(e->a);
		if (w.now > LENGTH + w.node[e->a].upstream)
			notify(e->a);
		return;
	}
}

static void make(uint64_t seed)
{
	memset(&w, 0, sizeof w);
	w.agenda.size = sizeof(struct event);
	w.random = seed * 0x9e3779b97f4a7c15ull + 1;
	for (int i = 0; i < 8; i++)
		rnd(2);
	double loss = (double)rnd(4) * 0.01;
	for (int i = 0; i < NODES; i++) {
		w.node[i] = (struct node){.upstream = (ns_t)rnd(30 * NS_MS),
			.delay = NS_MS + (ns_t)rnd(30 * NS_MS),
			.loss = loss};
		for (int m = 0; m < MEDIA; m++)
			for (ns_t t = 0; t < LENGTH; t += period[m])
				at(t + w.node[i].upstream, EV_PUMP, i, 0, 0);
		at(LENGTH + w.node[i].upstream + NS_MS, EV_NOTIFY, i, 0, 0);
	}
	/* Node 0 never fails: a path exists. The others do, now and then. */
	for (int i = 1; i < NODES; i++)
		for (ns_t t = 500 * NS_MS + (ns_t)rnd(2 * NS_S); t < LENGTH + NS_S;
			t += NS_S + (ns_t)rnd(3 * NS_S))
			at(t, EV_FAULT, i, 0, 0);
	for (int m = 0; m < MEDIA; m++)
		w.out[m] = -1;
	w.fo = failover_new(&failover_defaults);
	w.po = playout_new(MEDIA, rates, BUFFER);
}

static ns_t client_when(void)
{
	ns_t t = failover_when(w.fo), q = playout_when(w.po);
	int id = failover_asked(w.fo);

	t = q < t ? q : t;
	q = playout_due_when(w.po);
	if (id >= 0 && att(id)->session && q < t)
		t = q;
	return t > w.now ? t : w.now;
}

static void run(uint64_t seed)
{
	int stuck = 0;
	struct event e;

	make(seed);
	failover_start(w.fo, 0);
	work();
	while (!(w.ended && playout_empty(w.po))) {
		ns_t t = client_when(), was = w.now;
		ck_assert_msg(
			w.now < LAST_CALL, "world %llu does not end", (unsigned long long)seed);
		if (agenda_take(&w.agenda, t, &e)) {
			w.now = e.at;
			/* The redirector is silent at times. */
			if (w.now >= w.arn_silent_until && chance(0.0005))
				w.arn_silent_until = w.now + (ns_t)rnd(300 * NS_MS);
			handle(&e);
			stuck = 0;
		} else {
			w.now = t;
			failover_tick(w.fo, w.now);
			stuck = w.now == was ? stuck + 1 : 0;
			ck_assert_msg(stuck < 1000, "world %llu spins", (unsigned long long)seed);
		}
		work();
	}
	for (int m = 0; m < MEDIA; m++)
		ck_assert_int_eq(w.out[m], total(m));
	ck_assert_uint_eq(playout_stats(w.po).lost, 0);
	ck_assert_int_gt(w.written, 500);
	failover_free(w.fo);
	playout_free(w.po);
	agenda_clear(&w.agenda);
}

START_TEST(test_output_is_the_sources_whatever_happens)
{
	const char *one = getenv("SIM_SEED"), *runs = getenv("SIM_RUNS");
	int failovers = 0, false_alarms = 0, n = runs ? atoi(runs) : 200;

	for (int i = 0; i < n; i++) {
		uint64_t seed = one ? strtoull(one, NULL, 10) : (uint64_t)i;
		if (getenv("SIM_VERBOSE"))
			fprintf(stderr, "world %llu\n", (unsigned long long)seed);
		run(seed);
		failovers += w.failovers;
		false_alarms += w.false_alarms;
		if (one)
			return;
	}
	/* Else nothing was tested. */
	ck_assert_int_gt(failovers, n / 2);
	ck_assert_int_gt(false_alarms, n / 10);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, test_output_is_the_sources_whatever_happens);
	return run_case("client_sim", t);
}
