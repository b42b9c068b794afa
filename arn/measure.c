/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/measure.h"

#include <stdlib.h>
#include <string.h>

#include "lib/lots.h"

#define BURST     NS_S       /* of clients that may be measured at once */
#define ASK_AGAIN (NS_S / 2) /* a question to the sites, that a datagram may be lost of */
#define ASKS      2          /* so often */
#define SLACK     (NS_S)     /* for the way of a question and its answer */

struct net {
	struct prefix net;
	struct addr client; /* that stands for it */
	uint64_t id;        /* of its question; 0: it is known */
	int asks;           /* that were sent */
	ns_t ask_at;        /* the next one */
	ns_t until;         /* it is waited for answers, or known, until then */
	uint64_t heard;     /* sites that have answered, by their bits */
	bool own;           /* this ARN has its own answer */
	uint32_t rtt_us;    /* the least so far */
	char place[PLACE_LEN];
};

/* Echo requests to one client. */
struct job {
	struct addr client;
	uint64_t cookie; /* of the first request; one more for each of the next */
	uint64_t id;     /* of the question */
	int site;        /* whose; -1: this ARN's */
	int sent, got;
	ns_t at[MEASURE_ECHOES];
	bool echoed[MEASURE_ECHOES];
	ns_t least; /* NS_NEVER: nothing yet */
};

struct measure {
	struct measure_conf conf;
	struct lots lots;
	struct net *net;
	int nets;
	struct job job[MEASURE_JOBS];
	int jobs;
	ns_t allowed; /* the next client's time, by the rate */
	bool news;
	struct measure_counters count;
};

struct measure *measure_new(const struct measure_conf *c, uint64_t seed, ns_t now)
{
	struct measure *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->net = calloc((size_t)c->entries, sizeof(*m->net));
	if (!m->net) {
		free(m);
		return NULL;
	}
	m->conf = *c;
	lots_init(&m->lots, seed);
	m->allowed = now;
	m->news = true; /* that there is a table at all */
	return m;
}

void measure_free(struct measure *m)
{
	if (!m)
		return;
	free(m->net);
	free(m);
}

/* ---- networks ---- */

static struct prefix net_of(const struct addr *client)
{
	struct prefix p = {.addr = *client};

	addr_set_port(&p.addr, 0);
	if (client->sa.sa_family == AF_INET) {
		p.len = 24;
		p.addr.in.sin_addr.s_addr &= htonl(0xffffff00);
	} else {
		p.len = 48;
		memset(p.addr.in6.sin6_addr.s6_addr + 6, 0, 10);
		p.addr.in6.sin6_scope_id = 0;
	}
	return p;
}

static struct net *find_net(struct measure *m, const struct prefix *p)
{
	for (int i = 0; i < m->nets; i++)
		if (prefix_same(&m->net[i].net, p))
			return &m->net[i];
	return NULL;
}

static struct net *find_question(struct measure *m, uint64_t id)
{
	for (int i = 0; i < m->nets; i++)
		if (m->net[i].id && m->net[i].id == id)
			return &m->net[i];
	return NULL;
}

/* A free place, or that of what is known and will be forgotten first. */
static struct net *make_net(struct measure *m)
{
	struct net *old = NULL;

	if (m->nets < m->conf.entries)
		return &m->net[m->nets++];
	for (int i = 0; i < m->nets; i++)
		if (!m->net[i].id && (!old || m->net[i].until < old->until))
			old = &m->net[i];
	m->news |= old != NULL;
	return old;
}

/* ---- what it may cost ---- */

static bool may_measure(struct measure *m, const struct addr *client, ns_t now)
{
	if (!addr_is_unicast(client) || prefix_has(&m->conf.block, client))
		return false;
	if (m->jobs < MEASURE_JOBS && m->allowed <= now + BURST - NS_S / m->conf.rate)
		return true;
	m->count.limited++;
	return false;
}

static void begin_job(struct measure *m, const struct addr *client, int site, uint64_t id, ns_t now)
{
	struct job *j = &m->job[m->jobs++];

	m->allowed = (m->allowed > now ? m->allowed : now) + NS_S / m->conf.rate;
	*j = (struct job){.client = *client,
		.cookie = lots_draw(&m->lots),
		.id = id,
		.site = site,
		.least = NS_NEVER};
	addr_set_port(&j->client, 0);
	j->at[0] = now;
}

