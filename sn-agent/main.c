/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/agent.h"

int main(int argc, char **argv)
{
	struct sn_conf conf;
	const char *path;
	int code = daemon_start(&sn_daemon, argc, argv, &conf, &path);

	return code >= 0 ? code : agent_run(&conf, path);
}
