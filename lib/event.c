/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events. One write(2) a line, so that with O_APPEND several processes can share a file. A reader
 * that does not keep up (a full pipe) loses events; the daemon never waits for it. A writable pipe
 * takes PIPE_BUF bytes without waiting, so poll(2) is asked before each piece of that length: then
 * the descriptor needs no O_NONBLOCK, which we would share with whoever gave us our standard
 * output.
 *
 * Of a line that was cut short, by a full pipe or a full disk, the next one is parted by a line's
 * end: one line is then no JSON, all others are whole.
 */
#include "lib/event.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

static int event_fd = -1;
static bool opened;  /* by us: to be closed by us */
static bool regular; /* a file: takes a line of any length */
static bool torn;    /* the last line was cut short */
static struct log_limit trouble = LOG_LIMIT_INIT;

void event_open(int fd)
{
	struct stat st;

	event_fd = fd;
	opened = false;
	regular = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	torn = false;
}

int event_open_file(const char *path)
{
	int fd;

	if (!*path)
		return 0;
	/* Without O_NONBLOCK the open would wait for a pipe's reader. */
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	event_open(fd);
	opened = true;
	return 0;
}

void event_close(void)
{
	if (opened)
		close(event_fd);
	event_open(-1);
}

bool event_wanted(void)
{
	return event_fd >= 0;
}

/* What can be written at once. 0 or negative errno. */
static int write_piece(const char *p, size_t n, size_t *done)
{
	struct pollfd ready = {.fd = event_fd, .events = POLLOUT};
	ssize_t k;

	if (!regular && n > PIPE_BUF)
		n = PIPE_BUF;
	if (!regular && poll(&ready, 1, 0) <= 0)
		return -EAGAIN;
	do {
		k = write(event_fd, p, n);
	} while (k < 0 && errno == EINTR);
	if (k <= 0)
		return k < 0 ? -errno : -EIO;
	*done += (size_t)k;
	return 0;
}

static void write_all(const char *p, size_t n)
{
	size_t done = 0;
	int err = 0;

	while (done < n && !err)
		err = write_piece(p + done, n - done, &done);
	torn = done ? done < n : torn;
	if (err)
		log_limited(&trouble, NLOG_WARN, "an event is lost: %s",
			err == -EAGAIN ? "who reads events is too slow" : strerror(-err));
}

void event_emit(const char *event, ns_t now, struct js *fields)
{
	struct js *o;
	char *text, *line;

	if (!event_wanted()) {
		js_free(fields);
		return;
	}
	o = js_object();
	js_put_real(o, "t", (double)now / NS_S);
	js_put_real(o, "wall", (double)(clock_wall() / NS_US) / 1e6);
	js_put_str(o, "event", event);
	js_merge(o, fields);
	text = js_dump(o);
	if (asprintf(&line, "%s%s\n", torn ? "\n" : "", text) >= 0) {
		write_all(line, strlen(line));
		free(line);
	}
	free(text);
	js_free(o);
}
