/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SETUP, PLAY, PAUSE and TEARDOWN of who receives. */
#include <errno.h>
#include <string.h>

#include "sn-agent/access.h"
#include "sn-agent/admission.h"
#include "sn-agent/entry.h"
#include "sn-agent/rtsp_request.h"

/* ---- SETUP ---- */

static bool channel_taken(const struct rtsp_conn *c, uint8_t channel, const struct receiver *own)
{
	int medium;
	bool rtcp;
	const struct session *s = rtsp_conn_channel(c, channel, &medium, &rtcp);

	return s && &s->m[medium].rx != own;
}

static bool pick_channels(struct rtsp_conn *c, struct rtsp_transport *t, const struct receiver *own)
{
	if (t->has_interleaved)
		return t->interleaved[0] != t->interleaved[1] &&
		       !channel_taken(c, t->interleaved[0], own) &&
		       !channel_taken(c, t->interleaved[1], own);
	for (int i = 0; i < 256; i += 2)
		if (!channel_taken(c, (uint8_t)i, own) &&
			!channel_taken(c, (uint8_t)(i + 1), own)) {
			t->interleaved[0] = (uint8_t)i;
			t->interleaved[1] = (uint8_t)(i + 1);
			t->has_interleaved = true;
			return true;
		}
	return false;
}

/* Media go to where the RTSP connection comes from, and nowhere else: whatever `destination` a
 * client names, nobody is flooded who did not ask. */
static bool set_udp(struct request *q, struct session *s, int i, struct rtsp_transport *t)
{
	struct receiver *v = &s->m[i].rx;
	struct addr rtp = q->c->peer, rtcp = q->c->peer;

	if (!t->has_client_port)
		return false;
	addr_set_port(&rtp, t->client_port[0]);
	addr_set_port(&rtcp, t->client_port[1]);
	/* What is another session's is not taken, and what this one had is kept then. */
	if (!session_set_peers(&q->r->sessions, s, i, rtp, rtcp))
		return false;
	v->tcp = false;
	v->rtp = rtp;
	v->rtcp = rtcp;
	t->has_server_port = true;
	t->server_port[0] = q->r->conf.rtp_port;
	t->server_port[1] = (uint16_t)(q->r->conf.rtp_port + 1);
	return true;
}

/* The medium comes by its channel's group, as all others of the session. */
static int set_group(struct request *q, struct session *s, int i, struct rtsp_transport *t)
{
	struct receiver *v = &s->m[i].rx;
	struct addr rtp = q->c->peer, rtcp = q->c->peer, to;
	struct group *g;

	/* Nor is there a group of those who play a film, each at his own place in it. */
	if (t->tcp || s->publisher || s->channel->film || !groups_reach(&q->r->groups, &q->c->peer))
		return 461;
	for (int k = 0; k < SDP_MAX_MEDIA && !s->group; k++)
		if (s->m[k].set_up)
			return 461;
	g = group_set_up(&q->r->groups, s, q->now);
	if (!g)
		return 461;
	/* Its RTCP comes from the group's port, and thither go repairs, to it alone. Of several
	 * players at one host the first one's does: the others show that they live by RTSP. */
	to = group_rtp(g, i);
	t->port[0] = addr_port(&to);
	t->port[1] = (uint16_t)(t->port[0] + 1);
	addr_set_port(&rtp, t->port[0]);
	addr_set_port(&rtcp, t->port[1]);
	session_set_peers(&q->r->sessions, s, i, rtp, rtcp);
	v->tcp = false;
	v->rtp = rtp;
	v->rtcp = rtcp;
	t->has_port = true;
	t->ttl = q->r->groups.conf.ttl;
	t->has_interleaved = t->has_client_port = false;
	s->m[i].set_up = true;
	return 0;
}

