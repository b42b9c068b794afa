/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TCP connection to each of the other ARNs, for its end: when a process dies, however it dies, its
 * kernel closes its connections, and the others know within a round trip. It is the worker's,
 * because the worker dies whenever an ARN can serve no more: by itself, by its guardian, which kills
 * it when it is silent, or with its guardian.
 *
 * Each ARN connects to each other one, and watches only the connections that it made. So nothing
 * that anybody else does with a connection to us can mean anything, and who connects need not be
 * agreed upon.
 *
 *	IDLE --> CONNECTING --> GREETED --> UP --+-- closed, reset -------> CONNECTING, `asking`
 *	 ^         |              |              |
 *	 +---------+--------------+--------------+-- timed out, other address
 *
 * A connection may also be closed by something between the two. So who lost one connects again, at
 * once: a dead process's port refuses, or closes before any greeting, and only then the other one
 * counts as lost; a live one greets, and all is as before. That costs a round trip. What cannot be
 * found out (no answer at all: a host that vanished, a LAN that fell apart) is left to
 * announcements, which are the truth also for all that hangs.
 *
 * Strangers: only hosts that ARNs announced themselves from get as far as a greeting, a few at a
 * time, for a second at most, the oldest making room; and only one connection a name is kept after
 * it (peer.h).
 */
#ifndef ARN_PEERS_H
#define ARN_PEERS_H

#include "arn/election.h"
#include "lib/addr.h"
#include "lib/loop.h"
#include "lib/wire.h"

struct peers_conf {
	const char *name, *interface; /* borrowed */
	uint16_t port;                /* 0: no connections */
	ns_t skew;
	const struct wire_keys *keys;            /* borrowed; may be changed in place */
	const struct election *election;         /* borrowed: who is there */
	void (*lost)(void *arg, const char *id); /* this ARN's process is dead */
	void *arg;
};

struct peers_counters {
	uint64_t connected; /* connections of ours that came up */
	uint64_t lost;      /* ARNs found dead */
	uint64_t resets;    /* connections that ended though the other one lived */
	uint64_t strangers; /* connections closed because of where they came from, or for room */
	uint64_t refused;   /* greetings that were not believed */
};

struct peers;
/* NULL without memory. */
struct peers *peers_new(struct loop *l, const struct peers_conf *c);
void peers_free(struct peers *p);
/* Listens at this address, the one that is announced; AF_UNSPEC: not at all. */
void peers_listen(struct peers *p, const struct addr *own);
/* Where others can connect to now; 0: nowhere. */
uint16_t peers_port(const struct peers *p);
/* To be called when an ARN has been heard: connects to it unless that has been done. */
void peers_heard(struct peers *p, const struct announce *a);
/* Whether the connection to this ARN is up. */
bool peers_up(const struct peers *p, const char *id);
int peers_count(const struct peers *p); /* that are up */
const struct peers_counters *peers_counters(const struct peers *p);

#endif
