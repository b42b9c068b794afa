/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The room in which blocks of films are kept: a bounded number of reels, in memory or in a file
 * without a name on a disk. What has not been used for longest gives way; what was used within
 * STOCK_HELD does not, since somebody is about to send it.
 */
#ifndef NEARCAST_SN_STOCK_H
#define NEARCAST_SN_STOCK_H

#include "lib/clock.h"
#include "sn-agent/film.h"

#define STOCK_HELD NS_S

struct stock;

/* As many reels as `bytes` have room for, 16 at least. dir "": in memory. NULL with *err: -ENOMEM, or
 * why the file cannot be made there. */
struct stock *stock_new(const char *dir, int64_t bytes, int *err);
void stock_free(struct stock *s);

/* A reel to fill, which *home is to point to: it is set now, and to NULL when the reel goes. NULL:
 * all are in use. */
struct film_reel *stock_take(struct stock *s, struct film_reel **home, ns_t now);
void stock_touch(struct stock *s, struct film_reel *r, ns_t now);
void stock_drop(struct stock *s, struct film_reel *r);

int stock_used(const struct stock *s);
int stock_room(const struct stock *s);

#endif
