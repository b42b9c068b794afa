/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Do the nodes' services work? Announcements tell what an agent thinks; here is what the ARN finds
 * when it asks the services itself (row C4), and for how long it distrusts one that has failed.
 * A core: outcomes of probes, reports of clients and `now` in; probes that are due and verdicts out.
 *
 *	            first answer, nothing held against it
 *	UNKNOWN ─────────────────────────────────────────> WORKS <──────────────┐
 *	   │  │                                              │                  │ its time is over
 *	   │  └─── `rise` answers, after a failure ──────────┼────────────> QUARANTINED
 *	   │                                                 │                │     ▲
 *	   └── `fall` failures ──> BROKEN <── `fall` ────────┴────────────────┘     │
 *	                             └──────────── `rise` answers in a row ─────────┘
 *
 * A service that works is asked every `interval`, one that is in doubt four times as often. Each
 * time that it stops working, or that its node vanishes without a goodbye, is a strike. When it
 * answers again it is in quarantine: `quarantine`, and twice as long for every strike more,
 * `quarantine_max` at most. A strike is forgotten after each `quarantine_max` without a new one. So
 * who flaps is used ever more rarely, and who has mended is trusted again. Strikes outlive the
 * node's entry in the directory by that time and no more.
 *
 * None of this excludes anybody: a quarantined or broken node only stands behind the others
 * (arn/select.h), and gets the clients when there is nobody better.
 *
 * What a client says (Nearcast-Avoid) is hearsay: anybody can say it. A report has the service
 * asked at once, four times an interval at most; and when HEALTH_ACCUSERS different clients have
 * reported within HEALTH_WINDOW, one failure is enough. As long as the service answers, reports do
 * nothing.
 */
#ifndef ARN_HEALTH_H
#define ARN_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/probe.h"
#include "lib/text.h"
#include "lib/wire.h"

#define HEALTH_SERVICES  2 /* by enum text_proto */
#define HEALTH_ACCUSERS  3
#define HEALTH_REMEMBERS 8 /* accusers of a node */
#define HEALTH_WINDOW    (10 * NS_S)

enum health_verdict {
	HEALTH_UNWATCHED, /* nobody asks it: not offered, or probes are off */
	HEALTH_UNKNOWN,   /* it was not heard to answer yet */
	HEALTH_WORKS,
	HEALTH_QUARANTINED, /* it answers, but has failed not long ago */
	HEALTH_BROKEN,
};
const char *health_verdict_str(enum health_verdict v); /* "works" */

/* What a snapshot says of a node's services. */
struct node_health {
	struct {
		enum health_verdict verdict;
		uint32_t delay_us; /* until it answers, smoothed; 0: not measured */
	} of[HEALTH_SERVICES];
};

struct health_conf {
	ns_t interval; /* 0: nobody is asked */
	int64_t rise, fall;
	ns_t quarantine, quarantine_max;
	int64_t concurrent; /* probes at the same time */
};

/* A verdict has changed. */
struct health_change {
	const char *id;
	struct addr addr; /* with the service's port */
	enum text_proto service;
	enum health_verdict was, is;
	const char *why; /* BROKEN: what is wrong with it, a constant string; else NULL */
	ns_t quarantine; /* QUARANTINED: how long */
	int strikes;
	struct node_health now;
};
/* c->was == c->is: only the delay has changed. It must not call back. */
typedef void health_cb(void *arg, const struct health_change *c);

struct health;
/* cb is called from within the functions below, but for health_watch and health_leave. seed: of the
 * jitter. NULL without memory. */
struct health *health_new(const struct health_conf *c, uint64_t seed, health_cb *cb, void *arg);
void health_free(struct health *h);
void health_set_conf(struct health *h, const struct health_conf *c, ns_t now);

/* The node is there, as it says; to be called as often as it says it. */
struct node_health health_watch(struct health *h, const struct announce *said, ns_t now);
/* It is there no more. lost: without a goodbye. */
void health_leave(struct health *h, const char *id, bool lost, ns_t now);

/* A service to be asked, if one is due. What is taken has to come back with health_result(). */
struct health_probe {
	char id[ANNOUNCE_ID_LEN];
	struct addr at;
	enum text_proto service;
	uint32_t generation; /* of what is known of the node: the answer may come too late */
	ns_t started;
};
bool health_take(struct health *h, ns_t now, struct health_probe *p);
void health_result(
	struct health *h, const struct health_probe *p, const struct probe_outcome *o, ns_t now);

/* A client says that the node failed it in this service. True when it is asked earlier for that. */
bool health_accuse(struct health *h, const char *id, enum text_proto service,
	const struct addr *client, ns_t now);

/* Ends quarantines, forgets who is due; when there is something to do next (a probe to be taken
 * included), or NS_NEVER. */
void health_tick(struct health *h, ns_t now);
ns_t health_when(const struct health *h);

/* For an operator. */
struct health_view {
	enum health_verdict verdict;
	const char *why;   /* of BROKEN, or NULL */
	ns_t since, until; /* of the verdict; until: of QUARANTINED */
	uint32_t delay_us;
	int strikes;
	uint64_t probes, failures;
	uint64_t reports; /* of the node's clients, of both services */
};
/* False: the node is not watched. */
bool health_view(const struct health *h, const char *id, enum text_proto service, ns_t now,
	struct health_view *v);

struct health_counters {
	uint64_t answered, failed, void_; /* probes, by what came of them */
	uint64_t reports;                 /* of clients, about nodes that are known */
	uint64_t broken, quarantined;     /* times that a service became it */
};
const struct health_counters *health_counters(const struct health *h);

#endif
