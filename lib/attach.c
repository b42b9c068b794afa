/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/item.h"
#include "lib/json.h"

const char *attach_status_str(enum attach_status s)
{
	static const char *const text[ATTACH_STATUSES] = {
		[ATTACH_GRANTED] = "granted",
		[ATTACH_GENERATION] = "another generation",
		[ATTACH_REFUSED] = "no attachments are taken",
		[ATTACH_FULL] = "no room for another",
		[ATTACH_DRAINING] = "draining",
		[ATTACH_KNOWN] = "name or address is another neighbour's",
		[ATTACH_FAMILY] = "address of another family",
		[ATTACH_NO_TUNNEL] = "the tunnel cannot be made",
	};

	return (unsigned)s < ATTACH_STATUSES ? text[s] : "unknown status";
}

/* ---- what values may be ---- */

static bool is_port(const struct addr *a)
{
	return addr_is_unicast(a) && addr_port(a);
}

static const char *wrong_ask(const struct attach_ask *a)
{
	if (!a->id)
		return "id";
	if (!announce_id_ok(slice_of(a->from)))
		return "from";
	if (!is_port(&a->to))
		return "to";
	if (!addr_is_unicast(&a->address))
		return "address";
	if (!addr_is_unicast(&a->overlay) || addr_same_host(&a->overlay, &a->address))
		return "overlay";
	if (a->lifetime_ms > ATTACH_MAX_LIFETIME)
		return "lifetime";
	if (a->channels < 0 || a->channels > ATTACH_CHANNELS)
		return "channels";
	for (int i = 0; i < a->channels; i++)
		if (!prime_path_ok(slice_of(a->channel[i])))
			return "channels";
	return NULL;
}

static const char *wrong_answer(const struct attach_answer *a)
{
	if (!a->id)
		return "id";
	if (!announce_id_ok(slice_of(a->from)))
		return "from";
	if (!announce_id_ok(slice_of(a->to)))
		return "to";
	if ((unsigned)a->status >= ATTACH_STATUSES)
		return "status";
	return a->registry.sa.sa_family && !is_port(&a->registry) ? "registry" : NULL;
}

/* ---- encoding ---- */

int attach_ask_encode(const struct attach_ask *a, uint8_t *out, size_t cap)
{
	struct item_writer w = {.p = out, .cap = cap};

	if (wrong_ask(a))
		return -EINVAL;
	item_pair_uint(&w, 1, a->id);
	item_pair_text(&w, 2, a->from);
	item_pair_addr(&w, 3, &a->to, true);
	item_pair_uint(&w, 4, a->generation);
	item_pair_bool(&w, 5, a->tunnel);
	item_pair_addr(&w, 6, &a->address, false);
	item_pair_addr(&w, 7, &a->overlay, false);
	item_pair_uint(&w, 8, a->lifetime_ms);
	if (a->channels) {
		item_key(&w, 9);
		item_put_array(&w, (size_t)a->channels);
	}
	for (int i = 0; i < a->channels; i++)
		item_put_text(&w, a->channel[i]);
	return item_end(&w);
}

int attach_answer_encode(const struct attach_answer *a, uint8_t *out, size_t cap)
{
	struct item_writer w = {.p = out, .cap = cap};

	if (wrong_answer(a))
		return -EINVAL;
	item_pair_uint(&w, 1, a->id);
	item_pair_text(&w, 2, a->from);
	item_pair_text(&w, 3, a->to);
	item_key(&w, 4);
	item_put_uint(&w, a->generation);
	item_pair_uint(&w, 5, a->status);
	item_pair_bool(&w, 6, a->draining);
	item_pair_addr(&w, 7, &a->registry, true);
	return item_end(&w);
}

/* ---- decoding: kinds and sizes here, values by the checks above ---- */

static bool get_channels(struct attach_ask *a, const struct item *v, struct item_reader *r)
{
	struct item one;

	if (v->kind != ITEM_ARRAY || !v->v || v->v > ATTACH_CHANNELS)
		return false;
	for (a->channels = 0; (uint64_t)a->channels < v->v; a->channels++)
		if (!item_read(r, &one) ||
			!item_get_text(&one, a->channel[a->channels], PRIME_PATH))
			return false;
	return true;
}

