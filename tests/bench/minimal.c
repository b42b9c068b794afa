/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least that a server on kernel sockets can do: accept, read, write, close. It looks at nothing
 * that it reads, and says the same to everybody.
 *
 * usage: minimal ADDRESS PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256

static const char answer[] =
	"HTTP/1.1 302 Found\r\nLocation: http://10.2.0.6/news/today?at=noon\r\n"
	"Content-Length: 0\r\nConnection: close\r\n\r\n";

static void serve(int fd)
{
	char in[4096];

	if (read(fd, in, sizeof(in)) > 0 && write(fd, answer, sizeof(answer) - 1) < 0)
		warn("write");
	close(fd);
}

static void accept_all(int listener, int loop)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

		if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e) < 0)
			err(1, "epoll_ctl");
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int loop = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};

	if (argc != 3 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1)
		errx(64, "usage: minimal ADDRESS PORT");
	at.sin_port = htons((uint16_t)atoi(argv[2]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 4096) < 0)
		err(1, "%s:%s", argv[1], argv[2]);
	epoll_ctl(loop, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(loop, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all(listener, loop);
			else
				serve(events[i].data.fd);
		}
	}
}
