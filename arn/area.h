/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The variable area (row H5; WO 01/18641: "the number of eligible service nodes increases with local
 * load. That is, as nearby service nodes approach their capacity, the ARN adds to its information
 * database load information about some number of service nodes just beyond the current scope"). A
 * core: loads and `now` in, the scope out: how many far nodes, the nearest first, are eligible.
 *
 *  - It is `warm` while there is room at home: so many are known all the time, for the moment at which
 *    the last local node dies.
 *  - It doubles at once when the local nodes are used more than `grow`, and these with the far ones
 *    that are eligible as well. Then those that have come are waited for, AREA_SETTLE at most.
 *  - It halves when, for `hold` on end, the local nodes are used less than `shrink`, or all that there
 *    is would use the local nodes and the nearer half of the far ones less than that.
 *
 * What counts when it shrinks is where the clients of the farther half go, which is why all their load
 * is put upon the rest. So a load that stays makes the area settle: after it has shrunk the use is
 * less than `shrink`, wherever the clients went, and before it grows it has to be over `grow`.
 */
#ifndef ARN_AREA_H
#define ARN_AREA_H

#include <stdbool.h>
#include <stdint.h>

#include "arn/reserve.h"
#include "lib/clock.h"
#include "lib/wire.h"

#define AREA_SETTLE (2 * NS_S)

struct area_conf {
	int warm, max;       /* far nodes that are eligible at least, at most */
	double grow, shrink; /* shares of what can be used: 0 … 1, shrink the smaller one */
	ns_t hold;
};

/* Sessions, of a node or several; what a limit of the bit rate allows counts as so many. */
struct area_load {
	double used, capacity;
};
/* Of what a node says, and what is reserved beyond that; only `share` of its capacity (0 … 1) may be
 * used, and nothing while it is draining or not healthy. */
struct area_load area_load_of(
	const struct announce *said, const struct reservation *reserved, double share);
double area_use(const struct area_load *l); /* 0 idle, 1 full; without any capacity it is full */

struct area {
	struct area_conf conf;
	int scope;
	double local, all; /* the use when it was looked at last */
	ns_t grown_at;
	ns_t calm; /* since when it could shrink; NS_NEVER: it could not */
	uint64_t grown, shrunk;
};
void area_init(struct area *a, const struct area_conf *c);
void area_set_conf(struct area *a, const struct area_conf *c);
/* The loads are these: of all local nodes together, and of those n far ones that are eligible, in
 * order. To be called every so often, several times within `hold`. True: the scope has changed. */
bool area_step(struct area *a, const struct area_load *local, const struct area_load *far, int n,
	ns_t now);

#endif
