/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of values that more than one daemon has. */
#include <string.h>

#include "lib/conf.h"
#include "lib/place.h"

const char *conf_check_name(const void *value)
{
	const char *s = value;

	if (!*s || strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "0123456789._-") != strlen(s))
		return "a name of letters, digits, '.', '_' and '-'";
	return NULL;
}

const char *conf_check_place(const void *value)
{
	const char *s = value;

	return !*s || place_ok(slice_of(s))
	               ? NULL
	               : "a place's name, the widest part last, as "
	                 "\"sanjose.california.usa\": labels of a-z, 0-9 and '-' between dots";
}

const char *conf_check_group(const void *value)
{
	return addr_is_multicast(value) ? NULL : "a multicast group's address";
}

const char *conf_check_management(const void *value)
{
	struct addr a;

	if (!*(const char *)value || (addr_parse(&a, slice_of(value), 0) == 0 && addr_port(&a)))
		return NULL;
	return "ADDRESS:PORT, or \"\" for none";
}
