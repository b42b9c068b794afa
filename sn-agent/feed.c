/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/event.h"
#include "lib/log.h"
#include "lib/rtp.h"
#include "lib/rtspd.h"
#include "lib/udp.h"
#include "sn-agent/attachment.h"
#include "sn-agent/sources.h"
#include "sn-agent/via.h"
#include "sn-agent/warm.h"

#define GIVE_UP    (3 * NS_S) /* a lost packet is asked for that long */
#define REORDER    (3 * NS_MS)
#define RETRY_MIN  (20 * NS_MS)  /* between two NACKs for one packet: at least that, */
#define RETRY_DEF  (100 * NS_MS) /* or twice the round trip when it is known */
#define NACK_BATCH 256
#define NACK_EVERY (4 * NS_MS)
#define END_WAIT   (1 * NS_S) /* for the last lost packets of an ended source */
#define OLD_MAX    FETCH_MAX

struct node {
	char name[64];
	struct addr addr, local; /* its RTSP server; ours toward it, port 0 */
	struct warm *warm;
	struct source *source;
	int index;
};

/* Where channels are subscribed at: the configured upstream nodes, the places of one origin, or the
 * neighbours of the overlay. */
struct source {
	struct feeds *fs;
	char key[CHANNEL_ORIGIN]; /* "": the configured ones */
	int refs;                 /* of an origin: ports bound to it, and feeds */
	struct node node[UPSTREAM_NODES];
	struct upstream_nodes nodes;
	struct source *next;
};

struct feeds {
	struct loop *loop;
	const char *name, *software;
	struct addr addr;
	struct channels *channels;
	struct relay *relay;
	const struct feed_ops *ops;
	void *arg;
	struct source own, overlay;
	struct source *origins;
	struct feed *first;
	struct feed_counters count;
	struct log_limit failures;
};

struct feed {
	struct feeds *fs;
	struct source *source;
	struct channel *ch;
	struct upstream core;
	struct attachment *at[2];
	struct rtp_from
		counted[SDP_MAX_MEDIA]; /* by whose numbers each medium's gaps are counted */
	struct loop_timer *timer;
	uint32_t ssrc; /* ours, in feedback */
	bool routed;   /* by the overlay, toward */
	struct addr toward;
	char toward_text[ADDR_STRLEN];
	char through[2][VIA_NAMES];     /* what the node of each slot has it through */
	int64_t mark[2][SDP_MAX_MEDIA]; /* the newest when it was asked */
	bool ended;                     /* the source has: nothing is to be replaced any more */
	bool told;                      /* and that has been said */
	bool running;                   /* actions of the core are being done */
	ns_t end_by, nacked_at, retry, sought;
	struct feed *next;
};

static void run(struct feed *f);
static void arm(struct feed *f);
static void forsake(struct feeds *fs, int index);

static ns_t now_of(const struct feed *f)
{
	return loop_now(f->fs->loop);
}

/* ---- the upstream nodes ---- */

static void node_up(void *arg, bool up)
{
	struct node *n = arg;

	n->source->nodes.up[n->index] = up;
	log_msg(up ? NLOG_INFO : NLOG_REMOTE, "upstream %s %s", n->name,
		up ? "answers" : "does not answer");
	struct js *e = js_object();
	js_put_str(e, "upstream", n->name);
	event_emit(up ? "upstream_up" : "upstream_down", loop_now(n->source->fs->loop), e);
}

static int set_nodes(struct source *so, const struct feed_node *node, int n)
{
	struct feeds *fs = so->fs;

	for (int i = 0; i < UPSTREAM_NODES; i++) {
		struct node *x = &so->node[i];

		if (i < n && x->warm && addr_cmp(&x->addr, &node[i].addr) == 0 &&
			strcmp(x->name, node[i].name) == 0)
			continue;
		warm_free(x->warm);
		*x = (struct node){.source = so, .index = i};
		so->nodes.up[i] = false;
		if (i >= n)
			continue;
		snprintf(x->name, sizeof(x->name), "%s", node[i].name);
		x->addr = node[i].addr;
		x->local = fs->addr;
		x->warm = warm_new(fs->loop, &x->addr, &x->local, fs->software, node_up, x);
		if (!x->warm)
			return -ENOMEM;
	}
	so->nodes.n = n;
	return 0;
}

