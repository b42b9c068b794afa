/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/upstream.h"

#include <assert.h>
#include <string.h>

#define BACKOFF_MIN (100 * NS_MS)
#define BACKOFF_MAX (5 * NS_S)
#define DOUBT_MIN   (1 * NS_S)
#define DOUBT_MAX   (30 * NS_S)

static void push(struct upstream *u, struct upstream_action a)
{
	/* The shell takes all actions after every call, and no call makes that many. */
	assert(u->queued < (int)(sizeof(u->queue) / sizeof(u->queue[0])));
	u->queue[u->queued++] = a;
}

bool upstream_next(struct upstream *u, struct upstream_action *out)
{
	if (u->queued == 0)
		return false;
	*out = u->queue[0];
	u->queued--;
	memmove(&u->queue[0], &u->queue[1], (size_t)u->queued * sizeof(u->queue[0]));
	return true;
}

static bool untried(const struct upstream *u, int node)
{
	return node >= 0 && !(u->tried & 1u << node);
}

/* The neighbour on the route, then detours; last of all who has just failed. */
static int pick_neighbour(const struct upstream *u)
{
	int n = u->nodes->n;

	if (u->route != u->avoid && untried(u, u->route))
		return u->route;
	for (int k = 0; (u->detours || u->established) && k < n; k++) {
		int i = (u->first + k) % n;

		if (i != u->avoid && u->nodes->up[i] && untried(u, i))
			return i;
	}
	return untried(u, u->avoid) ? u->avoid : -1;
}

/* The next node of the round: those that answer on their warm connection before the others. -1:
 * all have been tried. */
static int pick(const struct upstream *u)
{
	int n = u->nodes->n;

	if (u->routed)
		return pick_neighbour(u);

	for (int up = 1; up >= 0; up--)
		for (int k = 0; k < n; k++) {
			int i = (u->first + k) % n;

			if (!(u->tried & 1u << i) && u->nodes->up[i] == up)
				return i;
		}
	return -1;
}

static void try_node(struct upstream *u, int node, ns_t now)
{
	int slot = u->active == 0 ? 1 : 0;

	u->tried |= 1u << node;
	u->node[slot] = node;
	u->trial = slot;
	u->trial_attached = false;
	u->trial_until = now + UPSTREAM_TRY;
	u->retry_at = NS_NEVER;
	push(u, (struct upstream_action){UPSTREAM_ATTACH, slot, node, 0});
}

static bool try_next(struct upstream *u, ns_t now)
{
	int node = pick(u);

	if (node < 0)
		return false;
	try_node(u, node, now);
	return true;
}

static void trial_over(struct upstream *u)
{
	u->trial = -1;
	u->trial_until = NS_NEVER;
	u->trial_attached = u->moving = false;
}

static void give_up(struct upstream *u, enum upstream_do what, int status)
{
	if (u->over)
		return;
	u->over = true;
	push(u, (struct upstream_action){what, -1, -1, status});
}

/* Nobody of this round has it. */
static void round_over(struct upstream *u, ns_t now)
{
	ns_t lost = now - u->lost_since;

	if (u->active >= 0) {
		/* It was a suspicion: nobody does better. In an overlay, all may have refused for the
		 * moment, since they have the channel from us: that says nothing of the source. */
		ns_t longest = u->routed && !u->compared ? DOUBT_MIN : DOUBT_MAX;

		u->not_before = now + u->doubt;
		u->doubt = u->doubt * 2 > longest ? longest : u->doubt * 2;
	} else if (!u->established) {
		give_up(u, UPSTREAM_REFUSED, u->status ? u->status : 503);
	} else if (lost >= UPSTREAM_LOST || (u->status == 404 && lost >= UPSTREAM_GONE)) {
		give_up(u, UPSTREAM_OVER, u->status);
	} else {
		u->retry_at = now + u->backoff;
		u->backoff = u->backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : u->backoff * 2;
	}
}

/* A reload may have left no node at all: that is a round that ends as it begins. */
static void new_round(struct upstream *u, int first, int avoid, ns_t now)
{
	u->tried = 0;
	u->status = 0;
	u->avoid = avoid;
	u->compared = false;
	u->first = u->nodes->n ? first % u->nodes->n : 0;
	if (!try_next(u, now))
		round_over(u, now);
}

