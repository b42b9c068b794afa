/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/warm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/stream.h"
#include "lib/text.h"

#define PING_EVERY  (2 * NS_S)
#define PING_ANSWER (1 * NS_S)
#define RETRY_MIN   (200 * NS_MS)
#define RETRY_MAX   (1 * NS_S) /* soon after it can be reached again it is used */
#define MAX_IN      (128 * 1024)
#define MAX_OUT     (128 * 1024)

struct link {
	struct stream *stream;
	bool open;
	int pings;         /* answers to OPTIONS that are still to come and are not the taker's */
	size_t seen;       /* bytes of such an answer that the parser has had */
	struct warm *warm; /* not yet taken */
	const struct link_ops *ops;
	void *arg;
};

struct warm {
	struct loop *loop;
	struct addr node, src;
	const char *user_agent;
	warm_up_cb *cb;
	void *arg;
	struct link *spare;
	struct loop_timer *timer;
	bool up;
	unsigned cseq;
	ns_t rtt, pinged; /* pinged: when the open question was asked, 0: none is */
	ns_t backoff;
};

static const struct stream_ops stream_ops;

static void set_up(struct warm *w, bool up)
{
	if (w->up == up)
		return;
	w->up = up;
	w->cb(w->arg, up);
}

static struct link *connect_to(struct warm *w, int *err)
{
	struct link *k = calloc(1, sizeof(*k));

	if (!k) {
		*err = -ENOMEM;
		return NULL;
	}
	k->stream =
		stream_connect(w->loop, &w->node, &w->src, &stream_ops, k, MAX_IN, MAX_OUT, err);
	if (!k->stream) {
		free(k);
		return NULL;
	}
	return k;
}

static void later(struct warm *w, ns_t in)
{
	loop_timer_at(w->timer, loop_now(w->loop) + in);
}

static void ping(struct warm *w)
{
	char host[ADDR_STRLEN], text[512];
	int n = snprintf(text, sizeof(text),
		"OPTIONS rtsp://%s:%u/ RTSP/1.0\r\nCSeq: %u\r\nUser-Agent: %s\r\n\r\n",
		addr_urlhost(&w->node, host), addr_port(&w->node), ++w->cseq, w->user_agent);

	if (stream_write(w->spare->stream, text, (size_t)n) == 0) {
		w->spare->pings++;
		w->pinged = loop_now(w->loop);
		later(w, PING_ANSWER);
	}
}

/* The spare one did not come to be, or broke, or its node does not answer. */
static void spare_lost(struct warm *w)
{
	link_free(w->spare);
	w->spare = NULL;
	w->pinged = 0;
	set_up(w, false);
	later(w, w->backoff);
	w->backoff = w->backoff * 2 > RETRY_MAX ? RETRY_MAX : w->backoff * 2;
}

static void on_timer(void *arg)
{
	struct warm *w = arg;
	int err;

	if (!w->spare) {
		w->spare = connect_to(w, &err);
		if (!w->spare) {
			spare_lost(w);
			return;
		}
		w->spare->warm = w;
		later(w, PING_ANSWER);
	} else if (!w->spare->open || w->pinged) {
		spare_lost(w);
	} else {
		ping(w);
	}
}

static void ping_answered(struct warm *w)
{
	w->rtt = loop_now(w->loop) - w->pinged;
	w->pinged = 0;
	w->backoff = RETRY_MIN;
	set_up(w, true);
	later(w, PING_EVERY);
}

/* ---- the stream's callbacks ---- */

static void on_open(void *arg)
{
	struct link *k = arg;

	k->open = true;
	if (k->warm)
		ping(k->warm);
	else if (k->ops->on_open)
		k->ops->on_open(k->arg);
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct link *k = arg;
	struct text_msg m;
	ssize_t len;

	if (k->pings == 0)
		return k->warm ? n : k->ops->on_data(k->arg, p, n);
	len = text_parse(&m, (const char *)p, n, k->seen);
	if (len == 0) {
		k->seen = n;
		return 0;
	}
	k->seen = 0;
	if (len < 0) {
		k->pings = 0;
		return n;
	}
	k->pings--;
	if (k->warm)
		ping_answered(k->warm);
	return (size_t)len;
}

static void on_close(void *arg, int err)
{
	struct link *k = arg;

	if (k->warm)
		spare_lost(k->warm);
	else
		k->ops->on_close(k->arg, err);
}

static const struct stream_ops stream_ops = {on_open, on_data, on_close};

/* ---- */

struct warm *warm_new(struct loop *l, const struct addr *node, const struct addr *src,
	const char *user_agent, warm_up_cb *cb, void *arg)
{
	struct warm *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct warm){.loop = l,
		.node = *node,
		.src = *src,
		.user_agent = user_agent,
		.cb = cb,
		.arg = arg,
		.backoff = RETRY_MIN};
	addr_set_port(&w->src, 0);
	w->timer = loop_timer_new(l, on_timer, w);
	if (!w->timer) {
		free(w);
		return NULL;
	}
	later(w, 0);
	return w;
}

void warm_free(struct warm *w)
{
	if (!w)
		return;
	loop_timer_free(w->timer);
	link_free(w->spare);
	free(w);
}

ns_t warm_rtt(const struct warm *w)
{
	return w->rtt;
}

struct link *warm_take(struct warm *w, const struct link_ops *ops, void *arg, bool *open, int *err)
{
	struct link *k = w->spare;

	if (k && k->open) {
		w->spare = NULL;
		w->pinged = 0;
		k->warm = NULL;
		later(w, 0);
	} else {
		k = connect_to(w, err);
	}
	if (!k)
		return NULL;
	k->ops = ops;
	k->arg = arg;
	*open = k->open;
	return k;
}

int link_write(struct link *k, const void *p, size_t n)
{
	return stream_write(k->stream, p, n);
}

void link_free(struct link *k)
{
	if (!k)
		return;
	stream_free(k->stream);
	free(k);
}
