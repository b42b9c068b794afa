/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a configuration of nginx as nginx does (ngx_conf_read_token), as far as to tell where
 * statements end: so that a value which breaks out of its place shows. */
#ifndef NEARCAST_TESTS_NGINX_TEXT_H
#define NEARCAST_TESTS_NGINX_TEXT_H

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Statements and blocks; -1: it is not well formed. */
static inline int nginx_statements(const char *text)
{
	int n = 0, depth = 0;
	char quote = 0;
	bool word = false;

	for (const char *z = text; *z; z++) {
		if (*z == '\\' && z[1]) {
			z++;
			word = true;
		} else if (quote) {
			if (*z == quote)
				quote = 0;
		} else if (!word && (*z == '"' || *z == '\'')) {
			quote = *z;
			word = true;
		} else if (!word && *z == '#') {
			while (z[1] && z[1] != '\n')
				z++;
		} else if (isspace((unsigned char)*z)) {
			word = false;
		} else if (*z == ';' || *z == '{') {
			n++;
			depth += *z == '{';
			word = false;
		} else if (*z == '}') {
			if (--depth < 0)
				return -1;
		} else {
			word = true;
		}
	}
	return quote || depth ? -1 : n;
}

#endif
