/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTSP over primed ports: whoever connects there is served with the state that the port is bound
 * to. With an origin, channels are that origin's and come from there; without one they are those of
 * the usual port, and the port only says which provider is asked. An origin that is this node
 * itself is none: what is published here is here already.
 */
#include "sn-agent/rtsp_door.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "sn-agent/agent.h"

#define EXPECT   (3 * NS_S) /* a client that was told of comes within that */
#define EXPECTED 16         /* channels that are fetched for nobody yet, at one time */

static void on_count(void *arg, bool begins)
{
	struct port *p = arg;

	/* Moments that order idle ports, no deadlines. */
	if (begins)
		ports_enter(p, clock_now());
	else
		ports_leave(p, clock_now());
}

static bool is_self(const struct agent *a, const struct prime_state *q)
{
	for (int i = 0; i < q->origins; i++)
		if (addr_same_host(&q->origin[i], &a->conf.address) &&
			addr_port(&q->origin[i]) == a->conf.rtsp.port)
			return true;
	return false;
}

static void scope_of(const struct agent *a, const struct prime_state *q, struct rtsp_scope *s)
{
	char text[ADDR_STRLEN];

	memset(s, 0, sizeof(*s));
	memcpy(s->channel, q->channel, sizeof(s->channel));
	if (!q->origins || is_self(a, q))
		return;
	/* A node of the overlay: its channels come by the routes, whichever ARN asks. */
	for (int i = 0; i < q->origins; i++)
		if (sources_of_host(&a->rtsp.conf.sources, &q->origin[i], s->origin))
			return;
	if (*q->host)
		snprintf(s->origin, sizeof(s->origin), "%s:%u", q->host, addr_port(&q->origin[0]));
	else
		snprintf(s->origin, sizeof(s->origin), "%s", addr_str(&q->origin[0], text));
}

/* Whether its origin is one whose places are asked, without the overlay. */
static bool has_places(const struct rtsp_scope *s)
{
	return *s->origin && *s->origin != '@';
}

static int open_door(void *arg, struct port *p)
{
	struct agent *a = arg;
	struct addr at = a->conf.address;
	struct rtsp_scope s;
	int err;

	scope_of(a, &p->state, &s);
	if (has_places(&s) &&
		feeds_set_origin(a->feeds, s.origin, p->state.origin, p->state.origins, true))
		return -ENOMEM;
	addr_set_port(&at, p->number);
	p->door = server_door_new(a->server, &at, &s, on_count, p, &err);
	if (!p->door && has_places(&s))
		feeds_drop_origin(a->feeds, s.origin);
	return p->door ? 0 : err;
}

static void move_door(void *arg, struct port *p)
{
	struct agent *a = arg;
	const struct rtsp_scope *s = server_door_scope(p->door);

	if (has_places(s))
		feeds_set_origin(a->feeds, s->origin, p->state.origin, p->state.origins, false);
}

static void close_door(void *arg, struct port *p)
{
	struct agent *a = arg;
	struct rtsp_scope s = *server_door_scope(p->door);

	server_door_free(p->door);
	p->door = NULL;
	if (has_places(&s))
		feeds_drop_origin(a->feeds, s.origin);
}

/* Begins to fetch the channel, as its first player would make us. Nobody else's place is taken. */
static void expect(void *arg, struct port *p, const char *path)
{
	struct agent *a = arg;
	const struct rtsp_scope *s = server_door_scope(p->door);
	struct slice name = slice_of(*s->channel ? s->channel : path);
	ns_t now = loop_now(a->loop);
	char origin[CHANNEL_ORIGIN];
	struct channel *ch;
	int n = 0;

	while (name.n > 1 && name.p[name.n - 1] == '/')
		name.n--;
	for (ch = a->channels.first; ch; ch = ch->next)
		n += now < ch->expected && !ch->playing;
	if (*s->origin)
		snprintf(origin, sizeof(origin), "%s", s->origin);
	else
		sources_of_path(&a->rtsp.conf.sources, name, origin);
	if (!*origin)
		name = allot_path(a->rtsp.allot, name, now);
	ch = channels_find_at(&a->channels, origin, name);
	if (a->rtsp.draining || name.n < 2 || (!*origin && !a->conf.upstreams.n) || n >= EXPECTED)
		return;
	if (!ch) {
		ch = channel_new(&a->channels, name, CHANNEL_SEEKING, now);
		if (!ch)
			return;
		snprintf(ch->origin, sizeof(ch->origin), "%s", origin);
		channel_list(&a->channels, ch);
		ch->expected = now + EXPECT;
		feed_seek(a->feeds, ch);
		return;
	}
	ch->expected = now + EXPECT;
	if (ch->state == CHANNEL_LIVE && ch->feed)
		feed_expect(ch->feed);
}

const struct primes_service rtsp_door_service = {
	SERVICE_RTSP, open_door, move_door, close_door, expect};
