/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the redirectors on the LAN that this node is there, how loaded it is, and whether it works
 * (figure 5: service nodes announce themselves to a well-known group). Sealed (lib/wire.h), so that
 * a stranger can neither attract clients nor remove a node. The last word is a goodbye.
 */
#ifndef NEARCAST_SN_ANNOUNCER_H
#define NEARCAST_SN_ANNOUNCER_H

#include <stdint.h>

#include "lib/addr.h"
#include "lib/loop.h"
#include "lib/wire.h"

struct announcer;

/* Fills in what is so now; interval_ms too. */
typedef void announcer_cb(void *arg, struct announce *a);

/* Announces at once and then every a->interval_ms. keys: borrowed; may be changed in place. On error
 * NULL with a message in err[256]. */
struct announcer *announcer_new(struct loop *l, const char *name, const struct addr *group,
	const char *ifname, const struct wire_keys *keys, announcer_cb *cb, void *arg,
	char err[256]);
/* Something changed that should be known at once. */
void announcer_now(struct announcer *an);
/* Says goodbye and is silent from now on. */
void announcer_goodbye(struct announcer *an);
void announcer_free(struct announcer *an);
uint64_t announcer_sent(const struct announcer *an);

#endif
