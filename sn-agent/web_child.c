/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/web_child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 1000 /* ms that it has to end when it is freed */

struct web_child {
	struct loop_fd *watch;
	int fd; /* readable when it has ended */
	pid_t pid;
	web_child_cb *cb;
	void *arg;
};

/* Between fork and exec. A master of nginx ends its workers on SIGTERM; nobody would on SIGKILL. */
static void become(const char *const *argv, pid_t parent)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(WEB_CHILD_NO_EXEC); /* it has ended already */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	close_range(3, ~0U, 0);
	execv(argv[0], (char *const *)argv);
	_exit(WEB_CHILD_NO_EXEC);
}

/* It has ended, or is about to. Until it is waited for its number, which is its group's, is nobody
 * else's. */
static int reap(struct web_child *c)
{
	int status = 0;

	kill(-c->pid, SIGKILL);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void release(struct web_child *c)
{
	loop_fd_free(c->watch);
	close(c->fd);
	free(c);
}

static void on_end(void *arg, int events)
{
	struct web_child *c = arg;
	web_child_cb *cb = c->cb;
	void *cb_arg = c->arg;
	int status = reap(c);

	(void)events;
	release(c);
	cb(cb_arg, status);
}

struct web_child *web_child_new(
	struct loop *l, const char *const *argv, web_child_cb *cb, void *arg, int *err)
{
	struct web_child *c = calloc(1, sizeof(*c));
	pid_t parent = getpid();

	*err = -ENOMEM;
	if (!c)
		return NULL;
	*c = (struct web_child){.cb = cb, .arg = arg};
	c->pid = fork();
	if (c->pid == 0)
		become(argv, parent);
	if (c->pid < 0) {
		*err = -errno;
		free(c);
		return NULL;
	}
	setpgid(c->pid, c->pid); /* whoever of both comes first */
	c->fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->fd < 0)
		*err = -errno;
	else
		c->watch = loop_fd_new(l, c->fd, on_end, c);
	if (!c->watch || (*err = loop_fd_want(c->watch, LOOP_READ))) {
		reap(c);
		loop_fd_free(c->watch);
		if (c->fd >= 0)
			close(c->fd);
		free(c);
		return NULL;
	}
	return c;
}

void web_child_free(struct web_child *c)
{
	struct pollfd p = {.events = POLLIN};

	if (!c)
		return;
	p.fd = c->fd;
	kill(c->pid, SIGTERM);
	poll(&p, 1, PATIENCE);
	reap(c);
	release(c);
}

void web_child_signal(struct web_child *c, int signo)
{
	kill(c->pid, signo);
}

pid_t web_child_pid(const struct web_child *c)
{
	return c->pid;
}
