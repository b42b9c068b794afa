/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An overlay of 1,200 nodes under virtual time: the cores that decide (upstream.h, via.h) with a
 * model of what is around them. Links have delays; a link or a node that fails loses what is under
 * way. Each node learns of a change of the routes at a moment of its own, up to two seconds after it
 * (so routes do form circles for a while), and of a dead neighbour by silence, or by the reset of its
 * connection if only the agent died. The source sends 50 packets a second.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sn-agent/via.h"
#include "lib/rtspd.h"
#include "sn-agent/upstream.h"
#include "tests/sim/agenda.h"
#include "tests/unit/run.h"

#define NODES   1200
#define DEGREE  8
#define PACKETS 6000
#define RING    1000 /* 20 s */
#define STEP    (20 * NS_MS)
#define LINGER  (2 * NS_S)
#define SOURCE  0
#define CIRCLE  (100 * NS_MS) /* longest that one may last: the paths go round it in less */

enum what {
	PACKET,
	JOIN,
	ACCEPT,
	REFUSE,
	PATH,
	LEAVE,
	NACK,
	CLOSED,
	TIMER,
	ROUTE,
	WARM,
	ASK,
	REPAIR
};

struct message {
	ns_t at;
	enum what what;
	int node, port; /* it comes to node, by its port; -1: from itself */
	uint32_t id;    /* of the attachment */
	int64_t seq;    /* or status, or the first wanted */
	char *names;
};

struct port {
	int peer, back; /* the neighbour, and the port there that leads here */
	ns_t delay;
	int cost;
	bool *down;
	bool child;        /* the neighbour has the channel from here */
	bool waits;        /* it has asked, and is to be answered */
	uint32_t child_id; /* its attachment */
	int64_t wants;
	uint64_t carried;
};

struct attachment {
	int port;
	uint32_t id; /* 0: none */
	int64_t mark;
	char path[VIA_NAMES];
};

struct node {
	char name[8];
	struct port port[DEGREE];
	int ports;
	bool dead, listens, has_feed, asked;
	int route; /* port; -1 */
	struct upstream core;
	struct upstream_nodes near;
	struct attachment at[2];
	char via[VIA_NAMES], path[VIA_NAMES], trying[8];
	uint8_t *got;             /* [PACKETS] */
	int64_t first, next, top; /* wanted from, lowest that lacks, highest had; first -1: none */
	ns_t idle_since, timer, started;
	bool repairing;
};

static struct node node[NODES];
static bool link_down[NODES * DEGREE];
static int links;
static int dist[NODES];
static struct agenda agenda = {.size = sizeof(struct message)};
static uint64_t rng, duplicates, circles, lost;
static uint32_t last_id;
static int64_t sent;
static ns_t now, circle_since, longest_circle;

static uint64_t random_below(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % n;
}

static void schedule(struct message m)
{
	agenda_put(&agenda, m.at, &m);
}

static void later(struct node *n, enum what what, ns_t in)
{
	schedule((struct message){
		.at = now + in, .what = what, .node = (int)(n - node), .port = -1});
}

static void tell(
	struct node *n, int port, enum what what, uint32_t id, int64_t seq, const char *names)
{
	struct port *p = &n->port[port];

	p->carried += what == PACKET;
	if (*p->down && what == LEAVE) /* the end of a connection is repeated by TCP */
		schedule((struct message){.at = now + 200 * NS_MS,
			.what = LEAVE,
			.node = (int)(n - node),
			.port = -1,
			.id = id,
			.seq = port});
	if (*p->down || n->dead)
		return;
	schedule((struct message){.at = now + p->delay,
		.what = what,
		.node = p->peer,
		.port = p->back,
		.id = id,
		.seq = seq,
		.names = names ? strdup(names) : NULL});
}

/* ---- a node ---- */

static void run(struct node *n);

static bool is_source(const struct node *n)
{
	return n == &node[SOURCE];
}

static bool has_channel(const struct node *n)
{
	return is_source(n) || (n->has_feed && n->core.established);
}

static int children(const struct node *n)
{
	int count = 0;

	for (int i = 0; i < n->ports; i++)
		count += n->port[i].child || n->port[i].waits;
	return count;
}

static void arm(struct node *n)
{
	ns_t when = n->has_feed ? upstream_when(&n->core) : NS_NEVER;

	if (when < n->timer) {
		n->timer = when;
		schedule((struct message){
			.at = when, .what = TIMER, .node = (int)(n - node), .port = -1});
	}
}

