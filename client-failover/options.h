/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of client-failover. */
#ifndef NEARCAST_CLIENT_OPTIONS_H
#define NEARCAST_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "client-failover/delivery.h"
#include "lib/addr.h"
#include "lib/clock.h"

struct options {
	const char *url;              /* without the user */
	char user[64], password[128]; /* of the URL; user "": none */
	bool http;                    /* it is an object's, not a channel's */
	bool gateway;                 /* re-serve to players on this host, at: */
	struct addr gateway_at;
	const char *ts;      /* -o: a path, "-", or NULL */
	const char *rtpdump; /* a path, "-", or NULL */
	bool json, verbose;
	bool help, version;
	enum delivery_mode delivery;
	ns_t buffer;
	ns_t begin;    /* 0: from the beginning, or what is live */
	ns_t duration; /* NS_NEVER: to the end */
};

/* 0, or -EINVAL with what is wrong in err. Strings are argv's. */
int options_parse(struct options *o, int argc, char **argv, char err[256]);
void options_help(FILE *to);

#endif
