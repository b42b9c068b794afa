/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buffered byte streams.
 *
 * A stream reads what there is into one growing buffer and offers it to its owner, who takes whole
 * messages and leaves the rest. What cannot be sent at once waits in a second buffer. Both are
 * bounded: a peer that sends a message without end, or that never reads, costs no more than that.
 *
 * Any callback may free the stream. So around each callback `busy` is raised: stream_free then
 * closes the descriptor at once (nothing more is read or told), and the memory goes when the
 * outermost callback has returned. Errors found while the owner writes are told later, from the
 * loop, never from within the owner's own call.
 */
#include "lib/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_FIRST  4096
#define READS_MAX 8 /* reads a turn, so that one fast peer does not starve the others */

struct buffer {
	uint8_t *p;
	size_t n, cap, max;
};

struct stream {
	struct loop *loop;
	const struct stream_ops *ops;
	void (*on_drained)(void *arg);
	void *arg;
	struct loop_fd *watch;
	struct loop_timer *timer; /* tells `err` from the loop, or ends the linger */
	struct addr peer, local;
	struct buffer in, out;
	int fd;
	int err;       /* to be told by on_close, when `failed` */
	int write_err; /* sending failed; told when the input that is left has been read */
	int busy;      /* callbacks under way */
	bool connecting;
	bool failed;    /* broken, on_close is due or was called */
	bool finishing; /* stream_finish was called: input is thrown away */
	bool fin_sent;
	bool eof;  /* the peer closed while output was left */
	bool held; /* nothing is read: stream_hold */
	bool dead;
};

static void stream_unref(struct stream *s)
{
	if (--s->busy > 0 || !s->dead)
		return;
	free(s->in.p);
	free(s->out.p);
	free(s);
}

void stream_free(struct stream *s)
{
	if (!s || s->dead)
		return;
	s->dead = true;
	loop_fd_free(s->watch);
	loop_timer_free(s->timer);
	if (s->fd >= 0)
		close(s->fd);
	s->busy++;
	stream_unref(s);
}

/* Room for `more` bytes behind what is there; false: it would pass the bound, or no memory. */
static bool buffer_room(struct buffer *b, size_t more)
{
	size_t cap = b->cap ? b->cap : IN_FIRST;
	uint8_t *p;

	if (more > b->max - b->n)
		return false;
	if (b->n + more <= b->cap)
		return true;
	while (cap < b->n + more)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	p = realloc(b->p, cap);
	if (!p)
		return false;
	b->p = p;
	b->cap = cap;
	return true;
}

static void buffer_drop(struct buffer *b, size_t n)
{
	b->n -= n;
	if (n && b->n)
		memmove(b->p, b->p + n, b->n);
}

static void want(struct stream *s)
{
	int events = 0;

	if (s->failed)
		events = 0;
	else if (s->connecting)
		events = LOOP_WRITE;
	else
		events = (s->eof || s->held ? 0 : LOOP_READ) | (s->out.n ? LOOP_WRITE : 0);
	loop_fd_want(s->watch, events);
}

/* Tells the owner that it is over; the stream is then only to be freed. */
static void tell_closed(struct stream *s, int err)
{
	s->failed = true;
	want(s);
	loop_timer_at(s->timer, NS_NEVER);
	s->busy++;
	s->ops->on_close(s->arg, err);
	stream_unref(s);
}

/* The same, but from the loop. */
static void fail_later(struct stream *s, int err)
{
	s->failed = true;
	s->err = err;
	want(s);
	loop_timer_at(s->timer, clock_now());
}

static void on_timer(void *arg)
{
	struct stream *s = arg;

	tell_closed(s, s->failed ? s->err : -ETIMEDOUT);
}

