/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/direct_load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

#define NAMED_MAX 20 /* lines in the log about what is left out; then only how many */
#define OPEN      (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

struct walk {
	const struct direct_conf *conf;
	struct direct *into; /* NULL: files are looked at, not read */
	uint64_t seen;       /* fingerprint */
	int entries, objects, left_out;
	size_t bytes;
	int err; /* 0; else it is over */
	const struct addr *at;
	char path[DIRECT_MAX_PATH + 1]; /* from the top folder on */
	size_t top, n;                  /* of the path: the top folder's name, all */
};

/* FNV-1a: it need only change when something does. */
static void see(struct walk *w, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		w->seen = (w->seen ^ ((const uint8_t *)p)[i]) * 0x100000001b3;
}

static void see_stat(struct walk *w, const struct stat *st)
{
	const uint64_t value[] = {st->st_dev, st->st_ino, st->st_mode, (uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
		(uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec};

	see(w, w->path, w->n + 1);
	see(w, value, sizeof(value));
}

static void leave_out(struct walk *w, const char *why)
{
	if (w->into && w->left_out < NAMED_MAX)
		log_msg(NLOG_CONF, "direct: %s/%s is left out: %s", w->conf->directory, w->path,
			why);
	w->left_out++;
}

/* ---- names of a folder ---- */

struct names {
	char **name;
	int n, room;
};

static void names_free(struct names *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->name[i]);
	free(l->name);
}

static int names_add(struct names *l, const char *name)
{
	if (l->n == l->room) {
		int room = l->room ? 2 * l->room : 64;
		char **more = realloc(l->name, (size_t)room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->name = more;
		l->room = room;
	}
	l->name[l->n] = strdup(name);
	return l->name[l->n] ? (l->n++, 0) : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Without those that have a dot in front. 0 or negative errno. */
static int read_names(struct walk *w, int fd, struct names *l)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	const struct dirent *e;

	if (!dir) {
		err = -errno;
		if (own >= 0)
			close(own);
		return err;
	}
	while (!err && (errno = 0, e = readdir(dir))) {
		if (++w->entries > DIRECT_MAX_ENTRIES)
			err = -E2BIG;
		else if (e->d_name[0] != '.')
			err = names_add(l, e->d_name);
	}
	if (!err)
		err = -errno;
	closedir(dir);
	if (!err && l->n)
		qsort(l->name, (size_t)l->n, sizeof(l->name[0]), by_name);
	return err;
}

/* ---- files ---- */

/* How many bytes there are, DIRECT_MAX_OBJECT + 1 at most; or negative errno. */
static ssize_t read_all(int fd, char body[DIRECT_MAX_OBJECT + 1])
{
	size_t n = 0;

	while (n < DIRECT_MAX_OBJECT + 1) {
		ssize_t got = read(fd, body + n, DIRECT_MAX_OBJECT + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static void add(struct walk *w, struct slice body, int64_t changed)
{
	struct slice path = {w->path + w->top, w->n - w->top};
	size_t cost = direct_cost(path, body.n);

	if (w->objects >= w->conf->max_objects)
		return leave_out(w, "there are more than direct.max-objects");
	if (cost > w->conf->max_bytes - w->bytes)
		return leave_out(w, "it takes more memory than direct.max-bytes");
	w->err = direct_add(w->into, w->at, path, body, changed);
	w->objects++;
	w->bytes += cost;
}

static void take_file(struct walk *w, int fd, const struct stat *st)
{
	char body[DIRECT_MAX_OBJECT + 1];
	ssize_t n;

	if (st->st_size > DIRECT_MAX_OBJECT)
		return leave_out(w, "longer than ten segments");
	if (!w->into)
		return;
	n = read_all(fd, body);
	if (n < 0)
		return leave_out(w, strerror((int)-n));
	if (n > DIRECT_MAX_OBJECT)
		return leave_out(w, "longer than ten segments");
	add(w, (struct slice){body, (size_t)n}, st->st_mtim.tv_sec);
}

/* ---- folders ---- */

static void walk_folder(struct walk *w, int fd, int depth);

/* The folder's name at the top says at which address. */
static const char *read_top(const struct walk *w, const char *name, struct addr *at)
{
	if (addr_parse(at, slice_of(name), 0) < 0 || addr_port(at))
		return "expected a folder \"default\" or an address of the block";
	if (!prefix_has(&w->conf->block, at))
		return "not an address of the block";
	return NULL;
}

static void walk_top(struct walk *w, int fd, const char *name)
{
	struct addr at;
	const char *wrong = strcmp(name, "default") ? read_top(w, name, &at) : NULL;

	if (wrong)
		return leave_out(w, wrong);
	w->at = strcmp(name, "default") ? &at : NULL;
	w->top = w->n;
	walk_folder(w, fd, 1);
}

static void visit(struct walk *w, int in, const char *name, int depth)
{
	struct stat st;
	int fd = -1;

	/* A device or a pipe is not even opened. */
	if (fstatat(in, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		fd = openat(in, name, OPEN);
	if (fd < 0 || fstat(fd, &st) < 0)
		leave_out(w, "neither a file nor a folder that can be read");
	else if (S_ISDIR(st.st_mode) && depth == 0)
		walk_top(w, fd, name);
	else if (S_ISDIR(st.st_mode) && depth >= DIRECT_MAX_DEPTH)
		leave_out(w, "too deep");
	else if (S_ISDIR(st.st_mode))
		walk_folder(w, fd, depth + 1);
	else if (!S_ISREG(st.st_mode) || depth == 0)
		leave_out(w, "expected a folder \"default\" or an address of the block");
	else
		take_file(w, fd, &st);
	if (fd >= 0) {
		see_stat(w, &st);
		close(fd);
	}
}

static void walk_folder(struct walk *w, int fd, int depth)
{
	struct names l = {0};
	size_t had = w->n;

	w->err = read_names(w, fd, &l);
	for (int i = 0; i < l.n && !w->err; i++) {
		int n = snprintf(
			w->path + had, sizeof(w->path) - had, depth ? "/%s" : "%s", l.name[i]);

		w->n = had + (size_t)n;
		if (w->n >= sizeof(w->path)) {
			w->n = sizeof(w->path) - 1;
			leave_out(w, "its path is too long");
		} else {
			visit(w, fd, l.name[i], depth);
		}
		w->n = had;
		w->path[had] = '\0';
	}
	names_free(&l);
}

static int walk(struct walk *w, char why[128])
{
	int fd = open(w->conf->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	w->seen = 0xcbf29ce484222325;
	if (fd < 0) {
		w->err = -errno;
	} else {
		walk_folder(w, fd, 0);
		close(fd);
	}
	if (w->err == -E2BIG)
		snprintf(why, 128, "more than %d files and folders", DIRECT_MAX_ENTRIES);
	else if (w->err)
		snprintf(why, 128, "%s", strerror(-w->err));
	return w->err;
}

int direct_look(const struct direct_conf *c, uint64_t *fingerprint, char why[128])
{
	struct walk w = {.conf = c};
	int err = walk(&w, why);

	*fingerprint = w.seen;
	return err;
}

struct direct *direct_load(
	const struct direct_conf *c, uint64_t *fingerprint, int *left_out, char why[128])
{
	struct walk w = {.conf = c, .into = direct_new(c->max_age)};

	if (!w.into) {
		snprintf(why, 128, "%s", strerror(ENOMEM));
		return NULL;
	}
	if (walk(&w, why) < 0) {
		direct_unref(w.into);
		return NULL;
	}
	direct_seal(w.into);
	if (w.left_out > NAMED_MAX)
		log_msg(NLOG_CONF, "direct: %d more are left out", w.left_out - NAMED_MAX);
	*fingerprint = w.seen;
	*left_out = w.left_out;
	return w.into;
}
