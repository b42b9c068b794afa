/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell of sender attachment (figure 9), at both ends: sender.h's core asks the anycast address over
 * HTTP, attached.h's keeps who is attached here; both speak at the control port of primes.h, and their
 * neighbours are overlay.h's as those of the configuration are.
 */
#ifndef NEARCAST_SN_ATTACH_DOOR_H
#define NEARCAST_SN_ATTACH_DOOR_H

#include "sn-agent/agent.h"

struct attach_counters {
	uint64_t asked;              /* times that the anycast address was asked for a node */
	uint64_t attached, detached; /* to others, and others here */
	uint64_t refused;            /* requests of others */
	uint64_t bad;                /* messages that could not be read, or were for another */
};

int attach_door_open(struct agent *a);        /* when there are primes; an exit code */
void attach_door_free(struct attach_door *d); /* with goodbyes; before primes and overlay */
void attach_door_set_conf(struct agent *a);
void attach_door_tick(struct attach_door *d, ns_t now); /* often; d may be NULL */
/* Whether nodes can be attached here now. */
bool attach_door_takes(const struct attach_door *d);
/* The names of neighbours that no configuration names: how many, max at most. */
int attach_door_neighbours(const struct attach_door *d, const char **name, int max);
/* Where in the overlay the channel of a path is, by what nodes have said; NULL: nobody has. */
const struct addr *attach_door_source(void *agent, struct slice path);

void attach_door_show(const struct attach_door *d, struct js *out);
int attach_door_here(const struct attach_door *d); /* nodes with a tunnel that are attached here */
int attach_door_channels(const struct attach_door *d);  /* that nodes have said they have */
bool attach_door_attached(const struct attach_door *d); /* this node is, to another */
const struct attach_counters *attach_door_counters(const struct attach_door *d);

#endif
