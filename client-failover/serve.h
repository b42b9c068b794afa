/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's RTSP server (RFC 2326) toward unmodified players, as a core: a parsed request and
 * `now` in, the answer's text out, and what the shell is to do beside writing it. No sockets.
 *
 *	         first DESCRIBE               session has an SDP              source ends
 *	(none) ────────────────> SEEKING ───────────────────────────> LIVE ──────────────> ENDED
 *	                            └── refused ──> REFUSED
 *
 * A channel is what players ask for under one name; it has one failover session, however many they
 * are. While that is SEEKING a request for it cannot be answered: SERVE_WAIT, and the shell hands
 * in the same request again when the channel has changed. A player has one session on its
 * connection, which ends with it.
 *
 * Packets are handed on as they are (serve_media.c): SSRC, number and time of the source. Sender
 * reports are made anew, since a packet leaves here later than its source said it.
 */
#ifndef NEARCAST_CLIENT_SERVE_H
#define NEARCAST_CLIENT_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/rtp.h"
#include "lib/sbuf.h"
#include "lib/sdp.h"
#include "lib/text.h"

#define SERVE_NAME      768                   /* path and query */
#define SERVE_URL       1024                  /* of a presentation, as the player calls it */
#define SERVE_REPLY_MAX (SDP_MAX_SIZE + 4096) /* room that an answer needs */

struct serve_conf {
	char software[64]; /* Server: */
	struct addr addr;  /* where it listens */
	uint16_t rtp_port; /* media over UDP leave from it; RTCP's is the next */
	ns_t timeout;      /* a player's session without a sign of life */
	ns_t linger;       /* a channel without players is kept for so long, */
	ns_t sulk;         /* and one that was refused */
	int max_channels;
};

/* Where bytes go. Neither may free a connection. */
struct serve_io {
	void (*udp)(void *arg, bool rtcp, const struct addr *to, const uint8_t *p, size_t n);
	/* An interleaved frame (RFC 2326, 10.12). False: the player has no room for it. */
	bool (*frame)(void *arg, void *shell, uint8_t channel, const uint8_t *p, size_t n);
};

enum serve_state { SERVE_SEEKING, SERVE_LIVE, SERVE_REFUSED, SERVE_ENDED };

/* A medium of a channel: what was handed on last, and the source's clock. */
struct serve_source {
	uint32_t clock_rate;
	bool any;
	uint32_t ssrc, ts;
	uint16_t seq;
	ns_t at;     /* when that was due */
	bool has_sr; /* the source has said what time it is: */
	uint32_t sr_ssrc;
	uint64_t sr_ntp;
	uint32_t sr_ts;
};

struct serve_conn;
TAILQ_HEAD(serve_conns, serve_conn);

struct serve_channel {
	char name[SERVE_NAME];
	enum serve_state state;
	int status; /* REFUSED: what players are told */
	ns_t since; /* of the state; of being without players */
	char *sdp;  /* as players are told */
	size_t sdp_len;
	int media;
	struct serve_source source[SDP_MAX_MEDIA];
	struct serve_conns conns; /* that have it */
	int users;                /* those, and who waits for it */
	void *shell;
	TAILQ_ENTRY(serve_channel) entry;
};

/* A medium of a player's session. */
struct serve_medium {
	bool set_up, tcp, told; /* told: a sender report has been sent */
	uint8_t channel[2];
	struct addr rtp, rtcp;
	uint32_t packets, octets; /* sent: for sender reports */
	ns_t sr_at;               /* the next one */
};

enum serve_phase { SERVE_IDLE, SERVE_READY, SERVE_PLAYING };

/* A player's connection. Zeroed, then peer and shell are set. */
struct serve_conn {
	struct addr peer;
	void *shell;
	struct serve_channel *channel; /* that it has asked about last, or has a session of */
	struct serve_channel
		*waits;        /* its request is to be handed in again when that has changed */
	enum serve_phase play; /* IDLE: no session */
	char id[17];
	ns_t active; /* the session's last sign of life */
	uint64_t packets, dropped;
	struct serve_medium m[SDP_MAX_MEDIA];
	TAILQ_ENTRY(serve_conn) of_channel;
};

enum serve_action {
	SERVE_SEEK = 1,   /* `channel` is new: begin a failover session for it */
	SERVE_WAIT = 2,   /* no answer yet: ask again when `channel` has changed */
	SERVE_PLAYED = 4, /* the player plays now */
	SERVE_PAUSED = 8, /* it does not any more */
	SERVE_TORNDOWN = 16,
	SERVE_CLOSE = 32, /* the connection is to be closed after the answer */
};

struct serve_reply {
	struct sbuf
		text; /* the caller's memory, SERVE_REPLY_MAX; nothing in it: no answer is due */
	unsigned actions;
	int status;
	struct serve_channel *channel;
};

struct serve {
	struct serve_conf conf;
	const struct serve_io *io;
	void *arg;
	uint64_t (*random)(void); /* 64 unguessable bits */
	TAILQ_HEAD(, serve_channel) channels;
	int n_channels;
};

void serve_init(struct serve *s, const struct serve_conf *conf, const struct serve_io *io,
	void *arg, uint64_t (*random)(void));

/* Handles one message of a connection; responses of the player are ignored. */
void serve_request(struct serve *s, struct serve_conn *c, const struct text_msg *m, ns_t now,
	struct serve_reply *out);
/* What came is no message at all: an answer with `status` (400, 408, 413) that closes. */
void serve_reject(struct serve *s, int status, struct serve_reply *out);

/* What the channel's failover session has come to. */
int serve_described(struct serve *s, struct serve_channel *ch, struct slice sdp, ns_t now);
void serve_refused(struct serve_channel *ch, int status, ns_t now);
/* Its last packet is out. Its players are to be told (serve_bye); new ones find it no more. */
void serve_ended(struct serve_channel *ch, ns_t now);

/* A channel that nobody has any use for any more, or NULL. To be asked now and then. */
struct serve_channel *serve_useless(struct serve *s, ns_t now);
/* It has no users. */
void serve_channel_free(struct serve *s, struct serve_channel *ch);
/* The connection's request is going to be handed in again. */
void serve_settled(struct serve_conn *c, ns_t now);
/* The connection is closed, or its session has timed out. */
void serve_leave(struct serve_conn *c, ns_t now);
bool serve_timed_out(const struct serve *s, const struct serve_conn *c, ns_t now);

/* ---- serve_media.c ---- */

/* A whole RTP packet of the medium is due: to all who play. */
void serve_packet(struct serve *s, struct serve_channel *ch, int medium, const uint8_t *p, size_t n,
	ns_t at, ns_t now);
/* The source says which moment of the wall clock a time of its packets is. */
void serve_clock(
	struct serve_channel *ch, int medium, uint32_t ssrc, uint64_t ntp, uint32_t rtp_ts);
/* Where the medium stands: the number that comes next and the source's time now, as far as known. */
bool serve_position(const struct serve_source *m, ns_t now, uint16_t *seq, uint32_t *rtp_ts);
/* RTCP BYE for each medium, to one player that has a session. */
void serve_bye(struct serve *s, struct serve_conn *c);
/* RTCP came from a player. */
void serve_rtcp_from(struct serve *s, const struct addr *from, ns_t now);
/* An interleaved frame came on this channel number of the connection. */
void serve_frame_from(struct serve_conn *c, uint8_t channel, ns_t now);

#endif
