/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/group.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sbuf.h"
#include "lib/wire.h"

void groups_init(struct groups *g, const struct groups_conf *conf, struct relay *relay,
	const struct group_ops *ops, void *arg)
{
	*g = (struct groups){.conf = *conf, .relay = relay, .ops = ops, .arg = arg};
}

bool groups_reach(const struct groups *g, const struct addr *client)
{
	if (g->conf.range.addr.sa.sa_family != client->sa.sa_family)
		return false;
	for (int i = 0; i < g->conf.n_clients; i++)
		if (prefix_has(&g->conf.clients[i], client))
			return true;
	return false;
}

struct addr group_rtp(const struct group *g, int medium)
{
	struct addr a = g->addr;

	addr_set_port(&a, (uint16_t)(g->of->conf.port + 2 * medium));
	return a;
}

struct addr group_rtcp(const struct group *g, int medium)
{
	struct addr a = group_rtp(g, medium);

	addr_set_port(&a, (uint16_t)(addr_port(&a) + 1));
	return a;
}

struct group *groups_of(const struct groups *g, const struct channel *ch)
{
	struct group *p = g->first;

	while (p && p->channel != ch)
		p = p->next;
	return p;
}

/* ---- its life ---- */

/* The n-th address of the range. */
static struct addr address_of(const struct prefix *range, uint32_t n)
{
	struct addr a = range->addr;
	uint32_t *low =
		a.sa.sa_family == AF_INET6 ? &a.in6.sin6_addr.s6_addr32[3] : &a.in.sin_addr.s_addr;

	*low = htonl(ntohl(*low) | n);
	return a;
}

static bool taken(const struct groups *g, const struct addr *a)
{
	for (const struct group *p = g->first; p; p = p->next)
		if (addr_same_host(&p->addr, a))
			return true;
	return false;
}

/* One that the channel's name says: after a restart it is the same. If another channel has it, the
 * next one. False: all are taken. */
static bool pick(const struct groups *g, const struct channel *ch, struct addr *out)
{
	const struct prefix *range = &g->conf.range;
	unsigned bits = (range->addr.sa.sa_family == AF_INET6 ? 128u : 32u) - range->len;
	uint32_t mask = (1u << (bits < GROUP_BITS ? bits : GROUP_BITS)) - 1, hash;
	char name[64 + CHANNEL_ORIGIN + CHANNEL_PATH];
	struct sbuf b;

	sbuf_init(&b, name, sizeof(name));
	sbuf_printf(&b, "%s %s%s", g->conf.node, ch->origin, ch->path);
	hash = announce_channel((struct slice){name, b.n});
	for (uint32_t i = 0; i <= mask; i++) {
		*out = address_of(range, (hash + i) & mask);
		if (!taken(g, out))
			return true;
	}
	return false;
}

static struct group *get(struct groups *g, struct channel *ch)
{
	struct group *p = groups_of(g, ch);
	struct addr addr;

	if (p)
		return p;
	if (!g->conf.range.addr.sa.sa_family || !pick(g, ch, &addr) || !(p = calloc(1, sizeof(*p))))
		return NULL;
	p->of = g;
	p->channel = ch;
	p->addr = addr;
	addr_set_port(&p->addr, g->conf.port);
	for (int i = 0; i < ch->media; i++) {
		p->rx[i].rtp = group_rtp(p, i);
		p->rx[i].rtcp = group_rtcp(p, i);
	}
	p->next = g->first;
	g->first = p;
	g->n++;
	return p;
}

static void put(struct group *p)
{
	struct group **at = &p->of->first;

	if (--p->users > 0)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->of->n--;
	free(p);
}

/* One more for whom it flows. False: no memory. */
static bool flow(struct group *p, ns_t now)
{
	struct groups *g = p->of;
	int err = 0;

	if (p->flowing++ > 0)
		return true;
	for (int i = 0; i < p->channel->media && !err; i++)
		relay_add(g->relay, &p->channel->medium[i], &p->rx[i], -1, now, &err);
	if (err) {
		p->flowing = 0;
		for (int i = 0; i < p->channel->media; i++)
			relay_remove(g->relay, &p->rx[i]);
		return false;
	}
	if (g->ops)
		g->ops->begins(g->arg, p);
	return true;
}