/* ---- own questions ---- */

void measure_want(struct measure *m, const struct addr *client, ns_t now)
{
	struct prefix p = net_of(client);
	struct net *n;

	/* The rate first: however many ask, the networks are not looked through for nothing. */
	if (!may_measure(m, client, now) || find_net(m, &p))
		return;
	n = make_net(m);
	if (!n) {
		m->count.limited++;
		return;
	}
	*n = (struct net){.net = p,
		.client = *client,
		.id = lots_draw(&m->lots),
		.ask_at = now,
		.until = now + m->conf.patience + MEASURE_ECHOES * MEASURE_PAUSE + SLACK};
	addr_set_port(&n->client, 0);
	m->count.wanted++;
	begin_job(m, client, -1, n->id, now);
}

static void settle(struct measure *m, struct net *n, ns_t now)
{
	n->id = 0;
	n->until = now + m->conf.lifetime;
	m->count.unknown += !*n->place;
	m->news = true;
}

static void take(struct measure *m, struct net *n, uint32_t rtt_us, const char *place, ns_t now)
{
	uint64_t all = m->conf.sites == 64 ? UINT64_MAX : (UINT64_C(1) << m->conf.sites) - 1;

	if (rtt_us && *place && (!n->rtt_us || rtt_us < n->rtt_us)) {
		n->rtt_us = rtt_us;
		memcpy(n->place, place, strnlen(place, PLACE_LEN - 1) + 1);
	}
	if (n->own && n->heard == all)
		settle(m, n, now);
}

void measure_answered(struct measure *m, int site, const struct measure_answer *a, ns_t now)
{
	struct net *n = find_question(m, a->id);
	uint64_t bit;

	if (!n || site < 0 || site >= m->conf.sites)
		return;
	bit = UINT64_C(1) << site;
	if (n->heard & bit)
		return;
	n->heard |= bit;
	take(m, n, a->rtt_us, a->place, now);
}

/* ---- echoes ---- */

void measure_asked(struct measure *m, int site, const struct measure_ask *a, ns_t now)
{
	if (site < 0 || site >= m->conf.sites)
		return;
	for (int i = 0; i < m->jobs; i++)
		if (m->job[i].site == site && m->job[i].id == a->id)
			return; /* the same again: it is being measured */
	if (may_measure(m, &a->client, now))
		begin_job(m, &a->client, site, a->id, now);
}

bool measure_echoed(struct measure *m, const struct addr *from, uint64_t cookie, ns_t now)
{
	for (int i = 0; i < m->jobs; i++) {
		struct job *j = &m->job[i];
		uint64_t k = cookie - j->cookie;

		if (k >= (uint64_t)j->sent || !addr_same_host(&j->client, from) || j->echoed[k])
			continue;
		j->echoed[k] = true;
		j->got++;
		m->count.replies++;
		if (now - j->at[k] < j->least)
			j->least = now - j->at[k];
		return true;
	}
	return false;
}

static uint32_t rtt_of(const struct job *j)
{
	if (j->least == NS_NEVER)
		return 0;
	if (j->least < NS_US)
		return 1;
	return j->least / NS_US > MEASURE_MAX_RTT ? MEASURE_MAX_RTT : (uint32_t)(j->least / NS_US);
}

/* When the job has something to do next: a request, or it is over. */
static ns_t job_when(const struct measure *m, const struct job *j)
{
	if (j->sent < MEASURE_ECHOES)
		return j->at[j->sent];
	return j->got == MEASURE_ECHOES ? 0 : j->at[MEASURE_ECHOES - 1] + m->conf.patience;
}

static void send_echo(struct measure *m, struct job *j, ns_t now, struct measure_act *act)
{
	act->kind = MEASURE_ECHO;
	act->client = j->client;
	act->cookie = j->cookie + (uint64_t)j->sent;
	j->at[j->sent++] = now;
	if (j->sent < MEASURE_ECHOES)
		j->at[j->sent] = now + MEASURE_PAUSE;
	m->count.echoes++;
}

