/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sbuf.h"

void channels_init(struct channels *c, ns_t ring_span, size_t ring_bytes, ns_t linger)
{
	*c = (struct channels){.ring_span = ring_span, .ring_bytes = ring_bytes, .linger = linger};
}

void channels_free(struct channels *c)
{
	while (c->first)
		channel_free(c, c->first);
}

void channels_set_span(struct channels *c, ns_t ring_span)
{
	c->ring_span = ring_span;
	for (struct channel *ch = c->first; ch; ch = ch->next)
		for (int i = 0; i < ch->media; i++)
			ring_set_span(ch->medium[i].ring, ring_span);
}

struct channel *channels_find_at(const struct channels *c, const char *origin, struct slice path)
{
	for (struct channel *ch = c->first; ch; ch = ch->next)
		if (ch->listed && slice_eq(slice_of(ch->path), path) && !strcmp(ch->origin, origin))
			return ch;
	return NULL;
}

struct channel *channels_find_source(
	const struct channels *c, const char *origin, struct slice path, int index, uint32_t ssrc)
{
	for (struct channel *ch = c->first; ch; ch = ch->next)
		if (!ch->film && channel_is_of(ch, index, ssrc) &&
			slice_eq(slice_of(ch->path), path) && !strcmp(ch->origin, origin))
			return ch;
	return NULL;
}

struct channel *channels_find(const struct channels *c, struct slice path)
{
	return channels_find_at(c, "", path);
}

/* Of those that are only remembered, and that nobody waits for, the oldest; NULL. */
static struct channel *oldest_memory(const struct channels *c)
{
	struct channel *oldest = NULL;

	for (struct channel *ch = c->first; ch; ch = ch->next)
		if ((ch->state == CHANNEL_REFUSED || ch->state == CHANNEL_ENDED) &&
			ch->users == 0 && !ch->feed && !ch->film &&
			(!oldest || ch->state_since < oldest->state_since))
			oldest = ch;
	return oldest;
}

struct channel *channel_new(
	struct channels *c, struct slice path, enum channel_state state, ns_t now)
{
	struct channel *ch;

	/* Who asks for many channels that are not there shall not keep out those that are. */
	if (c->n >= CHANNEL_MAX)
		channel_free(c, oldest_memory(c));
	if (c->n >= CHANNEL_MAX || path.n >= CHANNEL_PATH || !(ch = calloc(1, sizeof(*ch))))
		return NULL;
	slice_copy(path, ch->path, sizeof(ch->path));
	ch->grace = NS_NEVER;
	ch->idle_since = now;
	channel_set_state(ch, state, now);
	ch->next = c->first;
	c->first = ch;
	c->n++;
	return ch;
}

void channel_list(struct channels *c, struct channel *ch)
{
	struct channel *old = channels_find_at(c, ch->origin, slice_of(ch->path));

	if (old)
		old->listed = false;
	ch->listed = true;
}

static int make_media(struct channels *c, struct channel *ch, const struct sdp *sdp)
{
	for (int i = 0; i < sdp->medias; i++) {
		struct medium *m = &ch->medium[i];

		*m = (struct medium){.channel = ch,
			.index = i,
			.last = -1,
			.due = NS_NEVER,
			.key.at = -1,
			.clock_rate = sdp->media[i].clock_rate};
		m->ring = ring_new(c->ring_span, c->ring_bytes);
		if (!m->ring)
			return -ENOMEM;
		ch->media = i + 1;
	}
	return 0;
}

