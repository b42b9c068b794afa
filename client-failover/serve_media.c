/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Media to players, and their reports. */
#include <string.h>

#include "client-failover/serve.h"

#define SR_INTERVAL (5 * NS_S) /* RFC 3550, 6.2: the least that is usual */
#define RTCP_MAX    256
/* Players take media for one presentation, whose clocks they may compare, if their reports have
 * the same name (RFC 3550, 6.5.1). */
#define CNAME "nearcast-gateway"

static bool put(struct serve *s, struct serve_conn *c, const struct serve_medium *m, bool rtcp,
	const uint8_t *p, size_t n)
{
	if (m->tcp)
		return s->io->frame(s->arg, c->shell, m->channel[rtcp], p, n);
	s->io->udp(s->arg, rtcp, rtcp ? &m->rtcp : &m->rtp, p, n);
	return true;
}

/* The moment of the source's wall clock at which the medium is now, if the source has told. */
static bool clock_at(const struct serve_source *src, uint64_t *ntp)
{
	int64_t ticks = (int32_t)(src->ts - src->sr_ts), rate = src->clock_rate;

	if (!src->has_sr || src->sr_ssrc != src->ssrc)
		return false;
	/* 32 bits of seconds, 32 bits of their parts; a remainder is less than 2^32 ticks. */
	*ntp = src->sr_ntp + (uint64_t)(ticks / rate) * (1ull << 32) +
	       (uint64_t)((ticks % rate) * (1ll << 31) / rate * 2);
	return true;
}

static void report(struct serve *s, struct serve_conn *c, struct serve_medium *m,
	const struct serve_source *src, ns_t now)
{
	struct rtcp_sr sr = {.rtp_ts = src->ts, .packets = m->packets, .octets = m->octets};
	uint8_t buf[RTCP_MAX];
	size_t n = 0;

	if ((m->told && now < m->sr_at) || !clock_at(src, &sr.ntp))
		return;
	rtcp_put_sr(buf, sizeof(buf), &n, src->ssrc, &sr);
	rtcp_put_sdes_cname(buf, sizeof(buf), &n, src->ssrc, CNAME);
	put(s, c, m, true, buf, n);
	m->told = true;
	m->sr_at = now + SR_INTERVAL;
}

void serve_packet(struct serve *s, struct serve_channel *ch, int medium, const uint8_t *p, size_t n,
	ns_t at, ns_t now)
{
	struct serve_source *src = &ch->source[medium];
	struct serve_conn *c;
	struct rtp r;

	if (rtp_parse(&r, p, n))
		return;
	src->any = true;
	src->ssrc = r.ssrc;
	src->seq = r.seq;
	src->ts = r.ts;
	src->at = at;
	TAILQ_FOREACH(c, &ch->conns, of_channel)
	{
		struct serve_medium *m = &c->m[medium];

		if (c->play != SERVE_PLAYING || !m->set_up)
			continue;
		report(s, c, m, src, now);
		if (put(s, c, m, false, p, n)) {
			c->packets++;
			m->packets++;
			m->octets += (uint32_t)r.payload_len;
		} else {
			c->dropped++;
		}
	}
}

void serve_clock(struct serve_channel *ch, int medium, uint32_t ssrc, uint64_t ntp, uint32_t rtp_ts)
{
	struct serve_source *src = &ch->source[medium];

	src->has_sr = true;
	src->sr_ssrc = ssrc;
	src->sr_ntp = ntp;
	src->sr_ts = rtp_ts;
}

bool serve_position(const struct serve_source *m, ns_t now, uint16_t *seq, uint32_t *rtp_ts)
{
	int64_t since = now - m->at;

	if (!m->any)
		return false;
	*seq = (uint16_t)(m->seq + 1);
	*rtp_ts = m->ts + (uint32_t)(since / NS_S * m->clock_rate +
				     since % NS_S * (int64_t)m->clock_rate / NS_S);
	return true;
}

void serve_bye(struct serve *s, struct serve_conn *c)
{
	uint8_t buf[RTCP_MAX];

	for (int i = 0; c->play != SERVE_IDLE && i < c->channel->media; i++) {
		const struct serve_source *src = &c->channel->source[i];
		size_t n = 0;

		if (!c->m[i].set_up || !src->any)
			continue;
		rtcp_put_rr(buf, sizeof(buf), &n, src->ssrc);
		rtcp_put_sdes_cname(buf, sizeof(buf), &n, src->ssrc, CNAME);
		rtcp_put_bye(buf, sizeof(buf), &n, src->ssrc);
		put(s, c, &c->m[i], true, buf, n);
	}
}

/* Reports of a player that plays show that it is there, if nothing else does. */
void serve_rtcp_from(struct serve *s, const struct addr *from, ns_t now)
{
	struct serve_channel *ch;
	struct serve_conn *c;

	TAILQ_FOREACH(ch, &s->channels, entry)
	TAILQ_FOREACH(c, &ch->conns, of_channel)
	for (int i = 0; i < ch->media; i++)
		if (c->m[i].set_up && !c->m[i].tcp && addr_cmp(&c->m[i].rtcp, from) == 0)
			c->active = now;
}

void serve_frame_from(struct serve_conn *c, uint8_t channel, ns_t now)
{
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		if (c->m[i].set_up && c->m[i].tcp &&
			(c->m[i].channel[0] == channel || c->m[i].channel[1] == channel))
			c->active = now;
}