static void source_free(struct source *so)
{
	struct source **p;

	for (p = &so->fs->origins; *p != so; p = &(*p)->next)
		;
	*p = so->next;
	set_nodes(so, NULL, 0);
	free(so);
}

static void source_unref(struct source *so)
{
	if (*so->key && --so->refs == 0)
		source_free(so);
}

static struct source *find_source(struct feeds *fs, const char *key)
{
	struct source *so = fs->origins;

	if (!*key)
		return &fs->own;
	if (*key == '@')
		return &fs->overlay;
	while (so && strcmp(so->key, key))
		so = so->next;
	return so;
}

struct feeds *feeds_new(struct loop *l, const char *name, const char *software,
	const struct addr *addr, struct channels *channels, struct relay *relay,
	const struct feed_ops *ops, void *arg)
{
	struct feeds *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	*fs = (struct feeds){.loop = l,
		.name = name,
		.software = software,
		.addr = *addr,
		.channels = channels,
		.relay = relay,
		.ops = ops,
		.arg = arg,
		.failures = LOG_LIMIT_INIT};
	addr_set_port(&fs->addr, 0);
	fs->own.fs = fs->overlay.fs = fs;
	fs->overlay.nodes.n = UPSTREAM_NODES; /* places for them */
	return fs;
}

void feeds_free(struct feeds *fs)
{
	if (!fs)
		return;
	while (fs->first)
		feed_free(fs->first);
	while (fs->origins)
		source_free(fs->origins);
	set_nodes(&fs->own, NULL, 0);
	set_nodes(&fs->overlay, NULL, 0);
	free(fs);
}

int feeds_set_nodes(struct feeds *fs, const struct feed_node *node, int n)
{
	return set_nodes(&fs->own, node, n);
}

int feeds_set_origin(struct feeds *fs, const char *key, const struct addr *at, int n, bool hold)
{
	struct feed_node node[UPSTREAM_NODES];
	struct source *so = find_source(fs, key);
	char text[ADDR_STRLEN];
	int nodes = 0;

	if (!so) {
		so = calloc(1, sizeof(*so));
		if (!so)
			return -ENOMEM;
		so->fs = fs;
		snprintf(so->key, sizeof(so->key), "%s", key);
		so->next = fs->origins;
		fs->origins = so;
	}
	for (int i = 0; i < n && nodes < UPSTREAM_NODES; i++) {
		if (at[i].sa.sa_family != fs->addr.sa.sa_family)
			continue;
		snprintf(node[nodes].name, sizeof(node[nodes].name), "%.63s",
			addr_str(&at[i], text));
		node[nodes++].addr = at[i];
	}
	so->refs += hold;
	return set_nodes(so, node, nodes);
}

void feeds_drop_origin(struct feeds *fs, const char *key)
{
	struct source *so = find_source(fs, key);

	if (so)
		source_unref(so);
}

int feeds_set_neighbour(
	struct feeds *fs, int index, const struct feed_node *node, const struct addr *local)
{
	struct node *n = &fs->overlay.node[index];

	warm_free(n->warm);
	*n = (struct node){.source = &fs->overlay, .index = index};
	fs->overlay.nodes.up[index] = false;
	if (!node) {
		forsake(fs, index);
		return 0;
	}
	snprintf(n->name, sizeof(n->name), "%s", node->name);
	n->addr = node->addr;
	n->local = *local;
	n->warm = warm_new(fs->loop, &n->addr, &n->local, fs->software, node_up, n);
	return n->warm ? 0 : -ENOMEM;
}