static void ebb(struct group *p)
{
	struct groups *g = p->of;

	if (--p->flowing > 0)
		return;
	for (int i = 0; i < p->channel->media; i++)
		relay_remove(g->relay, &p->rx[i]);
	if (g->ops)
		g->ops->ends(g->arg, p);
}

/* ---- sessions ---- */

static void quiet(struct session *s, bool quiet)
{
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		s->m[i].rx.quiet = quiet;
}

static void become(struct session *s, enum share share, ns_t now)
{
	s->share = share;
	s->share_since = now;
	quiet(s, share == SHARE_SET_UP || share == SHARE_PLAYS || share == SHARE_HEARS);
}

struct group *group_set_up(struct groups *g, struct session *s, ns_t now)
{
	if (!s->group) {
		s->group = get(g, s->channel);
		if (!s->group)
			return NULL;
		s->group->users++;
	}
	become(s, SHARE_SET_UP, now);
	return s->group;
}

void group_play(struct session *s, ns_t now)
{
	if (s->share == SHARE_SET_UP && flow(s->group, now))
		become(s, SHARE_PLAYS, now);
}

void group_stop(struct session *s, ns_t now)
{
	if (s->share == SHARE_PLAYS) {
		ebb(s->group);
		become(s, SHARE_SET_UP, now);
	} else if (s->share != SHARE_SET_UP) {
		group_leave(s, now);
	}
}

void group_leave(struct session *s, ns_t now)
{
	if (!s->group)
		return;
	if (s->share != SHARE_SET_UP)
		ebb(s->group);
	put(s->group);
	s->group = NULL;
	become(s, SHARE_NONE, now);
}

static bool offer(struct groups *g, struct session *s, ns_t now)
{
	struct group *p = get(g, s->channel);

	if (!p)
		return false;
	p->users++;
	if (!flow(p, now)) {
		put(p);
		return false;
	}
	s->group = p;
	become(s, SHARE_OFFERED, now);
	g->offers++;
	return true;
}

static void withdraw(struct session *s, ns_t now)
{
	group_leave(s, now);
	s->no_group_before = now + GROUP_BAR;
}

bool group_heard(struct session *s, bool hears, ns_t now)
{
	if (s->share != SHARE_OFFERED && s->share != SHARE_HEARS)
		return false;
	if (!hears) {
		s->group->of->in_vain++;
		withdraw(s, now);
	} else if (s->share == SHARE_OFFERED) {
		s->group->of->heard++;
		become(s, SHARE_HEARS, now);
	}
	return true;
}

/* ---- time ---- */

static bool could_join(const struct groups *g, const struct session *s, ns_t now)
{
	if (s->share == SHARE_OFFERED || s->share == SHARE_HEARS)
		return true;
	if (!s->can_join || s->share != SHARE_NONE || s->state != SESSION_PLAYING || s->told_end ||
		s->channel->film || now < s->no_group_before || !groups_reach(g, &s->client))
		return false;
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		if (s->m[i].set_up && s->m[i].rx.tcp)
			return false;
	return true;
}

void groups_tick(struct groups *g, struct channels *channels, struct sessions *t, ns_t now,
	void (*tell)(void *arg, struct session *s), void *arg)
{
	if (!g->conf.range.addr.sa.sa_family)
		return;
	for (struct channel *ch = channels->first; ch; ch = ch->next)
		ch->joinable = 0;
	for (struct session *s = t->first; s; s = s->next) {
		if (s->share == SHARE_OFFERED && now - s->share_since >= GROUP_PATIENCE) {
			g->in_vain++;
			withdraw(s, now);
		}
		if (s->channel)
			s->channel->joinable += could_join(g, s, now);
	}
	for (struct session *s = t->first; s; s = s->next) {
		struct group *p;

		if (!s->channel || s->share != SHARE_NONE || !could_join(g, s, now))
			continue;
		p = groups_of(g, s->channel);
		if ((s->channel->joinable >= g->conf.threshold || (p && p->flowing)) &&
			offer(g, s, now))
			tell(arg, s);
	}
}
