/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/select.h"

#include <math.h>

#include "arn/policy.h"

#define NODES_MAX 1024 /* more are not looked at; the directory has no more */

/* In a rank. */
#define UNPROVEN     1
#define FAR          2
#define AVOIDED      4
#define UNHEALTHY    8
#define OTHER_FAMILY 16

/* What holds for all nodes of one choice. */
struct inquiry {
	const struct snapshot *s;
	const struct select_query *q;
	const struct select_policy *policy;
	struct select_conf conf; /* the snapshot's, and what the profile says */
	unsigned arns, turn;
	int group;        /* place_distance() of the nodes nearest to the client; -1: not known */
	bool home;        /* nodes of the ARN's own network are among them */
	bool by_channel;  /* who carries it is asked */
	uint32_t channel; /* its hash */
	uint64_t channel_kbps, mean_kbps; /* 0: not known, or nobody's bit rate is limited */
};

const struct select_policy *select_policy_of(const struct snapshot *s, const struct select_query *q)
{
	const struct select_policy *p = q->policy;

	if (!p && q->profile)
		p = q->profile->policy;
	if (!p)
		p = s->select.policy[q->service == SERVICE_RTSP ? TEXT_RTSP : TEXT_HTTP];
	return p ? p : &policies[0];
}

static struct select_conf conf_of(const struct snapshot *s, const struct profile_service *p)
{
	struct select_conf c = s->select;

	if (p && p->bound >= 0)
		c.bound = p->bound / 100.0;
	if (p && p->affinity_limit >= 0)
		c.affinity_limit = p->affinity_limit / 100.0;
	if (p && p->session_kbps >= 0)
		c.session_kbps = (uint64_t)p->session_kbps;
	return c;
}

/* What a session of this channel takes, by any node that knows; and the mean of all sessions. */
static void estimate_rates(struct inquiry *in)
{
	uint64_t kbps = 0, sessions = 0;
	bool limited = false;

	for (int i = 0; i < in->s->nodes; i++) {
		const struct announce *n = &in->s->node[i].said;

		limited |= n->max_kbps != 0;
		kbps += n->kbps;
		sessions += n->sessions;
	}
	if (!limited)
		return;
	in->mean_kbps = sessions ? kbps / sessions : 0;
	if (!in->mean_kbps)
		in->mean_kbps = in->conf.session_kbps;
	for (int i = 0; i < in->s->nodes; i++) {
		const struct announce *n = &in->s->node[i].said;
		int at = announce_find_channel(n, in->channel);

		if (at >= 0 && n->channel_kbps[at] > in->channel_kbps)
			in->channel_kbps = n->channel_kbps[at];
	}
}

static void inquire(struct inquiry *in, const struct snapshot *s, const struct select_query *q)
{
	*in = (struct inquiry){.s = s,
		.q = q,
		.policy = select_policy_of(s, q),
		.conf = conf_of(s, q->profile),
		.arns = s->select.arns ? s->select.arns : 1,
		.turn = s->select.turn,
		.group = -1,
		.channel = announce_channel(q->path)};
	in->by_channel = in->policy->by_channel;
	if (q->service == SERVICE_RTSP)
		estimate_rates(in);
}

static double ratio(uint64_t used, uint64_t capacity)
{
	return capacity ? (double)used / (double)capacity : 0;
}

static double load_of(
	const struct inquiry *in, const struct announce *n, const struct reservation *reserved)
{
	uint64_t sessions = n->sessions + (uint64_t)in->arns * reserved->sessions;
	double places = ratio(sessions, n->max_sessions ? n->max_sessions : SELECT_NOMINAL);
	double rate = ratio(n->kbps + in->arns * reserved->kbps, n->max_kbps);

	/* Weight 0: only when there is nobody else. */
	return n->weight ? (places > rate ? places : rate) * 100.0 / n->weight : HUGE_VAL;
}

/* This ARN's part of what is free: together the active ARNs have all of it, and no more. */
static uint64_t share(const struct inquiry *in, uint64_t capacity, uint64_t used)
{
	uint64_t left = capacity > used ? capacity - used : 0;

	return left / in->arns + (in->turn < left % in->arns);
}

/* What this ARN may use of a node's capacity; 0: unlimited. */
struct limits {
	uint64_t sessions, kbps;
};

static uint64_t part_of(uint64_t capacity, double part)
{
	uint64_t v = (uint64_t)((double)capacity * part);

	return capacity && !v ? 1 : v;
}

static struct limits limits_of(const struct inquiry *in, const struct snapshot_node *node)
{
	struct limits all = {node->said.max_sessions, node->said.max_kbps};
	double part = in->conf.far_share;

	if (!node->far || part <= 0 || part >= 1)
		return all;
	return (struct limits){part_of(all.sessions, part), part_of(all.kbps, part)};
}

