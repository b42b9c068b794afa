/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Origins in paths, and lists of those that are allowed: the first line is the path, the rest the
 * list. What is read is a host; what a checked list allows, something in it names. */
#include <string.h>

#include "arn/origin.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice list = {(const char *)data, len}, path = slice_cut(&list, '\n'), rest;
	char host[DNS_NAME], allow[ORIGIN_ALLOW];
	struct addr a;
	uint16_t port;

	if (slice_copy(list, allow, sizeof(allow)) < 0)
		return 0;
	origin_check_allow(allow);
	if (origin_in_path(path, host, &port, &rest) < 0)
		return 0;
	MUST(dns_name_ok(host) || addr_parse(&a, slice_of(host), 0) == 0);
	MUST(rest.n && rest.p[0] == '/' && rest.p + rest.n == path.p + path.n);
	MUST(!origin_allowed("", host, port, 554));
	if (origin_allowed(allow, host, port, 554))
		MUST(*allow);
	return 0;
}