/* True: there is an answer to be sent. */
static bool end_job(struct measure *m, int i, ns_t now, struct measure_act *act)
{
	struct job j = m->job[i];
	struct net *n;

	m->job[i] = m->job[--m->jobs];
	if (j.site < 0) {
		n = find_question(m, j.id);
		if (n) {
			n->own = true;
			take(m, n, rtt_of(&j), m->conf.place, now);
		}
		return false;
	}
	act->kind = MEASURE_ANSWER;
	act->site = j.site;
	act->answer = (struct measure_answer){.id = j.id, .rtt_us = rtt_of(&j)};
	memcpy(act->answer.from, m->conf.name, strnlen(m->conf.name, ANNOUNCE_ID_LEN - 1));
	memcpy(act->answer.place, m->conf.place, strnlen(m->conf.place, PLACE_LEN - 1));
	m->count.answered++;
	return true;
}

static bool next_of_jobs(struct measure *m, ns_t now, struct measure_act *act)
{
	for (int i = m->jobs - 1; i >= 0; i--) {
		struct job *j = &m->job[i];

		if (job_when(m, j) > now)
			continue;
		if (j->sent < MEASURE_ECHOES) {
			send_echo(m, j, now, act);
			return true;
		}
		if (end_job(m, i, now, act))
			return true;
	}
	return false;
}

/* ---- what time brings ---- */

static ns_t net_when(const struct measure *m, const struct net *n)
{
	return n->id && n->asks < ASKS && m->conf.sites && n->ask_at < n->until ? n->ask_at
	                                                                        : n->until;
}

static bool next_of_nets(struct measure *m, ns_t now, struct measure_act *act)
{
	for (int i = m->nets - 1; i >= 0; i--) {
		struct net *n = &m->net[i];

		if (net_when(m, n) > now)
			continue;
		if (now >= n->until && n->id) {
			settle(m, n, now);
		} else if (now >= n->until) {
			m->net[i] = m->net[--m->nets];
			m->news = true;
		} else {
			act->kind = MEASURE_ASK;
			act->ask = (struct measure_ask){.id = n->id, .client = n->client};
			memcpy(act->ask.from, m->conf.name,
				strnlen(m->conf.name, ANNOUNCE_ID_LEN - 1));
			n->asks++;
			n->ask_at = now + ASK_AGAIN;
			m->count.asked++;
			return true;
		}
	}
	return false;
}

bool measure_next(struct measure *m, ns_t now, struct measure_act *act)
{
	*act = (struct measure_act){0};
	return next_of_jobs(m, now, act) || next_of_nets(m, now, act);
}

ns_t measure_when(const struct measure *m)
{
	ns_t when = NS_NEVER, t;

	for (int i = 0; i < m->jobs; i++) {
		t = job_when(m, &m->job[i]);
		when = t < when ? t : when;
	}
	for (int i = 0; i < m->nets; i++) {
		t = net_when(m, &m->net[i]);
		when = t < when ? t : when;
	}
	return when;
}

/* ---- what is known ---- */

bool measure_news(const struct measure *m)
{
	return m->news;
}

struct region_table *measure_table(struct measure *m)
{
	struct region *list = calloc((size_t)m->nets + 1, sizeof(*list));
	struct region_table *t;
	int n = 0;

	if (!list)
		return NULL;
	for (int i = 0; i < m->nets; i++) {
		if (m->net[i].id)
			continue;
		list[n].prefix = m->net[i].net;
		memcpy(list[n++].place, m->net[i].place, PLACE_LEN);
	}
	t = region_table_new(list, n);
	free(list);
	m->news = m->news && !t;
	return t;
}

bool measure_view(const struct measure *m, int i, struct measure_view *v)
{
	if (i < 0 || i >= m->nets)
		return false;
	*v = (struct measure_view){.net = &m->net[i].net,
		.client = &m->net[i].client,
		.place = m->net[i].place,
		.asking = m->net[i].id != 0,
		.rtt_us = m->net[i].rtt_us,
		.until = m->net[i].until};
	return true;
}

const struct measure_counters *measure_counters(const struct measure *m)
{
	return &m->count;
}