static void init(struct upstream *u, const struct upstream_nodes *nodes, ns_t now)
{
	*u = (struct upstream){.nodes = nodes,
		.active = -1,
		.trial = -1,
		.route = -1,
		.avoid = -1,
		.move_backoff = UPSTREAM_MOVE,
		.trial_until = NS_NEVER,
		.retry_at = NS_NEVER,
		.seek_until = now + UPSTREAM_SEEK,
		.backoff = BACKOFF_MIN,
		.doubt = DOUBT_MIN,
		.gap_window = now};
}

void upstream_init(struct upstream *u, const struct upstream_nodes *nodes, ns_t now)
{
	init(u, nodes, now);
	new_round(u, 0, -1, now);
}

void upstream_init_routed(
	struct upstream *u, const struct upstream_nodes *nodes, int route, bool detours, ns_t now)
{
	init(u, nodes, now);
	u->routed = true;
	u->route = route;
	u->detours = detours;
	new_round(u, 0, -1, now);
}

void upstream_route(struct upstream *u, int route, ns_t now)
{
	if (u->route == route)
		return;
	u->route = route;
	u->move_at = now;
	u->move_backoff = UPSTREAM_MOVE;
	u->not_before = 0;
	u->doubt = DOUBT_MIN;
	if (u->active < 0 && u->trial < 0 && u->retry_at != NS_NEVER && route >= 0)
		u->retry_at = now;
}

void upstream_want(struct upstream *u, ns_t now)
{
	u->wanted = true;
	if (u->active < 0 && u->trial < 0 && u->retry_at == NS_NEVER && !u->over) {
		u->lost_since = now;
		new_round(u, 0, -1, now);
	}
}

static void promote(struct upstream *u, ns_t now)
{
	u->active = u->trial;
	trial_over(u);
	u->established = true;
	u->backoff = BACKOFF_MIN;
	u->last_packet = now;
	u->switches++;
	push(u, (struct upstream_action){UPSTREAM_PROMOTED, u->active, u->node[u->active], 0});
}

void upstream_attached(struct upstream *u, int slot, bool playing, ns_t now)
{
	u->playing |= playing;
	if (slot == u->active) {
		u->last_packet = now;
		return;
	}
	if (slot != u->trial)
		return;
	u->trial_attached = true;
	if (u->active < 0) {
		promote(u, now);
	} else {
		u->trial_until = now + UPSTREAM_PROVE;
		u->compared = true;
	}
}

/* A loop says as little as "not found" to who asked, but in an overlay it passes; of other answers the
 * last one is told. */
static void note_excuse(struct upstream *u, int status)
{
	if (status == 482)
		status = u->routed ? 503 : 404;
	if (status == 404 && u->status == 0)
		u->status = 404;
	else if (status != 404)
		u->status = status == 0 ? 503 : status;
}

static void active_failed(struct upstream *u, int slot, ns_t now)
{
	bool was_moving = u->moving;

	u->active = -1;
	u->lost_since = now;
	u->moving = false;
	if (!u->wanted || u->over)
		return;
	if (u->trial < 0) {
		new_round(u, u->node[slot] + 1, u->node[slot], now);
	} else if (was_moving) {
		u->tried = 1u << u->node[u->trial];
		u->avoid = u->node[slot];
		if (u->trial_attached)
			promote(u, now);
	}
}

/* The route's neighbour does not take us now, or not for us: we stay where we are, and ask again. */
static void move_failed(struct upstream *u, ns_t now)
{
	u->move_at = now + u->move_backoff;
	u->move_backoff =
		u->move_backoff * 2 > UPSTREAM_MOVES ? UPSTREAM_MOVES : u->move_backoff * 2;
}

void upstream_failed(struct upstream *u, int slot, int status, ns_t now)
{
	bool was_moving = u->moving;

	if (slot == u->active) {
		active_failed(u, slot, now);
		return;
	}
	if (slot != u->trial)
		return;
	trial_over(u);
	if (was_moving) {
		move_failed(u, now);
		return;
	}
	note_excuse(u, status);
	if (u->over)
		return;
	/* The way to the source says that the source has it not: nobody else need be asked. */
	if (u->routed && !u->established && u->node[slot] == u->route && status == 404)
		round_over(u, now);
	else if (!try_next(u, now))
		round_over(u, now);
}

