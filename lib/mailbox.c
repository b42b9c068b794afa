/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two halves of one array: posters fill the one while the reader empties the other, and the reader
 * swaps them. So the lock is held for one copy, or for the swap, and never while a callback runs.
 * Only the post that finds its half empty wakes the loop: a busy mailbox costs few wake-ups.
 */
#include "lib/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct mailbox {
	mailbox_cb *cb;
	void *arg;
	struct loop_wake *wake;
	size_t size;
	int room;
	pthread_mutex_t lock; /* of the next three */
	char *filling;
	int n;        /* messages in it */
	char *memory; /* of both halves */
	_Atomic uint64_t lost;
};

static void on_wake(void *arg)
{
	struct mailbox *m = arg;
	char *full;
	int n;

	pthread_mutex_lock(&m->lock);
	full = m->filling;
	n = m->n;
	m->filling = full == m->memory ? m->memory + m->size * (size_t)m->room : m->memory;
	m->n = 0;
	pthread_mutex_unlock(&m->lock);
	for (int i = 0; i < n; i++)
		m->cb(m->arg, full + m->size * (size_t)i);
}

struct mailbox *mailbox_new(struct loop *l, size_t size, int room, mailbox_cb *cb, void *arg)
{
	struct mailbox *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->cb = cb;
	m->arg = arg;
	m->size = size;
	m->room = room;
	pthread_mutex_init(&m->lock, NULL);
	m->memory = calloc((size_t)room * 2, size);
	m->wake = loop_wake_new(l, on_wake, m);
	if (!m->memory || !m->wake) {
		mailbox_free(m);
		return NULL;
	}
	m->filling = m->memory;
	return m;
}

bool mailbox_post(struct mailbox *m, const void *message)
{
	bool fits, first;

	pthread_mutex_lock(&m->lock);
	first = m->n == 0;
	fits = m->n < m->room;
	if (fits)
		memcpy(m->filling + m->size * (size_t)m->n++, message, m->size);
	pthread_mutex_unlock(&m->lock);
	if (!fits)
		atomic_fetch_add_explicit(&m->lost, 1, memory_order_relaxed);
	else if (first)
		loop_wake(m->wake);
	return fits;
}

uint64_t mailbox_lost(const struct mailbox *m)
{
	return atomic_load_explicit(&m->lost, memory_order_relaxed);
}

void mailbox_free(struct mailbox *m)
{
	if (!m)
		return;
	loop_wake_free(m->wake);
	pthread_mutex_destroy(&m->lock);
	free(m->memory);
	free(m);
}