int channel_describe(struct channels *c, struct channel *ch, struct slice text)
{
	static const size_t room = SDP_MAX_SIZE + 1024;
	struct sdp sdp;
	struct sbuf out;
	char *mem;
	int err = sdp_parse(&sdp, text);

	if (err)
		return err;
	if (ch->media && ch->media != sdp.medias)
		return -EEXIST;
	mem = malloc(room);
	if (!mem)
		return -ENOMEM;
	sbuf_init(&out, mem, room);
	err = sdp_rewrite(&out, text);
	if (!err && ch->media == 0)
		err = make_media(c, ch, &sdp);
	if (err) {
		free(mem);
		return err;
	}
	for (int i = 0; i < ch->media; i++)
		if (ch->medium[i].key.codec != keyframe_codec(sdp.media[i].encoding))
			keyframe_init(&ch->medium[i].key, keyframe_codec(sdp.media[i].encoding));
	free(ch->sdp);
	ch->sdp = mem;
	ch->sdp_len = out.n;
	ch->said_kbps = sdp_kbps(&sdp);
	return 0;
}

bool channel_is_like(const struct channel *ch, const struct sdp *sdp)
{
	struct sdp own;

	return ch->sdp && sdp_parse(&own, (struct slice){ch->sdp, ch->sdp_len}) == 0 &&
	       sdp_alike(&own, sdp);
}

void channel_set_state(struct channel *ch, enum channel_state state, ns_t now)
{
	ch->state = state;
	ch->state_since = now;
}

int channel_track_losses(struct channel *ch, const struct gap_conf *conf, ns_t retry)
{
	for (int i = 0; i < ch->media; i++) {
		struct medium *m = &ch->medium[i];

		if (!m->gap)
			m->gap = gap_new(conf);
		if (!m->old)
			m->old = fetch_new(retry, conf->give_up);
		if (!m->gap || !m->old)
			return -ENOMEM;
	}
	return 0;
}

static enum channel_due due(const struct channels *c, const struct channel *ch, ns_t now)
{
	if (ch->state == CHANNEL_LIVE && ch->grace <= now)
		return CHANNEL_END;
	if (ch->users > 0)
		return CHANNEL_NOTHING;
	switch (ch->state) {
	case CHANNEL_ANNOUNCED: return ch->publisher ? CHANNEL_NOTHING : CHANNEL_FORGOTTEN;
	case CHANNEL_SEEKING: return CHANNEL_NOTHING; /* bounded by the seeker */
	case CHANNEL_REFUSED:
		return now - ch->state_since >= CHANNEL_SULK ? CHANNEL_FORGOTTEN : CHANNEL_NOTHING;
	case CHANNEL_ENDED:
		/* A film that is another now has no rings. */
		return ch->film || now - ch->state_since >= c->ring_span ? CHANNEL_FORGOTTEN
		                                                         : CHANNEL_NOTHING;
	case CHANNEL_LIVE:
		if (ch->local || ch->idle_since == NS_NEVER || now < ch->expected ||
			now - ch->idle_since < c->linger)
			return CHANNEL_NOTHING;
		return CHANNEL_PRUNE;
	}
	return CHANNEL_NOTHING;
}

enum channel_due channels_tick(struct channels *c, ns_t now, struct channel **out)
{
	for (struct channel *ch = c->first; ch; ch = ch->next) {
		enum channel_due d = due(c, ch, now);

		if (d != CHANNEL_NOTHING) {
			*out = ch;
			return d;
		}
	}
	return CHANNEL_NOTHING;
}

void channel_free(struct channels *c, struct channel *ch)
{
	struct channel **p = &c->first;

	if (!ch)
		return;
	while (*p != ch)
		p = &(*p)->next;
	*p = ch->next;
	c->n--;
	for (int i = 0; i < ch->media; i++) {
		struct medium *m = &ch->medium[i];

		assert(m->receivers == 0 && !m->is_dirty);
		ring_free(m->ring);
		successor_forget(&m->next);
		if (m->gap)
			gap_free(m->gap);
		fetch_free(m->old);
		free(m->receiver);
	}
	free(ch->sdp);
	free(ch);
}

const char *channel_state_str(enum channel_state s)
{
	static const char *const name[] = {"announced", "seeking", "live", "ended", "refused"};

	return name[s];
}
