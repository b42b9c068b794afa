/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RTP and RTCP packets (RFC 3550), generic NACK feedback (RFC 4585, 6.2.1). Pure. */
#ifndef NEARCAST_RTP_H
#define NEARCAST_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RTP_HEADER 12

struct rtp {
	bool marker;
	uint8_t pt;
	uint16_t seq;
	uint32_t ts, ssrc;
	const uint8_t *payload; /* after CSRCs and extension, padding taken off */
	size_t payload_len;
};
/* 0 or -EINVAL (version, truncated header, padding longer than the packet). */
int rtp_parse(struct rtp *r, const uint8_t *p, size_t n);

/* RFC 5761: tells RTCP (packet types 192..223) from RTP on one port. */
bool rtp_is_rtcp(const uint8_t *p, size_t n);

/* Of a film's packets: what is counted from there does not overflow. */
#define RTP_PACKET_MAX (1ull << 48)

/* Where a source's sequence is to be gone on with: what Nearcast-From and Nearcast-Start say. */
struct rtp_from {
	int64_t seq;   /* the low 16 bits count; -1: from now on */
	bool has_ssrc; /* whose number it is is known: */
	uint32_t ssrc;
	bool has_packet; /* of a film: that number is */
	int64_t packet;  /* this packet of its file */
	bool at_key;     /* seq -1: not from now on, but from the newest key frame */
};

/* The extended (64-bit) number nearest to `ref` whose low 16 bits are seq. */
static inline int64_t rtp_seq_extend(int64_t ref, uint16_t seq)
{
	return ref + (int16_t)(uint16_t)(seq - (uint16_t)ref);
}
/* Likewise for timestamps. */
static inline int64_t rtp_ts_extend(int64_t ref, uint32_t ts)
{
	return ref + (int32_t)(uint32_t)(ts - (uint32_t)ref);
}

enum {
	RTCP_SR = 200,
	RTCP_RR = 201,
	RTCP_SDES = 202,
	RTCP_BYE = 203,
	RTCP_APP = 204,
	RTCP_RTPFB = 205,
	RTCP_PSFB = 206
};

/* One packet of a compound. */
struct rtcp {
	uint8_t count; /* or FMT, or APP's subtype */
	uint8_t type;
	uint32_t ssrc;       /* the sender's; 0 when the packet has none */
	const uint8_t *body; /* after the common 4-byte header */
	size_t len;          /* of body */
};
/* Walks a compound packet: *at starts at 0. 1: *r is the next; 0: the end; -EINVAL. */
int rtcp_next(struct rtcp *r, const uint8_t *p, size_t n, size_t *at);

struct rtcp_sr {
	uint64_t ntp;
	uint32_t rtp_ts, packets, octets;
};
int rtcp_sr_parse(struct rtcp_sr *s, const struct rtcp *r);

/* Calls fn for each sequence number that a NACK asks for (at most 17 a FCI). Count, or -EINVAL;
 * *media gets the media SSRC. */
int rtcp_nack_parse(
	const struct rtcp *r, uint32_t *media, void (*fn)(void *arg, uint16_t seq), void *arg);

/* Builders: append one packet to buf[cap] at *len. 0 or -ENOSPC (nothing appended). */
int rtcp_put_sr(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc, const struct rtcp_sr *sr);
int rtcp_put_rr(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc); /* empty RR */
int rtcp_put_rr_block(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
	uint8_t fraction, uint32_t lost, uint32_t ext_seq, uint32_t jitter);
int rtcp_put_sdes_cname(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc, const char *cname);
int rtcp_put_bye(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc);
/* seq[n] ascending (in sequence arithmetic); as many as fit are packed into FCIs; returns how
 * many of them went in, or -ENOSPC when none. */
int rtcp_put_nack(uint8_t *buf, size_t cap, size_t *len, uint32_t ssrc, uint32_t media,
	const uint16_t *seq, int n);

#endif
