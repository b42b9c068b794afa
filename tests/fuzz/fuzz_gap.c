/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any series of packets, ends, retries and resignations: the numbers always add up, nothing that
 * was seen is asked for, what is asked for is missing, and who waits for gap_when does not spin.
 * Three bytes are one operation: what, and a number.
 */
#include "lib/gap.h"
#include "tests/fuzz/must.h"

static void ask(struct gap *g, ns_t now, int max)
{
	int64_t out[256], before = INT64_MIN;
	int n = gap_due(g, now, out, max);

	MUST(n <= max);
	for (int i = 0; i < n; i++) {
		MUST(out[i] > before && !gap_has(g, out[i]));
		MUST(out[i] >= gap_next(g) && out[i] <= gap_highest(g));
		before = out[i];
	}
	/* One that went on where a full one had ended may be due again at once, for what that had
	 * passed; but not twice. */
	if (n < max && gap_when(g) <= now)
		n = gap_due(g, now, out, max);
	MUST(n == max || gap_when(g) > now);
}

static void see(struct gap *g, int64_t seq, ns_t now)
{
	int missing = gap_missing(g);
	enum gap_seen seen = gap_see(g, seq, now);

	MUST(seen != GAP_RECOVERED || gap_missing(g) == missing - 1);
	MUST(seen != GAP_DUPLICATE || gap_missing(g) == missing);
	MUST(gap_has(g, seq) == (seen != GAP_OLD && seen != GAP_RESTART));
	if (seen == GAP_RESTART)
		gap_begin(g, seq);
}

static void operate(struct gap *g, uint8_t what, uint16_t number, ns_t *now)
{
	switch (what % 16) {
	case 0: gap_begin(g, number); break;
	case 1: gap_expect(g, gap_extend(g, number), *now); break;
	case 2: gap_forget(g, gap_extend(g, number)); break;
	case 3: gap_rearm(g, *now); break;
	case 4: gap_set_retry(g, number * NS_US); break;
	case 5: *now += number * NS_US; break;
	case 6: ask(g, *now, 1 + number % 256); break;
	case 7: *now = gap_when(g) < *now + NS_S ? gap_when(g) : *now; break;
	case 8: see(g, gap_highest(g) + number, *now); break;
	case 9: see(g, gap_highest(g) - number, *now); break;
	case 10: see(g, gap_next(g), *now); break;
	case 11: see(g, gap_highest(g) + 1 + number % 4, *now); break;
	default: see(g, gap_extend(g, number), *now);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gap_conf conf = {3 * NS_MS, 20 * NS_MS, len % 2 ? 300 * NS_MS : NS_NEVER};
	struct gap *g = gap_new(&conf);
	ns_t now = NS_S;

	if (!g)
		return 0;
	for (size_t i = 0; i + 3 <= len && i < 3000; i += 3) {
		int64_t span;

		operate(g, data[i], (uint16_t)(data[i + 1] << 8 | data[i + 2]), &now);
		span = gap_highest(g) - gap_next(g) + 1;
		MUST(gap_missing(g) >= 0 && gap_missing(g) <= span && span <= GAP_WINDOW);
		MUST((gap_missing(g) == 0) == (span == 0));
		MUST(!gap_has(g, gap_next(g)));
	}
	gap_free(g);
	return 0;
}
