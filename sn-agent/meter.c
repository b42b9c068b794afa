/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The metrics. */
#include "sn-agent/agent.h"
#include "sn-agent/attach_door.h"
#include "sn-agent/survey_door.h"

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
	const struct survey_counters *su = survey_door_counters(a->survey);
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
		COUNTER("surveys_total", "questions of far ARNs answered", &su->answered),
		COUNTER("surveys_refused_total", "such that were not to be believed, or too short",
			&su->refused),
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
		COUNTER("restarts_total", "sources that followed another, or numbered anew",
			&a->relay.restarts),
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
