/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arn: configuration, then the guardian (guardian.c), which starts the worker (arn.c). */
#include <stdio.h>
#include <string.h>

#include "arn/arn.h"
#include "arn/config.h"
#include "arn/guardian.h"
#include "lib/event.h"
#include "lib/log.h"

/* What would only fail in the worker, again and again, is better told before anything starts. */
static int check_keys(const struct arn_conf *conf)
{
	struct wire_keys keys;
	char why[256];
	int err;

	if (!*conf->interface)
		return 0;
	err = wire_keys_load(&keys, conf->key_file, why);
	if (err)
		log_msg(NLOG_CONF, "%s", why);
	wire_keys_wipe(&keys);
	return err;
}

static int open_events(const struct arn_conf *conf)
{
	int err = event_open_file(conf->events);

	if (err)
		log_msg(NLOG_CONF, "events file %s: %s", conf->events, strerror(-err));
	return err;
}

int main(int argc, char **argv)
{
	static struct arn_conf conf;
	const char *path;
	int code = daemon_start(&arn_daemon, argc, argv, &conf, &path);

	if (code >= 0)
		return code;
	log_open(conf.name, (enum log_level)conf.log_level);
	if (check_keys(&conf) < 0)
		return EX_NOINPUT;
	if (open_events(&conf) < 0)
		return EX_CANTCREAT;
	code = guardian_run(&conf, path, arn_work);
	conf_free(arn_daemon.options, &conf);
	return code;
}
