/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/share.h"

#include <string.h>

#define BIT(i) (UINT64_C(1) << (i))

void share_init(struct share *s, int n, ns_t yield)
{
	*s = (struct share){.n = n, .yield = yield};
}

void share_want(struct share *s, uint64_t wanted, ns_t now)
{
	for (int i = 0; i < s->n; i++)
		if (s->wanted & ~wanted & BIT(i))
			s->lost[i] = now;
	s->wanted = wanted;
}

void share_drop(struct share *s)
{
	s->held = 0;
}

int share_next(struct share *s, bool up, bool *add, ns_t now)
{
	for (int i = 0; i < s->n; i++) {
		bool wanted = s->wanted & BIT(i), held = s->held & BIT(i);

		*add = up && wanted;
		if (*add == held)
			continue;
		if (held && up && now - s->lost[i] < s->yield)
			continue;
		s->held ^= BIT(i);
		return i;
	}
	return -1;
}

ns_t share_when(const struct share *s)
{
	ns_t when = NS_NEVER;

	for (int i = 0; i < s->n; i++)
		if ((s->held & ~s->wanted & BIT(i)) && s->lost[i] + s->yield < when)
			when = s->lost[i] + s->yield;
	return when;
}
