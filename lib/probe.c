/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stream.h"

#define BUFFER     4096 /* of an answer; its first line is all that is read */
#define FIRST_LINE 512  /* a first line that is longer is none */

struct probe {
	struct loop *loop;
	struct stream *stream;
	struct loop_timer *timer;
	enum text_proto proto;
	ns_t started, deadline, patience;
	probe_cb *cb;
	void *arg;
	size_t n;
	char request[PROBE_MAX_PATH + 256];
};

size_t probe_write(
	enum text_proto proto, const struct addr *at, const char *path, char *out, size_t cap)
{
	char host[ADDR_STRLEN];
	struct sbuf b;

	sbuf_init(&b, out, cap);
	if (proto == TEXT_RTSP)
		sbuf_printf(
			&b, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: nearcast-probe\r\n\r\n");
	else
		sbuf_printf(&b,
			"HEAD %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: nearcast-probe\r\n"
			"Connection: close\r\n\r\n",
			path, addr_urlhost(at, host), addr_port(at));
	return b.full ? 0 : b.n;
}

/* "RTSP/1.0 200 OK\r\n". The line has to be whole, since a service may die in the middle of it. */
const char *probe_read(enum text_proto proto, const char *p, size_t n)
{
	static const char *const name[] = {[TEXT_HTTP] = "HTTP/1.", [TEXT_RTSP] = "RTSP/1."};
	size_t known = strlen(name[proto]);
	const char *end = n ? memchr(p, '\n', n < FIRST_LINE ? n : FIRST_LINE) : NULL;
	struct slice line = {p, end ? (size_t)(end - p) : n}, word;
	unsigned long long status;

	if (!n)
		return "";
	if (memcmp(p, name[proto], n < known ? n : known) != 0)
		return "answers in another protocol";
	if (!end)
		return n < FIRST_LINE ? "" : "answers nonsense";
	word = slice_cut(&line, ' ');
	if (word.n != known + 1 || word.p[known] < '0' || word.p[known] > '9')
		return "answers nonsense";
	line = slice_trim(line);
	word = slice_cut(&line, ' ');
	if (word.n != 3 || slice_u64(word, 599, &status) < 0 || status < 100)
		return "answers nonsense";
	return status < 500 ? NULL : "answers with an error";
}

static void finish(struct probe *p, enum probe_result result, const char *why)
{
	struct probe_outcome o = {result, why, loop_now(p->loop) - p->started};
	probe_cb *cb = p->cb;
	void *arg = p->arg;

	probe_free(p);
	cb(arg, &o);
}

/* What an error says, and whether it is about the service at all. */
static const char *error_str(int err, enum probe_result *result)
{
	*result = PROBE_FAILED;
	switch (-err) {
	case 0: return "closes the connection";
	case ECONNREFUSED: return "refuses connections";
	case ECONNRESET:
	case EPIPE: return "breaks the connection";
	case EHOSTUNREACH: return "cannot be reached";
	case ETIMEDOUT: return "does not answer";
	case EMSGSIZE: return "answers nonsense";
	}
	*result = PROBE_VOID;
	return "this host cannot ask";
}

static void on_open(void *arg)
{
	struct probe *p = arg;

	stream_write(p->stream, p->request, p->n);
}

static size_t on_data(void *arg, const uint8_t *data, size_t n)
{
	struct probe *p = arg;
	const char *wrong = probe_read(p->proto, (const char *)data, n);

	if (wrong && !*wrong)
		return 0;
	finish(p, wrong ? PROBE_FAILED : PROBE_OK, wrong);
	return n;
}

static void on_close(void *arg, int err)
{
	enum probe_result result;
	const char *why = error_str(err, &result);

	finish(arg, result, why);
}

static const struct stream_ops ops = {on_open, on_data, on_close};

static void on_timer(void *arg)
{
	struct probe *p = arg;

	/* The answer may lie in the socket: it is this loop that did not come round. */
	if (loop_now(p->loop) - p->deadline > p->patience)
		finish(p, PROBE_VOID, "this host was late");
	else
		finish(p, PROBE_FAILED, "does not answer");
}

struct probe *probe_start(struct loop *l, enum text_proto proto, const struct addr *at,
	const char *path, ns_t timeout, probe_cb *cb, void *arg, int *err)
{
	struct probe *p = calloc(1, sizeof(*p));

	*err = -ENOMEM;
	if (!p)
		return NULL;
	p->loop = l;
	p->proto = proto;
	p->cb = cb;
	p->arg = arg;
	p->started = loop_now(l);
	p->deadline = p->started + timeout;
	p->patience = timeout / 10;
	p->n = probe_write(proto, at, path, p->request, sizeof(p->request));
	p->timer = loop_timer_new(l, on_timer, p);
	if (p->timer && !p->n)
		*err = -ENAMETOOLONG;
	else if (p->timer)
		p->stream = stream_connect(l, at, NULL, &ops, p, BUFFER, BUFFER, err);
	if (!p->stream) {
		probe_free(p);
		return NULL;
	}
	loop_timer_at(p->timer, p->deadline);
	return p;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	stream_free(p->stream);
	loop_timer_free(p->timer);
	free(p);
}
