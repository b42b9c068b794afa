/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every medium has a ring of slots by sequence number; lib/gap says what is new and what lacks.
 * Times in the slots are in the presentation's own clock, and `shift` makes them ours: a stall
 * moves all media by moving one number.
 *
 * When the source restarts, what is buffered of its former sequence goes to a list that is played
 * out before the new sequence begins. Two packets in a row have to agree on a new SSRC (RFC 3550,
 * A.1: probation), so that a stray packet does nothing.
 */
#include "client-failover/playout.h"

#include <stdlib.h>
#include <string.h>

#include "lib/gap.h"
#include "lib/rtp.h"

#define SLOTS     GAP_WINDOW
#define REORDER   (3 * NS_MS)
#define RETRY     (100 * NS_MS) /* until the first round-trip time is known */
#define JUMP      (10 * NS_S)   /* a timestamp that far from its arrival says nothing */
#define SEQ_FIRST 65536         /* so that numbers before the first one are not negative */
#define HINT_MAX  64            /* RTP-Info's number is believed that far before the first packet */
#define AHEAD_MAX 32            /* packets that are rather repeated than asked for singly */

struct packet {
	struct packet *next; /* in the list of a former sequence */
	int64_t seq;
	ns_t play; /* without shift */
	ns_t came;
	size_t len;
	uint8_t data[];
};

struct slot {
	struct packet *p;
	int64_t asked_seq;
	ns_t asked_at;
	uint32_t asks;
};

struct medium {
	uint32_t rate, ssrc;
	bool begun, restarted;
	struct gap *gap;
	struct slot *slot;
	int64_t head; /* the next to play */
	int64_t ts, base_ts;
	ns_t base;      /* when base_ts plays */
	int hint;       /* first number by RTP-Info, -1 */
	int64_t packet; /* of a film: its place in the file, -1: not told */
	int64_t place;  /* number + place is the packet in the file; when begun, and packet >= 0 */
	int64_t stop;   /* nothing beyond is taken */
	ns_t expected_at; /* when the end became known */
	int buffered;
	struct packet *probation;
	struct packet *old, *old_last; /* of a former sequence */

	/* For receiver reports. */
	int64_t first;
	uint64_t received, prior_expected, prior_received;
	bool has_transit;
	int64_t transit;
	uint32_t jitter16; /* × 16 */
};

struct playout {
	int medias;
	struct medium media[PLAYOUT_MAX_MEDIA];
	ns_t buffer, shift, retry;
	bool started, finished, stalled, unstalled;
	ns_t stalled_at, stood;
	ns_t newest; /* when the last of all plays, without shift */
	ns_t lowest;
	ns_t rtt;
	struct packet *given; /* by the last playout_next */
	struct playout_stats stats;
};

struct playout *playout_new(int medias, const uint32_t *clock_rate, ns_t buffer)
{
	const struct gap_conf conf = {.reorder = REORDER, .retry = RETRY, .give_up = NS_NEVER};
	struct playout *p;

	if (medias < 1 || medias > PLAYOUT_MAX_MEDIA)
		return NULL;
	p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->medias = medias;
	p->buffer = p->lowest = buffer;
	p->rtt = -1;
	p->retry = RETRY;
	for (int i = 0; i < medias; i++) {
		struct medium *m = &p->media[i];
		m->rate = clock_rate[i] ? clock_rate[i] : 90000;
		m->hint = m->packet = -1;
		m->stop = INT64_MAX;
		m->gap = gap_new(&conf);
		m->slot = calloc(SLOTS, sizeof *m->slot);
		if (!m->gap || !m->slot) {
			playout_free(p);
			return NULL;
		}
	}
	return p;
}

static void list_free(struct packet *k)
{
	while (k) {
		struct packet *next = k->next;
		free(k);
		k = next;
	}
}

void playout_free(struct playout *p)
{
	if (!p)
		return;
	for (int i = 0; i < p->medias; i++) {
		struct medium *m = &p->media[i];
		for (int k = 0; m->slot && k < SLOTS; k++)
			free(m->slot[k].p);
		free(m->slot);
		free(m->probation);
		list_free(m->old);
		gap_free(m->gap);
	}
	free(p->given);
	free(p);
}

