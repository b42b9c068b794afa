/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stub resolver, on c-ares (dns.c alone includes it): questions go to the name servers of the
 * site, answers come back on the loop, read by lib/dnsmsg.c. Nothing is kept: that is its caller's.
 */
#ifndef NEARCAST_DNS_H
#define NEARCAST_DNS_H

#include "lib/clock.h"
#include "lib/dnsmsg.h"
#include "lib/loop.h"

struct dns_conf {
	const struct addr *server; /* borrowed; with their ports, 0: 53 */
	int servers;               /* 0: those of /etc/resolv.conf */
	ns_t timeout;              /* of the first try at a server; c-ares doubles it */
	int tries;                 /* at each server */
};

struct dns;
/* *err says why it is NULL. */
struct dns *dns_new(struct loop *l, const struct dns_conf *c, int *err);
/* Answers that are still to come never come. */
void dns_free(struct dns *d);
/* The servers that are asked, for messages: "10.8.0.53, 10.8.0.54". */
const char *dns_servers(const struct dns *d);

/* err 0: *m is the answer, which may say that there is nothing. Else m is NULL: -ETIMEDOUT,
 * -ECONNREFUSED, -EPROTO (an answer that is none), -EREMOTEIO (the server failed or refused),
 * -ENOMEM, -EINVAL (no such name can be asked). */
typedef void dns_cb(void *arg, int err, const struct dns_msg *m);
/* cb is called once, maybe from within. */
void dns_query(struct dns *d, const char *name, enum dns_type type, dns_cb *cb, void *arg);
/* "no answer", "refused", … for such an err. */
const char *dns_strerror(int err);

#endif
