/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regular files take all at once. For anything else poll(2) is asked before each piece of at most
 * PIPE_BUF bytes, which a writable pipe then takes without waiting: so the descriptor needs no
 * O_NONBLOCK, which we would share with whoever gave us our standard output.
 */
#include "client-failover/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cursor.h"
#include "lib/rtp.h"

struct output {
	char *path;
	int fd, err;
	bool regular, own;
	uint8_t *buf;
	size_t at, n, cap; /* what waits: buf[at..n) */
};

struct output *output_open(const char *path, char err[256])
{
	struct output *o = calloc(1, sizeof *o);
	struct stat st;

	if (!o) {
		snprintf(err, 256, "no memory");
		return NULL;
	}
	o->own = strcmp(path, "-") != 0;
	o->path = strdup(o->own ? path : "standard output");
	o->fd = o->own ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
	if (!o->path || o->fd < 0 || fstat(o->fd, &st) < 0) {
		snprintf(err, 256, "%.200s: %s", path, strerror(errno));
		if (o->own && o->fd >= 0)
			close(o->fd);
		free(o->path);
		free(o);
		return NULL;
	}
	o->regular = S_ISREG(st.st_mode);
	return o;
}

void output_put(struct output *o, const void *p, size_t n)
{
	if (o->err)
		return;
	if (o->at == o->n)
		o->at = o->n = 0;
	if (o->n + n > o->cap && o->at) {
		memmove(o->buf, o->buf + o->at, o->n - o->at);
		o->n -= o->at;
		o->at = 0;
	}
	if (o->n + n > OUTPUT_BACKLOG) {
		o->err = -ENOBUFS;
		return;
	}
	if (o->n + n > o->cap) {
		size_t cap = o->cap ? o->cap : 65536;
		while (cap < o->n + n)
			cap *= 2;
		uint8_t *buf = realloc(o->buf, cap);
		if (!buf) {
			o->err = -ENOMEM;
			return;
		}
		o->buf = buf;
		o->cap = cap;
	}
	memcpy(o->buf + o->n, p, n);
	o->n += n;
}

void output_put_ts(struct output *o, const uint8_t *rtp, size_t n)
{
	struct rtp r;

	if (rtp_parse(&r, rtp, n) == 0)
		output_put(o, r.payload, r.payload_len);
}

/* rtptools, rtpdump.h: a line of text, then RD_hdr_t, all in network order. */
void output_put_rtpdump_head(struct output *o, const struct addr *source, ns_t wall)
{
	char text[128], host[ADDR_STRLEN];
	uint8_t head[16];
	struct wcur w = wcur_init(head, sizeof head);
	bool v4 = source->sa.sa_family == AF_INET;

	int n = snprintf(text, sizeof text, "#!rtpplay1.0 %s/%u\n", addr_host(source, host),
		addr_port(source));
	output_put(o, text, (size_t)n);
	wcur_u32(&w, (uint32_t)(wall / NS_S));
	wcur_u32(&w, (uint32_t)(wall % NS_S / NS_US));
	wcur_u32(&w, v4 ? ntohl(source->in.sin_addr.s_addr) : 0);
	wcur_u16(&w, addr_port(source));
	wcur_u16(&w, 0);
	output_put(o, head, wcur_len(&w));
}

/* RD_packet_t: length with this header, length of the RTP packet, milliseconds. */
void output_put_rtpdump(struct output *o, const uint8_t *rtp, size_t n, ns_t offset)
{
	uint8_t head[8];
	struct wcur w = wcur_init(head, sizeof head);

	if (n > UINT16_MAX - sizeof head)
		return;
	wcur_u16(&w, (uint16_t)(n + sizeof head));
	wcur_u16(&w, (uint16_t)n);
	wcur_u32(&w, offset > 0 ? (uint32_t)(offset / NS_MS) : 0);
	output_put(o, head, sizeof head);
	output_put(o, rtp, n);
}

static bool writable(const struct output *o, int timeout)
{
	struct pollfd p = {.fd = o->fd, .events = POLLOUT};

	return o->regular || poll(&p, 1, timeout) > 0;
}

int output_flush(struct output *o)
{
	while (!o->err && o->at < o->n) {
		size_t n = o->n - o->at;
		if (!o->regular && n > PIPE_BUF)
			n = PIPE_BUF;
		if (!writable(o, 0))
			return 1;
		ssize_t k = write(o->fd, o->buf + o->at, n);
		if (k >= 0)
			o->at += (size_t)k;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return 1;
		else if (errno != EINTR)
			o->err = -errno;
	}
	return o->err;
}

int output_close(struct output *o, ns_t patience)
{
	int err;

	if (!o)
		return 0;
	while ((err = output_flush(o)) == 1)
		if (!writable(o, (int)(patience / NS_MS)))
			break;
	if (err == 1)
		err = -ETIMEDOUT;
	/* A full disk may show only now (NFS). */
	if (o->own && close(o->fd) < 0 && !err)
		err = -errno;
	free(o->buf);
	free(o->path);
	free(o);
	return err;
}

const char *output_path(const struct output *o)
{
	return o->path;
}
