/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The version on the board is atomic, and is looked at without the lock: whoever holds that one
 * has nothing to do. Only to exchange a snapshot the lock is taken, since between seeing a pointer
 * and counting oneself among those who refer to it, the snapshot could be freed.
 */
#include "arn/board.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct board {
	_Atomic uint64_t version; /* of `newest` */
	pthread_mutex_t lock;
	const struct snapshot *newest;
};

struct board *board_new(void)
{
	struct board *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->newest = snapshot_new(0);
	if (!b->newest) {
		free(b);
		return NULL;
	}
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void board_free(struct board *b)
{
	if (!b)
		return;
	snapshot_unref(b->newest);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void board_post(struct board *b, const struct snapshot *s)
{
	const struct snapshot *old;

	snapshot_ref(s);
	pthread_mutex_lock(&b->lock);
	old = b->newest;
	b->newest = s;
	atomic_store_explicit(&b->version, s->version, memory_order_release);
	pthread_mutex_unlock(&b->lock);
	snapshot_unref(old);
}

bool board_is_newest(const struct board *b, const struct snapshot *held)
{
	return held && held->version == atomic_load_explicit(&b->version, memory_order_acquire);
}

const struct snapshot *board_read(struct board *b, const struct snapshot **held)
{
	const struct snapshot *old = *held;

	if (board_is_newest(b, old))
		return old;
	pthread_mutex_lock(&b->lock);
	*held = snapshot_ref(b->newest);
	pthread_mutex_unlock(&b->lock);
	snapshot_unref(old);
	return *held;
}
