/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SETUP, PLAY, PAUSE and TEARDOWN. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client-failover/serve_impl.h"

/* ---- SETUP ---- */

static bool frame_channel_taken(const struct serve_conn *c, int n, const struct serve_medium *own)
{
	for (int i = 0; i < SDP_MAX_MEDIA; i++) {
		const struct serve_medium *m = &c->m[i];

		if (m != own && m->set_up && m->tcp && (m->channel[0] == n || m->channel[1] == n))
			return true;
	}
	return false;
}

static bool pick_frame_channels(
	const struct serve_conn *c, struct rtsp_transport *t, const struct serve_medium *own)
{
	if (t->has_interleaved)
		return t->interleaved[0] != t->interleaved[1] &&
		       !frame_channel_taken(c, t->interleaved[0], own) &&
		       !frame_channel_taken(c, t->interleaved[1], own);
	/* Each medium takes two at most, so that there are some left. */
	for (int i = 0; i < 256; i += 2)
		if (!frame_channel_taken(c, i, own) && !frame_channel_taken(c, i + 1, own)) {
			t->interleaved[0] = (uint8_t)i;
			t->interleaved[1] = (uint8_t)(i + 1);
			t->has_interleaved = true;
			return true;
		}
	return false;
}

/* Media go to the host that the connection comes from, whatever `destination` is named: nobody is
 * flooded who did not ask. 0, or the status to refuse it with. */
static int set_transport(struct request *q, int i, struct rtsp_transport *t)
{
	struct slice header = text_header(q->m, "Transport");
	struct serve_medium m = {.sr_at = q->now};

	switch (header.p ? rtsp_transport_parse(t, header) : -EINVAL) {
	case 0: break;
	case -EPROTONOSUPPORT: return 461;
	default: return 400;
	}
	if (t->multicast || t->record)
		return 461;
	t->destination = t->source = SLICE("");
	t->has_server_port = t->has_ssrc = false;
	m.tcp = t->tcp;
	if (t->tcp) {
		if (!pick_frame_channels(q->c, t, &q->c->m[i]))
			return 461;
		t->has_client_port = false;
		memcpy(m.channel, t->interleaved, sizeof(m.channel));
	} else {
		if (!t->has_client_port || !t->client_port[0] || !t->client_port[1])
			return 461;
		t->has_interleaved = false;
		m.rtp = m.rtcp = q->c->peer;
		addr_set_port(&m.rtp, t->client_port[0]);
		addr_set_port(&m.rtcp, t->client_port[1]);
		t->has_server_port = true;
		t->server_port[0] = q->s->conf.rtp_port;
		t->server_port[1] = (uint16_t)(q->s->conf.rtp_port + 1);
	}
	m.set_up = true;
	q->c->m[i] = m;
	return 0;
}

static void setup_answer(struct request *q, int i, struct rtsp_transport *t)
{
	const struct serve_source *src = &q->c->channel->source[i];
	char host[ADDR_STRLEN];
	struct sbuf *b = serve_head(q, 200);

	if (!t->tcp && !addr_is_any(&q->s->conf.addr))
		t->source = slice_of(addr_host(&q->s->conf.addr, host));
	t->has_ssrc = src->any;
	t->ssrc = src->ssrc;
	sbuf_str(b, "Transport: ");
	rtsp_transport_write(b, t);
	sbuf_str(b, "\r\n");
	serve_put_session(q);
	serve_done(q);
}

void serve_setup(struct request *q)
{
	struct serve_channel *ch;
	struct rtsp_transport t;
	bool bad, any = serve_session(q, &bad);
	int i = q->track, status;

	if (bad || (q->c->play != SERVE_IDLE && !any)) { /* a connection has one session */
		serve_answer(q, bad ? 454 : 455);
		return;
	}
	ch = serve_channel_of(q);
	if (!ch)
		return;
	if (q->c->play == SERVE_PLAYING || (any && ch != q->c->channel)) {
		serve_answer(q, 455);
		return;
	}
	if (i < 0 && ch->media > 1) {
		serve_answer(q, 459);
		return;
	}
	if (i < 0)
		i = 0;
	if (i >= ch->media) {
		serve_answer(q, 404);
		return;
	}
	status = set_transport(q, i, &t);
	if (status) {
		serve_answer(q, status);
		return;
	}
	serve_join(q->c, ch, q->now);
	if (q->c->play == SERVE_IDLE)
		snprintf(q->c->id, sizeof(q->c->id), "%016llx", (unsigned long long)q->s->random());
	q->c->play = SERVE_READY;
	q->c->active = q->now;
	setup_answer(q, i, &t);
}

/* Only what is live can be played: from now on, or from 0 as players ask that mean the beginning of
 * what there is; what they have counted themselves (after PAUSE) is no other place. */
static bool range_is_live(struct slice range)
{
	struct slice value;

	return !range.p || text_param(range, "npt", &value);
}

static void rtp_info(struct request *q, struct sbuf *b)
{
	const struct serve_channel *ch = q->c->channel;
	const char *sep = "RTP-Info: ";
	char url[SERVE_URL];
	uint32_t ts;
	uint16_t seq;

	if (serve_presentation_url(q, url))
		return;
	for (int i = 0; i < ch->media; i++) {
		if (!q->c->m[i].set_up || !serve_position(&ch->source[i], q->now, &seq, &ts))
			continue;
		sbuf_printf(b, "%surl=%s/trackID=%d;seq=%u;rtptime=%u", sep, url, i, seq, ts);
		sep = ",";
	}
	if (*sep == ',')
		sbuf_str(b, "\r\n");
}

void serve_play(struct request *q)
{
	struct serve_conn *c = q->c;
	struct sbuf *b;

	if (!serve_need_session(q))
		return;
	if (q->track >= 0 && c->channel->media > 1) {
		serve_answer(q, 460);
		return;
	}
	if (c->channel->state != SERVE_LIVE) {
		serve_answer(q, 404);
		return;
	}
	if (!range_is_live(text_header(q->m, "Range"))) {
		serve_answer(q, 457);
		return;
	}
	b = serve_head(q, 200);
	serve_put_session(q);
	if (c->play != SERVE_PLAYING) {
		sbuf_str(b, "Range: npt=now-\r\n");
		rtp_info(q, b);
		for (int i = 0; i < SDP_MAX_MEDIA; i++)
			c->m[i].told = false;
		c->play = SERVE_PLAYING;
		q->out->actions = SERVE_PLAYED;
		q->out->channel = c->channel;
	}
	serve_done(q);
}

void serve_hold(struct request *q)
{
	if (!serve_need_session(q))
		return;
	if (q->c->play != SERVE_PLAYING) {
		serve_answer(q, 455);
		return;
	}
	q->c->play = SERVE_READY;
	q->out->actions = SERVE_PAUSED;
	q->out->channel = q->c->channel;
	serve_head(q, 200);
	serve_put_session(q);
	serve_done(q);
}

void serve_teardown(struct request *q)
{
	if (!serve_need_session(q))
		return;
	if (q->track >= 0 && q->c->channel->media > 1) {
		serve_answer(q, 460);
		return;
	}
	serve_head(q, 200);
	serve_done(q);
	q->out->actions = SERVE_TORNDOWN;
	q->out->channel = q->c->channel;
	serve_leave(q->c, q->now);
}
