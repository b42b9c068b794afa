/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to sessions and channels: the parts call here, and here they are tied together. */
#include <stdlib.h>
#include <string.h>

#include "lib/event.h"
#include "lib/log.h"
#include "sn-agent/accounts.h"
#include "sn-agent/attach_door.h"
#include "sn-agent/load.h"

#define QUIT NS_S /* that nginx has at least to finish */

/* ---- the relay's way out ---- */

static int send_udp(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	struct agent *a = arg;

	return media_udp(a->media, rtcp, to, v, n);
}

static int send_tcp(void *arg, void *conn, uint8_t channel, const struct iovec *v, int n)
{
	(void)arg;
	return server_frames(conn, channel, v, n);
}

static void missing(void *arg, struct medium *m, int64_t seq)
{
	(void)arg;
	feed_missing(m, seq);
}

static void wake(void *arg, ns_t when)
{
	struct agent *a = arg;

	loop_timer_at(a->turn, when);
}

static bool stored(void *arg, struct receiver *v, uint16_t seq, struct iovec *out, ns_t now)
{
	struct agent *a = arg;

	return films_stored(a->films, v, seq, out, now);
}

const struct relay_io agent_relay_io = {send_udp, send_tcp, missing, wake, stored};

void agent_turn(void *arg)
{
	struct agent *a = arg;

	relay_turn(&a->relay, loop_now(a->loop));
}

void agent_catch_up(void *arg)
{
	struct agent *a = arg;

	loop_timer_at(a->catch_up, relay_catch_up(&a->relay, loop_now(a->loop)));
}

/* ---- events ---- */

static struct js *session_event(const struct session *s)
{
	struct js *e = js_object();
	char text[ADDR_STRLEN];

	js_put_str(e, "session", s->id_text);
	js_put_str(e, "identity", s->identity);
	if (s->user[0])
		js_put_str(e, "user", s->user);
	js_put_str(e, "channel", s->channel ? s->channel->path : NULL);
	js_put_str(e, "client", addr_str(&s->client, text));
	if (s->node[0])
		js_put_str(e, "node", s->node);
	return e;
}

static void say_started(struct agent *a, struct session *s)
{
	struct js *e = session_event(s), *from = js_array();
	bool tcp = false, any = false;

	for (int i = 0; i < s->channel->media; i++) {
		tcp |= s->m[i].set_up && s->m[i].rx.tcp;
		any |= s->m[i].from.seq >= 0;
	}
	js_put_str(e, "transport", s->group ? "multicast" : tcp ? "tcp" : "udp");
	js_put_bool(e, "failover", s->nearcast);
	if (any) {
		for (int i = 0; i < s->channel->media; i++) {
			struct js *o = js_object();

			js_put_int(o, "media", i);
			js_put_int(o, "seq", s->m[i].from.seq);
			js_push(from, o);
		}
		js_put(e, "from", from);
	} else {
		js_free(from);
	}
	event_emit("session_start", loop_now(a->loop), e);
}

static void say_over(struct agent *a, struct session *s, const char *reason)
{
	struct js *e = session_event(s);
	uint64_t packets = 0, bytes = 0, dropped = 0, repaired = 0;
	ns_t now = loop_now(a->loop);

	for (int i = 0; i < SDP_MAX_MEDIA; i++) {
		packets += s->m[i].rx.packets;
		bytes += s->m[i].rx.bytes;
		dropped += s->m[i].rx.dropped;
		repaired += s->m[i].rx.repaired;
	}
	js_put_str(e, "reason", reason);
	js_put_real(e, "seconds", (double)(now - s->started) / NS_S);
	if (!s->publisher) {
		js_put_int(e, "packets", (int64_t)packets);
		js_put_int(e, "bytes", (int64_t)bytes);
		js_put_int(e, "dropped", (int64_t)dropped);
		js_put_int(e, "repaired", (int64_t)repaired);
	}
	event_emit(s->publisher ? "publisher_end" : "session_end", now, e);
}

static void say_channel(struct agent *a, const char *event, const struct channel *ch)
{
	struct js *e = js_object(), *last = js_array();

	js_put_str(e, "channel", ch->path);
	for (int i = 0; i < ch->media; i++) {
		struct js *o = js_object();

		js_put_int(o, "media", i);
		js_put_int(o, "last", ch->medium[i].last < 0 ? -1 : ch->medium[i].last & 0xffff);
		js_put_int(o, "packets", (int64_t)ch->medium[i].packets);
		js_push(last, o);
	}
	js_put(e, "media", last);
	event_emit(event, loop_now(a->loop), e);
}

