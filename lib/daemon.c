/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemons' common start. Errors of the configuration are told before anything is opened, all of
 * them, on standard error, whether with --check or on a start; a daemon never runs with a file that
 * is wrong in part.
 */
#include "lib/daemon.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/log.h"

static void usage(const struct daemon *d, FILE *to)
{
	fprintf(to,
		"usage: %s %s [--check]\n"
		"%s: %s\n\n"
		"  -c, --config FILE  the configuration%s%s\n"
		"      --check        tell all errors of the configuration and exit\n"
		"      --help         show this and exit\n"
		"      --version      show the version and exit\n",
		d->name, d->def_path ? "[-c FILE]" : "-c FILE", d->name, d->summary,
		d->def_path ? ", default " : "", d->def_path ? d->def_path : "");
}

int daemon_load(const struct daemon *d, const char *path, void *conf, struct conf_errors *e)
{
	int err = conf_load(path, d->options, conf, e);

	if (!err && d->check) {
		e->file = path; /* what several options say together is in no single line */
		d->check(conf, e);
		e->file = NULL;
		err = e->n ? -EINVAL : 0;
	}
	if (err)
		conf_free(d->options, conf);
	return err;
}

int daemon_start(const struct daemon *d, int argc, char **argv, void *conf, const char **path)
{
	enum { OPT_CHECK = 256, OPT_HELP, OPT_VERSION };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPT_CHECK},
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
		{0},
	};
	struct conf_errors e;
	bool check = false;
	int o, err;

	*path = d->def_path;
	while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		switch (o) {
		case 'c': *path = optarg; break;
		case OPT_CHECK: check = true; break;
		case OPT_HELP: usage(d, stdout); return EX_OK;
		case OPT_VERSION:
			printf("%s (nearcast) %s\n", d->name, PACKAGE_VERSION);
			return EX_OK;
		default: usage(d, stderr); return EX_USAGE;
		}
	}
	if (optind < argc || !*path) {
		if (optind < argc)
			fprintf(stderr, "%s: unexpected argument \"%s\"\n", d->name, argv[optind]);
		else
			fprintf(stderr, "%s: no configuration file, expected -c FILE\n", d->name);
		usage(d, stderr);
		return EX_USAGE;
	}
	err = daemon_load(d, *path, conf, &e);
	if (err) {
		fputs(e.text, stderr);
		return err == -EINVAL ? EX_CONFIG : EX_NOINPUT;
	}
	if (check) {
		printf("%s: no errors\n", *path);
		conf_free(d->options, conf);
		return EX_OK;
	}
	signal(SIGPIPE, SIG_IGN);
	return -1;
}

int64_t daemon_connections(int64_t connections, int64_t others)
{
	rlim_t want = (rlim_t)connections + (rlim_t)others;
	struct rlimit r, more;
	int64_t room;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return connections;
	if (r.rlim_cur < want) {
		more = (struct rlimit){want, r.rlim_max < want ? want : r.rlim_max};
		if (setrlimit(RLIMIT_NOFILE, &more) < 0) {
			more = (struct rlimit){r.rlim_max, r.rlim_max};
			setrlimit(RLIMIT_NOFILE, &more);
		}
		if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want)
			return connections;
		/* With few descriptors, half of them: who listens has to have some to accept with.
		 */
		room = (int64_t)r.rlim_cur > 2 * others ? (int64_t)r.rlim_cur - others
		                                        : (int64_t)(r.rlim_cur + 1) / 2;
		log_msg(NLOG_WARN, "%lld descriptors are allowed: %lld connections, not %lld",
			(long long)r.rlim_cur, (long long)room, (long long)connections);
		return room > 0 ? room : 1;
	}
	return connections;
}
