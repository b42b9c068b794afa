/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One value of a configuration file: from the text between the quotes to the field of the
 * daemon's struct. What does not fit is answered with what was expected, as a phrase that the
 * reader can act on.
 */
#include "lib/conf_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/sbuf.h"

bool conf_is_value(const struct conf_option *o)
{
	return o->type != CONF_SECTION && o->type != CONF_SECTION_LIST;
}

static int most_addrs(const struct conf_option *o)
{
	return o->max && o->max < CONF_MAX_ADDRS ? (int)o->max : o->max ? CONF_MAX_ADDRS : 16;
}

/* No bounds given means all that the type can hold. */
static void bounds(const struct conf_option *o, int64_t *min, int64_t *max)
{
	bool ms = o->type == CONF_MS, none = o->min == 0 && o->max == 0;

	*min = none && !ms ? INT64_MIN : o->min;
	*max = none ? (ms ? INT64_MAX / NS_MS : INT64_MAX) : o->max;
	if (ms && *max > INT64_MAX / NS_MS)
		*max = INT64_MAX / NS_MS;
}

const char *conf_value_expected(const struct conf_option *o, char why[CONF_WHY])
{
	struct sbuf b;
	int64_t min, max;

	bounds(o, &min, &max);
	sbuf_init(&b, why, CONF_WHY);
	switch (o->type) {
	case CONF_STR:
		if (o->size)
			sbuf_printf(&b, "at most %zu bytes of text", o->size - 1);
		break;
	case CONF_MS:
	case CONF_INT:
		sbuf_printf(&b, o->type == CONF_MS ? "milliseconds" : "a whole number");
		if (o->min || o->max)
			sbuf_printf(&b, " from %" PRId64 " to %" PRId64, min, max);
		break;
	case CONF_BOOL: sbuf_printf(&b, "true or false"); break;
	case CONF_ADDR:
		sbuf_printf(&b, "an IPv4 or IPv6 address%s",
			o->def_port ? ", with or without a port" : "");
		break;
	case CONF_PREFIX:
		sbuf_printf(&b, "an address block as 10.1.18.0/24, its host bits zero");
		break;
	case CONF_ADDR_LIST:
		sbuf_printf(&b, "up to %d addresses, separated by commas", most_addrs(o));
		break;
	case CONF_PREFIX_LIST:
		sbuf_printf(&b,
			"up to %d prefixes as 10.1.0.0/16, their host bits zero, "
			"separated by commas",
			CONF_MAX_PREFIXES);
		break;
	case CONF_ENUM:
		for (int i = 0; o->names[i]; i++)
			sbuf_printf(&b, "%s\"%s\"",
				!i                ? ""
				: o->names[i + 1] ? ", "
						  : " or ",
				o->names[i]);
		break;
	case CONF_SECTION: sbuf_printf(&b, "%s { … }", o->name); break;
	case CONF_SECTION_LIST: sbuf_printf(&b, "%s \"TITLE\" { … }", o->name); break;
	}
	return why;
}

static int parse_number(const struct conf_option *o, const char *text, void *out)
{
	int64_t min, max;
	long long v;
	char *end;

	bounds(o, &min, &max);
	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || *end || errno || text[0] == ' ' || text[0] == '\t' || v < min || v > max)
		return -EINVAL;
	*(int64_t *)out = o->type == CONF_MS ? v * NS_MS : v;
	return 0;
}

static int parse_bool(const char *text, bool *out)
{
	static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {
									"false", "no", "off"};

	for (size_t i = 0; i < 3; i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*out = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_addr_list(const struct conf_option *o, const char *text, struct conf_addr_list *l)
{
	struct slice rest = slice_trim(slice_of(text));

	while (rest.n) {
		struct slice item = slice_trim(slice_cut(&rest, ','));

		if (l->n == most_addrs(o) || addr_parse(&l->addr[l->n], item, o->def_port) < 0)
			return -EINVAL;
		l->n++;
	}
	return 0;
}

static int parse_prefix_list(const char *text, struct conf_prefix_list *l)
{
	struct slice rest = slice_trim(slice_of(text));

	while (rest.n) {
		struct slice item = slice_trim(slice_cut(&rest, ','));

		if (l->n == CONF_MAX_PREFIXES || prefix_parse(&l->prefix[l->n], item) < 0)
			return -EINVAL;
		l->n++;
	}
	return 0;
}

static int parse_enum(const struct conf_option *o, const char *text, int *out)
{
	for (int i = 0; o->names[i]; i++) {
		if (strcmp(o->names[i], text) == 0) {
			*out = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse(const struct conf_option *o, const char *text, void *out)
{
	switch (o->type) {
	case CONF_STR: return slice_copy(slice_of(text), out, o->size);
	case CONF_INT:
	case CONF_MS: return parse_number(o, text, out);
	case CONF_BOOL: return parse_bool(text, out);
	case CONF_ADDR: return addr_parse(out, slice_of(text), o->def_port);
	case CONF_PREFIX: return prefix_parse(out, slice_of(text));
	case CONF_ADDR_LIST: return parse_addr_list(o, text, out);
	case CONF_PREFIX_LIST: return parse_prefix_list(text, out);
	case CONF_ENUM: return parse_enum(o, text, out);
	case CONF_SECTION:
	case CONF_SECTION_LIST: break;
	}
	return -EINVAL;
}

const char *conf_value_parse(
	const struct conf_option *o, const char *text, void *out, char why[CONF_WHY])
{
	/* An address that may be left out is left out with "", and then all zero. */
	if (!*text && o->def && !*o->def && (o->type == CONF_ADDR || o->type == CONF_PREFIX))
		return NULL;
	if (parse(o, text, out) < 0)
		return conf_value_expected(o, why);
	return o->check ? o->check(out) : NULL;
}
