/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests for ports and their answers: what is decoded can be encoded, and is then decoded to the
 * same. The first byte says which of the two. */
#include <string.h>

#include "lib/prime.h"
#include "tests/fuzz/must.h"

static void ask(const uint8_t *data, size_t len)
{
	char text[PRIME_STATE_STRLEN];
	struct prime_ask a, b;
	uint8_t out[WIRE_MAX];
	const char *why;
	int n;

	if (prime_ask_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return;
	}
	MUST(!why && strlen(prime_state_str(&a.state, text)) < sizeof(text));
	n = prime_ask_encode(&a, out, sizeof(out));
	MUST(n > 0 && prime_ask_decode(&b, out, (size_t)n, &why) == 0);
	MUST(a.id == b.id && a.generation == b.generation);
	MUST(!strcmp(a.from, b.from) && !strcmp(a.to, b.to) && !strcmp(a.expect, b.expect));
	MUST(prime_state_same(&a.state, &b.state) && !prime_state_moved(&a.state, &b.state));
	MUST(prime_state_hash(&a.state) == prime_state_hash(&b.state));
}

static void answer(const uint8_t *data, size_t len)
{
	struct prime_answer a, b;
	uint8_t out[WIRE_MAX];
	const char *why;
	int n;

	if (prime_answer_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return;
	}
	n = prime_answer_encode(&a, out, sizeof(out));
	MUST(n > 0 && prime_answer_decode(&b, out, (size_t)n, &why) == 0);
	MUST(a.id == b.id && a.generation == b.generation && a.status == b.status);
	MUST(!strcmp(a.from, b.from) && !strcmp(a.to, b.to));
	MUST(a.port == b.port && a.lifetime_ms == b.lifetime_ms);
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
