/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/far.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BURST         (100 * NS_MS) /* of questions, that may go out at once */
#define PATIENCE      (250 * NS_MS) /* for an answer, beyond four times the latency */
#define ACCUSED_SHARE 4             /* of an interval, after which who is accused is asked again */
#define CLEARLY_US    1000          /* nearer than who is in the area, to take its place; */
#define CLEARLY_SHARE 8             /* or one in so many of the latency, if that is more */

struct node {
	struct addr control;
	char id[ANNOUNCE_ID_LEN]; /* "": not known */
	unsigned steps;           /* as the scout says; 0: it does not */
	unsigned stands;   /* steps that the order goes by: these, or its place's; 0: neither */
	unsigned distance; /* that its pace goes by, from 1 */
	enum far_state state;
	struct announce *said; /* NULL: nothing */
	ns_t heard_at;
	ns_t report_ends; /* of the last report; 0: there was none */
	uint32_t sample[FAR_SAMPLES], rtt_us;
	int samples, newest;
	bool out; /* a question is */
	uint64_t question;
	ns_t last; /* it was asked; NS_NEVER: never was */
	double jitter;
	int missed, rises; /* in a row */
	bool hurry, neighbours;
	unsigned skip;
	bool eligible, watched, twin, local;
	bool marked; /* it was not named since the mark */
	uint64_t asked, answered;
};

struct far {
	struct far_conf conf;
	struct far_events on;
	struct node **order; /* the nearest first */
	int n, cap;
	int scope, watch;
	uint64_t random;
	double stretch; /* of all pauses, so that they are within the rate */
	ns_t allowed;   /* the next question's time, by the rate */
	struct far_counters count;
};

const char *far_state_str(enum far_state s)
{
	switch (s) {
	case FAR_NAMED: return "named";
	case FAR_LIVE: return "live";
	case FAR_DOUBTED: return "doubted";
	case FAR_LOST: return "lost";
	}
	return "?";
}

struct far *far_new(const struct far_conf *c, const struct far_events *e, uint64_t seed, ns_t now)
{
	struct far *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->on = *e;
	f->random = seed;
	f->stretch = 1;
	f->allowed = now;
	f->conf = *c;
	return f;
}

static void free_node(struct node *n)
{
	free(n->said);
	free(n);
}

void far_free(struct far *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->n; i++)
		free_node(f->order[i]);
	free(f->order);
	free(f);
}

static uint64_t draw(struct far *f)
{
	uint64_t v = f->random += 0x9e3779b97f4a7c15; /* splitmix64 */

	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9;
	v = (v ^ (v >> 27)) * 0x94d049bb133111eb;
	return v ^ (v >> 31);
}

static int find(const struct far *f, const struct addr *control)
{
	for (int i = 0; i < f->n; i++)
		if (!addr_cmp(&f->order[i]->control, control))
			return i;
	return -1;
}

/* ---- pace ---- */

/* Nobody is asked for what others report, unless it may be wanted. */
static bool asks(const struct node *n)
{
	return n->watched || n->hurry || !n->report_ends;
}

/* Between two questions while nothing is in doubt, before it is stretched. */
static ns_t usual_pause(const struct far *f, const struct node *n)
{
	ns_t max = f->conf.interval_max;

	if (!n->watched || n->state == FAR_LOST || max / f->conf.interval < n->distance)
		return max;
	return f->conf.interval * n->distance;
}

static ns_t pause_of(const struct far *f, const struct node *n)
{
	ns_t pause = usual_pause(f, n), sooner = f->conf.interval;

	if (n->hurry)
		sooner /= ACCUSED_SHARE;
	if (pause > sooner &&
		(n->hurry || (n->missed && n->state != FAR_LOST) || n->state == FAR_DOUBTED))
		pause = sooner;
	return (ns_t)((double)pause * f->stretch);
}

static void set_stretch(struct far *f)
{
	double per_second = 0;

	for (int i = 0; i < f->n; i++)
		if (asks(f->order[i]))
			per_second += (double)NS_S / (double)usual_pause(f, f->order[i]);
	f->stretch = per_second > f->conf.rate ? per_second / f->conf.rate : 1;
}

