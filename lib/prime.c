/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/prime.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/item.h"
#include "lib/sbuf.h"

/* ---- the state ---- */

/* An origin that has a name is that name and port, whichever address it has today. */
static uint16_t named_port(const struct prime_state *q)
{
	return q->origins ? addr_port(&q->origin[0]) : 0;
}

bool prime_state_moved(const struct prime_state *a, const struct prime_state *b)
{
	if (a->origins != b->origins)
		return true;
	for (int i = 0; i < a->origins; i++)
		if (addr_cmp(&a->origin[i], &b->origin[i]))
			return true;
	return false;
}

bool prime_state_same(const struct prime_state *a, const struct prime_state *b)
{
	if (a->service != b->service || !addr_same_host(&a->anycast, &b->anycast) ||
		strcasecmp(a->host, b->host) || strcmp(a->channel, b->channel))
		return false;
	return *a->host ? named_port(a) == named_port(b) : !prime_state_moved(a, b);
}

static uint64_t fnv(uint64_t h, const char *z)
{
	while (*z)
		h = (h ^ (uint8_t)tolower((unsigned char)*z++)) * UINT64_C(0x100000001b3);
	return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

uint64_t prime_state_hash(const struct prime_state *q)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ q->service;
	struct addr anycast = q->anycast;

	addr_set_port(&anycast, 0);
	h = (h ^ addr_hash(&anycast)) * UINT64_C(0x100000001b3);
	h = fnv(fnv(h, q->host), q->channel);
	if (*q->host)
		return (h ^ named_port(q)) * UINT64_C(0x100000001b3);
	for (int i = 0; i < q->origins; i++)
		h = (h ^ addr_hash(&q->origin[i])) * UINT64_C(0x100000001b3);
	return h;
}

const char *prime_state_str(const struct prime_state *q, char *buf)
{
	char text[ADDR_STRLEN];
	struct sbuf b;

	sbuf_init(&b, buf, PRIME_STATE_STRLEN);
	sbuf_printf(&b, "%s %s", q->service == SERVICE_HTTP ? "http" : "rtsp",
		addr_host(&q->anycast, text));
	if (*q->host)
		sbuf_printf(&b, " %s:%u", q->host, named_port(q));
	else if (q->origins)
		sbuf_printf(&b, " %s", addr_str(&q->origin[0], text));
	if (*q->channel)
		sbuf_printf(&b, " %s", q->channel);
	return buf;
}

const char *prime_status_str(enum prime_status s)
{
	static const char *const text[PRIME_STATUSES] = {
		[PRIME_GRANTED] = "granted",
		[PRIME_GENERATION] = "another generation",
		[PRIME_NO_SERVICE] = "service is not offered over primed ports",
		[PRIME_FULL] = "all ports are in use",
		[PRIME_DRAINING] = "draining",
		[PRIME_NO_PORT] = "cannot listen",
		[PRIME_UNREACHABLE] = "origin cannot be reached",
		[PRIME_GONE] = "gone",
	};

	return (unsigned)s < PRIME_STATUSES ? text[s] : "unknown status";
}

/* ---- what values may be ---- */

static bool host_ok(struct slice s)
{
	if (!s.n || s.n >= PRIME_HOST)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !memchr("._-", s.p[i], 3))
			return false;
	return true;
}

