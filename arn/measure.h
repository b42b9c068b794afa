/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which site is nearest to a client (row H9): the ARNs of all sites measure the round trip to it, and
 * the place of the one with the least is where the client is. A core: clients, questions, answers, echoes
 * and `now` in; questions, answers, echo requests and a table of regions out (arn/region.h).
 *
 *	want ──> asking: all sites, and this ARN itself ──all have answered, or `timeout`──> known
 *	                                                   known ──`lifetime`──> nothing
 *
 *  - Clients are measured by their networks: of a /24 (of IPv6 a /48) the one that asked first stands
 *    for all. Nobody waits for it: until it is known, clients are sent as if there were no regions.
 *  - A client that nobody could reach is where it is not known to be, for the same lifetime.
 *  - Echo requests (ICMP) go to clients that have asked an ARN over TCP, so they do not come from a
 *    false address; three to each, and not more than `rate` clients a second, whoever asks for it. What
 *    is over that is left out, and is wanted again by a later request.
 *  - An echo counts if it has the cookie of its request and comes from where that went; an answer, if it
 *    has the id of a question that is open, and is the first of its site.
 */
#ifndef ARN_MEASURE_H
#define ARN_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "arn/measure_msg.h"
#include "arn/region.h"
#include "lib/clock.h"

#define MEASURE_ECHOES 3
#define MEASURE_PAUSE  (100 * NS_MS) /* between them */
#define MEASURE_JOBS   256           /* clients to whom they go at the same time */
#define MEASURE_SITES  64

struct measure_conf {
	const char *name;  /* the ARN's; borrowed */
	const char *place; /* borrowed; "": it is of no use to be nearest */
	struct prefix block;
	int sites;     /* others, MEASURE_SITES at most */
	ns_t patience; /* for an echo */
	ns_t lifetime;
	int rate;    /* clients a second */
	int entries; /* networks, at most */
};

enum measure_kind {
	MEASURE_ECHO,   /* an echo request goes to `client` with `cookie` */
	MEASURE_ASK,    /* `ask` goes to all sites */
	MEASURE_ANSWER, /* `answer` goes to `site` */
};

struct measure_act {
	enum measure_kind kind;
	struct addr client;
	uint64_t cookie;
	struct measure_ask ask;
	int site;
	struct measure_answer answer;
};

struct measure_counters {
	uint64_t wanted, asked, echoes, replies;
	uint64_t limited;  /* clients that were left out for the rate, or for want of room */
	uint64_t unknown;  /* networks that nobody could reach */
	uint64_t answered; /* of other sites' questions */
};

struct measure;
struct measure *measure_new(const struct measure_conf *c, uint64_t seed, ns_t now);
void measure_free(struct measure *m);

/* A client of whom nothing is known. */
void measure_want(struct measure *m, const struct addr *client, ns_t now);
/* The ARN of that site asks, or answers. */
void measure_asked(struct measure *m, int site, const struct measure_ask *a, ns_t now);
void measure_answered(struct measure *m, int site, const struct measure_answer *a, ns_t now);
/* An echo came, with that cookie. False: it is of no request. */
bool measure_echoed(struct measure *m, const struct addr *from, uint64_t cookie, ns_t now);

/* To be repeated until false. */
bool measure_next(struct measure *m, ns_t now, struct measure_act *act);
ns_t measure_when(const struct measure *m);
/* Whether what is known has changed since it was last asked for; and the table: the caller's. NULL
 * without memory. */
bool measure_news(const struct measure *m);
struct region_table *measure_table(struct measure *m);

/* For an operator: network i, or false behind the last. */
struct measure_view {
	const struct prefix *net;
	const struct addr *client;
	const char *place; /* "": not known */
	bool asking;
	uint32_t rtt_us; /* the least; 0: none */
	ns_t until;
};
bool measure_view(const struct measure *m, int i, struct measure_view *v);
const struct measure_counters *measure_counters(const struct measure *m);

#endif
