/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/want.h"

uint64_t want_hash(const struct want *w)
{
	uint64_t h = prime_state_hash(&w->state) ^ w->what;

	for (const char *z = w->node; *z; z++)
		h = (h ^ (uint8_t)*z) * UINT64_C(0x100000001b3);
	return h;
}
