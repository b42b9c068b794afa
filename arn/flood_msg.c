/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/flood_msg.h"

#include <errno.h>

#include "lib/item.h"

static const char *wrong(const struct flood_msg *m)
{
	if (!announce_id_ok(slice_of(m->from)))
		return "from";
	if (!announce_id_ok(slice_of(m->origin)))
		return "origin";
	if (!m->seq || m->seq > INT64_MAX)
		return "sequence";
	if (m->part >= FLOOD_PARTS)
		return "part";
	if (!m->left_ms || m->left_ms > FLOOD_MAX_LIFE)
		return "left";
	if (!m->hops)
		return "hops";
	return m->nodes >= 0 && m->nodes <= FLOOD_MSG_NODES ? NULL : "nodes";
}

int flood_msg_encode(const struct flood_msg *m, uint8_t *out, size_t cap)
{
	struct item_writer w = {.p = out, .cap = cap};

	if (wrong(m))
		return -EINVAL;
	item_pair_text(&w, 1, m->from);
	item_pair_text(&w, 2, m->origin);
	item_pair_uint(&w, 3, m->seq);
	item_pair_uint(&w, 4, m->part);
	item_pair_uint(&w, 5, m->left_ms);
	item_pair_uint(&w, 6, m->hops);
	if (m->nodes) {
		item_key(&w, 7);
		item_put_array(&w, (size_t)m->nodes);
	}
	for (int i = 0; i < m->nodes; i++)
		item_put_bytes(&w, m->node[i].p, m->node[i].n);
	return item_end(&w);
}

static const char *read_nodes(struct flood_msg *m, uint64_t n, struct item_reader *r)
{
	struct announce said;
	struct item item;
	const char *why;

	if (n > FLOOD_MSG_NODES)
		return "nodes: too many";
	for (; m->nodes < (int)n; m->nodes++) {
		if (!item_read(r, &item) || item.kind != ITEM_BYTES)
			return "nodes";
		if (announce_decode(&said, (const uint8_t *)item.s.p, item.s.n, &why) < 0)
			return why;
		if (said.role != ROLE_SN)
			return "nodes: not a service node";
		m->node[m->nodes] = item.s;
	}
	return NULL;
}

static const char *on_pair(void *arg, uint64_t key, const struct item *v, struct item_reader *r)
{
	struct flood_msg *m = arg;

	switch (key) {
	case 1: return item_get_text(v, m->from, sizeof(m->from)) ? NULL : "from";
	case 2: return item_get_text(v, m->origin, sizeof(m->origin)) ? NULL : "origin";
	case 3: return item_get_uint(v, INT64_MAX, &m->seq) ? NULL : "sequence";
	case 4: return item_get_u8(v, FLOOD_PARTS - 1, &m->part) ? NULL : "part";
	case 5: return item_get_u32(v, FLOOD_MAX_LIFE, &m->left_ms) ? NULL : "left";
	case 6: return item_get_u8(v, FLOOD_MAX_HOPS, &m->hops) ? NULL : "hops";
	case 7: return v->kind == ITEM_ARRAY ? read_nodes(m, v->v, r) : "nodes";
	}
	return ITEM_UNKNOWN;
}

int flood_msg_decode(struct flood_msg *m, const uint8_t *p, size_t n, const char **why)
{
	uint64_t seen;

	*m = (struct flood_msg){0};
	*why = item_read_map(p, n, on_pair, m, &seen);
	if (!*why)
		*why = wrong(m);
	return *why ? -EINVAL : 0;
}
