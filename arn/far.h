/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far nodes: those beyond the ARN's own network that a scout has named (arn/scout.h). Which of them
 * are asked and when, how far they are, which are eligible for clients (WO 01/18641, "ARNs measure
 * network path characteristics", "query service nodes for their health", "the rate at which ARNs probe
 * candidate service nodes is adjusted in inverse proportion to the distance"). A core: candidates,
 * answers, reports and `now` in; questions and changes out.
 *
 *	named ──asked, answers──> live ──`misses` questions without an answer──> lost
 *	  └──────misses──────────────────────────────────────────────────────────> │
 *	                          live <──FAR_RISE answers in a row── doubted <─────┘ one answer
 *
 *  - Order. Nodes stand in the order of their distance, then of their latency: the nearest first. The
 *    first `scope` that are live (or doubted) are the *area*: eligible. Who is in it stays unless
 *    another one is clearly nearer, so that latencies that waver do not turn it over.
 *  - Pace (row H8). A node is asked every `interval` times its distance, `interval_max` at most.
 *    When all that is more than `rate` questions a second, all pauses are longer by the same
 *    factor; and no burst is over the rate either. Only the first `watch` in the order are asked,
 *    the others at interval_max: they are known, and no more. Who did not answer is asked sooner,
 *    until it is lost; then the pause is doubled each time, from its own one on, up to
 *    interval_max.
 *  - Latency is the least of the last FAR_SAMPLES round trips: queues only ever add to it. As old ones
 *    go, a path that has become longer is noticed.
 *  - Distance is the scout's, in its own steps; if it has none, how many levels the node's place is
 *    away from the ARN's (lib/place.h), or else a step for every FAR_STEP of latency.
 *  - Reports (far_report: of flooding, row H4) say the load of a node that need not be asked for it.
 *    Then only the area and the `warm` are asked, for their latency.
 *
 * A node is told by the address of its control port. Two that turn out to be one (by its id) count as
 * the nearer one; one that is of the ARN's own network does not count at all.
 */
#ifndef ARN_FAR_H
#define ARN_FAR_H

#include <stdbool.h>
#include <stdint.h>

#include "arn/scout.h"
#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/wire.h"

#define FAR_MAX     512          /* nodes */
#define FAR_SAMPLES 8            /* round trips that the least is taken of */
#define FAR_STEP    (10 * NS_MS) /* of latency that counts as one step of distance */
#define FAR_RISE    2            /* answers in a row until one that was lost is trusted */
#define FAR_TIMEOUT NS_S         /* for an answer, at most; less where the latency is known */

struct far_conf {
	ns_t interval, interval_max;
	int rate;              /* questions a second, at most; 1 at least */
	int max;               /* nodes, FAR_MAX at most: the nearest are kept */
	int misses;            /* questions in a row without an answer, until it is lost */
	char place[PLACE_LEN]; /* the ARN's; "": none */
	struct prefix block;   /* the anycast block */
};

enum far_state { FAR_NAMED, FAR_LIVE, FAR_DOUBTED, FAR_LOST };
const char *far_state_str(enum far_state s);

/* What is known of one that is eligible, besides what it says of itself. */
struct far_facts {
	uint32_t rtt_us;   /* 0: not measured */
	unsigned distance; /* from 1 */
	bool doubted;      /* it was lost, and has answered once */
	bool asked;        /* it has answered this ARN itself */
};

struct far_events {
	/* In the area, and this is new of it: to be used until it is left. */
	void (*eligible)(
		void *arg, const struct announce *said, const struct far_facts *facts, ns_t now);
	/* In the area no more. why: "not in the area", "does not answer", "removed", "one of ours". */
	void (*left)(void *arg, const char *id, const char *why, ns_t now);
	/* It does not answer; it answers again: for the scout. */
	void (*lost)(void *arg, const struct addr *control, ns_t now);
	void (*found)(void *arg, const struct addr *control, ns_t now);
	/* A node of this name is of the ARN's own network, and so not far. May be NULL. */
	bool (*is_local)(void *arg, const char *id);
	void *arg;
};

struct far;
/* The events are called from within the functions below and must not call back. NULL without memory. */
struct far *far_new(const struct far_conf *c, const struct far_events *e, uint64_t seed, ns_t now);
void far_free(struct far *f);
void far_set_conf(struct far *f, const struct far_conf *c, ns_t now);

/* A scout names it, or says its distance anew. 0; -EINVAL: no node can be there; -ENOSPC: there are
 * `max` that are nearer. */
int far_name(struct far *f, const struct scout_candidate *c, ns_t now);
void far_unname(struct far *f, const struct addr *control, ns_t now);
/* Forgets, at the sweep, who has not been named again since the mark. */
void far_mark(struct far *f);
void far_sweep(struct far *f, ns_t now);
/* The first `scope` are eligible, the first `watch` are watched (those that are eligible anyway). */
void far_set_area(struct far *f, int scope, int watch, ns_t now);
/* Its neighbours are wanted: it is asked for them at once. False: it was not named. */
bool far_ask_neighbours(struct far *f, const struct addr *of, unsigned skip, ns_t now);
/* Others say this of a node that was named, and it holds for `lifetime`. False: it was not named. */
bool far_report(struct far *f, const struct addr *control, const struct announce *said,
	ns_t lifetime, ns_t now);
/* A client says that it failed him, or there is another reason to ask at once (four times an interval
 * at most). False: it is not known. */
bool far_accuse(struct far *f, const char *id, ns_t now);

/* The next question to be sent; to be repeated until false. */
struct far_question {
	uint64_t id; /* unguessable, and not used twice */
	struct addr to;
	bool neighbours; /* its neighbours are wanted, from `skip` on */
	unsigned skip;
};
bool far_next(struct far *f, ns_t now, struct far_question *q);
/* An authentic answer to such a question came from where it was sent. rtt < 0: could not be measured.
 * True: it is the answer to a question that is out, which then is in *q. */
bool far_answer(struct far *f, uint64_t id, const struct addr *from, ns_t rtt,
	const struct announce *said, ns_t now, struct far_question *q);

/* Does what time brings: questions without an answer, reports that are over. */
void far_tick(struct far *f, ns_t now);
ns_t far_when(const struct far *f); /* far_tick or far_next have something to do then; NS_NEVER */

/* For the area (arn/area.h) and for an operator: node i of the order, or false behind the last. */
struct far_view {
	struct addr control;
	const struct announce *said; /* NULL: nothing */
	enum far_state state;
	bool eligible, watched, twin, local;
	unsigned distance;
	uint32_t rtt_us; /* 0: not measured */
	ns_t pause;      /* between two questions, at present */
	ns_t heard_at;   /* its last answer, or report; NS_NEVER: none */
	uint64_t asked, answered;
};
bool far_view(const struct far *f, int i, struct far_view *v);
int far_count(const struct far *f);
int far_eligible(const struct far *f);

struct far_counters {
	uint64_t asked, answered, missed;
	uint64_t strays;  /* answers to nothing */
	uint64_t crowded; /* candidates that there was no room for */
	uint64_t lost;    /* times that one was lost */
};
const struct far_counters *far_counters(const struct far *f);

#endif
