/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is taken for an address or a prefix is the same again when written and read back. */
#include <assert.h>
#include <stdint.h>

#include "lib/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice s = {(const char *)data, len};
	struct addr a, back;
	struct prefix p, again;
	char buf[ADDR_STRLEN];

	if (addr_parse(&a, s, 77) == 0) {
		assert(addr_parse(&back, slice_of(addr_str(&a, buf)), 78) == 0);
		assert(addr_cmp(&a, &back) == 0);
		assert(addr_parse(&back, slice_of(addr_host(&a, buf)), addr_port(&a)) == 0);
		assert(addr_cmp(&a, &back) == 0);
		addr_unmap(&a);
		assert(addr_len(&a) <= sizeof(a));
	}
	if (prefix_parse(&p, s) == 0) {
		assert(prefix_has(&p, &p.addr));
		assert(prefix_parse(&again, slice_of(prefix_str(&p, buf))) == 0);
		assert(p.len == again.len && addr_cmp(&p.addr, &again.addr) == 0);
	}
	return 0;
}
