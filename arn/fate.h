/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guardian's judgement: is the anycast block to be reachable through this node or not, and
 * does its worker live, die or start again? A core: events and `now` in, actions out.
 *
 *	   serving for `hold`,        drain, stop, not
 *	   and master (or shared)     master any more
 *	DOWN ---------------------> UP ------------------> WITHDRAWN --+
 *	 ^ ^                         |                                 | settled, and no
 *	 | +---- silent, gone, not --+                                 | transaction open
 *	 |       serving                                               | (bounded)
 *	 +-------------------------------------------------------------+
 *
 * A worker that fails takes the block DOWN at once. An orderly leave goes by WITHDRAWN: the route
 * is gone from the network, while packets that still come are still answered here.
 *
 * Who has served for `hold` and is not leaving is `ready`: it could have the block at once. Whether
 * it shall is the worker's to say, who knows the other ARNs (election.h): a backup is ready all the
 * time, so when it becomes master it waits for nothing. A master that yields to another one keeps
 * the block UP for as long as routers need to learn of the other's, and only then leaves: they see
 * two routes for a moment, but never none.
 *
 * Or the block is `shared`: up wherever an ARN is ready, master or not, and what mastership decides
 * is who answers for the address that the routes of all of them lead to (nexthop.h). That address is
 * claimed only while packets for the block are answered here, and given up the moment that a better
 * ARN is known.
 *
 * Two things hold always, and the tests assert them at each step: a worker is only ever started
 * while the block is down (so no child can inherit its descriptor, not even for the moment
 * between fork and close), and the block is never up for longer than `hang_bound` past the moment
 * that the worker last vouched for itself.
 */
#ifndef ARN_FATE_H
#define ARN_FATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

enum fate_block { FATE_DOWN, FATE_UP, FATE_WITHDRAWN };
enum fate_worker { FATE_ABSENT, FATE_ALIVE, FATE_DOOMED };

enum fate_action {
	FATE_NOTHING,
	FATE_SPAWN,    /* start a worker */
	FATE_KILL,     /* SIGKILL it; fate_gone() follows when it was reaped */
	FATE_RAISE,    /* make the block reachable; fate_raise_failed() if that cannot be */
	FATE_WITHDRAW, /* take the route away, stay able to answer */
	FATE_DROP,     /* let go of the interface and all that hangs on it */
	FATE_FINISH,   /* tell the worker to end */
	FATE_EXIT,     /* nothing is left to guard */
};

struct fate_conf {
	ns_t hang_bound;  /* longest silence of a worker that counts as alive */
	ns_t start_bound; /* the same for its first word, while the block is down anyway */
	ns_t hold;        /* serving for so long before the block comes (back) */
	ns_t settle;      /* withdrawn at least so long: routers need time to learn it */
	ns_t yield;      /* up for so long after another became master: they need that to find it */
	ns_t drain_time; /* withdrawn at most so long: transactions under way may finish */
	ns_t backoff_min, backoff_max; /* between a worker's end and the next start */
	bool shared; /* the block is up wherever an ARN is ready, whoever is master */
};

struct fate {
	struct fate_conf conf;
	enum fate_block block;
	enum fate_worker worker;
	const char *reason; /* why the block is not up; a constant string */
	bool heard;         /* this worker has spoken */
	bool serving;       /* what it said last */
	bool master;        /* the same: of all ARNs of the block here, it is the one to hold it */
	bool heir;          /* the same: no better one is known */
	bool ready;         /* nothing but mastership could be wanting for the block to be up */
	bool draining;      /* the operator's wish; it outlives the worker */
	bool away;          /* what the worker said last: another site serves instead */
	bool empty;         /* the same: no node is usable */
	bool stopping;
	bool kill_due, finish_sent;
	uint32_t busy;      /* transactions under way */
	uint32_t spawned;   /* workers started so far */
	ns_t vouched;       /* when the worker last spoke; before that, when it started */
	ns_t serving_since; /* NS_NEVER: it does not */
	ns_t yielded_at;    /* of !master */
	ns_t withdrawn_at;  /* of WITHDRAWN */
	ns_t finish_by;     /* of finish_sent */
	ns_t spawn_at;      /* of ABSENT */
	ns_t raise_at;      /* not before: the last attempt failed */
	ns_t backoff;       /* before the start after next */
};

void fate_init(struct fate *f, const struct fate_conf *c, ns_t now);

/* What a worker says of itself several times within the hang bound. */
struct fate_beat {
	ns_t sent;      /* by the worker's clock, which is ours */
	bool serving;   /* its listeners and its database work */
	bool master;    /* no other ARN is to hold the block in its place */
	bool heir;      /* no other ARN could: a master, or the last one while it leaves */
	bool draining;  /* the operator wants the block to go */
	uint64_t owned; /* of the addresses, those that are this one's (arn/share.h) */
	bool away;      /* no node is usable, and another site serves */
	bool empty;     /* no node is usable, near or far */
	uint32_t busy;  /* transactions under way */
};
void fate_beat(struct fate *f, const struct fate_beat *b, ns_t now);
void fate_closed(struct fate *f, ns_t now);       /* the worker's end of the line is closed */
void fate_gone(struct fate *f, ns_t now);         /* the worker is dead and reaped */
void fate_raise_failed(struct fate *f, ns_t now); /* FATE_RAISE could not be done */
void fate_block_lost(struct fate *f, ns_t now);   /* someone removed the interface */
void fate_stop(struct fate *f, ns_t now);         /* SIGTERM */

/* The next thing to do now; call it until FATE_NOTHING, after every event and at fate_when(). */
enum fate_action fate_next(struct fate *f, ns_t now);
ns_t fate_when(const struct fate *f);

/* Whether this one is to answer for the shared block's next hop now. */
bool fate_claims(const struct fate *f);

const char *fate_block_str(enum fate_block b);

#endif
