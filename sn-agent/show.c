/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators ask: the control socket's commands. */
#include <string.h>

#include "lib/log.h"
#include "sn-agent/admission.h"
#include "sn-agent/agent.h"
#include "sn-agent/attach_door.h"

/* ---- show ---- */

static enum ctl_code show_status(void *ctx, struct slice args, struct js *o)
{
	struct agent *a = ctx;
	char text[ADDR_STRLEN];

	(void)args;
	js_put_str(o, "name", a->conf.name);
	js_put_str(o, "role", "sn");
	js_put_str(o, "version", PACKAGE_VERSION);
	js_put_str(o, "address", addr_host(&a->conf.address, text));
	js_put_str(o, "place", a->conf.place);
	js_put_int(o, "rtsp_port", a->conf.rtsp.port);
	js_put_int(o, "rtp_port", a->conf.rtp.port);
	js_put_real(o, "uptime_s", (double)(loop_now(a->loop) - a->started) / NS_S);
	js_put_bool(o, "healthy", selfcheck_healthy(a->selfcheck));
	if (!selfcheck_healthy(a->selfcheck))
		js_put_str(o, "trouble", announce_trouble_str(selfcheck_trouble(a->selfcheck)));
	js_put_real(o, "delay_ms", selfcheck_delay_us(a->selfcheck) / 1000.0);
	js_put_bool(o, "draining", a->rtsp.draining);
	js_put_bool(o, "stopping", a->stopping);
	js_put_int(o, "sessions", a->rtsp.sessions.players);
	js_put_int(o, "max_sessions", a->conf.capacity.sessions);
	js_put_int(o, "publishers", a->rtsp.sessions.publishers);
	js_put_int(o, "channels", a->channels.n);
	js_put_int(o, "connections", server_connections(a->server));
	js_put_int(o, "kbps", (int64_t)(a->kbps + web_kbps(a->web, loop_now(a->loop))));
	js_put_int(o, "max_kbps", a->conf.capacity.kbps);
	js_put_int(o, "announcements", (int64_t)announcer_sent(a->announcer));
	return CTL_OK;
}

static struct js *show_medium(const struct medium *m, ns_t now)
{
	struct js *o = js_object();

	js_put_int(o, "media", m->index);
	js_put_int(o, "clock_rate", m->clock_rate);
	js_put_int(o, "ssrc", m->has_ssrc ? m->ssrc : 0);
	js_put_int(o, "packets", (int64_t)m->packets);
	js_put_int(o, "bytes", (int64_t)m->bytes);
	js_put_int(o, "duplicates", (int64_t)m->duplicates);
	js_put_int(o, "receivers", m->receivers);
	js_put_int(o, "ring_packets", ring_count(m->ring));
	js_put_int(o, "ring_bytes", (int64_t)ring_bytes(m->ring));
	if (!ring_empty(m->ring)) {
		js_put_int(o, "oldest", ring_oldest(m->ring) & 0xffff);
		js_put_int(o, "newest", ring_newest(m->ring) & 0xffff);
		js_put_real(o, "silent_ms", (double)(now - m->last_at) / NS_MS);
	}
	if (m->gap)
		js_put_int(o, "missing", gap_missing(m->gap));
	if (m->old)
		js_put_int(o, "fetching", fetch_count(m->old));
	return o;
}

static void show_group(const struct group *g, struct js *o)
{
	char text[ADDR_STRLEN];

	js_put_str(o, "group", g && g->flowing ? addr_host(&g->addr, text) : NULL);
	js_put_int(o, "members", g ? g->flowing : 0);
}

static enum ctl_code show_channels(void *ctx, struct slice args, struct js *out)
{
	struct agent *a = ctx;
	struct js *list = js_array();
	ns_t now = loop_now(a->loop);

	(void)args;
	for (const struct channel *ch = a->channels.first; ch; ch = ch->next) {
		struct js *o = js_object(), *media = js_array();

		js_put_str(o, "path", ch->path);
		js_put_str(o, "state", channel_state_str(ch->state));
		js_put_str(o, "source",
			ch->film    ? "library"
			: ch->local ? "publisher"
				    : "upstream");
		js_put_str(o, "publisher", ch->publisher ? ch->publisher->id_text : NULL);
		if (ch->feed)
			feed_show(ch->feed, o);
		js_put_int(o, "playing", ch->playing);
		show_group(groups_of(&a->rtsp.groups, ch), o);
		for (int i = 0; i < ch->media; i++)
			js_push(media, show_medium(&ch->medium[i], now));
		js_put(o, "media", media);
		js_push(list, o);
	}
	js_put(out, "channels", list);
	return CTL_OK;
}

