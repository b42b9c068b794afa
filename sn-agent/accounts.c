/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/accounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int accounts_open(struct agent *a)
{
	struct ledger_conf c = {.keep_days = a->conf.accounting.keep_days};
	int err = 0;

	if (!*a->conf.accounting.database)
		return 0;
	snprintf(c.database, sizeof(c.database), "%s", a->conf.accounting.database);
	snprintf(c.node, sizeof(c.node), "%s", a->conf.name);
	if (a->ledger)
		ledger_set_conf(a->ledger, &c);
	else
		a->ledger = ledger_new(&c, &err);
	return err;
}

/* What the channel has taken in; of a publisher's session it is what came since it began. */
static void taken_in(const struct session *s, uint64_t *packets, uint64_t *bytes)
{
	*packets = *bytes = 0;
	for (int i = 0; s->channel && i < s->channel->media; i++) {
		*packets += s->channel->medium[i].packets;
		*bytes += s->channel->medium[i].bytes;
	}
}

static void begin(struct session *s, ns_t now)
{
	s->account.wall = clock_wall() / NS_MS;
	s->account.at = now;
	if (s->publisher)
		taken_in(s, &s->account.packets, &s->account.bytes);
}

static void count(const struct session *s, struct account_part *p)
{
	if (s->publisher) {
		taken_in(s, &p->packets, &p->bytes);
		p->packets -= s->account.packets;
		p->bytes -= s->account.bytes;
		return;
	}
	for (int i = 0; i < SDP_MAX_MEDIA; i++) {
		const struct receiver *v = &s->m[i].rx;

		p->packets += v->packets;
		p->bytes += v->bytes;
		p->dropped += v->dropped;
		p->repaired += v->repaired;
	}
}

void accounts_note(struct agent *a, struct session *s, const char *reason)
{
	struct account_part p = {.id = s->id};
	ns_t now = loop_now(a->loop);
	bool tcp = false;

	if (!a->ledger)
		return;
	if (!s->account.wall)
		begin(s, now);
	memcpy(p.identity, s->identity, sizeof(p.identity));
	snprintf(p.role, sizeof(p.role), "%s",
		s->publisher ? "publisher"
		: s->node[0] ? "node"
			     : "player");
	snprintf(p.user, sizeof(p.user), "%s", s->user);
	addr_str(&s->client, p.client);
	if (s->channel)
		snprintf(
			p.channel, sizeof(p.channel), "%s%s", s->channel->origin, s->channel->path);
	for (int i = 0; i < SDP_MAX_MEDIA; i++) {
		tcp |= s->m[i].set_up && s->m[i].rx.tcp;
		p.resumed |= s->m[i].set_up && s->m[i].from.seq >= 0;
	}
	snprintf(p.transport, sizeof(p.transport), "%s", tcp ? "tcp" : "udp");
	p.begin = s->account.wall;
	p.seen = s->account.wall + (now - s->account.at) / NS_MS;
	count(s, &p);
	snprintf(p.reason, sizeof(p.reason), "%s", reason ? reason : "");
	ledger_put(a->ledger, &p);
}

void accounts_tick(struct agent *a, ns_t now)
{
	if (!a->ledger || now < a->account_at)
		return;
	a->account_at = now + a->conf.accounting.interval;
	for (struct session *s = a->rtsp.sessions.first; s; s = s->next)
		if (s->spoke)
			accounts_note(a, s, NULL);
}
