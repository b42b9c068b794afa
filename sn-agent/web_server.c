/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/web_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "sn-agent/web_child.h"

#define LOOK      (2 * NS_MS)   /* whether a port is there */
#define PATIENCE  (2 * NS_S)    /* until it has to be */
#define PAUSE     (100 * NS_MS) /* before it is started again; doubled each time, up to */
#define PAUSE_MAX (10 * NS_S)
#define SETTLED   (10 * NS_S) /* who ran for so long begins with the shortest pause again */

#define CONF "nginx.conf"
#define NEXT "nginx.conf.new"

/* A port that it is to listen at. */
struct door {
	struct door *next;
	struct port *port;
	struct prime_state state;
	enum {
		WAITS,
		TESTED,
		OPENS,
		OPEN
	} step; /* for a round; in it; nginx has been told; there */
	int fd; /* OPENS: on its way to the port; -1 */
};

struct web_server {
	struct loop *loop;
	const struct web_server_ops *ops;
	void *arg;
	char nginx[256], folder[256];
	int dir;       /* locked: no other agent uses the folder */
	bool starting; /* the child does not listen yet */
	int start_fd;  /* on its way to it; -1 */
	struct web_conf conf;
	struct web_inside inside;
	struct door *first;
	int doors;

	struct web_child *child, *test;
	struct loop_timer *timer;
	char *text;        /* that is being tested, then what runs */
	bool dirty;        /* something has changed since the text was written */
	bool quits;        /* for good */
	ns_t deadline;     /* of the ports that are to open; 0: none are */
	ns_t began, pause; /* of the child; before the next one */
	ns_t not_before;   /* the next one is started */
	struct web_server_counters count;
};

static void next_round(struct web_server *s);

/* ---- the folder ---- */