static struct slot *slot_of(const struct medium *m, int64_t seq)
{
	return &m->slot[(uint64_t)seq % SLOTS];
}

/* ---- packets come ---- */

static struct packet *packet_new(const uint8_t *data, size_t len, ns_t now)
{
	struct packet *k = calloc(1, sizeof *k + len);

	if (k) {
		memcpy(k->data, data, len);
		k->len = len;
		k->came = now;
	}
	return k;
}

static ns_t ticks(int64_t d, uint32_t rate)
{
	return d / rate * NS_S + d % rate * NS_S / rate;
}

static ns_t play_time(const struct medium *m, int64_t ts)
{
	return m->base + ticks(ts - m->base_ts, m->rate);
}

/* The sequence begins with this packet (or shortly before it, as RTP-Info said). */
static void begin(struct playout *p, struct medium *m, const struct rtp *r, ns_t now)
{
	int64_t first = SEQ_FIRST + r->seq;

	if (m->hint >= 0) {
		int64_t told = rtp_seq_extend(first, (uint16_t)m->hint);
		m->place = m->packet - told;
		if (told < first && first - told <= HINT_MAX)
			first = told;
		m->hint = -1;
	} else {
		m->packet = -1;
	}
	gap_begin(m->gap, first);
	m->begun = true;
	m->ssrc = r->ssrc;
	m->head = m->first = first;
	m->ts = m->base_ts = r->ts;
	m->base = now + p->buffer - p->shift;
	m->received = m->prior_expected = m->prior_received = 0;
	m->has_transit = false;
	m->jitter16 = 0;
}

static void old_append(struct medium *m, struct packet *k)
{
	k->next = NULL;
	if (m->old_last)
		m->old_last->next = k;
	else
		m->old = k;
	m->old_last = k;
}

/* What is there of the former sequence is kept for its time; what lacks of it is lost. */
static void retire(struct playout *p, struct medium *m)
{
	for (int64_t s = m->head; s <= gap_highest(m->gap); s++) {
		struct slot *sl = slot_of(m, s);
		if (sl->p && sl->p->seq == s) {
			old_append(m, sl->p);
			sl->p = NULL;
			m->buffered--;
		} else {
			p->stats.lost++;
		}
	}
	m->restarted = true;
}

static bool agrees(const struct packet *k, const struct rtp *r)
{
	struct rtp a;

	return rtp_parse(&a, k->data, k->len) == 0 && a.ssrc == r->ssrc &&
	       (uint16_t)(r->seq - a.seq - 1) < 16;
}

/* A packet of no sequence that we know: the second of its kind begins a new one. */
static enum playout_seen probation(struct playout *p, int media, const struct rtp *r,
	const uint8_t *data, size_t len, ns_t now)
{
	struct medium *m = &p->media[media];
	struct packet *before = m->probation;

	if (!before || !agrees(before, r)) {
		free(before);
		m->probation = packet_new(data, len, now);
		return PLAYOUT_DUPLICATE;
	}
	m->probation = NULL;
	retire(p, m);
	m->begun = false;
	playout_put(p, media, before->data, before->len, now);
	free(before);
	return playout_put(p, media, data, len, now);
}

static void jitter(struct medium *m, const struct rtp *r, ns_t now)
{
	/* In two parts: no clock rate that an SDP can name makes either overflow. */
	int64_t arrival = now / NS_S * m->rate + now % NS_S * m->rate / NS_S;
	int64_t transit = arrival - (int64_t)r->ts;

	if (m->has_transit) {
		int32_t d = (int32_t)(uint32_t)(transit - m->transit);
		uint32_t a = d < 0 ? 0u - (uint32_t)d : (uint32_t)d;
		m->jitter16 += a - ((m->jitter16 + 8) >> 4);
	}
	m->has_transit = true;
	m->transit = transit;
}

/* A packet that continues the stream: sets the clock anew when it stalled, or when the timestamps
 * have jumped. */
