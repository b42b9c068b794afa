/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: who may open it (mode 0660) may command the daemon. A line in, a line out,
 * any number of times on one connection, so that a shell with socat is client enough. What is
 * asked is looked up in the daemon's table, by whole words; the longest match counts.
 *
 * An answer that is an error has a member "error" in its body, for people.
 */
#include "lib/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/stream.h"

#define REQUEST_MAX 4096
#define OUT_MAX     (8 << 20)
#define CLIENTS_MAX 32

struct ctl_client {
	struct ctl *ctl;
	struct stream *stream;
	struct ctl_client *next;
};

struct ctl {
	struct loop *loop;
	const struct ctl_command *cmd;
	int n;
	void *ctx;
	struct listener *listener;
	struct ctl_client *clients;
	int n_clients;
};

/* Cuts the first word off. */
static struct slice next_word(struct slice *s)
{
	struct slice w = {s->p, 0};

	*s = slice_trim(*s);
	w.p = s->p;
	while (w.n < s->n && s->p[w.n] != ' ' && s->p[w.n] != '\t')
		w.n++;
	s->p += w.n;
	s->n -= w.n;
	return w;
}

/* How many words of `words` the line begins with; *rest is what follows them, and *all says
 * whether these were all. */
static int match(const char *words, struct slice line, struct slice *rest, bool *all)
{
	struct slice have = slice_of(words);
	int n = 0;

	for (;;) {
		struct slice before = line;
		struct slice want = next_word(&have), got = next_word(&line);

		*all = want.n == 0;
		*rest = slice_trim(before);
		if (!want.n || !slice_eq(want, got))
			return n;
		n++;
	}
}

static void add_help(const struct ctl_command *cmd, int n, struct js *body)
{
	struct js *list = js_array();

	for (int i = 0; i < n; i++) {
		struct js *o = js_object();

		js_put_str(o, "command", cmd[i].words);
		js_put_str(o, "arguments", cmd[i].args ? cmd[i].args : "");
		js_put_str(o, "help", cmd[i].help);
		js_push(list, o);
	}
	js_put(body, "commands", list);
}

/* How much of what was asked an error repeats. */
static int shown(struct slice s)
{
	return s.n > 200 ? 200 : (int)s.n;
}

/* No command begins like this line; says which go on where it was right. */
static void explain_mismatch(
	const struct ctl_command *cmd, int n, struct slice line, struct js *body)
{
	char known[700] = "", text[1024];
	size_t at = 0;
	int best = 0, words;
	struct slice rest;
	bool all;

	for (int i = 0; i < n; i++) {
		words = match(cmd[i].words, line, &rest, &all);
		best = words > best ? words : best;
	}
	for (int i = 0; i < n && at < sizeof(known); i++) {
		if (match(cmd[i].words, line, &rest, &all) == best)
			at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s",
				at ? ", " : "", cmd[i].words);
	}
	snprintf(text, sizeof(text), "no such command: \"%.*s\"; try %s", shown(line), line.p,
		at ? known : "help");
	js_put_str(body, "error", text);
}

static enum ctl_code run(
	const struct ctl_command *cmd, int n, void *ctx, struct slice line, struct js *body)
{
	const struct ctl_command *found = NULL;
	struct slice rest, args = {0};
	char text[512];
	int longest = 0;
	bool all;

	if (match("help", line, &rest, &all) == 1 && rest.n == 0) {
		add_help(cmd, n, body);
		return CTL_OK;
	}
	for (int i = 0; i < n; i++) {
		int words = match(cmd[i].words, line, &rest, &all);

		if (all && words > longest) {
			longest = words;
			found = &cmd[i];
			args = rest;
		}
	}
	if (!found) {
		explain_mismatch(cmd, n, line, body);
		return CTL_BAD;
	}
	if (args.n && !found->args) {
		snprintf(text, sizeof(text), "unexpected \"%.*s\": \"%s\" takes no arguments",
			shown(args), args.p, found->words);
		js_put_str(body, "error", text);
		return CTL_BAD;
	}
	return found->run(ctx, args, body);
}

char *ctl_dispatch(const struct ctl_command *cmd, int n, void *ctx, struct slice line)
{
	struct js *body = js_object();
	enum ctl_code code = run(cmd, n, ctx, slice_trim(line), body);
	char *text, *reply;

	if (code >= 300 && !js_get(body, "error"))
		js_put_str(body, "error",
			code == CTL_NOT_FOUND  ? "no such thing"
			: code == CTL_CONFLICT ? "not possible in this state"
			: code == CTL_BAD      ? "not understood"
					       : "failed");
	text = js_dump(body);
	if (asprintf(&reply, "%d %s\n", code, text) < 0)
		abort();
	free(text);
	js_free(body);
	return reply;
}

static void drop_client(struct ctl_client *c)
{
	struct ctl_client **at = &c->ctl->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->ctl->n_clients--;
	stream_free(c->stream);
	free(c);
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct ctl_client *c = arg;
	const uint8_t *end = memchr(p, '\n', n);
	struct slice line;
	char *reply;
	int err;

	if (!end)
		return 0;
	line = (struct slice){(const char *)p, (size_t)(end - p)};
	reply = ctl_dispatch(c->ctl->cmd, c->ctl->n, c->ctl->ctx, line);
	err = stream_write(c->stream, reply, strlen(reply));
	free(reply);
	if (err == -ENOBUFS) { /* it asks, but does not read */
		drop_client(c);
		return 0;
	}
	return line.n + 1;
}

static void on_close(void *arg, int err)
{
	(void)err;
	drop_client(arg);
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	static const struct stream_ops ops = {.on_data = on_data, .on_close = on_close};
	struct ctl *c = arg;
	struct ctl_client *client;

	(void)peer;
	client = c->n_clients < CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
	if (!client) {
		close(fd);
		return;
	}
	client->ctl = c;
	client->stream = stream_new(c->loop, fd, &ops, client, REQUEST_MAX, OUT_MAX);
	if (!client->stream) {
		free(client);
		return;
	}
	client->next = c->clients;
	c->clients = client;
	c->n_clients++;
}

/* /run is empty after each boot, and only a service manager makes a daemon's folder there. */
static int make_folder(const char *path)
{
	const char *end = strrchr(path, '/');
	char *folder = end > path ? strndup(path, (size_t)(end - path)) : NULL;
	int err = 0;

	if (folder && mkdir(folder, 0755) < 0 && errno != EEXIST)
		err = -errno;
	free(folder);
	return err;
}

struct ctl *ctl_new(
	struct loop *l, const char *path, const struct ctl_command *cmd, int n, void *ctx, int *err)
{
	struct ctl *c;

	*err = make_folder(path);
	if (*err)
		return NULL;
	*err = -ENOMEM;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct ctl){.loop = l, .cmd = cmd, .n = n, .ctx = ctx};
	c->listener = listener_new_unix(l, path, on_accept, c, err);
	if (!c->listener) {
		free(c);
		return NULL;
	}
	return c;
}

void ctl_free(struct ctl *c)
{
	if (!c)
		return;
	listener_free(c->listener);
	while (c->clients)
		drop_client(c->clients);
	free(c);
}
