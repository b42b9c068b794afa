/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/scout_flood.h"
#include "lib/survey.h"
#include "tests/sim/world_impl.h"
#include "tests/sim/zone.h"

#define CONTROL   7702
#define NET       0x14000000u /* nodes' addresses: 20.0.0.0/8 */
#define SAY_AGAIN (10 * NS_S) /* local nodes are heard of so often at least */
#define DNS_DELAY (20 * NS_MS)
#define HEADERS   28                           /* of a datagram */
#define WALL      (INT64_C(1700000000) * NS_S) /* when it all begins */

/* ---- nodes ---- */

struct addr world_address(int node)
{
	struct addr a = {0};

	a.in.sin_family = AF_INET;
	a.in.sin_addr.s_addr = htonl(NET + (uint32_t)node + 1);
	return a;
}

static void *grown(void *p, size_t n)
{
	p = realloc(p, n);
	if (!p)
		abort();
	return p;
}

void world_plan(struct world *w, struct event e)
{
	agenda_put(&w->agenda, e.at, &e);
}

ns_t world_some_time(struct world *w, ns_t mean)
{
	return (ns_t)(-log(graph_uniform(&w->rng)) * (double)mean) + 1;
}

static struct addr control_of(int node)
{
	struct addr a = world_address(node);

	addr_set_port(&a, CONTROL);
	return a;
}

int world_node_at(const struct world *w, const struct addr *a)
{
	uint32_t n = ntohl(a->in.sin_addr.s_addr) - NET - 1;

	return n < (uint32_t)(w->conf.sites * w->conf.nodes_per_site) ? (int)n : -1;
}

int world_site_of(const struct world *w, int node)
{
	return node / w->conf.nodes_per_site;
}

static struct announce said_by(
	const struct world *w, int node, unsigned sessions, unsigned attached)
{
	struct announce a = {.role = ROLE_SN,
		.addr = world_address(node),
		.rtsp_port = 554,
		.healthy = true,
		.sessions = sessions,
		.max_sessions = w->conf.places,
		.weight = 100,
		.interval_ms = 30000,
		.attached = attached,
		.control_port = CONTROL};

	snprintf(a.id, sizeof(a.id), "n%d", node);
	graph_place(w->graph, world_site_of(w, node), GRAPH_LEVELS, a.place);
	return a;
}

/* The site's ARN hears of its own nodes. */
void world_hear(struct world *w, int site)
{
	struct site *s = &w->site[site];
	const char *why;

	for (int i = 0; i < w->conf.nodes_per_site; i++) {
		int at = site * w->conf.nodes_per_site + i;
		struct node *n = &w->node[at];
		struct announce a;

		if (n->dead || (n->said_at && n->said_sessions == n->sessions &&
				       w->now < n->said_at + SAY_AGAIN))
			continue;
		a = said_by(w, at, n->sessions, n->attached);
		directory_announce(s->directory, &a, w->now, &why);
		n->said_at = w->now + !w->now;
		n->said_sessions = n->sessions;
	}
}

/* ---- the ARN's surroundings ---- */

static void on_eligible(
	void *arg, const struct announce *said, const struct far_facts *facts, ns_t now)
{
	struct site *s = arg;
	const char *why;

	directory_far(s->directory, said, facts, now, &why);
}

static void on_left(void *arg, const char *id, const char *why, ns_t now)
{
	struct site *s = arg;

	directory_far_left(s->directory, id, why, now);
}

static bool on_is_local(void *arg, const char *id)
{
	struct site *s = arg;

	return directory_is_local(s->directory, id);
}

static struct area_load on_load(void *arg, const char *id, double share)
{
	struct site *s = arg;

	return directory_load(s->directory, id, share);
}

static void on_scoped(void *arg, const struct area *area, int was, ns_t now)
{
	struct site *s = arg;

	(void)area;
	(void)was;
	(void)now;
	s->world->count.turned++;
}

static void on_node(void *arg, const struct directory_change *c)
{
	(void)arg;
	(void)c;
}

/* ---- flooding: an ARN's neighbours are those of the sites that its own has tunnels to ---- */

static void on_flood_node(void *arg, const struct flood_news *news, ns_t now)
{
	struct site *s = arg;

	scout_flood_node(wide_far(s->wide), wide_scout(s->wide), news, now);
}

static void on_flood_gone(void *arg, const char *id, const struct addr *control, ns_t now)
{
	struct site *s = arg;

	(void)id;
	scout_flood_gone(wide_far(s->wide), wide_scout(s->wide), control, now);
}

