/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a daemon answered, as a person likes to read it. */
#ifndef NEARCAST_TABLE_H
#define NEARCAST_TABLE_H

#include <stdio.h>

#include "lib/json.h"

/*
 * Prints a JSON value: an object as "key: value" lines, its keys aligned; an array of objects as a
 * table with one column a key, numbers to the right; what lies deeper is indented below its name.
 * Control characters become '?': what peers said must not command the operator's terminal. A table
 * wider than `width` columns goes without those that have nothing but 0, no and - (0: it keeps them).
 */
void table_print(FILE *out, const struct js *v, int width);

#endif