static void tell_path(struct node *n, int port)
{
	char names[VIA_NAMES];

	via_join(names, n->name, n->path);
	tell(n, port, PATH, n->port[port].child_id, 0, names);
}

static void set_path(struct node *n, const char *path)
{
	if (!strcmp(n->path, path))
		return;
	snprintf(n->path, sizeof(n->path), "%s", path);
	for (int i = 0; i < n->ports; i++)
		if (n->port[i].child)
			tell_path(n, i);
}

static void pass_on(struct node *n, int64_t seq)
{
	for (int i = 0; i < n->ports; i++)
		if (n->port[i].child && seq >= n->port[i].wants)
			tell(n, i, PACKET, n->port[i].child_id, seq, NULL);
}

/* Wants all from `first` on. */
static void want_from(struct node *n, int64_t first)
{
	if (is_source(n) || (n->first >= 0 && first >= n->first))
		return;
	if (n->first >= 0 && first < n->top - RING)
		return;
	n->first = n->next = first;
	while (n->next <= n->top && n->got[n->next])
		n->next++;
}

static void accept(struct node *n, int port)
{
	struct port *p = &n->port[port];
	char names[VIA_NAMES];

	p->waits = false;
	p->child = true;
	via_join(names, n->name, n->path);
	tell(n, port, ACCEPT, p->child_id, 0, names);
	if (p->wants >= 0)
		want_from(n, p->wants);
	for (int64_t s = p->wants >= 0 ? p->wants : n->top + 1; s <= n->top; s++)
		if (n->got[s] && s > n->top - RING)
			tell(n, port, PACKET, p->child_id, s, NULL);
}

static void settled(struct node *n, int status)
{
	for (int i = 0; i < n->ports; i++) {
		struct port *p = &n->port[i];

		if (!p->waits)
			continue;
		if (status == 0) {
			accept(n, i);
		} else {
			p->waits = false;
			tell(n, i, REFUSE, p->child_id, status, NULL);
		}
	}
}

static void let_go(struct node *n, int slot)
{
	struct attachment *a = &n->at[slot];

	if (a->id)
		tell(n, a->port, LEAVE, a->id, 0, NULL);
	a->id = 0;
	*n->trying = '\0';
}

static void end_feed(struct node *n, int status)
{
	let_go(n, 0);
	let_go(n, 1);
	n->has_feed = false;
	*n->path = *n->trying = '\0';
	n->first = -1;
	n->next = n->top = 0;
	memset(n->got, 0, PACKETS);
	settled(n, status);
	for (int i = 0; i < n->ports; i++)
		if (n->port[i].child) {
			n->port[i].child = false;
			tell(n, i, CLOSED, n->port[i].child_id, 0, NULL);
		}
	if (n->listens && !n->asked) {
		n->asked = true;
		later(n, ASK, 500 * NS_MS);
	}
}

static int64_t lowest_wish(const struct node *n)
{
	int64_t from = -1;

	for (int i = 0; i < n->ports; i++)
		if (n->port[i].waits && n->port[i].wants >= 0 &&
			(from < 0 || n->port[i].wants < from))
			from = n->port[i].wants;
	return from;
}

static void attach(struct node *n, int slot, int port)
{
	struct attachment *a = &n->at[slot];
	char via[VIA_NAMES];

	*a = (struct attachment){.port = port, .id = ++last_id, .mark = n->top};
	snprintf(n->trying, sizeof(n->trying), "%s", node[n->port[port].peer].name);
	if (n->first < 0 && lowest_wish(n) >= 0)
		n->first = n->next = lowest_wish(n);
	if (n->core.established)
		*n->via = '\0';
	via_join(via, n->via, n->name);
	tell(n, port, JOIN, a->id, n->first < 0 ? -1 : n->next, via);
}

static void run(struct node *n)
{
	struct upstream_action a;

	while (n->has_feed && upstream_next(&n->core, &a))
		switch (a.what) {
		case UPSTREAM_ATTACH: attach(n, a.slot, a.node); break;
		case UPSTREAM_DROP: let_go(n, a.slot); break;
		case UPSTREAM_PROMOTED:
			*n->trying = '\0';
			set_path(n, n->at[a.slot].path);
			settled(n, 0);
			break;
		case UPSTREAM_REFUSED:
		case UPSTREAM_OVER: end_feed(n, a.status); break;
		case UPSTREAM_NOTHING: break;
		}
	arm(n);
}