static int open_folder(const char *path)
{
	int fd, err;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* The key of the reports is in it: nobody else is to read it. */
static int write_next(const struct web_server *s)
{
	size_t n = strlen(s->text), done = 0;
	int fd = openat(s->dir, NEXT, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err = 0;

	if (fd < 0)
		return -errno;
	while (done < n && !err) {
		ssize_t r = write(fd, s->text + done, n - done);

		if (r > 0)
			done += (size_t)r;
		else if (errno != EINTR)
			err = -errno;
	}
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

/* ---- doors ---- */

static void remove_door(struct web_server *s, struct door *d)
{
	struct door **at = &s->first;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	if (d->fd >= 0)
		close(d->fd);
	d->port->door = NULL;
	free(d);
	s->doors--;
	s->dirty = true;
}

/* Those of a step have failed. */
static void fail_doors(struct web_server *s, int step, int err)
{
	struct door *next;

	for (struct door *d = s->first; d; d = next) {
		struct port *p = d->port;

		next = d->next;
		if ((int)d->step != step)
			continue;
		remove_door(s, d);
		s->ops->opened(s->arg, p, err);
	}
}

static struct addr place_of(const struct web_server *s, uint16_t port)
{
	struct addr at = s->conf.address;

	addr_set_port(&at, port);
	return at;
}

static int tcp_socket(const struct addr *at)
{
	int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* nginx takes no configuration at all when one of its ports is somebody else's. */
static int try_port(const struct addr *at)
{
	int fd = tcp_socket(at), one = 1, err;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	err = bind(fd, &at->sa, addr_len(at)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* Whether somebody listens there by now. *fd is on its way there from one look to the next; -1. */
static bool is_open(const struct addr *at, int *fd)
{
	struct pollfd p = {.events = POLLOUT};
	bool there;

	if (*fd < 0) {
		*fd = tcp_socket(at);
		if (*fd < 0)
			return false;
		if (connect(*fd, &at->sa, addr_len(at)) < 0 && errno != EINPROGRESS) {
			close(*fd);
			*fd = -1;
			return false;
		}
	}
	p.fd = *fd;
	if (poll(&p, 1, 0) == 0)
		return false;
	there = !(p.revents & (POLLERR | POLLHUP));
	close(*fd);
	*fd = -1;
	return there;
}

/* A process that has just been started cannot be told anything: SIGHUP would end it. */
static bool is_starting(struct web_server *s)
{
	struct addr at = place_of(s, s->conf.port);

	if (s->starting && is_open(&at, &s->start_fd))
		s->starting = false;
	return s->starting;
}

/* True: none is on its way any more. */
static bool look_at_doors(struct web_server *s, ns_t now)
{
	bool waits = is_starting(s);
	struct door *next;

	for (struct door *d = s->first; d; d = next) {
		struct addr at = place_of(s, d->port->number);

		next = d->next;
		if (d->step != OPENS)
			continue;
		if (is_open(&at, &d->fd)) {
			d->step = OPEN;
			s->ops->opened(s->arg, d->port, 0);
		} else {
			waits = true;
		}
	}
	if (waits && now < s->deadline)
		return false;
	fail_doors(s, OPENS, -ETIMEDOUT);
	return true;
}

int web_server_open(struct web_server *s, struct port *p)
{
	struct addr at = place_of(s, p->number);
	struct door *d;
	int err;

	if (!s->child || s->quits)
		return -EAGAIN;
	err = try_port(&at);
	if (err)
		return err;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	*d = (struct door){.next = s->first, .port = p, .state = p->state, .fd = -1};
	s->first = d;
	s->doors++;
	p->door = d;
	s->dirty = true;
	next_round(s);
	return 0;
}

void web_server_moved(struct web_server *s, struct port *p)
{
	struct door *d = p->door;

	if (!d || !prime_state_moved(&d->state, &p->state))
		return;
	d->state = p->state;
	s->dirty = true;
	next_round(s);
}

void web_server_close(struct web_server *s, struct port *p)
{
	if (!p->door)
		return;
	remove_door(s, p->door);
	next_round(s);
}

/* ---- the process ---- */

static void set_timer(struct web_server *s, ns_t now)
{
	if (s->deadline)
		loop_timer_at(s->timer, now + LOOK);
	else if (!s->child && !s->test && !s->quits)
		loop_timer_at(s->timer, s->not_before > now ? s->not_before : now);
	else
		loop_timer_at(s->timer, NS_NEVER);
}

static void pause_before_next(struct web_server *s, ns_t now)
{
	if (s->began && now - s->began >= SETTLED)
		s->pause = 0;
	s->pause = s->pause ? 2 * s->pause : PAUSE;
	if (s->pause > PAUSE_MAX)
		s->pause = PAUSE_MAX;
	s->not_before = now + s->pause;
	s->dirty = true;
}

static void on_child_end(void *arg, int status)
{
	struct web_server *s = arg;
	ns_t now = loop_now(s->loop);

	s->child = NULL;
	s->starting = false;
	s->deadline = 0;
	if (!s->quits) {
		pause_before_next(s, now);
		log_msg(NLOG_ERROR, "%s has ended (%s %d): started again in %lld ms", s->nginx,
			WIFSIGNALED(status) ? "signal" : "exit status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
			(long long)(s->pause / NS_MS));
	}
	fail_doors(s, OPENS, -EAGAIN);
	s->ops->ended(s->arg);
	set_timer(s, now);
}

static void start_child(struct web_server *s, ns_t now)
{
	const char *argv[] = {s->nginx, "-p", s->folder, "-c", NULL, NULL};
	char conf[sizeof(s->folder) + 32];
	int err;

	snprintf(conf, sizeof(conf), "%s/" CONF, s->folder);
	argv[4] = conf;
	s->began = now;
	s->child = web_child_new(s->loop, argv, on_child_end, s, &err);
	if (s->child) {
		s->count.starts++;
		s->starting = true;
		return;
	}
	log_msg(NLOG_ERROR, "%s: %s", s->nginx, strerror(-err));
	pause_before_next(s, now);
}

/* The ports of this round are there by the deadline, or are not going to be. */
static void look_from_now_on(struct web_server *s, ns_t deadline)
{
	for (struct door *d = s->first; d; d = d->next)
		if (d->step == TESTED)
			d->step = OPENS;
	s->deadline = deadline;
}

/* The text is good: it is nginx's now. */
static void take_text(struct web_server *s, ns_t now)
{
	if (s->child) {
		s->count.reloads++;
		web_child_signal(s->child, SIGHUP);
	} else {
		start_child(s, now);
	}
	look_from_now_on(s, now + PATIENCE);
}

/* What runs goes on with what it has; what is new about the text may be more than its ports. */
static void drop_text(struct web_server *s, int status, ns_t now)
{
	s->count.rejected++;
	if (WIFEXITED(status) && WEXITSTATUS(status) == WEB_CHILD_NO_EXEC)
		log_msg(NLOG_ERROR, "web.nginx: %s cannot be run: %s", s->nginx,
			access(s->nginx, X_OK) < 0 ? strerror(errno) : "it is no program");
	else
		log_msg(NLOG_ERROR, "%s refuses %s/" NEXT, s->nginx, s->folder);
	free(s->text);
	s->text = NULL;
	s->dirty = false;
	if (!s->child)
		pause_before_next(s, now);
	fail_doors(s, TESTED, -EINVAL);
	next_round(s);
}

/* nginx has been asked for its opinion of the text. */
static void on_test_end(void *arg, int status)
{
	struct web_server *s = arg;
	ns_t now = loop_now(s->loop);

	s->test = NULL;
	if (s->quits)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
		renameat(s->dir, NEXT, s->dir, CONF) == 0)
		take_text(s, now);
	else
		drop_text(s, status, now);
	set_timer(s, now);
}

static int begin_test(struct web_server *s)
{
	const char *argv[] = {s->nginx, "-q", "-t", "-p", s->folder, "-c", NULL, NULL};
	char conf[sizeof(s->folder) + 32];
	int err = write_next(s);

	if (err)
		return err;
	snprintf(conf, sizeof(conf), "%s/" NEXT, s->folder);
	argv[6] = conf;
	s->test = web_child_new(s->loop, argv, on_test_end, s, &err);
	return s->test ? 0 : err;
}

/* *err is 0 with NULL when there is nothing new. */
static char *new_text(const struct web_server *s, int *err)
{
	struct web_site *site = calloc((size_t)s->doors + 1, sizeof(*site));
	char *text;
	int n = 0;

	*err = -ENOMEM;
	if (!site)
		return NULL;
	for (const struct door *d = s->first; d; d = d->next)
		site[n++] = (struct web_site){d->port->number, &d->state};
	text = web_conf_write(&s->conf, &s->inside, site, n, err);
	free(site);
	if (text && s->child && s->text && !strcmp(text, s->text)) {
		free(text);
		text = NULL;
	}
	return text;
}

/* Begins a round, unless there is nothing to do or one is under way. */
static void next_round(struct web_server *s)
{
	ns_t now = loop_now(s->loop);
	char *text;
	int err;

	if (!s->dirty || s->test || s->deadline || s->quits || (!s->child && now < s->not_before))
		return;
	s->dirty = false;
	text = new_text(s, &err);
	for (struct door *d = s->first; d; d = d->next)
		if (d->step == WAITS)
			d->step = TESTED;
	if (text) {
		free(s->text);
		s->text = text;
		err = begin_test(s);
	} else if (!err) {
		look_from_now_on(s, now + PATIENCE);
	}
	if (err) {
		log_msg(NLOG_ERROR, "%s/" NEXT ": %s", s->folder, strerror(-err));
		free(s->text);
		s->text = NULL;
		look_from_now_on(s, now); /* and no longer: not from within web_server_open() */
		if (!s->child)
			pause_before_next(s, now);
	}
	set_timer(s, now);
}

static void on_timer(void *arg)
{
	struct web_server *s = arg;
	ns_t now = loop_now(s->loop);

	if (s->deadline && look_at_doors(s, now))
		s->deadline = 0;
	next_round(s);
	set_timer(s, now);
}

/* ---- life ---- */

struct web_server *web_server_new(struct loop *l, const char *nginx, const char *folder,
	const struct web_server_ops *ops, void *arg, int *err)
{
	struct web_server *s = calloc(1, sizeof(*s));

	*err = -ENOMEM;
	if (!s)
		return NULL;
	s->loop = l;
	s->ops = ops;
	s->arg = arg;
	snprintf(s->nginx, sizeof(s->nginx), "%s", nginx);
	snprintf(s->folder, sizeof(s->folder), "%s", folder);
	s->start_fd = -1;
	s->dir = open_folder(folder);
	if (s->dir < 0) {
		*err = s->dir;
		free(s);
		return NULL;
	}
	s->timer = loop_timer_new(l, on_timer, s);
	if (!s->timer) {
		close(s->dir);
		free(s);
		return NULL;
	}
	*err = 0;
	return s;
}

void web_server_free(struct web_server *s)
{
	if (!s)
		return;
	web_child_free(s->test);
	web_child_free(s->child);
	while (s->first)
		remove_door(s, s->first);
	if (s->start_fd >= 0)
		close(s->start_fd);
	loop_timer_free(s->timer);
	close(s->dir);
	free(s->text);
	free(s);
}

void web_server_set_conf(
	struct web_server *s, const struct web_conf *c, const struct web_inside *in)
{
	s->conf = *c;
	s->inside = *in;
	s->dirty = true;
	next_round(s);
}

void web_server_restart(struct web_server *s)
{
	if (s->child)
		web_child_signal(s->child, SIGKILL);
}

void web_server_quit(struct web_server *s)
{
	s->quits = true;
	if (s->child)
		web_child_signal(s->child, SIGQUIT);
}

bool web_server_runs(const struct web_server *s)
{
	return s->child;
}

int web_server_pid(const struct web_server *s)
{
	return s->child ? web_child_pid(s->child) : 0;
}

const struct web_server_counters *web_server_counters(const struct web_server *s)
{
	return &s->count;
}
