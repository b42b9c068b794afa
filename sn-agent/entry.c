/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/entry.h"

#include "lib/rtp.h"

#define APART_MAX (60 * NS_S) /* media that are further apart have no common clock */

static uint32_t ts_of(const struct iovec *v)
{
	const uint8_t *p = v->iov_base; /* it has been parsed before it came into the ring */

	return (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
}

/* The first packet of the newest key frame, -1: none that is still there. */
static int64_t key_of(const struct medium *m)
{
	const struct keyframe *k = &m->key;
	int64_t at = k->at;
	struct iovec v;

	if (at < 0 || !ring_get(m->ring, at, &v))
		return -1;
	while (k->codec != KEYFRAME_TS && ring_get(m->ring, at - 1, &v) && ts_of(&v) == k->ts)
		at--;
	return at;
}

static bool report_of(const struct medium *m, struct rtcp_sr *sr)
{
	struct rtcp pkt;
	size_t at = 0;

	while (m->sr_len && rtcp_next(&pkt, m->sr, m->sr_len, &at) == 1)
		if (pkt.type == RTCP_SR && pkt.ssrc == m->ssrc && rtcp_sr_parse(sr, &pkt) == 0)
			return true;
	return false;
}

static ns_t ns_of(uint64_t ntp)
{
	return (ns_t)(ntp >> 32) * NS_S + (ns_t)((ntp & UINT32_MAX) * (uint64_t)NS_S >> 32);
}

/* The timestamp in `to` of the instant that `ts` is in `from`. False: nobody has said. */
static bool map_ts(const struct medium *from, uint32_t ts, const struct medium *to, uint32_t *out)
{
	struct rtcp_sr a, b;
	ns_t since_a, since_b;

	if (!report_of(from, &a) || !report_of(to, &b) || !from->clock_rate || !to->clock_rate)
		return false;
	since_a = (ns_t)(int32_t)(ts - a.rtp_ts) * NS_S / from->clock_rate;
	since_b = ns_of(a.ntp) - ns_of(b.ntp);
	if (since_a > APART_MAX || since_a < -APART_MAX || since_b > APART_MAX ||
		since_b < -APART_MAX)
		return false;
	since_b += since_a;
	*out = b.rtp_ts + (uint32_t)(since_b / 1000 * (int64_t)to->clock_rate / 1000000);
	return true;
}

/* The first packet of m that is not before the key frame `key` of ref; -1: what comes next. */
static int64_t match(const struct medium *ref, int64_t key, const struct medium *m)
{
	ns_t came = ring_came(ref->ring, key);
	uint32_t ts = 0;
	bool mapped = map_ts(ref, ref->key.ts, m, &ts);
	int64_t at = -1;
	struct iovec v;

	if (ring_empty(m->ring))
		return -1;
	for (int64_t i = ring_newest(m->ring); i >= ring_oldest(m->ring); i--) {
		if (!ring_get(m->ring, i, &v))
			continue;
		if (mapped ? (int32_t)(ts_of(&v) - ts) < 0 : ring_came(m->ring, i) < came)
			break;
		at = i;
	}
	return at;
}

bool entry_at_key(const struct channel *ch, unsigned media, int64_t first[SDP_MAX_MEDIA])
{
	const struct medium *ref = NULL;

	for (int i = 0; i < ch->media; i++) {
		first[i] = media & 1u << i ? key_of(&ch->medium[i]) : -1;
		if (first[i] >= 0 && !ref)
			ref = &ch->medium[i];
	}
	for (int i = 0; ref && i < ch->media; i++)
		if ((media & 1u << i) && ch->medium[i].key.codec == KEYFRAME_NONE)
			first[i] = match(ref, first[ref->index], &ch->medium[i]);
	return ref != NULL;
}