bool feeds_neighbour_up(const struct feeds *fs, int index)
{
	return fs->overlay.nodes.up[index];
}

static int channels_from(const struct source *so, int index)
{
	int channels = 0;

	for (const struct feed *f = so->fs->first; f; f = f->next)
		channels += f->source == so && f->core.active >= 0 &&
		            f->core.node[f->core.active] == index;
	return channels;
}

int feeds_neighbour_channels(const struct feeds *fs, int index)
{
	return channels_from(&fs->overlay, index);
}

void feeds_reroute(struct feeds *fs)
{
	for (struct feed *f = fs->first; f; f = f->next)
		if (f->routed) {
			upstream_route(&f->core, fs->ops->route(fs->arg, &f->toward), now_of(f));
			/* What it says is done from the loop: a feed may be freed by that. */
			loop_timer_at(f->timer, now_of(f));
		}
}

/* ---- what comes by an attachment ---- */

static struct feed *feed_of(void *arg, int *slot, struct attachment *a)
{
	struct feed *f = arg;

	*slot = f->at[1] == a;
	return f;
}

/* Somebody plays it, or is about to. */
static bool is_wanted(const struct feed *f)
{
	return f->ch->playing > 0 || now_of(f) < f->ch->expected;
}

static void on_described(void *arg, struct attachment *a, struct slice sdp)
{
	int slot, err = 0;
	struct feed *f = feed_of(arg, &slot, a);
	struct channel *ch = f->ch;
	const struct gap_conf conf = {.reorder = REORDER, .retry = f->retry, .give_up = GIVE_UP};

	err = channel_describe(f->fs->channels, ch, sdp);
	if (!err)
		err = channel_track_losses(ch, &conf, f->retry);
	if (err) {
		log_msg(NLOG_REMOTE, "upstream's SDP of %s: %s", ch->path, strerror(-err));
		attachment_free(a);
		f->at[slot] = NULL;
		upstream_failed(&f->core, slot, 502, now_of(f));
		run(f);
		return;
	}
	upstream_attached(&f->core, slot, is_wanted(f), now_of(f));
	if (is_wanted(f))
		attachment_play(a);
	run(f);
}

static void on_playing(void *arg, struct attachment *a)
{
	int slot;
	struct feed *f = feed_of(arg, &slot, a);
	ns_t now = now_of(f), rtt = attachment_rtt(a);

	if (rtt > 0) {
		f->retry = 2 * rtt < RETRY_MIN ? RETRY_MIN : 2 * rtt;
		for (int i = 0; i < f->ch->media; i++) {
			gap_set_retry(f->ch->medium[i].gap, f->retry);
			fetch_set_retry(f->ch->medium[i].old, f->retry);
		}
	}
	for (int i = 0; i < f->ch->media; i++) {
		gap_rearm(f->ch->medium[i].gap, now);
		fetch_rearm(f->ch->medium[i].old, now);
	}
	f->fs->count.subscribed++;
	upstream_attached(&f->core, slot, true, now);
	struct js *e = js_object();
	js_put_str(e, "channel", f->ch->path);
	js_put_str(e, "upstream", f->source->node[f->core.node[slot]].name);
	js_put_real(e, "ms", (double)rtt / NS_MS);
	event_emit("subscribed", now, e);
	run(f);
}

/* The source has changed since gaps are counted. */
static bool is_of_another(struct feed *f, int medium)
{
	const struct medium *m = &f->ch->medium[medium];
	bool another = f->counted[medium].has_ssrc && f->counted[medium].ssrc != m->ssrc;

	f->counted[medium] = (struct rtp_from){.has_ssrc = true, .ssrc = m->ssrc};
	return another;
}

