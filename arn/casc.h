/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks the channel allocation services (row D3; lib/cas.h) of the providers whose anycast address
 * has SRV records of service "cas", keeps what they say by the rules of lib/soft.h, and publishes
 * what is known whenever that changes.
 *
 * The service belongs to somebody else, and may be slow, gone or broken: each question is bounded
 * in time and size, and there are CASC_CONCURRENT under way at most. A request waits for the first
 * answer within prime.wait; whatever else comes of it, the client goes where it would go without.
 */
#ifndef ARN_CASC_H
#define ARN_CASC_H

#include "arn/cas_table.h"
#include "arn/naming.h"

#define CASC_CONCURRENT 8
#define CASC_WANTS      64 /* new URLs in a second: who asks for many drives nobody's out */

struct casc_conf {
	bool ask; /* false: nobody is asked, and nothing is known */
	ns_t timeout;
	struct soft_conf soft;
};

struct casc_counters {
	uint64_t taken, denied, bad, failed;
};

/* What is known is another, or (NULL) nobody is asked. The reference is the callee's to take. */
typedef void casc_publish_fn(void *arg, const struct cas_table *t);

struct casc;
/* n (borrowed) finds the services. NULL without memory. */
struct casc *casc_new(struct loop *l, struct naming *n, const struct casc_conf *c,
	casc_publish_fn *publish, void *arg);
void casc_free(struct casc *p);
/* What is known is kept. 0, or -ENOMEM and all is as before. */
int casc_set_conf(struct casc *p, const struct casc_conf *c);
/* A request wants the channel of this URL, of which nothing is known. */
void casc_want(struct casc *p, const struct addr *anycast, const char *path);
/* The naming may know a service now. */
void casc_wake(struct casc *p);

struct js *casc_show(const struct casc *p); /* an array */
const struct casc_counters *casc_counters(const struct casc *p);
int casc_known(const struct casc *p); /* URLs that have a channel */

#endif