static void emit_group(struct agent *a, const char *event, const struct group *g)
{
	struct js *e = js_object();
	char text[ADDR_STRLEN];

	addr_host(&g->addr, text);
	log_msg(NLOG_INFO, "channel %s %s group %s", g->channel->path,
		strcmp(event, "group_start") ? "leaves" : "goes to", text);
	js_put_str(e, "channel", g->channel->path);
	js_put_str(e, "group", text);
	event_emit(event, loop_now(a->loop), e);
}

/* ---- channels ---- */

static void channel_ended(void *arg, struct channel *ch)
{
	struct agent *a = arg;

	log_msg(NLOG_INFO, "channel %s has ended", ch->path);
	say_channel(a, "channel_ended", ch);
	relay_flush(&a->relay);
	agent_catch_up(a);
	for (struct session *s = a->rtsp.sessions.first; s; s = s->next)
		if (s->channel == ch && s->state == SESSION_PLAYING && !s->told_end)
			server_tell_end(a->server, s);
}

static void channel_settled(void *arg, struct channel *ch)
{
	struct agent *a = arg;

	if (ch->state == CHANNEL_REFUSED)
		log_limited(&a->refused, NLOG_INFO, "channel %s: no upstream has it (%d)", ch->path,
			ch->refusal);
	server_settled(a->server, ch);
}

static void channel_rerouted(void *arg, struct channel *ch)
{
	struct agent *a = arg;

	for (struct session *s = a->rtsp.sessions.first; s; s = s->next)
		if (s->channel == ch && rtsp_is_nodes(s))
			server_tell_path(a->server, s);
}

static int route_to(void *arg, const struct addr *source)
{
	return overlay_route(((struct agent *)arg)->overlay, source);
}

const struct feed_ops agent_feed_ops = {channel_settled, channel_ended, channel_rerouted, route_to};

static void channel_goes(struct agent *a, struct channel *ch, const char *event)
{
	if (event)
		say_channel(a, event, ch);
	relay_flush(&a->relay);
	feed_free(ch->feed);
	films_close(a->films, ch);
	channel_free(&a->channels, ch);
}

static void channel_time(struct agent *a, ns_t now)
{
	struct channel *ch;
	enum channel_due due;

	while ((due = channels_tick(&a->channels, now, &ch)) != CHANNEL_NOTHING) {
		switch (due) {
		case CHANNEL_END:
			ch->grace = NS_NEVER;
			channel_set_state(ch, CHANNEL_ENDED, now);
			channel_ended(a, ch);
			break;
		case CHANNEL_PRUNE:
			log_msg(NLOG_INFO, "channel %s: nobody plays it, unsubscribed", ch->path);
			channel_goes(a, ch, "unsubscribe");
			break;
		case CHANNEL_FORGOTTEN:
		case CHANNEL_NOTHING: channel_goes(a, ch, NULL); break;
		}
	}
}

/* ---- groups ---- */

/* Its members' RTCP: only players that asked for multicast send any to the group. */
static void group_begins(void *arg, struct group *g)
{
	struct agent *a = arg;
	struct media_ear **ears = calloc(SDP_MAX_MEDIA, sizeof(*ears));

	emit_group(a, "group_start", g);
	for (int i = 0; ears && i < g->channel->media; i++) {
		struct addr at = group_rtcp(g, i);
		char text[ADDR_STRLEN];
		int err;

		ears[i] = media_listen(a->media, &at, a->group_interface, &err);
		if (!ears[i])
			log_msg(NLOG_WARN, "RTCP of group %s is not heard: %s", addr_str(&at, text),
				strerror(-err));
	}
	g->shell = ears;
}

static void group_ends(void *arg, struct group *g)
{
	struct media_ear **ears = g->shell;

	emit_group(arg, "group_end", g);
	for (int i = 0; ears && i < SDP_MAX_MEDIA; i++)
		media_ear_free(ears[i]);
	free(ears);
	g->shell = NULL;
}

const struct group_ops agent_group_ops = {group_begins, group_ends};

static void tell_group(void *arg, struct session *s)
{
	struct agent *a = arg;

	server_tell_group(a->server, s);
}

/* ---- sessions: what the RTSP server has decided ---- */

static void end(void *arg, struct session *s, const char *reason, bool torn_down);

static void seek(void *arg, struct channel *ch)
{
	struct agent *a = arg;

	if (!films_seek(a->films, ch))
		feed_seek(a->feeds, ch);
}

/* A tunnel carries a channel once: a neighbour that asks anew has left its old session, whose end may
 * not have reached us. */
static void supersede(struct agent *a, const struct session *s)
{
	const struct rtsp_scope *scope = s->conn->scope;
	struct session *old, *next;

	for (old = a->rtsp.sessions.first; scope && *scope->neighbour && old; old = next) {
		next = old->next;
		if (old == s || old->channel != s->channel || !old->conn ||
			old->conn->scope != scope)
			continue;
		server_close(old);
		end(a, old, "superseded", true);
	}
}

