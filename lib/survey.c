/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/survey.h"

#include <errno.h>
#include <string.h>

#include "lib/item.h"

#define HEADS 3 /* bytes of the map's head and of the padding's, at least */

size_t survey_answer_max(size_t question)
{
	size_t n = question < SURVEY_LEN ? question * SURVEY_FACTOR : WIRE_MAX;

	return n > WIRE_OVERHEAD ? n - WIRE_OVERHEAD : 0;
}

/* ---- what values may be ---- */

static bool control_ok(const struct addr *a)
{
	return addr_is_unicast(a) && addr_port(a);
}

static const char *wrong_ask(const struct survey_ask *a)
{
	if (!a->id)
		return "id";
	if (!announce_id_ok(slice_of(a->from)))
		return "from";
	return control_ok(&a->to) ? NULL : "to";
}

static const char *wrong_answer(const struct survey_answer *a)
{
	if (!a->id)
		return "id";
	if (!announce_id_ok(slice_of(a->to)))
		return "to";
	if (a->held < 0 || a->held > SURVEY_MAX_HELD)
		return "held";
	if (a->said.role != ROLE_SN)
		return "said: role";
	if (a->neighbours < 0 || a->neighbours > SURVEY_NEIGHBOURS || a->neighbours > a->total)
		return "neighbours";
	for (int i = 0; i < a->neighbours; i++)
		if (!announce_id_ok(slice_of(a->neighbour[i].id)) ||
			!control_ok(&a->neighbour[i].control))
			return "neighbours";
	return NULL;
}

/* ---- encoding: what has the value that it has when it is missing is left out ---- */

int survey_ask_encode(const struct survey_ask *a, uint8_t *out, size_t cap)
{
	static const uint8_t zero[SURVEY_LEN];
	struct item_writer w = {.p = out, .cap = cap};
	const size_t end = SURVEY_LEN - WIRE_OVERHEAD - HEADS;

	if (wrong_ask(a))
		return -EINVAL;
	item_pair_uint(&w, 1, a->id);
	item_pair_text(&w, 2, a->from);
	item_pair_addr(&w, 3, &a->to, true);
	item_pair_bool(&w, 4, a->neighbours);
	item_pair_uint(&w, 5, a->skip);
	item_key(&w, 6);
	item_put_bytes(&w, zero, w.n < end ? end - w.n : 0);
	return item_end(&w);
}

int survey_answer_encode(const struct survey_answer *a, uint8_t *out, size_t cap)
{
	struct item_writer w = {.p = out, .cap = cap};
	uint8_t said[WIRE_MAX];
	int n = announce_encode(&a->said, said, sizeof(said));

	if (wrong_answer(a))
		return -EINVAL;
	if (n < 0)
		return n;
	item_pair_uint(&w, 1, a->id);
	item_pair_text(&w, 2, a->to);
	item_key(&w, 3);
	item_put_uint(&w, (uint64_t)a->held);
	item_key(&w, 4);
	item_put_bytes(&w, said, (size_t)n);
	item_pair_uint(&w, 5, a->total);
	if (a->neighbours) {
		item_key(&w, 6);
		item_put_array(&w, 2 * (size_t)a->neighbours);
	}
	for (int i = 0; i < a->neighbours; i++) {
		item_put_addr(&w, &a->neighbour[i].control, true);
		item_put_text(&w, a->neighbour[i].id);
	}
	return item_end(&w);
}

/* ---- decoding: kinds and sizes here, values by the checks above ---- */

static const char *on_ask(void *arg, uint64_t key, const struct item *v, struct item_reader *r)
{
	struct survey_ask *a = arg;

	(void)r;
	switch (key) {
	case 1: return item_get_uint(v, UINT64_MAX, &a->id) ? NULL : "id";
	case 2: return item_get_text(v, a->from, sizeof(a->from)) ? NULL : "from";
	case 3: return item_get_addr(v, &a->to, true) ? NULL : "to";
	case 4: return item_get_bool(v, &a->neighbours) ? NULL : "neighbours";
	case 5: return item_get_u16(v, UINT16_MAX, &a->skip) ? NULL : "skip";
	}
	return ITEM_UNKNOWN;
}

static bool get_neighbours(struct survey_answer *a, const struct item *v, struct item_reader *r)
{
	struct item control, id;

	if (v->kind != ITEM_ARRAY || v->v % 2 || v->v / 2 > SURVEY_NEIGHBOURS)
		return false;
	for (a->neighbours = 0; (uint64_t)a->neighbours < v->v / 2; a->neighbours++) {
		struct survey_neighbour *n = &a->neighbour[a->neighbours];

		if (!item_read(r, &control) || !item_get_addr(&control, &n->control, true))
			return false;
		if (!item_read(r, &id) || !item_get_text(&id, n->id, sizeof(n->id)))
			return false;
	}
	return true;
}

static const char *on_answer(void *arg, uint64_t key, const struct item *v, struct item_reader *r)
{
	struct survey_answer *a = arg;
	const char *why;
	uint64_t n;

	switch (key) {
	case 1: return item_get_uint(v, UINT64_MAX, &a->id) ? NULL : "id";
	case 2: return item_get_text(v, a->to, sizeof(a->to)) ? NULL : "to";
	case 3:
		if (!item_get_uint(v, SURVEY_MAX_HELD, &n))
			return "held";
		a->held = (ns_t)n;
		return NULL;
	case 4:
		if (v->kind != ITEM_BYTES)
			return "said";
		announce_decode(&a->said, (const uint8_t *)v->s.p, v->s.n, &why);
		return why;
	case 5: return item_get_u16(v, SURVEY_MAX_TOTAL, &a->total) ? NULL : "total";
	case 6: return get_neighbours(a, v, r) ? NULL : "neighbours";
	}
	return ITEM_UNKNOWN;
}

int survey_ask_decode(struct survey_ask *a, const uint8_t *p, size_t n, const char **why)
{
	uint64_t seen;

	memset(a, 0, sizeof(*a));
	*why = item_read_map(p, n, on_ask, a, &seen);
	if (!*why)
		*why = wrong_ask(a);
	return *why ? -EINVAL : 0;
}

int survey_answer_decode(struct survey_answer *a, const uint8_t *p, size_t n, const char **why)
{
	uint64_t seen;

	memset(a, 0, sizeof(*a));
	*why = item_read_map(p, n, on_answer, a, &seen);
	if (!*why && !(seen & UINT64_C(1) << 3))
		*why = "held";
	if (!*why && !(seen & UINT64_C(1) << 4))
		*why = "said";
	if (!*why)
		*why = wrong_answer(a);
	return *why ? -EINVAL : 0;
}
