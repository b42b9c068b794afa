/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/selfcheck.h"

#include <stdlib.h>
#include <string.h>

#include "lib/stream.h"
#include "lib/text.h"

#define TICK    (50 * NS_MS)
#define EVERY   (1 * NS_S)
#define ANSWER  (1 * NS_S)    /* in which the answer has to come */
#define LAG_MAX (500 * NS_MS) /* a loop that is that late does not serve */
#define FALL    2             /* failures in a row until the node is unhealthy: one hiccup is not */
#define BUFFER  4096

struct selfcheck {
	struct loop *loop;
	struct addr at;
	selfcheck_cb *cb;
	void *arg;
	struct loop_timer *timer;
	struct stream *stream;
	ns_t due, asked, next, lag, worst, answer;
	int failures;
	bool unhealthy;
};

static void verdict(struct selfcheck *k, const char *why)
{
	bool was = k->unhealthy;

	stream_free(k->stream);
	k->stream = NULL;
	k->lag = k->worst;
	k->worst = 0;
	if (!why && k->lag > LAG_MAX)
		why = "the event loop is late";
	k->failures = why ? k->failures + 1 : 0;
	k->unhealthy = k->failures >= FALL;
	if (k->unhealthy != was)
		k->cb(k->arg, !k->unhealthy, why ? why : "it answers");
}

static void on_open(void *arg)
{
	static const char request[] = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
	struct selfcheck *k = arg;

	stream_write(k->stream, request, sizeof(request) - 1);
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct selfcheck *k = arg;
	struct text_msg m;
	ssize_t len = text_parse(&m, (const char *)p, n, 0);

	if (len == 0)
		return 0;
	k->answer = loop_now(k->loop) - k->asked;
	verdict(k, len > 0 && m.response && m.status == 200 ? NULL : "its answer is wrong");
	return n;
}

static void on_close(void *arg, int err)
{
	verdict(arg, err ? strerror(-err) : "it closes the connection");
}

static const struct stream_ops ops = {on_open, on_data, on_close};

static void ask(struct selfcheck *k, ns_t now)
{
	int err;

	k->asked = now;
	k->next = now + EVERY;
	k->stream = stream_connect(k->loop, &k->at, NULL, &ops, k, BUFFER, BUFFER, &err);
	if (!k->stream)
		verdict(k, strerror(-err));
}

static void on_timer(void *arg)
{
	struct selfcheck *k = arg;
	ns_t now = loop_now(k->loop);

	if (now - k->due > k->worst)
		k->worst = now - k->due;
	if (k->stream && now - k->asked >= ANSWER)
		verdict(k, "no answer");
	if (!k->stream && now >= k->next)
		ask(k, now);
	k->due = now + TICK;
	loop_timer_at(k->timer, k->due);
}

struct selfcheck *selfcheck_new(struct loop *l, const struct addr *at, selfcheck_cb *cb, void *arg)
{
	struct selfcheck *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	*k = (struct selfcheck){.loop = l, .at = *at, .cb = cb, .arg = arg};
	k->timer = loop_timer_new(l, on_timer, k);
	if (!k->timer) {
		free(k);
		return NULL;
	}
	k->due = loop_now(l) + TICK;
	loop_timer_at(k->timer, k->due);
	return k;
}

void selfcheck_free(struct selfcheck *k)
{
	if (!k)
		return;
	stream_free(k->stream);
	loop_timer_free(k->timer);
	free(k);
}

bool selfcheck_healthy(const struct selfcheck *k)
{
	return !k->unhealthy;
}

uint64_t selfcheck_answer_us(const struct selfcheck *k)
{
	return (uint64_t)(k->answer / NS_US);
}

uint64_t selfcheck_lag_us(const struct selfcheck *k)
{
	return (uint64_t)(k->lag / NS_US);
}
