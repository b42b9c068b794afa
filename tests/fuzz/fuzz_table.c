/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any JSON is printed, and no control character but the newline gets out. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "nearctl/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char err[160], *text = NULL;
	size_t n = 0;
	struct js *v = js_parse((struct slice){(const char *)data, len}, err);
	FILE *f;

	if (!v)
		return 0;
	f = open_memstream(&text, &n);
	if (!f)
		abort();
	table_print(f, v, 0);
	table_print(f, v, 20);
	fclose(f);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		assert((c >= 0x20 && c != 0x7f) || c == '\n');
	}
	free(text);
	js_free(v);
	return 0;
}
