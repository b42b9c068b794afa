/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rtp.h"

#define AHEAD_MAX 4096 /* who asks for a number that far ahead is mistaken */

void relay_init(struct relay *r, const struct relay_io *io, void *arg)
{
	*r = (struct relay){.io = io, .arg = arg, .few = RELAY_FEW};
}

/* ---- sending ---- */

static uint64_t bytes_of(const struct iovec *v, int n)
{
	uint64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += v[i].iov_len;
	return sum;
}

static int send_rtp(struct relay *r, struct receiver *v, const struct iovec *iov, int n)
{
	uint64_t bytes;
	int sent;

	if (n == 0)
		return 0;
	sent = v->tcp ? r->io->tcp(r->arg, v->conn, v->channel[0], iov, n)
	              : r->io->udp(r->arg, false, &v->rtp, iov, n);
	if (sent < 0)
		sent = 0;
	bytes = bytes_of(iov, sent);
	v->packets += (uint64_t)sent;
	v->bytes += bytes;
	v->dropped += (uint64_t)(n - sent);
	r->packets_out += (uint64_t)sent;
	r->bytes_out += bytes;
	r->dropped += (uint64_t)(n - sent);
	return sent;
}

int relay_offer(struct relay *r, struct receiver *v, const struct iovec *iov, int n)
{
	int sent = send_rtp(r, v, iov, n);

	v->dropped -= (uint64_t)(n - sent);
	r->dropped -= (uint64_t)(n - sent);
	return sent;
}

static void send_rtcp(struct relay *r, struct receiver *v, const uint8_t *p, size_t n)
{
	struct iovec iov = {(void *)p, n};

	if (v->tcp)
		r->io->tcp(r->arg, v->conn, v->channel[1], &iov, 1);
	else
		r->io->udp(r->arg, true, &v->rtcp, &iov, 1);
}

/* What of the fresh packets this receiver is to get now: all that it wants and that its catching
 * up will not reach. */
static int wanted(const struct receiver *v, const int64_t *seq, const struct iovec *all, int n,
	struct iovec *out)
{
	int k = 0;

	for (int i = 0; i < n; i++)
		if (seq[i] >= v->start && (v->cursor == RECEIVER_LIVE || seq[i] < v->cursor))
			out[k++] = all[i];
	return k;
}

static void flush_medium(struct relay *r, struct medium *m)
{
	struct iovec all[MEDIUM_BATCH], some[MEDIUM_BATCH];
	int64_t seq[MEDIUM_BATCH], least = INT64_MAX;
	int n = 0;

	m->due = NS_NEVER;
	m->urgent = false;
	if (m->n_fresh == 0)
		return;
	/* Looked up only now: what came since may have pushed an old one out again. */
	for (int i = 0; i < m->n_fresh; i++) {
		if (!ring_get(m->ring, m->fresh[i], &all[n]))
			continue;
		seq[n] = m->fresh[i];
		if (seq[n] < least)
			least = seq[n];
		n++;
	}
	m->n_fresh = 0;
	for (int i = 0; i < m->receivers; i++) {
		struct receiver *v = m->receiver[i];

		if (v->quiet)
			continue;
		if (v->cursor == RECEIVER_LIVE && v->start <= least)
			send_rtp(r, v, all, n);
		else
			send_rtp(r, v, some, wanted(v, seq, all, n, some));
	}
}

/* When what this turn brought is to be sent. */
static ns_t due_at(const struct relay *r, const struct medium *m, ns_t now)
{
	ns_t pause = now - m->turn_at;

	if (m->urgent || r->delay == 0 || r->receivers < r->few)
		return now;
	if (m->due != NS_NEVER)
		return m->due; /* the first that waits decides for all */
	/* Before a frame is whole a player has no use for it. */
	if (m->framed)
		return now + r->delay;
	/* So seldom that waiting would join no three; or a burst. */
	if (pause > r->delay / 2)
		return now;
	/* Several at once came some time since the last turn: the loop was busy. */
	return now + r->delay - (m->n_turn > 1 ? pause : 0);
}

