/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/keyframe.h"

#include "lib/cursor.h"

enum keyframe_codec keyframe_codec(struct slice encoding)
{
	if (slice_ieq(encoding, SLICE("H264")))
		return KEYFRAME_H264;
	if (slice_ieq(encoding, SLICE("H265")))
		return KEYFRAME_H265;
	return slice_ieq(encoding, SLICE("MP2T")) ? KEYFRAME_TS : KEYFRAME_NONE;
}

void keyframe_init(struct keyframe *k, enum keyframe_codec codec)
{
	*k = (struct keyframe){.codec = codec, .seen = -1, .tables = -1, .at = -1};
}

/* ---- H.264 (RFC 6184, 5.2; figures are of ITU-T H.264) ---- */

enum {
	H264_IDR = 5,
	H264_SEI = 6,
	H264_STAP_A = 24,
	H264_STAP_B = 25,
	H264_FU_A = 28,
	H264_FU_B = 29,
	H264_RECOVERY = 6, /* SEI payload */
	FU_START = 0x80
};

/* A number of the SEI's kind: bytes of 255, and a last one (7.3.2.3.1). */
static unsigned sei_number(struct rcur *c)
{
	unsigned sum = 0;
	uint8_t b;

	do {
		b = rcur_u8(c);
		sum += b;
	} while (b == 255);
	return sum;
}

/* A recovery point whose recovery_frame_cnt, ue(v), is 0: a single bit 1. (Emulation prevention
 * bytes may lie in longer messages; those of interest come before them.) */
static bool is_recovery_point(struct rcur c)
{
	while (rcur_left(&c) > 2) { /* 2: what may be left are trailing bits */
		unsigned type = sei_number(&c), size = sei_number(&c);
		const uint8_t *payload = c.p;

		rcur_take(&c, size);
		if (c.bad)
			return false;
		if (type == H264_RECOVERY && size > 0)
			return payload[0] & 0x80;
	}
	return false;
}

static bool h264_nal(const uint8_t *p, size_t n)
{
	struct rcur c = rcur_init(p, n);
	uint8_t type = rcur_u8(&c) & 0x1f;

	return !c.bad && (type == H264_IDR || (type == H264_SEI && is_recovery_point(c)));
}

/* Aggregated: length and NAL unit, repeatedly. */
static bool any_nal(struct rcur c, bool (*is_key)(const uint8_t *p, size_t n))
{
	while (rcur_left(&c) > 0) {
		size_t n = rcur_u16(&c);
		const uint8_t *p = c.p;

		rcur_take(&c, n);
		if (c.bad)
			return false;
		if (is_key(p, n))
			return true;
	}
	return false;
}

static bool h264_key(const uint8_t *p, size_t n)
{
	struct rcur c = rcur_init(p, n);
	uint8_t type = rcur_u8(&c) & 0x1f, fu;

	switch (type) {
	case H264_STAP_B:
		rcur_u16(&c); /* decoding order number; then as STAP-A */ /* fall through */
	case H264_STAP_A: return !c.bad && any_nal(c, h264_nal);
	case H264_FU_A:
	case H264_FU_B:
		fu = rcur_u8(&c);
		return !c.bad && (fu & FU_START) && (fu & 0x1f) == H264_IDR;
	default: return h264_nal(p, n);
	}
}

/* ---- H.265 (RFC 7798, 4.4) ---- */

enum { H265_IRAP_FIRST = 16, H265_IRAP_LAST = 23, H265_AP = 48, H265_FU = 49 };

static bool is_irap(unsigned type)
{
	return type >= H265_IRAP_FIRST && type <= H265_IRAP_LAST;
}

static bool h265_nal(const uint8_t *p, size_t n)
{
	return n >= 2 && is_irap(p[0] >> 1 & 0x3f);
}

static bool h265_key(const uint8_t *p, size_t n)
{
	struct rcur c = rcur_init(p, n);
	unsigned type = rcur_u8(&c) >> 1 & 0x3f;
	uint8_t fu;

	rcur_u8(&c);
	if (type == H265_AP)
		return !c.bad && any_nal(c, h265_nal);
	if (type != H265_FU)
		return h265_nal(p, n);
	fu = rcur_u8(&c);
	return !c.bad && (fu & FU_START) && is_irap(fu & 0x3f);
}

/* ---- MPEG-TS (ISO/IEC 13818-1, 2.4.3) ---- */

enum { TS_SIZE = 188, TS_SYNC = 0x47, TS_UNIT_START = 0x40, TS_RANDOM_ACCESS = 0x40 };

/* A PES of video begins here (2.4.3.7). */
static bool is_video(struct rcur c)
{
	bool prefix = rcur_u16(&c) == 0 && rcur_u8(&c) == 1;
	uint8_t stream = rcur_u8(&c);

	return !c.bad && prefix && stream >= 0xe0 && stream <= 0xef;
}

static bool ts_packet_key(const uint8_t *p)
{
	bool field = p[3] & 0x20, payload = p[3] & 0x10;
	size_t len = p[4];

	/* A field of 183 bytes leaves no payload. */
	return (p[1] & TS_UNIT_START) && field && payload && len > 0 && len < 183 &&
	       (p[5] & TS_RANDOM_ACCESS) && is_video(rcur_init(p + 5 + len, TS_SIZE - 5 - len));
}

static void ts_see(struct keyframe *k, int64_t seq, const struct rtp *r)
{
	const uint8_t *p = r->payload;

	for (size_t n = r->payload_len; n >= TS_SIZE && *p == TS_SYNC; n -= TS_SIZE, p += TS_SIZE) {
		unsigned pid = (unsigned)(p[1] & 0x1f) << 8 | p[2];

		if (pid == 0 && (p[1] & TS_UNIT_START))
			k->tables = seq;
		/* Without tables a player has no use for it. */
		if (k->tables >= 0 && ts_packet_key(p)) {
			k->at = k->tables;
			k->ts = r->ts;
		}
	}
}

void keyframe_see(struct keyframe *k, int64_t seq, const struct rtp *p)
{
	if (seq <= k->seen)
		return;
	k->seen = seq;
	if (k->codec == KEYFRAME_TS) {
		ts_see(k, seq, p);
	} else if ((k->codec == KEYFRAME_H264 && h264_key(p->payload, p->payload_len)) ||
		   (k->codec == KEYFRAME_H265 && h265_key(p->payload, p->payload_len))) {
		k->at = seq;
		k->ts = p->ts;
	}
}
