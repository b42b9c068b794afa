/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemons' tables say of their configuration, for test_docs.py (tests/integration) to
 * compare with the manual: a line for each option, "DAEMON SECTION NAME TYPE MIN MAX DEFAULT",
 * separated by tabs. The section of the top level is empty; a default that is missing (the option
 * is required) is "!". And "DAEMON fixed NAME" for each that needs a restart.
 */
#include <inttypes.h>
#include <stdio.h>

#include "arn/config.h"
#include "sn-agent/config.h"

static void print(const char *daemon, const char *section, const struct conf_option *o)
{
	static const char *const type[] = {
		[CONF_STR] = "string",
		[CONF_INT] = "number",
		[CONF_MS] = "ms",
		[CONF_BOOL] = "bool",
		[CONF_ADDR] = "address",
		[CONF_PREFIX] = "prefix",
		[CONF_ADDR_LIST] = "addresses",
		[CONF_PREFIX_LIST] = "prefixes",
		[CONF_ENUM] = "enum",
	};

	for (; o->name; o++) {
		if (o->fixed)
			printf("%s\tfixed\t%s%s%s\n", daemon, section, *section ? "." : "",
				o->name);
		if (o->type == CONF_SECTION || o->type == CONF_SECTION_LIST)
			print(daemon, o->name, o->sub);
		else
			printf("%s\t%s\t%s\t%s\t%" PRId64 "\t%" PRId64 "\t%s\n", daemon, section,
				o->name, type[o->type], o->min, o->max, o->def ? o->def : "!");
	}
}

int main(void)
{
	print(arn_daemon.name, "", arn_daemon.options);
	print(sn_daemon.name, "", sn_daemon.options);
	return 0;
}
