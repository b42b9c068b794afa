/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/budget.h"

static bool begins(struct slice path, struct slice with)
{
	return with.n && path.n >= with.n && slice_eq((struct slice){path.p, with.n}, with);
}

int budget_class_of(const struct budget *b, struct slice path)
{
	for (int i = 0; i < b->classes; i++) {
		struct slice rest = slice_of(b->of[i].paths);

		while (rest.n)
			if (begins(path, slice_trim(slice_cut(&rest, ','))))
				return i;
	}
	return b->classes ? b->classes - 1 : 0;
}

const char *budget_class_name(const struct budget *b, int class)
{
	return class < b->classes ? b->of[class].name : "all";
}

uint64_t budget_rate(const struct budget *b, uint64_t measured, uint64_t said)
{
	uint64_t known = measured > said ? measured : said;

	return known ? known : b->assumed;
}

bool budget_fits(
	const struct budget *b, uint64_t link, const struct budget_use *u, int class, uint64_t kbps)
{
	uint64_t inner = kbps;

	if (!link)
		return true;
	/* From the innermost doll outwards: each holds those within it. Those that the stream is not in
	 * are as full as they are. */
	for (int i = BUDGET_CLASSES - 1; i >= 0; i--) {
		inner += u->kbps[i];
		if (i <= class && inner > (i < b->classes ? link * b->of[i].share / 100 : link))
			return false;
	}
	return true;
}

void refusals_note(struct refusals *r, uint32_t channel, int64_t until)
{
	int at = 0;

	for (int i = 0; i < REFUSALS_MAX; i++) {
		if (r->of[i].until && r->of[i].channel == channel) {
			at = i;
			break;
		}
		if (r->of[i].until < r->of[at].until)
			at = i;
	}
	r->of[at].channel = channel;
	r->of[at].until = until;
}

void refusals_clear(struct refusals *r, uint32_t channel)
{
	for (int i = 0; i < REFUSALS_MAX; i++)
		if (r->of[i].channel == channel)
			r->of[i].until = 0;
}

int refusals_list(const struct refusals *r, int64_t now, uint32_t out[REFUSALS_MAX])
{
	int n = 0;

	for (int i = 0; i < REFUSALS_MAX; i++) {
		int at = n;

		if (r->of[i].until <= now)
			continue;
		while (at > 0 && out[at - 1] > r->of[i].channel) {
			out[at] = out[at - 1];
			at--;
		}
		out[at] = r->of[i].channel;
		n++;
	}
	return n;
}
