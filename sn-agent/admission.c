/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/admission.h"

#include <stdio.h>
#include <string.h>

#include "lib/wire.h"

static bool by_tunnel(const struct request *q)
{
	return q->c->scope && *q->c->scope->neighbour;
}

bool admission_node(const struct request *q, char name[64])
{
	const struct rtsp_scope *scope = q->c->scope;
	struct slice via = text_header(q->m, "Nearcast-Via");

	snprintf(name, 64, "%s", scope ? scope->neighbour : "");
	while (!*name && via.n) {
		struct slice last = slice_trim(slice_cut(&via, ','));

		if (!via.n)
			slice_copy(last, name, 64);
	}
	return by_tunnel(q);
}

uint64_t admission_link(struct rtsp *r, const char *node, struct budget_use *use)
{
	uint64_t link = 0;

	*use = (struct budget_use){{0}};
	for (int i = 0; i < r->conf.links; i++)
		if (!strcmp(r->conf.link[i].node, node))
			link = r->conf.link[i].kbps;
	r->counted++;
	for (const struct session *s = r->sessions.first; s; s = s->next) {
		struct channel *ch = s->channel;

		if (!s->by_tunnel || !ch || ch->counted == r->counted || strcmp(s->node, node) != 0)
			continue;
		ch->counted = r->counted; /* several sessions of one channel take its rate once */
		use->kbps[budget_class_of(&r->conf.budget, slice_of(ch->path))] +=
			budget_rate(&r->conf.budget, ch->kbps, ch->said_kbps);
	}
	return link;
}

bool admission_fits_link(struct request *q, const struct channel *ch)
{
	struct rtsp *r = q->r;
	const struct budget *b = &r->conf.budget;
	struct budget_use use;
	uint64_t link;

	if (!by_tunnel(q))
		return true;
	link = admission_link(r, q->c->scope->neighbour, &use);
	if (ch->counted == r->counted ||
		budget_fits(b, link, &use, budget_class_of(b, slice_of(ch->path)),
			budget_rate(b, ch->kbps, ch->said_kbps)))
		return true;
	r->refused_budget++;
	return false;
}

/* A node that subscribes here serves many: players who came first do not keep it out. What is kept
 * for nodes is not much, since anybody can say that he is one. */
static int check_capacity(const struct rtsp *r, bool node)
{
	int64_t sessions = r->conf.max_sessions + (node ? RTSP_NODE_PLACES : 0);
	int64_t kbps = r->conf.max_kbps + (node ? r->conf.max_kbps / RTSP_NODE_PART : 0);

	if (r->draining)
		return 503;
	if (r->conf.max_sessions && r->sessions.players >= sessions)
		return 453;
	if (r->conf.max_kbps && r->kbps >= (uint64_t)kbps)
		return 453;
	return 0;
}

int admission_check(struct request *q, const struct channel *ch)
{
	char node[64];
	int status;

	admission_node(q, node);
	status = check_capacity(q->r, *node);
	return status || admission_fits_link(q, ch) ? status : 453;
}

void admission_refused(struct request *q)
{
	char node[64];

	admission_node(q, node);
	if (!*node)
		refusals_note(&q->r->refusals, announce_channel(q->path), q->now + RTSP_REFUSALS);
}
