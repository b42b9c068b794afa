/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An address as it is written, with or without a port. */
#ifndef NEARCAST_TESTS_LITERAL_H
#define NEARCAST_TESTS_LITERAL_H

#include <check.h>

#include "lib/addr.h"

static inline struct addr literal(const char *s)
{
	struct addr a;

	ck_assert_msg(addr_parse(&a, slice_of(s), 0) == 0, "%s", s);
	return a;
}

#endif
