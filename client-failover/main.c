/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client-failover/download.h"
#include "client-failover/gateway.h"
#include "client-failover/options.h"
#include "client-failover/play.h"
#include "client-failover/webgate.h"
#include "lib/event.h"
#include "lib/log.h"

static bool on_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

int main(int argc, char **argv)
{
	struct options o;
	char err[256];

	log_open("client-failover", NLOG_INFO);
	if (options_parse(&o, argc, argv, err) < 0) {
		fprintf(stderr, "client-failover: %s\nTry client-failover --help.\n", err);
		return EX_USAGE;
	}
	if (o.help) {
		options_help(stdout);
		return EX_OK;
	}
	if (o.version) {
		puts("client-failover (nearcast) " PACKAGE_VERSION);
		return EX_OK;
	}
	if (o.verbose)
		log_open("client-failover", NLOG_DEBUG);
	signal(SIGPIPE, SIG_IGN);
	if (o.json)
		event_open(on_stdout(o.ts) || on_stdout(o.rtpdump) ? STDERR_FILENO : STDOUT_FILENO);
	if (o.gateway)
		return o.http ? webgate_run(&o) : gateway_run(&o);
	return o.http ? download_run(&o) : play_run(&o);
}
