/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hierarchical names of places (row H7; WO 01/18641: "each ARN and each service node is assigned a
 * multi-part name from a hierarchical name space. Given the names of two service nodes, an ARN can
 * determine which is nearest using a longest pattern match", from the right):
 *
 *	sanjose.california.pacificcoast.usa.northamerica
 *
 * A place's name is labels as of host names in the DNS (RFC 1123, 2.1), in lower case, so that it can
 * be part of one: 1 to 63 of a-z, 0-9 and '-', which is neither first nor last; dots between them;
 * 127 characters at most. "" is no place.
 */
#ifndef NEARCAST_PLACE_H
#define NEARCAST_PLACE_H

#include <stdbool.h>

#include "lib/slice.h"

#define PLACE_LEN 128 /* with the NUL */

/* Whether it is a place's name; "" is not. */
bool place_ok(struct slice s);

/* How many labels it has, and how many two have in common, from the right. Of "" there are none. */
int place_labels(const char *place);
int place_common(const char *a, const char *b);

/* How many levels one has to go up from a place until what is there has the other one in it, too: 0
 * for the place itself and what is below it. The less, the longer is the match; so it orders others by
 * their nearness to `from`. It is not symmetric: names may be of different lengths. -1: one of them is
 * "". */
int place_distance(const char *from, const char *to);

#endif
