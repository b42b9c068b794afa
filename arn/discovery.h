/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hearing the LAN: the group's socket, the seal (lib/wire.h), and what comes through goes to the
 * directory, or to who wants to hear of other ARNs. What does not is counted by its reason and
 * logged, not too often.
 */
#ifndef ARN_DISCOVERY_H
#define ARN_DISCOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "arn/directory.h"
#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/wire.h"

struct discovery_counters {
	uint64_t received;                /* datagrams */
	uint64_t announcements, goodbyes; /* accepted */
	uint64_t refused[WIRE_ERRORS];    /* by enum wire_error; a truncated datagram is
	                                   * WIRE_MALFORMED */
	uint64_t bad_payload;             /* sealed rightly, but not an announcement */
	uint64_t misnamed;                /* sealed by another node than it names */
	uint64_t bad_address;             /* names an address that no client can be sent to */
	uint64_t table_full;
	uint64_t lost;    /* in the socket's buffer, before we came to read them */
	uint64_t ignored; /* our own, of ARNs of other blocks, of other types */
};

struct discovery_conf {
	struct addr group;
	const char *interface; /* borrowed */
	ns_t skew;
	const struct wire_keys *keys; /* borrowed; may be changed in place */
	/* An ARN's announcement or goodbye. 0: accepted, -ENOSPC: no room, else of no interest. */
	int (*on_arn)(void *arg, const struct announce *a, enum wire_type type);
	void (*on_links)(void *arg); /* the interface, or an address of this host, may be another */
	void *arg;
};

struct discovery;
/* The interface need not be there yet: it is joined when it appears, and again when it was away.
 * *err says why it returned NULL. */
struct discovery *discovery_new(
	struct loop *l, const struct discovery_conf *c, struct directory *d, int *err);
void discovery_free(struct discovery *d);
/* Sends a sealed datagram to the group. 0 or negative errno, -ENOTCONN while it is not joined. */
int discovery_send(struct discovery *d, const void *p, size_t n);
bool discovery_joined(const struct discovery *d); /* the group is being heard */
const struct discovery_counters *discovery_counters(const struct discovery *d);

#endif