static const char *on_ask(void *arg, uint64_t key, const struct item *v, struct item_reader *r)
{
	struct attach_ask *a = arg;

	switch (key) {
	case 1: return item_get_uint(v, UINT64_MAX, &a->id) ? NULL : "id";
	case 2: return item_get_text(v, a->from, sizeof(a->from)) ? NULL : "from";
	case 3: return item_get_addr(v, &a->to, true) ? NULL : "to";
	case 4: return item_get_uint(v, UINT64_MAX, &a->generation) ? NULL : "generation";
	case 5: return item_get_bool(v, &a->tunnel) ? NULL : "tunnel";
	case 6: return item_get_addr(v, &a->address, false) ? NULL : "address";
	case 7: return item_get_addr(v, &a->overlay, false) ? NULL : "overlay";
	case 8: return item_get_u32(v, ATTACH_MAX_LIFETIME, &a->lifetime_ms) ? NULL : "lifetime";
	case 9: return get_channels(a, v, r) ? NULL : "channels";
	}
	return ITEM_UNKNOWN;
}

static const char *on_answer(void *arg, uint64_t key, const struct item *v, struct item_reader *r)
{
	struct attach_answer *a = arg;
	uint64_t n;

	(void)r;
	switch (key) {
	case 1: return item_get_uint(v, UINT64_MAX, &a->id) ? NULL : "id";
	case 2: return item_get_text(v, a->from, sizeof(a->from)) ? NULL : "from";
	case 3: return item_get_text(v, a->to, sizeof(a->to)) ? NULL : "to";
	case 4: return item_get_uint(v, UINT64_MAX, &a->generation) ? NULL : "generation";
	case 5:
		if (!item_get_uint(v, ATTACH_STATUSES - 1, &n))
			return "status";
		a->status = (enum attach_status)n;
		return NULL;
	case 6: return item_get_bool(v, &a->draining) ? NULL : "draining";
	case 7: return item_get_addr(v, &a->registry, true) ? NULL : "registry";
	}
	return ITEM_UNKNOWN;
}

int attach_ask_decode(struct attach_ask *a, const uint8_t *p, size_t n, const char **why)
{
	uint64_t seen;

	memset(a, 0, sizeof(*a));
	*why = item_read_map(p, n, on_ask, a, &seen);
	if (!*why)
		*why = wrong_ask(a);
	return *why ? -EINVAL : 0;
}

int attach_answer_decode(struct attach_answer *a, const uint8_t *p, size_t n, const char **why)
{
	uint64_t seen;

	memset(a, 0, sizeof(*a));
	*why = item_read_map(p, n, on_answer, a, &seen);
	if (!*why && !(seen & UINT64_C(1) << 4))
		*why = "generation";
	if (!*why)
		*why = wrong_answer(a);
	return *why ? -EINVAL : 0;
}

/* ---- what redirectors answer ---- */

int attach_node_read(
	struct slice text, char node[ANNOUNCE_ID_LEN], struct addr *control, char why[160])
{
	struct js *o = js_parse(text, why);
	const struct js *v = o && js_is_object(o) ? js_get(o, "node") : NULL;
	const char *name = v ? js_str(v) : NULL, *at;
	int err = -EINVAL;

	if (!o)
		return err;
	v = js_is_object(o) ? js_get(o, "control") : NULL;
	at = v ? js_str(v) : NULL;
	if (!name || !announce_id_ok(slice_of(name)))
		snprintf(why, 160, "node: expected a node's name");
	else if (!at || addr_parse(control, slice_of(at), 0) || !is_port(control))
		snprintf(why, 160, "control: expected a unicast address and a port");
	else
		err = slice_copy(slice_of(name), node, ANNOUNCE_ID_LEN) ? -EINVAL : 0;
	js_free(o);
	return err;
}
