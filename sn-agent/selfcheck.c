/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/selfcheck.h"

#include <stdlib.h>
#include <string.h>

#include "lib/probe.h"

#define TICKS  20 /* looks at the clock from one check to the next */
#define FALL   2  /* failures in a row until the node is unhealthy: one hiccup is not */
#define SMOOTH 4  /* the newest delay counts for one in so many */

struct selfcheck {
	struct loop *loop;
	struct addr at;
	struct media *media;
	uint64_t (*random)(void);
	selfcheck_cb *cb;
	void *arg;
	struct loop_timer *timer;
	struct probe *probe; /* NULL: answered, or between two checks */
	bool checking;
	const char *wrong; /* with the answer of RTSP, or NULL */
	ns_t every;        /* between two checks, and the time for all answers of one */
	ns_t due, asked, next, lag, worst, answer, delay;
	int failures;
	bool unhealthy;
	enum announce_trouble trouble;
};

static void verdict(struct selfcheck *k, enum announce_trouble trouble, const char *why)
{
	bool was = k->unhealthy;
	ns_t delay;

	k->checking = false;
	k->lag = k->worst;
	k->worst = 0;
	if (trouble == TROUBLE_NONE && k->lag > k->every / 2) {
		trouble = TROUBLE_LOOP;
		why = "the event loop is late";
	}
	delay = k->lag > k->answer ? k->lag : k->answer;
	k->delay += (delay - k->delay) / SMOOTH;
	k->failures = trouble ? k->failures + 1 : 0;
	k->unhealthy = k->failures >= FALL;
	k->trouble = k->unhealthy ? trouble : TROUBLE_NONE;
	if (k->unhealthy != was)
		k->cb(k->arg, !k->unhealthy, why);
}

/* Whether all is answered, or will not be any more. */
static void conclude(struct selfcheck *k, ns_t now)
{
	bool echoed = media_echoed(k->media);

	if (!k->checking || k->probe || (!k->wrong && !echoed && now - k->asked < k->every))
		return;
	if (k->wrong)
		verdict(k, TROUBLE_RTSP, k->wrong);
	else if (!echoed)
		verdict(k, TROUBLE_MEDIA, "RTP or RTCP does not come through");
	else
		verdict(k, TROUBLE_NONE, "it answers");
}

/* What a redirector calls void (no descriptor is left, this host was late) is this node's trouble. */
static void on_answer(void *arg, const struct probe_outcome *o)
{
	struct selfcheck *k = arg;

	k->probe = NULL;
	k->answer = o->delay;
	k->wrong = o->why;
	conclude(k, loop_now(k->loop));
}

static void ask(struct selfcheck *k, ns_t now)
{
	int err;

	k->checking = true;
	k->wrong = NULL;
	k->asked = now;
	k->next = now + k->every;
	media_echo(k->media, k->random());
	k->probe = probe_start(k->loop, TEXT_RTSP, &k->at, "/", k->every, on_answer, k, &err);
	if (!k->probe) {
		k->wrong = strerror(-err);
		conclude(k, now);
	}
}

static void on_timer(void *arg)
{
	struct selfcheck *k = arg;
	ns_t now = loop_now(k->loop);

	if (now - k->due > k->worst)
		k->worst = now - k->due;
	conclude(k, now);
	if (!k->checking && now >= k->next)
		ask(k, now);
	k->due = now + k->every / TICKS;
	loop_timer_at(k->timer, k->due);
}

struct selfcheck *selfcheck_new(struct loop *l, const struct addr *at, struct media *media,
	uint64_t (*random)(void), ns_t every, selfcheck_cb *cb, void *arg)
{
	struct selfcheck *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	*k = (struct selfcheck){.loop = l,
		.at = *at,
		.media = media,
		.random = random,
		.every = every,
		.cb = cb,
		.arg = arg};
	k->timer = loop_timer_new(l, on_timer, k);
	if (!k->timer) {
		free(k);
		return NULL;
	}
	k->due = loop_now(l) + every / TICKS;
	loop_timer_at(k->timer, k->due);
	return k;
}

void selfcheck_free(struct selfcheck *k)
{
	if (!k)
		return;
	probe_free(k->probe);
	loop_timer_free(k->timer);
	free(k);
}

bool selfcheck_healthy(const struct selfcheck *k)
{
	return !k->unhealthy;
}

enum announce_trouble selfcheck_trouble(const struct selfcheck *k)
{
	return k->trouble;
}

uint64_t selfcheck_answer_us(const struct selfcheck *k)
{
	return (uint64_t)(k->answer / NS_US);
}

uint64_t selfcheck_lag_us(const struct selfcheck *k)
{
	return (uint64_t)(k->lag / NS_US);
}

uint32_t selfcheck_delay_us(const struct selfcheck *k)
{
	return k->delay / NS_US < UINT32_MAX ? (uint32_t)(k->delay / NS_US) : UINT32_MAX;
}
