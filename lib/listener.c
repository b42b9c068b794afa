/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listeners: accept connections and hand their descriptors over. When the process is out of
 * descriptors or memory, accept(2) fails while the connection stays in the queue and the socket
 * stays readable: a loop would spin. So the listener then looks away for 100 ms.
 *
 * A Unix socket's file outlives its process. One that nobody answers at is removed; one that
 * somebody serves is left alone (-EADDRINUSE).
 */
#include "lib/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTS_MAX 64 /* a turn */
#define PAUSE       (100 * NS_MS)

struct listener {
	struct loop_fd *watch;
	struct loop_timer *pause;
	listener_cb *cb;
	void *arg;
	struct addr at;
	char *path; /* of a Unix socket, else NULL */
	dev_t dev;
	ino_t ino;
	int fd;
	bool busy, dead;
};

static void destroy(struct listener *ls)
{
	free(ls->path);
	free(ls);
}

/* Removes the socket's file, unless another has taken the name since. */
static void remove_file(const struct listener *ls)
{
	struct stat st;

	if (ls->path && stat(ls->path, &st) == 0 && st.st_dev == ls->dev && st.st_ino == ls->ino)
		unlink(ls->path);
}

void listener_free(struct listener *ls)
{
	if (!ls || ls->dead)
		return;
	ls->dead = true;
	loop_fd_free(ls->watch);
	loop_timer_free(ls->pause);
	remove_file(ls);
	close(ls->fd);
	if (!ls->busy)
		destroy(ls);
}

static void on_pause_end(void *arg)
{
	struct listener *ls = arg;

	loop_fd_want(ls->watch, LOOP_READ);
}

/* Errors of accept(2) that concern one connection, not us. */
static bool is_transient(int err)
{
	return err == ECONNABORTED || err == EINTR || err == EPROTO || err == ENETDOWN ||
	       err == EHOSTDOWN || err == EHOSTUNREACH || err == ENETUNREACH || err == ENONET ||
	       err == ENOPROTOOPT || err == EPERM;
}

static void on_readable(void *arg, int events)
{
	struct listener *ls = arg;

	(void)events;
	ls->busy = true;
	for (int i = 0; i < ACCEPTS_MAX && !ls->dead; i++) {
		struct addr peer = {0};
		socklen_t len = sizeof(peer);
		int fd = accept4(ls->fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (is_transient(errno))
				continue;
			if (errno != EAGAIN && errno != EWOULDBLOCK) {
				loop_fd_want(ls->watch, 0);
				loop_timer_at(ls->pause, clock_now() + PAUSE);
			}
			break;
		}
		addr_unmap(&peer);
		ls->cb(ls->arg, fd, &peer);
	}
	ls->busy = false;
	if (ls->dead)
		destroy(ls);
}

/* Watches a bound and listening fd, which it takes over. */
static struct listener *start(
	struct loop *l, int fd, char *path, listener_cb *cb, void *arg, int *err)
{
	struct listener *ls = calloc(1, sizeof(*ls));
	socklen_t len = sizeof(ls->at);
	struct stat st;

	if (!ls)
		goto fail;
	*ls = (struct listener){.cb = cb, .arg = arg, .path = path, .fd = fd};
	ls->watch = loop_fd_new(l, fd, on_readable, ls);
	ls->pause = loop_timer_new(l, on_pause_end, ls);
	if (!ls->watch || !ls->pause)
		goto fail;
	getsockname(fd, &ls->at.sa, &len);
	if (path && stat(path, &st) == 0) {
		ls->dev = st.st_dev;
		ls->ino = st.st_ino;
	}
	loop_fd_want(ls->watch, LOOP_READ);
	return ls;
fail:
	if (ls) {
		loop_fd_free(ls->watch);
		loop_timer_free(ls->pause);
	}
	free(ls);
	free(path);
	close(fd);
	*err = -ENOMEM;
	return NULL;
}

static void switch_on(int fd, int level, int option)
{
	int one = 1;

	setsockopt(fd, level, option, &one, sizeof(one));
}

/* Among listeners that share an address, the first one binds it as if it wanted it alone: so nobody
 * else has it, nor does a stranger get a part of it by asking for SO_REUSEPORT before. */
static int open_tcp(const struct addr *at, int backlog, bool shared, bool first)
{
	int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	switch_on(fd, SOL_SOCKET, SO_REUSEADDR);
	/* Each family's port is a port of its own: whoever listens for one leaves the other's. */
	if (at->sa.sa_family == AF_INET6)
		switch_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	switch_on(fd, IPPROTO_TCP, TCP_NODELAY); /* inherited by what is accepted */
	if (shared)
		switch_on(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT); /* s */
	if (shared && !first)
		switch_on(fd, SOL_SOCKET, SO_REUSEPORT);
	if (bind(fd, &at->sa, addr_len(at)) < 0)
		goto fail;
	if (shared && first)
		switch_on(fd, SOL_SOCKET, SO_REUSEPORT);
	if (listen(fd, backlog) == 0)
		return fd;
fail:
	err = -errno;
	close(fd);
	return err;
}

struct listener *listener_new(
	struct loop *l, const struct addr *at, int backlog, listener_cb *cb, void *arg, int *err)
{
	int fd = open_tcp(at, backlog, false, true);

	*err = fd < 0 ? fd : 0;
	return fd < 0 ? NULL : start(l, fd, NULL, cb, arg, err);
}

struct listener *listener_new_shared(struct loop *l, const struct addr *at, int backlog,
	const struct listener *first, listener_cb *cb, void *arg, int *err)
{
	int fd = open_tcp(first ? &first->at : at, backlog, true, !first);

	*err = fd < 0 ? fd : 0;
	return fd < 0 ? NULL : start(l, fd, NULL, cb, arg, err);
}

/* Removes a socket that nobody serves. 0, or -EADDRINUSE, or why it cannot be told. */
static int clear_stale(const struct sockaddr_un *un)
{
	struct stat st;
	int fd, err;

	if (lstat(un->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE; /* a file of someone's: not ours to remove */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)un, sizeof(*un)) < 0 ? errno : 0;
	close(fd);
	if (err != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(un->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

struct listener *listener_new_unix(
	struct loop *l, const char *path, listener_cb *cb, void *arg, int *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char *copy = NULL;
	mode_t mask;
	int fd = -1;

	*err = -ENAMETOOLONG;
	if (strlen(path) >= sizeof(un.sun_path))
		return NULL;
	memcpy(un.sun_path, path, strlen(path));
	*err = clear_stale(&un);
	if (*err < 0)
		return NULL;
	copy = strdup(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!copy || fd < 0) {
		*err = copy ? -errno : -ENOMEM;
		goto fail;
	}
	mask = umask(0117); /* the file is born with mode 0660 */
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		*err = -errno;
	umask(mask);
	if (!*err && listen(fd, 16) < 0)
		*err = -errno;
	if (!*err)
		return start(l, fd, copy, cb, arg, err);
fail:
	if (fd >= 0)
		close(fd);
	free(copy);
	return NULL;
}

const struct addr *listener_addr(const struct listener *ls)
{
	return &ls->at;
}
