/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Surveys and their answers: what is decoded can be encoded, and is then decoded to the same. The
 * first byte says which of the two. */
#include <string.h>

#include "lib/survey.h"
#include "tests/fuzz/must.h"

static void ask(const uint8_t *data, size_t len)
{
	struct survey_ask a, b;
	uint8_t out[WIRE_MAX];
	const char *why;
	int n;

	if (survey_ask_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return;
	}
	n = survey_ask_encode(&a, out, sizeof(out));
	MUST(n > 0 && survey_answer_max((size_t)n + WIRE_OVERHEAD) == WIRE_MAX - WIRE_OVERHEAD);
	MUST(survey_ask_decode(&b, out, (size_t)n, &why) == 0);
	MUST(a.id == b.id && !strcmp(a.from, b.from) && !addr_cmp(&a.to, &b.to));
	MUST(a.neighbours == b.neighbours && a.skip == b.skip);
}

static void answer(const uint8_t *data, size_t len)
{
	struct survey_answer a, b;
	uint8_t out[4 * WIRE_MAX];
	const char *why;
	int n;

	if (survey_answer_decode(&a, data, len, &why)) {
		MUST(why && *why);
		return;
	}
	MUST(a.held >= 0 && a.held <= SURVEY_MAX_HELD && a.said.role == ROLE_SN);
	MUST(a.neighbours >= 0 && a.neighbours <= SURVEY_NEIGHBOURS && a.neighbours <= a.total);
	n = survey_answer_encode(&a, out, sizeof(out));
	MUST(n > 0 && survey_answer_decode(&b, out, (size_t)n, &why) == 0);
	MUST(a.id == b.id && !strcmp(a.to, b.to) && a.held == b.held && a.total == b.total);
	MUST(!strcmp(a.said.id, b.said.id) && a.neighbours == b.neighbours);
	for (int i = 0; i < a.neighbours; i++) {
		MUST(announce_id_ok(slice_of(a.neighbour[i].id)));
		MUST(!strcmp(a.neighbour[i].id, b.neighbour[i].id));
		MUST(!addr_cmp(&a.neighbour[i].control, &b.neighbour[i].control));
	}
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
