/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/survey_door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/survey.h"
#include "sn-agent/load.h"

#define SENDERS 2048 /* ARNs, of all networks */

struct survey_door {
	struct agent *agent;
	struct addr control; /* where it is asked */
	struct survey_counters count;
	struct log_limit log;
};

static void refuse(struct survey_door *d, const struct addr *from, const char *why)
{
	char text[ADDR_STRLEN];

	d->count.refused++;
	log_limited(&d->log, NLOG_REMOTE, "%s: survey refused: %s", addr_str(from, text), why);
}

/* ---- neighbours ---- */

static uint16_t control_port_of(const struct agent *a, const char *name)
{
	const struct sn_conf_neighbour *n = a->conf.neighbours.item;

	for (int i = 0; i < a->conf.neighbours.n; i++)
		if (!strcmp(n[i].name, name) && n[i].control)
			return (uint16_t)n[i].control;
	return (uint16_t)a->conf.prime.port;
}

/* The i-th one's name and unicast address; NULL: there are not so many. */
static const char *neighbour_at(const struct agent *a, int i, struct addr *at)
{
	const struct sn_conf_upstream *u = a->conf.upstreams.item;

	if (a->overlay)
		return overlay_neighbour(a->overlay, i, at);
	if (i >= a->conf.upstreams.n)
		return NULL;
	*at = u[i].address;
	return u[i].name;
}

static void list_neighbours(const struct agent *a, unsigned skip, struct survey_answer *out)
{
	struct addr at;
	const char *name;

	for (int i = 0; (name = neighbour_at(a, i, &at)); i++) {
		struct survey_neighbour *n = &out->neighbour[out->neighbours];

		out->total++;
		if (i < (int)skip || out->neighbours == SURVEY_NEIGHBOURS)
			continue;
		if (slice_copy(slice_of(name), n->id, sizeof(n->id))) /* no node's name */
			continue;
		n->control = at;
		addr_set_port(&n->control, control_port_of(a, name));
		out->neighbours++;
	}
}

/* ---- questions ---- */

static ns_t held_since(const struct udp_msg *m)
{
	ns_t held = m->came ? clock_wall() - m->came : 0;

	/* A clock that was set meanwhile; the ARN will see that it cannot be. */
	return held < 0 ? 0 : held > SURVEY_MAX_HELD ? SURVEY_MAX_HELD : held;
}

static void answer(struct survey_door *d, const struct survey_ask *ask, const struct udp_msg *m)
{
	struct survey_answer out = {
		.id = ask->id, .held = SURVEY_MAX_HELD, .said = {.role = ROLE_SN}};
	uint8_t payload[WIRE_MAX];
	char text[ADDR_STRLEN];
	int n;

	memcpy(out.to, ask->from, sizeof(out.to));
	agent_announcement(d->agent, &out.said);
	if (ask->neighbours)
		list_neighbours(d->agent, ask->skip, &out);
	n = load_survey(&d->agent->channels, &out, payload, survey_answer_max(m->len));
	if (n == -EMSGSIZE)
		return refuse(d, &m->from, "too short to be answered");
	if (n > 0) {
		out.held = held_since(m); /* as late as can be */
		n = survey_answer_encode(&out, payload, survey_answer_max(m->len));
	}
	if (n > 0)
		n = primes_send(d->agent->primes, WIRE_SURVEYED, payload, (size_t)n, &m->from);
	if (n < 0)
		log_limited(&d->log, NLOG_WARN, "answer to %s at %s: %s", ask->from,
			addr_str(&m->from, text), strerror(-n));
	else
		d->count.answered++;
}

static void on_message(void *arg, const struct wire_view *v, const struct udp_msg *m)
{
	struct survey_door *d = arg;
	struct survey_ask ask;
	const char *why;

	if (survey_ask_decode(&ask, v->payload, v->len, &why))
		return refuse(d, &m->from, why);
	if (wire_sender_id(ask.from) != v->sender)
		return refuse(d, &m->from, "sealed by another");
	/* The key is everybody's: what was said to another node is nothing here. Nor is what came by
	 * the anycast address, where nobody knows who would answer. */
	if (addr_cmp(&ask.to, &d->control))
		return refuse(d, &m->from, "meant for another node");
	answer(d, &ask, m);
}

/* ---- life ---- */

int survey_door_open(struct agent *a)
{
	struct survey_door *d;

	if (!a->primes)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d || primes_listen(a->primes, WIRE_BIT(WIRE_SURVEY), SENDERS, on_message, d)) {
		free(d);
		log_msg(NLOG_ERROR, "surveys: %s", strerror(ENOMEM));
		return EX_UNAVAILABLE;
	}
	d->agent = a;
	d->log = (struct log_limit)LOG_LIMIT_INIT;
	d->control = a->conf.address;
	addr_set_port(&d->control, (uint16_t)a->conf.prime.port);
	a->survey = d;
	return 0;
}

void survey_door_free(struct survey_door *d)
{
	if (!d)
		return;
	primes_unlisten(d->agent->primes, d);
	free(d);
}

const struct survey_counters *survey_door_counters(const struct survey_door *d)
{
	static const struct survey_counters none;

	return d ? &d->count : &none;
}