void relay_turn(struct relay *r, ns_t now)
{
	struct medium **p = &r->dirty, *m;
	ns_t wake = NS_NEVER;

	while ((m = *p)) {
		if (m->n_turn) {
			m->due = due_at(r, m, now);
			m->turn_at = now;
			m->n_turn = 0;
		}
		if (now < m->due && m->n_fresh) {
			if (m->due < wake)
				wake = m->due;
			p = &m->dirty;
			continue;
		}
		*p = m->dirty;
		m->is_dirty = false;
		flush_medium(r, m);
	}
	if (wake != NS_NEVER)
		r->io->wake(r->arg, wake);
}

void relay_flush(struct relay *r)
{
	while (r->dirty) {
		struct medium *m = r->dirty;

		r->dirty = m->dirty;
		m->is_dirty = false;
		flush_medium(r, m);
	}
}

/* ---- from the origin ---- */

static void note_fresh(struct relay *r, struct medium *m, int64_t seq, bool urgent)
{
	if (m->n_fresh == MEDIUM_BATCH)
		flush_medium(r, m);
	m->fresh[m->n_fresh++] = seq;
	m->n_turn++;
	m->urgent |= urgent;
	if (!m->is_dirty) {
		m->is_dirty = true;
		m->dirty = r->dirty;
		r->dirty = m;
	}
}

/* Its wish is a number of a source that is not this one. */
static bool is_of_another(const struct receiver *v, const struct medium *m)
{
	return v->has_source && m->has_ssrc && v->source != m->ssrc;
}

/* Those who wait for whatever comes next, or for a source that is no more: this is it. */
static void begin_here(struct medium *m, int64_t seq)
{
	for (int i = 0; i < m->receivers; i++)
		if (m->receiver[i]->start == RECEIVER_NEXT || is_of_another(m->receiver[i], m))
			m->receiver[i]->start = seq;
}

/* A packet of the present source is new, and in the ring. */
static void take(
	struct relay *r, struct medium *m, const struct rtp *rtp, size_t n, int64_t seq, ns_t now)
{
	bool urgent = rtp->marker || seq < m->last;

	if (seq > m->last) {
		if (rtp->marker)
			m->framed = seq == m->last + 1 && rtp->ts == m->last_ts;
		m->last = seq;
		m->last_ts = rtp->ts;
		m->last_at = now;
	}
	keyframe_see(&m->key, seq, rtp);
	m->packets++;
	m->bytes += n;
	r->packets_in++;
	r->bytes_in += n;
	note_fresh(r, m, seq, urgent);
}

/* What is said of the source is said of none. */
static void forget_source(struct medium *m)
{
	keyframe_init(&m->key, m->key.codec);
	m->sr_len = 0;
	m->bye = false;
}

void relay_doubt(struct medium *m)
{
	forget_source(m);
	m->in_doubt = !ring_empty(m->ring);
}

/* The successor is the source from now on: what was is sent, then forgotten. The newest number. */
static int64_t succeed(struct relay *r, struct medium *m, ns_t now)
{
	struct successor next = m->next;
	struct iovec v;
	struct rtp rtp;

	flush_medium(r, m);
	for (int i = 0; i < m->receivers; i++)
		m->receiver[i]->cursor = RECEIVER_LIVE;
	ring_free(m->ring);
	forget_source(m);
	m->ring = next.ring;
	m->next = (struct successor){0};
	if (m->ssrc != next.ssrc) {
		m->was_other = true;
		m->former = m->ssrc;
		m->ssrc = next.ssrc;
	}
	m->in_doubt = false;
	m->last = -1;
	r->restarts++;
	begin_here(m, ring_oldest(m->ring));
	for (int64_t seq = ring_oldest(m->ring); seq <= ring_newest(m->ring); seq++)
		if (ring_get(m->ring, seq, &v) && rtp_parse(&rtp, v.iov_base, v.iov_len) == 0)
			take(r, m, &rtp, v.iov_len, seq, now);
	return ring_newest(m->ring);
}

