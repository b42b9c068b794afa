/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guardian's hold on the floating next hop (nexthop.h): a packet socket on the LAN, which ends
 * with the process as the block does, so that nobody answers for V who cannot serve.
 *
 * It is open while the block is up, claimed or not, so that a claim is one system call. The kernel
 * passes on only what is about V (a filter). What strangers send of that is read a batch at a time
 * and then left alone for a moment: the guardian has real-time priority.
 */
#ifndef ARN_CLAIM_H
#define ARN_CLAIM_H

#include <stdint.h>

#include "arn/nexthop.h"

struct claim_counters {
	uint64_t answered;  /* questions for V */
	uint64_t contested; /* frames in which another host claimed V while it was claimed here */
};

struct claim;
/* NULL without memory. Nothing is opened yet. The name is borrowed. */
struct claim *claim_new(const struct addr *nexthop, const char *ifname);
void claim_free(struct claim *c);

/* 0 or negative errno: -ENODEV no such interface, -ENOTSUP it is no Ethernet, -EADDRINUSE V is an
 * address of this host, … Also when it is open already. */
int claim_open(struct claim *c);
void claim_close(struct claim *c); /* claim_set() is still to be told */

/* Claims V, quietly or not, or yields it. True when it was claimed or yielded now. */
bool claim_set(struct claim *c, bool claimed, bool quiet, ns_t now);
bool claim_held(const struct claim *c);

int claim_fd(const struct claim *c, ns_t now); /* to be polled for reading; -1: not now */
/* Answers what has come, announces what is due: to be called in each turn and at claim_when(). */
void claim_turn(struct claim *c, ns_t now);
ns_t claim_when(const struct claim *c);
const struct claim_counters *claim_counters(const struct claim *c);

#endif
