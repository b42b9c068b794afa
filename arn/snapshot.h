/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an answer is made from besides the request: the service nodes as they were at one moment.
 * The directory makes a snapshot and never changes it afterwards. Any ARN that has heard the same
 * announcements has the same nodes in the same order, and so gives the same answers.
 */
#ifndef ARN_SNAPSHOT_H
#define ARN_SNAPSHOT_H

#include <stdint.h>

#include "lib/wire.h"

struct snapshot {
	uint64_t version;     /* grows by one with each that this ARN makes */
	uint32_t retry_after; /* seconds, what a client is told when there is no node for it */
	int nodes;
	struct announce node[]; /* what each said last; ordered by id */
};

#endif
