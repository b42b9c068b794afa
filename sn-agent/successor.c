/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/successor.h"

void successor_forget(struct successor *s)
{
	ring_free(s->ring);
	*s = (struct successor){0};
}

bool successor_put(struct successor *s, const struct ring *present, const struct rtp *rtp,
	const uint8_t *p, size_t n, ns_t heard, bool expected, ns_t now)
{
	enum ring_put put = RING_FAR;
	int64_t seq;

	if (s->ring && s->ssrc == rtp->ssrc)
		put = ring_put(s->ring, rtp->seq, p, n, now, &seq);
	if (put == RING_FAR) {
		/* It is the first of its kind. */
		successor_forget(s);
		s->ssrc = rtp->ssrc;
		s->ring = ring_next(present);
		if (!s->ring)
			return false;
		ring_put(s->ring, rtp->seq, p, n, now, &seq);
	}
	if (expected)
		return !ring_empty(s->ring);
	return ring_count(s->ring) > 1 && now - heard >= SUCCESSOR_SILENCE;
}
