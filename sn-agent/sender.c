/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/sender.h"

#include <stdio.h>
#include <string.h>

#define RETRY    (150 * NS_MS) /* of a question without an answer */
#define TRIES    4             /* and then nobody is there, */
#define TRIES_UP 12            /* unless the tunnel says otherwise: it is only slow, maybe */
#define LIFETIME 5             /* refreshes, that others keep us for */
#define PAUSE    (250 * NS_MS) /* after the first failure */
#define PAUSES   6             /* doublings of it: 16 s */
#define SHUN     (30 * NS_S)   /* that a node is avoided which failed */
#define COMES_UP (10 * NS_S)   /* a tunnel, for the first time */
#define DOUBT    (3 * NS_S)    /* that a tunnel may be down whose node answers */
#define SETTLE   (3 * NS_S)    /* routes through a new tunnel, before the old one goes */
#define STAYS    (20 * NS_S)   /* the tunnel to a dead node, without another one */
#define ANSWER   (5 * NS_S)    /* of the anycast address; the shell has its own, shorter time */

/* ---- failures ---- */

static void pause_asking(struct sender *s, ns_t now)
{
	unsigned n = s->failures < PAUSES ? s->failures : PAUSES;

	s->failures++;
	s->ask_at = now + (PAUSE << n);
}

static void shun(struct sender *s, const char *name, ns_t now)
{
	int at = 0;

	for (int i = 0; i < SENDER_AVOID; i++) {
		if (!strcmp(s->avoid[i].name, name)) {
			at = i;
			break;
		}
		if (s->avoid[i].until < s->avoid[at].until)
			at = i;
	}
	snprintf(s->avoid[at].name, sizeof(s->avoid[at].name), "%s", name);
	s->avoid[at].until = now + SHUN;
}

/* A node that was granted is replaced at once; one that never was, after a pause. */
static void lose(struct sender *s, struct sender_hold *h, const char *why, ns_t now)
{
	shun(s, h->name, now);
	if (h == &s->hold[SENDER_NODE]) {
		if (h->open)
			s->ask_at = now;
		else
			pause_asking(s, now);
	}
	if (!h->open) {
		*h = (struct sender_hold){0};
		return;
	}
	h->over = why;
	h->until = now + STAYS;
}

/* ---- what is due ---- */

static void send_to(struct sender *s, struct sender_hold *h, struct sender_act *a, bool over)
{
	if (h->tries <= 1 || over) /* a question that is repeated stays the same */
		h->id = ++s->id ? s->id : ++s->id;
	a->what = SENDER_SEND;
	a->ask = (struct attach_ask){.id = h->id,
		.generation = h->generation,
		.to = h->control,
		.tunnel = h != &s->hold[SENDER_REGISTRY],
		.address = s->conf.address,
		.overlay = s->conf.overlay,
		.lifetime_ms = over ? 0 : (uint32_t)(LIFETIME * s->conf.refresh / NS_MS)};
	memcpy(a->ask.from, s->conf.name, sizeof(a->ask.from));
}

static void name_it(const struct sender_hold *h, struct sender_act *a, enum sender_what what)
{
	a->what = what;
	a->node = h->name;
	a->address = h->control;
	addr_set_port(&a->address, 0);
}

static bool is_settled(const struct sender *s, ns_t now)
{
	const struct sender_hold *node = &s->hold[SENDER_NODE];

	return node->up && now - node->since > SETTLE;
}

