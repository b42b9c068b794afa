/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds out where content comes from: keeps what requests want to know (arn/origin.h), asks the DNS
 * for it (arn/resolve.h), and publishes what is known whenever that changes. What nobody asks for
 * any more is not asked for either, and forgotten after a while.
 */
#ifndef ARN_NAMING_H
#define ARN_NAMING_H

#include "arn/origin.h"
#include "lib/conf.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "lib/soft.h"

struct naming_conf {
	char zone[DNS_NAME];
	enum origin_form form;
	struct conf_addr_list servers; /* none: /etc/resolv.conf's */
	ns_t timeout;
	int tries;
	struct soft_conf soft;
	bool serves[2];      /* by enum text_proto */
	bool cas;            /* channel allocation services are to be known too (naming_cas) */
	char host[DNS_NAME]; /* a server that is to be known too (naming_host), "": none */
	uint16_t port;       /* its */
	const struct origin_rule *rule; /* borrowed during the call only */
	int rules;
};

struct naming_counters {
	uint64_t queries, answers, denials, failures;
};

/* Is called when something is known that was not. The reference is the callee's to take. */
typedef void naming_publish_fn(void *arg, const struct origins *o);

struct naming;
/* NULL with *err. Without rules and host it does nothing and has no sockets. */
struct naming *naming_new(struct loop *l, const struct naming_conf *c, naming_publish_fn *publish,
	void *arg, int *err);
void naming_free(struct naming *n);
/* What is known is kept. 0; or negative errno, and all is as before. */
int naming_set_conf(struct naming *n, const struct naming_conf *c);

/* A request wants this (WANT_ORIGIN). */
void naming_want(struct naming *n, const struct want *w);
/* Where the server of the configuration is; NULL: not known yet. Its `why`, if it has no targets. */
const struct origin_fact *naming_host(struct naming *n, const char *host, uint16_t port);
/* Where the channel allocation service of the address is; NULL: not known yet, or not to be known. */
const struct origin_fact *naming_cas(struct naming *n, const struct addr *anycast);
/* Records of that name, or all (NULL), are asked for again. How many there were. */
int naming_flush(struct naming *n, const char *name);

/* For operators: "origins" and "records", lists, are put into o. */
void naming_describe(const struct naming *n, struct js *o);
const struct naming_counters *naming_counters(const struct naming *n);
int naming_origins(const struct naming *n); /* how many are kept */

#endif
