/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The anycast block in this host's kernel: a TUN interface that carries the block's first host
 * address (so that a routing daemon sees the block as a connected network) and a local route for
 * the whole block (so that every address of it is ours).
 */
#ifndef ARN_BLOCK_H
#define ARN_BLOCK_H

#include <stdbool.h>

#include "lib/addr.h"

struct block;

/* NULL: *err says why. Nothing is made yet. bare: the interface does not carry the block as a whole,
 * only the addresses that block_put() adds. */
struct block *block_new(const struct prefix *p, const char *ifname, bool bare, int *err);
void block_free(struct block *b); /* drops it too */

/* Makes the interface, the route and, last, the address. Also after block_withdraw, which it takes
 * back. 0, or negative errno: then nothing is left of it. */
int block_raise(struct block *b);
/* Takes away only the address: routing daemons withdraw the block from the network, while packets
 * to it that still come are still ours. 0 or negative errno. */
int block_withdraw(struct block *b);
/* Closes the descriptor, and the kernel removes all. */
void block_drop(struct block *b);

/* Adds an address of the block, by itself, or removes it. 0 or negative errno, -ENODEV when there is no
 * interface. */
int block_put(struct block *b, const struct addr *a, bool add);

int block_fd(const struct block *b); /* -1 when there is none; POLLERR: someone removed it */

/* The address that it carries: the block's first host, or the only one. */
struct addr block_first_host(const struct prefix *p);

#endif
