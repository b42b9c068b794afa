/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Channels. A channel is what an RTSP path names: an SDP, and for each of its media a ring, the
 * source's SSRC and last sender report, and those who receive it.
 *
 * Its life: somebody publishes it here (ANNOUNCED until RECORD, then LIVE), or somebody asks for it
 * and an upstream node is asked in turn (SEEKING until that answers, then LIVE or REFUSED). A
 * publisher that vanishes has a grace to come back; then, as after its TEARDOWN, the channel is
 * ENDED: no more packets come, but the rings answer on, so that a client may fail over even at the
 * very end. An upstream's channel that nobody receives any more lingers, then is pruned.
 *
 * A new publication of the same path is a new channel. The old one ends, and is found only by who
 * knows its SSRC, for as long as its rings may be of use. A publisher that is back within the grace, with a
 * presentation alike, goes on with the channel; from its first packets on the rings are of that.
 * Decision 39 says why. No sockets and no clock here.
 */
#ifndef NEARCAST_SN_CHANNEL_H
#define NEARCAST_SN_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/gap.h"
#include "lib/sdp.h"
#include "lib/slice.h"
#include "sn-agent/fetch.h"
#include "sn-agent/keyframe.h"
#include "sn-agent/ring.h"
#include "sn-agent/successor.h"

#define CHANNEL_PATH   256  /* bytes of a path, the NUL included */
#define CHANNEL_MAX    1024 /* channels at one time */
#define CHANNEL_VIA    512
#define CHANNEL_ORIGIN 272 /* "cam.acme.com:554" */
#define CHANNEL_RTCP   512 /* longest sender report compound that is kept */
#define MEDIUM_BATCH   64  /* packets that wait for one flush */
#define CHANNEL_GRACE  (2 * NS_S)
#define CHANNEL_SULK   (500 * NS_MS) /* a refusal is remembered that long */

struct channel;
struct receiver;
struct session;
struct feed;
struct vod_film;

/* One medium of a channel. */
struct medium {
	struct channel *channel;
	int index; /* N of trackID=N */
	struct ring *ring;
	uint32_t clock_rate;
	bool has_ssrc;
	uint32_t ssrc;   /* of the ring's packets */
	bool was_other;  /* before them it had */
	uint32_t former; /* this source */
	bool in_doubt; /* somebody publishes anew: its first packet says whether the ring's are its */
	struct successor next;
	int64_t last;             /* number of the packet that last_ts, last_at are of; -1: none */
	uint32_t last_ts;         /* its RTP timestamp */
	ns_t last_at;             /* when it came */
	struct keyframe key;      /* where a player can begin */
	uint8_t sr[CHANNEL_RTCP]; /* the origin's last compound with a sender report */
	size_t sr_len;
	bool bye;          /* the origin said BYE */
	struct gap *gap;   /* from an upstream: what our subscription lost */
	struct fetch *old; /* from an upstream: what receivers want from before it */

	struct receiver **receiver; /* playing */
	int receivers, room;
	int64_t fresh[MEDIUM_BATCH]; /* came, are to be sent */
	int n_fresh;
	int n_turn;           /* of these in this turn of the loop */
	ns_t turn_at;         /* the last turn that brought any */
	ns_t due;             /* they are sent then; NS_NEVER: that is not decided yet */
	bool urgent;          /* one of them is not to wait: a frame is whole, or a repair came */
	bool framed;          /* frames of several packets end with a marker here */
	struct medium *dirty; /* next with fresh packets */
	bool is_dirty;

	uint64_t packets, bytes, duplicates;
};

enum channel_state {
	CHANNEL_ANNOUNCED,
	CHANNEL_SEEKING,
	CHANNEL_LIVE,
	CHANNEL_ENDED,
	CHANNEL_REFUSED
};

struct channel {
	char path[CHANNEL_PATH];
	char origin[CHANNEL_ORIGIN]; /* a path of that origin's; "": of this overlay's */
	enum channel_state state;
	int refusal; /* RTSP status, when REFUSED */
	char *sdp;   /* what clients are told */
	size_t sdp_len;
	struct medium medium[SDP_MAX_MEDIA];
	int media;

