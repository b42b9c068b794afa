/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nearctl: the operator's command. It sends the words it is given to a daemon's control socket and
 * shows the answer; which words there are is the daemon's business (`nearctl help`). One word is
 * its own: "accounting" asks no daemon, but reads databases that nodes have written.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/ctl.h"
#include "nearctl/accounting.h"
#include "nearctl/table.h"

static const char *const default_sockets[] = {
	"/run/nearcast/arn.sock", "/run/nearcast/sn.sock", NULL};

static void usage(FILE *to)
{
	fputs("usage: nearctl [-s SOCKET] [--json] COMMAND [ARGUMENT...]\n"
	      "       nearctl [--json] [--into FILE] accounting DATABASE...\n"
	      "Asks a nearcast daemon on this host; `nearctl help` lists what it understands.\n"
	      "Or puts nodes' accounts together: each session once, with all its nodes.\n\n"
	      "  -s, --socket SOCKET  the daemon's control socket; without it the first of\n"
	      "                       /run/nearcast/arn.sock and /run/nearcast/sn.sock that "
	      "answers\n"
	      "      --json           the answer as it came, for programs\n"
	      "      --into FILE      keep the accounts in that database, beside what it has; no\n"
	      "                       DATABASE need be given then\n"
	      "      --help           show this and exit\n"
	      "      --version        show the version and exit\n\n"
	      "exit codes: 0 done, 1 the daemon refused, 64 bad usage, 66 a database cannot be\n"
	      "read or written, 69 no daemon reached, 74 the answer cannot be written\n",
		to);
}

/* The words with single blanks between them; free() it. */
static char *join(char **word, int n)
{
	size_t len = 1;
	char *line, *at;

	for (int i = 0; i < n; i++)
		len += strlen(word[i]) + 1;
	line = at = malloc(len);
	if (!line)
		abort();
	for (int i = 0; i < n; i++)
		at += sprintf(at, "%s%s", i ? " " : "", word[i]);
	return line;
}

/* Asks the one socket that was named, or the first default one that answers. */
static int ask(const char *socket, const char *line, struct js **body)
{
	const char *const named[] = {socket, NULL}, *const *at = socket ? named : default_sockets;
	char err[2][160]; /* as many as there are defaults */
	int code, n = 0;

	do {
		code = ctl_call(at[n], line, body, err[n]);
		if (code >= 0)
			return code;
		n++;
		/* Only one that nobody serves is passed over; an answer that fails is final. */
	} while (at[n] && (code == -ENOENT || code == -ECONNREFUSED));
	for (int i = 0; i < n; i++)
		fprintf(stderr, "nearctl: %s\n", err[i]);
	if (n > 1)
		fputs("nearctl: no daemon runs here, or its control socket is another: -s SOCKET\n",
			stderr);
	return code;
}

/* 0: it is no terminal. */
static int terminal_width(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

static int show(int code, const struct js *body, bool json)
{
	const char *error = js_str(js_get(body, "error"));
	char *text;

	if (json) {
		text = js_dump(body);
		puts(text);
		free(text);
	} else if (code < 300) {
		table_print(stdout, body, terminal_width());
	}
	if (code >= 300)
		fprintf(stderr, "nearctl: %d %s\n", code, error ? error : "refused");
	return code < 300 ? EX_OK : EXIT_FAILURE;
}

/* "accounting": its databases; an exit code. */
static int account(const char *into, char **database, int n, bool json)
{
	char err[512];
	struct js *body;
	int code;

	if (!n && !into) {
		usage(stderr);
		return EX_USAGE;
	}
	body = accounting_sessions(into, database, n, err);
	if (!body) {
		fprintf(stderr, "nearctl: %s\n", err);
		return EX_NOINPUT;
	}
	code = show(CTL_OK, body, json);
	js_free(body);
	return code;
}

/* Asks a daemon; an exit code. */
static int command(const char *socket, char **word, int n, bool json)
{
	char *line = join(word, n);
	struct js *body;
	int code = ask(socket, line, &body);

	free(line);
	if (code < 0)
		return code == -EINVAL ? EX_USAGE : EX_UNAVAILABLE;
	code = show(code, body, json);
	js_free(body);
	return code;
}

int main(int argc, char **argv)
{
	enum { OPT_JSON = 256, OPT_INTO, OPT_HELP, OPT_VERSION };
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, OPT_JSON},
		{"into", required_argument, NULL, OPT_INTO},
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
		{0},
	};
	const char *socket = NULL, *into = NULL;
	bool json = false;
	int o, code;

	while ((o = getopt_long(argc, argv, "s:", options, NULL)) != -1) {
		switch (o) {
		case 's': socket = optarg; break;
		case OPT_JSON: json = true; break;
		case OPT_INTO: into = optarg; break;
		case OPT_HELP: usage(stdout); return EX_OK;
		case OPT_VERSION: printf("nearctl (nearcast) %s\n", PACKAGE_VERSION); return EX_OK;
		default: usage(stderr); return EX_USAGE;
		}
	}
	if (optind == argc) {
		usage(stderr);
		return EX_USAGE;
	}
	if (!strcmp(argv[optind], "accounting"))
		code = account(into, argv + optind + 1, argc - optind - 1, json);
	else
		code = command(socket, argv + optind, argc - optind, json);
	if (fflush(stdout) == EOF || ferror(stdout)) {
		fprintf(stderr, "nearctl: writing the answer: %s\n", strerror(errno));
		return EX_IOERR;
	}
	return code;
}
