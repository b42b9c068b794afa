/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks the DNS for what a scout wants to know (arn/scout.h): one answer for each question, and
 * nothing is kept.
 */
#ifndef ARN_LOOKUPS_H
#define ARN_LOOKUPS_H

#include "arn/scout.h"
#include "lib/dns.h"
#include "lib/loop.h"

typedef void lookups_cb(void *arg, const struct scout_lookup *what, const struct scout_records *r);

struct lookups;
/* NULL without memory. The servers are asked from the first question on. */
struct lookups *lookups_new(struct loop *l, lookups_cb *cb, void *arg);
void lookups_free(struct lookups *l); /* what is under way never comes back */
/* The name servers (copied). If they are others, what is under way fails. */
void lookups_set_conf(struct lookups *l, const struct dns_conf *c);
/* cb is called once, maybe from within. */
void lookups_ask(struct lookups *l, const struct scout_lookup *what);

struct lookups_counters {
	uint64_t asked, answered, failed; /* questions to name servers */
};
const struct lookups_counters *lookups_counters(const struct lookups *l);

#endif
