/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sessions_init(struct sessions *t)
{
	memset(t, 0, sizeof(*t));
}

static struct session **id_bucket(struct sessions *t, uint64_t id)
{
	return &t->by_id[id % SESSION_BUCKETS];
}

static size_t addr_bucket(const struct addr *a)
{
	return addr_hash(a) % SESSION_BUCKETS;
}

static struct session *find_id(const struct sessions *t, uint64_t id)
{
	struct session *s = t->by_id[id % SESSION_BUCKETS];

	while (s && s->id != id)
		s = s->same_bucket;
	return s;
}

struct session *session_new(struct sessions *t, uint64_t id, bool publisher, ns_t now)
{
	struct session *s, **bucket = id_bucket(t, id);

	if (find_id(t, id) || !(s = calloc(1, sizeof(*s))))
		return NULL;
	s->id = id;
	snprintf(s->id_text, sizeof(s->id_text), "%016" PRIx64, id);
	memcpy(s->identity, s->id_text, sizeof(s->identity));
	s->publisher = publisher;
	s->active = s->started = now;
	s->same_bucket = *bucket;
	*bucket = s;
	s->next = t->first;
	s->prev = &t->first;
	if (s->next)
		s->next->prev = &s->next;
	t->first = s;
	*(publisher ? &t->publishers : &t->players) += 1;
	return s;
}

void session_free(struct sessions *t, struct session *s)
{
	struct session **p;

	if (!s)
		return;
	for (int i = 0; i < SDP_MAX_MEDIA; i++)
		session_clear_peers(t, s, i);
	p = id_bucket(t, s->id);
	while (*p != s)
		p = &(*p)->same_bucket;
	*p = s->same_bucket;
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	*(s->publisher ? &t->publishers : &t->players) -= 1;
	free(s->announced);
	free(s);
}

struct session *sessions_find(const struct sessions *t, struct slice id_text)
{
	uint64_t id = 0;

	if (id_text.n != SESSION_ID)
		return NULL;
	for (size_t i = 0; i < id_text.n; i++) {
		char c = id_text.p[i];

		if (c >= '0' && c <= '9')
			id = id << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			id = id << 4 | (uint64_t)(c - 'a' + 10);
		else
			return NULL;
	}
	return find_id(t, id);
}

struct peer *sessions_peer(const struct sessions *t, const struct addr *a, bool rtcp)
{
	struct peer *p = t->by_addr[addr_bucket(a)];

	while (p && (p->rtcp != rtcp || addr_cmp(&p->addr, a) != 0))
		p = p->next;
	return p;
}

static void put_peer(struct sessions *t, struct session *s, int medium, int which, struct addr a)
{
	struct peer *p = &s->m[medium].peer[which];
	size_t b = addr_bucket(&a);

	*p = (struct peer){.addr = a,
		.session = s,
		.medium = medium,
		.rtcp = which == 1,
		.known = true,
		.next = t->by_addr[b]};
	t->by_addr[b] = p;
}

/* Whether another session, or another medium of this one, has the address. */
static bool taken(const struct sessions *t, const struct session *s, int medium,
	const struct addr *a, bool rtcp)
{
	const struct peer *p = sessions_peer(t, a, rtcp);

	return p && (p->session != s || p->medium != medium);
}

bool session_set_peers(
	struct sessions *t, struct session *s, int medium, struct addr rtp, struct addr rtcp)
{
	if (taken(t, s, medium, &rtp, false) || taken(t, s, medium, &rtcp, true))
		return false;
	session_clear_peers(t, s, medium);
	put_peer(t, s, medium, 0, rtp);
	put_peer(t, s, medium, 1, rtcp);
	return true;
}

void session_clear_peers(struct sessions *t, struct session *s, int medium)
{
	for (int i = 0; i < 2; i++) {
		struct peer *peer = &s->m[medium].peer[i], **p;

		if (!peer->known)
			continue;
		p = &t->by_addr[addr_bucket(&peer->addr)];
		while (*p != peer)
			p = &(*p)->next;
		*p = peer->next;
		peer->known = false;
	}
}

struct session *session_silent(struct session *s, ns_t timeout, ns_t now)
{
	while (s && now - s->active < timeout)
		s = s->next;
	return s;
}

const char *session_state_str(enum session_state s)
{
	static const char *const name[] = {"init", "ready", "playing", "recording"};

	return name[s];
}
