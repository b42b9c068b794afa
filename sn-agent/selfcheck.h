/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does the service work? Once a second the agent is its own client: it connects to its RTSP port
 * and asks OPTIONS. So what stops clients shows (no descriptors left, a listener that is gone, a
 * loop that comes round too late), not only what stops the process. A node whose check fails
 * announces that it is not healthy.
 */
#ifndef NEARCAST_SN_SELFCHECK_H
#define NEARCAST_SN_SELFCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/loop.h"

struct selfcheck;

typedef void selfcheck_cb(void *arg, bool healthy, const char *why);

/* at: where the server listens. cb: when the verdict changes; it begins as healthy. NULL without
 * memory. */
struct selfcheck *selfcheck_new(struct loop *l, const struct addr *at, selfcheck_cb *cb, void *arg);
void selfcheck_free(struct selfcheck *k);
bool selfcheck_healthy(const struct selfcheck *k);
/* Microseconds: of the last answer; the largest lateness of the loop in the last check. */
uint64_t selfcheck_answer_us(const struct selfcheck *k);
uint64_t selfcheck_lag_us(const struct selfcheck *k);

#endif
