/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/peer.h"

#include <errno.h>
#include <string.h>

#include "lib/cursor.h"
#include "lib/item.h"

enum { KEY_ID = 1, KEY_TO, KEY_NONCE };

static int encode(const struct peer_greeting *g, uint8_t *out, size_t cap)
{
	struct item_writer w = {.p = out, .cap = cap};

	item_key(&w, KEY_ID);
	item_put_text(&w, g->id);
	item_key(&w, KEY_TO);
	item_put_text(&w, g->to);
	item_key(&w, KEY_NONCE);
	item_put_bytes(&w, g->nonce, sizeof(g->nonce));
	return item_end(&w);
}

static bool take_name(char to[ANNOUNCE_ID_LEN], const struct item *value)
{
	return value->kind == ITEM_TEXT && announce_id_ok(value->s) &&
	       slice_copy(value->s, to, ANNOUNCE_ID_LEN) == 0;
}

static const char *on_pair(void *arg, uint64_t key, const struct item *value, struct item_reader *r)
{
	struct peer_greeting *g = arg;

	(void)r;
	switch (key) {
	case KEY_ID: return take_name(g->id, value) ? NULL : "id";
	case KEY_TO: return take_name(g->to, value) ? NULL : "to";
	case KEY_NONCE:
		if (value->kind != ITEM_BYTES || value->s.n != PEER_NONCE)
			return "nonce";
		memcpy(g->nonce, value->s.p, PEER_NONCE);
		return NULL;
	default: return ITEM_UNKNOWN;
	}
}

static const char *decode(struct peer_greeting *g, const uint8_t *p, size_t n)
{
	const char *why;
	uint64_t seen;

	*g = (struct peer_greeting){0};
	why = item_read_map(p, n, on_pair, g, &seen);
	if (!why && seen != (1 << KEY_ID | 1 << KEY_TO | 1 << KEY_NONCE))
		why = "a key is missing";
	return why;
}

int peer_seal(struct wire_sender *s, enum wire_type type, const struct peer_greeting *g,
	int64_t wall, uint8_t out[PEER_FRAME_MAX])
{
	struct wcur head = wcur_init(out, 2);
	uint8_t payload[WIRE_MAX];
	int n = encode(g, payload, sizeof(payload));

	if (n > 0)
		n = wire_seal(s, type, payload, (size_t)n, wall, out + 2);
	if (n < 0)
		return n;
	wcur_u16(&head, (uint16_t)n);
	return 2 + n;
}

int peer_open(struct wire_receiver *r, const uint8_t *p, size_t n, int64_t wall,
	struct peer_greeting *g, const char **why)
{
	struct rcur head = rcur_init(p, n);
	struct wire_view v;
	enum wire_error e;
	uint16_t len;

	*why = NULL;
	if (n < 2)
		return 0;
	len = rcur_u16(&head);
	if (len > WIRE_MAX) {
		*why = "too long";
		return -EINVAL;
	}
	if (n - 2 < len)
		return 0;
	e = wire_open(r, p + 2, len, wall, &v);
	*why = e == WIRE_OK ? decode(g, v.payload, v.len) : wire_error_str(e);
	if (!*why && wire_sender_id(g->id) != v.sender)
		*why = "sealed by another node";
	return *why ? -EINVAL : 2 + len;
}
