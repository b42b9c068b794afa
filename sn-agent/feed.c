/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/feed_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/event.h"
#include "lib/rtp.h"
#include "lib/rtspd.h"
#include "lib/udp.h"
#include "sn-agent/sources.h"

#define GIVE_UP    (3 * NS_S) /* a lost packet is asked for that long */
#define REORDER    (3 * NS_MS)
#define RETRY_MIN  (20 * NS_MS)  /* between two NACKs for one packet: at least that, */
#define RETRY_DEF  (100 * NS_MS) /* or twice the round trip when it is known */
#define NACK_BATCH 256
#define NACK_EVERY (4 * NS_MS)
#define END_WAIT   (1 * NS_S) /* for the last lost packets of an ended source */
#define OLD_MAX    FETCH_MAX

static void run(struct feed *f);
static void arm(struct feed *f);

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
	return f->ch->playing > 0 || feed_now(f) < f->ch->expected;
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
		upstream_failed(&f->core, slot, 502, feed_now(f));
		run(f);
		return;
	}
	upstream_attached(&f->core, slot, is_wanted(f), feed_now(f));
	if (is_wanted(f))
		attachment_play(a);
	run(f);
}

static void on_playing(void *arg, struct attachment *a)
{
	int slot;
	struct feed *f = feed_of(arg, &slot, a);
	ns_t now = feed_now(f), rtt = attachment_rtt(a);

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

/* The source is another one than that whose gaps have been counted. */
static bool is_of_another(struct feed *f, int medium)
{
	const struct medium *m = &f->ch->medium[medium];
	bool another = f->counted[medium].has_ssrc && f->counted[medium].ssrc != m->ssrc;

	f->counted[medium] = (struct rtp_from){.has_ssrc = true, .ssrc = m->ssrc};
	return another;
}

/* All that there is of a new source, or numbering, has come now; what lacked of the former is no more. */
static void count_anew(struct medium *m, ns_t now)
{
	struct iovec v;

	fetch_clear(m->old);
	gap_begin(m->gap, ring_oldest(m->ring));
	for (int64_t seq = ring_oldest(m->ring); seq <= ring_newest(m->ring); seq++)
		if (ring_get(m->ring, seq, &v))
			gap_see(m->gap, seq, now);
}

static void on_rtp(void *arg, struct attachment *a, int medium, const uint8_t *p, size_t n)
{
	int slot, got;
	struct feed *f = feed_of(arg, &slot, a);
	struct medium *m = &f->ch->medium[medium];
	ns_t now = feed_now(f);
	int64_t seq;

	got = relay_rtp(f->fs->relay, m, p, n, now, &seq);
	if (got == RING_NEW) {
		enum gap_seen seen =
			is_of_another(f, medium) ? GAP_RESTART : gap_see(m->gap, seq, now);

		if (seen == GAP_RESTART)
			count_anew(m, now);
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
	event_emit("circle", feed_now(f), e);
	attachment_free(f->at[slot]);
	f->at[slot] = NULL;
	*f->ch->trying = '\0';
	upstream_failed(&f->core, slot, 482, feed_now(f));
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

	relay_turn(f->fs->relay, feed_now(f));
	run(f);
}

static void on_ended(void *arg, struct attachment *a, const int64_t *last)
{
	int slot;
	struct feed *f = feed_of(arg, &slot, a);
	ns_t now = feed_now(f);

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
	ns_t now = feed_now(f);

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
	ns_t now = feed_now(f);

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
	event_emit("subscribe", feed_now(f), e);
	f->at[slot] = n->warm ? attachment_new(&conf, &attachment_ops, f) : NULL;
	if (f->at[slot])
		attachment_start(f->at[slot]);
	else
		upstream_failed(&f->core, slot, 0, feed_now(f));
}

static void drop(struct feed *f, int slot)
{
	attachment_free(f->at[slot]);
	f->at[slot] = NULL;
	*f->ch->trying = '\0';
}

/* The neighbour is none any more. */
void feed_forsake(struct feeds *fs, int index)
{
	for (struct feed *f = fs->first, *next; f; f = next) {
		next = f->next;
		for (int slot = 0; f->routed && slot < 2; slot++)
			if (f->at[slot] && f->core.node[slot] == index) {
				drop(f, slot);
				upstream_failed(&f->core, slot, 0, feed_now(f));
				loop_timer_at(f->timer, feed_now(f));
			}
	}
}

static void promoted(struct feed *f, int slot, int node)
{
	struct channel *ch = f->ch;
	ns_t now = feed_now(f);

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
	channel_set_state(f->ch, CHANNEL_ENDED, feed_now(f));
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
	if (f->ended && !f->told && (all_there(f) || feed_now(f) >= f->end_by))
		say_ended(f);
	if (refused) {
		struct channel *ch = f->ch;
		struct feeds *fs = f->fs;

		channel_set_state(ch, CHANNEL_REFUSED, feed_now(f));
		feed_free(f);
		fs->ops->settled(fs->arg, ch);
		return;
	}
	arm(f);
}

/* ---- what the agent asks for ---- */

int feed_seek(struct feeds *fs, struct channel *ch)
{
	struct source *so = feed_source_find(fs, ch->origin);
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

	upstream_want(&f->core, feed_now(f));
	if (a && !attachment_plays(a)) {
		upstream_attached(&f->core, f->core.active, true, feed_now(f));
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
	upstream_want(&f->core, feed_now(f));
	a = f->core.active >= 0 ? f->at[f->core.active] : NULL;
	if (a && !attachment_plays(a)) {
		/* From now on its silence means something. */
		upstream_attached(&f->core, f->core.active, true, feed_now(f));
		attachment_play(a);
	}
	for (int i = 0; i < ch->media; i++)
		want_old(&ch->medium[i], &s->m[i], feed_now(f));
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
	now = feed_now(f);
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
	feed_source_unref(f->source);
	loop_timer_free(f->timer);
	free(f);
}

const struct feed_counters *feeds_counters(struct feeds *fs)
{
	return &fs->count;
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