static void clock_check(struct playout *p, struct medium *m, int64_t ts, ns_t now)
{
	ns_t late = now - (play_time(m, ts) + p->shift);

	if (p->started && p->newest + p->shift <= now) {
		if (late > 0) {
			p->shift += late + p->buffer;
			late = -p->buffer;
		}
		if (p->stalled) {
			p->stalled = false;
			p->unstalled = true;
			p->stood = now - p->stalled_at;
		}
	}
	if (late > JUMP || -late > JUMP + p->buffer) {
		/* Counted from here: jumps, one after the other, would not end. */
		m->base = play_time(m, ts) + late + p->buffer;
		m->base_ts = ts;
	}
}

static void store(struct playout *p, struct medium *m, const struct rtp *r, struct packet *k,
	bool live, ns_t now)
{
	int64_t ts = rtp_ts_extend(m->ts, r->ts);

	if (live) {
		m->ts = ts;
		clock_check(p, m, ts, now);
		jitter(m, r, now);
	}
	k->play = play_time(m, ts);
	if (!p->started || k->play > p->newest)
		p->newest = k->play;
	p->started = true;
	slot_of(m, k->seq)->p = k;
	m->buffered++;
	m->received++;
	p->stats.received++;
}

static void recovered(struct playout *p, struct medium *m, int64_t seq, ns_t now)
{
	struct slot *s = slot_of(m, seq);

	if (s->asked_seq != seq || s->asks == 0)
		return; /* only reordered */
	p->stats.recovered++;
	if (s->asks == 1)
		p->rtt = now - s->asked_at;
}

static void note_level(struct playout *p, ns_t now)
{
	ns_t level = playout_level(p, now);

	if (p->started && !p->finished && level < p->lowest)
		p->lowest = level;
}

enum playout_seen playout_put(
	struct playout *p, int media, const uint8_t *data, size_t len, ns_t now)
{
	struct medium *m = &p->media[media];
	struct rtp r;
	struct packet *k;

	if (rtp_parse(&r, data, len) < 0 || rtp_is_rtcp(data, len))
		return PLAYOUT_BAD;
	note_level(p, now);
	if (!m->begun)
		begin(p, m, &r, now);
	int64_t seq = gap_extend(m->gap, r.seq);
	if (r.ssrc != m->ssrc || seq - gap_highest(m->gap) >= GAP_WINDOW / 2)
		return probation(p, media, &r, data, len, now);
	if (seq > m->stop || seq - m->head >= SLOTS)
		return PLAYOUT_DUPLICATE; /* not wanted, or no room: it will be asked for */
	k = packet_new(data, len, now);
	if (!k)
		return PLAYOUT_DUPLICATE;
	k->seq = seq;
	switch (gap_see(m->gap, seq, now)) {
	case GAP_NEW: store(p, m, &r, k, true, now); return PLAYOUT_LIVE;
	case GAP_RECOVERED:
		recovered(p, m, seq, now);
		store(p, m, &r, k, false, now);
		return PLAYOUT_RECOVERED;
	case GAP_DUPLICATE:
	case GAP_OLD:
	case GAP_RESTART: break;
	}
	free(k);
	p->stats.duplicates++;
	return PLAYOUT_DUPLICATE;
}

void playout_begins(struct playout *p, int media, uint16_t seq, int64_t packet)
{
	struct medium *m = &p->media[media];

	if (m->begun)
		return;
	m->hint = seq;
	m->packet = packet;
}

void playout_ends(struct playout *p, int media, uint16_t seq, ns_t now)
{
	struct medium *m = &p->media[media];

	if (!m->begun)
		return;
	gap_expect(m->gap, gap_extend(m->gap, seq), now);
	m->expected_at = now;
}

void playout_stop(struct playout *p)
{
	for (int i = 0; i < p->medias; i++)
		p->media[i].stop = p->media[i].begun ? gap_highest(p->media[i].gap) : -1;
	p->finished = true;
}

void playout_finish(struct playout *p)
{
	p->finished = true;
}

/* ---- packets go ---- */

