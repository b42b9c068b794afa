/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The beginning of an answer to a probe. However it comes in pieces, the verdict is the same: what
 * was said of a part is "not enough yet", or final.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	for (int proto = TEXT_HTTP; proto <= TEXT_RTSP; proto++) {
		const char *whole = probe_read((enum text_proto)proto, (const char *)data, len);

		for (size_t n = 0; n < len && n < 1024; n++) {
			const char *part =
				probe_read((enum text_proto)proto, (const char *)data, n);

			if (part && !*part)
				continue;
			if (!same(part, whole))
				abort();
			break;
		}
	}
	return 0;
}
