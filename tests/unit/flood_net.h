/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ARNs that flood to each other over any graph, in virtual time: links have a delay, lose and are cut.
 * What passes a link is held against the rules of arn/flood.h as it is sent.
 */
#ifndef NEARCAST_TESTS_FLOOD_NET_H
#define NEARCAST_TESTS_FLOOD_NET_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/flood.h"
#include "tests/sim/agenda.h"

#define NET_WALL   (1700000000 * NS_S) /* when virtual time begins */
#define NET_DEGREE 8

/* ck_assert writes a mark each time that it holds: here it holds millions of times. */
#define NET_MUST(x, ...)                                                                           \
	do {                                                                                       \
		if (!(x))                                                                          \
			ck_abort_msg(__VA_ARGS__);                                                 \
	} while (0)

struct net_event {
	ns_t at;
	int to, link; /* link -1: a timer */
	uint64_t life;
	size_t n;
	uint8_t *payload;
};

struct net_end {
	int peer, back; /* whose link `back` this is */
	bool cut;
	uint64_t *sent, *got; /* the last sequence, of each origin */
	uint64_t messages;
};

struct net_arn {
	char name[16];
	struct flood *f;
	uint64_t life; /* grows when it starts anew */
	int links;
	struct net_end link[NET_DEGREE];
	ns_t timer;
	ns_t clock; /* its wall clock is wrong by that */
	struct announce node;
	uint64_t gone;     /* nodes that it lost */
	uint32_t sessions; /* of the node that it heard of last */
	unsigned hops;     /* to it */
	struct net *net;
};

struct net {
	int n;
	struct net_arn *arn;
	struct flood_conf conf;
	ns_t now, delay;
	int loss;    /* per mille */
	bool checks; /* each sequence once; off while somebody forges */
	struct agenda agenda;
	uint64_t messages, random;
};

