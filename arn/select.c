/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/select.h"

#include <math.h>
#include <string.h>

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

/* Weighted rendezvous hashing (Wang and Ravishankar; logarithmic method): the node with the
 * largest -w / ln(u) wins, u uniform in (0,1) for each pair of client and node. */
static double affinity(const struct announce *node, const struct addr *client)
{
	uint64_t h = 0xcbf29ce484222325;
	double u;

	if (client->sa.sa_family == AF_INET6)
		h = hash(h, &client->in6.sin6_addr, sizeof(client->in6.sin6_addr));
	else
		h = hash(h, &client->in.sin_addr, sizeof(client->in.sin_addr));
	h = mix(hash(h, node->id, strlen(node->id)));
	u = ((double)(h >> 11) + 0.5) / (double)(1ULL << 53);
	return -(double)node->weight / log(u);
}

static double ratio(uint64_t used, uint64_t capacity)
{
	return capacity ? (double)used / (double)capacity : 0;
}

static double load(const struct announce *n)
{
	double sessions = ratio(n->sessions, n->max_sessions ? n->max_sessions : SELECT_NOMINAL);
	double rate = ratio(n->kbps, n->max_kbps);

	/* Weight 0: only when there is nobody else. */
	return (sessions > rate ? sessions : rate) * 100.0 / n->weight;
}

static bool is_full(const struct announce *n)
{
	return (n->max_sessions && n->sessions >= n->max_sessions) ||
	       (n->max_kbps && n->kbps >= n->max_kbps);
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

/* What a client has to expect, in s: what the ARN has measured, or the node itself if that is more. */
static double anticipated(const struct snapshot_node *node, int service)
{
	uint32_t measured = node->health.of[service].delay_us, said = node->said.delay_us;

	return (measured > said ? measured : said) / 1e6;
}

void select_judge(
	const struct snapshot_node *node, const struct select_query *q, struct select_verdict *v)
{
	int i = q->service == SERVICE_RTSP ? TEXT_RTSP : TEXT_HTTP;
	const struct announce *said = &node->said;

	*v = (struct select_verdict){
		.avoided = is_avoided(said, q),
		.service = node->health.of[i].verdict,
		.delay = anticipated(node, i),
		.other_family = said->addr.sa.sa_family != q->client.sa.sa_family,
		.load = said->weight ? load(said) : HUGE_VAL,
		.affinity = affinity(said, &q->client),
	};
	v->unhealthy = !said->healthy || v->service == HEALTH_BROKEN;
	if (v->delay > SELECT_DELAY)
		v->load += v->delay - SELECT_DELAY;
	v->rank = (v->service == HEALTH_UNKNOWN || v->service == HEALTH_QUARANTINED) +
	          2 * v->avoided + 4 * v->unhealthy + 8 * v->other_family;
	if (!port_of(said, q->service))
		v->excluded = "does not offer the service";
	else if (said->draining)
		v->excluded = "draining";
	else if (is_full(said))
		v->excluded = "full";
}

/* The band is absolute: a share of the capacity, whatever the load. */
static bool better(const struct select_verdict *a, const struct select_verdict *b, double band_end)
{
	bool a_in = a->load <= band_end, b_in = b->load <= band_end;

	return a_in != b_in ? a_in : a->affinity > b->affinity;
}

const struct snapshot_node *select_node(const struct snapshot *s, const struct select_query *q)
{
	struct select_verdict v, best;
	const struct snapshot_node *chosen = NULL;
	int rank = 0;
	double least = 0;

	for (int i = 0; i < s->nodes; i++) {
		select_judge(&s->node[i], q, &v);
		if (v.excluded)
			continue;
		if (!chosen || v.rank < rank || (v.rank == rank && v.load < least)) {
			chosen = &s->node[i];
			rank = v.rank;
			least = v.load;
		}
	}
	if (!chosen)
		return NULL;
	select_judge(chosen, q, &best);
	for (int i = 0; i < s->nodes; i++) {
		select_judge(&s->node[i], q, &v);
		if (!v.excluded && v.rank == rank && better(&v, &best, least + SELECT_BAND)) {
			chosen = &s->node[i];
			best = v;
		}
	}
	return chosen;
}