static void seek(struct node *n, const char *via)
{
	snprintf(n->via, sizeof(n->via), "%s", via);
	n->has_feed = true;
	n->started = now;
	n->idle_since = NS_NEVER;
	n->timer = NS_NEVER;
	upstream_init_routed(&n->core, &n->near, n->route, *via == '\0', now);
	upstream_want(&n->core, now);
	run(n);
	if (n->has_feed && !n->repairing) {
		n->repairing = true;
		later(n, REPAIR, 100 * NS_MS);
	}
}

/* ---- what comes to a node ---- */

static void on_join(struct node *n, const struct message *m)
{
	struct port *p = &n->port[m->port];

	if (via_refuses(n->name, slice_of(m->names), n->path, n->trying)) {
		tell(n, m->port, REFUSE, m->id, 482, NULL);
		return;
	}
	p->child = false;
	p->waits = true;
	p->child_id = m->id;
	p->wants = m->seq;
	n->idle_since = NS_NEVER;
	if (has_channel(n))
		accept(n, m->port);
	else if (!n->has_feed)
		seek(n, m->names);
}

static int slot_of(const struct node *n, const struct message *m)
{
	for (int i = 0; i < 2; i++)
		if (n->has_feed && n->at[i].id == m->id && n->at[i].port == m->port)
			return i;
	return -1;
}

static void on_path(struct node *n, int slot, const struct message *m)
{
	snprintf(n->at[slot].path, VIA_NAMES, "%s", m->names);
	if (rtspd_list_has(slice_of(m->names), slice_of(n->name))) {
		circles++;
		let_go(n, slot);
		upstream_failed(&n->core, slot, 482, now);
	} else if (m->what == ACCEPT) {
		upstream_attached(&n->core, slot, true, now);
	} else if (slot == n->core.active) {
		set_path(n, m->names);
	}
}

static void on_packet(struct node *n, int slot, int64_t seq)
{
	bool fresh = !n->got[seq] && (n->first < 0 || seq >= n->first);

	duplicates += !fresh;
	if (n->first < 0)
		n->first = n->next = seq;
	if (fresh) {
		n->got[seq] = 1;
		n->top = seq > n->top ? seq : n->top;
		while (n->next <= n->top && n->got[n->next])
			n->next++;
		pass_on(n, seq);
	}
	upstream_packet(&n->core, slot, fresh, now);
	if (seq >= n->at[slot].mark)
		upstream_level(&n->core, slot, now);
}

/* What lacks is asked for, again and again, of whom the channel comes from. */
static void repair(struct node *n)
{
	int slot = n->has_feed ? n->core.active : -1;
	int asked = 0;

	n->repairing = n->has_feed;
	if (!n->has_feed)
		return;
	for (int64_t s = n->next; slot >= 0 && n->first >= 0 && s < n->top && asked < 200; s++)
		if (!n->got[s]) {
			tell(n, n->at[slot].port, NACK, n->at[slot].id, s, NULL);
			asked++;
		}
	if (!n->listens && children(n) == 0 && n->core.established) {
		if (n->idle_since == NS_NEVER)
			n->idle_since = now;
		else if (now - n->idle_since >= LINGER)
			end_feed(n, 503);
	} else {
		n->idle_since = NS_NEVER;
	}
	later(n, REPAIR, 100 * NS_MS);
}

static void on_nack(struct node *n, const struct message *m)
{
	struct port *p = &n->port[m->port];

	if (!p->child || p->child_id != m->id)
		return;
	if (n->got[m->seq] && m->seq > n->top - RING)
		tell(n, m->port, PACKET, m->id, m->seq, NULL);
	else if (!n->got[m->seq])
		want_from(n, m->seq);
}

static void from_itself(struct node *n, const struct message *m)
{
	switch (m->what) {
	case TIMER:
		if (m->at != n->timer)
			return;
		n->timer = NS_NEVER;
		if (n->has_feed)
			upstream_tick(&n->core, now);
		run(n);
		break;
	case ROUTE:
		if (n->has_feed)
			upstream_route(&n->core, n->route, now);
		run(n);
		break;
	case ASK:
		n->asked = false;
		if (n->listens && !has_channel(n) && !n->has_feed)
			seek(n, "");
		break;
	case REPAIR: repair(n); break;
	case LEAVE: tell(n, (int)m->seq, LEAVE, m->id, 0, NULL); break;
	default: break;
	}
}

