/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/stock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#define LEAST 16

struct slot {
	struct film_reel **home; /* NULL: free */
	ns_t used;
	TAILQ_ENTRY(slot) entry;
};
TAILQ_HEAD(slot_list, slot);

struct stock {
	struct film_reel *reel; /* one mapping */
	struct slot *slot;      /* of the same index */
	int n, used;
	struct slot_list list; /* the free ones, then from the one used the longest ago on */
};

/* The disk's room is taken now: a page that finds none later would be a SIGBUS. */
static void *map(const char *dir, size_t size, int *err)
{
	int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *p;

	if (*dir) {
		flags = MAP_SHARED;
		fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd < 0) {
			*err = -errno;
			return MAP_FAILED;
		}
		*err = -posix_fallocate(fd, 0, (off_t)size);
		if (*err) {
			close(fd);
			return MAP_FAILED;
		}
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	*err = p == MAP_FAILED ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return p;
}

struct stock *stock_new(const char *dir, int64_t bytes, int *err)
{
	struct stock *s = calloc(1, sizeof(*s));
	int64_t n = bytes / (int64_t)sizeof(struct film_reel);

	*err = -ENOMEM;
	if (!s)
		return NULL;
	TAILQ_INIT(&s->list);
	s->n = n < LEAST ? LEAST : n > INT32_MAX ? INT32_MAX : (int)n;
	s->slot = calloc((size_t)s->n, sizeof(*s->slot));
	s->reel = MAP_FAILED;
	if (s->slot)
		s->reel = map(dir, (size_t)s->n * sizeof(*s->reel), err);
	if (s->reel == MAP_FAILED) {
		stock_free(s);
		return NULL;
	}
	for (int i = 0; i < s->n; i++)
		TAILQ_INSERT_TAIL(&s->list, &s->slot[i], entry);
	return s;
}

void stock_free(struct stock *s)
{
	if (!s)
		return;
	if (s->reel != MAP_FAILED)
		munmap(s->reel, (size_t)s->n * sizeof(*s->reel));
	free(s->slot);
	free(s);
}

static struct slot *slot_of(struct stock *s, const struct film_reel *r)
{
	return &s->slot[r - s->reel];
}

void stock_drop(struct stock *s, struct film_reel *r)
{
	struct slot *x = slot_of(s, r);

	*x->home = NULL;
	x->home = NULL;
	s->used--;
	TAILQ_REMOVE(&s->list, x, entry);
	TAILQ_INSERT_HEAD(&s->list, x, entry);
}

void stock_touch(struct stock *s, struct film_reel *r, ns_t now)
{
	struct slot *x = slot_of(s, r);

	x->used = now;
	TAILQ_REMOVE(&s->list, x, entry);
	TAILQ_INSERT_TAIL(&s->list, x, entry);
}

struct film_reel *stock_take(struct stock *s, struct film_reel **home, ns_t now)
{
	struct slot *x = TAILQ_FIRST(&s->list);
	struct film_reel *r = &s->reel[x - s->slot];

	if (x->home) {
		if (now - x->used < STOCK_HELD)
			return NULL;
		stock_drop(s, r);
	}
	x->home = home;
	*home = r;
	s->used++;
	stock_touch(s, r, now);
	return r;
}

int stock_used(const struct stock *s)
{
	return s->used;
}

int stock_room(const struct stock *s)
{
	return s->n;
}