static int link_to(const struct world *w, int site, int other)
{
	const struct graph_site *g = &w->graph->site[site];

	for (int i = 0; i < g->tunnels; i++)
		if (g->tunnel[i] == other)
			return i;
	abort(); /* tunnels have two ends */
}

static void send_flood(void *arg, int link, const uint8_t *payload, size_t n)
{
	struct site *s = arg;
	struct world *w = s->world;
	int site = (int)(s - w->site), to = w->graph->site[site].tunnel[link];
	struct event e = {.at = w->now + graph_latency(w->graph, site, to),
		.kind = FLOODED,
		.site = to,
		.flood = {grown(NULL, n), n, link_to(w, to, site)}};

	memcpy(e.flood.payload, payload, n);
	w->count.flooded++;
	w->count.bytes += HEADERS + WIRE_OVERHEAD + n;
	world_plan(w, e);
}

static void tell_flood(struct world *w, int site)
{
	struct announce said[WORLD_NODES];
	const struct announce *node[WORLD_NODES];
	int per = w->conf.nodes_per_site;

	for (int i = 0; i < per; i++) {
		const struct node *n = &w->node[site * per + i];

		said[i] = said_by(w, site * per + i, n->sessions, n->attached);
		node[i] = &said[i];
	}
	flood_tell(w->site[site].flood, node, per, w->now);
}

static void on_flooded(struct world *w, struct event *e)
{
	struct site *s = &w->site[e->site];
	struct flood_msg m;
	const char *why;

	if (!s->dead && flood_msg_decode(&m, e->flood.payload, e->flood.len, &why) == 0) {
		flood_hear(s->flood, e->flood.link, &m, w->now, WALL + w->now, &why);
		world_serve(w, e->site);
	}
	free(e->flood.payload);
}

static bool flood_init(struct world *w, int site)
{
	struct site *s = &w->site[site];
	struct flood_conf c = {.name = s->name,
		.block = w->conf.far.block,
		.links = w->graph->site[site].tunnels,
		.interval = 10 * NS_S,
		.min_interval = NS_S,
		.misses = 3,
		.hops = 64,
		.records = 4096,
		.rate = 100,
		.change = 0.1,
		.skew = 2 * NS_S};
	struct flood_events on = {on_flood_node, on_flood_gone, s};

	snprintf(s->name, sizeof(s->name), "arn%d", site);
	s->flood = flood_new(&c, &on, w->conf.seed * 37 + (uint64_t)site, 0);
	return s->flood != NULL;
}

/* Does what the cores want done now, and sees to it that they are woken. */
void world_serve(struct world *w, int site)
{
	struct site *s = &w->site[site];
	struct scout_lookup what;
	struct far_question q;
	ns_t when;

	wide_tick(s->wide, w->now);
	while (wide_next_lookup(s->wide, w->now, &what)) {
		if (w->lookups == w->lookup_room) {
			w->lookup_room = w->lookup_room ? 2 * w->lookup_room : 1024;
			w->lookup = grown(w->lookup, (size_t)w->lookup_room * sizeof(*w->lookup));
		}
		w->lookup[w->lookups] = what;
		w->count.lookups++;
		w->count.bytes += 2 * HEADERS + 2 * strlen(what.name) + 100;
		world_plan(w, (struct event){.at = w->now + DNS_DELAY,
				      .kind = RESOLVED,
				      .site = site,
				      .lookup = w->lookups++});
	}
	while (wide_next_question(s->wide, w->now, &q)) {
		int node = world_node_at(w, &q.to);

		s->asked++;
		w->count.asked++;
		w->count.bytes += HEADERS + SURVEY_LEN;
		if (node < 0)
			continue;
		world_plan(w, (struct event){.at = w->now + graph_latency(w->graph, site,
								    world_site_of(w, node)),
				      .kind = QUESTION,
				      .site = site,
				      .node = node,
				      .survey = {q.id, w->now, q.skip, 0, 0, q.neighbours}});
	}
	when = wide_when(s->wide);
	if (s->flood) {
		flood_run(s->flood, w->now, WALL + w->now, send_flood, s);
		if (flood_when(s->flood) < when)
			when = flood_when(s->flood);
	}
	if (when < s->wake) {
		s->wake = when;
		world_plan(w, (struct event){.at = when > w->now ? when : w->now + 1,
				      .kind = WAKE,
				      .site = site});
	}
}

