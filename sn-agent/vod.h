/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On demand (row E3), as a core: which films are open, which of their blocks are here or asked of
 * the master site, who views what and is sent which packet when. Answers of the master and `now` go
 * in; what is to be fetched and sent goes out through struct vod_ops. No sockets, no clock.
 *
 *	vod_open ── head and tail of the file ──> opened ── vod_look: where to begin ──> looked
 *	                                                        │
 *	         ended <── vod_tick: what is due <── vod_play <─┘
 *
 * Blocks are fetched once for all who view a film, when a viewer is close to them, and stay until
 * others need the room. A block of another validator or size than the film's means that the file has
 * changed: then this film ends, and what was kept of it is dropped; nothing is mixed. A film that
 * nobody has asked for in a while is checked before it is played again; if the master cannot be
 * reached then, what is here is believed.
 *
 * A viewer is sent packets by the film's own clock, VOD_LEAD ahead of it once it plays: it begins at
 * four times the film's rate until it is so far ahead, so that a player's buffer fills soon. When
 * blocks lack it waits, and catches up in the same way.
 *
 * vod.c has films and blocks, vod_view.c viewers, vod_look.c the search for a place.
 */
#ifndef NEARCAST_SN_VOD_H
#define NEARCAST_SN_VOD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/clock.h"
#include "lib/slice.h"
#include "sn-agent/film.h"

#define VOD_PATH  256
#define VOD_URL   640
#define VOD_LEAD  NS_S
#define VOD_FIRST (100 * NS_MS) /* of media that go at once */
#define VOD_SPEED 4
#define VOD_FILMS 256 /* that nobody views and are remembered */

struct vod;
struct vod_film;
struct viewer;
struct receiver;

struct vod_conf {
	const char *dir; /* of the cache; "": memory */
	int64_t cache;   /* bytes */
	ns_t ahead;      /* of media that are fetched ahead of a viewer */
	ns_t revalidate; /* so long a film is not checked anew */
};

struct vod_ops {
	/* Fetch these bytes of the film's URL; then vod_got or vod_failed, never from within. 0, or
	 * negative errno: not now. */
	int (*fetch)(void *arg, struct vod_film *f, int64_t first, int64_t last, int64_t block);
	/* Send to a viewer; how many were taken. */
	int (*send)(void *arg, struct receiver *to, const struct iovec *v, int n);
	/* What `user` opened can be played (status 0), or not: an RTSP status. From here on: films
	 * may be opened and closed, viewers made and freed from within. */
	void (*opened)(void *arg, void *user, struct vod_film *f, int status);
	/* It has changed before anybody played it: `user` has this one from now on. (Nothing is to be
	 * done from within.) */
	void (*moved)(void *arg, void *user, struct vod_film *f);
	/* vod_look has a result. */
	void (*looked)(void *arg, struct viewer *v);
	/* All of what it wanted has been sent. */
	void (*ended)(void *arg, struct viewer *v);
	/* Its blocks cannot be had for too long. */
	void (*stuck)(void *arg, struct viewer *v);
	/* The film is another one now; it is to be closed, and all that view it. */
	void (*changed)(void *arg, void *user, struct vod_film *f);
	/* vod_tick is due. */
	void (*wake)(void *arg);
};

struct vod_counters {
	uint64_t fetches, bytes, failures; /* of the master: asked, got, without a result */
	uint64_t opened, changed, checked;
	uint64_t stalls; /* times that a viewer had to wait for a block */
	uint64_t full;   /* times that there was no room for a block */
};

/* *err says why it returned NULL. */
struct vod *vod_new(const struct vod_conf *c, const struct vod_ops *ops, void *arg, int *err);
void vod_free(struct vod *v);                               /* nothing is under way any more */
void vod_set_conf(struct vod *v, const struct vod_conf *c); /* ahead and revalidate */

/* Opens the film of a path, that lies at `url`. `user` is told; not from within: vod_status says it
 * if it is known at once. NULL without memory. */
struct vod_film *vod_open(struct vod *v, struct slice path, const char *url, void *user, ns_t now);
/* 0: it can be played; -EINPROGRESS: not known yet; else the RTSP status to refuse it with. */
int vod_status(const struct vod_film *f);
void vod_close(struct vod_film *f, ns_t now); /* its viewers are freed before */
const struct film *vod_film(const struct vod_film *f);
const char *vod_url(const struct vod_film *f);
const char *vod_path(const struct vod_film *f);
const char *vod_state_str(const struct vod_film *f);

/* An answer of the master's: `n` bytes of `id` from `first` on. */
struct vod_piece {
	struct film_id id;
	int64_t first;
	const uint8_t *p;
	size_t n;
};
void vod_got(struct vod_film *f, int64_t block, const struct vod_piece *p, ns_t now);
/* None, or an error; status: an RTSP status if asking again is of no use, else 0. */
void vod_failed(struct vod_film *f, int64_t block, int status, ns_t now);

/* Sends what is due, asks again for what could not be had. When it is to be called next, NS_NEVER. */
ns_t vod_tick(struct vod *v, ns_t now);

/* ---- viewers ---- */

enum vod_look { LOOK_PENDING, LOOK_FOUND, LOOK_FAILED };

/* NULL without memory. `to` outlives it. */
struct viewer *viewer_new(struct vod_film *f, struct receiver *to, void *session);
void viewer_free(struct viewer *v);
void *viewer_session(const struct viewer *v);
bool viewer_is_looking(const struct viewer *v);
/* Where is packet `packet`, or, if that is < 0, the place to begin for `time`? Whatever it did before
 * ends. LOOK_PENDING: `looked` is called later, and vod_looked says the result. */
enum vod_look vod_look(struct viewer *v, int64_t packet, int64_t time, ns_t now);
/* The result of the last look; LOOK_FOUND once only: it is taken then. */
enum vod_look vod_looked(struct viewer *v);
/* Plays from where it is on, to `end` (ticks; INT64_MAX: to the film's end). */
void vod_play(struct viewer *v, int64_t end, ns_t now);
void vod_pause(struct viewer *v);

int64_t viewer_next(const struct viewer *v); /* packet that comes next; film's packets: none */
bool viewer_begun(const struct viewer *v);   /* it has a place */
bool viewer_ended(const struct viewer *v);   /* it has had all that it wanted */
/* Time and RTP timestamp of the next packet; false: it is not at hand. */
bool viewer_place(const struct viewer *v, int64_t *time, uint32_t *ts);
/* The packet with these low bits that was sent to it, for repair. False: there is none, or it has
 * to be fetched first (which is begun). */
bool viewer_repair(struct viewer *v, uint16_t seq, struct iovec *out, ns_t now);

/* ---- for operators ---- */

struct vod_figures {
	int films, viewers;
	int64_t cached; /* bytes */
};
struct vod_figures vod_figures(const struct vod *v);
struct vod_counters *vod_counters(struct vod *v);
/* Calls fn for each film: how many play it, how many bytes of it are here. */
void vod_each(const struct vod *v,
	void (*fn)(void *arg, const struct vod_film *f, int viewers, int64_t cached), void *arg);

#endif