static struct reservation room_of(
	const struct inquiry *in, const struct announce *n, const struct limits *most)
{
	struct reservation room = {RESERVE_MAX_SESSIONS, RESERVE_MAX_KBPS};
	uint64_t v;

	if (most->sessions) {
		v = share(in, most->sessions, n->sessions);
		room.sessions = v < room.sessions ? (uint32_t)v : room.sessions;
	}
	if (most->kbps) {
		v = share(in, most->kbps, n->kbps);
		room.kbps = v < room.kbps ? v : room.kbps;
	}
	return room;
}

/* What a session more is expected to take of this node. */
static uint64_t estimate(const struct inquiry *in, const struct announce *n)
{
	if (!n->max_kbps || in->channel_kbps)
		return n->max_kbps ? in->channel_kbps : 0;
	if (n->sessions && n->kbps)
		return n->kbps / n->sessions;
	return in->mean_kbps;
}

/* NULL: a session more fits in. */
static const char *lacks_room(const struct inquiry *in, const struct announce *n,
	const struct limits *most, struct select_verdict *v)
{
	bool attaches = in->q->service == SERVICE_RTSP;
	bool idle = !n->sessions && !v->reserved.sessions;

	if ((most->sessions && n->sessions >= most->sessions) ||
		(most->kbps && n->kbps >= most->kbps))
		return "full";
	/* Who attaches nowhere takes up what is left of a node's bit rate, and no place. */
	if (!attaches)
		return NULL;
	/* An estimate does not make a node useless that has nothing to do. */
	if (idle && v->room.kbps < v->kbps)
		v->room.kbps = v->kbps;
	if (v->reserved.sessions >= v->room.sessions)
		return "full with what is reserved";
	if (v->reserved.kbps + v->kbps > v->room.kbps)
		return v->reserved.sessions ? "bit rate full with what is reserved"
		                            : "bit rate left is too low";
	return NULL;
}

static bool is_avoided(const struct announce *n, const struct select_query *q)
{
	for (int i = 0; i < q->avoids; i++) {
		struct addr a;

		if (slice_ieq(q->avoid[i], slice_of(n->id)))
			return true;
		if (addr_parse(&a, q->avoid[i], 0) == 0 && addr_same_host(&a, &n->addr))
			return true;
	}
	return false;
}

static uint16_t port_of(const struct announce *n, unsigned service)
{
	return service == SERVICE_RTSP ? n->rtsp_port : n->http_port;
}

/* What a client has to expect, in s: what the ARN has measured, or the node itself, if that is
 * more. */
static double anticipated(const struct snapshot_node *node, int service)
{
	uint32_t measured = node->health.of[service].delay_us, said = node->said.delay_us;

	return (measured > said ? measured : said) / 1e6;
}

/* What a far node's round trip is longer than the nearest one's, as load. Who was not measured is of a
 * rank of its own: there it weighs nothing. */
static double latency_of(const struct inquiry *in, const struct snapshot_node *node)
{
	uint32_t least = in->s->least_rtt_us;

	if (!node->far || in->group >= 0 || in->conf.latency_cost <= 0 || node->rtt_us <= least)
		return 0;
	return (node->rtt_us - least) / 1e6 / in->conf.latency_cost;
}

/* From the client's place, if that is known; or -1. */
static int levels_of(const struct inquiry *in, const struct snapshot_node *node)
{
	const char *place = node->said.place;

	if (!*place && !node->far)
		place = in->s->place;
	return in->q->region ? place_distance(in->q->region, place) : -1;
}

static bool is_far(const struct inquiry *in, const struct snapshot_node *node, int levels)
{
	if (in->group < 0)
		return node->far;
	return levels != in->group || (node->far && in->home);
}

static int rank_of(const struct select_verdict *v)
{
	int rank = 0;

	if (v->service == HEALTH_UNKNOWN || v->service == HEALTH_QUARANTINED)
		rank += UNPROVEN;
	if (v->far)
		rank += FAR;
	if (v->avoided || v->refuses)
		rank += AVOIDED;
	if (v->unhealthy)
		rank += UNHEALTHY;
	if (v->other_family)
		rank += OTHER_FAMILY;
	return rank;
}

static void judge(
	const struct inquiry *in, const struct snapshot_node *node, struct select_verdict *v)
{
	int i = in->q->service == SERVICE_RTSP ? TEXT_RTSP : TEXT_HTTP;
	const struct announce *said = &node->said;
	struct limits most = limits_of(in, node);
	int levels = levels_of(in, node);

	*v = (struct select_verdict){
		.avoided = is_avoided(said, in->q),
		.service = node->health.of[i].verdict,
		.delay = anticipated(node, i),
		.other_family = said->addr.sa.sa_family != in->q->client.sa.sa_family,
		.reserved = reserve_open(node->reserved, node->over),
		.far = is_far(in, node, levels),
		.levels = levels,
		.room = room_of(in, said, &most),
		.kbps = estimate(in, said),
		.refuses = in->q->service == SERVICE_RTSP && announce_refuses(said, in->channel),
		.carries = in->by_channel && announce_find_channel(said, in->channel) >= 0,
	};
	v->unhealthy = !said->healthy || v->service == HEALTH_BROKEN;
	v->load = load_of(in, said, &v->reserved);
	v->load += latency_of(in, node);
	if (v->delay > SELECT_DELAY)
		v->load += v->delay - SELECT_DELAY;
	v->rank = rank_of(v);
	if (!port_of(said, in->q->service))
		v->excluded = "does not offer the service";
	else if (said->draining)
		v->excluded = "draining";
	else if (in->q->attaches && (!said->attaches || !said->control_port))
		v->excluded = "takes no attachments";
	else
		v->full = (v->excluded = lacks_room(in, said, &most, v)) != NULL;
}

