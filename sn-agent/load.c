/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/load.h"

#include <errno.h>
#include <stdlib.h>

#include "sn-agent/group.h"

#define FIRST_RATE (300 * NS_MS) /* of a new channel, so that it has any at all soon */

static uint64_t bytes_of(const struct channel *ch)
{
	uint64_t n = 0;

	for (int i = 0; i < ch->media; i++)
		n += ch->medium[i].bytes;
	return n;
}

void load_rate(struct channels *c, ns_t now)
{
	for (struct channel *ch = c->first; ch; ch = ch->next) {
		uint64_t bytes = bytes_of(ch);
		ns_t span = now - ch->rated_at;

		if (ch->film)
			continue; /* it says itself what a viewer takes */
		if (ch->rated_at && span >= (ch->kbps ? LOAD_WINDOW : FIRST_RATE))
			ch->kbps = (bytes - ch->rated_bytes) * 8 * 1000000 / (uint64_t)span;
		else if (ch->rated_at)
			continue;
		ch->rated_bytes = bytes;
		ch->rated_at = now;
	}
}

static uint64_t to_come(const struct session *s, ns_t now)
{
	ns_t age = now - s->played;

	if (s->publisher || !s->channel || (s->group && s->group->users > 1))
		return 0;
	if (s->state == SESSION_PLAYING)
		return age < LOAD_WINDOW ? s->channel->kbps * (uint64_t)(LOAD_WINDOW - age) /
		                                   (uint64_t)LOAD_WINDOW
		                         : 0;
	/* It has been let in and is about to play. */
	return !s->spoke && now - s->started < LOAD_WAIT ? s->channel->kbps : 0;
}

uint64_t load_committed(const struct sessions *t, uint64_t measured, ns_t now)
{
	for (const struct session *s = t->first; s; s = s->next)
		measured += to_come(s, now);
	return measured;
}

/* The most wanted first. */
static int by_demand(const void *a, const void *b)
{
	const struct channel *x = *(struct channel *const *)a, *y = *(struct channel *const *)b;

	return (x->playing < y->playing) - (x->playing > y->playing);
}

struct carried {
	uint32_t hash;
	uint16_t kbps;
};

static int by_hash(const void *a, const void *b)
{
	const struct carried *x = a, *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

void load_channels(const struct channels *c, struct announce *a, int max)
{
	const struct channel *all[CHANNEL_MAX];
	struct carried carried[ANNOUNCE_CHANNELS];
	int n = 0;

	for (const struct channel *ch = c->first; ch && n < CHANNEL_MAX; ch = ch->next)
		if (ch->listed && ch->state == CHANNEL_LIVE && (!*ch->origin || *ch->origin == '@'))
			all[n++] = ch;
	if (n > max) {
		qsort(all, (size_t)n, sizeof(all[0]), by_demand);
		n = max;
	}
	for (int i = 0; i < n; i++)
		carried[i] = (struct carried){announce_channel(slice_of(all[i]->path)),
			all[i]->kbps < UINT16_MAX ? (uint16_t)all[i]->kbps : UINT16_MAX};
	qsort(carried, (size_t)n, sizeof(carried[0]), by_hash);
	a->channels = 0;
	for (int i = 0; i < n; i++) {
		/* Two paths of one hash are one channel to whoever hears of them. */
		if (i && carried[i].hash == carried[i - 1].hash)
			continue;
		a->channel[a->channels] = carried[i].hash;
		a->channel_kbps[a->channels++] = carried[i].kbps;
	}
}

int load_survey(const struct channels *c, struct survey_answer *a, uint8_t *out, size_t cap)
{
	int n, max;

	a->said.channels = 0;
	while ((n = survey_answer_encode(a, out, cap)) == -EMSGSIZE && a->neighbours)
		a->neighbours--;
	if (n < 0)
		return n;
	/* A channel takes the same room as every other; a string's head may become longer, too. */
	max = (int)(cap - (size_t)n) / ANNOUNCE_CHANNEL_LEN;
	for (max = max < ANNOUNCE_CHANNELS ? max : ANNOUNCE_CHANNELS; max > 0; max--) {
		load_channels(c, &a->said, max);
		n = survey_answer_encode(a, out, cap);
		if (n != -EMSGSIZE)
			return n;
	}
	a->said.channels = 0;
	return survey_answer_encode(a, out, cap);
}