int relay_rtp(struct relay *r, struct medium *m, const uint8_t *p, size_t n, ns_t now, int64_t *seq)
{
	bool first = ring_empty(m->ring);
	enum ring_put put = RING_FAR;
	struct rtp rtp;

	if (rtp_parse(&rtp, p, n) || n > RING_MTU) {
		r->malformed++;
		return -EINVAL;
	}
	if (first || m->ssrc == rtp.ssrc)
		put = ring_put(m->ring, rtp.seq, p, n, now, seq);
	if (put == RING_FAR) {
		if (!successor_put(&m->next, m->ring, &rtp, p, n, m->last_at, m->in_doubt, now))
			return RING_FAR;
		*seq = succeed(r, m, now);
		return RING_NEW;
	}
	successor_forget(&m->next);
	m->in_doubt = false;
	if (put != RING_NEW) {
		r->duplicates++;
		m->duplicates++;
		return put;
	}
	m->has_ssrc = true;
	m->ssrc = rtp.ssrc;
	if (first)
		begin_here(m, *seq);
	take(r, m, &rtp, n, *seq, now);
	return RING_NEW;
}

/* Whether a BYE is for this source. GStreamer's publisher says it for others of its own first. */
static bool names(const struct rtcp *r, uint32_t ssrc)
{
	for (size_t i = 0; i < r->count && 4 * i + 4 <= r->len; i++) {
		const uint8_t *p = r->body + 4 * i;

		if (((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) ==
			ssrc)
			return true;
	}
	return false;
}

int relay_origin_rtcp(struct relay *r, struct medium *m, const uint8_t *p, size_t n)
{
	bool sr = false, bye = false;
	struct rtcp pkt;
	size_t at = 0;
	int got;

	while ((got = rtcp_next(&pkt, p, n, &at)) == 1) {
		sr |= pkt.type == RTCP_SR && pkt.ssrc == m->ssrc;
		bye |= pkt.type == RTCP_BYE && names(&pkt, m->ssrc);
	}
	if (got < 0 || at == 0) {
		r->rtcp_malformed++;
		return -EINVAL;
	}
	if (sr && n <= sizeof(m->sr)) {
		memcpy(m->sr, p, n);
		m->sr_len = n;
	}
	m->bye |= bye;
	if (m->is_dirty)
		flush_medium(r, m); /* reports and BYE do not overtake what they speak of */
	for (int i = 0; i < m->receivers; i++)
		if (!m->receiver[i]->quiet)
			send_rtcp(r, m->receiver[i], p, n);
	return 0;
}

void relay_send_report(struct relay *r, struct receiver *v)
{
	if (v->medium && v->medium->sr_len && !v->medium->bye && !v->quiet)
		send_rtcp(r, v, v->medium->sr, v->medium->sr_len);
}

void relay_send_bye(struct relay *r, struct receiver *v)
{
	uint8_t buf[64];
	size_t n = 0;

	if (!v->medium || v->medium->bye || !v->medium->has_ssrc || v->quiet)
		return;
	if (rtcp_put_rr(buf, sizeof(buf), &n, v->medium->ssrc) == 0 &&
		rtcp_put_bye(buf, sizeof(buf), &n, v->medium->ssrc) == 0)
		send_rtcp(r, v, buf, n);
}

/* ---- receivers ---- */

static int attach(struct relay *r, struct medium *m, struct receiver *v)
{
	if (m->receivers == m->room) {
		int room = m->room ? 2 * m->room : 8;
		struct receiver **more = realloc(m->receiver, (size_t)room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		m->receiver = more;
		m->room = room;
	}
	v->medium = m;
	v->slot = m->receivers;
	m->receiver[m->receivers++] = v;
	r->receivers++;
	return 0;
}

/* Whether the ring's packets come after those that it has of another source. */
static bool follows(const struct medium *m, const struct receiver *v)
{
	if (m->in_doubt)
		return false;
	return m->channel->publisher || (m->was_other && m->former == v->source);
}

int64_t relay_add(
	struct relay *r, struct medium *m, struct receiver *v, int64_t from, ns_t now, int *err)
{
	int64_t newest = ring_empty(m->ring) ? -1 : ring_newest(m->ring);
	bool all = false;

	if (newest >= 0 && from >= 0 && is_of_another(v, m)) {
		all = follows(m, v);
		from = all ? from : -1;
	}
	*err = attach(r, m, v);
	if (*err)
		return -1;
	v->cursor = RECEIVER_LIVE;
	v->refilled = now;
	v->budget = RELAY_REPAIR;
	v->lacking = RELAY_LACKS;
	if ((newest < 0 || m->in_doubt) && from < 0) {
		v->start = RECEIVER_NEXT;
		return -1;
	}
	v->start = from < 0 ? newest + 1 : ring_extend(m->ring, (uint16_t)from);
	if (all)
		v->start = ring_oldest(m->ring);
	if (newest < 0) {
		ring_hint(m->ring, v->start);
		return v->start;
	}
	if (v->start > newest + AHEAD_MAX)
		v->start = newest + 1;
	if (v->start <= newest) {
		v->cursor = v->start;
		v->paced = 0;
		v->next_catching = r->catching;
		r->catching = v;
	}
	return v->start;
}

static void stop_catching(struct relay *r, struct receiver *v)
{
	struct receiver **p = &r->catching;

	while (*p && *p != v)
		p = &(*p)->next_catching;
	if (*p)
		*p = v->next_catching;
	v->next_catching = NULL;
	v->cursor = RECEIVER_LIVE;
}

void relay_remove(struct relay *r, struct receiver *v)
{
	struct medium *m = v->medium;

	if (!m)
		return;
	stop_catching(r, v);
	m->receiver[v->slot] = m->receiver[--m->receivers];
	r->receivers--;
	m->receiver[v->slot]->slot = v->slot;
	v->medium = NULL;
}

/* Packets in a millisecond, of 1250 bytes and more. */
static int pace(const struct receiver *v)
{
	return v->player ? RELAY_PLAYER + (int)(v->medium->channel->kbps / 5000) : RELAY_PACE;
}

/* True when it has caught up. */
static bool catch_up(struct relay *r, struct receiver *v, ns_t now)
{
	struct medium *m = v->medium;
	struct iovec iov[RELAY_FIRST];
	int max = RELAY_FIRST, n, sent;
	int64_t at = v->cursor, seq, end;

	if (v->paced) {
		int64_t ms = (now - v->paced) / NS_MS;

		if (ms <= 0)
			return false;
		max = ms * pace(v) > RELAY_FIRST ? RELAY_FIRST : (int)ms * pace(v);
	}
	v->paced = now;
	/* What waits is sent to all together, and to this one once. */
	if (m->urgent)
		flush_medium(r, m);
	end = m->n_fresh ? m->fresh[0] : ring_newest(m->ring) + 1;
	n = ring_collect(m->ring, &at, end, iov, max);
	sent = send_rtp(r, v, iov, n);
	if (v->tcp && sent < n) {
		/* Here the queue being full means only: later. */
		v->dropped -= (uint64_t)(n - sent);
		r->dropped -= (uint64_t)(n - sent);
		seq = v->cursor < ring_oldest(m->ring) ? ring_oldest(m->ring) : v->cursor;
		ring_collect(m->ring, &seq, end, iov, sent);
		v->cursor = seq;
		return false;
	}
	v->cursor = at;
	return at >= end;
}

ns_t relay_catch_up(struct relay *r, ns_t now)
{
	struct receiver *v, *next;

	for (v = r->catching; v; v = next) {
		next = v->next_catching;
		if (ring_empty(v->medium->ring) || catch_up(r, v, now))
			stop_catching(r, v);
	}
	return r->catching ? now + NS_MS : NS_NEVER;
}

/* ---- feedback ---- */

struct repair {
	struct relay *r;
	struct receiver *v;
	ns_t now;
	uint32_t media; /* SSRC: whose numbers they are */
	struct iovec iov[MEDIUM_BATCH];
	int n;
};

static void repair_send(struct repair *x)
{
	int sent = send_rtp(x->r, x->v, x->iov, x->n);

	x->v->repaired += (uint64_t)sent;
	x->r->repaired += (uint64_t)sent;
	x->n = 0;
}

static bool charge(struct relay *r, double *budget)
{
	if (*budget < 1) {
		r->repairs_refused++;
		return false;
	}
	*budget -= 1;
	return true;
}

/* Of a film, which may have to be fetched first: it will be asked for again. */
static void repair_viewer(struct repair *x, uint16_t seq16)
{
	struct relay *r = x->r;

	if (!charge(r, &x->v->budget))
		return;
	if (!r->io->stored(r->arg, x->v, seq16, &x->iov[x->n], x->now))
		r->unrepaired++;
	else if (++x->n == MEDIUM_BATCH)
		repair_send(x);
}

static void repair_one(void *arg, uint16_t seq16)
{
	struct repair *x = arg;
	struct relay *r = x->r;
	struct receiver *v = x->v;
	struct medium *m = v->medium;
	int64_t seq = ring_extend(m->ring, seq16);

	r->nacks++;
	if (v->viewer) {
		repair_viewer(x, seq16);
		return;
	}
	if (x->media != m->ssrc) {
		r->unrepaired++; /* of a source that is not here, or no more */
		return;
	}
	if (seq >= v->cursor && v->cursor != RECEIVER_LIVE)
		return; /* its catching up comes to it */
	if (ring_get(m->ring, seq, &x->iov[x->n])) {
		if (!charge(r, &v->budget))
			return;
		if (++x->n == MEDIUM_BATCH)
			repair_send(x);
		return;
	}
	/* Of its own, so that numbers that nobody has do not cost it, if it is a node, the repairs
	 * of all others behind it. */
	if (!charge(r, &v->lacking))
		return;
	r->unrepaired++;
	if (seq < v->start)
		v->start = seq;
	r->io->missing(r->arg, m, seq);
}

static void refill(struct receiver *v, ns_t now)
{
	double s = (double)(now - v->refilled) / (double)NS_S;

	v->budget += s * RELAY_REPAIR;
	if (v->budget > RELAY_REPAIR)
		v->budget = RELAY_REPAIR;
	v->lacking += s * RELAY_LACKS;
	if (v->lacking > RELAY_LACKS)
		v->lacking = RELAY_LACKS;
	v->refilled = now;
}

int relay_feedback(struct relay *r, struct receiver *v, const uint8_t *p, size_t n, ns_t now)
{
	struct repair x = {.r = r, .v = v, .now = now};
	struct rtcp pkt;
	size_t at = 0;
	int got;

	refill(v, now);
	while ((got = rtcp_next(&pkt, p, n, &at)) == 1) {
		if (pkt.type == RTCP_RR && pkt.count > 0 && pkt.len >= 4 + 24)
			v->fraction_lost = pkt.body[8];
		if (pkt.type != RTCP_RTPFB || pkt.count != 1 || !v->medium)
			continue;
		if (rtcp_nack_parse(&pkt, &x.media, repair_one, &x) < 0)
			break;
	}
	if (x.n)
		repair_send(&x);
	if (got != 0 || at == 0) {
		r->rtcp_malformed++;
		return -EINVAL;
	}
	return 0;
}
