/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes as a datagram from the network, which nobody who has no key can make acceptable; then
 * as a payload that is sealed, opened, and refused when any byte of it was changed.
 */
#include <string.h>

#include "lib/wire.h"
#include "tests/fuzz/must.h"

#define WALL 1700000000000000000ll

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct wire_keys keys = {{{1, "of the fuzzer"}, {2, "another"}}, 2};
	struct wire_receiver *r = wire_receiver_new(&keys, NS_S, 4);
	struct wire_sender s;
	struct wire_view v;
	uint8_t out[WIRE_MAX];
	size_t changed;
	int n;

	if (!r)
		return 0;
	MUST(wire_open(r, data, len, WALL, &v) != WIRE_OK);
	wire_sender_init(&s, &keys, "fuzz", WALL);
	n = wire_seal(&s, WIRE_ANNOUNCE, data, len, WALL, out);
	MUST((n < 0) == (len > WIRE_MAX - 72));
	if (n > 0) {
		changed = len ? data[0] * 5u % (size_t)n : 0;
		out[changed] ^= 0x10;
		MUST(wire_open(r, out, (size_t)n, WALL, &v) != WIRE_OK);
		out[changed] ^= 0x10;
		MUST(wire_open(r, out, (size_t)n, WALL, &v) == WIRE_OK);
		MUST(v.len == len && !memcmp(v.payload, data, len));
		MUST(wire_open(r, out, (size_t)n, WALL, &v) == WIRE_REPLAYED);
	}
	wire_receiver_free(r);
	return 0;
}
