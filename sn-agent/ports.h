/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Priming, the node's side (row B6): which port is bound to which state, and until when. A core:
 * requests and `now` in, answers out; opening and closing ports is the shell's (primes.c).
 *
 * The same state has the same port, for whoever asks and however often. Which one follows from the
 * state itself where it can, so that a node that starts anew mostly gives the same again. A port
 * lives while it is granted to somebody (and PORTS_GRACE more, for who was sent there in the last
 * moment), and while a connection is on it. When all are taken, the one that has been idle for
 * longest gives way; those who were granted it are told, and until they would have forgotten it by
 * themselves its number is given to no other state: nobody comes to the wrong content.
 *
 * A request counts only in this node's generation, a random number of each life that it announces:
 * a recording from an earlier life binds nothing.
 */
#ifndef NEARCAST_SN_PORTS_H
#define NEARCAST_SN_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/prime.h"

#define PORTS_MAX     4096 /* numbers of the range */
#define PORTS_HOLDERS 8
#define PORTS_GRACE   (5 * NS_S)
#define PORTS_SETTLED (1 * NS_S) /* younger grants do not give way */

struct port {
	uint16_t number;
	struct prime_state state;
	uint64_t hash;
	ns_t until;   /* granted; the grace not included */
	ns_t used_at; /* the last grant, or a connection's begin or end */
	int users;    /* connections */
	bool open;    /* the shell listens there */
	bool opening; /* it will, or will not, soon */
	void *door;   /* the shell's */
	struct {
		char arn[ANNOUNCE_ID_LEN]; /* "": none */
		struct addr at;            /* where it asked from */
		ns_t until;
	} holder[PORTS_HOLDERS]; /* who has been granted it */
	uint64_t grants, connections;
};

struct ports_conf {
	uint16_t first, last; /* PORTS_MAX numbers at most; 0: none */
	int max;              /* bound at one time */
	ns_t lifetime;
	unsigned services; /* SERVICE_… that are served over primed ports */
	int family;        /* of this node: origins of another cannot be reached */
};

struct ports;
/* generation: not 0. NULL without memory. */
struct ports *ports_new(const struct ports_conf *c, const char *name, uint64_t generation);
void ports_free(struct ports *t); /* the shell has closed them all */
/* The range and the services stay; what is bound beyond `max` stays too. */
void ports_set_conf(struct ports *t, const struct ports_conf *c);
void ports_set_services(struct ports *t, unsigned services);
uint64_t ports_generation(const struct ports *t);
void ports_set_draining(struct ports *t, bool draining);

/* An authentic request from an ARN at `from`. The answer is in *out; with PRIME_GRANTED the port is
 * returned: if it is not `open`, the shell has to open it before it answers, or ports_fail().
 * *gone is a port that gave way: to be closed, its holders told, and ports_forget(); or NULL. */
struct port *ports_ask(struct ports *t, const struct prime_ask *a, const struct addr *from,
	ns_t now, struct prime_answer *out, struct port **gone);
/* It cannot be opened: its number is not tried again for a while. */
void ports_fail(struct ports *t, struct port *p, ns_t now);
/* It has been closed. Its number rests until the last grant is over. */
void ports_forget(struct ports *t, struct port *p, ns_t now);
/* Connections come and go. */
void ports_enter(struct port *p, ns_t now);
void ports_leave(struct port *p, ns_t now);

/* A port whose time is over: to be closed and ports_forget(); to be repeated until NULL. */
struct port *ports_expired(struct ports *t, ns_t now);
/* The port with a number, or NULL: it is not bound. */
struct port *ports_find(const struct ports *t, uint16_t number);
/* Port i in the order of their numbers, or NULL behind the last. */
struct port *ports_at(const struct ports *t, int i);
int ports_bound(const struct ports *t);

#endif
