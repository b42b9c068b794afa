/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fuzz targets have in common: their one function, and how they say that something cannot be. */
#ifndef NEARCAST_TESTS_MUST_H
#define NEARCAST_TESTS_MUST_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

#endif