int rtsp_set_transport(struct request *q, struct session *s, int i, struct rtsp_transport *t)
{
	struct slice header = text_header(q->m, "Transport");
	struct receiver *v = &s->m[i].rx;

	switch (header.p ? rtsp_transport_parse(t, header) : -EINVAL) {
	case 0: break;
	case -EPROTONOSUPPORT: return 461;
	default: return 400;
	}
	t->destination = SLICE("");
	t->source = SLICE("");
	t->has_server_port = t->has_ssrc = false;
	t->has_port = false;
	t->ttl = 0;
	if (t->multicast)
		return set_group(q, s, i, t);
	if (s->group)
		return 461; /* another medium of it comes by multicast */
	if (t->tcp) {
		/* Frames go over the connection that the session belongs to and ends with: a
		 * session of another connection would outlive this one. */
		if (s->conn != q->c || !pick_channels(q->c, t, v))
			return 461;
		session_clear_peers(&q->r->sessions, s, i);
		t->has_client_port = false;
		v->tcp = true;
		v->channel[0] = t->interleaved[0];
		v->channel[1] = t->interleaved[1];
		v->conn = q->c->shell;
	} else {
		t->has_interleaved = false;
		if (!set_udp(q, s, i, t))
			return 461;
	}
	s->m[i].set_up = true;
	return 0;
}

static struct session *begin(struct request *q, struct channel *ch)
{
	struct slice pipe = text_header(q->m, "Pipelined-Requests");
	struct session *s;
	int n = 0, status = admission_check(q, ch);

	for (s = q->c->first; s; s = s->of_conn)
		n++;
	if (status || n >= RTSP_CONN_MAX) {
		rtsp_answer(q, status ? status : 453);
		return NULL;
	}
	s = session_new(&q->r->sessions, q->r->random(), false, q->now);
	if (!s) {
		rtsp_answer(q, 503);
		return NULL;
	}
	if (slice_copy(pipe, s->pipelined, sizeof(s->pipelined)) ||
		rtsp_presentation_url(q, s->url)) {
		session_free(&q->r->sessions, s);
		rtsp_answer(q, 400);
		return NULL;
	}
	s->nearcast = q->nearcast;
	access_identify(q, s);
	s->can_join = q->can_join;
	s->client = q->c->peer;
	s->conn = q->c;
	s->of_conn = q->c->first;
	q->c->first = s;
	s->by_tunnel = admission_node(q, s->node);
	rtsp_join(s, ch);
	return s;
}

/* "SEQ", with ";ssrc=HEX" and, of a film, ";packet=N"; other parameters are ignored. */
static bool parse_from(struct request *q)
{
	struct slice header = text_header(q->m, "Nearcast-From");
	struct rtp_from *from = &q->from;
	unsigned long long n;

	if (!header.p)
		return true;
	if (slice_u64(slice_trim(slice_cut(&header, ';')), 65535, &n))
		return false;
	from->seq = (int64_t)n;
	while (header.n) {
		struct slice value = slice_trim(slice_cut(&header, ';'));
		struct slice name = slice_cut(&value, '=');

		if (slice_ieq(name, SLICE("packet"))) {
			if (slice_u64(value, RTP_PACKET_MAX, &n))
				return false;
			from->packet = (int64_t)n;
			from->has_packet = true;
		}
		if (!slice_ieq(name, SLICE("ssrc")))
			continue;
		if (slice_hex32(value, &from->ssrc))
			return false;
		from->has_ssrc = true;
	}
	return true;
}

/* Whether it is to begin with a key frame: players are, and whoever asks for it. Who fails over has
 * its own mind of where it goes on, and a buffer that a burst would only make longer. A group goes
 * on where it is. */
static bool at_key(const struct request *q)
{
	if (q->nearcast)
		return slice_ieq(text_header(q->m, "Nearcast-Start"), SLICE("keyframe"));
	return q->r->conf.start_at_key;
}

static void setup_answer(struct request *q, struct session *s, int i, struct rtsp_transport *t)
{
	const struct medium *m = &s->channel->medium[i];
	char host[ADDR_STRLEN], group[ADDR_STRLEN];
	struct sbuf *b;

	if (!t->tcp)
		t->source = slice_of(addr_host(rtsp_media_addr(q), host));
	if (t->multicast)
		t->destination = slice_of(addr_host(&s->group->addr, group));
	t->has_ssrc = m->has_ssrc && !m->in_doubt;
	t->ssrc = m->ssrc;
	b = rtsp_head(q, 200);
	sbuf_printf(b, "Transport: ");
	rtsp_transport_write(b, t);
	sbuf_printf(b, "\r\n");
	rtsp_put_session(q, s);
	if (s->pipelined[0])
		sbuf_printf(b, "Pipelined-Requests: %s\r\n", s->pipelined);
	access_put_identity(q, s);
	rtsp_put_path(q, s->channel);
	rtsp_done(q);
}

