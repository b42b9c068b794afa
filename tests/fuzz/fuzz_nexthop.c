/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of the LAN: of any content, to a next hop of either family that the first byte chooses. */
#include <string.h>

#include "arn/nexthop.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *const address[] = {"10.5.0.2", "fd05::2"};
	uint8_t out[NEXTHOP_FRAME], back[NEXTHOP_FRAME];
	enum nexthop_event e;
	struct nexthop hop;
	struct addr a;
	size_t n, m;

	if (!len)
		return 0;
	MUST(addr_parse(&a, slice_of(address[data[0] & 1]), 0) == 0);
	nexthop_init(&hop, &a);
	memcpy(hop.mac, "\x02\xaa\xaa\xaa\xaa\xaa", NEXTHOP_MAC);
	e = nexthop_hear(&hop, data + 1, len - 1, NS_S, out, &n);
	MUST(n == 0 && nexthop_when(&hop) == NS_NEVER);
	nexthop_claim(&hop, true, NS_S);
	MUST(nexthop_hear(&hop, data + 1, len - 1, NS_S, out, &n) == e);
	MUST((n > 0) == (e == NEXTHOP_ASKED) && n <= NEXTHOP_FRAME);
	if (n) { /* what we say is of us, and nothing that we would answer */
		MUST(!memcmp(out + NEXTHOP_MAC, hop.mac, NEXTHOP_MAC));
		MUST(nexthop_hear(&hop, out, n, NS_S, back, &m) == NEXTHOP_NOTHING && !m);
	}
	return 0;
}
