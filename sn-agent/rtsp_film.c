/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PLAY of a film (row E3): Range, Scale, the place where it begins, and going on where it was. */
#include <string.h>

#include "sn-agent/rtsp_request.h"
#include "sn-agent/vod.h"

#define HOURS_MAX 1000000000ull

/* ---- Range ---- */

/* What of a film is asked for, in ticks. */
struct wish {
	bool has_start;
	int64_t start, end; /* end: INT64_MAX: to the end */
};

static bool number(struct slice s, unsigned long long max, int64_t *out)
{
	unsigned long long v;

	if (slice_u64(s, max, &v))
		return false;
	*out = (int64_t)v;
	return true;
}

/* npt-sec or npt-hhmmss (RFC 2326, 3.6). */
static bool npt_time(struct slice s, int64_t *ticks)
{
	struct slice fraction = s, whole = slice_cut(&fraction, '.');
	int64_t part = 0, sum = 0, unit = TS_HZ / 10;
	int colons = 0;

	for (size_t i = 0; i < whole.n; i++)
		colons += whole.p[i] == ':';
	if (colons != 0 && colons != 2)
		return false;
	while (whole.n) {
		struct slice one = slice_cut(&whole, ':');

		if (!number(one, colons ? 99999 : HOURS_MAX, &part))
			return false;
		sum = sum * 60 + part;
	}
	*ticks = sum * TS_HZ;
	for (size_t i = 0; i < fraction.n; i++, unit /= 10) {
		if (fraction.p[i] < '0' || fraction.p[i] > '9')
			return false;
		*ticks += (fraction.p[i] - '0') * unit;
	}
	return true;
}

/* 0, or the status to refuse it with. */
static int parse_range(const struct text_msg *m, struct wish *w)
{
	struct slice range = text_header(m, "Range"), from, to;

	*w = (struct wish){.end = INT64_MAX};
	if (!range.p)
		return 0;
	if (!text_param(range, "npt", &to))
		return 501; /* another unit (12.29) */
	if (!memchr(to.p, '-', to.n))
		return 400;
	from = slice_trim(slice_cut(&to, '-'));
	to = slice_trim(to);
	if (from.n && !slice_ieq(from, SLICE("now"))) {
		w->has_start = true;
		if (!npt_time(from, &w->start))
			return 400;
	}
	if (to.n && !npt_time(to, &w->end))
		return 400;
	return w->has_start && w->end <= w->start ? 457 : 0;
}

/* A film is played at its own speed: any other is answered with this one (12.34). */
static bool scale_is_a_number(const struct text_msg *m)
{
	struct slice s = text_header(m, "Scale");
	size_t digits = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool digit = s.p[i] >= '0' && s.p[i] <= '9';

		digits += digit;
		if (!digit && s.p[i] != '.' && !(i == 0 && (s.p[i] == '-' || s.p[i] == '+')))
			return false;
	}
	return !s.p || digits;
}

/* ---- answers ---- */

/* "Range: npt=12.345-60.000": where it goes on, and where it ends. */
static void put_range(struct request *q, const struct viewer *v, int64_t end)
{
	const struct film *f = vod_film(q->out->session->channel->film);
	int64_t time = f->duration;
	uint32_t ts;

	viewer_place(v, &time, &ts);
	if (end > f->duration)
		end = f->duration;
	sbuf_printf(&q->out->text, "Range: npt=%.3f-%.3f\r\n", film_seconds(time),
		film_seconds(end < time ? time : end));
}

static void put_rtp_info(struct request *q, const struct session *s, const struct viewer *v)
{
	const struct film *f = vod_film(s->channel->film);
	struct sbuf *b = &q->out->text;
	int64_t next = viewer_next(v), time;
	uint32_t ts;

	sbuf_printf(b, "RTP-Info: url=%s/trackID=0;seq=%u", s->url, (uint16_t)(f->seq0 + next));
	if (viewer_place(v, &time, &ts))
		sbuf_printf(b, ";rtptime=%u", ts);
	if (q->nearcast)
		sbuf_printf(b, ";packet=%lld", (long long)next);
	sbuf_printf(b, "\r\n");
}

