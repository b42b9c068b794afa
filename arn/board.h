/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The board: where the control thread posts the newest snapshot, and every listener thread reads
 * it. Reading costs one atomic load as long as nothing new was posted.
 */
#ifndef ARN_BOARD_H
#define ARN_BOARD_H

#include <stdbool.h>

#include "arn/snapshot.h"

struct board;
struct board *board_new(void); /* NULL without memory; with an empty snapshot on it */
void board_free(struct board *b);
/* Takes a reference of its own. Versions have to grow. */
void board_post(struct board *b, const struct snapshot *s);
bool board_is_newest(const struct board *b, const struct snapshot *held); /* NULL is not */
/* The newest. *held is the reader's own reference, NULL at first: it is exchanged when it is not
 * the newest any more, and is the reader's to snapshot_unref() in the end. */
const struct snapshot *board_read(struct board *b, const struct snapshot **held);

#endif
