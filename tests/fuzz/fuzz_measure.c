/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions of sites for clients' round trips, and their answers: what is decoded can be encoded, and is
 * then decoded to the same. The first byte says which of the two. */
#include <string.h>

#include "arn/measure_msg.h"
#include "tests/fuzz/must.h"

static void ask(const uint8_t *data, size_t len)
{
	struct measure_ask a, b;
	uint8_t out[WIRE_MAX];
	const char *why;
	int n;

	if (measure_ask_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return;
	}
	MUST(addr_is_unicast(&a.client) && announce_id_ok(slice_of(a.from)));
	n = measure_ask_encode(&a, out, sizeof(out));
	MUST(n > 0 && measure_ask_decode(&b, out, (size_t)n, &why) == 0);
	MUST(a.id == b.id && !strcmp(a.from, b.from) && !addr_cmp(&a.client, &b.client));
}

static void answer(const uint8_t *data, size_t len)
{
	struct measure_answer a, b;
	uint8_t out[WIRE_MAX];
	const char *why;
	int n;

	if (measure_answer_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return;
	}
	MUST(!*a.place || place_ok(slice_of(a.place)));
	n = measure_answer_encode(&a, out, sizeof(out));
	MUST(n > 0 && measure_answer_decode(&b, out, (size_t)n, &why) == 0);
	MUST(a.id == b.id && a.rtt_us == b.rtt_us);
	MUST(!strcmp(a.from, b.from) && !strcmp(a.place, b.place));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	if (*data & 1)
		ask(data + 1, len - 1);
	else
		answer(data + 1, len - 1);
	return 0;
}
