/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/measure_msg.h"

#include <errno.h>
#include <string.h>

#include "lib/item.h"

static const char *wrong_ask(const struct measure_ask *a)
{
	if (!a->id)
		return "id";
	if (!announce_id_ok(slice_of(a->from)))
		return "from";
	return addr_is_unicast(&a->client) ? NULL : "client";
}

static const char *wrong_answer(const struct measure_answer *a)
{
	if (!a->id)
		return "id";
	if (!announce_id_ok(slice_of(a->from)))
		return "from";
	if (a->rtt_us > MEASURE_MAX_RTT)
		return "rtt";
	return !*a->place || place_ok(slice_of(a->place)) ? NULL : "place";
}

int measure_ask_encode(const struct measure_ask *a, uint8_t *out, size_t cap)
{
	struct item_writer w = {.p = out, .cap = cap};

	if (wrong_ask(a))
		return -EINVAL;
	item_pair_uint(&w, 1, a->id);
	item_pair_text(&w, 2, a->from);
	item_pair_addr(&w, 3, &a->client, false);
	return item_end(&w);
}

int measure_answer_encode(const struct measure_answer *a, uint8_t *out, size_t cap)
{
	struct item_writer w = {.p = out, .cap = cap};

	if (wrong_answer(a))
		return -EINVAL;
	item_pair_uint(&w, 1, a->id);
	item_pair_text(&w, 2, a->from);
	item_pair_uint(&w, 3, a->rtt_us);
	item_pair_text(&w, 4, a->place);
	return item_end(&w);
}

static const char *on_ask(void *arg, uint64_t key, const struct item *v, struct item_reader *r)
{
	struct measure_ask *a = arg;

	(void)r;
	switch (key) {
	case 1: return item_get_uint(v, UINT64_MAX, &a->id) ? NULL : "id";
	case 2: return item_get_text(v, a->from, sizeof(a->from)) ? NULL : "from";
	case 3: return item_get_addr(v, &a->client, false) ? NULL : "client";
	}
	return ITEM_UNKNOWN;
}

static const char *on_answer(void *arg, uint64_t key, const struct item *v, struct item_reader *r)
{
	struct measure_answer *a = arg;

	(void)r;
	switch (key) {
	case 1: return item_get_uint(v, UINT64_MAX, &a->id) ? NULL : "id";
	case 2: return item_get_text(v, a->from, sizeof(a->from)) ? NULL : "from";
	case 3: return item_get_u32(v, MEASURE_MAX_RTT, &a->rtt_us) ? NULL : "rtt";
	case 4: return item_get_text(v, a->place, sizeof(a->place)) ? NULL : "place";
	}
	return ITEM_UNKNOWN;
}

int measure_ask_decode(struct measure_ask *a, const uint8_t *p, size_t n, const char **why)
{
	uint64_t seen;

	memset(a, 0, sizeof(*a));
	*why = item_read_map(p, n, on_ask, a, &seen);
	if (!*why)
		*why = wrong_ask(a);
	return *why ? -EINVAL : 0;
}

int measure_answer_decode(struct measure_answer *a, const uint8_t *p, size_t n, const char **why)
{
	uint64_t seen;

	memset(a, 0, sizeof(*a));
	*why = item_read_map(p, n, on_answer, a, &seen);
	if (!*why)
		*why = wrong_answer(a);
	return *why ? -EINVAL : 0;
}
