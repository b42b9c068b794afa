/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The database of service nodes: who can be sent clients, learnt from announcements and from the
 * configuration. A core: announcements and `now` in, snapshots and changes out.
 *
 * All that is learnt expires: a node that has not announced itself for `misses` of its own
 * intervals is gone. A goodbye only makes that faster. A node that the configuration names is never
 * gone: while it does not announce itself it is taken for healthy, as nothing else is known; but
 * once it was heard and then fell silent, that is known, and it is taken for broken until it
 * speaks again (arn/select.h sends clients there only when nothing better is left).
 *
 * Nodes beyond the own network (far nodes) are in it as long as they are eligible, which arn/far.h
 * says, as it says when one is lost. A node that is heard here, or that the configuration names, is
 * not far, whoever says so.
 *
 * It also keeps the books of reservations (arn/reserve.h): each snapshot has, beside what a node
 * said, which reservations that has consumed.
 */
#ifndef ARN_DIRECTORY_H
#define ARN_DIRECTORY_H

#include <stdbool.h>

#include "arn/area.h"
#include "arn/far.h"
#include "arn/snapshot.h"
#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/wire.h"

#define DIRECTORY_MAX 1024 /* nodes */

struct directory_conf {
	int misses;                 /* of a node's own intervals, until it is gone */
	uint32_t retry_after;       /* for the snapshots */
	unsigned prime;             /* likewise */
	struct prefix block;        /* the anycast block: no node can be inside it */
	ns_t reservation;           /* how long a client may take to attach */
	struct select_conf select;  /* its `arns` and `turn` are of no account: see _set_sharing */
	struct token_policy tokens; /* for the snapshots */
	char place[PLACE_LEN];      /* likewise */
};

/* A node became usable for new clients (up), or ceased to be. */
struct directory_change {
	const struct announce *node;
	bool up, far;
	const char *reason; /* "announced", "configured", "service works"; "timeout", "goodbye",
	                     * "draining", "unhealthy", "service broken", "removed"; of a far
	                     * node "eligible", or why it was left: a constant string */
};
typedef void directory_cb(void *arg, const struct directory_change *c);

/* Who watches the nodes' services (arn/prober.h). Both are called from within the functions below,
 * and must not call back. */
struct directory_watcher {
	/* A node says this of itself, or the configuration says it of the node. What is known of
	 * its services. */
	struct node_health (*known)(void *arg, const struct announce *said, ns_t now);
	/* It is not there any more; lost: without a goodbye. */
	void (*gone)(void *arg, const char *id, bool lost, ns_t now);
	void *arg;
};

struct directory;
/* cb is called from within the functions below, for each change; it must not call back. NULL
 * without memory. */
struct directory *directory_new(const struct directory_conf *c, directory_cb *cb, void *arg);
void directory_free(struct directory *d);
void directory_set_conf(struct directory *d, const struct directory_conf *c);
/* Before there are any nodes. */
void directory_watch(struct directory *d, const struct directory_watcher *w);
/* What is known now of a node's services. */
void directory_judge(struct directory *d, const char *id, const struct node_health *health);

/* So many ARNs are active for these nodes, and this is the one of this turn, from 0. */
void directory_set_sharing(struct directory *d, unsigned arns, unsigned turn);

/* An authenticated announcement. 0; -EINVAL with the field in *why: not an address that a client
 * can be sent to; -ENOSPC: the table is full. */
int directory_announce(struct directory *d, const struct announce *a, ns_t now, const char **why);
/* An authenticated goodbye of the node with this id. False when it is not known. */
bool directory_goodbye(struct directory *d, const char *id, ns_t now);
/* A far node is eligible, and says this, until it is left with the next function. 0; -EEXIST: it is
 * one of our own; else as above. */
int directory_far(struct directory *d, const struct announce *a, const struct far_facts *f,
	ns_t now, const char **why);
/* A far node is not eligible any more; why: a constant string. False: no far node has this id. */
bool directory_far_left(struct directory *d, const char *id, const char *why, ns_t now);
/* Whether a node of our own network has this id. */
bool directory_is_local(const struct directory *d, const char *id);
/* The load of the far node with this id, of whose capacity only `share` is used; with NULL that of
 * all nodes of our own together. */
struct area_load directory_load(const struct directory *d, const char *id, double share);
/* The nodes of the configuration, all of them; those of before that are not among them go. */
void directory_configure(struct directory *d, const struct announce *list, int n, ns_t now);

/* Announcements were lost on the way to us: who is due may have spoken, and gets another timeout, up
 * to DIRECTORY_DOUBTS times as long in all as usual. */
#define DIRECTORY_DOUBTS 10
void directory_doubt(struct directory *d, ns_t now);

/* Forgets who is due; when that has something to do next, or NS_NEVER. */
void directory_expire(struct directory *d, ns_t now);
ns_t directory_when(const struct directory *d);
/* Looks after reservations; to be called every so often. True when there is something new for
 * snapshots. */
bool directory_look(struct directory *d, ns_t now);
ns_t directory_look_interval(const struct directory *d);

/* The nodes as they are now. The directory's reference: it is good until the next call with a
 * non-const `d`; snapshot_ref() for longer. */
const struct snapshot *directory_snapshot(struct directory *d);

bool directory_stale(const struct directory *d); /* they are not what they were at the last call */

/* What the snapshots have from now on beside the nodes (arn/snapshot.h); a reference is taken. */
void directory_set_primed(struct directory *d, const struct primed *t);
void directory_set_direct(struct directory *d, const struct direct *t);
void directory_set_origins(struct directory *d, const struct origins *t);
void directory_set_profiles(struct directory *d, const struct profile_table *t);
void directory_set_channels(struct directory *d, const struct cas_table *t);
void directory_set_regions(struct directory *d, const struct region_table *t);
void directory_set_measured(struct directory *d, const struct region_table *t);
const struct direct *directory_direct(const struct directory *d); /* the directory's reference */

/* For an operator: node i of the snapshot's order, or false behind the last. */
struct directory_view {
	const struct announce *node;
	const struct node_health *health;
	bool configured, heard;      /* heard: it announces itself */
	const struct far_facts *far; /* NULL: it is not far */
	ns_t heard_at;               /* when last; valid if heard_ever */
	bool heard_ever;
	uint64_t announcements;
	struct reservation reserved; /* now, by this ARN */
	uint64_t expired;            /* reservations that nobody came for, ever */
};
bool directory_view(const struct directory *d, int i, struct directory_view *v);
int directory_count(const struct directory *d);
int directory_usable(const struct directory *d);        /* of these, who takes new clients */
int directory_usable_here(const struct directory *d);   /* of those, who is not far */
uint64_t directory_reserved(const struct directory *d); /* sessions, at all nodes, by this ARN */
uint64_t directory_expired(const struct directory *d); /* reservations that nobody came for, ever */

#endif
