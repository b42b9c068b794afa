/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arn.conf: where clients are. */
#include "arn/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct arn_conf, field), sizeof(((struct arn_conf *)0)->field)
#define AT_REGION(field)                                                                           \
	offsetof(struct arn_conf_region, field), sizeof(((struct arn_conf_region *)0)->field)

#define LINE_MAX_LEN 512

static const char *check_place(const void *value)
{
	return place_ok(slice_of(value)) ? NULL : "labels of a-z, 0-9 and '-' with dots between";
}

static const char *check_file(const void *value)
{
	const char *s = value;

	return !*s || *s == '/' ? NULL : "a path from \"/\" on, or \"\"";
}

const struct conf_option arn_regions_options[] = {
	{"file", CONF_STR, AT(regions.file), "", .check = check_file,
		.help = "file with lines \"PREFIX PLACE\"; \"\": none"},
	{0},
};

const struct conf_option arn_region_options[] = {
	{"place", CONF_STR, AT_REGION(place), .check = check_place,
		.help = "where the clients of these prefixes are"},
	{"prefixes", CONF_PREFIX_LIST, AT_REGION(prefixes), "",
		.help = "of their addresses, 64 at most"},
	{0},
};

const struct conf_option arn_measure_options[] = {
	{"clients", CONF_BOOL, AT(measure.clients), "no",
		.help = "find out which site is nearest to clients of whom no region is "
			"configured"},
	{"lifetime", CONF_MS, AT(measure.lifetime), "600000", 1000, 86400000,
		.help = "how long that is taken for true"},
	{"patience", CONF_MS, AT(measure.patience), "1000", 10, 10000,
		.help = "time for a client to answer an echo request"},
	{"rate", CONF_INT, AT(measure.rate), "50", 1, 1000,
		.help = "clients a second to whom these are sent, at most"},
	{"networks", CONF_INT, AT(measure.networks), "4096", 1, 16384,
		.help = "of clients, that are kept at most"},
	{0},
};

struct list {
	struct region *r;
	int n, cap;
};

static int add(struct list *l, const struct region *r)
{
	if (l->n == l->cap) {
		int cap = l->cap ? 2 * l->cap : 64;
		struct region *more = realloc(l->r, (size_t)cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->r = more;
		l->cap = cap;
	}
	l->r[l->n++] = *r;
	return 0;
}

static int add_file(struct list *l, const char *path, struct conf_errors *e)
{
	char text[LINE_MAX_LEN];
	int line = 0, err = 0;
	const char *why;
	struct region r;
	FILE *f;

	f = fopen(path, "re");
	if (!f) {
		err = -errno;
		conf_error(e, "regions: file: %s: %s", path, strerror(-err));
		return err;
	}
	while (!err && fgets(text, sizeof(text), f)) {
		int got;

		line++;
		why = "a line of 510 characters at most";
		memset(&r, 0, sizeof(r));
		got = !strchr(text, '\n') && !feof(f) ? -EINVAL
		                                      : region_line(slice_of(text), &r, &why);
		if (got > 0 && l->n == REGION_MAX) {
			why = "65536 prefixes in all, at most";
			got = -EINVAL;
		}
		if (got > 0)
			err = add(l, &r);
		if (got >= 0)
			continue;
		conf_error(e, "%s:%d: expected %s", path, line, why);
		err = got;
	}
	fclose(f);
	return err;
}

struct region_table *arn_conf_regions(const struct arn_conf *c, struct conf_errors *e)
{
	const struct arn_conf_region *section = c->region.item;
	struct region_table *t = NULL;
	struct list l = {.r = NULL};
	int err = 0;

	if (*c->regions.file)
		err = add_file(&l, c->regions.file, e);
	/* What is in the configuration itself goes first: it comes last. */
	for (int i = 0; i < c->region.n && !err; i++) {
		for (int k = 0; k < section[i].prefixes.n && !err; k++) {
			struct region r = {.prefix = section[i].prefixes.prefix[k]};

			snprintf(r.place, sizeof(r.place), "%s", section[i].place);
			err = add(&l, &r);
		}
	}
	if (!err && l.n) {
		t = region_table_new(l.r, l.n);
		if (!t)
			conf_error(e, "regions: %d prefixes are too many, expected %d at most", l.n,
				REGION_MAX);
	}
	free(l.r);
	return t;
}

void arn_conf_check_regions(const struct arn_conf *c, struct conf_errors *e)
{
	const struct arn_conf_region *s = c->region.item;

	for (int i = 0; i < c->region.n; i++)
		if (!s[i].prefixes.n)
			conf_error(e, "region \"%s\": no prefixes are given: no client is there",
				s[i].name);
	region_table_unref(arn_conf_regions(c, e));
	if (c->measure.clients && !c->site.n)
		conf_error(e, "measure: clients is given but no site: none could be nearer");
	if (c->measure.clients && !*c->place)
		conf_error(e, "measure: clients is given but no place: nobody could be sent here");
}

struct measure_conf arn_conf_measure(const struct arn_conf *c)
{
	return (struct measure_conf){.name = c->name,
		.place = c->place,
		.block = c->anycast.block,
		.sites = c->site.n,
		.patience = c->measure.patience,
		.lifetime = c->measure.lifetime,
		.rate = (int)c->measure.rate,
		.entries = (int)c->measure.networks};
}
