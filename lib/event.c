/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events. One write(2) a line, so that with O_APPEND several processes can share a file. A reader
 * that does not keep up (a full pipe) loses events; the daemon never waits for it.
 */
#include "lib/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int event_fd = -1;

void event_open(int fd)
{
	event_fd = fd;
}

bool event_wanted(void)
{
	return event_fd >= 0;
}

static void write_all(const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(event_fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return;
		p += done;
		n -= (size_t)done;
	}
}

void event_emit(const char *event, ns_t now, struct js *fields)
{
	struct js *o;
	char *line;
	size_t n;

	if (!event_wanted()) {
		js_free(fields);
		return;
	}
	o = js_object();
	js_put_real(o, "t", (double)now / NS_S);
	js_put_real(o, "wall", (double)(clock_wall() / NS_US) / 1e6);
	js_put_str(o, "event", event);
	js_merge(o, fields);
	line = js_dump(o);
	n = strlen(line);
	line[n] = '\n'; /* instead of the NUL, which nobody reads any more */
	write_all(line, n + 1);
	free(line);
	js_free(o);
}