bool prime_path_ok(struct slice s)
{
	if (!s.n || s.n >= PRIME_PATH || s.p[0] != '/')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((uint8_t)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool origins_ok(const struct prime_state *q)
{
	for (int i = 0; i < q->origins; i++)
		if (!addr_is_unicast(&q->origin[i]) || !addr_port(&q->origin[i]))
			return false;
	return q->origins >= 0 && q->origins <= PRIME_ORIGINS;
}

static const char *wrong_state(const struct prime_state *q)
{
	if (q->service != SERVICE_RTSP && q->service != SERVICE_HTTP)
		return "service";
	if (!addr_is_unicast(&q->anycast))
		return "anycast";
	if (*q->host && !host_ok(slice_of(q->host)))
		return "host";
	if (!origins_ok(q))
		return "origins";
	if (*q->channel && !prime_path_ok(slice_of(q->channel)))
		return "channel";
	return NULL;
}

static const char *wrong_names(const char *from, const char *to)
{
	if (!announce_id_ok(slice_of(from)))
		return "from";
	return announce_id_ok(slice_of(to)) ? NULL : "to";
}

static const char *wrong_ask(const struct prime_ask *a)
{
	const char *wrong = a->id ? wrong_names(a->from, a->to) : "id";

	if (!wrong)
		wrong = wrong_state(&a->state);
	if (!wrong && *a->expect && !prime_path_ok(slice_of(a->expect)))
		wrong = "expect";
	return wrong;
}

static const char *wrong_answer(const struct prime_answer *a)
{
	bool granted = a->status == PRIME_GRANTED, gone = a->status == PRIME_GONE;
	const char *wrong = wrong_names(a->from, a->to);

	if (wrong)
		return wrong;
	if ((unsigned)a->status >= PRIME_STATUSES)
		return "status";
	if (gone != (a->id == 0))
		return "id";
	if ((granted || gone) != (a->port != 0))
		return "port";
	if (granted != (a->lifetime_ms != 0) || a->lifetime_ms > PRIME_MAX_LIFETIME)
		return "lifetime";
	return NULL;
}

/* ---- encoding: what has the value that it has when it is missing is left out ---- */

int prime_ask_encode(const struct prime_ask *a, uint8_t *out, size_t cap)
{
	struct item_writer w = {.p = out, .cap = cap};
	const struct prime_state *q = &a->state;

	if (wrong_ask(a))
		return -EINVAL;
	item_pair_uint(&w, 1, a->id);
	item_pair_text(&w, 2, a->from);
	item_pair_text(&w, 3, a->to);
	item_pair_uint(&w, 4, a->generation);
	item_pair_uint(&w, 5, q->service);
	item_pair_addr(&w, 6, &q->anycast, false);
	item_pair_text(&w, 7, q->host);
	if (q->origins) {
		item_key(&w, 8);
		item_put_array(&w, (size_t)q->origins);
	}
	for (int i = 0; i < q->origins; i++)
		item_put_addr(&w, &q->origin[i], true);
	item_pair_text(&w, 9, q->channel);
	item_pair_text(&w, 10, a->expect);
	return item_end(&w);
}

int prime_answer_encode(const struct prime_answer *a, uint8_t *out, size_t cap)
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
	item_pair_uint(&w, 6, a->port);
	item_pair_uint(&w, 7, a->lifetime_ms);
	return item_end(&w);
}

/* ---- decoding: kinds and sizes here, values by the checks above ---- */

static bool get_origins(struct prime_state *q, const struct item *v, struct item_reader *r)
{
	struct item one;

	if (v->kind != ITEM_ARRAY || !v->v || v->v > PRIME_ORIGINS)
		return false;
	for (q->origins = 0; (uint64_t)q->origins < v->v; q->origins++)
		if (!item_read(r, &one) || !item_get_addr(&one, &q->origin[q->origins], true))
			return false;
	return true;
}

static const char *on_ask(void *arg, uint64_t key, const struct item *v, struct item_reader *r)
{
	struct prime_ask *a = arg;
	struct prime_state *q = &a->state;

	switch (key) {
	case 1: return item_get_uint(v, UINT64_MAX, &a->id) ? NULL : "id";
	case 2: return item_get_text(v, a->from, sizeof(a->from)) ? NULL : "from";
	case 3: return item_get_text(v, a->to, sizeof(a->to)) ? NULL : "to";
	case 4: return item_get_uint(v, UINT64_MAX, &a->generation) ? NULL : "generation";
	case 5: return item_get_u32(v, UINT32_MAX, &q->service) ? NULL : "service";
	case 6: return item_get_addr(v, &q->anycast, false) ? NULL : "anycast";
	case 7: return item_get_text(v, q->host, sizeof(q->host)) ? NULL : "host";
	case 8: return get_origins(q, v, r) ? NULL : "origins";
	case 9: return item_get_text(v, q->channel, sizeof(q->channel)) ? NULL : "channel";
	case 10: return item_get_text(v, a->expect, sizeof(a->expect)) ? NULL : "expect";
	}
	return ITEM_UNKNOWN;
}

static const char *on_answer(void *arg, uint64_t key, const struct item *v, struct item_reader *r)
{
	struct prime_answer *a = arg;
	uint64_t n;

	(void)r;
	switch (key) {
	case 1: return item_get_uint(v, UINT64_MAX, &a->id) ? NULL : "id";
	case 2: return item_get_text(v, a->from, sizeof(a->from)) ? NULL : "from";
	case 3: return item_get_text(v, a->to, sizeof(a->to)) ? NULL : "to";
	case 4: return item_get_uint(v, UINT64_MAX, &a->generation) ? NULL : "generation";
	case 5:
		if (!item_get_uint(v, PRIME_STATUSES - 1, &n))
			return "status";
		a->status = (enum prime_status)n;
		return NULL;
	case 6: return item_get_u16(v, UINT16_MAX, &a->port) ? NULL : "port";
	case 7: return item_get_u32(v, PRIME_MAX_LIFETIME, &a->lifetime_ms) ? NULL : "lifetime";
	}
	return ITEM_UNKNOWN;
}

int prime_ask_decode(struct prime_ask *a, const uint8_t *p, size_t n, const char **why)
{
	uint64_t seen;

	memset(a, 0, sizeof(*a));
	*why = item_read_map(p, n, on_ask, a, &seen);
	if (!*why)
		*why = wrong_ask(a);
	return *why ? -EINVAL : 0;
}

int prime_answer_decode(struct prime_answer *a, const uint8_t *p, size_t n, const char **why)
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
