/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a raw socket has received: an echo reply of ours has the cookie that a request had. The first byte
 * says the family. */
#include <string.h>

#include "lib/echo.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int family = len && *data & 1 ? AF_INET6 : AF_INET;
	uint8_t out[ECHO_LEN];
	uint64_t cookie;
	size_t n;

	if (!len || !echo_parse(family, data + 1, len - 1, &cookie))
		return 0;
	n = echo_request(family, cookie, out);
	MUST(n <= len - 1 && !memcmp(out + 8, data + len - (n - 8), n - 8));
	return 0;
}