static void on_rtp(void *arg, struct attachment *a, int medium, const uint8_t *p, size_t n)
{
	int slot, got;
	struct feed *f = feed_of(arg, &slot, a);
	struct medium *m = &f->ch->medium[medium];
	ns_t now = now_of(f);
	int64_t seq;

	got = relay_rtp(f->fs->relay, m, p, n, now, &seq);
	if (got == RING_NEW) {
		enum gap_seen seen =
			is_of_another(f, medium) ? GAP_RESTART : gap_see(m->gap, seq, now);

		if (seen == GAP_RESTART) {
			gap_begin(m->gap, seq);
			gap_see(m->gap, seq, now);
		}
		if (fetch_got(m->old, seq) || seen == GAP_RECOVERED)
			f->fs->count.recovered++;
	} else if (got == RING_DUPLICATE) {
		gap_see(m->gap, seq, now);
	}
	upstream_packet(&f->core, slot, got == RING_NEW, now);
	if ((got == RING_NEW || got == RING_DUPLICATE) && seq >= f->mark[slot][medium])
		upstream_level(&f->core, slot, now);
}

static void set_path(struct feed *f, const char *names)
{
	struct channel *ch = f->ch;

	if (!strcmp(ch->path_via, names))
		return;
	snprintf(ch->path_via, sizeof(ch->path_via), "%s", names);
	f->fs->ops->rerouted(f->fs->arg, ch);
}

/* A circle has closed while the nodes in it did not know of each other: we leave it. */
static void leave_circle(struct feed *f, int slot, struct slice names)
{
	const char *name = f->source->node[f->core.node[slot]].name;

	f->fs->count.circles++;
	log_limited(&f->fs->failures, NLOG_REMOTE,
		"upstream %s, channel %s: comes through this node (" SLICE_FMT ")", name,
		f->ch->path, SLICE_ARG(names));
	struct js *e = js_object();
	js_put_str(e, "channel", f->ch->path);
	js_put_str(e, "upstream", name);
	event_emit("circle", now_of(f), e);
	attachment_free(f->at[slot]);
	f->at[slot] = NULL;
	*f->ch->trying = '\0';
	upstream_failed(&f->core, slot, 482, now_of(f));
	run(f);
}

static void on_path(void *arg, struct attachment *a, struct slice names)
{
	int slot;
	struct feed *f = feed_of(arg, &slot, a);

	if (rtspd_list_has(names, slice_of(f->fs->name))) {
		leave_circle(f, slot, names);
		return;
	}
	slice_copy(names, f->through[slot], sizeof(f->through[slot]));
	if (slot == f->core.active)
		set_path(f, f->through[slot]);
}

static void on_rtcp(void *arg, struct attachment *a, int medium, const uint8_t *p, size_t n)
{
	int slot;
	struct feed *f = feed_of(arg, &slot, a);

	if (slot == f->core.active)
		relay_origin_rtcp(f->fs->relay, &f->ch->medium[medium], p, n);
}

/* All that one turn of the loop brought has been handed in. */
static void on_batch(void *arg, struct attachment *a)
{
	int slot;
	struct feed *f = feed_of(arg, &slot, a);

	relay_turn(f->fs->relay, now_of(f));
	run(f);
}

static void on_ended(void *arg, struct attachment *a, const int64_t *last)
{
	int slot;
	struct feed *f = feed_of(arg, &slot, a);
	ns_t now = now_of(f);

	(void)slot;
	f->ended = true;
	f->end_by = now + END_WAIT;
	for (int i = 0; i < f->ch->media; i++) {
		struct medium *m = &f->ch->medium[i];
		int64_t seq;

		if (last[i] < 0 || ring_empty(m->ring))
			continue;
		seq = ring_extend(m->ring, (uint16_t)last[i]);
		gap_expect(m->gap, seq, now);
		if (seq > m->last)
			m->last = seq;
	}
	run(f);
}

