/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a name to hosts: SRV records, their targets' addresses, and aliases on the way (row D1). A
 * core: a walk over the records that are known (lib/soft.h), which asks for those that lack and
 * gives what it found. Nothing waits in it; whoever wants to know more walks again when an answer
 * has come.
 */
#ifndef ARN_RESOLVE_H
#define ARN_RESOLVE_H

#include "arn/origin.h"
#include "lib/dnsmsg.h"
#include "lib/soft.h"

#define RESOLVE_ALIASES 8 /* CNAMEs that are followed */

enum resolve_state {
	RESOLVE_PENDING,
	RESOLVE_FRESH,
	RESOLVE_STALE,
	RESOLVE_DENIED,
	RESOLVE_FAILED
};

struct resolved {
	enum resolve_state state;
	bool asking; /* RESOLVE_STALE: an answer may come yet */
	int targets;
	struct origin_target target[ORIGIN_TARGETS];
	char why[ORIGIN_WHY]; /* denied, failed, stale */
};

/* Is to ask the name servers; resolver_answer() or resolver_failure() follows, maybe from within. */
typedef void resolve_query_fn(void *arg, const char *name, enum dns_type type);

struct resolver;
struct resolver *resolver_new(const struct soft_conf *c, resolve_query_fn *query, void *arg);
void resolver_free(struct resolver *r);
void resolver_set_conf(struct resolver *r, const struct soft_conf *c);

void resolver_answer(struct resolver *r, const char *name, enum dns_type type,
	const struct dns_msg *m, ns_t now);
/* Questions under way will not be answered any more. */
void resolver_abandon(struct resolver *r);
void resolver_failure(
	struct resolver *r, const char *name, enum dns_type type, const char *why, ns_t now);

/* ask false: nothing is asked for, and nothing counts as used. */
/* The first of the names that has SRV records. */
void resolve_service(struct resolver *r, const char (*names)[DNS_NAME], int n, bool ask, ns_t now,
	struct resolved *out);
/* One target: a host's name, or an address. */
void resolve_host(struct resolver *r, const char *host, uint16_t port, bool ask, ns_t now,
	struct resolved *out);

/* The records themselves, for operators; keys are "TYPE NAME". */
struct soft *resolver_records(struct resolver *r);
struct js;
void resolver_describe(const struct soft_entry *e, struct js *o);

#endif