/* By what a session has what is live. */
static const char *delivery_of(const struct session *s)
{
	if (s->share == SHARE_PLAYS || s->share == SHARE_HEARS)
		return "multicast";
	return s->m[0].rx.tcp ? "tcp" : "udp";
}

static enum ctl_code show_sessions(void *ctx, struct slice args, struct js *out)
{
	struct agent *a = ctx;
	struct js *list = js_array();
	ns_t now = loop_now(a->loop);
	char text[ADDR_STRLEN];

	(void)args;
	for (const struct session *s = a->rtsp.sessions.first; s; s = s->next) {
		struct js *o = js_object();
		uint64_t packets = 0, bytes = 0, dropped = 0, repaired = 0;

		for (int i = 0; i < SDP_MAX_MEDIA; i++) {
			packets += s->m[i].rx.packets;
			bytes += s->m[i].rx.bytes;
			dropped += s->m[i].rx.dropped;
			repaired += s->m[i].rx.repaired;
		}
		js_put_str(o, "id", s->id_text);
		js_put_str(o, "identity", s->identity);
		js_put_str(o, "user", s->user[0] ? s->user : NULL);
		js_put_str(o, "role", s->publisher ? "publisher" : "player");
		js_put_str(o, "state", session_state_str(s->state));
		js_put_str(o, "client", addr_str(&s->client, text));
		js_put_str(o, "channel", s->channel ? s->channel->path : NULL);
		js_put_str(o, "node", s->node[0] ? s->node : NULL);
		js_put_str(o, "delivery", delivery_of(s));
		js_put_bool(o, "failover", s->nearcast);
		js_put_real(o, "seconds", (double)(now - s->started) / NS_S);
		js_put_real(o, "silent", (double)(now - s->active) / NS_S);
		js_put_int(o, "packets", (int64_t)packets);
		js_put_int(o, "bytes", (int64_t)bytes);
		js_put_int(o, "dropped", (int64_t)dropped);
		js_put_int(o, "repaired", (int64_t)repaired);
		js_push(list, o);
	}
	js_put(out, "sessions", list);
	return CTL_OK;
}

static enum ctl_code show_accounting(void *ctx, struct slice args, struct js *o)
{
	struct agent *a = ctx;
	struct ledger_state s;

	(void)args;
	ledger_state(a->ledger, &s);
	js_put_str(o, "database", a->ledger ? a->conf.accounting.database : NULL);
	js_put_int(o, "waiting", s.waiting);
	js_put_int(o, "written", (int64_t)s.written);
	js_put_int(o, "failures", (int64_t)s.failures);
	js_put_int(o, "lost", (int64_t)s.lost);
	js_put_str(o, "trouble", *s.trouble ? s.trouble : NULL);
	return CTL_OK;
}

static enum ctl_code show_upstreams(void *ctx, struct slice args, struct js *out)
{
	struct agent *a = ctx;

	(void)args;
	js_put(out, "upstreams", feeds_show(a->feeds));
	return CTL_OK;
}

/* What channels take of the links to neighbours. */
static struct js *show_links(struct rtsp *r)
{
	const struct budget *b = &r->conf.budget;
	struct js *list = js_array();

	for (int i = 0; i < r->conf.links; i++) {
		struct js *o = js_object(), *classes = js_object();
		struct budget_use use;

		js_put_str(o, "node", r->conf.link[i].node);
		js_put_int(o, "kbps", (int64_t)admission_link(r, r->conf.link[i].node, &use));
		for (int k = 0; k < (b->classes ? b->classes : 1); k++)
			js_put_int(classes, budget_class_name(b, k), (int64_t)use.kbps[k]);
		js_put(o, "used_kbps", classes);
		js_push(list, o);
	}
	return list;
}

static enum ctl_code show_overlay(void *ctx, struct slice args, struct js *out)
{
	struct agent *a = ctx;
	struct js *joins = js_array();
	char text[ADDR_STRLEN];

