/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scouts: how an ARN finds service nodes beyond its own network (WO 01/18641, "Wide-area Overflow":
 * "ARNs discover candidate service nodes"). Each method is a core with a name by which the
 * configuration chooses it, and all have this one interface: so many candidates are wanted in, actions
 * out. It only names them; whether they answer, how far they are and what their load is, is found out
 * by asking them (arn/far.h).
 *
 *	local   the configured nodes, as many as are wanted, in their order
 *	wide    all configured nodes
 *	flood   what other ARNs say of their nodes, and all configured ones (arn/scout_flood.h)
 *	crawl   nodes are asked for their neighbours in the overlay (arn/scout_crawl.c)
 *	names   a directory in the DNS, the most similar name first (arn/scout_names.c)
 *
 * All that a scout keeps is bounded and soft: it is verified again at a slow rate, and forgotten when
 * it is lost. Candidates may be said again as often as a scout likes, with another distance too.
 */
#ifndef ARN_SCOUT_H
#define ARN_SCOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/dnsmsg.h"
#include "lib/place.h"
#include "lib/wire.h"

#define SCOUT_SEEDS 256

struct scout_conf {
	const struct addr *seed; /* configured nodes' control ports, in order; copied */
	int seeds;               /* SCOUT_SEEDS at most */
	const char *place;       /* the ARN's own place, "": none; copied */
	const char *directory;   /* the DNS domain of the directory, "": none; copied */
	struct prefix block;     /* the anycast block: no node can be inside it */
	int max;                 /* candidates, at most */
	ns_t interval_max;       /* what is known is verified again no less often than so */
	uint64_t random;         /* of what is drawn by lot */
};

struct scout_candidate {
	struct addr control;      /* with the control port (UDP) */
	char id[ANNOUNCE_ID_LEN]; /* "": not known */
	unsigned distance;        /* steps of the method's own measure, from 1; 0: it has none */
};

enum scout_kind {
	SCOUT_CANDIDATE,  /* a node that can be asked */
	SCOUT_GONE,       /* it is a candidate no more: act.of */
	SCOUT_NEIGHBOURS, /* act.of is to be asked for its neighbours from act.skip on */
	SCOUT_LOOKUP,     /* act.what is to be asked of the DNS */
};

enum scout_type { SCOUT_PTR, SCOUT_SRV, SCOUT_ADDR /* A and AAAA */ };

struct scout_lookup {
	enum scout_type type;
	char name[DNS_NAME];
};

struct scout_record {
	char name[DNS_NAME];             /* PTR, SRV: whom it names, lower case */
	struct addr addr;                /* ADDR: port 0 */
	uint16_t port, priority, weight; /* SRV */
};

/* The answer to a lookup: of the type that was asked only, aliases followed. n 0: there is nothing of
 * the kind, which holds for the ttl; n < 0: nobody could say. */
struct scout_records {
	const struct scout_record *r;
	int n;
	ns_t ttl;
};

struct scout_act {
	enum scout_kind kind;
	struct scout_candidate candidate; /* SCOUT_CANDIDATE */
	struct addr of;                   /* SCOUT_GONE, SCOUT_NEIGHBOURS: a control port */
	unsigned skip;                    /* SCOUT_NEIGHBOURS */
	struct scout_lookup what;         /* SCOUT_LOOKUP */
};

struct survey_neighbour; /* lib/survey.h */

/* A method. Functions that may be NULL when it has no use for them: neighbours, looked_up. */
struct scout_ops {
	const char *name;
	const char *help;
	bool varies; /* the area grows and shrinks with the load (arn/area.h); else all it finds are
	              * eligible */
	void *(*init)(const struct scout_conf *c, ns_t now); /* NULL without memory */
	void (*free)(void *scout);
	/* So many candidates are wanted from now on, those that it has named included. It may name
	 * more. Not called for methods that do not vary. May be NULL: it names all there are. */
	void (*want)(void *scout, int nodes, ns_t now);
	/* `of` has answered: n of its neighbours, of `total`, from act.skip on. */
	void (*neighbours)(void *scout, const struct addr *of, const struct survey_neighbour *list,
		int n, int total, ns_t now);
	void (*looked_up)(void *scout, const struct scout_lookup *what,
		const struct scout_records *r, ns_t now);
	/* A candidate, or who was asked for its neighbours, does not answer (any more). It is asked
	 * again now and then as long as it is a candidate. */
	void (*lost)(void *scout, const struct addr *control, ns_t now);
	/* One that was lost answers again. May be NULL. */
	void (*found)(void *scout, const struct addr *control, ns_t now);
	bool (*next)(void *scout, ns_t now, struct scout_act *act); /* to be repeated until false */
	ns_t (*when)(const void *scout); /* `next` will have something then; NS_NEVER */
};

extern const struct scout_ops scout_local, scout_wide; /* scout_configured.c */
extern const struct scout_ops scout_crawl, scout_names;

#endif
