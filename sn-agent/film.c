/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/film.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cursor.h"
#include "lib/secret.h"

#define PT_MP2T   33
#define MARKS_MAX (FILM_BLOCK / TS_PACKET + 4)
#define BEFORE                                                                                     \
	(60 * TS_HZ) /* a clock that far before the first one is rather that than 26 h late */
#define KBPS_LEAST 8 /* what the ends of the file tell is not believed beyond these */
#define KBPS_MOST  1000000
#define TABLES_MAX (64 * TS_PACKET) /* so far before a random access point its tables may be */

int film_init(struct film *f, const char *path, const struct film_id *id)
{
	char mem[1024];
	uint8_t hash[16];
	struct rcur r;
	struct sbuf b;

	*f = (struct film){.id = *id};
	if (id->size <= 0)
		return -EINVAL;
	if (id->size > FILM_SIZE_MAX)
		return -EFBIG;
	sbuf_init(&b, mem, sizeof(mem));
	sbuf_printf(&b, "%s\n%s\n%lld", path, id->tag, (long long)id->size);
	secret_hash(NULL, "film", b.p, b.n, hash, sizeof(hash));
	r = rcur_init(hash, sizeof(hash));
	f->ssrc = rcur_u32(&r) | 1; /* 0 is no good name */
	f->ts0 = rcur_u32(&r);
	f->seq0 = 65536 + rcur_u16(&r);
	f->packets = (id->size + FILM_PAYLOAD - 1) / FILM_PAYLOAD;
	f->blocks = (id->size + FILM_BLOCK - 1) / FILM_BLOCK;
	f->part = calloc((size_t)f->blocks, sizeof(*f->part));
	ts_program_init(&f->program);
	return f->part ? 0 : -ENOMEM;
}

void film_free(struct film *f)
{
	free(f->part);
	f->part = NULL;
}

/* ---- the clocks of a block ---- */

/* The TS packet at that place of the reel's block. */
static const uint8_t *ts_at(const struct film_reel *r, int64_t offset)
{
	return r->packet[offset / FILM_PAYLOAD] + RTP_HEADER + offset % FILM_PAYLOAD;
}

static int64_t reel_bytes(const struct film_reel *r)
{
	return (int64_t)(r->packets - 1) * FILM_PAYLOAD + (int64_t)r->last;
}

/* All clocks of the reel into m[MARKS_MAX - 4]: how many. */
static int marks_of(const struct film *f, const struct film_reel *r, struct film_mark *m)
{
	int64_t begin = r->block * FILM_BLOCK, n = reel_bytes(r);
	struct ts t;
	int k = 0;

	for (int64_t at = 0; at + TS_PACKET <= n; at += TS_PACKET)
		if (ts_parse(&t, ts_at(r, at)) == 0 && t.pcr >= 0 && t.pid == f->program.pcr)
			m[k++] = (struct film_mark){begin + at, t.pcr, t.discontinuity};
	return k;
}

static void note_part(struct film *f, const struct film_reel *r)
{
	struct film_mark m[MARKS_MAX];
	struct film_part *p = &f->part[r->block];
	int n = marks_of(f, r, m);

	*p = (struct film_part){.known = true, .marks = n};
	if (n == 0)
		return;
	p->first[0] = m[0];
	p->first[1] = m[n > 1 ? 1 : 0];
	p->last[0] = m[n > 1 ? n - 2 : 0];
	p->last[1] = m[n - 1];
}

static bool find_program(struct film *f, const struct film_reel *r)
{
	int64_t n = reel_bytes(r);
	struct ts t;

	for (int64_t at = 0; at + TS_PACKET <= n; at += TS_PACKET)
		if (ts_parse(&t, ts_at(r, at)) == 0 && ts_program_see(&f->program, &t))
			return true;
	return false;
}

int film_fill(struct film *f, struct film_reel *r, int64_t block, const uint8_t *p)
{
	size_t n = (size_t)film_block_bytes(f, block), k;

	r->block = block;
	r->packets = (int)((n + FILM_PAYLOAD - 1) / FILM_PAYLOAD);
	r->stamped = false;
	for (int i = 0; i < r->packets; i++, p += k, n -= k) {
		k = n < FILM_PAYLOAD ? n : FILM_PAYLOAD;
		memcpy(r->packet[i] + RTP_HEADER, p, k);
		r->last = k;
	}
	if (block == 0 && !find_program(f, r))
		return -EINVAL;
	note_part(f, r);
	return 0;
}

