/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where clients are (row H9): which place (lib/place.h) a client's address belongs to, by the longest
 * prefix. The redirection then goes to the group of nodes nearest that place, rather than nearest the
 * ARN (arn/select.h).
 *
 * A table is a value that never changes, and is used by snapshots under their rules: who has a
 * reference may read it in any thread. It is looked into for every request, so it has the prefixes as
 * disjoint ranges in order: a search takes as many steps as the logarithm of their number, whatever
 * lies inside of what.
 */
#ifndef ARN_REGION_H
#define ARN_REGION_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/place.h"

#define REGION_MAX 65536 /* prefixes of a table */

struct region {
	struct prefix prefix;
	char place[PLACE_LEN]; /* "": it is known that none is known */
};

struct region_table;
/* Of the same prefix the last one counts. Copies. NULL without memory, or for more than REGION_MAX. */
struct region_table *region_table_new(const struct region *list, int n);
const struct region_table *region_table_ref(const struct region_table *t);
void region_table_unref(const struct region_table *t);
int region_table_count(const struct region_table *t); /* prefixes; NULL: 0 */

/* The place of an address, "" or NULL: no prefix has it. It is the table's. */
const char *region_find(const struct region_table *t, const struct addr *client);

/*
 * A file of regions has a line "PREFIX PLACE" each; what follows a '#' is a comment. A line is read:
 * 1, *r is set; 0: there is nothing on it; -EINVAL: *why says what was expected, a constant string.
 */
int region_line(struct slice line, struct region *r, const char **why);

#endif
