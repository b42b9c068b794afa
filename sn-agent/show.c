/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators ask: the control socket's commands, and the metrics. */
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

/* ---- metrics ---- */

static uint64_t read_healthy(void *arg)
{
	return selfcheck_healthy(((struct agent *)arg)->selfcheck);
}

static uint64_t read_draining(void *arg)
{
	return ((struct agent *)arg)->rtsp.draining;
}

static uint64_t read_players(void *arg)
{
	return (uint64_t)((struct agent *)arg)->rtsp.sessions.players;
}

static uint64_t read_publishers(void *arg)
{
	return (uint64_t)((struct agent *)arg)->rtsp.sessions.publishers;
}

static uint64_t read_channels(void *arg)
{
	return (uint64_t)((struct agent *)arg)->channels.n;
}

static uint64_t read_groups(void *arg)
{
	uint64_t n = 0;

	for (const struct group *g = ((struct agent *)arg)->rtsp.groups.first; g; g = g->next)
		n += g->flowing > 0;
	return n;
}

static uint64_t read_connections(void *arg)
{
	return (uint64_t)server_connections(((struct agent *)arg)->server);
}

static uint64_t read_announcements(void *arg)
{
	return announcer_sent(((struct agent *)arg)->announcer);
}

static uint64_t read_primed(void *arg)
{
	return (uint64_t)primes_bound(((struct agent *)arg)->primes);
}

static uint64_t read_primes(void *arg)
{
	return primes_counters(((struct agent *)arg)->primes)->granted;
}

static uint64_t read_primes_refused(void *arg)
{
	const struct primes_counters *c = primes_counters(((struct agent *)arg)->primes);

	return c->refused + c->unopened + c->bad_payload;
}

static uint64_t read_primes_gone(void *arg)
{
	return primes_counters(((struct agent *)arg)->primes)->gone;
}

static uint64_t read_films(void *arg)
{
	return (uint64_t)films_figures(((struct agent *)arg)->films).films;
}

static uint64_t read_viewers(void *arg)
{
	return (uint64_t)films_figures(((struct agent *)arg)->films).viewers;
}

static uint64_t read_cached(void *arg)
{
	return (uint64_t)films_figures(((struct agent *)arg)->films).cached;
}

static uint64_t read_neighbours(void *arg)
{
	return (uint64_t)overlay_neighbours(((struct agent *)arg)->overlay, false);
}

static uint64_t read_neighbours_up(void *arg)
{
	return (uint64_t)overlay_neighbours(((struct agent *)arg)->overlay, true);
}

static uint64_t read_attached(void *arg)
{
	return attach_door_attached(((struct agent *)arg)->attach);
}

static uint64_t read_attached_here(void *arg)
{
	return (uint64_t)attach_door_here(((struct agent *)arg)->attach);
}

static uint64_t read_registered(void *arg)
{
	return (uint64_t)attach_door_channels(((struct agent *)arg)->attach);
}

static uint64_t read_lag(void *arg)
{
	return selfcheck_lag_us(((struct agent *)arg)->selfcheck);
}

static uint64_t read_answer(void *arg)
{
	return selfcheck_answer_us(((struct agent *)arg)->selfcheck);
}

static struct ledger_state ledger_now(void *arg)
{
	struct ledger_state s;

	ledger_state(((struct agent *)arg)->ledger, &s);
	return s;
}

static uint64_t read_waiting(void *arg)
{
	return (uint64_t)ledger_now(arg).waiting;
}

static uint64_t read_written(void *arg)
{
	return ledger_now(arg).written;
}

static uint64_t read_unwritable(void *arg)
{
	return ledger_now(arg).failures;
}

static uint64_t read_lost(void *arg)
{
	return ledger_now(arg).lost;
}

static uint64_t read_web(void *arg)
{
	return web_serves(((struct agent *)arg)->web);
}

static uint64_t read_visitors(void *arg)
{
	const struct agent *a = arg;

	return (uint64_t)web_visitors(a->web, loop_now(a->loop));
}

static uint64_t read_web_kbps(void *arg)
{
	const struct agent *a = arg;

	return web_kbps(a->web, loop_now(a->loop));
}

