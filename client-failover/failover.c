/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One rule bounds how often anything is asked of the network: a transaction begins at the earliest
 * `holdoff(rounds)` after the one before, and `rounds` is forgotten only when a node has played for
 * `settle`. So the first repetition is immediate, a node that fails again and again, an ARN that
 * says 503 and a source that is silent (which no node can help) all end at one request per `most`.
 */
#include "client-failover/failover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

#define ACTIONS_MAX 24
#define AVOID_MAX   4
#define HOPS_MAX    5
#define ICMP_LEAST  NS_S        /* no ICMP error is believed for that long after a false alarm, */
#define ICMP_MOST   (30 * NS_S) /* and twice as long after each further one */
#define SAME_MAX    2 /* that often the redirection to the node we have is ignored, less one */

const struct failover_conf failover_defaults = {
	.scheme = "rtsp",
	.detect = DETECT_DEFAULTS,
	.transaction = 500 * NS_MS,
	.attach = NS_S,
	.least = 250 * NS_MS,
	.least_ask = 100 * NS_MS,
	.most = 5 * NS_S,
	.settle = 5 * NS_S,
	.avoid = 10 * NS_S,
	.give_up = {10 * NS_S, 30 * NS_S},
};

enum phase { PH_IDLE, PH_SEEK, PH_STEADY, PH_OVER };

struct att {
	int id; /* 0: free */
	bool attached, open;
	bool late; /* its deadline has passed: another node is being looked for */
	int hops;
	ns_t located, attached_at, deadline;
	char node[FAILOVER_NODE], host[FAILOVER_NODE], url[FAILOVER_URL];
};

struct action {
	enum failover_kind kind;
	int id;
	char node[FAILOVER_NODE], from[FAILOVER_NODE], url[FAILOVER_URL];
	enum failover_reason reason;
	ns_t silence;
	struct failover_times times;
};

struct failover {
	struct failover_conf conf;
	enum phase phase;
	bool ended, held;
	int last_id;

	struct att att[FAILOVER_ATTS];
	struct att *cur; /* NULL before the first packet */
	struct detect detect;
	ns_t last_packet;  /* of the current node */
	ns_t ended_at;     /* when it said that the source has ended */
	ns_t steady_since; /* phase PH_STEADY began */
	ns_t icmp_after;   /* ICMP errors of the current node count from then on */
	ns_t icmp_doubt;   /* how long the last false alarm by one put that off */

	/* The search for another node. */
	ns_t suspected; /* when it began */
	enum failover_reason reason;
	ns_t silence;
	ns_t alive;    /* the last sign that a node can be had */
	ns_t next_try; /* of the next transaction */
	int rounds, same;
	struct {
		int id; /* 0: none under way */
		ns_t since, deadline;
		ns_t took; /* the last one that was answered; 0: none yet */
		int timeouts;
	} tr;
	ns_t attach_took;
	int attach_timeouts; /* of this search */

	struct {
		char host[FAILOVER_NODE];
		ns_t until;
	} avoid[AVOID_MAX];

	struct action out[ACTIONS_MAX];
	int outs;
	struct action taken;
};

const char *failover_reason_str(enum failover_reason r)
{
	static const char *const name[FO_REASONS] = {"silence", "closed", "icmp", "refused"};

	return r < FO_REASONS ? name[r] : "unknown";
}

struct failover *failover_new(const struct failover_conf *c)
{
	struct failover *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->conf = *c;
	detect_init(&f->detect, &c->detect);
	f->next_try = NS_NEVER;
	return f;
}

void failover_free(struct failover *f)
{
	free(f);
}

/* ---- small parts ---- */

static struct action *act(struct failover *f, enum failover_kind kind, int id)
{
	static struct action lost;
	struct action *a = f->outs < ACTIONS_MAX ? &f->out[f->outs++] : &lost;

	memset(a, 0, sizeof *a);
	a->kind = kind;
	a->id = id;
	return a;
}

static struct att *att_find(struct failover *f, int id)
{
	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (id > 0 && f->att[i].id == id)
			return &f->att[i];
	return NULL;
}

static void att_release(struct failover *f, struct att *a)
{
	act(f, FO_RELEASE, a->id);
	if (f->cur == a)
		f->cur = NULL;
	memset(a, 0, sizeof *a);
}