/* One that is lost: that is said, to it too if that helps, and its tunnel goes when it is time. */
static bool wind_up(struct sender *s, struct sender_hold *h, struct sender_act *a, ns_t now)
{
	struct sender_hold *left = &s->hold[SENDER_LEFT];

	if (h->open && !h->said) {
		h->said = true;
		name_it(h, a, SENDER_LOSE);
		a->why = h->over;
		return true;
	}
	if (h->farewell) {
		h->farewell = false;
		send_to(s, h, a, true);
		return true;
	}
	if (h->open && !s->stopping && h != left) {
		struct sender_hold before = *left;

		*left = *h;
		*h = (struct sender_hold){0};
		if (!before.used || !before.open)
			return false;
		s->gone = before;
	} else if (h->open && !s->stopping && now < h->until && !is_settled(s, now)) {
		return false;
	} else {
		s->gone = *h;
		*h = (struct sender_hold){0};
		if (!s->gone.open)
			return false;
	}
	name_it(&s->gone, a, SENDER_CLOSE);
	return true;
}

/* Looks whether a node is still what it was taken for. */
static void judge(struct sender *s, struct sender_hold *h, ns_t now)
{
	bool registry = h == &s->hold[SENDER_REGISTRY];

	if (h->tries >= (h->up ? TRIES_UP : TRIES) && now >= h->next) {
		if (registry) {
			h->tries = 0;
			h->granted = false;
			h->next = now + s->conf.refresh;
		} else {
			lose(s, h, "it does not answer", now);
		}
	} else if (h->open && !h->up && now - h->since > DOUBT) {
		lose(s, h, "the tunnel is dead", now);
	} else if (h == &s->hold[SENDER_LEFT] && is_settled(s, now)) {
		h->over = "it drains";
		h->farewell = true;
	}
}

static bool work(struct sender *s, struct sender_hold *h, struct sender_act *a, ns_t now)
{
	if (!h->used)
		return false;
	if (s->stopping && !h->over) {
		h->over = "this node stops";
		h->farewell = h->granted;
	}
	if (!h->over)
		judge(s, h, now);
	if (h->over)
		return wind_up(s, h, a, now);
	if (!h->used)
		return false;
	if (h->granted && !h->open && h != &s->hold[SENDER_REGISTRY]) {
		h->open = true;
		h->since = now + COMES_UP - DOUBT;
		name_it(h, a, SENDER_OPEN);
		return true;
	}
	if (now < h->next)
		return false;
	h->tries++;
	h->next = now + RETRY;
	send_to(s, h, a, false);
	return true;
}

static void list_avoided(const struct sender *s, char out[SENDER_LIST], ns_t now)
{
	const struct sender_hold *node = &s->hold[SENDER_NODE];
	size_t n = 0;

	*out = '\0';
	for (int i = 0; i < SENDER_AVOID; i++)
		if (*s->avoid[i].name && now < s->avoid[i].until &&
			strcmp(s->avoid[i].name, node->name))
			n += (size_t)snprintf(
				out + n, SENDER_LIST - n, "%s%s", n ? "," : "", s->avoid[i].name);
	if (node->used && n + strlen(node->name) + 2 < SENDER_LIST)
		snprintf(out + n, SENDER_LIST - n, "%s%s", n ? "," : "", node->name);
}

enum sender_what sender_next(struct sender *s, struct sender_act *a, ns_t now)
{
	const struct sender_hold *node = &s->hold[SENDER_NODE];

	a->what = SENDER_NOTHING;
	for (int i = 0; i < SENDER_ROLES; i++)
		if (work(s, &s->hold[i], a, now))
			return a->what;
	if (s->asking && now >= s->ask_at) /* an answer that never came */
		sender_told(s, NULL, NULL, now);
	if (!s->stopping && !s->asking && now >= s->ask_at && (!node->used || node->draining)) {
		s->asking = true;
		s->ask_at = now + ANSWER;
		list_avoided(s, a->avoid, now);
		a->what = SENDER_ASK;
	}
	return a->what;
}

/* ---- what happens ---- */

void sender_init(struct sender *s, const struct sender_conf *c, uint64_t seed)
{
	*s = (struct sender){.conf = *c, .id = seed};
}

