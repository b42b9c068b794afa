/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/admit.h"

/* Each failure means that others have filled a node meanwhile. Past these the client gets the last
 * answer as it is: the node itself has the last word. */
#define TRIES 16

static uint64_t stands_for(const struct snapshot_node *n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (const char *c = n->said.id; *c; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3;
	return h;
}

static bool may_reserve(const struct redirect_request *rq, const struct snapshot *s)
{
	unsigned window = s->select.window ? s->select.window : 1;

	return reserve_allows(
		s->sources, &rq->client, (uint64_t)rq->wall / window, s->select.per_client);
}

void admit(struct admission *a, const struct redirect_request *rq, const struct snapshot *snapshot,
	struct redirect_response *rs)
{
	for (int i = 0; i < TRIES; i++) {
		redirect_answer(rq, snapshot, rs);
		if (!rs->consumed || !rs->node || !rs->need.sessions)
			return;
		if (a->node == stands_for(rs->node))
			return;
		if (!i && !may_reserve(rq, snapshot))
			return;
		if (reserve_take(rs->node->reserved, rs->node->over, &rs->need, &rs->room))
			break;
	}
	a->node = stands_for(rs->node);
}
