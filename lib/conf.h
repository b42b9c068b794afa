/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration files, on libconfuse (conf.c alone includes it). A daemon describes its options in
 * a table: name, type, default, range, where the value goes in its struct; conf_load fills the
 * struct and reports every error of the file (not only the first) as "FILE:LINE: what is wrong,
 * what was expected".
 *
 *	name = "sn806"
 *	announce { group = "239.255.77.1" interval = 200 }
 *	upstream "sn808" { address = "10.2.0.8" }
 *
 * A CONF_ADDR or CONF_PREFIX whose default is "" may be left out: it is then all zero (AF_UNSPEC).
 * min and max both 0 mean no bounds (CONF_MS: not negative).
 */
#ifndef NEARCAST_CONF_H
#define NEARCAST_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

enum conf_type {
	CONF_STR,          /* char[size] */
	CONF_INT,          /* int64_t, min..max */
	CONF_MS,           /* ns_t, the file's number is milliseconds, min..max in ms */
	CONF_BOOL,         /* bool */
	CONF_ADDR,         /* struct addr; port `def_port` when none is given */
	CONF_PREFIX,       /* struct prefix */
	CONF_ADDR_LIST,    /* struct conf_addr_list, of `max` addresses at most; 0: 16. May be given
	                    * in several values, each of which adds to it */
	CONF_PREFIX_LIST,  /* struct conf_prefix_list */
	CONF_ENUM,         /* int, index into the NULL-ended `names` */
	CONF_SECTION,      /* struct at `offset`, options in `sub` */
	CONF_SECTION_LIST, /* titled sections: struct conf_list at offset, elements of `size` bytes,
	                    * the title goes to its first member, char[CONF_TITLE] */
};

#define CONF_TITLE        64
#define CONF_MAX_ADDRS    256
#define CONF_MAX_PREFIXES 64

struct conf_addr_list {
	struct addr addr[CONF_MAX_ADDRS];
	int n;
};
struct conf_prefix_list {
	struct prefix prefix[CONF_MAX_PREFIXES];
	int n;
};
struct conf_list {
	void *item; /* n elements; freed by conf_free */
	int n;
};

struct conf_option {
	const char *name;
	enum conf_type type;
	size_t offset;   /* in the enclosing struct */
	size_t size;     /* CONF_STR: of the array; CONF_SECTION_LIST: of an element */
	const char *def; /* default as it would stand in the file; NULL: the option is required */
	int64_t min, max;
	uint16_t def_port;
	const char *const *names;
	const struct conf_option *sub; /* ended by name NULL */
	/* Further check of one value; returns NULL, or what was expected. May be NULL. */
	const char *(*check)(const void *value);
	const char *help; /* one line, for the manual and error texts */
	bool fixed;       /* cannot change while the daemon runs; of a section: nothing in it */
};

struct conf_errors {
	char text[8192]; /* lines, the last one "…" when more did not fit */
	int n;
	const char *file; /* what each line that is added begins with; NULL: nothing */
};
/* Adds a line; for a daemon's checks across options. */
void conf_error(struct conf_errors *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Fills *out (the options' fields zeroed first) from the file. 0, -EINVAL (see errors), or another
 * negative errno when the file cannot be read (also in errors). Call conf_free in either case. */
int conf_load(
	const char *path, const struct conf_option *options, void *out, struct conf_errors *e);
/* The same with text from memory; `name` stands for the file in errors. 0 or -EINVAL. */
int conf_parse(const char *name, struct slice text, const struct conf_option *options, void *out,
	struct conf_errors *e);
void conf_free(const struct conf_option *options, void *out);

/* Whether something that is fixed differs between two structs; its name then, as "rtsp.port", else "". */
#define CONF_NAME 64
bool conf_fixed_change(
	const struct conf_option *options, const void *was, const void *now, char name[CONF_NAME]);

/* For `check`: values that both daemons have. Each returns NULL or what was expected. */
const char *conf_check_name(const void *value);       /* CONF_STR: a node's name */
const char *conf_check_place(const void *value);      /* CONF_STR: a place's name, or "" */
const char *conf_check_group(const void *value);      /* CONF_ADDR: a multicast group */
const char *conf_check_management(const void *value); /* CONF_STR: ADDRESS:PORT, or "" */

#endif
