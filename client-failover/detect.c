/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The largest recent gap is kept as one maximum for each eighth of the memory, so that it takes
 * constant space and forgets smoothly. A coded video sends in bursts, one a frame: at 25 frames a
 * second the largest gap is near 40 ms and a silence of 160 ms is suspicious; a stream that
 * stutters is given more before it is suspected again.
 */
#include "client-failover/detect.h"

#include <string.h>

void detect_init(struct detect *d, const struct detect_conf *c)
{
	memset(d, 0, sizeof *d);
	d->conf = *c;
}

static int64_t slice_at(const struct detect *d, ns_t t)
{
	return t / (d->conf.memory / DETECT_BUCKETS);
}

void detect_packet(struct detect *d, ns_t now)
{
	int64_t slice = slice_at(d, now);

	if (!d->started) {
		d->started = true;
		d->since = now;
		d->slice = slice;
	}
	if (slice - d->slice >= DETECT_BUCKETS) {
		memset(d->gap, 0, sizeof d->gap);
		d->slice = slice;
	}
	while (d->slice < slice)
		d->gap[++d->slice % DETECT_BUCKETS] = 0;
	if (d->listening) {
		ns_t *g = &d->gap[d->slice % DETECT_BUCKETS];
		if (now - d->last > *g)
			*g = now - d->last;
	}
	d->listening = true;
	d->last = now;
}

void detect_pause(struct detect *d)
{
	d->listening = false;
}

void detect_resume(struct detect *d, ns_t now)
{
	d->listening = false;
	d->last = now;
}

ns_t detect_bound(const struct detect *d)
{
	ns_t largest = 0;

	if (!d->started || d->last - d->since < d->conf.acquaintance)
		return d->conf.most;
	for (int i = 0; i < DETECT_BUCKETS; i++)
		if (d->gap[i] > largest)
			largest = d->gap[i];
	if (largest > d->conf.most / d->conf.factor)
		return d->conf.most;
	largest *= d->conf.factor;
	return largest < d->conf.least ? d->conf.least : largest;
}

ns_t detect_when(const struct detect *d)
{
	return d->started ? d->last + detect_bound(d) : NS_NEVER;
}
