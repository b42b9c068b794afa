/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of arn/far.h share: far.c (who is known, and what they say), far_order.c (which are the
 * nearest, and eligible) and far_pace.c (when they are asked). */
#ifndef ARN_FAR_IMPL_H
#define ARN_FAR_IMPL_H

#include "arn/far.h"
#include "lib/lots.h"

struct far_node {
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
	unsigned losses;   /* questions without an answer since it was lost, 20 at most */
	bool hurry, neighbours;
	unsigned skip;
	bool eligible, watched, twin, local;
	bool marked; /* it was not named since the mark */
	uint64_t asked, answered;
};

struct far {
	struct far_conf conf;
	struct far_events on;
	struct far_node **order; /* the nearest first */
	int n, cap;
	int scope, watch;
	struct lots lots;
	double stretch; /* of all pauses, so that they are within the rate */
	ns_t allowed;   /* the next question's time, by the rate */
	struct far_counters count;
};

/* far_order.c. After whatever changes the order, or who can serve: whose place in the area is another
 * is told of it, and all pauses are set anew. */
void far_arrange(struct far *f, ns_t now);
/* What is new of an eligible one. */
void far_tell(const struct far *f, const struct far_node *n, ns_t now);
void far_leave(struct far *f, struct far_node *n, const char *why, ns_t now);
bool far_is_local(const struct far *f, const struct far_node *n);

/* far_pace.c: between two questions to it; for the answer to one. */
ns_t far_pause(const struct far *f, const struct far_node *n);
ns_t far_timeout(const struct far_node *n);
void far_stretch(struct far *f); /* all pauses, as far as the rate calls for it */

#endif