/* Which nodes are nearest to the client. */
static void find_group(struct inquiry *in)
{
	struct select_verdict v;
	int group = -1;

	if (!in->q->region || !*in->q->region)
		return;
	for (int i = 0; i < in->s->nodes && i < NODES_MAX; i++) {
		const struct snapshot_node *node = &in->s->node[i];
		bool nearer;

		judge(in, node, &v);
		if (v.excluded || v.avoided || v.refuses || v.unhealthy || v.other_family ||
			v.levels < 0)
			continue;
		nearer = group < 0 || v.levels < group;
		if (nearer)
			group = v.levels;
		if (v.levels == group)
			in->home = !node->far || (!nearer && in->home);
	}
	in->group = group;
}

/* Takes it among the candidates, if none of these is of a better rank. */
static void consider(struct policy_field *f, struct policy_candidate *c, int *rank,
	const struct select_verdict *v, const struct snapshot_node *node, int index)
{
	if (v->excluded || (f->n && v->rank > *rank))
		return;
	if (f->n && v->rank < *rank)
		f->n = 0;
	*rank = v->rank;
	c[f->n++] = (struct policy_candidate){node, v->load, v->carries, index};
}

/* A healthy node that is only full shows that not all judgements are wrong: then nobody is sent to
 * one that is not healthy, and waits instead. */
static bool is_healthy_and_full(const struct select_verdict *v)
{
	return v->full && !v->unhealthy && !v->other_family;
}

/* The candidates. True: a healthy node is only full; those that are not healthy are out then. */
static bool gather(struct policy_field *f, struct policy_candidate *c, const struct inquiry *in,
	bool healthy_only, int *full)
{
	struct select_verdict v;
	bool waits = false;
	int rank = 0;

	f->n = *full = 0;
	for (int i = 0; i < in->s->nodes && i < NODES_MAX; i++) {
		judge(in, &in->s->node[i], &v);
		*full += v.full;
		waits |= is_healthy_and_full(&v);
		if (!healthy_only || !v.unhealthy)
			consider(f, c, &rank, &v, &in->s->node[i], i);
	}
	return waits && f->n && rank & UNHEALTHY;
}

struct select_choice select_node(const struct snapshot *s, const struct select_query *q)
{
	struct policy_candidate c[NODES_MAX];
	struct select_choice choice = {0};
	struct select_verdict v;
	struct inquiry in;
	struct policy_field f = {.c = c, .conf = &in.conf};

	inquire(&in, s, q);
	find_group(&in);
	if (gather(&f, c, &in, false, &choice.full))
		gather(&f, c, &in, true, &choice.full);
	if (!f.n)
		return choice;
	choice.node = c[in.policy->choose(&f, q, &choice.by)].node;
	judge(&in, choice.node, &v);
	choice.room = v.room;
	choice.need = (struct reservation){1, v.kbps};
	return choice;
}

int select_avoided(const struct snapshot *s, const struct select_query *q,
	const struct snapshot_node **found, int max)
{
	int n = 0;

	for (int i = 0; i < s->nodes && q->avoids && n < max; i++)
		if (is_avoided(&s->node[i].said, q))
			found[n++] = &s->node[i];
	return n;
}

void select_explain(
	const struct snapshot *s, const struct select_query *q, struct select_verdict *v)
{
	int n = s->nodes < NODES_MAX ? s->nodes : NODES_MAX;
	struct policy_candidate c[NODES_MAX];
	struct inquiry in;
	struct policy_field f = {.c = c, .conf = &in.conf};
	bool waits = false;

	inquire(&in, s, q);
	find_group(&in);
	in.by_channel = true;
	for (int i = 0; i < n; i++) {
		judge(&in, &s->node[i], &v[i]);
		v[i].affinity = policy_affinity(in.policy, &s->node[i], q);
		waits |= is_healthy_and_full(&v[i]);
	}
	for (int i = 0; i < n; i++)
		if (waits && v[i].unhealthy && !v[i].excluded)
			v[i].excluded = "not healthy, and others are only full";
	for (int place = 1;; place++) {
		const char *by;
		int at, rank = 0;

		f.n = 0;
		for (int i = 0; i < n; i++)
			if (!v[i].place)
				consider(&f, c, &rank, &v[i], &s->node[i], i);
		if (!f.n)
			return;
		at = c[in.policy->choose(&f, q, &by)].index;
		v[at].place = place;
		v[at].by = by;
	}
}