int agent_fill_metrics(struct agent *a)
{
	const struct server_counters *sv = server_counters(a->server);
	const struct media_counters *md = media_counters(a->media);
	const struct feed_counters *fd = feeds_counters(a->feeds);
	const struct vod_counters *vc = films_counters(a->films);
	const struct casd_counters *cs = casd_counters(a->casd);
	const struct attach_counters *at = attach_door_counters(a->attach);
	const struct web_counters *wb = web_counters(a->web);
#define COUNTER(n, h, v)                                                                           \
	{                                                                                          \
		"nearcast_sn_" n, h, METRIC_COUNTER, NULL, v, NULL, NULL                           \
	}
#define GAUGE(n, h, f)                                                                             \
	{                                                                                          \
		"nearcast_sn_" n, h, METRIC_GAUGE, NULL, NULL, f, a                                \
	}
#define TOKENS(word, error)                                                                        \
	{                                                                                          \
		"nearcast_sn_tokens_total", "tokens that were looked at", METRIC_COUNTER,          \
			"token=\"" word "\"", &a->rtsp.tokens[error], NULL, NULL                   \
	}
#define WEB(word, which)                                                                           \
	{                                                                                          \
		"nearcast_sn_web_requests_total", "requests that the web cache has answered",      \
			METRIC_COUNTER, "cache=\"" word "\"", &wb->cache[which], NULL, NULL        \
	}
#define LOGINS(word, login)                                                                        \
	{                                                                                          \
		"nearcast_sn_logins_total", "requests that had to be a user's", METRIC_COUNTER,    \
			"login=\"" word "\"", &a->rtsp.logins[login], NULL, NULL                   \
	}
	const struct metric table[] = {
		GAUGE("healthy", "1: its service answers its own checks", read_healthy),
		GAUGE("draining", "1: takes no new sessions", read_draining),
		GAUGE("sessions", "players now", read_players),
		GAUGE("publishers", "publishers now", read_publishers),
		GAUGE("channels", "channels known now", read_channels),
		GAUGE("groups", "channels that are sent to a group now", read_groups),
		COUNTER("group_offers_total", "players told to join a group",
			&a->rtsp.groups.offers),
		COUNTER("group_joins_total", "of these said that they hear it",
			&a->rtsp.groups.heard),
		COUNTER("group_failures_total", "of these heard it not, or not any more",
			&a->rtsp.groups.in_vain),
		GAUGE("connections", "RTSP connections now", read_connections),
		{"nearcast_sn_kbps", "RTP sent, kbit/s over the last second", METRIC_GAUGE, NULL,
			&a->kbps, NULL, NULL},
		GAUGE("web_serves", "1: its web cache answers", read_web),
		GAUGE("web_visitors", "clients of the web cache now", read_visitors),
		GAUGE("web_kbps", "sent over HTTP, kbit/s over the last ten seconds",
			read_web_kbps),
		WEB("hit", WEB_CACHE_HIT),
		WEB("revalidated", WEB_CACHE_REVALIDATED),
		WEB("stale", WEB_CACHE_STALE),
		WEB("miss", WEB_CACHE_MISS),
		WEB("none", WEB_CACHE_NONE),
		COUNTER("web_bytes_total", "sent over HTTP", &wb->bytes),
		COUNTER("web_failed_total", "requests answered by 500 and above", &wb->failed),
		COUNTER("web_refused_total", "requests refused by their tokens", &wb->refused),
		GAUGE("loop_lag_us", "largest lateness of the loop, last check", read_lag),
		GAUGE("answer_us", "time of the last self check", read_answer),
		{"nearcast_sn_announcements_total", "announcements sent", METRIC_COUNTER, NULL,
			NULL, read_announcements, a},
		GAUGE("primed_ports", "ports given to ARNs now", read_primed),
		{"nearcast_sn_primes_total", "requests for a port granted", METRIC_COUNTER, NULL,
			NULL, read_primes, a},
		{"nearcast_sn_primes_refused_total", "refused, or not to be believed",
			METRIC_COUNTER, NULL, NULL, read_primes_refused, a},
		{"nearcast_sn_primes_gone_total", "ports taken back for want of room",
			METRIC_COUNTER, NULL, NULL, read_primes_gone, a},
		COUNTER("cas_allotted_total", "ARNs told a channel's number", &cs->allotted),
		COUNTER("cas_elsewhere_total", "told of another node's", &cs->elsewhere),
		COUNTER("cas_unknown_total", "of a channel that is not here", &cs->unknown),
		COUNTER("cas_bad_total", "requests that cannot be read", &cs->bad),
		COUNTER("cas_full_total", "no room for another channel", &cs->full),
		GAUGE("films", "films known now", read_films),
		GAUGE("viewers", "sessions that play one", read_viewers),
		GAUGE("film_cache_bytes", "of films that are kept", read_cached),
		COUNTER("film_fetches_total", "blocks asked of master sites", &vc->fetches),
		COUNTER("film_fetched_bytes_total", "bytes of films fetched", &vc->bytes),
		COUNTER("film_failures_total", "fetches without a result", &vc->failures),
		COUNTER("films_opened_total", "films that could be played", &vc->opened),
		COUNTER("films_changed_total", "that changed at the master", &vc->changed),
		COUNTER("film_stalls_total", "viewers that had to wait for a block", &vc->stalls),
		COUNTER("film_cache_full_total", "blocks without room", &vc->full),
		COUNTER("sessions_total", "players ever", &a->sessions_total),
		COUNTER("publishers_total", "publishers ever", &a->publishers_total),
		COUNTER("session_timeouts_total", "sessions without a sign of life", &a->timeouts),
		COUNTER("requests_total", "RTSP requests", &a->rtsp.requests),
		COUNTER("errors_4xx_total", "requests refused", &a->rtsp.errors_4xx),
		COUNTER("errors_5xx_total", "requests failed", &a->rtsp.errors_5xx),
		COUNTER("refused_capacity_total", "answered 453", &a->rtsp.refused_capacity),
		COUNTER("refused_budget_total", "of these for the budget of a link",
			&a->rtsp.refused_budget),
		COUNTER("refused_loop_total", "answered 482", &a->rtsp.refused_loop),
		TOKENS("ok", TOKEN_OK),
		TOKENS("missing", TOKEN_MISSING),
		TOKENS("malformed", TOKEN_MALFORMED),
		TOKENS("unknown_key", TOKEN_UNKNOWN_KEY),
		TOKENS("forged", TOKEN_FORGED),
		TOKENS("other_channel", TOKEN_OTHER_CHANNEL),
		TOKENS("other_client", TOKEN_OTHER_CLIENT),
		TOKENS("early", TOKEN_EARLY),
		TOKENS("expired", TOKEN_EXPIRED),
		LOGINS("ok", LOGIN_OK),
		LOGINS("missing", LOGIN_MISSING),
		LOGINS("malformed", LOGIN_MALFORMED),
		LOGINS("wrong", LOGIN_WRONG),
		LOGINS("stale", LOGIN_STALE),
		LOGINS("replayed", LOGIN_REPLAYED),
		GAUGE("accounting_waiting", "parts of sessions to be written", read_waiting),
		{"nearcast_sn_accounting_written_total", "parts of sessions written",
			METRIC_COUNTER, NULL, NULL, read_written, a},
		{"nearcast_sn_accounting_failures_total", "attempts to write that failed",
			METRIC_COUNTER, NULL, NULL, read_unwritable, a},
		{"nearcast_sn_accounting_lost_total", "parts of sessions there was no room for",
			METRIC_COUNTER, NULL, NULL, read_lost, a},
		COUNTER("connections_total", "RTSP connections ever", &sv->accepted),
		COUNTER("connections_refused_total", "over the limit", &sv->refused),
		COUNTER("evicted_total", "connections closed to make room", &sv->evicted),
		COUNTER("bad_requests_total", "no RTSP, or too long", &sv->bad),
		COUNTER("request_timeouts_total", "slow or idle connections", &sv->timeouts),
		COUNTER("overflows_total", "connections that overran a buffer", &sv->overflows),
		COUNTER("rtp_in_total", "RTP packets taken in", &a->relay.packets_in),
		COUNTER("rtp_in_bytes_total", "their bytes", &a->relay.bytes_in),
		COUNTER("rtp_duplicates_total", "had already, or too old", &a->relay.duplicates),
		COUNTER("rtp_malformed_total", "no RTP", &a->relay.malformed),
		COUNTER("rtp_unknown_total", "RTP of no session", &md->unknown_rtp),
		COUNTER("rtcp_unknown_total", "RTCP of no session", &md->unknown_rtcp),
		COUNTER("rtcp_malformed_total", "no RTCP", &a->relay.rtcp_malformed),
		COUNTER("restarts_total", "sources that numbered anew", &a->relay.restarts),
		COUNTER("rtp_out_total", "RTP packets sent", &a->relay.packets_out),
		COUNTER("rtp_out_bytes_total", "their bytes", &a->relay.bytes_out),
		COUNTER("rtp_dropped_total", "no room at a receiver", &a->relay.dropped),
		COUNTER("nacked_total", "packets that receivers asked for", &a->relay.nacks),
		COUNTER("repaired_total", "of these sent from a ring", &a->relay.repaired),
		COUNTER("unrepaired_total", "of these not in a ring", &a->relay.unrepaired),
		COUNTER("repairs_refused_total", "asked for too fast", &a->relay.repairs_refused),
		COUNTER("upstream_subscribed_total", "subscriptions", &fd->subscribed),
		COUNTER("upstream_failed_total", "subscriptions that failed", &fd->failed),
		COUNTER("upstream_switches_total", "changes of upstream", &fd->switches),
		COUNTER("upstream_nacked_total", "packets asked of upstreams", &fd->nacked),
		COUNTER("upstream_recovered_total", "of these that came", &fd->recovered),
		COUNTER("overlay_moves_total", "channels that followed their route", &fd->moves),
		COUNTER("overlay_circles_total", "found closed, and left", &fd->circles),
		GAUGE("overlay_neighbours", "with a tunnel", read_neighbours),
		GAUGE("overlay_neighbours_up", "of these that answer", read_neighbours_up),
		GAUGE("attached", "1: this node is, to another", read_attached),
		GAUGE("attachments", "nodes that are attached here", read_attached_here),
		GAUGE("registered_channels", "that other nodes have said they have",
			read_registered),
		COUNTER("attach_asked_total", "times that the anycast address was asked",
			&at->asked),
		COUNTER("attached_total", "attachments made, at either end", &at->attached),
		COUNTER("detached_total", "of these that ended", &at->detached),
		COUNTER("attach_refused_total", "requests of others", &at->refused),
	};
#undef WEB
#undef COUNTER
#undef GAUGE
	_Static_assert(sizeof(table) <= sizeof(a->metric), "AGENT_METRICS is too small");
	memcpy(a->metric, table, sizeof(table));
	return sizeof(table) / sizeof(table[0]);
}