/* ---- the film as a whole ---- */

int64_t film_lacks(const struct film *f)
{
	if (!f->part[0].known)
		return 0;
	for (int64_t b = f->blocks - 1; b >= 0 && b > f->blocks - 1 - FILM_TAIL; b--) {
		if (!f->part[b].known)
			return b;
		if (f->part[b].marks)
			break;
	}
	return -1;
}

static int64_t around(int64_t pcr)
{
	pcr %= TS_WRAP;
	return pcr < 0 ? pcr + TS_WRAP : pcr;
}

int64_t film_time(const struct film *f, int64_t pcr)
{
	int64_t d = around(pcr - f->begins);

	return d >= TS_WRAP - BEFORE ? d - TS_WRAP : d;
}

/* What so many bytes take in the mean. In floating point, which has room for it; the result is the
 * same on all machines (IEEE 754). */
static int64_t mean_ticks(const struct film *f, int64_t bytes)
{
	return (int64_t)((double)bytes * (double)f->rate_ticks / (double)f->rate_bytes);
}

static bool rate_between(struct film *f, const struct film_mark *a, const struct film_mark *b)
{
	f->rate_bytes = b->at - a->at;
	f->rate_ticks = around(b->pcr - a->pcr);
	if (f->rate_bytes <= 0 || f->rate_ticks <= 0)
		return false;
	return film_kbps(f) >= KBPS_LEAST && film_kbps(f) <= KBPS_MOST;
}

int film_measure(struct film *f)
{
	const struct film_part *head = &f->part[0], *tail = head;

	for (int64_t b = f->blocks - 1; b > 0 && b > f->blocks - 1 - FILM_TAIL; b--)
		if (f->part[b].marks) {
			tail = &f->part[b];
			break;
		}
	if (!head->marks || !tail->marks)
		return -EINVAL;
	/* The ends tell, unless the clock has jumped between them; then the beginning does. */
	f->begins = head->first[0].pcr;
	if (rate_between(f, &head->first[0], &tail->last[1])) {
		f->begins = around(f->begins - mean_ticks(f, head->first[0].at));
		f->duration = film_time(f, tail->last[1].pcr) +
		              mean_ticks(f, f->id.size - tail->last[1].at);
	} else if (rate_between(f, &head->first[0], &head->last[1])) {
		f->begins = around(f->begins - mean_ticks(f, head->first[0].at));
		f->duration = mean_ticks(f, f->id.size);
	} else {
		return -EINVAL;
	}
	f->measured = true;
	return 0;
}

uint64_t film_kbps(const struct film *f)
{
	double seconds = film_seconds(f->rate_ticks);

	return seconds > 0 ? (uint64_t)((double)f->rate_bytes * 8 / 1000 / seconds + 0.5) : 0;
}

/* RFC 2326, C.1.5 for the range. */
void film_sdp(const struct film *f, struct sbuf *out)
{
	sbuf_printf(out,
		"v=0\r\no=- %u %lld IN IP4 0.0.0.0\r\ns=nearcast\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
		"a=control:*\r\na=range:npt=0-%.3f\r\n"
		"m=video 0 RTP/AVP %d\r\nb=AS:%llu\r\na=rtpmap:%d MP2T/90000\r\n"
		"a=control:trackID=0\r\n",
		f->ssrc, (long long)f->id.size, film_seconds(f->duration), PT_MP2T,
		(unsigned long long)film_kbps(f), PT_MP2T);
}

/* ---- stamps ---- */

int64_t film_beside(const struct film *f, int64_t block)
{
	if (block > 0 && !f->part[block - 1].known)
		return block - 1;
	if (block + 1 < f->blocks && !f->part[block + 1].known)
		return block + 1;
	return -1;
}

/* The clocks that a block's packets go by. */
struct ruler {
	const struct film *f;
	struct film_mark m[MARKS_MAX];
	int n;
};

static void put_both(struct ruler *u, const struct film_part *p, const struct film_mark *two)
{
	if (p->marks > 1)
		u->m[u->n++] = two[0];
	if (p->marks > 0)
		u->m[u->n++] = two[1];
}