static ns_t due_at(const struct far *f, const struct node *n, ns_t now)
{
	if (n->out || !asks(n))
		return NS_NEVER;
	if (n->last == NS_NEVER)
		return now;
	return n->last + (ns_t)((double)pause_of(f, n) * n->jitter);
}

static ns_t timeout_of(const struct node *n)
{
	ns_t t = n->samples ? PATIENCE + 4 * n->rtt_us * NS_US : FAR_TIMEOUT;

	return t < FAR_TIMEOUT ? t : FAR_TIMEOUT;
}

/* ---- the order and the area ---- */

static unsigned steps_of(const struct far *f, const struct node *n)
{
	int levels;

	if (n->steps || !*f->conf.place || !n->said)
		return n->steps;
	levels = place_distance(f->conf.place, n->said->place);
	/* A place that is not known is as far as can be. */
	return 1 + (unsigned)(levels >= 0 ? levels : place_labels(f->conf.place));
}

static unsigned distance_of(const struct node *n)
{
	return n->stands ? n->stands : 1 + (unsigned)(n->rtt_us * NS_US / FAR_STEP);
}

/* As latency counts in the order: an eligible node's somewhat less. */
static int64_t latency_key(const struct node *n)
{
	int64_t bonus = n->rtt_us / CLEARLY_SHARE;

	if (!n->eligible)
		return n->rtt_us;
	return n->rtt_us - (bonus > CLEARLY_US ? bonus : CLEARLY_US);
}

/* Who was not measured stands first of its distance: so it is asked, and then known. */
static bool is_before(const struct node *a, const struct node *b)
{
	if (a->stands != b->stands)
		return a->stands < b->stands;
	if (latency_key(a) != latency_key(b))
		return latency_key(a) < latency_key(b);
	return addr_cmp(&a->control, &b->control) < 0;
}

static void sort(struct far *f)
{
	/* It is nearly in order: at most a few have changed since the last time. */
	for (int i = 1; i < f->n; i++) {
		struct node *n = f->order[i];
		int k = i;

		for (; k > 0 && is_before(n, f->order[k - 1]); k--)
			f->order[k] = f->order[k - 1];
		f->order[k] = n;
	}
}

static bool is_local(const struct far *f, const struct node *n)
{
	return *n->id && f->on.is_local && f->on.is_local(f->on.arg, n->id);
}

static bool can_serve(const struct node *n, ns_t now)
{
	if (!n->said || n->local || n->state == FAR_LOST)
		return false;
	return n->state != FAR_NAMED || now < n->report_ends;
}

static struct far_facts facts_of(const struct far *f, const struct node *n, ns_t now)
{
	struct far_facts facts = {.rtt_us = n->rtt_us,
		.distance = n->distance,
		.doubted = n->state == FAR_DOUBTED,
		.asked = n->state != FAR_NAMED,
		.news = pause_of(f, n) + timeout_of(n)};

	if (now < n->report_ends)
		facts.news = n->report_ends - now;
	return facts;
}

static void tell(const struct far *f, const struct node *n, ns_t now)
{
	struct far_facts facts = facts_of(f, n, now);

	f->on.eligible(f->on.arg, n->said, &facts, now);
}

static void leave(struct far *f, struct node *n, const char *why, ns_t now)
{
	if (n->eligible)
		f->on.left(f->on.arg, n->id, why, now);
	n->eligible = false;
}

/* Whether one that is chosen already is the same node. */
static bool is_chosen(struct node *const *chosen, int count, const struct node *n)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(chosen[i]->id, n->id))
			return true;
	return false;
}

/* The first `scope` that can serve: those that have answered first, then hearsay. */
static int choose(const struct far *f, struct node *chosen[FAR_MAX], ns_t now)
{
	int count = 0;

	for (int hearsay = 0; hearsay <= 1; hearsay++) {
		for (int i = 0; i < f->n && count < f->scope; i++) {
			struct node *n = f->order[i];

			if (!can_serve(n, now) || hearsay != (n->state == FAR_NAMED))
				continue;
			n->twin = is_chosen(chosen, count, n);
			if (!n->twin)
				chosen[count++] = n;
		}
	}
	return count;
}