static void from_neighbour(struct node *n, const struct message *m)
{
	struct port *p = &n->port[m->port];
	int slot = slot_of(n, m);

	if (*p->down)
		return;
	if (m->what == JOIN) {
		on_join(n, m);
	} else if (m->what == NACK) {
		on_nack(n, m);
	} else if (m->what == LEAVE && p->child_id == m->id) {
		p->child = p->waits = false;
	} else if (slot >= 0) {
		switch (m->what) {
		case ACCEPT:
		case PATH: on_path(n, slot, m); break;
		case PACKET: on_packet(n, slot, m->seq); break;
		case REFUSE:
		case CLOSED:
			n->at[slot].id = 0;
			*n->trying = '\0';
			upstream_failed(&n->core, slot, (int)m->seq, now);
			break;
		default: break;
		}
		run(n);
	}
}

/* ---- routes ---- */

static bool usable(const struct node *n, int port)
{
	return !n->dead && !*n->port[port].down && !node[n->port[port].peer].dead;
}

static int reached(void)
{
	static int queue[NODES * 64];
	static bool queued[NODES];
	int head = 0, tail = 0, count = 0;

	for (int i = 0; i < NODES; i++)
		dist[i] = node[i].dead ? -1 : INT32_MAX;
	dist[SOURCE] = 0;
	queue[tail++] = SOURCE;
	while (head != tail) {
		const struct node *n = &node[queue[head]];
		int at = queue[head];

		head = (head + 1) % (NODES * 64);
		queued[at] = false;
		for (int i = 0; i < n->ports; i++) {
			int d = dist[at] + n->port[i].cost, peer = n->port[i].peer;

			if (!usable(n, i) || d >= dist[peer])
				continue;
			dist[peer] = d;
			if (!queued[peer]) {
				queued[peer] = true;
				queue[tail] = peer;
				tail = (tail + 1) % (NODES * 64);
			}
		}
	}
	for (int i = 0; i < NODES; i++)
		count += dist[i] >= 0 && dist[i] < INT32_MAX;
	return count;
}

static int next_hop(const struct node *n)
{
	for (int i = 0; i < n->ports; i++)
		if (usable(n, i) && dist[n->port[i].peer] < INT32_MAX &&
			dist[n->port[i].peer] + n->port[i].cost == dist[n - node])
			return i;
	return -1;
}

static void learn_routes(struct node *n)
{
	n->route = is_source(n) ? -1 : next_hop(n);
	for (int i = 0; i < n->ports; i++)
		n->near.up[i] = usable(n, i);
}

static struct {
	ns_t at;
	int node;
} turn[NODES * 512];
static int turns;

/* Each node computes anew at a moment of its own; with what is true then. */
static void topology_changed(void)
{
	for (int i = 0; i < NODES; i++) {
		ck_assert_int_lt(turns, NODES * 512);
		turn[turns].at = now + (ns_t)random_below(2000) * NS_MS;
		turn[turns++].node = i;
		schedule((struct message){
			.at = turn[turns - 1].at, .what = WARM, .node = i, .port = -1});
	}
}

/* ---- the world ---- */

static void connect_two(int a, int b)
{
	struct node *x = &node[a], *y = &node[b];
	ns_t delay = (ns_t)(2 + random_below(15)) * NS_MS;
	int cost = 1 + (int)random_below(5);

	if (a == b || x->ports == DEGREE || y->ports == DEGREE)
		return;
	for (int i = 0; i < x->ports; i++)
		if (x->port[i].peer == b)
			return;
	x->port[x->ports] = (struct port){.peer = b,
		.back = y->ports,
		.delay = delay,
		.cost = cost,
		.down = &link_down[links]};
	y->port[y->ports++] = (struct port){.peer = a,
		.back = x->ports++,
		.delay = delay,
		.cost = cost,
		.down = &link_down[links]};
	links++;
}

static void begin(uint64_t seed)
{
	rng = seed * 0x9e3779b97f4a7c15u + 1;
	now = 100 * NS_S;
	sent = links = turns = 0;
	duplicates = circles = lost = 0;
	longest_circle = 0;
	circle_since = NS_NEVER;
	memset(link_down, 0, sizeof(link_down));
	for (int i = 0; i < NODES; i++) {
		struct node *n = &node[i];

		*n = (struct node){.got = calloc(1, PACKETS), .first = -1, .timer = NS_NEVER};
		ck_assert(n->got != NULL);
		snprintf(n->name, sizeof(n->name), "n%d", i);
		n->near.n = DEGREE;
	}
	for (int i = 0; i < NODES; i++)
		connect_two(i, (i + 1) % NODES);
	for (int i = 0; i < NODES * 3 / 2; i++)
		connect_two((int)random_below(NODES), (int)random_below(NODES));
	ck_assert_int_eq(reached(), NODES);
	for (int i = 0; i < NODES; i++)
		learn_routes(&node[i]);
	for (int i = 1; i < NODES; i++)
		if (random_below(10) < 3) {
			node[i].listens = node[i].asked = true;
			later(&node[i], ASK, (ns_t)random_below(1000) * NS_MS);
		}
}