static void played(void *arg, struct session *s)
{
	struct agent *a = arg;

	supersede(a, s);
	if (!s->spoke) {
		a->sessions_total++;
		say_started(a, s);
	} else {
		event_emit("session_resume", loop_now(a->loop), session_event(s));
	}
	s->spoke = true;
	accounts_note(a, s, NULL);
	for (int i = 0; i < s->channel->media; i++)
		relay_send_report(&a->relay, s->group ? &s->group->rx[i] : &s->m[i].rx);
	agent_catch_up(a);
	feed_play(s);
	if (s->channel->state == CHANNEL_ENDED && !s->told_end)
		server_tell_end(a->server, s);
	announcer_now(a->announcer);
}

static void paused(void *arg, struct session *s)
{
	struct agent *a = arg;

	event_emit("session_pause", loop_now(a->loop), session_event(s));
}

static void recorded(void *arg, struct session *s)
{
	struct agent *a = arg;
	char text[ADDR_STRLEN];

	if (s->spoke)
		return;
	s->spoke = true;
	accounts_note(a, s, NULL);
	a->publishers_total++;
	log_msg(NLOG_INFO, "%s publishes %s, %d media", addr_str(&s->client, text),
		s->channel->path, s->channel->media);
	struct js *e = session_event(s);
	js_put_int(e, "media", s->channel->media);
	js_put_str(e, "transport", s->m[0].rx.tcp ? "tcp" : "udp");
	event_emit("publisher", loop_now(a->loop), e);
}

static void end(void *arg, struct session *s, const char *reason, bool torn_down)
{
	struct agent *a = arg;
	struct channel *ended;

	if (s->publisher)
		relay_flush(&a->relay);
	if (s->spoke) {
		accounts_note(a, s, reason);
		say_over(a, s, reason);
	}
	ended = rtsp_end(&a->rtsp, s, torn_down, loop_now(a->loop));
	if (ended)
		channel_ended(a, ended);
}

const struct server_ops agent_server_ops = {seek, played, paused, recorded, end};

/* ---- time ---- */

static void measure(struct agent *a, ns_t now)
{
	int at = a->samples % AGENT_SAMPLES, oldest;

	a->sample[at] = a->relay.bytes_out;
	a->sampled[at] = now;
	a->samples++;
	oldest = a->samples < AGENT_SAMPLES ? 0 : a->samples % AGENT_SAMPLES;
	if (now > a->sampled[oldest])
		a->kbps = (a->sample[at] - a->sample[oldest]) * 8 * 1000000 /
		          (uint64_t)(now - a->sampled[oldest]);
	load_rate(&a->channels, now);
	a->rtsp.kbps = load_committed(&a->rtsp.sessions, a->kbps, now) + web_kbps(a->web, now);
}

static void silent_sessions(struct agent *a, ns_t now)
{
	ns_t timeout = a->rtsp.conf.session_timeout;
	struct session *s = session_silent(a->rtsp.sessions.first, timeout, now), *next;

	/* One walk: thousands that were abandoned together also end together. */
	for (; s; s = next) {
		char text[ADDR_STRLEN];

		next = session_silent(s->next, timeout, now);

		a->timeouts++;
		log_limited(&a->silent, NLOG_REMOTE, "session %s of %s: no sign of life, ended",
			s->id_text, addr_str(&s->client, text));
		server_close(s);
		end(a, s, "timeout", false);
	}
}

/* Nobody is there any more, or has had the time to go; nginx then finishes what it is sending. */
static bool may_stop(struct agent *a, ns_t now)
{
	bool idle = a->rtsp.sessions.players == 0 && web_visitors(a->web, now) == 0;

	if (!a->quit_by && !idle && now < a->stop_by)
		return false;
	if (!a->quit_by) {
		a->quit_by = now + QUIT > a->stop_by ? now + QUIT : a->stop_by;
		web_quit(a->web);
	}
	return web_ended(a->web) || now >= a->quit_by;
}

void agent_house_keeping(void *arg)
{
	struct agent *a = arg;
	ns_t now = loop_now(a->loop);

	measure(a, now);
	silent_sessions(a, now);
	channel_time(a, now);
	accounts_tick(a, now);
	agent_users_tick(a, now);
	groups_tick(&a->rtsp.groups, &a->channels, &a->rtsp.sessions, now, tell_group, a);
	casd_house_keeping(a->casd, now);
	attach_door_tick(a->attach, now);
	server_tick(a->server, now);
	web_tick(a->web, now);
	loop_timer_at(a->house, now + AGENT_HOUSE);
	if (a->stopping && may_stop(a, now))
		loop_stop(a->loop);
}
