/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A description: what is parsed lies within it, and what is rewritten can be parsed, has the same
 * media, and is not changed by being rewritten again.
 */
#include "lib/sdp.h"
#include "tests/fuzz/must.h"

static char once[4 * SDP_MAX_SIZE], twice[4 * SDP_MAX_SIZE];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = {(const char *)data, len};
	struct sdp s, again;
	struct sbuf b1, b2;

	if (sdp_parse(&s, text))
		return 0;
	MUST(s.medias >= 1 && s.medias <= SDP_MAX_MEDIA);
	sbuf_init(&b1, once, sizeof(once));
	MUST(sdp_rewrite(&b1, text) == 0);
	if (b1.n > SDP_MAX_SIZE) /* it has grown out of its bounds */
		return 0;
	MUST(sdp_parse(&again, (struct slice){b1.p, b1.n}) == 0);
	MUST(again.medias == s.medias && slice_eq(again.control, SLICE("*")));
	MUST(slice_eq(again.name, s.name));
	for (int i = 0; i < s.medias; i++) {
		MUST(slice_eq(s.media[i].kind, again.media[i].kind));
		MUST(slice_eq(s.media[i].encoding, again.media[i].encoding));
		MUST(s.media[i].pt == again.media[i].pt);
		MUST(s.media[i].clock_rate == again.media[i].clock_rate && s.media[i].clock_rate);
	}
	sbuf_init(&b2, twice, sizeof(twice));
	MUST(sdp_rewrite(&b2, (struct slice){b1.p, b1.n}) == 0);
	MUST(slice_eq((struct slice){b1.p, b1.n}, (struct slice){b2.p, b2.n}));
	return 0;
}
