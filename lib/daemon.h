/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemons' main()s have in common: the command line (-c FILE, --check, --help,
 * --version), the configuration with all its errors told, and the exit codes of sysexits.h.
 *
 *	static const struct daemon arn = {"arn", "the anycast referral node", "/etc/…/arn.conf",
 *		arn_options, check_conf};
 *	int code = daemon_start(&arn, argc, argv, &conf, &path);
 *	if (code >= 0)
 *		return code;
 *	… conf is filled, SIGPIPE ignored; on SIGHUP: daemon_load(&arn, path, &new_conf) …
 */
#ifndef NEARCAST_DAEMON_H
#define NEARCAST_DAEMON_H

#include <sysexits.h>

#include "lib/conf.h"

struct daemon {
	const char *name;
	const char *summary;  /* half a line for --help */
	const char *def_path; /* the file when there is no -c; NULL: -c is needed */
	const struct conf_option *options;
	/* Checks across options: adds what is wrong with conf_error. May be NULL. Called only when
	 * every option for itself is right. */
	void (*check)(const void *conf, struct conf_errors *e);
};

/* -1: *conf is filled and *path is its file: go on. Else main's exit code: EX_OK after --help,
 * --version and a good --check; EX_USAGE; EX_CONFIG; EX_NOINPUT. Ignores SIGPIPE. */
int daemon_start(const struct daemon *d, int argc, char **argv, void *conf, const char **path);

/* Loads and checks the file, as for a reload. 0, or negative errno, *e then says what is wrong and
 * *conf needs no conf_free. */
int daemon_load(const struct daemon *d, const char *path, void *conf, struct conf_errors *e);

/* Raises the process's limit of descriptors so that it has room for so many connections and for
 * `others` besides. Returns how many connections there is room for: at least 1, and fewer than
 * asked for when the system allows no more, which is logged. */
int64_t daemon_connections(int64_t connections, int64_t others);

#endif
