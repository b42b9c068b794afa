/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTP and RTCP. Nodes relay packets as they are, so nothing here ever changes one: the parser looks
 * at the header, and the walker steps through a compound by the lengths its packets say, which
 * must add up to the datagram exactly (RFC 3550, A.2). What is built is only what a receiver
 * says: reports, its name, its leaving, and the generic NACK (RFC 4585, 6.2.1) that repair rests
 * on. A NACK's FCI is a first number and a bit mask of the 16 after it, so a burst of 17 costs
 * four bytes.
 */
#include "lib/rtp.h"

#include <errno.h>
#include <string.h>

#include "lib/cursor.h"

#define RTCP_MAX_WORDS 65535 /* of the length field */
#define NACK_FMT       1
#define SDES_CNAME     1
#define SR_LEN         24 /* SSRC and sender information */
#define REPORT_LEN     24 /* one report block */

int rtp_parse(struct rtp *r, const uint8_t *p, size_t n)
{
	struct rcur c = rcur_init(p, n);
	uint8_t flags = rcur_u8(&c);
	uint8_t mark_pt = rcur_u8(&c);
	size_t pad = 0;

	r->marker = mark_pt >> 7;
	r->pt = mark_pt & 0x7f;
	r->seq = rcur_u16(&c);
	r->ts = rcur_u32(&c);
	r->ssrc = rcur_u32(&c);
	rcur_take(&c, 4 * (size_t)(flags & 0x0f)); /* CSRCs */
	if (flags & 0x10) {                        /* extension: profile, length in words */
		rcur_u16(&c);
		rcur_take(&c, 4 * (size_t)rcur_u16(&c));
	}
	if (c.bad || flags >> 6 != 2)
		return -EINVAL;
	r->payload = c.p;
	r->payload_len = rcur_left(&c);
	if (flags & 0x20) {
		if (!r->payload_len)
			return -EINVAL;
		pad = p[n - 1];
		if (!pad || pad > r->payload_len)
			return -EINVAL;
	}
	r->payload_len -= pad;
	return 0;
}

bool rtp_is_rtcp(const uint8_t *p, size_t n)
{
	return n >= 2 && p[0] >> 6 == 2 && p[1] >= 192 && p[1] <= 223;
}

/* How many bytes of body a packet of this type has at least. */
static size_t rtcp_min_len(uint8_t type, uint8_t count)
{
	switch (type) {
	case RTCP_SR: return SR_LEN + REPORT_LEN * (size_t)count;
	case RTCP_RR: return 4 + REPORT_LEN * (size_t)count;
	case RTCP_SDES:
	case RTCP_BYE: return 4 * (size_t)count;
	case RTCP_APP: return 8; /* SSRC and name */
	case RTCP_RTPFB:
	case RTCP_PSFB: return 8; /* two SSRCs */
	default: return 0;
	}
}

int rtcp_next(struct rtcp *r, const uint8_t *p, size_t n, size_t *at)
{
	struct rcur c;
	uint8_t flags;
	size_t pad, least;

	if (*at >= n)
		return 0;
	c = rcur_init(p + *at, n - *at);
	flags = rcur_u8(&c);
	r->count = flags & 0x1f;
	r->type = rcur_u8(&c);
	r->len = 4 * (size_t)rcur_u16(&c);
	r->body = rcur_take(&c, r->len);
	if (c.bad || flags >> 6 != 2)
		return -EINVAL;
	if (flags & 0x20) {
		pad = r->len ? r->body[r->len - 1] : 0;
		if (!pad || pad % 4 || pad > r->len)
			return -EINVAL;
		r->len -= pad;
	}
	least = rtcp_min_len(r->type, r->count);
	if (r->len < least)
		return -EINVAL;
	r->ssrc = 0;
	if (least) {
		struct rcur body = rcur_init(r->body, r->len);

		r->ssrc = rcur_u32(&body);
	}
	*at = (size_t)(c.p - p);
	return 1;
}

int rtcp_sr_parse(struct rtcp_sr *s, const struct rtcp *r)
{
	struct rcur c = rcur_init(r->body, r->len);

	rcur_u32(&c); /* SSRC */
	s->ntp = rcur_u64(&c);
	s->rtp_ts = rcur_u32(&c);
	s->packets = rcur_u32(&c);
	s->octets = rcur_u32(&c);
	return c.bad || r->type != RTCP_SR ? -EINVAL : 0;
}

int rtcp_nack_parse(
	const struct rtcp *r, uint32_t *media, void (*fn)(void *arg, uint16_t seq), void *arg)
{
	struct rcur c = rcur_init(r->body, r->len);
	int count = 0;

	if (r->type != RTCP_RTPFB || r->count != NACK_FMT || r->len < 12 || r->len % 4)
		return -EINVAL;
	rcur_u32(&c); /* the sender's SSRC */
	*media = rcur_u32(&c);
	while (rcur_left(&c)) {
		uint16_t pid = rcur_u16(&c);
		uint16_t mask = rcur_u16(&c);

		fn(arg, pid);
		count++;
		for (unsigned i = 0; i < 16; i++)
			if (mask >> i & 1) {
				fn(arg, (uint16_t)(pid + 1 + i));
				count++;
			}
	}
	return count;
}

