/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flooded records: what is decoded can be encoded, and is then decoded to the same; and an ARN that hears
 * it passes on what can be decoded. */
#include <string.h>

#include "arn/flood.h"
#include "tests/fuzz/must.h"

static void on_send(void *arg, int link, const uint8_t *payload, size_t n)
{
	const struct flood_msg *m = arg;
	struct flood_msg on;
	const char *why;

	MUST(link == 1 && flood_msg_decode(&on, payload, n, &why) == 0);
	MUST(!strcmp(on.origin, m->origin) && on.seq == m->seq && on.part == m->part);
	MUST(on.hops == m->hops + 1 && on.left_ms < m->left_ms && on.nodes == m->nodes);
}

static void pass_on(struct flood_msg *m)
{
	struct flood_conf c = {.name = "fuzzed",
		.links = 2,
		.interval = NS_S,
		.min_interval = NS_S,
		.misses = 3,
		.hops = FLOOD_MAX_HOPS,
		.records = 4,
		.rate = 100,
		.change = 0.1,
		.skew = NS_S};
	struct flood_events none = {0};
	struct flood *f = flood_new(&c, &none, 1, NS_S);
	const char *why;

	MUST(f);
	if (strcmp(m->from, c.name) != 0 && strcmp(m->origin, c.name) != 0 &&
		flood_hear(f, 0, m, NS_S, INT64_MAX - 2 * NS_S, &why) == 0) {
		MUST(flood_records(f) == 1 && flood_nodes(f) <= m->nodes);
		flood_run(f, NS_S, INT64_MAX - 2 * NS_S, on_send, m);
		flood_run(f, INT64_MAX / 2, INT64_MAX - 2 * NS_S, on_send, m);
		MUST(flood_records(f) == 0 && flood_nodes(f) == 0);
	}
	flood_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t out[16384];
	struct flood_msg a, b;
	const char *why;
	int n;

	if (flood_msg_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return 0;
	}
	n = flood_msg_encode(&a, out, sizeof(out));
	MUST(n > 0 && flood_msg_decode(&b, out, (size_t)n, &why) == 0);
	MUST(!strcmp(a.from, b.from) && !strcmp(a.origin, b.origin) && a.seq == b.seq);
	MUST(a.part == b.part && a.left_ms == b.left_ms && a.hops == b.hops && a.nodes == b.nodes);
	for (int i = 0; i < a.nodes; i++)
		MUST(slice_eq(a.node[i], b.node[i]));
	if (len <= WIRE_MAX - WIRE_OVERHEAD - 2 * ANNOUNCE_ID_LEN)
		pass_on(&a);
	return 0;
}
