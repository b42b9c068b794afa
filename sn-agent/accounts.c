/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/accounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GAP NS_S /* without a turn of the loop: it did not run */

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

/* A process that was stopped serves nobody, and its clients have gone on elsewhere. */
static void mind_gap(struct agent *a, ns_t now)
{
	if (a->account_alive && now - a->account_alive > GAP) {
		a->account_gap += now - a->account_alive;
		a->account_woke = now;
	}
	a->account_alive = now;
}

static void begin(struct agent *a, struct session *s, ns_t now)
{
	s->account.wall = clock_wall() / NS_MS;
	s->account.until = now;
	s->account.gap = a->account_gap;
	if (s->publisher)
		taken_in(s, &s->account.packets, &s->account.bytes);
}

static struct account_sum sum(const struct session *s)
{
	struct account_sum n = {0};

	if (s->publisher) {
		taken_in(s, &n.packets, &n.bytes);
		n.packets -= s->account.packets;
		n.bytes -= s->account.bytes;
		return n;
	}
	for (int i = 0; i < SDP_MAX_MEDIA; i++) {
		const struct receiver *v = &s->m[i].rx;

		n.packets += v->packets;
		n.bytes += v->bytes;
		n.dropped += v->dropped;
		n.repaired += v->repaired;
	}
	return n;
}

/*
 * Brings the account up to when the client was there for certain. That is now, if it says that it
 * leaves or if we end it; else its last sign of life: one that is cut off from us gets what another
 * node sends, while we send into the void until the session's timeout.
 */
static void settle(struct agent *a, struct session *s, const char *reason, ns_t now)
{
	bool silent = !reason || !strcmp(reason, "timeout") || !strcmp(reason, "connection broke");
	ns_t until = silent ? s->active : now, gap;

	if (until <= s->account.until)
		return;
	gap = until >= a->account_woke ? a->account_gap - s->account.gap : 0;
	s->account.served += until - s->account.until - gap;
	s->account.gap += gap;
	s->account.until = until;
	s->account.count = sum(s);
}

void accounts_note(struct agent *a, struct session *s, const char *reason)
{
	struct account_part p = {.id = s->id};
	ns_t now = loop_now(a->loop);
	bool tcp = false;

	if (!a->ledger)
		return;
	mind_gap(a, now);
	if (!s->account.wall)
		begin(a, s, now);
	settle(a, s, reason, now);
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
	snprintf(p.transport, sizeof(p.transport), "%s",
		s->group ? "multicast"
		: tcp    ? "tcp"
			 : "udp");
	p.begin = s->account.wall;
	p.seen = s->account.wall + s->account.served / NS_MS;
	p.count = s->account.count;
	snprintf(p.reason, sizeof(p.reason), "%s", reason ? reason : "");
	ledger_put(a->ledger, &p);
}

void accounts_tick(struct agent *a, ns_t now)
{
	if (!a->ledger)
		return;
	mind_gap(a, now);
	if (now < a->account_at)
		return;
	a->account_at = now + a->conf.accounting.interval;
	for (struct session *s = a->rtsp.sessions.first; s; s = s->next)
		if (s->spoke)
			accounts_note(a, s, NULL);
}