static void end(void)
{
	struct message m;

	while (agenda_take(&agenda, NS_NEVER, &m))
		free(m.names);
	agenda_clear(&agenda);
	for (int i = 0; i < NODES; i++)
		free(node[i].got);
}

/* Who it has the channel from; -1: nobody. */
static int parent(int i)
{
	const struct node *n = &node[i];

	return n->dead || !n->has_feed || n->core.active < 0
	               ? -1
	               : n->port[n->at[n->core.active].port].peer;
}

/* Whether following who has it from whom leads round, from anywhere. */
static bool any_circle(void)
{
	static int walk[NODES]; /* that has come by */

	memset(walk, 0, sizeof(walk));
	for (int i = 0; i < NODES; i++) {
		int at = i;

		for (; at >= 0 && !walk[at]; at = parent(at))
			walk[at] = i + 1;
		if (at >= 0 && walk[at] == i + 1)
			return true;
	}
	return false;
}

static void watch_circles(void)
{
	bool any = any_circle();

	if (!any)
		circle_since = NS_NEVER;
	else if (circle_since == NS_NEVER)
		circle_since = now;
	else if (now - circle_since > longest_circle)
		longest_circle = now - circle_since;
}

static void source_sends(void)
{
	struct node *s = &node[SOURCE];

	s->top = sent++;
	s->got[s->top] = 1;
	pass_on(s, s->top);
}

static void go_on(ns_t span)
{
	ns_t until = now + span;
	struct message m;

	for (ns_t next = now + STEP; now < until; next += STEP) {
		while (agenda_take(&agenda, next, &m)) {
			struct node *n = &node[m.node];

			now = m.at > now ? m.at : now;
			if (m.what == WARM) {
				learn_routes(n);
				m.what = ROUTE;
			}
			if (!n->dead && m.port < 0)
				from_itself(n, &m);
			else if (!n->dead)
				from_neighbour(n, &m);
			free(m.names);
		}
		now = next;
		source_sends();
		watch_circles();
	}
}

static void crash(struct node *n, bool reset)
{
	n->dead = true;
	n->has_feed = false;
	for (int i = 0; i < n->ports; i++) {
		struct port *p = &n->port[i];

		if (p->child && reset)
			schedule((struct message){.at = now + p->delay,
				.what = CLOSED,
				.node = p->peer,
				.port = p->back,
				.id = p->child_id});
		p->child = p->waits = false;
		/* Its own subscriptions end with its connections. */
		struct port *q = &node[p->peer].port[p->back];
		q->child = q->waits = false;
	}
	n->first = -1;
	n->next = n->top = 0;
	*n->path = *n->via = *n->trying = '\0';
	memset(n->at, 0, sizeof(n->at));
	memset(n->got, 0, PACKETS);
}

static void revive(struct node *n)
{
	n->dead = false;
	n->repairing = false;
	n->timer = NS_NEVER;
	if (n->listens) {
		n->asked = true;
		later(n, ASK, 0);
	}
}

static int alive(void)
{
	int count = 0;

	for (int i = 0; i < NODES; i++)
		count += !node[i].dead;
	return count;
}

/* Something that serves fails, if all that is left stays connected. */
static void break_something(void)
{
	struct node *n = &node[1 + random_below(NODES - 1)];
	int port = (int)random_below((uint64_t)n->ports);

	if (n->dead)
		return;
	if (random_below(2)) {
		n->dead = true;
		bool cut = reached() < alive();
		n->dead = false;
		if (!cut)
			crash(n, random_below(2));
	} else {
		bool was = *n->port[port].down;

		*n->port[port].down = true;
		if (reached() < alive())
			*n->port[port].down = was;
	}
	reached();
	topology_changed();
}

static void mend_all(void)
{
	memset(link_down, 0, sizeof(link_down));
	for (int i = 0; i < NODES; i++)
		if (node[i].dead)
			revive(&node[i]);
	ck_assert_int_eq(reached(), NODES);
	topology_changed();
}

/* ---- what has to hold ---- */