static void begin(struct request *q, struct session *s, struct viewer *v, int64_t end)
{
	struct medium *m = &s->channel->medium[0];
	struct sbuf *b;
	int err = 0;

	if (s->state != SESSION_PLAYING) {
		s->m[0].rx.at_key = false; /* of the ring */
		relay_add(q->r->relay, m, &s->m[0].rx, -1, q->now, &err);
		if (err) {
			rtsp_answer(q, 503);
			return;
		}
		s->state = SESSION_PLAYING;
		s->played = q->now;
		s->channel->playing++;
		s->channel->idle_since = NS_NEVER;
	}
	s->told_end = false;
	s->m[0].from = (struct rtp_from){.seq = -1};
	b = rtsp_head(q, 200);
	rtsp_put_session(q, s);
	if (text_header(q->m, "Scale").p)
		sbuf_printf(b, "Scale: 1\r\n");
	q->out->session = s;
	put_range(q, v, end);
	put_rtp_info(q, s, v);
	rtsp_done(q);
	vod_play(v, end, q->now);
	q->out->actions = RTSP_PLAYED;
}

/* ---- PLAY ---- */

/* The packet to begin with; -1: it goes by the time. */
static int64_t first_packet(const struct session *s, const struct viewer *v, const struct wish *w)
{
	const struct film *f = vod_film(s->channel->film);
	const struct rtp_from *from = &s->m[0].from;

	if (w->has_start)
		return -1;
	if (from->has_packet)
		return from->packet < f->packets ? from->packet : f->packets;
	if (from->seq >= 0) {
		int64_t packet = (uint16_t)(from->seq - f->seq0);

		return packet < f->packets ? packet : f->packets;
	}
	return viewer_begun(v) && !viewer_ended(v) ? viewer_next(v) : 0;
}

static void look(struct request *q, struct session *s, struct viewer *v, const struct wish *w)
{
	const struct film *f = vod_film(s->channel->film);
	enum vod_look found;

	if (viewer_is_looking(v))
		found = vod_looked(v); /* this very request has waited for it */
	else if (w->has_start && w->start >= f->duration) {
		rtsp_answer(q, 457);
		return;
	} else
		found = vod_look(v, first_packet(s, v, w), w->start, q->now);
	switch (found) {
	case LOOK_FOUND: begin(q, s, v, w->end); return;
	case LOOK_FAILED:
		rtsp_stop(q->r, s, q->now);
		rtsp_answer(q, 504);
		return;
	case LOOK_PENDING: break;
	}
	q->out->channel = s->channel;
	q->out->session = s;
	q->out->actions = RTSP_WAIT | RTSP_LOOK;
}

void rtsp_play_film(struct request *q, struct session *s)
{
	struct receiver *rx = &s->m[0].rx;
	struct wish w;
	int status = parse_range(q->m, &w);

	if (!status && !scale_is_a_number(q->m))
		status = 400;
	/* Its own connection waits while a place is looked for; another one cannot. */
	if (!status && q->c != s->conn)
		status = 455;
	if (!rx->viewer && !status) {
		rx->viewer = viewer_new(s->channel->film, rx, s);
		status = rx->viewer ? 0 : 503;
	}
	if (status) {
		rtsp_answer(q, status);
		return;
	}
	if (s->state == SESSION_PLAYING && !text_header(q->m, "Range").p &&
		!viewer_is_looking(rx->viewer) && !viewer_ended(rx->viewer)) {
		rtsp_head(q, 200);
		rtsp_put_session(q, s);
		rtsp_done(q);
		return;
	}
	look(q, s, rx->viewer, &w);
}

bool rtsp_looks(const struct rtsp_conn *c)
{
	for (const struct session *s = c->first; s; s = s->of_conn)
		if (s->m[0].rx.viewer && viewer_is_looking(s->m[0].rx.viewer))
			return true;
	return false;
}

void rtsp_put_pause(struct request *q, const struct session *s)
{
	q->out->session = (struct session *)s;
	put_range(q, s->m[0].rx.viewer, INT64_MAX);
}

/* ---- SETUP ---- */

bool rtsp_is_film(const struct request *q)
{
	const struct rtsp *r = q->r;

	return r->conf.libraries && !*q->origin &&
	       library_find(r->conf.library, r->conf.libraries, q->name);
}