/* Room for one more: the oldest that is not the current goes, if need be. */
static struct att *att_slot(struct failover *f)
{
	struct att *oldest = NULL;

	for (int i = 0; i < FAILOVER_ATTS; i++) {
		struct att *a = &f->att[i];
		if (a->id == 0)
			return a;
		if (a != f->cur && (!oldest || a->id < oldest->id))
			oldest = a;
	}
	att_release(f, oldest);
	return oldest;
}

static void avoid_add(struct failover *f, const char *host, ns_t now)
{
	int k = 0;

	for (int i = 1; i < AVOID_MAX; i++)
		if (strcmp(f->avoid[k].host, host) != 0 &&
			(strcmp(f->avoid[i].host, host) == 0 ||
				f->avoid[i].until < f->avoid[k].until))
			k = i;
	snprintf(f->avoid[k].host, sizeof f->avoid[k].host, "%s", host);
	f->avoid[k].until = now + f->conf.avoid;
}

static void avoid_remove(struct failover *f, const char *host)
{
	for (int i = 0; i < AVOID_MAX; i++)
		if (strcmp(f->avoid[i].host, host) == 0)
			f->avoid[i].until = 0;
}

void failover_avoid(const struct failover *f, ns_t now, char *buf, size_t cap)
{
	size_t n = 0;

	buf[0] = '\0';
	for (int i = 0; i < AVOID_MAX; i++) {
		if (f->avoid[i].until <= now)
			continue;
		int k = snprintf(buf + n, cap - n, "%s%s", n ? ", " : "", f->avoid[i].host);
		if (k < 0 || (size_t)k >= cap - n) {
			buf[n] = '\0';
			return;
		}
		n += (size_t)k;
	}
}

