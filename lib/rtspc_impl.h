/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two halves of the RTSP client's core share: rtspc.c says, rtspc_answer.c listens. */
#ifndef NEARCAST_RTSPC_IMPL_H
#define NEARCAST_RTSPC_IMPL_H

#include "lib/rtspc.h"
#include "lib/sbuf.h"
#include "lib/text.h"

#define URL_MAX     1024
#define OUT_MAX     24576
#define SESSION_MAX 128
#define EXTRA_MAX   1024
#define REQS_MAX    32
#define EVENTS_MAX  4
#define NAMES_MAX   512 /* bytes of Nearcast-Path */
#define TIMEOUT_DEF 60  /* s, RFC 2326, 12.37 */

enum state { ST_IDLE, ST_DESCRIBING, ST_DESCRIBED, ST_SETUP, ST_PLAYING, ST_CLOSING, ST_OVER };
enum kind {
	REQ_NONE,
	REQ_DESCRIBE,
	REQ_SETUP,
	REQ_PLAY,
	REQ_ALIVE,
	REQ_TEARDOWN,
	REQ_DELIVER,
	REQ_STRAY
};

struct req {
	enum kind kind;
	uint32_t cseq;
	int media;
	bool proved; /* it had credentials */
};

struct pending_event {
	enum rtspc_event_kind kind;
	struct slice data;
	uint8_t channel;
	int status, retry_after;
	struct addr group;
};

struct medium {
	struct rtspc_media_conf conf;
	struct rtspc_media_info info;
	char session[SESSION_MAX]; /* as its SETUP was answered; "" before */
	uint8_t channel[2];        /* interleaved, as the server chose them */
};

struct rtspc {
	enum state state;
	char url[URL_MAX];  /* as requested */
	char base[URL_MAX]; /* Content-Base, or the URL */
	bool has_base;
	struct addr host; /* of the URL, when it is a literal; family 0 otherwise */
	char agent[64];
	char extra[EXTRA_MAX]; /* header lines for every request that opens something */

	char *sdp_text;
	size_t sdp_len;
	struct sdp sdp;
	bool foreign_sdp; /* given, not from this node */

	bool nearcast;     /* the peer said so */
	bool can_join;     /* we say so */
	bool flight;       /* SETUPs and PLAY went out together */
	bool lost_bet;     /* the flight was refused by a plain server */
	bool no_parameter; /* GET_PARAMETER is not understood: OPTIONS keeps alive */
	struct rtspc_who *who;
	bool challenged; /* what opens is to be asked for again, once all of it is answered */
	int challenges;
	uint32_t cseq; /* of the last request */
	struct req req[REQS_MAX];

	struct medium media[SDP_MAX_MEDIA];
	int medias;
	ns_t begin; /* of what is on demand: 0: not told */
	char session[SESSION_MAX];
	int timeout; /* s */
	ns_t alive_at;

	char out_mem[OUT_MAX];
	struct sbuf out;
	bool out_taken;
	size_t seen; /* bytes of the message at the front that text_parse has already looked at */
	char text[URL_MAX + 256];
	char path[NAMES_MAX]; /* as it was told last */
	struct pending_event ev[EVENTS_MAX];
	int evs;
};

void rtspc_event_push(struct rtspc *c, struct pending_event e);
/* The attachment is over: RTSPC_FAILED, RTSPC_REDIRECT. */
void rtspc_fail(struct rtspc *c, int status, int retry_after, struct slice why);
void rtspc_redirect(struct rtspc *c, struct slice location);
/* Where requests and answers are written; what has been fetched is let go of first. */
struct sbuf *rtspc_output(struct rtspc *c);
void rtspc_output_end(struct rtspc *c);
/* Copies and parses an SDP. 0 or negative errno. */
int rtspc_sdp_take(struct rtspc *c, struct slice text);
/* One request at a time: the next SETUP that lacks, or PLAY. */
void rtspc_step(struct rtspc *c);
void rtspc_settle_lost_bet(struct rtspc *c);
/* After a challenge: asks again for what is not there yet. */
void rtspc_ask_again(struct rtspc *c);

/* rtspc_who.c */
/* Writes what proves the password to this request. True: it did. */
bool rtspc_put_proof(struct rtspc *c, struct sbuf *b, const char *method, const char *url);
void rtspc_put_sealed(struct rtspc *c, struct sbuf *b);
/* Takes a 401. False: there is nothing better to say than what r said. */
bool rtspc_take_challenge(struct rtspc *c, const struct req *r, const struct text_msg *m);
/* What any answer may bring for the next requests. */
void rtspc_learn_who(struct rtspc *c, const struct text_msg *m);
ns_t rtspc_alive_next(const struct rtspc *c, ns_t now);

#endif