static void on_failed(void *arg, struct attachment *a, int status, const char *why)
{
	int slot;
	struct feed *f = feed_of(arg, &slot, a);
	const char *name = f->source->node[f->core.node[slot]].name;
	ns_t now = now_of(f);

	if (!f->ended) {
		log_limited(&f->fs->failures, NLOG_REMOTE, "upstream %s, channel %s: %s", name,
			f->ch->path, why);
		struct js *e = js_object();
		js_put_str(e, "channel", f->ch->path);
		js_put_str(e, "upstream", name);
		js_put_int(e, "status", status);
		js_put_str(e, "reason", why);
		event_emit("upstream_failed", now, e);
	}
	attachment_free(a);
	f->at[slot] = NULL;
	*f->ch->trying = '\0';
	if (!f->ended) {
		f->fs->count.failed++;
		upstream_failed(&f->core, slot, status, now);
	} else if (slot == f->core.active) {
		f->core.active = -1;
	}
	run(f);
}

/* From which number on the attachment is to play a medium: a replaced one from the first that
 * lacks, a first one from the lowest that a receiver asked for; else with a key frame, if somebody
 * begins with one. */
static struct rtp_from on_from(void *arg, int medium)
{
	struct feed *f = arg;
	struct medium *m = &f->ch->medium[medium];
	const struct receiver *lowest = NULL;
	struct rtp_from from = {.seq = -1, .has_ssrc = m->has_ssrc, .ssrc = m->ssrc};

	if (!ring_empty(m->ring)) {
		from.seq = gap_next(m->gap);
		if (ring_newest(m->ring) - from.seq > OLD_MAX)
			from.seq = ring_newest(m->ring) + 1;
		return from;
	}
	for (int i = 0; i < m->receivers; i++) {
		const struct receiver *v = m->receiver[i];

		if (v->start > 0 && (!lowest || v->start < lowest->start))
			lowest = v;
		from.at_key |= v->at_key;
	}
	if (!lowest)
		return from;
	from = (struct rtp_from){
		.seq = lowest->start, .has_ssrc = lowest->has_source, .ssrc = lowest->source};
	ring_hint(m->ring, from.seq);
	gap_begin(m->gap, from.seq);
	f->counted[medium] = from;
	return from;
}

static const struct attachment_ops attachment_ops = {
	.described = on_described,
	.playing = on_playing,
	.rtp = on_rtp,
	.rtcp = on_rtcp,
	.batch = on_batch,
	.path = on_path,
	.ended = on_ended,
	.failed = on_failed,
	.from = on_from,
};

/* ---- asking for what lacks ---- */

static void nack_medium(struct feed *f, struct attachment *a, struct medium *m, ns_t now)
{
	int64_t due[NACK_BATCH];
	uint16_t seq[NACK_BATCH];
	uint8_t buf[1200];
	int n = gap_due(m->gap, now, due, NACK_BATCH);

	if (n == 0)
		n = fetch_due(m->old, now, due, NACK_BATCH);
	for (int i = 0; i < n; i++)
		seq[i] = (uint16_t)due[i];
	for (int i = 0; i < n;) {
		size_t len = 0;
		int put;

		rtcp_put_rr(buf, sizeof(buf), &len, f->ssrc);
		put = rtcp_put_nack(buf, sizeof(buf), &len, f->ssrc, m->ssrc, &seq[i], n - i);
		if (put <= 0)
			break;
		attachment_rtcp(a, m->index, buf, len);
		f->fs->count.nacked += (uint64_t)put;
		i += put;
	}
}

static bool all_there(const struct feed *f)
{
	for (int i = 0; i < f->ch->media; i++)
		if (f->ch->medium[i].gap && gap_missing(f->ch->medium[i].gap) > 0)
			return false;
	return true;
}

static void on_timer(void *arg)
{
	struct feed *f = arg;
	struct attachment *a;
	ns_t now = now_of(f);

	if (!f->ended)
		upstream_tick(&f->core, now);
	for (int i = 0; i < 2; i++)
		if (f->at[i])
			attachment_tick(f->at[i], now);
	a = f->core.active >= 0 ? f->at[f->core.active] : NULL;
	if (a && attachment_plays(a) && now >= f->nacked_at + NACK_EVERY) {
		f->nacked_at = now;
		for (int i = 0; i < f->ch->media; i++)
			nack_medium(f, a, &f->ch->medium[i], now);
	}
	run(f);
}