void rtsp_setup_play(struct request *q, struct session *s)
{
	bool fresh = !s;
	struct rtsp_transport t;
	struct channel *ch;
	int i = q->track, status;

	if (!parse_from(q)) {
		rtsp_answer(q, 400);
		return;
	}
	ch = s ? s->channel : rtsp_channel(q);
	if (!ch)
		return;
	if (s && !slice_eq(slice_of(ch->path), q->name)) {
		rtsp_answer(q, 455);
		return;
	}
	if (i < 0 && ch->media > 1) {
		rtsp_answer(q, 459);
		return;
	}
	if (i < 0)
		i = 0;
	if (i >= ch->media) {
		rtsp_answer(q, 404);
		return;
	}
	/* What was begun elsewhere was another film, if it has another name. */
	if (ch->film && q->from.has_ssrc && q->from.ssrc != ch->medium[i].ssrc) {
		rtsp_answer(q, 412);
		return;
	}
	if (s && s->state == SESSION_PLAYING) {
		rtsp_answer(q, 455);
		return;
	}
	if (!s && !(s = begin(q, ch)))
		return;
	status = rtsp_set_transport(q, s, i, &t);
	if (status) {
		if (fresh)
			rtsp_end(q->r, s, false, q->now);
		rtsp_answer(q, status);
		return;
	}
	if (fresh) {
		q->r->attached += !s->node[0];
		if (!s->group || !s->group->flowing)
			q->r->kbps += ch->kbps; /* until it is measured */
	}
	s->m[i].from = q->from;
	s->m[i].rx.at_key = q->from.seq < 0 && !s->group && at_key(q);
	s->m[i].rx.player = !q->nearcast;
	s->state = SESSION_READY;
	setup_answer(q, s, i, &t);
}

/* ---- PLAY ---- */

/* Only what is live can be played: "now-", or from 0 as players ask that mean the beginning of
 * what there is. */
static bool range_is_live(struct slice range)
{
	struct slice value;

	if (!range.p || !text_param(range, "npt", &value))
		return true;
	return (value.n >= 3 && memcmp(value.p, "now", 3) == 0) ||
	       (value.n >= 1 && (value.p[0] == '0' || value.p[0] == '-'));
}

/* One medium's part of RTP-Info: its first packet, and the timestamp that belongs to it. */
static void rtp_info(struct request *q, struct sbuf *b, const struct session *s, int i,
	int64_t first, const char **sep)
{
	const struct medium *m = &s->channel->medium[i];
	struct iovec v;

	if (first < 0)
		return;
	sbuf_printf(b, "%surl=%s/trackID=%d;seq=%u", *sep, s->url, i, (uint16_t)first);
	*sep = ",";
	if (ring_get(m->ring, first, &v)) {
		const uint8_t *p = v.iov_base;

		sbuf_printf(b, ";rtptime=%u",
			(uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7]);
	} else if (m->last >= 0 && first == m->last + 1) {
		ns_t ago = q->now - m->last_at;
		int64_t since = ago / NS_S * m->clock_rate + ago % NS_S * m->clock_rate / NS_S;

		sbuf_printf(b, ";rtptime=%u", m->last_ts + (uint32_t)since);
	}
}

/* Where each medium begins: as the client said, or with a key frame; -1: with what is live. */
static void choose_start(const struct session *s, int64_t from[SDP_MAX_MEDIA])
{
	int64_t key[SDP_MAX_MEDIA];
	unsigned media = 0;

	for (int i = 0; i < s->channel->media; i++) {
		from[i] = s->m[i].from.seq;
		if (s->m[i].set_up && s->m[i].rx.at_key)
			media |= 1u << i;
	}
	if (!media || !entry_at_key(s->channel, media, key))
		return;
	for (int i = 0; i < s->channel->media; i++)
		if (key[i] >= 0)
			from[i] = key[i] & 0xffff;
}