static const char *why_left(const struct node *n)
{
	return n->local               ? "one of ours"
	       : n->state == FAR_LOST ? "does not answer"
	                              : "not in the area";
}

static void watch_first(struct far *f)
{
	int left = f->watch;

	for (int i = 0; i < f->n; i++) {
		struct node *n = f->order[i];
		bool first = left > 0 && n->state != FAR_LOST && !n->local && !n->twin;

		left -= first;
		n->watched = first || n->eligible;
	}
	set_stretch(f);
}

/* Whose place in the area has changed is told of it. */
static void arrange(struct far *f, ns_t now)
{
	struct node *chosen[FAR_MAX], *n;
	int count;

	for (int i = 0; i < f->n; i++) {
		n = f->order[i];
		n->stands = steps_of(f, n);
		n->distance = distance_of(n);
		n->local = is_local(f, n);
	}
	sort(f);
	count = choose(f, chosen, now);
	for (int i = 0; i < f->n; i++) {
		int k = 0;

		while (k < count && chosen[k] != f->order[i])
			k++;
		if (k == count)
			leave(f, f->order[i], why_left(f->order[i]), now);
	}
	for (int k = 0; k < count; k++) {
		bool was = chosen[k]->eligible;

		chosen[k]->eligible = true;
		if (!was)
			tell(f, chosen[k], now);
	}
	watch_first(f);
}

void far_set_area(struct far *f, int scope, int watch, ns_t now)
{
	if (scope == f->scope && watch == f->watch)
		return;
	f->scope = scope;
	f->watch = watch;
	arrange(f, now);
}

void far_set_conf(struct far *f, const struct far_conf *c, ns_t now)
{
	f->conf = *c;
	while (f->n > c->max)
		far_unname(f, &f->order[f->n - 1]->control, now);
	arrange(f, now);
}

/* ---- candidates ---- */

static bool is_host(const struct far *f, const struct addr *a)
{
	if (!addr_is_unicast(a) || prefix_has(&f->conf.block, a))
		return false;
	return a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr);
}

static void drop(struct far *f, int at)
{
	free_node(f->order[at]);
	f->n--;
	memmove(&f->order[at], &f->order[at + 1], (size_t)(f->n - at) * sizeof(*f->order));
}

/* Room for one of so many steps: one that is lost gives way, or one that is farther. */
static bool make_room(struct far *f, unsigned steps, ns_t now)
{
	int at = -1;

	if (f->n < f->conf.max)
		return true;
	for (int i = 0; i < f->n; i++)
		if (f->order[i]->state == FAR_LOST)
			at = i;
	if (at < 0 && f->n && f->order[f->n - 1]->stands > steps)
		at = f->n - 1;
	if (at < 0)
		return false;
	leave(f, f->order[at], "removed", now);
	drop(f, at);
	return true;
}

static struct node *add(struct far *f, const struct scout_candidate *c)
{
	struct node *n;