static void arm(struct feed *f)
{
	ns_t when = f->ended ? NS_NEVER : upstream_when(&f->core), due = NS_NEVER;

	for (int i = 0; i < 2; i++)
		if (f->at[i] && attachment_when(f->at[i]) < when)
			when = attachment_when(f->at[i]);
	if (f->core.active >= 0 && f->at[f->core.active] && attachment_plays(f->at[f->core.active]))
		for (int i = 0; i < f->ch->media; i++) {
			const struct medium *m = &f->ch->medium[i];

			if (gap_when(m->gap) < due)
				due = gap_when(m->gap);
			if (fetch_when(m->old) < due)
				due = fetch_when(m->old);
		}
	if (due < f->nacked_at + NACK_EVERY)
		due = f->nacked_at + NACK_EVERY;
	if (f->ended && !f->told && f->end_by < when)
		when = f->end_by;
	loop_timer_at(f->timer, due < when ? due : when);
}

/* ---- doing what the core says ---- */

static void attach(struct feed *f, int slot, int node)
{
	struct node *n = &f->source->node[node];
	struct slice sdp = {f->ch->sdp, f->ch->sdp_len};
	char via[VIA_NAMES];
	const struct attachment_conf conf = {.loop = f->fs->loop,
		.node = n->addr,
		.addr = n->local,
		.warm = n->warm,
		.path = f->ch->path,
		.via = via,
		.source = f->toward_text,
		.software = f->fs->software,
		.sdp = sdp};

	/* Who re-joins asks for itself: who first wanted the channel may be gone. */
	if (!via_join(via, f->core.established ? "" : f->ch->via, f->fs->name))
		via_join(via, "", f->fs->name);
	if (f->ch->state == CHANNEL_SEEKING)
		snprintf(f->ch->from_node, sizeof(f->ch->from_node), "%s", n->name);
	snprintf(f->ch->trying, sizeof(f->ch->trying), "%s", n->name);
	snprintf(f->through[slot], sizeof(f->through[slot]), "%s", n->name);
	for (int i = 0; i < f->ch->media; i++)
		f->mark[slot][i] =
			ring_empty(f->ch->medium[i].ring) ? -1 : ring_newest(f->ch->medium[i].ring);
	f->fs->count.moves += f->core.moving;
	log_msg(NLOG_DEBUG, "channel %s: asking upstream %s", f->ch->path, n->name);
	struct js *e = js_object();
	js_put_str(e, "channel", f->ch->path);
	js_put_str(e, "upstream", n->name);
	event_emit("subscribe", now_of(f), e);
	f->at[slot] = n->warm ? attachment_new(&conf, &attachment_ops, f) : NULL;
	if (f->at[slot])
		attachment_start(f->at[slot]);
	else
		upstream_failed(&f->core, slot, 0, now_of(f));
}

static void drop(struct feed *f, int slot)
{
	attachment_free(f->at[slot]);
	f->at[slot] = NULL;
	*f->ch->trying = '\0';
}

/* The neighbour is none any more. */
static void forsake(struct feeds *fs, int index)
{
	for (struct feed *f = fs->first, *next; f; f = next) {
		next = f->next;
		for (int slot = 0; f->routed && slot < 2; slot++)
			if (f->at[slot] && f->core.node[slot] == index) {
				drop(f, slot);
				upstream_failed(&f->core, slot, 0, now_of(f));
				loop_timer_at(f->timer, now_of(f));
			}
	}
}

