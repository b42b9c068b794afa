/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/fate.h"

/* A worker that served for so long starts with the shortest backoff again when it ends. */
#define STABLE (60 * NS_S)
/* Between attempts to make an interface that could not be made. */
#define RAISE_RETRY NS_S

void fate_init(struct fate *f, const struct fate_conf *c, ns_t now)
{
	*f = (struct fate){
		.conf = *c,
		.reason = "starting",
		.serving_since = NS_NEVER,
		.spawn_at = now,
		.raise_at = now,
		.backoff = c->backoff_min,
	};
}

static void doom(struct fate *f, const char *why)
{
	f->worker = FATE_DOOMED;
	f->kill_due = true;
	f->reason = why;
}

void fate_beat(struct fate *f, const struct fate_beat *b, ns_t now)
{
	f->heard = true;
	f->vouched = b->sent < now ? b->sent : now;
	f->draining = b->draining;
	f->away = b->away;
	f->empty = b->empty;
	if (f->master && !b->master)
		f->yielded_at = now;
	f->master = b->master;
	f->heir = b->heir;
	f->busy = b->busy;
	if (b->serving && !f->serving)
		f->serving_since = f->vouched;
	if (!b->serving)
		f->serving_since = NS_NEVER;
	f->serving = b->serving;
}

void fate_closed(struct fate *f, ns_t now)
{
	(void)now;
	if (f->worker == FATE_ALIVE && !f->finish_sent)
		doom(f, "worker closed its line");
}

void fate_gone(struct fate *f, ns_t now)
{
	if (f->worker == FATE_ABSENT)
		return;
	if (f->serving && now - f->serving_since >= STABLE)
		f->backoff = f->conf.backoff_min;
	if (f->worker == FATE_ALIVE)
		f->reason = "worker ended";
	f->worker = FATE_ABSENT;
	f->kill_due = f->heard = f->serving = f->master = f->heir = f->away = false;
	f->serving_since = NS_NEVER;
	f->busy = 0;
	f->spawn_at = now + f->backoff;
	f->backoff = 2 * f->backoff < f->conf.backoff_max ? 2 * f->backoff : f->conf.backoff_max;
}

void fate_raise_failed(struct fate *f, ns_t now)
{
	f->block = FATE_DOWN;
	f->reason = "interface cannot be made";
	f->raise_at = now + RAISE_RETRY;
}

void fate_block_lost(struct fate *f, ns_t now)
{
	if (f->block == FATE_DOWN)
		return;
	f->block = FATE_DOWN;
	f->reason = "interface was removed";
	f->raise_at = now + f->conf.hold;
}

void fate_stop(struct fate *f, ns_t now)
{
	(void)now;
	f->stopping = true;
}

static ns_t silence_ends(const struct fate *f)
{
	if (f->finish_sent) /* it is ending, and the block is down */
		return f->finish_by;
	return f->vouched + (f->heard ? f->conf.hang_bound : f->conf.start_bound);
}

/* Until when an orderly leave keeps the interface, given what is known now. */
static ns_t withdrawal_ends(const struct fate *f)
{
	return f->withdrawn_at + (f->busy ? f->conf.drain_time : f->conf.settle);
}

static ns_t ready_due(const struct fate *f)
{
	ns_t held;

	if (f->draining || f->stopping || f->away || f->worker != FATE_ALIVE || !f->serving)
		return NS_NEVER;
	held = f->serving_since + f->conf.hold;
	return held > f->raise_at ? held : f->raise_at;
}

/* Nobody else is to have the block in this one's place. */
static bool entitled(const struct fate *f)
{
	return f->master || f->conf.shared;
}

static ns_t raise_due(const struct fate *f)
{
	return f->block == FATE_UP || !entitled(f) ? NS_NEVER : ready_due(f);
}

static ns_t yield_ends(const struct fate *f)
{
	return entitled(f) ? NS_NEVER : f->yielded_at + f->conf.yield;
}

/* What takes reachability away comes before all else. */
static enum fate_action next_downward(struct fate *f, ns_t now)
{
	bool leaving = f->draining || f->stopping || f->away || now >= yield_ends(f);

	if (f->worker == FATE_ALIVE && now >= silence_ends(f))
		doom(f, f->heard ? "worker silent" : "worker did not start");
	if (f->block != FATE_DOWN && (f->worker != FATE_ALIVE || !f->serving)) {
		if (f->worker == FATE_ALIVE)
			f->reason = "not serving";
		f->block = FATE_DOWN;
		return FATE_DROP;
	}
	if (f->block == FATE_UP && leaving) {
		f->reason = f->stopping   ? "stopping"
		            : f->draining ? "drained"
		            : f->away     ? "no service node"
		                          : "backup";
		f->block = FATE_WITHDRAWN;
		f->withdrawn_at = now;
		return FATE_WITHDRAW;
	}
	if (f->block == FATE_WITHDRAWN && leaving && now >= withdrawal_ends(f)) {
		f->block = FATE_DOWN;
		return FATE_DROP;
	}
	return FATE_NOTHING;
}

static enum fate_action next_of_worker(struct fate *f, ns_t now)
{
	if (f->kill_due) {
		f->kill_due = false;
		return FATE_KILL;
	}
	if (f->worker == FATE_ABSENT && f->stopping)
		return FATE_EXIT;
	if (f->worker == FATE_ABSENT && now >= f->spawn_at) {
		f->worker = FATE_ALIVE;
		f->vouched = now;
		f->spawned++;
		return FATE_SPAWN;
	}
	if (f->worker == FATE_ALIVE && f->stopping && f->block == FATE_DOWN && !f->finish_sent) {
		f->finish_sent = true;
		f->finish_by = now + f->conf.drain_time;
		return FATE_FINISH;
	}
	return FATE_NOTHING;
}

enum fate_action fate_next(struct fate *f, ns_t now)
{
	enum fate_action a = next_downward(f, now);

	f->ready = now >= ready_due(f);
	if (f->ready && !entitled(f) && f->block != FATE_UP)
		f->reason = "backup";
	if (a == FATE_NOTHING)
		a = next_of_worker(f, now);
	if (a == FATE_NOTHING && now >= raise_due(f)) {
		f->block = FATE_UP;
		f->reason = "";
		a = FATE_RAISE;
	}
	return a;
}

static ns_t earlier(ns_t a, ns_t b)
{
	return a < b ? a : b;
}

ns_t fate_when(const struct fate *f)
{
	ns_t when = raise_due(f);

	if (!f->ready)
		when = earlier(when, ready_due(f));
	if (f->worker == FATE_ALIVE)
		when = earlier(when, silence_ends(f));
	if (f->worker == FATE_ABSENT)
		when = earlier(when, f->spawn_at);
	if (f->block == FATE_UP)
		when = earlier(when, yield_ends(f));
	if (f->block == FATE_WITHDRAWN)
		when = earlier(when, withdrawal_ends(f));
	return when;
}

bool fate_claims(const struct fate *f)
{
	return f->conf.shared && f->heir && f->worker == FATE_ALIVE && f->block != FATE_DOWN;
}

const char *fate_block_str(enum fate_block b)
{
	switch (b) {
	case FATE_DOWN: return "down";
	case FATE_UP: return "up";
	case FATE_WITHDRAWN: return "withdrawn";
	}
	return "?";
}