static int lag_of(const struct node *n)
{
	return (int)(sent - 1 - n->top);
}

/* Everybody who listens has all up to now, from its first on, and nobody is in a circle. */
static void all_have_it(void)
{
	ck_assert(!any_circle());
	for (int i = 1; i < NODES; i++) {
		const struct node *n = &node[i];

		if (!n->listens || n->dead)
			continue;
		ck_assert_msg(n->has_feed && n->first >= 0, "%s has nothing", n->name);
		ck_assert_msg(lag_of(n) < 50, "%s is %d packets behind", n->name, lag_of(n));
		ck_assert_msg(n->top - n->next < 50, "%s lacks %lld of %lld..%lld", n->name,
			(long long)n->next, (long long)n->first, (long long)n->top);
	}
}

/* Everybody has it by the route; no link carries it twice, nobody gets anything twice. */
static void tree_is_clean(void)
{
	int64_t from = sent;

	for (int i = 0; i < NODES; i++)
		for (int k = 0; k < node[i].ports; k++)
			node[i].port[k].carried = 0;
	duplicates = 0;
	go_on(2 * NS_S);
	ck_assert_uint_eq(duplicates, 0);
	for (int i = 0; i < NODES; i++) {
		const struct node *n = &node[i];

		if (n->has_feed && n->core.active >= 0)
			ck_assert_msg(n->at[n->core.active].port == n->route,
				"%s has it by port %d, its route is port %d", n->name,
				n->at[n->core.active].port, n->route);
		for (int k = 0; k < n->ports; k++) {
			ck_assert_uint_le(n->port[k].carried, (uint64_t)(sent - from) + 1);
			ck_assert(!n->port[k].carried ||
				  !node[n->port[k].peer].port[n->port[k].back].carried);
		}
	}
}

static void report(const char *what, int seed)
{
	fprintf(stderr, "%s, seed %d: %llu circles closed, the longest for %lld ms\n", what, seed,
		(unsigned long long)circles, (long long)(longest_circle / NS_MS));
}

START_TEST(test_the_routes_make_a_tree_that_carries_everything_once)
{
	begin((uint64_t)_i + 1);
	go_on(4 * NS_S);
	all_have_it();
	tree_is_clean();
	end();
}
END_TEST

START_TEST(test_nothing_is_lost_while_nodes_and_links_fail)
{
	begin((uint64_t)_i + 1);
	go_on(4 * NS_S);
	for (int i = 0; i < 60; i++) {
		break_something();
		go_on((ns_t)random_below(500) * NS_MS);
	}
	go_on(6 * NS_S);
	all_have_it();
	mend_all();
	go_on(8 * NS_S);
	all_have_it();
	tree_is_clean();
	report("one after the other", _i + 1);
	ck_assert_int_lt(longest_circle, CIRCLE);
	end();
}
END_TEST

START_TEST(test_nothing_is_lost_when_much_fails_at_once)
{
	begin((uint64_t)_i + 11);
	go_on(4 * NS_S);
	for (int i = 0; i < 80; i++)
		break_something();
	go_on(8 * NS_S);
	all_have_it();
	mend_all();
	go_on(8 * NS_S);
	all_have_it();
	tree_is_clean();
	report("at once", _i + 11);
	ck_assert_int_lt(longest_circle, CIRCLE);
	end();
}
END_TEST

START_TEST(test_what_nobody_listens_to_is_pruned)
{
	begin(21);
	go_on(3 * NS_S);
	all_have_it();
	for (int i = 0; i < NODES; i++)
		node[i].listens = i == NODES / 2;
	go_on(30 * NS_S);
	int left = 0;
	for (int i = 1; i < NODES; i++)
		left += node[i].has_feed;
	/* Those on the way to the one that is left, which go one after the other. */
	ck_assert_int_le(left, 40);
	node[NODES / 2].listens = false;
	go_on(60 * NS_S);
	for (int i = 1; i < NODES; i++)
		ck_assert(!node[i].has_feed);
	ck_assert_int_eq(children(&node[SOURCE]), 0);
	end();
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("overlay");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_the_routes_make_a_tree_that_carries_everything_once, 0, 2);
	tcase_add_loop_test(t, test_nothing_is_lost_while_nodes_and_links_fail, 0, 3);
	tcase_add_loop_test(t, test_nothing_is_lost_when_much_fails_at_once, 0, 3);
	tcase_add_test(t, test_what_nobody_listens_to_is_pruned);
	return run_case("overlay_sim", t);
}
