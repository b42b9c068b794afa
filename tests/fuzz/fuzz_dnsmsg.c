/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A name server's answer: what is read is within its bounds, and its names can be asked for. */
#include <string.h>

#include "lib/dnsmsg.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct dns_msg m;

	if (dns_parse(&m, data, len) < 0)
		return 0;
	MUST(m.rrs >= 0 && m.rrs <= DNS_MAX_RRS);
	MUST(!*m.name || dns_name_ok(m.name));
	for (int i = 0; i < m.rrs; i++) {
		const struct dns_rr *rr = &m.rr[i];

		MUST(strcmp(dns_type_str((enum dns_type)rr->type), "?") != 0);
		MUST(!*rr->owner || dns_name_ok(rr->owner));
		MUST(!*rr->target || dns_name_ok(rr->target));
		MUST(rr->ttl <= INT32_MAX);
		if (rr->type == DNS_A || rr->type == DNS_AAAA)
			MUST(addr_len(&rr->addr));
	}
	return 0;
}
