/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles: what is taken is within its ranges, and what is refused is named and says nothing. */
#include <string.h>

#include "arn/profile.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct profile p, none = profile_empty();
	char why[PROFILE_WHY];

	if (profile_parse(&p, (struct slice){(const char *)data, len}, why)) {
		MUST(*why && memchr(why, 0, sizeof(why)) && profile_same(&p, &none));
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		MUST(p.of[i].bound >= -1 && p.of[i].bound <= 1000);
		MUST(p.of[i].affinity_limit >= -1 && p.of[i].affinity_limit <= 100);
		MUST(p.of[i].session_kbps >= -1 && p.of[i].session_kbps <= 10000000);
		MUST(p.of[i].prime >= -1 && p.of[i].prime <= 1);
	}
	return 0;
}