static void on_question(struct world *w, struct event *e)
{
	const struct node *n = &w->node[e->node];

	if (n->dead)
		return;
	e->kind = ANSWER;
	e->survey.sessions = n->sessions;
	e->survey.attached = n->attached;
	e->at = w->now + graph_latency(w->graph, world_site_of(w, e->node), e->site);
	world_plan(w, *e);
}

static void on_answer(struct world *w, const struct event *e)
{
	struct announce a = said_by(w, e->node, e->survey.sessions, e->survey.attached);
	struct survey_neighbour list[SURVEY_NEIGHBOURS];
	int near[SURVEY_NEIGHBOURS], n = 0, total = 0;
	struct addr from = control_of(e->node);

	if (e->survey.neighbours)
		n = graph_neighbours(
			w->graph, e->node, (int)e->survey.skip, SURVEY_NEIGHBOURS, near, &total);
	for (int i = 0; i < n; i++) {
		list[i].control = control_of(near[i]);
		snprintf(list[i].id, sizeof(list[i].id), "n%d", near[i]);
	}
	w->count.answered++;
	w->count.bytes += HEADERS + WIRE_OVERHEAD + 160 + (uint64_t)n * 16;
	wide_answer(w->site[e->site].wide, e->survey.id, &from, w->now - e->survey.sent, &a, list,
		n, total, w->now);
	world_serve(w, e->site);
}

static void on_resolved(struct world *w, const struct event *e)
{
	struct scout_record r[ZONE_RECORDS];
	struct scout_records rs = {.r = r, .ttl = 300 * NS_S};
	struct scout_lookup what = w->lookup[e->lookup];

	rs.n = zone_lookup(w->graph, &what, r);
	for (int i = 0; i < rs.n; i++)
		if (what.type == SCOUT_ADDR)
			r[i].addr = world_address(atoi(what.name + 1));
		else if (what.type == SCOUT_SRV)
			r[i].port = CONTROL;
	wide_looked_up(w->site[e->site].wide, &what, &rs, w->now);
	world_serve(w, e->site);
}

/* ---- life ---- */

static void handle(struct world *w, struct event *e)
{
	struct site *s = &w->site[e->site];

	switch (e->kind) {
	case ARRIVAL: clients_arrive(w, e); return;
	case ATTACH:
		if (e->node < 0)
			clients_ask(w, e);
		else
			clients_attach(w, e);
		return;
	case END: w->node[e->node].sessions -= w->node[e->node].sessions > 0; return;
	case QUESTION: on_question(w, e); return;
	case FLOODED: on_flooded(w, e); return;
	default: break;
	}
	if (s->dead)
		return;
	switch (e->kind) {
	case ANSWER: on_answer(w, e); break;
	case RESOLVED: on_resolved(w, e); break;
	case WAKE:
		if (s->wake > w->now)
			break;
		s->wake = NS_NEVER;
		world_serve(w, e->site);
		break;
	case LOOK:
		world_hear(w, e->site);
		directory_look(s->directory, w->now);
		directory_expire(s->directory, w->now);
		if (s->flood)
			tell_flood(w, e->site);
		wide_look(s->wide, w->now);
		world_serve(w, e->site);
		e->at = w->now + WORLD_LOOK;
		world_plan(w, *e);
		break;
	default: break;
	}
}

void world_run(struct world *w, ns_t until)
{
	struct event e;

	while (agenda_take(&w->agenda, until, &e)) {
		w->now = e.at;
		handle(w, &e);
	}
	w->now = until;
}

static bool site_init(struct world *w, int site)
{
	struct site *s = &w->site[site];
	struct directory_conf dc = {.misses = 3,
		.retry_after = 1,
		.block = w->conf.far.block,
		.reservation = 5 * NS_S,
		.select = {.far_share = w->conf.share, .latency_cost = w->conf.latency_cost}};
	struct wide_conf wc = {.method = w->conf.method,
		.far = w->conf.far,
		.area = w->conf.area,
		.share = w->conf.share};
	struct wide_events on = {on_eligible, on_left, on_is_local, on_load, on_scoped, s};
	char place[PLACE_LEN];
	struct addr seed[SCOUT_SEEDS];
	int near[SCOUT_SEEDS], n;

	*s = (struct site){.times = 1, .wake = NS_NEVER, .heir = -1, .world = w};
	s->directory = directory_new(&dc, on_node, s);
	if (!s->directory)
		return false;
	world_hear(w, site);
	graph_place(w->graph, site, GRAPH_LEVELS, place);
	memcpy(wc.far.place, place, sizeof(wc.far.place));
	n = 0;
	if (w->conf.seeds)
		for (int i = 0; i < w->graph->site[site].tunnels && i < w->conf.seeds; i++)
			near[n++] = w->graph->site[site].tunnel[i] * w->conf.nodes_per_site;
	else
		for (int i = 0; i < w->conf.sites * w->conf.nodes_per_site && n < SCOUT_SEEDS; i++)
			if (world_site_of(w, i) != site)
				near[n++] = i;
	for (int i = 0; i < n; i++)
		seed[i] = control_of(near[i]);
	wc.scout = (struct scout_conf){.seed = seed,
		.seeds = n,
		.place = place,
		.directory = ZONE,
		.block = w->conf.far.block,
		.max = w->conf.far.max,
		.interval_max = w->conf.far.interval_max,
		.random = w->conf.seed + (uint64_t)site};
	s->wide = wide_new(&wc, &on, w->conf.seed * 31 + (uint64_t)site, 0);
	return s->wide && (w->conf.method != &scout_flood || flood_init(w, site));
}