static void promoted(struct feed *f, int slot, int node)
{
	struct channel *ch = f->ch;
	ns_t now = now_of(f);

	snprintf(ch->from_node, sizeof(ch->from_node), "%s", f->source->node[node].name);
	if (f->at[slot] && attachment_plays(f->at[slot]))
		for (int i = 0; i < ch->media; i++) {
			gap_rearm(ch->medium[i].gap, now);
			fetch_rearm(ch->medium[i].old, now);
		}
	f->fs->count.switches++;
	*ch->trying = '\0';
	set_path(f, f->through[slot]);
	log_msg(NLOG_INFO, "channel %s comes from upstream %s", ch->path, ch->from_node);
	struct js *e = js_object();
	js_put_str(e, "channel", ch->path);
	js_put_str(e, "upstream", ch->from_node);
	event_emit("upstream_switch", now, e);
	if (ch->state == CHANNEL_SEEKING) {
		channel_set_state(ch, CHANNEL_LIVE, now);
		ch->idle_since = now;
		f->fs->ops->settled(f->fs->arg, ch);
	}
}

static void say_ended(struct feed *f)
{
	f->ended = f->told = true;
	channel_set_state(f->ch, CHANNEL_ENDED, now_of(f));
	f->fs->ops->ended(f->fs->arg, f->ch);
}

static void run(struct feed *f)
{
	struct upstream_action a;
	bool refused = false;

	if (f->running)
		return; /* what this was called from goes on with all that is to be done */
	f->running = true;
	while (upstream_next(&f->core, &a)) {
		switch (a.what) {
		case UPSTREAM_ATTACH: attach(f, a.slot, a.node); break;
		case UPSTREAM_DROP: drop(f, a.slot); break;
		case UPSTREAM_PROMOTED: promoted(f, a.slot, a.node); break;
		case UPSTREAM_REFUSED:
			f->ch->refusal = a.status;
			refused = true;
			break;
		case UPSTREAM_OVER:
			if (!f->told)
				say_ended(f);
			break;
		case UPSTREAM_NOTHING: break;
		}
	}
	f->running = false;
	if (f->ended && !f->told && (all_there(f) || now_of(f) >= f->end_by))
		say_ended(f);
	if (refused) {
		struct channel *ch = f->ch;
		struct feeds *fs = f->fs;

		channel_set_state(ch, CHANNEL_REFUSED, now_of(f));
		feed_free(f);
		fs->ops->settled(fs->arg, ch);
		return;
	}
	arm(f);
}

/* ---- what the agent asks for ---- */

int feed_seek(struct feeds *fs, struct channel *ch)
{
	struct source *so = find_source(fs, ch->origin);
	struct feed *f = calloc(1, sizeof(*f));

	if (f)
		f->timer = loop_timer_new(fs->loop, on_timer, f);
	if (!f || !f->timer || !so || so->nodes.n == 0) {
		if (f)
			loop_timer_free(f->timer);
		free(f);
		ch->refusal = 503;
		channel_set_state(ch, CHANNEL_REFUSED, loop_now(fs->loop));
		return -ENOMEM;
	}
	f->fs = fs;
	f->source = so;
	f->routed = sources_parse(ch->origin, &f->toward);
	if (f->routed)
		addr_host(&f->toward, f->toward_text);
	so->refs++;
	f->ch = ch;
	f->retry = RETRY_DEF;
	f->sought = loop_now(fs->loop);
	if (getrandom(&f->ssrc, sizeof(f->ssrc), 0) != sizeof(f->ssrc))
		f->ssrc = (uint32_t)f->sought;
	f->next = fs->first;
	fs->first = f;
	ch->feed = f;
	if (f->routed)
		upstream_init_routed(&f->core, &so->nodes, fs->ops->route(fs->arg, &f->toward),
			ch->via[0] == '\0', f->sought);
	else
		upstream_init(&f->core, &so->nodes, f->sought);
	/* The first action is taken from the loop, so that ops.settled never comes from within. */
	loop_timer_at(f->timer, f->sought);
	return 0;
}

