/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers ARNs of other networks, at the control port of primes.h (rows H2, H6, H8): how this node is,
 * how long the question lay here, so that the rest is the path's latency, and who its neighbours in the
 * overlay are. What it says of itself is what it announces, with the verdict of its own check, and out
 * of its own event loop: who is stopped or stuck does not answer.
 */
#ifndef NEARCAST_SN_SURVEY_DOOR_H
#define NEARCAST_SN_SURVEY_DOOR_H

#include "sn-agent/agent.h"

struct survey_counters {
	uint64_t answered;
	uint64_t refused; /* could not be read, for another, or too short for an answer */
};

int survey_door_open(struct agent *a); /* when there are primes; an exit code */
void survey_door_free(struct survey_door *d);
const struct survey_counters *survey_door_counters(const struct survey_door *d); /* d may be NULL */

#endif
