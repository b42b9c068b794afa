/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of the graph's nodes in the DNS (arn/scout_names.c), answered from the graph itself. */
#ifndef SIM_ZONE_H
#define SIM_ZONE_H

#include "arn/scout.h"
#include "tests/sim/graph.h"

#define ZONE         "dir.example"
#define ZONE_RECORDS 512

/* How many records there are; r has them, but for addresses and ports: a host nN is node N. */
int zone_lookup(const struct graph *g, const struct scout_lookup *what, struct scout_record *r);

#endif
