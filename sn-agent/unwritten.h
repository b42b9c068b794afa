/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parts of sessions (lib/account.h) that wait to be written: each once, in its newest version, those
 * that have waited longest first. Whatever holds the database up, there are never more than `max`:
 * then what will be put again anyway, a part that goes on, gives way to what comes once, an end.
 *
 * Who writes takes copies and says what he has written. What he could not write stays, and what has
 * become newer meanwhile stays as well. Pure; a lock is the owner's business.
 */
#ifndef NEARCAST_SN_UNWRITTEN_H
#define NEARCAST_SN_UNWRITTEN_H

#include <stdbool.h>

#include "lib/account.h"

struct unwritten;

struct unwritten *unwritten_new(int max); /* NULL without memory */
void unwritten_free(struct unwritten *u);

/* False: there is no room, and nothing has changed. */
bool unwritten_put(struct unwritten *u, const struct account_part *p);
/* Copies the first ones, `max` at most. How many. */
int unwritten_take(const struct unwritten *u, struct account_part *out, int max);
/* These versions are written. */
void unwritten_done(struct unwritten *u, const struct account_part *p, int n);
int unwritten_count(const struct unwritten *u);

#endif