struct world *world_new(const struct world_conf *c)
{
	struct world *w = calloc(1, sizeof(*w));
	int nodes = c->sites * c->nodes_per_site;
	bool ok;

	if (!w)
		return NULL;
	*w = (struct world){.conf = *c,
		.agenda = {.size = sizeof(struct event)},
		.rng = {c->seed * 0x2545f4914f6cdd1dull | 1}};
	prefix_parse(&w->conf.far.block, slice_of("10.1.18.0/24"));
	w->graph = graph_new(c->sites, c->nodes_per_site, c->seed);
	w->site = calloc((size_t)c->sites, sizeof(*w->site));
	w->node = calloc((size_t)nodes, sizeof(*w->node));
	ok = w->graph && w->site && w->node;
	for (int i = 0; ok && i < nodes; i++)
		for (unsigned k = 0; k < w->conf.places; k++)
			if (graph_uniform(&w->rng) < c->use) {
				w->node[i].sessions++;
				world_plan(w, (struct event){.at = world_some_time(w, c->stay),
						      .kind = END,
						      .node = i});
			}
	for (int i = 0; ok && i < c->sites; i++) {
		ok = site_init(w, i);
		if (!ok)
			break;
		clients_next(w, i);
		world_plan(w, (struct event){.at = (ns_t)graph_random(&w->rng, WORLD_LOOK),
				      .kind = LOOK,
				      .site = i});
	}
	if (ok)
		return w;
	world_free(w);
	return NULL;
}

void world_free(struct world *w)
{
	struct event e;

	if (!w)
		return;
	while (agenda_take(&w->agenda, NS_NEVER, &e))
		if (e.kind == FLOODED)
			free(e.flood.payload);
	agenda_clear(&w->agenda);
	for (int i = 0; w->site && i < w->conf.sites; i++) {
		flood_free(w->site[i].flood);
		wide_free(w->site[i].wide);
		directory_free(w->site[i].directory);
		free(w->site[i].nearest);
	}
	graph_free(w->graph);
	free(w->site);
	free(w->node);
	free(w->lookup);
	free(w);
}

struct world_count world_take(struct world *w)
{
	struct world_count c = w->count;

	w->count = (struct world_count){0};
	return c;
}

const struct graph *world_graph(const struct world *w)
{
	return w->graph;
}

void world_crowd(struct world *w, int site, double times)
{
	w->site[site].times = times;
	w->site[site].arrivals++;
	clients_next(w, site);
}

void world_kill(struct world *w, int site)
{
	w->site[site].dead = true;
	for (int i = 0; i < w->conf.nodes_per_site; i++)
		w->node[site * w->conf.nodes_per_site + i].dead = true;
}

struct world_site world_site(const struct world *w, int site)
{
	const struct site *s = &w->site[site];
	struct world_site v = {.dead = s->dead,
		.scope = wide_area(s->wide)->scope,
		.eligible = far_eligible(wide_far(s->wide)),
		.known = far_count(wide_far(s->wide)),
		.asked = s->asked};
	struct far_view far;

	for (int i = 0; far_view(wide_far(s->wide), i, &far); i++)
		v.stale += far.eligible && w->node[world_node_at(w, &far.control)].dead;
	for (int i = 0; i < w->conf.nodes_per_site; i++) {
		const struct node *n = &w->node[site * w->conf.nodes_per_site + i];

		v.used += n->sessions;
		v.places += w->conf.places;
		v.over += n->sessions > w->conf.places ? n->sessions - w->conf.places : 0;
	}
	return v;
}
