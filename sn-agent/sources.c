/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/sources.h"

#include <stdio.h>
#include <string.h>

void sources_key(const struct sources *s, const struct addr *source, char out[CHANNEL_ORIGIN])
{
	char text[ADDR_STRLEN];

	if (addr_same_host(source, &s->own))
		*out = '\0';
	else
		snprintf(out, CHANNEL_ORIGIN, "@%s", addr_host(source, text));
}

/* "/news" is a beginning of "/news" and "/news/1", not of "/newsroom". */
static bool begins(struct slice path, const char *with)
{
	size_t n = strlen(with);

	return path.n >= n && memcmp(path.p, with, n) == 0 && (path.n == n || path.p[n] == '/');
}

/* A rule for an origin's address is for that alone, unless it names a path too. */
static bool says_paths(const struct source_rule *r)
{
	return *r->path || !r->host.sa.sa_family;
}

void sources_of_path(const struct sources *s, struct slice path, char out[CHANNEL_ORIGIN])
{
	const struct source_rule *best = NULL;

	for (int i = 0; i < s->n; i++)
		if (says_paths(&s->rule[i]) && begins(path, s->rule[i].path) &&
			(!best || strlen(s->rule[i].path) > strlen(best->path)))
			best = &s->rule[i];
	*out = '\0';
	if (best)
		sources_key(s, &best->address, out);
}

bool sources_of_host(const struct sources *s, const struct addr *host, char out[CHANNEL_ORIGIN])
{
	for (int i = 0; i < s->n; i++)
		if (s->rule[i].host.sa.sa_family && addr_same_host(&s->rule[i].host, host)) {
			sources_key(s, &s->rule[i].address, out);
			return true;
		}
	if (s->block.addr.sa.sa_family && prefix_has(&s->block, host)) {
		sources_key(s, host, out);
		return true;
	}
	return false;
}

bool sources_parse(const char *key, struct addr *source)
{
	return *key == '@' && addr_parse(source, slice_of(key + 1), 0) == 0;
}