/* Sends what waits. 0 or negative errno. */
static int flush(struct stream *s)
{
	size_t sent = 0;
	int err = 0;

	while (sent < s->out.n) {
		ssize_t n = send(s->fd, s->out.p + sent, s->out.n - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
			break;
		}
		sent += (size_t)n;
	}
	buffer_drop(&s->out, sent);
	if (!err && s->finishing && !s->out.n && !s->fin_sent) {
		shutdown(s->fd, SHUT_WR);
		s->fin_sent = true;
	}
	return err;
}

/* Offers the input until the owner takes no more. False when the stream must not be touched. */
static bool offer(struct stream *s)
{
	bool alive = true;

	while (s->in.n && !s->finishing && !s->failed && !s->held) {
		size_t used, had = s->in.n;

		s->busy++;
		used = s->ops->on_data(s->arg, s->in.p, had);
		alive = !s->dead;
		if (alive && used)
			buffer_drop(&s->in, used < had ? used : had);
		stream_unref(s);
		if (!alive || !used)
			break;
	}
	if (alive && s->finishing)
		s->in.n = 0;
	return alive;
}

/* One read. Whether to go on reading. */
static bool read_some(struct stream *s)
{
	ssize_t n;

	if (s->in.n == s->in.cap &&
		!buffer_room(
			&s->in, s->in.max - s->in.n < IN_FIRST ? s->in.max - s->in.n : IN_FIRST)) {
		tell_closed(s, -ENOMEM);
		return false;
	}
	do {
		n = recv(s->fd, s->in.p + s->in.n, s->in.cap - s->in.n, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			tell_closed(s, -errno);
		return false;
	}
	if (n == 0) {
		if (s->finishing && s->out.n) {
			s->eof = true; /* it may still read what we have for it */
			want(s);
		} else {
			tell_closed(s, s->write_err);
		}
		return false;
	}
	s->in.n += (size_t)n;
	if (!offer(s) || s->failed || s->held)
		return false;
	if (s->in.n == s->in.max) {
		tell_closed(s, -EMSGSIZE);
		return false;
	}
	return s->in.n < s->in.cap || s->in.cap < s->in.max;
}

static void local_name(struct stream *s)
{
	socklen_t len = sizeof(s->local);

	memset(&s->local, 0, sizeof(s->local));
	getsockname(s->fd, &s->local.sa, &len);
	addr_unmap(&s->local);
}

static bool finish_connect(struct stream *s)
{
	socklen_t len = sizeof(int);
	int err = 0;
	bool alive;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err) {
		tell_closed(s, -err);
		return false;
	}
	s->connecting = false;
	local_name(s);
	s->busy++;
	if (s->ops->on_open)
		s->ops->on_open(s->arg);
	alive = !s->dead;
	if (alive)
		want(s);
	stream_unref(s);
	return alive;
}

static void on_ready(void *arg, int events)
{
	struct stream *s = arg;

	if (s->connecting && (!(events & LOOP_WRITE) || !finish_connect(s)))
		return;
	if (s->failed)
		return;
	s->busy++;
	if (events & LOOP_WRITE && (s->out.n || s->finishing)) {
		s->write_err = flush(s);
		if (!s->write_err && !s->out.n && !s->finishing && s->on_drained)
			s->on_drained(s->arg);
	}
	if (events & LOOP_READ) {
		for (int i = 0; i < READS_MAX && !s->dead && !s->failed && !s->eof && !s->held;
			i++) {
			if (!read_some(s))
				break;
		}
	}
	if (!s->dead && !s->failed && (s->write_err || (s->eof && !s->out.n)))
		tell_closed(s, s->write_err);
	if (!s->dead)
		want(s);
	stream_unref(s);
}

void stream_read(struct stream *s)
{
	if (!s->dead && !s->failed && !s->connecting && !s->eof)
		on_ready(s, LOOP_READ);
}

