/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fetches profiles (arn/profile.h) from a web directory, keeps them by the rules of lib/soft.h, and
 * publishes what is known whenever that changes. Nobody waits for one: until it is there, and when
 * it cannot be had, the configuration decides.
 *
 * Those of configured services are fetched ahead of demand, others when somebody asks there. Each is
 * asked for again (If-None-Match) before its time is over. A document that cannot be read is a
 * failure like a server that does not answer: what was known stays.
 */
#ifndef ARN_PROFILES_H
#define ARN_PROFILES_H

#include "arn/naming.h"
#include "arn/profile.h"

#define PROFILES_URL   256 /* with the NUL */
#define PROFILES_WANTS 16  /* new addresses at a time: who asks at many drives nobody's out */

struct profiles_conf {
	char url[PROFILES_URL]; /* "%s" in it stands for the anycast address; "": no profiles */
	char ca_file[256];
	ns_t timeout;
	struct soft_conf soft;     /* ttl_max is the time that a profile holds */
	const struct addr *pinned; /* borrowed during the call only */
	int pinned_n;
};

struct profiles_counters {
	uint64_t fetched, unchanged, denied, bad, failed;
};

/* NULL, or what is wrong with such a URL. "" is right. host, port: of the server. */
const char *profiles_check_url(const char *url, char host[DNS_NAME], uint16_t *port);

/* What is known is another, or (NULL) there are to be none. The reference is the callee's to take. */
typedef void profiles_publish_fn(void *arg, const struct profile_table *t);

struct profiles;
/* n (borrowed) finds the server. NULL without memory. */
struct profiles *profiles_new(struct loop *l, struct naming *n, const struct profiles_conf *c,
	profiles_publish_fn *publish, void *arg);
void profiles_free(struct profiles *p);
/* What is known is kept, unless the URL is another. 0, or -ENOMEM and all is as before. */
int profiles_set_conf(struct profiles *p, const struct profiles_conf *c);
/* A request came to this address, of which nothing is known. */
void profiles_want(struct profiles *p, const struct addr *anycast);
/* The naming may know the server now. */
void profiles_wake(struct profiles *p);

struct js *profiles_show(const struct profiles *p); /* an array */
const struct profiles_counters *profiles_counters(const struct profiles *p);
int profiles_known(const struct profiles *p);

#endif