/* What a medium has to give next, and when. */
struct ready {
	struct medium *m;
	struct packet *k; /* NULL: the gap from m->head up to `to` ends without a packet */
	bool old;
	int64_t to; /* first number that is not part of the gap */
	ns_t at;    /* its place among the media: playout time */
	ns_t due;
};

static bool medium_ready(const struct playout *p, struct medium *m, struct ready *out)
{
	int64_t highest;
	struct packet *k = NULL;

	if (m->old) {
		ns_t at = m->old->play + p->shift;
		*out = (struct ready){m, m->old, true, 0, at, at};
		return true;
	}
	if (!m->begun)
		return false;
	highest = gap_highest(m->gap);
	if (m->head > highest)
		return false;
	int64_t s = m->head;
	for (; s <= highest && m->buffered; s++) {
		k = slot_of(m, s)->p;
		if (k && k->seq == s)
			break;
		k = NULL;
	}
	if (k) {
		ns_t at = k->play + p->shift, wait = s > m->head ? k->came + p->buffer : 0;
		*out = (struct ready){m, k, false, s, at, at > wait ? at : wait};
	} else {
		ns_t at = p->newest + p->shift, wait = m->expected_at + p->buffer;
		*out = (struct ready){m, NULL, false, highest + 1, at, at > wait ? at : wait};
	}
	return true;
}

static bool first_ready(const struct playout *p, bool by_place, struct ready *best)
{
	bool any = false;
	struct ready r;

	for (int i = 0; i < p->medias; i++) {
		if (!medium_ready(p, (struct medium *)&p->media[i], &r))
			continue;
		if (!any || (by_place ? r.at < best->at : r.due < best->due))
			*best = r;
		any = true;
	}
	return any;
}

static enum playout_kind give(struct playout *p, const struct ready *r, struct playout_item *item)
{
	struct medium *m = r->m;

	item->at = r->at;
	if (!r->old && m->restarted) {
		m->restarted = false;
		return item->kind = PLAYOUT_RESTARTED;
	}
	if (!r->old && r->to > m->head) {
		item->seq = m->head;
		item->count = r->to - m->head;
		p->stats.lost += (uint64_t)item->count;
		gap_forget(m->gap, r->to);
		m->head = r->to;
		return item->kind = PLAYOUT_GAP;
	}
	struct packet *k = r->k;
	if (r->old) {
		m->old = k->next;
		if (!m->old)
			m->old_last = NULL;
	} else {
		slot_of(m, k->seq)->p = NULL;
		m->buffered--;
		m->head = k->seq + 1;
	}
	p->given = k;
	p->stats.written++;
	item->seq = k->seq;
	item->data = k->data;
	item->len = k->len;
	return item->kind = PLAYOUT_PACKET;
}

enum playout_kind playout_next(struct playout *p, ns_t now, bool flush, struct playout_item *item)
{
	struct ready r;

	*item = (struct playout_item){.kind = PLAYOUT_NOTHING};
	free(p->given);
	p->given = NULL;
	note_level(p, now);
	if (p->unstalled) {
		p->unstalled = false;
		item->stall = p->stood;
		return item->kind = PLAYOUT_UNSTALLED;
	}
	if (!first_ready(p, flush, &r)) {
		if (p->started && !p->stalled && !p->finished && p->newest + p->shift <= now) {
			p->stalled = true;
			p->stalled_at = now;
			item->kind = PLAYOUT_STALLED;
		}
		return item->kind;
	}
	if (!flush && r.due > now)
		return PLAYOUT_NOTHING;
	item->media = (int)(r.m - p->media);
	return give(p, &r, item);
}

ns_t playout_when(const struct playout *p)
{
	struct ready r;

	if (p->unstalled)
		return 0;
	if (first_ready(p, false, &r))
		return r.due;
	return p->started && !p->stalled && !p->finished ? p->newest + p->shift : NS_NEVER;
}

/* ---- what lacks ---- */

