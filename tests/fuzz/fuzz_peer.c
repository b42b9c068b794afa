/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes as what somebody sends on a connection between ARNs, which nobody who has no key can
 * make acceptable; then as the payload of a greeting that is sealed rightly.
 */
#include <string.h>

#include "arn/peer.h"
#include "tests/fuzz/must.h"

#define WALL 1700000000000000000ll

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct wire_keys keys = {{{1, "of the fuzzer"}}, 1};
	struct wire_receiver *r = wire_receiver_new(&keys, NS_S, 4);
	struct peer_greeting g, again;
	uint8_t frame[PEER_FRAME_MAX];
	struct wire_sender s;
	const char *why;
	int n;

	if (!r)
		return 0;
	wire_receiver_take(r, WIRE_BIT(WIRE_HELLO));
	n = peer_open(r, data, len, WALL, &g, &why);
	MUST(n <= 0 && (n < 0) == (why != NULL));
	wire_sender_init(&s, &keys, "arn1", WALL);
	n = wire_seal(&s, WIRE_HELLO, data, len, WALL, frame + 2);
	if (n > 0) {
		frame[0] = (uint8_t)(n >> 8);
		frame[1] = (uint8_t)n;
		if (peer_open(r, frame, (size_t)n + 2, WALL, &g, &why) > 0) {
			MUST(!strcmp(g.id, "arn1") && *g.to && strlen(g.to) < ANNOUNCE_ID_LEN);
			n = peer_seal(&s, WIRE_HELLO, &g, WALL, frame);
			MUST(n > 0);
			MUST(peer_open(r, frame, (size_t)n, WALL, &again, &why) == n);
			MUST(!memcmp(&g, &again, sizeof(g)));
		}
	}
	wire_receiver_free(r);
	return 0;
}
