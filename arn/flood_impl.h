/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of arn/flood.h share: flood.c (hears and passes on), flood_table.c (what is known) and
 * flood_own.c (what is said of the own nodes). */
#ifndef ARN_FLOOD_IMPL_H
#define ARN_FLOOD_IMPL_H

#include <sys/queue.h>

#include "arn/flood.h"
#include "lib/lots.h"

/* A node by its id, with the record that said something of it last. */
struct flood_node {
	LIST_ENTRY(flood_node) of_record;
	struct flood_node *chain;
	struct flood_record *record;
	uint64_t seq; /* of the record that had it */
	char id[ANNOUNCE_ID_LEN];
	struct addr control;
};

struct flood_record {
	TAILQ_ENTRY(flood_record) all, queued;
	struct flood_record *chain;
	char origin[ANNOUNCE_ID_LEN];
	uint8_t part, hops; /* hops: of the way here; 0: an own one */
	bool queue;         /* it is in the queue */
	bool dead;          /* its life is over */
	uint64_t seq;
	uint64_t pending; /* links that are to be sent it */
	ns_t heard_at, expires;
	ns_t relay_at; /* not to be sent before */
	ns_t relayed;  /* when it was last sent, this sequence or an older one */
	LIST_HEAD(, flood_node) known;
	int nodes;
	uint16_t len[FLOOD_MSG_NODES]; /* of the nodes' announcements, one after the other in: */
	uint8_t *body;
};

struct flood_own_node {
	struct announce said; /* without channels */
	int part;             /* -1: it has found no room */
	size_t size;          /* in bytes, at most */
	uint64_t told;        /* hash of what was last told, but for the load */
	double load;          /* that was last told */
	bool seen;
};

struct flood_part {
	int nodes;
	size_t size;
	bool urgent;     /* something has changed that all are to know */
	bool ever;       /* it was told */
	uint64_t seq;    /* the last one, of an earlier life too */
	ns_t made;       /* when; valid if ever */
	ns_t refresh_at; /* valid if ever */
	ns_t filled;     /* until then others may know of nodes in it */
};

TAILQ_HEAD(flood_list, flood_record);

struct flood {
	struct flood_conf conf;
	struct flood_events events;
	struct flood_counters count;
	struct lots lots;
	struct flood_list all,
		queue; /* queue: who has something pending, the longest waiting first */
	struct flood_record **record;
	struct flood_node **node;
	size_t buckets; /* of each, a power of two */
	int records, live, nodes;
	ns_t when, expire_at;
	ns_t free_at
		[FLOOD_LINKS]; /* the bucket of each link, as the time at which it is full again */
	struct flood_own_node *own; /* by id */
	int owns, own_room;
	struct flood_part part[FLOOD_PARTS];
	bool closing;
};

/* flood_table.c. Find: NULL, it is not there. Add: NULL, no memory; a record of another ARN also when
 * there is no room (*full). */
struct flood_record *flood_find(const struct flood *f, const char *origin, unsigned part);
struct flood_record *flood_add(struct flood *f, const char *origin, unsigned part, bool *full);
void flood_drop(struct flood *f, struct flood_record *r);
/* Takes over what the message says. 0 or -ENOMEM, and nothing has changed. */
int flood_fill(struct flood_record *r, const struct flood_msg *m, ns_t now);
/* Tells what the record says of its nodes, and who is not in it any more. */
void flood_news(struct flood *f, struct flood_record *r, ns_t now);
void flood_expire(struct flood *f, ns_t now);

/* flood.c: it is to be sent to these links. */
void flood_queue(struct flood *f, struct flood_record *r, uint64_t links, ns_t at);
void flood_unqueue(struct flood *f, struct flood_record *r);

/* flood_own.c: makes what is due. When next: NS_NEVER, nothing is. */
void flood_make(struct flood *f, ns_t now, ns_t wall);
ns_t flood_make_when(const struct flood *f);
/* The record of an earlier life of this ARN was heard. */
void flood_supersede(struct flood *f, const struct flood_msg *m, ns_t now);

#endif
