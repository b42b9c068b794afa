/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers of the DNS (RFC 1035, 4), as far as services are found by them: A, AAAA, CNAME, PTR, SRV
 * (RFC 2782), and how long a denial holds (RFC 2308). Pure and bounded: names are followed backwards
 * only, so that no compression makes a loop, and what there is no room for is left out.
 */
#ifndef NEARCAST_DNSMSG_H
#define NEARCAST_DNSMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

#define DNS_NAME    254 /* "cam.acme.com", without a dot at the end, lower case; with the NUL */
#define DNS_MAX_RRS 128

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_AAAA = 28, DNS_SRV = 33 };
enum dns_rcode { DNS_NOERROR = 0, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_REFUSED = 5 };

struct dns_rr {
	uint16_t type; /* DNS_A, DNS_AAAA, DNS_CNAME, DNS_PTR or DNS_SRV */
	uint32_t ttl;  /* s; RFC 2181, 8: 0 when its highest bit was set */
	char owner[DNS_NAME];
	struct addr addr;                /* A, AAAA; port 0 */
	uint16_t priority, weight, port; /* SRV */
	char target[DNS_NAME];           /* SRV ("": decidedly not there), CNAME, PTR */
};

struct dns_msg {
	int rcode;
	char name[DNS_NAME]; /* that was asked for */
	uint16_t type;
	struct dns_rr rr[DNS_MAX_RRS]; /* of the answer section */
	int rrs;
	bool has_soa;
	uint32_t negative_ttl; /* s, with has_soa: the smaller of the SOA's TTL and its minimum */
};

/* 0; -EINVAL: not a response to one question in class IN, malformed, or with a name that no host
 * has (others than letters, digits, '-' and '_' in it). */
int dns_parse(struct dns_msg *m, const uint8_t *p, size_t n);

/* Whether this can be the name of a host or service: labels of 1 to 63 of those characters. */
bool dns_name_ok(const char *name);
/* "SRV", "A", …, or "?". */
const char *dns_type_str(enum dns_type t);

#endif
