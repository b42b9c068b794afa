/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Profiles (row D5): what a service wants beyond a list of servers, how its nodes are chosen and set
 * up. A profile is a JSON object in a web directory, one for each anycast address:
 *
 *	{"rtsp": {"policy": "channel-affinity", "affinity-limit": 70, "prime": true},
 *	 "http": {"policy": "consistent-hash", "bound": 10}}
 *
 * Each member has the name, the range and the meaning of the ARN's own option; what a profile does
 * not say, the configuration does. Members that are not known are left alone, since one directory
 * serves ARNs of many versions.
 *
 * Here are the reader, and the table of what is known, as snapshots show it: made once, never
 * changed (as arn/primed.h), but for the mark of use. Pure; who fetches is arn/profiles.c.
 */
#ifndef ARN_PROFILE_H
#define ARN_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/slice.h"
#include "lib/text.h"

struct select_policy;

#define PROFILE_WHY 160

/* Of one service. */
struct profile_service {
	const struct select_policy *policy; /* NULL: not said */
	int bound, affinity_limit;          /* per cent; -1: not said */
	int session_kbps;                   /* -1: not said */
	int prime;                          /* 0 never, 1 always; -1: not said */
};

struct profile {
	struct profile_service of[2]; /* by enum text_proto */
};

/* What says nothing. */
struct profile profile_empty(void);
/* 0: why is "", or names a member that is left alone. -EINVAL: why says what is wrong and where. */
int profile_parse(struct profile *p, struct slice text, char why[PROFILE_WHY]);
bool profile_same(const struct profile *a, const struct profile *b);

struct profile_fact {
	struct addr anycast; /* port 0 */
	bool there;          /* false: none could be had, the configuration decides */
	_Atomic bool used;   /* by a request, since the maker looked */
	struct profile profile;
};

struct profile_table {
	_Atomic unsigned refs;
	int n;
	struct profile_fact fact[]; /* ordered by address */
};

struct profile_table *profile_table_new(int room); /* n 0, with the caller's reference, or NULL */
void profile_table_sort(struct profile_table *t);  /* when it is filled in */
const struct profile_table *profile_table_ref(const struct profile_table *t); /* NULL: NULL */
void profile_table_unref(const struct profile_table *t);
bool profile_table_same(const struct profile_table *a, const struct profile_table *b);
/* Marks it as used. NULL: nothing is known of it yet. */
const struct profile_fact *profile_find(const struct profile_table *t, const struct addr *anycast);

#endif
