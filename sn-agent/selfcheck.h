/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does the service work? Once a second the agent is its own client: it connects to its RTSP port
 * and asks OPTIONS, and sends itself a datagram through each of its media's sockets. So what stops
 * clients shows (no descriptors left, a listener that is gone, sockets that take nothing in, a loop
 * that comes round too late), not only what stops the process. A node whose check fails announces
 * that it is not healthy, and why; and always how long it takes to answer.
 *
 * What is not checked is what the agent does without: it writes nothing to a disk that a session
 * needs, so a full one does not make it unhealthy. The web server of `http.port` is another
 * matter: the ARNs ask it themselves, and if it is the agent's own, web.h does.
 */
#ifndef NEARCAST_SN_SELFCHECK_H
#define NEARCAST_SN_SELFCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/loop.h"
#include "lib/wire.h"
#include "sn-agent/media.h"

struct selfcheck;

typedef void selfcheck_cb(void *arg, bool healthy, const char *why);

/* at: where the server listens. random: gives what nobody can guess. every: from one
 * check to the next, and the time that each has for its answers; a loop that is late by half of it
 * does not serve. cb: when the verdict changes;
 * it begins as healthy. NULL without memory. */
struct selfcheck *selfcheck_new(struct loop *l, const struct addr *at, struct media *media,
	uint64_t (*random)(void), ns_t every, selfcheck_cb *cb, void *arg);
void selfcheck_free(struct selfcheck *k);
bool selfcheck_healthy(const struct selfcheck *k);
enum announce_trouble selfcheck_trouble(const struct selfcheck *k); /* when it is not */
/* Microseconds: of the last answer; the largest lateness of the loop in the last check; what a
 * client has to expect, which is the larger of both, smoothed. */
uint64_t selfcheck_answer_us(const struct selfcheck *k);
uint64_t selfcheck_lag_us(const struct selfcheck *k);
uint32_t selfcheck_delay_us(const struct selfcheck *k);

#endif