	if (f->n == f->cap) {
		int cap = f->cap ? 2 * f->cap : 8;
		struct node **more = realloc(f->order, (size_t)cap * sizeof(struct node *));

		if (!more)
			return NULL;
		f->order = more;
		f->cap = cap;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	*n = (struct node){.control = c->control,
		.steps = c->distance,
		.distance = 1,
		.last = NS_NEVER,
		.heard_at = NS_NEVER,
		.jitter = 1};
	f->order[f->n++] = n;
	return n;
}

int far_name(struct far *f, const struct scout_candidate *c, ns_t now)
{
	int at = find(f, &c->control);
	struct node *n = at >= 0 ? f->order[at] : NULL;

	if (!is_host(f, &c->control) || !addr_port(&c->control))
		return -EINVAL;
	if (n)
		n->marked = false;
	if (n && n->steps == c->distance && (!*c->id || !strcmp(n->id, c->id)))
		return 0;
	if (!n) {
		n = make_room(f, c->distance, now) ? add(f, c) : NULL;
		if (!n) {
			f->count.crowded++;
			return -ENOSPC;
		}
	}
	n->steps = c->distance;
	if (!n->said) /* once it has answered it is who it says */
		memcpy(n->id, c->id, sizeof(n->id));
	arrange(f, now);
	return 0;
}

void far_unname(struct far *f, const struct addr *control, ns_t now)
{
	int at = find(f, control);

	if (at < 0)
		return;
	leave(f, f->order[at], "removed", now);
	drop(f, at);
	arrange(f, now);
}

void far_mark(struct far *f)
{
	for (int i = 0; i < f->n; i++)
		f->order[i]->marked = true;
}

void far_sweep(struct far *f, ns_t now)
{
	for (int i = f->n - 1; i >= 0; i--) {
		if (!f->order[i]->marked)
			continue;
		leave(f, f->order[i], "removed", now);
		drop(f, i);
	}
	arrange(f, now);
}

bool far_ask_neighbours(struct far *f, const struct addr *of, unsigned skip, ns_t now)
{
	int at = find(f, of);

	(void)now;
	if (at < 0)
		return false;
	f->order[at]->hurry = f->order[at]->neighbours = true;
	f->order[at]->skip = skip;
	return true;
}

bool far_accuse(struct far *f, const char *id, ns_t now)
{
	bool known = false;

	(void)now;
	for (int i = 0; i < f->n; i++) {
		if (strcmp(f->order[i]->id, id))
			continue;
		f->order[i]->hurry = true;
		known = true;
	}
	return known;
}

/* ---- what they say ---- */

/* False: it cannot be so, or there is no memory. A name that is another is another node's: then what
 * was known of it is not this one's. */
static bool believe(struct far *f, struct node *n, const struct announce *said, ns_t now)
{
	if (said->role != ROLE_SN || !is_host(f, &said->addr))
		return false;
	if (!n->said)
		n->said = malloc(sizeof(*n->said));
	if (!n->said)
		return false;
	if (n->eligible && strcmp(n->id, said->id))
		leave(f, n, "removed", now);
	*n->said = *said;
	memcpy(n->id, said->id, sizeof(n->id));
	n->heard_at = now;
	return true;
}

bool far_report(struct far *f, const struct addr *control, const struct announce *said,
	ns_t lifetime, ns_t now)
{
	int at = find(f, control);
	struct node *n = at >= 0 ? f->order[at] : NULL;
	bool was;

	if (!n || !believe(f, n, said, now))
		return false;
	was = n->eligible;
	n->report_ends = now + lifetime;
	if (was)
		tell(f, n, now);
	else
		arrange(f, now);
	return true;
}

static void measure(struct node *n, ns_t rtt)
{
	uint32_t least = UINT32_MAX;

	if (rtt < 0)
		return;
	n->newest = n->samples ? (n->newest + 1) % FAR_SAMPLES : 0;
	n->sample[n->newest] = rtt < NS_US       ? 1
	                       : rtt > 60 * NS_S ? 60000000
	                                         : (uint32_t)(rtt / NS_US);
	if (n->samples < FAR_SAMPLES)
		n->samples++;
	for (int i = 0; i < n->samples; i++)
		if (n->sample[i] < least)
			least = n->sample[i];
	n->rtt_us = least;
}

static void revive(struct node *n)
{
	n->missed = 0;
	if (n->state == FAR_LOST)
		n->rises = 0;
	n->rises++;
	if (n->state == FAR_LOST)
		n->state = FAR_DOUBTED;
	else if (n->state == FAR_NAMED || n->rises >= FAR_RISE)
		n->state = FAR_LIVE;
}

static struct node *find_question(const struct far *f, uint64_t id)
{
	for (int i = 0; i < f->n; i++)
		if (f->order[i]->out && f->order[i]->question == id)
			return f->order[i];
	return NULL;
}

bool far_answer(struct far *f, uint64_t id, const struct addr *from, ns_t rtt,
	const struct announce *said, ns_t now, struct far_question *q)
{
	struct node *n = find_question(f, id);
	enum far_state state;
	uint32_t rtt_us;
	bool was;

	if (!n || addr_cmp(&n->control, from) || !believe(f, n, said, now)) {
		f->count.strays++;
		return false;
	}
	*q = (struct far_question){id, n->control, n->neighbours, n->skip};
	f->count.answered++;
	n->answered++;
	n->out = n->hurry = n->neighbours = false;
	was = n->eligible;
	state = n->state;
	rtt_us = n->rtt_us;
	revive(n);
	if (state == FAR_LOST)
		f->on.found(f->on.arg, &n->control, now);
	measure(n, rtt);
	if (was)
		tell(f, n, now);
	if (!was || n->state != state || n->rtt_us != rtt_us || n->local != is_local(f, n))
		arrange(f, now);
	return true;
}

static void lose(struct far *f, struct node *n, ns_t now)
{
	bool news = n->state != FAR_LOST;

	f->count.lost += news;
	if (news || n->neighbours)
		f->on.lost(f->on.arg, &n->control, now);
	n->state = FAR_LOST;
	n->missed = n->rises = 0;
	n->samples = 0; /* when it returns, its path may be another */
	n->hurry = n->neighbours = false;
}

void far_tick(struct far *f, ns_t now)
{
	bool changed = false;

	for (int i = 0; i < f->n; i++) {
		struct node *n = f->order[i];

		if (n->report_ends && now >= n->report_ends) {
			changed |= n->state == FAR_NAMED;
			n->report_ends = 0;
		}
		if (!n->out || now < n->last + timeout_of(n))
			continue;
		n->out = false;
		f->count.missed++;
		if (++n->missed < f->conf.misses && n->state != FAR_LOST && n->state != FAR_DOUBTED)
			continue;
		lose(f, n, now);
		changed = true;
	}
	if (changed)
		arrange(f, now);
}

/* ---- questions ---- */

/* Of those that are due, who has waited the longest in its own pauses. */
bool far_next(struct far *f, ns_t now, struct far_question *q)
{
	struct node *next = NULL;
	double most = 0;

	if (f->allowed > now + BURST)
		return false;
	for (int i = 0; i < f->n; i++) {
		struct node *n = f->order[i];
		ns_t due = due_at(f, n, now);
		double late = (double)(now - due) / (double)pause_of(f, n);

		if (due > now || (next && late <= most))
			continue;
		next = n;
		most = late;
	}
	if (!next)
		return false;
	f->allowed = (f->allowed > now ? f->allowed : now) + NS_S / f->conf.rate;
	next->out = true;
	next->last = now;
	next->question = draw(f);
	next->jitter = 0.9 + (double)(draw(f) % 1000) / 5000;
	next->asked++;
	f->count.asked++;
	*q = (struct far_question){next->question, next->control, next->neighbours, next->skip};
	return true;
}

ns_t far_when(const struct far *f)
{
	ns_t ask = NS_NEVER, tick = NS_NEVER;

	for (int i = 0; i < f->n; i++) {
		const struct node *n = f->order[i];
		ns_t due = due_at(f, n, 0), ends = n->out ? n->last + timeout_of(n) : NS_NEVER;

		if (n->report_ends && n->report_ends < ends)
			ends = n->report_ends;
		ask = due < ask ? due : ask;
		tick = ends < tick ? ends : tick;
	}
	if (ask != NS_NEVER && ask < f->allowed - BURST)
		ask = f->allowed - BURST;
	return ask < tick ? ask : tick;
}

/* ---- for others ---- */

bool far_view(const struct far *f, int i, struct far_view *v)
{
	const struct node *n;

	if (i < 0 || i >= f->n)
		return false;
	n = f->order[i];
	*v = (struct far_view){.control = n->control,
		.said = n->said,
		.state = n->state,
		.eligible = n->eligible,
		.watched = n->watched,
		.twin = n->twin,
		.local = n->local,
		.distance = n->distance,
		.rtt_us = n->rtt_us,
		.pause = pause_of(f, n),
		.heard_at = n->heard_at,
		.asked = n->asked,
		.answered = n->answered};
	return true;
}

int far_count(const struct far *f)
{
	return f->n;
}

int far_eligible(const struct far *f)
{
	int n = 0;

	for (int i = 0; i < f->n; i++)
		n += f->order[i]->eligible;
	return n;
}

const struct far_counters *far_counters(const struct far *f)
{
	return &f->count;
}
