/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any request line gets one reply line: a code, a blank, and valid JSON. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/ctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum ctl_code echo(void *ctx, struct slice args, struct js *body)
{
	(void)ctx;
	js_put_slice(body, "args", args);
	return args.n % 2 ? CTL_OK : CTL_NOT_FOUND;
}

static const struct ctl_command commands[] = {
	{"show status", NULL, "", echo},
	{"show nodes", NULL, "", echo},
	{"show", NULL, "", echo},
	{"explain", "URL [CLIENT]", "", echo},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice line = {(const char *)data, len};
	char *reply = ctl_dispatch(commands, 4, NULL, line), err[160];
	size_t n = strlen(reply);
	struct js *body;

	assert(n > 6 && reply[3] == ' ' && reply[n - 1] == '\n');
	assert(memchr(reply, '\n', n - 1) == NULL);
	body = js_parse((struct slice){reply + 4, n - 5}, err);
	assert(js_is_object(body));
	js_free(body);
	free(reply);
	return 0;
}
