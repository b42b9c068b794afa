/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the objects of direct answers as their directory has them. A thread of its own looks after
 * it once a second: a disk, or a file server, that is slow or hangs must not stop the loop by whose
 * turning the block lives. What it has read is one set, handed over whole: only when the directory
 * was the same before and after. While it cannot be read, the objects stay what they were.
 */
#ifndef ARN_DIRECT_READER_H
#define ARN_DIRECT_READER_H

#include "arn/direct_load.h"
#include "lib/loop.h"

/* These are the objects now; NULL: there are none. Who wants to keep them takes a reference. */
typedef void direct_reader_cb(void *arg, const struct direct *d);

struct direct_reader;
/* cb is called in the loop, whenever there are others. NULL: *err says why. */
struct direct_reader *direct_reader_new(
	struct loop *l, const struct direct_conf *c, direct_reader_cb *cb, void *arg, int *err);
void direct_reader_free(struct direct_reader *r);
/* Also reads everything again, soon. */
void direct_reader_set_conf(struct direct_reader *r, const struct direct_conf *c);
/* How many files and folders are left out; why: what is wrong with the directory, or "". */
int direct_reader_trouble(struct direct_reader *r, char why[128]);

#endif