static void note_gap(struct upstream *u, ns_t now)
{
	ns_t gap = now - u->last_packet;

	if (now - u->gap_window >= UPSTREAM_WINDOW) {
		u->gap[1] = u->gap[0];
		u->gap[0] = 0;
		u->gap_window = now;
	}
	if (u->any_packet && gap > u->gap[0])
		u->gap[0] = gap;
	u->any_packet = true;
	u->last_packet = now;
}

static void replace_active(struct upstream *u, ns_t now)
{
	if (u->active >= 0) {
		push(u, (struct upstream_action){UPSTREAM_DROP, u->active, -1, 0});
		u->active = -1;
	}
	promote(u, now);
}

void upstream_packet(struct upstream *u, int slot, bool fresh, ns_t now)
{
	if (slot == u->active) {
		note_gap(u, now);
		if (!fresh)
			return;
		u->doubt = DOUBT_MIN;
		u->not_before = 0;
		if (u->trial >= 0 && !u->moving) {
			u->false_alarms++;
			push(u, (struct upstream_action){UPSTREAM_DROP, u->trial, -1, 0});
			trial_over(u);
		}
	} else if (slot == u->trial && fresh && !u->moving) {
		replace_active(u, now);
	}
}

void upstream_level(struct upstream *u, int slot, ns_t now)
{
	if (slot == u->trial && u->moving)
		replace_active(u, now);
}

ns_t upstream_patience(const struct upstream *u)
{
	ns_t gap = u->gap[0] > u->gap[1] ? u->gap[0] : u->gap[1];

	if (!u->any_packet || gap > UPSTREAM_CEILING / 4)
		return UPSTREAM_CEILING;
	return 4 * gap < UPSTREAM_FLOOR ? UPSTREAM_FLOOR : 4 * gap;
}

/* When silence becomes suspicious. */
static ns_t suspect_at(const struct upstream *u)
{
	ns_t at = u->last_packet + upstream_patience(u);

	if (u->active < 0 || u->trial >= 0 || !u->playing || !u->wanted || u->over)
		return NS_NEVER;
	return at > u->not_before ? at : u->not_before;
}

/* When the channel is to move to where the route leads. */
static ns_t move_when(const struct upstream *u)
{
	if (!u->routed || u->route < 0 || u->active < 0 || u->trial >= 0 || !u->wanted || u->over ||
		u->node[u->active] == u->route)
		return NS_NEVER;
	return u->move_at;
}

static void trial_late(struct upstream *u, ns_t now)
{
	int slot = u->trial;

	/* Nothing came from either: the source is silent, and the route may be followed. */
	if (u->moving && u->trial_attached && u->last_packet <= u->moving_since) {
		replace_active(u, now);
		return;
	}
	push(u, (struct upstream_action){UPSTREAM_DROP, slot, -1, 0});
	upstream_failed(u, slot, 504, now);
}

void upstream_tick(struct upstream *u, ns_t now)
{
	if (u->trial >= 0 && now >= u->trial_until)
		trial_late(u, now);
	if (!u->established && !u->over && now >= u->seek_until) {
		if (u->trial >= 0)
			push(u, (struct upstream_action){UPSTREAM_DROP, u->trial, -1, 0});
		trial_over(u);
		give_up(u, UPSTREAM_REFUSED, 504);
	}
	if (now >= u->retry_at && !u->over)
		new_round(u, u->first, -1, now);
	if (now >= suspect_at(u)) {
		u->suspicions++;
		new_round(u, u->node[u->active] + 1, u->node[u->active], now);
	} else if (now >= move_when(u)) {
		u->moving = true;
		u->moving_since = now;
		try_node(u, u->route, now);
	}
}

ns_t upstream_when(const struct upstream *u)
{
	ns_t when = suspect_at(u);

	if (u->trial_until < when)
		when = u->trial_until;
	if (move_when(u) < when)
		when = move_when(u);
	if (u->retry_at < when)
		when = u->retry_at;
	if (!u->established && !u->over && u->seek_until < when)
		when = u->seek_until;
	return when;
}