static inline uint64_t net_draw(struct net *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

static inline int net_index(const char *name)
{
	return name[0] == 'a' ? atoi(name + 1) : -1;
}

static inline void net_send(void *arg, int link, const uint8_t *payload, size_t n)
{
	struct net_arn *a = arg;
	struct net *t = a->net;
	struct net_end *e = &a->link[link];
	struct flood_msg m;
	const char *why;
	int origin;

	NET_MUST(flood_msg_decode(&m, payload, n, &why) == 0, "%s", why);
	NET_MUST(!strcmp(m.from, a->name), "%s says it is %s", a->name, m.from);
	origin = net_index(m.origin);
	if (t->checks) {
		NET_MUST(m.seq > e->sent[origin], "%s: twice to the same", a->name);
		NET_MUST(m.seq > e->got[origin], "%s: back to whom it came from", a->name);
		e->sent[origin] = m.seq;
	}
	e->messages++;
	t->messages++;
	if (e->cut || net_draw(t) % 1000 < (uint64_t)t->loss)
		return;
	struct net_event event = {.at = t->now + t->delay,
		.to = e->peer,
		.link = e->back,
		.life = t->arn[e->peer].life,
		.n = n,
		.payload = malloc(n)};

	memcpy(event.payload, payload, n);
	agenda_put(&t->agenda, event.at, &event);
}

static inline void net_run_arn(struct net *t, int i)
{
	struct net_arn *a = &t->arn[i];

	if (!a->f)
		return;
	if (flood_when(a->f) <= t->now)
		flood_run(a->f, t->now, NET_WALL + a->clock + t->now, net_send, a);
	NET_MUST(flood_when(a->f) > t->now, "%s does nothing, and is due", a->name);
	if (flood_when(a->f) < a->timer) {
		a->timer = flood_when(a->f);
		agenda_put(&t->agenda, a->timer,
			&(struct net_event){.at = a->timer, .to = i, .link = -1});
	}
}

static inline void net_deliver(struct net *t, struct net_event *e)
{
	struct net_arn *a = &t->arn[e->to];
	struct flood_msg m;
	const char *why;

	if (!a->f || a->life != e->life || a->link[e->link].cut)
		return;
	NET_MUST(flood_msg_decode(&m, e->payload, e->n, &why) == 0, "%s", why);
	if (t->checks && m.seq > a->link[e->link].got[net_index(m.origin)])
		a->link[e->link].got[net_index(m.origin)] = m.seq;
	flood_hear(a->f, e->link, &m, t->now, NET_WALL + a->clock + t->now, &why);
}

static inline void net_pass(struct net *t, ns_t time)
{
	ns_t end = t->now + time;
	struct net_event e;

	while (agenda_take(&t->agenda, end, &e)) {
		t->now = e.at;
		if (e.link >= 0)
			net_deliver(t, &e);
		else if (t->arn[e.to].timer == e.at)
			t->arn[e.to].timer = NS_NEVER;
		net_run_arn(t, e.to);
		free(e.payload);
	}
	t->now = end;
}

static inline void net_node(void *arg, const struct flood_news *news, ns_t now)
{
	struct net_arn *a = arg;

	NET_MUST(news->expires > now, "%s hears of what is over", a->name);
	a->sessions = news->said->sessions;
	a->hops = news->hops;
}

static inline void net_gone(void *arg, const char *id, const struct addr *control, ns_t now)
{
	(void)id;
	(void)control;
	(void)now;
	((struct net_arn *)arg)->gone++;
}

static inline void net_start(struct net *t, int i)
{
	struct net_arn *a = &t->arn[i];
	struct flood_conf c = t->conf;
	struct flood_events events = {.node = net_node, .gone = net_gone, .arg = a};

	c.name = a->name;
	c.links = a->links;
	a->f = flood_new(&c, &events, net_draw(t), t->now);
	ck_assert_ptr_nonnull(a->f);
	a->timer = NS_NEVER;
	a->life++;
	/* A new life begins without knowledge, and may have an older clock. */
	for (int k = 0; k < a->links; k++) {
		struct net_end *e = &a->link[k], *other = &t->arn[e->peer].link[e->back];
		size_t n = (size_t)t->n * sizeof(uint64_t);

		memset(e->sent, 0, n);
		memset(e->got, 0, n);
		memset(other->sent, 0, n);
		memset(other->got, 0, n);
	}
}

static inline void net_stop(struct net *t, int i)
{
	flood_free(t->arn[i].f);
	t->arn[i].f = NULL;
}

/* This ARN's only node has so many of 100 sessions. */
static inline void net_tell(struct net *t, int i, uint32_t sessions)
{
	struct net_arn *a = &t->arn[i];
	const struct announce *list = &a->node;

	a->node = (struct announce){.role = ROLE_SN,
		.healthy = true,
		.rtsp_port = 554,
		.control_port = 7702,
		.interval_ms = 200,
		.max_sessions = 100,
		.weight = 100,
		.sessions = sessions};
	snprintf(a->node.id, sizeof(a->node.id), "n%d", i);
	a->node.addr = addr_any(AF_INET, 0);
	a->node.addr.in.sin_addr.s_addr = htonl(0x0a020000 + (unsigned)i + 1);
	flood_tell(a->f, &list, 1, t->now);
	net_run_arn(t, i);
}

/* n ARNs without links; all numbers of *c but links count. */
static inline void net_init(struct net *t, int n, const struct flood_conf *c, uint64_t seed)
{
	*t = (struct net){.n = n,
		.conf = *c,
		.agenda = {.size = sizeof(struct net_event)},
		.delay = 10 * NS_MS,
		.random = seed * 2654435761u + 1,
		.checks = true};
	t->arn = calloc((size_t)n, sizeof(*t->arn));
	for (int i = 0; i < n; i++) {
		t->arn[i].net = t;
		snprintf(t->arn[i].name, sizeof(t->arn[i].name), "a%d", i);
	}
}

/* False: one of them has no link to spare, or they have one. */
static inline bool net_link(struct net *t, int a, int b)
{
	struct net_arn *x = &t->arn[a], *y = &t->arn[b];

	if (a == b || x->links == NET_DEGREE || y->links == NET_DEGREE)
		return false;
	for (int i = 0; i < x->links; i++)
		if (x->link[i].peer == b)
			return false;
	x->link[x->links] = (struct net_end){.peer = b, .back = y->links};
	y->link[y->links] = (struct net_end){.peer = a, .back = x->links};
	for (struct net_arn *e = x;; e = y) {
		e->link[e->links].sent = calloc((size_t)t->n, sizeof(uint64_t));
		e->link[e->links].got = calloc((size_t)t->n, sizeof(uint64_t));
		e->links++;
		if (e == y)
			return true;
	}
}

static inline void net_cut(struct net *t, int a, int b, bool cut)
{
	for (int i = 0; i < t->arn[a].links; i++)
		if (t->arn[a].link[i].peer == b) {
			t->arn[a].link[i].cut = cut;
			t->arn[b].link[t->arn[a].link[i].back].cut = cut;
		}
}

/* The longest of the shortest ways from `from`, in links; unreached: -1 of any. */
static inline int net_reach(const struct net *t, int from)
{
	int *far = malloc((size_t)t->n * sizeof(int)), *list = malloc((size_t)t->n * sizeof(int));
	int n = 1, most = 0;

	for (int i = 0; i < t->n; i++)
		far[i] = -1;
	far[from] = 0;
	list[0] = from;
	for (int k = 0; k < n; k++)
		for (int i = 0; i < t->arn[list[k]].links; i++) {
			const struct net_end *e = &t->arn[list[k]].link[i];

			if (e->cut || far[e->peer] >= 0)
				continue;
			far[e->peer] = most = far[list[k]] + 1;
			list[n++] = e->peer;
		}
	free(far);
	free(list);
	return n == t->n ? most : -1;
}

static inline int net_diameter(const struct net *t)
{
	int most = 0;

	for (int i = 0; i < t->n; i++) {
		int reach = net_reach(t, i);

		most = reach > most ? reach : most;
	}
	return most;
}

static inline void net_ring(struct net *t)
{
	for (int i = 0; i < t->n; i++)
		net_link(t, i, (i + 1) % t->n);
}

static inline void net_tree(struct net *t)
{
	for (int i = 1; i < t->n; i++)
		while (!net_link(t, i, (int)(net_draw(t) % (uint64_t)i)))
			;
}

/* A tree and so many more links. */
static inline void net_mesh(struct net *t, int more)
{
	net_tree(t);
	while (more)
		more -= net_link(t, (int)(net_draw(t) % (uint64_t)t->n),
			(int)(net_draw(t) % (uint64_t)t->n));
}

static inline void net_free(struct net *t)
{
	struct net_event e;

	for (int i = 0; i < t->n; i++) {
		flood_free(t->arn[i].f);
		for (int k = 0; k < t->arn[i].links; k++) {
			free(t->arn[i].link[k].sent);
			free(t->arn[i].link[k].got);
		}
	}
	while (agenda_take(&t->agenda, NS_NEVER, &e))
		free(e.payload);
	agenda_clear(&t->agenda);
	free(t->arn);
}

#endif
