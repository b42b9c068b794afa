/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which channel number each URL has (row D3; lib/cas.h), and which of our paths that is. Pure.
 *
 * A number follows from its URL, so that a node that was started anew gives the same, and an answer
 * that is out of date names no other channel. Where two URLs would have the same number, the one
 * that came later has its next one: no two share one while both are known. Those of the
 * configuration come first and are known for ever; the others, as long as somebody asks for them or
 * uses them. There are `max` at most, and none gives way before its time: a number is somewhere in
 * use.
 */
#ifndef NEARCAST_SN_ALLOT_H
#define NEARCAST_SN_ALLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cas.h"
#include "lib/clock.h"
#include "sn-agent/channel.h"

struct allotment {
	char url[CAS_URL];
	char path[CHANNEL_PATH]; /* here */
	uint32_t number;
	bool fixed; /* by the configuration */
	ns_t asked; /* or used, last */
};

struct allot {
	struct allotment *item;
	int n, max;
	ns_t lifetime;
};

void allot_init(struct allot *a);
void allot_free(struct allot *a);
/* What is known is kept, but for what the configuration fixed and does not any more. 0 or -ENOMEM,
 * and all is as before. */
int allot_set_conf(struct allot *a, int max, ns_t lifetime, const struct allotment *fixed, int n);

/* The one of a URL (as cas_url writes it); NULL: none. */
struct allotment *allot_find(struct allot *a, const char *url);
/* A new one. NULL: there is no room. */
struct allotment *allot_add(struct allot *a, const char *url, struct slice path, ns_t now);
/* The one of a number, which is in use with that; NULL: nobody has it. */
struct allotment *allot_number(struct allot *a, uint32_t number, ns_t now);
/* The path that is meant by one that may be a number, which is in use with that. a may be NULL. */
struct slice allot_path(struct allot *a, struct slice path, ns_t now);
/* Forgets what nobody has asked for or used during its lifetime. */
void allot_expire(
	struct allot *a, bool (*in_use)(void *arg, const char *path), void *arg, ns_t now);

#endif