static int start_media(struct request *q, struct session *s, int64_t *first)
{
	struct channel *ch = s->channel;
	int64_t from[SDP_MAX_MEDIA];

	choose_start(s, from);
	for (int i = 0; i < ch->media; i++) {
		int err;

		first[i] = -1;
		if (!s->m[i].set_up)
			continue;
		s->m[i].rx.has_source = s->m[i].from.has_ssrc;
		s->m[i].rx.source = s->m[i].from.ssrc;
		first[i] =
			relay_add(q->r->relay, &ch->medium[i], &s->m[i].rx, from[i], q->now, &err);
		if (err) {
			while (i-- > 0)
				relay_remove(q->r->relay, &s->m[i].rx);
			return err;
		}
		/* What was never here and cannot be had from anywhere is not promised. */
		if (first[i] >= 0 && !ch->medium[i].gap && !ring_empty(ch->medium[i].ring) &&
			first[i] < ring_oldest(ch->medium[i].ring))
			first[i] = ring_oldest(ch->medium[i].ring);
	}
	return 0;
}

void rtsp_play(struct request *q)
{
	struct session *s = rtsp_need_session(q);
	int64_t first[SDP_MAX_MEDIA];
	const char *sep = "RTP-Info: ";
	struct sbuf *b;

	if (!s)
		return;
	if (s->publisher || s->state == SESSION_INIT) {
		rtsp_answer(q, 455);
		return;
	}
	if (q->track >= 0 && s->channel->media > 1) {
		rtsp_answer(q, 460);
		return;
	}
	if (s->channel->film) {
		rtsp_play_film(q, s);
		return;
	}
	if (!range_is_live(text_header(q->m, "Range"))) {
		rtsp_answer(q, 457);
		return;
	}
	if (s->state == SESSION_PLAYING) {
		rtsp_head(q, 200);
		rtsp_put_session(q, s);
		rtsp_done(q);
		return;
	}
	if (start_media(q, s, first)) {
		rtsp_answer(q, 503);
		return;
	}
	group_play(s, q->now);
	s->state = SESSION_PLAYING;
	s->played = q->now;
	s->channel->playing++;
	s->channel->idle_since = NS_NEVER;
	b = rtsp_head(q, 200);
	rtsp_put_session(q, s);
	sbuf_printf(b, "Range: npt=now-\r\n");
	for (int i = 0; i < s->channel->media; i++)
		rtp_info(q, b, s, i, first[i], &sep);
	if (sep[0] == ',')
		sbuf_printf(b, "\r\n");
	rtsp_done(q);
	q->out->actions = RTSP_PLAYED;
	q->out->session = s;
}

/* ---- PAUSE, TEARDOWN ---- */

void rtsp_pause(struct request *q)
{
	struct session *s = rtsp_need_session(q);

	if (!s)
		return;
	if (s->state != SESSION_PLAYING && s->state != SESSION_RECORDING) {
		rtsp_answer(q, 455);
		return;
	}
	if (s->state == SESSION_PLAYING) {
		rtsp_stop(q->r, s, q->now);
		/* What comes next is what is live then. */
		for (int i = 0; i < SDP_MAX_MEDIA; i++) {
			s->m[i].from = (struct rtp_from){.seq = -1};
			s->m[i].rx.at_key = false;
		}
		q->out->actions = RTSP_PAUSED;
		q->out->session = s;
	} else {
		s->state = SESSION_READY;
	}
	rtsp_head(q, 200);
	rtsp_put_session(q, s);
	if (s->m[0].rx.viewer)
		rtsp_put_pause(q, s);
	rtsp_done(q);
}

void rtsp_teardown(struct request *q)
{
	struct session *s = rtsp_need_session(q);

	if (!s)
		return;
	if (q->track >= 0 && s->channel && s->channel->media > 1) {
		rtsp_answer(q, 460);
		return;
	}
	rtsp_head(q, 200);
	rtsp_done(q);
	q->out->actions = RTSP_TEARDOWN;
	q->out->session = s;
}
