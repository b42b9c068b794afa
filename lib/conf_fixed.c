/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between two configurations and cannot be taken over while the daemon runs. */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/conf_impl.h"

static bool same_all(const struct conf_option *o, const char *a, const char *b);

static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	return addr_cmp(&a->addr, &b->addr) == 0 && a->len == b->len;
}

static bool same_addrs(const struct conf_addr_list *a, const struct conf_addr_list *b)
{
	for (int i = 0; i < a->n && i < b->n; i++)
		if (addr_cmp(&a->addr[i], &b->addr[i]))
			return false;
	return a->n == b->n;
}

static bool same_prefixes(const struct conf_prefix_list *a, const struct conf_prefix_list *b)
{
	for (int i = 0; i < a->n && i < b->n; i++)
		if (!same_prefix(&a->prefix[i], &b->prefix[i]))
			return false;
	return a->n == b->n;
}

static bool same_sections(
	const struct conf_option *o, const struct conf_list *a, const struct conf_list *b)
{
	for (int i = 0; i < a->n && i < b->n; i++) {
		const char *x = (char *)a->item + (size_t)i * o->size;
		const char *y = (char *)b->item + (size_t)i * o->size;

		if (strcmp(x, y) || !same_all(o->sub, x, y)) /* the title is first */
			return false;
	}
	return a->n == b->n;
}

/* a and b: where the option's value is. */
static bool same(const struct conf_option *o, const void *a, const void *b)
{
	switch (o->type) {
	case CONF_STR: return !strcmp(a, b);
	case CONF_INT: return *(const int64_t *)a == *(const int64_t *)b;
	case CONF_MS: return *(const ns_t *)a == *(const ns_t *)b;
	case CONF_BOOL: return *(const bool *)a == *(const bool *)b;
	case CONF_ADDR: return addr_cmp(a, b) == 0;
	case CONF_PREFIX: return same_prefix(a, b);
	case CONF_ADDR_LIST: return same_addrs(a, b);
	case CONF_PREFIX_LIST: return same_prefixes(a, b);
	case CONF_ENUM: return *(const int *)a == *(const int *)b;
	case CONF_SECTION: return same_all(o->sub, a, b);
	case CONF_SECTION_LIST: return same_sections(o, a, b);
	}
	return false;
}

static bool same_all(const struct conf_option *o, const char *a, const char *b)
{
	for (; o->name; o++)
		if (!same(o, a + o->offset, b + o->offset))
			return false;
	return true;
}

static bool find(const struct conf_option *o, const char *was, const char *now, const char *section,
	char name[CONF_NAME])
{
	for (; o->name; o++) {
		const char *a = was + o->offset, *b = now + o->offset;

		if (o->fixed && !same(o, a, b)) {
			snprintf(name, CONF_NAME, "%s%s%s", section, *section ? "." : "", o->name);
			return true;
		}
		if (o->type == CONF_SECTION && find(o->sub, a, b, o->name, name))
			return true;
	}
	return false;
}

bool conf_fixed_change(
	const struct conf_option *options, const void *was, const void *now, char name[CONF_NAME])
{
	*name = '\0';
	return find(options, was, now, "", name);
}