int playout_due(struct playout *p, int media, ns_t now, uint16_t seq[PLAYOUT_MAX_NACK])
{
	struct medium *m = &p->media[media];
	int64_t due[PLAYOUT_MAX_NACK];
	int n;

	if (!m->begun)
		return 0;
	n = gap_due(m->gap, now, due, PLAYOUT_MAX_NACK);
	for (int i = 0; i < n; i++) {
		struct slot *s = slot_of(m, due[i]);
		if (s->asked_seq != due[i]) {
			s->asked_seq = due[i];
			s->asks = 0;
		}
		s->asked_at = now;
		if (s->asks++ == 0)
			p->stats.nacked++;
		seq[i] = (uint16_t)due[i];
	}
	return n;
}

ns_t playout_due_when(const struct playout *p)
{
	ns_t t = NS_NEVER;

	for (int i = 0; i < p->medias; i++)
		if (p->media[i].begun && gap_when(p->media[i].gap) < t)
			t = gap_when(p->media[i].gap);
	return t;
}

void playout_set_retry(struct playout *p, ns_t retry)
{
	if (retry == p->retry)
		return;
	p->retry = retry;
	for (int i = 0; i < p->medias; i++)
		gap_set_retry(p->media[i].gap, retry);
}

void playout_rearm(struct playout *p, ns_t now)
{
	for (int i = 0; i < p->medias; i++)
		if (p->media[i].begun)
			gap_rearm(p->media[i].gap, now);
}

ns_t playout_rtt(struct playout *p)
{
	ns_t t = p->rtt;

	p->rtt = -1;
	return t;
}

/* The number that a new node is to begin with. */
static int64_t from_number(const struct medium *m, bool *holes)
{
	int64_t after = gap_highest(m->gap) + 1, next = gap_next(m->gap);

	*holes = after - next - gap_missing(m->gap) > AHEAD_MAX;
	return *holes ? after : next;
}

int64_t playout_from(const struct playout *p, int media, bool *holes)
{
	const struct medium *m = &p->media[media];

	*holes = false;
	return m->begun ? from_number(m, holes) & 0xffff : -1;
}

int64_t playout_from_packet(const struct playout *p, int media)
{
	const struct medium *m = &p->media[media];
	bool holes;

	return m->begun && m->packet >= 0 ? from_number(m, &holes) + m->place : -1;
}

/* ---- figures ---- */

bool playout_ssrc(const struct playout *p, int media, uint32_t *ssrc)
{
	*ssrc = p->media[media].ssrc;
	return p->media[media].begun;
}

bool playout_report(struct playout *p, int media, struct playout_report *r)
{
	struct medium *m = &p->media[media];

	if (!m->begun)
		return false;
	uint64_t expected = (uint64_t)(gap_highest(m->gap) - m->first + 1);
	int64_t lost = (int64_t)(expected - m->received);
	uint64_t exp_now = expected - m->prior_expected;
	int64_t lost_now = (int64_t)exp_now - (int64_t)(m->received - m->prior_received);
	m->prior_expected = expected;
	m->prior_received = m->received;
	*r = (struct playout_report){.ssrc = m->ssrc,
		.highest = (uint32_t)(gap_highest(m->gap) - SEQ_FIRST),
		.jitter = m->jitter16 >> 4,
		.lost = lost < 0          ? 0
	                : lost > 0x7fffff ? 0x7fffff
	                                  : (uint32_t)lost};
	if (exp_now && lost_now > 0)
		r->fraction = lost_now >= (int64_t)exp_now
		                      ? 255
		                      : (uint8_t)(((uint64_t)lost_now << 8) / exp_now);
	return true;
}

ns_t playout_level(const struct playout *p, ns_t now)
{
	ns_t level = p->newest + p->shift - now;

	return p->started && level > 0 ? level : 0;
}

ns_t playout_lowest(const struct playout *p)
{
	return p->lowest;
}

int playout_missing(const struct playout *p)
{
	int n = 0;

	for (int i = 0; i < p->medias; i++)
		if (p->media[i].begun)
			n += gap_missing(p->media[i].gap);
	return n;
}

bool playout_empty(const struct playout *p)
{
	struct ready r;

	return !first_ready(p, false, &r);
}

struct playout_stats playout_stats(const struct playout *p)
{
	struct playout_stats s = p->stats;

	s.missing = playout_missing(p);
	return s;
}
