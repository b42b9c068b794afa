/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients come, ask their ARN, attach to the node that it names, and go. */
#include <stdio.h>
#include <stdlib.h>

#include "arn/select.h"
#include "tests/sim/world_impl.h"

void clients_next(struct world *w, int site)
{
	double rate = w->conf.use * w->conf.places * w->conf.nodes_per_site * w->site[site].times;

	world_plan(w, (struct event){.at = w->now +
	                                   world_some_time(w, (ns_t)((double)w->conf.stay / rate)),
			      .kind = ARRIVAL,
			      .site = site,
			      .node = (int)w->site[site].arrivals});
}

/* Where a site's clients ask. -1: nowhere is anybody. */
static int answers(struct world *w, int site)
{
	while (w->site[site].dead) {
		struct site *s = &w->site[site];

		if (s->heir < 0 && !s->nearest)
			s->nearest = graph_nearest(w->graph, site);
		for (int i = 0; s->heir < 0 && i < w->conf.sites - 1; i++)
			if (!w->site[s->nearest[i]].dead)
				s->heir = s->nearest[i];
		if (s->heir < 0)
			return -1;
		site = s->heir;
	}
	return site;
}

void clients_ask(struct world *w, struct event *e)
{
	char path[32], name[WORLD_TRIES][16];
	int site = answers(w, e->site);
	struct select_choice choice;
	struct select_query q = {.service = SERVICE_RTSP};
	struct site *s;
	ns_t way;

	if (site < 0 || e->client.tries == WORLD_TRIES) {
		w->count.denied++;
		return;
	}
	s = &w->site[site];
	world_hear(w, site);
	directory_look(s->directory, w->now);
	q.client = world_address((int)(e->client.who & 0xffffff));
	addr_set_port(&q.client, (uint16_t)(1024 + e->client.who % 60000));
	q.path = (struct slice){
		path, (size_t)snprintf(path, sizeof(path), "/%u", e->client.who % 9)};
	for (int i = 0; i < e->client.tries; i++) {
		snprintf(name[i], sizeof(name[i]), "n%d", e->client.avoid[i]);
		q.avoid[q.avoids++] = slice_of(name[i]);
		wide_accuse(s->wide, name[i], w->now);
	}
	choice = select_node(directory_snapshot(s->directory), &q);
	if (!choice.node || !reserve_take(choice.node->reserved, choice.node->over, &choice.need,
				    &choice.room)) {
		w->count.denied++;
		return;
	}
	e->node = world_node_at(w, &choice.node->said.addr);
	way = graph_latency(w->graph, e->site, world_site_of(w, e->node));
	e->kind = ATTACH;
	/* To the ARN and back, then the node's handshake and request. */
	e->at = w->now + 2 * graph_latency(w->graph, e->site, site) + 3 * way;
	world_plan(w, *e);
	if (e->client.tries)
		world_serve(w, site);
}

void clients_arrive(struct world *w, struct event *e)
{
	if ((uint32_t)e->node != w->site[e->site].arrivals)
		return; /* of the time before there were more of them, or fewer */
	clients_next(w, e->site);
	w->count.clients++;
	e->client.who = (uint32_t)graph_random(&w->rng, UINT32_MAX);
	e->client.tries = 0;
	clients_ask(w, e);
}

/* The nearest node that has a place for a client of elsewhere, as one knows who knows all. */
static void compare(struct world *w, const struct event *e)
{
	unsigned usable = (unsigned)(w->conf.share * w->conf.places);
	struct site *s = &w->site[e->site];

	if (!s->nearest)
		s->nearest = graph_nearest(w->graph, e->site);
	for (int i = 0; i < w->conf.sites - 1; i++)
		for (int k = 0; k < w->conf.nodes_per_site; k++) {
			const struct node *n = &w->node[s->nearest[i] * w->conf.nodes_per_site + k];

			if (n->dead || n->sessions >= usable)
				continue;
			w->count.best++;
			w->count.best_ms +=
				(double)graph_latency(w->graph, e->site, s->nearest[i]) / NS_MS;
			w->count.away_ms += (double)graph_latency(
						    w->graph, e->site, world_site_of(w, e->node)) /
			                    NS_MS;
			return;
		}
}

void clients_attach(struct world *w, struct event *e)
{
	struct node *n = &w->node[e->node];

	if (n->dead || n->sessions >= w->conf.places) {
		*(n->dead ? &w->count.unanswered : &w->count.refused) += 1;
		e->client.avoid[e->client.tries++] = e->node;
		if (n->dead) {
			e->at = w->now + WORLD_SILENCE;
			e->kind = ATTACH;
			e->node = -1;
			world_plan(w, *e);
		} else {
			clients_ask(w, e);
		}
		return;
	}
	if (world_site_of(w, e->node) == e->site) {
		w->count.home++;
	} else {
		w->count.away++;
		if (!w->site[e->site].dead)
			compare(w, e);
	}
	n->sessions++;
	n->attached++;
	e->kind = END;
	e->at = w->now + world_some_time(w, w->conf.stay);
	world_plan(w, *e);
}
