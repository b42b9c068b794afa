/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket's client: blocking, one request. A daemon that hangs shall not hang the
 * operator too, so every step has a time limit.
 */
#include "lib/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S 10
#define REPLY_MAX (64 << 20)

static int open_socket(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = TIMEOUT_S};
	int fd, err;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* 0, or negative errno; -ETIMEDOUT when the daemon does not take it. */
static int send_line(int fd, const char *line)
{
	struct slice part[2] = {slice_of(line), SLICE("\n")};

	for (int i = 0; i < 2; i++) {
		while (part[i].n) {
			ssize_t n = send(fd, part[i].p, part[i].n, MSG_NOSIGNAL);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return errno == EAGAIN ? -ETIMEDOUT : -errno;
			part[i].p += n;
			part[i].n -= (size_t)n;
		}
	}
	return 0;
}

/* The reply's line without its end, to be freed; its length, or negative errno. */
static ssize_t read_line(int fd, char **line)
{
	size_t n = 0, cap = 0;
	char *p = NULL;
	int err = 0;

	while (!err && (n == 0 || p[n - 1] != '\n')) {
		ssize_t got;

		if (n == cap) {
			char *bigger = cap < REPLY_MAX ? realloc(p, cap ? cap * 2 : 4096) : NULL;

			if (!bigger) {
				err = -EMSGSIZE;
				break;
			}
			p = bigger;
			cap = cap ? cap * 2 : 4096;
		}
		got = recv(fd, p + n, cap - n, 0);
		if (got > 0)
			n += (size_t)got;
		else if (got == 0)
			err = -ECONNRESET;
		else if (errno != EINTR)
			err = errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	if (err) {
		free(p);
		return err;
	}
	*line = p;
	return (ssize_t)n - 1;
}

static int parse_reply(struct slice line, struct js **body, char err[160])
{
	struct slice code = slice_cut(&line, ' ');
	unsigned long long v;

	if (slice_u64(code, 599, &v) < 0 || v < 100) {
		snprintf(err, 160, "the daemon's answer has no code");
		return -EPROTO;
	}
	*body = js_parse(line, err);
	return *body ? (int)v : -EPROTO;
}

int ctl_call(const char *path, const char *line, struct js **body, char err[160])
{
	int fd = open_socket(path), code;
	ssize_t n;
	char *reply = NULL;

	*body = NULL;
	err[0] = '\0';
	if (strchr(line, '\n')) {
		code = -EINVAL;
	} else if (fd < 0) {
		code = fd;
	} else {
		code = send_line(fd, line);
		n = code < 0 ? code : read_line(fd, &reply);
		code = (int)n;
		if (n >= 0) {
			code = parse_reply((struct slice){reply, (size_t)n}, body, err);
			free(reply);
		}
	}
	if (code < 0 && !err[0])
		snprintf(err, 160, "%.100s: %s", path, strerror(-code));
	if (fd >= 0)
		close(fd);
	return code;
}
