/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wide area as one core (WO 01/18641, "Wide-area Overflow"): a scout names nodes (arn/scout.h),
 * far.h has them asked and ranked, area.h says how many are eligible. Answers, DNS records, loads and
 * `now` in; questions, lookups and what is eligible out. The shells are overflow.h and surveyor.h.
 *
 * As many nodes are wanted of the scout as are watched: twice the scope, so that when it doubles those
 * that come are known already.
 */
#ifndef ARN_WIDE_H
#define ARN_WIDE_H

#include "arn/area.h"
#include "arn/far.h"
#include "arn/scout.h"

#define WIDE_LOOKUPS 16          /* under way */
#define WIDE_SWEEP   (10 * NS_S) /* after a change of the method, until who is not named again goes */

struct wide_conf {
	const struct scout_ops *method; /* NULL: none */
	struct scout_conf scout;        /* copied, with what it points to, by the scout */
	struct far_conf far;
	struct area_conf area;
	double share; /* of a far node's capacity, that is used; 0 … 1 */
};

struct wide_events {
	/* As in struct far_events. */
	void (*eligible)(
		void *arg, const struct announce *said, const struct far_facts *facts, ns_t now);
	void (*left)(void *arg, const char *id, const char *why, ns_t now);
	bool (*is_local)(void *arg, const char *id);
	/* The load of the far node of this id (of `share` of its capacity), or with NULL of all local
	 * nodes together. */
	struct area_load (*load)(void *arg, const char *id, double share);
	/* The scope is another. */
	void (*scoped)(void *arg, const struct area *area, int was, ns_t now);
	void *arg;
};

struct wide;
/* The events are called from within the functions below and must not call back. NULL without memory. */
struct wide *wide_new(
	const struct wide_conf *c, const struct wide_events *e, uint64_t seed, ns_t now);
void wide_free(struct wide *w);
/* `again`: the method, or what it goes by, is another: it begins anew, and whom it does not name
 * again within WIDE_SWEEP goes; without a method, at once. 0 or -ENOMEM: it is as before. */
int wide_set_conf(struct wide *w, const struct wide_conf *c, bool again, ns_t now);

/* To be called every so often (arn/area.h): looks at the loads. */
void wide_look(struct wide *w, ns_t now);

/* An authentic answer (arn/far.h), with n neighbours of `total` if they were asked for. False: to
 * nothing. */
bool wide_answer(struct wide *w, uint64_t id, const struct addr *from, ns_t rtt,
	const struct announce *said, const struct survey_neighbour *list, int n, int total,
	ns_t now);
void wide_looked_up(
	struct wide *w, const struct scout_lookup *what, const struct scout_records *r, ns_t now);
bool wide_accuse(struct wide *w, const char *id, ns_t now);

/* Each to be repeated until false. */
bool wide_next_question(struct wide *w, ns_t now, struct far_question *q);
/* Every lookup has to come back with wide_looked_up(). */
bool wide_next_lookup(struct wide *w, ns_t now, struct scout_lookup *what);
/* What time brings; when there is something to do next, or NS_NEVER. */
void wide_tick(struct wide *w, ns_t now);
ns_t wide_when(const struct wide *w);

/* For an operator, and for a method whose reports come from elsewhere (arn/flood.h). */
struct far *wide_far(struct wide *w);
void *wide_scout(struct wide *w); /* NULL: no method */
const struct area *wide_area(const struct wide *w);
const struct scout_ops *wide_method(const struct wide *w); /* NULL: none */
bool wide_varies(const struct wide *w);                    /* else all that is found is eligible */

#endif
