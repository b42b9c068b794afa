/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who comes after a medium's source. Packets of another SSRC, or with numbers far away, may be those
 * of a publisher that is back, of a source that has begun anew, or a mistake, or a lie: of a source
 * over UDP nothing is known but its address. What they would replace is what receivers repair
 * their losses from. So they are kept aside until two of them go with each other (as in RFC 3550,
 * A.1), while the present source has been silent for SUCCESSOR_SILENCE. As long as that one is
 * heard, it is the only one. Nothing that was kept is lost when it is believed.
 *
 * A core: what becomes of the present one is the relay's.
 */
#ifndef NEARCAST_SN_SUCCESSOR_H
#define NEARCAST_SN_SUCCESSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/rtp.h"
#include "sn-agent/ring.h"

#define SUCCESSOR_SILENCE (200 * NS_MS)

/* Zeroed: there is none. */
struct successor {
	struct ring *ring; /* what came of it; NULL: nothing */
	uint32_t ssrc;
};

/* A packet (of n bytes, parsed: rtp) that does not go with `present` came. heard: when the present
 * source was, last. expected: one is to come, which is believed at once. True: it is believed, and
 * the ring has all of it. */
bool successor_put(struct successor *s, const struct ring *present, const struct rtp *rtp,
	const uint8_t *p, size_t n, ns_t heard, bool expected, ns_t now);
/* The present source was heard: there is none. */
void successor_forget(struct successor *s);

#endif