struct stream *stream_new(struct loop *l, int fd, const struct stream_ops *ops, void *arg,
	size_t max_in, size_t max_out)
{
	struct stream *s = calloc(1, sizeof(*s));
	socklen_t len = sizeof(s->peer);
	int flags = 1;

	if (!s)
		goto fail;
	*s = (struct stream){.loop = l, .ops = ops, .arg = arg, .fd = fd};
	s->in.max = max_in;
	s->out.max = max_out;
	if (ioctl(fd, FIONBIO, &flags) < 0)
		goto fail;
	s->watch = loop_fd_new(l, fd, on_ready, s);
	s->timer = loop_timer_new(l, on_timer, s);
	if (!s->watch || !s->timer)
		goto fail;
	if (getpeername(fd, &s->peer.sa, &len) == 0)
		addr_unmap(&s->peer);
	local_name(s);
	want(s);
	return s;
fail:
	if (s) {
		loop_fd_free(s->watch);
		loop_timer_free(s->timer);
	}
	free(s);
	close(fd);
	return NULL;
}

struct stream *stream_connect(struct loop *l, const struct addr *dst, const struct addr *src,
	const struct stream_ops *ops, void *arg, size_t max_in, size_t max_out, int *err)
{
	int fd = socket(dst->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, failed = 0;
	struct stream *s;

	*err = 0;
	if (fd < 0) {
		*err = -errno;
		return NULL;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (src && bind(fd, &src->sa, addr_len(src)) < 0) {
		*err = -errno;
		close(fd);
		return NULL;
	}
	if (connect(fd, &dst->sa, addr_len(dst)) < 0 && errno != EINPROGRESS)
		failed = -errno;
	s = stream_new(l, fd, ops, arg, max_in, max_out);
	if (!s) {
		*err = -ENOMEM;
		return NULL;
	}
	s->peer = *dst;
	s->connecting = true;
	if (failed)
		fail_later(s, failed);
	want(s);
	return s;
}

int stream_write(struct stream *s, const void *p, size_t n)
{
	const uint8_t *rest = p;
	size_t left = n;

	if (s->dead || s->failed || s->finishing)
		return -EPIPE;
	if (n > s->out.max - s->out.n)
		return -ENOBUFS;
	while (left && !s->out.n && !s->connecting) {
		ssize_t sent = send(s->fd, rest, left, MSG_NOSIGNAL);

		if (sent >= 0) {
			rest += sent;
			left -= (size_t)sent;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			break;
		} else if (errno != EINTR) {
			fail_later(s, -errno);
			return -EPIPE;
		}
	}
	if (left) {
		if (!buffer_room(&s->out, left)) {
			fail_later(s, -ENOMEM); /* part of it may have been sent */
			return -EPIPE;
		}
		memcpy(s->out.p + s->out.n, rest, left);
		s->out.n += left;
		want(s);
	}
	return 0;
}

int stream_feed(struct stream *s, const void *p, size_t n)
{
	if (!buffer_room(&s->in, n))
		return -ENOMEM;
	memcpy(s->in.p + s->in.n, p, n);
	s->in.n += n;
	stream_again(s);
	return 0;
}

void stream_again(struct stream *s)
{
	if (s->dead || s->failed || s->connecting)
		return;
	s->busy++;
	if (offer(s))
		want(s);
	stream_unref(s);
}

void stream_hold(struct stream *s, bool hold)
{
	if (s->dead || s->failed)
		return;
	s->held = hold && !s->finishing;
	want(s);
}

void stream_on_drained(struct stream *s, void (*cb)(void *arg))
{
	s->on_drained = cb;
}

size_t stream_unsent(const struct stream *s)
{
	return s->out.n;
}

void stream_finish(struct stream *s, ns_t linger)
{
	int err;

	if (s->dead || s->failed || s->finishing)
		return;
	s->finishing = true;
	s->held = false;
	err = s->connecting ? 0 : flush(s);
	if (err < 0) {
		fail_later(s, err);
		return;
	}
	loop_timer_at(s->timer, clock_now() + linger);
	want(s);
}

const struct addr *stream_peer(const struct stream *s)
{
	return &s->peer;
}

const struct addr *stream_local(const struct stream *s)
{
	return &s->local;
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}
