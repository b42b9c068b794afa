/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests for attachment, their answers, and what redirectors answer: what is decoded can be encoded,
 * and is then decoded to the same. The first byte says which of the three. */
#include <string.h>

#include "lib/attach.h"
#include "tests/fuzz/must.h"

static void ask(const uint8_t *data, size_t len)
{
	static uint8_t out[16384];
	struct attach_ask a, b;
	const char *why;
	int n;

	if (attach_ask_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return;
	}
	n = attach_ask_encode(&a, out, sizeof(out));
	MUST(n > 0 && attach_ask_decode(&b, out, (size_t)n, &why) == 0);
	MUST(a.id == b.id && a.generation == b.generation && !strcmp(a.from, b.from));
	MUST(a.tunnel == b.tunnel && a.lifetime_ms == b.lifetime_ms && a.channels == b.channels);
	MUST(!addr_cmp(&a.to, &b.to) && !addr_cmp(&a.overlay, &b.overlay));
	for (int i = 0; i < a.channels; i++)
		MUST(!strcmp(a.channel[i], b.channel[i]));
}

static void answer(const uint8_t *data, size_t len)
{
	struct attach_answer a, b;
	uint8_t out[WIRE_MAX];
	const char *why;
	int n;

	if (attach_answer_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return;
	}
	n = attach_answer_encode(&a, out, sizeof(out));
	MUST(n > 0 && attach_answer_decode(&b, out, (size_t)n, &why) == 0);
	MUST(a.id == b.id && a.generation == b.generation && a.status == b.status);
	MUST(!strcmp(a.from, b.from) && !strcmp(a.to, b.to) && a.draining == b.draining);
}

static void node(const uint8_t *data, size_t len)
{
	char name[ANNOUNCE_ID_LEN], why[160];
	struct addr at;

	if (attach_node_read((struct slice){(const char *)data, len}, name, &at, why) == 0)
		MUST(announce_id_ok(slice_of(name)) && addr_port(&at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	switch (*data % 3) {
	case 0: ask(data + 1, len - 1); break;
	case 1: answer(data + 1, len - 1); break;
	case 2: node(data + 1, len - 1); break;
	}
	return 0;
}