/* Where the next packet goes: what is left of buf. */
static struct wcur put_begin(uint8_t *buf, size_t cap, size_t len)
{
	return wcur_init(buf + len, len < cap ? cap - len : 0);
}

static void put_header(struct wcur *c, uint8_t count, uint8_t type, size_t body)
{
	wcur_u8(c, (uint8_t)(0x80 | count));
	wcur_u8(c, type);
	wcur_u16(c, (uint16_t)(body / 4));
}

static int put_end(const struct wcur *c, size_t *len)
{
	if (c->bad)
		return -ENOSPC;
	*len += wcur_len(c);
	return 0;
}

int rtcp_put_sr(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc, const struct rtcp_sr *sr)
{
	struct wcur c = put_begin(buf, cap, *len);

	put_header(&c, 0, RTCP_SR, 24);
	wcur_u32(&c, ssrc);
	wcur_u64(&c, sr->ntp);
	wcur_u32(&c, sr->rtp_ts);
	wcur_u32(&c, sr->packets);
	wcur_u32(&c, sr->octets);
	return put_end(&c, len);
}

int rtcp_put_rr(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc)
{
	struct wcur c = put_begin(buf, cap, *len);

	put_header(&c, 0, RTCP_RR, 4);
	wcur_u32(&c, ssrc);
	return put_end(&c, len);
}

int rtcp_put_rr_block(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
	uint8_t fraction, uint32_t lost, uint32_t ext_seq, uint32_t jitter)
{
	struct wcur c = put_begin(buf, cap, *len);

	if (lost > 0x7fffff) /* a signed 24-bit field, which does not wrap (RFC 3550, 6.4.1) */
		lost = 0x7fffff;
	put_header(&c, 1, RTCP_RR, 4 + REPORT_LEN);
	wcur_u32(&c, ssrc);
	wcur_u32(&c, media);
	wcur_u32(&c, (uint32_t)fraction << 24 | lost);
	wcur_u32(&c, ext_seq);
	wcur_u32(&c, jitter);
	wcur_u32(&c, 0); /* last SR */
	wcur_u32(&c, 0); /* delay since it */
	return put_end(&c, len);
}

int rtcp_put_sdes_cname(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc, const char *cname)
{
	struct wcur c = put_begin(buf, cap, *len);
	size_t n = strlen(cname);
	size_t item = 2 + n;
	size_t padded = (item / 4 + 1) * 4; /* at least one zero ends the list */

	if (n > 255)
		return -ENOSPC;
	put_header(&c, 1, RTCP_SDES, 4 + padded);
	wcur_u32(&c, ssrc);
	wcur_u8(&c, SDES_CNAME);
	wcur_u8(&c, (uint8_t)n);
	wcur_put(&c, cname, n);
	while (item++ < padded)
		wcur_u8(&c, 0);
	return put_end(&c, len);
}

int rtcp_put_bye(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc)
{
	struct wcur c = put_begin(buf, cap, *len);

	put_header(&c, 1, RTCP_BYE, 4);
	wcur_u32(&c, ssrc);
	return put_end(&c, len);
}

/* The FCI that begins at seq[0]: its mask, and how many numbers it takes. */
static int nack_fci(const uint16_t *seq, int n, uint16_t *mask)
{
	int i = 1;

	*mask = 0;
	for (; i < n; i++) {
		uint16_t ahead = (uint16_t)(seq[i] - seq[0]);

		if (ahead > 16)
			break;
		if (ahead) /* 0: said twice */
			*mask |= (uint16_t)(1u << (ahead - 1));
	}
	return i;
}

int rtcp_put_nack(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
	const uint16_t *seq, int n)
{
	struct wcur c = put_begin(buf, cap, *len);
	size_t room = (size_t)(c.end - c.p) / 4;
	int done = 0;

	if (n <= 0)
		return 0;
	if (room > RTCP_MAX_WORDS)
		room = RTCP_MAX_WORDS;
	if (room < 4) /* header, two SSRCs, one FCI */
		return -ENOSPC;
	put_header(&c, NACK_FMT, RTCP_RTPFB, 0);
	wcur_u32(&c, ssrc);
	wcur_u32(&c, media);
	for (size_t words = 3; done < n && words < room; words++) {
		uint16_t mask;
		int took = nack_fci(seq + done, n - done, &mask);

		wcur_u16(&c, seq[done]);
		wcur_u16(&c, mask);
		done += took;
	}
	c.start[2] = (uint8_t)((wcur_len(&c) / 4 - 1) >> 8);
	c.start[3] = (uint8_t)(wcur_len(&c) / 4 - 1);
	*len += wcur_len(&c);
	return done;
}
