/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A payload: what is decoded can be encoded, and is then decoded to the same. */
#include <string.h>

#include "lib/wire.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct announce a, b;
	const char *why;
	uint8_t out[WIRE_MAX];
	int n;

	if (announce_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return 0;
	}
	MUST(!why && a.id[0] && strlen(a.id) < ANNOUNCE_ID_LEN);
	MUST(a.interval_ms >= ANNOUNCE_MIN_INTERVAL && a.interval_ms <= ANNOUNCE_MAX_INTERVAL);
	n = announce_encode(&a, out, sizeof(out));
	MUST(n > 0);
	MUST(announce_decode(&b, out, (size_t)n, &why) == 0);
	MUST(a.role == b.role && !strcmp(a.id, b.id) && addr_cmp(&a.addr, &b.addr) == 0);
	MUST(a.rtsp_port == b.rtsp_port && a.http_port == b.http_port && a.weight == b.weight);
	MUST(a.draining == b.draining && a.healthy == b.healthy && a.kbps == b.kbps);
	MUST(a.sessions == b.sessions && a.max_sessions == b.max_sessions);
	MUST(a.max_kbps == b.max_kbps && a.interval_ms == b.interval_ms);
	MUST(addr_cmp(&a.block.addr, &b.block.addr) == 0 && a.block.len == b.block.len);
	MUST(a.standing == b.standing && a.master == b.master && a.peer_port == b.peer_port);
	MUST(a.attached == b.attached && a.channels == b.channels);
	MUST(!memcmp(a.channel, b.channel, sizeof(a.channel)));
	MUST(!memcmp(a.channel_kbps, b.channel_kbps, sizeof(a.channel_kbps)));
	for (int i = 0; i < a.channels; i++)
		MUST(announce_find_channel(&a, a.channel[i]) == i);
	MUST(a.control_port == b.control_port && a.generation == b.generation);
	MUST(a.primes == b.primes && a.refused == b.refused && !strcmp(a.place, b.place));
	MUST(!memcmp(a.refuses, b.refuses, sizeof(a.refuses)));
	for (int i = 0; i < a.refused; i++)
		MUST(announce_refuses(&a, a.refuses[i]));
	return 0;
}
