/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/site.h"

#include <errno.h>
#include <string.h>

#define STRIKES 16 /* more make the hold no longer */
#define STEADY  8  /* holds without going, and a strike is forgotten */

void site_init(struct site *s, const struct site_conf *c, ns_t now)
{
	*s = (struct site){.conf = *c, .since = now, .others = NS_NEVER, .turned = now};
}

void site_set_usable(struct site *s, bool usable, ns_t now)
{
	if (s->usable == usable)
		return;
	s->usable = usable;
	s->since = now;
}

static ns_t timeout_of(const struct site *s, ns_t interval)
{
	return s->conf.misses * interval;
}

/* A place for it: its own, a free one, or that of one that was not heard for long. */
static struct site_peer *place(struct site *s, const char *id, ns_t now)
{
	struct site_peer *old = NULL;

	for (int i = 0; i < s->n; i++) {
		struct site_peer *p = &s->peer[i];

		if (!strcmp(p->id, id))
			return p;
		if (now >= p->expires && (!old || p->expires < old->expires))
			old = p;
	}
	if (s->n < SITE_MAX)
		old = &s->peer[s->n++];
	return old;
}

int site_hear(struct site *s, const char *id, bool serves, uint32_t interval_ms, ns_t now)
{
	struct site_peer *p = place(s, id, now);
	ns_t interval = interval_ms * NS_MS;

	if (!p)
		return -ENOSPC;
	if (interval > SITE_MAX_INTERVAL)
		interval = SITE_MAX_INTERVAL;
	*p = (struct site_peer){.serves = serves,
		.interval = interval,
		.heard_at = now,
		.expires = now + timeout_of(s, interval)};
	memcpy(p->id, id, strnlen(id, sizeof(p->id) - 1));
	return 0;
}

int site_serving(const struct site *s, ns_t now)
{
	int n = 0;

	for (int i = 0; i < s->n; i++)
		n += s->peer[i].serves && now < s->peer[i].expires;
	return n;
}

/* Of those that are heard, the slowest sets the pace. */
static ns_t fall(const struct site *s, ns_t now)
{
	ns_t longest = s->conf.interval;

	for (int i = 0; i < s->n; i++)
		if (now < s->peer[i].expires && s->peer[i].interval > longest)
			longest = s->peer[i].interval;
	return 2 * timeout_of(s, longest);
}

static ns_t hold(const struct site *s)
{
	ns_t h = s->conf.hold;

	for (int i = 1; i < s->strikes && h < s->conf.hold_max; i++)
		h *= 2;
	return h < s->conf.hold_max ? h : s->conf.hold_max;
}

static void turn(struct site *s, bool away, ns_t now)
{
	s->away = away;
	s->turned = now;
	if (!away)
		return;
	s->went++;
	s->strikes += s->strikes < STRIKES;
}

/* When it is to go, if nothing changes. */
static ns_t goes_at(const struct site *s, ns_t now)
{
	if (s->away || s->usable || s->others == NS_NEVER)
		return NS_NEVER;
	return (s->since > s->others ? s->since : s->others) + fall(s, now);
}

bool site_step(struct site *s, ns_t now)
{
	bool was = s->away, others = site_serving(s, now) > 0;

	if (!others)
		s->others = NS_NEVER;
	else if (s->others == NS_NEVER)
		s->others = now;

	while (!s->away && s->strikes && now - s->turned >= STEADY * hold(s)) {
		s->turned += STEADY * hold(s);
		s->strikes--;
	}
	if (now >= goes_at(s, now))
		turn(s, true, now);
	else if (s->away && (!others || (s->usable && now - s->since >= hold(s))))
		turn(s, false, now);
	return s->away != was;
}

static ns_t earlier(ns_t a, ns_t b)
{
	return a < b ? a : b;
}

ns_t site_when(const struct site *s, ns_t now)
{
	ns_t when = NS_NEVER;

	when = s->away && s->usable ? s->since + hold(s) : goes_at(s, now);
	if (when <= now) /* it was not asked for a step yet */
		when = now + s->conf.interval;
	for (int i = 0; i < s->n; i++)
		if (s->peer[i].serves && now < s->peer[i].expires)
			when = earlier(when, s->peer[i].expires);
	return when;
}