/* The newest of what it wants comes first into the bounded set. */
static void want_old(struct medium *m, const struct session_medium *sm, ns_t now)
{
	int64_t first;

	if (!sm->set_up || sm->from.seq < 0 || ring_empty(m->ring))
		return;
	first = ring_oldest(m->ring);
	for (int64_t s = first - 1; s >= sm->rx.start && s > first - OLD_MAX; s--)
		fetch_want(m->old, s, now);
}

void feed_expect(struct feed *f)
{
	struct attachment *a = f->core.active >= 0 ? f->at[f->core.active] : NULL;

	upstream_want(&f->core, now_of(f));
	if (a && !attachment_plays(a)) {
		upstream_attached(&f->core, f->core.active, true, now_of(f));
		attachment_play(a);
	}
	run(f);
}

void feed_play(struct session *s)
{
	struct channel *ch = s->channel;
	struct feed *f = ch->feed;
	struct attachment *a;

	if (!f || f->ended)
		return;
	upstream_want(&f->core, now_of(f));
	a = f->core.active >= 0 ? f->at[f->core.active] : NULL;
	if (a && !attachment_plays(a)) {
		/* From now on its silence means something. */
		upstream_attached(&f->core, f->core.active, true, now_of(f));
		attachment_play(a);
	}
	for (int i = 0; i < ch->media; i++)
		want_old(&ch->medium[i], &s->m[i], now_of(f));
	run(f);
}

void feed_missing(struct medium *m, int64_t seq)
{
	struct feed *f = m->channel->feed;
	ns_t now;

	if (!f || ring_empty(m->ring) || seq < 0 || seq > ring_newest(m->ring) ||
		ring_newest(m->ring) - seq > 4 * OLD_MAX)
		return;
	if (seq >= gap_next(m->gap) && !gap_has(m->gap, seq))
		return; /* is being asked for as it is */
	now = now_of(f);
	if (fetch_want(m->old, seq, now))
		arm(f);
}

void feed_free(struct feed *f)
{
	struct feed **p;

	if (!f)
		return;
	for (p = &f->fs->first; *p != f; p = &(*p)->next)
		;
	*p = f->next;
	f->ch->feed = NULL;
	f->fs->count.suspicions += f->core.suspicions;
	f->fs->count.false_alarms += f->core.false_alarms;
	drop(f, 0);
	drop(f, 1);
	source_unref(f->source);
	loop_timer_free(f->timer);
	free(f);
}

const struct feed_counters *feeds_counters(struct feeds *fs)
{
	return &fs->count;
}

static void show_source(const struct source *so, struct js *list)
{
	char text[ADDR_STRLEN];

	for (int i = 0; i < so->nodes.n; i++) {
		const struct node *n = &so->node[i];
		struct js *o = js_object();

		js_put_str(o, "name", n->name);
		js_put_str(o, "address", addr_str(&n->addr, text));
		if (*so->key)
			js_put_str(o, "origin", so->key);
		js_put_bool(o, "up", so->nodes.up[i]);
		js_put_real(o, "rtt_ms", n->warm ? (double)warm_rtt(n->warm) / NS_MS : 0);
		js_put_int(o, "channels", channels_from(so, i));
		js_push(list, o);
	}
}

struct js *feeds_show(struct feeds *fs)
{
	struct js *a = js_array();

	show_source(&fs->own, a);
	for (const struct source *so = fs->origins; so; so = so->next)
		show_source(so, a);
	return a;
}

void feed_show(const struct feed *f, struct js *o)
{
	js_put_str(o, "upstream", f->core.active >= 0 ? f->ch->from_node : NULL);
	js_put_bool(o, "trying", f->core.trial >= 0);
	if (f->routed)
		js_put_str(o, "toward", f->toward_text);
	if (f->ch->path_via[0])
		js_put_str(o, "through", f->ch->path_via);
	js_put_real(o, "patience_ms", (double)upstream_patience(&f->core) / NS_MS);
	js_put_int(o, "suspicions", (int64_t)f->core.suspicions);
	js_put_int(o, "false_alarms", (int64_t)f->core.false_alarms);
}
