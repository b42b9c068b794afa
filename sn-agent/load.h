/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the node says of its load, so that it is true at once and not a second late: the bit rate
 * that is measured (over the last second), and of sessions that are younger than that what they
 * will add to it, by their channels' rates. No sockets and no clock.
 */
#ifndef NEARCAST_SN_LOAD_H
#define NEARCAST_SN_LOAD_H

#include "lib/survey.h"
#include "lib/wire.h"
#include "sn-agent/channel.h"
#include "sn-agent/session.h"

#define LOAD_WINDOW NS_S       /* that a session's bit rate takes to be measured */
#define LOAD_WAIT   (2 * NS_S) /* a session that does not play by then counts for nothing */

/* Brings the channels' bit rates up to date; to be called a few times a second. */
void load_rate(struct channels *c, ns_t now);
/* kbit/s: `measured`, and what is to come. */
uint64_t load_committed(const struct sessions *t, uint64_t measured, ns_t now);
/* The channels that are carried, into an announcement: max at most, the most wanted. */
void load_channels(const struct channels *c, struct announce *a, int max);
/* The answer to a survey in so many bytes: neighbours and then channels are left out as far as there is
 * no room. a->said has all but channels. Length; -EMSGSIZE: even without them it does not fit; -EINVAL. */
int load_survey(const struct channels *c, struct survey_answer *a, uint8_t *out, size_t cap);

#endif
