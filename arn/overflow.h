/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell around wide.h: its timer, the questions to nodes (surveyor.h) and to the DNS (lookups.h),
 * and the directory, in which eligible nodes are while they are eligible.
 */
#ifndef ARN_OVERFLOW_H
#define ARN_OVERFLOW_H

#include "arn/directory.h"
#include "arn/lookups.h"
#include "arn/surveyor.h"
#include "arn/wide.h"
#include "lib/loop.h"

struct overflow_conf {
	const char *name; /* of this ARN, borrowed */
	ns_t skew;
	const struct wire_keys *keys; /* borrowed; may be changed in place */
	struct wide_conf wide;        /* what it points to is borrowed for the call only */
	struct dns_conf dns;          /* likewise */
};

struct overflow;
/* d is borrowed. NULL without memory. */
struct overflow *overflow_new(struct loop *l, const struct overflow_conf *c, struct directory *d);
/* Far nodes stay in the directory, which is not to be used for clients after it. */
void overflow_free(struct overflow *o);
/* again: see wide_set_conf(); 0 or -ENOMEM: all is as before, but for the name servers. */
int overflow_set_conf(struct overflow *o, const struct overflow_conf *c, bool again);
/* To be called every so often: looks at the loads. */
void overflow_look(struct overflow *o);
/* A client says that a node failed it. */
void overflow_accuse(struct overflow *o, const char *id);
/* Something was put into the core from outside (arn/flood.h): does what is due for it. */
void overflow_wake(struct overflow *o);

struct wide *overflow_wide(struct overflow *o);
const struct surveyor *overflow_surveyor(const struct overflow *o);
const struct lookups *overflow_lookups(const struct overflow *o);

#endif