static void ruler_make(struct ruler *u, const struct film *f, const struct film_reel *r)
{
	struct film_mark first[2];

	u->f = f;
	u->n = 0;
	if (r->block > 0)
		put_both(u, &f->part[r->block - 1], f->part[r->block - 1].last);
	u->n += marks_of(f, r, u->m + u->n);
	if (r->block + 1 < f->blocks) {
		const struct film_part *p = &f->part[r->block + 1];

		memcpy(first, p->first, sizeof(first));
		put_both(u, p, first);
	}
	for (int i = 1; i < u->n; i++)
		u->m[i].jump |= around(u->m[i].pcr - u->m[i - 1].pcr) > TS_JUMP_MAX;
}

/* What `bytes` take at the pace between marks i and i + 1; false: there is none. */
static bool paced(const struct ruler *u, int i, int64_t bytes, int64_t *ticks)
{
	if (i < 0 || i + 1 >= u->n || u->m[i + 1].jump)
		return false;
	*ticks = bytes * around(u->m[i + 1].pcr - u->m[i].pcr) / (u->m[i + 1].at - u->m[i].at);
	return true;
}

/* The clock at a place, mark k being the last one that is not behind it (-1: all are). */
static int64_t clock_at(const struct ruler *u, int k, int64_t at)
{
	const struct film *f = u->f;
	int64_t d;

	if (u->n == 0)
		return f->begins + mean_ticks(f, at);
	if (k < 0) {
		int64_t back = u->m[0].at - at;

		return u->m[0].pcr - (paced(u, 0, back, &d) ? d : mean_ticks(f, back));
	}
	at -= u->m[k].at;
	if (!paced(u, k, at, &d) && !paced(u, k - 1, at, &d) && !paced(u, k + 1, at, &d))
		d = mean_ticks(f, at);
	return u->m[k].pcr + d;
}

static void put_header(const struct film *f, struct film_reel *r, int i, int64_t pcr, bool jump)
{
	int64_t packet = r->block * FILM_BLOCK_PACKETS + i;
	struct wcur w = wcur_init(r->packet[i], RTP_HEADER);

	wcur_u8(&w, 0x80);
	wcur_u8(&w, (jump ? 0x80 : 0) | PT_MP2T);
	wcur_u16(&w, (uint16_t)(f->seq0 + packet));
	wcur_u32(&w, f->ts0 + (uint32_t)(pcr / 300));
	wcur_u32(&w, f->ssrc);
}

void film_stamp(const struct film *f, struct film_reel *r)
{
	int64_t at = r->block * FILM_BLOCK;
	struct ruler u;
	int k = -1;

	if (r->stamped)
		return;
	ruler_make(&u, f, r);
	while (k + 1 < u.n && u.m[k + 1].at <= at - FILM_PAYLOAD)
		k++;
	for (int i = 0; i < r->packets; i++, at += FILM_PAYLOAD) {
		bool jump = false;

		for (; k + 1 < u.n && u.m[k + 1].at <= at; k++)
			jump |= u.m[k + 1].jump;
		int64_t pcr = around(clock_at(&u, k, at));

		r->time[i] = film_time(f, pcr);
		r->jump[i] = jump;
		put_header(f, r, i, pcr, jump);
	}
	r->stamped = true;
}

/* ---- places ---- */

int64_t film_clock_before(const struct film *f, const struct film_reel *r, int64_t time)
{
	struct film_mark m[MARKS_MAX];
	int n = marks_of(f, r, m);
	int64_t at = -1;

	for (int i = 0; i < n; i++)
		if (film_time(f, m[i].pcr) <= time)
			at = m[i].at;
	return at;
}

int64_t film_access_before(const struct film *f, const struct film_reel *r, int64_t at)
{
	int64_t begin = r->block * FILM_BLOCK, n = reel_bytes(r), best = -1, tables = -1;
	uint16_t video = f->program.video;
	struct ts t;

	for (int64_t i = 0; i + TS_PACKET <= n && begin + i <= at; i += TS_PACKET) {
		if (ts_parse(&t, ts_at(r, i)))
			continue;
		if (t.pid == TS_PAT_PID && t.start)
			tables = i;
		if (t.random_access && t.start && (video == TS_NO_PID || t.pid == video))
			best = tables >= 0 && i - tables <= TABLES_MAX ? tables : i;
	}
	return best < 0 ? -1 : begin + best;
}
