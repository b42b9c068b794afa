/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vod.c, vod_view.c and vod_look.c share. */
#ifndef NEARCAST_SN_VOD_IMPL_H
#define NEARCAST_SN_VOD_IMPL_H

#include "sn-agent/stock.h"
#include "sn-agent/vod.h"

struct vod_block {
	struct film_reel *reel; /* NULL: it is not here */
	bool flying;            /* asked for */
	uint8_t failures;
	ns_t retry_at;
};

enum vod_state {
	VOD_OPENING,  /* head and tail are fetched */
	VOD_CHECKING, /* it was open; is it still the same? */
	VOD_OPEN,
	VOD_REFUSED, /* `status` says why */
	VOD_DEAD,    /* the file has changed */
};

struct vod_film {
	struct vod *vod;
	struct vod_film *next;
	char path[VOD_PATH], url[VOD_URL];
	enum vod_state state;
	int status;
	bool has_film; /* film is initialised */
	struct film film;
	struct vod_block *block; /* film.blocks */
	struct vod_block head;   /* block 0, until there is a film; and the check */
	void *user;
	int flying;   /* fetches under way */
	int restarts; /* times that it changed while it was opened */
	bool news;    /* `user` is to be told: opened, refused, changed */
	ns_t checked, idle_since;
	struct viewer *viewers;
};

struct vod {
	struct vod_conf conf;
	const struct vod_ops *ops;
	void *arg;
	struct stock *stock;
	struct vod_film *films;
	struct vod_counters count;
	bool news; /* of a film or a viewer */
};

enum look_phase { SEARCH, NEAR, BACK, READY };

struct look {
	enum look_phase phase;
	ns_t deadline;
	int64_t time;
	int64_t lo, hi; /* blocks: it begins in lo or later, before hi */
	int64_t lo_time, hi_time;
	bool halve; /* the next guess is the middle */
	int64_t at; /* place in the file */
	int64_t block;
	int64_t packet;
};

enum view_state { VIEW_IDLE, VIEW_LOOKING, VIEW_FOUND, VIEW_FAILED, VIEW_PLAYING, VIEW_ENDED };

enum view_news { NEWS_NONE, NEWS_LOOKED, NEWS_ENDED, NEWS_STUCK };

struct viewer {
	struct vod_film *film;
	struct viewer *next_of_film;
	struct receiver *to;
	void *session;
	enum view_state state;
	enum view_news news; /* its owner is to be told */
	bool begun;
	struct look look;
	int64_t next; /* packet */
	int64_t end;  /* time */
	/* Pace: media time `media` of the packet last sent is counted from PLAY on, in ns; it may
	 * go as far as anchor_media + what the time since `anchor` allows. */
	ns_t media, anchor_media, anchor;
	int64_t last_time; /* ticks, of the packet last sent; INT64_MIN: none yet */
	ns_t when;         /* next step */
	ns_t stalled;      /* blocks lack since; 0: they do not */
};

/* The block's bytes, fresh in use; NULL: it is asked for. */
struct film_reel *vod_reel(struct vod_film *f, int64_t block, ns_t now);
/* The same with the block's headers; what that needs is asked for. */
struct film_reel *vod_stamped(struct vod_film *f, int64_t block, ns_t now);
/* The block's marks: true when they are known, else it is asked for. */
bool vod_known(struct vod_film *f, int64_t block, ns_t now);

/* vod_look.c: goes on looking. */
enum vod_look look_step(struct viewer *v, ns_t now);
/* vod_view.c: what is due for one viewer; v->when is set. */
void viewer_run(struct viewer *v, ns_t now);

#endif
