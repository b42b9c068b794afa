/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/policy.h"

#include <math.h>
#include <string.h>

#define FNV 0xcbf29ce484222325

/* FNV-1a, then a mixer (splitmix64's) so that neighbours in the address space part ways. */
static uint64_t hash(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3;
	return h;
}

static uint64_t mix(uint64_t h)
{
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
	h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
	return h ^ (h >> 31);
}

static uint64_t hash_client(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return hash(FNV, &a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
	return hash(FNV, &a->in.sin_addr, sizeof(a->in.sin_addr));
}

/* Whose order counts: the path's when there is one. */
static uint64_t hash_path(const struct select_query *q)
{
	return q->path.n ? hash(FNV, q->path.p, q->path.n) : hash_client(&q->client);
}

/* A place in an order: the largest -w / ln(u) is the first, u uniform in (0,1) for each pair of key
 * and node. Weight 0 stands behind all others. */
struct place {
	uint16_t weight;
	double u;
};

static struct place place_of(uint64_t key, const struct snapshot_node *n)
{
	uint64_t h = mix(hash(key, n->said.id, strlen(n->said.id)));

	return (struct place){n->said.weight, ((double)(h >> 11) + 0.5) / (double)(1ULL << 53)};
}

static double score(const struct place *p)
{
	return p->weight ? -(double)p->weight / log(p->u) : 0;
}

/* A logarithm costs as much as all the rest, and is needed only where weights differ. */
static bool is_before(const struct place *a, const struct place *b)
{
	return a->weight == b->weight ? a->u > b->u : score(a) > score(b);
}

/* Of those whose load is `limit` at most (and who carry the channel, if that is asked), the first
 * in the order of `key`; -1: there is none. */
static int first_within(const struct policy_field *f, uint64_t key, double limit, bool carriers)
{
	struct place best = {0}, p;
	int chosen = -1;

	for (int i = 0; i < f->n; i++) {
		if (f->c[i].load > limit || (carriers && !f->c[i].carries))
			continue;
		p = place_of(key, f->c[i].node);
		if (chosen < 0 || is_before(&p, &best)) {
			chosen = i;
			best = p;
		}
	}
	return chosen;
}

static double least_load(const struct policy_field *f, bool carriers)
{
	double least = HUGE_VAL;

	for (int i = 0; i < f->n; i++)
		if ((!carriers || f->c[i].carries) && f->c[i].load < least)
			least = f->c[i].load;
	return least;
}

/* How many are within the limit: whether there was anything to choose. */
static int count_within(const struct policy_field *f, double limit)
{
	int n = 0;

	for (int i = 0; i < f->n; i++)
		n += f->c[i].load <= limit;
	return n;
}

/* ---- the policies ---- */

static int least_loaded(const struct policy_field *f, const struct select_query *q, const char **by)
{
	double limit = least_load(f, false) + POLICY_BAND;

	*by = count_within(f, limit) == 1 ? "least loaded"
	                                  : "client's order among the least loaded";
	return first_within(f, hash_client(&q->client), limit, false);
}

static int weighted(const struct policy_field *f, const struct select_query *q, const char **by)
{
	*by = "client's order by weight";
	return first_within(f, hash_client(&q->client), HUGE_VAL, false);
}

/* v of 32 random bits, to 0 … n-1. */
static int draw(uint64_t v, int n)
{
	return (int)((v & UINT32_MAX) * (uint64_t)n >> 32);
}

static int two_choices(const struct policy_field *f, const struct select_query *q, const char **by)
{
	uint16_t port = addr_port(&q->client);
	uint64_t lot = mix(hash(hash_client(&q->client), &port, sizeof(port)));
	int a, b;

	*by = "the only candidate";
	if (f->n == 1)
		return 0;
	a = draw(lot, f->n);
	b = draw(lot >> 32, f->n - 1);
	b += b >= a;
	*by = "less loaded of two drawn by lot";
	return f->c[b].load < f->c[a].load ? b : a;
}

/* The bound of a node's load: its share is as much above the mean as `bound` allows. Nodes of
 * weight 0 have no share. The least loaded one is never beyond it. */
static double bound_of(const struct policy_field *f)
{
	double sum = 0;
	int n = 0;

	for (int i = 0; i < f->n; i++) {
		if (f->c[i].load == HUGE_VAL)
			continue;
		sum += f->c[i].load;
		n++;
	}
	return n ? sum / n * (1 + f->conf->bound) + POLICY_BAND : HUGE_VAL;
}

static int consistent_hash(
	const struct policy_field *f, const struct select_query *q, const char **by)
{
	uint64_t key = hash_path(q);
	double bound = bound_of(f);

	*by = count_within(f, bound) == f->n ? "first in the object's order"
	                                     : "first in the object's order within the bound";
	return first_within(f, key, bound, false);
}

static int channel_affinity(
	const struct policy_field *f, const struct select_query *q, const char **by)
{
	double limit = f->conf->affinity_limit, least = least_load(f, true);

	if (least <= limit) {
		double end = least + POLICY_BAND;

		*by = "carries the channel";
		return first_within(f, hash_client(&q->client), end < limit ? end : limit, true);
	}
	if (least_load(f, false) <= limit) {
		double bound = bound_of(f);
		int at = first_within(f, hash_path(q), bound < limit ? bound : limit, false);

		*by = least == HUGE_VAL ? "first in the channel's order, as nobody carries it"
		                        : "first in the channel's order, as carriers are loaded";
		if (at >= 0)
			return at;
	}
	return least_loaded(f, q, by);
}

const struct select_policy policies[] = {
	{"least-loaded", "the least loaded node", false, false, least_loaded},
	{"weighted", "clients in proportion to the weights", false, false, weighted},
	{"two-choices", "the less loaded of two drawn by lot", false, false, two_choices},
	{"consistent-hash", "the same path to the same node, within a bound of load", true, false,
		consistent_hash},
	{"channel-affinity", "a node that carries the channel already", true, true,
		channel_affinity},
	{0},
};

const char *const policy_choices[] = {
	"", "least-loaded", "weighted", "two-choices", "consistent-hash", "channel-affinity", NULL};

const struct select_policy *policy_find(struct slice name)
{
	for (const struct select_policy *p = policies; p->name; p++)
		if (slice_eq(slice_of(p->name), name))
			return p;
	return NULL;
}

double policy_affinity(
	const struct select_policy *p, const struct snapshot_node *n, const struct select_query *q)
{
	struct place at = place_of(p->by_path ? hash_path(q) : hash_client(&q->client), n);

	return score(&at);
}