	struct session *publisher;  /* NULL: gone, or it comes from an upstream */
	bool local;                 /* it is, or was, published here */
	struct feed *feed;          /* the shell's subscription to an upstream */
	struct vod_film *film;      /* on demand: there are no packets in the ring (vod.h) */
	char via[CHANNEL_VIA];      /* nodes that the request which made us seek came through */
	char from_node[64];         /* upstream it comes from; "" */
	char trying[64];            /* upstream that is being asked; "" */
	char path_via[CHANNEL_VIA]; /* nodes that it comes through, the source last (via.h); "" */
	uint64_t kbps;              /* what its media bring; 0: not known yet (load.h) */
	uint64_t said_kbps;         /* by its SDP; 0: it does not say */
	uint64_t counted;           /* rtsp.counted, when it was */
	uint64_t rated_bytes;       /* of its media, */
	ns_t rated_at;              /* then */
	int users;                  /* sessions and waiting requests that point here */
	int playing;                /* sessions that play it */
	int joinable;    /* those that could be told to join its group, when last counted */
	ns_t grace;      /* a vanished publisher's channel ends then; NS_NEVER */
	ns_t idle_since; /* nobody plays since; NS_NEVER: somebody does */
	ns_t state_since;
	ns_t expected; /* somebody is said to come: it is not pruned before; 0: nobody */
	bool listed;   /* found by its path */
	struct channel *next;
};

struct channels {
	struct channel *first;
	int n;
	ns_t ring_span;
	size_t ring_bytes; /* a medium */
	ns_t linger;
};

void channels_init(struct channels *c, ns_t ring_span, size_t ring_bytes, ns_t linger);
void channels_free(struct channels *c); /* all of them */
void channels_set_span(struct channels *c, ns_t ring_span);

/* The one of that path that is neither ANNOUNCED nor superseded; NULL. */
struct channel *channels_find(const struct channels *c, struct slice path);
/* The same of an origin of its own, "": none. Two origins may have the same path. */
struct channel *channels_find_at(const struct channels *c, const char *origin, struct slice path);
/* Its medium `index` is of this source. */
static inline bool channel_is_of(const struct channel *ch, int index, uint32_t ssrc)
{
	return index < ch->media && ch->medium[index].has_ssrc && ch->medium[index].ssrc == ssrc;
}

/* One of that path, listed or superseded, whose medium `index` is of this source, and no film; NULL. */
struct channel *channels_find_source(
	const struct channels *c, const char *origin, struct slice path, int index, uint32_t ssrc);
/* A new one, not yet listed; when there are too many, the oldest that nobody uses, and that was
 * refused or has ended, is freed for it. NULL: too many, path too long, no memory. */
struct channel *channel_new(
	struct channels *c, struct slice path, enum channel_state state, ns_t now);
/* It is found by its path from now on; who was there before is not. */
void channel_list(struct channels *c, struct channel *ch);
/* Gives it its media from an SDP. 0; -EINVAL, -E2BIG as sdp_parse; -ENOMEM. May be repeated with as
 * many media, else -EEXIST. */
int channel_describe(struct channels *c, struct channel *ch, struct slice sdp);
/* Who knows its SDP can play what this one describes (sdp_alike). */
bool channel_is_like(const struct channel *ch, const struct sdp *sdp);
void channel_set_state(struct channel *ch, enum channel_state state, ns_t now);
/* It comes from an upstream: losses are to be noticed. 0 or -ENOMEM. */
int channel_track_losses(struct channel *ch, const struct gap_conf *conf, ns_t retry);

/* What time brings: the first thing due, to be repeated until CHANNEL_NOTHING. */
enum channel_due {
	CHANNEL_NOTHING,
	CHANNEL_PRUNE,    /* nobody has played it for the linger: unsubscribe, then channel_free */
	CHANNEL_END,      /* the grace is over: the source has ended */
	CHANNEL_FORGOTTEN /* nobody needs it: channel_free */
};
enum channel_due channels_tick(struct channels *c, ns_t now, struct channel **out);
void channel_free(struct channels *c, struct channel *ch);

const char *channel_state_str(enum channel_state s);

#endif