static ns_t clamp(ns_t v, ns_t lo, ns_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* 4 × what it took last time, twice that after each time that it was not enough. */
static ns_t patience(const struct failover *f, ns_t took, ns_t first, ns_t least, int timeouts)
{
	ns_t t = took ? clamp(4 * took, least, f->conf.most) : first;

	return clamp(t << (timeouts < 8 ? timeouts : 8), least, f->conf.most);
}

static ns_t holdoff(const struct failover *f)
{
	if (f->rounds == 0)
		return 0;
	if (f->rounds == 1)
		return 20 * NS_MS;
	return clamp((25 * NS_MS) << (f->rounds < 16 ? f->rounds : 16), 0, f->conf.most);
}

/* The next transaction: not before `at`, nor before the bound on their rate allows it. */
static void try_at(struct failover *f, ns_t at)
{
	ns_t earliest = f->tr.since + holdoff(f);

	f->next_try = at > earliest ? at : earliest;
}

static void transact(struct failover *f, ns_t now)
{
	if (f->tr.id)
		return;
	f->rounds++;
	f->tr.id = ++f->last_id;
	f->tr.since = now;
	f->tr.deadline = now + patience(f, f->tr.took, f->conf.transaction, f->conf.least_ask,
				       f->tr.timeouts);
	f->next_try = NS_NEVER;
	act(f, FO_TRANSACT, f->tr.id);
}

static void abandon(struct failover *f)
{
	if (f->tr.id)
		act(f, FO_ABANDON, f->tr.id);
	f->tr.id = 0;
}

/* ---- suspicion and its ends ---- */

static void suspect(struct failover *f, enum failover_reason r, ns_t now)
{
	struct att *a = f->cur;

	if (now - f->steady_since >= f->conf.settle)
		f->rounds = 0;
	f->phase = PH_SEEK;
	f->suspected = now;
	f->reason = r;
	f->silence = now - f->last_packet;
	f->same = 0;
	f->tr.timeouts = 0;
	f->attach_timeouts = 0;
	avoid_add(f, a->host, now);
	struct action *o = act(f, FO_SUSPECT, a->id);
	snprintf(o->node, sizeof o->node, "%s", a->node);
	o->reason = r;
	o->silence = f->silence;
	try_at(f, now);
	if (f->next_try <= now)
		transact(f, now);
}

/* All but the current are let go of: the session is at `f->cur`. */
static void settle(struct failover *f, ns_t now)
{
	abandon(f);
	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (f->att[i].id && &f->att[i] != f->cur)
			att_release(f, &f->att[i]);
	f->phase = PH_STEADY;
	f->steady_since = now;
	f->next_try = NS_NEVER;
	f->alive = now;
	avoid_remove(f, f->cur->host);
}

/* `a` gives the media from now on. */
static void win(struct failover *f, struct att *a, ns_t now)
{
	struct att *old = f->cur;

	if (!a->attached) { /* the packet overtook the answer to PLAY */
		a->attached = true;
		a->attached_at = now;
		f->attach_took = now - a->located;
	}
	if (a == old && f->phase == PH_SEEK) {
		struct action *o = act(f, FO_FALSE_ALARM, a->id);
		snprintf(o->node, sizeof o->node, "%s", a->node);
		o->silence = now - f->suspected + f->silence;
		if (f->reason == FO_ICMP) {
			f->icmp_doubt = clamp(2 * f->icmp_doubt, ICMP_LEAST, ICMP_MOST);
			f->icmp_after = now + f->icmp_doubt;
		}
	} else if (a != old) {
		f->icmp_doubt = f->icmp_after = 0;
		struct action *o = act(f, old ? FO_RESUMED : FO_CURRENT, a->id);
		snprintf(o->node, sizeof o->node, "%s", a->node);
		snprintf(o->from, sizeof o->from, "%s", old ? old->node : "");
		o->reason = f->reason;
		o->times = (struct failover_times){.detection = f->silence,
			.transaction = a->located - f->suspected,
			.attach = a->attached_at - a->located,
			.interruption = old ? now - f->last_packet : 0};
		detect_pause(&f->detect);
	}
	f->cur = a;
	f->last_packet = now;
	settle(f, now);
}

static void give_up(struct failover *f, ns_t now)
{
	(void)now;
	abandon(f);
	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (f->att[i].id)
			att_release(f, &f->att[i]);
	f->phase = PH_OVER;
	act(f, FO_GIVE_UP, 0);
}

/* ---- what happened ---- */

void failover_start(struct failover *f, ns_t now)
{
	if (f->phase != PH_IDLE)
		return;
	f->phase = PH_SEEK;
	f->suspected = f->alive = f->last_packet = now;
	transact(f, now);
}

static void attach(struct failover *f, struct slice url, const char *node, const char *host,
	int hops, ns_t now)
{
	struct att *a = att_slot(f);

	*a = (struct att){.id = ++f->last_id, .open = true, .hops = hops, .located = now};
	slice_copy(url, a->url, sizeof a->url);
	snprintf(a->node, sizeof a->node, "%s", node);
	snprintf(a->host, sizeof a->host, "%s", host);
	a->deadline = now + patience(f, f->attach_took, f->conf.attach, f->conf.least,
				    f->attach_timeouts);
	struct action *o = act(f, FO_ATTACH, a->id);
	snprintf(o->url, sizeof o->url, "%s", a->url);
	snprintf(o->node, sizeof o->node, "%s", a->node);
	snprintf(o->from, sizeof o->from, "%s", f->cur ? f->cur->node : "");
}

/* The node that a URL names: false when it cannot be used. */
static bool node_of(const struct failover *f, struct slice url, char node[FAILOVER_NODE],
	char host[FAILOVER_NODE])
{
	struct url u;

	if (url.n >= FAILOVER_URL || url_parse(&u, url) < 0 ||
		!slice_ieq(u.scheme, slice_of(f->conf.scheme)) ||
		slice_copy(u.host, host, FAILOVER_NODE - 8) < 0)
		return false;
	bool v6 = memchr(u.host.p, ':', u.host.n) != NULL;
	if (u.port && u.port != url_default_port(u.scheme))
		snprintf(node, FAILOVER_NODE, v6 ? "[%.70s]:%u" : "%.72s:%u", host, u.port);
	else
		snprintf(node, FAILOVER_NODE, "%s", host);
	return true;
}

void failover_start_at(struct failover *f, struct slice url, ns_t now)
{
	char node[FAILOVER_NODE], host[FAILOVER_NODE];

	if (f->phase != PH_IDLE)
		return;
	if (!node_of(f, url, node, host)) {
		failover_start(f, now);
		return;
	}
	f->phase = PH_SEEK;
	f->suspected = f->alive = f->last_packet = now;
	f->next_try = NS_NEVER;
	attach(f, url, node, host, 0, now);
}

void failover_located(struct failover *f, int id, struct slice url, ns_t now)
{
	char node[FAILOVER_NODE], host[FAILOVER_NODE];

	if (id != f->tr.id || f->phase != PH_SEEK)
		return;
	f->tr.id = 0;
	f->tr.took = now - f->tr.since;
	f->tr.timeouts = 0;
	if (!node_of(f, url, node, host)) {
		try_at(f, now);
		return;
	}
	for (int i = 0; i < FAILOVER_ATTS; i++) {
		struct att *a = &f->att[i];
		if (!a->id || !a->open || strcmp(a->node, node) != 0)
			continue;
		/* We have it already. It may only be slow; but a connection can also be a dead
		 * one whose end nobody told, so in the end it is tried anew. */
		if (a != f->cur || ++f->same < SAME_MAX) {
			try_at(f, now);
			return;
		}
		f->same = 0;
	}
	attach(f, url, node, host, 0, now);
}

void failover_not_located(struct failover *f, int id, int retry_after, ns_t now)
{
	if (id != f->tr.id || f->phase != PH_SEEK)
		return;
	f->tr.id = 0;
	try_at(f, retry_after > 0 ? now + clamp(retry_after * NS_S, 0, f->conf.most) : now);
}

void failover_redirected(struct failover *f, int id, struct slice url, ns_t now)
{
	struct att *a = att_find(f, id);
	char node[FAILOVER_NODE], host[FAILOVER_NODE];

	if (!a)
		return;
	int hops = a->hops + 1;
	if (a == f->cur || hops > HOPS_MAX || !node_of(f, url, node, host) ||
		slice_eq(url, slice_of(a->url))) {
		failover_lost(f, id, FO_REFUSED, now);
		return;
	}
	att_release(f, a);
	attach(f, url, node, host, hops, now);
}

void failover_attached(struct failover *f, int id, ns_t now)
{
	struct att *a = att_find(f, id);

	if (!a || a->attached)
		return;
	a->attached = true;
	a->attached_at = f->alive = now;
	f->attach_took = now - a->located;
	/* Its first packet is awaited as long as the stream's own silence may last. */
	a->deadline = now + clamp(detect_bound(&f->detect), f->conf.least, f->conf.most);
	if (f->ended && !(f->cur && f->cur->open))
		win(f, a, now);
}

void failover_progress(struct failover *f, int id, ns_t now)
{
	struct att *a = att_find(f, id);

	if (!a || a == f->cur)
		return;
	f->alive = now;
	if (!a->late)
		a->deadline = now + clamp(detect_bound(&f->detect), f->conf.least, f->conf.most);
}

void failover_held(struct failover *f, bool held, ns_t now)
{
	if (f->held && !held) {
		f->last_packet = f->alive = now;
		detect_resume(&f->detect, now);
	}
	f->held = held;
}

void failover_packet(struct failover *f, int id, bool live, ns_t now)
{
	struct att *a = att_find(f, id);

	if (!a)
		return;
	if (a != f->cur) {
		win(f, a, now);
		detect_packet(&f->detect, now);
		return;
	}
	f->last_packet = f->alive = now;
	if (live)
		detect_packet(&f->detect, now);
	else if (!f->ended) /* the ring answers, the stream stands still */
		return;
	/* What still comes after the connection's end was on its way: no sign of life. */
	if (f->phase == PH_SEEK && a->open)
		win(f, a, now);
}

static void candidate_lost(struct failover *f, struct att *a, ns_t now)
{
	avoid_add(f, a->host, now);
	att_release(f, a);
	if (f->phase == PH_SEEK && !f->tr.id)
		try_at(f, now);
}

void failover_lost(struct failover *f, int id, enum failover_reason r, ns_t now)
{
	struct att *a = att_find(f, id);

	if (!a)
		return;
	if (a != f->cur) {
		candidate_lost(f, a, now);
		return;
	}
	/* A node that plays on while a port of it is closed says so with each of our reports. */
	if (r == FO_ICMP && now < f->icmp_after)
		return;
	if (r != FO_ICMP)
		a->open = false;
	if (f->phase == PH_STEADY)
		suspect(f, r, now);
}

void failover_set_least_silence(struct failover *f, ns_t least)
{
	f->detect.conf.least = least > f->conf.detect.least ? least : f->conf.detect.least;
}

void failover_ended(struct failover *f, int id, ns_t now)
{
	struct att *a = att_find(f, id);

	if (!a)
		return;
	if (!f->ended)
		f->ended_at = now;
	f->ended = true;
	if (a != f->cur || f->phase == PH_SEEK)
		win(f, a, now);
}

void failover_done(struct failover *f, ns_t now)
{
	(void)now;
	if (f->phase == PH_OVER)
		return;
	abandon(f);
	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (f->att[i].id)
			att_release(f, &f->att[i]);
	f->phase = PH_OVER;
}

/* ---- time ---- */

/* When the current node's silence is suspicious. After the end it has only what we ask it for. */
static ns_t silent_at(const struct failover *f)
{
	if (f->held)
		return NS_NEVER;
	if (!f->ended)
		return detect_when(&f->detect);
	return (f->last_packet > f->ended_at ? f->last_packet : f->ended_at) +
	       clamp(detect_bound(&f->detect), f->conf.least, f->conf.most);
}

static ns_t give_up_at(const struct failover *f)
{
	return f->alive + f->conf.give_up[f->cur != NULL];
}

/* Attachments that let us wait too long stay in the race, but another node is looked for. */
static void candidates_tick(struct failover *f, ns_t now)
{
	for (int i = 0; i < FAILOVER_ATTS; i++) {
		struct att *a = &f->att[i];
		if (!a->id || a == f->cur || a->late || now < a->deadline)
			continue;
		a->late = true;
		f->attach_timeouts += !a->attached;
		avoid_add(f, a->host, now);
		if (!f->tr.id && f->next_try == NS_NEVER)
			try_at(f, now);
	}
}

void failover_tick(struct failover *f, ns_t now)
{
	if (f->phase == PH_STEADY && now >= silent_at(f))
		suspect(f, FO_SILENCE, now);
	if (f->phase != PH_SEEK)
		return;
	if (now >= give_up_at(f)) {
		give_up(f, now);
		return;
	}
	if (f->tr.id && now >= f->tr.deadline) {
		abandon(f);
		f->tr.timeouts++;
		try_at(f, now);
	}
	candidates_tick(f, now);
	if (!f->tr.id && now >= f->next_try)
		transact(f, now);
}

ns_t failover_when(const struct failover *f)
{
	ns_t t = NS_NEVER;

	if (f->outs)
		return 0;
	if (f->phase == PH_STEADY)
		return silent_at(f);
	if (f->phase != PH_SEEK)
		return NS_NEVER;
	t = give_up_at(f);
	if (f->tr.id && f->tr.deadline < t)
		t = f->tr.deadline;
	if (!f->tr.id && f->next_try < t)
		t = f->next_try;
	for (int i = 0; i < FAILOVER_ATTS; i++) {
		const struct att *a = &f->att[i];
		if (a->id && a != f->cur && !a->late && a->deadline < t)
			t = a->deadline;
	}
	return t;
}

enum failover_kind failover_next(struct failover *f, struct failover_action *a)
{
	if (f->outs == 0) {
		a->kind = FO_NONE;
		return FO_NONE;
	}
	f->taken = f->out[0];
	memmove(f->out, f->out + 1, (size_t)--f->outs * sizeof f->out[0]);
	*a = (struct failover_action){.kind = f->taken.kind,
		.id = f->taken.id,
		.node = f->taken.node,
		.from = f->taken.from,
		.url = f->taken.url,
		.reason = f->taken.reason,
		.silence = f->taken.silence,
		.times = f->taken.times};
	return a->kind;
}

int failover_asked(const struct failover *f)
{
	const struct att *best = f->cur;

	if (f->phase == PH_SEEK)
		for (int i = 0; i < FAILOVER_ATTS; i++) {
			const struct att *a = &f->att[i];
			if (a->id && a->attached && a->open &&
				(!best || best == f->cur || a->id > best->id))
				best = a;
		}
	return best ? best->id : -1;
}

int failover_current(const struct failover *f)
{
	return f->cur ? f->cur->id : -1;
}

bool failover_steady(const struct failover *f)
{
	return f->phase == PH_STEADY;
}