	(void)args;
	if (a->overlay)
		js_put_str(out, "address", addr_host(&a->conf.overlay.address, text));
	js_put(out, "neighbours", overlay_show(a->overlay));
	attach_door_show(a->attach, out);
	for (const struct channel *ch = a->channels.first; ch; ch = ch->next) {
		struct js *o;

		if (!ch->feed || *ch->origin != '@')
			continue;
		o = js_object();
		js_put_str(o, "path", ch->path);
		js_put_str(o, "state", channel_state_str(ch->state));
		feed_show(ch->feed, o);
		js_put_int(o, "playing", ch->playing);
		js_push(joins, o);
	}
	js_put(out, "joins", joins);
	js_put(out, "links", show_links(&a->rtsp));
	return CTL_OK;
}

static enum ctl_code show_primes(void *ctx, struct slice args, struct js *out)
{
	const struct agent *a = ctx;

	(void)args;
	js_put(out, "primes", primes_show(a->primes));
	return CTL_OK;
}

static enum ctl_code show_web(void *ctx, struct slice args, struct js *out)
{
	const struct agent *a = ctx;

	(void)args;
	js_put(out, "web", web_show(a->web, loop_now(a->loop)));
	return CTL_OK;
}

static enum ctl_code show_counters(void *ctx, struct slice args, struct js *out)
{
	struct agent *a = ctx;
	int n = agent_fill_metrics(a);

	(void)args;
	for (int i = 0; i < n; i++) {
		const struct metric *m = &a->metric[i];

		js_put_int(out, m->name + strlen("nearcast_sn_"),
			(int64_t)(m->value ? *m->value : m->read(m->arg)));
	}
	return CTL_OK;
}

static enum ctl_code refuse(struct js *out, const char *why)
{
	js_put_str(out, "error", why);
	return CTL_CONFLICT;
}

static enum ctl_code drain(void *ctx, struct slice args, struct js *out)
{
	struct agent *a = ctx;

	(void)args;
	if (a->rtsp.draining)
		return refuse(out, "drained already");
	agent_drain(a, true);
	js_put_bool(out, "draining", true);
	js_put_int(out, "sessions", a->rtsp.sessions.players);
	return CTL_OK;
}

static enum ctl_code undrain(void *ctx, struct slice args, struct js *out)
{
	struct agent *a = ctx;

	(void)args;
	if (a->stopping)
		return refuse(out, "it is stopping");
	if (!a->rtsp.draining)
		return refuse(out, "not drained");
	agent_drain(a, false);
	js_put_bool(out, "draining", false);
	return CTL_OK;
}

static enum ctl_code show_allotments(void *ctx, struct slice args, struct js *out)
{
	struct agent *a = ctx;

	(void)args;
	js_put(out, "allotments", casd_show(a->casd, loop_now(a->loop)));
	return CTL_OK;
}

static enum ctl_code show_films(void *ctx, struct slice args, struct js *out)
{
	struct agent *a = ctx;

	(void)args;
	js_put(out, "films", films_show(a->films));
	return CTL_OK;
}

static enum ctl_code reload(void *ctx, struct slice args, struct js *out)
{
	struct conf_errors e = {.n = 0};

	(void)args;
	if (agent_reload(ctx, &e)) {
		js_put_str(out, "error", e.text);
		return CTL_CONFLICT;
	}
	return CTL_OK;
}

const struct ctl_command agent_commands[] = {
	{"show status", NULL, "this node, its load and health", show_status},
	{"show channels", NULL, "channels, where they come from, their rings", show_channels},
	{"show sessions", NULL, "players and publishers", show_sessions},
	{"show accounting", NULL, "whether accounts can be written, and what waits",
		show_accounting},
	{"show upstreams", NULL, "nodes that channels are subscribed at", show_upstreams},
	{"show overlay", NULL, "tunnels to neighbours, and channels' ways through them",
		show_overlay},
	{"show primes", NULL, "ports that are given to ARNs, and for what", show_primes},
	{"show allotments", NULL, "numbers that channels have for ARNs", show_allotments},
	{"show web", NULL, "the web cache", show_web},
	{"show films", NULL, "films that are played on demand", show_films},
	{"show counters", NULL, "all counters", show_counters},
	{"drain", NULL, "take no new sessions", drain},
	{"undrain", NULL, "take sessions again", undrain},
	{"reload", NULL, "read the configuration again", reload},
};
const int agent_n_commands = sizeof(agent_commands) / sizeof(agent_commands[0]);
