/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Old packets that are wanted from the upstream: those from before this node subscribed, which a
 * receiver that came from another node still lacks. (What our own subscription lost is gap.h's.)
 * A set of numbers with times to ask again; what is not there in time is given up.
 */
#ifndef NEARCAST_SN_FETCH_H
#define NEARCAST_SN_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

#define FETCH_MAX 8192 /* numbers wanted at one time */

struct fetch;

/* retry: between two requests; give_up: after the number was first wanted. */
struct fetch *fetch_new(ns_t retry, ns_t give_up);
void fetch_free(struct fetch *f);
void fetch_set_retry(struct fetch *f, ns_t retry);

/* Wants a number; false when there is no room for it: a later one lies in its place. An earlier one
 * gives way: the later a number is, the sooner it is to be played, and the likelier to be had. */
bool fetch_want(struct fetch *f, int64_t seq, ns_t now);
/* It came: true when it was wanted. */
bool fetch_got(struct fetch *f, int64_t seq);
/* The numbers to ask for now, ascending, at most max, marked as asked for. */
int fetch_due(struct fetch *f, ns_t now, int64_t *out, int max);
ns_t fetch_when(const struct fetch *f); /* when fetch_due has something to do; NS_NEVER */
/* All are due at once: there is a new node to ask. */
void fetch_rearm(struct fetch *f, ns_t now);
/* Nothing is wanted any more. */
void fetch_clear(struct fetch *f);
int fetch_count(const struct fetch *f);

#endif
