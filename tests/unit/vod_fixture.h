/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A master site that has one film (film_fixture.h), and a core of on demand that asks it. What is
 * asked for waits until master_answers(); what is sent is noted.
 */
#ifndef NEARCAST_TESTS_VOD_FIXTURE_H
#define NEARCAST_TESTS_VOD_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "lib/secret.h"
#include "sn-agent/relay.h"
#include "sn-agent/vod.h"
#include "tests/unit/film_fixture.h"

#define ASKED_MAX 64
#define SENT_MAX  20000

static struct {
	uint8_t *file;
	int64_t size;
	char tag[32];
	bool down;   /* it does not answer */
	int nowhere; /* it cannot even be asked: the error */
	int status;  /* it answers with that; 0: with what is asked for */
	int fetches; /* blocks that it has been asked for, ever */
} master;

static struct {
	struct vod_film *film;
	int64_t first, last, block;
} asked[ASKED_MAX];
static int n_asked;

/* What went to viewers. */
static struct {
	struct receiver *to;
	uint16_t seq;
	ns_t at;
	uint32_t sum; /* of the payload's bytes */
} sent[SENT_MAX];
static int n_sent, room; /* room: packets that are taken */

static struct vod *vod;
static ns_t now;
static int opened, opened_status, looked, ended, stuck, changed;
static struct vod_film *moved_to;

static uint32_t sum_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + p[i];
	return sum;
}

static int vf_fetch(void *arg, struct vod_film *f, int64_t first, int64_t last, int64_t block)
{
	(void)arg;
	if (master.nowhere)
		return master.nowhere;
	if (n_asked == ASKED_MAX)
		return -EBUSY;
	asked[n_asked].film = f;
	asked[n_asked].first = first;
	asked[n_asked].last = last;
	asked[n_asked++].block = block;
	master.fetches += block >= 0;
	return 0;
}

static int vf_send(void *arg, struct receiver *to, const struct iovec *v, int n)
{
	int take = n < room ? n : room;

	(void)arg;
	room -= take;
	for (int i = 0; i < take; i++) {
		const uint8_t *p = v[i].iov_base;

		ck_assert_int_lt(n_sent, SENT_MAX);
		sent[n_sent].to = to;
		sent[n_sent].seq = (uint16_t)(p[2] << 8 | p[3]);
		sent[n_sent].sum = sum_of(p + RTP_HEADER, v[i].iov_len - RTP_HEADER);
		sent[n_sent++].at = now;
	}
	return take;
}

static void vf_opened(void *arg, void *user, struct vod_film *f, int status)
{
	(void)arg, (void)user, (void)f;
	opened++;
	opened_status = status;
}

static void vf_moved(void *arg, void *user, struct vod_film *f)
{
	(void)arg, (void)user;
	moved_to = f;
}

static void vf_looked(void *arg, struct viewer *v)
{
	(void)arg, (void)v;
	looked++;
}

static void vf_ended(void *arg, struct viewer *v)
{
	(void)arg, (void)v;
	ended++;
}

static void vf_stuck(void *arg, struct viewer *v)
{
	(void)arg, (void)v;
	stuck++;
}

static void vf_changed(void *arg, void *user, struct vod_film *f)
{
	(void)arg, (void)user, (void)f;
	changed++;
}

static void vf_wake(void *arg)
{
	(void)arg;
}

static const struct vod_ops vf_ops = {
	vf_fetch, vf_send, vf_opened, vf_moved, vf_looked, vf_ended, vf_stuck, vf_changed, vf_wake};

static inline void master_has(const struct fix *x, const char *tag)
{
	free(master.file);
	master.file = fix_make(x, &master.size);
	snprintf(master.tag, sizeof(master.tag), "%s", tag);
}

static inline void vod_setup(const struct fix *x, int64_t cache)
{
	struct vod_conf c = {.dir = "", .cache = cache, .ahead = 4 * NS_S, .revalidate = 10 * NS_S};
	int err;

	ck_assert_int_eq(secret_init(), 0);
	memset(&master, 0, sizeof(master));
	master_has(x, "one");
	n_asked = n_sent = opened = looked = ended = stuck = changed = 0;
	opened_status = -1;
	moved_to = NULL;
	room = INT32_MAX;
	now = 100 * NS_S;
	vod = vod_new(&c, &vf_ops, NULL, &err);
	ck_assert_ptr_nonnull(vod);
}

static inline void vod_teardown(void)
{
	vod_free(vod);
	free(master.file);
}

/* Answers what has been asked for up to now; how much that was. */
static inline int master_answers(void)
{
	int n = n_asked;

	for (int i = 0; i < n; i++) {
		struct vod_piece p = {.first = asked[i].first, .id = {.size = master.size}};
		int64_t last = asked[i].last < master.size ? asked[i].last : master.size - 1;

		snprintf(p.id.tag, sizeof(p.id.tag), "%s", master.tag);
		p.p = master.file + p.first;
		p.n = (size_t)(last - p.first + 1);
		if (master.down || master.status)
			vod_failed(asked[i].film, asked[i].block, master.status, now);
		else
			vod_got(asked[i].film, asked[i].block, &p, now);
	}
	memmove(asked, asked + n, (size_t)(n_asked - n) * sizeof(asked[0]));
	n_asked -= n;
	return n;
}

/* Time passes until `until`, in steps as the core wants them, 20 ms at most; the master answers. */
static inline void passes(ns_t until)
{
	while (now < until) {
		ns_t when = vod_tick(vod, now);

		while (master_answers())
			;
		when = when < now + NS_MS ? now + NS_MS : when;
		now = when < now + 20 * NS_MS ? when : now + 20 * NS_MS;
		if (now > until)
			now = until;
	}
}

/* A film that is open. */
static inline struct vod_film *open_now(void *user)
{
	struct vod_film *f = vod_open(vod, SLICE("/films/a"), "http://m/a", user, now);

	ck_assert_ptr_nonnull(f);
	passes(now + 50 * NS_MS);
	return moved_to ? moved_to : f;
}

/* Looks, and has the master answer until that is found. */
static inline void look_now(struct viewer *v, int64_t packet, int64_t time)
{
	enum vod_look r = vod_look(v, packet, time, now);

	for (int i = 0; r == LOOK_PENDING && i < 200; i++) {
		passes(now + 20 * NS_MS);
		r = viewer_is_looking(v) ? vod_looked(v) : LOOK_FAILED;
	}
	ck_assert_int_eq(r, LOOK_FOUND);
}

#endif