void sender_told(struct sender *s, const char *node, const struct addr *control, ns_t now)
{
	struct sender_hold *h = &s->hold[SENDER_NODE], *left = &s->hold[SENDER_LEFT];

	if (!s->asking)
		return;
	s->asking = false;
	if (!node || !strcmp(node, s->conf.name) || (h->used && !strcmp(h->name, node)) ||
		(left->used && !left->over && !strcmp(left->name, node)))
		return pause_asking(s, now);
	if (left->used && !strcmp(left->name, node))
		left->until = now; /* it is there again, and so will be another tunnel */
	if (h->used && h->granted && !left->used)
		*left = *h; /* it drains, and is asked for a while yet */
	*h = (struct sender_hold){.used = true, .control = *control, .next = now, .since = now};
	snprintf(h->name, sizeof(h->name), "%s", node);
}

static void take_registry(struct sender *s, const struct addr *at, ns_t now)
{
	struct sender_hold *r = &s->hold[SENDER_REGISTRY];

	if (!at->sa.sa_family || (r->used && addr_cmp(&r->control, at) == 0))
		return;
	*r = (struct sender_hold){.used = true, .control = *at, .next = now};
}

static void take_grant(
	struct sender *s, struct sender_hold *h, const struct attach_answer *a, ns_t now)
{
	if (a->draining && !h->draining && h == &s->hold[SENDER_NODE])
		s->ask_at = now;
	h->draining = a->draining;
	h->granted = true;
	h->tries = 0;
	h->heard = now;
	h->next = now + s->conf.refresh;
	s->failures = h->draining ? s->failures : 0;
	if (h == &s->hold[SENDER_REGISTRY])
		memcpy(h->name, a->from, sizeof(h->name));
	else
		take_registry(s, &a->registry, now);
}

bool sender_heard(struct sender *s, const struct attach_answer *a, ns_t now)
{
	struct sender_hold *h = NULL;

	for (int i = 0; i < SENDER_ROLES; i++)
		if (s->hold[i].used && s->hold[i].id == a->id && !s->hold[i].over)
			h = &s->hold[i];
	if (!h || strcmp(a->to, s->conf.name) || (*h->name && strcmp(h->name, a->from)))
		return false;
	if (a->status == ATTACH_GENERATION) {
		if (h->generation != a->generation) {
			h->generation = a->generation;
			h->next = now;
		}
	} else if (a->status == ATTACH_GRANTED) {
		take_grant(s, h, a, now);
	} else if (h == &s->hold[SENDER_REGISTRY]) {
		h->granted = false;
		h->tries = 0;
		h->next = now + LIFETIME * s->conf.refresh;
	} else {
		lose(s, h, attach_status_str(a->status), now);
	}
	return true;
}

static struct sender_hold *find(struct sender *s, const char *node)
{
	for (int i = 0; i < SENDER_REGISTRY; i++)
		if (s->hold[i].used && s->hold[i].open && !strcmp(s->hold[i].name, node))
			return &s->hold[i];
	return NULL;
}

void sender_tunnel(struct sender *s, const char *node, bool up, ns_t now)
{
	struct sender_hold *h = find(s, node);

	if (!h || h->up == up || h->over)
		return;
	h->up = up;
	h->since = now;
	if (up || h->tries)
		return;
	h->next = now; /* is it there? */
}

void sender_failed(struct sender *s, const char *node, ns_t now)
{
	struct sender_hold *h = find(s, node);

	if (!h)
		return;
	h->open = false;
	lose(s, h, NULL, now);
}

void sender_publishes(struct sender *s, ns_t now)
{
	for (int i = 0; i < SENDER_ROLES; i++)
		if (s->hold[i].used && s->hold[i].granted && !s->hold[i].tries)
			s->hold[i].next = now;
}

void sender_stop(struct sender *s)
{
	s->stopping = true;
}

const struct sender_hold *sender_attached(const struct sender *s)
{
	const struct sender_hold *h = &s->hold[SENDER_NODE];

	return h->used && h->open && !h->over ? h : NULL;
}
